//! Unique keys: of the jobs of a queue with one key only one lives.

use crate::common::{fails, wait_until};
use crate::support::{exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;
use std::collections::HashSet;

/// Pushes a job with a key; its id, or nothing.
fn push(session: &mut Client, key: &str, more: &str) -> String {
    let sql = format!("SELECT strata.queue_push('q', '1', unique_key => '{key}'{more})");
    one(session, &sql)
}

fn pop(session: &mut Client) -> Option<(String, String)> {
    let got = rows(session, "SELECT id, claim FROM strata.queue_pop('q')");
    got.split_once('|')
        .map(|(id, claim)| (id.to_owned(), claim.to_owned()))
}

fn complete(session: &mut Client, claim: &str) {
    let done = one(
        session,
        &format!("SELECT strata.queue_complete('q', {claim})"),
    );
    assert_eq!(done, "t");
}

#[test]
fn a_taken_key_is_skipped_named_or_refused() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "keys_modes");
        db.run("SELECT strata.create_queue('other')");
        let mut s = db.session();
        let id = push(&mut s, "k", "");
        let modes = |s: &mut Client, state: &str| {
            assert_eq!(push(s, "k", ""), "", "skip, {state}");
            assert_eq!(push(s, "k", ", on_duplicate => 'id'"), id, "{state}");
            let sql = "SELECT strata.queue_push('q', '1', 'k', on_duplicate => 'error')";
            let error = fails(s, sql, "23505", &["\"q\"", "\"k\""]);
            assert!(error.detail().is_some_and(|d| d.contains(&id)));
        };
        modes(&mut s, "ready");
        assert_ne!(push(&mut s, "k2", ""), "", "another key");
        let other = "SELECT strata.queue_push('other', '1', 'k')";
        assert_ne!(one(&mut s, other), "", "keys are per queue");
        let (popped, claim) = pop(&mut s).expect("a job");
        assert_eq!(popped, id);
        modes(&mut s, "running");
        complete(&mut s, &claim);
        let next = push(&mut s, "k", "");
        assert!(!next.is_empty() && next != id, "free again");
    }
}

#[test]
fn keys_follow_the_transaction() {
    let db = with_queue(preloaded(), "keys_undone");
    let mut s = db.session();
    exec(&mut s, "BEGIN");
    assert_ne!(push(&mut s, "k", ""), "");
    assert_eq!(push(&mut s, "k", ""), "", "its own push counts");
    exec(&mut s, "ROLLBACK");
    exec(&mut s, "BEGIN; SAVEPOINT a");
    assert_ne!(push(&mut s, "k", ""), "");
    exec(&mut s, "ROLLBACK TO a");
    assert_ne!(push(&mut s, "k", ""), "", "free after the savepoint");
    exec(&mut s, "COMMIT");
    let (_, claim) = pop(&mut s).expect("a job");
    exec(&mut s, "BEGIN");
    complete(&mut s, &claim);
    let second = push(&mut s, "k", "");
    assert_ne!(second, "", "its own end counts");
    exec(&mut s, "ROLLBACK");
    assert_eq!(push(&mut s, "k", ""), "", "the end was undone");
    complete(&mut s, &claim);
    // one statement that pushes the same key often
    let sql = "SELECT count(strata.queue_push('q', '1', 'k')) FROM generate_series(1, 50)";
    assert_eq!(one(&mut s, sql), "1");
}

#[test]
fn keys_are_those_of_now_at_every_isolation_level() {
    let db = with_queue(preloaded(), "keys_isolation");
    let (mut a, mut b) = (db.session(), db.session());
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        exec(
            &mut a,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM pg_class"),
        );
        let id = push(&mut b, "k", "");
        assert_eq!(push(&mut a, "k", ", on_duplicate => 'id'"), id);
        let (_, claim) = pop(&mut b).expect("a job");
        complete(&mut b, &claim);
        assert_ne!(push(&mut a, "k", ""), "", "free since");
        exec(&mut a, "COMMIT");
        let (_, claim) = pop(&mut a).expect("a job");
        complete(&mut a, &claim);
    }
}

#[test]
fn a_push_waits_only_for_a_push_or_an_end_of_the_same_key() {
    let db = with_queue(preloaded(), "keys_waits");
    let (mut a, mut b) = (db.session(), db.session());
    let (mut look, mut find) = (db.session(), db.session());
    let pid = one(&mut b, "SELECT pg_backend_pid()");
    let waiting =
        format!("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}");
    let mut meet = |a: &mut Client, b: &mut Client, end: &str, gets: bool| {
        std::thread::scope(|scope| {
            let pushed = scope.spawn(|| push(b, "k", ""));
            wait_until("it waits", || one(&mut look, &waiting) == "t");
            exec(a, end);
            assert_eq!(!pushed.join().expect("a push").is_empty(), gets, "{end}");
        });
    };
    // the lock_timeout makes a wait for the other transaction an error
    exec(&mut b, "SET lock_timeout = '30s'");
    exec(&mut a, "BEGIN");
    push(&mut a, "k", "");
    exec(&mut b, "SET lock_timeout = '5s'");
    assert_ne!(push(&mut b, "other", ""), "", "another key does not wait");
    exec(&mut b, "SET lock_timeout = '30s'");
    meet(&mut a, &mut b, "COMMIT", false);
    // a claim is neither, nor is a look at the key
    exec(&mut a, "BEGIN");
    let sql = "SELECT claim FROM strata.queue_pop('q', n => 10) ORDER BY id DESC LIMIT 1";
    rows(&mut a, sql);
    push(&mut a, "k", "");
    exec(&mut b, "SET lock_timeout = '5s'");
    assert_eq!(push(&mut b, "k", ""), "");
    exec(&mut b, "SET lock_timeout = '30s'");
    exec(&mut a, "COMMIT");
    for (end, gets) in [("ROLLBACK", false), ("COMMIT", true)] {
        let live = "SELECT id FROM strata.queue_key_a WHERE key = 'k'";
        let id = one(&mut find, live);
        exec(&mut a, "BEGIN");
        let sql = format!(
            "SELECT strata.queue_complete('q', claim) FROM (SELECT (seq << 16) + (lane::int8 << 8) + (fence & 255) AS claim \
             FROM strata.queue_seg_1_0 WHERE id = {id}) s"
        );
        assert_eq!(one(&mut a, &sql), "t");
        meet(&mut a, &mut b, end, gets);
    }
}

#[test]
fn concurrent_pushes_with_one_key_give_one_job() {
    for (server, level) in [
        (preloaded(), "READ COMMITTED"),
        (plain(), "READ COMMITTED"),
        (preloaded(), "REPEATABLE READ"),
    ] {
        let name = format!("keys_race_{}", level.len());
        let db = with_queue(server, &name);
        const KEYS: usize = 150;
        let pushed: Vec<String> = std::thread::scope(|scope| {
            let sessions: Vec<_> = (0..6)
                .map(|n| {
                    scope.spawn({
                        let db = &db;
                        move || race(&mut db.session(), n, KEYS, level)
                    })
                })
                .collect();
            let all = sessions.into_iter().map(|s| s.join().expect("a session"));
            all.flatten().collect()
        });
        let distinct: HashSet<&String> = pushed.iter().collect();
        assert_eq!((pushed.len(), distinct.len()), (KEYS, KEYS), "{level}");
        let mut s = db.session();
        let sql = "SELECT count(*) FROM strata.queue_pop('q', n => 1000)";
        assert_eq!(one(&mut s, sql), KEYS.to_string(), "{level}");
    }
}

/// All sessions push the same keys in the same order; each undoes some of its pushes, and then pushes again.
fn race(session: &mut Client, n: usize, keys: usize, level: &str) -> Vec<String> {
    let mut mine = Vec::new();
    for key in 0..keys {
        if key % 6 == n {
            exec(session, &format!("BEGIN ISOLATION LEVEL {level}"));
            push(session, &format!("k{key}"), "");
            exec(session, "ROLLBACK");
        }
        exec(session, &format!("BEGIN ISOLATION LEVEL {level}; SELECT"));
        let id = push(session, &format!("k{key}"), "");
        exec(session, "COMMIT");
        mine.extend((!id.is_empty()).then_some(id));
    }
    mine
}

#[test]
fn a_key_until_the_start_is_free_when_the_job_runs() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "keys_start");
        let mut s = db.session();
        let start = ", unique_until => 'start'";
        let first = push(&mut s, "k", start);
        assert_eq!(push(&mut s, "k", start), "");
        exec(&mut s, "BEGIN");
        assert_eq!(pop(&mut s).expect("a job").0, first);
        exec(&mut s, "ROLLBACK");
        assert_eq!(push(&mut s, "k", start), "", "the start was undone");
        let mut popped = None;
        wait_until("it is ready again", || {
            popped = pop(&mut s);
            popped.is_some()
        });
        let (_, claim) = popped.expect("a job");
        let second = push(&mut s, "k", start);
        assert_ne!(second, "", "free");
        assert_eq!(push(&mut s, "k", start), "", "taken by the second");
        complete(&mut s, &claim);
        assert_eq!(push(&mut s, "k", start), "", "still the key of the second");
        let (id, claim) = pop(&mut s).expect("a job");
        assert_eq!(id, second);
        complete(&mut s, &claim);
        let left = "SELECT count(*) FROM strata.queue_key_a";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn a_key_stays_taken_for_a_time() {
    let db = with_queue(preloaded(), "keys_for");
    let mut s = db.session();
    let long = ", unique_for => '1 hour'";
    let id = push(&mut s, "k", long);
    let (_, claim) = pop(&mut s).expect("a job");
    complete(&mut s, &claim);
    assert_eq!(push(&mut s, "k", ""), "", "not before the time has passed");
    assert_eq!(push(&mut s, "k", ", on_duplicate => 'id'"), id);
    assert_eq!(push(&mut s, "k", ", on_duplicate => 'replace'"), "");
    let sql = "SELECT strata.queue_push('q', '1', 'k', on_duplicate => 'error')";
    fails(&mut s, sql, "23505", &["\"k\""]);
    // the time passes
    exec(&mut s, "UPDATE strata.queue_key_a SET free_at = now()");
    let next = push(
        &mut s,
        "k",
        ", unique_until => 'start', unique_for => '1 hour'",
    );
    assert!(!next.is_empty() && next != id);
    pop(&mut s).expect("a job");
    assert_eq!(
        push(&mut s, "k", ""),
        "",
        "it has started, and the time holds"
    );
    exec(&mut s, "UPDATE strata.queue_key_a SET free_at = now()");
    assert_ne!(push(&mut s, "k", ""), "");
}

#[test]
fn bad_keys_are_errors() {
    let db = with_queue(preloaded(), "keys_errors");
    let mut s = db.session();
    for (arguments, words) in [
        ("unique_key => repeat('k', 1001)", "1001 bytes"),
        ("unique_key => 'k', on_duplicate => 'maybe'", "\"maybe\""),
        ("unique_key => 'k', unique_until => 'end'", "\"end\""),
        ("unique_key => 'k', unique_for => '-1 s'", "unique_for"),
    ] {
        let sql = format!("SELECT strata.queue_push('q', '1', {arguments})");
        fails(&mut s, &sql, "22023", &[words]);
    }
    let widest = "SELECT strata.queue_push('q', '1', unique_key => repeat('ä', 500))";
    assert_ne!(one(&mut s, widest), "");
    assert_eq!(one(&mut s, widest), "");
    assert_ne!(push(&mut s, "", ""), "", "the empty key is a key");
    assert_eq!(push(&mut s, "", ""), "");
}

#[test]
fn a_prepared_push_keeps_its_key() {
    let db = with_queue(preloaded(), "keys_prepared");
    let (mut a, mut b) = (db.session(), db.session());
    exec(&mut a, "BEGIN");
    push(&mut a, "k", "");
    exec(&mut a, "PREPARE TRANSACTION 'keys'");
    exec(&mut b, "SET lock_timeout = '20ms'");
    let sql = "SELECT strata.queue_push('q', '1', 'k')";
    fails(&mut b, sql, "55P03", &[]);
    exec(&mut a, "COMMIT PREPARED 'keys'");
    // whoever else locks something for a moment (autovacuum, say) is waited for
    exec(&mut b, "RESET lock_timeout");
    assert_eq!(push(&mut b, "k", ""), "");
}

#[test]
fn a_waiting_job_is_replaced_and_keeps_its_id() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "keys_replace");
        let mut s = db.session();
        let first = push(&mut s, "k", "");
        let sql = "SELECT strata.queue_push('q', '2', 'k', on_duplicate => 'replace', priority => -5, kind => 'x')";
        assert_eq!(one(&mut s, sql), first, "the same job");
        let other = push(&mut s, "other", "");
        let job = "SELECT id, payload, kind, priority, attempt FROM strata.queue_pop('q')";
        exec(&mut s, "BEGIN");
        assert_eq!(rows(&mut s, job), format!("{first}|2|x|-5|1"));
        exec(&mut s, "ROLLBACK");
        let sql = "SELECT strata.queue_push('q', '3', 'k', on_duplicate => 'replace_payload', kind => 'y')";
        assert_eq!(one(&mut s, sql), first);
        let mut got = String::new();
        wait_until("it is ready again", || {
            got = rows(&mut s, job);
            got.starts_with(&first)
        });
        assert_eq!(got, format!("{first}|3|x|-5|1"), "only the payload is new");
        let _ = other;
        // undone, the old one is there
        let db = with_queue(server, "keys_replace_undone");
        let mut s = db.session();
        let id = push(&mut s, "k", "");
        for mode in ["replace", "replace_payload"] {
            exec(&mut s, "BEGIN");
            let sql = format!("SELECT strata.queue_push('q', '2', 'k', on_duplicate => '{mode}')");
            assert_eq!(one(&mut s, &sql), id);
            exec(&mut s, "ROLLBACK");
        }
        let mut got = String::new();
        wait_until("the old one is ready again", || {
            got = rows(
                &mut s,
                "SELECT id, payload FROM strata.queue_pop('q', n => 5)",
            );
            !got.is_empty()
        });
        assert_eq!(got, format!("{id}|1"));
    }
}

#[test]
fn what_replaces_a_running_job_is_a_new_one() {
    for mode in ["replace", "replace_payload"] {
        let name = format!("keys_running_{mode}");
        let db = with_queue(preloaded(), &name);
        let (mut a, mut b) = (db.session(), db.session());
        let first = push(&mut a, "k", "");
        let sql = format!("SELECT strata.queue_push('q', '2', 'k', on_duplicate => '{mode}')");
        // in a transaction that is open: nobody waits for it
        exec(&mut a, "BEGIN");
        let (id, claim) = pop(&mut a).expect("a job");
        assert_eq!(id, first);
        exec(&mut b, "SET lock_timeout = '5s'");
        let second = one(&mut b, &sql);
        assert!(!second.is_empty() && second != first);
        exec(&mut a, "COMMIT");
        complete(&mut a, &claim);
        assert_eq!(push(&mut a, "k", ""), "", "the second has the key");
        assert_eq!(one(&mut a, &sql), second, "it waits, so it is replaced");
        let (id, claim) = pop(&mut a).expect("a job");
        assert_eq!(id, second);
        assert!(pop(&mut a).is_none());
        complete(&mut a, &claim);
        assert_ne!(push(&mut a, "k", ""), "", "free");
    }
}

#[test]
fn a_member_of_a_group_that_is_replaced_keeps_its_place() {
    let db = with_queue(preloaded(), "keys_replace_group");
    let mut s = db.session();
    let group = ", group_key => 'g'";
    let (first, second) = (push(&mut s, "a", group), push(&mut s, "b", group));
    let replace = |s: &mut Client, key: &str, payload: &str, more: &str| {
        let sql = format!(
            "SELECT strata.queue_push('q', '{payload}', '{key}', on_duplicate => 'replace'{more})"
        );
        one(s, &sql)
    };
    assert_eq!(replace(&mut s, "b", "22", group), second, "held");
    assert_eq!(replace(&mut s, "a", "11", group), first);
    let job = "SELECT id, payload, claim FROM strata.queue_pop('q', n => 5)";
    let mut got = String::new();
    wait_until("the first is admitted", || {
        got = rows(&mut s, job);
        !got.is_empty()
    });
    let claim = got.rsplit_once('|').expect("columns").1.to_owned();
    assert_eq!(got, format!("{first}|11|{claim}"));
    complete(&mut s, &claim);
    // now it is ready, and leaves its group
    assert_eq!(replace(&mut s, "b", "222", ""), second);
    push(&mut s, "c", group);
    let mut ready = 0;
    wait_until("both are ready", || {
        ready += rows(&mut s, job).lines().count();
        ready == 2
    });
}
