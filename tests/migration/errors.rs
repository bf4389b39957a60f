//! Errors say file, statement, line and column, and keep all that they carry.

use crate::support::{database, exec, fails, register, run};

/// Registers a file and runs it, which must fail; the error.
fn failing(name: &str, body: &str) -> postgres::error::DbError {
    let db = database(name);
    let mut s = db.session();
    register(&mut s, &[("000017_site.up.sql", body)]);
    let error = s
        .simple_query("SELECT * FROM strata.migrate_up()")
        .unwrap_err();
    error.as_db_error().unwrap().clone()
}

#[track_caller]
fn says(error: &postgres::error::DbError, code: &str, context: &str) {
    assert_eq!(error.code().code(), code, "{error:?}");
    let last = error
        .where_()
        .unwrap_or_default()
        .lines()
        .last()
        .unwrap_or_default();
    assert_eq!(last, context, "{error:?}");
}

#[test]
fn a_position_counts_in_the_file_for_all_kinds_of_text() {
    let error = failing(
        "e_plain",
        "\u{feff}-- grüße\r\nCREATE TABLE t (x int);\r\n\r\nSELECT 'äöü',\tmissing FROM t;\r\n",
    );
    says(
        &error,
        "42703",
        "migration 000017_site.up.sql, statement 2, line 4, column 15: SELECT",
    );
    match error.position() {
        Some(postgres::error::ErrorPosition::Internal { position, query }) => {
            assert_eq!(
                (*position, query.as_str()),
                (15, "SELECT 'äöü',\tmissing FROM t")
            );
        }
        other => panic!("{other:?}"),
    }
    let error = failing(
        "e_dollar",
        "SELECT $$a;\n\nb$$;\nDO $x$ BEGIN\n  PERFORM 1;\n  PERFORM nothing();\nEND $x$;",
    );
    assert_eq!(error.code().code(), "42883", "{error:?}");
    let context = error.where_().unwrap();
    assert!(
        context.contains("PL/pgSQL function inline_code_block line 3 at PERFORM"),
        "{context}"
    );
    says(
        &error,
        "42883",
        "migration 000017_site.up.sql, statement 2, line 4: DO",
    );
    let error = failing(
        "e_syntax_late",
        "SELECT 1;\nSELECT 2;\n/* /* nested */ */ SELEC 3;",
    );
    // nothing runs of a text that does not parse
    assert_eq!(error.code().code(), "42601", "{error:?}");
    assert!(
        error.message().contains("000017") || error.message().contains("17"),
        "{error:?}"
    );
    let told = format!("{:?}", error);
    assert!(told.contains("line 3"), "{told}");
}

#[test]
fn an_error_within_rows_of_copy_names_their_line() {
    let error = failing(
        "e_copy",
        "CREATE TABLE t (x int, y text);\nCOPY t (x, y) FROM STDIN;\n1\ta\n2\tb\nthree\tc\n4\td\n\\.\nSELECT 1;\n",
    );
    assert!(
        error
            .where_()
            .unwrap()
            .contains("COPY t, line 3, column x: \"three\""),
        "{error:?}"
    );
    says(
        &error,
        "22P02",
        "migration 000017_site.up.sql, statement 2, line 5: COPY",
    );
}

#[test]
fn what_drivers_ask_for_stays() {
    let error = failing(
        "e_names",
        "CREATE TABLE t (x int CONSTRAINT positive CHECK (x > 0));\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (-1);",
    );
    assert_eq!(error.code().code(), "23514");
    assert_eq!(
        (error.schema(), error.table(), error.constraint()),
        (Some("public"), Some("t"), Some("positive"))
    );
    let detail = error.detail().unwrap();
    assert_eq!(detail, "Failing row contains (-1).\nNothing was changed.");
    let error = failing(
        "e_raise",
        "DO $$ BEGIN RAISE EXCEPTION 'mine' USING ERRCODE = 'AB123', HINT = 'my hint', DETAIL = 'my detail'; END $$",
    );
    assert_eq!(error.code().code(), "AB123");
    assert_eq!((error.message(), error.hint()), ("mine", Some("my hint")));
    assert_eq!(error.detail(), Some("my detail\nNothing was changed."));
}

#[test]
fn an_error_within_a_block_of_the_caller_can_be_caught_there() {
    let db = database("e_caught");
    let mut s = db.session();
    register(&mut s, &[("1_a.up.sql", "CREATE TABLE a (); SELECT 1 / 0")]);
    exec(
        &mut s,
        "CREATE FUNCTION try() RETURNS text LANGUAGE plpgsql AS $$
         DECLARE context text;
         BEGIN PERFORM strata.migrate_up(); RETURN 'done';
         EXCEPTION WHEN division_by_zero THEN GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT; RETURN context; END $$",
    );
    let context = crate::support::one(&mut s, "SELECT try()");
    assert!(
        context.starts_with("migration 1_a.up.sql, statement 2, line 1"),
        "{context}"
    );
    assert!(context.contains("PL/pgSQL function try()"), "{context}");
    assert_eq!(
        crate::support::one(&mut s, "SELECT to_regclass('a') IS NULL"),
        "t"
    );
}

#[test]
fn with_continue_errors_are_kept_and_the_rest_runs() {
    let db = database("e_continue");
    let mut s = db.session();
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1 / 0);\nINSERT INTO a VALUES (2);",
        )],
    );
    let sql = "SELECT outcome, statements, errors FROM strata.migrate_up(on_error => 'continue')";
    assert_eq!(crate::support::rows(&mut s, sql), "applied_with_errors|3|1");
    assert_eq!(crate::support::one(&mut s, "SELECT x FROM a"), "2");
    let error = "SELECT e->>'sqlstate', e->>'line', e->>'statement', e->>'file', e->>'message' \
        FROM strata.migrate_history() h, jsonb_array_elements(h.error) e";
    assert_eq!(
        crate::support::rows(&mut s, error),
        "22012|2|2|1_a.up.sql|division by zero"
    );
    assert_eq!(crate::support::states(&mut s), "1 applied_with_errors");
    let repaired = "SELECT version, change FROM strata.migrate_repair()";
    assert_eq!(crate::support::rows(&mut s, repaired), "1|errors accepted");
    assert_eq!(crate::support::states(&mut s), "1 applied");
}

#[test]
fn what_no_run_takes_stops_it_before_its_first_statement() {
    let db = database("e_refused");
    let mut s = db.session();
    for (n, (body, word)) in [
        ("CREATE TABLE a ();\n\\! id\n", "line 2"),
        ("CREATE TABLE a ();\n\\copy a FROM 'x'\n", "\\copy"),
        ("CREATE TABLE a ();\nROLLBACK;", "ROLLBACK"),
        ("CREATE TABLE a ();\nCOPY a TO STDOUT;", "STDOUT"),
        ("CREATE TABLE a ();\nPREPARE TRANSACTION 'x';", "prepared"),
        ("SELECT 1 \\gexec\n", "psql"),
    ]
    .into_iter()
    .enumerate()
    {
        let ns = format!("n{n}");
        let sql = "SELECT warning FROM strata.migrate_register('1_a.up.sql', $1, $2)";
        let warning: Option<String> = s.query_one(sql, &[&body, &ns]).unwrap().get(0);
        assert!(warning.is_some(), "{body}");
        let call = format!("SELECT strata.migrate_up(namespace => '{ns}')");
        fails(&mut s, &call, "0A000", &[word, "1_a.up.sql"]);
        assert_eq!(
            crate::support::one(&mut s, "SELECT to_regclass('a') IS NULL"),
            "t"
        );
    }
    register(
        &mut s,
        &[
            (
                "1_i.up.sql",
                "CREATE TABLE i (x int); INSERT INTO i VALUES (1);",
            ),
            (
                "2_i.up.sql",
                "SELECT 1;\nCREATE INDEX CONCURRENTLY i_x ON i (x);",
            ),
        ],
    );
    // it will be made and filled in this call: nobody waits for its lock
    assert_eq!(run(&mut s, "migrate_up(steps => 1)"), "1 applied");
    let error = fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "25001",
        &["2_i.up.sql", "line 2"],
    );
    assert!(
        error.hint().is_some_and(|h| h.contains("strip")),
        "{error:?}"
    );
    let strip = "SELECT outcome, note FROM strata.migrate_up(nontransactional => 'strip')";
    assert_eq!(
        crate::support::rows(&mut s, strip),
        "applied|line 2: ran without CONCURRENTLY"
    );
    assert_eq!(
        crate::support::one(
            &mut s,
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i_x'::regclass"
        ),
        "t"
    );
}
