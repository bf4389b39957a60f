//! Wait events: a name of our own since PostgreSQL 17, "Extension" before.

use pgrx::pg_sys;

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
