//! Conditions on the key of a hypertable that follow from the query's own, so that core's pruning works
//! at plan time where it would not.
//!
//! The place is `get_relation_info`, called for each relation of a query level before its conditions are
//! handed out: views and subqueries are pulled up, parameters of custom plans and constants folded, and
//! conditions on grouped or limited subqueries pushed down. Conditions are only ANDed next to those they
//! follow from, made of core's leakproof operators: no result changes, and no order of row security.

use super::demand::raise;
use super::lazy_path;
use super::managed::{self, Managed};
use super::planner_bucket;
use super::planner_clause::{compare, key_var, plain_var, strategy};
use super::planner_now;
use super::{guc, list};
use crate::hypertable::predicate::{self, Kind, Op};
use pgrx::pg_sys;
use std::rc::Rc;

/// The key of a hypertable in the query at hand.
pub(super) struct Key {
    pub root: *mut pg_sys::PlannerInfo,
    pub relation: pg_sys::Oid,
    pub relid: pg_sys::Index,
    pub attnum: i16,
    pub type_oid: pg_sys::Oid,
    pub kind: Kind,
    pub family: pg_sys::Oid,
    /// column that is never below the key
    pub end_attnum: Option<i16>,
    /// column whose range is known of closed chunks
    pub time_attnum: Option<i16>,
}

/// get_relation_info for an inheritance parent.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn relation_info(
    root: *mut pg_sys::PlannerInfo,
    relation: pg_sys::Oid,
    rel: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        if !guc::PLANNER.get() || (*rel).part_scheme.is_null() {
            return;
        }
        let Some((mut key, managed)) = key_of(root, relation, rel) else {
            return;
        };
        if let Some(column) = &managed.end_column {
            key.end_attnum = super::planner_end::checked_end(relation, &key, column);
        }
        if let (Some(column), true) = (&managed.time_column, super::planner_zone::wanted()) {
            key.time_attnum = super::planner_zone::time_column(relation, column);
        }
        if (*rel).reloptkind == pg_sys::RelOptKind::RELOPT_OTHER_MEMBER_REL {
            add_to_parent(&key, rel);
            return;
        }
        let from = (*(*root).parse).jointree.cast();
        super::planner_join::add(&key, from);
        add_to_node(&key, from);
        let rte = *(*root).simple_rte_array.add((*rel).relid as usize);
        add_to_security(&key, rte);
        lazy_path::consider(&key, relation, rel, rte);
    }
}

/// The key of a table partitioned by range of one column with the default operators, if it is ours.
unsafe fn key_of(
    root: *mut pg_sys::PlannerInfo,
    relation: pg_sys::Oid,
    rel: *mut pg_sys::RelOptInfo,
) -> Option<(Key, Rc<Managed>)> {
    // SAFETY: a partitioned table has a scheme and one list of expressions per key column
    unsafe {
        let scheme = (*rel).part_scheme;
        if (*scheme).strategy as u8 != b'r' || (*scheme).partnatts != 1 {
            return None;
        }
        let expr = list::pointers::<pg_sys::Node>(*(*rel).partexprs).next()?;
        if (*expr).type_ != pg_sys::NodeTag::T_Var {
            return None;
        }
        let var = expr.cast::<pg_sys::Var>();
        let kind = kind_of((*var).vartype)?;
        let family = *(*scheme).partopfamily;
        if family != btree_family((*var).vartype) {
            return None;
        }
        let managed = managed::of(relation).unwrap_or_else(|e| raise(e))?;
        let key = Key {
            root,
            relation,
            relid: (*rel).relid,
            attnum: (*var).varattno,
            type_oid: (*var).vartype,
            kind,
            family,
            end_attnum: None,
            time_attnum: None,
        };
        Some((key, managed))
    }
}

/// The kind of a type that a key may have.
pub(super) fn kind_of(type_oid: pg_sys::Oid) -> Option<Kind> {
    Some(match type_oid {
        pg_sys::TIMESTAMPTZOID => Kind::TimestampTz,
        pg_sys::TIMESTAMPOID => Kind::Timestamp,
        pg_sys::DATEOID => Kind::Date,
        pg_sys::INT2OID => Kind::Integer(i64::from(i16::MIN), i64::from(i16::MAX)),
        pg_sys::INT4OID => Kind::Integer(i64::from(i32::MIN), i64::from(i32::MAX)),
        pg_sys::INT8OID => Kind::Integer(i64::MIN, i64::MAX),
        pg_sys::UUIDOID => Kind::Uuid,
        _ => return None,
    })
}

/// The default btree operator family of a type.
pub(super) fn btree_family(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: the type cache entry lives for the session
    unsafe {
        (*pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32)).btree_opf
    }
}

/// Walks FROM and JOIN; at this point conditions are lists of ANDed clauses.
unsafe fn add_to_node(key: &Key, node: *mut pg_sys::Node) {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_FromExpr => {
                let from = node.cast::<pg_sys::FromExpr>();
                for child in list::pointers((*from).fromlist).collect::<Vec<_>>() {
                    add_to_node(key, child);
                }
                (*from).quals = extended(key, (*from).quals.cast()).cast();
            }
            pg_sys::NodeTag::T_JoinExpr => {
                let join = node.cast::<pg_sys::JoinExpr>();
                add_to_node(key, (*join).larg);
                add_to_node(key, (*join).rarg);
                (*join).quals = extended(key, (*join).quals.cast()).cast();
            }
            _ => {}
        }
    }
}

/// Row security conditions: one list of ANDed clauses per policy level.
unsafe fn add_to_security(key: &Key, rte: *mut pg_sys::RangeTblEntry) {
    // SAFETY: as above; each element was made a list by the planner
    unsafe {
        let levels = (*rte).securityQuals;
        if levels.is_null() {
            return;
        }
        for i in 0..(*levels).length as usize {
            let cell = (*levels).elements.add(i);
            (*cell).ptr_value = extended(key, (*cell).ptr_value.cast()).cast();
        }
    }
}

/// The clauses and what follows from them.
unsafe fn extended(key: &Key, quals: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: a list of clauses, or NIL
    unsafe {
        if quals.is_null() || (*quals).type_ != pg_sys::NodeTag::T_List {
            return quals;
        }
        let own: Vec<*mut pg_sys::Node> = list::pointers(quals).collect();
        let more = own.iter().flat_map(|c| implied(key, *c));
        more.fold(quals, |list, made| {
            let known = list::pointers::<pg_sys::Node>(list)
                .any(|other| pg_sys::equal(other.cast(), made.cast()));
            if known {
                list
            } else {
                pg_sys::lappend(list, made.cast())
            }
        })
    }
}

/// A hypertable below UNION ALL: the conditions are on the output of the union, and were handed out
/// already. What follows for this member follows for the union's column as well.
unsafe fn add_to_parent(key: &Key, rel: *mut pg_sys::RelOptInfo) {
    // SAFETY: the planner's own arrays, with an entry for each member
    unsafe {
        let appinfos = (*key.root).append_rel_array;
        if appinfos.is_null() {
            return;
        }
        let info = *appinfos.add((*rel).relid as usize);
        if info.is_null() || (*info).parent_reloid != pg_sys::InvalidOid {
            return;
        }
        let parent = *(*key.root)
            .simple_rel_array
            .add((*info).parent_relid as usize);
        let place = list::pointers::<pg_sys::Node>((*info).translated_vars).position(|node| {
            !node.is_null()
                && plain_var(node, key.relid).is_some_and(|v| (*v).varattno == key.attnum)
        });
        let (Some(place), false) = (place, parent.is_null()) else {
            return;
        };
        let as_union = Key {
            relid: (*info).parent_relid,
            attnum: place as i16 + 1,
            end_attnum: None,
            time_attnum: None,
            ..*key
        };
        let infos: Vec<*mut pg_sys::RestrictInfo> =
            list::pointers((*parent).baserestrictinfo).collect();
        for info in &infos {
            for clause in implied(&as_union, (**info).clause.cast()) {
                let known = list::pointers::<pg_sys::RestrictInfo>((*parent).baserestrictinfo)
                    .any(|other| pg_sys::equal((*other).clause.cast(), clause.cast()));
                if known {
                    continue;
                }
                let made = super::compat_plan::restriction(
                    key.root,
                    clause.cast(),
                    (**info).security_level,
                );
                (*parent).baserestrictinfo =
                    pg_sys::lappend((*parent).baserestrictinfo, made.cast());
            }
        }
    }
}

/// The conditions on the key that follow from one clause.
pub(super) unsafe fn implied(key: &Key, clause: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if clause.is_null() || (*clause).type_ != pg_sys::NodeTag::T_OpExpr {
            return Vec::new();
        }
        let expr = clause.cast::<pg_sys::OpExpr>();
        let args: Vec<*mut pg_sys::Node> = list::pointers((*expr).args).collect();
        let &[left, right] = args.as_slice() else {
            return Vec::new();
        };
        let mut out = side(key, (*expr).opno, left, right);
        if out.is_empty() && may_mention(right) {
            let commuted = pg_sys::get_commutator((*expr).opno);
            if commuted != pg_sys::InvalidOid {
                out = side(key, commuted, right, left);
            }
        }
        if key.time_attnum.is_some() {
            out.extend(super::planner_zone::implied(key, clause));
        }
        out
    }
}

/// Cheap test before any look-up: can this be a column or a call on it?
unsafe fn may_mention(node: *mut pg_sys::Node) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        matches!(
            (*node).type_,
            pg_sys::NodeTag::T_Var | pg_sys::NodeTag::T_FuncExpr
        )
    }
}

/// What follows from `what operator value`.
unsafe fn side(
    key: &Key,
    operator: pg_sys::Oid,
    what: *mut pg_sys::Node,
    value: *mut pg_sys::Node,
) -> Vec<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if let Some(var) = plain_var(what, key.relid) {
            let Some(op) = strategy(operator, key.family) else {
                return Vec::new();
            };
            if (*var).varattno == key.attnum && op.bounds_below() {
                return now_bound(key, var, value).into_iter().collect();
            }
            if Some((*var).varattno) == key.end_attnum && op.bounds_above() {
                let start = key_var(key, var);
                return super::planner_end::before_end(key, op, start, value)
                    .into_iter()
                    .collect();
            }
            return Vec::new();
        }
        if (*what).type_ == pg_sys::NodeTag::T_FuncExpr {
            return planner_bucket::implied(key, operator, what.cast(), value);
        }
        Vec::new()
    }
}

/// `key >= constant` out of `key >= an expression over the current time`.
pub(super) unsafe fn now_bound(
    key: &Key,
    var: *mut pg_sys::Var,
    value: *mut pg_sys::Node,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let (kind, planned, slack) = planner_now::planned_value(key.root, value, key.kind)?;
        let bound = predicate::lower_bound(kind, planned, key.kind, slack)?;
        compare(key, var, Op::Ge, bound)
    }
}
