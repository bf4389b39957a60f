//! Random filters over all comparable types: an all-hot twin, the cold table, and the cold table
//! without pushdown give the same rows.
//!
//! STRATA_FUZZ_SEED repeats a run, STRATA_FUZZ_QUERIES makes it longer.

use crate::support::{Db, exec, one, rows, server, try_one};
use postgres::Client;
use std::time::{SystemTime, UNIX_EPOCH};

/// A column: name, type, values at the edges of its type, and types whose values it is compared with.
struct Column {
    name: &'static str,
    kind: &'static str,
    values: &'static [&'static str],
    others: &'static [(&'static str, &'static [&'static str])],
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

const COLUMNS: &[Column] = &[
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

/// xorshift64*: enough for choosing, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n as u64) as usize
    }

    fn one_of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    fn column(&mut self) -> &'static Column {
        &COLUMNS[self.below(COLUMNS.len())]
    }
}

fn plain_type(kind: &str) -> &str {
    kind.split(" COLLATE").next().unwrap_or(kind)
}

fn literal(value: &str, kind: &str) -> String {
    format!("'{}'::{}", value.replace('\'', "''"), plain_type(kind))
}

/// A comparison of one column. Values go into `parameters` when the statement is to be prepared.
fn comparison(random: &mut Random, parameters: &mut Option<Vec<(String, String)>>) -> String {
    let column = random.column();
    let (kind, values) = match column.others {
        [] => (column.kind, column.values),
        others if random.below(3) == 0 => others[random.below(others.len())],
        _ => (column.kind, column.values),
    };
    let mut value = |random: &mut Random| {
        if random.below(25) == 0 {
            return format!("NULL::{}", plain_type(kind));
        }
        let text = literal(random.one_of(values), kind);
        match parameters {
            Some(list) if list.len() < 4 => {
                list.push((plain_type(kind).to_owned(), text));
                format!("${}", list.len())
            }
            _ => text,
        }
    };
    let name = column.name;
    let operator = random.one_of(&["=", "<>", "<", "<=", ">", ">=", "=", ">="]);
    match random.below(12) {
        0 => format!("{name} IS NULL"),
        1 => format!("{name} IS NOT NULL"),
        2 => format!("{} {operator} {name}", value(random)),
        3 => format!("{name} BETWEEN {} AND {}", value(random), value(random)),
        4 => format!("{name} IN ({}, {})", value(random), value(random)),
        5 => format!("{name} IS DISTINCT FROM {}", value(random)),
        6 => format!("{name} = ANY (ARRAY[{}, {}])", value(random), value(random)),
        7 if column.name == "i4" => format!("i4 {operator} i2"),
        7 if column.name == "i8" => format!("i8 {operator} i4 AND i2 < i8"),
        7 if column.name == "z" => format!("z {operator} ts"),
        7 if column.name == "b" => "NOT b".to_owned(),
        8 if column.name == "b" => "b".to_owned(),
        _ => format!("{name} {operator} {}", value(random)),
    }
}

fn filter(
    random: &mut Random,
    depth: usize,
    parameters: &mut Option<Vec<(String, String)>>,
) -> String {
    match random.below(if depth == 0 { 3 } else { 7 }) {
        3 => format!("NOT ({})", filter(random, depth - 1, parameters)),
        4 => format!(
            "({} OR {})",
            filter(random, depth - 1, parameters),
            filter(random, depth - 1, parameters)
        ),
        5 | 6 => format!(
            "{} AND {}",
            filter(random, depth - 1, parameters),
            filter(random, depth - 1, parameters)
        ),
        _ => comparison(random, parameters),
    }
}

/// A query on `{table}` whose one value tells its rows.
fn query(random: &mut Random, parameters: &mut Option<Vec<(String, String)>>) -> String {
    let filter = filter(random, 2, parameters);
    let column = random.column().name;
    match random.below(8) {
        0 => {
            let direction = random.one_of(&["ASC", "DESC"]);
            let nulls = random.one_of(&["FIRST", "LAST"]);
            // money and others have no order by text: the value itself tells
            let order = if matches!(column, "js" | "ar" | "rg") {
                "ts"
            } else {
                column
            };
            format!(
                "SELECT string_agg(x::text, ',') FROM (SELECT ({order}, id) AS x FROM {{table}} \
                WHERE {filter} ORDER BY {order} {direction} NULLS {nulls}, id LIMIT 9) s"
            )
        }
        1 => {
            let direction = random.one_of(&["ASC", "DESC"]);
            format!(
                "SELECT string_agg(id::text, ',') FROM (SELECT id FROM {{table}} WHERE {filter} ORDER BY ts {direction} LIMIT 5) s"
            )
        }
        2 => format!("SELECT count(*) || ' ' || count({column}) FROM {{table}} WHERE {filter}"),
        3 => format!(
            "SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM {{table}} t WHERE {filter}"
        ),
        _ => format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM {{table}} WHERE {filter}"),
    }
}

fn make(db: &Db, random: &mut Random) {
    let definitions: Vec<String> = COLUMNS
        .iter()
        .map(|c| format!("{} {}", c.name, c.kind))
        .collect();
    db.run(&format!(
        "CREATE COLLATION fuzz_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TYPE fuzz_color AS ENUM ('green', 'blue', 'red'); CREATE DOMAIN fuzz_small AS int4 CHECK (VALUE < 10);
         CREATE TABLE m (id int, ts timestamptz NOT NULL, {}, PRIMARY KEY (id, ts))",
        definitions.join(", ")
    ));
    let mut script = String::from("SET lc_monetary = 'C'; BEGIN;\n");
    for id in 0..420 {
        // January knows all values, February few of them (so that more columns have their plain form)
        let month = id % 3;
        let values: Vec<String> = COLUMNS
            .iter()
            .map(|c| {
                let tame: Vec<&str> = c
                    .values
                    .iter()
                    .copied()
                    .filter(|v| {
                        !["NaN", "-0", "Infinity", "-Infinity"].contains(v)
                            && !v.contains("BC")
                            && !v.starts_with("294276")
                            && !v.starts_with("5874897")
                    })
                    .collect();
                match random.below(9) {
                    0 if month < 2 => "NULL".to_owned(),
                    _ if month == 1 => literal(random.one_of(&tame), c.kind),
                    _ => literal(random.one_of(c.values), c.kind),
                }
            })
            .collect();
        script.push_str(&format!(
            "INSERT INTO m VALUES ({id}, '2025-0{}-{:02} 12:00+00'::timestamptz + interval '{id} seconds', {});\n",
            month + 1,
            1 + id % 28,
            values.join(", ")
        ));
    }
    script.push_str("COMMIT; CREATE TABLE twin AS SELECT * FROM m;
        CREATE INDEX ON m (i8, ts); CREATE INDEX ON m (z); CREATE INDEX ON m (f8 DESC); CREATE INDEX ON m (tc);
        SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
        ANALYZE;");
    db.run(&script);
    db.tier("2025-03-01");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_files"), "2");
}

/// The value, or the SQLSTATE of the error.
fn ask(session: &mut Client, sql: &str) -> String {
    match try_one(session, sql) {
        Ok(text) => text,
        Err(error) => format!("error {:?}", error.code().map(|c| c.code().to_owned())),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_filters_give_the_same_rows() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    let seed = number("STRATA_FUZZ_SEED").unwrap_or(now.as_nanos() as u64 | 1);
    let queries = number("STRATA_FUZZ_QUERIES").unwrap_or(3000);
    eprintln!("STRATA_FUZZ_SEED={seed}");
    let mut random = Random(seed);
    let db = Db::new(server(), "fuzz");
    make(&db, &mut random);
    let (mut pushing, mut fetching) = (db.session(), db.session());
    for session in [&mut pushing, &mut fetching] {
        exec(
            session,
            "SET enable_partition_pruning = on; SET lc_monetary = 'C'",
        );
    }
    exec(&mut fetching, "SET strata.cold_pushdown = off");
    assert!(one(&mut pushing, "SELECT count(*) FROM m") == "420");
    let (mut differences, mut answers, mut errors) = (Vec::new(), 0, 0);
    for n in 0..queries {
        let mut parameters = (random.below(4) == 0).then(Vec::new);
        let query = query(&mut random, &mut parameters);
        let list = parameters.unwrap_or_default();
        let text = |table: &str| {
            let sql = query.replace("{table}", table);
            if list.is_empty() {
                return sql;
            }
            let kinds: Vec<&str> = list.iter().map(|p| p.0.as_str()).collect();
            let values: Vec<&str> = list.iter().map(|p| p.1.as_str()).collect();
            format!(
                "SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL; PREPARE q ({}) AS {sql}; EXECUTE q ({})",
                kinds.join(", "),
                values.join(", ")
            )
        };
        if n % 500 == 250 {
            // other plans for the same questions
            let off = random.one_of(&[
                "enable_indexscan",
                "enable_seqscan",
                "enable_sort",
                "enable_incremental_sort",
                "enable_hashagg",
            ]);
            exec(
                &mut pushing,
                &format!("RESET ALL; SET {off} = off; SET lc_monetary = 'C'"),
            );
        }
        let hot = ask(&mut pushing, &text("twin"));
        let cold = ask(&mut pushing, &text("m"));
        let fetched = ask(&mut fetching, &text("m"));
        answers += usize::from(!hot.is_empty() && !hot.starts_with("error") && hot != "0 0");
        errors += usize::from(hot.starts_with("error"));
        if hot != cold || hot != fetched {
            differences.push(format!(
                "{}\n  hot:     {hot}\n  cold:    {cold}\n  fetched: {fetched}",
                text("m")
            ));
        }
    }
    let shown: Vec<&str> = differences.iter().take(10).map(String::as_str).collect();
    assert!(
        differences.is_empty(),
        "seed {seed}: {} differences\n{}",
        differences.len(),
        shown.join("\n")
    );
    // the questions must mean something
    assert!(
        answers as u64 > queries / 3,
        "only {answers} of {queries} had an answer, {errors} were errors"
    );
    let plan = rows(
        &mut pushing,
        "EXPLAIN SELECT * FROM m WHERE i8 = 7 AND z < '2025-01-01 00:00+00'",
    );
    assert!(
        plan.contains("WHERE \"i8\" = ?1 AND \"z\" < ?2"),
        "nothing is pushed down:\n{plan}"
    );
}
