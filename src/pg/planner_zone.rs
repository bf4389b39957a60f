//! Conditions on the time column of a table that is partitioned by id, as conditions on the id: chunks that
//! are closed have a CHECK with the range of their times, so a time says from which chunk on its rows lie.
//!
//! The ranges come out of the validated CHECKs themselves. A plan that rests on them names all closed chunks
//! among the tables it depends on, so that it is made anew when one is opened for a late row; and since the
//! chunks left out are not locked, a chunk opened meanwhile is looked for when the plan is ready, which is then
//! made without zones, and, with the statement's snapshot, when it starts.

use super::lazy_edges::{Edge, Edges};
use super::lazy_path::comparison;
use super::list;
use super::planner::{self, Key, btree_family, kind_of};
use super::planner_clause::{compare_expr, key_var, plain_var};
use super::planner_now::constant;
use super::planner_zone_cache::{self as cache, Zones};
use super::{guc, managed};
use crate::hypertable::predicate::{Kind, Op};
use pgrx::{PgSqlErrorCode, ereport, pg_sys};
use std::cell::Cell;
use std::ffi::CString;

/// Marks plans that rest on zones among the objects they depend on; no cache has this number.
const MARK: i32 = -0x7a6f;
/// Ranges of the key in one condition: rows of a time, and chunks that are open.
const RUNS: usize = 4;

/// The column that zones are about, if it is of a type that has times.
pub(super) fn time_column(relation: pg_sys::Oid, name: &str) -> Option<i16> {
    let name = CString::new(name).ok()?;
    // SAFETY: look-ups in the system caches
    unsafe {
        let attnum = pg_sys::get_attnum(relation, name.as_ptr());
        let kind = kind_of(pg_sys::get_atttype(relation, attnum))?;
        let time = matches!(kind, Kind::TimestampTz | Kind::Timestamp | Kind::Date);
        (attnum > 0 && time).then_some(attnum)
    }
}

/// The conditions on the key that follow from one clause on the time column.
pub(super) unsafe fn implied(key: &Key, clause: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let Some(time) = key.time_attnum else {
            return Vec::new();
        };
        let type_oid = pg_sys::get_atttype(key.relation, time);
        let Some(kind) = kind_of(type_oid) else {
            return Vec::new();
        };
        let as_key = Key {
            attnum: time,
            type_oid,
            kind,
            family: btree_family(type_oid),
            end_attnum: None,
            time_attnum: None,
            ..*key
        };
        // the clause as it stands, and what follows from it for the time: now(), buckets
        let mut found = planner::implied(&as_key, clause);
        found.push(clause);
        let mut out = Vec::new();
        for clause in found {
            let Some((op, value)) = comparison(clause, key.relid, time, as_key.family) else {
                continue;
            };
            if pg_sys::exprType(value) != type_oid {
                continue;
            }
            if let (Some(value), Some(var)) = (constant(value), time_var(&as_key, clause)) {
                out.extend(bounds(key, var, op, raw(kind, value)));
            }
        }
        out
    }
}

/// The time column in a clause that compares it.
unsafe fn time_var(time: &Key, clause: *mut pg_sys::Node) -> Option<*mut pg_sys::Var> {
    // SAFETY: a comparison of the column
    unsafe {
        list::pointers::<pg_sys::Node>((*clause.cast::<pg_sys::OpExpr>()).args)
            .find_map(|arg| plain_var(arg, time.relid).filter(|v| (**v).varattno == time.attnum))
    }
}

/// Times as numbers in their order; infinity at the ends.
pub(super) fn raw(kind: Kind, value: pg_sys::Datum) -> i64 {
    let number = value.value() as i64;
    if kind == Kind::Date {
        i64::from(number as i32)
    } else {
        number
    }
}

/// Keys of the chunks that may have rows with `time op value`.
unsafe fn bounds(key: &Key, time: *mut pg_sys::Var, op: Op, value: i64) -> Vec<*mut pg_sys::Node> {
    // SAFETY: the table is locked by the planner's caller; the reference is given back at once
    unsafe {
        let Some((zones, stamp)) = cache::zones(key.relation) else {
            return Vec::new();
        };
        if zones.is_empty() {
            return Vec::new();
        }
        let rel = pg_sys::RelationIdGetRelation(key.relation);
        if rel.is_null() {
            return Vec::new();
        }
        // with chunks that are being detached: an old snapshot may see them
        let desc = pg_sys::RelationGetPartitionDesc(rel, false);
        let info = (*desc).boundinfo;
        let mut out = Vec::new();
        if let Some(edges) = Edges::of(info) {
            let chunks: Vec<Option<(i64, i64)>> = (1..(*info).ndatums as usize)
                .map(|i| *(*info).indexes.add(i))
                .filter(|index| *index >= 0)
                .map(|index| {
                    let chunk = (*(*desc).oids.add(index as usize)).to_u32();
                    zones.get(&chunk).copied()
                })
                .collect();
            let var = key_var(key, time);
            out = inside(key, var, &edges, &runs(&chunks, op, value));
        }
        pg_sys::RelationClose(rel);
        if !out.is_empty() {
            depend(key, &zones, stamp);
        }
        super::inject::point("planner.zone");
        out
    }
}

/// Runs of chunks `from..to` that hold all that can match; few of them.
fn runs(chunks: &[Option<(i64, i64)>], op: Op, value: i64) -> Vec<(usize, usize)> {
    let may = |zone: &Option<(i64, i64)>| {
        zone.is_none_or(|(least, greatest)| {
            let reaches = match op {
                Op::Gt => greatest > value,
                _ => greatest >= value,
            };
            let begins = match op {
                Op::Lt => least < value,
                _ => least <= value,
            };
            (!op.bounds_below() || reaches) && (!op.bounds_above() || begins)
        })
    };
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..chunks.len()).filter(|at| may(&chunks[*at])) {
        match runs.last_mut() {
            Some(last) if last.1 == at => last.1 = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    while runs.len() > RUNS {
        // across the smallest gap
        let gap = |i: &usize| runs[i + 1].0 - runs[*i].1;
        let Some(i) = (0..runs.len() - 1).min_by_key(gap) else {
            break;
        };
        runs[i].1 = runs[i + 1].1;
        runs.remove(i + 1);
    }
    runs
}

/// That the key lies in one of the runs. Gaps between chunks hold no rows.
unsafe fn inside(
    key: &Key,
    var: *mut pg_sys::Var,
    edges: &Edges,
    runs: &[(usize, usize)],
) -> Vec<*mut pg_sys::Node> {
    let n = edges.len();
    let range = |(from, to): (usize, usize)| -> Vec<*mut pg_sys::Node> {
        let lower = (from > 0).then(|| (Op::Ge, edges.lower(from)));
        let upper = (to < n).then(|| (Op::Lt, edges.upper(to - 1)));
        let ends = lower.into_iter().chain(upper);
        ends.filter_map(|(op, edge)| match edge {
            // SAFETY: a value of the key's type
            Edge::At(datum) => unsafe { compare_expr(key, var, op, constant_of(key, datum)) },
            _ => None,
        })
        .collect()
    };
    match runs {
        [] if n > 0 => match edges.lower(0) {
            // SAFETY: as above
            Edge::At(datum) => unsafe { compare_expr(key, var, Op::Lt, constant_of(key, datum)) }
                .into_iter()
                .collect(),
            _ => Vec::new(),
        },
        [] => Vec::new(),
        [one] => range(*one),
        more => {
            let mut any = std::ptr::null_mut();
            for run in more {
                let ends = range(*run);
                if ends.is_empty() {
                    return Vec::new(); // all of it
                }
                // SAFETY: fresh clauses
                unsafe {
                    let list = ends
                        .into_iter()
                        .fold(std::ptr::null_mut(), |l, c| pg_sys::lappend(l, c.cast()));
                    any = pg_sys::lappend(any, pg_sys::make_ands_explicit(list).cast());
                }
            }
            let or = pg_sys::BoolExprType::OR_EXPR;
            // SAFETY: as above
            vec![unsafe { pg_sys::makeBoolExpr(or, any, -1) }.cast()]
        }
    }
}

unsafe fn constant_of(key: &Key, value: pg_sys::Datum) -> *mut pg_sys::Node {
    let (mut length, mut by_value) = (0i16, false);
    // SAFETY: a value of the key's type; copied, since the relation does not stay open
    unsafe {
        pg_sys::get_typlenbyval(key.type_oid, &mut length, &mut by_value);
        let none = pg_sys::InvalidOid;
        let made = pg_sys::makeConst(
            key.type_oid,
            -1,
            none,
            length.into(),
            value,
            false,
            by_value,
        );
        pg_sys::copyObjectImpl(made.cast()).cast()
    }
}

/// The plan goes when a closed chunk changes, and is looked at again when it starts.
unsafe fn depend(key: &Key, zones: &Zones, stamp: u32) {
    // SAFETY: the planner's own lists
    unsafe {
        let global = (*key.root).glob;
        let known = list::pointers::<pg_sys::PlanInvalItem>((*global).invalItems)
            .any(|item| (*item).cacheId == MARK && (*item).hashValue == stamp);
        if known {
            return;
        }
        for chunk in zones.keys() {
            (*global).relationOids = pg_sys::lappend_oid((*global).relationOids, (*chunk).into());
        }
        let item =
            pg_sys::palloc0(size_of::<pg_sys::PlanInvalItem>()).cast::<pg_sys::PlanInvalItem>();
        (*item).type_ = pg_sys::NodeTag::T_PlanInvalItem;
        (*item).cacheId = MARK;
        (*item).hashValue = stamp;
        (*global).invalItems = pg_sys::lappend((*global).invalItems, item.cast());
    }
}

thread_local! {
    static OFF: Cell<bool> = const { Cell::new(false) };
}

/// While alive, plans do not rest on zones.
pub struct Off(bool);

impl Off {
    pub fn begin() -> Off {
        Off(OFF.replace(true))
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        OFF.set(self.0);
    }
}

/// Whether a plan may rest on zones; that of a window has what was found for the whole.
pub(super) fn wanted() -> bool {
    !OFF.get() && !super::lazy_path::in_window()
}

/// A copy of a query that names a table with zones, to be planned again; NULL for others.
///
/// # Safety
/// `query` must be a query that is about to be planned.
pub unsafe fn spare(query: *mut pg_sys::Query) -> *mut pg_sys::Query {
    // SAFETY: promised by the caller
    unsafe {
        if guc::PLANNER.get() && wanted() && names_zones(query, 0) {
            pg_sys::copyObjectImpl(query.cast()).cast()
        } else {
            std::ptr::null_mut()
        }
    }
}

/// Those behind a sublink are not found: their plans are looked at when they start only.
unsafe fn names_zones(query: *const pg_sys::Query, depth: u32) -> bool {
    // SAFETY: a query tree is valid and tagged
    unsafe {
        list::pointers::<pg_sys::RangeTblEntry>((*query).rtable).any(|rte| match (*rte).rtekind {
            pg_sys::RTEKind::RTE_RELATION => {
                (*rte).inh
                    && (*rte).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE
                    && matches!(managed::of((*rte).relid), Ok(Some(m)) if m.time_column.is_some())
            }
            pg_sys::RTEKind::RTE_SUBQUERY => {
                depth < 20 && !(*rte).subquery.is_null() && names_zones((*rte).subquery, depth + 1)
            }
            _ => false,
        })
    }
}

/// Whether all that a plan rests on is as it was when it was made.
///
/// # Safety
/// `plan` must be a finished plan.
pub unsafe fn holds(plan: *const pg_sys::PlannedStmt) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        list::pointers::<pg_sys::PlanInvalItem>((*plan).invalItems)
            .all(|item| (*item).cacheId != MARK || cache::zones_still_hold((*item).hashValue))
    }
}

/// A point between planning and the start of a plan that rests on zones.
///
/// # Safety
/// `plan` must be a finished plan.
pub unsafe fn planned(plan: *const pg_sys::PlannedStmt) {
    // SAFETY: promised by the caller
    let marked = unsafe {
        list::pointers::<pg_sys::PlanInvalItem>((*plan).invalItems).any(|i| (*i).cacheId == MARK)
    };
    if marked {
        super::inject::point("planner.planned");
    }
}

/// 40001 if a closed chunk was opened after the plan was made: it may have rows that the statement's
/// snapshot sees and its plan does not.
///
/// # Safety
/// Called with a plan that is about to run, after its snapshot was taken.
pub unsafe fn check(plan: *const pg_sys::PlannedStmt) {
    // SAFETY: promised by the caller
    unsafe {
        if (*plan).invalItems.is_null() || holds(plan) {
            return;
        }
        // a cached plan would come again
        pg_sys::ResetPlanCache();
        ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            "could not serialize access: a closed chunk was opened for a late row meanwhile",
            "The statement can be tried again."
        );
    }
}
