//! Jobs that wait until other jobs have ended.

use crate::common::{fails, wait_until};
use crate::support::{exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;
use std::collections::{HashMap, HashSet};

pub fn push(session: &mut Client, payload: &str, more: &str) -> String {
    one(
        session,
        &format!("SELECT strata.queue_push('q', '\"{payload}\"'{more})"),
    )
}

pub fn after(parents: &[&str]) -> String {
    format!(", after => '{{{}}}'", parents.join(","))
}

/// Payloads and claims that a pop gives.
pub fn pop(session: &mut Client) -> Vec<(String, String)> {
    let got = rows(
        session,
        "SELECT payload #>> '{}', claim FROM strata.queue_pop('q', n => 10)",
    );
    got.lines()
        .map(|line| line.split_once('|').expect("two columns"))
        .map(|(payload, claim)| (payload.to_owned(), claim.to_owned()))
        .collect()
}

/// Pops exactly this job, as soon as it is ready.
pub fn next(session: &mut Client, wanted: &str) -> String {
    let mut got = Vec::new();
    wait_until(wanted, || {
        got = pop(session);
        !got.is_empty()
    });
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!(got[0].0, wanted);
    got.remove(0).1
}

pub fn complete(session: &mut Client, claim: &str) {
    let sql = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(session, &sql), "t");
}

#[test]
fn a_child_runs_after_all_its_parents() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_all");
        let mut s = db.session();
        let (a, b) = (push(&mut s, "a", ""), push(&mut s, "b", ""));
        let child = push(&mut s, "child", &after(&[&a, &b]));
        push(&mut s, "grandchild", &after(&[&child, &a]));
        let parents = pop(&mut s);
        assert_eq!(parents.len(), 2, "{parents:?}");
        complete(&mut s, &parents[0].1);
        assert!(pop(&mut s).is_empty(), "one parent runs");
        exec(&mut s, "BEGIN");
        complete(&mut s, &parents[1].1);
        exec(&mut s, "ROLLBACK");
        assert!(pop(&mut s).is_empty(), "its end was undone");
        complete(&mut s, &parents[1].1);
        let claim = next(&mut s, "child");
        assert!(pop(&mut s).is_empty(), "the child runs");
        complete(&mut s, &claim);
        let claim = next(&mut s, "grandchild");
        complete(&mut s, &claim);
        // all of them have ended
        push(&mut s, "late", &after(&[&a, &b, &child]));
        next(&mut s, "late");
        let left = "SELECT (SELECT count(*) FROM strata.queue_after_a) + (SELECT count(*) FROM strata.queue_held_a)";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn parents_that_end_at_the_same_instant_let_their_child_run_once() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_instant");
        let (mut s, mut t) = (db.session(), db.session());
        for _ in 0..5 {
            let (a, b) = (push(&mut s, "a", ""), push(&mut s, "b", ""));
            push(&mut s, "child", &after(&[&a, &b]));
            let parents = pop(&mut s);
            assert_eq!(parents.len(), 2, "{parents:?}");
            exec(&mut s, "BEGIN");
            exec(&mut t, "BEGIN");
            complete(&mut s, &parents[0].1);
            complete(&mut t, &parents[1].1);
            exec(&mut s, "COMMIT");
            exec(&mut t, "COMMIT");
            let claim = next(&mut s, "child");
            complete(&mut s, &claim);
            assert!(pop(&mut t).is_empty(), "once");
        }
    }
}

#[test]
fn a_parent_that_ends_while_its_child_is_pushed_is_not_missed() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_meets");
        let (mut s, mut t) = (db.session(), db.session());
        let a = push(&mut s, "a", "");
        let claim = next(&mut s, "a");
        exec(&mut t, "BEGIN");
        push(&mut t, "child", &after(&[&a]));
        complete(&mut s, &claim);
        exec(&mut t, "COMMIT");
        let claim = next(&mut s, "child");
        complete(&mut s, &claim);
        // the other way round
        let a = push(&mut s, "a", "");
        let claim = next(&mut s, "a");
        exec(&mut s, "BEGIN");
        complete(&mut s, &claim);
        push(&mut t, "child", &after(&[&a]));
        assert!(pop(&mut t).is_empty(), "its parent has not ended yet");
        exec(&mut s, "COMMIT");
        let claim = next(&mut s, "child");
        complete(&mut s, &claim);
        // a prepared transaction tells nobody when it ends
        let a = push(&mut s, "a", "");
        let claim = next(&mut s, "a");
        exec(&mut s, "BEGIN");
        complete(&mut s, &claim);
        exec(&mut s, "PREPARE TRANSACTION 'after_meets'");
        push(&mut t, "child", &after(&[&a]));
        exec(&mut s, "COMMIT PREPARED 'after_meets'");
        let claim = next(&mut s, "child");
        complete(&mut s, &claim);
        // one that is found gone at the push, as far as this transaction is concerned
        let (a, b) = (push(&mut s, "a", ""), push(&mut s, "b", ""));
        let parents = pop(&mut s);
        exec(&mut s, "BEGIN");
        complete(&mut s, &parents[0].1);
        push(&mut s, "child", &after(&[&a, &b]));
        exec(&mut s, "SAVEPOINT x");
        complete(&mut s, &parents[1].1);
        assert_eq!(pop(&mut s).len(), 1);
        exec(&mut s, "ROLLBACK TO x; COMMIT");
        assert!(pop(&mut s).is_empty(), "the end of b was undone");
        complete(&mut s, &parents[1].1);
        next(&mut s, "child");
    }
}

#[test]
fn many_parents_may_end_while_the_push_of_their_child_is_open() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_many");
        let (mut s, mut t) = (db.session(), db.session());
        let ids = "SELECT array_agg(strata.queue_push('q', '0')) FROM generate_series(1, 100)";
        let ids = one(&mut s, ids);
        exec(&mut t, "BEGIN");
        let sql = format!("SELECT strata.queue_push('q', '\"child\"', after => '{ids}')");
        one(&mut t, &sql);
        let done =
            "SELECT count(strata.queue_complete('q', claim)) FROM strata.queue_pop('q', n => 60)";
        assert_eq!(one(&mut s, done), "60");
        exec(&mut t, "COMMIT");
        assert_eq!(one(&mut s, done), "40");
        next(&mut s, "child");
    }
}

#[test]
fn parents_that_end_in_many_sessions_at_once_let_their_children_run_once() {
    const PARENTS: usize = 8;
    const ROUNDS: usize = 15;
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_race");
        db.run("SELECT strata.alter_queue('q', keep => 'all')");
        let mut s = db.session();
        let start = std::sync::Barrier::new(PARENTS);
        let mut claims: Vec<Vec<String>> = vec![Vec::new(); PARENTS];
        let mut parents = HashMap::new();
        for round in 0..ROUNDS {
            let ids: Vec<String> = (0..PARENTS).map(|_| push(&mut s, "p", "")).collect();
            for (worker, (_, claim)) in pop(&mut s).into_iter().enumerate() {
                claims[worker].push(claim);
            }
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            // one waits for all of them, and others for some; pushed when all of them run
            for (name, some) in [
                ("all", &ids[..]),
                ("two", &ids[..2]),
                ("twice", &[ids[7], ids[3], ids[7]]),
            ] {
                let name = format!("{name}{round}");
                push(&mut s, &name, &after(some));
                parents.insert(name, some.join(","));
            }
        }
        std::thread::scope(|scope| {
            for mine in &claims {
                let (start, db) = (&start, &db);
                scope.spawn(move || {
                    let mut session = db.session();
                    for (round, claim) in mine.iter().enumerate() {
                        start.wait();
                        if round % 3 == 0 {
                            exec(&mut session, "BEGIN");
                            complete(&mut session, claim);
                            let end = if round == 3 { "ROLLBACK" } else { "COMMIT" };
                            exec(&mut session, end);
                        }
                        if round % 3 != 0 || round == 3 {
                            complete(&mut session, claim);
                        }
                    }
                });
            }
            let mut got = HashSet::new();
            wait_until("all children run", || {
                for (name, claim) in pop(&mut s) {
                    let ids = parents.get(&name).expect("a child");
                    let living = format!(
                        "SELECT count(*) FROM unnest('{{{ids}}}'::bigint[]) p, strata.queue_result('q', p) r \
                         WHERE r.state <> 'done'"
                    );
                    assert_eq!(one(&mut s, &living), "0", "{name} is given too early");
                    assert!(got.insert(name), "each once");
                    complete(&mut s, &claim);
                }
                got.len() == 3 * ROUNDS
            });
        });
        assert!(pop(&mut s).is_empty(), "each once");
        let left = "SELECT (SELECT count(*) FROM strata.queue_after_a) + (SELECT count(*) FROM strata.queue_held_a)";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn a_child_keeps_its_time_its_group_and_its_key() {
    let db = with_queue(preloaded(), "after_more");
    db.run("SELECT strata.create_queue('other')");
    let mut s = db.session();
    let a = one(&mut s, "SELECT strata.queue_push('other', '1')");
    let more = format!(
        "{}, group_key => 'g', unique_key => 'k', priority => 3, run_at => now() - interval '1 hour'",
        after(&[&a])
    );
    push(&mut s, "child", &more);
    assert_eq!(push(&mut s, "twin", ", unique_key => 'k'"), "");
    push(&mut s, "member", ", group_key => 'g'");
    let member = next(&mut s, "member");
    let claim = one(&mut s, "SELECT claim FROM strata.queue_pop('other')");
    exec(
        &mut s,
        &format!("SELECT strata.queue_complete('other', {claim})"),
    );
    assert!(pop(&mut s).is_empty(), "a member of its group runs");
    complete(&mut s, &member);
    let claim = next(&mut s, "child");
    complete(&mut s, &claim);
    assert_ne!(push(&mut s, "next", ", unique_key => 'k'"), "");
    // one whose time has not come when its parent ends waits for it
    let parent = one(&mut s, "SELECT strata.queue_push('other', '1')");
    let more = format!("{}, run_at => now() + interval '1 hour'", after(&[&parent]));
    let later = push(&mut s, "later", &more);
    exec(
        &mut s,
        "SELECT strata.queue_complete('other', claim) FROM strata.queue_pop('other')",
    );
    let state = format!(
        "SELECT state, run_at > now() + interval '50 min' FROM strata.queue_jobs WHERE id = {later}"
    );
    wait_until("it waits for its time", || {
        rows(&mut s, &state) == "scheduled|t"
    });
    let bad = "SELECT strata.queue_push('q', '1', after => '{999999}')";
    fails(&mut s, bad, "22023", &["999999"]);
    let bad = "SELECT strata.queue_push('q', '1', after => '{1, NULL}')";
    fails(&mut s, bad, "22004", &["after"]);
}

#[test]
fn a_failed_parent_fails_its_children_however_deep() {
    let db = with_queue(preloaded(), "after_failed");
    let mut s = db.session();
    let first = push(&mut s, "0", "");
    let mut parent = first.clone();
    for n in 1..=300 {
        parent = push(&mut s, &n.to_string(), &after(&[&parent]));
    }
    let claim = next(&mut s, "0");
    let fail = format!("SELECT strata.queue_fail('q', {claim}, 'broken', final => true)");
    assert_eq!(one(&mut s, &fail), "failed");
    assert!(pop(&mut s).is_empty());
    let told = format!("SELECT state, error FROM strata.queue_result('q', {parent})");
    assert_eq!(rows(&mut s, &told), "failed|parent");
    // a parent that failed before
    let late = push(&mut s, "late", &after(&[&first]));
    let told = format!("SELECT state, error FROM strata.queue_result('q', {late})");
    assert_eq!(rows(&mut s, &told), "failed|parent");
}
