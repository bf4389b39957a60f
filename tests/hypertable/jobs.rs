//! Jobs: who runs when, as whom, how often, and what is left of them (hypertables.md, section 18, 33 and 36).

use crate::common::{Cluster, Db, Stop, arm, one, rows, try_one, wait_until};

fn server() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .start()
}

/// A database with a role that owns a table `ran` and procedures that write to it.
fn with_procedures<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(
        "DO $$ BEGIN CREATE ROLE alice LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT CREATE ON SCHEMA public TO alice; SET ROLE alice;
         CREATE TABLE ran (job int, who name DEFAULT session_user, config jsonb, at timestamptz DEFAULT clock_timestamp());
         CREATE PROCEDURE note(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO ran (job, config) VALUES (job_id, config); COMMIT;
           PERFORM pg_sleep(coalesce((config->>'sleep')::float, 0));
           IF config ? 'fail' THEN RAISE EXCEPTION 'no luck' USING ERRCODE = '22012'; END IF;
         END $$;
         CREATE FUNCTION note_too(job_id int, config jsonb) RETURNS void LANGUAGE sql AS
           'INSERT INTO ran (job, config) VALUES ($1, $2)'",
    );
    db
}

fn wait_for(db: &Db<'_>, what: &str, sql: &str) {
    let mut session = db.session();
    wait_until(what, || one(&mut session, sql) == "t");
}

#[test]
fn procedures_and_functions_run_as_their_owner_and_may_commit() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"SELECT strata.add_job('note', '1 hour', '{"a": 1}')"#,
    );
    one(&mut alice, "SELECT strata.add_job('note_too', '1 hour')");
    wait_for(
        &db,
        "both have succeeded",
        "SELECT count(*) = 2 FROM strata.job_stats WHERE last_run_status = 'Success' AND job_status = 'Scheduled'
           AND next_start > now() + interval '50 minutes'",
    );
    let ran = rows(&mut alice, "SELECT job, who, config FROM ran ORDER BY job");
    assert_eq!(ran, "1000|alice|{\"a\": 1}\n1001|alice|");
}

#[test]
fn a_failing_job_backs_off_is_logged_once_each_time_and_gives_up() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"BEGIN; SELECT strata.add_job('note', '1 hour', '{"fail": 1}');
           SELECT strata.alter_job(1000, retry_period => '300 ms', max_retries => 2); COMMIT"#,
    );
    wait_for(
        &db,
        "the job is off",
        "SELECT NOT scheduled FROM strata.jobs",
    );
    wait_for(
        &db,
        "its process has ended",
        "SELECT job_status = 'Paused' FROM strata.job_stats",
    );
    let errors = rows(
        &mut alice,
        "SELECT sqlerrcode, err_message FROM strata.job_errors",
    );
    assert_eq!(errors, ["22012|no luck"; 3].join("\n"));
    let lines = cluster
        .log()
        .matches("job 1000 (User-Defined Action [1000]) failed: no luck")
        .count();
    assert_eq!(lines, 3);
    // 300 ms after the first failure, 600 ms after the second
    let gaps = one(
        &mut alice,
        "SELECT min(gap) >= interval '300 ms' AND max(gap) >= interval '600 ms' FROM
           (SELECT start_time - lag(finish_time) OVER (ORDER BY id) AS gap FROM strata.job_history) g",
    );
    assert_eq!(gaps, "t");
}

#[test]
fn a_run_that_takes_too_long_is_cancelled() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"BEGIN; SELECT strata.add_job('note', '1 hour', '{"sleep": 600}');
           SELECT strata.alter_job(1000, max_runtime => '500 ms'); COMMIT"#,
    );
    wait_for(
        &db,
        "the run has failed",
        "SELECT last_run_status = 'Failed' FROM strata.job_stats",
    );
    let error = one(
        &mut alice,
        "SELECT sqlerrcode || ' ' || err_message FROM strata.job_errors",
    );
    assert_eq!(error, "57014 job 1000 ran longer than its max_runtime");
}

#[test]
fn two_hundred_jobs_on_two_workers_all_run_and_never_more_than_two_at_once() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        "CREATE PROCEDURE count_me(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO ran (job, config) SELECT job_id, to_jsonb(count(*)) FROM pg_stat_activity
           WHERE backend_type = 'pg_strata job' AND query LIKE '%: job %' AND state = 'active';
         END $$;
         SELECT count(strata.add_job('count_me', '1 hour')) FROM generate_series(1, 200)",
    );
    wait_for(
        &db,
        "all have run",
        "SELECT count(*) = 200 FROM strata.job_stats WHERE total_successes = 1",
    );
    let most = one(
        &mut alice,
        "SELECT max(config::int) <= 2 AND count(*) = 200 FROM ran",
    );
    assert_eq!(most, "t");
}

#[test]
fn jobs_that_always_fail_do_not_starve_others() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"BEGIN; SELECT strata.add_job('note', '200 ms', '{"fail": 1}') FROM generate_series(1, 6);
           SELECT strata.alter_job(job_id, retry_period => '0') FROM strata.jobs; COMMIT"#,
    );
    wait_for(
        &db,
        "the failures go on",
        "SELECT count(*) > 10 FROM strata.job_errors",
    );
    let id = one(&mut alice, "SELECT strata.add_job('note_too', '1 hour')");
    wait_for(
        &db,
        "the good one has run",
        &format!("SELECT count(*) = 1 FROM ran WHERE job = {id}"),
    );
}

#[test]
fn next_start_wakes_the_worker_in_time() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "3600s")
        .start();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        "SELECT strata.add_job('note_too', '1 hour', initial_start => clock_timestamp() + interval '700 ms')",
    );
    wait_for(&db, "it has run", "SELECT count(*) = 1 FROM ran");
    let late = one(
        &mut alice,
        "SELECT at - initial_start BETWEEN interval '0' AND interval '2 s' FROM ran, strata.jobs",
    );
    assert_eq!(late, "t");
}

#[test]
fn fixed_schedules_keep_to_the_clock_of_their_zone() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("strata.max_running_jobs", "0")
        .start();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    // the origin lies in winter; what comes next is at the same time of day, whatever the season is now
    one(
        &mut alice,
        "SELECT strata.add_job('note_too', '1 day', initial_start => '2020-01-01 06:30 Europe/Berlin', timezone => 'Europe/Berlin');
         SELECT strata.add_job('note_too', '1 month', initial_start => '2020-01-31 06:30 America/New_York', timezone => 'America/New_York');
         SELECT strata.add_job('note_too', '90 minutes', initial_start => '2020-01-01 00:00 UTC', timezone => 'Europe/Berlin')",
    );
    one(
        &mut alice,
        "SELECT strata.alter_job(job_id, fixed_schedule => true) FROM strata.jobs",
    );
    let ok = rows(
        &mut alice,
        "SELECT (next_start AT TIME ZONE timezone)::time(0), next_start > now(), next_start <= now() + interval '1 month 4 days'
         FROM strata.jobs WHERE job_id < 1002 ORDER BY job_id",
    );
    assert_eq!(ok, "06:30:00|t|t\n06:30:00|t|t");
    let elapsed = one(
        &mut alice,
        "SELECT extract(epoch FROM next_start - '2020-01-01 00:00 UTC')::bigint % 5400 FROM strata.jobs WHERE job_id = 1002",
    );
    assert_eq!(elapsed, "0");
}

#[test]
fn a_job_runs_once_at_a_time_and_delete_does_not_wait() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"SELECT strata.add_job('note', '1 s', '{"sleep": 600}')"#,
    );
    wait_for(
        &db,
        "it runs",
        "SELECT job_status = 'Running' AND EXISTS (SELECT FROM ran) FROM strata.job_stats",
    );
    let error = try_one(&mut alice, "CALL strata.run_job(1000)").expect_err("it runs already");
    assert_eq!(error.code().map(|c| c.code()), Some("55006"), "{error:?}");
    one(
        &mut alice,
        "SET statement_timeout = '2s'; SELECT strata.alter_job(1000, next_start => now()); SELECT strata.delete_job(1000)",
    );
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "1");
}

#[test]
fn only_the_owner_and_members_may_touch_a_job() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    db.run("CREATE ROLE mallory LOGIN; CREATE ROLE member LOGIN IN ROLE alice");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        "SELECT strata.add_job('note', '1 hour', scheduled => false)",
    );
    let mut mallory = db.session_as("mallory");
    assert_eq!(one(&mut mallory, "SELECT count(*) FROM strata.jobs"), "0");
    for sql in [
        "SELECT strata.alter_job(1000, scheduled => true)",
        "SELECT strata.delete_job(1000)",
        "CALL strata.run_job(1000)",
        "SELECT strata.start_workers()",
    ] {
        let error = try_one(&mut mallory, sql).expect_err(sql);
        assert_eq!(
            error.code().map(|c| c.code()),
            Some("42501"),
            "{sql}: {error:?}"
        );
    }
    // a member's call runs as the owner all the same
    let mut member = db.session_as("member");
    one(&mut member, "CALL strata.run_job(1000)");
    one(&mut alice, "CALL strata.run_job(1000)");
    assert_eq!(rows(&mut alice, "SELECT who FROM ran"), "alice\nalice");
    one(&mut member, "SELECT strata.delete_job(1000)");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM strata.jobs"), "0");
}

#[test]
fn jobs_of_a_role_that_cannot_log_in_run_as_it() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    db.run(
        "CREATE ROLE nobody NOLOGIN; GRANT ALL ON SCHEMA public TO nobody; GRANT nobody TO alice; SET ROLE nobody;
         CREATE TABLE theirs (who name DEFAULT current_user);
         CREATE PROCEDURE mine(job_id int, config jsonb) LANGUAGE sql AS 'INSERT INTO theirs DEFAULT VALUES';
         CREATE PROCEDURE escape(job_id int, config jsonb) LANGUAGE plpgsql AS
           'BEGIN RESET ROLE; RESET SESSION AUTHORIZATION; INSERT INTO theirs DEFAULT VALUES; END';
         SELECT strata.add_job('mine', '1 hour'); SELECT strata.add_job('escape', '1 hour')",
    );
    wait_for(
        &db,
        "both have run",
        "SELECT count(*) = 2 FROM strata.job_stats WHERE total_runs = 1 AND last_run_status IS NOT NULL",
    );
    assert_eq!(
        one(
            &mut db.session(),
            "SELECT string_agg(DISTINCT who, ' ') FROM theirs"
        ),
        "nobody"
    );
}

#[test]
fn a_killed_run_is_noted_and_tried_again_after_the_restart() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    arm(&cluster, "queue.claimed:sleep");
    one(
        &mut alice,
        "BEGIN; SELECT strata.add_job('note', '1 hour');
         SELECT strata.alter_job(1000, retry_period => '100 ms'); COMMIT",
    );
    let pid = "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND application_name = 'pg_strata job run'";
    wait_for(
        &db,
        "the run is claimed",
        "SELECT total_runs = 1 FROM strata.job_stats",
    );
    let victim: u32 = one(&mut db.session(), pid).parse().expect("a pid");
    cluster.kill_backend(victim);
    // not before: it would let the run go on. The next one may be stopped there already.
    arm(&cluster, "");
    wait_for(
        &db,
        "it has run after all",
        "SELECT last_run_status = 'Success' FROM strata.job_stats",
    );
    let mut alice = db.session_as("alice");
    let error = one(&mut alice, "SELECT err_message FROM strata.job_errors");
    assert_eq!(error, "the process of the job ended without a result");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "1");
}

#[test]
fn jobs_survive_a_restart() {
    let mut cluster = server();
    {
        let db = with_procedures(&cluster, "jobs");
        one(
            &mut db.session_as("alice"),
            "SELECT strata.add_job('note', '1 hour', initial_start => now() + interval '1 day')",
        );
    }
    cluster.restart(Stop::Fast);
    let db = Db {
        cluster: &cluster,
        name: "jobs",
    };
    one(
        &mut db.session_as("alice"),
        "SELECT strata.alter_job(1000, next_start => now())",
    );
    wait_for(
        &db,
        "it has run",
        "SELECT total_successes = 1 FROM strata.job_stats",
    );
}

#[test]
fn without_preload_run_maintenance_runs_what_is_due() {
    let cluster = Cluster::builder().start();
    let db = with_procedures(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"SELECT strata.add_job('note', '1 hour'); SELECT strata.add_job('note', '1 hour', '{"fail": 1}');
           SELECT strata.add_job('note', '1 hour', initial_start => now() + interval '1 hour');
           CREATE TABLE m (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
           SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
           SELECT strata.premake_chunks('m', now() - interval '5 days', now());
           SELECT strata.add_retention_policy('m', interval '2 days')"#,
    );
    let newest = one(
        &mut alice,
        "SELECT chunk FROM strata.chunks ORDER BY range_start DESC LIMIT 1",
    );
    one(&mut alice, &format!("DROP TABLE {newest}"));
    one(&mut alice, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "2");
    let range = one(
        &mut alice,
        "SELECT min(range_end) > now() - interval '2 days' AND max(range_start) > now() + interval '1 day' FROM strata.chunks",
    );
    assert_eq!(range, "t");
    // a second call has nothing to do
    one(&mut alice, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "2");
}

#[test]
fn a_restored_copy_runs_nothing_until_told() {
    let cluster = server();
    let db = with_procedures(&cluster, "jobs");
    one(
        &mut db.session_as("alice"),
        "SELECT strata.add_job('note', '1 hour', initial_start => now() + interval '1 day')",
    );
    cluster.dump_into("jobs", &cluster, "copy");
    let copy = Db {
        cluster: &cluster,
        name: "copy",
    };
    let mut session = copy.session();
    assert_eq!(one(&mut session, "SELECT active FROM strata.jobs"), "f");
    one(&mut session, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut session, "SELECT count(*) FROM ran"), "0");
    assert_eq!(one(&mut session, "SELECT strata.start_workers()"), "1");
    assert_eq!(one(&mut session, "SELECT active FROM strata.jobs"), "t");
    one(
        &mut copy.session_as("alice"),
        "SELECT strata.alter_job(1000, next_start => now())",
    );
    wait_for(&copy, "it has run", "SELECT count(*) = 1 FROM ran");
    // numbers go on where they were
    assert_eq!(
        one(
            &mut copy.session_as("alice"),
            "SELECT strata.add_job('note', '1 hour', scheduled => false)"
        ),
        "1001"
    );
}
