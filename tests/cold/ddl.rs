//! Definitions that change while chunks are cold: the same rows as in an all-hot twin, or a clear refusal.

use crate::support::{
    BUCKET, ColdDb, Db, FEBRUARY, JANUARY, exec, fails, has_icu, has_xml, one, rows, s3, server,
    try_one,
};
use postgres::Client;

fn cold<'a>(name: &'a str) -> Db<'a> {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db
}

fn whole(session: &mut Client, table: &str) -> String {
    one(
        session,
        &format!(
            "SELECT md5(string_agg(t::text, E'\\n' ORDER BY id, ts)) || ' ' || count(*) FROM {table} t"
        ),
    )
}

/// The value of an added column is read in old rows as PostgreSQL reads it, whatever its type, also in a copy.
#[test]
fn added_columns_have_their_value_in_cold_rows() {
    let db = Db::new(server(), "ddl_added");
    db.metrics();
    db.run("CREATE TABLE twin AS SELECT * FROM m");
    db.tier("2025-03-01");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TYPE pair AS (a int, b text); CREATE TYPE mood AS ENUM ('low', 'high, \"x\"');
         CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    );
    let mut columns = vec![
        "a1 box DEFAULT '(3,4),(1,2)'",
        "a2 box[] DEFAULT ARRAY['(3,4),(1,2)'::box, '(1,1),(0,0)']",
        "a3 int[] DEFAULT '{1,NULL,3}'",
        "a4 text DEFAULT 'NULL'",
        "a5 text DEFAULT ''",
        "a6 text DEFAULT E'a\"b\\\\c{},; \\n'",
        "a7 text[] DEFAULT ARRAY['', 'NULL', NULL, 'a,b', '\"']",
        "a8 timestamptz DEFAULT '2025-05-05 05:05:05.5+03'",
        "a9 numeric DEFAULT 1.10",
        "a10 float8 DEFAULT 0.1::float8 + 0.2::float8",
        "a11 bytea DEFAULT '\\x0001ff'",
        "a12 jsonb DEFAULT '{\"a\": [1, 2, \"x\"]}'",
        "a13 int4range DEFAULT '[1,5)'",
        "a14 interval DEFAULT '1 day -2 hours'",
        "a15 char(5) DEFAULT 'ab'",
        "a16 date DEFAULT '0044-03-15 BC'",
        "a17 pair DEFAULT ROW(1, 'a,b')",
        "a18 pair[] DEFAULT ARRAY[ROW(1, 'a,\"b')::pair]",
        "a19 mood DEFAULT 'high, \"x\"'",
        "a20 point DEFAULT '(1,2)'",
        "a21 bool NOT NULL DEFAULT true",
        "a22 regclass DEFAULT 'pg_class'",
        "a23 text",
        "a24 polygon DEFAULT '((0,0),(1,1),(2,0))'",
        "a25 name DEFAULT 'n, m'",
    ];
    if has_xml(&mut session) {
        columns.push("a26 xml DEFAULT '<a b=\"c\"/>'");
    }
    for column in &columns {
        exec(
            &mut session,
            &format!("ALTER TABLE m ADD COLUMN {column}; ALTER TABLE twin ADD COLUMN {column}"),
        );
        let (cold, hot) = (whole(&mut session, "m"), whole(&mut session, "twin"));
        assert_eq!(cold, hot, "{column}");
    }
    exec(
        &mut session,
        "SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'; SET timezone = 'Asia/Tokyo'; SET bytea_output = 'escape'",
    );
    let (cold, hot) = (whole(&mut session, "m"), whole(&mut session, "twin"));
    assert_eq!(cold, hot);
    let hot = whole(&mut db.session(), "twin");
    db.cluster
        .dump_into("ddl_added", server(), "ddl_added_copy");
    let mut copy = server().client("ddl_added_copy");
    assert_eq!(whole(&mut copy, "m"), hot);
    assert_eq!(whole(&mut copy, "twin"), hot);
    drop(session);
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(whole(&mut db.session(), "m"), hot);
}

/// A type whose values are stored otherwise is refused when it is asked for, not when the table is read.
#[test]
fn types_change_without_a_rewrite_or_are_refused_at_once() {
    let db = Db::new(server(), "ddl_types");
    db.run(
        "CREATE TABLE m (id bigint, ts timestamptz NOT NULL, a varchar(10), b int, c timestamp, d cidr, e numeric(10,2),
             PRIMARY KEY (id, ts));
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', 'n' || g % 50, -g, '2025-01-01',
             '10.0.0.0/8', g / 4.0 FROM generate_series(0, 2159) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         CREATE TABLE twin AS SELECT * FROM m",
    );
    db.tier("2025-03-01");
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    for (column, to, done) in [
        ("a", "varchar(20)", true),
        ("a", "text", true),
        ("a", "text COLLATE \"C\"", true),
        ("a", "bpchar", false),
        ("b", "oid", false),
        ("c", "timestamptz", false),
        ("d", "inet", true),
        ("e", "numeric(12,2)", true),
        ("e", "numeric", true),
        ("b", "bigint", false),
        ("e", "float8", false),
    ] {
        let alter = |table: &str| format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {to}");
        if done {
            exec(&mut session, &alter("m"));
            exec(&mut session, &alter("twin"));
        } else {
            fails(&mut session, &alter("m"), "55000", &["m_h1_20250101"]);
        }
        for sql in [
            "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM % t",
            "SELECT count(*) || ' ' || min(a) || ' ' || max(a) || ' ' || sum(b) FROM % t WHERE a = 'n7' OR a > 'n45'",
            "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM % WHERE d = '10.0.0.0/8' ORDER BY a DESC, id LIMIT 5) t",
            "SELECT count(*) FROM % WHERE e BETWEEN 10 AND 20.5 AND b < 0 AND c = '2025-01-01'",
        ] {
            let (cold, hot) = (sql.replace(" %", " m"), sql.replace(" %", " twin"));
            assert_eq!(
                one(&mut session, &cold),
                one(&mut session, &hot),
                "{column} {to}: {sql}"
            );
        }
    }
}

/// A file's key says nothing of NULLs, nor of other bytes that a collation takes for equal.
#[test]
fn unique_indexes_by_other_rules_than_the_files_are_refused() {
    let db = Db::new(server(), "ddl_rules");
    let icu = has_icu(&mut db.session());
    let make = "CREATE TABLE T (id bigint, ts timestamptz NOT NULL, n int, a text, UNIQUE (n, ts), UNIQUE (a, ts));
         INSERT INTO T SELECT g, '2025-01-01 00:00+00'::timestamptz + g / 2 * interval '1 hour', NULL,
             CASE g % 2 WHEN 0 THEN 'x' ELSE 'X' END FROM generate_series(0, 2831) g;
         INSERT INTO T SELECT g, '2025-03-01 00:00+00'::timestamptz + g * interval '1 minute', g, g::text FROM generate_series(5000, 5100) g;
         SELECT FROM strata.create_hypertable('T', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)";
    db.run(&make.replace(" T ", " m ").replace("'T'", "'m'"));
    db.tier("2025-03-01");
    let mut session = db.session();
    for sql in [
        "CREATE UNIQUE INDEX ON m (n, ts) NULLS NOT DISTINCT",
        "ALTER TABLE m ADD UNIQUE NULLS NOT DISTINCT (n, ts)",
        "CREATE UNIQUE INDEX CONCURRENTLY other ON strata_chunks.m_h1_20250101 (n, ts) NULLS NOT DISTINCT",
    ] {
        fails(&mut session, sql, "55000", &["m_h1_20250101"]);
    }
    exec(
        &mut session,
        "DROP INDEX IF EXISTS strata_chunks.other; ALTER TABLE m ADD UNIQUE (ts, n)",
    );
    exec(&mut session, "REINDEX TABLE m");
    if icu {
        exec(
            &mut session,
            "CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        );
        for sql in [
            "ALTER TABLE m ALTER COLUMN a TYPE text COLLATE anycase",
            "CREATE UNIQUE INDEX ON m (a COLLATE anycase, ts)",
        ] {
            fails(&mut session, sql, "55000", &["m_h1_20250101"]);
        }
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "2933");
    // what the table had when the file was written comes back, in a dump too
    let collation = if icu { "COLLATE anycase" } else { "" };
    exec(
        &mut session,
        &format!(
            "CREATE TABLE k (id bigint, ts timestamptz NOT NULL, n int, a text {collation}, UNIQUE NULLS NOT DISTINCT (n, ts), UNIQUE (a, ts));
             INSERT INTO k SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', NULL, g % 9 FROM generate_series(0, 2159) g;
             SELECT FROM strata.create_hypertable('k', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)"
        ),
    );
    exec(
        &mut session,
        "CALL strata.tier_chunks('k', older_than => timestamptz '2025-03-01 00:00+00')",
    );
    exec(
        &mut session,
        "ALTER TABLE k DROP CONSTRAINT k_n_ts_key; ALTER TABLE k ADD UNIQUE NULLS NOT DISTINCT (n, ts)",
    );
    exec(&mut session, "REINDEX TABLE k");
    db.cluster
        .dump_into("ddl_rules", server(), "ddl_rules_copy");
    let mut copy = server().client("ddl_rules_copy");
    assert_eq!(one(&mut copy, "SELECT count(*) FROM k"), "2160");
    let valid = "SELECT count(*) FROM pg_index WHERE indisunique AND indisvalid AND indrelid IN (SELECT relid FROM pg_partition_tree('k'))";
    assert_eq!(one(&mut copy, valid), one(&mut session, valid));
}

/// What must not be dropped is kept by the library as well, where event triggers do not fire.
#[test]
fn a_superuser_without_event_triggers_loses_nothing_by_accident() {
    let db = cold("ddl_triggers");
    let hash = db.hash();
    db.run("ALTER EVENT TRIGGER strata_cold_guard DISABLE");
    let mut session = db.session();
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "2160");
    for sql in [
        "DROP EXTENSION pg_strata CASCADE",
        "DROP SCHEMA strata CASCADE",
        "DROP SERVER strata_local CASCADE",
    ] {
        fails(&mut session, sql, "55000", &["2 chunks are cold"]);
    }
    db.run("ALTER EVENT TRIGGER strata_cold_guard ENABLE ALWAYS; ALTER EXTENSION pg_strata DROP ACCESS METHOD strata_cold");
    fails(
        &mut session,
        "DROP ACCESS METHOD strata_cold CASCADE",
        "55000",
        &["2 chunks are cold"],
    );
    db.run("ALTER EXTENSION pg_strata ADD ACCESS METHOD strata_cold");
    // a replication role silences ordinary triggers, not ours
    for sql in [
        "DROP EXTENSION pg_strata CASCADE",
        "DROP SERVER strata_local CASCADE",
    ] {
        fails(
            &mut db.session(),
            &format!("SET session_replication_role = replica; {sql}"),
            "55000",
            &["2 chunks are cold"],
        );
    }
    assert_eq!(db.hash(), hash);
    db.run(&format!(
        "SET session_replication_role = replica; DROP TABLE {JANUARY}; TRUNCATE {FEBRUARY}"
    ));
    assert_eq!(
        rows(
            &mut session,
            "SELECT (SELECT count(*) FROM strata.cold_file), (SELECT count(*) FROM strata.cold_column), \
             (SELECT count(*) FROM strata.cold_delete_queue)"
        ),
        "0|0|2"
    );
}

/// A table can go along with what its partition key needs.
#[test]
fn tables_dropped_by_a_cascade_leave_the_manifest() {
    let db = Db::empty(server(), "ddl_cascade");
    db.run("CREATE EXTENSION pg_strata; CREATE DOMAIN stamp AS timestamptz");
    for (n, drop) in [
        "DROP DOMAIN stamp CASCADE",
        "DROP SCHEMA away CASCADE",
        "DROP OPERATOR CLASS away.mine USING btree CASCADE",
    ]
    .iter()
    .enumerate()
    {
        db.run("CREATE SCHEMA IF NOT EXISTS away");
        let (key, class) = match n {
            0 => ("stamp", ""),
            1 => ("timestamptz", ""),
            _ => ("timestamptz", "away.mine"),
        };
        db.run(&format!(
            "CREATE OPERATOR CLASS away.mine FOR TYPE timestamptz USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
                 OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 timestamptz_cmp(timestamptz, timestamptz);
             CREATE TABLE away.m (ts {key} NOT NULL, v int) PARTITION BY RANGE (ts {class});
             CREATE TABLE away.m_1 PARTITION OF away.m FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00');
             INSERT INTO away.m SELECT '2025-01-05 00:00+00', g FROM generate_series(1, 100) g"
        ));
        let made = db.cluster.try_psql(
            db.name,
            "SELECT FROM strata.create_hypertable('away.m', strata.by_range('ts', INTERVAL '1 month'))",
        );
        if made.is_err() {
            // a key of that kind makes no hypertable: nothing to lose
            db.run("DROP SCHEMA away CASCADE");
            continue;
        }
        db.run(
            "CALL strata.tier_chunks('away.m', older_than => timestamptz '2025-03-01 00:00+00')",
        );
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_file"),
            "1",
            "{drop}"
        );
        db.run(&format!("SET client_min_messages = error; {drop}"));
        if db.one("SELECT to_regclass('away.m') IS NULL") == "t" {
            assert_eq!(
                db.one("SELECT count(*) FROM strata.cold_file"),
                "0",
                "{drop}"
            );
            assert_ne!(
                db.one("SELECT count(*) FROM strata.cold_delete_queue"),
                "0",
                "{drop}"
            );
        }
        db.run("DROP SCHEMA IF EXISTS away CASCADE; DELETE FROM strata.cold_delete_queue");
    }
}

/// The credentials of a detached chunk are its own owner's once the table is gone.
#[test]
fn a_detached_chunk_outlives_its_table() {
    let db = Db::new(server(), "ddl_orphan");
    db.metrics();
    db.archive(&s3().endpoint(), "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    db.run(&format!(
        "ALTER TABLE m DETACH PARTITION {JANUARY}; DROP TABLE m"
    ));
    let count = format!("SELECT count(*) || ' ' || sum(id) FROM {JANUARY}");
    assert_eq!(db.one(&count), "744 276396");
    assert_eq!(
        db.one("SELECT string_agg(status, ' ') FROM strata.cold_check()"),
        "ok"
    );
    let key = db.keys().remove(0);
    assert!(
        s3().object_file(BUCKET, &format!("ddl_orphan/{key}"))
            .exists(),
        "{key}"
    );
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    assert_eq!(db.one(&count), "744 276396");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_file"), "0");
}

/// Constraints are checked against the rows of files too, whatever the session reads otherwise.
#[test]
fn checks_of_all_rows_see_those_in_files() {
    let db = cold("ddl_checks");
    let hash = db.hash();
    db.run("INSERT INTO m VALUES (9000, '2025-01-10 00:30+00', 1)");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE DOMAIN small AS int; ALTER TABLE m ADD COLUMN extra int DEFAULT 7",
    );
    exec(
        &mut session,
        "ALTER TABLE m ADD COLUMN part small DEFAULT 3",
    );
    for reads in ["on", "off"] {
        exec(&mut session, &format!("SET strata.cold_reads = {reads}"));
        for (sql, code) in [
            // violated by a row of the file, by the late row, by none
            ("ALTER TABLE m ADD CONSTRAINT c CHECK (id <> 5)", "23514"),
            ("ALTER TABLE m ADD CONSTRAINT c CHECK (id <> 9000)", "23514"),
            ("ALTER TABLE m ADD CONSTRAINT c CHECK (extra < 7)", "23514"),
            ("ALTER TABLE m ALTER COLUMN note SET NOT NULL", "23502"),
            ("ALTER TABLE m ALTER COLUMN val SET NOT NULL", "23502"),
            (
                "ALTER DOMAIN small ADD CONSTRAINT c CHECK (VALUE > 3)",
                "23514",
            ),
            (
                "ALTER TABLE m ADD COLUMN q int DEFAULT 7 CHECK (q < 5)",
                "23514",
            ),
        ] {
            fails(&mut session, sql, code, &[]);
        }
        exec(
            &mut session,
            "ALTER TABLE m ADD CONSTRAINT c CHECK (dev BETWEEN 0 AND 6 AND extra = 7) NOT VALID; ALTER TABLE m VALIDATE CONSTRAINT c;
             ALTER TABLE m DROP CONSTRAINT c; ALTER TABLE m ALTER COLUMN extra SET NOT NULL; ALTER TABLE m ALTER COLUMN extra DROP NOT NULL;
             ALTER DOMAIN small ADD CONSTRAINT c CHECK (VALUE > 2); ALTER DOMAIN small DROP CONSTRAINT c",
        );
    }
    exec(&mut session, "RESET strata.cold_reads");
    // tables with partitions have no identity columns before 17: then that is what the server says
    let sql = "ALTER TABLE m ADD COLUMN i int GENERATED ALWAYS AS IDENTITY";
    let code = try_one(&mut session, sql)
        .expect_err(sql)
        .code()
        .map(|c| c.code().to_owned());
    let is_old = one(
        &mut session,
        "SELECT current_setting('server_version_num')::int < 170000",
    ) == "t";
    assert_eq!(
        code.as_deref(),
        Some(if is_old { "42P16" } else { "55000" })
    );
    // a rewrite would leave the rows beside the file
    for sql in [
        "ALTER TABLE m ALTER COLUMN dev TYPE bigint",
        "ALTER TABLE m ADD COLUMN r float8 DEFAULT random()",
        "ALTER TABLE m ADD COLUMN s bigserial",
        "ALTER TABLE m ADD COLUMN g int GENERATED ALWAYS AS (dev + 1) STORED",
        "ALTER TABLE strata_chunks.m_h1_20250101 SET ACCESS METHOD heap",
        "ALTER TABLE strata_chunks.m_h1_20250101 SET UNLOGGED",
    ] {
        fails(
            &mut session,
            sql,
            "55000",
            &["cannot rewrite cold chunk \"m_h1_20250101\""],
        );
    }
    exec(
        &mut session,
        "DELETE FROM m WHERE id = 9000; ALTER TABLE m DROP COLUMN extra, DROP COLUMN part",
    );
    assert_eq!(db.hash(), hash);
}

/// COPY of a chunk gives its rows as it does for a hot one.
#[test]
fn copy_of_a_chunk_is_complete() {
    let db = cold("ddl_copy");
    db.run("INSERT INTO m VALUES (9000, '2025-01-10 00:30+00', 1); ALTER TABLE m ADD COLUMN x int DEFAULT 7; ALTER TABLE m DROP COLUMN val");
    let lines = |sql: &str| {
        let output = db.run(sql);
        let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let whole = lines(&format!("COPY (SELECT * FROM {JANUARY}) TO STDOUT"));
    assert_eq!(whole.len(), 745);
    assert_eq!(lines(&format!("COPY {JANUARY} TO STDOUT")), whole);
    let some = lines(&format!(
        "COPY (SELECT x, id FROM {JANUARY}) TO STDOUT (FORMAT csv)"
    ));
    assert_eq!(
        lines(&format!("COPY {JANUARY} (x, id) TO STDOUT (FORMAT csv)")),
        some
    );
    assert_eq!(
        lines(&format!(
            "SET strata.cold_reads = off; COPY {JANUARY} TO STDOUT"
        ))
        .len(),
        1
    );
    let error = db.cluster.try_psql(
        db.name,
        &format!("SET strata.cold_reads = error; COPY {JANUARY} TO STDOUT"),
    );
    assert!(error.expect_err("a file is read").contains("m_h1_20250101"));
    let twice = lines(&format!(
        "BEGIN; COPY {JANUARY} TO STDOUT; COPY {JANUARY} TO STDOUT; COMMIT"
    ));
    assert_eq!(twice.len(), 1490);
    assert_eq!(db.one("SELECT count(*) FROM m"), "2161");
}

/// Maintenance of a whole database does not stop at cold chunks, and changes no answer.
#[test]
fn vacuum_full_and_cluster_compact_late_rows_and_change_no_answer() {
    let db = cold("ddl_vacuum");
    db.run(
        "ALTER TABLE m ADD COLUMN extra int DEFAULT 7;
         INSERT INTO m (id, ts, dev) SELECT 9000 + g, '2025-01-10 00:30+00', 1 FROM generate_series(1, 500) g;
         DELETE FROM m WHERE id BETWEEN 9100 AND 9600",
    );
    let hash = db.hash();
    let size = || {
        db.one(&format!("SELECT pg_relation_size('{JANUARY}')"))
            .parse::<i64>()
            .expect("bytes")
    };
    let before = size();
    let mut reader = db.session();
    exec(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let seen = one(&mut reader, crate::support::HASH);
    assert_eq!(seen, hash);
    exec(&mut reader, "COMMIT");
    for sql in [
        "VACUUM FULL strata_chunks.m_h1_20250101",
        "VACUUM FULL m",
        "CLUSTER m USING m_dev",
        "CLUSTER strata_chunks.m_h1_20250101 USING m_h1_20250101_pkey",
        "CLUSTER",
        "VACUUM FULL",
        "VACUUM (FREEZE, ANALYZE) m",
    ] {
        exec(&mut db.session(), sql);
        assert_eq!(db.hash(), hash, "{sql}");
    }
    assert!(size() < before, "{} of {before} bytes", size());
    let duplicate = "INSERT INTO m (id, ts, dev) VALUES (5, '2025-01-01 05:00+00', 1)";
    fails(&mut db.session(), duplicate, "23505", &[]);
    db.cluster
        .dump_into("ddl_vacuum", server(), "ddl_vacuum_copy");
    assert_eq!(
        one(
            &mut server().client("ddl_vacuum_copy"),
            crate::support::HASH
        ),
        hash
    );
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(db.hash(), hash);
}
