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

/// Major version of the server.
#[must_use]
pub fn server_major() -> u32 {
    pg_sys::PG_VERSION_NUM / 10_000
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
pub fn warning(message: &str, hint: Option<&str>) {
    let code = pgrx::PgSqlErrorCode::ERRCODE_WARNING;
    let mut report = ErrorReport::new(code, message.to_string(), "");
    if let Some(hint) = hint {
        report = report.set_hint(hint.to_string());
    }
    report.report(pgrx::PgLogLevel::WARNING);
}

/// True when the current user is a superuser.
pub fn is_superuser() -> bool {
    // SAFETY: a look-up of the current user
    unsafe { pg_sys::superuser() }
}

/// The name of a role; `None` for one that does not exist.
pub fn role_name(role: pg_sys::Oid) -> Option<String> {
    // SAFETY: a look-up; true: a role that is missing is no error. The result is a copy, NUL terminated
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// True when texts of this database may be none in UTF-8.
pub fn has_other_texts() -> bool {
    // SAFETY: a word of this process
    let encoding = unsafe { pg_sys::GetDatabaseEncoding() };
    encoding != pg_sys::pg_enc::PG_UTF8 as i32 && encoding != pg_sys::pg_enc::PG_SQL_ASCII as i32
}

/// True when a role is a superuser.
pub fn is_superuser_role(role: pg_sys::Oid) -> bool {
    // SAFETY: a look-up of the role
    unsafe { pg_sys::superuser_arg(role) }
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

/// The role that is connected.
#[must_use]
pub fn session_user() -> pg_sys::Oid {
    // SAFETY: a word of this process
    unsafe { pg_sys::GetSessionUserId() }
}

/// The value of a setting as text, numbers in its own unit; `None` for one that is not known.
#[must_use]
pub fn setting(name: &str) -> Option<String> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: NUL terminated; the result is valid until the next call, and is copied
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// True when `user` may make a role the active one.
#[must_use]
pub fn is_member(user: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: a look-up of two roles
    unsafe { pg_sys::is_member_of_role(user, role) }
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

/// True for a setting of this server, or of a library that is loaded.
#[must_use]
pub fn knows_setting(name: &str) -> bool {
    let Ok(name) = std::ffi::CString::new(name) else {
        return false;
    };
    // SAFETY: NUL terminated; NULL for a setting that is not known
    unsafe { !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() }
}

/// How plain strings are read now: true when a backslash in them is a character like others.
#[must_use]
pub fn standard_strings() -> bool {
    // SAFETY: the variable of a setting
    unsafe { (&raw const pg_sys::standard_conforming_strings).read() }
}

/// True in a transaction whose statements see what others commit meanwhile.
#[must_use]
pub fn is_read_committed() -> bool {
    // SAFETY: a word of this process
    unsafe { pg_sys::XactIsoLevel <= pg_sys::XACT_READ_COMMITTED as i32 }
}

/// Tries to take an advisory lock on two numbers to the end of the transaction.
#[must_use]
pub fn try_advisory(class: i32, number: i32) -> bool {
    use pgrx::{IntoDatum, direct_function_call};
    let function = pg_sys::pg_try_advisory_xact_lock_int4;
    // SAFETY: a function of the server that takes two int4
    let got: Option<bool> =
        unsafe { direct_function_call(function, &[class.into_datum(), number.into_datum()]) };
    got == Some(true)
}

/// The same for a lock that others may share.
#[must_use]
pub fn try_advisory_shared(class: i32, number: i32) -> bool {
    use pgrx::{IntoDatum, direct_function_call};
    let function = pg_sys::pg_try_advisory_xact_lock_shared_int4;
    // SAFETY: a function of the server that takes two int4
    let got: Option<bool> =
        unsafe { direct_function_call(function, &[class.into_datum(), number.into_datum()]) };
    got == Some(true)
}

/// True when the role that is connected is a superuser, whatever role is active.
#[must_use]
pub fn connected_as_superuser() -> bool {
    // SAFETY: a look-up of one role
    unsafe { pg_sys::superuser_arg(pg_sys::GetSessionUserId()) }
}

/// Bytes as text of the database; the first byte that is wrong otherwise. NUL is not text either, and where Rust's
/// strings are not the server's, nothing but ASCII is.
pub fn text_of_database(bytes: Vec<u8>) -> Result<String, usize> {
    let ascii = has_other_texts();
    let wrong = |b: &u8| *b == 0 || ascii && !b.is_ascii();
    if let Some(at) = bytes.iter().position(wrong) {
        return Err(at);
    }
    // SAFETY: as many bytes as it says
    let valid = unsafe {
        pg_sys::pg_encoding_verifymbstr(
            pg_sys::GetDatabaseEncoding(),
            bytes.as_ptr().cast(),
            bytes.len() as i32,
        )
    };
    match usize::try_from(valid) {
        Ok(valid) if valid == bytes.len() => {
            String::from_utf8(bytes).map_err(|e| e.utf8_error().valid_up_to())
        }
        Ok(valid) => Err(valid),
        Err(_) => Err(0),
    }
}
