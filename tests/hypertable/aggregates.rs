//! first, last and histogram against plain SQL: every kind of type, parallel plans, windows, memory.

use crate::common::{Cluster, Db, exec, force_parallel, one, rows};

const PARALLEL: &str = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
    SET max_parallel_workers_per_gather = 3; SET search_path = public, strata";

/// A column of every way to store a value. Times differ within a group, for ties have no answer.
fn values(db: &Db) {
    db.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
         CREATE TYPE pair AS (a int, b text);
         CREATE DOMAIN late AS timestamptz CHECK (VALUE > '1900-01-01');
         SELECT setseed(0.1);
         CREATE TABLE w AS
         SELECT g, (g % 13)::int2 AS k, random() < 0.5 AS b, r::int2 AS i2, r AS i4, r::int8 * 4000000000 AS i8, (r / 7.0)::real AS f4,
                CASE r % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN 'infinity' ELSE r / 3.0 END::float8 AS f8, r::numeric ^ 9 AS n,
                md5(r::text) AS t, repeat(md5(r::text), r % 200) AS wide, left(md5(r::text), 5)::name AS name, md5(r::text)::uuid AS u,
                (ARRAY['sad', 'ok', 'happy'])[1 + r % 3]::mood AS e, (r, md5(r::text))::pair AS c, ARRAY[r::text, NULL, repeat('y', r % 3000)] AS a,
                jsonb_build_object('r', r) AS j, int8range(r, r + 5) AS rg, ('2024-01-01'::date + r) AS d,
                timestamptz '2024-01-01' + r * interval '1 hour' AS z, (timestamptz '2024-01-01' + r * interval '1 hour')::late AS l,
                decode(md5(r::text), 'hex') AS by, (r % 8)::bit(4) AS bt, point(r, r) AS pt, r * interval '1 minute' AS iv
         FROM (SELECT g, (g * 7919) % 10007 AS r FROM generate_series(1, 6000) g) x;
         ALTER TABLE w ALTER wide SET STORAGE EXTERNAL, ALTER a SET STORAGE EXTERNAL;
         UPDATE w SET wide = repeat(wide, 20), z = CASE WHEN g % 7 = 0 THEN NULL ELSE z END, t = CASE WHEN g % 11 = 0 THEN NULL ELSE t END WHERE g % 5 = 0 OR g % 7 = 0;
         ANALYZE w",
    );
}

const COLUMNS: [&str; 22] = [
    "b", "i2", "i4", "i8", "f4", "f8", "n", "t", "wide", "name", "u", "e", "c", "a", "j", "rg",
    "d", "z", "l", "by", "bt", "iv",
];

/// Types that have an order and few equal values.
const TIMES: [&str; 14] = [
    "i4",
    "i8",
    "n",
    "md5(i4::text)",
    "md5(i4::text) COLLATE \"C\"",
    "md5(i4::text)::uuid",
    "(i4, md5(i4::text))::pair",
    "ARRAY[i4, g]",
    "int8range(i4, i4 + 5)",
    "d",
    "l",
    "z",
    "by",
    "i4 * interval '1 minute'",
];

#[test]
fn first_and_last_equal_an_ordered_query_for_every_type() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "types");
    values(&db);
    let mut serial = db.session();
    exec(
        &mut serial,
        "SET search_path = public, strata; SET max_parallel_workers_per_gather = 0; SET timezone = 'UTC'",
    );
    let mut parallel = db.session();
    exec(&mut parallel, PARALLEL);
    exec(&mut parallel, "SET timezone = 'UTC'");
    for (i, time) in TIMES.iter().enumerate() {
        // all columns with the first time, and some with every other
        let columns: Vec<&str> = COLUMNS
            .iter()
            .copied()
            .enumerate()
            .filter(|(n, _)| i == 0 || n % TIMES.len() == i)
            .map(|(_, c)| c)
            .chain(["wide", "pt"])
            .collect();
        let ours: Vec<String> = columns
            .iter()
            .map(|c| format!("md5(first({c}, {time})::text), md5(last({c}, {time})::text)"))
            .collect();
        let ours = format!("SELECT k, {} FROM w GROUP BY k ORDER BY k", ours.join(", "));
        let plain: Vec<String> = columns
            .iter()
            .map(|c| format!("md5(lo.{c}::text), md5(hi.{c}::text)"))
            .collect();
        let plain = format!(
            "SELECT lo.k, {} FROM (SELECT DISTINCT ON (k) * FROM w WHERE ({time}) IS NOT NULL ORDER BY k, {time}) lo
             JOIN (SELECT DISTINCT ON (k) * FROM w WHERE ({time}) IS NOT NULL ORDER BY k, {time} DESC) hi USING (k) ORDER BY 1",
            plain.join(", ")
        );
        let wanted = rows(&mut serial, &plain);
        assert_eq!(wanted.lines().count(), 13);
        exec(&mut serial, "SET enable_hashagg = off");
        assert_eq!(rows(&mut serial, &ours), wanted, "{ours}");
        if i == 0 {
            exec(
                &mut serial,
                "SET enable_hashagg = on; SET enable_sort = off",
            );
            assert_eq!(rows(&mut serial, &ours), wanted, "{ours}");
            exec(&mut serial, "RESET enable_sort");
        }
        let plan = rows(&mut parallel, &format!("EXPLAIN (COSTS OFF) {ours}"));
        assert!(
            plan.contains("Partial") && plan.contains("Gather"),
            "{plan}"
        );
        assert_eq!(rows(&mut parallel, &ours), wanted, "{ours}");
    }
}

#[test]
fn first_and_last_work_wherever_an_aggregate_does() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "places");
    values(&db);
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SET timezone = 'UTC'",
    );
    exec(&mut session, force_parallel());
    let equal = |session: &mut _, ours: &str, plain: &str| {
        let differing = format!(
            "SELECT count(*) FROM (({ours}) EXCEPT ALL ({plain}) UNION ALL (({plain}) EXCEPT ALL ({ours}))) x"
        );
        assert_eq!(one(session, &differing), "0", "{ours}");
        assert_ne!(
            one(session, &format!("SELECT count(*) FROM ({ours}) x")),
            "0"
        );
    };
    // frames that grow, move and are read again; wide values are freed and kept
    for frame in [
        "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        "ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING",
        "ROWS BETWEEN 1 FOLLOWING AND 4 FOLLOWING",
        "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    ] {
        equal(
            &mut session,
            &format!("SELECT g, md5(first(wide, i4) OVER f), last(t, i8) OVER f, last(c, i4) OVER f FROM w WHERE k < 3 AND g < 1200 WINDOW f AS (PARTITION BY k ORDER BY i4 {frame})"),
            &format!(
                "SELECT g, md5(wides[1]), ts[cardinality(ts)], cs[cardinality(cs)] FROM
                 (SELECT g, array_agg(coalesce(wide, '')) OVER f wides, array_agg(t) OVER f ts, array_agg(c) OVER f cs FROM w WHERE k < 3 AND g < 1200 WINDOW f AS (PARTITION BY k ORDER BY i4 {frame})) x"
            ),
        );
    }
    equal(
        &mut session,
        "SELECT k, b, first(t, i4), last(i8, z) FILTER (WHERE f4 > 100), first(DISTINCT e, i4), last(n, i4 ORDER BY random()) FROM w GROUP BY GROUPING SETS ((k), (b), (k, b), ())",
        "SELECT k, b, (array_agg(t ORDER BY i4))[1], (array_agg(i8 ORDER BY z DESC) FILTER (WHERE f4 > 100 AND z IS NOT NULL))[1],
                (array_agg(e ORDER BY i4))[1], (array_agg(n ORDER BY i4 DESC))[1] FROM w GROUP BY GROUPING SETS ((k), (b), (k, b), ())",
    );
    // of equal times the first row counts; NULL times never, NULL values always
    let few = "FROM (VALUES (1, 5, 'a'), (2, 5, 'b'), (3, NULL, 'c'), (4, 7, NULL), (5, 7, 'd')) v(n, t, x)";
    assert_eq!(
        rows(
            &mut session,
            &format!(
                "SELECT first(x, t ORDER BY n), last(x, t ORDER BY n), first(x, t ORDER BY n DESC), last(x, t ORDER BY n DESC) {few}"
            )
        ),
        "a||b|d"
    );
    assert_eq!(
        rows(
            &mut session,
            &format!(
                "SELECT first(x, NULL::int), last(x, t) FILTER (WHERE n > 9), first(x, t) IS NULL {few} WHERE n = 4"
            )
        ),
        "||t"
    );
    // with a collation that has another order
    exec(
        &mut session,
        "CREATE COLLATION turned (provider = libc, locale = 'C')",
    );
    let letters = "FROM (VALUES (1, 'a'), (2, 'B'), (3, 'b'), (4, 'A')) v(n, x)";
    assert_eq!(
        rows(
            &mut session,
            &format!("SELECT first(n, x COLLATE turned), last(n, x COLLATE turned) {letters}")
        ),
        "4|3"
    );
}

#[test]
fn aggregates_of_many_rows_and_groups_keep_to_their_memory() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "memory");
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SET max_parallel_workers_per_gather = 0; SET jit = off",
    );
    let used = "(SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE x.n > 0)";
    // every row replaces a value of 3 kB
    let held = one(
        &mut session,
        &format!(
            "SELECT {used} FROM (SELECT count(*) AS n, last(repeat('x', 3000), g), last(g::numeric, g::text), histogram(g, 0, 1e6, 100)
             FROM generate_series(1, 300000) g OFFSET 0) x"
        ),
    );
    assert!(held.parse::<u64>().unwrap() < 30_000_000, "{held}");
    // the counters of many groups are work_mem's: the hash table goes to disk
    exec(&mut session, "SET work_mem = '4MB'; SET enable_sort = off");
    let plan = rows(
        &mut session,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT g % 20000, histogram(g, 0, 1e6, 1000) FROM generate_series(1, 40000) g GROUP BY 1",
    );
    assert!(
        plan.contains("HashAggregate") && plan.contains("Disk Usage"),
        "{plan}"
    );
}

#[test]
fn histogram_equals_width_bucket_of_exact_numbers() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "bars");
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SELECT setseed(0.6)",
    );
    // whole numbers, whose edges are met often
    let differing = "WITH q AS MATERIALIZED (SELECT n, (random() * 200 - 100)::int AS lo, 1 + (random() * 300)::int AS size, 1 + (random() * random() * 120)::int AS bars FROM generate_series(1, 400) n)
        SELECT count(*) FROM q, LATERAL (SELECT histogram(v, lo, lo + size, bars) AS ours,
               (SELECT array_agg(coalesce(c, 0) ORDER BY b) FROM generate_series(0, bars + 1) b LEFT JOIN
                 (SELECT width_bucket(v::numeric, lo::numeric, (lo + size)::numeric, bars) AS b, count(*)::int AS c
                  FROM generate_series(lo - 3, lo + size + 3) v GROUP BY 1) h USING (b)) AS plain
             FROM generate_series(lo - 3, lo + size + 3) v) x
        WHERE ours IS DISTINCT FROM plain";
    assert_eq!(one(&mut session, differing), "0");
    // parts of a parallel plan add up, also where a worker has no row of a group
    exec(
        &mut session,
        "CREATE TABLE v AS SELECT (random() * 100)::float8 AS v, n % 40 AS k FROM generate_series(1, 20000) n; ANALYZE v",
    );
    let query = "SELECT k, histogram(v, 20, 80, 7) FROM v GROUP BY k ORDER BY k";
    let serial = rows(&mut session, query);
    exec(&mut session, PARALLEL);
    assert!(rows(&mut session, &format!("EXPLAIN {query}")).contains("Partial"));
    assert_eq!(rows(&mut session, query), serial);
}
