//! Counters of queues in shared memory. Without it nothing is counted.

use super::queue_xact;
use crate::queue::board::Name;
pub use crate::queue::counters::Seen;
use crate::queue::counters::{Counters, EVENTS, Event, Tally};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Queues are shared out over so many tables, each with a lock.
const PARTS: usize = 16;
/// Queues of a table.
const PLACES: usize = 64;

type Part = Counters<PLACES>;

const NAME: &std::ffi::CStr = c"pg_strata queue counters";

static PARTS_AT: AtomicPtr<Part> = AtomicPtr::new(std::ptr::null_mut());
static LOCKS: AtomicPtr<pg_sys::LWLockPadded> = AtomicPtr::new(std::ptr::null_mut());
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

thread_local! {
    static TALLY: RefCell<Tally> = const { RefCell::new(Tally::new()) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Asks for the memory; only while preloading.
pub fn init() {
    // SAFETY: hooks are plain globals, set in the main thread while the library is preloaded
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: called by the server while it counts its shared memory
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_REQUEST {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Part>() * PARTS);
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), PARTS as i32);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn startup() {
    // SAFETY: called by the server when shared memory is there; counters without queues are all zeros
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_STARTUP {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        let size = size_of::<Part>() * PARTS;
        let mut found = false;
        let parts = pg_sys::ShmemInitStruct(NAME.as_ptr(), size, &mut found);
        if !found {
            std::ptr::write_bytes(parts.cast::<u8>(), 0, size);
        }
        PARTS_AT.store(parts.cast(), Ordering::Relaxed);
        LOCKS.store(
            pg_sys::GetNamedLWLockTranche(NAME.as_ptr()),
            Ordering::Relaxed,
        );
    }
}

/// Works on the counters of a queue; `None` without shared memory. `work` must not raise an error and not ask
/// PostgreSQL for anything. May be called when a transaction ends.
fn with<T>(name: Name, work: impl FnOnce(&mut Part) -> T) -> Option<T> {
    let parts = PARTS_AT.load(Ordering::Relaxed);
    if parts.is_null() {
        return None;
    }
    let part = (name.qid as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(name.database) as usize
        % PARTS;
    // SAFETY: as many tables as locks; the lock makes this process the only one that looks at the table, and
    // `work` cannot leave otherwise than by returning
    unsafe {
        let lock = &raw mut (*LOCKS.load(Ordering::Relaxed).add(part)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let out = work(&mut *parts.add(part));
        pg_sys::LWLockRelease(lock);
        Some(out)
    }
}

/// Counts events of a queue, if this transaction commits.
pub fn count(qid: i32, event: Event, count: u64) {
    if PARTS_AT.load(Ordering::Relaxed).is_null() {
        return;
    }
    if !WATCHING.replace(true) {
        // SAFETY: callbacks of the right types, registered once per process
        unsafe {
            pg_sys::RegisterXactCallback(Some(ended), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(sub_ended), std::ptr::null_mut());
        }
    }
    TALLY.with_borrow_mut(|t| t.add(nesting(), qid, event, count));
}

/// What was counted of a queue of this database since the server was started; zeros if nothing was. `None` without
/// shared memory.
pub fn see(qid: i32) -> Option<Seen> {
    let (name, time) = (queue_xact::name(qid), now());
    let nothing = Seen {
        total: [0; EVENTS],
        rate: [0.0; EVENTS],
    };
    with(name, |part| part.see(name, time)).map(|seen| seen.unwrap_or(nothing))
}

/// A queue of this database was dropped.
pub fn forget(qid: i32) {
    let name = queue_xact::name(qid);
    with(name, |part| part.forget(name));
}

fn nesting() -> i32 {
    // SAFETY: reads the transaction state of this backend
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

fn now() -> i64 {
    // SAFETY: asks the system clock
    unsafe { pg_sys::GetCurrentTimestamp() }
}

#[pg_guard]
unsafe extern "C-unwind" fn ended(event: pg_sys::XactEvent::Type, _arg: *mut core::ffi::c_void) {
    use pg_sys::XactEvent as Event;
    match event {
        // most prepared transactions are committed, and nobody is told of it
        Event::XACT_EVENT_COMMIT
        | Event::XACT_EVENT_PARALLEL_COMMIT
        | Event::XACT_EVENT_PREPARE => {
            let done = TALLY.with_borrow_mut(Tally::take);
            if !done.is_empty() {
                let time = now();
                for (qid, numbers) in done {
                    let name = queue_xact::name(qid);
                    with(name, |part| part.add(name, &numbers, time));
                }
            }
        }
        Event::XACT_EVENT_ABORT | Event::XACT_EVENT_PARALLEL_ABORT => TALLY.set(Tally::new()),
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn sub_ended(
    event: pg_sys::SubXactEvent::Type,
    _mine: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut core::ffi::c_void,
) {
    use pg_sys::SubXactEvent as Event;
    match event {
        Event::SUBXACT_EVENT_COMMIT_SUB => TALLY.with_borrow_mut(|t| t.sub_commit(nesting())),
        Event::SUBXACT_EVENT_ABORT_SUB => TALLY.with_borrow_mut(|t| t.sub_abort(nesting())),
        _ => {}
    }
}
