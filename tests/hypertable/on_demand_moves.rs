//! Rows whose chunk nobody can tell before they are written: moved by triggers, by a second look after
//! another session changed them first, or by volatile expressions of a MERGE.

use super::on_demand::{MADE, no_leaks};
use super::on_demand_concurrent::{background, waits_for_a_lock};
use crate::common::{Cluster, Db, PgConfig, exec, fails, one, rows};
use postgres::Client;
use std::sync::LazyLock;

static SERVER: LazyLock<Cluster> = LazyLock::new(super::on_demand::cluster);

/// Chunks of ten numbers, and nothing ahead of them.
fn numbers(session: &mut Client, key: &str) {
    exec(
        session,
        &format!(
            "CREATE TABLE m (id int, k {key} NOT NULL, v int, note text);
             SELECT FROM strata.create_hypertable('m', strata.by_range('k', 10::{key}), create_default_indexes => false);
             SELECT FROM strata.alter_hypertable('m', premake => 0)"
        ),
    );
}

#[test]
fn a_volatile_key_of_a_merge_is_asked_once_and_gets_its_chunk() {
    let db = Db::new(&SERVER, "fickle");
    let mut session = db.session();
    numbers(&mut session, "bigint");
    exec(&mut session, "CREATE SEQUENCE s START 1001 INCREMENT 10");
    let merge = "MERGE INTO m USING generate_series(1, 5) g ON m.id = g
                 WHEN NOT MATCHED AND g < 5 THEN INSERT (id, k) VALUES (g, nextval('s'))
                 WHEN NOT MATCHED THEN INSERT (id, k) VALUES (g, 7777)";
    exec(&mut session, merge);
    let keys = "SELECT string_agg(k::text, ' ' ORDER BY k) FROM m";
    assert_eq!(one(&mut session, keys), "1001 1011 1021 1031 7777");
    assert_eq!(one(&mut session, "SELECT last_value FROM s"), "1031");
    assert_eq!(
        one(&mut session, MADE),
        "5",
        "no chunk that no row asked for"
    );
    // the same for rows that move
    exec(
        &mut session,
        "SELECT setval('s', 2001);
         MERGE INTO m USING generate_series(1, 3) g ON m.id = g WHEN MATCHED AND m.k < 2000 THEN UPDATE SET k = nextval('s')",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT min(k), max(k), count(*) FROM m WHERE id <= 3"
        ),
        "2011|2031|3"
    );
    assert_eq!(one(&mut session, "SELECT last_value FROM s"), "2031");
    assert_eq!(one(&mut session, MADE), "8");
    // and hidden in a subquery
    exec(
        &mut session,
        "MERGE INTO m USING generate_series(11, 12) g ON m.id = g
           WHEN NOT MATCHED THEN INSERT (id, k) VALUES (g, (SELECT nextval('s') WHERE g > 0))",
    );
    assert_eq!(one(&mut session, "SELECT last_value FROM s"), "2051");
    assert_eq!(one(&mut session, MADE), "10");
    no_leaks(&SERVER);
}

#[test]
fn a_volatile_condition_of_a_merge_is_asked_once_for_each_row() {
    let db = Db::new(&SERVER, "counted");
    let mut session = db.session();
    numbers(&mut session, "int");
    exec(
        &mut session,
        "CREATE TABLE calls (g int);
         CREATE FUNCTION asked(g int) RETURNS bool LANGUAGE plpgsql VOLATILE AS
           $$ BEGIN INSERT INTO calls VALUES (g); RETURN g % 2 = 0; END $$;
         MERGE INTO m USING generate_series(1, 6) g ON m.id = g
           WHEN NOT MATCHED AND asked(g) THEN INSERT (id, k) VALUES (g, g * 100)
           WHEN NOT MATCHED AND g = 5 THEN INSERT (id, k) VALUES (g, 50)",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(g::text, ' ' ORDER BY g) FROM calls"
        ),
        "1 2 3 4 5 6"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(k::text, ' ' ORDER BY k) FROM m"
        ),
        "50 200 400 600"
    );
    assert_eq!(
        one(&mut session, MADE),
        "4",
        "no chunk that no row asked for"
    );
}

#[test]
fn volatile_keys_in_the_transaction_that_made_the_table() {
    let db = Db::new(&SERVER, "fickle_own");
    let mut session = db.session();
    exec(&mut session, "BEGIN");
    exec(
        &mut session,
        "CREATE TABLE m (id int, k timestamptz NOT NULL);
         SELECT FROM strata.create_hypertable('m', strata.by_range('k', interval '1 day'));
         SELECT FROM strata.alter_hypertable('m', premake => 0);
         MERGE INTO m USING generate_series(1, 3) g ON m.id = g
           WHEN NOT MATCHED THEN INSERT VALUES (g, clock_timestamp() + interval '400 days')",
    );
    exec(&mut session, "COMMIT");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM m WHERE k > now() + interval '399 days'"
        ),
        "3"
    );
}

#[test]
fn a_trigger_may_move_an_updated_row_into_a_missing_chunk() {
    let db = Db::new(&SERVER, "moved_by_trigger");
    let mut session = db.session();
    numbers(&mut session, "int");
    exec(
        &mut session,
        "CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF new.v > 0 THEN new.k := new.k + new.v; END IF; RETURN new; END $$;
         CREATE TRIGGER move BEFORE UPDATE ON m FOR EACH ROW EXECUTE FUNCTION move();
         INSERT INTO m VALUES (1, 1), (2, 2), (3, 3)",
    );
    // the statement does not name the key
    exec(&mut session, "UPDATE m SET v = 100 WHERE id < 3");
    // it names the key, and the trigger goes on from there
    exec(
        &mut session,
        "UPDATE m SET k = k + 1000, v = 5000 WHERE id = 2",
    );
    exec(
        &mut session,
        "MERGE INTO m USING (VALUES (3, 700)) x (id, by) ON m.id = x.id WHEN MATCHED THEN UPDATE SET v = x.by",
    );
    let found = rows(&mut session, "SELECT id, k FROM m ORDER BY id");
    assert_eq!(found, "1|101\n2|6102\n3|703");
    assert_eq!(one(&mut session, MADE), "4");
    // many in one statement, each into a chunk of its own, and some that stay
    exec(
        &mut session,
        "INSERT INTO m SELECT i, 50000 FROM generate_series(100, 139) i;
         UPDATE m SET v = CASE WHEN id % 2 = 0 THEN id * 10 ELSE 0 END WHERE id >= 100",
    );
    let spread =
        "SELECT count(*), count(DISTINCT tableoid), count(DISTINCT k) FROM m WHERE id >= 100";
    assert_eq!(rows(&mut session, spread), "40|21|21");
    // the guards hold here, too
    exec(
        &mut session,
        "SELECT FROM strata.alter_hypertable('m', max_chunks_per_statement => 2)",
    );
    fails(
        &mut session,
        "UPDATE m SET v = id * 100 WHERE id >= 130",
        "54000",
        &["max_chunks_per_statement"],
    );
    // nothing can be made while the table is open and changed by this very transaction
    exec(&mut session, "BEGIN; ALTER TABLE m ADD COLUMN extra int");
    let error = fails(
        &mut session,
        "UPDATE m SET v = 9000 WHERE id = 1",
        "55000",
        &["inside this statement"],
    );
    assert!(
        error.hint().unwrap_or_default().contains("premake_chunks"),
        "{error:?}"
    );
    exec(&mut session, "ROLLBACK");
    no_leaks(&SERVER);
}

#[test]
fn a_row_that_another_session_changed_first_moves_where_its_new_values_say() {
    let db = Db::new(&SERVER, "second_look");
    let mut session = db.session();
    numbers(&mut session, "int");
    exec(
        &mut session,
        "INSERT INTO m SELECT i, i, 0 FROM generate_series(1, 4) i",
    );
    let mut watch = db.session();
    for (id, statement, at) in [
        (1, "UPDATE m SET k = k + v WHERE id = 1", "1001"),
        (
            2,
            "MERGE INTO m USING (VALUES (2)) x (id) ON m.id = x.id WHEN MATCHED THEN UPDATE SET k = m.k + m.v",
            "2002",
        ),
    ] {
        exec(
            &mut session,
            &format!("BEGIN; UPDATE m SET v = {id}000 WHERE id = {id}"),
        );
        let other = background(&db, statement);
        waits_for_a_lock(&mut watch, &statement[..9]);
        exec(&mut session, "COMMIT");
        assert_eq!(other.join().unwrap(), Ok(String::new()), "{statement}");
        assert_eq!(
            one(&mut watch, &format!("SELECT k FROM m WHERE id = {id}")),
            at
        );
    }
    // the row is gone when its turn comes: MERGE inserts another one
    exec(&mut session, "BEGIN; DELETE FROM m WHERE id = 3");
    let merge = "MERGE INTO m USING (VALUES (3)) x (id) ON m.id = x.id
                 WHEN MATCHED THEN UPDATE SET v = 1 WHEN NOT MATCHED THEN INSERT (id, k) VALUES (x.id, 3333)";
    let other = background(&db, merge);
    waits_for_a_lock(&mut watch, "MERGE");
    exec(&mut session, "COMMIT");
    assert_eq!(other.join().unwrap(), Ok(String::new()));
    assert_eq!(one(&mut watch, "SELECT k FROM m WHERE id = 3"), "3333");
    no_leaks(&SERVER);
}

#[test]
fn returning_and_explain_of_rows_that_moved_late() {
    let db = Db::new(&SERVER, "late_returning");
    let mut session = db.session();
    numbers(&mut session, "int");
    exec(
        &mut session,
        "CREATE SEQUENCE s INCREMENT 10; INSERT INTO m VALUES (1, 1);
         CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.k := nextval('s') + 100; RETURN new; END $$;
         CREATE TRIGGER move BEFORE UPDATE ON m FOR EACH ROW EXECUTE FUNCTION move()",
    );
    let moved = "UPDATE m SET v = 1 RETURNING id, k, tableoid::regclass::text LIKE '%_100'";
    assert_eq!(rows(&mut session, moved), "1|101|t");
    let explained = rows(
        &mut session,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE m SET v = 2",
    );
    assert!(explained.contains("Chunks Created: 1"), "{explained}");
    if PgConfig::get().major >= 17 {
        let merged = "MERGE INTO m USING generate_series(5, 6) g ON m.id = g
                      WHEN NOT MATCHED THEN INSERT (id, k) VALUES (g, nextval('s') * 10)
                      WHEN NOT MATCHED BY SOURCE THEN UPDATE SET v = 7
                      RETURNING merge_action(), m.id, m.k";
        assert_eq!(rows(&mut session, merged).lines().count(), 3);
        assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "3");
    }
}

#[test]
fn parts_of_a_statement_share_the_chunks_that_one_of_them_made() {
    let db = Db::new(&SERVER, "parts");
    let mut session = db.session();
    numbers(&mut session, "int");
    exec(&mut session, "INSERT INTO m VALUES (1, 101), (2, 201)");
    // the last part sees the rows of the first ones, and writes to their new chunks and to others
    exec(
        &mut session,
        "WITH a AS (INSERT INTO m SELECT g, 1000 + g * 10 FROM generate_series(1, 5) g RETURNING id, k),
              b AS (UPDATE m SET k = k + 2000 WHERE id <= 2 AND k < 1000 RETURNING id, k)
         INSERT INTO m SELECT id + 100, k + 1 FROM a UNION ALL SELECT id + 200, k + 1 FROM b UNION ALL SELECT 300, 5000",
    );
    let found = "SELECT string_agg(k::text, ' ' ORDER BY k) FROM m";
    assert_eq!(
        one(&mut session, found),
        "1010 1011 1020 1021 1030 1031 1040 1041 1050 1051 2101 2102 2201 2202 5000"
    );
    assert_eq!(one(&mut session, MADE), "10");
    // a sequence counts in the order of a table whose chunks are there
    exec(
        &mut session,
        "CREATE SEQUENCE s; ALTER TABLE m ALTER COLUMN v SET DEFAULT nextval('s')",
    );
    exec(
        &mut session,
        "WITH a AS (INSERT INTO m (k) SELECT 9000 + g * 10 FROM generate_series(1, 5) g RETURNING k)
         INSERT INTO m (k) SELECT k + 1000 FROM a",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(v::text, ' ' ORDER BY k) FROM m WHERE k > 9000"
        ),
        "1 3 5 7 9 2 4 6 8 10"
    );
    // one part moves rows into chunks that another one made
    exec(
        &mut session,
        "WITH a AS (INSERT INTO m SELECT g, 7000 + g * 10 FROM generate_series(1, 3) g RETURNING k)
         UPDATE m SET k = a.k + 1 FROM a WHERE m.id = 300 AND a.k = 7030",
    );
    assert_eq!(one(&mut session, "SELECT k FROM m WHERE id = 300"), "7031");
    no_leaks(&SERVER);
}
