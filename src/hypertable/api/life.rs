//! From a table to a hypertable without a long lock, and back; declared in sql/hypertable/chunk_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::create::Request;
use super::super::dimension::Dimension;
use super::super::{online, plain, reconcile, unique};
use super::{need, text};
use crate::pg::nonatomic;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CStr;

#[pg_extern(sql = false)]
fn create_hypertable_online(
    relation: Option<pg_sys::Oid>,
    dimension: Option<JsonB>,
    end_column: Option<&CStr>,
    logical_key: Option<&CStr>,
    call: pg_sys::FunctionCallInfo,
) -> Result<(), ErrorReport> {
    nonatomic::check_call(
        call,
        "CALL strata.create_hypertable_online",
        "Call it outside of BEGIN ... COMMIT; create_hypertable(..., migrate_data => true) does it in one transaction.",
    )?;
    Ok(online::run(&Request {
        relation: need(relation, "relation")?,
        dimension: Dimension::parse(need(dimension, "dimension")?.0)?,
        default_indexes: false,
        if_not_exists: true,
        migrate_data: true,
        hash: None,
        end_column: end_column.map(text),
        logical_key: logical_key.map(text),
        conflicts: unique::Action::Error,
        chunk_options: Vec::new(),
        dry_run: false,
    })?)
}

#[pg_extern(sql = false)]
fn drop_hypertable(
    relation: Option<pg_sys::Oid>,
    keep_data: Option<bool>,
) -> Result<(), ErrorReport> {
    let keep_data = need(keep_data, "keep_data")?;
    Ok(plain::drop_hypertable(
        need(relation, "relation")?,
        keep_data,
    )?)
}

#[pg_extern(sql = false)]
fn reconcile_hypertable(
    relation: Option<pg_sys::Oid>,
    dry_run: Option<bool>,
) -> Result<TableIterator<'static, (name!(action, String), name!(detail, String))>, ErrorReport> {
    let done = reconcile::reconcile(need(relation, "relation")?, need(dry_run, "dry_run")?)?;
    Ok(TableIterator::new(
        done.into_iter().map(|m| (m.action, m.detail)),
    ))
}
