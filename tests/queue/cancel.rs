//! Steering jobs by their id: cancelling, changing, counting, bringing back.

use crate::common::fails;
use crate::support::{Db, exec, one, preloaded, rows, with_queue};
use postgres::Client;
use std::sync::Barrier;

fn push(s: &mut Client, payload: &str) -> i64 {
    let id = one(s, &format!("SELECT strata.queue_push('q', '{payload}')"));
    id.parse().expect("an id")
}

fn pop(s: &mut Client) -> String {
    one(s, "SELECT claim FROM strata.queue_pop('q')")
}

fn cancel(s: &mut Client, id: i64) -> String {
    one(
        s,
        &format!("SELECT strata.queue_cancel('q', {id}, 'no need')"),
    )
}

fn result(s: &mut Client, id: i64) -> String {
    let sql = format!("SELECT state, error FROM strata.queue_result('q', {id})");
    rows(s, &sql)
}

fn complete(s: &mut Client, claim: &str) -> String {
    one(s, &format!("SELECT strata.queue_complete('q', {claim})"))
}

#[test]
fn a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked_for() {
    let db = with_queue(preloaded(), "cancels");
    let mut s = db.session();
    let waiting = push(&mut s, "1");
    assert_eq!(cancel(&mut s, waiting), "cancelled");
    assert_eq!(result(&mut s, waiting), "cancelled|no need");
    assert_eq!(cancel(&mut s, waiting), "", "it has ended");
    assert_eq!(cancel(&mut s, 4711), "", "nobody knows it");
    assert_eq!(pop(&mut s), "");
    let running = push(&mut s, "2");
    let claim = pop(&mut s);
    assert_eq!(cancel(&mut s, running), "requested");
    assert_eq!(cancel(&mut s, running), "requested", "again");
    assert_eq!(result(&mut s, running), "running|no need");
    assert_eq!(complete(&mut s, &claim), "t", "its worker completes first");
    assert_eq!(cancel(&mut s, running), "");
}

#[test]
fn a_job_whose_cancel_is_undone_is_ready_again() {
    let db = with_queue(preloaded(), "undo_cancel");
    let (mut s, mut other) = (db.session(), db.session());
    let id = push(&mut s, "1");
    exec(&mut s, "BEGIN");
    assert_eq!(cancel(&mut s, id), "cancelled");
    assert_eq!(pop(&mut other), "");
    exec(&mut s, "ROLLBACK");
    assert_ne!(pop(&mut other), "");
}

/// Of a cancel and an answer that meet, each sees what the other did, and nobody waits for ever.
#[test]
fn a_thousand_cancels_race_with_completions_and_claims() {
    const RACES: usize = 1_000;
    let db = with_queue(preloaded(), "races");
    db.run("UPDATE strata.queue SET keep = 'all'");
    let start = Barrier::new(2);
    let mut s = db.session();
    let sql =
        format!("SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, {RACES}) g");
    exec(&mut s, &sql);
    // half of them are claimed before, the other half at the same moment as they are cancelled
    let claims: Vec<String> = rows(
        &mut s,
        &format!(
            "SELECT claim FROM strata.queue_pop('q', n => {})",
            RACES / 2
        ),
    )
    .lines()
    .map(str::to_owned)
    .collect();
    let (cancels, answers) = std::thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            let mut s = db.session();
            start.wait();
            (1..=RACES as i64)
                .map(|id| cancel(&mut s, id))
                .collect::<Vec<_>>()
        });
        let worker = scope.spawn(|| {
            let mut s = db.session();
            start.wait();
            let mut answers: Vec<String> = claims.iter().map(|c| complete(&mut s, c)).collect();
            loop {
                let claim = pop(&mut s);
                if claim.is_empty() {
                    return answers;
                }
                answers.push(complete(&mut s, &claim));
            }
        });
        (
            canceller.join().expect("the canceller"),
            worker.join().expect("the worker"),
        )
    });
    assert!(
        answers.iter().all(|a| a == "t"),
        "nobody else ends a running job"
    );
    let cancelled = cancels.iter().filter(|c| *c == "cancelled").count();
    assert_eq!(answers.len() + cancelled, RACES, "one outcome each");
    let history = "SELECT state, count(*), count(DISTINCT id) FROM strata.queue_history GROUP BY 1 ORDER BY 1";
    let mut wanted = Vec::new();
    if cancelled > 0 {
        wanted.push(format!("cancelled|{cancelled}|{cancelled}"));
    }
    wanted.push(format!("done|{0}|{0}", answers.len()));
    assert_eq!(rows(&mut s, history), wanted.join("\n"));
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.queue_jobs"), "0");
}

#[test]
fn a_cancel_waits_for_the_claim_that_is_under_way() {
    let db = with_queue(preloaded(), "under_way");
    let (mut worker, mut s) = (db.session(), db.session());
    let id = push(&mut s, "1");
    exec(&mut worker, "BEGIN");
    let claim = pop(&mut worker);
    exec(&mut s, "SET lock_timeout = '50ms'");
    let sql = format!("SELECT strata.queue_cancel('q', {id})");
    fails(&mut s, &sql, "55P03", &[]);
    exec(&mut worker, "COMMIT");
    exec(&mut s, "RESET lock_timeout");
    assert_eq!(cancel(&mut s, id), "requested");
    assert_eq!(complete(&mut worker, &claim), "t");
}

fn jobs(db: &Db<'_>, s: &mut Client) {
    db.run(
        "SELECT strata.queue_push('q', '1'), strata.queue_push('q', '2', priority => 5),
                strata.queue_push('q', '3', run_at => now() + INTERVAL '1 day', kind => 'k')",
    );
    exec(s, "SELECT FROM strata.queue_pop('q')");
}

#[test]
fn living_jobs_are_counted_and_shown() {
    let db = with_queue(preloaded(), "shown");
    let mut s = db.session();
    jobs(&db, &mut s);
    for (state, wanted) in [
        ("ready", "1"),
        ("running", "1"),
        ("scheduled", "1"),
        ("held", "0"),
    ] {
        let sql = format!("SELECT strata.queue_length('q', '{state}')");
        assert_eq!(one(&mut s, &sql), wanted, "{state}");
    }
    fails(
        &mut s,
        "SELECT strata.queue_length('q', 'odd')",
        "22023",
        &["odd"],
    );
    let all = "SELECT id, queue, state, kind, priority, payload, attempt, run_at > now(), lease_until > now() \
               FROM strata.queue_jobs ORDER BY id";
    assert_eq!(
        rows(&mut s, all),
        "1|q|running||0|1|1||t\n2|q|ready||5|2|0||\n3|q|scheduled|k|0|3|0|t|"
    );
    db.run("CREATE ROLE jobs_reader LOGIN");
    let mut reader = db.session_as("jobs_reader");
    assert_eq!(
        rows(&mut reader, all),
        "",
        "whoever has no right sees nothing"
    );
    fails(
        &mut reader,
        "SELECT strata.queue_length('q')",
        "42501",
        &["q"],
    );
    fails(
        &mut reader,
        "SELECT strata.queue_cancel('q', 1)",
        "42501",
        &["q"],
    );
    fails(
        &mut reader,
        "SELECT * FROM strata.queue_result('q', 1)",
        "42501",
        &["q"],
    );
    db.run("SELECT strata.queue_grant('q', 'jobs_reader', 'read')");
    assert_eq!(rows(&mut reader, all).lines().count(), 3);
    fails(
        &mut reader,
        "SELECT strata.queue_purge('q')",
        "42501",
        &["q"],
    );
}

#[test]
fn purge_cancels_all_that_waits() {
    let db = with_queue(preloaded(), "purges");
    let mut s = db.session();
    jobs(&db, &mut s);
    assert_eq!(one(&mut s, "SELECT strata.queue_purge('q')"), "2");
    let states = "SELECT string_agg(id || state, ' ' ORDER BY id) FROM strata.queue_history";
    assert_eq!(one(&mut s, states), "2cancelled 3cancelled");
    assert_eq!(
        rows(&mut s, "SELECT id, state FROM strata.queue_jobs"),
        "1|running"
    );
}

#[test]
fn a_waiting_job_is_changed_and_a_running_one_is_not() {
    let db = with_queue(preloaded(), "changes");
    let mut s = db.session();
    let ids: Vec<i64> = (1..=4).map(|n| push(&mut s, &n.to_string())).collect();
    let change = |s: &mut Client, id: i64, what: &str| {
        one(s, &format!("SELECT strata.queue_change('q', {id}, {what})"))
    };
    assert_eq!(change(&mut s, ids[0], "payload => '\"new\"'"), "t");
    assert_eq!(change(&mut s, ids[2], "priority => -5"), "t");
    assert_eq!(
        change(&mut s, ids[1], "run_at => now() + INTERVAL '1 day'"),
        "t"
    );
    assert_eq!(change(&mut s, 4711, "priority => 1"), "f");
    let id = ids[2];
    fails(
        &mut s,
        &format!("SELECT strata.queue_change('q', {id}, priority => 51)"),
        "22023",
        &["51"],
    );
    let order = "SELECT string_agg(id || ':' || payload, ' ') FROM strata.queue_pop('q', n => 10)";
    assert_eq!(one(&mut s, order), "3:3 1:\"new\" 4:4");
    assert_eq!(change(&mut s, ids[0], "payload => '1'"), "f", "it runs");
    // found by their ids where they lie now
    assert_eq!(result(&mut s, ids[1]), "scheduled|");
    assert_eq!(result(&mut s, ids[2]), "running|");
    assert_eq!(
        change(
            &mut s,
            ids[1],
            "run_at => now(), payload => '22', priority => 1"
        ),
        "t"
    );
    assert_eq!(result(&mut s, ids[1]), "ready|");
    let got = "SELECT id, payload, priority FROM strata.queue_pop('q')";
    assert_eq!(rows(&mut s, got), "2|22|1");
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM strata.queue_moved_a"),
        "2"
    );
    assert_eq!(cancel(&mut s, ids[1]), "requested");
}

#[test]
fn a_change_while_others_search_does_not_hide_the_job() {
    let db = with_queue(preloaded(), "hidden");
    let (mut s, mut other) = (db.session(), db.session());
    let id = push(&mut s, "1");
    let later = push(&mut s, "2");
    exec(&mut s, "BEGIN");
    let sql = format!("SELECT strata.queue_change('q', {id}, payload => '3')");
    assert_eq!(one(&mut s, &sql), "t");
    let got = "SELECT id FROM strata.queue_pop('q', n => 5)";
    assert_eq!(rows(&mut other, got), later.to_string());
    exec(&mut s, "COMMIT");
    assert_eq!(rows(&mut other, got), id.to_string());
}

#[test]
fn a_cancelled_job_is_brought_back_with_its_id() {
    let db = with_queue(preloaded(), "back");
    let mut s = db.session();
    let retry = |s: &mut Client, id: i64| one(s, &format!("SELECT strata.queue_retry('q', {id})"));
    for maintained in [false, true] {
        let id = push(&mut s, r#"{"a": 1}"#);
        assert_eq!(retry(&mut s, id), "f", "it lives");
        assert_eq!(cancel(&mut s, id), "cancelled");
        if maintained {
            exec(&mut s, "CALL strata.queue_maintain()");
        }
        assert_eq!(retry(&mut s, id), "t");
        assert_eq!(retry(&mut s, id), "f", "it lives again");
        assert_eq!(
            one(&mut s, "SELECT count(*) FROM strata.queue_history"),
            "0"
        );
        let sql = "SELECT id, payload, attempt, claim FROM strata.queue_pop('q')";
        let got = rows(&mut s, sql);
        let (job, claim) = got.rsplit_once('|').expect("a job");
        assert_eq!(job, format!(r#"{id}|{{"a": 1}}|1"#));
        assert_eq!(result(&mut s, id), "running|no need");
        assert_eq!(complete(&mut s, claim), "t");
        assert_eq!(retry(&mut s, id), "f", "done jobs are not kept here");
        assert_eq!(
            one(&mut s, "SELECT count(*) FROM strata.queue_moved_a"),
            "0"
        );
    }
}
