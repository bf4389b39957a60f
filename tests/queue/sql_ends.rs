//! What becomes of SQL jobs: results, errors, cancels, crashes.

use crate::common::{Stop, wait_until};
use crate::sql_jobs::{builder, database, push, server};
use crate::support::{Db, exec, one, rows};
use postgres::Client;

/// Waits until a job waits for this advisory lock.
#[track_caller]
pub fn wait_at_gate(session: &mut Client, gate: i32) {
    wait_until("the job is at the gate", || {
        let sql = format!(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {gate} AND NOT granted"
        );
        one(session, &sql) == "1"
    });
}

pub fn state(session: &mut Client, id: i64) -> String {
    one(
        session,
        &format!("SELECT state FROM strata.queue_result('q', {id})"),
    )
}

#[test]
fn the_first_row_is_the_result_and_errors_are_kept() {
    let db = database(server(), "sql_results");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.alter_queue('q', keep => 'all')");
    let all = [
        (
            push(
                &mut s,
                "SELECT 7 AS n, $1 AS p UNION ALL SELECT 8, NULL",
                r#", '"x"'"#,
            ),
            r#"{"n": 7, "p": "x"}"#,
        ),
        (
            push(
                &mut s,
                "SELECT 1; INSERT INTO seen VALUES (1, 'é') RETURNING what; RESET work_mem",
                "",
            ),
            r#"{"what": "é"}"#,
        ),
        (push(&mut s, "INSERT INTO seen VALUES (2, 'x')", ""), ""),
        (
            push(
                &mut s,
                "SELECT 12345678901234567890.12345678901234567890 AS big",
                "",
            ),
            r#"{"big": 12345678901234567890.12345678901234567890}"#,
        ),
    ];
    exec(
        &mut s,
        "CREATE PROCEDURE answer(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN COMMIT; a := a + 1; END $$",
    );
    let call = push(&mut s, "CALL answer(41)", ", atomic => false");
    let bad = push(&mut s, "SELECT 1 / (2 - 2)", ", max_attempts => 2");
    wait_until("all have ended", || {
        let sql = "SELECT count(*) FROM strata.queue_history";
        one(&mut s, sql) == "6"
    });
    for (id, result) in all.into_iter().chain([(call, r#"{"a": 42}"#)]) {
        let sql = format!("SELECT state, result FROM strata.queue_result('q', {id})");
        assert_eq!(rows(&mut s, &sql), format!("done|{result}"));
    }
    let sql = format!("SELECT state, attempt, error FROM strata.queue_result('q', {bad})");
    assert_eq!(
        rows(&mut s, &sql),
        "failed|2|division by zero (SQLSTATE 22012)"
    );
    let sql =
        format!("SELECT jsonb_array_length(errors) FROM strata.queue_history WHERE id = {bad}");
    assert_eq!(one(&mut s, &sql), "2");
}

#[test]
fn a_cancel_interrupts_the_job_that_runs_and_no_other() {
    let db = database(server(), "sql_cancel");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.alter_queue('q', keep => 'all')");
    let mut gate = db.session();
    exec(&mut gate, "SELECT pg_advisory_lock(8)");
    let id = push(
        &mut s,
        "INSERT INTO seen VALUES ($2, 'no'); SELECT pg_advisory_xact_lock(8)",
        "",
    );
    wait_at_gate(&mut s, 8);
    let cancel = format!("SELECT strata.queue_cancel('q', {id}, 'not needed')");
    assert_eq!(one(&mut s, &cancel), "requested");
    wait_until("it is cancelled", || state(&mut s, id) == "cancelled");
    let next: Vec<i64> = (0..20)
        .map(|_| {
            push(
                &mut s,
                "INSERT INTO seen VALUES ($2, 'yes')",
                ", max_attempts => 1",
            )
        })
        .collect();
    wait_until("the others have run", || {
        one(&mut s, "SELECT count(*) FROM seen") == next.len().to_string()
    });
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM seen WHERE what = 'no'"),
        "0"
    );
}

#[test]
fn after_a_crash_a_job_waits_a_minute_or_has_failed_and_has_had_no_effect() {
    let mut server = builder().start();
    let (poison, last) = {
        let db = Db::new(&server, "sql_crash");
        db.run("SELECT strata.create_queue('q', retry_delay => '0 s'); CREATE TABLE seen (id bigint, what text)");
        let mut s = db.session();
        let sleep = "INSERT INTO seen VALUES ($2, 'no'); SELECT pg_sleep(100000)";
        let ids = (
            push(&mut s, sleep, ""),
            push(&mut s, sleep, ", max_attempts => 1"),
        );
        wait_until("both sleep", || {
            one(
                &mut s,
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
            ) == "2"
        });
        ids
    };
    server.restart(Stop::Immediate);
    let mut s = server.client("sql_crash");
    wait_until("the last attempt is failed", || {
        state(&mut s, last) == "failed"
    });
    let sql = format!("SELECT error FROM strata.queue_result('q', {last})");
    assert_eq!(one(&mut s, &sql), "worker died");
    wait_until("the other one waits", || {
        state(&mut s, poison) == "scheduled"
    });
    let sql = format!(
        "SELECT run_at > now() + interval '30 seconds', attempt FROM strata.queue_jobs WHERE id = {poison}"
    );
    assert_eq!(rows(&mut s, &sql), "t|1");
    assert_eq!(one(&mut s, "SELECT count(*) FROM seen"), "0");
}

#[test]
fn jobs_of_a_role_that_was_dropped_fail() {
    let db = database(server(), "sql_dropped");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE gone LOGIN; SELECT strata.queue_pause('q')",
    );
    let id = push(&mut s, "SELECT 1", ", run_as => 'gone'");
    exec(&mut s, "DROP ROLE gone; SELECT strata.queue_resume('q')");
    wait_until("it has failed", || state(&mut s, id) == "failed");
    let sql = format!("SELECT error FROM strata.queue_result('q', {id})");
    assert_eq!(one(&mut s, &sql), "role \"gone\" does not exist any more");
}

#[test]
fn a_changed_payload_leaves_the_command_alone() {
    let db = database(server(), "sql_changed");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_pause('q'); SELECT strata.queue_grant('q', 'bob', 'admin')",
    );
    let note = "INSERT INTO seen SELECT $2, current_user || coalesce($1 ->> 'command', '')";
    let id = push(&mut s, note, "");
    let mut bob = db.session_as("bob");
    let change = |more: &str| {
        format!(
            r#"SELECT strata.queue_change('q', {id}, payload => '{{"command": "DROP TABLE seen"}}'{more})"#
        )
    };
    assert_eq!(one(&mut bob, &change("")), "t");
    assert_eq!(one(&mut bob, &change(", priority => 3")), "t");
    exec(&mut s, "SELECT strata.queue_resume('q')");
    wait_until("it has run", || {
        one(&mut s, "SELECT what FROM seen") == "postgresDROP TABLE seen"
    });
}
