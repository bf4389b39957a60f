//! create_hypertable_online: writers and readers go on, no row is lost, and a call after any failure
//! goes on where the last one stopped.

use crate::common::{Cluster, Db, Stop, exec, fails, one, rows, try_one, wait_until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// No statement of others may wait longer than this: the swap and one attempt to lock the table.
const LONGEST: Duration = Duration::from_secs(1);

const CALL: &str =
    "CALL strata.create_hypertable_online('\"Big\"', strata.by_range('ts', INTERVAL '1 day'))";

const TABLE: &str = "
CREATE TABLE site (id int PRIMARY KEY);
INSERT INTO site SELECT generate_series(1, 10);
CREATE TABLE \"Big\" (id bigint GENERATED ALWAYS AS IDENTITY, ts timestamptz, site int REFERENCES site,
                      v int DEFAULT 7 CHECK (v > 0), w int GENERATED ALWAYS AS (v * 2) STORED, PRIMARY KEY (id, ts));
CREATE INDEX \"Big v\" ON \"Big\" (v);
CREATE VIEW big_view AS SELECT id, v FROM \"Big\";
GRANT SELECT ON \"Big\" TO reader;
COMMENT ON TABLE \"Big\" IS 'readings';
INSERT INTO \"Big\" (ts, site, v) SELECT now() - i * INTERVAL '1 minute', 1 + i % 10, 1 + i % 7 FROM generate_series(1, 60000) i;
CREATE TABLE child (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES \"Big\");
INSERT INTO child SELECT id, ts FROM \"Big\" LIMIT 1000;";

const CONTENT: &str =
    "SELECT count(*) || ' ' || md5(string_agg(b::text, ' ' ORDER BY id)) FROM \"Big\" b";

fn is_hypertable(db: &Db) -> String {
    db.one("SELECT count(*) FROM strata.hypertables WHERE hypertable_name = 'Big'")
}

/// Everything that the table carried is on the hypertable, and the old heap is its first chunk.
fn check_result(db: &Db) {
    let mut session = db.session();
    assert_eq!(
        rows(
            &mut session,
            "SELECT relkind, obj_description(oid), has_table_privilege('reader', oid, 'SELECT') FROM pg_class WHERE relname = 'Big'",
        ),
        "p|readings|t"
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT conname, contype, convalidated FROM pg_constraint
             WHERE (conrelid = '\"Big\"'::regclass OR conrelid = 'child'::regclass AND conparentid = 0) AND contype <> 'n' ORDER BY 1",
        ),
        "Big_pkey|p|t\nBig_site_fkey|f|t\nBig_v_check|c|t\nchild_id_ts_fkey|f|t"
    );
    // indexes were adopted, not built
    assert_eq!(
        rows(
            &mut session,
            "SELECT c.relname, x.indisvalid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
             WHERE x.indrelid = '\"Big\"'::regclass ORDER BY 1",
        ),
        "Big v|t\nBig_pkey|t"
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT origin, chunk_schema, state FROM strata.chunks ORDER BY range_start LIMIT 1",
        ),
        "attach|strata_chunks|hot"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'strata\\_%'"
        ),
        "0"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'strata\\_old%'"
        ),
        "0"
    );
    exec(
        &mut session,
        "INSERT INTO \"Big\" (ts, site, v) VALUES (now(), 1, 1); INSERT INTO child SELECT id, ts FROM \"Big\" ORDER BY id DESC LIMIT 1",
    );
    fails(
        &mut session,
        "INSERT INTO child VALUES (-1, now())",
        "23503",
        &[],
    );
    fails(
        &mut session,
        "INSERT INTO \"Big\" (ts, site) VALUES (now(), 99)",
        "23503",
        &[],
    );
    // the view reads the hypertable
    assert_eq!(
        one(
            &mut session,
            "SELECT (SELECT count(*) FROM big_view) = (SELECT count(*) FROM \"Big\")"
        ),
        "t"
    );
}

/// What one session of the load did.
struct Load {
    done: u64,
    longest: Duration,
}

fn repeat(db: &Db, stop: &AtomicBool, mut sql: impl FnMut(u64) -> String) -> Load {
    let mut session = db.session();
    let mut load = Load {
        done: 0,
        longest: Duration::ZERO,
    };
    while !stop.load(Ordering::Relaxed) {
        let sql = sql(load.done);
        let start = Instant::now();
        exec(&mut session, &sql);
        load.longest = load.longest.max(start.elapsed());
        load.done += 1;
    }
    load
}

#[test]
fn under_load_nobody_waits_long_and_no_row_is_lost() {
    let cluster = server();
    let db = with_table(&cluster, "load");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (1..=3)
            .map(|n| {
                let (db, stop) = (&db, &stop);
                scope.spawn(move || {
                    repeat(db, stop, |_| {
                        format!(
                            "INSERT INTO \"Big\" (ts, site, v) VALUES (clock_timestamp(), {n}, 100)"
                        )
                    })
                })
            })
            .collect();
        let updater = scope.spawn(|| {
            repeat(&db, &stop, |i| {
                format!("UPDATE \"Big\" SET v = v + 1 WHERE id = {}", 1 + i % 60000)
            })
        });
        let reader = scope.spawn(|| {
            repeat(&db, &stop, |_| {
                "SELECT count(*) FROM big_view WHERE id < 100".into()
            })
        });
        let child = scope.spawn(|| {
            repeat(&db, &stop, |i| {
                format!(
                    "INSERT INTO child SELECT id, ts FROM \"Big\" WHERE id = {}",
                    1 + i % 60000
                )
            })
        });
        wait_until("the load runs", || {
            db.one("SELECT count(*) > 60100 FROM \"Big\"") == "t"
        });
        let start = Instant::now();
        exec(&mut db.session(), CALL);
        let took = start.elapsed();
        stop.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        let mut inserted = 0;
        for writer in writers {
            let load = writer.join().unwrap();
            inserted += load.done;
            longest = longest.max(load.longest);
        }
        let updates = updater.join().unwrap();
        for load in [&updates, &reader.join().unwrap(), &child.join().unwrap()] {
            longest = longest.max(load.longest);
        }
        println!(
            "conversion {took:?}, longest statement of others {longest:?}, {inserted} rows inserted meanwhile"
        );
        assert!(longest < LONGEST, "a statement waited {longest:?}");
        assert_eq!(
            db.one("SELECT count(*) FROM \"Big\""),
            (60000 + inserted).to_string()
        );
        assert_eq!(
            db.one("SELECT count(*) FROM \"Big\" WHERE v = 100"),
            inserted.to_string()
        );
        let raised = "SELECT sum(v - (1 + id % 7)) FROM \"Big\" WHERE id <= 60000";
        assert_eq!(db.one(raised), updates.done.to_string());
    });
    check_result(&db);
}

/// A database with the table, on a server whose role `reader` is there already.
fn with_table<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(TABLE);
    db
}

fn server() -> Cluster {
    let cluster = Cluster::builder().start();
    cluster.psql("postgres", "CREATE ROLE reader");
    cluster
}

#[test]
fn interrupted_at_each_step_it_goes_on_where_it_stopped() {
    let cluster = server();
    for point in ["checked", "validated", "before_commit", "swapped"] {
        let db = with_table(&cluster, point);
        let before = db.one(CONTENT);
        let mut session = db.session();
        let arm = format!("SET strata.inject = 'hypertable.online.{point}:error'");
        exec(&mut session, &arm);
        fails(&mut session, CALL, "XX000", &["injected", point]);
        assert_eq!(db.one(CONTENT), before, "at {point}");
        // users go on within the range
        exec(
            &mut db.session(),
            "BEGIN; INSERT INTO \"Big\" (ts, site) VALUES (now(), 1); ROLLBACK",
        );
        let swapped = point == "swapped";
        assert_eq!(is_hypertable(&db), if swapped { "1" } else { "0" });
        if !swapped {
            let beyond = "INSERT INTO \"Big\" (ts, site) VALUES (now() + INTERVAL '1 year', 1)";
            fails(&mut db.session(), beyond, "23514", &["strata_online"]);
        }
        exec(&mut session, "RESET strata.inject");
        exec(&mut session, CALL);
        assert_eq!(db.one(CONTENT), before, "after {point}");
        // and once more it does nothing
        exec(&mut session, CALL);
        assert_eq!(db.one(CONTENT), before);
        check_result(&db);
    }
}

#[test]
fn killed_at_each_step_it_goes_on_where_it_stopped() {
    let mut cluster = server();
    for point in ["checked", "validated", "before_commit", "swapped"] {
        let name = format!("killed_{point}");
        let before = {
            let db = with_table(&cluster, &name);
            let mut session = db.session();
            let arm = format!("SET strata.inject = 'hypertable.online.{point}:kill'");
            exec(&mut session, &arm);
            let before = db.one(CONTENT);
            assert!(session.batch_execute(CALL).is_err());
            before
        };
        // the postmaster restarts everything after such a death; a clean start is as good
        cluster.restart(Stop::Immediate);
        let db = Db {
            cluster: &cluster,
            name: &name,
        };
        let swapped = point == "swapped";
        assert_eq!(is_hypertable(&db), if swapped { "1" } else { "0" });
        assert_eq!(db.one(CONTENT), before, "at {point}");
        exec(&mut db.session(), CALL);
        assert_eq!(db.one(CONTENT), before, "after {point}");
        check_result(&db);
    }
}

#[test]
fn a_long_transaction_delays_the_conversion_and_nobody_else() {
    let cluster = server();
    let db = with_table(&cluster, "patience");
    let mut long = db.session();
    exec(
        &mut long,
        "BEGIN; INSERT INTO \"Big\" (ts, site, v) VALUES (now(), 1, 1)",
    );
    thread::scope(|scope| {
        let call = scope.spawn(|| exec(&mut db.session(), CALL));
        let mut other = db.session();
        let until = Instant::now() + Duration::from_secs(3);
        let mut longest = Duration::ZERO;
        while Instant::now() < until {
            let start = Instant::now();
            exec(
                &mut other,
                "INSERT INTO \"Big\" (ts, site, v) VALUES (clock_timestamp(), 2, 2)",
            );
            longest = longest.max(start.elapsed());
        }
        assert!(longest < LONGEST, "waited {longest:?}");
        assert!(!call.is_finished());
        exec(&mut long, "COMMIT");
        call.join().unwrap();
    });
    assert_eq!(
        db.one("SELECT count(*) FROM \"Big\" WHERE site = 1 AND v = 1 AND id > 60000"),
        "1"
    );
    check_result(&db);
}

#[test]
fn what_is_in_the_way_is_said_before_anything_changes() {
    let cluster = server();
    let db = with_table(&cluster, "refused");
    let mut session = db.session();
    let call = |table: &str, key: &str| {
        format!("CALL strata.create_hypertable_online('{table}', strata.by_range('{key}'))")
    };
    exec(
        &mut session,
        "CREATE TABLE wrong (id int PRIMARY KEY, up int REFERENCES wrong, ts timestamptz, t text);
         CREATE TABLE part (id int REFERENCES wrong) PARTITION BY RANGE (id);
         CREATE TABLE nulls (ts timestamptz); INSERT INTO nulls VALUES (NULL), (NULL), (now());
         CREATE TABLE endless (ts timestamptz); INSERT INTO endless VALUES ('infinity');
         CREATE TABLE ours (ts timestamptz, CONSTRAINT strata_online CHECK (ts > '2000-01-01'))",
    );
    let error = fails(&mut session, &call("wrong", "ts"), "0A000", &["wrong"]);
    let detail = error.detail().unwrap();
    for part in [
        "(id) does not contain",
        "refers to the table itself",
        "partitioned table public.part",
    ] {
        assert!(detail.contains(part), "no {part} in {detail}");
    }
    fails(&mut session, &call("wrong", "t"), "42804", &[]);
    fails(&mut session, &call("wrong", "none"), "42703", &[]);
    fails(
        &mut session,
        &call("part", "id"),
        "42809",
        &["partitioned already"],
    );
    fails(
        &mut session,
        &call("nulls", "ts"),
        "23502",
        &["2 NULL values"],
    );
    fails(&mut session, &call("endless", "ts"), "22008", &["infinite"]);
    fails(
        &mut session,
        &call("ours", "ts"),
        "42710",
        &["strata_online"],
    );
    fails(&mut session, &format!("BEGIN; {CALL}"), "25001", &[]);
    exec(&mut session, "ROLLBACK");
    exec(
        &mut session,
        "SET default_transaction_isolation = 'repeatable read'",
    );
    fails(&mut session, CALL, "0A000", &["READ COMMITTED"]);
    exec(
        &mut session,
        "RESET default_transaction_isolation; SET ROLE reader",
    );
    fails(&mut session, CALL, "42501", &["owner"]);
    exec(&mut session, "RESET ROLE");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'strata\\_%'"
        ),
        "1"
    );
    // with the NULLs away it works, and the column cannot have any from then on
    exec(&mut session, "DELETE FROM nulls WHERE ts IS NULL");
    exec(&mut session, &call("nulls", "ts"));
    assert_eq!(
        one(
            &mut session,
            "SELECT bool_and(attnotnull) FROM pg_attribute WHERE attname = 'ts'
             AND attrelid IN (SELECT relid FROM pg_partition_tree('nulls'))"
        ),
        "t"
    );
}

#[test]
fn a_range_that_was_outgrown_meanwhile_is_chosen_again() {
    let cluster = server();
    let db = Db::new(&cluster, "outgrown");
    let mut session = db.session();
    let call = "CALL strata.create_hypertable_online('n', strata.by_range('k', 10))";
    exec(
        &mut session,
        "CREATE TABLE n (k int); INSERT INTO n SELECT generate_series(3, 42);
         SET strata.inject = 'hypertable.online.validated:error'",
    );
    fails(&mut session, call, "XX000", &[]);
    // 42 and one interval: up to 60
    fails(&mut session, "INSERT INTO n VALUES (60)", "23514", &[]);
    exec(
        &mut session,
        "INSERT INTO n VALUES (55); RESET strata.inject",
    );
    exec(&mut session, call);
    assert_eq!(
        rows(
            &mut session,
            "SELECT range_start_integer, range_end_integer FROM strata.chunks ORDER BY 1",
        ),
        "0|70\n70|80\n80|90"
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM n"), "41");
    // two sessions at once: one converts, the other finds it done
    exec(
        &mut session,
        "CREATE TABLE \"Two Of\" (k int NOT NULL); INSERT INTO \"Two Of\" SELECT generate_series(1, 100000)",
    );
    let call = "CALL strata.create_hypertable_online('\"Two Of\"', strata.by_range('k', 1000))";
    thread::scope(|scope| {
        let both: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    try_one(&mut db.session(), call)
                        .map_err(|e| e.as_db_error().map(|e| e.code().code().to_string()))
                })
            })
            .collect();
        let results: Vec<_> = both.into_iter().map(|t| t.join().unwrap()).collect();
        assert!(results.iter().any(Result::is_ok), "{results:?}");
        for result in results {
            // the second may find its OID gone
            assert!(matches!(result, Ok(_) | Err(Some(_))), "{result:?}");
        }
    });
    assert_eq!(
        one(&mut session, "SELECT count(*), sum(k) FROM \"Two Of\""),
        "100000"
    );
}

#[test]
fn the_rules_of_an_end_column_are_checked_before_the_swap() {
    let cluster = server();
    let db = Db::new(&cluster, "ends");
    let mut session = db.session();
    let call = "CALL strata.create_hypertable_online('span', strata.by_range('a', 10), end_column => 'b', logical_key => 'k')";
    exec(
        &mut session,
        "CREATE TABLE span (a int, b int, k text); INSERT INTO span SELECT i, i + 5, 'k' FROM generate_series(10, 40) i;
         INSERT INTO span VALUES (20, 19, 'wrong')",
    );
    fails(&mut session, call, "23514", &["before", "1"]);
    // nothing is left of it
    let left = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'span'::regclass";
    assert_eq!(one(&mut session, left), "0");
    exec(&mut session, "DELETE FROM span WHERE k = 'wrong'");
    exec(&mut session, call);
    assert_eq!(
        rows(
            &mut session,
            "SELECT c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid), c.convalidated FROM pg_constraint c
             JOIN pg_class r ON r.oid = c.conrelid WHERE c.contype = 'c' AND r.relname IN ('span', 'span_h1_10') ORDER BY c.conname, r.relname",
        ),
        "strata_chunks.span_h1_10|strata_end|CHECK ((b >= 10))|t\n\
         span|strata_end_after_start|CHECK ((b >= a))|t\n\
         strata_chunks.span_h1_10|strata_end_after_start|CHECK ((b >= a))|t"
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT end_column, logical_key FROM strata.hypertables"
        ),
        "b|k"
    );
    fails(
        &mut session,
        "INSERT INTO span VALUES (30, 29)",
        "23514",
        &[],
    );
}

#[test]
fn above_the_limit_migrate_data_attaches_the_table_as_it_is() {
    let cluster = server();
    let db = with_table(&cluster, "attached");
    let before = db.one(CONTENT);
    let mut session = db.session();
    let file = "SELECT pg_relation_filenode('\"Big\"')";
    let filenode = one(&mut session, file);
    exec(
        &mut session,
        "SET strata.move_limit = 0; ALTER TABLE \"Big\" ADD UNIQUE (id)",
    );
    let create = "SELECT rows_moved, report->>'action' FROM strata.create_hypertable('\"Big\"', strata.by_range('ts', INTERVAL '1 day'), \
                  migrate_data => true, create_default_indexes => false, on_conflicting_unique => 'drop')";
    exec(&mut session, &format!("BEGIN; {create}; ROLLBACK"));
    assert_eq!(one(&mut session, file), filenode);
    assert_eq!(rows(&mut session, create), "0|attach");
    assert_eq!(db.one(CONTENT), before);
    assert_eq!(
        one(
            &mut session,
            "SELECT pg_relation_filenode(chunk) FROM strata.chunks ORDER BY range_start LIMIT 1"
        ),
        filenode
    );
    check_result(&db);
}

/// Unique keys that change are no reason to write all rows again: only their indexes are built.
#[test]
fn above_the_limit_unique_keys_change_without_moving_rows() {
    let cluster = server();
    for (action, keys, of_table) in [
        ("widen", "PRIMARY KEY (id, ts) UNIQUE (note, ts)", "2"),
        ("leaf", "", "0"),
        ("drop", "", "0"),
    ] {
        let db = Db::new(&cluster, action);
        db.run(
            "CREATE TABLE t (id int PRIMARY KEY, ts timestamptz, note text UNIQUE); CREATE UNIQUE INDEX odd ON t ((id + 1));
             ALTER TABLE t REPLICA IDENTITY DEFAULT;
             INSERT INTO t SELECT i, timestamptz '2024-01-01 00:00+00' + i * INTERVAL '1 hour', i FROM generate_series(1, 1000) i",
        );
        let mut session = db.session();
        if action != "drop" {
            exec(&mut session, "DROP INDEX odd");
        }
        let filenode = one(&mut session, "SELECT pg_relation_filenode('t')");
        exec(&mut session, "SET strata.move_limit = 0");
        let create = format!(
            "SELECT rows_moved, report->>'action' FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'),
               migrate_data => true, create_default_indexes => false, on_conflicting_unique => '{action}')"
        );
        assert_eq!(rows(&mut session, &create), "0|attach");
        let first = one(&mut session, "SELECT strata.show_chunks('t') LIMIT 1");
        assert_eq!(
            one(
                &mut session,
                &format!("SELECT pg_relation_filenode('{first}')")
            ),
            filenode
        );
        assert_eq!(
            one(
                &mut session,
                "SELECT COALESCE(string_agg(pg_get_constraintdef(oid), ' ' ORDER BY contype), '') FROM pg_constraint
                 WHERE conrelid = 't'::regclass AND contype IN ('p', 'u')"
            ),
            keys
        );
        // the old chunk and new ones have the same
        let unique =
            "SELECT count(*) FROM pg_index WHERE indisunique AND indisvalid AND indrelid = ";
        let per_chunk = if action == "drop" { "0" } else { "2" };
        assert_eq!(
            one(&mut session, &format!("{unique} 't'::regclass")),
            of_table
        );
        assert_eq!(
            one(&mut session, &format!("{unique} '{first}'::regclass")),
            per_chunk
        );
        exec(
            &mut session,
            "SELECT FROM strata.premake_chunks('t', '2030-01-01 00:00+00', '2030-01-02 00:00+00')",
        );
        assert_eq!(
            one(
                &mut session,
                &format!(
                    "{unique} (SELECT chunk FROM strata.chunks ORDER BY range_start DESC LIMIT 1)"
                )
            ),
            per_chunk
        );
        let twice = session.batch_execute("INSERT INTO t VALUES (1, '2024-01-01 01:00+00', '1')");
        assert_eq!(twice.is_ok(), action == "drop");
    }
}
