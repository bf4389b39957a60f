//! The regression tests of PostgreSQL itself: their questions have the same answers on heaps and on cold files.
//!
//! tests/core holds the tables and the statements, see its README. No expected output is needed: the same server
//! answers from plain heaps. What a statement leaves open (an order, a window over rows that are not told apart,
//! the last digits of a sum of floats) heaps show whose rows lie in different orders: where they differ, the cold
//! table may, too. `core_answers` has the rules.
//!
//! tenk1 is shortened, to save time; STRATA_CORE_ROWS=10000 takes all of it. STRATA_CORE_FILE runs one file of
//! statements.

use crate::common::wait_until_within;
use crate::core_answers::{Answer, Question, has_order, judge, parametrised, questions};
use crate::support::{Db, exec, one, rows, server};
use postgres::{Client, SimpleQueryMessage};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tables with a column that can be the partition key: column, chunk interval, and one of fewer chunks (empty:
/// by the size of the table).
/// The other tables get a number for it, and a view without the number takes their name.
const KEYED: &[(&str, &str, &str, &str)] = &[
    ("tenk1", "unique1", "", ""),
    ("onek", "unique1", "200", "600"),
    ("int2_tbl", "f1", "10000", "30000"),
    ("int4_tbl", "f1", "500000000", "2000000000"),
    ("int8_tbl", "q1", "1000000000000", "10000000000000000"),
    (
        "date_tbl",
        "f1",
        "INTERVAL '20 years'",
        "INTERVAL '500 years'",
    ),
    ("array_op_test", "seqno", "40", "200"),
    ("num_data", "id", "5", "20"),
    ("num_exp_add", "id1", "5", "20"),
    ("num_exp_sub", "id1", "5", "20"),
    ("num_exp_mul", "id1", "5", "20"),
    ("num_exp_div", "id1", "5", "20"),
    ("num_exp_sqrt", "id", "5", "20"),
    ("num_exp_ln", "id", "5", "20"),
    ("num_exp_log10", "id", "5", "20"),
    ("num_exp_power_10_ln", "id", "5", "20"),
    ("macaddr_data", "a", "8", "100"),
    ("macaddr8_data", "a", "12", "100"),
    ("test_range_elem", "i", "60", "200"),
    ("fract_only", "id", "4", "20"),
];

/// Tables that stay heaps everywhere: joins of cold and hot.
const HOT: [&str; 2] = ["onek2", "tenk2"];

/// As PostgreSQL's own regression tests set it.
const SESSION: &str = "RESET ALL; SET timezone = 'PST8PDT'; SET datestyle = 'Postgres, MDY'; \
    SET intervalstyle = 'postgres_verbose'; SET jit = off; SET statement_timeout = '60s'";

/// ORDER BY that does not tell all rows apart although it happens to in all heaps: compared as sets.
const TIES: &[(&str, &str)] = &[
    (
        "inet",
        "SELECT * FROM inet_tbl WHERE i <> '192.168.1.0/24'::cidr",
    ),
    ("point", "ORDER BY dist"),
];

/// Statements that may differ: file, a part of the text, reason.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    (
        "aggregates",
        "balk(hundred)",
        "its combine function is broken on purpose: the plan decides",
    ),
    (
        "window",
        "first_value(max(x)) over ()",
        "the first group, in whatever order they come",
    ),
    (
        "select_parallel",
        "select unique1, row_number() over()",
        "a number for each row, in whatever order they come",
    ),
];

/// How the rows lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// heaps, in the order of PostgreSQL's tests
    Heap,
    /// heaps, the other way round
    Turned,
    /// heaps, in an order of their own
    Mixed,
    /// chunks, all in files
    Cold,
    /// fewer chunks, all in files, and every third row came late
    Late,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core")
}

/// The statements of all files, or of the one that is asked for.
fn all_questions() -> Vec<Question> {
    let only = std::env::var("STRATA_CORE_FILE").ok();
    let entries = fs::read_dir(folder().join("statements")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_none_or(|only| *only == name) {
            all.extend(questions(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
    all
}

/// How many rows of tenk1 are taken.
fn size() -> u32 {
    let asked = std::env::var("STRATA_CORE_ROWS").ok();
    asked.and_then(|rows| rows.parse().ok()).unwrap_or(2500)
}

/// All tables, as heaps: those without a key of their own are a view over one that has a number.
fn load(db: &Db) {
    db.run(&fs::read_to_string(folder().join("tables.sql")).unwrap());
    let rows = size();
    db.run(&format!(
        "DELETE FROM tenk1 WHERE unique1 >= {rows}; DELETE FROM tenk2 WHERE unique1 >= {rows}"
    ));
    let keyed = KEYED.iter().map(|table| table.0).chain(HOT);
    let keyed: Vec<String> = keyed.map(|name| format!("'{name}'")).collect();
    db.run(&format!(
        "DO $$ DECLARE t record; BEGIN
         FOR t IN SELECT relname AS name, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns
             FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT IN ({}) GROUP BY 1
         LOOP
             EXECUTE format('ALTER TABLE %I RENAME TO %I', t.name, t.name || '_rows');
             EXECUTE format('ALTER TABLE %I ADD COLUMN strata_n serial', t.name || '_rows');
             EXECUTE format('CREATE VIEW %I AS SELECT %s FROM %I', t.name, t.columns, t.name || '_rows');
         END LOOP; END $$",
        keyed.join(", ")
    ));
}

/// Tables whose rows go to files: name, column of the key, chunk interval.
fn tables(db: &Db, layout: Layout) -> Vec<(String, String, String)> {
    let known = KEYED.iter().map(|&(name, key, fine, coarse)| {
        let interval = if layout == Layout::Late { coarse } else { fine };
        let interval = match interval {
            "" if layout == Layout::Late => (size() / 3 + 1).to_string(),
            "" => (size() / 10).to_string(),
            given => given.to_owned(),
        };
        (name.to_owned(), key.to_owned(), interval)
    });
    let mut session = db.session();
    let sql = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
               AND relname LIKE '%\\_rows' ORDER BY 1";
    let mut all: Vec<_> = known.collect();
    for name in rows(&mut session, sql).lines() {
        let halves = format!("SELECT count(*) / 2 + 1 FROM {name}");
        let interval = match layout {
            Layout::Late => "100000".to_owned(),
            _ => one(&mut session, &halves),
        };
        all.push((name.to_owned(), "strata_n".to_owned(), interval));
    }
    all
}

/// Rows in another order: backwards, or those with a key by it and the others mixed.
fn turn(db: &Db, layout: Layout) {
    let mut script = String::new();
    for (name, key, _) in tables(db, layout) {
        let order = match layout {
            Layout::Turned => "strata_place DESC".to_owned(),
            _ if key == "strata_n" => "mod(strata_place * 7919, 10007)".to_owned(),
            _ => key,
        };
        script.push_str(&format!(
            "CREATE TEMP TABLE turned AS SELECT *, row_number() OVER () AS strata_turn FROM {name};
             TRUNCATE {name};
             ALTER TABLE turned RENAME COLUMN strata_turn TO strata_place;
             DO $$ DECLARE columns text; BEGIN
                 SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
                     FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attnum > 0;
                 EXECUTE format('INSERT INTO {name} SELECT %s FROM turned ORDER BY {order}', columns);
             END $$;
             DROP TABLE turned;\n"
        ));
    }
    db.run(&script);
}

/// Makes hypertables of all tables and brings their chunks into files; with late rows if asked for.
fn freeze(db: &Db, layout: Layout) {
    let tables = tables(db, layout);
    let mut script =
        String::from("CREATE EXTENSION pg_strata; SET client_min_messages = warning;\n");
    for (name, key, interval) in &tables {
        script.push_str(&format!(
            "SELECT FROM strata.create_hypertable('{name}', strata.by_range('{key}', {interval}), migrate_data => true);\n"
        ));
        if layout == Layout::Late {
            // after the chunks were made: each late row has one
            script.push_str(&format!(
                "CREATE TABLE late_{name} (LIKE {name});
                 WITH gone AS (DELETE FROM {name} WHERE (tableoid, ctid) IN
                     (SELECT tableoid, ctid FROM (SELECT tableoid, ctid, row_number() OVER () AS n FROM {name}) s
                     WHERE n % 3 = 0) RETURNING *)
                 INSERT INTO late_{name} SELECT * FROM gone;\n"
            ));
        }
    }
    db.run(&script);
    // the last chunk of an integer column has no end, and two of the dates are yet to come: these stay hot
    let queued = db.run(
        "CREATE TEMP TABLE queued (chunk regclass);
         DO $$ DECLARE c regclass; BEGIN
             FOR c IN SELECT chunk FROM strata.chunks WHERE range_end_integer IS NOT NULL OR range_end < now()
             LOOP
                 EXECUTE format('INSERT INTO queued SELECT %L WHERE EXISTS (SELECT FROM %s)', c, c);
             END LOOP; END $$;
         SELECT count(strata.tier_chunk(chunk)) FROM queued",
    );
    let mut session = db.session();
    let long = Duration::from_secs(180);
    wait_until_within(long, "all chunks are cold", || {
        let failed = "SELECT string_agg(chunk || ': ' || last_error, ' ') FROM strata.cold_exports WHERE state = 'failed'";
        assert_eq!(one(&mut session, failed), "", "an export failed");
        one(&mut session, "SELECT count(*) FROM strata.cold_files") == queued
    });
    if layout == Layout::Late {
        let late = tables.iter().map(|(name, _, _)| {
            format!("INSERT INTO {name} SELECT * FROM late_{name}; DROP TABLE late_{name};\n")
        });
        db.run(&late.collect::<String>());
    }
}

/// A database with all tables in one layout.
fn made<'a>(name: &'a str, layout: Layout) -> Db<'a> {
    let db = Db::empty(server(), name);
    load(&db);
    match layout {
        Layout::Heap => (),
        Layout::Turned | Layout::Mixed => turn(&db, layout),
        Layout::Cold | Layout::Late => freeze(&db, layout),
    }
    db.run("ANALYZE");
    db
}

fn ask(session: &mut Client, sql: &str) -> Answer {
    match session.simple_query(sql) {
        Ok(messages) => Answer::Rows(
            messages
                .iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(
                        (0..row.len())
                            .map(|n| row.get(n).map(str::to_owned))
                            .collect(),
                    ),
                    _ => None,
                })
                .collect(),
        ),
        Err(error) => Answer::Error(match error.as_db_error() {
            Some(known) => format!("{} {}", known.code().code(), known.message()),
            None => error.to_string(),
        }),
    }
}

/// The answers to all questions in one database; what statements make lies in a schema of this pass.
fn pass(db: &Db, name: &str, settings: &str, generic: bool, questions: &[Question]) -> Vec<Answer> {
    let mut session = db.session();
    let mut file = "";
    let mut answers = Vec::new();
    for question in questions {
        if question.file != file {
            file = &question.file;
            exec(&mut session, "ROLLBACK; DEALLOCATE ALL");
            exec(
                &mut session,
                &format!(
                    "{SESSION}; {settings}; DROP SCHEMA IF EXISTS work_{name} CASCADE; CREATE SCHEMA work_{name}; \
                     SET search_path = work_{name}, public"
                ),
            );
        }
        answers.push(match parametrised(&question.sql).filter(|_| generic) {
            Some(prepared) => {
                let answer = ask(&mut session, &prepared);
                // left over when the statement failed
                let _ = session.batch_execute("DEALLOCATE strata_asked");
                answer
            }
            None if generic && question.asks() => Answer::Skipped,
            None => ask(&mut session, &question.sql),
        });
    }
    answers
}

/// Rows do lie in files, and late rows beside them.
fn check_layout(db: &Db, late: bool) {
    let found = db.one(
        "SELECT concat_ws(' ', count(*) > 100, sum(rows) > 10000, count(*) FILTER (WHERE late_rows > 0) > 60,
             sum(late_rows) > 4000, count(DISTINCT hypertable) > 75) FROM strata.cold_files",
    );
    assert_eq!(found, if late { "f t t t t" } else { "t t f f t" });
}

/// What differs, and how many answers were compared how.
struct Report {
    differences: Vec<String>,
    compared: [usize; 4],
}

fn compare(what: &str, all: &[Question], heaps: &[Vec<Answer>], cold: &[Answer]) -> Report {
    let mut report = Report {
        differences: Vec::new(),
        compared: [0; 4],
    };
    for (n, question) in all.iter().enumerate() {
        let mut left_out = LEFT_OUT.iter();
        if left_out.any(|(file, part, _)| question.file == *file && question.sql.contains(part)) {
            continue;
        }
        let heaps: Vec<&Answer> = heaps.iter().map(|answers| &answers[n]).collect();
        let mut ties = TIES.iter();
        let ties = ties.any(|(file, part)| question.file == *file && question.sql.contains(part));
        let ordered = has_order(&question.sql) && !ties;
        match judge(ordered, &heaps, &cold[n]) {
            Ok(verdict) if question.asks() => report.compared[verdict as usize] += 1,
            Ok(_) => (),
            Err(difference) => report.differences.push(format!(
                "{what}, {}: {}\n  {difference}",
                question.file, question.sql
            )),
        }
    }
    let counts = report.compared;
    println!("{what}: {counts:?} compared in order, as sets, in part, not");
    report
}

/// All questions as they stand, and with parameters.
fn both(db: &Db, name: &str, all: &[Question]) -> [Vec<Answer>; 2] {
    [
        pass(db, name, "SET plan_cache_mode = auto", false, all),
        pass(
            db,
            name,
            "SET plan_cache_mode = force_generic_plan",
            true,
            all,
        ),
    ]
}

#[test]
fn regression_tests_of_postgresql_have_the_same_answers_on_files() {
    let all = &all_questions();
    let reports = std::thread::scope(|scope| {
        let heaps = scope.spawn(|| {
            let layouts = [
                ("core_heap", Layout::Heap),
                ("core_turned", Layout::Turned),
                ("core_mixed", Layout::Mixed),
            ];
            let answers = layouts.map(|(name, layout)| both(&made(name, layout), name, all));
            let [plain, generic]: [Vec<_>; 2] =
                [0, 1].map(|n| answers.iter().map(|both| both[n].clone()).collect());
            (plain, generic)
        });
        let late = scope.spawn(|| {
            let db = made("core_late", Layout::Late);
            check_layout(&db, true);
            pass(&db, "late", "", false, all)
        });
        let db = made("core_cold", Layout::Cold);
        check_layout(&db, false);
        let fetched = scope.spawn(|| {
            let cluster = server();
            let name = "core_cold";
            pass(
                &Db { cluster, name },
                "fetched",
                "SET strata.cold_pushdown = off",
                false,
                all,
            )
        });
        let [cold, parametrised] = both(&db, "cold", all);
        let (plain, generic) = heaps.join().unwrap();
        [
            compare("cold", all, &plain, &cold),
            compare("without pushdown", all, &plain, &fetched.join().unwrap()),
            compare("with late rows", all, &plain, &late.join().unwrap()),
            compare("generic plans", all, &generic, &parametrised),
        ]
    });
    let differences = reports.iter().flat_map(|report| &report.differences);
    let differences: Vec<&str> = differences.map(String::as_str).collect();
    let shown = &differences[..differences.len().min(60)];
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        shown.join("\n")
    );
    if std::env::var("STRATA_CORE_FILE").is_ok() {
        return;
    }
    // the comparison must mean something
    for (report, least) in reports.iter().zip([1800, 1800, 1800, 300]) {
        let [ordered, sets, ..] = report.compared;
        assert!(
            ordered + sets >= least,
            "only {ordered} + {sets} answers were compared whole"
        );
    }
}
