//! Operations on single chunks; declared in sql/hypertable/chunk_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::{attach, freeze, place};
use super::{need, text};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CStr;

#[pg_extern(sql = false)]
fn attach_chunk(
    hypertable: Option<pg_sys::Oid>,
    chunk: Option<pg_sys::Oid>,
    slices: Option<JsonB>,
) -> Result<(), ErrorReport> {
    let (h, chunk) = (need(hypertable, "hypertable")?, need(chunk, "chunk")?);
    Ok(attach::attach(h, chunk, &need(slices, "slices")?.0)?)
}

#[pg_extern(sql = false)]
fn detach_chunk(chunk: Option<pg_sys::Oid>) -> Result<(), ErrorReport> {
    Ok(attach::detach(need(chunk, "chunk")?)?)
}

#[pg_extern(sql = false)]
fn freeze_chunk(chunk: pg_sys::Oid) -> Result<bool, ErrorReport> {
    Ok(freeze::freeze(chunk)?)
}

#[pg_extern(sql = false)]
fn unfreeze_chunk(chunk: pg_sys::Oid) -> Result<bool, ErrorReport> {
    Ok(freeze::unfreeze(chunk)?)
}

#[pg_extern(sql = false)]
fn reorder_chunk(
    chunk: Option<pg_sys::Oid>,
    index: Option<pg_sys::Oid>,
    verbose: Option<bool>,
) -> Result<(), ErrorReport> {
    Ok(place::reorder(
        need(chunk, "chunk")?,
        index,
        verbose.unwrap_or(false),
    )?)
}

#[pg_extern(sql = false)]
fn move_chunk(
    chunk: Option<pg_sys::Oid>,
    destination_tablespace: Option<&CStr>,
    index_destination_tablespace: Option<&CStr>,
    reorder_index: Option<pg_sys::Oid>,
    verbose: Option<bool>,
) -> Result<(), ErrorReport> {
    Ok(place::move_chunk(&place::Move {
        chunk: need(chunk, "chunk")?,
        tablespace: text(need(destination_tablespace, "destination_tablespace")?),
        index_tablespace: index_destination_tablespace.map(text),
        reorder_index,
        verbose: verbose.unwrap_or(false),
    })?)
}
