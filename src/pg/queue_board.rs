//! Where the hints of queues lie: in shared memory if the library was preloaded, otherwise in the session.

use crate::queue::board::{Board, Name};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant};

/// Queues are shared out over so many boards, each with a lock.
const PARTS: usize = 16;
/// Queues on a board.
const PLACES: usize = 32;

type Part = Board<PLACES>;

const NAME: &std::ffi::CStr = c"pg_strata queues";

static BOARDS: AtomicPtr<Part> = AtomicPtr::new(std::ptr::null_mut());
static LOCKS: AtomicPtr<pg_sys::LWLockPadded> = AtomicPtr::new(std::ptr::null_mut());
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// A session without shared memory hears of others only by looking from the beginning again.
const SESSION_AGE: Duration = Duration::from_millis(1500);

struct Local {
    board: Box<Part>,
    since: Instant,
}

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
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
    // SAFETY: called by the server when shared memory is there; an empty board is all zeros
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_STARTUP {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        let size = size_of::<Part>() * PARTS;
        let mut found = false;
        let boards = pg_sys::ShmemInitStruct(NAME.as_ptr(), size, &mut found);
        if !found {
            std::ptr::write_bytes(boards.cast::<u8>(), 0, size);
        }
        BOARDS.store(boards.cast(), Ordering::Relaxed);
        let locks = pg_sys::GetNamedLWLockTranche(NAME.as_ptr());
        LOCKS.store(locks, Ordering::Relaxed);
    }
}

/// True when sessions share their hints.
pub fn shared() -> bool {
    !BOARDS.load(Ordering::Relaxed).is_null()
}

/// Works on the board of a queue. `work` must not raise an error and not ask PostgreSQL for anything. May be
/// called when a transaction ends.
pub fn with<T>(name: Name, work: impl FnOnce(&mut Part) -> T) -> T {
    let boards = BOARDS.load(Ordering::Relaxed);
    if boards.is_null() {
        return with_local(work);
    }
    let part = (name.qid as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(name.database) as usize
        % PARTS;
    // SAFETY: as many boards as locks; the lock makes this process the only one that looks at the board, and
    // `work` cannot leave otherwise than by returning
    unsafe {
        let lock = &raw mut (*LOCKS.load(Ordering::Relaxed).add(part)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let out = work(&mut *boards.add(part));
        pg_sys::LWLockRelease(lock);
        out
    }
}

/// Everything is searched from the beginning again in this database: its queues may have new rows under old numbers.
/// May be called when a transaction ends.
pub fn clear(database: u32) {
    LOCAL.set(None);
    let boards = BOARDS.load(Ordering::Relaxed);
    if boards.is_null() {
        return;
    }
    for part in 0..PARTS {
        // SAFETY: as in `with`
        unsafe {
            let lock = &raw mut (*LOCKS.load(Ordering::Relaxed).add(part)).lock;
            pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
            (*boards.add(part)).clear(database);
            pg_sys::LWLockRelease(lock);
        }
    }
}

fn with_local<T>(work: impl FnOnce(&mut Part) -> T) -> T {
    LOCAL.with_borrow_mut(|local| {
        let now = Instant::now();
        let stale = local.as_ref().is_none_or(|l| now - l.since > SESSION_AGE);
        if stale {
            *local = Some(Local {
                board: Box::new(Part::new()),
                since: now,
            });
        }
        match local {
            Some(local) => work(&mut local.board),
            None => work(&mut Part::new()),
        }
    })
}
