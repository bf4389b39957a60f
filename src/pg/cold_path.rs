//! Planning: every path of a cold chunk is replaced by ColdScan.

use super::cold_am;
use super::cold_state::{self, raise};
use super::list::{self, IntList};
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::mapping::Encoding;
use crate::cold::pushdown::{Op, Order, can_order};
use crate::error::{Error, Kind};
use pgrx::{pg_guard, pg_sys};
use std::rc::Rc;

/// Planner units for opening a file and for one byte of it.
const OPEN_COST: f64 = 12.0;
const BYTE_COST: f64 = 0.0001;

struct PathMethods(pg_sys::CustomPathMethods);
// SAFETY: constants: a name and a function pointer
unsafe impl Sync for PathMethods {}

static PATH_METHODS: PathMethods = PathMethods(pg_sys::CustomPathMethods {
    CustomName: c"ColdScan".as_ptr(),
    PlanCustomPath: Some(plan_path),
    ReparameterizeCustomPathByChild: None,
});

/// Manifest of a relation if it is a cold chunk. Cheap for every other relation.
fn cold_manifest(relation: pg_sys::Oid) -> Option<Rc<Manifest>> {
    // SAFETY: the planner holds a lock on the relation; the reference is given back at once
    let ours = unsafe {
        let rel = pg_sys::RelationIdGetRelation(relation);
        if rel.is_null() {
            return None;
        }
        let ours = cold_am::is_ours(rel);
        pg_sys::RelationClose(rel);
        ours
    };
    match ours.then(|| cold_state::of(relation))? {
        ChunkState::Cold(manifest) => Some(manifest),
        _ => None,
    }
}

/// get_relation_info: no index path and no proof of uniqueness may rest on the stub's indexes.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn relation_info(relation: pg_sys::Oid, inhparent: bool, rel: *mut pg_sys::RelOptInfo) {
    if !inhparent && cold_manifest(relation).is_some() {
        // SAFETY: the planner's own, valid struct
        unsafe {
            (*rel).indexlist = std::ptr::null_mut();
            (*rel).amflags = 0;
            (*rel).rel_parallel_workers = 0;
        }
    }
}

/// set_rel_pathlist: puts ColdScan in the place of the stub's paths.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn rel_pathlist(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    rte: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION
            || (*rte).inh
            || (*rte).relkind as u8 != pg_sys::RELKIND_RELATION
        {
            return;
        }
        let Some(manifest) = cold_manifest((*rte).relid) else {
            return;
        };
        if !(*rte).tablesample.is_null() {
            raise(Error::new(
                Kind::NotSupported,
                format!(
                    "TABLESAMPLE is not supported on cold chunk \"{}\"",
                    manifest.chunk_name
                ),
            ));
        }
        if pg_sys::is_dummy_rel(rel) || is_current_of(rel) {
            return;
        }
        (*rel).pathlist = std::ptr::null_mut();
        (*rel).partial_pathlist = std::ptr::null_mut();
        pg_sys::add_path(rel, make_path(root, rel, &manifest).cast());
        if let Some((keys, order)) = wanted_order(root, rel, &manifest) {
            let path = make_path(root, rel, &manifest);
            (*path).path.pathkeys = keys;
            // a file is read in the order of an index or sorted by SQLite: slightly dearer
            (*path).path.total_cost *= 1.05;
            (*path).custom_private = list::ints(&[
                i32::from(order.attnum),
                i32::from(order.descending),
                i32::from(order.nulls_first),
            ]);
            pg_sys::add_path(rel, path.cast());
        }
    }
}

/// WHERE CURRENT OF works through a TID scan only, which the planner prefers by cost. It finds
/// nothing here unless the cursor stands on a row of this chunk, and that row cannot change.
unsafe fn is_current_of(rel: *mut pg_sys::RelOptInfo) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        list::pointers::<pg_sys::RestrictInfo>((*rel).baserestrictinfo).any(|info| {
            (*(*info).clause.cast::<pg_sys::Node>()).type_ == pg_sys::NodeTag::T_CurrentOfExpr
        })
    }
}

/// Startup is free on purpose: an ordered Append sums its children's startup costs, and a file
/// that is never asked for a row is never opened.
unsafe fn make_path(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    manifest: &Manifest,
) -> *mut pg_sys::CustomPath {
    // SAFETY: a fresh node; rel is the planner's valid struct
    unsafe {
        let path = pg_sys::palloc0(size_of::<pg_sys::CustomPath>()).cast::<pg_sys::CustomPath>();
        (*path).path.type_ = pg_sys::NodeTag::T_CustomPath;
        (*path).path.pathtype = pg_sys::NodeTag::T_CustomScan;
        (*path).path.parent = rel;
        (*path).path.pathtarget = (*rel).reltarget;
        // the target list may hold LATERAL references, also where no qual does
        let parameters = pg_sys::get_baserel_parampathinfo(root, rel, (*rel).lateral_relids);
        (*path).path.param_info = parameters;
        let rows = if parameters.is_null() {
            (*rel).rows
        } else {
            (*parameters).ppi_rows
        };
        (*path).path.rows = rows;
        (*path).path.parallel_safe = (*rel).consider_parallel;
        (*path).path.startup_cost = 0.0;
        let fraction = (rows / (manifest.rows.max(1) as f64)).clamp(0.0, 1.0);
        let bytes = manifest.bytes as f64;
        (*path).path.total_cost = OPEN_COST
            + bytes * fraction * BYTE_COST
            + rows * (pg_sys::cpu_tuple_cost + 2.0 * pg_sys::cpu_operator_cost);
        (*path).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
        (*path).methods = &PATH_METHODS.0;
        path
    }
}

/// The first sort key of the query, if it is a plain column that the file can be read by.
unsafe fn wanted_order(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    manifest: &Manifest,
) -> Option<(*mut pg_sys::List, Order)> {
    // SAFETY: walks the planner's own lists
    unsafe {
        let key = list::pointers::<pg_sys::PathKey>((*root).query_pathkeys).next()?;
        let class = (*key).pk_eclass;
        if (*class).ec_has_volatile {
            return None;
        }
        let member = *super::compat::class_members(class, rel).first()?;
        let var = plain_var((*member).em_expr.cast(), (*rel).relid)?;
        let encoding = super::cold_datum::encoding_of((*var).vartype);
        let default_family = btree_family((*var).vartype)?;
        if (*key).pk_opfamily != default_family
            || !encoding.order_exact(bytewise((*class).ec_collation))
        {
            return None;
        }
        let order = Order {
            attnum: (*var).varattno,
            descending: super::compat::is_descending(key),
            nulls_first: (*key).pk_nulls_first,
        };
        can_order(manifest, order, encoding)
            .then(|| (pg_sys::lappend(std::ptr::null_mut(), key.cast()), order))
    }
}

/// The column behind an expression: a Var of this relation, below a binary-compatible relabel.
unsafe fn plain_var(node: *mut pg_sys::Node, relid: pg_sys::Index) -> Option<*mut pg_sys::Var> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if node.is_null() {
            return None;
        }
        let node = match (*node).type_ {
            pg_sys::NodeTag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
            _ => node,
        };
        if (*node).type_ != pg_sys::NodeTag::T_Var {
            return None;
        }
        let var = node.cast::<pg_sys::Var>();
        let own = (*var).varno as u32 == relid && (*var).varlevelsup == 0 && (*var).varattno > 0;
        own.then_some(var)
    }
}

/// True for collations that compare bytes, when the file holds the same bytes.
fn bytewise(collation: pg_sys::Oid) -> bool {
    // SAFETY: plain look-ups; InvalidOid is answered without one
    unsafe {
        collation != pg_sys::InvalidOid
            && pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32
            && is_c(collation)
    }
}

/// "C" or "POSIX" (pg_collation.dat); the database default is not looked into.
fn is_c(collation: pg_sys::Oid) -> bool {
    matches!(collation.to_u32(), 950 | 951)
}

fn deterministic(collation: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up of an existing collation
    collation == pg_sys::InvalidOid || unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// The default btree operator family of a type (of its base type for domains).
unsafe fn btree_family(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let (base, _) = super::cold_datum::base_type(type_oid, -1);
    // SAFETY: the type cache entry lives for the session
    let family = unsafe {
        (*pg_sys::lookup_type_cache(base, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32)).btree_opf
    };
    (family != pg_sys::InvalidOid).then_some(family)
}

/// One condition that SQLite can decide, and the expression for its value.
struct Pushed {
    attnum: i16,
    op: Op,
    value: *mut pg_sys::Node,
}

unsafe fn pushable(clause: *mut pg_sys::Node, relid: pg_sys::Index) -> Option<Pushed> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        match (*clause).type_ {
            pg_sys::NodeTag::T_NullTest => {
                let test = clause.cast::<pg_sys::NullTest>();
                let var = plain_var((*test).arg.cast(), relid)?;
                let op = if (*test).nulltesttype == pg_sys::NullTestType::IS_NULL {
                    Op::IsNull
                } else {
                    Op::IsNotNull
                };
                (!(*test).argisrow).then_some(Pushed {
                    attnum: (*var).varattno,
                    op,
                    value: std::ptr::null_mut(),
                })
            }
            pg_sys::NodeTag::T_OpExpr => comparison(clause.cast(), relid),
            _ => None,
        }
    }
}

unsafe fn comparison(expr: *mut pg_sys::OpExpr, relid: pg_sys::Index) -> Option<Pushed> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let args: Vec<*mut pg_sys::Node> = list::pointers((*expr).args).collect();
        let &[left, right] = args.as_slice() else {
            return None;
        };
        let (var, value, commuted) = match (plain_var(left, relid), plain_var(right, relid)) {
            (Some(var), None) => (var, right, false),
            (None, Some(var)) => (var, left, true),
            _ => return None,
        };
        if pg_sys::contain_var_clause(value) || pg_sys::contain_volatile_functions(value) {
            return None;
        }
        let family = btree_family((*var).vartype)?;
        let op = Op::from_strategy(super::compat::btree_strategy((*expr).opno, family)?)?;
        let op = if commuted { op.commuted() } else { op };
        let encoding = super::cold_datum::encoding_of((*var).vartype);
        let other = super::cold_datum::encoding_of(pg_sys::exprType(value));
        let floats = [Encoding::Float4, Encoding::Float8];
        let same = encoding == other || (floats.contains(&encoding) && floats.contains(&other));
        let exact = if op.is_ordering() {
            encoding.order_exact(bytewise((*expr).inputcollid))
        } else {
            encoding.eq_exact() && deterministic((*expr).inputcollid)
        };
        (same && exact).then_some(Pushed {
            attnum: (*var).varattno,
            op,
            value,
        })
    }
}

/// Plan node: `custom_private` = (order, conditions as attnum/op/param triples),
/// `custom_exprs` = the values. Only copyable nodes: plans are cached and sent to workers.
#[pg_guard]
unsafe extern "C-unwind" fn plan_path(
    _root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    best: *mut pg_sys::CustomPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    _custom_plans: *mut pg_sys::List,
) -> *mut pg_sys::Plan {
    // SAFETY: the planner's own structures; the node is fresh
    unsafe {
        let mut quals = std::ptr::null_mut();
        let mut values = std::ptr::null_mut();
        let mut conditions = IntList::new();
        let mut params = 0;
        for info in list::pointers::<pg_sys::RestrictInfo>(clauses) {
            if (*info).pseudoconstant {
                continue;
            }
            quals = pg_sys::lappend(quals, (*info).clause.cast());
            if !pg_sys::restriction_is_securely_promotable(info, rel) {
                continue;
            }
            let Some(pushed) = pushable((*info).clause.cast(), (*rel).relid) else {
                continue;
            };
            let mut param = -1;
            if !pushed.value.is_null() {
                values = pg_sys::lappend(values, pg_sys::copyObjectImpl(pushed.value.cast()));
                param = params;
                params += 1;
            }
            conditions.extend(&[i32::from(pushed.attnum), pushed.op.to_number(), param]);
        }
        let scan = pg_sys::palloc0(size_of::<pg_sys::CustomScan>()).cast::<pg_sys::CustomScan>();
        (*scan).scan.plan.type_ = pg_sys::NodeTag::T_CustomScan;
        (*scan).scan.plan.targetlist = tlist;
        (*scan).scan.plan.qual = quals;
        (*scan).scan.scanrelid = (*rel).relid;
        (*scan).flags = (*best).flags;
        (*scan).custom_exprs = values;
        let order = if (*best).custom_private.is_null() {
            list::ints(&[0, 0, 0])
        } else {
            (*best).custom_private
        };
        let mut private = pg_sys::lappend(std::ptr::null_mut(), order.cast());
        private = pg_sys::lappend(private, conditions.into_list().cast());
        (*scan).custom_private = private;
        (*scan).methods = super::cold_scan::scan_methods();
        scan.cast()
    }
}
