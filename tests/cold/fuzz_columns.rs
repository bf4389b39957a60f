//! The columns of the differential test and the values at the edges of their types.

/// A column: name, type, values at the edges of its type, and types whose values it is compared with.
pub struct Column {
    pub name: &'static str,
    pub kind: &'static str,
    pub values: &'static [&'static str],
    pub others: &'static [(&'static str, &'static [&'static str])],
}

const fn column(name: &'static str, kind: &'static str, values: &'static [&'static str]) -> Column {
    Column {
        name,
        kind,
        values,
        others: &[],
    }
}

const INTS: &[&str] = &["0", "1", "-1", "2", "7", "100", "32767", "-32768"];
const BIGS: &[&str] = &[
    "0",
    "1",
    "-1",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "2147483648",
    "7",
];
const FLOATS: &[&str] = &[
    "NaN",
    "-0",
    "0",
    "Infinity",
    "-Infinity",
    "1.5",
    "-1.5",
    "0.1",
    "1e300",
    "5e-324",
    "9007199254740993",
];
const SINGLES: &[&str] = &[
    "NaN",
    "-0",
    "0",
    "Infinity",
    "-Infinity",
    "1.5",
    "-1.5",
    "0.1",
    "1e-45",
    "16777217",
];
const NUMBERS: &[&str] = &[
    "NaN",
    "Infinity",
    "-Infinity",
    "0",
    "0.00",
    "1.10",
    "1.1",
    "-1.1",
    "12345678901234567890.5",
    "1e-20",
    "7",
    "100",
];
const TEXTS: &[&str] = &[
    "", "a", "A", "ä", "b", "B", "ab", "a b", "NaN", "0", "10", "9", "Ж", "😀", "Straße",
    "strasse", "\u{e9}", "e\u{301}",
];
const DATES: &[&str] = &[
    "infinity",
    "-infinity",
    "4714-11-24 BC",
    "0001-01-01",
    "1969-12-31",
    "1970-01-01",
    "2000-01-01",
    "2025-01-15",
    "9999-12-31",
    "5874897-12-31",
];
const STAMPS: &[&str] = &[
    "infinity",
    "-infinity",
    "4714-11-24 00:00:00 BC",
    "1969-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "2000-01-01 00:00:00",
    "2025-01-15 12:00:00.000001",
    "9999-12-31 23:59:59.999999",
    "2025-01-15 12:00:00",
    "294276-12-31 23:59:59.999999",
];

pub const COLUMNS: &[Column] = &[
    Column {
        others: &[("int8", BIGS), ("int4", INTS), ("numeric", NUMBERS)],
        ..column("i2", "int2", INTS)
    },
    Column {
        others: &[("int8", BIGS), ("int2", INTS), ("float8", FLOATS)],
        ..column("i4", "int4", INTS)
    },
    Column {
        others: &[("int4", INTS), ("numeric", NUMBERS), ("float8", FLOATS)],
        ..column("i8", "int8", BIGS)
    },
    column("o", "oid", &["0", "1", "2147483648", "4294967295"]),
    column("b", "bool", &["true", "false"]),
    Column {
        others: &[("float8", FLOATS)],
        ..column("f4", "float4", SINGLES)
    },
    Column {
        others: &[("float4", SINGLES), ("numeric", NUMBERS)],
        ..column("f8", "float8", FLOATS)
    },
    Column {
        others: &[("int4", INTS)],
        ..column("n", "numeric", NUMBERS)
    },
    column(
        "n2",
        "numeric(10,2)",
        &["0", "1.10", "-1.1", "99999999.99", "NaN"],
    ),
    column("t", "text", TEXTS),
    column("tc", "text COLLATE \"C\"", TEXTS),
    column("ti", "text COLLATE \"und-x-icu\"", TEXTS),
    column("tn", "text COLLATE fuzz_blind", TEXTS),
    Column {
        others: &[("text", TEXTS)],
        ..column("v", "varchar(8)", TEXTS)
    },
    column("bc", "char(4)", &["", "a", "a  ", "ab", "NaN", "ä"]),
    column("na", "name", &["", "a", "pg_class", "ä"]),
    column("ch", "\"char\"", &["", "a", "b"]),
    column(
        "by",
        "bytea",
        &["", "\\x00", "\\xff", "\\x61", "\\x6162", "\\x4e614e"],
    ),
    column(
        "u",
        "uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ],
    ),
    Column {
        others: &[("timestamp", STAMPS), ("timestamptz", STAMPS)],
        ..column("d", "date", DATES)
    },
    column(
        "ti0",
        "time",
        &["00:00", "00:00:00.000001", "12:00", "24:00"],
    ),
    column(
        "tz0",
        "timetz",
        &["00:00+00", "12:00+02", "10:00+00", "24:00-05"],
    ),
    Column {
        others: &[("date", DATES), ("timestamptz", STAMPS)],
        ..column("s", "timestamp", STAMPS)
    },
    Column {
        others: &[("date", DATES), ("timestamp", STAMPS)],
        ..column("z", "timestamptz", STAMPS)
    },
    column(
        "iv",
        "interval",
        &["0", "1 month", "30 days", "720 hours", "-1 day", "1 year"],
    ),
    column("en", "fuzz_color", &["red", "green", "blue"]),
    column("dm", "fuzz_small", &["1", "2", "7"]),
    column(
        "ip",
        "inet",
        &["10.0.0.1", "10.0.0.0/8", "::1", "192.168.1.1/24"],
    ),
    column("ma", "macaddr", &["00:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"]),
    column("ls", "pg_lsn", &["0/0", "0/A", "FFFFFFFF/FFFFFFFF", "1/0"]),
    column("bi", "varbit", &["0", "1", "01", "10101"]),
    column(
        "js",
        "jsonb",
        &["1", "1.0", "\"a\"", "{\"a\": 1}", "[]", "null"],
    ),
    column("ar", "int4[]", &["{}", "{1}", "{1,2}", "{NULL}", "{2}"]),
    column("rg", "int4range", &["empty", "[1,2)", "[1,5)", "(,)"]),
    column("mo", "money", &["0", "1.10", "-1.10"]),
];

/// The type without its collation, for casts.
pub fn plain_type(kind: &str) -> &str {
    kind.split(" COLLATE").next().unwrap_or(kind)
}

pub fn literal(value: &str, kind: &str) -> String {
    format!("'{}'::{}", value.replace('\'', "''"), plain_type(kind))
}
