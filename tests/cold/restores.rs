//! Sessions that look at chunks while a restore is loading their manifest, and what is refused afterwards.

use crate::common::{Cluster, wait_until_within};
use crate::support::{ColdDb, Db, HASH, exec, fails, one, server};
use postgres::Client;
use std::process::Command;
use std::time::Duration;

/// Two cold chunks with a late row and a column from after the export, and an archive of it all.
fn archived<'a>(name: &'a str, more: &str) -> (Db<'a>, String) {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db.run(
        "INSERT INTO m (id, ts, dev) VALUES (9000, '2025-01-10 00:30+00', 1);
         ALTER TABLE m ADD COLUMN extra int DEFAULT 3",
    );
    if !more.is_empty() {
        db.run(more);
    }
    let archive = archive_of(&db);
    (db, archive)
}

fn archive_of(db: &Db<'_>) -> String {
    let folder = db.cluster.sandbox().folder(db.name, 0o777);
    let archive = folder.join("dump");
    let archive = archive.to_str().expect("a path").to_owned();
    let mut tool = db.cluster.tool("pg_dump");
    run(tool.args(["-Fc", "-f", &archive, "-d", db.name]));
    archive
}

fn run(tool: &mut Command) -> String {
    let output = tool.output().expect("the tool runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn restore(copy: &Db<'_>, archive: &str, options: &[&str]) {
    let mut tool = copy.cluster.tool("pg_restore");
    run(tool.args(options).args(["-d", copy.name, archive]));
}

/// A database with the definitions of an archive and nothing else yet.
fn defined<'a>(db: &Db<'a>, name: &'a str, archive: &str) -> Db<'a> {
    db.cluster.create_database(name);
    let copy = Db {
        cluster: db.cluster,
        name,
    };
    restore(&copy, archive, &["--section=pre-data"]);
    copy
}

/// A list of the chosen ones of the data of an archive, for pg_restore -L.
fn list(db: &Db<'_>, archive: &str, chosen: impl Fn(&str) -> bool) -> String {
    let mut tool = db.cluster.tool("pg_restore");
    let toc = run(tool.args(["-l", "--section=data", archive]));
    let lines = toc.lines().filter(|l| !l.starts_with(';') && chosen(l));
    let path = format!("{archive}.list");
    let text = lines.collect::<Vec<_>>().join("\n");
    std::fs::write(&path, text).expect("the list is written");
    path
}

const BY_INDEX: &str = "EXECUTE by_index";
const ALL: &str = "EXECUTE everything";

/// A session that has looked already, with plans that it keeps.
fn looked(copy: &Db<'_>) -> Client {
    let mut session = copy.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
         PREPARE by_index AS SELECT count(note) FROM m WHERE ts = '2025-01-10 09:00+00';
         PREPARE everything AS SELECT count(*) || ' ' || count(val) || ' ' || sum(extra) FROM m WHERE ts < '2025-03-01'",
    );
    assert_eq!(one(&mut session, BY_INDEX), "0");
    exec(&mut session, ALL);
    session
}

#[test]
fn a_session_that_looked_during_a_restore_sees_every_row_when_the_data_is_in() {
    let (db, archive) = archived("restore_looked", "");
    for (name, options) in [
        ("restore_looked_plain", &["--section=data"][..]),
        (
            "restore_looked_off",
            &["--section=data", "--disable-triggers"],
        ),
        ("restore_looked_jobs", &["--section=data", "-j", "3"]),
    ] {
        let copy = defined(&db, name, &archive);
        let mut session = looked(&copy);
        restore(&copy, &archive, options);
        assert_eq!(one(&mut session, BY_INDEX), "1", "{options:?}");
        assert_eq!(one(&mut session, ALL), "1417 1416 4251", "{options:?}");
        assert_eq!(one(&mut session, HASH), db.hash(), "{options:?}");
        restore(&copy, &archive, &["--section=post-data"]);
        assert_eq!(one(&mut session, HASH), db.hash(), "{options:?}");
    }
}

/// Jobs of a parallel restore commit the tables of the manifest in any order.
#[test]
fn a_manifest_that_is_half_there_is_an_error_and_then_every_row() {
    let (db, archive) = archived("restore_half", "");
    for (name, options) in [
        ("restore_half_on", &[][..]),
        ("restore_half_off", &["--disable-triggers", "--data-only"]),
    ] {
        let copy = defined(&db, name, &archive);
        let mut session = looked(&copy);
        let is_file = |line: &str| line.contains(" cold_file ");
        let only_file = list(&db, &archive, is_file);
        restore(&copy, &archive, &[options, &["-L", &only_file]].concat());
        for session in [&mut session, &mut copy.session()] {
            for statement in [
                "SELECT count(id + 0) FROM m",
                "SELECT count(*) FROM m WHERE ts < '2025-01-15'",
                "COPY strata_chunks.m_h1_20250101 TO PROGRAM 'cat > /dev/null'",
                "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')",
            ] {
                fails(session, statement, "55000", &["m_h1_2025"]);
            }
        }
        let rest = list(&db, &archive, |line| !is_file(line));
        restore(&copy, &archive, &[options, &["-L", &rest]].concat());
        if options.is_empty() {
            restore(&copy, &archive, &["--section=post-data"]);
        }
        for session in [&mut session, &mut copy.session()] {
            assert_eq!(one(session, HASH), db.hash(), "{options:?}");
        }
    }
}

/// What a session took for the policy before the setting was there does not last.
#[test]
fn a_restored_table_without_keys_refuses_late_rows_under_reject() {
    let (db, archive) = archived(
        "restore_reject",
        "ALTER TABLE m DROP CONSTRAINT m_pkey; SELECT strata.set_cold_storage('m', late_rows => 'reject')",
    );
    let copy = defined(&db, "restore_reject_copy", &archive);
    let mut session = looked(&copy);
    let is_setting = |line: &str| line.contains(" cold_setting ");
    let rest = list(&db, &archive, |line| !is_setting(line));
    restore(&copy, &archive, &["-L", &rest]);
    // the late row of the dump is there
    assert_eq!(one(&mut session, HASH), db.hash());
    let late = "INSERT INTO m (id, ts, dev) VALUES (9001, '2025-01-11 00:30+00', 1)";
    let setting = list(&db, &archive, is_setting);
    restore(&copy, &archive, &["-L", &setting]);
    restore(&copy, &archive, &["--section=post-data"]);
    for session in [&mut session, &mut copy.session()] {
        fails(session, late, "55000", &["m_h1_20250101"]);
        assert_eq!(one(session, HASH), db.hash());
    }
}

/// A subscription to all tables of a database brings the rows of its cold chunks, and not its manifest as well: the
/// rows would come twice.
#[test]
fn a_subscription_to_all_tables_brings_every_cold_row_once() {
    let store = crate::common::Sandbox::new();
    let folder = store.folder("store", 0o777);
    let publisher = Cluster::builder().set("wal_level", "logical").start();
    let subscriber = Cluster::builder()
        .set("wal_retrieve_retry_interval", "100ms")
        .start();
    let from = Db::new(&publisher, "src");
    from.run(&format!(
        "CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file://{}');
         CREATE TABLE m (id bigint, ts timestamptz NOT NULL, dev int);
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g % 7 FROM generate_series(0, 2159) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         SELECT strata.set_cold_storage('m', server => 'archive')",
        folder.display()
    ));
    from.tier("2025-02-01");
    from.run("INSERT INTO m VALUES (9000, '2025-01-10 00:30+00', 1); CREATE PUBLICATION p FOR ALL TABLES");
    subscriber.create_database("dst");
    let mut tool = publisher.tool("pg_dump");
    let definitions = run(tool.args(["--schema-only", "--no-publications", "-d", "src"]));
    subscriber.psql("dst", &definitions);
    let to = Db {
        cluster: &subscriber,
        name: "dst",
    };
    to.run(&format!(
        "CREATE SUBSCRIPTION s CONNECTION 'host={} user=postgres dbname=src' PUBLICATION p",
        publisher.socket().display()
    ));
    let arrives = |sql: &str, wanted: &str| {
        wait_until_within(Duration::from_secs(30), sql, || to.one(sql) == wanted);
    };
    arrives(
        "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'",
        "0",
    );
    let counts = "SELECT count(*) || ' ' || count(DISTINCT id) FROM m";
    assert_eq!(to.one(counts), "2161 2161");
    // nor do later moves arrive, however much the catalog is written to meanwhile
    from.tier("2025-03-01");
    from.run("INSERT INTO m VALUES (9001, '2025-03-10 00:30+00', 1)");
    arrives("SELECT count(*) FROM m WHERE id = 9001", "1");
    assert_eq!(to.one(counts), "2162 2162");
    assert_eq!(from.one(counts), "2162 2162");
    assert_eq!(to.one("SELECT count(*) FROM strata.cold_file"), "0");
    assert_eq!(to.one("SELECT count(*) FROM strata.cold_export"), "0");
    to.run("DROP SUBSCRIPTION s");
}
