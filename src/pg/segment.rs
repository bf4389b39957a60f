//! Rows of a queue's segments, reached by their one index without the planner: fresh segments have no
//! statistics, and a plan that flips to a sequential scan costs ten times as much.
//!
//! Everything looks through the latest snapshot, whatever the isolation level: who gets a job is decided by
//! row versions, as with foreign keys.

use super::compat_segment as compat;
pub use super::segment_values::Values;
use crate::error::{Error, Kind};
use pgrx::pg_sys;
use std::cell::Cell;

/// Columns of `strata.queue_row`, counted from 0.
pub mod column {
    pub const SEQ: usize = 0;
    pub const ID: usize = 1;
    pub const LEASE_UNTIL: usize = 2;
    pub const CLAIMED_AT: usize = 3;
    pub const PUSHED_AT: usize = 4;
    pub const QID: usize = 5;
    pub const WORKER: usize = 6;
    pub const LANE: usize = 7;
    pub const ATTEMPT: usize = 8;
    pub const MAX_ATTEMPTS: usize = 9;
    pub const FENCE: usize = 10;
    pub const STATE: usize = 11;
    pub const KIND: usize = 12;
    pub const UNIQUE_KEY: usize = 13;
    pub const GROUP_KEY: usize = 14;
    pub const PAYLOAD: usize = 15;
    pub const PROGRESS: usize = 16;
    pub const ERRORS: usize = 17;
    pub const COUNT: usize = 18;
}

/// State of a row of a segment.
pub const READY: u8 = b'r';
pub const RUNNING: u8 = b'w';
/// Running, and somebody wants it cancelled: its worker is told; if it completes first, that counts.
pub const CANCELLING: u8 = b'c';

/// Waits for its time, in a side store.
pub const SCHEDULED: u8 = b's';

/// An open segment. Its lock lasts until the end of the transaction, unless [`Segment::release`] gives it
/// back at once.
pub struct Segment {
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
    mode: pg_sys::LOCKMODE,
    keep: bool,
    /// see [`Segment::raced`]
    raced: Cell<bool>,
}

/// A row version that a walk came to.
pub struct Found {
    pub tid: pg_sys::ItemPointerData,
    /// by reference: valid until the walk goes on
    pub row: Values,
}

/// What became of an attempt to change a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Done,
    /// another transaction has it, or has changed it meanwhile
    Missed,
}

impl Segment {
    /// Opens a segment for writing; `None` if it has been dropped. 25006 in a transaction that may only read.
    pub fn open(relation: pg_sys::Oid, index: pg_sys::Oid) -> Option<Segment> {
        super::spi::refuse_read_only(c"a function that changes something");
        Self::open_with(relation, index, pg_sys::RowExclusiveLock as _)
    }

    /// Opens a segment for reading; `None` if it has been dropped.
    pub fn open_to_read(relation: pg_sys::Oid, index: pg_sys::Oid) -> Option<Segment> {
        Self::open_with(relation, index, pg_sys::AccessShareLock as _)
    }

    pub(super) fn open_with(
        relation: pg_sys::Oid,
        index: pg_sys::Oid,
        mode: pg_sys::LOCKMODE,
    ) -> Option<Segment> {
        // SAFETY: a relation that is gone gives NULL; the index goes and comes with its table, but REINDEX
        // CONCURRENTLY makes another one the primary key, of which the caller has not heard
        unsafe {
            let relation = pg_sys::try_relation_open(relation, mode);
            if relation.is_null() {
                return None;
            }
            // values are read into arrays of this size
            let columns = (*(*relation).rd_att).natts;
            if columns as usize != column::COUNT {
                other_version(columns);
            }
            let now = compat::primary_key(relation);
            let index = if now == pg_sys::InvalidOid {
                index
            } else {
                now
            };
            Some(Segment {
                relation,
                index: pg_sys::index_open(index, mode),
                mode,
                keep: true,
                raced: Cell::new(false),
            })
        }
    }

    /// The lock is given back when the segment is closed: nothing was changed in it.
    pub fn release(&mut self) {
        self.keep = false;
    }

    /// True if a row was locked for a moment since the last call, and then missed. Whoever came to it meanwhile has
    /// passed it by, although it may be ready again since: it must be noted.
    pub fn raced(&self) -> bool {
        self.raced.replace(false)
    }

    pub(super) fn relation(&self) -> pg_sys::Relation {
        self.relation
    }

    pub(super) fn index(&self) -> pg_sys::Relation {
        self.index
    }

    pub(super) fn descriptor(&self) -> pg_sys::TupleDesc {
        // SAFETY: an open relation
        unsafe { (*self.relation).rd_att }
    }

    /// Adds a row.
    pub fn insert(&self, row: &mut Values) {
        // SAFETY: as many values as the type of the segment has columns; the lock is held
        unsafe {
            let tuple = pg_sys::heap_form_tuple(
                self.descriptor(),
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            let cid = pg_sys::GetCurrentCommandId(true);
            pg_sys::heap_insert(self.relation, tuple, cid, 0, std::ptr::null_mut());
            self.enter_one(row, tuple);
            pg_sys::heap_freetuple(tuple);
        }
    }

    /// Adds rows, with one record in the log for each page.
    pub fn insert_many(&self, rows: &mut [Values]) {
        // SAFETY: as above; slots are made and dropped here, and hold formed tuples of their own
        unsafe {
            let ops = &raw const pg_sys::TTSOpsHeapTuple;
            let mut slots: Vec<*mut pg_sys::TupleTableSlot> = Vec::with_capacity(rows.len());
            for row in rows.iter_mut() {
                let slot = pg_sys::MakeSingleTupleTableSlot(self.descriptor(), ops);
                let tuple = pg_sys::heap_form_tuple(
                    self.descriptor(),
                    row.values.as_mut_ptr(),
                    row.nulls.as_mut_ptr(),
                );
                pg_sys::ExecStoreHeapTuple(tuple, slot, true);
                slots.push(slot);
            }
            pg_sys::heap_multi_insert(
                self.relation,
                slots.as_mut_ptr(),
                slots.len() as i32,
                pg_sys::GetCurrentCommandId(true),
                0,
                // workers will read these pages soon: they stay in the shared buffers
                std::ptr::null_mut(),
            );
            if self.has_other_indexes() {
                self.enter_in_all(&slots);
            } else {
                let info = pg_sys::BuildIndexInfo(self.index);
                for (row, slot) in rows.iter().zip(&slots) {
                    self.enter(row, &mut (**slot).tts_tid, info);
                }
                compat::end_of_index_inserts(self.index, info);
            }
            for slot in slots {
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
        }
    }

    pub(super) unsafe fn enter(
        &self,
        row: &Values,
        tid: pg_sys::ItemPointer,
        info: *mut pg_sys::IndexInfo,
    ) {
        let mut keys = [
            row.values[column::QID],
            row.values[column::LANE],
            row.values[column::SEQ],
        ];
        let mut nulls = [false; 3];
        // SAFETY: promised by the caller: an inserted row of this segment
        unsafe {
            pg_sys::index_insert(
                self.index,
                keys.as_mut_ptr(),
                nulls.as_mut_ptr(),
                tid,
                self.relation,
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES,
                false,
                info,
            );
        }
    }

    /// Changes some columns of a row; `row` has the new values afterwards, which live in the current memory
    /// context. Never waits for another transaction.
    pub fn change(&self, found: &Found, columns: &[usize], row: &mut Values) -> Change {
        self.alone(found, |old| self.replace(old, columns, row))
    }

    /// Like [`Segment::change`], but waits for another transaction that has the row.
    pub fn change_waiting(&self, found: &Found, columns: &[usize], row: &mut Values) -> Change {
        let mut tid = found.tid;
        // SAFETY: the walk that found it holds the snapshot; the lock is given back on the normal way, and by the
        // end of the transaction on error
        unsafe {
            // who does not wait passes the row by from now on
            compat::lock_row(self.relation, &mut tid);
            // no lock in the row itself: the new version would inherit it, and look to this very transaction as if
            // somebody had it
            let out = self.version(&tid, |old, _| self.replace(old, columns, row));
            compat::unlock_row(self.relation, &mut tid);
            out
        }
    }

    /// Writes the next version of a row, after waiting for whoever changes the row himself.
    fn replace(
        &self,
        old: &mut pg_sys::HeapTupleData,
        columns: &[usize],
        row: &mut Values,
    ) -> Change {
        let mut replace = [false; column::COUNT];
        columns.iter().for_each(|c| replace[*c] = true);
        // SAFETY: the buffer of `old` is pinned; the new row lives in the current memory context
        unsafe {
            let new = pg_sys::heap_modify_tuple(
                old,
                self.descriptor(),
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
                replace.as_mut_ptr(),
            );
            let out = compat::update(self.relation, &mut old.t_self, new);
            if out != pg_sys::TM_Result::TM_Ok {
                return Change::Missed;
            }
            pg_sys::heap_deform_tuple(
                new,
                self.descriptor(),
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            if u32::from((*(*new).t_data).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE == 0 {
                self.enter_one(row, new);
            }
            Change::Done
        }
    }

    /// Runs `work` with the latest version of a row, if that is the one that was found and nobody else has
    /// changed or locked it, and nobody can before `work` does. The server's own way to lock a row without
    /// waiting writes a record to the log for each; this lock lies in memory, and `work` marks the row.
    fn alone(
        &self,
        found: &Found,
        work: impl FnOnce(&mut pg_sys::HeapTupleData) -> Change,
    ) -> Change {
        let mut tid = found.tid;
        // SAFETY: the snapshot of the walk that found the version is still held, so that it stays where it is;
        // pin and lock are given back on the normal way, and by the end of the transaction on error
        unsafe {
            if !compat::try_lock_row(self.relation, &mut tid) {
                return Change::Missed;
            }
            let out = self.version(&tid, |old, state| match state {
                pg_sys::TM_Result::TM_Ok => work(old),
                _ => Change::Missed,
            });
            compat::unlock_row(self.relation, &mut tid);
            self.raced.set(self.raced.get() || out == Change::Missed);
            out
        }
    }

    /// Runs `work` with the version of a row that lies there, pinned, and with whether this transaction could change
    /// it at once.
    ///
    /// # Safety
    /// A snapshot that sees the version is held.
    unsafe fn version<T>(
        &self,
        tid: &pg_sys::ItemPointerData,
        work: impl FnOnce(&mut pg_sys::HeapTupleData, pg_sys::TM_Result::Type) -> T,
    ) -> T {
        // SAFETY: promised by the caller; the pin is given back on the normal way, and by the end of the transaction
        // on error
        unsafe {
            let block = pgrx::itemptr::item_pointer_get_block_number(tid);
            let offset = pgrx::itemptr::item_pointer_get_offset_number(tid);
            let buffer = pg_sys::ReadBuffer(self.relation, block);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            let page = pg_sys::BufferGetPage(buffer);
            let item = pg_sys::PageGetItemId(page, offset);
            let mut old = pg_sys::HeapTupleData {
                t_len: (*item).lp_len(),
                t_self: *tid,
                t_tableOid: (*self.relation).rd_id,
                t_data: pg_sys::PageGetItem(page, item).cast(),
            };
            let command = pg_sys::GetCurrentCommandId(false);
            let state = pg_sys::HeapTupleSatisfiesUpdate(&mut old, command, buffer);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            let out = work(&mut old, state);
            pg_sys::ReleaseBuffer(buffer);
            out
        }
    }

    /// Deletes a row. `wait`: until another transaction that has it ends; otherwise [`Change::Missed`].
    pub fn delete(&self, found: &Found, wait: bool) -> Change {
        let delete = |old: &mut pg_sys::HeapTupleData| {
            // SAFETY: a version that a walk has found; an error ends the transaction
            unsafe {
                let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
                let out = pg_sys::heap_delete(
                    self.relation,
                    &mut old.t_self,
                    pg_sys::GetCurrentCommandId(true),
                    std::ptr::null_mut(),
                    true,
                    &mut failure,
                    false,
                );
                match out {
                    pg_sys::TM_Result::TM_Ok => Change::Done,
                    _ => Change::Missed,
                }
            }
        };
        if !wait {
            return self.alone(found, delete);
        }
        let mut tid = found.tid;
        // SAFETY: as in `change_waiting`: who does not wait passes the row by meanwhile
        unsafe { compat::lock_row(self.relation, &mut tid) };
        let out = delete(&mut pg_sys::HeapTupleData {
            t_self: tid,
            ..Default::default()
        });
        // SAFETY: as above
        unsafe { compat::unlock_row(self.relation, &mut tid) };
        out
    }
}

/// 55000: the type of the rows is of another version.
fn other_version(columns: i32) -> ! {
    let known = column::COUNT;
    let text = format!("a segment has {columns} columns, and the loaded library knows {known}");
    let error = Error::new(Kind::NotInState, text);
    super::demand::raise(
        error.hint("ALTER EXTENSION pg_strata UPDATE; if that was done, connect again."),
    );
}

impl Drop for Segment {
    fn drop(&mut self) {
        // after an error the end of the transaction does it: see `Walk`
        if std::thread::panicking() {
            return;
        }
        let mode = if self.keep { 0 } else { self.mode };
        // SAFETY: both were opened by `open_with`; an error or the end of the transaction closes what is left
        unsafe {
            pg_sys::index_close(self.index, mode);
            pg_sys::relation_close(self.relation, mode);
        }
    }
}
