//! Backfills go by key: of every type, whatever the settings of the session that goes on.

use crate::common::has_icu;
use crate::support::{database, exec, fails, one, rows};
use crate::task_support::{fill, refused};

/// Types with values: a row per batch, and batches in calls under different settings, so that each key is written down
/// under one set of settings and read under another.
const KINDS: &[(&str, &str)] = &[
    ("int2", "-5;0;7;9;10;32767"),
    ("int4", "-5;0;7;9;10"),
    ("int8", "-9223372036854775808;0;9223372036854775807;10"),
    ("oid", "0;4294967295;5"),
    (
        "float8",
        "0.1;0.30000000000000004;0.3;NaN;Infinity;-Infinity;5e-324;1.7976931348623157e308;0;123456789.123456789;123456789.12345678",
    ),
    (
        "float4",
        "0.1;0.10000001;NaN;-Infinity;16777216;16777218;1e-45",
    ),
    (
        "numeric",
        "0.1;NaN;Infinity;-1e100;1.00000000000000000001;1.00000000000000000002",
    ),
    ("numeric(10,2)", "0.1;NaN;-1;1.01"),
    ("bool", "t;f"),
    (
        "date",
        "2026-03-04;2026-04-03;0044-03-15 BC;infinity;-infinity;0099-12-01;5874897-12-31;12026-01-02",
    ),
    (
        "timestamp",
        "2026-03-04 05:06:07.123456;2026-04-03;0044-03-15 BC;infinity;-infinity;294276-12-31 23:59:59.999999",
    ),
    (
        "timestamptz",
        "2026-03-04 05:06:07.123456+00;2026-03-04 05:06:07.123457+00;2026-10-25 00:30:00+00;2026-10-25 01:30:00+00;0044-03-15 BC;infinity;-infinity;1880-01-01 00:00:00+00",
    ),
    (
        "timestamptz(0)",
        "2026-03-04 05:06:07+00;2026-03-04 05:06:08+00;2026-10-25 00:30:00+00",
    ),
    ("time", "00:00;24:00;12:13:14.151617"),
    (
        "timetz",
        "00:00+00;24:00-15;12:13:14.151617+05:45;12:13:14+05:45:01",
    ),
    (
        "interval",
        "1 year -2 mons 3 days -04:05:06.7;-1 years -2 mons;-1 days +04:00;1 day -04:00;-00:00:01.5;-1 year 1 day;0;178000000 years;-400000 days -04:05:06;-400000 days;-3 days",
    ),
    ("text", ";a;A;é;a\nb;a\\b;'q'\";$1 %s %I;NULL;{};\t"),
    ("text COLLATE \"C\"", ";a;A;é;Z"),
    ("text COLLATE \"POSIX\"", ";a;A;é;Z"),
    ("varchar(10)", ";a;A ;A;é"),
    ("char(5)", "a;A;bb;"),
    ("\"char\"", "a;b;;\\"),
    ("name", "a;B;pg_class"),
    ("bytea", "\\x00;\\x;\\xff00;\\x5c27;\\x61"),
    (
        "uuid",
        "00000000-0000-0000-0000-000000000000;ffffffff-ffff-ffff-ffff-ffffffffffff;a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("inet", "10.0.0.1;10.0.0.1/8;::1;0.0.0.0/0"),
    ("cidr", "10.0.0.0/8;::1/128;0.0.0.0/0"),
    ("macaddr", "00:00:00:00:00:01;ff:ff:ff:ff:ff:ff"),
    ("bit(3)", "000;101;111"),
    ("varbit", ";1;01;0000001"),
    (
        "regclass",
        "pg_class;pg_type;public.a_name;\"Kind\".\"T\"\"b'l\"",
    ),
    ("regtype", "int4;timestamptz;public.mood"),
    ("public.mood", "sad;so, so;happy;ok"),
    ("public.posint", "1;2;30"),
    ("public.pair", "(1,a);(1,\"b,c\");(2,)"),
    ("int[]", "{};{1,2};{1,NULL};{{1},{2}};[0:1]={7,8}"),
    ("text[]", "{};{\"a,b\",c};{NULL,\"NULL\"};{\"\\\"q\\\\\"}"),
    (
        "timestamptz[]",
        "{\"2026-03-04 05:06:07+00\"};{\"2026-04-03 05:06:07+00\",\"2026-03-04 05:06:07+00\"};{}",
    ),
    ("float8[]", "{0.1};{0.30000000000000004};{0.3}"),
    ("int4range", "[1,3);empty;(,5);[1,)"),
    (
        "tstzrange",
        "[\"2026-03-04 05:06:07+00\",\"2026-04-03 05:06:07+00\");[\"2026-03-04 05:06:07+00\",);empty",
    ),
    ("daterange", "[2026-03-04,2026-04-03);[2026-02-03,);empty"),
    ("nummultirange", "{[1,2),[3,4)};{};{[1,2)}"),
    ("jsonb", "1;\"a\";{\"a\": 0.1};[1,\"x\"];null"),
    ("tsvector", "a b;b:1A;c"),
    ("pg_lsn", "0/0;16/B374D848;0/1"),
    ("xid8", "0;5;18446744073709551615"),
    ("tid", "(0,1);(0,2);(1,0)"),
];

const SETTINGS: [&str; 5] = [
    "SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET timezone = 'Asia/Kathmandu'; SET extra_float_digits = -15; SET bytea_output = 'escape'; SET standard_conforming_strings = off; SET escape_string_warning = off; SET search_path = pg_temp",
    "SET datestyle = 'German'; SET intervalstyle = 'iso_8601'; SET timezone = 'America/St_Johns'; SET extra_float_digits = 0",
    "SET datestyle = 'Postgres, MDY'; SET intervalstyle = 'postgres_verbose'; SET timezone = 'Europe/Amsterdam'",
    "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'sql_standard'; SET bytea_output = 'hex'",
    "SET datestyle = 'SQL, MDY'",
];

#[test]
fn keys_of_every_type_mean_the_same_under_any_settings() {
    let db = database("fill_kinds");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'so, so', 'happy'); CREATE DOMAIN posint AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);
         CREATE TABLE a_name (); CREATE SCHEMA \"Kind\"; CREATE TABLE \"Kind\".\"T\"\"b'l\" ()",
    );
    for (kind, values) in KINDS {
        exec(&mut s, "DISCARD ALL");
        exec(&mut s, "DROP TABLE IF EXISTS kind");
        exec(
            &mut s,
            &format!("CREATE TABLE kind (k {kind} PRIMARY KEY, n int DEFAULT 0)"),
        );
        let values: Vec<String> = values.split(';').map(str::to_owned).collect();
        for value in &values {
            let literal = format!("'{}'", value.replace('\'', "''"));
            exec(&mut s, &format!("INSERT INTO kind (k) VALUES ({literal})"));
        }
        let task = format!(
            "'{}', 'public.kind', 'n = n + 1', batch_size => 1",
            kind.replace('\'', "''")
        );
        let mut done = 0;
        for (n, settings) in SETTINGS.iter().enumerate() {
            exec(&mut s, settings);
            let most = if n + 1 < SETTINGS.len() {
                ", max_batches => 1"
            } else {
                ""
            };
            done += fill(&mut s, &format!("{task}{most}"))
                .parse::<usize>()
                .expect("a number");
        }
        assert_eq!(done, values.len(), "{kind}");
        let once = "SELECT count(*) FILTER (WHERE n = 1) = count(*) FROM public.kind";
        assert_eq!(one(&mut s, once), "t", "{kind}");
        let state = format!("SELECT state FROM strata.task_progress('{kind}')");
        assert_eq!(one(&mut s, &state), "finished", "{kind}");
    }
}

#[test]
fn keys_of_several_columns_directions_and_operators() {
    let db = database("fill_multi");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE multi (a text, b timestamptz, c float8, n int DEFAULT 0, PRIMARY KEY (a, b, c));
         INSERT INTO multi SELECT 'x' || g % 7, '2026-10-25 00:00+00'::timestamptz + (g % 5) * interval '17 min', g * 0.1 FROM generate_series(1, 500) g;
         CREATE TABLE mixed (a text NOT NULL, b int NOT NULL, n int DEFAULT 0); CREATE UNIQUE INDEX ON mixed (a text_pattern_ops DESC, b DESC NULLS LAST);
         INSERT INTO mixed SELECT chr(65 + g % 60), g FROM generate_series(1, 300) g;
         SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Kathmandu'; SET extra_float_digits = -10",
    );
    assert_eq!(
        fill(&mut s, "'multi', 'multi', 'n = n + 1', batch_size => 3"),
        "500"
    );
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM multi"), "1|1");
    assert_eq!(
        fill(
            &mut s,
            "'mixed', 'mixed', 'n = n + 1', key_columns => '{b,a}', batch_size => 7"
        ),
        "300"
    );
    assert_eq!(rows(&mut s, "SELECT min(n), max(n) FROM mixed"), "1|1");
    // operators of a schema that is in no search path, beside those of the server
    let mut sql = String::from("CREATE SCHEMA own; CREATE TYPE own.rev;
        CREATE FUNCTION own.i(cstring) RETURNS own.rev LANGUAGE internal IMMUTABLE STRICT AS 'int4in'; CREATE FUNCTION own.o(own.rev) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
        CREATE TYPE own.rev (input = own.i, output = own.o, like = int4); CREATE FUNCTION own.cmp(own.rev, own.rev) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';");
    for (name, operator) in [
        ("lt", "<"),
        ("le", "<="),
        ("eq", "="),
        ("ge", ">="),
        ("gt", ">"),
    ] {
        sql.push_str(&format!("CREATE FUNCTION own.{name}(own.rev, own.rev) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4{name}'; CREATE OPERATOR own.{operator} (leftarg = own.rev, rightarg = own.rev, function = own.{name});"));
    }
    sql.push_str("CREATE OPERATOR CLASS own.rev_ops DEFAULT FOR TYPE own.rev USING btree AS OPERATOR 1 own.<, OPERATOR 2 own.<=, OPERATOR 3 own.=, OPERATOR 4 own.>=, OPERATOR 5 own.>, FUNCTION 1 own.cmp(own.rev, own.rev);
        CREATE TABLE owned (a own.rev, b int, c own.rev, n int DEFAULT 0, PRIMARY KEY (a, b, c)); INSERT INTO owned SELECT (g % 3)::text::own.rev, g % 11, (g % 17)::text::own.rev FROM generate_series(1, 400) g; SET search_path = pg_temp");
    exec(&mut s, &sql);
    assert_eq!(
        fill(
            &mut s,
            "'owned', 'public.owned', 'n = n + 1', batch_size => 6"
        ),
        "400"
    );
    assert_eq!(
        rows(&mut s, "SELECT min(n), max(n) FROM public.owned"),
        "1|1"
    );
}

#[test]
fn names_and_collations_are_quoted() {
    let db = database("fill_names");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE SCHEMA \"Od d\"; CREATE TABLE \"Od d\".\"T\"\"b'l\" (\"n\" int, \"K k\" text, \"w\" int DEFAULT 0, \"select\" int DEFAULT 0, PRIMARY KEY (\"n\", \"K k\"));
         INSERT INTO \"Od d\".\"T\"\"b'l\" SELECT g / 10, E'\\\\' || chr(39) || '%s$1\"' || g FROM generate_series(1, 200) g",
    );
    let call = "'o''d\"d%', '\"Od d\".\"T\"\"b''l\"', 'w = w + 1, \"select\" = 1', '\"T\"\"b''l\".\"select\" = 0', batch_size => 3";
    assert_eq!(fill(&mut s, call), "200");
    assert_eq!(
        rows(&mut s, "SELECT min(w), max(w) FROM \"Od d\".\"T\"\"b'l\""),
        "1|1"
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('k', '\"Od d\".\"T\"\"b''l\"', '\"K k\" = 1')",
        "0A000",
        &["\"K k\""],
    );
    refused(
        &mut s,
        "CALL strata.task_backfill('o''d\"d%', '\"Od d\".\"T\"\"b''l\"', 'w = 0')",
        "55000",
        &["task \"o'd\"d%\""],
        &["SELECT strata.task_clear('o''d\"d%');"],
    );
    // a table that is renamed goes on under its new name only
    exec(
        &mut s,
        "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT generate_series(1, 10)",
    );
    assert_eq!(
        fill(
            &mut s,
            "'t', 't', 'n = n + 1', batch_size => 3, max_batches => 1"
        ),
        "3"
    );
    exec(&mut s, "ALTER TABLE t RENAME TO u");
    fails(
        &mut s,
        "CALL strata.task_backfill('t', 'u', 'n = n + 1')",
        "55000",
        &["another relation"],
    );
    if has_icu(&mut s) {
        exec(
            &mut s,
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE cit (k text COLLATE ci PRIMARY KEY, n int DEFAULT 0); INSERT INTO cit SELECT chr(65 + g) || 'x' FROM generate_series(0, 25) g;
             CREATE TABLE icu (k text COLLATE \"und-x-icu\" PRIMARY KEY, n int DEFAULT 0); INSERT INTO icu SELECT k || g FROM (VALUES ('a'), ('A'), ('ä'), ('z'), ('-a')) v(k), generate_series(1, 20) g",
        );
        for (table, count) in [("cit", "26"), ("icu", "100")] {
            assert_eq!(
                fill(
                    &mut s,
                    &format!("'{table}', '{table}', 'n = n + 1', batch_size => 3")
                ),
                count
            );
            assert_eq!(
                rows(&mut s, &format!("SELECT min(n), max(n) FROM {table}")),
                "1|1"
            );
        }
    }
}

/// Keys that cannot be written down as text are refused before anything is changed.
#[test]
fn keys_whose_text_is_not_their_value_are_refused() {
    let db = database("fill_lossy");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE cash (m money PRIMARY KEY, n int); INSERT INTO cash VALUES (1, 0)",
    );
    fails(
        &mut s,
        "CALL strata.task_backfill('c', 'cash', 'n = 1')",
        "0A000",
        &["money"],
    );
    let mut sql = String::from("CREATE SCHEMA lossy; CREATE TYPE lossy.r; CREATE FUNCTION lossy.i(cstring) RETURNS lossy.r LANGUAGE internal IMMUTABLE STRICT AS 'float4in';
        CREATE FUNCTION lossy.o(lossy.r) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'; CREATE TYPE lossy.r (input = lossy.i, output = lossy.o, like = int4);
        CREATE FUNCTION lossy.cmp(lossy.r, lossy.r) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';");
    for (name, operator) in [
        ("lt", "<"),
        ("le", "<="),
        ("eq", "="),
        ("ge", ">="),
        ("gt", ">"),
    ] {
        sql.push_str(&format!("CREATE FUNCTION lossy.{name}(lossy.r, lossy.r) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4{name}'; CREATE OPERATOR lossy.{operator} (leftarg = lossy.r, rightarg = lossy.r, function = lossy.{name});"));
    }
    sql.push_str("CREATE OPERATOR CLASS lossy.ops DEFAULT FOR TYPE lossy.r USING btree AS OPERATOR 1 lossy.<, OPERATOR 2 lossy.<=, OPERATOR 3 lossy.=, OPERATOR 4 lossy.>=, OPERATOR 5 lossy.>, FUNCTION 1 lossy.cmp(lossy.r, lossy.r);
        CREATE TABLE lost (k lossy.r PRIMARY KEY, o int NOT NULL UNIQUE, n int DEFAULT 0); INSERT INTO lost VALUES ('1', 1), ('2', 2)");
    exec(&mut s, &sql);
    refused(
        &mut s,
        "CALL strata.task_backfill('l', 'lost', 'n = 1')",
        "0A000",
        &["a key of public.lost is another value when it is read back from text"],
        &["key_columns names the columns of another unique index."],
    );
    assert_eq!(one(&mut s, "SELECT max(n) FROM lost"), "0");
    assert_eq!(
        fill(&mut s, "'other', 'lost', 'n = 1', key_columns => '{o}'"),
        "2"
    );
}

/// Batches are found by the index, also where the planner knows nothing of the table.
#[test]
fn batches_go_along_the_index() {
    let db = database("fill_plans");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE wide (a int, b int, c int, n int DEFAULT 0, v text DEFAULT repeat('x', 40), PRIMARY KEY (a, b, c)) WITH (autovacuum_enabled = false);
         INSERT INTO wide SELECT g / 10000, g / 10 % 1000, g % 10 FROM generate_series(0, 29999) g;
         CREATE TABLE unknown (LIKE wide INCLUDING ALL) WITH (autovacuum_enabled = false); INSERT INTO unknown SELECT * FROM wide; ANALYZE wide;
         CREATE TABLE shuffled (id bigint PRIMARY KEY, n int DEFAULT 0, v text DEFAULT repeat('x', 40)) WITH (autovacuum_enabled = false);
         INSERT INTO shuffled SELECT g FROM generate_series(1, 30000) g ORDER BY hashint4(g::int); ANALYZE shuffled",
    );
    for (table, low, high) in [
        ("wide", "{1,500,3}", "{1,510,2}"),
        ("unknown", "{1,500,3}", "{1,510,2}"),
        ("shuffled", "{15000}", "{15100}"),
    ] {
        for text in [
            format!("strata._task_update_text(p, 'n = n + 1', 'v IS NOT NULL', '{low}', '{high}')"),
            format!("strata._task_window_text(p, '{low}', 100)"),
        ] {
            let sql = format!(
                "SELECT 'EXPLAIN (COSTS OFF) ' || {text} FROM strata._task_plan('{table}', NULL, NULL) p"
            );
            let explain = one(&mut s, &sql);
            let plan = rows(&mut s, &explain);
            assert!(
                plan.contains("Index") && !plan.contains("Seq Scan"),
                "{table}: {plan}"
            );
        }
    }
}
