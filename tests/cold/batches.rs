//! What the catalog knows about many cold chunks is read at once, and is never older than their locks.

use crate::common::wait_until;
use crate::support::{Armed, ColdDb, Db, FEBRUARY, HASH, arm, exec, one, server, wait_at};

#[test]
fn a_plan_reads_all_its_manifests_at_once() {
    let db = Db::new(server(), "batches_once");
    db.run(
        "CREATE TABLE d (id int, ts timestamptz NOT NULL, PRIMARY KEY (id, ts));
         INSERT INTO d SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 day' FROM generate_series(0, 11) g;
         SELECT FROM strata.create_hypertable('d', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
         CALL strata.tier_chunks('d', older_than => timestamptz '2025-01-13 00:00+00')",
    );
    assert_eq!(db.keys().len(), 12);
    let scans = "SELECT sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)) FROM pg_stat_xact_all_tables \
        WHERE schemaname = 'strata' AND relname = 'cold_file'";
    for sql in [
        "EXPLAIN SELECT FROM d",
        "EXPLAIN UPDATE d SET id = 0 WHERE id = 20",
        "EXPLAIN SELECT FROM d a JOIN d b USING (ts)",
    ] {
        let mut session = db.session();
        exec(&mut session, "BEGIN");
        exec(&mut session, sql);
        let found: i64 = one(&mut session, scans).parse().expect("a number");
        assert!((1..=12).contains(&found), "{found} scans: {sql}");
        // and once only
        exec(&mut session, sql);
        assert_eq!(one(&mut session, scans), found.to_string(), "{sql}");
    }
    let mut session = db.session();
    assert_eq!(
        one(&mut session, "SELECT count(*) || ' ' || sum(id) FROM d"),
        "12 66"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM d a JOIN d b USING (id) JOIN d c ON c.id = b.id"
        ),
        "12"
    );
}

/// A reader has read the states of all chunks of its plan, but holds a lock on the first one only. A merge replaces
/// the file of another one, takes its late rows away, and says so while the reader is still at it.
#[test]
fn states_that_change_while_they_are_read_are_not_used() {
    let armed = Armed::new();
    let cluster = armed.take();
    let db = Db::new(&cluster, "batches_race");
    db.metrics();
    db.tier("2025-03-01");
    db.run("INSERT INTO m SELECT 9000 + g, '2025-02-20 00:30+00', 1 FROM generate_series(1, 50) g");
    let hash = db.hash();
    let mut session = db.session();
    let generation =
        format!("SELECT generation FROM strata.cold_file WHERE chunk = '{FEBRUARY}'::regclass");
    let mut reader = db.session();
    let pid = one(&mut reader, "SELECT pg_backend_pid()");
    arm(
        &cluster,
        "cold.export.swapping:sleep, cold.states.read:sleep",
    );
    exec(
        &mut session,
        &format!("SELECT strata.tier_chunk('{FEBRUARY}')"),
    );
    wait_at(&mut session, "swap");
    assert_eq!(one(&mut session, &generation), "1");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| {
            let first = one(&mut reader, HASH);
            (first, one(&mut reader, HASH))
        });
        wait_until("the reader rests", || {
            let sql =
                format!("SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = {pid}");
            one(&mut session, &sql) == "t"
        });
        arm(&cluster, "cold.states.read:sleep");
        wait_until("the file is replaced", || {
            one(&mut session, &generation) == "2"
        });
        arm(&cluster, "");
        let (first, second) = answer.join().expect("an answer");
        assert_eq!(first, hash);
        assert_eq!(second, hash);
    });
    assert_eq!(db.hash(), hash);
}
