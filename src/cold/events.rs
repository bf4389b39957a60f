//! Events over time: what a payload may hold, and the SQL around the caller's table. No second storage path:
//! the table is an ordinary hypertable.
//!
//! All names in the SQL are qualified, since it runs in the caller's context.

use crate::error::{Error, Kind, Result};
use crate::hypertable::calendar::{DAY_US, day_number};
use serde_json::{Map, Number, Value};

/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_2000_US: i64 = 10_957 * DAY_US;
/// The first millisecond since 1970 that the id of an event cannot hold, in the year 10889.
const MS_END: i64 = 1 << 48;

const KEYS: [&str; 4] = ["timestamp", "labels", "value", "id"];

/// What a payload says, but for labels and value, which the server takes out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 16 bytes; `None`: to be made from the time.
    pub id: Option<[u8; 16]>,
    /// Microseconds since 2000-01-01 UTC.
    pub us: i64,
}

/// Reads one payload. `which`: its place in an array. 22023 naming the key that is wrong.
pub fn read(payload: &Value, which: Option<usize>) -> Result<Event> {
    let Value::Object(fields) = payload else {
        return Err(bad(which, "a payload must be a JSON object"));
    };
    check_fields(fields).map_err(|why| bad(which, &why))
}

fn bad(which: Option<usize>, why: &str) -> Error {
    let place = which.map_or(String::new(), |n| format!("payload {n}: "));
    Error::new(Kind::InvalidParameter, format!("{place}{why}")).hint(
        "A payload is {\"timestamp\": milliseconds since 1970 or ISO 8601 text, \"labels\": {name: scalar, ...}, \
         \"value\": scalar, \"id\": uuid}; only \"timestamp\" is required.",
    )
}

fn check_fields(fields: &Map<String, Value>) -> std::result::Result<Event, String> {
    if let Some(key) = fields.keys().find(|k| !KEYS.contains(&k.as_str())) {
        return Err(format!("unknown key \"{}\"", shown(key)));
    }
    let us = match fields.get("timestamp") {
        None => return Err(String::from("key \"timestamp\" is missing")),
        Some(Value::Number(n)) => milliseconds(n)?.checked_mul(1000),
        Some(Value::String(text)) => {
            let us = iso_8601(text)
                .ok_or("key \"timestamp\" must be ISO 8601 text, such as 2025-01-05T13:00:00.5Z")?;
            Some(us)
        }
        Some(_) => return Err(String::from("key \"timestamp\" must be a number or a text")),
    };
    let us = us
        .filter(|us| (0..MS_END * 1000).contains(us))
        .ok_or("key \"timestamp\" is out of range: from 1970-01-01 to the year 10889")?;
    check_labels(fields.get("labels"))?;
    if fields.get("value").is_some_and(|v| !is_scalar(v)) {
        return Err(String::from("key \"value\" must be a scalar"));
    }
    let id = match fields.get("id") {
        None => None,
        Some(Value::String(text)) => {
            let id = uuid::Uuid::try_parse(text).map_err(|_| "key \"id\" must be a uuid")?;
            Some(*id.as_bytes())
        }
        Some(_) => return Err(String::from("key \"id\" must be a uuid in text form")),
    };
    Ok(Event {
        id,
        us: us - EPOCH_2000_US,
    })
}

/// `1000.0` and `1e3` are whole numbers, too. What is larger than all that can be is only called that.
fn milliseconds(number: &Number) -> std::result::Result<i64, &'static str> {
    if let Some(whole) = number.as_i64() {
        return Ok(whole);
    }
    match number.as_f64() {
        Some(n) if n.fract() != 0.0 => {
            Err("key \"timestamp\" must be a whole number of milliseconds")
        }
        // floats are whole numbers, one by one, to far beyond the end of time
        Some(n) if n.abs() < MS_END as f64 => Ok(n as i64),
        _ => Ok(i64::MAX),
    }
}

fn check_labels(labels: Option<&Value>) -> std::result::Result<(), String> {
    let labels = match labels {
        None => return Ok(()),
        Some(Value::Object(labels)) => labels,
        Some(_) => return Err(String::from("key \"labels\" must be an object of scalars")),
    };
    match labels.iter().find(|(_, value)| !is_scalar(value)) {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "key \"labels\": \"{}\" must be a scalar",
            shown(name)
        )),
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

/// A name of the caller in a message: not longer than a name, without line ends.
fn shown(name: &str) -> String {
    let printable = name.chars().filter(|c| !c.is_control());
    printable.take(63).collect()
}

/// Microseconds since 1970 of `2025-01-05`, `2025-01-05T13:00`, `2025-01-05 13:00:00.123456+01:00`, ... Without a
/// zone it is UTC.
fn iso_8601(text: &str) -> Option<i64> {
    let date = text.get(..10)?;
    let rest = text.get(10..)?;
    let [year, month, day] = numbers(date, &[4, 2, 2], '-')?;
    let days = valid_day(year, month, day)?;
    let days_us = days.checked_mul(DAY_US)?.checked_add(EPOCH_2000_US)?;
    if rest.is_empty() {
        return Some(days_us);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    days_us
        .checked_add(clock_us(clock)?)?
        .checked_sub(zone_us(zone)?)
}

fn valid_day(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let next = match month {
        12 => day_number(year + 1, 1, 1),
        _ => day_number(year, month + 1, 1),
    };
    let days = day_number(year, month, day);
    (days < next).then_some(days)
}

/// `13:00`, `13:00:00`, `13:00:00.5`; 24:00 and leap seconds are taken as the moment that they are.
fn clock_us(clock: &str) -> Option<i64> {
    let (whole, fraction) = match clock.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, fraction),
        None => (clock, "0"),
    };
    let [hour, minute, second] = match whole.len() {
        5 if whole.len() == clock.len() => {
            let [hour, minute] = numbers(whole, &[2, 2], ':')?;
            [hour, minute, 0]
        }
        8 => numbers(whole, &[2, 2, 2], ':')?,
        _ => return None,
    };
    let digits = |c: char| c.is_ascii_digit();
    if fraction.is_empty() || fraction.len() > 9 || !fraction.chars().all(digits) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let end_of_day = hour == 24 && minute == 0 && second == 0 && micros == 0;
    let in_day = hour < 24 && minute < 60 && second <= 60;
    if !in_day && !end_of_day {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// `Z`, nothing, `+01`, `+01:00`, `-0530`.
fn zone_us(zone: &str) -> Option<i64> {
    let Some(sign) = zone.chars().next() else {
        return Some(0);
    };
    let rest = zone.get(1..)?;
    let sign = match sign {
        'Z' | 'z' => return rest.is_empty().then_some(0),
        '-' => -1,
        _ => 1,
    };
    let [hours, minutes] = match rest.len() {
        2 => [numbers::<1>(rest, &[2], ':')?[0], 0],
        4 => {
            let [hours] = numbers(rest.get(..2)?, &[2], ':')?;
            let [minutes] = numbers(rest.get(2..)?, &[2], ':')?;
            [hours, minutes]
        }
        5 => numbers(rest, &[2, 2], ':')?,
        _ => return None,
    };
    (hours < 16 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

/// Numbers of these many digits with a separator between them, and nothing else.
fn numbers<const N: usize>(text: &str, widths: &[usize; N], separator: char) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut out = [0; N];
    for (number, width) in out.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != *width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// INSERT of a batch: `$1` ids, `$2` times, `$3` payloads as one JSON array, or one payload. `table` is quoted.
#[must_use]
pub fn insert_sql(table: &str, single: bool) -> String {
    let payloads = match single {
        true => "pg_catalog.jsonb_build_array($3)",
        false => "$3",
    };
    format!(
        "INSERT INTO {table} (id, ts, labels, value) SELECT e.id, e.ts, \
         COALESCE(e.payload OPERATOR(pg_catalog.->) 'labels'::pg_catalog.text, '{{}}'::pg_catalog.jsonb), \
         e.payload OPERATOR(pg_catalog.->>) 'value'::pg_catalog.text \
         FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.jsonb_array_elements({payloads})) \
         AS e(id, ts, payload) ON CONFLICT (id, ts) DO NOTHING"
    )
}

/// The payload of a row `e`: as it was put, with the time in milliseconds where that is exact.
const PAYLOAD: &str = "(pg_catalog.jsonb_build_object('timestamp', CASE \
    WHEN pg_catalog.isfinite(e.ts) AND (EXTRACT(microseconds FROM e.ts)::pg_catalog.int8 \
        OPERATOR(pg_catalog.%) 1000::pg_catalog.int8) OPERATOR(pg_catalog.=) 0::pg_catalog.int8 \
    THEN pg_catalog.to_jsonb((EXTRACT(epoch FROM e.ts) OPERATOR(pg_catalog.*) 1000::pg_catalog.numeric)::pg_catalog.int8) \
    ELSE pg_catalog.to_jsonb(e.ts) END, 'labels', COALESCE(e.labels, '{}'::pg_catalog.jsonb)) \
    OPERATOR(pg_catalog.||) CASE WHEN e.value IS NULL THEN '{}'::pg_catalog.jsonb \
    ELSE pg_catalog.jsonb_build_object('value', e.value) END)";

fn slice_sql(table: &str, more: &str) -> String {
    format!(
        "SELECT e.id, e.ts, e.labels, e.value, {PAYLOAD} AS payload FROM {table} e \
         WHERE e.ts OPERATOR(pg_catalog.>=) $1 AND e.ts OPERATOR(pg_catalog.<) $2{more}"
    )
}

/// SELECT of a range: `$1`, `$2` its bounds, `$3` labels, `$4` words.
#[must_use]
pub fn between_sql(table: &str, by_labels: bool, by_words: bool) -> String {
    let mut more = String::new();
    if by_labels {
        more.push_str(" AND e.labels OPERATOR(pg_catalog.@>) $3");
    }
    if by_words {
        more.push_str(
            " AND (pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, COALESCE(e.value, '')) \
             OPERATOR(pg_catalog.||) pg_catalog.jsonb_to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, \
             COALESCE(e.labels, '{}'::pg_catalog.jsonb), '[\"string\", \"numeric\", \"boolean\"]'::pg_catalog.jsonb)) \
             OPERATOR(pg_catalog.@@) pg_catalog.plainto_tsquery('pg_catalog.simple'::pg_catalog.regconfig, $4)",
        );
    }
    slice_sql(table, &more) + " ORDER BY e.ts, e.id"
}

fn bound_sql(table: &str, query: &str, what: &str) -> String {
    let slice = slice_sql(table, "");
    format!("WITH events AS NOT MATERIALIZED ({slice}) SELECT {what} FROM (\n{query}\n) AS q")
}

/// As [`query_sql`], for a look at its columns.
#[must_use]
pub fn columns_sql(table: &str, query: &str) -> String {
    bound_sql(table, query, "q.*")
}

/// The caller's SELECT with the name `events` bound to a range; `$1`, `$2` its bounds. `query` must be one whole
/// SELECT: then its words cannot reach beyond the parentheses, and the line end closes a comment.
#[must_use]
pub fn query_sql(table: &str, query: &str) -> String {
    bound_sql(table, query, "pg_catalog.to_jsonb(q.*)")
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
