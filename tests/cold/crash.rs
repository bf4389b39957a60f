//! kill -9 and immediate shutdown at every step of the export and of untiering.

use crate::common::{Cluster, Stop, wait_until};
use crate::support::{
    Armed, ColdDb, Db, JANUARY, arm, chunk_state, exec, one, try_one, unknown_objects, wait_at,
};
use std::sync::OnceLock;

/// Stop points of the exporter and the step that is shown while it rests there.
const EXPORT: [(&str, &str); 11] = [
    ("cold.export.freezing", "freeze"),
    ("cold.export.frozen", "freeze"),
    ("cold.export.waited", "wait"),
    ("cold.export.read", "build"),
    ("cold.export.built", "build"),
    ("cold.export.intended", "upload"),
    ("cold.export.begun", "upload"),
    ("cold.export.uploaded", "upload"),
    ("cold.export.verified", "verify"),
    ("cold.export.swapping", "swap"),
    ("cold.export.swapped", "swap"),
];
const UNTIER: [&str; 4] = [
    "cold.untier.copied",
    "cold.untier.indexed",
    "cold.untier.exchanging",
    "cold.untier.done",
];

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

/// Half moved chunks, leftovers, lost rows: none of it may be there after recovery.
fn check_whole(db: &Db, hash: &str, at: &str) {
    assert_eq!(db.hash(), hash, "{at}");
    let mut session = db.session();
    let state = chunk_state(&mut session, JANUARY);
    let heap: i64 = one(
        &mut session,
        &format!("SELECT pg_relation_size('{JANUARY}')"),
    )
    .parse()
    .expect("a size");
    // the file is the truth exactly when the heap is empty
    assert_eq!(
        state == "live",
        heap == 0,
        "{at}: {state} with {heap} bytes in the heap"
    );
    let index = format!("SELECT pg_relation_size('{JANUARY}_pkey') > 8192");
    assert_eq!(
        one(&mut session, &index),
        if state == "live" { "f" } else { "t" },
        "{at}"
    );
    let temporary = db.cluster.data().join("base/pgsql_tmp");
    let left: Vec<_> = std::fs::read_dir(temporary)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{at}: {left:?}");
    assert_eq!(unknown_objects(db), Vec::<String>::new(), "{at}");
    let unfinished = one(
        &mut session,
        "SELECT count(*) FROM strata.cold_upload u JOIN strata.cold_file f USING (server, key)",
    );
    assert_eq!(
        unfinished, "0",
        "{at}: an object that is in use may be taken for a leftover"
    );
    if state != "live" {
        // frozen or hot: an ordinary table for readers and writers
        exec(
            &mut session,
            "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)",
        );
        exec(
            &mut session,
            "UPDATE m SET note = 'x' WHERE id = 9000; DELETE FROM m WHERE id = 9000",
        );
    }
    let check = "SELECT count(*) FROM strata.cold_check(deep => true) WHERE status <> 'ok'";
    assert_eq!(one(&mut session, check), "0", "{at}");
}

/// Queues January and returns at once; the connection may break when the exporter is killed.
pub fn queue(db: &Db) {
    // the crash may come before the answer
    let _ = try_one(
        &mut db.session(),
        &format!("SELECT strata.tier_chunk('{JANUARY}')"),
    );
}

pub fn wait_for_crash(cluster: &Cluster, crashes: usize) {
    wait_until("the server has noticed the kill", || {
        count_crashes(cluster) > crashes
    });
    cluster.wait_for_recovery();
}

pub fn count_crashes(cluster: &Cluster) -> usize {
    cluster.log().matches("was terminated by signal 9").count()
}

fn make(cluster: &Cluster) -> (Db<'_>, String) {
    let db = Db::new(cluster, "crash");
    db.metrics();
    db.run("DELETE FROM m WHERE id % 3 > 0");
    let hash = db.hash();
    (db, hash)
}

/// What [`make`] has made, after a restart.
fn made(cluster: &Cluster) -> Db<'_> {
    Db {
        cluster,
        name: "crash",
    }
}

fn clear_away(cluster: &Cluster) {
    cluster.psql("postgres", "DROP DATABASE crash WITH (FORCE)");
    // objects stay behind when a database is dropped; the next test counts its own
    let _ = std::fs::remove_dir_all(cluster.data().join("strata_cold"));
}

/// Tiering again must work after whatever has happened, and untiering after it.
fn finish(db: &Db, hash: &str, at: &str) {
    db.tier("2025-02-01");
    assert_eq!(chunk_state(&mut db.session(), JANUARY), "live", "{at}");
    check_whole(db, hash, at);
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    check_whole(db, hash, at);
}

#[test]
fn killed_exporter_leaves_whole_chunks() {
    let cluster = armed().take();
    let (db, hash) = make(&cluster);
    for (point, _) in EXPORT {
        let crashes = count_crashes(&cluster);
        arm(&cluster, &format!("{point}:kill"));
        queue(&db);
        wait_for_crash(&cluster, crashes);
        arm(&cluster, "");
        let state = chunk_state(&mut db.session(), JANUARY);
        let expected = match point {
            "cold.export.freezing" => "hot",
            "cold.export.swapped" => "live",
            _ => "frozen",
        };
        assert_eq!(state, expected, "{point}");
        check_whole(&db, &hash, point);
        finish(&db, &hash, point);
    }
    clear_away(&cluster);
}

#[test]
fn immediate_shutdown_during_an_export_leaves_whole_chunks() {
    stopped_in(&EXPORT, Stop::Immediate);
}

#[test]
fn killed_postmaster_during_an_export_leaves_whole_chunks() {
    stopped_in(&[EXPORT[7], EXPORT[9]], Stop::Kill);
}

/// The server stops while an export rests at each of the points.
fn stopped_in(points: &[(&str, &str)], stop: Stop) {
    let mut cluster = armed().take();
    let hash = make(&cluster).1;
    for (point, step) in points {
        {
            let db = made(&cluster);
            arm(&cluster, &format!("{point}:sleep"));
            queue(&db);
            wait_at(&mut db.session(), step);
        }
        cluster.configure(&[("strata.inject", "")]);
        cluster.restart(stop);
        let db = made(&cluster);
        check_whole(&db, &hash, point);
        finish(&db, &hash, point);
    }
    clear_away(&cluster);
}

#[test]
fn killed_or_stopped_untiering_leaves_whole_chunks() {
    let mut cluster = armed().take();
    let hash = make(&cluster).1;
    let untier = format!("CALL strata.untier_chunk('{JANUARY}')");
    for point in UNTIER {
        for stop in [false, true] {
            let at = format!("{point}, stop: {stop}");
            made(&cluster).tier("2025-02-01");
            if stop {
                std::thread::scope(|scope| {
                    let db = made(&cluster);
                    arm(&cluster, &format!("{point}:sleep"));
                    let mut worker = db.session();
                    let pid = one(&mut worker, "SELECT pg_backend_pid()");
                    let untier = &untier;
                    scope.spawn(move || try_one(&mut worker, untier).expect_err("a crash"));
                    let sql = format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}");
                    wait_until("untiering rests", || db.one(&sql) == "Extension");
                    cluster.configure(&[("strata.inject", "")]);
                    assert!(crate::common::signal(cluster.postmaster(), "QUIT"));
                });
                cluster.restart(Stop::Immediate);
            } else {
                let crashes = count_crashes(&cluster);
                arm(&cluster, &format!("{point}:kill"));
                let db = made(&cluster);
                try_one(&mut db.session(), &untier).expect_err("a crash");
                wait_for_crash(&cluster, crashes);
                arm(&cluster, "");
            }
            let db = made(&cluster);
            assert_eq!(chunk_state(&mut db.session(), JANUARY), "live", "{at}");
            check_whole(&db, &hash, &at);
            db.run(&untier);
            check_whole(&db, &hash, &at);
        }
    }
    clear_away(&cluster);
}

/// With preload nobody has to ask again: the database's worker finds what the killed exporter left.
#[test]
fn preloaded_server_goes_on_by_itself() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1")
        .start();
    let (db, hash) = make(&cluster);
    let crashes = count_crashes(&cluster);
    arm(&cluster, "cold.export.uploaded:kill");
    queue(&db);
    wait_for_crash(&cluster, crashes);
    arm(&cluster, "");
    crate::support::wait_cold_through_crashes(&db, JANUARY);
    check_whole(&db, &hash, "with preload");
}

/// A failed export that cannot lock its chunk leaves it frozen; it is hot again as soon as that is possible.
#[test]
fn frozen_chunk_without_a_job_thaws_by_itself() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1")
        .start();
    let (db, hash) = make(&cluster);
    arm(&cluster, "cold.export.built:sleep");
    queue(&db);
    let mut session = db.session();
    wait_at(&mut session, "build");
    let mut reader = db.session();
    exec(&mut reader, "BEGIN; SELECT count(id + 0) FROM m");
    exec(&mut session, "UPDATE m SET note = note WHERE id = 3");
    arm(&cluster, "cold.export.built:error");
    let state = "SELECT state FROM strata.cold_exports";
    crate::common::wait_until("the export has failed", || {
        one(&mut session, state) == "failed"
    });
    assert_eq!(chunk_state(&mut session, JANUARY), "frozen");
    assert_eq!(
        one(&mut session, "SELECT count(*) > 0 FROM strata.cold_touch"),
        "t"
    );
    exec(&mut reader, "COMMIT");
    crate::common::wait_until("the chunk is hot", || {
        chunk_state(&mut session, JANUARY) == "hot"
    });
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM strata.cold_touch"),
        "0"
    );
    arm(&cluster, "");
    check_whole(&db, &hash, "thawed");
    finish(&db, &hash, "thawed");
}

/// An export that fails tells why and leaves the chunk hot.
#[test]
fn failed_export_leaves_the_chunk_hot() {
    let cluster = armed().take();
    let (db, hash) = make(&cluster);
    // after the last point the chunk is cold already
    for (point, _) in &EXPORT[..EXPORT.len() - 1] {
        arm(&cluster, &format!("{point}:error"));
        let error = cluster
            .try_psql(
                "crash",
                "CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')",
            )
            .expect_err("the injected error");
        arm(&cluster, "");
        assert!(error.contains("injected error"), "{point}: {error}");
        let mut session = db.session();
        assert_eq!(chunk_state(&mut session, JANUARY), "hot", "{point}");
        let last = "SELECT last_error FROM strata.cold_exports ORDER BY id DESC LIMIT 1";
        assert!(one(&mut session, last).contains(point), "{point}");
        check_whole(&db, &hash, point);
    }
    finish(&db, &hash, "after failures");
    clear_away(&cluster);
}
