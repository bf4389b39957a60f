//! Index look-ups on the stub of a cold chunk: ON CONFLICT finds rows of the file as it finds rows of the heap.
//!
//! Before it inserts, ON CONFLICT looks for the key by a scan of each arbiter index with a dirty snapshot. When
//! such a scan has found nothing in the stub, it goes on in the file, and gives the ctid of a cold row. All that
//! follows is the server's: DO NOTHING skips the row, after triggers, policies and constraints have had their
//! say; DO UPDATE wants to lock the cold row, which is refused. It needs no preload, since whoever comes here
//! has opened the chunk.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::cold_am::{cold_tid, is_cold, is_ours, refuse, rowid_of, state};
use super::cold_am_write::inserted_by_this_command;
use super::cold_heap::{heap, heap_raw};
use super::cold_state::raise;
use super::{cold_probe, compat, list};
use crate::cold::manifest::ChunkState;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::sync::OnceLock;

type GetTuple =
    unsafe extern "C-unwind" fn(pg_sys::IndexScanDesc, pg_sys::ScanDirection::Type) -> bool;

/// A row of the file that a look-up has just found.
struct Found {
    rowid: i64,
    attnums: Vec<i16>,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

thread_local! {
    /// taken by the fetch that follows at once, while the values are still there
    static FOUND: Cell<Option<Found>> = const { Cell::new(None) };
    /// the scan that has given a row of the file, which is its last one
    static GIVEN: Cell<pg_sys::IndexScanDesc> = const { Cell::new(std::ptr::null_mut()) };
}

/// The btree's own function.
static NEXT: OnceLock<GetTuple> = OnceLock::new();

/// A logical apply worker looks rows up by index and would find none in the stub: it must fail
/// rather than skip the change. An insert of its own may look for rows like it.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn index_fetch_begin(
    rel: pg_sys::Relation,
) -> *mut pg_sys::IndexFetchTableData {
    // another scan may get the memory of the last one
    GIVEN.set(std::ptr::null_mut());
    if is_cold(rel) {
        if compat::is_logical_worker() && !inserted_by_this_command(rel) {
            refuse(rel, "apply replicated changes to {}");
        }
        // SAFETY: the server passes an open relation
        unsafe { watch(rel) };
    }
    heap!(index_fetch_begin(rel))
}

/// Puts [`get_tuple`] into the unique indexes of a cold chunk, for this session. What lies in a relcache entry
/// lives as long as it.
unsafe fn watch(rel: pg_sys::Relation) {
    // SAFETY: every index entry is given back; the copy goes where the server keeps its own
    unsafe {
        let indexes = pg_sys::RelationGetIndexList(rel);
        for oid in list::oids(indexes) {
            let index = pg_sys::RelationIdGetRelation(oid);
            if index.is_null() {
                continue;
            }
            let am = (*index).rd_indam;
            let btree = (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID;
            if (*(*index).rd_index).indisunique
                && btree
                && let Some(own) = (*am).amgettuple
                && !std::ptr::fn_addr_eq(own, get_tuple as GetTuple)
            {
                NEXT.get_or_init(|| own);
                let copy = pg_sys::MemoryContextAlloc(
                    (*index).rd_indexcxt,
                    size_of::<pg_sys::IndexAmRoutine>(),
                )
                .cast::<pg_sys::IndexAmRoutine>();
                std::ptr::copy_nonoverlapping(am, copy, 1);
                (*copy).amgettuple = Some(get_tuple);
                (*index).rd_indam = copy;
            }
            pg_sys::RelationClose(index);
        }
        pg_sys::list_free(indexes);
    }
}

/// The next entry of a btree; after the last one of the stub the row of the file, once. No destructor may live
/// in this frame.
unsafe extern "C-unwind" fn get_tuple(
    scan: pg_sys::IndexScanDesc,
    direction: pg_sys::ScanDirection::Type,
) -> bool {
    // SAFETY: the server's own scan
    unsafe {
        let Some(next) = NEXT.get() else {
            return no_function();
        };
        let heap = (*scan).heapRelation;
        let snapshot = (*scan).xs_snapshot;
        let looks_for_conflicts = !heap.is_null()
            && is_ours(heap)
            && !snapshot.is_null()
            && (*snapshot).snapshot_type == pg_sys::SnapshotType::SNAPSHOT_DIRTY;
        if !looks_for_conflicts {
            return next(scan, direction);
        }
        if std::ptr::eq(GIVEN.get(), scan) {
            return false;
        }
        next(scan, direction) || find_in_file(scan)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn no_function() -> bool {
    raise(crate::error::Error::internal("an index lost its method"))
}

/// The values that a scan of a unique index looks for, in the order of the index; `None` unless there is one
/// for each column.
unsafe fn wanted(scan: pg_sys::IndexScanDesc) -> Option<(Vec<pg_sys::Datum>, Vec<bool>)> {
    // SAFETY: the scan has as many keys as it says
    unsafe {
        let n = (*(*(*scan).indexRelation).rd_index).indnkeyatts as usize;
        let keys =
            std::slice::from_raw_parts((*scan).keyData, (*scan).numberOfKeys.max(0) as usize);
        let (mut values, mut nulls) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (i, key) in keys.iter().enumerate() {
            if usize::from(key.sk_attno.unsigned_abs()) != i + 1 {
                return None;
            }
            values.push(key.sk_argument);
            nulls.push(key.sk_flags & pg_sys::SK_ISNULL as i32 != 0);
        }
        (values.len() == n).then_some((values, nulls))
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn find_in_file(scan: pg_sys::IndexScanDesc) -> bool {
    // SAFETY: the server's own scan; its heap is ours
    unsafe {
        let rel = (*scan).heapRelation;
        let ChunkState::Cold(manifest) = state(rel) else {
            return false;
        };
        let Some((values, nulls)) = wanted(scan) else {
            return false;
        };
        let prober = cold_probe::prober(rel, &manifest);
        let mut prober = prober.borrow_mut();
        let index = (*(*scan).indexRelation).rd_id;
        match prober.rowid(index, &values, &nulls) {
            Ok(Some(rowid)) => {
                FOUND.set(prober.attributes(index).map(|attnums| Found {
                    rowid,
                    attnums,
                    values,
                    nulls,
                }));
                GIVEN.set(scan);
                (*scan).xs_heaptid = cold_tid(rowid);
                (*scan).xs_recheck = false;
                true
            }
            Ok(None) => false,
            Err(e) => raise(e),
        }
    }
}

/// For a cold row, which the check for conflicts has found: a row with nothing but the key, for more is not
/// looked at.
pub(super) unsafe extern "C-unwind" fn index_fetch_tuple(
    scan: *mut pg_sys::IndexFetchTableData,
    tid: pg_sys::ItemPointer,
    snapshot: pg_sys::Snapshot,
    slot: *mut pg_sys::TupleTableSlot,
    call_again: *mut bool,
    all_dead: *mut bool,
) -> bool {
    match rowid_of(tid) {
        // SAFETY: the server's own arguments
        Some(_) => unsafe { fetch_cold(scan, tid, snapshot, slot, call_again, all_dead) },
        None => heap_raw!(
            index_fetch_tuple(scan, tid, snapshot, slot, call_again, all_dead),
            false
        ),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn fetch_cold(
    scan: *mut pg_sys::IndexFetchTableData,
    tid: pg_sys::ItemPointer,
    snapshot: pg_sys::Snapshot,
    slot: *mut pg_sys::TupleTableSlot,
    call_again: *mut bool,
    all_dead: *mut bool,
) -> bool {
    let Some(rowid) = rowid_of(tid) else {
        return false;
    };
    // SAFETY: the server's own arguments; all_dead may be NULL
    unsafe {
        *call_again = false;
        if !all_dead.is_null() {
            *all_dead = false;
        }
        // nobody is at work on a row of a file
        if (*snapshot).snapshot_type == pg_sys::SnapshotType::SNAPSHOT_DIRTY {
            (*snapshot).xmin = pg_sys::InvalidTransactionId;
            (*snapshot).xmax = pg_sys::InvalidTransactionId;
            (*snapshot).speculativeToken = 0;
        }
        match FOUND.take().filter(|found| found.rowid == rowid) {
            Some(found) => found.store((*scan).rel, tid, slot),
            None => super::cold_fetch::fetch_row((*scan).rel, rowid, slot),
        }
    }
}

impl Found {
    /// # Safety
    /// `rel` must be open, `slot` of its shape; the values of the look-up must still be there.
    unsafe fn store(
        self,
        rel: pg_sys::Relation,
        tid: pg_sys::ItemPointer,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> bool {
        // SAFETY: promised by the caller; the slot copies the tuple
        unsafe {
            let desc = (*rel).rd_att;
            let n = (*desc).natts as usize;
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); n], vec![true; n]);
            for (i, attnum) in self.attnums.iter().enumerate() {
                let at = (*attnum - 1) as usize;
                values[at] = self.values[i];
                nulls[at] = self.nulls[i];
            }
            let tuple = pg_sys::heap_form_tuple(desc, values.as_mut_ptr(), nulls.as_mut_ptr());
            (*tuple).t_tableOid = (*rel).rd_id;
            (*tuple).t_self = *tid;
            pg_sys::ExecForceStoreHeapTuple(tuple, slot, true);
            (*slot).tts_tid = *tid;
            (*slot).tts_tableOid = (*rel).rd_id;
            true
        }
    }
}

/// A cold row is visible to every snapshot that can still be used.
pub(super) unsafe extern "C-unwind" fn tuple_satisfies_snapshot(
    rel: pg_sys::Relation,
    slot: *mut pg_sys::TupleTableSlot,
    snapshot: pg_sys::Snapshot,
) -> bool {
    // SAFETY: the server passes a filled slot
    if rowid_of(unsafe { &raw mut (*slot).tts_tid }).is_some() {
        return true;
    }
    heap_raw!(tuple_satisfies_snapshot(rel, slot, snapshot), false)
}
