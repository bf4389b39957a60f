//! What making a chunk costs the server, in numbers that no machine changes; and that nothing is forgotten
//! because it is read once for many chunks.

use crate::common::{Cluster, Db, exec, fails, one, rows};
use crate::on_demand::cluster;
use postgres::Client;

/// Statements that the session has analysed while it did this, its own one included: the server notes each
/// in its log.
fn statements(cluster: &Cluster, session: &mut Client, sql: &str) -> usize {
    let count = || cluster.log().matches("PARSE ANALYSIS STATISTICS").count();
    exec(session, "SET log_parser_stats = on");
    let before = count();
    exec(session, sql);
    exec(session, "RESET log_parser_stats");
    count() - before
}

/// How many statements each chunk of a batch costs, when the batch grows by 20 chunks.
fn per_chunk(cluster: &Cluster, session: &mut Client, table: &str) -> f64 {
    let mut batch = |from: &str, to: &str| {
        let sql =
            format!("SELECT count(*) FROM strata.premake_chunks('{table}', '{from}', '{to}')");
        statements(cluster, session, &sql)
    };
    // what a session does once
    batch("1999-01-01", "1999-01-02");
    let small = batch("2001-01-01", "2001-01-06");
    let large = batch("2002-01-01", "2002-01-26");
    (large as f64 - small as f64) / 20.0
}

#[test]
fn a_chunk_of_a_batch_takes_two_statements() {
    let cluster = cluster();
    let db = Db::new(&cluster, "statements");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE plain (ts timestamptz NOT NULL, dev int DEFAULT 7, note text, CHECK (dev > 0), PRIMARY KEY (ts, dev)) PARTITION BY RANGE (ts);
         CREATE INDEX ON plain (dev, ts);
         SELECT FROM strata.create_hypertable('plain', strata.by_range('ts', interval '1 day'))",
    );
    // CREATE TABLE and ATTACH; no look at the catalog, none by event triggers of ours
    assert_eq!(per_chunk(&cluster, &mut s, "plain"), 2.0);

    // one ALTER TABLE more, with everything in it that LIKE does not copy
    exec(
        &mut s,
        "CREATE ROLE rich;
         CREATE TABLE rich (ts timestamptz NOT NULL, till timestamptz NOT NULL, dev int, note text, PRIMARY KEY (ts, dev)) PARTITION BY RANGE (ts);
         ALTER TABLE rich ALTER dev SET STATISTICS 77, ALTER note SET (n_distinct = 5), REPLICA IDENTITY FULL, ENABLE ROW LEVEL SECURITY, OWNER TO rich;
         SELECT FROM strata.create_hypertable('rich', strata.by_range('ts', interval '1 day'), end_column => 'till')",
    );
    assert_eq!(per_chunk(&cluster, &mut s, "rich"), 3.0);
    let missing = "SELECT count(*) FROM strata.show_chunks('rich') c JOIN pg_class r ON r.oid = c
        WHERE NOT (r.relrowsecurity AND r.relreplident = 'f' AND r.relowner = 'rich'::regrole
          AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c AND a.attname = 'dev' AND a.attstattarget = 77)
          AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c AND a.attname = 'note' AND 'n_distinct=5' = ANY (a.attoptions))
          AND EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c AND k.conname = 'strata_end'))";
    assert_eq!(one(&mut s, missing), "0");
}

#[test]
fn a_harmless_action_hides_no_other_one() {
    let cluster = cluster();
    let db = Db::new(&cluster, "actions");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE heir; CREATE ROLE nobody;
         REVOKE USAGE ON SCHEMA strata FROM PUBLIC;
         CREATE TABLE m (ts timestamptz NOT NULL, till timestamptz NOT NULL, dev int) PARTITION BY RANGE (ts);
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 day'), end_column => 'till')",
    );
    for action in [
        "ALTER ts DROP NOT NULL",
        "ADD CHECK (dev > 0), ALTER ts DROP NOT NULL",
        "ALTER dev SET STATISTICS 5, ALTER ts DROP NOT NULL, ADD CHECK (dev > 1)",
    ] {
        fails(
            &mut s,
            &format!("ALTER TABLE m {action}"),
            "55000",
            &["must stay NOT NULL"],
        );
    }
    exec(
        &mut s,
        "ALTER TABLE m ALTER dev SET STATISTICS 5, OWNER TO heir",
    );
    let others = "SELECT count(*) FROM strata.show_chunks('m') c JOIN pg_class r ON r.oid = c WHERE r.relowner <> 'heir'::regrole";
    assert_eq!(one(&mut s, others), "0");
    // by the owner, who has no right on our schema
    exec(
        &mut s,
        "SET ROLE heir; ALTER TABLE m RENAME till TO until; RESET ROLE",
    );
    let column = "SELECT end_column FROM strata.hypertable";
    assert_eq!(one(&mut s, column), "until");
    exec(
        &mut s,
        "ALTER TABLE m ADD CHECK (dev > 2), DROP COLUMN until CASCADE",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.hypertable WHERE end_column IS NULL"
        ),
        "1"
    );
}

#[test]
fn a_session_forgets_hypertables_with_the_extension() {
    let cluster = cluster();
    let db = Db::new(&cluster, "forgets");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE m (ts timestamptz NOT NULL, dev int) PARTITION BY RANGE (ts);
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
         INSERT INTO m VALUES ('2020-01-01', 1)",
    );
    let mut other = db.session();
    exec(&mut other, "INSERT INTO m VALUES ('2020-01-02', 1)");
    exec(&mut s, "DROP EXTENSION pg_strata");
    for session in [&mut s, &mut other] {
        fails(
            session,
            "INSERT INTO m VALUES ('2020-01-03', 1)",
            "23514",
            &["no partition"],
        );
    }
    exec(
        &mut s,
        "CREATE EXTENSION pg_strata;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 day'))",
    );
    exec(&mut s, "INSERT INTO m VALUES ('2020-01-03', 1)");
    exec(&mut other, "INSERT INTO m VALUES ('2020-01-04', 1)");
    assert_eq!(one(&mut s, "SELECT count(*) FROM m"), "4");
    // a plan of before and one of after the change
    exec(
        &mut other,
        "SELECT strata.alter_hypertable('m', on_missing_chunk => 'error')",
    );
    fails(
        &mut s,
        "INSERT INTO m VALUES ('2020-01-05', 1)",
        "23514",
        &["no partition"],
    );
    exec(
        &mut s,
        "SELECT strata.alter_hypertable('m', on_missing_chunk => 'create')",
    );
    // in REPEATABLE READ, after a write, with a snapshot of before
    exec(
        &mut other,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO m VALUES ('2020-01-04', 2)",
    );
    exec(
        &mut s,
        "SELECT strata.set_chunk_time_interval('m', interval '2 days')",
    );
    exec(
        &mut other,
        "INSERT INTO m VALUES ('2021-01-05', 1); COMMIT; INSERT INTO m VALUES ('2022-01-05', 1)",
    );
    let widths = "SELECT range_end - range_start FROM strata.chunks WHERE range_start > '2021-01-01' AND range_start < '2023-01-01' ORDER BY range_start";
    assert_eq!(rows(&mut s, widths).trim(), "2 days\n2 days");
}
