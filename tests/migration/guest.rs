//! Statements of files are guests: what the session has prepared, its cursors and locks stay what they are.

use crate::support::{
    Db, database, exec, fails, one, register, rows, run, same_session, session_state, states,
};
use postgres::Client;

/// A role that may register, a function of his that would make him a superuser if one called it, and his namespace with
/// these files, which run as he.
fn trap(db: &Db<'_>, role: &str, files: &[(&str, &str)]) {
    db.run(&format!(
        "CREATE ROLE {role} LOGIN; CREATE SCHEMA {role} AUTHORIZATION {role};
         DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END $$"
    ));
    let mut s = db.session_as(role);
    exec(
        &mut s,
        &format!(
            "CREATE FUNCTION {role}.evil() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
               IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN EXECUTE 'ALTER ROLE {role} SUPERUSER'; END IF;
               RETURN current_user; END $$"
        ),
    );
    register(&mut s, files);
    db.run(&format!(
        "SELECT strata.migrate_configure('default', role => '{role}')"
    ));
}

fn is_superuser(s: &mut Client, role: &str) -> String {
    one(
        s,
        &format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{role}'"),
    )
}

#[test]
fn a_file_puts_nothing_in_the_place_of_prepared_statements() {
    let db = database("guest_prepared");
    let again = "PREPARE mine AS SELECT guest_p.evil()";
    trap(
        &db,
        "guest_p",
        &[
            ("1_a.up.sql", "CREATE TABLE guest_p.a ()"),
            ("1_a.down.sql", "DROP TABLE guest_p.a"),
            (
                "2_b.up.sql",
                &format!(
                    "DO $$ BEGIN EXECUTE 'DEALLOCATE mine'; EXECUTE '{again}'; END $$; SELECT 1"
                ),
            ),
        ],
    );
    let mut s = db.session();
    exec(&mut s, "PREPARE mine AS SELECT 'harmless'");
    let before = session_state(&mut s);
    for call in [
        "SELECT strata.migrate_up()",
        "SELECT strata.migrate_explain()",
        "CALL strata.migrate_deploy()",
    ] {
        fails(
            &mut s,
            call,
            "55000",
            &["prepared statement \"mine\" is not one of this migration"],
        );
        assert_eq!(rows(&mut s, "EXECUTE mine"), "harmless", "{call}");
    }
    let verdicts = rows(
        &mut s,
        "SELECT version, verdict FROM strata.migrate_verify_up()",
    );
    assert!(verdicts.contains("2|error"), "{verdicts}");
    assert_eq!(rows(&mut s, "EXECUTE mine"), "harmless");
    // DEALLOCATE ALL is about those of the file
    let mut app = db.session_as("guest_p");
    let all = format!(
        "PREPARE own AS SELECT 1; DO $$ BEGIN EXECUTE 'PREPARE other AS SELECT 2'; EXECUTE 'DEALLOCATE ALL';
         EXECUTE 'PREPARE own AS SELECT 3'; BEGIN EXECUTE '{again}'; EXCEPTION WHEN duplicate_prepared_statement THEN END; END $$"
    );
    register(&mut app, &[("2_b.up.sql", &all)]);
    assert_eq!(run(&mut s, "migrate_up()"), "2 applied");
    assert_eq!(rows(&mut s, "EXECUTE mine"), "harmless");
    same_session(&mut s, &before);
    assert_eq!(is_superuser(&mut s, "guest_p"), "f");
}

#[test]
fn a_file_neither_closes_nor_reads_cursors_of_the_session() {
    let db = database("guest_cursors");
    let next = "DECLARE c CURSOR FOR SELECT guest_c.evil()";
    trap(&db, "guest_c", &[("1_a.up.sql", "SELECT 1")]);
    let mut s = db.session();
    let mut app = db.session_as("guest_c");
    for (file, code) in [
        (format!("CLOSE c; {next}"), "24000"),
        (
            "DO $$ DECLARE r refcursor := 'c'; BEGIN CLOSE r; OPEN r FOR SELECT guest_c.evil(); END $$".to_owned(),
            "24000",
        ),
        ("FETCH 1 FROM c".to_owned(), "55000"),
        ("MOVE 1 IN c".to_owned(), "55000"),
        (next.to_owned(), "42P03"),
        (
            "DO $$ DECLARE r refcursor := 'c'; t text; BEGIN FETCH r INTO t; EXECUTE 'CREATE TABLE guest_c.' || t || ' ()'; END $$".to_owned(),
            "55000",
        ),
    ] {
        register(&mut app, &[("1_a.up.sql", &file)]);
        for hold in ["", "WITH HOLD"] {
            exec(
                &mut s,
                &format!("BEGIN; DECLARE c CURSOR {hold} FOR SELECT 'harmless' UNION ALL SELECT 'second'; SAVEPOINT a"),
            );
            fails(&mut s, "SELECT strata.migrate_up()", code, &[]);
            exec(&mut s, "ROLLBACK TO a");
            fails(&mut s, "SELECT strata.migrate_explain()", code, &[]);
            exec(&mut s, "ROLLBACK TO a");
            assert_eq!(rows(&mut s, "FETCH 1 FROM c"), "harmless", "{file} {hold}");
            exec(&mut s, "COMMIT");
            if !hold.is_empty() {
                fails(&mut s, "CALL strata.migrate_deploy()", code, &[]);
                assert_eq!(rows(&mut s, "FETCH 1 FROM c"), "second");
                exec(&mut s, "CLOSE c");
            }
        }
    }
    // CLOSE ALL is about those of the file; a savepoint that is rolled back harms none
    register(
        &mut app,
        &[(
            "1_a.up.sql",
            "BEGIN; DECLARE own CURSOR FOR SELECT 1; SAVEPOINT a; CLOSE ALL; DECLARE own CURSOR FOR SELECT 2; ROLLBACK TO a; COMMIT;
             DO $$ BEGIN EXECUTE 'CLOSE ALL'; END $$",
        )],
    );
    exec(
        &mut s,
        "BEGIN; DECLARE c CURSOR FOR SELECT 'harmless'; DECLARE h CURSOR WITH HOLD FOR SELECT 'held'",
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(rows(&mut s, "FETCH 1 FROM c"), "harmless");
    exec(&mut s, "COMMIT");
    assert_eq!(rows(&mut s, "FETCH 1 FROM h"), "held");
    assert_eq!(
        rows(&mut s, "SELECT name FROM pg_cursors WHERE name <> ''"),
        "h"
    );
    assert_eq!(is_superuser(&mut s, "guest_c"), "f");
}

/// A loop over the rows of a call has a cursor of its own, and others that wait.
#[test]
fn loops_of_the_caller_go_on() {
    let db = database("guest_loops");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ()"),
            ("2_b.up.sql", "CREATE TABLE b ()"),
            ("3_c.up.sql", "CREATE TABLE c ()"),
        ],
    );
    exec(
        &mut s,
        "CREATE TABLE seen (n int, version text);
         DO $$ DECLARE n int; r record; c CURSOR FOR SELECT 7; x int; BEGIN
           OPEN c;
           FOR n IN SELECT generate_series(1, 4) LOOP
             FOR r IN SELECT * FROM strata.migrate_up(steps => 1) LOOP INSERT INTO seen VALUES (n, r.version); END LOOP;
           END LOOP;
           FETCH c INTO x; INSERT INTO seen VALUES (x, 'cursor');
         END $$",
    );
    assert_eq!(
        rows(&mut s, "SELECT * FROM seen ORDER BY n"),
        "1|1\n2|2\n3|3\n7|cursor"
    );
}

const LOCKS: &str =
    "SELECT string_agg(concat_ws(':', objid, mode), ' ' ORDER BY objid, mode) FROM pg_locks
    WHERE locktype = 'advisory' AND pid = pg_backend_pid()";

#[test]
fn advisory_locks_and_listening_are_as_before_whatever_becomes_of_a_file() {
    let db = database("guest_locks");
    let (mut s, mut other) = (db.session(), db.session());
    exec(
        &mut s,
        "SELECT pg_advisory_lock(5), pg_advisory_lock_shared(6); LISTEN mine",
    );
    let held = one(&mut s, LOCKS);
    assert_eq!(held, "5:ExclusiveLock 6:ShareLock");
    let takes = "SELECT pg_advisory_lock(77), pg_advisory_lock(77), pg_advisory_lock_shared(78), pg_advisory_xact_lock(79); LISTEN theirs; UNLISTEN mine;";
    for (file, ends) in [
        (takes.to_owned(), "1 applied"),
        (
            format!("{takes} SELECT pg_advisory_unlock(5), pg_advisory_unlock_shared(6);"),
            "1 applied",
        ),
        (format!("{takes} SELECT 1 / 0;"), "22012"),
    ] {
        register(&mut s, &[("1_a.up.sql", &file), ("1_a.down.sql", takes)]);
        for call in [
            "SELECT * FROM strata.migrate_explain()",
            "SELECT * FROM strata.migrate_up()",
            "CALL strata.migrate_deploy()",
        ] {
            match ends {
                "22012" => drop(fails(&mut s, call, ends, &[])),
                _ => exec(&mut s, call),
            }
            assert_eq!(one(&mut s, LOCKS), held, "{call} of {file}");
            assert_eq!(
                rows(&mut s, "SELECT pg_listening_channels()"),
                "mine",
                "{call} of {file}"
            );
            if states(&mut s) == "1 applied" {
                exec(&mut s, "SELECT strata.migrate_down()");
                assert_eq!(one(&mut s, LOCKS), held);
            }
        }
        exec(&mut s, "SELECT * FROM strata.migrate_verify_down()");
        assert_eq!(one(&mut s, LOCKS), held);
    }
    // a procedure keeps its own locks, and says when a file has given them back
    register(&mut s, &[("1_a.up.sql", "SELECT pg_advisory_unlock_all()")]);
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "55000",
        &["given back by its own statements"],
    );
    exec(&mut other, "SELECT pg_advisory_lock(1)");
    assert_eq!(one(&mut other, "SELECT pg_try_advisory_lock(77)"), "t");
}

/// What is left of a call that fails at a statement which no savepoint surrounds.
#[test]
fn what_is_prepared_in_a_block_ends_with_a_failing_call() {
    let db = database("guest_failing");
    let mut s = db.session();
    let before = session_state(&mut s);
    let body = "DO $x$ BEGIN EXECUTE 'PREPARE leak AS SELECT 1'; END $x$; SELECT pg_advisory_lock(78); SELECT 1 / 0;";
    fails(
        &mut s,
        &format!("SELECT strata.migrate_explain(body => $b${body}$b$)"),
        "22012",
        &[],
    );
    same_session(&mut s, &before);
    register(&mut s, &[("1_a.up.sql", body)]);
    fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    same_session(&mut s, &before);
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    same_session(&mut s, &before);
    assert_eq!(one(&mut s, LOCKS), "");
}

/// A setting that nobody knows may be anybody's, until the library comes that knows it.
#[test]
fn settings_of_an_earlier_part_are_made_with_the_rights_of_the_files() {
    let db = database("guest_settings");
    let file = |rest: &str| {
        format!(
            "SET auto_explain.log_min_duration = '0'; COMMIT; CREATE TABLE guest_s.a (); COMMIT; {rest}"
        )
    };
    trap(&db, "guest_s", &[("1_a.up.sql", "SELECT 1")]);
    let mut app = db.session_as("guest_s");
    register(&mut app, &[("1_a.up.sql", &file("SELECT 1 / 0"))]);
    fails(&mut app, "CALL strata.migrate_deploy()", "22012", &[]);
    register(&mut app, &[("1_a.up.sql", &file("SELECT 1"))]);
    let mut s = db.session();
    exec(&mut s, "LOAD 'auto_explain'");
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "42501",
        &["permission denied to set parameter \"auto_explain.log_min_duration\""],
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT current_setting('auto_explain.log_min_duration')"
        ),
        "-1"
    );
    // where it is still nobody's, the file goes on
    exec(&mut app, "CALL strata.migrate_deploy()");
    assert_eq!(states(&mut app), "1 applied");
}
