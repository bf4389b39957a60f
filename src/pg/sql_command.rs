//! What can be said of the command of a SQL job without running it.

use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::CString;

/// The statements of a command, parsed only; a syntax error is raised as such.
fn parse(command: &str) -> Result<Vec<*mut pg_sys::RawStmt>> {
    let command = CString::new(command).map_err(|_| Error::internal("NUL in a command"))?;
    // SAFETY: a NUL terminated string; the list lives in the current memory context, and copies what it needs of it
    unsafe {
        let parsed = pg_sys::pg_parse_query(command.as_ptr());
        Ok(super::list::pointers::<pg_sys::RawStmt>(parsed).collect())
    }
}

/// Number of statements of a command.
pub fn statements(command: &str) -> Result<usize> {
    Ok(parse(command)?.len())
}

/// 0A000 for what a process without a client must not run by itself, as a client would send it: BEGIN would never
/// end, and COPY would read from and write to the server's own files.
pub fn check_alone(command: &str) -> Result<()> {
    for raw in parse(command)? {
        // SAFETY: a statement of the parser, and of the type that its tag says
        let (transaction, client) = unsafe {
            let stmt = (*raw).stmt;
            let copy = (*stmt).type_ == pg_sys::NodeTag::T_CopyStmt;
            (
                (*stmt).type_ == pg_sys::NodeTag::T_TransactionStmt,
                copy && (*stmt.cast::<pg_sys::CopyStmt>()).filename.is_null(),
            )
        };
        if transaction {
            return Err(no_transaction("a SQL job")
                .hint("Push one CALL of a procedure; that one may COMMIT inside."));
        }
        if client {
            return Err(no_client());
        }
    }
    Ok(())
}

pub(super) fn no_transaction(who: &str) -> Error {
    let text = format!("{who} must not begin or end transactions");
    Error::new(Kind::NotSupported, text)
}

pub(super) fn no_client() -> Error {
    let text = "a SQL job must not COPY from or to its client";
    Error::new(Kind::NotSupported, text)
}
