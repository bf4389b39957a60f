//! A node that is put between a ModifyTable and its source, after both were initialised. It was never planned.

use super::demand::raise;
use super::{custom_node, list};
use crate::error::Error;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What ModifyTable calls for each row. No destructor may live in its frame: an error of the source jumps over it.
pub(super) type NextRow =
    unsafe extern "C-unwind" fn(*mut pg_sys::PlanState) -> *mut pg_sys::TupleTableSlot;
/// EndCustomScan
pub(super) type End = unsafe extern "C-unwind" fn(*mut pg_sys::CustomScanState);
/// ExplainCustomScan
pub(super) type Explain = unsafe extern "C-unwind" fn(
    *mut pg_sys::CustomScanState,
    *mut pg_sys::List,
    *mut pg_sys::ExplainState,
);

/// A kind of such nodes.
pub(super) struct PlacedNode {
    scan: pg_sys::CustomScanMethods,
    exec: pg_sys::CustomExecMethods,
    next: NextRow,
    /// the plan node of all that nobody explains
    bare_plan: AtomicPtr<pg_sys::CustomScan>,
}

// SAFETY: names and function pointers; the pointer is atomic, and what it points to is never changed
unsafe impl Sync for PlacedNode {}

impl PlacedNode {
    pub(super) const fn new(
        name: &'static CStr,
        next: NextRow,
        end: End,
        explain: Option<Explain>,
    ) -> Self {
        PlacedNode {
            scan: pg_sys::CustomScanMethods {
                CustomName: name.as_ptr(),
                CreateCustomScanState: None,
            },
            exec: pg_sys::CustomExecMethods {
                EndCustomScan: Some(end),
                ReScanCustomScan: Some(rescan),
                ExplainCustomScan: explain,
                ..custom_node::no_callbacks(name)
            },
            next,
            bare_plan: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Puts a zeroed `S` between the node and its source; it lives as long as the query.
    ///
    /// # Safety
    /// `S` must begin with a CustomScanState, and zeroes must be a valid `S`, but for what the caller writes at
    /// once; `node` must be initialised and not yet run.
    pub(super) unsafe fn put_under<S>(
        &'static self,
        node: *mut pg_sys::ModifyTableState,
    ) -> *mut S {
        // SAFETY: promised by the caller; the executor's own structures
        unsafe {
            let estate = (*node).ps.state;
            let child = (*node).ps.lefttree;
            let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let state = pg_sys::palloc0(size_of::<S>()).cast::<S>();
            let css = state.cast::<pg_sys::CustomScanState>();
            put_above(css, child, self.plan(child), self.next);
            (*css).methods = &self.exec;
            (*node).ps.lefttree = &raw mut (*css).ss.ps;
            pg_sys::MemoryContextSwitchTo(old);
            state
        }
    }

    /// A plan node for EXPLAIN. Its columns point to those of the source: copies of the source's own target
    /// list would be looked up in the wrong place.
    unsafe fn plan(&'static self, child: *mut pg_sys::PlanState) -> *mut pg_sys::Plan {
        // SAFETY: the source's plan; a leaked node is never freed
        unsafe {
            if (*(*child).state).es_instrument == 0 {
                return self.bare_plan();
            }
            let source = (*child).plan;
            let size = size_of::<pg_sys::CustomScan>();
            let node = pg_sys::palloc0(size).cast::<pg_sys::CustomScan>();
            let plan = &raw mut (*node).scan.plan;
            (*plan).type_ = pg_sys::NodeTag::T_CustomScan;
            (*plan).startup_cost = (*source).startup_cost;
            (*plan).total_cost = (*source).total_cost;
            (*plan).plan_rows = (*source).plan_rows;
            (*plan).plan_width = (*source).plan_width;
            (*plan).plan_node_id = -1;
            (*plan).lefttree = source;
            (*node).methods = &self.scan;
            for entry in list::pointers::<pg_sys::TargetEntry>((*source).targetlist) {
                let expr = (*entry).expr.cast::<pg_sys::Node>();
                let var = pg_sys::makeVar(
                    pg_sys::OUTER_VAR as _,
                    (*entry).resno,
                    pg_sys::exprType(expr),
                    pg_sys::exprTypmod(expr),
                    pg_sys::exprCollation(expr),
                    0,
                );
                let column = pg_sys::makeTargetEntry(
                    var.cast(),
                    (*entry).resno,
                    (*entry).resname,
                    (*entry).resjunk,
                );
                (*plan).targetlist = pg_sys::lappend((*plan).targetlist, column.cast());
            }
            plan
        }
    }

    unsafe fn bare_plan(&'static self) -> *mut pg_sys::Plan {
        let bare = self.bare_plan.load(Ordering::Relaxed);
        if !bare.is_null() {
            return bare.cast();
        }
        // SAFETY: zeroes are an empty node; it is never freed
        unsafe {
            let mut node = Box::new(std::mem::zeroed::<pg_sys::CustomScan>());
            node.scan.plan.type_ = pg_sys::NodeTag::T_CustomScan;
            node.scan.plan.plan_node_id = -1;
            node.methods = &self.scan;
            let node = Box::into_raw(node);
            self.bare_plan.store(node, Ordering::Relaxed);
            node.cast()
        }
    }
}

/// Makes of a zeroed state a node that asks `child` and hands on its rows as they are, in `next`.
///
/// # Safety
/// `css` must lie in the query's memory, which is current; `child` must be initialised and not yet run.
unsafe fn put_above(
    css: *mut pg_sys::CustomScanState,
    child: *mut pg_sys::PlanState,
    plan: *mut pg_sys::Plan,
    next: NextRow,
) {
    // SAFETY: promised by the caller
    unsafe {
        let estate = (*child).state;
        let ps = &raw mut (*css).ss.ps;
        (*ps).type_ = pg_sys::NodeTag::T_CustomScanState;
        (*ps).state = estate;
        (*ps).plan = plan;
        (*ps).lefttree = child;
        // what the node's expressions are compiled for, now and when a partition is first met
        (*ps).resultops = (*child).resultops;
        (*ps).resultopsfixed = (*child).resultopsfixed;
        (*ps).resultopsset = (*child).resultopsset;
        (*ps).ps_ResultTupleDesc = (*child).ps_ResultTupleDesc;
        // PostgreSQL 15 clears two slots at the end without looking: one that is there twice will do
        let mut slot = (*child).ps_ResultTupleSlot;
        if slot.is_null() {
            let mut fixed = false;
            (*ps).resultops = pg_sys::ExecGetResultSlotOps(child, &mut fixed);
            (*ps).resultopsfixed = fixed;
            (*ps).resultopsset = true;
            slot = pg_sys::ExecInitExtraTupleSlot(
                estate,
                (*child).ps_ResultTupleDesc,
                (*ps).resultops,
            );
        }
        (*ps).ps_ResultTupleSlot = slot;
        (*css).ss.ss_ScanTupleSlot = slot;
        (*ps).ExecProcNode = Some(next);
        (*ps).ExecProcNodeReal = Some(next);
        if (*estate).es_instrument != 0 {
            (*ps).instrument = pg_sys::InstrAlloc(1, (*estate).es_instrument, false);
            pg_sys::ExecSetExecProcNode(ps, Some(next));
        }
    }
}

/// # Safety
/// `slot` must be NULL or a slot.
#[inline]
pub(super) unsafe fn is_empty(slot: *const pg_sys::TupleTableSlot) -> bool {
    // SAFETY: promised by the caller
    slot.is_null() || unsafe { (*slot).tts_flags } & pg_sys::TTS_FLAG_EMPTY as u16 != 0
}

/// ModifyTable is never run twice.
#[pg_guard]
unsafe extern "C-unwind" fn rescan(_state: *mut pg_sys::CustomScanState) {
    raise(Error::internal(
        "a node below ModifyTable that routes or opens was run twice",
    ));
}
