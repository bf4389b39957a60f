//! Proof that downs work, and what has changed behind our back.

use crate::common::{Cluster, Db};
use crate::support::{database, exec, fails, one, register, rows, run, states};

const DOWNS: &str = "SELECT version, verdict FROM strata.migrate_verify_down()";

fn files(s: &mut postgres::Client) {
    register(
        s,
        &[
            (
                "01_good.up.sql",
                "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL DEFAULT 7, b varchar(10)); CREATE INDEX t_a ON t (a); INSERT INTO t VALUES (1, 1, 'x')",
            ),
            ("01_good.down.sql", "DROP TABLE t"),
            ("02_loses_not_null.up.sql", "ALTER TABLE t DROP COLUMN a"),
            (
                "02_loses_not_null.down.sql",
                "ALTER TABLE t ADD COLUMN a int DEFAULT 7; CREATE INDEX t_a ON t (a)",
            ),
            (
                "03_loses_default.up.sql",
                "ALTER TABLE t ADD COLUMN c int DEFAULT 3; ALTER TABLE t ALTER COLUMN c DROP DEFAULT; ALTER TABLE t ALTER COLUMN b SET DEFAULT 'b'",
            ),
            ("03_loses_default.down.sql", "ALTER TABLE t DROP COLUMN c"),
            (
                "04_leaves_index.up.sql",
                "CREATE TABLE u (x int); CREATE INDEX t_b ON t (b)",
            ),
            ("04_leaves_index.down.sql", "DROP TABLE u"),
            (
                "05_changes_type.up.sql",
                "ALTER TABLE t ALTER COLUMN b TYPE text",
            ),
            (
                "05_changes_type.down.sql",
                "ALTER TABLE t ALTER COLUMN b TYPE varchar(20)",
            ),
            ("06_does_nothing.up.sql", "CREATE TABLE v ()"),
            ("06_does_nothing.down.sql", "-- later"),
            ("07_fails.up.sql", "CREATE TABLE w ()"),
            ("07_fails.down.sql", "DROP TABLE ww"),
            ("08_missing.up.sql", "CREATE TABLE x ()"),
            (
                "09_rights.up.sql",
                "GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'read by all'",
            ),
            ("09_rights.down.sql", "REVOKE SELECT ON t FROM PUBLIC"),
            ("10_rows.up.sql", "INSERT INTO t (id) VALUES (2)"),
            ("10_rows.down.sql", "DELETE FROM t"),
            (
                "11_index.up.sql",
                "CREATE INDEX CONCURRENTLY t_d ON t (id, b)",
            ),
            ("11_index.down.sql", "DROP INDEX CONCURRENTLY t_d"),
        ],
    );
}

const VERDICTS: &str = "1|ok\n2|differs\n3|differs\n4|differs\n5|differs\n6|empty\n7|error\n8|missing\n9|ok\n10|ok\n11|ok";

#[test]
fn downs_that_do_not_restore_are_found_and_nothing_is_left() {
    let db = database("verify_down");
    let mut s = db.session();
    files(&mut s);
    let before = one(&mut s, "SELECT strata.migrate_fingerprint(acl => true)");
    let xid = "SELECT count(*) FROM strata.migrate_history()";
    assert_eq!(rows(&mut s, DOWNS), VERDICTS);
    assert_eq!(
        one(&mut s, "SELECT strata.migrate_fingerprint(acl => true)"),
        before
    );
    assert_eq!(one(&mut s, xid), "0");
    let told = "SELECT string_agg(d->>'change' || ' ' || (d->>'kind') || ' ' || (d->>'object'), ', ') FROM strata.migrate_verify_down(), jsonb_array_elements(differences) d WHERE version = '%'";
    assert!(one(&mut s, &told.replace('%', "2")).contains("changed column"));
    assert!(one(&mut s, &told.replace('%', "4")).contains("added index"));
    // a comment that stays is a note, and the verdict ok
    assert!(one(&mut s, &told.replace('%', "9")).contains("changed table"));
    let error = "SELECT error FROM strata.migrate_verify_down() WHERE version = '7'";
    assert!(one(&mut s, error).contains("07_fails.down.sql"));
    let with_rows = "SELECT version, verdict FROM strata.migrate_verify_down(check_rows => true) WHERE version IN ('1', '10')";
    assert_eq!(rows(&mut s, with_rows), "1|ok\n10|differs");
    assert_eq!(
        rows(
            &mut s,
            "SELECT version, verdict FROM strata.migrate_verify_down('2')"
        ),
        "1|ok\n2|differs"
    );
    fails(
        &mut s,
        "SELECT strata.migrate_verify_down('77')",
        "42704",
        &["77"],
    );
    // of those that are applied: down from the head and up again
    assert_eq!(
        run(&mut s, "migrate_up(target => '2')"),
        "1 applied, 2 applied"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT version, verdict FROM strata.migrate_verify_down('2')"
        ),
        "2|differs"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT version, verdict FROM strata.migrate_verify_down('1')"
        ),
        "1|ok\n2|differs"
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM t"), "1");
    assert!(states(&mut s).starts_with("1 applied, 2 applied, 3 pending"));
}

#[test]
fn ups_are_tried_twice_and_checked() {
    let db = database("verify_up");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE IF NOT EXISTS a (x int)"),
            ("1_a.verify.sql", "SELECT x FROM a WHERE false"),
            ("2_b.up.sql", "CREATE TABLE b (x int)"),
            ("3_c.up.sql", "CREATE OR REPLACE VIEW c AS SELECT 1 AS x"),
            (
                "3_c.verify.sql",
                "DO $$ BEGIN IF (SELECT x FROM c) <> 2 THEN RAISE 'not two'; END IF; END $$",
            ),
            ("4_d.up.sql", "SELECT broken"),
        ],
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT version, verdict, detail IS NULL FROM strata.migrate_verify_up()"
        ),
        "1|ok|t\n2|once|f\n3|failed|f\n4|error|f"
    );
    let detail = "SELECT detail FROM strata.migrate_verify_up() WHERE version = '3'";
    assert!(one(&mut s, detail).contains("not two"));
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NULL"), "t");
    assert_eq!(
        run(&mut s, "migrate_up(target => '2')"),
        "1 applied, 2 applied"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT version, verdict FROM strata.migrate_verify_up('1')"
        ),
        "1|ok"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT version, verdict FROM strata.migrate_verify_up('2')"
        ),
        "2|once"
    );
}

#[test]
fn what_was_changed_by_hand_is_told() {
    // chunks on demand
    let server = Cluster::builder().preload(true).start();
    let db = Db::new(&server, "drift");
    let mut s = db.session();
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE TABLE a (x int); CREATE TABLE h (ts timestamptz NOT NULL, v int)",
            ),
            ("2_b.up.sql", "CREATE TABLE b ()"),
        ],
    );
    let drift = "SELECT change, kind, object FROM strata.migrate_drift(%)";
    assert_eq!(rows(&mut s, &drift.replace('%', "")), "unknown|snapshot|");
    assert_eq!(run(&mut s, "migrate_up(steps => 1)"), "1 applied");
    assert_eq!(rows(&mut s, &drift.replace('%', "")), "");
    exec(
        &mut s,
        "ALTER TABLE a ADD COLUMN y text NOT NULL DEFAULT 'x'; CREATE INDEX by_hand ON a (x)",
    );
    let told = rows(&mut s, &drift.replace('%', ""));
    assert!(
        told.contains("added|column|")
            && told.contains("added|index|")
            && told.lines().count() == 2,
        "{told}"
    );
    exec(&mut s, "SELECT strata.migrate_snapshot('after the hand')");
    assert_eq!(rows(&mut s, &drift.replace('%', "")), "");
    assert_eq!(rows(&mut s, &drift.replace('%', "'1'")).lines().count(), 2);
    exec(&mut s, "DROP INDEX by_hand");
    assert!(rows(&mut s, &drift.replace('%', "'after the hand'")).starts_with("removed|index|"));
    fails(
        &mut s,
        "SELECT strata.migrate_drift('nothing')",
        "42704",
        &["nothing"],
    );
    // chunks come and go, rows do not count
    exec(
        &mut s,
        "SELECT strata.create_hypertable('h', 'ts'); SELECT strata.migrate_snapshot()",
    );
    exec(
        &mut s,
        "INSERT INTO h SELECT '2024-01-01'::timestamptz + n * interval '30 days', n FROM generate_series(1, 5) n; ANALYZE",
    );
    assert_eq!(rows(&mut s, &drift.replace('%', "")), "");
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(
        one(&mut s, "SELECT max(version) FROM strata.migrate_snap"),
        "2"
    );
    assert_eq!(rows(&mut s, &drift.replace('%', "")), "");
    let ids = "SELECT min(id) || ', ' || max(id) FROM strata.migrate_snap";
    let ids = one(&mut s, ids);
    let diff = rows(
        &mut s,
        &format!("SELECT change, kind FROM strata.migrate_diff({ids})"),
    );
    assert!(
        diff.contains("added|table") && diff.contains("added|column"),
        "{diff}"
    );
    // the newest ten are kept, and those that have a name
    for _ in 0..12 {
        exec(&mut s, "SELECT strata.migrate_snapshot()");
    }
    assert_eq!(
        rows(
            &mut s,
            "SELECT count(*), count(label) FROM strata.migrate_snap"
        ),
        "11|1"
    );
    let same = "SELECT strata.migrate_fingerprint() = strata.migrate_fingerprint(), strata.migrate_fingerprint(ARRAY['public']::name[]) <> strata.migrate_fingerprint('{}')";
    assert_eq!(rows(&mut s, same), "t|t");
}
