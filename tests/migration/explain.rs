//! What statements lock and write anew, told without changing anything.

use crate::support::{
    database, exec, fails, one, register, rows, run, same_session, session_state, states,
};
use postgres::Client;

/// Statement, object, lock and rewrites of a text.
#[track_caller]
fn explain(s: &mut Client, body: &str) -> String {
    let sql = format!(
        "SELECT statement || ' ' || coalesce(object, '-') || ' ' || coalesce(lock_mode, '-') || ' ' || \
         coalesce(array_to_string(rewrites, ','), '-') FROM strata.migrate_explain(body => $body${body}$body$)"
    );
    rows(s, &sql)
}

const ALL: &str = "SELECT statement || ' ' || coalesce(object, '-') || ' ' || coalesce(lock_mode, '-') || ' ' || \
    coalesce(array_to_string(rewrites, ','), '-') || ' ' || coalesce(note, '-') FROM strata.migrate_explain(%)";

fn tables(s: &mut Client) {
    exec(
        s,
        "CREATE TABLE t (id int PRIMARY KEY, short varchar(10), long text, n int, moment timestamptz);
         CREATE INDEX t_n ON t (n);
         INSERT INTO t SELECT i, 'x', 'y', i, now() FROM generate_series(1, 1000) i;
         CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT i FROM generate_series(1, 1000) i;
         CREATE TABLE k (name text PRIMARY KEY); INSERT INTO k VALUES ('a');
         ANALYZE t, parent, k",
    );
}

/// What a statement must not leave: objects, files of tables, what the session has, and locks.
fn everything(s: &mut Client) -> String {
    rows(
        s,
        "SELECT strata.migrate_fingerprint(acl => true) UNION ALL \
         SELECT string_agg(oid || ':' || relfilenode, ',' ORDER BY oid) FROM pg_class UNION ALL \
         SELECT count(*)::text FROM strata.migrate_event",
    ) + &session_state(s)
}

#[test]
fn the_verified_facts_are_told_with_rows() {
    let db = database("explain_facts");
    let mut s = db.session();
    tables(&mut s);
    let all = |statement: &str| format!("1 public.t AccessExclusiveLock {statement}");
    // varchar to text: nothing is written
    assert_eq!(
        explain(&mut s, "ALTER TABLE t ALTER COLUMN short TYPE text"),
        all("-")
    );
    assert_eq!(
        explain(&mut s, "ALTER TABLE t ALTER COLUMN short TYPE varchar(20)"),
        all("-")
    );
    // text to varchar: the table and its primary key
    assert_eq!(
        explain(&mut s, "ALTER TABLE k ALTER COLUMN name TYPE varchar(20)"),
        "1 public.k AccessExclusiveLock public.k,public.k_pkey"
    );
    assert_eq!(
        explain(&mut s, "ALTER TABLE t ALTER COLUMN n TYPE bigint"),
        all("public.t,public.t_n,public.t_pkey")
    );
    assert_eq!(
        explain(&mut s, "ALTER TABLE t ADD COLUMN r float8 DEFAULT random()"),
        all("public.t,public.t_n,public.t_pkey")
    );
    // the same for all rows
    assert_eq!(
        explain(&mut s, "ALTER TABLE t ADD COLUMN r int NOT NULL DEFAULT 7"),
        all("-")
    );
    assert_eq!(
        explain(
            &mut s,
            "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES parent"
        ),
        "1 public.parent ShareRowExclusiveLock -\n1 public.t ShareRowExclusiveLock -"
    );
    // what another setting of the time zone would change
    let zone = "SET timezone = 'UTC'; ALTER TABLE t ALTER COLUMN moment TYPE timestamp";
    assert_eq!(
        explain(&mut s, zone),
        "1 timezone - -\n2 public.t AccessExclusiveLock -"
    );
    let zone = zone.replace("UTC", "Europe/Berlin");
    assert!(explain(&mut s, &zone).ends_with(" public.t,public.t_n,public.t_pkey"));
    let facts = "SELECT object, est_rows, bytes >= 8192 * 5, duration > '0' FROM strata.migrate_explain(body => 'ALTER TABLE t ADD y int')";
    assert_eq!(rows(&mut s, facts), "public.t|1000|t|t");
}

#[test]
fn each_statement_has_rows_of_its_own() {
    let db = database("explain_rows");
    let mut s = db.session();
    tables(&mut s);
    let body = "CREATE TABLE new (id int PRIMARY KEY, x int);
        ALTER TABLE new ALTER COLUMN x TYPE bigint;
        CREATE INDEX t_short ON t (short);
        INSERT INTO t (id) VALUES (0);
        ALTER TABLE t ADD COLUMN a int;
        ALTER TABLE t ALTER COLUMN n TYPE bigint;
        DROP INDEX t_n;
        SELECT count(*) FROM parent;
        TRUNCATE parent;
        CREATE VIEW v AS SELECT * FROM k;
        DROP TABLE k CASCADE;
        COMMENT ON SCHEMA public IS 'x'";
    let body = format!("body => $body${body}$body$");
    assert_eq!(
        rows(&mut s, &ALL.replace('%', &body)),
        "1 new - - -\n\
         2 new - - -\n\
         3 public.t ShareLock - builds index public.t_short\n\
         4 public.t - - an earlier statement took ShareLock\n\
         5 public.t AccessExclusiveLock - -\n\
         6 public.t - public.t,public.t_n,public.t_pkey an earlier statement took AccessExclusiveLock\n\
         7 public.t - - drops index public.t_n; an earlier statement took AccessExclusiveLock\n\
         8 public.parent AccessShareLock - -\n\
         9 public.parent AccessExclusiveLock - emptied at once: no rows are copied\n\
         10 public.k AccessShareLock - -\n\
         11 public.k AccessExclusiveLock - dropped\n\
         12 public - - -"
    );
}

#[test]
fn pending_files_are_explained_in_their_order_and_nothing_of_it_stays() {
    let db = database("explain_files");
    let mut s = db.session();
    tables(&mut s);
    exec(
        &mut s,
        "PREPARE mine AS SELECT 1; CREATE TEMP TABLE mine (x int)",
    );
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "BEGIN;\nSET work_mem = '9MB';\nSET LOCAL enable_seqscan = off;\nCREATE TABLE a (x int PRIMARY KEY);\nSAVEPOINT one;\nDROP TABLE k;\n\
                 ROLLBACK TO one;\nRELEASE one;\nCOMMIT;",
            ),
            ("1_a.down.sql", "DROP TABLE a"),
            (
                "2_b.up.sql",
                "COPY parent FROM stdin;\n2001\n2002\n\\.\n\\echo told\nPREPARE theirs AS SELECT 1; DO $$ BEGIN EXECUTE 'PREPARE hidden AS SELECT 3'; END $$;\n\
                 CREATE TEMP TABLE gone (x int); SELECT pg_advisory_lock(7), pg_advisory_lock(7), pg_advisory_lock_shared(-1, 2);\n\
                 SELECT set_config('search_path', '', false); DECLARE c CURSOR WITH HOLD FOR SELECT 1; SET ROLE pg_monitor",
            ),
            ("2_b.down.sql", "DELETE FROM parent WHERE id > 2000"),
            (
                "3_c.up.sql",
                "CREATE INDEX CONCURRENTLY a_x ON a (x); CREATE INDEX CONCURRENTLY t_short ON t (short); VACUUM t; DROP INDEX CONCURRENTLY t_n;\n\
                 CREATE DATABASE no_such; ALTER SYSTEM SET work_mem = '1GB'; COPY t TO '/nowhere/at/all'; DISCARD ALL",
            ),
            ("4_d.up.sql", "-- nothing"),
            ("5_e.down.sql", "SELECT 1"),
            (
                "R__views.sql",
                "CREATE OR REPLACE VIEW v AS SELECT * FROM parent",
            ),
        ],
    );
    let before = everything(&mut s);
    let held = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text IN ('t', 'parent', 'k')";
    exec(&mut s, "BEGIN");
    let told = "SELECT coalesce(version, '-') || ' ' || filename || ' ' || statement || ' ' || line || ' ' || command || ' ' || \
        coalesce(object, '-') || ' ' || coalesce(lock_mode, '-') || ' ' || coalesce(note, '-') FROM strata.migrate_explain(%)";
    let ups = "1 1_a.up.sql 1 1 BEGIN - - -\n\
        1 1_a.up.sql 2 2 SET work_mem - -\n\
        1 1_a.up.sql 3 3 SET enable_seqscan - -\n\
        1 1_a.up.sql 4 4 CREATE TABLE a - -\n\
        1 1_a.up.sql 5 5 SAVEPOINT - - -\n\
        1 1_a.up.sql 6 6 DROP TABLE public.k AccessExclusiveLock dropped\n\
        1 1_a.up.sql 7 7 ROLLBACK - - -\n\
        1 1_a.up.sql 8 8 RELEASE - - -\n\
        1 1_a.up.sql 9 9 COMMIT - - -\n\
        2 2_b.up.sql 1 1 COPY public.parent RowExclusiveLock -\n\
        2 2_b.up.sql 2 6 PREPARE - - -\n\
        2 2_b.up.sql 3 6 DO - - -\n\
        2 2_b.up.sql 4 7 CREATE TABLE gone - -\n\
        2 2_b.up.sql 5 7 SELECT - - -\n\
        2 2_b.up.sql 6 8 SELECT - - -\n\
        2 2_b.up.sql 7 8 DECLARE CURSOR - - -\n\
        2 2_b.up.sql 8 8 SET role - -\n\
        3 3_c.up.sql 1 1 CREATE INDEX a - run without CONCURRENTLY, with which it takes ShareUpdateExclusiveLock\n\
        3 3_c.up.sql 2 1 CREATE INDEX public.t ShareLock run without CONCURRENTLY, with which it takes ShareUpdateExclusiveLock; builds index public.t_short\n\
        3 3_c.up.sql 3 1 VACUUM - - not run: no transaction takes it\n\
        3 3_c.up.sql 4 1 DROP INDEX public.t AccessExclusiveLock run without CONCURRENTLY, with which it takes ShareUpdateExclusiveLock; drops index public.t_n\n\
        3 3_c.up.sql 5 2 CREATE DATABASE - - not run: no transaction takes it\n\
        3 3_c.up.sql 6 2 ALTER SYSTEM - - not run: no transaction takes it\n\
        3 3_c.up.sql 7 2 COPY t - not run: no rollback takes back what it does\n\
        3 3_c.up.sql 8 2 DISCARD ALL - - not run: no transaction takes it\n\
        4 4_d.up.sql 0 0  - - there is no statement\n\
        5 5 0 0  - - there is no up\n\
        - R__views.sql 1 1 CREATE VIEW v - -";
    assert_eq!(rows(&mut s, &told.replace('%', "")), ups);
    assert_eq!(one(&mut s, held), "0", "no lock is left to the transaction");
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ),
        "0"
    );
    exec(&mut s, "COMMIT");
    let of = |version: &str| {
        let file = |l: &&str| l.starts_with(&format!("{version} "));
        ups.lines().filter(file).collect::<Vec<_>>().join("\n")
    };
    // one version, behind those before it
    assert_eq!(rows(&mut s, &told.replace('%', "'003'")), of("3"));
    assert_eq!(everything(&mut s), before);
    exec(&mut s, "EXECUTE mine");
    assert!(states(&mut s).starts_with("1 pending, 2 pending"));
}

#[test]
fn downs_and_applied_versions_are_explained() {
    let db = database("explain_downs");
    let mut s = db.session();
    tables(&mut s);
    register(
        &mut s,
        &[
            ("1_a.up.sql", "ALTER TABLE t ADD COLUMN a int"),
            ("1_a.down.sql", "ALTER TABLE t DROP COLUMN a"),
            ("2_b.up.sql", "CREATE INDEX t_a ON t (a)"),
            ("2_b.down.sql", "DROP INDEX t_a"),
            ("3_c.up.sql", "ALTER TABLE parent ADD COLUMN c int"),
            (
                "3_c.down.sql",
                "ALTER TABLE parent ALTER COLUMN c TYPE bigint",
            ),
            ("4_d.up.sql", "SELECT 1"),
        ],
    );
    let told = "SELECT version || ' ' || filename || ' ' || coalesce(object, '-') || ' ' || coalesce(lock_mode, '-') || ' ' || \
        coalesce(array_to_string(rewrites, ','), '-') FROM strata.migrate_explain(%)";
    // nothing is applied
    assert_eq!(rows(&mut s, &told.replace('%', "direction => 'down'")), "");
    // the down of a pending version, behind its up
    assert_eq!(
        rows(&mut s, &told.replace('%', "'3', direction => 'down'")),
        "3 3_c.down.sql public.parent - public.parent,public.parent_pkey"
    );
    fails(
        &mut s,
        "SELECT strata.migrate_explain('4', direction => 'down')",
        "P0002",
        &["\"4\""],
    );
    assert_eq!(
        run(&mut s, "migrate_up(target => '2')"),
        "1 applied, 2 applied"
    );
    let before = everything(&mut s);
    assert_eq!(
        rows(&mut s, &told.replace('%', "direction => 'down'")),
        "2 2_b.down.sql public.t AccessExclusiveLock -"
    );
    // the later one first, and not told
    assert_eq!(
        rows(&mut s, &told.replace('%', "'1', direction => 'down'")),
        "1 1_a.down.sql public.t - -"
    );
    // both back, and the one again
    assert_eq!(
        rows(&mut s, &told.replace('%', "'2'")),
        "2 2_b.up.sql public.t - -"
    );
    assert_eq!(everything(&mut s), before);
    assert_eq!(states(&mut s), "1 applied, 2 applied, 3 pending, 4 pending");
    exec(&mut s, "SELECT strata.migrate_force('4', 'x')");
    let error = fails(
        &mut s,
        "SELECT strata.migrate_explain('4')",
        "P0002",
        &["\"4\""],
    );
    let hint = error.hint().unwrap_or_default();
    assert_eq!(
        rows(&mut s, &hint.replace('*', "command, statement")),
        "SELECT|1"
    );
    exec(
        &mut s,
        "SELECT strata.migrate_force('2', 'x'); SELECT strata.migrate_baseline('4')",
    );
    fails(
        &mut s,
        "SELECT strata.migrate_explain('4')",
        "55000",
        &["baseline", "\"4\""],
    );
}

#[test]
fn arguments_and_texts_that_do_not_go_are_refused() {
    let db = database("explain_bad");
    let mut s = db.session();
    let bad = [
        ("'1', 'SELECT 1'", "22023", "version and body"),
        ("direction => 'sideways'", "22023", "sideways"),
        ("direction => NULL", "22004", "direction"),
        ("lock_timeout => NULL", "22004", "lock_timeout"),
        ("'x'", "22023", "not a version"),
        ("", "42704", "default"),
        ("namespace => NULL", "22004", "namespace"),
        ("body => 'SELECT 1', namespace => 'none'", "42704", "none"),
        ("body => 'SELECT FROM FROM'", "42601", "line 1"),
        ("body => E'SELECT 1;\\nROLLBACK'", "0A000", "line 2"),
        ("body => E'\\\\! ls'", "0A000", "line 1"),
        ("body => 'COPY (SELECT 1) TO STDOUT'", "0A000", "STDOUT"),
        (
            "body => 'SELECT strata.migrate_explain(body => $$SELECT 1$$)'",
            "55006",
            "",
        ),
        ("body => 'SELECT strata.migrate_up()'", "55006", ""),
    ];
    for (arguments, code, word) in bad {
        let sql = format!("SELECT strata.migrate_explain({arguments})");
        fails(&mut s, &sql, code, &[word]);
    }
    register(
        &mut s,
        &[("1_a.up.sql", "CREATE TABLE a (); \n\n SELECT broken FROM a")],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_explain('77')",
        "42704",
        &["77"],
    );
    let before = everything(&mut s);
    let error = fails(
        &mut s,
        "SELECT strata.migrate_explain()",
        "42703",
        &["broken"],
    );
    assert_eq!(
        error.where_(),
        Some("migration 1_a.up.sql, statement 2, line 3, column 9: SELECT")
    );
    assert_eq!(
        error.detail(),
        Some("Nothing was changed: it was only tried.")
    );
    let error = fails(
        &mut s,
        "SELECT strata.migrate_explain(body => 'SELECT 1 / 0')",
        "22012",
        &[],
    );
    assert!(
        error
            .where_()
            .is_some_and(|w| w.contains("migration body, statement 1, line 1")),
        "{error:?}"
    );
    assert_eq!(everything(&mut s), before);
    fails(
        &mut s,
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT strata.migrate_explain()",
        "25001",
        &[],
    );
    exec(&mut s, "ROLLBACK");
    fails(
        &mut s,
        "BEGIN READ ONLY; SELECT strata.migrate_explain()",
        "25006",
        &[],
    );
    exec(&mut s, "ROLLBACK");
    // a file that goes on behind its errors says so
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "-- strata: on_error=continue\nSELECT broken; CREATE TABLE a ()",
        )],
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT statement, note FROM strata.migrate_explain()"
        ),
        "1|failed: column \"broken\" does not exist\n2|"
    );
    assert_eq!(everything(&mut s), before);
}

#[test]
fn a_text_of_ones_own_is_run_as_a_file_of_the_namespace_would_be() {
    let db = database("explain_body");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE SCHEMA app; CREATE TABLE app.t (x int); CREATE TABLE t (x int)",
    );
    let told = "SELECT string_agg(object, ',') FROM strata.migrate_explain(body => 'ALTER TABLE t ADD y int'%)";
    assert_eq!(one(&mut s, &told.replace('%', "")), "public.t");
    exec(
        &mut s,
        "SELECT strata.migrate_configure('default', search_path => 'app')",
    );
    assert_eq!(one(&mut s, &told.replace('%', "")), "app.t");
    assert_eq!(
        one(&mut s, &told.replace('%', ", namespace => NULL")),
        "public.t"
    );
    // marks tell up from down
    let both = "SELECT string_agg(command, ',') FROM strata.migrate_explain(body => E'-- migrate:up\\nCREATE TABLE n ();\\n-- migrate:down\\nDROP TABLE t', direction => '%')";
    assert_eq!(one(&mut s, &both.replace('%', "up")), "CREATE TABLE");
    assert_eq!(one(&mut s, &both.replace('%', "down")), "DROP TABLE");
    let header = "SELECT count(*) FROM strata.migrate_explain(body => E'-- strata: search_path=public\\nALTER TABLE t ADD y int') WHERE object = 'public.t'";
    assert_eq!(one(&mut s, header), "1");
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'app.t'::regclass) AND attnum > 0"
        ),
        "x,x"
    );
}

#[test]
fn whoever_holds_a_lock_is_named() {
    let db = database("explain_blocked");
    let (mut s, mut other) = (db.session(), db.session());
    tables(&mut s);
    register(&mut s, &[("1_a.up.sql", "ALTER TABLE t ADD y int")]);
    let pid = one(&mut other, "SELECT pg_backend_pid()");
    exec(&mut other, "BEGIN; SELECT count(*) FROM t");
    let before = everything(&mut s);
    for call in [
        "migrate_explain(lock_timeout => '300ms')",
        "migrate_explain(body => 'ALTER TABLE t ADD y int', lock_timeout => '300ms')",
    ] {
        let error = fails(
            &mut s,
            &format!("SELECT strata.{call}"),
            "55P03",
            &["lock timeout"],
        );
        let detail = error.detail().unwrap_or_default();
        assert!(detail.contains(&format!("process {pid}")), "{error:?}");
    }
    assert_eq!(everything(&mut s), before);
    exec(&mut other, "COMMIT");
    assert_eq!(
        one(&mut s, "SELECT lock_mode FROM strata.migrate_explain()"),
        "AccessExclusiveLock"
    );
    // what is explained holds its locks no longer than the call, also within a transaction
    exec(&mut s, "BEGIN; SELECT strata.migrate_explain()");
    exec(
        &mut other,
        "SET lock_timeout = '1s'; ALTER TABLE t ADD z int",
    );
    exec(&mut s, "ROLLBACK");
}

#[test]
fn files_of_others_do_not_become_superuser() {
    let db = database("explain_hostile");
    db.run(
        "CREATE ROLE ex_dev LOGIN; GRANT CREATE ON DATABASE explain_hostile TO ex_dev; GRANT CREATE ON SCHEMA public TO ex_dev;
         CREATE ROLE ex_stranger LOGIN",
    );
    let mut dev = db.session_as("ex_dev");
    register(&mut dev, &[("1_a.up.sql", "CREATE TABLE a (x int)")]);
    let mut stranger = db.session_as("ex_stranger");
    for call in [
        "migrate_explain()",
        "migrate_explain('1')",
        "migrate_explain(body => 'SELECT 1')",
    ] {
        fails(
            &mut stranger,
            &format!("SELECT strata.{call}"),
            "42501",
            &["denied"],
        );
    }
    assert_eq!(
        one(
            &mut stranger,
            "SELECT count(*) FROM strata.migrate_explain(body => 'SELECT 1', namespace => NULL)"
        ),
        "1"
    );
    let mut s = db.session();
    // not unknowingly, neither the files nor a text under their settings
    fails(
        &mut s,
        "SELECT strata.migrate_explain()",
        "42501",
        &["ex_dev"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_explain(body => 'SELECT 1')",
        "42501",
        &["ex_dev"],
    );
    exec(
        &mut dev,
        "SELECT strata.migrate_configure('default', role => 'ex_dev')",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT statement, command FROM strata.migrate_explain()"
        ),
        "1|CREATE TABLE"
    );
    for escape in [
        "RESET ROLE; CREATE ROLE ex_evil SUPERUSER",
        "SET ROLE postgres; CREATE ROLE ex_evil SUPERUSER",
        "SET SESSION AUTHORIZATION postgres; CREATE ROLE ex_evil SUPERUSER",
        "RESET SESSION AUTHORIZATION; CREATE ROLE ex_evil SUPERUSER",
        "SELECT set_config('role', 'none', false); CREATE ROLE ex_evil SUPERUSER",
        "ALTER ROLE ex_dev SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'true'; CREATE ROLE ex_evil SUPERUSER",
        // a trigger that is put off fires at the end of the file, as its owner
        "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE ex_dev SUPERUSER; RETURN NULL; END $$;
         CREATE TABLE d (x int); CREATE CONSTRAINT TRIGGER late AFTER INSERT ON d DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil();
         INSERT INTO d VALUES (1)",
    ] {
        register(&mut dev, &[("1_a.up.sql", escape)]);
        fails(&mut s, "SELECT strata.migrate_explain()", "42501", &[]);
        let error = fails(&mut s, "BEGIN; SELECT strata.migrate_explain()", "42501", &[]);
        assert!(error.where_().is_some_and(|w| w.contains("1_a.up.sql")), "{escape}: {error:?}");
        exec(&mut s, "ROLLBACK");
    }
    // one that puts off itself once more must not fire when the caller commits
    let again = "CREATE TABLE d (x int);
        CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF current_user <> 'ex_dev' THEN CREATE ROLE ex_evil SUPERUSER; ELSE INSERT INTO d VALUES (1); END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON d DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.x < 2) EXECUTE FUNCTION evil();
        INSERT INTO d VALUES (0); SET CONSTRAINTS ALL DEFERRED";
    register(&mut dev, &[("1_a.up.sql", again)]);
    let before = session_state(&mut s);
    let outcome = s.batch_execute("BEGIN; SELECT strata.migrate_explain()");
    assert!(outcome.is_err(), "it would go on for ever");
    exec(&mut s, "ROLLBACK");
    // what a file has put off is gone with the trial
    let put_off = again.replace("ELSE INSERT INTO d VALUES (1);", "");
    register(&mut dev, &[("1_a.up.sql", &put_off)]);
    exec(
        &mut s,
        "BEGIN; SELECT strata.migrate_explain(); SET CONSTRAINTS ALL IMMEDIATE; COMMIT",
    );
    same_session(&mut s, &before);
    assert_eq!(
        rows(
            &mut s,
            "SELECT rolname, rolsuper FROM pg_roles WHERE rolname LIKE 'ex\\_%' ORDER BY 1"
        ),
        "ex_dev|f\nex_stranger|f"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT current_user = session_user AND to_regclass('d') IS NULL"
        ),
        "t"
    );
}

#[test]
fn hypertables_and_partitions_tell_each_part() {
    let db = database("explain_parts");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE p (x int, y int) PARTITION BY RANGE (x); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
         CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p SELECT i, i FROM generate_series(0, 19) i",
    );
    assert_eq!(
        explain(&mut s, "ALTER TABLE p ALTER COLUMN y TYPE bigint"),
        "1 public.p AccessExclusiveLock -\n1 public.p1 AccessExclusiveLock public.p1\n1 public.p2 AccessExclusiveLock public.p2"
    );
    exec(
        &mut s,
        "CREATE TABLE big (x text); INSERT INTO big SELECT string_agg(md5(i::text), '') FROM generate_series(1, 9000) i; CREATE INDEX big_x ON big (length(x))",
    );
    // TOAST goes with its table
    assert_eq!(
        explain(
            &mut s,
            "ALTER TABLE big ADD COLUMN y float8 DEFAULT random()"
        ),
        "1 public.big AccessExclusiveLock public.big,public.big_x"
    );
    let told = explain(&mut s, "REINDEX TABLE big");
    assert!(
        told.starts_with(
            "1 public.big_x AccessExclusiveLock -\n1 public.big ShareLock pg_toast.pg_toast_"
        ),
        "{told}"
    );
    assert!(told.ends_with("_index,public.big_x"), "{told}");
    assert_eq!(
        explain(&mut s, "ALTER INDEX big_x RENAME TO big_y"),
        "1 public.big_x ShareUpdateExclusiveLock -"
    );
}

#[test]
fn what_is_dropped_or_emptied_is_told_with_its_size() {
    let db = database("explain_gone");
    let mut s = db.session();
    // rows out of line, and nothing that ANALYZE has told
    exec(
        &mut s,
        "CREATE TABLE big (x int, t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
         INSERT INTO big SELECT i, repeat('x', 10000) FROM generate_series(1, 100) i; CREATE TABLE other (x int); CREATE TABLE third ()",
    );
    let told = |s: &mut Client, body: &str| {
        let sql = format!(
            "SELECT statement, object, lock_mode, bytes > 1000000, note FROM strata.migrate_explain(body => $body${body}$body$)"
        );
        rows(s, &sql)
    };
    let lock = "public.big|AccessExclusiveLock|t";
    assert_eq!(told(&mut s, "DROP TABLE big"), format!("1|{lock}|dropped"));
    assert_eq!(
        told(&mut s, "TRUNCATE big"),
        format!("1|{lock}|emptied at once: no rows are copied")
    );
    // also where their locks were held before
    assert_eq!(
        told(
            &mut s,
            "LOCK TABLE big, other; DROP TABLE big, other, third"
        ),
        format!(
            "1|{lock}|\n1|public.other|AccessExclusiveLock|f|\n2|public.third|AccessExclusiveLock|f|dropped\n2|public.big||t|dropped; an earlier statement took AccessExclusiveLock\n2|public.other||f|dropped; an earlier statement took AccessExclusiveLock"
        )
    );
    exec(
        &mut s,
        "CREATE TABLE h (ts timestamptz NOT NULL, v int); INSERT INTO h VALUES (now(), 1)",
    );
    assert_eq!(
        told(
            &mut s,
            "SELECT strata.create_hypertable('h', 'ts', migrate_data => true)"
        ),
        "1|public.h|AccessExclusiveLock|f|made anew under its name"
    );
}
