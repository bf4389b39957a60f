//! Cold files as SQLite databases: open, prepare, step. Read-only, hardened, cancellable.
//!
//! Files are untrusted input to a C parser: views and triggers are off, only `<name>_raw` and
//! `_cold_*` may be named. A panic (a PostgreSQL error such as a cancel) raised while the store or
//! the interrupt check runs comes out of the call here as the same panic.

pub use super::sqlite_cursor::Cursor;
pub use super::sqlite_error::SqliteError;
use super::sqlite_vfs::{NAME, Offer, Source, Trouble, register};
use crate::cold::mapping::{Cell, CellRef};
use crate::cold::store::{Hint, RangeRead, ReadStats};
use rusqlite::ffi;
use std::ffi::{CStr, CString, c_int};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{NonNull, null_mut};
use std::rc::Rc;
use std::sync::OnceLock;

/// SQLite steps between two interrupt checks.
const CHECK_STEPS: c_int = 10_000;
/// Longest value, 1 GiB as in PostgreSQL (SQLite caps it at its own 10^9).
const MAX_LENGTH: c_int = 1 << 30;

/// Memory for pages of all open files together, and the least and most of one, in KiB. What does not
/// fit is read again, from the block cache or the operating system's.
const PAGES_KIB: u32 = 32 * 1024;
const FILE_PAGES_KIB: (u32, u32) = (256, 2000);

thread_local! {
    /// connections of this backend: an ordered scan of many chunks has one for each
    static OPEN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

static INTERRUPT_CHECK: OnceLock<fn()> = OnceLock::new();

/// Sets what [`ColdDb::open`] calls while SQLite works; it may panic. The first call counts.
pub fn set_interrupt_check(check: fn()) {
    let _ = INTERRUPT_CHECK.set(check);
}

/// One open file. Statements keep it open.
pub struct ColdDb {
    db: NonNull<ffi::sqlite3>,
    pub(super) source: Rc<Source>,
}

impl ColdDb {
    /// Opens a file and reads its schema.
    ///
    /// # Errors
    /// What the store or SQLite says; code 26 or 11 when it is no sound SQLite file in UTF-8.
    pub fn open(reader: Rc<dyn RangeRead>) -> Result<Rc<ColdDb>, SqliteError> {
        Self::open_with(reader, INTERRUPT_CHECK.get().copied().unwrap_or(|| {}))
    }

    /// [`ColdDb::open`] that never waits, see [`ColdDb::trial`].
    ///
    /// # Errors
    /// As `open`, and `StoreError::NotHere` while the first bytes are on their way.
    pub fn open_ahead(reader: Rc<dyn RangeRead>) -> Result<Rc<ColdDb>, SqliteError> {
        let check = INTERRUPT_CHECK.get().copied().unwrap_or(|| {});
        let source = Rc::new(Source::new(reader, check));
        source.trial(true);
        let opened = Self::open_source(Rc::clone(&source));
        source.trial(false);
        opened
    }

    /// [`ColdDb::open`] with an interrupt check of its own.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(reader: Rc<dyn RangeRead>, check: fn()) -> Result<Rc<ColdDb>, SqliteError> {
        Self::open_source(Rc::new(Source::new(reader, check)))
    }

    fn open_source(source: Rc<Source>) -> Result<Rc<ColdDb>, SqliteError> {
        let rc = register();
        if rc != ffi::SQLITE_OK {
            return Err(SqliteError::own(rc, "cannot register the file system"));
        }
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
        OPEN.set(OPEN.get() + 1);
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
        let cursor = NonNull::new(stmt).map(|stmt| Cursor::new(stmt, Rc::clone(self)));
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

    /// Runs `work` without ever waiting: what would wait fails with `StoreError::NotHere`, after the
    /// bytes have been asked for.
    pub fn trial<T>(&self, work: impl FnOnce() -> T) -> T {
        self.source.trial(true);
        let result = catch_unwind(AssertUnwindSafe(work));
        self.source.trial(false);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// What will be read next.
    pub fn hint(&self, hint: Hint) {
        self.source.hint(hint);
    }

    /// True while SQLite works on this file and waits for its bytes. What else the backend does
    /// meanwhile must leave this connection alone: SQLite is not made for being called from inside.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.source.is_busy()
    }

    /// Nobody reads any more, see [`RangeRead::rest`].
    pub fn rest(&self) {
        self.source.rest();
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
        let (least, most) = FILE_PAGES_KIB;
        let kib = (PAGES_KIB / OPEN.get().max(1)).clamp(least, most);
        let pragmas = format!(
            "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; \
             PRAGMA cache_size=-{kib}; PRAGMA trusted_schema=OFF; PRAGMA query_only=ON;"
        );
        let Ok(pragmas) = CString::new(pragmas) else {
            return Err(SqliteError::own(ffi::SQLITE_MISUSE, "a NUL in a pragma"));
        };
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
    pub(super) fn settle(&self, rc: c_int) -> Result<c_int, SqliteError> {
        match self.source.take_trouble() {
            Some(Trouble::Panic(payload)) => resume_unwind(payload),
            Some(Trouble::Store(e)) => Err(SqliteError::Store(e)),
            None => match rc {
                ffi::SQLITE_OK | ffi::SQLITE_ROW | ffi::SQLITE_DONE => Ok(rc),
                _ => Err(self.error(rc)),
            },
        }
    }

    pub(super) fn error(&self, rc: c_int) -> SqliteError {
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
        let _ = OPEN.try_with(|open| open.set(open.get().saturating_sub(1)));
    }
}

impl fmt::Debug for ColdDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ColdDb")
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
