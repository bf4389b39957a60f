//! A hypertable that is asked for again, comes back after the extension was away, or is given odd settings.

use crate::common::{Cluster, Db, exec, fails, one, rows};

#[test]
fn asking_again_neither_waits_nor_makes_wait() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "asked");
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'))",
    );
    let (mut reader, mut session) = (db.session(), db.session());
    exec(&mut reader, "BEGIN; SELECT count(*) FROM t");
    exec(&mut session, "SET lock_timeout = '10s'");
    assert_eq!(
        one(
            &mut session,
            "SELECT created FROM strata.create_hypertable('t', strata.by_range('ts'), if_not_exists => true)"
        ),
        "f"
    );
    let call = "SELECT strata.create_hypertable('t', strata.by_range('ts'))";
    fails(&mut session, call, "42710", &["already a hypertable"]);
    exec(&mut reader, "COMMIT");
}

#[test]
fn what_was_left_on_chunks_is_known_when_the_extension_comes_back() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "back");
    db.run(
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ts timestamptz NOT NULL, e timestamptz, dev int);
         INSERT INTO t (ts, e, dev) SELECT timestamptz '2024-01-01 00:00+00' + i * INTERVAL '1 hour', '2025-01-01', i % 3 FROM generate_series(0, 499) i;
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '7 days'), migrate_data => true, end_column => 'e', on_conflicting_unique => 'leaf');
         SELECT strata.freeze_chunk('strata_chunks.t_h1_20240101');
         DROP EXTENSION pg_strata;
         ALTER TABLE strata_chunks.t_h1_20240108 ADD CONSTRAINT strata_zone CHECK (dev >= 0 AND dev <= 2)",
    );
    let mut session = db.session();
    let late = "INSERT INTO t (ts, e, dev) VALUES ('2024-01-10 00:00+00', '2025-01-01', 9)";
    fails(&mut session, late, "23514", &["strata_zone"]);
    // ordinary chunks go on as ordinary partitions
    exec(
        &mut session,
        "INSERT INTO t (ts, e, dev) VALUES ('2024-01-20 00:00+00', '2025-01-01', 9)",
    );
    exec(&mut session, "CREATE EXTENSION pg_strata");
    let create = "SELECT created, chunks, report->>'leaf_keys' FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '7 days'), if_not_exists => true, end_column => 'e')";
    let chunks = one(
        &mut session,
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass",
    );
    assert_eq!(rows(&mut session, create), format!("t|{chunks}|[[\"id\"]]"));
    exec(&mut session, late);
    // the same for a closed chunk that was away for a while
    exec(
        &mut session,
        "ALTER TABLE strata_chunks.t_h1_20240115 ADD CONSTRAINT strata_zone CHECK (dev >= 0 AND dev <= 9)",
    );
    exec(
        &mut session,
        "BEGIN; CALL strata.detach_chunk('strata_chunks.t_h1_20240115'); COMMIT",
    );
    exec(
        &mut session,
        "CALL strata.attach_chunk('t', 'strata_chunks.t_h1_20240115', '{\"ts\": [\"2024-01-15 00:00+00\", \"2024-01-22 00:00+00\"]}')",
    );
    exec(
        &mut session,
        "INSERT INTO t (ts, e, dev) VALUES ('2024-01-16 00:00+00', '2025-01-01', 99)",
    );
    let frozen = "INSERT INTO t (ts, e, dev) VALUES ('2024-01-02 00:00+00', '2025-01-01', 1)";
    fails(&mut session, frozen, "23514", &["strata_frozen"]);
    assert_eq!(
        one(
            &mut session,
            "SELECT strata.unfreeze_chunk('strata_chunks.t_h1_20240101')"
        ),
        "t"
    );
    exec(&mut session, frozen);
    // nothing twice, and new chunks have the same
    exec(
        &mut session,
        "SELECT strata.premake_chunks('t', '2034-01-01 00:00+00', '2034-01-02 00:00+00')",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT DISTINCT (SELECT count(*) FROM pg_index WHERE indrelid = c AND indisunique),
                             (SELECT count(*) FROM pg_constraint WHERE conrelid = c AND conname = 'strata_end') FROM strata.show_chunks('t') c"
        ),
        "1|1"
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT * FROM strata.reconcile_hypertable('t')"
        ),
        ""
    );
    // a key of chunks is a key of the plain table again; what else single chunks have is not lost in silence
    exec(
        &mut session,
        "CREATE INDEX mine ON strata_chunks.t_h1_20240108 (dev)",
    );
    let said = cluster.psql_with("back", &[], "SELECT strata.drop_hypertable('t')");
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("Index \"mine\""), "{said}");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisunique"
        ),
        "1"
    );
}

#[test]
fn settings_at_the_limits_leave_the_hypertable_usable() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "limits");
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL); CREATE TABLE n (k bigint NOT NULL, d int);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'));
         SELECT FROM strata.create_hypertable('n', strata.by_range('k', 1)); SELECT FROM strata.add_dimension('n', strata.by_hash('d', 12))",
    );
    let mut session = db.session();
    for name in [
        "horizon_past",
        "horizon_future",
        "drop_empty_after",
        "lock_wait",
    ] {
        let call = format!("SELECT strata.alter_hypertable('t', {name} => '178000000 years')");
        fails(&mut session, &call, "22023", &[name, "100000 years"]);
    }
    for origin in ["294276-12-31 00:00+00", "4713-01-01 00:00+00 BC"] {
        let call = format!(
            "SELECT strata.alter_hypertable('t', chunk_origin => '{origin}', horizon_past => '90000 years')"
        );
        exec(&mut session, &call);
        exec(&mut session, "INSERT INTO t VALUES ('2024-01-01 12:00+00')");
        assert_eq!(
            one(
                &mut session,
                "SELECT count(*) FROM strata.show_chunks('t', newer_than => TIMESTAMPTZ '2024-01-01', older_than => TIMESTAMPTZ '2024-01-02')"
            ),
            "1"
        );
    }
    // both ends of bigint, in chunks of one number and twelve hash partitions whose names differ; 0 has none
    exec(
        &mut session,
        "INSERT INTO n SELECT k, d FROM unnest(ARRAY[9223372036854775807, 9223372036854775806, -9223372036854775808, -9223372036854775807, -9223372036854775806, 0]) k, generate_series(1, 40) d",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) || ' ' || count(DISTINCT tableoid) FROM n"
        ),
        "240 61"
    );
    // the sequence of an identity that something else uses is said beforehand
    exec(
        &mut session,
        "CREATE TABLE s (ts date NOT NULL, id int GENERATED ALWAYS AS IDENTITY); CREATE TABLE other (n int DEFAULT nextval('s_id_seq'))",
    );
    let error = fails(
        &mut session,
        "SELECT strata.create_hypertable('s', strata.by_range('ts'))",
        "0A000",
        &["as it is"],
    );
    assert!(
        error
            .detail()
            .unwrap()
            .contains("column n of table public.other"),
        "{error:?}"
    );
}

/// Two tables of the same name, as long as names can be, in schemas that need quoting, and no search_path.
#[test]
fn long_and_odd_names_go_through_every_operation() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "names");
    let mut session = db.session();
    exec(&mut session, "SET search_path = ''");
    let name = format!("{}Abc\"d", "ä".repeat(29));
    assert_eq!(name.len(), 63);
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let column = |c: char| format!("\"{}{c}\"", "Ü".repeat(31));
    let (key, a, b) = (column('k'), column('a'), column('b'));
    let key_name = key.trim_matches('"').to_owned();
    for (schema, way) in [
        ("\"A b\"", "move"),
        ("\"a\"\"B\"", "attach"),
        ("\"c;d\"", "online"),
        ("\"É\"", "hash"),
    ] {
        let t = format!("{schema}.{quoted}");
        exec(&mut session, &format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {t} ({key} bigint NOT NULL, {a} int, {b} int, UNIQUE ({key}, {a}));
             CREATE INDEX ON {t} ({a}); CREATE INDEX ON {t} ({b}); CREATE INDEX ON {t} ({a}, {b}); CREATE STATISTICS {schema}.{quoted} ON {a}, {b} FROM {t};
             INSERT INTO {t} SELECT i * 1000000000000000, i, i FROM generate_series(-900, 900) i"
        ));
        let literal = t.replace('\'', "''");
        let by = format!("strata.by_range('{key_name}', 100000000000000000)");
        match way {
            "online" => exec(
                &mut session,
                &format!("CALL strata.create_hypertable_online('{literal}', {by})"),
            ),
            _ => {
                let limit = if way == "attach" { "0" } else { "64MB" };
                exec(&mut session, &format!("SET strata.move_limit = '{limit}'"));
                exec(
                    &mut session,
                    &format!(
                        "SELECT FROM strata.create_hypertable('{literal}', {by}, migrate_data => true)"
                    ),
                );
            }
        }
        let chunks = format!("SELECT c::text FROM strata.show_chunks('{literal}') c");
        if way == "hash" {
            let a_name = a.trim_matches('"');
            exec(
                &mut session,
                &format!("SELECT strata.add_dimension('{literal}', strata.by_hash('{a_name}', 3))"),
            );
        } else {
            let all = rows(&mut session, &chunks);
            let first = all
                .lines()
                .nth(1)
                .unwrap_or_else(|| all.lines().next().unwrap())
                .replace('\'', "''");
            exec(&mut session, &format!("CALL strata.split_chunk('{first}')"));
            let again = rows(&mut session, &chunks);
            let pair: Vec<&str> = again
                .lines()
                .take(3)
                .skip(usize::from(way == "move"))
                .take(2)
                .collect();
            exec(
                &mut session,
                &format!(
                    "CALL strata.merge_chunks('{}', '{}')",
                    pair[0].replace('\'', "''"),
                    pair[1].replace('\'', "''")
                ),
            );
        }
        exec(
            &mut session,
            &format!(
                "INSERT INTO {t} VALUES (9223372036854775807, 1, 1), (-9223372036854775808, 1, 1)"
            ),
        );
        assert_eq!(
            one(&mut session, &format!("SELECT count(*) FROM {t}")),
            "1803"
        );
        assert_eq!(
            rows(
                &mut session,
                &format!("SELECT * FROM strata.reconcile_hypertable('{literal}')")
            ),
            ""
        );
    }
    assert_eq!(
        one(
            &mut session,
            "SELECT count(DISTINCT hypertable_schema) || ' ' || count(DISTINCT hypertable_name) FROM strata.hypertables"
        ),
        "4 1"
    );
    exec(&mut session, "RESET strata.move_limit");
    for schema in ["\"A b\"", "\"a\"\"B\"", "\"c;d\"", "\"É\""] {
        let t = format!("{schema}.{quoted}");
        exec(
            &mut session,
            &format!("SELECT strata.drop_hypertable('{}')", t.replace('\'', "''")),
        );
        assert_eq!(
            one(&mut session, &format!("SELECT count(*) FROM {t}")),
            "1803"
        );
    }
}
