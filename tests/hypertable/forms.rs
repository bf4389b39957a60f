//! The forms of hypertables, as only a real server shows them: premake at any time and in any zone, chunks on
//! demand by id and by hash, everything of the hypertable on new chunks.

use crate::common::{Cluster, Db, exec, fails, one, rows};

/// What a chunk shows of a thing that its hypertable has.
const TWINS: &str = "
    SELECT c.relname, a.attname, a.attstorage, a.attcompression, a.attnotnull, a.attstattarget, a.atttypid::regtype,
           pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE c.oid = %T
    ORDER BY a.attname";

fn columns(db: &Db, relation: &str) -> Vec<String> {
    let text = rows(&mut db.session(), &TWINS.replace("%T", relation));
    text.lines()
        .map(|l| l.split_once('|').unwrap().1.to_owned())
        .collect()
}

#[test]
fn chunks_carry_what_their_hypertable_has() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "carried");
    db.run(
        "CREATE ROLE keeper NOLOGIN; CREATE TABLE other (n int PRIMARY KEY);
         CREATE TABLE t (gone int, ts timestamptz NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, n int DEFAULT 7 REFERENCES other,
           txt text COLLATE \"C\", double int GENERATED ALWAYS AS (n * 2) STORED, CHECK (n > 0))
           PARTITION BY RANGE (ts);
         ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ALTER txt SET STATISTICS 77; ALTER TABLE t ALTER txt SET STORAGE EXTERNAL;
         COMMENT ON COLUMN t.txt IS 'some text';
         CREATE INDEX t_n ON t (n); CREATE STATISTICS t_s ON n, double FROM t;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
         ALTER TABLE t REPLICA IDENTITY FULL; ALTER TABLE t OWNER TO keeper; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         GRANT SELECT ON t TO PUBLIC;
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'));
         SELECT FROM strata.premake_chunks('t', '2024-01-01 00:00+00', '2024-01-02 00:00+00')",
    );
    let chunk = "(SELECT strata.show_chunks('t', older_than => TIMESTAMPTZ '2024-02-01'))";
    assert_eq!(columns(&db, chunk), columns(&db, "'t'::regclass"));
    let about = format!(
        "SELECT c.relowner::regrole, c.relrowsecurity, c.relreplident, c.relacl IS NULL,
           (SELECT count(*) FROM pg_index WHERE indrelid = c.oid), (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal),
           (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'f')),
           (SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = c.oid)
         FROM pg_class c WHERE c.oid = {chunk}"
    );
    let mut session = db.session();
    assert_eq!(rows(&mut session, &about), "keeper|t|f|t|2|1|2|1");
    // later things reach chunks that come later still
    exec(
        &mut session,
        "CREATE INDEX t_txt ON t (txt); ALTER TABLE t ADD COLUMN late int NOT NULL DEFAULT 3; INSERT INTO other VALUES (1);
         ALTER TABLE t ADD CONSTRAINT late_c CHECK (late < 9)",
    );
    exec(
        &mut session,
        "INSERT INTO t (ts, n) VALUES ('2024-01-01 05:00+00', 1), ('2024-03-01 05:00+00', 1)",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT ts::date, id, n, double, late FROM t ORDER BY ts"
        ),
        "2024-01-01|1|1|2|3\n2024-03-01|2|1|2|3"
    );
    fails(
        &mut session,
        "INSERT INTO t (ts, n, late) VALUES ('2024-05-01 05:00+00', 1, 10)",
        "23514",
        &["late_c"],
    );
}

#[test]
fn tablespaces_are_taken_in_turn() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "spaces");
    let mut session = db.session();
    exec(&mut session, "SET allow_in_place_tablespaces = on");
    exec(&mut session, "CREATE TABLESPACE one LOCATION ''");
    exec(&mut session, "CREATE TABLESPACE two LOCATION ''");
    db.run(
        "CREATE TABLE t (ts date NOT NULL, dev int);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'));
         SELECT FROM strata.attach_tablespace('one', 't'); SELECT FROM strata.attach_tablespace('two', 't');
         SELECT FROM strata.premake_chunks('t', '2024-01-01', '2024-01-05');
         SELECT FROM strata.add_dimension('t', strata.by_hash('dev', 2));
         SELECT FROM strata.premake_chunks('t', '2024-02-01', '2024-02-02')",
    );
    let spaces = rows(
        &mut session,
        "SELECT chunk_tablespace FROM strata.chunks WHERE range_start < '2024-01-05' ORDER BY range_start",
    );
    let spaces: Vec<&str> = spaces.lines().collect();
    assert_eq!(spaces.len(), 4);
    assert!(spaces.windows(2).all(|w| w[0] != w[1]), "{spaces:?}");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(DISTINCT reltablespace) FROM pg_class WHERE relname LIKE 't_h1_20240201_p_' AND relkind = 'r'"
        ),
        "2"
    );
}

#[test]
fn ids_and_hashes_get_their_chunks_on_demand() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "demand");
    db.run(
        "CREATE TABLE u (id uuid PRIMARY KEY, v int); CREATE TABLE b (id bigint PRIMARY KEY, at timestamptz);
         CREATE TABLE h (ts timestamptz NOT NULL, dev int, PRIMARY KEY (dev, ts));
         SELECT FROM strata.create_hypertable('u', strata.by_id('id', NULL, INTERVAL '1 day'));
         SELECT FROM strata.create_hypertable('b', strata.by_id('id', 'at', 1000));
         SELECT FROM strata.create_hypertable('h', 'ts', 'dev', 3)",
    );
    let mut session = db.session();
    exec(
        &mut session,
        "INSERT INTO u SELECT strata.to_uuidv7('2024-01-01 00:00+00'::timestamptz + g * INTERVAL '6 hours'), g FROM generate_series(0, 39) g;
         INSERT INTO b SELECT g * 100, '2024-01-01' FROM generate_series(1000, 1099) g;
         INSERT INTO h SELECT '2024-01-01 00:00+00'::timestamptz + g * INTERVAL '1 day', g FROM generate_series(0, 20) g",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(DISTINCT tableoid) || ' ' || count(*) FROM u"
        ),
        "10 40"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(DISTINCT tableoid) || ' ' || count(*) FROM b"
        ),
        "10 100"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(DISTINCT p.inhparent) || ' ' || count(*) FROM h JOIN pg_inherits p ON p.inhrelid = h.tableoid"
        ),
        "3 21"
    );
    fails(
        &mut session,
        "INSERT INTO u VALUES ('018d61f7-1900-4000-8000-000000000000', 6)",
        "23514",
        &["version 7"],
    );
    exec(
        &mut session,
        "SELECT strata.alter_hypertable('b', max_chunks_per_statement => 2)",
    );
    fails(
        &mut session,
        "INSERT INTO b SELECT g * 1000, NULL FROM generate_series(1000, 1010) g",
        "54000",
        &["max_chunks_per_statement"],
    );
}

#[test]
fn premake_keeps_ahead_for_every_type_of_key() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "ahead");
    let mut session = db.session();
    for (n, (typ, by)) in [
        ("date", "INTERVAL '1 day'"),
        ("timestamp", "INTERVAL '1 day'"),
        ("timestamptz", "INTERVAL '1 day'"),
        ("uuid", "INTERVAL '1 day'"),
        ("smallint", "10"),
        ("integer", "10"),
        ("bigint", "10"),
    ]
    .into_iter()
    .enumerate()
    {
        exec(
            &mut session,
            &format!("SET TimeZone = 'Etc/GMT{:+}'", n as i32 * 4 - 12),
        );
        exec(
            &mut session,
            &format!(
                "CREATE TABLE a_{n} (k {typ} NOT NULL);
                 SELECT FROM strata.create_hypertable('a_{n}', strata.by_range('k', {by}))"
            ),
        );
    }
    let ahead = "SELECT bool_and(num_chunks = 3) FROM strata.hypertables";
    assert_eq!(one(&mut session, ahead), "t");
    // as after a long standstill: everything is gone, and comes back
    exec(
        &mut session,
        "DO $$ DECLARE c regclass; BEGIN FOR c IN SELECT chunk FROM strata.chunks LOOP EXECUTE 'DROP TABLE ' || c; END LOOP; END $$",
    );
    exec(&mut session, "CALL strata.run_maintenance()");
    assert_eq!(one(&mut session, ahead), "t");
    // times begin at midnight in UTC whatever the session said, and hold now()
    let midnight = "SELECT bool_and(range_start = date_trunc('day', range_start AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'),
        bool_or(range_start <= now() AND now() < range_end) FROM strata.chunks WHERE range_start IS NOT NULL";
    assert_eq!(rows(&mut session, midnight), "t|t");
    // data at the end of the last chunk: more come behind it
    exec(
        &mut session,
        "INSERT INTO a_5 VALUES (29); INSERT INTO a_4 VALUES (15)",
    );
    exec(&mut session, "CALL strata.run_maintenance()");
    assert_eq!(
        rows(
            &mut session,
            "SELECT hypertable_name, max(range_end_integer) FROM strata.chunks WHERE hypertable_name IN ('a_4', 'a_5') GROUP BY 1 ORDER BY 1"
        ),
        "a_4|40\na_5|50"
    );
    // an integer key that says where it is
    exec(
        &mut session,
        "CREATE FUNCTION at() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1000::bigint';
         SELECT strata.set_integer_now_func('a_6', 'at')",
    );
    exec(&mut session, "CALL strata.run_maintenance()");
    assert_eq!(
        one(
            &mut session,
            "SELECT max(range_end_integer) FROM strata.chunks WHERE hypertable_name = 'a_6'"
        ),
        "1030"
    );
}
