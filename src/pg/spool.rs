//! Statements in a transaction that has itself made, altered or locked the table: no maker may work for it.
//!
//! The server lets nobody attach a partition while a statement has the table open. So the statement is
//! started once only to read its source into a tuplestore, and ended; the chunks that the rows need are
//! made by ordinary DDL; then the statement runs on the rows that were read. Each row is computed once.

use super::demand::Demand;
use super::{list, router, router_key, router_node};
use pgrx::pg_sys;
use std::collections::BTreeSet;
use std::ffi::CStr;

/// The rows of one part of a statement that writes, read before it starts.
pub(super) struct Spool {
    /// number among the subplans; `None`: the statement itself
    pub(super) subplan: Option<usize>,
    context: pg_sys::MemoryContext,
    store: *mut pg_sys::Tuplestorestate,
    demand: Demand,
}

/// Reads the sources of the statement and makes the chunks that they need. A part that is fed by another
/// part which writes is left out; a chunk that it misses is error 55000.
///
/// # Safety
/// `query` must be about to be started.
pub(super) unsafe fn before(query: *mut pg_sys::QueryDesc) -> Vec<Spool> {
    // SAFETY: promised by the caller. The second query shares plan, snapshots and parameters with the
    // first, which is legal as long as one runs after the other
    unsafe {
        let trial = pg_sys::CreateQueryDesc(
            (*query).plannedstmt,
            (*query).sourceText,
            (*query).snapshot,
            (*query).crosscheck_snapshot,
            pg_sys::None_Receiver,
            (*query).params,
            (*query).queryEnv,
            0,
        );
        // also checks that the user may do it
        pg_sys::standard_ExecutorStart(trial, 0);
        let mut collected = Vec::new();
        let top = std::iter::once((None, (*trial).planstate));
        let subplans = list::pointers((*(*trial).estate).es_subplanstates)
            .enumerate()
            .map(|(i, state)| (Some(i), state));
        let parts: Vec<(Option<usize>, *mut pg_sys::PlanState)> = top.chain(subplans).collect();
        for (subplan, state) in parts {
            collected.extend(collect(query, subplan, state));
        }
        // nothing has been written: no part of the statement must run when it is finished
        (*(*trial).estate).es_auxmodifytables = std::ptr::null_mut();
        pg_sys::standard_ExecutorFinish(trial);
        pg_sys::standard_ExecutorEnd(trial);
        pg_sys::FreeQueryDesc(trial);
        // only now nobody has the tables open
        for (spool, missing) in &mut collected {
            if !missing.is_empty() {
                let indexes: Vec<i64> = missing.iter().copied().collect();
                spool.demand.make_in_process(&indexes);
            }
            spool.demand.forget_range();
        }
        collected.into_iter().map(|(spool, _)| spool).collect()
    }
}

/// Reads the source of one part, if it writes to a table that gets chunks on demand.
unsafe fn collect(
    query: *mut pg_sys::QueryDesc,
    subplan: Option<usize>,
    state: *mut pg_sys::PlanState,
) -> Option<(Spool, BTreeSet<i64>)> {
    // SAFETY: a part of the query that was started for this
    unsafe {
        let (node, demand) = router::target(state, None)?;
        let root = (*(*node).rootResultRelInfo).ri_RelationDesc;
        let keys = router_key::of(node, root, &demand)?;
        let source = (*(*node).ps.lefttree).plan;
        if (*(*query).plannedstmt).hasModifyingCTE && !stands_alone(source) {
            return None;
        }
        // a child of the context of the caller, who runs the statement
        let context = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"strata spool".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        let old = pg_sys::MemoryContextSwitchTo(context);
        let store = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
        pg_sys::MemoryContextSwitchTo(old);
        let router = router_node::put_under(node, demand, keys);
        let (demand, missing) = (*router).collect(store);
        let spool = Spool {
            subplan,
            context,
            store,
            demand,
        };
        Some((spool, missing))
    }
}

/// True when a source needs no other part of its statement: neither a CTE nor a value of a subquery.
unsafe fn stands_alone(source: *const pg_sys::Plan) -> bool {
    // SAFETY: nodeToString writes any plan, NUL terminated
    unsafe {
        let text = pg_sys::nodeToString(source.cast());
        let plan = CStr::from_ptr(text).to_string_lossy();
        let others = [
            "{CTESCAN ",
            "{SUBPLAN ",
            "{ALTERNATIVESUBPLAN ",
            ":paramkind 1 ",
        ];
        !others.iter().any(|other| plan.contains(other))
    }
}

impl Spool {
    /// Hands the rows over to the router of the statement that was started meanwhile.
    ///
    /// # Safety
    /// `router` must be the router of the statement that the spool was made for, not yet run.
    pub(super) unsafe fn hand_over(&self, router: *mut router_node::Router) {
        // SAFETY: promised by the caller; the store's memory goes with the query's
        unsafe {
            let query = (*(*router).estate()).es_query_cxt;
            pg_sys::MemoryContextSetParent(self.context, query);
            (*router).demand = self.demand;
            (*router).store = self.store;
            (*router).source_ended = true;
            (*router).spooled = true;
        }
    }
}
