//! Late rows: what lies in the stub of a cold chunk.

use super::cold_move::{OpenRelation, heap_blocks};
use super::cold_state::StubScan;
use pgrx::pg_sys;

/// Number of rows in a chunk's own heap, by the latest snapshot. Takes AccessShareLock.
pub fn count(chunk: pg_sys::Oid) -> i64 {
    super::catalog::lock_relation(chunk, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
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
