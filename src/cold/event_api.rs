//! SQL surface of events (declared in sql/cold/events_code.sql). Everything runs with the caller's rights.
#![allow(
    clippy::result_large_err,
    reason = "ErrorReport is pgrx's and keeps the SQLSTATE"
)]

use crate::cold::{event_table, events};
use crate::error::{Error, Kind, Result};
use crate::pg::json_arg;
use pgrx::datum::{AnyElement, Uuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;
use std::ffi::CStr;

type Report<T> = std::result::Result<T, ErrorReport>;

fn need<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{name} must not be NULL")))
}

#[pg_extern(sql = false)]
fn create_events(
    name: Option<&str>,
    chunk_time_interval: Option<AnyElement>,
    server: Option<&CStr>,
) -> Report<pg_sys::Oid> {
    let name = need(name, "name")?;
    let interval = need(chunk_time_interval, "chunk_time_interval")?;
    let server = server.map(CStr::to_string_lossy);
    Ok(event_table::create(name, &interval, server.as_deref())?)
}

#[pg_extern(sql = false)]
fn put_event(payload: Option<AnyElement>, events: Option<pg_sys::Oid>) -> Report<Uuid> {
    let payload = need(payload, "payload")?;
    let table = event_table::check(events)?;
    let event = events::read(&json_arg::parsed(&payload)?, None)?;
    let put = event_table::put(&table, &[event], &payload, true)?;
    let id = put.ids.first().copied();
    Ok(Uuid::from_bytes(need(id, "id")?))
}

#[pg_extern(sql = false)]
fn put_events(payloads: Option<AnyElement>, events: Option<pg_sys::Oid>) -> Report<i64> {
    let payloads = need(payloads, "payloads")?;
    let table = event_table::check(events)?;
    let Value::Array(list) = json_arg::parsed(&payloads)? else {
        Err(Error::new(
            Kind::InvalidParameter,
            "payloads must be a JSON array",
        ))?
    };
    let read = list.iter().enumerate();
    let read = read.map(|(n, payload)| events::read(payload, Some(n)));
    let read = read.collect::<Result<Vec<_>>>()?;
    Ok(event_table::put(&table, &read, &payloads, false)?.added)
}

/// The statement that `strata._events_between` runs.
#[pg_extern(sql = false)]
fn _events_between_sql(
    range_start: Option<AnyElement>,
    range_end: Option<AnyElement>,
    labels: Option<AnyElement>,
    search: Option<&str>,
    events: Option<pg_sys::Oid>,
) -> Report<String> {
    need(range_start, "range_start")?;
    need(range_end, "range_end")?;
    let table = event_table::check(events)?;
    let by_labels = match &labels {
        None => false,
        Some(labels) => match json_arg::parsed(labels)? {
            Value::Object(wanted) => !wanted.is_empty(),
            _ => Err(Error::new(
                Kind::InvalidParameter,
                "labels must be a JSON object",
            ))?,
        },
    };
    let by_words = search.is_some_and(|words| !words.trim().is_empty());
    Ok(events::between_sql(&table.name, by_labels, by_words))
}

/// The statement that `strata.query_events` runs.
#[pg_extern(sql = false)]
fn _query_events_sql(
    query: Option<&str>,
    range_start: Option<AnyElement>,
    range_end: Option<AnyElement>,
    events: Option<pg_sys::Oid>,
) -> Report<String> {
    let query = need(query, "query")?;
    need(range_start, "range_start")?;
    need(range_end, "range_end")?;
    let table = event_table::check(events)?;
    Ok(event_table::query(&table, query)?)
}
