//! Leases that end with their session: also where nobody tells the worker, and in a copy of the database.

use crate::common::{Cluster, succeeds, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;

/// Id, claim and attempt of the next job; empty if there is none.
fn pop(session: &mut Client, how: &str) -> String {
    let sql = format!("SELECT id, claim, attempt FROM strata.queue_pop('q'{how})");
    rows(session, &sql)
}

fn pop_soon(session: &mut Client, what: &str) -> String {
    let mut got = String::new();
    wait_until(what, || {
        got = pop(session, "");
        !got.is_empty()
    });
    got
}

fn push(session: &mut Client, how: &str) -> String {
    one(session, &format!("SELECT strata.queue_push('q', '1'{how})"))
}

/// The worker has looked around by then, and has found no session that works for the queue.
#[test]
fn a_session_that_comes_late_is_watched_too() {
    for db in [
        with_queue(preloaded(), "late_session"),
        with_queue(plain(), "late_session"),
    ] {
        let mut s = db.session();
        for _ in 0..2 {
            push(&mut s, ", run_at => clock_timestamp() + interval '0.1 s'");
            let got = pop_soon(&mut s, "the worker has made a round");
            let claim = got.split('|').nth(1).expect("three columns");
            let complete = format!("SELECT strata.queue_complete('q', {claim})");
            assert_eq!(one(&mut s, &complete), "t");
        }
        let id = push(&mut s, "");
        let mut worker = db.session();
        let pid = one(&mut worker, "SELECT pg_backend_pid()");
        assert!(pop(&mut worker, ", session => true").starts_with(&format!("{id}|")));
        one(&mut s, &format!("SELECT pg_terminate_backend({pid})"));
        let got = pop_soon(&mut s, "it is ready again");
        assert!(
            got.starts_with(&format!("{id}|")) && got.ends_with("|2"),
            "{got}"
        );
    }
}

#[test]
fn a_job_of_a_session_that_nobody_knows_comes_back() {
    let db = with_queue(preloaded(), "unknown_session");
    let mut s = db.session();
    let mut worker = db.session();
    let (lost, kept) = (push(&mut s, ""), push(&mut s, ""));
    assert!(pop(&mut worker, ", session => true").starts_with(&format!("{lost}|")));
    exec(&mut s, "DELETE FROM strata.queue_worker");
    let mut other = db.session();
    assert!(pop(&mut other, ", session => true").starts_with(&format!("{kept}|")));
    let mut got = String::new();
    wait_until("it is ready again", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        got = pop(&mut s, "");
        !got.is_empty()
    });
    assert!(
        got.starts_with(&format!("{lost}|")) && got.ends_with("|2"),
        "{got}"
    );
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pop(&mut s, ""), "", "the other session lives");
}

/// A copy on the same server.
fn copy<'a>(db: &Db<'a>, name: &'a str) -> Db<'a> {
    let server: &Cluster = db.cluster;
    let file = server.sandbox().folder("dumps", 0o777).join(name);
    let mut dump = server.tool("pg_dump");
    succeeds(dump.arg("-Fc").arg("-f").arg(&file).arg(db.name));
    server.create_database(name);
    let mut restore = server.tool("pg_restore");
    succeeds(
        restore
            .args(["-j2", "--exit-on-error", "-d", name])
            .arg(&file),
    );
    Db {
        cluster: server,
        name,
    }
}

#[test]
fn in_a_copy_nothing_runs_until_it_is_told_to_and_sessions_of_elsewhere_are_gone() {
    let db = with_queue(preloaded(), "copied_from");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.alter_queue('q', keep => 'all'); CREATE TABLE ran (id bigint)",
    );
    // an ended job, which lies in the hypertable
    let ended = push(&mut s, "");
    exec(
        &mut s,
        "SELECT strata.queue_complete('q', claim, '\"well\"') FROM strata.queue_pop('q')",
    );
    wait_until("it is in the hypertable", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, "SELECT count(*) FROM strata.queue_history_overflow") == "0"
    });
    let sql_job = one(
        &mut s,
        "SELECT strata.queue_push_sql('q', 'INSERT INTO ran VALUES ($2)', run_at => now() + interval '1 day')",
    );
    exec(
        &mut s,
        "SELECT strata.queue_schedule('daily', 'q', '1 day', '\"tick\"')",
    );
    let leased = push(&mut s, ", unique_key => 'k'");
    let mut worker = db.session();
    let got = pop(&mut worker, ", session => true");
    let claim = got.split('|').nth(1).expect("three columns").to_owned();

    let there = copy(&db, "copied_to");
    let mut t = there.session();
    let history = "SELECT id, state, result FROM strata.queue_history";
    assert_eq!(
        rows(&mut t, history),
        format!("{ended}|done|\"well\""),
        "at once"
    );
    // everything is due
    exec(
        &mut t,
        "UPDATE strata.queue_scheduled_a SET lease_until = now() - interval '1 s';
         UPDATE strata.queue_schedule SET made_at = made_at - interval '1 day 1 s', next_run = now() - interval '1 s'",
    );
    for _ in 0..3 {
        exec(&mut t, "CALL strata.queue_maintain()");
    }
    let jobs = "SELECT id, state FROM strata.queue_jobs ORDER BY id";
    let waiting = format!("{sql_job}|scheduled\n{leased}|running");
    assert_eq!(rows(&mut t, jobs), waiting, "nothing runs");
    assert_eq!(push(&mut t, ", unique_key => 'k'"), "", "the key is taken");
    exec(&mut t, "SELECT strata.start_workers()");
    wait_until("the SQL job has run", || {
        one(&mut t, "SELECT id FROM ran") == sql_job
    });
    let mut got = Vec::new();
    wait_until("both jobs are ready", || {
        got.extend(
            rows(
                &mut t,
                "SELECT id, attempt, payload FROM strata.queue_pop('q')",
            )
            .lines()
            .map(str::to_owned),
        );
        got.len() == 2
    });
    assert!(got.contains(&format!("{leased}|2|1")), "{got:?}");
    assert!(
        got.iter().any(|job| job.ends_with("|1|\"tick\"")),
        "{got:?}"
    );
    // a new session is not taken for an old one
    let mut new = there.session();
    push(&mut t, "");
    assert_ne!(pop(&mut new, ", session => true"), "");
    let numbers = "SELECT count(DISTINCT worker), count(*) FROM strata.queue_seg_1_0 WHERE lease_until = 'infinity'";
    assert_eq!(rows(&mut t, numbers), "1|1");

    // the original goes on
    assert_eq!(one(&mut s, "SELECT count(*) FROM ran"), "0");
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pop(&mut s, ""), "", "its session lives");
    let complete = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut worker, &complete), "t");
}
