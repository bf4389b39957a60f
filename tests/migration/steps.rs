//! Up, down, goto, redo: which versions are reached, in which order.

use crate::support::{database, exec, fails, head, one, register, rows, run, states};

#[test]
fn steps_reach_exactly_the_expected_version() {
    let db = database("steps");
    let mut s = db.session();
    let words = register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ()"),
            ("1_a.down.sql", "DROP TABLE a"),
            ("000003_b.up.sql", "CREATE TABLE b ()"),
            ("4_c.up.sql", "CREATE TABLE c ()"),
            ("0004_c.down.sql", "DROP TABLE c"),
            ("5_d.down.sql", "DROP TABLE IF EXISTS d"),
            ("7_e.up.sql", "CREATE TABLE e ()"),
            ("7_e.down.sql", "DROP TABLE e"),
        ],
    );
    assert_eq!(words, "new added new new added new new added");
    assert_eq!(head(&mut s), "");
    assert_eq!(
        states(&mut s),
        "1 pending, 3 pending, 4 pending, 5 pending, 7 pending"
    );
    assert_eq!(
        run(&mut s, "migrate_up(steps => 2)"),
        "1 applied, 3 applied"
    );
    assert_eq!(head(&mut s), "3");
    assert_eq!(run(&mut s, "migrate_up(target => '0004')"), "4 applied");
    assert_eq!(
        run(&mut s, "migrate_up(steps => 100)"),
        "5 applied, 7 applied"
    );
    assert_eq!(run(&mut s, "migrate_up()"), "");
    assert_eq!(head(&mut s), "7");
    assert_eq!(run(&mut s, "migrate_down()"), "7 reverted");
    assert_eq!(
        run(&mut s, "migrate_down(steps => 2)"),
        "5 reverted, 4 reverted"
    );
    assert_eq!(head(&mut s), "3");
    let error = fails(&mut s, "SELECT strata.migrate_down()", "P0002", &["3"]);
    assert!(
        error.hint().is_some_and(|h| h.contains("missing_down")),
        "{error:?}"
    );
    assert_eq!(head(&mut s), "3");
    let skipped = "migrate_down(missing_down => 'skip')";
    assert_eq!(run(&mut s, skipped), "3 reverted");
    let history = "SELECT version, event FROM strata.migrate_history(max_rows => 1)";
    assert_eq!(rows(&mut s, history), "3|skip");
    // what it had made is there still
    exec(&mut s, "DROP TABLE b");
    assert_eq!(
        run(&mut s, "migrate_goto('5')"),
        "3 applied, 4 applied, 5 applied"
    );
    assert_eq!(run(&mut s, "migrate_goto('7')"), "7 applied");
    assert_eq!(run(&mut s, "migrate_goto('4')"), "7 reverted, 5 reverted");
    assert_eq!(run(&mut s, "migrate_redo()"), "4 reverted, 4 applied");
    let all = "migrate_down(all_versions => true, missing_down => 'skip')";
    assert_eq!(run(&mut s, all), "4 reverted, 3 reverted, 1 reverted");
    assert_eq!(head(&mut s), "");
    let tables = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    assert_eq!(one(&mut s, tables), "b");
}

#[test]
fn a_dry_run_changes_nothing_and_a_plan_shows_each_statement() {
    let db = database("dry");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "-- first\nCREATE TABLE a (x int);\n\nINSERT INTO a VALUES (1);",
            ),
            ("1_a.down.sql", "DROP TABLE a;"),
        ],
    );
    let dry = "SELECT version, outcome, statements FROM strata.migrate_up(dry_run => true)";
    assert_eq!(rows(&mut s, dry), "1|would_apply|2");
    assert_eq!(head(&mut s), "");
    let plan =
        "SELECT step, version, statement, line, command, mode, object FROM strata.migrate_plan()";
    assert_eq!(
        rows(&mut s, plan),
        "1|1|1|2|CREATE TABLE|run|a\n1|1|2|4|INSERT|run|a"
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    let plan = "SELECT version, filename, sql FROM strata.migrate_plan(direction => 'down')";
    assert_eq!(rows(&mut s, plan), "1|1_a.down.sql|DROP TABLE a");
    assert_eq!(
        run(&mut s, "migrate_down(dry_run => true)"),
        "1 would_revert"
    );
    assert_eq!(head(&mut s), "1");
}

#[test]
fn a_late_version_is_an_error_unless_it_is_allowed() {
    let db = database("late");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ()"),
            ("3_c.up.sql", "CREATE TABLE c ()"),
            ("3_c.down.sql", "DROP TABLE c"),
        ],
    );
    run(&mut s, "migrate_up()");
    register(
        &mut s,
        &[
            ("2_b.up.sql", "CREATE TABLE b ()"),
            ("2_b.down.sql", "DROP TABLE b"),
        ],
    );
    assert_eq!(states(&mut s), "1 applied, 2 out_of_order, 3 applied");
    let error = fails(&mut s, "SELECT strata.migrate_up()", "55000", &["2"]);
    assert!(error.detail().is_some_and(|d| d.contains('2')), "{error:?}");
    assert_eq!(run(&mut s, "migrate_up(out_of_order => 'ignore')"), "");
    // a goto below it never runs the down of what was not applied
    assert_eq!(run(&mut s, "migrate_goto('1')"), "3 reverted");
    run(&mut s, "migrate_up(target => '3', out_of_order => 'allow')");
    assert_eq!(states(&mut s), "1 applied, 2 applied, 3 applied");
    exec(
        &mut s,
        "SELECT strata.migrate_force(NULL, 'anew'); DROP TABLE a, b, c",
    );
    run(&mut s, "migrate_up(target => '1')");
    register(
        &mut s,
        &[
            ("5_e.up.sql", "CREATE TABLE e ()"),
            ("5_e.down.sql", "DROP TABLE e"),
        ],
    );
    run(&mut s, "migrate_up()");
    register(
        &mut s,
        &[
            ("4_d.up.sql", "CREATE TABLE d ()"),
            ("4_d.down.sql", "DROP TABLE d"),
        ],
    );
    run(&mut s, "migrate_up(out_of_order => 'allow')");
    // backwards in the order in which they were applied
    assert_eq!(
        run(&mut s, "migrate_down(steps => 2)"),
        "4 reverted, 5 reverted"
    );
}

#[test]
fn force_baseline_and_tags_run_nothing_and_say_who_and_why() {
    let db = database("forced");
    let mut s = db.session();
    let broken = "SELECT 1 / 0";
    register(
        &mut s,
        &[
            ("1_a.up.sql", broken),
            ("1_a.down.sql", broken),
            ("2_b.up.sql", broken),
            ("3_c.up.sql", "CREATE TABLE c ()"),
            ("3_c.down.sql", "DROP TABLE c"),
        ],
    );
    exec(
        &mut s,
        "SELECT strata.migrate_baseline('1', 'it is an old database')",
    );
    assert_eq!(states(&mut s), "1 baseline, 2 pending, 3 pending");
    exec(&mut s, "SELECT strata.migrate_force('2', 'made by hand')");
    assert_eq!(states(&mut s), "1 baseline, 2 applied, 3 pending");
    exec(&mut s, "SELECT strata.migrate_tag('v2')");
    run(&mut s, "migrate_up()");
    assert_eq!(run(&mut s, "migrate_goto('@v2')"), "3 reverted");
    let history = "SELECT event, version, reason, session_role = session_user, effective_role = current_user \
        FROM strata.migrate_history() WHERE event IN ('force', 'baseline') ORDER BY id";
    assert_eq!(
        rows(&mut s, history),
        "baseline|1|it is an old database|t|t\nforce|2|made by hand|t|t"
    );
    fails(
        &mut s,
        "SELECT strata.migrate_force('9', 'x')",
        "42704",
        &["9"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_force('2', ' ')",
        "22023",
        &["reason"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_goto('@none')",
        "42704",
        &["none"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_tag('a b')",
        "22023",
        &["a b"],
    );
    for sql in [
        "UPDATE strata.migrate_event SET reason = NULL",
        "DELETE FROM strata.migrate_event",
        "TRUNCATE strata.migrate_event",
    ] {
        fails(&mut s, sql, "55000", &["only added"]);
    }
}

#[test]
fn arguments_are_checked() {
    let db = database("arguments");
    let mut s = db.session();
    fails(&mut s, "SELECT strata.migrate_up()", "42704", &["default"]);
    register(&mut s, &[("1_a.up.sql", "SELECT 1")]);
    for (call, code, word) in [
        ("up(steps => 1, target => '1')", "22023", "steps"),
        ("up(steps => -1)", "22023", "-1"),
        ("up(target => '9')", "42704", "9"),
        ("up(target => 'x')", "22023", "x"),
        ("up(out_of_order => 'maybe')", "22023", "maybe"),
        ("up(on_error => '')", "22023", "on_error"),
        ("up(nontransactional => 'x')", "22023", "nontransactional"),
        ("up(existing_roles => 'x')", "22023", "existing_roles"),
        ("up(lock_timeout => '-1 s')", "22023", "lock_timeout"),
        ("up(vars => '[1]')", "22023", "vars"),
        ("up(wait => NULL)", "22004", "wait"),
        ("up(namespace => 'other')", "42704", "other"),
        (
            "down(target => '1', all_versions => true)",
            "22023",
            "all_versions",
        ),
        ("down(missing_down => 'x')", "22023", "missing_down"),
        ("source('1', 'x')", "22023", "direction"),
        ("source('7')", "42704", "7"),
        ("plan(direction => 'x')", "22023", "direction"),
        ("history(max_rows => -1)", "22023", "max_rows"),
    ] {
        fails(
            &mut s,
            &format!("SELECT strata.migrate_{call}"),
            code,
            &[word],
        );
    }
    exec(&mut s, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "25001",
        &["READ COMMITTED"],
    );
    exec(&mut s, "ROLLBACK; BEGIN READ ONLY");
    fails(&mut s, "SELECT strata.migrate_up()", "25006", &[]);
    exec(&mut s, "ROLLBACK");
    assert_eq!(head(&mut s), "");
}
