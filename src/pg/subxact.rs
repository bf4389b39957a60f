//! Trying something and going on after its error, in an internal subtransaction.

use crate::error::Error;
use crate::error::Kind;
use crate::pg::whole_error;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use pgrx::prelude::*;
use std::panic::AssertUnwindSafe;

/// The error that ended a subtransaction.
#[derive(Debug, Clone)]
pub struct Caught {
    pub code: PgSqlErrorCode,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Caught {
    fn of(report: &ErrorReportWithLevel) -> Self {
        Caught {
            code: report.sql_error_code(),
            message: report.message().to_string(),
            detail: report.detail().map(str::to_string),
            hint: report.hint().map(str::to_string),
        }
    }

    /// The same for an error in any of the forms in which pgrx hands it over.
    pub(super) fn of_error(error: &CaughtError) -> Self {
        match error {
            CaughtError::PostgresError(r)
            | CaughtError::ErrorReport(r)
            | CaughtError::RustPanic { ereport: r, .. } => Caught::of(r),
        }
    }

    /// Raises the same error again, with its SQLSTATE.
    pub fn raise(self) -> ErrorReport {
        let mut report = ErrorReport::new(self.code, self.message, "");
        if let Some(detail) = self.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = self.hint {
            report = report.set_hint(hint);
        }
        report
    }

    /// The same of an error that is known whole.
    #[must_use]
    pub fn of_whole(whole: &super::whole_error::WholeError) -> Caught {
        Caught {
            code: super::session::sqlstate(&whole.sqlstate),
            message: whole.message.clone(),
            detail: whole.detail.clone(),
            hint: whole.hint.clone(),
        }
    }

    fn must_not_be_swallowed(&self) -> bool {
        use PgSqlErrorCode as C;
        matches!(
            self.code,
            C::ERRCODE_QUERY_CANCELED
                | C::ERRCODE_ADMIN_SHUTDOWN
                | C::ERRCODE_CRASH_SHUTDOWN
                | C::ERRCODE_CANNOT_CONNECT_NOW
                | C::ERRCODE_DATABASE_DROPPED
                | C::ERRCODE_OUT_OF_MEMORY
        )
    }
}

impl From<Error> for Caught {
    fn from(e: Error) -> Self {
        Caught {
            code: e.kind.sqlstate(),
            message: e.message,
            detail: e.detail,
            hint: e.hint,
        }
    }
}

impl From<Caught> for Error {
    fn from(c: Caught) -> Self {
        // the SQLSTATE survives only where a house kind has the same one
        let kind = if c.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
            Kind::LockNotAvailable
        } else {
            Kind::Internal
        };
        Error {
            kind,
            message: c.message,
            detail: c.detail,
            hint: c.hint,
        }
    }
}

/// Runs `f` in a subtransaction that is rolled back in any case: what it reads leaves no lock behind.
pub fn peek<T>(f: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    peek_then(f, || Ok(()))
}

/// The same, and `after` behind the rollback, also when `f` has failed or was canceled.
pub fn peek_then<T>(
    f: impl FnOnce() -> Result<T, Error>,
    after: impl FnOnce() -> Result<(), Error>,
) -> Result<T, Error> {
    let mut seen = None;
    let done = attempt_all(|| {
        seen = Some(f()?);
        Err::<(), _>(Error::internal("only looked"))
    });
    after()?;
    match (seen, done) {
        (Some(seen), _) => Ok(seen),
        (None, Ok(Err(e))) => Err(e),
        (None, Err(caught)) => {
            if let Some(whole) = whole_error::take(&caught) {
                whole_error::again(whole);
            }
            caught.raise().report(PgLogLevel::ERROR);
            Err(Error::internal("an error did not end the transaction"))
        }
        (None, Ok(Ok(()))) => Err(Error::internal("nothing was looked at")),
    }
}

/// Runs `f` in a subtransaction: its effects stay on `Ok`, are rolled back on `Err` of either level.
///
/// The outer error is one that PostgreSQL or a panic raised. Cancel, shutdown and out-of-memory are
/// raised again, never returned. Not for use per row: 64 writing subtransactions overflow a cache
/// that all sessions share.
pub fn attempt<T>(f: impl FnOnce() -> Result<T, Error>) -> Result<Result<T, Error>, Caught> {
    let out = attempt_all(f);
    if let Err(caught) = &out
        && caught.must_not_be_swallowed()
    {
        caught.clone().raise().report(PgLogLevel::ERROR);
    }
    out
}

/// The same; whatever it was, the error comes back.
fn attempt_all<T>(f: impl FnOnce() -> Result<T, Error>) -> Result<Result<T, Error>, Caught> {
    // SAFETY: begin and end are paired on both ways out; context and owner are restored as
    // PL/pgSQL's exec_stmt_block does
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let out = PgTryBuilder::new(AssertUnwindSafe(|| Ok(f())))
            .catch_others(|e| Err(Caught::of_error(&e)))
            .execute();
        if matches!(out, Ok(Ok(_))) {
            pg_sys::ReleaseCurrentSubTransaction();
        } else {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        out
    }
}
