//! Operations on single chunks; declared in sql/hypertable/chunk_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::{attach, detach_task, freeze, place, select, split_merge, target};
use super::{need, text};
use crate::pg::anyvalue::any_value;
use crate::pg::nonatomic;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{AnyElement, JsonB};
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

/// Outside of a transaction block a process does it with ShareUpdateExclusiveLock on the hypertable and
/// short waits; inside it is this transaction, with AccessExclusiveLock on the hypertable.
#[pg_extern(sql = false)]
fn detach_chunk(
    chunk: Option<pg_sys::Oid>,
    call: pg_sys::FunctionCallInfo,
) -> Result<(), ErrorReport> {
    let chunk = need(chunk, "chunk")?;
    if nonatomic::check_call(call, "", "").is_err() {
        return Ok(attach::detach(chunk)?);
    }
    attach::may_detach(chunk)?;
    detach_task::detach_concurrently(chunk).map_err(|caught| caught.raise())
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

/// ShareUpdateExclusiveLock on the chunk while its rows are copied, then AccessExclusiveLock on the hypertable,
/// what is linked to it by foreign keys, and its views, while bounds change; `merge_chunks` the same.
#[pg_extern(sql = false)]
fn split_chunk(
    chunk: Option<pg_sys::Oid>,
    split_at: Option<AnyElement>,
) -> Result<(), ErrorReport> {
    let chunk = need(chunk, "chunk")?;
    let t = target::owned_chunk(chunk)?;
    let at = split_at
        .map(|v| select::point("split_at", &any_value(&v), t.h.grid.key, &t.h.key))
        .transpose()?;
    split_merge::split(chunk, at)?;
    Ok(())
}

/// `concurrently` changes nothing: rows are copied while others write in any case.
#[pg_extern(sql = false)]
fn merge_two_chunks(
    chunk1: Option<pg_sys::Oid>,
    chunk2: Option<pg_sys::Oid>,
    concurrently: Option<bool>,
) -> Result<(), ErrorReport> {
    need(concurrently, "concurrently")?;
    split_merge::merge(&[need(chunk1, "chunk1")?, need(chunk2, "chunk2")?])?;
    Ok(())
}

#[pg_extern(sql = false)]
fn merge_chunk_list(chunks: Option<Vec<Option<pg_sys::Oid>>>) -> Result<(), ErrorReport> {
    let list = need(chunks, "chunks")?
        .into_iter()
        .map(|c| need(c, "an element of chunks"))
        .collect::<Result<Vec<_>, _>>()?;
    split_merge::merge(&list)?;
    Ok(())
}
