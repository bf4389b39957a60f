//! Rows of statements that `spi` runs under a snapshot of now.

use super::call::Value;
use super::segment::{Values, column};
use crate::error::{Error, Result};
use pgrx::FromDatum;
use pgrx::pg_sys;

/// One row of [`super::spi::read_latest`]; columns are numbered from 1.
pub struct LatestRow {
    pub(super) tuple: pg_sys::HeapTuple,
    pub(super) desc: pg_sys::TupleDesc,
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

    /// Column `n` as it is, to be handed on; lives in the memory context that the query was asked in.
    #[must_use]
    pub fn value(&self, n: i32) -> Option<Value> {
        let (mut null, mut length, mut by_value) = (false, 0, false);
        // SAFETY: as above; the server copies the value out of the memory of SPI
        unsafe {
            let datum = pg_sys::SPI_getbinval(self.tuple, self.desc, n, &mut null);
            let oid = pg_sys::SPI_gettypeid(self.desc, n);
            pg_sys::get_typlenbyval(oid, &mut length, &mut by_value);
            (!null).then(|| {
                Value::of(pg_sys::SPI_datumTransfer(
                    datum,
                    by_value,
                    i32::from(length),
                ))
            })
        }
    }

    /// A row of type `strata.queue_row`, copied into `memory`.
    pub(super) fn values_in(&self, memory: pg_sys::MemoryContext) -> Result<Values> {
        let mut row = Values::new();
        // SAFETY: tuple and descriptor belong to SPI's current result, and there is room for as many columns
        unsafe {
            if (*self.desc).natts as usize != column::COUNT {
                return Err(Error::internal("a row is not of type strata.queue_row"));
            }
            pg_sys::heap_deform_tuple(
                self.tuple,
                self.desc,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            let before = pg_sys::MemoryContextSwitchTo(memory);
            let copy = row.copy();
            pg_sys::MemoryContextSwitchTo(before);
            Ok(copy)
        }
    }

    /// The value of column `n`, which must not be NULL.
    pub fn need<T: FromDatum>(&self, n: i32) -> Result<T> {
        self.get(n)?.ok_or_else(|| {
            Error::internal(format!("unexpected NULL in column {n} of a catalog query"))
        })
    }
}
