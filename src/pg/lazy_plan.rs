//! The plan node LazyScan, and the query that each of its windows runs.

use super::compat_plan;
use super::custom_node::Planning;
use super::demand::raise;
use super::lazy_path::{Lazy, comparison, decided};
use super::list::{self, IntList};
use super::planner_end::repeatable;
use crate::error::Error;
use pgrx::pg_sys::NodeTag as Tag;
use pgrx::{pg_guard, pg_sys};

/// What a LazyScan keeps beside its query, as integers.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub relation: u32,
    pub family: u32,
    pub type_oid: u32,
    pub attnum: i16,
    pub descending: bool,
    /// the first expressions are the parameters of the query, then perhaps the limit and the offset,
    /// then one value for each of `bounds`
    pub params: usize,
    pub has_limit: bool,
    pub has_offset: bool,
    /// strategies of comparisons of the key
    pub bounds: Vec<i32>,
}

impl Facts {
    fn into_list(self) -> *mut pg_sys::List {
        let mut ints = IntList::new();
        ints.extend(&[
            self.relation as i32,
            self.family as i32,
            self.type_oid as i32,
            i32::from(self.attnum),
            i32::from(self.descending),
            self.params as i32,
            i32::from(self.has_limit),
            i32::from(self.has_offset),
        ]);
        ints.extend(&self.bounds);
        ints.into_list()
    }

    pub(super) fn from_ints(ints: &[i32]) -> Option<Facts> {
        let (
            &[
                relation,
                family,
                type_oid,
                attnum,
                descending,
                params,
                has_limit,
                has_offset,
            ],
            bounds,
        ) = ints.split_first_chunk::<8>()?;
        Some(Facts {
            relation: relation as u32,
            family: family as u32,
            type_oid: type_oid as u32,
            attnum: attnum as i16,
            descending: descending != 0,
            params: params as usize,
            has_limit: has_limit != 0,
            has_offset: has_offset != 0,
            bounds: bounds.to_vec(),
        })
    }
}

/// Parameters of the outer query that became parameters of the window's query.
struct Params {
    found: Vec<*mut pg_sys::Param>,
}

/// # Safety
/// As for [`Node::plan`](super::custom_node::Node::plan).
pub(super) unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
    let (root, rel) = (planning.root, planning.rel);
    // SAFETY: the planner's own, valid structs
    unsafe {
        let Some(lazy) = decided(rel) else {
            raise(Error::internal(
                "a LazyScan of a table that is read otherwise",
            ));
        };
        let mut params = Params { found: Vec::new() };
        let columns = needed_columns(rel, planning.tlist);
        let query = window_query(root, rel, &columns, (*lazy).ordered, &mut params);
        let mut exprs = std::ptr::null_mut();
        for param in &params.found {
            exprs = pg_sys::lappend(exprs, (*param).cast());
        }
        let parse = (*root).parse;
        let has_limit = (*lazy).ordered;
        if has_limit {
            exprs = pg_sys::lappend(exprs, copy((*parse).limitCount).cast());
        }
        let has_offset = has_limit && !(*parse).limitOffset.is_null();
        if has_offset {
            exprs = pg_sys::lappend(exprs, copy((*parse).limitOffset).cast());
        }
        let mut facts = Facts {
            relation: (*lazy).relation.to_u32(),
            family: (*lazy).family.to_u32(),
            type_oid: (*lazy).type_oid.to_u32(),
            attnum: (*lazy).attnum,
            descending: (*lazy).descending,
            params: params.found.len(),
            has_limit,
            has_offset,
            bounds: Vec::new(),
        };
        for (strategy, value) in key_bounds(&*lazy, rel) {
            facts.bounds.push(strategy);
            exprs = pg_sys::lappend(exprs, value.cast());
        }
        (*scan).custom_exprs = exprs;
        (*scan).custom_scan_tlist = targets(&columns, |var| var);
        let mut private = pg_sys::lappend(std::ptr::null_mut(), query.cast());
        private = pg_sys::lappend(private, facts.into_list().cast());
        (*scan).custom_private = private;
    }
}

unsafe fn copy(node: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: nodes of the planner are valid
    unsafe { pg_sys::copyObjectImpl(node.cast()).cast() }
}

/// The columns that the node hands up: those in what is computed above it.
unsafe fn needed_columns(
    rel: *mut pg_sys::RelOptInfo,
    tlist: *mut pg_sys::List,
) -> Vec<*mut pg_sys::Var> {
    let flags = (pg_sys::PVC_RECURSE_AGGREGATES
        | pg_sys::PVC_RECURSE_WINDOWFUNCS
        | pg_sys::PVC_RECURSE_PLACEHOLDERS) as i32;
    let mut columns: Vec<*mut pg_sys::Var> = Vec::new();
    // SAFETY: the planner's own lists of expressions
    unsafe {
        for exprs in [(*(*rel).reltarget).exprs, tlist] {
            for var in list::pointers::<pg_sys::Var>(pg_sys::pull_var_clause(exprs.cast(), flags)) {
                let known = columns
                    .iter()
                    .any(|c| pg_sys::equal((*c).cast(), var.cast()));
                if !known {
                    columns.push(var);
                }
            }
        }
    }
    columns
}

/// One entry per column, numbered from 1.
unsafe fn targets(
    columns: &[*mut pg_sys::Var],
    change: impl Fn(*mut pg_sys::Var) -> *mut pg_sys::Var,
) -> *mut pg_sys::List {
    let mut out = std::ptr::null_mut();
    for (i, var) in columns.iter().enumerate() {
        // SAFETY: copies of valid nodes
        unsafe {
            let expr = change(copy((*var).cast()).cast());
            let entry =
                pg_sys::makeTargetEntry(expr.cast(), i as i16 + 1, std::ptr::null_mut(), false);
            out = pg_sys::lappend(out, entry.cast());
        }
    }
    out
}

/// `SELECT columns FROM hypertable WHERE conditions ORDER BY the same`; bounds and limit come at run time.
unsafe fn window_query(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    columns: &[*mut pg_sys::Var],
    ordered: bool,
    params: &mut Params,
) -> *mut pg_sys::Query {
    // SAFETY: the planner's own, valid structs; fresh nodes
    unsafe {
        let relid = (*rel).relid;
        let query = pg_sys::palloc0(size_of::<pg_sys::Query>()).cast::<pg_sys::Query>();
        (*query).type_ = Tag::T_Query;
        (*query).commandType = pg_sys::CmdType::CMD_SELECT;
        (*query).canSetTag = true;
        (*query).stmt_location = -1;
        let rte = copy((*(*root).simple_rte_array.add(relid as usize)).cast())
            .cast::<pg_sys::RangeTblEntry>();
        (*rte).inh = true;
        let (security, plain) = conditions(root, rel, params);
        (*rte).securityQuals = security;
        (*query).rtable = pg_sys::lappend(std::ptr::null_mut(), rte.cast());
        compat_plan::carry_permissions(query, rte, (*root).parse);
        let table = pg_sys::palloc0(size_of::<pg_sys::RangeTblRef>()).cast::<pg_sys::RangeTblRef>();
        (*table).type_ = Tag::T_RangeTblRef;
        (*table).rtindex = 1;
        let tables = pg_sys::lappend(std::ptr::null_mut(), table.cast());
        (*query).jointree = pg_sys::makeFromExpr(tables, plain);
        (*query).targetList = targets(columns, |var| {
            (*var).varno = 1;
            (*var).varnosyn = 1;
            var
        });
        if ordered {
            add_order(query, (*root).parse, relid, params);
        }
        query
    }
}

/// An expression of the outer query as one of the window's.
unsafe fn moved(
    node: *mut pg_sys::Node,
    relid: pg_sys::Index,
    params: &mut Params,
) -> *mut pg_sys::Node {
    // SAFETY: a copy, which may be changed in place
    unsafe {
        let node = copy(node);
        pg_sys::ChangeVarNodes(node, relid as i32, 1, 0);
        renumber(node, std::ptr::from_mut(params).cast());
        node
    }
}

/// Turns parameters of any kind into external ones, numbered in order of appearance.
#[pg_guard]
unsafe extern "C-unwind" fn renumber(
    node: *mut pg_sys::Node,
    context: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: nodes of a copy of ours; the context is ours
    unsafe {
        if node.is_null() {
            return false;
        }
        if (*node).type_ != Tag::T_Param {
            return pg_sys::expression_tree_walker(node, Some(renumber), context);
        }
        let found = &mut (*context.cast::<Params>()).found;
        let place = found
            .iter()
            .position(|known| pg_sys::equal((*known).cast(), node.cast()));
        let place = place.unwrap_or_else(|| {
            found.push(copy(node).cast());
            found.len() - 1
        });
        let param = node.cast::<pg_sys::Param>();
        (*param).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
        (*param).paramid = place as i32 + 1;
        false
    }
}

/// The relation's conditions: those of row security, level by level, and the user's.
unsafe fn conditions(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    params: &mut Params,
) -> (*mut pg_sys::List, *mut pg_sys::Node) {
    let null = std::ptr::null_mut::<pg_sys::List>();
    // SAFETY: the planner's own, valid structs
    unsafe {
        let levels = (*root).qual_security_level as usize;
        let mut by_level = vec![null; levels + 1];
        for info in list::pointers::<pg_sys::RestrictInfo>((*rel).baserestrictinfo) {
            if (*info).pseudoconstant {
                continue; // core puts a gate above the node
            }
            let clause = moved((*info).clause.cast(), (*rel).relid, params);
            let level = ((*info).security_level as usize).min(levels);
            by_level[level] = pg_sys::lappend(by_level[level], clause.cast());
        }
        let plain = by_level[levels];
        let mut security = null;
        for clauses in by_level.into_iter().take(levels).filter(|l| !l.is_null()) {
            security = pg_sys::lappend(security, pg_sys::make_ands_explicit(clauses).cast());
        }
        let plain = if plain.is_null() {
            std::ptr::null_mut()
        } else {
            pg_sys::make_ands_explicit(plain).cast()
        };
        (security, plain)
    }
}

/// ORDER BY: the outer query's, over columns of the target list or further entries.
unsafe fn add_order(
    query: *mut pg_sys::Query,
    parse: *mut pg_sys::Query,
    relid: pg_sys::Index,
    params: &mut Params,
) {
    // SAFETY: the planner's own lists; fresh copies
    unsafe {
        let clauses = list::pointers::<pg_sys::SortGroupClause>((*parse).sortClause);
        for (i, clause) in clauses.enumerate() {
            let expr = pg_sys::get_sortgroupclause_expr(clause, (*parse).targetList);
            let expr = moved(expr, relid, params);
            let same = list::pointers::<pg_sys::TargetEntry>((*query).targetList).find(|entry| {
                (**entry).ressortgroupref == 0 && pg_sys::equal((**entry).expr.cast(), expr.cast())
            });
            let entry = same.unwrap_or_else(|| {
                let number = list::pointers::<()>((*query).targetList).count() as i16 + 1;
                let entry =
                    pg_sys::makeTargetEntry(expr.cast(), number, std::ptr::null_mut(), true);
                (*query).targetList = pg_sys::lappend((*query).targetList, entry.cast());
                entry
            });
            (*entry).ressortgroupref = i as u32 + 1;
            let clause = copy(clause.cast()).cast::<pg_sys::SortGroupClause>();
            (*clause).tleSortGroupRef = i as u32 + 1;
            (*query).sortClause = pg_sys::lappend((*query).sortClause, clause.cast());
        }
    }
}

/// Comparisons of the key with values known at run time: strategy and value.
unsafe fn key_bounds(lazy: &Lazy, rel: *mut pg_sys::RelOptInfo) -> Vec<(i32, *mut pg_sys::Node)> {
    // SAFETY: the planner's own, valid structs
    unsafe {
        list::pointers::<pg_sys::RestrictInfo>((*rel).baserestrictinfo)
            .filter(|info| !(**info).pseudoconstant)
            .filter_map(|info| {
                let clause = (*info).clause.cast();
                let (op, value) = comparison(clause, (*rel).relid, lazy.attnum, lazy.family)?;
                let usable = pg_sys::exprType(value) == lazy.type_oid && repeatable(value);
                usable.then(|| (i32::from(op.strategy()), copy(value)))
            })
            .collect()
    }
}
