//! Bounds that the planner adds follow from the query in every zone, through joins, and for odd buckets.

use crate::common::{Cluster, Db, exec, one, rows};
use postgres::Client;

/// Chunks of a table that a plan holds, with those that EXPLAIN leaves out as running it would.
fn scans(session: &mut Client, sql: &str, table: &str) -> usize {
    let plan = rows(session, &format!("EXPLAIN (COSTS OFF) {sql}"));
    let wanted = format!(" on {table}_h");
    let scans = plan
        .lines()
        .filter(|l| l.contains("Scan") && l.contains(&wanted) && !l.contains("Bitmap Index"));
    scans.count() + removed(&plan)
}

pub fn removed(plan: &str) -> usize {
    plan.split("Subplans Removed: ")
        .skip(1)
        .map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().unwrap()
        })
        .sum()
}

fn days(db: &Db, table: &str, kind: &str) {
    db.run(&format!(
        "CREATE TABLE {table} (ts {kind} NOT NULL, id int, device int);
         SELECT strata.create_hypertable('{table}', strata.by_range('ts', INTERVAL '1 day'));
         SELECT count(*) FROM strata.premake_chunks('{table}', (now() - interval '60 days')::{kind}, (now() + interval '12 days')::{kind});
         INSERT INTO {table} SELECT (now() - i * interval '2 hours')::{kind}, i, i % 5 FROM generate_series(-140, 700) i"
    ));
}

/// Rows of a cached plan after the zone was changed, and of a fresh native one.
fn replayed(session: &mut Client, query: &str, at_plan: &str, at_run: &str) -> (String, String) {
    exec(
        session,
        &format!("SET timezone = '{at_plan}'; PREPARE p AS {query}"),
    );
    rows(session, "EXECUTE p");
    exec(session, &format!("SET timezone = '{at_run}'"));
    let cached = rows(session, "EXECUTE p");
    exec(session, "DEALLOCATE p; SET strata.planner = off");
    let native = rows(session, query);
    exec(session, "SET strata.planner = on");
    (cached, native)
}

#[test]
fn a_time_zone_that_nobody_lives_in_loses_no_row() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "odd");
    days(&db, "t", "timestamptz");
    days(&db, "d", "date");
    let mut session = db.session();
    exec(&mut session, "SET plan_cache_mode = force_generic_plan");
    let nested = "(((now()::timestamp AT TIME ZONE 'UTC')::timestamp AT TIME ZONE 'UTC')::timestamp AT TIME ZONE 'UTC')::timestamp AT TIME ZONE 'UTC'";
    for query in [
        "SELECT count(*) FROM d WHERE ts >= current_date".to_owned(),
        "SELECT count(*) FROM t WHERE ts >= current_date".to_owned(),
        "SELECT count(*) FROM t WHERE ts >= localtimestamp - interval '1 hour'".to_owned(),
        "SELECT count(*) FROM d WHERE ts >= now() - interval '1 day'".to_owned(),
        "SELECT count(*) FROM t WHERE ts >= now() - interval '1 day'".to_owned(),
        format!("SELECT count(*) FROM t WHERE ts >= {nested}"),
        format!("SELECT count(*) FROM d WHERE ts >= ({nested})::date"),
    ] {
        for (at_plan, at_run) in [
            ("UTC", "X+150"),
            ("X-150", "UTC"),
            ("X-167", "X+167"),
            ("Etc/GMT-14", "Etc/GMT+12"),
            ("America/New_York", "A-100B+100,M3.2.0,M11.1.0"),
        ] {
            let (cached, native) = replayed(&mut session, &query, at_plan, at_run);
            assert_eq!(
                cached, native,
                "{query}, planned in {at_plan}, run in {at_run}"
            );
        }
    }
    // by any way to set it
    for change in [
        "SET LOCAL timezone = 'X+150'",
        "SELECT set_config('TimeZone', 'X+150', true)",
        "SET LOCAL TIME ZONE INTERVAL '-150:00' HOUR TO MINUTE",
    ] {
        exec(
            &mut session,
            &format!(
                "SET timezone = 'UTC'; PREPARE p AS SELECT count(*) FROM d WHERE ts >= current_date; EXECUTE p; BEGIN; {change}"
            ),
        );
        let cached = one(&mut session, "EXECUTE p");
        exec(&mut session, "SET LOCAL strata.planner = off");
        assert_eq!(
            cached,
            one(
                &mut session,
                "SELECT count(*) FROM d WHERE ts >= current_date"
            ),
            "{change}"
        );
        exec(&mut session, "ROLLBACK; DEALLOCATE p");
    }
    // what needs no zone is bounded in each; and a named zone must be a real one
    exec(&mut session, "SET timezone = 'X+150'");
    assert!(
        scans(
            &mut session,
            "SELECT * FROM t WHERE ts > now() - interval '1 hour'",
            "t"
        ) < 16
    );
    exec(&mut session, "SET timezone = 'UTC'");
    let all = scans(&mut session, "SELECT * FROM t", "t");
    for (zone, bounded) in [
        ("Europe/Berlin", true),
        ("X+150Y-150,M3.2.0,M11.1.0", false),
    ] {
        let sql =
            format!("SELECT * FROM t WHERE ts >= (now() AT TIME ZONE '{zone}') AT TIME ZONE 'UTC'");
        assert_eq!(scans(&mut session, &sql, "t") < all, bounded, "{zone}");
    }
}

#[test]
fn a_bucket_that_begins_after_its_values_is_no_bound() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "offsets");
    db.run(
        "CREATE TABLE m (ts timestamp NOT NULL, id int) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 day'));
         SELECT count(*) FROM strata.premake_chunks('m', timestamp '2023-02-20', timestamp '2023-03-10');
         INSERT INTO m SELECT timestamp '2023-02-20' + i * interval '1 hour', i FROM generate_series(0, 400) i",
    );
    let mut session = db.session();
    exec(&mut session, "SET plan_cache_mode = force_generic_plan");
    let bucket = "strata.time_bucket('1 hour', ts, INTERVAL '1 month 1 day 12 hours')";
    exec(
        &mut session,
        &format!("PREPARE p(timestamp) AS SELECT count(*) FROM m WHERE {bucket} >= $1"),
    );
    let ours = one(&mut session, "EXECUTE p('2023-03-02')");
    exec(&mut session, "SET strata.planner = off");
    let native = one(
        &mut session,
        &format!("SELECT count(*) FROM m WHERE {bucket} >= '2023-03-02'"),
    );
    assert_eq!(ours, native);
}

#[test]
fn a_bound_passes_over_to_the_key_that_is_joined() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "joined");
    days(&db, "a", "timestamptz");
    days(&db, "b", "timestamptz");
    days(&db, "c", "timestamptz");
    db.run("CREATE TABLE plain AS SELECT * FROM a; DELETE FROM b WHERE id % 3 = 0; DELETE FROM c WHERE id % 4 = 0");
    let mut session = db.session();
    exec(
        &mut session,
        "SET timezone = 'Asia/Tokyo'; SET plan_cache_mode = force_custom_plan",
    );
    let hour = "now() - interval '1 hour'";
    for (sql, bounded) in [
        (format!("SELECT * FROM plain JOIN b ON plain.ts = b.ts WHERE plain.ts > {hour}"), "b"),
        (format!("SELECT * FROM plain, b WHERE b.ts = plain.ts AND {hour} < plain.ts"), "b"),
        (format!("SELECT * FROM a JOIN b USING (ts) WHERE a.ts > {hour}"), "ab"),
        (format!("SELECT * FROM a JOIN b USING (ts) JOIN c USING (ts) WHERE c.ts > {hour}"), "ac"),
        (format!("SELECT * FROM plain LEFT JOIN b ON plain.ts = b.ts WHERE plain.ts > {hour}"), "b"),
        (format!("SELECT * FROM plain LEFT JOIN b ON plain.ts = b.ts AND plain.ts > {hour}"), "b"),
        (format!("SELECT * FROM plain LEFT JOIN (b LEFT JOIN c ON b.ts = c.ts) ON b.id = plain.id AND b.ts > {hour}"), "bc"),
        (format!("SELECT * FROM plain WHERE ts > {hour} AND EXISTS (SELECT FROM b WHERE b.ts = plain.ts)"), "b"),
        (format!("SELECT * FROM plain WHERE ts > {hour} AND NOT EXISTS (SELECT FROM b WHERE b.ts = plain.ts)"), "b"),
        ("SELECT * FROM plain JOIN b USING (ts) WHERE plain.ts BETWEEN now()::date::timestamptz AND '2999-01-01'".to_owned(), "b"),
        ("UPDATE b SET device = 9 FROM plain WHERE plain.ts = b.ts AND plain.ts > now()".to_owned(), "b"),
    ] {
        for table in bounded.chars() {
            let n = scans(&mut session, &sql, &table.to_string());
            assert!((1..=18).contains(&n), "{n} chunks of {table}: {sql}");
        }
    }
    // where it does not follow nothing is added: the rows tell
    for sql in [
        "a JOIN b ON a.ts = b.ts WHERE a.ts > H",
        "a LEFT JOIN b ON a.ts = b.ts WHERE a.ts > H",
        "a LEFT JOIN b ON a.ts = b.ts AND a.ts > H",
        "a LEFT JOIN b ON a.ts = b.ts AND b.ts > H",
        "a RIGHT JOIN b ON a.ts = b.ts AND a.ts > H",
        "a RIGHT JOIN b ON a.ts = b.ts WHERE a.ts > H",
        "a FULL JOIN b ON a.ts = b.ts WHERE a.ts > H OR b.ts IS NULL",
        "a FULL JOIN (SELECT * FROM b WHERE ts > H) b ON a.ts = b.ts",
        "a LEFT JOIN b ON a.ts = b.ts WHERE a.ts > H OR a.id = 3",
        "a LEFT JOIN b ON a.ts = b.ts WHERE b.ts > H OR b.ts IS NULL",
        "a LEFT JOIN (b JOIN c ON b.ts = c.ts) ON a.id = b.id AND a.ts > H WHERE a.id < 99",
        "(a LEFT JOIN b ON a.id = b.id AND b.ts > H) LEFT JOIN c ON b.ts = c.ts",
        "(a LEFT JOIN b ON a.id = b.id) LEFT JOIN c ON b.ts = c.ts AND b.ts > H",
        "a JOIN LATERAL (SELECT * FROM b WHERE b.ts = a.ts OFFSET 0) b ON a.ts > H",
        "a WHERE a.ts NOT IN (SELECT ts FROM b WHERE ts > H)",
        "a WHERE NOT EXISTS (SELECT FROM b WHERE b.ts = a.ts AND b.ts > H)",
        "a JOIN b ON a.ts = b.ts + interval '1 day' WHERE a.ts > H",
        "a JOIN b ON a.ts <= b.ts AND a.id = b.id WHERE a.ts > H",
    ] {
        let sql = format!(
            "SELECT count(*), count(a.id), sum(a.id) FROM {}",
            sql.replace("> H", "> (now() - interval '7 days')")
        );
        let ours = rows(&mut session, &sql);
        exec(&mut session, "SET strata.planner = off");
        assert_eq!(ours, rows(&mut session, &sql), "{sql}");
        exec(&mut session, "SET strata.planner = on");
    }
}
