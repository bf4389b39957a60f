//! Nothing is lost and nothing is done twice, whatever is killed.

use crate::common::{Cluster, Stop, wait_until_within};
use crate::support::{exec, one, with_queue};
use postgres::{Client, NoTls};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Connects, again and again while the server recovers.
struct Door {
    socket: PathBuf,
    closed: AtomicBool,
}

impl Door {
    fn session(&self) -> Option<Client> {
        while !self.closed.load(Ordering::Relaxed) {
            let mut config = postgres::Config::new();
            config
                .host_path(&self.socket)
                .user("postgres")
                .dbname("chaos");
            if let Ok(client) = config.connect(NoTls) {
                return Some(client);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

/// Pushes jobs in transactions of 100 and notes the ids of each in it; some are rolled back.
fn push(door: &Door, jobs: usize) {
    let mut pushed = 0;
    let mut session = door.session().expect("the server");
    for turn in 0.. {
        if pushed >= jobs {
            return;
        }
        let end = if turn % 10 == 9 { "ROLLBACK" } else { "COMMIT" };
        let sql = format!(
            "BEGIN; INSERT INTO pushed SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 100) g; {end}"
        );
        match session.batch_execute(&sql) {
            Ok(()) if end == "COMMIT" => pushed += 100,
            Ok(()) => {}
            // whether it was committed is known from the table only: there may be more jobs than that
            Err(_) => session = door.session().expect("the server"),
        }
    }
}

/// Claims jobs and, with the next call, completes them and notes that in the same transaction.
fn work(door: &Door, worker: usize, ended: &AtomicUsize) {
    let Some(mut session) = door.session() else {
        return;
    };
    let mut mine: Vec<(i64, i64)> = Vec::new();
    while !door.closed.load(Ordering::Relaxed) {
        match turn(&mut session, worker, &mine) {
            Ok(next) => {
                ended.fetch_add(mine.len(), Ordering::Relaxed);
                if next.is_empty() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                mine = next;
            }
            Err(_) => {
                // the outcome of the last transaction is not known: its jobs are given out again, or have ended
                mine.clear();
                match session.is_closed() {
                    true => match door.session() {
                        Some(new) => session = new,
                        None => return,
                    },
                    false => drop(session.batch_execute("ROLLBACK")),
                }
            }
        }
    }
}

fn turn(
    session: &mut Client,
    worker: usize,
    mine: &[(i64, i64)],
) -> Result<Vec<(i64, i64)>, postgres::Error> {
    let ids: Vec<i64> = mine.iter().map(|m| m.0).collect();
    let claims: Vec<i64> = mine.iter().map(|m| m.1).collect();
    let mut transaction = session.transaction()?;
    transaction.execute("INSERT INTO ended SELECT unnest($1::bigint[])", &[&ids])?;
    let rows = transaction.query(
        "SELECT id, claim FROM strata.queue_next('q', $1::text, done => $2, n => 20, lease => '4 s', strict => true)",
        &[&format!("w{worker}"), &claims],
    )?;
    transaction.commit()?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

#[test]
fn sixteen_workers_with_kills_and_an_immediate_restart_lose_and_double_nothing() {
    const JOBS: usize = 100_000;
    let mut server = Cluster::builder()
        .preload(true)
        .set("max_connections", "100")
        .set("strata.queue_segment_rows", "20000")
        .set("strata.queue_segment_age", "0")
        .start();
    {
        let db = with_queue(&server, "chaos");
        db.run(
            "CREATE TABLE pushed (id bigint); CREATE TABLE ended (id bigint);
             SELECT strata.alter_queue('q', max_attempts => 1000)",
        );
    }
    let door = Door {
        socket: Path::new(server.socket()).to_owned(),
        closed: AtomicBool::new(false),
    };
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| push(&door, JOBS / 2)))
            .collect();
        for worker in 0..16 {
            let (door, ended) = (&door, &ended);
            scope.spawn(move || work(door, worker, ended));
        }
        harm(&mut server, &door, &ended, JOBS);
        pushers
            .into_iter()
            .for_each(|p| p.join().expect("a pusher"));
        let mut session = door.session().expect("the server");
        wait_until_within(Duration::from_secs(240), "all jobs have ended", || {
            exec(&mut session, "CALL strata.queue_maintain()");
            std::thread::sleep(Duration::from_millis(200));
            one(
                &mut session,
                "SELECT (SELECT count(*) FROM ended) >= (SELECT count(*) FROM pushed)",
            ) == "t"
        });
        door.closed.store(true, Ordering::Relaxed);
    });
    let mut session = server.client("chaos");
    let sum = "SELECT count(*), count(DISTINCT id) FROM ended";
    let pushed = one(&mut session, "SELECT count(*) FROM pushed");
    assert_eq!(
        crate::support::rows(&mut session, sum),
        format!("{pushed}|{pushed}")
    );
    let missing = "SELECT count(*) FROM (SELECT id FROM pushed EXCEPT SELECT id FROM ended) x";
    assert_eq!(one(&mut session, missing), "0");
    let left = "SELECT count(*) FROM strata.queue_pop('q', n => 100)";
    assert_eq!(one(&mut session, left), "0");
}

/// Ends sessions in the middle of their work, kills two as kill -9 does, and stops the server at once.
fn harm(server: &mut Cluster, door: &Door, ended: &AtomicUsize, jobs: usize) {
    let others = "FROM pg_stat_activity WHERE datname = 'chaos' AND backend_type = 'client backend' \
                  AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1";
    for step in 1..=20 {
        wait_until_within(Duration::from_secs(240), "more jobs have ended", || {
            ended.load(Ordering::Relaxed) >= step * jobs / 25
        });
        if step == 10 {
            server.restart(Stop::Immediate);
            continue;
        }
        let Some(mut session) = door.session() else {
            return;
        };
        if step % 8 == 4 {
            if let Ok(row) = session.query_one(&format!("SELECT pid {others}"), &[]) {
                let pid: i32 = row.get(0);
                drop(session);
                server.kill_backend(pid.unsigned_abs());
            }
        } else {
            let _ = session.batch_execute(&format!("SELECT pg_terminate_backend(pid) {others}"));
        }
    }
}
