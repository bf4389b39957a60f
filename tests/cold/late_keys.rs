//! Which keys of late rows can be looked up in a file, what that costs, and what happens to the others.

use crate::support::{ColdDb, Db, JANUARY, exec, fails, has_icu, one, rows, server};
use postgres::Client;

/// A table `k` with one month of rows under `PRIMARY KEY (k, ts)`, cold; `value` gives the key of row g.
fn keyed(db: &Db, type_name: &str, value: &str) {
    db.run(&format!(
        "CREATE TABLE k (k {type_name}, ts timestamptz NOT NULL, v int, PRIMARY KEY (k, ts));
         INSERT INTO k SELECT {value}, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g \
         FROM generate_series(0, 499) g;
         SELECT FROM strata.create_hypertable('k', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         CALL strata.tier_chunks('k', older_than => timestamptz '2025-03-01 00:00+00')"
    ));
}

fn insert(value: &str, hours: i32) -> String {
    format!(
        "INSERT INTO k VALUES ({value}, '2025-01-01 00:00+00'::timestamptz + {hours} * interval '1 hour')"
    )
}

#[test]
fn keys_of_every_exact_type_are_looked_up() {
    let db = Db::new(server(), "late_types");
    let mut session = db.session();
    for (type_name, value, cold, new) in [
        ("smallint", "g", "7::smallint", "701"),
        ("integer", "g - 100", "-93", "701"),
        ("bigint", "g * 10000000000", "70000000000", "7"),
        ("boolean", "g % 2 = 0", "false", "true"),
        (
            "uuid",
            "md5(g::text)::uuid",
            "md5('7')::uuid",
            "md5('x')::uuid",
        ),
        ("text", "'Key ' || g", "'Key 7'", "'key 7'"),
        ("varchar(40) COLLATE \"C\"", "'Ü' || g", "'Ü7'", "'Ü7 '"),
        (
            "bytea",
            "decode(lpad(to_hex(g), 4, '0'), 'hex')",
            "'\\x0007'",
            "'\\x07'",
        ),
        (
            "date",
            "date '2000-01-01' + g",
            "'2000-01-08'",
            "'infinity'",
        ),
        (
            "time",
            "time '00:00' + g * interval '1 minute'",
            "'00:07'",
            "'24:00'",
        ),
        (
            "timestamp",
            "timestamp '1500-01-01' + g * interval '1 day'",
            "'1500-01-08'",
            "'infinity'",
        ),
        // beyond what an int64 of microseconds since 1970 holds
        (
            "timestamp",
            "timestamp '294260-01-01' + g * interval '7 days'",
            "'294260-02-19'",
            "'294260-02-20'",
        ),
        (
            "timestamptz",
            "CASE g WHEN 7 THEN '-infinity' ELSE timestamptz '2000-01-01' + g * interval '1 day' END",
            "'-infinity'",
            "'infinity'",
        ),
        ("oid", "g::oid", "7", "4294967295"),
        ("xid8", "g::text::xid8", "'7'", "'18446744073709551615'"),
        ("real", "g / 8.0", "0.875", "0.876"),
        (
            "double precision",
            "CASE g WHEN 7 THEN 'NaN'::float8 WHEN 8 THEN '-0' ELSE g END",
            "'NaN'",
            "'Infinity'",
        ),
        // a NaN whose bits are others
        (
            "double precision",
            "CASE g WHEN 7 THEN 'Infinity'::float8 - 'Infinity' ELSE g END",
            "'NaN'",
            "'-Infinity'",
        ),
        (
            "double precision",
            "CASE g WHEN 7 THEN 'NaN'::float8 ELSE g END",
            "'Infinity'::float8 - 'Infinity'",
            "-1",
        ),
        (
            "double precision",
            "CASE g WHEN 7 THEN '-0'::float8 ELSE g + 1 END",
            "0",
            "-1",
        ),
    ] {
        let at = format!("{type_name} {value}");
        keyed(&db, type_name, value);
        let before = one(&mut session, "SELECT count(*) FROM k");
        let error = fails(&mut session, &insert(cold, 7), "23505", &["k_h", "_pkey"]);
        assert!(
            error
                .detail()
                .unwrap_or_default()
                .contains("already exists"),
            "{at}: {error:?}"
        );
        exec(
            &mut session,
            &format!("{} ON CONFLICT DO NOTHING", insert(cold, 7)),
        );
        assert_eq!(one(&mut session, "SELECT count(*) FROM k"), before, "{at}");
        // the same key at another time, and another key at the same time
        exec(&mut session, &insert(cold, 600));
        exec(&mut session, &insert(new, 7));
        for hours in [600, 7] {
            let value = if hours == 600 { cold } else { new };
            fails(&mut session, &insert(value, hours), "23505", &[]);
        }
        assert_eq!(
            one(&mut session, "SELECT count(*) - 2 FROM k"),
            before,
            "{at}"
        );
        exec(&mut session, "DROP TABLE k");
    }
}

#[test]
fn nulls_are_distinct_unless_the_key_says_otherwise() {
    let db = Db::new(server(), "late_nulls");
    db.run(
        "CREATE TABLE k (k int, ts timestamptz NOT NULL, u int, UNIQUE (k, ts), UNIQUE NULLS NOT DISTINCT (u, ts));
         INSERT INTO k SELECT NULLIF(g, 7), '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', NULLIF(g, 8) \
         FROM generate_series(0, 499) g;
         SELECT FROM strata.create_hypertable('k', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
         CALL strata.tier_chunks('k', older_than => timestamptz '2025-03-01 00:00+00')",
    );
    let mut session = db.session();
    let row = |k: &str, hours: i32, u: &str| {
        format!(
            "INSERT INTO k VALUES ({k}, '2025-01-01 00:00+00'::timestamptz + {hours} * interval '1 hour', {u})"
        )
    };
    exec(&mut session, &row("NULL", 7, "1000"));
    exec(&mut session, &row("NULL", 7, "1001"));
    fails(
        &mut session,
        &row("NULL", 8, "NULL"),
        "23505",
        &["_u_ts_key"],
    );
    fails(&mut session, &row("NULL", 9, "9"), "23505", &["_u_ts_key"]);
    fails(&mut session, &row("9", 9, "NULL"), "23505", &["_k_ts_key"]);
    exec(&mut session, &row("NULL", 9, "NULL"));
    fails(
        &mut session,
        &row("NULL", 9, "NULL"),
        "23505",
        &["_u_ts_key"],
    );
    // the second key decides although the first one is the arbiter
    let other = format!("{} ON CONFLICT (k, ts) DO NOTHING", row("5000", 10, "10"));
    fails(&mut session, &other, "23505", &["_u_ts_key"]);
    let either = format!("{} ON CONFLICT DO NOTHING", row("5000", 10, "10"));
    exec(&mut session, &either);
    assert_eq!(one(&mut session, "SELECT count(*) FROM k"), "503");
}

/// Equality of these types is not that of their stored form: no late row is taken.
#[test]
fn keys_that_cannot_be_looked_up_take_no_late_rows() {
    let db = Db::new(server(), "late_odd");
    let mut session = db.session();
    let mut types = vec![
        ("numeric", "g"),
        ("interval", "g * interval '1 s'"),
        ("char(8)", "g::text"),
    ];
    if has_icu(&mut session) {
        exec(
            &mut session,
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        );
        types.push(("text COLLATE ci", "'k' || g"));
    }
    for (type_name, value) in types {
        keyed(&db, type_name, value);
        let before = one(&mut session, "SELECT count(*) FROM k");
        let new = value.replace('g', "9000");
        for end in ["", "ON CONFLICT DO NOTHING"] {
            let error = fails(
                &mut session,
                &format!("{} {end}", insert(&new, 7)),
                "55000",
                &["k_h"],
            );
            let detail = error.detail().unwrap_or_default();
            assert!(
                detail.contains("_pkey") && detail.contains("column \"k\"")
                    || detail.contains("collation"),
                "{type_name}: {error:?}"
            );
            assert!(
                error.hint().unwrap_or_default().contains("untier_chunk"),
                "{error:?}"
            );
        }
        assert_eq!(
            one(&mut session, "SELECT count(*) FROM k"),
            before,
            "{type_name}"
        );
        exec(&mut session, "DROP TABLE k");
    }
}

/// Without unique keys nothing is looked up, whatever the types are.
#[test]
fn tables_without_keys_take_every_late_row() {
    let db = Db::new(server(), "late_keyless");
    keyed(&db, "numeric", "g");
    let mut session = db.session();
    fails(&mut session, &insert("7", 7), "55000", &[]);
    exec(&mut session, "ALTER TABLE k DROP CONSTRAINT k_pkey");
    exec(&mut session, &insert("7", 7));
    exec(&mut session, &insert("7", 7));
    assert_eq!(one(&mut session, "SELECT count(*) FROM k WHERE k = 7"), "3");
    fails(
        &mut session,
        "ALTER TABLE k ADD PRIMARY KEY (k, ts)",
        "55000",
        &[],
    );
}

/// What came while no index forbade it is found when the key comes back.
#[test]
fn a_key_that_comes_back_is_checked_against_late_rows() {
    let db = Db::new(server(), "late_back");
    db.metrics();
    db.tier("2025-03-01");
    let mut session = db.session();
    exec(
        &mut session,
        "ALTER TABLE m DROP CONSTRAINT m_pkey; INSERT INTO m VALUES (5, '2025-01-01 05:00+00', 1), (9000, '2025-01-20 00:30+00', 1)",
    );
    let error = fails(
        &mut session,
        "ALTER TABLE m ADD PRIMARY KEY (id, ts)",
        "23505",
        &["m_h1_20250101_pkey"],
    );
    assert!(
        error.detail().unwrap_or_default().contains("(id, ts)=(5, "),
        "{error:?}"
    );
    exec(
        &mut session,
        "DELETE FROM m WHERE tableoid <> 0 AND id = 5 AND ts > '2025-02-01'",
    );
    let late = format!("DELETE FROM {JANUARY} WHERE ctid < '(1000,1)'");
    exec(&mut session, &late);
    exec(
        &mut session,
        "INSERT INTO m VALUES (9000, '2025-01-20 00:30+00', 1); ALTER TABLE m ADD PRIMARY KEY (id, ts)",
    );
    fails(
        &mut session,
        "INSERT INTO m VALUES (5, '2025-01-01 05:00+00', 1)",
        "23505",
        &[],
    );
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "2161");
}

fn reject(session: &mut Client, words: &str) {
    exec(
        session,
        &format!("SELECT strata.set_cold_storage('m', late_rows => '{words}')"),
    );
}

#[test]
fn the_policy_decides_at_once_and_for_chunks_that_are_cold_already() {
    let db = Db::new(server(), "late_policy");
    db.metrics();
    db.tier("2025-03-01");
    let mut session = db.session();
    let late = |n: i32| format!("INSERT INTO m VALUES ({n}, '2025-01-20 00:30+00', 1)");
    // nothing was said: accepted
    exec(&mut session, &late(9000));
    let mut other = db.session();
    reject(&mut other, "reject");
    let hash = db.hash();
    for sql in [
        late(9001),
        "UPDATE m SET ts = '2025-01-20 00:30+00' WHERE id = 2000".to_owned(),
        format!("INSERT INTO {JANUARY} VALUES (9001, '2025-01-20 00:30+00', 1)"),
        format!("{} ON CONFLICT DO NOTHING", late(9001)),
    ] {
        let error = fails(
            &mut session,
            &sql,
            "55000",
            &["cold chunk", "m_h1_20250101"],
        );
        assert!(
            error
                .detail()
                .unwrap_or_default()
                .contains("late_rows => 'reject'"),
            "{error:?}"
        );
        assert!(
            error.hint().unwrap_or_default().contains("untier_chunk"),
            "{error:?}"
        );
    }
    let copy = "\\set VERBOSITY verbose\nCOPY m FROM STDIN;\n9000\t2025-03-20 00:30+00\t1\t\\N\t\\N\n\
        9001\t2025-02-20 00:30+00\t1\t\\N\t\\N\n\\.\n";
    let error = db.cluster.try_psql(db.name, copy).expect_err("a late COPY");
    assert!(
        error.contains("55000") && error.contains("m_h1_20250201"),
        "{error}"
    );
    assert_eq!(db.hash(), hash);
    // the late row that is there may change and go, hot rows may come, a cold key is a conflict as ever
    exec(
        &mut session,
        "UPDATE m SET note = 'x' WHERE id = 9000; INSERT INTO m VALUES (9001, '2025-03-20 00:30+00', 1)",
    );
    let cold =
        "INSERT INTO m VALUES (5, '2025-01-01 05:00+00', 1) ON CONFLICT DO NOTHING RETURNING 1";
    assert_eq!(one(&mut session, cold), "");
    reject(&mut other, "accept");
    exec(&mut session, &late(9001));
    assert_eq!(
        rows(
            &mut session,
            "SELECT id FROM m WHERE ts < '2025-03-01' AND id >= 9000 ORDER BY 1"
        ),
        "9000\n9001"
    );
}

/// The file is gone: filters still let new keys in, and only what they cannot decide fails.
#[test]
fn new_keys_need_no_file() {
    let db = Db::new(server(), "late_bloom");
    db.run(
        "CREATE TABLE m (id uuid, ts timestamptz NOT NULL, n int, PRIMARY KEY (id, ts));
         INSERT INTO m SELECT md5(g::text)::uuid, '2025-01-01 00:00+00'::timestamptz + g * interval '1 minute', g FROM generate_series(0, 4999) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)",
    );
    db.tier("2025-02-01");
    let file = db.local_files().remove(0);
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).expect("moved");
    let mut session = db.session();
    let mut undecided = 0;
    for n in 0..300 {
        let sql = format!("INSERT INTO m VALUES (md5('new {n}')::uuid, '2025-01-20 00:30+00', 0)");
        match session.batch_execute(&sql) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.code().map(|c| c.code()), Some("58P01"), "{error:?}");
                undecided += 1;
            }
        }
    }
    assert!(
        undecided <= 15,
        "{undecided} of 300 new keys needed the file"
    );
    fails(
        &mut session,
        "INSERT INTO m SELECT md5('7')::uuid, '2025-01-01 00:07+00'",
        "58P01",
        &["m_h1_20250101"],
    );
    std::fs::rename(&away, &file).expect("moved back");
    fails(
        &mut session,
        "INSERT INTO m SELECT md5('7')::uuid, '2025-01-01 00:07+00'",
        "23505",
        &["m_h1_20250101_pkey"],
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM m"),
        (5300 - undecided).to_string()
    );
    let filters = "SELECT string_agg(columns::text || ' ' || blocks || ' ' || length(bits), ' ' ORDER BY columns) FROM strata.cold_bloom";
    assert_eq!(db.one(filters), "{id} 200 6400");
}
