//! `pg_dump | psql` of hot and cold chunks: into the same server, and into a new one.

use crate::common::Cluster;
use crate::support::{BUCKET, ColdDb, Db, HASH, exec, fails, one, rows, s3, server, sqlite3};

/// What a restored hypertable must do, whatever the store; `duplicate` is what a late row with a cold key gives.
fn check_copy(copy: &Db, hash: &str, duplicate: &str) {
    let mut session = copy.session();
    assert_eq!(one(&mut session, HASH), hash);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive) \
        AND indrelid IN (SELECT relid FROM pg_partition_tree('m'))";
    assert_eq!(one(&mut session, invalid), "0");
    let primary = "SELECT count(*) FROM pg_index WHERE indisprimary AND indisvalid \
        AND indrelid IN (SELECT relid FROM pg_partition_tree('m'))";
    let tables = "SELECT count(*) FROM pg_partition_tree('m')";
    assert_eq!(one(&mut session, primary), one(&mut session, tables));
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), bool_or(owned), min(server) FROM strata.cold_files"
        )
        .split('|')
        .take(2)
        .collect::<Vec<_>>(),
        ["2", "f"]
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"
        ),
        "2"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT num_chunks >= 3 FROM strata.hypertables WHERE hypertable_name = 'm'"
        ),
        "t"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.chunks WHERE hypertable_name = 'm' AND state = 'cold'"
        ),
        "2"
    );
    // keys and foreign keys
    let upsert = "INSERT INTO m (id, ts, dev) VALUES (9000, '2025-03-20 00:30+00', 1) ON CONFLICT (id, ts) DO UPDATE SET dev = 2 RETURNING dev";
    assert_eq!(one(&mut session, upsert), "1");
    assert_eq!(one(&mut session, upsert), "2");
    exec(
        &mut session,
        "INSERT INTO child VALUES (2, 6, '2025-01-01 06:00+00')",
    );
    fails(
        &mut session,
        "INSERT INTO child VALUES (3, 6, '2025-01-01 07:00+00')",
        "23503",
        &["child"],
    );
    fails(
        &mut session,
        "DELETE FROM m WHERE id = 6",
        "55000",
        &["m_h1_20250101"],
    );
    fails(
        &mut session,
        "INSERT INTO m (id, ts, dev) VALUES (6, '2025-01-01 06:00+00', 1)",
        duplicate,
        &["m_h1_20250101"],
    );
    // the late row has come along, and is one that may change
    exec(
        &mut session,
        "UPDATE m SET dev = 5 WHERE id = 8000; UPDATE m SET dev = 1 WHERE id = 8000",
    );
    let validated = "SELECT bool_and(convalidated) FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(one(&mut session, validated), "t");
    exec(
        &mut session,
        "DELETE FROM child WHERE n = 2; DELETE FROM m WHERE id = 9000",
    );
    // it goes on growing
    one(
        &mut session,
        "SELECT count(*) FROM strata.premake_chunks('m', '2025-04-01 00:00+00', '2025-05-01 00:00+00')",
    );
    exec(
        &mut session,
        "INSERT INTO m (id, ts, dev) VALUES (9001, '2025-04-02 00:00+00', 1); DELETE FROM m WHERE id = 9001",
    );
    assert_eq!(one(&mut session, HASH), hash);
}

/// A table whose columns were dropped before the export and changed after it.
fn make(db: &Db) {
    db.run(
        "CREATE TABLE m (gone int, id bigint, ts timestamptz NOT NULL, dev int NOT NULL, val float8, note text, PRIMARY KEY (id, ts));
         INSERT INTO m SELECT 1, g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g % 7, g / 4.0, 'n' || g FROM generate_series(0, 2159) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         ALTER TABLE m DROP COLUMN gone; CREATE INDEX ON m (dev, ts);
         CREATE TABLE child (n int, id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m (id, ts));
         INSERT INTO child SELECT 1, id, ts FROM m WHERE id = 5",
    );
}

fn change(db: &Db) {
    db.run(
        "ALTER TABLE m ADD COLUMN extra numeric DEFAULT 1.10; ALTER TABLE m DROP COLUMN val;
         ALTER TABLE m RENAME COLUMN note TO remark; ALTER TABLE m ADD COLUMN note text DEFAULT 'later';
         ALTER TABLE m ADD COLUMN stamp timestamptz DEFAULT '2025-05-05 05:05:05.5+00';
         INSERT INTO m (id, ts, dev, note) VALUES (8000, '2025-01-20 00:30+00', 1, 'late')",
    );
}

#[test]
fn copy_in_the_same_server_reads_the_same_files() {
    let db = Db::new(server(), "dump_origin");
    make(&db);
    db.tier("2025-03-01");
    change(&db);
    let hash = db.hash();
    db.cluster.dump_into("dump_origin", server(), "dump_copy");
    let copy = Db {
        cluster: server(),
        name: "dump_copy",
    };
    check_copy(&copy, &hash, "23505");
    // changes after the restore find the right columns
    let alter = "ALTER TABLE m ADD COLUMN more int DEFAULT 3; ALTER TABLE m RENAME COLUMN remark TO said; ALTER TABLE m DROP COLUMN stamp";
    copy.run(alter);
    db.run(alter);
    let hash = db.hash();
    assert_eq!(copy.hash(), hash);
    // a copy of the copy
    db.cluster.dump_into("dump_copy", server(), "dump_third");
    let third = Db {
        cluster: server(),
        name: "dump_third",
    };
    check_copy(&third, &hash, "23505");
    // what the copy drops or brings back stays where it is for the origin
    let files = db.local_files();
    copy.run("DROP TABLE child; SELECT strata.drop_chunks('m', older_than => '2025-02-01 00:00+00'::timestamptz)");
    copy.run("CALL strata.untier_chunks('m')");
    assert_eq!(
        copy.one("SELECT count(id + 0) FROM m"),
        (2160 - 744).to_string()
    );
    assert_eq!(copy.one("SELECT count(*) FROM strata.cold_files"), "0");
    for file in files {
        assert_eq!(sqlite3(&file, "PRAGMA integrity_check"), "ok");
    }
    assert_eq!(db.hash(), hash);
    assert_eq!(third.hash(), hash);
    // files of both lie under tags of their own
    copy.tier("2025-03-01");
    let tags = |db: &Db| db.keys()[0].split('/').next().expect("a tag").to_owned();
    assert_ne!(tags(&copy), tags(&db));
    assert_eq!(
        copy.one("SELECT bool_and(owned) FROM strata.cold_files"),
        "t"
    );
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(db.hash(), hash);
}

#[test]
fn copy_in_a_new_server_reads_a_shared_directory_and_s3() {
    let store = crate::common::Sandbox::new();
    let folder = store.folder("store", 0o700);
    let location = format!("file://{}", folder.display());
    let other = Cluster::builder().start();
    for (name, on_s3) in [("dump_folder", false), ("dump_s3", true)] {
        let db = Db::new(server(), name);
        make(&db);
        if on_s3 {
            db.archive(&s3().endpoint(), "");
        } else {
            db.run(&format!("CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location '{location}')"));
        }
        db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
        db.tier("2025-03-01");
        change(&db);
        // a late row that is there already is restored in any case
        db.run("SELECT strata.set_cold_storage('m', server => 'archive', late_rows => 'reject')");
        let hash = db.hash();
        db.cluster.dump_into(name, &other, name);
        let copy = Db {
            cluster: &other,
            name,
        };
        check_copy(&copy, &hash, "55000");
        // the setting came along: what the copy tiers goes to the same server under its own name
        copy.run("CALL strata.tier_chunks('m', older_than => '2025-04-01 00:00+00'::timestamptz)");
        assert_eq!(
            rows(
                &mut copy.session(),
                "SELECT owned, count(*), min(server), max(server) FROM strata.cold_files GROUP BY owned ORDER BY owned"
            ),
            "f|2|archive|archive\nt|1|archive|archive"
        );
        assert_eq!(copy.hash(), hash);
        copy.run("DROP TABLE child, m");
        assert_eq!(copy.one("SELECT count(*) FROM strata.cold_file"), "0");
        assert_eq!(db.hash(), hash, "the origin");
        for key in db.keys() {
            let file = if on_s3 {
                s3().object_file(BUCKET, &format!("{name}/{key}"))
            } else {
                folder.join(&key)
            };
            assert_eq!(sqlite3(&file, "PRAGMA integrity_check"), "ok");
        }
    }
}

/// A dump taken while a chunk is frozen restores a hot one.
#[test]
fn restore_without_the_files_is_an_error_and_never_fewer_rows() {
    let db = Db::new(server(), "dump_without");
    make(&db);
    db.tier("2025-03-01");
    let other = Cluster::builder().start();
    // the built-in directory of another server has none of the files: keys cannot be checked
    other.create_database("dump_without");
    let dump = db.cluster.dump("dump_without");
    let error = other
        .try_psql("dump_without", &dump)
        .expect_err("a foreign key needs the rows");
    assert!(
        error.contains("m_h1_2025") && error.contains("does not exist"),
        "{error}"
    );
    let error = other
        .try_psql("dump_without", "SELECT count(id + 0) FROM m")
        .expect_err("files are missing");
    assert!(error.contains("m_h1_2025"), "{error}");
}
