//! Bringing a chunk back: the file's rows into a new heap, in one transaction of the caller.

use crate::cold::catalog::{self, jobs};
use crate::cold::content::ContentHash;
use crate::cold::manifest::{ChunkState, Manifest};
use crate::error::{Error, Kind, Result};
use crate::pg::cold_untier::SecondHeap;
use crate::pg::{self, bgworker, cold_move, cold_state, guc, inject, subxact};
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Moves the rows of a cold chunk back into its heap; the file is queued for deletion. Returns their number.
///
/// The chunk is read and takes late rows meanwhile: ShareUpdateExclusiveLock while the rows are copied and
/// indexed, then AccessExclusiveLock, to the end of the transaction. 55000 when the chunk is not cold, XX001 when
/// the file does not hold what was written, 55P03 when others keep the chunk locked; then nothing has changed.
pub fn untier(chunk: pg_sys::Oid) -> Result<i64> {
    pg::catalog::check_owner(chunk)?;
    pg::catalog::lock_relation(chunk, pg_sys::ShareUpdateExclusiveLock as i32);
    let name = pg::catalog::relation_name(chunk)?;
    cold_move::check_not_in_use(chunk);
    let ChunkState::Cold(manifest) = catalog::state_of(chunk)? else {
        return Err(
            Error::new(Kind::NotInState, format!("chunk \"{name}\" is not cold"))
                .hint("SELECT chunk FROM strata.cold_files; lists the cold chunks."),
        );
    };
    // a fresh look at the file: what is open may be an old object under the same name
    pg::cold_reader::close_all();
    let mut heap = SecondHeap::make(chunk);
    let written = heap.fill(&manifest)?;
    check_rows(chunk, &manifest, written)?;
    inject::point("cold.untier.copied");
    heap.build_indexes()?;
    inject::point("cold.untier.indexed");
    lock_for_exchange(chunk, &name)?;
    cold_move::check_not_in_use(chunk);
    // late rows come until now
    let late = match cold_move::heap_blocks(chunk) {
        0 => ContentHash::default(),
        _ => heap.add_stub()?,
    };
    inject::point("cold.untier.exchanging");
    heap.take_over()?;
    catalog::forget_file(chunk, "untiered")?;
    // or a merge that is queued or under way would find a hot chunk, and tier it
    jobs::withdraw(chunk)?;
    cold_state::invalidate(chunk);
    pg::catalog::command_counter_increment();
    inject::point("cold.untier.done");
    Ok(written.rows + late.rows)
}

/// AccessExclusiveLock in short attempts: who comes meanwhile waits for one of them at most.
fn lock_for_exchange(chunk: pg_sys::Oid, name: &str) -> Result<()> {
    let patience = guc::cold_max_wait();
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(50);
    loop {
        let got = subxact::attempt(|| {
            cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
            Ok(())
        });
        let caught = match got {
            Ok(done) => return done,
            Err(caught) => caught,
        };
        if caught.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
            caught.raise().report(PgLogLevel::ERROR);
            return Err(Error::internal("an error did not end the statement"));
        }
        if Instant::now() >= deadline {
            return Err(Error::new(
                Kind::LockNotAvailable,
                format!(
                    "could not lock cold chunk \"{name}\" within {} s",
                    patience.as_secs()
                ),
            )
            .hint("Its rows are still in its file. strata.cold_max_wait says how long to wait."));
        }
        bgworker::pause(pause);
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Count and hash of what the file gave against what was exported.
fn check_rows(chunk: pg_sys::Oid, manifest: &Rc<Manifest>, written: ContentHash) -> Result<()> {
    let damaged = |what: &str| {
        Error::new(
            Kind::DataCorrupted,
            format!(
                "file \"{}\" of cold chunk \"{}\" {what}",
                manifest.key, manifest.chunk_name
            ),
        )
    };
    if written.rows != manifest.rows {
        return Err(damaged(&format!(
            "holds {} rows instead of {}",
            written.rows, manifest.rows
        )));
    }
    // the hash was taken over the columns of then
    let same = catalog::spec::has_columns_of(chunk, manifest)?;
    if same && written.text() != manifest.content_hash {
        return Err(damaged("does not hold the rows that were written to it"));
    }
    Ok(())
}
