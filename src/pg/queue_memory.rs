//! Memory for one of many jobs.

use pgrx::pg_sys;

/// Runs `f` in a memory context of its own, which goes with what was made in it: nothing that `f` returns may lie
/// there.
pub fn for_a_while<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: the context is a child of the current one: an error that leaves `f` leaves it to go with that
    unsafe {
        let own = pg_sys::AllocSetContextCreateExtended(
            pg_sys::CurrentMemoryContext,
            c"pg_strata job".as_ptr(),
            0,
            8 * 1024,
            8 * 1024 * 1024,
        );
        let before = pg_sys::MemoryContextSwitchTo(own);
        let out = f();
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::MemoryContextDelete(own);
        out
    }
}
