//! `ORDER BY key LIMIT n` on a hypertable with many chunks: planned as one node that reads the chunks in
//! windows, so that only the windows read are planned. This file decides, and makes the path.
//!
//! The table is taken out of the planner's hands before its chunks are looked up: with `inh` off core
//! plans it as an empty table, and its path is replaced later. From then on there is no way back, so
//! everything that the node cannot do is found out first.

use super::lazy_edges::Edges;
use super::lazy_limit;
use super::list;
use super::planner::Key;
use super::planner_clause::{plain_var, strategy};
use super::planner_now::constant;
use crate::hypertable::predicate::Op;
use pgrx::pg_sys::NodeTag as Tag;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;

/// With fewer chunks left, planning all of them costs less than windows do.
const CHUNKS: usize = 32;
/// Planner units, above those of any plan.
const NEVER: f64 = 1e15;
const MAGIC: u64 = 0x6c61_7a79_2d73_6361;

thread_local! {
    static IN_WINDOW: Cell<bool> = const { Cell::new(false) };
}

/// True while a window is planned.
pub(super) fn in_window() -> bool {
    IN_WINDOW.get()
}

/// While alive, queries are planned without windows: those of a window itself.
pub(super) struct InWindow(bool);

impl InWindow {
    pub(super) fn begin() -> Self {
        InWindow(IN_WINDOW.replace(true))
    }
}

impl Drop for InWindow {
    fn drop(&mut self) {
        IN_WINDOW.set(self.0);
    }
}

/// What was decided, kept in a field of the relation that only foreign tables use.
#[repr(C)]
pub(super) struct Lazy {
    magic: u64,
    pub attnum: i16,
    pub descending: bool,
    /// false for a relation that is read by nobody: its aggregates were found in windows
    pub ordered: bool,
    pub type_oid: pg_sys::Oid,
    pub family: pg_sys::Oid,
    pub relation: pg_sys::Oid,
}

/// The decision on a relation, if it was taken.
pub(super) unsafe fn decided(rel: *const pg_sys::RelOptInfo) -> Option<*const Lazy> {
    // SAFETY: for a table the field is NULL or ours
    unsafe {
        let lazy = (*rel).fdw_private.cast::<Lazy>().cast_const();
        (!lazy.is_null() && (*lazy).magic == MAGIC).then_some(lazy)
    }
}

/// Takes the relation out of the planner's hands if the query is fit for windows.
///
/// # Safety
/// Called from get_relation_info with the planner's own structures.
pub(super) unsafe fn consider(
    key: &Key,
    relation: pg_sys::Oid,
    rel: *mut pg_sys::RelOptInfo,
    rte: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: promised by the caller
    unsafe {
        // without pruning each window would be planned as large as the table
        if IN_WINDOW.get() || !pg_sys::enable_partition_pruning || !(*rel).fdw_private.is_null() {
            return;
        }
        let descending = fit(key, relation, rel, rte);
        if descending.is_none() && !ends_are_found(key) {
            return;
        }
        let lazy = pg_sys::palloc0(size_of::<Lazy>()).cast::<Lazy>();
        *lazy = Lazy {
            magic: MAGIC,
            attnum: key.attnum,
            descending: descending == Some(true),
            ordered: descending.is_some(),
            type_oid: key.type_oid,
            family: key.family,
            relation,
        };
        (*rel).fdw_private = lazy.cast();
        (*rte).inh = false;
        (*rel).part_scheme = std::ptr::null_mut();
        (*rel).boundinfo = std::ptr::null_mut();
        (*rel).nparts = -1;
    }
}

/// `SELECT max(key), min(key) FROM ...`: core has planned the aggregates by now, each as an ordered query
/// with LIMIT 1. With windows in all of them nobody wants the table itself.
unsafe fn ends_are_found(key: &Key) -> bool {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let parse = (*key.root).parse;
        if !(*parse).hasAggs || !(*parse).groupClause.is_null() {
            return false;
        }
        let stage = pg_sys::UpperRelationKind::UPPERREL_GROUP_AGG;
        let grouped = pg_sys::fetch_upper_rel(key.root, stage, std::ptr::null_mut());
        let found = list::pointers::<pg_sys::Path>((*grouped).pathlist)
            .find(|path| (**path).type_ == Tag::T_MinMaxAggPath);
        let Some(path) = found else {
            return false;
        };
        let path = path.cast::<pg_sys::MinMaxAggPath>();
        list::pointers::<pg_sys::MinMaxAggInfo>((*path).mmaggregates).all(|aggregate| {
            let tables = (*(*aggregate).subroot).simple_rel_array;
            let rel = *tables.add(key.relid as usize);
            !rel.is_null() && decided(rel).is_some()
        })
    }
}

/// Is this the only table of an ordered, limited query that the node can run? Then: is it descending?
unsafe fn fit(
    key: &Key,
    relation: pg_sys::Oid,
    rel: *mut pg_sys::RelOptInfo,
    rte: *mut pg_sys::RangeTblEntry,
) -> Option<bool> {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let parse = (*key.root).parse;
        let plain = (*parse).commandType == pg_sys::CmdType::CMD_SELECT
            && !(*parse).limitCount.is_null()
            && (*parse).limitOption == pg_sys::LimitOption::LIMIT_OPTION_COUNT
            && !(*parse).hasAggs
            && !(*parse).hasWindowFuncs
            && !(*parse).hasTargetSRFs
            && !(*key.root).hasRecursion
            && (*parse).groupClause.is_null()
            && (*parse).groupingSets.is_null()
            && (*parse).havingQual.is_null()
            && (*parse).distinctClause.is_null()
            && (*parse).rowMarks.is_null()
            && (*parse).setOperations.is_null()
            && (*rte).tablesample.is_null()
            && (*key.root).append_rel_list.is_null();
        if !plain || (*parse).sortClause.is_null() {
            return None;
        }
        let from = (*parse).jointree;
        let tables: Vec<*mut pg_sys::Node> = list::pointers((*from).fromlist).collect();
        let &[table] = tables.as_slice() else {
            return None;
        };
        if (*table).type_ != Tag::T_RangeTblRef
            || (*table.cast::<pg_sys::RangeTblRef>()).rtindex as u32 != key.relid
        {
            return None;
        }
        let descending = order_of(key, parse)?;
        let limits = [(*parse).limitCount, (*parse).limitOffset];
        let movable = is_movable((*from).quals, key.relid)
            && is_movable((*rte).securityQuals.cast(), key.relid)
            && limits.iter().all(|node| is_movable(*node, 0))
            && !holds_placeholder((*parse).targetList.cast(), std::ptr::null_mut());
        if !movable {
            return None;
        }
        let edges = Edges::of((*rel).boundinfo)?;
        let (start, end) = edges.within(key.type_oid, &constant_bounds(key, (*from).quals.cast()));
        let many = end - start > CHUNKS;
        (many && lazy_limit::is_small(parse, relation, &edges)).then_some(descending)
    }
}

/// The direction, if the first sort key is the partition key and the others can be sorted by in a window.
unsafe fn order_of(key: &Key, parse: *mut pg_sys::Query) -> Option<bool> {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let mut direction = None;
        for clause in list::pointers::<pg_sys::SortGroupClause>((*parse).sortClause) {
            let expr = pg_sys::get_sortgroupclause_expr(clause, (*parse).targetList);
            if direction.is_none() {
                let var = plain_var(expr, key.relid)?;
                if (*var).varattno != key.attnum {
                    return None;
                }
                direction = Some(match strategy((*clause).sortop, key.family)? {
                    Op::Lt => false,
                    Op::Gt => true,
                    _ => return None,
                });
            } else if !is_movable(expr, key.relid) {
                return None;
            }
        }
        direction
    }
}

/// True for an expression that can be evaluated in another query on the same table.
unsafe fn is_movable(node: *mut pg_sys::Node, relid: pg_sys::Index) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let mut relid = relid;
        node.is_null()
            || (!holds_immovable(node, (&raw mut relid).cast())
                && !pg_sys::contain_volatile_functions(node))
    }
}

/// Finds what has a meaning in its own query only. `context`: number of the relation.
#[pg_guard]
unsafe extern "C-unwind" fn holds_immovable(
    node: *mut pg_sys::Node,
    context: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: nodes of the planner are valid and tagged; the context is ours
    unsafe {
        if node.is_null() {
            return false;
        }
        match (*node).type_ {
            Tag::T_Var => plain_var(node, *context.cast::<pg_sys::Index>()).is_none(),
            Tag::T_Param => {
                let kind = (*node.cast::<pg_sys::Param>()).paramkind;
                kind != pg_sys::ParamKind::PARAM_EXTERN && kind != pg_sys::ParamKind::PARAM_EXEC
            }
            Tag::T_SubPlan
            | Tag::T_AlternativeSubPlan
            | Tag::T_SubLink
            | Tag::T_PlaceHolderVar
            | Tag::T_CurrentOfExpr
            | Tag::T_Aggref
            | Tag::T_WindowFunc
            | Tag::T_GroupingFunc
            | Tag::T_NextValueExpr
            | Tag::T_Query => true,
            _ => pg_sys::expression_tree_walker(node, Some(holds_immovable), context),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn holds_placeholder(
    node: *mut pg_sys::Node,
    context: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        !node.is_null()
            && ((*node).type_ == Tag::T_PlaceHolderVar
                || pg_sys::expression_tree_walker(node, Some(holds_placeholder), context))
    }
}

/// The comparisons of the key with constants of its type.
unsafe fn constant_bounds(key: &Key, quals: *mut pg_sys::List) -> Vec<(Op, pg_sys::Datum)> {
    // SAFETY: a list of clauses, or NIL
    unsafe {
        list::pointers(quals)
            .filter_map(|clause| {
                let (op, value) = comparison(clause, key.relid, key.attnum, key.family)?;
                let same = pg_sys::exprType(value) == key.type_oid;
                Some((op, constant(value).filter(|_| same)?))
            })
            .collect()
    }
}

/// `key op value` behind a clause, whichever side the key is on.
pub(super) unsafe fn comparison(
    clause: *mut pg_sys::Node,
    relid: pg_sys::Index,
    attnum: i16,
    family: pg_sys::Oid,
) -> Option<(Op, *mut pg_sys::Node)> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if clause.is_null() || (*clause).type_ != Tag::T_OpExpr {
            return None;
        }
        let expr = clause.cast::<pg_sys::OpExpr>();
        let args: Vec<*mut pg_sys::Node> = list::pointers((*expr).args).collect();
        let &[left, right] = args.as_slice() else {
            return None;
        };
        let is_key = |n| plain_var(n, relid).is_some_and(|v| (*v).varattno == attnum);
        let (operator, value) = if is_key(left) {
            ((*expr).opno, right)
        } else if is_key(right) {
            (pg_sys::get_commutator((*expr).opno), left)
        } else {
            return None;
        };
        Some((strategy(operator, family)?, value))
    }
}

/// set_rel_pathlist: gives a relation that was taken out its only path.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn rel_pathlist(root: *mut pg_sys::PlannerInfo, rel: *mut pg_sys::RelOptInfo) {
    // SAFETY: promised by the caller
    unsafe {
        let Some(lazy) = decided(rel) else {
            return;
        };
        let never = list::pointers::<pg_sys::RestrictInfo>((*rel).baserestrictinfo)
            .any(|info| (*(*info).clause).type_ == Tag::T_Const);
        if never {
            return; // a condition that is false: the empty path is right
        }
        let path = super::lazy_scan::METHODS.new_path(rel);
        let mut rows = 1000.0;
        if !(*lazy).ordered {
            // dearer than anything
            (*path).path.startup_cost = NEVER;
        } else {
            (*path).path.pathkeys = (*root).query_pathkeys;
            if (*root).limit_tuples > 0.0 {
                rows = (*root).limit_tuples;
            }
            // planning and opening one window; then rows of an index
            (*path).path.startup_cost = 10.0;
        }
        (*rel).rows = rows;
        (*path).path.rows = rows;
        (*path).path.total_cost = (*path).path.startup_cost + rows * pg_sys::cpu_tuple_cost * 4.0;
        (*path).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
        (*rel).pathlist = std::ptr::null_mut();
        (*rel).partial_pathlist = std::ptr::null_mut();
        pg_sys::add_path(rel, path.cast());
    }
}
