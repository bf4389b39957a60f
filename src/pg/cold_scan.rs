//! ColdScan: the executor node that reads a chunk from its file, then the stub's own rows.

use super::cold_ahead::Statement;
use super::cold_plan::{self, Private};
use super::cold_run::{Columns, Phase, Scan, missing_values};
use super::cold_state::{self, StubScan, raise};
use super::cold_value;
use super::{cold_dump, cold_prefetch, cold_reads, cold_slot, ffi, list};
use crate::cold::manifest::ChunkState;
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
    ExplainCustomScan: Some(super::cold_explain::explain),
});

/// What a plan node points to.
pub fn scan_methods() -> *const pg_sys::CustomScanMethods {
    &SCAN_METHODS.0
}

/// The scan behind a state of ours.
///
/// # Safety
/// `state` must be a node of the executor.
pub(super) unsafe fn scan_of(state: *mut pg_sys::PlanState) -> Option<*mut Scan> {
    // SAFETY: promised by the caller; the tag and the methods are checked before the casts
    unsafe {
        let ours = (*state).type_ == pg_sys::NodeTag::T_CustomScanState
            && std::ptr::eq(
                (*state.cast::<pg_sys::CustomScanState>()).methods,
                &EXEC_METHODS.0,
            );
        ours.then(|| (*state.cast::<ColdScanState>()).scan)
    }
}

/// Makes the node known, so that plans can be copied to parallel workers.
pub fn register() {
    // SAFETY: registers a static once per process
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN_METHODS.0) }
}

#[repr(C)]
pub(super) struct ColdScanState {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context through a reset callback
    pub(super) scan: *mut Scan,
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
    flags: i32,
) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let state = node.cast::<ColdScanState>();
        let explained = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0;
        let scan = match new_scan(node, estate, explained) {
            Ok(scan) => Box::into_raw(Box::new(scan)),
            Err(e) => raise(e),
        };
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
        // a sibling that must not be read says so itself
        if !cold_reads::allowed(&scan.manifest).unwrap_or(false) {
            return Ok(None);
        }
        scan.ahead(node)
    }
}

/// Some relations of the query behind that of a scan: a worker, or a plan that was kept, may know none of them.
unsafe fn following(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
) -> Vec<pg_sys::Oid> {
    const MOST: usize = 64;
    // SAFETY: the executor's own structures
    unsafe {
        let scan = (*node).ss.ps.plan.cast::<pg_sys::Scan>();
        let tables = list::pointers::<pg_sys::RangeTblEntry>((*estate).es_range_table)
            .skip((*scan).scanrelid as usize)
            .filter(|rte| (**rte).relkind as u8 == pg_sys::RELKIND_RELATION);
        tables.take(MOST).map(|rte| (*rte).relid).collect()
    }
}

unsafe fn new_scan(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    explained: bool,
) -> Result<Scan> {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let rel = (*node).ss.ss_currentRelation;
        let next = || following(node, estate);
        let ChunkState::Cold(manifest) = cold_state::of_next((*rel).rd_id, next) else {
            return Err(Error::internal(format!(
                "a plan expects chunk \"{}\" to be cold",
                super::catalog::relation_name((*rel).rd_id).unwrap_or_default()
            )));
        };
        let (desc, owner) = ((*rel).rd_att, (*(*rel).rd_rel).relowner);
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let private = cold_plan::read_private(plan, desc);
        let (values, exact) = cold_plan::expressions(plan, &private);
        let columns = columns(plan, desc, &private, &exact);
        let mut all = columns.always.clone();
        all.extend(columns.exact.iter().flatten());
        all.sort_unstable();
        all.dedup();
        let missing = missing_values(&manifest, desc, owner, &all)?;
        let mut scan = Scan::new(manifest, columns, private.conditions, private.order);
        scan.missing = missing;
        scan.owner = owner;
        scan.half = ((*plan).scan.plan.plan_rows / 2.0).max(1.0) as i64;
        scan.stub_slot = pg_sys::table_slot_create(rel, &mut (*estate).es_tupleTable);
        let parent = &raw mut (*node).ss.ps;
        for operand in &values {
            let expr = pg_sys::ExecInitExpr(operand.node.cast(), parent);
            scan.values.push((expr, operand.reader()));
        }
        for expr in exact {
            let list = pg_sys::lappend(std::ptr::null_mut(), expr.cast());
            scan.exact.push(pg_sys::ExecInitQual(list, parent));
        }
        // evaluated by next() below, which knows where a row comes from
        scan.filter = std::mem::replace(&mut (*node).ss.ps.qual, std::ptr::null_mut());
        // for EXPLAIN, and until the values are known
        let constants = cold_value::constants(&values);
        scan.plan = scan.prepare(&constants);
        if explained {
            scan.rule_out(&constants)?;
        }
        scan.skipped = scan.plan.skip;
        if let Some(query) = &scan.plan.query {
            scan.query = query.clone();
        }
        Ok(scan)
    }
}

/// Columns that target list, order and conditions mention; a whole-row reference needs all.
///
/// Read off the finished plan: the planner may give the node another target list after making it.
unsafe fn columns(
    plan: *const pg_sys::CustomScan,
    desc: pg_sys::TupleDesc,
    private: &Private,
    exact: &[*mut pg_sys::Expr],
) -> Columns {
    // SAFETY: a finished plan node and the descriptor of its relation
    unsafe {
        let relid = (*plan).scan.scanrelid;
        let first = pg_sys::FirstLowInvalidHeapAttributeNumber;
        let mentioned = |nodes: &[*mut pg_sys::Node], more: &[i16]| {
            let mut set = std::ptr::null_mut();
            for node in nodes {
                pg_sys::pull_varattnos(*node, relid, &mut set);
            }
            let whole = pg_sys::bms_is_member(-first, set);
            let columns = (1..=(*desc).natts)
                .filter(|n| !(*super::compat::attribute(desc, (*n - 1) as usize)).attisdropped)
                .filter(|n| {
                    let given = more.contains(&(*n as i16));
                    whole || given || pg_sys::bms_is_member(*n - first, set)
                })
                .map(|n| n as i16)
                .collect::<Vec<i16>>();
            let system = (first + 1..0)
                .filter(|n| *n != pg_sys::TableOidAttributeNumber)
                .any(|n| pg_sys::bms_is_member(n - first, set));
            (columns, whole || system)
        };
        let order: Vec<i16> = private.order.iter().map(|k| k.attnum).collect();
        let rest = &(*plan).scan.plan;
        let (always, system) = mentioned(&[rest.targetlist.cast(), rest.qual.cast()], &order);
        Columns {
            always,
            system,
            exact: exact
                .iter()
                .map(|e| mentioned(&[e.cast()], &[]).0)
                .collect(),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut pg_sys::ScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let css = node.cast::<pg_sys::CustomScanState>();
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        match next_row(scan, css) {
            Ok(slot) => slot,
            Err(e) => raise(e),
        }
    }
}

unsafe fn next_row(
    scan: &mut Scan,
    css: *mut pg_sys::CustomScanState,
) -> Result<*mut pg_sys::TupleTableSlot> {
    // SAFETY: the executor's own node, which owns the scan
    unsafe {
        let node = &raw mut (*css).ss;
        let slot = (*node).ss_ScanTupleSlot;
        let rel = (*node).ss_currentRelation;
        let memory = (*(*node).ps.ps_ExprContext).ecxt_per_tuple_memory;
        cold_slot::clear(slot);
        if matches!(scan.phase, Phase::NotStarted) {
            scan.phase = if cold_dump::leaves_file_out((*rel).rd_id) {
                Phase::Stub(begin_stub(node))
            } else {
                scan.start(css)?;
                if !scan.order.is_empty() && scan.collect_late(css)? {
                    Phase::Merge
                } else {
                    Phase::File
                }
            };
        }
        if matches!(scan.phase, Phase::Merge) {
            return scan.next_merged(css);
        }
        if matches!(scan.phase, Phase::File) {
            if scan.next_file_row(css, slot, memory)? {
                return Ok(slot);
            }
            // an ordered scan has looked for late rows before, and found none
            scan.phase = if scan.order.is_empty() {
                Phase::Stub(begin_stub(node))
            } else {
                Phase::Done
            };
        }
        while let Phase::Stub(desc) = scan.phase {
            pgrx::check_for_interrupts!();
            pg_sys::MemoryContextReset(memory);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            if !pg_sys::table_scan_getnextslot(desc, forward, scan.stub_slot) {
                scan.end_stub();
                break;
            }
            pg_sys::ExecCopySlot(slot, scan.stub_slot);
            (*slot).tts_tid = (*scan.stub_slot).tts_tid;
            (*slot).tts_tableOid = (*rel).rd_id;
            if scan.passes(css, slot, true) {
                scan.late_rows += 1;
                return Ok(slot);
            }
        }
        Ok(std::ptr::null_mut())
    }
}

pub(super) unsafe fn begin_stub(node: *mut pg_sys::ScanState) -> pg_sys::TableScanDesc {
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

/// A row that was changed while the statement waited for it: all conditions once more. The slot may be
/// one of the heap, while the expressions expect one whose columns are taken apart.
#[pg_guard]
unsafe extern "C-unwind" fn recheck(
    node: *mut pg_sys::ScanState,
    slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    // SAFETY: the executor's own node, which begins our struct, and a row of its shape
    unsafe {
        pg_sys::slot_getallattrs(slot);
        let scan = &*(*node.cast::<ColdScanState>()).scan;
        scan.passes(node.cast(), slot, true)
    }
}

/// Without a guard, which each row would pay for: an error jumps over this frame, which holds nothing.
#[allow(ffi_unwind_calls, reason = "there is nothing to unwind")]
unsafe extern "C-unwind" fn exec(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node
    unsafe { ffi::raw::ExecScan(&mut (*node).ss, Some(next), Some(recheck)) }
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
