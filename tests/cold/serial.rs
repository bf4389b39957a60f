//! SERIALIZABLE and prepared transactions while chunks move between heap and file: no conflict is lost with the place
//! of a row, and what was prepared is there afterwards, all of it or nothing.

use crate::common::{Cluster, Stop, wait_until};
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
