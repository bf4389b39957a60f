//! The catalog lens.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::clients;
use super::need;
use crate::error::{Error, Kind};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Makes the views of the lens for this server.
#[pg_extern(sql = false)]
fn build_lens() -> Result<(), ErrorReport> {
    clients::build_lens()?;
    Ok(())
}

/// Lets a role see hypertables as ordinary tables.
#[pg_extern(sql = false)]
fn expose_to_client(
    role: Option<pg_sys::Oid>,
    tables: Option<Vec<Option<pg_sys::Oid>>>,
) -> Result<(), ErrorReport> {
    let tables = tables
        .map(|t| t.into_iter().collect::<Option<Vec<_>>>())
        .map(|t| t.ok_or_else(|| Error::new(Kind::NullNotAllowed, "tables must not contain NULL")))
        .transpose()?;
    clients::expose(need(role, "role")?, tables)?;
    Ok(())
}

/// Takes it back.
#[pg_extern(sql = false)]
fn unexpose_from_client(role: Option<pg_sys::Oid>) -> Result<(), ErrorReport> {
    clients::unexpose(need(role, "role")?)?;
    Ok(())
}
