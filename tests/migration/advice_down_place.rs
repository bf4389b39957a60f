//! Ways back of versions where they stand, by whom they may be asked for, and what stays of it.

use crate::support::{database, exec, fails, one, register, rows, same_session, session_state};

#[test]
fn versions_are_seen_where_they_stand() {
    let db = database("down_place");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a (x int NOT NULL DEFAULT 4)"),
            ("1_a.down.sql", "DROP TABLE a"),
            ("2_b.up.sql", "ALTER TABLE a ALTER COLUMN x DROP DEFAULT"),
            ("3_c.up.sql", "ALTER TABLE a DROP COLUMN x"),
            ("4_d.up.sql", "SELECT nowhere()"),
        ],
    );
    let way = "SELECT sql, basis FROM strata.migrate_generate_down";
    assert_eq!(
        rows(&mut s, &format!("{way}('2')")),
        "ALTER TABLE a ALTER COLUMN x SET DEFAULT 4|catalog"
    );
    assert_eq!(
        rows(&mut s, &format!("{way}('3')")),
        "ALTER TABLE public.a ADD COLUMN x integer NOT NULL|data_loss"
    );
    // an up that fails is an error of its own
    fails(&mut s, &format!("{way}('4')"), "42883", &["nowhere"]);
    fails(&mut s, &format!("{way}('9')"), "42704", &["9"]);
    fails(&mut s, &format!("{way}('z')"), "22023", &["z"]);
    fails(&mut s, &format!("{way}(NULL)"), "22004", &["version"]);
    fails(
        &mut s,
        &format!("{way}('1', 'nowhere')"),
        "42704",
        &["nowhere"],
    );
    // one that is applied is taken back to be looked at
    exec(&mut s, "SELECT * FROM strata.migrate_up(target => '1')");
    assert_eq!(rows(&mut s, &format!("{way}('1')")), "DROP TABLE a|syntax");
    exec(&mut s, "SELECT * FROM strata.migrate_up(target => '2')");
    fails(&mut s, &format!("{way}('1')"), "55000", &["1"]);
    assert_eq!(one(&mut s, "SELECT count(*) FROM a"), "0");
    assert_eq!(one(&mut s, "SELECT strata.migrate_version()"), "2");
}

#[test]
fn rights_are_those_of_the_caller_and_nothing_stays() {
    let db = database("down_rights");
    db.run(
        "CREATE ROLE down_owner LOGIN; CREATE ROLE down_stranger LOGIN; CREATE ROLE down_other;
         GRANT CREATE ON DATABASE down_rights TO down_owner; CREATE SCHEMA app AUTHORIZATION down_owner;
         CREATE TABLE app.foreign_to_it (a int)",
    );
    let mut owner = db.session_as("down_owner");
    exec(
        &mut owner,
        "CREATE TABLE app.t (a int DEFAULT 1); GRANT SELECT (a) ON app.t TO down_other",
    );
    register(
        &mut owner,
        &[
            (
                "1_x.up.sql",
                "SET search_path = app; ALTER TABLE t ALTER COLUMN a DROP DEFAULT; CREATE TEMP TABLE tt (); SET work_mem = '1MB'; PREPARE p AS SELECT 1",
            ),
            ("2_x.up.sql", "DROP TABLE app.t"),
            (
                "3_x.up.sql",
                "ALTER TABLE app.foreign_to_it ADD COLUMN b int",
            ),
        ],
    );
    let before = session_state(&mut owner);
    exec(&mut owner, "BEGIN");
    let way = "SELECT sql FROM strata.migrate_generate_down";
    let back = "SET LOCAL search_path = app\nALTER TABLE t ALTER COLUMN a SET DEFAULT 1";
    assert_eq!(rows(&mut owner, &format!("{way}('1')")), back);
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
        WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'app'::regnamespace";
    assert_eq!(one(&mut owner, locks), "0");
    exec(&mut owner, "COMMIT");
    same_session(&mut owner, &before);
    assert_eq!(
        rows(&mut owner, &format!("{way}('2')")),
        "CREATE TABLE app.t (a integer)\nGRANT SELECT (a) ON app.t TO down_other"
    );
    fails(
        &mut owner,
        &format!("{way}('3')"),
        "42501",
        &["foreign_to_it"],
    );
    exec(&mut owner, "BEGIN READ ONLY");
    fails(&mut owner, &format!("{way}('1')"), "25006", &["read-only"]);
    exec(&mut owner, "ROLLBACK");
    let mut stranger = db.session_as("down_stranger");
    fails(&mut stranger, &format!("{way}('1')"), "42501", &["default"]);
    // a superuser does not run what others have registered
    let mut root = db.session();
    fails(&mut root, &format!("{way}('1')"), "42501", &["down_owner"]);
    exec(
        &mut root,
        "SELECT strata.migrate_configure('default', role => 'down_owner')",
    );
    assert_eq!(rows(&mut root, &format!("{way}('1')")), back);
    // somebody who holds the table is not waited for longer than a run would
    let mut holder = db.session();
    exec(&mut holder, "BEGIN; LOCK app.t IN ACCESS SHARE MODE");
    fails(&mut owner, &format!("{way}('1')"), "55P03", &["lock"]);
    exec(&mut holder, "ROLLBACK");
}
