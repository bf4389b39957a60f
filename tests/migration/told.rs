//! What errors and trials say: of which file, of which schema, and who stands in the way.

use crate::common::{exec, fails, one, rows};
use crate::support::{database, register, run};

#[test]
fn trials_run_behind_the_hook_that_runs_begin_with() {
    let db = database("told_hook");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "before_all.sql",
                "CREATE SCHEMA app; SET LOCAL work_mem = '5MB'",
            ),
            ("1_a.up.sql", "CREATE TABLE app.a (x int)"),
            ("1_a.down.sql", "DROP TABLE app.a"),
        ],
    );
    let down = "SELECT version, verdict, error FROM strata.migrate_verify_down()";
    assert_eq!(rows(&mut s, down), "1|ok|");
    let up = "SELECT version, verdict FROM strata.migrate_verify_up()";
    assert_eq!(rows(&mut s, up), "1|once");
    let generated = "SELECT sql, basis FROM strata.migrate_generate_down('1')";
    assert_eq!(rows(&mut s, generated), "DROP TABLE app.a|syntax");
    assert_eq!(one(&mut s, "SELECT to_regnamespace('app') IS NULL"), "t");
    // its error is that of the trial
    register(&mut s, &[("before_all.sql", "SELECT 1 / 0")]);
    for call in [
        "migrate_verify_down()",
        "migrate_verify_up()",
        "migrate_generate_down('1')",
    ] {
        let error = fails(
            &mut s,
            &format!("SELECT * FROM strata.{call}"),
            "22012",
            &[],
        );
        assert!(
            error
                .where_()
                .is_some_and(|w| w.contains("before_all.sql, statement 1")),
            "{call}: {error:?}"
        );
    }
}

#[test]
fn an_error_among_many_schemas_names_its_own() {
    let db = database("told_schema");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE b.t ()",
    );
    register(
        &mut s,
        &[
            ("1_t.up.sql", "SELECT 1"),
            ("2_t.up.sql", "CREATE TABLE t ()"),
        ],
    );
    let each = "SELECT * FROM strata.migrate_up_each('{a,b}')";
    let error = fails(&mut s, each, "42P07", &[]);
    assert_eq!(
        error.where_(),
        Some("migration 2_t.up.sql for schema \"b\", statement 1, line 1: CREATE TABLE")
    );
    assert_eq!(
        error.detail(),
        Some("Nothing was changed: what this call did for other schemas was rolled back as well.")
    );
    assert_eq!(one(&mut s, "SELECT to_regclass('a.t') IS NULL"), "t");
    let error = fails(
        &mut s,
        "SELECT strata.migrate_up(tenant => 'b')",
        "42P07",
        &[],
    );
    assert_eq!(
        error.detail(),
        Some("Nothing was changed: the earlier file of this call was rolled back as well.")
    );
}

#[test]
fn history_names_the_hook_that_has_failed() {
    let db = database("told_history");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ();\nCREATE TABLE b ();"),
            ("after_each.sql", "SELECT 1;\n\n  SELECT 1 / 0;"),
        ],
    );
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    let history = "SELECT version, e ->> 'file', e ->> 'statement', e ->> 'line', e ->> 'column' FROM strata.migrate_history(), to_jsonb(error) e WHERE event = 'fail'";
    assert_eq!(rows(&mut s, history), "1|after_each.sql|2|3|3");
}

#[test]
fn rows_that_a_dump_holds_twice_are_told() {
    let db = database("told_dump");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE TABLE a (x int PRIMARY KEY); INSERT INTO a VALUES (1)",
            ),
            (
                "2_client_data.up.sql",
                "--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\nCOPY public.a (x) FROM stdin;\n1\n\\.\n",
            ),
        ],
    );
    let error = fails(&mut s, "SELECT strata.migrate_up()", "23505", &[]);
    assert!(
        error
            .hint()
            .is_some_and(|h| h.contains("--inserts --on-conflict-do-nothing")),
        "{error:?}"
    );
    assert_eq!(run(&mut s, "migrate_up(target => '1')"), "1 applied");
    let error = fails(&mut s, "INSERT INTO a VALUES (1)", "23505", &[]);
    assert_eq!(error.hint(), None);
}

#[test]
fn whoever_is_at_work_already_is_named() {
    let db = database("told_busy");
    let (mut s, mut other) = (db.session(), db.session());
    register(&mut s, &[("1_a.up.sql", "SELECT 1")]);
    let pid = one(&mut other, "SELECT pg_backend_pid()");
    exec(&mut other, "BEGIN; SELECT strata.migrate_up()");
    for call in [
        "SELECT strata.migrate_up(wait => '100 ms')",
        "CALL strata.migrate_deploy(wait => '100 ms')",
    ] {
        let error = fails(&mut s, call, "55P03", &["another run of namespace"]);
        assert_eq!(
            error.detail(),
            Some(
                format!("It, or a change of its files, has not ended within 100 ms. The lock is held by process {pid}.")
                    .as_str()
            )
        );
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(&format!("WHERE pid IN ({pid})")), "{hint}");
    }
    exec(&mut other, "ROLLBACK");
}

#[test]
fn the_plan_shows_hooks_where_they_run() {
    let db = database("told_plan");
    let mut s = db.session();
    let files: Vec<(String, String)> = ["1_a.up.sql", "1_a.down.sql", "2_b.up.sql"]
        .into_iter()
        .chain([
            "before_all.sql",
            "before_each.sql",
            "after_each.sql",
            "after_all.sql",
        ])
        .map(|name| (name.to_owned(), format!("SELECT '{name}'")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(n, b)| (n.as_str(), b.as_str()))
        .collect();
    register(&mut s, &files);
    let plan = "SELECT step, version, filename, note FROM strata.migrate_plan()";
    assert_eq!(
        rows(&mut s, plan),
        "0||before_all.sql|hook\n1|1|before_each.sql|hook\n1|1|1_a.up.sql|\n1|1|after_each.sql|hook\n\
         2|2|before_each.sql|hook\n2|2|2_b.up.sql|\n2|2|after_each.sql|hook\n3||after_all.sql|hook"
    );
    exec(&mut s, "SELECT strata.migrate_up()");
    assert_eq!(rows(&mut s, plan), "");
}

#[test]
fn validate_tells_what_stands_in_the_way_of_runs() {
    let db = database("told_validate");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)",
    );
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE UNIQUE INDEX CONCURRENTLY i ON t (x)"),
            ("2_b.up.sql", "SELECT 1;\nROLLBACK;"),
        ],
    );
    let validate = "SELECT version, problem FROM strata.migrate_validate()";
    assert_eq!(rows(&mut s, validate), "2|refused");
    exec(
        &mut s,
        "SELECT strata.migrate_up(target => '1', nontransactional => 'defer')",
    );
    let failed = "SELECT count(*) FROM strata.migrate_deferred() WHERE state = 'failed'";
    for _ in 0..600 {
        if one(&mut s, failed) == "1" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(rows(&mut s, validate), "1|applied_with_errors\n2|refused");
    let detail = "SELECT detail FROM strata.migrate_validate() WHERE version = '1'";
    let detail = one(&mut s, detail);
    let told = "A statement that was put off has failed: 1_a.up.sql, line 1: could not create";
    assert!(detail.starts_with(told), "{detail}");
    exec(&mut s, "SELECT strata.migrate_repair('1')");
    assert_eq!(rows(&mut s, validate), "2|refused");
}

#[test]
fn a_dirty_table_of_golang_migrate_has_a_way_out() {
    let db = database("told_dirty");
    let mut s = db.session();
    register(
        &mut s,
        &[("1_a.up.sql", "SELECT 1"), ("2_b.up.sql", "SELECT 2")],
    );
    exec(
        &mut s,
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
         INSERT INTO schema_migrations VALUES (1, true)",
    );
    let mirror = "SELECT strata.migrate_mirror('golang-migrate')";
    let error = fails(&mut s, mirror, "55000", &["dirty database version 1"]);
    let way = "UPDATE public.schema_migrations SET dirty = false";
    assert!(error.hint().is_some_and(|h| h.contains(way)), "{error:?}");
    exec(&mut s, way);
    exec(&mut s, mirror);
    assert_eq!(one(&mut s, "SELECT strata.migrate_version()"), "1");
    let validate = "SELECT version, problem FROM strata.migrate_validate()";
    assert_eq!(rows(&mut s, validate), "");
    // behind that, the hint of a run is one that helps
    exec(
        &mut s,
        "UPDATE schema_migrations SET version = 2, dirty = true",
    );
    assert_eq!(rows(&mut s, validate), "2|mirror_dirty");
    let error = fails(&mut s, "SELECT strata.migrate_up()", "55000", &["dirty"]);
    exec(&mut s, error.hint().unwrap());
    assert_eq!(rows(&mut s, validate), "");
    // a schema has a table of its own
    exec(&mut s, "CREATE SCHEMA b");
    let up = "SELECT strata.migrate_up(tenant => 'b')";
    let error = fails(&mut s, up, "42P01", &["\"b.schema_migrations\""]);
    let hint = error.hint().unwrap_or_default();
    exec(&mut s, hint.split_once(": ").unwrap().1);
    exec(&mut s, up);
    assert_eq!(
        rows(&mut s, "SELECT version, dirty FROM b.schema_migrations"),
        "2|f"
    );
    exec(
        &mut s,
        "ALTER TABLE schema_migrations RENAME COLUMN dirty TO soiled",
    );
    assert_eq!(rows(&mut s, validate), "|mirror_unreadable");
    exec(&mut s, "DROP TABLE schema_migrations");
    assert_eq!(rows(&mut s, validate), "|mirror_missing");
}

#[test]
fn what_a_statement_by_itself_has_committed_is_told_to_stay() {
    let db = database("told_committed");
    let mut s = db.session();
    let body = "DO $$ BEGIN CREATE TABLE stays (); COMMIT; RAISE 'no'; END $$";
    register(&mut s, &[("1_a.up.sql", body)]);
    let error = fails(&mut s, "CALL strata.migrate_deploy()", "P0001", &["no"]);
    assert_eq!(
        error.detail(),
        Some(
            "The file was rolled back; files before it stay applied. What this statement has committed by itself stays as well."
        )
    );
    assert_eq!(one(&mut s, "SELECT to_regclass('stays') IS NOT NULL"), "t");
}
