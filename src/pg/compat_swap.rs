//! Exchanging the files of two relations, as cluster.c (swap_relation_files) does it in PostgreSQL 15 to 18.

use pgrx::pg_sys;

/// Notes that the file which `to` gets from `from` was made by this transaction, so that no WAL is needed for it
/// where none is written for new files.
///
/// # Safety
/// Both relations must be open and locked AccessExclusive, `from` made by this transaction.
pub(super) unsafe fn hand_over_file(to: pg_sys::Relation, from: pg_sys::Relation) {
    // SAFETY: promised by the caller
    unsafe {
        (*from).rd_createSubid = (*to).rd_createSubid;
        #[cfg(feature = "pg15")]
        {
            (*from).rd_newRelfilenodeSubid = (*to).rd_newRelfilenodeSubid;
            (*from).rd_firstRelfilenodeSubid = (*to).rd_firstRelfilenodeSubid;
            pg_sys::RelationAssumeNewRelfilenode(to);
        }
        #[cfg(not(feature = "pg15"))]
        {
            (*from).rd_newRelfilelocatorSubid = (*to).rd_newRelfilelocatorSubid;
            (*from).rd_firstRelfilelocatorSubid = (*to).rd_firstRelfilelocatorSubid;
            pg_sys::RelationAssumeNewRelfilelocator(to);
        }
    }
}

/// Drops the links of both relations to their open files: until 16 the second one to be invalidated would keep
/// that of the first.
pub(super) fn close_files(
    #[cfg_attr(any(feature = "pg17", feature = "pg18"), allow(unused_variables))] relations: [pg_sys::Oid;
        2],
) {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    for relation in relations {
        // SAFETY: a look-up in the relation cache; unknown relations are ignored
        unsafe { pg_sys::RelationCloseSmgrByOid(relation) }
    }
}

/// Tells an index that no more entries follow: since 17 it may keep something between them.
///
/// # Safety
/// The index must be open, `info` the one that its entries were made with.
pub(super) unsafe fn end_of_index_inserts(
    #[cfg_attr(any(feature = "pg15", feature = "pg16"), allow(unused_variables))]
    index: pg_sys::Relation,
    #[cfg_attr(any(feature = "pg15", feature = "pg16"), allow(unused_variables))]
    info: *mut pg_sys::IndexInfo,
) {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::index_insert_cleanup(index, info);
    }
}

/// Exchanges what pg_class says about the files of two relations.
///
/// # Safety
/// Both must be writable copies of pg_class rows.
pub(super) unsafe fn exchange_rows(
    a: *mut pg_sys::FormData_pg_class,
    b: *mut pg_sys::FormData_pg_class,
) {
    use std::mem::swap;
    // SAFETY: promised by the caller
    let (a, b) = unsafe { (&mut *a, &mut *b) };
    swap(&mut a.relfilenode, &mut b.relfilenode);
    swap(&mut a.reltablespace, &mut b.reltablespace);
    swap(&mut a.relfrozenxid, &mut b.relfrozenxid);
    swap(&mut a.relminmxid, &mut b.relminmxid);
    swap(&mut a.relpages, &mut b.relpages);
    swap(&mut a.reltuples, &mut b.reltuples);
    swap(&mut a.relallvisible, &mut b.relallvisible);
    #[cfg(feature = "pg18")]
    swap(&mut a.relallfrozen, &mut b.relallfrozen);
}
