//! Conditions on the time of a table that is partitioned by id leave out its closed chunks.

use crate::common::{Cluster, Db, arm, exec, fails, one, rows, wait_until};
use postgres::Client;

/// Chunks of ten ids, a row an hour; all but the last three closed, as the job does it.
fn closed(db: &Db, chunks: i64) {
    let (ids, open) = (chunks * 10, chunks * 10 - 30);
    db.run(&format!(
        "CREATE TABLE t (id bigint PRIMARY KEY, created_at timestamptz, note text);
         SELECT strata.create_hypertable('t', strata.by_id('id', 'created_at', 10));
         SELECT strata.alter_hypertable('t', premake => 0);
         SELECT count(*) FROM strata.premake_chunks('t', 0, {ids});
         -- for counting locks no rows are needed
         INSERT INTO t SELECT i, '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', i FROM generate_series(0, {ids} - 1) i WHERE {chunks} < 100;
         UPDATE t SET created_at = NULL WHERE id = 55;
         SELECT strata.alter_job(job_id, scheduled => false) FROM strata.jobs WHERE proc_name = 'policy_close';
         DO $$ DECLARE c record; BEGIN
           FOR c IN SELECT k.chunk, range_start_integer AS lo FROM strata.chunks k WHERE hypertable_name = 't' AND range_start_integer < {open} LOOP
             EXECUTE format('ALTER TABLE %s ADD CONSTRAINT strata_zone CHECK (created_at >= %L::timestamptz AND created_at <= %L::timestamptz)', c.chunk,
               '2024-01-01 00:00+00'::timestamptz + c.lo * interval '1 hour', '2024-01-01 00:00+00'::timestamptz + (c.lo + 9) * interval '1 hour');
           END LOOP;
         END $$"
    ));
}

/// The time of a row; an expression that is folded.
fn at(id: i64) -> String {
    format!("to_timestamp({})", 1_704_067_200 + id * 3600)
}

/// Chunks that planning locks.
fn locked(session: &mut Client, sql: &str) -> usize {
    exec(session, "BEGIN");
    rows(session, &format!("EXPLAIN {sql}"));
    let found = one(
        session,
        "SELECT count(DISTINCT c.oid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE l.pid = pg_backend_pid() AND c.relname LIKE 't\\_h%' AND c.relkind = 'r'",
    );
    exec(session, "COMMIT");
    found.parse().unwrap()
}

fn same(session: &mut Client, sql: &str) -> String {
    let ours = rows(session, sql);
    exec(session, "SET strata.planner = off");
    let native = rows(session, sql);
    exec(session, "SET strata.planner = on");
    assert_eq!(ours, native, "{sql}");
    ours
}

#[test]
fn times_bound_the_ids_of_closed_chunks_without_planning_them() {
    let cluster = Cluster::builder().preload(true).start();
    // counted at 1,000 chunks; compared with native plans at 60
    for chunks in [1000, 60] {
        let name = format!("by_id_{chunks}");
        let db = Db::new(&cluster, &name);
        closed(&db, chunks);
        let last = chunks * 10;
        let mut session = db.session();
        let mut check = |sql: &str, most: usize| {
            let n = locked(&mut session, sql);
            assert!(n <= most, "{n} chunks: {sql}");
            if chunks < 100 && sql.starts_with("SELECT") {
                same(&mut session, sql);
            }
        };
        let count = "SELECT count(*), sum(id) FROM t WHERE";
        // open chunks may have any time: the last three are always there for lower bounds
        for condition in [
            format!("created_at >= {}", at(last - 100)),
            format!("created_at > {}", at(last - 100)),
            format!("{} < created_at", at(last - 100)),
            format!(
                "created_at > {} AND created_at < {}",
                at(last - 99),
                at(last - 50)
            ),
            "created_at > now() - interval '10 days'".to_owned(),
            "created_at > 'infinity'".to_owned(),
            format!(
                "strata.time_bucket('1 day', created_at) >= {}",
                at(last - 72)
            ),
        ] {
            check(&format!("{count} {condition}"), 13);
        }
        // what lies between the past and the open chunks is left out, too
        for condition in [
            format!("created_at < {}", at(95)),
            format!("created_at <= {}", at(89)),
            format!("created_at = {}", at(321)),
            format!("created_at BETWEEN {} AND {}", at(300), at(350)),
            "created_at < '2000-01-01'".to_owned(),
            "created_at IN ('2024-01-02 00:00+00')".to_owned(),
        ] {
            check(&format!("{count} {condition}"), 14);
        }
        check(
            &format!(
                "UPDATE t SET note = 'new' WHERE created_at > {}",
                at(last - 100)
            ),
            12,
        );
        check(
            &format!("DELETE FROM t WHERE created_at > {}", at(last - 20)),
            12,
        );
        check(
            &format!(
                "SELECT * FROM t WHERE created_at >= {} ORDER BY id DESC LIMIT 5",
                at(last - 100)
            ),
            12,
        );
        if chunks > 100 {
            continue;
        }
        for condition in [
            "created_at IS NULL".to_owned(),
            format!("NOT created_at < {}", at(500)),
            format!("created_at > {} OR id = 7", at(500)),
            format!("coalesce(created_at, '2030-01-01') > {}", at(590)),
            format!("created_at <> {}", at(50)),
        ] {
            same(&mut session, &format!("{count} {condition}"));
        }
        let outer = format!(
            "SELECT count(*), count(b.id) FROM t a LEFT JOIN t b ON b.id = a.id AND b.created_at > {}",
            at(500)
        );
        assert_eq!(same(&mut session, &outer), "600|99");
    }
}

#[test]
fn a_cached_plan_goes_when_a_closed_chunk_is_opened_or_changed() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "cached");
    closed(&db, 60);
    let (mut session, mut other) = (db.session(), db.session());
    let query = format!("SELECT count(*) FROM t WHERE created_at >= {}", at(590));
    exec(
        &mut session,
        &format!("SET plan_cache_mode = force_generic_plan; PREPARE p AS {query}"),
    );
    assert_eq!(one(&mut session, "EXECUTE p"), "10");
    let constraint = "strata_zone";
    let chunk = one(
        &mut other,
        "SELECT tableoid::regclass FROM t WHERE id = 300",
    );
    // by hand, and with a row that came the same moment
    exec(
        &mut other,
        &format!(
            "BEGIN; ALTER TABLE {chunk} DROP CONSTRAINT {constraint}; UPDATE t SET created_at = {} WHERE id = 300; COMMIT",
            at(599)
        ),
    );
    assert_eq!(one(&mut session, "EXECUTE p"), "11");
    assert_eq!(same(&mut session, &query), "11");
    // not validated: nothing follows from it
    exec(
        &mut other,
        &format!(
            "ALTER TABLE {chunk} ADD CONSTRAINT {constraint} CHECK (created_at >= '2024-01-13' AND created_at <= '2024-01-14') NOT VALID"
        ),
    );
    assert_eq!(one(&mut session, "EXECUTE p"), "11");
    assert_eq!(same(&mut session, &query), "11");
    // an old snapshot, a detached and a new chunk
    exec(
        &mut other,
        &format!("ALTER TABLE t DETACH PARTITION {chunk}"),
    );
    assert_eq!(one(&mut session, "EXECUTE p"), "10");
    exec(
        &mut other,
        &format!("ALTER TABLE t ATTACH PARTITION {chunk} FOR VALUES FROM (300) TO (310)"),
    );
    assert_eq!(one(&mut session, "EXECUTE p"), "11");
    exec(
        &mut other,
        "ALTER TABLE t RENAME COLUMN created_at TO made_at",
    );
    assert_eq!(
        one(&mut session, &query.replace("created_at", "made_at")),
        "11"
    );
}

#[test]
fn a_chunk_opened_while_a_statement_is_planned_is_not_overlooked() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "race");
    closed(&db, 60);
    let query = format!("SELECT count(*) FROM t WHERE created_at >= {}", at(590));
    let mut other = db.session();
    // until the plan is ready it can be made without zones; after that the statement fails
    for (point, id, expected) in [
        ("planner.zone", 300, Ok("11")),
        ("planner.planned", 310, Err("12")),
    ] {
        let chunk = one(
            &mut other,
            &format!("SELECT tableoid::regclass FROM t WHERE id = {id}"),
        );
        arm(&cluster, &format!("{point}:sleep"));
        std::thread::scope(|scope| {
            let planning = scope.spawn(|| {
                let mut session = db.session();
                if let Err(again) = expected {
                    fails(&mut session, &query, "40001", &["late row"]);
                    assert_eq!(one(&mut session, &query), again);
                } else {
                    assert_eq!(Ok(one(&mut session, &query).as_str()), expected);
                }
            });
            wait_until("it has read the zones", || {
                one(
                    &mut other,
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM t WHERE%' AND wait_event_type = 'Extension' AND state = 'active'",
                ) == "1"
            });
            exec(
                &mut other,
                &format!(
                    "BEGIN; ALTER TABLE {chunk} DROP CONSTRAINT strata_zone; UPDATE t SET created_at = {} WHERE id = {id}; COMMIT",
                    at(599)
                ),
            );
            arm(&cluster, "");
            planning.join().unwrap();
        });
    }
}
