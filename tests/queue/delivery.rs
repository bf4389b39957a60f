//! Each job goes to one worker at a time, in the order of the queue, and none is left.

use crate::common::wait_until;
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

fn push(session: &mut Client, payload: &str) -> i64 {
    let id = one(
        session,
        &format!("SELECT strata.queue_push('q', '{payload}')"),
    );
    id.parse().expect("an id")
}

/// Ids that a pop gives.
fn pop(session: &mut Client, n: usize) -> Vec<i64> {
    let sql = format!("SELECT id FROM strata.queue_pop('q', n => {n})");
    let text = rows(session, &sql);
    text.lines().map(|id| id.parse().expect("an id")).collect()
}

#[test]
fn a_job_is_pushed_popped_and_completed() {
    let db = with_queue(preloaded(), "once");
    let mut s = db.session();
    let id = push(&mut s, r#"{"a": 1}"#);
    assert_eq!(id, 1);
    let sql = "SELECT id, payload, kind IS NULL, attempt, priority, lease_until > now() FROM strata.queue_pop('q')";
    assert_eq!(rows(&mut s, sql), r#"1|{"a": 1}|t|1|0|t"#);
    assert_eq!(rows(&mut s, sql), "", "it is taken");
    push(&mut s, "2");
    let claim = one(&mut s, "SELECT claim FROM strata.queue_pop('q')");
    let complete = |s: &mut Client, claim: &str| {
        one(s, &format!("SELECT strata.queue_complete('q', {claim})"))
    };
    assert_eq!(complete(&mut s, "2"), "f", "an id is no claim");
    assert_eq!(complete(&mut s, &claim), "t");
    assert_eq!(complete(&mut s, &claim), "f", "it has ended");
}

#[test]
fn priority_goes_first_and_then_the_order_of_pushes() {
    let db = with_queue(preloaded(), "priorities");
    let mut s = db.session();
    for priority in [0, 50, -50, 0, -1, 7] {
        one(
            &mut s,
            &format!("SELECT strata.queue_push('q', '{priority}', priority => {priority})"),
        );
    }
    let order = "SELECT string_agg(payload::text, ' ') FROM strata.queue_pop('q', n => 100)";
    assert_eq!(one(&mut s, order), "-50 -1 0 0 7 50");
}

/// A session looks first where it has found jobs before: that must not hide the others.
#[test]
fn jobs_of_priorities_that_a_session_has_never_seen_are_found_in_their_order() {
    let db = with_queue(preloaded(), "lanes");
    let (mut worker, mut pusher) = (db.session(), db.session());
    let one_of = |s: &mut Client, priority: i32| {
        let sql = "SELECT strata.queue_push('q', '0', priority => ";
        exec(s, &format!("{sql}{priority})"));
    };
    let popped = |s: &mut Client| one(s, "SELECT priority FROM strata.queue_pop('q')");
    // each seen, and emptied again
    for priority in [0, 30, -30] {
        one_of(&mut pusher, priority);
        assert_eq!(popped(&mut worker), priority.to_string());
    }
    for priorities in [[0, 10, -10], [50, -50, 49], [30, -31, -29]] {
        priorities.iter().for_each(|p| one_of(&mut pusher, *p));
        let mut sorted = priorities;
        sorted.sort_unstable();
        for priority in sorted {
            assert_eq!(popped(&mut worker), priority.to_string());
        }
    }
    // a lane that was empty for long is not looked at any more, until it has a job
    for _ in 0..80 {
        one_of(&mut pusher, 5);
        assert_eq!(popped(&mut worker), "5");
    }
    one_of(&mut pusher, 5);
    one_of(&mut pusher, -30);
    assert_eq!(popped(&mut worker), "-30");
    assert_eq!(popped(&mut worker), "5");
}

/// Numbers are shared by all queues: between two jobs of one queue there may be any number of others.
#[test]
fn jobs_are_found_however_far_their_numbers_are_apart() {
    let db = with_queue(preloaded(), "gaps");
    let (mut worker, mut pusher) = (db.session(), db.session());
    exec(&mut pusher, "SELECT strata.create_queue('other')");
    let mut ids = Vec::new();
    for gap in [0, 10, 40, 500, 3_000, 9_000] {
        exec(
            &mut pusher,
            &format!(
                "SELECT strata.queue_push_many('other', array_fill('0'::jsonb, ARRAY[{gap}]))"
            ),
        );
        ids.push(push(&mut pusher, "1"));
    }
    let wait = "CALL strata.queue_wait('q', '0')";
    let claimed: Vec<i64> = ids
        .iter()
        .flat_map(|_| {
            assert_eq!(one(&mut pusher, wait), "t");
            pop(&mut worker, 1)
        })
        .collect();
    assert_eq!(claimed, ids);
    assert_eq!(one(&mut pusher, wait), "f");
    assert_eq!(pop(&mut worker, 10), Vec::<i64>::new());
}

#[test]
fn what_is_rolled_back_was_never_pushed_or_never_popped() {
    for (server, name) in [(preloaded(), "undone"), (plain(), "undone")] {
        let db = with_queue(server, name);
        let (mut a, mut b) = (db.session(), db.session());
        exec(&mut a, "BEGIN");
        push(&mut a, "1");
        assert_eq!(pop(&mut b, 5), Vec::<i64>::new(), "unseen until commit");
        exec(&mut a, "ROLLBACK");
        assert_eq!(pop(&mut b, 5), Vec::<i64>::new());
        let id = push(&mut b, "2");
        exec(&mut a, "BEGIN; SAVEPOINT s");
        assert_eq!(pop(&mut a, 1), [id]);
        assert_eq!(pop(&mut b, 1), Vec::<i64>::new(), "somebody has it");
        exec(&mut a, "ROLLBACK TO s");
        assert_eq!(pop(&mut a, 1), [id], "ready again for its own session");
        exec(&mut a, "ROLLBACK");
        if std::ptr::eq(server, preloaded()) {
            assert_eq!(pop(&mut b, 1), [id], "at once where hints are shared");
            // also without a savepoint
            let id = push(&mut b, "3");
            exec(&mut a, "BEGIN");
            assert_eq!(pop(&mut a, 1), [id]);
            assert_eq!(pop(&mut b, 1), Vec::<i64>::new(), "somebody has it");
            exec(&mut a, "ROLLBACK");
            assert_eq!(pop(&mut b, 1), [id], "at once");
        } else {
            wait_until("it is ready again for others", || pop(&mut b, 1) == [id]);
        }
    }
}

/// The row keeps its number then: only the random part of the claim tells the two deliveries apart.
#[test]
fn a_claim_that_was_undone_is_good_for_nothing() {
    let db = with_queue(preloaded(), "undone_claim");
    let mut s = db.session();
    let id = push(&mut s, "1");
    let claim = "SELECT claim FROM strata.queue_pop('q')";
    let mut old = Vec::new();
    for _ in 0..4 {
        exec(&mut s, "BEGIN");
        old.push(one(&mut s, claim));
        exec(&mut s, "ROLLBACK");
    }
    let new = one(&mut s, claim);
    let answers = [
        "queue_complete",
        "queue_fail",
        "queue_extend",
        "queue_release",
    ];
    // one of 256 is the same by chance
    for (old, answer) in old.iter().zip(answers).filter(|(old, _)| **old != new) {
        let said = one(&mut s, &format!("SELECT strata.{answer}('q', {old})"));
        assert!(
            ["f", "", "lost"].contains(&said.as_str()),
            "{answer}: {said}"
        );
    }
    let state = format!("SELECT state, attempt FROM strata.queue_result('q', {id})");
    assert_eq!(rows(&mut s, &state), "running|1");
    let complete = format!("SELECT strata.queue_complete('q', {new})");
    assert_eq!(one(&mut s, &complete), "t");
}

#[test]
fn a_lower_number_that_commits_last_is_delivered() {
    for (server, name) in [(preloaded(), "late"), (plain(), "late")] {
        let db = with_queue(server, name);
        let (mut a, mut b) = (db.session(), db.session());
        exec(&mut a, "BEGIN");
        let late = push(&mut a, "1");
        exec(
            &mut b,
            "SELECT strata.queue_push('q', '2') FROM generate_series(1, 1000)",
        );
        let popped: usize = (0..100).map(|_| pop(&mut b, 10).len()).sum();
        assert_eq!(popped, 1000);
        exec(&mut a, "COMMIT");
        if std::ptr::eq(server, preloaded()) {
            assert_eq!(pop(&mut b, 1), [late], "at once where hints are shared");
        } else {
            wait_until("the late one is found", || pop(&mut b, 1) == [late]);
        }
    }
}

#[test]
fn every_job_is_claimed_once_by_sixteen_workers() {
    for (server, name) in [(preloaded(), "sixteen"), (plain(), "sixteen")] {
        let db = with_queue(server, name);
        const JOBS: usize = 4_000;
        let left = AtomicUsize::new(JOBS);
        let claimed: Vec<i64> = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut s = db.session();
                    for n in 0..JOBS / 2 {
                        // every tenth one is undone and pushed again
                        if n % 10 == 0 {
                            exec(
                                &mut s,
                                "BEGIN; SELECT strata.queue_push('q', '0'); ROLLBACK",
                            );
                        }
                        push(&mut s, "1");
                    }
                });
            }
            let workers: Vec<_> = (0..16)
                .map(|w| {
                    scope.spawn({
                        let (db, left) = (&db, &left);
                        move || work(db, left, w)
                    })
                })
                .collect();
            let all = workers.into_iter().map(|w| w.join().expect("a worker"));
            all.flatten().collect()
        });
        let distinct: HashSet<i64> = claimed.iter().copied().collect();
        assert_eq!((claimed.len(), distinct.len()), (JOBS, JOBS), "{name}");
    }
}

/// Claims and completes until all are done; every seventh delivery is undone.
fn work(db: &Db<'_>, left: &AtomicUsize, worker: usize) -> Vec<i64> {
    let mut s = db.session();
    let mut mine = Vec::new();
    for turn in worker.. {
        if left.load(Ordering::Relaxed) == 0 {
            break;
        }
        exec(&mut s, "BEGIN");
        let got = rows(
            &mut s,
            "SELECT id, claim FROM strata.queue_pop('q', n => 3)",
        );
        if turn % 7 == 0 {
            exec(&mut s, "ROLLBACK");
            continue;
        }
        for line in got.lines() {
            let (id, claim) = line.split_once('|').expect("two columns");
            let sql = format!("SELECT strata.queue_complete('q', {claim})");
            assert_eq!(one(&mut s, &sql), "t");
            mine.push(id.parse().expect("an id"));
        }
        exec(&mut s, "COMMIT");
        left.fetch_sub(got.lines().count(), Ordering::Relaxed);
    }
    mine
}

#[test]
fn next_completes_and_claims_in_one_transaction() {
    let db = with_queue(preloaded(), "next");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 5) g",
    );
    let mut claim = one(&mut s, "SELECT claim FROM strata.queue_pop('q')");
    for wanted in 2..=5 {
        let sql =
            format!("SELECT payload, claim FROM strata.queue_next('q', done => '{{{claim}}}')");
        let got = rows(&mut s, &sql);
        let (payload, next) = got.split_once('|').expect("a job");
        assert_eq!(payload, wanted.to_string());
        claim = next.to_owned();
    }
    let strict =
        format!("SELECT FROM strata.queue_next('q', done => '{{{claim}, 99}}', strict => true)");
    let error = s.batch_execute(&strict).expect_err("99 is lost");
    assert_eq!(error.code().map(|c| c.code()), Some("55000"));
    let sql = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut s, &sql), "t", "nothing of the failed call is left");
}

#[test]
fn large_payloads_come_back_whole() {
    let db = with_queue(preloaded(), "large");
    let mut s = db.session();
    let make = "jsonb_build_object('k', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 5000) g))";
    exec(&mut s, &format!("SELECT strata.queue_push('q', {make})"));
    let sql = format!("SELECT payload = {make}, claim FROM strata.queue_pop('q')");
    let got = rows(&mut s, &sql);
    let (same, claim) = got.split_once('|').expect("a job");
    assert_eq!(same, "t");
    let sql = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut s, &sql), "t");
}

#[test]
fn unknown_queues_and_bad_arguments_are_errors() {
    let db = with_queue(preloaded(), "errors");
    let mut s = db.session();
    for (sql, code) in [
        ("SELECT strata.queue_push('nope', '1')", "42704"),
        (
            "SELECT strata.queue_push('q', '1', priority => 51)",
            "22023",
        ),
        (
            "SELECT strata.queue_push('q', '1', max_attempts => 0)",
            "22023",
        ),
        ("SELECT FROM strata.queue_pop('q', n => 0)", "22023"),
        ("SELECT strata.queue_push(NULL, '1')", "22004"),
    ] {
        let error = s.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(|c| c.code()), Some(code), "{sql}");
    }
}

#[test]
fn queues_that_come_back_under_their_old_numbers_hide_nothing() {
    let db = with_queue(preloaded(), "come_back");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '0') FROM generate_series(1, 50)",
    );
    assert_eq!(pop(&mut s, 100).len(), 50);
    assert_eq!(pop(&mut s, 100).len(), 0);
    exec(
        &mut s,
        "DROP EXTENSION pg_strata CASCADE; CREATE EXTENSION pg_strata; SELECT strata.create_queue('q')",
    );
    // as a restore brings it: nobody is told
    exec(
        &mut s,
        "INSERT INTO strata.queue_seg_1_0 (seq, id, pushed_at, qid, lane, attempt, max_attempts, state, payload) \
         SELECT 7, 7, now(), qid, 101, 0, 5, 'r', '1' FROM strata.queue",
    );
    assert_eq!(pop(&mut s, 100), [7]);
}

#[test]
fn serializable_workers_do_not_fail_because_of_each_other() {
    let db = with_queue(preloaded(), "serializable");
    let (mut a, mut b) = (db.session(), db.session());
    for n in 0..6 {
        push(&mut a, &n.to_string());
    }
    let mut all = HashSet::new();
    for _ in 0..3 {
        for s in [&mut a, &mut b] {
            exec(s, "BEGIN ISOLATION LEVEL SERIALIZABLE");
            let sql = "SELECT id, strata.queue_complete('q', claim) FROM strata.queue_pop('q')";
            let done = rows(s, sql);
            assert!(done.ends_with("|t"), "{done}");
            assert!(all.insert(done));
        }
        for s in [&mut a, &mut b] {
            push(s, "7");
        }
        exec(&mut a, "COMMIT");
        exec(&mut b, "COMMIT");
    }
    // rows whose versions are chained are found, too
    exec(&mut a, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    let sql = "SELECT claim FROM strata.queue_pop('q', n => 100)";
    let claims: Vec<String> = rows(&mut a, sql).lines().map(str::to_string).collect();
    assert_eq!(claims.len(), 6);
    for claim in claims {
        let extend = format!("SELECT strata.queue_extend('q', {claim}, progress => '1')");
        assert_eq!(one(&mut a, &extend), "held");
        let complete = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(&mut a, &complete), "t");
    }
    exec(&mut a, "COMMIT");
}
