//! Entries of the rows of a segment in its indexes, also where there is more than the primary key.

use super::compat_copy;
use super::compat_segment as compat;
use super::segment::{Segment, Values};
use pgrx::pg_sys;

impl Segment {
    /// True if there are indexes beside the primary key: somebody made one, or REINDEX CONCURRENTLY is making the
    /// next primary key. They must get all rows, too.
    pub(super) fn has_other_indexes(&self) -> bool {
        // SAFETY: an open relation; its list of indexes is looked at before anything can change it
        unsafe {
            if !(*self.relation()).rd_indexvalid {
                pg_sys::list_free(pg_sys::RelationGetIndexList(self.relation()));
            }
            let indexes = (*self.relation()).rd_indexlist;
            indexes.is_null() || (*indexes).length != 1
        }
    }

    /// # Safety
    /// A tuple of this segment that was just written, with the values of `row`.
    pub(super) unsafe fn enter_one(&self, row: &Values, tuple: pg_sys::HeapTuple) {
        // SAFETY: promised by the caller; the slot is made and dropped here
        unsafe {
            if self.has_other_indexes() {
                let ops = &raw const pg_sys::TTSOpsHeapTuple;
                let slot = pg_sys::MakeSingleTupleTableSlot(self.descriptor(), ops);
                pg_sys::ExecStoreHeapTuple(tuple, slot, false);
                (*slot).tts_tid = (*tuple).t_self;
                self.enter_in_all(&[slot]);
                pg_sys::ExecDropSingleTupleTableSlot(slot);
                return;
            }
            let info = pg_sys::BuildIndexInfo(self.index());
            self.enter(row, &mut (*tuple).t_self, info);
            compat::end_of_index_inserts(self.index(), info);
        }
    }

    /// Enters written rows into all indexes, as the executor does.
    ///
    /// # Safety
    /// The slots must hold tuples that were just written to the segment, and their places.
    pub(super) unsafe fn enter_in_all(&self, slots: &[*mut pg_sys::TupleTableSlot]) {
        // SAFETY: promised by the caller; what is opened here is closed here, or by the end of the transaction on
        // error
        unsafe {
            let relation = self.relation();
            let size = size_of::<pg_sys::ResultRelInfo>();
            let target = pg_sys::palloc0(size).cast::<pg_sys::ResultRelInfo>();
            (*target).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(target, relation, 1, std::ptr::null_mut(), 0);
            pg_sys::ExecOpenIndices(target, false);
            let state = pg_sys::CreateExecutorState();
            let per_tuple = pg_sys::MakePerTupleExprContext(state);
            for slot in slots {
                (**slot).tts_tableOid = (*relation).rd_id;
                compat_copy::insert_index_tuples(target, *slot, state);
                pg_sys::MemoryContextReset((*per_tuple).ecxt_per_tuple_memory);
            }
            pg_sys::ExecCloseIndices(target);
            pg_sys::FreeExecutorState(state);
            pg_sys::pfree(target.cast());
        }
    }
}
