//! Leaves of a COPY: rows wait here, as tuples, until a thousand of a leaf go into it at once.
//!
//! The server's COPY writes out at 1,000 rows or 64 kB in all, which is ten rows for each of a hundred
//! leaves. Here every leaf has its own thousand; when all together pass 16 MB the largest goes first.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::compat_copy;
use super::copy_raw as raw;
use super::copy_run::Copy;
use pgrx::pg_sys::{self, *};
use std::ffi::c_void;

/// Rows of one leaf that wait.
pub(super) const ROWS: usize = 1000;
/// Bytes of all waiting rows.
const BYTES: usize = 16 << 20;
/// Leaves that keep their memory and their ring of buffers after they were written out.
const WARM: usize = 64;
/// Besides its data a waiting tuple takes its header, and that of its memory.
const OVERHEAD: usize = 64;

/// One leaf. Plain data in the query's memory, see [`super::copy_raw`].
pub(super) struct Leaf {
    pub(super) info: *mut ResultRelInfo,
    rel: Relation,
    next: *mut Leaf,
    map: *mut TupleConversionMap,
    /// of the rows as they are stored
    desc: TupleDesc,
    before_triggers: bool,
    generated: bool,
    constraints: bool,
    /// rows wait; otherwise they are inserted one by one
    batch: bool,
    /// what waits; NULL memory: nothing is kept
    memory: MemoryContext,
    tuples: *mut HeapTuple,
    lines: *mut u64,
    n: usize,
    bytes: usize,
    bulk: BulkInsertState,
}

/// Makes the leaf for a relation that routing found.
pub(super) unsafe fn open(c: *mut Copy, info: *mut ResultRelInfo) -> *mut Leaf {
    // SAFETY: info was opened by the current routing
    unsafe {
        let estate = (*c).estate;
        let leaf: *mut Leaf =
            raw::MemoryContextAllocZero((*estate).es_query_cxt, size_of::<Leaf>()).cast();
        let rel = (*info).ri_RelationDesc;
        let constr = (*(*rel).rd_att).constr;
        let triggers = (*info).ri_TrigDesc;
        let foreign = !(*info).ri_FdwRoutine.is_null();
        (*leaf).info = info;
        (*leaf).rel = rel;
        (*leaf).map = compat_copy::root_to_child(info, estate);
        (*leaf).desc = if (*leaf).map.is_null() {
            (*(*c).rel).rd_att
        } else {
            (*rel).rd_att
        };
        (*leaf).before_triggers = !triggers.is_null() && (*triggers).trig_insert_before_row;
        (*leaf).generated = !constr.is_null() && (*constr).has_generated_stored;
        (*leaf).constraints = !foreign && !constr.is_null();
        // a batch is made of heap tuples: access methods with rows of another kind get them singly
        (*leaf).batch = !(*c).single
            && !(*leaf).before_triggers
            && !foreign
            && std::ptr::eq(
                raw::table_slot_callbacks(rel),
                &raw const TTSOpsBufferHeapTuple,
            );
        (*leaf).next = (*c).leaves;
        (*c).leaves = leaf;
        (*info).ri_CopyMultiInsertBuffer = leaf.cast();
        leaf
    }
}

/// Takes the row in the root's slot: through triggers, generated columns and constraints into the leaf
/// or among those that wait for it.
pub(super) unsafe fn store(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: the leaf belongs to the current routing, the slot holds a row of the root
    unsafe {
        let (estate, info) = ((*c).estate, (*leaf).info);
        let mut slot = (*c).slot;
        if (*c).last_single != leaf && !(*leaf).batch {
            // rows that wait must be there for triggers to see
            flush_all(c);
            if !(*c).bulk.is_null() {
                raw::ReleaseBulkInsertStatePin((*c).bulk);
            }
            (*c).last_single = leaf;
        }
        if !(*c).transition.is_null() {
            (*(*c).transition).tcs_original_insert_tuple = if (*leaf).before_triggers {
                std::ptr::null_mut()
            } else {
                slot
            };
        }
        if !(*leaf).map.is_null() {
            let map = (*(*leaf).map).attrMap;
            slot = raw::execute_attr_map_slot(map, slot, (*info).ri_PartitionTupleSlot);
        }
        (*slot).tts_tableOid = (*(*leaf).rel).rd_id;
        if (*leaf).before_triggers && !raw::ExecBRInsertTriggers(estate, info, slot) {
            return;
        }
        if (*leaf).generated {
            raw::ExecComputeStoredGenerated(info, estate, slot, CmdType::CMD_INSERT);
        }
        if (*leaf).constraints {
            raw::ExecConstraints(info, slot, estate);
        }
        // routing has found the leaf for the row as it came; a trigger may have changed it since
        if (*leaf).before_triggers {
            raw::ExecPartitionCheck(info, slot, estate, true);
        }
        if (*leaf).batch {
            keep(c, leaf, slot);
        } else {
            insert(c, leaf, slot);
        }
    }
}

/// Lets the row wait; writes out when a limit is reached.
unsafe fn keep(c: *mut Copy, leaf: *mut Leaf, slot: *mut TupleTableSlot) {
    // SAFETY: as store; the arrays have room for ROWS
    unsafe {
        (*c).last_single = std::ptr::null_mut();
        if (*leaf).memory.is_null() {
            warm_up(c, leaf);
        }
        raw::all_attributes(slot);
        let old = pg_sys::MemoryContextSwitchTo((*leaf).memory);
        let tuple = raw::heap_form_tuple((*leaf).desc, (*slot).tts_values, (*slot).tts_isnull);
        pg_sys::MemoryContextSwitchTo(old);
        (*tuple).t_tableOid = (*(*leaf).rel).rd_id;
        *(*leaf).tuples.add((*leaf).n) = tuple;
        *(*leaf).lines.add((*leaf).n) = (*(*c).cstate).cur_lineno;
        (*leaf).n = (*leaf).n.wrapping_add(1);
        let bytes = ((*tuple).t_len as usize).wrapping_add(OVERHEAD);
        (*leaf).bytes = (*leaf).bytes.wrapping_add(bytes);
        (*c).waiting = (*c).waiting.wrapping_add(bytes);
        if (*leaf).n >= ROWS {
            flush(c, leaf);
        } else if (*c).waiting > BYTES {
            flush(c, largest(c));
        }
    }
}

unsafe fn warm_up(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: as store
    unsafe {
        let parent = (*(*c).estate).es_query_cxt;
        let kilobyte: usize = 1024;
        (*leaf).memory = raw::GenerationContextCreate(
            parent,
            c"rows of a leaf".as_ptr(),
            0,
            kilobyte.wrapping_mul(8),
            kilobyte.wrapping_mul(256),
        );
        (*leaf).tuples = raw::MemoryContextAlloc(parent, ROWS.wrapping_mul(8)).cast();
        (*leaf).lines = raw::MemoryContextAlloc(parent, ROWS.wrapping_mul(8)).cast();
        let old = pg_sys::MemoryContextSwitchTo(parent);
        (*leaf).bulk = raw::GetBulkInsertState();
        pg_sys::MemoryContextSwitchTo(old);
        (*c).warm = (*c).warm.wrapping_add(1);
    }
}

unsafe fn cool_down(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: nothing waits for the leaf
    unsafe {
        if !(*leaf).memory.is_null() {
            raw::MemoryContextDelete((*leaf).memory);
            raw::pfree((*leaf).tuples.cast());
            raw::pfree((*leaf).lines.cast());
            raw::FreeBulkInsertState((*leaf).bulk);
            (*leaf).memory = std::ptr::null_mut();
            (*c).warm = (*c).warm.wrapping_sub(1);
        }
    }
}

/// The leaf for which most bytes wait.
unsafe fn largest(c: *const Copy) -> *mut Leaf {
    // SAFETY: something waits, so there is a leaf
    unsafe {
        let mut found = (*c).leaves;
        let mut leaf = found;
        while !leaf.is_null() {
            if (*leaf).bytes > (*found).bytes {
                found = leaf;
            }
            leaf = (*leaf).next;
        }
        found
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
unsafe fn flush(c: *mut Copy, leaf: *mut Leaf) {
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
        if let Some(insert) = (*(*(*leaf).rel).rd_tableam).multi_insert {
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
unsafe fn insert(c: *mut Copy, leaf: *mut Leaf, slot: *mut TupleTableSlot) {
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

/// Forgets all leaves; nothing may wait.
pub(super) unsafe fn close_all(c: *mut Copy) {
    // SAFETY: promised by the caller; routing still holds the relations
    unsafe {
        let mut leaf = (*c).leaves;
        while !leaf.is_null() {
            let next = (*leaf).next;
            cool_down(c, leaf);
            (*(*leaf).info).ri_CopyMultiInsertBuffer = std::ptr::null_mut();
            raw::pfree(leaf.cast::<c_void>());
            leaf = next;
        }
        (*c).leaves = std::ptr::null_mut();
        (*c).last_single = std::ptr::null_mut();
        if !(*c).bulk.is_null() {
            raw::FreeBulkInsertState((*c).bulk);
            (*c).bulk = std::ptr::null_mut();
        }
        drop_slots(c);
    }
}

/// The slots of the batch hold tuple descriptors of leaves.
unsafe fn drop_slots(c: *mut Copy) {
    // SAFETY: made by fill_slots; the array has ROWS places
    unsafe {
        let mut i = 0;
        while i < ROWS && !(*(*c).slots.add(i)).is_null() {
            raw::ExecDropSingleTupleTableSlot(*(*c).slots.add(i));
            *(*c).slots.add(i) = std::ptr::null_mut();
            i = i.wrapping_add(1);
        }
    }
}
