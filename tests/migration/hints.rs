//! What a hint proposes is about the namespace, tenant and call of its error.

use crate::support::{database, exec, fails, one, rows};
use postgres::Client;

fn register(s: &mut Client, name: &str, body: &str, namespace: &str) {
    let sql = "SELECT FROM strata.migrate_register($1, $2, $3)";
    s.query(sql, &[&name, &body, &namespace]).unwrap();
}

/// The statement at the beginning of a hint.
fn proposed(hint: &str) -> String {
    let end = hint.find(')').map_or(hint.len(), |at| at + 1);
    hint[..end].to_owned()
}

#[test]
fn hints_act_where_the_error_was() {
    let db = database("hints");
    let mut s = db.session();
    for namespace in ["default", "x y"] {
        register(
            &mut s,
            "1_a.up.sql",
            "CREATE TABLE IF NOT EXISTS a ()",
            namespace,
        );
        register(&mut s, "1_a.down.sql", "SELECT 1", namespace);
    }
    exec(&mut s, "CREATE SCHEMA ta");
    let default = "SELECT (SELECT string_agg(version || state, ' ' ORDER BY version) FROM strata.migrate_status()),
        (SELECT count(*) FROM strata.migrate_history())";
    let before = rows(&mut s, default);
    // two files of one version
    let twice = "SELECT strata.migrate_register('1_b.up.sql', 'SELECT 1', 'x y')";
    let error = fails(&mut s, twice, "42710", &["two files claim version 1"]);
    exec(&mut s, &proposed(error.hint().unwrap()));
    exec(&mut s, twice);
    assert_eq!(rows(&mut s, default), before);
    // what no transaction takes
    exec(&mut s, "CREATE TABLE full_of AS SELECT 1 AS x");
    register(
        &mut s,
        "20_c.up.sql",
        "CREATE INDEX CONCURRENTLY full_x ON full_of (x)",
        "x y",
    );
    let up = "SELECT strata.migrate_up(namespace => 'x y', tenant => 'ta')";
    let error = fails(&mut s, up, "25001", &["20_c.up.sql"]);
    assert_eq!(
        proposed(error.hint().unwrap()),
        "CALL strata.migrate_deploy(tenant => 'ta', namespace => 'x y')"
    );
    exec(&mut s, &proposed(error.hint().unwrap()));
    assert_eq!(
        one(
            &mut s,
            "SELECT strata.migrate_version(tenant => 'ta', namespace => 'x y')"
        ),
        "20"
    );
    assert_eq!(rows(&mut s, default), before);
    // a dry run proposes a dry run
    register(&mut s, "3_d.up.sql", "DROP TABLE full_of", "x y");
    let dry = "SELECT strata.migrate_up(dry_run => true, namespace => 'x y', tenant => 'ta')";
    let error = fails(&mut s, dry, "55000", &["out of order"]);
    assert_eq!(
        rows(&mut s, error.hint().unwrap()).lines().count(),
        1,
        "{error:?}"
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM full_of"), "1");
    // a tag that does not exist is not made
    let goto = "SELECT strata.migrate_goto('@typo', namespace => 'x y', tenant => 'ta')";
    let error = fails(&mut s, goto, "42704", &["tag \"typo\" does not exist"]);
    assert!(
        error
            .hint()
            .unwrap()
            .contains("migrate_tag('typo', '...', namespace => 'x y')"),
        "{error:?}"
    );
    exec(
        &mut s,
        "SELECT strata.migrate_tag('right', '20', namespace => 'x y')",
    );
    let error = fails(&mut s, goto, "42704", &["tag \"typo\" does not exist"]);
    assert_eq!(error.detail(), Some("There are @right."));
}

#[test]
fn a_new_value_of_an_enum_needs_a_commit_and_the_hint_says_who_makes_one() {
    let db = database("hints_enum");
    let mut s = db.session();
    exec(&mut s, "CREATE TYPE st AS ENUM ('a')");
    register(
        &mut s,
        "1_a.up.sql",
        "ALTER TYPE st ADD VALUE 'b'",
        "default",
    );
    register(
        &mut s,
        "2_b.up.sql",
        "CREATE TABLE sx (x st DEFAULT 'b')",
        "default",
    );
    let error = fails(&mut s, "SELECT strata.migrate_up()", "55P04", &[]);
    let hint = error.hint().unwrap().to_owned();
    assert!(
        hint.contains("CALL strata.migrate_deploy() commits each file"),
        "{hint}"
    );
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(one(&mut s, "SELECT strata.migrate_version()"), "2");
}
