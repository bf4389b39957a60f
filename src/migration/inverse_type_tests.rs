use super::*;
use proptest::prelude::*;

#[track_caller]
fn keeps(from: &str, to: &str) {
    assert!(keeps_values(from, to), "{from} to {to}");
}

#[track_caller]
fn loses(from: &str, to: &str) {
    assert!(!keeps_values(from, to), "{from} to {to}");
}

#[test]
fn numbers() {
    keeps("smallint", "pg_catalog.int4");
    keeps("integer", "pg_catalog.int8");
    keeps("int", "bigint");
    keeps("integer", "numeric");
    keeps("bigint", "pg_catalog.numeric(19, 0)");
    keeps("integer", "numeric(12,2)");
    keeps("smallint", "numeric(5)");
    keeps("smallint", "real");
    keeps("integer", "double precision");
    keeps("real", "float8");
    keeps("numeric(8,2)", "numeric(10,4)");
    keeps("numeric(8,2)", "decimal");
    for (from, to) in [
        ("bigint", "integer"),
        ("integer", "smallint"),
        ("bigint", "double precision"),
        ("integer", "real"),
        ("bigint", "numeric(18)"),
        ("integer", "numeric(10,2)"),
        ("smallint", "numeric(4)"),
        ("double precision", "real"),
        ("double precision", "numeric"),
        ("numeric", "bigint"),
        ("numeric", "numeric(30,10)"),
        ("numeric(8,2)", "numeric(8,3)"),
        ("numeric(8,2)", "numeric(8,1)"),
        ("numeric(8,2)", "numeric(9,1)"),
    ] {
        loses(from, to);
    }
}

#[test]
fn strings() {
    keeps("character varying(10)", "pg_catalog.varchar(20)");
    keeps("character varying(10)", "character varying(10)");
    keeps("character varying(10)", "varchar");
    keeps("character varying", "text");
    keeps("text", "character varying");
    keeps("character(5)", "text");
    keeps("character(5)", "varchar(5)");
    keeps("char(5)", "char(6)");
    keeps("char", "varchar(1)");
    for (from, to) in [
        ("character varying(10)", "varchar(9)"),
        ("text", "varchar(100)"),
        ("text", "character(5)"),
        ("varchar(3)", "character(5)"),
        ("char(6)", "char(5)"),
        ("char(2)", "char"),
    ] {
        loses(from, to);
    }
}

#[test]
fn times_and_json() {
    keeps("date", "timestamp without time zone");
    keeps("timestamp(3) without time zone", "pg_catalog.timestamp(4)");
    keeps("timestamp without time zone", "timestamp(6)");
    keeps("timestamp(3) with time zone", "timestamptz");
    keeps("jsonb", "json");
    loses("timestamp without time zone", "date");
    loses("timestamp without time zone", "timestamp(3)");
    loses("timestamp(3)", "timestamp(2)");
    loses("timestamp with time zone", "timestamp");
    loses("timestamp", "timestamptz");
    loses("date", "timestamptz");
    loses("json", "jsonb");
}

#[test]
fn other_types() {
    keeps("s.mood", "S.Mood ");
    keeps("uuid", "text");
    keeps("s.mood", "character varying");
    keeps("integer[]", "text");
    keeps("integer[]", "bigint[]");
    keeps("integer[]", "int4[]");
    loses("text", "s.mood");
    loses("s.mood", "s.other");
    loses("uuid", "character varying(10)");
    loses("text", "text[]");
    loses("bigint[]", "integer[]");
    loses("integer", "integer[]");
    // a bracket that does not close
    loses("numeric(8", "numeric(9)");
}

#[test]
fn the_way_back_says_how_where_it_must() {
    for (old, new, sql) in [
        ("integer", "pg_catalog.int8", "integer"),
        ("numeric(8,2)", "float8", "numeric(8,2)"),
        ("character varying(10)", "text", "character varying(10)"),
        ("text", "integer", "text"),
        ("text", "integer[]", "text"),
        ("date", "timestamptz", "date"),
        ("jsonb", "json", "jsonb"),
        ("s.mood", "s.mood", "s.mood"),
        ("integer[]", "bigint[]", "integer[]"),
        ("text[]", "integer[]", "text[]"),
        ("integer", "text", "integer USING c::integer"),
        ("text[]", "text", "text[] USING c::text[]"),
        ("integer", "integer[]", "integer USING c::text::integer"),
        ("s.mood", "text", "s.mood USING c::s.mood"),
        ("s.mood", "s.other", "s.mood USING c::text::s.mood"),
        ("boolean", "integer", "boolean USING c::boolean"),
        ("integer", "bool", "integer USING c::integer"),
        ("boolean", "integer[]", "boolean USING c::text::boolean"),
        ("boolean[]", "integer", "boolean[] USING c::text::boolean[]"),
        ("numeric", "date", "numeric USING c::text::numeric"),
        ("boolean", "bool", "boolean"),
        ("bigint", "boolean", "bigint USING c::text::bigint"),
        ("date", "text", "date USING c::date"),
    ] {
        assert_eq!(back("c", old, new), sql);
    }
}

const TYPES: [&str; 24] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "numeric(5)",
    "numeric(10)",
    "numeric(19)",
    "numeric(12,2)",
    "real",
    "double precision",
    "text",
    "varchar",
    "varchar(5)",
    "varchar(9)",
    "char",
    "char(5)",
    "date",
    "timestamp",
    "timestamp(3)",
    "timestamptz",
    "json",
    "jsonb",
    "uuid",
    "s.mood",
];

proptest! {
    #[test]
    fn keeping_is_transitive_and_reflexive(
        a in prop::sample::select(TYPES.to_vec()),
        b in prop::sample::select(TYPES.to_vec()),
        c in prop::sample::select(TYPES.to_vec()),
    ) {
        prop_assert!(keeps_values(a, a));
        if keeps_values(a, b) && keeps_values(b, c) {
            // the blanks that char adds are not kept beyond it
            prop_assert!(keeps_values(a, c), "{a} {b} {c}");
        }
    }

    #[test]
    fn any_text_is_some_type(a in "[a-z(), 0-9\\[\\]]{0,12}", b in "[a-z(), 0-9\\[\\]]{0,12}") {
        let _ = (keeps_values(&a, &b), back("c", &a, &b));
    }
}
