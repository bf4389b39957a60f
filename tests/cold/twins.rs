//! Two live copies of one database at work in one store at the same moment: neither deletes what the other one
//! needs, also where the store knows no conditions (s3rver) and takes both writes.

use crate::common::{Builder, Cluster, STORE_BUCKET, Sandbox, Stop, Store, wait_until};
use crate::other_stores::put_on;
use crate::support::{ColdDb, Db, FEBRUARY, JANUARY, arm, one};
use std::path::Path;
use std::sync::OnceLock;

const RUN: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc(dry_run => false)";
const LOOK: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc()";
/// As if nobody had collected garbage for the nine days since the export, and the chunks had gone a day after it.
const SILENCE: &str = "UPDATE strata.cold_delete_queue SET queued_at = queued_at - interval '8 days', retry_at = NULL;
    UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '9 days', proven_at = proven_at - interval '9 days'";
const INTENDED: &str =
    "SELECT coalesce(bool_or(intended_value IS NOT NULL), false) FROM strata.cold_lease";
const STATE: &str = "SELECT state FROM strata.cold_leases";
const UNPROVEN: &str =
    "wait dropped, until a run some hours later finds the owner file as it was left";
/// As if the value in the store had stood there for long.
const STOOD: &str = "UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '9 hours'";

fn s3rver() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(Store::s3rver)
}

fn at(cluster: &Cluster) -> Db<'_> {
    Db {
        cluster,
        name: "twin",
    }
}

/// Files of the store, by its list.
fn on_s3(prefix: &str) -> usize {
    let list = format!("/{STORE_BUCKET}?list-type=2&prefix={prefix}/");
    let (status, text) = s3rver().request("GET", &list, b"");
    assert_eq!(status, 200, "{text}");
    text.matches(".sqlite</Key>").count()
}

fn in_folder(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let counts = entries.map(|entry| match entry.path() {
        path if path.is_dir() => in_folder(&path),
        path => usize::from(path.extension().is_some_and(|e| e == "sqlite")),
    });
    counts.sum()
}

/// An origin with January and February cold, and a copy of its disk, both running.
fn twins(builder: Builder, place: impl Fn(&Db)) -> [Cluster; 2] {
    let mut origin = builder.start();
    {
        let db = Db::new(&origin, "twin");
        db.metrics();
        place(&db);
        db.tier("2025-03-01");
    }
    origin.stop(Stop::Fast);
    let mut copy = origin.copy();
    origin.start();
    copy.start();
    [origin, copy]
}

/// Both begin a run in the same moment: each has found the value that both know, and is about to write its own. Then
/// one after the other goes on.
fn at_once(twins: &[Cluster; 2], first: usize) -> [String; 2] {
    for cluster in twins {
        cluster.psql("twin", "UPDATE strata.cold_lease SET intended_value = NULL");
        arm(cluster, "cold.lease.intended:sleep");
    }
    std::thread::scope(|scope| {
        let runs = [0, 1].map(|n| {
            let cluster = &twins[n];
            scope.spawn(move || at(cluster).one(RUN))
        });
        for n in [0, 1] {
            let mut session = at(&twins[n]).session();
            wait_until("it is about to write, or has stopped before", || {
                runs[n].is_finished() || one(&mut session, INTENDED) == "t"
            });
        }
        for n in [first, 1 - first] {
            arm(&twins[n], "");
            wait_until("the run has ended", || runs[n].is_finished());
        }
        runs.map(|run| run.join().expect("a run"))
    })
}

/// Each has dropped what the other one reads, and both come back after a long silence at the same moment, again and
/// again: until they have found each other out, and after.
fn neither_deletes(twins: &[Cluster; 2], files: impl Fn() -> usize) {
    let (one_db, other) = (at(&twins[0]), at(&twins[1]));
    one_db.run(&format!("DROP TABLE {JANUARY}"));
    other.run(&format!("DROP TABLE {FEBRUARY}"));
    for db in [&one_db, &other] {
        db.run(SILENCE);
    }
    for round in 0..4 {
        let out = at_once(twins, round % 2);
        assert_eq!(files(), 2, "round {round}: {out:?}");
    }
    for db in [&one_db, &other] {
        assert_eq!(db.one(STATE), "stopped");
        assert!(db.one(RUN).starts_with("stopped "));
    }
    assert_eq!(one_db.one("SELECT count(note || '') FROM m"), "1275");
    assert_eq!(other.one("SELECT count(note || '') FROM m"), "1339");
    assert_eq!(files(), 2);
}

#[test]
fn two_that_claim_a_directory_at_once_delete_nothing() {
    let sandbox = Sandbox::new();
    let folder = sandbox.folder("cold", 0o700);
    let builder = Cluster::builder()
        .set("max_worker_processes", "16")
        .set("strata.cold_directory", &folder.to_string_lossy());
    let twins = twins(builder, |_| {});
    neither_deletes(&twins, || in_folder(&folder));
}

#[test]
fn two_that_claim_a_bucket_without_conditions_at_once_delete_nothing() {
    let builder = Cluster::builder().set("max_worker_processes", "16");
    let endpoint = s3rver().endpoint();
    let twins = twins(builder, |db| {
        put_on(db, s3rver(), &endpoint, "twins_once", "")
    });
    neither_deletes(&twins, || on_s3("twins_once"));
}

/// The one that has found the other out says so in the store, and the other one overwrites that in the same moment: it
/// is told again.
#[test]
fn a_dispute_that_was_overwritten_is_repeated() {
    let builder = Cluster::builder().set("max_worker_processes", "16");
    let endpoint = s3rver().endpoint();
    let twins = twins(builder, |db| {
        put_on(db, s3rver(), &endpoint, "twins_told", "")
    });
    let (one_db, other) = (at(&twins[0]), at(&twins[1]));
    other.run(STOOD);
    assert_eq!(other.one(RUN), "");
    other.run(STOOD);
    arm(&twins[1], "cold.lease.intended:sleep");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| other.one(RUN));
        let mut session = other.session();
        wait_until("the copy is about to write", || {
            one(&mut session, INTENDED) == "t"
        });
        let out = one_db.one(RUN);
        assert!(out.starts_with("stopped it was taken over by"), "{out}");
        arm(&twins[1], "");
        assert_eq!(
            run.join().expect("the copy's run"),
            "",
            "it noticed nothing"
        );
    });
    assert!(one_db.one(RUN).starts_with("stopped it was taken over by"));
    assert_eq!(
        one_db.one("SELECT retry_at > now() + interval '3 hours' FROM strata.cold_lease"),
        "t",
        "by the worker, too, some times a day"
    );
    let out = other.one(RUN);
    assert!(
        out.starts_with("stopped two copies of this database use it"),
        "{out}"
    );
    // who stays alone is asked no more
    assert_eq!(one_db.one("SELECT strata.cold_adopt('archive')"), "2");
    assert!(other.one(RUN).starts_with("stopped "));
    assert_eq!(one_db.one(RUN), "");
    assert_eq!(one_db.one(STATE), "ours");
}

/// After a long silence the first run proves nothing about who else is there: it writes its value, and the next one
/// that finds it deletes.
#[test]
fn the_first_run_after_a_long_silence_deletes_nothing() {
    let db = Db::new(crate::support::server(), "twin");
    db.metrics();
    db.tier("2025-03-01");
    let files = db.local_files();
    db.run(&format!("DROP TABLE {JANUARY}"));
    db.run(SILENCE);
    assert_eq!(db.one(LOOK), UNPROVEN);
    assert_eq!(db.one(RUN), UNPROVEN);
    let value = "SELECT last_value FROM strata.cold_lease";
    let written = db.one(value);
    for ask in [LOOK, RUN, LOOK] {
        assert_eq!(db.one(ask), UNPROVEN, "too early to prove anything");
    }
    assert_eq!(db.one(value), written, "and not begun anew");
    assert!(files[0].exists());
    db.run(STOOD);
    assert_eq!(db.one(LOOK), "delete dropped");
    assert_eq!(db.one(RUN), "delete dropped");
    assert!(!files[0].exists() && files[1].exists());
}
