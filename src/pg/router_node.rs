//! The router: a node between ModifyTable and its source that sees to it that each row has a chunk.
//!
//! As long as rows stay in the chunk of the row before, it costs one comparison: the function that the
//! executor calls is a plain C frame without destructors, so errors of the source may pass it as they
//! pass C, and nothing is guarded, allocated or looked up. When a chunk is missing, one maker makes it,
//! and the statement's routing is built anew, because the server looks at the partitions only once.

use super::demand::{Demand, Located, raise};
use super::router_key::Keys;
use super::router_merge::{self, MergeKeys};
use super::router_store::{replay, settle};
use super::{explain, ffi, list};
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicPtr, Ordering};

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

struct ScanMethods(pg_sys::CustomScanMethods);
// SAFETY: constants: a name and function pointers
unsafe impl Sync for ScanMethods {}
struct ExecMethods(pg_sys::CustomExecMethods);
// SAFETY: as above
unsafe impl Sync for ExecMethods {}

static SCAN_METHODS: ScanMethods = ScanMethods(pg_sys::CustomScanMethods {
    CustomName: c"ChunkRouter".as_ptr(),
    CreateCustomScanState: None,
});

static EXEC_METHODS: ExecMethods = ExecMethods(pg_sys::CustomExecMethods {
    CustomName: c"ChunkRouter".as_ptr(),
    BeginCustomScan: None,
    ExecCustomScan: None,
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(show),
});

/// The plan node of every router that nobody explains.
static BARE_PLAN: AtomicPtr<pg_sys::CustomScan> = AtomicPtr::new(std::ptr::null_mut());

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
        let estate = (*node).ps.state;
        let child = (*node).ps.lefttree;
        let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
        let router = pg_sys::palloc0(size_of::<Router>()).cast::<Router>();
        let explained = (*estate).es_instrument != 0;
        let shown = plan(child, explained, &SCAN_METHODS.0, &BARE_PLAN);
        put_above(&raw mut (*router).css, child, shown, exec);
        (*router).css.methods = &EXEC_METHODS.0;
        (*router).child = child;
        (*router).node = node;
        (*router).demand = demand;
        (*router).directory = (*estate).es_partition_directory;
        // zero bytes would be an answer
        (&raw mut (*router).ahead).write(None);
        match keys {
            Keys::Column(column) => (*router).column = column,
            Keys::Merge(merge) => (*router).merge = merge,
            Keys::Unknown => (*router).column = -1,
        }
        (*node).ps.lefttree = &raw mut (*router).css.ss.ps;
        pg_sys::MemoryContextSwitchTo(old);
        router
    }
}

/// Makes of a zeroed state a node that asks `child` and hands on its rows as they are, in `exec`.
///
/// # Safety
/// `css` must lie in the query's memory, which is current; `child` must be initialised and not yet run.
pub(super) unsafe fn put_above(
    css: *mut pg_sys::CustomScanState,
    child: *mut pg_sys::PlanState,
    plan_node: *mut pg_sys::Plan,
    exec: unsafe extern "C-unwind" fn(*mut pg_sys::PlanState) -> *mut pg_sys::TupleTableSlot,
) {
    // SAFETY: promised by the caller
    unsafe {
        let estate = (*child).state;
        let ps = &raw mut (*css).ss.ps;
        (*ps).type_ = pg_sys::NodeTag::T_CustomScanState;
        (*ps).state = estate;
        (*ps).plan = plan_node;
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
        (*ps).ExecProcNode = Some(exec);
        (*ps).ExecProcNodeReal = Some(exec);
        if (*estate).es_instrument != 0 {
            (*ps).instrument = pg_sys::InstrAlloc(1, (*estate).es_instrument, false);
            pg_sys::ExecSetExecProcNode(ps, Some(exec));
        }
    }
}

/// A plan node for EXPLAIN. Its columns point to those of the source: copies of the source's own target
/// list would be looked up in the wrong place.
pub(super) unsafe fn plan(
    child: *mut pg_sys::PlanState,
    explained: bool,
    methods: *const pg_sys::CustomScanMethods,
    bare_plan: &AtomicPtr<pg_sys::CustomScan>,
) -> *mut pg_sys::Plan {
    // SAFETY: the source's plan; a leaked node is never freed
    unsafe {
        if !explained {
            let bare = bare_plan.load(Ordering::Relaxed);
            if !bare.is_null() {
                return bare.cast();
            }
            let mut node = Box::new(std::mem::zeroed::<pg_sys::CustomScan>());
            node.scan.plan.type_ = pg_sys::NodeTag::T_CustomScan;
            node.scan.plan.plan_node_id = -1;
            node.methods = methods;
            let node = Box::into_raw(node);
            bare_plan.store(node, Ordering::Relaxed);
            return node.cast();
        }
        let source = (*child).plan;
        let node = pg_sys::palloc0(size_of::<pg_sys::CustomScan>()).cast::<pg_sys::CustomScan>();
        let plan = &raw mut (*node).scan.plan;
        (*plan).type_ = pg_sys::NodeTag::T_CustomScan;
        (*plan).startup_cost = (*source).startup_cost;
        (*plan).total_cost = (*source).total_cost;
        (*plan).plan_rows = (*source).plan_rows;
        (*plan).plan_width = (*source).plan_width;
        (*plan).plan_node_id = -1;
        (*plan).lefttree = source;
        (*node).methods = methods;
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

/// # Safety
/// `slot` must be NULL or a slot.
#[inline]
pub(super) unsafe fn is_empty(slot: *const pg_sys::TupleTableSlot) -> bool {
    // SAFETY: promised by the caller
    slot.is_null() || unsafe { (*slot).tts_flags } & pg_sys::TTS_FLAG_EMPTY as u16 != 0
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

/// ModifyTable is never run twice.
#[pg_guard]
unsafe extern "C-unwind" fn rescan(_state: *mut pg_sys::CustomScanState) {
    raise(crate::error::Error::internal("a router was run twice"));
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
