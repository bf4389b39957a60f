//! Runs tests/isolation with PostgreSQL's own isolation tester, preloaded and not.
//!
//! `UPDATE_EXPECTED=1 cargo isolation` writes what came out into tests/isolation/expected: read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Suite;

const SUITE: Suite = Suite {
    program: "isolation/pg_isolation_regress",
    folder: "tests/isolation",
    sources: ("specs", "spec"),
};

#[test]
fn without_preload() {
    SUITE.run(false);
}

#[test]
fn preloaded() {
    SUITE.run(true);
}
