//! What jobs come to when calls meet that are about the same job, and what arguments at the edge do.

use crate::common::{fails, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;

fn id(session: &mut Client, sql: &str) -> i64 {
    one(session, sql).parse().expect("a number")
}

/// Id and claim of the next job of a queue, as soon as there is one.
fn pop_soon(session: &mut Client, queue: &str, how: &str) -> (i64, i64) {
    let sql = format!("SELECT id, claim FROM strata.queue_pop('{queue}'{how})");
    let mut got = String::new();
    wait_until("a job is ready", || {
        got = rows(session, &sql);
        !got.is_empty()
    });
    let (id, claim) = got.split_once('|').expect("two columns");
    (id.parse().expect("an id"), claim.parse().expect("a claim"))
}

fn states(session: &mut Client, queue: &str) -> String {
    let sql =
        format!("SELECT id, state FROM strata.queue_jobs WHERE queue = '{queue}' ORDER BY id");
    rows(session, &sql)
}

#[test]
fn a_change_that_says_nothing_changes_nothing() {
    let db = with_queue(preloaded(), "states_nothing");
    let mut s = db.session();
    let ready = id(&mut s, r#"SELECT strata.queue_push('q', '{"a": 1}')"#);
    let sql = "SELECT strata.queue_push('q', '2', run_at => now() + interval '1 hour')";
    let later = id(&mut s, sql);
    let before = "SELECT payload, run_at IS NULL FROM strata.queue_jobs ORDER BY id";
    let before = rows(&mut s, before);
    for job in [ready, later] {
        let sql = format!("SELECT strata.queue_change('q', {job})");
        assert_eq!(one(&mut s, &sql), "t", "it waits");
    }
    let after = "SELECT payload, run_at IS NULL FROM strata.queue_jobs ORDER BY id";
    assert_eq!(rows(&mut s, after), before);
    let payload = one(&mut s, "SELECT payload FROM strata.queue_pop('q')");
    assert_eq!(payload, r#"{"a": 1}"#);
    let sql = format!("SELECT strata.queue_change('q', {ready})");
    assert_eq!(one(&mut s, &sql), "f", "it runs");
}

#[test]
fn who_changes_a_job_and_goes_on_with_it_in_the_same_transaction_is_in_nobodys_way() {
    let db = with_queue(preloaded(), "states_again");
    let mut s = db.session();
    for mode in ["replace", "replace_payload"] {
        let push = "SELECT strata.queue_push('q', '1', unique_key => 'k')";
        let job = id(&mut s, push);
        exec(&mut s, "BEGIN");
        let change = format!("SELECT strata.queue_change('q', {job}, payload => '2')");
        assert_eq!(one(&mut s, &change), "t");
        let push = format!(
            "SELECT strata.queue_push('q', '3', unique_key => 'k', on_duplicate => '{mode}')"
        );
        one(&mut s, &push);
        exec(&mut s, "COMMIT");
        let all = "SELECT payload FROM strata.queue_jobs";
        assert_eq!(rows(&mut s, all), "3", "{mode}");
        // a pop gets what this transaction has changed
        let job = one(&mut s, "SELECT id FROM strata.queue_jobs");
        exec(&mut s, "BEGIN");
        let change = format!("SELECT strata.queue_change('q', {job}, payload => '4')");
        assert_eq!(one(&mut s, &change), "t");
        let (got, claim) = pop_soon(&mut s, "q", "");
        assert_eq!(got.to_string(), job);
        // and what it has of its own is given back
        let extend = format!("SELECT strata.queue_extend('q', {claim})");
        assert_eq!(one(&mut s, &extend), "held");
        let back = "SELECT strata.queue_requeue_in_progress('q')";
        assert_eq!(one(&mut s, back), "1");
        exec(&mut s, "COMMIT");
        assert_eq!(one(&mut s, "SELECT strata.queue_purge('q')"), "1");
    }
}

/// A member that has come back and then gets another time gives its place to the next one, and waits for a place
/// when its time has come.
#[test]
fn a_member_that_was_put_off_runs_beside_nobody() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "states_put_off");
        let mut s = db.session();
        let push = "SELECT strata.queue_push('q', '1', group_key => 'x')";
        let (first, second) = (id(&mut s, push), id(&mut s, push));
        let (_, claim) = pop_soon(&mut s, "q", "");
        let release = format!("SELECT strata.queue_release('q', {claim})");
        assert_eq!(one(&mut s, &release), "t");
        let change = format!(
            "SELECT strata.queue_change('q', {first}, run_at => clock_timestamp() + interval '0.5 s')"
        );
        assert_eq!(one(&mut s, &change), "t");
        let (got, claim) = pop_soon(&mut s, "q", "");
        assert_eq!(got, second, "the place of the first one was free");
        let expected = format!("{first}|held\n{second}|running");
        wait_until("its time has come", || {
            let now = states(&mut s, "q");
            assert!(!now.contains("ready"), "the group has one place: {now}");
            now == expected
        });
        assert_eq!(rows(&mut s, "SELECT id FROM strata.queue_pop('q')"), "");
        let done = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(&mut s, &done), "t");
        assert_eq!(pop_soon(&mut s, "q", "").0, first);
    }
}

#[test]
fn a_drop_at_an_old_snapshot_leaves_no_job_behind() {
    let db = with_queue(preloaded(), "states_old");
    // keeps the ring, and the segment with what would be left in it
    db.run("SELECT strata.create_queue('other')");
    let (mut old, mut s) = (db.session(), db.session());
    exec(
        &mut old,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM strata.queue",
    );
    for how in ["", ", 'k'", ", group_key => 'x'", ", run_at => 'infinity'"] {
        exec(&mut s, &format!("SELECT strata.queue_push('q', '1'{how})"));
    }
    exec(
        &mut old,
        "SELECT strata.drop_queue('q', force => true); COMMIT",
    );
    let tables = rows(
        &mut s,
        "SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'qid' \
         WHERE c.relnamespace = 'strata'::regnamespace AND c.relkind = 'r' AND c.relname <> 'queue'",
    );
    assert!(tables.contains("queue_seg_1_0"), "{tables}");
    for table in tables.lines() {
        let left =
            format!("SELECT count(*) FROM {table} WHERE qid NOT IN (SELECT qid FROM strata.queue)");
        assert_eq!(one(&mut s, &left), "0", "in {table}");
    }
}

/// Locks that the background worker waits for, as `pg_locks` shows them.
fn worker_waits(session: &mut Client) -> String {
    rows(
        session,
        "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database() \
         AND backend_type = 'pg_strata worker' AND wait_event_type = 'Lock'",
    )
}

#[test]
fn a_queue_that_is_about_to_be_dropped_keeps_no_other_one_waiting() {
    let db = Db::new(preloaded(), "states_drop");
    db.run("SELECT strata.create_queue('going'), strata.create_queue('q', lease => '1 s')");
    let (mut open, mut s) = (db.session(), db.session());
    let soon = "clock_timestamp() + interval '0.5 s'";
    let push = |queue: &str, how: &str| {
        format!("SELECT strata.queue_push('{queue}', '1', run_at => {soon}{how})")
    };
    exec(&mut s, &push("going", ""));
    exec(&mut s, &push("going", ", group_key => 'x'"));
    exec(
        &mut open,
        "BEGIN; SELECT strata.queue_push('going', '1', group_key => 'y')",
    );
    std::thread::scope(|scope| {
        let dropper = scope.spawn(|| {
            let mut s = db.session();
            exec(&mut s, "SELECT strata.drop_queue('going', force => true)");
        });
        wait_until("the drop waits", || {
            let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'object' \
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            one(&mut s, waits) == "1"
        });
        exec(&mut s, &push("q", ""));
        let (job, _) = pop_soon(&mut s, "q", "");
        assert_eq!(
            pop_soon(&mut s, "q", "").0,
            job,
            "its lease is over, and it is taken back"
        );
        assert_eq!(worker_waits(&mut s), "");
        exec(&mut open, "COMMIT");
        dropper.join().expect("the queue is dropped");
    });
    let left = "SELECT count(*) FROM (TABLE strata.queue_scheduled_a UNION ALL TABLE strata.queue_scheduled_b) s \
                WHERE qid NOT IN (SELECT qid FROM strata.queue)";
    wait_until("nothing is left of it", || one(&mut s, left) == "0");
}

/// A push that has just taken the key of a running job over keeps the end of that job waiting, and no other job.
#[test]
fn an_open_push_of_a_key_keeps_the_background_worker_from_nothing() {
    let db = Db::new(preloaded(), "states_key");
    db.run(
        "SELECT strata.create_queue('last', max_attempts => 1, lease => '0.5 s'), \
         strata.create_queue('q', lease => '0.5 s')",
    );
    let (mut open, mut s) = (db.session(), db.session());
    let first = id(&mut s, "SELECT strata.queue_push('last', '1', 'k')");
    assert_eq!(pop_soon(&mut s, "last", "").0, first);
    exec(
        &mut open,
        "BEGIN; SELECT strata.queue_push('last', '2', 'k', on_duplicate => 'replace')",
    );
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    let (job, _) = pop_soon(&mut s, "q", "");
    for _ in 0..2 {
        assert_eq!(pop_soon(&mut s, "q", "").0, job, "taken back");
    }
    assert_eq!(worker_waits(&mut s), "");
    let result = format!("SELECT state FROM strata.queue_result('last', {first})");
    assert_eq!(one(&mut s, &result), "running");
    exec(&mut open, "COMMIT");
    wait_until("the first one has failed", || {
        one(&mut s, &result) == "failed"
    });
    let key = "SELECT state FROM strata.queue_jobs WHERE unique_key = 'k'";
    assert_eq!(rows(&mut s, key), "ready", "the second one has the key");
}

/// The order stays while somebody holds the next member, and the worker does not look again and again.
#[test]
fn a_member_that_is_being_cancelled_is_waited_for() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "states_cancelled");
        let (mut open, mut s) = (db.session(), db.session());
        let push = "SELECT strata.queue_push('q', '1', group_key => 'x')";
        let ids: Vec<i64> = (0..3).map(|_| id(&mut s, push)).collect();
        let (_, claim) = pop_soon(&mut s, "q", "");
        let cancel = format!("BEGIN; SELECT strata.queue_cancel('q', {})", ids[1]);
        exec(&mut open, &cancel);
        let done = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(&mut s, &done), "t");
        let expected = format!("{}|held\n{}|held", ids[1], ids[2]);
        assert_eq!(states(&mut s, "q"), expected);
        exec(&mut open, "ROLLBACK");
        let (got, claim) = pop_soon(&mut s, "q", "");
        assert_eq!(got, ids[1], "in order, as nobody has cancelled it");
        let change = format!(
            "BEGIN; SELECT strata.queue_change('q', {}, payload => '7')",
            ids[2]
        );
        exec(&mut open, &change);
        let done = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(&mut s, &done), "t");
        assert_eq!(rows(&mut s, "SELECT id FROM strata.queue_pop('q')"), "");
        exec(&mut open, "COMMIT");
        assert_eq!(pop_soon(&mut s, "q", "").0, ids[2]);
    }
}

/// A session that had jobs before prepares a transaction with another one and goes: its number is forgotten before
/// the job shows.
#[test]
fn a_lease_by_session_of_a_prepared_transaction_is_not_kept_for_ever() {
    let db = with_queue(preloaded(), "states_prepared");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 2) g",
    );
    let mut gone = db.session();
    let (_, claim) = pop_soon(&mut gone, "q", ", session => true");
    let done = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut gone, &done), "t");
    exec(
        &mut gone,
        "BEGIN; SELECT strata.queue_pop('q', session => true); PREPARE TRANSACTION 'states'",
    );
    drop(gone);
    wait_until("its number is forgotten", || {
        one(&mut s, "SELECT count(*) FROM strata.queue_worker") == "0"
    });
    exec(&mut s, "COMMIT PREPARED 'states'");
    let claimed = "SELECT count(*) FROM strata.queue_jobs WHERE state = 'running'";
    wait_until("the job is taken back", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, claimed) == "0"
    });
    pop_soon(&mut s, "q", "");
}

#[test]
fn lengths_of_time_that_no_job_can_wait_are_refused() {
    let db = with_queue(preloaded(), "states_lengths");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    let (_, claim) = pop_soon(&mut s, "q", "");
    let refused = |s: &mut Client, call: &str, words: &str| {
        fails(s, &format!("SELECT strata.{call}"), "22023", &[words]);
    };
    for (length, words) in [
        // of twelve months of thirty days
        ("102 years", "at most 100 years"),
        ("170000000 years", "at most 100 years"),
        ("-170000000 years", "or longer"),
        ("-1 us", "or longer"),
    ] {
        let call = format!("queue_fail('q', {claim}, retry_in => '{length}')");
        refused(&mut s, &call, words);
        let call = format!("queue_release('q', {claim}, '{length}')");
        refused(&mut s, &call, words);
    }
    for (length, words) in [
        ("102 years", "at most 100 years"),
        ("-170000000 years", "longer than 0"),
        ("0", "longer than 0"),
    ] {
        let call = format!("queue_extend('q', {claim}, '{length}')");
        refused(&mut s, &call, words);
        let call = format!("queue_pop('q', lease => '{length}')");
        refused(&mut s, &call, words);
        let call = format!("queue_push('q', '1', 'k', unique_for => '{length}')");
        refused(&mut s, &call, words);
    }
    let extend = format!("SELECT strata.queue_extend('q', {claim}, '100 years')");
    assert_eq!(one(&mut s, &extend), "held");
    let long = "x".repeat(1_001);
    refused(&mut s, &format!("queue_pop('q', '{long}')"), "1001 bytes");
    refused(&mut s, &format!("queue_heartbeat('{long}')"), "1001 bytes");
}

#[test]
fn a_read_only_transaction_does_nothing_to_jobs() {
    let db = with_queue(preloaded(), "states_read_only");
    let mut s = db.session();
    let running = id(&mut s, "SELECT strata.queue_push('q', '1')");
    let (_, claim) = pop_soon(&mut s, "q", "");
    let waiting = id(&mut s, "SELECT strata.queue_push('q', '2')");
    for call in [
        "queue_push('q', '1')".to_owned(),
        "queue_push_many('q', '{1,2}')".to_owned(),
        "queue_pop('q')".to_owned(),
        format!("queue_next('q', done => '{{{claim}}}')"),
        format!("queue_complete('q', {claim})"),
        format!("queue_complete_many('q', '{{{claim}}}')"),
        format!("queue_fail('q', {claim})"),
        format!("queue_release('q', {claim})"),
        format!("queue_extend('q', {claim})"),
        "queue_heartbeat('w')".to_owned(),
        "queue_requeue_in_progress('q')".to_owned(),
        format!("queue_cancel('q', {running})"),
        format!("queue_cancel('q', {waiting})"),
        format!("queue_change('q', {waiting}, payload => '3')"),
        "queue_retry('q', 1)".to_owned(),
        "queue_purge('q')".to_owned(),
    ] {
        exec(&mut s, "BEGIN READ ONLY");
        let name = call.split('(').next().expect("a name");
        fails(&mut s, &format!("SELECT strata.{call}"), "25006", &[name]);
        exec(&mut s, "ROLLBACK");
    }
    let expected = format!("{running}|running\n{waiting}|ready");
    assert_eq!(states(&mut s, "q"), expected);
}

/// The time that holds the key of a failed job holds it for nobody but that job.
#[test]
fn a_failed_job_comes_back_to_its_own_key() {
    let db = with_queue(preloaded(), "states_own_key");
    let mut s = db.session();
    let push =
        "SELECT strata.queue_push('q', '1', 'k', unique_for => '1 hour', unique_until => 'start')";
    let job = id(&mut s, push);
    let (_, claim) = pop_soon(&mut s, "q", "");
    let fail = format!("SELECT strata.queue_fail('q', {claim}, final => true)");
    assert_eq!(one(&mut s, &fail), "failed");
    assert_eq!(one(&mut s, push), "", "the hour is not over");
    let retry = format!("SELECT strata.queue_retry('q', {job})");
    assert_eq!(one(&mut s, &retry), "t");
    assert_eq!(one(&mut s, &retry), "f", "it lives");
    let key = "SELECT id, state, until_start FROM strata.queue_key_a UNION ALL \
               SELECT id, state, until_start FROM strata.queue_key_b";
    assert_eq!(rows(&mut s, key), format!("{job}|h|t"));
    assert_eq!(one(&mut s, push), "", "the hour is not over");
    assert_eq!(pop_soon(&mut s, "q", "").0, job);
    assert_eq!(rows(&mut s, key), format!("{job}|s|t"), "it has started");
}

#[test]
fn what_is_taken_back_to_fail_and_was_to_be_cancelled_is_cancelled() {
    let db = with_queue(preloaded(), "states_cancelling");
    let mut s = db.session();
    let job = id(&mut s, "SELECT strata.queue_push('q', '1')");
    pop_soon(&mut s, "q", "");
    let cancel = format!("SELECT strata.queue_cancel('q', {job})");
    assert_eq!(one(&mut s, &cancel), "requested");
    let back = "SELECT strata.queue_requeue_in_progress('q', to_state => 'failed')";
    assert_eq!(one(&mut s, back), "1");
    let state = format!("SELECT state FROM strata.queue_result('q', {job})");
    assert_eq!(one(&mut s, &state), "cancelled");
}
