//! Siblings below an Append: which cold scans come next, so that their first bytes are on their way.
//!
//! Core can start children of an Append asynchronously only if they are foreign scans. Here the
//! scans of a query know each other: the first one that starts lets the next few be asked for.
//! What may never run costs nothing: below a LIMIT only the next file is asked for, and only when
//! half of the current one is read; below a pruning Append none, and none below a parallel one, where
//! another process may take the next child. A worker asks for the files of its own Appends.

use super::cold_ahead::{self, Statement};
use super::{compat_executor, guc, list};
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::cell::RefCell;
use std::collections::HashMap;

/// The statement of a scan that has not started; `None` if it cannot be told yet, or needs no file.
pub type Prepare = unsafe fn(*mut pg_sys::CustomScanState) -> Result<Option<Statement>>;

struct Scan {
    node: *mut pg_sys::CustomScanState,
    prepare: Prepare,
    /// running, or asked for already
    begun: bool,
    /// has let its siblings be asked for
    started: bool,
}

/// Children of one Append, in their order, and whether they are all going to run.
struct Group {
    plans: Vec<usize>,
    all: bool,
}

/// The cold scans of one query, by their plan nodes.
#[derive(Default)]
struct Query {
    scans: HashMap<usize, Scan>,
    groups: Option<Vec<Group>>,
}

thread_local! {
    // by the EState; its memory context takes the entry along
    static QUERIES: RefCell<HashMap<usize, Query>> = RefCell::new(HashMap::new());
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(estate: *mut core::ffi::c_void) {
    let _ = QUERIES.try_with(|queries| {
        if let Ok(mut queries) = queries.try_borrow_mut() {
            queries.remove(&(estate as usize));
        }
    });
    cold_ahead::forget(estate as usize);
}

/// Makes a scan known to its siblings; at its Begin.
///
/// # Safety
/// `node` must be a scan of a running query, whose `es_query_cxt` lives until the query ends.
pub unsafe fn register(node: *mut pg_sys::CustomScanState, prepare: Prepare) {
    // SAFETY: promised by the caller; the callback lives in the context that calls it
    unsafe {
        let estate = (*node).ss.ps.state;
        let known = QUERIES.with_borrow(|queries| queries.contains_key(&(estate as usize)));
        if !known {
            let callback = pg_sys::MemoryContextAllocZero(
                (*estate).es_query_cxt,
                size_of::<pg_sys::MemoryContextCallback>(),
            )
            .cast::<pg_sys::MemoryContextCallback>();
            (*callback).func = Some(forget);
            (*callback).arg = estate.cast();
            pg_sys::MemoryContextRegisterResetCallback((*estate).es_query_cxt, callback);
        }
        QUERIES.with_borrow_mut(|queries| {
            let query = queries.entry(estate as usize).or_default();
            query.groups = None;
            let scan = Scan {
                node,
                prepare,
                begun: false,
                started: false,
            };
            query.scans.insert((*node).ss.ps.plan as usize, scan);
        });
    }
}

/// A scan begins to read its file: from here it asks for its bytes itself.
///
/// # Safety
/// `node` must be a registered scan.
pub unsafe fn started(node: *mut pg_sys::CustomScanState, file: &str) -> Result<()> {
    // SAFETY: promised by the caller
    let estate = unsafe { (*node).ss.ps.state } as usize;
    cold_ahead::stop(estate, file);
    // SAFETY: promised by the caller
    unsafe { ask_for_next(node, false) }
}

/// A scan has read half of what it is expected to.
///
/// # Safety
/// `node` must be a registered scan.
pub unsafe fn half_read(node: *mut pg_sys::CustomScanState) -> Result<()> {
    // SAFETY: promised by the caller
    unsafe { ask_for_next(node, true) }
}

unsafe fn ask_for_next(node: *mut pg_sys::CustomScanState, half: bool) -> Result<()> {
    let count = usize::try_from(guc::COLD_PREFETCH.get()).unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    // SAFETY: promised by the caller
    let (estate, plan) = unsafe { ((*node).ss.ps.state, (*node).ss.ps.plan as usize) };
    let mut asks_first = false;
    let chosen = QUERIES.with_borrow_mut(|queries| {
        let query = queries.get_mut(&(estate as usize))?;
        let own = query.scans.get_mut(&plan)?;
        asks_first = !std::mem::replace(&mut own.begun, true);
        // again in a nested loop: the files are known by then
        if std::mem::replace(&mut own.started, true) && !half {
            return None;
        }
        // SAFETY: a running query has its plan
        let groups = query
            .groups
            .get_or_insert_with(|| unsafe { groups((*estate).es_plannedstmt) });
        let group = groups.iter().find(|g| g.plans.contains(&plan))?;
        let count = match (group.all, half) {
            (true, _) => count,
            (false, true) => 1,
            (false, false) => 0,
        };
        let at = group.plans.iter().position(|p| *p == plan)?;
        let mut chosen = Vec::new();
        // pruned children were never initialised
        let next = group.plans.get(at + 1..).unwrap_or_default().iter();
        let next: Vec<usize> = next
            .filter(|p| query.scans.contains_key(p))
            .copied()
            .collect();
        for plan in next.iter().take(count) {
            if let Some(scan) = query.scans.get_mut(plan).filter(|scan| !scan.begun) {
                scan.begun = true;
                chosen.push((scan.node, scan.prepare));
            }
        }
        Some(chosen)
    });
    for (node, prepare) in chosen.unwrap_or_default() {
        // SAFETY: a registered scan of the running query, which has not started
        if let Some(statement) = unsafe { prepare(node)? } {
            cold_ahead::plan(estate as usize, statement)?;
        }
    }
    // a scan that nobody has asked for ahead sends its own request first: the others go out while it
    // waits for the answer, or works
    if !asks_first {
        cold_ahead::glance();
    }
    Ok(())
}

/// The groups of a plan.
///
/// # Safety
/// `planned` must be the statement of a running query.
unsafe fn groups(planned: *mut pg_sys::PlannedStmt) -> Vec<Group> {
    let mut found = Vec::new();
    // SAFETY: promised by the caller
    unsafe {
        // a worker does not see what is above its part of the plan
        let limited = pg_sys::ParallelWorkerNumber >= 0;
        walk((*planned).planTree, planned, limited, &mut found);
        for plan in list::pointers::<pg_sys::Plan>((*planned).subplans) {
            walk(plan, planned, limited, &mut found);
        }
    }
    found
}

/// `limited`: a node above may stop asking.
unsafe fn walk(
    plan: *mut pg_sys::Plan,
    planned: *mut pg_sys::PlannedStmt,
    limited: bool,
    found: &mut Vec<Group>,
) {
    if plan.is_null() {
        return;
    }
    // SAFETY: promised by the caller: nodes of a finished plan, told apart by their tags
    unsafe {
        let tag = (*plan).type_;
        let limited = match tag {
            pg_sys::NodeTag::T_Limit => true,
            _ => limited && !reads_all(plan),
        };
        let children = children(plan);
        let (appends, merges) = (
            tag == pg_sys::NodeTag::T_Append,
            tag == pg_sys::NodeTag::T_MergeAppend,
        );
        let certain =
            !(*plan).parallel_aware && !compat_executor::prunes_while_running(plan, planned);
        if (appends || merges) && certain {
            let plans = children.iter().filter_map(|child| below(*child)).collect();
            // a merge asks every child for its first row
            found.push(Group {
                plans,
                all: merges || !limited,
            });
        }
        for child in children {
            walk(child, planned, limited, found);
        }
    }
}

/// True for nodes that read all of their input before they give anything away.
unsafe fn reads_all(plan: *mut pg_sys::Plan) -> bool {
    use pg_sys::AggStrategy as A;
    use pg_sys::NodeTag as T;
    // SAFETY: promised by the caller: the tag tells the struct
    unsafe {
        match (*plan).type_ {
            T::T_Sort | T::T_Hash => true,
            T::T_Agg => {
                let strategy = (*plan.cast::<pg_sys::Agg>()).aggstrategy;
                matches!(strategy, A::AGG_PLAIN | A::AGG_HASHED)
            }
            _ => false,
        }
    }
}

/// The plan nodes below a node.
pub(super) unsafe fn children(plan: *mut pg_sys::Plan) -> Vec<*mut pg_sys::Plan> {
    use pg_sys::NodeTag as T;
    // SAFETY: promised by the caller: the tag tells the struct
    unsafe {
        let more = match (*plan).type_ {
            T::T_Append => (*plan.cast::<pg_sys::Append>()).appendplans,
            T::T_MergeAppend => (*plan.cast::<pg_sys::MergeAppend>()).mergeplans,
            T::T_CustomScan => (*plan.cast::<pg_sys::CustomScan>()).custom_plans,
            _ => std::ptr::null_mut(),
        };
        let mut all: Vec<_> = list::pointers::<pg_sys::Plan>(more).collect();
        if (*plan).type_ == T::T_SubqueryScan {
            all.push((*plan.cast::<pg_sys::SubqueryScan>()).subplan);
        }
        all.push((*plan).lefttree);
        all.push((*plan).righttree);
        all.retain(|child| !child.is_null());
        all
    }
}

/// The cold scan below a child of an Append, if nothing but plain nodes with one input is between.
unsafe fn below(plan: *mut pg_sys::Plan) -> Option<usize> {
    let mut plan = plan;
    // SAFETY: promised by the caller: nodes of a finished plan
    unsafe {
        loop {
            if super::cold_scan::METHODS.is_plan(plan) {
                return Some(plan as usize);
            }
            match children(plan).as_slice() {
                [only] => plan = *only,
                _ => return None,
            }
        }
    }
}
