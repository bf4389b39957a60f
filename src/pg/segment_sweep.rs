//! Looking at every row of a segment, in the order of its pages: what the index and the hints know nothing of.

use super::segment::{Found, Segment, Values};
use super::segment_walk::Latest;
use pgrx::pg_sys;

/// Calls `look` for each row that the snapshot sees, until it says false; returns how many row versions the
/// pages that were looked at hold, dead ones included. Pages are read past the shared buffers' usual order, as
/// VACUUM does, so that a sweep of a large backlog displaces nothing.
pub fn each_row(segment: &Segment, snapshot: &Latest, mut look: impl FnMut(&Found) -> bool) -> u64 {
    let relation = segment.relation();
    let mut versions = 0;
    // SAFETY: the relation is open and locked, so it does not shrink; a page is pinned while its rows are
    // looked at, and locked while it is judged which of them the snapshot sees
    unsafe {
        let strategy = pg_sys::GetAccessStrategy(pg_sys::BufferAccessStrategyType::BAS_VACUUM);
        let blocks =
            pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
        let mut seen: Vec<pg_sys::HeapTupleData> = Vec::new();
        'pages: for block in 0..blocks {
            pgrx::check_for_interrupts!();
            let buffer = pg_sys::ReadBufferExtended(
                relation,
                pg_sys::ForkNumber::MAIN_FORKNUM,
                block,
                pg_sys::ReadBufferMode::RBM_NORMAL,
                strategy,
            );
            versions += visible(relation, buffer, snapshot, &mut seen);
            for tuple in &mut seen {
                let mut row = Values::new();
                pg_sys::heap_deform_tuple(
                    tuple,
                    (*relation).rd_att,
                    row.values.as_mut_ptr(),
                    row.nulls.as_mut_ptr(),
                );
                let tid = tuple.t_self;
                if !look(&Found { tid, row }) {
                    pg_sys::ReleaseBuffer(buffer);
                    break 'pages;
                }
            }
            pg_sys::ReleaseBuffer(buffer);
        }
        pg_sys::FreeAccessStrategy(strategy);
    }
    versions
}

/// The rows of a page that the snapshot sees; returns the number of all versions on it.
unsafe fn visible(
    relation: pg_sys::Relation,
    buffer: pg_sys::Buffer,
    snapshot: &Latest,
    seen: &mut Vec<pg_sys::HeapTupleData>,
) -> u64 {
    seen.clear();
    let mut versions = 0;
    // SAFETY: the buffer is pinned; offsets are those of its page
    unsafe {
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
        let block = pg_sys::BufferGetBlockNumber(buffer);
        let page = pg_sys::BufferGetPage(buffer);
        for offset in 1..=pg_sys::PageGetMaxOffsetNumber(page) {
            let item = pg_sys::PageGetItemId(page, offset);
            if (*item).lp_flags() != pg_sys::LP_NORMAL {
                continue;
            }
            versions += 1;
            let mut tid = pg_sys::ItemPointerData::default();
            pgrx::itemptr::item_pointer_set_all(&mut tid, block, offset);
            let mut tuple = pg_sys::HeapTupleData {
                t_len: (*item).lp_len(),
                t_self: tid,
                t_tableOid: (*relation).rd_id,
                t_data: pg_sys::PageGetItem(page, item).cast(),
            };
            if pg_sys::HeapTupleSatisfiesVisibility(&mut tuple, snapshot.0, buffer) {
                seen.push(tuple);
            }
        }
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
    }
    versions
}
