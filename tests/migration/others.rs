//! Several callers at once.

use crate::support::{database, exec, fails, one, register, rows};
use std::time::Duration;

#[test]
fn of_ten_callers_one_works_and_nine_find_nothing_to_do() {
    let db = database("ten");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE TABLE a (x int); SELECT pg_sleep(0.3); INSERT INTO a VALUES (1);",
            ),
            ("2_b.up.sql", "CREATE TABLE b (x int)"),
        ],
    );
    let counts: Vec<i64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..10)
            .map(|_| {
                let mut session = db.session();
                scope.spawn(move || {
                    let sql = "SELECT count(*) FROM strata.migrate_up()";
                    session
                        .query_one(sql, &[])
                        .expect("no error")
                        .get::<_, i64>(0)
                })
            })
            .collect();
        callers
            .into_iter()
            .map(|c| c.join().expect("no panic"))
            .collect()
    });
    let mut sorted = counts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(one(&mut s, "SELECT count(*) FROM a"), "1");
}

#[test]
fn namespaces_do_not_wait_for_each_other_and_a_run_does_not_wait_for_ever() {
    let db = database("two_spaces");
    let mut one_session = db.session();
    let mut other = db.session();
    exec(
        &mut one_session,
        "SELECT strata.migrate_register('1_a.up.sql', 'CREATE TABLE a ()', namespace => 'one');
         SELECT strata.migrate_register('1_b.up.sql', 'CREATE TABLE b ()', namespace => 'two')",
    );
    exec(
        &mut one_session,
        "BEGIN; SELECT strata.migrate_up(namespace => 'one')",
    );
    let applied = "SELECT outcome FROM strata.migrate_up(namespace => 'two')";
    assert_eq!(rows(&mut other, applied), "applied");
    let waits = "SELECT strata.migrate_up(namespace => 'one', wait => '100 ms')";
    fails(&mut other, waits, "55P03", &["one"]);
    exec(&mut one_session, "ROLLBACK");
    let applied = "SELECT outcome FROM strata.migrate_up(namespace => 'one')";
    assert_eq!(rows(&mut other, applied), "applied");
}

#[test]
fn a_blocked_file_gives_up_within_its_lock_timeout() {
    let db = database("blocked");
    let mut s = db.session();
    let mut holder = db.session();
    exec(&mut s, "CREATE TABLE busy (x int)");
    register(
        &mut s,
        &[(
            "1_a.up.sql",
            "CREATE TABLE a (); ALTER TABLE busy ADD COLUMN y int",
        )],
    );
    exec(&mut holder, "BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE");
    let begun = std::time::Instant::now();
    let blocked = "SELECT strata.migrate_up(lock_timeout => '200 ms')";
    let error = fails(&mut s, blocked, "55P03", &["lock timeout"]);
    assert!(
        error
            .where_()
            .is_some_and(|w| w.contains("1_a.up.sql, statement 2")),
        "{error:?}"
    );
    let pid = one(&mut holder, "SELECT pg_backend_pid()");
    assert_eq!(
        error.detail(),
        Some(format!("The lock is held by process {pid}.\nNothing was changed.").as_str())
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NULL"), "t");
    exec(&mut holder, "COMMIT");
    exec(&mut s, blocked);
}
