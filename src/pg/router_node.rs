//! The router: a node between ModifyTable and its source that sees to it that each row has a chunk.
//!
//! As long as rows stay in the chunk of the row before, it costs one comparison: the function that the
//! executor calls is a plain C frame without destructors, so errors of the source may pass it as they
//! pass C, and nothing is guarded, allocated or looked up. When a chunk is missing, one maker makes it,
//! and the statement's routing is built anew, because the server looks at the partitions only once.

use super::demand::{Demand, Located};
use super::placed_node::{PlacedNode, is_empty};
use super::router_key::Keys;
use super::router_merge::{self, MergeKeys};
use super::router_store::{replay, settle};
use super::{explain, ffi, list};
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::collections::BTreeSet;

/// PostgreSQL's struct first; palloc'd, with nothing of Rust's inside.
#[repr(C)]
pub(super) struct Router {
    pub(super) css: pg_sys::CustomScanState,
    /// the source, also in `ps.lefttree`
    pub(super) child: *mut pg_sys::PlanState,
    pub(super) node: *mut pg_sys::ModifyTableState,
    /// column of the key; 0 in a MERGE, -1: rows do not tell where they go
    column: i32,
    pub(super) merge: *mut MergeKeys,
    pub(super) demand: Demand,
    /// rows taken before their turn, to be handed on first; NULL: none
    pub(super) store: *mut pg_sys::Tuplestorestate,
    /// reads the store, and what is handed on then
    pub(super) stored_row: *mut pg_sys::TupleTableSlot,
    pub(super) replayed_row: *mut pg_sys::TupleTableSlot,
    /// the source has given its last row
    pub(super) source_ended: bool,
    pub(super) ahead: Option<bool>,
    /// all rows were taken before the statement started
    pub(super) spooled: bool,
    /// what the routing was made of; another part of the statement that writes may replace the estate's
    pub(super) directory: pg_sys::PartitionDirectory,
    /// kept to the end: AFTER triggers find their tables through them, and run-time pruning of the
    /// source points into the old descriptors
    pub(super) old_routings: *mut pg_sys::List,
    pub(super) old_directories: *mut pg_sys::List,
    pub(super) refreshes: u32,
}

static NODE: PlacedNode = PlacedNode::new(c"ChunkRouter", exec, end, Some(show));

/// Puts a router between the node and its source.
///
/// # Safety
/// `node` must be initialised and not yet run.
pub(super) unsafe fn put_under(
    node: *mut pg_sys::ModifyTableState,
    demand: Demand,
    keys: Keys,
) -> *mut Router {
    // SAFETY: the executor's own structures; everything new lives as long as the query
    unsafe {
        let source = (*node).ps.lefttree;
        let router = NODE.put_under::<Router>(node);
        (*router).child = source;
        (*router).node = node;
        (*router).demand = demand;
        (*router).directory = (*(*node).ps.state).es_partition_directory;
        // zero bytes would be an answer
        (&raw mut (*router).ahead).write(None);
        match keys {
            Keys::Column(column) => (*router).column = column,
            Keys::Merge(merge) => (*router).merge = merge,
            Keys::Unknown => (*router).column = -1,
        }
        router
    }
}

/// What ModifyTable calls for each row. No destructor may live in this frame.
#[allow(
    ffi_unwind_calls,
    reason = "a frame without destructors: an error of the source jumps over it, as over C"
)]
unsafe extern "C-unwind" fn exec(state: *mut pg_sys::PlanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct; a slot has as many values as valid ones
    unsafe {
        let router = state.cast::<Router>();
        if !(*router).store.is_null() {
            let slot = replay(router);
            if !slot.is_null() {
                return slot;
            }
        }
        if (*router).source_ended {
            return std::ptr::null_mut();
        }
        let slot = match (*(*router).child).ExecProcNode {
            Some(next) => next((*router).child),
            None => return std::ptr::null_mut(),
        };
        if is_empty(slot) {
            return slot;
        }
        let at = (*router).column;
        if at <= 0 {
            return if at == 0 { settle(router, slot) } else { slot };
        }
        if i32::from((*slot).tts_nvalid) < at {
            ffi::raw::slot_getsomeattrs_int(slot, at);
        }
        let at = (at - 1) as usize;
        // of NULL the server says what is wrong with it
        if *(*slot).tts_isnull.add(at) || (*router).demand.is_cached(*(*slot).tts_values.add(at)) {
            return slot;
        }
        settle(router, slot)
    }
}

impl Router {
    pub(super) fn root(&self) -> pg_sys::Relation {
        // SAFETY: the node is initialised, its target open
        unsafe { (*(*self.node).rootResultRelInfo).ri_RelationDesc }
    }

    pub(super) fn estate(&self) -> *mut pg_sys::EState {
        self.css.ss.ps.state
    }

    /// Looks for the row's chunk; true when the routing does not know it. Chunks that do not exist are
    /// added to `missing`.
    ///
    /// # Safety
    /// `slot` must be a row of the source.
    pub(super) unsafe fn survey(
        &mut self,
        slot: *mut pg_sys::TupleTableSlot,
        missing: &mut BTreeSet<i64>,
    ) -> Result<bool> {
        // SAFETY: between two rows
        unsafe { self.follow_directory() }
        let (estate, root) = (self.estate(), self.root());
        let mut unknown = false;
        let demand = &mut self.demand;
        let mut look = |value: pg_sys::Datum| -> Result<()> {
            // SAFETY: a value of the key, not NULL; the hypertable is open
            unsafe {
                if demand.is_cached(value) {
                    return Ok(());
                }
                match demand.look(estate, root, value)? {
                    Located::Cached | Located::Found => {}
                    Located::Stale => unknown = true,
                    Located::Missing(index) => {
                        missing.insert(index);
                        unknown = true;
                    }
                }
                Ok(())
            }
        };
        // SAFETY: promised by the caller
        unsafe {
            if self.merge.is_null() {
                if i32::from((*slot).tts_nvalid) < self.column {
                    pg_sys::slot_getsomeattrs_int(slot, self.column);
                }
                let at = (self.column - 1) as usize;
                if !*(*slot).tts_isnull.add(at) {
                    look(*(*slot).tts_values.add(at))?;
                }
            } else {
                router_merge::each(self.merge, slot, &mut look)?;
            }
        }
        Ok(unknown)
    }
}

/// No destructor may live in this frame.
#[allow(
    ffi_unwind_calls,
    reason = "a frame without destructors: an error jumps over it, as over C"
)]
unsafe extern "C-unwind" fn end(state: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct; called once
    unsafe {
        let router = state.cast::<Router>();
        ffi::raw::ExecEndNode((*router).child);
        if !(*router).old_routings.is_null()
            || !(*router).old_directories.is_null()
            || !(*router).store.is_null()
            || (*router).demand.made() > 0
        {
            clean_up(router);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn clean_up(router: *mut Router) {
    // SAFETY: called once, at the end of the statement
    unsafe {
        let router = &mut *router;
        for routing in list::pointers(router.old_routings) {
            ffi::ExecCleanupTupleRouting(router.node, routing);
        }
        for directory in list::pointers::<pg_sys::PartitionDirectoryData>(router.old_directories) {
            pg_sys::DestroyPartitionDirectory(directory);
        }
        if !router.store.is_null() {
            pg_sys::tuplestore_end(router.store);
        }
        router.demand.finish();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn show(
    state: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let router = &*state.cast::<Router>();
        if !(*es).analyze {
            return;
        }
        if router.demand.made() > 0 || (*es).verbose {
            explain::integer(es, c"Chunks Created", router.demand.made().into());
        }
        if router.spooled {
            explain::text(
                es,
                c"Source",
                "read before the statement, after DDL in its transaction",
            );
        }
        if router.refreshes > 0 || (*es).verbose {
            explain::integer(es, c"Routing Refreshes", router.refreshes.into());
        }
    }
}
