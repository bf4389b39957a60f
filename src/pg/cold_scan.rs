//! ColdScan: the executor node that reads a chunk from its file, then the stub's own rows.

use super::cold_ahead::Statement;
use super::cold_plan::{self, Private};
use super::cold_run::{Columns, Phase, Scan, missing_values};
use super::cold_state::{self, StubScan, raise};
use super::cold_value;
use super::custom_node::{self, Exec, Methods, Node, Planning};
use super::{cold_dump, cold_explain, cold_prefetch, cold_reads, cold_slot, ffi, list};
use crate::cold::manifest::ChunkState;
use crate::error::{Error, Result};
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

pub(super) static METHODS: Methods<Scan> = Methods::new();

impl Node for Scan {
    const NAME: &'static CStr = c"ColdScan";
    const EXEC: Exec = exec;

    fn methods() -> &'static Methods<Self> {
        &METHODS
    }

    unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
        // SAFETY: promised by the caller
        unsafe { cold_plan::plan(planning, scan) }
    }

    unsafe fn begin_scan(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        flags: i32,
    ) -> Result<Self> {
        let explained = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0;
        // SAFETY: the executor's own structures; es_query_cxt is current
        unsafe {
            let scan = new_scan(node, estate, explained)?;
            cold_prefetch::register(node, ahead);
            Ok(scan)
        }
    }

    unsafe fn rescan(&mut self, _node: *mut pg_sys::CustomScanState) {
        self.end_stub();
        self.phase = Phase::NotStarted;
    }

    unsafe fn end_scan(&mut self, _node: *mut pg_sys::CustomScanState) {
        self.end_stub();
        self.reader = None;
    }

    unsafe fn explain(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        ancestors: *mut pg_sys::List,
        es: *mut pg_sys::ExplainState,
    ) {
        // SAFETY: promised by the caller
        unsafe { cold_explain::explain(self, node, ancestors, es) }
    }
}

/// What this scan would ask its file for, before it starts.
unsafe fn ahead(node: *mut pg_sys::CustomScanState) -> Result<Option<Statement>> {
    // SAFETY: a registered node of ours, initialised by begin()
    unsafe {
        let scan = custom_node::run::<Scan>(node);
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
        let scan = custom_node::run::<Scan>(css);
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
        custom_node::run::<Scan>(node.cast()).passes(node.cast(), slot, true)
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
