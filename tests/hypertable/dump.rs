//! `pg_dump | psql` of hypertables in all forms: with the extension in the target, and without.

use crate::common::{Cluster, Db, exec, one, rows};

pub const MAKE: &str = "
    CREATE FUNCTION now_b() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 100::bigint';
    CREATE TABLE t (s timestamptz NOT NULL, e timestamptz, id int, dev int, note text);
    INSERT INTO t SELECT '2024-01-01 00:00+00'::timestamptz + g * INTERVAL '1 day', NULL, g, g % 3, g FROM generate_series(1, 30) g;
    SELECT FROM strata.create_hypertable('t', strata.by_range('s', INTERVAL '1 month'), end_column => 'e', logical_key => 'id', migrate_data => true);
    SELECT FROM strata.add_dimension('t', strata.by_hash('dev', 2));
    SELECT FROM strata.enable_chunk_skipping('t', 'id');
    SELECT FROM strata.premake_chunks('t', '2024-03-01 00:00+00', '2024-04-01 00:00+00');
    INSERT INTO t SELECT '2024-03-05 00:00+00', NULL, g, g, g FROM generate_series(1, 10) g;
    SELECT FROM strata.alter_hypertable('t', premake => 4, horizon_past => '10 years', chunk_origin => '2000-02-01 00:00+00', on_missing_chunk => 'error');
    CREATE TABLE b (id bigint PRIMARY KEY, at timestamptz);
    SELECT FROM strata.create_hypertable('b', strata.by_id('id', 'at'));
    SELECT strata.set_integer_now_func('b', 'now_b');
    INSERT INTO b VALUES (1, '2024-01-01');
    CREATE TABLE u (id uuid PRIMARY KEY);
    SELECT FROM strata.create_hypertable('u', strata.by_id('id', NULL, INTERVAL '1 day'));
    INSERT INTO u SELECT id FROM (SELECT strata.generate_uuidv7() AS id) x;
    CREATE TABLE \"K\" (ts date NOT NULL, id int PRIMARY KEY);
    SELECT FROM strata.create_hypertable('\"K\"', strata.by_range('ts'), on_conflicting_unique => 'leaf')";

/// Rows and bounds, as any server shows them.
pub const PLAIN: &str = "
    SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (
      SELECT t::text AS x FROM t UNION ALL SELECT b::text FROM b UNION ALL SELECT u::text FROM u
      UNION ALL SELECT relname::text || relkind::text || pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')
      UNION ALL SELECT conname::text || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('c', 'p') AND conrelid >= 16384 AND conrelid::regclass::text !~ 'strata\\.'
      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'strata_chunks')) y";

/// What the extension knows.
pub const KNOWN: &str = "
    SELECT h.relation::text, strata.alter_hypertable(h.relation) FROM strata.hypertables h ORDER BY 1";
pub const ALSO_KNOWN: &str = "
    SELECT * FROM (SELECT hypertable_name, chunk_name, range_start, range_end, range_start_integer, range_end_integer, origin FROM strata.chunks) c
    ORDER BY 1, 2";

#[test]
fn a_dump_brings_back_hypertables_in_all_forms() {
    let cluster = Cluster::builder().preload(false).start();
    let db = Db::new(&cluster, "source");
    db.run(MAKE);
    // what the worker of the copy would make ahead is there
    db.run("CALL strata.run_maintenance()");
    let other = Cluster::builder().preload(true).start();
    cluster.dump_into("source", &other, "copy");
    let copy = Db {
        cluster: &other,
        name: "copy",
    };
    for question in [PLAIN, KNOWN, ALSO_KNOWN] {
        assert_eq!(
            rows(&mut db.session(), question),
            rows(&mut copy.session(), question)
        );
    }
    // it goes on growing: the sequences are right, and new chunks come
    let mut session = copy.session();
    exec(
        &mut session,
        "SELECT strata.alter_hypertable('t', on_missing_chunk => 'create');
         INSERT INTO t VALUES ('2025-06-05 00:00+00', NULL, 1, 1, 'new');
         CREATE TABLE fresh (ts date NOT NULL);
         SELECT FROM strata.create_hypertable('fresh', strata.by_range('ts'));
         SELECT FROM strata.add_dimension('b', strata.by_hash('id', 2), if_not_exists => true);
         SELECT FROM strata.enable_chunk_skipping('b', 'id') WHERE false",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT tableoid::regclass FROM t WHERE note = 'new'"
        ),
        "strata_chunks.t_h1_20250601_p1"
    );
}

#[test]
fn a_dump_of_tables_needs_no_extension() {
    let cluster = Cluster::builder().preload(false).start();
    let db = Db::new(&cluster, "source");
    db.run(MAKE);
    let plain = rows(&mut db.session(), PLAIN);
    // only what users made: the tables, their chunks, their functions
    let output = cluster
        .tool("pg_dump")
        .args(["-n", "public", "-n", "strata_chunks", "source"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains("strata.") || !text.contains("CREATE EXTENSION"),
        "{text}"
    );
    cluster.create_database("bare");
    cluster.psql("bare", &text.replace("CREATE SCHEMA public;", ""));
    let bare = Db {
        cluster: &cluster,
        name: "bare",
    };
    assert_eq!(rows(&mut bare.session(), PLAIN), plain);
    bare.run("INSERT INTO t VALUES ('2024-03-06 00:00+00', NULL, 1, 1, 'new')");
    // and an extension that comes later takes them up
    bare.run("CREATE EXTENSION pg_strata");
    assert_eq!(
        bare.one("SELECT created FROM strata.create_hypertable('t', strata.by_range('s', INTERVAL '1 month'), if_not_exists => true)"),
        "t"
    );
}
