//! `\i` and `\ir`: files of the set within others.

use crate::support::{database, exec, fails, one, register, rows, run, states};

const MAIN: &str =
    "CREATE TABLE main (x int);\n\\i shared/rows.sql\n\\ir shared/view.sql\nSELECT 1;\n";

#[test]
fn included_files_run_in_place_and_stay_as_they_ran() {
    let db = database("include");
    let mut s = db.session();
    let folder = db.cluster.sandbox().folder("include", 0o755);
    let write = |name: &str, body: &str| std::fs::write(folder.join(name), body).unwrap();
    std::fs::create_dir(folder.join("shared")).unwrap();
    write("1_main.up.sql", MAIN);
    write("1_main.down.sql", "\\i shared/drop.sql");
    write("shared/rows.sql", "COPY main FROM STDIN;\n1\n2\n");
    write(
        "shared/view.sql",
        "CREATE VIEW seen AS\n SELECT :word AS w, x FROM main",
    );
    write("shared/drop.sql", "DROP VIEW seen;\nDROP TABLE main");
    write("2_next.up.sql", "CREATE TABLE next ();");
    write("2_next.down.sql", "DROP TABLE next;");
    let load = format!(
        "SELECT version, change FROM strata.migrate_load_dir('{}') ORDER BY 1, 2",
        folder.display()
    );
    assert_eq!(rows(&mut s, &load), "1|added\n1|new\n2|added\n2|new");
    let plan = r#"SELECT line, command, note FROM strata.migrate_plan(target => '1', vars => '{"word": "3"}')"#;
    assert_eq!(
        rows(&mut s, plan),
        "1|CREATE TABLE|\n2|COPY|from \"shared/rows.sql\", line 1\n3|CREATE VIEW|from \"shared/view.sql\", line 1\n4|SELECT|"
    );
    // an error within has the place there
    let wrong = r#"SELECT strata.migrate_up(vars => '{"word": "nothing"}')"#;
    let error = fails(&mut s, wrong, "42703", &["nothing"]);
    assert_eq!(
        error.where_(),
        Some(
            "migration 1_main.up.sql, statement 3, line 2, column 9 of \"shared/view.sql\": CREATE VIEW"
        )
    );
    write("shared/rows.sql", "COPY main FROM STDIN;\n1\ntwo\n");
    rows(&mut s, &load);
    let right = r#"migrate_up(vars => '{"word": "3"}')"#;
    let error = fails(&mut s, &format!("SELECT strata.{right}"), "22P02", &["two"]);
    let place = error.where_().unwrap();
    assert!(
        place.ends_with("statement 2, line 3 of \"shared/rows.sql\": COPY"),
        "{place}"
    );
    write("shared/rows.sql", "COPY main FROM STDIN;\n1\n2\n");
    rows(&mut s, &load);
    assert_eq!(run(&mut s, right), "1 applied, 2 applied");
    assert_eq!(rows(&mut s, "SELECT * FROM seen ORDER BY x"), "3|1\n3|2");
    assert_eq!(
        rows(&mut s, &load),
        "1|unchanged\n1|unchanged\n2|unchanged\n2|unchanged"
    );
    // what is included is part of the text
    write(
        "shared/rows.sql",
        "-- the same\nCOPY main FROM STDIN;\n1\n2\n",
    );
    assert_eq!(
        rows(&mut s, &load),
        "1|cosmetic\n1|unchanged\n2|unchanged\n2|unchanged"
    );
    write("shared/drop.sql", "DROP TABLE main");
    write("shared/rows.sql", "COPY main FROM STDIN;\n1\n3\n");
    assert_eq!(
        rows(&mut s, &load),
        "1|changed\n1|changed\n2|unchanged\n2|unchanged"
    );
    assert_eq!(states(&mut s), "1 modified, 2 applied");
    // the down is the one of its time, and needs no file
    std::fs::remove_dir_all(&folder).unwrap();
    let down = "migrate_down(steps => 2)";
    assert_eq!(run(&mut s, down), "2 reverted, 1 reverted");
    assert_eq!(
        one(
            &mut s,
            "SELECT to_regclass('main') IS NULL AND to_regclass('seen') IS NULL"
        ),
        "t"
    );
}

#[test]
fn a_run_that_stopped_within_an_included_file_goes_on_there() {
    let db = database("include_goes_on");
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE done (x int)");
    let set = |s: &mut postgres::Client, included: &str| {
        let files = serde_json::json!({"1_a.up.sql": "INSERT INTO done VALUES (1);\n\\i part.sql\nINSERT INTO done VALUES (4);", "part.sql": included});
        let sql = "SELECT strata.migrate_register_all($1::text::jsonb)";
        s.execute(sql, &[&files.to_string()]).unwrap();
    };
    set(
        &mut s,
        "INSERT INTO done VALUES (2);\nCOMMIT;\nINSERT INTO done SELECT 1 / 0;",
    );
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    let place = error.where_().unwrap();
    assert!(place.contains("line 3 of \"part.sql\""), "{place}");
    assert_eq!(states(&mut s), "1 failed");
    // what has run must be as it was
    set(
        &mut s,
        "INSERT INTO done VALUES (7);\nCOMMIT;\nINSERT INTO done VALUES (3);",
    );
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "55000",
        &["1_a.up.sql"],
    );
    set(
        &mut s,
        "INSERT INTO done VALUES (2);\nCOMMIT;\nINSERT INTO done VALUES (3);",
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(x::text, ' ' ORDER BY x) FROM done"
        ),
        "1 2 3 4"
    );
}

#[test]
fn what_cannot_be_included_is_refused_with_file_and_line() {
    let db = database("include_refused");
    let mut s = db.session();
    register(
        &mut s,
        &[("1_a.up.sql", "SELECT 1"), ("V2__b.sql", "SELECT 2;")],
    );
    let set = |files: &str| format!("SELECT strata.migrate_register_all($f${files}$f$)");
    for (files, code, words) in [
        (
            r#"{"3_c.up.sql": "SELECT 1;\n\\i none.sql"}"#,
            "42704",
            &["3_c.up.sql: line 2", "none.sql"][..],
        ),
        (
            r#"{"3_c.up.sql": "\\i /etc/passwd"}"#,
            "42704",
            &["3_c.up.sql: line 1", "etc/passwd"],
        ),
        (
            r#"{"3_c.up.sql": "\\ir ../../etc/passwd"}"#,
            "42704",
            &["3_c.up.sql: line 1"],
        ),
        (
            r#"{"3_c.up.sql": "\\i `id`"}"#,
            "0A000",
            &["3_c.up.sql: line 1", "backquotes"],
        ),
        (
            r#"{"3_c.up.sql": "\\i x.sql", "x.sql": "\\i y.sql", "y.sql": "\n\\i x.sql"}"#,
            "42P17",
            &["3_c.up.sql", "\"x.sql\", \"y.sql\", \"x.sql\""],
        ),
        (
            r#"{"3_c.up.sql": "\\i 3_c.up.sql"}"#,
            "42P17",
            &["3_c.up.sql"],
        ),
        (
            r#"{"3_c.up.sql": "\\i x.sql\nSELECT 'y'", "x.sql": "SELECT 'x"}"#,
            "42601",
            &["3_c.up.sql: line 1", "x.sql"],
        ),
        (
            r#"{"3_c.up.sql": "SELECT 1", "x.sql": "SELECT 1"}"#,
            "22023",
            &["x.sql"],
        ),
    ] {
        fails(&mut s, &set(files), code, words);
    }
    assert_eq!(states(&mut s), "1 pending, 2 pending");
    // what is registered already can be included
    register(&mut s, &[("3_c.up.sql", "\\i V2__b.sql\n\\i 1_a.up.sql")]);
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(sql, ' ') FROM strata.migrate_plan() WHERE version = '3'"
        ),
        "SELECT 2 SELECT 1"
    );
    assert_eq!(
        run(&mut s, "migrate_up()"),
        "1 applied, 2 applied, 3 applied"
    );
    // within a dump that restricts itself nothing is
    register(
        &mut s,
        &[(
            "4_d.up.sql",
            "\\restrict abc\n\\i 1_a.up.sql\n\\unrestrict abc",
        )],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "0A000",
        &["4_d.up.sql", "\\i is not allowed after \\restrict"],
    );
}

/// A chain of files without end: an error, and a server that goes on.
#[test]
fn a_long_chain_of_files_is_refused() {
    let db = database("include_chain");
    db.run("CREATE ROLE chains LOGIN; GRANT CREATE ON DATABASE include_chain TO chains");
    let mut s = db.session_as("chains");
    let chain = |length: i32| {
        format!(
            "SELECT count(*) FROM (SELECT jsonb_object_agg('a' || g, CASE WHEN g < {length} THEN '\\i a' || (g + 1) ELSE 'SELECT 1;' END)
               || jsonb_build_object('000001_x.up.sql', '\\i a1') j FROM generate_series(1, {length}) g) s, strata.migrate_register_all(s.j)"
        )
    };
    fails(
        &mut s,
        &chain(2_500),
        "54000",
        &["000001_x.up.sql", "more than 32 deep"],
    );
    assert_eq!(one(&mut s, &chain(31)), "1");
    exec(&mut s, "SET statement_timeout = '20 s'");
    // as many includes as there are ways through it
    let wide = "SELECT count(*) FROM (SELECT jsonb_object_agg('b' || g, CASE WHEN g < 12 THEN format(E'\\\\i b%s\\n\\\\i b%s', g + 1, g + 1) ELSE 'SELECT 1;' END)
        || jsonb_build_object('000002_x.up.sql', '\\i b1') j FROM generate_series(1, 12) g) s, strata.migrate_register_all(s.j)";
    assert_eq!(one(&mut s, wide), "1");
    assert_eq!(
        one(
            &mut s,
            "SELECT statements FROM strata.migrate_pending() WHERE version = '2'"
        ),
        "2048"
    );
}
