//! Launcher and database workers, seen from outside: who runs where, and who makes room when.

#![allow(clippy::expect_used)] // what is expected here is tested

mod common;

use common::{Cluster, Stop, wait_until};
use std::time::{Duration, Instant};

const LAUNCHER: &str = "pg_strata launcher";
const WORKER: &str = "pg_strata worker";
/// The server waits this long for processes that are in the way of a command about a database.
const SERVER_GIVES_UP: Duration = Duration::from_secs(5);

fn preloaded() -> Cluster {
    Cluster::builder().preload(true).start()
}

fn run(server: &Cluster, sql: &str) -> String {
    server.psql("postgres", sql)
}

/// Databases whose worker is running, in order.
fn served(server: &Cluster) -> String {
    run(
        server,
        &format!(
            "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_stat_activity \
             WHERE backend_type = '{WORKER}' AND application_name = '{WORKER}'"
        ),
    )
}

fn wait_served(server: &Cluster, databases: &str) {
    wait_until(&format!("the workers are those of \"{databases}\""), || {
        served(server) == databases
    });
}

/// A server with one worker, in database postgres.
fn with_worker(server: Cluster) -> Cluster {
    run(&server, "CREATE EXTENSION pg_strata");
    wait_served(&server, "postgres");
    server
}

/// A server with one worker, in database a.
fn with_database_a() -> Cluster {
    let server = preloaded();
    server.create_database("a");
    server.psql("a", "CREATE EXTENSION pg_strata");
    wait_served(&server, "a");
    server
}

/// The process of that kind; there is one at most where this is used.
fn pid(server: &Cluster, kind: &str) -> Option<u32> {
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}'");
    let found = run(server, &sql);
    (!found.is_empty()).then(|| found.parse().expect("one process"))
}

fn wait_for_another(server: &Cluster, kind: &str, old: u32) {
    wait_until(&format!("a new {kind} runs"), || {
        pid(server, kind).is_some_and(|now| now != old)
    });
}

fn state(server: &Cluster) -> String {
    let sql = format!(
        "SELECT state || ' ' || query || CASE WHEN xact_start IS NULL THEN '' ELSE ' in transaction' END \
         FROM pg_stat_activity WHERE backend_type = '{WORKER}'"
    );
    run(server, &sql)
}

fn inject(server: &Cluster, what: &str) {
    server.configure(&[("strata.inject", what)]);
    server.reload();
}

/// Runs a command that a worker may be in the way of.
fn at_once(server: &Cluster, sql: &str) {
    let start = Instant::now();
    run(server, sql);
    let took = start.elapsed();
    assert!(took < SERVER_GIVES_UP, "{sql} took {took:?}");
}

#[test]
fn follows_the_extension_through_databases() {
    let server = preloaded();
    wait_until("the launcher runs", || pid(&server, LAUNCHER).is_some());
    assert_eq!(served(&server), "", "no database has the extension");

    server.create_database("a");
    server.create_database("plain");
    let start = Instant::now();
    server.psql("a", "CREATE EXTENSION pg_strata");
    wait_served(&server, "a");
    // the launcher's own next look would come later
    assert!(start.elapsed() < Duration::from_secs(4));
    run(&server, "CREATE EXTENSION pg_strata");
    wait_served(&server, "a postgres");

    server.psql(
        "plain",
        "BEGIN; CREATE EXTENSION pg_strata; ROLLBACK; SELECT 1",
    );
    server.psql("a", "DROP EXTENSION pg_strata");
    wait_served(&server, "postgres");
    server.psql("a", "CREATE EXTENSION pg_strata");
    wait_served(&server, "a postgres");
    run(&server, "DROP SCHEMA strata CASCADE");
    wait_served(&server, "a");
}

#[test]
fn makes_chunks_ahead() {
    let server = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1s")
        .start();
    run(
        &server,
        "CREATE EXTENSION pg_strata;
         CREATE TABLE metrics (ts timestamptz NOT NULL, v int);
         SELECT strata.create_hypertable('metrics', strata.by_range('ts', interval '1 day'))",
    );
    let count = "SELECT count(*) FROM strata.chunks";
    let made = run(&server, count);
    assert!(made.parse::<u32>().expect("a number") >= 2, "{made}");
    let newest = run(
        &server,
        "SELECT chunk FROM strata.chunks ORDER BY range_start DESC LIMIT 1",
    );
    run(&server, &format!("DROP TABLE {newest}"));
    wait_until("the dropped chunk is made again", || {
        run(&server, count) == made
    });
}

#[test]
fn makes_room_for_commands_about_databases() {
    let server = with_database_a();
    at_once(&server, "CREATE DATABASE b TEMPLATE a");
    wait_served(&server, "a b");
    at_once(&server, "ALTER DATABASE b RENAME TO c");
    wait_served(&server, "a c");
    at_once(&server, "DROP DATABASE c");
    assert_eq!(served(&server), "a");
    // FATAL of a worker that was started for it too late
    assert!(!server.log().contains("does not exist"));
}

#[test]
fn leaves_a_database_that_moves_or_closes() {
    let server = with_database_a();
    run(
        &server,
        "SET allow_in_place_tablespaces = on; CREATE TABLESPACE place LOCATION ''",
    );
    at_once(&server, "ALTER DATABASE a SET TABLESPACE place");
    wait_served(&server, "a");
    for closed in ["ALLOW_CONNECTIONS false", "IS_TEMPLATE true"] {
        run(&server, &format!("ALTER DATABASE a {closed}"));
        wait_served(&server, "");
        run(
            &server,
            "ALTER DATABASE a ALLOW_CONNECTIONS true IS_TEMPLATE false",
        );
        wait_served(&server, "a");
    }
}

#[test]
fn strangers_cannot_send_workers_away() {
    let server = with_database_a();
    run(
        &server,
        "CREATE ROLE owner LOGIN; CREATE ROLE stranger LOGIN CREATEDB; ALTER DATABASE a OWNER TO owner",
    );
    let before = pid(&server, WORKER);
    let mut stranger = server.client_as("stranger", "postgres");
    for (sql, code) in [
        ("DROP DATABASE a", "42501"),
        ("ALTER DATABASE a RENAME TO b", "42501"),
        ("CREATE DATABASE b TEMPLATE a", "42501"),
        ("DROP DATABASE nowhere", "3D000"),
    ] {
        let error = stranger.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(|c| c.code()), Some(code), "{error:?}");
    }
    assert_eq!(pid(&server, WORKER), before, "the worker was ended");

    // FORCE alone would fail: the worker is a process of a superuser
    let mut owner = server.client_as("owner", "postgres");
    owner
        .batch_execute("DROP DATABASE a WITH (FORCE)")
        .expect("the owner's drop");
    assert_eq!(served(&server), "");
}

#[test]
fn a_refused_drop_brings_the_worker_back() {
    let server = with_database_a();
    let guest = server.client("a");
    let error = server
        .try_psql("postgres", "DROP DATABASE a")
        .expect_err("a guest is connected");
    assert!(error.contains("being accessed by other users"), "{error}");
    drop(guest);
    wait_served(&server, "a");
}

#[test]
fn comes_back_after_kills() {
    let server = with_worker(preloaded());
    let launcher = pid(&server, LAUNCHER).expect("a launcher");
    let worker = pid(&server, WORKER).expect("a worker");

    run(&server, &format!("SELECT pg_terminate_backend({launcher})"));
    wait_for_another(&server, LAUNCHER, launcher);
    assert_eq!(
        pid(&server, WORKER),
        Some(worker),
        "kept, and no second one"
    );

    run(&server, &format!("SELECT pg_terminate_backend({worker})"));
    wait_for_another(&server, WORKER, worker);

    // kill -9 makes the server start all of its processes anew
    for kind in [WORKER, LAUNCHER] {
        let killed = pid(&server, kind).expect("a process to kill");
        server.kill_backend(killed);
        wait_for_another(&server, kind, killed);
        wait_served(&server, "postgres");
    }
}

#[test]
fn stops_at_once_while_a_step_sleeps() {
    let mut server = with_worker(preloaded());
    inject(&server, "worker.step.premake:sleep");
    wait_until("a step sleeps", || {
        state(&server) == "active pg_strata: premake in transaction"
    });
    let start = Instant::now();
    server.stop(Stop::Fast);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
}

#[test]
fn a_failing_step_is_logged_and_the_worker_stays() {
    let server = with_worker(preloaded());
    let before = pid(&server, WORKER);
    inject(&server, "worker.step.premake:error");
    let complaint = "step \"premake\" of the background worker failed: injected error";
    wait_until("the failure is logged", || server.log().contains(complaint));
    wait_until("the worker is idle", || state(&server).starts_with("idle "));
    assert!(!state(&server).contains("in transaction"));
    assert_eq!(pid(&server, WORKER), before);
}

#[test]
fn a_cancelled_step_does_not_end_the_worker() {
    let server = with_worker(preloaded());
    let worker = pid(&server, WORKER).expect("a worker");
    let cancel = format!("SELECT pg_cancel_backend({worker})");
    inject(&server, "worker.step.premake:sleep");
    wait_until("a step sleeps", || {
        state(&server) == "active pg_strata: premake in transaction"
    });
    run(&server, &cancel);
    wait_until("the round is over", || state(&server).starts_with("idle"));
    let log = server.log();
    assert!(log.contains("canceling statement due to user request"));
    // between rounds a cancel means nothing
    run(&server, &cancel);
    server.reload();
    wait_until("the next round", || state(&server).starts_with("active"));
    assert_eq!(pid(&server, WORKER), Some(worker));
}

/// It locks the tables of the extension in an order of its own: a worker in the middle of a step would be the
/// other half of a deadlock.
#[test]
fn drop_extension_waits_for_the_step_and_neither_fails() {
    let server = with_worker(preloaded());
    inject(&server, "worker.step.premake:sleep");
    wait_until("a step sleeps", || {
        state(&server) == "active pg_strata: premake in transaction"
    });
    let mut session = server.client("postgres");
    let dropping = std::thread::spawn(move || session.batch_execute("DROP EXTENSION pg_strata"));
    wait_until("DROP EXTENSION waits for the worker", || {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'object' AND classid = 'pg_extension'::regclass";
        run(&server, waits) == "1"
    });
    inject(&server, "");
    let dropped = dropping.join().expect("no panic");
    dropped.expect("DROP EXTENSION");
    wait_served(&server, "");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    assert!(!server.log().contains("failed"), "{}", server.log());
}

#[test]
fn waits_for_a_free_process() {
    let server = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "2")
        .set("max_logical_replication_workers", "0")
        .start();
    let server = with_worker(server);
    server.create_database("a");
    server.psql("a", "CREATE EXTENSION pg_strata");
    wait_until("the lack is logged", || {
        server.log().contains("no free background worker")
    });
    assert_eq!(served(&server), "postgres");
    run(&server, "DROP EXTENSION pg_strata");
    wait_served(&server, "a");
}

#[test]
fn another_version_of_the_catalog_makes_the_worker_idle() {
    let server = with_worker(preloaded());
    run(
        &server,
        "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'pg_strata'",
    );
    inject(&server, "worker.step.premake:sleep");
    wait_until("the worker says why it is idle", || {
        let why = "worker is idle: the extension is at version 0.0.1";
        server.log().contains(why)
    });
    wait_until("the worker is idle", || state(&server).starts_with("idle"));
}

#[test]
fn without_preload_there_are_no_workers_and_no_complaints() {
    let server = Cluster::builder().start();
    run(
        &server,
        "CREATE EXTENSION pg_strata; LOAD 'pg_strata'; CREATE DATABASE a; DROP DATABASE a",
    );
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_strata%'";
    assert_eq!(run(&server, ours), "0");
    assert!(!server.log().contains("ERROR"));
}
