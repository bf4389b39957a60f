//! Waiting: limits of it, and wait events, which have a name of our own since PostgreSQL 17, "Extension" before.

use pgrx::pg_sys;

/// Settings by which a role ends transactions that wait for something.
#[must_use]
pub fn limits() -> &'static [&'static str] {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    {
        &["lock_timeout"]
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    {
        &["lock_timeout", "transaction_timeout"]
    }
}

/// What pg_stat_activity shows while a backend waits for a store.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub fn store_wait_event() -> u32 {
    pg_sys::PG_WAIT_EXTENSION
}

/// What pg_stat_activity shows while a backend waits for a store.
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub fn store_wait_event() -> u32 {
    use std::sync::OnceLock;
    static EVENT: OnceLock<u32> = OnceLock::new();
    // SAFETY: a look-up in shared memory, by a constant name; the number is the same in all backends
    *EVENT.get_or_init(|| unsafe { pg_sys::WaitEventExtensionNew(c"StrataColdStore".as_ptr()) })
}
