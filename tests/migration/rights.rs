//! Who may register, run and read; what a dump keeps.

use crate::common::Cluster;
use crate::support::{Db, database, exec, fails, head, one, plain, register, rows, run, states};

#[test]
fn an_owner_without_superuser_migrates_own_objects_and_cannot_write_the_tables() {
    let db = database("owners");
    db.run(
        "CREATE ROLE app_owner LOGIN; CREATE ROLE app_member LOGIN IN ROLE app_owner; CREATE ROLE stranger LOGIN;
         CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
         GRANT CREATE ON DATABASE owners TO app_owner; CREATE SCHEMA app AUTHORIZATION app_owner",
    );
    let mut owner = db.session_as("app_owner");
    register(
        &mut owner,
        &[
            ("1_a.up.sql", "CREATE TABLE app.a ()"),
            ("1_a.down.sql", "DROP TABLE app.a"),
        ],
    );
    assert_eq!(run(&mut owner, "migrate_up()"), "1 applied");
    assert_eq!(
        one(
            &mut owner,
            "SELECT relowner::regrole FROM pg_class WHERE relname = 'a'"
        ),
        "app_owner"
    );
    for sql in [
        "SELECT * FROM strata.migrate_applied",
        "DELETE FROM strata.migrate_applied",
        "INSERT INTO strata.migrate_event (event) VALUES ('up')",
        "UPDATE strata.migrate_file SET present = false",
        "SELECT body FROM strata.migrate_body",
    ] {
        fails(&mut owner, sql, "42501", &["denied"]);
    }
    let mut member = db.session_as("app_member");
    assert_eq!(head(&mut member), "1");
    let mut stranger = db.session_as("stranger");
    for call in [
        "migrate_register('2_b.up.sql', 'SELECT 1')",
        "migrate_up()",
        "migrate_down()",
        "migrate_force(NULL, 'x')",
        "migrate_repair()",
        "migrate_status()",
        "migrate_history()",
        "migrate_source('1')",
        "migrate_unregister('1')",
        "migrate_drop_namespace('default', true)",
        "migrate_configure('default', search_path => 'x')",
        "migrate_register('1_b.up.sql', 'SELECT 1', namespace => 'new')",
    ] {
        fails(
            &mut stranger,
            &format!("SELECT strata.{call}"),
            "42501",
            &["permission denied"],
        );
    }
    let mut watcher = db.session_as("watcher");
    assert_eq!(states(&mut watcher), "1 applied");
    fails(
        &mut watcher,
        "SELECT strata.migrate_source('1')",
        "42501",
        &["denied"],
    );
    fails(
        &mut watcher,
        "SELECT strata.migrate_up()",
        "42501",
        &["denied"],
    );
}

#[test]
fn a_superuser_does_not_run_what_others_have_registered_unknowingly() {
    let db = database("unknowing");
    db.run("CREATE ROLE dev LOGIN; GRANT CREATE ON DATABASE unknowing TO dev; GRANT CREATE ON SCHEMA public TO dev");
    let mut dev = db.session_as("dev");
    register(
        &mut dev,
        &[("1_a.up.sql", "CREATE TABLE a (); SELECT current_user")],
    );
    let mut s = db.session();
    let error = fails(&mut s, "SELECT strata.migrate_up()", "42501", &["dev"]);
    assert!(
        error.hint().is_some_and(|h| h.contains("Connect as dev")),
        "{error:?}"
    );
    // a file may say RESET ROLE
    let set = "SET ROLE dev; SELECT strata.migrate_up()";
    fails(&mut s, set, "42501", &["dev"]);
    exec(&mut s, "RESET ROLE");
    fails(
        &mut dev,
        "SELECT strata.migrate_configure('default', role => 'postgres')",
        "42501",
        &["postgres"],
    );
    // the owner may name himself: that is no way to become more
    exec(
        &mut dev,
        "SELECT strata.migrate_configure('default', role => 'dev')",
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(
        one(
            &mut s,
            "SELECT relowner::regrole FROM pg_class WHERE relname = 'a'"
        ),
        "dev"
    );
    assert_eq!(one(&mut s, "SELECT current_user = session_user"), "t");
    for (n, way_out) in [
        "RESET ROLE",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "RESET SESSION AUTHORIZATION",
        "SELECT set_config('role', 'postgres', false)",
        "DO $$ BEGIN EXECUTE 'RESET ROLE'; END $$",
    ]
    .iter()
    .enumerate()
    {
        let file = format!("{}_out.up.sql", n + 2);
        register(
            &mut dev,
            &[(&file, &format!("{way_out}; CREATE ROLE more SUPERUSER"))],
        );
        for call in ["SELECT strata.migrate_up()", "CALL strata.migrate_deploy()"] {
            fails(&mut s, call, "42501", &[]);
        }
        assert_eq!(
            one(
                &mut s,
                "SELECT count(*) FROM pg_roles WHERE rolname = 'more'"
            ),
            "0"
        );
        exec(
            &mut dev,
            &format!("SELECT strata.migrate_unregister('{}')", n + 2),
        );
    }
    // nor what is left for the end of the transaction
    register(
        &mut dev,
        &[(
            "9_later.up.sql",
            "CREATE TABLE seen (who text);
             CREATE FUNCTION spy() RETURNS int LANGUAGE sql AS 'INSERT INTO seen VALUES (current_user); SELECT 1';
             CREATE FUNCTION spy_too() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (current_user); RETURN NULL; END';
             CREATE TABLE t (x int);
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spy_too();
             CREATE FUNCTION put() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1); SELECT 1';
             CREATE TABLE w AS SELECT 1 AS x;
             ALTER TABLE w ALTER COLUMN x TYPE int USING put();
             DECLARE c CURSOR WITH HOLD FOR SELECT spy();",
        )],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "9 applied");
    assert_eq!(
        one(
            &mut s,
            "SELECT coalesce(string_agg(DISTINCT who, ' '), '-') FROM seen"
        ),
        "dev"
    );
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM pg_cursors WHERE name = 'c'"),
        "0"
    );
    // nor at a commit within a file, nor what a trigger puts off once more
    for (n, text) in [
        (
            10,
            "INSERT INTO t VALUES (2); CREATE INDEX CONCURRENTLY ON t (x);",
        ),
        (
            11,
            "DECLARE d CURSOR WITH HOLD FOR SELECT spy(); COMMIT; ALTER TABLE w ALTER COLUMN x TYPE int USING put(); COMMIT; SELECT 1;",
        ),
    ] {
        register(&mut dev, &[(&format!("{n}_commits.up.sql"), text)]);
        exec(&mut s, "CALL strata.migrate_deploy()");
        let who = "SELECT coalesce(string_agg(DISTINCT who, ' '), '-') FROM seen";
        assert_eq!(one(&mut s, who), "dev", "{text}");
    }
    register(
        &mut dev,
        &[(
            "12_again.up.sql",
            "CREATE TABLE b (x int);
             CREATE CONSTRAINT TRIGGER spies AFTER INSERT ON b DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION spy_too();
             CREATE FUNCTION once_more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN SET CONSTRAINTS spies DEFERRED; INSERT INTO b VALUES (1); RETURN NULL; END';
             CREATE TABLE again (x int);
             CREATE CONSTRAINT TRIGGER first AFTER INSERT ON again DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION once_more();
             INSERT INTO again VALUES (1);",
        )],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "42501",
        &["deferred trigger"],
    );
    // of one's own it is no more than one may be oneself
    exec(&mut dev, "TRUNCATE seen");
    assert_eq!(run(&mut dev, "migrate_up()"), "12 applied");
    assert_eq!(
        one(&mut s, "SELECT string_agg(DISTINCT who, ' ') FROM seen"),
        "dev"
    );
    // whoever is no member of the role any more has no say in what runs as it
    exec(&mut s, "CREATE ROLE app; GRANT app TO dev");
    exec(
        &mut dev,
        "SELECT strata.migrate_configure('default', role => 'app')",
    );
    exec(&mut s, "REVOKE app FROM dev");
    fails(&mut s, "SELECT strata.migrate_up()", "42501", &["app"]);
}

#[test]
fn a_dump_keeps_files_state_and_history() {
    let db = database("dumped");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ()"),
            ("1_a.down.sql", "DROP TABLE a"),
            ("2_b.up.sql", "CREATE TABLE b ()"),
        ],
    );
    run(&mut s, "migrate_up(steps => 1)");
    let history = "SELECT id, at, event, version, run FROM strata.migrate_history()";
    let before = (states(&mut s), rows(&mut s, history));
    let other = Cluster::builder().start();
    plain().dump_into("dumped", &other, "restored");
    let restored = Db {
        cluster: &other,
        name: "restored",
    };
    let mut r = restored.session();
    assert_eq!((states(&mut r), rows(&mut r, history)), before);
    assert_eq!(run(&mut r, "migrate_up()"), "2 applied");
    assert_eq!(
        run(&mut r, "migrate_down(steps => 1, missing_down => 'skip')"),
        "2 reverted"
    );
    assert_eq!(run(&mut r, "migrate_down()"), "1 reverted");
    exec(&mut r, "CREATE TABLE a (); DROP EXTENSION pg_strata");
    assert_eq!(one(&mut r, "SELECT to_regclass('a') IS NOT NULL"), "t");
}
