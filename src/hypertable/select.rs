//! Which chunks `show_chunks` and `drop_chunks` mean.

use super::age::{self, TimeColumn};
use super::bounds::{Edge, KeyType, Range};
use super::catalog::{self, Chunk, Hypertable};
use crate::error::{Error, Kind, Result};
use crate::pg::anyvalue::AnyValue;
use crate::pg::spi;
use crate::pg::subxact::peek;
use pgrx::pg_sys;

/// The four bounds as the user gave them.
#[derive(Debug, Default)]
pub struct Bounds {
    pub older_than: Option<AnyValue>,
    pub newer_than: Option<AnyValue>,
    pub created_before: Option<AnyValue>,
    pub created_after: Option<AnyValue>,
}

impl Bounds {
    pub fn none(&self) -> bool {
        self.older_than.is_none()
            && self.newer_than.is_none()
            && self.created_before.is_none()
            && self.created_after.is_none()
    }
}

/// True when a chunk with this range lies wholly before `older` and wholly at or after `newer`.
#[must_use]
pub fn matches(range: Range, older: Option<i64>, newer: Option<i64>) -> bool {
    older.is_none_or(|p| range.1 <= Edge::At(p)) && newer.is_none_or(|p| range.0 >= Edge::At(p))
}

fn sql_type(oid: pg_sys::Oid) -> &'static str {
    match oid {
        pg_sys::DATEOID => "date",
        pg_sys::TIMESTAMPOID => "timestamp without time zone",
        _ => "timestamp with time zone",
    }
}

fn oid_of(key: KeyType) -> pg_sys::Oid {
    match key {
        KeyType::Int2 => pg_sys::INT2OID,
        KeyType::Int4 => pg_sys::INT4OID,
        KeyType::Int8 => pg_sys::INT8OID,
        KeyType::Date => pg_sys::DATEOID,
        KeyType::Timestamp => pg_sys::TIMESTAMPOID,
        KeyType::TimestampTz | KeyType::Uuid => pg_sys::TIMESTAMPTZOID,
    }
}

/// Days or microseconds since 2000-01-01 of a time given as text that PostgreSQL reads, cast to `to`.
fn cast_time(text: &str, from: pg_sys::Oid, to: pg_sys::Oid) -> Result<i64> {
    let cast = format!(
        "SELECT $1::pg_catalog.{}::pg_catalog.{}",
        short(from),
        short(to)
    );
    let value = if to == pg_sys::DATEOID {
        spi::read_one(&cast, &[text.into()], |r| r.need::<pgrx::datum::Date>(1))?
            .map(|d| i64::from(d.to_pg_epoch_days()))
    } else if to == pg_sys::TIMESTAMPOID {
        spi::read_one(&cast, &[text.into()], |r| {
            r.need::<pgrx::datum::Timestamp>(1)
        })?
        .map(i64::from)
    } else {
        spi::read_one(&cast, &[text.into()], |r| {
            r.need::<pgrx::datum::TimestampWithTimeZone>(1)
        })?
        .map(i64::from)
    };
    value.ok_or_else(|| Error::internal("a cast returned no row"))
}

fn short(oid: pg_sys::Oid) -> &'static str {
    match oid {
        pg_sys::DATEOID => "date",
        pg_sys::TIMESTAMPOID => "timestamp",
        _ => "timestamptz",
    }
}

fn key_of(oid: pg_sys::Oid) -> KeyType {
    match oid {
        pg_sys::DATEOID => KeyType::Date,
        pg_sys::TIMESTAMPOID => KeyType::Timestamp,
        _ => KeyType::TimestampTz,
    }
}

/// A point on the axis of the key. Times are converted as SQL converts them in this session when it
/// compares them with the column; an interval means now() minus it.
pub fn point(argument: &str, value: &AnyValue, key: KeyType, column: &str) -> Result<i64> {
    let wrong = |given: &str| {
        let wanted = if key.is_time() {
            format!("{} or an interval", key.point_name())
        } else {
            "an integer".to_string()
        };
        Err(Error::new(
            Kind::WrongType,
            format!(
                "{argument} must be {wanted} for column \"{column}\" of type {}, not {given}",
                key.sql_name()
            ),
        ))
    };
    match value {
        AnyValue::Int(n) if !key.is_time() => Ok(*n),
        AnyValue::Int(_) => wrong("an integer"),
        AnyValue::Text(t) if !key.is_time() => t.trim().parse().or_else(|_| wrong("text")),
        AnyValue::Text(t) => cast_time(t, oid_of(key), oid_of(key)),
        AnyValue::Time(t, _) if !key.is_time() => wrong(sql_type(*t)),
        AnyValue::Time(t, v) if *t == oid_of(key) => Ok(*v),
        AnyValue::Time(t, v) if is_infinite(*t, *v) => Ok(if *v < 0 { i64::MIN } else { i64::MAX }),
        AnyValue::Time(t, v) => cast_time(&key_of(*t).literal(*v), *t, oid_of(key)),
        AnyValue::Interval { .. } if !key.is_time() => wrong("an interval"),
        AnyValue::Interval { months, days, us } => before_now(key, *months, *days, *us),
        AnyValue::Other(t) => wrong(t),
    }
}

fn is_infinite(oid: pg_sys::Oid, value: i64) -> bool {
    if oid == pg_sys::DATEOID {
        value == i64::from(i32::MIN) || value == i64::from(i32::MAX)
    } else {
        value == i64::MIN || value == i64::MAX
    }
}

fn before_now(key: KeyType, months: i32, days: i32, us: i64) -> Result<i64> {
    let interval = format!("{months} mons {days} days {us} microseconds");
    let at = spi::read_one(
        "SELECT pg_catalog.timezone('UTC', pg_catalog.now()) OPERATOR(pg_catalog.-) $1::pg_catalog.interval",
        &[interval.into()],
        |r| r.need::<pgrx::datum::Timestamp>(1),
    )?
    .map(i64::from)
    .ok_or_else(|| Error::internal("now() returned no row"))?;
    Ok(match key {
        KeyType::Date => at.div_euclid(super::calendar::DAY_US),
        _ => at,
    })
}

/// The bounds as numbers: in units of the key, and in microseconds since 2000-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Points {
    pub older: Option<i64>,
    pub newer: Option<i64>,
    pub before: Option<i64>,
    pub after: Option<i64>,
    /// `older` and `newer` are values of the time column of a table that is partitioned by ids
    pub by_time: bool,
}

/// True for a bound that can only mean a time, of a table whose key is an id.
fn means_time(value: &AnyValue, key: KeyType) -> bool {
    match value {
        AnyValue::Interval { .. } | AnyValue::Time(..) => true,
        AnyValue::Text(text) => key.is_time() || text.trim().parse::<i64>().is_err(),
        AnyValue::Int(_) | AnyValue::Other(_) => false,
    }
}

/// Checks the bounds and turns them into numbers.
pub fn points(h: &Hypertable, bounds: &Bounds) -> Result<Points> {
    let by_range = bounds.older_than.is_some() || bounds.newer_than.is_some();
    let by_creation = bounds.created_before.is_some() || bounds.created_after.is_some();
    if by_range && by_creation {
        return Err(Error::new(
            Kind::InvalidParameter,
            "created_before and created_after cannot be combined with older_than and newer_than",
        ));
    }
    let time = age::time_column(h)?.filter(|_| {
        let given = [&bounds.older_than, &bounds.newer_than];
        given
            .into_iter()
            .flatten()
            .any(|v| means_time(v, h.grid.key))
    });
    let (key, column) = match &time {
        Some(time) => (time.key, &time.name),
        None => (h.grid.key, &h.key),
    };
    let at = |name: &str, v: &Option<AnyValue>| {
        v.as_ref().map(|v| point(name, v, key, column)).transpose()
    };
    let (older, newer) = (
        at("older_than", &bounds.older_than)?,
        at("newer_than", &bounds.newer_than)?,
    );
    in_order("newer_than", newer, "older_than", older)?;
    let created =
        |name: &str, v: &Option<AnyValue>| v.as_ref().map(|v| created_point(name, v)).transpose();
    let (before, after) = (
        created("created_before", &bounds.created_before)?,
        created("created_after", &bounds.created_after)?,
    );
    in_order("created_after", after, "created_before", before)?;
    Ok(Points {
        older,
        newer,
        before,
        after,
        by_time: time.is_some(),
    })
}

/// The chunks that lie within the bounds, oldest first.
pub fn chunks(h: &Hypertable, bounds: &Bounds, fresh: bool) -> Result<Vec<Chunk>> {
    within(h, points(h, bounds)?, fresh)
}

/// The same for bounds that are numbers already.
pub fn within(h: &Hypertable, points: Points, fresh: bool) -> Result<Vec<Chunk>> {
    let (before, after) = (points.before, points.after);
    let mut out = Vec::new();
    let time = match points.by_time {
        true => age::time_column(h)?,
        false => None,
    };
    for c in catalog::chunks(h.table.oid, fresh)? {
        let fits = match &time {
            Some(time) => fits_by_rows(h, &c, time, points)?,
            None => matches(c.range, points.older, points.newer),
        };
        if !fits {
            continue;
        }
        if before.is_some() || after.is_some() {
            // a chunk that we did not make has no known time of creation: it never matches
            let Some(t) = catalog::created_at(c.oid)? else {
                continue;
            };
            if before.is_some_and(|b| t >= b) || after.is_some_and(|a| t < a) {
                continue;
            }
        }
        out.push(c);
    }
    Ok(out)
}

/// By the times in the rows. Of a chunk without any, only the time in a uuid tells the age.
fn fits_by_rows(h: &Hypertable, c: &Chunk, time: &TimeColumn, points: Points) -> Result<bool> {
    // without a lock left behind: a process that drops or moves the chunk would wait for it
    if let Some(holds) = peek(|| time.holds(c, points.older, points.newer))? {
        return Ok(holds);
    }
    let at = |v: Option<i64>| v.map(|v| time.micros(v));
    Ok(h.grid.key.is_time() && matches(c.range, at(points.older), at(points.newer)))
}

fn created_point(name: &str, value: &AnyValue) -> Result<i64> {
    match value {
        AnyValue::Int(_) | AnyValue::Other(_) => Err(Error::new(
            Kind::WrongType,
            format!("{name} must be a timestamp with time zone or an interval"),
        )),
        v => point(name, v, KeyType::TimestampTz, "created_at"),
    }
}

fn in_order(low_name: &str, low: Option<i64>, high_name: &str, high: Option<i64>) -> Result<()> {
    match (low, high) {
        (Some(low), Some(high)) if low >= high => Err(Error::new(
            Kind::InvalidParameter,
            format!("{low_name} must lie before {high_name}"),
        )),
        _ => Ok(()),
    }
}

/// `[from, to)` of `premake_chunks` in the key's units.
pub fn range_arguments(h: &Hypertable, from: &AnyValue, to: &AnyValue) -> Result<(i64, i64)> {
    let plain = |name: &str, v: &AnyValue| match v {
        AnyValue::Interval { .. } => Err(Error::new(
            Kind::WrongType,
            format!(
                "{name} must be a value of column \"{}\" of type {}, not an interval",
                h.key,
                h.grid.key.sql_name()
            ),
        )),
        v => point(name, v, h.grid.key, &h.key),
    };
    let (from, to) = (plain("from_value", from)?, plain("to_value", to)?);
    in_order("from_value", Some(from), "to_value", Some(to))?;
    let (min, max) = h.grid.key.limits();
    if from < min || to > max {
        return Err(Error::new(
            Kind::DatetimeOverflow,
            format!(
                "chunk bounds are out of range for type {}",
                h.grid.key.sql_name()
            ),
        ));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::matches;
    use crate::hypertable::bounds::Edge::{At, Max, Min};

    #[test]
    fn wholly_before_and_wholly_after() {
        let c = (At(10), At(20));
        assert!(matches(c, None, None));
        assert!(matches(c, Some(20), Some(10)));
        assert!(!matches(c, Some(19), None));
        assert!(!matches(c, None, Some(11)));
        assert!(!matches((Min, At(20)), None, Some(0)));
        assert!(matches((Min, At(20)), Some(20), None));
        assert!(!matches((At(10), Max), Some(i64::MAX), None));
    }
}
