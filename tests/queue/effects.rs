//! A SQL job takes effect once, whatever is killed while it runs.

use crate::common::{Cluster, Stop, wait_until, wait_until_within};
use crate::sql_jobs::builder;
use crate::support::{Db, exec, one, rows};
use postgres::Client;
use std::time::Duration;

const JOBS: usize = 900;

/// A session that comes back while the server recovers.
fn again(server: &Cluster) -> Client {
    let mut session = None;
    wait_until("the server answers", || {
        session = server.try_client("effects").ok();
        session.is_some()
    });
    session.expect("a session")
}

/// Makes ready what waits: after a crash, jobs that ran wait for a minute.
fn make_due(session: &mut Client) -> Result<(), postgres::Error> {
    for half in ["a", "b"] {
        let due = format!("UPDATE strata.queue_scheduled_{half} SET lease_until = now()");
        session.batch_execute(&due)?;
    }
    session.batch_execute("CALL strata.queue_maintain()")
}

fn effects(session: &mut Client) -> Result<usize, postgres::Error> {
    let row = session.query_one("SELECT count(*) FROM effect", &[])?;
    Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

/// Waits until so many jobs have taken effect, whatever ends this session meanwhile.
fn wait_for(server: &Cluster, wanted: usize) -> Client {
    let mut session = again(server);
    let what = format!("{wanted} jobs have taken effect");
    wait_until_within(Duration::from_secs(240), &what, || {
        let seen = make_due(&mut session).and_then(|()| effects(&mut session));
        match seen {
            Ok(seen) => seen >= wanted,
            Err(_) => {
                session = again(server);
                false
            }
        }
    });
    session
}

/// A process that runs a job.
fn runner(session: &mut Client) -> Option<u32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND query LIKE 'pg_strata: job %' \
        ORDER BY random() LIMIT 1";
    let row = session.query_opt(sql, &[]).ok().flatten()?;
    u32::try_from(row.get::<_, i32>(0)).ok()
}

#[test]
fn sql_jobs_take_effect_once_while_servers_and_processes_are_killed() {
    let mut server = builder()
        .set("strata.queue_segment_rows", "200")
        .set("strata.queue_segment_age", "0")
        .start();
    {
        let db = Db::new(&server, "effects");
        db.run(
            "SELECT strata.create_queue('q', keep => 'all', max_attempts => 1000, retry_delay => '0 s');
             CREATE TABLE effect (id bigint); CREATE TABLE pushed (id bigint)",
        );
        let mut s = db.session();
        // every tenth fails the first time, every seventh is a little slow
        exec(
            &mut s,
            &format!(
                "CREATE SEQUENCE tries;
                 CREATE FUNCTION work(job bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                   INSERT INTO effect VALUES (job);
                   IF job % 7 = 0 THEN PERFORM pg_sleep(0.02); END IF;
                   IF job % 10 = 0 AND nextval('tries') % 2 = 1 THEN RAISE 'not yet'; END IF;
                 END $$;
                 INSERT INTO pushed SELECT strata.queue_push_sql('q', 'SELECT work($2)') FROM generate_series(1, {JOBS})"
            ),
        );
    }
    let mut kills = 0;
    for step in 1..=8 {
        let mut session = wait_for(&server, step * JOBS / 10);
        match step {
            4 => server.restart(Stop::Immediate),
            7 => server.restart(Stop::Kill),
            _ => {
                let mut found = None;
                wait_until("a job runs", || {
                    if make_due(&mut session).is_err() {
                        session = again(&server);
                    }
                    found = runner(&mut session);
                    found.is_some() || effects(&mut session).is_ok_and(|n| n >= JOBS)
                });
                let Some(pid) = found else { break };
                kills += 1;
                if step % 3 == 2 {
                    drop(session);
                    server.kill_backend(pid);
                } else {
                    let _ = session.batch_execute(&format!("SELECT pg_terminate_backend({pid})"));
                }
            }
        }
    }
    assert!(kills > 0, "jobs ran while processes were ended");
    let mut s = wait_for(&server, JOBS);
    wait_until("all jobs are noted as done", || {
        make_due(&mut s).is_ok() && one(&mut s, "SELECT count(*) FROM strata.queue_jobs") == "0"
    });
    let sums = "SELECT count(*), count(DISTINCT id) FROM effect";
    assert_eq!(
        rows(&mut s, sums),
        format!("{JOBS}|{JOBS}"),
        "each took effect once"
    );
    let done =
        "SELECT count(*), count(DISTINCT id), bool_and(state = 'done') FROM strata.queue_history";
    assert_eq!(rows(&mut s, done), format!("{JOBS}|{JOBS}|t"));
    let others = "SELECT count(*) FROM pushed FULL JOIN effect USING (id) FULL JOIN strata.queue_history h USING (id) \
        WHERE pushed IS NULL OR effect IS NULL OR h IS NULL";
    assert_eq!(one(&mut s, others), "0");
    let again = "SELECT max(attempts) > 1 FROM strata.queue_history";
    assert_eq!(one(&mut s, again), "t", "some were interrupted");
}
