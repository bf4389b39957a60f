//! LazyScan: the executor node that reads a hypertable window by window in the order of its key.

use super::custom_node::{self, Exec, Methods, Node, Planning};
use super::lazy_plan::Facts;
use super::lazy_window::Run;
use super::{explain, list};
use crate::error::{Error, Result};
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

pub(super) static METHODS: Methods<Run> = Methods::new();

impl Node for Run {
    const NAME: &'static CStr = c"LazyScan";
    const EXEC: Exec = exec;

    fn methods() -> &'static Methods<Self> {
        &METHODS
    }

    unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
        // SAFETY: promised by the caller
        unsafe { super::lazy_plan::plan(planning, scan) }
    }

    unsafe fn begin_scan(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        flags: i32,
    ) -> Result<Self> {
        // SAFETY: the executor's own structures; es_query_cxt is current
        unsafe {
            let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
            let mut private = list::pointers::<pg_sys::Node>((*plan).custom_private);
            let (Some(query), Some(ints)) = (private.next(), private.next()) else {
                return Err(Error::internal("a LazyScan without its query"));
            };
            let Some(facts) = Facts::from_ints(&list::integers(ints.cast())) else {
                return Err(Error::internal("a LazyScan without its facts"));
            };
            let exprs: Vec<*mut pg_sys::Expr> = list::pointers((*plan).custom_exprs).collect();
            let columns = if (*plan).custom_scan_tlist.is_null() {
                0
            } else {
                (*(*plan).custom_scan_tlist).length
            };
            let explain_only = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0;
            Ok(Run::new(
                node,
                estate,
                facts,
                query.cast(),
                &exprs,
                columns,
                explain_only,
            ))
        }
    }

    unsafe fn rescan(&mut self, _node: *mut pg_sys::CustomScanState) {
        // SAFETY: called by the executor between two rows
        unsafe { self.restart() }
    }

    unsafe fn end_scan(&mut self, _node: *mut pg_sys::CustomScanState) {
        // SAFETY: called by the executor once
        unsafe { self.finish() }
    }

    unsafe fn explain(
        &mut self,
        _node: *mut pg_sys::CustomScanState,
        _ancestors: *mut pg_sys::List,
        es: *mut pg_sys::ExplainState,
    ) {
        // SAFETY: promised by the caller
        unsafe {
            explain::text(es, c"Hypertable", &self.table_name());
            explain::text(es, c"Order", &self.order());
            if (*es).analyze {
                explain::integer(es, c"Windows Read", self.windows_read);
                explain::integer(es, c"Windows Planned", self.windows_planned);
                explain::integer(es, c"Chunks in Windows", self.chunks_read);
            }
        }
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
        let slot = custom_node::run::<Run>(node).next((*node).ss.ss_ScanTupleSlot);
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
