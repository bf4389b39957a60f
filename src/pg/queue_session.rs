//! Which session this is, for leases that end with it; and what a transaction tells when it commits.

use super::shmem::{self, Times};
use super::{bgworker, xact};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::{Rc, Weak};

/// Process and time of its start, in microseconds since 2000-01-01 UTC: no other session of this server, before or
/// after a crash, is the same in both.
pub fn me() -> (i32, i64) {
    // SAFETY: plain globals, fixed for the life of the process
    unsafe { (pg_sys::MyProcPid, pg_sys::MyStartTimestamp) }
}

/// The running (sub)transaction, which gets a number if it has none.
pub fn transaction() -> u32 {
    // SAFETY: inside a transaction that may write
    unsafe { pg_sys::GetCurrentTransactionId().into() }
}

/// What became of a (sub)transaction of this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    Running,
    Committed,
    Undone,
}

/// What became of the (sub)transaction with this number.
pub fn became(transaction: u32) -> Became {
    let transaction = pg_sys::TransactionId::from(transaction);
    // SAFETY: looks at the state of this backend, and then into the log of commits
    unsafe {
        if pg_sys::TransactionIdIsCurrentTransactionId(transaction) {
            Became::Running
        } else if pg_sys::TransactionIdDidCommit(transaction) {
            Became::Committed
        } else {
            Became::Undone
        }
    }
}

thread_local! {
    /// the earliest times of the running transaction; gone when it ends
    static EARLIEST: RefCell<Weak<Cell<Times>>> = const { RefCell::new(Weak::new()) };
}

/// When this transaction commits, the background worker hears when there is something to do.
pub fn at_commit(times: Times) {
    if !shmem::available() {
        return;
    }
    if let Some(earliest) = EARLIEST.with_borrow(Weak::upgrade) {
        earliest.set(earliest.get().and(times));
        return;
    }
    let earliest = Rc::new(Cell::new(times));
    EARLIEST.set(Rc::downgrade(&earliest));
    // the callback, and with it the cell, goes when the transaction ends
    let earliest = AssertUnwindSafe(earliest);
    xact::at_commit(move || {
        let earliest = &earliest;
        shmem::note_times(bgworker::my_database(), earliest.get());
    });
}
