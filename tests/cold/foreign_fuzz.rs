//! Random queries over a file of every class of value, and over a table with the same rows.

use crate::foreign::{Shelf, table};
use crate::foreign_hostile::Chance;
use crate::support::{exec, rows};

type Words = &'static [&'static str];
/// Column, its declaration in the file, its type here, values in the file, values to compare with.
type Column = (&'static str, &'static str, &'static str, Words, Words);

const COLUMNS: [Column; 18] = [
    ("i", "INTEGER", "bigint", INTS, INT_VALUES),
    ("n", "NUMERIC", "int", SMALL, SMALL_VALUES),
    ("a", "", "int", SMALL_MIXED, SMALL_VALUES),
    ("ri", "REAL", "bigint", SMALL, SMALL_VALUES),
    ("ti", "TEXT", "text COLLATE \"C\"", TEXTS, TEXT_VALUES),
    (
        "nc",
        "TEXT COLLATE NOCASE",
        "text COLLATE \"C\"",
        TEXTS,
        TEXT_VALUES,
    ),
    (
        "rt",
        "TEXT COLLATE RTRIM",
        "text COLLATE \"C\"",
        TEXTS,
        TEXT_VALUES,
    ),
    ("lt", "TEXT", "text", TEXTS, TEXT_VALUES),
    ("mt", "", "text COLLATE \"C\"", MIXED_TEXTS, TEXT_VALUES),
    ("r", "REAL", "float8", REALS, REAL_VALUES),
    ("ra", "", "float8", REALS, REAL_VALUES),
    ("b", "BLOB", "bytea", BLOBS, BLOB_VALUES),
    (
        "bo",
        "BOOLEAN",
        "boolean",
        &["0", "1", "NULL"],
        &["true", "false"],
    ),
    ("us", "", "timestamptz OPTIONS (as 'unix')", SECONDS, TIMES),
    (
        "um",
        "INTEGER",
        "timestamp OPTIONS (as 'unix_ms')",
        MILLIS,
        TIMES,
    ),
    (
        "jd",
        "REAL",
        "timestamptz OPTIONS (as 'julian')",
        JULIAN,
        TIMES,
    ),
    (
        "du",
        "INT",
        "date OPTIONS (as 'unix')",
        SECONDS_WHOLE,
        DATES,
    ),
    ("num", "NUMERIC", "numeric", NUMERICS, NUMERIC_VALUES),
];

const INTS: &[&str] = &[
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "4503599627370497",
    "42",
    "NULL",
];
const INT_VALUES: &[&str] = &[
    "0",
    "1",
    "42",
    "9223372036854775807",
    "-9223372036854775808",
    "4503599627370496",
    "NULL",
    "2147483648",
];
const SMALL: &[&str] = &[
    "0",
    "-1",
    "1",
    "7",
    "-2147483648",
    "2147483647",
    "NULL",
    "8",
];
const SMALL_MIXED: &[&str] = &[
    "0",
    "-1.0",
    "1",
    "7.0",
    "7",
    "-2147483648",
    "2147483647",
    "NULL",
];
const SMALL_VALUES: &[&str] = &[
    "0",
    "7",
    "-1",
    "2147483647",
    "NULL",
    "8::bigint",
    "2147483648",
    "7::smallint",
];
const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'A'",
    "'a '",
    "'ab'",
    "'Ab%'",
    "'ä'",
    "'z'",
    "'\u{10000}'",
    "'\u{ffff}'",
    "'1'",
    "NULL",
    "'a_b'",
];
const MIXED_TEXTS: &[&str] = &[
    "''", "'a'", "1", "1.5", "'1'", "1e20", "-3.0", "NULL", "'z'",
];
const TEXT_VALUES: &[&str] = &[
    "''", "'a'", "'A'", "'ab'", "'ä'", "'1'", "'1.5'", "'z'", "NULL", "'a '",
];
const REALS: &[&str] = &[
    "0.0",
    "-0.0",
    "1.5",
    "-1.5",
    "1e300",
    "-1e300",
    "9e999",
    "-9e999",
    "NULL",
    "1",
    "3",
    "4503599627370497",
];
const REAL_VALUES: &[&str] = &[
    "0",
    "1.5",
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
    "3::float4",
    "1e300",
    "NULL",
    "1",
    "4503599627370496",
];
const BLOBS: &[&str] = &[
    "x''", "x'00'", "x'0000'", "x'ff'", "x'0001'", "NULL", "x'7f'",
];
const BLOB_VALUES: &[&str] = &["'\\x'", "'\\x00'", "'\\xff'", "'\\x0001'", "NULL"];
const SECONDS: &[&str] = &[
    "0",
    "1.5",
    "-1",
    "1700000000",
    "1700000000.25",
    "1700000000.2500004",
    "NULL",
    "9224318015",
    "-210866803200",
    "86400",
];
const SECONDS_WHOLE: &[&str] = &["0", "86399", "86400", "-1", "1700000000", "NULL"];
const MILLIS: &[&str] = &[
    "0",
    "1500",
    "-1",
    "1700000000000",
    "1700000000250",
    "NULL",
    "86400000",
];
const JULIAN: &[&str] = &[
    "2440587.5",
    "2440588.5",
    "2460263.42592593",
    "NULL",
    "2440587.5000174",
    "1721426.5",
];
const TIMES: &[&str] = &[
    "'1970-01-01 00:00:00'",
    "'1970-01-01 00:00:01.5'",
    "'2023-11-14 22:13:20'",
    "'2023-11-14 22:13:20.25'",
    "'infinity'",
    "'-infinity'",
    "NULL",
    "'1970-01-02'",
    "'0001-01-01'",
];
const DATES: &[&str] = &[
    "'1970-01-01'",
    "'1970-01-02'",
    "'1969-12-31'",
    "'infinity'",
    "'-infinity'",
    "NULL",
    "'2023-11-14'",
];
const NUMERICS: &[&str] = &[
    "0",
    "1",
    "1.5",
    "-1.5",
    "'1.10'",
    "NULL",
    "1e15",
    "123456789012345678",
];
const NUMERIC_VALUES: &[&str] = &[
    "0",
    "1.10",
    "1.1",
    "'NaN'",
    "123456789012345678",
    "NULL",
    "1.5",
];

struct Writer(Chance);

impl Writer {
    fn of<'v, T>(&mut self, list: &'v [T]) -> &'v T {
        &list[self.0.below(list.len())]
    }

    fn leaf(&mut self) -> String {
        let (name, _, kind, _, values) = self.of(&COLUMNS);
        let kind = kind.split(" OPTIONS").next().unwrap_or(kind);
        let kind = kind.split(" COLLATE").next().unwrap_or(kind);
        let value = *self.of(values);
        let op = *self.of(&["=", "<", "<=", ">", ">=", "<>", "=", "="]);
        let is_text = kind == "text";
        match self.0.below(12) {
            0 => format!("{name} IS NULL"),
            1 => format!("{name} IS NOT NULL"),
            2 => format!("{name} IS DISTINCT FROM {value}"),
            3 => {
                let (a, b) = (*self.of(values), *self.of(values));
                format!("{name} IN ({value}, {a}, {b})")
            }
            4 => {
                let other = *self.of(values);
                format!("{name} NOT IN ({value}, {other})")
            }
            5 => {
                let other = *self.of(values);
                format!("{name} BETWEEN {value} AND {other}")
            }
            6 if is_text => {
                let pattern = *self.of(&[
                    "'a%'",
                    "'A_'",
                    "'%b'",
                    "'a\\%%'",
                    "'\u{10000}%'",
                    "'1%'",
                    "''",
                    "'a_b'",
                ]);
                format!("{name} LIKE {pattern}")
            }
            7 if is_text => format!("{name} ^@ {value}"),
            8 if kind == "boolean" => (*name).to_owned(),
            9 => format!("({name} {op} {value}) IS NOT TRUE"),
            // a value that is known when the statement runs
            10 => format!(
                "{name} {op} (SELECT ({value})::{})",
                value_type(kind, value)
            ),
            _ => format!("{name} {op} {value}"),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.leaf();
        }
        let (a, b) = (self.condition(depth - 1), self.leaf());
        match self.0.below(5) {
            0 => format!("({a} OR {b})"),
            1 => format!("NOT ({a})"),
            2 => a,
            _ => format!("({a} AND {b})"),
        }
    }

    fn query(&mut self) -> String {
        let depth = self.0.below(4);
        let condition = self.condition(depth);
        let column = self.of(&COLUMNS).0;
        // the two zeros are equal, and which comes first is open
        let shown = |value: String| match column {
            "r" | "ra" => format!("nullif({value}, 0)"),
            _ => value,
        };
        match self.0.below(5) {
            0 => {
                format!(
                    "SELECT min({column}::text), count({column}), count(*) FROM f WHERE {condition}"
                )
            }
            1 if column != "bo" && column != "b" => {
                let (min, max) = (
                    shown(format!("min({column})")),
                    shown(format!("max({column})")),
                );
                format!("SELECT {min}, {max} FROM f WHERE {condition}")
            }
            2 => {
                let direction = *self.of(&["ASC", "DESC", "ASC NULLS FIRST", "DESC NULLS LAST"]);
                let shown = shown(column.to_owned());
                format!(
                    "SELECT {shown} FROM f WHERE {condition} ORDER BY {column} {direction} LIMIT 20"
                )
            }
            3 => format!("SELECT id FROM f WHERE {condition} ORDER BY {column}, id LIMIT 9"),
            _ => format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM f WHERE {condition}"),
        }
    }
}

/// Casts that keep what the literal says about its own type.
fn value_type(kind: &str, value: &str) -> &'static str {
    match kind {
        "bigint" => "bigint",
        "int" if value.contains("2147483648") || value.contains("bigint") => "bigint",
        "int" => "int",
        "float8" => "float8",
        "bytea" => "bytea",
        "boolean" => "boolean",
        "timestamptz" => "timestamptz",
        "timestamp" => "timestamp",
        "date" => "date",
        "numeric" => "numeric",
        _ => "text",
    }
}

#[test]
fn random_queries_give_what_a_native_table_gives() {
    let shelf = Shelf::new("foreign_fuzz");
    let seed = std::env::var("STRATA_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(20_251_122);
    let mut writer = Writer(Chance(seed));
    let declared: Vec<String> = COLUMNS
        .iter()
        .map(|(name, kind, ..)| format!("{name} {kind}"))
        .collect();
    let mut script = format!(
        "CREATE TABLE f(id INTEGER PRIMARY KEY, {});\nBEGIN;\n",
        declared.join(", ")
    );
    for id in 0..400 {
        let values: Vec<&str> = COLUMNS
            .iter()
            .map(|(.., values, _)| *writer.of(values))
            .collect();
        script.push_str(&format!(
            "INSERT INTO f VALUES ({id}, {});\n",
            values.join(", ")
        ));
    }
    script.push_str("COMMIT;\n");
    for (name, ..) in &COLUMNS {
        script.push_str(&format!("CREATE INDEX f_{name} ON f({name});\n"));
    }
    script.push_str("CREATE INDEX f_two ON f(n, ti DESC); CREATE INDEX f_three ON f(bo, us)");
    shelf.sqlite("f.db", &script);
    let here: Vec<String> = COLUMNS
        .iter()
        .map(|(name, _, kind, ..)| format!("{name} {kind}"))
        .collect();
    shelf.db.run(&table(
        &format!("id bigint, {}", here.join(", ")),
        "f.db",
        "f",
    ));
    let mut session = shelf.db.session();
    exec(
        &mut session,
        "SET timezone = 'America/New_York'; SET strata.cold_pushdown = off; CREATE TABLE native AS SELECT * FROM f; SET strata.cold_pushdown = on",
    );
    let queries = std::env::var("STRATA_QUERIES")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1500);
    for n in 0..queries {
        let query = writer.query();
        let native = query.replace("FROM f ", "FROM native ");
        let (got, wanted) = (rows(&mut session, &query), rows(&mut session, &native));
        assert_eq!(got, wanted, "query {n} of seed {seed}: {query}");
    }
}
