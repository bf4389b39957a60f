//! Reading the history.

use super::namespace;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::datum::{Inet, Interval, JsonB, TimestampWithTimeZone, Uuid};

/// Which events somebody wants.
pub struct Wanted<'a> {
    pub run: Option<Uuid>,
    pub version: Option<&'a str>,
    pub since: Option<TimestampWithTimeZone>,
    pub most: i32,
    pub tenant: Option<&'a str>,
    pub namespace: &'a str,
}

const EVENTS: &str = "SELECT id, at, event, version, name, run, session_role::text, effective_role::text, client, \
    application, xid::text::int8, server, duration, statements, error, reason FROM strata.migrate_event \
    WHERE namespace = $1 AND ($2 IS NULL OR tenant = $2::name) AND ($3 IS NULL OR run = $3) \
    AND ($4 IS NULL OR version = $4) AND ($5 IS NULL OR at >= $5) ORDER BY id DESC LIMIT $6";

/// A row of `migrate_history`.
pub type Row = (
    i64,
    TimestampWithTimeZone,
    String,
    Option<String>,
    Option<String>,
    Option<Uuid>,
    String,
    String,
    Option<Inet>,
    Option<String>,
    i64,
    String,
    Option<Interval>,
    Option<i32>,
    Option<JsonB>,
    Option<String>,
);

/// Events, the newest first. The namespace may be gone: then they are for superusers and pg_monitor.
pub fn rows(wanted: &Wanted<'_>) -> Result<Vec<Row>> {
    if wanted.most < 0 {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("max_rows must not be negative, but is {}", wanted.most),
        ));
    }
    match namespace::find(wanted.namespace)? {
        Some(found) => found.need_reader()?,
        None => namespace::need_monitor(wanted.namespace)?,
    }
    let args = [
        wanted.namespace.into(),
        wanted.tenant.into(),
        wanted.run.into(),
        wanted.version.into(),
        wanted.since.into(),
        wanted.most.into(),
    ];
    as_extension_owner(|| {
        spi::read_latest(EVENTS, &args, |r| {
            Ok((
                r.need(1)?,
                r.need(2)?,
                r.need(3)?,
                r.get(4)?,
                r.get(5)?,
                r.get(6)?,
                r.need(7)?,
                r.need(8)?,
                r.get(9)?,
                r.get(10)?,
                r.need(11)?,
                r.need(12)?,
                r.get(13)?,
                r.get(14)?,
                r.get(15)?,
                r.get(16)?,
            ))
        })
    })
}
