//! The procedures: a transaction for each file, statements that no transaction takes, files that stop half way.

use crate::support::{
    Db, database, exec, fails, one, register, rows, run, same_session, session_state, states,
};
use std::time::Duration;

const LOCKS: &str = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()";

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited in vain: {what}");
}

fn fill(db: &Db<'_>) {
    db.run(
        "CREATE TABLE t (x int, y int); INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n",
    );
}

#[test]
fn each_file_is_committed_and_one_that_fails_is_rolled_back() {
    let db = database("per_file");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a (); SELECT pg_sleep(0)"),
            ("2_b.up.sql", "BEGIN; CREATE TABLE b (); COMMIT;"),
            ("3_c.up.sql", "CREATE TABLE c ();\n  SELECT broken;"),
            ("4_d.up.sql", "CREATE TABLE d ()"),
            ("1_a.down.sql", "DROP TABLE a"),
            ("2_b.down.sql", "DROP TABLE b"),
        ],
    );
    let before = session_state(&mut s);
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "42703", &["broken"]);
    let context = error.where_().unwrap_or_default();
    assert!(
        context.contains("migration 3_c.up.sql, statement 2, line 2, column 10: SELECT"),
        "{error:?}"
    );
    assert!(
        error.detail().unwrap_or_default().contains("rolled back"),
        "{error:?}"
    );
    assert_eq!(states(&mut s), "1 applied, 2 applied, 3 pending, 4 pending");
    assert_eq!(one(&mut s, "SELECT to_regclass('c') IS NULL"), "t");
    same_session(&mut s, &before);
    let failed = "SELECT count(*), max(version), max(error->>'sqlstate'), max(error->>'line') FROM strata.migrate_history() WHERE event = 'fail'";
    assert_eq!(rows(&mut s, failed), "1|3|42703|2");
    let xacts = "SELECT count(DISTINCT xid) FROM strata.migrate_history() WHERE event = 'up'";
    assert_eq!(one(&mut s, xacts), "2");
    register(&mut s, &[("3_c.up.sql", "CREATE TABLE c ()")]);
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(states(&mut s), "1 applied, 2 applied, 3 applied, 4 applied");
    exec(&mut s, "CALL strata.migrate_deploy()");
    fails(&mut s, "CALL strata.migrate_revert()", "P0002", &["\"4\""]);
    exec(
        &mut s,
        "CALL strata.migrate_revert(target => '1', missing_down => 'skip')",
    );
    assert_eq!(states(&mut s), "1 applied, 2 pending, 3 pending, 4 pending");
    assert_eq!(one(&mut s, "SELECT to_regclass('b') IS NULL"), "t");
    assert_eq!(one(&mut s, LOCKS), "0");
    same_session(&mut s, &before);
}

#[test]
fn procedures_say_where_they_cannot_run() {
    let db = database("not_here");
    let mut s = db.session();
    register(&mut s, &[("1_a.up.sql", "CREATE TABLE a ()")]);
    exec(&mut s, "BEGIN");
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "25001",
        &["migrate_deploy"],
    );
    exec(&mut s, "ROLLBACK");
    fails(
        &mut s,
        "DO $$ DECLARE r uuid; BEGIN CALL strata.migrate_revert(run => r); EXCEPTION WHEN division_by_zero THEN NULL; END $$",
        "25001",
        &["migrate_revert"],
    );
    exec(
        &mut s,
        "SET default_transaction_isolation = 'repeatable read'",
    );
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "25001",
        &["READ COMMITTED"],
    );
    exec(
        &mut s,
        "RESET default_transaction_isolation; SET default_transaction_read_only = on",
    );
    fails(&mut s, "CALL strata.migrate_deploy()", "25006", &[]);
    exec(&mut s, "RESET default_transaction_read_only");
    for (call, code) in [
        (
            "CALL strata.migrate_deploy(steps => 1, target => '1')",
            "22023",
        ),
        ("CALL strata.migrate_deploy(retries => -1)", "22023"),
        ("CALL strata.migrate_deploy(on_error => 'go')", "22023"),
        ("CALL strata.migrate_deploy(target => '7')", "42704"),
        (
            "CALL strata.migrate_deploy(namespace => 'nothing')",
            "42704",
        ),
        ("CALL strata.migrate_revert(missing_down => NULL)", "22004"),
    ] {
        fails(&mut s, call, code, &[]);
    }
    assert_eq!(one(&mut s, LOCKS), "0");
    // a DO block may call it
    exec(
        &mut s,
        "DO $$ DECLARE r uuid; BEGIN CALL strata.migrate_deploy(run => r); END $$",
    );
    assert_eq!(states(&mut s), "1 applied");
}

#[test]
fn concurrent_indexes_are_built_alone_twice_and_between_others() {
    let db = database("concurrent");
    fill(&db);
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_alone.up.sql", "CREATE INDEX CONCURRENTLY one ON t (x)"),
            (
                "2_twice.up.sql",
                "CREATE UNIQUE INDEX CONCURRENTLY two ON t (x, y);\nCREATE INDEX CONCURRENTLY three ON t (y);",
            ),
            (
                "3_between.up.sql",
                "SET search_path = s, public; SET maintenance_work_mem = '7MB'; CREATE SCHEMA s; CREATE TABLE s.t2 (x int); INSERT INTO s.t2 VALUES (1);
                 CREATE INDEX CONCURRENTLY four ON t2 (x);
                 ALTER TABLE t2 ADD COLUMN mem text DEFAULT current_setting('maintenance_work_mem');
                 VACUUM t2; REINDEX TABLE CONCURRENTLY t2; DROP INDEX CONCURRENTLY four; CREATE TABLE t3 ();",
            ),
            ("3_between.down.sql", "DROP INDEX CONCURRENTLY three; DROP SCHEMA s CASCADE"),
        ],
    );
    let refused = fails(&mut s, "SELECT strata.migrate_up()", "25001", &["line 1"]);
    assert!(
        refused
            .hint()
            .unwrap_or_default()
            .contains("CALL strata.migrate_deploy()")
    );
    assert_eq!(
        states(&mut s),
        "1 pending, 2 pending, 3 pending",
        "nothing ran"
    );
    let before = session_state(&mut s);
    exec(&mut s, "CALL strata.migrate_deploy()");
    same_session(&mut s, &before);
    assert_eq!(states(&mut s), "1 applied, 2 applied, 3 applied");
    let built = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indisvalid AND relname IN ('one', 'two', 'three', 'four')";
    assert_eq!(one(&mut s, built), "one three two");
    assert_eq!(one(&mut s, "SELECT to_regclass('s.t3') IS NOT NULL"), "t");
    assert_eq!(one(&mut s, "SELECT mem FROM s.t2"), "7MB");
    let events = "SELECT string_agg(event || ' ' || version || ' ' || statements, ', ' ORDER BY id) FROM strata.migrate_history()";
    assert_eq!(one(&mut s, events), "up 1 1, up 2 2, up 3 11");
    exec(&mut s, "CALL strata.migrate_revert()");
    assert_eq!(one(&mut s, built), "one two");
    assert_eq!(one(&mut s, LOCKS), "0");
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.migrate_job WHERE state <> 'done'"
        ),
        "0"
    );
}

#[test]
fn a_file_that_stops_half_way_goes_on_behind_what_is_done() {
    let db = database("half_way");
    fill(&db);
    let mut s = db.session();
    let text = "CREATE TABLE a (x int); INSERT INTO a VALUES (1); COMMIT;\nSET search_path = nowhere, public;\nINSERT INTO a VALUES (2);\nCOMMIT;\nSELECT broken;\nINSERT INTO a VALUES (3);";
    register(
        &mut s,
        &[("1_a.up.sql", text), ("2_b.up.sql", "CREATE TABLE b ()")],
    );
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "42703", &[]);
    assert!(
        error
            .detail()
            .unwrap_or_default()
            .contains("first 6 statements stay"),
        "{error:?}"
    );
    assert_eq!(states(&mut s), "1 failed, 2 pending");
    assert_eq!(one(&mut s, "SELECT sum(x) FROM a"), "3");
    fails(&mut s, "SELECT strata.migrate_up()", "55000", &["failed"]);
    // what was done may not be another
    register(
        &mut s,
        &[("1_a.up.sql", &text.replace("VALUES (1)", "VALUES (7)"))],
    );
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "55000",
        &["1_a.up.sql", "statement 6"],
    );
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            &text.replace("broken", "current_setting('search_path')"),
        )],
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(one(&mut s, "SELECT sum(x), count(*) FROM a"), "6");
    assert_eq!(states(&mut s), "1 applied, 2 applied");
}

#[test]
fn an_index_that_cannot_be_built_leaves_nothing_once_the_next_try_succeeds() {
    let db = database("invalid");
    fill(&db);
    let mut s = db.session();
    exec(&mut s, "INSERT INTO t VALUES (1, 1)");
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a ();\nCREATE UNIQUE INDEX CONCURRENTLY u ON t (x);\nCREATE TABLE b ();",
        )],
    );
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "23505", &["u"]);
    assert_eq!(error.constraint(), Some("u"));
    assert_eq!(error.table(), Some("t"));
    let context = error.where_().unwrap_or_default();
    assert!(
        context.contains("migration 1_a.up.sql, statement 2, line 2: CREATE INDEX"),
        "{error:?}"
    );
    assert_eq!(states(&mut s), "1 failed");
    exec(
        &mut s,
        "DELETE FROM t WHERE ctid IN (SELECT min(ctid) FROM t GROUP BY x HAVING count(*) > 1)",
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(states(&mut s), "1 applied");
    assert_eq!(
        rows(
            &mut s,
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = 't'::regclass"
        ),
        "u|t"
    );
}

#[test]
fn a_lock_that_is_not_to_be_had_is_tried_again_without_holding_any() {
    let db = database("again");
    fill(&db);
    let mut holder = db.session();
    let mut s = db.session();
    let mut watch = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); ALTER TABLE t ADD COLUMN z int; ",
        )],
    );
    exec(&mut holder, "BEGIN; LOCK TABLE t IN ACCESS SHARE MODE");
    fails(
        &mut s,
        "CALL strata.migrate_deploy(lock_timeout => '50 ms', retries => 0)",
        "55P03",
        &[],
    );
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| {
            exec(
                &mut s,
                "CALL strata.migrate_deploy(lock_timeout => '50 ms')",
            )
        });
        // between two tries nothing but the locks of the namespace is held
        let pausing = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL strata.migrate_deploy%' AND datname = current_database() AND wait_event = 'Extension' AND backend_xid IS NULL AND backend_xmin IS NULL";
        wait_until("it pauses", || one(&mut watch, pausing) == "1");
        exec(&mut holder, "COMMIT");
        deploy.join().expect("a deploy");
    });
    assert_eq!(states(&mut s), "1 applied");
}

#[test]
fn of_ten_deploys_one_works_and_a_run_that_waits_holds_no_snapshot() {
    let db = database("ten_deploys");
    fill(&db);
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a (); SELECT pg_sleep(0.3)"),
            ("2_b.up.sql", "CREATE INDEX CONCURRENTLY i ON t (x)"),
            ("3_c.up.sql", "CREATE TABLE c ()"),
        ],
    );
    std::thread::scope(|scope| {
        for n in 0..10 {
            let db = &db;
            scope.spawn(move || {
                let mut s = db.session();
                exec(&mut s, &format!("SET application_name = 'deploy {n}'"));
                exec(&mut s, "CALL strata.migrate_deploy()");
            });
        }
    });
    assert_eq!(states(&mut s), "1 applied, 2 applied, 3 applied");
    let events =
        "SELECT count(*), count(DISTINCT version) FROM strata.migrate_history() WHERE event = 'up'";
    assert_eq!(rows(&mut s, events), "3|3");
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass"
        ),
        "1"
    );
    assert_eq!(one(&mut s, LOCKS), "0");
}

/// The session is killed while its statement is run by itself.
#[test]
fn whoever_comes_after_a_killed_run_goes_on_where_it_stopped() {
    let db = database("killed");
    fill(&db);
    let mut watch = db.session();
    let mut holder = db.session();
    register(
        &mut watch,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON t (x); CREATE TABLE b ();",
        )],
    );
    // the build waits for it
    exec(&mut holder, "BEGIN; INSERT INTO t VALUES (0, 0)");
    for end in ["pg_terminate_backend", "pg_cancel_backend"] {
        let mut s = db.session();
        let pid = one(&mut s, "SELECT pg_backend_pid()");
        std::thread::scope(|scope| {
            let deploy = scope.spawn(move || {
                s.simple_query("CALL strata.migrate_deploy(lock_timeout => '0')")
                    .expect_err("killed");
            });
            let building = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY i%' AND wait_event_type = 'Lock'";
            wait_until("it builds", || one(&mut watch, building) == "1");
            assert_eq!(states(&mut watch), "1 running");
            fails(
                &mut watch,
                "SELECT strata.migrate_up()",
                "55006",
                &["\"1\""],
            );
            exec(&mut watch, &format!("SELECT {end}({pid})"));
            deploy.join().expect("ended");
        });
        // its process ends with it
        let left =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY i%'";
        wait_until("the process has ended", || one(&mut watch, left) == "0");
        wait_until("nobody holds a lock", || one(&mut watch, LOCKS) == "0");
        // whoever only looks sees that nobody is at it
        assert_eq!(states(&mut watch), "1 failed", "{end}");
        assert_eq!(
            rows(&mut watch, "SELECT note FROM strata.migrate_status()"),
            "\"1\" (a): up stopped after statement 1"
        );
        assert_eq!(
            rows(
                &mut watch,
                "SELECT version, problem FROM strata.migrate_validate()"
            ),
            "1|failed"
        );
    }
    exec(&mut holder, "COMMIT");
    exec(&mut watch, "CALL strata.migrate_deploy()");
    assert_eq!(states(&mut watch), "1 applied");
    assert_eq!(
        rows(
            &mut watch,
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = 't'::regclass"
        ),
        "i|t"
    );
    assert_eq!(run(&mut watch, "migrate_up()"), "");
}

#[test]
fn files_without_transactions_commit_each_statement() {
    let db = database("no_transaction");
    let mut s = db.session();
    let text = "-- strata: no-transaction\nCREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\nBEGIN; INSERT INTO a VALUES (2); INSERT INTO a VALUES (3); COMMIT;\nINSERT INTO a VALUES (4 / 0);\n";
    register(&mut s, &[("1_a.up.sql", text)]);
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    assert!(
        error
            .detail()
            .unwrap_or_default()
            .contains("first 6 statements stay"),
        "{error:?}"
    );
    assert_eq!(
        one(&mut s, "SELECT string_agg(x::text, ' ' ORDER BY x) FROM a"),
        "1 2 3"
    );
    assert_eq!(one(&mut s, "SELECT count(DISTINCT xmin::text) FROM a"), "2");
    register(&mut s, &[("1_a.up.sql", &text.replace("4 / 0", "4"))]);
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(
        one(&mut s, "SELECT string_agg(x::text, ' ' ORDER BY x) FROM a"),
        "1 2 3 4"
    );
    // a function runs it in one transaction: nothing in it needs more
    exec(
        &mut s,
        "SELECT strata.migrate_force(NULL, 'again'); DROP TABLE a",
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    register(
        &mut s,
        &[(
            "2_b.up.sql",
            "BEGIN; CREATE INDEX CONCURRENTLY i ON a (x); COMMIT;",
        )],
    );
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "25001",
        &["BEGIN", "2_b.up.sql"],
    );
}
