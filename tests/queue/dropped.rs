//! Queues and databases that are dropped while others are at work: nothing is left, and nobody is in the way.

use crate::common::{sqlstate, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, with_queue};
use postgres::{Client, SimpleQueryMessage};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Rows of queues that are gone, over all tables that know queues by their number.
fn orphans(s: &mut Client) -> String {
    let all = "SELECT string_agg(format('SELECT %L AS t, count(*) AS n FROM strata.%I x WHERE NOT EXISTS (SELECT FROM strata.queue q \
        WHERE q.qid = x.qid) AND NOT EXISTS (SELECT FROM strata.queue_stream q WHERE q.qid = x.qid)', c.relname, c.relname), \
        ' UNION ALL ') FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'qid' \
        WHERE c.relnamespace = 'strata'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'queue\\_history%' \
        AND c.relname NOT LIKE 'queue\\_ended%'";
    let union = one(s, all);
    one(
        s,
        &format!("SELECT string_agg(t || ' ' || n, ', ') FROM ({union}) x WHERE n > 0"),
    )
}

fn wait_for_lock(db: &Db<'_>, pid: &str) {
    let sql = format!("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}");
    wait_until("it waits for a lock", || db.one(&sql) == "t");
}

/// What another session has done with its job and not committed yet when the queue is dropped.
#[test]
fn a_job_on_its_way_goes_with_its_queue() {
    let db = Db::new(preloaded(), "on_its_way");
    let mut s = db.session();
    for (n, answer) in [
        "queue_fail('q', $claim, retry_in => '1 hour')",
        "queue_fail('q', $claim, retry_in => '0')",
        "queue_release('q', $claim, delay => '1 hour')",
        "queue_release('q', $claim)",
        "queue_complete('q', $claim)",
        "queue_cancel('q', 0 + $waiting)",
        "queue_change('q', $waiting, run_at => now() + interval '1 hour')",
        "queue_change('q', $waiting, priority => 7)",
        "queue_push('q', '1', 'new', run_at => now() + interval '1 hour')",
        "queue_push('q', '2', 'k', on_duplicate => 'replace', run_at => now() + interval '1 hour')",
        "queue_schedule('s', 'q', '1 hour')",
        "queue_grant('q', 'postgres', 'push')",
        "queue_limit('q', 'g', 7)",
        "queue_push_sql('q', 'SELECT 1', run_at => now() + interval '1 hour')",
    ]
    .into_iter()
    .enumerate()
    {
        exec(&mut s, "SELECT strata.create_queue('q', group_limit => 1)");
        exec(
            &mut s,
            "SELECT strata.queue_push('q', '1', 'a', group_key => 'g'), strata.queue_push('q', '2', 'b', group_key => 'g'),
                    strata.queue_push('q', '3', 'k', priority => 50)",
        );
        let mut claim = String::new();
        wait_until("the head of the group is ready", || {
            claim = one(
                &mut s,
                "SELECT claim FROM strata.queue_pop('q') WHERE group_key = 'g'",
            );
            if claim.is_empty() {
                exec(&mut s, "SELECT strata.queue_requeue_in_progress('q')");
            }
            !claim.is_empty()
        });
        let waiting = one(
            &mut s,
            "SELECT id FROM strata.queue_jobs WHERE priority = 50",
        );
        let call = answer
            .replace("$claim", &claim)
            .replace("$waiting", &waiting);
        let (mut worker, mut dropper) = (db.session(), db.session());
        exec(&mut worker, "BEGIN");
        one(&mut worker, &format!("SELECT strata.{call}"));
        let pid = one(&mut dropper, "SELECT pg_backend_pid()");
        std::thread::scope(|scope| {
            let done =
                scope.spawn(|| exec(&mut dropper, "SELECT strata.drop_queue('q', force => true)"));
            wait_for_lock(&db, &pid);
            exec(&mut worker, "COMMIT");
            done.join().expect("the drop");
        });
        assert_eq!(orphans(&mut s), "", "{n}: {answer}");
    }
}

#[test]
fn a_queue_is_dropped_as_of_now_at_every_isolation_level() {
    let db = with_queue(preloaded(), "drop_isolation");
    let (mut a, mut b) = (db.session(), db.session());
    exec(
        &mut a,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class",
    );
    exec(
        &mut b,
        "SELECT strata.queue_push('q', '1', 'k', group_key => 'g'), strata.queue_push('q', '1', run_at => now() + interval '1 h')",
    );
    exec(
        &mut a,
        "SELECT strata.drop_queue('q', force => true); COMMIT",
    );
    assert_eq!(orphans(&mut b), "");
}

/// Everything that goes on in a queue, one call at a time, until it is gone.
fn busy(db: &Db<'_>, n: usize, done: &AtomicUsize) {
    let mut s = db.session();
    for turn in n.. {
        let calls = match turn % 7 {
            0 => "queue_push('r', '1', group_key => 'g')",
            1 => {
                "queue_push('r', '1', unique_key => 'k' || (random() * 9)::int, on_duplicate => 'replace')"
            }
            2 => "queue_push('r', '1', run_at => clock_timestamp() + interval '5 ms')",
            3 => "queue_fail('r', $claim, retry_in => '3 ms')",
            4 => "queue_release('r', $claim)",
            5 => "queue_complete('r', $claim)",
            _ => "queue_pop('r', lease => '5 ms')",
        };
        let mut claims = vec![String::new()];
        if calls.contains("$claim") {
            match s.simple_query("SELECT claim FROM strata.queue_pop('r', n => 3)") {
                Ok(messages) => {
                    claims = messages
                        .iter()
                        .filter_map(|m| match m {
                            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                            _ => None,
                        })
                        .collect();
                }
                Err(error) => return gone(&error),
            }
        }
        for claim in claims {
            let sql = format!("SELECT strata.{}", calls.replace("$claim", &claim));
            if let Err(error) = s.simple_query(&sql) {
                return gone(&error);
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Nothing else may happen to a single call.
fn gone(error: &postgres::Error) {
    assert_eq!(sqlstate(error), "42704", "{error:?}");
}

#[test]
fn a_busy_queue_is_dropped_whole() {
    const ROUNDS: usize = 12;
    let db = with_queue(preloaded(), "drop_busy");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut s = db.session();
            while !over.load(Ordering::Relaxed) {
                exec(&mut s, "CALL strata.queue_maintain()");
            }
        });
        let mut s = db.session();
        for round in 0..ROUNDS {
            exec(&mut s, "SELECT strata.create_queue('r', group_limit => 2)");
            let done = AtomicUsize::new(0);
            std::thread::scope(|inner| {
                for n in 0..5 {
                    let (db, done) = (&db, &done);
                    inner.spawn(move || busy(db, n, done));
                }
                wait_until("they are at it", || {
                    done.load(Ordering::Relaxed) > 100 + 10 * round
                });
                // also when it fails: the others go on until the queue is gone
                let dropped = s.batch_execute("SELECT strata.drop_queue('r', force => true)");
                if dropped.is_err() {
                    exec(&mut s, "SELECT strata.drop_queue('r', force => true)");
                }
                dropped.expect("it waits for nobody who waits for it");
            });
        }
        over.store(true, Ordering::Relaxed);
        // what the background worker began before is over
        let settled = "SELECT count(*) FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()";
        wait_until("nobody writes any more", || one(&mut s, settled) == "0");
        assert_eq!(orphans(&mut s), "");
    });
}

/// The session that drops the database has never heard of us, so nobody tells the worker to leave.
#[test]
fn a_database_is_dropped_under_its_worker_where_nothing_is_preloaded() {
    let server = plain();
    let mut other = server.client("postgres");
    let there = |other: &mut Client, kind: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'served' AND backend_type = '{kind}'"
        );
        one(other, &sql) != "0"
    };
    for command in [
        "CREATE DATABASE served_copy TEMPLATE served",
        "ALTER DATABASE served RENAME TO served_too; ALTER DATABASE served_too RENAME TO served",
        "DROP DATABASE served",
    ] {
        if command.starts_with("CREATE") {
            let db = with_queue(server, "served");
            db.run("CREATE TABLE ran (n int)");
        }
        server.psql(
            "served",
            "SELECT strata.queue_push_sql('q', 'INSERT INTO ran VALUES (1)')",
        );
        wait_until("the worker is there", || {
            there(&mut other, "pg_strata worker")
        });
        // its process stays for a while after the job
        wait_until("the job has run", || {
            let mut s = server.client("served");
            one(&mut s, "SELECT count(*) FROM strata.queue_jobs") == "0"
        });
        wait_until("our own sessions are gone", || {
            !there(&mut other, "client backend")
        });
        for one in command.split("; ") {
            exec(&mut other, one);
        }
    }
    let left = "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE 'served%'";
    assert_eq!(one(&mut other, left), "served_copy");
    // the copy is nobody's home, and has a worker all the same as soon as somebody calls
    server.psql("served_copy", "SELECT strata.queue_push('q', '1')");
    exec(&mut other, "DROP DATABASE served_copy");
}
