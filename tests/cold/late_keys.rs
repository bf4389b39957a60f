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
    // also where workers help to build the index, as they do for a large file
    exec(
        &mut session,
        &format!("ALTER TABLE {JANUARY} SET (parallel_workers = 2)"),
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

/// A new key that takes more for equal than the file's own may be broken there.
#[test]
fn a_new_key_is_refused_where_the_file_may_break_it() {
    let db = Db::new(server(), "late_stricter");
    let mut session = db.session();
    let icu = has_icu(&mut session);
    let table = |nulls: &str| {
        db.run(&format!(
            "CREATE TABLE k (id text, ts timestamptz NOT NULL, v int);
             ALTER TABLE k ADD CONSTRAINT old UNIQUE {nulls} (id, ts);
             INSERT INTO k VALUES ('a', '2025-01-02 00:00+00', 1), ('A', '2025-01-02 00:00+00', 2);
             INSERT INTO k SELECT CASE WHEN {} THEN NULL ELSE 'b' || g END, '2025-01-02 00:00+00', g FROM generate_series(3, 4) g;
             SELECT FROM strata.create_hypertable('k', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
             CALL strata.tier_chunks('k', older_than => timestamptz '2025-03-01 00:00+00')",
            nulls == "NULLS DISTINCT"
        ));
    };
    table("NULLS DISTINCT");
    exec(&mut session, "ALTER TABLE k DROP CONSTRAINT old");
    let equal = "ALTER TABLE k ADD CONSTRAINT new UNIQUE NULLS NOT DISTINCT (id, ts)";
    fails(&mut session, equal, "55000", &["k_h1_20250101"]);
    exec(
        &mut session,
        "ALTER TABLE k ADD CONSTRAINT new UNIQUE (ts, id) INCLUDE (v); INSERT INTO k VALUES (NULL, '2025-01-02 00:00+00', 5)",
    );
    if icu {
        exec(
            &mut session,
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE UNIQUE INDEX finer ON k (id COLLATE \"C\", ts)",
        );
        let coarser = "CREATE UNIQUE INDEX coarser ON k (id COLLATE ci, ts)";
        fails(&mut session, coarser, "55000", &["k_h1_20250101"]);
    }
    exec(&mut session, "DROP TABLE k");
    // no NULL in the file, and a key that took them for equal
    for nulls in ["", "NULLS NOT DISTINCT"] {
        table(nulls);
        exec(&mut session, "ALTER TABLE k DROP CONSTRAINT old");
        exec(&mut session, equal);
        exec(
            &mut session,
            "INSERT INTO k VALUES (NULL, '2025-01-02 00:00+00', 5)",
        );
        let again = "INSERT INTO k VALUES (NULL, '2025-01-02 00:00+00', 6)";
        fails(&mut session, again, "23505", &[]);
        fails(
            &mut session,
            "INSERT INTO k VALUES ('a', '2025-01-02 00:00+00', 6)",
            "23505",
            &[],
        );
        exec(&mut session, "DROP TABLE k");
    }
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

/// COPY says which line has the key that is there already: the first one, and the same one whether the chunk is
/// hot or cold. Where the library is not preloaded, rows go through the server's own COPY, which tells an access
/// method no lines.
#[test]
fn a_duplicate_in_copy_names_its_line_hot_and_cold() {
    let cluster = crate::common::Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "late_copy_line");
    keyed(&db, "bigint", "g");
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE hot (k bigint, ts timestamptz NOT NULL, v int, PRIMARY KEY (k, ts));
         INSERT INTO hot SELECT * FROM k;
         SELECT FROM strata.create_hypertable('hot', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)",
    );
    let line = |k: i64| {
        let hour = k % 500;
        format!(
            "{k}\t2025-01-{:02} {:02}:00+00\t0\n",
            1 + hour / 24,
            hour % 24
        )
    };
    for (rows, told) in [
        (vec![1000, 1001, 7, 1002, 1003], 3),
        (vec![5, 1000, 1001], 1),
        (vec![1000, 9, 1001, 3, 1002], 2),
        ((1000..2500).chain([4, 2600]).collect(), 1501),
    ] {
        let text: String = rows.iter().map(|k| line(*k)).collect();
        let mut errors = ["hot", "k"].map(|table| {
            let mut into = session
                .copy_in(&format!("COPY {table} FROM STDIN"))
                .expect("COPY begins");
            std::io::Write::write_all(&mut into, text.as_bytes()).expect("rows are sent");
            let error = into.finish().expect_err("a duplicate");
            error.as_db_error().expect("an error of the server").clone()
        });
        let cold = errors[1].where_().unwrap_or_default().to_owned();
        assert_eq!(cold, format!("COPY k, line {told}"));
        let hot = errors[0].where_().unwrap_or_default();
        assert_eq!(hot, format!("COPY hot, line {told}"));
        errors.sort_by_key(|e| e.detail().map(str::to_owned));
        assert_eq!(errors[0].detail(), errors[1].detail());
        assert_eq!(errors[0].code(), errors[1].code());
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM k"), "500");
}

/// What `set_cold_storage` says of keys is what becomes of late rows.
#[test]
fn the_notice_names_the_keys_that_refuse_late_rows_and_no_others() {
    let db = Db::new(server(), "late_notice");
    db.run(
        "CREATE FUNCTION by_abs(int8, int8) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT btint8cmp(abs($1), abs($2))';
         CREATE FUNCTION eq_abs(int8, int8) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS 'SELECT abs($1) = abs($2)';
         CREATE FUNCTION lt_abs(int8, int8) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS 'SELECT abs($1) < abs($2)';
         CREATE OPERATOR |=| (LEFTARG = int8, RIGHTARG = int8, FUNCTION = eq_abs, COMMUTATOR = |=|);
         CREATE OPERATOR |<| (LEFTARG = int8, RIGHTARG = int8, FUNCTION = lt_abs);
         CREATE OPERATOR CLASS abs_ops FOR TYPE int8 USING btree AS OPERATOR 1 |<|, OPERATOR 3 |=|, FUNCTION 1 by_abs(int8, int8)",
    );
    for (table, definition, value, blind) in [
        (
            "plain_xid",
            "k xid8, ts timestamptz, PRIMARY KEY (k, ts)",
            "'5'",
            false,
        ),
        (
            "own_class",
            "k int8, ts timestamptz; CREATE UNIQUE INDEX own_class_key ON own_class (k abs_ops, ts)",
            "5",
            true,
        ),
        (
            "numbers",
            "k numeric, ts timestamptz, PRIMARY KEY (k, ts)",
            "5",
            true,
        ),
    ] {
        let (columns, index) = definition.split_once(';').unwrap_or((definition, "SELECT"));
        db.run(&format!(
            "CREATE TABLE {table} ({columns}); {index};
             INSERT INTO {table} VALUES ('3', '2025-01-05 00:00+00');
             SELECT FROM strata.create_hypertable('{table}', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)"
        ));
        let mut psql = db.cluster.tool("psql");
        let set = format!("SELECT strata.set_cold_storage('{table}')");
        let output = psql.args(["-X", "-d", db.name, "-c", &set]).output();
        let told = String::from_utf8_lossy(&output.expect("psql runs").stderr).into_owned();
        assert_eq!(told.contains("refuse late rows"), blind, "{table}: {told}");
        db.run(&format!(
            "CALL strata.tier_chunks('{table}', older_than => timestamptz '2025-03-01 00:00+00')"
        ));
        let mut session = db.session();
        let late = format!("INSERT INTO {table} VALUES ({value}, '2025-01-06 00:00+00')");
        if blind {
            fails(&mut session, &late, "55000", &[table]);
        } else {
            exec(&mut session, &late);
            let again = format!("INSERT INTO {table} VALUES ('3', '2025-01-05 00:00+00')");
            fails(&mut session, &again, "23505", &[]);
        }
    }
}
