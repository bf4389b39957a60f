//! Random filters over all comparable types: an all-hot twin, the cold table, and the cold table
//! without pushdown give the same rows.
//!
//! STRATA_FUZZ_SEED repeats a run, STRATA_FUZZ_QUERIES makes it longer.

use crate::common::{Random, number};
use crate::fuzz_columns::{COLUMNS, literal};
use crate::fuzz_queries::query;
use crate::support::{ColdDb, Db, exec, has_icu, one, rows, server, try_one};
use postgres::Client;

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
        CREATE TABLE probes AS SELECT i4 + 1 AS k, id, i4, i8, tc, u, z, d FROM m WHERE id % 40 = 7;
        CREATE INDEX ON m (i8, ts); CREATE INDEX ON m (u, id); CREATE INDEX ON m (b, i4 DESC); CREATE INDEX ON m (t); CREATE INDEX ON m (z); CREATE INDEX ON m (f8 DESC); CREATE INDEX ON m (tc);
        SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
        ANALYZE;");
    db.run(&script);
    db.tier("2025-03-01");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_files"), "2");
    late_rows(db, random);
}

/// Rows that arrive after their chunk went cold, in the table and its twin.
fn late_rows(db: &Db, random: &mut Random) {
    let mut script = String::new();
    for id in 1000..1024 {
        let values: Vec<String> = COLUMNS
            .iter()
            .map(|c| match random.below(9) {
                0 => "NULL".to_owned(),
                _ => literal(random.one_of(c.values), c.kind),
            })
            .collect();
        let row = format!(
            "({id}, '2025-0{}-{:02} 12:30+00'::timestamptz + interval '{id} seconds', {})",
            1 + id % 2,
            1 + id % 28,
            values.join(", ")
        );
        script.push_str(&format!(
            "INSERT INTO m VALUES {row}; INSERT INTO twin VALUES {row};\n"
        ));
    }
    db.run(&format!("SET lc_monetary = 'C'; {script}"));
}

/// The value, or the SQLSTATE of the error.
fn ask(session: &mut Client, sql: &str) -> String {
    match try_one(session, sql) {
        Ok(text) => text,
        Err(error) => format!("error {:?}", error.code().map(|c| c.code().to_owned())),
    }
}

#[test]
fn random_filters_give_the_same_rows() {
    let (mut random, seed) = Random::seeded();
    let queries = number("STRATA_FUZZ_QUERIES").unwrap_or(1500);
    let db = Db::new(server(), "fuzz");
    make(&db, &mut random);
    let (mut pushing, mut fetching) = (db.session(), db.session());
    let zone = random.one_of(&["UTC", "America/New_York", "Asia/Kolkata"]);
    // with plan nodes disabled every plan costs enough to be compiled, which takes ten times as long as to run it
    let same = format!("SET jit = off; SET lc_monetary = 'C'; SET timezone = '{zone}'");
    for session in [&mut pushing, &mut fetching] {
        exec(session, &same);
    }
    exec(&mut fetching, "SET strata.cold_pushdown = off");
    assert_eq!(one(&mut pushing, "SELECT count(id + 0) FROM m"), "444");
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
        if n % 25 == 24 {
            // other plans for the same questions
            let other = random.one_of(&[
                "",
                "SET enable_indexscan = off",
                "SET enable_seqscan = off",
                "SET enable_sort = off; SET enable_incremental_sort = off",
                "SET enable_sort = off; SET enable_hashagg = off",
                "SET enable_hashjoin = off; SET enable_mergejoin = off",
                "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off",
                "SET enable_partitionwise_aggregate = on; SET enable_partitionwise_join = on",
            ]);
            exec(&mut pushing, &format!("RESET ALL; {other}; {same}"));
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
    exec(&mut pushing, "RESET ALL");
    let plan = rows(
        &mut pushing,
        "EXPLAIN SELECT * FROM m WHERE ts < '2025-03-01 00:00+00' AND i8 = 7 AND (u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' OR NOT b)",
    );
    assert!(
        plan.contains("\"i8\" = ?") && plan.contains("\"u\" = ?") && !plan.contains("Filter:"),
        "not all is pushed down:\n{plan}"
    );
}
