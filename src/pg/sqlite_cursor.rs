//! Statements on cold files: bind, step, values as stored.

use super::sqlite::{ColdDb, SqliteError};
use crate::cold::mapping::{Cell, CellRef};
use rusqlite::ffi;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::rc::Rc;

/// One statement and, while it stands on a row, that row.
pub struct Cursor {
    stmt: NonNull<ffi::sqlite3_stmt>,
    db: Rc<ColdDb>,
}

impl Cursor {
    /// Takes over a statement of this connection.
    pub(super) fn new(stmt: NonNull<ffi::sqlite3_stmt>, db: Rc<ColdDb>) -> Cursor {
        Cursor { stmt, db }
    }

    /// Back to the start; parameters stay bound.
    pub fn reset(&mut self) {
        // SAFETY: a live statement; the code only repeats the error of the last step
        unsafe { ffi::sqlite3_reset(self.stmt.as_ptr()) };
    }

    /// Sets parameter `n`, counted from 1. Resets the statement first.
    ///
    /// # Errors
    /// Code 25 for a number that the statement has not, 18 for a value too long.
    pub fn bind(&mut self, n: usize, value: &Cell) -> Result<(), SqliteError> {
        self.reset();
        let stmt = self.stmt.as_ptr();
        let Ok(n) = c_int::try_from(n) else {
            return Err(SqliteError::own(ffi::SQLITE_RANGE, "no such parameter"));
        };
        let text = |t: &str| {
            // SAFETY: a live statement; SQLite copies the bytes (TRANSIENT)
            unsafe {
                ffi::sqlite3_bind_text64(
                    stmt,
                    n,
                    t.as_ptr().cast(),
                    t.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                    ffi::SQLITE_UTF8 as u8,
                )
            }
        };
        let rc = match value {
            // SAFETY: a live statement
            Cell::Null => unsafe { ffi::sqlite3_bind_null(stmt, n) },
            // SAFETY: a live statement
            Cell::Int(i) => unsafe { ffi::sqlite3_bind_int64(stmt, n, *i) },
            // SQLite would make it NULL
            Cell::Real(r) if r.is_nan() => text("NaN"),
            // SAFETY: a live statement
            Cell::Real(r) => unsafe { ffi::sqlite3_bind_double(stmt, n, *r) },
            Cell::Text(t) => text(t),
            // SAFETY: a live statement; no bytes must still not be a null pointer, which is NULL
            Cell::Blob(b) if b.is_empty() => unsafe { ffi::sqlite3_bind_zeroblob(stmt, n, 0) },
            // SAFETY: a live statement; SQLite copies the bytes (TRANSIENT)
            Cell::Blob(b) => unsafe {
                ffi::sqlite3_bind_blob64(
                    stmt,
                    n,
                    b.as_ptr().cast(),
                    b.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                )
            },
        };
        self.db.settle(rc).map(|_| ())
    }

    /// Next row; false after the last. After an error the statement stands at its start.
    ///
    /// # Errors
    /// What the store or SQLite says.
    pub fn step(&mut self) -> Result<bool, SqliteError> {
        // SAFETY: a live statement
        let rc = unsafe { ffi::sqlite3_step(self.stmt.as_ptr()) };
        if rc == ffi::SQLITE_ROW && !self.db.source.has_trouble() {
            return Ok(true);
        }
        let error = match rc {
            ffi::SQLITE_ROW | ffi::SQLITE_DONE => None,
            _ => Some(self.db.error(rc)),
        };
        // a panic leaves from here: it must not find a statement in mid-row
        self.reset();
        self.db.settle(ffi::SQLITE_OK)?;
        error.map_or(Ok(false), Err)
    }

    /// Number of result columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        // SAFETY: a live statement
        let n = unsafe { ffi::sqlite3_column_count(self.stmt.as_ptr()) };
        usize::try_from(n).unwrap_or(0)
    }

    /// Column `col`, counted from 0, of the current row, as stored; NULL outside of a row.
    #[must_use]
    pub fn value(&self, col: usize) -> CellRef<'_> {
        let stmt = self.stmt.as_ptr();
        let Ok(col) = c_int::try_from(col) else {
            return CellRef::Null;
        };
        // SAFETY: a live statement of this thread alone; SQLite checks the number. Asking for the blob of a
        // text gives its UTF-8 bytes without a copy. They stay until step, reset or bind, which need &mut
        unsafe {
            let value = ffi::sqlite3_column_value(stmt, col);
            match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => CellRef::Int(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => CellRef::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => CellRef::Text(bytes_of(value)),
                ffi::SQLITE_BLOB => CellRef::Blob(bytes_of(value)),
                _ => CellRef::Null,
            }
        }
    }
}

/// # Safety
/// `value` must be a text or a blob of a row; the slice dies at the next step.
unsafe fn bytes_of<'a>(value: *mut ffi::sqlite3_value) -> &'a [u8] {
    // SAFETY: the length belongs to the pointer when asked for right after it; null means empty
    unsafe {
        let data = ffi::sqlite3_value_blob(value).cast::<u8>();
        let len = usize::try_from(ffi::sqlite3_value_bytes(value)).unwrap_or(0);
        if data.is_null() || len == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(data, len)
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // SAFETY: a live statement, finalized once, before its connection can close
        unsafe { ffi::sqlite3_finalize(self.stmt.as_ptr()) };
    }
}
