//! Jobs that come back, and what they keep: their key, their place in their group.

use crate::common::wait_until;
use crate::support::{exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;

fn push(session: &mut Client, payload: &str, more: &str) -> String {
    one(
        session,
        &format!("SELECT strata.queue_push('q', '{payload}'{more})"),
    )
}

/// Payloads and claims that a pop gives.
fn pop(session: &mut Client) -> Vec<(String, String)> {
    let sql = "SELECT payload, claim FROM strata.queue_pop('q', n => 10)";
    rows(session, sql)
        .lines()
        .map(|line| line.split_once('|').expect("two columns"))
        .map(|(payload, claim)| (payload.to_owned(), claim.to_owned()))
        .collect()
}

/// Pops exactly this job, as soon as it is ready.
#[track_caller]
fn next(session: &mut Client, wanted: &str) -> String {
    let mut got = Vec::new();
    wait_until(wanted, || {
        got = pop(session);
        !got.is_empty()
    });
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!(got[0].0, wanted);
    got.remove(0).1
}

#[track_caller]
fn fail(session: &mut Client, claim: &str, more: &str, wanted: &str) {
    let sql = format!("SELECT strata.queue_fail('q', {claim}, 'broken'{more})");
    assert_eq!(one(session, &sql), wanted);
}

fn complete(session: &mut Client, claim: &str) {
    let sql = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(session, &sql), "t");
}

fn at_once(session: &mut Client, id: &str) {
    let sql = format!("SELECT strata.queue_change('q', {id}, run_at => now())");
    assert_eq!(one(session, &sql), "t");
}

#[test]
fn a_retry_whose_key_was_taken_meanwhile_runs_without_it() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "retries_key");
        let mut s = db.session();
        let start = ", unique_key => 'k', unique_until => 'start'";
        let ways = [
            "SELECT strata.queue_fail('q', CLAIM, 'broken', retry_in => '0 s')",
            "SELECT strata.queue_fail('q', CLAIM, 'broken', retry_in => '1 ms')",
            "SELECT strata.queue_release('q', CLAIM)",
            "SELECT strata.queue_requeue_in_progress('q')",
        ];
        for way in ways {
            let first = push(&mut s, "1", start);
            let claim = next(&mut s, "1");
            // nobody has taken it: it is the first one's again while that waits
            let later = format!("SELECT strata.queue_fail('q', {claim}, 'x', retry_in => '1 h')");
            one(&mut s, &later);
            assert_eq!(push(&mut s, "2", start), "", "{way}");
            at_once(&mut s, &first);
            let claim = next(&mut s, "1");
            let second = push(&mut s, "2", ", unique_key => 'k'");
            assert_ne!(second, "", "free since its start");
            one(&mut s, &way.replace("CLAIM", &claim));
            exec(&mut s, "CALL strata.queue_maintain()");
            let mut got = Vec::new();
            wait_until("both run", || {
                got.extend(pop(&mut s));
                got.len() >= 2
            });
            got.sort();
            assert_eq!((got[0].0.as_str(), got[1].0.as_str()), ("1", "2"), "{way}");
            assert_eq!(push(&mut s, "3", start), "", "the second one has the key");
            complete(&mut s, &got[0].1);
            assert_eq!(push(&mut s, "3", start), "", "and keeps it");
            complete(&mut s, &got[1].1);
            let third = push(&mut s, "3", start);
            assert_ne!(third, "", "free");
            let claim = next(&mut s, "3");
            complete(&mut s, &claim);
        }
        let left = "SELECT (SELECT count(*) FROM strata.queue_key_a) + (SELECT count(*) FROM strata.queue_moved_a)";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn a_group_stays_in_order_through_retries_and_waits_for_them() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "retries_order");
        db.run("SELECT strata.alter_queue('q', max_attempts => 100)");
        let mut s = db.session();
        let first = push(&mut s, "1", ", group_key => 'a'");
        let second = push(&mut s, "2", ", group_key => 'a'");
        push(&mut s, "3", ", group_key => 'a'");
        let claim = next(&mut s, "1");
        fail(&mut s, &claim, ", retry_in => '0 s'", "scheduled");
        let claim = next(&mut s, "1");
        one(&mut s, "SELECT strata.queue_requeue_in_progress('q')");
        assert_eq!(
            one(
                &mut s,
                &format!("SELECT strata.queue_complete('q', {claim})")
            ),
            "f"
        );
        let claim = next(&mut s, "1");
        one(
            &mut s,
            &format!("SELECT strata.queue_release('q', {claim})"),
        );
        let claim = next(&mut s, "1");
        fail(&mut s, &claim, ", retry_in => '1 h'", "scheduled");
        // others go on meanwhile, this one does not
        exec(&mut s, "CALL strata.queue_maintain()");
        assert!(pop(&mut s).is_empty(), "the head waits for its retry");
        push(&mut s, "10", ", group_key => 'b'");
        push(&mut s, "11", ", group_key => 'b'");
        let other = next(&mut s, "10");
        complete(&mut s, &other);
        let other = next(&mut s, "11");
        assert!(pop(&mut s).is_empty());
        at_once(&mut s, &first);
        let claim = next(&mut s, "1");
        fail(&mut s, &claim, ", final => true", "failed");
        // the next one, through a wait that it asked for itself
        let claim = next(&mut s, "2");
        let sql = format!("SELECT strata.queue_release('q', {claim}, '1 h')");
        assert_eq!(one(&mut s, &sql), "t");
        exec(&mut s, "CALL strata.queue_maintain()");
        assert!(pop(&mut s).is_empty(), "the second one waits");
        at_once(&mut s, &second);
        let claim = next(&mut s, "2");
        complete(&mut s, &claim);
        let claim = next(&mut s, "3");
        complete(&mut s, &claim);
        complete(&mut s, &other);
        let left = "SELECT (SELECT count(*) FROM strata.queue_ticket_a) + (SELECT count(*) FROM strata.queue_held_a)";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn a_failed_member_stops_its_group_only_until_it_is_tried_again() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "retries_hold");
        db.run("SELECT strata.alter_queue('q', group_on_fail => 'hold')");
        let mut s = db.session();
        for more in [", final => true", ""] {
            let attempts = ", max_attempts => 1, group_key => 'a'";
            let first = push(&mut s, "1", attempts);
            push(&mut s, "2", attempts);
            let claim = next(&mut s, "1");
            fail(&mut s, &claim, more, "failed");
            push(&mut s, "3", ", group_key => 'a'");
            push(&mut s, "10", ", group_key => 'b'");
            push(&mut s, "11", ", group_key => 'b'");
            let claim = next(&mut s, "10");
            complete(&mut s, &claim);
            let claim = next(&mut s, "11");
            complete(&mut s, &claim);
            exec(&mut s, "CALL strata.queue_maintain()");
            assert!(pop(&mut s).is_empty(), "the group is stopped");
            let retry = format!("SELECT strata.queue_retry('q', {first})");
            assert_eq!(one(&mut s, &retry), "t");
            let claim = next(&mut s, "1");
            assert!(pop(&mut s).is_empty(), "it runs before the others");
            complete(&mut s, &claim);
            for payload in ["2", "3"] {
                let claim = next(&mut s, payload);
                complete(&mut s, &claim);
            }
        }
        let left = "SELECT (SELECT count(*) FROM strata.queue_ticket_a) + (SELECT count(*) FROM strata.queue_held_a)";
        assert_eq!(one(&mut s, left), "0", "nothing is left of them");
    }
}

#[test]
fn a_job_that_waits_for_its_time_is_replaced_and_keeps_its_id() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "retries_replace");
        let mut s = db.session();
        let key = ", unique_key => 'k'";
        let id = push(
            &mut s,
            "1",
            &format!("{key}, run_at => '2100-01-01 00:00Z'"),
        );
        let replace = format!("{key}, on_duplicate => 'replace'");
        let payload = format!("{key}, on_duplicate => 'replace_payload'");
        assert_eq!(push(&mut s, "2", &format!("{payload}, priority => -7")), id);
        let job =
            "SELECT id, state, payload, priority, run_at AT TIME ZONE 'UTC' FROM strata.queue_jobs";
        assert_eq!(
            rows(&mut s, job),
            format!("{id}|scheduled|2|0|2100-01-01 00:00:00")
        );
        let later = format!("{replace}, run_at => '2200-01-01 00:00Z', priority => 3");
        assert_eq!(push(&mut s, "3", &later), id);
        assert_eq!(
            rows(&mut s, job),
            format!("{id}|scheduled|3|3|2200-01-01 00:00:00")
        );
        exec(&mut s, "BEGIN");
        assert_eq!(push(&mut s, "4", &replace), id);
        exec(&mut s, "ROLLBACK");
        assert_eq!(
            rows(&mut s, job),
            format!("{id}|scheduled|3|3|2200-01-01 00:00:00")
        );
        assert_eq!(push(&mut s, "5", &replace), id);
        assert_eq!(push(&mut s, "6", key), "", "it has its key");
        let claim = next(&mut s, "5");
        assert!(pop(&mut s).is_empty(), "once");
        // between two attempts
        fail(&mut s, &claim, ", retry_in => '1 h'", "scheduled");
        assert_eq!(push(&mut s, "7", &replace), id);
        let claim = next(&mut s, "7");
        let told = format!("SELECT state, attempt FROM strata.queue_result('q', {id})");
        assert_eq!(
            rows(&mut s, &told),
            "running|1",
            "a new job under the old id"
        );
        complete(&mut s, &claim);
        assert_ne!(push(&mut s, "8", key), "");
    }
}

#[test]
fn keys_whose_time_has_passed_are_deleted_when_nobody_pushes_them_again() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "retries_tidy");
        let (mut s, mut t) = (db.session(), db.session());
        exec(
            &mut s,
            "SELECT strata.queue_push('q', '1', 'k' || g, unique_for => '1 h') FROM generate_series(1, 9000) g",
        );
        exec(
            &mut s,
            "SELECT strata.queue_push('q', '2', 'living', unique_for => '1 h', priority => 50)",
        );
        let done =
            "SELECT count(strata.queue_complete('q', claim)) FROM strata.queue_pop('q', n => 9000)";
        assert_eq!(one(&mut s, done), "9000");
        // the time of all of them but one passes, and somebody has one of them at the moment
        exec(
            &mut s,
            "UPDATE strata.queue_key_a SET free_at = now() - interval '1 s' WHERE key <> 'k17'",
        );
        exec(
            &mut t,
            "BEGIN; SELECT FROM strata.queue_key_a WHERE key = 'k23' FOR UPDATE",
        );
        exec(&mut s, "SET lock_timeout = '5s'");
        let keys = "SELECT string_agg(key, ' ' ORDER BY key) FROM (SELECT key FROM strata.queue_key_a \
                    UNION ALL SELECT key FROM strata.queue_key_b LIMIT 10) k";
        wait_until("they are deleted", || {
            exec(&mut s, "CALL strata.queue_maintain()");
            one(&mut s, keys) == "k17 k23 living"
        });
        exec(&mut t, "COMMIT");
        wait_until("that one, too", || {
            exec(&mut s, "CALL strata.queue_maintain()");
            one(&mut s, keys) == "k17 living"
        });
        assert_eq!(push(&mut s, "1", ", unique_key => 'k17'"), "");
        assert_eq!(push(&mut s, "1", ", unique_key => 'living'"), "");
        assert_ne!(push(&mut s, "1", ", unique_key => 'k1'"), "");
    }
}
