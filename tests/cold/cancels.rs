//! Real cancels of everything that waits for a store or computes in a file: afterwards the session has no thread, no
//! file, no blocked signal more than before, and gives right answers.
//!
//! `STRATA_TEST_CANCELS=100` in the environment makes it a thousand of them; a few of each kind otherwise.

use crate::common::{Fault, FaultProxy, force_parallel, wait_until};
use crate::support::{
    ColdDb, Db, HASH, JANUARY, chunk_state, exec, one, rows, s3, server, try_one,
};
use postgres::{Client, NoTls};
use std::sync::atomic::{AtomicBool, Ordering};

/// A kind of statement, the requests that hang at once before it is cancelled (0: it needs none, and computes for
/// ever), and the statement.
struct Kind(&'static str, u64, &'static str);

const KINDS: [Kind; 11] = [
    Kind(
        "scan",
        1,
        "SELECT count(note || '') FROM m WHERE ts < '2025-02-01'",
    ),
    Kind("files ahead", 2, "SELECT count(note || '') FROM m"),
    Kind(
        "aggregate in the file",
        1,
        "SELECT dev, count(*) FROM m WHERE id > 5 GROUP BY dev",
    ),
    Kind(
        "point",
        1,
        "SELECT note FROM m WHERE id = 5 AND ts = '2025-01-01 05:00+00'",
    ),
    Kind("order", 1, "SELECT note FROM m ORDER BY ts LIMIT 1"),
    Kind("foreign table", 1, "SELECT count(note || '') FROM f.m"),
    Kind(
        "late row",
        1,
        "INSERT INTO m (id, ts, dev) VALUES (5, '2025-01-01 05:00+00', 1)",
    ),
    Kind(
        "untier",
        1,
        "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')",
    ),
    Kind(
        "check",
        1,
        "SELECT count(*) FROM strata.cold_check('m', deep => true)",
    ),
    Kind(
        "parallel",
        1,
        "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; \
        SET LOCAL max_parallel_workers_per_gather = 2; SELECT count(note || '') FROM m",
    ),
    Kind(
        "long steps",
        0,
        "SELECT sum(n) FROM generate_series(1, 100000000) g, LATERAL \
        (SELECT count(*) AS n FROM m WHERE val <> g AND note <> g::text) x",
    ),
];

fn times() -> usize {
    let wanted = std::env::var("STRATA_TEST_CANCELS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(3)
}

/// Threads, open files, and the signals that the process has blocked, ignored and caught.
fn standing(pid: &str) -> (usize, usize, Vec<String>) {
    let count = |what: &str| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/{what}"));
        entries.expect("/proc").count()
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("/proc");
    let signals = status.lines().filter(|line| {
        ["SigBlk", "SigIgn", "SigCgt", "ShdPnd"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    (
        count("task"),
        count("fd"),
        signals.map(str::to_owned).collect(),
    )
}

/// One statement that cannot end by itself, cancelled: by another session, or by the client as psql does it.
fn cancelled(
    session: &mut Client,
    other: &mut Client,
    proxy: &FaultProxy,
    kind: &Kind,
    by_client: bool,
) {
    // an answer to a statement that was given up may come so late that it fills the cache for the next one, which
    // then ends before it asks for anything
    let out = (0..10).find_map(|_| at_work_and_cancelled(session, other, proxy, kind, by_client));
    if by_client {
        // PostgreSQL 15 sends the signal of a request to the process and to its group (postmaster.c, signal_child):
        // the second one may meet the statement that comes next
        let _ = try_one(session, "SELECT 1");
    }
    let Kind(name, ..) = kind;
    let error = out.unwrap_or_else(|| panic!("{name}: ten times ended before it was cancelled"));
    assert_eq!(
        error.code().map(|c| c.code()),
        Some("57014"),
        "{name}: {error:?}"
    );
}

/// The error that ended the statement; `None` when it came to its end before it could be cancelled.
fn at_work_and_cancelled(
    session: &mut Client,
    other: &mut Client,
    proxy: &FaultProxy,
    Kind(name, hanging, sql): &Kind,
    by_client: bool,
) -> Option<postgres::Error> {
    let pid = one(session, "SELECT pg_backend_pid()");
    proxy.reset();
    if *hanging > 0 {
        exec(session, "SELECT strata.cold_cache_reset()");
        proxy.inject("", "", Fault::Hang);
    }
    let token = session.cancel_token();
    let over = AtomicBool::new(false);
    let (out, sent) = std::thread::scope(|scope| {
        let over = &over;
        let ending = scope.spawn(move || {
            // a request may be a late one of the statement before: the cancel must meet this one
            let active = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'active' AND query = $sql${sql}$sql$"
            );
            wait_until(&format!("{name}: the statement is at work"), || {
                let seen = proxy.counts();
                over.load(Ordering::SeqCst)
                    || seen.gets + seen.heads >= *hanging && one(other, &active) == "1"
            });
            if over.load(Ordering::SeqCst) {
                return false;
            }
            match by_client {
                true => token.cancel_query(NoTls).expect("a cancel request"),
                false => assert_eq!(one(other, &format!("SELECT pg_cancel_backend({pid})")), "t"),
            }
            true
        });
        let out = try_one(session, sql);
        over.store(true, Ordering::SeqCst);
        // a request sends its signal twice: both are over when it returns
        (out, ending.join().expect("the thread that cancels"))
    });
    proxy.clear();
    match out {
        Ok(_) if !sent => None,
        Ok(answer) => panic!("{name}: cancelled in vain, its answer is {answer}"),
        Err(error) => Some(error),
    }
}

#[test]
fn cancels_of_every_kind_leave_no_thread_no_file_and_no_broken_latch() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "cancels");
    db.metrics();
    db.archive(&proxy.endpoint(), ", request_timeout '60s'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-04-01");
    let hash = db.hash();
    let key = &db.keys()[0];
    db.run(&format!(
        "CREATE SCHEMA f; IMPORT FOREIGN SCHEMA main FROM SERVER archive INTO f OPTIONS (key '{key}')"
    ));
    let (mut session, mut other) = (db.session(), db.session());
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    exec(
        &mut session,
        "SET max_parallel_workers_per_gather = 0; SET strata.cold_prefetch = 4",
    );
    // what a session opens once, it keeps
    for kind in &KINDS {
        cancelled(&mut session, &mut other, &proxy, kind, false);
    }
    assert_eq!(one(&mut session, HASH), hash);
    let before = standing(&pid);
    let mut done = 0;
    for n in 0..times() {
        for kind in &KINDS {
            cancelled(&mut session, &mut other, &proxy, kind, n % 3 == 2);
            done += 1;
        }
        exec(&mut session, "SELECT strata.cold_cache_reset()");
        assert_eq!(one(&mut session, HASH), hash, "after {done} cancels");
    }
    wait_until("requests that were given up are gone", || {
        let after = standing(&pid);
        // the server has up to four connections, which may be idle at one time and closed at another
        after.0 <= before.0 && after.1 <= before.1 + 4 && after.2 == before.2
    });
    // it still hears signals: of a cancel, a timeout, and another session
    exec(&mut session, "LISTEN told");
    exec(&mut other, "NOTIFY told");
    {
        let mut heard = session.notifications();
        let mut heard = heard.timeout_iter(std::time::Duration::from_secs(30));
        let first = postgres::fallible_iterator::FallibleIterator::next(&mut heard);
        assert!(first.is_ok_and(|told| told.is_some()));
    }
    let out = try_one(
        &mut session,
        "SET statement_timeout = '20ms'; SELECT pg_sleep(600)",
    );
    assert_eq!(
        out.expect_err("a timeout").code().map(|c| c.code()),
        Some("57014")
    );
    exec(
        &mut session,
        &format!("SET statement_timeout = 0; {}", force_parallel()),
    );
    assert_eq!(one(&mut session, HASH), hash);
    let workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND datname = 'cancels'";
    wait_until("parallel workers are gone", || {
        one(&mut other, workers) == "0"
    });
    assert_eq!(chunk_state(&mut other, JANUARY), "live");
    assert_eq!(
        one(
            &mut other,
            &format!("SELECT count(*) FROM pg_locks WHERE pid = {pid}")
        ),
        "0"
    );
}

const EXPORTER: &str = "SELECT coalesce(bool_or(pg_cancel_backend(pid)), false) FROM pg_stat_activity \
    WHERE backend_type LIKE 'pg_strata job%' AND datname = 'cancels_export' AND query LIKE 'pg_strata: tiering%'";

/// The exporter is a process of its own, and so is what waits for it.
#[test]
fn cancelled_exports_and_merges_leave_whole_chunks_and_nothing_else() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "cancels_export");
    db.metrics();
    db.archive(&proxy.endpoint(), ", request_timeout '60s'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    let mut session = db.session();
    let call = "CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')";
    for (what, state) in [("upload", "hot"), ("merge", "live")] {
        let hash = db.hash();
        for _ in 0..times() {
            proxy.reset();
            match what {
                "upload" => proxy.inject("PUT", ".sqlite", Fault::Hang),
                _ => proxy.inject("GET", ".sqlite", Fault::Hang),
            }
            let hangs = || {
                let seen = proxy.counts();
                (if what == "upload" {
                    seen.puts
                } else {
                    seen.gets
                }) > 0
            };
            // who waits for the export is cancelled, and the export goes on
            if what == "upload" {
                let pid = one(&mut session, "SELECT pg_backend_pid()");
                let error = std::thread::scope(|scope| {
                    let ending = scope.spawn(|| {
                        wait_until("a request hangs", hangs);
                        one(
                            &mut db.session(),
                            &format!("SELECT pg_cancel_backend({pid})"),
                        )
                    });
                    let out = try_one(&mut session, call);
                    assert_eq!(ending.join().expect("the thread that cancels"), "t");
                    out.expect_err("a cancelled call")
                });
                assert_eq!(error.code().map(|c| c.code()), Some("57014"), "{error:?}");
            } else {
                one(
                    &mut session,
                    &format!("SELECT strata.tier_chunk('{JANUARY}')"),
                );
                wait_until("a request hangs", hangs);
            }
            assert_eq!(one(&mut session, EXPORTER), "t");
            wait_until("the job has ended", || {
                one(
                    &mut session,
                    "SELECT state FROM strata.cold_exports ORDER BY id DESC LIMIT 1",
                ) == "failed"
            });
            proxy.clear();
            assert_eq!(chunk_state(&mut session, JANUARY), state, "{what}");
            assert_eq!(db.hash(), hash, "{what}");
        }
        one(
            &mut session,
            &format!("SELECT strata.tier_chunk('{JANUARY}')"),
        );
        wait_until("the job is done", || {
            one(
                &mut session,
                "SELECT state FROM strata.cold_exports ORDER BY id DESC LIMIT 1",
            ) == "done"
        });
        assert_eq!(chunk_state(&mut session, JANUARY), "live");
        assert_eq!(db.hash(), hash, "{what}");
        db.run("INSERT INTO m (id, ts, dev) VALUES (9000 + (SELECT count(*) FROM m WHERE id >= 9000), '2025-01-10 00:30+00', 1)");
    }
    assert_eq!(
        one(&mut session, "SELECT generation FROM strata.cold_files"),
        "2"
    );
    let processes = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_strata job%' AND datname = 'cancels_export'";
    wait_until("exporters have left", || {
        one(&mut session, processes) == "0"
    });
    assert_eq!(
        rows(&mut session, "SELECT chunk FROM strata.cold_merge"),
        ""
    );
}
