//! Chunks on demand for INSERT, UPDATE and MERGE: which statements get a router, and where.
//!
//! It is put in when the statement starts, never planned: nothing is serialised, and plans cached before
//! the table became a hypertable work. ModifyTable nodes stand at the top of a plan or of a CTE's plan.

use super::demand::{self, Demand};
use super::{list, router_key, router_node};
use pgrx::{is_a, pg_sys};

/// Runs at the start of each statement; `start` is the rest of the chain of hooks.
///
/// # Safety
/// `query` must be a query that ExecutorStart was called for.
pub(super) unsafe fn start(query: *mut pg_sys::QueryDesc, flags: i32, start: impl Fn()) {
    // SAFETY: promised by the caller; after `start` the query has its state
    unsafe {
        if !writes(query, flags) || !has_target(query) {
            return start();
        }
        start();
        let estate = (*query).estate;
        visit((*query).planstate);
        for state in list::pointers::<pg_sys::PlanState>((*estate).es_subplanstates) {
            visit(state);
        }
    }
}

unsafe fn writes(query: *mut pg_sys::QueryDesc, flags: i32) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        let changes = (*query).operation != pg_sys::CmdType::CMD_SELECT
            || (*(*query).plannedstmt).hasModifyingCTE;
        changes && flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 == 0 && demand::enabled()
    }
}

/// True when the statement writes to a table that gets chunks on demand.
unsafe fn has_target(query: *mut pg_sys::QueryDesc) -> bool {
    // SAFETY: the range table of a planned statement; its tables are locked
    unsafe {
        list::pointers::<pg_sys::RangeTblEntry>((*(*query).plannedstmt).rtable).any(|entry| {
            let entry = &*entry;
            entry.rtekind == pg_sys::RTEKind::RTE_RELATION
                && entry.relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE
                && entry.rellockmode == pg_sys::RowExclusiveLock as i32
                && Demand::of_table(entry.relid).is_some()
        })
    }
}

/// Puts a router under a ModifyTable node that needs one.
unsafe fn visit(state: *mut pg_sys::PlanState) {
    // SAFETY: NULL (a subplan that is not used), or an initialised plan state
    unsafe {
        if state.is_null() || !is_a(state.cast(), pg_sys::NodeTag::T_ModifyTableState) {
            return;
        }
        let node = state.cast::<pg_sys::ModifyTableState>();
        let root = (*(*node).rootResultRelInfo).ri_RelationDesc;
        if (*node).operation == pg_sys::CmdType::CMD_DELETE {
            return;
        }
        let Some(demand) = Demand::of(root) else {
            return;
        };
        if let Some(keys) = router_key::of(node, root, &demand) {
            router_node::put_under(node, demand, keys);
        }
    }
}
