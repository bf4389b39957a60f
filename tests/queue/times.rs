//! Jobs that wait for their time, leases and their ends, and what workers say of failed jobs.

use crate::common::{Cluster, DEADLINE, fails, wait_until, wait_until_within};
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// Id, claim and attempt of the next job; `None` if there is none.
fn pop(session: &mut Client, how: &str) -> Option<(i64, i64, i64)> {
    let sql = format!("SELECT id, claim, attempt FROM strata.queue_pop('q'{how})");
    let text = rows(session, &sql);
    let mut numbers = text.split('|').map(|n| n.parse().expect("a number"));
    (!text.is_empty()).then(|| {
        let mut next = || numbers.next().expect("three columns");
        (next(), next(), next())
    })
}

fn push(session: &mut Client, how: &str) -> i64 {
    let sql = format!("SELECT strata.queue_push('q', '1'{how})");
    one(session, &sql).parse().expect("an id")
}

/// The next job, when there is one.
fn pop_soon(session: &mut Client, what: &str) -> (i64, i64, i64) {
    let mut got = None;
    wait_until(what, || {
        got = pop(session, "");
        got.is_some()
    });
    got.expect("a job")
}

fn both<'a>(name: &'a str) -> [Db<'a>; 2] {
    [with_queue(preloaded(), name), with_queue(plain(), name)]
}

#[test]
fn a_job_is_given_when_its_time_has_come_and_not_before() {
    for db in both("due") {
        let mut s = db.session();
        let later = push(&mut s, ", run_at => now() + interval '1 hour'");
        let soon = push(&mut s, ", run_at => clock_timestamp() + interval '2 s'");
        let past = push(&mut s, ", run_at => now() - interval '1 hour'");
        assert_eq!(pop(&mut s, "").map(|j| j.0), Some(past));
        assert_eq!(pop(&mut s, ""), None, "it is not its time");
        let (id, claim, attempt) = pop_soon(&mut s, "the time has come");
        assert_eq!((id, attempt), (soon, 1));
        let early = format!(
            "SELECT clock_timestamp() < pushed_at + interval '1.9 s' FROM strata.queue_pop('q') WHERE id = {id}"
        );
        assert_eq!(one(&mut s, &early), "");
        let sql = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(&mut s, &sql), "t");
        assert_eq!(pop(&mut s, ""), None, "{later} waits still");
    }
}

#[test]
fn a_time_that_is_committed_late_is_not_passed_over() {
    for db in both("late_time") {
        let (mut a, mut b) = (db.session(), db.session());
        exec(&mut a, "BEGIN");
        let late = push(&mut a, ", run_at => clock_timestamp() + interval '0.2 s'");
        let next = push(&mut b, ", run_at => clock_timestamp() + interval '0.5 s'");
        assert_eq!(pop_soon(&mut b, "the later one is due").0, next);
        exec(&mut a, "COMMIT");
        assert_eq!(pop_soon(&mut b, "the late one is found").0, late);
    }
}

#[test]
fn a_failed_job_comes_back_after_growing_delays_and_fails_in_the_end() {
    let db = Db::new(preloaded(), "delays");
    db.run(
        "SELECT strata.create_queue('q', max_attempts => 4, retry_delay => '100 s', retry_factor => 2, \
         retry_max => '250 s', retry_jitter => 0)",
    );
    let mut s = db.session();
    let id = push(&mut s, "");
    let waiting = "SELECT round(extract(epoch FROM lease_until - clock_timestamp()) / 10) * 10 FROM \
        (SELECT * FROM strata.queue_scheduled_a UNION ALL SELECT * FROM strata.queue_scheduled_b) w";
    let mut claims = Vec::new();
    for (attempt, delay) in [(1, "100"), (2, "200"), (3, "250"), (4, "")] {
        let job = pop_soon(&mut s, "the next attempt");
        assert_eq!((job.0, job.2), (id, attempt));
        // not only the random part of the claim is another one: its number grows
        assert!(claims.last().is_none_or(|old| job.1 >> 16 > old >> 16));
        claims.push(job.1);
        let sql = format!("SELECT strata.queue_fail('q', {}, 'no {attempt}')", job.1);
        let fate = one(&mut s, &sql);
        let wanted = if attempt < 4 { "scheduled" } else { "failed" };
        assert_eq!(fate, wanted);
        assert_eq!(one(&mut s, waiting).trim_end_matches(".0"), delay);
        assert_eq!(pop(&mut s, ""), None);
        for claim in &claims {
            let sql = format!("SELECT strata.queue_complete('q', {claim})");
            assert_eq!(one(&mut s, &sql), "f", "an old claim finds nothing");
        }
        for half in ["a", "b"] {
            let due = format!("UPDATE strata.queue_scheduled_{half} SET lease_until = now()");
            exec(&mut s, &due);
        }
        exec(&mut s, "CALL strata.queue_maintain()");
    }
    assert_eq!(pop(&mut s, ""), None);
}

#[test]
fn a_delay_is_spread_by_the_jitter_and_overruled_by_the_worker() {
    let db = Db::new(preloaded(), "jitter");
    db.run("SELECT strata.create_queue('q', retry_delay => '1000 s', retry_jitter => 0.5)");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1') FROM generate_series(1, 40)",
    );
    let fail = "SELECT strata.queue_fail('q', claim) FROM strata.queue_pop('q', n => 40)";
    exec(&mut s, fail);
    let spread = "SELECT min(d) >= 490 AND max(d) <= 1500 AND max(d) - min(d) > 100 AND count(DISTINCT d) > 20 \
        FROM (SELECT extract(epoch FROM lease_until - clock_timestamp()) AS d FROM strata.queue_scheduled_a) w";
    assert_eq!(one(&mut s, spread), "t");
    let id = push(&mut s, "");
    let (_, claim, _) = pop(&mut s, "").expect("a job");
    let now = format!("SELECT strata.queue_fail('q', {claim}, retry_in => '0')");
    assert_eq!(one(&mut s, &now), "scheduled");
    let old = claim;
    let (again, claim, attempt) = pop(&mut s, "").expect("at once");
    assert_eq!((again, attempt), (id, 2));
    assert!(claim >> 16 > old >> 16, "its number is another one");
    let last = format!("SELECT strata.queue_fail('q', {claim}, 'never', final => true)");
    assert_eq!(one(&mut s, &last), "failed");
    assert_eq!(one(&mut s, &last), "", "the claim is lost");
}

#[test]
fn a_released_job_goes_first_and_its_attempt_is_not_counted() {
    let db = with_queue(preloaded(), "released");
    let mut s = db.session();
    let (first, second) = (push(&mut s, ""), push(&mut s, ""));
    let (id, claim, _) = pop(&mut s, "").expect("a job");
    assert_eq!(id, first);
    let release = |claim: i64, how: &str| format!("SELECT strata.queue_release('q', {claim}{how})");
    assert_eq!(one(&mut s, &release(claim, "")), "t");
    assert_eq!(one(&mut s, &release(claim, "")), "f");
    let (id, claim, attempt) = pop(&mut s, "").expect("a job");
    assert_eq!((id, attempt), (first, 1));
    assert_eq!(one(&mut s, &release(claim, ", delay => '1 s'")), "t");
    assert_eq!(pop(&mut s, "").map(|j| j.0), Some(second));
    let (id, _, attempt) = pop_soon(&mut s, "the delay is over");
    assert_eq!((id, attempt), (first, 1));
}

#[test]
fn an_answer_to_an_old_delivery_changes_nothing() {
    let db = with_queue(preloaded(), "old_claim");
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE effect (i int)");
    let id = push(&mut s, "");
    let (_, old, _) = pop(&mut s, ", lease => '0.1 s'").expect("a job");
    let (again, new, attempt) = pop_soon(&mut s, "the lease is over");
    assert_eq!((again, attempt), (id, 2));
    let ask = |s: &mut Client, call: &str| one(s, &format!("SELECT strata.{call}"));
    assert_eq!(ask(&mut s, &format!("queue_complete('q', {old})")), "f");
    assert_eq!(ask(&mut s, &format!("queue_extend('q', {old})")), "lost");
    assert_eq!(ask(&mut s, &format!("queue_fail('q', {old})")), "");
    let strict = format!(
        "BEGIN; INSERT INTO effect VALUES (1); SELECT strata.queue_complete('q', {old}, strict => true); COMMIT"
    );
    fails(&mut s, &strict, "55000", &["claim", "lost"]);
    exec(&mut s, "ROLLBACK");
    assert_eq!(one(&mut s, "SELECT count(*) FROM effect"), "0");
    assert_eq!(ask(&mut s, &format!("queue_extend('q', {new})")), "held");
    assert_eq!(ask(&mut s, &format!("queue_complete('q', {new})")), "t");
    assert_eq!(ask(&mut s, &format!("queue_extend('q', {new})")), "lost");
}

#[test]
fn a_lease_ends_unless_the_worker_renews_it() {
    for db in both("renewed") {
        let mut s = db.session();
        let ids: Vec<i64> = (0..4).map(|_| push(&mut s, "")).collect();
        let extended = pop(&mut s, ", lease => '0.5 s'").expect("a job");
        let beaten = pop(&mut s, ", worker => 'w', lease => '2 s'").expect("a job");
        let long = pop(&mut s, ", worker => 'w'").expect("a job");
        let lost = pop(&mut s, ", worker => 'other', lease => '0.5 s'").expect("a job");
        assert_eq!([extended.0, beaten.0, long.0, lost.0], ids[..]);
        let extend = format!(
            "SELECT strata.queue_extend('q', {}, lease => '1 hour', progress => '{{\"done\": 1}}')",
            extended.1
        );
        assert_eq!(one(&mut s, &extend), "held");
        // without preload nobody tells the worker of short leases: it would find them after ten seconds
        let tidy = |s: &mut Client| {
            if std::ptr::eq(db.cluster, plain()) {
                exec(s, "CALL strata.queue_maintain()");
            }
        };
        let mut got = None;
        wait_until("the lease is over", || {
            assert_eq!(one(&mut s, "SELECT strata.queue_heartbeat('w')"), "");
            tidy(&mut s);
            got = pop(&mut s, ", lease => '1 hour'");
            got.is_some()
        });
        assert_eq!(got.map(|j| (j.0, j.2)), Some((ids[3], 2)));
        // the end of its lease has passed, and no other sign of life came than the heartbeats
        let past = "SELECT clock_timestamp() > lease_until FROM strata.queue_seg_1_0 WHERE id = ";
        wait_until("its own end has passed", || {
            one(&mut s, "SELECT strata.queue_heartbeat('w')");
            one(&mut s, &format!("{past}{}", beaten.0)) == "t"
        });
        exec(&mut s, "CALL strata.queue_maintain()");
        assert_eq!(pop(&mut s, ""), None, "it is renewed");
        let mut got = None;
        wait_until("no heartbeat comes", || {
            tidy(&mut s);
            got = pop(&mut s, "");
            got.is_some()
        });
        assert_eq!(got.map(|j| (j.0, j.2)), Some((beaten.0, 2)));
        assert_eq!(one(&mut s, &extend), "held");
        let complete = format!("SELECT strata.queue_complete('q', {})", long.1);
        assert_eq!(one(&mut s, &complete), "t");
    }
}

#[test]
fn fifty_thousand_overdue_jobs_come_back_and_living_ones_do_not() {
    let db = with_queue(preloaded(), "overdue");
    let mut s = db.session();
    let living = push(&mut s, "");
    let by_session = push(&mut s, "");
    let kept = pop(&mut s, "").expect("a job");
    let held = pop(&mut s, ", worker => 'w', session => true").expect("a job");
    assert_eq!((kept.0, held.0), (living, by_session));
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1') FROM generate_series(1, 50000)",
    );
    // in one transaction: none of them comes back while others are still to be given
    exec(&mut s, "BEGIN");
    for _ in 0..5 {
        let all = "SELECT count(*) FROM strata.queue_pop('q', worker => 'w', n => 10000, lease => '0.5 s')";
        assert_eq!(one(&mut s, all), "10000");
    }
    exec(
        &mut s,
        "DELETE FROM strata.queue_worker WHERE name = 'w' AND NOT by_session; COMMIT",
    );
    let ready = "SELECT ready FROM strata.queue_stats WHERE queue = 'q'";
    // near the end of the suite the server has the workers of 150 databases; each look counts all of the rows
    wait_until_within(DEADLINE * 5, "all are back", || {
        std::thread::sleep(Duration::from_millis(500));
        one(&mut s, ready) == "50000"
    });
    // some may be in the hands of the housekeeping, which moves them, for a moment
    let mut again = 0;
    wait_until("each is given once more", || {
        let all = "SELECT count(*) FILTER (WHERE attempt = 2), count(*) FROM strata.queue_pop('q', n => 10000, lease => '1 hour')";
        let got = rows(&mut s, all);
        let (second, any) = got.split_once('|').expect("two counts");
        assert_eq!(second, any, "no attempt is counted twice");
        again += any.parse::<u32>().expect("a number");
        again >= 50_000
    });
    assert_eq!(again, 50_000);
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pop(&mut s, ""), None);
    for claim in [kept.1, held.1] {
        let sql = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(&mut s, &sql), "t");
    }
}

#[test]
fn a_job_leased_by_session_is_free_when_the_session_is_gone() {
    for db in both("by_session") {
        let mut s = db.session();
        let id = push(&mut s, "");
        // ended by an administrator
        let mut worker = db.session();
        let pid = one(&mut worker, "SELECT pg_backend_pid()");
        let got = pop(&mut worker, ", session => true").expect("a job");
        assert_eq!((got.0, got.2), (id, 1));
        let until = "SELECT lease_until FROM strata.queue_seg_1_0 WHERE state = 'w'";
        assert_eq!(one(&mut s, until), "infinity");
        exec(&mut s, "CALL strata.queue_maintain()");
        assert_eq!(pop(&mut s, ""), None, "its session lives");
        one(&mut s, &format!("SELECT pg_terminate_backend({pid})"));
        let mut again = None;
        wait_until("it is ready again", || {
            again = pop(&mut s, "");
            again.is_some()
        });
        let (again, claim, attempt) = again.expect("a job");
        assert_eq!((again, attempt), (id, 2), "the attempt is counted");
        let release = format!("SELECT strata.queue_release('q', {claim})");
        assert_eq!(one(&mut s, &release), "t");
        // its client was killed
        let mut psql = db
            .cluster
            .program("psql")
            .args(["-U", "postgres", "-d", db.name, "-h"])
            .arg(db.cluster.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql");
        let mut stdin = psql.stdin.take().expect("a pipe");
        writeln!(stdin, "SELECT strata.queue_pop('q', session => true);").expect("psql reads");
        stdin.flush().expect("psql reads");
        let taken = "SELECT count(*) FROM strata.queue_seg_1_0 WHERE state = 'w'";
        wait_until("psql has it", || one(&mut s, taken) == "1");
        psql.kill().expect("a living psql");
        psql.wait().expect("the end of psql");
        assert_eq!(pop_soon(&mut s, "it is ready again").0, id);
        wait_until("no worker is left that is gone", || {
            exec(&mut s, "CALL strata.queue_maintain()");
            one(&mut s, "SELECT count(*) FROM strata.queue_worker") == "0"
        });
    }
}

#[test]
fn a_worker_that_starts_anew_takes_its_jobs_back() {
    let db = with_queue(preloaded(), "anew");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1') FROM generate_series(1, 6)",
    );
    exec(
        &mut s,
        "SELECT FROM strata.queue_pop('q', worker => 'a', n => 2)",
    );
    let mut other = db.session();
    exec(
        &mut other,
        "SELECT FROM strata.queue_pop('q', worker => 'a')",
    );
    exec(
        &mut s,
        "SELECT FROM strata.queue_pop('q', worker => 'b', n => 3)",
    );
    let requeue = |s: &mut Client, how: &str| {
        one(
            s,
            &format!("SELECT strata.queue_requeue_in_progress('q'{how})"),
        )
    };
    assert_eq!(requeue(&mut s, ", 'nobody'"), "0");
    assert_eq!(requeue(&mut s, ", 'a', older_than => '1 hour'"), "0");
    assert_eq!(requeue(&mut s, ", 'a'"), "3");
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM strata.queue_pop('q', n => 9)"),
        "3"
    );
    assert_eq!(requeue(&mut s, ", 'b', to_state => 'failed'"), "3");
    assert_eq!(requeue(&mut s, ""), "3");
    let twice = "SELECT string_agg(attempt::text, ' ') FROM strata.queue_pop('q', n => 9)";
    assert_eq!(one(&mut s, twice), "3 3 3");
    let wrong = "SELECT strata.queue_requeue_in_progress('q', to_state => 'gone')";
    fails(&mut s, wrong, "22023", &["to_state"]);
}

#[test]
fn a_side_store_turns_when_most_of_it_is_dead_and_loses_nothing() {
    let db = with_queue(preloaded(), "store");
    let mut s = db.session();
    let mut reader = db.session();
    let keep = push(&mut s, ", run_at => now() + interval '1 day'");
    // a snapshot that keeps VACUUM from its work
    exec(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    );
    exec(
        &mut s,
        "INSERT INTO strata.queue_scheduled_a (qid, id, seq, lane, attempt, max_attempts, lease_until, state, pushed_at) \
         SELECT 0, g, g, 101, 0, 1, 'infinity', 's', now() FROM generate_series(1000, 61000) g; \
         DELETE FROM strata.queue_scheduled_a WHERE qid = 0",
    );
    let current = "SELECT current || clean FROM strata.queue_pair WHERE name = 'queue_scheduled'";
    wait_until("the other table is in use, and the old one empty", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, current) == "btrue"
    });
    assert_eq!(
        one(
            &mut s,
            "SELECT pg_relation_size('strata.queue_scheduled_a')"
        ),
        "0"
    );
    let there = "SELECT id FROM strata.queue_scheduled_b";
    assert_eq!(one(&mut s, there), keep.to_string());
    let new = push(&mut s, ", run_at => clock_timestamp() + interval '0.3 s'");
    assert_eq!(pop_soon(&mut s, "its time has come").0, new);
    exec(
        &mut s,
        "UPDATE strata.queue_scheduled_b SET lease_until = now()",
    );
    assert_eq!(pop_soon(&mut s, "its time has come").0, keep);
}

#[test]
fn wrong_times_and_missing_arguments_are_errors() {
    let db = with_queue(preloaded(), "time_errors");
    let mut s = db.session();
    for (sql, code) in [
        ("queue_fail('q', NULL)", "22004"),
        ("queue_fail('nope', 1)", "42704"),
        ("queue_fail('q', 1, retry_in => '-1 s')", "22023"),
        ("queue_release('q', 1, delay => '-1 s')", "22023"),
        ("queue_extend('q', 1, lease => '0')", "22023"),
        ("queue_pop('q', lease => '-1 s')", "22023"),
        ("queue_pop('q', lease => '1 s', session => true)", "22023"),
        ("queue_heartbeat(NULL)", "22004"),
    ] {
        fails(&mut s, &format!("SELECT FROM strata.{sql}"), code, &[]);
    }
}

#[test]
fn after_a_crash_leases_by_session_end_and_those_by_time_go_on() {
    let cluster = Cluster::builder().preload(true).start();
    let db = with_queue(&cluster, "crash");
    let mut s = db.session();
    let (by_time, by_session) = (push(&mut s, ""), push(&mut s, ""));
    let later = push(&mut s, ", run_at => clock_timestamp() + interval '1 s'");
    let kept = pop(&mut s, "").expect("a job");
    let lost = pop(&mut s, ", session => true").expect("a job");
    assert_eq!((kept.0, lost.0), (by_time, by_session));
    // claims alone wait for no disk, see strata.claim_async
    exec(&mut s, "CREATE TABLE flushed ()");
    let pid = one(&mut s, "SELECT pg_backend_pid()")
        .parse()
        .expect("a pid");
    cluster.kill_backend(pid);
    let mut s = db.session();
    let mut back = Vec::new();
    wait_until("both are ready", || {
        back.extend(pop(&mut s, "").map(|job| (job.0, job.2)));
        back.len() == 2
    });
    back.sort_unstable();
    assert_eq!(back, [(by_session, 2), (later, 1)]);
    let complete = format!("SELECT strata.queue_complete('q', {})", kept.1);
    assert_eq!(one(&mut s, &complete), "t");
}

#[test]
fn a_heartbeat_tells_a_worker_what_it_should_give_up() {
    let db = with_queue(preloaded(), "told");
    let mut s = db.session();
    let ids: Vec<i64> = (0..3).map(|_| push(&mut s, "")).collect();
    let claims: Vec<i64> = (0..3)
        .map(|_| pop(&mut s, ", worker => 'w'").expect("a job").1)
        .collect();
    for id in &ids[..2] {
        let cancel = format!("SELECT strata.queue_cancel('q', {id})");
        assert_eq!(one(&mut s, &cancel), "requested");
    }
    let beat = "SELECT string_agg(c::text, ' ') FROM strata.queue_heartbeat('w') c";
    assert_eq!(one(&mut s, beat), format!("{} {}", claims[0], claims[1]));
    assert_eq!(one(&mut s, "SELECT strata.queue_heartbeat('v')"), "");
    let extend = format!("SELECT strata.queue_extend('q', {})", claims[0]);
    assert_eq!(one(&mut s, &extend), "cancelled");
    let fail = format!("SELECT strata.queue_fail('q', {}, 'stopped')", claims[0]);
    assert_eq!(one(&mut s, &fail), "cancelled");
    let complete = format!("SELECT strata.queue_complete('q', {})", claims[1]);
    assert_eq!(
        one(&mut s, &complete),
        "t",
        "who completes first has done it"
    );
    assert_eq!(one(&mut s, beat), "");
    wait_until("what is over is forgotten", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, "SELECT count(*) FROM strata.queue_asked") == "0"
    });
    let extend = format!("SELECT strata.queue_extend('q', {})", claims[2]);
    assert_eq!(one(&mut s, &extend), "held");
}

#[test]
fn a_job_that_comes_back_takes_its_key_again_or_goes_on_without_it() {
    let db = with_queue(preloaded(), "key_again");
    let mut s = db.session();
    let keyed = |s: &mut Client| {
        let how = ", unique_key => 'k', unique_until => 'start'";
        one(s, &format!("SELECT strata.queue_push('q', '1'{how})"))
    };
    let first = keyed(&mut s);
    assert_eq!(keyed(&mut s), "", "it waits");
    let (id, claim, _) = pop(&mut s, "").expect("a job");
    assert_eq!(id.to_string(), first);
    exec(
        &mut s,
        &format!("SELECT strata.queue_fail('q', {claim}, retry_in => '0')"),
    );
    assert_eq!(keyed(&mut s), "", "it waits again");
    let (_, claim, _) = pop(&mut s, "").expect("a job");
    let second = keyed(&mut s);
    assert_ne!(second, "", "it runs");
    exec(
        &mut s,
        &format!("SELECT strata.queue_fail('q', {claim}, retry_in => '0')"),
    );
    exec(&mut s, "CALL strata.queue_maintain()");
    let both = "SELECT string_agg(id::text, ' ') FROM strata.queue_pop('q', n => 9)";
    assert_eq!(one(&mut s, both), format!("{first} {second}"));
}

#[test]
fn a_group_waits_for_the_retry_of_its_member() {
    let db = with_queue(preloaded(), "group_again");
    let mut s = db.session();
    let later = ", group_key => 'g', run_at => clock_timestamp() + interval '0.2 s'";
    let first = push(&mut s, later);
    let (id, claim, _) = pop_soon(&mut s, "its time has come");
    assert_eq!(id, first);
    let second = push(&mut s, ", group_key => 'g'");
    let other = push(&mut s, "");
    let fail = format!("SELECT strata.queue_fail('q', {claim}, retry_in => '1 s')");
    assert_eq!(one(&mut s, &fail), "scheduled");
    let got = pop(&mut s, ", n => 9").expect("a job");
    assert_eq!(got.0, other, "{second} waits for {first}");
    let (id, claim, attempt) = pop_soon(&mut s, "the retry");
    assert_eq!((id, attempt), (first, 2));
    let complete = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut s, &complete), "t");
    assert_eq!(pop_soon(&mut s, "the next member").0, second);
}

#[test]
fn a_claim_that_was_prepared_outlives_its_session_and_is_taken_back() {
    let db = with_queue(preloaded(), "prepared_claim");
    let mut s = db.session();
    let mut worker = db.session();
    // from here on the session is known as a worker
    assert_eq!(pop(&mut worker, ", session => true"), None);
    push(&mut s, "");
    exec(&mut worker, "BEGIN");
    assert!(pop(&mut worker, ", session => true").is_some());
    exec(&mut worker, "PREPARE TRANSACTION 'claim'");
    drop(worker);
    wait_until("the session is forgotten", || {
        one(&mut s, "SELECT count(*) FROM strata.queue_worker") == "0"
    });
    exec(&mut s, "COMMIT PREPARED 'claim'");
    let running = "SELECT strata.queue_length('q', 'running')";
    assert_eq!(one(&mut s, running), "1");
    wait_until("it is ready again", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, running) == "0"
    });
    assert_eq!(pop(&mut s, "").expect("the job").2, 2, "the attempt counts");
}
