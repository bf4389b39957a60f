//! Statements in a transaction that has itself made, altered or locked the table: no maker may work for it.
//!
//! The server lets nobody attach a partition while a statement has the table open. So the statement is
//! started once only to read its source into a tuplestore, and ended; the chunks that the rows need are
//! made by ordinary DDL; then the statement runs on the rows that were read. Each row is computed once.

use super::demand::Demand;
use super::{router, router_key, router_node};
use pgrx::pg_sys;

/// The rows of a statement, read before it starts.
pub(super) struct Spool {
    context: pg_sys::MemoryContext,
    store: *mut pg_sys::Tuplestorestate,
    demand: Demand,
}

/// Reads the source of the statement and makes the chunks that it needs. `None` where that cannot be
/// done, or is not needed; a chunk that is missing then is error 55000.
///
/// # Safety
/// `query` must be about to be started.
pub(super) unsafe fn before(query: *mut pg_sys::QueryDesc) -> Option<Spool> {
    // SAFETY: promised by the caller. The second query shares plan, snapshots and parameters with the
    // first, which is legal as long as one runs after the other
    unsafe {
        let plan = (*query).plannedstmt;
        // the source of one part may be another part that writes
        if (*plan).hasModifyingCTE {
            return None;
        }
        let context = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"strata spool".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        let old = pg_sys::MemoryContextSwitchTo(context);
        let store = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
        let trial = pg_sys::CreateQueryDesc(
            plan,
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
        let found = router::target((*trial).planstate, None).and_then(|(node, demand)| {
            let root = (*(*node).rootResultRelInfo).ri_RelationDesc;
            let keys = router_key::of(node, root, &demand)?;
            let router = router_node::put_under(node, demand, keys);
            Some((*router).collect(store))
        });
        // nothing has been written: no part of the statement must run when it is finished
        (*(*trial).estate).es_auxmodifytables = std::ptr::null_mut();
        pg_sys::standard_ExecutorFinish(trial);
        pg_sys::standard_ExecutorEnd(trial);
        pg_sys::FreeQueryDesc(trial);
        pg_sys::MemoryContextSwitchTo(old);
        let Some((mut demand, missing)) = found else {
            pg_sys::tuplestore_end(store);
            pg_sys::MemoryContextDelete(context);
            return None;
        };
        if !missing.is_empty() {
            let indexes: Vec<i64> = missing.into_iter().collect();
            demand.make_in_process(&indexes);
        }
        demand.forget_range();
        Some(Spool {
            context,
            store,
            demand,
        })
    }
}

impl Spool {
    /// Hands the rows over to the router of the statement that was started meanwhile.
    ///
    /// # Safety
    /// `router` must be the router of the statement that the spool was made for, not yet run.
    pub(super) unsafe fn hand_over(self, router: *mut router_node::Router) {
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
