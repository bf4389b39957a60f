//! Buckets: the start of the interval that holds a value, for timestamps, dates and integers.
//!
//! Timestamps count microseconds and dates count days since 2000-01-01, as PostgreSQL stores them; the
//! smallest and the largest number stand for infinity. A time zone is the caller's: it converts to local
//! time, asks here, and converts back.

use super::calendar::{self as cal, DAY_US};
use crate::error::{Error, Kind, Result};

/// The fields of an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub months: i32,
    pub days: i32,
    pub us: i64,
}

/// How wide a bucket is: by the calendar, or a fixed time. Always positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Months(i32),
    Micros(i64),
}

/// Where buckets of a fixed width are counted from: Monday 2000-01-03.
pub const ORIGIN_US: i64 = 2 * DAY_US;
/// The same for widths in months: 2000-01-01.
pub const MONTH_ORIGIN_US: i64 = 0;

/// Start of the bucket before which, and how far behind which, its values lie at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// a value may lie this many microseconds before the start of its bucket; 0 without time zone and
    /// without months in the offset
    pub before_us: i64,
    /// and always less than this many after it
    pub after_us: i64,
}

impl Width {
    /// The width that an interval means. 22023 for mixed, zero and negative ones.
    pub fn of(span: Span) -> Result<Width> {
        if span.months != 0 {
            if span.days != 0 || span.us != 0 {
                return Err(bad("bucket width cannot mix months with days or time")
                    .hint("use months alone, or days and time alone"));
            }
            return if span.months > 0 {
                Ok(Width::Months(span.months))
            } else {
                Err(not_positive())
            };
        }
        let us = i128::from(span.days) * i128::from(DAY_US) + i128::from(span.us);
        match i64::try_from(us) {
            Ok(us) if us > 0 => Ok(Width::Micros(us)),
            Ok(_) => Err(not_positive()),
            Err(_) if us > 0 => Err(bad("bucket width is out of range")),
            Err(_) => Err(not_positive()),
        }
    }

    /// How far from the start of its bucket a value can lie; for conditions on buckets that become
    /// conditions on the value. With a time zone, local times that occur twice or never move the start.
    #[must_use]
    pub fn reach(self, offset: Span, zone: bool) -> Reach {
        let width = match self {
            Width::Micros(us) => us,
            Width::Months(m) => i64::from(m).saturating_mul(31 * DAY_US),
        };
        // months taken off and put on again are not always of the same length
        let clamped = if offset.months == 0 { 0 } else { 4 * DAY_US };
        let moved = if zone { 2 * DAY_US } else { 0 };
        Reach {
            before_us: clamped + moved,
            after_us: width.saturating_add(clamped + moved),
        }
    }

    /// The start of the bucket after the one that starts at `start`; `None` behind the last timestamp.
    #[must_use]
    pub fn next(self, start: i64) -> Option<i64> {
        match self {
            Width::Micros(w) => start.checked_add(w).filter(|us| in_range(*us)),
            Width::Months(m) => add(start, i64::from(m), 0, 0),
        }
    }
}

/// Start of the bucket that holds a timestamp. Infinity stays. 22008 where the start is no timestamp.
///
/// `offset` is taken off before and put on afterwards, as `+` and `-` do with timestamps without time zone.
#[inline]
pub fn bucket(width: Width, value_us: i64, origin: Option<i64>, offset: Span) -> Result<i64> {
    if !is_finite(value_us) {
        return Ok(value_us);
    }
    check_origin(origin.is_none_or(is_finite))?;
    if let Width::Micros(w) = width
        && offset.months == 0
    {
        return floor(w, value_us, shift_of(w, origin, offset));
    }
    let (m, d, us) = (i64::from(offset.months), i64::from(offset.days), offset.us);
    let back = us.checked_neg().and_then(|us| add(value_us, -m, -d, us));
    let value = back.ok_or_else(overflow)?;
    let start = match width {
        Width::Micros(w) => floor(w, value, shift_of(w, origin, Span::default()))?,
        Width::Months(w) => {
            let origin = origin.unwrap_or(MONTH_ORIGIN_US);
            let (day, time) = month_floor(i64::from(w), split(value), split(origin));
            joined(day, time).ok_or_else(overflow)?
        }
    };
    add(start, m, d, us).ok_or_else(overflow)
}

/// Start of the bucket that holds a day, as a day: a start inside a day becomes that day.
pub fn bucket_date(width: Width, day: i32, origin: Option<i32>, offset: Span) -> Result<i32> {
    if !is_finite_day(day) {
        return Ok(day);
    }
    check_origin(origin.is_none_or(is_finite_day))?;
    let (value, origin) = (i64::from(day), origin.map(i64::from));
    let start = match width {
        // whole days reach further than timestamps do
        Width::Micros(w) if w % DAY_US == 0 && offset.months == 0 && offset.us % DAY_US == 0 => {
            let from = origin.unwrap_or(ORIGIN_US / DAY_US);
            let from = from + i64::from(offset.days) + offset.us / DAY_US;
            value - (value - from).rem_euclid(w / DAY_US)
        }
        Width::Months(w) if offset == Span::default() => {
            month_floor(i64::from(w), (value, 0), (origin.unwrap_or(0), 0)).0
        }
        _ => {
            let us = |day: i64| joined(day, 0).ok_or_else(overflow);
            let origin = origin.map(us).transpose()?;
            bucket(width, us(value)?, origin, offset)?.div_euclid(DAY_US)
        }
    };
    match i32::try_from(start) {
        Ok(d) if (cal::DATE_RANGE.0..cal::DATE_RANGE.1).contains(&start) => Ok(d),
        _ => Err(Error::new(Kind::DatetimeOverflow, "date out of range")),
    }
}

/// Start of the bucket that holds an integer; `min` is the smallest number of its type.
#[inline]
pub fn bucket_integer(width: i64, value: i64, offset: i64, min: i64) -> Result<i64> {
    if width <= 0 {
        return Err(not_positive());
    }
    match value.checked_sub(behind(width, value, offset.rem_euclid(width))) {
        Some(start) if start >= min => Ok(start),
        _ => Err(Error::new(Kind::DatetimeOverflow, "bucket out of range")),
    }
}

/// False for infinity and -infinity.
#[must_use]
pub fn is_finite(us: i64) -> bool {
    us != i64::MIN && us != i64::MAX
}

/// False for the days infinity and -infinity.
#[must_use]
pub fn is_finite_day(day: i32) -> bool {
    day != i32::MIN && day != i32::MAX
}

/// Where in `[0, w)` buckets of width `w` begin.
#[inline]
fn shift_of(w: i64, origin: Option<i64>, offset: Span) -> i64 {
    let origin = origin.unwrap_or(ORIGIN_US);
    if offset == Span::default() {
        return origin.rem_euclid(w);
    }
    let days = i128::from(offset.days) * i128::from(DAY_US);
    let from = i128::from(origin) + days + i128::from(offset.us);
    from.rem_euclid(i128::from(w)) as i64
}

/// How far `value` lies behind the start of its bucket.
#[inline]
fn behind(w: i64, value: i64, shift: i64) -> i64 {
    let r = value.rem_euclid(w) - shift;
    if r < 0 { r + w } else { r }
}

#[inline]
fn floor(w: i64, value: i64, shift: i64) -> Result<i64> {
    match value.checked_sub(behind(w, value, shift)) {
        Some(start) if in_range(start) => Ok(start),
        _ => Err(overflow()),
    }
}

/// Months are counted from the month of the origin and begin at its day and time; in a month too short
/// for that day, at its last day.
fn month_floor(width: i64, value: (i64, i64), origin: (i64, i64)) -> (i64, i64) {
    let first = cal::month_number(origin.0);
    let dom = origin.0 - cal::month_start(first);
    let month = cal::month_number(value.0);
    let start = |steps: i64| (month_day(first + steps * width, dom), origin.1);
    let steps = (month - first).div_euclid(width);
    if start(steps) > value {
        start(steps - 1)
    } else {
        start(steps)
    }
}

/// A day of a month, counted from 0, or the month's last day.
fn month_day(month: i64, dom: i64) -> i64 {
    let begin = cal::month_start(month);
    (begin + dom).min(cal::month_start(month + 1) - 1)
}

/// Adds months, then days, then time, as PostgreSQL adds an interval to a timestamp.
fn add(us: i64, months: i64, days: i64, time: i64) -> Option<i64> {
    let (mut day, tod) = split(us);
    if months != 0 {
        let month = cal::month_number(day);
        let dom = day - cal::month_start(month);
        day = month_day(month + months, dom);
        joined(day, tod)?;
    }
    let us = joined(day + days, tod)?;
    us.checked_add(time).filter(|us| in_range(*us))
}

fn split(us: i64) -> (i64, i64) {
    (us.div_euclid(DAY_US), us.rem_euclid(DAY_US))
}

fn joined(day: i64, time: i64) -> Option<i64> {
    let us = day.checked_mul(DAY_US)?.checked_add(time)?;
    in_range(us).then_some(us)
}

fn in_range(us: i64) -> bool {
    (cal::TIMESTAMP_RANGE.0..cal::TIMESTAMP_RANGE.1).contains(&us)
}

fn check_origin(finite: bool) -> Result<()> {
    if finite {
        Ok(())
    } else {
        Err(bad("origin must be finite"))
    }
}

fn not_positive() -> Error {
    bad("bucket width must be greater than zero")
}

fn overflow() -> Error {
    Error::new(Kind::DatetimeOverflow, "timestamp out of range")
}

fn bad(message: &str) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

#[cfg(test)]
#[path = "bucket_test.rs"]
mod tests;
