//! Late rows: what lies in the stub of a cold chunk.

use super::cold_am;
use super::cold_move::{OpenRelation, heap_blocks};
use super::cold_state::{self, StubScan};
use crate::cold::manifest::{ChunkState, Manifest};
use pgrx::pg_sys;
use std::rc::Rc;

/// Number of rows in a chunk's own heap, by the latest snapshot. Takes AccessShareLock.
pub fn count(chunk: pg_sys::Oid) -> i64 {
    super::catalog::lock_relation(chunk, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
    if heap_blocks(chunk) == 0 {
        return 0;
    }
    let rel = OpenRelation::locked(chunk);
    // SAFETY: open and locked
    unsafe { rows_of(rel.raw()) }
}

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
    let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the lock is taken before the relation is opened, and given back with it, after an error by the
    // server
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(chunk, mode) {
            return None;
        }
        let rel = pg_sys::try_relation_open(chunk, pg_sys::NoLock as pg_sys::LOCKMODE);
        if rel.is_null() {
            pg_sys::UnlockRelationOid(chunk, mode);
            return None;
        }
        let found = match cold_am::is_ours(rel).then(|| cold_state::of(chunk)) {
            Some(ChunkState::Cold(manifest)) if may(&manifest) => Some(rows_of(rel)),
            _ => None,
        };
        pg_sys::relation_close(rel, mode);
        found
    }
}

/// # Safety
/// `rel` must be open, and locked against changes of its storage.
unsafe fn rows_of(rel: pg_sys::Relation) -> i64 {
    let _own = StubScan::begin();
    let mut rows = 0;
    // SAFETY: promised by the caller; snapshot, scan and slot are given back, after an error by the server
    unsafe {
        if pg_sys::RelationGetNumberOfBlocksInFork(rel, pg_sys::ForkNumber::MAIN_FORKNUM) == 0 {
            return 0;
        }
        // not GetLatestSnapshot, which must not be called while workers run
        let now = pg_sys::GetNonHistoricCatalogSnapshot(pg_sys::InvalidOid);
        let snapshot = pg_sys::RegisterSnapshot(now);
        let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(rel, snapshot, 0, std::ptr::null_mut());
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            pgrx::check_for_interrupts!();
            rows += 1;
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::UnregisterSnapshot(snapshot);
    }
    rows
}
