//! What only newer servers have: constraints that older ones lack, virtual columns.

use crate::common::{Cluster, Db, PgConfig, exec, fails, one, rows};

/// A server, if it is new enough.
fn server(major: u32) -> Option<Cluster> {
    let found = PgConfig::get().major;
    if found < major {
        println!("left out: this is PostgreSQL {found}, not {major}");
        return None;
    }
    Some(Cluster::builder().preload(true).start())
}

#[test]
fn not_null_constraints_keep_their_names_and_reach_chunks() {
    let Some(cluster) = server(18) else { return };
    let db = Db::new(&cluster, "names");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE t (id int CONSTRAINT id_is_there NOT NULL, ts timestamptz CONSTRAINT ts_is_there NOT NULL, note text, PRIMARY KEY (id, ts));
         COMMENT ON CONSTRAINT id_is_there ON t IS 'kept';
         ALTER TABLE t ADD CONSTRAINT note_is_there NOT NULL note NOT VALID;
         ALTER TABLE t ADD CONSTRAINT id_small CHECK (id < 5) NOT ENFORCED;
         INSERT INTO t SELECT g, timestamptz '2025-01-01 00:00+00' + g * interval '1 day', 'x' FROM generate_series(1, 40) g",
    );
    let make = "SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)";
    let error = fails(&mut session, make, "0A000", &["cannot become a hypertable"]);
    let detail = error.detail().expect("the blockers");
    assert!(
        detail.contains("\"note_is_there\" is NOT VALID: ALTER TABLE ... VALIDATE CONSTRAINT")
            && detail.contains("\"id_small\" is NOT ENFORCED: ALTER TABLE ... DROP CONSTRAINT")
            && !detail.contains("\"id_small\" is NOT VALID"),
        "{detail}"
    );
    exec(
        &mut session,
        "ALTER TABLE t VALIDATE CONSTRAINT note_is_there, DROP CONSTRAINT id_small",
    );
    exec(&mut session, make);
    exec(
        &mut session,
        "SELECT strata.premake_chunks('t', '2030-01-01 00:00+00', '2030-01-02 00:00+00')",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT conname, count(*), count(*) FILTER (WHERE coninhcount = 1 AND NOT conislocal), min(obj_description(oid, 'pg_constraint'))
             FROM pg_constraint WHERE contype = 'n' AND conrelid IN (SELECT relid FROM pg_partition_tree('t')) GROUP BY 1 ORDER BY 1"
        ),
        rows(
            &mut session,
            "WITH c AS (SELECT count(*) AS n FROM pg_partition_tree('t'))
             SELECT name, n, n - 1, comment FROM c, (VALUES ('id_is_there', 'kept'), ('note_is_there', NULL), ('ts_is_there', NULL)) v(name, comment)"
        )
    );
    let missing = "INSERT INTO t VALUES (1, '2030-01-01 05:00+00', NULL)";
    fails(&mut session, missing, "23502", &["note"]);
    exec(
        &mut session,
        "ALTER TABLE t DROP CONSTRAINT note_is_there; INSERT INTO t VALUES (1, '2030-01-01 05:00+00', NULL)",
    );
}

#[test]
fn virtual_columns_are_computed_for_hot_and_cold_rows() {
    let Some(cluster) = server(18) else { return };
    let db = Db::new(&cluster, "virtual");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE t (id int, ts timestamptz, a int, s int GENERATED ALWAYS AS (a * 2) STORED, v int GENERATED ALWAYS AS (a * 3) VIRTUAL, PRIMARY KEY (id, ts));
         INSERT INTO t SELECT g, timestamptz '2025-01-01 00:00+00' + g * interval '1 hour', g FROM generate_series(1, 1000) g;
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)",
    );
    let sums = "SELECT sum(a) || ' ' || sum(s) || ' ' || sum(v) || ' ' || count(*) FILTER (WHERE v > 90) FROM t";
    assert_eq!(one(&mut session, sums), "500500 1001000 1501500 970");
    db.run("CALL strata.tier_chunks('t', older_than => timestamptz '2025-02-01 00:00+00')");
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM strata.cold_files"),
        "1"
    );
    assert_eq!(one(&mut session, sums), "500500 1001000 1501500 970");
    // over rows that were written before it was there, too
    exec(
        &mut session,
        "ALTER TABLE t ADD COLUMN w int GENERATED ALWAYS AS (a + id) VIRTUAL; ALTER TABLE t ALTER COLUMN v SET EXPRESSION AS (a * 4)",
    );
    let sums = "SELECT sum(v) || ' ' || sum(w) FROM t";
    assert_eq!(one(&mut session, sums), "2002000 1001000");
    db.run("CALL strata.untier_chunks('t')");
    assert_eq!(one(&mut session, sums), "2002000 1001000");
}
