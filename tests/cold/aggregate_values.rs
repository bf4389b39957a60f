//! Aggregates inside cold files over values, plans and sessions of every kind: the answers of a hot twin.

use crate::support::{
    ColdDb, Db, JANUARY, exec, fails, force_parallel, has_icu, one, rows, server, try_one,
};
use postgres::Client;

/// A column of each kind that may be a key or be compared, with NULLs and edge values, in two cold chunks
/// and a hot one; `twin` holds the same rows.
fn cold(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    let mut session = db.session();
    let blind = if has_icu(&mut session) {
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    } else {
        "CREATE DOMAIN blind AS text"
    };
    exec(&mut session, blind);
    let blind = if has_icu(&mut session) {
        "text COLLATE blind"
    } else {
        "text"
    };
    db.run(&format!(
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
         CREATE DOMAIN small AS int CHECK (VALUE < 100);
         CREATE TABLE m (id bigint, ts timestamptz NOT NULL, i2 int2, i4 int, dom small, b bool, d date, u uuid, y bytea, t text,
             tc text COLLATE \"C\", v varchar(20), blind {blind}, f4 float4, f8 float8, p float8, n numeric, mo mood,
             s timestamp, ti time, o oid, iv interval, PRIMARY KEY (id, ts));
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour',
             CASE WHEN g % 5 > 0 THEN (g % 7 - 3) * 10922 END, CASE WHEN g % 6 > 0 THEN (g % 3 - 1) * 2147483647 END, g % 4,
             CASE g % 3 WHEN 0 THEN true WHEN 1 THEN false END, CASE WHEN g % 11 > 0 THEN date '1999-12-28' + g % 9 END,
             CASE WHEN g % 4 > 0 THEN md5((g % 4)::text)::uuid END, CASE WHEN g % 5 > 0 THEN decode(repeat('00', g % 3), 'hex') END,
             CASE WHEN g % 8 > 0 THEN (ARRAY['a', 'A', 'ä', 'b ', 'b', ''])[1 + g % 6] END, (ARRAY['a', 'B', 'ß', NULL])[1 + g % 4],
             (ARRAY['x', 'X', NULL])[1 + g % 3], (ARRAY['r', 'R', 'q', NULL])[1 + g % 4],
             (ARRAY['NaN', '0', '-0', 'Infinity', '-Infinity', '1.5', NULL])[1 + g % 7]::float4,
             (ARRAY['NaN', '0', '-0', 'Infinity', '-Infinity', '1e300', NULL])[1 + g % 7]::float8,
             (ARRAY['NaN', '0.5', 'Infinity', '1e300', NULL])[1 + g % 5]::float8,
             (ARRAY['NaN', '1.0', '1.00', '2', NULL])[1 + g % 5]::numeric, (ARRAY['sad', 'ok', 'happy', NULL])[1 + g % 4]::mood,
             timestamp '1969-12-30' + g % 50 * interval '90 minutes', time '23:00' + g % 3 * interval '30 minutes', g % 3,
             (ARRAY['1 day', '24:00', NULL])[1 + g % 3]::interval
           FROM generate_series(0, 2159) g;
         CREATE TABLE twin (LIKE m INCLUDING ALL); INSERT INTO twin SELECT * FROM m;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)"
    ));
    db.tier("2025-03-01");
    db.run("ANALYZE m; ANALYZE twin");
    db
}

/// Asks the table, the table without pushdown, and the twin; true when files aggregated.
#[track_caller]
fn same(session: &mut Client, sql: &str) -> bool {
    let ask = |table: &str| {
        format!(
            "SELECT string_agg(x::text, E'\\n' ORDER BY x::text COLLATE \"C\") FROM ({}) x",
            sql.replace("{m}", table)
        )
    };
    let hot = one(session, &ask("twin"));
    assert_eq!(one(session, &ask("m")), hot, "{sql}");
    exec(session, "SET strata.cold_pushdown = off");
    assert_eq!(one(session, &ask("m")), hot, "fetched: {sql}");
    exec(session, "RESET strata.cold_pushdown");
    rows(session, &format!("EXPLAIN {}", ask("m"))).contains("(ColdAgg)")
}

#[test]
fn keys_and_extremes_of_every_type() {
    let db = cold("agg_values");
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    let icu = has_icu(&mut session);
    // what is told by the file, and what is not: zeros have a sign, equal numerics print differently
    for (key, pushed) in [
        ("i2", true),
        ("i4", true),
        ("dom", true),
        ("b", true),
        ("d", true),
        ("u", true),
        ("y", true),
        ("t", true),
        ("tc", true),
        ("v", true),
        ("blind", !icu),
        ("f4", false),
        ("f8", false),
        ("p", true),
        ("n", false),
        ("mo", false),
        ("s", true),
        ("ti", true),
        ("o", true),
        ("iv", false),
        ("strata.time_bucket(INTERVAL '7 hours', s)", true),
        (
            "strata.time_bucket(INTERVAL '1 week', s, timestamp '1970-01-02')",
            true,
        ),
        ("strata.time_bucket(INTERVAL '1 month', s)", false),
        (
            "strata.time_bucket(INTERVAL '1 day', ts, 'Europe/Berlin')",
            false,
        ),
        ("b, o", true),
        ("i4, tc, b", true),
    ] {
        // the representative of equal keys is any of them
        let shown = match key {
            "blind" => "lower(blind)",
            "f4" | "f8" => "",
            "n" => "n + 0.000",
            "iv" => "justify_hours(iv)",
            _ => key,
        };
        let list = if shown.is_empty() {
            "count(*)".to_owned()
        } else {
            format!("{shown}, count(*)")
        };
        let sql = format!("SELECT {list}, count(t), sum(i2), avg(i4) FROM {{m}} GROUP BY {key}");
        assert_eq!(same(&mut session, &sql), pushed, "{sql}");
    }
    let collation =
        "SELECT datcollate IN ('C', 'POSIX') FROM pg_database WHERE datname = current_database()";
    let bytewise = one(&mut session, collation) == "t";
    for (state, pushed) in [
        (
            "min(i2), max(i2), min(i4), max(i4), sum(i2), sum(i4), avg(i2), avg(i4)",
            true,
        ),
        ("min(dom), max(dom), sum(dom), avg(dom)", true),
        (
            "min(d), max(d), min(s), max(s), min(ti), max(ti), min(o), max(o)",
            true,
        ),
        (
            "min(tc), max(tc), max(t COLLATE \"C\"), min(p), max(p)",
            true,
        ),
        (
            "count(b), count(y), count(n), count(mo), count(iv), count(blind), count(f8)",
            true,
        ),
        ("min(t), max(t)", bytewise),
        ("min(f8) + 0, max(f8) + 0", false),
        ("min(f4) + 0, max(f4) + 0", false),
        ("min(n) + 0.000, max(n)", false),
        ("min(mo), max(mo)", false),
        ("sum(id), avg(id)", false),
        ("sum(f8), avg(p)", false),
        ("sum(n)", false),
        ("bool_and(b), bool_or(b)", false),
        ("count(DISTINCT b)", false),
        ("count(*) FILTER (WHERE b)", false),
        ("string_agg(v, ',' ORDER BY id)", false),
        ("count((i2, i4))", false),
    ] {
        for sql in [
            format!("SELECT {state} FROM {{m}} WHERE o <> 7"),
            format!("SELECT b, {state} FROM {{m}} GROUP BY b"),
        ] {
            assert_eq!(same(&mut session, &sql), pushed, "{sql}");
        }
    }
}

#[test]
fn queries_and_plans_of_every_shape() {
    let db = cold("agg_shapes");
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    let shapes = [
        "SELECT b, count(*) FROM {m} GROUP BY b HAVING sum(i2) > 0 AND min(id) < 700",
        "SELECT count(*) FROM {m} HAVING count(*) > 10000",
        "SELECT 1 FROM {m} GROUP BY b",
        "SELECT count(*) + 1, -max(i4), 'x' FROM {m}",
        "SELECT b, count(*) AS n FROM {m} GROUP BY b ORDER BY n DESC, b LIMIT 2",
        "SELECT DISTINCT count(*) FROM {m} GROUP BY o",
        "SELECT b, o, sum(count(*)) OVER (PARTITION BY b) FROM {m} GROUP BY b, o",
        "WITH c AS (SELECT o, count(*) AS n FROM {m} GROUP BY o) SELECT a.o, b.n FROM c a JOIN c b USING (o)",
        "WITH c AS MATERIALIZED (SELECT b, max(ts) FROM {m} GROUP BY b) SELECT * FROM c",
        "SELECT * FROM (SELECT o, min(i4) AS low FROM {m} GROUP BY o) x WHERE low IS NOT NULL AND o > 0",
        "SELECT count(*) FROM {m} UNION ALL SELECT sum(i2) FROM {m} WHERE b",
        "SELECT x.o, (SELECT count(*) FROM {m} y WHERE y.o = x.o AND y.ts < '2025-02-10 00:00+00') FROM {m} x WHERE x.id % 500 = 0",
        "SELECT g, n FROM generate_series(-1, 3) g, LATERAL (SELECT count(*) AS n FROM {m} WHERE o = g::oid) c",
        "SELECT g, b, n FROM generate_series(0, 2) g, LATERAL (SELECT b, count(*) AS n FROM {m} WHERE o = g::oid GROUP BY b) c",
        "SELECT g, n FROM generate_series(1, 3) g, LATERAL (SELECT count(*) AS n FROM {m} WHERE ts < timestamptz '2025-01-01 00:00+00' + g * interval '20 days') c",
        "SELECT b, count(*) FROM {m} WHERE ts >= '2025-01-20 00:00+00' AND ts < '2025-03-05 00:00+00' AND (i2 > 0 OR i2 IS NULL) GROUP BY b",
        "SELECT count(*), sum(i4) FROM {m} WHERE NULL::bool",
        "SELECT b, count(*) FROM {m} WHERE i4 = NULL::int GROUP BY b",
        "SELECT count(*) FROM {m} WHERE current_user = 'nobody'",
        "SELECT b, count(*) FROM {m} WHERE current_user <> 'nobody' GROUP BY b",
        "SELECT b, count(*) FROM {m} WHERE random() >= 0 GROUP BY b",
        "SELECT b, o, count(*) FROM {m} GROUP BY GROUPING SETS ((b), (o), ())",
        "SELECT b, o, count(*) FROM {m} GROUP BY ROLLUP (b, o)",
        "SELECT b, generate_series(1, 2), count(*) FROM {m} GROUP BY b",
        "SELECT strata.time_bucket(INTERVAL '1 day', ts) + interval '1 hour', count(*) FROM {m} GROUP BY strata.time_bucket(INTERVAL '1 day', ts)",
        "SELECT b, ts::date, count(*) FROM {m} GROUP BY 1, 2",
        "SELECT count(*), min(x.ts) FROM {m} x JOIN {m} y USING (id, ts) WHERE x.b",
    ];
    let settings = [
        "SET enable_partitionwise_aggregate = on",
        "RESET enable_partitionwise_aggregate; SET enable_hashagg = off",
        "RESET enable_hashagg; SET enable_sort = off",
        "RESET enable_sort; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0",
        force_parallel(),
        "RESET ALL; SET timezone = 'UTC'; SET jit = on; SET jit_above_cost = 0; SET work_mem = '64kB'",
    ];
    for sql in shapes {
        same(&mut session, sql);
    }
    for setting in settings {
        exec(&mut session, setting);
        for sql in shapes.iter().filter(|sql| !sql.contains("random")) {
            same(&mut session, sql);
        }
    }
}

#[test]
fn more_groups_than_memory_come_in_parts() {
    let db = Db::new(server(), "agg_memory");
    db.run(
        "CREATE TABLE m (id bigint, ts timestamptz NOT NULL, a int2, t text);
         INSERT INTO m SELECT g % 3000, '2025-01-01 00:00+00'::timestamptz + g * interval '5 minutes', g % 10, repeat('t', 100) || g % 3000
           FROM generate_series(0, 8000) g;
         CREATE TABLE twin AS SELECT * FROM m;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         ALTER TABLE m ALTER id SET (n_distinct = 10), ALTER t SET (n_distinct = 10)",
    );
    db.tier("2025-02-01");
    db.run("ANALYZE m; ANALYZE twin");
    let mut session = db.session();
    exec(&mut session, "SET work_mem = '64kB'");
    for sql in [
        "SELECT id, count(*), sum(a), min(ts) FROM {m} GROUP BY id",
        "SELECT t, count(*), avg(a) FROM {m} GROUP BY t",
    ] {
        assert!(same(&mut session, sql), "{sql}");
        let plan = rows(
            &mut session,
            &format!(
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {}",
                sql.replace("{m}", "m")
            ),
        );
        let states = plan.split("States of File: ").nth(1).expect("states");
        let states: i64 = states.lines().next().unwrap().trim().parse().unwrap();
        assert!(states > 3000, "{plan}");
    }
}

#[test]
fn cursors_snapshots_and_merges() {
    let db = cold("agg_cursors");
    let mut session = db.session();
    let ask = "SELECT b, count(*), sum(i2) FROM {m} GROUP BY b ORDER BY b";
    let cold = ask.replace("{m}", "m");
    exec(
        &mut session,
        &format!(
            "SET timezone = 'UTC'; SET plan_cache_mode = force_generic_plan; PREPARE p AS {cold}"
        ),
    );
    exec(&mut session, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    exec(&mut session, &format!("DECLARE c SCROLL CURSOR FOR {cold}"));
    let before = rows(&mut session, "EXECUTE p");
    let late = "INSERT INTO {m} (id, ts, b, i2) SELECT 9000 + g, '2025-01-03 00:30+00'::timestamptz + g * interval '1 hour', true, 7 FROM generate_series(1, 30) g";
    db.run(&late.replace("{m}", "m"));
    assert_eq!(rows(&mut session, "EXECUTE p"), before, "an old snapshot");
    let third = one(&mut session, "FETCH ABSOLUTE 2 FROM c");
    one(&mut session, "FETCH LAST FROM c");
    assert_eq!(
        one(&mut session, "FETCH BACKWARD FROM c"),
        third,
        "backward"
    );
    exec(&mut session, "COMMIT");
    db.run(&late.replace("{m}", "twin"));
    let expected = rows(&mut session, &ask.replace("{m}", "twin"));
    assert_eq!(rows(&mut session, "EXECUTE p"), expected);
    // taken back and changed ones
    db.run("DELETE FROM m WHERE id = 9001; UPDATE m SET i2 = 8 WHERE id = 9002 AND ts = '2025-01-03 02:30+00'");
    db.run("DELETE FROM twin WHERE id = 9001; UPDATE twin SET i2 = 8 WHERE id = 9002");
    let expected = rows(&mut session, &ask.replace("{m}", "twin"));
    assert_eq!(rows(&mut session, "EXECUTE p"), expected);
    assert!(same(&mut session, &ask.replace(" ORDER BY b", "")));
    // the chunk comes back: plans made before must follow
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    assert_eq!(rows(&mut session, "EXECUTE p"), expected, "untiered");
}

#[test]
fn a_lost_file_is_an_error_where_it_is_needed() {
    let db = cold("agg_lost");
    for file in db.local_files() {
        std::fs::write(&file, b"no SQLite file").expect("a file to spoil");
    }
    let mut session = db.session();
    for sql in [
        "SELECT b, count(*) FROM m GROUP BY b",
        "SELECT count(*) FROM m WHERE b",
        "SELECT sum(i4) FROM m",
    ] {
        let error = try_one(&mut session, sql).expect_err("an answer without files");
        let message = format!("{error:?}");
        assert!(message.contains("m_h1_2025"), "{message}");
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "2160");
    exec(&mut session, "SET strata.cold_reads = error");
    fails(
        &mut session,
        "SELECT b, count(*) FROM m GROUP BY b",
        "55000",
        &["cold_reads"],
    );
}

#[test]
fn a_file_with_other_rows_than_were_written_is_an_error() {
    let db = cold("agg_rows");
    let key = db.keys().remove(0);
    for change in ["rows + 1", "rows - 2"] {
        db.run(&format!(
            "UPDATE strata.cold_file SET rows = {change} WHERE key = '{key}'"
        ));
        let mut session = db.session();
        for sql in [
            "SELECT sum(i4), min(i2) FROM m",
            "SELECT b, count(*) FROM m GROUP BY b",
        ] {
            fails(&mut session, sql, "XX001", &["m_h1_2025", &key, " rows"]);
        }
    }
}

#[test]
fn values_behind_long_texts_are_found() {
    let db = Db::new(server(), "agg_long");
    // texts that go on in further pages of the file, before, between and behind the values
    db.run(
        "CREATE TABLE m (a int4, note text, ts timestamptz NOT NULL, more text, n int4) PARTITION BY RANGE (ts);
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 month'));
         SELECT strata.premake_chunks('m', timestamptz '2025-01-01 00:00+00', timestamptz '2025-02-20 00:00+00');
         INSERT INTO m SELECT g, repeat('ä' || g, CASE WHEN g % 3 = 0 THEN 30000 ELSE 1 END),
             timestamptz '2025-01-01 00:00+00' + g * interval '3 hours',
             repeat('x', CASE WHEN g % 4 = 0 THEN 200000 WHEN g % 5 = 0 THEN 32700 + g END), g * 7 FROM generate_series(1, 200) g;
         CREATE TABLE twin AS SELECT * FROM m",
    );
    db.tier("2025-03-01");
    let mut session = db.session();
    exec(&mut session, "ANALYZE m");
    let sums = "SELECT sum(a), sum(n), avg(n), count(more), count(note) FROM {m}";
    assert!(same(&mut session, sums));
    // with so few rows the planner may leave groups to PostgreSQL
    for sql in [
        "SELECT strata.time_bucket(INTERVAL '1 day', ts) b, sum(n), count(more), max(a) FROM {m} GROUP BY b",
        "SELECT n, count(*), count(note) FROM {m} GROUP BY n",
    ] {
        same(&mut session, sql);
    }
}
