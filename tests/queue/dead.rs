//! Jobs that fail for good: their errors, their copies, and how they come back.

use crate::common::wait_until;
use crate::support::{exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;

fn pop(s: &mut Client) -> String {
    one(s, "SELECT claim FROM strata.queue_pop('q', worker => 'w1')")
}

/// Pops job 1 and fails it, until `queue_fail` says that it has failed for good.
fn fail_for_good(s: &mut Client) -> usize {
    for attempt in 1.. {
        let mut claim = String::new();
        wait_until("the job comes back", || {
            claim = pop(s);
            if claim.is_empty() {
                exec(s, "CALL strata.queue_maintain()");
            }
            !claim.is_empty()
        });
        let sql =
            format!("SELECT strata.queue_fail('q', {claim}, 'error {attempt}', retry_in => '0')");
        match one(s, &sql).as_str() {
            "failed" => return attempt,
            other => assert_eq!(other, "scheduled"),
        }
    }
    unreachable!("attempts end")
}

#[test]
fn a_job_that_fails_for_good_is_in_the_history_with_its_errors_and_in_the_dead_letter_queue() {
    for (server, name) in [(preloaded(), "dead"), (plain(), "dead")] {
        let db = with_queue(server, name);
        let mut s = db.session();
        exec(
            &mut s,
            "SELECT strata.create_queue('letters', max_ready => 1);
             SELECT strata.queue_push('letters', '0');
             SELECT strata.alter_queue('q', dead_letter => 'letters', max_attempts => 3);
             SELECT strata.queue_push('q', '{\"a\": 1}', kind => 'k', priority => 7)",
        );
        assert_eq!(fail_for_good(&mut s), 3);
        let history = "SELECT state, attempts, kind, worker, \
            (SELECT string_agg((e ->> 'attempt') || ':' || (e ->> 'error'), ' ' ORDER BY n) \
             FROM jsonb_array_elements(errors) WITH ORDINALITY x (e, n)) FROM strata.queue_history";
        let wanted = "failed|3|k|w1|1:error 1 2:error 2 3:error 3";
        assert_eq!(rows(&mut s, history), wanted);
        let result = "SELECT state, error, attempt FROM strata.queue_result('q', 2)";
        assert_eq!(rows(&mut s, result), "failed|error 3|3");
        // a full queue takes it all the same
        let letter = "SELECT payload -> 'payload', payload #>> '{origin,queue}', payload #>> '{origin,id}', \
            payload #>> '{origin,attempts}', jsonb_array_length(payload #> '{origin,errors}'), kind, priority \
            FROM strata.queue_jobs WHERE queue = 'letters' AND priority = 7";
        assert_eq!(rows(&mut s, letter), r#"{"a": 1}|q|2|3|3|k|7"#);
        // and it comes back, with its id and its errors
        assert_eq!(one(&mut s, "SELECT strata.queue_retry('q', 2)"), "t");
        assert_eq!(rows(&mut s, history), "");
        let again = "SELECT id, attempt, payload, claim FROM strata.queue_pop('q')";
        let again = rows(&mut s, again);
        let (job, claim) = again.rsplit_once('|').expect("a job");
        assert_eq!(job, r#"2|1|{"a": 1}"#);
        assert_eq!(rows(&mut s, result), "running|error 3|1");
        assert_eq!(
            one(
                &mut s,
                &format!("SELECT strata.queue_complete('q', {claim})")
            ),
            "t"
        );
        assert_eq!(rows(&mut s, result), "", "done jobs are not kept here");
    }
}

#[test]
fn a_missing_dead_letter_queue_refuses_no_job() {
    let db = with_queue(preloaded(), "no_letters");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.create_queue('letters');
         SELECT strata.alter_queue('q', dead_letter => 'letters', max_attempts => 1);
         SELECT strata.drop_queue('letters', force => true);
         SELECT strata.queue_push('q', '1')",
    );
    db.run("UPDATE strata.queue SET dead_letter = 'letters' WHERE name = 'q'");
    let mut s = db.session();
    assert_eq!(fail_for_good(&mut s), 1);
    assert_eq!(
        rows(&mut s, "SELECT id, state FROM strata.queue_history"),
        "1|failed"
    );
}

#[test]
fn a_running_job_whose_cancel_was_asked_for_ends_cancelled_when_it_is_not_completed() {
    let db = with_queue(preloaded(), "asked");
    let mut s = db.session();
    for (n, answer) in ["queue_fail", "queue_release"].into_iter().enumerate() {
        let id = n + 1;
        exec(&mut s, "SELECT strata.queue_push('q', '1')");
        let claim = pop(&mut s);
        assert_eq!(
            one(&mut s, &format!("SELECT strata.queue_extend('q', {claim})")),
            "held"
        );
        let cancel = format!("SELECT strata.queue_cancel('q', {id}, 'no need')");
        assert_eq!(one(&mut s, &cancel), "requested");
        assert_eq!(
            one(&mut s, &format!("SELECT strata.queue_extend('q', {claim})")),
            "cancelled"
        );
        exec(&mut s, &format!("SELECT strata.{answer}('q', {claim})"));
        let state = format!("SELECT state FROM strata.queue_result('q', {id})");
        assert_eq!(one(&mut s, &state), "cancelled", "{answer}");
        assert_eq!(
            one(&mut s, &format!("SELECT strata.queue_extend('q', {claim})")),
            "lost"
        );
    }
    let reasons = "SELECT string_agg(e ->> 'cancelled', ' ') FROM strata.queue_history, jsonb_array_elements(errors) e";
    assert_eq!(one(&mut s, reasons), "no need no need");
}
