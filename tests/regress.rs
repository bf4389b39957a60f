//! Runs tests/regress with PostgreSQL's own pg_regress, preloaded and not.
//!
//! `UPDATE_EXPECTED=1 cargo regress` writes what came out into tests/regress/expected: read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Suite;

const SUITE: Suite = Suite {
    program: "regress/pg_regress",
    folder: "tests/regress",
    sources: ("sql", "sql"),
};

#[test]
fn without_preload() {
    SUITE.run(false);
}

#[test]
fn preloaded() {
    SUITE.run(true);
}
