//! The physical side of bringing a chunk back: a second heap beside the stub, filled and indexed while the
//! chunk is read and written, then its files in place of the stub's.
//!
//! The second heap is what VACUUM FULL makes (cluster.c): invisible to others, gone if the transaction fails.

use super::catalog::{command_counter_increment, lock_relation};
use super::cold_am::Moving;
use super::cold_move::OpenRelation;
use super::compat_swap;
use super::list::oids;
use super::owner::{SettingScope, UserScope};
use super::{cold_am_ddl, cold_copy, cold_late_index, ffi};
use crate::cold::content::ContentHash;
use crate::cold::manifest::Manifest;
use crate::error::{Error, Result};
use pgrx::pg_sys;
use std::ffi::CString;
use std::rc::Rc;

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;

/// The heap that takes the stub's place.
pub struct SecondHeap {
    chunk: pg_sys::Oid,
    heap: pg_sys::Oid,
    /// indexes of the chunk and their twins; `None` when the server must build them after the exchange
    indexes: Option<Vec<(pg_sys::Oid, pg_sys::Oid)>>,
    /// from this block on: rows of the stub, which came along with their transaction ids
    late: Option<pg_sys::BlockNumber>,
}

impl SecondHeap {
    /// Makes an empty one with the columns of the chunk, dropped ones included. The caller holds
    /// ShareUpdateExclusiveLock on the chunk.
    pub fn make(chunk: pg_sys::Oid) -> Self {
        // SAFETY: the relation is open and locked; the function makes a table of this transaction
        let heap = unsafe {
            let rel = OpenRelation::locked(chunk);
            let class = (*rel.raw()).rd_rel;
            ffi::make_new_heap(
                chunk,
                (*class).reltablespace,
                pg_sys::HEAP_TABLE_AM_OID,
                (*class).relpersistence,
                pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
            )
        };
        lock_relation(heap, EXCLUSIVE);
        command_counter_increment();
        SecondHeap {
            chunk,
            heap,
            indexes: None,
            late: None,
        }
    }

    /// Fills it with the rows of the file; returns their hash. XX000 when it does not hold them afterwards.
    pub fn fill(&self, manifest: &Rc<Manifest>) -> Result<ContentHash> {
        let written = cold_copy::file_to_heap(self.chunk, self.heap, manifest)?;
        command_counter_increment();
        if cold_copy::hash_heap(self.heap, 0)? != written {
            return Err(Error::internal(
                "the heap does not hold the rows that were just written to it",
            ));
        }
        Ok(written)
    }

    /// Builds twins of the chunk's indexes, so that nobody has to wait for that later.
    pub fn build_indexes(&mut self) -> Result<()> {
        let chunk = OpenRelation::locked(self.chunk);
        // SAFETY: the relation is open; the list is a copy
        let all = unsafe { oids(pg_sys::RelationGetIndexList(chunk.raw())) };
        if all.iter().any(|index| !can_be_twinned(*index)) {
            return Ok(());
        }
        let settings = SettingScope::new();
        settings.set("search_path", "pg_catalog, pg_temp");
        // expressions of indexes are code of the owner's
        let _owner = UserScope::restricted(chunk.owner());
        let heap = OpenRelation::locked(self.heap);
        let mut twins = Vec::with_capacity(all.len());
        for index in all {
            let name = CString::new(format!("strata_untier_{}", index.to_u32()))
                .map_err(|_| Error::internal("NUL in a name"))?;
            // SAFETY: both relations are open and locked; the new index belongs to the second heap, whose
            // columns have the numbers of the chunk's
            let twin = unsafe {
                let space = {
                    let old = OpenRelation::locked_by(index, pg_sys::AccessShareLock);
                    (*(*old.raw()).rd_rel).reltablespace
                };
                let twin =
                    pg_sys::index_concurrently_create_copy(heap.raw(), index, space, name.as_ptr());
                command_counter_increment();
                let open = OpenRelation::locked_by(twin, pg_sys::AccessExclusiveLock);
                let info = pg_sys::BuildIndexInfo(open.raw());
                pg_sys::index_build(heap.raw(), open.raw(), info, false, false);
                twin
            };
            command_counter_increment();
            twins.push((index, twin));
        }
        self.indexes = Some(twins);
        Ok(())
    }

    /// Adds the rows of the stub with all that the server knows about who sees them. The caller holds
    /// AccessExclusiveLock on the chunk. Returns the hash over those that are visible now. XX000 when they did
    /// not come along.
    pub fn add_stub(&mut self) -> Result<ContentHash> {
        let _moving = Moving::begin(self.chunk);
        let late = cold_copy::hash_heap(self.chunk, 0)?;
        let first = super::cold_move::heap_blocks(self.heap);
        {
            let (from, to) = (
                OpenRelation::locked(self.chunk),
                OpenRelation::locked(self.heap),
            );
            cold_am_ddl::copy_stub(from.raw(), to.raw());
        }
        command_counter_increment();
        self.late = Some(first);
        if cold_copy::hash_heap(self.heap, first)? != late {
            return Err(Error::internal("late rows did not come along"));
        }
        Ok(late)
    }

    /// Gives its files and its TOAST table to the chunk, whose access method is heap's afterwards. The caller holds
    /// AccessExclusiveLock on the chunk and its TOAST table.
    pub fn take_over(self) -> Result<()> {
        {
            let rel = OpenRelation::locked(self.chunk);
            // SAFETY: the relation is open and locked exclusively
            unsafe { ffi::transfer_predicate_locks(rel.raw()) }
        }
        match &self.indexes {
            Some(twins) => self.exchange(twins),
            None => self.exchange_and_reindex(),
        }
    }

    fn exchange_and_reindex(&self) -> Result<()> {
        let _moving = Moving::begin(self.chunk);
        let stub = OpenRelation::locked(self.chunk);
        // SAFETY: the relation is open. Its rows may have moved over with their transaction ids
        let (frozen, multi, persistence) = unsafe {
            let class = (*stub.raw()).rd_rel;
            (
                (*class).relfrozenxid,
                (*class).relminmxid,
                (*class).relpersistence,
            )
        };
        drop(stub);
        // SAFETY: both relations are locked exclusively and closed; also exchanges the access methods, and
        // drops the second heap
        unsafe {
            ffi::finish_heap_swap(
                self.chunk,
                self.heap,
                false,
                false,
                false,
                true,
                frozen,
                multi,
                persistence,
            );
        }
        command_counter_increment();
        Ok(())
    }

    fn exchange(&self, twins: &[(pg_sys::Oid, pg_sys::Oid)]) -> Result<()> {
        let (old_toast, new_toast) = (toast_of(self.chunk), toast_of(self.heap));
        exchange_files(self.chunk, self.heap, true, self.late.is_some())?;
        for (old, twin) in twins {
            lock_relation(*old, EXCLUSIVE);
            exchange_files(*old, *twin, false, false)?;
        }
        for toast in [old_toast, new_toast].into_iter().flatten() {
            // SAFETY: a TOAST table's only dependency is the one on its table
            unsafe { pg_sys::deleteDependencyRecordsFor(CLASS, toast, false) };
        }
        for (toast, owner) in [(new_toast, self.chunk), (old_toast, self.heap)] {
            if let Some(toast) = toast {
                // SAFETY: both addresses live on this stack and name relations
                unsafe {
                    pg_sys::recordDependencyOn(
                        &address(toast),
                        &address(owner),
                        pg_sys::DependencyType::DEPENDENCY_INTERNAL,
                    );
                }
            }
        }
        command_counter_increment();
        super::cold_move::set_access_method(self.chunk, false)?;
        // SAFETY: a table of this transaction that nothing depends on but its indexes and TOAST table
        unsafe {
            pg_sys::performDeletion(
                &address(self.heap),
                pg_sys::DropBehavior::DROP_RESTRICT,
                pg_sys::PERFORM_DELETION_INTERNAL as i32,
            );
        }
        command_counter_increment();
        if let Some(toast) = new_toast {
            name_toast(toast, self.chunk)?;
        }
        if let Some(first) = self.late {
            self.enter_late_rows(first, twins);
        }
        Ok(())
    }

    /// The twins were built before the rows of the stub came. Entered under the chunk's own name: whose rows are old
    /// enough to be seen by nobody is told wrongly of a table that this transaction has made.
    fn enter_late_rows(&self, first: pg_sys::BlockNumber, twins: &[(pg_sys::Oid, pg_sys::Oid)]) {
        let settings = SettingScope::new();
        settings.set("search_path", "pg_catalog, pg_temp");
        let chunk = OpenRelation::locked(self.chunk);
        let _owner = UserScope::restricted(chunk.owner());
        for (index, _) in twins {
            cold_late_index::enter_all(&chunk, *index, first);
        }
        command_counter_increment();
    }
}

const CLASS: pg_sys::Oid = pg_sys::RelationRelationId;

fn address(relation: pg_sys::Oid) -> pg_sys::ObjectAddress {
    pg_sys::ObjectAddress {
        classId: CLASS,
        objectId: relation,
        objectSubId: 0,
    }
}

/// Gives a TOAST table that was made for the second heap the name that its new owner's has, and makes an
/// ordinary one of it: logical decoding passes over those of rewrites.
fn name_toast(toast: pg_sys::Oid, owner: pg_sys::Oid) -> Result<()> {
    let name = |end: &str| {
        CString::new(format!("pg_toast_{}{end}", owner.to_u32()))
            .map_err(|_| Error::internal("NUL in a name"))
    };
    let index = only_index(toast)?;
    let (table_name, index_name) = (name("")?, name("_index")?);
    // SAFETY: relations of this transaction, locked exclusively; the names are NUL terminated
    unsafe {
        pg_sys::RenameRelationInternal(toast, table_name.as_ptr(), true, false);
        pg_sys::RenameRelationInternal(index, index_name.as_ptr(), true, true);
        pg_sys::CommandCounterIncrement();
        pg_sys::ResetRelRewrite(toast);
        pg_sys::CommandCounterIncrement();
    }
    Ok(())
}

fn toast_of(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    OpenRelation::locked(relation).toast()
}

/// Indexes that the server itself would not rebuild concurrently are left to it.
fn can_be_twinned(index: pg_sys::Oid) -> bool {
    let rel = OpenRelation::locked_by(index, pg_sys::AccessShareLock);
    // SAFETY: an open index has its pg_index row
    unsafe {
        let row = &*(*rel.raw()).rd_index;
        row.indisvalid && row.indisready && row.indislive && !row.indisexclusion
    }
}

fn only_index(toast: pg_sys::Oid) -> Result<pg_sys::Oid> {
    let rel = OpenRelation::locked(toast);
    // SAFETY: the relation is open; the list is a copy
    let all = unsafe { oids(pg_sys::RelationGetIndexList(rel.raw())) };
    match all[..] {
        [index] => {
            lock_relation(index, EXCLUSIVE);
            Ok(index)
        }
        _ => Err(Error::internal("a TOAST table has more than one index")),
    }
}

/// Exchanges the files of a relation and of one that this transaction has made; with `toast` also their TOAST
/// tables, since values out of line name the table where they are. With `keep_age` the old one keeps what is said
/// about its oldest transaction ids.
fn exchange_files(old: pg_sys::Oid, new: pg_sys::Oid, toast: bool, keep_age: bool) -> Result<()> {
    // SAFETY: both relations are locked exclusively; the usual way of changing pg_class rows
    unsafe {
        let class = pg_sys::table_open(
            pg_sys::RelationRelationId,
            pg_sys::RowExclusiveLock as pg_sys::LOCKMODE,
        );
        let (a, b) = (class_row(old)?, class_row(new)?);
        let (row_a, row_b) = (
            pg_sys::GETSTRUCT(a).cast::<pg_sys::FormData_pg_class>(),
            pg_sys::GETSTRUCT(b).cast::<pg_sys::FormData_pg_class>(),
        );
        compat_swap::exchange_rows(row_a, row_b);
        if keep_age {
            std::mem::swap(&mut (*row_a).relfrozenxid, &mut (*row_b).relfrozenxid);
            std::mem::swap(&mut (*row_a).relminmxid, &mut (*row_b).relminmxid);
        }
        if toast {
            std::mem::swap(&mut (*row_a).reltoastrelid, &mut (*row_b).reltoastrelid);
        }
        {
            let (old, new) = (OpenRelation::locked(old), OpenRelation::locked(new));
            compat_swap::hand_over_file(old.raw(), new.raw());
        }
        pg_sys::CatalogTupleUpdate(class, &mut (*a).t_self, a);
        pg_sys::CatalogTupleUpdate(class, &mut (*b).t_self, b);
        pg_sys::heap_freetuple(a);
        pg_sys::heap_freetuple(b);
        pg_sys::table_close(class, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        compat_swap::close_files([old, new]);
    }
    Ok(())
}

unsafe fn class_row(relation: pg_sys::Oid) -> Result<pg_sys::HeapTuple> {
    // SAFETY: a look-up; the result is a copy
    let tuple = unsafe {
        pg_sys::SearchSysCacheCopy(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
        )
    };
    if tuple.is_null() {
        return Err(Error::internal("a relation vanished while it was moved"));
    }
    Ok(tuple)
}
