//! COPY FROM STDIN whose rows stand in a text, fed to the server's own COPY as logical replication does it
//! (tablesync.c, copy_read_data).

use super::compat_copy::CopyState;
use super::parse::Parsed;
use super::{copy, list};
use crate::error::{Error, Kind, Result};
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};

/// What is left to be read. The callback gets no pointer of ours.
#[derive(Clone, Copy)]
struct Source {
    next: *const u8,
    left: usize,
}

const NOTHING: Source = Source {
    next: std::ptr::null(),
    left: 0,
};

thread_local! {
    static SOURCE: Cell<Source> = const { Cell::new(NOTHING) };
    static RUNNING: Cell<*const CopyState> = const { Cell::new(std::ptr::null()) };
}

/// Called by COPY, see [`line`].
pub(super) fn begun(state: *const CopyState) {
    RUNNING.set(state);
}

pub(super) fn ended() {
    RUNNING.set(std::ptr::null());
}

/// While alive, a COPY reads these rows. An error that leaves it puts back what was there before, too.
struct Reading {
    source: Source,
    running: *const CopyState,
}

impl Reading {
    fn of(rows: &str) -> Reading {
        Reading {
            source: SOURCE.replace(Source {
                next: rows.as_ptr(),
                left: rows.len(),
            }),
            running: RUNNING.replace(std::ptr::null()),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        SOURCE.set(self.source);
        RUNNING.set(self.running);
    }
}

/// The line of its rows that a running COPY reads, from 1.
#[must_use]
pub fn line() -> Option<u64> {
    let state = RUNNING.get();
    // SAFETY: set while that COPY runs
    (!state.is_null()).then(|| unsafe { (*state).cur_lineno })
}

#[pg_guard]
unsafe extern "C-unwind" fn read(into: *mut c_void, least: c_int, most: c_int) -> c_int {
    let _ = least;
    let source = SOURCE.get();
    let n = source.left.min(usize::try_from(most).unwrap_or(0));
    // SAFETY: the server has room for `most` bytes; the text outlives the COPY
    unsafe {
        std::ptr::copy_nonoverlapping(source.next, into.cast::<u8>(), n);
        SOURCE.set(Source {
            next: source.next.add(n),
            left: source.left - n,
        });
    }
    n as c_int
}

impl Parsed {
    /// Runs statement `n`, a COPY FROM STDIN, with these rows; how many were stored. Errors are raised.
    pub fn copy(&self, n: usize, rows: &str) -> Result<u64> {
        let Some(raw) = self.tree(n) else {
            return Err(Error::internal(format!("there is no statement {n}")));
        };
        // SAFETY: the kind of the statement has been looked at; the frames below hold nothing with a destructor, and
        // the guard turns the server's jump into unwinding
        unsafe {
            let stmt: *mut pg_sys::CopyStmt = (*raw).stmt.cast();
            with_encoding(stmt)?;
            let _reading = Reading::of(rows);
            let sql = self.sql().as_ptr();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let stored =
                pg_sys::ffi::pg_guard_ffi_boundary(|| copy::from_source(stmt, sql, Some(read)));
            pg_sys::PopActiveSnapshot();
            Ok(stored)
        }
    }
}

/// The text is in the encoding of the database; COPY would take it for the client's (copyfrom.c, BeginCopyFrom).
///
/// # Safety
/// A COPY of the parser.
unsafe fn with_encoding(stmt: *mut pg_sys::CopyStmt) -> Result<()> {
    // SAFETY: promised by the caller; options are a list of DefElem, and the new one lies where the tree does
    unsafe {
        for option in list::pointers::<pg_sys::DefElem>((*stmt).options) {
            let name = CStr::from_ptr((*option).defname);
            if name == c"format" && is_binary((*option).arg) {
                let text = "binary rows cannot stand in a migration";
                return Err(Error::new(Kind::NotSupported, text)
                    .hint("Use the formats text or csv, or COPY from a file of the server."));
            }
            if name == c"encoding" {
                (*option).arg = encoding();
                return Ok(());
            }
        }
        let option = pg_sys::makeDefElem(pg_sys::pstrdup(c"encoding".as_ptr()), encoding(), -1);
        (*stmt).options = pg_sys::lappend((*stmt).options, option.cast());
        Ok(())
    }
}

/// # Safety
/// In a memory context that lives as long as the tree.
unsafe fn encoding() -> *mut pg_sys::Node {
    // SAFETY: the name of an encoding is a constant; a copy of it goes into the tree
    unsafe { pg_sys::makeString(pg_sys::pstrdup(pg_sys::GetDatabaseEncodingName())).cast() }
}

/// # Safety
/// NULL, or the value of an option.
unsafe fn is_binary(arg: *mut pg_sys::Node) -> bool {
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        !arg.is_null()
            && (*arg).type_ == pg_sys::NodeTag::T_String
            && CStr::from_ptr((*arg.cast::<pg_sys::String>()).sval) == c"binary"
    }
}
