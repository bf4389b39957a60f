//! Words of TimescaleDB that mean nothing here, and what to do instead.

use crate::error::{Error, Kind};

/// What takes the place of a columnstore.
pub const TIERING: &str = "CALL strata.tier_chunks('table', older_than => INTERVAL '30 days') moves old chunks into compressed files";

fn columnstore(what: &str) -> Error {
    Error::new(
        Kind::NotSupported,
        format!("{what} is not supported: rows of chunks are not compressed where they lie"),
    )
    .hint(TIERING)
}

fn continuous(what: &str) -> Error {
    Error::new(
        Kind::NotSupported,
        format!("{what} is not supported yet: continuous aggregates are planned"),
    )
    .hint("a materialized view with time_bucket, and strata.add_job that refreshes it, does the same more slowly")
}

/// The error of a function of that name, which is there for scripts that call it.
#[must_use]
pub fn refusal(function: &str) -> Error {
    match function.contains("continuous_aggregate") {
        true => continuous(function),
        false => columnstore(function),
    }
}
