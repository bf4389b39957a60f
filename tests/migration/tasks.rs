//! Data migration tasks: what is marked, counted, finished and forgotten.

use crate::support::{database, exec, fails, one, rows};
use crate::task_support::{follow, refused};
use postgres::Client;

/// Names, arguments, results and volatility are those of the contract, and all is described.
#[test]
fn functions_are_as_promised() {
    let db = database("task_contract");
    let mut s = db.session();
    let sql = "SELECT p.proname || '(' || replace(pg_get_function_arguments(p.oid), 'IN ', '') || ')' || \
               CASE p.prokind WHEN 'p' THEN '' ELSE ' ' || pg_get_function_result(p.oid) || ' ' || p.provolatile::text END \
               FROM pg_proc p WHERE p.pronamespace = 'strata'::regnamespace AND p.proname LIKE 'task\\_%' ORDER BY p.proname";
    let promised = [
        "task_backfill(task text, relation regclass, set_clause text, where_clause text DEFAULT NULL::text, key_columns name[] DEFAULT NULL::name[], batch_size integer DEFAULT 5000, pause interval DEFAULT '00:00:00'::interval, lock_timeout interval DEFAULT '00:00:03'::interval, max_batches integer DEFAULT NULL::integer, INOUT rows_done bigint DEFAULT NULL::bigint)",
        "task_begin(task text, total bigint DEFAULT NULL::bigint, note text DEFAULT NULL::text) boolean v",
        "task_clear(task text) bigint v",
        "task_finish(task text, keep_marks boolean DEFAULT false) void v",
        "task_is_continuing(task text) boolean s",
        "task_is_marked(task text, old_id text) boolean s",
        "task_mark(task text, old_id text, new_id text DEFAULT NULL::text) boolean v",
        "task_mark_many(task text, old_ids text[], new_ids text[] DEFAULT NULL::text[]) bigint v",
        "task_new_id(task text, old_id text) text s",
        "task_progress(task text DEFAULT NULL::text) TABLE(task text, state text, started_at timestamp with time zone, last_at timestamp with time zone, done bigint, total bigint, percent numeric, per_second numeric, eta interval, note text) s",
        "task_unmarked(task text, ids text[]) SETOF text s",
    ];
    assert_eq!(rows(&mut s, sql), promised.join("\n"));
    let silent = "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE pronamespace = 'strata'::regnamespace AND proname ~ '^_?task_' AND obj_description(p.oid, 'pg_proc') IS NULL \
                  UNION ALL SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 \
                    WHERE c.oid IN ('strata.task'::regclass, 'strata.task_mark'::regclass) AND col_description(c.oid, attnum) IS NULL \
                  UNION ALL SELECT 'type' WHERE obj_description('strata.calling_role'::regtype, 'pg_type') IS NULL";
    assert_eq!(rows(&mut s, silent), "");
}

#[test]
fn an_id_is_marked_once_and_keeps_its_new_name() {
    let db = database("task_marks");
    let mut s = db.session();
    let nothing = "SELECT strata.task_is_continuing('m'), strata.task_is_marked('m', 'a'), strata.task_new_id('m', 'a'), (SELECT string_agg(u, ',') FROM strata.task_unmarked('m', '{a,b}') u), strata.task_clear('m')";
    assert_eq!(rows(&mut s, nothing), "f|f||a,b|0");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('m')"), "f");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('m')"), "f");
    assert_eq!(one(&mut s, "SELECT strata.task_is_continuing('m')"), "f");
    let mark = "SELECT strata.task_mark('m', 'a', 'A')";
    assert_eq!(one(&mut s, mark), "t");
    assert_eq!(one(&mut s, mark), "f");
    assert_eq!(one(&mut s, "SELECT strata.task_mark('m', 'a')"), "f");
    let other = refused(
        &mut s,
        "SELECT strata.task_mark('m', 'a', 'B')",
        "23505",
        &["id \"a\" of task \"m\" is marked with another new id"],
        &["SELECT strata.task_new_id('m', 'a');"],
    );
    follow(&mut s, &other);
    assert_eq!(one(&mut s, "SELECT strata.task_mark('m', 'n')"), "t");
    fails(
        &mut s,
        "SELECT strata.task_mark('m', 'n', 'N')",
        "23505",
        &["\"n\""],
    );
    let found = "SELECT strata.task_is_continuing('m'), strata.task_is_marked('m', 'a'), strata.task_new_id('m', 'a'), strata.task_new_id('m', 'n') IS NULL, strata.task_is_marked('m', 'x'), strata.task_begin('m')";
    assert_eq!(rows(&mut s, found), "t|t|A|t|f|t");
    // ids are bytes: no collation, no case, no blanks
    for id in ["'é'", "E'e\\u0301'", "' a'", "'A'", "''", "'a''b\"'"] {
        let sql = format!("SELECT strata.task_mark('m', {id})");
        assert_eq!(one(&mut s, &sql), "t", "{id}");
        assert_eq!(one(&mut s, &sql), "f", "{id}");
    }
    // a mark is part of the transaction of its work
    exec(
        &mut s,
        "BEGIN; SELECT strata.task_mark('m', 'undone'); ROLLBACK",
    );
    let undone = "SELECT strata.task_is_marked('m', 'undone')";
    assert_eq!(one(&mut s, undone), "f");
    // a mark begins its task; a task is no other
    assert_eq!(one(&mut s, "SELECT strata.task_mark('M', 'a', 'Z')"), "t");
    assert_eq!(one(&mut s, "SELECT strata.task_new_id('m', 'a')"), "A");
}

#[test]
fn many_ids_are_marked_in_one_call() {
    let db = database("task_many");
    let mut s = db.session();
    let mut many = |arguments: &str| {
        one(
            &mut s,
            &format!("SELECT strata.task_mark_many('m', {arguments})"),
        )
    };
    assert_eq!(many("'{b,a,b}', '{B,A,B}'"), "2");
    assert_eq!(many("'{c,a,b,c}', '{C,A,B,C}'"), "1");
    assert_eq!(many("'{c,a,b,d}'"), "1");
    assert_eq!(many("'{p,a}', '{NULL,NULL}'"), "1");
    assert_eq!(many("'{}'"), "0");
    assert_eq!(many("NULL"), "0");
    let big = "(SELECT array_agg('id-' || g) FROM generate_series(1, 20000) g)";
    assert_eq!(many(big), "20000");
    for (arguments, id) in [("'{x,b}', '{X,Z}'", "b"), ("'{x,x}', '{X,Z}'", "x")] {
        let sql = format!("SELECT strata.task_mark_many('m', {arguments})");
        let word = format!("id \"{id}\" of task \"m\" is marked with another new id");
        refused(&mut s, &sql, "23505", &[&word], &["task_new_id('m'"]);
    }
    // all or nothing
    assert_eq!(one(&mut s, "SELECT strata.task_is_marked('m', 'x')"), "f");
    let left = "SELECT string_agg(u, ',') FROM strata.task_unmarked('m', '{z,a,y,b,x,z,c,id-1}') u";
    assert_eq!(one(&mut s, left), "z,y,x,z");
    assert_eq!(
        one(
            &mut s,
            &format!("SELECT count(*) FROM strata.task_unmarked('m', {big})")
        ),
        "0"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.task_unmarked('m', NULL)"
        ),
        "0"
    );
    assert_eq!(one(&mut s, "SELECT strata.task_new_id('m', 'c')"), "C");
}

#[test]
fn bad_arguments_are_refused() {
    let db = database("task_arguments");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.task_begin('m')");
    for (call, code, word) in [
        (
            "task_mark_many('m', '{a,b}', '{A}')",
            "22023",
            "old_ids has 2 elements, and new_ids has 1",
        ),
        (
            "task_mark_many('m', '{}', '{A}')",
            "22023",
            "old_ids has 0 elements",
        ),
        (
            "task_mark_many('m', '{a,NULL}')",
            "22004",
            "element 2 of old_ids is null",
        ),
        (
            "task_mark_many('m', '{{a,b},{c,d}}')",
            "22023",
            "old_ids has 2 dimensions, not one",
        ),
        ("task_mark('m', NULL)", "22004", "old_id must not be null"),
        (
            "task_is_marked('m', NULL)",
            "22004",
            "old_id must not be null",
        ),
        ("task_new_id('m', NULL)", "22004", "old_id must not be null"),
        (
            "task_unmarked('m', '{NULL}')",
            "22004",
            "element 1 of ids is null",
        ),
        (
            "task_finish('m', NULL)",
            "22004",
            "keep_marks must not be null",
        ),
        ("task_begin('')", "22023", "must not be empty"),
        ("task_mark('', 'a')", "22023", "must not be empty"),
        (
            "task_begin('x', -1)",
            "22023",
            "total must not be negative: -1",
        ),
        (
            "task_mark('m', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 200) g))",
            "54000",
            "index row",
        ),
    ] {
        fails(&mut s, &format!("SELECT strata.{call}"), code, &[word]);
    }
    for call in [
        "task_begin(NULL)",
        "task_mark(NULL, 'a')",
        "task_mark_many(NULL, '{a}')",
        "task_is_marked(NULL, 'a')",
        "task_new_id(NULL, 'a')",
        "task_unmarked(NULL, '{a}')",
        "task_finish(NULL)",
        "task_clear(NULL)",
        "task_is_continuing(NULL)",
    ] {
        let sql = format!("SELECT strata.{call}");
        fails(&mut s, &sql, "22004", &["name of a task must not be null"]);
    }
    let error = refused(
        &mut s,
        "SELECT strata.task_finish('nix')",
        "42704",
        &["task \"nix\" does not exist"],
        &["SELECT * FROM strata.task_progress();"],
    );
    follow(&mut s, &error);
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.task"), "1");
}

fn progress(s: &mut Client, task: &str, columns: &str) -> String {
    rows(
        s,
        &format!("SELECT {columns} FROM strata.task_progress('{task}')"),
    )
}

#[test]
fn a_task_ends_and_begins_again() {
    let db = database("task_ends");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.task_begin('m', 10, 'files'); SELECT strata.task_mark_many('m', '{a,b,c}')",
    );
    let counts = "state, done, total, percent, note";
    assert_eq!(progress(&mut s, "m", counts), "running|3|10|30.0|files");
    exec(&mut s, "SELECT strata.task_finish('m')");
    assert_eq!(progress(&mut s, "m", counts), "finished|3|10|30.0|files");
    assert_eq!(progress(&mut s, "m", "per_second > 0, eta"), "t|");
    assert_eq!(one(&mut s, "SELECT strata.task_is_continuing('m')"), "f");
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.task_mark"), "0");
    // once more is nothing
    exec(&mut s, "SELECT strata.task_finish('m')");
    assert_eq!(progress(&mut s, "m", "state, done"), "finished|3");
    for call in ["task_mark('m', 'late')", "task_mark_many('m', '{late}')"] {
        let error = refused(
            &mut s,
            &format!("SELECT strata.{call}"),
            "55000",
            &["task \"m\" is finished"],
            &["SELECT strata.task_begin('m');"],
        );
        follow(&mut s, &error);
        assert_eq!(progress(&mut s, "m", "state, done, total"), "running|0|");
        exec(&mut s, "SELECT strata.task_finish('m')");
    }
    // kept marks are gone on from
    exec(
        &mut s,
        "SELECT strata.task_begin('m', 4); SELECT strata.task_mark_many('m', '{a,k}', '{A,K}'); SELECT strata.task_finish('m', true)",
    );
    assert_eq!(progress(&mut s, "m", "state, done"), "finished|2");
    assert_eq!(one(&mut s, "SELECT strata.task_new_id('m', 'k')"), "K");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('m')"), "t");
    assert_eq!(progress(&mut s, "m", "state, done, total"), "running|2|4");
    exec(
        &mut s,
        "SELECT strata.task_finish('m', true); SELECT strata.task_finish('m')",
    );
    assert_eq!(progress(&mut s, "m", "state, done"), "finished|2");
    assert_eq!(one(&mut s, "SELECT strata.task_is_marked('m', 'a')"), "f");
    // forgotten
    exec(
        &mut s,
        "SELECT strata.task_begin('m'); SELECT strata.task_mark_many('m', '{a,b,c}')",
    );
    assert_eq!(one(&mut s, "SELECT strata.task_clear('m')"), "3");
    assert_eq!(one(&mut s, "SELECT strata.task_clear('m')"), "0");
    assert_eq!(progress(&mut s, "m", "state"), "");
    assert_eq!(one(&mut s, "SELECT strata.task_begin('m')"), "f");
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.task_mark"), "0");
}

/// Times are set by hand, so that speeds are known.
#[test]
fn progress_tells_speed_and_what_is_left() {
    let db = database("task_speed");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.task_begin('s', 10); SELECT strata.task_mark_many('s', '{a,b,c,d}');
         UPDATE strata.task SET started_at = '2020-01-01 00:00+00', run_at = '2020-01-01 00:00+00';
         UPDATE strata.task_mark SET marked_at = '2020-01-01 00:00:02+00'",
    );
    let all = "state, done, total, percent, per_second, eta, last_at = '2020-01-01 00:00:02+00'";
    assert_eq!(
        progress(&mut s, "s", all),
        "running|4|10|40.0|2.0|00:00:03|t"
    );
    // marks of an earlier run do not make this one look fast
    exec(
        &mut s,
        "UPDATE strata.task_mark SET marked_at = '2019-01-01 00:00+00' WHERE old_id < 'c'",
    );
    assert_eq!(
        progress(&mut s, "s", "done, per_second, eta"),
        "4|1.0|00:00:06"
    );
    // more than was announced, nothing announced, nothing to do
    exec(
        &mut s,
        "SELECT strata.task_mark_many('s', (SELECT array_agg(g::text) FROM generate_series(1, 20) g));
         SELECT strata.task_mark('open', 'a'); SELECT strata.task_begin('none', 0); SELECT strata.task_begin('idle', 5)",
    );
    assert_eq!(
        progress(&mut s, "s", "done, percent, eta"),
        "24|100.0|00:00:00"
    );
    let unknown = "done, total, percent, eta, last_at >= started_at";
    assert_eq!(progress(&mut s, "open", unknown), "1||||t");
    assert_eq!(
        progress(&mut s, "none", "done, total, percent, eta"),
        "0|0|100.0|"
    );
    assert_eq!(
        progress(&mut s, "idle", "done, percent, per_second, eta, last_at"),
        "0|0.0|||"
    );
    // a batch has the time of its end: it is not done in no time
    exec(
        &mut s,
        "SELECT strata.task_mark_many('batch', (SELECT array_agg(g::text) FROM generate_series(1, 5000) g))",
    );
    let spread = "SELECT max(marked_at) > min(marked_at) FROM strata.task_mark m JOIN strata.task t ON t.id = m.task_id WHERE t.task = 'batch'";
    assert_eq!(one(&mut s, spread), "t");
    let all = "SELECT string_agg(task, ',') FROM strata.task_progress()";
    assert_eq!(one(&mut s, all), "batch,idle,none,open,s");
}

/// What reads takes no transaction id, and works on a hot standby.
#[test]
fn readers_write_nothing() {
    use crate::common::{Cluster, Db};
    let primary = Cluster::builder().start();
    let db = Db::new(&primary, "task_readers");
    exec(
        &mut db.session(),
        "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT generate_series(1, 10)",
    );
    let mut s = db.session();
    exec(&mut s, "SELECT strata.task_mark('m', 'a', 'A')");
    crate::task_support::fill(
        &mut s,
        "'b', 't', 'n = 1', batch_size => 2, max_batches => 2",
    );
    let reads = "SELECT strata.task_is_continuing('m'), strata.task_is_marked('m', 'a'), strata.task_new_id('m', 'a'), (SELECT string_agg(u, '') FROM strata.task_unmarked('m', '{a,b}') u), (SELECT string_agg(task || done, ' ') FROM strata.task_progress()), strata.task_is_continuing('b')";
    let told = "t|t|A|b|b4 m1|t";
    exec(&mut s, "BEGIN READ ONLY");
    assert_eq!(rows(&mut s, reads), told);
    assert_eq!(
        one(&mut s, "SELECT pg_current_xact_id_if_assigned() IS NULL"),
        "t"
    );
    exec(&mut s, "COMMIT");
    let standby = primary.standby();
    let mut r = standby.client("task_readers");
    assert_eq!(rows(&mut r, reads), told);
    fails(&mut r, "SELECT strata.task_mark('m', 'b')", "25006", &[]);
    fails(
        &mut r,
        "CALL strata.task_backfill('b', 't', 'n = 1')",
        "25006",
        &[],
    );
}

/// Collations of arguments do not clash with those of the tables.
#[test]
fn arguments_have_any_collation() {
    let db = database("task_collations");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE co (t text COLLATE \"POSIX\", a text COLLATE \"C\", b text COLLATE \"ucs_basic\"); INSERT INTO co VALUES ('co', 'x', 'X')",
    );
    for (sql, expected) in [
        ("SELECT strata.task_begin(t) FROM co", "f"),
        ("SELECT strata.task_mark(t, a, b) FROM co", "t"),
        ("SELECT strata.task_mark(t, a, b) FROM co", "f"),
        ("SELECT strata.task_is_marked(t, a) FROM co", "t"),
        ("SELECT strata.task_new_id(t, a) FROM co", "X"),
        (
            "SELECT u FROM co, strata.task_unmarked(t, ARRAY[a, 'y'::text]) u",
            "y",
        ),
        (
            "SELECT strata.task_mark_many(t, ARRAY[b, 'Y'], ARRAY[b, 'Y']) FROM co",
            "2",
        ),
        ("SELECT strata.task_is_continuing(t) FROM co", "t"),
        ("SELECT p.done FROM co, strata.task_progress(co.t) p", "3"),
        ("SELECT strata.task_clear(t) FROM co", "3"),
    ] {
        assert_eq!(one(&mut s, sql), expected, "{sql}");
    }
}
