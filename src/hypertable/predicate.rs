//! Conditions that follow from a query's own: a key range out of `now()` and out of `time_bucket`.
//!
//! Each answer is implied by the condition it comes from, whatever the row. Where that cannot be said
//! the answer is no condition. Timestamps count microseconds and dates days since 2000-01-01.

use super::bucket::{self, Reach};
pub use super::bucket::{Span, Width};
use super::calendar::{DATE_RANGE, DAY_US, TIMESTAMP_RANGE};

/// Clock steps that a cached plan survives.
const CLOCK_US: i64 = 10 * 60 * 1_000_000;

/// Types of a key, as far as this file tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    TimestampTz,
    Timestamp,
    Date,
    /// with the smallest and the largest number of the type
    Integer(i64, i64),
    /// version 7: its time in milliseconds since 1970 comes first
    Uuid,
}

/// `key OP value`; the operators of a btree, which numbers them from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
}

impl Op {
    #[must_use]
    pub fn of_strategy(strategy: i32) -> Option<Op> {
        [Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt]
            .get(usize::try_from(strategy).ok()?.checked_sub(1)?)
            .copied()
    }

    #[must_use]
    pub fn strategy(self) -> i16 {
        self as i16 + 1
    }

    /// What holds for everything above, when it holds for a value.
    #[must_use]
    pub fn bounds_below(self) -> bool {
        matches!(self, Op::Eq | Op::Ge | Op::Gt)
    }

    #[must_use]
    pub fn bounds_above(self) -> bool {
        matches!(self, Op::Eq | Op::Le | Op::Lt)
    }
}

/// How far an expression over the current time can be below its value at planning, when it is run later.
///
/// Time goes on, so that it would not be at all, but for three reasons: the clock may be set back; the
/// session's time zone may be another one; and cutting to a unit or taking off months turns a small step
/// back into a larger one.
///
/// Zones are real ones: no offset from UTC above 16 hours (no bound is made in others, and cached plans go
/// when the session turns to one, see `pg::time_zone`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slack {
    /// how many times the session's offset from UTC is in the value; taken off where negative
    pub offsets: i32,
    /// conversions that put it there: pairs of opposite ones differ by a change of the zone's clocks only
    pub conversions: i32,
    /// conversions with a zone that the expression names
    pub fixed: i64,
    /// times that were cut to dates
    pub dates: i64,
    /// an interval has months: 28 to 31 days
    pub months: i64,
    /// longest units that the expression is cut to, in days
    pub cut_days: i64,
}

impl Slack {
    /// A conversion in the session's zone, from UTC (1) or to it (-1).
    pub fn convert(&mut self, offsets: i32) {
        self.offsets += offsets;
        self.conversions += 1;
    }

    /// There and back again: days are added in local time.
    pub fn round_trip(&mut self) {
        self.conversions += 2;
    }

    #[must_use]
    pub fn uses_session_zone(self) -> bool {
        self.conversions > 0
    }

    #[must_use]
    pub fn us(self) -> i64 {
        // two offsets differ by 32 hours at most, cut to days 48; two changes of clocks by a day each
        let pairs = (self.conversions - self.offsets.abs() + 1) / 2;
        let zones = i64::from(self.offsets.abs() + pairs);
        let days = [
            zones.saturating_mul(2),
            self.dates.saturating_sub(zones).max(0),
            self.fixed,
            self.months.saturating_mul(8),
            self.cut_days,
        ];
        let days = days.into_iter().fold(0, i64::saturating_add);
        CLOCK_US.saturating_add(days.saturating_mul(DAY_US))
    }
}

/// Longest duration of a unit of `date_trunc`, in days; `None` for words that it does not know.
#[must_use]
pub fn longest_unit_days(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "microseconds" | "milliseconds" | "second" | "minute" | "hour" => 1,
        "day" => 1,
        "week" => 7,
        "month" => 31,
        "quarter" => 92,
        "year" => 366,
        "decade" => 3653,
        "century" => 36_525,
        _ => return None,
    })
}

/// What comparing a key with a value of another type adds: it converts in the session's zone.
#[must_use]
pub fn compared(kind: Kind, key: Kind, mut slack: Slack) -> Slack {
    match (kind, key) {
        (Kind::TimestampTz, Kind::Timestamp | Kind::Date) => slack.convert(1),
        (Kind::Timestamp | Kind::Date, Kind::TimestampTz) => slack.convert(-1),
        _ => {}
    }
    slack
}

/// The least key that `key >= value` can still be true for in a later run of the plan; `value` as planned,
/// of type `kind` (a date in days); `slack` with the comparison's part.
#[must_use]
pub fn lower_bound(kind: Kind, value: i64, key: Kind, slack: Slack) -> Option<i64> {
    let us = match kind {
        Kind::Date => value.checked_mul(DAY_US)?,
        Kind::Timestamp | Kind::TimestampTz => value,
        Kind::Integer(..) | Kind::Uuid => return None,
    };
    let us = us.checked_sub(slack.us())?;
    if !(TIMESTAMP_RANGE.0..TIMESTAMP_RANGE.1).contains(&us) {
        return None;
    }
    match key {
        Kind::Date => Some(us.div_euclid(DAY_US)),
        Kind::Timestamp | Kind::TimestampTz => Some(us),
        Kind::Uuid => uuid_ms(us, false),
        Kind::Integer(..) => None,
    }
}

/// Arguments of a `time_bucket`: all that decides how far a key lies from the start of its bucket.
#[derive(Debug, Clone, Copy)]
pub enum Bucket {
    /// a zone form lies in local time: bounds are wide
    Time {
        width: Width,
        origin_us: Option<i64>,
        offset: Span,
        zone: bool,
    },
    Integer {
        width: i64,
        offset: i64,
    },
}

/// Key range `[lower, upper)`; `above` says that `lower` itself is excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRange {
    pub lower: Option<i64>,
    pub above: bool,
    pub upper: Option<i64>,
}

impl KeyRange {
    #[must_use]
    pub fn is_none(self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }
}

/// The range of keys for which `time_bucket(..., key) OP value` can be true. `value` is in units of the
/// key, for a uuid key in microseconds; the range of a uuid key is in milliseconds since 1970.
#[must_use]
pub fn bucket_range(bucket: Bucket, op: Op, value: i64, key: Kind) -> KeyRange {
    let mut range = match bucket {
        Bucket::Integer { width, offset } => integer_range(width, offset, op, value, key),
        Bucket::Time { .. } => time_range(bucket, op, value, key),
    }
    .unwrap_or_default();
    if let Some((min, max)) = limits(key) {
        range.lower = range.lower.filter(|v| (min..=max).contains(v));
        range.upper = range.upper.filter(|v| (min..=max).contains(v));
    }
    range
}

/// What a key range may hold: finite values of the type.
fn limits(key: Kind) -> Option<(i64, i64)> {
    match key {
        Kind::Integer(min, max) => Some((min, max)),
        Kind::Date => Some((DATE_RANGE.0, DATE_RANGE.1 - 1)),
        Kind::Timestamp | Kind::TimestampTz => Some((TIMESTAMP_RANGE.0, TIMESTAMP_RANGE.1 - 1)),
        Kind::Uuid => None,
    }
}

fn integer_range(width: i64, offset: i64, op: Op, value: i64, key: Kind) -> Option<KeyRange> {
    let Kind::Integer(min, _) = key else {
        return None;
    };
    let start = |v: i64| bucket::bucket_integer(width, v, offset, min).ok();
    // the last bucket that OP lets through begins at or before `last`
    let last = match op {
        Op::Lt => start(value.checked_sub(1)?),
        _ => start(value),
    };
    let upper = last
        .unwrap_or(value)
        .checked_add(width)
        .filter(|_| width > 0);
    Some(KeyRange {
        lower: op.bounds_below().then_some(value),
        above: op == Op::Gt,
        upper: upper.filter(|_| op.bounds_above()),
    })
}

fn time_range(bucket: Bucket, op: Op, value: i64, key: Kind) -> Option<KeyRange> {
    let Bucket::Time {
        width,
        origin_us,
        offset,
        zone,
    } = bucket
    else {
        return None;
    };
    let value_us = match key {
        Kind::Date => value.checked_mul(DAY_US)?,
        Kind::Integer(..) => return None,
        _ => value,
    };
    if !bucket::is_finite(value_us) {
        return None;
    }
    let Reach {
        before_us,
        mut after_us,
    } = width.reach(offset, zone);
    let whole_days = matches!(width, Width::Micros(w) if w % DAY_US == 0)
        && offset.us == 0
        && origin_us.is_none_or(|o| o % DAY_US == 0);
    if key == Kind::Date && !whole_days {
        // a bucket that starts inside a day is shown as that day
        after_us = after_us.checked_add(DAY_US)?;
    }
    let mut last = value_us;
    // with months in the offset the bucket of a bucket's start may be another one
    let snaps = !zone && offset.months == 0;
    if snaps && key != Kind::Date {
        let at = if op == Op::Lt {
            value_us.checked_sub(1)?
        } else {
            value_us
        };
        // buckets begin on a grid: the last one that OP lets through
        last = bucket::bucket(width, at, origin_us, offset).unwrap_or(value_us);
    } else if snaps && whole_days {
        let day = if op == Op::Lt { value - 1 } else { value };
        let day = i32::try_from(day).ok();
        let origin = origin_us.and_then(|o| i32::try_from(o / DAY_US).ok());
        last = day
            .and_then(|day| bucket::bucket_date(width, day, origin, offset).ok())
            .and_then(|day| i64::from(day).checked_mul(DAY_US))
            .unwrap_or(value_us);
    }
    let lower = value_us.checked_sub(before_us);
    let upper = last.checked_add(after_us);
    let in_key = |us: i64, up: bool| match key {
        // up to the next whole day or millisecond where it must not cut anything off
        Kind::Date if up => Some(us.div_euclid(DAY_US) + i64::from(us % DAY_US != 0)),
        Kind::Date => Some(us.div_euclid(DAY_US)),
        Kind::Uuid => uuid_ms(us, up),
        _ => Some(us),
    };
    Some(KeyRange {
        lower: lower
            .filter(|_| op.bounds_below())
            .and_then(|us| in_key(us, false)),
        above: op == Op::Gt && before_us == 0 && key != Kind::Uuid,
        upper: upper
            .filter(|_| op.bounds_above())
            .and_then(|us| in_key(us, true)),
    })
}

/// Milliseconds since 1970 of a time in microseconds since 2000, rounded down or up; `None` where a uuid
/// cannot hold them.
fn uuid_ms(us: i64, up: bool) -> Option<i64> {
    let ms = us.div_euclid(1000) + i64::from(up && us.rem_euclid(1000) != 0);
    let ms = ms.checked_add(946_684_800_000)?;
    (0..1 << 48).contains(&ms).then_some(ms)
}

#[cfg(test)]
#[path = "predicate_test.rs"]
mod tests;
