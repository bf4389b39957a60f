//! JIT is worth its time where PostgreSQL evaluates much. The planner decides by a plan's cost, in which
//! requests to a store, bytes and the work of SQLite weigh most where files are read: here a plan is
//! judged once more, without them. What it says is only ever taken back, by the settings of the user.

use super::{cold_agg, cold_fdw, cold_prefetch, cold_scan, list};
use pgrx::pg_sys;
use std::cell::Cell;

/// The price of a file, as the first list of a node's private ones.
pub(super) fn write(price: f64) -> *mut pg_sys::List {
    let bits = price.to_bits();
    list::ints(&[(bits >> 32) as i32, bits as i32])
}

fn read(numbers: &[i32]) -> f64 {
    match numbers {
        [high, low] => f64::from_bits(u64::from(*high as u32) << 32 | u64::from(*low as u32)),
        _ => 0.0,
    }
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// the planner was at work on a cold chunk before there was a hook around it
    static MISSED: Cell<bool> = const { Cell::new(false) };
}

/// Lives as long as the planner works below our hook.
pub struct Here;

impl Here {
    pub fn begin() -> Here {
        DEPTH.set(DEPTH.get() + 1);
        Here
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// A cold chunk is planned. Without preload the first one loads the library, in the middle of planning.
pub(super) fn planning() {
    if DEPTH.get() == 0 {
        MISSED.set(true);
    }
}

/// A plan starts: [`decide`], if the hook could not.
///
/// # Safety
/// `planned` must be a finished plan.
pub unsafe fn start(planned: *mut pg_sys::PlannedStmt) {
    if MISSED.replace(false) {
        // SAFETY: promised by the caller
        unsafe { decide(planned) }
    }
}

/// Takes JIT back where only files make the plan dear, as `standard_planner` decides (planner.c).
///
/// # Safety
/// `planned` must be a finished plan.
pub unsafe fn decide(planned: *mut pg_sys::PlannedStmt) {
    // SAFETY: promised by the caller; settings of the server, read in the main thread
    unsafe {
        let flags = (*planned).jitFlags as u32;
        let top = (*planned).planTree;
        if flags & pg_sys::PGJIT_PERFORM == 0 || top.is_null() {
            return;
        }
        let files = of_files(top, planned);
        if files <= 0.0 {
            return;
        }
        let rest = (*top).total_cost - files;
        let above = |limit: f64| limit >= 0.0 && rest > limit;
        let left = if above(pg_sys::jit_above_cost) {
            let drop = |flag: u32, limit: f64| if above(limit) { 0 } else { flag };
            flags
                & !drop(pg_sys::PGJIT_OPT3, pg_sys::jit_optimize_above_cost)
                & !drop(pg_sys::PGJIT_INLINE, pg_sys::jit_inline_above_cost)
        } else {
            pg_sys::PGJIT_NONE
        };
        (*planned).jitFlags = left as i32;
    }
}

/// How much of the cost of a node are files. Subplans inside of expressions are left out: nothing tells
/// how often they run.
unsafe fn of_files(plan: *mut pg_sys::Plan, planned: *mut pg_sys::PlannedStmt) -> f64 {
    // SAFETY: nodes of a finished plan, told apart by their tags
    unsafe {
        let total = (*plan).total_cost;
        if let Some(price) = price(plan) {
            return price.clamp(0.0, total);
        }
        let (mut files, mut all) = (0.0, 0.0);
        let inner = match (*plan).type_ {
            pg_sys::NodeTag::T_NestLoop => (*plan).righttree,
            _ => std::ptr::null_mut(),
        };
        for child in cold_prefetch::children(plan) {
            let again = std::ptr::eq(child, inner) && !(*plan).lefttree.is_null();
            let times = if again {
                (*(*plan).lefttree).plan_rows.max(1.0)
            } else {
                1.0
            };
            files += of_files(child, planned) * times;
            all += (*child).total_cost * times;
        }
        for first in list::pointers::<pg_sys::SubPlan>((*plan).initPlan) {
            let at = usize::try_from((*first).plan_id - 1).unwrap_or(usize::MAX);
            let mut plans = list::pointers::<pg_sys::Plan>((*planned).subplans);
            if let Some(part) = plans.nth(at).filter(|part| !part.is_null()) {
                files += of_files(part, planned);
                all += (*part).total_cost;
            }
        }
        // a LIMIT, workers that share, a join that ends early: the node costs less than what is below
        let share = if all > total { total / all } else { 1.0 };
        files * share
    }
}

/// The price of a node that reads a file.
unsafe fn price(plan: *mut pg_sys::Plan) -> Option<f64> {
    // SAFETY: a node of a finished plan, cast by its tag; what is private is read only where it is ours
    unsafe {
        let private = match (*plan).type_ {
            pg_sys::NodeTag::T_CustomScan => {
                let ours = cold_scan::METHODS.is_plan(plan) || cold_agg::METHODS.is_plan(plan);
                ours.then(|| (*plan.cast::<pg_sys::CustomScan>()).custom_private)
            }
            pg_sys::NodeTag::T_ForeignScan => {
                let scan = plan.cast::<pg_sys::ForeignScan>();
                cold_fdw::is_ours(scan).then(|| (*scan).fdw_private)
            }
            _ => None,
        };
        let first = list::pointers::<pg_sys::List>(private?).next()?;
        Some(read(&list::integers(first)))
    }
}
