//! The version of a row that a snapshot sees, in SERIALIZABLE transactions.
//!
//! Who gets a job is decided by the rows as of now at every isolation level, so what a search has passed is nothing
//! that the transaction depends on. The server's own look would note each of these rows as read: of workers that pop
//! at the same time most would then fail with 40001.

use pgrx::pg_sys;

/// True in a transaction whose reads the server notes.
pub(super) fn serializable() -> bool {
    // SAFETY: a plain global
    unsafe { pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32 }
}

/// Looks for the version along the chain that begins at `tid`, as heapam.c does it (heap_hot_search_buffer).
///
/// # Safety
/// The buffer must be pinned and locked, a page of the relation; the snapshot must be valid.
pub(super) unsafe fn find(
    relation: pg_sys::Relation,
    buffer: pg_sys::Buffer,
    tid: &pg_sys::ItemPointerData,
    snapshot: pg_sys::Snapshot,
) -> Option<pg_sys::HeapTupleData> {
    let mut first = true;
    let mut updater = pg_sys::InvalidTransactionId;
    // SAFETY: promised by the caller; offsets are checked against the page
    unsafe {
        let block = pgrx::itemptr::item_pointer_get_block_number(tid);
        let mut offset = pgrx::itemptr::item_pointer_get_offset_number(tid);
        let page = pg_sys::BufferGetPage(buffer);
        loop {
            if offset < 1 || offset > pg_sys::PageGetMaxOffsetNumber(page) {
                return None;
            }
            let item = pg_sys::PageGetItemId(page, offset);
            if first && (*item).lp_flags() == pg_sys::LP_REDIRECT {
                offset = (*item).lp_off() as pg_sys::OffsetNumber;
                first = false;
                continue;
            }
            if (*item).lp_flags() != pg_sys::LP_NORMAL {
                return None;
            }
            let header: pg_sys::HeapTupleHeader = pg_sys::PageGetItem(page, item).cast();
            let raw = (*header).t_choice.t_heap;
            // the entry was of another row, or the version of an update that was undone
            let only_in_chain = u32::from((*header).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE != 0;
            if first && only_in_chain
                || updater != pg_sys::InvalidTransactionId && updater != raw.t_xmin
            {
                return None;
            }
            let mut place = pg_sys::ItemPointerData::default();
            pgrx::itemptr::item_pointer_set_all(&mut place, block, offset);
            let mut tuple = pg_sys::HeapTupleData {
                t_len: (*item).lp_len(),
                t_self: place,
                t_tableOid: (*relation).rd_id,
                t_data: header,
            };
            if pg_sys::HeapTupleSatisfiesVisibility(&mut tuple, snapshot, buffer) {
                return Some(tuple);
            }
            let marks = u32::from((*header).t_infomask);
            let goes_on = u32::from((*header).t_infomask2) & pg_sys::HEAP_HOT_UPDATED != 0
                && marks & pg_sys::HEAP_XMAX_INVALID == 0
                && marks & pg_sys::HEAP_XMIN_FROZEN != pg_sys::HEAP_XMIN_INVALID;
            if !goes_on {
                return None;
            }
            let many = marks & pg_sys::HEAP_XMAX_IS_MULTI != 0;
            updater = if many && marks & pg_sys::HEAP_XMAX_LOCK_ONLY == 0 {
                pg_sys::HeapTupleGetUpdateXid(header)
            } else {
                raw.t_xmax
            };
            offset = pgrx::itemptr::item_pointer_get_offset_number(&(*header).t_ctid);
            first = false;
        }
    }
}
