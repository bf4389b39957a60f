//! Retention without blocking (hypertables.md, section 18, 17 to 19).

use crate::common::{Cluster, Db, arm, one, rows, try_one, wait_until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Waits for locks longer than `longest` are in the server's log.
pub fn server(longest: &str) -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("strata.worker_interval", "1s")
        .set("log_line_prefix", "[%b] ")
        .set("log_lock_waits", "on")
        .set("deadlock_timeout", longest)
        .start()
}

/// Lines about clients that waited for a lock for too long.
pub fn long_waits(cluster: &Cluster) -> Vec<String> {
    let log = cluster.log();
    let lines = log
        .lines()
        .filter(|l| l.starts_with("[client backend]") && l.contains("still waiting for"));
    lines.map(str::to_string).collect()
}

/// `m`: 20 chunks of a day with 100 rows each, the newest that of now.
fn with_chunks<'a>(cluster: &'a Cluster, name: &'a str, columns: &str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(&format!(
        "CREATE TABLE ref (id int PRIMARY KEY, hits int); INSERT INTO ref SELECT g, 0 FROM generate_series(0, 9) g;
         CREATE TABLE m (ts timestamptz NOT NULL, dev int {columns}) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         SELECT strata.premake_chunks('m', now() - interval '19 days', now());
         INSERT INTO m SELECT d - i * interval '1 second', i % 10
         FROM generate_series(now() - interval '19 days', now(), '1 day') d, generate_series(0, 99) i"
    ));
    db
}

/// Rows of chunks that are too old for `keep`.
fn old(keep: &str) -> String {
    format!("SELECT count(*) FROM strata.chunks WHERE range_end <= now() - interval '{keep}'")
}

fn wait_for(db: &Db<'_>, what: &str, sql: &str) {
    let mut session = db.session();
    wait_until(what, || one(&mut session, sql) == "t");
}

fn wait_until_gone(db: &Db<'_>, keep: &str) {
    wait_for(
        db,
        "old chunks are gone and nothing is left behind",
        &format!(
            "SELECT ({}) = 0 AND NOT EXISTS (SELECT FROM strata.detaching) AND (SELECT count(*) FROM pg_class
               WHERE relnamespace = 'strata_chunks'::regnamespace AND relkind = 'r') = (SELECT count(*) FROM strata.chunks)",
            old(keep)
        ),
    );
}

#[test]
fn nobody_waits_while_chunks_leave_under_load() {
    let cluster = server("50ms");
    let db = with_chunks(&cluster, "load", "");
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for n in 0..4 {
            let mut session = db.session();
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let sql = match n {
                        0 | 1 => "INSERT INTO m VALUES (now(), 1)",
                        2 => "SELECT count(*) FROM m WHERE dev = 3",
                        _ => {
                            "UPDATE m SET dev = 4 WHERE ts > now() - interval '1 hour' AND dev = 5"
                        }
                    };
                    one(&mut session, sql);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut session = db.session();
        one(
            &mut session,
            "SELECT strata.add_retention_policy('m', interval '5 days')",
        );
        wait_until_gone(&db, "5 days");
        let before = done.load(Ordering::Relaxed);
        wait_until("the load went on", || {
            done.load(Ordering::Relaxed) > before + 20
        });
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(long_waits(&cluster), [""; 0]);
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
    assert_eq!(db.one("SELECT count(*) >= 500 FROM m"), "t");
}

#[test]
fn a_long_reader_delays_only_the_retention() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "reader", "");
    let mut reader = db.session();
    one(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM m",
    );
    let mut session = db.session();
    one(
        &mut session,
        "SELECT strata.add_retention_policy('m', interval '17 days')",
    );
    wait_for(
        &db,
        "a chunk is detaching",
        "SELECT count(*) = 1 FROM strata.chunks WHERE state = 'detaching'",
    );
    // invisible to new statements, still there for the reader
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM m WHERE ts < now() - interval '18 days 1 hour'"
        ),
        "0"
    );
    assert_eq!(
        one(
            &mut reader,
            "SELECT count(*) FROM m WHERE ts < now() - interval '18 days 1 hour'"
        ),
        "100"
    );
    // meanwhile chunks are made and rows inserted
    one(
        &mut session,
        "SELECT strata.premake_chunks('m', now() + interval '5 days', now() + interval '6 days');
         INSERT INTO m VALUES (now() + interval '5 days', 1)",
    );
    let held = one(
        &mut session,
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.relation = 'm'::regclass AND l.granted AND a.backend_type = 'pg_strata job'",
    );
    assert_eq!(
        held, "0",
        "the waiting process holds a lock on the hypertable"
    );
    one(&mut reader, "COMMIT");
    wait_until_gone(&db, "17 days");
    assert_eq!(long_waits(&cluster), [""; 0]);
}

#[test]
fn with_a_foreign_key_the_disk_is_freed_and_nobody_waits_for_the_drop() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "linked", "REFERENCES ref");
    let mut reader = db.session();
    one(&mut reader, "BEGIN; SELECT count(*) FROM ref");
    let mut session = db.session();
    one(
        &mut session,
        "SELECT strata.add_retention_policy('m', interval '18 days')",
    );
    // the DROP wants an exclusive lock on ref, which the reader holds off
    wait_for(
        &db,
        "a chunk is emptied and not dropped",
        "SELECT count(*) = 1 FROM strata.detaching d WHERE pg_relation_size(d.chunk) = 0",
    );
    for n in 0..30 {
        one(
            &mut session,
            &format!("UPDATE ref SET hits = {n}; INSERT INTO m VALUES (now(), 1)"),
        );
    }
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM strata.detaching"),
        "1"
    );
    one(&mut reader, "COMMIT");
    wait_until_gone(&db, "18 days");
    assert_eq!(long_waits(&cluster), [""; 0]);
}

#[test]
fn a_crash_at_any_step_is_finished_by_the_next_run() {
    let cluster = server("1s");
    for (n, point) in ["detach", "marking", "detached", "emptied", "dropping"]
        .iter()
        .enumerate()
    {
        let name = format!("crash{n}");
        let db = with_chunks(&cluster, &name, "REFERENCES ref");
        arm(&cluster, &format!("hypertable.leave.{point}:kill"));
        let mut session = db.session();
        let _ = try_one(
            &mut session,
            "SELECT strata.add_retention_policy('m', interval '16 days')",
        );
        wait_until("the server crashed", || {
            session.simple_query("SELECT 1").is_err()
        });
        arm(&cluster, "");
        cluster.wait_for_recovery();
        wait_for(
            &db,
            "the failure is noted",
            "SELECT count(*) = 1 FROM strata.job_errors",
        );
        one(
            &mut db.session(),
            "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_retention'",
        );
        wait_until_gone(&db, "16 days");
        let left = db.one("SELECT count(*) FROM m");
        assert!(
            left.parse::<i32>().expect("a number") >= 1600,
            "{point}: {left} rows"
        );
    }
}

#[test]
fn a_crash_while_a_chunk_is_pending_is_finalized() {
    let cluster = server("1s");
    let db = with_chunks(&cluster, "pending", "");
    let mut reader = db.session();
    one(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM m",
    );
    db.run("SELECT strata.add_retention_policy('m', interval '16 days')");
    wait_for(
        &db,
        "a chunk is detaching",
        "SELECT count(*) = 1 FROM strata.chunks WHERE state = 'detaching'",
    );
    let pid = db.one("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_strata job'");
    cluster.kill_backend(pid.parse().expect("a pid"));
    // nobody asks for it: the background worker sees what was begun
    wait_for(
        &db,
        "the pending one is gone",
        "SELECT NOT EXISTS (SELECT FROM strata.detaching)",
    );
    assert_eq!(
        db.one("SELECT count(*) FROM strata.chunks WHERE state = 'detaching'"),
        "0"
    );
}

#[test]
fn referenced_rows_keep_their_chunk_and_the_error_names_the_constraint() {
    let cluster = server("1s");
    let db = with_chunks(&cluster, "referenced", ", PRIMARY KEY (ts, dev)");
    db.run(
        "CREATE TABLE alarm (ts timestamptz, dev int, CONSTRAINT alarm_m FOREIGN KEY (ts, dev) REFERENCES m);
         INSERT INTO alarm SELECT ts, dev FROM m WHERE ts < date_trunc('day', now(), 'UTC') - interval '17 days' AND ts >= date_trunc('day', now(), 'UTC') - interval '18 days' LIMIT 1",
    );
    let mut session = db.session();
    let error = try_one(
        &mut session,
        "SELECT strata.drop_chunks('m', older_than => date_trunc('day', now(), 'UTC') - interval '16 days')",
    )
    .expect_err("rows are referenced");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(error.code().code(), "23503", "{error:?}");
    assert!(error.message().contains("alarm_m"), "{error:?}");
    // the others went
    let left = "SELECT count(*) FROM strata.chunks WHERE range_end <= date_trunc('day', now(), 'UTC') - interval '15 days'";
    assert_eq!(one(&mut session, left), "2");
    one(
        &mut session,
        "SELECT strata.add_retention_policy('m', interval '10 days')",
    );
    wait_for(
        &db,
        "the run has failed",
        "SELECT count(*) = 1 FROM strata.job_errors WHERE sqlerrcode = '23503' AND err_message LIKE '%alarm_m%'",
    );
    assert_eq!(one(&mut session, &old("10 days")), "1");
    one(
        &mut session,
        "DELETE FROM alarm; SELECT strata.alter_job(job_id, next_start => now()) FROM strata.job_errors LIMIT 1",
    );
    wait_until_gone(&db, "10 days");
}

#[test]
fn drop_chunks_in_a_transaction_rolls_back() {
    let cluster = server("1s");
    let db = with_chunks(&cluster, "block", "");
    let mut session = db.session();
    let before = one(&mut session, "SELECT count(*) FROM m");
    let drop = "SELECT count(*) FROM strata.drop_chunks('m', older_than => interval '10 days'";
    assert_ne!(one(&mut session, &format!("BEGIN; {drop})")), "0");
    one(&mut session, "ROLLBACK");
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), before);
    // a function may be rolled back as well, so its drop belongs to it
    one(
        &mut session,
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS
         $$ BEGIN PERFORM strata.drop_chunks('m', older_than => interval '10 days'); RAISE EXCEPTION 'no'; END $$",
    );
    try_one(&mut session, "SELECT f()").expect_err("the function fails");
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), before);
    for block in [
        format!("BEGIN; {drop}, concurrently => true)"),
        "DO $$ BEGIN PERFORM strata.drop_chunks('m', older_than => interval '10 days', concurrently => true); END $$"
            .to_string(),
    ] {
        let error = try_one(&mut session, &block).expect_err("not alone");
        assert_eq!(error.code().map(|c| c.code()), Some("25001"), "{error:?}");
        one(&mut session, "ROLLBACK");
    }
    // alone it does not block: a reader in an open transaction is not in the way of the call
    let mut reader = db.session();
    one(&mut reader, "BEGIN; SELECT count(*) FROM m");
    one(&mut session, "SET statement_timeout = '20s'");
    assert_ne!(
        one(&mut session, &format!("{drop}, concurrently => true)")),
        "0"
    );
    one(&mut reader, "COMMIT");
    wait_until_gone(&db, "10 days");
}

#[test]
fn chunks_can_be_kept_or_moved_away() {
    let cluster = server("1s");
    let db = with_chunks(&cluster, "kept", "");
    let mut session = db.session();
    one(
        &mut session,
        r#"CREATE SCHEMA attic;
           BEGIN; SELECT strata.add_retention_policy('m', interval '17 days');
           SELECT strata.alter_job(job_id, config => config || '{"keep": true}') FROM strata.jobs WHERE proc_name = 'policy_retention';
           COMMIT"#,
    );
    wait_for(
        &db,
        "they are out",
        &format!("SELECT ({}) = 0", old("17 days")),
    );
    wait_for(
        &db,
        "nothing is open",
        "SELECT NOT EXISTS (SELECT FROM strata.detaching)",
    );
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'strata_chunks'::regnamespace AND relkind = 'r' AND NOT relispartition";
    let kept = one(&mut session, tables);
    assert_ne!(kept, "0");
    one(
        &mut session,
        r#"SELECT strata.alter_job(job_id, next_start => now(), config => '{"drop_after": "15 days", "move_to_schema": "attic"}')
           FROM strata.jobs WHERE proc_name = 'policy_retention'"#,
    );
    wait_for(
        &db,
        "two are in the attic",
        "SELECT count(*) = 2 FROM pg_class WHERE relnamespace = 'attic'::regnamespace AND relkind = 'r'",
    );
    assert_eq!(one(&mut session, tables), kept);
    let there = rows(
        &mut session,
        "SELECT oid::regclass FROM pg_class WHERE relnamespace = 'attic'::regnamespace AND relkind = 'r'",
    );
    for table in there.lines() {
        let count = one(&mut session, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(count, "100", "{table}");
    }
}
