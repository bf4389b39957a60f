//! Aggregates that cold files work out themselves: the same answers, fewer bytes, sound plans.

use crate::support::{ColdDb, Db, JANUARY, exec, fails, one, rows, server};
use postgres::Client;

const EXPLAIN: &str = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)";

fn cold(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    db.metrics();
    db.run("CREATE TABLE twin AS SELECT * FROM m; ALTER TABLE m ADD small int2; UPDATE m SET small = id % 100; ALTER TABLE twin ADD small int2; UPDATE twin SET small = id % 100");
    db.tier("2025-03-01");
    db.run("ANALYZE m; ANALYZE twin");
    db
}

fn count(plan: &str, word: &str) -> usize {
    plan.matches(word).count()
}

/// The same over the cold table, with and without pushdown, and over its twin; returns the plan.
#[track_caller]
fn same(session: &mut Client, sql: &str) -> String {
    let hot = rows(session, &sql.replace("{m}", "twin"));
    let cold = rows(session, &sql.replace("{m}", "m"));
    assert_eq!(cold, hot, "{sql}");
    exec(session, "SET strata.cold_pushdown = off");
    assert_eq!(
        rows(session, &sql.replace("{m}", "m")),
        hot,
        "fetched: {sql}"
    );
    exec(session, "RESET strata.cold_pushdown");
    rows(session, &format!("{EXPLAIN} {}", sql.replace("{m}", "m")))
}

#[test]
fn files_aggregate_their_own_rows() {
    let db = cold("agg_states");
    let mut session = db.session();
    for (sql, files) in [
        (
            "SELECT sum(dev), avg(dev), sum(small), avg(small), count(note) FROM {m}",
            2,
        ),
        (
            "SELECT dev, count(*), min(ts), max(id), avg(small) FROM {m} GROUP BY dev ORDER BY dev",
            2,
        ),
        (
            "SELECT strata.time_bucket(INTERVAL '1 day', ts) AS day, count(*), sum(dev) FROM {m} GROUP BY day ORDER BY day",
            2,
        ),
        (
            "SELECT strata.time_bucket(INTERVAL '77 hours', ts, origin => '2025-01-01 00:30+00') AS b, count(1), sum(dev) FROM {m} GROUP BY b ORDER BY b",
            2,
        ),
        (
            "SELECT dev, sum(small) FROM {m} WHERE ts >= '2025-01-10 00:00+00' AND dev IN (1, 5) GROUP BY dev HAVING count(*) > 3 ORDER BY dev",
            2,
        ),
        ("SELECT count(*) FROM {m} WHERE dev = 3", 2),
        (
            "SELECT count(*) FROM {m} WHERE dev = 3 AND ts < '2025-01-05 00:00+00'",
            1,
        ),
        (
            "SELECT DISTINCT dev FROM {m} WHERE small < 50 GROUP BY dev ORDER BY dev",
            2,
        ),
        (
            "SELECT count(*) * 2 + max(dev), (SELECT 1) FROM {m} WHERE small BETWEEN 3 AND 9",
            2,
        ),
    ] {
        let plan = same(&mut session, sql);
        assert_eq!(count(&plan, "(ColdAgg)"), files, "{sql}\n{plan}");
        assert!(
            plan.contains("Finalize") && plan.contains("Partial"),
            "{plan}"
        );
    }
    // nothing fits: one row all the same
    let nothing =
        "SELECT count(*), sum(dev), avg(dev), min(small) FROM {m} WHERE small = -1 AND dev >= 0";
    same(&mut session, nothing);
    // what files do not work out
    for sql in [
        "SELECT sum(id), avg(id) FROM {m} WHERE dev = 2",
        "SELECT sum(val), avg(val) FROM {m}",
        "SELECT count(DISTINCT dev) FROM {m}",
        "SELECT count(*) FILTER (WHERE dev = 1) FROM {m}",
        "SELECT sum(dev + 1) FROM {m}",
        "SELECT dev % 2, count(*) FROM {m} GROUP BY 1 ORDER BY 1",
        "SELECT count(*) FROM {m} WHERE dev + 1 = 3",
        "SELECT count(*) FROM {m} WHERE note LIKE 'n1%'",
        "SELECT dev, small, count(*) FROM {m} GROUP BY GROUPING SETS ((dev), (small)) ORDER BY 1, 2",
        "SELECT strata.time_bucket(INTERVAL '1 month', ts) AS month, count(*) FROM {m} GROUP BY month ORDER BY month",
        "SELECT string_agg(note, ',' ORDER BY id) FROM {m} WHERE dev = 1",
    ] {
        let plan = same(&mut session, sql);
        assert!(!plan.contains("ColdAgg"), "{sql}\n{plan}");
    }
}

#[test]
fn whole_files_are_answered_by_the_manifest() {
    let db = cold("agg_manifest");
    let mut session = db.session();
    for sql in [
        "SELECT count(*) FROM {m}",
        "SELECT count(*), count(note), min(ts), max(ts), min(small), max(dev) FROM {m}",
        "SELECT count(id) FROM {m} WHERE ts >= '2025-01-01 00:00+00'",
    ] {
        let plan = same(&mut session, sql);
        assert_eq!(count(&plan, "from the manifest"), 2, "{sql}\n{plan}");
        assert_eq!(count(&plan, "GETs: 0"), 4, "{sql}\n{plan}");
    }
    // so they go on working when the files are gone, and nothing else does
    for file in db.local_files() {
        std::fs::rename(&file, file.with_extension("away")).expect("a file to rename");
    }
    let mut session = db.session();
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "2160");
    fails(
        &mut session,
        "SELECT sum(dev) FROM m",
        "58P01",
        &["m_h1_2025"],
    );
    exec(&mut session, "SET strata.cold_reads = off");
    assert_eq!(
        one(&mut session, "SELECT count(*) || ' ' || sum(dev) FROM m"),
        one(
            &mut session,
            "SELECT count(*) || ' ' || sum(dev) FROM twin WHERE ts >= '2025-03-01 00:00+00'"
        )
    );
    exec(&mut session, "SET strata.cold_reads = error");
    fails(
        &mut session,
        "SELECT count(*) FROM m",
        "55000",
        &["cold_reads"],
    );
}

/// Conditions without columns are asked once, above the scans: a file must not aggregate past them.
#[test]
fn conditions_without_columns_hold_for_files_too() {
    let db = cold("agg_gate");
    let mut session = db.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan;
         PREPARE gated (int) AS SELECT count(*), max(dev) FROM m WHERE $1 = 1;
         PREPARE grouped (int) AS SELECT dev, count(*) FROM m WHERE $1 = 1 AND dev < 3 GROUP BY dev ORDER BY dev;
         PREPARE own (int) AS SELECT count(*) FROM strata_chunks.m_h1_20250101 WHERE $1 = 1",
    );
    for (asked, open, shut) in [
        (
            "EXECUTE gated",
            "SELECT count(*), max(dev) FROM twin",
            "SELECT 0, NULL",
        ),
        (
            "EXECUTE grouped",
            "SELECT dev, count(*) FROM twin WHERE dev < 3 GROUP BY dev ORDER BY dev",
            "SELECT WHERE false",
        ),
        (
            "EXECUTE own",
            "SELECT count(*) FROM twin WHERE ts < '2025-02-01 00:00+00'",
            "SELECT 0",
        ),
    ] {
        let wanted = (rows(&mut session, open), rows(&mut session, shut));
        let found = (
            rows(&mut session, &format!("{asked} (1)")),
            rows(&mut session, &format!("{asked} (2)")),
        );
        assert_eq!(found, wanted, "{asked}");
    }
    for gate in [
        "(SELECT false)",
        "current_setting('strata.cold_reads') = 'x'",
    ] {
        let sql = format!("SELECT count(*) FROM m WHERE {gate}");
        assert_eq!(one(&mut session, &sql), "0", "{gate}");
    }
}

#[test]
fn late_rows_count_also_in_plans_made_before_them() {
    let db = cold("agg_late");
    let mut session = db.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan;
         PREPARE all_rows AS SELECT count(*), max(ts), sum(dev) FROM m;
         PREPARE by_dev (int) AS SELECT dev, count(*), min(small) FROM m WHERE dev >= $1 GROUP BY dev ORDER BY dev",
    );
    let ask = |session: &mut Client| {
        (
            rows(session, "EXECUTE all_rows"),
            rows(session, "EXECUTE by_dev (5)"),
        )
    };
    let before = ask(&mut session);
    assert!(before.0.contains("2160"), "{before:?}");
    let late = "INSERT INTO {m} (id, ts, dev, small) VALUES (9001, '2025-01-03 00:30+00', 100, -5), (9002, '2025-02-03 00:30+00', 6, -6)";
    db.run(&late.replace("{m}", "m"));
    db.run(&late.replace("{m}", "twin"));
    let after = ask(&mut session);
    assert_eq!(
        after.0,
        rows(&mut session, "SELECT count(*), max(ts), sum(dev) FROM twin")
    );
    assert_eq!(
        after.1,
        rows(
            &mut session,
            "SELECT dev, count(*), min(small) FROM twin WHERE dev >= 5 GROUP BY dev ORDER BY dev"
        )
    );
    let plan = same(
        &mut session,
        "SELECT dev, count(*) FROM {m} GROUP BY dev ORDER BY dev",
    );
    assert_eq!(count(&plan, "Late Rows: 1"), 2, "{plan}");
    // on the chunk itself
    let own = format!("SELECT count(*), sum(dev) FROM {JANUARY}");
    let plan = rows(&mut session, &format!("{EXPLAIN} {own}"));
    assert_eq!(count(&plan, "(ColdAgg)"), 1, "{plan}");
    assert_eq!(
        rows(&mut session, &own),
        rows(
            &mut session,
            "SELECT count(*), sum(dev) FROM twin WHERE ts < '2025-02-01 00:00+00'"
        )
    );
}

#[test]
fn parameters_prune_chunks_and_those_without_stored_form_are_left_to_postgresql() {
    let db = cold("agg_generic");
    let mut session = db.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan;
         PREPARE p (timestamptz, timestamptz) AS SELECT count(*), sum(dev) FROM m WHERE ts >= $1 AND ts < $2",
    );
    for (from, to, files) in [
        ("2025-01-05 00:00+00", "2025-01-06 00:00+00", 1),
        ("2025-03-05 00:00+00", "2025-03-06 00:00+00", 0),
        ("-infinity", "infinity", 2),
        // beyond what a file stores as a number
        ("2025-01-05 00:00+00", "294276-12-31 00:00+00", 2),
        ("4714-11-24 00:00+00 BC", "2025-02-05 00:00+00", 2),
    ] {
        let call = format!("EXECUTE p ('{from}', '{to}')");
        let expected = rows(
            &mut session,
            &format!("SELECT count(*), sum(dev) FROM twin WHERE ts >= '{from}' AND ts < '{to}'"),
        );
        assert_eq!(rows(&mut session, &call), expected, "{call}");
        let plan = rows(&mut session, &format!("{EXPLAIN} {call}"));
        assert_eq!(count(&plan, "(ColdAgg)"), files, "{plan}");
    }
    // a nested loop runs the node again and again
    let lateral = "SELECT d, n, s FROM generate_series(-1, 8) d CROSS JOIN LATERAL (SELECT count(*) AS n, sum(small) AS s FROM {m} WHERE dev = d OFFSET 0) c ORDER BY d";
    let plan = same(&mut session, lateral);
    assert!(plan.contains("ColdAgg"), "{plan}");
    let correlated = "SELECT d, (SELECT count(*) FROM {m} WHERE dev = d AND ts < '2025-02-15 00:00+00') FROM generate_series(0, 7) d ORDER BY d";
    same(&mut session, correlated);
    // changed inside the query that reads: the same rows or an error, never others
    exec(
        &mut session,
        "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT dev, count(*) FROM m GROUP BY dev ORDER BY dev",
    );
    assert_eq!(
        one(&mut session, "FETCH ABSOLUTE 3 FROM c"),
        one(&mut session, "SELECT dev FROM twin WHERE dev = 2 LIMIT 1")
    );
}

#[test]
fn columns_added_later_and_changed_types_are_left_to_postgresql() {
    let db = cold("agg_columns");
    db.run("ALTER TABLE m ADD extra int DEFAULT 7; ALTER TABLE twin ADD extra int DEFAULT 7; ALTER TABLE m DROP COLUMN val; ALTER TABLE m RENAME dev TO device; ALTER TABLE twin RENAME dev TO device");
    let mut session = db.session();
    for (sql, files) in [
        ("SELECT sum(extra), count(extra), count(*) FROM {m}", 0),
        ("SELECT extra, count(*) FROM {m} GROUP BY extra", 0),
        (
            "SELECT device, count(*) FROM {m} WHERE extra = 7 GROUP BY device ORDER BY device",
            0,
        ),
        (
            "SELECT device, count(*) FROM {m} GROUP BY device ORDER BY device",
            2,
        ),
    ] {
        let plan = same(&mut session, sql);
        assert_eq!(count(&plan, "(ColdAgg)"), files, "{sql}\n{plan}");
    }
}

#[test]
fn row_security_is_not_bypassed() {
    let db = cold("agg_rls");
    db.run(
        "CREATE ROLE agg_reader; GRANT SELECT ON m TO agg_reader; ALTER TABLE m ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON m FOR SELECT TO agg_reader USING (dev = 3)",
    );
    let mut session = db.session();
    let expected = one(
        &mut session,
        "SELECT count(*) || ' ' || sum(small) FROM twin WHERE dev = 3",
    );
    exec(&mut session, "SET ROLE agg_reader");
    assert_eq!(
        one(&mut session, "SELECT count(*) || ' ' || sum(small) FROM m"),
        expected
    );
    // an operator that may tell others of rows it must not see is asked after the policy
    exec(
        &mut session,
        "RESET ROLE; CREATE FUNCTION tells(bigint, bigint) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''saw %'', $1; RETURN true; END'; CREATE OPERATOR <<<< (FUNCTION = tells, LEFTARG = bigint, RIGHTARG = bigint); SET ROLE agg_reader",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) || ' ' || sum(small) FROM m WHERE id <<<< 1"
        ),
        expected
    );
    exec(
        &mut session,
        "RESET ROLE; DROP OWNED BY agg_reader; DROP ROLE agg_reader",
    );
}
