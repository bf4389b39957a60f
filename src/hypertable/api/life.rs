//! From a table to a hypertable without a long lock, and back; declared in sql/hypertable/chunk_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::create::Request;
use super::super::dimension::Dimension;
use super::super::{online, unique};
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
        dry_run: false,
    })?)
}
