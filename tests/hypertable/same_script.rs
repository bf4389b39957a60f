//! A script of statements in many places (cursors, functions, views, rules, CTEs, isolation levels, roles)
//! says the same, word for word, of a native table and of a hypertable whose chunks are all missing.

use super::copy_cases::SERVER;
use crate::common::Db;

const TABLE: &str = "
CREATE TABLE t (k int NOT NULL, id int, v int DEFAULT 5, b text, CONSTRAINT pos CHECK (v > 0)) PARTITION BY RANGE (k);
CREATE UNIQUE INDEX ON t (k, id);";

const NATIVE: &str = "
DO $$ BEGIN FOR n IN 0..159 LOOP
  EXECUTE format('CREATE TABLE t_h_%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', n, n * 10, n * 10 + 10);
END LOOP; END $$";

const OURS: &str = "
CREATE EXTENSION pg_strata;
SELECT FROM strata.create_hypertable('t', strata.by_range('k', 10), create_default_indexes => false);
SELECT FROM strata.alter_hypertable('t', premake => 0);";

/// Everything that psql says, with one name for all leaves.
fn said(database: &str) -> Vec<String> {
    let script = include_str!("same_script.sql");
    let output = SERVER.psql_with(database, &["-At"], script);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("strata_chunks.", "");
    let said = text(&output.stdout) + "\nstandard error:\n" + &text(&output.stderr);
    said.lines()
        .map(|line| {
            let mut parts = line.split("t_h");
            let mut out = parts.next().unwrap_or_default().to_string();
            for part in parts {
                out.push_str("LEAF");
                out.push_str(part.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
            }
            out
        })
        .collect()
}

#[test]
fn a_long_script_says_the_same_as_of_a_native_table() {
    let native = Db::empty(&SERVER, "script_native");
    native.run(&format!("{TABLE}{NATIVE}"));
    let ours = Db::empty(&SERVER, "script_ours");
    ours.run(&format!("{TABLE}{OURS}"));
    let (native, ours) = (said(native.name), said(ours.name));
    for (native, ours) in native.iter().zip(&ours) {
        assert_eq!(ours, native);
    }
    assert_eq!(ours.len(), native.len());
    assert!(native.len() > 250, "{native:#?}");
}
