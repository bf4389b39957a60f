//! Files that commit in between: which settings the rest has, what has to be run by itself, and who may come in between.

use crate::common::wait_until;
use crate::support::{
    Db, database, exec, fails, one, register, rows, same_session, session_state, states,
};

fn fill(db: &Db<'_>) {
    db.run(
        "CREATE TABLE t (x int, y int); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n",
    );
}

/// What a part sees of the settings that the one before has made.
const SEE: &str = "INSERT INTO seen SELECT current_setting('work_mem'), NULLIF(current_setting('my.local', true), ''), current_setting('my.kept', true),
    NULLIF(current_setting('my.gone', true), ''), current_setting('my.real', true), current_setting('search_path'), current_user;";

/// Makes settings in every way.
const MAKE: &str = "BEGIN;
    SET work_mem = '1MB'; SET LOCAL work_mem = '2MB';
    SET enable_seqscan = off; SET LOCAL enable_seqscan = on; SET random_page_cost = 1.25; SET LOCAL random_page_cost = 3;
    SELECT set_config('my.local', 'x', true), set_config('my.kept', 'y', false);
    SAVEPOINT a; SET my.gone = 'z'; ROLLBACK TO a;
    DO $$ BEGIN PERFORM set_config('my.real', current_setting('enable_seqscan'), false); END $$;
    SET LOCAL search_path = pg_catalog;
    COMMIT;";

const SEEN: &str = "SELECT DISTINCT * FROM seen";

#[test]
fn settings_outlast_a_commit_within_a_file_as_in_psql() {
    let db = database("carried");
    let mut s = db.session();
    let table = "CREATE TABLE seen (work_mem text, local text, kept text, gone text, real text, path text, role text);";
    let both = "SELECT current_setting('enable_seqscan') AS a, current_setting('random_page_cost') AS b INTO others";
    let file =
        format!("{table} {MAKE} BEGIN; {SEE} COMMIT; {SEE} {both}; COMMIT; {SEE} SELECT 1 / 0;");
    // the truth
    let mut psql = db.session();
    exec(&mut psql, &table.replace("seen", "truth"));
    exec(&mut psql, MAKE);
    exec(&mut psql, &SEE.replace("INTO seen", "INTO truth"));
    let truth = rows(&mut psql, "SELECT * FROM truth");
    assert!(truth.starts_with("1MB|"), "{truth}");

    register(&mut s, &[("1_a.up.sql", &file)]);
    let before = session_state(&mut s);
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    same_session(&mut s, &before);
    assert_eq!(rows(&mut s, SEEN), truth);
    assert_eq!(one(&mut s, "SELECT count(*) FROM seen"), "2");
    assert_eq!(rows(&mut s, "SELECT * FROM others"), "off|1.25");
    assert_eq!(states(&mut s), "1 failed");
    // who comes later, in another session, has them as well
    let file = file.replace("SELECT 1 / 0", "SELECT 1");
    let mut other = db.session();
    register(&mut other, &[("1_a.up.sql", &file)]);
    exec(&mut other, "CALL strata.migrate_deploy()");
    assert_eq!(rows(&mut s, SEEN), truth);
    assert_eq!(one(&mut s, "SELECT count(*) FROM seen"), "3");
    assert_eq!(
        one(
            &mut s,
            "SELECT settings IS NULL FROM strata.migrate_applied"
        ),
        "t"
    );
}

#[test]
fn a_rest_is_read_as_the_text_before_it_says() {
    let db = database("carried_strings");
    let mut s = db.session();
    let file = "CREATE TABLE said (what text); INSERT INTO said VALUES ('a\\'); COMMIT;
        SET standard_conforming_strings = off; SET escape_string_warning = off; COMMIT;
        INSERT INTO said VALUES ('it\\'s; fine'); COMMIT; SELECT 1 / 0;";
    register(&mut s, &[("1_a.up.sql", file)]);
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            &file.replace("SELECT 1 / 0", "INSERT INTO said VALUES ('that\\'s all')"),
        )],
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(
        rows(&mut s, "SELECT what FROM said ORDER BY what"),
        "a\\\nit's; fine\nthat's all"
    );
}

#[test]
fn a_rest_goes_on_only_behind_what_the_variables_were_then() {
    let db = database("carried_vars");
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE said (what text); INSERT INTO said VALUES (:'what'); COMMIT; SELECT 1 / :n; SELECT :'what';",
        )],
    );
    let call = |what: &str, n: i32| {
        format!(r#"CALL strata.migrate_deploy(vars => '{{"what": "{what}", "n": "{n}"}}')"#)
    };
    fails(&mut s, &call("first", 0), "22012", &[]);
    fails(
        &mut s,
        &call("second", 1),
        "55000",
        &["1_a.up.sql", "has changed"],
    );
    exec(&mut s, &call("first", 1));
    assert_eq!(rows(&mut s, "SELECT what FROM said"), "first");
}

#[test]
fn nobody_changes_files_while_a_statement_runs_by_itself() {
    let db = database("by_itself_others");
    fill(&db);
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE INDEX CONCURRENTLY i ON t (x)"),
            ("2_b.up.sql", "SELECT 2"),
        ],
    );
    let mut reader = db.session();
    exec(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t",
    );
    let mut deploying = db.session();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| exec(&mut deploying, "CALL strata.migrate_deploy()"));
        let mut other = db.session();
        wait_until("the index waits for the reader", || {
            one(
                &mut other,
                "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() AND lockers_total > 0",
            ) == "1"
        });
        for call in [
            "SELECT strata.migrate_register('3_c.up.sql', 'SELECT 3')",
            "SELECT strata.migrate_register('2_b.up.sql', 'SELECT 22')",
            "SELECT strata.migrate_unregister('2')",
            "SELECT strata.migrate_configure('default', search_path => 'public')",
            "SELECT strata.migrate_mirror('golang-migrate')",
            "SELECT strata.migrate_up()",
        ] {
            fails(&mut other, call, "55006", &[]);
        }
        exec(&mut reader, "COMMIT");
        run.join().expect("the run");
        // and nothing of it stays
        register(&mut other, &[("3_c.up.sql", "SELECT 3")]);
        assert_eq!(states(&mut other), "1 applied, 2 applied, 3 pending");
    });
}

#[test]
fn a_file_that_gives_back_the_locks_of_its_run_is_not_committed() {
    let db = database("unlocks");
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); COMMIT; CREATE TABLE b (); SELECT pg_advisory_unlock_all(); COMMIT; CREATE TABLE c ()",
        )],
    );
    let before = session_state(&mut s);
    fails(&mut s, "CALL strata.migrate_deploy()", "55000", &["locks"]);
    same_session(&mut s, &before);
    assert_eq!(
        one(
            &mut s,
            "SELECT to_regclass('a') IS NOT NULL AND to_regclass('b') IS NULL AND to_regclass('c') IS NULL"
        ),
        "t"
    );
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); COMMIT; CREATE TABLE b (); COMMIT; CREATE TABLE c ()",
        )],
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(states(&mut s), "1 applied");
    // those that a file takes itself are its own
    register(
        &mut s,
        &[(
            "2_b.up.sql",
            "SELECT pg_advisory_lock(1); COMMIT; SELECT pg_advisory_unlock(1); COMMIT",
        )],
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    same_session(&mut s, &before);
    // a function holds locks that nothing gives back
    register(&mut s, &[("3_c.up.sql", "SELECT pg_advisory_unlock_all()")]);
    exec(&mut s, "SELECT strata.migrate_up()");
}

#[test]
fn an_index_that_somebody_else_builds_is_no_left_over() {
    let db = database("not_left_over");
    fill(&db);
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (x)",
        )],
    );
    let mut reader = db.session();
    exec(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t",
    );
    let (mut builder, mut deploying) = (db.session(), db.session());
    std::thread::scope(|scope| {
        let build = scope.spawn(|| exec(&mut builder, "CREATE INDEX CONCURRENTLY i ON t (x)"));
        wait_until("the index is there, and not valid", || {
            one(
                &mut s,
                "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('i') AND NOT indisvalid",
            ) == "1"
        });
        let oid = one(&mut s, "SELECT 'i'::regclass::oid");
        let run = scope.spawn(|| {
            exec(
                &mut deploying,
                "CALL strata.migrate_deploy(lock_timeout => '10 min')",
            )
        });
        wait_until("the process of the statement has begun", || {
            one(
                &mut s,
                "SELECT count(*) FROM strata.migrate_job WHERE attempts > 0",
            ) == "1"
        });
        exec(&mut reader, "COMMIT");
        build.join().expect("the build");
        run.join().expect("the run");
        assert_eq!(
            rows(
                &mut s,
                "SELECT indexrelid::oid, indisvalid FROM pg_index WHERE indrelid = 't'::regclass"
            ),
            format!("{oid}|t")
        );
    });
    assert_eq!(states(&mut s), "1 applied");
}

#[test]
fn what_turns_out_to_be_none_for_a_transaction_gets_a_process() {
    let db = database("turns_out");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE log (what text, who text DEFAULT current_user); CREATE ROLE turns_out_role; GRANT ALL ON log TO turns_out_role;
         CREATE TABLE p (x int) PARTITION BY RANGE (x); CREATE TABLE p1 PARTITION OF p DEFAULT; CREATE INDEX p_x ON p (x)",
    );
    let body = "INSERT INTO log VALUES ('first'); SET ROLE turns_out_role; SELECT set_config('my.word', 'word', false);
         DO $$ BEGIN INSERT INTO log VALUES ('one ' || current_setting('my.word')); COMMIT; INSERT INTO log VALUES ('two'); END $$;
         INSERT INTO log VALUES ('last'); RESET ROLE; CLUSTER p USING p_x;";
    register(&mut s, &[("1_a.up.sql", body)]);
    let error = fails(&mut s, "SELECT strata.migrate_up()", "2D000", &[]);
    assert!(
        error.hint().unwrap_or_default().contains("migrate_deploy"),
        "{error:?}"
    );
    let before = session_state(&mut s);
    exec(&mut s, "CALL strata.migrate_deploy()");
    same_session(&mut s, &before);
    assert_eq!(
        rows(&mut s, "SELECT what, who FROM log ORDER BY ctid").replace('\n', ", "),
        "first|postgres, one word|turns_out_role, two|turns_out_role, last|turns_out_role"
    );
    assert_eq!(states(&mut s), "1 applied");
    // between BEGIN and COMMIT there is no way
    register(
        &mut s,
        &[(
            "2_b.up.sql",
            "BEGIN;\nDO $$ BEGIN COMMIT; END $$;\nCOMMIT; SELECT 1",
        )],
    );
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "25001",
        &["line 2", "BEGIN"],
    );
    assert_eq!(states(&mut s), "1 applied, 2 pending");
    // an error that only looks like one comes once more, and then it is one
    register(
        &mut s,
        &[(
            "2_b.up.sql",
            "INSERT INTO log VALUES ('before'); DO $$ BEGIN RAISE 'mine' USING ERRCODE = '25001'; END $$",
        )],
    );
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "25001", &["mine"]);
    assert!(
        !error.hint().unwrap_or_default().contains("migrate_deploy"),
        "{error:?}"
    );
    register(
        &mut s,
        &[(
            "2_b.up.sql",
            "INSERT INTO log VALUES ('before'); DO $$ BEGIN COMMIT; END $$; SELECT 1 / 0; SELECT 2",
        )],
    );
    exec(&mut s, "CALL strata.migrate_deploy(on_error => 'continue')");
    assert_eq!(states(&mut s), "1 applied, 2 applied_with_errors");
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM log WHERE what = 'before'"),
        "1"
    );
}

#[test]
fn an_error_of_a_statement_by_itself_is_passed_over_where_errors_are() {
    let db = database("passed_over");
    fill(&db);
    let mut s = db.session();
    exec(&mut s, "INSERT INTO t VALUES (1, 1)");
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); CREATE UNIQUE INDEX CONCURRENTLY i ON t (x); CREATE TABLE b ()",
        )],
    );
    exec(&mut s, "CALL strata.migrate_deploy(on_error => 'continue')");
    assert_eq!(states(&mut s), "1 applied_with_errors");
    assert_eq!(
        one(
            &mut s,
            "SELECT to_regclass('b') IS NOT NULL AND to_regclass('i') IS NULL"
        ),
        "t"
    );
    let error = "SELECT error -> 0 ->> 'sqlstate', error -> 0 ->> 'statement' FROM strata.migrate_history() WHERE event = 'up'";
    assert_eq!(rows(&mut s, error), "23505|2");
}

#[test]
fn hooks_before_a_file_run_once_however_often_its_first_statement_is_tried() {
    let db = database("hooks_once");
    fill(&db);
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE log (what text)");
    register(
        &mut s,
        &[
            ("before_each.sql", "INSERT INTO log VALUES ('before')"),
            ("after_each.sql", "INSERT INTO log VALUES ('after')"),
            ("1_a.up.sql", "CREATE INDEX CONCURRENTLY i ON t (x)"),
        ],
    );
    let mut blocker = db.session();
    exec(
        &mut blocker,
        "BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE",
    );
    let mut deploying = db.session();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            exec(
                &mut deploying,
                "CALL strata.migrate_deploy(lock_timeout => '100 ms', retries => 20)",
            );
        });
        wait_until("it was tried twice", || {
            one(
                &mut s,
                "SELECT count(*) >= 2 FROM strata.migrate_job WHERE attempts > 0",
            ) == "t"
        });
        exec(&mut blocker, "COMMIT");
        run.join().expect("the run");
    });
    assert_eq!(rows(&mut s, "SELECT what FROM log"), "before\nafter");
}

#[test]
fn what_only_a_superuser_sets_does_not_stop_a_confined_process() {
    let db = database("confined_settings");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE confined_owner LOGIN; CREATE SCHEMA AUTHORIZATION confined_owner;
         SELECT strata.migrate_configure('theirs', owner => 'confined_owner', role => 'confined_owner', search_path => 'confined_owner');
         SET log_min_duration_statement = 12345; SET work_mem = '7MB'",
    );
    exec(
        &mut s,
        "SELECT strata.migrate_register('1_a.up.sql', 'CREATE TABLE t AS SELECT 1 AS x; CREATE INDEX CONCURRENTLY i ON t (x)', namespace => 'theirs')",
    );
    exec(
        &mut s,
        "SELECT strata.migrate_mirror('golang-migrate', 'confined_owner.mirror', namespace => 'theirs')",
    );
    exec(&mut s, "CALL strata.migrate_deploy(namespace => 'theirs')");
    assert_eq!(
        rows(&mut s, "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'confined_owner'::regnamespace AND relkind IN ('r', 'i') ORDER BY 1").replace('\n', ", "),
        "i|confined_owner, mirror|confined_owner, mirror_pkey|confined_owner, t|confined_owner"
    );
    assert_eq!(rows(&mut s, "SELECT * FROM confined_owner.mirror"), "1|f");
    assert_eq!(one(&mut s, "SHOW log_min_duration_statement"), "12345ms");
}
