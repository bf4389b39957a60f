//! What becomes of jobs that have ended, and what is known of a job by its id.

use crate::common::{fails, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;

fn keep_all(db: &Db<'_>) {
    db.run("UPDATE strata.queue SET keep = 'all'");
}

fn push(s: &mut Client, payload: &str) -> i64 {
    let id = one(s, &format!("SELECT strata.queue_push('q', '{payload}')"));
    id.parse().expect("an id")
}

fn pop(s: &mut Client) -> String {
    one(s, "SELECT claim FROM strata.queue_pop('q', worker => 'w1')")
}

fn state(s: &mut Client, id: i64) -> String {
    one(
        s,
        &format!("SELECT state FROM strata.queue_result('q', {id})"),
    )
}

#[test]
fn a_job_is_known_from_its_push_to_long_after_its_end() {
    for (server, name) in [(preloaded(), "known"), (plain(), "known")] {
        let db = with_queue(server, name);
        keep_all(&db);
        let mut s = db.session();
        let id = push(&mut s, r#"{"a": [1, "x"]}"#);
        let other = push(&mut s, "2");
        assert_eq!(state(&mut s, id), "ready");
        let claim = pop(&mut s);
        assert_eq!(
            (state(&mut s, id), state(&mut s, other)),
            ("running".into(), "ready".into())
        );
        let sql = format!(r#"SELECT strata.queue_complete('q', {claim}, '{{"r": [true]}}')"#);
        assert_eq!(one(&mut s, &sql), "t");
        let result = format!(
            "SELECT state, result, progress, error, attempt, pushed_at <= started_at, started_at <= finished_at \
             FROM strata.queue_result('q', {id})"
        );
        assert_eq!(rows(&mut s, &result), r#"done|{"r": [true]}|||1|t|t"#);
        let history = "SELECT id, queue, kind IS NULL, state, payload, result, errors, attempts FROM strata.queue_history";
        let wanted = format!(r#"{id}|q|t|done|{{"a": [1, "x"]}}|{{"r": [true]}}||1"#);
        assert_eq!(rows(&mut s, history), wanted);
        exec(&mut s, "CALL strata.queue_maintain()");
        assert_eq!(rows(&mut s, history), wanted, "moved, and there once");
        assert_eq!(rows(&mut s, &result), r#"done|{"r": [true]}|||1|t|t"#);
        assert_eq!(
            one(&mut s, "SELECT count(*) FROM strata.queue_history_overflow"),
            "0"
        );
        let nobody = rows(&mut s, "SELECT * FROM strata.queue_result('q', 4711)");
        assert_eq!(nobody, "", "an unknown job");
    }
}

#[test]
fn history_goes_straight_to_a_chunk_once_there_is_one() {
    for (server, name) in [(preloaded(), "straight"), (plain(), "straight")] {
        let db = with_queue(server, name);
        keep_all(&db);
        let mut s = db.session();
        exec(&mut s, "CALL strata.queue_maintain()");
        let chunks = "SELECT count(*) > 0 FROM strata.show_chunks('strata.queue_ended')";
        assert_eq!(one(&mut s, chunks), "t");
        push(&mut s, "1");
        let claim = pop(&mut s);
        exec(
            &mut s,
            &format!("SELECT strata.queue_complete('q', {claim})"),
        );
        let counts = "SELECT (SELECT count(*) FROM strata.queue_ended), (SELECT count(*) FROM strata.queue_history_overflow)";
        assert_eq!(rows(&mut s, counts), "1|0");
    }
}

#[test]
fn history_never_waits_and_never_refuses_a_job() {
    let db = with_queue(preloaded(), "refuses");
    keep_all(&db);
    let (mut s, mut other) = (db.session(), db.session());
    exec(&mut s, "CALL strata.queue_maintain()");
    let end = |s: &mut Client| {
        let id = push(s, "1");
        let claim = pop(s);
        exec(s, "SET statement_timeout = '20s'");
        let sql = format!("SELECT strata.queue_complete('q', {claim})");
        assert_eq!(one(s, &sql), "t");
        id
    };
    // somebody holds the table
    exec(&mut other, "BEGIN; LOCK TABLE strata.queue_ended");
    let first = end(&mut s);
    let overflow =
        "SELECT string_agg(id::text, ' ' ORDER BY id) FROM strata.queue_history_overflow";
    assert_eq!(one(&mut s, overflow), first.to_string());
    exec(&mut other, "ROLLBACK");
    // somebody holds the chunk
    exec(
        &mut other,
        "DO $$ BEGIN EXECUTE (SELECT 'LOCK TABLE ' || string_agg(c::text, ', ') FROM strata.show_chunks('strata.queue_ended') c); END $$ ",
    );
    exec(
        &mut other,
        "BEGIN; DO $$ BEGIN EXECUTE (SELECT 'LOCK TABLE ' || string_agg(c::text, ', ') FROM strata.show_chunks('strata.queue_ended') c); END $$",
    );
    let second = end(&mut s);
    exec(&mut other, "ROLLBACK");
    // all chunks are gone
    exec(
        &mut other,
        "SELECT strata.drop_chunks('strata.queue_ended', older_than => now() + INTERVAL '1 year')",
    );
    let third = end(&mut s);
    wait_until("all is moved where it belongs", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, overflow).is_empty()
    });
    let ids = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM strata.queue_history";
    assert_eq!(one(&mut s, ids), format!("{first} {second} {third}"));
    let table = "SELECT count(*) FROM strata.queue_ended";
    assert_eq!(one(&mut s, table), "3");
}

#[test]
fn a_queue_keeps_what_it_says() {
    let db = with_queue(preloaded(), "keeps");
    let mut s = db.session();
    for (keep, kept) in [("none", ""), ("failed", ""), ("all", "done")] {
        db.run("SELECT strata.drop_queue('q', force => true, if_exists => true)");
        db.run(&format!(
            "SELECT strata.create_queue('q', keep => '{keep}')"
        ));
        let id = push(&mut s, "1");
        let claim = pop(&mut s);
        exec(
            &mut s,
            &format!("SELECT strata.queue_complete('q', {claim})"),
        );
        assert_eq!(state(&mut s, id), kept, "{keep}");
    }
}

#[test]
fn history_outlives_the_extension_and_its_numbers_go_on() {
    let db = with_queue(preloaded(), "outlives");
    keep_all(&db);
    let mut s = db.session();
    exec(&mut s, "CALL strata.queue_maintain()");
    let id = push(&mut s, "1");
    let claim = pop(&mut s);
    exec(
        &mut s,
        &format!("SELECT strata.queue_complete('q', {claim})"),
    );
    drop(s);
    db.run("DROP EXTENSION pg_strata CASCADE; CREATE EXTENSION pg_strata");
    let mut s = db.session();
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.queue_ended"), "1");
    exec(&mut s, "SELECT strata.create_queue('q')");
    keep_all(&db);
    let next = push(&mut s, "2");
    assert!(next > id, "{next} is a new number");
    exec(&mut s, "CALL strata.queue_maintain()");
    let claim = pop(&mut s);
    exec(
        &mut s,
        &format!("SELECT strata.queue_complete('q', {claim})"),
    );
    assert_eq!(
        rows(&mut s, "SELECT id FROM strata.queue_history"),
        next.to_string()
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.queue_ended"), "2");
    assert_eq!(
        rows(
            &mut s,
            &format!("SELECT * FROM strata.queue_result('q', {id})")
        ),
        "",
        "of another queue"
    );
}

#[test]
fn results_are_read_without_a_transaction_id_and_at_every_isolation_level() {
    let db = with_queue(preloaded(), "levels");
    keep_all(&db);
    let (mut s, mut other) = (db.session(), db.session());
    let id = push(&mut s, "1");
    exec(
        &mut other,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    );
    let claim = pop(&mut s);
    assert_eq!(state(&mut other, id), "running");
    exec(
        &mut s,
        &format!("SELECT strata.queue_complete('q', {claim})"),
    );
    assert_eq!(state(&mut other, id), "done");
    let none = "SELECT pg_current_xact_id_if_assigned() IS NULL";
    assert_eq!(one(&mut other, none), "t");
    exec(&mut other, "COMMIT");
    fails(
        &mut s,
        "SELECT strata.queue_result('nope', 1)",
        "42704",
        &["nope"],
    );
    fails(
        &mut s,
        "SELECT strata.queue_result(NULL, 1)",
        "22004",
        &["queue"],
    );
}
