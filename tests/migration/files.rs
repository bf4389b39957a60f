//! Registering: names, changes of texts, sections, headers, directories.

use crate::support::{database, exec, fails, one, register, rows, run, states};

#[test]
fn names_are_read_as_their_tools_do() {
    let db = database("names");
    let mut s = db.session();
    let mut read = |name: &str| {
        let sql = "SELECT version, name, kind, direction, style FROM strata.migrate_parse_name($1)";
        let row = s.query_opt(sql, &[&name]).unwrap();
        row.map_or("none".to_string(), |r| {
            let version: Option<String> = r.get(0);
            let rest: Vec<String> = (1..5).map(|n| r.get(n)).collect();
            format!("{} {}", version.unwrap_or_default(), rest.join(" "))
        })
    };
    assert_eq!(
        read("1_foobar.up.sql"),
        "1 foobar versioned up golang-migrate"
    );
    assert_eq!(
        read("1_f-o_ob+ar.up.sql"),
        "1 f-o_ob+ar versioned up golang-migrate"
    );
    assert_eq!(
        read("20170412214116_x.down.sql"),
        "20170412214116 x versioned down golang-migrate"
    );
    assert_eq!(read("V1.2__t.sql"), "1.2 t versioned up flyway");
    assert_eq!(read("R__views.sql"), " views repeatable up flyway");
    for name in ["-1_x.up.sql", "foobar.up.sql", "1.up.sql", "1_foobar.up"] {
        assert_eq!(read(name), "none");
    }
    fails(
        &mut s,
        "SELECT strata.migrate_parse_name('1_x.sql', 'x')",
        "22023",
        &["x"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_register('x.sql', '')",
        "22023",
        &["x.sql"],
    );
}

#[test]
fn only_real_changes_of_applied_files_stop_a_run() {
    let db = database("changed");
    let mut s = db.session();
    let body = "CREATE TABLE a (x text DEFAULT 'One');\nINSERT INTO a VALUES ('two');\n";
    register(&mut s, &[("1_a.up.sql", body)]);
    run(&mut s, "migrate_up()");
    for same in [body.trim_end(), &format!("{body}\n\r\n")] {
        assert_eq!(register(&mut s, &[("1_a.up.sql", same)]), "unchanged");
        assert_eq!(states(&mut s), "1 applied");
    }
    for ends in [body.replace('\n', "\r\n"), format!("\u{feff}{body}")] {
        assert_eq!(register(&mut s, &[("1_a.up.sql", &ends)]), "cosmetic");
        assert_eq!(states(&mut s), "1 cosmetic");
        assert_eq!(run(&mut s, "migrate_up()"), "");
    }
    let cosmetic = "-- a comment\ncreate   table a (x TEXT default 'One');\n\n  INSERT INTO a VALUES ('two')\n;";
    assert_eq!(register(&mut s, &[("1_a.up.sql", cosmetic)]), "cosmetic");
    assert_eq!(states(&mut s), "1 cosmetic");
    assert_eq!(run(&mut s, "migrate_up()"), "");
    for real in [body.replace("One", "one"), body.replace("two", "2")] {
        assert_eq!(register(&mut s, &[("1_a.up.sql", &real)]), "changed");
        assert_eq!(states(&mut s), "1 modified");
        let error = fails(&mut s, "SELECT strata.migrate_up()", "55000", &["1"]);
        assert!(
            error.hint().is_some_and(|h| h.contains("migrate_repair")),
            "{error:?}"
        );
    }
    assert_eq!(
        one(&mut s, "SELECT problem FROM strata.migrate_validate()"),
        "modified"
    );
    let applied = "SELECT strata.migrate_source('1') LIKE '%''two''%', strata.migrate_source('1', as_applied => false) LIKE '%''2''%'";
    assert_eq!(rows(&mut s, applied), "t|t");
    assert_eq!(
        rows(
            &mut s,
            "SELECT * FROM strata.migrate_repair(reason => 'reviewed')"
        ),
        "1|text accepted"
    );
    assert_eq!(states(&mut s), "1 applied");
    assert_eq!(run(&mut s, "migrate_up()"), "");
}

/// Line ends within strings and rows are what is stored: whoever corrects them, or registers the same in another
/// namespace, gets his own text.
#[test]
fn the_text_that_runs_is_the_one_that_was_registered() {
    let db = database("own_text");
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE cp (x text)");
    let mixed = "COPY cp FROM STDIN;\na\nb\r\nc\n\\.\n";
    register(&mut s, &[("1_a.up.sql", mixed)]);
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "22P04",
        &["carriage return"],
    );
    let right = mixed.replace('\r', "");
    assert_eq!(register(&mut s, &[("1_a.up.sql", &right)]), "cosmetic");
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(one(&mut s, "SELECT string_agg(x, ',') FROM cp"), "a,b,c");
    let insert = "TRUNCATE cp; INSERT INTO cp VALUES ('x\ny');";
    register(&mut s, &[("2_a.up.sql", &insert.replace('\n', "\r\n"))]);
    exec(
        &mut s,
        &format!(
            "SELECT strata.migrate_register('2_a.up.sql', $f${insert}$f$, namespace => 'other'); SELECT strata.migrate_up(namespace => 'other')"
        ),
    );
    assert_eq!(one(&mut s, "SELECT x = E'x\\ny' FROM cp"), "t");
    assert_eq!(
        rows(
            &mut s,
            "SELECT strata.migrate_source('2', namespace => 'other')"
        ),
        insert
    );
}

#[test]
fn a_down_uses_the_text_of_its_time_also_when_the_file_is_gone() {
    let db = database("old_down");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ()"),
            ("1_a.down.sql", "DROP TABLE a"),
        ],
    );
    run(&mut s, "migrate_up()");
    register(&mut s, &[("1_a.down.sql", "SELECT 1 / 0")]);
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
    register(&mut s, &[("1_a.down.sql", "DROP TABLE a")]);
    run(&mut s, "migrate_up()");
    exec(
        &mut s,
        "SELECT strata.migrate_register_all('{}', prune => true)",
    );
    assert_eq!(states(&mut s), "1 missing_file");
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NULL"), "t");
}

#[test]
fn two_files_of_one_version_are_refused_and_nothing_is_registered() {
    let db = database("twice");
    let mut s = db.session();
    let set = r#"SELECT strata.migrate_register_all('{"1_a.up.sql": "SELECT 1", "01_b.up.sql": "SELECT 2", "2_c.up.sql": "SELECT 3"}')"#;
    fails(&mut s, set, "42710", &["1_a.up.sql", "01_b.up.sql"]);
    let namespaces = "SELECT count(*) FROM strata.migrate_namespaces()";
    assert_eq!(one(&mut s, namespaces), "0");
    register(&mut s, &[("1_a.up.sql", "SELECT 1")]);
    let error = fails(
        &mut s,
        "SELECT strata.migrate_register('001_b.up.sql', 'SELECT 2')",
        "42710",
        &["1_a.up.sql", "001_b.up.sql"],
    );
    assert!(
        error
            .hint()
            .is_some_and(|h| h.contains("migrate_unregister")),
        "{error:?}"
    );
    assert_eq!(one(&mut s, "SELECT strata.migrate_unregister('1')"), "t");
    assert_eq!(one(&mut s, "SELECT strata.migrate_unregister('1')"), "f");
    assert_eq!(register(&mut s, &[("001_b.up.sql", "SELECT 2")]), "new");
    run(&mut s, "migrate_up()");
    fails(
        &mut s,
        "SELECT strata.migrate_unregister('1')",
        "55000",
        &["applied"],
    );
}

#[test]
fn sections_and_headers_of_a_file_are_followed() {
    let db = database("sections");
    let mut s = db.session();
    exec(&mut s, "CREATE SCHEMA app");
    let goose = "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN\n-- +goose Down\nRETURN 1; END $$;\n-- +goose StatementEnd\n\n-- +goose Down\nDROP FUNCTION f();\n";
    register(
        &mut s,
        &[
            ("1_goose.sql", goose),
            (
                "2_path.up.sql",
                "-- strata: search_path=app\nCREATE TABLE inside ();",
            ),
            ("3_plain.up.sql", "CREATE TABLE outside ();"),
        ],
    );
    assert_eq!(
        run(&mut s, "migrate_up()"),
        "1 applied, 2 applied, 3 applied"
    );
    let tables = "SELECT string_agg(oid::regclass::text, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('inside', 'outside')";
    assert_eq!(one(&mut s, tables), "app.inside outside");
    exec(&mut s, "SELECT strata.migrate_force('1', 'sections only')");
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
    assert_eq!(one(&mut s, "SELECT to_regproc('f') IS NULL"), "t");
    for (body, word) in [
        ("-- strata: lock_timeut=1s\nSELECT 1", "lock_timeut"),
        ("-- +goose Down\nSELECT 1", "Down"),
        ("SELECT {{ .Name }}", "line 1"),
    ] {
        let sql = "SELECT strata.migrate_register('9_x.sql', $1)";
        let error = s.execute(sql, &[&body]).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert!(error.message().contains(word), "{error:?}");
        assert!(error.message().contains("9_x.sql"), "{error:?}");
    }
}

#[test]
fn repeatables_run_when_their_text_changes() {
    let db = database("repeat");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("V1__a.sql", "CREATE TABLE a (x int)"),
            (
                "R__b_view.sql",
                "CREATE OR REPLACE VIEW v AS SELECT x FROM a",
            ),
        ],
    );
    let ran = "SELECT string_agg(coalesce(version, name), ' ') FROM strata.migrate_up()";
    assert_eq!(one(&mut s, ran), "1 b_view");
    assert_eq!(run(&mut s, "migrate_up()"), "");
    register(
        &mut s,
        &[(
            "R__b_view.sql",
            "CREATE OR REPLACE VIEW v AS SELECT x FROM a WHERE x > 0",
        )],
    );
    assert_eq!(states(&mut s), "1 applied, b_view repeatable_pending");
    assert_eq!(one(&mut s, ran), "b_view");
}

#[test]
fn a_directory_of_the_server_is_loaded() {
    let db = database("directory");
    let mut s = db.session();
    let folder = db.cluster.sandbox().folder("migrations", 0o755);
    let write = |name: &str, body: &[u8]| std::fs::write(folder.join(name), body).unwrap();
    write("1_a.up.sql", b"CREATE TABLE a ()");
    write("1_a.down.sql", b"DROP TABLE a");
    write("readme.sql", b"not one");
    write("notes.txt", b"not even sql");
    std::fs::create_dir(folder.join("2024-01-02-030405_diesel")).unwrap();
    write("2024-01-02-030405_diesel/up.sql", b"CREATE TABLE d ()");
    let load = format!(
        "SELECT version, change FROM strata.migrate_load_dir('{}') ORDER BY 1, 2",
        folder.display()
    );
    assert_eq!(rows(&mut s, &load), "1|added\n1|new\n20240102030405|new");
    std::fs::remove_dir_all(folder.join("2024-01-02-030405_diesel")).unwrap();
    let load = format!(
        "SELECT version, change FROM strata.migrate_load_dir('{}', prune => true)",
        folder.display()
    );
    assert_eq!(rows(&mut s, &load), "1|unchanged\n1|unchanged");
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    write("3_bad.up.sql", b"SELECT '\xff'");
    fails(&mut s, &load, "22021", &["3_bad.up.sql", "8"]);
    fails(
        &mut s,
        "SELECT strata.migrate_load_dir('relative')",
        "22023",
        &["absolute"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_load_dir('/nowhere/at/all')",
        "58P01",
        &["/nowhere/at/all"],
    );
    exec(
        &mut s,
        "CREATE ROLE nobody_reads; GRANT CREATE ON DATABASE directory TO nobody_reads; SET ROLE nobody_reads",
    );
    fails(&mut s, &load, "42501", &["read"]);
}
