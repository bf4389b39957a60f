//! Callbacks of `strata_cold` for indexes, rewrites, TRUNCATE and statistics.
#![allow(
    ffi_unwind_calls,
    reason = "heap's callbacks are C and are called inside pg_guard_ffi_boundary"
)]

use super::cold_am::{COLD_BLOCK, is_cold, moving, refuse, relid, state};
use super::cold_heap::{self, heap};
use super::cold_state::{catalog, raise};
use super::{cold_am_write, cold_dump, cold_duplicate, cold_probe_keys, cold_state, cold_stub};
use crate::cold::manifest::{ChunkState, Manifest};
use pgrx::{pg_guard, pg_sys};
use std::rc::Rc;

/// While alive, the relation answers to heap's own routine: heap_getnext checks the pointer.
struct AsHeap {
    rel: pg_sys::Relation,
    saved: *const pg_sys::TableAmRoutine,
}

impl AsHeap {
    fn begin(rel: pg_sys::Relation) -> Self {
        // SAFETY: the relation is open and stays so while the guard lives
        unsafe {
            let saved = (*rel).rd_tableam;
            (*rel).rd_tableam = cold_heap::routine();
            AsHeap { rel, saved }
        }
    }
}

impl Drop for AsHeap {
    fn drop(&mut self) {
        // SAFETY: as in begin
        unsafe { (*self.rel).rd_tableam = self.saved }
    }
}

/// A unique or exclusion index over a cold chunk would see the stub only: it may be built only
/// where the file carries the same key.
fn check_unique_index(
    rel: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
) {
    if moving(rel) {
        return;
    }
    let ChunkState::Cold(manifest) = state(rel) else {
        return;
    };
    // SAFETY: the server passes a valid IndexInfo
    let (unique, exclusion, columns, plain) = unsafe {
        let info = &*info;
        let n = info.ii_NumIndexKeyAttrs as usize;
        (
            info.ii_Unique,
            !info.ii_ExclusionOps.is_null(),
            info.ii_IndexAttrNumbers[..n.min(info.ii_IndexAttrNumbers.len())].to_vec(),
            info.ii_Expressions.is_null() && info.ii_Predicate.is_null(),
        )
    };
    let covered = || {
        // SAFETY: the server passes an open index
        let oid = unsafe { (*index).rd_id };
        plain && manifest.has_key(&columns) && cold_state::key_covers(&manifest.file, oid)
    };
    if exclusion || (unique && !covered()) {
        refuse(rel, "check a new unique or exclusion constraint on {}");
    }
    // of a build by several processes one is enough, and the leader always takes part
    // SAFETY: reads a number of this process
    if unique && unsafe { pg_sys::ParallelWorkerNumber } < 0 {
        check_late_rows(rel, index, &manifest);
    }
}

/// Late rows that came while no index forbade it may have the key of a row of the file.
fn check_late_rows(rel: pg_sys::Relation, index: pg_sys::Relation, manifest: &Rc<Manifest>) {
    if cold_stub::blocks(rel) == 0 {
        return;
    }
    // SAFETY: the server passes open relations, locked against changes of the chunk's storage
    unsafe {
        let mut key =
            cold_probe_keys::key_of(rel, index, manifest).unwrap_or_else(|e| cold_state::raise(e));
        cold_stub::each_row(rel, |slot| {
            match key.find_one(manifest, cold_am_write::row(slot)) {
                Ok(false) => {}
                Ok(true) => cold_duplicate::raise_in_build(rel, index, slot),
                Err(e) => cold_state::raise(e),
            }
        });
    }
}

#[pg_guard]
#[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
pub(super) unsafe extern "C-unwind" fn index_build_range_scan(
    rel: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    allow_sync: bool,
    anyvisible: bool,
    progress: bool,
    start: pg_sys::BlockNumber,
    blocks: pg_sys::BlockNumber,
    callback: pg_sys::IndexBuildCallback,
    callback_state: *mut core::ffi::c_void,
    scan: pg_sys::TableScanDesc,
) -> f64 {
    check_unique_index(rel, index, info);
    let _heap = AsHeap::begin(rel);
    heap!(index_build_range_scan(
        rel,
        index,
        info,
        allow_sync,
        anyvisible,
        progress,
        start,
        blocks,
        callback,
        callback_state,
        scan
    ))
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn index_validate_scan(
    rel: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    snapshot: pg_sys::Snapshot,
    validate: *mut pg_sys::ValidateIndexState,
) {
    check_unique_index(rel, index, info);
    let _heap = AsHeap::begin(rel);
    heap!(index_validate_scan(rel, index, info, snapshot, validate))
}

/// TRUNCATE arrives here when it did not come from our own swap. That of a parallel restore empties what is
/// empty, but for the manifest, which may have been restored before.
pub(super) fn before_new_filenode(rel: pg_sys::Relation) {
    if moving(rel) {
        return;
    }
    if let ChunkState::Cold(manifest) = state(rel)
        && !(manifest.restored && cold_stub::blocks(rel) == 0 && cold_dump::is_restore())
    {
        cold_state::forget(relid(rel), "truncated");
    }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn nontransactional_truncate(rel: pg_sys::Relation) {
    before_new_filenode(rel);
    heap!(relation_nontransactional_truncate(rel))
}

/// VACUUM FULL and CLUSTER compact the stub: late rows, with all that the server knows about who sees them.
#[pg_guard]
#[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
pub(super) unsafe extern "C-unwind" fn copy_for_cluster(
    old: pg_sys::Relation,
    new: pg_sys::Relation,
    index: pg_sys::Relation,
    use_sort: bool,
    oldest_xmin: pg_sys::TransactionId,
    xid_cutoff: *mut pg_sys::TransactionId,
    multi_cutoff: *mut pg_sys::MultiXactId,
    tuples: *mut f64,
    vacuumed: *mut f64,
    recently_dead: *mut f64,
) {
    match state(old) {
        // it would clear the values of added columns, which the manifest has to know then
        ChunkState::Cold(_) if !(catalog().is_current)(relid(old)).unwrap_or_else(|e| raise(e)) => {
            refuse(old, "rewrite {}")
        }
        ChunkState::Cold(manifest) => {
            if let Some(attempt) = manifest.merging {
                cold_state::touch(relid(old), attempt);
            }
        }
        ChunkState::Frozen { attempt, .. } => cold_state::touch(relid(old), attempt),
        ChunkState::Plain => {}
    }
    let _old = AsHeap::begin(old);
    let _new = AsHeap::begin(new);
    heap!(relation_copy_for_cluster(
        old,
        new,
        index,
        use_sort,
        oldest_xmin,
        xid_cutoff,
        multi_cutoff,
        tuples,
        vacuumed,
        recently_dead
    ))
}

/// Copies all rows of the stub that anybody may still see into a plain heap, with their transaction ids.
pub(super) fn copy_stub(stub: pg_sys::Relation, heap: pg_sys::Relation) {
    let _heap = AsHeap::begin(stub);
    let (mut tuples, mut vacuumed, mut dead) = (0.0, 0.0, 0.0);
    // SAFETY: both relations are open; nothing is frozen beyond what is so already
    let (oldest, mut xid, mut multi) = unsafe {
        let class = (*stub).rd_rel;
        (
            pg_sys::GetOldestNonRemovableTransactionId(stub),
            (*class).relfrozenxid,
            (*class).relminmxid,
        )
    };
    heap!(relation_copy_for_cluster(
        stub,
        heap,
        std::ptr::null_mut(),
        false,
        oldest,
        &mut xid,
        &mut multi,
        &mut tuples,
        &mut vacuumed,
        &mut dead
    ));
}

/// The TOAST table stays plain heap: with our own method VACUUM FULL fails over its dependency.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn toast_am(_rel: pg_sys::Relation) -> pg_sys::Oid {
    pg_sys::HEAP_TABLE_AM_OID
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn estimate_size(
    rel: pg_sys::Relation,
    widths: *mut i32,
    pages: *mut pg_sys::BlockNumber,
    tuples: *mut f64,
    allvisfrac: *mut f64,
) {
    heap!(relation_estimate_size(
        rel, widths, pages, tuples, allvisfrac
    ));
    if moving(rel) {
        return;
    }
    if let ChunkState::Cold(manifest) = state(rel) {
        // SAFETY: the server passes valid out pointers
        unsafe {
            // of an empty heap the server says that it will grow
            let (late_pages, late) = match cold_stub::blocks(rel) {
                0 => (0, 0.0),
                _ => (*pages, *tuples),
            };
            let file = manifest.bytes / u64::from(pg_sys::BLCKSZ) + u64::from(late_pages);
            *pages = file.clamp(1, u64::from(COLD_BLOCK)) as u32;
            *tuples = manifest.rows.max(1) as f64 + late;
            *allvisfrac = 0.0;
        }
    }
}

/// ANALYZE of a cold chunk samples nothing, so that the statistics from before the move stay.
pub(super) fn analyze_skips(scan: pg_sys::TableScanDesc) -> bool {
    // SAFETY: the scan descriptor holds its open relation
    is_cold(unsafe { (*scan).rs_rd })
}
