//! Heap's own access method, which a chunk falls back to.

use pgrx::pg_sys;

/// Heap's routine.
pub(super) fn routine() -> &'static pg_sys::TableAmRoutine {
    // SAFETY: heap's routine is a constant of the server
    unsafe { &*pg_sys::GetHeapamTableAmRoutine() }
}

/// Calls one of heap's callbacks; an error in C comes back as a panic that unwinds.
macro_rules! heap {
    ($name:ident ( $($arg:expr),* $(,)? )) => {{
        match $crate::pg::cold_heap::routine().$name {
            // SAFETY: the arguments are those that the server passed to our own callback
            Some(f) => unsafe { pgrx::pg_sys::ffi::pg_guard_ffi_boundary(|| f($($arg),*)) },
            None => $crate::pg::cold_state::raise($crate::error::Error::internal(concat!(
                "heap has no callback ",
                stringify!($name)
            ))),
        }
    }};
}
pub(super) use heap;
