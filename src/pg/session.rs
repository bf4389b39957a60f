//! Facts about this session and its transaction, and messages to its client.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use std::ffi::CStr;

/// now() of this transaction, in microseconds since 2000-01-01 UTC.
pub fn transaction_time() -> i64 {
    // SAFETY: a plain read, legal inside any transaction
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// When the client's last message came, in microseconds: tells statements apart. Parallel workers have
/// their leader's.
pub fn statement_start() -> i64 {
    // SAFETY: a plain read of a global of this backend
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// True in a background worker that works for itself, not for a client's statement.
pub fn is_job() -> bool {
    // SAFETY: plain globals of this process
    unsafe {
        pg_sys::MyBackendType == pg_sys::BackendType::B_BG_WORKER
            && pg_sys::ParallelWorkerNumber < 0
    }
}

/// True in REPEATABLE READ and SERIALIZABLE: statements do not see what others committed meanwhile.
pub fn transaction_snapshot_is_fixed() -> bool {
    // SAFETY: a plain global of this backend
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// True when this transaction has changed something, at any level. Then a plain read inside a new
/// subtransaction would look through the old snapshot of the running statement.
pub fn has_written() -> bool {
    // SAFETY: reads the transaction state of this backend
    unsafe { pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId }
}

/// True between BEGIN and COMMIT of the client.
pub fn in_transaction_block() -> bool {
    // SAFETY: reads the transaction state of this backend
    unsafe { pg_sys::IsTransactionBlock() }
}

/// True when the library was loaded with the server, so that workers start by themselves.
pub fn preloaded() -> bool {
    // SAFETY: a setting that only a restart changes: NULL or a NUL terminated string
    let list = unsafe {
        if pg_sys::shared_preload_libraries_string.is_null() {
            return false;
        }
        CStr::from_ptr(pg_sys::shared_preload_libraries_string)
    };
    list.to_string_lossy()
        .split(',')
        .any(|l| l.trim().trim_matches('"').ends_with("pg_strata"))
}

/// Exclusion constraints on partitioned tables came with PostgreSQL 17.
pub fn partitions_may_exclude() -> bool {
    pg_sys::PG_VERSION_NUM >= 170_000
}

/// Raises a NOTICE, with a hint when there is one.
pub fn notice(message: &str, hint: Option<&str>) {
    let mut report = ErrorReport::new(
        pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        message.to_string(),
        "",
    );
    if let Some(hint) = hint {
        report = report.set_hint(hint.to_string());
    }
    report.report(pgrx::PgLogLevel::NOTICE);
}

/// Raises a WARNING with a hint.
pub fn warning(message: &str, hint: &str) {
    let code = pgrx::PgSqlErrorCode::ERRCODE_WARNING;
    ErrorReport::new(code, message.to_string(), "")
        .set_hint(hint.to_string())
        .report(pgrx::PgLogLevel::WARNING);
}

/// True when the current user is a superuser.
pub fn is_superuser() -> bool {
    // SAFETY: a look-up of the current user
    unsafe { pg_sys::superuser() }
}

/// True when the current user has the privileges of a role.
pub fn has_role(role: u32) -> bool {
    // SAFETY: a look-up of two roles
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), pg_sys::Oid::from(role)) }
}

/// True when `user` has the privileges of a role.
pub fn role_has(user: pg_sys::Oid, role: u32) -> bool {
    // SAFETY: a look-up of two roles
    unsafe { pg_sys::has_privs_of_role(user, pg_sys::Oid::from(role)) }
}

/// True when this session loaded the library before its first statement: with the server, or by one of
/// the other preload settings. Then hooks see every statement of the session.
pub fn preloaded_here() -> bool {
    fn names_us(list: *const std::ffi::c_char) -> bool {
        if list.is_null() {
            return false;
        }
        // SAFETY: a setting: NUL terminated
        let list = unsafe { CStr::from_ptr(list) };
        list.to_string_lossy()
            .split(',')
            .any(|l| l.trim().trim_matches('"').ends_with("pg_strata"))
    }
    // SAFETY: settings that do not change in a session
    unsafe {
        names_us(pg_sys::shared_preload_libraries_string)
            || names_us(pg_sys::session_preload_libraries_string)
            || names_us(pg_sys::local_preload_libraries_string)
    }
}

/// The server's system identifier, and this database.
pub fn identity() -> (u64, u32) {
    // SAFETY: both are fixed for the life of the process
    unsafe { (pg_sys::GetSystemIdentifier(), pg_sys::MyDatabaseId.to_u32()) }
}

/// The timeline that this server writes to; 0 on a standby, which writes to none.
pub fn timeline() -> u32 {
    // SAFETY: reads of shared state; the second is legal once recovery is over (xlog.c asserts it)
    unsafe {
        if pg_sys::RecoveryInProgress() {
            return 0;
        }
        pg_sys::GetWALInsertionTimeLine()
    }
}

/// The five characters of an SQLSTATE, from the server's packed form (elog.h, MAKE_SQLSTATE).
pub fn unpack_sqlstate(packed: i32) -> String {
    (0..5)
        .map(|i| ((packed >> (6 * i)) & 0x3f) as u8 + b'0')
        .map(char::from)
        .collect()
}

/// The code of five characters; XX000 for one that pgrx does not know.
pub fn sqlstate(code: &str) -> pgrx::PgSqlErrorCode {
    let packed = code
        .bytes()
        .enumerate()
        .map(|(i, c)| i32::from(c.wrapping_sub(b'0') & 0x3f) << (6 * i))
        .sum::<i32>();
    pgrx::PgSqlErrorCode::from(packed as isize as i32)
}
