//! COPY while chunks come and go.

use super::copy_cases::{SERVER, copy_in};
use super::on_demand::{cluster, no_leaks};
use super::on_demand_concurrent::background;
use crate::common::{Db, arm, exec, one, rows, sqlstate, wait_until};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Days of January 2024; what is before the tenth is dropped all the time.
const DAYS: u32 = 20;
const WRITERS: u32 = 4;
const COPIES: u32 = 25;

/// What a client may meet and answers by trying again.
const RETRY: [&str; 5] = ["40001", "40P01", "55006", "55P03", "53400"];

fn lines(writer: u32, copy: u32) -> String {
    (0..60)
        .map(|i| {
            let day = (i * 7 + writer * 3 + copy) % DAYS + 1;
            format!(
                "2024-01-{day:02} 12:00\t{}\n",
                writer * 100_000 + copy * 100 + i
            )
        })
        .collect()
}

fn write(db: &Db, writer: u32) -> u32 {
    let mut session = db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    let mut again = 0;
    for copy in 0..COPIES {
        while let Err(error) = copy_in(
            &mut session,
            "COPY t FROM STDIN",
            lines(writer, copy).as_bytes(),
        ) {
            assert!(RETRY.contains(&&error[..5]), "{error}");
            again += 1;
            assert!(again < 500, "no way through: {error}");
        }
    }
    again
}

fn drop_again_and_again(db: &Db, over: &AtomicBool, options: &str) -> u32 {
    let mut session = db.session();
    exec(&mut session, "SET lock_timeout = '2s'");
    let sql = format!(
        "SELECT count(*) FROM strata.drop_chunks('t', timestamptz '2024-01-10 00:00+00'{options})"
    );
    let mut dropped = 0;
    while !over.load(Ordering::Relaxed) {
        match session.simple_query(&sql) {
            Ok(_) => dropped += 1,
            Err(error) => {
                let code = sqlstate(&error);
                assert!(RETRY.contains(&&*code), "{error:?}");
            }
        }
    }
    dropped
}

/// Cuts chunks in two, puts halves together, takes chunks out and back in.
fn reshape_again_and_again(db: &Db, over: &AtomicBool) -> u32 {
    let mut session = db.session();
    exec(
        &mut session,
        "SET lock_timeout = '1s'; SET timezone = 'UTC'",
    );
    let mut done = 0;
    let mut turn = 0;
    // writers that leave no gap may be done before the first change gets its lock
    while !over.load(Ordering::Relaxed) || done == 0 && turn < 1000 {
        turn += 1;
        let find = [
            "SELECT format('CALL strata.split_chunk(%L, %L::timestamptz)', chunk, range_start + interval '12 hours') FROM strata.chunks
             WHERE range_end - range_start = interval '1 day' ORDER BY random() LIMIT 1",
            "SELECT format('CALL strata.merge_chunks(%L, %L)', a.chunk, b.chunk) FROM strata.chunks a JOIN strata.chunks b
             ON a.range_end = b.range_start WHERE b.range_end - a.range_start = interval '1 day' ORDER BY random() LIMIT 1",
        ][turn % 2];
        let call = one(&mut session, find);
        if call.is_empty() {
            continue;
        }
        match session.batch_execute(&call) {
            Ok(()) => done += 1,
            Err(error) => {
                let code = sqlstate(&error);
                assert!(RETRY.contains(&&*code), "{call}: {error:?}");
            }
        }
    }
    done
}

fn race(name: &str, disturb: impl Fn(&Db, &AtomicBool) -> u32 + Sync, first_kept: u32) {
    let db = Db::new(&SERVER, name);
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL, id int);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', interval '1 day'));
         SELECT FROM strata.alter_hypertable('t', lock_wait => interval '500 ms', premake => 0)",
    );
    let over = AtomicBool::new(false);
    let dropped = thread::scope(|scope| {
        let dropper = scope.spawn(|| disturb(&db, &over));
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let db = &db;
                scope.spawn(move || write(db, n))
            })
            .collect();
        let outcome: Vec<_> = writers.into_iter().map(|w| w.join()).collect();
        over.store(true, Ordering::Relaxed);
        let dropped = dropper.join().expect("the dropper");
        for writer in outcome {
            writer.expect("a writer");
        }
        dropped
    });
    assert!(dropped > 0, "nothing was changed meanwhile");
    let mut session = db.session();
    let mut expected: Vec<u32> = (0..WRITERS)
        .flat_map(|w| (0..COPIES).map(move |c| (w, c)))
        .flat_map(|(w, c)| lines(w, c).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line[8..10].parse::<u32>().unwrap() >= first_kept)
        .map(|line| line.split('\t').nth(1).unwrap().parse().unwrap())
        .collect();
    expected.sort_unstable();
    let kept =
        format!("SELECT id FROM t WHERE ts >= '2024-01-{first_kept:02} 00:00+00' ORDER BY id");
    let kept: Vec<u32> = rows(&mut session, &kept)
        .lines()
        .map(|l| l.parse().unwrap())
        .collect();
    assert_eq!(kept, expected, "rows that nobody dropped are there once");
    let doubled = "SELECT count(*) - count(DISTINCT id) FROM t";
    assert_eq!(one(&mut session, doubled), "0");
    no_leaks(&SERVER);
}

#[test]
fn copy_races_with_drop_chunks() {
    let drop = |db: &Db, over: &AtomicBool| drop_again_and_again(db, over, "");
    race("copy_race", drop, 10);
}

#[test]
fn copy_races_with_drop_chunks_concurrently() {
    let drop =
        |db: &Db, over: &AtomicBool| drop_again_and_again(db, over, ", concurrently => true");
    race("copy_race_c", drop, 10);
}

#[test]
fn copy_races_with_chunks_that_are_cut_and_put_together() {
    race("copy_race_reshape", reshape_again_and_again, 1);
}

/// The statement's snapshot is from before: it still shows the chunk as one of the table.
#[test]
fn a_chunk_that_goes_before_copy_has_its_lock_is_none_to_it() {
    let cluster = cluster();
    let db = Db::new(&cluster, "copy_lock");
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL, id int);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', interval '1 day'));
         INSERT INTO t VALUES ('2024-01-03 00:00+00', 1)",
    );
    let (mut reader, mut watch, mut writer) = (db.session(), db.session(), db.session());
    exec(&mut writer, "SET timezone = 'UTC'");
    exec(&mut reader, "BEGIN; LOCK TABLE ONLY t IN ACCESS SHARE MODE");
    arm(&cluster, "copy.lock:sleep");
    let (go_on, wait) = std::sync::mpsc::channel();
    let copy = thread::spawn(move || {
        let mut rows = writer.copy_in("COPY t FROM STDIN")?;
        let _ = rows.write_all(b"2024-01-15 12:00\t2\n");
        let _ = rows.flush();
        let _ = wait.recv();
        let _ = rows.write_all(b"2024-01-03 12:00\t3\n");
        rows.finish()
    });
    let mut until = |what: &str, sql: &str| wait_until(what, || one(&mut watch, sql) == "1");
    until(
        "COPY sleeps",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY t%' AND wait_event_type = 'Extension'",
    );
    let drop = background(
        &db,
        "SELECT count(*) FROM strata.drop_chunks('t', timestamptz '2024-01-10 00:00+00')",
    );
    until(
        "the chunk is being detached",
        "SELECT count(*) FROM pg_inherits WHERE inhdetachpending",
    );
    arm(&cluster, "");
    until(
        "COPY has its lock",
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.query LIKE 'COPY t%' \
         AND l.relation = 't'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted",
    );
    exec(&mut reader, "COMMIT");
    assert_eq!(drop.join().unwrap(), Ok(String::from("1")));
    go_on.send(()).unwrap();
    assert_eq!(copy.join().unwrap().expect("all rows"), 2);
    assert_eq!(rows(&mut watch, "SELECT id FROM t ORDER BY id"), "2\n3");
    no_leaks(&cluster);
}
