//! Late rows: what lies in the stub of a cold chunk.

use super::cold_am;
use super::cold_state::{self, StubScan};
use super::relation_rows;
use crate::cold::manifest::{ChunkState, Manifest};
use pgrx::pg_sys;
use std::rc::Rc;

/// The late rows of a cold chunk for somebody who looks in passing. `None` when it is gone, not cold, or held
/// by somebody in a way that others cannot read: nobody is waited for.
pub fn count_in_passing(chunk: pg_sys::Oid) -> Option<i64> {
    in_passing(chunk, |_| true)
}

/// The same for a role; `None` also when it may not read the hypertable.
pub fn count_for(chunk: pg_sys::Oid, role: pg_sys::Oid) -> Option<i64> {
    in_passing(chunk, |manifest| {
        let hypertable = pg_sys::Oid::from(manifest.hypertable);
        let right = pg_sys::AclMode::from(pg_sys::ACL_SELECT);
        // SAFETY: a catalog look-up inside a transaction
        let answer = unsafe { pg_sys::pg_class_aclcheck(hypertable, role, right) };
        answer == pg_sys::AclResult::ACLCHECK_OK
    })
}

fn in_passing(chunk: pg_sys::Oid, may: impl FnOnce(&Rc<Manifest>) -> bool) -> Option<i64> {
    relation_rows::in_passing(chunk, |rel| {
        match cold_am::is_ours(rel).then(|| cold_state::of(chunk)) {
            Some(ChunkState::Cold(manifest)) if may(&manifest) => {
                let mut rows = 0;
                // SAFETY: open and locked while this function runs
                unsafe { each_row(rel, |_| rows += 1) };
                Some(rows)
            }
            _ => None,
        }
    })
    .flatten()
}

/// Shows `see` the rows that lie in the stub now, by a snapshot of this moment.
///
/// # Safety
/// `rel` must be open, and locked against changes of its storage.
pub(super) unsafe fn each_row(
    rel: pg_sys::Relation,
    mut see: impl FnMut(*mut pg_sys::TupleTableSlot),
) {
    if blocks(rel) == 0 {
        return;
    }
    let _own = StubScan::begin();
    // SAFETY: promised by the caller; snapshot, scan and slot are given back, after an error by the server
    unsafe {
        // not GetLatestSnapshot, which must not be called while workers run, or help to build an index
        let now = pg_sys::GetNonHistoricCatalogSnapshot(pg_sys::InvalidOid);
        let snapshot = pg_sys::RegisterSnapshot(now);
        let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(rel, snapshot, 0, std::ptr::null_mut());
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            pgrx::check_for_interrupts!();
            see(slot);
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::UnregisterSnapshot(snapshot);
    }
}

/// Blocks of the chunk's own heap.
pub(super) fn blocks(rel: pg_sys::Relation) -> u32 {
    // SAFETY: callers pass an open relation
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(rel, pg_sys::ForkNumber::MAIN_FORKNUM) }
}
