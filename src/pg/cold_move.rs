//! The physical side of moving a chunk: access method, empty files, rows back into the heap.
//!
//! Everything here happens inside the caller's transaction, under AccessExclusiveLock on the chunk.

use super::cold_am::{self, Moving};
use super::compat;
use super::owner::SettingScope;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;

/// AccessExclusiveLock on a chunk and its TOAST table, to the end of the transaction; raises 55P03
/// after `timeout_ms`, also when a VACUUM of the TOAST table holds it up: readers of the chunk wait
/// behind us.
pub fn lock_exclusively(chunk: pg_sys::Oid, timeout_ms: i32) {
    let settings = SettingScope::new();
    settings.set("lock_timeout", &format!("{timeout_ms}ms"));
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    super::catalog::lock_relation(chunk, mode);
    // SAFETY: NULL when the chunk was dropped while we waited
    let open = unsafe { pg_sys::try_relation_open(chunk, pg_sys::NoLock as pg_sys::LOCKMODE) };
    if !open.is_null()
        && let Some(toast) = OpenRelation(open).toast()
    {
        super::catalog::lock_relation(toast, mode);
    }
}

/// An open relation, closed by Drop; its lock stays.
pub struct OpenRelation(pg_sys::Relation);

impl OpenRelation {
    /// Opens a relation that this transaction has locked already.
    pub fn locked(relation: pg_sys::Oid) -> Self {
        // SAFETY: opening by OID raises an error when the relation is gone
        OpenRelation(unsafe { pg_sys::relation_open(relation, pg_sys::NoLock as pg_sys::LOCKMODE) })
    }

    /// Opens a relation and takes a lock on it, to the end of the transaction.
    pub(super) fn locked_by(relation: pg_sys::Oid, mode: u32) -> Self {
        // SAFETY: as above
        OpenRelation(unsafe { pg_sys::relation_open(relation, mode as pg_sys::LOCKMODE) })
    }

    pub(super) fn raw(&self) -> pg_sys::Relation {
        self.0
    }

    pub(super) fn desc(&self) -> pg_sys::TupleDesc {
        // SAFETY: the relation is open
        unsafe { (*self.0).rd_att }
    }

    pub(super) fn owner(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open
        unsafe { (*(*self.0).rd_rel).relowner }
    }

    /// Number of the main file: changes whenever the heap is rewritten.
    pub fn file_number(&self) -> u32 {
        compat::file_number(self.0)
    }

    pub(super) fn toast(&self) -> Option<pg_sys::Oid> {
        // SAFETY: the relation is open
        let toast = unsafe { (*(*self.0).rd_rel).reltoastrelid };
        (toast != pg_sys::InvalidOid).then_some(toast)
    }
}

impl Drop for OpenRelation {
    fn drop(&mut self) {
        // SAFETY: opened by `locked`; the lock is kept
        unsafe { pg_sys::relation_close(self.0, pg_sys::NoLock as pg_sys::LOCKMODE) }
    }
}

/// 55006 when an open cursor or a trigger event of this session still uses the chunk.
pub fn check_not_in_use(chunk: pg_sys::Oid) {
    let rel = OpenRelation::locked(chunk);
    // SAFETY: the relation is open; raises when its reference count is more than ours
    unsafe { pg_sys::CheckTableNotInUse(rel.raw(), c"move".as_ptr()) }
}

fn am_oid(cold: bool) -> pg_sys::Oid {
    if cold {
        // SAFETY: raises when the access method is missing
        unsafe { pg_sys::get_table_am_oid(c"strata_cold".as_ptr(), false) }
    } else {
        pg_sys::HEAP_TABLE_AM_OID
    }
}

/// Writes the chunk's access method into pg_class and pg_depend. No data moves.
pub fn set_access_method(chunk: pg_sys::Oid, cold: bool) -> Result<()> {
    let (old, new) = (am_oid(!cold), am_oid(cold));
    // SAFETY: the usual way of changing a pg_class row, under AccessExclusiveLock on the relation
    unsafe {
        let class = pg_sys::table_open(
            pg_sys::RelationRelationId,
            pg_sys::RowExclusiveLock as pg_sys::LOCKMODE,
        );
        let tuple = pg_sys::SearchSysCacheCopy(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(chunk),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
        );
        if tuple.is_null() {
            return Err(Error::internal("a chunk vanished while it was moved"));
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let current = (*form).relam;
        if current != new {
            if current != old {
                return Err(Error::new(
                    Kind::NotSupported,
                    format!(
                        "chunk \"{}\" has an access method other than heap",
                        super::catalog::relation_name(chunk)?
                    ),
                ));
            }
            (*form).relam = new;
            pg_sys::CatalogTupleUpdate(class, &mut (*tuple).t_self, tuple);
            pg_sys::changeDependencyFor(
                pg_sys::RelationRelationId,
                chunk,
                pg_sys::AccessMethodRelationId,
                old,
                new,
            );
        }
        pg_sys::heap_freetuple(tuple);
        pg_sys::table_close(class, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
    }
    super::catalog::command_counter_increment();
    Ok(())
}

/// Gives heap and TOAST table new, empty files; [`rebuild_indexes`] must follow.
///
/// Not TRUNCATE: no truncation reaches logical decoding, and foreign keys do not refuse it.
pub fn empty(chunk: pg_sys::Oid, rows: i64) -> Result<()> {
    let _moving = Moving::begin(chunk);
    {
        let rel = OpenRelation::locked(chunk);
        // SAFETY: the relation is open and locked exclusively
        unsafe {
            let blocks = pg_sys::RelationGetNumberOfBlocksInFork(
                rel.raw(),
                pg_sys::ForkNumber::MAIN_FORKNUM,
            );
            if !cold_am::heap_fits(blocks, rows) {
                return Err(Error::new(
                    Kind::LimitExceeded,
                    format!(
                        "a chunk of {rows} rows in {blocks} blocks is too large for the cold tier"
                    ),
                ));
            }
            super::ffi::transfer_predicate_locks(rel.raw());
            compat::new_empty_file(rel.raw());
            if let Some(toast) = rel.toast() {
                super::catalog::lock_relation(
                    toast,
                    pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE,
                );
                let toast = OpenRelation::locked(toast);
                compat::new_empty_file(toast.raw());
            }
        }
    }
    super::catalog::command_counter_increment();
    Ok(())
}

/// Rebuilds all indexes of the chunk from its heap, as after [`empty`].
pub fn rebuild_indexes(chunk: pg_sys::Oid) {
    let _moving = Moving::begin(chunk);
    compat::reindex(chunk);
    super::catalog::command_counter_increment();
}

/// Number of blocks of the chunk's heap.
pub fn heap_blocks(chunk: pg_sys::Oid) -> u32 {
    let rel = OpenRelation::locked(chunk);
    // SAFETY: the relation is open
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(rel.raw(), pg_sys::ForkNumber::MAIN_FORKNUM) }
}

/// True once every snapshot that can still be used sees everything before `xid` as ended.
///
/// Covers old snapshots, prepared transactions, replication slots and standbys with feedback.
pub fn all_snapshots_after(chunk: pg_sys::Oid, xid: u32) -> bool {
    let rel = OpenRelation::locked(chunk);
    // SAFETY: the relation is open
    let oldest = unsafe { pg_sys::GetOldestNonRemovableTransactionId(rel.raw()) };
    // SAFETY: a comparison of two normal ids
    unsafe { pg_sys::TransactionIdFollows(oldest, pg_sys::TransactionId::from(xid)) }
}

/// True when somebody waits for a lock that ours, AccessShareLock, is in the way of, such as an ALTER TABLE, behind
/// which all others queue up.
///
/// To ask for another lock tells nothing from 18 on: whoever stands in the way of a waiter is served before him
/// (proc.c, JoinWaitQueue). LockHasWaiters must not be asked about locks taken on the fast path.
pub fn somebody_waits(chunk: pg_sys::Oid) -> bool {
    let tag = super::object_lock::relation_tag(chunk);
    // SAFETY: shared memory that stays mapped. It is read without its locks: what is out of date is an answer from
    // a moment ago, and the caller asks again and again
    unsafe {
        let procs = (*pg_sys::ProcGlobal).allProcs;
        (0..(*pg_sys::ProcGlobal).allProcCount as usize).any(|n| {
            let process = procs.add(n);
            let lock = (&raw const (*process).waitLock).read_volatile();
            let mode = (&raw const (*process).waitLockMode).read_volatile();
            if lock.is_null() || mode as u32 != pg_sys::AccessExclusiveLock {
                return false;
            }
            let wanted = (&raw const (*lock).tag).read_volatile();
            wanted.locktag_field1 == tag.locktag_field1
                && wanted.locktag_field2 == tag.locktag_field2
                && wanted.locktag_type == tag.locktag_type
        })
    }
}

/// The id of the current transaction, assigned if need be.
pub fn current_xid() -> u32 {
    // SAFETY: legal in a transaction that may write
    unsafe { pg_sys::GetCurrentTransactionId() }.into_inner()
}
