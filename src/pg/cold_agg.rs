//! ColdAgg: the executor node that gives states of aggregates over a cold chunk.

use super::cold_agg_run::Run;
use super::cold_run::Skip;
use super::cold_state::raise;
use super::custom_node::{self, Exec, Methods, Node, Planning};
use super::{explain, list};
use crate::cold::aggregate::Output;
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

pub(super) static METHODS: Methods<Run> = Methods::new();

impl Node for Run {
    const NAME: &'static CStr = c"ColdAgg";
    const EXEC: Exec = exec;

    fn methods() -> &'static Methods<Self> {
        &METHODS
    }

    unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
        // SAFETY: the planner's own structures
        unsafe {
            // a row of states, not of the chunk; conditions are the child's
            (*scan).custom_scan_tlist = pg_sys::copyObjectImpl(planning.tlist.cast()).cast();
            (*scan).custom_plans = planning.plans;
            (*scan).custom_private = (*planning.path).custom_private;
        }
    }

    unsafe fn begin_scan(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        flags: i32,
    ) -> Result<Self> {
        // SAFETY: the executor's own structures; es_query_cxt is current
        unsafe {
            custom_node::init_children(node, estate, flags);
            let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
            let numbers = list::pointers::<pg_sys::List>((*plan).custom_private).nth(1);
            let mut numbers = numbers
                .map(|l| list::integers(l))
                .unwrap_or_default()
                .into_iter();
            let outputs: Vec<Output> = std::iter::from_fn(|| Output::read(&mut numbers)).collect();
            Run::new(
                outputs,
                custom_node::child(node),
                (*node).ss.ss_ScanTupleSlot,
            )
        }
    }

    unsafe fn rescan(&mut self, node: *mut pg_sys::CustomScanState) {
        // SAFETY: the executor's own node
        unsafe {
            let changed = custom_node::rescan_child(node);
            self.restart(changed);
        }
    }

    unsafe fn end_scan(&mut self, node: *mut pg_sys::CustomScanState) {
        self.end();
        // SAFETY: the executor's own node
        unsafe { pg_sys::ExecEndNode(custom_node::child(node)) }
    }

    unsafe fn explain(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        _ancestors: *mut pg_sys::List,
        es: *mut pg_sys::ExplainState,
    ) {
        // SAFETY: the executor's own structures
        unsafe {
            if self.scan().skipped != Some(Skip::Aggregated) {
                explain::text(es, c"Cold Aggregates", "none, see below");
            } else if self.from_manifest {
                explain::text(es, c"Cold Aggregates", "from the manifest");
            } else {
                let m = &self.manifest;
                let name = m.key.rsplit('/').next().unwrap_or(&m.key);
                let size = explain::human_bytes(m.bytes);
                explain::text(
                    es,
                    c"Cold File",
                    &format!("{name} on {} ({size})", m.server),
                );
                explain::text(es, c"Cold SQL", &self.sql);
            }
            if !(*es).analyze {
                return;
            }
            let instrument = (*node).ss.ps.instrument;
            if !self.started {
                let ran = !instrument.is_null() && (*instrument).nloops > 0.0;
                if ran {
                    // its counters died with the worker
                    explain::text(es, c"Read By", "parallel worker");
                }
                return;
            }
            explain::integer(es, c"States of File", self.groups);
            explain::reads(es, &self.stats);
        }
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
        let run = custom_node::run::<Run>(node);
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
