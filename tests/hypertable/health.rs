//! `strata.health()` (architecture.md, section 8).

use crate::common::{Cluster, Db, fails, one, rows, wait_until};

fn ask(db: &Db<'_>, name: &str) -> String {
    let sql = format!("SELECT value, ok, hint FROM strata.health() WHERE name = '{name}'");
    rows(&mut db.session(), &sql)
}

#[test]
fn health_shows_versions_processes_and_jobs_that_fail() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .start();
    let db = Db::new(&cluster, "health");
    let bad = "SELECT count(*) FROM strata.health() WHERE NOT ok";
    wait_until("all is well", || db.one(bad) == "0");
    assert!(ask(&db, "launcher").starts_with("runs as process "));
    assert!(ask(&db, "worker of this database").starts_with("runs as process "));
    assert!(ask(&db, "background workers").contains(" of 16 in use|t"));
    let same = "SELECT count(DISTINCT value) FROM strata.health() WHERE name IN ('library version', 'catalog version')";
    assert_eq!(db.one(same), "1");
    db.run(
        "CREATE ROLE eve LOGIN;
         CREATE PROCEDURE fail(job_id int, config jsonb) LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no luck''; END';
         SELECT strata.add_job('fail', '1 hour')",
    );
    wait_until("the failure shows", || {
        ask(&db, "failing jobs") == "1|f|SELECT * FROM strata.job_errors"
    });
    assert!(ask(&db, "last error").contains("job 1000: P0001 no luck"));
    // others see how the server fares, and nothing of jobs that are not theirs
    let mut eve = db.session_as("eve");
    let seen = "SELECT count(*) FILTER (WHERE value LIKE 'runs as%'), bool_or(value LIKE '%no luck%') FROM strata.health()";
    assert_eq!(rows(&mut eve, seen), "2|f");
    // the catalog is that of another version
    one(
        &mut db.session(),
        "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'pg_strata'",
    );
    assert!(ask(&db, "catalog version").starts_with("0.0.1|f|ALTER EXTENSION"));
}

#[test]
fn health_works_without_preload_and_in_a_read_only_transaction() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "health");
    assert!(ask(&db, "preloaded").starts_with("no|f|shared_preload_libraries"));
    assert_eq!(ask(&db, "launcher"), "does not run|t|");
    let mut session = db.session();
    one(
        &mut session,
        "SET default_transaction_read_only = on; SELECT count(*) FROM strata.health()",
    );
}

#[test]
fn words_of_the_columnstore_are_refused_with_what_to_do_instead() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "words");
    let plain = Db::empty(&cluster, "plain");
    let mut session = db.session();
    one(
        &mut session,
        "SET search_path = public, strata; CREATE TABLE m (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts);
         SELECT create_hypertable('m', by_range('ts'))",
    );
    for word in [
        "SELECT compress_chunk(c) FROM show_chunks('m') c",
        "SELECT decompress_chunk('m', true)",
        "CALL recompress_chunk('m')",
        "SELECT add_compression_policy('m', INTERVAL '7 days')",
        "SELECT add_compression_policy('m', compress_after => INTERVAL '60d')",
        "SELECT remove_compression_policy('m', true)",
        "CALL convert_to_columnstore('m')",
        "CALL convert_to_rowstore('m')",
        "CALL add_columnstore_policy('m', after => INTERVAL '1d')",
        "CALL remove_columnstore_policy('m')",
        "ALTER TABLE m SET (timescaledb.compress, timescaledb.compress_segmentby = 'v')",
        "ALTER TABLE m SET (tsdb.enable_columnstore = true)",
    ] {
        let error = fails(&mut session, word, "0A000", &[]);
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("strata.tier_chunks"), "{word}: {error:?}");
    }
    for word in [
        "CREATE MATERIALIZED VIEW v WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', ts), count(*) FROM m GROUP BY 1",
        "CALL refresh_continuous_aggregate('m', NULL, now())",
        "SELECT add_continuous_aggregate_policy('m', start_offset => INTERVAL '1 month', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '1 hour')",
        "SELECT remove_continuous_aggregate_policy('m')",
    ] {
        fails(
            &mut session,
            word,
            "0A000",
            &["continuous aggregates are planned"],
        );
    }
    // where the extension is not, the server speaks
    fails(
        &mut plain.session(),
        "CREATE TABLE t (a int); ALTER TABLE t SET (timescaledb.compress)",
        "22023",
        &["namespace"],
    );
}
