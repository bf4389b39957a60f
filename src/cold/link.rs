//! Links for people: one file, for a while, without credentials.

use crate::cold::catalog::inspect as rows;
use crate::cold::servers;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog;
use std::time::Duration;

/// What S3 takes at most.
const LONGEST_S: i64 = 7 * 86_400;

/// A link to a live file. Never part of an error or a log line: whoever has it can read all rows.
///
/// 42704 no such file, 42501 not the owner of its hypertable, 22023 a time that no store takes.
pub fn url(file: &str, valid_for_s: i64) -> Result<String> {
    if !(1..=LONGEST_S).contains(&valid_for_s) {
        return Err(Error::new(
            Kind::InvalidParameter,
            "valid_for must be between 1 second and 7 days",
        ));
    }
    let Some(found) = rows::file(file)? else {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("cold file {file} does not exist"),
        )
        .hint("SELECT file, key FROM strata.cold_files; lists the files."));
    };
    catalog::check_owner(found.hypertable)?;
    let store = servers::store_for(&found.server, found.hypertable)?;
    store
        .url(&found.key, Duration::from_secs(valid_for_s.unsigned_abs()))
        .map_err(|e| e.at(&found.key))
}
