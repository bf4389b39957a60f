//! Ordered scans in windows: what they serve, what they leave to native plans, and what they cost.

use crate::common::{Cluster, Db, exec, fails, one, rows, wait_until};
use postgres::Client;

/// A table of 1,000 chunks of a day; every tenth has rows.
fn thousand(db: &Db) {
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL, id int, device int, v float8) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'));
         SELECT strata.alter_hypertable('t', premake => 0);
         SELECT count(*) FROM strata.premake_chunks('t', '2021-01-01 00:00+00'::timestamptz, '2023-09-28 00:00+00'::timestamptz);
         CREATE INDEX ON t (device, ts DESC);
         INSERT INTO t SELECT '2021-01-01 00:00+00'::timestamptz + i * interval '20 hours 7 minutes' * 12, i, i % 5, i
           FROM generate_series(0, 95) i",
    );
}

fn plan(session: &mut Client, sql: &str) -> String {
    rows(session, &format!("EXPLAIN (COSTS OFF) {sql}"))
}

/// Tables that a statement locks.
fn locked(session: &mut Client, sql: &str) -> usize {
    exec(session, "BEGIN");
    rows(session, sql);
    let found = one(
        session,
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE l.pid = pg_backend_pid() AND c.relname LIKE 't\\_h%' AND c.relkind = 'r'",
    );
    exec(session, "COMMIT");
    found.parse().unwrap()
}

fn same(session: &mut Client, sql: &str) {
    let ours = rows(session, sql);
    exec(session, "SET strata.planner = off");
    let native = rows(session, sql);
    exec(session, "SET strata.planner = on");
    assert_eq!(ours, native, "{sql}");
}

#[test]
fn the_ends_of_the_key_are_found_without_planning_all_chunks() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "ends");
    thousand(&db);
    let mut session = db.session();
    for sql in [
        "SELECT max(ts) FROM t",
        "SELECT min(ts), max(ts), max(ts) - min(ts) FROM t WHERE device = 3",
        "SELECT max(ts) FROM t WHERE ts < '2022-02-02 00:00+00' AND id > 5",
        "SELECT d, (SELECT max(ts) FROM t WHERE device = d) FROM generate_series(0, 6) d",
        "SELECT max(ts) FROM t HAVING min(ts) > '2020-01-01'",
        "SELECT max(ts) FROM t WHERE false",
        "SELECT max(ts) FROM t WHERE device = 77 AND id IS NULL",
        "SELECT s.m IS NULL FROM (SELECT max(ts) AS m FROM t) s",
        "SELECT min(ts) FROM t ORDER BY 1 LIMIT 1",
    ] {
        same(&mut session, sql);
        let plan = plan(&mut session, sql);
        assert!(!plan.contains(" on t_h"), "{sql}\n{plan}");
        assert!(plan.contains("LazyScan") || sql.contains("false"), "{plan}");
    }
    // of 1,000 chunks those that were looked into: 1 + 2 + 4 + ...
    let n = locked(&mut session, "SELECT max(ts) FROM t");
    assert!((1..=63).contains(&n), "{n} chunks locked");
    for sql in [
        "SELECT min(ts), max(v) FROM t",
        "SELECT max(ts), count(*) FROM t",
        "SELECT device, max(ts) FROM t GROUP BY 1 ORDER BY 1",
        "SELECT max(ts) FROM t WHERE ts > '2023-09-01 00:00+00'",
        "SELECT max(ts + interval '1 day') FROM t",
        "SELECT max(ts) FILTER (WHERE device = 1) FROM t",
        "SELECT max(a.ts) FROM t a JOIN t b USING (ts)",
    ] {
        same(&mut session, sql);
    }
    // as a cached plan, and for a role with policies
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; PREPARE p(int) AS SELECT max(ts) FROM t WHERE device = $1",
    );
    let second = one(&mut session, "EXECUTE p(2)");
    assert_eq!(
        one(
            &mut session,
            "SELECT max(ts) FROM t WHERE device = 2 AND v >= 0"
        ),
        second
    );
    assert_ne!(one(&mut session, "EXECUTE p(3)"), second);
    exec(
        &mut session,
        "CREATE ROLE ends_reader; GRANT SELECT ON t TO ends_reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON t TO ends_reader USING (device < 3); SET ROLE ends_reader",
    );
    same(&mut session, "SELECT max(ts), min(ts) FROM t");
    same(&mut session, "SELECT max(ts) FROM t WHERE device > 2");
}

#[test]
fn a_large_limit_is_left_to_native_plans() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "large");
    thousand(&db);
    let mut session = db.session();
    let lazy = |session: &mut Client, sql: &str| plan(session, sql).contains("LazyScan");
    for limit in ["LIMIT 10", "LIMIT 5000 OFFSET 5000", "LIMIT 0"] {
        let sql = format!("SELECT * FROM t ORDER BY ts {limit}");
        assert!(lazy(&mut session, &sql), "{limit}");
    }
    for limit in [
        "LIMIT ALL",
        "LIMIT NULL",
        "LIMIT 10001",
        "LIMIT 1 OFFSET 10000",
        "LIMIT 9223372036854775807",
    ] {
        let sql = format!("SELECT * FROM t ORDER BY ts {limit}");
        assert!(!lazy(&mut session, &sql), "{limit}");
        same(&mut session, &sql);
    }
    // of a larger table it is a small part
    exec(
        &mut session,
        "SET allow_system_table_mods = on;
         UPDATE pg_class SET reltuples = 300 WHERE relname LIKE 't\\_h%' AND relkind = 'r'",
    );
    assert!(lazy(
        &mut session,
        "SELECT * FROM t ORDER BY ts LIMIT 14000"
    ));
    assert!(!lazy(
        &mut session,
        "SELECT * FROM t ORDER BY ts LIMIT 16000"
    ));
}

#[test]
fn plans_of_windows_do_not_pile_up() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "memory");
    thousand(&db);
    let mut session = db.session();
    exec(
        &mut session,
        "BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT x.* FROM generate_series(0, 990) d,
           LATERAL (SELECT id FROM t WHERE ts < '2021-01-05 00:00+00'::timestamptz + d * interval '1 day' ORDER BY ts DESC LIMIT 1) x",
    );
    let fetched = rows(&mut session, "FETCH 900 FROM c").lines().count();
    assert_eq!(fetched, 900);
    let bytes = one(
        &mut session,
        "SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'LazyScan'",
    );
    assert!(bytes.parse::<u64>().unwrap() < 16 << 20, "{bytes} bytes");
    exec(&mut session, "ROLLBACK");
}

#[test]
fn a_row_looked_at_again_after_a_concurrent_update_reads_windows_anew() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "again");
    thousand(&db);
    db.run("CREATE TABLE u (device int, newest int, n int); INSERT INTO u VALUES (1, 0, 0)");
    let expected = db.one("SELECT max(id) FROM t WHERE device = 1");
    let mut first = db.session();
    exec(&mut first, "BEGIN; UPDATE u SET n = n + 1");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut session = db.session();
            one(
                &mut session,
                "UPDATE u SET newest = (SELECT id FROM t WHERE t.device = u.device ORDER BY ts DESC LIMIT 1) RETURNING newest || ' ' || n",
            )
        });
        wait_until("the second waits", || {
            db.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1"
        });
        exec(&mut first, "COMMIT");
        assert_eq!(second.join().unwrap(), format!("{expected} 1"));
    });
}

#[test]
fn cursors_savepoints_and_locks_work_over_windows() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "cursors");
    thousand(&db);
    let mut session = db.session();
    let ids = rows(
        &mut session,
        "SELECT id FROM t WHERE device = 2 ORDER BY ts DESC LIMIT 12",
    );
    let ids: Vec<&str> = ids.lines().collect();
    exec(
        &mut session,
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM t WHERE device = 2 ORDER BY ts DESC LIMIT 12;
         DECLARE s SCROLL CURSOR WITH HOLD FOR SELECT id FROM t WHERE device = 2 ORDER BY ts DESC LIMIT 12",
    );
    assert_eq!(rows(&mut session, "FETCH 2 FROM c"), ids[..2].join("\n"));
    // windows opened inside of a savepoint outlive it
    exec(&mut session, "SAVEPOINT a");
    assert_eq!(rows(&mut session, "FETCH 5 FROM c"), ids[2..7].join("\n"));
    exec(&mut session, "ROLLBACK TO a");
    assert_eq!(rows(&mut session, "FETCH 9 FROM c"), ids[7..].join("\n"));
    assert_eq!(rows(&mut session, "FETCH LAST FROM s"), ids[11]);
    assert_eq!(
        rows(&mut session, "FETCH BACKWARD 2 FROM s"),
        [ids[10], ids[9]].join("\n")
    );
    // the table cannot change under it in the same session
    fails(
        &mut session,
        "ALTER TABLE t DROP COLUMN v",
        "55006",
        &["being used"],
    );
    exec(&mut session, "ROLLBACK");
    exec(
        &mut session,
        "BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t WHERE device = 2 ORDER BY ts DESC LIMIT 12; FETCH h; COMMIT",
    );
    assert_eq!(rows(&mut session, "FETCH ALL FROM h"), ids[1..].join("\n"));
    // row locks and positioned updates are native plans' work, or a clear error
    exec(
        &mut session,
        "BEGIN; DECLARE l CURSOR FOR SELECT id FROM t WHERE device = 2 ORDER BY ts DESC LIMIT 12 FOR UPDATE; FETCH 3 FROM l;
         UPDATE t SET v = -1 WHERE CURRENT OF l",
    );
    assert_eq!(one(&mut session, "SELECT id FROM t WHERE v = -1"), ids[2]);
    exec(
        &mut session,
        "DECLARE w CURSOR FOR SELECT id FROM t WHERE device = 2 ORDER BY ts DESC LIMIT 12; FETCH w",
    );
    fails(
        &mut session,
        "DELETE FROM t WHERE CURRENT OF w",
        "24000",
        &["not a simply updatable"],
    );
    exec(&mut session, "ROLLBACK");
    assert_eq!(
        rows(
            &mut session,
            "SELECT id FROM t WHERE device = 2 ORDER BY ts DESC FETCH FIRST 12 ROWS WITH TIES"
        ),
        ids.join("\n")
    );
    let log = cluster.log();
    assert!(!log.contains("leak"), "{log}");
}
