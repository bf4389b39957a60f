#![allow(clippy::expect_used, clippy::panic)]

use super::*;
use crate::cold::facts::HeadPages;
use crate::cold::sums::PageSums;
use proptest::prelude::*;

const MB: u64 = 1 << 20;

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

type Log = Rc<RefCell<Vec<(u64, u64)>>>;

/// A store in memory: what it was asked, and what it answers. Answers that are late come when they
/// are waited for, or polled once `arrived` says so.
struct Answers<A> {
    log: Log,
    answer: Rc<A>,
    arrived: Rc<Cell<bool>>,
}

struct Late<A> {
    start: u64,
    len: u64,
    answer: Rc<A>,
    arrived: Rc<Cell<bool>>,
}

impl<A: Fn(u64, u64) -> StoreResult<Vec<u8>> + 'static> Fetch for Answers<A> {
    fn begin(&self, start: u64, len: u64) -> StoreResult<Box<dyn InFlight>> {
        self.log.borrow_mut().push((start, len));
        Ok(Box::new(Late {
            start,
            len,
            answer: Rc::clone(&self.answer),
            arrived: Rc::clone(&self.arrived),
        }))
    }
}

impl<A: Fn(u64, u64) -> StoreResult<Vec<u8>>> InFlight for Late<A> {
    fn poll(&mut self) -> Option<StoreResult<Vec<u8>>> {
        self.arrived
            .get()
            .then(|| (self.answer)(self.start, self.len))
    }

    fn wait(self: Box<Self>) -> StoreResult<Vec<u8>> {
        (self.answer)(self.start, self.len)
    }
}

fn limits(cache: fn() -> u64) -> Limits {
    Limits {
        cache,
        read_ahead: || 4 * MB,
        may_request: || Ok(()),
        disk: || None,
    }
}

fn truth(start: u64, len: u64) -> StoreResult<Vec<u8>> {
    assert!(start.is_multiple_of(BLOCK) && len > 0);
    Ok((start..start + len).map(byte).collect())
}

/// Checksums of pages of 32 KiB, and the first page as the head.
fn facts(size: u64, head: bool) -> FileFacts {
    let page = |n: u64| truth_page(n * 32768);
    let sums = (0..size / 32768).map(|n| crc32fast::hash(&page(n)));
    FileFacts {
        head: match head {
            true => HeadPages::new(32768, vec![1], page(0)),
            false => HeadPages::default(),
        },
        sums: PageSums::new(32768, sums.collect()),
    }
}

fn truth_page(start: u64) -> Vec<u8> {
    (start..start + 32768).map(byte).collect()
}

/// A file that writes down every request.
fn with<A: Fn(u64, u64) -> StoreResult<Vec<u8>> + 'static>(
    size: u64,
    facts: FileFacts,
    limits: Limits,
    answer: A,
) -> (CachedFile<Answers<A>>, Log, Rc<Cell<bool>>) {
    let (log, arrived) = (Log::default(), Rc::new(Cell::new(false)));
    let answers = Answers {
        log: Rc::clone(&log),
        answer: Rc::new(answer),
        arrived: Rc::clone(&arrived),
    };
    let file = CachedFile::new(
        "1:key@etag".into(),
        "key".into(),
        size,
        Rc::new(facts),
        Rc::new(RefCell::new(BlockCache::default())),
        limits,
        answers,
    );
    (file, log, arrived)
}

/// A file of known bytes, the requests, and its cache.
fn file(size: u64, budget: fn() -> u64) -> (impl RangeRead, Log, Rc<RefCell<BlockCache>>) {
    let (file, log, _) = with(
        size,
        FileFacts::default(),
        limits(budget),
        move |start, len| {
            assert!(start + len <= size);
            truth(start, len)
        },
    );
    let cache = Rc::clone(&file.cache);
    (file, log, cache)
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
    let calls = Cell::new(0);
    let answer = move |_: u64, len: u64| {
        calls.set(calls.get() + 1);
        match calls.get() {
            1 => Err(StoreError::Missing),
            2 => Ok(vec![0; 5]),
            _ => Ok(vec![7; len as usize]),
        }
    };
    let (file, ..) = with(MB, FileFacts::default(), limits(|| MB), answer);
    let mut buf = [0; 10];
    assert_eq!(file.read_at(0, &mut buf), Err(StoreError::Missing));
    assert!(matches!(
        file.read_at(0, &mut buf),
        Err(StoreError::Short { got: 5, .. })
    ));
    assert_eq!(file.cache.borrow().bytes(), 0);
    assert_eq!(file.read_at(0, &mut buf), Ok(()));
    assert_eq!(buf, [7; 10]);
}

#[test]
fn contents_are_kept_apart() {
    let cache = Rc::new(RefCell::new(BlockCache::default()));
    let open = |id: &str, fill: u8| {
        let (mut file, ..) = with(100, FileFacts::default(), limits(|| MB), move |_, len| {
            Ok(vec![fill; len as usize])
        });
        file.id = id.into();
        file.cache = Rc::clone(&cache);
        file
    };
    let (a, b) = (open("1:k@a", 1), open("1:k@b", 2));
    let mut buf = [0; 1];
    for (file, fill) in [(&a, 1), (&b, 2), (&a, 1), (&b, 2)] {
        file.read_at(50, &mut buf).expect("in range");
        assert_eq!(buf, [fill]);
    }
    assert_eq!(a.stats().gets + b.stats().gets, 2);
}

#[test]
fn the_head_costs_nothing() {
    let (file, log, _) = with(MB, facts(MB, true), limits(|| MB), truth);
    check(&file, 0, 100);
    check(&file, 24, 16);
    check(&file, 0, 32768);
    assert_eq!((file.stats().gets, file.stats().cache_hits), (0, 3));
    check(&file, 32768, 32768);
    assert_eq!(log.borrow().len(), 1);
}

#[test]
fn changed_bits_are_asked_for_again_and_then_refused() {
    // once: somewhere on the way
    let calls = Cell::new(0);
    let once = move |start: u64, len: u64| {
        let mut bytes = truth(start, len)?;
        calls.set(calls.get() + 1);
        if calls.get() == 1 {
            bytes[40_000] ^= 16;
        }
        Ok(bytes)
    };
    let (file, log, _) = with(MB, facts(MB, false), limits(|| MB), once);
    check(&file, 0, 32768);
    check(&file, 32768, 32768);
    assert_eq!(log.borrow().len(), 2);
    // always: in the store
    let always = |start: u64, len: u64| {
        let mut bytes = truth(start, len)?;
        bytes[40_000] ^= 16;
        Ok(bytes)
    };
    let (file, log, _) = with(MB, facts(MB, false), limits(|| MB), always);
    let mut buf = vec![0; 32768];
    assert_eq!(file.read_at(0, &mut buf), Err(StoreError::Damaged(2)));
    assert_eq!(log.borrow().len(), 2);
    assert_eq!(file.cache.borrow().bytes(), 0, "nothing of it is kept");
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

#[path = "cache_stream_tests.rs"]
mod streams;
