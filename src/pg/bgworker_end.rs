//! Workers that end when the process ends that has started them.

use super::bgworker::Handle;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};

thread_local! {
    /// workers that end when this process does
    static MINE: RefCell<Vec<*mut pg_sys::BackgroundWorkerHandle>> = const { RefCell::new(Vec::new()) };
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// While alive, a worker is told to end when this process ends, however that comes.
pub struct EndsWithMe(*mut pg_sys::BackgroundWorkerHandle);

impl Handle {
    /// The handle must outlive the result.
    pub fn ends_with_me(&self) -> EndsWithMe {
        if !WATCHED.replace(true) {
            // SAFETY: a function that stays
            unsafe { pg_sys::before_shmem_exit(Some(end_mine), pg_sys::Datum::from(0)) }
        }
        MINE.with_borrow_mut(|mine| mine.push(self.0));
        EndsWithMe(self.0)
    }
}

impl Drop for EndsWithMe {
    fn drop(&mut self) {
        MINE.with_borrow_mut(|mine| mine.retain(|h| *h != self.0));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end_mine(_code: i32, _arg: pg_sys::Datum) {
    for handle in MINE.with_borrow_mut(std::mem::take) {
        // SAFETY: in the list only while the handle is not freed
        unsafe { pg_sys::TerminateBackgroundWorker(handle) }
    }
}
