//! What runs at the end of the current transaction.

use pgrx::register_xact_callback;

/// Runs `f` right after the commit of the current transaction; it must not raise an error.
pub fn at_commit(f: impl FnOnce() + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static) {
    register_xact_callback(pgrx::PgXactCallbackEvent::Commit, f);
}

/// Runs `f` when the current transaction has ended, with true after its commit; it must not raise an error.
pub fn at_end(
    f: impl Fn(bool) + Copy + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static,
) {
    register_xact_callback(pgrx::PgXactCallbackEvent::Commit, move || f(true));
    register_xact_callback(pgrx::PgXactCallbackEvent::Abort, move || f(false));
    // whatever becomes of it then is not this session's business
    register_xact_callback(pgrx::PgXactCallbackEvent::Prepare, move || f(false));
}

/// True while the transaction that a column `xmax` names is under way; 0: none.
#[must_use]
pub fn is_running(xmax: i64) -> bool {
    match u32::try_from(xmax) {
        Ok(0) | Err(_) => false,
        // SAFETY: looks at shared memory
        Ok(xid) => unsafe { pgrx::pg_sys::TransactionIdIsInProgress(xid.into()) },
    }
}
