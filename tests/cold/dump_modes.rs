//! Ways of pg_dump and pg_restore: a dump is complete or fails, a restore has every row.

use crate::common::wait_until;
use crate::support::{ColdDb, Db, HASH, exec, fails, one, server};
use std::process::{Output, Stdio};

/// Two cold chunks with a late row, and a column from after the export.
fn cold<'a>(name: &'a str) -> Db<'a> {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db.run(
        "INSERT INTO m (id, ts, dev) VALUES (9000, '2025-01-10 00:30+00', 1);
         ALTER TABLE m ADD COLUMN extra int DEFAULT 3",
    );
    db
}

fn pg_dump(db: &Db<'_>, options: &[&str]) -> Output {
    let mut tool = db.cluster.tool("pg_dump");
    tool.args(options).args(["-d", db.name]);
    tool.output().expect("pg_dump runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A new database with what the script or archive of a dump makes.
fn restored<'a>(db: &Db<'a>, name: &'a str, parts: &[&[&str]], archive: &str) -> Db<'a> {
    db.cluster.create_database(name);
    for part in parts {
        let mut tool = db.cluster.tool("pg_restore");
        let output = tool.args(*part).args(["-d", name, archive]).output();
        let output = output.expect("pg_restore runs");
        assert!(output.status.success(), "{part:?}: {}", errors(&output));
    }
    Db {
        cluster: db.cluster,
        name,
    }
}

#[test]
fn a_dump_without_the_manifest_fails() {
    let db = cold("dump_chosen");
    for options in [
        &["-t", "strata_chunks.m_h1_20250101"][..],
        &["-t", "m", "-t", "strata_chunks.*"],
        &["-n", "strata_chunks"],
        &["-n", "public", "-n", "strata_chunks"],
        &["-e", "plpgsql"],
        &["--inserts", "-t", "strata_chunks.*"],
        &["--data-only", "-n", "strata_chunks"],
    ] {
        let output = pg_dump(&db, options);
        assert!(!output.status.success(), "{options:?} leaves out cold rows");
        let error = errors(&output);
        assert!(
            error.contains("without the manifest of its file"),
            "{options:?}: {error}"
        );
    }
    // hot chunks and definitions go as ever
    for options in [
        &["-t", "strata_chunks.m_h1_20250301"][..],
        &["-n", "strata_chunks", "--schema-only"],
        &["-t", "m"],
    ] {
        let output = pg_dump(&db, options);
        assert!(output.status.success(), "{options:?}: {}", errors(&output));
    }
    // nor does a program that calls itself so
    let copy = "SET application_name = 'pg_dump'; COPY strata_chunks.m_h1_20250101 TO STDOUT";
    let error = (db.cluster.try_psql(db.name, copy)).expect_err("late rows alone were given");
    assert!(
        error.contains("without the manifest of its file"),
        "{error}"
    );
}

#[test]
fn every_way_of_restoring_brings_every_row() {
    let db = cold("dump_ways");
    let hash = db.hash();
    let folder = db.cluster.sandbox().folder("dump_ways", 0o777);
    let archive = folder.join("dump");
    let archive = archive.to_str().expect("a path");
    let output = pg_dump(&db, &["-Fd", "-j", "3", "-f", archive]);
    assert!(output.status.success(), "{}", errors(&output));
    for (name, parts) in [
        ("dump_jobs", &[&["-j", "4"][..]][..]),
        (
            "dump_sections",
            &[
                &["--section=pre-data"],
                &["--section=data", "-j", "4"],
                &["--section=post-data", "-j", "4"],
            ],
        ),
        ("dump_data", &[&["--schema-only"], &["--data-only"]]),
        ("dump_single", &[&["--single-transaction"]]),
    ] {
        let copy = restored(&db, name, parts, archive);
        assert_eq!(copy.hash(), hash, "{parts:?}");
        assert_eq!(copy.one("SELECT count(*) FROM strata.cold_files"), "2");
        assert_eq!(
            copy.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
            "0"
        );
    }
    for options in [&["--inserts"][..], &["--load-via-partition-root"]] {
        let output = pg_dump(&db, options);
        let name = format!("dump{}", options[0].replace('-', "_"));
        db.cluster.create_database(&name);
        let script = String::from_utf8(output.stdout).expect("UTF-8");
        db.cluster.psql(&name, &script);
        let found = one(&mut db.cluster.client(&name), HASH);
        assert_eq!(found, hash, "{options:?}");
    }
    assert_eq!(db.hash(), hash, "the origin");
}

/// The environment, or a connection string, may give pg_dump another name: rows of files beside their manifest would be
/// there twice after a restore.
#[test]
fn a_dump_under_another_name_has_every_row_once() {
    let db = cold("dump_renamed");
    // without keys nothing but the count tells rows that came twice
    db.run("ALTER TABLE m DROP CONSTRAINT IF EXISTS m_pkey CASCADE");
    let hash = db.hash();
    let folder = db.cluster.sandbox().folder("dump_renamed", 0o777);
    for (name, options) in [
        ("dump_renamed_one", &["-Fd"][..]),
        ("dump_renamed_jobs", &["-Fd", "-j", "3"]),
        (
            "dump_renamed_policies",
            &["-Fd", "-j", "3", "--enable-row-security"],
        ),
    ] {
        let archive = folder.join(name);
        let archive = archive.to_str().expect("a path");
        let mut tool = db.cluster.tool("pg_dump");
        tool.args(options).args(["-f", archive, "-d", db.name]);
        let output = tool.env("PGAPPNAME", "backup").output();
        let output = output.expect("pg_dump runs");
        assert!(output.status.success(), "{options:?}: {}", errors(&output));
        let copy = restored(&db, name, &[&[]], archive);
        assert_eq!(copy.hash(), hash, "{options:?}");
        assert_eq!(
            copy.one("SELECT sum(late_rows) FROM strata.cold_files"),
            "1",
            "{options:?}"
        );
    }
    // settings of a dump without its lock: nobody knows whether the manifest goes along
    let copy = "SET search_path = ''; SET synchronize_seqscans = off; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                COPY strata_chunks.m_h1_20250101 TO STDOUT";
    let error = (db.cluster.try_psql(db.name, copy)).expect_err("late rows alone were given");
    assert!(
        error.contains("without the manifest of its file"),
        "{error}"
    );
}

/// An ordinary table does not read the file: without an error its rows would be missing.
#[test]
fn a_restore_that_makes_ordinary_tables_of_cold_chunks_says_so() {
    let db = Db::new(server(), "dump_methods");
    db.metrics();
    let folder = db.cluster.sandbox().folder("dump_methods", 0o777);
    let path = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
    let (hot, cold) = (path("hot"), path("cold"));
    let dumped = pg_dump(&db, &["-Fc", "--schema-only", "-f", &hot]);
    assert!(dumped.status.success(), "{}", errors(&dumped));
    db.tier("2025-03-01");
    let dumped = pg_dump(&db, &["-Fc", "-f", &cold]);
    assert!(dumped.status.success(), "{}", errors(&dumped));
    for (name, parts) in [
        (
            "dump_methods_none",
            &[&["--no-table-access-method", &*cold][..]][..],
        ),
        ("dump_methods_old", &[&[&*hot], &["--data-only", &*cold]]),
    ] {
        db.cluster.create_database(name);
        let mut last = None;
        for part in parts {
            let mut tool = db.cluster.tool("pg_restore");
            let output = tool.args(["-d", name]).args(*part).output();
            last = Some(output.expect("pg_restore runs"));
        }
        let last = last.expect("a part");
        let error = errors(&last);
        assert!(!last.status.success(), "{name}: rows are missing");
        assert!(
            error.contains("has another access method"),
            "{name}: {error}"
        );
    }
}

/// Rows that were brought back are seen by every snapshot, also by that of a dump which still sees the manifest.
#[test]
fn a_dump_that_waited_for_a_chunk_to_come_back_fails() {
    let db = cold("dump_untier");
    let mut untier = db.session();
    exec(&mut untier, "BEGIN");
    exec(
        &mut untier,
        "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')",
    );
    let mut tool = db.cluster.tool("pg_dump");
    tool.args(["-d", db.name]).stdout(Stdio::piped());
    let dump = tool.stderr(Stdio::piped()).spawn().expect("pg_dump runs");
    let waits = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                 WHERE a.application_name = 'pg_dump' AND a.datname = current_database() AND NOT l.granted";
    wait_until("pg_dump waits", || db.one(waits) == "1");
    exec(&mut untier, "COMMIT");
    let output = dump.wait_with_output().expect("pg_dump ends");
    let error = errors(&output);
    assert!(
        !output.status.success(),
        "rows of the chunk are there twice"
    );
    assert!(error.contains("after the dump began"), "{error}");
    assert!(pg_dump(&db, &[]).status.success(), "the next one");
}

/// pg_restore -j truncates what it has just made, when the manifest may be there already.
#[test]
fn truncation_by_a_parallel_restore_keeps_the_file_and_by_a_user_does_not() {
    let db = cold("dump_trunc");
    db.run("DELETE FROM m WHERE id = 9000");
    let hash = db.hash();
    db.cluster
        .dump_into("dump_trunc", server(), "dump_trunc_copy");
    let copy = Db {
        cluster: server(),
        name: "dump_trunc_copy",
    };
    let truncate = "BEGIN; TRUNCATE TABLE ONLY strata_chunks.m_h1_20250101; COMMIT";
    copy.run(&format!("SET application_name = 'pg_restore'; {truncate}"));
    assert_eq!(copy.hash(), hash);
    copy.run(&format!(
        "SET application_name = 'mine'; SET search_path = ''; SET check_function_bodies = off; SET row_security = off; \
         {truncate}"
    ));
    assert_eq!(copy.hash(), hash);
    copy.run(truncate);
    assert_eq!(copy.one("SELECT count(*) FROM m"), (2160 - 744).to_string());
    assert_eq!(db.hash(), hash, "the origin");
    db.run(&format!("SET application_name = 'pg_restore'; {truncate}"));
    assert_eq!(db.one("SELECT count(*) FROM m"), (2160 - 744).to_string());
}

/// Names in the manifest decide in a copy which column is which.
#[test]
fn a_copy_knows_the_columns_whatever_way_they_were_changed() {
    let db = cold("dump_names");
    // event triggers of others do not fire there, and a table's column can be renamed by other commands
    db.run(
        "SET session_replication_role = replica;
         ALTER TABLE m RENAME note TO remark; ALTER TABLE m ADD COLUMN note text DEFAULT 'later'",
    );
    db.run(
        "ALTER VIEW m RENAME COLUMN val TO value; ALTER TABLE m ADD COLUMN val float8 DEFAULT 1.5",
    );
    let hash = db.hash();
    db.cluster
        .dump_into("dump_names", server(), "dump_names_copy");
    let copy = Db {
        cluster: server(),
        name: "dump_names_copy",
    };
    assert_eq!(copy.hash(), hash);
    // without event triggers nobody notes the change: no dump then
    let (off, on) = ("DISABLE", "ENABLE ALWAYS");
    let switch = |how: &str| {
        db.run(&format!(
            "ALTER EVENT TRIGGER strata_cold_after_alter {how}"
        ))
    };
    switch(off);
    db.run("ALTER TABLE m RENAME val TO val2; ALTER TABLE m ADD COLUMN val float8 DEFAULT 2.5");
    switch(on);
    let hash = db.hash();
    let output = pg_dump(&db, &[]);
    let error = errors(&output);
    assert!(
        !output.status.success() && error.contains("SET WITHOUT CLUSTER"),
        "{error}"
    );
    db.run(
        "ALTER TABLE strata_chunks.m_h1_20250101 SET WITHOUT CLUSTER;
         ALTER TABLE strata_chunks.m_h1_20250201 SET WITHOUT CLUSTER",
    );
    db.cluster
        .dump_into("dump_names", server(), "dump_names_late");
    let copy = Db {
        cluster: server(),
        name: "dump_names_late",
    };
    assert_eq!(copy.hash(), hash);
    fails(
        &mut copy.session(),
        "UPDATE m SET val = 1 WHERE id = 5",
        "55000",
        &["m_h1_20250101"],
    );
}

/// `strata.dump_cold = rows`: the copy needs neither file nor store.
#[test]
fn a_dump_of_rows_restores_without_the_store() {
    let db = cold("dump_rows");
    let hash = db.hash();
    let other = crate::common::Cluster::builder().start();
    for (name, options) in [
        ("rows_plain", &[][..]),
        ("rows_inserts", &["--inserts"]),
        ("rows_chosen", &["-t", "m", "-t", "strata_chunks.m_h1_*"]),
    ] {
        let mut tool = db.cluster.tool("pg_dump");
        tool.env("PGOPTIONS", "-c strata.dump_cold=rows");
        let output = tool.args(options).args(["-d", db.name]).output();
        let output = output.expect("pg_dump runs");
        assert!(output.status.success(), "{options:?}: {}", errors(&output));
        other.create_database(name);
        if name == "rows_chosen" {
            other.psql(
                name,
                "CREATE EXTENSION pg_strata; CREATE SCHEMA IF NOT EXISTS strata_chunks",
            );
        }
        other.psql(name, &String::from_utf8(output.stdout).expect("UTF-8"));
        let copy = Db {
            cluster: &other,
            name,
        };
        assert_eq!(copy.hash(), hash, "{options:?}");
        assert_eq!(copy.one("SELECT count(*) FROM strata.cold_file"), "0");
        copy.run("UPDATE m SET val = val + 1 WHERE id = 5; DELETE FROM m WHERE id = 6");
        if name != "rows_chosen" {
            copy.run(
                "CALL strata.tier_chunks('m', older_than => timestamptz '2025-03-01 00:00+00')",
            );
            assert_eq!(copy.one("SELECT count(*) FROM strata.cold_files"), "2");
        }
        assert_eq!(copy.one("SELECT count(*) FROM m"), "2160");
    }
}
