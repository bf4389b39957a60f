//! Callbacks of `strata_cold` that change rows: marks for the exporter, refusals, late rows.
//!
//! The callbacks themselves hold nothing with a destructor, so that an error may jump over them: a duplicate
//! late row is reported as the server reports one, with the names of schema, table and constraint.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::cold_am::{moving, refuse, relid, rowid_of, state};
use super::cold_duplicate::{self as duplicate, Duplicate};
use super::cold_heap::heap_raw;
use super::cold_probe::{self, Found};
use super::cold_state::{self, raise};
use super::{cold_dump, compat};
use crate::cold::manifest::{ChunkState, Manifest};
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::rc::Rc;

thread_local! {
    /// chunk, transaction and command of the last insert into a cold chunk
    static INSERTED: Cell<(u32, u32, u32)> = const { Cell::new((0, 0, 0)) };
}

/// True when the command that runs has inserted into this chunk: an index look-up is then the check of its
/// own row for uniqueness.
pub(super) fn inserted_by_this_command(rel: pg_sys::Relation) -> bool {
    // commands are counted anew in each transaction. SAFETY: asks for numbers
    let (transaction, command) = unsafe {
        (
            pg_sys::GetTopTransactionIdIfAny().into_inner(),
            pg_sys::GetCurrentCommandId(false),
        )
    };
    INSERTED.get() == (relid(rel).to_u32(), transaction, command)
}

/// A row may arrive: marks the chunk for the exporter. Gives the file that the row must not be in.
fn before_insert(rel: pg_sys::Relation) -> Option<Rc<Manifest>> {
    if moving(rel) {
        return None;
    }
    match state(rel) {
        ChunkState::Plain => None,
        ChunkState::Frozen { attempt, rejects } => {
            if rejects {
                raise(cold_probe::refusal(relid(rel), REJECTED));
            }
            cold_state::touch(relid(rel), attempt);
            None
        }
        ChunkState::Cold(manifest) => {
            if manifest.rejects_late && !is_being_restored(rel, &manifest) {
                raise(cold_probe::refusal(relid(rel), REJECTED));
            }
            if let Some(attempt) = manifest.merging {
                cold_state::touch(relid(rel), attempt);
            }
            // SAFETY: asks for numbers; the caller is about to write, and needs an id in any case
            let (transaction, command) = unsafe {
                (
                    pg_sys::GetTopTransactionId().into_inner(),
                    pg_sys::GetCurrentCommandId(false),
                )
            };
            INSERTED.set((relid(rel).to_u32(), transaction, command));
            Some(manifest)
        }
    }
}

/// The late rows of a dump are put back whatever the policy says: by a program that restores, before there are keys.
fn is_being_restored(rel: pg_sys::Relation, manifest: &Rc<Manifest>) -> bool {
    // SAFETY: the server passes an open relation, which it has locked for its insert
    manifest.restored
        && cold_dump::is_restore()
        && unsafe { cold_probe::prober(rel, manifest) }
            .borrow()
            .is_idle()
}

const REJECTED: &str = "Its hypertable takes no late rows (late_rows => 'reject').";

/// A row is about to change: refused when it is in the file, marked when the chunk is being moved.
fn before_change(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    what: &str,
) -> Option<Rc<Manifest>> {
    if rowid_of(tid).is_some() {
        refuse(rel, what);
    }
    if moving(rel) {
        return None;
    }
    match state(rel) {
        ChunkState::Plain => None,
        ChunkState::Frozen { attempt, .. } => {
            cold_state::touch(relid(rel), attempt);
            None
        }
        ChunkState::Cold(manifest) => {
            if let Some(attempt) = manifest.merging {
                cold_state::touch(relid(rel), attempt);
            }
            Some(manifest)
        }
    }
}

/// Values and NULLs of a slot, one each per attribute.
///
/// # Safety
/// `slot` must hold a row; what is returned lives as long as that.
pub(super) unsafe fn row<'a>(
    slot: *mut pg_sys::TupleTableSlot,
) -> (&'a [pg_sys::Datum], &'a [bool]) {
    // SAFETY: a slot has room for all attributes of its descriptor, and they are read first
    unsafe {
        pg_sys::slot_getallattrs(slot);
        let n = (*(*slot).tts_tupleDescriptor).natts as usize;
        (
            std::slice::from_raw_parts((*slot).tts_values, n),
            std::slice::from_raw_parts((*slot).tts_isnull, n),
        )
    }
}

fn told(
    rel: pg_sys::Relation,
    found: Result<Option<Found>>,
    slot: impl FnOnce(usize) -> *mut pg_sys::TupleTableSlot,
) -> *mut Duplicate {
    match found {
        Ok(None) => std::ptr::null_mut(),
        // SAFETY: the relation is open, the slot holds the row
        Ok(Some(found)) => unsafe {
            let duplicate = duplicate::describe(rel, found.index, slot(found.row));
            (*duplicate).row = found.row;
            duplicate
        },
        Err(e) => raise(e),
    }
}

/// NULL when the rows may go into the stub.
#[pg_guard]
unsafe extern "C-unwind" fn check_rows(
    rel: pg_sys::Relation,
    slots: *mut *mut pg_sys::TupleTableSlot,
    n: i32,
) -> *mut Duplicate {
    let Some(manifest) = before_insert(rel) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the server passes an open relation and `n` slots of its shape
    unsafe {
        let prober = cold_probe::prober(rel, &manifest);
        let mut prober = prober.borrow_mut();
        if prober.is_idle() {
            return std::ptr::null_mut();
        }
        let slots = std::slice::from_raw_parts(slots, n.max(0) as usize);
        let rows: Vec<_> = slots.iter().map(|slot| row(*slot)).collect();
        told(rel, prober.find(&rows), |n| slots[n])
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_update(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    slot: *mut pg_sys::TupleTableSlot,
) -> *mut Duplicate {
    let Some(manifest) = before_change(rel, tid, "update {}") else {
        return std::ptr::null_mut();
    };
    // SAFETY: the server passes an open relation, a slot of its shape, and a tid of its heap
    unsafe {
        let prober = cold_probe::prober(rel, &manifest);
        let mut prober = prober.borrow_mut();
        if prober.is_idle() {
            return std::ptr::null_mut();
        }
        let old = || Ok(old_row(rel, tid));
        told(rel, prober.find_changed(row(slot), old), |_| slot)
    }
}

/// The row of the stub that is replaced, in the current memory context.
unsafe fn old_row(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
) -> Option<(Vec<pg_sys::Datum>, Vec<bool>)> {
    // SAFETY: the caller's relation is open; the slot's values are used before anything else runs, its tuple
    // is copied first
    unsafe {
        let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
        let any = &raw mut pg_sys::SnapshotAnyData;
        let found = pg_sys::table_tuple_fetch_row_version(rel, tid, any, slot);
        let out = found.then(|| {
            let copy = pg_sys::ExecCopySlotHeapTuple(slot);
            let n = (*(*rel).rd_att).natts as usize;
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); n], vec![true; n]);
            pg_sys::heap_deform_tuple(copy, (*rel).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
            (values, nulls)
        });
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        out
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_delete(rel: pg_sys::Relation, tid: pg_sys::ItemPointer) {
    before_change(rel, tid, "delete from {}");
}

pub(super) unsafe extern "C-unwind" fn tuple_insert(
    rel: pg_sys::Relation,
    slot: *mut pg_sys::TupleTableSlot,
    cid: pg_sys::CommandId,
    options: i32,
    bistate: *mut pg_sys::BulkInsertStateData,
) {
    let mut slot = slot;
    // SAFETY: the server's own arguments
    unsafe { duplicate::report(rel, check_rows(rel, &raw mut slot, 1)) };
    heap_raw!(tuple_insert(rel, slot, cid, options, bistate), ())
}

pub(super) unsafe extern "C-unwind" fn tuple_insert_speculative(
    rel: pg_sys::Relation,
    slot: *mut pg_sys::TupleTableSlot,
    cid: pg_sys::CommandId,
    options: i32,
    bistate: *mut pg_sys::BulkInsertStateData,
    token: u32,
) {
    let mut slot = slot;
    // SAFETY: the server's own arguments
    unsafe { duplicate::report(rel, check_rows(rel, &raw mut slot, 1)) };
    heap_raw!(
        tuple_insert_speculative(rel, slot, cid, options, bistate, token),
        ()
    )
}

pub(super) unsafe extern "C-unwind" fn multi_insert(
    rel: pg_sys::Relation,
    slots: *mut *mut pg_sys::TupleTableSlot,
    nslots: i32,
    cid: pg_sys::CommandId,
    options: i32,
    bistate: *mut pg_sys::BulkInsertStateData,
) {
    // SAFETY: the server's own arguments
    unsafe { duplicate::report(rel, check_rows(rel, slots, nslots)) };
    heap_raw!(multi_insert(rel, slots, nslots, cid, options, bistate), ())
}

/// As `multi_insert`, for rows of a COPY that come from `lines`: `line` becomes that of a row whose key is in the
/// file, as the server's own index says it.
#[allow(clippy::too_many_arguments, reason = "PostgreSQL's, and the lines")]
pub(super) unsafe fn multi_insert_lines(
    rel: pg_sys::Relation,
    slots: *mut *mut pg_sys::TupleTableSlot,
    nslots: i32,
    cid: pg_sys::CommandId,
    bistate: *mut pg_sys::BulkInsertStateData,
    lines: *const u64,
    line: *mut u64,
) {
    // SAFETY: the server's own arguments; as many lines as slots
    unsafe {
        let duplicate = check_rows(rel, slots, nslots);
        if !duplicate.is_null() {
            *line = *lines.add((*duplicate).row);
        }
        duplicate::report(rel, duplicate);
    }
    heap_raw!(multi_insert(rel, slots, nslots, cid, 0, bistate), ())
}

#[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
pub(super) unsafe extern "C-unwind" fn tuple_delete(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    cid: pg_sys::CommandId,
    snapshot: pg_sys::Snapshot,
    crosscheck: pg_sys::Snapshot,
    wait: bool,
    tmfd: *mut pg_sys::TM_FailureData,
    changing_part: bool,
) -> pg_sys::TM_Result::Type {
    // SAFETY: the server's own arguments
    unsafe { check_delete(rel, tid) };
    heap_raw!(
        tuple_delete(
            rel,
            tid,
            cid,
            snapshot,
            crosscheck,
            wait,
            tmfd,
            changing_part
        ),
        pg_sys::TM_Result::TM_Invisible
    )
}

#[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
pub(super) unsafe extern "C-unwind" fn tuple_update(
    rel: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    slot: *mut pg_sys::TupleTableSlot,
    cid: pg_sys::CommandId,
    snapshot: pg_sys::Snapshot,
    crosscheck: pg_sys::Snapshot,
    wait: bool,
    tmfd: *mut pg_sys::TM_FailureData,
    lockmode: *mut pg_sys::LockTupleMode::Type,
    update_indexes: *mut compat::UpdateIndexes,
) -> pg_sys::TM_Result::Type {
    // SAFETY: the server's own arguments
    unsafe { duplicate::report(rel, check_update(rel, tid, slot)) };
    heap_raw!(
        tuple_update(
            rel,
            tid,
            slot,
            cid,
            snapshot,
            crosscheck,
            wait,
            tmfd,
            lockmode,
            update_indexes
        ),
        pg_sys::TM_Result::TM_Invisible
    )
}
