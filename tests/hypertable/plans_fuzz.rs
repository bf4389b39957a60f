//! Random ordered queries give the same rows with and without the windows of LazyScan, and random
//! conditions on `time_bucket` the same rows with and without key ranges.
//!
//! STRATA_FUZZ_SEED repeats a run, STRATA_FUZZ_QUERIES makes it longer.

use crate::common::{Cluster, Db, Random, exec, number, one, rows, try_one};
use postgres::Client;
use std::sync::atomic::{AtomicBool, Ordering};

const SETUP: &str = "
CREATE TABLE t (id int NOT NULL, ts timestamptz NOT NULL, device int NOT NULL, v float8, note text)
  PARTITION BY RANGE (ts);
SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 day'));
SELECT count(*) FROM strata.premake_chunks('t', '2024-01-01 00:00+00'::timestamptz, '2024-05-01 00:00+00'::timestamptz);
CREATE INDEX ON t (device, ts DESC);
CREATE INDEX ON t (ts);
-- a third of the chunks stays empty; a dropped and an added column give chunks another layout
INSERT INTO t SELECT i, '2024-01-01 00:00+00'::timestamptz + (i * 7919 % 172800) * interval '1 minute', i % 7,
  CASE WHEN i % 5 > 0 THEN i % 100 END, 'note ' || i % 13 FROM generate_series(1, 6000) i
  WHERE (i * 7919 % 172800) / 1440 % 3 > 0;
ALTER TABLE t DROP COLUMN note;
ALTER TABLE t ADD COLUMN note text DEFAULT 'added';
SELECT count(*) FROM strata.premake_chunks('t', '2024-05-01 00:00+00'::timestamptz, '2024-05-11 00:00+00'::timestamptz);
INSERT INTO t SELECT 10000 + i, '2024-05-01 00:00+00'::timestamptz + i * interval '3 minutes', i % 7, i, 'late'
  FROM generate_series(1, 900) i;
ANALYZE t;
CREATE VIEW v AS SELECT id, ts, device AS d, v * 2 AS twice, note FROM t WHERE device <> 6;
CREATE ROLE reader;
GRANT SELECT ON t TO reader;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t TO reader USING (device < 4 AND v IS NOT NULL);
-- would show a row that the policy hides
CREATE FUNCTION spy(int) RETURNS bool LANGUAGE plpgsql STABLE COST 0.00001 AS
  $$ BEGIN IF $1 >= 4 THEN RAISE EXCEPTION 'saw %', $1; END IF; RETURN true; END $$;
";

fn time(random: &mut Random) -> String {
    let minute = random.below(190 * 1440) as i64 - 20 * 1440;
    match random.below(4) {
        0 => format!(
            "'2024-01-01 00:00+00'::timestamptz + interval '{} days'",
            minute / 1440
        ),
        1 => format!("to_timestamp({})", 1_704_067_200 + minute * 60),
        _ => format!("'2024-01-01 00:00+00'::timestamptz + interval '{minute} minutes'"),
    }
}

/// A condition; `given` is what stands for a value from outside (a parameter, a column of an outer row).
fn condition(random: &mut Random, device: &str) -> String {
    let op = random.one_of(&["<", "<=", ">", ">="]);
    match random.below(9) {
        0 | 1 => format!("{device} = {}", random.below(9)),
        2 => format!("ts {op} {}", time(random)),
        3 => format!("{} {op} ts", time(random)),
        4 => format!("ts BETWEEN {} AND {}", time(random), time(random)),
        5 => format!("{device} IN ({}, {})", random.below(8), random.below(8)),
        6 => format!("id % {} = 0", random.below(40) + 1),
        7 => format!("(ts < {} OR {device} = {})", time(random), random.below(7)),
        _ => "note LIKE '%1%'".to_owned(),
    }
}

fn conditions(random: &mut Random, device: &str) -> String {
    let n = random.below(4);
    let list: Vec<String> = (0..n).map(|_| condition(random, device)).collect();
    if list.is_empty() {
        "true".to_owned()
    } else {
        list.join(" AND ")
    }
}

fn order(random: &mut Random) -> String {
    let first = random.one_of(&["ts", "ts DESC", "ts ASC NULLS FIRST", "ts DESC NULLS LAST"]);
    let rest = random.one_of(&[
        "id",
        "id DESC",
        "note, id",
        "id % 10 DESC, id",
        "v NULLS FIRST, id DESC",
    ]);
    format!("{first}, {rest}")
}

fn limit(random: &mut Random) -> String {
    let n = [0, 1, 1, 2, 5, 20, 300][random.below(7)];
    let m = [1, 7, 100, 3000][random.below(4)];
    match random.below(6) {
        0 => format!("LIMIT {n} OFFSET {m}"),
        1 => format!("LIMIT ({n} + 1)"),
        2 => format!("OFFSET {m} FETCH FIRST {} ROWS ONLY", n + 1),
        _ => format!("LIMIT {n}"),
    }
}

/// Statements to run one after another; the last gives the rows.
fn query(random: &mut Random) -> Vec<String> {
    let columns = random.one_of(&[
        "*",
        "id, ts",
        "ts, v",
        "id, note, device",
        "t",
        "id, tableoid::regclass, upper(note)",
    ]);
    let (order, limit) = (order(random), limit(random));
    let plain = |random: &mut Random, columns: &str, extra: &str| {
        let filter = conditions(random, "device");
        format!("SELECT {columns} FROM t WHERE {extra}{filter} ORDER BY {order} {limit}")
    };
    match random.below(12) {
        0 => {
            let inner = plain(random, "id, v, ts", "device = d AND ");
            vec![format!(
                "SELECT d, x.* FROM generate_series(0, 8) d, LATERAL ({inner}) x ORDER BY d, x.ts, x.id"
            )]
        }
        1 => {
            let inner = plain(random, "id, v, ts", "device = d AND ts < at AND ");
            let at = "SELECT i % 7, timestamptz '2024-01-01 00:00+00' + i * interval '9 days' FROM generate_series(0, 12) i";
            vec![format!(
                "SELECT d, at, x.* FROM ({at}) o(d, at) LEFT JOIN LATERAL ({inner}) x ON true ORDER BY d, at, x.ts, x.id"
            )]
        }
        2 => {
            let filter = conditions(random, "device");
            vec![format!(
                "SELECT d, (SELECT id FROM t WHERE device = d AND {filter} ORDER BY {order} LIMIT 1) FROM generate_series(0, 8) d"
            )]
        }
        3 => {
            let filter = conditions(random, "d");
            vec![format!(
                "SELECT id, ts, twice FROM v WHERE {filter} ORDER BY ts DESC, id {limit}"
            )]
        }
        4 => {
            let q = plain(random, columns, "");
            vec![format!(
                "WITH c AS MATERIALIZED ({q}) SELECT count(*), md5(string_agg(c::text, '')) FROM c"
            )]
        }
        5 | 6 => {
            let mode = random.one_of(&["force_generic_plan", "force_custom_plan"]);
            let q = plain(random, "id, ts, v", "device <> $1 AND ts >= $2 AND ");
            let (d, at) = (random.below(8), time(random));
            vec![
                format!("SET plan_cache_mode = {mode}"),
                "DEALLOCATE ALL".to_owned(),
                format!("PREPARE p(int, timestamptz) AS {q}"),
                format!("EXECUTE p({d}, {at})"),
                format!("EXECUTE p({}, {})", random.below(8), time(random)),
            ]
        }
        7 => {
            let extra = random.one_of(&["", "spy(device) AND "]);
            let q = plain(random, "id, ts, device", extra);
            vec!["SET ROLE reader".to_owned(), q]
        }
        8 => {
            let q = plain(random, columns, "");
            let scroll = random.one_of(&["", "SCROLL "]);
            let last = if scroll.is_empty() {
                "FETCH 7 FROM c"
            } else {
                "FETCH BACKWARD 9 FROM c"
            };
            vec![
                format!("DECLARE c {scroll}CURSOR FOR {q}"),
                format!("MOVE {} FROM c", random.below(20)),
                last.to_owned(),
            ]
        }
        9 => {
            let end = random.one_of(&["max(ts)", "min(ts)", "max(ts) - min(ts)"]);
            vec![format!(
                "SELECT {end} FROM t WHERE {}",
                conditions(random, "device")
            )]
        }
        _ => vec![plain(random, columns, "")],
    }
}

fn run(session: &mut Client, planner: &str, statements: &[String]) -> String {
    exec(session, &format!("SET strata.planner = {planner}; BEGIN"));
    let (last, before) = statements.split_last().unwrap();
    for statement in before {
        exec(session, statement);
    }
    let out = rows(session, last);
    exec(session, "ROLLBACK; RESET ROLE; RESET plan_cache_mode");
    out
}

#[test]
fn ordered_scans_in_windows_give_the_same_rows_as_native_plans() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "lazy");
    db.run(SETUP);
    db.run("CALL strata.tier_chunks('t', older_than => '2024-01-10 00:00+00'::timestamptz)");
    db.run("CALL strata.untier_chunk('strata_chunks.t_h1_20240105')");
    let cold = "SELECT count(*) > 3 FROM strata.cold_files";
    assert_eq!(db.one(cold), "t");
    let (mut random, seed) = Random::seeded();
    let queries = number("STRATA_FUZZ_QUERIES").unwrap_or(1000);
    let stop = AtomicBool::new(false);
    let (mut lazy, mut wrong) = (0, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // chunks come and go behind the data meanwhile
            let mut other = db.session();
            while !stop.load(Ordering::Relaxed) {
                exec(
                    &mut other,
                    "SELECT count(*) FROM strata.premake_chunks('t', '2024-06-01'::timestamptz, '2024-06-20'::timestamptz);
                     SELECT count(*) FROM strata.drop_chunks('t', newer_than => '2024-05-31'::timestamptz)",
                );
            }
        });
        let mut session = db.session();
        for n in 0..queries {
            let statements = query(&mut random);
            let ours = run(&mut session, "on", &statements);
            let native = run(&mut session, "off", &statements);
            let last = statements.last().unwrap();
            if statements.len() == 1 {
                let plan = rows(
                    &mut session,
                    &format!("SET strata.planner = on; EXPLAIN {last}"),
                );
                lazy += u64::from(plan.contains("LazyScan"));
            }
            if ours != native {
                wrong.push(format!(
                    "query {n}: {}\nours:\n{ours}\nnative:\n{native}",
                    statements.join(";\n")
                ));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let shown = wrong
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        wrong.is_empty(),
        "seed {seed}: {} differences\n{shown}",
        wrong.len()
    );
    assert!(
        lazy > queries / 4,
        "only {lazy} of {queries} queries used windows"
    );
}

/// A table per type of key, with chunks in the type's own unit.
const KEYS: [(&str, &str, &str, &str); 5] = [
    (
        "tz",
        "timestamptz",
        "INTERVAL '3 days'",
        "timestamptz '2023-12-01 00:00+00' + i * interval '97 minutes'",
    ),
    (
        "local",
        "timestamp",
        "INTERVAL '3 days'",
        "timestamp '2023-12-01 00:00' + i * interval '97 minutes'",
    ),
    (
        "day",
        "date",
        "INTERVAL '7 days'",
        "date '2023-01-01' + i % 400",
    ),
    ("i4", "int", "500", "i * 11 - 9000"),
    ("i8", "bigint", "1000", "i * 23::bigint - 20000"),
];

fn make_keys(db: &Db) {
    for (name, kind, width, value) in KEYS {
        db.run(&format!(
            "CREATE TABLE {name} (k {kind} NOT NULL, id int) PARTITION BY RANGE (k);
             SELECT strata.create_hypertable('{name}', strata.by_range('k', {width}));
             CREATE TABLE vals AS SELECT {value} AS k, i FROM generate_series(0, 1800) i;
             SELECT count(*) FROM strata.premake_chunks('{name}', (SELECT min(k) FROM vals), (SELECT max(k) + {} FROM vals));
             INSERT INTO {name} SELECT k, i FROM vals; DROP TABLE vals; ANALYZE {name}",
            if kind.starts_with("time") { "interval '1 day'" } else { "1" }
        ));
    }
}

/// `time_bucket(...)` on a key, and a value to compare it with; sometimes a bucket start itself.
fn bucket(random: &mut Random, key: usize) -> (String, String) {
    let (_, kind, _, _) = KEYS[key];
    let (call, value) = if kind.contains("int") {
        let cast = |n: i64| format!("({n})::{kind}");
        let width = [1, 7, 10, 100, 499, 5000][random.below(6)];
        let offset = match random.below(3) {
            0 => format!(", {}", cast(random.below(300) as i64 - 150)),
            _ => String::new(),
        };
        let value = random.below(50_000) as i64 - 22_000;
        (
            format!("strata.time_bucket({}, {{}}{offset})", cast(width)),
            cast(value),
        )
    } else {
        let width = random.one_of(&[
            "1 day",
            "1 hour",
            "7 days",
            "36 hours",
            "10 minutes",
            "1 month",
            "3 months",
            "1 year",
            "2 days 5 hours",
            "90 days",
        ]);
        let offset = random.one_of(&[
            "3 hours",
            "-2 days",
            "1 day 1 hour",
            "12 days",
            "1 month",
            "-40 minutes",
        ]);
        let origin = random.one_of(&[
            "2000-01-05 07:00",
            "1999-02-28",
            "2024-03-31 23:59:59",
            "2001-01-31",
        ]);
        let zone = random.one_of(&[
            "Europe/Berlin",
            "America/New_York",
            "Asia/Kolkata",
            "Pacific/Apia",
            "UTC",
        ]);
        let rest = match random.below(4) {
            0 => format!(", INTERVAL '{offset}'"),
            1 => format!(", {kind} '{origin}'"),
            2 if kind == "timestamptz" => match random.below(3) {
                0 => format!(", '{zone}'"),
                1 => format!(", '{zone}', timestamptz '{origin}'"),
                _ => format!(", '{zone}', NULL, INTERVAL '{offset}'"),
            },
            _ => String::new(),
        };
        let minutes = random.below(180 * 1440);
        let value = format!("(timestamp '2023-11-15' + interval '{minutes} minutes')::{kind}");
        (
            format!("strata.time_bucket(INTERVAL '{width}', {{}}{rest})"),
            value,
        )
    };
    let value = if random.chance(2) {
        call.replace("{}", &value)
    } else {
        value
    };
    (call.replace("{}", "k"), value)
}

#[test]
fn conditions_on_buckets_give_the_same_rows_with_and_without_key_ranges() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("timezone", "America/Sao_Paulo")
        .start();
    let db = Db::new(&cluster, "buckets");
    make_keys(&db);
    let (mut random, seed) = Random::seeded();
    let queries = number("STRATA_FUZZ_QUERIES").map_or(10_000, |n| n * 10);
    let (mut ours, mut native) = (db.session(), db.session());
    exec(&mut native, "SET strata.planner = off");
    let (mut fewer, mut failed) = (0, 0);
    for n in 0..queries {
        let key = random.below(KEYS.len());
        let (call, value) = bucket(&mut random, key);
        let (op, table) = (random.one_of(&["<", "<=", "=", ">=", ">"]), KEYS[key].0);
        let clause = if random.chance(3) {
            format!("{value} {op} {call}")
        } else {
            format!("{call} {op} {value}")
        };
        let sql =
            format!("SELECT count(*) || ' ' || coalesce(sum(id), 0) FROM {table} WHERE {clause}");
        // a value that no bucket can be made of is an error in both
        let (a, b) = (try_one(&mut ours, &sql), try_one(&mut native, &sql));
        match (a, b) {
            (Ok(a), Ok(b)) => assert_eq!(a, b, "seed {seed}, query {n}: {sql}"),
            (Err(_), Err(_)) => failed += 1,
            (a, b) => panic!("seed {seed}, query {n}: {sql}\n{a:?}\n{b:?}"),
        }
        if n % 20 == 0 && failed == 0 {
            let plan = format!("EXPLAIN (COSTS OFF) {sql}");
            let scans = |session: &mut Client| rows(session, &plan).matches(" Scan").count();
            fewer += usize::from(scans(&mut ours) < scans(&mut native));
        }
    }
    assert!(
        failed < queries / 20,
        "{failed} of {queries} conditions were errors"
    );
    assert!(
        fewer as u64 > queries / 20 / 3,
        "only {fewer} of {} plans had fewer chunks",
        queries / 20
    );
    assert_eq!(one(&mut ours, "SHOW strata.planner"), "on");
}
