//! Closed chunks: excluded when a query is planned, open again for late rows (hypertables.md, section 18, 26).

use crate::common::{Cluster, Db, one, wait_until};

fn server() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .start()
}

fn close(db: &Db<'_>) {
    one(
        &mut db.session(),
        "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_close'",
    );
}

/// Chunks that a plan reads.
fn planned(db: &Db<'_>, sql: &str) -> usize {
    let mut session = db.session();
    let plan = crate::common::rows(&mut session, &format!("EXPLAIN (COSTS OFF) {sql}"));
    // writes name the chunk on a line of their own, too
    plan.lines()
        .filter(|l| l.contains("Scan on m_h") || l.contains("Scan using"))
        .count()
}

fn closed(db: &Db<'_>) -> String {
    db.one("SELECT count(*) FROM strata.chunks WHERE state = 'closed'")
}

#[test]
fn closed_chunks_are_excluded_until_a_late_row_comes_and_closed_again() {
    let cluster = server();
    let db = Db::new(&cluster, "zones");
    db.run(
        "CREATE TABLE m (ts timestamptz NOT NULL, seq int, note text) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         INSERT INTO m SELECT now() - i * interval '1 hour', 1000 - i FROM generate_series(0, 239) i;
         SELECT strata.enable_chunk_skipping('m', 'seq')",
    );
    close(&db);
    wait_until("old chunks are closed, all of them", || {
        closed(&db).parse::<i32>().unwrap() >= 7
            && db.one("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata job'")
                == "0"
    });
    let before = closed(&db);
    for sql in [
        "SELECT * FROM m WHERE seq = 800",
        "DELETE FROM m WHERE seq = 800",
        "UPDATE m SET note = 'x' WHERE seq = 800",
    ] {
        // the one that may have it, and those that are not closed
        assert!(planned(&db, sql) <= 7, "{sql}");
    }
    // late rows, by all ways in
    let mut session = db.session();
    one(
        &mut session,
        "INSERT INTO m VALUES (now() - interval '5 days', 7)",
    );
    one(
        &mut session,
        "COPY m (ts, seq) FROM PROGRAM 'date -u -d \"4 days ago\" +%FT%TZ,8' WITH (FORMAT csv)",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq IN (7, 8)"),
        "2"
    );
    assert_ne!(closed(&db), before);
    close(&db);
    wait_until("all are closed again", || closed(&db) == before);
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq IN (7, 8)"),
        "2"
    );
    // a row that moves in opens its chunk as well
    one(
        &mut session,
        "UPDATE m SET ts = ts - interval '6 days' WHERE seq = 1000",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE seq = 1000"),
        "1"
    );
    assert_ne!(closed(&db), before);
    // among numbers of three digits: text would put it first
    close(&db);
    wait_until("it is closed again", || closed(&db) == before);
    one(
        &mut session,
        "SELECT strata.disable_chunk_skipping('m', 'seq')",
    );
}

#[test]
fn empty_chunks_outside_the_premade_range_go() {
    let cluster = server();
    let db = Db::new(&cluster, "empty");
    db.run(
        "CREATE TABLE m (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         SELECT strata.premake_chunks('m', now() - interval '9 days', now());
         INSERT INTO m VALUES (now() - interval '3 days');
         SELECT strata.alter_hypertable('m', drop_empty_after => interval '1 microsecond');
         SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_drop_empty'",
    );
    wait_until("one old chunk is left", || {
        db.one("SELECT count(*) FROM strata.chunks WHERE range_end < now()") == "1"
    });
    assert_eq!(db.one("SELECT count(*) FROM m"), "1");
    assert_eq!(
        db.one("SELECT count(*) >= 3 FROM strata.chunks WHERE range_end > now()"),
        "t"
    );
}

#[test]
fn a_reorder_policy_writes_old_chunks_in_the_order_of_the_index() {
    let cluster = server();
    let db = Db::new(&cluster, "reorder");
    db.run(
        "CREATE TABLE m (ts timestamptz NOT NULL, dev int) PARTITION BY RANGE (ts);
         CREATE INDEX m_dev ON m (dev, ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         INSERT INTO m SELECT now() - i * interval '1 hour', i % 7 FROM generate_series(0, 119) i;
         SELECT strata.add_reorder_policy('m', 'm_dev')",
    );
    let ordered = "SELECT count(*) FROM pg_index WHERE indisclustered";
    for n in 1..=2 {
        wait_until("a chunk is in order", || {
            db.one(ordered).parse::<i32>().unwrap() >= n
        });
        db.run("SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_reorder'");
    }
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
    db.run("SELECT strata.remove_reorder_policy('m'); SELECT strata.remove_reorder_policy('m', if_exists => true)");
}
