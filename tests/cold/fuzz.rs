//! Random filters over all comparable types: an all-hot twin, the cold table, and the cold table
//! without pushdown give the same rows.
//!
//! STRATA_FUZZ_SEED repeats a run, STRATA_FUZZ_QUERIES makes it longer.

use crate::fuzz_columns::{COLUMNS, Column, literal, plain_type};
use crate::support::{ColdDb, Db, exec, has_icu, one, rows, server, try_one};
use postgres::Client;
use std::time::{SystemTime, UNIX_EPOCH};

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
    let collations = if has_icu(&mut db.session()) {
        "CREATE COLLATION fuzz_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    } else {
        "CREATE COLLATION fuzz_blind (locale = 'C'); CREATE COLLATION \"und-x-icu\" (locale = 'C')"
    };
    db.run(&format!(
        "{collations};
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
    let queries = number("STRATA_FUZZ_QUERIES").unwrap_or(600);
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
        plan.contains("WHERE \"") && plan.contains("\"i8\" = ?"),
        "nothing is pushed down:\n{plan}"
    );
}
