//! Who waits is woken by the commit, without NOTIFY in the pusher's transaction.

use crate::common::{Cluster, Db, wait_until};
use crate::support::{exec, one, plain, preloaded, with_queue};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

fn pid(session: &mut Client) -> String {
    one(session, "SELECT pg_backend_pid()")
}

/// Waits until a session sleeps inside of `queue_wait`.
fn until_asleep(other: &mut Client, pid: &str) {
    let sql = format!(
        "SELECT wait_event_type = 'Extension' AND query LIKE 'CALL%' FROM pg_stat_activity WHERE pid = {pid}"
    );
    wait_until("it sleeps", || one(other, &sql) == "t");
}

/// A session that waits in a thread of its own; what it says in the end.
fn waiter<'s>(
    scope: &'s std::thread::Scope<'s, '_>,
    mut session: Client,
    arguments: &'static str,
) -> ScopedJoinHandle<'s, String> {
    scope.spawn(move || {
        one(
            &mut session,
            &format!("CALL strata.queue_wait({arguments})"),
        )
    })
}

/// Payloads of the notifications that have come, until `last` is among them.
fn heard(listener: &mut Client, last: &str) -> Vec<(i32, String)> {
    let mut all = Vec::new();
    let mut notifications = listener.notifications();
    let mut timed = notifications.timeout_iter(Duration::from_secs(30));
    while let Some(one) = timed.next().expect("a connection") {
        let done = one.payload() == last;
        all.push((one.process_id(), one.payload().to_owned()));
        if done {
            return all;
        }
    }
    panic!("{last} was never told: {all:?}");
}

fn listener(db: &Db<'_>) -> Client {
    let mut session = db.session();
    exec(&mut session, "LISTEN strata_queue");
    session
}

#[test]
fn a_waiter_holds_no_snapshot_and_wakes_by_a_commit() {
    for (server, name) in [(preloaded(), "wakes"), (plain(), "wakes")] {
        let db = with_queue(server, name);
        let mut s = db.session();
        std::thread::scope(|scope| {
            let mut waiting = db.session();
            let pid = pid(&mut waiting);
            let waiter = waiter(scope, waiting, "'q', '30 s'");
            until_asleep(&mut s, &pid);
            let sql = format!(
                "SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = {pid}"
            );
            wait_until("it holds nothing", || one(&mut s, &sql) == "t");
            exec(&mut s, "BEGIN; SELECT strata.queue_push('q', '1')");
            assert!(!waiter.is_finished(), "nothing is committed");
            exec(&mut s, "COMMIT");
            assert_eq!(waiter.join().expect("a waiter"), "t");
        });
        assert_eq!(one(&mut s, "CALL strata.queue_wait('q', '0')"), "t");
        one(&mut s, "SELECT id FROM strata.queue_pop('q')");
        assert_eq!(one(&mut s, "CALL strata.queue_wait('q', '0')"), "f");
        assert_eq!(one(&mut s, "CALL strata.queue_wait('q', '0.2 s')"), "f");
    }
}

#[test]
fn jobs_of_sql_are_run_where_nothing_is_preloaded() {
    let db = with_queue(plain(), "sqlplain");
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE ran (n int)");
    exec(
        &mut s,
        "SELECT strata.queue_push_sql('q', 'INSERT INTO ran VALUES (7)')",
    );
    wait_until("it has run", || one(&mut s, "SELECT n FROM ran") == "7");
}

/// Looking again every second would take about as long nearly every time, on however busy a machine.
#[test]
fn a_commit_sets_the_latch_of_the_waiter() {
    const TURNS: usize = 60;
    let db = with_queue(preloaded(), "latch");
    let mut s = db.session();
    let mut took = Vec::new();
    for _ in 0..TURNS {
        std::thread::scope(|scope| {
            let mut waiting = db.session();
            let pid = pid(&mut waiting);
            let waiter = waiter(scope, waiting, "'q', '30 s'");
            until_asleep(&mut s, &pid);
            exec(&mut s, "SELECT strata.queue_push('q', '1')");
            let pushed = Instant::now();
            assert_eq!(waiter.join().expect("a waiter"), "t");
            took.push(pushed.elapsed());
        });
        one(&mut s, "SELECT id FROM strata.queue_pop('q')");
    }
    took.sort();
    assert!(took[TURNS / 2] < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_job_that_somebody_is_claiming_wakes_nobody_until_that_is_undone() {
    for (server, name) in [(preloaded(), "claiming"), (plain(), "claiming")] {
        let db = with_queue(server, name);
        let (mut a, mut b) = (db.session(), db.session());
        exec(&mut a, "SELECT strata.queue_push('q', '1')");
        exec(&mut a, "BEGIN; SELECT FROM strata.queue_pop('q')");
        assert_eq!(one(&mut b, "CALL strata.queue_wait('q', '0')"), "f");
        std::thread::scope(|scope| {
            let pid = pid(&mut b);
            let waiter = waiter(scope, b, "'q', '30 s'");
            // a transaction sees pg_stat_activity as it was when it looked first
            until_asleep(&mut db.session(), &pid);
            exec(&mut a, "ROLLBACK");
            assert_eq!(waiter.join().expect("a waiter"), "t");
        });
    }
}

#[test]
fn the_end_of_a_job_wakes_who_waits_for_it() {
    for (server, name) in [(preloaded(), "ended"), (plain(), "ended")] {
        let db = with_queue(server, name);
        let mut s = db.session();
        exec(&mut s, "SELECT strata.queue_push('q', '1')");
        exec(&mut s, "SELECT strata.queue_push('q', '2')");
        assert_eq!(
            one(&mut s, "CALL strata.queue_wait('q', '0', 1)"),
            "f",
            "it waits"
        );
        let claim = one(&mut s, "SELECT claim FROM strata.queue_pop('q')");
        assert_eq!(
            one(&mut s, "CALL strata.queue_wait('q', '0', 1)"),
            "f",
            "it runs"
        );
        std::thread::scope(|scope| {
            let mut waiting = db.session();
            let pid = pid(&mut waiting);
            let waiter = waiter(scope, waiting, "'q', '30 s', 1");
            until_asleep(&mut s, &pid);
            assert_eq!(
                one(
                    &mut s,
                    &format!("SELECT strata.queue_complete('q', {claim})")
                ),
                "t"
            );
            assert_eq!(waiter.join().expect("a waiter"), "t");
        });
        assert_eq!(one(&mut s, "CALL strata.queue_wait('q', '0', 2)"), "f");
    }
}

#[test]
fn waiting_is_refused_inside_of_a_transaction() {
    let db = with_queue(preloaded(), "block");
    let mut s = db.session();
    for sql in [
        "BEGIN; CALL strata.queue_wait('q', '0')",
        "DO $$ DECLARE r boolean; BEGIN CALL strata.queue_wait('q', '0', NULL, r); END $$; SELECT 1",
    ] {
        let error = s.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(error.code().code(), "25001", "{sql}");
        assert!(error.hint().is_some_and(|h| h.contains("COMMIT")));
        exec(&mut s, "ROLLBACK");
    }
    for (sql, code) in [
        ("CALL strata.queue_wait('nope')", "42704"),
        ("CALL strata.queue_wait('q', '-1 s')", "22023"),
        ("CALL strata.queue_wait('q', NULL)", "22004"),
    ] {
        let error = s.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(|c| c.code()), Some(code), "{sql}");
    }
}

#[test]
fn a_cancelled_waiter_leaves_its_place() {
    let db = with_queue(preloaded(), "cancelled");
    let mut s = db.session();
    exec(&mut s, "SET statement_timeout = '5 ms'");
    // more often than there are places
    for _ in 0..100 {
        let error = s
            .batch_execute("CALL strata.queue_wait('q')")
            .expect_err("nothing is ready");
        assert_eq!(error.code().map(|c| c.code()), Some("57014"));
    }
    exec(&mut s, "RESET statement_timeout");
    std::thread::scope(|scope| {
        let mut waiting = db.session();
        let pid = pid(&mut waiting);
        let waiter = waiter(scope, waiting, "'q', '30 s'");
        until_asleep(&mut s, &pid);
        exec(&mut s, "SELECT strata.queue_push('q', '1')");
        assert_eq!(waiter.join().expect("a waiter"), "t");
    });
}

#[test]
fn many_pushes_give_few_notifications() {
    for (server, name, jobs) in [
        (preloaded(), "coalesced", 10_000),
        (plain(), "coalesced", 2_000),
    ] {
        let db = with_queue(server, name);
        let mut s = db.session();
        let mut listener = listener(&db);
        let begun = Instant::now();
        exec(
            &mut s,
            &format!(
                "DO $$ BEGIN FOR i IN 1..{jobs} LOOP PERFORM strata.queue_push('q', '1'); COMMIT; END LOOP; END $$"
            ),
        );
        let heard = heard(&mut listener, &format!("{jobs} q"));
        let seconds = begun.elapsed().as_secs_f64();
        let most = seconds * 110.0 + 2.0;
        assert!(heard.len() as f64 <= most, "{} in {seconds} s", heard.len());
        let own: i32 = pid(&mut s).parse().expect("a pid");
        assert!(
            heard.iter().all(|(from, _)| *from != own),
            "the worker sends them"
        );
    }
}

#[test]
fn who_wants_no_notifications_gets_none_and_all_works() {
    let db = with_queue(preloaded(), "silent");
    db.run("SELECT strata.create_queue('r'); SELECT strata.alter_queue('q', notify => 'none')");
    let mut s = db.session();
    let mut listener = listener(&db);
    std::thread::scope(|scope| {
        let mut waiting = db.session();
        let pid = pid(&mut waiting);
        let waiter = waiter(scope, waiting, "'q', '30 s'");
        until_asleep(&mut s, &pid);
        exec(&mut s, "SELECT strata.queue_push('q', '1')");
        assert_eq!(waiter.join().expect("a waiter"), "t");
    });
    exec(&mut s, "SELECT strata.queue_push('r', '2')");
    let heard = heard(&mut listener, "2 r");
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[test]
fn the_pusher_notifies_where_that_is_wanted() {
    for (server, name) in [(preloaded(), "loud"), (plain(), "loud")] {
        let db = with_queue(server, name);
        db.run("SELECT strata.alter_queue('q', notify => 'transaction')");
        let mut s = db.session();
        let mut listener = listener(&db);
        exec(
            &mut s,
            "BEGIN; SELECT strata.queue_push('q', '1'); SAVEPOINT a; SELECT strata.queue_push('q', '2');
             ROLLBACK TO a; ROLLBACK;
             BEGIN; SELECT strata.queue_push('q', '3'), strata.queue_push('q', '4'); SAVEPOINT a;
             SELECT strata.queue_push('q', '5'); ROLLBACK TO a; COMMIT",
        );
        let own: i32 = pid(&mut s).parse().expect("a pid");
        let heard = heard(&mut listener, "4 q");
        assert_eq!(heard, [(own, "4 q".to_owned())], "one for all of them");
    }
}

fn workers(server: &Cluster, database: &str) -> String {
    server.psql(
        "postgres",
        &format!(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata worker' AND datname = '{database}'"
        ),
    )
}

#[test]
fn the_first_push_starts_the_worker_where_nothing_is_preloaded() {
    let db = with_queue(plain(), "starts");
    assert_eq!(workers(plain(), "starts"), "0");
    let mut listener = listener(&db);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                exec(&mut db.session(), "SELECT strata.queue_push('q', '1')");
            });
        }
    });
    wait_until("a worker runs", || workers(plain(), "starts") == "1");
    exec(&mut db.session(), "SELECT strata.queue_push('q', '5')");
    heard(&mut listener, "5 q");
    // those that came too late have left
    wait_until("one worker runs", || workers(plain(), "starts") == "1");
    // a killed one is replaced by the next call
    plain().psql(
        "postgres",
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
         WHERE backend_type = 'pg_strata worker' AND datname = 'starts'",
    );
    wait_until("another worker runs", || {
        exec(&mut db.session(), "SELECT FROM strata.queue_pop('q')");
        workers(plain(), "starts") == "1"
    });
}

/// Nobody pushes and nobody asks: the worker sleeps until then.
#[test]
fn a_job_whose_time_comes_wakes_who_waits() {
    for (server, name) in [(preloaded(), "falls_due"), (plain(), "falls_due")] {
        let db = with_queue(server, name);
        let mut s = db.session();
        let mut elsewhere = server.client("postgres");
        let id = one(
            &mut s,
            "SELECT strata.queue_push('q', '1', run_at => clock_timestamp() + interval '2 s')",
        );
        std::thread::scope(|scope| {
            let mut waiting = db.session();
            let pid = pid(&mut waiting);
            let waiter = waiter(scope, waiting, "'q', '5 min'");
            drop(s);
            until_asleep(&mut elsewhere, &pid);
            assert_eq!(waiter.join().expect("a waiter"), "t");
        });
        let mut s = db.session();
        let sql = "SELECT id, lease_until IS NOT NULL FROM strata.queue_pop('q')";
        assert_eq!(crate::support::rows(&mut s, sql), format!("{id}|t"));
        // the time itself is included
        let now = "SELECT strata.queue_push('q', '2', run_at => clock_timestamp())";
        let id = one(&mut s, now);
        assert_eq!(crate::support::rows(&mut s, sql), format!("{id}|t"));
    }
}
