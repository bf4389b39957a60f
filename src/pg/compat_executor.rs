//! Differences between PostgreSQL 15 to 18 in the executor and in processes.

use pgrx::pg_sys;

/// Number of this process in the array of all processes.
pub fn my_proc_number() -> i32 {
    // SAFETY: every process with shared memory has its PGPROC
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        {
            (*pg_sys::MyProc).pgprocno
        }
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        {
            pg_sys::MyProcNumber
        }
    }
}

/// Columns that an UPDATE sets, one list for each result relation.
///
/// # Safety
/// `node` must be the state of an UPDATE.
pub unsafe fn update_columns(node: *const pg_sys::ModifyTableState) -> *mut pg_sys::List {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            (*(*node).ps.plan.cast::<pg_sys::ModifyTable>()).updateColnosLists
        }
        #[cfg(feature = "pg18")]
        {
            (*node).mt_updateColnosLists
        }
    }
}
