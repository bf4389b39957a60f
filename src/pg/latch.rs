//! Waiting in a backend: the latch, interrupts, and the budget of file descriptors.

use pgrx::pg_sys;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Returns when `fd` is readable, `limit` is over, or the latch was set; then serves interrupts: a
/// cancel, timeout or shutdown is raised as a PostgreSQL error. Ends the process when the
/// postmaster has died.
pub fn wait_readable(fd: RawFd, limit: Duration) {
    let events = pg_sys::WL_LATCH_SET
        | pg_sys::WL_SOCKET_READABLE
        | pg_sys::WL_TIMEOUT
        | pg_sys::WL_EXIT_ON_PM_DEATH;
    let limit_ms = i64::try_from(limit.as_millis())
        .unwrap_or(i64::MAX)
        .min(600_000);
    // SAFETY: MyLatch is this process's latch, set up before any backend code runs; the descriptor
    // is open for the length of the call
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            fd,
            limit_ms,
            super::compat_wait::store_wait_event(),
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_interrupts();
}

/// Raises a pending cancel, timeout or shutdown as a PostgreSQL error.
pub fn check_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Waits for all of that time, and serves interrupts: a latch may be set for many reasons.
pub fn pause_all(time: Duration) {
    let begun = Instant::now();
    loop {
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return;
        }
        super::bgworker::pause(left.max(Duration::from_millis(1)));
    }
}

/// Takes one descriptor from the share that PostgreSQL leaves to extensions; false if none is left.
pub fn acquire_fd() -> bool {
    // SAFETY: a counter in fd.c; it may close idle virtual descriptors, which is harmless
    unsafe { pg_sys::AcquireExternalFD() }
}

/// Gives back one descriptor of `acquire_fd`.
pub fn release_fd() {
    // SAFETY: a counter in fd.c; each caller has taken one before
    unsafe { pg_sys::ReleaseExternalFD() }
}

/// Calls `f` when this process ends in good order; the first call of a process decides.
pub fn at_exit(f: fn()) {
    static AT_EXIT: OnceLock<fn()> = OnceLock::new();

    #[pgrx::pg_guard]
    unsafe extern "C-unwind" fn callback(_code: i32, _arg: pg_sys::Datum) {
        if let Some(f) = AT_EXIT.get() {
            f();
        }
    }
    if AT_EXIT.set(f).is_ok() {
        // SAFETY: the callback is a guarded function of this library, which is never unloaded
        unsafe { pg_sys::on_proc_exit(Some(callback), pg_sys::Datum::from(0)) }
    }
}
