//! The only file that names `Spi`: reads that assign no transaction id, and writes.
//!
//! pgrx's `Spi::get_one` and `run` take the write path even for SELECT 1, which fails on a standby
//! and burns transaction ids; so they are not used.

use crate::error::{Error, Result};
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::{SpiError, SpiHeapTupleData};

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

/// Runs a statement that changes something and turns each row that it returns into an owned value.
pub fn write<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut f: impl FnMut(Row) -> Result<T>,
) -> Result<Vec<T>> {
    refuse_in_recovery();
    Spi::connect_mut(|client| {
        let mut out = Vec::new();
        for row in client.update(sql, None, args)? {
            out.push(f(Row(&row))?);
        }
        Ok(out)
    })
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
    Spi::connect_mut(|client| Ok(client.update(sql, None, args)?.len()))
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
    mut f: impl FnMut(LatestRow) -> Result<T>,
) -> Result<Vec<T>> {
    let sql = std::ffi::CString::new(sql).map_err(|_| Error::internal("NUL in a catalog query"))?;
    let mut types: Vec<pg_sys::Oid> = args.iter().map(DatumWithOid::oid).collect();
    let mut nulls: Vec<core::ffi::c_char> = Vec::with_capacity(args.len());
    let mut values: Vec<pg_sys::Datum> = Vec::with_capacity(args.len());
    for arg in args {
        let datum = arg.datum();
        nulls.push(if datum.is_some() { b' ' } else { b'n' } as core::ffi::c_char);
        values.push(datum.map_or(pg_sys::Datum::null(), |d| d.sans_lifetime()));
    }
    // SAFETY: connect and finish are paired on the normal way; on error the (sub)transaction
    // ends both SPI and snapshot. Values are copied by `f` before finish.
    unsafe {
        // not GetLatestSnapshot, which parallel workers must not call
        let now = pg_sys::GetNonHistoricCatalogSnapshot(pg_sys::InvalidOid);
        pg_sys::PushActiveSnapshot(now);
        if pg_sys::SPI_connect() != pg_sys::SPI_OK_CONNECT as i32 {
            return Err(Error::internal("SPI_connect failed"));
        }
        let status = pg_sys::SPI_execute_with_args(
            sql.as_ptr(),
            args.len() as i32,
            types.as_mut_ptr(),
            values.as_mut_ptr(),
            nulls.as_ptr(),
            true,
            0,
        );
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
