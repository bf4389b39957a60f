//! Entries for late rows in an index that knows the rows of the file: the chunk is locked meanwhile, so the index is
//! not built anew.

use super::cold_move::{OpenRelation, heap_blocks};
use super::{cold_am, compat_swap};
use pgrx::{pg_guard, pg_sys};

/// What the callback needs.
struct Adding {
    heap: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// emptied for each entry
    memory: pg_sys::MemoryContext,
}

/// Enters the rows of a heap from this block on, those included that only older snapshots see. 23505 for a second
/// row with a unique key. Expressions and predicates run with the rights of the current user.
pub(super) fn enter_all(heap: &OpenRelation, index: pg_sys::Oid, first: pg_sys::BlockNumber) {
    let blocks = heap_blocks(cold_am::relid(heap.raw()));
    if blocks <= first {
        return;
    }
    let index = OpenRelation::locked(index);
    // SAFETY: both relations are open and locked exclusively; the memory is given back here, or by the
    // transaction's end
    unsafe {
        let mut adding = Adding {
            heap: heap.raw(),
            info: pg_sys::BuildIndexInfo(index.raw()),
            memory: pg_sys::AllocSetContextCreateExtended(
                pg_sys::CurrentMemoryContext,
                c"strata late rows".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            ),
        };
        pg_sys::table_index_build_range_scan(
            heap.raw(),
            index.raw(),
            adding.info,
            false,
            false,
            false,
            first,
            blocks - first,
            Some(enter),
            (&raw mut adding).cast(),
            std::ptr::null_mut(),
        );
        compat_swap::end_of_index_inserts(index.raw(), adding.info);
        pg_sys::MemoryContextDelete(adding.memory);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn enter(
    index: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    values: *mut pg_sys::Datum,
    isnull: *mut bool,
    alive: bool,
    state: *mut core::ffi::c_void,
) {
    // SAFETY: called by the scan above with its own state
    unsafe {
        let adding = &*state.cast::<Adding>();
        let unique = alive && (*(*index).rd_index).indisunique;
        pg_sys::MemoryContextReset(adding.memory);
        let old = pg_sys::MemoryContextSwitchTo(adding.memory);
        pg_sys::index_insert(
            index,
            values,
            isnull,
            tid,
            adding.heap,
            match unique {
                true => pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES,
                false => pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
            },
            false,
            adding.info,
        );
        pg_sys::MemoryContextSwitchTo(old);
    }
}
