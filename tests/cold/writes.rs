//! Statements that change cold rows fail only when such a row really matches.

use crate::support::{ColdDb, Db, HASH, exec, fails, one, server};
use postgres::Client;

fn cold(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    db.metrics();
    db.tier("2025-03-01");
    db
}

/// Ten times: from the sixth on a prepared statement has a generic plan.
fn ten_times(session: &mut Client, sql: &str, parameters: &[i64]) {
    let statement = session.prepare(sql).unwrap();
    for n in 0..10 {
        for parameter in parameters {
            session
                .execute(&statement, &[parameter])
                .unwrap_or_else(|error| {
                    panic!("execution {n} of {sql} with {parameter}: {error:?}")
                });
        }
    }
}

#[test]
fn updates_and_deletes_fail_only_on_a_hit() {
    let db = cold("writes_hit");
    let mut session = db.session();
    for sql in [
        "UPDATE m SET note = note || '+' WHERE id = $1",
        "DELETE FROM m WHERE id = $1 AND val = -1",
        "MERGE INTO m USING (SELECT $1::bigint AS id) s ON m.id = s.id WHEN MATCHED THEN UPDATE SET note = 'merged'",
    ] {
        // hot rows, and ids that nobody has
        ten_times(&mut session, sql, &[2000, 2159, 123_456]);
    }
    assert_eq!(
        one(&mut session, "SELECT note FROM m WHERE id = 2159"),
        "merged"
    );
    let hash = one(&mut session, HASH);
    for sql in [
        "UPDATE m SET note = 'x' WHERE id = 5",
        "UPDATE m SET note = 'x' WHERE dev = 1",
        "UPDATE m SET ts = ts + interval '60 days' WHERE id = 5",
        "DELETE FROM m WHERE ts < '2025-01-01 03:00+00'",
        "DELETE FROM m",
        "MERGE INTO m USING (VALUES (5)) s(id) ON m.id = s.id WHEN MATCHED THEN DELETE",
        "SELECT * FROM m WHERE id = 5 FOR UPDATE",
        "DELETE FROM strata_chunks.m_h1_20250101 WHERE id = 5",
    ] {
        fails(&mut session, sql, "55000", &["m_h1_20250101"]);
    }
    exec(&mut session, "SELECT * FROM m WHERE id = 5 FOR KEY SHARE");
    // by a cursor, of file and late rows in one order
    exec(
        &mut session,
        "INSERT INTO m VALUES (9000, '2025-01-01 00:30+00', 1, 1, 'late')",
    );
    for (row, change) in [(1, "UPDATE {} SET note = 'x'"), (3, "DELETE FROM {}")] {
        let change = change.replace("{}", "strata_chunks.m_h1_20250101");
        exec(
            &mut session,
            &format!(
                "BEGIN; DECLARE c CURSOR FOR SELECT * FROM strata_chunks.m_h1_20250101 ORDER BY ts; MOVE {row} c"
            ),
        );
        let sql = format!("{change} WHERE CURRENT OF c");
        fails(&mut session, &sql, "55000", &["m_h1_20250101"]);
        exec(&mut session, "ROLLBACK");
    }
    exec(
        &mut session,
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM strata_chunks.m_h1_20250101 ORDER BY ts; MOVE 2 c;
         DELETE FROM strata_chunks.m_h1_20250101 WHERE CURRENT OF c; COMMIT",
    );
    // a prepared statement that misses nine times still fails when it hits
    exec(
        &mut session,
        "PREPARE change AS UPDATE m SET note = note WHERE id = $1",
    );
    for _ in 0..9 {
        exec(&mut session, "EXECUTE change(2000)");
    }
    fails(
        &mut session,
        "EXECUTE change(5)",
        "55000",
        &["m_h1_20250101"],
    );
    exec(&mut session, "EXECUTE change(2000)");
    assert_eq!(one(&mut session, HASH), hash);
}

/// The planner puts the projection of INSERT and CREATE TABLE AS into the scan itself.
#[test]
fn copies_of_cold_rows_are_complete() {
    let db = cold("writes_copies");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE copy AS SELECT id + 10000 AS id, ts, note FROM m",
    );
    exec(
        &mut session,
        "CREATE TABLE target (id bigint, ts timestamptz, note text); \
        INSERT INTO target SELECT id + 10000, ts, note FROM m; \
        INSERT INTO target SELECT id + 20000, ts, note FROM m WHERE val < 100 ORDER BY dev LIMIT 50",
    );
    let bare = "SELECT md5(string_agg((id, ts, note)::text, ' ' ORDER BY id)) FROM ";
    let whole = one(
        &mut session,
        &format!("{bare} (SELECT (m).id + 10000 AS id, (m).ts, (m).note FROM m) s"),
    );
    assert_eq!(one(&mut session, &format!("{bare} copy")), whole);
    assert_eq!(
        one(&mut session, &format!("{bare} target WHERE id < 20000")),
        whole
    );
    let found = "SELECT count(*) FROM target t JOIN m ON m.id + 20000 = t.id AND m.ts = t.ts AND m.note IS NOT DISTINCT FROM t.note";
    assert_eq!(one(&mut session, found), "50");
}

#[test]
fn joins_under_a_concurrent_update_return_the_cold_side() {
    let db = cold("writes_epq");
    db.run("CREATE TABLE hot (id bigint PRIMARY KEY, n int); INSERT INTO hot VALUES (5, 1)");
    let mut writer = db.session();
    exec(&mut writer, "BEGIN; UPDATE hot SET n = 2");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let sql = "SELECT hot.n || ' ' || m.note FROM hot JOIN m USING (id) FOR UPDATE OF hot";
            one(&mut db.session(), sql)
        });
        crate::common::wait_until("the reader waits for the row", || {
            db.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == "1"
        });
        exec(&mut writer, "COMMIT");
        assert_eq!(reader.join().expect("the reader"), "2 n5");
    });
}

#[test]
fn ddl_on_cold_chunks_is_done_or_refused_clearly() {
    let db = cold("writes_ddl");
    // an all-hot twin goes through the same changes
    db.run("CREATE TABLE twin AS SELECT * FROM m");
    let same = || {
        let sql = |table: &str| {
            format!(
                "SELECT md5(string_agg(t::text, E'\\n' ORDER BY id, ts)) || ' ' || count(*) FROM {table} t"
            )
        };
        assert_eq!(db.one(&sql("m")), db.one(&sql("twin")));
    };
    for change in [
        "ADD COLUMN extra int DEFAULT 7",
        "ADD COLUMN stamp timestamptz DEFAULT '2025-05-05 05:05:05.5+00'",
        "RENAME COLUMN note TO remark",
        "DROP COLUMN val",
        "ADD COLUMN note text",
        "ADD COLUMN val numeric DEFAULT 1.10",
        "RENAME COLUMN remark TO \"Remark\"",
        "ALTER COLUMN extra SET DEFAULT 9",
        "DROP COLUMN stamp",
    ] {
        db.run(&format!(
            "ALTER TABLE m {change}; ALTER TABLE twin {change}"
        ));
        same();
    }
    db.run(
        "INSERT INTO m (id, ts, dev) VALUES (9000, '2025-03-20 00:30+00', 1); \
        INSERT INTO twin (id, ts, dev) VALUES (9000, '2025-03-20 00:30+00', 1)",
    );
    same();
    let mut session = db.session();
    for sql in [
        "ALTER TABLE m ALTER COLUMN extra TYPE text",
        "ALTER TABLE m ADD UNIQUE (dev, ts)",
        "ALTER TABLE m ADD COLUMN random float8 DEFAULT random()",
        "ALTER TABLE strata_chunks.m_h1_20250101 SET ACCESS METHOD heap",
        "ALTER TABLE strata_chunks.m_h1_20250101 SET UNLOGGED",
    ] {
        fails(&mut session, sql, "55000", &["m_h1_20250101"]);
    }
    assert_eq!(
        db.run("COPY (SELECT * FROM strata_chunks.m_h1_20250101) TO STDOUT")
            .lines()
            .count(),
        744
    );
    fails(
        &mut session,
        "SELECT * FROM m TABLESAMPLE SYSTEM (10)",
        "0A000",
        &["m_h1_20250101"],
    );
    exec(
        &mut session,
        "CREATE INDEX ON m (\"Remark\"); REINDEX TABLE strata_chunks.m_h1_20250101; ANALYZE m",
    );
    exec(&mut session, "VACUUM m");
    same();
    db.run("CALL strata.untier_chunks('m')");
    same();
    db.tier("2025-03-01");
    same();
}
