//! Sizes and tablespaces of hypertables; declared in sql/hypertable/chunk_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::{chunks, sizes, tablespaces};
use super::{need, text};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CStr;

#[pg_extern(sql = false)]
fn check_hypertable(relation: pg_sys::Oid) -> Result<pg_sys::Oid, ErrorReport> {
    Ok(chunks::hypertable(relation)?.table.oid)
}

/// Bytes of one index over all chunks. Takes AccessShareLock on each part of the index, for a moment.
#[pg_extern(sql = false)]
fn hypertable_index_size(index_name: pg_sys::Oid) -> Result<i64, ErrorReport> {
    Ok(sizes::of_index(index_name)?)
}

/// Takes AccessShareLock on each leaf for a moment; a leaf that somebody has locked is not waited for.
#[pg_extern(sql = false)]
fn approximate_row_count(relation: pg_sys::Oid) -> Result<i64, ErrorReport> {
    Ok(sizes::rows(relation)?)
}

/// Takes no lock but that of a row of our catalog, as the other functions for tablespaces.
#[pg_extern(sql = false)]
fn attach_tablespace(
    tablespace: &CStr,
    hypertable: pg_sys::Oid,
    if_not_attached: bool,
) -> Result<(), ErrorReport> {
    Ok(tablespaces::attach(
        &text(tablespace),
        hypertable,
        if_not_attached,
    )?)
}

#[pg_extern(sql = false)]
fn detach_tablespace(
    tablespace: Option<&CStr>,
    hypertable: Option<pg_sys::Oid>,
    if_attached: Option<bool>,
) -> Result<i32, ErrorReport> {
    let name = text(need(tablespace, "tablespace")?);
    let lenient = if_attached.unwrap_or(false);
    Ok(match hypertable {
        Some(h) => tablespaces::detach(&name, h, lenient)?,
        None => tablespaces::detach_everywhere(&name, lenient)?,
    })
}

#[pg_extern(sql = false)]
fn detach_tablespaces(hypertable: pg_sys::Oid) -> Result<i32, ErrorReport> {
    Ok(tablespaces::detach_all(hypertable)?)
}

#[pg_extern(sql = false)]
fn show_tablespaces(
    hypertable: pg_sys::Oid,
) -> Result<SetOfIterator<'static, String>, ErrorReport> {
    Ok(SetOfIterator::new(tablespaces::of(hypertable)?))
}
