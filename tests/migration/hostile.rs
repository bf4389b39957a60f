//! What a file, or whoever registers it, might do to the session and to others.

use crate::support::{
    database, exec, fails, one, register, rows, run, same_session, session_state, states,
};
use postgres::SimpleQueryMessage;

/// A savepoint that a failing file leaves open.
#[test]
fn an_error_behind_a_savepoint_ends_the_call_and_no_more() {
    let db = database("behind_savepoint");
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); SAVEPOINT one; CREATE TABLE b (); SAVEPOINT two; SELECT 1 / 0;",
        )],
    );
    fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NULL"), "t");
    exec(
        &mut s,
        "CREATE TABLE caught (code text);
         DO $$ BEGIN PERFORM strata.migrate_up(); EXCEPTION WHEN division_by_zero THEN INSERT INTO caught VALUES (SQLSTATE); END $$",
    );
    assert_eq!(one(&mut s, "SELECT code FROM caught"), "22012");
    exec(&mut s, "BEGIN; SAVEPOINT mine");
    fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    exec(&mut s, "ROLLBACK TO mine; CREATE TABLE kept (); COMMIT");
    assert_eq!(one(&mut s, "SELECT to_regclass('kept') IS NOT NULL"), "t");
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    assert_eq!(states(&mut s), "1 pending");
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ),
        "0"
    );
}

#[test]
fn what_a_file_leaves_in_the_session_goes_with_it_and_what_was_there_stays() {
    let db = database("leaves");
    let mut s = db.session();
    exec(
        &mut s,
        "PREPARE mine AS SELECT 1; CREATE TEMP TABLE my_rows (x int); INSERT INTO my_rows VALUES (1)",
    );
    let before = session_state(&mut s);
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "PREPARE theirs AS SELECT 2; EXECUTE theirs; DO $$ BEGIN EXECUTE 'PREPARE hidden AS SELECT 3'; END $$;
             CREATE TEMP TABLE t (x int); CREATE TEMP VIEW v AS SELECT * FROM t; CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE TYPE pg_temp.e AS ENUM ('a'); CREATE TEMP SEQUENCE s OWNED BY t.x;
             DEALLOCATE ALL; DISCARD TEMP; PREPARE again AS SELECT 4; CREATE TEMP TABLE u ();",
        )],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    same_session(&mut s, &before);
    assert_eq!(one(&mut s, "SELECT count(*) FROM my_rows"), "1");
    exec(&mut s, "EXECUTE mine");
    let temporary = "SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = pg_my_temp_schema()";
    assert_eq!(one(&mut s, temporary), "1");
    register(&mut s, &[("2_b.up.sql", "DEALLOCATE mine")]);
    fails(&mut s, "SELECT strata.migrate_up()", "55000", &["mine"]);
    register(
        &mut s,
        &[("2_b.up.sql", "PREPARE lost AS SELECT 1; SELECT 1 / 0")],
    );
    fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    same_session(&mut s, &before);
}

#[test]
fn a_file_runs_no_migrations() {
    let db = database("within");
    let mut s = db.session();
    register(&mut s, &[("1_a.up.sql", "SELECT strata.migrate_up()")]);
    fails(&mut s, "SELECT strata.migrate_up()", "55006", &[]);
    fails(&mut s, "CALL strata.migrate_deploy()", "55006", &[]);
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "SELECT strata.migrate_register('2_b.up.sql', 'SELECT 1')",
        )],
    );
    fails(&mut s, "SELECT strata.migrate_up()", "55006", &[]);
    // and afterwards all is well
    register(&mut s, &[("1_a.up.sql", "SELECT 1")]);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
}

/// The texts are the same, or their hashes unknown: which half is meant stands with the text.
#[test]
fn a_down_never_runs_an_up() {
    let db = database("halves");
    let mut s = db.session();
    let both = "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;\n";
    register(
        &mut s,
        &[
            ("1_a.sql", both),
            ("2_b.up.sql", "-- nothing"),
            ("2_b.down.sql", "-- nothing"),
            ("3_c.down.sql", "CREATE TABLE downed ()"),
        ],
    );
    assert_eq!(
        run(&mut s, "migrate_up()"),
        "1 applied, 2 applied, 3 applied"
    );
    // how names and marks are read now does not change what ran
    exec(
        &mut s,
        "SELECT strata.migrate_configure('default', style => 'golang-migrate')",
    );
    assert_eq!(run(&mut s, "migrate_down()"), "3 reverted");
    assert_eq!(one(&mut s, "SELECT to_regclass('downed') IS NOT NULL"), "t");
    assert_eq!(run(&mut s, "migrate_down()"), "2 reverted");
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NOT NULL"), "t");
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NULL"), "t");
}

#[test]
fn an_up_that_comes_after_its_version_was_applied_without_one_is_not_passed_over_in_silence() {
    let db = database("late_half");
    let mut s = db.session();
    register(&mut s, &[("1_a.down.sql", "DROP TABLE a")]);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    register(&mut s, &[("1_a.up.sql", "CREATE TABLE a ()")]);
    assert_eq!(states(&mut s), "1 modified");
    fails(&mut s, "SELECT strata.migrate_up()", "55000", &["changed"]);
}

#[test]
fn two_sessions_register_the_halves_of_a_pair_at_once() {
    let db = database("at_once");
    let (mut a, mut b) = (db.session(), db.session());
    for n in 1..=20 {
        std::thread::scope(|scope| {
            scope.spawn(|| register(&mut a, &[(&format!("{n}_x.up.sql"), "SELECT 1")]));
            register(&mut b, &[(&format!("{n}_x.down.sql"), "SELECT 2")]);
        });
    }
    let whole = "SELECT count(*) FROM strata.migrate_file WHERE up_sha IS NOT NULL AND down_sha IS NOT NULL";
    assert_eq!(one(&mut a, whole), "20");
}

#[test]
fn what_is_taken_for_new_is_looked_at_when_its_time_has_come() {
    let db = database("needed");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE SCHEMA other; CREATE TABLE other.t (x int); INSERT INTO other.t VALUES (1); CREATE TABLE t (x int)",
    );
    // beforehand t is public.t, which is empty
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "SET search_path = other; CREATE INDEX CONCURRENTLY i ON t (x)",
        )],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "25001",
        &["line 1", "CREATE INDEX"],
    );
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE new (x int); INSERT INTO new VALUES (1); CREATE INDEX CONCURRENTLY i ON new (x);
             CREATE INDEX CONCURRENTLY j ON t (x); DROP INDEX CONCURRENTLY j; VACUUM t;",
        )],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    let note = "SELECT reason FROM strata.migrate_history() WHERE event = 'up'";
    assert!(one(&mut s, note).contains("VACUUM was left out"));
    register(&mut s, &[("2_b.up.sql", "DROP INDEX CONCURRENTLY i")]);
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "25001",
        &["DROP INDEX"],
    );
    assert_eq!(
        run(&mut s, "migrate_up(nontransactional => 'strip')"),
        "2 applied"
    );
}

#[test]
fn a_failed_check_at_the_end_of_a_file_ends_the_run_whatever_is_to_go_on() {
    let db = database("end_check");
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE p (x int PRIMARY KEY); CREATE TABLE c (x int REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1);",
        )],
    );
    let error = fails(
        &mut s,
        "SELECT strata.migrate_up(on_error => 'continue')",
        "23503",
        &[],
    );
    assert!(
        error
            .detail()
            .is_some_and(|d| d.contains("Nothing was changed")),
        "{error:?}"
    );
    assert_eq!(states(&mut s), "1 pending");
}

#[test]
fn constraints_in_schemas_of_others_do_not_stop_a_file() {
    let db = database("strange_schema");
    db.run(
        "CREATE ROLE simple LOGIN; GRANT CREATE ON DATABASE strange_schema TO simple; GRANT CREATE ON SCHEMA public TO simple;
         CREATE SCHEMA hidden; CREATE TABLE hidden.t (x int UNIQUE DEFERRABLE)",
    );
    let mut s = db.session_as("simple");
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE mine (x int); INSERT INTO mine VALUES (1)",
        )],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
}

#[test]
fn hooks_run_around_files_and_runs_and_fail_them() {
    let db = database("hooked");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE log (what text, n int GENERATED ALWAYS AS IDENTITY)",
    );
    register(
        &mut s,
        &[
            ("before_all.sql", "INSERT INTO log VALUES ('before all')"),
            (
                "beforeEachMigrate.sql",
                "SET search_path = nowhere; INSERT INTO public.log VALUES ('before each')",
            ),
            ("after_each.sql", "INSERT INTO log VALUES ('after each')"),
            ("afterMigrate.sql", "INSERT INTO log VALUES ('after all')"),
            ("1_a.up.sql", "INSERT INTO log VALUES ('1')"),
            ("2_b.up.sql", "INSERT INTO log VALUES ('2')"),
        ],
    );
    let log = "SELECT string_agg(what, ', ' ORDER BY n) FROM log";
    let expected = "before all, before each, 1, after each, before each, 2, after each, after all";
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied, 2 applied");
    assert_eq!(one(&mut s, log), expected);
    assert_eq!(run(&mut s, "migrate_up()"), "", "nothing to do, no hooks");
    assert_eq!(one(&mut s, log), expected);
    exec(
        &mut s,
        "SELECT strata.migrate_force(NULL, 'once more'); TRUNCATE log",
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(one(&mut s, log), expected);
    register(
        &mut s,
        &[
            ("after_each.sql", "SELECT 1 / 0"),
            ("3_c.up.sql", "CREATE TABLE c ()"),
        ],
    );
    let error = fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    assert!(
        error.where_().is_some_and(|w| w.contains("after_each.sql")),
        "{error:?}"
    );
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    assert_eq!(one(&mut s, "SELECT to_regclass('c') IS NULL"), "t");
    assert!(states(&mut s).contains("3 pending"));
}

#[test]
fn variables_that_a_file_sets_itself_are_known_when_it_is_registered() {
    let db = database("own_variables");
    let mut s = db.session();
    let text =
        "\\set t numbers\n\\set n 7\nCREATE TABLE :\"t\" (x int);\nINSERT INTO :t VALUES (:n);\n";
    register(&mut s, &[("1_a.up.sql", text)]);
    assert_eq!(rows(&mut s, "SELECT * FROM strata.migrate_validate()"), "");
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(one(&mut s, "SELECT x FROM numbers"), "7");
    register(&mut s, &[("2_b.up.sql", "CREATE TABLE :name (x int)")]);
    fails(&mut s, "SELECT strata.migrate_up()", "42601", &["\"2\""]);
    let plan =
        s.simple_query("SELECT sql FROM strata.migrate_plan(vars => '{\"name\": \"named\"}')");
    let plan = plan.expect("a plan");
    assert!(
        plan.iter().any(|m| matches!(m, SimpleQueryMessage::Row(r) if r.get(0) == Some("CREATE TABLE named (x int)"))),
    );
    assert_eq!(
        run(&mut s, "migrate_up(vars => '{\"name\": \"named\"}')"),
        "2 applied"
    );
}
