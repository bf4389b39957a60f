//! Functions that scripts for TimescaleDB call and that have no counterpart; declared in
//! sql/hypertable/policy_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use crate::pg::call::function_name;
use crate::pg::foreign_words::refusal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// 0A000 with what to do instead, whatever it is called and given.
#[pg_extern(sql = false)]
fn not_supported(call: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    Err(refusal(&function_name(call)).into())
}
