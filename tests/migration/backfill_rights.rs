//! Backfills run with the rights of the caller, and only what they were given to run.

use crate::support::{database, exec, fails, one, rows};
use crate::task_support::{fill, refused};

#[test]
fn the_caller_needs_rights_on_the_table() {
    let db = database("fill_rights");
    db.run("CREATE ROLE fr_alice; CREATE ROLE fr_bob");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE secret (id int PRIMARY KEY, who name, n int DEFAULT 0); INSERT INTO secret SELECT g, CASE WHEN g % 2 = 0 THEN 'fr_alice' ELSE 'fr_bob' END FROM generate_series(1, 100) g",
    );
    let call = "CALL strata.task_backfill('r', 'secret', 'n = n + 1', batch_size => 9)";
    exec(&mut s, "SET ROLE fr_alice");
    fails(
        &mut s,
        call,
        "42501",
        &["permission denied for table secret"],
    );
    exec(
        &mut s,
        "RESET ROLE; GRANT SELECT ON secret TO fr_alice; SET ROLE fr_alice",
    );
    fails(
        &mut s,
        call,
        "42501",
        &["permission denied for table secret"],
    );
    exec(
        &mut s,
        "RESET ROLE; GRANT UPDATE (n) ON secret TO fr_alice; ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON secret USING (who = current_user); SET ROLE fr_alice",
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('w', 'secret', 'who = who')",
        "42501",
        &["permission denied for table secret"],
    );
    assert_eq!(one(&mut s, call), "50");
    exec(&mut s, "RESET ROLE");
    let own = "SELECT count(*) FILTER (WHERE n = 1 AND who = 'fr_alice'), count(*) FILTER (WHERE n = 0 AND who = 'fr_bob') FROM secret";
    assert_eq!(rows(&mut s, own), "50|50");
    // a task of another, and rights that go while it stands still
    exec(&mut s, "SET ROLE fr_bob");
    refused(
        &mut s,
        call,
        "42501",
        &["permission denied for task \"r\""],
        &["It belongs to role \"fr_alice\"."],
    );
    exec(&mut s, "SET ROLE fr_alice");
    assert_eq!(
        fill(
            &mut s,
            "'s', 'secret', 'n = n + 1', batch_size => 9, max_batches => 1"
        ),
        "9"
    );
    exec(
        &mut s,
        "RESET ROLE; REVOKE UPDATE (n) ON secret FROM fr_alice; SET ROLE fr_alice",
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('s', 'secret', 'n = n + 1', batch_size => 9)",
        "42501",
        &["secret"],
    );
    assert_eq!(
        rows(&mut s, "SELECT state, done FROM strata.task_progress('s')"),
        "stopped|9"
    );
}

/// Functions of clauses, triggers and checks see the caller, not the owner of the extension.
#[test]
fn what_the_update_calls_runs_as_the_caller() {
    let db = database("fill_caller");
    db.run("CREATE ROLE fc_alice; GRANT CREATE ON SCHEMA public TO fc_alice");
    let mut s = db.session();
    exec(
        &mut s,
        "SET ROLE fc_alice;
         CREATE TABLE seen (what text, who text, path text);
         CREATE FUNCTION look(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (what, current_user, current_setting('search_path')); RETURN 1; END $$;
         CREATE FUNCTION look_too() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.look(TG_ARGV[0]); RETURN NEW; END $$;
         CREATE DOMAIN seen_int AS int CHECK (public.look('domain') = 1);
         CREATE TABLE t (id int PRIMARY KEY, n seen_int, CHECK (public.look('check') = 1)); INSERT INTO t SELECT generate_series(1, 10);
         CREATE TRIGGER before BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION look_too('trigger');
         CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look_too('deferred');
         CREATE INDEX ON t ((n + 1)); TRUNCATE seen; SET search_path = public, pg_catalog",
    );
    assert_eq!(
        fill(
            &mut s,
            "'c', 't', 'n = look(''set'')', 'look(''where'') = 1', batch_size => 3"
        ),
        "10"
    );
    exec(&mut s, "RESET search_path");
    let who = "SELECT DISTINCT who, path FROM seen";
    assert_eq!(rows(&mut s, who), "fc_alice|public, pg_catalog");
    let all = "SELECT string_agg(DISTINCT what, ' ' ORDER BY what) FROM seen";
    assert_eq!(one(&mut s, all), "check deferred domain set trigger where");
    // code of the table cannot name another as the caller of the backfill
    exec(
        &mut s,
        "CREATE OR REPLACE FUNCTION look(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM strata.task_clear('other'); RETURN 1; END $$; RESET ROLE; SELECT strata.task_mark('other', 'a'); SET ROLE fc_alice",
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('d', 't', 'n = look(''x'')')",
        "42501",
        &["\"other\""],
    );
}

#[test]
fn clauses_are_one_list_and_one_expression() {
    let db = database("fill_clauses");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, a int[], c text); INSERT INTO t SELECT generate_series(1, 10); CREATE TABLE victim (x int); CREATE TABLE u (n int)",
    );
    let not_set = "set_clause is not one list of assignments";
    let not_where = "where_clause is not one expression";
    let syntax = "syntax error";
    for (set, word) in [
        ("n = 0; DROP TABLE victim", not_set),
        ("n = 0;", not_set),
        ("n = 0; --", not_set),
        ("n = 0 WHERE true", not_set),
        ("n = 0 WHERE true --", not_set),
        ("n = 0 FROM u", not_set),
        ("n = u.n FROM u WHERE true", not_set),
        ("n = 0 RETURNING n", not_set),
        ("n = 0 RETURNING n --", not_set),
        ("", syntax),
        (" ", syntax),
        ("n", syntax),
        ("n = 0)", syntax),
        ("n = (0", syntax),
        ("n = 0,", syntax),
        ("n = 0 /*", "unterminated"),
        ("n = 'x", "unterminated"),
        ("c = $$x", "unterminated"),
        ("c = E'\\'", "unterminated"),
    ] {
        s.execute("SELECT set_config('x.set', $1, false)", &[&set])
            .expect("a setting");
        let error = fails(
            &mut s,
            "DO $$ DECLARE r bigint; BEGIN CALL strata.task_backfill('inj', 't', current_setting('x.set'), rows_done => r); END $$",
            "42601",
            &[],
        );
        assert!(error.message().contains(word), "{set}: {error:?}");
    }
    for (condition, word) in [
        ("true) OR (true", syntax),
        ("true; DROP TABLE victim", not_where),
        ("true;", not_where),
        ("true; --", not_where),
        ("true RETURNING 1", not_where),
        ("true RETURNING 1 --", not_where),
        ("true ORDER BY 1", syntax),
        ("true LIMIT 1", syntax),
        ("true, true", syntax),
        ("CURRENT OF c", not_where),
        ("", syntax),
        ("-- nothing", syntax),
        ("true /*", "unterminated"),
        ("c = 'x", "unterminated"),
        ("true) --", syntax),
        ("SELECT true", syntax),
    ] {
        s.execute("SELECT set_config('x.where', $1, false)", &[&condition])
            .expect("a setting");
        let error = fails(
            &mut s,
            "DO $$ DECLARE r bigint; BEGIN CALL strata.task_backfill('inj', 't', 'n = 1', current_setting('x.where'), rows_done => r); END $$",
            "42601",
            &[],
        );
        assert!(error.message().contains(word), "{condition}: {error:?}");
    }
    assert_eq!(one(&mut s, "SELECT to_regclass('victim') IS NOT NULL"), "t");
    assert_eq!(rows(&mut s, "SELECT count(*), max(n) FROM t"), "10|0");
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.task"), "0");
    // what looks like it, and is an expression
    exec(&mut s, "SET standard_conforming_strings = on");
    for (task, set, condition, done) in [
        ("1", "c = '; DROP TABLE victim; --'", "true", "10"),
        (
            "2",
            "c = $q$) OR (/*$q$, n = 1",
            "c LIKE '%;%' /* ) -- */",
            "10",
        ),
        (
            "3",
            "a[1] = 1, n = (SELECT count(*) FROM u)",
            "(true) OR (true)",
            "10",
        ),
        (
            "4",
            "n = CASE WHEN id > 5 THEN 1 ELSE 0 END",
            "EXISTS (SELECT FROM t o WHERE o.id = t.id AND o.id < 4)",
            "3",
        ),
        ("5", "c = E'\\\\'", "c IS NOT NULL\n--", "10"),
    ] {
        let sql = "SELECT set_config('x.set', $1, false), set_config('x.where', $2, false)";
        s.execute(sql, &[&set, &condition]).expect("settings");
        exec(
            &mut s,
            &format!(
                "DO $$ DECLARE r bigint; BEGIN CALL strata.task_backfill('ok{task}', 't', current_setting('x.set'), current_setting('x.where'), batch_size => 4, rows_done => r); ASSERT r = {done}; END $$"
            ),
        );
    }
    // read as the session reads strings
    exec(
        &mut s,
        "SET standard_conforming_strings = off; SET escape_string_warning = off",
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('inj', 't', $$c = '\\'$$)",
        "42601",
        &["unterminated"],
    );
    assert_eq!(
        fill(&mut s, "'inj', 't', $$c = '\\'; DROP TABLE victim; --'$$"),
        "10"
    );
    assert_eq!(
        one(&mut s, "SELECT max(c) FROM t"),
        "'; DROP TABLE victim; --"
    );
}

/// Functions, operators and types of the search path that have the names of ours are not called.
#[test]
fn traps_in_the_search_path_are_not_sprung() {
    let db = database("fill_traps");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE trapped (id bigint PRIMARY KEY, k text NOT NULL, n int DEFAULT 0, UNIQUE (k, id)); INSERT INTO trapped SELECT g, g % 7 FROM generate_series(1, 100) g; CREATE SCHEMA trap",
    );
    let mut sql = String::new();
    let pairs = "int4 int4,int8 int8,float8 float8,text text,uuid uuid,bool bool,name name,jsonb jsonb,interval interval,timestamptz timestamptz,int8 int4,int4 int8,float8 int4,int4 float8,jsonb text,jsonb int4,text int4,numeric int4,numeric numeric";
    for pair in pairs.split(',') {
        let (left, right) = pair.split_once(' ').expect("two types");
        sql.push_str(&format!("CREATE FUNCTION trap.boom({left}, {right}) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap'; END $$;"));
        for operator in [
            "=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "/", "||", "->", "->>", "#>>",
        ] {
            sql.push_str(&format!("CREATE OPERATOR trap.{operator} (leftarg = {left}, rightarg = {right}, function = trap.boom);"));
        }
    }
    for function in [
        "format(text, text)",
        "format(text, VARIADIC text[])",
        "now()",
        "random()",
        "pg_sleep(float8)",
        "set_config(text, text, bool)",
        "current_setting(text)",
        "date_part(text, interval)",
        "power(float8, float8)",
        "row_number()",
        "clock_timestamp()",
        "gen_random_uuid()",
        "pg_has_role(name, oid, text)",
        "unnest(text[])",
        "cardinality(text[])",
        "statement_timestamp()",
        "pg_backend_pid()",
        "\"coalesce\"(int4)",
    ] {
        sql.push_str(&format!("CREATE FUNCTION trap.{function} RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap'; END $$;"));
    }
    for kind in [
        "text",
        "int4",
        "int8",
        "bool",
        "name",
        "uuid",
        "jsonb",
        "interval",
        "float8",
        "timestamptz",
        "regclass",
        "record",
    ] {
        sql.push_str(&format!(
            "CREATE DOMAIN trap.{kind} AS pg_catalog.int2 CHECK (false);"
        ));
    }
    exec(&mut s, &sql);
    exec(&mut s, "SET search_path = trap, pg_catalog");
    // they are traps
    fails(&mut s, "SELECT 1 = 1", "P0001", &["trap"]);
    let one_batch =
        "'a', 'public.trapped', 'n = 1', 'true', batch_size => 5, max_batches => 1, pause => '1ms'";
    assert_eq!(fill(&mut s, one_batch), "5");
    assert_eq!(
        fill(
            &mut s,
            "'a', 'public.trapped', 'n = 1', 'true', batch_size => 30"
        ),
        "95"
    );
    assert_eq!(
        fill(
            &mut s,
            "'b', 'public.trapped', 'n = 2', key_columns => '{k,id}', batch_size => 30"
        ),
        "100"
    );
    assert_eq!(one(&mut s, "SELECT strata.task_mark('m', 'a', 'x')"), "t");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('m')"), "t");
    assert_eq!(one(&mut s, "SELECT strata.task_is_marked('m', 'a')"), "t");
    assert_eq!(
        one(
            &mut s,
            "SELECT strata.task_mark_many('m', '{a,c}', '{x,y}')"
        ),
        "1"
    );
    assert_eq!(one(&mut s, "SELECT strata.task_new_id('m', 'a')"), "x");
    assert_eq!(
        one(&mut s, "SELECT strata.task_unmarked('m', '{a,b}')"),
        "b"
    );
    assert_eq!(
        one(&mut s, "SELECT done FROM strata.task_progress('m')"),
        "2"
    );
    exec(&mut s, "SELECT strata.task_finish('m')");
    assert_eq!(one(&mut s, "SELECT strata.task_clear('m')"), "0");
    exec(&mut s, "RESET search_path");
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM trapped WHERE n = 2"),
        "100"
    );
}
