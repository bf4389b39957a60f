//! What a job costs, counted and not timed: bytes of the log, waits for the disk, pages, index entries.

use crate::common::{Cluster, wait_until};
use crate::support::{Db, exec, one, rows, with_queue};
use postgres::Client;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A server whose log holds what statements write: no images of pages, no background flushes.
fn quiet() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        Cluster::builder()
            .preload(true)
            .set("max_worker_processes", "32")
            .set("full_page_writes", "off")
            .set("autovacuum", "off")
            .set("wal_writer_delay", "10s")
            .set("checkpoint_timeout", "1h")
            .start()
    })
}

/// The log is one for all databases: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAYLOAD: &str = "jsonb_build_object('to', repeat('x', 188))";

fn number(session: &mut Client, sql: &str) -> i64 {
    let text = one(session, sql);
    text.parse().unwrap_or_else(|_| panic!("{text} in {sql}"))
}

fn written(session: &mut Client) -> i64 {
    number(
        session,
        "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint",
    )
}

fn push(session: &mut Client, jobs: usize) {
    let sql = format!("SELECT strata.queue_push('q', {PAYLOAD})");
    (0..jobs).for_each(|_| exec(session, &sql));
}

/// Completes and claims in one call each; `first` is the claim of before.
fn next(session: &mut Client, jobs: usize, first: &str) -> String {
    let mut claim = first.to_owned();
    for _ in 0..jobs {
        let done = match claim.as_str() {
            "" => "{}".to_owned(),
            claim => format!("{{{claim}}}"),
        };
        claim = one(
            session,
            &format!("SELECT claim FROM strata.queue_next('q', done => '{done}')"),
        );
        assert!(!claim.is_empty(), "there is a job");
    }
    claim
}

/// The backstop of speed: everything that a job writes is paid for by somebody.
#[test]
fn a_job_writes_at_most_700_bytes_to_the_log() {
    let _alone = alone();
    const JOBS: usize = 400;
    let db = with_queue(quiet(), "log");
    let mut s = db.session();
    push(&mut s, JOBS + 100);
    let mut claim = next(&mut s, 90, "");
    // others write too (the list of running transactions, catalogs): the best of three
    let mut least = f64::MAX;
    for _ in 0..3 {
        let before = written(&mut s);
        push(&mut s, JOBS);
        claim = next(&mut s, JOBS, &claim);
        let each = (written(&mut s) - before) as f64 / JOBS as f64;
        least = least.min(each);
    }
    println!("{least:.0} bytes");
    assert!(least <= 700.0, "{least:.0} bytes");
}

#[test]
fn many_jobs_in_one_call_write_less_than_one_by_one() {
    let _alone = alone();
    let db = with_queue(quiet(), "logmany");
    let mut s = db.session();
    push(&mut s, 200);
    let before = written(&mut s);
    push(&mut s, 200);
    let single = written(&mut s) - before;
    let before = written(&mut s);
    exec(
        &mut s,
        &format!("SELECT strata.queue_push_many('q', array_fill({PAYLOAD}, ARRAY[200]))"),
    );
    let many = written(&mut s) - before;
    println!("{single} one by one, {many} at once");
    assert!(many * 10 < single * 9, "{many} of {single}");
}

fn flushed(session: &mut Client) -> i64 {
    number(
        session,
        "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint",
    )
}

/// How many of so many runs of a script have waited for the log to be on disk.
fn flushes(session: &mut Client, runs: usize, mut run: impl FnMut(&mut Client)) -> usize {
    let mut count = 0;
    for _ in 0..runs {
        let before = flushed(session);
        run(session);
        count += usize::from(flushed(session) != before);
    }
    count
}

#[test]
fn a_claim_alone_waits_for_no_disk_and_everything_else_does() {
    let _alone = alone();
    const RUNS: usize = 60;
    let db = with_queue(quiet(), "flushes");
    let mut s = db.session();
    push(&mut s, 6 * RUNS);
    exec(&mut s, "CREATE TABLE mine (n int)");
    let pop = |s: &mut Client| one(s, "SELECT claim FROM strata.queue_pop('q')");
    pop(&mut s);
    let of_pops = flushes(&mut s, RUNS, |s| drop(pop(s)));
    // a record that ends a page of the log wakes the process that writes it in the background
    assert!(of_pops <= RUNS / 2, "{of_pops} of {RUNS} claims");
    let of_writers = flushes(&mut s, RUNS, |s| {
        exec(
            s,
            "BEGIN; SELECT FROM strata.queue_pop('q'); INSERT INTO mine VALUES (1); COMMIT",
        );
    });
    assert_eq!(of_writers, RUNS, "a row of the user's is never lost");
    let of_earlier_writers = flushes(&mut s, RUNS, |s| {
        exec(
            s,
            "BEGIN; INSERT INTO mine VALUES (1); SELECT FROM strata.queue_pop('q'); COMMIT",
        );
    });
    assert_eq!(of_earlier_writers, RUNS);
    let mut claims = Vec::new();
    for _ in 0..RUNS {
        claims.push(pop(&mut s));
    }
    let of_completes = flushes(&mut s, RUNS, |s| {
        let claim = claims.pop().expect("a claim");
        let sql = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(s, &sql), "t");
    });
    assert_eq!(of_completes, RUNS);
    let of_pushes = flushes(&mut s, RUNS, |s| push(s, 1));
    assert_eq!(of_pushes, RUNS);
    exec(&mut s, "SET strata.claim_async = off");
    let of_pops = flushes(&mut s, RUNS, |s| drop(pop(s)));
    assert_eq!(of_pops, RUNS, "switched off");
    assert_eq!(one(&mut s, "SHOW synchronous_commit"), "on");
}

/// Sums over the segments of the shared ring.
fn segments(db: &Db<'_>, sum: &str, view: &str) -> i64 {
    number(
        &mut db.session(),
        &format!(
            "SELECT coalesce(sum({sum}), 0) FROM {view} WHERE relname LIKE 'queue\\_seg\\_1\\_%'"
        ),
    )
}

#[test]
fn nine_of_ten_claims_leave_the_index_alone_under_an_old_snapshot() {
    let _alone = alone();
    const JOBS: i64 = 3000;
    for (name, payload) in [
        ("hot", PAYLOAD.to_owned()),
        ("hotsmall", "'1'::jsonb".to_owned()),
        (
            "hotlarge",
            "jsonb_build_object('to', repeat('x', 900))".to_owned(),
        ),
    ] {
        let db = with_queue(quiet(), name);
        let mut holder = db.session();
        exec(
            &mut holder,
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class",
        );
        {
            let mut s = db.session();
            exec(
                &mut s,
                &format!(
                    "SELECT strata.queue_push_many('q', array_fill({payload}, ARRAY[{JOBS}]))"
                ),
            );
            for _ in 0..JOBS / 10 {
                exec(&mut s, "SELECT FROM strata.queue_pop('q', n => 10)");
            }
        }
        let view = "pg_stat_all_tables";
        wait_until("the counts are in", || {
            segments(&db, "n_tup_upd", view) >= JOBS
        });
        let hot = segments(&db, "n_tup_hot_upd", view);
        println!("{name}: {hot} of {JOBS}");
        assert!(hot * 10 >= JOBS * 9, "{name}: {hot} of {JOBS}");
    }
}

#[test]
fn a_pop_visits_few_pages_however_many_jobs_have_gone_under_an_old_snapshot() {
    let _alone = alone();
    const CHURN: usize = 15_000;
    const POPS: usize = 200;
    let db = with_queue(quiet(), "pages");
    let mut holder = db.session();
    exec(
        &mut holder,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class",
    );
    let mut s = db.session();
    for _ in 0..CHURN / 500 {
        exec(
            &mut s,
            &format!(
                "SELECT strata.queue_push_many('q', array_fill({PAYLOAD}, ARRAY[500]));
                 SELECT strata.queue_complete_many('q', array_agg(claim)) FROM strata.queue_pop('q', n => 500)"
            ),
        );
    }
    push(&mut s, 2 * POPS);
    let mut visited = Vec::new();
    for _ in 0..POPS {
        let plan = rows(
            &mut s,
            "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM strata.queue_pop('q')",
        );
        visited.push(buffers(&plan));
    }
    visited.sort_unstable();
    let median = visited[POPS / 2];
    println!("pages per pop: {median} (most {})", visited[POPS - 1]);
    assert!(median <= 10, "{median} pages");
    exec(&mut holder, "ROLLBACK");
}

/// Pages that a plan's first node has touched.
pub fn buffers(plan: &str) -> i64 {
    let line = plan.lines().find(|l| l.contains("Buffers:"));
    let line = line.unwrap_or_else(|| panic!("no buffers in {plan}"));
    let shared = line.split(" temp").next().unwrap_or(line);
    let count = |what: &str| {
        let at = shared.split(what).nth(1);
        at.map_or(0, |t| {
            let digits: String = t.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(0)
        })
    };
    count("hit=") + count("read=")
}
