//! Chunks that leave while others do something about it (hypertables.md, section 18, 17 to 19, 24).

use crate::common::{Cluster, Db, arm, fails, one, rows, try_one, wait_until};
use crate::retention::{long_waits, server};

fn wait_for(db: &Db<'_>, what: &str, sql: &str) {
    let mut session = db.session();
    wait_until(what, || one(&mut session, sql) == "t");
}

/// `m`: chunks of a day for the last five days and ahead, with ten rows each.
fn with_chunks<'a>(cluster: &'a Cluster, name: &'a str, columns: &str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run(&format!(
        "CREATE TABLE ref (id int PRIMARY KEY, hits int); INSERT INTO ref SELECT g, 0 FROM generate_series(0, 9) g;
         CREATE TABLE m (ts timestamptz NOT NULL, dev int {columns}) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         SELECT strata.premake_chunks('m', now() - interval '5 days', now());
         INSERT INTO m SELECT d - i * interval '1 second', i % 10
         FROM generate_series(now() - interval '5 days', now(), '1 day') d, generate_series(0, 9) i"
    ));
    db
}

/// Drops the oldest chunk of [`with_chunks`] and no other, whatever the time of day: chunks end at midnight in UTC.
const KEEP_ALL_BUT_ONE: &str = "SELECT strata.add_retention_policy('m', now() - date_trunc('day', now(), 'UTC') + interval '3 days 23:59:59')";

/// The oldest chunk.
fn oldest(db: &Db<'_>) -> String {
    db.one("SELECT chunk FROM strata.chunks ORDER BY range_start LIMIT 1")
}

#[test]
fn tables_with_ids_lose_chunks_by_the_times_in_their_rows() {
    let cluster = server("250ms");
    let db = Db::new(&cluster, "ids");
    for key in ["bigint", "uuid"] {
        let id = match key {
            "uuid" => "strata.to_uuidv7(now() - interval '10 days' + g * interval '1 hour')",
            _ => "g",
        };
        let width = match key {
            "uuid" => "interval '1 day'",
            _ => "24",
        };
        db.run(&format!(
            "CREATE TABLE t (id {key} PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id);
             SELECT strata.create_hypertable('t', strata.by_id('id', 'at', {width}));
             -- the ids say ten days ago, the rows a hundred and ten
             INSERT INTO t SELECT {id}, now() - interval '110 days' + g * interval '1 hour' FROM generate_series(0, 239) g"
        ));
        let mut session = db.session();
        // one chunk of the oldest has a row that is new
        one(
            &mut session,
            "UPDATE t SET at = now() WHERE id = (SELECT id FROM t WHERE at < now() - interval '108 days' ORDER BY at DESC LIMIT 1)",
        );
        let kept = one(
            &mut session,
            "SELECT tableoid::regclass FROM t WHERE at > now() - interval '1 day'",
        );
        let named = "SELECT string_agg(c::text, ' ' ORDER BY c::text) FROM strata.show_chunks('t', older_than => interval '105 days') c";
        let shown = one(&mut session, named);
        assert!(
            !shown.is_empty() && !shown.contains(&kept),
            "{key}: {shown}"
        );
        assert_eq!(
            one(&mut session, "SELECT count(*) FROM strata.show_chunks('t', newer_than => interval '105 days') c, LATERAL (SELECT 1) x
                 WHERE EXISTS (SELECT FROM strata.show_chunks('t', older_than => interval '105 days') o WHERE o = c)"),
            "0"
        );
        // a transaction that rolls back first, then alone
        let drop = "SELECT count(*) FROM strata.drop_chunks('t', older_than => now() - interval '105 days')";
        let n = shown.split(' ').count().to_string();
        assert_eq!(one(&mut session, &format!("BEGIN; {drop}")), n);
        one(&mut session, "ROLLBACK");
        assert_eq!(one(&mut session, drop), n);
        let left = "SELECT count(*) FROM t WHERE at < now() - interval '106 days'";
        // only what lies in the chunk with the new row
        let in_kept = format!("{left} AND tableoid = '{kept}'::regclass");
        assert_eq!(
            one(&mut session, left),
            one(&mut session, &in_kept),
            "{key}"
        );
        assert_eq!(
            one(
                &mut session,
                "SELECT count(*) FROM t WHERE at > now() - interval '1 day'"
            ),
            "1"
        );
        fails(
            &mut session,
            "SELECT strata.add_retention_policy('t', interval '-1 day')",
            "22023",
            &["negative"],
        );
        one(
            &mut session,
            "SELECT strata.add_retention_policy('t', interval '102 days')",
        );
        wait_for(
            &db,
            "the policy has dropped more",
            "SELECT min(at) > now() - interval '104 days' FROM t WHERE tableoid <> (SELECT tableoid FROM t WHERE at > now() - interval '1 day')",
        );
        assert_eq!(
            one(
                &mut session,
                "SELECT count(*) FROM t WHERE at > now() - interval '1 day'"
            ),
            "1"
        );
        one(&mut session, "DROP TABLE t");
    }
    // who may not read the rows does not learn how old they are
    db.run(
        "CREATE ROLE nosy LOGIN; CREATE TABLE s (id bigint PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id);
         SELECT strata.create_hypertable('s', strata.by_id('id', 'at', 10))",
    );
    let mut nosy = db.session_as("nosy");
    one(
        &mut nosy,
        "SELECT strata.show_chunks('s', older_than => 100)",
    );
    fails(
        &mut nosy,
        "SELECT strata.show_chunks('s', older_than => now())",
        "42501",
        &["s"],
    );
    fails(
        &mut db.session(),
        "CREATE TABLE n (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
         SELECT strata.create_hypertable('n', strata.by_id('id'));
         SELECT strata.drop_chunks('n', older_than => now())",
        "42804",
        &["\"id\"", "bigint"],
    );
}

#[test]
fn a_row_that_comes_late_brings_its_chunk_back() {
    let cluster = server("250ms");
    let db = Db::new(&cluster, "late");
    db.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id);
         SELECT strata.create_hypertable('t', strata.by_id('id', 'at', 10));
         INSERT INTO t SELECT g, now() - interval '100 days' FROM generate_series(0, 19) g",
    );
    arm(&cluster, "hypertable.leave.detached:sleep");
    let mut session = db.session();
    let chunk = one(
        &mut session,
        "SELECT tableoid::regclass FROM t WHERE id = 3",
    );
    one(
        &mut session,
        "SELECT strata.add_retention_policy('t', interval '50 days')",
    );
    wait_for(
        &db,
        "it is out",
        &format!("SELECT NOT relispartition FROM pg_class WHERE oid = '{chunk}'::regclass"),
    );
    one(
        &mut session,
        &format!("UPDATE {chunk} SET at = now() WHERE id = 3"),
    );
    arm(&cluster, "");
    wait_for(
        &db,
        "nothing is open",
        "SELECT NOT EXISTS (SELECT FROM strata.detaching) AND count(*) = 1 FROM t WHERE id = 3",
    );
    wait_for(&db, "the other one is gone", "SELECT count(*) = 10 FROM t");
}

#[test]
fn an_empty_chunk_with_a_writer_stays_and_rows_never_vanish() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "empty", "");
    db.run("TRUNCATE m; SELECT strata.alter_hypertable('m', drop_empty_after => interval '1 microsecond')");
    let chunk = oldest(&db);
    let mut writer = db.session();
    one(
        &mut writer,
        "BEGIN; INSERT INTO m VALUES ((SELECT min(range_start) FROM strata.chunks), 1)",
    );
    let run = "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_drop_empty'";
    one(&mut db.session(), run);
    wait_for(
        &db,
        "the others are gone",
        "SELECT count(*) = 1 FROM strata.chunks WHERE range_end < now()",
    );
    // the one with the writer was not touched
    assert_eq!(
        db.one(&format!(
            "SELECT state FROM strata.chunks WHERE chunk = '{chunk}'::regclass"
        )),
        "hot"
    );
    one(&mut writer, "COMMIT");
    assert_eq!(db.one("SELECT count(*) FROM m"), "1");
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
}

#[test]
fn rows_of_a_detached_chunk_move_when_there_is_a_new_one_in_its_place() {
    rows_move_to_the_new_chunk("place", "");
}

#[test]
fn rows_that_forced_policies_hide_from_the_owner_move_too() {
    rows_move_to_the_new_chunk(
        "place_hidden",
        "CREATE ROLE keeper; ALTER TABLE m OWNER TO keeper;
         ALTER TABLE m ENABLE ROW LEVEL SECURITY; ALTER TABLE m FORCE ROW LEVEL SECURITY",
    );
}

fn rows_move_to_the_new_chunk(name: &str, prepare: &str) {
    let cluster = server("250ms");
    let db = with_chunks(
        &cluster,
        name,
        ", twice int GENERATED ALWAYS AS (dev * 2) STORED",
    );
    db.run(prepare);
    db.run("DELETE FROM m WHERE ts < now() - interval '4 days'; SELECT strata.alter_hypertable('m', drop_empty_after => interval '1 microsecond')");
    let chunk = oldest(&db);
    arm(&cluster, "hypertable.leave.detached:sleep");
    let mut session = db.session();
    let at = one(&mut session, "SELECT min(range_start) FROM strata.chunks");
    let run = "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_drop_empty'";
    one(&mut session, run);
    wait_for(
        &db,
        "it is out",
        &format!("SELECT NOT relispartition FROM pg_class WHERE oid = '{chunk}'::regclass"),
    );
    one(
        &mut session,
        &format!("INSERT INTO {chunk} (ts, dev) VALUES ('{at}', 77)"),
    );
    one(
        &mut session,
        &format!("INSERT INTO m (ts, dev) VALUES ('{at}', 78)"),
    );
    arm(&cluster, "");
    wait_for(
        &db,
        "nothing is open",
        "SELECT NOT EXISTS (SELECT FROM strata.detaching)",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT dev, twice FROM m WHERE dev > 70 ORDER BY 1"
        ),
        "77|154\n78|156"
    );
    assert_eq!(
        one(&mut session, &format!("SELECT to_regclass('{chunk}')")),
        ""
    );
}

#[test]
fn what_depends_on_a_chunk_keeps_it_in_the_hypertable() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "needed", ", UNIQUE (ts, dev)");
    let chunk = oldest(&db);
    let mut session = db.session();
    let rows_before = one(&mut session, "SELECT count(*) FROM m");
    for (make, unmake) in [
        (
            format!("CREATE VIEW v AS SELECT * FROM {chunk}"),
            "DROP VIEW v",
        ),
        (
            format!(
                "CREATE TABLE v (ts timestamptz, dev int, FOREIGN KEY (ts, dev) REFERENCES {chunk} (ts, dev))"
            ),
            "DROP TABLE v",
        ),
        (
            format!(
                "CREATE FUNCTION v() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {chunk}; END"
            ),
            "DROP FUNCTION v",
        ),
        (format!("CREATE TABLE v (c {chunk})"), "DROP TABLE v"),
    ] {
        one(&mut session, &make);
        let error = fails(
            &mut session,
            "SELECT strata.drop_chunks('m', older_than => date_trunc('day', now(), 'UTC') - interval '3 days')",
            "55000",
            &["other objects depend"],
        );
        let _ = error;
        assert_eq!(
            one(&mut session, &format!("SELECT count(*) FROM {chunk}")),
            "10",
            "{make}"
        );
        assert_eq!(
            one(
                &mut session,
                &format!("SELECT relispartition FROM pg_class WHERE oid = '{chunk}'::regclass")
            ),
            "t"
        );
        one(&mut session, unmake);
    }
    assert_ne!(one(&mut session, "SELECT count(*) FROM m"), rows_before);
    one(&mut session, "CREATE PUBLICATION p FOR TABLE m");
    one(
        &mut session,
        &format!("ALTER PUBLICATION p ADD TABLE {chunk}"),
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.drop_chunks('m', older_than => date_trunc('day', now(), 'UTC') - interval '3 days')"
        ),
        "1"
    );
}

#[test]
fn a_detached_chunk_that_somebody_takes_up_is_theirs() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "theirs", "");
    let mut session = db.session();
    for (n, take) in [
        "ALTER TABLE m ATTACH PARTITION {} FOR VALUES FROM ('{lo}') TO ('{hi}')",
        "ALTER TABLE {} RENAME TO other",
        "DROP TABLE {}",
        "INSERT INTO m VALUES ('{lo}', 99)",
        "ALTER TABLE {} OWNER TO pg_monitor",
    ]
    .iter()
    .enumerate()
    {
        let chunk = oldest(&db);
        let lo = one(&mut session, "SELECT min(range_start) FROM strata.chunks");
        let hi = one(&mut session, "SELECT min(range_end) FROM strata.chunks");
        arm(&cluster, "hypertable.leave.emptied:sleep");
        let id = one(
            &mut session,
            "SELECT strata.add_retention_policy('m', interval '30 days')",
        );
        one(
            &mut session,
            &format!(
                "SELECT strata.alter_job({id}, config => pg_catalog.jsonb_build_object('drop_after', (now() - '{hi}')::text), next_start => now())"
            ),
        );
        wait_for(
            &db,
            "it is emptied",
            &format!(
                "SELECT NOT relispartition AND pg_relation_size(oid) = 0 FROM pg_class WHERE oid = '{chunk}'::regclass"
            ),
        );
        let take = take
            .replace("{}", &chunk)
            .replace("{lo}", &lo)
            .replace("{hi}", &hi);
        one(&mut session, &take);
        one(&mut session, &format!("SELECT strata.delete_job({id})"));
        arm(&cluster, "");
        wait_for(
            &db,
            "nothing is open",
            "SELECT NOT EXISTS (SELECT FROM strata.detaching)",
        );
        match n {
            0 => assert_eq!(oldest(&db), chunk, "attached again: it stays"),
            3 => assert_eq!(
                one(&mut session, "SELECT count(*) FROM m WHERE dev = 99"),
                "1"
            ),
            _ => assert_eq!(
                one(
                    &mut session,
                    "SELECT count(*) FROM pg_class WHERE relname = 'other'"
                ),
                "0"
            ),
        }
        one(
            &mut session,
            &format!(
                "SELECT strata.drop_chunks('m', older_than => '{hi}'::timestamptz, concurrently => false)"
            ),
        );
    }
}

#[test]
fn many_ways_out_at_once_end_in_one() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "many", "");
    let mut session = db.session();
    one(
        &mut session,
        "SELECT strata.add_retention_policy('m', interval '2 days', initial_start => now() + interval '1 hour')",
    );
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut other = db.session();
            scope.spawn(move || {
                // what another process drops meanwhile is no error
                let out = try_one(
                    &mut other,
                    "SELECT count(*) FROM strata.drop_chunks('m', older_than => interval '2 days')",
                );
                if let Err(e) = out {
                    let code = e.code().map(|c| c.code().to_string());
                    assert_eq!(code.as_deref(), Some("55006"), "{e:?}");
                }
            });
        }
        one(
            &mut session,
            "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_retention'",
        );
    });
    wait_for(
        &db,
        "they are gone",
        "SELECT min(range_end) > now() - interval '2 days' AND NOT EXISTS (SELECT FROM strata.detaching) FROM strata.chunks",
    );
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
}

/// Locks of the process on tables, but those that only keep them from being dropped.
fn locks(session: &mut postgres::Client) -> String {
    rows(
        session,
        "SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a USING (pid)
         WHERE a.backend_type = 'pg_strata job' AND l.granted AND l.mode <> 'AccessShareLock' AND c.relname IN ('m', 'ref', 'alarm') ORDER BY 1, 2",
    )
}

#[test]
fn each_step_takes_the_locks_that_it_says_and_holds_none_between() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "locks", "REFERENCES ref, UNIQUE (ts, dev)");
    db.run("CREATE TABLE alarm (ts timestamptz, dev int, FOREIGN KEY (ts, dev) REFERENCES m (ts, dev))");
    let chunk = oldest(&db);
    let mut session = db.session();
    let expected = [
        ("detach", ""),
        // the transaction that marks the chunk as detaching
        ("marking", "alarm|ShareLock\nm|ShareUpdateExclusiveLock"),
        ("detached", ""),
        ("emptied", ""),
        ("dropping", "ref|AccessExclusiveLock"),
    ];
    arm(&cluster, "hypertable.leave.detach:sleep");
    let id = one(&mut session, KEEP_ALL_BUT_ONE);
    assert_ne!(id, "");
    for (n, (point, held)) in expected.iter().enumerate() {
        let at = format!(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND wait_event = 'Extension' AND {}",
            match *point {
                "detach" => "true".to_string(),
                "marking" => "EXISTS (SELECT FROM pg_locks l WHERE l.relation = 'm'::regclass AND l.pid = pg_stat_activity.pid)".into(),
                "detached" => format!("NOT (SELECT relispartition FROM pg_class WHERE oid = '{chunk}'::regclass)"),
                "emptied" => format!("pg_relation_size('{chunk}') = 0"),
                _ => "EXISTS (SELECT FROM pg_locks l WHERE l.relation = 'ref'::regclass AND l.pid = pg_stat_activity.pid)".into(),
            }
        );
        wait_for(&db, point, &at);
        assert_eq!(locks(&mut session), *held, "{point}");
        let next = expected.get(n + 1).map_or(String::new(), |(p, _)| {
            format!("hypertable.leave.{p}:sleep")
        });
        arm(&cluster, &next);
    }
    wait_for(
        &db,
        "it is gone",
        &format!("SELECT to_regclass('{chunk}') IS NULL"),
    );
    assert_eq!(db.one("SELECT count(*) FROM strata.job_errors"), "0");
}

#[test]
fn behind_a_long_reader_of_the_referenced_table_nobody_waits_for_the_drop() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("strata.worker_interval", "1s")
        .set("log_line_prefix", "[%b] ")
        .set("log_lock_waits", "on")
        .set("deadlock_timeout", "20ms")
        .start();
    let db = with_chunks(&cluster, "behind", "REFERENCES ref");
    let mut reader = db.session();
    one(&mut reader, "BEGIN; SELECT count(*) FROM ref");
    wait_for(
        &db,
        "it reads for long",
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE xact_start < clock_timestamp() - interval '1.1 seconds' AND state = 'idle in transaction'",
    );
    let mut session = db.session();
    one(&mut session, KEEP_ALL_BUT_ONE);
    wait_for(
        &db,
        "a chunk is emptied and not dropped",
        "SELECT count(*) = 1 FROM strata.detaching d WHERE pg_relation_size(d.chunk) = 0",
    );
    for _ in 0..200 {
        one(&mut session, "SELECT count(*) FROM ref");
    }
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM strata.detaching"),
        "1"
    );
    assert_eq!(long_waits(&cluster), [""; 0]);
    one(&mut reader, "COMMIT");
    wait_for(
        &db,
        "it is dropped",
        "SELECT NOT EXISTS (SELECT FROM strata.detaching)",
    );
}

#[test]
fn only_the_owner_drops_chunks_and_savepoints_bring_them_back() {
    let cluster = Cluster::builder().start();
    let db = with_chunks(&cluster, "owner", "");
    db.run("CREATE ROLE eve LOGIN; GRANT ALL ON m TO eve");
    let mut eve = db.session_as("eve");
    let drop = "SELECT strata.drop_chunks('m', older_than => interval '2 days')";
    fails(&mut eve, drop, "42501", &["m"]);
    fails(
        &mut eve,
        "SELECT strata.add_retention_policy('m', interval '1 day')",
        "42501",
        &["m"],
    );
    let mut session = db.session();
    let before = one(&mut session, "SELECT count(*) FROM m");
    one(
        &mut session,
        &format!("BEGIN; SAVEPOINT s; {drop}; ROLLBACK TO s; COMMIT"),
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), before);
    // a statement that writes is not alone: its rollback must bring the chunks back
    fails(
        &mut session,
        "CREATE TABLE log (t text CHECK (t = '')); INSERT INTO log SELECT strata.drop_chunks('m', older_than => interval '2 days')",
        "23514",
        &[],
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), before);
}

#[test]
fn a_crash_in_the_wait_and_before_finalize_is_finished() {
    let cluster = server("250ms");
    for point in ["pending", "finalize"] {
        let db = with_chunks(&cluster, point, "REFERENCES ref");
        let chunk = oldest(&db);
        let mut reader = db.session();
        one(
            &mut reader,
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM m",
        );
        arm(&cluster, &format!("hypertable.leave.{point}:kill"));
        let mut session = db.session();
        let _ = try_one(&mut session, KEEP_ALL_BUT_ONE);
        if point == "finalize" {
            wait_for(
                &db,
                "a chunk is detaching, and the statement that marked it has given up",
                "SELECT EXISTS (SELECT FROM strata.chunks WHERE state = 'detaching')
                   AND EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND wait_event = 'Extension')",
            );
            one(&mut reader, "COMMIT");
        }
        wait_until("the server crashed", || {
            session.simple_query("SELECT 1").is_err()
        });
        arm(&cluster, "");
        cluster.wait_for_recovery();
        wait_for(
            &db,
            "it is finished",
            &format!(
                "SELECT NOT EXISTS (SELECT FROM strata.detaching) AND count(*) = count(*) FILTER (WHERE state = 'hot')
                   AND to_regclass('{chunk}') IS NULL FROM strata.chunks"
            ),
        );
    }
}

#[test]
fn inserts_that_race_with_drops_leave_no_broken_chunk() {
    let cluster = server("250ms");
    let db = with_chunks(&cluster, "race", ", UNIQUE (ts, dev)");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..2 {
            let mut writer = db.session();
            let stop = &stop;
            scope.spawn(move || {
                let mut i = 1000 * n;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    i += 1;
                    let sql = format!("INSERT INTO m VALUES (now() - interval '4 days' + {i} * interval '1 ms', {i})");
                    // the chunk may be on its way out: said in so many words, and nothing else
                    if let Err(e) = try_one(&mut writer, &sql) {
                        let code = e.code().map(|c| c.code().to_string());
                        assert_eq!(code.as_deref(), Some("55006"), "{e:?}");
                    }
                }
            });
        }
        let mut session = db.session();
        for n in 0..8 {
            let how = if n % 2 == 0 {
                ""
            } else {
                ", concurrently => false"
            };
            let drop = format!(
                "SELECT count(*) FROM strata.drop_chunks('m', older_than => interval '2 days'{how})"
            );
            if let Err(e) = try_one(&mut session, &drop) {
                let code = e.code().map(|c| c.code().to_string());
                assert_eq!(code.as_deref(), Some("55006"), "{e:?}");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    wait_for(
        &db,
        "nothing is open",
        "SELECT NOT EXISTS (SELECT FROM strata.detaching)",
    );
    let mut session = db.session();
    assert_eq!(
        rows(
            &mut session,
            "SELECT * FROM strata.reconcile_hypertable('m', dry_run => true)"
        ),
        ""
    );
    let orphans = "SELECT count(*) FROM pg_class WHERE relnamespace = 'strata_chunks'::regnamespace AND relkind = 'r' AND NOT relispartition";
    assert_eq!(one(&mut session, orphans), "0");
    let indexes = "SELECT count(DISTINCT n) FROM (SELECT count(*) AS n FROM pg_index x JOIN strata.chunks c ON c.chunk = x.indrelid GROUP BY x.indrelid) i";
    assert_eq!(one(&mut session, indexes), "1");
}
