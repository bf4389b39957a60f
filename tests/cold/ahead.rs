//! Files that come next are asked for while the current one is waited for; what may never be read is not.

use crate::common::FaultProxy;
use crate::support::{ColdDb, Db, exec, force_parallel, one, rows, s3, server};
use postgres::Client;
use std::time::Duration;

/// Long against the work between two requests, on a busy machine too.
const LATENCY: Duration = Duration::from_millis(400);

/// Nine months of a table, eight of them cold, each a file of its own behind the proxy.
pub fn months<'a>(name: &'a str, proxy: &FaultProxy) -> Db<'a> {
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

/// The answer of a statement with nothing in memory.
fn answered(session: &mut Client, prefetch: u32, sql: &str) -> String {
    exec(
        session,
        &format!("SELECT strata.cold_cache_reset(); SET strata.cold_prefetch = {prefetch}"),
    );
    one(session, sql)
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
    let wanted = answered(&mut session, 0, DEVICE);
    proxy.latency(LATENCY);
    proxy.reset();
    assert_eq!(answered(&mut session, 0, DEVICE), wanted);
    let one_by_one = proxy.counts().gets;
    let before = proxy.most_at_once();
    proxy.reset();
    assert_eq!(answered(&mut session, 8, DEVICE), wanted);
    let at_once = proxy.most_at_once();
    assert!(
        before <= 2 && at_once >= 6,
        "{before} and {at_once} at once"
    );
    assert!(
        proxy.counts().gets <= one_by_one + 2,
        "{} requests instead of {one_by_one}",
        proxy.counts().gets
    );
    assert!(one_by_one >= 16, "{one_by_one}");
    proxy.latency(Duration::ZERO);
}

/// Whoever reads all files anyway asks for them at once: a worker with an Append of its own, a sort below a LIMIT.
#[test]
fn files_that_are_all_read_are_asked_for_together() {
    let proxy = s3().proxy();
    let db = months("ahead_all", &proxy);
    proxy.latency(LATENCY);
    let at_once = |settings: &str, sql: &str, word: &str| {
        let mut session = db.session();
        exec(&mut session, settings);
        let plan = rows(&mut session, &format!("EXPLAIN (COSTS OFF) {sql}"));
        assert!(plan.contains(word), "{plan}");
        proxy.reset();
        let answer = rows(&mut session, sql);
        (proxy.most_at_once(), answer)
    };
    let worker = format!("{}; SET enable_parallel_append = off", force_parallel());
    let alone = format!("{worker}; SET strata.cold_prefetch = 0");
    let (before, wanted) = at_once(&alone, DEVICE, "Gather");
    let (together, answer) = at_once(&worker, DEVICE, "Gather");
    assert_eq!(answer, wanted);
    assert!(
        before <= 2 && together >= 4,
        "{before} and {together} at once"
    );
    let sorted =
        "SELECT id FROM y WHERE dev = 77 AND ts < '2025-09-01 00:00+00' ORDER BY note LIMIT 3";
    let single = "SET max_parallel_workers_per_gather = 0";
    let (before, wanted) = at_once(
        &format!("{single}; SET strata.cold_prefetch = 0"),
        sorted,
        "Sort",
    );
    let (together, answer) = at_once(single, sorted, "Sort");
    assert_eq!(answer, wanted);
    assert!(
        before <= 2 && together >= 4,
        "{before} and {together} at once"
    );
    proxy.latency(Duration::ZERO);
}

/// The same where files aggregate: what is asked ahead are the rows that the aggregates need.
#[test]
fn waits_of_files_that_aggregate_overlap() {
    let proxy = s3().proxy();
    let db = months("ahead_states", &proxy);
    let mut session = db.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    for sql in [
        "SELECT count(*) || ' ' || sum(dev) FROM y WHERE id > 3 AND ts < '2025-09-01 00:00+00'",
        "SELECT string_agg(x::text, ' ' ORDER BY dev) FROM (SELECT dev, count(*), min(ts) FROM y \
         WHERE id > 3 AND ts < '2025-09-01 00:00+00' GROUP BY dev) x",
    ] {
        let plan = rows(&mut session, &format!("EXPLAIN {sql}"));
        assert_eq!(plan.matches("(ColdAgg)").count(), 8, "{plan}");
        let wanted = answered(&mut session, 0, sql);
        // longer than a busy machine needs from one request to the next
        proxy.latency(LATENCY);
        let mut at_once = |prefetch| {
            proxy.reset();
            assert_eq!(answered(&mut session, prefetch, sql), wanted);
            (proxy.most_at_once(), proxy.counts().gets)
        };
        let (before, one_by_one) = at_once(0);
        let (together, gets) = at_once(8);
        proxy.latency(Duration::ZERO);
        assert!(
            before <= 2 && together >= 4,
            "{before} and {together} at once: {sql}"
        );
        assert!(gets <= one_by_one + 2, "{gets} instead of {one_by_one}");
    }
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
    let january = "SELECT count(id + 0) FROM y WHERE ts < '2025-02-01 00:00+00'";
    // which of them are on their way when the first row is there is up to the machine
    let mut before = String::new();
    for _ in 0..20 {
        exec(
            &mut session,
            "SELECT strata.cold_cache_reset(); BEGIN; DECLARE d CURSOR FOR SELECT note FROM y WHERE dev = 5 AND ts < '2025-09-01 00:00+00'",
        );
        assert_eq!(rows(&mut session, "FETCH 1 FROM d").lines().count(), 1);
        exec(&mut session, "ROLLBACK");
        before = one(&mut session, asked);
        if !before.is_empty() {
            break;
        }
    }
    assert!(!before.is_empty(), "nothing was asked ahead");
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

/// A function reads a file that the calling query has asked for ahead: while the function waits inside
/// of SQLite, what was asked ahead must not go on in the same connection.
#[test]
fn a_file_asked_for_ahead_is_read_by_a_function_meanwhile() {
    let proxy = s3().proxy();
    let db = wide_months("ahead_inside", &proxy, 700);
    let mut session = db.session();
    exec(
        &mut session,
        "SET max_parallel_workers_per_gather = 0;
         CREATE FUNCTION april() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) || ' ' || sum(id)
             FROM y WHERE ts >= '2025-04-01 00:00+00' AND ts < '2025-05-01 00:00+00' AND length(note) > 5); END $$",
    );
    // the row is in January; in April there is none, and no index to see that by
    let sql = "SELECT april() FROM y WHERE ts < '2025-09-01 00:00+00' AND note = rpad('note 555', 700, '.')";
    proxy.latency(Duration::from_millis(10));
    for prefetch in [0, 64, 64, 64, 64] {
        let answer = answered(&mut session, prefetch, sql);
        assert_eq!(answer, "2160 16328520", "{prefetch}");
    }
    proxy.latency(Duration::ZERO);
}

/// What a scan waits for goes before what others will want: with one connection the files come in their order.
#[test]
fn the_file_that_is_waited_for_is_asked_first() {
    let proxy = s3().proxy();
    let db = months("ahead_first", &proxy);
    db.run("ALTER SERVER archive OPTIONS (SET max_connections '1')");
    let keys = db.keys();
    let mut session = db.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    let plan = rows(&mut session, &format!("EXPLAIN (COSTS OFF) {DEVICE}"));
    assert_eq!(plan.matches("(ColdScan)").count(), 8, "{plan}");
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    proxy.reset();
    one(&mut session, DEVICE);
    let mut order: Vec<usize> = vec![];
    for request in proxy.requests() {
        let file = keys.iter().position(|key| request.contains(key.as_str()));
        let file = file.expect("a file of this table");
        if !order.contains(&file) {
            order.push(file);
        }
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// While SQLite works on a file that is in memory, the next ones come.
#[test]
fn a_file_that_is_here_does_not_hold_up_the_next() {
    let proxy = s3().proxy();
    let db = months("ahead_here", &proxy);
    let mut session = db.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    let other = (100..110).map(|n| format!("id <> {n}")).collect::<Vec<_>>();
    let scan = |end: &str| {
        format!(
            "SELECT id, ts, dev, note FROM y WHERE {} AND ts < '{end} 00:00+00'",
            other.join(" AND ")
        )
    };
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    assert_eq!(
        rows(&mut session, &scan("2025-02-01")).lines().count(),
        2222
    );
    let asked = "SELECT count(*) FROM strata.cold_session_files WHERE gets > 0 AND key ~ 'y__20250[2345]01'";
    assert_eq!(one(&mut session, asked), "0");
    exec(
        &mut session,
        &format!(
            "BEGIN; DECLARE d NO SCROLL CURSOR FOR {}",
            scan("2025-09-01")
        ),
    );
    // less than half of it, and enough for SQLite to look up from its work
    assert_eq!(
        rows(&mut session, "FETCH 1000 FROM d").lines().count(),
        1000
    );
    assert_eq!(one(&mut session, asked), "4");
    exec(&mut session, "ROLLBACK");
}
