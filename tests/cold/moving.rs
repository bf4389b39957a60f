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
    db.run("UPDATE strata.cold_delete_queue SET queued_at = now() - interval '8 days'; UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '1 day'");
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
    // the first file is gone and forgotten, its number is not
    let generation =
        format!("SELECT generation FROM strata.cold_files WHERE chunk = '{JANUARY}'::regclass");
    assert_eq!(db.one(&generation), "2");
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

/// A chunk that is read for its export is let go of when somebody waits for it: an ALTER TABLE of the whole table
/// stands in everybody's way meanwhile.
#[test]
fn reading_gives_way_to_who_waits_for_the_chunk() {
    let cluster = armed().take();
    for (step, attempts) in [("build", "f"), ("verify", "t")] {
        let name = format!("moving_lock_{step}");
        let db = Db::new(&cluster, &name);
        db.metrics();
        let hash = db.hash();
        let mut session = db.session();
        if step == "verify" {
            arm(&cluster, "cold.export.uploaded:sleep");
            queue(&mut session, JANUARY);
            wait_at(&mut session, "upload");
        }
        arm(&cluster, "cold.export.reading:sleep");
        if step == "build" {
            queue(&mut session, JANUARY);
        }
        wait_at(&mut session, step);
        let locks = format!(
            "SELECT count(*) FROM pg_locks WHERE relation = '{JANUARY}'::regclass AND NOT granted"
        );
        std::thread::scope(|scope| {
            let mut other = db.session();
            let lock = scope.spawn(move || {
                exec(
                    &mut other,
                    &format!("BEGIN; LOCK TABLE {JANUARY} IN ACCESS EXCLUSIVE MODE"),
                );
                other
            });
            wait_until("somebody waits", || one(&mut session, &locks) == "1");
            arm(&cluster, "");
            let mut other = lock.join().expect("locked");
            // whoever waited has the chunk, and the export has not gone past this step
            let now = job(&mut session, "step || ' ' || state");
            let expected = match step {
                "verify" => now == "verify running",
                _ => now == "build running" || now == "check running" || now == "freeze running",
            };
            assert!(expected, "{step}: {now}");
            exec(&mut other, "COMMIT");
        });
        wait_cold(&mut session, JANUARY);
        assert_eq!(job(&mut session, "attempt = 1"), attempts, "{step}");
        assert_eq!(db.hash(), hash, "{step}");
    }
}

/// A look tells what a run does, also where nothing waits in the queue.
#[test]
fn a_look_at_garbage_tells_what_a_run_does() {
    let cluster = armed().take();
    cluster.configure(&[("strata.cold_gc_delay", "0")]);
    cluster.reload();
    let db = Db::new(&cluster, "moving_look");
    db.metrics();
    db.tier("2025-03-01");
    let file = db.local_files().remove(0);
    let text = file.to_string_lossy().into_owned();
    let cut = text.rfind('-').expect("an attempt");
    let left = PathBuf::from(format!("{}-00000001.sqlite", &text[..cut]));
    let sent = PathBuf::from(format!("{}-00000002.sqlite", &text[..cut]));
    for path in [&left, &sent] {
        fs::copy(&file, path).expect("a copy");
        cluster.user().own(path);
        let two_days_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(172_800);
        let opened = fs::File::options().write(true).open(path).expect("a file");
        opened.set_modified(two_days_ago).expect("its time");
    }
    let root = cluster.data().join("strata_cold");
    let key = sent.strip_prefix(&root).expect("a key").to_string_lossy();
    db.run(&format!(
        "INSERT INTO strata.cold_upload (server, key, chunk, expires_at) \
         VALUES ('strata_local', '{key}', 0, now() - interval '1 minute')"
    ));
    let sql = |dry: bool| {
        format!(
            "SELECT string_agg(action || ' ' || key || ' ' || coalesce(bytes, 0) || ' ' || reason, E'\\n') \
             FROM strata.cold_gc(dry_run => {dry})"
        )
    };
    let look = db.one(&sql(true));
    assert_eq!(look.lines().count(), 4, "{look}");
    assert!(left.exists() && sent.exists());
    assert_eq!(db.one(&sql(false)), look);
    assert!(!left.exists() && !sent.exists() && file.exists());
    cluster.configure(&[("strata.cold_gc_delay", "7d")]);
    cluster.reload();
}

/// Text forms hang on types that are no columns themselves: a label that is renamed while the file is on its way would
/// make every row of it unreadable.
#[test]
fn a_type_that_changes_during_an_export() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "moving_type");
    db.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (first int, last mood[]);
         CREATE TABLE m (id bigint, ts timestamptz NOT NULL, moods mood[], pairs pair);
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', '{sad}', ROW (g, '{ok}'::mood[])::pair
             FROM generate_series(0, 9) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)",
    );
    let mut session = db.session();
    for (point, step) in [
        ("cold.export.waited", "wait"),
        ("cold.export.verified", "verify"),
    ] {
        arm(&cluster, &format!("{point}:sleep"));
        queue(&mut session, JANUARY);
        wait_at(&mut session, step);
        for change in [
            "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
            "ALTER TYPE pair ADD ATTRIBUTE more int",
        ] {
            let error = fails(&mut session, change, "55000", &["cannot alter a type"]);
            assert!(
                error.detail().is_some_and(|d| d.contains(JANUARY)),
                "{error:?}"
            );
        }
        // a new label changes none that there is, and the export begins again
        exec(&mut session, &format!("ALTER TYPE mood ADD VALUE '{step}'"));
        arm(&cluster, "");
        wait_cold(&mut session, JANUARY);
        assert_eq!(
            db.one("SELECT count(*) FROM m WHERE moods = '{sad}' AND (pairs).last = '{ok}'"),
            "10"
        );
        db.run("CALL strata.untier_chunks('m')");
    }
    exec(&mut session, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'");
    assert_eq!(
        db.one("SELECT count(*) FROM m WHERE moods = '{blue}'"),
        "10"
    );
}
