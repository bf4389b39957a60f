//! Chunks on demand, one session at a time: every form of INSERT, UPDATE and MERGE.

use crate::common::{Cluster, Db, exec, fails, one, rows};
use postgres::Client;

pub fn cluster() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "24")
        .start()
}

/// A table of 1-day chunks with a unique (ts, dev), registered; nothing premade but around today.
pub const TABLE: &str = "
    CREATE TABLE m (ts timestamptz NOT NULL, dev int, v float8, UNIQUE (ts, dev));
    SELECT FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 day'), create_default_indexes => false)";

pub const MADE: &str = "SELECT count(*) FROM strata.chunks WHERE origin = 'on_demand'";

/// Nothing that the server complains about when references are lost.
#[track_caller]
pub fn no_leaks(cluster: &Cluster) {
    let log = cluster.log();
    let found: Vec<&str> = log
        .lines()
        .filter(|l| l.contains("leak") || l.contains("PANIC") || l.contains("TRAP"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Name of the chunk of the only row that a query returns with its tableoid.
fn plan(session: &mut Client, statement: &str) -> String {
    rows(
        session,
        &format!("EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) {statement}"),
    )
}

#[test]
fn a_missing_range_gets_one_chunk_whatever_the_order() {
    let cluster = cluster();
    let db = Db::new(&cluster, "order");
    let mut s = db.session();
    exec(&mut s, TABLE);
    exec(
        &mut s,
        "INSERT INTO m SELECT '2021-01-01'::timestamptz + (i * 7919 % 120) * interval '1 day' + i * interval '1 second', i, i
         FROM generate_series(1, 12000) i",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM m"
        ),
        "12000 120"
    );
    assert_eq!(one(&mut s, MADE), "120");
    let odd = "SELECT count(*) FROM strata.chunks WHERE origin = 'on_demand'
               AND (range_end - range_start <> '1 day' OR range_start::time <> '00:00')";
    assert_eq!(one(&mut s, odd), "0");
    // backwards, far apart, one by one
    for day in ["1999-12-31", "1970-01-01", "0001-01-01", "4000-02-29"] {
        exec(
            &mut s,
            &format!("INSERT INTO m VALUES ('{day} 23:59:59.999999+00', 1, 1)"),
        );
    }
    assert_eq!(one(&mut s, MADE), "124");
    // other sessions, among them older ones, write into them
    let mut other = db.session();
    exec(
        &mut other,
        "INSERT INTO m VALUES ('1999-12-31 01:00', 1, 1), ('2021-02-02 00:00', 1, 1)",
    );
    assert_eq!(one(&mut s, MADE), "124");
    no_leaks(&cluster);
}

#[test]
fn every_type_of_key() {
    let cluster = cluster();
    let db = Db::new(&cluster, "types");
    let mut s = db.session();
    for (key, width, values) in [
        ("int2", "100", ["-32768", "-1", "32767"]),
        ("int4", "100", ["-2147483648", "-1", "2147483647"]),
        (
            "int8",
            "100",
            ["-9223372036854775808", "-1", "9223372036854775807"],
        ),
        (
            "date",
            "interval '1 month'",
            ["'0001-01-01 BC'", "'2020-02-29'", "'5000-01-01'"],
        ),
        (
            "timestamp",
            "interval '1 week'",
            ["'0001-01-01'", "'2020-02-29'", "'5000-01-01'"],
        ),
        (
            "timestamptz",
            "interval '1 hour'",
            ["'0001-01-01'", "'2020-02-29 03:30+02'", "'5000-01-01'"],
        ),
    ] {
        let table = format!("k_{key}");
        exec(
            &mut s,
            &format!(
                "CREATE TABLE {table} (k {key} NOT NULL); SELECT FROM strata.create_hypertable('{table}', strata.by_range('k', {width}))"
            ),
        );
        for value in values {
            exec(
                &mut s,
                &format!("INSERT INTO {table} VALUES ({value}), ({value})"),
            );
        }
        assert_eq!(
            one(
                &mut s,
                &format!("SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM {table}")
            ),
            "6 3",
            "{key}"
        );
        let update = format!(
            "UPDATE {table} SET k = {} WHERE k = {}",
            values[1], values[0]
        );
        exec(&mut s, &update);
        assert_eq!(
            one(
                &mut s,
                &format!("SELECT count(DISTINCT tableoid) FROM {table}")
            ),
            "2",
            "{key}"
        );
    }
    no_leaks(&cluster);
}

#[test]
fn uuids_of_version_7_and_no_others() {
    let cluster = cluster();
    let db = Db::new(&cluster, "uuids");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE u (id uuid PRIMARY KEY, v int);
         SELECT FROM strata.create_hypertable('u', strata.by_id('id', partition_interval => interval '1 day'));
         INSERT INTO u SELECT strata.to_uuidv7('2021-01-01'::timestamptz + i * interval '1 hour'), i FROM generate_series(0, 99) i;
         INSERT INTO u SELECT strata.to_uuidv7('2021-01-01'::timestamptz + i * interval '1 hour'), i FROM generate_series(0, 99) i;
         INSERT INTO u VALUES (strata.to_uuidv7_boundary('2021-01-05'), 1), (strata.to_uuidv7_boundary('2021-01-02'), 1)",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM u"
        ),
        "202 5"
    );
    let days = "SELECT count(*) FROM u JOIN strata.chunks c ON c.chunk = u.tableoid
                WHERE c.range_start <> date_trunc('day', strata.uuid_timestamp(id))";
    assert_eq!(one(&mut s, days), "0");
    for id in [
        "gen_random_uuid()",
        "'018d61f7-1800-4000-8000-000000000000'",
    ] {
        let insert = format!("INSERT INTO u VALUES ({id}, 1)");
        let error = fails(&mut s, &insert, "23514", &["version 7"]);
        assert!(error.hint().unwrap_or_default().contains("generate_uuidv7"));
    }
}

#[test]
fn every_form_of_insert() {
    let cluster = cluster();
    let db = Db::new(&cluster, "forms");
    let mut s = db.session();
    exec(&mut s, TABLE);
    let chunk = |s: &mut Client, sql: &str| one(s, &format!("{sql} RETURNING tableoid::regclass"));
    assert_eq!(
        chunk(&mut s, "INSERT INTO m VALUES ('2021-03-04 05:06', 1, 1)"),
        "strata_chunks.m_h1_20210304"
    );
    // ON CONFLICT, existing and new chunk in one statement
    exec(
        &mut s,
        "INSERT INTO m VALUES ('2021-03-04 05:06', 1, 7), ('2021-03-05', 1, 7) ON CONFLICT DO NOTHING",
    );
    exec(
        &mut s,
        "INSERT INTO m VALUES ('2021-03-04 05:06', 1, 8), ('2021-03-06', 1, 8) ON CONFLICT (ts, dev) DO UPDATE SET v = excluded.v",
    );
    assert_eq!(
        rows(&mut s, "SELECT ts::date, v FROM m ORDER BY ts"),
        "2021-03-04|8\n2021-03-05|7\n2021-03-06|8"
    );
    // CTEs that write, one fed by another
    assert_eq!(
        rows(
            &mut s,
            "WITH a AS (INSERT INTO m VALUES ('2021-04-01', 1, 1), ('2021-04-02', 1, 1) RETURNING *)
             INSERT INTO m SELECT ts + interval '1 month', dev, v FROM a RETURNING ts::date"
        ),
        "2021-05-01\n2021-05-02"
    );
    assert_eq!(
        rows(
            &mut s,
            "WITH a AS (INSERT INTO m VALUES ('2021-06-01', 1, 1) RETURNING ts), b AS (UPDATE m SET ts = '2021-06-02' WHERE ts = '2021-05-01' RETURNING ts)
             SELECT (SELECT ts::date FROM a), (SELECT ts::date FROM b)"
        ),
        "2021-06-01|2021-06-02"
    );
    // an updatable view, and a check on it
    exec(
        &mut s,
        "CREATE VIEW mv AS SELECT ts, v FROM m WHERE v > 0 WITH CHECK OPTION",
    );
    exec(&mut s, "INSERT INTO mv VALUES ('2021-07-01', 1)");
    fails(
        &mut s,
        "INSERT INTO mv VALUES ('2021-07-02', -1)",
        "44000",
        &["check option"],
    );
    // prepared: custom, then generic, and cached from before the table was a hypertable
    exec(
        &mut s,
        "CREATE TABLE p (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
         PREPARE before AS INSERT INTO p VALUES ($1);
         SET plan_cache_mode = force_generic_plan",
    );
    fails(
        &mut s,
        "EXECUTE before('2021-01-01')",
        "23514",
        &["no partition"],
    );
    exec(
        &mut s,
        "SELECT FROM strata.create_hypertable('p', strata.by_range('ts', interval '1 day'));
         EXECUTE before('2021-01-01'); EXECUTE before('2021-01-03'); SET plan_cache_mode = force_custom_plan;
         EXECUTE before('2021-01-05'); RESET plan_cache_mode",
    );
    assert_eq!(one(&mut s, "SELECT count(DISTINCT tableoid) FROM p"), "3");
    let prepared = s
        .prepare("INSERT INTO p VALUES ($1::text::timestamptz)")
        .unwrap();
    for i in 10..25 {
        s.execute(&prepared, &[&format!("2021-02-{i}")]).unwrap();
    }
    assert_eq!(one(&mut s, "SELECT count(DISTINCT tableoid) FROM p"), "18");
    // SQL functions
    exec(
        &mut s,
        "CREATE FUNCTION put(t timestamptz) RETURNS regclass LANGUAGE sql AS 'INSERT INTO p VALUES (t) RETURNING tableoid::regclass';
         SELECT put('2022-01-01'), put('2022-01-02')",
    );
    assert_eq!(one(&mut s, "SELECT count(DISTINCT tableoid) FROM p"), "20");
    // a rule that writes elsewhere as well
    exec(
        &mut s,
        "CREATE RULE also AS ON INSERT TO m DO ALSO INSERT INTO p VALUES (NEW.ts + interval '10 years')",
    );
    exec(&mut s, "INSERT INTO m VALUES ('2021-08-01', 1, 1)");
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM p WHERE ts = '2031-08-01'"),
        "1"
    );
    no_leaks(&cluster);
}

#[test]
fn inside_functions_triggers_and_subtransactions() {
    let cluster = cluster();
    let db = Db::new(&cluster, "inside");
    let mut s = db.session();
    exec(&mut s, TABLE);
    exec(
        &mut s,
        "DO $$ BEGIN
           FOR i IN 1..6 LOOP
             BEGIN
               INSERT INTO m VALUES ('2021-01-01'::timestamptz + i * interval '1 day', i, i);
               IF i % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
             EXCEPTION WHEN raise_exception THEN NULL;
             END;
           END LOOP;
         END $$",
    );
    // the rows are gone, the empty chunks stay
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(dev::text, ' ' ORDER BY dev) FROM m"
        ),
        "1 3 5"
    );
    assert_eq!(one(&mut s, MADE), "6");
    exec(
        &mut s,
        "CREATE TABLE n (ts timestamptz NOT NULL, dev int);
         SELECT FROM strata.create_hypertable('n', strata.by_range('ts', interval '1 month'));
         CREATE FUNCTION copy_on() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO n VALUES (NEW.ts + interval '10 years', NEW.dev); RETURN NEW; END $$;
         CREATE TRIGGER t AFTER INSERT ON m FOR EACH ROW EXECUTE FUNCTION copy_on();
         INSERT INTO m SELECT '2022-01-01'::timestamptz + i * interval '20 days', i, i FROM generate_series(1, 5) i;
         DROP TRIGGER t ON m;
         CREATE TRIGGER t BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION copy_on();
         INSERT INTO m SELECT '2023-01-01'::timestamptz + i * interval '20 days', i, i FROM generate_series(1, 5) i",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM n"
        ),
        "10 8"
    );
    // transition tables see the rows of all chunks
    exec(
        &mut s,
        "DROP TRIGGER t ON m;
         CREATE TABLE seen (rows int);
         CREATE FUNCTION count_new() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO seen SELECT count(*) FROM new_rows; RETURN NULL; END $$;
         CREATE TRIGGER t AFTER INSERT ON m REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new();
         INSERT INTO m SELECT '2024-01-01'::timestamptz + i * interval '20 days', i, i FROM generate_series(1, 5) i",
    );
    assert_eq!(one(&mut s, "SELECT rows FROM seen"), "5");
    // savepoints, and an error after a refresh: the session goes on
    exec(
        &mut s,
        "BEGIN; SAVEPOINT a; INSERT INTO m VALUES ('2025-01-01', 1, 1); ROLLBACK TO a",
    );
    exec(
        &mut s,
        "INSERT INTO m VALUES ('2025-01-02', 1, 1), ('2025-01-01', 2, 1); COMMIT",
    );
    fails(
        &mut s,
        "INSERT INTO m SELECT '2026-01-01'::timestamptz + i * interval '1 day', 1, 1 / (3 - i) FROM generate_series(1, 9) i",
        "22012",
        &["division"],
    );
    exec(&mut s, "INSERT INTO m VALUES ('2026-02-01', 1, 1)");
    no_leaks(&cluster);
}

#[test]
fn rows_move_into_missing_chunks() {
    let cluster = cluster();
    let db = Db::new(&cluster, "moves");
    let mut s = db.session();
    exec(&mut s, TABLE);
    // chunks of different layouts: the key has another number in each
    exec(
        &mut s,
        "INSERT INTO m VALUES ('2021-01-01', 1, 1);
         ALTER TABLE m ADD COLUMN extra int DEFAULT 1;
         INSERT INTO m VALUES ('2021-01-02', 2, 2);
         ALTER TABLE m DROP COLUMN v;
         ALTER TABLE m ADD COLUMN v float8;
         INSERT INTO m (ts, dev, v) VALUES ('2021-01-03', 3, 3);
         UPDATE m SET dev = dev + 10, ts = ts + interval '1 year'",
    );
    assert_eq!(
        rows(&mut s, "SELECT tableoid::regclass, dev FROM m ORDER BY ts"),
        "strata_chunks.m_h1_20220101|11\nstrata_chunks.m_h1_20220102|12\nstrata_chunks.m_h1_20220103|13"
    );
    // an UPDATE that leaves the key alone makes none
    let before = one(&mut s, MADE);
    exec(&mut s, "UPDATE m SET dev = dev - 10");
    assert_eq!(one(&mut s, MADE), before);
    exec(
        &mut s,
        "CREATE TABLE src (ts timestamptz, dev int, v float8, moved timestamptz);
         INSERT INTO src VALUES ('2022-01-01', 1, 1, '2023-01-01'), ('2022-01-02', 2, -1, '2023-01-02'),
           ('2022-01-03', 3, 9, '2023-01-03'), ('2022-02-01', 4, 4, '2023-02-01'), ('2022-02-02', 5, -5, '2023-02-02')",
    );
    let merge = "MERGE INTO m USING src ON m.ts = src.ts AND m.dev = src.dev
         WHEN MATCHED AND src.v < 0 THEN DELETE
         WHEN MATCHED AND src.v > 8 THEN UPDATE SET v = src.v
         WHEN MATCHED THEN UPDATE SET v = src.v, ts = src.moved + (m.extra - 1) * interval '1 day'
         WHEN NOT MATCHED AND src.v < 0 THEN DO NOTHING
         WHEN NOT MATCHED THEN INSERT (dev, ts, v) VALUES (src.dev, src.ts, src.v)";
    let explained = plan(&mut s, merge);
    assert!(
        explained.contains("ChunkRouter") && explained.contains("Chunks Created: 2"),
        "{explained}"
    );
    assert_eq!(
        rows(&mut s, "SELECT ts::date, dev, v FROM m ORDER BY ts"),
        "2022-01-03|3|9\n2022-02-01|4|4\n2023-01-01|1|1"
    );
    // neither the deleted row nor the one that nothing was done about got a chunk
    assert_eq!(
        rows(
            &mut s,
            "SELECT range_start::date FROM strata.chunks WHERE range_start >= '2022-02-01' AND origin = 'on_demand' ORDER BY 1"
        ),
        "2022-02-01\n2023-01-01"
    );
    no_leaks(&cluster);
}

#[test]
fn explain_alone_makes_nothing_and_analyze_says_what_was_made() {
    let cluster = cluster();
    let db = Db::new(&cluster, "explain");
    let mut s = db.session();
    exec(&mut s, TABLE);
    let insert = "INSERT INTO m VALUES ('2021-01-01', 1, 1)";
    let shown = rows(&mut s, &format!("EXPLAIN (VERBOSE) {insert}"));
    assert!(!shown.contains("ChunkRouter"), "{shown}");
    assert_eq!(one(&mut s, MADE), "0");
    let shown = plan(&mut s, insert);
    assert!(
        shown.contains("Chunks Created: 1\n") && shown.contains("Routing Refreshes: 1\n"),
        "{shown}"
    );
    // every shape of source, also joins, whose columns must not be looked up in the wrong place
    exec(
        &mut s,
        "CREATE TABLE a AS SELECT i, i % 3 AS j FROM generate_series(1, 9) i; ANALYZE a",
    );
    for (year, source) in [
        (
            2031,
            "SELECT '2031-01-01'::timestamptz + x.i * interval '1 day', x.j, y.j FROM a x JOIN a y USING (i)",
        ),
        (
            2032,
            "SELECT '2032-01-01'::timestamptz + i * interval '1 day', count(*), max(j) FROM a GROUP BY i",
        ),
        (
            2033,
            "SELECT '2033-01-01'::timestamptz + i * interval '1 day', row_number() OVER (ORDER BY i), j FROM a",
        ),
        (
            2034,
            "SELECT '2034-01-01'::timestamptz + i * interval '1 day', i, i FROM a UNION ALL SELECT '2034-02-01', 1, 1",
        ),
        (
            2035,
            "SELECT '2035-01-01'::timestamptz + i * interval '1 day', (SELECT max(j) FROM a b WHERE b.i < a.i), i FROM a ORDER BY i LIMIT 4",
        ),
    ] {
        for format in ["TEXT", "JSON"] {
            let sql = format!(
                "EXPLAIN (ANALYZE, VERBOSE, FORMAT {format}) INSERT INTO m {source} ON CONFLICT (ts, dev) DO UPDATE SET v = 0"
            );
            let shown = rows(&mut s, &sql);
            assert!(shown.contains("Chunks Created"), "{shown}");
        }
        let chunks = format!(
            "SELECT count(DISTINCT tableoid) > 3 FROM m WHERE ts >= '{year}-01-01' AND ts < '{year}-12-31'"
        );
        assert_eq!(one(&mut s, &chunks), "t", "{year}");
    }
    let shown = plan(
        &mut s,
        "UPDATE m SET ts = m.ts + interval '50 years' FROM a WHERE a.i = m.dev AND m.ts < '2032-01-01'",
    );
    assert!(shown.contains("ChunkRouter"), "{shown}");
    no_leaks(&cluster);
}

#[test]
fn the_transaction_that_made_or_altered_the_table_makes_its_own_chunks() {
    let cluster = cluster();
    let db = Db::new(&cluster, "own");
    let mut s = db.session();
    for end in ["ROLLBACK", "COMMIT"] {
        exec(&mut s, &format!("BEGIN; {TABLE}"));
        exec(
            &mut s,
            "INSERT INTO m SELECT '2021-01-01'::timestamptz + i * interval '1 day', i, i FROM generate_series(1, 9) i;
             UPDATE m SET ts = ts + interval '1 year' WHERE dev < 4;
             MERGE INTO m USING (VALUES ('2021-01-06'::timestamptz, 5), ('2024-01-01', 1)) x (ts, dev) ON m.ts = x.ts AND m.dev = x.dev
               WHEN MATCHED THEN UPDATE SET ts = '2025-01-01' WHEN NOT MATCHED THEN INSERT VALUES (x.ts, x.dev, 0)",
        );
        assert_eq!(
            one(
                &mut s,
                "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM m"
            ),
            "10 10"
        );
        exec(&mut s, end);
    }
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM m"
        ),
        "10 10"
    );
    exec(
        &mut s,
        "BEGIN; ALTER TABLE m ADD COLUMN extra int DEFAULT 7; INSERT INTO m VALUES ('2031-01-01', 1, 1), ('2031-01-02', 1, 1)",
    );
    let shown = plan(&mut s, "INSERT INTO m SELECT '2032-01-01', 1, 1, random()");
    assert!(
        shown.contains("Chunks Created: 1") && shown.contains("never executed"),
        "{shown}"
    );
    exec(&mut s, "COMMIT");
    assert_eq!(
        one(
            &mut s,
            "SELECT sum(extra) >= 14 FROM m WHERE ts >= '2031-01-01'"
        ),
        "t"
    );
    // CTEs that write, where one is not fed by the other
    exec(
        &mut s,
        "BEGIN; ALTER TABLE m ALTER COLUMN v SET NOT NULL;
         WITH a AS (INSERT INTO m VALUES ('2036-01-01', 1, 1), ('2036-01-02', 1, 1) RETURNING ts), b AS (DELETE FROM m WHERE ts = '2031-01-01')
         INSERT INTO m SELECT '2036-01-03', count(*), 1 FROM generate_series(1, 4)",
    );
    fails(
        &mut s,
        "WITH a AS (INSERT INTO m VALUES ('2036-01-01', 2, 1) RETURNING *) INSERT INTO m SELECT ts + interval '1 year', dev, v FROM a",
        "55000",
        &["no chunk can be made"],
    );
    exec(&mut s, "ROLLBACK");
    // each row is computed once
    exec(
        &mut s,
        "CREATE SEQUENCE q; BEGIN; ALTER TABLE m DROP COLUMN extra;
         INSERT INTO m SELECT '2033-01-01'::timestamptz + nextval('q') * interval '1 day', 1, 1 FROM generate_series(1, 3); COMMIT",
    );
    assert_eq!(one(&mut s, "SELECT last_value FROM q"), "3");
    // statement triggers fire once, with transition tables
    exec(
        &mut s,
        "CREATE TABLE fired (rows int);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO fired SELECT count(*) FROM new_rows; RETURN NULL; END $$;
         BEGIN; CREATE TRIGGER t AFTER INSERT ON m REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note();
         INSERT INTO m VALUES ('2034-01-01', 1, 1), ('2034-01-02', 1, 1); COMMIT",
    );
    assert_eq!(
        one(&mut s, "SELECT string_agg(rows::text, ' ') FROM fired"),
        "2"
    );
    let in_use = fails(
        &mut s,
        "BEGIN; ALTER TABLE m ADD COLUMN w int; DECLARE c CURSOR FOR SELECT * FROM m WHERE ts > now() - interval '100 years'; FETCH c; INSERT INTO m VALUES ('2040-01-01', 1, 1)",
        "55006",
        &["being used"],
    );
    assert!(in_use.hint().unwrap_or_default().contains("commit first"));
    exec(&mut s, "ROLLBACK");
    no_leaks(&cluster);
}

#[test]
fn ranges_narrower_than_the_grid() {
    let cluster = cluster();
    let db = Db::new(&cluster, "narrow");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE k (k int8 NOT NULL, v int);
         SELECT FROM strata.create_hypertable('k', strata.by_range('k', 100));
         SELECT strata.alter_hypertable('k', premake => 0); -- the worker makes none between the statements
         CREATE TABLE odd (LIKE k); ALTER TABLE k ATTACH PARTITION odd FOR VALUES FROM (1040) TO (1060);
         INSERT INTO k VALUES (1039, 1), (1040, 2), (1059, 3), (1060, 4), (1000, 5), (1099, 6), (1100, 7), (1050, 8)",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT tableoid::regclass, string_agg(k::text, ' ' ORDER BY k) FROM k GROUP BY 1 ORDER BY min(k)"
        ),
        "strata_chunks.k_h1_1000|1000 1039\nodd|1040 1050 1059\nstrata_chunks.k_h1_1060|1060 1099\nstrata_chunks.k_h1_1100|1100"
    );
    exec(
        &mut s,
        "SELECT strata.set_chunk_time_interval('k', 1000);
         INSERT INTO k VALUES (2500, 1), (1200, 1), (999, 1), (1099, 1), (1999, 1), (2000, 1)",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT range_start_integer, range_end_integer FROM strata.chunks WHERE range_start_integer >= 100 AND origin = 'on_demand' ORDER BY 1"
        ),
        "300|1000\n1000|1040\n1060|1100\n1100|1200\n1200|2000\n2000|3000"
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM k"), "14");
    // an attached DEFAULT partition takes everything, as the server has it
    exec(
        &mut s,
        "CREATE TABLE rest (LIKE k); ALTER TABLE k ATTACH PARTITION rest DEFAULT; INSERT INTO k VALUES (1000000, 1), (5, 1)",
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM rest"), "1");
    no_leaks(&cluster);
}
