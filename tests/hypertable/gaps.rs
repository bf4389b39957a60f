//! Gap filling on random queries against plain SQL, and where it stands in larger queries.

use crate::common::{Cluster, Db, exec, fails, one, rows};
use std::time::{Duration, Instant};

/// Small and repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// A key: its column, widths that fit, ranges that fit, and how the plain query makes a series of it.
struct Key {
    column: &'static str,
    widths: &'static [&'static str],
    ranges: &'static [(&'static str, &'static str)],
    zone: &'static str,
    /// (first bucket, end, width) -> series
    series: &'static str,
    /// a time as a number
    number: &'static str,
}

const KEYS: [Key; 6] = [
    Key {
        column: "z",
        widths: &[
            "interval '1 day'",
            "interval '7 hours'",
            "interval '1 month'",
            "interval '2 weeks'",
        ],
        ranges: &[
            (
                "timestamptz '2024-03-01 05:00+00'",
                "timestamptz '2024-05-11'",
            ),
            (
                "timestamptz '2023-12-30'",
                "timestamptz '2024-04-01 00:00:00.000001+00'",
            ),
        ],
        zone: "",
        series: "generate_series($first, $end - interval '1 us', $width)",
        number: "extract(epoch FROM $at)",
    },
    Key {
        column: "z",
        widths: &[
            "interval '1 day'",
            "interval '1 month'",
            "interval '1 week'",
        ],
        ranges: &[(
            "timestamptz '2024-03-01 05:00+00'",
            "timestamptz '2024-05-11'",
        )],
        zone: ", 'Europe/Berlin'",
        series: "(SELECT s AT TIME ZONE 'Europe/Berlin' AS s FROM generate_series($first AT TIME ZONE 'Europe/Berlin', ($end AT TIME ZONE 'Europe/Berlin') - interval '1 us', $width) s)",
        number: "extract(epoch FROM $at)",
    },
    Key {
        column: "t",
        widths: &[
            "interval '1 day'",
            "interval '90 minutes'",
            "interval '1 month'",
        ],
        ranges: &[(
            "timestamp '2024-03-01 05:00'",
            "timestamp '2024-04-11 12:00'",
        )],
        zone: "",
        series: "generate_series($first, $end - interval '1 us', $width)",
        number: "extract(epoch FROM $at)",
    },
    Key {
        column: "d",
        widths: &[
            "interval '1 day'",
            "interval '5 days'",
            "interval '1 month'",
        ],
        ranges: &[("date '2024-03-02'", "date '2024-05-11'")],
        zone: "",
        series: "(SELECT s::date AS s FROM generate_series($first::timestamp, $end::timestamp - interval '1 us', $width) s)",
        number: "($at - date '2000-01-01')::numeric",
    },
    Key {
        column: "i",
        widths: &["1", "7", "10", "250"],
        ranges: &[("-73", "411"), ("0", "100"), ("-500", "-100")],
        zone: "",
        series: "generate_series($first, $end - 1, $width)",
        number: "$at::numeric",
    },
    Key {
        column: "h",
        widths: &["7::int2", "10::int2", "250::int2"],
        ranges: &[("(-73)::int2", "411::int2")],
        zone: "",
        series: "(SELECT s::int2 AS s FROM generate_series($first::int, $end - 1, ($width)::int) s)",
        number: "$at::numeric",
    },
];

fn points(db: &Db) {
    db.run(
        "SELECT setseed(0.3);
         CREATE COLLATION backwards (provider = libc, locale = 'C');
         CREATE TABLE p AS
         SELECT timestamptz '2024-01-15' + x * interval '5 months' AS z, timestamp '2024-01-15' + x * interval '5 months' AS t,
                (timestamp '2024-01-15' + x * interval '5 months')::date AS d, (x * 1200 - 600)::int AS i, (x * 1200 - 600)::int2 AS h,
                (random() * 2)::int AS dev, (ARRAY['A', 'a', 'b', 'B', NULL])[1 + floor(random() * 5)::int] COLLATE backwards AS name,
                random() < 0.5 AS flag, round((random() * 2000 - 1000)::numeric)::int8 AS v
         FROM (SELECT random() AS x FROM generate_series(1, 400)) y;
         UPDATE p SET v = NULL WHERE random() < 0.2;
         UPDATE p SET dev = NULL WHERE random() < 0.1;
         ANALYZE p",
    );
}

/// The same question to GapFill and to plain SQL.
fn question(dice: &mut Dice) -> (String, String) {
    let key = &KEYS[dice.roll(KEYS.len())];
    let (width, (begin, end)) = (
        dice.pick(key.widths),
        key.ranges[dice.roll(key.ranges.len())],
    );
    let all = ["dev", "name", "flag"];
    let groups: Vec<&str> = all.into_iter().filter(|_| dice.roll(3) == 0).collect();
    let (k, zone) = (key.column, key.zone);
    let wheres = [
        format!("{k} >= {begin} AND {k} < {end}"),
        format!("{begin} <= {k} AND NOT {k} >= {end} AND (v > -900 OR v IS NULL)"),
        format!("{k} > {begin} AND {k} < {end} AND {k} >= {begin} AND dev IS DISTINCT FROM 1"),
        "true".into(),
    ];
    let form = dice.roll(wheres.len());
    let condition = &wheres[form];
    let arguments = if form == 3 {
        format!(", start => {begin}, finish => {end}")
    } else {
        String::new()
    };
    let start = match form {
        2 if matches!(k, "z" | "t") => format!("({begin} + interval '1 us')"),
        2 if k == "h" => format!("({begin} + 1::int2)::int2"),
        2 => format!("({begin} + 1)"),
        _ => begin.to_string(),
    };
    let list = |prefix: &str| {
        groups
            .iter()
            .map(|g| format!(", {prefix}{g}"))
            .collect::<String>()
    };
    let same = |a: &str, b: &str| {
        groups
            .iter()
            .map(|g| format!(" AND {a}.{g} IS NOT DISTINCT FROM {b}.{g}"))
            .collect::<String>()
    };
    let ours = format!(
        "SELECT time_bucket_gapfill({width}, {k}{zone}{arguments}) AS b{0}, sum(v) AS s, count(*) AS n, locf(sum(v)) AS l,
                locf(sum(v), treat_null_as_missing => true) AS lm, interpolate(sum(v)::int8) AS p
         FROM p WHERE {condition} GROUP BY b{0} {1}",
        list(""),
        dice.pick(&["", "ORDER BY b DESC", "ORDER BY b NULLS FIRST", "ORDER BY 2 DESC, b DESC"])
    );
    let first = format!("time_bucket({width}, {start}{zone})");
    let series = key.series.replace("$first", &first);
    let series = series.replace("$end", end).replace("$width", width);
    let before = |what: &str| {
        format!(
            "(SELECT f.s FROM g f WHERE f.b <= x.b{} {what} ORDER BY f.b DESC LIMIT 1)",
            same("f", "x")
        )
    };
    let number = |x: &str| key.number.replace("$at", x);
    let reference = format!(
        "WITH g AS MATERIALIZED (SELECT time_bucket({width}, {k}{zone}) AS b{0}, sum(v) AS s, count(*) AS n FROM p WHERE {condition} GROUP BY 1{0}),
         grid AS (SELECT y.b{1} FROM (SELECT s AS b FROM {series} s) y {2}),
         x AS (SELECT * FROM g UNION ALL SELECT b{0}, NULL, NULL FROM grid WHERE NOT EXISTS (SELECT FROM g WHERE g.b = grid.b{3}))
         SELECT b{0}, s, n, {4} AS l, {5} AS lm,
                coalesce(s::int8, (SELECT round(a.s + (c.s - a.s) * ({6} - {7}) / ({8} - {7}))::int8 FROM
                  (SELECT * FROM g f WHERE f.b < x.b{9} AND f.s IS NOT NULL ORDER BY f.b DESC LIMIT 1) a,
                  (SELECT * FROM g f WHERE f.b > x.b{9} AND f.s IS NOT NULL ORDER BY f.b LIMIT 1) c)) AS p
         FROM x",
        list(""),
        list("z."),
        if groups.is_empty() { String::new() } else { format!(", (SELECT DISTINCT {} FROM g) z", groups.join(", ")) },
        same("g", "grid"),
        before(""),
        before("AND f.s IS NOT NULL"),
        number("x.b"),
        number("a.b"),
        number("c.b"),
        same("f", "x"),
    );
    (ours, reference)
}

#[test]
fn gap_filling_equals_plain_sql_on_random_queries() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "random");
    points(&db);
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SET timezone = 'UTC'; SET jit = off",
    );
    let rounds = std::env::var("STRATA_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100);
    let mut dice = Dice(7);
    let mut filled = 0;
    for round in 0..rounds {
        let (ours, reference) = question(&mut dice);
        exec(
            &mut session,
            &format!(
                "SET enable_hashagg = {}; SET enable_sort = {}",
                round % 3 != 0,
                round % 5 != 0
            ),
        );
        let differing = format!(
            "WITH a AS MATERIALIZED ({ours}), b AS MATERIALIZED ({reference})
             SELECT (SELECT count(*) FROM (TABLE a EXCEPT ALL TABLE b UNION ALL (TABLE b EXCEPT ALL TABLE a)) d),
                    (SELECT count(*) FROM a WHERE n IS NULL)"
        );
        let answer = rows(&mut session, &differing);
        let (differing, gaps) = answer.split_once('|').unwrap();
        assert_eq!(differing, "0", "{ours}\n\n{reference}");
        filled += gaps.parse::<u64>().unwrap();
    }
    assert!(filled > 1000, "{filled}");
}

const FEW: &str = "CREATE TABLE m (ts timestamptz, dev int, v float8);
    INSERT INTO m VALUES ('2024-01-01 01:10+00', 1, 10), ('2024-01-01 04:10+00', 1, 40), ('2024-01-01 02:10+00', 2, 5);";

#[test]
fn conditions_on_a_function_that_fills_gaps_do_not_move_into_it() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "inlined");
    db.run(FEW);
    let body = "SELECT strata.time_bucket_gapfill('1 hour', ts) AS b, dev, sum(v) FROM public.m WHERE ts >= since AND ts < until GROUP BY 1, 2";
    let arguments = "(since timestamptz, until timestamptz) RETURNS TABLE (b timestamptz, dev int, s float8) LANGUAGE sql STABLE";
    db.run(&format!(
        "CREATE FUNCTION old_style{arguments} AS '{}';
         CREATE FUNCTION new_style{arguments} BEGIN ATOMIC {body}; END;
         CREATE FUNCTION outer_one{arguments} AS 'SELECT * FROM public.old_style(since, until) WHERE s IS NOT NULL OR dev = 1';
         CREATE VIEW seen AS SELECT * FROM outer_one('2024-01-01+00', '2024-01-01 06:00+00')",
        body.replace('\'', "''")
    ));
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    for function in ["old_style", "new_style", "outer_one"] {
        let count = |session: &mut _, what: &str| {
            one(
                session,
                &format!(
                    "SELECT count(*) FROM {function}('2024-01-01+00', '2024-01-01 06:00+00') {what}"
                ),
            )
        };
        let plan = rows(
            &mut session,
            &format!("EXPLAIN SELECT * FROM {function}('2024-01-01+00', '2024-01-01 06:00+00')"),
        );
        assert!(plan.contains("GapFill"), "{plan}");
        assert_eq!(count(&mut session, "WHERE s > 7"), "2", "{function}");
        assert_eq!(
            count(&mut session, "WHERE s IS NULL AND dev = 1"),
            "4",
            "{function}"
        );
        assert_eq!(
            count(&mut session, "WHERE dev = 1 AND b >= '2024-01-01 03:00+00'"),
            "3",
            "{function}"
        );
        assert_eq!(
            count(
                &mut session,
                "f JOIN m USING (dev) WHERE f.s = 5 AND m.v > 0"
            ),
            "1",
            "{function}"
        );
    }
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM seen WHERE s IS NULL"),
        "4"
    );
    // a prepared plan follows the function
    exec(
        &mut session,
        "PREPARE q AS SELECT count(*) FROM old_style('2024-01-01+00', '2024-01-01 06:00+00') WHERE s > 7",
    );
    for _ in 0..6 {
        assert_eq!(one(&mut session, "EXECUTE q"), "2");
    }
    db.run(&format!(
        "CREATE OR REPLACE FUNCTION old_style{arguments} AS '{}'",
        body.replace('\'', "''").replace("sum(v)", "sum(v) + 4")
    ));
    assert_eq!(one(&mut session, "EXECUTE q"), "3");
    // functions of other kinds are left to the server
    exec(
        &mut session,
        "CREATE FUNCTION plain(n int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT generate_series(1, n)';
         CREATE FUNCTION broken(n int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT 1 / n'",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM plain(5) p, LATERAL plain(p) q"
        ),
        "15"
    );
    fails(&mut session, "SELECT * FROM broken(0)", "22012", &[]);
}

#[test]
fn a_long_series_is_cancelled_and_takes_no_memory() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "long");
    db.run(FEW);
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SET timezone = 'UTC'",
    );
    // 290,000 years in microseconds
    for list in [
        "time_bucket_gapfill('1 us', ts, start => '2024-01-01', finish => '290000-01-01') AS b, locf(sum(v)), interpolate(sum(v))",
        "time_bucket_gapfill('1 us', ts, 'Europe/Berlin', start => '2024-01-01', finish => '290000-01-01') AS b, locf(count(*))",
    ] {
        for having in ["", "HAVING locf(sum(v)) < 0"] {
            let query =
                format!("SELECT count(*) FROM (SELECT {list} FROM m GROUP BY b {having}) x");
            let from = Instant::now();
            exec(&mut session, "SET statement_timeout = '300ms'");
            fails(&mut session, &query, "57014", &["timeout"]);
            assert!(
                from.elapsed() < Duration::from_secs(5),
                "{:?}",
                from.elapsed()
            );
            exec(&mut session, "RESET statement_timeout");
        }
    }
    let memory = "SELECT sum(used_bytes) FROM pg_backend_memory_contexts";
    let before: u64 = one(&mut session, memory).parse().unwrap();
    // seen from inside while the series runs
    let held = one(
        &mut session,
        "SELECT (SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE x.n > 0) FROM
         (SELECT count(*) AS n FROM (SELECT time_bucket_gapfill('1 second', ts, start => '2024-01-01', finish => '2024-01-07') AS b,
            locf(repeat(min(v)::text, 1000)), interpolate(sum(v)) FROM m GROUP BY b) y) x",
    );
    let held: u64 = held.parse().unwrap();
    assert!(held < before + 8_000_000, "{before} {held}");
}

#[test]
fn a_series_of_any_length_is_interpolated_in_work_mem_and_again_after_a_rescan() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "rescan");
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SET work_mem = '64kB'; SET enable_hashagg = off; SET jit = off;
         CREATE TABLE s AS SELECT g, g % 3 AS k, CASE WHEN g % 100 IN (0, 1, 2) THEN g END AS v, CASE WHEN g % 1000 = 7 THEN g * 2 END AS w
         FROM generate_series(1, 30000) g WHERE g % 7 > 0; ANALYZE s",
    );
    // both lines are straight: every value is known, those at the ends too
    let wrong = "SELECT count(*), count(*) FILTER (WHERE v <> x), count(*) FILTER (WHERE w <> 2 * x), count(v), count(w) FROM
        (SELECT time_bucket_gapfill(1, g) AS x, k, interpolate(max(v)) AS v, interpolate(max(w), (SELECT (0, 0)), (SELECT (40000, 80000))) AS w
         FROM s WHERE g >= 1 AND g <= 30000 GROUP BY x, k) y";
    let answer = rows(&mut session, wrong);
    assert!(
        answer.starts_with("90000|0|0|") && answer.ends_with("|90000"),
        "{answer}"
    );
    // the store of one run has nothing of the run before: the second and the fourth have no rows
    let again = "SELECT string_agg(c || ' ' || (i > 0), ', ' ORDER BY n) FROM (SELECT o.n, count(*) AS c, count(i) AS i
        FROM (VALUES (1, 1), (2, 50000), (3, 1), (4, 50000)) o(n, since), LATERAL
          (SELECT time_bucket_gapfill(1, g, start => 1, finish => 400) AS x, interpolate(max(v)) AS i FROM s
           WHERE g >= since AND g <= 400 AND k = 0 GROUP BY x OFFSET 0) y GROUP BY 1) z";
    assert_eq!(
        one(&mut session, again),
        "399 true, 399 false, 399 true, 399 false"
    );
}

#[test]
fn a_hypertable_has_the_range_of_any_other_table() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "same");
    db.run(
        "CREATE TABLE h (ts timestamptz NOT NULL, till timestamptz, v int);
         SELECT FROM strata.create_hypertable('h', strata.by_range('ts', interval '1 day'), end_column => 'till');
         INSERT INTO h SELECT t, t, 1 FROM generate_series(timestamptz '2024-01-01 01:00+00', '2024-01-05 00:00+00', '3 hours') t;
         CREATE TABLE plain AS TABLE h",
    );
    let mut session = db.session();
    exec(
        &mut session,
        "SET search_path = public, strata; SET timezone = 'UTC'",
    );
    let range = "ts >= '2024-01-02 00:00+00' AND ts < '2024-01-07 00:00+00'";
    // conditions that prune chunks of a hypertable, and choose rows only
    for more in [
        "time_bucket('3 days', ts) < '2024-01-03 00:00+00'",
        "time_bucket('1 day', ts, 'Europe/Berlin') >= '2024-01-04 00:00+00'",
        "till <= '2024-01-04 00:00+00'",
        "ts > now() - interval '100 years'",
    ] {
        let ask = |session: &mut _, table: &str| {
            rows(
                session,
                &format!(
                    "SELECT time_bucket_gapfill('12 hours', ts), count(*), locf(sum(v)) FROM {table} WHERE {range} AND {more} GROUP BY 1"
                ),
            )
        };
        let wanted = ask(&mut session, "plain");
        assert_eq!(wanted.lines().count(), 10, "{wanted}");
        assert_eq!(ask(&mut session, "h"), wanted, "{more}");
    }
    for table in ["h", "plain"] {
        let half = format!(
            "SELECT time_bucket_gapfill('1 day', ts) FROM {table} WHERE ts >= '2024-01-02' AND till < '2024-01-04' GROUP BY 1"
        );
        fails(&mut session, &half, "22023", &["finish"]);
    }
}
