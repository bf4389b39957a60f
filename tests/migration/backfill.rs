//! Backfills: which rows, in which batches, and what they say.

use crate::support::{database, exec, fails, one, rows, same_session, session_state};
use crate::task_support::{fill, follow, refused};
use postgres::Client;

const READINGS: &str =
    "CREATE TABLE readings (id bigint PRIMARY KEY, wh int, kwh numeric, n int NOT NULL DEFAULT 0);
    INSERT INTO readings SELECT g * 2, g FROM generate_series(1, 1000) g; ANALYZE readings";

fn progress(s: &mut Client, task: &str) -> String {
    let sql =
        format!("SELECT state, done, total, percent, eta FROM strata.task_progress('{task}')");
    rows(s, &sql)
}

#[test]
fn every_row_is_updated_once() {
    let db = database("fill_once");
    let mut s = db.session();
    exec(&mut s, READINGS);
    let call = "'b1', 'readings', 'kwh = wh / 1000.0, n = n + 1', 'kwh IS NULL', batch_size => 70";
    assert_eq!(fill(&mut s, call), "1000");
    assert_eq!(progress(&mut s, "b1"), "finished|1000||100.0|");
    assert_eq!(
        rows(&mut s, "SELECT min(n), max(n), count(kwh) FROM readings"),
        "1|1|1000"
    );
    // again: nothing, a notice and no error
    assert_eq!(fill(&mut s, call), "0");
    let psql = db.cluster.psql_with(
        "fill_once",
        &["-At"],
        &format!("CALL strata.task_backfill({call})"),
    );
    let notice = String::from_utf8_lossy(&psql.stderr).into_owned();
    assert!(
        notice.contains("task \"b1\" is done")
            && notice.contains("SELECT strata.task_clear('b1');"),
        "{notice}"
    );
    // the same name for something else
    exec(
        &mut s,
        "CREATE TABLE other (LIKE readings INCLUDING ALL); CREATE UNIQUE INDEX ON readings (wh, id); ALTER TABLE readings ALTER wh SET NOT NULL",
    );
    for (arguments, what) in [
        ("'readings', 'n = n + 2', 'kwh IS NULL'", "set_clause"),
        ("'readings', 'kwh = wh / 1000.0, n = n + 1'", "where_clause"),
        (
            "'other', 'kwh = wh / 1000.0, n = n + 1', 'kwh IS NULL'",
            "relation",
        ),
        (
            "'readings', 'kwh = wh / 1000.0, n = n + 1', 'kwh IS NULL', '{wh,id}'",
            "key_columns",
        ),
    ] {
        let sql = format!("CALL strata.task_backfill('b1', {arguments})");
        let word = format!("task \"b1\" was begun with another {what}");
        let hint = ["It is done.", "SELECT strata.task_clear('b1');"];
        refused(&mut s, &sql, "55000", &[&word], &hint);
    }
    // finish and clear let it run again
    exec(&mut s, "SELECT strata.task_finish('b1')");
    assert_eq!(one(&mut s, "SELECT strata.task_is_continuing('b1')"), "f");
    assert_eq!(fill(&mut s, "'b1', 'readings', 'n = n + 1'"), "1000");
    let error = fails(
        &mut s,
        "CALL strata.task_backfill('b1', 'readings', 'n = 0')",
        "55000",
        &[],
    );
    follow(&mut s, &error);
    assert_eq!(fill(&mut s, "'b1', 'readings', 'n = n + 1'"), "1000");
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM readings"), "3|3");
}

#[test]
fn a_call_ends_after_max_batches_and_the_next_goes_on() {
    let db = database("fill_batches");
    let mut s = db.session();
    exec(&mut s, READINGS);
    let call = "'b', 'readings', 'n = n + 1'";
    assert_eq!(
        fill(
            &mut s,
            &format!("{call}, batch_size => 100, max_batches => 3")
        ),
        "300"
    );
    assert_eq!(progress(&mut s, "b"), "stopped|300||30.0|");
    assert_eq!(one(&mut s, "SELECT strata.task_is_continuing('b')"), "t");
    let other = "CALL strata.task_backfill('b', 'readings', 'n = n + 2')";
    refused(
        &mut s,
        other,
        "55000",
        &["another set_clause"],
        &["A part of the rows is done."],
    );
    // rows that come behind and ahead, and rows that go
    exec(
        &mut s,
        "INSERT INTO readings (id, wh) VALUES (3, 1), (1999, 1), (2003, 1); DELETE FROM readings WHERE id IN (600, 602, 2000)",
    );
    assert_eq!(fill(&mut s, &format!("{call}, batch_size => 77")), "700");
    let came = "SELECT string_agg(id || '=' || n, ' ' ORDER BY id) FILTER (WHERE wh = 1 AND id > 2), max(n), count(*) FILTER (WHERE n = 1) FROM readings";
    assert_eq!(rows(&mut s, came), "3=0 1999=1 2003=1|1|999");
    // a total that was given is what percent is of
    exec(&mut s, "SELECT strata.task_begin('t', 4000)");
    assert_eq!(
        fill(
            &mut s,
            "'t', 'readings', 'n = 0', batch_size => 500, max_batches => 2"
        ),
        "1000"
    );
    assert_eq!(progress(&mut s, "t"), "stopped|1000|4000|25.0|");
}

#[test]
fn batches_of_every_size_take_all_rows_that_pass() {
    let db = database("fill_sizes");
    let mut s = db.session();
    exec(&mut s, READINGS);
    exec(&mut s, "CREATE TABLE empty (LIKE readings INCLUDING ALL)");
    for (n, size) in [1, 999, 1000, 1001, 2_147_483_647].iter().enumerate() {
        let call = format!("'size{size}', 'readings', 'n = n + 1', batch_size => {size}");
        assert_eq!(fill(&mut s, &call), "1000");
        let n = n + 1;
        assert_eq!(
            rows(&mut s, "SELECT min(n), max(n) FROM readings"),
            format!("{n}|{n}")
        );
    }
    assert_eq!(
        fill(
            &mut s,
            "'few', 'readings', 'n = -1', 'id % 200 = 2', batch_size => 10"
        ),
        "10"
    );
    assert_eq!(progress(&mut s, "few"), "finished|10||100.0|");
    assert_eq!(
        fill(
            &mut s,
            "'none', 'readings', 'n = 0', 'false', batch_size => 100"
        ),
        "0"
    );
    assert_eq!(
        fill(
            &mut s,
            "'null', 'readings', 'n = 0', 'NULL', batch_size => 100"
        ),
        "0"
    );
    assert_eq!(fill(&mut s, "'empty', 'empty', 'n = 0'"), "0");
    assert_eq!(progress(&mut s, "empty"), "finished|0||100.0|");
    // rows that the update moves out of the condition, and rows that it would move into it
    exec(&mut s, "UPDATE readings SET n = 0");
    assert_eq!(
        fill(
            &mut s,
            "'out', 'readings', 'n = n + 1', 'n = 0', batch_size => 30"
        ),
        "1000"
    );
    assert_eq!(
        fill(
            &mut s,
            "'in', 'readings', 'n = n + 1', 'n <> 7', batch_size => 30"
        ),
        "1000"
    );
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM readings"), "2|2");
    // an OR stays inside, comments end with their line, and the table has its own name
    assert_eq!(
        fill(
            &mut s,
            "'or', 'readings', 'n = n + 100', 'id = 2 OR id = 1000 OR id = 2000', batch_size => 50"
        ),
        "3"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(n::text, ',') FROM readings WHERE n > 2"
        ),
        "102,102,102"
    );
    assert_eq!(
        fill(
            &mut s,
            "'comments', 'readings', 'n = 5 -- five', 'id <= 20 /* low */ -- some', batch_size => 3"
        ),
        "10"
    );
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM readings WHERE n = 5"),
        "10"
    );
    let own = "'own', 'readings', 'n = (SELECT max(n) + 1 FROM readings r2 WHERE r2.id = readings.id)', 'readings.id IN (SELECT 2 UNION SELECT 4)'";
    assert_eq!(fill(&mut s, own), "2");
    assert_eq!(
        fill(
            &mut s,
            "'lists', 'readings', '(n, kwh) = (SELECT 8, 8.5), wh = DEFAULT', 'id = 2'"
        ),
        "1"
    );
    assert_eq!(
        rows(&mut s, "SELECT n, kwh, wh FROM readings WHERE id = 2"),
        "8|8.5|"
    );
}

#[test]
fn bad_arguments_are_refused_and_leave_nothing() {
    let db = database("fill_arguments");
    let mut s = db.session();
    exec(&mut s, READINGS);
    for (arguments, code, word) in [
        (
            "'a', 'readings', 'n = 0', batch_size => 0",
            "22023",
            "batch_size must be at least 1",
        ),
        (
            "'a', 'readings', 'n = 0', batch_size => -5",
            "22023",
            "batch_size must be at least 1",
        ),
        (
            "'a', 'readings', 'n = 0', max_batches => 0",
            "22023",
            "max_batches must be at least 1",
        ),
        (
            "'a', 'readings', 'n = 0', pause => '-1s'",
            "22023",
            "pause is out of range: -00:00:01",
        ),
        (
            "'a', 'readings', 'n = 0', lock_timeout => '-1s'",
            "22023",
            "lock_timeout is out of range: -00:00:01",
        ),
        (
            "'a', 'readings', 'n = 0', lock_timeout => '1 year'",
            "22023",
            "lock_timeout is out of range",
        ),
        (
            "'a', 'readings', NULL",
            "22004",
            "set_clause must not be null",
        ),
        (
            "'a', 'readings', 'n = 0', batch_size => NULL",
            "22004",
            "batch_size must not be null",
        ),
        (
            "'a', 'readings', 'n = 0', pause => NULL",
            "22004",
            "pause must not be null",
        ),
        ("'a', NULL, 'n = 0'", "22004", "relation must not be null"),
        (
            "NULL, 'readings', 'n = 0'",
            "22004",
            "name of a task must not be null",
        ),
        (
            "'', 'readings', 'n = 0'",
            "22023",
            "name of a task must not be empty",
        ),
        ("'a', 1::regclass, 'n = 0'", "42P01", "does not exist"),
        ("'a', 'readings', 'nope = 0'", "42703", "nope"),
        ("'a', 'readings', 'n = 0', 'nope = 0'", "42703", "nope"),
        ("'a', 'readings', 'n = $1'", "42P02", "no parameter $1"),
    ] {
        fails(
            &mut s,
            &format!("CALL strata.task_backfill({arguments})"),
            code,
            &[word],
        );
    }
    // a name that failed is free for the right clause
    assert_eq!(
        fill(&mut s, "'a', 'readings', 'n = 0', lock_timeout => NULL"),
        "1000"
    );
    assert_eq!(
        fill(&mut s, "'zero', 'readings', 'n = 0', lock_timeout => '0'"),
        "1000"
    );
    assert_eq!(
        fill(
            &mut s,
            "'tiny', 'readings', 'n = 0', lock_timeout => '1us', pause => '1us'"
        ),
        "1000"
    );
    // a row that fails stops it there, and keeps what is done
    exec(&mut s, "UPDATE readings SET n = 0");
    let call =
        "CALL strata.task_backfill('e', 'readings', 'n = n + 1 / (id - 500)', batch_size => 100)";
    fails(&mut s, call, "22012", &["division by zero"]);
    assert!(progress(&mut s, "e").starts_with("stopped|200|"));
    exec(&mut s, "UPDATE readings SET id = 499 WHERE id = 500");
    assert_eq!(one(&mut s, call), "800");
}

#[test]
fn it_says_where_it_cannot_run_and_leaves_the_session_as_it_was() {
    let db = database("fill_where");
    let mut s = db.session();
    exec(&mut s, READINGS);
    exec(
        &mut s,
        "CREATE FUNCTION in_function() RETURNS void LANGUAGE plpgsql AS $$ DECLARE r bigint; BEGIN CALL strata.task_backfill('x', 'readings', 'n = n + 1', rows_done => r); END $$;
         CREATE PROCEDURE in_procedure(INOUT r bigint) LANGUAGE plpgsql AS $$ BEGIN CALL strata.task_backfill('x', 'readings', 'n = n + 1', batch_size => 300, rows_done => r); END $$;
         CREATE PROCEDURE caught(INOUT r bigint) LANGUAGE plpgsql AS $$ BEGIN CALL in_procedure(r); EXCEPTION WHEN division_by_zero THEN NULL; END $$",
    );
    let call = "CALL strata.task_backfill('x', 'readings', 'n = n + 1')";
    let here = ["strata.task_backfill() cannot run inside a transaction block"];
    let told = [
        "It commits after each batch.",
        "CALL it on its own with autocommit",
    ];
    exec(&mut s, "BEGIN");
    refused(&mut s, call, "25001", &here, &told);
    exec(&mut s, "ROLLBACK");
    for sql in [
        &format!("SELECT 1; {call}"),
        "SELECT in_function()",
        "CALL caught(0)",
    ] {
        refused(&mut s, sql, "25001", &here, &told);
    }
    exec(
        &mut s,
        "SET default_transaction_isolation = 'repeatable read'",
    );
    let error = fails(&mut s, call, "25001", &["isolation level REPEATABLE READ"]);
    follow(&mut s, &error);
    exec(&mut s, "SET default_transaction_read_only = on");
    fails(&mut s, call, "25006", &["read-only"]);
    exec(&mut s, "SET default_transaction_read_only = off");
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.task"), "0");
    exec(
        &mut s,
        "SET lock_timeout = '7s'; SET datestyle = 'SQL, DMY'; SET enable_seqscan = off",
    );
    let before = session_state(&mut s);
    assert_eq!(one(&mut s, "CALL in_procedure(0)"), "1000");
    exec(&mut s, "SELECT strata.task_clear('x')");
    exec(
        &mut s,
        "DO $$ DECLARE r bigint; BEGIN CALL in_procedure(r); ASSERT r = 1000; END $$",
    );
    exec(&mut s, "SELECT strata.task_clear('x')");
    assert_eq!(one(&mut s, call), "1000");
    fails(
        &mut s,
        "CALL strata.task_backfill('y', 'readings', 'n = 1 / (id - 500)', batch_size => 7)",
        "22012",
        &[],
    );
    same_session(&mut s, &before);
    assert_eq!(one(&mut s, "SELECT max(n) FROM readings"), "3");
}
