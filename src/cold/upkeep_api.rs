//! SQL surface of ownership, garbage and links (declared in sql/cold/upkeep_code.sql).
#![allow(
    clippy::result_large_err,
    reason = "ErrorReport is pgrx's and keeps the SQLSTATE"
)]

use crate::cold::{gc_run, lease, link};
use crate::error::{Error, Kind};
use pgrx::datum::{Interval, Uuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::borrow::Cow;
use std::ffi::CStr;

type Report<T> = std::result::Result<T, ErrorReport>;

fn text(name: Option<&CStr>) -> Option<Cow<'_, str>> {
    name.map(CStr::to_string_lossy)
}

#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns off the type"
)]
fn cold_gc(
    server: Option<&CStr>,
    dry_run: Option<bool>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(action, String),
            name!(key, String),
            name!(bytes, Option<i64>),
            name!(reason, String),
        ),
    >,
    ErrorReport,
> {
    let actions = gc_run::cold_gc(text(server).as_deref(), dry_run.unwrap_or(true))?;
    let row = |a: crate::cold::catalog::gc::Action| (a.action, a.key, a.bytes, a.reason);
    Ok(TableIterator::new(actions.into_iter().map(row)))
}

#[pg_extern(sql = false)]
fn cold_adopt(server: &CStr) -> Report<i64> {
    Ok(lease::adopt(&server.to_string_lossy())?)
}

#[pg_extern(sql = false)]
fn cold_fork(server: Option<&CStr>) -> Report<i64> {
    Ok(lease::fork(text(server).as_deref())?)
}

#[pg_extern(sql = false)]
fn cold_url(file: Option<Uuid>, valid_for: Option<Interval>) -> Report<String> {
    let (Some(file), Some(valid_for)) = (file, valid_for) else {
        Err(Error::new(
            Kind::NullNotAllowed,
            "file and valid_for must not be NULL",
        ))?
    };
    let days = i64::from(valid_for.months()) * 30 + i64::from(valid_for.days());
    let seconds = days.saturating_mul(86_400) + valid_for.micros() / 1_000_000;
    Ok(link::url(&file.to_string(), seconds)?)
}
