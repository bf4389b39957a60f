//! Rows that come into the range of a cold chunk: seen exactly once, never twice under one key.

use crate::common::{Cluster, wait_until};
use crate::support::{
    ColdDb, Db, FEBRUARY, JANUARY, exec, fails, force_parallel, one, rows, server, try_one,
};
use postgres::Client;
use postgres::error::DbError;

/// `m` with two of three chunks cold, and `twin`, the same rows in one plain table.
fn cold<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    db.run("CREATE TABLE twin (LIKE m INCLUDING ALL); INSERT INTO twin SELECT * FROM m");
    db.tier("2025-03-01");
    db
}

/// Both tables go through the same change.
#[track_caller]
fn both(db: &Db, sql: &str) {
    for table in ["m", "twin"] {
        db.run(&sql.replace("$t", table));
    }
}

/// Both tables give the same answers, however they are asked.
#[track_caller]
fn same(db: &Db) {
    let mut session = db.session();
    let plain = "SET enable_parallel_append = on";
    let parallel = format!(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; \
         SET max_parallel_workers_per_gather = 2; {}",
        force_parallel()
    );
    for settings in [plain, &parallel, "SET strata.cold_pushdown = off"] {
        exec(&mut session, settings);
        for sql in [
            "SELECT md5(string_agg($t::text, ' ' ORDER BY id, ts)), count(*) FROM $t",
            "SELECT count(*), sum(id), min(ts), max(ts), min(note), max(val), count(note) FROM $t",
            "SELECT id, ts FROM $t ORDER BY ts, id",
            "SELECT id, ts FROM $t ORDER BY ts DESC, id DESC",
            "SELECT ts FROM $t WHERE ts < '2025-01-25' ORDER BY ts LIMIT 30",
            "SELECT ts FROM $t WHERE ts < '2025-02-25' ORDER BY ts DESC LIMIT 700",
            "SELECT max(ts) FROM $t WHERE ts < '2025-01-20 12:00+00'",
            "SELECT min(id), max(id) FROM $t WHERE ts < '2025-03-01'",
            "SELECT dev, count(*), avg(val) FROM $t GROUP BY dev ORDER BY dev",
            "SELECT $t::text FROM $t WHERE id >= 9000 ORDER BY id, ts",
            "SELECT count(*) FROM $t WHERE id = 9000 AND ts = '2025-01-20 00:30+00'",
            "SELECT count(*) FROM $t WHERE dev = 1 AND ts BETWEEN '2025-01-10' AND '2025-02-10'",
            "SELECT count(*) FROM $t a JOIN $t b USING (id, ts) WHERE a.dev = 1",
        ] {
            let ask = |session: &mut Client, table: &str| rows(session, &sql.replace("$t", table));
            let twin = ask(&mut session, "twin");
            assert_eq!(ask(&mut session, "m"), twin, "{settings}: {sql}");
        }
        exec(&mut session, "RESET ALL");
    }
}

#[test]
fn late_rows_are_seen_exactly_once() {
    let db = cold(server(), "late_seen");
    let late_rows = |n: &str| {
        assert_eq!(
            db.one("SELECT count(*) FROM m WHERE id >= 9000 AND ts < '2025-03-01'"),
            n
        );
        same(&db);
    };
    both(
        &db,
        "INSERT INTO $t VALUES (9000, '2025-01-20 00:30+00', 1, 0.5, 'late')",
    );
    late_rows("1");
    both(
        &db,
        "INSERT INTO $t SELECT 9100 + g, '2025-01-31 23:00+00'::timestamptz + g * interval '30 minutes', g % 7, NULL, 'l' || g \
         FROM generate_series(1, 20) g",
    );
    late_rows("21");
    let copy = "COPY $t FROM STDIN;\n9200\t2025-01-01 00:00:00.5+00\t1\t\\N\t\\N\n\
        9201\t2025-02-28 23:59:59+00\t1\t2.5\tx\n9202\t2025-03-20 00:30+00\t1\t\\N\t\\N\n\\.\n";
    both(&db, copy);
    late_rows("23");
    // a hot row moves into a cold range
    both(
        &db,
        "UPDATE $t SET ts = '2025-01-21 00:30+00', note = 'moved' WHERE id = 2000",
    );
    same(&db);
    both(
        &db,
        "MERGE INTO $t t USING (VALUES (9300, timestamptz '2025-02-11 00:30+00'), (9300, '2025-03-11 00:30+00')) s(id, ts) \
         ON t.id = s.id AND t.ts = s.ts WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.ts, 3, 1, 'merged')",
    );
    late_rows("24");
    db.run(&format!(
        "INSERT INTO {JANUARY} VALUES (9400, '2025-01-22 00:30+00', 2)"
    ));
    db.run("INSERT INTO twin VALUES (9400, '2025-01-22 00:30+00', 2)");
    late_rows("25");
    // an open transaction, a rollback, a savepoint
    let mut session = db.session();
    exec(
        &mut session,
        "BEGIN; INSERT INTO m VALUES (9500, '2025-01-23 00:30+00', 2); SAVEPOINT s",
    );
    exec(
        &mut session,
        "INSERT INTO m VALUES (9501, '2025-01-23 00:30+00', 2); ROLLBACK TO s",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE id >= 9500"),
        "1"
    );
    same(&db);
    exec(&mut session, "ROLLBACK");
    same(&db);
}

/// The plan was made, and kept, while there was no late row.
#[test]
fn cached_plans_see_late_rows_in_order() {
    let db = cold(server(), "late_cached");
    let mut session = db.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; \
         PREPARE newest AS SELECT id FROM m WHERE ts < '2025-03-01' ORDER BY ts DESC LIMIT 3; \
         PREPARE one(bigint) AS SELECT count(*) FROM m WHERE id = $1;",
    );
    assert_eq!(rows(&mut session, "EXECUTE newest"), "1415\n1414\n1413");
    assert_eq!(one(&mut session, "EXECUTE one(9000)"), "0");
    db.run(
        "INSERT INTO m VALUES (9000, '2025-02-28 22:30+00', 1), (9001, '2025-01-02 00:30+00', 1)",
    );
    assert_eq!(rows(&mut session, "EXECUTE newest"), "1415\n9000\n1414");
    assert_eq!(one(&mut session, "EXECUTE one(9000)"), "1");
    // an open snapshot keeps what it saw
    exec(&mut session, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let seen = rows(&mut session, "EXECUTE newest");
    db.run("INSERT INTO m VALUES (9002, '2025-02-28 22:45+00', 1)");
    assert_eq!(rows(&mut session, "EXECUTE newest"), seen);
    exec(&mut session, "COMMIT");
    assert_eq!(rows(&mut session, "EXECUTE newest"), "1415\n9002\n9000");
}

#[test]
fn late_rows_change_like_hot_ones() {
    let db = cold(server(), "late_change");
    both(
        &db,
        "INSERT INTO $t SELECT 9000 + g, '2025-01-20 00:30+00'::timestamptz + g * interval '1 hour', g % 7, g, 'late' \
         FROM generate_series(0, 99) g",
    );
    for sql in [
        "UPDATE $t SET note = note || '!', val = val + 1 WHERE id BETWEEN 9010 AND 9020",
        "UPDATE $t SET id = id + 1000 WHERE id BETWEEN 9030 AND 9035",
        // within the chunk, into another cold one, into the hot one and back
        "UPDATE $t SET ts = ts + interval '10 minutes' WHERE id = 9040",
        "UPDATE $t SET ts = '2025-02-20 00:10+00' WHERE id = 9041",
        "UPDATE $t SET ts = '2025-03-20 00:10+00' WHERE id = 9042",
        "UPDATE $t SET ts = '2025-01-20 00:10+00' WHERE id = 9042",
        "DELETE FROM $t WHERE id BETWEEN 9050 AND 9055",
        "INSERT INTO $t VALUES (9050, '2025-01-20 00:30+00'::timestamptz + 50 * interval '1 hour', 1, 1, 'again')",
        "MERGE INTO $t t USING generate_series(9060, 9065) s(id) ON t.id = s.id \
         WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'merged'",
    ] {
        both(&db, sql);
        same(&db);
    }
    let mut session = db.session();
    let returned = "DELETE FROM m WHERE id = 9099 RETURNING tableoid::regclass || ' ' || note";
    assert_eq!(one(&mut session, returned), format!("{JANUARY} late"));
    exec(
        &mut session,
        "BEGIN; SELECT * FROM m WHERE id = 9098 FOR UPDATE",
    );
    let mut other = db.session();
    exec(&mut other, "SET lock_timeout = '100ms'");
    fails(
        &mut other,
        "UPDATE m SET note = 'x' WHERE id = 9098",
        "55P03",
        &[],
    );
    exec(&mut session, "COMMIT");
    // of late rows and cold ones together, the cold ones forbid it
    fails(
        &mut session,
        "UPDATE m SET note = 'x' WHERE ts >= '2025-01-20 01:00+00' AND ts < '2025-01-20 02:00+00'",
        "55000",
        &["m_h1_20250101"],
    );
    // children of late rows
    exec(
        &mut session,
        "CREATE TABLE child (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m (id, ts) ON DELETE CASCADE); \
         INSERT INTO child SELECT id, ts FROM m WHERE id IN (9001, 5)",
    );
    exec(&mut session, "DELETE FROM m WHERE id = 9001");
    assert_eq!(rows(&mut session, "SELECT id FROM child"), "5");
}

/// What is told about a duplicate, but for names and for the place in our code.
fn told(error: &DbError) -> Vec<Option<String>> {
    let text = |t: Option<&str>| t.map(|t| t.replace("20250301", "").replace("20250101", ""));
    vec![
        Some(error.code().code().to_owned()),
        text(Some(error.message())),
        error
            .detail()
            .map(|d| d.replace("2025-03-", "2025-01-").replace("1416", "5")),
        error.hint().map(str::to_owned),
        text(error.schema()),
        text(error.table()),
        text(error.column()),
        text(error.constraint()),
    ]
}

#[test]
fn duplicates_are_refused_as_the_server_refuses_them() {
    let db = cold(server(), "late_dup");
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    let hot = fails(
        &mut session,
        "INSERT INTO m VALUES (1416, '2025-03-01 00:00+00', 1)",
        "23505",
        &["m_h1_20250301_pkey"],
    );
    let key = "'2025-01-01 00:00+00'";
    let late = fails(
        &mut session,
        &format!("INSERT INTO m VALUES (5, {key}::timestamptz + 5 * interval '1 hour', 1)"),
        "23505",
        &["m_h1_20250101_pkey"],
    );
    let detail = late.detail().unwrap_or_default();
    assert_eq!(
        detail,
        "Key (id, ts)=(5, 2025-01-01 05:00:00+00) already exists."
    );
    let mut expected = told(&hot);
    expected[2] = late.detail().map(str::to_owned);
    let mut found = told(&late);
    found[2] = late.detail().map(str::to_owned);
    assert_eq!(found, expected);
    assert_eq!(late.schema(), Some("strata_chunks"));
    assert_eq!(late.constraint(), Some("m_h1_20250101_pkey"));
    let hash = db.hash();
    for sql in [
        "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1), (700, '2025-01-30 04:00+00', 1)",
        "INSERT INTO m SELECT id, ts, dev FROM m WHERE ts < '2025-02-01'",
        "INSERT INTO strata_chunks.m_h1_20250101 VALUES (5, '2025-01-01 05:00+00', 1)",
        "UPDATE m SET id = 5, ts = '2025-01-01 05:00+00' WHERE id = 2000",
        "MERGE INTO m USING (VALUES (5)) s(id) ON false WHEN NOT MATCHED THEN INSERT VALUES (5, '2025-01-01 05:00+00', 1)",
        "WITH late AS (INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1) RETURNING *) \
         INSERT INTO m SELECT id, ts, dev FROM late",
    ] {
        fails(&mut session, sql, "23505", &["m_h1_20250101_pkey"]);
        assert_eq!(db.hash(), hash, "{sql}");
    }
    let copy = "\\set VERBOSITY verbose\nCOPY m FROM STDIN;\n9000\t2025-01-20 00:30+00\t1\t\\N\t\\N\n\
        5\t2025-01-01 05:00+00\t1\t\\N\t\\N\n\\.\n";
    let error = db.cluster.try_psql(db.name, copy).expect_err("a duplicate");
    assert!(
        error.contains("23505") && error.contains("(id, ts)=(5, "),
        "{error}"
    );
    assert_eq!(db.hash(), hash);
    // among late rows, and a late row that takes the key of a cold one
    exec(
        &mut session,
        "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1), (9001, '2025-01-20 00:30+00', 1)",
    );
    for sql in [
        "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 2)",
        "UPDATE m SET id = 9000 WHERE id = 9001",
        "UPDATE m SET id = 5, ts = '2025-01-01 05:00+00' WHERE id = 9001",
    ] {
        fails(&mut session, sql, "23505", &["m_h1_20250101_pkey"]);
    }
    exec(
        &mut session,
        "DELETE FROM m WHERE id = 9000; UPDATE m SET id = 9000 WHERE id = 9001",
    );
    assert_eq!(db.one("SELECT count(*) FROM m"), "2161");
}

/// Everything that ON CONFLICT may do.
fn conflicts(db: &Db) {
    let cold_key = "(5, '2025-01-01 05:00+00', 1, 1, 'new')";
    let hash = db.hash();
    for target in ["", "(id, ts)", "ON CONSTRAINT m_pkey"] {
        // each in a session that has seen nothing of the chunk
        let sql =
            format!("INSERT INTO m VALUES {cold_key} ON CONFLICT {target} DO NOTHING RETURNING id");
        assert_eq!(one(&mut db.session(), &sql), "", "{target}");
        assert_eq!(db.hash(), hash, "{target}");
    }
    let mut session = db.session();
    for sql in [
        "ON CONFLICT (id, ts) DO UPDATE SET note = excluded.note",
        "ON CONFLICT (id, ts) DO UPDATE SET note = excluded.note WHERE false",
    ] {
        let sql = format!("INSERT INTO m VALUES {cold_key} {sql}");
        fails(&mut session, &sql, "55000", &["m_h1_20250101"]);
    }
    assert_eq!(db.hash(), hash);
    // new keys, cold ones and hot ones side by side
    let mixed = "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1), (5, '2025-01-01 05:00+00', 1), \
        (1416, '2025-03-01 00:00+00', 1), (9001, '2025-03-20 00:30+00', 1), (9000, '2025-01-20 00:30+00', 2) \
        ON CONFLICT DO NOTHING RETURNING id";
    assert_eq!(rows(&mut session, mixed), "9000\n9001");
    assert_eq!(rows(&mut session, mixed), "");
    // a late row is a row like others
    let upsert = "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1, 7, 'upserted') \
        ON CONFLICT (id, ts) DO UPDATE SET note = excluded.note RETURNING note";
    assert_eq!(one(&mut session, upsert), "upserted");
    assert_eq!(
        db.one("SELECT count(*) || ' ' || count(DISTINCT (id, ts)) FROM m"),
        "2162 2162"
    );
    exec(&mut session, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(rows(&mut session, mixed), "");
    exec(&mut session, "COMMIT");
    // straight into the chunk
    let chunk =
        format!("INSERT INTO {JANUARY} VALUES {cold_key} ON CONFLICT DO NOTHING RETURNING 1");
    assert_eq!(one(&mut session, &chunk), "");
    // ten times: prepared, then with a generic plan
    let sql = "INSERT INTO m VALUES ($1, '2025-01-01 05:00+00', 1) ON CONFLICT DO NOTHING";
    let statement = session.prepare(sql).expect("a statement");
    let done: Vec<u64> = (0..10)
        .map(|n| {
            session
                .execute(&statement, &[&(5 + 20_000 * i64::from(n % 2 == 1))])
                .expect("done")
        })
        .collect();
    assert_eq!(done, [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn on_conflict_finds_cold_rows() {
    conflicts(&cold(server(), "late_conflict"));
}

#[test]
fn on_conflict_finds_cold_rows_with_preload() {
    let cluster = Cluster::builder().preload(true).start();
    conflicts(&cold(&cluster, "late_conflict"));
}

/// What the server does before it looks for conflicts still comes first.
#[test]
fn triggers_policies_and_constraints_come_before_the_conflict() {
    let db = cold(server(), "late_before");
    db.run("CREATE ROLE late_writer LOGIN; GRANT SELECT, INSERT ON m TO late_writer");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.note = 'skip' THEN RETURN NULL; END IF; \
         IF NEW.note = 'shift' THEN NEW.id := NEW.id + 50000; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER shift BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION shift()",
    );
    let insert = |note: &str| {
        format!(
            "INSERT INTO m (id, ts, dev, note) VALUES (5, '2025-01-01 05:00+00', 1, '{note}') ON CONFLICT DO NOTHING RETURNING id"
        )
    };
    assert_eq!(one(&mut session, &insert("same")), "");
    assert_eq!(one(&mut session, &insert("skip")), "");
    assert_eq!(one(&mut session, &insert("shift")), "50005");
    assert_eq!(one(&mut session, &insert("shift")), "");
    exec(
        &mut session,
        "ALTER TABLE m ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY own ON m TO late_writer USING (dev = 1) WITH CHECK (dev = 1 AND note = 'mine')",
    );
    let mut writer = db.session_as("late_writer");
    // neither a key that is there nor one that is not tells anything
    fails(
        &mut writer,
        &insert("theirs"),
        "42501",
        &["row-level security"],
    );
    assert_eq!(one(&mut writer, &insert("mine")), "");
    fails(
        &mut session,
        "INSERT INTO m (id, ts, dev) VALUES (5, '2025-01-01 05:00+00', NULL) ON CONFLICT DO NOTHING",
        "23502",
        &["dev"],
    );
}

/// Two sessions with one late key: the second waits, and is refused or let in as the first one ends.
#[test]
fn second_insert_of_a_late_key_waits_for_the_first() {
    let db = cold(server(), "late_race");
    for (end, expected) in [("COMMIT", Some("23505")), ("ROLLBACK", None)] {
        let mut first = db.session();
        exec(
            &mut first,
            "BEGIN; INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1)",
        );
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let sql = "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 2)";
                let answer = try_one(&mut db.session(), sql);
                answer
                    .err()
                    .and_then(|e| e.code().map(|c| c.code().to_owned()))
            });
            wait_until("the second one waits", || {
                db.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == "1"
            });
            exec(&mut first, end);
            assert_eq!(
                second.join().expect("the second one").as_deref(),
                expected,
                "{end}"
            );
        });
        db.run("DELETE FROM m WHERE id = 9000");
    }
    assert_eq!(db.one("SELECT count(*) FROM m"), "2160");
    assert_eq!(db.one(&format!("SELECT count(*) FROM {FEBRUARY}")), "672");
}
