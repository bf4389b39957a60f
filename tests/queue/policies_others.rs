//! Runs of policies and jobs beside copies of the database, others' jobs, and roles with settings of their own.

use crate::common::{Cluster, wait_until};
use crate::policies::{RUNS, add, shut, wait_for, wait_tidy, wait_tidy_after, with_procedure};
use crate::sql_jobs::builder;
use crate::support::{Db, exec, one, rows};
use std::time::Duration;

#[test]
fn a_copy_of_the_database_runs_nothing_of_what_was_queued() {
    let server = builder().set("strata.max_running_jobs", "0").start();
    let db = with_procedure(&server, "original");
    let mut s = db.session();
    for _ in 0..2 {
        add(&mut s, "");
    }
    let queued = "SELECT count(*) = 2 FROM strata.queue_jobs WHERE queue = 'strata.jobs'";
    wait_for(&mut s, "both wait", queued);
    drop(s);
    server.psql("postgres", "CREATE DATABASE copy TEMPLATE original");
    server.configure(&[("strata.max_running_jobs", "2")]);
    server.reload();
    let ended = "SELECT count(*) = 2 FROM strata.job_stats WHERE total_successes = 1";
    wait_for(&mut db.session(), "both have run", ended);
    let copy = Db {
        cluster: &server,
        name: "copy",
    };
    let mut c = copy.session();
    exec(&mut c, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut c, "SELECT count(*) FROM ran"), "0");
    assert_eq!(one(&mut c, "SELECT strata.start_workers()"), "2");
    wait_for(&mut c, "both have run in the copy", ended);
    wait_tidy(&mut c);
    assert_eq!(one(&mut c, "SELECT count(*) FROM ran"), "2");
    assert_eq!(one(&mut c, "SELECT count(*) FROM strata.job_errors"), "0");
}

#[test]
fn a_session_runs_its_due_jobs_beside_any_number_of_others() {
    let server = Cluster::builder().set("max_worker_processes", "16").start();
    server.psql("postgres", "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN");
    let db = with_procedure(&server, "strangers");
    db.run("GRANT ALL ON ran, gate TO PUBLIC");
    let mut bob = db.session_as("bob");
    let many = "SELECT count(strata.add_job('work', '1 hour', initial_start => now() - interval '1 day')) FROM generate_series(1, 300)";
    assert_eq!(one(&mut bob, many), "300");
    let mut alice = db.session_as("alice");
    let mine = add(&mut alice, "");
    exec(&mut alice, "CALL strata.run_maintenance()");
    let mut s = db.session();
    assert_eq!(rows(&mut s, "SELECT job FROM ran"), mine.to_string());
    assert_eq!(one(&mut s, "SELECT left_over()"), "0");
}

#[test]
fn a_role_that_waits_for_no_lock_gets_its_runs_noted_as_they_were() {
    let server = builder().start();
    server.psql("postgres", "CREATE ROLE alice LOGIN");
    let db = with_procedure(&server, "impatient");
    db.run("GRANT ALL ON ran TO PUBLIC; CREATE TABLE go (); CREATE PROCEDURE wait_for_go(job_id int, config jsonb) LANGUAGE plpgsql AS $$
        BEGIN WHILE to_regclass('go') IS NOT NULL LOOP PERFORM pg_sleep(0.05); COMMIT; END LOOP; END $$");
    let mut s = db.session();
    let mut alice = db.session_as("alice");
    server.psql("postgres", "ALTER ROLE alice SET lock_timeout = '500 ms'");
    exec(&mut alice, "SELECT strata.add_job('wait_for_go', '1 hour')");
    let claimed = "SELECT count(*) = 1 FROM strata.job_queued WHERE claim IS NOT NULL";
    wait_for(&mut s, "it runs", claimed);
    let mut holder = db.session();
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE strata.queue_seg_0_0 IN EXCLUSIVE MODE",
    );
    exec(&mut s, "DROP TABLE go");
    let waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'strata.queue_seg_0_0'::regclass";
    wait_for(&mut s, "its end waits", waits);
    std::thread::sleep(Duration::from_millis(1200));
    exec(&mut holder, "COMMIT");
    wait_for(
        &mut s,
        "it has ended",
        "SELECT total_successes = 1 FROM strata.job_stats",
    );
    wait_tidy(&mut s);
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.job_errors"), "0");
}

#[test]
fn runs_are_queued_when_they_are_due_although_all_places_are_taken() {
    // no round of the worker may stand in for its nap
    let server = builder()
        .set("strata.worker_interval", "60s")
        .set("strata.max_running_jobs", "1")
        .start();
    let db = with_procedure(&server, "places");
    let mut s = db.session();
    let mut gate = shut(&db);
    add(&mut s, "");
    wait_until("it runs", || rows(&mut s, RUNS) == "1000|work|running|1");
    add(&mut s, ", initial_start => now() + interval '1 s'");
    wait_until("the other one waits", || {
        rows(&mut s, RUNS) == "1000|work|running|1\n1001|work|ready|0"
    });
    exec(&mut gate, "COMMIT");
    wait_tidy_after(&mut s, "SELECT count(*) = 2 FROM ran");
}

#[test]
fn what_is_left_of_a_run_that_has_ended_keeps_no_job_from_running() {
    let server = builder().start();
    let db = with_procedure(&server, "stale");
    let mut s = db.session();
    add(&mut s, "");
    wait_tidy_after(&mut s, "SELECT count(*) = 1 FROM ran");
    // as if its process had died after a session had noted its end
    exec(
        &mut s,
        "INSERT INTO strata.job_queued (job_id, queue_job, claim) VALUES (1000, 1, 77); \
         SELECT strata.alter_job(1000, next_start => now())",
    );
    wait_tidy_after(&mut s, "SELECT count(*) = 2 FROM ran");
    // as a copy has it from a run that went on in the original: nothing is known of its beginning
    exec(
        &mut s,
        "UPDATE strata.job_state SET started_at = NULL, finished_at = NULL, pid = NULL; \
         INSERT INTO strata.job_queued (job_id, queue_job, claim) VALUES (1000, 1, 77); \
         SELECT strata.alter_job(1000, next_start => now())",
    );
    wait_tidy_after(&mut s, "SELECT count(*) = 3 FROM ran");
}

#[test]
fn a_job_may_look_after_due_jobs_itself() {
    let server = builder().start();
    let db = with_procedure(&server, "inside");
    db.run(
        "CREATE PROCEDURE look(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
           CALL strata.run_maintenance(); INSERT INTO ran VALUES (job_id);
         END $$",
    );
    let mut s = db.session();
    exec(&mut s, "SELECT strata.add_job('look', '1 hour')");
    wait_tidy_after(&mut s, "SELECT count(*) > 0 FROM ran");
    let stats = "SELECT total_runs, total_successes, total_failures FROM strata.job_stats";
    wait_until("it has ended", || rows(&mut s, stats) == "1|1|0");
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.job_errors"), "0");
}

#[test]
fn a_dead_run_is_noted_although_the_worker_has_the_number_of_its_process() {
    let server = builder().start();
    let db = with_procedure(&server, "numbers");
    let mut s = db.session();
    add(&mut s, ", initial_start => now() + interval '1 day'");
    // as after a restart that gives out the same numbers
    exec(
        &mut s,
        "UPDATE strata.job_state SET started_at = a.backend_start - interval '1 s', finished_at = NULL, pid = a.pid, \
         total_runs = 1 FROM pg_stat_activity a WHERE a.backend_type = 'pg_strata worker' AND a.datname = 'numbers'",
    );
    let noted = "SELECT total_failures = 1 FROM strata.job_stats";
    wait_for(&mut s, "it is noted", noted);
}

#[test]
fn what_a_procedure_pops_by_session_is_not_leased_like_its_run() {
    let server = builder().start();
    let db = with_procedure(&server, "popped");
    db.run(
        "SELECT strata.create_queue('q'); SELECT strata.queue_push('q', '1');
         CREATE TABLE seen (workers int);
         CREATE PROCEDURE pop(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
           PERFORM strata.queue_pop('q', session => true);
           INSERT INTO seen SELECT count(*) FROM strata.queue_worker WHERE pid = pg_backend_pid() AND by_session;
         END $$",
    );
    let mut s = db.session();
    exec(&mut s, "SELECT strata.add_job('pop', '1 hour')");
    wait_for(
        &mut s,
        "it has run",
        "SELECT total_successes = 1 FROM strata.job_stats",
    );
    assert_eq!(one(&mut s, "SELECT workers FROM seen"), "2");
    // later, as after every process of a job that ends with a lease
    let back = "SELECT state = 'scheduled' FROM strata.queue_jobs WHERE queue = 'q'";
    wait_for(&mut s, "it is given back", back);
}

#[test]
fn whoever_holds_the_rows_of_runs_keeps_no_queue_from_its_work() {
    let server = builder().start();
    let db = with_procedure(&server, "held");
    db.run("SELECT strata.create_queue('q')");
    let mut s = db.session();
    add(&mut s, "");
    wait_tidy_after(&mut s, "SELECT count(*) = 1 FROM ran");
    let mut holder = db.session();
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE strata.queue_seg_0_0 IN EXCLUSIVE MODE",
    );
    add(&mut s, "");
    let held = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'strata.queue_seg_0_0'::regclass";
    wait_for(&mut s, "the worker wants to queue a run", held);
    exec(
        &mut s,
        "SELECT strata.queue_schedule('often', 'q', '1 second')",
    );
    let goes_on = "SELECT next_run > made_at + interval '4 seconds' FROM strata.queue_schedule";
    wait_for(&mut s, "schedules go on", goes_on);
    exec(&mut holder, "COMMIT");
    wait_tidy_after(&mut s, "SELECT count(*) = 2 FROM ran");
}
