//! The same random writes into a hypertable without chunks and into a native table with all its partitions:
//! the same rows, counts, errors and trigger calls.
//!
//! STRATA_FUZZ_SEED repeats a run, STRATA_FUZZ_TABLES makes it longer.

use super::copy_cases::{SERVER, copy_in};
use super::differential_shape::Shape;
use crate::common::{PgConfig, Random, exec, number, rows};
use postgres::{Client, SimpleQueryMessage};

/// One statement of a client.
pub enum Step {
    Sql(String),
    Copy(String, String),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Sql(sql) => write!(f, "{sql};"),
            Step::Copy(sql, data) => write!(f, "{sql};\n{data}\\."),
        }
    }
}

/// What a client sees of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done(String),
    Failed(String, String),
}

impl Outcome {
    /// Errors are compared in full where the order of rows is the same; a duplicate key is found when rows
    /// are written out, and the order of an UPDATE is that of its plan.
    /// Where the transaction makes its own chunks, COPY reads all lines before it stores the first.
    fn agrees(&self, other: &Outcome, step: &Step, own: bool) -> bool {
        let (Outcome::Failed(a, ours), Outcome::Failed(b, native)) = (self, other) else {
            return self == other;
        };
        let (copy, any_order) = match step {
            Step::Copy(..) => (true, false),
            Step::Sql(sql) => (false, !sql.starts_with("INSERT")),
        };
        let late = |code: &str| code == "23505" || code == "23503";
        any_order
            || (copy && own)
            || (copy && (late(a) || late(b)))
            || (late(a) && a == b)
            || ours == native
    }
}

/// Names of chunks and partitions all begin with `t_h`.
fn without_leaf_names(text: &str) -> String {
    let text = text.replace("strata_chunks.", "").replace("public.", "");
    let mut parts = text.split("t_h");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        out.push_str("LEAF");
        out.push_str(part.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
    }
    out
}

fn run(session: &mut Client, step: &Step) -> Outcome {
    match step {
        Step::Copy(sql, data) => match copy_in(session, sql, data.as_bytes()) {
            Ok(n) => Outcome::Done(n.to_string()),
            Err(error) => Outcome::Failed(error[..5].to_string(), without_leaf_names(&error)),
        },
        Step::Sql(sql) => match session.simple_query(sql) {
            Ok(messages) => {
                let mut lines: Vec<String> = messages
                    .iter()
                    .filter_map(|message| match message {
                        SimpleQueryMessage::Row(row) => Some(without_leaf_names(
                            &(0..row.len())
                                .map(|i| row.get(i).unwrap_or("NULL"))
                                .collect::<Vec<_>>()
                                .join("|"),
                        )),
                        SimpleQueryMessage::CommandComplete(n) => Some(format!("done: {n}")),
                        _ => None,
                    })
                    .collect();
                lines.sort();
                Outcome::Done(lines.join("\n"))
            }
            Err(error) => {
                let Some(db) = error.as_db_error() else {
                    panic!("the connection broke: {error:?}\nin: {sql}");
                };
                let text = format!(
                    "{} | {} | {} | {}",
                    db.message(),
                    db.detail().unwrap_or_default(),
                    db.where_().unwrap_or_default(),
                    db.column().unwrap_or_default(),
                );
                Outcome::Failed(db.code().code().to_string(), without_leaf_names(&text))
            }
        },
    }
}

/// Everything that the writes left.
fn contents(session: &mut Client) -> String {
    rows(
        session,
        "SELECT t::text FROM t UNION ALL SELECT 'log ' || what FROM log ORDER BY 1",
    )
}

/// How many rows lie in a leaf whose bounds do not allow them.
const MISPLACED: &str = "
CREATE OR REPLACE FUNCTION misplaced() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE leaf regclass; n bigint; total bigint := 0; BEGIN
  FOR leaf IN SELECT relid FROM pg_partition_tree('t') WHERE isleaf LOOP
    EXECUTE format('SELECT count(*) FROM %s WHERE NOT (%s)', leaf, pg_get_partition_constraintdef(leaf)) INTO n;
    total := total + n;
  END LOOP;
  RETURN total; END $$";

fn one_table(random: &mut Random, sessions: &mut [Client; 2], seed: u64) {
    let shape = Shape::random(random, PgConfig::get().major);
    let [ours, native] = sessions;
    for session in [&mut *ours, &mut *native] {
        // MERGE numbers new rows in the order of its join, which is another one when one of the two tables has just
        // been analyzed: so it has but one way to join
        exec(
            session,
            "SET client_min_messages = warning; SET enable_hashjoin = off; SET enable_mergejoin = off; \
             DROP SCHEMA public CASCADE; CREATE SCHEMA public",
        );
        exec(session, &shape.table());
    }
    exec(ours, &shape.hypertable());
    exec(native, &shape.partitions());
    for session in [&mut *ours, &mut *native] {
        exec(session, &shape.after());
        exec(session, MISPLACED);
    }
    let mut history = String::new();
    let mut last = 0;
    // after a failure sequences may have gone on differently
    let mut align = |sessions: [&mut Client; 2]| {
        last += 1000;
        for session in sessions {
            exec(session, &format!("SELECT setval('t_id_seq', {last})"));
        }
    };
    for _ in 0..25 {
        let mut own = false;
        align([&mut *ours, &mut *native]);
        for step in shape.steps(random) {
            own |= matches!(&step, Step::Sql(sql) if sql.starts_with("LOCK"));
            history.push_str(&format!("{step}\n"));
            let (a, b) = (run(ours, &step), run(native, &step));
            let say = |what: &str| {
                format!(
                    "STRATA_FUZZ_SEED={seed}: {what}\n{}\n{}\n{history}",
                    shape.table(),
                    shape.after()
                )
            };
            assert!(
                a.agrees(&b, &step, own),
                "{}\n{a:#?}\n{b:#?}",
                say("outcome")
            );
            // not inside a transaction that has failed
            if matches!(a, Outcome::Done(_)) {
                let (a, b) = (contents(ours), contents(native));
                assert!(a == b, "{}\nours:\n{a}\nnative:\n{b}", say("contents"));
                if matches!(&step, Step::Sql(sql) if sql.starts_with("ROLLBACK TO")) {
                    align([&mut *ours, &mut *native]);
                }
            }
        }
        let (a, b) = (contents(ours), contents(native));
        assert!(a == b, "{history}\nours:\n{a}\nnative:\n{b}");
    }
    assert_eq!(rows(ours, "SELECT misplaced()"), "0", "{history}");
}

#[test]
fn random_writes_do_what_they_do_on_a_native_table() {
    let (mut random, seed) = Random::seeded();
    let tables = number("STRATA_FUZZ_TABLES").unwrap_or(5);
    for name in ["differential", "differential_native"] {
        SERVER.create_database(name);
    }
    let mut sessions = ["differential", "differential_native"].map(|name| SERVER.client(name));
    exec(&mut sessions[0], "CREATE EXTENSION pg_strata");
    for session in &mut sessions {
        exec(session, "SET timezone = 'UTC'");
    }
    for _ in 0..tables {
        one_table(&mut random, &mut sessions, seed);
    }
}
