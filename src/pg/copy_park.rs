//! Rows whose chunk is missing wait until many chunks can be made by one worker at once.
//!
//! A row that breaks a constraint of the table does not wait: everything is made and stored at once, so
//! that the error is about the same line, with its text, as if the chunk had been there.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::copy_demand::{self, Where};
use super::copy_leaf::Leaf;
use super::copy_raw as raw;
use super::copy_run::Copy;
use super::{compat, compat_copy, copy_flush, copy_leaf, copy_route};
use pgrx::pg_sys::{self, *};

/// Rows, and bytes of rows, that wait for chunks.
const ROWS: usize = 10_000;
const BYTES: usize = 16 << 20;

/// Rows that wait. Plain data; zeroed: none.
pub(super) struct Parked {
    memory: MemoryContext,
    tuples: *mut HeapTuple,
    lines: *mut u64,
    n: usize,
    bytes: usize,
    /// CHECK constraints of the root, one for each
    checks: *mut *mut ExprState,
}

/// The row in the slot has no chunk in the current routing.
pub(super) unsafe fn without_chunk(c: *mut Copy) {
    // SAFETY: the slot holds a row of the root whose key is not NULL
    unsafe {
        let leaf = another_look(c);
        if !leaf.is_null() {
            copy_leaf::store(c, leaf);
            return;
        }
        let suspect = !(*c).may_park || breaks_constraint(c);
        park(c);
        if suspect || (*c).parked.n >= ROWS || (*c).parked.bytes >= BYTES {
            drain(c);
        }
    }
}

/// The leaf for the row in the slot in partitions of now; NULL when its chunk is missing, and noted as such.
unsafe fn another_look(c: *mut Copy) -> *mut Leaf {
    // SAFETY: as without_chunk
    unsafe {
        if copy_demand::locate(c.cast()) == Where::Missing {
            return std::ptr::null_mut();
        }
        copy_flush::flush_all(c);
        copy_route::refresh(c);
        let leaf = copy_route::leaf(c);
        // it may have gone again meanwhile
        if !leaf.is_null() || copy_demand::locate(c.cast()) == Where::Missing {
            return leaf;
        }
        // the server says why not
        copy_route::find(c, -1)
    }
}

/// Copies the row in the slot.
unsafe fn park(c: *mut Copy) {
    // SAFETY: as without_chunk
    unsafe {
        let p = &raw mut (*c).parked;
        let query = (*(*c).estate).es_query_cxt;
        if (*p).memory.is_null() {
            let kilobyte: usize = 1024;
            (*p).memory = raw::GenerationContextCreate(
                query,
                c"rows without chunk".as_ptr(),
                0,
                kilobyte.wrapping_mul(8),
                kilobyte.wrapping_mul(1024),
            );
            let bytes = ROWS.wrapping_mul(8);
            (*p).tuples = raw::MemoryContextAlloc(query, bytes).cast();
            (*p).lines = raw::MemoryContextAlloc(query, bytes).cast();
        }
        let slot = (*c).slot;
        let old = pg_sys::MemoryContextSwitchTo((*p).memory);
        let desc = (*slot).tts_tupleDescriptor;
        let tuple = raw::heap_form_tuple(desc, (*slot).tts_values, (*slot).tts_isnull);
        pg_sys::MemoryContextSwitchTo(old);
        *(*p).tuples.add((*p).n) = tuple;
        *(*p).lines.add((*p).n) = (*(*c).cstate).cur_lineno;
        (*p).n = (*p).n.wrapping_add(1);
        (*p).bytes = (*p).bytes.wrapping_add((*tuple).t_len as usize);
    }
}

/// Makes the chunks that parked rows wait for, and stores these rows.
pub(super) unsafe fn drain(c: *mut Copy) {
    // SAFETY: as without_chunk; the row in the slot, if it is still wanted, is the last one parked
    unsafe {
        let p = &raw mut (*c).parked;
        let cstate = (*c).cstate;
        let (line, line_valid) = ((*cstate).cur_lineno, (*cstate).line_buf_valid);
        loop {
            if (*p).n == 0 {
                break;
            }
            copy_flush::flush_all(c);
            // a failure to make them is about the last row that waits
            set_line(c, (*p).n.wrapping_sub(1), line, line_valid);
            copy_demand::make(c.cast());
            copy_route::refresh(c);
            // some may have been dropped again before we locked them
            store_parked(c, line, line_valid);
        }
        (*cstate).cur_lineno = line;
        (*cstate).line_buf_valid = line_valid;
    }
}

/// Stores the parked rows that have a chunk now; the others stay parked.
unsafe fn store_parked(c: *mut Copy, line: u64, line_valid: bool) {
    // SAFETY: as drain
    unsafe {
        let p = &raw mut (*c).parked;
        let query_memory = CurrentMemoryContext;
        let slot = (*c).slot;
        let (mut i, mut stay) = (0, 0);
        while i < (*p).n {
            raw::check_for_interrupts();
            raw::MemoryContextReset((*(*c).econtext).ecxt_per_tuple_memory);
            raw::clear(slot);
            let desc = (*slot).tts_tupleDescriptor;
            let tuple = *(*p).tuples.add(i);
            raw::heap_deform_tuple(tuple, desc, (*slot).tts_values, (*slot).tts_isnull);
            raw::ExecStoreVirtualTuple(slot);
            (*slot).tts_tableOid = (*(*c).rel).rd_id;
            set_line(c, i, line, line_valid);
            let mut leaf = copy_route::leaf(c);
            if leaf.is_null() {
                leaf = another_look(c);
            }
            if leaf.is_null() {
                *(*p).tuples.add(stay) = tuple;
                *(*p).lines.add(stay) = *(*p).lines.add(i);
                stay = stay.wrapping_add(1);
            } else {
                copy_leaf::store(c, leaf);
            }
            pg_sys::MemoryContextSwitchTo(query_memory);
            i = i.wrapping_add(1);
        }
        raw::clear(slot);
        (*p).n = stay;
        if stay == 0 {
            raw::MemoryContextReset((*p).memory);
            (*p).bytes = 0;
        }
    }
}

/// Errors from here on are about a parked row. Its text is at hand only if it was read last.
unsafe fn set_line(c: *mut Copy, i: usize, last: u64, last_valid: bool) {
    // SAFETY: i is below the number of parked rows
    unsafe {
        let cstate = (*c).cstate;
        (*cstate).cur_lineno = *(*c).parked.lines.add(i);
        (*cstate).line_buf_valid = last_valid && (*cstate).cur_lineno == last;
    }
}

/// True when NOT NULL or CHECK of the table will refuse the row in the slot. May be wrong either way:
/// the leaf decides.
unsafe fn breaks_constraint(c: *mut Copy) -> bool {
    // SAFETY: as without_chunk
    unsafe {
        let desc = (*(*c).rel).rd_att;
        let constr = (*desc).constr;
        if constr.is_null() {
            return false;
        }
        if (*constr).has_generated_stored {
            let insert = CmdType::CMD_INSERT;
            raw::ExecComputeStoredGenerated((*c).root, (*c).estate, (*c).slot, insert);
        }
        if (*constr).has_not_null && null_in_not_null(c, desc) {
            return true;
        }
        let n = (*constr).num_check as usize;
        let p = &raw mut (*c).parked;
        if (*p).checks.is_null() && n > 0 {
            prepare_checks(c, constr);
        }
        (*(*c).econtext).ecxt_scantuple = (*c).slot;
        let mut i = 0;
        while i < n {
            let check = *(*p).checks.add(i);
            if !check.is_null() && !raw::ExecCheck(check, (*c).econtext) {
                return true;
            }
            i = i.wrapping_add(1);
        }
        false
    }
}

unsafe fn null_in_not_null(c: *const Copy, desc: TupleDesc) -> bool {
    // SAFETY: the slot is of this descriptor
    unsafe {
        let mut i = 0;
        while i < (*desc).natts as usize {
            let att = compat::attribute(desc, i);
            // a virtual column is NULL here whatever its value
            let stored = !(*att).attisdropped && (*att).attgenerated as u8 != b'v';
            if (*att).attnotnull && stored && *(*(*c).slot).tts_isnull.add(i) {
                return true;
            }
            i = i.wrapping_add(1);
        }
        false
    }
}

unsafe fn prepare_checks(c: *mut Copy, constr: *const TupleConstr) {
    // SAFETY: constraints of the open relation
    unsafe {
        let estate = (*c).estate;
        let n = (*constr).num_check as usize;
        let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
        let checks: *mut *mut ExprState = raw::palloc0(n.wrapping_mul(8)).cast();
        let mut i = 0;
        while i < n {
            let check = (*constr).check.add(i);
            // those that the chunks do not have do not count
            if !(*check).ccnoinherit && compat_copy::enforced(check) {
                let expr = raw::stringToNode((*check).ccbin);
                *checks.add(i) = raw::ExecPrepareExpr(expr.cast(), estate);
            }
            i = i.wrapping_add(1);
        }
        (*c).parked.checks = checks;
        pg_sys::MemoryContextSwitchTo(old);
    }
}
