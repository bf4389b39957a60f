//! Differences between PostgreSQL versions in what segments of a queue call.

use pgrx::pg_sys;

/// Updates a row version that is locked by this transaction; the new version is `new`.
///
/// # Safety
/// As `heap_update`.
pub(super) unsafe fn update(
    relation: pg_sys::Relation,
    old: pg_sys::ItemPointer,
    new: pg_sys::HeapTuple,
) -> pg_sys::TM_Result::Type {
    // SAFETY: promised by the caller; the out values are this stack's
    unsafe {
        let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
        let mut mode: pg_sys::LockTupleMode::Type = 0;
        #[cfg(not(feature = "pg15"))]
        let mut indexes: pg_sys::TU_UpdateIndexes::Type = 0;
        pg_sys::heap_update(
            relation,
            old,
            new,
            pg_sys::GetCurrentCommandId(true),
            std::ptr::null_mut(),
            true,
            &mut failure,
            &mut mode,
            #[cfg(not(feature = "pg15"))]
            &mut indexes,
        )
    }
}

/// The index of the primary key; invalid if there is none.
///
/// # Safety
/// The relation must be open.
pub(super) unsafe fn primary_key(relation: pg_sys::Relation) -> pg_sys::Oid {
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::RelationGetPrimaryKeyIndex(
            relation,
            #[cfg(feature = "pg18")]
            false,
        )
    }
}

/// Of all who change rows of segments only one has this for a row.
const ROW_LOCK: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

/// Locks a row in memory, without waiting; false when somebody has it.
///
/// # Safety
/// As `ConditionalLockTuple`.
pub(super) unsafe fn try_lock_row(relation: pg_sys::Relation, tid: pg_sys::ItemPointer) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::ConditionalLockTuple(
            relation,
            tid,
            ROW_LOCK,
            #[cfg(feature = "pg18")]
            false,
        )
    }
}

/// The same, waiting for whoever has it.
///
/// # Safety
/// As `LockTuple`.
pub(super) unsafe fn lock_row(relation: pg_sys::Relation, tid: pg_sys::ItemPointer) {
    // SAFETY: promised by the caller
    unsafe { pg_sys::LockTuple(relation, tid, ROW_LOCK) }
}

/// Ends what [`try_lock_row`] and [`lock_row`] began.
///
/// # Safety
/// As `UnlockTuple`.
pub(super) unsafe fn unlock_row(relation: pg_sys::Relation, tid: pg_sys::ItemPointer) {
    // SAFETY: promised by the caller
    unsafe { pg_sys::UnlockTuple(relation, tid, ROW_LOCK) }
}

/// Begins a scan of an index with so many keys.
///
/// # Safety
/// As `index_beginscan`.
pub(super) unsafe fn begin_index_scan(
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    keys: i32,
) -> pg_sys::IndexScanDesc {
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::index_beginscan(
            relation,
            index,
            snapshot,
            #[cfg(feature = "pg18")]
            std::ptr::null_mut(),
            keys,
            0,
        )
    }
}

pub(super) use super::compat_swap::end_of_index_inserts;
