//! A hot standby: what reads works there, what writes says so, and after a promotion life goes on.

use crate::common::{Cluster, Db, Sandbox, Stop, exec, one, rows, try_one, wait_until};
use postgres::Client;

const READ_ONLY: &str = "25006";

/// Everything that functions and views can be asked about: 60 days by time with two cold ones, ids, uuids,
/// policies, a client with a lens.
const MAKE: &str = "
    CREATE TABLE m (id bigint, ts timestamptz NOT NULL, dev int NOT NULL, val float8, PRIMARY KEY (id, ts));
    INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g % 7, g / 4.0 FROM generate_series(0, 1439) g;
    SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
    SELECT FROM strata.add_retention_policy('m', INTERVAL '1000 years');
    SELECT strata.freeze_chunk('strata_chunks.m_h1_20250112');
    CALL strata.tier_chunks('m', older_than => timestamptz '2025-01-03 00:00+00');
    CREATE TABLE u (id uuid PRIMARY KEY, at timestamptz);
    SELECT FROM strata.create_hypertable('u', strata.by_id('id', 'at', INTERVAL '1 day'));
    INSERT INTO u SELECT strata.generate_uuidv7(), now();
    CREATE TABLE live (ts timestamptz NOT NULL, v int);
    SELECT FROM strata.create_hypertable('live', strata.by_range('ts', INTERVAL '1 hour'));
    SELECT FROM strata.add_dimension('live', strata.by_hash('v', 2));
    CREATE TABLE n (n int NOT NULL); CREATE FUNCTION now_n() RETURNS int LANGUAGE sql STABLE AS 'SELECT 100';
    SELECT FROM strata.create_hypertable('n', strata.by_range('n', 10));
    CREATE TABLE plain (ts timestamptz NOT NULL);
    SELECT strata.create_events();
    CREATE TABLE ran (at timestamptz DEFAULT clock_timestamp());
    CREATE PROCEDURE tick(job_id int, config jsonb) LANGUAGE sql AS 'INSERT INTO ran DEFAULT VALUES';
    SELECT strata.alter_job(strata.add_job('tick', '100 ms'), retry_period => '100 ms');
    CREATE ROLE reader;
    SELECT strata.expose_to_client('reader');
    SELECT strata.create_queue('UTC'), strata.queue_push('UTC', '1');
    CREATE SCHEMA ts;
    SELECT FROM strata.migrate_register('1_a.up.sql', 'CREATE TABLE a (id int)');
    SELECT FROM strata.migrate_register('1_a.down.sql', 'DROP TABLE a');
    SELECT FROM strata.migrate_register('2_b.up.sql', 'CREATE TABLE b (id int)');
    SELECT FROM strata.migrate_up(steps => 1);
    SELECT FROM strata.migrate_register('1_c.up.sql', 'CREATE TABLE c (id int)', namespace => 'mirrored');
    SELECT strata.migrate_mirror('dbmate', namespace => 'mirrored');
    SELECT strata.migrate_snapshot('second'), strata.task_mark('UTC', 'a');
    SELECT strata.install_timescale_names()";

/// A preloaded server with database `life`, and its standby. Both see the folder of cold files.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    _files: Sandbox,
}

impl Pair {
    fn new() -> Pair {
        let files = Sandbox::new();
        let folder = files.folder("cold", 0o700);
        let primary = Cluster::builder()
            .preload(true)
            .set("max_worker_processes", "16")
            .set("strata.cold_directory", &folder.to_string_lossy())
            .start();
        Db::new(&primary, "life").run(MAKE);
        let standby = primary.standby();
        Pair {
            primary,
            standby,
            _files: files,
        }
    }

    fn on_primary(&self) -> Client {
        self.primary.client("life")
    }

    fn on_standby(&self) -> Client {
        self.standby.client("life")
    }
}

/// An argument of a type.
fn sample(of: &str) -> &'static str {
    match of {
        "regclass" => "'m'::regclass",
        "oid" => "'m'::regclass::oid",
        "regclass[]" => "'{m}'::regclass[]",
        "regproc" => "'tick'::regproc",
        "regrole" => "'reader'::regrole",
        "name" => "'ts'::name",
        "text[]" => "'{}'::text[]",
        "name[]" => "'{ts}'::name[]",
        "text" => "'UTC'::text",
        "interval" => "'1 day'::interval",
        "timestamp with time zone" | "\"any\"" | "anyelement" => {
            "'2025-01-05 00:00+00'::timestamptz"
        }
        "timestamp without time zone" => "'2025-01-05 00:00'::timestamp",
        "date" => "'2025-01-05'::date",
        "uuid" => "'01943000-0000-7000-8000-000000000000'::uuid",
        "smallint" => "2::smallint",
        "integer" => "2::integer",
        "bigint" => "2::bigint",
        "bigint[]" => "'{2}'::bigint[]",
        "real" => "2::real",
        "double precision" => "2::float8",
        "boolean" => "false",
        "jsonb" => "'{}'::jsonb",
        "jsonb[]" => "'{1}'::jsonb[]",
        "strata.dimension_info" => "strata.by_range('ts')",
        _ => panic!("what is a {of}? say it in sample()"),
    }
}

/// Statements for functions that samples of their required arguments make no sense for, by name.
const STATEMENTS: [(&str, &str); 48] = [
    ("create_queue", "SELECT strata.create_queue('new')"),
    (
        "queue_grant",
        "SELECT strata.queue_grant('UTC', 'reader', 'pop')",
    ),
    (
        "queue_revoke",
        "SELECT strata.queue_revoke('UTC', 'reader', 'pop')",
    ),
    (
        "add_reorder_policy",
        "SELECT strata.add_reorder_policy('m', 'm_pkey')",
    ),
    (
        "add_retention_policy",
        "SELECT strata.add_retention_policy('live', INTERVAL '1 day')",
    ),
    (
        "add_tiering_policy",
        "SELECT strata.add_tiering_policy('live', INTERVAL '1 day')",
    ),
    (
        "alter_job",
        "SELECT strata.alter_job(1000, scheduled => false)",
    ),
    (
        "attach_tablespace",
        "SELECT strata.attach_tablespace('pg_default', 'm')",
    ),
    (
        "create_hypertable",
        "SELECT strata.create_hypertable('plain', strata.by_range('ts'))",
    ),
    ("cold_adopt", "SELECT strata.cold_adopt('strata_local')"),
    ("cold_fork", "SELECT strata.cold_fork()"),
    (
        "cold_url",
        "SELECT strata.cold_url(file) FROM strata.cold_files",
    ),
    ("delete_job", "SELECT strata.delete_job(1000)"),
    (
        "detach_chunk",
        "CALL strata.detach_chunk('strata_chunks.m_h1_20250110')",
    ),
    (
        "drop_chunks",
        "SELECT strata.drop_chunks('m', older_than => timestamptz '2025-01-20 00:00+00')",
    ),
    (
        "events_between",
        "SELECT strata.events_between('2025-01-01', '2025-01-05')",
    ),
    (
        "freeze_chunk",
        "SELECT strata.freeze_chunk('strata_chunks.m_h1_20250110')",
    ),
    ("histogram", "SELECT strata.histogram(val, 0, 9, 3) FROM m"),
    (
        "hypertable_index_size",
        "SELECT strata.hypertable_index_size('m_pkey')",
    ),
    (
        "interpolate",
        "SELECT strata.time_bucket_gapfill(2, x, 0, 9), strata.interpolate(max(x)) FROM generate_series(1, 5) x GROUP BY 1",
    ),
    (
        "locf",
        "SELECT strata.time_bucket_gapfill(2, x, 0, 9), strata.locf(max(x)) FROM generate_series(1, 5) x GROUP BY 1",
    ),
    (
        "merge_chunks",
        "CALL strata.merge_chunks('strata_chunks.m_h1_20250110', 'strata_chunks.m_h1_20250111')",
    ),
    (
        "migrate_export",
        "SELECT strata.migrate_export('goose', 'exported')",
    ),
    (
        "migrate_generate_down",
        "SELECT strata.migrate_generate_down('1')",
    ),
    ("migrate_goto", "SELECT strata.migrate_goto('2')"),
    ("migrate_mirror", "SELECT strata.migrate_mirror('dbmate')"),
    ("migrate_source", "SELECT strata.migrate_source('1')"),
    (
        "migrate_unmirror",
        "SELECT strata.migrate_unmirror(namespace => 'mirrored')",
    ),
    (
        "migrate_split",
        "SELECT strata.migrate_split('SELECT 1; SELECT 2')",
    ),
    (
        "move_chunk",
        "SELECT strata.move_chunk('strata_chunks.m_h1_20250110', 'pg_default')",
    ),
    (
        "premake_chunks",
        "SELECT strata.premake_chunks('m', timestamptz '2030-01-01 00:00+00', timestamptz '2030-01-03 00:00+00')",
    ),
    ("put_event", "SELECT strata.put_event('{\"timestamp\": 1}')"),
    (
        "put_events",
        "SELECT strata.put_events('[{\"timestamp\": 1}]')",
    ),
    (
        "query_events",
        "SELECT strata.query_events('SELECT 1 AS n', '2025-01-01', '2025-01-05')",
    ),
    (
        "remove_cold_storage",
        "SELECT strata.remove_cold_storage('live')",
    ),
    (
        "reorder_chunk",
        "SELECT strata.reorder_chunk('strata_chunks.m_h1_20250110', 'm_pkey')",
    ),
    ("run_job", "CALL strata.run_job(1000)"),
    (
        "set_chunk_time_interval",
        "SELECT strata.set_chunk_time_interval('m', INTERVAL '2 days')",
    ),
    (
        "set_integer_now_func",
        "SELECT strata.set_integer_now_func('n', 'now_n')",
    ),
    (
        "set_number_partitions",
        "SELECT strata.set_number_partitions('live', 3)",
    ),
    (
        "set_partitioning_interval",
        "SELECT strata.set_partitioning_interval('m', INTERVAL '2 days')",
    ),
    (
        "split_chunk",
        "CALL strata.split_chunk('strata_chunks.m_h1_20250110')",
    ),
    (
        "task_backfill",
        "CALL strata.task_backfill('new', 'm', 'val = 1')",
    ),
    (
        "tier_chunk",
        "SELECT strata.tier_chunk('strata_chunks.m_h1_20250110')",
    ),
    (
        "tier_chunks",
        "CALL strata.tier_chunks('m', older_than => timestamptz '2025-01-10 00:00+00')",
    ),
    (
        "unfreeze_chunk",
        "SELECT strata.unfreeze_chunk('strata_chunks.m_h1_20250112')",
    ),
    (
        "untier_chunk",
        "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')",
    ),
    ("untier_chunks", "CALL strata.untier_chunks('m')"),
];

/// A query around time_bucket_gapfill with these types of arguments.
fn gapfill(types: &str) -> String {
    let mut parts = types.split(';');
    let (width, point, zone) = (parts.next(), parts.next(), parts.next());
    let number = |of: &str| {
        format!(
            "SELECT strata.time_bucket_gapfill(2::{of}, x::{of}, 0::{of}, 9::{of}) FROM generate_series(1, 5) x GROUP BY 1"
        )
    };
    match (width, point) {
        (Some("interval"), Some(of)) => {
            let zone = zone.map_or("", |_| ", 'UTC'::text");
            format!(
                "SELECT strata.time_bucket_gapfill(INTERVAL '1 day', x::{of}{zone}, '2025-01-01'::{of}, '2025-01-05'::{of})
                 FROM generate_series(timestamp '2025-01-02', '2025-01-03', '12 hours') x GROUP BY 1"
            )
        }
        (Some(of), _) => number(of),
        _ => panic!("{types}"),
    }
}

/// Signature, statement and volatility of each function of the extension that is for users; what views use
/// of the others runs with the views.
fn calls(session: &mut Client) -> Vec<(String, String, String)> {
    let found = rows(
        session,
        "SELECT replace(p.oid::regprocedure::text, 'strata.', ''), p.proname, p.prokind, p.provolatile,
                (SELECT string_agg(format_type(u.t, NULL), ';' ORDER BY u.n) FROM unnest(p.proargtypes) WITH ORDINALITY u(t, n)
                 WHERE u.n <= p.pronargs - p.pronargdefaults)
         FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'pg_strata'
           AND left(p.proname, 1) <> '_'
         ORDER BY 1",
    );
    let calls = found.lines().map(|line| {
        let fields: Vec<&str> = line.split('|').collect();
        let [signature, name, kind, volatility, types] = fields[..] else {
            panic!("{line}");
        };
        let arguments = types.split(';').filter(|t| !t.is_empty()).map(sample);
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let verb = if kind == "p" { "CALL" } else { "SELECT" };
        let special = STATEMENTS.iter().find(|(of, _)| *of == name);
        let statement = match special {
            Some((_, statement)) => (*statement).to_owned(),
            None if name == "time_bucket_gapfill" => gapfill(types),
            None => format!("{verb} strata.{name}({arguments})"),
        };
        (signature.to_owned(), statement, volatility.to_owned())
    });
    calls.collect()
}

/// The SQLSTATE of a statement; empty when it succeeds.
fn outcome(session: &mut Client, sql: &str) -> (String, String) {
    match try_one(session, sql) {
        Ok(_) => (String::new(), String::new()),
        Err(error) => {
            let error = error
                .as_db_error()
                .unwrap_or_else(|| panic!("{error:?}\nin: {sql}"));
            (error.code().code().to_owned(), error.message().to_owned())
        }
    }
}

#[test]
fn every_function_works_or_says_that_it_is_read_only_and_every_view_works() {
    let pair = Pair::new();
    let mut session = pair.on_standby();
    let calls = calls(&mut session);
    assert!(calls.len() > 90, "{}", calls.len());
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for (signature, statement, volatility) in calls {
        let (code, message) = outcome(&mut session, &statement);
        match code.as_str() {
            "" => {}
            READ_ONLY if volatility == "v" => refused.push(signature),
            "0A000" if message.contains("is not supported") => {}
            _ => wrong.push(format!("{code} {message}: {statement}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in [
        "create_hypertable",
        "drop_chunks",
        "premake_chunks",
        "add_job",
        "tier_chunk",
        "run_maintenance",
        "migrate_up",
        "migrate_deploy",
        "migrate_register",
        "task_mark",
    ] {
        assert!(
            refused.iter().any(|s| s.starts_with(&format!("{name}("))),
            "{name} is not refused: {refused:?}"
        );
    }
    let views = rows(
        &mut session,
        "SELECT c.oid::regclass FROM pg_class c WHERE c.relkind = 'v' AND relnamespace::regnamespace::text IN ('strata', 'strata_lens', 'timescaledb_information') ORDER BY 1",
    );
    assert!(views.lines().count() > 15, "{views}");
    let mut primary = pair.on_primary();
    for view in views.lines() {
        let all = format!("SELECT count(*), count(v) FROM {view} v");
        let here = rows(&mut session, &all);
        // what jobs have done goes on meanwhile, and each session has its own counters
        if !view.contains("job") && view != "strata.cold_session_files" {
            assert_eq!(here, rows(&mut primary, &all), "{view}");
        }
    }
}

#[test]
fn a_standby_reads_refuses_to_write_and_goes_on_when_promoted() {
    let mut pair = Pair::new();
    let (mut primary, mut standby) = (pair.on_primary(), pair.on_standby());
    // the lazy scan, gap filling, cold chunks
    let newest = "SELECT id, ts FROM m WHERE dev = 3 ORDER BY ts DESC LIMIT 5";
    let plan = rows(&mut standby, &format!("EXPLAIN (COSTS OFF) {newest}"));
    assert!(plan.contains("Custom Scan"), "{plan}");
    for sql in [
        newest,
        "SELECT md5(string_agg(m::text, ',' ORDER BY id)), count(*) FROM m",
        "SELECT id, val FROM m WHERE ts < '2025-01-02 00:00+00' AND dev = 2 ORDER BY id",
        "SELECT strata.time_bucket_gapfill('6 hours', ts, start => '2024-12-31 00:00+00', finish => '2025-01-04 00:00+00') b, dev, strata.locf(max(val)), strata.interpolate(avg(val))
         FROM m WHERE dev < 2 AND ts < '2025-01-05 00:00+00' GROUP BY 1, 2 ORDER BY 2, 1",
        "SELECT strata.time_bucket('1 week', ts), strata.first(val, ts), strata.last(val, ts), strata.histogram(val, 0, 400, 4) FROM m GROUP BY 1 ORDER BY 1",
        "SELECT * FROM strata.show_chunks('m', older_than => timestamptz '2025-01-20 00:00+00')",
        "SELECT strata.hypertable_size('u') = strata.hypertable_size('u'), strata.approximate_row_count('m') >= 0",
        "SELECT hypertable_name, chunk_name, range_start, range_end, state FROM strata.chunks WHERE hypertable_name = 'm' ORDER BY 1, 2",
    ] {
        assert_eq!(rows(&mut standby, sql), rows(&mut primary, sql), "{sql}");
    }
    assert_eq!(
        one(
            &mut standby,
            "SELECT min(state) FROM strata.chunks WHERE state = 'cold'"
        ),
        "cold"
    );
    // writes: into a chunk, a missing one, a cold one
    for ts in [
        "2025-02-01 00:30+00",
        "2035-01-01 00:00+00",
        "2025-01-01 00:30+00",
    ] {
        for sql in [
            format!("INSERT INTO m VALUES (1, '{ts}', 1)"),
            format!(
                "INSERT INTO m SELECT g, '{ts}', 1 FROM generate_series(1, 3) g ON CONFLICT DO NOTHING"
            ),
            format!("UPDATE m SET ts = '{ts}' WHERE id = 1400"),
            format!(
                "MERGE INTO m USING (VALUES (1)) s(i) ON m.id = 1400 WHEN MATCHED THEN UPDATE SET ts = '{ts}'"
            ),
            format!("COPY m FROM PROGRAM 'echo 1,{ts},1,' (FORMAT csv)"),
        ] {
            assert_eq!(outcome(&mut standby, &sql).0, READ_ONLY, "{sql}");
        }
    }
    assert_eq!(
        one(
            &mut standby,
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^pg_strata'"
        ),
        "0"
    );
    assert_eq!(one(&mut standby, "SELECT pg_is_in_recovery()"), "t");

    // the old primary goes away, the standby takes over
    drop((primary, standby));
    pair.standby.catch_up(&pair.primary);
    pair.primary.stop(Stop::Immediate);
    pair.standby.psql("postgres", "SELECT pg_promote()");
    let ran = "SELECT count(*) FROM ran";
    let before: u64 = one(&mut pair.on_standby(), ran).parse().unwrap();
    // a run that the old primary did not finish counts as failed, and is tried again
    wait_until("jobs run on the new primary", || {
        one(&mut pair.on_standby(), ran).parse::<u64>().unwrap() > before + 1
    });
    let mut session = pair.on_standby();
    exec(
        &mut session,
        "INSERT INTO m VALUES (1, '2035-01-01 00:00+00', 1); COPY m FROM PROGRAM 'echo 2,2036-01-01 00:00+00,1,' (FORMAT csv)",
    );
    // in a transaction of its own: the hint to make more comes with the row
    exec(
        &mut session,
        "INSERT INTO live VALUES (now(), 1), (now() + interval '2 days', 2)",
    );
    exec(
        &mut session,
        "CALL strata.tier_chunks('m', older_than => timestamptz '2025-01-04 00:00+00')",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(tableoid::regclass::text, ',' ORDER BY ts) FROM m WHERE ts > '2030-01-01'"
        ),
        "strata_chunks.m_h1_20350101,strata_chunks.m_h1_20360101"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.chunks WHERE state = 'cold'"
        ),
        "3"
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM m"), "1442");
    wait_until("premake goes on", || {
        one(
            &mut session,
            "SELECT count(*) >= 2 FROM strata.chunks WHERE hypertable_name = 'live' AND range_start > now() + interval '2 days'",
        ) == "t"
    });
}
