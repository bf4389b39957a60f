//! SQL jobs and sessions that would harm others.

use crate::common::{fails, wait_until};
use crate::sql_ends::{state, wait_at_gate};
use crate::sql_jobs::{database, push, server};
use crate::support::{exec, one, preloaded, rows, with_queue};
use postgres::Client;

#[test]
fn what_needs_a_client_or_begins_a_transaction_is_not_run_by_itself() {
    let db = database(server(), "sql_alone");
    let mut s = db.session();
    let all = [
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT a",
        "COPY seen TO STDOUT",
        "COPY seen FROM STDIN",
    ];
    for command in all {
        let sql = format!("SELECT strata.queue_push_sql('q', '{command}', atomic => false)");
        fails(&mut s, &sql, "0A000", &["a SQL job must not"]);
    }
    // one that waits already
    exec(&mut s, "SELECT strata.queue_pause('q')");
    let jobs = all.map(|command| {
        let id = push(&mut s, "SELECT 1", ", atomic => false, max_attempts => 1");
        exec(
            &mut s,
            &format!(
                "UPDATE strata.queue_seg_1_0 SET payload = payload || jsonb_build_object('command', '{command}') WHERE id = {id}"
            ),
        );
        id
    });
    let after = push(&mut s, "INSERT INTO seen VALUES ($2, 'yes')", "");
    exec(&mut s, "SELECT strata.queue_resume('q')");
    for id in jobs {
        wait_until("it has failed", || state(&mut s, id) == "failed");
        let error = format!("SELECT error FROM strata.queue_result('q', {id})");
        let error = one(&mut s, &error);
        assert!(error.contains("a SQL job must not"), "{error}");
    }
    wait_until("the last one has run", || {
        rows(&mut s, "SELECT * FROM seen") == format!("{after}|yes")
    });
}

#[test]
fn who_pops_does_not_take_sql_jobs_from_their_process() {
    let db = database(server(), "sql_taken");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_grant('q', 'bob', 'pop')");
    let mut gate = db.session();
    exec(&mut gate, "SELECT pg_advisory_lock(12)");
    let id = push(
        &mut s,
        "INSERT INTO seen VALUES ($2, 'once'); SELECT pg_advisory_xact_lock(12)",
        "",
    );
    wait_at_gate(&mut s, 12);
    let mut bob = db.session_as("bob");
    let take = "SELECT strata.queue_requeue_in_progress('q', to_state => 'failed')";
    assert_eq!(one(&mut bob, take), "0");
    exec(&mut gate, "SELECT pg_advisory_unlock(12)");
    wait_until("it is done", || {
        rows(&mut s, "SELECT * FROM seen") == format!("{id}|once")
    });
}

/// Where the tables of a queue lie, and of which kind they are.
fn kinds(s: &mut Client, like: &str) -> String {
    let sql = format!(
        "SELECT DISTINCT a.amname, c.reltablespace FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam \
         WHERE c.relname LIKE '{like}' AND c.relkind = 'r'"
    );
    rows(s, &sql)
}

#[test]
fn tables_of_a_queue_are_plain_whatever_the_session_has_set() {
    let db = with_queue(preloaded(), "plain_tables");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ACCESS METHOD odd TYPE TABLE HANDLER heap_tableam_handler; \
         SET default_table_access_method = odd; SET default_tablespace = 'pg_global'; \
         SELECT strata.create_queue('own', dedicated => true)",
    );
    assert_eq!(kinds(&mut s, "queue\\_seg\\_%"), "heap|0");
    // the history, if this session makes it
    exec(&mut s, "CALL strata.queue_maintain()");
    wait_until("there is a history", || {
        one(
            &mut s,
            "SELECT to_regclass('strata.queue_ended') IS NOT NULL",
        ) == "t"
    });
    let place = "SELECT DISTINCT reltablespace FROM pg_class WHERE relname LIKE 'queue\\_ended%'";
    assert_eq!(rows(&mut s, place), "0");
}

#[test]
fn a_timeout_holds_to_the_very_end_of_the_transaction() {
    let db = database(server(), "sql_hold");
    let mut s = db.session();
    // the query of the cursor runs at the commit
    let id = push(
        &mut s,
        "DECLARE c CURSOR WITH HOLD FOR SELECT pg_sleep(100000); INSERT INTO seen VALUES ($2, 'held')",
        ", timeout => '5 s', max_attempts => 1",
    );
    wait_until("it has run", || {
        rows(&mut s, "SELECT * FROM seen") == format!("{id}|held")
    });
}

#[test]
fn a_heartbeat_of_nobody_is_not_written_down() {
    let db = with_queue(preloaded(), "nobody");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    for name in ["a", "b"] {
        exec(
            &mut s,
            &format!("SELECT FROM strata.queue_heartbeat('{name}')"),
        );
        exec(&mut s, "SELECT FROM strata.queue_pop('q', worker => 'a')");
    }
    exec(&mut s, "SELECT FROM strata.queue_heartbeat('a')");
    assert_eq!(rows(&mut s, "SELECT name FROM strata.queue_beat"), "a");
}

#[test]
fn a_new_queue_has_no_past() {
    let db = with_queue(preloaded(), "no_past");
    let mut s = db.session();
    let pushed = "SELECT pushed FROM strata.queue_stats WHERE queue = 'q'";
    exec(
        &mut s,
        "SELECT strata.queue_push('q', '1') FROM generate_series(1, 7)",
    );
    assert_eq!(one(&mut s, pushed), "7");
    exec(
        &mut s,
        "DROP EXTENSION pg_strata CASCADE; CREATE EXTENSION pg_strata; SELECT strata.create_queue('q')",
    );
    assert_eq!(one(&mut s, pushed), "0");
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    assert_eq!(one(&mut s, pushed), "1");
}

#[test]
fn no_time_is_longer_than_postgresql_can_read_again() {
    let db = with_queue(preloaded(), "endless");
    let mut s = db.session();
    exec(&mut s, "SELECT strata.queue_push('q', '1')");
    for call in [
        "queue_pop('q', lease => '300000 years')",
        "queue_next('q', lease => '300000 years')",
        "queue_extend('q', 1, lease => '300000 years')",
        "queue_release('q', 1, delay => '300000 years')",
        "queue_fail('q', 1, retry_in => '300000 years')",
        "queue_push('q', '1', unique_key => 'a', unique_for => '300000 years')",
    ] {
        fails(
            &mut s,
            &format!("SELECT strata.{call}"),
            "22023",
            &["100 years"],
        );
    }
}
