//! What the functions of data migration tasks, in sql/migration/tasks.sql and backfill.sql, ask of the server itself.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use crate::pg::{nonatomic, parse_clauses};
use pgrx::pg_extern;
use pgrx::pg_sys::panic::ErrorReport;

/// True where the procedure that asks may commit.
#[pg_extern(sql = false)]
fn _may_commit() -> bool {
    nonatomic::may_commit()
}

/// The columns that a backfill assigns. 42601 for clauses that are more or less than that.
#[pg_extern(sql = false)]
fn _task_clauses(
    set_clause: Option<&str>,
    where_clause: Option<&str>,
) -> Result<Vec<String>, ErrorReport> {
    let set = super::api_source::need(set_clause, "set_clause")?;
    Ok(parse_clauses::assigned_columns(set, where_clause)?)
}
