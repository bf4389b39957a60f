//! Conditions on `time_bucket(..., key)` as conditions on the key.

use super::list;
use super::planner::{Key, btree_family, kind_of, now_bound};
use super::planner_clause::{compare, compare_expr, plain_var, strategy};
use super::planner_end::repeatable;
use super::planner_now::{constant, finite};
use crate::hypertable::calendar::DAY_US;
use crate::hypertable::predicate::{Bucket, Kind, Op, Span, Width, bucket_range};
use pgrx::pg_sys;
use std::ffi::CStr;

/// What follows from `time_bucket(..., key) operator value`.
pub(super) unsafe fn implied(
    key: &Key,
    operator: pg_sys::Oid,
    call: *mut pg_sys::FuncExpr,
    value: *mut pg_sys::Node,
) -> Vec<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let args: Vec<*mut pg_sys::Node> = list::pointers((*call).args).collect();
        let Some(var) = args.get(1).and_then(|node| plain_var(*node, key.relid)) else {
            return Vec::new();
        };
        if (*var).varattno != key.attnum || !is_time_bucket((*call).funcid) {
            return Vec::new();
        }
        let result = (*call).funcresulttype;
        let Some(op) = strategy(operator, btree_family(result)) else {
            return Vec::new();
        };
        let zone = args.len() == 5;
        if constant(value).is_some() && pg_sys::exprType(value) == result {
            return constant_range(key, op, var, &args, value);
        }
        if !op.bounds_below() || zone || !args.iter().skip(2).all(|a| keeps_order(*a)) {
            return Vec::new();
        }
        // a bucket never begins after its values
        if let Some(clause) = now_bound(key, var, value) {
            return vec![clause];
        }
        if pg_sys::exprType(value) == key.type_oid && repeatable(value) {
            let op = if op == Op::Gt { Op::Gt } else { Op::Ge };
            let copy = pg_sys::copyObjectImpl(value.cast()).cast();
            return compare_expr(key, var, op, copy).into_iter().collect();
        }
        Vec::new()
    }
}

/// False for an offset that may have months: those that are taken off and put on again are not always of
/// the same length, and a bucket may begin after its values.
unsafe fn keeps_order(arg: *mut pg_sys::Node) -> bool {
    // SAFETY: nodes of the planner are valid and tagged; the type is checked before the value is read
    unsafe {
        pg_sys::exprType(arg) != pg_sys::INTERVALOID
            || constant(arg).is_some_and(|value| span(value).months == 0)
    }
}

/// True for the extension's own functions of this name.
pub(super) fn is_time_bucket(function: pg_sys::Oid) -> bool {
    // SAFETY: look-ups that give NULL or a palloc'd NUL terminated string
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null()
            && CStr::from_ptr(name) == c"time_bucket"
            && pg_sys::get_func_namespace(function)
                == pg_sys::get_namespace_oid(c"strata".as_ptr(), true)
    }
}

unsafe fn constant_range(
    key: &Key,
    op: Op,
    var: *mut pg_sys::Var,
    args: &[*mut pg_sys::Node],
    value: *mut pg_sys::Node,
) -> Vec<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let kind = kind_of(pg_sys::exprType(value));
        let number = constant(value).zip(kind).and_then(|(v, k)| finite(k, v));
        let (Some(bucket), Some(number)) = (bucket_of(args), number) else {
            return Vec::new();
        };
        let range = bucket_range(bucket, op, number, key.kind);
        let above = if range.above { Op::Gt } else { Op::Ge };
        let lower = range.lower.and_then(|v| compare(key, var, above, v));
        let upper = range.upper.and_then(|v| compare(key, var, Op::Lt, v));
        lower.into_iter().chain(upper).collect()
    }
}

/// The arguments of a call, if all but the time are constants and mean something.
pub(super) unsafe fn bucket_of(args: &[*mut pg_sys::Node]) -> Option<Bucket> {
    // SAFETY: nodes of the planner are valid and tagged; types are checked before values are read
    unsafe {
        let width_type = pg_sys::exprType(args[0]);
        let width = constant(args[0])?;
        if width_type != pg_sys::INTERVALOID {
            let kind = kind_of(width_type)?;
            let offset = match args.get(2) {
                Some(node) => finite(kind_of(pg_sys::exprType(*node))?, constant(*node)?)?,
                None => 0,
            };
            return Some(Bucket::Integer {
                width: finite(kind, width)?,
                offset,
            });
        }
        let mut origin_us = None;
        let mut offset = Span::default();
        let zone = args.len() == 5;
        for node in &args[2..] {
            let type_oid = pg_sys::exprType(*node);
            if (*(*node)).type_ != pg_sys::NodeTag::T_Const {
                return None;
            }
            let Some(value) = constant(*node) else {
                // NULL is "not given" in the forms with a zone only
                if zone {
                    continue;
                }
                return None;
            };
            match type_oid {
                pg_sys::INTERVALOID => offset = span(value),
                pg_sys::TEXTOID => {}
                _ => {
                    let kind = kind_of(type_oid)?;
                    let number = finite(kind, value)?;
                    origin_us = Some(match kind {
                        Kind::Date => number.checked_mul(DAY_US)?,
                        Kind::Timestamp | Kind::TimestampTz => number,
                        _ => return None,
                    });
                }
            }
        }
        let width = Width::of(span(width)).ok()?;
        Some(Bucket::Time {
            width,
            origin_us,
            offset,
            zone,
        })
    }
}

unsafe fn span(interval: pg_sys::Datum) -> Span {
    // SAFETY: the caller checked that it is an interval
    let interval = unsafe { &*interval.cast_mut_ptr::<pg_sys::Interval>() };
    Span {
        months: interval.month,
        days: interval.day,
        us: interval.time,
    }
}
