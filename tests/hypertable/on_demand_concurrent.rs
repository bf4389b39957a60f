//! Chunks on demand with several sessions: who waits for whom, and who must not.

use super::on_demand::{MADE, TABLE, cluster, no_leaks};
use crate::common::{
    Cluster, Db, arm, exec, fails, is_alive, one, rows, signal, try_one, wait_until,
};
use postgres::Client;
use std::time::{Duration, Instant};

/// Runs a statement in another session, on a thread of its own.
pub fn background(db: &Db, sql: &str) -> std::thread::JoinHandle<Result<String, String>> {
    let mut session = db.session();
    let sql = sql.to_string();
    std::thread::spawn(move || {
        try_one(&mut session, &sql).map_err(|e| {
            e.as_db_error().map_or_else(
                || e.to_string(),
                |e| format!("{} {}", e.code().code(), e.message()),
            )
        })
    })
}

pub fn waits_for_a_lock(watch: &mut Client, query: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '{query}%'"
    );
    wait_until(&format!("{query} waits for a lock"), || {
        one(watch, &sql) != "0"
    });
}

fn makers(watch: &mut Client) -> String {
    one(
        watch,
        "SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE backend_type = 'pg_strata maker'",
    )
}

fn maker(watch: &mut Client) -> u32 {
    let mut found = String::new();
    wait_until("a maker runs", || {
        found = makers(watch);
        !found.is_empty()
    });
    found.parse().expect("one maker")
}

#[test]
fn eight_sessions_make_the_same_thirty_chunks_once() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "eight");
    db.run(TABLE);
    std::thread::scope(|scope| {
        for who in 0..8 {
            let mut session = db.session();
            scope.spawn(move || {
                for batch in 0..30 {
                    // each session begins elsewhere; ten rows per chunk and statement
                    exec(
                        &mut session,
                        &format!(
                            "INSERT INTO m SELECT '2021-01-01'::timestamptz + ((i + {batch} + {who} * 4) % 30) * interval '1 day'
                               + ({who} * 1000 + {batch}) * interval '1 second', i, i FROM generate_series(1, 100) i"
                        ),
                    );
                }
            });
        }
    });
    let mut s = db.session();
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM m"
        ),
        "24000 30"
    );
    assert_eq!(one(&mut s, MADE), "30");
    wait_until("the last maker has gone", || makers(&mut s).is_empty());
    no_leaks(&cluster);
}

#[test]
fn nobody_waits_for_the_transaction_that_made_a_chunk() {
    let cluster = cluster();
    let db = Db::new(&cluster, "nobody");
    db.run(TABLE);
    for (i, level) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
        .iter()
        .enumerate()
    {
        let year = 2021 + i;
        let (mut a, mut b) = (db.session(), db.session());
        exec(
            &mut a,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM m"),
        );
        exec(
            &mut b,
            &format!(
                "SET lock_timeout = '5s'; BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM m WHERE ts < '2000-01-01'"
            ),
        );
        exec(
            &mut a,
            &format!("INSERT INTO m VALUES ('{year}-01-01', 1, 1)"),
        );
        exec(
            &mut b,
            &format!("INSERT INTO m VALUES ('{year}-01-01', 2, 2), ('{year}-01-02', 2, 2); COMMIT"),
        );
        exec(
            &mut a,
            &format!("INSERT INTO m VALUES ('{year}-01-02', 1, 1), ('{year}-01-03', 1, 1)"),
        );
        // its rows are its own until it commits, the chunks are there for all
        let sum =
            format!("SELECT count(*) FROM m WHERE ts >= '{year}-01-01' AND ts < '{year}-02-01'");
        assert_eq!(one(&mut b, &sum), "2", "{level}");
        exec(&mut a, "ROLLBACK");
        assert_eq!(one(&mut b, &sum), "2", "{level}");
        let chunks =
            format!("{MADE} AND range_start >= '{year}-01-01' AND range_start < '{year}-02-01'");
        assert_eq!(one(&mut b, &chunks), "3", "{level}");
    }
    no_leaks(&cluster);
}

#[test]
fn an_alter_table_in_the_queue_does_not_hang_the_writer() {
    let cluster = cluster();
    let db = Db::new(&cluster, "queue");
    db.run(TABLE);
    let mut a = db.session();
    exec(
        &mut a,
        "SET statement_timeout = '20s'; BEGIN; INSERT INTO m VALUES ('2021-01-01', 1, 1)",
    );
    let alter = background(&db, "ALTER TABLE m ADD COLUMN extra int DEFAULT 5");
    waits_for_a_lock(&mut db.session(), "ALTER TABLE m");
    exec(
        &mut a,
        "INSERT INTO m VALUES ('2021-01-02', 1, 1), ('2021-01-03', 1, 1); COMMIT",
    );
    alter.join().unwrap().unwrap();
    exec(&mut a, "INSERT INTO m VALUES ('2021-01-04', 1, 1)");
    assert_eq!(
        one(&mut a, "SELECT sum(extra) || ' ' || count(*) FROM m"),
        "20 4"
    );
    no_leaks(&cluster);
}

const REFERENCING: &str = "
    CREATE TABLE device (id int PRIMARY KEY);
    CREATE TABLE r (ts timestamptz NOT NULL, dev int REFERENCES device, PRIMARY KEY (ts, dev));
    SELECT FROM strata.create_hypertable('r', strata.by_range('ts', interval '1 day'), create_default_indexes => false);
    INSERT INTO device VALUES (1)";

#[test]
fn a_parent_row_and_its_first_child_in_one_transaction() {
    let cluster = cluster();
    let db = Db::new(&cluster, "parent");
    db.run(REFERENCING);
    let mut a = db.session();
    exec(
        &mut a,
        "SET statement_timeout = '20s'; BEGIN; INSERT INTO device VALUES (2);
         INSERT INTO r VALUES ('2021-01-01', 2), ('2021-01-02', 1); COMMIT",
    );
    assert_eq!(one(&mut a, "SELECT count(*) FROM r"), "2");
    fails(
        &mut a,
        "INSERT INTO r VALUES ('2021-01-03', 9)",
        "23503",
        &["foreign key"],
    );
    // the new chunks carry the key
    fails(
        &mut a,
        "DELETE FROM device WHERE id = 2",
        "23503",
        &["foreign key"],
    );
    // the referenced table was altered in this transaction: no maker may read it
    exec(
        &mut a,
        "BEGIN; ALTER TABLE device ADD COLUMN name text; INSERT INTO r VALUES ('2021-02-01', 1); COMMIT",
    );
    assert_eq!(one(&mut a, "SELECT count(*) FROM r"), "3");
    no_leaks(&cluster);
}

#[test]
fn two_writers_that_also_wrote_the_referenced_table_are_a_deadlock_with_one_victim() {
    let cluster = cluster();
    let db = Db::new(&cluster, "victim");
    db.run(REFERENCING);
    let mut a = db.session();
    exec(
        &mut a,
        "SET deadlock_timeout = '1s'; BEGIN; INSERT INTO device VALUES (2)",
    );
    let mut b = db.session();
    exec(&mut b, "BEGIN; INSERT INTO device VALUES (3)");
    let start = Instant::now();
    let thread = std::thread::spawn(move || {
        let outcome = try_one(&mut b, "INSERT INTO r VALUES ('2021-01-01', 3)");
        let code = outcome.err().map(|e| e.code().unwrap().code().to_string());
        let _ = b.batch_execute("COMMIT");
        code
    });
    waits_for_a_lock(&mut db.session(), "pg_strata: making chunks");
    let mine = try_one(&mut a, "INSERT INTO r VALUES ('2021-01-02', 2)");
    let mine = mine.err().map(|e| e.code().unwrap().code().to_string());
    let _ = a.batch_execute("COMMIT");
    let theirs = thread.join().unwrap();
    let codes = (mine.as_deref(), theirs.as_deref());
    assert!(
        matches!(codes, (Some("40P01"), None) | (None, Some("40P01"))),
        "{codes:?}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
    let mut s = db.session();
    assert_eq!(one(&mut s, "SELECT count(*) FROM r"), "1");
    no_leaks(&cluster);
}

/// A writer whose maker waits: another session holds a lock that keeps chunks from being made.
fn blocked<'a>(db: &Db<'a>) -> (Client, Client) {
    db.run(TABLE);
    let mut holder = db.session();
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE m IN SHARE UPDATE EXCLUSIVE MODE",
    );
    (holder, db.session())
}

#[test]
fn a_cancelled_writer_leaves_no_maker_behind() {
    let cluster = cluster();
    let db = Db::new(&cluster, "cancelled");
    let (mut holder, mut watch) = blocked(&db);
    let mut writer = db.session();
    exec(
        &mut writer,
        "BEGIN; SET LOCAL statement_timeout = '1s'; SAVEPOINT a",
    );
    let start = Instant::now();
    fails(
        &mut writer,
        "INSERT INTO m VALUES ('2021-01-01', 1, 1)",
        "57014",
        &["timeout"],
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // gone before the error is out
    assert_eq!(makers(&mut watch), "");
    exec(
        &mut writer,
        "ROLLBACK TO a; SET LOCAL statement_timeout = 0",
    );
    exec(&mut holder, "ROLLBACK");
    // the same session may alter the table at once, and no chunk with old columns appears
    exec(
        &mut writer,
        "ALTER TABLE m ADD COLUMN extra int; INSERT INTO m VALUES ('2021-01-01', 1, 1, 1); COMMIT",
    );
    assert_eq!(one(&mut watch, MADE), "1");
    let columns = "SELECT count(*) FROM strata.chunks c WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.chunk AND attname = 'extra')";
    assert_eq!(one(&mut watch, columns), "0");
    no_leaks(&cluster);
}

#[test]
fn a_terminated_writer_takes_its_maker_along() {
    let cluster = cluster();
    let db = Db::new(&cluster, "terminated");
    let (mut holder, mut watch) = blocked(&db);
    let writer = background(&db, "INSERT INTO m VALUES ('2021-01-01', 1, 1)");
    maker(&mut watch);
    one(
        &mut watch,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO m%' AND pid <> pg_backend_pid()",
    );
    let start = Instant::now();
    wait_until("the maker has gone", || makers(&mut watch).is_empty());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert!(writer.join().unwrap().is_err());
    exec(&mut holder, "ROLLBACK");
    exec(&mut watch, "ALTER TABLE m ADD COLUMN extra int");
    assert_eq!(one(&mut watch, MADE), "0");
    no_leaks(&cluster);
}

#[test]
fn a_maker_that_is_ended_is_a_clear_error() {
    let cluster = cluster();
    let db = Db::new(&cluster, "ended");
    let (mut holder, mut watch) = blocked(&db);
    let writer = background(&db, "INSERT INTO m VALUES ('2021-01-01', 1, 1)");
    waits_for_a_lock(&mut watch, "pg_strata: making chunks");
    let pid = maker(&mut watch);
    one(&mut watch, &format!("SELECT pg_terminate_backend({pid})"));
    let error = writer.join().unwrap().unwrap_err();
    assert!(
        error.starts_with("57000") && error.contains("makes chunks"),
        "{error}"
    );
    exec(&mut holder, "ROLLBACK");
    exec(&mut watch, "INSERT INTO m VALUES ('2021-01-01', 1, 1)");
    // the writer's lock_timeout is the maker's
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE m IN SHARE UPDATE EXCLUSIVE MODE",
    );
    fails(
        &mut watch,
        "SET lock_timeout = '300ms'; INSERT INTO m VALUES ('2021-01-02', 1, 1)",
        "55P03",
        &["lock timeout"],
    );
    exec(&mut holder, "ROLLBACK");
    no_leaks(&cluster);
}

#[test]
fn a_maker_that_fails_or_crashes_half_way_leaves_nothing() {
    let mut cluster = cluster();
    let db = Db::new(&cluster, "half");
    db.run(TABLE);
    for point in ["maker.before_work", "maker.before_commit"] {
        arm(&cluster, &format!("{point}:error"));
        let mut writer = db.session();
        fails(
            &mut writer,
            "INSERT INTO m VALUES ('2021-01-01', 1, 1)",
            "XX000",
            &["injected"],
        );
        arm(&cluster, "");
        assert_eq!(one(&mut writer, MADE), "0");
        exec(
            &mut writer,
            "BEGIN; INSERT INTO m VALUES ('2021-01-01', 1, 1); ROLLBACK",
        );
        assert_eq!(one(&mut writer, MADE), "1");
        exec(&mut writer, "DROP TABLE m");
        exec(&mut writer, TABLE);
    }
    no_leaks(&cluster);
    // kill -9 of the maker, then of the writer: a crash like any other
    for victim in ["maker", "writer"] {
        let (watched, pid, writer) = {
            arm(&cluster, "maker.before_commit:sleep");
            let writer = background(&db, "INSERT INTO m VALUES ('2021-02-01', 1, 1)");
            let mut watch = db.session();
            let maker = maker(&mut watch);
            let sql = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT INTO m%' AND pid <> pg_backend_pid()";
            let pid: u32 = one(&mut watch, sql).parse().unwrap();
            wait_until("the maker is asleep in its transaction", || {
                one(
                    &mut watch,
                    &format!(
                        "SELECT count(*) FROM pg_locks WHERE pid = {maker} AND mode = 'AccessExclusiveLock'"
                    ),
                ) != "0"
            });
            (maker, if victim == "maker" { maker } else { pid }, writer)
        };
        assert!(signal(pid, "KILL"));
        assert!(writer.join().unwrap().is_err());
        // awake before the server ends it, it would commit
        wait_until("the maker is gone", || !is_alive(watched));
        cluster.wait_for_recovery();
        arm(&cluster, "");
        let mut s = db.session();
        let left = "SELECT count(*) FROM strata.chunks WHERE range_start = '2021-02-01'";
        assert_eq!(one(&mut s, left), "0", "{victim}");
        exec(
            &mut s,
            "INSERT INTO m VALUES ('2021-02-01', 1, 1); TRUNCATE m",
        );
        let orphans = "SELECT count(*) FROM pg_class c WHERE relnamespace = 'strata_chunks'::regnamespace AND relkind = 'r' AND NOT relispartition";
        assert_eq!(one(&mut s, orphans), "0");
        exec(
            &mut s,
            "SELECT strata.drop_chunks('m', older_than => '2022-01-01'::timestamptz)",
        );
    }
    cluster.stop(crate::common::Stop::Fast);
}

#[test]
fn without_a_free_worker_it_waits_and_then_says_so() {
    let cluster = Cluster::builder()
        .preload(true)
        // two launchers, the database's worker, and one
        .set("max_worker_processes", "4")
        .start();
    let db = Db::new(&cluster, "slots");
    db.run(TABLE);
    db.run("SELECT strata.alter_hypertable('m', lock_wait => interval '3 s')");
    let (mut holder, mut watch) = (db.session(), db.session());
    wait_until("the database's worker runs", || {
        one(
            &mut watch,
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata worker'",
        ) == "1"
    });
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE m IN SHARE UPDATE EXCLUSIVE MODE",
    );
    let first = background(&db, "INSERT INTO m VALUES ('2021-01-01', 1, 1)");
    maker(&mut watch);
    let start = Instant::now();
    let error = fails(
        &mut watch,
        "INSERT INTO m VALUES ('2021-01-02', 1, 1)",
        "53400",
        &["no background worker"],
    );
    assert!(
        error
            .hint()
            .unwrap_or_default()
            .contains("max_worker_processes")
    );
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(2500) && took < Duration::from_secs(9),
        "{took:?}"
    );
    let second = background(&db, "INSERT INTO m VALUES ('2021-01-02', 1, 1)");
    wait_until("the second writer waits", || {
        one(
            &mut watch,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO m%' AND state = 'active'",
        ) == "2"
    });
    exec(&mut holder, "ROLLBACK");
    first.join().unwrap().unwrap();
    second.join().unwrap().unwrap();
    assert_eq!(
        rows(&mut watch, "SELECT ts::date FROM m ORDER BY 1"),
        "2021-01-01\n2021-01-02"
    );
    no_leaks(&cluster);
}
