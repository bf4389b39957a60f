//! The values of one row of a segment, as the server has them.

use super::call::Value;
use super::segment::{CANCELLING, RUNNING, column};
use pgrx::pg_sys;

/// Columns of types text and jsonb.
const BY_REFERENCE: [usize; 6] = [
    column::KIND,
    column::UNIQUE_KEY,
    column::GROUP_KEY,
    column::PAYLOAD,
    column::PROGRESS,
    column::ERRORS,
];

/// The values of one row; those by reference live as long as what they were read from.
#[derive(Clone, Copy)]
pub struct Values {
    pub(super) values: [pg_sys::Datum; column::COUNT],
    pub(super) nulls: [bool; column::COUNT],
}

impl Values {
    /// All NULL.
    #[must_use]
    pub fn new() -> Values {
        Values {
            values: [pg_sys::Datum::null(); column::COUNT],
            nulls: [true; column::COUNT],
        }
    }

    fn set(&mut self, column: usize, value: pg_sys::Datum) {
        self.values[column] = value;
        self.nulls[column] = false;
    }

    /// Sets a column of type int8 or timestamptz.
    pub fn set_long(&mut self, column: usize, value: i64) {
        self.set(column, value.into());
    }

    /// Sets a column of type int4.
    pub fn set_int(&mut self, column: usize, value: i32) {
        self.set(column, value.into());
    }

    /// Sets a column of type int2.
    pub fn set_short(&mut self, column: usize, value: i16) {
        self.set(column, value.into());
    }

    pub fn set_state(&mut self, state: u8) {
        self.set(column::STATE, pg_sys::Datum::from(state as i8));
    }

    pub fn set_value(&mut self, column: usize, value: Option<Value>) {
        self.nulls[column] = value.is_none();
        self.values[column] = value.map_or(pg_sys::Datum::null(), Value::datum);
    }

    /// Sets a column to NULL.
    pub fn clear(&mut self, column: usize) {
        self.nulls[column] = true;
        self.values[column] = pg_sys::Datum::null();
    }

    /// Sets a column of type text.
    pub fn set_text(&mut self, column: usize, text: &str) {
        if let Some(datum) = pgrx::IntoDatum::into_datum(text) {
            self.set(column, datum);
        }
    }

    /// A column of type text.
    #[must_use]
    pub fn text(&self, column: usize) -> Option<String> {
        // SAFETY: the caller names a column of type text, which lives as long as what it was read from
        unsafe { pgrx::FromDatum::from_datum(self.get(column)?, false) }
    }

    /// The same values, those by reference copied into the current memory context.
    #[must_use]
    pub fn copy(&self) -> Values {
        let mut copy = *self;
        for column in BY_REFERENCE {
            if let Some(datum) = self.get(column) {
                // SAFETY: a value of one of the types text and jsonb, whose header says its length
                copy.values[column] = unsafe {
                    let from = datum.cast_mut_ptr::<pg_sys::varlena>();
                    let size = pgrx::varsize_any(from);
                    let to = pg_sys::palloc(size);
                    std::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast(), size);
                    pg_sys::Datum::from(to)
                };
            }
        }
        copy
    }

    #[must_use]
    pub fn value(&self, column: usize) -> Option<Value> {
        self.get(column).map(Value::of)
    }

    /// A column of type text or jsonb with all that belongs to it, in the current memory context: a value that was too
    /// long for its row lies elsewhere, and goes there when the segment is emptied.
    #[must_use]
    pub fn whole(&self, column: usize) -> Option<Value> {
        let datum = self.get(column)?;
        // SAFETY: the caller names such a column; its row is there still
        let whole = unsafe { pg_sys::detoast_external_attr(datum.cast_mut_ptr()) };
        Some(Value::of(pg_sys::Datum::from(whole)))
    }

    pub(super) fn get(&self, column: usize) -> Option<pg_sys::Datum> {
        (!self.nulls[column]).then_some(self.values[column])
    }

    /// A column of type int8 or timestamptz; 0 for NULL.
    #[must_use]
    pub fn long(&self, column: usize) -> i64 {
        self.get(column).map_or(0, |d| d.value() as i64)
    }

    /// A column of type int4; 0 for NULL.
    #[must_use]
    pub fn int(&self, column: usize) -> i32 {
        self.get(column).map_or(0, |d| d.value() as i32)
    }

    /// A column of type int2; 0 for NULL.
    #[must_use]
    pub fn short(&self, column: usize) -> i16 {
        self.get(column).map_or(0, |d| d.value() as i16)
    }

    /// The state; 0 for NULL.
    #[must_use]
    pub fn state(&self) -> u8 {
        self.get(column::STATE).map_or(0, |d| d.value() as u8)
    }

    /// A worker has it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state(), RUNNING | CANCELLING)
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::new()
    }
}
