//! How waiting rows of a COPY go into their leaf: the table, its indexes, its AFTER triggers.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::copy_leaf::{Leaf, WARM, cool_down};
use super::copy_raw as raw;
use super::copy_run::Copy;
use super::{cold_am, cold_am_write, compat_copy};
use pgrx::pg_sys::{self, *};

/// Writes out the leaves for which more than the average waits: one look at all of them frees so much that
/// the next is far away, however many there are.
pub(super) unsafe fn flush_largest(c: *mut Copy) {
    // SAFETY: leaves of the current routing
    unsafe {
        let mut n: usize = 0;
        let mut leaf = (*c).leaves;
        while !leaf.is_null() {
            if (*leaf).n > 0 {
                n = n.wrapping_add(1);
            }
            leaf = (*leaf).next;
        }
        let waiting = (*c).waiting;
        leaf = (*c).leaves;
        while !leaf.is_null() {
            if (*leaf).n > 0 && (*leaf).bytes.wrapping_mul(n) >= waiting {
                flush(c, leaf);
            }
            leaf = (*leaf).next;
        }
    }
}

/// Writes out all that waits.
pub(super) unsafe fn flush_all(c: *mut Copy) {
    // SAFETY: leaves of the current routing
    unsafe {
        let mut leaf = (*c).leaves;
        while !leaf.is_null() && (*c).waiting > 0 {
            flush(c, leaf);
            leaf = (*leaf).next;
        }
    }
}

/// Writes out what waits for one leaf, then its index entries and AFTER triggers.
pub(super) unsafe fn flush(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: as store
    unsafe {
        let n = (*leaf).n;
        if n == 0 {
            return;
        }
        let cstate = (*c).cstate;
        let (line, line_valid) = ((*cstate).cur_lineno, (*cstate).line_buf_valid);
        // an error from here on is not about the line that was read last
        (*cstate).line_buf_valid = false;
        fill_slots(c, leaf);
        multi_insert(c, leaf);
        let triggers = (*(*leaf).info).ri_TrigDesc;
        let indexed = (*(*leaf).info).ri_NumIndices > 0;
        let triggered = !triggers.is_null()
            && ((*triggers).trig_insert_after_row || (*triggers).trig_insert_new_table);
        let mut i = 0;
        while i < n {
            let slot = *(*c).slots.add(i);
            if indexed || triggered {
                (*cstate).cur_lineno = *(*leaf).lines.add(i);
                after_insert(c, leaf, slot);
            }
            raw::clear(slot);
            i = i.wrapping_add(1);
        }
        (*cstate).cur_lineno = line;
        (*cstate).line_buf_valid = line_valid;
        (*c).waiting = (*c).waiting.wrapping_sub((*leaf).bytes);
        (*leaf).n = 0;
        (*leaf).bytes = 0;
        count(c, n as i64);
        if (*c).warm > WARM {
            cool_down(c, leaf);
        } else {
            raw::MemoryContextReset((*leaf).memory);
        }
    }
}

/// Puts the waiting tuples into slots, which all leaves share.
unsafe fn fill_slots(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: there are at most ROWS tuples
    unsafe {
        let table = (*(*leaf).rel).rd_id;
        let mut i = 0;
        while i < (*leaf).n {
            let place = (*c).slots.add(i);
            if (*place).is_null() {
                let old = pg_sys::MemoryContextSwitchTo((*(*c).estate).es_query_cxt);
                *place = raw::MakeTupleTableSlot(std::ptr::null_mut(), &raw const TTSOpsHeapTuple);
                pg_sys::MemoryContextSwitchTo(old);
            }
            if (**place).tts_tupleDescriptor != (*leaf).desc {
                let old = pg_sys::MemoryContextSwitchTo((*(*c).estate).es_query_cxt);
                raw::ExecSetSlotDescriptor(*place, (*leaf).desc);
                pg_sys::MemoryContextSwitchTo(old);
            }
            raw::ExecStoreHeapTuple(*(*leaf).tuples.add(i), *place, false);
            (**place).tts_tableOid = table;
            i = i.wrapping_add(1);
        }
    }
}

/// table_multi_insert, an inline function of the server. It may leak, so it gets the memory of one row.
unsafe fn multi_insert(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: every table has an access method with this callback
    unsafe {
        let memory = (*(*c).econtext).ecxt_per_tuple_memory;
        let old = pg_sys::MemoryContextSwitchTo(memory);
        if (*leaf).bulk.is_null() {
            pg_sys::MemoryContextSwitchTo((*(*c).estate).es_query_cxt);
            (*leaf).bulk = raw::GetBulkInsertState();
            pg_sys::MemoryContextSwitchTo(memory);
        }
        if cold_am::is_ours((*leaf).rel) {
            cold_am_write::multi_insert_lines(
                (*leaf).rel,
                (*c).slots,
                (*leaf).n as i32,
                (*c).command,
                (*leaf).bulk,
                (*leaf).lines,
                &raw mut (*(*c).cstate).cur_lineno,
            );
        } else if let Some(insert) = (*(*(*leaf).rel).rd_tableam).multi_insert {
            insert(
                (*leaf).rel,
                (*c).slots,
                (*leaf).n as i32,
                (*c).command,
                0,
                (*leaf).bulk,
            );
        }
        pg_sys::MemoryContextSwitchTo(old);
    }
}

/// Index entries and AFTER triggers of a row that was inserted.
unsafe fn after_insert(c: *mut Copy, leaf: *mut Leaf, slot: *mut TupleTableSlot) {
    // SAFETY: as store
    unsafe {
        let (info, estate) = ((*leaf).info, (*c).estate);
        let mut recheck = std::ptr::null_mut();
        if (*info).ri_NumIndices > 0 {
            recheck = compat_copy::insert_index_tuples(info, slot, estate);
        }
        raw::ExecARInsertTriggers(estate, info, slot, recheck, (*c).transition);
        raw::list_free(recheck);
    }
}

/// One row at once: where triggers or expressions may look at the table, and into foreign tables.
pub(super) unsafe fn insert(c: *mut Copy, leaf: *mut Leaf, slot: *mut TupleTableSlot) {
    // SAFETY: as store
    unsafe {
        let mut slot = slot;
        let fdw = (*(*leaf).info).ri_FdwRoutine;
        if !fdw.is_null() {
            if let Some(insert) = (*fdw).ExecForeignInsert {
                slot = insert((*c).estate, (*leaf).info, slot, std::ptr::null_mut());
            }
            if slot.is_null() {
                return;
            }
            (*slot).tts_tableOid = (*(*leaf).rel).rd_id;
        } else if let Some(insert) = (*(*(*leaf).rel).rd_tableam).tuple_insert {
            if (*c).bulk.is_null() {
                let old = pg_sys::MemoryContextSwitchTo((*(*c).estate).es_query_cxt);
                (*c).bulk = raw::GetBulkInsertState();
                pg_sys::MemoryContextSwitchTo(old);
            }
            insert((*leaf).rel, slot, (*c).command, 0, (*c).bulk);
        }
        after_insert(c, leaf, slot);
        count(c, 1);
    }
}

unsafe fn count(c: *mut Copy, rows: i64) {
    // SAFETY: plain data
    unsafe {
        (*c).processed = (*c).processed.wrapping_add(rows);
        raw::pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED as i32, (*c).processed);
    }
}
