//! Limits of groups hold whatever is killed.

use crate::common::{Cluster, wait_until_within};
use crate::support::{Db, exec, one, rows, with_queue};
use postgres::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WORKERS: usize = 32;
const JOBS: usize = 900;

/// A session, again and again while the server recovers.
fn session(server: &Cluster, closed: &AtomicBool) -> Option<Client> {
    while !closed.load(Ordering::Relaxed) {
        if let Ok(client) = server.try_client("limits") {
            return Some(client);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Claims a job and notes its end in the transaction that ends it; false if there is none.
fn turn(session: &mut Client) -> Result<bool, postgres::Error> {
    let sql = "SELECT claim, group_key, payload::text FROM strata.queue_pop('q', session => true)";
    let Some(row) = session.query_opt(sql, &[])? else {
        return Ok(false);
    };
    let claim: i64 = row.get(0);
    let (group, payload): (String, String) = (row.get(1), row.get(2));
    let mut transaction = session.transaction()?;
    transaction.execute(
        "INSERT INTO ended SELECT nextval('turns'), $2, $3::text::int FROM strata.queue_complete('q', $1, strict => true)",
        &[&claim, &group, &payload],
    )?;
    transaction.commit()?;
    Ok(true)
}

fn work(server: &Cluster, closed: &AtomicBool) {
    let Some(mut client) = session(server, closed) else {
        return;
    };
    while !closed.load(Ordering::Relaxed) {
        match turn(&mut client) {
            Ok(true) => {}
            Ok(false) => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => match session(server, closed) {
                Some(new) => client = new,
                None => return,
            },
        }
    }
}

/// Members of each group that are ready or running, as of one moment.
const INSIDE: &str = "SELECT coalesce(max(n) FILTER (WHERE group_key = 'one'), 0), \
    coalesce(max(n) FILTER (WHERE group_key = 'three'), 0) FROM ( \
    SELECT group_key, count(*) AS n FROM strata.queue_jobs WHERE state IN ('ready', 'running') GROUP BY 1) g";
const OTHERS: &str = "FROM pg_stat_activity WHERE datname = 'limits' AND backend_type = 'client backend' \
    AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1";

/// Ends sessions at random, one of them as kill -9 does, and looks at the groups all the time.
fn harm(server: &Cluster, closed: &AtomicBool) {
    let mut client = session(server, closed).expect("the server");
    let mut kills = 0;
    wait_until_within(Duration::from_secs(240), "all jobs have ended", || {
        let Ok(row) = client.query_one(INSIDE, &[]) else {
            client = session(server, closed).expect("the server");
            return false;
        };
        let (one, three): (i64, i64) = (row.get(0), row.get(1));
        assert!(one <= 1 && three <= 3, "{one} and {three} members at once");
        let Ok(row) = client.query_one("SELECT count(*) FROM ended", &[]) else {
            return false;
        };
        let ended: i64 = row.get(0);
        if ended.unsigned_abs() as usize > kills * JOBS / 20 {
            kills += 1;
            if kills == 10 {
                let row = client.query_one(&format!("SELECT pid {OTHERS}"), &[]);
                if let Ok(pid) = row.map(|row| row.get::<_, i32>(0)) {
                    server.kill_backend(pid.unsigned_abs());
                }
            } else {
                let _ = client.batch_execute(&format!("SELECT pg_terminate_backend(pid) {OTHERS}"));
            }
        }
        ended.unsigned_abs() as usize >= JOBS
    });
    assert!(kills >= 15, "{kills}");
}

#[test]
fn a_limit_is_never_exceeded_by_32_workers_that_are_killed_at_random() {
    let server = Cluster::builder()
        .preload(true)
        .set("max_connections", "100")
        .start();
    let db = with_queue(&server, "limits");
    prepare(&db);
    let closed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(&server, &closed));
        }
        // whatever happens, the workers end
        let done =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| harm(&server, &closed)));
        closed.store(true, Ordering::Relaxed);
        if let Err(error) = done {
            std::panic::resume_unwind(error);
        }
    });
    let mut s = server.client("limits");
    let sum = "SELECT count(*), count(DISTINCT (g, n)) FROM ended";
    assert_eq!(rows(&mut s, sum), format!("{JOBS}|{JOBS}"), "each once");
    let order = "SELECT count(*) FROM (SELECT n, lag(n) OVER (ORDER BY turn) AS before FROM ended WHERE g = 'one') o \
                 WHERE n < before";
    assert_eq!(one(&mut s, order), "0", "one after the other");
    let left = "SELECT (SELECT count(*) FROM strata.queue_held_a) + (SELECT count(*) FROM strata.queue_ticket_a)";
    assert_eq!(one(&mut s, left), "0");
}

fn prepare(db: &Db<'_>) {
    db.run(
        "CREATE TABLE ended (turn bigint, g text, n int); CREATE SEQUENCE turns;
         SELECT strata.alter_queue('q', max_attempts => 1000), strata.queue_limit('q', 'three', 3)",
    );
    let mut s = db.session();
    exec(
        &mut s,
        &format!(
            "SELECT strata.queue_push('q', to_jsonb(g), group_key => CASE WHEN g % 3 = 0 THEN 'one' ELSE 'three' END) \
             FROM generate_series(1, {JOBS}) g"
        ),
    );
}
