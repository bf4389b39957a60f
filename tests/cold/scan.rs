//! What ColdScan asks of a file and what it spares: exact conditions, the zone map, nested loops,
//! orders, the setting `strata.cold_reads`.

use crate::common::Fault;
use crate::support::{ColdDb, Db, FEBRUARY, exec, fails, one, rows, s3, server, try_one};
use postgres::Client;

const EXPLAIN: &str = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)";

fn cold(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db.run("ANALYZE m");
    db
}

fn plan(session: &mut Client, sql: &str) -> String {
    rows(session, &format!("{EXPLAIN} {sql}"))
}

fn property(plan: &str, name: &str) -> Vec<String> {
    let start = format!("{name}: ");
    plan.lines()
        .filter_map(|line| line.trim().strip_prefix(&start).map(str::to_owned))
        .collect()
}

fn sum(plan: &str, name: &str) -> i64 {
    let numbers = property(plan, name);
    numbers
        .iter()
        .map(|n| n.parse::<i64>().expect("a number"))
        .sum()
}

#[test]
fn exact_conditions_are_decided_by_the_file_alone() {
    let db = cold("scan_exact");
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    let within = "ts >= '2025-01-10 00:00+00' AND ts < '2025-01-12 00:00+00'";
    for (condition, count) in [
        ("dev = 3", 7),
        ("dev = 3::bigint", 7),
        ("dev IN (1, 2)", 14),
        ("dev = ANY ('{1,2,NULL}'::int[])", 14),
        ("dev NOT IN (1, 2)", 34),
        ("dev BETWEEN 2 AND 4 AND NOT (dev = 3)", 14),
        ("(dev = 1 OR (val > 57 AND val <= 58))", 10),
        ("(note IS NULL OR dev <> 1)", 42),
        ("(dev = 3) IS NOT TRUE", 41),
        ("note IS NOT DISTINCT FROM 'n221'", 1),
        ("note = 'n221'", 1),
        ("ts >= '2025-01-11'::date", 24),
        (
            "ts < '2025-01-11 06:00'::timestamp AND ts <> '2025-01-10'::date",
            29,
        ),
        (
            "ts = ANY ('{2025-01-10,2025-01-11,2025-01-12,infinity}'::date[])",
            2,
        ),
    ] {
        let sql = format!("SELECT count(id + 0) FROM m WHERE {within} AND {condition}");
        let plan = plan(&mut session, &sql);
        assert_eq!(one(&mut session, &sql), count.to_string(), "{plan}");
        assert!(!plan.contains("Filter:"), "evaluated twice: {plan}");
        assert_eq!(sum(&plan, "Rows Read"), count, "{plan}");
        assert_eq!(property(&plan, "Pushed").len(), 1, "{plan}");
    }
    // a superset is evaluated again, and says so
    let sql =
        format!("SELECT count(id + 0) FROM m WHERE {within} AND note LIKE 'n22_' AND id % 2 = 0");
    let text = plan(&mut session, &sql);
    assert_eq!(one(&mut session, &sql), "4", "{text}");
    assert!(property(&text, "Prefilter")[0].contains("n22_"), "{text}");
    assert!(!property(&text, "Prefilter")[0].contains('%'), "{text}");
    assert!(property(&text, "Filter")[0].contains("n22_"), "{text}");
    assert_eq!(sum(&text, "Rows Read"), 9, "{text}");
    // pages by key: the first column narrows what is read
    let sql = format!(
        "SELECT count(id + 0) FROM m WHERE {within} AND (ts, id) > ('2025-01-11 12:00+00', 252) AND (dev, id) <= (3, 1000)"
    );
    let text = plan(&mut session, &sql);
    assert_eq!(one(&mut session, &sql), "7", "{text}");
    assert_eq!(sum(&text, "Rows Read"), 8, "{text}");
    // columns that only the file looks at are not fetched
    let text = plan(
        &mut session,
        &format!("SELECT id FROM m WHERE {within} AND dev = 3"),
    );
    assert!(
        property(&text, "Cold SQL")[0].starts_with("SELECT \"rowid\", \"id\" FROM"),
        "{text}"
    );
}

/// What SQLite cannot compare is found out when the scan starts, and evaluated then.
#[test]
fn values_without_a_stored_form_are_compared_by_postgresql() {
    let db = cold("scan_values");
    let mut session = db.session();
    let far = "timestamptz '294276-12-31 23:59:59.999999+00'";
    let sql = format!("SELECT count(*) FROM m WHERE ts < {far} AND id < 1400");
    assert_eq!(one(&mut session, &sql), "1400");
    let text = plan(&mut session, &sql);
    assert_eq!(sum(&text, "Rows Read"), 1400, "{text}");
    assert!(!text.contains("\"ts\" <"), "{text}");
    assert_eq!(
        one(
            &mut session,
            &format!("SELECT count(*) FROM m WHERE ts <> {far}")
        ),
        "2160"
    );
    // more elements than a statement takes
    let long = "SELECT count(*) FROM m WHERE id = ANY (ARRAY(SELECT g FROM generate_series(0, 5000, 2) g))";
    assert_eq!(one(&mut session, long), "1080");
    // a value that cannot be computed is not computed where PostgreSQL would not
    let optional = "SELECT count(*) FROM m WHERE $1 = '' OR id = $1::int8";
    let statement = session
        .prepare_typed(optional, &[postgres::types::Type::TEXT])
        .unwrap();
    for n in 0..8 {
        for (value, expected) in [("", 2160i64), ("5", 1)] {
            let row = session.query_one(&statement, &[&value]).unwrap();
            assert_eq!(row.get::<_, i64>(0), expected, "execution {n}");
        }
    }
}

#[test]
fn the_zone_map_spares_files_also_with_generic_plans_and_a_dead_store() {
    let db = Db::new(server(), "scan_zone");
    db.metrics();
    let proxy = s3().proxy();
    db.archive(&proxy.endpoint(), ", max_retries '0'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    let mut session = db.session();
    proxy.inject("", "", Fault::Status(503));
    proxy.reset();
    for sql in [
        "SELECT note FROM m WHERE id = 1501",
        "SELECT note FROM m WHERE id = ANY ('{1501,9999}')",
        "SELECT note FROM m WHERE id > 1500 AND id < 1502",
        "SELECT note FROM m WHERE id = (SELECT 1501::bigint)",
        "SELECT note FROM m WHERE (id = 1501 OR id > 100000)",
        "SELECT note FROM m WHERE note = 'n1501' AND id >= 1500",
        "SELECT m.note FROM (VALUES (1501::bigint)) v(id) JOIN LATERAL (SELECT * FROM m WHERE m.id = v.id OFFSET 0) m ON true",
        "SELECT max(note) FROM m WHERE id = 1501 AND dev IS NOT NULL",
    ] {
        assert_eq!(one(&mut session, sql), "n1501", "{sql}");
        let text = plan(&mut session, sql);
        assert_eq!(sum(&text, "GETs"), 0, "{text}");
        for file in property(&text, "Cold File") {
            assert!(file.ends_with("skipped (zone map)"), "{text}");
        }
    }
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; PREPARE p (bigint) AS SELECT note FROM m WHERE id = $1",
    );
    assert_eq!(one(&mut session, "EXECUTE p (1501)"), "n1501");
    // a foreign key looks for a hot row
    exec(
        &mut session,
        "CREATE TABLE child (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m (id, ts));
         INSERT INTO child SELECT id, ts FROM m WHERE id = 1501",
    );
    assert_eq!(proxy.counts().gets, 0, "{:?}", proxy.requests());
    // and what needs a file fails
    fails(
        &mut session,
        "SELECT note FROM m WHERE id = 5",
        "58030",
        &["m_h1_20250101"],
    );
    fails(&mut session, "EXECUTE p (5)", "58030", &["m_h1_20250101"]);
    proxy.clear();
    assert_eq!(one(&mut session, "EXECUTE p (5)"), "n5");
    // EXPLAIN alone knows it, too
    let text = rows(
        &mut session,
        "EXPLAIN (COSTS OFF) SELECT note FROM m WHERE id = 1501",
    );
    assert_eq!(text.matches("skipped (zone map)").count(), 2, "{text}");
}

#[test]
fn smallest_and_largest_come_from_the_zone_map() {
    let db = Db::new(server(), "scan_first");
    db.metrics();
    db.run("CREATE INDEX m_val ON m (val); CREATE INDEX m_note ON m (note)");
    let proxy = s3().proxy();
    db.archive(&proxy.endpoint(), "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    let mut session = db.session();
    proxy.reset();
    for (sql, expected) in [
        ("SELECT max(id) FROM m", "2159"),
        ("SELECT max(val) FROM m", "539.75"),
        ("SELECT max(ts) = '2025-03-31 23:00+00' FROM m", "t"),
        ("SELECT min(ts) = '2025-01-01 00:00+00' FROM m", "t"),
        (
            "SELECT max(id) FROM m WHERE ts < '2025-02-01 00:00+00'",
            "743",
        ),
        ("SELECT id FROM m ORDER BY id DESC LIMIT 1", "2159"),
    ] {
        assert_eq!(one(&mut session, sql), expected, "{sql}");
    }
    let counts = proxy.counts();
    assert_eq!(counts.gets, 0, "{:?}", proxy.requests());
    let text = plan(&mut session, "SELECT max(id) FROM m");
    assert!(text.contains("First Row: zone map"), "{text}");
    // the rows behind the first are the file's own, each once
    for (sql, expected) in [
        (
            "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM m WHERE ts < '2025-03-01 00:00+00' ORDER BY id DESC LIMIT 4) s",
            "1415 1414 1413 1412",
        ),
        (
            "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || min(id) FROM (SELECT id FROM m ORDER BY id OFFSET 0) s",
            "2160 2160 0",
        ),
        (
            "SELECT string_agg(dev::text, '') FROM (SELECT dev FROM m WHERE ts < '2025-02-01 00:00+00' ORDER BY dev LIMIT 3) s",
            "000",
        ),
        ("SELECT min(val) FROM m", "0"),
    ] {
        assert_eq!(one(&mut session, sql), expected, "{sql}");
    }
    // not with another condition, nor where NULL comes first
    assert_eq!(
        one(
            &mut session,
            "SELECT max(id) FROM m WHERE dev = 0 AND ts < '2025-02-01 00:00+00'"
        ),
        "742"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM (SELECT note FROM m ORDER BY note DESC LIMIT 3) s WHERE note IS NULL"
        ),
        "3"
    );
}

#[test]
fn nested_loops_search_the_file_by_value() {
    let db = cold("scan_loops");
    db.run("CREATE TABLE wanted AS SELECT g * 100::bigint AS id, g AS dev FROM generate_series(0, 1) g; ANALYZE wanted");
    let mut session = db.session();
    exec(&mut session, "SET enable_mergejoin = off");
    let sql = "SELECT string_agg(coalesce(m.note, '-'), ' ' ORDER BY m.id) FROM wanted w JOIN m ON m.id = w.id";
    let text = plan(&mut session, sql);
    assert!(
        text.contains("Nested Loop") && !text.contains("Hash"),
        "{text}"
    );
    assert!(sum(&text, "Rows Read") <= 2, "{text}");
    assert_eq!(one(&mut session, sql), "- -");
    let sql = "SELECT count(*) FROM wanted w JOIN m ON m.id = w.id + 1 AND m.dev < w.dev + 100";
    let text = plan(&mut session, sql);
    assert!(sum(&text, "Rows Read") <= 2, "{text}");
    assert_eq!(one(&mut session, sql), "2");
    // chunks that an id cannot be in are skipped in each round
    let sql = "SELECT count(*) FROM generate_series(2000, 2100) g JOIN m ON m.id = g";
    exec(
        &mut session,
        "SET enable_hashjoin = off; SET enable_mergejoin = off",
    );
    let text = plan(&mut session, sql);
    assert_eq!(one(&mut session, sql), "101", "{text}");
    assert_eq!(sum(&text, "Rows Read"), 0, "{text}");
    assert_eq!(text.matches("skipped (zone map)").count(), 2, "{text}");
}

#[test]
fn several_columns_in_order_without_a_sort() {
    let db = cold("scan_orders");
    let mut session = db.session();
    exec(
        &mut session,
        "SET enable_seqscan = off; SET enable_bitmapscan = off",
    );
    for order in [
        "dev, ts",
        "dev DESC, ts DESC",
        "id, ts",
        "id DESC",
        "ts",
        "ts DESC",
    ] {
        let sql = format!("SELECT id FROM m ORDER BY {order} LIMIT 3");
        let text = plan(&mut session, &sql);
        assert!(
            !text.contains("Sort Key: m.") || text.contains("Merge Append"),
            "{order}: {text}"
        );
        assert!(!text.contains("Sort Method"), "{order}: {text}");
        assert!(sum(&text, "Rows Read") <= 6, "{order}: {text}");
    }
    // equality on the first column of an index leaves the order of the second
    let sql = "SELECT id FROM m WHERE dev = 2 ORDER BY ts DESC LIMIT 3";
    let text = plan(&mut session, sql);
    assert!(!text.contains("Sort Method"), "{text}");
    // an order that no index serves is PostgreSQL's business
    let text = plan(
        &mut session,
        "SELECT id FROM m WHERE ts < '2025-02-01 00:00+00' ORDER BY note LIMIT 3",
    );
    assert!(text.contains("Sort Key: m.note"), "{text}");
    assert!(
        !property(&text, "Cold SQL")[0].contains("ORDER BY"),
        "{text}"
    );
}

#[test]
fn cold_reads_off_leaves_files_out_and_error_raises() {
    let db = cold("scan_reads");
    let mut session = db.session();
    exec(&mut session, "SET strata.cold_reads = off");
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "744");
    let text = plan(&mut session, "SELECT count(*) FROM m");
    assert_eq!(
        text.matches("skipped (strata.cold_reads = off)").count(),
        2,
        "{text}"
    );
    assert_eq!(
        one(&mut session, "SELECT max(id) || ' ' || min(id) FROM m"),
        "2159 1416"
    );
    // what must know all rows reads them: foreign keys, old and new ones
    exec(
        &mut session,
        "CREATE TABLE child (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m (id, ts))",
    );
    exec(
        &mut session,
        "INSERT INTO child VALUES (5, '2025-01-01 05:00+00')",
    );
    fails(
        &mut session,
        "INSERT INTO child VALUES (5, '2025-01-01 06:00+00')",
        "23503",
        &["child"],
    );
    exec(
        &mut session,
        "CREATE TABLE loose (id bigint, ts timestamptz); INSERT INTO loose VALUES (6, '2025-01-01 06:00+00')",
    );
    exec(
        &mut session,
        "ALTER TABLE loose ADD FOREIGN KEY (id, ts) REFERENCES m (id, ts)",
    );
    exec(
        &mut session,
        "DO $$ BEGIN EXECUTE 'CREATE TABLE devs AS SELECT g AS dev FROM generate_series(0, 5) g'; EXECUTE 'ALTER TABLE devs ADD PRIMARY KEY (dev)'; END $$",
    );
    // cold rows alone have dev 6 in this check: it must find them
    exec(
        &mut session,
        "DELETE FROM m WHERE dev = 6 AND ts >= '2025-03-01 00:00+00'",
    );
    fails(
        &mut session,
        "ALTER TABLE m ADD FOREIGN KEY (dev) REFERENCES devs",
        "23503",
        &["m_h1_2025"],
    );
    fails(
        &mut session,
        "DO $$ BEGIN EXECUTE 'ALTER TABLE m ADD FOREIGN KEY (dev) REFERENCES devs'; END $$",
        "23503",
        &["m_h1_2025"],
    );
    exec(&mut session, "SET strata.cold_reads = error");
    fails(
        &mut session,
        "SELECT count(*) FROM m",
        "55000",
        &["m_h1_20250101", "strata.cold_reads"],
    );
    assert_eq!(
        one(&mut session, "SELECT note FROM m WHERE id = 2002"),
        "n2002"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) > 30 FROM m WHERE ts > '2025-03-30 00:00+00'"
        ),
        "t"
    );
    exec(&mut session, "RESET strata.cold_reads");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM m WHERE ts < '2025-03-01 00:00+00'"
        ),
        "1416"
    );
    assert!(try_one(&mut session, "SET strata.cold_reads = maybe").is_err());
}

#[test]
fn explain_says_who_decides_what() {
    let db = cold("scan_explain");
    let mut session = db.session();
    let sql = "SELECT id FROM m WHERE dev = 3 AND note LIKE 'n1%' AND id % 2 = 1 AND ts < '2025-02-01 00:00+00'";
    let json = rows(
        &mut session,
        &format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}"),
    );
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let scan = &json[0]["Plan"];
    assert_eq!(scan["Custom Plan Provider"], "ColdScan", "{json}");
    let text = |name: &str| {
        scan[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {json}"))
            .to_owned()
    };
    assert!(text("Pushed").contains("dev = 3"), "{json}");
    assert!(
        text("Prefilter").contains("~~") && !text("Prefilter").contains("dev"),
        "{json}"
    );
    assert!(
        text("Filter").contains("~~") && text("Filter").contains('%'),
        "{json}"
    );
    for name in [
        "Late Rows",
        "Rows Read",
        "GETs",
        "Bytes",
        "Cache Hits",
        "Store Wait",
    ] {
        assert!(scan[name].is_number(), "{name}: {json}");
    }
    assert!(
        scan["Rows Removed by Filter"].as_i64().expect("a number") > 0,
        "{json}"
    );
}

/// Prices decide between one pass over the file and many lookups.
#[test]
fn costs_follow_the_settings() {
    let db = Db::new(server(), "scan_costs");
    db.metrics();
    db.archive(&s3().endpoint(), "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-02-01");
    let mut session = db.session();
    let cost = |session: &mut Client, sql: &str| -> f64 {
        let json = rows(session, &format!("EXPLAIN (FORMAT JSON) {sql}"));
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        json[0]["Plan"]["Total Cost"].as_f64().expect("a cost")
    };
    let january = "SELECT * FROM m WHERE ts < '2025-02-01 00:00+00'";
    let skipped = "SELECT * FROM m WHERE ts < '2025-02-01 00:00+00' AND id > 100000";
    let dear = cost(&mut session, january);
    assert!(dear > 2000.0, "{dear}");
    assert!(cost(&mut session, skipped) < 10.0);
    exec(
        &mut session,
        "SET strata.cold_get_cost = 1; SET strata.cold_byte_cost = 0",
    );
    assert!(cost(&mut session, january) < 100.0);
    exec(
        &mut session,
        "RESET strata.cold_get_cost; SET strata.cold_byte_cost = 1",
    );
    assert!(cost(&mut session, january) > dear);
    // a directory of this machine costs what it costs
    db.run("CALL strata.untier_chunks('m'); SELECT strata.set_cold_storage('m')");
    db.tier("2025-02-01");
    let mut session = db.session();
    exec(&mut session, "SET strata.cold_byte_cost = 1");
    assert!(cost(&mut session, january) < 100.0);
}

/// ANALYZE keeps what the export knew of the rows.
#[test]
fn analyze_never_worsens_a_cold_chunk() {
    let db = cold("scan_analyze");
    let stats = format!(
        "SELECT md5(string_agg(s::text, ' ' ORDER BY attname)) || ' ' || count(*) FROM pg_stats s WHERE schemaname || '.' || tablename = '{FEBRUARY}'"
    );
    let estimate = |session: &mut Client| {
        let json = rows(
            session,
            "EXPLAIN (FORMAT JSON) SELECT * FROM m WHERE ts >= '2025-02-01 00:00+00' AND ts < '2025-03-01 00:00+00' AND dev = 3",
        );
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        json[0]["Plan"]["Plan Rows"].as_f64().expect("rows")
    };
    let mut session = db.session();
    let before = one(&mut session, &stats);
    assert!(before.ends_with(" 5"), "{before}");
    let rows_before = estimate(&mut session);
    assert!((60.0..140.0).contains(&rows_before), "{rows_before}");
    exec(&mut session, &format!("ANALYZE {FEBRUARY}"));
    exec(&mut session, "ANALYZE m");
    exec(&mut session, &format!("VACUUM ANALYZE {FEBRUARY}"));
    assert_eq!(one(&mut session, &stats), before);
    assert_eq!(estimate(&mut db.session()), rows_before);
}

/// Rows of the stub stand where their order wants them, with every kind of plan above.
#[test]
fn late_rows_are_merged_in_order() {
    let db = Db::new(server(), "scan_late");
    db.metrics();
    db.run("CREATE INDEX m_note ON m (note)");
    db.tier("2025-03-01");
    db.run("CREATE TABLE twin AS SELECT * FROM m; CREATE TABLE wanted AS SELECT g AS dev FROM generate_series(0, 6) g");
    let late = "SELECT 5000 + g, '2025-01-01 00:30+00'::timestamptz + g * interval '11 hours', g % 9, CASE WHEN g % 4 > 0 THEN g * 3 END, CASE WHEN g % 3 > 0 THEN 'n' || g END FROM generate_series(0, 120) g
        UNION ALL SELECT -7, '2025-02-28 23:59:59+00', -1, -1, 'a'";
    db.run(&format!("INSERT INTO m {late}; INSERT INTO twin {late}"));
    let mut session = db.session();
    let settings = [
        "RESET ALL",
        "SET enable_sort = off; SET enable_incremental_sort = off",
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off",
        "SET work_mem = '64kB'",
        "SET strata.cold_pushdown = off",
    ];
    for sql in [
        "SELECT id FROM {t} ORDER BY ts, id",
        "SELECT id FROM {t} ORDER BY ts DESC, id LIMIT 1000",
        "SELECT ts FROM {t} ORDER BY ts",
        "SELECT id, ts FROM {t} ORDER BY id DESC LIMIT 2000",
        "SELECT dev, ts, id FROM {t} ORDER BY dev DESC, ts DESC",
        "SELECT note FROM {t} ORDER BY note NULLS FIRST",
        "SELECT note FROM {t} WHERE ts < '2025-02-01 00:00+00' ORDER BY note DESC",
        "SELECT id FROM {t} WHERE ts < '2025-02-01 00:00+00' AND dev = 3 ORDER BY ts",
        "SELECT min(id), max(id), min(ts), max(ts), min(dev), max(dev), min(note), max(val) FROM {t}",
        "SELECT max(id) FROM {t} WHERE ts < '2025-02-01 00:00+00'",
        "SELECT min(id) FROM {t} WHERE ts < '2025-03-01 00:00+00' AND ts >= '2025-02-01 00:00+00'",
        "SELECT w.dev, x.id FROM wanted w, LATERAL (SELECT id FROM {t} m WHERE m.dev = w.dev ORDER BY ts DESC LIMIT 3) x ORDER BY 1, 2",
        "SELECT count(*), sum(id) FROM {t} WHERE id >= 5000",
        "SELECT w.dev, count(*) FROM wanted w JOIN {t} m ON m.dev = w.dev AND m.val > 3 GROUP BY 1 ORDER BY 1",
    ] {
        exec(&mut session, "RESET ALL");
        let hot = rows(&mut session, &sql.replace("{t}", "twin"));
        for setting in settings {
            exec(&mut session, "RESET ALL");
            exec(&mut session, setting);
            let cold = rows(&mut session, &sql.replace("{t}", "m"));
            assert!(cold == hot, "{setting}: {sql}");
        }
    }
    exec(&mut session, "RESET ALL");
    let text = plan(
        &mut session,
        "SELECT id FROM m WHERE ts < '2025-02-01 00:00+00' ORDER BY ts LIMIT 20",
    );
    assert!(!text.contains("Sort"), "{text}");
    assert!(sum(&text, "Late Rows") > 0, "{text}");
    assert!(sum(&text, "Rows Read") < 30, "{text}");
    // a late row beyond the file's values is found although the file is skipped
    let text = plan(&mut session, "SELECT note FROM m WHERE id = 5001");
    assert_eq!(
        one(&mut session, "SELECT note FROM m WHERE id = 5001"),
        "n1"
    );
    assert_eq!(text.matches("skipped (zone map)").count(), 2, "{text}");
    assert_eq!(one(&mut session, "SELECT min(id) FROM m"), "-7");
    // rows of an ordered scan keep their identity
    exec(&mut session, "BEGIN");
    let locked = "SELECT id FROM m WHERE id IN (5001, 7) AND ts < '2025-02-01 00:00+00' ORDER BY ts FOR SHARE";
    assert_eq!(rows(&mut session, locked), "7\n5001");
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM (SELECT ctid, id FROM m WHERE id IN (5001, 5002) ORDER BY ts) s"
        ),
        one(
            &mut session,
            "SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM m WHERE id IN (5001, 5002)"
        )
    );
    exec(&mut session, "COMMIT");
}

/// A range of the column by which the rows lie is read as a range of rows: nothing beside it, and
/// each row once.
#[test]
fn time_ranges_are_read_as_rows_lie() {
    let db = Db::new(server(), "scan_range");
    db.run(
        "CREATE TABLE m (id bigint NOT NULL, ts timestamptz NOT NULL, dev int, note text);
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + (g / 3) * interval '90 seconds', g % 7, repeat(md5(g::text), 4)
           FROM generate_series(0, 79999) g;
         CREATE TABLE twin AS SELECT * FROM m; CREATE INDEX ON twin (ts);
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true, create_default_indexes => false);
         ANALYZE",
    );
    db.tier("2025-02-01");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_index"), "0");
    let mut session = db.session();
    let day = "ts >= '2025-01-11 00:00+00' AND ts < '2025-01-12 00:00+00'";
    let text = plan(
        &mut session,
        &format!("SELECT count(id + 0) FROM m WHERE {day}"),
    );
    assert!(
        property(&text, "Cold SQL")[0].contains("NOT INDEXED WHERE (\"rowid\" BETWEEN"),
        "{text}"
    );
    assert_eq!(sum(&text, "Rows Read"), 2880, "{text}");
    let all: i64 = db
        .one("SELECT bytes FROM strata.cold_files")
        .parse()
        .unwrap();
    assert!(sum(&text, "Bytes") < all / 3, "{all}: {text}");
    let mut seed = 42u64;
    let mut below = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % n
    };
    for n in 0..120 {
        let (from, width) = (below(28 * 960), below(2000));
        let at = |step: u64| {
            format!("timestamptz '2025-01-01 00:00+00' + {step} * interval '90 seconds'")
        };
        let (low, high) = (
            [">=", ">"][below(2) as usize],
            ["<=", "<"][below(2) as usize],
        );
        let condition = match n % 6 {
            0 => format!("ts {high} {}", at(from)),
            1 => format!("ts {low} {}", at(from)),
            2 => format!("ts = {}", at(from)),
            3 => format!(
                "dev = 3 AND ts {low} {} AND ts {high} {}",
                at(from),
                at(from + width)
            ),
            _ => format!("ts {low} {} AND ts {high} {}", at(from), at(from + width)),
        };
        for question in [
            "SELECT count(*) || ' ' || coalesce(sum(id), 0) FROM {t} WHERE {c}",
            "SELECT string_agg(ts::text, ',') FROM (SELECT ts FROM {t} WHERE {c} ORDER BY ts DESC LIMIT 3) s",
            "SELECT string_agg(ts::text, ',') FROM (SELECT ts FROM {t} WHERE {c} ORDER BY ts LIMIT 3) s",
        ] {
            let ask = |session: &mut Client, table: &str| {
                one(
                    session,
                    &question.replace("{t}", table).replace("{c}", &condition),
                )
            };
            assert_eq!(
                ask(&mut session, "m"),
                ask(&mut session, "twin"),
                "{condition}"
            );
        }
    }
}
