//! A backfill is one call's, whoever makes it, and of one table.

use crate::common::{Cluster, Db, wait_until};
use crate::support::{database, exec, fails, one, register, rows};
use crate::task_support::{Beside, ROWS, fill, follow, refused};

#[test]
fn a_backfill_of_a_process_of_ours_is_its_own() {
    let server = Cluster::builder().preload(true).start();
    let db = Db::new(&server, "backfill_process");
    let mut s = db.session();
    exec(&mut s, ROWS);
    let call =
        "CALL strata.task_backfill('k', 't', 'n = n + 1', batch_size => 100, pause => '700 ms')";
    register(&mut s, &[("1_a.up.sql", call)]);
    let running = "SELECT state FROM strata.task_progress('k')";
    exec(
        &mut s,
        "CREATE PROCEDURE fills(job_id int, config jsonb) LANGUAGE plpgsql AS $$ DECLARE done bigint; BEGIN
           CALL strata.task_backfill('k', 't', 'n = n + 1', batch_size => 100, pause => '700 ms', rows_done => done); END $$",
    );
    // by a run of migrations, and by a job
    let deploy = Beside::run(db.session(), "CALL strata.migrate_deploy()");
    for n in 1..=2 {
        wait_until("a batch is done", || {
            one(&mut s, "SELECT max(n) FROM t") == n.to_string()
        });
        assert_eq!(one(&mut s, running), "running", "{n}");
        fails(&mut s, call, "55006", &["is being run by another session"]);
        wait_until("all is done", || one(&mut s, running) == "finished");
        assert_eq!(
            rows(&mut s, "SELECT min(n), max(n) FROM t"),
            format!("{n}|{n}")
        );
        exec(&mut s, "SELECT strata.task_clear('k')");
        if n == 1 {
            exec(&mut s, "SELECT strata.add_job('fills', '1 day')");
        }
    }
    deploy.done();
}

#[test]
fn another_table_of_the_name_is_not_taken_for_it() {
    let db = database("backfill_swap");
    let (mut s, watch) = (db.session(), db.session());
    exec(&mut s, ROWS);
    let arguments = "'k', 't', 'n = n + 1', batch_size => 100, pause => '2 s'";
    let work = Beside::fill(watch, arguments);
    work.until_asleep(&mut s);
    exec(
        &mut s,
        &format!("BEGIN; ALTER TABLE t RENAME TO t_old; {ROWS}; COMMIT"),
    );
    let error = work.error();
    assert!(
        error.starts_with("55000: table public.t is another one"),
        "{error}"
    );
    assert_eq!(one(&mut s, "SELECT sum(n) FROM t"), "0");
    let done = one(&mut s, "SELECT sum(n) FROM t_old");
    assert_eq!(
        one(&mut s, "SELECT done FROM strata.task_progress('k')"),
        done
    );
    // nor between calls
    let call = format!("CALL strata.task_backfill({arguments})");
    let error = refused(
        &mut s,
        &call,
        "55000",
        &["public.t", "another one"],
        &["task_clear"],
    );
    follow(&mut s, &error);
    assert_eq!(
        fill(&mut s, "'k', 't', 'n = n + 1', batch_size => 100"),
        "500"
    );
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM t"), "1|1");
    // in a copy of the database the table has another place
    exec(&mut s, "SELECT strata.task_clear('k')");
    assert_eq!(
        fill(
            &mut s,
            "'k', 't', 'n = n + 1', batch_size => 100, max_batches => 2"
        ),
        "200"
    );
    drop(s);
    db.cluster.psql(
        "postgres",
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'backfill_swap'",
    );
    db.cluster.psql(
        "postgres",
        "CREATE DATABASE backfill_swap_copy TEMPLATE backfill_swap",
    );
    let copy = Db {
        cluster: db.cluster,
        name: "backfill_swap_copy",
    };
    let mut c = copy.session();
    assert_eq!(
        fill(&mut c, "'k', 't', 'n = n + 1', batch_size => 100"),
        "300"
    );
    assert_eq!(rows(&mut c, "SELECT min(n), max(n) FROM t"), "2|2");
}

#[test]
fn a_session_that_tells_nothing_of_itself_goes_on() {
    let db = database("backfill_silent");
    let mut s = db.session();
    exec(&mut s, ROWS);
    exec(&mut s, "SET track_activities = off");
    fails(
        &mut s,
        "CALL strata.task_backfill('k', 't', 'n = 1 / (id - 250)', batch_size => 100)",
        "22012",
        &[],
    );
    exec(&mut s, "DELETE FROM t WHERE id = 250");
    assert_eq!(
        fill(&mut s, "'k', 't', 'n = 1 / (id - 250)', batch_size => 100"),
        "299"
    );
}

#[test]
fn whoever_begins_waits_for_one_that_ends_it() {
    let db = database("backfill_race");
    let (mut a, mut s) = (db.session(), db.session());
    exec(&mut a, "SELECT strata.task_mark('race', '1')");
    exec(&mut a, "BEGIN; SELECT strata.task_finish('race', true)");
    let begin = Beside::run(db.session(), "SELECT strata.task_begin('race')");
    begin.until_blocked(&mut s);
    exec(&mut a, "COMMIT");
    assert_eq!(begin.done(), "t");
    assert_eq!(one(&mut s, "SELECT strata.task_mark('race', '2')"), "t");
    // one that only begins as well is not waited for
    exec(&mut a, "BEGIN; SELECT strata.task_begin('race')");
    exec(&mut s, "SET lock_timeout = '10 s'");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('race')"), "t");
    exec(&mut a, "ROLLBACK");
}

#[test]
fn a_row_that_moves_to_another_partition_is_waited_for() {
    let db = database("backfill_moved");
    let (mut a, mut s) = (db.session(), db.session());
    exec(
        &mut s,
        "CREATE TABLE pm (id int, k int, n int DEFAULT 0, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE pm1 PARTITION OF pm FOR VALUES IN (1); CREATE TABLE pm2 PARTITION OF pm FOR VALUES IN (2);
         INSERT INTO pm SELECT i, 1 FROM generate_series(1, 30) i",
    );
    exec(&mut a, "BEGIN; UPDATE pm SET k = 2 WHERE id = 15");
    let work = Beside::fill(
        db.session(),
        "'m', 'pm', 'n = n + 1', batch_size => 10, lock_timeout => '1 min'",
    );
    work.until_blocked(&mut s);
    exec(&mut a, "COMMIT");
    assert_eq!(work.done(), "30");
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM pm"), "1|1");
}
