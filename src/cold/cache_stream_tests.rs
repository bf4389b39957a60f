//! Streams, requests in the background, budgets.

use super::*;

#[test]
fn a_stream_is_fetched_once_and_in_few_requests() {
    let size = 40 * MB;
    let (file, log, _) = with(size, FileFacts::default(), limits(|| 64 * MB), truth);
    file.hint(Hint::Range {
        start: 4 * MB,
        end: 36 * MB,
    });
    for page in 4 * MB / 32768..36 * MB / 32768 {
        check(&file, page * 32768, 32768);
    }
    let stats = file.stats();
    assert_eq!(stats.bytes, 32 * MB);
    assert!(stats.gets <= 9, "{:?}", log.borrow());
    // a range of less than a megabyte is one request
    let (file, log, _) = with(size, FileFacts::default(), limits(|| 64 * MB), truth);
    file.hint(Hint::Range {
        start: 5 * MB + 32768,
        end: 5 * MB + 700_000,
    });
    for page in 0..20 {
        check(&file, 5 * MB + 32768 + page * 32768, 32768);
    }
    assert_eq!(*log.borrow(), [(5 * MB, 11 * BLOCK)]);
}

#[test]
fn a_stream_that_ends_early_has_asked_for_little() {
    let (file, log, _) = with(40 * MB, FileFacts::default(), limits(|| 64 * MB), truth);
    file.hint(Hint::Range {
        start: 0,
        end: 40 * MB,
    });
    for page in 0..10 {
        check(&file, page * 32768, 32768);
    }
    assert_eq!(*log.borrow(), [(0, MB)]);
}

#[test]
fn what_is_not_here_is_asked_for_and_found_later() {
    let (file, log, arrived) = with(MB, FileFacts::default(), limits(|| MB), truth);
    let mut buf = vec![0; 32768];
    let at = 10 * BLOCK;
    assert_eq!(file.read_if_here(at, &mut buf), Ok(false));
    assert_eq!(file.read_if_here(at, &mut buf), Ok(false));
    assert_eq!(log.borrow().len(), 1, "asked once");
    arrived.set(true);
    assert_eq!(file.read_if_here(at, &mut buf), Ok(true));
    assert!(buf.iter().zip(at..).all(|(b, at)| *b == byte(at)));
    // a read that waits takes over what is on its way
    arrived.set(false);
    assert_eq!(file.read_if_here(14 * BLOCK, &mut buf), Ok(false));
    check(&file, 14 * BLOCK, 32768);
    assert_eq!(log.borrow().len(), 2);
    assert_eq!(file.stats().bytes, 2 * BLOCK);
}

#[test]
fn a_request_that_failed_in_the_background_is_asked_again() {
    let calls = Cell::new(0);
    let answer = move |start, len| {
        calls.set(calls.get() + 1);
        match calls.get() {
            1 => Err(StoreError::Timeout("test".into())),
            _ => truth(start, len),
        }
    };
    let (file, log, _) = with(MB, FileFacts::default(), limits(|| MB), answer);
    let mut buf = vec![0; 32768];
    assert_eq!(file.read_if_here(BLOCK, &mut buf), Ok(false));
    check(&file, BLOCK, 32768);
    assert_eq!(log.borrow().len(), 2);
}

#[test]
fn no_request_beyond_the_budget() {
    thread_local! {
        static LEFT: Cell<u32> = const { Cell::new(2) };
    }
    let limits = Limits {
        may_request: || {
            let left = LEFT.get().checked_sub(1).ok_or(StoreError::Budget(2))?;
            LEFT.set(left);
            Ok(())
        },
        ..limits(|| MB)
    };
    let (file, log, _) = with(MB, FileFacts::default(), limits, truth);
    check(&file, 2 * BLOCK, 10);
    check(&file, 6 * BLOCK, 10);
    let mut buf = [0; 10];
    assert_eq!(
        file.read_at(9 * BLOCK, &mut buf),
        Err(StoreError::Budget(2))
    );
    check(&file, 2 * BLOCK, 10);
    assert_eq!(log.borrow().len(), 2);
}

/// With many files open, what nobody waits for yet stays within half of the cache over all of them.
#[test]
fn requests_in_the_background_share_a_bound() {
    let stream = || {
        let parts = with(16 * MB, FileFacts::default(), limits(|| 16 * MB), truth);
        parts.0.hint(Hint::Range {
            start: 0,
            end: 16 * MB,
        });
        parts
    };
    let third = (5 * MB, 4 * MB);
    let go_on = |file: &CachedFile<_>, log: &Log| {
        check(file, 0, 32768);
        check(file, MB, 32768);
        log.borrow().contains(&third)
    };
    let files: Vec<_> = (0..4).map(|_| stream()).collect();
    let early: Vec<bool> = files.iter().map(|(f, log, _)| go_on(f, log)).collect();
    assert_eq!(early, [true, true, false, false]);
    // none is lost by that
    check(&files[2].0, 5 * MB, 32768);
    // what has come is kept when the reader leaves, the rest is given up
    files[0].2.set(true);
    files[0].0.rest();
    files[1].0.rest();
    let asked = |n: usize| files[n].1.borrow().len();
    let before = [asked(0), asked(1)];
    check(&files[0].0, 6 * MB, 32768);
    check(&files[1].0, 6 * MB, 32768);
    assert_eq!(asked(0), before[0]);
    assert!(asked(1) > before[1]);
    // and there is room again
    let (file, log, _) = stream();
    assert!(go_on(&file, &log));
}
