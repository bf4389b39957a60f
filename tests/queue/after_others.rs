//! Jobs that wait for others: what else may happen to queues, sessions and servers meanwhile.

use crate::after::{after, complete, next, pop, push};
use crate::after_ends::{next_any, told};
use crate::common::{Cluster, Stop, fails, succeeds, wait_until};
use crate::sql_jobs;
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};

#[test]
fn a_queue_that_is_dropped_fails_children_elsewhere() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_drop");
        db.run("SELECT strata.create_queue('gone', keep => 'none')");
        let (mut s, mut t) = (db.session(), db.session());
        let a = one(&mut s, "SELECT strata.queue_push('gone', '1')");
        let b = one(
            &mut s,
            "SELECT strata.queue_push('gone', '1', run_at => now() + interval '1 h')",
        );
        let first = push(&mut s, "first", &after(&[&a]));
        let second = push(&mut s, "second", &after(&[&b]));
        let own = push(&mut s, "own", "");
        let more = format!("SELECT strata.queue_push('gone', '1'{})", after(&[&own]));
        one(&mut s, &more);
        exec(&mut t, "BEGIN");
        exec(&mut t, "SELECT strata.drop_queue('gone', force => true)");
        exec(&mut t, "ROLLBACK");
        assert_eq!(told(&mut s, &first), "held|");
        exec(&mut t, "SELECT strata.drop_queue('gone', force => true)");
        assert_eq!(told(&mut s, &first), "failed|parent");
        assert_eq!(told(&mut s, &second), "failed|parent");
        let claim = next(&mut s, "own");
        complete(&mut s, &claim);
        let left = "SELECT (SELECT count(*) FROM strata.queue_after_a) + (SELECT count(*) FROM strata.queue_held_a)";
        assert_eq!(one(&mut s, left), "0");
    }
}

#[test]
fn a_parent_of_a_queue_without_any_right_is_refused() {
    let db = with_queue(sql_jobs::server(), "after_rights");
    db.run("SELECT strata.create_queue('secret', keep => 'all'), strata.queue_grant('q', 'alice', 'push')");
    let (mut s, mut alice) = (db.session(), db.session_as("alice"));
    let a = one(&mut s, "SELECT strata.queue_push('secret', '1')");
    let sql = format!("SELECT strata.queue_push('q', '1'{})", after(&[&a]));
    fails(&mut alice, &sql, "42501", &["\"secret\""]);
    exec(
        &mut s,
        "SELECT strata.queue_complete('secret', claim) FROM strata.queue_pop('secret')",
    );
    fails(&mut alice, &sql, "42501", &["\"secret\""]);
    exec(
        &mut s,
        "SELECT strata.queue_grant('secret', 'alice', 'push')",
    );
    assert_ne!(one(&mut alice, &sql), "");
}

#[test]
fn sql_jobs_wait_for_others_and_are_waited_for() {
    let db = sql_jobs::database(sql_jobs::server(), "after_sql");
    let mut s = db.session();
    let a = push(&mut s, "a", "");
    let note = "INSERT INTO seen VALUES ($2, $1 ->> 'what')";
    let more = format!(", payload => '{{\"what\": \"first\"}}'{}", after(&[&a]));
    let first = sql_jobs::push(&mut s, note, &more).to_string();
    let second = sql_jobs::push(&mut s, note, &after(&[&first])).to_string();
    push(&mut s, "last", &after(&[&second]));
    let bad = sql_jobs::push(
        &mut s,
        "SELECT 1/0",
        &format!("{}, max_attempts => 1", after(&[&second])),
    );
    let never = push(&mut s, "never", &after(&[&bad.to_string()]));
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM seen"),
        "0",
        "its parent waits"
    );
    let claim = next(&mut s, "a");
    complete(&mut s, &claim);
    next(&mut s, "last");
    let seen = "SELECT id FROM seen ORDER BY id";
    assert_eq!(rows(&mut s, seen), format!("{first}\n{second}"));
    wait_until("the child of a failed SQL job fails", || {
        told(&mut s, &never) == "failed|parent"
    });
}

#[test]
fn purge_and_cancel_end_children_and_wait_for_no_parent() {
    let db = with_queue(preloaded(), "after_purge");
    let (mut s, mut t) = (db.session(), db.session());
    exec(&mut t, "SET lock_timeout = '20s'");
    let a = push(&mut s, "a", "");
    let (b, c) = (
        push(&mut s, "b", &after(&[&a])),
        push(&mut s, "c", &after(&[&a])),
    );
    let claim = next(&mut s, "a");
    // its end holds the marks of the child, and is undone
    exec(&mut s, "BEGIN");
    exec(&mut t, "BEGIN");
    assert_eq!(
        one(&mut t, &format!("SELECT strata.queue_cancel('q', {b})")),
        "cancelled"
    );
    complete(&mut s, &claim);
    assert_eq!(
        one(&mut t, "SELECT strata.queue_purge('q')"),
        "0",
        "the other one is on its way"
    );
    exec(&mut s, "COMMIT");
    exec(&mut t, "ROLLBACK");
    let mut got = vec![next_any(&mut s), next_any(&mut s)];
    got.sort();
    assert_eq!(got, ["b", "c"], "their parent is done");
    let d = push(&mut s, "d", ", run_at => now() + interval '1 h'");
    push(&mut s, "e", &after(&[&d]));
    assert_eq!(one(&mut s, "SELECT strata.queue_purge('q')"), "2");
    let left = "SELECT (SELECT count(*) FROM strata.queue_after_a) + (SELECT count(*) FROM strata.queue_held_a)";
    assert_eq!(one(&mut s, left), "0");
    let _ = c;
}

#[test]
fn what_is_left_unfinished_by_a_kill_goes_on_after_it() {
    for preload in [true, false] {
        let mut server = Cluster::builder()
            .preload(preload)
            .set("max_prepared_transactions", "10")
            .start();
        let db = with_queue(&server, "after_kill");
        let (mut s, mut t) = (db.session(), db.session());
        let ids: Vec<String> = (0..4).map(|_| push(&mut s, "p", "")).collect();
        let claims = pop(&mut s);
        push(&mut s, "one", &after(&[&ids[0], &ids[1]]));
        push(&mut s, "two", &after(&[&ids[2], &ids[3]]));
        // nobody looks at marks: everything is held up to the kill
        exec(&mut s, "BEGIN");
        exec(&mut t, "BEGIN");
        complete(&mut s, &claims[0].1);
        complete(&mut t, &claims[1].1);
        complete(&mut t, &claims[2].1);
        exec(&mut s, "PREPARE TRANSACTION 'first'");
        exec(&mut t, "PREPARE TRANSACTION 'second'");
        let mut late = db.session();
        push(&mut late, "three", &after(&[&ids[0], &ids[2]]));
        server.restart(Stop::Immediate);
        let mut s = server.client("after_kill");
        exec(&mut s, "COMMIT PREPARED 'first'");
        exec(&mut s, "COMMIT PREPARED 'second'");
        server.restart(Stop::Immediate);
        let mut s = server.client("after_kill");
        let mut got = vec![next_any(&mut s), next_any(&mut s)];
        got.sort();
        assert_eq!(got, ["one", "three"]);
        let sql = format!("SELECT strata.queue_complete('q', {})", claims[3].1);
        assert_eq!(one(&mut s, &sql), "t");
        assert_eq!(next_any(&mut s), "two");
        assert!(pop(&mut s).is_empty());
    }
}

#[test]
fn a_copy_keeps_who_waits_for_whom() {
    let source = with_queue(preloaded(), "after_source");
    let mut s = source.session();
    let (a, b) = (push(&mut s, "a", ""), push(&mut s, "b", ""));
    push(&mut s, "child", &after(&[&a, &b]));
    let claims = pop(&mut s);
    let file = source
        .cluster
        .sandbox()
        .folder("after_copies", 0o777)
        .join("dump");
    let mut dump = source.cluster.tool("pg_dump");
    succeeds(dump.arg("-Fc").arg("-f").arg(&file).arg(source.name));
    let target = plain();
    target.create_database("after_copied");
    let mut restore = target.tool("pg_restore");
    succeeds(
        restore
            .args(["-j2", "--exit-on-error", "-d", "after_copied"])
            .arg(&file),
    );
    let db = Db {
        cluster: target,
        name: "after_copied",
    };
    let mut t = db.session();
    complete(&mut t, &claims[0].1);
    assert!(pop(&mut t).is_empty());
    complete(&mut t, &claims[1].1);
    next(&mut t, "child");
}
