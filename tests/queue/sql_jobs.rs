//! Jobs that the database runs by itself.

use crate::common::{Cluster, PgConfig, Stop, fails, wait_until};
use crate::support::{Db, exec, one, rows};
use postgres::Client;
use std::sync::OnceLock;

/// A server with room for processes.
pub fn builder() -> crate::common::Builder {
    Cluster::builder()
        .preload(true)
        .set("max_connections", "60")
        .set("max_worker_processes", "40")
        .set("strata.worker_interval", "1s")
}

pub fn server() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = builder().start();
        server.psql(
            "postgres",
            "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE nobody NOLOGIN; \
             GRANT alice TO clerk",
        );
        server
    })
}

/// A database with a queue that keeps nothing back, and a table to write to.
pub fn database<'a>(server: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(server, name);
    db.run(
        "SELECT strata.create_queue('q', retry_delay => '0 s'); CREATE TABLE seen (id bigint, what text); \
         GRANT ALL ON seen TO PUBLIC; SELECT strata.queue_grant('q', 'alice', 'push'); \
         SELECT strata.queue_grant('q', 'bob', 'push'); SELECT strata.queue_grant('q', 'clerk', 'push')",
    );
    db
}

pub fn push(session: &mut Client, command: &str, more: &str) -> i64 {
    let sql = format!("SELECT strata.queue_push_sql('q', $sql${command}$sql${more})");
    one(session, &sql).parse().expect("an id")
}

/// Waits until the queue has no jobs of its own in its segments.
#[track_caller]
fn wait_empty(session: &mut Client) {
    wait_until("all SQL jobs have ended", || left(session) == "0");
}

fn left(session: &mut Client) -> String {
    one(session, "SELECT count(*) FROM strata.queue_seg_1_0")
}

#[test]
fn a_command_runs_as_its_pusher_and_sees_payload_and_id() {
    let db = database(server(), "sql_as");
    let mut s = db.session();
    let mut alice = db.session_as("alice");
    let mut clerk = db.session_as("clerk");
    let note =
        "INSERT INTO seen VALUES ($2, concat_ws(' ', session_user, current_user, $1 ->> 'a'))";
    let first = push(&mut s, note, r#", '{"a": 7}'"#);
    let second = push(&mut alice, note, "");
    let third = push(&mut clerk, note, ", run_as => 'alice'");
    let fourth = push(
        &mut alice,
        "RESET ROLE; RESET SESSION AUTHORIZATION; INSERT INTO seen SELECT $2, current_user",
        "",
    );
    wait_empty(&mut s);
    assert_eq!(
        rows(&mut s, "SELECT * FROM seen ORDER BY id"),
        format!(
            "{first}|postgres postgres 7\n{second}|alice alice\n{third}|alice alice\n{fourth}|alice"
        )
    );
}

#[test]
fn what_cannot_run_is_refused_at_the_push() {
    let db = database(server(), "sql_refused");
    let mut s = db.session();
    let mut bob = db.session_as("bob");
    let push = |more: &str| format!("SELECT strata.queue_push_sql('q', {more})");
    fails(
        &mut bob,
        &push("'SELECT 1', run_as => 'alice'"),
        "42501",
        &["member", "alice"],
    );
    fails(
        &mut bob,
        &push("'SELECT 1', run_as => 'postgres'"),
        "42501",
        &["member"],
    );
    if PgConfig::get().major < 17 {
        let error = fails(
            &mut s,
            &push("'SELECT 1', run_as => 'nobody'"),
            "55000",
            &["nobody"],
        );
        assert!(
            error
                .hint()
                .is_some_and(|h| h.contains("ALTER ROLE nobody LOGIN"))
        );
    }
    fails(&mut s, &push("'SELEC 1'"), "42601", &["SELEC"]);
    fails(&mut s, &push("''"), "22023", &["empty"]);
    fails(&mut s, &push("NULL"), "22004", &["command"]);
    fails(
        &mut s,
        &push("'SELECT 1', timeout => '0'"),
        "22023",
        &["timeout"],
    );
    fails(
        &mut s,
        &push("'SELECT 1; SELECT 2', atomic => false"),
        "22023",
        &["one statement"],
    );
    fails(
        &mut s,
        "SELECT strata.queue_push_sql('none', 'SELECT 1')",
        "42704",
        &["none"],
    );
    exec(&mut s, "SELECT strata.queue_revoke('q', 'bob', 'push')");
    fails(&mut bob, &push("'SELECT 1'"), "42501", &["q"]);
    assert_eq!(left(&mut s), "0");
}

#[test]
fn clients_do_not_get_sql_jobs() {
    let db = database(server(), "sql_clients");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_pause('q')");
    push(&mut s, "INSERT INTO seen VALUES ($2, 'ran')", "");
    exec(&mut s, "SELECT strata.queue_resume('q')");
    assert_eq!(
        rows(&mut s, "SELECT id FROM strata.queue_pop('q', n => 10)"),
        ""
    );
    wait_empty(&mut s);
    assert_eq!(one(&mut s, "SELECT what FROM seen"), "ran");
}

#[test]
fn a_failed_command_leaves_nothing_behind() {
    let db = database(server(), "sql_failed");
    let mut s = db.session();
    for command in [
        "INSERT INTO seen VALUES ($2, 'no'); SELECT 1 / 0",
        // at the commit
        "INSERT INTO late VALUES (1), (1)",
        "BEGIN",
        "COPY seen TO STDOUT",
    ] {
        exec(
            &mut s,
            "CREATE TABLE IF NOT EXISTS late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
        );
        push(&mut s, command, ", max_attempts => 1");
    }
    let last = push(&mut s, "INSERT INTO seen VALUES ($2, 'yes')", "");
    wait_empty(&mut s);
    assert_eq!(rows(&mut s, "SELECT * FROM seen"), format!("{last}|yes"));
    assert_eq!(one(&mut s, "SELECT count(*) FROM late"), "0");
}

#[test]
fn a_session_is_as_new_for_every_job() {
    let db = database(server(), "sql_tidy");
    let mut s = db.session();
    let soil = "SET search_path = nowhere; SET work_mem = '1MB'; CREATE TEMP TABLE seen (id bigint, what text); \
        SELECT pg_advisory_lock(42); SET application_name = 'soiled'; \
        SELECT set_config('role', 'alice', false)";
    let look = "INSERT INTO public.seen SELECT $2, concat_ws(' ', current_user, current_setting('search_path'), \
        current_setting('work_mem'), to_regclass('pg_temp.seen') IS NULL, pg_backend_pid())";
    exec(&mut s, "SELECT strata.queue_pause('q')");
    push(&mut s, look, "");
    push(&mut s, soil, "");
    push(&mut s, look, "");
    exec(&mut s, "SELECT strata.queue_resume('q')");
    wait_empty(&mut s);
    let distinct = "SELECT count(*), count(DISTINCT what) FROM seen";
    assert_eq!(
        rows(&mut s, distinct),
        "2|1",
        "the same process, and nothing of the other job"
    );
    assert_eq!(one(&mut s, "SELECT pg_try_advisory_lock(42)"), "t");
}

#[test]
fn a_job_that_is_not_atomic_may_commit() {
    let db = database(server(), "sql_commits");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE PROCEDURE steps(id bigint, n int) LANGUAGE plpgsql AS $$ BEGIN \
         FOR i IN 1..n LOOP INSERT INTO seen VALUES (id, i::text); COMMIT; END LOOP; \
         INSERT INTO seen VALUES (id, 'not this'); PERFORM 1 / 0; END $$",
    );
    let id = push(
        &mut s,
        "CALL steps($2, ($1 ->> 'n')::int)",
        r#", '{"n": 3}', atomic => false, max_attempts => 1"#,
    );
    wait_empty(&mut s);
    assert_eq!(
        rows(&mut s, "SELECT * FROM seen ORDER BY what"),
        format!("{id}|1\n{id}|2\n{id}|3")
    );
    push(&mut s, "CALL steps($2, 1)", ", max_attempts => 1");
    wait_empty(&mut s);
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM seen"),
        "3",
        "an atomic one may not"
    );
    push(
        &mut s,
        "VACUUM seen",
        ", atomic => false, max_attempts => 1",
    );
    wait_empty(&mut s);
    wait_until("the vacuum was counted", || {
        one(&mut s, "SELECT pg_stat_clear_snapshot()");
        one(
            &mut s,
            "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'seen'",
        ) == "1"
    });
}

#[test]
fn a_timeout_ends_the_command() {
    let db = database(server(), "sql_timeout");
    let mut s = db.session();
    for atomic in [true, false] {
        push(
            &mut s,
            "SELECT pg_sleep(1000)",
            &format!(", timeout => '200 ms', max_attempts => 1, atomic => {atomic}"),
        );
    }
    push(&mut s, "INSERT INTO seen VALUES ($2, 'after')", "");
    wait_empty(&mut s);
    assert_eq!(one(&mut s, "SELECT what FROM seen"), "after");
}

#[test]
fn a_lost_claim_rolls_everything_back() {
    let db = database(server(), "sql_lost");
    let mut s = db.session();
    let id = push(
        &mut s,
        "INSERT INTO seen VALUES ($2, 'ran'); SELECT pg_advisory_xact_lock(7)",
        "",
    );
    let mut gate = db.session();
    exec(&mut gate, "SELECT pg_advisory_lock(7)");
    // it may have passed the gate already: then it is done, and another one is pushed
    let id = if one(&mut s, "SELECT count(*) FROM seen") == "1" {
        exec(&mut s, "TRUNCATE seen");
        push(
            &mut s,
            "INSERT INTO seen VALUES ($2, 'ran'); SELECT pg_advisory_xact_lock(7)",
            "",
        )
    } else {
        id
    };
    wait_until("the job is at the gate", || {
        one(
            &mut s,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted",
        ) == "1"
    });
    exec(
        &mut s,
        &format!("DELETE FROM strata.queue_seg_1_0 WHERE id = {id}"),
    );
    exec(&mut gate, "SELECT pg_advisory_unlock(7)");
    let after = push(&mut s, "INSERT INTO seen VALUES ($2, 'after')", "");
    wait_until("the next job has run", || {
        one(
            &mut s,
            &format!("SELECT count(*) FROM seen WHERE id = {after}"),
        ) == "1"
    });
    assert_eq!(rows(&mut s, "SELECT * FROM seen"), format!("{after}|after"));
}

#[test]
fn no_more_processes_run_than_allowed_and_nobody_starves() {
    let server = builder().set("strata.max_runners", "2").start();
    server.psql(
        "postgres",
        "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE clerk LOGIN",
    );
    let here = database(&server, "sql_slots");
    let there = database(&server, "sql_slots2");
    let begin = "INSERT INTO seen SELECT $2, count(*) FROM pg_stat_activity \
        WHERE backend_type = 'pg_strata job' AND query LIKE 'pg_strata: job%'; SELECT pg_sleep(0.3)";
    for db in [&here, &there] {
        for role in ["alice", "bob", "clerk"] {
            let mut s = db.session_as(role);
            for _ in 0..4 {
                push(&mut s, begin, "");
            }
        }
        // these see all of pg_stat_activity
        db.run("GRANT pg_monitor TO alice, bob, clerk");
    }
    for db in [&here, &there] {
        let mut s = db.session();
        wait_empty(&mut s);
        assert_eq!(one(&mut s, "SELECT count(*) FROM seen"), "12");
        assert_eq!(one(&mut s, "SELECT max(what::int) <= 2 FROM seen"), "t");
    }
}

#[test]
fn a_server_stops_at_once_behind_a_sleeping_job_and_runs_others_after_its_start() {
    let mut server = builder().start();
    let database = |server: &Cluster| server.client("sql_stop");
    {
        let db = Db::new(&server, "sql_stop");
        db.run("SELECT strata.create_queue('q'); CREATE TABLE seen (id bigint, what text)");
        let mut s = db.session();
        push(&mut s, "SELECT pg_sleep(100000)", "");
        wait_until("it sleeps", || {
            one(
                &mut s,
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
            ) == "1"
        });
    }
    let begun = std::time::Instant::now();
    server.restart(Stop::Fast);
    assert!(
        begun.elapsed().as_secs() < 60,
        "it does not wait for the job"
    );
    let mut s = database(&server);
    push(&mut s, "INSERT INTO seen VALUES ($2, 'after')", "");
    wait_until("the other job has run", || {
        one(&mut s, "SELECT what FROM seen") == "after"
    });
}

#[test]
fn without_workers_of_ours_a_call_of_queue_maintain_starts_the_jobs() {
    let server = Cluster::builder().set("max_worker_processes", "20").start();
    server.psql(
        "postgres",
        "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE clerk LOGIN",
    );
    let db = database(&server, "sql_plain");
    let mut s = db.session();
    for _ in 0..5 {
        push(&mut s, "INSERT INTO seen VALUES ($2, current_user)", "");
    }
    exec(&mut s, "CALL strata.queue_maintain()");
    wait_empty(&mut s);
    assert_eq!(one(&mut s, "SELECT count(*) FROM seen"), "5");
}
