//! What COPY into a hypertable says itself. Everything that the server's own COPY refuses (files without
//! the right, read-only transactions, row security, FREEZE) is handed to it, so that it refuses.
//!
//! Guarded functions that frames without destructors call: the error leaves as one of PostgreSQL.

use super::cold_state::raise;
use crate::error::Error;
use pgrx::pg_guard;

/// 18: ON_ERROR skipped more rows than REJECT_LIMIT allows.
#[allow(dead_code, reason = "an option of 18")]
#[pg_guard]
pub(super) extern "C-unwind" fn too_many_skipped(limit: i64) {
    pgrx::ereport!(
        pgrx::PgLogLevel::ERROR,
        pgrx::PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION,
        format!("skipped more than REJECT_LIMIT ({limit}) rows due to data type incompatibility")
    );
}

/// 17: how many rows ON_ERROR skipped.
#[pg_guard]
pub(super) extern "C-unwind" fn tell_skipped(rows: u64) {
    let noun = if rows == 1 { "row was" } else { "rows were" };
    pgrx::notice!("{rows} {noun} skipped due to data type incompatibility");
}

/// The server's COPY state is not the one that this library was built for.
#[pg_guard]
pub(super) extern "C-unwind" fn unknown_layout() {
    raise(Error::internal(
        "the server's COPY is not the one that pg_strata was built with",
    ))
}

/// The WHERE clause names a generated column.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn generated_in_filter(column: *const std::ffi::c_char) {
    // SAFETY: the name of a column, NUL terminated
    let column = unsafe { std::ffi::CStr::from_ptr(column) }.to_string_lossy();
    pgrx::ereport!(
        pgrx::PgLogLevel::ERROR,
        pgrx::PgSqlErrorCode::ERRCODE_INVALID_COLUMN_REFERENCE,
        "generated columns are not supported in COPY FROM WHERE conditions",
        format!("Column \"{column}\" is a generated column.")
    );
}

/// A table with row security for the current user: as the server says it.
#[pg_guard]
pub(super) extern "C-unwind" fn row_security() {
    raise(
        Error::new(
            crate::error::Kind::NotSupported,
            "COPY FROM not supported with row-level security",
        )
        .hint("Use INSERT statements instead."),
    )
}
