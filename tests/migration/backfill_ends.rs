//! Backfills that are held up, killed, or called twice: each row is updated once.

use crate::common::{Cluster, Stop, wait_until};
use crate::support::{database, exec, fails, one, rows};
use crate::task_support::{Beside, LOCKS, ROWS, fill, follow, one_thing, refused};

/// Ended in the middle of a batch, in every way there is.
#[test]
fn a_killed_backfill_goes_on_and_does_no_row_twice() {
    let mut server = Cluster::builder().start();
    server.psql("postgres", "CREATE EXTENSION pg_strata");
    exec(&mut server.client("postgres"), ROWS);
    let call = "'k', 't', 'n = n + 1', batch_size => 10, lock_timeout => '0'";
    for (round, end) in [
        "pg_cancel_backend",
        "pg_terminate_backend",
        "kill",
        "immediate",
        "postmaster",
    ]
    .iter()
    .enumerate()
    {
        let mut watch = server.client("postgres");
        let mut holder = server.client("postgres");
        let stop = 90 * (round + 1) + 5;
        exec(
            &mut holder,
            &format!("BEGIN; UPDATE t SET n = n WHERE id = {stop}"),
        );
        let running = Beside::fill(server.client("postgres"), call);
        running.until_blocked(&mut watch);
        let done = "SELECT state, done FROM strata.task_progress('k')";
        assert_eq!(
            rows(&mut watch, done),
            format!("running|{}", stop / 10 * 10),
            "{end}"
        );
        let error = refused(
            &mut watch,
            &format!("CALL strata.task_backfill({call})"),
            "55006",
            &["task \"k\" is being run by another session"],
            &[
                "The process has the id ",
                &running.pid,
                "SELECT * FROM strata.task_progress('k');",
            ],
        );
        follow(&mut watch, &error);
        match *end {
            "kill" => server.kill_backend(running.pid.parse().expect("a pid")),
            "immediate" => server.restart(Stop::Immediate),
            "postmaster" => server.restart(Stop::Kill),
            how => exec(&mut watch, &format!("SELECT {how}({})", running.pid)),
        }
        running.end().expect_err("it was ended");
        drop(holder);
        let mut watch = server.client("postgres");
        wait_until("nobody runs it", || {
            one(&mut watch, "SELECT state FROM strata.task_progress('k')") == "stopped"
        });
        one_thing(&mut watch, 1, "stopped");
        assert_eq!(
            one(&mut watch, "SELECT done FROM strata.task_progress('k')"),
            (stop / 10 * 10).to_string()
        );
        assert_eq!(
            one(&mut watch, "SELECT strata.task_is_continuing('k')"),
            "t"
        );
    }
    let mut s = server.client("postgres");
    assert_eq!(fill(&mut s, call), "50");
    one_thing(&mut s, 1, "finished");
    // what was killed behind its last commit has nothing left to do
    assert_eq!(fill(&mut s, call), "0");
}

/// Killed wherever it is, again and again.
#[test]
fn kills_at_any_moment_lose_nothing() {
    let server = Cluster::builder().start();
    server.psql("postgres", "CREATE EXTENSION pg_strata");
    exec(
        &mut server.client("postgres"),
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT generate_series(1, 20000)",
    );
    let call = "'k', 't', 'n = n + 1', batch_size => 20, lock_timeout => '0'";
    for round in 1..=4 {
        let mut watch = server.client("postgres");
        // it does not come to the end before it is killed
        let mut holder = server.client("postgres");
        exec(&mut holder, "BEGIN; UPDATE t SET n = n WHERE id = 19990");
        let running = Beside::fill(server.client("postgres"), call);
        let some = format!(
            "SELECT COALESCE(max(done), 0) >= {round} * 600 FROM strata.task_progress('k')"
        );
        wait_until("some batches are done", || one(&mut watch, &some) == "t");
        server.kill_backend(running.pid.parse().expect("a pid"));
        running.end().expect_err("it was killed");
        let mut watch = server.client("postgres");
        one_thing(&mut watch, 1, "stopped");
    }
    let mut s = server.client("postgres");
    fill(&mut s, call);
    one_thing(&mut s, 1, "finished");
    assert_eq!(rows(&mut s, "SELECT min(n), count(*) FROM t"), "1|20000");
}

/// The server does not notice that a client is gone before it has something to tell: the call goes on, others are kept
/// out and told which process it is.
#[test]
fn a_client_that_is_killed_leaves_its_call_at_work() {
    let db = database("fill_client");
    let mut s = db.session();
    exec(&mut s, ROWS);
    let call =
        "CALL strata.task_backfill('k', 't', 'n = n + 1', batch_size => 100, pause => '1 hour')";
    let mut client = db
        .cluster
        .tool("psql")
        .args(["-X", "-q", "-d", db.name, "-c", call])
        .spawn()
        .expect("psql");
    let at_work = "SELECT max(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = 'fill_client'";
    wait_until("it pauses", || !one(&mut s, at_work).is_empty());
    let pid = one(&mut s, at_work);
    client.kill().expect("killed");
    client.wait().expect("gone");
    let error = refused(&mut s, call, "55006", &["\"k\""], &[&pid]);
    follow(&mut s, &error);
    one_thing(&mut s, 1, "running");
    exec(&mut s, &format!("SELECT pg_terminate_backend({pid})"));
    wait_until("nobody runs it", || {
        one(&mut s, "SELECT state FROM strata.task_progress('k')") == "stopped"
    });
    assert_eq!(fill(&mut s, "'k', 't', 'n = n + 1'"), "400");
    one_thing(&mut s, 1, "finished");
}

/// It holds no lock while it pauses, is running for others to see, and ends at once.
#[test]
fn the_pause_is_between_transactions() {
    let db = database("fill_pause");
    let mut s = db.session();
    exec(&mut s, ROWS);
    for end in ["pg_cancel_backend", "pg_terminate_backend"] {
        let running = Beside::fill(
            db.session(),
            "'k', 't', 'n = n + 1', batch_size => 100, pause => '1 hour'",
        );
        running.until_asleep(&mut s);
        assert_eq!(one(&mut s, &format!("{LOCKS}{}", running.pid)), "0");
        let again = "CALL strata.task_backfill('k', 't', 'n = n + 1')";
        refused(&mut s, again, "55006", &["\"k\""], &[&running.pid]);
        assert_eq!(
            one(&mut s, "SELECT state FROM strata.task_progress('k')"),
            "running"
        );
        exec(&mut s, &format!("SELECT {end}({})", running.pid));
        running.end().expect_err("it was ended");
        wait_until("nobody runs it", || {
            one(&mut s, "SELECT state FROM strata.task_progress('k')") == "stopped"
        });
        one_thing(&mut s, 1, "stopped");
    }
    assert_eq!(
        one(&mut s, "SELECT done FROM strata.task_progress('k')"),
        "200"
    );
    // no pause behind batches that change nothing
    let few = "'few', 't', 'n = n', 'false', batch_size => 10, pause => '1 hour'";
    assert_eq!(fill(&mut s, few), "0");
}

/// Progress while it runs; what is left is reckoned from the rows of the table.
#[test]
fn progress_is_seen_while_it_runs() {
    let db = database("fill_progress");
    let mut s = db.session();
    exec(&mut s, ROWS);
    exec(&mut s, "ANALYZE t");
    let running = Beside::fill(
        db.session(),
        "'k', 't', 'n = n + 1', batch_size => 100, pause => '1 hour'",
    );
    running.until_asleep(&mut s);
    let seen = "SELECT state, done, total, percent, per_second > 0, eta IS NOT NULL, last_at >= started_at FROM strata.task_progress('k')";
    assert_eq!(rows(&mut s, seen), "running|100||20.0|t|t|t");
    exec(&mut s, "SELECT strata.task_begin('k', 1000, 'by hand')");
    let told = "SELECT state, done, total, percent, note FROM strata.task_progress('k')";
    assert_eq!(rows(&mut s, told), "running|100|1000|10.0|by hand");
    // finished or cleared under its hands: it stops, and its last batch is undone
    exec(&mut s, "SELECT strata.task_clear('k')");
    exec(
        &mut s,
        &format!("SELECT pg_terminate_backend({})", running.pid),
    );
    running.end().expect_err("it was ended");
    for call in ["task_clear", "task_finish"] {
        exec(&mut s, "UPDATE t SET n = 0");
        let mut holder = db.session();
        exec(&mut holder, "BEGIN; UPDATE t SET n = n WHERE id = 205");
        let running = Beside::fill(
            db.session(),
            "'k', 't', 'n = n + 1', batch_size => 100, lock_timeout => '0'",
        );
        running.until_blocked(&mut s);
        exec(&mut s, &format!("SELECT strata.{call}('k')"));
        exec(&mut holder, "COMMIT");
        let error = running.error();
        assert!(
            error.contains(
                "55000: task \"k\" was finished, cleared or taken over by another session"
            ),
            "{error}"
        );
        assert!(error.contains("The last batch is rolled back."), "{error}");
        assert_eq!(one(&mut s, "SELECT sum(n) FROM t"), "200");
        assert_eq!(one(&mut s, "SELECT strata.task_is_continuing('k')"), "f");
    }
    // a session that does not say what it does counts as running
    let mut quiet = db.session();
    exec(
        &mut quiet,
        "SET track_activities = off; SELECT strata.task_clear('k')",
    );
    let running = Beside::fill(
        quiet,
        "'k', 't', 'n = n + 1', batch_size => 100, pause => '1 hour'",
    );
    wait_until("it is at work", || {
        one(&mut s, "SELECT max(done) FROM strata.task_progress('k')") == "100"
    });
    fails(
        &mut s,
        "CALL strata.task_backfill('k', 't', 'n = n + 1')",
        "55006",
        &[],
    );
    exec(
        &mut s,
        &format!("SELECT pg_terminate_backend({})", running.pid),
    );
    running.end().expect_err("it was ended");
}
