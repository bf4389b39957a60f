//! Logical replication into hypertables: rows arrive, a missing chunk stops them until it is made.

use crate::common::{Cluster, Db, exec, one, rows, wait_until, wait_until_within};
use std::time::Duration;

const TABLE: &str = "
    CREATE TABLE m (id bigint, ts timestamptz NOT NULL, dev int, val float8, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
    SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'));
    SELECT FROM strata.alter_hypertable('m', premake => 0);
    SELECT count(*) FROM strata.premake_chunks('m', '2025-01-01 00:00+00', '2025-04-01 00:00+00')";

const ALL: &str = "SELECT md5(string_agg(m::text, ',' ORDER BY id, ts)) || ' ' || count(*) FROM m";

fn server() -> Cluster {
    Cluster::builder()
        .preload(true)
        .set("wal_level", "logical")
        .set("max_worker_processes", "32")
        .set("wal_retrieve_retry_interval", "100ms")
        .start()
}

fn follows(from: &Db<'_>, to: &Db<'_>) {
    let wanted = from.one(ALL);
    // a worker that failed comes again, at the latest after 5 s
    wait_until_within(Duration::from_secs(60), "the rows have arrived", || {
        to.one(ALL) == wanted
    });
}

/// Publishes `m` and subscribes to it.
fn connect(from: &Db<'_>, to: &Db<'_>, through_root: bool) {
    from.run(&format!(
        "CREATE PUBLICATION p FOR TABLE m WITH (publish_via_partition_root = {through_root})"
    ));
    to.run(&format!(
        "CREATE SUBSCRIPTION s CONNECTION 'host={} user=postgres dbname={}' PUBLICATION p",
        from.cluster.socket().display(),
        from.name
    ));
}

fn into_premade(through_root: bool) {
    let (here, there) = (server(), server());
    let (from, to) = (Db::new(&here, "src"), Db::new(&there, "dst"));
    from.run(TABLE);
    to.run(TABLE);
    from.run("INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * INTERVAL '1 hour', g % 7, g FROM generate_series(0, 1999) g");
    connect(&from, &to, through_root);
    follows(&from, &to);
    // rows that come, go and move to another chunk
    from.run(
        "INSERT INTO m SELECT g, '2025-03-25 00:00+00', 1, NULL FROM generate_series(5000, 5010) g;
         UPDATE m SET val = -1 WHERE id % 10 = 0; UPDATE m SET ts = ts + INTERVAL '35 days' WHERE id = 7;
         DELETE FROM m WHERE id BETWEEN 100 AND 199",
    );
    follows(&from, &to);
    // a chunk that only the publisher has
    from.run("INSERT INTO m VALUES (9000, '2025-06-15 00:00+00', 1, 1); INSERT INTO m VALUES (9001, '2025-01-01 00:00+00', 1, 1)");
    if through_root {
        wait_until("the subscriber says what is missing", || {
            there
                .log()
                .contains("no partition of relation \"m\" found for row")
        });
        assert_eq!(to.one("SELECT count(*) FROM m WHERE id >= 9000"), "0");
    }
    let made = to.one("SELECT string_agg(c::text, ',') FROM strata.premake_chunks('m', '2025-06-01 00:00+00', '2025-07-01 00:00+00') c");
    assert_eq!(made, "strata_chunks.m_h1_20250601");
    if !through_root {
        // the chunk is a table of its own: the subscription has to be told
        to.run("ALTER SUBSCRIPTION s REFRESH PUBLICATION");
    }
    follows(&from, &to);
    assert_eq!(
        to.one("SELECT tableoid::regclass FROM m WHERE id = 9000"),
        "strata_chunks.m_h1_20250601"
    );
    // the subscriber's own writers make chunks as ever
    to.run("INSERT INTO m VALUES (1, '2030-01-01 00:00+00', 1, 1)");
    to.run("DELETE FROM m WHERE id = 1 AND ts > '2030-01-01'; DROP SUBSCRIPTION s");
}

#[test]
fn rows_published_as_the_hypertables_arrive_and_a_missing_chunk_is_one_call() {
    into_premade(true);
}

#[test]
fn rows_published_as_their_chunks_arrive() {
    into_premade(false);
}

#[test]
fn a_late_row_from_a_publisher_reaches_a_closed_chunk() {
    let (here, there) = (server(), server());
    let (from, to) = (Db::new(&here, "src"), Db::new(&there, "dst"));
    from.run(TABLE);
    to.run(TABLE);
    let fill = "INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * INTERVAL '1 hour', g % 7, g FROM generate_series(0, 999) g";
    from.run(fill);
    to.run(&format!(
        "{fill}; SELECT FROM strata.enable_chunk_skipping('m', 'id')"
    ));
    let mut session = to.session();
    let close = "SELECT strata.alter_job(job_id, next_start => now()) FROM strata.jobs WHERE proc_name = 'policy_close'";
    let closed = "SELECT count(*) FROM strata.chunks WHERE state = 'closed'";
    one(&mut session, close);
    wait_until("chunks are closed", || one(&mut session, closed) == "2");
    // the same rows are there already
    from.run("CREATE PUBLICATION p FOR TABLE m WITH (publish_via_partition_root = true)");
    exec(
        &mut session,
        &format!(
            "CREATE SUBSCRIPTION s CONNECTION 'host={} user=postgres dbname=src' PUBLICATION p WITH (copy_data = false)",
            here.socket().display()
        ),
    );
    from.run("INSERT INTO m VALUES (77777, '2025-01-05 00:30+00', 1, 1); UPDATE m SET id = 88888 WHERE id = 20");
    // nobody can open a chunk for the stream: the policy does that looks every minute
    let ahead = close.replace("policy_close", "policy_premake");
    wait_until_within(Duration::from_secs(60), "the late row arrives", || {
        one(&mut session, &ahead);
        to.one(ALL) == from.one(ALL)
    });
    let first = "SELECT id FROM m WHERE id IN (77777, 88888) ORDER BY 1";
    assert_eq!(rows(&mut session, first), "77777\n88888");
    // while a subscription feeds it, none of its chunks is closed
    one(&mut session, close);
    assert_eq!(one(&mut session, closed), "0");
    exec(&mut session, "DROP SUBSCRIPTION s");
    wait_until("without it they are closed again", || {
        one(&mut session, close);
        one(&mut session, closed) == "2"
    });
}
