//! Merging late rows of a cold chunk into a new file: marks, and the change from one file to the next.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

// no writer is left when the chunk is locked exclusively: marks of earlier attempts mean nothing
const FREEZE: &str = "WITH swept AS (DELETE FROM strata.cold_touch WHERE chunk = $1::oid) \
    INSERT INTO strata.cold_merge (chunk, attempt) \
    SELECT $1::oid, f.attempt + 1 FROM strata.cold_file f WHERE f.chunk = $1 AND f.state = 'live' \
    ON CONFLICT (chunk) DO UPDATE SET attempt = strata.cold_merge.attempt + 1 RETURNING attempt";
const THAW: &str = "DELETE FROM strata.cold_merge WHERE chunk = $1::oid";
const UNDER_WAY: &str = "SELECT EXISTS (SELECT FROM strata.cold_merge g JOIN strata.cold_file f ON f.chunk::oid = g.chunk \
    WHERE g.chunk = $1::oid AND g.attempt = $2 AND f.id = $3::uuid AND f.state = 'live')";
const FREEZE_AGAIN: &str = "INSERT INTO strata.cold_file (id, hypertable, chunk, chunk_oid, generation, state, attempt) \
    VALUES (gen_random_uuid(), $1, $2, $2::oid, 0, 'frozen', $3)";
const WITH_LATE_ROWS: &str = "SELECT f.chunk::oid, f.rows, f.late_since IS NULL, \
    coalesce(f.late_since < now() - interval '1 day', false) FROM strata.cold_file f \
    WHERE f.hypertable = $1 AND f.state = 'live' ORDER BY f.range_start";
const SEEN: &str =
    "UPDATE strata.cold_file SET late_since = now() WHERE chunk = $1 AND late_since IS NULL";

/// Begins an attempt; `None` when the chunk is not cold. The chunk must be locked exclusively.
pub fn freeze(chunk: pg_sys::Oid) -> Result<Option<i64>> {
    as_extension_owner(|| spi::write_one(FREEZE, &[chunk.into()], |row| row.need(1)))
}

/// Ends all attempts; false when there was none.
pub fn thaw(chunk: pg_sys::Oid) -> Result<bool> {
    as_extension_owner(|| spi::execute(THAW, &[chunk.into()])).map(|n| n > 0)
}

/// Takes the file away that the merge began with, and queues it, so that the chunk is frozen as in a first export.
/// False when the attempt is not the current one any more; then nothing has changed.
pub fn retire(
    hypertable: pg_sys::Oid,
    chunk: pg_sys::Oid,
    file: &str,
    attempt: i64,
) -> Result<bool> {
    as_extension_owner(|| {
        let args = [chunk.into(), attempt.into(), file.into()];
        let mine = spi::read_latest(UNDER_WAY, &args, |row| row.need::<bool>(1))?;
        if mine.first() != Some(&true) {
            return Ok(false);
        }
        super::forget_file(chunk, "merged")?;
        spi::execute(
            FREEZE_AGAIN,
            &[hypertable.into(), chunk.into(), attempt.into()],
        )?;
        Ok(true)
    })
}

/// A cold chunk.
pub struct WithStub {
    pub chunk: pg_sys::Oid,
    pub rows: i64,
    /// nobody has noticed the late rows before
    pub is_new: bool,
    /// they were noticed more than a day ago
    pub is_old: bool,
}

/// Cold chunks of a hypertable, which may have late rows. Takes no locks: a size would need one on each.
pub fn with_stub(hypertable: pg_sys::Oid) -> Result<Vec<WithStub>> {
    as_extension_owner(|| {
        spi::read_latest(WITH_LATE_ROWS, &[hypertable.into()], |row| {
            Ok(WithStub {
                chunk: row.need(1)?,
                rows: row.need(2)?,
                is_new: row.need(3)?,
                is_old: row.need(4)?,
            })
        })
    })
}

/// From now on the late rows of this chunk grow old.
pub fn seen(chunk: pg_sys::Oid) -> Result<()> {
    as_extension_owner(|| spi::execute(SEEN, &[chunk.into()])).map(|_| ())
}
