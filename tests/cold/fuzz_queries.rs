//! Random questions about the table of the differential test: the whole grammar of what a cold file
//! can decide, and much that it cannot.

use crate::common::Random;
use crate::fuzz_columns::{COLUMNS, Column, literal, plain_type};

impl Random {
    pub fn column(&mut self) -> &'static Column {
        &COLUMNS[self.below(COLUMNS.len())]
    }
}

/// Values of a statement that is to be prepared: type and literal; `None`: printed into it.
pub type Parameters = Option<Vec<(String, String)>>;

/// Beginnings and patterns for LIKE; the last ones have no fixed beginning.
const PATTERNS: &[&str] = &[
    "a%", "a", "ab%", "a_", "a\\%", "A%", "ä%", "Stra%", "Straß_", "😀%", "Ж%", "N%N", "1%", "%b",
    "_", "%", "",
];

fn place(kind: &str, text: String, parameters: &mut Parameters) -> String {
    match parameters {
        Some(list) if list.len() < 4 => {
            list.push((kind.to_owned(), text));
            format!("${}", list.len())
        }
        _ => text,
    }
}

/// A list of values of one type, now and then with NULL, empty or long.
fn array(random: &mut Random, kind: &str, values: &[&str], parameters: &mut Parameters) -> String {
    let kind = plain_type(kind);
    let mut list: Vec<String> = (0..random.below(6))
        .map(|_| match random.below(12) {
            0 => "NULL".to_owned(),
            _ => format!("'{}'", random.one_of(values).replace('\'', "''")),
        })
        .collect();
    if random.below(30) == 0 && matches!(kind, "int4" | "int8") {
        return format!("ARRAY(SELECT g::{kind} FROM generate_series(-20, 1500) g)");
    }
    if random.below(30) == 0 {
        list = vec!["NULL".to_owned()];
    }
    let text = format!("ARRAY[{}]::{kind}[]", list.join(", "));
    place(&format!("{kind}[]"), text, parameters)
}

/// A comparison of one column.
fn comparison(random: &mut Random, parameters: &mut Parameters) -> String {
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
        place(plain_type(kind), text, parameters)
    };
    let name = column.name;
    let operator = random.one_of(&["=", "<>", "<", "<=", ">", ">=", "=", ">="]);
    let not = random.one_of(&["", "NOT "]);
    match random.below(18) {
        0 => format!("{name} IS {not}NULL"),
        1 => format!("{} {operator} {name}", value(random)),
        2 => format!(
            "{name} {not}BETWEEN {} AND {}",
            value(random),
            value(random)
        ),
        // values of another type are converted first, which may fail, and nobody promises when: a date too late
        // for a timestamptz is an error for an index scan without rows, too
        3 if kind == column.kind => {
            format!("{name} {not}IN ({}, {})", value(random), value(random))
        }
        4 => format!("{name} IS {not}DISTINCT FROM {}", value(random)),
        5 => format!("{name} = ANY ({})", array(random, kind, values, parameters)),
        6 => format!(
            "{name} <> ALL ({})",
            array(random, kind, values, parameters)
        ),
        7 => format!(
            "{name} {operator} ANY ({})",
            array(random, kind, values, parameters)
        ),
        8 if column.name == "i4" => format!("i4 {operator} i2"),
        8 if column.name == "i8" => format!("i8 {operator} i4 AND i2 < i8"),
        8 if column.name == "z" => format!("z {operator} ts"),
        8 | 9 if column.name == "b" => format!("{not}b"),
        8..=11 if matches!(name, "t" | "tc" | "ti" | "v") => {
            let pattern = format!("'{}'::text", random.one_of(PATTERNS));
            let pattern = place("text", pattern, parameters);
            match random.below(3) {
                0 => format!("{name} ^@ {pattern}"),
                1 => format!("starts_with({name}, {pattern})"),
                _ => format!("{name} {not}LIKE {pattern}"),
            }
        }
        13 if !matches!(name, "js" | "ar" | "rg") => {
            let operator = random.one_of(&["<", "<=", ">", ">="]);
            format!(
                "({name}, id) {operator} ({}, {})",
                value(random),
                random.below(420)
            )
        }
        12 => {
            let truth = random.one_of(&["TRUE", "FALSE", "UNKNOWN"]);
            format!("({name} {operator} {}) IS {not}{truth}", value(random))
        }
        _ => format!("{name} {operator} {}", value(random)),
    }
}

fn filter(random: &mut Random, depth: usize, parameters: &mut Parameters) -> String {
    match random.below(if depth == 0 { 3 } else { 8 }) {
        3 => format!("NOT ({})", filter(random, depth - 1, parameters)),
        4 | 5 => format!(
            "({} OR {})",
            filter(random, depth - 1, parameters),
            filter(random, depth - 1, parameters)
        ),
        6 | 7 => format!(
            "{} AND {}",
            filter(random, depth - 1, parameters),
            filter(random, depth - 1, parameters)
        ),
        _ => comparison(random, parameters),
    }
}

/// A query on `{table}` whose one value tells its rows.
pub fn query(random: &mut Random, parameters: &mut Parameters) -> String {
    let filter = filter(random, 2, parameters);
    let column = random.column().name;
    let direction = random.one_of(&["ASC", "DESC"]);
    match random.below(16) {
        13.. => grouped(random, &filter),
        0 => {
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
        1 => ids(&format!("WHERE {filter} ORDER BY ts {direction} LIMIT 5")),
        2 => format!("SELECT count(*) || ' ' || count({column}) FROM {{table}} WHERE {filter}"),
        3 => format!(
            "SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM {{table}} t WHERE {filter}"
        ),
        4 => several_keys(random, &filter, parameters),
        5 => {
            // all in order: every late row has its place
            let key = random.one_of(&["id", "ts", "i8", "z", "tc", "u", "f8"]);
            format!(
                "SELECT string_agg(row_number::text || ':' || id, ',' ORDER BY id) FROM \
                 (SELECT id, rank() OVER (ORDER BY {key} {direction}) AS row_number FROM {{table}} WHERE {filter}) s"
            )
        }
        6 => {
            // no filter, or one that only says that there is a value
            let key = random.one_of(&[
                "id", "ts", "i2", "i4", "i8", "o", "d", "ti0", "s", "z", "tc", "by",
            ]);
            let rest = random.one_of(&["", "WHERE ts > '2025-01-10 00:00+00'"]);
            match random.below(3) {
                0 if key != "by" => {
                    format!(
                        "SELECT min({key})::text || ' ' || max({key})::text FROM {{table}} {rest}"
                    )
                }
                1 => format!(
                    "SELECT string_agg(x::text, ',') FROM (SELECT {key} AS x FROM {{table}} WHERE {key} IS NOT NULL ORDER BY {key} {direction} LIMIT 3) s"
                ),
                _ => format!(
                    "SELECT string_agg(coalesce(x::text, '-'), ',') FROM (SELECT {key} AS x FROM {{table}} {rest} ORDER BY {key} {direction} LIMIT 40) s"
                ),
            }
        }
        7 | 8 => {
            let on = random.one_of(&[
                "m.id = p.id",
                "m.i8 = p.i4",
                "m.i4 = p.i8",
                "m.i8 = p.i8 AND m.b",
                "m.tc = p.tc",
                "m.u = p.u",
                "m.z = p.z",
                "m.id = p.k AND m.d > p.d",
                "m.i8 > p.i8 AND m.id = p.id + 1",
                "m.id IN (p.id, p.k)",
            ]);
            let kind = random.one_of(&["JOIN", "LEFT JOIN"]);
            format!(
                "SELECT string_agg(p.id || '/' || coalesce(m.id, -1), ',' ORDER BY p.id, m.id) FROM probes p \
                 {kind} {{table}} m ON {on} AND ({})",
                qualified(&filter)
            )
        }
        _ => format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM {{table}} WHERE {filter}"),
    }
}

fn ids(rest: &str) -> String {
    format!("SELECT string_agg(id::text, ',') FROM (SELECT id FROM {{table}} {rest}) s")
}

/// Orders by several columns, as indexes of the files have them or not; the last one is unique.
fn several_keys(random: &mut Random, filter: &str, parameters: &mut Parameters) -> String {
    let (a, b) = *random.one_of(&[
        &("ASC", "DESC"),
        &("DESC", "ASC"),
        &("ASC", "ASC"),
        &("DESC", "DESC"),
        &("ASC NULLS FIRST", "ASC"),
        &("DESC NULLS LAST", "DESC"),
    ]);
    let limit = random.one_of(&["", "LIMIT 7"]);
    let order = match random.below(5) {
        0 => format!("i8 {a}, ts {b}"),
        1 => format!("u {a}, id {b}"),
        2 => format!("b {a}, i4 {b}, ts"),
        3 => {
            let value = place("int8", "7::int8".to_owned(), parameters);
            return ids(&format!(
                "WHERE i8 = {value} AND {filter} ORDER BY ts {b} {limit}"
            ));
        }
        _ => format!("ts {b}, i8 {a}"),
    };
    ids(&format!("WHERE {filter} ORDER BY {order} {limit}"))
}

/// The filter with the names of its columns in full: the probes have some of the same.
fn qualified(filter: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in filter.chars().chain([' ']) {
        if !quoted && (c.is_ascii_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        let column =
            (COLUMNS.iter().any(|x| x.name == word) || word == "ts") && !out.ends_with("::");
        if column {
            out.push_str("m.");
        }
        out.push_str(&std::mem::take(&mut word));
        if c == '\'' {
            quoted = !quoted;
        }
        out.push(c);
    }
    out
}

/// Aggregates, most of them of the kinds that files work out, now and then one that they do not. Floats
/// are told without the sign of zero, which depends on the order of the rows; keys whose equal values
/// print differently (numeric, padded or blind texts, intervals) are left out.
fn grouped(random: &mut Random, filter: &str) -> String {
    const KEYS: &[&str] = &[
        "i2",
        "i4",
        "i8",
        "o",
        "b",
        "d",
        "ti0",
        "s",
        "z",
        "tc",
        "t",
        "v",
        "u",
        "by",
        "id % 7",
        "lower(t)",
        "strata.time_bucket(INTERVAL '1 day', ts)",
        "strata.time_bucket(INTERVAL '7 hours', ts, origin => '2025-01-01 00:30+00')",
        "strata.time_bucket(INTERVAL '1 month', ts)",
        "strata.time_bucket(INTERVAL '36 hours', s)",
    ];
    const STATES: &[&str] = &[
        "count(*)",
        "count(1)",
        "count(i8)",
        "count(n)",
        "count(js)",
        "count(tn)",
        "sum(i2)",
        "sum(i4)",
        "avg(i2)",
        "avg(i4)",
        "min(i2)",
        "max(i4)",
        "min(i8)",
        "max(i8)",
        "min(o)",
        "max(d)",
        "min(ti0)",
        "max(s)",
        "min(z)",
        "max(z)",
        "min(tc)",
        "max(tc)",
        "min(ts)",
        "max(ts)",
        "min(id)",
        "max(id)",
        "min(f8) + 0",
        "max(f4) + 0",
        "max(t COLLATE \"C\")",
        "sum(id)",
        "avg(id)",
    ];
    const OTHERS: &[&str] = &[
        "sum(i8)",
        "avg(i8)",
        "max(t)",
        "min(v)",
        "count(DISTINCT i4)",
        "count(*) FILTER (WHERE b)",
        "sum(i2 + 1)",
        "bool_or(b)",
        "string_agg(id::text, ' ' ORDER BY id)",
        "sum(n)",
    ];
    let mut keys: Vec<&str> = (0..random.below(3)).map(|_| random.one_of(KEYS)).collect();
    keys.dedup();
    let mut states: Vec<&str> = (0..1 + random.below(4))
        .map(|_| random.one_of(STATES))
        .collect();
    if random.below(5) == 0 {
        states.push(random.one_of(OTHERS));
    }
    let filter = match random.below(4) {
        0 => "true".to_owned(),
        1 => "ts >= '2025-01-09 00:00+00' AND i4 IS NOT NULL".to_owned(),
        _ => filter.to_owned(),
    };
    let list = keys.iter().chain(&states);
    let list: Vec<String> = list
        .enumerate()
        .map(|(n, expr)| format!("{expr} AS c{n}"))
        .collect();
    let mut sql = format!("SELECT {} FROM {{table}} WHERE {filter}", list.join(", "));
    if !keys.is_empty() {
        sql.push_str(&format!(" GROUP BY {}", keys.join(", ")));
    }
    if random.below(4) == 0 {
        sql.push_str(random.one_of(&[" HAVING count(*) > 2", " HAVING max(id) > 200"]));
    }
    format!("SELECT string_agg(x::text, ',' ORDER BY x::text COLLATE \"C\") FROM ({sql}) x")
}
