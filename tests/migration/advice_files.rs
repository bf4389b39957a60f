//! What lint says of files: as one run, to whom, and what it leaves.

use crate::advice::{TABLES, rules};
use crate::support::{database, exec, fails, one, register, rows, same_session, session_state};

#[test]
fn pending_files_are_looked_at_as_one_run() {
    let db = database("lint_files");
    db.run(TABLES);
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "01_make.up.sql",
                "CREATE SCHEMA app;\nCREATE TABLE app.t (id bigint PRIMARY KEY, n int);",
            ),
            ("01_make.down.sql", "DROP SCHEMA app CASCADE"),
            (
                "02_more.up.sql",
                "-- strata: search_path=app\nCREATE INDEX t_n ON t (n);\nALTER TABLE t ALTER COLUMN n SET NOT NULL",
            ),
            ("02_more.down.sql", "-- nothing yet"),
            (
                "03_big.up.sql",
                "BEGIN;\nALTER TABLE big ALTER COLUMN t SET NOT NULL;\nEND;",
            ),
            ("04_no_down.up.sql", "SELECT 1"),
            ("05_down.up.sql", "CREATE TABLE w ()"),
        ],
    );
    for (name, body) in [
        ("05_down.down.sql", "DROP TABEL w"),
        ("06_up.up.sql", "CREATE TABLE u ();\n\nCREATE TABEL v ()"),
        ("06_up.down.sql", "DROP TABLE u"),
        (
            "R__seen.sql",
            "CREATE OR REPLACE VIEW app_seen AS SELECT * FROM app.t",
        ),
    ] {
        exec(
            &mut s,
            &format!("SELECT strata.migrate_register('{name}', '{body}')"),
        );
    }
    let all = "SELECT version, filename, line, rule, severity FROM strata.migrate_lint()";
    let expected = "2|02_more.up.sql||empty_down|warning\n\
                    3|03_big.up.sql|2|not_null_scan|warning\n\
                    3|03_big.up.sql||missing_down|warning\n\
                    4|04_no_down.up.sql||missing_down|warning\n\
                    5|05_down.up.sql||down_not_parsed|error\n\
                    6|06_up.up.sql|3|not_parsed|error";
    assert_eq!(rows(&mut s, all), expected);
    // one of them, with what runs before it
    let one_version = "SELECT rule FROM strata.migrate_lint('2')";
    assert_eq!(rows(&mut s, one_version), "empty_down");
    let severe = "SELECT rule FROM strata.migrate_lint(min_severity => 'error')";
    assert_eq!(rows(&mut s, severe), "down_not_parsed\nnot_parsed");
    let way = "SELECT suggestion FROM strata.migrate_lint('4')";
    assert_eq!(
        one(&mut s, way),
        "SELECT sql FROM strata.migrate_generate_down('4') ORDER BY step"
    );
    // what is applied is pending no more, and can be asked for by its version
    exec(
        &mut s,
        "SELECT strata.migrate_unregister('6'), strata.migrate_unregister('5')",
    );
    exec(&mut s, "SELECT * FROM strata.migrate_up(target => '3')");
    let left = "SELECT version, rule FROM strata.migrate_lint()";
    assert_eq!(rows(&mut s, left), "4|missing_down");
    let applied = "SELECT rule FROM strata.migrate_lint('3')";
    assert_eq!(rows(&mut s, applied), "missing_down");
    // the namespace says what is small
    exec(
        &mut s,
        "SELECT strata.migrate_configure('default', settings => '{\"lint_pages\": 0}')",
    );
    rules(&mut s, "UPDATE small SET n = 1", &["update_all_rows"]);
    // nobody has registered anything there
    exec(
        &mut s,
        "SELECT strata.migrate_register('1_x.up.sql', 'CREATE TABLE x ()', namespace => 'its')",
    );
    let way = "SELECT suggestion FROM strata.migrate_lint(namespace => 'its')";
    assert_eq!(
        one(&mut s, way),
        "SELECT sql FROM strata.migrate_generate_down('1', namespace => 'its') ORDER BY step"
    );
}

#[test]
fn bad_arguments_rights_and_what_stays() {
    let db = database("lint_rights");
    db.run(TABLES);
    db.run(
        "CREATE ROLE lint_owner LOGIN; CREATE ROLE lint_stranger LOGIN; GRANT CREATE ON DATABASE lint_rights TO lint_owner;
         REVOKE ALL ON SCHEMA \"Größe\" FROM PUBLIC",
    );
    let mut owner = db.session_as("lint_owner");
    for (call, code, text) in [
        ("min_severity => 'worst'", "22023", "worst"),
        ("'1', 'SELECT 1'", "22023", "together"),
        ("'7'", "42704", "namespace"),
        ("namespace => 'nowhere'", "42704", "nowhere"),
        ("'x'", "22023", "version"),
        ("min_severity => NULL", "22004", "min_severity"),
        ("namespace => NULL", "22004", "namespace"),
        ("body => E'SELECT 1;\\n SELEC 2'", "42601", "SELEC"),
        ("body => 'SELECT 1 \\gexec'", "0A000", "psql"),
    ] {
        let sql = format!("SELECT * FROM strata.migrate_lint({call})");
        fails(&mut owner, &sql, code, &[text]);
    }
    let wrong = "SELECT * FROM strata.migrate_lint(body => E'SELECT 1;\\n SELEC 2')";
    let error = owner.query(wrong, &[]).unwrap_err();
    let place = error.as_db_error().and_then(|e| e.detail());
    assert_eq!(place, Some("At line 2, column 2."));
    register(
        &mut owner,
        &[("1_a.up.sql", "ALTER TABLE big ALTER COLUMN t SET NOT NULL")],
    );
    fails(
        &mut owner,
        "SELECT * FROM strata.migrate_lint('7')",
        "42704",
        &["7"],
    );
    // without any right on the table
    let found = "SELECT rule FROM strata.migrate_lint() WHERE statement IS NOT NULL";
    assert_eq!(rows(&mut owner, found), "not_null_scan");
    rules(
        &mut owner,
        "ALTER TABLE \"Größe\".\"Zähler\" ALTER COLUMN t SET NOT NULL",
        &["not_null_scan"],
    );
    let mut stranger = db.session_as("lint_stranger");
    for call in ["", "body => 'SELECT 1'", "'1'"] {
        let sql = format!("SELECT * FROM strata.migrate_lint({call})");
        fails(&mut stranger, &sql, "42501", &["default"]);
    }
    // nothing of it stays, also amid a transaction
    let before = session_state(&mut owner);
    exec(&mut owner, "BEGIN READ ONLY");
    assert_eq!(rows(&mut owner, found), "not_null_scan");
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
        WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace";
    assert_eq!(one(&mut owner, locks), "0");
    assert_eq!(
        one(
            &mut owner,
            "SELECT pg_current_xact_id_if_assigned() IS NULL"
        ),
        "t"
    );
    exec(&mut owner, "COMMIT");
    same_session(&mut owner, &before);
}

#[test]
fn no_function_of_a_user_runs() {
    let db = database("lint_hostile");
    db.run(
        "CREATE ROLE lint_evil LOGIN; GRANT CREATE ON DATABASE lint_hostile TO lint_evil;
         CREATE TABLE ran (who name)",
    );
    let mut evil = db.session_as("lint_evil");
    exec(
        &mut evil,
        "CREATE SCHEMA evil;
         CREATE FUNCTION evil.eq(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.eq);
         CREATE FUNCTION evil.format_type(oid, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
         CREATE FUNCTION evil.f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'caught'; END $$;
         CREATE TABLE evil.t (a int, b text)",
    );
    let mut s = db.session();
    exec(&mut s, "SET search_path = evil, pg_catalog, public");
    exec(
        &mut s,
        "SELECT strata.migrate_configure('default', settings => '{\"lint_pages\": 0}');
         INSERT INTO evil.t VALUES (1, 'x')",
    );
    rules(
        &mut s,
        "ALTER TABLE t ALTER COLUMN a TYPE bigint; CREATE INDEX ON t (b)",
        &["rewrite_type", "index_blocks_writes"],
    );
    rules(
        &mut s,
        "ALTER TABLE t ADD CONSTRAINT c CHECK (f(a) > 0); DROP SCHEMA evil CASCADE",
        &["check_scan", "drop_schema_cascade"],
    );
}
