//! Single chunks from outside: split and merged under writers, waited for by nobody long, and what a
//! command of another session leaves half done.

use crate::common::{Cluster, Db, exec, fails, one, rows, wait_until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(1);

/// A hypertable with foreign keys in both directions, keys, generated and identity columns, a trigger.
const TABLE: &str = "
CREATE TABLE site (id int PRIMARY KEY);
INSERT INTO site SELECT generate_series(0, 9);
CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'seen'; RETURN NEW; END $$;
CREATE TABLE \"Log\" (id bigint GENERATED ALWAYS AS IDENTITY, k int NOT NULL, site int REFERENCES site, v int CHECK (v >= 0),
                      w int GENERATED ALWAYS AS (v * 2) STORED, note text, PRIMARY KEY (id, k));
CREATE INDEX \"by v\" ON \"Log\" (v) WHERE v > 3;
CREATE TRIGGER mark BEFORE INSERT ON \"Log\" FOR EACH ROW EXECUTE FUNCTION mark();
SELECT FROM strata.create_hypertable('\"Log\"', strata.by_range('k', 1000));
SELECT strata.premake_chunks('\"Log\"', 0, 4000);
INSERT INTO \"Log\" (k, site, v) SELECT i % 4000, i % 10, i % 7 FROM generate_series(0, 39999) i;
CREATE TABLE child (id bigint, k int, FOREIGN KEY (id, k) REFERENCES \"Log\" ON DELETE CASCADE);
INSERT INTO child SELECT id, k FROM \"Log\" WHERE k % 3 = 0;";

const CONTENT: &str =
    "SELECT count(*) || ' ' || sum(id) || ' ' || sum(w) || ' ' || count(note) FROM \"Log\"";
const CHUNKS: &str = "SELECT range_start_integer, range_end_integer FROM strata.chunks WHERE range_start_integer < 4000 ORDER BY 1";

fn db<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(TABLE);
    db
}

/// What a chunk has of its hypertable.
fn equipment(db: &Db, chunk: &str) -> String {
    let sql = format!(
        "SELECT (SELECT count(*) FROM pg_index x JOIN pg_inherits i ON i.inhrelid = x.indexrelid WHERE x.indrelid = '{chunk}'::regclass),
                (SELECT string_agg(contype::text || convalidated, ' ' ORDER BY contype, conname) FROM pg_constraint
                 WHERE '{chunk}'::regclass = conrelid AND contype <> 'n'),
                (SELECT count(*) FROM pg_constraint WHERE confrelid = '{chunk}'::regclass AND conparentid <> 0),
                (SELECT count(*) FROM pg_trigger WHERE tgrelid = '{chunk}'::regclass AND NOT tgisinternal AND tgparentid <> 0)"
    );
    rows(&mut db.session(), &sql)
}

#[test]
fn split_and_merged_chunks_are_like_all_others() {
    let cluster = Cluster::builder().start();
    let db = db(&cluster, "shapes");
    let before = db.one(CONTENT);
    let like = equipment(&db, "strata_chunks.\"Log_h1_3000\"");
    let mut session = db.session();
    exec(
        &mut session,
        "CALL strata.split_chunk('strata_chunks.\"Log_h1_1000\"')",
    );
    assert_eq!(
        rows(&mut session, CHUNKS),
        "0|1000\n1000|1500\n1500|2000\n2000|3000\n3000|4000"
    );
    exec(
        &mut session,
        "CALL strata.split_chunk('strata_chunks.\"Log_h1_1500\"', 1600);
         CALL strata.merge_chunks('strata_chunks.\"Log_h1_0\"', 'strata_chunks.\"Log_h1_1000\"', concurrently => true);
         CALL strata.merge_chunks(ARRAY['strata_chunks.\"Log_h1_2000\"', 'strata_chunks.\"Log_h1_1600\"', 'strata_chunks.\"Log_h1_1500\"']::regclass[])",
    );
    assert_eq!(rows(&mut session, CHUNKS), "0|1500\n1500|3000\n3000|4000");
    assert_eq!(db.one(CONTENT), before);
    for chunk in ["Log_h1_0", "Log_h1_1500"] {
        let chunk = format!("strata_chunks.\"{chunk}\"");
        assert_eq!(equipment(&db, &chunk), like, "{chunk}");
    }
    // the chunk of three intervals is cut at the grid
    exec(
        &mut session,
        "CALL strata.merge_chunks('strata_chunks.\"Log_h1_1500\"', 'strata_chunks.\"Log_h1_3000\"')",
    );
    exec(
        &mut session,
        "CALL strata.split_chunk('strata_chunks.\"Log_h1_1500\"')",
    );
    assert_eq!(rows(&mut session, CHUNKS), "0|1500\n1500|2000\n2000|4000");
    // foreign keys in both directions, keys and checks hold
    fails(
        &mut session,
        "INSERT INTO \"Log\" (k, site, v) VALUES (10, 99, 1)",
        "23503",
        &[],
    );
    fails(
        &mut session,
        "INSERT INTO child VALUES (1, 3999)",
        "23503",
        &[],
    );
    fails(
        &mut session,
        "INSERT INTO \"Log\" (k, site, v) VALUES (10, 1, -1)",
        "23514",
        &[],
    );
    fails(
        &mut session,
        "INSERT INTO \"Log\" (id, k) OVERRIDING SYSTEM VALUE SELECT id, k FROM \"Log\" LIMIT 1",
        "23505",
        &[],
    );
    exec(&mut session, "DELETE FROM \"Log\" WHERE k = 999");
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM child WHERE k = 999"),
        "0"
    );
    assert_eq!(
        one(
            &mut session,
            "INSERT INTO \"Log\" (k, site, v) VALUES (1700, 1, 5) RETURNING note || w"
        ),
        "seen10"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'strata%' AND relnamespace = 'strata_chunks'::regnamespace"
        ),
        "0"
    );
    // nothing is left of a call that was rolled back
    exec(
        &mut session,
        "BEGIN; CALL strata.split_chunk('strata_chunks.\"Log_h1_0\"', 10); ROLLBACK",
    );
    assert_eq!(rows(&mut session, CHUNKS), "0|1500\n1500|2000\n2000|4000");
}

#[test]
fn what_cannot_be_split_or_merged_is_said() {
    let cluster = Cluster::builder().start();
    let db = db(&cluster, "refused");
    let mut session = db.session();
    let split =
        |what: &str| format!("CALL strata.split_chunk('strata_chunks.\"Log_h1_0\"', {what})");
    let merge = |a: &str, b: &str| {
        format!("CALL strata.merge_chunks('strata_chunks.\"{a}\"', 'strata_chunks.\"{b}\"')")
    };
    for at in ["0", "1000", "-5", "5000"] {
        let error = fails(&mut session, &split(at), "22023", &["split_at", "Log_h1_0"]);
        assert_eq!(error.detail(), Some("It goes from '0' to '1000'."));
    }
    fails(&mut session, &split("now()"), "42804", &["split_at"]);
    fails(
        &mut session,
        &merge("Log_h1_0", "Log_h1_2000"),
        "22023",
        &["not neighbours"],
    );
    fails(
        &mut session,
        &merge("Log_h1_0", "Log_h1_0"),
        "22023",
        &["two different"],
    );
    fails(
        &mut session,
        "CALL strata.merge_chunks(ARRAY[NULL]::regclass[])",
        "22004",
        &[],
    );
    fails(
        &mut session,
        "CALL strata.merge_chunks('site', 'child')",
        "42704",
        &["not a chunk"],
    );
    fails(
        &mut session,
        "CALL strata.split_chunk('\"Log\"')",
        "42704",
        &[],
    );
    exec(
        &mut session,
        "SELECT strata.freeze_chunk('strata_chunks.\"Log_h1_0\"')",
    );
    fails(&mut session, &split("5"), "55000", &["frozen"]);
    fails(
        &mut session,
        &merge("Log_h1_0", "Log_h1_1000"),
        "55000",
        &["frozen"],
    );
    exec(
        &mut session,
        "SELECT strata.unfreeze_chunk('strata_chunks.\"Log_h1_0\"');
         CREATE TRIGGER own BEFORE UPDATE ON strata_chunks.\"Log_h1_0\" FOR EACH ROW EXECUTE FUNCTION mark();
         CREATE VIEW of_chunk AS SELECT * FROM strata_chunks.\"Log_h1_0\"",
    );
    let error = fails(&mut session, &split("5"), "0A000", &["objects"]);
    assert_eq!(
        error.detail(),
        Some("Trigger \"own\".\nView public.of_chunk of it.")
    );
    exec(
        &mut session,
        "DROP VIEW of_chunk; DROP TRIGGER own ON strata_chunks.\"Log_h1_0\"",
    );
    // a chunk with an open end has no middle
    exec(
        &mut session,
        "CREATE TABLE old (LIKE \"Log\" INCLUDING CONSTRAINTS INCLUDING GENERATED); CALL strata.attach_chunk('\"Log\"', 'old', '{\"k\": [null, -1000]}')",
    );
    fails(
        &mut session,
        "CALL strata.split_chunk('old')",
        "22023",
        &["no middle"],
    );
    exec(
        &mut session,
        "INSERT INTO \"Log\" (k) VALUES (-5000), (-1001); CALL strata.split_chunk('old', -2000)",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT tableoid::regclass, k FROM \"Log\" WHERE k < 0 ORDER BY k"
        ),
        "strata_chunks.\"Log_h1_min\"|-5000\nstrata_chunks.\"Log_h1_m2000\"|-1001"
    );
    exec(&mut session, "CREATE ROLE nobody; SET ROLE nobody");
    fails(&mut session, &split("5"), "42501", &["owner"]);
    // cold chunks come back first
    exec(
        &mut session,
        "RESET ROLE; SELECT strata.set_cold_storage('\"Log\"'); DROP TABLE child",
    );
    exec(
        &mut session,
        "CALL strata.tier_chunks('\"Log\"', older_than => 1000, newer_than => 0)",
    );
    for sql in [
        split("5"),
        merge("Log_h1_0", "Log_h1_1000"),
        "CALL strata.detach_chunk('strata_chunks.\"Log_h1_0\"')".into(),
        "SELECT strata.freeze_chunk('strata_chunks.\"Log_h1_0\"')".into(),
        "SELECT strata.reorder_chunk('strata_chunks.\"Log_h1_0\"', '\"Log_pkey\"')".into(),
        "SELECT strata.move_chunk('strata_chunks.\"Log_h1_0\"', 'pg_default')".into(),
    ] {
        let error = fails(&mut session, &sql, "55000", &["cold"]);
        assert_eq!(
            error.hint(),
            Some("CALL strata.untier_chunk('strata_chunks.\"Log_h1_0\"')"),
            "{sql}"
        );
    }
    let error = fails(
        &mut session,
        "SELECT strata.drop_hypertable('\"Log\"')",
        "55000",
        &["cold"],
    );
    assert_eq!(
        error.hint(),
        Some("CALL strata.untier_chunks('public.\"Log\"')")
    );
    // their rows are counted, their files are not on this disk
    exec(&mut session, "ANALYZE \"Log\"");
    assert_eq!(
        one(
            &mut session,
            "SELECT strata.approximate_row_count('strata_chunks.\"Log_h1_0\"')"
        ),
        one(
            &mut session,
            "SELECT count(*) FROM strata_chunks.\"Log_h1_0\""
        )
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT table_bytes FROM strata.chunks_detailed_size('\"Log\"') WHERE chunk_name = 'Log_h1_0'"
        ),
        "0"
    );
    exec(
        &mut session,
        "CALL strata.untier_chunk('strata_chunks.\"Log_h1_0\"')",
    );
    exec(&mut session, &split("5"));
}

#[test]
fn writers_go_on_while_chunks_are_split_and_merged_and_lose_nothing() {
    let cluster = Cluster::builder().start();
    let db = db(&cluster, "storm");
    let stop = AtomicBool::new(false);
    let (inserted, deleted) = (AtomicU64::new(0), AtomicU64::new(0));
    let longest = thread::scope(|scope| {
        let run = |sql: &'static str, count: Option<&'_ AtomicU64>| {
            let mut session = db.session();
            let mut longest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let n: u64 = one(&mut session, sql).parse().unwrap();
                longest = longest.max(start.elapsed());
                if let Some(count) = count {
                    count.fetch_add(n, Ordering::Relaxed);
                }
            }
            longest
        };
        let insert = "WITH i AS (INSERT INTO \"Log\" (k, site, v) VALUES ((random() * 3999)::int, 1, 1000) RETURNING 1) SELECT count(*) FROM i";
        let delete = "WITH d AS (DELETE FROM \"Log\" WHERE ctid = ANY (ARRAY(SELECT ctid FROM \"Log\" WHERE k = (random() * 3999)::int LIMIT 1)) \
                      AND k % 3 = 1 AND v < 1000 RETURNING 1) SELECT count(*) FROM d";
        let update = "WITH u AS (UPDATE \"Log\" SET note = note || '.' WHERE k = (random() * 3999)::int AND v = 3 RETURNING 1) SELECT count(*) FROM u";
        let (inserted, deleted) = (&inserted, &deleted);
        let load = [
            scope.spawn(move || run(insert, Some(inserted))),
            scope.spawn(move || run(insert, Some(inserted))),
            scope.spawn(move || run(delete, Some(deleted))),
            scope.spawn(move || run(update, None)),
        ];
        let mut session = db.session();
        let until = Instant::now() + Duration::from_secs(8);
        let mut rounds = 0;
        while Instant::now() < until {
            exec(
                &mut session,
                "CALL strata.split_chunk('strata_chunks.\"Log_h1_1000\"', 1300)",
            );
            exec(
                &mut session,
                "CALL strata.merge_chunks('strata_chunks.\"Log_h1_1000\"', 'strata_chunks.\"Log_h1_1300\"')",
            );
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
        let longest = load.into_iter().map(|l| l.join().unwrap()).max().unwrap();
        println!("{rounds} rounds, longest statement of others {longest:?}");
        longest
    });
    assert_eq!(
        db.one("SELECT count(*) FROM \"Log\""),
        (40000 + inserted.into_inner() - deleted.into_inner()).to_string()
    );
    assert_eq!(db.one("SELECT count(*) FROM \"Log\" WHERE tableoid <> (SELECT c.oid FROM pg_class c WHERE c.oid = \"Log\".tableoid)"), "0");
    assert_eq!(
        db.one("SELECT count(*) FROM child c WHERE NOT EXISTS (SELECT FROM \"Log\" l WHERE (l.id, l.k) = (c.id, c.k))"),
        "0"
    );
    assert!(longest < LONGEST, "a statement waited {longest:?}");
}

#[test]
fn a_detach_that_was_interrupted_is_finished_by_reconcile() {
    let cluster = Cluster::builder().start();
    let db = db(&cluster, "pending");
    exec(&mut db.session(), "DROP TABLE child");
    let mut reader = db.session();
    exec(&mut reader, "BEGIN; SELECT count(*) FROM \"Log\"");
    thread::scope(|scope| {
        let mut detacher = db.session();
        let cancel = detacher.cancel_token();
        let detach = scope.spawn(move || {
            detacher.batch_execute(
                "ALTER TABLE \"Log\" DETACH PARTITION strata_chunks.\"Log_h1_0\" CONCURRENTLY",
            )
        });
        wait_until("the detach is pending", || {
            db.one("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == "1"
        });
        cancel.cancel_query(postgres::NoTls).unwrap();
        assert!(detach.join().unwrap().is_err());
    });
    exec(&mut reader, "COMMIT");
    let mut session = db.session();
    let reconcile = "SELECT * FROM strata.reconcile_hypertable('\"Log\"')";
    assert_eq!(
        rows(
            &mut session,
            "SELECT * FROM strata.reconcile_hypertable('\"Log\"', dry_run => true)"
        ),
        "finish detach|strata_chunks.\"Log_h1_0\""
    );
    assert_eq!(
        rows(&mut session, reconcile),
        "finish detach|strata_chunks.\"Log_h1_0\"\nforget chunk|strata_chunks.\"Log_h1_0\""
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT * FROM pg_inherits WHERE inhdetachpending"
        ),
        ""
    );
    assert_eq!(rows(&mut session, reconcile), "");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata_chunks.\"Log_h1_0\""
        ),
        "10000"
    );
}

#[test]
fn a_chunk_is_detached_while_others_read_and_write() {
    let cluster = Cluster::builder().set("max_worker_processes", "16").start();
    let db = db(&cluster, "detached");
    let mut session = db.session();
    let call = "CALL strata.detach_chunk('strata_chunks.\"Log_h1_1000\"')";
    // rows that others refer to keep it in place
    fails(&mut session, call, "23503", &["Log_h1_1000"]);
    exec(
        &mut session,
        "DELETE FROM child WHERE k >= 1000 AND k < 2000",
    );
    // a writer of other chunks neither waits nor makes wait
    let mut writer = db.session();
    exec(&mut writer, "BEGIN; INSERT INTO \"Log\" (k) VALUES (5)");
    thread::scope(|scope| {
        let detach = scope.spawn(|| exec(&mut db.session(), call));
        wait_until("the chunk is detaching", || {
            db.one("SELECT count(*) FROM pg_inherits WHERE inhdetachpending OR inhrelid IS NULL")
                == "1"
                || detach.is_finished()
        });
        let start = Instant::now();
        exec(&mut db.session(), "INSERT INTO \"Log\" (k) VALUES (3001)");
        assert!(start.elapsed() < LONGEST);
        exec(&mut writer, "COMMIT");
        detach.join().unwrap();
    });
    assert_eq!(rows(&mut session, CHUNKS), "0|1000\n2000|3000\n3000|4000");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata_chunks.\"Log_h1_1000\""
        ),
        "10000"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.chunk WHERE chunk = 'strata_chunks.\"Log_h1_1000\"'::regclass"
        ),
        "0"
    );
    exec(
        &mut session,
        "CALL strata.attach_chunk('\"Log\"', 'strata_chunks.\"Log_h1_1000\"', '{\"k\": [1000, 2000]}')",
    );
    exec(
        &mut session,
        "BEGIN; DELETE FROM child WHERE k < 1000; CALL strata.detach_chunk('strata_chunks.\"Log_h1_0\"'); ROLLBACK",
    );
    assert_eq!(
        rows(&mut session, CHUNKS),
        "0|1000\n1000|2000\n2000|3000\n3000|4000"
    );
}
