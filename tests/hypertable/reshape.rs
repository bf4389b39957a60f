//! split_chunk and merge_chunks: what others change while rows are copied is changed in the new chunks, too.

use crate::common::{Cluster, Db, arm, exec, fails, one, rows, wait_until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const POINT: &str = "hypertable.reshape.copied:sleep";

/// Rows that are equal to each other, without any key; with long texts, NULLs and a type without equality.
const TABLE: &str = "
CREATE TABLE t (gone int, k int NOT NULL, v int, j json, long text, g int GENERATED ALWAYS AS (v + 1) STORED);
ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ALTER long SET STORAGE EXTERNAL;
SELECT FROM strata.create_hypertable('t', strata.by_range('k', 1000));
SELECT strata.premake_chunks('t', 0, 3000);
INSERT INTO t (k, v, j, long) SELECT i % 3000, NULLIF(i % 5, 0), json_build_object('a', i % 2), CASE i % 500 WHEN 1 THEN repeat('x', 9000) END
  FROM generate_series(0, 11999) i;
INSERT INTO t (k, v, j) SELECT 1500, 7, '{}' FROM generate_series(1, 40);
CREATE TABLE twin AS SELECT * FROM t;";

/// Changes of both tables; the chunk from 1000 to 2000 is split at 1500 meanwhile.
const CHANGES: &[&str] = &[
    "DELETE FROM % WHERE k = 1100",
    // some of many rows that are equal
    "WITH a_few AS (SELECT ctid, tableoid FROM % WHERE k = 1500 AND v = 7 LIMIT 17) DELETE FROM % x USING a_few s WHERE (x.ctid, x.tableoid) = (s.ctid, s.tableoid)",
    "UPDATE % SET v = -1 WHERE k BETWEEN 1200 AND 1250",
    "UPDATE % SET v = v - 1 WHERE k BETWEEN 1200 AND 1225",
    // over the new boundary, and out of the chunk
    "UPDATE % SET k = k + 300 WHERE k BETWEEN 1400 AND 1450",
    "UPDATE % SET k = k + 900 WHERE k BETWEEN 1300 AND 1310",
    "UPDATE % SET j = '{\"b\": null}' WHERE k = 1600",
    "UPDATE % SET long = long || 'y' WHERE k BETWEEN 1001 AND 1999 AND long IS NOT NULL",
    "INSERT INTO % (k, v, j) SELECT 1000 + i, 8, '[]' FROM generate_series(0, 999) i",
    "INSERT INTO % (k, v) VALUES (1234, 4321)",
    "DELETE FROM % WHERE v = 4321",
];

const SAME: &str = "
SELECT count(*) FROM (
  (SELECT k, v, j::text, long, g FROM t EXCEPT ALL SELECT k, v, j::text, long, v + 1 FROM twin) UNION ALL
  (SELECT k, v, j::text, long, v + 1 FROM twin EXCEPT ALL SELECT k, v, j::text, long, g FROM t)) x";

fn table<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(TABLE);
    db
}

fn change(db: &Db) {
    let mut session = db.session();
    for sql in CHANGES {
        for name in ["t", "twin"] {
            exec(&mut session, &sql.replace('%', name));
        }
    }
}

/// Runs `call` and does `meanwhile` when the rows are copied.
fn during(db: &Db, call: &str, meanwhile: impl FnOnce()) {
    arm(db.cluster, POINT);
    thread::scope(|scope| {
        let work = scope.spawn(|| exec(&mut db.session(), call));
        wait_until("the copy is made", || {
            let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL strata.%' AND wait_event_type = 'Extension'";
            work.is_finished() || db.one(asleep) == "1"
        });
        // also when something fails: nobody may sleep for ever
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        arm(db.cluster, "");
        work.join().unwrap();
        if let Err(why) = done {
            std::panic::resume_unwind(why);
        }
    });
}

#[test]
fn changes_during_the_copy_are_made_in_the_new_chunks() {
    let cluster = Cluster::builder().start();
    for index in [true, false] {
        let db = table(&cluster, if index { "indexed" } else { "bare" });
        if !index {
            db.run("DROP INDEX t_k_idx");
        }
        during(
            &db,
            "CALL strata.split_chunk('strata_chunks.t_h1_1000', 1500)",
            || change(&db),
        );
        let mut session = db.session();
        assert_eq!(one(&mut session, SAME), "0");
        assert_eq!(
            rows(
                &mut session,
                "SELECT range_start_integer FROM strata.chunks WHERE range_start_integer < 3000 ORDER BY 1"
            ),
            "0\n1000\n1500\n2000"
        );
        // and back, with other changes
        let merge =
            "CALL strata.merge_chunks('strata_chunks.t_h1_1000', 'strata_chunks.t_h1_1500')";
        during(&db, merge, || change(&db));
        assert_eq!(one(&mut session, SAME), "0");
        // rows are found by index and without it
        exec(&mut session, "SET enable_seqscan = off");
        assert_eq!(one(&mut session, SAME), "0");
    }
}

#[test]
fn with_too_many_changes_all_is_copied_again() {
    let cluster = Cluster::builder().start();
    let db = table(&cluster, "again");
    during(
        &db,
        "CALL strata.split_chunk('strata_chunks.t_h1_1000', 1500)",
        || {
            for name in ["t", "twin"] {
                let all = format!("UPDATE {name} SET v = k; DELETE FROM {name} WHERE k % 3 = 0");
                for _ in 0..2 {
                    exec(&mut db.session(), &all);
                }
            }
        },
    );
    assert_eq!(db.one(SAME), "0");
}

#[test]
fn a_chunk_that_never_rests_is_left_alone_unless_it_is_small() {
    let cluster = Cluster::builder().start();
    let db = table(&cluster, "busy");
    db.run("INSERT INTO t (k) SELECT 1000 + i % 1000 FROM generate_series(1, 20000) i");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut session = db.session();
            while !stop.load(Ordering::Relaxed) {
                exec(
                    &mut session,
                    "UPDATE t SET v = v + 1 WHERE k BETWEEN 1000 AND 1999",
                );
            }
        });
        let mut session = db.session();
        exec(&mut session, "SET strata.move_limit = 0");
        let split = "CALL strata.split_chunk('strata_chunks.t_h1_1000', 1500)";
        fails(
            &mut session,
            split,
            "55000",
            &["too many rows were changed"],
        );
        assert_eq!(
            one(
                &mut session,
                "SELECT count(*) FROM pg_class WHERE relname LIKE 'strata\\_new%'"
            ),
            "0"
        );
        exec(&mut session, "RESET strata.move_limit");
        exec(&mut session, split);
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "32040");
    });
}
