//! Hundreds of thousands of jobs under a snapshot that is held all the time: each is done once, and neither the disk
//! nor the work of a pop grows.

use crate::common::{Cluster, wait_until, wait_until_within};
use crate::support::{Db, exec, one, rows, with_queue};
use postgres::Client;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const JOBS: usize = 200_000;
const WORKERS: usize = 16;
const BATCH: usize = 200;
/// Rows of a segment.
const SEGMENT: usize = 10_000;

/// Bytes of all segments with their indexes.
fn bytes(s: &mut Client) -> i64 {
    let sql = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c WHERE c.relkind = 'r' \
        AND c.relnamespace = 'strata'::regnamespace AND c.relname LIKE 'queue\\_seg\\_1\\_%'";
    one(s, sql).parse().expect("a number")
}

/// Pushes jobs while there are few, so that workers and pushers keep step.
fn push(db: &Db<'_>, jobs: usize, waiting: &AtomicUsize) {
    let mut s = db.session();
    let sql = format!(
        "SELECT strata.queue_push_many('q', array_agg(to_jsonb(g))) FROM generate_series(1, {BATCH}) g"
    );
    for _ in 0..jobs / BATCH {
        while waiting.load(Ordering::Relaxed) > 10_000 {
            std::thread::yield_now();
        }
        waiting.fetch_add(BATCH, Ordering::Relaxed);
        exec(&mut s, &sql);
    }
}

/// Takes jobs and completes them until all have ended; the ids that were given.
fn work(db: &Db<'_>, left: &AtomicUsize, waiting: &AtomicUsize) -> Vec<i64> {
    let mut s = db.session();
    let mut mine = Vec::new();
    let sql = format!(
        "WITH got AS MATERIALIZED (SELECT id, claim FROM strata.queue_pop('q', n => {BATCH})) \
         SELECT strata.queue_complete_many('q', (SELECT array_agg(claim) FROM got)), (SELECT array_agg(id) FROM got) \
         WHERE EXISTS (SELECT FROM got)"
    );
    while left.load(Ordering::Relaxed) > 0 {
        let Some(row) = s.query_opt(&sql, &[]).expect("an answer") else {
            std::thread::yield_now();
            continue;
        };
        let (lost, ids): (Vec<i64>, Vec<i64>) = (row.get(0), row.get(1));
        assert!(lost.is_empty(), "{lost:?}");
        left.fetch_sub(ids.len(), Ordering::Relaxed);
        waiting.fetch_sub(ids.len(), Ordering::Relaxed);
        mine.extend(ids);
    }
    mine
}

/// All of it, with as many workers; what they were given.
fn churn(db: &Db<'_>, jobs: usize) -> Vec<i64> {
    let (left, waiting) = (AtomicUsize::new(jobs), AtomicUsize::new(0));
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| push(db, jobs / 2, &waiting));
        }
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mine = work(db, &left, &waiting);
                all.lock().expect("no panic").extend(mine);
            });
        }
        let mut s = db.session();
        wait_until_within(Duration::from_secs(300), "all jobs have ended", || {
            exec(&mut s, "CALL strata.queue_maintain()");
            std::thread::sleep(Duration::from_millis(100));
            left.load(Ordering::Relaxed) == 0
        });
    });
    all.into_inner().expect("no panic")
}

/// True if there is the tail alone.
fn at_rest(s: &mut Client) -> bool {
    one(s, "SELECT segments FROM strata.queue_stats") == "1"
}

/// Pages that a pop touches, in the middle of many.
fn pages(s: &mut Client) -> i64 {
    let mut all: Vec<i64> = (0..100)
        .map(|_| {
            exec(s, "SELECT strata.queue_push('q', '1')");
            let plan = rows(
                s,
                "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM strata.queue_pop('q')",
            );
            crate::cost::buffers(&plan)
        })
        .collect();
    all.sort_unstable();
    all[all.len() / 2]
}

#[test]
fn two_hundred_thousand_jobs_under_an_old_snapshot_leave_nothing_behind() {
    let server = Cluster::builder()
        .preload(true)
        .set("max_connections", "60")
        .set("strata.queue_segment_rows", &SEGMENT.to_string())
        .set("strata.queue_segment_age", "0")
        .start();
    let db = with_queue(&server, "churn");
    let mut s = db.session();
    let mut ids = churn(&db, JOBS / 10);
    exec(&mut s, "CALL strata.queue_maintain()");
    let before = bytes(&mut s);
    // what a segment is when it is full
    let many = format!(
        "SELECT strata.queue_push_many('q', array_agg(to_jsonb(g))) FROM generate_series(1, {SEGMENT}) g"
    );
    exec(&mut s, &many);
    let segment = bytes(&mut s) - before;
    ids.extend(work(
        &db,
        &AtomicUsize::new(SEGMENT),
        &AtomicUsize::new(SEGMENT),
    ));
    let mut old = db.session();
    exec(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let seen = "SELECT count(*) FROM pg_class";
    let catalog = one(&mut old, seen);
    ids.extend(churn(&db, JOBS - JOBS / 10 - SEGMENT));
    exec(&mut s, "CALL strata.queue_maintain()");
    let given = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((given, ids.len()), (JOBS, JOBS), "each job was given once");
    assert_eq!(
        rows(&mut s, "SELECT id FROM strata.queue_pop('q')"),
        "",
        "none is left"
    );
    let after = bytes(&mut s);
    println!("{before} bytes before, {after} after; a full segment has {segment}");
    assert!(
        after <= before + 3 * segment,
        "{after} bytes, {before} before"
    );
    // a pop looks into each segment that is not free: until it is emptied, one more
    let mut few = None;
    wait_until("the ring is at rest while pops are counted", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        few = at_rest(&mut s).then(|| pages(&mut s));
        at_rest(&mut s) && few.is_some()
    });
    let pages = few.expect("a number");
    println!("{pages} pages per pop");
    assert!(pages <= 10, "{pages} pages per pop");
    let vacuums = "SELECT coalesce(sum(vacuum_count + autovacuum_count), 0) FROM pg_stat_all_tables \
        WHERE schemaname = 'strata' AND relname LIKE 'queue\\_seg\\_%'";
    assert_eq!(one(&mut s, vacuums), "0", "nobody had to clean up");
    assert_eq!(
        one(&mut old, seen),
        catalog,
        "the snapshot was held all the time"
    );
}
