//! Jobs where something is wrong: roles that are gone or may not connect, procedures that misbehave, work without
//! a background worker (hypertables.md, section 18, 33 and 36).

use crate::common::{Cluster, Db, fails, one, rows, try_one, wait_until};

fn server() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .start()
}

/// A database with a role that owns a table `ran` and a procedure that writes to it.
fn with_procedure<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(
        "DO $$ BEGIN CREATE ROLE alice LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT CREATE ON SCHEMA public TO alice; SET ROLE alice;
         CREATE TABLE ran (job int, who name DEFAULT current_user, at timestamptz DEFAULT clock_timestamp());
         CREATE PROCEDURE note(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
           IF config ? 'unlock' THEN PERFORM pg_advisory_unlock_all(); END IF;
           INSERT INTO ran (job) VALUES (job_id); COMMIT;
           PERFORM pg_sleep(coalesce((config->>'sleep')::float, 0));
         END $$",
    );
    db
}

fn wait_for(db: &Db<'_>, what: &str, sql: &str) {
    let mut session = db.session();
    wait_until(what, || one(&mut session, sql) == "t");
}

#[test]
fn whoever_changes_a_job_of_another_role_does_not_run_its_check_with_rights_of_his_own() {
    let cluster = Cluster::builder().start();
    let db = with_procedure(&cluster, "jobs");
    one(
        &mut db.session_as("alice"),
        "CREATE FUNCTION look(config jsonb) RETURNS void LANGUAGE plpgsql AS
           'BEGIN INSERT INTO ran (job) VALUES (-1); RESET ROLE; END';
         SELECT strata.add_job('note', '1 hour', scheduled => false)",
    );
    let mut session = db.session();
    // the superuser turns the check on, and gives a config
    fails(
        &mut session,
        "SELECT strata.alter_job(1000, check_config => 'look')",
        "42501",
        &["role"],
    );
    one(
        &mut session,
        "CREATE OR REPLACE FUNCTION look(config jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO ran (job) VALUES (-1)';
         SELECT strata.alter_job(1000, check_config => 'look', config => '{}')",
    );
    assert_eq!(one(&mut session, "SELECT who FROM ran"), "alice");
}

#[test]
fn policies_belong_to_whoever_owns_the_table() {
    let cluster = server();
    let db = with_procedure(&cluster, "jobs");
    db.run("CREATE ROLE bob LOGIN; GRANT CREATE ON SCHEMA public TO bob");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        "CREATE TABLE m (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         SELECT strata.premake_chunks('m', now() - interval '5 days', now());
         SELECT strata.add_retention_policy('m', interval '2 days', initial_start => now() + interval '1 hour')",
    );
    db.run("REASSIGN OWNED BY alice TO bob");
    let id = "SELECT job_id FROM strata.jobs WHERE proc_name = 'policy_retention'";
    let id = db.one(id);
    // not alice's any more
    fails(
        &mut alice,
        &format!("SELECT strata.alter_job({id}, config => '{{\"drop_after\": \"0\"}}')"),
        "42501",
        &["owner"],
    );
    assert_eq!(one(&mut alice, "SELECT count(*) FROM strata.jobs"), "0");
    let mut bob = db.session_as("bob");
    assert_eq!(
        one(&mut bob, "SELECT DISTINCT owner FROM strata.jobs"),
        "bob"
    );
    one(
        &mut bob,
        &format!("SELECT strata.alter_job({id}, next_start => now())"),
    );
    wait_for(
        &db,
        "old chunks are gone",
        "SELECT min(range_end) > now() - interval '2 days' FROM strata.chunks",
    );
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
}

#[test]
fn a_job_whose_role_may_not_connect_fails_and_backs_off() {
    let cluster = server();
    let db = with_procedure(&cluster, "jobs");
    db.run("REVOKE CONNECT ON DATABASE jobs FROM PUBLIC");
    db.run("SET SESSION AUTHORIZATION alice; SELECT strata.add_job('note', '1 hour')");
    wait_for(
        &db,
        "the failure is noted",
        "SELECT count(*) = 1 FROM strata.job_errors WHERE sqlerrcode = '55000' AND err_message LIKE '%could not start%'",
    );
    let later = "SELECT next_start > now() + interval '4 minutes' AND total_failures = 1 FROM strata.job_stats";
    assert_eq!(db.one(later), "t");
    let log = cluster.log();
    assert_eq!(log.matches("permission denied for database").count(), 1);
}

#[test]
fn a_job_of_a_dropped_role_fails_and_says_so() {
    let cluster = server();
    let db = with_procedure(&cluster, "jobs");
    one(
        &mut db.session_as("alice"),
        "SELECT strata.add_job('note', '1 hour', scheduled => false)",
    );
    db.run(
        "DROP OWNED BY alice; DROP ROLE alice;
         CREATE TABLE ran (who name);
         CREATE PROCEDURE note(job_id int, config jsonb) LANGUAGE sql AS 'INSERT INTO ran VALUES (current_user)'",
    );
    let mut session = db.session();
    one(&mut session, "GRANT INSERT ON ran TO PUBLIC");
    fails(
        &mut session,
        "CALL strata.run_job(1000)",
        "42704",
        &["owner of job 1000"],
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM ran"), "0");
    one(&mut session, "SELECT strata.delete_job(1000)");
}

#[test]
fn without_a_worker_one_broken_policy_does_not_keep_the_others_from_running() {
    let cluster = Cluster::builder().start();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"CREATE TABLE m (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
           SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
           SELECT strata.premake_chunks('m', now() - interval '5 days', now());
           SELECT strata.add_retention_policy('m', interval '2 days');
           SELECT strata.alter_job(job_id, config => '{"drop_after": "a while"}') FROM strata.jobs WHERE proc_name = 'policy_retention';
           SELECT strata.add_job('note', '1 hour')"#,
    );
    one(&mut alice, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "1");
    let error = one(&mut alice, "SELECT sqlerrcode FROM strata.job_errors");
    assert_eq!(error, "22007");
    // inside a transaction, a function or a block that must be able to roll back: refused. In DO it may commit
    let call = "CALL strata.run_maintenance()";
    fails(&mut alice, &format!("BEGIN; {call}"), "25001", &[]);
    one(&mut alice, "ROLLBACK");
    fails(
        &mut alice,
        &format!(
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN {call}; END'; SELECT f()"
        ),
        "25001",
        &[],
    );
    one(&mut alice, &format!("DO 'BEGIN {call}; END'"));
    fails(
        &mut alice,
        &format!("DO 'BEGIN BEGIN {call}; EXCEPTION WHEN division_by_zero THEN NULL; END; END'"),
        "25001",
        &[],
    );
}

#[test]
fn run_maintenance_ends_although_a_job_is_always_due() {
    let cluster = Cluster::builder().start();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"SELECT strata.add_job('note', '0.1 s', '{"sleep": 0.4}'); SET statement_timeout = '15s'"#,
    );
    one(&mut alice, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "1");
}

#[test]
fn a_start_that_is_set_during_a_run_stays() {
    let cluster = server();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"SELECT strata.add_job('note', '1 hour', '{"sleep": 1}')"#,
    );
    wait_for(&db, "it runs", "SELECT count(*) = 1 FROM ran");
    one(
        &mut alice,
        "SELECT strata.alter_job(1000, next_start => '2100-01-01 UTC')",
    );
    wait_for(
        &db,
        "it has ended",
        "SELECT total_successes = 1 FROM strata.job_stats",
    );
    wait_for(
        &db,
        "it is not running",
        "SELECT job_status = 'Scheduled' FROM strata.job_stats",
    );
    assert_eq!(
        one(
            &mut alice,
            "SELECT next_start = '2100-01-01 UTC' FROM strata.jobs"
        ),
        "t"
    );
}

#[test]
fn a_procedure_that_lets_go_of_all_locks_still_runs_once_at_a_time() {
    let cluster = server();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"SELECT strata.add_job('note', '1 hour', '{"sleep": 600, "unlock": true}')"#,
    );
    wait_for(&db, "it runs", "SELECT count(*) = 1 FROM ran");
    fails(
        &mut alice,
        "CALL strata.run_job(1000)",
        "55006",
        &["running"],
    );
    one(&mut alice, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM ran"), "1");
    assert_eq!(
        one(&mut alice, "SELECT count(*) FROM strata.job_errors"),
        "0"
    );
}

#[test]
fn a_schedule_without_a_tick_in_reach_goes_on_and_after_a_standstill_there_is_one_run() {
    let cluster = server();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    fails(
        &mut alice,
        "SELECT strata.add_job('note', '1 day -23:59:59')",
        "22023",
        &["schedule_interval"],
    );
    // due since 2020, every minute: one run, and then the next full minute
    one(
        &mut alice,
        "SELECT strata.add_job('note', '1 minute', initial_start => '2020-01-01 00:00:30 UTC')",
    );
    wait_for(
        &db,
        "it has run",
        "SELECT total_successes >= 1 FROM strata.job_stats",
    );
    let next = "SELECT extract(second FROM next_start) = 30 AND next_start > last_successful_finish
        AND next_start <= last_successful_finish + interval '61 s' FROM strata.job_stats";
    assert_eq!(one(&mut alice, next), "t");
    assert!(
        one(&mut alice, "SELECT count(*) FROM ran")
            .parse::<i32>()
            .unwrap()
            <= 2
    );
}

/// A crash between the two would repeat a run that is known to have succeeded.
#[test]
fn the_end_of_a_run_and_the_time_of_the_next_are_committed_together() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("track_commit_timestamp", "on")
        .start();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    one(
        &mut alice,
        r#"CREATE PROCEDURE broken(job_id int, config jsonb) LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END';
           SELECT strata.add_job('note', '1 hour');
           SELECT strata.alter_job(strata.add_job('broken', '1 hour', scheduled => false), max_retries => 3, scheduled => true);
           SELECT strata.alter_job(strata.add_job('broken', '1 hour', scheduled => false), max_retries => 0, scheduled => true);
           SELECT strata.add_job('note', '1 hour', '{"sleep": 600}')"#,
    );
    wait_for(
        &db,
        "one succeeds, two fail, one runs",
        "SELECT count(*) FILTER (WHERE last_run_status IS NOT NULL) = 3
           AND count(*) FILTER (WHERE job_status = 'Running') = 1 FROM strata.job_stats",
    );
    wait_for(
        &db,
        "the process of the last one is found",
        "SELECT pg_terminate_backend(pid) FROM strata.job_state WHERE job_id = 1003",
    );
    wait_for(
        &db,
        "it has ended, and one is switched off",
        "SELECT count(*) FILTER (WHERE last_run_status IS NOT NULL) = 4
           AND count(*) FILTER (WHERE job_status = 'Paused') = 1 FROM strata.job_stats",
    );
    // subtransactions have the time of their transaction
    let mut session = db.session();
    assert_eq!(
        rows(
            &mut session,
            "SELECT s.job_id, s.last_ok, pg_xact_commit_timestamp(s.xmin) = pg_xact_commit_timestamp(r.xmin), s.next_start > r.finish_time
             FROM strata.job_state s JOIN strata.job_run r USING (job_id) ORDER BY 1"
        ),
        "1000|t|t|t\n1001|f|t|t\n1002|f|t|t\n1003|f|t|t"
    );
}

#[test]
fn the_history_of_a_job_is_bounded_and_names_of_roles_are_kept_up() {
    let cluster = Cluster::builder().start();
    let db = with_procedure(&cluster, "jobs");
    one(
        &mut db.session_as("alice"),
        "SELECT strata.add_job('note', '1 hour', scheduled => false)",
    );
    db.run(
        "INSERT INTO strata.job_run (job_id, owner_oid, succeeded, proc_schema, proc_name, finish_time)
         SELECT 1000, 'alice'::regrole, true, 'public', 'note', now() FROM generate_series(1, 10500);
         ALTER ROLE alice RENAME TO anna; CALL strata.run_maintenance()",
    );
    assert_eq!(db.one("SELECT count(*) FROM strata.job_history"), "10000");
    // by this name the job finds its role after a restore
    assert_eq!(db.one("SELECT owner FROM strata.job"), "anna");
}

#[test]
fn a_clock_that_was_ahead_does_not_keep_jobs_waiting() {
    let cluster = Cluster::builder().start();
    let db = with_procedure(&cluster, "jobs");
    one(
        &mut db.session_as("alice"),
        "SELECT strata.add_job('note', '1 hour', fixed_schedule => false)",
    );
    db.run(
        "UPDATE strata.job_state SET started_at = now() + interval '5 years', finished_at = now() + interval '5 years',
           next_start = now() + interval '5 years 1 hour';
         CALL strata.run_maintenance()",
    );
    let next = "SELECT next_start <= now() + interval '61 minutes' FROM strata.jobs";
    assert_eq!(db.one(next), "t");
}

#[test]
fn databases_and_extensions_can_be_dropped_while_a_job_runs() {
    let cluster = server();
    for name in ["one", "two"] {
        let db = with_procedure(&cluster, name);
        one(
            &mut db.session_as("alice"),
            r#"SELECT strata.add_job('note', '1 hour', '{"sleep": 600}')"#,
        );
        wait_for(&db, "it runs", "SELECT count(*) = 1 FROM ran");
    }
    let mut session = cluster.client("postgres");
    one(&mut session, "SET statement_timeout = '20s'");
    one(&mut session, "DROP DATABASE one");
    let two = Db {
        cluster: &cluster,
        name: "two",
    };
    let mut session = two.session();
    one(&mut session, "SET statement_timeout = '20s'");
    one(&mut session, "DROP EXTENSION pg_strata");
    let job = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_strata job'";
    one(&mut session, job);
    // it comes back clean
    one(&mut session, "CREATE EXTENSION pg_strata");
    assert_eq!(one(&mut session, "SELECT count(*) FROM strata.jobs"), "0");
    let mut alice = two.session_as("alice");
    one(&mut alice, "SELECT strata.add_job('note', '1 hour')");
    wait_for(
        &two,
        "the new one has run",
        "SELECT total_successes = 1 FROM strata.job_stats",
    );
}

#[test]
fn two_databases_run_their_own_jobs_and_templates_none() {
    let cluster = server();
    for name in ["one", "two"] {
        let db = with_procedure(&cluster, name);
        one(
            &mut db.session_as("alice"),
            "SELECT strata.add_job('note', '1 hour')",
        );
        wait_for(
            &db,
            "it has run",
            "SELECT total_successes = 1 FROM strata.job_stats",
        );
    }
    cluster.psql("postgres", "CREATE DATABASE three TEMPLATE one");
    let three = Db {
        cluster: &cluster,
        name: "three",
    };
    assert_eq!(three.one("SELECT active FROM strata.jobs"), "f");
    assert_eq!(
        rows(
            &mut three.session(),
            "SELECT value, ok, hint FROM strata.health() WHERE name = 'jobs of another database'"
        ),
        "1|f|SELECT strata.start_workers() lets them run here"
    );
    let error = try_one(
        &mut three.session_as("alice"),
        "SELECT strata.start_workers()",
    );
    assert!(error.is_err());
}

#[test]
fn fixed_schedules_keep_their_time_of_day_from_origins_in_summer_and_in_winter() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("strata.max_running_jobs", "0")
        .start();
    let db = with_procedure(&cluster, "jobs");
    let mut alice = db.session_as("alice");
    // one of each pair lies on the other side of a change of the clock, whatever the season is now
    for origin in ["2020-01-31 06:30", "2020-07-31 06:30"] {
        for step in ["1 day", "1 week", "1 month", "1 year"] {
            one(
                &mut alice,
                &format!(
                    "SELECT strata.alter_job(strata.add_job('note', '{step}', initial_start => '{origin} Europe/Berlin', timezone => 'Europe/Berlin'), fixed_schedule => true)"
                ),
            );
        }
    }
    let wrong = "SELECT count(*) FROM strata.jobs WHERE (next_start AT TIME ZONE timezone)::time <> '06:30' OR next_start <= now()
        OR next_start > now() + schedule_interval + interval '1 day'
        OR extract(day FROM next_start AT TIME ZONE timezone) < 28 AND schedule_interval >= '1 month'";
    assert_eq!(one(&mut alice, wrong), "0");
    assert_eq!(one(&mut alice, "SELECT count(*) FROM strata.jobs"), "8");
}
