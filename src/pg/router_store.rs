//! Rows that a router takes before their turn: the rest of the way when a chunk is missing.

use super::demand::{Demand, raise};
use super::ffi;
use super::placed_node::is_empty;
use super::router_ahead;
use super::router_node::Router;
use crate::error::Result;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{pg_guard, pg_sys};
use std::collections::BTreeSet;

/// Sees to it that the row has a chunk that the statement's routing knows. Returns the row.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn settle(
    router: *mut Router,
    slot: *mut pg_sys::TupleTableSlot,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: called by the router's own function with a row of its source
    unsafe { (*router).settle(slot, true) }
}

/// The next row that was taken before its turn; NULL when there is none left.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn replay(router: *mut Router) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: called by the router's own function
    unsafe { (*router).replay() }
}

impl Router {
    unsafe fn settle(
        &mut self,
        slot: *mut pg_sys::TupleTableSlot,
        may_look_ahead: bool,
    ) -> *mut pg_sys::TupleTableSlot {
        // SAFETY: promised by the callers
        unsafe {
            let mut missing = BTreeSet::new();
            loop {
                missing.clear();
                match self.survey(slot, &mut missing) {
                    Ok(false) => return slot,
                    Ok(true) => {}
                    Err(e) => raise(e),
                }
                let ahead = may_look_ahead && !missing.is_empty() && self.may_look_ahead();
                if ahead {
                    self.look_ahead(slot, &mut missing);
                }
                if !missing.is_empty() {
                    self.demand.make(self.root(), &missing);
                }
                self.refresh();
                if ahead {
                    // the source has moved on: this row comes out of the store again
                    return self.replay();
                }
            }
        }
    }

    unsafe fn may_look_ahead(&mut self) -> bool {
        if let Some(known) = self.ahead {
            return known;
        }
        // SAFETY: the node is initialised
        let allowed = unsafe { router_ahead::allowed(self.node) };
        self.ahead = Some(allowed);
        allowed
    }

    /// Takes this row and those that follow, and looks which chunks they need.
    unsafe fn look_ahead(
        &mut self,
        first: *mut pg_sys::TupleTableSlot,
        missing: &mut BTreeSet<i64>,
    ) {
        // SAFETY: the executor's own structures; the store lives as long as the query
        unsafe {
            let query = (*self.estate()).es_query_cxt;
            let old = pg_sys::MemoryContextSwitchTo(query);
            self.store = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
            pg_sys::MemoryContextSwitchTo(old);
            let mut bytes = self.keep(first);
            for _ in 1..router_ahead::ROWS {
                if bytes > router_ahead::BYTES || self.demand.room() <= missing.len() {
                    break;
                }
                let row = self.next_of_source();
                if is_empty(row) {
                    self.source_ended = true;
                    break;
                }
                bytes += self.keep(row);
                // what is wrong with a row is said when it is its turn
                if self.survey(row, missing).is_err() {
                    break;
                }
            }
        }
    }

    /// Makes the statement look at the list of partitions again.
    ///
    /// # Safety
    /// Between two rows only.
    pub(super) unsafe fn refresh(&mut self) {
        // SAFETY: the executor's own structures. What is replaced lives on until the end
        unsafe {
            let estate = self.estate();
            self.demand.routing_is_new();
            let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let directory = (*estate).es_partition_directory;
            if !directory.is_null() {
                self.old_directories = pg_sys::lappend(self.old_directories, directory.cast());
                (*estate).es_partition_directory = std::ptr::null_mut();
            }
            self.renew_routing();
            self.refreshes += 1;
            pg_sys::MemoryContextSwitchTo(old);
        }
    }

    /// A new routing out of the estate's directory, in the current memory context.
    pub(super) unsafe fn renew_routing(&mut self) {
        // SAFETY: between two rows; the old one lives on until the end
        unsafe {
            let estate = self.estate();
            let routing = (*self.node).mt_partition_tuple_routing;
            // an UPDATE that has moved no row yet has none
            if !routing.is_null() {
                self.old_routings = pg_sys::lappend(self.old_routings, routing.cast());
                (*self.node).mt_partition_tuple_routing =
                    ffi::ExecSetupPartitionTupleRouting(estate, self.root());
            }
            self.directory = (*estate).es_partition_directory;
        }
    }

    /// Another part of this statement that writes to the same table has made chunks: the estate's list of
    /// partitions is another one now, and the routing must not know less than it.
    pub(super) unsafe fn follow_directory(&mut self) {
        // SAFETY: between two rows; the executor's own structures
        unsafe {
            let estate = self.estate();
            if self.directory == (*estate).es_partition_directory {
                return;
            }
            self.demand.routing_is_new();
            let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            self.renew_routing();
            pg_sys::MemoryContextSwitchTo(old);
        }
    }

    /// Puts a row into the store; returns its size in bytes.
    unsafe fn keep(&mut self, slot: *mut pg_sys::TupleTableSlot) -> usize {
        // SAFETY: a row of the source
        unsafe {
            pg_sys::tuplestore_puttupleslot(self.store, slot);
            pg_sys::slot_getallattrs(slot);
            pg_sys::heap_compute_data_size(
                (*slot).tts_tupleDescriptor,
                (*slot).tts_values,
                (*slot).tts_isnull,
            )
        }
    }

    #[allow(
        ffi_unwind_calls,
        reason = "an error of the source stops at the boundary"
    )]
    unsafe fn next_of_source(&mut self) -> *mut pg_sys::TupleTableSlot {
        pgrx::check_for_interrupts!();
        // SAFETY: as ExecProcNode, which is a macro
        unsafe {
            match (*self.child).ExecProcNode {
                Some(next) => pg_guard_ffi_boundary(|| next(self.child)),
                None => std::ptr::null_mut(),
            }
        }
    }

    unsafe fn replay(&mut self) -> *mut pg_sys::TupleTableSlot {
        // SAFETY: the router's own slots and store
        unsafe {
            if self.stored_row.is_null() {
                self.make_slots();
            }
            let out = self.replayed_row;
            if !pg_sys::tuplestore_gettupleslot(self.store, true, false, self.stored_row) {
                pg_sys::ExecClearTuple(self.stored_row);
                pg_sys::ExecClearTuple(out);
                pg_sys::tuplestore_end(self.store);
                self.store = std::ptr::null_mut();
                return std::ptr::null_mut();
            }
            // in the form of the source's rows, for which the statement's expressions are compiled
            pg_sys::ExecCopySlot(out, self.stored_row);
            self.settle(out, false)
        }
    }

    unsafe fn make_slots(&mut self) {
        // SAFETY: the executor's own structures
        unsafe {
            let (estate, desc) = (self.estate(), (*self.child).ps_ResultTupleDesc);
            let mut fixed = false;
            let ops = pg_sys::ExecGetResultSlotOps(self.child, &mut fixed);
            let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            self.stored_row =
                pg_sys::ExecInitExtraTupleSlot(estate, desc, &raw const pg_sys::TTSOpsMinimalTuple);
            self.replayed_row = pg_sys::ExecInitExtraTupleSlot(estate, desc, ops);
            pg_sys::MemoryContextSwitchTo(old);
        }
    }

    /// Reads the whole source into `store` and collects the chunks that its rows need.
    ///
    /// # Safety
    /// The statement must have been started, and no row of it read.
    pub(super) unsafe fn collect(
        &mut self,
        store: *mut pg_sys::Tuplestorestate,
    ) -> (Demand, BTreeSet<i64>) {
        // SAFETY: promised by the caller
        unsafe {
            let estate = self.estate();
            let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            self.store = store;
            if !self.merge.is_null() {
                (*self.merge).guess = true;
            }
            let mut missing = BTreeSet::new();
            loop {
                let per_row = (*estate).es_per_tuple_exprcontext;
                if !per_row.is_null() {
                    pg_sys::MemoryContextReset((*per_row).ecxt_per_tuple_memory);
                }
                let row = self.next_of_source();
                if is_empty(row) {
                    break;
                }
                pg_sys::tuplestore_puttupleslot(store, row);
                let outcome: Result<bool> = self.survey(row, &mut missing);
                if let Err(e) = outcome {
                    raise(e);
                }
            }
            self.source_ended = true;
            self.store = std::ptr::null_mut();
            pg_sys::MemoryContextSwitchTo(old);
            (self.demand, missing)
        }
    }
}
