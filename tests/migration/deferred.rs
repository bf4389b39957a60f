//! Statements that a run in one transaction puts off.

use crate::common::{Cluster, Stop, arm, wait_until};
use crate::support::{Db, database, exec, fails, one, register, rows, run, states};
use std::time::{Duration, Instant};

fn wait(s: &mut postgres::Client, sql: &str, wanted: &str) {
    let begun = Instant::now();
    loop {
        let got = rows(s, sql);
        if got == wanted {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "{sql}: {got}, not {wanted}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

const DEFERRED: &str = "SELECT version, statement, line, state, attempts, coalesce(last_error, '-') FROM strata.migrate_deferred()";

/// Puts off the building of an index on a table, the session's `t`, that the other session has locked.
fn put_off_index(
    s: &mut postgres::Client,
    holder: &mut postgres::Client,
    table: &str,
    lock_timeout: &str,
) {
    register(s, &[("1_a.up.sql", "CREATE INDEX CONCURRENTLY i ON t (x)")]);
    let lock = format!("BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE");
    exec(holder, &lock);
    let up = format!("migrate_up(nontransactional => 'defer', lock_timeout => '{lock_timeout}')");
    assert_eq!(run(s, &up), "1 waiting");
}

#[test]
fn what_was_put_off_is_run_after_the_commit_and_not_before() {
    let db = database("put_off");
    db.run("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2); CREATE SCHEMA s; CREATE ROLE worker_of; GRANT ALL ON SCHEMA s TO worker_of");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE INDEX CONCURRENTLY i ON t (x);\nSET search_path = s; SET ROLE worker_of; CREATE TABLE u (x int); INSERT INTO u VALUES (1);\nCREATE INDEX CONCURRENTLY j ON u (x); VACUUM u;",
            ),
            ("1_a.down.sql", "DROP INDEX i; DROP TABLE s.u"),
            ("2_b.up.sql", "CREATE TABLE b ()"),
        ],
    );
    exec(&mut s, "BEGIN");
    assert_eq!(
        run(&mut s, "migrate_up(nontransactional => 'defer')"),
        "1 waiting, 2 applied"
    );
    exec(&mut s, "ROLLBACK");
    assert_eq!(rows(&mut s, DEFERRED), "");
    assert_eq!(
        run(&mut s, "migrate_up(nontransactional => 'defer')"),
        "1 waiting, 2 applied"
    );
    wait(
        &mut s,
        DEFERRED,
        "1|1|1|done|1|-\n1|6|3|done|1|-\n1|7|3|done|1|-",
    );
    wait(
        &mut s,
        "SELECT version, state FROM strata.migrate_status()",
        "1|applied\n2|applied",
    );
    let built = "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid IN ('t'::regclass, 's.u'::regclass)";
    assert_eq!(one(&mut s, built), "i true, s.j true");
    assert_eq!(
        one(
            &mut s,
            "SELECT relowner::regrole FROM pg_class WHERE relname = 'j'"
        ),
        "worker_of"
    );
    let events = "SELECT count(*) FROM strata.migrate_history() WHERE event = 'deferred_done'";
    assert_eq!(one(&mut s, events), "3");
    assert_eq!(
        run(&mut s, "migrate_down(steps => 2, missing_down => 'skip')"),
        "2 reverted, 1 reverted"
    );
}

#[test]
fn what_fails_for_good_is_told_and_the_version_has_errors() {
    let db = database("put_off_fails");
    db.run("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE UNIQUE INDEX CONCURRENTLY i ON t (x); CREATE INDEX CONCURRENTLY j ON t (x);",
            ),
            ("1_a.down.sql", "SELECT 1"),
        ],
    );
    assert_eq!(
        run(&mut s, "migrate_up(nontransactional => 'defer')"),
        "1 waiting"
    );
    wait(
        &mut s,
        "SELECT state FROM strata.migrate_deferred()",
        "failed\nabandoned",
    );
    assert_eq!(states(&mut s), "1 applied_with_errors");
    let failed =
        "SELECT error->>'sqlstate', reason FROM strata.migrate_history() WHERE event = 'fail'";
    assert_eq!(rows(&mut s, failed), "23505|statement 1: CREATE INDEX");
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass"
        ),
        "0",
        "nothing invalid is left"
    );
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
}

#[test]
fn a_lock_that_is_held_is_waited_for_again_and_a_version_is_not_reverted_meanwhile() {
    let mut server = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1s")
        .start();
    let db = Db::new(&server, "put_off_waits");
    db.run("CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let (mut s, mut holder) = (db.session(), db.session());
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE INDEX CONCURRENTLY i ON t (x)"),
            ("1_a.down.sql", "DROP INDEX i"),
        ],
    );
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE",
    );
    assert_eq!(
        run(
            &mut s,
            "migrate_up(nontransactional => 'defer', lock_timeout => '2 s')"
        ),
        "1 waiting"
    );
    wait(
        &mut s,
        "SELECT attempts > 0, last_error LIKE '%lock timeout%' FROM strata.migrate_deferred()",
        "t|t",
    );
    fails(&mut s, "SELECT strata.migrate_down()", "55006", &["\"1\""]);
    // after a crash it goes on by itself
    server.restart(Stop::Immediate);
    let db = Db {
        cluster: &server,
        name: "put_off_waits",
    };
    let mut s = db.session();
    wait(
        &mut s,
        "SELECT state, CASE state WHEN 'failed' THEN last_error END FROM strata.migrate_deferred()",
        "done|",
    );
    wait(
        &mut s,
        "SELECT state FROM strata.migrate_status()",
        "applied",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT indisvalid FROM pg_index WHERE indrelid = 't'::regclass"
        ),
        "t"
    );
}

/// A statement that has failed is looked at before it is said whether it is tried again.
#[test]
fn a_try_that_nobody_came_to_look_at_is_made_again() {
    let server = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1s")
        .set("strata.inject", "migration.deferred.tried:error")
        .start();
    let db = Db::new(&server, "put_off_unseen");
    db.run("CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let (mut s, mut holder) = (db.session(), db.session());
    put_off_index(&mut s, &mut holder, "t", "100 ms");
    wait(
        &mut s,
        "SELECT attempts > 1 FROM strata.migrate_deferred()",
        "t",
    );
    arm(&server, "");
    exec(&mut holder, "COMMIT");
    wait(
        &mut s,
        "SELECT state FROM strata.migrate_deferred()",
        "done",
    );
    wait(
        &mut s,
        "SELECT state FROM strata.migrate_status()",
        "applied",
    );
}

/// What an earlier try met is not what is in the way now.
#[test]
fn a_process_that_may_not_connect_any_more_is_told_and_not_the_lock_before_it() {
    let server = Cluster::builder().preload(true).start();
    let db = Db::new(&server, "put_off_mute");
    db.run("CREATE ROLE mute LOGIN; CREATE SCHEMA mute AUTHORIZATION mute; GRANT CREATE ON DATABASE put_off_mute TO mute");
    let (mut s, mut holder) = (db.session_as("mute"), db.session());
    exec(&mut s, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    put_off_index(&mut s, &mut holder, "mute.t", "100 ms");
    let now =
        "SELECT state, attempts, last_error LIKE '%lock timeout%' FROM strata.migrate_deferred()";
    wait(&mut s, now, "waiting|1|t");
    db.run("REVOKE CONNECT ON DATABASE put_off_mute FROM PUBLIC");
    wait(
        &mut s,
        "SELECT state, last_error LIKE '%without a word%' FROM strata.migrate_deferred()",
        "failed|t",
    );
    assert_eq!(states(&mut s), "1 applied_with_errors");
}

/// One process sees to what was put off, and at most one waits for its end: were there one for each round of the
/// background worker, none would be left for the statements.
#[test]
fn however_long_it_takes_no_more_than_two_processes_are_at_it() {
    let server = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1s")
        .start();
    let db = Db::new(&server, "put_off_long");
    db.run("CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let (mut s, mut holder) = (db.session(), db.session());
    put_off_index(&mut s, &mut holder, "t", "5 s");
    // and the one of the statement
    let processes = "SELECT count(*) <= 3 FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND datname = current_database()";
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(12) {
        assert_eq!(one(&mut s, processes), "t", "{:?}", begun.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    // the second try was not kept from its process
    wait(
        &mut s,
        "SELECT attempts >= 2, last_error LIKE '%lock timeout%' FROM strata.migrate_deferred()",
        "t|t",
    );
    exec(&mut holder, "COMMIT");
    wait(
        &mut s,
        "SELECT state FROM strata.migrate_deferred()",
        "done",
    );
}

/// The old index must not go before the new one is there.
#[test]
fn what_comes_behind_a_statement_that_is_tried_again_waits_for_it() {
    let db = database("put_off_order");
    db.run("CREATE TABLE t (x int); CREATE TABLE u (x int); INSERT INTO t VALUES (1); CREATE INDEX old ON u (x)");
    let (mut s, mut holder) = (db.session(), db.session());
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE INDEX CONCURRENTLY i ON t (x); DROP INDEX CONCURRENTLY old;",
            ),
            ("2_b.up.sql", "VACUUM u"),
        ],
    );
    exec(
        &mut holder,
        "BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE",
    );
    assert_eq!(
        run(
            &mut s,
            "migrate_up(nontransactional => 'defer', lock_timeout => '100 ms')"
        ),
        "1 waiting, 2 waiting"
    );
    wait(
        &mut s,
        "SELECT attempts > 1 FROM strata.migrate_deferred() WHERE statement = 1 AND version = '1'",
        "t",
    );
    let behind = "SELECT version, state, attempts FROM strata.migrate_deferred() WHERE (version, statement) > ('1', 1)";
    assert_eq!(rows(&mut s, behind), "1|waiting|0\n2|waiting|0");
    assert_eq!(one(&mut s, "SELECT to_regclass('old')"), "old");
    exec(&mut holder, "COMMIT");
    wait(
        &mut s,
        "SELECT state FROM strata.migrate_deferred()",
        "done\ndone\ndone",
    );
    assert_eq!(one(&mut s, "SELECT to_regclass('old') IS NULL"), "t");
    assert_eq!(states(&mut s), "1 applied, 2 applied");
}

#[test]
fn without_a_free_process_it_waits_for_one_and_says_so() {
    let mut server = Cluster::builder()
        .preload(true)
        .set("strata.worker_interval", "1s")
        .set("max_logical_replication_workers", "0")
        // the launcher and that of the database
        .set("max_worker_processes", "2")
        .start();
    Db::new(&server, "put_off_full");
    let mut s = server.client("put_off_full");
    exec(&mut s, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    register(
        &mut s,
        &[("1_a.up.sql", "CREATE INDEX CONCURRENTLY i ON t (x)")],
    );
    let deploy = "CALL strata.migrate_deploy()";
    let error = fails(&mut s, deploy, "53000", &["no free background worker"]);
    assert!(error.hint().unwrap().contains("max_worker_processes"));
    drop(s);
    // one for the statement of the procedure; what is put off needs one that starts it, too
    server.configure(&[("max_worker_processes", "3")]);
    server.restart(Stop::Fast);
    let mut s = server.client("put_off_full");
    // the launcher looks into each database once, with a process that takes this place for a moment
    wait_until("a process is free", || {
        s.batch_execute(deploy)
            .map_err(|e| assert_eq!(e.code().unwrap().code(), "53000", "{e:?}"))
            .is_ok()
    });
    assert_eq!(states(&mut s), "1 applied");
    register(
        &mut s,
        &[("2_b.up.sql", "CREATE INDEX CONCURRENTLY j ON t (x)")],
    );
    assert_eq!(
        run(&mut s, "migrate_up(nontransactional => 'defer')"),
        "2 waiting"
    );
    wait(
        &mut s,
        "SELECT state, attempts, last_error LIKE 'no free background worker%max_worker_processes%' FROM strata.migrate_deferred()",
        "waiting|0|t",
    );
    drop(s);
    server.configure(&[("max_worker_processes", "16")]);
    server.restart(Stop::Fast);
    wait(
        &mut server.client("put_off_full"),
        DEFERRED,
        "2|1|1|done|1|-",
    );
}

/// A down that is not done takes back what an up behind it would make.
#[test]
fn a_version_waits_for_what_its_down_has_put_off() {
    let db = database("put_off_downs");
    db.run("CREATE TABLE p (i int); INSERT INTO p VALUES (1)");
    let (mut s, mut holder) = (db.session(), db.session());
    register(
        &mut s,
        &[
            ("1_p.up.sql", "CREATE INDEX IF NOT EXISTS pi ON p (i)"),
            ("1_p.down.sql", "DROP INDEX CONCURRENTLY pi"),
            ("2_q.up.sql", "CREATE TABLE q ()"),
            ("2_q.down.sql", "DROP TABLE q"),
        ],
    );
    assert_eq!(run(&mut s, "migrate_up(steps => 1)"), "1 applied");
    exec(&mut holder, "BEGIN; LOCK TABLE p IN ACCESS SHARE MODE");
    assert_eq!(
        run(&mut s, "migrate_down(nontransactional => 'defer')"),
        "1 waiting"
    );
    for call in [
        "SELECT strata.migrate_up()",
        "SELECT strata.migrate_goto('1')",
        "CALL strata.migrate_deploy()",
        "SELECT strata.migrate_force('1', 'by hand')",
        "SELECT strata.migrate_baseline('1', 'by hand')",
        "SELECT strata.migrate_drop_namespace('default')",
    ] {
        let error = fails(
            &mut s,
            call,
            "55006",
            &["deferred statement of version \"1\""],
        );
        let hint = error.hint().unwrap();
        assert_eq!(rows(&mut s, hint).lines().count(), 1, "{hint}");
    }
    exec(&mut holder, "COMMIT");
    wait(
        &mut s,
        "SELECT state, CASE state WHEN 'failed' THEN last_error END FROM strata.migrate_deferred()",
        "done|",
    );
    assert_eq!(one(&mut s, "SELECT to_regclass('pi') IS NULL"), "t");
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied, 2 applied");
    assert_eq!(one(&mut s, "SELECT to_regclass('pi')"), "pi");
}
