//! Ctrl-C, timeouts and termination while a request hangs: within a second, and the session goes on.

use crate::common::{Fault, FaultProxy, wait_until};
use crate::support::{ColdDb, Db, HASH, exec, one, s3, server, try_one};
use postgres::Client;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(1);

fn cold<'a>(name: &'a str, proxy: &FaultProxy) -> Db<'a> {
    let db = Db::new(server(), name);
    db.metrics();
    db.archive(&proxy.endpoint(), ", request_timeout '60s'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    db
}

/// Runs a statement that hangs at a GET until `end` has done something to it: what the client got,
/// and how long after `end` began.
fn hang(
    session: &mut Client,
    proxy: &FaultProxy,
    sql: &str,
    end: impl FnOnce() + Send,
) -> (Result<String, postgres::Error>, Duration) {
    proxy.reset();
    proxy.inject("GET", "", Fault::Hang);
    let out = std::thread::scope(|scope| {
        let ending = scope.spawn(|| {
            wait_until("a GET hangs", || proxy.counts().gets > 0);
            let start = Instant::now();
            end();
            start
        });
        let out = try_one(session, sql);
        let start = ending.join().expect("the thread that ends it");
        (out, start.elapsed())
    });
    proxy.clear();
    out
}

#[track_caller]
fn check_cancelled(out: Result<String, postgres::Error>, code: &str) {
    let error = out.expect_err("an answer of a hanging store");
    assert_eq!(error.code().map(|c| c.code()), Some(code), "{error:?}");
}

/// One signal. A cancel request of a client sends two, and the second may meet the next statement.
fn cancel(session: &mut Client, pid: &str) {
    one(session, &format!("SELECT pg_cancel_backend({pid})"));
}

/// Threads and open files of a backend.
fn resources(pid: &str) -> (usize, usize) {
    let count = |what: &str| {
        std::fs::read_dir(format!("/proc/{pid}/{what}"))
            .expect("/proc")
            .count()
    };
    (count("task"), count("fd"))
}

#[test]
fn cancel_returns_at_once_and_the_session_goes_on() {
    let proxy = s3().proxy();
    let db = cold("interrupts_cancel", &proxy);
    let hash = db.hash();
    let mut session = db.session();
    let mut other = db.session();
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    let mut first = None;
    for n in 0..10 {
        exec(&mut session, "SELECT strata.cold_cache_reset()");
        let sql = [
            "SELECT count(id + 0) FROM m",
            "SELECT * FROM m WHERE id = 5",
            "SELECT note FROM m ORDER BY ts LIMIT 1",
            "SELECT sum(dev), min(dev) FROM m",
            HASH,
        ][n % 5];
        let (out, took) = hang(&mut session, &proxy, sql, || cancel(&mut other, &pid));
        check_cancelled(out, "57014");
        assert!(took < LIMIT, "{sql}: {took:?}");
        exec(&mut session, "SELECT strata.cold_cache_reset()");
        assert_eq!(one(&mut session, HASH), hash);
        let now = resources(&pid);
        let before = *first.get_or_insert(now);
        assert!(
            now.0 <= before.0 && now.1 <= before.1 + 2,
            "threads and files grow from {before:?} to {now:?}"
        );
    }
    // inside a transaction the savepoint saves it
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    exec(
        &mut session,
        "BEGIN; CREATE TABLE kept (n int); SAVEPOINT s",
    );
    let (out, took) = hang(&mut session, &proxy, "SELECT count(id + 0) FROM m", || {
        cancel(&mut other, &pid)
    });
    check_cancelled(out, "57014");
    assert!(took < LIMIT, "{took:?}");
    exec(
        &mut session,
        "ROLLBACK TO s; INSERT INTO kept SELECT count(id + 0) FROM m; COMMIT",
    );
    assert_eq!(one(&mut session, "SELECT n FROM kept"), "2160");
}

#[test]
fn timeouts_count_while_a_request_hangs() {
    let proxy = s3().proxy();
    let db = cold("interrupts_timeout", &proxy);
    let hash = db.hash();
    let mut session = db.session();
    exec(
        &mut session,
        "SELECT strata.cold_cache_reset(); SET statement_timeout = '300ms'",
    );
    let start = Instant::now();
    let (out, _) = hang(&mut session, &proxy, "SELECT count(id + 0) FROM m", || {});
    let took = start.elapsed();
    check_cancelled(out, "57014");
    assert!(
        took > Duration::from_millis(250) && took < Duration::from_millis(1300),
        "{took:?}"
    );
    exec(&mut session, "SET statement_timeout = 0");
    assert_eq!(one(&mut session, HASH), hash);
}

#[test]
fn terminated_session_leaves_at_once() {
    let proxy = s3().proxy();
    let db = cold("interrupts_terminate", &proxy);
    let mut session = db.session();
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    let mut other = db.session();
    let process: u32 = pid.parse().expect("a pid");
    let (out, took) = hang(&mut session, &proxy, "SELECT count(id + 0) FROM m", || {
        one(&mut other, &format!("SELECT pg_terminate_backend({pid})"));
        wait_until("the backend is gone", || !crate::common::is_alive(process));
    });
    assert!(out.is_err());
    assert!(took < LIMIT, "{took:?}");
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "2160");
}

/// The server's own client, with the signal that a terminal sends.
#[test]
fn control_c_in_psql_returns_at_once() {
    let proxy = s3().proxy();
    let db = cold("interrupts_psql", &proxy);
    proxy.reset();
    proxy.inject("GET", "", Fault::Hang);
    let psql = db
        .cluster
        .tool("psql")
        .args(["-X", "-d", db.name, "-c", "SELECT count(id + 0) FROM m"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("psql");
    wait_until("a GET hangs", || proxy.counts().gets > 0);
    let start = Instant::now();
    assert!(crate::common::signal(psql.id(), "INT"));
    let output = psql.wait_with_output().expect("psql");
    let took = start.elapsed();
    proxy.clear();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("canceling statement due to user request"),
        "{errors}"
    );
    assert!(took < LIMIT, "{took:?}");
}

/// Threads and sockets of a backend: tables that it has open come and go.
fn connections(pid: &str) -> (usize, usize) {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("/proc");
    let sockets = files.flatten().filter(|file| {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        target.to_string_lossy().starts_with("socket:")
    });
    (resources(pid).0, sockets.count())
}

/// Nothing piles up, wherever in a request the statement ends.
#[test]
fn hundreds_of_timeouts_leave_no_thread_and_no_file() {
    let proxy = s3().proxy();
    let db = cold("interrupts_many", &proxy);
    let hash = db.hash();
    let mut session = db.session();
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    assert_eq!(one(&mut session, HASH), hash);
    let before = connections(&pid);
    exec(
        &mut session,
        "SET statement_timeout = '10ms'; SET strata.cold_read_ahead = '64kB'",
    );
    let sql = "SELECT strata.cold_cache_reset(), (SELECT count(note || '') FROM m)";
    for fault in [Fault::Hang, Fault::HangInBody(100), Fault::Status(503)] {
        proxy.inject("GET", "", fault.clone());
        for _ in 0..100 {
            let error = try_one(&mut session, sql).expect_err("an answer of a hanging store");
            assert_eq!(error.code().map(|c| c.code()), Some("57014"), "{fault:?}");
        }
        proxy.clear();
    }
    exec(
        &mut session,
        "SET statement_timeout = 0; SELECT strata.cold_cache_reset()",
    );
    assert_eq!(one(&mut session, HASH), hash);
    wait_until("given up requests are gone", || {
        let after = connections(&pid);
        after.0 <= before.0 + 1 && after.1 <= before.1 + 4
    });
}

/// A dropped server process must not wait for a hanging upload either.
#[test]
fn hanging_upload_does_not_hold_the_server_up() {
    let proxy = s3().proxy();
    let mut cluster = crate::common::Cluster::builder().start();
    {
        let db = Db::new(&cluster, "interrupts_upload");
        db.metrics();
        db.archive(&proxy.endpoint(), ", request_timeout '60s'");
        db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
        proxy.reset();
        proxy.inject("PUT", "", Fault::Hang);
        db.run("SELECT strata.tier_chunk('strata_chunks.m_h1_20250101')");
        wait_until("an upload hangs", || proxy.counts().puts > 0);
        assert_eq!(db.one("SELECT count(id + 0) FROM m"), "2160");
        exec(
            &mut db.session(),
            "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)",
        );
    }
    let start = Instant::now();
    cluster.stop(crate::common::Stop::Fast);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    proxy.clear();
    cluster.start();
    let db = Db {
        cluster: &cluster,
        name: "interrupts_upload",
    };
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "2161");
    db.tier("2025-02-01");
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "2161");
}
