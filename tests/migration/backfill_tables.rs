//! Which tables a backfill is for.

use crate::common::{Cluster, Db};
use crate::support::{database, exec, fails, one, rows};
use crate::task_support::{fill, refused};

#[test]
fn only_tables_with_a_key_are_taken() {
    let db = database("fill_relations");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE VIEW view AS SELECT * FROM t; CREATE MATERIALIZED VIEW mat AS SELECT 1 AS id; CREATE SEQUENCE seq;
         CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (id int) SERVER s;
         CREATE TABLE nokey (a int, b int NOT NULL, c text NOT NULL, u int NOT NULL, v int DEFAULT 0);
         CREATE UNIQUE INDEX ON nokey (a); CREATE UNIQUE INDEX ON nokey (b, c) INCLUDE (v); CREATE UNIQUE INDEX ON nokey (u) WHERE u > 0; CREATE UNIQUE INDEX ON nokey (b, (c || 'x'));
         INSERT INTO nokey SELECT g, g / 10, g % 10, 0, 0 FROM generate_series(0, 99) g",
    );
    for relation in ["view", "mat", "seq", "far"] {
        let sql = format!("CALL strata.task_backfill('x', '{relation}', 'n = 0')");
        let word = format!("\"{relation}\" is not a table");
        refused(
            &mut s,
            &sql,
            "42809",
            &[&word],
            &["Backfills are for tables"],
        );
    }
    let none = "CALL strata.task_backfill('x', 'nokey', 'v = v + 1')";
    refused(
        &mut s,
        none,
        "42704",
        &["table \"nokey\" has no primary key"],
        &["key_columns => '{a,b}'"],
    );
    for columns in ["a", "u", "b", "zz", "", "b,c,c", "b,c,v"] {
        let sql = format!(
            "CALL strata.task_backfill('x', 'nokey', 'v = v + 1', key_columns => '{{{columns}}}')"
        );
        refused(
            &mut s,
            &sql,
            "42704",
            &["table \"nokey\" has no unique index on just these columns"],
            &["Without key_columns the primary key is used."],
        );
    }
    let keyed = "'k', 'nokey', 'v = v + 1', key_columns => '{c,b}', batch_size => 7";
    assert_eq!(fill(&mut s, keyed), "100");
    assert_eq!(
        rows(&mut s, "SELECT min(v), max(v), count(*) FROM nokey"),
        "1|1|100"
    );
    // keys stay as they are
    exec(
        &mut s,
        "CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int GENERATED ALWAYS AS (1) STORED, n int DEFAULT 0, PRIMARY KEY (b, c)); INSERT INTO made SELECT generate_series(1, 20)",
    );
    for (arguments, column) in [
        ("'nokey', 'u = 0, c = c', key_columns => '{b,c}'", "c"),
        ("'nokey', '(u, b) = (1, 2)', key_columns => '{b,c}'", "b"),
        ("'t', 'id = DEFAULT'", "id"),
        ("'made', 'a = a + 100'", "b"),
    ] {
        let sql = format!("CALL strata.task_backfill('x', {arguments})");
        let word = format!("set_clause changes key column \"{column}\"");
        refused(
            &mut s,
            &sql,
            "0A000",
            &[&word],
            &["Rows are visited by key"],
        );
    }
    assert_eq!(
        fill(&mut s, "'made', 'made', 'n = n + 1', batch_size => 3"),
        "20"
    );
    // generated columns follow, and are not set
    exec(
        &mut s,
        "CREATE TABLE gen (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO gen SELECT g, 0 FROM generate_series(1, 50) g",
    );
    assert_eq!(fill(&mut s, "'g', 'gen', 'a = id', batch_size => 8"), "50");
    assert_eq!(one(&mut s, "SELECT bool_and(b = id * 2) FROM gen"), "t");
    fails(
        &mut s,
        "CALL strata.task_backfill('g2', 'gen', 'b = 1')",
        "428C9",
        &["\"b\""],
    );
    for (n, kind) in ["TEMP", "UNLOGGED"].iter().enumerate() {
        exec(
            &mut s,
            &format!(
                "CREATE {kind} TABLE kind{n} (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO kind{n} SELECT generate_series(1, 10)"
            ),
        );
        assert_eq!(
            fill(
                &mut s,
                &format!("'kind{n}', 'kind{n}', 'n = n + 1', batch_size => 3")
            ),
            "10"
        );
    }
}

#[test]
fn partitions_children_and_hypertables_are_one_table() {
    // chunks on demand
    let server = Cluster::builder().preload(true).start();
    let db = Db::new(&server, "fill_parts");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE part (k int, d date, n int DEFAULT 0, PRIMARY KEY (d, k)) PARTITION BY RANGE (d);
         CREATE TABLE part1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
         CREATE TABLE part2 PARTITION OF part FOR VALUES FROM ('2020-02-01') TO ('2021-01-01') PARTITION BY LIST (k);
         CREATE TABLE part2a PARTITION OF part2 DEFAULT;
         INSERT INTO part SELECT g % 37, '2020-01-01'::date + g / 37 FROM generate_series(0, 2999) g; ANALYZE part1, part2a",
    );
    assert_eq!(
        fill(
            &mut s,
            "'p', 'part', 'n = n + 1', batch_size => 111, max_batches => 1"
        ),
        "111"
    );
    assert_eq!(
        one(&mut s, "SELECT percent FROM strata.task_progress('p')"),
        "3.7"
    );
    assert_eq!(
        fill(&mut s, "'p', 'part', 'n = n + 1', batch_size => 111"),
        "2889"
    );
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM part"), "1|1");
    exec(
        &mut s,
        "CREATE TABLE par (id int PRIMARY KEY, n int DEFAULT 0); CREATE TABLE chi (x int, PRIMARY KEY (id)) INHERITS (par); CREATE TABLE chi2 () INHERITS (par);
         INSERT INTO par SELECT generate_series(1, 50); INSERT INTO chi SELECT generate_series(30, 90)",
    );
    let call = "CALL strata.task_backfill('i', 'par', 'n = n + 1', batch_size => 7)";
    refused(
        &mut s,
        call,
        "42704",
        &["table public.chi2, which inherits from \"par\", has no unique index"],
        &["Each batch would read all of it."],
    );
    exec(&mut s, "DROP TABLE chi2");
    assert_eq!(one(&mut s, call), "111");
    assert_eq!(
        rows(&mut s, "SELECT min(n), max(n), count(*) FROM par"),
        "1|1|111"
    );
    exec(
        &mut s,
        "CREATE TABLE h (ts timestamptz, id int, n int DEFAULT 0, PRIMARY KEY (ts, id)); SELECT strata.create_hypertable('h', 'ts');
         INSERT INTO h SELECT '2024-01-01'::timestamptz + g % 100 * interval '1 day', g FROM generate_series(1, 500) g",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) > 3 FROM pg_inherits WHERE inhparent = 'h'::regclass"
        ),
        "t"
    );
    assert_eq!(
        fill(
            &mut s,
            "'h', 'h', 'n = n + 1', batch_size => 33, max_batches => 4"
        ),
        "132"
    );
    // chunks that come while it stands still
    exec(
        &mut s,
        "INSERT INTO h SELECT '2026-01-01'::timestamptz + g * interval '30 days', g FROM generate_series(1, 10) g",
    );
    assert_eq!(
        fill(&mut s, "'h', 'h', 'n = n + 1', batch_size => 33"),
        "378"
    );
    assert_eq!(
        rows(&mut s, "SELECT min(n), max(n), count(*) FROM h"),
        "1|1|510"
    );
    // cold chunks are read, and not written
    exec(
        &mut s,
        "CALL strata.tier_chunks('h', '2024-02-01'::timestamptz)",
    );
    let cold = "CALL strata.task_backfill('cold', 'h', 'n = n + 1')";
    refused(
        &mut s,
        cold,
        "55000",
        &["cannot update cold chunk"],
        &["CALL strata.untier_chunk("],
    );
    let hot = "'hot', 'h', 'n = n + 1', 'ts >= ''2024-03-01''', batch_size => 33";
    let passed = one(&mut s, "SELECT count(*) FROM h WHERE ts >= '2024-03-01'");
    assert_eq!(fill(&mut s, hot), passed);
    assert_eq!(one(&mut s, "SELECT count(*) FROM h WHERE n = 2"), passed);
    exec(
        &mut s,
        "CREATE TABLE nokey (ts timestamptz NOT NULL, n int); SELECT strata.create_hypertable('nokey', 'ts')",
    );
    refused(
        &mut s,
        "CALL strata.task_backfill('x', 'nokey', 'n = 1')",
        "42704",
        &["\"nokey\" has no primary key"],
        &["key_columns"],
    );
}
