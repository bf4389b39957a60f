//! Files that come next are asked for while the current one is waited for; what may never be read is not.

use crate::common::FaultProxy;
use crate::support::{ColdDb, Db, exec, one, rows, s3, server};
use postgres::Client;
use std::time::Duration;

const LATENCY: Duration = Duration::from_millis(40);

/// Nine months of a table, eight of them cold, each a file of its own behind the proxy.
fn months<'a>(name: &'a str, proxy: &FaultProxy) -> Db<'a> {
    wide_months(name, proxy, 100)
}

/// The same with notes of so many characters.
fn wide_months<'a>(name: &'a str, proxy: &FaultProxy, width: usize) -> Db<'a> {
    let db = Db::new(server(), name);
    db.archive(&proxy.endpoint(), ", max_connections '8'");
    db.run(&format!(
        "CREATE TABLE y (id bigint, ts timestamptz NOT NULL, dev int, note text, PRIMARY KEY (id, ts));
         CREATE INDEX y_dev ON y (dev, ts);
         INSERT INTO y SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '20 min', g % 1000,
             rpad('note ' || g, {width}, '.') FROM generate_series(0, 19000) g;
         SELECT FROM strata.create_hypertable('y', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         SELECT strata.set_cold_storage('y', server => 'archive');
         CALL strata.tier_chunks('y', older_than => timestamptz '2025-09-01 00:00+00')"
    ));
    assert_eq!(db.keys().len(), 8);
    db
}

/// How long a statement waits for the store with nothing in memory, and its answer.
fn waited(session: &mut Client, prefetch: u32, sql: &str) -> (Duration, String) {
    exec(
        session,
        &format!("SELECT strata.cold_cache_reset(); SET strata.cold_prefetch = {prefetch}"),
    );
    let stats = "SELECT wait_ms FROM strata.cold_session_stats()";
    let before = one(session, stats).parse::<f64>().expect("a number");
    let answer = one(session, sql);
    let waited = one(session, stats).parse::<f64>().expect("a number") - before;
    (Duration::from_secs_f64(waited / 1000.0), answer)
}

const DEVICE: &str = "SELECT count(*) || ' ' || sum(id) || ' ' || max(note) FROM y WHERE dev = 77 AND ts < '2025-09-01 00:00+00'";

#[test]
fn waits_for_several_files_overlap() {
    let proxy = s3().proxy();
    let db = months("ahead_overlap", &proxy);
    let mut session = db.session();
    // with parallel workers the files are shared out, and nothing is asked ahead
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    // plans and catalogs are known from here on
    let (_, wanted) = waited(&mut session, 0, DEVICE);
    proxy.latency(LATENCY);
    proxy.reset();
    let (alone, answer) = waited(&mut session, 0, DEVICE);
    assert_eq!(answer, wanted);
    let one_by_one = proxy.counts().gets;
    proxy.reset();
    let (together, answer) = waited(&mut session, 8, DEVICE);
    assert_eq!(answer, wanted);
    assert!(
        proxy.counts().gets <= one_by_one + 2,
        "{} requests instead of {one_by_one}",
        proxy.counts().gets
    );
    assert!(one_by_one >= 16, "{one_by_one}");
    assert!(
        together < alone * 3 / 10,
        "{together:?} with, {alone:?} without"
    );
    proxy.latency(Duration::ZERO);
}

/// Below a LIMIT the next file is asked for only when half of the current one is read.
#[test]
fn what_may_never_run_costs_nothing() {
    let proxy = s3().proxy();
    let db = months("ahead_limit", &proxy);
    let keys = db.keys();
    let mut session = db.session();
    exec(
        &mut session,
        "SET strata.cold_prefetch = 8; SET max_parallel_workers_per_gather = 0",
    );
    proxy.reset();
    let sql = "SELECT id, note FROM y WHERE ts < '2025-09-01 00:00+00' ORDER BY ts LIMIT 10";
    assert_eq!(rows(&mut session, sql).lines().count(), 10);
    let others = |proxy: &FaultProxy| {
        let requests = proxy.requests();
        let other = |r: &&String| !r.contains(keys[0].rsplit('/').next().expect("a name"));
        requests.iter().filter(other).count()
    };
    assert_eq!(others(&proxy), 0, "{:?}", proxy.requests());
    // and none is asked for by a nested loop that prunes while it runs
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    proxy.reset();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; PREPARE p(timestamptz) AS SELECT note FROM y WHERE ts = $1",
    );
    let found = rows(&mut session, "EXECUTE p('2025-01-05 00:00+00')");
    assert_eq!(found.lines().count(), 1);
    assert_eq!(others(&proxy), 0, "{:?}", proxy.requests());
}

/// A cancelled or failed query leaves nothing behind that goes on asking.
#[test]
fn what_was_asked_ahead_ends_with_the_query() {
    let proxy = s3().proxy();
    let db = months("ahead_end", &proxy);
    let mut session = db.session();
    exec(
        &mut session,
        "SET strata.cold_prefetch = 8; SET max_parallel_workers_per_gather = 0",
    );
    // what this session asks for; the proxy may see the last ones of a query after its end
    let asked = "SELECT coalesce(string_agg(key || gets, ' ' ORDER BY key), '') FROM strata.cold_session_files \
        WHERE strpos(key, 'y__20250101') = 0";
    let january = "SELECT count(*) FROM y WHERE ts < '2025-02-01 00:00+00'";
    exec(
        &mut session,
        "BEGIN; DECLARE d CURSOR FOR SELECT note FROM y WHERE dev = 5 AND ts < '2025-09-01 00:00+00'",
    );
    assert_eq!(rows(&mut session, "FETCH 1 FROM d").lines().count(), 1);
    exec(&mut session, "ROLLBACK");
    let before = one(&mut session, asked);
    assert!(before.contains("y__20250201"), "{before}");
    assert_eq!(one(&mut session, january), "2232");
    assert_eq!(one(&mut session, asked), before);
    // the same after an error
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    let error = session
        .simple_query("SELECT 1 / (dev - 5) FROM y WHERE dev = 5 AND ts < '2025-09-01 00:00+00'");
    assert!(error.is_err());
    let before = one(&mut session, asked);
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    assert_eq!(one(&mut session, january), "2232");
    assert_eq!(one(&mut session, asked), before);
}

/// Two scans of the same files in one statement: while the one waits inside of SQLite, the other is
/// not begun on the same connection.
#[test]
fn files_that_a_statement_reads_twice_give_the_same_rows() {
    let proxy = s3().proxy();
    let db = wide_months("ahead_twice", &proxy, 400);
    let mut session = db.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    let scan = |filter: &str| {
        format!("SELECT id, note FROM y WHERE ts < '2025-09-01 00:00+00' AND {filter}")
    };
    let union = |filter: &str, other: &str| {
        format!(
            "SELECT count(*) || ' ' || sum(id) || ' ' || max(note) FROM ({} UNION ALL {}) s",
            scan(filter),
            scan(other)
        )
    };
    let nested = "SELECT count(*) || ' ' || sum((SELECT max(id) FROM y b WHERE b.dev = a.dev AND b.ts < '2025-09-01 00:00+00')) \
         FROM y a WHERE dev IN (5, 77, 500) AND ts < '2025-09-01 00:00+00'";
    for sql in [
        union("dev = 77", "dev = 78"),
        union("id % 7 = 3", "dev = 78"),
        union("dev = 78", "id % 7 = 3"),
        union("note LIKE '%9.%'", "note LIKE '%8.%'"),
        nested.to_owned(),
    ] {
        let (_, wanted) = waited(&mut session, 0, &sql);
        proxy.latency(Duration::from_millis(5));
        for prefetch in [8, 64] {
            let (_, answer) = waited(&mut session, prefetch, &sql);
            assert_eq!(answer, wanted, "{sql}");
        }
        proxy.latency(Duration::ZERO);
    }
}
