//! Everything at once: writers in many ways, chunks made and dropped, the table altered, makers ended.
//! What was committed is there once, what was not is not.

use crate::common::{Cluster, Db, one, rows, sqlstate};
use postgres::Client;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const WRITERS: i64 = 5;
const TRANSACTIONS: i64 = 40;
const HOURS: u64 = 300;

/// Errors that a client may meet here and answers by trying again.
const RETRY: [&str; 8] = [
    "40001", // serialization
    "40P01", // deadlock
    "55006", // being used
    "55P03", // lock timeout
    "53400", // no process for the maker
    "57000", // the maker was ended by an administrator
    "57P01", // so was the session
    "0A000", // "cached plan must not change result type"
];

/// PostgreSQL's own answer, without pg_strata too, to a REPEATABLE READ transaction that began before DETACH CONCURRENTLY
/// and looks after ALTER TABLE ADD COLUMN: its snapshot has the partition still, which did not get the column any more.
fn is_detached_under_a_column(error: &postgres::Error) -> bool {
    let text = "could not find inherited attribute \"extra\" of relation ";
    sqlstate(error) == "XX000"
        && error
            .as_db_error()
            .is_some_and(|e| e.message().starts_with(text))
}

/// A small generator: the seed is printed, and gives the same run of decisions.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn hour(&mut self) -> String {
        let hour = self.roll(HOURS);
        format!("'2026-01-01 00:30+00'::timestamptz + interval '{hour} hours'")
    }
}

/// One transaction; the ids that it would leave if it commits.
fn attempt(
    session: &mut Client,
    dice: &mut Dice,
    first: i64,
) -> Result<(BTreeSet<i64>, bool), postgres::Error> {
    let level = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"][dice.roll(3) as usize];
    session.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}"))?;
    let mut ids = BTreeSet::new();
    for step in 0..=dice.roll(3) as i64 {
        let id = first + step * 10;
        let values: Vec<String> = (0..=dice.roll(6) as i64)
            .map(|n| {
                ids.insert(id + n);
                format!("({}, {}, 'w')", id + n, dice.hour())
            })
            .collect();
        let values = values.join(", ");
        match dice.roll(5) {
            0 => session.batch_execute(&format!("INSERT INTO storm (id, ts, note) VALUES {values}"))?,
            1 => session.batch_execute(&format!(
                "WITH i AS (INSERT INTO storm (id, ts, note) SELECT * FROM (VALUES {values}) v RETURNING ts) \
                 SELECT count(*) FROM i"
            ))?,
            2 => {
                // written, undone, written again
                session.batch_execute(&format!(
                    "SAVEPOINT s; INSERT INTO storm (id, ts, note) VALUES {values}; ROLLBACK TO s; \
                     INSERT INTO storm (id, ts, note) VALUES {values}"
                ))?;
            }
            3 => {
                let (rows, _) = session
                    .simple_query(&format!("SELECT * FROM (VALUES {values}) v (id, ts, note)"))
                    .map(|messages| {
                        let mut text = String::new();
                        for message in messages {
                            if let postgres::SimpleQueryMessage::Row(row) = message {
                                text += &format!("{}\t{}\tc\n", row.get(0).unwrap(), row.get(1).unwrap());
                            }
                        }
                        (text, ())
                    })?;
                let mut copy = session.copy_in("COPY storm (id, ts, note) FROM STDIN")?;
                copy.write_all(rows.as_bytes()).expect("the copy goes on until it ends");
                copy.finish()?;
            }
            _ => {
                session.batch_execute(&format!("INSERT INTO storm (id, ts, note) VALUES {values}"))?;
                session.batch_execute(&format!(
                    "UPDATE storm SET ts = {}, note = 'moved' WHERE id BETWEEN {id} AND {}",
                    dice.hour(),
                    id + 9
                ))?;
            }
        }
    }
    let commit = dice.roll(6) > 0;
    session.batch_execute(if commit { "COMMIT" } else { "ROLLBACK" })?;
    Ok((ids, commit))
}

/// Writes until all transactions are through; the ids that were committed.
fn writer(db: &Db, number: i64, seed: u64) -> BTreeSet<i64> {
    let mut dice = Dice(seed.wrapping_mul(number as u64 * 2 + 1) | 1);
    let mut session = db.session();
    let mut committed = BTreeSet::new();
    for n in 0..TRANSACTIONS {
        let first = number * 1_000_000 + n * 100;
        let mut tries = 0;
        loop {
            match attempt(&mut session, &mut dice, first) {
                Ok((ids, true)) => committed.extend(ids),
                Ok((_, false)) => {}
                Err(error) => {
                    let code = sqlstate(&error);
                    let known = RETRY.contains(&&*code) || is_detached_under_a_column(&error);
                    assert!(known, "{error:?}");
                    tries += 1;
                    assert!(tries < 100, "no way through: {error:?}");
                    // the driver loses count when a COPY fails before it begins
                    if session.batch_execute("ROLLBACK").is_err() {
                        session = db.session();
                    }
                    continue;
                }
            }
            break;
        }
    }
    committed
}

/// Runs statements in turn until told to end; only errors of busy tables are allowed.
fn disturb(db: &Db, over: &AtomicBool, statements: &[&str]) -> usize {
    let mut session = db.session();
    let mut done = 0;
    for statement in statements.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        match session.batch_execute(statement) {
            Ok(()) => done += 1,
            Err(error) => {
                let code = sqlstate(&error);
                assert!(RETRY.contains(&&*code), "{statement}: {error:?}");
            }
        }
        // a pause, not a wait: writers need room between locks on the whole table
        thread::sleep(std::time::Duration::from_millis(20));
    }
    done
}

#[test]
fn nothing_is_lost_or_doubled_in_a_storm() {
    let seed = std::env::var("STRATA_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| {
            u64::from(std::process::id())
                ^ std::time::UNIX_EPOCH
                    .elapsed()
                    .map_or(7, |t| t.as_nanos() as u64)
        });
    println!("STRATA_SEED={seed}");
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("deadlock_timeout", "200ms")
        .start();
    let db = Db::new(&cluster, "storm");
    db.run(
        "CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE storm (id bigint NOT NULL, ts timestamptz NOT NULL, note text, other int REFERENCES parent,
           PRIMARY KEY (id, ts));
         CREATE INDEX ON storm (note);
         SELECT FROM strata.create_hypertable('storm', strata.by_range('ts', INTERVAL '1 hour'));
         SELECT FROM strata.premake_chunks('storm', timestamptz '2025-12-01 00:00+00', timestamptz '2025-12-04 00:00+00')",
    );
    let over = AtomicBool::new(false);
    let (committed, disturbances) = thread::scope(|scope| {
        let disturbers: Vec<_> = [
            &["SET lock_timeout = '300ms'", "ALTER TABLE storm ADD COLUMN IF NOT EXISTS extra int", "ALTER TABLE storm DROP COLUMN IF EXISTS extra"][..],
            &["SET lock_timeout = '300ms'",
              "SELECT strata.drop_chunks('storm', older_than => c.range_end) FROM (SELECT range_end FROM strata.chunks \
               WHERE hypertable_name = 'storm' ORDER BY range_start LIMIT 1) c WHERE c.range_end < '2025-12-05'"],
            &["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'pg_strata maker%' AND random() < 0.1 LIMIT 1"],
            &["INSERT INTO parent VALUES (1) ON CONFLICT DO NOTHING", "DELETE FROM parent", "ANALYZE storm"],
        ]
        .into_iter()
        .map(|statements| scope.spawn(|| disturb(&db, &over, statements)))
        .collect();
        let writers: Vec<_> = (1..=WRITERS)
            .map(|n| {
                scope.spawn({
                    let db = &db;
                    move || writer(db, n, seed)
                })
            })
            .collect();
        let committed: Vec<_> = writers.into_iter().map(|w| w.join()).collect();
        over.store(true, Ordering::Relaxed);
        let disturbances: Vec<usize> = disturbers
            .into_iter()
            .map(|d| d.join().expect("a disturber"))
            .collect();
        let committed: BTreeSet<i64> = committed
            .into_iter()
            .flat_map(|w| w.expect("a writer"))
            .collect();
        (committed, disturbances)
    });
    assert!(
        disturbances.iter().all(|n| *n > 0),
        "a disturber never got through: {disturbances:?}"
    );
    let mut session = db.session();
    let found: Vec<i64> = rows(&mut session, "SELECT id FROM storm ORDER BY id")
        .lines()
        .map(|l| l.parse().unwrap())
        .collect();
    let expected: Vec<i64> = committed.into_iter().collect();
    assert_eq!(found, expected);
    // each row lies in the chunk of its time, each hour has at most one chunk
    let strays = "SELECT count(*) FROM storm s JOIN strata.chunks c ON c.chunk = s.tableoid WHERE s.ts < c.range_start OR s.ts >= c.range_end";
    assert_eq!(one(&mut session, strays), "0");
    let overlaps = "SELECT count(*) FROM strata.chunks a JOIN strata.chunks b ON a.chunk < b.chunk AND a.range_start < b.range_end AND b.range_start < a.range_end";
    assert_eq!(one(&mut session, overlaps), "0");
    let log = cluster.log();
    for bad in ["leak", "PANIC", "TRAP", "not closed", "still referenced"] {
        assert!(!log.contains(bad), "the log says {bad}");
    }
}
