//! The table access method `strata_cold`: heap, but for a chunk whose rows are in a file.
//!
//! The routine is heap's own, copied at run time, with some callbacks replaced, so that the same
//! code serves PostgreSQL 15 to 18. See cold.md, section 4.
#![allow(
    ffi_unwind_calls,
    reason = "heap's callbacks are C and are called inside pg_guard_ffi_boundary"
)]

use super::cold_heap::heap;
use super::cold_state::{self, raise};
use super::{cold_am_ddl, cold_am_write, cold_conflict, cold_heap, cold_rows, compat};
use crate::cold::manifest::ChunkState;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::sync::OnceLock;

/// First block number of the address space of cold rows; the heap never grows that far.
pub(super) const COLD_BLOCK: u32 = 0xF000_0000;
/// Rows per pretended block: offsets run from 1 to 2047.
const ROWS_PER_BLOCK: i64 = 2047;

/// The ctid of the row with this rowid in the file (rowids begin at 1).
pub fn cold_tid(rowid: i64) -> pg_sys::ItemPointerData {
    let block = COLD_BLOCK + ((rowid - 1) / ROWS_PER_BLOCK) as u32;
    let offset = (1 + (rowid - 1) % ROWS_PER_BLOCK) as u16;
    let mut tid = pg_sys::ItemPointerData::default();
    pgrx::itemptr::item_pointer_set_all(&mut tid, block, offset);
    tid
}

/// The rowid behind a ctid, `None` when it addresses the heap, or nothing. May be called from frames over
/// which errors jump.
pub(super) fn rowid_of(tid: pg_sys::ItemPointer) -> Option<i64> {
    // SAFETY: callers pass the pointer that the executor gave them, which may hold nothing
    let (id, offset) = unsafe { ((*tid).ip_blkid, (*tid).ip_posid) };
    let block = u32::from(id.bi_hi) << 16 | u32::from(id.bi_lo);
    (block >= COLD_BLOCK && offset != 0)
        .then(|| i64::from(block - COLD_BLOCK) * ROWS_PER_BLOCK + i64::from(offset))
}

struct Routine(pg_sys::TableAmRoutine);
// SAFETY: written once, then only read; it holds function pointers and nothing else
unsafe impl Sync for Routine {}
// SAFETY: as above
unsafe impl Send for Routine {}
static ROUTINE: OnceLock<Routine> = OnceLock::new();

thread_local! {
    static MOVING: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// True inside a [`Moving`] of this chunk.
pub(super) fn moving(rel: pg_sys::Relation) -> bool {
    MOVING.get() == relid(rel)
}

/// While alive, our own code moves a chunk: the stub is handled as the plain heap that it is. Other
/// chunks are not, since index expressions and constraints of domains may run users' code meanwhile.
pub struct Moving(pg_sys::Oid);

impl Moving {
    #[must_use]
    pub fn begin(chunk: pg_sys::Oid) -> Self {
        Moving(MOVING.replace(chunk))
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        MOVING.set(self.0);
    }
}

/// The routine, built at first use in this process.
pub fn routine() -> *const pg_sys::TableAmRoutine {
    let routine = ROUTINE.get_or_init(|| {
        let mut am = *cold_heap::routine();
        am.scan_begin = Some(scan_begin);
        am.scan_getnextslot = Some(cold_rows::scan_getnextslot);
        am.scan_rescan = Some(cold_rows::scan_rescan);
        am.scan_end = Some(cold_rows::scan_end);
        am.tuple_insert = Some(cold_am_write::tuple_insert);
        am.tuple_insert_speculative = Some(cold_am_write::tuple_insert_speculative);
        am.multi_insert = Some(cold_am_write::multi_insert);
        am.tuple_delete = Some(cold_am_write::tuple_delete);
        am.tuple_update = Some(cold_am_write::tuple_update);
        am.tuple_lock = Some(tuple_lock);
        am.tuple_fetch_row_version = Some(tuple_fetch_row_version);
        am.tuple_tid_valid = Some(tuple_tid_valid);
        am.tuple_get_latest_tid = Some(tuple_get_latest_tid);
        am.index_fetch_begin = Some(cold_conflict::index_fetch_begin);
        am.index_fetch_tuple = Some(cold_conflict::index_fetch_tuple);
        am.tuple_satisfies_snapshot = Some(cold_conflict::tuple_satisfies_snapshot);
        am.index_build_range_scan = Some(cold_am_ddl::index_build_range_scan);
        am.index_validate_scan = Some(cold_am_ddl::index_validate_scan);
        am.relation_nontransactional_truncate = Some(cold_am_ddl::nontransactional_truncate);
        am.relation_copy_for_cluster = Some(cold_am_ddl::copy_for_cluster);
        am.relation_toast_am = Some(cold_am_ddl::toast_am);
        am.relation_estimate_size = Some(cold_am_ddl::estimate_size);
        compat::set_new_filenode_callback(&mut am);
        compat::set_analyze_callbacks(&mut am);
        Routine(am)
    });
    &routine.0
}

/// The handler function that CREATE ACCESS METHOD names.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn strata_cold_handler(_call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    pg_sys::Datum::from(routine())
}

/// Calling convention of the handler (fmgr.h).
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_strata_cold_handler() -> &'static pg_sys::Pg_finfo_record {
    static CONVENTION: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &CONVENTION
}

/// True when the relation uses this access method. The library may have been loaded to find out.
pub(super) fn is_ours(rel: pg_sys::Relation) -> bool {
    // SAFETY: callers pass an open relation; the routine pointer is unique to this library
    ROUTINE
        .get()
        .is_some_and(|r| unsafe { std::ptr::eq((*rel).rd_tableam, &r.0) })
}

pub(super) fn relid(rel: pg_sys::Relation) -> pg_sys::Oid {
    // SAFETY: callers pass an open relation
    unsafe { (*rel).rd_id }
}

pub(super) fn state(rel: pg_sys::Relation) -> ChunkState {
    cold_state::of(relid(rel))
}

pub(super) fn is_cold(rel: pg_sys::Relation) -> bool {
    !moving(rel) && matches!(state(rel), ChunkState::Cold(_))
}

/// 55000: the statement would change or walk a cold chunk.
pub(super) fn refuse(rel: pg_sys::Relation, what: &str) -> ! {
    raise(cold_state::not_while_cold(relid(rel), what))
}

#[pg_guard]
unsafe extern "C-unwind" fn scan_begin(
    rel: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    nkeys: i32,
    key: *mut pg_sys::ScanKeyData,
    pscan: pg_sys::ParallelTableScanDesc,
    flags: u32,
) -> pg_sys::TableScanDesc {
    // a parallel scan can only be part of an index build, which wants the stub
    let file = match pscan.is_null() {
        true => cold_rows::file_of(rel, snapshot, flags),
        false => None,
    };
    let scan = heap!(scan_begin(rel, snapshot, nkeys, key, pscan, flags));
    cold_rows::begun(scan, file);
    scan
}

/// KEY SHARE and SHARE of a cold row succeed: the row is immutable, and the lock on the stub that
/// the statement holds keeps untiering away.
#[pg_guard]
#[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
unsafe extern "C-unwind" fn tuple_lock(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    snapshot: pg_sys::Snapshot,
    slot: *mut pg_sys::TupleTableSlot,
    cid: pg_sys::CommandId,
    mode: pg_sys::LockTupleMode::Type,
    wait_policy: pg_sys::LockWaitPolicy::Type,
    flags: u8,
    tmfd: *mut pg_sys::TM_FailureData,
) -> pg_sys::TM_Result::Type {
    let Some(rowid) = rowid_of(tid) else {
        return heap!(tuple_lock(
            rel,
            tid,
            snapshot,
            slot,
            cid,
            mode,
            wait_policy,
            flags,
            tmfd
        ));
    };
    use pg_sys::LockTupleMode::{LockTupleKeyShare, LockTupleShare};
    if mode != LockTupleKeyShare && mode != LockTupleShare {
        refuse(rel, "lock a row for update in {}");
    }
    if !super::cold_fetch::fetch_row(rel, rowid, slot) {
        return pg_sys::TM_Result::TM_Deleted;
    }
    // SAFETY: the server passes a valid failure struct; a lock that was simply got leaves it so
    unsafe {
        (*tmfd).traversed = false;
        (*tmfd).ctid = *tid;
    }
    pg_sys::TM_Result::TM_Ok
}

#[pg_guard]
unsafe extern "C-unwind" fn tuple_fetch_row_version(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    snapshot: pg_sys::Snapshot,
    slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    match rowid_of(tid) {
        Some(rowid) => super::cold_fetch::fetch_row(rel, rowid, slot),
        None => heap!(tuple_fetch_row_version(rel, tid, snapshot, slot)),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn tuple_tid_valid(
    scan: pg_sys::TableScanDesc,
    tid: pg_sys::ItemPointer,
) -> bool {
    if rowid_of(tid).is_some() {
        // SAFETY: the scan descriptor holds its open relation
        refuse(unsafe { (*scan).rs_rd }, "address a row by ctid in {}");
    }
    heap!(tuple_tid_valid(scan, tid))
}

#[pg_guard]
unsafe extern "C-unwind" fn tuple_get_latest_tid(
    scan: pg_sys::TableScanDesc,
    tid: pg_sys::ItemPointer,
) {
    if rowid_of(tid).is_some() {
        // SAFETY: the scan descriptor holds its open relation
        refuse(unsafe { (*scan).rs_rd }, "address a row by ctid in {}");
    }
    heap!(tuple_get_latest_tid(scan, tid))
}

/// The largest number of heap blocks that leaves the address space of cold rows free.
pub fn heap_fits(blocks: u32, rows: i64) -> bool {
    blocks < COLD_BLOCK && rows / ROWS_PER_BLOCK < i64::from(u32::MAX - COLD_BLOCK) - 1
}
