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

/// Runs a statement that changes something and turns each row that it returns into an owned value.
pub fn write<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut f: impl FnMut(Row) -> Result<T>,
) -> Result<Vec<T>> {
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
    Spi::connect_mut(|client| Ok(client.update(sql, None, args)?.len()))
}
