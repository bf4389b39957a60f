//! What EXPLAIN says about a ColdScan: file, statement, who decides which condition, and the cost.

use super::cold_plan;
use super::cold_reads;
use super::cold_run::{Scan, Skip};
use super::{explain, list};
use pgrx::pg_sys;
use std::ffi::CStr;

/// # Safety
/// `node` must be the initialised state of the scan.
pub(super) unsafe fn explain(
    scan: &Scan,
    node: *mut pg_sys::CustomScanState,
    ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: promised by the caller
    unsafe {
        let instrument = (*node).ss.ps.instrument;
        let ran = (*es).analyze && !instrument.is_null() && (*instrument).nloops > 0.0;
        explain::text(es, c"Cold File", &file(scan, ran));
        if scan.skipped != Some(Skip::Aggregated) {
            explain::text(es, c"Cold SQL", &scan.query.sql);
        }
        conditions(node, ancestors, es);
        if !(*es).analyze {
            return;
        }
        if ran && !scan.started {
            // its counters died with the worker
            explain::text(es, c"Read By", "parallel worker");
            return;
        }
        if scan.first_from_zone {
            explain::text(es, c"First Row", "zone map");
        }
        let stats = scan.reader.as_ref().map(|r| r.stats).unwrap_or_default();
        explain::integer(es, c"Late Rows", scan.late_rows);
        explain::integer(es, c"Rows Read", scan.rows_read);
        explain::integer(es, c"GETs", stats.gets as i64);
        explain::integer(es, c"Bytes", stats.bytes as i64);
        explain::integer(es, c"Cache Hits", stats.cache_hits as i64);
        if (*es).timing {
            explain::millis(es, c"Store Wait", stats.wait_us as f64 / 1000.0);
        }
    }
}

fn file(scan: &Scan, ran: bool) -> String {
    let m = &scan.manifest;
    let name = m.key.rsplit('/').next().unwrap_or(&m.key);
    let skip = match scan.skipped {
        None if !ran && cold_reads::is_off() => Some(Skip::ReadsOff),
        // in a nested loop some rounds may have read it
        skip if !scan.file_used => skip,
        _ => None,
    };
    match skip {
        Some(skip) => format!("{name} skipped ({})", skip.text()),
        None => {
            let size = explain::human_bytes(m.bytes);
            format!("{name} on {} ({size})", m.server)
        }
    }
}

/// Conditions that the file decides, and those for which it gives more rows than are wanted.
unsafe fn conditions(
    node: *mut pg_sys::CustomScanState,
    ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node and its plan
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let desc = (*(*node).ss.ss_currentRelation).rd_att;
        let private = cold_plan::read_private(plan, desc);
        let (_, exact) = cold_plan::expressions(plan, &private);
        let filter: Vec<*mut pg_sys::Expr> = list::pointers((*plan).scan.plan.qual).collect();
        let prefilter: Vec<*mut pg_sys::Expr> = private
            .conditions
            .iter()
            .filter_map(|c| filter.get(c.prefilter?).copied())
            .collect();
        let pushed = if super::guc::COLD_PUSHDOWN.get() {
            c"Pushed"
        } else {
            c"Not Pushed"
        };
        print(pushed, &exact, plan, ancestors, es);
        print(c"Prefilter", &prefilter, plan, ancestors, es);
    }
}

unsafe fn print(
    label: &CStr,
    exprs: &[*mut pg_sys::Expr],
    plan: *mut pg_sys::CustomScan,
    ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    if exprs.is_empty() {
        return;
    }
    // SAFETY: expressions of the plan that is explained; the text is a fresh C string
    unsafe {
        let list = exprs.iter().fold(std::ptr::null_mut(), |list, expr| {
            pg_sys::lappend(list, expr.cast())
        });
        let whole = pg_sys::make_ands_explicit(list);
        let context = pg_sys::set_deparse_context_plan((*es).deparse_cxt, plan.cast(), ancestors);
        let prefix = (*es).verbose;
        let text = pg_sys::deparse_expression(whole.cast(), context, prefix, false);
        let text = CStr::from_ptr(text).to_string_lossy();
        explain::text(es, label, &text);
    }
}
