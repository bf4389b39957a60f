//! Leaves of a COPY: rows wait here, as tuples, until a thousand of a leaf go into it at once.
//!
//! The server's COPY writes out at 1,000 rows or 64 kB in all, which is ten rows for each of a hundred
//! leaves. Here every leaf has its own thousand; when all together pass 16 MB the largest goes first.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::copy_raw as raw;
use super::copy_run::Copy;
use super::{compat_copy, copy_flush};
use pgrx::pg_sys::{self, *};
use std::ffi::c_void;

/// Rows of one leaf that wait.
pub(super) const ROWS: usize = 1000;
/// Bytes of all waiting rows.
const BYTES: usize = 16 << 20;
/// Leaves that keep their memory and their ring of buffers after they were written out.
pub(super) const WARM: usize = 64;
/// Besides its data a waiting tuple takes its header, and that of its memory.
const OVERHEAD: usize = 64;
/// What a leaf with memory of its own takes before its first row.
const LEAF_BYTES: usize = 4 << 10;
/// Places for rows that a leaf begins with: thousands of leaves may have a few rows each.
const FIRST_ROOM: usize = 32;

/// One leaf. Plain data in the query's memory, see [`super::copy_raw`].
pub(super) struct Leaf {
    pub(super) info: *mut ResultRelInfo,
    pub(super) rel: Relation,
    pub(super) next: *mut Leaf,
    map: *mut TupleConversionMap,
    /// of the rows as they are stored
    pub(super) desc: TupleDesc,
    before_triggers: bool,
    generated: bool,
    constraints: bool,
    /// rows wait; otherwise they are inserted one by one
    batch: bool,
    /// what waits; NULL memory: nothing is kept
    pub(super) memory: MemoryContext,
    pub(super) tuples: *mut HeapTuple,
    pub(super) lines: *mut u64,
    /// places of both
    room: usize,
    pub(super) n: usize,
    pub(super) bytes: usize,
    pub(super) bulk: BulkInsertState,
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
        // written out in the order in which they were met, as the server does
        if (*c).leaves.is_null() {
            (*c).leaves = leaf;
        } else {
            (*(*c).last_leaf).next = leaf;
        }
        (*c).last_leaf = leaf;
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
            copy_flush::flush_all(c);
            if !(*c).bulk.is_null() {
                raw::ReleaseBulkInsertStatePin((*c).bulk);
            }
            (*c).last_single = leaf;
        }
        if !(*c).transition.is_null() {
            // the server forgets that a converted row gets its generated columns after this
            let changed = (*leaf).generated && !(*leaf).map.is_null();
            (*(*c).transition).tcs_original_insert_tuple = if (*leaf).before_triggers || changed {
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
            copy_flush::insert(c, leaf, slot);
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
        if (*leaf).n >= (*leaf).room {
            make_room(c, leaf);
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
            copy_flush::flush(c, leaf);
        } else if (*c).waiting > BYTES {
            copy_flush::flush_largest(c);
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
            kilobyte,
            kilobyte.wrapping_mul(256),
        );
        (*leaf).bytes = (*leaf).bytes.wrapping_add(LEAF_BYTES);
        (*c).waiting = (*c).waiting.wrapping_add(LEAF_BYTES);
        (*c).warm = (*c).warm.wrapping_add(1);
    }
}

/// More places for waiting rows.
unsafe fn make_room(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: as store; what is replaced was allocated here
    unsafe {
        let parent = (*(*c).estate).es_query_cxt;
        let n = (*leaf).n;
        let room = if n == 0 {
            FIRST_ROOM
        } else {
            n.wrapping_mul(4)
        };
        let room = if room > ROWS { ROWS } else { room };
        let tuples: *mut HeapTuple = raw::MemoryContextAlloc(parent, room.wrapping_mul(8)).cast();
        let lines: *mut u64 = raw::MemoryContextAlloc(parent, room.wrapping_mul(8)).cast();
        if n > 0 {
            std::ptr::copy_nonoverlapping((*leaf).tuples, tuples, n);
            std::ptr::copy_nonoverlapping((*leaf).lines, lines, n);
            raw::pfree((*leaf).tuples.cast());
            raw::pfree((*leaf).lines.cast());
        }
        (*leaf).tuples = tuples;
        (*leaf).lines = lines;
        (*leaf).room = room;
    }
}

pub(super) unsafe fn cool_down(c: *mut Copy, leaf: *mut Leaf) {
    // SAFETY: nothing waits for the leaf
    unsafe {
        if !(*leaf).memory.is_null() {
            raw::MemoryContextDelete((*leaf).memory);
            if (*leaf).room > 0 {
                raw::pfree((*leaf).tuples.cast());
                raw::pfree((*leaf).lines.cast());
                (*leaf).room = 0;
            }
            if !(*leaf).bulk.is_null() {
                raw::FreeBulkInsertState((*leaf).bulk);
                (*leaf).bulk = std::ptr::null_mut();
                if let Some(finish) = (*(*(*leaf).rel).rd_tableam).finish_bulk_insert {
                    finish((*leaf).rel, 0);
                }
            }
            (*leaf).memory = std::ptr::null_mut();
            (*c).warm = (*c).warm.wrapping_sub(1);
        }
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
        (*c).last_leaf = std::ptr::null_mut();
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
