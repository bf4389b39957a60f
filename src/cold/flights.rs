//! Requests for blocks of a file that are under way, and how much memory they may take together.

use crate::cold::store::StoreResult;
use std::cell::Cell;

/// A request under way. Dropped, it is given up.
pub trait InFlight {
    /// The answer, if it is there.
    fn poll(&mut self) -> Option<StoreResult<Vec<u8>>>;
    /// Waits for the answer.
    fn wait(self: Box<Self>) -> StoreResult<Vec<u8>>;
}

/// A request for whole blocks.
pub(super) struct Flight {
    pub block: u64,
    pub blocks: u64,
    pub answer: Box<dyn InFlight>,
    pub held: Held,
}

impl Flight {
    pub fn brings(&self, block: u64) -> bool {
        (self.block..self.block + self.blocks).contains(&block)
    }
}

thread_local! {
    /// bytes of answers that have come or may come, of all files of this backend
    static HELD: Cell<u64> = const { Cell::new(0) };
}

/// Counts the bytes of an answer as long as it lives.
pub(super) struct Held(u64);

impl Held {
    pub fn new(bytes: u64) -> Held {
        HELD.set(HELD.get() + bytes);
        Held(bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // the thread may be ending
        let _ = HELD.try_with(|held| held.set(held.get() - self.0));
    }
}

/// True if so many bytes may be asked for before somebody waits for them: with many files open at
/// once, each would have its own in memory.
pub(super) fn has_room(bytes: u64, cache: u64) -> bool {
    HELD.get() + bytes <= cache / 2
}
