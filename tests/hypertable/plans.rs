//! Plans name only the chunks that a query needs, and stay right when time goes on.

use crate::common::{Cluster, Db, exec, fails, one, rows, wait_until};
use postgres::Client;

/// Chunks that a plan scans (or, with `removed`, leaves to pruning at run time as well).
fn chunks(session: &mut Client, sql: &str) -> usize {
    let plan = rows(session, &format!("EXPLAIN (COSTS OFF) {sql}"));
    let scans = plan
        .lines()
        .filter(|l| (l.contains("Scan") && l.contains(" on t_h")) && !l.contains("Bitmap Index"));
    let removed = plan.split("Subplans Removed: ").nth(1).map_or(0, |rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    });
    scans.count() + removed
}

/// A hypertable of 60 past days and 3 to come, a row every two hours.
fn days(db: &Db, kind: &str) {
    db.run(&format!(
        "CREATE TABLE t (ts {kind} NOT NULL, id int, device int) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'));
         SELECT count(*) FROM strata.premake_chunks('t', (now() - interval '60 days')::{kind},
                                                    (now() + interval '3 days')::{kind});
         INSERT INTO t SELECT (now() - i * interval '2 hours')::{kind}, i, i % 5 FROM generate_series(0, 700) i"
    ));
}

#[test]
fn a_plan_over_now_holds_only_recent_chunks() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "recent");
    days(&db, "timestamptz");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE VIEW v AS SELECT ts AS at, device FROM t",
    );
    exec(
        &mut session,
        "CREATE VIEW per AS SELECT strata.time_bucket('1 day', ts) AS day, count(*) FROM t GROUP BY 1",
    );
    // at most: yesterday, today and three to come
    for sql in [
        "SELECT * FROM t WHERE ts > now() - interval '1 hour'",
        "SELECT * FROM t WHERE now() - interval '1 hour' < ts",
        "SELECT * FROM t WHERE ts >= current_timestamp - interval '90 minutes' AND device = 1",
        "SELECT * FROM t WHERE ts > statement_timestamp() AND ts < now() + interval '1 day'",
        "SELECT * FROM v WHERE at > now() - interval '1 hour'",
        "SELECT * FROM (SELECT DISTINCT ts, device FROM t) s WHERE ts > now() - interval '1 hour'",
        "WITH c AS (SELECT * FROM t) SELECT * FROM c WHERE ts > now() - interval '1 hour'",
        "SELECT * FROM generate_series(1, 3) d, LATERAL (SELECT max(id) FROM t WHERE device = d AND ts > now() - interval '1 hour') x",
        "SELECT * FROM generate_series(1, 3) d LEFT JOIN t ON device = d AND ts > now() - interval '1 hour'",
        "SELECT 1 WHERE EXISTS (SELECT FROM t WHERE ts > now() - interval '1 hour')",
        "SELECT device, ts FROM t GROUP BY 1, 2 HAVING ts > now() - interval '1 hour'",
        "SELECT * FROM t WHERE strata.time_bucket('1 hour', ts) > now() - interval '1 hour'",
        "UPDATE t SET id = 0 WHERE ts > now() - interval '1 hour'",
        "DELETE FROM t WHERE ts > now() - interval '1 hour'",
    ] {
        let n = chunks(&mut session, sql);
        assert!((1..=5).contains(&n), "{n} chunks: {sql}");
    }
    // each member of UNION ALL once; the margins of days, dates and cuts
    for (sql, most) in [
        (
            "SELECT * FROM (SELECT * FROM t UNION ALL SELECT * FROM t) u WHERE ts > now() - interval '1 hour'",
            10,
        ),
        ("SELECT * FROM t WHERE ts > current_date", 8),
        ("SELECT * FROM t WHERE ts > now() - interval '1 day'", 8),
        (
            "SELECT * FROM t WHERE ts >= date_trunc('day', localtimestamp)",
            9,
        ),
        ("SELECT * FROM t WHERE ts > now() - interval '1 month'", 47),
        ("SELECT * FROM per WHERE day >= current_date", 65),
    ] {
        let n = chunks(&mut session, sql);
        assert!(n <= most, "{n} chunks: {sql}");
    }
    // upper bounds are left to the executor: a plan may run later, when more rows are below them
    exec(&mut session, "SET strata.planner = off");
    let all = chunks(&mut session, "SELECT * FROM t");
    exec(&mut session, "SET strata.planner = on");
    for sql in [
        "ts < now() - interval '1 hour'",
        "ts <= now() + interval '1 day'",
        "NOT ts > now()",
        "ts <> now()",
    ] {
        assert_eq!(
            chunks(&mut session, &format!("SELECT * FROM t WHERE {sql}")),
            all,
            "{sql}"
        );
    }
}

#[test]
fn a_plan_cached_three_chunks_ago_still_returns_all_rows() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "cached");
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL, id int) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 second'));
         SELECT count(*) FROM strata.premake_chunks('t', now() - interval '2 seconds', now() + interval '90 seconds')",
    );
    let mut session = db.session();
    exec(&mut session, "SET plan_cache_mode = force_generic_plan");
    exec(
        &mut session,
        "PREPARE p AS SELECT count(*) FROM t WHERE ts > now() - interval '1 minute'",
    );
    assert_eq!(one(&mut session, "EXECUTE p"), "0");
    let started = one(&mut session, "SELECT now()");
    // all chunks are there: nothing makes the plan be made anew
    let insert = "INSERT INTO t SELECT clock_timestamp(), 1";
    let mut inserted = 0;
    wait_until("three chunks have passed", || {
        exec(&mut session, insert);
        inserted += 1;
        assert_eq!(one(&mut session, "EXECUTE p"), inserted.to_string());
        one(
            &mut session,
            &format!("SELECT now() > '{started}'::timestamptz + interval '4 seconds'"),
        ) == "t"
    });
    let used = one(
        &mut session,
        "SELECT generic_plans > 3 FROM pg_prepared_statements",
    );
    assert_eq!(used, "t");
}

#[test]
fn a_cached_plan_is_right_in_every_time_zone() {
    let cluster = Cluster::builder().preload(true).start();
    for kind in ["timestamptz", "timestamp", "date"] {
        let db = Db::new(&cluster, kind);
        days(&db, kind);
        for (i, bound) in [
            "current_date",
            "current_date - 1",
            "localtimestamp - interval '1 hour'",
            "now() - interval '2 days'",
            "now() - interval '1 month'",
            "date_trunc('day', now())",
            "date_trunc('week', current_date - interval '1 day')",
            "date_trunc('month', localtimestamp)",
            "(now() AT TIME ZONE 'Asia/Tokyo')::date",
        ]
        .into_iter()
        .enumerate()
        {
            for (at_plan, at_run) in [
                ("Etc/GMT-14", "Etc/GMT+12"),
                ("Etc/GMT+12", "Etc/GMT-14"),
                ("Europe/Berlin", "Pacific/Apia"),
            ] {
                let mut session = db.session();
                let query = format!("SELECT count(*), min(ts) FROM t WHERE ts >= {bound}");
                exec(
                    &mut session,
                    &format!(
                        "SET plan_cache_mode = force_generic_plan; SET timezone = '{at_plan}'; PREPARE p{i} AS {query}"
                    ),
                );
                rows(&mut session, &format!("EXECUTE p{i}"));
                exec(&mut session, &format!("SET timezone = '{at_run}'"));
                let cached = rows(&mut session, &format!("EXECUTE p{i}"));
                exec(&mut session, "SET strata.planner = off");
                assert_eq!(
                    cached,
                    rows(&mut session, &query),
                    "{kind}: {query}, planned in {at_plan}, run in {at_run}"
                );
            }
        }
    }
}

#[test]
fn an_end_column_bounds_the_start() {
    for preload in [true, false] {
        let cluster = Cluster::builder().preload(preload).start();
        let db = Db::new(&cluster, "ends");
        db.run(
            "CREATE TABLE t (ts timestamptz NOT NULL, end_ts timestamptz) PARTITION BY RANGE (ts);
             SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'), end_column => 'end_ts');
             SELECT count(*) FROM strata.premake_chunks('t', '2024-01-01 00:00+00'::timestamptz, '2024-01-04 00:00+00'::timestamptz);
             INSERT INTO t VALUES ('2024-01-01 01:00+00', '2024-01-01 02:00+00'), ('2024-01-02 01:00+00', NULL)",
        );
        let mut session = db.session();
        fails(
            &mut session,
            "INSERT INTO t VALUES ('2024-01-02 03:00+00', '2024-01-02 02:00+00')",
            "23514",
            &[],
        );
        let query =
            "SELECT * FROM t WHERE ts >= '2024-01-01 00:00+00' AND end_ts <= '2024-01-01 12:00+00'";
        assert_eq!(chunks(&mut session, query), 1, "preload {preload}");
        assert_eq!(rows(&mut session, query).lines().count(), 1);
        if preload {
            // as a parameter of a cached plan: pruned when it runs
            exec(&mut session, "SET plan_cache_mode = force_generic_plan");
            exec(
                &mut session,
                "PREPARE p(timestamptz) AS SELECT count(*) FROM t WHERE end_ts < $1",
            );
            let plan = rows(&mut session, "EXPLAIN EXECUTE p('2024-01-01 12:00+00')");
            assert!(plan.contains("Subplans Removed: "), "{plan}");
            assert_eq!(one(&mut session, "EXECUTE p('2024-01-05')"), "1");
            // the condition rests on the CHECK: without it nothing follows
            let check = one(
                &mut session,
                "SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'",
            );
            exec(
                &mut session,
                &format!("ALTER TABLE t DROP CONSTRAINT {check}"),
            );
            let plan = rows(&mut session, "EXPLAIN EXECUTE p('2024-01-01 12:00+00')");
            assert!(!plan.contains("(ts < $1)"), "{plan}");
        }
    }
}

#[test]
fn a_leaky_condition_sees_no_row_that_a_policy_hides() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "leaky");
    days(&db, "timestamptz");
    db.run(
        "CREATE ROLE reader; GRANT SELECT ON t TO reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON t TO reader USING (device < 3 AND ts > now() - interval '40 days');
         CREATE FUNCTION spy(int) RETURNS bool LANGUAGE plpgsql STABLE COST 0.00001 AS
           $$ BEGIN IF $1 >= 3 THEN RAISE EXCEPTION 'saw %', $1; END IF; RETURN true; END $$",
    );
    let mut session = db.session();
    exec(&mut session, "SET ROLE reader");
    for sql in [
        "SELECT count(*) FROM t WHERE spy(device) AND ts > now() - interval '20 days'",
        "SELECT count(*) FROM (SELECT * FROM t WHERE spy(device) ORDER BY ts DESC LIMIT 1000) s",
        "SELECT count(*) FROM (SELECT * FROM t WHERE spy(device) AND ts < now() ORDER BY ts LIMIT 7 OFFSET 3) s",
    ] {
        let ours = one(&mut session, sql);
        exec(&mut session, "SET strata.planner = off");
        assert_eq!(ours, one(&mut session, sql), "{sql}");
        exec(&mut session, "SET strata.planner = on");
    }
    // permissions are checked once, as those of the user who asks
    exec(
        &mut session,
        "RESET ROLE; REVOKE SELECT ON t FROM reader; SET ROLE reader",
    );
    fails(
        &mut session,
        "SELECT * FROM t ORDER BY ts LIMIT 1",
        "42501",
        &["permission denied"],
    );
    exec(
        &mut session,
        "RESET ROLE; GRANT SELECT (ts, id) ON t TO reader; DROP POLICY own ON t; CREATE POLICY own ON t TO reader USING (true); SET ROLE reader",
    );
    assert_eq!(
        one(&mut session, "SELECT id FROM t ORDER BY ts DESC LIMIT 1"),
        "0"
    );
    fails(
        &mut session,
        "SELECT device FROM t ORDER BY ts LIMIT 1",
        "42501",
        &["permission denied"],
    );
}
