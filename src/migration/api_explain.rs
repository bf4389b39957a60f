//! SQL surface of explaining and capturing; declared in sql/migration/explain.sql and capture.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]

use super::api_source::need;
use super::explain::{self, Asked, Row};
use super::explain_rows::mode_name;
use super::set::Direction;
use super::{call, capture, manage, planned};
use crate::pg::{datum, whole_error};
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{AnyElement, name, pg_extern};

type Explained = (
    Option<String>,
    Option<String>,
    i32,
    i32,
    String,
    Option<String>,
    Option<String>,
    Option<Vec<String>>,
    Option<i64>,
    Option<i64>,
    Interval,
    Option<String>,
);

fn explained(row: Row) -> Explained {
    let found = row.found;
    (
        row.version,
        row.filename,
        row.statement,
        row.line,
        row.command,
        Some(found.object).filter(|o| !o.is_empty()),
        mode_name(found.mode).map(str::to_owned),
        Some(found.rewrites).filter(|r| !r.is_empty()),
        found.rows,
        found.bytes,
        Interval::from_micros(row.us),
        found.note,
    )
}

#[pg_extern(sql = false)]
fn migrate_explain(
    version: Option<&str>,
    body: Option<&str>,
    direction: Option<&str>,
    lock_timeout: Option<Interval>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(filename, Option<String>),
            name!(statement, i32),
            name!(line, i32),
            name!(command, String),
            name!(object, Option<String>),
            name!(lock_mode, Option<String>),
            name!(rewrites, Option<Vec<String>>),
            name!(est_rows, Option<i64>),
            name!(bytes, Option<i64>),
            name!(duration, Interval),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    whole_error::border(|| {
        let asked = Asked {
            version: version.map(manage::version).transpose()?,
            body,
            direction: match need(direction, "direction")? {
                "up" => Direction::Up,
                "down" => Direction::Down,
                other => return Err(planned::unknown_direction(other).into()),
            },
            lock_timeout_ms: call::milliseconds(
                "lock_timeout",
                &need(lock_timeout, "lock_timeout")?,
            )?,
        };
        let rows = explain::rows(&asked, namespace)?.into_iter().map(explained);
        Ok(TableIterator::new(rows.collect::<Vec<_>>()))
    })
}

#[pg_extern(sql = false)]
fn migrate_capture(enable: Option<bool>) -> std::result::Result<(), ErrorReport> {
    Ok(capture::enable(need(enable, "enable")?)?)
}

#[pg_extern(sql = false)]
fn migrate_changes(
    version: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(at, TimestampWithTimeZone),
            name!(version, Option<String>),
            name!(command, String),
            name!(kind, String),
            name!(object, Option<String>),
            name!(role, Option<AnyElement>),
        ),
    >,
    ErrorReport,
> {
    let rows = match version {
        Some(version) => capture::of_version(version, need(namespace, "namespace")?)?,
        None => capture::outside()?,
    };
    let rows = rows
        .into_iter()
        .map(|r| (r.0, r.1, r.2, r.3, r.4, datum::name(&r.5)));
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}
