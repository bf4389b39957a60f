//! The sequence that numbers jobs and deliveries, without the rights of the caller.

use super::{catalog, ffi};
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    static SEQUENCE: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// The next number; a failed transaction leaves a gap.
pub fn next() -> i64 {
    let mut oid = SEQUENCE.get();
    // SAFETY: a look-up in a system cache: the extension may have been dropped and made again
    let kind = unsafe { pg_sys::get_rel_relkind(oid) };
    let known = kind == pg_sys::RELKIND_SEQUENCE as core::ffi::c_char;
    if !known {
        oid = catalog::relation_oid("strata", "queue_seq").unwrap_or(pg_sys::InvalidOid);
        SEQUENCE.set(oid);
    }
    // SAFETY: an unknown relation is an error of the server
    unsafe { ffi::nextval_internal(oid, false) }
}
