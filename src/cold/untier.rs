//! Bringing a chunk back: the file's rows into a new heap, in the caller's transaction.

use crate::cold::catalog;
use crate::cold::content::ContentHash;
use crate::cold::manifest::{ChunkState, Manifest};
use crate::error::{Error, Kind, Result};
use crate::pg::{self, cold_copy, cold_move, cold_state, inject};
use pgrx::pg_sys;
use std::rc::Rc;

/// Moves the rows of a cold chunk back into its heap; the file is queued for deletion.
///
/// Takes AccessExclusiveLock on the chunk, to the end of the transaction. 55000 when the chunk is
/// not cold, XX001 when the file does not hold what was written; then nothing has changed.
pub fn untier(chunk: pg_sys::Oid) -> Result<i64> {
    pg::catalog::check_owner(chunk)?;
    pg::catalog::lock_relation(chunk, pg_sys::AccessExclusiveLock as i32);
    let name = pg::catalog::relation_name(chunk)?;
    cold_move::check_not_in_use(chunk);
    let ChunkState::Cold(manifest) = catalog::state_of(chunk)? else {
        return Err(
            Error::new(Kind::NotInState, format!("chunk \"{name}\" is not cold"))
                .hint("SELECT chunk FROM strata.cold_files; lists the cold chunks."),
        );
    };
    if cold_move::heap_blocks(chunk) != 0 {
        return Err(Error::new(
            Kind::NotInState,
            format!("cold chunk \"{name}\" has rows outside of its file"),
        ));
    }
    // a fresh look at the file: what is open may be an old object under the same name
    pg::cold_reader::close_all();
    cold_move::empty(chunk, manifest.rows)?;
    let written = cold_copy::file_to_heap(chunk, &manifest)?;
    inject::point("cold.untier.copied");
    pg::catalog::command_counter_increment();
    check_rows(chunk, &manifest, written)?;
    catalog::forget_file(chunk, "untiered")?;
    cold_move::set_access_method(chunk, false)?;
    cold_state::invalidate(chunk);
    cold_move::rebuild_indexes(chunk);
    inject::point("cold.untier.done");
    Ok(written.rows)
}

/// Count and hash of the new heap against what was exported.
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
    let columns = catalog::spec::columns(chunk)?;
    let same = columns.len() == manifest.columns.len()
        && columns.iter().all(|c| {
            manifest
                .column(c.attnum)
                .is_some_and(|m| m.physical.is_some())
        });
    if same && written.text() != manifest.content_hash {
        return Err(damaged("does not hold the rows that were written to it"));
    }
    // any column with an order will do, for the hash does not depend on it; a chunk that was detached
    // since has no partition column
    let key = columns
        .iter()
        .find(|c| c.encoding.order_exact(false))
        .map_or(1, |c| c.attnum);
    if cold_copy::hash_heap(chunk, key)? != written {
        return Err(Error::internal(
            "the heap does not hold the rows that were just written to it",
        ));
    }
    Ok(())
}
