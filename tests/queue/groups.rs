//! Groups: of the jobs of a queue with one group key only so many are ready or running.

use crate::common::{fails, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;
use std::sync::atomic::{AtomicUsize, Ordering};

fn push(session: &mut Client, group: &str, payload: usize) -> i64 {
    let sql = format!("SELECT strata.queue_push('q', '{payload}', group_key => '{group}')");
    one(session, &sql).parse().expect("an id")
}

/// Payloads and claims that a pop gives.
fn pop(session: &mut Client, n: usize) -> Vec<(String, String)> {
    let sql = format!("SELECT payload, claim FROM strata.queue_pop('q', n => {n})");
    let got = rows(session, &sql);
    got.lines()
        .map(|line| line.split_once('|').expect("two columns"))
        .map(|(payload, claim)| (payload.to_owned(), claim.to_owned()))
        .collect()
}

fn complete(session: &mut Client, claim: &str) {
    let done = one(
        session,
        &format!("SELECT strata.queue_complete('q', {claim})"),
    );
    assert_eq!(done, "t");
}

/// Pops one job, as soon as there is one.
fn next(session: &mut Client) -> (String, String) {
    let mut got = Vec::new();
    wait_until("a job is ready", || {
        got = pop(session, 1);
        !got.is_empty()
    });
    got.remove(0)
}

#[test]
fn with_a_limit_of_one_a_group_is_strictly_in_order() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "groups_order");
        let mut s = db.session();
        for n in 1..=5 {
            push(&mut s, "a", n);
        }
        push(&mut s, "b", 100);
        let mut first = Vec::new();
        wait_until("both heads are ready", || {
            first.extend(pop(&mut s, 10));
            first.len() >= 2
        });
        first.sort();
        let payloads: Vec<&str> = first.iter().map(|(p, _)| p.as_str()).collect();
        assert_eq!(payloads, ["1", "100"], "one of each group");
        assert!(pop(&mut s, 10).is_empty(), "while the heads run");
        complete(&mut s, &first[1].1);
        assert!(pop(&mut s, 10).is_empty(), "the other group is its own");
        let mut claim = first[0].1.clone();
        for n in 2..=5 {
            let sql =
                format!("SELECT payload, claim FROM strata.queue_next('q', done => '{{{claim}}}')");
            let got = rows(&mut s, &sql);
            let (payload, next) = got.split_once('|').expect("the next one of the group");
            assert_eq!(payload, n.to_string());
            claim = next.to_owned();
        }
        complete(&mut s, &claim);
        let left = "SELECT (SELECT count(*) FROM strata.queue_ticket_a) + (SELECT count(*) FROM strata.queue_held_a)";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn what_is_undone_gives_nobody_a_place() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "groups_undone");
        let (mut a, mut b) = (db.session(), db.session());
        exec(&mut a, "BEGIN");
        push(&mut a, "a", 1);
        exec(&mut a, "ROLLBACK");
        push(&mut a, "a", 2);
        push(&mut a, "a", 3);
        // a claim and the place that came with it are undone together
        exec(&mut a, "BEGIN; SAVEPOINT s");
        assert_eq!(next(&mut a).0, "2");
        exec(&mut a, "ROLLBACK TO s; ROLLBACK");
        let (payload, claim) = next(&mut b);
        assert_eq!(payload, "2");
        exec(&mut a, "BEGIN");
        complete(&mut a, &claim);
        assert_eq!(next(&mut a).0, "3", "the next one, in the same transaction");
        exec(&mut a, "ROLLBACK");
        assert!(pop(&mut b, 5).is_empty(), "the second runs still");
        complete(&mut a, &claim);
        assert_eq!(next(&mut b).0, "3");
    }
}

#[test]
fn an_open_push_to_a_key_delays_nobody() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "groups_open");
        let (mut a, mut b) = (db.session(), db.session());
        exec(&mut b, "SET statement_timeout = '20s'");
        exec(&mut a, "BEGIN");
        push(&mut a, "a", 1);
        push(&mut b, "a", 2);
        push(&mut b, "b", 3);
        // between two groups the one that was admitted first goes first
        let mut got = [next(&mut b), next(&mut b)];
        got.sort();
        let [first, second] = got;
        assert_eq!((first.0.as_str(), second.0.as_str()), ("2", "3"));
        push(&mut b, "a", 4);
        complete(&mut b, &first.1);
        complete(&mut b, &second.1);
        assert_eq!(next(&mut b).0, "4");
        exec(&mut a, "COMMIT");
        assert!(pop(&mut b, 5).is_empty(), "the fourth runs");
    }
}

#[test]
fn a_limit_of_its_own_lets_more_or_less_run() {
    let db = with_queue(preloaded(), "groups_limit");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_limit('q', 'a', 3)");
    for n in 1..=10 {
        push(&mut s, "a", n);
    }
    // the background worker may be admitting them at this moment
    let mut got = Vec::new();
    wait_until("three are admitted", || {
        got.extend(pop(&mut s, 10));
        got.len() >= 3
    });
    assert_eq!(got.len(), 3);
    exec(&mut s, "SELECT strata.queue_limit('q', 'a', NULL)");
    complete(&mut s, &got[0].1);
    complete(&mut s, &got[1].1);
    assert!(pop(&mut s, 10).is_empty(), "one runs, and one may");
    exec(&mut s, "SELECT strata.queue_limit('q', 'a', 2)");
    let next_one = next(&mut s);
    assert_eq!(next_one.0, "4", "in order");
    exec(&mut s, "SELECT strata.queue_limit('q', 'a', 0)");
    complete(&mut s, &got[2].1);
    complete(&mut s, &next_one.1);
    assert!(pop(&mut s, 10).is_empty());
    exec(&mut s, "SELECT strata.queue_limit('q', 'a', 100)");
    let mut admitted = 0;
    wait_until("the others are admitted", || {
        admitted += pop(&mut s, 10).len();
        admitted == 6
    });
    fails(
        &mut s,
        "SELECT strata.queue_limit('q', 'a', -1)",
        "22023",
        &["max_running"],
    );
    fails(
        &mut s,
        "SELECT strata.queue_limit('q', NULL, 1)",
        "22004",
        &["group_key"],
    );
    fails(
        &mut s,
        "SELECT strata.queue_limit('none', 'a', 1)",
        "42704",
        &["\"none\""],
    );
}

#[test]
fn a_full_key_does_not_delay_another() {
    let db = with_queue(preloaded(), "groups_full");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '0', group_key => 'full') FROM generate_series(1, 100000)",
    );
    let (_, claim) = next(&mut s);
    push(&mut s, "other", 1);
    // pages that a pop looks at, however fast the machine is; the worker may be admitting the job just now
    let mut plan = String::new();
    wait_until("the job of the other key is given", || {
        plan = rows(
            &mut s,
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) SELECT * FROM strata.queue_pop('q')",
        );
        plan.contains("rows=1 ") || plan.contains("rows=1.00 ")
    });
    let pages: usize = plan
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '=')
        .filter_map(|word| word.strip_prefix("hit=").or(word.strip_prefix("read=")))
        .filter_map(|n| n.parse::<usize>().ok())
        .max()
        .unwrap_or(0);
    assert!(pages < 1_000, "{plan}");
    complete(&mut s, &claim);
    assert_eq!(next(&mut s).0, "0", "the next one of the full key");
}

/// Claims, works and ends jobs of two groups with a limit of `limit`, and counts who runs at once.
fn churn(db: &Db<'_>, running: &[AtomicUsize; 2], most: &[AtomicUsize; 2], left: &AtomicUsize) {
    let mut s = db.session();
    let mut turn = 0;
    while left.load(Ordering::SeqCst) > 0 {
        turn += 1;
        for (payload, claim) in pop(&mut s, 2) {
            let group = usize::from(payload == "1");
            let now = running[group].fetch_add(1, Ordering::SeqCst) + 1;
            most[group].fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            running[group].fetch_sub(1, Ordering::SeqCst);
            if turn % 5 == 0 {
                exec(&mut s, "BEGIN");
                complete(&mut s, &claim);
                exec(&mut s, "ROLLBACK");
            }
            complete(&mut s, &claim);
            left.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_limit_is_never_exceeded_and_nobody_is_left() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "groups_churn");
        const JOBS: usize = 600;
        db.run("SELECT strata.queue_limit('q', 'g0', 3), strata.queue_limit('q', 'g1', 2)");
        let (running, most) = (
            [const { AtomicUsize::new(0) }; 2],
            [const { AtomicUsize::new(0) }; 2],
        );
        let left = AtomicUsize::new(JOBS);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut s = db.session();
                    for n in 0..JOBS / 2 {
                        push(&mut s, &format!("g{}", n % 2), n % 2);
                    }
                });
            }
            for _ in 0..12 {
                scope.spawn(|| churn(&db, &running, &most, &left));
            }
        });
        let most = most.map(AtomicUsize::into_inner);
        assert!(most[0] <= 3 && most[1] <= 2, "{most:?}");
        assert!(pop(&mut db.session(), 10).is_empty());
    }
}
