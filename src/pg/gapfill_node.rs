//! GapFill: the executor node above an aggregate that puts in the rows of empty buckets.

use super::cold_state::raise;
use super::custom_node::{self, Exec, Methods, Node, Planning};
use super::gapfill_run::Run;
use super::{explain, list};
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

pub(super) static METHODS: Methods<Run> = Methods::new();

impl Node for Run {
    const NAME: &'static CStr = c"GapFill";
    const EXEC: Exec = exec;

    fn methods() -> &'static Methods<Self> {
        &METHODS
    }

    unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
        // SAFETY: promised by the caller
        unsafe { super::gapfill_plan::plan(planning, scan) }
    }

    unsafe fn begin_scan(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        flags: i32,
    ) -> Result<Self> {
        // SAFETY: the executor's own structures; es_query_cxt is current
        unsafe {
            custom_node::init_children(node, estate, flags);
            Run::new(node, estate, custom_node::child(node))
        }
    }

    unsafe fn rescan(&mut self, node: *mut pg_sys::CustomScanState) {
        self.restart();
        // SAFETY: the executor's own node
        unsafe { custom_node::rescan_child(node) };
    }

    unsafe fn end_scan(&mut self, node: *mut pg_sys::CustomScanState) {
        self.end();
        // SAFETY: the executor's own node
        unsafe { pg_sys::ExecEndNode(custom_node::child(node)) }
    }

    unsafe fn explain(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        ancestors: *mut pg_sys::List,
        es: *mut pg_sys::ExplainState,
    ) {
        // SAFETY: the executor's own structures
        unsafe {
            let plan = (*node).ss.ps.plan;
            let bucket = (*plan.cast::<pg_sys::CustomScan>()).custom_scan_tlist;
            let mut entries = list::pointers::<pg_sys::TargetEntry>(bucket);
            if let Some(entry) = entries.nth(self.bucket_column()) {
                let context = pg_sys::set_deparse_context_plan((*es).deparse_cxt, plan, ancestors);
                let expr = (*entry).expr.cast();
                let text = pg_sys::deparse_expression(expr, context, true, false);
                explain::text(es, c"Bucket", &CStr::from_ptr(text).to_string_lossy());
            }
            if (*es).analyze {
                explain::integer(es, c"Series", self.series);
                explain::integer(es, c"Filled Rows", self.filled);
            }
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut pg_sys::ScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        match custom_node::run::<Run>(node.cast()).next_row() {
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
