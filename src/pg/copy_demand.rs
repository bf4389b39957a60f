//! What COPY asks about chunks: guarded functions for frames without destructors, so that an error of
//! ours leaves as one of PostgreSQL, with the line of the file as its context.

use super::copy_run::Copy;
use super::demand::{Demand, Located};
use pgrx::{PgMemoryContexts, pg_guard, pg_sys};
use std::collections::BTreeSet;
use std::ffi::c_void;

/// What is remembered for one statement; dropped with the memory that the statement runs in.
struct State {
    demand: Demand,
    missing: BTreeSet<i64>,
}

/// Where the chunk of a row is that the routing did not find.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) enum Where {
    /// nowhere: it is among the missing now
    Missing,
    /// made meanwhile, or the server will say why not
    Stale,
}

/// The statement has its snapshot, and not yet its lock.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn before_lock() {
    super::inject::point("copy.lock");
}

/// NULL: the table gets no chunks on demand.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn of(rel: pg_sys::Relation) -> *mut c_void {
    // SAFETY: the caller has the relation open
    match unsafe { Demand::of(rel) } {
        Some(demand) => {
            let missing = BTreeSet::new();
            PgMemoryContexts::CurrentMemoryContext
                .leak_and_drop_on_delete(State { demand, missing })
                .cast()
        }
        None => std::ptr::null_mut(),
    }
}

/// True when chunks can be made in this transaction only, and not while the table is open.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn in_process(rel: pg_sys::Relation) -> bool {
    // SAFETY: the caller has the relation open
    unsafe { Demand::needs_in_process(rel) }
}

/// Looks for the chunk of the row in the slot. Raises 22008 and 54000 as the hypertable's rules say.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn locate(c: *mut c_void) -> Where {
    // SAFETY: the running COPY, whose slot holds a row
    unsafe { look(&*c.cast::<Copy>()) }
}

/// True when the chunk was closed: a row for it is as good as one without a chunk.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn must_open(c: *mut c_void, chunk: pg_sys::Oid) -> bool {
    // SAFETY: the running COPY; its state was made by `of`, or is NULL
    unsafe {
        let state = (*c.cast::<Copy>()).demand.cast::<State>();
        !state.is_null() && (*state).demand.must_open(chunk)
    }
}

unsafe fn look(c: &Copy) -> Where {
    // SAFETY: the state was made by `of`; the row is of the root
    unsafe {
        let state = &mut *c.demand.cast::<State>();
        let i = state.demand.key_attnum() as usize - 1;
        if *(*c.slot).tts_isnull.add(i) {
            return Where::Stale;
        }
        let value = *(*c.slot).tts_values.add(i);
        match state.demand.locate(c.estate, c.rel, value) {
            Located::Missing(index) => {
                state.missing.insert(index);
                Where::Missing
            }
            Located::Cached | Located::Found | Located::Stale => Where::Stale,
        }
    }
}

/// Has one worker make all that is missing.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn make(c: *mut c_void) {
    // SAFETY: as locate
    unsafe {
        let c = &*c.cast::<Copy>();
        let state = &mut *c.demand.cast::<State>();
        let missing = std::mem::take(&mut state.missing);
        if !missing.is_empty() {
            state.demand.make(c.rel, &missing);
        }
    }
}

/// The routing is about to be made anew.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn routing_is_new(c: *mut c_void) {
    // SAFETY: as locate
    unsafe {
        let state = (*c.cast::<Copy>()).demand.cast::<State>();
        (*state).demand.routing_is_new();
    }
}

/// Makes all that is missing in this transaction; the table must be closed.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn make_in_process(c: *mut c_void) {
    // SAFETY: as locate
    unsafe {
        let state = &mut *(*c.cast::<Copy>()).demand.cast::<State>();
        let missing: Vec<i64> = std::mem::take(&mut state.missing).into_iter().collect();
        if !missing.is_empty() {
            state.demand.make_in_process(&missing);
        }
    }
}

/// The end of the statement: tells when it made many chunks.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn finish(c: *mut c_void) {
    // SAFETY: as locate
    unsafe {
        (*(*c.cast::<Copy>()).demand.cast::<State>())
            .demand
            .finish()
    }
}
