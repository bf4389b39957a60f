//! Who may delete: copies of data directories, standbys, dumps, points in time.

use crate::common::{Cluster, Sandbox, Stop, wait_until};
use crate::support::{ColdDb, Db, FEBRUARY, JANUARY, exec, fails, one, rows, server, try_one};
use std::fs;
use std::path::PathBuf;

const RUN: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc(dry_run => false)";
const LOOK: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc()";
const AGE: &str = "UPDATE strata.cold_delete_queue SET queued_at = queued_at - interval '8 days';
    UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '1 day', proven_at = proven_at - interval '1 day'";
const CHECK: &str =
    "SELECT string_agg(status, ',' ORDER BY key) FROM strata.cold_check('m', deep => true)";

/// A folder that several servers can use as their store.
struct Shared(Sandbox);

impl Shared {
    fn new() -> Shared {
        Shared(Sandbox::new())
    }

    fn path(&self) -> PathBuf {
        self.0.folder("cold", 0o700)
    }

    fn server(&self) -> crate::common::Builder {
        Cluster::builder()
            .set("max_worker_processes", "24")
            .set("strata.cold_directory", &self.path().to_string_lossy())
    }
}

fn at(cluster: &Cluster) -> Db<'_> {
    Db {
        cluster,
        name: "life",
    }
}

fn make(cluster: &Cluster) -> String {
    let db = Db::new(cluster, "life");
    db.metrics();
    db.tier("2025-03-01");
    db.hash()
}

fn files(shared: &Shared, db: &Db) -> Vec<PathBuf> {
    db.keys()
        .iter()
        .map(|key| shared.path().join(key))
        .collect()
}

#[test]
fn of_two_live_copies_none_deletes_until_somebody_decides() {
    let shared = Shared::new();
    let mut origin = shared.server().start();
    let hash = make(&origin);
    assert_eq!(at(&origin).one(RUN), "");
    origin.stop(Stop::Fast);
    let mut copy = origin.copy();
    origin.start();
    copy.start();
    let (o, c) = (at(&origin), at(&copy));
    let paths = files(&shared, &o);
    assert_eq!(c.hash(), hash);
    assert_eq!(
        c.one("SELECT bool_and(owned) FROM strata.cold_files"),
        "t",
        "it cannot know yet"
    );
    // after some days the copy is first: it proves to itself that it is the owner, and deletes nothing yet
    c.run(AGE);
    assert_eq!(c.one(RUN), "");
    c.run(&format!("DROP TABLE {JANUARY}"));
    // the origin finds a value that it never wrote
    let out = o.one(RUN);
    assert!(
        out.starts_with("stopped it was taken over by database \"life\" on host"),
        "{out}"
    );
    assert!(!out.contains('\n'), "{out}");
    let lease = "SELECT state || ': ' || reason FROM strata.cold_leases";
    assert!(
        o.one(lease).starts_with("stopped: it was taken over"),
        "{}",
        o.one(lease)
    );
    // and tells the copy, whose drop would be due some day
    c.run(AGE);
    let out = c.one(RUN);
    assert!(
        out.starts_with("stopped two copies of this database use it"),
        "{out}"
    );
    assert!(paths.iter().all(|file| file.exists()));
    for db in [&o, &c] {
        assert!(db.one(LOOK).starts_with("stopped "), "{}", db.one(LOOK));
        assert!(db.one(RUN).starts_with("stopped "));
    }
    assert_eq!(o.hash(), hash);
    // somebody decides for the origin; the copy does not dispute that
    assert_eq!(o.one("SELECT strata.cold_adopt('strata_local')"), "2");
    assert_eq!(o.one(RUN), "");
    assert!(c.one(RUN).starts_with("stopped "));
    assert_eq!(o.one(RUN), "");
    assert_eq!(o.one("SELECT state FROM strata.cold_leases"), "ours");
    // the copy becomes a database of its own
    assert_eq!(c.one("SELECT strata.cold_fork()"), "1");
    assert_eq!(c.one("SELECT bool_or(owned) FROM strata.cold_files"), "f");
    assert_eq!(c.one("SELECT count(*) FROM strata.cold_leases"), "0");
    c.tier("2025-04-01");
    let march = c.keys()[1].clone();
    assert_ne!(
        march.split('/').next(),
        o.keys()[0].split('/').next(),
        "a tag of its own"
    );
    c.run("DROP TABLE m");
    c.run(AGE);
    assert_eq!(
        c.one(RUN),
        "delete dropped\nforget dropped, but another database owns it"
    );
    assert!(!shared.path().join(&march).exists());
    assert!(paths.iter().all(|file| file.exists()));
    assert_eq!(o.hash(), hash);
    assert_eq!(o.one(CHECK), "ok,ok");
    // the origin deletes what it drops
    o.run(&format!("DROP TABLE {FEBRUARY}"));
    o.run(AGE);
    assert_eq!(o.one(RUN), "delete dropped");
    assert!(paths[0].exists() && !paths[1].exists());
}

/// What an older copy does not know is no leftover: files that came since write a new owner file.
#[test]
fn a_copy_from_before_a_file_does_not_take_it_for_a_leftover() {
    let shared = Shared::new();
    let mut origin = shared.server().set("strata.cold_gc_delay", "0").start();
    let db = Db::new(&origin, "life");
    db.metrics();
    db.tier("2025-02-01");
    origin.stop(Stop::Fast);
    let mut copy = origin.copy();
    origin.start();
    at(&origin).tier("2025-03-01");
    let hash = at(&origin).hash();
    let paths = files(&shared, &at(&origin));
    for path in &paths {
        let file = fs::File::options().write(true).open(path).expect("a file");
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
        file.set_modified(old).expect("its time");
    }
    origin.stop(Stop::Fast);
    copy.start();
    let out = at(&copy).one(RUN);
    assert!(out.starts_with("stopped it was taken over"), "{out}");
    drop(copy);
    origin.start();
    assert!(paths.iter().all(|path| path.exists()));
    assert_eq!(at(&origin).hash(), hash);
}

#[test]
fn a_standby_checks_and_a_promoted_one_reads_and_writes_but_waits_for_adoption() {
    let shared = Shared::new();
    let primary = shared.server().start();
    let hash = make(&primary);
    assert_eq!(at(&primary).one(RUN), "");
    at(&primary).run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    at(&primary).run(AGE);
    let standby = primary.standby();
    let (p, s) = (at(&primary), at(&standby));
    assert_eq!(s.hash(), hash);
    assert_eq!(s.one(CHECK), "ok");
    let url = "SELECT strata.cold_url(file) FROM strata.cold_files";
    assert_eq!(s.one(url), p.one(url));
    assert!(s.one(LOOK).starts_with("stopped a standby deletes nothing"));
    let mut session = s.session();
    for sql in [
        "SELECT FROM strata.cold_gc(dry_run => false)",
        "SELECT strata.cold_adopt('strata_local')",
        "SELECT strata.cold_fork()",
    ] {
        fails(&mut session, sql, "25006", &["during recovery"]);
    }
    drop(session);
    // both live on: the worst case
    standby.psql("postgres", "SELECT pg_promote()");
    let files_before = fs::read_dir(shared.path()).expect("a folder").count();
    assert_eq!(s.hash(), hash);
    let out = s.one(RUN);
    assert_eq!(
        out,
        "stopped the server was promoted or restored since: timeline 1, now 2"
    );
    s.tier("2025-04-01");
    assert_eq!(s.hash(), hash);
    assert_eq!(
        s.one("SELECT count(*) FROM strata.cold_files WHERE owned"),
        "3"
    );
    assert_eq!(s.one(RUN), out);
    assert_eq!(
        files_before,
        fs::read_dir(shared.path()).expect("a folder").count()
    );
    // the old primary is none the wiser
    assert_eq!(p.one(RUN), "delete untiered");
    assert_eq!(s.one("SELECT strata.cold_adopt('strata_local')"), "3");
    let out = p.one(RUN);
    assert!(
        out.starts_with("stopped it was taken over by database"),
        "{out}"
    );
    s.run(AGE);
    assert_eq!(
        s.one(RUN),
        "delete untiered",
        "the object is gone already, and its row goes"
    );
    s.run(&format!("CALL strata.untier_chunk('{FEBRUARY}')"));
    s.run(AGE);
    assert_eq!(s.one(RUN), "delete untiered");
    assert_eq!(s.hash(), hash);
}

#[test]
fn a_dump_reads_and_deletes_nothing_until_it_adopts() {
    let shared = Shared::new();
    let (origin, other) = (shared.server().start(), shared.server().start());
    let hash = make(&origin);
    assert_eq!(at(&origin).one(RUN), "");
    origin.dump_into("life", &other, "life");
    let (o, c) = (at(&origin), at(&other));
    let paths = files(&shared, &o);
    assert_eq!(c.hash(), hash);
    assert_eq!(c.one("SELECT bool_or(owned) FROM strata.cold_files"), "f");
    assert_eq!(c.one(RUN), "");
    c.run(&format!("DROP TABLE {JANUARY}"));
    assert!(
        c.one(LOOK)
            .starts_with("wait dropped, but another database owns it")
    );
    c.run(AGE);
    assert_eq!(c.one(LOOK), "forget dropped, but another database owns it");
    assert_eq!(c.one(RUN), "forget dropped, but another database owns it");
    assert_eq!(c.one("SELECT count(*) FROM strata.cold_delete_queue"), "0");
    assert!(paths.iter().all(|file| file.exists()));
    assert_eq!(o.hash(), hash);
    assert_eq!(o.one(RUN), "", "the origin noticed nothing");
    // the copy is the one that stays
    assert_eq!(c.one("SELECT strata.cold_adopt('strata_local')"), "1");
    assert_eq!(c.one("SELECT bool_and(owned) FROM strata.cold_files"), "t");
    let out = o.one(RUN);
    assert!(
        out.starts_with("stopped it was taken over by database"),
        "{out}"
    );
    c.run("DROP TABLE m");
    c.run(AGE);
    assert_eq!(c.one(RUN), "delete dropped");
    assert!(paths[0].exists() && !paths[1].exists());
    // the origin reads on, and its check tells the truth
    assert_eq!(o.one(CHECK), "ok,missing");
}

/// Point-in-time recovery to before and after an export.
#[test]
fn points_in_time_before_and_after_an_export() {
    let shared = Shared::new();
    let archive = shared.0.folder("archive", 0o700);
    let keep = format!("cp %p {}/%f", archive.display());
    let primary = shared
        .server()
        .set("archive_mode", "on")
        .set("archive_command", &keep)
        .start();
    let db = Db::new(&primary, "life");
    db.metrics();
    let hash = db.hash();
    let (mut before, mut after) = (primary.backup(&[]), primary.backup(&[]));
    db.run("SELECT pg_create_restore_point('before')");
    db.tier("2025-02-01");
    let paths = files(&shared, &db);
    db.run("SELECT pg_create_restore_point('after')");
    db.run("CALL strata.untier_chunks('m'); DELETE FROM m");
    let last = db.one("SELECT pg_walfile_name(pg_current_wal_lsn())");
    db.run("SELECT pg_switch_wal()");
    let archived = format!("SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver");
    wait_until("the log is archived", || db.one(&archived) == "t");
    drop(primary);
    for (cluster, point) in [(&mut before, "before"), (&mut after, "after")] {
        cluster.configure(&[
            (
                "restore_command",
                &format!("cp {}/%f %p", archive.display()),
            ),
            ("recovery_target_name", point),
            ("recovery_target_action", "promote"),
            ("archive_mode", "off"),
        ]);
        let signal = cluster.data().join("recovery.signal");
        fs::write(&signal, "").expect("recovery.signal");
        cluster.user().own(&signal);
        cluster.start();
        wait_until("recovery is over", || {
            try_one(&mut cluster.client("life"), "SELECT pg_is_in_recovery()")
                .is_ok_and(|r| r == "f")
        });
    }
    // the heap is back, and the object belongs to nobody
    let b = at(&before);
    assert_eq!(b.hash(), hash);
    assert_eq!(b.one("SELECT count(*) FROM strata.cold_files"), "0");
    assert_eq!(b.one("SELECT count(*) FROM strata.cold_check()"), "0");
    b.tier("2025-02-01");
    assert_ne!(files(&shared, &b), paths, "never the same name twice");
    assert_eq!(b.hash(), hash);
    // the file is there as long as the queue's delay holds
    let a = at(&after);
    assert_eq!(a.hash(), hash);
    assert_eq!(files(&shared, &a), paths);
    assert_eq!(a.one(CHECK), "ok");
    assert!(a.one(RUN).contains("timeline 1, now 2"), "{}", a.one(RUN));
    assert!(paths[0].exists());
    assert_eq!(a.one("SELECT strata.cold_adopt('strata_local')"), "1");
    // what the other line of history wrote is a leftover now, and one too young to be touched
    assert_eq!(a.one(RUN), "");
    assert_eq!(a.hash(), hash);
}

#[test]
fn one_server_is_forked_and_the_other_one_kept() {
    let db = Db::new(server(), "owner_two");
    db.metrics();
    let shelf = db.cluster.sandbox().folder("owner_two", 0o700);
    db.tier("2025-02-01");
    db.run(&format!(
        "CREATE SERVER shelf FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file://{}');
         SELECT strata.set_cold_storage('m', server => 'shelf')",
        shelf.display()
    ));
    db.tier("2025-03-01");
    let hash = db.hash();
    assert_eq!(db.one("SELECT strata.cold_fork('shelf')"), "1");
    let owned =
        "SELECT string_agg(server || ' ' || owned, ',' ORDER BY server) FROM strata.cold_files";
    assert_eq!(db.one(owned), "shelf false,strata_local true");
    db.tier("2025-04-01");
    let tag = |n: usize| {
        db.keys()[n]
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_ne!(tag(1), tag(2));
    let files = [
        db.cluster.data().join("strata_cold").join(&db.keys()[0]),
        shelf.join(&db.keys()[1]),
        shelf.join(&db.keys()[2]),
    ];
    assert_eq!(db.hash(), hash);
    db.run("DROP TABLE m");
    db.run(AGE);
    assert_eq!(
        db.one(RUN),
        "delete dropped\ndelete dropped\nforget dropped, but another database owns it"
    );
    assert_eq!(files.map(|f| f.exists()), [false, true, false]);
}

/// Somebody cleared the owner file away, or wrote into it: nobody is sure any more.
#[test]
fn a_lost_or_damaged_owner_file_stops_the_collection() {
    let db = Db::new(server(), "owner_lost");
    db.metrics();
    db.tier("2025-03-01");
    assert_eq!(db.one(RUN), "");
    let path = db
        .cluster
        .data()
        .join("strata_cold")
        .join(db.one("SELECT folder FROM strata.cold_leases"))
        .join("_owner.json");
    for (damage, why) in [
        (None, "stopped its owner file is gone"),
        (Some("{}"), "stopped its owner file cannot be read"),
    ] {
        match damage {
            None => fs::remove_file(&path).expect("an owner file"),
            Some(text) => {
                fs::write(&path, text).expect("an owner file");
                db.cluster.user().own(&path);
            }
        }
        assert_eq!(db.one(LOOK), why);
        assert_eq!(db.one(RUN), why);
        assert_eq!(db.one(RUN), why, "until somebody decides");
        assert_eq!(db.one("SELECT strata.cold_adopt('strata_local')"), "2");
        assert_eq!(db.one(RUN), "");
    }
    let text = fs::read_to_string(&path).expect("an owner file");
    assert!(text.contains("\"written_by\": \"database"), "{text}");
    assert!(
        text.contains(&db.one("SELECT strata.cold_owner_token()")),
        "{text}"
    );
    // an adoption that is rolled back leaves a value that nobody knows: that stops everybody, and is repeated
    let mut session = db.session();
    exec(
        &mut session,
        "BEGIN; SELECT strata.cold_adopt('strata_local'); ROLLBACK",
    );
    assert!(one(&mut session, RUN).starts_with("stopped "));
    assert_eq!(
        one(&mut session, "SELECT strata.cold_adopt('strata_local')"),
        "2"
    );
    assert_eq!(one(&mut session, RUN), "");
    assert_eq!(
        rows(
            &mut session,
            "SELECT state, files, reason FROM strata.cold_leases"
        ),
        "ours|2|"
    );
}
