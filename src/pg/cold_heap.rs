//! Heap's own access method, which a chunk falls back to.

use crate::error::Error;
use pgrx::{pg_guard, pg_sys};
use std::sync::OnceLock;

struct Heap(&'static pg_sys::TableAmRoutine);
// SAFETY: a constant of the server: function pointers and nothing else
unsafe impl Sync for Heap {}
// SAFETY: as above
unsafe impl Send for Heap {}

/// Heap's routine.
pub(super) fn routine() -> &'static pg_sys::TableAmRoutine {
    static HEAP: OnceLock<Heap> = OnceLock::new();
    // SAFETY: heap's routine is a constant of the server
    HEAP.get_or_init(|| Heap(unsafe { &*pg_sys::GetHeapamTableAmRoutine() }))
        .0
}

/// Heap lacks a callback that every table access method has.
#[pg_guard]
pub(super) extern "C-unwind" fn no_callback() {
    super::cold_state::raise(Error::internal("heap lacks a callback"))
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

/// The same from a frame without destructors, over which an error may jump: it keeps what a guard would take
/// from it, such as names of constraints. With the answer for a callback that is not there.
macro_rules! heap_raw {
    ($name:ident ( $($arg:expr),* $(,)? ), $none:expr) => {{
        match $crate::pg::cold_heap::routine().$name {
            // SAFETY: the arguments are those that the server passed to our own callback
            Some(f) => unsafe { f($($arg),*) },
            None => {
                $crate::pg::cold_heap::no_callback();
                $none
            }
        }
    }};
}
pub(super) use heap_raw;
