//! Whose a task is, and that nobody gets at those of others.

use crate::common::Cluster;
use crate::support::{Db, database, exec, fails, one, rows};
use crate::task_support::refused;

/// Roles are of the whole server, so each test has its own.
fn people(db: &Db, prefix: &str) {
    db.run(&format!(
        "CREATE ROLE {prefix}_alice; CREATE ROLE {prefix}_bob; CREATE ROLE {prefix}_carol IN ROLE {prefix}_alice;
         CREATE ROLE {prefix}_eve NOINHERIT; GRANT {prefix}_alice TO {prefix}_eve; CREATE ROLE {prefix}_watch IN ROLE pg_monitor;
         GRANT CREATE ON SCHEMA public TO {prefix}_alice, {prefix}_bob"
    ));
}

#[test]
fn a_task_is_for_its_owner_and_members() {
    let db = database("task_owner");
    people(&db, "own");
    let mut s = db.session();
    exec(
        &mut s,
        "SET ROLE own_alice; SELECT strata.task_begin('m', 2); SELECT strata.task_mark('m', 'a', 'A'); SET ROLE own_bob",
    );
    for call in [
        "task_begin('m')",
        "task_mark('m', 'a')",
        "task_mark_many('m', '{b}')",
        "task_is_marked('m', 'a')",
        "task_new_id('m', 'a')",
        "task_unmarked('m', '{a}')",
        "task_is_continuing('m')",
        "task_finish('m')",
        "task_clear('m')",
    ] {
        refused(
            &mut s,
            &format!("SELECT strata.{call}"),
            "42501",
            &["permission denied for task \"m\""],
            &["It belongs to role \"own_alice\"."],
        );
    }
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM strata.task_progress()"),
        "0"
    );
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM strata.task_progress('m')"),
        "0"
    );
    // PUBLIC has tasks of its own
    assert_eq!(one(&mut s, "SELECT strata.task_mark('bobs', 'a')"), "t");
    exec(&mut s, "SET ROLE own_eve");
    fails(
        &mut s,
        "SELECT strata.task_is_marked('m', 'a')",
        "42501",
        &["\"m\""],
    );
    exec(&mut s, "SET ROLE own_watch");
    assert_eq!(
        rows(&mut s, "SELECT task, done FROM strata.task_progress()"),
        "bobs|1\nm|1"
    );
    fails(
        &mut s,
        "SELECT strata.task_is_marked('m', 'a')",
        "42501",
        &["\"m\""],
    );
    exec(&mut s, "SET ROLE own_carol");
    assert_eq!(one(&mut s, "SELECT strata.task_mark('m', 'b')"), "t");
    assert_eq!(
        rows(&mut s, "SELECT task, done FROM strata.task_progress()"),
        "m|2"
    );
    exec(&mut s, "SELECT strata.task_finish('m')");
    exec(&mut s, "RESET ROLE");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('m')"), "f");
    assert_eq!(
        one(&mut s, "SELECT owner FROM strata.task WHERE task = 'm'"),
        "own_alice"
    );
    // an owner that is gone
    exec(
        &mut s,
        "CREATE ROLE \"own \"\"gone'\"; SET ROLE \"own \"\"gone'\"; SELECT strata.task_mark('g', 'a'); RESET ROLE; DROP ROLE \"own \"\"gone'\"",
    );
    assert_eq!(one(&mut s, "SELECT strata.task_is_marked('g', 'a')"), "t");
    exec(&mut s, "SET ROLE own_bob");
    refused(
        &mut s,
        "SELECT strata.task_is_marked('g', 'a')",
        "42501",
        &["\"g\""],
        &["own \"gone'"],
    );
}

/// A stranger's call does not wait for whoever marks, nor make anybody wait.
#[test]
fn strangers_are_refused_before_they_lock() {
    let db = database("task_strangers");
    people(&db, "str");
    db.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1); GRANT ALL ON t TO PUBLIC");
    let mut alice = db.session();
    exec(
        &mut alice,
        "SET ROLE str_alice; SELECT strata.task_mark('m', 'a')",
    );
    exec(&mut alice, "BEGIN; SELECT strata.task_mark('m', 'b')");
    let mut bob = db.session();
    exec(&mut bob, "SET ROLE str_bob; SET lock_timeout = '1ms'");
    for sql in [
        "SELECT strata.task_finish('m')",
        "SELECT strata.task_clear('m')",
        "CALL strata.task_backfill('m', 't', 'n = 1', lock_timeout => '1ms')",
    ] {
        fails(&mut bob, sql, "42501", &["task \"m\""]);
    }
    exec(&mut alice, "COMMIT");
    assert_eq!(
        one(&mut alice, "SELECT done FROM strata.task_progress('m')"),
        "2"
    );
}

#[test]
fn nobody_reads_or_writes_the_tables() {
    let db = database("task_tables");
    people(&db, "tab");
    let mut s = db.session();
    exec(
        &mut s,
        "SET ROLE tab_alice; SELECT strata.task_mark('m', 'a')",
    );
    for sql in [
        "SELECT * FROM strata.task",
        "SELECT * FROM strata.task_mark",
        "DELETE FROM strata.task_mark",
        "UPDATE strata.task SET owner = 'tab_bob'",
        "INSERT INTO strata.task_mark (marked_at, task_id, old_id) VALUES (now(), 1, 'x')",
        "TRUNCATE strata.task",
        "SELECT nextval('strata.task_id_seq')",
    ] {
        fails(&mut s, sql, "42501", &["denied"]);
    }
    for call in [
        "_task_number('tab_alice', 'm')",
        "_task_number_to_mark('tab_alice', 'm')",
        "_task_is_for('tab_alice', 'tab_alice')",
        "_task_check('tab_alice', 'tab_alice', 'm')",
        "_task_refuse('a', 'b')",
        "_task_alive(1, now())",
    ] {
        fails(
            &mut s,
            &format!("SELECT strata.{call}"),
            "42501",
            &["denied for function"],
        );
    }
    exec(&mut s, "RESET ROLE");
    // definers fix their search path, and those for everybody want to know who calls
    let loose = "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'strata'::regnamespace AND proname ~ '^_?task_' AND prosecdef \
                 AND (NOT 'search_path=pg_catalog, pg_temp' = ANY (proconfig) \
                   OR has_function_privilege('tab_bob', oid, 'EXECUTE') AND proargtypes[0] <> 'strata.calling_role'::regtype)";
    assert_eq!(rows(&mut s, loose), "");
    let definers = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'strata'::regnamespace AND proname ~ '^_task_' AND prosecdef";
    assert_eq!(one(&mut s, definers), "12");
}

/// The functions that run as the owner of the extension take the caller as an argument of a type that only holds the
/// current role.
#[test]
fn nobody_can_name_another_as_the_caller() {
    let db = database("task_forging");
    people(&db, "frg");
    let mut s = db.session();
    exec(
        &mut s,
        "SET ROLE frg_alice; SELECT strata.task_mark('m', 'a', 'A'); CREATE TABLE t (id int PRIMARY KEY, n int)",
    );
    exec(&mut s, "SET ROLE frg_bob");
    for value in [
        "'frg_alice'",
        "'frg_alice'::name",
        "(SELECT 'frg_alice'::name)",
        "('{frg_alice}'::strata.calling_role[])[1]",
        "(ARRAY['frg_alice'::name]::strata.calling_role[])[1]",
        "(SELECT c FROM json_to_record('{\"c\":\"frg_alice\"}') x(c strata.calling_role))",
        "(SELECT c FROM jsonb_to_recordset('[{\"c\":\"frg_alice\"}]') x(c strata.calling_role))",
        "(SELECT CURRENT_USER::strata.calling_role UNION ALL SELECT 'frg_alice' OFFSET 1)",
        "(array_replace(ARRAY[CURRENT_USER::strata.calling_role], 'frg_bob', 'frg_alice'))[1]",
        "(SELECT lag(c, 1, 'frg_alice') OVER () FROM (SELECT CURRENT_USER::strata.calling_role c) s)",
        "COALESCE(NULLIF(CURRENT_USER::strata.calling_role, 'frg_bob'), 'frg_alice')",
        "NULL",
    ] {
        let sql = format!("SELECT strata._task_is_marked({value}, 'm', 'a')");
        let error = s.batch_execute(&sql).expect_err(value);
        let code = error.as_db_error().map(|e| e.code().code().to_owned());
        // not the current role, null, or no such function for what came of it
        let codes = ["23514", "23502", "42883", "42804"];
        assert!(
            code.as_deref().is_some_and(|c| codes.contains(&c)),
            "{value}: {error:?}"
        );
    }
    fails(
        &mut s,
        "PREPARE p (strata.calling_role) AS SELECT strata._task_is_marked($1, 'm', 'a'); EXECUTE p('frg_alice')",
        "23514",
        &["is_current_role"],
    );
    fails(
        &mut s,
        "DO $$ DECLARE c strata.calling_role := 'frg_alice'; BEGIN PERFORM strata._task_is_marked(c, 'm', 'a'); END $$",
        "23514",
        &["is_current_role"],
    );
    // a null that no check has seen is nobody
    let null = "(SELECT CURRENT_USER::strata.calling_role WHERE false)";
    fails(
        &mut s,
        &format!("SELECT strata._task_is_marked({null}, 'm', 'a')"),
        "42501",
        &["\"m\""],
    );
    fails(
        &mut s,
        &format!("SELECT strata._task_begin({null}, 'nobodys', NULL, NULL)"),
        "23502",
        &["owner"],
    );
    assert_eq!(
        one(
            &mut s,
            &format!("SELECT count(*) FROM strata._task_progress({null}, NULL)")
        ),
        "0"
    );
    // nothing keeps such a value
    for sql in [
        "CREATE TABLE x (c strata.calling_role)",
        "CREATE TABLE x (c strata.calling_role[])",
        "CREATE TEMP TABLE x AS SELECT CURRENT_USER::strata.calling_role",
        "CREATE DOMAIN x AS strata.calling_role",
        "CREATE TYPE x AS (c strata.calling_role)",
        "CREATE FUNCTION x() RETURNS strata.calling_role LANGUAGE sql AS 'SELECT NULL'",
        "CREATE FUNCTION x(strata.calling_role) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW x AS SELECT CURRENT_USER::strata.calling_role AS c",
        "CREATE TYPE x AS RANGE (subtype = strata.calling_role)",
    ] {
        fails(&mut s, sql, "42501", &["permission denied for type"]);
    }
    // a run of somebody else is not taken over, even by who can read its number
    exec(
        &mut s,
        "RESET ROLE; INSERT INTO t SELECT g, 0 FROM generate_series(1, 10) g; UPDATE strata.task SET runner = '00000000-0000-0000-0000-000000000001'; SET ROLE frg_bob",
    );
    for role in ["CURRENT_USER::strata.calling_role", null] {
        let sql = format!(
            "SELECT strata._task_step({role}, 'm', '00000000-0000-0000-0000-000000000001', '{{9}}', 0, 0, true, true)"
        );
        fails(&mut s, &sql, "42501", &["task \"m\""]);
    }
    exec(&mut s, "SET ROLE frg_alice");
    for run in ["gen_random_uuid()", "NULL"] {
        let sql = format!(
            "SELECT strata._task_step(CURRENT_USER::strata.calling_role, 'm', {run}, NULL, 0, 0, true, true)"
        );
        fails(
            &mut s,
            &sql,
            "55000",
            &["was finished, cleared or taken over"],
        );
    }
}

/// The caller is who calls now: also through definers, views and plans that are kept.
#[test]
fn the_caller_is_who_calls() {
    let db = database("task_caller");
    people(&db, "cal");
    let mut s = db.session();
    exec(
        &mut s,
        "SET ROLE cal_alice; SELECT strata.task_mark('m', 'a');
         CREATE FUNCTION as_alice() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$SELECT strata.task_is_marked('m', 'a')$$;
         CREATE VIEW v AS SELECT strata.task_is_marked('m', 'a') AS marked; GRANT SELECT ON v TO PUBLIC;
         SET ROLE cal_bob;
         CREATE FUNCTION as_bob() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$SELECT strata.task_is_marked('m', 'a')$$",
    );
    assert_eq!(one(&mut s, "SELECT as_alice()"), "t");
    fails(&mut s, "SELECT marked FROM v", "42501", &["\"m\""]);
    exec(&mut s, "RESET ROLE");
    assert_eq!(one(&mut s, "SELECT marked FROM v"), "t");
    // a superuser within a function of bob's is bob
    fails(&mut s, "SELECT as_bob()", "42501", &["\"m\""]);
    exec(
        &mut s,
        "SET ROLE cal_alice; PREPARE p AS SELECT strata.task_is_marked('m', 'a')",
    );
    for _ in 0..7 {
        assert_eq!(one(&mut s, "EXECUTE p"), "t");
    }
    exec(&mut s, "SET ROLE cal_bob");
    fails(&mut s, "EXECUTE p", "42501", &["\"m\""]);
}

/// Objects that hide ours, in the schema that every role may make and in the search path.
#[test]
fn what_lies_in_front_of_ours_is_not_called() {
    let db = database("task_shadows");
    people(&db, "shd");
    let mut s = db.session();
    exec(
        &mut s,
        "SET ROLE shd_alice; SELECT strata.task_mark('m', 'a', 'A'); SET ROLE shd_bob",
    );
    exec(
        &mut s,
        "CREATE DOMAIN pg_temp.calling_role AS name; CREATE TEMP TABLE task (owner text); CREATE TEMP TABLE task_mark (old_id text);
         CREATE TEMP VIEW pg_roles AS SELECT 'shd_alice'::name AS rolname, 10::oid AS oid, true AS rolsuper;
         CREATE TEMP VIEW pg_stat_activity AS SELECT 1 AS pid;
         CREATE FUNCTION pg_temp.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE FUNCTION pg_temp.format(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trap''; END';
         CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trap''; END';
         CREATE FUNCTION pg_temp.same(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR pg_temp.= (leftarg = name, rightarg = name, function = pg_temp.same)",
    );
    for path in [
        "pg_temp, pg_catalog",
        "pg_temp, strata, pg_catalog",
        "pg_temp, public",
    ] {
        exec(&mut s, &format!("SET search_path = {path}"));
        fails(
            &mut s,
            "SELECT strata.task_new_id('m', 'a')",
            "42501",
            &["\"m\""],
        );
        fails(&mut s, "SELECT strata.task_clear('m')", "42501", &["\"m\""]);
        fails(
            &mut s,
            "SELECT strata._task_new_id('shd_alice', 'm', 'a')",
            "23514",
            &["is_current_role"],
        );
        fails(
            &mut s,
            "SELECT strata._task_new_id('shd_alice'::pg_temp.calling_role, 'm', 'a')",
            "23514",
            &["is_current_role"],
        );
        assert_eq!(
            one(
                &mut s,
                "SELECT pg_catalog.count(*) FROM strata.task_progress()"
            ),
            "0"
        );
        assert_eq!(
            one(&mut s, "SELECT strata.task_mark('mine', 'a', 'B')"),
            "t"
        );
        assert_eq!(one(&mut s, "SELECT strata.task_new_id('mine', 'a')"), "B");
        assert_eq!(
            one(&mut s, "SELECT strata.task_mark_many('mine', '{a,b}')"),
            "1"
        );
        assert_eq!(one(&mut s, "SELECT strata.task_begin('mine')"), "t");
        assert_eq!(
            one(&mut s, "SELECT strata.task_unmarked('mine', '{b,c}')"),
            "c"
        );
        exec(&mut s, "SELECT strata.task_finish('mine', true)");
        assert_eq!(one(&mut s, "SELECT strata.task_clear('mine')"), "2");
    }
}

/// What ALTER DEFAULT PRIVILEGES of the installing role gives to others does not reach the tables, nor the type: in a
/// column of it, a default of CURRENT_USER would keep whoever wrote the row.
#[test]
fn default_privileges_open_nothing() {
    let server = Cluster::builder().start();
    server.psql(
        "postgres",
        "CREATE ROLE dora; CREATE DATABASE d; \\c d
         ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, dora; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO dora;
         ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO PUBLIC, dora; ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO dora;
         CREATE EXTENSION pg_strata",
    );
    let mut s = server.client("d");
    let open = "SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a WHERE c.relname IN ('task', 'task_mark', 'task_id_seq') AND a.grantee <> c.relowner \
                UNION ALL SELECT t.typname FROM pg_type t, aclexplode(t.typacl) a WHERE t.oid = 'strata.calling_role'::regtype AND a.grantee <> t.typowner";
    assert_eq!(rows(&mut s, open), "");
    exec(&mut s, "SET ROLE dora");
    fails(
        &mut s,
        "CREATE TEMP TABLE x (c strata.calling_role DEFAULT CURRENT_USER)",
        "42501",
        &["type"],
    );
    fails(
        &mut s,
        "SELECT strata._task_number('postgres', 'm')",
        "42501",
        &["denied for function"],
    );
    assert_eq!(one(&mut s, "SELECT strata.task_mark('m', 'a')"), "t");
}
