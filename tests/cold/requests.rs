//! How many requests reading costs, and that all who count them agree.

use crate::common::FaultProxy;
use crate::support::{ColdDb, Db, exec, fails, one, rows, s3, server};
use postgres::Client;

/// One cold chunk of 60000 rows, about 12 MB with its three indexes, behind a proxy.
fn events<'a>(name: &'a str, proxy: &FaultProxy) -> Db<'a> {
    let db = Db::new(server(), name);
    db.archive(&proxy.endpoint(), "");
    db.run(
        "CREATE TABLE e (id uuid, ts timestamptz NOT NULL, dev int NOT NULL, val float8, note text,
             PRIMARY KEY (id, ts));
         CREATE INDEX e_dev ON e (dev, ts);
         CREATE INDEX e_ts ON e (ts);
         INSERT INTO e SELECT md5(g::text)::uuid, '2025-01-01 00:00+00'::timestamptz + g * interval '40 s',
             g % 500, g / 4.0, rpad('note ' || g, 60, '.') FROM generate_series(0, 59999) g;
         SELECT FROM strata.create_hypertable('e', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         SELECT strata.set_cold_storage('e', server => 'archive');
         CALL strata.tier_chunks('e', older_than => timestamptz '2025-02-01 00:00+00')",
    );
    assert_eq!(db.keys().len(), 1);
    db
}

/// What a statement costs with nothing in memory: requests and bytes, on which the proxy, the
/// session's counters, the file's counters and EXPLAIN agree.
#[track_caller]
fn cost(session: &mut Client, proxy: &FaultProxy, sql: &str) -> (u64, u64) {
    exec(session, "SELECT strata.cold_cache_reset()");
    let stats = "SELECT gets || ' ' || bytes FROM strata.cold_session_stats()";
    let before = numbers(&one(session, stats));
    let of_files = "SELECT coalesce(sum(gets), 0) || ' ' || coalesce(sum(bytes), 0) \
        FROM strata.cold_session_files";
    let files_before = numbers(&one(session, of_files));
    proxy.reset();
    let plan = rows(
        session,
        &format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}"),
    );
    let counted = proxy.counts();
    let shown = (property(&plan, "GETs: "), property(&plan, "Bytes: "));
    let after = numbers(&one(session, stats));
    let files_after = numbers(&one(session, of_files));
    let real = (counted.gets, counted.bytes);
    assert_eq!(shown, real, "{plan}\n{:?}", proxy.requests());
    assert_eq!((after.0 - before.0, after.1 - before.1), real);
    assert_eq!(
        (
            files_after.0 - files_before.0,
            files_after.1 - files_before.1
        ),
        real
    );
    real
}

fn numbers(text: &str) -> (u64, u64) {
    let (gets, bytes) = text.split_once(' ').expect("two numbers");
    (gets.parse().expect("gets"), bytes.parse().expect("bytes"))
}

/// The sum of a property over all nodes of a plan.
fn property(plan: &str, name: &str) -> u64 {
    let values = plan.lines().filter_map(|line| {
        let (_, value) = line.split_once(name)?;
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    values.sum()
}

const LOOKUP: &str = "SELECT * FROM e WHERE id = md5('30000')::uuid AND ts = \
    '2025-01-01 00:00+00'::timestamptz + 30000 * interval '40 s'";

/// What every row fulfils is no condition: the file is streamed, as without it.
#[test]
fn conditions_that_leave_all_rows_cost_nothing() {
    let proxy = s3().proxy();
    let db = events("requests_all", &proxy);
    let mut session = db.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    let whole = cost(&mut session, &proxy, "SELECT min(note || '') FROM e");
    assert!(whole.0 <= 5, "{whole:?}");
    let sql = "SELECT min(note || '') FROM e WHERE ts < '2025-02-01 00:00+00' AND dev >= 0";
    assert_eq!(cost(&mut session, &proxy, sql), whole);
    exec(&mut session, "SET strata.cold_pushdown = off");
    assert_eq!(cost(&mut session, &proxy, sql), whole);
}

#[test]
fn requests_stay_within_the_budget() {
    let proxy = s3().proxy();
    let db = events("requests_budget", &proxy);
    let mut session = db.session();
    let size: u64 = db
        .one("SELECT bytes FROM strata.cold_files")
        .parse()
        .expect("bytes");
    assert!(size > 8 << 20, "{size}");
    let hour = "ts >= '2025-01-14 00:00+00' AND ts < '2025-01-14 01:00+00'";
    for (sql, most) in [
        (LOOKUP, 2),
        (&LOOKUP.replace("SELECT *", "SELECT id"), 1),
        (&format!("SELECT count(val) FROM e WHERE {hour}"), 3),
        (&format!("SELECT count(*) FROM e WHERE {hour}"), 3),
        (
            "SELECT * FROM e WHERE dev = 77 AND ts >= '2025-01-14 00:00+00' AND ts < '2025-01-15 00:00+00'",
            10,
        ),
        ("SELECT * FROM e ORDER BY ts DESC LIMIT 1", 2),
        ("SELECT count(*) FROM e WHERE ts < '2024-12-31 00:00+00'", 0),
    ] {
        let (gets, bytes) = cost(&mut session, &proxy, sql);
        assert!(
            gets <= most,
            "{gets} requests: {sql}\n{:?}",
            proxy.requests()
        );
        assert!(bytes <= size / 4, "{bytes} bytes: {sql}");
    }
    let (gets, bytes) = cost(&mut session, &proxy, "SELECT sum(val), max(note) FROM e");
    assert!(
        gets <= 2 + bytes.div_ceil(4 << 20),
        "{gets} requests for {bytes} bytes: {:?}",
        proxy.requests()
    );
    // once more, from memory
    proxy.reset();
    one(&mut session, "SELECT sum(val) FROM e");
    assert_eq!(proxy.counts().gets, 0);
    // without the head in the catalog: one request more
    exec(
        &mut session,
        "DELETE FROM strata.cold_head; SELECT strata.cold_cache_reset()",
    );
    let (gets, _) = cost(&mut session, &proxy, LOOKUP);
    assert!(gets <= 3, "{gets}: {:?}", proxy.requests());
}

#[test]
fn a_statement_stops_at_its_budget() {
    let proxy = s3().proxy();
    let db = events("requests_limit", &proxy);
    let key = db.keys().remove(0);
    let mut session = db.session();
    exec(&mut session, "SET strata.cold_get_budget = 1");
    proxy.reset();
    let error = fails(&mut session, LOOKUP, "53400", &["e_h1_20250101", &key]);
    assert!(error.message().contains("cold_get_budget"), "{error:?}");
    assert_eq!(proxy.counts().gets, 1);
    // the next statement has a budget of its own, and what was fetched is still there
    assert_eq!(rows(&mut session, LOOKUP).lines().count(), 1);
    exec(
        &mut session,
        "SELECT strata.cold_cache_reset(); SET strata.cold_get_budget = 2",
    );
    assert_eq!(rows(&mut session, LOOKUP).lines().count(), 1);
    // exports do not answer to it
    db.run("ALTER DATABASE requests_limit SET strata.cold_get_budget = 1");
    db.run(
        "SET strata.cold_get_budget = 0; CALL strata.untier_chunks('e');
         CALL strata.tier_chunks('e', older_than => timestamptz '2025-02-01 00:00+00')",
    );
    assert_eq!(db.keys().len(), 1);
    fails(&mut db.session(), LOOKUP, "53400", &["e_h1_20250101"]);
}

/// Counters of files are for those who may read their table.
#[test]
fn counters_of_files_show_readable_tables_only() {
    let db = Db::new(server(), "requests_files");
    db.metrics();
    db.tier("2025-03-01");
    db.run("CREATE ROLE requests_reader LOGIN; GRANT USAGE ON SCHEMA strata TO requests_reader");
    let mut session = db.session();
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "2160");
    let files = "SELECT count(*) FROM strata.cold_session_files WHERE hypertable = 'm'::regclass AND gets > 0 AND bytes > 0";
    assert_eq!(one(&mut session, files), "2");
    exec(&mut session, "SET ROLE requests_reader");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.cold_session_files"
        ),
        "0"
    );
    exec(
        &mut session,
        "RESET ROLE; DROP OWNED BY requests_reader; DROP ROLE requests_reader",
    );
}

/// Ranges of time, whichever way they are read: the answers are those of reading everything.
#[test]
fn ranges_of_time_lose_nothing() {
    let proxy = s3().proxy();
    let db = events("requests_rows", &proxy);
    let mut session = db.session();
    let at = |n: i64| format!("('2025-01-01 00:00+00'::timestamptz + {n} * interval '40 s')");
    for (low, high) in [(3000, 3001), (20_000, 26_000), (59_990, 70_000)] {
        for (from, to) in [(">=", "<"), (">", "<=")] {
            let filter = format!("ts {from} {} AND ts {to} {}", at(low), at(high));
            for order in ["", " ORDER BY ts", " ORDER BY ts DESC"] {
                let sql = format!(
                    "SELECT count(*) || ' ' || coalesce(md5(string_agg(r::text, ',')), '') FROM \
                     (SELECT id, ts, val FROM e WHERE {filter}{order}) r"
                );
                let answer = one(&mut session, &sql);
                exec(&mut session, "SET strata.cold_pushdown = off");
                let wanted = one(&mut session, &sql);
                exec(&mut session, "RESET strata.cold_pushdown");
                assert_eq!(answer, wanted, "{filter}{order}");
            }
        }
    }
}
