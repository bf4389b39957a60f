//! Random conditions give the same rows with and without the bounds that the planner adds: expressions over
//! the current time, buckets, end columns, times of closed chunks; under OR, NOT and CASE, in outer joins,
//! with parameters, and in plans that were cached in another time zone.
//!
//! STRATA_FUZZ_SEED repeats a run, STRATA_FUZZ_QUERIES makes it longer.

use crate::common::{Cluster, Db, Random, exec, number, rows, try_one};
use crate::plans_bounds::removed;
use postgres::Client;

/// Tables, the type of their times, and whether they have an end column or a time beside an id.
const TABLES: [(&str, &str); 6] = [
    ("h", "timestamptz"),
    ("l", "timestamp"),
    ("d", "date"),
    ("e", "timestamptz"),
    ("n", "timestamptz"),
    ("p", "timestamptz"),
];

const ZONES: [&str; 9] = [
    "UTC",
    "Etc/GMT-14",
    "Etc/GMT+12",
    "Europe/Berlin",
    "America/St_Johns",
    "Pacific/Apia",
    "X+150",
    "X-167",
    "A-100B+100,M3.2.0,M11.1.0",
];

fn setup(db: &Db) {
    for (table, kind) in [("h", "timestamptz"), ("l", "timestamp"), ("d", "date")] {
        db.run(&format!(
            "CREATE TABLE {table} (ts {kind} NOT NULL, id int, x int);
             SELECT strata.create_hypertable('{table}', strata.by_range('ts', INTERVAL '2 days'));
             SELECT count(*) FROM strata.premake_chunks('{table}', (now() - interval '70 days')::{kind}, (now() + interval '20 days')::{kind});
             INSERT INTO {table} SELECT (now() - i * interval '5 hours')::{kind}, i, i % 7 FROM generate_series(-90, 330) i"
        ));
    }
    db.run(
        "CREATE TABLE p AS SELECT * FROM h WHERE id % 3 > 0;
         CREATE TABLE e (ts timestamptz NOT NULL, id int, x int, end_ts timestamptz);
         SELECT strata.create_hypertable('e', strata.by_range('ts', INTERVAL '2 days'), end_column => 'end_ts');
         SELECT count(*) FROM strata.premake_chunks('e', now() - interval '70 days', now() + interval '20 days');
         INSERT INTO e SELECT ts, id, x, CASE WHEN id % 5 > 0 THEN ts + (abs(id) % 90) * interval '1 hour' END FROM h;
         -- times go with the id, more or less; most chunks are closed, some hold NULLs only
         CREATE TABLE n (id bigint PRIMARY KEY, ts timestamptz, x int);
         SELECT strata.create_hypertable('n', strata.by_id('id', 'ts', 10));
         SELECT count(*) FROM strata.premake_chunks('n', 0, 500);
         INSERT INTO n SELECT 330 - id, CASE WHEN id NOT BETWEEN 200 AND 230 THEN ts + (id % 11 - 5) * interval '9 hours' END, x FROM h;
         DO $$ DECLARE c record; lo timestamptz; hi timestamptz; BEGIN
           FOR c IN SELECT k.chunk, range_start_integer AS at FROM strata.chunks k WHERE hypertable_name = 'n' LOOP
             EXECUTE format('SELECT min(ts), max(ts) FROM %s', c.chunk) INTO lo, hi;
             CONTINUE WHEN lo IS NULL OR c.at % 70 = 0;
             EXECUTE format('ALTER TABLE %s ADD CONSTRAINT strata_zone CHECK (ts >= %L::timestamptz AND ts <= %L::timestamptz)', c.chunk, lo, hi);
           END LOOP;
         END $$;
         ANALYZE",
    );
}

/// An expression over the current time, and its type.
fn time(random: &mut Random) -> String {
    let (mut text, mut kind) = match random.below(6) {
        0 => ("current_date", 'd'),
        1 => ("localtimestamp", 'l'),
        2 => ("statement_timestamp()", 't'),
        3 => ("current_timestamp(3)", 't'),
        _ => ("now()", 't'),
    };
    let mut text_owned;
    for _ in 0..random.below(5) {
        let interval = random.one_of(&[
            "1 hour",
            "3 days",
            "1 month",
            "-2 days",
            "-1 month 1 day",
            "40 days",
            "90 minutes",
            "1 month -30 days",
            "0",
            "-15 days",
        ]);
        let zone = random.one_of(&ZONES);
        let unit = random.one_of(&["day", "week", "month", "hour", "quarter", "year"]);
        (text_owned, kind) = match random.below(9) {
            0 | 1 => {
                let sign = random.one_of(&["-", "-", "+"]);
                let next = if kind == 'd' { 'l' } else { kind };
                (format!("({text} {sign} interval '{interval}')"), next)
            }
            2 => (format!("({text})::date"), 'd'),
            3 => (format!("({text})::timestamp"), 'l'),
            4 => (format!("({text})::timestamptz"), 't'),
            5 if kind == 't' => (format!("({text} AT TIME ZONE '{zone}')"), 'l'),
            5 if kind == 'l' => (format!("({text} AT TIME ZONE '{zone}')"), 't'),
            6 if kind == 't' => (format!("date_trunc('{unit}', {text}, '{zone}')"), 't'),
            7 if kind == 'd' => (format!("({text} - {})", random.below(40) as i64 - 20), 'd'),
            _ => {
                let next = if kind == 'l' { 'l' } else { 't' };
                (format!("date_trunc('{unit}', {text})"), next)
            }
        };
        text = Box::leak(text_owned.into_boxed_str());
    }
    text.to_owned()
}

fn value(random: &mut Random, params: bool) -> String {
    let days = random.below(100) as i64 - 75;
    match random.below(if params { 8 } else { 5 }) {
        0 => format!("(date '2000-01-01' + (now()::date - date '2000-01-01' + ({days})))"),
        1 => random
            .one_of(&["'infinity'", "'-infinity'", "NULL", "'4000-01-01 BC'"])
            .to_owned(),
        5 => "$1".to_owned(),
        6 => "now() - $2".to_owned(),
        7 => "$1 + interval '1 day'".to_owned(),
        _ => time(random),
    }
}

fn atom(random: &mut Random, (alias, table): (&str, usize), params: bool) -> String {
    let op = random.one_of(&[">", ">=", ">", ">=", "<", "<=", "="]);
    let kind = TABLES[table].1;
    let typed = |value: String| {
        if value.starts_with('\'') || value == "NULL" {
            format!("({value})::{kind}")
        } else {
            value
        }
    };
    let one = typed(value(random, params));
    match random.below(12) {
        0 => format!("{one} {op} {alias}.ts"),
        1 => format!(
            "{alias}.ts BETWEEN {one} AND {}",
            typed(value(random, params))
        ),
        2 if table != 5 => {
            let width = random.one_of(&["1 day", "1 week", "1 month", "7 hours"]);
            let rest = random.one_of(&[
                "",
                "",
                ", INTERVAL '1 month 1 day 12 hours'",
                ", INTERVAL '3 days'",
            ]);
            format!("strata.time_bucket('{width}', {alias}.ts{rest}) {op} {one}")
        }
        3 => format!("{alias}.x {op} {}", random.below(8)),
        4 => format!("{alias}.ts IS {}NULL", random.one_of(&["", "NOT "])),
        5 if table == 3 => format!(
            "{alias}.end_ts {} {one}",
            random.one_of(&["<", "<=", "=", ">"])
        ),
        6 => format!("{alias}.id {op} {}", random.below(420) as i64 - 90),
        _ => format!("{alias}.ts {op} {one}"),
    }
}

fn condition(random: &mut Random, of: &[(&str, usize)], params: bool, depth: usize) -> String {
    let part = |random: &mut Random| condition(random, of, params, depth.saturating_sub(1));
    if depth == 0 {
        let which = of[random.below(of.len())];
        return atom(random, which, params);
    }
    match random.below(9) {
        0 => format!("({} OR {})", part(random), part(random)),
        1 => format!("NOT ({})", part(random)),
        2 => format!(
            "CASE WHEN {} THEN {} ELSE {} END",
            part(random),
            part(random),
            part(random)
        ),
        3 => format!("coalesce({}, {})", part(random), part(random)),
        4 => format!("({}) IS NOT FALSE", part(random)),
        _ => format!("({} AND {})", part(random), part(random)),
    }
}

/// What is asked, with parameters of a time and an interval where `params` says so.
fn query(random: &mut Random, params: bool) -> String {
    let (a, b) = (random.below(6), random.below(6));
    let (ta, tb) = (TABLES[a].0, TABLES[b].0);
    let on_a = [("a", a)];
    let both = [("a", a), ("b", b)];
    let depth = random.below(3);
    let filter = condition(random, &on_a, params, depth);
    let sums = "count(*) || ' ' || coalesce(sum(a.id), 0)";
    let sums2 = format!("{sums} || ' ' || count(b.id) || ' ' || coalesce(sum(b.id), 0)");
    let equal = random.one_of(&[
        "a.ts = b.ts",
        "b.ts = a.ts",
        "a.ts = b.ts AND a.x = b.x",
        "a.id = b.id",
        "a.ts = b.ts AND a.id = b.id",
    ]);
    match random.below(12) {
        0..=3 => format!("SELECT {sums} FROM {ta} a WHERE {filter}"),
        4..=6 => {
            let join =
                random.one_of(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT JOIN"]);
            let on = if random.chance(2) {
                format!("{equal} AND {}", condition(random, &both, params, depth))
            } else {
                equal.to_owned()
            };
            let of = if random.chance(2) {
                &both[..]
            } else {
                &on_a[..]
            };
            let filter = condition(random, of, params, depth);
            format!("SELECT {sums2} FROM {ta} a {join} {tb} b ON {on} WHERE {filter}")
        }
        7 => {
            let not = random.one_of(&["", "NOT "]);
            let inner = condition(random, &both, params, depth);
            format!(
                "SELECT {sums} FROM {ta} a WHERE {filter} AND {not}EXISTS (SELECT FROM {tb} b WHERE {equal} AND {inner})"
            )
        }
        8 => {
            let inner = condition(random, &[("b", b)], params, depth);
            let above = condition(random, &[("a", 0)], params, depth);
            format!(
                "SELECT {sums} FROM (SELECT ts, id, x FROM h UNION ALL SELECT ts, id, x FROM p UNION ALL SELECT ts::timestamptz, id, x FROM {tb} b WHERE {inner}) a WHERE {above}"
            )
        }
        9 => {
            let inner = condition(random, &both, params, depth);
            format!(
                "SELECT {sums2} FROM {ta} a LEFT JOIN LATERAL (SELECT * FROM {tb} b WHERE {equal} AND {inner} OFFSET 0) b ON true WHERE {filter}"
            )
        }
        10 => {
            let tc = TABLES[random.below(6)].0;
            let more = condition(random, &both, params, depth);
            let join = random.one_of(&["LEFT JOIN", "JOIN"]);
            format!(
                "SELECT {sums2} FROM {tc} c {join} ({ta} a LEFT JOIN {tb} b ON {equal}) ON c.ts = a.ts AND {more} WHERE c.id > -20"
            )
        }
        _ => format!(
            "WITH a AS (SELECT ts, max(id) AS id, min(x) AS x FROM {ta} GROUP BY 1 HAVING ts IS NOT NULL) SELECT {sums} FROM a WHERE {filter}"
        ),
    }
}

/// Planned in one zone, run in another as well.
fn answers(
    session: &mut Client,
    query: &str,
    zones: [&str; 2],
    values: Option<&str>,
) -> Vec<Result<String, String>> {
    let code = |e: postgres::Error| {
        e.code()
            .map_or_else(|| e.to_string(), |c| c.code().to_owned())
    };
    exec(
        session,
        &format!("DEALLOCATE ALL; SET timezone = '{}'", zones[0]),
    );
    let run = match values {
        None => query.to_owned(),
        Some(values) => {
            let prepared = try_one(
                session,
                &format!("PREPARE q(timestamptz, interval) AS {query}"),
            );
            if let Err(e) = prepared {
                return vec![Err(code(e))];
            }
            format!("EXECUTE q{values}")
        }
    };
    let mut out = vec![try_one(session, &run).map_err(code)];
    if values.is_some() {
        exec(session, &format!("SET timezone = '{}'", zones[1]));
        out.push(try_one(session, &run).map_err(code));
    }
    out
}

#[test]
fn random_conditions_give_the_same_rows_with_and_without_bounds() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "random");
    setup(&db);
    let (mut random, seed) = Random::seeded();
    let queries = number("STRATA_FUZZ_QUERIES").unwrap_or(400);
    let (mut ours, mut native) = (db.session(), db.session());
    exec(&mut native, "SET strata.planner = off");
    let (mut fewer, mut failed) = (0, 0);
    for n in 0..queries {
        let cached = random.chance(2);
        let sql = query(&mut random, cached);
        let zones = [random.one_of(&ZONES), random.one_of(&ZONES)];
        let mode = random.one_of(&[
            "force_generic_plan",
            "force_generic_plan",
            "force_custom_plan",
        ]);
        let at = random.one_of(&[
            "now() - interval '9 days'",
            "now()",
            "NULL",
            "'infinity'",
            "'-infinity'",
            "'2000-01-01'",
        ]);
        let by = random.one_of(&[
            "interval '5 days'",
            "interval '-5 days'",
            "interval '1 month'",
            "NULL",
            "interval '0'",
        ]);
        let values = format!("({at}, {by})");
        let values = cached.then_some(values.as_str());
        for session in [&mut ours, &mut native] {
            exec(session, &format!("SET plan_cache_mode = {mode}"));
        }
        let a = answers(&mut ours, &sql, zones, values);
        let b = answers(&mut native, &sql, zones, values);
        assert_eq!(
            a, b,
            "seed {seed}, query {n}, {mode}, {values:?}, zones {zones:?}: {sql}"
        );
        failed += u64::from(a.iter().any(Result::is_err));
        if !cached && a[0].is_ok() {
            let plan = format!("EXPLAIN (COSTS OFF) {sql}");
            let scans = |session: &mut Client| {
                let plan = rows(session, &plan);
                plan.matches(" Scan").count() + removed(&plan)
            };
            fewer += u64::from(scans(&mut ours) < scans(&mut native));
        }
    }
    assert!(failed < queries / 5, "{failed} of {queries} were errors");
    assert!(fewer > queries / 100, "only {fewer} plans had fewer chunks");
}
