//! Bounded queues take only so many waiting jobs.

use crate::common::{fails, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, rows};
use postgres::Client;
use std::sync::atomic::{AtomicUsize, Ordering};

fn bounded<'a>(server: &'a crate::common::Cluster, name: &'a str, max: usize) -> Db<'a> {
    let db = Db::new(server, name);
    db.run(&format!(
        "SELECT strata.create_queue('q', max_ready => {max})"
    ));
    db
}

fn push_all(session: &mut Client, n: usize) {
    exec(
        session,
        &format!("SELECT strata.queue_push('q', '1') FROM generate_series(1, {n})"),
    );
}

const ONE: &str = "SELECT strata.queue_push('q', '1')";

fn is_full(session: &mut Client) {
    let error = fails(session, ONE, "53400", &["\"q\"", "max_ready is"]);
    assert!(error.hint().is_some_and(|h| h.contains("alter_queue")));
}

#[test]
fn a_full_queue_takes_no_job_until_one_is_claimed() {
    for server in [preloaded(), plain()] {
        let db = bounded(server, "bounded", 10);
        let (mut a, mut b) = (db.session(), db.session());
        push_all(&mut a, 9);
        push_all(&mut b, 1);
        is_full(&mut a);
        is_full(&mut b);
        let claim = one(&mut b, "SELECT claim FROM strata.queue_pop('q')");
        one(&mut a, ONE);
        is_full(&mut a);
        exec(
            &mut b,
            &format!("SELECT strata.queue_complete('q', {claim})"),
        );
        is_full(&mut b);
        // a place that was not kept
        exec(&mut b, "SELECT FROM strata.queue_pop('q')");
        exec(&mut a, &format!("BEGIN; {ONE}"));
        exec(&mut a, "ROLLBACK");
        one(&mut b, ONE);
        is_full(&mut b);
        // a claim that was not kept
        exec(
            &mut a,
            "BEGIN; SELECT FROM strata.queue_pop('q', n => 3); ROLLBACK",
        );
        wait_until("they wait again", || {
            let error = b.batch_execute(ONE).err();
            error.is_some_and(|e| e.code().is_some_and(|c| c.code() == "53400"))
        });
        exec(&mut b, "SELECT strata.alter_queue('q', max_ready => 1000)");
        push_all(&mut a, 900);
    }
}

#[test]
fn a_full_queue_counts_members_that_wait_but_no_duplicates() {
    let db = bounded(preloaded(), "bounded_members", 5);
    let mut s = db.session();
    for n in 1..=5 {
        one(
            &mut s,
            &format!("SELECT strata.queue_push('q', '1', 'k{n}', group_key => 'g')"),
        );
    }
    is_full(&mut s);
    fails(
        &mut s,
        "SELECT strata.queue_push('q', '1', group_key => 'h')",
        "53400",
        &[],
    );
    assert_eq!(one(&mut s, "SELECT strata.queue_push('q', '1', 'k1')"), "");
    let replaced =
        "SELECT strata.queue_push('q', '2', 'k1', on_duplicate => 'replace') IS NOT NULL";
    assert_eq!(one(&mut s, replaced), "t", "no job more than before");
    fails(
        &mut s,
        "SELECT strata.queue_push('q', '1', 'new')",
        "53400",
        &[],
    );
    let free = "SELECT count(*) FROM strata.queue_key_a WHERE key = 'new'";
    assert_eq!(one(&mut s, free), "0", "the key was not taken");
}

#[test]
fn the_limit_is_exact_but_for_what_is_under_way() {
    const MAX: usize = 50;
    for server in [preloaded(), plain()] {
        let db = bounded(server, "bounded_race", MAX);
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut s = db.session();
                    while taken.load(Ordering::Relaxed) < 600 {
                        let _ = s.batch_execute(ONE);
                    }
                });
            }
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut s = db.session();
                    while taken.load(Ordering::Relaxed) < 600 {
                        let got = rows(&mut s, "SELECT claim FROM strata.queue_pop('q')");
                        taken.fetch_add(got.lines().count(), Ordering::Relaxed);
                    }
                });
            }
            let mut look = db.session();
            while taken.load(Ordering::Relaxed) < 600 {
                let ready = "SELECT count(*) FROM strata.queue_seg_1_0 WHERE state = 'r'";
                let ready: usize = one(&mut look, ready).parse().expect("a number");
                assert!(ready <= MAX + 6, "{ready}");
            }
        });
        // the room that is left is the whole room
        let mut s = db.session();
        let ready = "SELECT count(*) FROM strata.queue_seg_1_0 WHERE state = 'r'";
        let ready: usize = one(&mut s, ready).parse().expect("a number");
        push_all(&mut s, MAX.saturating_sub(ready));
        is_full(&mut s);
    }
}
