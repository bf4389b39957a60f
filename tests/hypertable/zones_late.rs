//! Closed chunks: every way in which a row may leave their range, and every way in which the range may go
//! (hypertables.md, section 11 and 18, 26).

use crate::common::{Cluster, Db, arm, fails, one, rows, wait_until};

fn server() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("log_line_prefix", "[%b] ")
        .set("log_lock_waits", "on")
        .set("deadlock_timeout", "400ms")
        .start()
}

fn run_closing(db: &Db<'_>) {
    one(
        &mut db.session(),
        "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_close'",
    );
}

fn closed(db: &Db<'_>) -> i32 {
    db.one("SELECT count(*) FROM strata.chunks WHERE state = 'closed'")
        .parse()
        .unwrap()
}

fn checks(db: &Db<'_>) -> i32 {
    db.one("SELECT count(*) FROM pg_constraint WHERE conname = 'strata_zone'")
        .parse()
        .unwrap()
}

/// `m`: ten days, a row an hour, `seq` falling with the age; chunks of a day, the old ones closed.
fn with_closed<'a>(cluster: &'a Cluster, name: &'a str, columns: &str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(&format!(
        "CREATE TABLE ref (id int PRIMARY KEY); INSERT INTO ref VALUES (1);
         CREATE TABLE m (ts timestamptz PRIMARY KEY, seq bigint, r int REFERENCES ref ON UPDATE CASCADE, note text {columns}) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         INSERT INTO m SELECT date_trunc('hour', now()) - i * interval '1 hour', 1000 - i, 1 FROM generate_series(0, 239) i;
         SELECT strata.enable_chunk_skipping('m', 'seq'); SELECT strata.enable_chunk_skipping('m', 'r')"
    ));
    close(&db);
    db
}

fn close(db: &Db<'_>) {
    run_closing(db);
    wait_until("all old chunks are closed", || {
        db.one("SELECT count(*) FROM strata.chunks WHERE state <> 'closed' AND range_end < now() - interval '1 day' AND range_end > now() - interval '9 days'") == "0"
            && closed(db) >= 7
            && db.one("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata job'") == "0"
    });
}

#[test]
fn rows_of_closed_chunks_may_leave_their_range_by_every_kind_of_statement() {
    let cluster = server();
    let db = with_closed(&cluster, "ways", "");
    let mut session = db.session();
    let all = closed(&db);
    let day = |n: i32| format!("ts = date_trunc('hour', now()) - interval '{n} days'");
    // of a column that is in no range: the chunk stays closed
    one(
        &mut session,
        &format!("UPDATE m SET note = 'x' WHERE {}", day(5)),
    );
    assert_eq!(closed(&db), all);
    let ways = [
        format!("UPDATE m SET seq = 5000 WHERE {}", day(5)),
        // through a plan of all chunks, of which two have rows
        "UPDATE m SET seq = seq + 5000 WHERE seq IN (1000 - 96, 1000 - 72)".to_string(),
        format!(
            "MERGE INTO m USING (SELECT ts FROM m WHERE {}) s ON m.ts = s.ts WHEN MATCHED THEN UPDATE SET seq = 6000",
            day(6)
        ),
        format!(
            "INSERT INTO m SELECT ts, 7000, 1 FROM m WHERE {} ON CONFLICT (ts) DO UPDATE SET seq = excluded.seq",
            day(7)
        ),
        format!(
            "PREPARE u AS UPDATE m SET seq = $1 WHERE {}; SET plan_cache_mode = force_generic_plan; EXECUTE u(8000)",
            day(2)
        ),
        format!(
            "WITH u AS (UPDATE m SET seq = 9000 WHERE {} RETURNING 1) SELECT * FROM u",
            day(8)
        ),
    ];
    for way in &ways {
        let before = closed(&db);
        one(&mut session, way);
        assert!(closed(&db) < before, "{way}");
    }
    // a trigger that sets the column, in a statement that does not
    close(&db);
    one(
        &mut session,
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seq := 50000; RETURN NEW; END';
         CREATE TRIGGER touch BEFORE UPDATE ON m FOR EACH ROW EXECUTE FUNCTION touch()",
    );
    one(
        &mut session,
        &format!("UPDATE m SET note = 'y' WHERE {}", day(4)),
    );
    one(&mut session, "DROP TRIGGER touch ON m");
    // a foreign key that cascades into all chunks
    one(&mut session, "UPDATE ref SET id = 77");
    let found = rows(
        &mut session,
        "SELECT seq, count(*) FROM m WHERE r = 77 AND seq >= 1001 GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(
        found,
        "5000|1\n5928|1\n6000|1\n7000|1\n8000|1\n9000|1\n50000|1"
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE r = 77"),
        "240"
    );
    close(&db);
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq = 9000"),
        "1"
    );
    // a transaction that has altered the table cannot be helped by another process: it says so
    fails(
        &mut session,
        &format!(
            "BEGIN; ALTER TABLE m ADD COLUMN more int; UPDATE m SET seq = 12345 WHERE {}",
            day(3)
        ),
        "55000",
        &["closed chunk"],
    );
    one(&mut session, "ROLLBACK");
}

#[test]
fn without_chunk_skipping_all_chunks_are_opened() {
    let cluster = server();
    let db = with_closed(&cluster, "off", "");
    let all = checks(&db);
    let mut session = db.session();
    one(
        &mut session,
        "SELECT strata.disable_chunk_skipping('m', 'r')",
    );
    wait_until("they are closed for the other column only", || {
        checks(&db) == all
            && db.one(
                "SELECT count(*) FROM pg_constraint WHERE conname = 'strata_zone' AND pg_get_constraintdef(oid) ~ '\\mr\\M'",
            ) == "0"
    });
    // nobody waits for the job: a late row opens the chunk itself
    one(
        &mut session,
        "UPDATE strata.job SET scheduled = false; SELECT strata.disable_chunk_skipping('m', 'seq');
         INSERT INTO m VALUES (now() - interval '5 days', 70000, 1)",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq = 70000"),
        "1"
    );
    one(
        &mut session,
        "UPDATE strata.job SET scheduled = true WHERE proc_name = 'policy_close'",
    );
    run_closing(&db);
    wait_until("all are open", || checks(&db) == 0 && closed(&db) == 0);
    // where chunks are not made on demand nobody could open them
    one(
        &mut session,
        "SELECT strata.enable_chunk_skipping('m', 'seq')",
    );
    close(&db);
    one(
        &mut session,
        "SELECT strata.alter_hypertable('m', on_missing_chunk => 'error')",
    );
    wait_until("all are open again", || {
        checks(&db) == 0 && closed(&db) == 0
    });
}

#[test]
fn columns_of_the_range_can_be_retyped_renamed_and_dropped() {
    let cluster = server();
    let db = with_closed(&cluster, "columns", "");
    let mut session = db.session();
    one(
        &mut session,
        "ALTER TABLE m ALTER COLUMN seq TYPE numeric USING -seq",
    );
    assert_eq!(checks(&db), 0);
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq = -850"),
        "1"
    );
    close(&db);
    one(&mut session, "ALTER TABLE m RENAME COLUMN seq TO number");
    close(&db);
    one(
        &mut session,
        "UPDATE m SET number = 4 WHERE number = -850; SELECT 1",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE number = 4"),
        "1"
    );
    close(&db);
    one(
        &mut session,
        "ALTER TABLE m DROP COLUMN number, ADD COLUMN number numeric",
    );
    close(&db);
    one(
        &mut session,
        "INSERT INTO m (ts, number, r) VALUES (now() - interval '5 days', 'NaN', NULL), (now() - interval '4 days', 'Infinity', 1)",
    );
    close(&db);
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM m WHERE number >= 'Infinity'"
        ),
        "2"
    );
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
    assert!(db.one("SELECT count(*) FROM pg_constraint WHERE conname = 'strata_zone' AND pg_get_constraintdef(oid) LIKE '%number%'").parse::<i32>().unwrap() > 0);
    // text has no order that stays, also not of a column that becomes one
    one(&mut session, "ALTER TABLE m ALTER COLUMN number TYPE text");
    close(&db);
    assert_eq!(
        db.one("SELECT count(*) FROM pg_constraint WHERE conname = 'strata_zone' AND pg_get_constraintdef(oid) LIKE '%number%'"),
        "0"
    );
    fails(
        &mut session,
        "SELECT strata.enable_chunk_skipping('m', 'note')",
        "42804",
        &["text"],
    );
}

#[test]
fn a_row_that_is_not_committed_when_its_chunk_is_closed_is_in_the_range() {
    let cluster = server();
    let db = with_closed(&cluster, "uncommitted", "");
    let mut writer = db.session();
    one(
        &mut writer,
        "BEGIN; INSERT INTO m VALUES (now() - interval '5 days', 70000, 1)",
    );
    let before = closed(&db);
    run_closing(&db);
    // it is tried, and left alone
    wait_until("the run has ended", || {
        db.one("SELECT last_run_status = 'Success' AND job_status = 'Scheduled' AND last_run_started_at > now() - interval '1 minute'
                FROM strata.job_stats JOIN strata.jobs USING (job_id) WHERE proc_name = 'policy_close'") == "t"
            && cluster.log().contains("stays open")
    });
    assert_eq!(closed(&db), before);
    one(&mut writer, "COMMIT");
    close(&db);
    assert_eq!(db.one("SELECT count(*) FROM m WHERE seq = 70000"), "1");
}

#[test]
fn a_crash_while_a_chunk_is_closed_leaves_no_chunk_that_refuses_rows() {
    let cluster = server();
    let db = with_closed(&cluster, "crash", "");
    one(
        &mut db.session(),
        "INSERT INTO m VALUES (now() - interval '5 days', 70000, 1)",
    );
    arm(&cluster, "hypertable.zone.added:kill");
    let mut session = db.session();
    run_closing(&db);
    wait_until("the server crashed", || {
        session.simple_query("SELECT 1").is_err()
    });
    arm(&cluster, "");
    cluster.wait_for_recovery();
    // the CHECK that nobody has proved is there, and a row may come all the same
    assert_eq!(
        db.one(
            "SELECT count(*) FROM pg_constraint WHERE conname = 'strata_zone' AND NOT convalidated"
        ),
        "1"
    );
    one(
        &mut db.session(),
        "INSERT INTO m VALUES (now() - interval '5 days 1 minute', 80000, 1)",
    );
    close(&db);
    assert_eq!(db.one("SELECT count(*) FROM m WHERE seq >= 70000"), "2");
}

#[test]
fn a_late_row_gives_up_behind_a_long_reader_and_nobody_queues_for_long() {
    let cluster = server();
    let db = with_closed(&cluster, "reader", "");
    one(
        &mut db.session(),
        "SELECT strata.alter_hypertable('m', lock_wait => interval '1 second')",
    );
    let mut reader = db.session();
    one(&mut reader, "BEGIN; SELECT count(*) FROM m");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut others = db.session();
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                one(&mut others, "SELECT count(*) FROM m");
            }
        });
        fails(
            &mut db.session(),
            "INSERT INTO m VALUES (now() - interval '5 days', 70000, 1)",
            "55006",
            &["closed, and in use"],
        );
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let log = cluster.log();
    let waits = log
        .lines()
        .filter(|l| l.starts_with("[client backend]") && l.contains("still waiting for"))
        .count();
    assert_eq!(waits, 0);
    one(&mut reader, "COMMIT");
    one(
        &mut db.session(),
        "INSERT INTO m VALUES (now() - interval '5 days', 70000, 1)",
    );
    assert_eq!(db.one("SELECT count(*) FROM m WHERE seq = 70000"), "1");
}

#[test]
fn closed_chunks_survive_a_dump_and_take_late_rows_in_the_copy() {
    let cluster = server();
    let db = with_closed(&cluster, "dumped", "");
    let all = checks(&db);
    assert!(all > 0);
    cluster.dump_into("dumped", &cluster, "copy");
    let copy = Db {
        cluster: &cluster,
        name: "copy",
    };
    let mut session = copy.session();
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "240");
    assert_eq!(checks(&copy), all);
    one(
        &mut session,
        "UPDATE m SET seq = 70000 WHERE seq = 850; INSERT INTO m VALUES (now() - interval '6 days', 80000, 1)",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq >= 70000"),
        "2"
    );
}
