//! Chunks on demand for INSERT, UPDATE and MERGE: which statements get a router, and where.
//!
//! It is put in when the statement starts, never planned: nothing is serialised, and plans cached before
//! the table became a hypertable work. ModifyTable nodes stand at the top of a plan or of a CTE's plan.

use super::demand::{self, Demand};
use super::router_key::{self, Keys};
use super::router_node::{self, Router};
use super::{list, opener, router_move, spool};
use pgrx::{is_a, pg_sys};

/// Runs at the start of each statement; `start` is the rest of the chain of hooks.
///
/// # Safety
/// `query` must be a query that ExecutorStart was called for.
pub(super) unsafe fn start(query: *mut pg_sys::QueryDesc, flags: i32, start: impl Fn()) {
    // SAFETY: promised by the caller; after `start` the query has its state
    unsafe {
        if !writes(query, flags) {
            return start();
        }
        let Some(target) = targets(query) else {
            return start();
        };
        let spools = if target.in_process {
            spool::before(query)
        } else {
            Vec::new()
        };
        start();
        let hand_over = |subplan, router| {
            if let Some(spool) = spools.iter().find(|s| s.subplan == subplan) {
                spool.hand_over(router);
            }
        };
        if let Some(router) = visit((*query).planstate, &target.demand) {
            hand_over(None, router);
        }
        opener::visit((*query).planstate, &target.demand);
        let subplans = (*(*query).estate).es_subplanstates;
        for (i, state) in list::pointers::<pg_sys::PlanState>(subplans).enumerate() {
            if let Some(router) = visit(state, &target.demand) {
                hand_over(Some(i), router);
            }
            opener::visit(state, &target.demand);
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

/// What a statement writes to.
struct Target {
    /// one of its tables that get chunks on demand, mostly the only one
    demand: Demand,
    /// one of them must get its chunks in this transaction
    in_process: bool,
}

/// `None` when the statement writes to no table that gets chunks on demand.
unsafe fn targets(query: *mut pg_sys::QueryDesc) -> Option<Target> {
    let mut found: Option<Target> = None;
    // SAFETY: the range table of a planned statement; its tables are locked
    unsafe {
        for entry in list::pointers::<pg_sys::RangeTblEntry>((*(*query).plannedstmt).rtable) {
            let entry = &*entry;
            if entry.rtekind != pg_sys::RTEKind::RTE_RELATION
                || entry.relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE
                || entry.rellockmode != pg_sys::RowExclusiveLock as i32
            {
                continue;
            }
            let Some(demand) = Demand::of_table(entry.relid) else {
                continue;
            };
            // without an id nothing can have been made or altered
            let in_process = !demand.is_clean() && {
                let relation = pg_sys::table_open(entry.relid, pg_sys::NoLock as i32);
                let here = Demand::needs_in_process(relation);
                pg_sys::table_close(relation, pg_sys::NoLock as i32);
                here
            };
            match &mut found {
                Some(target) => target.in_process |= in_process,
                None => found = Some(Target { demand, in_process }),
            }
        }
    }
    found
}

/// The ModifyTable node that `state` is, when its rows may need new chunks.
///
/// # Safety
/// `state` must be NULL or an initialised plan state.
pub(super) unsafe fn target(
    state: *mut pg_sys::PlanState,
    known: Option<&Demand>,
) -> Option<(*mut pg_sys::ModifyTableState, Demand)> {
    // SAFETY: promised by the caller; the target of an initialised node is open
    unsafe {
        // NULL stands for a subplan that is not used
        if state.is_null() || !is_a(state.cast(), pg_sys::NodeTag::T_ModifyTableState) {
            return None;
        }
        let node = state.cast::<pg_sys::ModifyTableState>();
        if (*node).operation == pg_sys::CmdType::CMD_DELETE {
            return None;
        }
        let root = (*(*node).rootResultRelInfo).ri_RelationDesc;
        let mut demand = match known {
            Some(known) if known.relation() == (*root).rd_id => *known,
            _ => Demand::of(root)?,
        };
        // the routing of an UPDATE is made when the first row moves
        if (*node).operation == pg_sys::CmdType::CMD_INSERT {
            demand.begin_where_the_last_ended();
        }
        Some((node, demand))
    }
}

/// Puts a router under a ModifyTable node that needs one.
unsafe fn visit(state: *mut pg_sys::PlanState, known: &Demand) -> Option<*mut Router> {
    // SAFETY: a plan state of the started query
    unsafe {
        let (node, demand) = target(state, Some(known))?;
        let root = (*(*node).rootResultRelInfo).ri_RelationDesc;
        let keys = router_key::of(node, root, &demand);
        let updates = (*node).operation == pg_sys::CmdType::CMD_UPDATE;
        let keys = match keys {
            Some(keys) => keys,
            None if updates && router_move::triggers_may_move(node) => Keys::Unknown,
            None => return None,
        };
        let router = router_node::put_under(node, demand, keys);
        if (*node).operation != pg_sys::CmdType::CMD_INSERT {
            router_move::watch_leaves(router);
        }
        if let Keys::Merge(_) = keys {
            router_move::watch_inserts(router);
        }
        Some(router)
    }
}
