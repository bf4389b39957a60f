//! Which lock this process waits for, remembered for the error that ends the wait: by then the server has forgotten it.

use super::compat_session;
use pgrx::pg_sys;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

// timeout.h; pgrx has no bindings
unsafe extern "C" {
    fn RegisterTimeout(id: u32, handler: unsafe extern "C" fn()) -> u32;
    fn enable_timeout_every(id: u32, first: i64, every_ms: i32);
    fn disable_timeout(id: u32, keep_indicator: bool);
}

/// How often to look, in milliseconds.
const EVERY_MS: i64 = 100;

static ID: OnceLock<u32> = OnceLock::new();
// a signal handler writes them; the tag's fields as they lie in a LOCKTAG
static SEEN: AtomicBool = AtomicBool::new(false);
static MODE: AtomicI32 = AtomicI32::new(0);
static TAG: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// In a signal handler: plain reads of shared memory of this process's own entry, and no call.
unsafe extern "C" fn look() {
    // SAFETY: the lock is there as long as this process waits for it, and only this process ends its wait
    unsafe {
        let me = pg_sys::MyProc;
        if me.is_null() {
            return;
        }
        let lock = (&raw const (*me).waitLock).read_volatile();
        if lock.is_null() {
            return;
        }
        let tag: [u64; 2] = std::mem::transmute((*lock).tag);
        TAG[0].store(tag[0], Ordering::Relaxed);
        TAG[1].store(tag[1], Ordering::Relaxed);
        MODE.store((*me).waitLockMode, Ordering::Relaxed);
        SEEN.store(true, Ordering::Release);
    }
}

/// While alive, waits are watched.
pub struct Watch(());

impl Watch {
    /// `timeout_ms`: the lock_timeout; a shorter one is looked at more often. 0: nothing is watched.
    #[must_use]
    pub fn begin(timeout_ms: i64) -> Watch {
        SEEN.store(false, Ordering::Relaxed);
        DEPTH.set(DEPTH.get() + 1);
        let every = (timeout_ms / 3).clamp(1, EVERY_MS);
        if timeout_ms > 0 {
            // SAFETY: registered once in a process; the handler stays
            unsafe {
                let id =
                    *ID.get_or_init(|| RegisterTimeout(compat_session::FIRST_USER_TIMEOUT, look));
                let first = pg_sys::GetCurrentTimestamp() + every * 1_000;
                enable_timeout_every(id, first, every as i32);
            }
        }
        Watch(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        if let Some(id) = ID.get().filter(|_| DEPTH.get() == 0) {
            // SAFETY: registered
            unsafe { disable_timeout(*id, false) }
        }
    }
}

/// What was waited for before is of no account any more.
pub fn forget() {
    SEEN.store(false, Ordering::Relaxed);
}

/// Processes that hold what this one has waited for last; empty if that is not known. No catalog is read, so it may be
/// asked while an error is being reported.
#[must_use]
pub fn holders() -> Vec<i32> {
    if !SEEN.load(Ordering::Acquire) {
        return Vec::new();
    }
    let words = [
        TAG[0].load(Ordering::Relaxed),
        TAG[1].load(Ordering::Relaxed),
    ];
    // SAFETY: the bytes of a tag; the list has as many items as it says and is in the current memory context
    unsafe {
        let tag: pg_sys::LOCKTAG = std::mem::transmute(words);
        let mut count = 0;
        let held = pg_sys::GetLockConflicts(&tag, MODE.load(Ordering::Relaxed), &mut count);
        let count = usize::try_from(count).unwrap_or(0);
        let mut pids: Vec<i32> = (0..count)
            .filter_map(|n| compat_session::process_of(*held.add(n)))
            .collect();
        pids.sort_unstable();
        pids
    }
}
