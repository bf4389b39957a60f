//! The only file that names `Spi`: reads that assign no transaction id, and writes.
//!
//! pgrx's `Spi::get_one` and `run` take the write path even for SELECT 1, which fails on a standby
//! and burns transaction ids; so they are not used.

use crate::error::{Error, Result};
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::{SpiError, SpiHeapTupleData};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CString;

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

/// One row of [`read_latest`]; columns are numbered from 1.
pub struct LatestRow {
    tuple: pg_sys::HeapTuple,
    desc: pg_sys::TupleDesc,
}

impl LatestRow {
    /// The value of column `n`, `None` for NULL.
    pub fn get<T: FromDatum>(&self, n: i32) -> Result<Option<T>> {
        let mut null = false;
        // SAFETY: tuple and descriptor belong to SPI's current result; the value is copied out
        unsafe {
            let datum = pg_sys::SPI_getbinval(self.tuple, self.desc, n, &mut null);
            let oid = pg_sys::SPI_gettypeid(self.desc, n);
            Ok(T::from_polymorphic_datum(datum, null, oid))
        }
    }

    /// The value of column `n`, which must not be NULL.
    pub fn need<T: FromDatum>(&self, n: i32) -> Result<T> {
        self.get(n)?.ok_or_else(|| {
            Error::internal(format!("unexpected NULL in column {n} of a catalog query"))
        })
    }
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
    struct Inside(bool);
    impl Drop for Inside {
        fn drop(&mut self) {
            MOMENT.set(self.0);
        }
    }
    // SAFETY: push and pop are paired on the normal way; on error the (sub)transaction ends the snapshot
    unsafe {
        pg_sys::PushActiveSnapshot(pg_sys::GetNonHistoricCatalogSnapshot(pg_sys::InvalidOid));
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
    let text = c_text(sql)?;
    let mut args = Arguments::new(args);
    let known = KEPT.with_borrow(|plans| plans.get(&(sql.as_ptr() as usize)).copied());
    let execute = || {
        // SAFETY: connected; as many types, values and marks as the statement has parameters. A kept plan
        // lives to the end of the session, and the server makes it anew when tables change
        unsafe {
            let plan = known.unwrap_or_else(|| {
                let plan = pg_sys::SPI_prepare_cursor(
                    text.as_ptr(),
                    args.types.len() as i32,
                    args.types.as_mut_ptr(),
                    pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
                );
                if !plan.is_null() {
                    pg_sys::SPI_keepplan(plan);
                    KEPT.with_borrow_mut(|plans| plans.insert(sql.as_ptr() as usize, plan));
                }
                plan
            });
            if plan.is_null() {
                return pg_sys::SPI_result;
            }
            pg_sys::SPI_execute_plan(plan, args.values.as_mut_ptr(), args.nulls.as_ptr(), true, 0)
        }
    };
    latest(execute, f)
}

fn c_text(sql: &str) -> Result<CString> {
    CString::new(sql).map_err(|_| Error::internal("NUL in a catalog query"))
}

/// Arguments as SPI takes them.
struct Arguments {
    types: Vec<pg_sys::Oid>,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<core::ffi::c_char>,
}

impl Arguments {
    fn new(args: &[DatumWithOid<'_>]) -> Arguments {
        let mut out = Arguments {
            types: args.iter().map(DatumWithOid::oid).collect(),
            values: Vec::with_capacity(args.len()),
            nulls: Vec::with_capacity(args.len()),
        };
        for arg in args {
            let datum = arg.datum();
            let mark = if datum.is_some() { b' ' } else { b'n' };
            out.nulls.push(mark as core::ffi::c_char);
            out.values
                .push(datum.map_or(pg_sys::Datum::null(), |d| d.sans_lifetime()));
        }
        out
    }
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
        let out = if status == pg_sys::SPI_OK_SELECT as i32 {
            let table = pg_sys::SPI_tuptable;
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
