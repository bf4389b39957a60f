//! Declarations that pgrx's bindings lack, with the header that they come from.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        /// storage/predicate.h
        pub fn TransferPredicateLocksToHeapRelation(relation: pg_sys::Relation);
    }
}

/// Widens predicate locks on rows and pages to the whole relation, before its rows move.
///
/// # Safety
/// The relation must be open and locked AccessExclusive.
#[allow(ffi_unwind_calls, reason = "an error stops at the boundary")]
pub unsafe fn transfer_predicate_locks(relation: pg_sys::Relation) {
    // SAFETY: promised by the caller
    unsafe { pg_guard_ffi_boundary(|| raw::TransferPredicateLocksToHeapRelation(relation)) }
}
