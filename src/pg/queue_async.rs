//! Commits that do not wait for the disk: of a transaction that wrote nothing but claims, since a claim that a
//! crash undoes is only given again; and of notifications.
//!
//! "Nothing but claims" is counted in records of the log: all that this process has written since its last
//! transaction ended, against those that it wrote while it claimed.

use super::guc_queue::{CLAIM_ASYNC, ClaimAsync};
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    /// records written when the last transaction ended; `None`: not known yet
    static BASE: Cell<Option<i64>> = const { Cell::new(None) };
    /// records that claims of this transaction have written
    static CLAIMS: Cell<i64> = const { Cell::new(0) };
    /// `synchronous_commit` as it was
    static SAVED: Cell<Option<i32>> = const { Cell::new(None) };
}

fn written() -> i64 {
    // SAFETY: a counter of this process
    unsafe { (&raw const pg_sys::pgWalUsage.wal_records).read() }
}

/// Runs `work`, which writes nothing but claims.
pub fn claiming<T>(work: impl FnOnce() -> T) -> T {
    let before = written();
    let out = work();
    CLAIMS.set(CLAIMS.get() + written() - before);
    out
}

/// Lets the commit of the running transaction go without waiting for the disk.
pub fn weaken() {
    super::queue_xact::watch();
    // SAFETY: the variable of a setting, put back by `ended` before the server looks after its settings
    unsafe {
        let now = (&raw const pg_sys::synchronous_commit).read();
        if SAVED.get().is_none() {
            SAVED.set(Some(now));
        }
        let off = pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_OFF as i32;
        (&raw mut pg_sys::synchronous_commit).write(off);
    }
}

/// About to commit. A background worker that runs jobs needs the count of attempts after a crash.
pub(super) fn before_commit() {
    let claims = CLAIMS.get();
    let only = BASE.get().is_some_and(|base| written() - base == claims);
    if claims > 0 && only && !super::bgworker::is_worker() && CLAIM_ASYNC.get() == ClaimAsync::Auto
    {
        weaken();
    }
}

/// The transaction has ended, one way or the other.
pub(super) fn ended() {
    if let Some(saved) = SAVED.take() {
        // SAFETY: as above
        unsafe { (&raw mut pg_sys::synchronous_commit).write(saved) }
    }
    CLAIMS.set(0);
    BASE.set(Some(written()));
}
