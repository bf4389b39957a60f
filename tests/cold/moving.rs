//! Exports beside other commands: readers, servers that change, prepared transactions, full disks.

use crate::common::{Cluster, wait_until};
use crate::support::{
    Armed, BUCKET, ColdDb, Db, FEBRUARY, JANUARY, arm, chunk_state, exec, fails, one, s3,
    unknown_objects, wait_at, wait_cold,
};
use postgres::Client;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

fn queue(session: &mut Client, chunk: &str) {
    one(session, &format!("SELECT strata.tier_chunk('{chunk}')"));
}

fn job(session: &mut Client, column: &str) -> String {
    let sql = format!("SELECT {column} FROM strata.cold_exports ORDER BY id DESC LIMIT 1");
    one(session, &sql)
}

fn wait_failed(session: &mut Client) -> String {
    wait_until("the export has failed", || {
        job(session, "state") == "failed"
    });
    job(session, "last_error")
}

/// A server in a directory of its own, for the chunks of `m`.
fn shelf(db: &Db, name: &str) -> PathBuf {
    let folder = db
        .cluster
        .sandbox()
        .folder(&format!("{}_{name}", db.name), 0o700);
    db.run(&format!(
        "CREATE SERVER {name} FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file://{}')",
        folder.display()
    ));
    folder
}

const GIVEN_UP: &str = "SELECT count(*) FROM strata.cold_delete_queue WHERE reason = 'given up'";

/// A file that is stored and verified is not thrown away because somebody reads the chunk when it comes to the swap.
#[test]
fn a_reader_at_the_swap_is_waited_for() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_reader");
    db.metrics();
    let hash = db.hash();
    let mut session = db.session();
    arm(&cluster, "cold.export.verified:sleep");
    queue(&mut session, JANUARY);
    wait_at(&mut session, "verify");
    let mut reader = db.session();
    exec(
        &mut reader,
        &format!("BEGIN; SELECT count(*) FROM {JANUARY}"),
    );
    let pid = one(&mut reader, "SELECT pg_backend_pid()");
    arm(&cluster, "");
    wait_until("the export names the reader", || {
        job(&mut session, "blocked_by").contains(&format!("pid {pid} "))
    });
    assert_eq!(job(&mut session, "step || ' ' || attempt"), "swap 1");
    exec(&mut reader, "COMMIT");
    wait_cold(&mut session, JANUARY);
    assert_eq!(job(&mut session, "attempt"), "1");
    assert_eq!(one(&mut session, GIVEN_UP), "0");
    assert_eq!(db.hash(), hash);
}

/// DROP SERVER and a new location while a file is on its way there: no chunk becomes cold that cannot be read.
#[test]
fn a_server_that_changes_during_an_export() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_server");
    db.metrics();
    let hash = db.hash();
    let old = shelf(&db, "shelf");
    let new = cluster.sandbox().folder("moving_server_new", 0o700);
    let mut session = db.session();
    exec(
        &mut session,
        "SELECT strata.set_cold_storage('m', server => 'shelf')",
    );
    arm(&cluster, "cold.export.verified:sleep");
    queue(&mut session, JANUARY);
    wait_at(&mut session, "verify");
    exec(
        &mut session,
        &format!(
            "ALTER SERVER shelf OPTIONS (SET location 'file://{}')",
            new.display()
        ),
    );
    arm(&cluster, "");
    wait_cold(&mut session, JANUARY);
    assert_eq!(job(&mut session, "attempt > 1"), "t");
    assert_eq!(db.hash(), hash);
    let key = db.keys().remove(0);
    assert!(new.join(&key).exists() && !old.join(&key).exists());

    db.run("CALL strata.untier_chunks('m')");
    arm(&cluster, "cold.export.verified:sleep");
    queue(&mut session, FEBRUARY);
    wait_at(&mut session, "verify");
    exec(&mut session, "DROP SERVER shelf");
    arm(&cluster, "");
    let error = wait_failed(&mut session);
    assert!(error.contains("\"shelf\" does not exist"), "{error}");
    assert_eq!(chunk_state(&mut session, FEBRUARY), "hot");
    assert_eq!(db.hash(), hash);
}

/// The swap has the last word when DROP SERVER begins after it: the command waits and then sees the file.
#[test]
fn a_server_is_not_dropped_under_the_swap() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_drop");
    db.metrics();
    let hash = db.hash();
    shelf(&db, "shelf");
    let mut session = db.session();
    exec(
        &mut session,
        "SELECT strata.set_cold_storage('m', server => 'shelf')",
    );
    arm(&cluster, "cold.export.swapping:sleep");
    queue(&mut session, JANUARY);
    wait_at(&mut session, "swap");
    std::thread::scope(|scope| {
        let dropping = scope.spawn(|| {
            let mut other = db.session();
            fails(
                &mut other,
                "DROP SERVER shelf",
                "55000",
                &["1 chunks are cold"],
            );
        });
        let waits = "SELECT count(*) FROM pg_stat_activity \
            WHERE query = 'DROP SERVER shelf' AND wait_event_type = 'Lock'";
        wait_until("DROP SERVER waits", || one(&mut session, waits) == "1");
        arm(&cluster, "");
        dropping.join().expect("refused");
    });
    wait_cold(&mut session, JANUARY);
    assert_eq!(db.hash(), hash);
}

/// The catalog knows servers by name.
#[test]
fn a_renamed_server_takes_its_files_along() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_rename");
    db.metrics();
    let folder = shelf(&db, "shelf");
    db.run("SELECT strata.set_cold_storage('m', server => 'shelf')");
    db.tier("2025-02-01");
    let hash = db.hash();
    let mut session = db.session();
    let cold = format!("SELECT count(*) FROM {JANUARY}");
    assert_eq!(one(&mut session, &cold), "744");
    // by somebody else, and undone: nothing has changed
    db.run("DROP ROLE IF EXISTS moving_nobody; CREATE ROLE moving_nobody LOGIN");
    fails(
        &mut db.session_as("moving_nobody"),
        "ALTER SERVER shelf RENAME TO mine",
        "42501",
        &["must be owner"],
    );
    exec(
        &mut session,
        "BEGIN; ALTER SERVER shelf RENAME TO rack; ROLLBACK",
    );
    assert_eq!(one(&mut session, &cold), "744");
    exec(&mut session, "ALTER SERVER shelf RENAME TO \"Rack 2\"");
    assert_eq!(one(&mut session, &cold), "744");
    assert_eq!(db.hash(), hash);
    assert_eq!(
        db.one("SELECT DISTINCT server FROM strata.cold_files"),
        "Rack 2"
    );
    db.tier("2025-03-01");
    assert_eq!(db.keys().len(), 2);
    assert_eq!(db.hash(), hash);
    let first = folder.join(db.keys().remove(0));
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    db.run("UPDATE strata.cold_delete_queue SET queued_at = now() - interval '8 days'");
    let gone = "SELECT string_agg(action, ' ') FROM strata.cold_gc('Rack 2', dry_run => false)";
    assert_eq!(db.one(gone), "delete");
    assert!(!first.exists());
    // not under an upload
    arm(&cluster, "cold.export.begun:sleep");
    queue(&mut session, JANUARY);
    wait_at(&mut session, "upload");
    fails(
        &mut session,
        "ALTER SERVER \"Rack 2\" RENAME TO shelf",
        "55000",
        &["while files are sent to it"],
    );
    arm(&cluster, "");
    wait_cold(&mut session, JANUARY);
    assert_eq!(db.hash(), hash);
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a folder");
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

#[test]
fn a_new_location_is_warned_of() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_location");
    db.metrics();
    let old = shelf(&db, "shelf");
    let new = cluster.sandbox().folder("moving_location_new", 0o700);
    db.run("SELECT strata.set_cold_storage('m', server => 'shelf')");
    db.tier("2025-02-01");
    let hash = db.hash();
    let to = |folder: &Path| {
        format!(
            "ALTER SERVER shelf OPTIONS (SET location 'file://{}')",
            folder.display()
        )
    };
    let warned = "WARNING:  the files of 1 cold chunks stay where server \"shelf\" had them";
    db.run(&to(&old));
    assert!(!cluster.log().contains(warned), "the same place");
    db.run(&to(&new));
    assert!(cluster.log().contains(warned));
    fails(
        &mut db.session(),
        "SELECT sum(val) FROM m",
        "58P01",
        &["m_h1_20250101"],
    );
    copy_tree(&old, &new);
    let own = std::process::Command::new("chown")
        .args(["-R", "--reference"])
        .args([&old, &new])
        .status();
    assert!(own.expect("chown").success());
    assert_eq!(db.hash(), hash);
}

/// Those who hold an export up without being a session.
#[test]
fn prepared_transactions_are_named() {
    let cluster = Cluster::builder()
        .set("max_prepared_transactions", "4")
        .start();
    let db = Db::new(&cluster, "moving_prepared");
    db.metrics();
    let mut session = db.session();
    exec(&mut session, "CREATE TABLE other (a int)");
    exec(
        &mut session,
        "BEGIN; INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1); PREPARE TRANSACTION 'writer'",
    );
    exec(
        &mut session,
        "BEGIN; INSERT INTO other VALUES (1); PREPARE TRANSACTION 'old'",
    );
    queue(&mut session, JANUARY);
    wait_until("the export names the writer", || {
        job(&mut session, "blocked_by") == "prepared transaction \"writer\""
    });
    exec(&mut session, "COMMIT PREPARED 'writer'");
    wait_until("the export names the old one", || {
        job(&mut session, "step || ': ' || blocked_by") == "wait: prepared transaction \"old\""
    });
    exec(&mut session, "COMMIT PREPARED 'old'");
    wait_cold(&mut session, JANUARY);
    assert_eq!(db.one("SELECT count(*) FROM m"), "2161");
}

/// S3 gives back the checksum that came along with an upload, whatever has become of the bytes.
#[test]
fn damage_on_s3_before_the_swap_is_found_at_every_level() {
    let cluster = armed().take();
    for level in ["full", "sample", "checksum"] {
        let name = format!("moving_s3_{level}");
        let db = Db::new(&cluster, &name);
        db.metrics();
        db.archive(&s3().endpoint(), "");
        db.run(&format!(
            "SELECT strata.set_cold_storage('m', server => 'archive', verify => '{level}')"
        ));
        let hash = db.hash();
        arm(&cluster, "cold.export.uploaded:sleep");
        let mut session = db.session();
        queue(&mut session, JANUARY);
        let key = "SELECT coalesce((SELECT key FROM strata.cold_upload), '')";
        wait_until("a name", || !one(&mut session, key).is_empty());
        let key = one(&mut session, key);
        let object = s3().object_file(BUCKET, &format!("{name}/{key}"));
        wait_until("the object", || object.exists());
        wait_at(&mut session, "upload");
        let bytes = fs::read(&object).expect("the object");
        let at = (40_000..bytes.len()).find(|i| bytes[*i..].starts_with(b"n31"));
        let file = fs::OpenOptions::new().write(true).open(&object);
        file.expect("the object")
            .write_all_at(b"x", at.expect("a row") as u64)
            .expect("damage");
        arm(&cluster, "");
        let error = wait_failed(&mut session);
        assert!(
            error.contains("the same rows") || error.contains("another checksum"),
            "{level}: {error}"
        );
        assert_eq!(chunk_state(&mut session, JANUARY), "hot", "{level}");
        assert_eq!(db.hash(), hash, "{level}");
        db.tier("2025-02-01");
        assert_eq!(db.hash(), hash, "{level}, second time");
    }
}

/// Without room for the file nothing is begun.
#[test]
fn a_full_disk_keeps_the_chunk_hot() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_full");
    db.metrics();
    let hash = db.hash();
    let mut session = db.session();
    arm(&cluster, "cold.temp.full:fault");
    queue(&mut session, JANUARY);
    let error = wait_failed(&mut session);
    assert!(
        error.contains("not enough room in \"base/pgsql_tmp\" to tier chunk \"m_h1_20250101\""),
        "{error}"
    );
    assert_eq!(chunk_state(&mut session, JANUARY), "hot");
    arm(&cluster, "");
    db.tier("2025-02-01");
    assert_eq!(chunk_state(&mut session, JANUARY), "live");
    assert_eq!(unknown_objects(&db), Vec::<String>::new());
    assert_eq!(db.hash(), hash);
}
