//! ColdAgg: the executor node that gives states of aggregates over a cold chunk.

use super::cold_agg_run::Run;
use super::cold_run::Skip;
use super::cold_state::raise;
use super::{explain, list};
use crate::cold::aggregate::Output;
use pgrx::{pg_guard, pg_sys};

struct ScanMethods(pg_sys::CustomScanMethods);
// SAFETY: constants: a name and a function pointer
unsafe impl Sync for ScanMethods {}
struct ExecMethods(pg_sys::CustomExecMethods);
// SAFETY: as above
unsafe impl Sync for ExecMethods {}

static SCAN_METHODS: ScanMethods = ScanMethods(pg_sys::CustomScanMethods {
    CustomName: c"ColdAgg".as_ptr(),
    CreateCustomScanState: Some(create_state),
});

static EXEC_METHODS: ExecMethods = ExecMethods(pg_sys::CustomExecMethods {
    CustomName: c"ColdAgg".as_ptr(),
    BeginCustomScan: Some(begin),
    ExecCustomScan: Some(exec),
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain_node),
});

/// What a plan node points to.
pub fn scan_methods() -> *const pg_sys::CustomScanMethods {
    &SCAN_METHODS.0
}

/// Makes the node known, so that plans can be copied to parallel workers.
pub fn register() {
    // SAFETY: registers a static once per process
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN_METHODS.0) }
}

#[repr(C)]
struct ColdAggState {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context through a reset callback
    run: *mut Run,
}

#[pg_guard]
unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: a fresh node of the size of our struct, which begins with PostgreSQL's
    unsafe {
        let state = pg_sys::palloc0(size_of::<ColdAggState>()).cast::<ColdAggState>();
        (*state).css.ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).css.methods = &EXEC_METHODS.0;
        state.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn drop_run(arg: *mut core::ffi::c_void) {
    // SAFETY: the pointer that begin() leaked; the context calls back once
    drop(unsafe { Box::from_raw(arg.cast::<Run>()) });
}

/// # Safety
/// A node of ours.
unsafe fn child(node: *mut pg_sys::CustomScanState) -> *mut pg_sys::PlanState {
    // SAFETY: promised by the caller
    let mut children = unsafe { list::pointers((*node).custom_ps) };
    children.next().unwrap_or(std::ptr::null_mut())
}

#[pg_guard]
unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    flags: i32,
) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        for below in list::pointers::<pg_sys::Plan>((*plan).custom_plans) {
            let state = pg_sys::ExecInitNode(below, estate, flags);
            (*node).custom_ps = pg_sys::lappend((*node).custom_ps, state.cast());
        }
        let numbers = list::pointers::<pg_sys::List>((*plan).custom_private).nth(1);
        let mut numbers = numbers
            .map(|l| list::integers(l))
            .unwrap_or_default()
            .into_iter();
        let outputs: Vec<Output> = std::iter::from_fn(|| Output::read(&mut numbers)).collect();
        let run = Run::new(outputs, child(node), (*node).ss.ss_ScanTupleSlot);
        let run = Box::into_raw(Box::new(run.unwrap_or_else(|e| raise(e))));
        (*node.cast::<ColdAggState>()).run = run;
        // ERROR skips EndCustomScan: the context's end closes the file in any case
        let callback = pg_sys::MemoryContextAllocZero(
            (*estate).es_query_cxt,
            size_of::<pg_sys::MemoryContextCallback>(),
        )
        .cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(drop_run);
        (*callback).arg = run.cast();
        pg_sys::MemoryContextRegisterResetCallback((*estate).es_query_cxt, callback);
    }
}

/// Not by way of ExecScan: when a row is looked at again (EvalPlanQual) that gives nodes without a table
/// of their own no row at all.
#[pg_guard]
unsafe extern "C-unwind" fn exec(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let context = (*node).ss.ps.ps_ExprContext;
        let memory = (*context).ecxt_per_tuple_memory;
        pg_sys::MemoryContextReset(memory);
        let run = &mut *(*node.cast::<ColdAggState>()).run;
        let found = run.next(memory).unwrap_or_else(|e| raise(e));
        let projection = (*node).ss.ps.ps_ProjInfo;
        if !found {
            return std::ptr::null_mut();
        }
        let slot = (*node).ss.ss_ScanTupleSlot;
        if projection.is_null() {
            return slot;
        }
        (*context).ecxt_scantuple = slot;
        pg_sys::ExecProject(projection)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let child = child(node);
        if !(*node).ss.ps.chgParam.is_null() {
            pg_sys::UpdateChangedParamSet(child, (*node).ss.ps.chgParam);
        }
        let anew = !(*child).chgParam.is_null();
        // otherwise its first row rescans it
        if !anew {
            pg_sys::ExecReScan(child);
        }
        (*(*node.cast::<ColdAggState>()).run).restart(anew);
        pg_sys::ExecScanReScan(&mut (*node).ss);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        (*(*node.cast::<ColdAggState>()).run).end();
        pg_sys::ExecEndNode(child(node));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn explain_node(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let run = &*(*node.cast::<ColdAggState>()).run;
        if run.scan().skipped != Some(Skip::Aggregated) {
            explain::text(es, c"Cold Aggregates", "none, see below");
        } else if run.from_manifest {
            explain::text(es, c"Cold Aggregates", "from the manifest");
        } else {
            let m = &run.manifest;
            let name = m.key.rsplit('/').next().unwrap_or(&m.key);
            let size = explain::human_bytes(m.bytes);
            explain::text(
                es,
                c"Cold File",
                &format!("{name} on {} ({size})", m.server),
            );
            explain::text(es, c"Cold SQL", &run.sql);
        }
        if !(*es).analyze {
            return;
        }
        let instrument = (*node).ss.ps.instrument;
        if !run.started {
            let ran = !instrument.is_null() && (*instrument).nloops > 0.0;
            if ran {
                // its counters died with the worker
                explain::text(es, c"Read By", "parallel worker");
            }
            return;
        }
        explain::integer(es, c"States of File", run.groups);
        explain::integer(es, c"GETs", run.stats.gets as i64);
        explain::integer(es, c"Bytes", run.stats.bytes as i64);
        explain::integer(es, c"Cache Hits", run.stats.cache_hits as i64);
        if (*es).timing {
            explain::millis(es, c"Store Wait", run.stats.wait_us as f64 / 1000.0);
        }
    }
}
