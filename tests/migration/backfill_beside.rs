//! Backfills beside others: who locks rows, who calls the same, who changes the table.

use crate::common::wait_until;
use crate::support::{database, exec, fails, one, rows};
use crate::task_support::{Beside, ROWS, fill, one_thing, refused};

#[test]
fn rows_that_are_locked_are_tried_again() {
    let db = database("fill_locked");
    let mut s = db.session();
    exec(&mut s, ROWS);
    let mut holder = db.session();
    let call = "'k', 't', 'n = n + 1', batch_size => 100, lock_timeout => '50ms'";
    for (round, lock) in ["UPDATE t SET n = n WHERE id = 250", "LOCK TABLE t"]
        .iter()
        .enumerate()
    {
        exec(&mut holder, &format!("BEGIN; {lock}"));
        let running = Beside::fill(db.session(), call);
        // between its tries it holds nothing
        running.until_idle(&mut s);
        let done = ["200", "0"][round];
        assert_eq!(
            rows(&mut s, "SELECT state, done FROM strata.task_progress('k')"),
            format!("running|{done}")
        );
        exec(&mut holder, "COMMIT");
        assert_eq!(running.done(), "500");
        one_thing(&mut s, i32::try_from(round).expect("small") + 1, "finished");
        exec(&mut s, "SELECT strata.task_clear('k')");
    }
    // for ever
    exec(&mut holder, "BEGIN; UPDATE t SET n = n WHERE id = 450");
    let sql = format!("CALL strata.task_backfill({call})");
    refused(
        &mut s,
        &sql,
        "55P03",
        &["rows of public.t stay locked by other sessions"],
        &[
            "Tried 6 times, the last error was: canceling statement due to lock timeout.",
            "Batches before this are kept: 400 rows.",
            "The same CALL goes on here.",
        ],
    );
    one_thing(&mut s, 3, "stopped");
    exec(&mut holder, "COMMIT");
    assert_eq!(fill(&mut s, call), "100");
    one_thing(&mut s, 3, "finished");
    // the row of the task itself
    exec(&mut holder, "BEGIN; SELECT strata.task_begin('held', 5)");
    fails(
        &mut s,
        "CALL strata.task_backfill('held', 't', 'n = n', lock_timeout => '10ms')",
        "55P03",
        &["lock timeout"],
    );
    exec(&mut holder, "ROLLBACK");
}

/// A deadlock is one more reason to try again.
#[test]
fn a_deadlock_is_tried_again() {
    let db = database("fill_deadlock");
    let mut s = db.session();
    exec(&mut s, ROWS);
    exec(
        &mut s,
        "CREATE FUNCTION gate() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_advisory_xact_lock(1)'",
    );
    // only the backfill looks for deadlocks, and it is the last that waits
    let mut gate = db.session();
    exec(&mut gate, "SELECT pg_advisory_lock(1)");
    let mut other = db.session();
    exec(
        &mut other,
        "SET deadlock_timeout = '1 h'; BEGIN; UPDATE t SET n = n WHERE id = 90",
    );
    let mut session = db.session();
    exec(&mut session, "SET deadlock_timeout = '10ms'");
    let call = "'k', 't', 'n = n + CASE WHEN id = 50 THEN gate() ELSE 1 END', batch_size => 100, lock_timeout => '0'";
    let running = Beside::fill(session, call);
    running.until_blocked(&mut s);
    let other = Beside::run(other, "UPDATE t SET n = n WHERE id = 10; COMMIT");
    other.until_blocked(&mut s);
    exec(&mut gate, "SELECT pg_advisory_unlock(1)");
    assert_eq!(running.done(), "500");
    other.done();
    one_thing(&mut s, 1, "finished");
    let found = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    wait_until("the deadlock is counted", || one(&mut s, found) == "1");
}

#[test]
fn an_error_frees_the_task_for_other_sessions() {
    let db = database("fill_errors");
    let mut s = db.session();
    exec(&mut s, ROWS);
    let call = "CALL strata.task_backfill('k', 't', 'n = n + 1 / (id - 350)::int * 0 + 1', batch_size => 100)";
    fails(&mut s, call, "22012", &["division by zero"]);
    one_thing(&mut s, 1, "stopped");
    // the session that failed is still there
    let mut other = db.session();
    exec(&mut other, "DELETE FROM t WHERE id = 350");
    assert_eq!(one(&mut other, call), "199");
    one_thing(&mut s, 1, "finished");
    // an error at COMMIT is one of its batch
    exec(
        &mut s,
        "CREATE TABLE ref (id int PRIMARY KEY); INSERT INTO ref VALUES (1);
         CREATE TABLE def (id int PRIMARY KEY, r int REFERENCES ref DEFERRABLE INITIALLY DEFERRED); INSERT INTO def SELECT g, 1 FROM generate_series(1, 100) g",
    );
    let call = "CALL strata.task_backfill('d', 'def', 'r = CASE WHEN id = 55 THEN 2 ELSE 1 END', batch_size => 10)";
    fails(&mut s, call, "23503", &["foreign key"]);
    assert_eq!(
        rows(
            &mut s,
            "SELECT p.done, t.last_key, p.state FROM strata.task_progress('d') p, strata.task t WHERE t.task = 'd'"
        ),
        "50|{50}|stopped"
    );
    exec(&mut s, "INSERT INTO ref VALUES (2)");
    assert_eq!(one(&mut s, call), "50");
}

/// Two calls that begin at the same moment.
#[test]
fn of_two_calls_one_works() {
    let db = database("fill_two");
    let mut s = db.session();
    exec(&mut s, ROWS);
    for round in 1..=5 {
        let call = format!("'two{round}', 't', 'n = n + 1', batch_size => 5");
        let pair = [
            Beside::fill(db.session(), &call),
            Beside::fill(db.session(), &call),
        ];
        let mut done: Vec<String> = Vec::new();
        for one_of in pair {
            match one_of.end() {
                Ok(rows) => done.push(rows),
                Err(error) => {
                    let error = error.as_db_error().expect("an answer").clone();
                    assert_eq!(error.code().code(), "55006", "{error:?}");
                    done.push("0".to_owned());
                }
            }
        }
        done.sort();
        assert_eq!(done, ["0", "500"]);
        assert_eq!(
            rows(&mut s, "SELECT min(n), max(n) FROM t"),
            format!("{round}|{round}")
        );
    }
    // rows that come and go while it runs: old ones once, new ones at most once
    exec(
        &mut s,
        "CREATE TABLE changing (id int PRIMARY KEY, born int, n int DEFAULT 0); INSERT INTO changing SELECT g, 0 FROM generate_series(2, 4000, 2) g",
    );
    let running = Beside::fill(
        db.session(),
        "'ch', 'changing', 'n = n + 1', batch_size => 10",
    );
    exec(
        &mut s,
        "DO $$ BEGIN FOR i IN 1..150 LOOP DELETE FROM changing WHERE id = i * 26; INSERT INTO changing VALUES (i * 26 + 1, 1, 0); UPDATE changing SET born = 2 WHERE id = i * 26 + 2; COMMIT; END LOOP; END $$",
    );
    running.done();
    let once = "SELECT bool_and(n = 1) FILTER (WHERE born <> 1), max(n) FROM changing";
    assert_eq!(rows(&mut s, once), "t|1");
}

/// Drivers use the extended protocol, where a statement has no text of its own at first.
#[test]
fn the_extended_protocol_is_the_same() {
    let db = database("fill_extended");
    let mut s = db.session();
    exec(&mut s, ROWS);
    let mut client = db.session();
    let pid: i32 = client
        .query_one("SELECT pg_backend_pid()", &[])
        .expect("a pid")
        .get(0);
    let running = std::thread::spawn(move || {
        let sql =
            "CALL strata.task_backfill($1, 't', 'n = n + 1', batch_size => 100, pause => '1 hour')";
        let prepared = client.prepare(sql).expect("prepared");
        client.query_one(&prepared, &[&"k"]).map(drop)
    });
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
    );
    wait_until("it pauses", || one(&mut s, &asleep) == "1");
    assert_eq!(
        rows(&mut s, "SELECT state, done FROM strata.task_progress('k')"),
        "running|100"
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('k', 't', 'n = n + 1')",
        "55006",
        &[],
    );
    exec(&mut s, &format!("SELECT pg_cancel_backend({pid})"));
    running.join().expect("no panic").expect_err("cancelled");
    let mut client = db.session();
    let row = client.query_one("CALL strata.task_backfill($1, 't', 'n = n + 1')", &[&"k"]);
    assert_eq!(row.expect("rows_done").get::<_, i64>(0), 400);
    one_thing(&mut s, 1, "finished");
}
