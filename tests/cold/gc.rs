//! Collecting garbage: what is deleted, when, and what never is.

use crate::common::{Cluster, S3Server, wait_until};
use crate::support::{
    Armed, BUCKET, ColdDb, Db, JANUARY, arm, exec, fails, one, rows, s3, server, try_one,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

const RUN: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc(dry_run => false)";
const LOOK: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc()";
/// As if everything in the queue had been there for eight days.
const AGE: &str = "UPDATE strata.cold_delete_queue SET queued_at = queued_at - interval '8 days', retry_at = NULL;
    UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '1 day', proven_at = proven_at - interval '1 day'";
const QUEUED: &str = "SELECT count(*) FROM strata.cold_delete_queue";

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

fn cold<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    db.tier("2025-03-01");
    db
}

fn store(db: &Db) -> PathBuf {
    db.cluster.data().join("strata_cold")
}

/// The folder of this database in the built-in store.
fn folder(db: &Db) -> PathBuf {
    store(db).join(db.one("SELECT folder FROM strata.cold_leases"))
}

fn make_old(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("a file");
    let day_before_yesterday = SystemTime::now() - Duration::from_secs(48 * 3600);
    file.set_modified(day_before_yesterday).expect("its time");
}

/// A file of the server's user.
fn place(db: &Db, path: &Path, content: &[u8]) {
    fs::write(path, content).expect("a file");
    db.cluster.user().own(path);
}

#[test]
fn files_wait_in_the_queue_and_then_go() {
    let db = cold(server(), "gc_wait");
    let hash = db.hash();
    let files = db.local_files();
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    let look = db.one(LOOK);
    assert!(look.starts_with("wait untiered, not before 2"), "{look}");
    assert_eq!(db.one(RUN), "", "nothing is due");
    assert!(files[0].exists());
    let bytes = fs::metadata(&files[0]).expect("a file").len().to_string();
    assert_eq!(db.one("SELECT bytes FROM strata.cold_gc()"), bytes);
    assert_eq!(db.one("SELECT queued_bytes FROM strata.cold_leases"), bytes);
    db.run(AGE);
    assert_eq!(db.one(LOOK), "delete untiered");
    assert_eq!(db.one(LOOK), "delete untiered", "a look changes nothing");
    assert!(files[0].exists());
    assert_eq!(db.one(RUN), "delete untiered");
    assert!(!files[0].exists());
    assert_eq!(db.one(QUEUED), "0");
    assert_eq!(db.one(LOOK), "");
    assert_eq!(db.one(RUN), "");
    assert_eq!(
        rows(
            &mut db.session(),
            "SELECT state, files, queued, queued_bytes FROM strata.cold_leases"
        ),
        "ours|1|0|0"
    );
    assert_eq!(
        db.one("SELECT string_agg(action || ' ' || reason, ',') FROM strata.cold_gc_log WHERE action <> 'end'"),
        "delete untiered"
    );
    assert!(files[1].exists());
    assert_eq!(db.hash(), hash);
}

#[test]
fn drop_truncate_and_untier_queue_and_rollback_does_not() {
    let db = cold(server(), "gc_ways");
    let mut session = db.session();
    for sql in [
        "DROP TABLE m",
        "TRUNCATE m",
        "CALL strata.untier_chunks('m')",
        "SELECT strata.drop_chunks('m', older_than => timestamptz '2025-03-01 00:00+00')",
    ] {
        exec(&mut session, &format!("BEGIN; {sql}"));
        assert_eq!(one(&mut session, QUEUED), "2", "{sql}");
        exec(&mut session, "ROLLBACK");
        assert_eq!(one(&mut session, QUEUED), "0", "{sql}");
    }
    let files = db.local_files();
    exec(&mut session, "DROP TABLE m");
    db.run(AGE);
    assert_eq!(db.one(RUN), "delete dropped\ndelete dropped");
    assert!(files.iter().all(|file| !file.exists()));
    // all that is left is the owner file
    let listed = || {
        let names = fs::read_dir(folder(&db)).expect("a folder").flatten();
        let files = names.filter(|entry| entry.path().is_file());
        files.map(|entry| entry.file_name()).collect::<Vec<_>>()
    };
    assert_eq!(listed(), ["_owner.json"]);
}

#[test]
fn a_key_that_a_live_chunk_names_is_never_deleted() {
    let db = cold(server(), "gc_live");
    let hash = db.hash();
    // whatever may have gone wrong
    db.run("INSERT INTO strata.cold_delete_queue (server, key, owner_token, reason, queued_at)
            SELECT server, key, owner_token, 'by mistake', now() - interval '1 year' FROM strata.cold_file WHERE state = 'live'");
    let keep = "keep a live chunk has its rows there";
    assert_eq!(db.one(LOOK), format!("{keep}\n{keep}"));
    assert_eq!(db.one(RUN), format!("{keep}\n{keep}"));
    // under the name of another server
    db.run("CREATE SERVER other FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file:');
            INSERT INTO strata.cold_lease (server, folder, owner_token, timeline) SELECT 'other', folder, owner_token, timeline FROM strata.cold_lease;
            UPDATE strata.cold_delete_queue SET server = 'other'");
    let out = db.one(RUN);
    assert!(!out.contains("delete"), "{out}");
    assert!(db.local_files().iter().all(|file| file.exists()));
    assert_eq!(db.hash(), hash);
}

#[test]
fn the_worker_deletes_by_itself() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1")
        .set("strata.cold_gc_delay", "0")
        .start();
    let db = cold(&cluster, "gc_worker");
    let hash = db.hash();
    let files = db.local_files();
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    wait_until("the file is gone", || !files[0].exists());
    wait_until("the queue is empty", || db.one(QUEUED) == "0");
    assert!(files[1].exists());
    // an upload that nobody finished, found a day later
    db.run("INSERT INTO strata.cold_upload (server, key, chunk, started_at, expires_at)
            SELECT server, folder || '/x/2025/nothing.sqlite', 0, now() - interval '25 hours', now() - interval '1 hour' FROM strata.cold_lease");
    wait_until("the intent is gone", || {
        db.one("SELECT count(*) FROM strata.cold_upload") == "0"
    });
    assert_eq!(db.hash(), hash);
    assert_eq!(
        db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"),
        "1"
    );
}

#[test]
fn leftovers_are_found_by_their_age_and_their_name() {
    let db = cold(server(), "gc_left");
    let hash = db.hash();
    let files = db.local_files();
    let real = &files[0];
    let beside = |name: &str| real.with_file_name(name);
    let content = fs::read(real).expect("a file");
    let name = |attempt: &str| {
        let stem = real
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let cut = stem.rfind('-').expect("an attempt");
        format!("{}-{attempt}.sqlite", &stem[..cut])
    };
    let old = beside(&name("00000001"));
    let young = beside(&name("00000002"));
    let intended = beside(&name("00000003"));
    let elsewhere = beside(&name("00000004"));
    let foreign = beside("holiday.sqlite");
    let temporary = beside(".strata-put-00000000-0000-4000-8000-000000000001");
    let fresh = beside(".strata-put-00000000-0000-4000-8000-000000000002");
    for path in [
        &old, &young, &intended, &elsewhere, &foreign, &temporary, &fresh,
    ] {
        place(&db, path, &content);
        if path != &young && path != &fresh {
            make_old(path);
        }
    }
    let key = |path: &Path| {
        path.strip_prefix(store(&db))
            .expect("a key")
            .to_string_lossy()
            .into_owned()
    };
    // two servers may name one place: what the other one's tables name is no leftover
    db.run(&format!(
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file:');
         INSERT INTO strata.cold_upload (server, key, chunk, expires_at) VALUES
           ('strata_local', '{}', 0, now() - interval '1 minute'), ('strata_local', '{}x', 0, now() - interval '1 minute'),
           ('elsewhere', '{}', 0, now() + interval '1 day')",
        key(&intended), key(&intended), key(&elsewhere)
    ));
    let expected = "abort unfinished upload\nforget expired upload that left no object\nqueue expired upload\nqueue orphan";
    assert_eq!(db.one(LOOK), expected);
    assert!(temporary.exists());
    assert_eq!(db.one(RUN), expected);
    assert!(!temporary.exists() && fresh.exists());
    assert!(
        old.exists() && intended.exists(),
        "they wait like all others"
    );
    assert_eq!(
        db.one("SELECT string_agg(reason, ',' ORDER BY reason) FROM strata.cold_delete_queue"),
        "expired upload,orphan"
    );
    assert_eq!(db.one(RUN), "", "found once");
    db.run(AGE);
    assert_eq!(db.one(RUN), "delete expired upload\ndelete orphan");
    assert!(!old.exists() && !intended.exists());
    assert!(young.exists() && foreign.exists() && elsewhere.exists());
    assert_eq!(db.hash(), hash);
}

#[test]
fn another_tag_is_never_looked_at() {
    let db = cold(server(), "gc_tag");
    let other = store(&db).join("gc_tag-00000000/public.m/2025");
    let made = db.cluster.program("mkdir").arg("-p").arg(&other).status();
    // `program` looks in PostgreSQL's folder
    if !made.is_ok_and(|s| s.success()) {
        fs::create_dir_all(&other).expect("a folder");
    }
    let file = other.join("m__1__2__h1-g1-00000001.sqlite");
    place(&db, &file, b"x");
    make_old(&file);
    assert_eq!(db.one(LOOK), "");
    assert_eq!(db.one(RUN), "");
    assert!(file.exists());
    fs::remove_dir_all(store(&db).join("gc_tag-00000000")).expect("cleared away");
}

/// kill -9 between the store and the catalog, at each step; the next run goes on.
#[test]
fn killed_runs_are_finished_by_the_next_one() {
    let cluster = armed().take();
    for point in [
        "cold.lease.intended",
        "cold.lease.sent",
        "cold.gc.deleting",
        "cold.gc.deleted",
    ] {
        let db = cold(&cluster, "gc_crash");
        let hash = db.hash();
        let files = db.local_files();
        db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
        db.run(AGE);
        arm(&cluster, &format!("{point}:kill"));
        let crashes = cluster.log().matches("was terminated by signal 9").count();
        try_one(&mut db.session(), RUN).expect_err("a crash");
        wait_until("the server has noticed the kill", || {
            cluster.log().matches("was terminated by signal 9").count() > crashes
        });
        cluster.wait_for_recovery();
        arm(&cluster, "");
        assert_eq!(files[0].exists(), point != "cold.gc.deleted", "{point}");
        assert_eq!(db.one(RUN), "delete untiered", "{point}");
        assert!(!files[0].exists() && files[1].exists(), "{point}");
        assert_eq!(db.one(QUEUED), "0", "{point}");
        assert_eq!(db.one("SELECT state FROM strata.cold_leases"), "ours");
        assert_eq!(db.hash(), hash, "{point}");
        cluster.psql("postgres", "DROP DATABASE gc_crash WITH (FORCE)");
        let _ = fs::remove_dir_all(cluster.data().join("strata_cold"));
    }
}

/// The exporter and the collector both want the intent of an upload: one of them gets it.
#[test]
fn an_upload_that_expires_under_the_exporter_never_becomes_a_live_file() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "gc_race");
    db.metrics();
    let hash = db.hash();
    arm(&cluster, "cold.export.verified:sleep");
    db.run(&format!("SELECT strata.tier_chunk('{JANUARY}')"));
    let mut session = db.session();
    crate::support::wait_at(&mut session, "verify");
    exec(
        &mut session,
        "UPDATE strata.cold_upload SET expires_at = now() - interval '1 minute'",
    );
    assert_eq!(one(&mut session, RUN), "queue expired upload");
    arm(&cluster, "");
    let failed = "SELECT count(*) FROM strata.cold_exports WHERE state = 'failed' AND last_error LIKE '%expired%'";
    wait_until("the export has failed", || one(&mut session, failed) == "1");
    assert_eq!(db.hash(), hash);
    db.tier("2025-02-01");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.cold_delete_queue q JOIN strata.cold_file f USING (key)"
        ),
        "0",
        "a live file stands in the delete queue"
    );
    exec(&mut session, AGE);
    assert_eq!(one(&mut session, RUN), "delete expired upload");
    assert_eq!(db.hash(), hash);
    cluster.psql("postgres", "DROP DATABASE gc_race WITH (FORCE)");
    let _ = fs::remove_dir_all(cluster.data().join("strata_cold"));
}

fn object(store: &S3Server, db: &Db, key: &str) -> PathBuf {
    store.object_file(BUCKET, &format!("{}/{key}", db.name))
}

#[test]
fn a_store_that_fails_keeps_its_queue() {
    let db = Db::new(server(), "gc_s3");
    db.metrics();
    db.archive(&s3().endpoint(), ", max_retries '0', request_timeout '2s'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-04-01");
    let keys = db.keys();
    let hash = db.hash();
    db.run("CALL strata.untier_chunks('m', older_than => timestamptz '2025-03-01 00:00+00')");
    db.run(AGE);
    // the secret was changed at the store
    let mapping = |secret: &str| {
        db.run(&format!(
            "ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (SET secret_access_key '{secret}')"
        ));
    };
    mapping("wrong");
    let out = db.one(RUN);
    assert!(
        out.starts_with("failed ") && out.contains("access refused"),
        "{out}"
    );
    assert!(!out.contains("wrong"), "{out}");
    let lease =
        "SELECT state || ' ' || (last_error LIKE '%access refused%') FROM strata.cold_leases";
    assert_eq!(db.one(lease), "ours true");
    mapping(crate::common::SECRET_KEY);
    // one object is gone already: that is what was wanted
    fs::remove_file(object(s3(), &db, &keys[0])).expect("an object");
    assert_eq!(db.one(QUEUED), "2");
    assert_eq!(db.one(RUN), "delete untiered\ndelete untiered");
    assert!(!object(s3(), &db, &keys[1]).exists());
    assert!(object(s3(), &db, &keys[2]).exists());
    assert_eq!(
        db.one("SELECT coalesce(last_error, '') FROM strata.cold_leases"),
        ""
    );
    // nobody is there
    db.run("CALL strata.untier_chunks('m')");
    db.run(AGE);
    db.run("ALTER SERVER archive OPTIONS (SET endpoint 'http://127.0.0.1:9')");
    let out = db.one(RUN);
    assert!(out.starts_with("failed "), "{out}");
    assert_eq!(db.one(QUEUED), "1");
    db.run(&format!(
        "ALTER SERVER archive OPTIONS (SET endpoint '{}')",
        s3().endpoint()
    ));
    assert_eq!(db.one(RUN), "delete untiered");
    assert_eq!(db.hash(), hash);
}

#[test]
fn a_server_that_is_gone_is_told_and_its_rows_stay() {
    let db = cold(server(), "gc_gone");
    let shelf = db.cluster.sandbox().folder("gc_gone", 0o700);
    db.run(&format!(
        "CREATE SERVER shelf FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file://{}');
         SELECT strata.set_cold_storage('m', server => 'shelf');
         CALL strata.tier_chunks('m', older_than => timestamptz '2025-04-01 00:00+00');
         CALL strata.untier_chunk('strata_chunks.m_h1_20250301'); DROP SERVER shelf",
        shelf.display()
    ));
    db.run(AGE);
    assert_eq!(db.one(RUN), "keep server \"shelf\" does not exist");
    assert_eq!(db.one(QUEUED), "1");
    let mut session = db.session();
    fails(
        &mut session,
        "SELECT FROM strata.cold_gc(server => 'shelf')",
        "42704",
        &["shelf"],
    );
    // files of one server only
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    db.run(AGE);
    assert_eq!(
        db.one(
            "SELECT count(*) FROM strata.cold_gc(server => 'strata_local') WHERE action = 'delete'"
        ),
        "1"
    );
}

#[test]
fn only_superusers_collect_and_decide() {
    let db = cold(server(), "gc_rights");
    db.run("DROP ROLE IF EXISTS gc_nobody; CREATE ROLE gc_nobody LOGIN");
    let mut nobody = db.session_as("gc_nobody");
    for call in [
        "SELECT FROM strata.cold_gc()",
        "SELECT strata.cold_adopt('strata_local')",
        "SELECT strata.cold_fork()",
    ] {
        fails(&mut nobody, call, "42501", &["permission denied"]);
    }
    // the right to call them is not enough
    db.run("GRANT EXECUTE ON FUNCTION strata.cold_gc, strata.cold_adopt, strata.cold_fork TO gc_nobody");
    for call in [
        "SELECT FROM strata.cold_gc()",
        "SELECT FROM strata.cold_gc(dry_run => false)",
        "SELECT strata.cold_adopt('strata_local')",
        "SELECT strata.cold_fork()",
    ] {
        fails(&mut nobody, call, "42501", &["cold tier"]);
    }
    assert_eq!(
        one(&mut nobody, "SELECT count(*) FROM strata.cold_leases"),
        "0"
    );
    fails(
        &mut nobody,
        "SELECT FROM strata.cold_gc_log",
        "42501",
        &["cold_gc_log"],
    );
    let mut session = db.session();
    for (call, code) in [
        ("SELECT strata.cold_adopt('nowhere')", "42704"),
        ("SELECT strata.cold_fork('nowhere')", "42704"),
    ] {
        fails(&mut session, call, code, &["nowhere"]);
    }
    drop(nobody);
    db.run("REVOKE EXECUTE ON FUNCTION strata.cold_gc, strata.cold_adopt, strata.cold_fork FROM gc_nobody; DROP ROLE gc_nobody");
}

/// A run that nobody waits for any more ends.
#[test]
fn a_cancelled_run_stops() {
    let cluster = armed().take();
    let db = cold(&cluster, "gc_cancel");
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    db.run(AGE);
    arm(&cluster, "cold.gc.deleting:sleep");
    let mut session = db.session();
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let run = scope.spawn(move || try_one(&mut session, RUN).expect_err("cancelled"));
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND wait_event = 'Extension'";
        wait_until("the run rests", || db.one(busy) == "1");
        db.one(&format!("SELECT pg_cancel_backend({pid})"));
        let error = run.join().expect("a result");
        assert_eq!(error.code().map(|c| c.code()), Some("57014"));
        wait_until("its process ends", || db.one(busy) == "0");
    });
    arm(&cluster, "");
    assert_eq!(db.one(RUN), "delete untiered");
    cluster.psql("postgres", "DROP DATABASE gc_cancel WITH (FORCE)");
    let _ = fs::remove_dir_all(cluster.data().join("strata_cold"));
}
