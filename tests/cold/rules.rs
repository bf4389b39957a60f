//! What may be dropped, what goes along, and who may see cold rows.

use crate::support::{ColdDb, Db, FEBRUARY, JANUARY, chunk_state, exec, fails, one, rows, server};

fn cold(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db
}

#[test]
fn extension_and_server_stay_while_chunks_are_cold() {
    let db = cold("rules_stay");
    let hash = db.hash();
    let mut session = db.session();
    for sql in [
        "DROP EXTENSION pg_strata",
        "DROP EXTENSION pg_strata CASCADE",
        "DROP SERVER strata_local",
        "DROP SERVER strata_local CASCADE",
        "DROP EXTENSION IF EXISTS pg_strata CASCADE",
        "DROP OWNED BY postgres",
    ] {
        let Err(error) = session.batch_execute(sql) else {
            panic!("{sql} was done");
        };
        let error = error.as_db_error().expect("an error of the server").clone();
        // DROP OWNED by the bootstrap superuser is refused by the server itself
        assert!(
            ["55000", "2BP01"].contains(&error.code().code()),
            "{sql}: {error:?}"
        );
        if sql.starts_with("DROP EXTENSION") {
            assert!(error.message().contains("2 chunks are cold"), "{error:?}");
            assert!(
                error.hint().unwrap_or_default().contains("untier_chunks"),
                "{error:?}"
            );
        }
    }
    for sql in [
        "DROP SCHEMA strata CASCADE",
        "DROP ACCESS METHOD strata_cold CASCADE",
        "DROP FOREIGN DATA WRAPPER strata_sqlite CASCADE",
        "DROP FUNCTION strata._cold_handler(internal) CASCADE",
    ] {
        assert!(session.batch_execute(sql).is_err(), "{sql} was done");
    }
    assert_eq!(db.hash(), hash);
    fails(
        &mut session,
        "SELECT strata.remove_cold_storage('m')",
        "55000",
        &["2 chunks"],
    );
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(db.hash(), hash);
    db.run("DROP EXTENSION pg_strata CASCADE");
    assert_eq!(db.hash(), hash, "an ordinary partitioned table is left");
    db.run("INSERT INTO m VALUES (1, '2025-01-20 00:30+00', 1)");
}

#[test]
fn another_server_may_go_when_nothing_lies_there() {
    let db = cold("rules_server");
    let folder = db.cluster.sandbox().folder("rules_server", 0o700);
    db.run(&format!(
        "CREATE SERVER shelf FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file://{}');
         SELECT strata.set_cold_storage('m', server => 'shelf');
         CALL strata.tier_chunks('m', older_than => '2025-04-01 00:00+00'::timestamptz)",
        folder.display()
    ));
    assert_eq!(
        db.one("SELECT count(*) FROM strata.cold_files WHERE server = 'shelf'"),
        "1"
    );
    let mut session = db.session();
    fails(
        &mut session,
        "DROP SERVER shelf CASCADE",
        "55000",
        &["shelf", "1 chunk"],
    );
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "2160");
    exec(
        &mut session,
        "SELECT strata.set_cold_storage('m', server => 'strata_local')",
    );
    db.run("CALL strata.untier_chunk('strata_chunks.m_h1_20250301'); DROP SERVER shelf");
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "2160");
}

/// Manifest rows and queued files after a statement, `live queued`.
fn files(db: &Db) -> String {
    db.one("SELECT (SELECT count(*) FROM strata.cold_file) || ' ' || (SELECT count(*) FROM strata.cold_delete_queue)")
}

#[test]
fn dropped_chunks_leave_the_manifest_and_queue_their_files() {
    let db = cold("rules_drop");
    let paths = db.local_files();
    for (sql, rows, files_after) in [
        (
            "SELECT strata.drop_chunks('m', older_than => '2025-02-01 00:00+00'::timestamptz)",
            "1416",
            "1 1",
        ),
        ("DROP TABLE strata_chunks.m_h1_20250101", "1416", "1 1"),
        ("TRUNCATE strata_chunks.m_h1_20250101", "1416", "1 1"),
        ("TRUNCATE m", "0", "0 2"),
        ("DROP TABLE m", "", "0 2"),
        ("DROP SCHEMA strata_chunks CASCADE", "744", "0 2"),
    ] {
        let count = if rows.is_empty() {
            "SELECT ''"
        } else {
            "SELECT count(id + 0) FROM m"
        };
        let mut session = db.session();
        exec(&mut session, "SET client_min_messages = error; BEGIN");
        exec(&mut session, sql);
        // hot chunks live in that schema too
        let expected = if sql.starts_with("DROP SCHEMA") {
            "0"
        } else {
            rows
        };
        assert_eq!(one(&mut session, count), expected, "{sql}");
        let now = "SELECT (SELECT count(*) FROM strata.cold_file) || ' ' || (SELECT count(*) FROM strata.cold_delete_queue)";
        assert_eq!(one(&mut session, now), files_after, "{sql}");
        exec(&mut session, "ROLLBACK");
        assert_eq!(
            one(&mut session, "SELECT count(id + 0) FROM m"),
            "2160",
            "{sql} rolled back"
        );
        assert_eq!(files(&db), "2 0", "{sql} rolled back");
    }
    db.run("TRUNCATE strata_chunks.m_h1_20250201");
    assert_eq!(files(&db), "1 1");
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "1488");
    db.run("INSERT INTO m VALUES (1, '2025-02-20 00:30+00', 1)");
    assert_eq!(chunk_state(&mut db.session(), FEBRUARY), "hot");
    db.run(&format!("DROP TABLE {JANUARY}"));
    assert_eq!(files(&db), "0 2");
    assert_eq!(
        db.one("SELECT string_agg(reason, ' ' ORDER BY key) FROM strata.cold_delete_queue"),
        "dropped truncated"
    );
    // nothing is deleted inline
    assert!(paths.iter().all(|path| path.exists()));
    db.tier("2025-03-01");
    assert_eq!(db.one("SELECT generation FROM strata.cold_files"), "2");
    assert_eq!(db.one("SELECT count(id + 0) FROM m"), "745");
}

#[test]
fn detached_chunk_keeps_its_rows() {
    let db = cold("rules_detach");
    let mut session = db.session();
    let detach = format!("ALTER TABLE m DETACH PARTITION {JANUARY} CONCURRENTLY");
    exec(&mut session, &detach);
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "1416");
    let alone = format!("SELECT count(id + 0) FROM {JANUARY}");
    assert_eq!(one(&mut session, &alone), "744");
    let attach = format!(
        "ALTER TABLE m ATTACH PARTITION {JANUARY} \
         FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00')"
    );
    exec(&mut session, &attach);
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "2160");
    // without the constraint that CONCURRENTLY leaves, the rows would have to be looked at
    let february = format!("ALTER TABLE m DETACH PARTITION {FEBRUARY}");
    exec(&mut session, &february);
    let attach = format!(
        "ALTER TABLE m ATTACH PARTITION {FEBRUARY} \
         FOR VALUES FROM ('2025-02-01 00:00+00') TO ('2025-03-01 00:00+00')"
    );
    fails(&mut session, &attach, "55000", &["m_h1_20250201"]);
    let alone = format!("SELECT count(id + 0) FROM {FEBRUARY}");
    assert_eq!(one(&mut session, &alone), "672");
    exec(
        &mut session,
        &format!("CALL strata.untier_chunk('{FEBRUARY}')"),
    );
    exec(&mut session, &attach);
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "2160");
}

#[test]
fn row_security_and_column_privileges_hold_for_cold_rows() {
    let db = Db::new(server(), "rules_rights");
    db.metrics();
    db.run(
        "CREATE ROLE rules_reader LOGIN; CREATE ROLE rules_nobody LOGIN; CREATE ROLE rules_columns LOGIN;
         GRANT SELECT ON m TO rules_reader; GRANT SELECT (id, ts) ON m TO rules_columns;
         ALTER TABLE m ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON m TO rules_reader USING (dev = 3);
         CREATE POLICY few ON m TO rules_columns USING (dev IN (1, 2));
         CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
             RAISE NOTICE 'saw %', $1; RETURN true; END $$;
         GRANT EXECUTE ON FUNCTION leak TO PUBLIC",
    );
    let ask = |user: &str, sql: &str| one(&mut db.session_as(user), sql);
    let count = "SELECT count(*) || ' ' || min(id) || ' ' || max(id) FROM m";
    let (reader, columns) = (ask("rules_reader", count), ask("rules_columns", count));
    assert!(reader != columns && !reader.starts_with("2160"), "{reader}");
    db.tier("2025-03-01");
    assert_eq!(ask("rules_reader", count), reader);
    assert_eq!(ask("rules_columns", count), columns);
    assert_eq!(
        ask("rules_reader", "SELECT count(*) FROM m WHERE id = 5"),
        "0"
    );
    assert_eq!(ask("rules_reader", "SELECT dev FROM m WHERE id = 3"), "3");
    // a cheap function of the user must not see rows that the policy hides
    let output = db
        .cluster
        .tool("psql")
        .env("PGUSER", "rules_reader")
        .args([
            "-X",
            "-d",
            db.name,
            "-c",
            "SELECT count(*) FROM m WHERE leak(note) AND ts < '2025-01-02 00:00+00'",
        ])
        .output()
        .expect("psql");
    let notices = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(notices.contains("saw n3"), "{notices}");
    assert!(!notices.contains("saw n4"), "{notices}");

    let mut session = db.session_as("rules_columns");
    fails(&mut session, "SELECT note FROM m", "42501", &[]);
    fails(
        &mut session,
        "SELECT count(*) FROM m WHERE val > 1",
        "42501",
        &[],
    );
    let mut nobody = db.session_as("rules_nobody");
    for sql in [
        "SELECT count(id + 0) FROM m",
        "SELECT count(id + 0) FROM strata_chunks.m_h1_20250101",
        "SELECT * FROM strata.cold_file",
        "SELECT * FROM strata.cold_upload",
        "SELECT * FROM strata.cold_delete_queue",
        "SELECT * FROM strata.cold_owner",
        "SELECT strata.tier_chunk('strata_chunks.m_h1_20250301')",
        "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')",
        "CALL strata.untier_chunks('m')",
        "CALL strata.tier_chunks('m')",
        "SELECT strata.set_cold_storage('m')",
        "SELECT strata.remove_cold_storage('m')",
        "SELECT strata.cold_check('m')",
        "SET strata.cold_directory = '/tmp'",
        "CREATE SERVER mine FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file:///tmp')",
    ] {
        fails(&mut nobody, sql, "42501", &[]);
    }
    for view in [
        "cold_files",
        "cold_exports",
        "chunks",
        "hypertables",
        "cold_check()",
    ] {
        assert_eq!(
            rows(&mut nobody, &format!("SELECT * FROM strata.{view}")),
            "",
            "{view}"
        );
    }
    assert_eq!(
        ask("rules_reader", "SELECT count(*) FROM strata.cold_files"),
        "2"
    );
    assert_eq!(
        ask("rules_reader", "SELECT count(*) FROM strata.cold_exports"),
        "0"
    );
}

/// The hypertable's owner needs no superuser, and whoever may read needs nothing at all.
#[test]
fn ordinary_owner_can_tier_and_others_read() {
    let db = Db::new(server(), "rules_owner");
    db.run("CREATE ROLE rules_owner LOGIN; CREATE ROLE rules_guest LOGIN; GRANT CREATE ON SCHEMA public TO rules_owner");
    let mut owner = db.session_as("rules_owner");
    exec(
        &mut owner,
        "CREATE TABLE m (id bigint, ts timestamptz NOT NULL, c text[], PRIMARY KEY (id, ts));
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', ARRAY['a', g::text] FROM generate_series(0, 2159) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         GRANT SELECT ON m TO rules_guest",
    );
    let hash = db.hash();
    let call = "CALL strata.tier_chunks('m', older_than => '2025-03-01 00:00+00'::timestamptz)";
    exec(&mut owner, call);
    let ask = "SELECT md5(string_agg(m::text, E'\\n' ORDER BY id, ts)) || ' ' || count(*) FROM m";
    assert_eq!(one(&mut owner, ask), hash);
    assert_eq!(one(&mut db.session_as("rules_guest"), ask), hash);
    exec(&mut owner, "CALL strata.untier_chunks('m')");
    assert_eq!(one(&mut owner, ask), hash);
}
