//! GapFill: the executor node above an aggregate that puts in the rows of empty buckets.

use super::cold_state::raise;
use super::gapfill_run::Run;
use super::{explain, list};
use pgrx::{pg_guard, pg_sys};

struct ScanMethods(pg_sys::CustomScanMethods);
// SAFETY: constants: a name and a function pointer
unsafe impl Sync for ScanMethods {}
struct ExecMethods(pg_sys::CustomExecMethods);
// SAFETY: as above
unsafe impl Sync for ExecMethods {}

static SCAN_METHODS: ScanMethods = ScanMethods(pg_sys::CustomScanMethods {
    CustomName: c"GapFill".as_ptr(),
    CreateCustomScanState: Some(create_state),
});

static EXEC_METHODS: ExecMethods = ExecMethods(pg_sys::CustomExecMethods {
    CustomName: c"GapFill".as_ptr(),
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
    ExplainCustomScan: Some(explain),
});

/// What a plan node points to.
pub fn scan_methods() -> *const pg_sys::CustomScanMethods {
    &SCAN_METHODS.0
}

/// Makes the node known, so that plans can be read.
pub fn register() {
    // SAFETY: registers a static once per process
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN_METHODS.0) }
}

#[repr(C)]
struct GapFillState {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context through a reset callback
    run: *mut Run,
}

#[pg_guard]
unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: a fresh node of the size of our struct, which begins with PostgreSQL's
    unsafe {
        let state = pg_sys::palloc0(size_of::<GapFillState>()).cast::<GapFillState>();
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
        let scan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        for plan in list::pointers::<pg_sys::Plan>((*scan).custom_plans) {
            let state = pg_sys::ExecInitNode(plan, estate, flags);
            (*node).custom_ps = pg_sys::lappend((*node).custom_ps, state.cast());
        }
        let run = Run::new(node, estate, child(node)).unwrap_or_else(|e| raise(e));
        let run = Box::into_raw(Box::new(run));
        (*node.cast::<GapFillState>()).run = run;
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

#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut pg_sys::ScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let run = &mut *(*node.cast::<GapFillState>()).run;
        match run.next_row() {
            Ok(true) => (*node).ss_ScanTupleSlot,
            Ok(false) => std::ptr::null_mut(),
            Err(e) => raise(e),
        }
    }
}

/// Rows are computed, not read: nothing can have changed.
#[pg_guard]
unsafe extern "C-unwind" fn recheck(
    _node: *mut pg_sys::ScanState,
    _slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn exec(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node
    unsafe { pg_sys::ExecScan(&mut (*node).ss, Some(next), Some(recheck)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        (*(*node.cast::<GapFillState>()).run).restart();
        let child = child(node);
        if !(*node).ss.ps.chgParam.is_null() {
            pg_sys::UpdateChangedParamSet(child, (*node).ss.ps.chgParam);
        }
        // otherwise its first row rescans it
        if (*child).chgParam.is_null() {
            pg_sys::ExecReScan(child);
        }
        pg_sys::ExecScanReScan(&mut (*node).ss);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        (*(*node.cast::<GapFillState>()).run).end();
        pg_sys::ExecEndNode(child(node));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let run = &*(*node.cast::<GapFillState>()).run;
        let plan = (*node).ss.ps.plan;
        let bucket = (*plan.cast::<pg_sys::CustomScan>()).custom_scan_tlist;
        if let Some(entry) = list::pointers::<pg_sys::TargetEntry>(bucket).nth(run.bucket_column())
        {
            let context = pg_sys::set_deparse_context_plan((*es).deparse_cxt, plan, ancestors);
            let expr = (*entry).expr.cast();
            let text = pg_sys::deparse_expression(expr, context, true, false);
            explain::text(
                es,
                c"Bucket",
                &std::ffi::CStr::from_ptr(text).to_string_lossy(),
            );
        }
        if (*es).analyze {
            explain::integer(es, c"Series", run.series);
            explain::integer(es, c"Filled Rows", run.filled);
        }
    }
}
