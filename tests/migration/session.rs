//! Nothing of a file is left in the session: settings, roles, temporary tables, prepared statements, constraints.

use crate::support::{database, exec, one, register, rows, run, same_session, session_state};

const LEAKS: &str = "SET search_path = ''; SET LOCAL work_mem = '7MB'; SET lock_timeout = 0; SET statement_timeout = '1 h';
    SELECT set_config('application_name', 'leaks', false); SET my.own = 'x'; SET ROLE leaky;
    CREATE TEMP TABLE left_over (x int); CREATE TEMP VIEW looks AS SELECT 1; CREATE TEMP SEQUENCE counts;
    PREPARE p AS SELECT 1; SET standard_conforming_strings = off; SELECT 'it\\'s'; RESET ALL; SET DateStyle = 'German';";

#[test]
fn after_any_call_the_session_is_as_before() {
    let db = database("leaks");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE leaky; GRANT CREATE ON SCHEMA public TO leaky; CREATE TEMP TABLE mine (x int); PREPARE own AS SELECT 1; SET work_mem = '5MB'; DO $$ BEGIN END $$",
    );
    // a setting of a class that nobody knows stays known, and empty
    exec(&mut s, "SET my.own = ''");
    register(
        &mut s,
        &[
            ("1_leaks.up.sql", LEAKS),
            ("1_leaks.down.sql", LEAKS),
            ("2_a.up.sql", "CREATE TABLE here ()"),
            ("2_a.down.sql", "DROP TABLE here"),
        ],
    );
    let before = session_state(&mut s);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied, 2 applied");
    same_session(&mut s, &before);
    // the second file had the path of the caller
    assert_eq!(
        one(&mut s, "SELECT 'here'::regclass = 'public.here'::regclass"),
        "t"
    );
    assert_eq!(run(&mut s, "migrate_goto('1')"), "2 reverted");
    assert_eq!(run(&mut s, "migrate_up()"), "2 applied");
    register(
        &mut s,
        &[("3_fails.up.sql", &format!("{LEAKS} SELECT 1 / 0;"))],
    );
    s.simple_query("SELECT strata.migrate_up()").unwrap_err();
    same_session(&mut s, &before);
    assert_eq!(
        run(&mut s, "migrate_up(on_error => 'continue')"),
        "3 applied_with_errors"
    );
    same_session(&mut s, &before);
    assert_eq!(one(&mut s, "SELECT count(*) FROM mine"), "0");
}

#[test]
fn constraints_that_were_put_off_are_checked_at_the_end_of_each_file() {
    let db = database("deferred");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int CONSTRAINT c_p REFERENCES p DEFERRABLE INITIALLY DEFERRED, q int CONSTRAINT c_q UNIQUE DEFERRABLE INITIALLY IMMEDIATE)",
            ),
            (
                "2_b.up.sql",
                "BEGIN; INSERT INTO c VALUES (1, 1); INSERT INTO p VALUES (1); COMMIT;",
            ),
            // this needs that no trigger event waits
            ("3_c.up.sql", "ALTER TABLE c ADD COLUMN d int"),
            (
                "4_d.up.sql",
                "SET CONSTRAINTS c_q DEFERRED; INSERT INTO c VALUES (1, 2), (1, 2); UPDATE c SET q = 3 WHERE ctid = (SELECT max(ctid) FROM c);",
            ),
        ],
    );
    assert_eq!(
        run(&mut s, "migrate_up()"),
        "1 applied, 2 applied, 3 applied, 4 applied"
    );
    register(
        &mut s,
        &[
            ("5_e.up.sql", "INSERT INTO c VALUES (9, 9);"),
            ("6_f.up.sql", "INSERT INTO p VALUES (9);"),
        ],
    );
    let error = s.simple_query("SELECT strata.migrate_up()").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(
        (error.code().code(), error.constraint()),
        ("23503", Some("c_p"))
    );
    let context = error.where_().unwrap();
    assert!(context.contains("migration 5_e.up.sql"), "{context}");
    // immediate ones are immediate again in the next file
    register(
        &mut s,
        &[
            ("5_e.up.sql", "SELECT 1"),
            ("6_f.up.sql", "INSERT INTO c VALUES (1, 3);"),
        ],
    );
    let error = s.simple_query("SELECT strata.migrate_up()").unwrap_err();
    let error = error.as_db_error().unwrap();
    let context = error.where_().unwrap();
    assert!(
        context.contains("6_f.up.sql, statement 1, line 1: INSERT"),
        "{context}"
    );
}

#[test]
fn savepoints_of_a_file_work_as_in_psql() {
    let db = database("savepoints");
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "BEGIN; CREATE TABLE a (x int); SAVEPOINT one; INSERT INTO a VALUES (1); SAVEPOINT two; INSERT INTO a VALUES (2); \
             ROLLBACK TO one; INSERT INTO a VALUES (3); RELEASE one; SAVEPOINT three; INSERT INTO a VALUES (4); COMMIT; INSERT INTO a VALUES (5);",
        )],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(
        rows(&mut s, "SELECT string_agg(x::text, ' ' ORDER BY x) FROM a"),
        "3 4 5"
    );
    register(
        &mut s,
        &[("2_b.up.sql", "CREATE TABLE b (); ROLLBACK TO nowhere;")],
    );
    let error = s.simple_query("SELECT strata.migrate_up()").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "3B001");
    assert_eq!(one(&mut s, "SELECT to_regclass('b') IS NULL"), "t");
}

#[test]
fn variables_are_filled_and_positions_stay_right() {
    let db = database("variables");
    let mut s = db.session();
    let body = "CREATE SCHEMA :\"schema\";\nCREATE TABLE :schema.t (x text DEFAULT :'word');\nINSERT INTO :schema.t DEFAULT VALUES;\nSELECT nothing FROM :schema.t WHERE 1::int = 1;";
    register(&mut s, &[("1_a.up.sql", body)]);
    assert_eq!(
        one(&mut s, "SELECT problem FROM strata.migrate_validate()"),
        "not_parsed"
    );
    let call = r#"SELECT strata.migrate_up(vars => '{"schema": "app", "word": "it''s"}')"#;
    let error = s.simple_query(call).unwrap_err();
    let error = error.as_db_error().unwrap();
    let context = error.where_().unwrap();
    assert_eq!(
        context,
        "migration 1_a.up.sql, statement 4, line 4, column 8: SELECT"
    );
    let good = body.replace("SELECT nothing", "SELECT x");
    register(&mut s, &[("1_a.up.sql", &good)]);
    exec(&mut s, call);
    assert_eq!(one(&mut s, "SELECT x FROM app.t"), "it's");
}
