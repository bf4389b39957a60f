//! Segments are turned and emptied whatever others hold, and no row goes with them.

use crate::common::{Cluster, arm, wait_until};
use crate::support::{Db, exec, one, rows, with_queue};
use postgres::Client;
use std::collections::HashSet;
use std::io::Read;
use std::process::{Child, Command, Stdio};

/// A server whose segments are small and whose worker does nothing by itself for a while.
fn small() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("strata.queue_segment_rows", "2000")
        .set("strata.queue_segment_age", "0")
        .start()
}

fn maintain(s: &mut Client) {
    exec(s, "CALL strata.queue_maintain()");
}

/// Slots of the shared ring and how they stand.
fn segments(s: &mut Client) -> String {
    one(
        s,
        "SELECT string_agg(state, ' ' ORDER BY generation) FROM strata.queue_segment WHERE ring = 1",
    )
}

fn generation(s: &mut Client) -> i64 {
    let sql = "SELECT max(generation) FROM strata.queue_segment WHERE ring = 1";
    one(s, sql).parse().expect("a number")
}

/// Bytes of all segments with their indexes.
fn bytes(s: &mut Client) -> i64 {
    let sql = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind = 'r' \
        AND c.relnamespace = 'strata'::regnamespace AND c.relname LIKE 'queue\\_seg\\_1\\_%'";
    one(s, sql).parse().expect("a number")
}

/// Pushes jobs, gives them to a worker and completes them; adds the ids that were delivered.
fn churn(s: &mut Client, jobs: usize, seen: &mut HashSet<i64>) {
    exec(
        s,
        &format!("SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, {jobs}) g"),
    );
    let mut left = jobs;
    while left > 0 {
        let sql =
            "SELECT id, strata.queue_complete('q', claim) FROM strata.queue_pop('q', n => 500)";
        let got = rows(s, sql);
        assert!(!got.is_empty(), "{left} jobs are left, and none is given");
        for line in got.lines() {
            let (id, done) = line.split_once('|').expect("two columns");
            assert_eq!(done, "t", "job {id}");
            assert!(seen.insert(id.parse().expect("an id")), "job {id} twice");
            left -= 1;
        }
    }
}

/// A pg_dump that has locked all segments and waits for a table that somebody else has.
struct Dump(Child);

impl Dump {
    fn start(db: &Db<'_>, holder: &mut Client) -> Dump {
        exec(holder, "CREATE TABLE zzz ()");
        exec(holder, "BEGIN; LOCK TABLE zzz IN ACCESS EXCLUSIVE MODE");
        let mut dump: Command = db.cluster.program("pg_dump");
        dump.arg("-h").arg(db.cluster.socket());
        dump.args(["-U", "postgres", "-d", db.name, "-f", "/dev/null"]);
        let child = dump.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = Dump(child.expect("pg_dump"));
        let mut s = db.session();
        wait_until("pg_dump waits and holds the tail", || {
            if let Ok(Some(ended)) = child.0.try_wait() {
                let mut text = String::new();
                let errors = child.0.stderr.take().expect("its errors");
                let _ = std::io::BufReader::new(errors).read_to_string(&mut text);
                panic!("pg_dump has ended with {ended}: {text}");
            }
            one(
                &mut s,
                "SELECT count(*) > 0 AND bool_or(NOT granted) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                 WHERE a.application_name = 'pg_dump' AND l.locktype = 'relation' AND EXISTS ( \
                    SELECT FROM pg_locks h JOIN pg_class c ON c.oid = h.relation WHERE h.pid = l.pid AND h.granted \
                    AND c.relname LIKE 'queue\\_seg\\_1\\_%')",
            ) == "t"
        });
        child
    }
}

#[test]
fn rings_turn_under_an_old_snapshot_and_an_open_dump() {
    let server = small();
    let db = with_queue(&server, "turning");
    let mut s = db.session();
    let mut seen = HashSet::new();
    churn(&mut s, 3_000, &mut seen);
    maintain(&mut s);
    churn(&mut s, 3_000, &mut seen);
    maintain(&mut s);
    let fresh = bytes(&mut s);
    // a snapshot of before, without any lock
    let mut old = db.session();
    exec(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let mut holder = db.session();
    let mut dump = Dump::start(&db, &mut holder);
    let before = generation(&mut s);
    for _ in 0..12 {
        churn(&mut s, 1_500, &mut seen);
        maintain(&mut s);
    }
    assert!(
        generation(&mut s) >= before + 6,
        "turned {} times",
        generation(&mut s) - before
    );
    assert!(segments(&mut s).contains("parked"), "{}", segments(&mut s));
    // what the dump holds, and the segments in use
    let held = bytes(&mut s);
    assert!(held < 4 * fresh, "{held} bytes, {fresh} before");
    exec(&mut holder, "COMMIT");
    let done = dump.0.wait().expect("pg_dump");
    assert!(done.success(), "the dump goes on");
    exec(&mut old, "COMMIT");
    wait_until("nothing is parked any more", || {
        maintain(&mut s);
        !segments(&mut s).contains("parked")
    });
    churn(&mut s, 100, &mut seen);
    assert_eq!(seen.len(), 6_000 + 12 * 1_500 + 100);
}

#[test]
fn a_living_row_outlives_its_segment() {
    let server = small();
    let db = with_queue(&server, "living");
    let mut s = db.session();
    let mut seen = HashSet::new();
    exec(&mut s, "SELECT strata.queue_push('q', '\"long\"')");
    let claim = one(&mut s, "SELECT claim FROM strata.queue_pop('q')");
    // a job that waits behind them all, and one that was pushed with an open transaction
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '\"last\"', priority => 50, run_at => NULL)",
    );
    let mut open = db.session();
    exec(
        &mut open,
        "BEGIN; SELECT strata.queue_push('q', '\"open\"', priority => 49)",
    );
    let popped_last = |s: &mut Client, n: usize| {
        rows(
            s,
            &format!("SELECT payload FROM strata.queue_pop('q', n => {n})"),
        )
    };
    for _ in 0..8 {
        exec(
            &mut s,
            "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 1500) g",
        );
        // all but those two
        for _ in 0..3 {
            let sql =
                "SELECT id, strata.queue_complete('q', claim) FROM strata.queue_pop('q', n => 500)";
            for line in rows(&mut s, sql).lines() {
                let (id, done) = line.split_once('|').expect("two columns");
                assert_eq!(done, "t");
                assert!(seen.insert(id.parse::<i64>().expect("an id")));
            }
        }
        maintain(&mut s);
    }
    assert_eq!(seen.len(), 12_000);
    assert!(generation(&mut s) >= 5, "it turned");
    exec(&mut open, "COMMIT");
    assert_eq!(popped_last(&mut s, 5), "\"open\"\n\"last\"");
    let sql = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut s, &sql), "t", "the claim is still good");
    assert_eq!(one(&mut s, &sql), "f");
    maintain(&mut s);
    assert_eq!(popped_last(&mut s, 5), "");
}

#[test]
fn a_pusher_that_waits_between_lock_and_insert_loses_nothing() {
    // no background worker: it would stop at the same points
    let server = Cluster::builder()
        .set("strata.queue_segment_rows", "1000")
        .set("strata.queue_segment_age", "0")
        .start();
    let db = with_queue(&server, "waiting");
    let mut s = db.session();
    exec(&mut s, "SET strata.inject = ''");
    for point in ["queue.push.locked", "queue.push.checked"] {
        arm(&server, &format!("{point}:sleep"));
        let mut pusher = db.session();
        let pid = one(&mut pusher, "SELECT pg_backend_pid()");
        let pushed = std::thread::spawn(move || {
            one(&mut pusher, "SELECT strata.queue_push('q', '\"slow\"')")
        });
        wait_until("the pusher sleeps with its lock", || {
            let sql = format!(
                "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE pid = {pid} \
                 AND mode = 'RowExclusiveLock' AND c.relname LIKE 'queue\\_seg\\_%' AND c.relkind = 'r'"
            );
            one(&mut s, &sql) != "0"
        });
        let before = generation(&mut s);
        let mut seen = HashSet::new();
        for _ in 0..4 {
            churn(&mut s, 1_000, &mut seen);
            maintain(&mut s);
        }
        assert!(generation(&mut s) >= before + 3);
        arm(&server, "");
        let id = pushed.join().expect("the push");
        wait_until("it is delivered", || {
            let sql = "SELECT coalesce((SELECT id FROM strata.queue_pop('q')), 0)";
            one(&mut s, sql) == id
        });
    }
}

#[test]
fn a_free_segment_that_somebody_holds_does_not_stop_the_housekeeping() {
    let server = small();
    let db = with_queue(&server, "held_free");
    let mut s = db.session();
    exec(&mut s, "SET statement_timeout = '60s'");
    let number = |s: &mut Client, of: &str| -> i32 {
        let sql = format!("SELECT count(*) FROM strata.queue_segment WHERE ring = 1 {of}");
        one(s, &sql).parse().expect("a number")
    };
    // a backlog over many segments, and then all of it is done; what is made free in a round is dropped in the next
    // one, and somebody else may be at it
    wait_until("most segments are free", || {
        wait_until("there is a backlog", || {
            exec(
                &mut s,
                "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 2500) g",
            );
            maintain(&mut s);
            number(&mut s, "") > 6
        });
        let sql =
            "SELECT count(strata.queue_complete('q', claim)) FROM strata.queue_pop('q', n => 5000)";
        while one(&mut s, sql) != "0" {}
        maintain(&mut s);
        number(&mut s, "AND state = 'free'") > 3
    });
    let last = one(
        &mut s,
        "SELECT name FROM strata.queue_segment WHERE ring = 1 AND state = 'free' ORDER BY slot DESC LIMIT 1",
    );
    let mut reader = db.session();
    exec(
        &mut reader,
        &format!("BEGIN; LOCK TABLE strata.{last} IN ACCESS SHARE MODE"),
    );
    // the others go, and this one waits for its time
    wait_until("free segments are dropped", || {
        maintain(&mut s);
        number(&mut s, "AND state = 'free'") <= 3
    });
    let there = format!("SELECT to_regclass('strata.{last}') IS NOT NULL");
    assert_eq!(one(&mut s, &there), "t");
    exec(&mut reader, "COMMIT");
    wait_until("it goes, too", || {
        maintain(&mut s);
        one(&mut s, &there) == "f"
    });
}

#[test]
fn claims_stay_good_while_their_jobs_move_during_one_call() {
    // no background worker
    let server = Cluster::builder()
        .set("strata.queue_segment_rows", "1000")
        .set("strata.queue_segment_age", "0")
        .start();
    let db = Db::new(&server, "moving");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.create_queue('q', keep => 'none')");
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1', unique_key => 'k'); SELECT strata.queue_push('q', '2')",
    );
    let claims = one(
        &mut s,
        "SELECT array_agg(claim) FROM strata.queue_pop('q', n => 2)",
    );
    // dead rows, for which the segment is left
    churn(&mut s, 1_000, &mut HashSet::new());
    // the end of the first job waits for its key
    let mut holder = db.session();
    exec(
        &mut holder,
        "BEGIN; SELECT FROM strata.queue_key_a FOR UPDATE",
    );
    let mut worker = db.session();
    let pid = one(&mut worker, "SELECT pg_backend_pid()");
    let lost = std::thread::spawn(move || {
        let sql = format!("SELECT strata.queue_complete_many('q', '{claims}')");
        one(&mut worker, &sql)
    });
    wait_until("it waits", || {
        let sql = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
        one(&mut s, &sql) != "0"
    });
    let moved = "SELECT count(*) FROM strata.queue_seg_1_0 WHERE payload = '2'";
    wait_until("the second job has moved", || {
        maintain(&mut s);
        one(&mut s, moved) == "0"
    });
    exec(&mut holder, "COMMIT");
    assert_eq!(lost.join().expect("the call"), "{}", "no claim is lost");
    assert_eq!(
        one(&mut s, "SELECT strata.queue_length('q', 'running')"),
        "0"
    );
}

#[test]
fn indexes_of_segments_can_be_made_anew_while_jobs_are_pushed() {
    let db = with_queue(crate::support::preloaded(), "reindexed");
    let mut s = db.session();
    let push = |s: &mut Client, n: usize| {
        exec(
            s,
            &format!("SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, {n}) g"),
        );
    };
    push(&mut s, 10);
    let tail = one(
        &mut s,
        "SELECT name FROM strata.queue_segment WHERE ring = 1 AND state = 'tail'",
    );
    // it waits for this one before the new index is filled, and once more before it is looked through again
    let mut first = db.session();
    exec(
        &mut first,
        "BEGIN; SELECT strata.queue_push('q', '\"first\"')",
    );
    let mut dba = db.session();
    let pid = one(&mut dba, "SELECT pg_backend_pid()");
    let table = tail.clone();
    let done = std::thread::spawn(move || {
        exec(
            &mut dba,
            &format!("REINDEX TABLE CONCURRENTLY strata.{table}"),
        );
    });
    let waits = |s: &mut Client| {
        let sql = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
        one(s, &sql) != "0"
    };
    wait_until("the reindex waits", || waits(&mut s));
    let mut second = db.session();
    exec(
        &mut second,
        "BEGIN; SELECT strata.queue_push('q', '\"second\"')",
    );
    exec(&mut first, "COMMIT");
    // an old snapshot keeps it waiting when the new index is complete, and not in use yet
    let mut old = db.session();
    let valid = format!(
        "SELECT count(*) FROM pg_index WHERE indrelid = 'strata.{tail}'::regclass AND indisready"
    );
    wait_until("the second index takes entries", || {
        one(&mut s, &valid) == "2"
    });
    exec(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    push(&mut s, 10);
    exec(&mut second, "COMMIT");
    let its = one(&mut old, "SELECT pg_backend_pid()");
    wait_until("the reindex waits for the old snapshot", || {
        let sql = format!(
            "SELECT count(*) FROM pg_locks w JOIN pg_locks h USING (virtualxid) \
             WHERE w.pid = {pid} AND NOT w.granted AND h.pid = {its} AND h.granted"
        );
        one(&mut s, &sql) != "0"
    });
    // these must be entered into an index that nobody reads yet
    push(&mut s, 10);
    exec(
        &mut s,
        "SELECT strata.queue_push_many('q', array_agg(to_jsonb(g))) FROM generate_series(1, 10) g",
    );
    exec(&mut old, "COMMIT");
    done.join().expect("the reindex");
    push(&mut s, 10);
    let given = one(
        &mut s,
        "SELECT count(*) FROM strata.queue_pop('q', n => 100)",
    );
    assert_eq!(given, "52", "sessions of before find all jobs");
    let ended = "SELECT strata.queue_length('q') + strata.queue_length('q', 'running')";
    assert_eq!(one(&mut s, ended), "52");
}

#[test]
fn indexes_that_somebody_makes_hold_all_jobs() {
    let db = with_queue(crate::support::preloaded(), "indexed");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    exec(
        &mut s,
        "CREATE INDEX ON strata.queue_seg_1_0 (worker, state)",
    );
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '2'); SELECT strata.queue_push_many('q', '{3,4}'); \
         SELECT strata.queue_pop('q', 'w', n => 2)",
    );
    exec(
        &mut s,
        "SET enable_seqscan = off; SET enable_bitmapscan = off",
    );
    let count = |s: &mut Client, state: &str| {
        let table = "strata.queue_seg_1_0";
        let of = if state == "w" {
            "worker > 0"
        } else {
            "worker IS NULL"
        };
        one(
            s,
            &format!("SELECT count(*) FROM {table} WHERE {of} AND state = '{state}'"),
        )
    };
    assert_eq!(count(&mut s, "w"), "2");
    assert_eq!(count(&mut s, "r"), "2");
}

#[test]
fn a_session_that_drops_a_queue_and_goes_to_sleep_stops_nobody() {
    let server = small();
    let db = with_queue(&server, "dropping");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.create_queue('own', dedicated => true)",
    );
    let mut sleeper = db.session();
    exec(
        &mut sleeper,
        "BEGIN; SELECT strata.drop_queue('own', force => true)",
    );
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1'); SELECT strata.queue_pop('q', lease => '1 ms')",
    );
    exec(&mut s, "SET statement_timeout = '60s'");
    wait_until("the lease is over", || {
        maintain(&mut s);
        one(&mut s, "SELECT strata.queue_length('q')") == "1"
    });
    exec(&mut sleeper, "COMMIT");
    maintain(&mut s);
    let rings =
        "SELECT string_agg(DISTINCT ring::text, ' ') FROM strata.queue_segment WHERE ring > 0";
    assert_eq!(one(&mut s, rings), "1");
}

#[test]
fn what_a_query_has_seen_of_long_payloads_outlives_their_segment() {
    let server = small();
    let db = with_queue(&server, "long");
    let mut s = db.session();
    // too long for a row, and nothing to be compressed
    exec(
        &mut s,
        "SELECT strata.queue_push('q', to_jsonb((SELECT string_agg(md5(random()::text), '') \
            FROM generate_series(1, 500) i WHERE g > 0)), priority => 50) FROM generate_series(1, 3) g",
    );
    let mut reader = db.session();
    exec(
        &mut reader,
        "BEGIN; DECLARE c CURSOR FOR SELECT length(payload::text) FROM strata.queue_jobs",
    );
    let one_of_them = one(&mut reader, "FETCH 1 FROM c");
    assert_eq!(one_of_them, "16002");
    let file = "SELECT pg_relation_filenode('strata.queue_seg_1_0')";
    let before = one(&mut s, file);
    let mut seen = HashSet::new();
    wait_until("the segment was emptied", || {
        churn(&mut s, 2_500, &mut seen);
        maintain(&mut s);
        one(&mut s, file) != before
    });
    assert_eq!(rows(&mut reader, "FETCH ALL FROM c"), "16002\n16002");
}
