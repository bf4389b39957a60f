//! README.md keeps its word: its SQL runs, and it names everything that users can call or set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Cluster;
use std::path::Path;

/// Blocks of SQL that README has at least; fewer means that the search for them is broken.
const BLOCKS: usize = 6;

const CALLABLE: &str = "
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'strata'::regnamespace AND p.proname NOT LIKE '\\_%'
UNION SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'strata'::regnamespace AND c.relkind = 'v'
ORDER BY 1";

const COLUMNS: &str = "
SELECT DISTINCT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'strata'::regnamespace AND c.relkind = 'v' AND a.attnum > 0 ORDER BY 1";

// strata.inject exists only in builds for tests
const SETTINGS: &str = "
SELECT name FROM pg_settings WHERE name LIKE 'strata.%' AND name <> 'strata.inject' ORDER BY 1";

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("README.md")
}

/// The SQL blocks with the line each begins in.
fn sql_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim_end() == "```sql" => open = Some((number + 2, String::new())),
            None => {}
            Some(_) if line.starts_with("```") => blocks.extend(open.take()),
            Some((_, sql)) => {
                sql.push_str(line);
                sql.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block of SQL is not closed");
    blocks
}

#[test]
fn every_sql_block_runs_in_order() {
    let text = readme();
    let blocks = sql_blocks(&text);
    assert_eq!(
        blocks.len(),
        text.matches("```sql").count(),
        "a block of SQL was not recognized"
    );
    assert!(blocks.len() >= BLOCKS, "only {} blocks", blocks.len());
    let cluster = Cluster::builder().preload(true).start();
    for (line, sql) in blocks {
        if let Err(error) = cluster.try_psql("postgres", &sql) {
            panic!("README.md, block of SQL at line {line}:\n{error}\nin:\n{sql}");
        }
    }
    let found = cluster.psql(
        "postgres",
        "SELECT count(*) FROM readings WHERE at >= '2024-02-01 00:00+00'",
    );
    assert_eq!(found, (3 * 24 * (29 + 31 + 30) + 1).to_string());
}

#[test]
fn everything_is_mentioned() {
    let text = readme();
    let cluster = Cluster::builder().preload(true).start();
    cluster.psql("postgres", "CREATE EXTENSION pg_strata");
    for (query, least) in [(CALLABLE, 20), (COLUMNS, 30), (SETTINGS, 7)] {
        let names = cluster.psql("postgres", query);
        assert!(names.lines().count() >= least, "found only: {names}");
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let missing: Vec<&str> = names
            .lines()
            .filter(|name| {
                !text.split(|c| !is_word(c)).any(|word| {
                    word.trim_matches('.').trim_start_matches("strata.")
                        == name.trim_start_matches("strata.")
                })
            })
            .collect();
        assert!(missing.is_empty(), "README.md does not mention {missing:?}");
    }
}
