//! Ways to rows that pass the planner by: logical replication, serializable snapshots, checks of indexes.

use crate::common::{Cluster, wait_until_within};
use crate::support::{ColdDb, Db, JANUARY, exec, fails, one, server};
use std::time::Duration;

/// A change that a subscription brings for a cold row stops the subscription: it must not be skipped.
#[test]
fn changes_of_cold_rows_by_a_subscription_fail_rather_than_vanish() {
    let publisher = Cluster::builder()
        .set("wal_level", "logical")
        .set("wal_receiver_status_interval", "1s")
        .start();
    let subscriber = Cluster::builder()
        .set("wal_retrieve_retry_interval", "100ms")
        .set("max_worker_processes", "24")
        .start();
    let (from, to) = (Db::new(&publisher, "src"), Db::new(&subscriber, "dst"));
    from.metrics();
    to.metrics();
    // without a key the worker looks for rows one by one
    let bare = "CREATE TABLE bare (ts timestamptz NOT NULL, v int); ALTER TABLE bare REPLICA IDENTITY FULL;
        INSERT INTO bare SELECT '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g FROM generate_series(0, 2159) g;
        SELECT FROM strata.create_hypertable('bare', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)";
    from.run(bare);
    to.run(bare);
    for chunk in ["bare_h2_20250101", "bare_h2_20250201", "bare_h2_20250301"] {
        from.run(&format!(
            "ALTER TABLE strata_chunks.{chunk} REPLICA IDENTITY FULL"
        ));
        to.run(&format!(
            "ALTER TABLE strata_chunks.{chunk} REPLICA IDENTITY FULL"
        ));
    }
    to.tier("2025-03-01");
    to.run("CALL strata.tier_chunks('bare', older_than => timestamptz '2025-03-01 00:00+00')");
    from.run("CREATE PUBLICATION p FOR TABLE m, bare WITH (publish_via_partition_root = true)");
    to.run(&format!(
        "CREATE SUBSCRIPTION s CONNECTION 'host={} user=postgres dbname=src' PUBLICATION p WITH (copy_data = false)",
        publisher.socket().display()
    ));
    let arrives = |sql: &str, wanted: &str| {
        wait_until_within(Duration::from_secs(30), sql, || to.one(sql) == wanted);
    };
    // hot rows change, late rows arrive
    from.run(
        "UPDATE m SET val = -1 WHERE id = 2000; INSERT INTO m (id, ts, dev) VALUES (9000, '2025-01-10 00:30+00', 1);
         UPDATE bare SET v = -1 WHERE v = 2000; INSERT INTO bare VALUES ('2025-01-10 00:30+00', 9000)",
    );
    arrives("SELECT count(*) FROM m WHERE val = -1 OR id = 9000", "2");
    arrives("SELECT count(*) FROM bare WHERE v IN (-1, 9000)", "2");
    for (table, change) in [
        ("m", "UPDATE m SET val = -2 WHERE id = 5"),
        ("bare", "DELETE FROM bare WHERE v = 5"),
    ] {
        from.run(change);
        let chunk = format!("{table}_h{}_20250101", if table == "m" { 1 } else { 2 });
        let words = format!("cannot apply replicated changes to cold chunk \"{chunk}\"");
        wait_until_within(Duration::from_secs(30), &words, || {
            subscriber.log().contains(&words)
        });
        if table == "m" {
            assert_eq!(to.one("SELECT count(*) FROM m WHERE val = -2"), "0");
        }
        assert_eq!(
            to.one("SELECT count(*) FROM bare WHERE v = 5"),
            "1",
            "{change}"
        );
        // brought back, it takes the change
        to.run(&format!(
            "CALL strata.untier_chunk('strata_chunks.{chunk}')"
        ));
        let sql = match table {
            "m" => "SELECT val FROM m WHERE id = 5",
            _ => "SELECT count(*) FROM bare WHERE v = 5",
        };
        arrives(sql, &from.one(sql));
    }
    to.run("DROP SUBSCRIPTION s");
    // the other way: tiering here is nothing to tell subscribers
    let slot = "SELECT pg_create_logical_replication_slot('watch', 'test_decoding')";
    if crate::support::try_one(&mut from.session(), slot).is_err() {
        println!("this server was built without test_decoding: what needs it is left out");
        return;
    }
    let seen = from.hash();
    from.tier("2025-03-01");
    let told = "SELECT count(*) FROM pg_logical_slot_get_changes('watch', NULL, NULL) WHERE data ~ '(m_h1_|public.m)' AND data !~ 'strata\\.'";
    assert_eq!(from.one(told), "0");
    assert_eq!(from.hash(), seen);
    from.run("SELECT pg_drop_replication_slot('watch')");
}

/// Two transactions that each read a cold chunk and write what the other has read cannot both commit.
#[test]
fn serializable_transactions_see_late_rows_of_each_other() {
    let db = Db::new(server(), "bypass_serial");
    db.metrics();
    db.tier("2025-03-01");
    for (n, read) in [
        "SELECT count(*) FROM m WHERE dev = 3 AND ts < '2025-02-01'",
        "SELECT max(ts) FROM m WHERE ts < '2025-02-01'",
        "SELECT count(*) FROM m WHERE id = 100000 AND ts < '2025-02-01'",
        "SELECT sum(id) FROM m WHERE ts >= '2025-01-31' AND ts < '2025-02-01'",
    ]
    .iter()
    .enumerate()
    {
        let (mut one_session, mut other) = (db.session(), db.session());
        for session in [&mut one_session, &mut other] {
            exec(session, "BEGIN ISOLATION LEVEL SERIALIZABLE");
            one(session, read);
        }
        let insert = |k: usize| {
            format!(
                "INSERT INTO m (id, ts, dev) VALUES ({}, '2025-01-31 23:30+00', 3)",
                20_000 + 10 * n + k
            )
        };
        exec(&mut one_session, &insert(1));
        let second = other
            .batch_execute(&insert(2))
            .and_then(|()| one_session.batch_execute("COMMIT"))
            .and_then(|()| other.batch_execute("COMMIT"));
        let error = second.expect_err(read);
        assert_eq!(
            error.code().map(|c| c.code()),
            Some("40001"),
            "{read}: {error}"
        );
    }
}

/// Tools that compare an index with its heap compare it with the stub.
#[test]
fn checks_of_indexes_find_nothing_wrong() {
    let db = Db::new(server(), "bypass_amcheck");
    db.metrics();
    db.tier("2025-03-01");
    db.run("INSERT INTO m (id, ts, dev) VALUES (9000, '2025-01-10 00:30+00', 1)");
    let mut session = db.session();
    if session.batch_execute("CREATE EXTENSION amcheck").is_err() {
        return;
    }
    let check = "SELECT count(bt_index_parent_check(i.indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
        WHERE i.indrelid IN (SELECT relid FROM pg_partition_tree('m') WHERE isleaf) AND c.relam = 403";
    assert_ne!(one(&mut session, check), "0");
    exec(&mut session, "REINDEX TABLE m");
    exec(
        &mut session,
        &format!("REINDEX TABLE CONCURRENTLY {JANUARY}"),
    );
    assert_ne!(one(&mut session, check), "0");
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "2161");
}

/// Prepared transactions hold what they have done to a cold chunk.
#[test]
fn prepared_transactions_keep_or_undo_all_of_it() {
    let cluster = Cluster::builder()
        .set("max_prepared_transactions", "5")
        .set("max_worker_processes", "24")
        .start();
    let db = Db::new(&cluster, "bypass_prepared");
    db.metrics();
    db.tier("2025-03-01");
    let count = "SELECT count(*) FROM m";
    for (sql, rows, files) in [
        (
            "INSERT INTO m (id, ts, dev) VALUES (9000, '2025-01-10 00:30+00', 1)",
            "2161",
            "2",
        ),
        ("TRUNCATE strata_chunks.m_h1_20250101", "1416", "1"),
        ("DROP TABLE strata_chunks.m_h1_20250201", "744", "0"),
    ] {
        for end in ["ROLLBACK", "COMMIT"] {
            let mut session = db.session();
            exec(&mut session, "BEGIN");
            exec(&mut session, sql);
            exec(&mut session, "PREPARE TRANSACTION 'held'");
            drop(session);
            if sql.starts_with("INSERT") {
                assert_eq!(db.one(count), "2160");
                fails(
                    &mut db.session(),
                    &format!("SET lock_timeout = '200ms'; TRUNCATE {JANUARY}"),
                    "55P03",
                    &[],
                );
            }
            db.run(&format!("{end} PREPARED 'held'"));
        }
        assert_eq!(db.one(count), rows, "{sql}");
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_files"),
            files,
            "{sql}"
        );
    }
}
