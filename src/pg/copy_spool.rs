//! COPY in a transaction that has made or changed the table: no worker may make chunks then, and ordinary
//! DDL needs the table closed. So all rows are read first, with their line numbers, into a tuplestore.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::compat_copy;
use super::copy_demand;
use super::copy_raw as raw;
use super::copy_run::{Copy, Next, next as read};
use pgrx::pg_sys::{self, *};
use std::ffi::c_char;

/// Bytes of a line that are kept: more than the server shows of it (MAX_COPY_DATA_DISPLAY).
const TEXT: usize = 128;

/// All rows of the statement; zeroed: they come from the file. Plain data.
pub(super) struct Spool {
    pub(super) store: *mut Tuplestorestate,
    /// columns of the table, then the line's number and the beginning of its text
    desc: TupleDesc,
    /// the beginning of the line at hand
    text: *mut c_char,
    slot: *mut TupleTableSlot,
    /// number of columns of the table
    natts: usize,
}

/// Reads all rows, and notes the chunks that they miss.
pub(super) unsafe fn read_all(c: *mut Copy) {
    // SAFETY: the state of COPY is fresh, the table open
    unsafe {
        let s = &raw mut (*c).spool;
        let table = (*(*c).rel).rd_att;
        (*s).natts = (*table).natts as usize;
        (*s).desc = with_line(table);
        (*s).store = raw::tuplestore_begin_heap(false, false, work_mem);
        let estate = raw::CreateExecutorState();
        let econtext = raw::MakePerTupleExprContext(estate);
        (*c).estate = estate;
        (*c).slot = raw::MakeSingleTupleTableSlot(table, &raw const TTSOpsVirtual);
        compat_copy::prepare_filter((*c).cstate, std::ptr::null_mut());
        (*s).text = raw::palloc0(TEXT.wrapping_add(1)).cast();
        let bytes = (*s).natts.wrapping_add(2);
        let values: *mut Datum = raw::palloc0(bytes.wrapping_mul(8)).cast();
        let nulls: *mut bool = raw::palloc0(bytes).cast();
        let old = CurrentMemoryContext;
        loop {
            raw::check_for_interrupts();
            raw::MemoryContextReset((*econtext).ecxt_per_tuple_memory);
            pg_sys::MemoryContextSwitchTo((*econtext).ecxt_per_tuple_memory);
            let found = read(c, (*c).slot, econtext);
            pg_sys::MemoryContextSwitchTo(old);
            match found {
                Next::Row => keep(c, values, nulls),
                Next::Skipped => {}
                Next::End => break,
            }
        }
        raw::ExecDropSingleTupleTableSlot((*c).slot);
        raw::pfree(values.cast());
        raw::pfree(nulls.cast());
        // lets go of the table's partitions, too
        raw::FreeExecutorState(estate);
        (*c).slot = std::ptr::null_mut();
        (*c).estate = std::ptr::null_mut();
    }
}

/// The table's columns and two more for the line.
unsafe fn with_line(table: TupleDesc) -> TupleDesc {
    // SAFETY: a valid descriptor
    unsafe {
        let natts = (*table).natts as i16;
        let (line, last) = (natts.wrapping_add(1), natts.wrapping_add(2));
        let desc = raw::CreateTemplateTupleDesc(i32::from(last));
        let mut i = 1;
        while i <= natts {
            raw::TupleDescCopyEntry(desc, i, table, i);
            i = i.wrapping_add(1);
        }
        raw::TupleDescInitEntry(desc, line, c"line".as_ptr(), INT8OID, -1, 0);
        raw::TupleDescInitEntry(desc, last, c"text".as_ptr(), CSTRINGOID, -1, 0);
        desc
    }
}

unsafe fn keep(c: *mut Copy, values: *mut Datum, nulls: *mut bool) {
    // SAFETY: the arrays have two places more than the table has columns; a valid line ends with NUL
    unsafe {
        let s = &raw const (*c).spool;
        let n = (*s).natts;
        std::ptr::copy_nonoverlapping((*(*c).slot).tts_values, values, n);
        std::ptr::copy_nonoverlapping((*(*c).slot).tts_isnull, nulls, n);
        *values.add(n) = Datum::from((*(*c).cstate).cur_lineno);
        *nulls.add(n) = false;
        let valid = (*(*c).cstate).line_buf_valid;
        if valid {
            let line = &raw const (*(*c).cstate).line_buf;
            let len = (*line).len as usize;
            let len = if len > TEXT { TEXT } else { len };
            std::ptr::copy_nonoverlapping((*line).data, (*s).text, len);
            *(*s).text.add(len) = 0;
        }
        *values.add(n.wrapping_add(1)) = Datum::from((*s).text);
        *nulls.add(n.wrapping_add(1)) = !valid;
        raw::tuplestore_putvalues((*s).store, (*s).desc, values, nulls);
        let _ = copy_demand::locate(c.cast());
    }
}

/// Makes the missing chunks by ordinary DDL, which wants the table closed.
pub(super) unsafe fn make_chunks(c: *mut Copy) {
    // SAFETY: nothing of the table is open but by the caller
    unsafe {
        let cstate = (*c).cstate;
        let relid = (*(*c).rel).rd_id;
        // the name is in the table's cache entry, which the DDL replaces
        (*cstate).cur_relname = raw::pstrdup((*cstate).cur_relname);
        raw::table_close((*c).rel, NoLock as LOCKMODE);
        copy_demand::make_in_process(c.cast());
        (*c).rel = raw::table_open(relid, NoLock as LOCKMODE);
        (*cstate).rel = (*c).rel;
        (*c).spool.slot =
            raw::MakeSingleTupleTableSlot((*c).spool.desc, &raw const TTSOpsMinimalTuple);
    }
}

/// Puts the next spooled row into the slot.
pub(super) unsafe fn next(c: *mut Copy) -> Next {
    // SAFETY: read_all has filled the store
    unsafe {
        let s = &raw const (*c).spool;
        let (from, to, n) = ((*s).slot, (*c).slot, (*s).natts);
        raw::clear(to);
        if !raw::tuplestore_gettupleslot((*s).store, true, false, from) {
            return Next::End;
        }
        raw::all_attributes(from);
        std::ptr::copy_nonoverlapping((*from).tts_values, (*to).tts_values, n);
        std::ptr::copy_nonoverlapping((*from).tts_isnull, (*to).tts_isnull, n);
        raw::ExecStoreVirtualTuple(to);
        (*to).tts_tableOid = (*(*c).rel).rd_id;
        (*(*c).cstate).cur_lineno = (*(*from).tts_values.add(n)).value() as u64;
        restore_text(c, from);
        Next::Row
    }
}

/// Errors show the text of the line, as if it had just been read.
unsafe fn restore_text(c: *mut Copy, from: *mut TupleTableSlot) {
    // SAFETY: a row of the store; the line buffer of a text format is larger than TEXT from the start
    unsafe {
        let (cstate, at) = ((*c).cstate, (*c).spool.natts.wrapping_add(1));
        (*cstate).line_buf_valid = !*(*from).tts_isnull.add(at);
        if (*cstate).line_buf_valid {
            let text: *const c_char = (*(*from).tts_values.add(at)).cast_mut_ptr();
            let line = &raw mut (*cstate).line_buf;
            let len = raw::strlen(text);
            std::ptr::copy_nonoverlapping(text, (*line).data, len.wrapping_add(1));
            (*line).len = len as i32;
        }
    }
}

/// Gives the tuplestore back.
pub(super) unsafe fn end(c: *mut Copy) {
    // SAFETY: the end of the statement
    unsafe {
        let s = &raw mut (*c).spool;
        if (*s).store.is_null() {
            return;
        }
        raw::ExecDropSingleTupleTableSlot((*s).slot);
        raw::tuplestore_end((*s).store);
        (*s).store = std::ptr::null_mut();
    }
}
