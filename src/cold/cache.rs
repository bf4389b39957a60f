//! Blocks of remote files in memory, and how much to ask for at once.
//!
//! A request costs far more than its bytes, so a miss asks for more the longer a read goes on in
//! one direction. Interior, index and table pages of one scan interleave, therefore several such
//! read heads are followed at a time.

use crate::cold::store::{RangeRead, ReadStats, StoreError, StoreResult, count};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

/// Unit of caching and alignment of requests.
pub const BLOCK: u64 = 64 * 1024;

/// The first request of a file: schema and interior pages lie together at its start.
const OPENING: u64 = 4;

/// Blocks that may be fetched again, or skipped, to save a request.
const GAP: u64 = 4;

/// Largest read-ahead, in blocks.
const AHEAD_MAX: u64 = 64;

/// Largest request for what one read needs, in blocks.
const REQUEST_MAX: u64 = 128;

/// Read heads followed per file.
const HEADS: usize = 3;

type BlockId = (Rc<str>, u64);

/// Least recently used blocks go first; the budget is in bytes.
#[derive(Default)]
pub struct BlockCache {
    blocks: HashMap<BlockId, (u64, Rc<[u8]>)>,
    order: BTreeMap<u64, BlockId>,
    clock: u64,
    bytes: u64,
}

impl BlockCache {
    fn get(&mut self, id: &BlockId) -> Option<Rc<[u8]>> {
        self.clock += 1;
        let (used, data) = self.blocks.get_mut(id)?;
        self.order.remove(used);
        *used = self.clock;
        self.order.insert(self.clock, id.clone());
        Some(Rc::clone(data))
    }

    fn contains(&self, id: &BlockId) -> bool {
        self.blocks.contains_key(id)
    }

    fn put(&mut self, id: BlockId, data: &[u8], budget: u64) {
        self.clock += 1;
        self.bytes += data.len() as u64;
        self.order.insert(self.clock, id.clone());
        if let Some((used, old)) = self.blocks.insert(id, (self.clock, data.into())) {
            self.order.remove(&used);
            self.bytes -= old.len() as u64;
        }
        while self.bytes > budget {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            if let Some((_, data)) = self.blocks.remove(&oldest) {
                self.bytes -= data.len() as u64;
            }
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = BlockCache::default();
    }
}

/// One direction of reading: where it goes on, how much it took last.
#[derive(Debug, Clone, Copy)]
struct Head {
    next: u64,
    window: u64,
    used: u64,
}

/// The read heads of one file.
#[derive(Debug, Default)]
struct Heads {
    heads: Vec<Head>,
    clock: u64,
}

impl Heads {
    /// Blocks to ask for at a miss of `block`, when the read itself needs `needed`.
    fn take(&mut self, block: u64, needed: u64, max: u64) -> u64 {
        self.clock += 1;
        if block == 0 {
            return needed.max(OPENING.min(max));
        }
        let near = self
            .heads
            .iter_mut()
            .filter(|head| (head.next..=head.next + GAP).contains(&block))
            .min_by_key(|head| block - head.next);
        if let Some(head) = near {
            if head.next == block {
                head.window = head.window.saturating_mul(2);
            }
            head.window = head.window.clamp(needed, max.max(needed));
            head.next = block + head.window;
            head.used = self.clock;
            return head.window;
        }
        if self.heads.len() >= HEADS {
            self.heads.sort_by_key(|head| head.used);
            self.heads.remove(0);
        }
        self.heads.push(Head {
            next: block + needed,
            window: needed,
            used: self.clock,
        });
        needed
    }
}

/// A remote file behind the cache. `fetch(start, len)` asks the store.
pub struct CachedFile<F> {
    id: Rc<str>,
    size: u64,
    cache: Rc<RefCell<BlockCache>>,
    budget: fn() -> u64,
    fetch: F,
    heads: RefCell<Heads>,
    stats: Cell<ReadStats>,
}

impl<F: Fn(u64, u64) -> StoreResult<Vec<u8>>> CachedFile<F> {
    /// `id` names the content: the same id must always mean the same bytes.
    pub fn new(
        id: Rc<str>,
        size: u64,
        cache: Rc<RefCell<BlockCache>>,
        budget: fn() -> u64,
        fetch: F,
    ) -> Self {
        CachedFile {
            id,
            size,
            cache,
            budget,
            fetch,
            heads: RefCell::default(),
            stats: Cell::default(),
        }
    }

    fn block_id(&self, block: u64) -> BlockId {
        (Rc::clone(&self.id), block)
    }

    /// How many blocks to ask for from the missing `block`, for a read that ends in `last`.
    fn plan(&self, block: u64, last: u64) -> u64 {
        let cache = self.cache.borrow();
        let missing = |block: u64| !cache.contains(&self.block_id(block));
        // one request for all misses of this read, unless a long cached stretch lies between
        let mut needed = 1;
        for next in block + 1..=last.min(block + REQUEST_MAX - 1) {
            let gap = next - (block + needed);
            if gap > GAP {
                break;
            }
            if missing(next) {
                needed = next - block + 1;
            }
        }
        let max = ((self.budget)() / BLOCK / 4).clamp(1, AHEAD_MAX);
        let blocks = self.size.div_ceil(BLOCK) - block;
        let mut n = self.heads.borrow_mut().take(block, needed, max).min(blocks);
        while n > needed && !missing(block + n - 1) {
            n -= 1;
        }
        n
    }

    fn request(&self, block: u64, blocks: u64) -> StoreResult<Vec<u8>> {
        let start = block * BLOCK;
        let len = (blocks * BLOCK).min(self.size - start);
        // no borrow is held here: the wait may end in a panic (query cancelled)
        let begun = Instant::now();
        let answer = (self.fetch)(start, len);
        let wait = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let got = answer.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.add(ReadStats {
            gets: 1,
            bytes: got,
            cache_hits: 0,
            wait_us: wait,
        });
        let bytes = answer?;
        if got != len {
            return Err(StoreError::Short { wanted: len, got });
        }
        let budget = (self.budget)();
        let mut cache = self.cache.borrow_mut();
        for (n, data) in (block..).zip(bytes.chunks(BLOCK as usize)) {
            cache.put(self.block_id(n), data, budget);
        }
        Ok(bytes)
    }

    fn add(&self, delta: ReadStats) {
        self.stats.set(self.stats.get().plus(delta));
        count(delta);
    }
}

impl<F: Fn(u64, u64) -> StoreResult<Vec<u8>>> RangeRead for CachedFile<F> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()> {
        let end = offset.saturating_add(buf.len() as u64);
        if end > self.size {
            return Err(StoreError::Short {
                wanted: end,
                got: self.size,
            });
        }
        let mut at = offset;
        while at < end {
            let block = at / BLOCK;
            let known = self.cache.borrow_mut().get(&self.block_id(block));
            let (from, data): (u64, Rc<[u8]>) = match known {
                Some(data) => {
                    self.add(ReadStats {
                        cache_hits: 1,
                        ..ReadStats::default()
                    });
                    (block * BLOCK, data)
                }
                None => {
                    let blocks = self.plan(block, (end - 1) / BLOCK);
                    (block * BLOCK, self.request(block, blocks)?.into())
                }
            };
            let skip = usize::try_from(at - from).unwrap_or(usize::MAX);
            let done = usize::try_from(at - offset).unwrap_or(usize::MAX);
            let n = (data.len() - skip).min(buf.len() - done);
            buf[done..done + n].copy_from_slice(&data[skip..skip + n]);
            at += n as u64;
        }
        Ok(())
    }

    fn stats(&self) -> ReadStats {
        self.stats.get()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
