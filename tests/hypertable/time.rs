//! Time functions against plain SQL, on random values, in parallel plans and without preload.

use crate::common::{Cluster, Db, exec, fails, one, rows};

const MILLENNIA: &str = "timestamp '1000-01-01' + random() * interval '2000 years'";

/// Random times, widths, origins and zones; the session is in UTC, the reference needs that.
fn random_times(db: &Db) {
    db.run(&format!(
        "SET search_path = public, strata;
         SELECT setseed(0.42);
         CREATE TABLE times AS
         SELECT {MILLENNIA} AS t,
                date_trunc('day', {MILLENNIA}) AS o,
                ceil(random() * random() * 4000000000) * interval '1 microsecond'
                  + floor(random() * 40) * interval '1 day' AS w,
                1 + floor(random() * 30)::int AS m,
                (random() - 0.5) * interval '20 days' AS shift,
                (ARRAY['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu',
                       'Pacific/Apia', 'UTC', 'EST5EDT', 'CET', '+05:30'])[1 + floor(random() * 9)] AS z,
                (random() * 2 - 1) * 9e18 AS n,
                1 + floor(random() * random() * 1e6)::int8 AS k
         FROM generate_series(1, 10000);
         -- the hours around changes of the clock
         UPDATE times SET t = timestamp '2024-03-30 20:00' + random() * interval '12 hours', w = interval '30 minutes'
         WHERE m = 1;
         UPDATE times SET t = timestamp '2024-10-26 20:00' + random() * interval '12 hours', w = interval '1 hour'
         WHERE m = 2;"
    ));
}

#[track_caller]
fn all_equal(db: &Db, got: &str, wanted: &str) {
    let differing = format!(
        "SELECT count(*), min(format('%s: %s, not %s', times::text, {got}, {wanted})) FILTER (WHERE {got} IS DISTINCT FROM {wanted})
         FROM times WHERE {got} IS DISTINCT FROM {wanted}"
    );
    let mut session = db.session();
    exec(&mut session, "SET search_path = public, strata");
    assert_eq!(rows(&mut session, &differing), "0|", "{got}");
}

const MONTHS: &str = "timestamp '2000-01-01' + interval '1 month' * m::int
    * floor(((extract(year FROM X) - 2000) * 12 + extract(month FROM X) - 1) / m)::int";

#[test]
fn time_bucket_equals_a_reference_in_plain_sql() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "buckets");
    random_times(&db);
    let origin = "timestamp '2000-01-03'";
    for (got, wanted) in [
        ("time_bucket(w, t)", format!("date_bin(w, t, {origin})")),
        ("time_bucket(w, t, o)", "date_bin(w, t, o)".into()),
        ("time_bucket(w, t, shift)", format!("date_bin(w, t - shift, {origin}) + shift")),
        ("time_bucket(w, t::timestamptz)", format!("date_bin(w, t, {origin})::timestamptz")),
        ("time_bucket(w, t::timestamptz, o::timestamptz)", "date_bin(w, t, o)::timestamptz".into()),
        ("time_bucket(w, t::timestamptz, shift)", format!("(date_bin(w, t - shift, {origin}) + shift)::timestamptz")),
        ("time_bucket(w, t::date)", format!("date_bin(w, t::date, {origin})::date")),
        ("time_bucket(w, t::date, o::date)", "date_bin(w, t::date, o)::date".into()),
        ("time_bucket(w, t::date, shift)", format!("(date_bin(w, t::date - shift, {origin}) + shift)::date")),
        ("time_bucket(m * interval '1 month', t)", MONTHS.replace('X', "t")),
        ("time_bucket(m * interval '1 month', t::date)", format!("({})::date", MONTHS.replace('X', "t"))),
        ("time_bucket(w, t AT TIME ZONE z, z)", format!("date_bin(w, t AT TIME ZONE z AT TIME ZONE z, {origin}) AT TIME ZONE z")),
        (
            "time_bucket(w, t::timestamptz, z, o::timestamptz, shift)",
            "(date_bin(w, (t::timestamptz AT TIME ZONE z) - shift, o::timestamptz AT TIME ZONE z) + shift) AT TIME ZONE z".into(),
        ),
        (
            "time_bucket(m * interval '1 month', t::timestamptz, z)",
            format!("({}) AT TIME ZONE z", MONTHS.replace('X', "(t::timestamptz AT TIME ZONE z)")),
        ),
        ("time_bucket(k, n::int8)", "(n::int8::numeric - mod(mod(n::int8::numeric, k) + k, k))::int8".into()),
        ("time_bucket(k, n::int8, m::int8)", "(n::int8::numeric - mod(mod(n::int8::numeric - m, k) + k, k))::int8".into()),
        ("time_bucket(m, (n / 5e9)::int)", "(floor((n / 5e9)::int::numeric / m) * m)::int".into()),
        ("time_bucket(m, (n / 5e9)::int, 3)", "(floor(((n / 5e9)::int::numeric - 3) / m) * m + 3)::int".into()),
        ("time_bucket(m::int2, (n / 4e14)::int2)", "(floor((n / 4e14)::int2::numeric / m) * m)::int2".into()),
        ("time_bucket(m::int2, (n / 4e14)::int2, 3::int2)", "(floor(((n / 4e14)::int2::numeric - 3) / m) * m + 3)::int2".into()),
    ] {
        all_equal(&db, got, &wanted);
    }
}

#[test]
fn ids_of_version_7_are_bucketed_by_their_time() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "ids");
    random_times(&db);
    db.run("DELETE FROM times WHERE t < '1970-01-01'");
    let ms = "date_trunc('milliseconds', t)::timestamptz";
    for (got, wanted) in [
        ("uuid_timestamp(to_uuidv7(t))", ms.to_string()),
        (
            "uuid_timestamp_micros(to_uuidv7(t))",
            "t::timestamptz".into(),
        ),
        (
            "uuid_timestamp_micros(to_uuidv7_boundary(t))",
            "t::timestamptz".into(),
        ),
        ("uuid_version(to_uuidv7(t))", "7".into()),
        ("to_uuidv7(t) >= to_uuidv7_boundary(t)", "true".into()),
        (
            "time_bucket(w, to_uuidv7(t))",
            format!("time_bucket(w, {ms})"),
        ),
        (
            "time_bucket(w, to_uuidv7(t), o)",
            format!("time_bucket(w, {ms}, o::timestamptz)"),
        ),
        (
            "time_bucket(w, to_uuidv7(t), shift)",
            format!("time_bucket(w, {ms}, shift)"),
        ),
        (
            "time_bucket(w, to_uuidv7(t), z)",
            format!("time_bucket(w, {ms}, z)"),
        ),
        (
            "time_bucket(w, to_uuidv7(t), z, o::timestamptz, shift)",
            format!("time_bucket(w, {ms}, z, o::timestamptz, shift)"),
        ),
    ] {
        all_equal(&db, got, &wanted);
    }
    let mut session = db.session();
    let rising = "SELECT bool_and(a < b) FROM (SELECT id a, lead(id) OVER (ORDER BY n) b FROM
                  (SELECT n, strata.generate_uuidv7() id FROM generate_series(1, 100000) n) x) y";
    assert_eq!(one(&mut session, rising), "t");
}

const PARALLEL: &str = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
    SET max_parallel_workers_per_gather = 2; SET search_path = public, strata";

fn readings(db: &Db) {
    db.run(
        "SELECT setseed(0.7);
         CREATE TABLE r AS SELECT timestamptz '2024-03-29' + n * interval '7 minutes 13 seconds' AS ts,
                floor(random() * 5)::int AS device, round((random() * 100 - 50)::numeric, 2)::float8 AS v,
                floor(random() * 1000)::int AS n, repeat('x', (random() * 300)::int) AS s, md5(n::text) AS u, ARRAY[random()] AS a
         FROM generate_series(1, 20000) n;
         UPDATE r SET v = NULL, s = NULL WHERE random() < 0.1;
         UPDATE r SET ts = NULL WHERE random() < 0.05;
         ANALYZE r",
    );
}

#[test]
fn aggregates_in_parallel_plans_equal_serial_ones() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "aggregates");
    readings(&db);
    let query = "SELECT device, first(v, ts), last(v, ts), first(s, ts), last(a, ts), first(r::text, ts), last(n, u COLLATE \"C\"),
                        first(ts, u), histogram(v, -20, 30.5, 7)
                 FROM r GROUP BY device ORDER BY device";
    let mut serial = db.session();
    exec(
        &mut serial,
        "SET search_path = public, strata; SET max_parallel_workers_per_gather = 0",
    );
    let mut parallel = db.session();
    exec(&mut parallel, PARALLEL);
    let plan = rows(&mut parallel, &format!("EXPLAIN (COSTS OFF) {query}"));
    assert!(
        plan.contains("Partial") && plan.contains("Gather"),
        "{plan}"
    );
    assert_eq!(rows(&mut parallel, query), rows(&mut serial, query));
    let reference = "SELECT device, (SELECT v FROM r i WHERE i.device = r.device AND ts IS NOT NULL ORDER BY ts LIMIT 1),
                            (SELECT v FROM r i WHERE i.device = r.device AND ts IS NOT NULL ORDER BY ts DESC LIMIT 1),
                            (SELECT array_agg(coalesce(c, 0) ORDER BY b) FROM generate_series(0, 8) b LEFT JOIN
                              (SELECT width_bucket(v, -20, 30.5, 7) b, count(*) c FROM r i WHERE i.device = r.device AND v IS NOT NULL GROUP BY 1) h
                              USING (b))
                     FROM r GROUP BY device ORDER BY device";
    let ours = "SELECT device, first(v, ts), last(v, ts), histogram(v, -20, 30.5, 7) FROM r GROUP BY device ORDER BY device";
    assert_eq!(rows(&mut serial, ours), rows(&mut serial, reference));
}

#[test]
fn gap_filling_equals_a_reference_in_plain_sql() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "gaps");
    readings(&db);
    // most buckets are empty
    db.run("DELETE FROM r WHERE random() < 0.97; ANALYZE r");
    let range = "ts >= '2024-03-20' AND ts < '2024-04-20'";
    let filled = format!(
        "SELECT time_bucket_gapfill('90 minutes', ts) AS b, device, avg(v), count(*), locf(avg(v)),
                locf(avg(v), treat_null_as_missing => true), round((interpolate(avg(v)) + 1.2345e-7)::numeric, 6)
         FROM r WHERE {range} GROUP BY b, device ORDER BY device, b"
    );
    // both sides are moved off the numbers that lie between two rounded ones
    let reference = format!(
        "WITH g AS (SELECT date_bin('90 minutes', ts, '2000-01-03+00') AS b, device, avg(v) AS v, count(*) AS n
                    FROM r WHERE {range} GROUP BY 1, 2),
         grid AS (SELECT s AS b, device FROM
                    generate_series(date_bin('90 minutes', '2024-03-20+00', '2000-01-03+00'), timestamptz '2024-04-20+00' - interval '1 us', '90 minutes') s,
                    (SELECT DISTINCT device FROM g) d),
         f AS (SELECT grid.*, g.v, g.n FROM grid LEFT JOIN g USING (b, device))
         SELECT b, device, v, n,
                (SELECT v FROM f p WHERE p.device = f.device AND p.b <= f.b AND p.n IS NOT NULL ORDER BY p.b DESC LIMIT 1),
                (SELECT v FROM f p WHERE p.device = f.device AND p.b <= f.b AND p.v IS NOT NULL ORDER BY p.b DESC LIMIT 1),
                round((coalesce(v, (SELECT p.v + (q.v - p.v) * extract(epoch FROM f.b - p.b)::float8 / extract(epoch FROM q.b - p.b)::float8 FROM
                   (SELECT * FROM f p WHERE p.device = f.device AND p.b < f.b AND p.v IS NOT NULL ORDER BY p.b DESC LIMIT 1) p,
                   (SELECT * FROM f p WHERE p.device = f.device AND p.b > f.b AND p.v IS NOT NULL ORDER BY p.b LIMIT 1) q)) + 1.2345e-7)::numeric, 6)
         FROM f ORDER BY device, b"
    );
    let mut session = db.session();
    exec(&mut session, "SET search_path = public, strata");
    let wanted = rows(&mut session, &reference);
    assert!(wanted.lines().count() > 2000);
    assert_eq!(rows(&mut session, &filled), wanted);
    exec(&mut session, PARALLEL);
    let plan = rows(&mut session, &format!("EXPLAIN (COSTS OFF) {filled}"));
    assert!(
        plan.contains("GapFill") && plan.contains("Gather"),
        "{plan}"
    );
    assert_eq!(rows(&mut session, &filled), wanted);
    // rows of a series that does not fit into memory
    exec(
        &mut session,
        "SET work_mem = '64kB'; SET enable_hashagg = off",
    );
    assert_eq!(rows(&mut session, &filled), wanted);
}

#[test]
fn local_days_of_gap_filling_are_those_of_time_bucket() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "zones");
    let mut session = db.session();
    exec(&mut session, "SET search_path = public, strata");
    for zone in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "UTC",
        "Asia/Tehran",
    ] {
        for width in [
            "1 day",
            "1 month",
            "1 hour",
            "30 minutes",
            "15 minutes",
            "6 hours",
            "1 week",
        ] {
            // every bucket of time_bucket within the range, and no other
            let difference = format!(
                "WITH a AS (SELECT time_bucket_gapfill('{width}', ts, '{zone}', start => '2011-06-01', finish => '2012-06-01') b
                            FROM (VALUES (timestamptz '2012-01-01')) v(ts) GROUP BY 1),
                      b AS (SELECT DISTINCT time_bucket('{width}', s, '{zone}') b FROM
                            generate_series(timestamptz '2011-06-01', '2012-05-31 23:59', '5 minutes') s)
                 SELECT count(*) FROM (TABLE a EXCEPT TABLE b UNION ALL (TABLE b EXCEPT TABLE a)) x
                 WHERE b < '2012-06-01' AND b >= '2011-06-02'"
            );
            assert_eq!(one(&mut session, &difference), "0", "{zone} {width}");
        }
    }
}

#[test]
fn gap_filling_without_preload_says_what_is_missing() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "bare");
    let query = "SELECT strata.time_bucket_gapfill('1 hour', ts), strata.locf(count(*))
                 FROM (VALUES (timestamptz '2024-01-01'), ('2024-01-01 05:00')) v(ts) WHERE ts >= '2024-01-01' AND ts < '2024-01-02' GROUP BY 1";
    for _ in 0..2 {
        let mut session = db.session();
        for _ in 0..2 {
            let error = fails(&mut session, query, "0A000", &["preloaded"]);
            let hint = error.hint().unwrap_or_default();
            assert!(
                hint.contains("shared_preload_libraries = 'pg_strata'"),
                "{hint}"
            );
        }
        // everything else of the time functions works
        assert_eq!(one(&mut session, "SELECT strata.time_bucket(5, 13)"), "10");
    }
    let mut session = db.session();
    exec(
        &mut session,
        "ALTER DATABASE bare SET session_preload_libraries = 'pg_strata'",
    );
    let mut session = db.session();
    assert_eq!(rows(&mut session, query).lines().count(), 24);
}

#[test]
fn a_tutorial_of_the_public_kind_runs_with_another_search_path() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "tutorial");
    db.run(
        "ALTER DATABASE tutorial SET search_path = \"$user\", public, strata;
         ALTER DATABASE tutorial SET timezone = 'UTC'",
    );
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE conditions (time timestamptz NOT NULL, location text NOT NULL, device text NOT NULL,
                                  temperature double precision NULL, humidity double precision NULL);
         SELECT create_hypertable('conditions', by_range('time'));
         CREATE TABLE stocks (time timestamptz NOT NULL, symbol text NOT NULL, price double precision, day_volume int);
         SELECT create_hypertable('stocks', 'time', chunk_time_interval => INTERVAL '1 day');
         CREATE INDEX ix_symbol_time ON stocks (symbol, time DESC);
         INSERT INTO conditions SELECT now() - n * interval '10 minutes', 'office', 'dev' || n % 3, 70 + n % 10, 50
         FROM generate_series(0, 1000) n;
         INSERT INTO stocks SELECT now() - n * interval '1 minute', (ARRAY['AAPL', 'TSLA'])[1 + n % 2], 100 + n % 50, n
         FROM generate_series(0, 7000) n;",
    );
    let hours = "SELECT time_bucket('1 hour', time) AS bucket, device, avg(temperature), first(temperature, time), last(temperature, time)
                 FROM conditions WHERE time > now() - INTERVAL '1 day' GROUP BY bucket, device ORDER BY bucket DESC, device";
    assert!(rows(&mut session, hours).lines().count() >= 72);
    let candles = "SELECT time_bucket('1 day', \"time\") AS day, symbol, max(price) AS high, first(price, time) AS open,
                          last(price, time) AS close, min(price) AS low FROM stocks GROUP BY day, symbol ORDER BY day DESC, symbol LIMIT 4";
    assert_eq!(rows(&mut session, candles).lines().count(), 4);
    let filled = "SELECT time_bucket_gapfill('5 minutes', time) AS bucket, device, locf(avg(temperature)), interpolate(avg(humidity))
                  FROM conditions WHERE time > now() - INTERVAL '2 hours' AND time < now() GROUP BY bucket, device ORDER BY bucket";
    assert_eq!(rows(&mut session, filled).lines().count() % 3, 0);
    let bars = "SELECT device, histogram(temperature, 70.0, 80.0, 5) FROM conditions GROUP BY device ORDER BY 1";
    assert_eq!(rows(&mut session, bars).lines().count(), 3);
    assert_ne!(
        one(
            &mut session,
            "SELECT count(*) FROM show_chunks('stocks', older_than => INTERVAL '2 days')"
        ),
        "0"
    );
    exec(
        &mut session,
        "SELECT drop_chunks('stocks', INTERVAL '2 days')",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM show_chunks('stocks', older_than => INTERVAL '2 days')"
        ),
        "0"
    );
    exec(
        &mut session,
        "SELECT hypertable_size('conditions'); SELECT * FROM hypertable_detailed_size('conditions'); SELECT * FROM chunks_detailed_size('stocks');
         SELECT approximate_row_count('stocks'); SELECT * FROM hypertables; SELECT * FROM chunks;
         SELECT add_retention_policy('conditions', INTERVAL '24 hours'); SELECT * FROM jobs; SELECT remove_retention_policy('conditions');
         SELECT set_chunk_time_interval('conditions', INTERVAL '24 hours');",
    );
}
