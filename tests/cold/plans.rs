//! Plans: pruning at plan and run time, what EXPLAIN shows, what is fetched.

use crate::support::{
    BUCKET, ColdDb, Db, exec, force_parallel, has_xml, one, rows, s3, server, try_one,
};
use postgres::Client;

const EXPLAIN: &str = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)";

fn cold(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db
}

/// Whether a node of the plan gave so many rows: `rows=24`, since version 18 `rows=24.00`.
fn contains_rows(plan: &str, rows: u64) -> bool {
    plan.contains(&format!("rows={rows} ")) || plan.contains(&format!("rows={rows}.00 "))
}

/// Lines of a plan that contain a word.
fn lines<'a>(plan: &'a str, word: &str) -> Vec<&'a str> {
    plan.lines().filter(|line| line.contains(word)).collect()
}

#[test]
fn chunks_are_pruned_when_planning() {
    let db = cold("plans_prune");
    let mut session = db.session();
    let plan = rows(
        &mut session,
        &format!(
            "{EXPLAIN} SELECT * FROM m WHERE ts >= '2025-01-05 00:00+00' AND ts < '2025-01-06 00:00+00'"
        ),
    );
    assert_eq!(lines(&plan, "ColdScan").len(), 1, "{plan}");
    assert!(
        plan.contains("m_h1_20250101") && contains_rows(&plan, 24),
        "{plan}"
    );
    let plan = rows(
        &mut session,
        &format!("{EXPLAIN} SELECT * FROM m WHERE ts >= '2025-03-01 00:00+00'"),
    );
    assert!(!plan.contains("ColdScan"), "{plan}");
    let plan = rows(
        &mut session,
        &format!("{EXPLAIN} SELECT * FROM m WHERE id = 5 AND ts = '2025-01-01 05:00+00'"),
    );
    assert_eq!(lines(&plan, "Scan").len(), 1, "{plan}");
    assert!(lines(&plan, "Rows Read: 1").len() == 1, "{plan}");
}

#[test]
fn chunks_are_pruned_when_running() {
    let db = cold("plans_runtime");
    let mut session = db.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; PREPARE p (timestamptz, timestamptz) AS SELECT count(*) FROM m WHERE ts >= $1 AND ts < $2",
    );
    for (from, to, expected, scans, removed) in [
        ("2025-01-05", "2025-01-06", "24", 1, true),
        ("2025-03-05", "2025-03-06", "24", 0, true),
        ("2025-01-31", "2025-02-02", "48", 2, true),
    ] {
        let call = format!("p ('{from} 00:00+00', '{to} 00:00+00')");
        assert_eq!(one(&mut session, &format!("EXECUTE {call}")), expected);
        let plan = rows(&mut session, &format!("{EXPLAIN} EXECUTE {call}"));
        assert_eq!(lines(&plan, "ColdScan").len(), scans, "{plan}");
        assert_eq!(plan.contains("Subplans Removed"), removed, "{plan}");
    }
    // a stable function
    let plan = rows(
        &mut session,
        &format!("{EXPLAIN} SELECT count(*) FROM m WHERE ts > now() - interval '1 hour'"),
    );
    assert!(!plan.contains("ColdScan"), "{plan}");
    // in a nested loop only the chunk that is asked for is read
    exec(
        &mut session,
        "CREATE TABLE wanted (ts timestamptz); INSERT INTO wanted VALUES ('2025-01-05 00:00+00'), ('2025-01-06 00:00+00'); ANALYZE wanted",
    );
    exec(
        &mut session,
        "SET enable_hashjoin = off; SET enable_mergejoin = off",
    );
    let join = "SELECT string_agg(m.note, ' ' ORDER BY ts) FROM wanted LEFT JOIN LATERAL (SELECT * FROM m WHERE m.ts = wanted.ts OFFSET 0) m USING (ts)";
    assert_eq!(one(&mut session, join), "n96");
    let plan = rows(&mut session, &format!("{EXPLAIN} {join}"));
    let february = plan
        .lines()
        .find(|line| line.contains("m_h1_20250201"))
        .unwrap_or_else(|| panic!("{plan}"));
    assert!(february.contains("(never executed)"), "{plan}");
    let january = plan
        .lines()
        .find(|line| line.contains("m_h1_20250101"))
        .unwrap_or_else(|| panic!("{plan}"));
    assert!(january.contains("loops=2"), "{plan}");
}

#[test]
fn first_rows_in_time_order_leave_cold_files_alone() {
    let db = cold("plans_order");
    let mut session = db.session();
    let plan = rows(
        &mut session,
        &format!("{EXPLAIN} SELECT * FROM m ORDER BY ts DESC LIMIT 10"),
    );
    for line in lines(&plan, "ColdScan") {
        assert!(line.contains("never executed"), "{plan}");
    }
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM m ORDER BY ts DESC LIMIT 3) s"
        ),
        "2159 2158 2157"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM m ORDER BY ts LIMIT 3) s"
        ),
        "0 1 2"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT min(ts) = '2025-01-01 00:00+00' AND max(ts) = '2025-03-31 23:00+00' FROM m"
        ),
        "t"
    );
    exec(
        &mut session,
        "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM m ORDER BY ts",
    );
    assert_eq!(one(&mut session, "FETCH ABSOLUTE 800 FROM c"), "799");
    assert_eq!(one(&mut session, "FETCH RELATIVE -100 FROM c"), "699");
    assert_eq!(one(&mut session, "FETCH LAST FROM c"), "2159");
}

fn property<'a>(plan: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("{name}: ");
    plan.lines()
        .filter_map(|line| line.trim().strip_prefix(&start))
        .collect()
}

#[test]
fn explain_tells_file_statement_and_cost() {
    let db = Db::new(server(), "plans_explain");
    db.metrics();
    let proxy = s3().proxy();
    db.archive(&proxy.endpoint(), "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    let key = db.keys().remove(0);
    let mut session = db.session();
    proxy.reset();
    let sql = "SELECT val FROM m WHERE dev = 3 AND ts >= '2025-01-05 00:00+00' AND ts < '2025-01-06 00:00+00'";
    let plan = rows(&mut session, &format!("{EXPLAIN} {sql}"));
    let counts = proxy.counts();
    let file = key.rsplit('/').next().expect("a name");
    assert!(
        property(&plan, "Cold File")[0].starts_with(&format!("{file} on archive (")),
        "{plan}"
    );
    let statement = property(&plan, "Cold SQL")[0];
    assert!(
        statement.contains("FROM \"m_raw\" WHERE") && statement.contains("\"dev\" = ?"),
        "{plan}"
    );
    assert!(
        !statement.contains("2025"),
        "values are bound, not printed: {plan}"
    );
    // what the plan says is what the store has seen; opening the file may ask for its head first
    let said: u64 = property(&plan, "GETs")[0].parse().expect("a number");
    assert!(said > 0 && counts.gets == said, "{counts:?} {plan}");
    let bytes: u64 = property(&plan, "Bytes")[0].parse().expect("a number");
    assert_eq!(bytes, counts.bytes, "{plan}");
    assert!(!plan.contains("Store Wait"), "{plan}");
    // the second time it is all in the cache
    proxy.reset();
    let plan = rows(&mut session, &format!("EXPLAIN (ANALYZE) {sql}"));
    assert_eq!(property(&plan, "GETs"), ["0"], "{plan}");
    assert_eq!(proxy.counts().gets, 0);
    assert!(
        property(&plan, "Cache Hits")[0] != "0" || property(&plan, "Bytes") == ["0"],
        "{plan}"
    );
    assert!(plan.contains("Store Wait"), "{plan}");
    // without ANALYZE nothing is read
    let plan = rows(&mut db.session(), &format!("EXPLAIN {sql}"));
    assert!(
        plan.contains("Cold SQL") && !plan.contains("GETs"),
        "{plan}"
    );
    assert_eq!(proxy.counts().gets, 0);
    for format in ["JSON", "XML", "YAML"] {
        let plan = rows(
            &mut session,
            &format!("EXPLAIN (ANALYZE, VERBOSE, FORMAT {format}) {sql}"),
        );
        for word in ["Cold", "File", "GETs", "Bytes", "Rows", "ColdScan"] {
            assert!(plan.contains(word), "{word}: {plan}");
        }
        match format {
            "JSON" => {
                let json: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
                let scan = find(&json, "ColdScan").unwrap_or_else(|| panic!("{plan}"));
                assert!(
                    scan["Cold File"]
                        .as_str()
                        .expect("a text")
                        .starts_with(file),
                    "{plan}"
                );
                assert!(scan["Cold SQL"].is_string(), "{plan}");
                for name in ["GETs", "Bytes", "Rows Read", "Cache Hits"] {
                    assert!(scan[name].is_i64(), "{name}: {plan}");
                }
            }
            "XML" if has_xml(&mut session) => {
                let quoted = plan.replace('\'', "''");
                assert_eq!(
                    one(
                        &mut session,
                        &format!("SELECT xml_is_well_formed_document('{quoted}')")
                    ),
                    "t"
                );
            }
            _ => {}
        }
    }
    assert!(
        s3().object_file(BUCKET, &format!("plans_explain/{key}"))
            .exists()
    );
}

/// The plan node of a custom scan with this provider.
fn find<'a>(json: &'a serde_json::Value, provider: &str) -> Option<&'a serde_json::Value> {
    if json["Custom Plan Provider"] == provider {
        return Some(json);
    }
    match json {
        serde_json::Value::Array(list) => list.iter().find_map(|j| find(j, provider)),
        serde_json::Value::Object(map) => map.values().find_map(|j| find(j, provider)),
        _ => None,
    }
}

#[test]
fn pushdown_reads_less_and_answers_the_same() {
    let db = cold("plans_pushdown");
    let mut session = db.session();
    let sql = "SELECT * FROM m WHERE id = 400 AND ts = '2025-01-17 16:00+00'";
    let read = |session: &mut Client, sql: &str| -> i64 {
        let plan = rows(session, &format!("{EXPLAIN} {sql}"));
        property(&plan, "Rows Read")
            .iter()
            .map(|n| n.parse::<i64>().expect("a number"))
            .sum()
    };
    assert_eq!(read(&mut session, sql), 1);
    let answer = rows(&mut session, sql);
    exec(&mut session, "SET strata.cold_pushdown = off");
    assert_eq!(read(&mut session, sql), 744);
    assert_eq!(rows(&mut session, sql), answer);
    assert!(!answer.is_empty());
}

/// Kinds of statements around a cold scan, hot twin against cold table.
#[test]
fn all_kinds_of_queries_answer_like_a_hot_twin() {
    let db = Db::new(server(), "plans_kinds");
    db.metrics();
    let parallel = format!(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; {}",
        force_parallel()
    );
    db.run("CREATE TABLE twin AS SELECT * FROM m; CREATE TABLE devices AS SELECT g AS dev, 'd' || g AS name FROM generate_series(0, 6) g; ANALYZE");
    db.tier("2025-03-01");
    let mut session = db.session();
    for sql in [
        "SELECT count(*), sum(id), avg(val), min(note), max(ts) FROM {t}",
        "SELECT dev, count(*), count(note) FROM {t} GROUP BY dev ORDER BY dev",
        "SELECT date_trunc('day', ts) d, max(val) FROM {t} GROUP BY 1 HAVING max(val) > 300 ORDER BY 1",
        "SELECT DISTINCT dev FROM {t} WHERE note IS NULL ORDER BY 1",
        "SELECT name, count(*) FROM {t} JOIN devices USING (dev) WHERE val BETWEEN 10 AND 300 GROUP BY name ORDER BY name",
        "SELECT * FROM {t} a WHERE EXISTS (SELECT FROM {t} b WHERE b.id = a.id + 1 AND b.dev = 0) ORDER BY id LIMIT 20",
        "SELECT id, lag(id) OVER (PARTITION BY dev ORDER BY ts) FROM {t} WHERE dev = 2 ORDER BY ts",
        "WITH RECURSIVE r AS (SELECT 5::bigint AS id UNION ALL SELECT m.id FROM r JOIN {t} m ON m.id = r.id * 3) SELECT * FROM r ORDER BY 1",
        "SELECT a.id, b.id FROM {t} a JOIN {t} b ON a.ts = b.ts + interval '1 hour' WHERE a.dev = 1 ORDER BY 1 LIMIT 50",
        "SELECT * FROM {t} WHERE note LIKE 'n1%5' AND id % 2 = 1 ORDER BY ts DESC LIMIT 30",
        "SELECT (SELECT max(x.val) FROM {t} x WHERE x.dev = d.dev AND x.ts < '2025-02-15 00:00+00') FROM devices d ORDER BY dev",
        "SELECT * FROM {t} WHERE (id, ts) IN (SELECT id, ts FROM {t} WHERE val = 100.5) ORDER BY 1",
        "SELECT id FROM {t} WHERE dev IN (1, 3) UNION ALL SELECT id FROM {t} WHERE dev = 2 ORDER BY 1 OFFSET 100 LIMIT 10",
        "SELECT count(*) FROM {t} WHERE row(id, ts) > row(700, '2025-01-30 00:00+00'::timestamptz)",
        "SELECT t FROM {t} t ORDER BY id LIMIT 3",
        "SELECT to_jsonb(t) - 'ts' FROM {t} t WHERE id IN (3, 10, 2000) ORDER BY id",
        "SELECT count(*) FROM {t} WHERE ctid IS NOT NULL AND tableoid IS NOT NULL",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY val) FROM {t} WHERE ts < '2025-02-10 00:00+00'",
        "SELECT id FROM {t} WHERE note = ANY (ARRAY(SELECT 'n' || g FROM generate_series(1, 2000, 500) g)) ORDER BY 1",
        "SELECT dev, id FROM {t} WHERE ts < '2025-01-03 00:00+00' ORDER BY dev DESC, ts LIMIT 12",
    ] {
        let hot = rows(&mut session, &sql.replace("{t}", "twin"));
        assert!(!hot.is_empty(), "{sql}");
        for setting in [
            "RESET ALL",
            "SET enable_hashjoin = off; SET enable_hashagg = off",
            "SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_sort = off",
            "SET strata.cold_pushdown = off",
            parallel.as_str(),
            "SET enable_partitionwise_join = on; SET enable_partitionwise_aggregate = on",
            "SET jit = on; SET jit_above_cost = 0",
        ] {
            exec(&mut session, "RESET ALL");
            exec(&mut session, setting);
            let cold = rows(&mut session, &sql.replace("{t}", "m"));
            assert_eq!(cold, hot, "{setting}: {sql}");
        }
        exec(&mut session, "RESET ALL");
    }
    assert!(
        try_one(&mut session, "SELECT xmin FROM m WHERE id = 5").is_err(),
        "cold rows have no xmin"
    );
}
