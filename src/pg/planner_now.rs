//! Expressions over the current time that do not decrease while time goes on.

use super::list;
use super::planner::kind_of;
use crate::hypertable::predicate::{Kind, Slack, longest_unit_days};
use pgrx::pg_sys::NodeTag as Tag;
use pgrx::pg_sys::SQLValueFunctionOp as Word;
use pgrx::{FromDatum, pg_sys};

// OIDs of pg_proc.dat, fixed in all versions
const NOW: [u32; 3] = [1299, 2647, 2648]; // now, transaction_timestamp, statement_timestamp
const TZ_AND_INTERVAL: [u32; 2] = [1189, 1190]; // timestamptz + and - interval
const LOCAL_AND_INTERVAL: [u32; 4] = [2032, 2033, 2071, 2072]; // timestamp and date + and - interval
const DATE_AND_DAYS: [u32; 2] = [1141, 1142]; // date + and - integer
const LOCAL_CASTS: [u32; 2] = [2024, 2029]; // date to timestamp and back
const ZONE_CASTS: [u32; 4] = [1174, 1178, 2027, 2028]; // timestamptz to and from date, timestamp
const ROUNDINGS: [u32; 2] = [1961, 1967]; // timestamp(timestamp, precision) and with time zone
const AT_TIME_ZONE: [u32; 2] = [1159, 2069]; // timezone(text, timestamptz | timestamp)
const TRUNCATIONS: [u32; 3] = [1217, 2020, 1284]; // date_trunc

/// Nesting beyond which nobody writes such expressions.
const DEPTH: u32 = 12;

/// Type and value of an expression over the current time, and how far it may fall behind that value
/// later; `None` for everything else.
pub(super) unsafe fn planned_value(
    root: *mut pg_sys::PlannerInfo,
    node: *mut pg_sys::Node,
) -> Option<(Kind, i64, Slack)> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let kind = kind_of(pg_sys::exprType(node))?;
        if !matches!(kind, Kind::TimestampTz | Kind::Timestamp | Kind::Date) {
            return None;
        }
        let mut slack = Slack::default();
        if !follows_time(node, &mut slack, DEPTH) {
            return None;
        }
        // as core's own selectivity estimates do
        let folded = pg_sys::estimate_expression_value(root, node);
        let value = constant(folded)?;
        Some((kind, finite(kind, value)?, slack))
    }
}

/// The number behind a finite time.
pub(super) fn finite(kind: Kind, value: pg_sys::Datum) -> Option<i64> {
    let raw = value.value() as i64;
    match kind {
        Kind::Date => {
            let day = raw as i32;
            (day != i32::MIN && day != i32::MAX).then_some(i64::from(day))
        }
        Kind::Timestamp | Kind::TimestampTz => (raw != i64::MIN && raw != i64::MAX).then_some(raw),
        Kind::Integer(_, 0x7fff) => Some(i64::from(raw as i16)),
        Kind::Integer(_, 0x7fff_ffff) => Some(i64::from(raw as i32)),
        Kind::Integer(..) => Some(raw),
        Kind::Uuid => None,
    }
}

/// The value of a constant that is not NULL.
pub(super) unsafe fn constant(node: *mut pg_sys::Node) -> Option<pg_sys::Datum> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if node.is_null() || (*node).type_ != Tag::T_Const {
            return None;
        }
        let value = node.cast::<pg_sys::Const>();
        (!(*value).constisnull).then_some((*value).constvalue)
    }
}

unsafe fn follows_time(node: *mut pg_sys::Node, slack: &mut Slack, depth: u32) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if node.is_null() || depth == 0 {
            return false;
        }
        match (*node).type_ {
            Tag::T_SQLValueFunction => match (*node.cast::<pg_sys::SQLValueFunction>()).op {
                Word::SVFOP_CURRENT_TIMESTAMP | Word::SVFOP_CURRENT_TIMESTAMP_N => true,
                Word::SVFOP_CURRENT_DATE
                | Word::SVFOP_LOCALTIMESTAMP
                | Word::SVFOP_LOCALTIMESTAMP_N => {
                    slack.zone = true;
                    true
                }
                _ => false,
            },
            Tag::T_FuncExpr => {
                let call = node.cast::<pg_sys::FuncExpr>();
                let args: Vec<_> = list::pointers((*call).args).collect();
                call_follows_time((*call).funcid.to_u32(), &args, slack, depth)
            }
            Tag::T_OpExpr => {
                let expr = node.cast::<pg_sys::OpExpr>();
                let args: Vec<_> = list::pointers((*expr).args).collect();
                let function = pg_sys::get_opcode((*expr).opno).to_u32();
                call_follows_time(function, &args, slack, depth)
            }
            _ => false,
        }
    }
}

unsafe fn call_follows_time(
    function: u32,
    args: &[*mut pg_sys::Node],
    slack: &mut Slack,
    depth: u32,
) -> bool {
    // SAFETY: the functions' argument types are known from their OIDs
    unsafe {
        let is = |set: &[u32]| set.contains(&function);
        let mut inner = |node| follows_time(node, slack, depth - 1);
        match args {
            [] => is(&NOW),
            [time] if is(&LOCAL_CASTS) => inner(*time),
            [time] if is(&ZONE_CASTS) => inner(*time) && zone(slack),
            [time, by] if is(&TZ_AND_INTERVAL) || is(&LOCAL_AND_INTERVAL) => {
                inner(*time) && interval(*by, is(&TZ_AND_INTERVAL), slack)
            }
            [time, by] if is(&DATE_AND_DAYS) || is(&ROUNDINGS) => {
                inner(*time) && constant(*by).is_some()
            }
            [name, time] if is(&AT_TIME_ZONE) => {
                inner(*time) && constant(*name).is_some() && zone(slack)
            }
            [unit, time] if is(&TRUNCATIONS) => inner(*time) && cut(*unit, slack),
            [unit, time, name] if is(&TRUNCATIONS) => {
                inner(*time) && constant(*name).is_some() && cut(*unit, slack)
            }
            _ => false,
        }
    }
}

fn zone(slack: &mut Slack) -> bool {
    slack.zone = true;
    true
}

/// A constant interval. Days and months are counted in the session's zone where the time has one.
unsafe fn interval(node: *mut pg_sys::Node, with_zone: bool, slack: &mut Slack) -> bool {
    // SAFETY: the operator's second argument is an interval
    unsafe {
        let Some(datum) = constant(node) else {
            return false;
        };
        let interval = datum.cast_mut_ptr::<pg_sys::Interval>();
        if (*interval).month != 0 {
            slack.months += 1;
        }
        slack.zone |= with_zone && ((*interval).month != 0 || (*interval).day != 0);
        true
    }
}

/// A constant unit of date_trunc.
unsafe fn cut(node: *mut pg_sys::Node, slack: &mut Slack) -> bool {
    // SAFETY: the first argument of date_trunc is a text
    unsafe {
        let unit = constant(node).and_then(|datum| String::from_datum(datum, false));
        let Some(days) = unit.and_then(|unit| longest_unit_days(unit.trim())) else {
            return false;
        };
        slack.cut_days += days;
        zone(slack)
    }
}
