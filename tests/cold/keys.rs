//! With PRIMARY KEY (id, ts) and 2 of 3 chunks cold: keys, foreign keys, new sessions, a lost library.

use crate::common::Cluster;
use crate::support::{
    ColdDb, Db, FEBRUARY, JANUARY, chunk_state, exec, fails, force_parallel, one, rows, server,
};

/// Everything that pg_index and pg_constraint say about the table and its chunks.
const INDEXES: &str = "SELECT string_agg(i::text, E'\\n' ORDER BY i.indexrelid) FROM pg_index i \
    WHERE i.indrelid IN (SELECT relid FROM pg_partition_tree('m'))";
const CONSTRAINTS: &str = "SELECT string_agg(c::text, E'\\n' ORDER BY c.oid) FROM pg_constraint c \
    WHERE c.conrelid IN (SELECT relid FROM pg_partition_tree('m'))";

fn two_of_three<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    db.tier("2025-03-01");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_files"), "2");
    db
}

#[test]
fn tiering_leaves_indexes_and_constraints_alone() {
    let db = Db::new(server(), "keys_catalog");
    db.metrics();
    let (indexes, constraints, hash) = (db.one(INDEXES), db.one(CONSTRAINTS), db.hash());
    assert!(indexes.lines().count() >= 6, "{indexes}");
    db.tier("2025-03-01");
    let mut session = db.session();
    assert_eq!(chunk_state(&mut session, JANUARY), "live");
    assert_eq!(chunk_state(&mut session, FEBRUARY), "live");
    assert_eq!(db.one(INDEXES), indexes);
    assert_eq!(db.one(CONSTRAINTS), constraints);
    assert_eq!(db.hash(), hash);
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(db.one(INDEXES), indexes);
    assert_eq!(db.hash(), hash);
    // the indexes of the new heap are usable and complete
    assert_eq!(
        db.one("SET enable_seqscan = off; SELECT count(*) FROM m WHERE dev = 3 AND ts < '2025-02-01 00:00+00'"),
        db.one("SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM m WHERE dev = 3 AND ts < '2025-02-01 00:00+00'")
    );
}

#[test]
fn on_conflict_works_on_hot_rows() {
    let db = two_of_three(server(), "keys_conflict");
    let mut session = db.session();
    let upsert = "INSERT INTO m VALUES (5000, '2025-03-25 08:00+00', 1, 1, 'first') \
        ON CONFLICT (id, ts) DO UPDATE SET note = excluded.note || '!', val = m.val + 1 RETURNING note || ' ' || val";
    assert_eq!(
        one(
            &mut session,
            "SELECT note || ' ' || val FROM m WHERE id = 5000"
        ),
        ""
    );
    let before = one(&mut session, "SELECT count(id + 0) FROM m");
    assert_eq!(one(&mut session, upsert), "first 1");
    assert_eq!(one(&mut session, upsert), "first! 2");
    exec(
        &mut session,
        "INSERT INTO m VALUES (5000, '2025-03-25 08:00+00', 1, 1, 'third') ON CONFLICT DO NOTHING",
    );
    let after: i64 = one(&mut session, "SELECT count(id + 0) FROM m")
        .parse()
        .unwrap();
    assert_eq!(after, before.parse::<i64>().unwrap() + 1);
    fails(
        &mut session,
        "INSERT INTO m VALUES (5000, '2025-03-25 08:00+00', 1, 1, 'x')",
        "23505",
        &["m_h1_20250301_pkey"],
    );
}

#[test]
fn foreign_keys_into_cold_rows_hold_both_ways() {
    let db = two_of_three(server(), "keys_into");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE child (n int PRIMARY KEY, id bigint, ts timestamptz, \
        FOREIGN KEY (id, ts) REFERENCES m (id, ts) ON DELETE CASCADE)",
    );
    exec(
        &mut session,
        "INSERT INTO child VALUES (1, 5, '2025-01-01 05:00+00'); \
        INSERT INTO child SELECT 2, id, ts FROM m WHERE id = 2000",
    );
    // a missing row in a cold range, and one beside a row that is there
    for row in [
        "(3, 5, '2025-01-01 06:00+00')",
        "(3, 999999, '2025-02-02 00:00+00')",
    ] {
        fails(
            &mut session,
            &format!("INSERT INTO child VALUES {row}"),
            "23503",
            &["child_id_ts_fkey"],
        );
    }
    fails(
        &mut session,
        "DELETE FROM m WHERE id = 5",
        "55000",
        &["m_h1_20250101"],
    );
    // hot rows may go, and take their children along
    exec(&mut session, "DELETE FROM m WHERE id = 2000");
    assert_eq!(rows(&mut session, "SELECT n FROM child"), "1");
    // a constraint that is added later looks into the files too
    exec(
        &mut session,
        "CREATE TABLE late (id bigint, ts timestamptz); \
        INSERT INTO late SELECT id, ts FROM m WHERE id < 10; \
        ALTER TABLE late ADD FOREIGN KEY (id, ts) REFERENCES m (id, ts)",
    );
    exec(
        &mut session,
        "CREATE TABLE wrong (id bigint, ts timestamptz); INSERT INTO wrong VALUES (5, '2025-01-01 06:00+00')",
    );
    fails(
        &mut session,
        "ALTER TABLE wrong ADD FOREIGN KEY (id, ts) REFERENCES m (id, ts)",
        "23503",
        &["wrong_id_ts_fkey"],
    );
    fails(
        &mut session,
        &format!("ALTER TABLE m DETACH PARTITION {JANUARY}"),
        "23503",
        &[],
    );
}

#[test]
fn foreign_keys_out_of_cold_rows_hold() {
    let db = Db::new(server(), "keys_out");
    db.metrics();
    db.run("CREATE TABLE device (dev int PRIMARY KEY, name text); INSERT INTO device SELECT g, 'd' || g FROM generate_series(0, 99) g;
        UPDATE m SET dev = 50 WHERE id = 7; UPDATE m SET dev = 51 WHERE id = 2100;
        ALTER TABLE m ADD FOREIGN KEY (dev) REFERENCES device");
    db.tier("2025-03-01");
    let mut session = db.session();
    fails(
        &mut session,
        "DELETE FROM device WHERE dev = 50",
        "23503",
        &["m_dev_fkey"],
    );
    fails(
        &mut session,
        "DELETE FROM device WHERE dev = 51",
        "23503",
        &["m_dev_fkey"],
    );
    fails(
        &mut session,
        "UPDATE device SET dev = 500 WHERE dev = 50",
        "23503",
        &["m_dev_fkey"],
    );
    exec(&mut session, "DELETE FROM device WHERE dev = 99");
    // a new constraint is checked against cold rows: only one of them breaks it
    exec(
        &mut session,
        "ALTER TABLE m DROP CONSTRAINT m_dev_fkey; DELETE FROM device WHERE dev = 50",
    );
    let error = fails(
        &mut session,
        "ALTER TABLE m ADD FOREIGN KEY (dev) REFERENCES device",
        "23503",
        &[],
    );
    assert!(
        error.detail().unwrap_or_default().contains("(50)"),
        "{error:?}"
    );
    exec(
        &mut session,
        "INSERT INTO device VALUES (50, 'again'); ALTER TABLE m ADD FOREIGN KEY (dev) REFERENCES device",
    );
    // cascades reach a cold row only when it is there
    exec(
        &mut session,
        "ALTER TABLE m DROP CONSTRAINT m_dev_fkey; \
        ALTER TABLE m ADD FOREIGN KEY (dev) REFERENCES device ON DELETE CASCADE",
    );
    exec(&mut session, "DELETE FROM device WHERE dev = 51");
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "2159");
    fails(
        &mut session,
        "DELETE FROM device WHERE dev = 50",
        "55000",
        &["m_h1_20250101"],
    );
}

#[test]
fn new_session_answers_completely() {
    let db = two_of_three(server(), "keys_session");
    let hash = db.hash();
    for _ in 0..3 {
        // nothing preloaded, nothing said before
        assert_eq!(
            one(&mut db.session(), "SELECT count(id + 0) FROM m"),
            "2160"
        );
    }
    assert_eq!(
        one(&mut db.session(), "SELECT note FROM m WHERE id = 5"),
        "n5"
    );
    assert_eq!(
        one(
            &mut db.session(),
            &format!("SELECT count(id + 0) FROM {JANUARY}")
        ),
        "744"
    );
    assert_eq!(
        db.run("SET strata.cold_pushdown = off; SELECT count(*) FROM m WHERE dev = 1"),
        db.run("SELECT count(*) FROM m WHERE dev = 1")
    );
    // parallel workers load the library by themselves
    let parallel = format!(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; \
        SET max_parallel_workers_per_gather = 2; {};",
        force_parallel()
    );
    assert_eq!(
        db.run(&format!("{parallel} SELECT count(*), sum(id) FROM m")),
        "2160|2331720"
    );
    assert_eq!(db.hash(), hash);
}

#[test]
fn with_preload_it_is_the_same() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "keys_preload");
    db.metrics();
    let hash = db.hash();
    db.tier("2025-03-01");
    assert_eq!(db.hash(), hash);
    db.run("CALL strata.untier_chunks('m')");
    assert_eq!(db.hash(), hash);
    db.tier("2025-03-01");
    let mut session = db.session();
    fails(
        &mut session,
        "UPDATE m SET note = 'x' WHERE id = 5",
        "55000",
        &["m_h1_20250101"],
    );
    assert_eq!(db.hash(), hash);
}

/// The library is looked for under another name, in this database only: other tests go on.
#[test]
fn lost_library_is_an_error_and_never_fewer_rows() {
    let db = two_of_three(server(), "keys_lost");
    let hash = db.hash();
    let rename = |from: &str, to: &str| {
        db.run(&format!(
            "UPDATE pg_proc SET probin = replace(probin, '{from}', '{to}') WHERE probin LIKE '%{from}'"
        ))
    };
    rename("pg_strata", "pg_strata_lost");
    let mut session = db.session();
    for sql in [
        "SELECT count(id + 0) FROM m",
        "SELECT * FROM m WHERE id = 5",
        "SELECT max(ts) FROM m WHERE ts < '2025-02-10'",
        "SELECT count(id + 0) FROM strata_chunks.m_h1_20250101",
        "COPY (SELECT * FROM m) TO STDOUT",
        "DELETE FROM m",
        "INSERT INTO m VALUES (1, '2025-01-20 00:00+00', 1)",
    ] {
        fails(&mut session, sql, "58P01", &["pg_strata_lost"]);
    }
    rename("pg_strata_lost", "pg_strata");
    assert_eq!(db.hash(), hash);
}
