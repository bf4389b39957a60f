//! Settings and rights: who may do what, from which moment on, and what a copy of a database does by itself.

use crate::common::{Cluster, fails, succeeds, wait_until};
use crate::support::{Db, exec, one, plain, preloaded, rows, with_queue};
use std::path::Path;

/// Waits until a session waits for a lock.
fn wait_for_lock(db: &Db<'_>, pid: &str) {
    let sql = format!("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}");
    wait_until("it waits for a lock", || db.one(&sql) == "t");
}

#[test]
fn a_queue_is_not_dropped_under_a_push_that_is_not_committed() {
    let db = with_queue(preloaded(), "drop_push");
    let (mut a, mut b) = (db.session(), db.session());
    exec(&mut a, "BEGIN");
    let id = one(&mut a, "SELECT strata.queue_push('q', '1')");
    let pid = one(&mut b, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let dropper =
            scope.spawn(|| fails(&mut b, "SELECT strata.drop_queue('q')", "55006", &["1 job"]));
        wait_for_lock(&db, &pid);
        exec(&mut a, "COMMIT");
        dropper.join().expect("the other session");
    });
    assert_eq!(
        one(&mut a, "SELECT id FROM strata.queue_pop('q')"),
        id,
        "it is there"
    );
}

#[test]
fn a_push_that_waits_for_a_drop_fails_and_leaves_nothing() {
    let db = with_queue(preloaded(), "push_drop");
    exec(&mut db.session(), "SELECT strata.create_queue('other')");
    let (mut a, mut b) = (db.session(), db.session());
    // the settings are known to the session
    one(&mut b, "SELECT strata.queue_push('q', '1')");
    exec(
        &mut a,
        "BEGIN; SELECT strata.drop_queue('q', force => true)",
    );
    let pid = one(&mut b, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let pusher = scope.spawn(|| {
            fails(
                &mut b,
                "SELECT strata.queue_push('q', '2')",
                "42704",
                &["\"q\""],
            )
        });
        wait_for_lock(&db, &pid);
        exec(&mut a, "COMMIT");
        pusher.join().expect("the other session");
    });
    assert_eq!(db.one("SELECT count(*) FROM strata.queue_seg_1_0"), "0");
}

#[test]
fn no_lock_that_anybody_can_take_stops_queues() {
    let db = Db::new(preloaded(), "advisory");
    let mut other = db.session();
    exec(
        &mut other,
        "SELECT pg_advisory_lock(1735290734, 1), pg_advisory_lock(1735290735, 0)",
    );
    let mut s = db.session();
    exec(&mut s, "SET lock_timeout = '10 s'");
    exec(&mut s, "SELECT strata.create_queue('q', keep => 'all')");
    exec(&mut s, "CALL strata.queue_maintain()");
    wait_until("there is a history", || {
        one(
            &mut s,
            "SELECT to_regclass('strata.queue_ended') IS NOT NULL",
        ) == "t"
    });
}

#[test]
fn default_privileges_open_no_table_of_ours() {
    let db = Db::new(preloaded(), "default_acl");
    let mut s = db.session();
    for sql in [
        "DROP EXTENSION pg_strata CASCADE",
        "DROP SCHEMA IF EXISTS strata CASCADE",
        "CREATE ROLE anybody",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO anybody",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anybody",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO anybody",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anybody",
        "CREATE EXTENSION pg_strata",
        "SELECT strata.create_queue('q', keep => 'all', dedicated => true)",
    ] {
        exec(&mut s, sql);
    }
    wait_until("there is a history with a chunk", || {
        let chunk = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass('strata.queue_ended'))";
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, chunk) == "t"
    });
    let open = "SELECT c.oid::regclass, r.rolname, p FROM pg_class c, pg_roles r, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', \
        'TRUNCATE', 'REFERENCES', 'TRIGGER']) p WHERE c.relnamespace::regnamespace::text ~ '^strata' \
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND r.rolname = 'anybody' AND has_table_privilege(r.oid, c.oid, p)";
    assert_eq!(rows(&mut s, open), "");
    let read = "SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace::regnamespace::text ~ '^strata' \
        AND c.relkind IN ('r', 'p', 'm', 'f') AND has_table_privilege('anybody', c.oid, 'SELECT')";
    assert_eq!(rows(&mut s, read), "");
    let sequences = "SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'strata'::regnamespace \
        AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('anybody', c.oid, 'USAGE') END";
    assert_eq!(rows(&mut s, sequences), "");
    let rest = "SELECT has_schema_privilege('anybody', 'strata', 'CREATE'), \
        has_function_privilege('anybody', 'strata.start_workers()', 'EXECUTE'), \
        has_function_privilege('anybody', 'strata.queue_length(text, text)', 'EXECUTE'), \
        has_table_privilege('anybody', 'strata.queues', 'SELECT')";
    assert_eq!(rows(&mut s, rest), "f|f|t|t");
}

#[test]
fn a_schedule_is_not_made_for_a_queue_that_is_being_dropped() {
    let db = with_queue(preloaded(), "schedule_drop");
    let (mut a, mut b) = (db.session(), db.session());
    // the settings are known to the session
    one(&mut b, "SELECT strata.queue_push('q', '1')");
    exec(
        &mut a,
        "BEGIN; SELECT strata.drop_queue('q', force => true)",
    );
    let pid = one(&mut b, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            let make = "SELECT strata.queue_schedule('s', 'q', '1 hour')";
            fails(&mut b, make, "42704", &["\"q\""])
        });
        wait_for_lock(&db, &pid);
        exec(&mut a, "COMMIT");
        maker.join().expect("the other session");
    });
    assert_eq!(db.one("SELECT count(*) FROM strata.queue_schedule"), "0");
}

#[test]
fn what_is_set_holds_for_the_next_call_of_every_session() {
    for (server, name) in [(preloaded(), "at_once"), (plain(), "at_once")] {
        let db = with_queue(server, name);
        let user = format!("{name}_{}", u8::from(std::ptr::eq(server, preloaded())));
        exec(&mut db.session(), &format!("CREATE ROLE {user} LOGIN"));
        let (mut boss, mut worker) = (db.session(), db.session_as(&user));
        exec(
            &mut boss,
            "SELECT strata.queue_push('q', to_jsonb(g)) FROM generate_series(1, 9) g",
        );
        let pop = "SELECT payload FROM strata.queue_pop('q')";
        fails(&mut worker, pop, "42501", &["\"q\""]);
        exec(
            &mut boss,
            &format!("SELECT strata.queue_grant('q', '{user}', 'pop')"),
        );
        // also within one transaction
        exec(&mut worker, "BEGIN");
        assert_eq!(rows(&mut worker, pop), "1");
        exec(&mut boss, "SELECT strata.queue_pause('q')");
        assert_eq!(rows(&mut worker, pop), "");
        exec(&mut boss, "SELECT strata.queue_resume('q')");
        assert_eq!(rows(&mut worker, pop), "2");
        exec(
            &mut boss,
            "SELECT strata.alter_queue('q', rename_to => 'r')",
        );
        fails(&mut worker, pop, "42704", &["\"q\""]);
        exec(&mut worker, "ROLLBACK");
        exec(
            &mut boss,
            "SELECT strata.alter_queue('r', rename_to => 'q')",
        );
        exec(
            &mut boss,
            &format!("SELECT strata.queue_revoke('q', '{user}', 'pop')"),
        );
        fails(&mut worker, pop, "42501", &["\"q\""]);
    }
}

#[test]
fn two_sessions_make_one_queue() {
    let db = Db::new(preloaded(), "twice");
    let made: Vec<String> = std::thread::scope(|scope| {
        let make = |_| {
            scope.spawn(|| {
                let sql = "SELECT strata.create_queue('q', if_not_exists => true)";
                one(&mut db.session(), sql)
            })
        };
        let makers: Vec<_> = (0..4).map(make).collect();
        makers
            .into_iter()
            .map(|m| m.join().expect("a session"))
            .collect()
    });
    assert_eq!(made.iter().filter(|m| *m == "t").count(), 1);
    assert_eq!(db.one("SELECT count(*) FROM strata.queues"), "1");
}

#[test]
fn only_without_preload_a_notice_says_what_is_slower() {
    for (server, notices) in [(preloaded(), 0), (plain(), 1)] {
        let db = Db::new(server, "noticed");
        let output = server.psql_with(db.name, &["-At"], "SELECT strata.create_queue('q')");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.matches("NOTICE").count(), notices, "{said}");
        assert_eq!(
            said.matches("shared_preload_libraries").count(),
            notices,
            "{said}"
        );
    }
}

#[test]
fn the_extension_is_not_dropped_while_there_are_queues() {
    let db = with_queue(preloaded(), "dropped");
    let mut s = db.session();
    fails(&mut s, "DROP EXTENSION pg_strata", "2BP01", &["pg_strata"]);
    exec(&mut s, "SELECT strata.drop_queue('q')");
    exec(
        &mut s,
        "DROP EXTENSION pg_strata; CREATE EXTENSION pg_strata",
    );
    exec(
        &mut s,
        "SELECT strata.create_queue('q'); SELECT strata.queue_push('q', '1')",
    );
    exec(
        &mut s,
        "DROP EXTENSION pg_strata CASCADE; CREATE EXTENSION pg_strata",
    );
    exec(&mut s, "SELECT strata.create_queue('q')");
    assert_eq!(rows(&mut s, "SELECT id FROM strata.queue_pop('q')"), "");
}

/// Archive of a database, and its restore with two jobs at once.
fn copy(from: &Db<'_>, to: &Cluster, name: &str, file: &Path) {
    succeeds(
        from.cluster
            .tool("pg_dump")
            .arg("-Fc")
            .arg("-f")
            .arg(file)
            .arg(from.name),
    );
    to.create_database(name);
    succeeds(
        to.tool("pg_restore")
            .args(["-j2", "--exit-on-error", "-d", name])
            .arg(file),
    );
}

#[test]
fn a_copy_keeps_ids_states_and_rights_and_does_nothing_by_itself() {
    let source = with_queue(preloaded(), "source");
    let target = plain();
    for server in [preloaded(), target] {
        let roles = "CREATE ROLE copied LOGIN; CREATE ROLE spare; CREATE ROLE other";
        exec(&mut server.client("postgres"), roles);
    }
    let mut s = source.session();
    exec(
        &mut s,
        "SELECT strata.alter_queue('q', max_attempts => 7, keep => 'all')",
    );
    exec(
        &mut s,
        "SELECT strata.create_queue('own', dedicated => true), strata.queue_grant('own', 'copied', 'push', 'pop')",
    );
    exec(
        &mut s,
        "SELECT strata.queue_push('q', to_jsonb(g), priority => g) FROM generate_series(1, 6) g",
    );
    exec(&mut s, "SELECT strata.queue_push('own', '\"a\"')");
    exec(
        &mut s,
        "SELECT strata.queue_complete('q', claim, '\"ended\"') FROM strata.queue_pop('q')",
    );
    let keyed = "SELECT strata.queue_push('q', '\"k\"', unique_key => 'k', run_at => now() + interval '1 h')";
    let scheduled = one(&mut s, keyed);
    let claim = one(&mut s, "SELECT claim FROM strata.queue_pop('q')");
    let history = "SELECT id, queue, state, payload, result, finished_at FROM strata.queue_history";
    let ended = rows(&mut s, history);
    assert!(ended.starts_with("1|q|done|1|\"ended\"|"), "{ended}");
    let jobs = "SELECT id, seq, lane, fence, state, attempt, payload FROM strata.queue_seg_1_0 ORDER BY id";
    let before = rows(&mut s, jobs);
    let sandbox = source.cluster.sandbox().folder("copies", 0o777);
    copy(&source, target, "copied", &sandbox.join("dump"));

    let db = Db {
        cluster: target,
        name: "copied",
    };
    let mut t = db.session();
    assert_eq!(rows(&mut t, jobs), before);
    assert_eq!(rows(&mut t, history), ended);
    let queues =
        "SELECT queue, max_attempts, keep, dedicated, active FROM strata.queues ORDER BY queue";
    assert_eq!(rows(&mut t, queues), "own|5|failed|t|f\nq|7|all|f|f");
    // clients go on at once, with the numbers and the claims that they know; roles are known by name
    let complete = format!("SELECT strata.queue_complete('q', {claim})");
    assert_eq!(one(&mut t, &complete), "t");
    assert_eq!(one(&mut t, "SELECT strata.queue_push('q', '7')"), "9");
    assert_eq!(one(&mut t, keyed), "", "the key is taken");
    let waits = format!("SELECT state FROM strata.queue_result('q', {scheduled})");
    assert_eq!(one(&mut t, &waits), "scheduled");
    assert_eq!(
        one(&mut t, "SELECT payload FROM strata.queue_pop('q')"),
        "7"
    );
    assert_eq!(
        one(&mut t, "SELECT payload FROM strata.queue_pop('q')"),
        "3"
    );
    assert_eq!(rows(&mut t, history).lines().count(), 2, "it goes on");
    let mut user = db.session_as("copied");
    assert_eq!(
        one(&mut user, "SELECT payload FROM strata.queue_pop('own')"),
        "\"a\""
    );
    fails(
        &mut user,
        "SELECT FROM strata.queue_pop('q')",
        "42501",
        &["\"q\""],
    );
    exec(&mut t, "SELECT strata.start_workers()");
    assert_eq!(
        one(&mut t, "SELECT bool_and(active) FROM strata.queues"),
        "t"
    );
    assert_eq!(
        one(&mut user, "SELECT strata.queue_push('own', '1') > 0"),
        "t"
    );
}

#[test]
fn what_a_restore_brings_is_at_home_nowhere() {
    let db = with_queue(preloaded(), "home");
    let mut s = db.session();
    assert_eq!(one(&mut s, "SELECT active FROM strata.queues"), "t");
    let home = one(&mut s, "SELECT home FROM strata.queue_home");
    // as a restore into the very same database does
    exec(
        &mut s,
        "SET session_replication_role = replica; DELETE FROM strata.queue_home",
    );
    exec(
        &mut s,
        &format!("INSERT INTO strata.queue_home (home) VALUES ('{home}')"),
    );
    assert_eq!(one(&mut s, "SELECT active FROM strata.queues"), "f");
    exec(&mut s, "SELECT strata.start_workers()");
    assert_eq!(one(&mut s, "SELECT home FROM strata.queue_home"), home);
}
