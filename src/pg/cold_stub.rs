//! Late rows: what lies in the stub of a cold chunk.

use super::cold_move::{OpenRelation, heap_blocks};
use super::cold_state::StubScan;
use pgrx::pg_sys;

/// Number of rows in a chunk's own heap, by the latest snapshot; `None` when the chunk is gone, or another
/// session's lock forbids to look. Waits for nobody, and keeps no lock.
pub fn count_unless_locked(chunk: pg_sys::Oid) -> Option<i64> {
    let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    if !super::catalog::try_lock_relation(chunk, mode) {
        return None;
    }
    // SAFETY: NULL when it was dropped before we had the lock; opened and locked once, closed and unlocked once
    let rows = unsafe {
        let rel = pg_sys::try_relation_open(chunk, pg_sys::NoLock as pg_sys::LOCKMODE);
        (!rel.is_null()).then(|| {
            pg_sys::relation_close(rel, pg_sys::NoLock as pg_sys::LOCKMODE);
            count(chunk)
        })
    };
    // SAFETY: taken above
    unsafe { pg_sys::UnlockRelationOid(chunk, mode) };
    rows
}

/// The chunk is locked.
fn count(chunk: pg_sys::Oid) -> i64 {
    if heap_blocks(chunk) == 0 {
        return 0;
    }
    let rel = OpenRelation::locked(chunk);
    let _own = StubScan::begin();
    let mut rows = 0;
    // SAFETY: the relation is open; snapshot, scan and slot are given back, after an error by the server
    unsafe {
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let slot = pg_sys::table_slot_create(rel.raw(), std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(rel.raw(), snapshot, 0, std::ptr::null_mut());
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
