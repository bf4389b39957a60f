#![allow(clippy::expect_used, clippy::panic)]

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
        assert!(start.is_multiple_of(BLOCK) && start + len <= size && len > 0);
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
