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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MB: u64 = 1 << 20;

    fn byte(at: u64) -> u8 {
        (at.wrapping_mul(2_654_435_761) >> 13) as u8
    }

    type Log = Rc<RefCell<Vec<(u64, u64)>>>;

    /// A file of known bytes that writes down every request.
    fn file(size: u64, budget: fn() -> u64) -> (impl RangeRead, Log, Rc<RefCell<BlockCache>>) {
        let log = Log::default();
        let cache = Rc::new(RefCell::new(BlockCache::default()));
        let requests = Rc::clone(&log);
        let fetch = move |start: u64, len: u64| {
            requests.borrow_mut().push((start, len));
            assert!(start % BLOCK == 0 && start + len <= size && len > 0);
            Ok((start..start + len).map(byte).collect())
        };
        let id: Rc<str> = "1:key@etag".into();
        (
            CachedFile::new(id, size, Rc::clone(&cache), budget, fetch),
            log,
            cache,
        )
    }

    fn check(file: &impl RangeRead, offset: u64, len: usize) {
        let mut buf = vec![0; len];
        file.read_at(offset, &mut buf).expect("in range");
        assert!(buf.iter().zip(offset..).all(|(b, at)| *b == byte(at)));
    }

    #[test]
    fn a_full_scan_asks_for_four_megabytes_at_a_time() {
        let (file, log, _) = file(40 * MB, || 64 << 20);
        for page in 0..40 * MB / 32768 {
            check(&file, page * 32768, 32768);
        }
        let stats = file.stats();
        assert_eq!(stats.bytes, 40 * MB, "nothing is fetched twice");
        assert!(stats.gets <= 17, "{} requests", stats.gets);
        assert_eq!(stats.gets, log.borrow().len() as u64);
        assert!(log.borrow().iter().all(|(_, len)| *len <= 4 * MB));
        let hits = stats.cache_hits;
        check(&file, 20 * MB, 32768);
        assert_eq!(file.stats().gets, stats.gets, "the second time is free");
        assert_eq!(file.stats().cache_hits, hits + 1);
    }

    #[test]
    fn lookups_fetch_single_blocks() {
        let (file, log, _) = file(60 * MB, || 64 << 20);
        for page in [0, 1, 2, 3, 1500, 400, 1000, 1900, 700] {
            check(&file, page * 32768, 32768);
        }
        assert_eq!(file.stats().gets, 6, "{:?}", log.borrow());
        assert_eq!(
            log.borrow()[0],
            (0, 4 * BLOCK),
            "the opening takes the interior pages"
        );
        assert!(log.borrow()[1..].iter().all(|(_, len)| *len == BLOCK));
    }

    #[test]
    fn three_interleaved_scans_keep_their_heads() {
        let (file, _, _) = file(60 * MB, || 64 << 20);
        for page in 0..256 {
            for third in [1, 20, 40] {
                check(&file, third * MB + page * 32768, 32768);
            }
        }
        // 8 MB each: 64 KiB, 128, ... 4 MiB
        assert!(file.stats().gets <= 24, "{}", file.stats().gets);
    }

    #[test]
    fn a_backward_scan_costs_one_request_per_block() {
        let (file, _, _) = file(8 * MB, || 64 << 20);
        for page in (0..8 * MB / 32768).rev() {
            check(&file, page * 32768, 32768);
        }
        assert!(file.stats().gets <= 128 && file.stats().bytes <= 9 * MB);
    }

    #[test]
    fn the_budget_holds_and_limits_read_ahead() {
        let (file, log, cache) = file(16 * MB, || 1 << 20);
        for page in 0..16 * MB / 32768 {
            check(&file, page * 32768, 32768);
            assert!(cache.borrow().bytes() <= MB);
        }
        assert!(log.borrow().iter().all(|(_, len)| *len <= MB / 4));
        assert_eq!(file.stats().bytes, 16 * MB);
        cache.borrow_mut().clear();
        assert_eq!(cache.borrow().bytes(), 0);
    }

    #[test]
    fn no_budget_at_all_still_reads() {
        let (file, _, cache) = file(MB, || 0);
        check(&file, 3, 200_000);
        assert_eq!(cache.borrow().bytes(), 0);
    }

    #[test]
    fn beyond_the_end_is_short_and_costs_nothing() {
        let (file, log, _) = file(100_000, || 64 << 20);
        let mut buf = [0; 10];
        let wanted = StoreError::Short {
            wanted: 100_005,
            got: 100_000,
        };
        assert_eq!(file.read_at(99_995, &mut buf), Err(wanted));
        check(&file, 99_990, 10);
        assert!(file.read_at(u64::MAX - 3, &mut buf).is_err());
        check(&file, 100_000, 0);
        assert_eq!(log.borrow().len(), 1);
    }

    #[test]
    fn a_failed_request_leaves_no_block() {
        let cache = Rc::new(RefCell::new(BlockCache::default()));
        let calls = Rc::new(Cell::new(0));
        let seen = Rc::clone(&calls);
        let fetch = move |_: u64, len: u64| {
            seen.set(seen.get() + 1);
            match seen.get() {
                1 => Err(StoreError::Missing),
                2 => Ok(vec![0; 5]),
                _ => Ok(vec![7; len as usize]),
            }
        };
        let file = CachedFile::new("x".into(), MB, Rc::clone(&cache), || MB, fetch);
        let mut buf = [0; 10];
        assert_eq!(file.read_at(0, &mut buf), Err(StoreError::Missing));
        assert!(matches!(
            file.read_at(0, &mut buf),
            Err(StoreError::Short { got: 5, .. })
        ));
        assert_eq!(cache.borrow().bytes(), 0);
        assert_eq!(file.read_at(0, &mut buf), Ok(()));
        assert_eq!(buf, [7; 10]);
    }

    #[test]
    fn contents_are_kept_apart() {
        let cache = Rc::new(RefCell::new(BlockCache::default()));
        let open = |id: &str, fill: u8| {
            let fetch = move |_: u64, len: u64| Ok(vec![fill; len as usize]);
            CachedFile::new(id.into(), 100, Rc::clone(&cache), || MB, fetch)
        };
        let (a, b) = (open("1:k@a", 1), open("1:k@b", 2));
        let mut buf = [0; 1];
        for (file, fill) in [(&a, 1), (&b, 2), (&a, 1), (&b, 2)] {
            file.read_at(50, &mut buf).expect("in range");
            assert_eq!(buf, [fill]);
        }
        assert_eq!(a.stats().gets + b.stats().gets, 2);
    }

    proptest! {
        #[test]
        fn any_reads_give_the_bytes(
            size in 1..3 * MB,
            reads in proptest::collection::vec((0.0..1.0f64, 0usize..300_000), 1..40),
        ) {
            let (file, _, _) = file(size, || 700_000);
            for (place, len) in reads {
                let offset = (place * size as f64) as u64;
                check(&file, offset, len.min((size - offset) as usize));
            }
        }
    }
}
