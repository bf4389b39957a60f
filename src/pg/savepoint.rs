//! SAVEPOINT and what belongs to it, inside a function: internal subtransactions with names.

use crate::error::{Error, Kind, Result};
use pgrx::{PgTryBuilder, pg_sys};
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

/// The savepoints that a script has open.
pub struct Savepoints {
    names: RefCell<Vec<String>>,
    memory: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

/// Runs a script; what it leaves open is kept, or undone with its error: whoever catches that must find the transaction at
/// the level at which he called.
pub fn with_savepoints<T>(script: impl FnOnce(&Savepoints) -> Result<T>) -> Result<T> {
    // SAFETY: two words of this process, valid until this call returns
    let savepoints = unsafe {
        Savepoints {
            names: RefCell::new(Vec::new()),
            memory: pg_sys::CurrentMemoryContext,
            owner: pg_sys::CurrentResourceOwner,
        }
    };
    let undo = AssertUnwindSafe(&savepoints);
    let out = PgTryBuilder::new(AssertUnwindSafe(|| script(&savepoints)))
        .catch_others(move |error| {
            undo.end(0, false);
            error.rethrow()
        })
        .execute();
    savepoints.end(0, out.is_ok());
    out
}

impl Savepoints {
    pub fn begin(&self, name: &str) {
        // SAFETY: in a transaction; the memory context stays what it was
        unsafe {
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            pg_sys::MemoryContextSwitchTo(self.memory);
        }
        self.names.borrow_mut().push(name.to_owned());
    }

    /// Keeps what was done since the newest savepoint of this name. 3B001 if there is none.
    pub fn release(&self, name: &str) -> Result<()> {
        let keep = self.find(name)?;
        self.end(keep, true);
        Ok(())
    }

    /// Undoes what was done since then; the savepoint stays. 3B001 if there is none.
    pub fn rollback_to(&self, name: &str) -> Result<()> {
        let keep = self.find(name)?;
        self.end(keep, false);
        self.begin(name);
        Ok(())
    }

    /// A commit within the script: all of it is kept.
    pub fn release_all(&self) {
        self.end(0, true);
    }

    fn find(&self, name: &str) -> Result<usize> {
        let found = self.names.borrow().iter().rposition(|n| n == name);
        found.ok_or_else(|| {
            Error::new(
                Kind::NoSavepoint,
                format!("savepoint \"{name}\" does not exist"),
            )
        })
    }

    fn end(&self, keep: usize, commit: bool) {
        while self.names.borrow().len() > keep {
            self.names.borrow_mut().pop();
            // SAFETY: one for each `begin`, the newest first; memory and owner as PL/pgSQL's exec_stmt_block does
            unsafe {
                if commit {
                    pg_sys::ReleaseCurrentSubTransaction();
                } else {
                    pg_sys::RollbackAndReleaseCurrentSubTransaction();
                }
                pg_sys::MemoryContextSwitchTo(self.memory);
            }
        }
        if self.names.borrow().is_empty() {
            // SAFETY: the owner of the transaction that the first savepoint began in
            unsafe { pg_sys::CurrentResourceOwner = self.owner }
        }
    }
}
