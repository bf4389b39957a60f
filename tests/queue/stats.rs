//! Views of queues: they count what was committed, and show what the reader may read.

use crate::support::{exec, one, plain, preloaded, rows, with_queue};

const STATS: &str = "SELECT queue, ready, running, scheduled, held, oldest_ready IS NOT NULL, pushed, done, failed, \
    retried, segments, parked, pushed_per_s > 0 FROM strata.queue_stats";

#[test]
fn what_is_committed_counts() {
    let db = with_queue(preloaded(), "stats");
    let mut s = db.session();
    assert_eq!(rows(&mut s, STATS), "q|0|0|0|0|f|0|0|0|0|1|0|f");
    exec(
        &mut s,
        "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 5) g",
    );
    exec(
        &mut s,
        "BEGIN; SELECT strata.queue_push('q', '6'); ROLLBACK",
    );
    exec(
        &mut s,
        "BEGIN; SELECT strata.queue_push('q', '7'); SAVEPOINT a; SELECT strata.queue_push('q', '8')",
    );
    exec(
        &mut s,
        "SAVEPOINT b; SELECT strata.queue_push('q', '9'); ROLLBACK TO a",
    );
    exec(
        &mut s,
        "SAVEPOINT c; SELECT strata.queue_push('q', '10'); RELEASE c; COMMIT",
    );
    let claim = one(
        &mut s,
        "SELECT max(claim) FROM strata.queue_pop('q', n => 2)",
    );
    exec(
        &mut s,
        &format!("BEGIN; SELECT strata.queue_complete('q', {claim}); ROLLBACK"),
    );
    assert_eq!(rows(&mut s, STATS), "q|5|2|0|0|t|7|0|0|0|1|0|t");
    assert_eq!(
        one(
            &mut s,
            &format!("SELECT strata.queue_complete('q', {claim})")
        ),
        "t"
    );
    assert_eq!(rows(&mut s, STATS), "q|5|1|0|0|t|7|1|0|0|1|0|t");
    let top = rows(&mut s, "SELECT strata.queue_top()");
    assert_eq!(top.lines().count(), 3, "{top}");
    assert!(top.contains('█'), "{top}");
    exec(
        &mut s,
        "SELECT strata.drop_queue('q', force => true), strata.create_queue('q')",
    );
    assert_eq!(
        rows(&mut s, STATS),
        "q|0|0|0|0|f|0|0|0|0|1|0|f",
        "a new one"
    );
}

#[test]
fn without_preload_jobs_are_seen_and_events_are_not_counted() {
    let db = with_queue(plain(), "stats");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    assert_eq!(rows(&mut s, STATS), "q|1|0|0|0|t|||||1|0|");
    assert_eq!(rows(&mut s, "SELECT strata.queue_top()").lines().count(), 3);
}

#[test]
fn views_show_only_queues_that_the_reader_may_read() {
    let db = with_queue(preloaded(), "readers");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE reader LOGIN; SELECT strata.create_queue('secret')",
    );
    exec(
        &mut s,
        "SELECT strata.queue_grant('q', 'reader', 'read'), strata.queue_grant('secret', 'reader', 'push', 'pop')",
    );
    let mut reader = db.session_as("reader");
    assert_eq!(rows(&mut reader, "SELECT queue FROM strata.queues"), "q");
    assert_eq!(
        rows(&mut reader, "SELECT queue FROM strata.queue_stats"),
        "q"
    );
    let top = rows(&mut reader, "SELECT strata.queue_top()");
    assert!(!top.contains("secret"), "{top}");
}

#[test]
fn views_work_on_a_standby() {
    let primary = crate::common::Cluster::builder().preload(true).start();
    let db = with_queue(&primary, "standby");
    exec(&mut db.session(), "SELECT strata.queue_push('q', '1')");
    let standby = primary.standby();
    let mut s = standby.client("standby");
    assert_eq!(
        rows(&mut s, "SELECT queue, active FROM strata.queues"),
        "q|t"
    );
    assert_eq!(
        rows(&mut s, "SELECT queue, ready FROM strata.queue_stats"),
        "q|1"
    );
    exec(&mut s, "SELECT strata.queue_length('q')");
    exec(&mut s, "SELECT * FROM strata.queue_result('q', 1)");
    refuses_to_change(&mut s);
    for more in [
        "SELECT strata.create_queue('r')",
        "SELECT strata.queue_pause('q')",
        "SELECT strata.queue_schedule('s', 'q', '1 hour')",
        "CALL strata.queue_wait('q', '0')",
    ] {
        crate::common::fails(&mut s, more, "25006", &[]);
    }
}

/// What goes to the tables of jobs without a statement, also where there is nothing to be done.
#[track_caller]
fn refuses_to_change(s: &mut postgres::Client) {
    for call in [
        "queue_push('q', '1')",
        "queue_push_many('q', '{1}')",
        "queue_push_sql('q', 'SELECT 1')",
        "queue_pop('q')",
        "queue_next('q', done => '{1}')",
        "queue_complete('q', 1)",
        "queue_complete_many('q', '{1}')",
        "queue_fail('q', 1)",
        "queue_release('q', 1)",
        "queue_extend('q', 1)",
        "queue_requeue_in_progress('q')",
        "queue_cancel('q', 1)",
        "queue_change('q', 1, priority => 3)",
        "queue_retry('q', 1)",
        "queue_purge('q')",
    ] {
        crate::common::fails(s, &format!("SELECT strata.{call}"), "25006", &[]);
    }
}

#[test]
fn nothing_is_changed_in_a_transaction_that_is_read_only() {
    let db = with_queue(preloaded(), "read_only");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    exec(&mut s, "SET default_transaction_read_only = on");
    refuses_to_change(&mut s);
    assert_eq!(one(&mut s, "SELECT strata.queue_length('q')"), "1");
}

#[test]
fn workers_are_shown_with_what_they_have() {
    let db = with_queue(preloaded(), "workers");
    let (mut a, mut b) = (db.session(), db.session());
    exec(
        &mut a,
        "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 9) g",
    );
    exec(
        &mut a,
        "SELECT FROM strata.queue_pop('q', worker => 'by time', n => 3)",
    );
    exec(
        &mut b,
        "SELECT FROM strata.queue_pop('q', worker => 'by session', n => 2, session => true)",
    );
    let who = "SELECT queue, worker, session, running, lease_until IS NULL, claimed_at <= clock_timestamp() \
        FROM strata.queue_workers ORDER BY worker";
    assert_eq!(rows(&mut a, who), "q|by session|t|2|t|t\nq|by time|f|3|f|t");
    assert_eq!(one(&mut a, "SELECT workers FROM strata.queue_stats"), "2");
    let pid = one(&mut b, "SELECT pg_backend_pid()");
    let shown = "SELECT pid FROM strata.queue_workers WHERE worker = 'by session'";
    assert_eq!(one(&mut a, shown), pid);
}

#[test]
fn attempts_that_are_followed_by_another_count_as_retried() {
    let db = with_queue(preloaded(), "retried");
    let mut s = db.session();
    let counts = "SELECT retried, failed, done FROM strata.queue_stats";
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1', max_attempts => 4)",
    );
    let claim = |s: &mut postgres::Client, how: &str| {
        let mut claim = String::new();
        crate::common::wait_until("it is ready", || {
            claim = one(s, &format!("SELECT claim FROM strata.queue_pop('q'{how})"));
            !claim.is_empty()
        });
        claim
    };
    let first = claim(&mut s, "");
    let fail = format!("SELECT strata.queue_fail('q', {first}, retry_in => '0')");
    exec(&mut s, &format!("BEGIN; {fail}; ROLLBACK"));
    assert_eq!(rows(&mut s, counts), "0|0|0", "undone");
    assert_eq!(one(&mut s, &fail), "scheduled");
    assert_eq!(rows(&mut s, counts), "1|0|0");
    let second = claim(&mut s, "");
    exec(
        &mut s,
        &format!("SELECT strata.queue_release('q', {second})"),
    );
    assert_eq!(rows(&mut s, counts), "1|0|0", "given back, not tried again");
    claim(&mut s, ", lease => '1 ms'");
    claim(&mut s, "");
    assert_eq!(rows(&mut s, counts), "2|0|0", "its lease was over");
    let again = "SELECT strata.queue_requeue_in_progress('q')";
    assert_eq!(one(&mut s, again), "1");
    assert_eq!(rows(&mut s, counts), "3|0|0", "taken back");
    let last = claim(&mut s, "");
    let fail = format!("SELECT strata.queue_fail('q', {last})");
    assert_eq!(one(&mut s, &fail), "failed");
    assert_eq!(rows(&mut s, counts), "3|1|0", "that was the last attempt");
}
