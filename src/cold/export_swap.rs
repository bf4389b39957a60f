//! The exporter's last step: the file takes the place of the heap, or of the file before it, in one transaction.

use super::export::{Attempt, Attempted};
use super::export_file::{SERVER, Uploaded, WRITERS, altered};
use super::export_freeze::Frozen;
use crate::cold::catalog::{self, LiveFile, jobs, uploads};
use crate::cold::check::check_chunk;
use crate::cold::file::Built;
use crate::error::{Error, Kind, Result};
use crate::hypertable::{self, ChunkInfo};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, cold_move, cold_state, guc, inject};
use pgrx::{PgSqlErrorCode, pg_sys};
use std::time::{Duration, Instant};

impl Attempt<'_> {
    /// Step 6. Short attempts, as for the freeze: a file that was built, stored and verified is not thrown away
    /// because somebody reads the chunk just now. It is when somebody has written.
    pub(super) fn swap(
        &self,
        frozen: &Frozen,
        built: &Built,
        uploaded: &Uploaded,
    ) -> Attempted<()> {
        let deadline = Instant::now() + guc::cold_max_wait();
        loop {
            let out = try_swap(self.job.chunk, frozen, built, uploaded);
            self.note_lock_holders(&out)?;
            match out {
                Err(e) if is_locked(&e) && Instant::now() < deadline => {}
                other => return other?.map_or(Ok(()), |why| Err(altered(why))),
            }
            self.wait_for_lock(frozen, deadline)?;
        }
    }

    /// Waits until the lock of the swap can be had, in transactions that write nothing.
    fn wait_for_lock(&self, frozen: &Frozen, deadline: Instant) -> Attempted<()> {
        let chunk = self.job.chunk;
        let mut pause = Duration::from_millis(50);
        loop {
            bgworker::pause(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
            if bgworker::transaction(|| jobs::touched(chunk, frozen.attempt))? {
                return Err(altered(WRITERS));
            }
            let got = bgworker::transaction(|| {
                cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
                Ok(())
            });
            self.note_lock_holders(&got)?;
            match got {
                Err(e) if is_locked(&e) && Instant::now() < deadline => {}
                other => return Ok(other?),
            }
        }
    }
}

fn is_locked(e: &Caught) -> bool {
    e.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
}

/// The commit is the single point: before it the heap is the truth, after it the file. Tells what has changed
/// since the freeze, if anything has; then nothing was done.
fn try_swap(
    chunk: pg_sys::Oid,
    frozen: &Frozen,
    built: &Built,
    uploaded: &Uploaded,
) -> std::result::Result<Option<&'static str>, Caught> {
    let m = &uploaded.manifest;
    bgworker::transaction(|| {
        crate::pg::owner::set_local("synchronous_commit", "on");
        // a DROP or ALTER SERVER that comes later sees the new file
        if !frozen.place_is_same()? {
            return Ok(Some(SERVER));
        }
        // before the lock: a large filter takes its time
        catalog::bloom::add(&m.file, built)?;
        cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
        if may_swap(chunk, frozen, uploaded)? && exchange(chunk, frozen, built, uploaded)? {
            inject::point("cold.export.swapping");
            return Ok(None);
        }
        // nothing else has changed
        catalog::bloom::remove(&m.file)?;
        Ok(Some(WRITERS))
    })
}

/// False when somebody wrote to the chunk, or altered it, since the file was written.
fn may_swap(chunk: pg_sys::Oid, frozen: &Frozen, uploaded: &Uploaded) -> Result<bool> {
    let rewritten = cold_move::OpenRelation::locked(chunk).file_number() != frozen.file_number;
    if rewritten || jobs::touched(chunk, frozen.attempt)? {
        return Ok(false);
    }
    // ALTER TABLE leaves no mark when it touches no row
    let info = check_chunk(chunk)?;
    let range = |i: &ChunkInfo| (i.range_start.clone(), i.range_end.clone());
    Ok(info.hypertable == frozen.info.hypertable
        && range(&info) == range(&frozen.info)
        && uploaded.content.fits(chunk)?)
}

/// The file takes the place of the heap, and of the file before it. False when the mark of the attempt is gone;
/// then nothing has changed.
fn exchange(
    chunk: pg_sys::Oid,
    frozen: &Frozen,
    built: &Built,
    uploaded: &Uploaded,
) -> Result<bool> {
    let m = &uploaded.manifest;
    let live = LiveFile {
        chunk,
        attempt: frozen.attempt,
        generation: uploaded.generation,
        sha256: &built.sha256,
        range: (&frozen.info.range_start, &frozen.info.range_end),
        owner_token: &uploaded.token,
        columns: &uploaded.content.columns,
        built,
        indexes: &uploaded.content.indexes,
    };
    let hypertable = frozen.info.hypertable;
    if let Some(old) = &frozen.old
        && !catalog::merge::retire(hypertable, chunk, &old.file, frozen.attempt)?
    {
        return Ok(false);
    }
    // first the mark, then the rows
    if !catalog::set_live(m, &live)? {
        if frozen.old.is_some() {
            return Err(Error::internal("the mark of a merge is gone"));
        }
        return Ok(false);
    }
    // the collection of garbage takes an intent before it touches the object
    if !uploads::used(&m.key, &m.server)? {
        return Err(Error::new(
            Kind::NotInState,
            format!(
                "the upload of \"{}\" took too long: its intent has expired",
                m.key
            ),
        ));
    }
    if frozen.setting.late_rows != "reject" {
        // they go past the range of a closed chunk, and nobody may be there to open it for them
        hypertable::open_chunk(hypertable, chunk)?;
    }
    jobs::forget_marks(chunk)?;
    cold_move::empty(chunk, m.rows)?;
    cold_move::rebuild_indexes(chunk);
    cold_state::invalidate(chunk);
    Ok(true)
}
