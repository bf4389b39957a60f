//! Chunks made after the table was changed, and statements of very many rows.

use super::on_demand::{MADE, cluster, no_leaks};
use crate::common::{Cluster, Db, exec, fails, one, rows, wait_until};

#[test]
fn what_the_table_gained_and_lost_holds_for_chunks_made_later() {
    let cluster = cluster();
    let db = Db::new(&cluster, "later");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE place (id int PRIMARY KEY); INSERT INTO place VALUES (1), (2);
         CREATE TABLE seen (what text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO seen VALUES (concat_ws(' ', tg_op, tg_when, new.a, new.double)); RETURN new; END $$;
         CREATE TABLE m (gone text, ts timestamptz NOT NULL, a int, also_gone int);
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 day'), create_default_indexes => false);
         INSERT INTO m VALUES ('x', '2024-01-01', 1, 1);
         ALTER TABLE m DROP COLUMN gone, DROP COLUMN also_gone;
         INSERT INTO m VALUES ('2024-01-02', 2);
         ALTER TABLE m ADD COLUMN id serial, ADD COLUMN place int DEFAULT 1 REFERENCES place,
           ADD COLUMN double int GENERATED ALWAYS AS (a * 2) STORED, ADD CONSTRAINT small CHECK (a < 100);
         CREATE UNIQUE INDEX ON m (a, ts);
         CREATE TRIGGER after_row AFTER INSERT ON m FOR EACH ROW EXECUTE FUNCTION note();
         INSERT INTO m VALUES ('2024-01-01', 3), ('2024-01-02', 4), ('2024-01-03', 5);
         UPDATE m SET ts = ts + interval '10 days' WHERE a < 3",
    );
    let copy = "COPY m (a, ts) FROM PROGRAM 'printf \"6\t2024-01-02\n7\t2024-02-02\n\"'";
    exec(&mut s, copy);
    assert_eq!(
        rows(
            &mut s,
            "SELECT a, id, place, double, to_char(ts, 'MMDD') = right(tableoid::regclass::text, 4) FROM m ORDER BY a"
        ),
        "1|1|1|2|t\n2|2|1|4|t\n3|3|1|6|t\n4|4|1|8|t\n5|5|1|10|t\n6|6|1|12|t\n7|7|1|14|t"
    );
    // the rows that moved count as inserted
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(what, ', ' ORDER BY what) FROM seen"
        ),
        "INSERT AFTER 1 2, INSERT AFTER 2 4, INSERT AFTER 3 6, INSERT AFTER 4 8, INSERT AFTER 5 10, INSERT AFTER 6 12, INSERT AFTER 7 14"
    );
    for day in ["2024-01-02", "2024-05-05"] {
        let row = |rest: &str| format!("INSERT INTO m (ts, a, place) VALUES ('{day}', {rest})");
        fails(&mut s, &row("100, 1"), "23514", &["small"]);
        fails(&mut s, &row("50, 3"), "23503", &["place"]);
        exec(&mut s, &row("50, 2"));
        fails(&mut s, &row("50, 2"), "23505", &["duplicate key"]);
    }
    fails(&mut s, "DELETE FROM place WHERE id = 2", "23503", &[]);
    no_leaks(&cluster);
}

/// The worker sleeps for an hour: what it makes it was told of, and it sees only what is committed.
#[test]
fn a_row_in_the_newest_chunk_of_any_table_calls_for_the_next_ones() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "24")
        .set("strata.worker_interval", "3600s")
        .start();
    let db = Db::new(&cluster, "ahead");
    let mut s = db.session();
    for table in ["a", "b"] {
        exec(
            &mut s,
            &format!(
                "CREATE TABLE {table} (ts timestamptz NOT NULL);
                 SELECT FROM strata.create_hypertable('{table}', strata.by_range('ts', interval '1 day'))"
            ),
        );
    }
    exec(
        &mut s,
        "BEGIN; INSERT INTO a VALUES (now() + interval '10 days'); INSERT INTO b VALUES (now() + interval '10 days')",
    );
    exec(&mut s, "COMMIT");
    wait_until("two chunks lie ahead of each table", || {
        one(
            &mut s,
            "SELECT count(*) FILTER (WHERE n >= 2) FROM (SELECT count(*) n FROM strata.chunks
             WHERE range_start > now() + interval '10 days' GROUP BY hypertable_name) x",
        ) == "2"
    });
}

/// The memory of a backend that is its own, in megabytes.
#[cfg(target_os = "linux")]
fn memory(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

/// Ten million rows take the same: measured by hand.
#[test]
#[cfg(target_os = "linux")]
fn an_insert_of_many_rows_shuffled_over_missing_chunks_takes_little_memory() {
    let cluster = cluster();
    let db = Db::new(&cluster, "many_rows");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE m (k int NOT NULL, v int); SELECT FROM strata.create_hypertable('m', strata.by_range('k', 10));
         SELECT FROM strata.alter_hypertable('m', premake => 0); INSERT INTO m VALUES (5000, 1)",
    );
    let pid = one(&mut s, "SELECT pg_backend_pid()");
    let before = memory(&pid);
    let over = std::sync::atomic::AtomicBool::new(false);
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                peak = peak.max(memory(&pid));
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            peak
        });
        exec(
            &mut s,
            "INSERT INTO m SELECT 1000 + i * 37 % 1000, i FROM generate_series(1, 300000) i",
        );
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        watch.join().unwrap()
    });
    assert!(peak - before < 64, "grew from {before} to {peak} MB");
    assert_eq!(
        rows(&mut s, "SELECT count(*), count(DISTINCT k / 10) FROM m"),
        "300001|101"
    );
    assert_eq!(one(&mut s, MADE), "101");
}
