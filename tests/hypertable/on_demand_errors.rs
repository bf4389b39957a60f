//! Chunks on demand: what is refused, with which SQLSTATE, and who may.

use super::on_demand::{MADE, TABLE, cluster, no_leaks};
use crate::common::{Cluster, Db, exec, fails, one, rows};

#[test]
fn values_that_get_no_chunk() {
    let cluster = cluster();
    let db = Db::new(&cluster, "values");
    let mut s = db.session();
    exec(&mut s, TABLE);
    fails(
        &mut s,
        "INSERT INTO m VALUES (NULL, 1, 1)",
        "23514",
        &["no partition"],
    );
    for infinity in ["infinity", "-infinity"] {
        let insert = format!("INSERT INTO m VALUES ('2021-01-01', 1, 1), ('{infinity}', 1, 1)");
        fails(&mut s, &insert, "22008", &["\"ts\"", "infinite"]);
    }
    fails(
        &mut s,
        "INSERT INTO m VALUES ('294276-12-31 23:00', 1, 1)",
        "22008",
        &["out of range"],
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM m"), "0");
    exec(
        &mut s,
        "SELECT strata.alter_hypertable('m', horizon_past => interval '10 years', horizon_future => interval '1 year')",
    );
    let before = one(&mut s, MADE);
    let error = fails(
        &mut s,
        "INSERT INTO m VALUES ('1999-01-01', 1, 1)",
        "22008",
        &["horizon_past"],
    );
    assert!(
        error
            .hint()
            .unwrap_or_default()
            .contains("strata.alter_hypertable")
    );
    fails(
        &mut s,
        "INSERT INTO m VALUES (now() + interval '2 years', 1, 1)",
        "22008",
        &["horizon_future"],
    );
    fails(
        &mut s,
        "UPDATE m SET ts = '1999-01-01' WHERE false; INSERT INTO m VALUES (now() - interval '11 years', 1, 1)",
        "22008",
        &["horizon_past"],
    );
    assert_eq!(one(&mut s, MADE), before);
    // rows for chunks that are there are taken
    exec(
        &mut s,
        "SELECT strata.premake_chunks('m', '1999-01-01'::timestamptz, '1999-01-02'::timestamptz); INSERT INTO m VALUES ('1999-01-01', 1, 1)",
    );
    no_leaks(&cluster);
}

#[test]
fn too_many_chunks_for_one_statement() {
    let cluster = cluster();
    let db = Db::new(&cluster, "many");
    let mut s = db.session();
    exec(&mut s, TABLE);
    exec(
        &mut s,
        "SELECT strata.alter_hypertable('m', max_chunks_per_statement => 20)",
    );
    let insert = |n: u32| {
        format!(
            "INSERT INTO m SELECT '2021-01-01'::timestamptz + i * interval '1 day', i, i FROM generate_series(1, {n}) i"
        )
    };
    let error = fails(
        &mut s,
        &insert(21),
        "54000",
        &["max_chunks_per_statement = 20"],
    );
    assert!(
        error
            .hint()
            .unwrap_or_default()
            .contains("set_chunk_time_interval")
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM m"), "0");
    assert!(one(&mut s, MADE).parse::<u32>().unwrap() <= 20);
    exec(&mut s, &insert(20));
    // in the transaction of the table itself: nothing is left at all
    exec(&mut s, "BEGIN; ALTER TABLE m ADD COLUMN w int; SAVEPOINT a");
    let far = "INSERT INTO m SELECT '2031-01-01'::timestamptz + i * interval '1 day', i, i FROM generate_series(1, 21) i";
    fails(&mut s, far, "54000", &["max_chunks_per_statement = 20"]);
    exec(&mut s, "COMMIT");
    // one NOTICE from eleven chunks on
    let notices = |sql: &str| {
        let out = cluster.psql_with("many", &["-At"], sql);
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let said = notices(
        "INSERT INTO m SELECT '2041-01-01'::timestamptz + i * interval '1 day', i, i FROM generate_series(1, 11) i",
    );
    assert!(
        said.contains("this statement made 11 chunks of hypertable \"m\""),
        "{said}"
    );
    let said = notices(
        "INSERT INTO m SELECT '2042-01-01'::timestamptz + i * interval '1 day', i, i FROM generate_series(1, 10) i",
    );
    assert_eq!(said, "");
    no_leaks(&cluster);
}

#[test]
fn where_chunks_are_not_made_on_demand() {
    let cluster = cluster();
    let db = Db::new(&cluster, "off");
    let mut s = db.session();
    exec(&mut s, TABLE);
    exec(&mut s, "INSERT INTO m VALUES ('2021-01-01', 1, 1)");
    // another session's change is seen at once
    let mut other = db.session();
    exec(
        &mut other,
        "SELECT strata.alter_hypertable('m', on_missing_chunk => 'error')",
    );
    fails(
        &mut s,
        "INSERT INTO m VALUES ('2021-01-02', 1, 1)",
        "23514",
        &["no partition"],
    );
    exec(
        &mut other,
        "SELECT strata.alter_hypertable('m', on_missing_chunk => 'create')",
    );
    exec(&mut s, "INSERT INTO m VALUES ('2021-01-02', 1, 1)");
    // read only
    fails(
        &mut s,
        "BEGIN READ ONLY; INSERT INTO m VALUES ('2021-01-03', 1, 1)",
        "25006",
        &["read-only"],
    );
    exec(&mut s, "ROLLBACK");
    assert_eq!(one(&mut s, MADE), "2");
    // a database that is read only by default does not stop the maker
    exec(
        &mut s,
        "ALTER DATABASE off SET default_transaction_read_only = on; ALTER DATABASE off SET search_path = nowhere",
    );
    let mut fresh = db.session();
    exec(&mut fresh, "SET default_transaction_read_only = off");
    exec(
        &mut fresh,
        "INSERT INTO public.m VALUES ('2021-01-03', 1, 1)",
    );
    exec(&mut fresh, "ALTER DATABASE off RESET ALL");
    // without the extension it is a partitioned table
    exec(&mut s, "DROP EXTENSION pg_strata");
    exec(&mut s, "INSERT INTO m VALUES ('2021-01-01', 2, 1)");
    fails(
        &mut s,
        "INSERT INTO m VALUES ('2021-01-04', 1, 1)",
        "23514",
        &["no partition"],
    );
    fails(
        &mut other,
        "INSERT INTO m VALUES ('2021-01-04', 1, 1)",
        "23514",
        &["no partition"],
    );
    no_leaks(&cluster);
}

#[test]
fn without_preload_nothing_is_made_and_by_session_it_is() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "session");
    let mut s = db.session();
    exec(&mut s, TABLE);
    fails(
        &mut s,
        "INSERT INTO m VALUES ('2021-01-01', 1, 1)",
        "23514",
        &["no partition"],
    );
    exec(
        &mut s,
        "ALTER DATABASE session SET session_preload_libraries = 'pg_strata'",
    );
    let mut preloaded = db.session();
    exec(&mut preloaded, "INSERT INTO m VALUES ('2021-01-01', 1, 1)");
    fails(
        &mut s,
        "INSERT INTO m VALUES ('2021-01-02', 1, 1)",
        "23514",
        &["no partition"],
    );
    no_leaks(&cluster);
}

#[test]
fn whoever_may_insert_makes_chunks_that_belong_to_the_owner() {
    let cluster = cluster();
    let db = Db::new(&cluster, "rights");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE keeper NOLOGIN; CREATE ROLE writer LOGIN; CREATE ROLE stranger LOGIN;
         CREATE SCHEMA app AUTHORIZATION keeper; GRANT USAGE ON SCHEMA app TO writer, stranger; SET ROLE keeper;
         CREATE TABLE app.m (ts timestamptz NOT NULL, who name DEFAULT current_user);
         SELECT FROM strata.create_hypertable('app.m', strata.by_range('ts', interval '1 day'));
         ALTER TABLE app.m ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON app.m USING (who = current_user) WITH CHECK (who = current_user);
         GRANT INSERT, SELECT ON app.m TO writer; RESET ROLE",
    );
    let mut w = db.session_as("writer");
    exec(
        &mut w,
        "INSERT INTO app.m VALUES ('2021-01-01'), ('2021-01-02')",
    );
    fails(
        &mut w,
        "INSERT INTO app.m VALUES ('2021-01-03', 'keeper')",
        "42501",
        &["row-level security"],
    );
    let chunk = one(
        &mut w,
        "SELECT tableoid::regclass FROM app.m ORDER BY ts LIMIT 1",
    );
    assert_eq!(chunk, "strata_chunks.m_h1_20210101");
    fails(
        &mut w,
        &format!("SELECT FROM {chunk}"),
        "42501",
        &["permission denied"],
    );
    fails(
        &mut db.session_as("stranger"),
        "INSERT INTO app.m VALUES ('2022-01-01')",
        "42501",
        &["permission denied"],
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT DISTINCT relowner::regrole, relrowsecurity FROM pg_class JOIN strata.chunks ON chunk = oid WHERE origin = 'on_demand'"
        ),
        "keeper|t"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.chunks WHERE range_start >= '2022-01-01' AND range_start < '2023-01-01'"
        ),
        "0"
    );
    no_leaks(&cluster);
}

#[test]
fn prepared_transactions_may_follow() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_prepared_transactions", "2")
        .start();
    let db = Db::new(&cluster, "twophase");
    let mut s = db.session();
    exec(&mut s, TABLE);
    exec(
        &mut s,
        "BEGIN; INSERT INTO m VALUES ('2021-01-01', 1, 1); PREPARE TRANSACTION 'one'",
    );
    exec(&mut s, "INSERT INTO m VALUES ('2021-01-02', 1, 1)");
    exec(&mut s, "COMMIT PREPARED 'one'");
    assert_eq!(one(&mut s, "SELECT count(*) FROM m"), "2");
    no_leaks(&cluster);
}
