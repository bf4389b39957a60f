//! Late rows and their file made into a new file, one generation later.
//!
//! It is the exporter's machine, started from a cold chunk: the build reads file and stub, the chunk stays cold
//! all the time, and the swap replaces one live file by the next. What is here is what differs.

use crate::cold::catalog::{jobs, merge};
use crate::cold::content::ContentHash;
use crate::cold::export::lock_to_read;
use crate::cold::file::ColumnSpec;
use crate::cold::manifest::Manifest;
use crate::error::{Error, Kind, Result};
use crate::pg::{cold_move, cold_stub};
use pgrx::pg_sys;

/// Late rows are merged when there are more than this of a hundred rows of the file.
const PERCENT: i64 = 1;

/// Cold chunks of a hypertable whose late rows are many, or have been there for more than a day.
pub fn due(hypertable: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>> {
    let mut due = Vec::new();
    for found in merge::with_stub(hypertable)? {
        let late = late_rows(&found);
        if late == 0 {
            continue;
        }
        if found.is_new {
            merge::seen(found.chunk)?;
        }
        if is_due(late, found.rows, found.is_old) {
            due.push(found.chunk);
        }
    }
    Ok(due)
}

/// True when a run of the policy would find something: to merge, or late rows to remember from now on.
pub fn needed(hypertable: pg_sys::Oid) -> Result<bool> {
    let found = merge::with_stub(hypertable)?;
    Ok(found.iter().any(|f| {
        let late = late_rows(f);
        late > 0 && (f.is_new || is_due(late, f.rows, f.is_old))
    }))
}

/// Number of late rows; none in a chunk that somebody has locked, for whose sake no policy waits: it is asked
/// again at the next run.
fn late_rows(chunk: &merge::WithStub) -> i64 {
    cold_stub::count_in_passing(chunk.chunk).unwrap_or(0)
}

fn is_due(late: i64, rows: i64, is_old: bool) -> bool {
    late > 0 && (is_old || late > rows.saturating_mul(PERCENT) / 100)
}

/// XX001 when the file that a merge reads does not hold what was written to it: the new file would hand the damage on.
pub(super) fn check_source(
    manifest: &Manifest,
    columns: &[ColumnSpec],
    found: ContentHash,
) -> Result<()> {
    let damaged = |what: String| {
        Err(Error::new(
            Kind::DataCorrupted,
            format!(
                "file \"{}\" of cold chunk \"{}\" {what}",
                manifest.key, manifest.chunk_name
            ),
        ))
    };
    if found.rows != manifest.rows {
        return damaged(format!(
            "holds {} rows instead of {}",
            found.rows, manifest.rows
        ));
    }
    // the hash was taken over the columns of then
    let written = |c: &ColumnSpec| {
        manifest
            .column(c.attnum)
            .is_some_and(|m| m.physical.is_some())
    };
    let same = columns.len() == manifest.columns.len() && columns.iter().all(written);
    if same && found.text() != manifest.content_hash {
        return damaged(String::from(
            "does not hold the rows that were written to it",
        ));
    }
    Ok(())
}

/// Begins an attempt and gives its number; `None` when there is nothing to merge. The chunk must be locked
/// exclusively.
pub(super) fn freeze(chunk: pg_sys::Oid) -> Result<Option<i64>> {
    if cold_move::heap_blocks(chunk) == 0 {
        return Ok(None);
    }
    merge::freeze(chunk)
}

/// Ends all attempts; false when there was none.
pub(super) fn thaw(chunk: pg_sys::Oid) -> Result<bool> {
    let had = merge::thaw(chunk)?;
    if had {
        jobs::forget_marks(chunk)?;
    }
    Ok(had)
}

/// True when a cold chunk has something in its own heap. Takes AccessShareLock.
pub(super) fn has_late_rows(chunk: pg_sys::Oid) -> Result<bool> {
    lock_to_read(chunk)?;
    Ok(cold_move::heap_blocks(chunk) > 0)
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn many_or_old_late_rows_are_due() {
        assert!(!is_due(0, 0, true));
        assert!(is_due(1, 0, false));
        assert!(!is_due(10, 1000, false));
        assert!(is_due(11, 1000, false));
        assert!(is_due(1, 1_000_000, true));
        assert!(!is_due(1, i64::MAX, false));
    }
}
