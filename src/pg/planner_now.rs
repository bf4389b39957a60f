//! Expressions over the current time that do not decrease while time goes on.

use super::list;
use super::planner::kind_of;
use super::time_zone;
use crate::hypertable::predicate::{self, Kind, Slack, longest_unit_days};
use pgrx::pg_sys::NodeTag as Tag;
use pgrx::pg_sys::SQLValueFunctionOp as Word;
use pgrx::{FromDatum, pg_sys};

// OIDs of pg_proc.dat, fixed in all versions
const NOW: [u32; 3] = [1299, 2647, 2648]; // now, transaction_timestamp, statement_timestamp
const TZ_AND_INTERVAL: [u32; 2] = [1189, 1190]; // timestamptz + and - interval
const LOCAL_AND_INTERVAL: [u32; 4] = [2032, 2033, 2071, 2072]; // timestamp and date + and - interval
const DATE_AND_DAYS: [u32; 2] = [1141, 1142]; // date + and - integer
const DATE_TO_LOCAL: [u32; 1] = [2024]; // timestamp(date)
const LOCAL_TO_DATE: [u32; 1] = [2029]; // date(timestamp)
const TO_LOCAL: [u32; 1] = [2027]; // timestamp(timestamptz)
const TO_DATE: [u32; 1] = [1178]; // date(timestamptz)
const TO_TZ: [u32; 2] = [1174, 2028]; // timestamptz(date | timestamp)
const ROUNDINGS: [u32; 2] = [1961, 1967]; // timestamp(timestamp, precision) and with time zone
const AT_TIME_ZONE: [u32; 2] = [1159, 2069]; // timezone(text, timestamptz | timestamp)
const TRUNCATE_TZ: [u32; 1] = [1217]; // date_trunc(text, timestamptz)
const TRUNCATE_LOCAL: [u32; 1] = [2020]; // date_trunc(text, timestamp)
const TRUNCATE_IN: [u32; 1] = [1284]; // date_trunc(text, timestamptz, text)

/// Nesting beyond which nobody writes such expressions.
const DEPTH: u32 = 12;

/// Type and value of an expression over the current time that a key of type `key` is compared with, and
/// how far it may fall behind that value later; `None` for everything else.
pub(super) unsafe fn planned_value(
    root: *mut pg_sys::PlannerInfo,
    node: *mut pg_sys::Node,
    key: Kind,
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
        let slack = predicate::compared(kind, key, slack);
        if slack.uses_session_zone() && !time_zone::session_is_real() {
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
                Word::SVFOP_CURRENT_DATE => {
                    slack.dates += 1;
                    slack.convert(1);
                    true
                }
                Word::SVFOP_LOCALTIMESTAMP | Word::SVFOP_LOCALTIMESTAMP_N => {
                    slack.convert(1);
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
        let time = match args {
            [] => return is(&NOW),
            [name, time] if is(&AT_TIME_ZONE) && real_zone(*name) => {
                slack.fixed += 1;
                *time
            }
            [unit, time] if is(&TRUNCATE_TZ) && cut(*unit, slack) => {
                slack.round_trip();
                *time
            }
            [unit, time] if is(&TRUNCATE_LOCAL) && cut(*unit, slack) => *time,
            [unit, time, name] if is(&TRUNCATE_IN) && real_zone(*name) && cut(*unit, slack) => {
                slack.fixed += 2;
                *time
            }
            [time, by] if is(&TZ_AND_INTERVAL) && interval(*by, true, slack) => *time,
            [time, by] if is(&LOCAL_AND_INTERVAL) && interval(*by, false, slack) => *time,
            [time, by] if (is(&DATE_AND_DAYS) || is(&ROUNDINGS)) && constant(*by).is_some() => {
                *time
            }
            [time] if is(&DATE_TO_LOCAL) => *time,
            [time] if is(&LOCAL_TO_DATE) => {
                slack.dates += 1;
                *time
            }
            [time] if is(&TO_LOCAL) => {
                slack.convert(1);
                *time
            }
            [time] if is(&TO_DATE) => {
                slack.dates += 1;
                slack.convert(1);
                *time
            }
            [time] if is(&TO_TZ) => {
                slack.convert(-1);
                *time
            }
            _ => return false,
        };
        follows_time(time, slack, depth - 1)
    }
}

/// The constant name of a zone whose offsets are those of a place on Earth. Abbreviations are none: what
/// they stand for is a setting.
unsafe fn real_zone(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the functions' zone is a text
    unsafe {
        constant(node)
            .and_then(|datum| String::from_datum(datum, false))
            .is_some_and(|name| time_zone::named_is_real(&name))
    }
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
        if with_zone && ((*interval).month != 0 || (*interval).day != 0) {
            slack.round_trip();
        }
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
        true
    }
}
