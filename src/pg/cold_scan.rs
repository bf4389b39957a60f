//! ColdScan: the executor node that reads a chunk from its file, then the stub's own rows.

use super::cold_ahead::Statement;
use super::cold_datum::Codec;
use super::cold_run::{Phase, Scan, missing_values};
use super::cold_state::{self, StubScan, raise};
use super::{cold_dump, cold_prefetch, list};
use crate::cold::manifest::ChunkState;
use crate::cold::pushdown::{self, Condition, Op, Order};
use crate::error::{Error, Result};
use pgrx::{pg_guard, pg_sys};

struct ScanMethods(pg_sys::CustomScanMethods);
// SAFETY: constants: a name and a function pointer
unsafe impl Sync for ScanMethods {}
struct ExecMethods(pg_sys::CustomExecMethods);
// SAFETY: as above
unsafe impl Sync for ExecMethods {}

static SCAN_METHODS: ScanMethods = ScanMethods(pg_sys::CustomScanMethods {
    CustomName: c"ColdScan".as_ptr(),
    CreateCustomScanState: Some(create_state),
});

static EXEC_METHODS: ExecMethods = ExecMethods(pg_sys::CustomExecMethods {
    CustomName: c"ColdScan".as_ptr(),
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

/// Makes the node known, so that plans can be copied to parallel workers.
pub fn register() {
    // SAFETY: registers a static once per process
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN_METHODS.0) }
}

#[repr(C)]
struct ColdScanState {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context through a reset callback
    scan: *mut Scan,
}

#[pg_guard]
unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: a fresh node of the size of our struct, which begins with PostgreSQL's
    unsafe {
        let state = pg_sys::palloc0(size_of::<ColdScanState>()).cast::<ColdScanState>();
        (*state).css.ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).css.methods = &EXEC_METHODS.0;
        state.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn drop_scan(arg: *mut core::ffi::c_void) {
    // SAFETY: the pointer that begin() leaked; the context calls back once
    drop(unsafe { Box::from_raw(arg.cast::<Scan>()) });
}

#[pg_guard]
unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    _flags: i32,
) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let state = node.cast::<ColdScanState>();
        let rel = (*node).ss.ss_currentRelation;
        let ChunkState::Cold(manifest) = cold_state::of((*rel).rd_id) else {
            raise(Error::internal(format!(
                "a plan expects chunk \"{}\" to be cold",
                super::catalog::relation_name((*rel).rd_id).unwrap_or_default()
            )));
        };
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let mut private = list::pointers::<pg_sys::List>((*plan).custom_private);
        let mut next = || list::integers(private.next().unwrap_or(std::ptr::null_mut()));
        let order = read_order(&next());
        let conditions = read_conditions(&next(), (*rel).rd_att);
        let needed = needed_columns(plan, (*rel).rd_att);
        let params = list::pointers::<pg_sys::Expr>((*plan).custom_exprs)
            .map(|expr| {
                let codec = Codec::new(pg_sys::exprType(expr.cast()), -1);
                (pg_sys::ExecInitExpr(expr, &mut (*node).ss.ps), codec)
            })
            .collect();
        let missing = missing_values(&manifest, (*rel).rd_att, (*(*rel).rd_rel).relowner, &needed);
        let missing = missing.unwrap_or_else(|e| raise(e));
        let pushed = if super::guc::COLD_PUSHDOWN.get() {
            conditions.as_slice()
        } else {
            &[]
        };
        let query = pushdown::select(&manifest, &needed, pushed, order);
        let scan = Box::into_raw(Box::new(Scan {
            needed,
            order,
            params,
            missing,
            query,
            reader: None,
            phase: Phase::NotStarted,
            stub_slot: pg_sys::table_slot_create(rel, &mut (*estate).es_tupleTable),
            owner: (*(*rel).rd_rel).relowner,
            rows_read: 0,
            half: ((*plan).scan.plan.plan_rows / 2.0).max(1.0) as i64,
            started: false,
            conditions: pushed.to_vec(),
            manifest,
        }));
        (*state).scan = scan;
        // ERROR skips EndCustomScan: the context's end closes the file in any case
        let callback = pg_sys::MemoryContextAllocZero(
            (*estate).es_query_cxt,
            size_of::<pg_sys::MemoryContextCallback>(),
        )
        .cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(drop_scan);
        (*callback).arg = scan.cast();
        pg_sys::MemoryContextRegisterResetCallback((*estate).es_query_cxt, callback);
        cold_prefetch::register(node, ahead);
    }
}

/// What this scan would ask its file for, before it starts.
unsafe fn ahead(node: *mut pg_sys::CustomScanState) -> Result<Option<Statement>> {
    // SAFETY: a registered node of ours, initialised by begin()
    unsafe {
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        if cold_dump::leaves_file_out((*(*node).ss.ss_currentRelation).rd_id) {
            return Ok(None);
        }
        Ok(Some(scan.ahead(node)))
    }
}

/// Attribute numbers that the target list or a condition mentions; a whole-row reference needs all.
///
/// Read off the finished plan: the planner may give the node another target list after making it.
unsafe fn needed_columns(plan: *const pg_sys::CustomScan, desc: pg_sys::TupleDesc) -> Vec<i16> {
    // SAFETY: a finished plan node and the descriptor of its relation
    unsafe {
        let mut set = std::ptr::null_mut();
        let relid = (*plan).scan.scanrelid;
        pg_sys::pull_varattnos((*plan).scan.plan.targetlist.cast(), relid, &mut set);
        pg_sys::pull_varattnos((*plan).scan.plan.qual.cast(), relid, &mut set);
        let first = pg_sys::FirstLowInvalidHeapAttributeNumber;
        let whole = pg_sys::bms_is_member(-first, set);
        (1..=(*desc).natts)
            .filter(|n| !(*super::compat::attribute(desc, (*n - 1) as usize)).attisdropped)
            .filter(|n| whole || pg_sys::bms_is_member(*n - first, set))
            .map(|n| n as i16)
            .collect()
    }
}

fn read_order(numbers: &[i32]) -> Option<Order> {
    match numbers {
        [attnum, descending, nulls_first] if *attnum > 0 => Some(Order {
            attnum: *attnum as i16,
            descending: *descending != 0,
            nulls_first: *nulls_first != 0,
        }),
        _ => None,
    }
}

unsafe fn read_conditions(numbers: &[i32], desc: pg_sys::TupleDesc) -> Vec<Condition> {
    numbers
        .chunks_exact(3)
        .filter_map(|triple| {
            let attnum = triple[0] as i16;
            // SAFETY: the planner took attnum from this relation
            let type_oid =
                unsafe { (*super::compat::attribute(desc, (attnum - 1) as usize)).atttypid };
            Some(Condition {
                attnum,
                op: Op::from_strategy(triple[1])?,
                param: usize::try_from(triple[2]).ok(),
                encoding: super::cold_datum::encoding_of(type_oid),
            })
        })
        .collect()
}

#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut pg_sys::ScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let css = node.cast::<pg_sys::CustomScanState>();
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        let slot = (*node).ss_ScanTupleSlot;
        let rel = (*node).ss_currentRelation;
        pg_sys::ExecClearTuple(slot);
        if matches!(scan.phase, Phase::NotStarted) {
            if cold_dump::leaves_file_out((*rel).rd_id) {
                scan.phase = Phase::Stub(begin_stub(node));
            } else if let Err(e) = scan.start(css) {
                raise(e);
            }
        }
        if matches!(scan.phase, Phase::File) {
            // values live until the next row is asked for
            let old =
                pg_sys::MemoryContextSwitchTo((*(*node).ps.ps_ExprContext).ecxt_per_tuple_memory);
            let found = scan.next_file_row(css, slot, (*rel).rd_id);
            pg_sys::MemoryContextSwitchTo(old);
            match found {
                Ok(true) => return slot,
                Ok(false) => scan.phase = Phase::Stub(begin_stub(node)),
                Err(e) => raise(e),
            }
        }
        if let Phase::Stub(desc) = scan.phase {
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            if pg_sys::table_scan_getnextslot(desc, forward, scan.stub_slot) {
                pg_sys::ExecCopySlot(slot, scan.stub_slot);
                (*slot).tts_tid = (*scan.stub_slot).tts_tid;
                (*slot).tts_tableOid = (*rel).rd_id;
                return slot;
            }
            scan.end_stub();
        }
        std::ptr::null_mut()
    }
}

unsafe fn begin_stub(node: *mut pg_sys::ScanState) -> pg_sys::TableScanDesc {
    let _own = StubScan::begin();
    // SAFETY: the executor's own node, with its relation open
    unsafe {
        let snapshot = (*(*node).ps.state).es_snapshot;
        pg_sys::table_beginscan(
            (*node).ss_currentRelation,
            snapshot,
            0,
            std::ptr::null_mut(),
        )
    }
}

/// All conditions are in the plan's qual and are evaluated again: nothing more to check.
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
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        scan.end_stub();
        scan.phase = Phase::NotStarted;
        pg_sys::ExecScanReScan(&mut (*node).ss);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        scan.end_stub();
        scan.reader = None;
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let scan = &*(*node.cast::<ColdScanState>()).scan;
        let m = &scan.manifest;
        let name = m.key.rsplit('/').next().unwrap_or(&m.key);
        super::explain::text(
            es,
            c"Cold File",
            &format!(
                "{name} on {} ({})",
                m.server,
                super::explain::human_bytes(m.bytes)
            ),
        );
        super::explain::text(es, c"Cold SQL", &scan.query.sql);
        if (*es).analyze {
            let ran =
                !(*node).ss.ps.instrument.is_null() && (*(*node).ss.ps.instrument).nloops > 0.0;
            if ran && !scan.started {
                // its counters died with the worker
                super::explain::text(es, c"Read By", "parallel worker");
                return;
            }
            let stats = scan.reader.as_ref().map(|r| r.stats).unwrap_or_default();
            super::explain::integer(es, c"Rows Read", scan.rows_read);
            super::explain::integer(es, c"GETs", stats.gets as i64);
            super::explain::integer(es, c"Bytes", stats.bytes as i64);
            super::explain::integer(es, c"Cache Hits", stats.cache_hits as i64);
            if (*es).timing {
                super::explain::millis(es, c"Store Wait", stats.wait_us as f64 / 1000.0);
            }
        }
    }
}
