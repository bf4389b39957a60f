//! What must hold in any case: texts read as psql reads them, real changes noticed, sessions and states kept whole.

use crate::common::{Cluster, Db, wait_until};
use crate::support::{
    database, exec, fails, one, plain, register, rows, run, same_session, session_state, states,
};

/// Where a statement ends is hard to tell in all of these.
const HARD: &str = r#"CREATE TABLE said (n serial, what text); /* a; /* nested; */ comment; */
INSERT INTO said (what) VALUES ('a;b'), ('it''s; '), (E'it\'s; \\'), (U&'d\0061t\+000061; '), ($$ 'do;llar' $$), ($x$ $$;$$ $x$);
INSERT INTO said (what) VALUES ('one;'
  ' string;' -- a comment; 'in between'
  ' goes on');
INSERT INTO said (what) SELECT 'a' "col;umn" WHERE 1=1--2;
;
;; INSERT INTO said (what) VALUES ($1$), ($2$);
CREATE TABLE "odd;""name" ("a;b" int);
CREATE FUNCTION f(x int) RETURNS text BEGIN ATOMIC
  SELECT CASE WHEN x > 0 THEN 'more;' ELSE CASE x WHEN 0 THEN 'zero' END END;
  SELECT CASE x WHEN 1 THEN 'end;' END;
END; INSERT INTO said (what) VALUES (f(1));
CREATE RULE r AS ON INSERT TO "odd;""name" DO ALSO (INSERT INTO said (what) VALUES ('rule;'); INSERT INTO said (what) VALUES ((NEW."a;b")::text); );
INSERT INTO "odd;""name" VALUES (7);
DO $do$ BEGIN EXECUTE $q$INSERT INTO said (what) VALUES ('deep; $$;')$q$; END; $do$;
SET standard_conforming_strings = off;
INSERT INTO said (what) VALUES ('back\'slash;\\');
SET standard_conforming_strings = on;
INSERT INTO said (what) VALUES ('back\'), ('slash;\');
CREATE FUNCTION starts() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2';
INSERT INTO said (what) SELECT starts(); INSERT INTO said (what) VALUES (N'nat;ional'), (B'101'::text), (X'1F'::text);
COPY said (what) FROM STDIN;
rows; with 'quotes
\\. and $$ /*
\.
INSERT INTO said (what) VALUES ('last')"#;

#[test]
fn all_kinds_of_quotes_end_where_they_end_for_psql() {
    // a dollar sign and a digit begin no quote
    let hard = HARD.replace("($1$), ($2$)", "('$1$'), ('$2$')");
    let said = "SELECT n, what FROM said ORDER BY n";
    let by_psql = Db::empty(plain(), "hard_psql");
    by_psql.run(&hard);
    let expected = rows(&mut by_psql.session(), said);
    assert!(
        expected.contains("deep; $$;") && expected.ends_with("|last"),
        "{expected}"
    );
    for (n, text) in [
        hard.clone(),
        hard.replace('\n', "\r\n"),
        format!("BEGIN;\n{hard};\nEND;"),
    ]
    .into_iter()
    .enumerate()
    {
        let db = Db::new(plain(), Box::leak(format!("hard_{n}").into_boxed_str()));
        let mut s = db.session();
        register(&mut s, &[("1_hard.up.sql", &text)]);
        assert_eq!(run(&mut s, "migrate_up()"), "1 applied", "{n}");
        assert_eq!(rows(&mut s, said).replace('\r', ""), expected, "{n}");
        // the text in pieces is the text, and each piece is a statement
        let pieces = s
            .query(
                "SELECT sql FROM strata.migrate_split($1) WHERE mode <> 'psql' ORDER BY statement",
                &[&text],
            )
            .unwrap();
        for piece in pieces {
            let sql: String = piece.get(0);
            assert!(text.contains(&sql), "{sql}");
            // rows of COPY, and what is read otherwise at the start of a text
            if !sql.starts_with("rows;") && !sql.contains("back\\'slash") {
                let again = "SELECT max(statement) FROM strata.migrate_split($1)";
                let statements: i32 = s.query_one(again, &[&sql]).unwrap().get(0);
                assert_eq!(statements, 1, "{sql}");
            }
        }
    }
}

#[test]
fn one_character_of_a_body_of_rows_or_of_a_header_is_a_real_change() {
    let db = database("one_character");
    let mut s = db.session();
    let text = "-- strata: search_path=public\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;\nCREATE TABLE \"T\" (x text);\nCOPY \"T\" FROM STDIN;\na\tb\n\\.\n";
    let text = text.replace("a\tb", "a b");
    register(&mut s, &[("1_a.up.sql", &text)]);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    for (from, to) in [
        ("SELECT 1 ", "SELECT 2 "),
        (" SELECT 1", "  SELECT 1"),
        ("a b", "a  b"),
        ("a b", "A b"),
        ("a b\n", "a b\n\n"),
        ("\"T\" (x", "\"t\" (x"),
        ("=public", "=other"),
        ("$$ SELECT 1 $$", "' SELECT 1 '"),
    ] {
        assert_eq!(
            register(&mut s, &[("1_a.up.sql", &text.replace(from, to))]),
            "changed",
            "{from} {to}"
        );
        assert_eq!(states(&mut s), "1 modified", "{from} {to}");
        fails(&mut s, "SELECT strata.migrate_up()", "55000", &["1"]);
        fails(&mut s, "CALL strata.migrate_deploy()", "55000", &["1"]);
        register(&mut s, &[("1_a.up.sql", &text)]);
        assert_eq!(states(&mut s), "1 applied", "{from} {to}");
    }
    let cosmetic = text
        .replace("CREATE FUNCTION", "create\n  /* a */ function")
        .replace("-- strata", "-- a comment\n-- strata");
    assert_eq!(register(&mut s, &[("1_a.up.sql", &cosmetic)]), "cosmetic");
    assert_eq!(run(&mut s, "migrate_up()"), "");
}

#[test]
fn every_call_leaves_the_session_as_it_was() {
    let db = database("calls_leave");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE calls_leave; CREATE SCHEMA one; CREATE SCHEMA two; DO $$ BEGIN END $$; PREPARE own AS SELECT 1; CREATE TEMP TABLE mine (x int); SET my.own = ''",
    );
    let leaks = |what: &str| {
        format!(
            "SET search_path = ''; SET work_mem = '7MB'; SET ROLE calls_leave; RESET ROLE; SELECT pg_catalog.set_config('my.own', 'x', false); \
             CREATE TEMP TABLE left_over (); PREPARE p AS SELECT 1; SET TIME ZONE 'Asia/Tokyo'; SET SESSION AUTHORIZATION DEFAULT; {what};"
        )
    };
    let (up, down) = (
        leaks("CREATE TABLE public.a ()"),
        leaks("DROP TABLE public.a"),
    );
    let bad = leaks("SELECT 1 / 0");
    register(
        &mut s,
        &[
            ("1_a.up.sql", &up),
            ("1_a.down.sql", &down),
            ("1_a.verify.sql", &leaks("SELECT 1")),
        ],
    );
    let each = "BEGIN; SELECT strata.migrate_register('1_t.up.sql', 'CREATE TABLE t (); SET work_mem = ''9MB''', namespace => 'each'); COMMIT";
    exec(&mut s, each);
    let before = session_state(&mut s);
    for call in [
        "SELECT strata.migrate_up(dry_run => true)",
        "SELECT strata.migrate_plan()",
        "SELECT strata.migrate_pending()",
        "SELECT strata.migrate_verify_down()",
        "SELECT strata.migrate_verify_up()",
        "SELECT strata.migrate_up()",
        "SELECT strata.migrate_redo()",
        "SELECT strata.migrate_verify_down('1')",
        "SELECT strata.migrate_goto('none')",
        "SELECT strata.migrate_goto('1')",
        "SELECT strata.migrate_down()",
        "CALL strata.migrate_deploy()",
        "CALL strata.migrate_revert()",
        "SELECT strata.migrate_baseline('1')",
        "SELECT strata.migrate_force(NULL, 'a test')",
        "SELECT strata.migrate_status()",
        "SELECT strata.migrate_validate()",
        "SELECT strata.migrate_history()",
        "SELECT strata.migrate_snapshot()",
        "SELECT strata.migrate_drift()",
        "SELECT strata.migrate_fingerprint()",
        "SELECT strata.migrate_detect()",
        "SELECT strata.migrate_up_each(ARRAY['one'], namespace => 'each')",
        "CALL strata.migrate_deploy_each(ARRAY['two'], namespace => 'each')",
    ] {
        s.simple_query(call)
            .unwrap_or_else(|e| panic!("{call}: {e:?}"));
        same_session(&mut s, &before);
    }
    register(
        &mut s,
        &[("1_a.up.sql", &bad), ("2_b.up.sql", "SELECT 1; SELEC")],
    );
    for call in [
        "SELECT strata.migrate_up(target => '1')",
        "SELECT strata.migrate_up()",
        "SELECT strata.migrate_goto('1')",
        "CALL strata.migrate_deploy(target => '1')",
        "SELECT strata.migrate_down()",
        "SELECT strata.migrate_up(target => '77')",
        "SELECT strata.migrate_register('3_c.up.sql', '{{ x }}')",
    ] {
        let failed = s.simple_query(call);
        let nothing = call.contains("migrate_down");
        assert_eq!(failed.is_err(), !nothing, "{call}");
        same_session(&mut s, &before);
    }
    // within a block of the caller, that goes on
    exec(&mut s, "BEGIN; SET LOCAL work_mem = '11MB'; SAVEPOINT a");
    let before = session_state(&mut s);
    s.simple_query("SELECT strata.migrate_up(target => '1')")
        .unwrap_err();
    exec(&mut s, "ROLLBACK TO a");
    same_session(&mut s, &before);
    exec(&mut s, "COMMIT");
}

const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";

/// A run that waits in its second file for `lock`, ended by `end` with its process number.
fn ended_within(db: &Db<'_>, call: &str, end: impl Fn(u32)) {
    let mut holder = db.session();
    exec(&mut holder, "BEGIN; LOCK TABLE held");
    let mut s = db.session();
    let pid: u32 = one(&mut s, "SELECT pg_backend_pid()").parse().unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(move || s.simple_query(call).map(drop).expect_err("ended"));
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
        );
        let mut watch = db.session();
        wait_until("it waits in its second file", || {
            one(&mut watch, &waits) == "1"
        });
        drop(watch);
        end(pid);
        run.join().unwrap();
    });
}

#[test]
fn a_run_whose_client_or_process_is_killed_leaves_whole_files_and_no_locks() {
    let server = Cluster::builder().start();
    let db = Db::new(&server, "killed_runs");
    let files = [
        (
            "1_a.up.sql",
            "CREATE TABLE a (); INSERT INTO log VALUES (1);",
        ),
        (
            "2_b.up.sql",
            "BEGIN; INSERT INTO log VALUES (2); TRUNCATE held; COMMIT;",
        ),
        ("3_c.up.sql", "INSERT INTO log VALUES (3);"),
    ];
    db.run("CREATE TABLE held (); CREATE TABLE log (x int)");
    register(&mut db.session(), &files);
    let logged = "SELECT coalesce(string_agg(x::text, ' ' ORDER BY x), '') FROM log";
    let terminate = |pid: u32| {
        let sql = format!("SELECT pg_terminate_backend({pid})");
        assert_eq!(server.psql("postgres", &sql), "t");
    };
    let atomic = "SELECT strata.migrate_up(lock_timeout => '0')";
    ended_within(&db, atomic, terminate);
    let mut s = db.session();
    wait_until("its locks are gone", || one(&mut s, LOCKS) == "0");
    assert_eq!(states(&mut s), "1 pending, 2 pending, 3 pending");
    assert_eq!(one(&mut s, logged), "");
    ended_within(
        &db,
        "CALL strata.migrate_deploy(lock_timeout => '0')",
        terminate,
    );
    wait_until("its locks are gone", || one(&mut s, LOCKS) == "0");
    assert_eq!(states(&mut s), "1 applied, 2 pending, 3 pending");
    assert_eq!(one(&mut s, logged), "1");
    // the whole server restarts
    drop(s);
    ended_within(
        &db,
        "CALL strata.migrate_deploy(lock_timeout => '0')",
        |pid| server.kill_backend(pid),
    );
    let mut s = db.session();
    assert_eq!(states(&mut s), "1 applied, 2 pending, 3 pending");
    assert_eq!(run(&mut s, "migrate_up()"), "2 applied, 3 applied");
    assert_eq!(one(&mut s, logged), "1 2 3");
    assert_eq!(one(&mut s, LOCKS), "0");
}
