//! Wakes those who wait for queues, from the callbacks at the end of transactions: by latches, through lists in
//! shared memory. NOTIFY in the pusher's transaction would make all commits of the cluster wait for each other.
//!
//! Without preload there are no lists: waiters and the background worker look by the clock.

use super::queue_xact;
use super::shmem;
use crate::queue::board::Name;
use crate::queue::waiters::{Latches, Told, Waiters};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Queues are shared out over so many lists, each with a lock.
const PARTS: usize = 16;

type Part = Waiters<64, 64>;

const NAME: &std::ffi::CStr = c"pg_strata waiters";

static LISTS: AtomicPtr<Part> = AtomicPtr::new(std::ptr::null_mut());
static LOCKS: AtomicPtr<pg_sys::LWLockPadded> = AtomicPtr::new(std::ptr::null_mut());
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

thread_local! {
    static LEAVES_AT_EXIT: Cell<bool> = const { Cell::new(false) };
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
    // SAFETY: called by the server when shared memory is there; empty lists are all zeros
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_STARTUP {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        let size = size_of::<Part>() * PARTS;
        let mut found = false;
        let lists = pg_sys::ShmemInitStruct(NAME.as_ptr(), size, &mut found);
        if !found {
            std::ptr::write_bytes(lists.cast::<u8>(), 0, size);
        }
        LISTS.store(lists.cast(), Ordering::Relaxed);
        let locks = pg_sys::GetNamedLWLockTranche(NAME.as_ptr());
        LOCKS.store(locks, Ordering::Relaxed);
    }
}

/// True when a commit wakes others.
pub fn shared() -> bool {
    !LISTS.load(Ordering::Relaxed).is_null()
}

fn part(name: Name) -> usize {
    (name.qid as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(name.database) as usize
        % PARTS
}

/// Works on one list; `None` without shared memory. `work` must not raise an error.
fn with<T>(part: usize, work: impl FnOnce(&mut Part) -> T) -> Option<T> {
    let lists = LISTS.load(Ordering::Relaxed);
    if lists.is_null() {
        return None;
    }
    // SAFETY: as many lists as locks, and `part` is below; the lock makes this process the only one that looks
    // at the list, and `work` cannot leave otherwise than by returning
    unsafe {
        let lock = &raw mut (*LOCKS.load(Ordering::Relaxed).add(part)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let out = work(&mut *lists.add(part));
        pg_sys::LWLockRelease(lock);
        Some(out)
    }
}

fn set(latches: &Latches) {
    for latch in latches.iter() {
        // SAFETY: latches in the list lie in PGPROC: valid memory for the life of the cluster. Should the
        // process have changed meanwhile, the new one wakes once for nothing
        unsafe { pg_sys::SetLatch(latch as *mut pg_sys::Latch) }
    }
}

/// Jobs became ready, the newest with this id. Called after a commit: raises nothing.
pub(super) fn ready(name: Name, count: u64, last: i64) {
    let told = with(part(name), |list| {
        (list.ready(name, count), list.tell(name, last))
    });
    if let Some((latches, told)) = told {
        set(&latches);
        if told == Told::First {
            shmem::tap_worker(name.database);
        }
    }
}

/// Jobs have ended (no ids: any of the queue). Called after a commit: raises nothing.
pub(super) fn ended(name: Name, ids: &[i64]) {
    if let Some(latches) = with(part(name), |list| list.ended(name, ids)) {
        set(&latches);
    }
}

fn my_latch() -> usize {
    // SAFETY: a process with shared memory access has its latch in PGPROC, which stays where it is
    unsafe { pg_sys::MyLatch as usize }
}

/// A place in the list of those who wait, until it is dropped or the process ends.
pub struct Waiting {
    part: usize,
    at: usize,
}

/// Begins to wait for a ready job of a queue, or with `id` for the end of that job: from now on this process's
/// latch is set. `None`: look by the clock.
pub fn enter(qid: i32, id: Option<i64>) -> Option<Waiting> {
    let name = queue_xact::name(qid);
    if shared() && !LEAVES_AT_EXIT.replace(true) {
        // SAFETY: the callback matches the type that before_shmem_exit wants
        unsafe { pg_sys::before_shmem_exit(Some(leave_all), pg_sys::Datum::from(0)) }
    }
    let part = part(name);
    let at = with(part, |list| list.enter(name, id.unwrap_or(0), my_latch()))??;
    Some(Waiting { part, at })
}

impl Waiting {
    /// To be called before a look: what is committed after it wakes again.
    pub fn looks(&self) {
        with(self.part, |list| list.looks(self.at));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        with(self.part, |list| list.leave(self.at));
    }
}

/// A FATAL error drops nothing.
#[pg_guard]
unsafe extern "C-unwind" fn leave_all(_code: i32, _arg: pg_sys::Datum) {
    let mine = my_latch();
    for part in 0..PARTS {
        with(part, |list| list.leave_all(mine));
    }
}

/// How often news were lost, for each list: what the worker of a database remembers.
pub type Lost = [u32; PARTS];

/// True if queues of this database have got ready jobs since [`take_news`].
pub fn has_news(lost: &Lost) -> bool {
    let database = queue_xact::name(0).database;
    (0..PARTS).any(|part| with(part, |list| list.has_news(database, lost[part])).unwrap_or(false))
}

/// The queues of this database that have got ready jobs, each with its newest id. True: there are more, which
/// found no room.
pub fn take_news(lost: &mut Lost) -> (Vec<(i32, i64)>, bool) {
    let database = queue_xact::name(0).database;
    let (mut news, mut more) = (Vec::with_capacity(64), false);
    for (part, lost) in lost.iter_mut().enumerate() {
        // room first: nothing is allocated under the lock
        news.reserve(64);
        let count = with(part, |list| {
            list.take_news(database, |qid, last| news.push((qid, last)))
        });
        let count = count.unwrap_or(0);
        more |= count != *lost;
        *lost = count;
    }
    (news, more)
}
