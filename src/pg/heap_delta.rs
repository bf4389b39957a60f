//! Copying a heap while others write to it: a snapshot that is held, statements that run under it, and
//! what has changed since.

use super::cold_move::OpenRelation;
use super::{cold_move, compat, ffi};
use crate::error::{Error, Result};
use pgrx::pg_sys;
use std::ffi::CString;

/// A snapshot that stays the same while the transaction goes on.
pub struct Held(pg_sys::Snapshot);

impl Held {
    /// What is committed now, whatever the isolation level. Given back by [`Held::release`], or at abort.
    pub fn latest() -> Held {
        // SAFETY: inside a transaction; registered with the current resource owner
        Held(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()) })
    }

    /// The same, which sees what this transaction has done meanwhile, too.
    pub fn with_own(&self) -> Held {
        // SAFETY: a copy becomes active for a moment, so that its command id may be changed
        unsafe {
            pg_sys::PushCopiedSnapshot(self.0);
            pg_sys::UpdateActiveSnapshotCommandId();
            let copy = pg_sys::RegisterSnapshot(pg_sys::GetActiveSnapshot());
            pg_sys::PopActiveSnapshot();
            Held(copy)
        }
    }

    /// Not by Drop: after an error the resource owner has given it back already.
    pub fn release(self) {
        // SAFETY: registered by `latest`, in the same (sub)transaction
        unsafe { pg_sys::UnregisterSnapshot(self.0) }
    }

    /// Runs one statement that reads through this snapshot.
    pub fn execute(&self, sql: &str) -> Result<u64> {
        let sql = CString::new(sql).map_err(|_| Error::internal("NUL in a statement"))?;
        // SAFETY: connect and finish are paired on the normal way; an error ends both with the transaction
        unsafe {
            if pg_sys::SPI_connect() != pg_sys::SPI_OK_CONNECT as i32 {
                return Err(Error::internal("SPI_connect failed"));
            }
            let plan = pg_sys::SPI_prepare(sql.as_ptr(), 0, std::ptr::null_mut());
            if plan.is_null() {
                return Err(Error::internal("a statement could not be prepared"));
            }
            pg_sys::SPI_execute_snapshot(
                plan,
                std::ptr::null_mut(),
                std::ptr::null(),
                self.0,
                std::ptr::null_mut(),
                false,
                true,
                0,
            );
            let rows = pg_sys::SPI_processed;
            pg_sys::SPI_finish();
            Ok(rows)
        }
    }
}

/// Where a row lies: block and line.
pub type Tid = (u32, u16);

/// What has changed in a heap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// rows that are new, or new versions of rows
    pub came: Vec<Tid>,
    /// rows that were deleted, or old versions of rows
    pub gone: Vec<Tid>,
}

/// What others have committed to a heap since the snapshot was taken; `None` when that is more than the two
/// limits. The caller has locked it against writers. Reads the whole heap.
pub fn changes(relation: pg_sys::Oid, since: &Held, came: usize, gone: usize) -> Option<Changes> {
    let rel = OpenRelation::locked(relation);
    let now = Held::latest();
    let mut found = Changes::default();
    let mut few = true;
    // SAFETY: the relation is open and locked; the scan ends before it is closed. The buffer of the tuple
    // is pinned by the scan, and locked while visibility is looked up, as heapam_index_build_range_scan does
    unsafe {
        let scan = pg_sys::table_beginscan(
            rel.raw(),
            &raw mut pg_sys::SnapshotAnyData,
            0,
            std::ptr::null_mut(),
        );
        while few {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            pgrx::check_for_interrupts!();
            let buffer = (*scan.cast::<pg_sys::HeapScanDescData>()).rs_cbuf;
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            let old = pg_sys::HeapTupleSatisfiesVisibility(tuple, since.0, buffer);
            let new = pg_sys::HeapTupleSatisfiesVisibility(tuple, now.0, buffer);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            let tid = (*tuple).t_self;
            let block = u32::from(tid.ip_blkid.bi_hi) << 16 | u32::from(tid.ip_blkid.bi_lo);
            match (old, new) {
                (true, false) => found.gone.push((block, tid.ip_posid)),
                (false, true) => found.came.push((block, tid.ip_posid)),
                _ => {}
            }
            few = found.came.len() <= came && found.gone.len() <= gone;
        }
        pg_sys::table_endscan(scan);
    }
    now.release();
    few.then_some(found)
}

/// Takes all rows away without a trace for foreign keys and logical decoding: the rows are elsewhere.
/// Under AccessExclusiveLock, and only when the relation is dropped in the same transaction.
pub fn empty(relation: pg_sys::Oid) {
    cold_move::check_not_in_use(relation);
    {
        let rel = OpenRelation::locked(relation);
        // SAFETY: the relation is open, and locked exclusively by the caller
        unsafe {
            ffi::transfer_predicate_locks(rel.raw());
            compat::new_empty_file(rel.raw());
        }
    }
    super::catalog::command_counter_increment();
    compat::reindex(relation);
    super::catalog::command_counter_increment();
}
