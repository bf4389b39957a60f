//! SERIALIZABLE and prepared transactions while chunks move between heap and file: no conflict is lost with the place
//! of a row, and what was prepared is there afterwards, all of it or nothing.

use crate::common::{Cluster, Sandbox, Stop, wait_until};
use crate::support::{
    Armed, ColdDb, Db, JANUARY, arm, chunk_state, exec, one, server, try_one, wait_at,
};
use postgres::Client;
use std::sync::OnceLock;

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

fn job(session: &mut Client, column: &str) -> String {
    let sql = format!(
        "SELECT {column} FROM strata.cold_exports WHERE chunk = '{JANUARY}'::regclass ORDER BY id DESC LIMIT 1"
    );
    one(session, &sql)
}

fn queue(session: &mut Client) {
    one(session, &format!("SELECT strata.tier_chunk('{JANUARY}')"));
}

#[track_caller]
fn wait_done(session: &mut Client) {
    wait_until("the export is done", || {
        assert_ne!(
            job(session, "state"),
            "failed",
            "{}",
            job(session, "last_error")
        );
        job(session, "state") == "done"
    });
}

/// Two serializable transactions: the first has read from `m` what the second one is going to change, and has written
/// what the second one has read. Between the first's end and the second's change something moves the chunk.
fn conflict_is_found(db: &Db, read: &str, change: &str, moves: impl FnOnce()) {
    let (mut first, mut second) = (db.session(), db.session());
    for session in [&mut first, &mut second] {
        exec(session, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    }
    assert_ne!(one(&mut first, read), "", "{read}");
    one(&mut second, "SELECT v FROM flag");
    exec(&mut first, "UPDATE flag SET v = v + 1; COMMIT");
    moves();
    let out = second
        .batch_execute(change)
        .and_then(|()| second.batch_execute("COMMIT"));
    let error = out.expect_err(read);
    assert_eq!(
        error.code().map(|c| c.code()),
        Some("40001"),
        "{read}; {change}: {error}"
    );
}

const FLAG: &str = "CREATE TABLE flag (v int); INSERT INTO flag VALUES (1)";
const LATE: &str =
    "INSERT INTO m (id, ts, dev, note) VALUES (20000, '2025-01-31 23:30+00', 3, 'late')";

/// A row that was read in its file and is changed in the heap after it was brought back: also when the reader was
/// content with the first row, and never came to the late ones.
#[test]
fn a_row_read_in_a_file_and_changed_after_untiering_is_a_conflict() {
    let db = Db::new(server(), "serial_untier");
    db.metrics();
    db.run(FLAG);
    for (read, change) in [
        (
            "SELECT note FROM m WHERE id = 5 AND ts = '2025-01-01 05:00+00' LIMIT 1",
            "DELETE FROM m WHERE id = 5",
        ),
        (
            "SELECT EXISTS (SELECT FROM m WHERE dev = 3 AND ts < '2025-01-02')",
            "UPDATE m SET dev = 4 WHERE id = 3",
        ),
        (
            "SELECT count(*) FROM m WHERE ts < '2025-01-10'",
            "DELETE FROM m WHERE id = 7",
        ),
        (
            "SELECT id FROM m WHERE ts < '2025-02-01' ORDER BY ts LIMIT 1",
            "DELETE FROM m WHERE id = 0",
        ),
        (
            "SELECT max(note) FROM m WHERE dev = 2 AND ts < '2025-01-20'",
            "UPDATE m SET note = 'z' WHERE id = 9",
        ),
        (
            "SELECT (SELECT count(*) FROM m WHERE ts < '2025-02-01' GROUP BY dev LIMIT 1)",
            "DELETE FROM m WHERE id = 11",
        ),
    ] {
        db.tier("2025-02-01");
        conflict_is_found(&db, read, change, || {
            db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
        });
    }
}

/// Hot to cold: who begins after the freeze is not waited for by its snapshot. And a merge, cold to cold.
#[test]
fn conflicts_over_an_export_and_a_merge_are_found() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "serial_export");
    db.metrics();
    db.run(FLAG);
    let mut session = db.session();
    for what in ["export", "merge"] {
        for (n, read) in [
            "SELECT count(*) FROM m WHERE dev = 3 AND ts < '2025-02-01'",
            "SELECT coalesce(max(note), '-') FROM m WHERE id = 20000 AND ts < '2025-02-01'",
            "SELECT max(ts) FROM m WHERE ts < '2025-02-01'",
        ]
        .into_iter()
        .enumerate()
        {
            let change = LATE.replace("20000", &(20_000 + n).to_string());
            let read = read.replace("20000", &(20_000 + n).to_string());
            arm(&cluster, "cold.export.built:sleep");
            queue(&mut session);
            wait_at(&mut session, "build");
            conflict_is_found(&db, &read, &change, || {
                arm(&cluster, "");
                wait_done(&mut session);
            });
            assert_eq!(chunk_state(&mut session, JANUARY), "live");
            match what {
                "export" => db.run(&format!("CALL strata.untier_chunk('{JANUARY}')")),
                // something to merge
                _ => db.run(&format!(
                    "INSERT INTO m (id, ts, dev) VALUES ({}, '2025-01-03 00:30+00', 1)",
                    30_000 + n
                )),
            };
        }
        if what == "export" {
            db.tier("2025-02-01");
            db.run("INSERT INTO m (id, ts, dev) VALUES (29999, '2025-01-03 00:30+00', 1)");
        }
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "2164");
}

/// What waits for its second phase at each step of an export and of a merge, and through a crash of the server: the
/// exporter names it and waits or gives way, and afterwards the rows are those of COMMIT or ROLLBACK PREPARED.
#[test]
fn prepared_writers_during_an_export_and_a_merge() {
    let mut cluster = Cluster::builder()
        .set("max_prepared_transactions", "5")
        .set("max_worker_processes", "16")
        .preload(true)
        .start();
    {
        let db = Db::new(&cluster, "serial_prepared");
        db.metrics();
    }
    let mut rows = 2160;
    for (n, (point, step)) in [
        ("cold.export.frozen", "freeze"),
        ("cold.export.built", "build"),
        ("cold.export.verified", "verify"),
    ]
    .into_iter()
    .cycle()
    .take(6)
    .enumerate()
    {
        let end = ["COMMIT", "ROLLBACK"][n % 2];
        let crash = n == 2 || n == 4;
        let wanted = rows + if end == "COMMIT" { 2 } else { 0 };
        {
            let db = Db {
                cluster: &cluster,
                name: "serial_prepared",
            };
            arm(&cluster, &format!("{point}:sleep"));
            let mut session = db.session();
            queue(&mut session);
            wait_at(&mut session, step);
            let mut writer = db.session();
            exec(
                &mut writer,
                &format!(
                    "BEGIN; INSERT INTO m (id, ts, dev) VALUES ({0}, '2025-01-20 00:30+00', 1); SAVEPOINT s; \
                     INSERT INTO m (id, ts, dev) VALUES ({0} + 1, '2025-01-20 00:30+00', 1); RELEASE s; PREPARE TRANSACTION 'w'",
                    9000 + 10 * n
                ),
            );
            // the same session goes on: its next write is one of another transaction, and leaves a mark of its own
            exec(
                &mut writer,
                &format!(
                    "INSERT INTO m (id, ts, dev) VALUES ({}, '2025-01-21 00:30+00', 1)",
                    9002 + 10 * n
                ),
            );
            arm(&cluster, "");
            wait_until("the export names the prepared transaction", || {
                job(&mut session, "blocked_by").contains("prepared transaction \"w\"")
            });
            assert_eq!(db.one("SELECT count(*) FROM m"), (rows + 1).to_string());
        }
        if crash {
            cluster.restart(Stop::Immediate);
        }
        let db = Db {
            cluster: &cluster,
            name: "serial_prepared",
        };
        db.run(&format!("{end} PREPARED 'w'"));
        let mut session = db.session();
        wait_done(&mut session);
        // rows that came while the chunk was frozen are late ones, others are in the file already
        let late = "SELECT late_rows FROM strata.cold_files WHERE chunk = 'strata_chunks.m_h1_20250101'::regclass";
        if one(&mut session, late) != "0" {
            queue(&mut session);
            wait_done(&mut session);
            assert_eq!(one(&mut session, late), "0", "{point}");
        }
        assert_eq!(chunk_state(&mut session, JANUARY), "live", "{point}");
        rows = wanted + 1;
        assert_eq!(
            db.one("SELECT count(*) FROM m"),
            rows.to_string(),
            "{point}, {end}"
        );
        assert_eq!(
            db.one("SELECT count(DISTINCT id) FROM m"),
            rows.to_string(),
            "{point}, {end}"
        );
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status <> 'ok'"),
            "0"
        );
        // from the fourth round on it is a merge
        if n < 2 {
            db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
        } else {
            db.run(&format!(
                "INSERT INTO m (id, ts, dev) VALUES ({}, '2025-01-21 00:30+00', 1)",
                9003 + 10 * n
            ));
            rows += 1;
        }
    }
}

/// Bringing a chunk back in two phases: cold after ROLLBACK PREPARED, hot after COMMIT PREPARED, through a crash in
/// between, and for sessions that knew the chunk before.
#[test]
fn a_prepared_untier_is_all_or_nothing() {
    let mut cluster = Cluster::builder()
        .set("max_prepared_transactions", "5")
        .set("max_worker_processes", "16")
        .start();
    let hash = {
        let db = Db::new(&cluster, "serial_2pc_untier");
        db.metrics();
        db.tier("2025-02-01");
        db.run(LATE);
        db.hash()
    };
    for (end, crash, state) in [
        ("ROLLBACK", false, "live"),
        ("ROLLBACK", true, "live"),
        ("COMMIT", false, "hot"),
        ("COMMIT", true, "hot"),
    ] {
        let what = format!("{end}, crash: {crash}");
        {
            let db = Db {
                cluster: &cluster,
                name: "serial_2pc_untier",
            };
            let mut old = db.session();
            assert_eq!(one(&mut old, crate::support::HASH), hash);
            let mut session = db.session();
            let sql =
                format!("BEGIN; CALL strata.untier_chunk('{JANUARY}'); PREPARE TRANSACTION 'u'");
            exec(&mut session, &sql);
            // it holds its lock, and says who it is
            let out = try_one(
                &mut old,
                "SET lock_timeout = '100ms'; SELECT count(*) FROM m WHERE ts < '2025-02-01'",
            );
            assert_eq!(
                out.expect_err("a lock").code().map(|c| c.code()),
                Some("55P03")
            );
            if !crash {
                exec(&mut old, "RESET lock_timeout");
                exec(&mut session, &format!("{end} PREPARED 'u'"));
                assert_eq!(one(&mut old, crate::support::HASH), hash, "{what}");
                assert_eq!(one(&mut session, crate::support::HASH), hash, "{what}");
            }
        }
        if crash {
            cluster.restart(Stop::Immediate);
            cluster.psql("serial_2pc_untier", &format!("{end} PREPARED 'u'"));
        }
        let db = Db {
            cluster: &cluster,
            name: "serial_2pc_untier",
        };
        let mut session = db.session();
        assert_eq!(chunk_state(&mut session, JANUARY), state, "{what}");
        assert_eq!(db.hash(), hash, "{what}");
        let queued =
            "SELECT count(*) FROM strata.cold_delete_queue q JOIN strata.cold_file f USING (key)";
        assert_eq!(
            one(&mut session, queued),
            "0",
            "{what}: nothing in use is to be deleted"
        );
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status <> 'ok'"),
            "0"
        );
        if state == "hot" {
            assert_eq!(
                one(
                    &mut session,
                    &format!("SELECT pg_relation_size('{JANUARY}') > 0")
                ),
                "t"
            );
            db.tier("2025-02-01");
            assert_eq!(db.hash(), hash, "{what}");
        }
    }
}

/// Those who hold an export up from afar: a standby that sends feedback, one with a slot, a slot of nobody.
#[test]
fn standbys_and_slots_that_hold_an_export_up_are_named() {
    // a directory that both reach
    let shared = Sandbox::new();
    let primary = Cluster::builder()
        .set(
            "strata.cold_directory",
            &shared.folder("cold", 0o700).to_string_lossy(),
        )
        .set("max_worker_processes", "16")
        .set("wal_receiver_status_interval", "1s")
        .set("hot_standby_feedback", "on")
        .set("max_standby_streaming_delay", "-1")
        .start();
    let db = Db::new(&primary, "serial_standby");
    db.metrics();
    let mut session = db.session();
    let standby = primary.standby();
    let replica = Db {
        cluster: &standby,
        name: "serial_standby",
    };
    // by name, without a slot: seen as its WAL sender
    let mut reader = replica.session();
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let seen = one(&mut reader, "SELECT count(*) FROM pg_class");
    wait_until("the primary knows of the snapshot", || {
        one(
            &mut session,
            "SELECT count(backend_xmin) FROM pg_stat_replication",
        ) == "1"
    });
    db.run("UPDATE m SET note = 'new' WHERE id < 20");
    queue(&mut session);
    let sender =
        "SELECT format('standby \"%s\" (pid %s)', application_name, pid) FROM pg_stat_replication";
    let sender = one(&mut session, sender);
    wait_until("the export names the standby", || {
        job(&mut session, "blocked_by") == sender
    });
    assert_eq!(job(&mut session, "step"), "wait");
    assert_eq!(one(&mut reader, "SELECT count(*) FROM pg_class"), seen);
    exec(&mut reader, "COMMIT");
    wait_done(&mut session);
    standby.catch_up(&primary);
    assert_eq!(replica.hash(), db.hash());

    // the same standby through a slot: the slot holds the snapshot, also while the standby is away
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}'); SELECT pg_create_physical_replication_slot('shelf', true)"));
    standby.catch_up(&primary);
    standby.configure(&[("primary_slot_name", "shelf")]);
    standby.reload();
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    one(&mut reader, "SELECT count(*) FROM pg_class");
    wait_until("the slot holds the snapshot", || {
        one(
            &mut session,
            "SELECT count(*) FROM pg_replication_slots WHERE active AND xmin IS NOT NULL",
        ) == "1"
    });
    db.run("UPDATE m SET note = 'newer' WHERE id < 20");
    queue(&mut session);
    wait_until("the export names the slot", || {
        job(&mut session, "blocked_by") == "replication slot \"shelf\""
    });
    drop(reader);
    drop(standby);
    // it stays with the slot until somebody drops it
    assert_eq!(
        job(&mut session, "blocked_by"),
        "replication slot \"shelf\""
    );
    wait_until("the slot is free", || {
        try_one(&mut session, "SELECT pg_drop_replication_slot('shelf')").is_ok()
    });
    wait_done(&mut session);
    assert_eq!(chunk_state(&mut session, JANUARY), "live");
    assert_eq!(db.one("SELECT count(*) FROM m WHERE note = 'newer'"), "20");
}
