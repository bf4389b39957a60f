//! Cold files as SQLite databases: open, prepare, step. Read-only, hardened, cancellable.
//!
//! Files are untrusted input to a C parser: views and triggers are off, only `<name>_raw` and
//! `_cold_*` may be named. A panic (a PostgreSQL error such as a cancel) raised while the store or
//! the interrupt check runs comes out of the call here as the same panic.

pub use super::sqlite_error::SqliteError;
use super::sqlite_vfs::{NAME, Offer, Source, Trouble, register};
use crate::cold::mapping::{Cell, CellRef};
use crate::cold::store::{RangeRead, ReadStats};
use rusqlite::ffi;
use std::ffi::{CStr, c_int};
use std::fmt;
use std::panic::resume_unwind;
use std::ptr::{NonNull, null_mut};
use std::rc::Rc;
use std::sync::OnceLock;

/// SQLite steps between two interrupt checks.
const CHECK_STEPS: c_int = 10_000;
/// Longest value, 1 GiB as in PostgreSQL (SQLite caps it at its own 10^9).
const MAX_LENGTH: c_int = 1 << 30;

static INTERRUPT_CHECK: OnceLock<fn()> = OnceLock::new();

/// Sets what [`ColdDb::open`] calls while SQLite works; it may panic. The first call counts.
pub fn set_interrupt_check(check: fn()) {
    let _ = INTERRUPT_CHECK.set(check);
}

/// One open file. Statements keep it open.
pub struct ColdDb {
    db: NonNull<ffi::sqlite3>,
    source: Rc<Source>,
}

impl ColdDb {
    /// Opens a file and reads its schema.
    ///
    /// # Errors
    /// What the store or SQLite says; code 26 or 11 when it is no sound SQLite file in UTF-8.
    pub fn open(reader: Rc<dyn RangeRead>) -> Result<Rc<ColdDb>, SqliteError> {
        Self::open_with(reader, INTERRUPT_CHECK.get().copied().unwrap_or(|| {}))
    }

    /// [`ColdDb::open`] with an interrupt check of its own.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(reader: Rc<dyn RangeRead>, check: fn()) -> Result<Rc<ColdDb>, SqliteError> {
        let rc = register();
        if rc != ffi::SQLITE_OK {
            return Err(SqliteError::own(rc, "cannot register the file system"));
        }
        let source = Rc::new(Source::new(reader, check));
        let offer = Offer::new(&source);
        let flags = ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_URI | ffi::SQLITE_OPEN_NOMUTEX;
        let mut raw = null_mut();
        let uri = offer.uri();
        // SAFETY: strings end with NUL; the handle is owned by ColdDb right below, even after an error
        let rc = unsafe { ffi::sqlite3_open_v2(uri.as_ptr(), &raw mut raw, flags, NAME.as_ptr()) };
        drop(offer);
        let Some(db) = NonNull::new(raw) else {
            return Err(SqliteError::own(ffi::SQLITE_NOMEM, "out of memory"));
        };
        let this = Rc::new(ColdDb { db, source });
        this.settle(rc)?;
        this.harden()?;
        this.check_encoding()?;
        Ok(this)
    }

    /// Compiles one statement.
    ///
    /// # Errors
    /// What the store or SQLite says, e.g. an unknown column (code 1).
    pub fn prepare(self: &Rc<Self>, sql: &str) -> Result<Cursor, SqliteError> {
        let Ok(len) = c_int::try_from(sql.len()) else {
            return Err(SqliteError::own(ffi::SQLITE_TOOBIG, "statement too long"));
        };
        let mut stmt = null_mut();
        // SAFETY: an open connection, `len` bytes of text, room for the handle
        let rc = unsafe {
            ffi::sqlite3_prepare_v2(
                self.db.as_ptr(),
                sql.as_ptr().cast(),
                len,
                &raw mut stmt,
                null_mut(),
            )
        };
        let cursor = NonNull::new(stmt).map(|stmt| Cursor {
            stmt,
            db: Rc::clone(self),
        });
        self.settle(rc)?;
        cursor.ok_or_else(|| SqliteError::own(ffi::SQLITE_MISUSE, "empty statement"))
    }

    /// Makes sure that `name` is an ordinary table: a view or a virtual table in its place would
    /// run what somebody else wrote.
    ///
    /// # Errors
    /// Code 11 when it is none, or missing.
    pub fn check_table(self: &Rc<Self>, name: &str) -> Result<(), SqliteError> {
        let mut find = self.prepare(
            "SELECT type, rootpage, sql LIKE 'create table%' FROM sqlite_master \
             WHERE name = ?1 COLLATE NOCASE",
        )?;
        find.bind(1, &Cell::Text(name.to_owned()))?;
        let mut sound = 0;
        let mut all = 0;
        while find.step()? {
            all += 1;
            if find.value(0) == CellRef::Text(b"table")
                && matches!(find.value(1), CellRef::Int(page) if page > 1)
                && find.value(2) == CellRef::Int(1)
            {
                sound += 1;
            }
        }
        if (all, sound) == (1, 1) {
            return Ok(());
        }
        let what = if all == 0 {
            "no table"
        } else {
            "no plain table"
        };
        Err(SqliteError::own(
            ffi::SQLITE_CORRUPT,
            format!("{what} \"{name}\" in the file"),
        ))
    }

    /// The open connection.
    pub(super) fn handle(&self) -> *mut ffi::sqlite3 {
        self.db.as_ptr()
    }

    /// What reading this file has cost so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        self.source.stats()
    }

    /// Settings for a file that nobody vouches for.
    fn harden(&self) -> Result<(), SqliteError> {
        // DQS: a missing column would silently become a string constant
        for (option, value) in [
            (ffi::SQLITE_DBCONFIG_DQS_DML, 0),
            (ffi::SQLITE_DBCONFIG_DQS_DDL, 0),
            (ffi::SQLITE_DBCONFIG_DEFENSIVE, 1),
            (ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
            (ffi::SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
            (ffi::SQLITE_DBCONFIG_ENABLE_VIEW, 0),
            (ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
            (ffi::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
            (ffi::SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0),
        ] {
            // SAFETY: these options take an int and a pointer to int, which may be null
            let rc = unsafe {
                ffi::sqlite3_db_config(self.db.as_ptr(), option, value, null_mut::<c_int>())
            };
            self.settle(rc)?;
        }
        // SAFETY: an open connection; the handler's argument lives as long as it (see Drop)
        unsafe {
            ffi::sqlite3_limit(self.db.as_ptr(), ffi::SQLITE_LIMIT_LENGTH, MAX_LENGTH);
            ffi::sqlite3_limit(self.db.as_ptr(), ffi::SQLITE_LIMIT_ATTACHED, 0);
        }
        let pragmas = c"PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;
             PRAGMA cache_size=-2000; PRAGMA trusted_schema=OFF; PRAGMA query_only=ON;";
        // SAFETY: an open connection, text that ends with NUL, no callback
        let rc = unsafe {
            ffi::sqlite3_exec(
                self.db.as_ptr(),
                pragmas.as_ptr(),
                None,
                null_mut(),
                null_mut(),
            )
        };
        self.settle(rc)?;
        // SAFETY: the Source lives as long as the connection, see Drop
        unsafe {
            ffi::sqlite3_progress_handler(
                self.db.as_ptr(),
                CHECK_STEPS,
                Some(Source::progress),
                Rc::as_ptr(&self.source).cast_mut().cast(),
            );
        }
        Ok(())
    }

    /// Text is handed out as stored, so it must be stored as UTF-8.
    fn check_encoding(self: &Rc<Self>) -> Result<(), SqliteError> {
        let mut encoding = self.prepare("PRAGMA encoding")?;
        if encoding.step()? && encoding.value(0) == CellRef::Text(b"UTF-8") {
            return Ok(());
        }
        Err(SqliteError::own(
            ffi::SQLITE_CORRUPT,
            "the file is not in UTF-8",
        ))
    }

    /// Turns a result code into a result; what a callback ran into goes first, whatever the code.
    fn settle(&self, rc: c_int) -> Result<c_int, SqliteError> {
        match self.source.take_trouble() {
            Some(Trouble::Panic(payload)) => resume_unwind(payload),
            Some(Trouble::Store(e)) => Err(SqliteError::Store(e)),
            None => match rc {
                ffi::SQLITE_OK | ffi::SQLITE_ROW | ffi::SQLITE_DONE => Ok(rc),
                _ => Err(self.error(rc)),
            },
        }
    }

    fn error(&self, rc: c_int) -> SqliteError {
        // SAFETY: an open connection; the text is copied before the next call
        let (code, message) = unsafe {
            let code = ffi::sqlite3_extended_errcode(self.db.as_ptr());
            let text = ffi::sqlite3_errmsg(self.db.as_ptr());
            let text = if text.is_null() {
                String::new()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            };
            (code, text)
        };
        if code & 0xff == rc & 0xff {
            return SqliteError::own(code, message);
        }
        SqliteError::own(rc, format!("SQLite error {rc}"))
    }
}

impl Drop for ColdDb {
    fn drop(&mut self) {
        // SAFETY: the last owner: every Cursor holds an Rc and has finalized its statement first.
        // The Source outlives the connection, being dropped after this body
        unsafe { ffi::sqlite3_close(self.db.as_ptr()) };
    }
}

impl fmt::Debug for ColdDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ColdDb")
    }
}

/// One statement and, while it stands on a row, that row.
pub struct Cursor {
    stmt: NonNull<ffi::sqlite3_stmt>,
    db: Rc<ColdDb>,
}

impl Cursor {
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
        // SAFETY: a live statement; SQLite checks the number. Asking for the blob of a text gives
        // its UTF-8 bytes without a copy. They stay until step, reset or bind, which need &mut
        unsafe {
            match ffi::sqlite3_column_type(stmt, col) {
                ffi::SQLITE_INTEGER => CellRef::Int(ffi::sqlite3_column_int64(stmt, col)),
                ffi::SQLITE_FLOAT => CellRef::Real(ffi::sqlite3_column_double(stmt, col)),
                ffi::SQLITE_TEXT => CellRef::Text(bytes_of(stmt, col)),
                ffi::SQLITE_BLOB => CellRef::Blob(bytes_of(stmt, col)),
                _ => CellRef::Null,
            }
        }
    }
}

/// # Safety
/// `stmt` must be live and column `col` a text or a blob; the slice dies at the next step.
unsafe fn bytes_of<'a>(stmt: *mut ffi::sqlite3_stmt, col: c_int) -> &'a [u8] {
    // SAFETY: the length belongs to the pointer when asked for right after it; null means empty
    unsafe {
        let data = ffi::sqlite3_column_blob(stmt, col).cast::<u8>();
        let len = usize::try_from(ffi::sqlite3_column_bytes(stmt, col)).unwrap_or(0);
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

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
