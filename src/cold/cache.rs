//! Blocks of remote files in memory, and the reading of a file through them.
//!
//! A block is fetched once: a read that meets a request under way waits for it. What comes back is
//! compared with the page checksums before it is kept or shown.

use crate::cold::blocks::{BlockCache, BlockId};
use crate::cold::facts::FileFacts;
use crate::cold::flights::{Flight, Held, has_room};
use crate::cold::readahead::{GAP, ReadAhead};
use crate::cold::store::{Hint, Limits, RangeRead, ReadStats, StoreError, StoreResult, count};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

pub use crate::cold::flights::InFlight;

/// Unit of caching and alignment of requests.
pub const BLOCK: u64 = 64 * 1024;

/// Largest request for what one read needs, in blocks (8 MiB).
const REQUEST_MAX: u64 = 128;

/// Requests of one file that may be under way beside the one that is waited for.
const FLIGHTS: usize = 4;

/// Where the bytes of a file come from.
pub trait Fetch {
    /// Asks for bytes of the file, and comes back at once.
    fn begin(&self, start: u64, len: u64) -> StoreResult<Box<dyn InFlight>>;

    /// A block that lies nearer than the store: on the local disk.
    fn near(&self, _block: u64) -> Option<Vec<u8>> {
        None
    }

    /// A block from the store, checked: may be kept nearer.
    fn keep(&self, _block: u64, _data: &[u8]) {}
}

/// A remote file behind the cache.
pub struct CachedFile<F> {
    id: Rc<str>,
    /// for the statistics
    key: Rc<str>,
    size: u64,
    facts: Rc<FileFacts>,
    cache: Rc<RefCell<BlockCache>>,
    limits: Limits,
    fetch: F,
    ahead: RefCell<ReadAhead>,
    flights: RefCell<Vec<Flight>>,
    stats: Cell<ReadStats>,
}

impl<F: Fetch> CachedFile<F> {
    /// `id` names the content: the same id must always mean the same bytes.
    pub fn new(
        id: Rc<str>,
        key: Rc<str>,
        size: u64,
        facts: Rc<FileFacts>,
        cache: Rc<RefCell<BlockCache>>,
        limits: Limits,
        fetch: F,
    ) -> Self {
        CachedFile {
            id,
            key,
            size,
            facts,
            cache,
            limits,
            fetch,
            ahead: RefCell::default(),
            flights: RefCell::default(),
            stats: Cell::default(),
        }
    }

    fn block_id(&self, block: u64) -> BlockId {
        (Rc::clone(&self.id), block)
    }

    /// True for a block that is neither here nor on its way.
    fn missing(&self, block: u64) -> bool {
        let flights = self.flights.borrow();
        !self.cache.borrow().contains(&self.block_id(block))
            && !flights.iter().any(|f| f.brings(block))
    }

    /// How many blocks to ask for from the missing `block`, for a read that ends in `last`.
    fn plan(&self, block: u64, last: u64) -> u64 {
        // one request for all misses of this read, unless a long cached stretch lies between
        let mut needed = 1;
        for next in block + 1..=last.min(block + REQUEST_MAX - 1) {
            let gap = next - (block + needed);
            if gap > GAP {
                break;
            }
            if self.missing(next) {
                needed = next - block + 1;
            }
        }
        let blocks = self.size.div_ceil(BLOCK) - block;
        let max = cap(&self.limits);
        let mut n = self.ahead.borrow_mut().take(block, needed, max).min(blocks);
        while n > needed && !self.missing(block + n - 1) {
            n -= 1;
        }
        n
    }

    fn begin(&self, block: u64, blocks: u64) -> StoreResult<Flight> {
        (self.limits.may_request)()?;
        let start = block * BLOCK;
        let len = (blocks * BLOCK).min(self.size - start);
        let answer = self.fetch.begin(start, len)?;
        self.add(ReadStats {
            gets: 1,
            ..ReadStats::default()
        });
        Ok(Flight {
            block,
            blocks,
            answer,
            held: Held::new(len),
        })
    }

    /// Asks for bytes that nobody waits for, if there is room for them.
    fn begin_early(&self, block: u64, blocks: u64) -> StoreResult<bool> {
        let room = has_room(blocks * BLOCK, (self.limits.cache)());
        if room {
            let flight = self.begin(block, blocks)?;
            self.flights.borrow_mut().push(flight);
        }
        Ok(room)
    }

    /// Waits for a request. No borrow is held here: the wait may end in a panic (query cancelled).
    fn wait(&self, flight: Flight) -> StoreResult<Vec<u8>> {
        let (block, blocks, _held) = (flight.block, flight.blocks, flight.held);
        let begun = Instant::now();
        let answer = flight.answer.wait();
        let wait = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.add(ReadStats {
            wait_us: wait,
            ..ReadStats::default()
        });
        self.land(block, blocks, answer)
    }

    /// Takes in what came back.
    fn land(&self, block: u64, blocks: u64, answer: StoreResult<Vec<u8>>) -> StoreResult<Vec<u8>> {
        let bytes = answer?;
        let start = block * BLOCK;
        let wanted = (blocks * BLOCK).min(self.size - start);
        let got = bytes.len() as u64;
        self.add(ReadStats {
            bytes: got,
            ..ReadStats::default()
        });
        if got != wanted {
            return Err(StoreError::Short { wanted, got });
        }
        self.check(start, &bytes)?;
        let budget = (self.limits.cache)();
        for (n, data) in (block..).zip(bytes.chunks(BLOCK as usize)) {
            self.cache.borrow_mut().put(self.block_id(n), data, budget);
            self.fetch.keep(n, data);
        }
        Ok(bytes)
    }

    fn check(&self, start: u64, bytes: &[u8]) -> StoreResult<()> {
        let damaged = self.facts.sums.as_ref();
        match damaged.and_then(|sums| sums.damaged(start, bytes)) {
            None => Ok(()),
            Some(page) => Err(StoreError::Damaged(page)),
        }
    }

    /// Asks and waits. Bits that changed on the way are asked for once more.
    fn request(&self, block: u64, blocks: u64) -> StoreResult<Vec<u8>> {
        match self.begin(block, blocks).and_then(|f| self.wait(f)) {
            Err(StoreError::Damaged(_)) => self.begin(block, blocks).and_then(|f| self.wait(f)),
            other => other,
        }
    }

    /// Removes the request that brings this block.
    fn take_flight(&self, block: u64) -> Option<Flight> {
        let mut flights = self.flights.borrow_mut();
        let at = flights.iter().position(|f| f.brings(block))?;
        Some(flights.swap_remove(at))
    }

    /// Lets the next window of a stream come while this one is worked on.
    fn stream_on(&self) {
        if !self.flights.borrow().is_empty() {
            return;
        }
        let next = self.ahead.borrow_mut().ahead(cap(&self.limits));
        let last = self.size.div_ceil(BLOCK);
        if let Some((block, blocks)) = next
            && block < last
            && self.missing(block)
        {
            // without it the read that needs these bytes asks by itself
            let _ = self.begin_early(block, blocks.min(last - block));
        }
    }

    /// The bytes from a missing block on: from a request under way, the disk, or a new request.
    fn obtain(&self, block: u64, last: u64) -> StoreResult<(u64, Rc<[u8]>)> {
        if let Some(flight) = self.take_flight(block) {
            let from = flight.block;
            // one that failed in the background is asked again, by somebody who waits
            if let Ok(bytes) = self.wait(flight) {
                self.stream_on();
                return Ok((from * BLOCK, bytes.into()));
            }
        }
        if let Some(data) = self.on_disk(block) {
            return Ok((block * BLOCK, data));
        }
        let blocks = self.plan(block, last);
        let bytes = self.request(block, blocks)?;
        self.stream_on();
        Ok((block * BLOCK, bytes.into()))
    }

    fn on_disk(&self, block: u64) -> Option<Rc<[u8]>> {
        let data = self.fetch.near(block)?;
        let start = block * BLOCK;
        let whole = data.len() as u64 == BLOCK.min(self.size - start);
        if !whole || self.check(start, &data).is_err() {
            return None;
        }
        let budget = (self.limits.cache)();
        self.cache
            .borrow_mut()
            .put(self.block_id(block), &data, budget);
        self.hit();
        Some(data.into())
    }

    fn hit(&self) {
        self.add(ReadStats {
            cache_hits: 1,
            ..ReadStats::default()
        });
    }

    fn add(&self, delta: ReadStats) {
        self.stats.set(self.stats.get().plus(delta));
        count(&self.key, delta);
    }

    /// Fills `buf` from the head, if it lies there.
    fn in_head(&self, offset: u64, buf: &mut [u8]) -> bool {
        let Some(known) = self.facts.head.get(offset, buf.len()) else {
            return false;
        };
        buf.copy_from_slice(known);
        self.hit();
        true
    }

    fn check_end(&self, offset: u64, len: usize) -> StoreResult<u64> {
        let end = offset.saturating_add(len as u64);
        if end > self.size {
            return Err(StoreError::Short {
                wanted: end,
                got: self.size,
            });
        }
        Ok(end)
    }

    fn known(&self, block: u64) -> Option<Rc<[u8]>> {
        self.cache.borrow_mut().get(&self.block_id(block))
    }
}

/// Cap of reading ahead, in blocks. A small cache must hold what is read ahead until it is used.
fn cap(limits: &Limits) -> u64 {
    let bytes = (limits.read_ahead)().min((limits.cache)() / 4);
    (bytes / BLOCK).clamp(1, REQUEST_MAX)
}

/// Copies what `data`, which lies at `from`, has of the read at `offset`; how far it got.
fn copy(buf: &mut [u8], offset: u64, at: u64, from: u64, data: &[u8]) -> u64 {
    let skip = usize::try_from(at - from).unwrap_or(usize::MAX);
    let done = usize::try_from(at - offset).unwrap_or(usize::MAX);
    let n = (data.len() - skip).min(buf.len() - done);
    buf[done..done + n].copy_from_slice(&data[skip..skip + n]);
    at + n as u64
}

impl<F: Fetch> RangeRead for CachedFile<F> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()> {
        let end = self.check_end(offset, buf.len())?;
        if self.in_head(offset, buf) {
            return Ok(());
        }
        let mut at = offset;
        while at < end {
            let block = at / BLOCK;
            let (from, data) = match self.known(block) {
                Some(data) => {
                    self.hit();
                    (block * BLOCK, data)
                }
                None => self.obtain(block, (end - 1) / BLOCK)?,
            };
            at = copy(buf, offset, at, from, &data);
        }
        Ok(())
    }

    fn read_if_here(&self, offset: u64, buf: &mut [u8]) -> StoreResult<bool> {
        let end = self.check_end(offset, buf.len())?;
        if self.in_head(offset, buf) {
            return Ok(true);
        }
        let mut at = offset;
        while at < end {
            let block = at / BLOCK;
            let landed = match self.take_flight(block) {
                None => self.known(block).map(|data| (block * BLOCK, data)),
                Some(mut flight) => match flight.answer.poll() {
                    None => {
                        self.flights.borrow_mut().push(flight);
                        return Ok(false);
                    }
                    Some(answer) => {
                        let bytes = self.land(flight.block, flight.blocks, answer)?;
                        Some((flight.block * BLOCK, bytes.into()))
                    }
                },
            };
            let landed = landed.or_else(|| Some((block * BLOCK, self.on_disk(block)?)));
            let Some((from, data)) = landed else {
                if self.flights.borrow().len() < FLIGHTS {
                    self.begin_early(block, self.plan(block, (end - 1) / BLOCK))?;
                }
                return Ok(false);
            };
            at = copy(buf, offset, at, from, &data);
        }
        Ok(true)
    }

    fn hint(&self, hint: Hint) {
        let mut ahead = self.ahead.borrow_mut();
        match hint {
            Hint::Unknown => ahead.forget_stream(),
            Hint::Range { start, end } => {
                ahead.stream(start / BLOCK, end.min(self.size).div_ceil(BLOCK));
            }
        }
    }

    fn rest(&self) {
        for mut flight in self.flights.take() {
            // what has come is of use to the next query; what failed will fail for it, too
            if let Some(answer) = flight.answer.poll() {
                let _ = self.land(flight.block, flight.blocks, answer);
            }
        }
    }

    fn stats(&self) -> ReadStats {
        self.stats.get()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
