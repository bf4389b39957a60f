//! Bloom filters at the start of a scan: a file that cannot hold what is asked for is not opened.

use crate::support::{ColdDb, Db, exec, one, rows, s3, server};
use postgres::Client;

const EXPLAIN: &str = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)";

/// Chunks whose files a statement opens, and those that stay closed: nearly always by a filter, now and then
/// because the value is smaller than all of the file.
fn files(session: &mut Client, sql: &str) -> (usize, usize) {
    let plan = rows(session, &format!("{EXPLAIN} {sql}"));
    let skipped = plan.matches(".sqlite skipped (bloom)").count()
        + plan.matches(".sqlite skipped (zone map)").count();
    let opened = plan.matches(".sqlite on ").count();
    (opened, skipped)
}

/// Keys that say nothing about time, one row an hour.
const UUIDS: &str = "CREATE TABLE m (id uuid, ts timestamptz NOT NULL, n int, PRIMARY KEY (id, ts));
     INSERT INTO m SELECT md5(g::text)::uuid, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g
         FROM generate_series(0, 2423) g;
     SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
     CREATE TABLE asked AS SELECT g AS n, md5(g::text)::uuid AS id FROM generate_series(0, 90) g; ANALYZE asked";

/// Version 4 ids over a hundred files: one lookup opens the file that has the row, and at most one other.
#[test]
fn a_random_id_is_looked_up_in_its_own_file_only() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "blooms_uuid");
    db.run(UUIDS);
    // what parallel workers skip dies with them
    db.run("ALTER DATABASE blooms_uuid SET max_parallel_workers_per_gather = 0");
    db.archive(&proxy.endpoint(), ", max_connections '8'");
    db.run(
        "SELECT strata.set_cold_storage('m', server => 'archive');
         CALL strata.tier_chunks('m', older_than => timestamptz '2025-04-11 00:00+00')",
    );
    assert_eq!(db.keys().len(), 100);
    let mut session = db.session();
    let (mut others, mut absent) = (0, 0);
    for n in [3, 500, 999, 1500, 2345] {
        let sql = format!("SELECT n FROM m WHERE id = md5('{n}')::uuid");
        assert_eq!(one(&mut session, &sql), n.to_string());
        let (opened, skipped) = files(&mut session, &sql);
        assert_eq!(opened + skipped, 100);
        others += opened - 1;
        let sql = format!("SELECT n FROM m WHERE id = md5('no {n}')::uuid");
        proxy.reset();
        assert_eq!(rows(&mut session, &sql), "");
        let (opened, _) = files(&mut session, &sql);
        assert!(opened > 0 || proxy.counts().gets == 0);
        absent += opened;
    }
    assert!(
        others <= 5 && absent <= 5,
        "{others} {absent} files too many"
    );
    let plan = rows(
        &mut session,
        "EXPLAIN SELECT n FROM m WHERE id = md5('500')::uuid",
    );
    let skipped = plan.matches(".sqlite skipped (bloom)").count();
    assert!(skipped > 90, "{plan}");
    a_plan_of_its_own_is_not_needed(&mut session);
    // what was asked for in vain is asked again with the store away: only the catalog is read
    exec(&mut session, "SELECT strata.cold_cache_reset()");
    let never = (0..20).map(|n| format!("never {n}")).find(|text| {
        let sql = format!("SELECT n FROM m WHERE id = md5('{text}')::uuid");
        files(&mut session, &sql).0 == 0
    });
    let never = never.expect("an id that no filter takes for its own");
    drop(proxy);
    let mut session = db.session();
    let sql = format!("SELECT count(*) FROM m WHERE id = md5('{never}')::uuid");
    assert_eq!(one(&mut session, &sql), "0");
    exec(&mut session, "SET strata.cold_reads = error");
    assert_eq!(one(&mut session, &sql), "0");
    exec(&mut session, "RESET strata.cold_reads");
    let known = "SELECT n FROM m WHERE id = md5('3')::uuid";
    assert!(session.simple_query(known).is_err(), "the store is away");
    // a late row has no part in it
    exec(
        &mut session,
        &format!("INSERT INTO m VALUES (md5('{never}')::uuid, '2025-01-01 00:30+00', 1)"),
    );
    assert_eq!(one(&mut session, &sql), "1");
}

/// The filters are asked with the values of the moment.
fn a_plan_of_its_own_is_not_needed(session: &mut Client) {
    exec(
        session,
        "SET plan_cache_mode = force_generic_plan; PREPARE p (uuid) AS SELECT n FROM m WHERE id = $1;
         PREPARE several (uuid[]) AS SELECT n FROM m WHERE id = ANY ($1) ORDER BY n",
    );
    for n in [44, 1201] {
        let call = format!("EXECUTE p (md5('{n}')::uuid)");
        assert_eq!(one(session, &call), n.to_string());
        let (opened, skipped) = files(session, &call);
        assert!(opened <= 3 && opened + skipped == 100, "{opened} {skipped}");
    }
    let call =
        "EXECUTE several (ARRAY[md5('7'), md5('1000'), NULL, md5('none'), md5('7')]::uuid[])";
    assert_eq!(rows(session, call), "7\n1000");
    let (opened, skipped) = files(session, call);
    assert!(opened <= 7 && opened + skipped == 100, "{opened} {skipped}");
    exec(session, "RESET plan_cache_mode");
    for list in [
        "id IN (md5('7')::uuid, md5('1000')::uuid)",
        "id = md5('7')::uuid OR id = md5('1000')::uuid",
    ] {
        let sql = format!("SELECT n FROM m WHERE {list} ORDER BY n");
        assert_eq!(rows(session, &sql), "7\n1000");
        let (opened, skipped) = files(session, &sql);
        assert!(
            opened <= 6 && opened + skipped == 100,
            "{list}: {opened} {skipped}"
        );
    }
    // each round of a nested loop with its own value: files that no round needs stay closed
    exec(
        session,
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off",
    );
    let join = "SELECT string_agg(m.n::text, ' ' ORDER BY m.n) FROM asked a CROSS JOIN LATERAL \
        (SELECT * FROM m WHERE m.id = a.id OFFSET 0) m WHERE a.n IN (5, 30, 80)";
    assert_eq!(one(session, join), "5 30 80");
    let plan = rows(session, &format!("{EXPLAIN} {join}"));
    assert!(plan.contains("Nested Loop"), "{plan}");
    let opened = plan.matches(".sqlite on ").count();
    assert!((3..=9).contains(&opened), "{plan}");
    exec(session, "RESET ALL");
    // the switch that turns all of it off
    exec(session, "SET strata.cold_pushdown = off");
    let sql = "SELECT n FROM m WHERE id = md5('3')::uuid AND ts < '2025-01-06 00:00+00'";
    assert_eq!(files(session, sql), (5, 0));
    exec(session, "RESET ALL");
}

/// Types whose equal values may be written in several ways, by constants and columns of other types.
#[test]
fn equal_values_are_found_however_they_are_written() {
    let db = Db::new(server(), "blooms_types");
    db.run(
        "CREATE DOMAIN positive AS int8 CHECK (VALUE > 0);
         CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE m (i2 int2, i4 int4, i8 int8, p positive, f4 float4, f8 float8, t text, v varchar(20), b bytea,
             u uuid, d date, s timestamp, z timestamptz, o oid, x boolean, num numeric, c char(5), ci text,
             ts timestamptz NOT NULL);
         INSERT INTO m SELECT g, g, g, g + 1, g / 3.0, g / 3.0, 't' || g, 'v' || g, ('b' || g)::bytea, md5(g::text)::uuid,
             '2000-01-01'::date + g, '2000-01-01'::timestamp + g * interval '1 day', '2000-01-01 00:00+00'::timestamptz + g * interval '1 day',
             g, false, g / 7.0, 'c' || g, 'ci' || g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour' FROM generate_series(0, 99) g;
         UPDATE m SET f4 = '-0', f8 = '-0' WHERE i4 = 0; UPDATE m SET f4 = 'NaN', f8 = 'NaN' WHERE i4 = 1;
         UPDATE m SET f8 = 'Infinity'::float8 - 'Infinity'::float8 WHERE i4 = 2; UPDATE m SET t = '', v = '' WHERE i4 = 3;
         UPDATE m SET z = 'infinity', d = '-infinity', s = '294276-12-31 23:59:59' WHERE i4 = 4; UPDATE m SET i8 = NULL, t = NULL WHERE i4 = 5;
         UPDATE m SET f4 = 0.1, f8 = 0.1 WHERE i4 = 6; UPDATE m SET t = 'ä' || E'\\u0308' WHERE i4 = 7;
         CREATE TABLE twin AS SELECT * FROM m;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         SELECT strata.set_cold_storage('m', bloom_columns => '{i2,i4,i8,p,f4,f8,t,v,b,u,d,s,z,o,x,ci}');
         CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')",
    );
    assert_eq!(db.keys().len(), 1);
    let mut session = db.session();
    assert_eq!(
        one(
            &mut session,
            "SELECT count(DISTINCT columns[1]) FROM strata.cold_bloom"
        ),
        "16"
    );
    exec(
        &mut session,
        "SET timezone = 'Asia/Tokyo'; PREPARE f (float8) AS SELECT i4 FROM {t} WHERE f4 = $1"
            .replace("{t}", "m")
            .as_str(),
    );
    let mut found = 0;
    for condition in [
        "i2 = 7",
        "i2 = 7::int4",
        "i2 = 7::int8",
        "i4 = 7::int2",
        "i4 = 7::int8",
        "i8 = 7::int2",
        "i8 = 7",
        "7 = i8",
        "i8 = 4000000000",
        "i4 = 4000000000",
        "p = 8",
        "p = 8::int2",
        "i4 = ANY ('{7,8}'::int8[])",
        "i8 = ANY ('{}'::int8[])",
        "i8 IN (7, NULL)",
        "i8 = NULL",
        "i8 IS NULL",
        "f4 = 0",
        "f4 = '-0'::float8",
        "f8 = 0::float4",
        "f8 = '-0'",
        "f4 = 'NaN'",
        "f8 = 'NaN'",
        "f8 = 'NaN'::float4",
        "f8 = ANY ('{NaN,-0}')",
        "f4 = 0.1::float8",
        "f4 = 0.1::float4",
        "f8 = 0.1::float4",
        "f8 = 0.1",
        "f8 = ('Infinity'::float8 - 'Infinity'::float8)",
        "f4 = ('Infinity'::float4 - 'Infinity'::float4)",
        "t = ''",
        "t = 't7'",
        "t = 't7'::varchar",
        "t = 't7'::name",
        "t = 't7'::char(5)",
        "v = 'v7'",
        "v = 'v7'::text",
        "v = ''",
        "v = 'v7 '",
        "t = 'ä' || U&'\\0308'",
        "t = 't7' COLLATE \"C\"",
        "b = 'b7'",
        "u = md5('7')::uuid",
        "u = upper(md5('7'))::uuid",
        "u = ANY (ARRAY[md5('7'), md5('8')]::uuid[])",
        "d = '2000-01-08'",
        "d = '2000-01-08'::timestamp",
        "d = '2000-01-08 00:00+09'::timestamptz",
        "d = '-infinity'",
        "s = '2000-01-08'::date",
        "s = '2000-01-08 09:00+09'::timestamptz",
        "s = '294276-12-31 23:59:59'",
        "z = '2000-01-08 09:00+09'",
        "z = '2000-01-08'::date",
        "z = '2000-01-08 09:00'::timestamp",
        "z = 'infinity'",
        "z = 'infinity'::date",
        "o = 7",
        "o = '7'::oid",
        "x",
        "NOT x",
        "x = false",
        "num = 1",
        "num = 1.000",
        "c = 'c7'",
        "c = 'c7 '::text",
        "ci = 'CI7' COLLATE loose",
        "ci = 'ci7'",
        "ci = 'Ci07' COLLATE loose",
        "ci = 'ci7' COLLATE \"C\"",
        "i8 = 7 OR i8 = 9",
        "i8 = 700 OR t = 't9'",
        "(i8 = 7) IS TRUE",
        "NOT (i8 <> 7)",
        "NOT (i8 = 700)",
        "i8 IS NOT DISTINCT FROM 7",
        "(i4, i8) = (7, 7)",
        "row(i4, i8) IN (row(7, 7), row(8, 9))",
        "i8 = 7 AND t = 't7'",
        "i8 = 7 AND t = 't8'",
        "i8 = (SELECT 7)",
        "i4 = (SELECT max(i2) FROM twin)",
        "i8 = 7.0",
        "i8 = 7.5",
    ] {
        let ask = |table: &str| format!("SELECT i4 FROM {table} WHERE {condition} ORDER BY i4");
        let wanted = rows(&mut session, &ask("twin"));
        assert_eq!(rows(&mut session, &ask("m")), wanted, "{condition}");
        found += usize::from(!wanted.is_empty());
    }
    assert!(found > 60, "{found}");
    assert_eq!(rows(&mut session, "EXECUTE f ('NaN')"), "1");
    assert_eq!(rows(&mut session, "EXECUTE f ('-0')"), "0");
    // and filters do have a part in it: within the smallest and largest values, and not there
    for absent in [
        "i8 = 5",
        "u = md5('no 1')::uuid",
        "t = 't7x'",
        "f8 = 0.2",
        "b = 'b7x'",
        "z = '2000-01-08 00:00:01+00'",
    ] {
        let sql = format!("SELECT FROM m WHERE {absent}");
        assert_eq!(files(&mut session, &sql), (0, 1), "{absent}");
        let plan = rows(&mut session, &format!("EXPLAIN {sql}"));
        assert!(plan.contains(".sqlite skipped (bloom)"), "{plan}");
    }
    // a column renamed and another one in its place
    exec(
        &mut session,
        "ALTER TABLE m RENAME i8 TO was; ALTER TABLE m ADD i8 int8 DEFAULT 5; ALTER TABLE m DROP t",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m WHERE i8 = 5"),
        "100"
    );
    assert_eq!(one(&mut session, "SELECT i4 FROM m WHERE was = 7"), "7");
    assert_eq!(files(&mut session, "SELECT FROM m WHERE was = 5"), (0, 1));
}
