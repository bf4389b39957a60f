//! Policies and jobs of `add_job` run as jobs of ring 0.

use crate::common::{Cluster, Stop, arm, fails, succeeds, wait_until};
use crate::sql_jobs::builder;
use crate::support::{Db, exec, one, rows};
use postgres::Client;

/// A database with a procedure that writes down its run, waits for the lock of table `gate`, and fails if it is told to.
pub fn with_procedure<'a>(server: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(server, name);
    db.run(
        "CREATE TABLE ran (job int); CREATE TABLE gate ();
         CREATE PROCEDURE work(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO ran VALUES (job_id); COMMIT;
           LOCK TABLE gate IN ACCESS SHARE MODE;
           IF config ? 'fail' THEN RAISE EXCEPTION 'no luck'; END IF;
         END $$;
         CREATE FUNCTION left_over() RETURNS bigint LANGUAGE plpgsql AS $$
           DECLARE n bigint; seg text; every bigint := (SELECT count(*) FROM strata.job_queued) + (SELECT count(*) FROM strata.queue_worker);
         BEGIN
           -- a free one may be dropped at any time
           FOR seg IN SELECT name FROM strata.queue_segment WHERE ring = 0 AND state <> 'free' LOOP
             EXECUTE format('SELECT count(*) FROM strata.%I', seg) INTO n;
             every := every + n;
           END LOOP;
           RETURN every;
         END $$",
    );
    db
}

pub fn add(session: &mut Client, more: &str) -> i32 {
    let sql = format!("SELECT strata.add_job('work', '1 hour'{more})");
    one(session, &sql).parse().expect("a number")
}

/// Keeps runs from their end, until dropped.
pub fn shut(db: &Db<'_>) -> Client {
    let mut holder = db.session();
    exec(&mut holder, "BEGIN; LOCK TABLE gate");
    holder
}

/// Nothing of any run is left: in the ring, in what is known of runs and of who has them.
#[track_caller]
pub fn wait_tidy(session: &mut Client) {
    wait_until("no run is left", || {
        one(session, "SELECT left_over()") == "0"
    });
}

#[track_caller]
pub fn wait_tidy_after(session: &mut Client, sql: &str) {
    wait_for(session, "it has run", sql);
    wait_tidy(session);
}

#[track_caller]
pub fn wait_for(session: &mut Client, what: &str, sql: &str) {
    wait_until(what, || one(session, sql) == "t");
}

pub const RUNS: &str = "SELECT payload->>'job_id', kind, state, attempt FROM strata.queue_jobs WHERE queue = 'strata.jobs' ORDER BY id";

#[test]
fn runs_wait_in_the_queue_for_a_process_and_leave_it_when_they_end() {
    let server = builder().set("strata.max_running_jobs", "2").start();
    let db = with_procedure(&server, "runs");
    let mut s = db.session();
    let mut gate = shut(&db);
    exec(&mut s, "BEGIN");
    for _ in 0..3 {
        add(&mut s, "");
    }
    exec(&mut s, "COMMIT");
    wait_until("two run and one waits", || {
        rows(&mut s, RUNS) == "1000|work|running|1\n1001|work|running|1\n1002|work|ready|0"
    });
    let stats =
        "SELECT ready, running, workers FROM strata.queue_stats WHERE queue = 'strata.jobs'";
    assert_eq!(rows(&mut s, stats), "1|2|2");
    exec(&mut gate, "COMMIT");
    wait_for(
        &mut s,
        "all have run",
        "SELECT count(*) = 3 FROM strata.job_stats WHERE total_successes = 1 AND next_start > now() + interval '50 minutes'",
    );
    wait_tidy(&mut s);
    assert_eq!(one(&mut s, "SELECT count(*) FROM ran"), "3");
    // what a transaction did counts when it has ended
    let stats = "SELECT ready, running, pushed, done, failed FROM strata.queue_stats WHERE queue = 'strata.jobs'";
    wait_until("all counts", || rows(&mut s, stats) == "0|0|3|3|0");
    // a failed run has failed there, too
    add(&mut s, r#", '{"fail": 1}'"#);
    wait_for(
        &mut s,
        "it has failed",
        "SELECT total_failures = 1 FROM strata.job_stats WHERE job_id = 1003",
    );
    wait_tidy(&mut s);
    wait_until("that counts, too", || rows(&mut s, stats) == "0|0|4|3|1");
}

#[test]
fn nobody_reaches_the_queue_of_runs_by_name() {
    let server = builder().start();
    server.psql("postgres", "CREATE ROLE alice LOGIN");
    let db = with_procedure(&server, "names");
    let mut s = db.session();
    let mut gate = shut(&db);
    add(&mut s, "");
    wait_until("it runs", || rows(&mut s, RUNS) == "1000|work|running|1");
    for call in [
        "queue_pop('strata.jobs')",
        "queue_push('strata.jobs', '1')",
        "drop_queue('strata.jobs', force => true)",
        "queue_purge('strata.jobs')",
        "queue_requeue_in_progress('strata.jobs')",
        "alter_queue('strata.jobs', max_attempts => 2)",
    ] {
        let sql = format!("SELECT * FROM strata.{call}");
        fails(
            &mut s,
            &sql,
            "42704",
            &["queue \"strata.jobs\" does not exist"],
        );
    }
    let reserved = ["queue name \"strata.jobs\" is reserved"];
    fails(
        &mut s,
        "SELECT strata.create_queue('strata.jobs')",
        "42939",
        &reserved,
    );
    exec(&mut s, "SELECT strata.create_queue('q')");
    let rename = "SELECT strata.alter_queue('q', rename_to => 'strata.jobs')";
    fails(&mut s, rename, "42939", &reserved);
    let own = "SELECT count(*) FROM strata.queues WHERE queue <> 'q'";
    assert_eq!(one(&mut s, own), "0");
    let mut alice = db.session_as("alice");
    for view in ["queue_jobs", "queue_stats", "queue_workers"] {
        let sql = format!("SELECT count(*) FROM strata.{view} WHERE queue = 'strata.jobs'");
        assert_eq!(one(&mut s, &sql), "1", "{view}");
        assert_eq!(one(&mut alice, &sql), "0", "{view}");
    }
    exec(&mut gate, "COMMIT");
    wait_tidy(&mut s);
}

#[test]
fn a_run_that_nobody_wants_any_more_is_taken_out_of_the_queue() {
    let server = builder().set("strata.max_running_jobs", "1").start();
    let db = with_procedure(&server, "unwanted");
    let mut s = db.session();
    let mut gate = shut(&db);
    for _ in 0..4 {
        add(&mut s, "");
    }
    let waiting = "SELECT count(*) = 3 FROM strata.queue_jobs WHERE queue = 'strata.jobs' AND state = 'ready'";
    wait_for(&mut s, "three wait", waiting);
    exec(
        &mut s,
        "SELECT strata.delete_job(1001); SELECT strata.alter_job(1002, next_start => now() + interval '1 day');
         SELECT strata.alter_job(1003, scheduled => false)",
    );
    wait_until("they are gone", || {
        rows(&mut s, RUNS) == "1000|work|running|1"
    });
    // deleted while it runs: it runs to its end
    exec(&mut s, "SELECT strata.delete_job(1000)");
    exec(&mut gate, "COMMIT");
    wait_tidy(&mut s);
    assert_eq!(rows(&mut s, "SELECT job FROM ran"), "1000");
    let stats = "SELECT job_id, total_runs FROM strata.job_stats ORDER BY job_id";
    assert_eq!(rows(&mut s, stats), "1002|0\n1003|0");
}

#[test]
fn a_run_whose_process_is_killed_leaves_nothing_and_is_noted_once() {
    let server = builder().start();
    let db = with_procedure(&server, "killed");
    let mut s = db.session();
    for point in ["queue.claimed", "queue.ran"] {
        arm(&server, &format!("{point}:sleep"));
        let job = add(&mut s, "");
        let sql = format!("SELECT strata.alter_job({job}, retry_period => '200 ms')");
        one(&mut s, &sql);
        let claimed = "SELECT count(*) = 1 FROM strata.job_queued WHERE claim IS NOT NULL";
        wait_for(&mut s, "it is claimed", claimed);
        let there = "SELECT coalesce(max(pid), 0) FROM pg_stat_activity \
            WHERE backend_type = 'pg_strata job' AND application_name = 'pg_strata job run'";
        let pid = one(&mut s, there).parse().expect("a number");
        if point == "queue.ran" {
            let sleeps = format!(
                "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {pid} AND xact_start IS NULL \
                 AND wait_event_type = 'Extension' AND (SELECT count(*) FROM ran) > 0"
            );
            wait_for(&mut s, "it has run", &sleeps);
        }
        server.kill_backend(pid);
        arm(&server, "");
        s = db.session();
        let ended =
            format!("SELECT total_successes = 1 FROM strata.job_stats WHERE job_id = {job}");
        wait_for(&mut s, "it has run after all", &ended);
        wait_tidy(&mut s);
        let errors = format!("SELECT err_message FROM strata.job_errors WHERE job_id = {job}");
        let text = "the process of the job ended without a result";
        assert_eq!(rows(&mut s, &errors), text, "{point}");
        exec(&mut s, "TRUNCATE ran");
    }
}

#[test]
fn after_a_crash_of_the_server_runs_go_on_from_the_queue() {
    let mut server = builder().set("strata.max_running_jobs", "1").start();
    let gate;
    let waiting = "SELECT job_id, queue_job FROM strata.job_queued WHERE claim IS NULL ORDER BY 1";
    let queued;
    {
        let db = with_procedure(&server, "crash");
        let mut s = db.session();
        gate = shut(&db);
        exec(&mut s, "BEGIN");
        for _ in 0..3 {
            let job = add(&mut s, "");
            let sql = format!("SELECT strata.alter_job({job}, retry_period => '200 ms')");
            one(&mut s, &sql);
        }
        exec(&mut s, "COMMIT");
        let there = "SELECT count(*) = 3 AND count(*) FILTER (WHERE state = 'running') = 1 \
            FROM strata.queue_jobs WHERE queue = 'strata.jobs'";
        wait_for(&mut s, "one runs and two wait", there);
        queued = rows(&mut s, waiting);
    }
    server.configure(&[("strata.max_running_jobs", "0")]);
    server.restart(Stop::Immediate);
    drop(gate);
    let db = Db {
        cluster: &server,
        name: "crash",
    };
    let mut s = db.session();
    wait_for(
        &mut s,
        "the run that was broken off is noted",
        "SELECT sum(total_failures) = 1 FROM strata.job_stats",
    );
    let now = rows(&mut s, waiting);
    assert!(now.contains(&queued), "{now}, and before {queued}");
    server.configure(&[("strata.max_running_jobs", "1")]);
    server.reload();
    let ended = "SELECT count(*) = 3 FROM strata.job_stats WHERE total_successes = 1";
    wait_for(&mut s, "all have run", ended);
    wait_tidy(&mut s);
    let failed = "SELECT count(*), min(err_message) FROM strata.job_errors";
    let text = "1|the process of the job ended without a result";
    assert_eq!(rows(&mut s, failed), text);
}

#[test]
fn ring_0_turns_and_belongs_to_the_extension() {
    let server = builder()
        .set("strata.queue_segment_rows", "1000")
        .set("strata.queue_segment_age", "0")
        .start();
    let db = with_procedure(&server, "ring");
    let mut s = db.session();
    // one run stays claimed all the time
    let mut gate = shut(&db);
    add(&mut s, "");
    let running = "SELECT claim, (SELECT state FROM strata.queue_jobs) FROM strata.job_queued";
    wait_until("it runs", || rows(&mut s, running).ends_with("|running"));
    let claim = rows(&mut s, running);
    // as thousands of runs leave it: the tail is full of rows that nobody needs
    for turn in 2..=4 {
        let tail = "SELECT name FROM strata.queue_segment WHERE ring = 0 AND state = 'tail'";
        let tail = one(&mut s, tail);
        exec(
            &mut s,
            &format!(
                "INSERT INTO strata.{tail} (seq, id, qid, lane, state) SELECT n, n, -1, 101, 'r' FROM generate_series(1, 2000) n; \
                 DELETE FROM strata.{tail} WHERE qid = -1"
            ),
        );
        let turned =
            format!("SELECT max(generation) >= {turn} FROM strata.queue_segment WHERE ring = 0");
        wait_until("the ring has turned", || {
            exec(&mut s, "CALL strata.queue_maintain()");
            one(&mut s, &turned) == "t"
        });
    }
    let first = "SELECT NOT EXISTS (SELECT FROM strata.queue_segment WHERE ring = 0 AND generation = 1 AND state <> 'free')";
    wait_until("its first segment was emptied", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, first) == "t"
    });
    assert_eq!(rows(&mut s, running), claim, "it was moved on");
    exec(&mut gate, "COMMIT");
    wait_tidy(&mut s);
    let stats = "SELECT total_successes, total_failures FROM strata.job_stats";
    assert_eq!(rows(&mut s, stats), "1|0");
    let stats = "SELECT done, failed FROM strata.queue_stats WHERE queue = 'strata.jobs'";
    wait_until("it has ended as done", || rows(&mut s, stats) == "1|0");
    let strangers = "SELECT count(*) FROM pg_class c WHERE c.relname LIKE 'queue\\_seg\\_0\\_%' AND c.relkind = 'r' \
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')";
    assert_eq!(one(&mut s, strangers), "0");
    let dump = succeeds(server.tool("pg_dump").arg("ring"));
    assert!(!dump.contains("queue_seg_0"), "ring 0 is in the dump");
    assert!(
        !dump.contains("COPY strata.job_queued"),
        "runs are in the dump"
    );
    // also while a run is queued; and all begins anew
    server.configure(&[("strata.max_running_jobs", "0")]);
    server.reload();
    add(&mut s, "");
    wait_for(
        &mut s,
        "it waits",
        "SELECT count(*) = 1 FROM strata.job_queued",
    );
    exec(&mut s, "DROP EXTENSION pg_strata");
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'queue\\_seg%'";
    assert_eq!(one(&mut s, left), "0");
    server.configure(&[("strata.max_running_jobs", "2")]);
    server.reload();
    exec(&mut s, "TRUNCATE ran; CREATE EXTENSION pg_strata");
    add(&mut s, "");
    wait_tidy_after(&mut s, "SELECT count(*) = 1 FROM ran");
    wait_until("counts begin anew", || rows(&mut s, stats) == "1|0");
}
