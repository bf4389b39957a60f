//! Rows of type `strata.queue_row` in tables that are reached by statements: the side stores of queues. Payloads go
//! through as they are.

use super::segment::{Values, column};
use super::{queue_args, spi};
use crate::error::Result;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

/// A parameter for each column: $1 to $18.
fn parameters(row: &Values) -> Vec<DatumWithOid<'static>> {
    (0..column::COUNT)
        .map(|n| queue_args::column(row, n))
        .collect()
}

/// Runs a kept statement whose parameters $1 to $18 are the columns of a row.
pub fn put(sql: &'static str, row: &Values) -> Result<()> {
    spi::write_kept(sql, &parameters(row), |_| Ok(())).map(drop)
}

/// Runs a kept statement that changes rows and returns them, `RETURNING *`. They live in the current memory
/// context.
pub fn take(sql: &'static str, args: &[DatumWithOid<'_>]) -> Result<Vec<Values>> {
    let memory = current_memory();
    spi::write_kept(sql, args, |row| row.values_in(memory))
}

/// Runs a kept query of rows, `SELECT *`. They live in the current memory context.
pub fn read(sql: &'static str, args: &[DatumWithOid<'_>]) -> Result<Vec<Values>> {
    let memory = current_memory();
    spi::read_kept(sql, args, |row| row.values_in(memory))
}

/// True if a table of ours has no pages: cheap enough to be asked for every job. A table that is not there is empty.
#[must_use]
pub fn is_empty(table: &str) -> bool {
    let Some(oid) = super::catalog::relation_oid("strata", table) else {
        return true;
    };
    let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: a relation that is gone gives NULL; nothing but its length is asked for
    unsafe {
        let relation = pg_sys::try_relation_open(oid, mode);
        if relation.is_null() {
            return true;
        }
        let fork = pg_sys::ForkNumber::MAIN_FORKNUM;
        let pages = pg_sys::RelationGetNumberOfBlocksInFork(relation, fork);
        pg_sys::relation_close(relation, mode);
        pages == 0
    }
}

fn current_memory() -> pg_sys::MemoryContext {
    // SAFETY: a plain global
    unsafe { pg_sys::CurrentMemoryContext }
}
