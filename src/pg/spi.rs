//! The only file that names `Spi`: reads that assign no transaction id, and writes.
//!
//! pgrx's `Spi::get_one` and `run` take the write path even for SELECT 1, which fails on a standby
//! and burns transaction ids; so they are not used.

use super::segment_walk::Latest;
use super::spi_args::Arguments;
pub use super::spi_row::LatestRow;
use crate::error::{Error, Result};
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::{SpiError, SpiHeapTupleData};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};

/// One result row; columns are numbered from 1.
pub struct Row<'a, 'conn>(&'a SpiHeapTupleData<'conn>);

impl Row<'_, '_> {
    /// The value of column `n`, `None` for NULL. A wrong type is a bug of ours.
    pub fn get<T: IntoDatum + FromDatum>(&self, n: usize) -> Result<Option<T>> {
        Ok(self.0.get::<T>(n)?)
    }

    /// The value of column `n`, which must not be NULL.
    pub fn need<T: IntoDatum + FromDatum>(&self, n: usize) -> Result<T> {
        self.get(n)?.ok_or_else(|| {
            Error::internal(format!("unexpected NULL in column {n} of a catalog query"))
        })
    }
}

impl From<SpiError> for Error {
    fn from(e: SpiError) -> Self {
        Error::internal(format!("catalog access failed: {e}"))
    }
}

/// Runs a query without assigning a transaction id and turns each row into an owned value.
pub fn read<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut f: impl FnMut(Row) -> Result<T>,
) -> Result<Vec<T>> {
    Spi::connect(|client| {
        let mut out = Vec::new();
        for row in client.select(sql, None, args)? {
            out.push(f(Row(&row))?);
        }
        Ok(out)
    })
}

/// Like [`read`], for a query that gives at most one row.
pub fn read_one<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    f: impl FnMut(Row) -> Result<T>,
) -> Result<Option<T>> {
    Ok(read(sql, args, f)?.into_iter().next())
}

/// 25006 on a standby: what comes next would fail there for want of a transaction id or of a lock.
pub fn refuse_in_recovery() {
    // SAFETY: raises, or returns; the name is a constant
    unsafe { pg_sys::PreventCommandDuringRecovery(c"a function that changes something".as_ptr()) }
}

/// 25006 on a standby and in a read-only transaction: what comes next writes without a statement that the server would
/// refuse by itself. `function` ends with parentheses.
pub fn refuse_read_only(function: &CStr) {
    // SAFETY: raises, or returns; the name outlives the call
    unsafe {
        pg_sys::PreventCommandDuringRecovery(function.as_ptr());
        pg_sys::PreventCommandIfReadOnly(function.as_ptr());
    }
}

/// Runs a statement that changes something and turns each row that it returns into an owned value. What it
/// changed is visible to everything that follows.
pub fn write<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut f: impl FnMut(Row) -> Result<T>,
) -> Result<Vec<T>> {
    refuse_in_recovery();
    let out = Spi::connect_mut(|client| {
        let mut out = Vec::new();
        for row in client.update(sql, None, args)? {
            out.push(f(Row(&row))?);
        }
        Ok(out)
    });
    super::catalog::command_counter_increment();
    out
}

/// Like [`write`], for a statement that returns at most one row.
pub fn write_one<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    f: impl FnMut(Row) -> Result<T>,
) -> Result<Option<T>> {
    Ok(write(sql, args, f)?.into_iter().next())
}

/// Runs a statement or a utility command; returns the number of rows that it processed.
pub fn execute(sql: &str, args: &[DatumWithOid<'_>]) -> Result<usize> {
    refuse_in_recovery();
    let done = Spi::connect_mut(|client| Ok(client.update(sql, None, args)?.len()));
    super::catalog::command_counter_increment();
    done
}

/// Runs a query under a snapshot taken now, also inside REPEATABLE READ: for facts that are
/// physical (where rows lie) and must not be seen as of the query's snapshot.
pub fn read_latest<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    f: impl FnMut(LatestRow) -> Result<T>,
) -> Result<Vec<T>> {
    let sql = c_text(sql)?;
    let mut args = Arguments::new(args);
    // SAFETY: as many types, values and marks as it says; they outlive the call
    let execute = || unsafe {
        pg_sys::SPI_execute_with_args(
            sql.as_ptr(),
            args.types.len() as i32,
            args.types.as_mut_ptr(),
            args.values.as_mut_ptr(),
            args.nulls.as_ptr(),
            true,
            0,
        )
    };
    latest(execute, f)
}

thread_local! {
    /// Plans by the address of their text.
    static KEPT: RefCell<HashMap<usize, pg_sys::SPIPlanPtr>> = RefCell::new(HashMap::new());
    /// Inside [`at_one_moment`].
    static MOMENT: Cell<bool> = const { Cell::new(false) };
}

/// Within `f`, [`read_latest`] and [`read_kept`] see the database as it is when `f` begins.
pub fn at_one_moment<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: a snapshot of now, which is copied before it is used
    unsafe { at(pg_sys::GetNonHistoricCatalogSnapshot(pg_sys::InvalidOid), f) }
}

/// Within `f`, [`read_latest`] and [`read_kept`] see the database as this snapshot does: nothing that is written
/// inside of `f`.
pub fn as_of<T>(snapshot: &Latest, f: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: a registered snapshot
    unsafe { at(snapshot.0, f) }
}

/// # Safety
/// The snapshot must be valid.
unsafe fn at<T>(snapshot: pg_sys::Snapshot, f: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Inside(bool);
    impl Drop for Inside {
        fn drop(&mut self) {
            MOMENT.set(self.0);
        }
    }
    // SAFETY: push and pop are paired on the normal way; on error the (sub)transaction ends the snapshot
    unsafe {
        pg_sys::PushActiveSnapshot(snapshot);
        let inside = Inside(MOMENT.replace(true));
        let out = f();
        drop(inside);
        pg_sys::PopActiveSnapshot();
        out
    }
}

/// Like [`read_latest`], with a plan that this session keeps: for questions that are asked often, and whose
/// plan does not depend on the values. Sees what this transaction has written before.
pub fn read_kept<T>(
    sql: &'static str,
    args: &[DatumWithOid<'_>],
    f: impl FnMut(LatestRow) -> Result<T>,
) -> Result<Vec<T>> {
    let mut args = Arguments::new(args);
    // SAFETY: connected; as many values and marks as the plan has parameters
    let execute = || unsafe {
        match kept(sql, &mut args) {
            Some(plan) => pg_sys::SPI_execute_plan(
                plan,
                args.values.as_mut_ptr(),
                args.nulls.as_ptr(),
                true,
                0,
            ),
            None => pg_sys::SPI_result,
        }
    };
    latest(execute, f)
}

/// Runs a statement that changes something, with a plan that this session keeps, on what is committed by now at
/// every isolation level, and turns each row that it returns into an owned value. What it changed is visible to
/// everything that follows.
pub fn write_kept<T>(
    sql: &'static str,
    args: &[DatumWithOid<'_>],
    f: impl FnMut(LatestRow) -> Result<T>,
) -> Result<Vec<T>> {
    refuse_in_recovery();
    let mut args = Arguments::new(args);
    // SAFETY: as above; the server copies the snapshot before it uses it
    let execute = || unsafe {
        match kept(sql, &mut args) {
            Some(plan) => pg_sys::SPI_execute_snapshot(
                plan,
                args.values.as_mut_ptr(),
                args.nulls.as_ptr(),
                pg_sys::GetLatestSnapshot(),
                std::ptr::null_mut(),
                false,
                true,
                0,
            ),
            None => pg_sys::SPI_result,
        }
    };
    let out = latest(execute, f);
    super::catalog::command_counter_increment();
    out
}

/// Like [`execute`], on what is committed by now at every isolation level.
pub fn execute_latest(sql: &str, args: &[DatumWithOid<'_>]) -> Result<()> {
    refuse_in_recovery();
    let sql = c_text(sql)?;
    let mut args = Arguments::new(args);
    // SAFETY: connected; as many types, values and marks as it says; the plan goes with the connection
    let execute = || unsafe {
        let types = (args.types.len() as i32, args.types.as_mut_ptr());
        let plan = pg_sys::SPI_prepare(sql.as_ptr(), types.0, types.1);
        if plan.is_null() {
            return pg_sys::SPI_result;
        }
        let (values, nulls) = (args.values.as_mut_ptr(), args.nulls.as_ptr());
        let (now, none) = (pg_sys::GetLatestSnapshot(), std::ptr::null_mut());
        pg_sys::SPI_execute_snapshot(plan, values, nulls, now, none, false, true, 0)
    };
    let out = latest(execute, |_| Ok(()));
    super::catalog::command_counter_increment();
    out.map(drop)
}

/// The plan of a statement, made at the first call in a session; `None` if the server refuses it.
///
/// # Safety
/// SPI must be connected. A kept plan lives to the end of the session, and the server makes it anew when tables
/// change.
unsafe fn kept(sql: &'static str, args: &mut Arguments) -> Option<pg_sys::SPIPlanPtr> {
    let key = sql.as_ptr() as usize;
    if let Some(plan) = KEPT.with_borrow(|plans| plans.get(&key).copied()) {
        return Some(plan);
    }
    let text = c_text(sql).ok()?;
    // SAFETY: promised by the caller; as many types as it says
    unsafe {
        let plan = pg_sys::SPI_prepare_cursor(
            text.as_ptr(),
            args.types.len() as i32,
            args.types.as_mut_ptr(),
            pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
        );
        if plan.is_null() {
            return None;
        }
        pg_sys::SPI_keepplan(plan);
        KEPT.with_borrow_mut(|plans| plans.insert(key, plan));
        Some(plan)
    }
}

fn c_text(sql: &str) -> Result<CString> {
    CString::new(sql).map_err(|_| Error::internal("NUL in a catalog query"))
}

/// Connects, runs `execute` under a snapshot of now, and turns the rows of its result into owned values.
fn latest<T>(
    execute: impl FnOnce() -> i32,
    mut f: impl FnMut(LatestRow) -> Result<T>,
) -> Result<Vec<T>> {
    // SAFETY: connect and finish are paired on the normal way; on error the (sub)transaction
    // ends both SPI and snapshot. Values are copied by `f` before finish.
    unsafe {
        // not GetLatestSnapshot, which parallel workers must not call
        let now = if MOMENT.get() {
            pg_sys::GetActiveSnapshot()
        } else {
            pg_sys::GetNonHistoricCatalogSnapshot(pg_sys::InvalidOid)
        };
        pg_sys::PushActiveSnapshot(now);
        if pg_sys::SPI_connect() != pg_sys::SPI_OK_CONNECT as i32 {
            return Err(Error::internal("SPI_connect failed"));
        }
        let status = execute();
        let table = pg_sys::SPI_tuptable;
        let out = if status > 0 && table.is_null() {
            // a statement that returns nothing
            Ok(Vec::new())
        } else if status > 0 {
            (0..pg_sys::SPI_processed as usize)
                .map(|i| {
                    f(LatestRow {
                        tuple: *(*table).vals.add(i),
                        desc: (*table).tupdesc,
                    })
                })
                .collect()
        } else {
            Err(Error::internal(format!(
                "a catalog query returned SPI status {status}"
            )))
        };
        pg_sys::SPI_finish();
        pg_sys::PopActiveSnapshot();
        out
    }
}
