//! Readers with old snapshots and writers while a chunk is exported: nobody sees a wrong row.

use crate::common::{Cluster, wait_until};
use crate::support::{
    Armed, ColdDb, Db, FEBRUARY, HASH, JANUARY, arm, chunk_state, exec, one, unknown_objects,
    wait_at, wait_cold,
};
use postgres::Client;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

fn queue(session: &mut Client, chunk: &str) {
    one(session, &format!("SELECT strata.tier_chunk('{chunk}')"));
}

fn job(session: &mut Client, chunk: &str, column: &str) -> String {
    let sql = format!(
        "SELECT {column} FROM strata.cold_exports WHERE chunk = '{chunk}'::regclass ORDER BY id DESC LIMIT 1"
    );
    one(session, &sql)
}

/// Tiers January and stops in the given step; the server's stop point must lie there.
fn stop_in<'a>(cluster: &'a Cluster, name: &'a str, point: &str, step: &str) -> (Db<'a>, Client) {
    let db = Db::new(cluster, name);
    db.metrics();
    arm(cluster, &format!("{point}:sleep"));
    let mut session = db.session();
    queue(&mut session, JANUARY);
    wait_at(&mut session, step);
    (db, session)
}

#[test]
fn reader_from_before_the_export_sees_unchanged_data() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "snapshots_before");
    db.metrics();
    let mut reader = db.session();
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let seen = one(&mut reader, HASH);
    // the rows that the reader must not see, and the old versions that it must
    db.run(
        "UPDATE m SET note = 'new' WHERE id < 20; DELETE FROM m WHERE id = 30; \
        INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)",
    );
    let now = db.hash();
    assert_ne!(seen, now);
    let pid = one(&mut reader, "SELECT pg_backend_pid()");
    let mut session = db.session();
    queue(&mut session, JANUARY);
    wait_until("the export waits for the reader", || {
        job(&mut session, JANUARY, "blocked_by").contains(&format!("pid {pid} "))
    });
    assert_eq!(one(&mut reader, HASH), seen);
    assert_eq!(db.hash(), now, "others see the latest rows");
    // the reader holds a lock on the chunk or an old snapshot: neither way is the export done
    assert_ne!(chunk_state(&mut session, JANUARY), "live");
    exec(&mut reader, "COMMIT");
    wait_cold(&mut session, JANUARY);
    assert_eq!(job(&mut session, JANUARY, "blocked_by"), "");
    assert_eq!(one(&mut reader, HASH), now);
}

/// The same with a reader that has not touched the chunk, so that only its snapshot is in the way.
#[test]
fn old_snapshot_alone_holds_the_export_up() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "snapshots_alone");
    db.metrics();
    let before = db.hash();
    let mut reader = db.session();
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let pid = one(&mut reader, "SELECT pg_backend_pid() FROM pg_class LIMIT 1");
    db.run("UPDATE m SET note = 'new' WHERE id < 20");
    let now = db.hash();
    let mut session = db.session();
    queue(&mut session, JANUARY);
    wait_until("the export waits for the snapshot", || {
        job(&mut session, JANUARY, "blocked_by").contains(&format!("pid {pid} "))
    });
    assert_eq!(job(&mut session, JANUARY, "step"), "wait");
    assert_eq!(chunk_state(&mut session, JANUARY), "frozen");
    assert_eq!(one(&mut reader, HASH), before);
    exec(&mut reader, "COMMIT");
    wait_cold(&mut session, JANUARY);
    assert_eq!(one(&mut reader, HASH), now);
}

#[test]
fn reader_from_between_freeze_and_swap_sees_unchanged_data() {
    let cluster = armed().take();
    let (db, mut session) = stop_in(&cluster, "snapshots_between", "cold.export.built", "build");
    let before = db.hash();
    let mut reader = db.session();
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    one(&mut reader, "SELECT count(*) FROM pg_class");
    arm(&cluster, "");
    wait_cold(&mut session, JANUARY);
    // the first look at the chunk: through the file, with a snapshot from before the swap
    assert_eq!(one(&mut reader, HASH), before);
    exec(&mut reader, "COMMIT");

    // the way back: another reader's first look is at rows that were written after its snapshot
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    one(&mut reader, "SELECT count(*) FROM pg_class");
    db.run(&format!(
        "CALL strata.untier_chunk('{JANUARY}'); INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)"
    ));
    assert_eq!(one(&mut reader, HASH), before, "after untiering");
    db.run("UPDATE m SET note = 'new' WHERE id < 20");
    assert_eq!(one(&mut reader, HASH), before, "after an update");
    exec(&mut reader, "COMMIT");
    assert_ne!(one(&mut reader, HASH), before);
}

/// A cursor and a generic plan from before the swap go on to give the right rows after it.
#[test]
fn plans_from_before_the_swap_are_made_anew() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "snapshots_plans");
    db.metrics();
    let mut session = db.session();
    exec(
        &mut session,
        "PREPARE p AS SELECT note FROM m WHERE id = $1; PREPARE h AS SELECT count(id + 0) FROM m",
    );
    for _ in 0..7 {
        assert_eq!(one(&mut session, "EXECUTE p(5)"), "n5");
        assert_eq!(one(&mut session, "EXECUTE h"), "2160");
    }
    db.tier("2025-03-01");
    assert_eq!(one(&mut session, "EXECUTE p(5)"), "n5");
    assert_eq!(one(&mut session, "EXECUTE h"), "2160");
    db.run("CALL strata.untier_chunks('m'); UPDATE m SET note = 'hot' WHERE id = 5");
    assert_eq!(one(&mut session, "EXECUTE p(5)"), "hot");
    assert_eq!(one(&mut session, "EXECUTE h"), "2160");
}

#[test]
fn export_gives_way_to_writers() {
    let cluster = armed().take();
    for (n, (point, step)) in [
        ("cold.export.frozen", "freeze"),
        ("cold.export.waited", "wait"),
        ("cold.export.built", "build"),
        ("cold.export.intended", "upload"),
        ("cold.export.uploaded", "upload"),
        ("cold.export.verified", "verify"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("snapshots_writer_{n}");
        let (db, mut session) = stop_in(&cluster, &name, point, step);
        assert_eq!(chunk_state(&mut session, JANUARY), "frozen");
        let mut writer = db.session();
        exec(
            &mut writer,
            "SET lock_timeout = '5s'; INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)",
        );
        exec(
            &mut writer,
            "BEGIN; UPDATE m SET note = 'lost' WHERE id < 10; SAVEPOINT s; \
            UPDATE m SET note = 'kept' WHERE id = 11; ROLLBACK TO s; \
            DELETE FROM m WHERE id = 12; COMMIT",
        );
        exec(
            &mut writer,
            "BEGIN; UPDATE m SET note = 'never' WHERE id = 13; ROLLBACK",
        );
        let now = db.hash();
        assert!(now.ends_with(" 2160"), "{point}: {now}");
        arm(&cluster, "");
        wait_cold(&mut session, JANUARY);
        assert_eq!(db.hash(), now, "{point}");
        assert_eq!(one(&mut session, "SELECT note FROM m WHERE id = 9"), "lost");
        // before the build the first file has everything already, but marks were left all the same
        let attempts: i32 = job(&mut session, JANUARY, "attempt")
            .parse()
            .expect("a number");
        assert!(attempts >= 2, "{point}: {attempts} attempts");
        // it renews the file that names the owner of the store before it ends
        wait_until("the export has ended", || {
            job(&mut session, JANUARY, "state") == "done"
        });
        // objects of attempts that gave way wait to be deleted; nothing else lies there
        let unknown = unknown_objects(&db);
        assert!(unknown.is_empty(), "{point}: {unknown:?}");
    }
}

/// A writer that has not ended when the swap comes: the export names it and takes its rows along.
#[test]
fn swap_waits_for_open_writers() {
    let cluster = armed().take();
    let (db, mut session) = stop_in(&cluster, "snapshots_open", "cold.export.verified", "verify");
    let mut writer = db.session();
    exec(
        &mut writer,
        "BEGIN; INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)",
    );
    let pid = one(&mut writer, "SELECT pg_backend_pid()");
    arm(&cluster, "");
    wait_until("the export names the writer", || {
        job(&mut session, JANUARY, "blocked_by").contains(&format!("pid {pid} "))
    });
    // others go on meanwhile, in this chunk and elsewhere
    let mut other = db.session();
    exec(
        &mut other,
        "SET lock_timeout = '2s'; INSERT INTO m VALUES (9001, '2025-01-20 00:30+00', 1); \
        INSERT INTO m VALUES (9002, '2025-03-20 00:30+00', 1)",
    );
    exec(&mut writer, "COMMIT");
    let now = db.hash();
    assert!(now.ends_with(" 2163"), "{now}");
    wait_cold(&mut session, JANUARY);
    assert_eq!(db.hash(), now);
}

/// Ends a writer also when the test fails: else the test would wait for it for ever.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Writers that never stop while two chunks are exported, one after the other.
#[test]
fn nothing_is_lost_under_a_stream_of_writes() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "snapshots_stream");
    db.metrics();
    let stop = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut session = db.session();
            let mut written = 0;
            for n in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let sql = format!(
                    "INSERT INTO m SELECT 100000 + {n}, '2025-0{}-20 00:30+00', 1",
                    1 + n % 3
                );
                exec(&mut session, &sql);
                written += 1;
                // a burst, then longer and longer pauses: in the end the export gets its turn
                let pause = if n < 40 { 10 } else { 400 + 20 * n };
                std::thread::sleep(std::time::Duration::from_millis(pause));
            }
            written
        });
        let stopper = Stopper(&stop);
        let mut session = db.session();
        queue(&mut session, JANUARY);
        queue(&mut session, FEBRUARY);
        wait_until("the writer is at work", || {
            one(
                &mut session,
                "SELECT count(*) > 5 FROM m WHERE id >= 100000",
            ) == "t"
        });
        wait_cold(&mut session, JANUARY);
        wait_cold(&mut session, FEBRUARY);
        wait_until("rows come late", || {
            let sql = format!(
                "SELECT pg_relation_size('{JANUARY}') > 0 AND pg_relation_size('{FEBRUARY}') > 0"
            );
            one(&mut session, &sql) == "t"
        });
        drop(stopper);
        writer.join().expect("the writer")
    });
    assert!(written > 10, "{written} written");
    assert_eq!(
        db.one("SELECT count(*) FROM m WHERE id >= 100000"),
        written.to_string()
    );
    assert_eq!(
        db.one("SELECT count(id + 0) FROM m"),
        (2160 + written).to_string()
    );
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(
        db.one("SELECT count(id + 0) FROM m"),
        (2160 + written).to_string()
    );
}
