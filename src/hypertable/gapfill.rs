//! Gap filling: which buckets a series has, and values on the line between two known ones.

use super::bucket::{Span, Width, bucket, bucket_integer};
use super::calendar::DAY_US;
use crate::error::{Error, Kind, Result};

/// What a bucket is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// width, and the smallest and the largest number of the type
    Integer {
        width: i64,
        min: i64,
        max: i64,
    },
    Date(Width),
    /// timestamps; with a zone, in its local time
    Time(Width),
}

/// Local time of a zone. The implementation belongs to the server.
pub trait LocalTime {
    fn to_local(&self, utc: i64) -> Result<i64>;
    fn to_utc(&self, local: i64) -> Result<i64>;
    /// Called now and then in long loops: the server may want to cancel.
    fn pause(&self) {}
}

/// The buckets from the one that holds `start` up to the last one before `finish`, rising.
#[derive(Debug, Clone)]
pub struct Buckets {
    step: Step,
    finish: i64,
    /// next candidate: as the step counts, in local time, in microseconds for dates
    cursor: Option<i64>,
    last: Option<i64>,
}

impl Buckets {
    pub fn new(step: Step, start: i64, finish: i64, zone: Option<&dyn LocalTime>) -> Result<Self> {
        let time = |width, at| bucket(width, at, None, Span::default()).map(Some);
        let (cursor, finish) = match (step, zone) {
            (Step::Integer { width, min, max }, _) => {
                let finish = finish.min(max.saturating_add(1));
                (first_integer(width, start.max(min), min)?, finish)
            }
            (Step::Date(width), _) => (time(width, day_start(start)?)?, finish),
            (Step::Time(width), None) => (time(width, start)?, finish),
            (Step::Time(width), Some(zone)) => (time(width, zone.to_local(start)?)?, finish),
        };
        Ok(Buckets {
            step,
            finish,
            cursor,
            last: None,
        })
    }

    /// The next bucket, as a value of the key's type.
    pub fn next(&mut self, zone: Option<&dyn LocalTime>) -> Result<Option<i64>> {
        let mut passed = 0_u32;
        while let Some(at) = self.cursor {
            // where the clock goes back, local times of an hour are none or known
            passed += 1;
            if let (true, Some(zone)) = (passed.is_multiple_of(4096), zone) {
                zone.pause();
            }
            let value = self.value(at, zone)?;
            self.cursor = match self.step {
                Step::Integer { width, .. } => at.checked_add(width),
                Step::Date(width) | Step::Time(width) => width.next(at),
            };
            let Some(value) = value else { continue };
            if value >= self.finish {
                self.cursor = None;
            } else if self.last.is_none_or(|last| last < value) {
                self.last = Some(value);
                return Ok(self.last);
            }
        }
        Ok(None)
    }

    /// A candidate as a value of the key's type; `None` for a local time that the clock skips and that is
    /// no bucket therefore.
    fn value(&self, at: i64, zone: Option<&dyn LocalTime>) -> Result<Option<i64>> {
        match (self.step, zone) {
            (Step::Date(_), _) => Ok(Some(at.div_euclid(DAY_US))),
            (Step::Time(width), Some(zone)) => {
                let utc = zone.to_utc(at)?;
                let own = bucket(width, zone.to_local(utc)?, None, Span::default())?;
                Ok((zone.to_utc(own)? == utc).then_some(utc))
            }
            _ => Ok(Some(at)),
        }
    }
}

/// The bucket that holds `start`, or the one after it where that begins below the smallest number.
fn first_integer(width: i64, start: i64, min: i64) -> Result<Option<i64>> {
    match bucket_integer(width, start, 0, min) {
        Err(_) if width > 0 => Ok(start.checked_add(width - start.rem_euclid(width))),
        found => found.map(Some),
    }
}

fn day_start(day: i64) -> Result<i64> {
    day.checked_mul(DAY_US)
        .ok_or_else(|| Error::new(Kind::DatetimeOverflow, "date out of range"))
}

/// A value that can be interpolated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

/// A known value at a time.
pub type Point = (i64, Number);

/// The known values next to a time that goes on. They are handed in one by one as far as they are needed:
/// a series of any length takes no more memory.
#[derive(Debug, Clone, Default)]
pub struct Line {
    before: Option<Point>,
    after: Option<Point>,
    over: bool,
}

impl Line {
    pub fn clear(&mut self) {
        *self = Line::default();
    }

    /// True while a later value may lie next to this time. Times asked for must not fall.
    pub fn wants_more(&mut self, time: i64) -> bool {
        if self.after.is_some_and(|p| p.0 < time) {
            self.before = self.after.take();
        }
        self.after.is_none() && !self.over
    }

    /// The next value, when [`Self::wants_more`] has said so; `None` behind the last one.
    pub fn push(&mut self, point: Option<Point>) {
        self.after = point;
        self.over = point.is_none();
    }

    /// The points next to the time that was asked for last, on both sides.
    #[must_use]
    pub fn around(&self) -> (Option<Point>, Option<Point>) {
        (self.before, self.after)
    }
}

/// The value at `time` on the straight line through two points; integers are rounded, halves away from 0.
#[must_use]
pub fn between(a: Point, b: Point, time: i64) -> Number {
    let (a, b) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    let part = i128::from(time) - i128::from(a.0);
    let whole = i128::from(b.0) - i128::from(a.0);
    if whole == 0 {
        return a.1;
    }
    match (a.1, b.1) {
        (Number::Int(x), Number::Int(y)) => Number::Int(rounded(x, y, part, whole)),
        (x, y) => {
            let at = part as f64 / whole as f64;
            Number::Float(along(as_float(x), as_float(y), at))
        }
    }
}

fn along(x: f64, y: f64, at: f64) -> f64 {
    if x == y {
        return x;
    }
    let rise = y - x;
    if rise.is_finite() {
        x + rise * at
    } else {
        x * (1.0 - at) + y * at
    }
}

/// `x + (y - x) * part / whole`, exactly, then rounded and kept within the type.
fn rounded(x: i64, y: i64, part: i128, whole: i128) -> i64 {
    let rise = i128::from(y) - i128::from(x);
    let (down, whole) = ((rise < 0) != (part < 0), whole.unsigned_abs());
    // both factors have 64 bits
    let product = rise.unsigned_abs() * part.unsigned_abs();
    let (steps, rest) = (product / whole, product % whole);
    let moved = |steps: u128| {
        let steps = i128::try_from(steps).unwrap_or(i128::MAX);
        let x = i128::from(x);
        if down {
            x.saturating_sub(steps)
        } else {
            x.saturating_add(steps)
        }
    };
    let (near, far) = (moved(steps), moved(steps.saturating_add(1)));
    let value = match (rest * 2).cmp(&whole) {
        std::cmp::Ordering::Less => near,
        std::cmp::Ordering::Greater => far,
        std::cmp::Ordering::Equal if far.unsigned_abs() > near.unsigned_abs() => far,
        std::cmp::Ordering::Equal => near,
    };
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn as_float(n: Number) -> f64 {
    match n {
        Number::Int(n) => n as f64,
        Number::Float(x) => x,
    }
}

/// Which end of the range a condition sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Start,
    Finish,
}

/// A value that a condition compares the key with, in the units of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub value: i64,
    /// true when the value itself lies between `value` and the next unit: a noon compared with days
    pub more: bool,
}

/// The first value that the range holds (start), or the first one that it does not (finish).
/// `inclusive`: the condition holds for the value itself.
#[must_use]
pub fn edge(side: Side, limit: Limit, inclusive: bool) -> i64 {
    let after = match side {
        // key >= noon and key > noon begin with the next day, key > midnight as well
        Side::Start => limit.more || !inclusive,
        // key <= midnight and key < noon end with the next day, key < midnight does not
        Side::Finish => limit.more || inclusive,
    };
    limit.value.saturating_add(i64::from(after))
}

#[cfg(test)]
#[path = "gapfill_test.rs"]
mod tests;
