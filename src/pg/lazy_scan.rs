//! LazyScan: the executor node that reads a hypertable window by window in the order of its key.

use super::lazy_plan::Facts;
use super::lazy_window::Run;
use super::list;
use crate::error::Error;
use pgrx::{pg_guard, pg_sys};

struct ScanMethods(pg_sys::CustomScanMethods);
// SAFETY: constants: a name and a function pointer
unsafe impl Sync for ScanMethods {}
struct ExecMethods(pg_sys::CustomExecMethods);
// SAFETY: as above
unsafe impl Sync for ExecMethods {}

static SCAN_METHODS: ScanMethods = ScanMethods(pg_sys::CustomScanMethods {
    CustomName: c"LazyScan".as_ptr(),
    CreateCustomScanState: Some(create_state),
});

static EXEC_METHODS: ExecMethods = ExecMethods(pg_sys::CustomExecMethods {
    CustomName: c"LazyScan".as_ptr(),
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
pub(super) fn scan_methods() -> *const pg_sys::CustomScanMethods {
    &SCAN_METHODS.0
}

/// Makes the node known, so that plans can be read back.
pub fn register() {
    // SAFETY: registers a static once per process
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN_METHODS.0) }
}

#[repr(C)]
struct LazyState {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context through a reset callback
    run: *mut Run,
}

#[pg_guard]
unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: a fresh node of the size of our struct, which begins with PostgreSQL's
    unsafe {
        let state = pg_sys::palloc0(size_of::<LazyState>()).cast::<LazyState>();
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

#[pg_guard]
unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    flags: i32,
) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let state = node.cast::<LazyState>();
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let mut private = list::pointers::<pg_sys::Node>((*plan).custom_private);
        let (Some(query), Some(ints)) = (private.next(), private.next()) else {
            super::cold_state::raise(Error::internal("a LazyScan without its query"));
        };
        let Some(facts) = Facts::from_ints(&list::integers(ints.cast())) else {
            super::cold_state::raise(Error::internal("a LazyScan without its facts"));
        };
        let exprs: Vec<*mut pg_sys::Expr> = list::pointers((*plan).custom_exprs).collect();
        let columns = if (*plan).custom_scan_tlist.is_null() {
            0
        } else {
            (*(*plan).custom_scan_tlist).length
        };
        let explain_only = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0;
        let run = Run::new(
            node,
            estate,
            facts,
            query.cast(),
            &exprs,
            columns,
            explain_only,
        );
        let run = Box::into_raw(Box::new(run));
        (*state).run = run;
        // ERROR skips EndCustomScan: the context's end frees what Rust holds in any case
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

/// Not ExecScan: when a row is looked at again after a concurrent update, minor versions before 15.14 take
/// each node without a table of its own for a join of which the row is known, and would get none here.
#[pg_guard]
unsafe extern "C-unwind" fn exec(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let context = (*node).ss.ps.ps_ExprContext;
        pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
        let slot = (*(*node.cast::<LazyState>()).run).next((*node).ss.ss_ScanTupleSlot);
        let projection = (*node).ss.ps.ps_ProjInfo;
        if projection.is_null() {
            return slot;
        }
        if ((*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16) != 0 {
            return pg_sys::ExecClearTuple((*projection).pi_state.resultslot);
        }
        (*context).ecxt_scantuple = slot;
        pg_sys::ExecProject(projection)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        (*(*node.cast::<LazyState>()).run).restart();
        pg_sys::ExecScanReScan(&mut (*node).ss);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe { (*(*node.cast::<LazyState>()).run).finish() }
}

#[pg_guard]
unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let run = &*(*node.cast::<LazyState>()).run;
        super::explain::text(es, c"Hypertable", &run.table_name());
        super::explain::text(es, c"Order", &run.order());
        if (*es).analyze {
            super::explain::integer(es, c"Windows Read", run.windows_read);
            super::explain::integer(es, c"Windows Planned", run.windows_planned);
            super::explain::integer(es, c"Chunks in Windows", run.chunks_read);
        }
    }
}
