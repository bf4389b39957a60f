//! What a session holds and how to look at it, where the versions of PostgreSQL differ: timeouts, processes, settings.

use pgrx::pg_sys;

/// USER_TIMEOUT in utils/timeout.h, which pgrx has no binding for.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub const FIRST_USER_TIMEOUT: u32 = 12;
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub const FIRST_USER_TIMEOUT: u32 = 13;

#[cfg(any(feature = "pg15", feature = "pg16"))]
unsafe extern "C" {
    fn BackendIdGetProc(id: i32) -> *mut pg_sys::PGPROC;
}

/// The process of a virtual transaction, if it is still there.
pub fn process_of(transaction: pg_sys::VirtualTransactionId) -> Option<i32> {
    // SAFETY: looks at shared memory; NULL for one that has gone
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let process = BackendIdGetProc(transaction.backendId);
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        let process = pg_sys::ProcNumberGetProc(transaction.procNumber);
        (!process.is_null()).then(|| (*process).pid)
    }
}

/// All settings of this process, and how many; the list may be one of the current memory context.
pub fn settings() -> (*mut *mut pg_sys::config_generic, i32) {
    #[cfg(feature = "pg15")]
    // SAFETY: words of this process
    unsafe {
        (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions())
    }
    #[cfg(not(feature = "pg15"))]
    {
        let mut n = 0;
        // SAFETY: copies a table of this process
        let list = unsafe { pg_sys::get_guc_variables(&mut n) };
        (list, n)
    }
}
