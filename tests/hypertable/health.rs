//! `strata.health()` (architecture.md, section 8).

use crate::common::{Cluster, Db, one, rows, wait_until};

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
