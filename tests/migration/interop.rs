//! Other tools' tables: taken over, kept in step, and their locks.

use crate::support::{database, exec, fails, one, register, rows, run, states};
use std::time::Duration;

const TABLE: &str =
    "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)";
/// What golang-migrate writes, one transaction each.
fn golang(version: i64, dirty: bool) -> String {
    format!(
        "BEGIN; TRUNCATE schema_migrations; INSERT INTO schema_migrations VALUES ({version}, {dirty}); COMMIT"
    )
}
const ROW: &str = "SELECT coalesce((SELECT version || ' ' || dirty FROM schema_migrations), '-')";

fn five(s: &mut postgres::Client) {
    for n in 1..=5 {
        register(
            s,
            &[
                (
                    &format!("00000{n}_t{n}.up.sql"),
                    &format!("BEGIN; CREATE TABLE t{n} (); COMMIT;"),
                ),
                (
                    &format!("00000{n}_t{n}.down.sql"),
                    &format!("BEGIN; DROP TABLE t{n}; COMMIT;"),
                ),
            ],
        );
    }
}

#[test]
fn what_golang_migrate_has_applied_counts_and_its_table_stays() {
    let db = database("golang_adopt");
    let mut s = db.session();
    fails(
        &mut s,
        "SELECT strata.migrate_adopt()",
        "42704",
        &["no table"],
    );
    exec(&mut s, TABLE);
    exec(&mut s, &golang(3, false));
    exec(
        &mut s,
        "CREATE TABLE t1 (); CREATE TABLE t2 (); CREATE TABLE t3 ()",
    );
    five(&mut s);
    assert_eq!(
        rows(
            &mut s,
            "SELECT tool, relation, versions, head, dirty, note FROM strata.migrate_detect()"
        ),
        "golang-migrate|schema_migrations|1|3|f|"
    );
    let adopt = "SELECT version, name, state, checksum FROM strata.migrate_adopt(dry_run => %)";
    let expected = "1|t1|applied|none\n2|t2|applied|none\n3|t3|applied|none\n4|t4|pending|none\n5|t5|pending|none";
    assert_eq!(rows(&mut s, &adopt.replace('%', "true")), expected);
    assert_eq!(
        states(&mut s),
        "1 pending, 2 pending, 3 pending, 4 pending, 5 pending"
    );
    assert_eq!(rows(&mut s, &adopt.replace('%', "false")), expected);
    assert_eq!(run(&mut s, "migrate_up()"), "4 applied, 5 applied");
    assert_eq!(one(&mut s, ROW), "3 false");
    assert_eq!(
        run(&mut s, "migrate_down(all_versions => true)"),
        "5 reverted, 4 reverted, 3 reverted, 2 reverted, 1 reverted"
    );
    exec(&mut s, &golang(4, true));
    fails(
        &mut s,
        "SELECT strata.migrate_adopt()",
        "55000",
        &["dirty", "4"],
    );
    exec(
        &mut s,
        "CREATE SCHEMA other; CREATE TABLE other.schema_migrations (LIKE schema_migrations)",
    );
    let both = fails(
        &mut s,
        "SELECT strata.migrate_adopt()",
        "42710",
        &["several"],
    );
    assert!(
        both.detail()
            .is_some_and(|d| d.contains("other.schema_migrations"))
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT count(*) FROM strata.migrate_adopt('golang-migrate', 'other.schema_migrations')"
        ),
        "5"
    );
    fails(
        &mut s,
        "SELECT strata.migrate_adopt('goose', 'schema_migrations')",
        "22023",
        &["goose"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_adopt('hibernate')",
        "22023",
        &["hibernate"],
    );
}

#[test]
fn either_tool_may_be_used_next() {
    let db = database("golang_mirror");
    let mut s = db.session();
    five(&mut s);
    assert_eq!(
        run(&mut s, "migrate_up(target => '2')"),
        "1 applied, 2 applied"
    );
    exec(&mut s, "SELECT strata.migrate_mirror('golang-migrate')");
    assert_eq!(one(&mut s, ROW), "2 false");
    // projects alter it, and it stays theirs
    exec(
        &mut s,
        "ALTER TABLE schema_migrations ADD COLUMN note text DEFAULT 'ours'",
    );
    assert_eq!(run(&mut s, "migrate_up(steps => 1)"), "3 applied");
    assert_eq!(one(&mut s, ROW), "3 false");
    assert_eq!(
        run(&mut s, "migrate_down(all_versions => true)"),
        "3 reverted, 2 reverted, 1 reverted"
    );
    assert_eq!(one(&mut s, ROW), "-");
    // golang-migrate goes up to 4, and down to 2
    exec(
        &mut s,
        "CREATE TABLE t1 (); CREATE TABLE t2 (); CREATE TABLE t3 (); CREATE TABLE t4 ()",
    );
    exec(
        &mut s,
        "INSERT INTO schema_migrations (version, dirty) VALUES (4, false)",
    );
    assert_eq!(run(&mut s, "migrate_up()"), "5 applied");
    assert_eq!(one(&mut s, ROW), "5 false");
    let source = "SELECT string_agg(version || ' ' || source, ', ' ORDER BY sort_key) FROM strata.migrate_applied";
    assert_eq!(
        one(&mut s, source),
        "1 mirror, 2 mirror, 3 mirror, 4 mirror, 5 run"
    );
    exec(
        &mut s,
        "UPDATE schema_migrations SET version = 2; DROP TABLE t3, t4, t5",
    );
    assert_eq!(run(&mut s, "migrate_up(steps => 1)"), "3 applied");
    assert_eq!(one(&mut s, ROW), "3 false");
    let events = "SELECT count(*) FROM strata.migrate_history() WHERE event = 'mirror'";
    assert_eq!(one(&mut s, events), "7");
    // dirty: nothing goes on until somebody has said how things stand
    exec(
        &mut s,
        "UPDATE schema_migrations SET version = 4, dirty = true",
    );
    for call in [
        "SELECT strata.migrate_up()",
        "SELECT strata.migrate_down()",
        "CALL strata.migrate_deploy()",
    ] {
        let error = fails(&mut s, call, "55000", &["dirty database version 4"]);
        assert!(
            error
                .hint()
                .is_some_and(|h| h.contains("strata.migrate_force")),
            "{error:?}"
        );
    }
    exec(&mut s, "SELECT strata.migrate_force('3', 'looked at it')");
    assert_eq!(one(&mut s, ROW), "3 false");
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(one(&mut s, ROW), "5 false");
    exec(&mut s, "CALL strata.migrate_revert(steps => 2)");
    assert_eq!(one(&mut s, ROW), "3 false");
    fails(
        &mut s,
        "SELECT strata.migrate_up(out_of_order => 'ignore')",
        "22023",
        &["golang-migrate"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_mirror('dbmate')",
        "42710",
        &["golang-migrate"],
    );
    exec(&mut s, "SELECT strata.migrate_unmirror()");
    assert_eq!(run(&mut s, "migrate_up()"), "4 applied, 5 applied");
    assert_eq!(one(&mut s, ROW), "3 false", "not ours any more");
    fails(&mut s, "SELECT strata.migrate_unmirror()", "42704", &[]);
}

#[test]
fn a_rolled_back_run_leaves_the_other_tools_row_as_it_was() {
    let db = database("golang_undone");
    let mut s = db.session();
    five(&mut s);
    exec(
        &mut s,
        "SELECT strata.migrate_mirror('golang-migrate'); SELECT strata.migrate_up(target => '1')",
    );
    exec(&mut s, "BEGIN; SELECT strata.migrate_up(); ROLLBACK");
    assert_eq!(one(&mut s, ROW), "1 false");
    register(&mut s, &[("000003_t3.up.sql", "SELECT 1 / 0")]);
    fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    assert_eq!(one(&mut s, ROW), "1 false");
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    assert_eq!(
        one(&mut s, ROW),
        "2 false",
        "never dirty: nothing of 3 has stayed"
    );
}

/// The keys that the command line and the library take for this database.
#[test]
fn each_side_waits_for_the_other() {
    let db = database("elementaldb");
    let (mut s, mut other) = (db.session(), db.session());
    five(&mut s);
    exec(&mut s, "SELECT strata.migrate_mirror('golang-migrate')");
    for key in [2_603_454_567_i64, 818_991_859] {
        exec(&mut other, &format!("SELECT pg_advisory_lock({key})"));
        for call in [
            "SELECT strata.migrate_up(wait => '100 ms')",
            "CALL strata.migrate_deploy(wait => '100 ms')",
        ] {
            fails(&mut s, call, "55P03", &[]);
        }
        exec(&mut other, &format!("SELECT pg_advisory_unlock({key})"));
        exec(&mut s, "BEGIN; SELECT strata.migrate_up(steps => 1)");
        assert_eq!(
            one(&mut other, &format!("SELECT pg_try_advisory_lock({key})")),
            "f"
        );
        exec(&mut s, "ROLLBACK");
        assert_eq!(
            one(
                &mut other,
                &format!("SELECT pg_try_advisory_lock({key}), pg_advisory_unlock({key})")
            ),
            "t"
        );
    }
}

#[test]
fn while_a_statement_runs_alone_the_row_is_dirty_and_so_it_is_after_a_failure_half_way() {
    let db = database("golang_alone");
    let (mut s, mut watch, mut holder) = (db.session(), db.session(), db.session());
    exec(
        &mut s,
        "CREATE TABLE big (x int); INSERT INTO big VALUES (1), (1)",
    );
    five(&mut s);
    exec(
        &mut s,
        "SELECT strata.migrate_mirror('golang-migrate'); SELECT strata.migrate_up()",
    );
    register(
        &mut s,
        &[(
            "000006_i.up.sql",
            "CREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON big (x);",
        )],
    );
    exec(&mut holder, "BEGIN; INSERT INTO big VALUES (2)");
    std::thread::scope(|scope| {
        let deploy =
            scope.spawn(|| exec(&mut s, "CALL strata.migrate_deploy(lock_timeout => '0')"));
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while one(&mut watch, ROW) != "6 true" {
            assert!(std::time::Instant::now() < until, "never dirty");
            std::thread::sleep(Duration::from_millis(50));
        }
        exec(&mut holder, "COMMIT");
        deploy.join().expect("a deploy");
    });
    assert_eq!(one(&mut watch, ROW), "6 false");
    register(
        &mut watch,
        &[(
            "000007_u.up.sql",
            "CREATE TABLE b (); CREATE UNIQUE INDEX CONCURRENTLY u ON big (x); SELECT 1;",
        )],
    );
    fails(&mut watch, "CALL strata.migrate_deploy()", "23505", &[]);
    assert_eq!(one(&mut watch, ROW), "7 true");
    exec(&mut watch, "DELETE FROM big");
    exec(&mut watch, "CALL strata.migrate_deploy()");
    assert_eq!(one(&mut watch, ROW), "7 false");
}

#[test]
fn tables_of_other_tools_are_read_with_their_checksums() {
    for (name, make, tool, files, expected) in [
        (
            "adopt_sqlx",
            "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
             INSERT INTO _sqlx_migrations VALUES (1, 'one', now(), true, sha384('SELECT 1;\n'), 5), (2, 'two', now(), true, sha384('SELECT 2;\n'), 5)",
            "sqlx",
            [("1_one.sql", "SELECT 1;\n"), ("2_two.sql", "SELECT 22;\n"), ("3_three.sql", "SELECT 3;\n")],
            "1|one|applied|ok\n2|two|applied|differs\n3|three|pending|none",
        ),
        (
            "adopt_refinery",
            "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255));
             INSERT INTO refinery_schema_history VALUES (7, 'demo', '2024-05-01T12:00:00+00:00', '6558206920725659442')",
            "refinery",
            [("V7__demo.sql", "SELECT 1;\n"), ("V8__other.sql", "SELECT 1;\n"), ("V9__third.sql", "SELECT 1;\n")],
            "7|demo|applied|ok\n8|other|pending|none\n9|third|pending|none",
        ),
        (
            "adopt_flyway",
            "CREATE TABLE flyway_schema_history (installed_rank integer NOT NULL PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL, success boolean NOT NULL);
             INSERT INTO flyway_schema_history VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', -1665099012, 'x', now(), 1, true), (2, '2', 'b', 'SQL', 'V2__b.sql', 5, 'x', now(), 1, true)",
            "flyway",
            [("V1__a.sql", "SELECT 1;\nSELECT 2;\n"), ("V2__b.sql", "SELECT 2;"), ("V3__c.sql", "SELECT 3;")],
            "1|a|applied|ok\n2|b|applied|differs\n3|c|pending|none",
        ),
        (
            "adopt_dbmate",
            "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('001'), ('002')",
            "dbmate",
            [("001_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n"), ("002_b.sql", "-- migrate:up\nSELECT 1;\n"), ("003_c.sql", "-- migrate:up\nSELECT 1;\n")],
            "1|a|applied|none\n2|b|applied|none\n3|c|pending|none",
        ),
        (
            "adopt_goose",
            "CREATE TABLE goose_db_version (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now());
             INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false)",
            "goose",
            [("1_a.sql", "-- +goose Up\nSELECT 1;\n"), ("2_b.sql", "-- +goose Up\nSELECT 1;\n"), ("3_c.sql", "-- +goose Up\nSELECT 1;\n")],
            "1|a|applied|none\n2|b|pending|none\n3|c|pending|none",
        ),
        (
            "adopt_diesel",
            "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP); INSERT INTO __diesel_schema_migrations VALUES ('20240101120000')",
            "diesel",
            [("2024-01-01-120000_a/up.sql", "SELECT 1"), ("2024-01-02-120000_b/up.sql", "SELECT 1"), ("2024-01-03-120000_c/up.sql", "SELECT 1")],
            "20240101120000|a|applied|none\n20240102120000|b|pending|none\n20240103120000|c|pending|none",
        ),
    ] {
        let db = database(name);
        let mut s = db.session();
        exec(&mut s, make);
        let style = format!("SELECT strata.migrate_configure('default', style => '{tool}')");
        exec(&mut s, &style);
        register(&mut s, &files);
        let detected = rows(&mut s, "SELECT tool FROM strata.migrate_detect()");
        assert_eq!(detected, tool);
        let adopt = "SELECT version, name, state, checksum FROM strata.migrate_adopt()";
        assert_eq!(rows(&mut s, adopt), expected, "{name}");
        // kept in step, the tool finds what it would have written
        exec(&mut s, &format!("SELECT strata.migrate_mirror('{tool}')"));
        if expected.contains("differs") {
            continue;
        }
        let pending = expected.matches("pending").count();
        assert_eq!(run(&mut s, "migrate_up()").matches("applied").count(), pending, "{name}");
        let all = rows(&mut s, &format!("SELECT state FROM strata.migrate_adopt('{tool}')"));
        assert_eq!(all, "applied\napplied\napplied", "{name}");
        exec(&mut s, "SELECT strata.migrate_export('golang-migrate', 'public.exported')");
        assert_eq!(one(&mut s, "SELECT count(*) FROM exported WHERE NOT dirty"), "1", "{name}");
    }
}

/// A trigger on the table is its owner's code.
#[test]
fn a_mirror_is_written_as_whoever_the_files_run_as() {
    let db = database("mirror_rights");
    db.run("CREATE ROLE keeper LOGIN; GRANT CREATE ON DATABASE mirror_rights TO keeper; GRANT CREATE ON SCHEMA public TO keeper");
    let mut keeper = db.session_as("keeper");
    register(&mut keeper, &[("1_a.up.sql", "CREATE TABLE a ()")]);
    exec(
        &mut keeper,
        "SELECT strata.migrate_configure('default', role => 'keeper'); SELECT strata.migrate_mirror('golang-migrate');
         CREATE TABLE seen (who text);
         CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (current_user); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER spy AFTER INSERT OR UPDATE ON schema_migrations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spy()",
    );
    let mut s = db.session();
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(
        one(&mut s, "SELECT string_agg(who, ' ') FROM seen"),
        "keeper"
    );
}
