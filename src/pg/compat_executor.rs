//! Differences between PostgreSQL 15 to 18 in the executor and in processes.

use super::list;
use pgrx::pg_sys;

/// Number of this process in the array of all processes.
pub fn my_proc_number() -> i32 {
    // SAFETY: every process with shared memory has its PGPROC
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        {
            (*pg_sys::MyProc).pgprocno
        }
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        {
            pg_sys::MyProcNumber
        }
    }
}

/// Columns that an UPDATE sets, one list for each result relation.
///
/// # Safety
/// `node` must be the state of an UPDATE.
pub unsafe fn update_columns(node: *const pg_sys::ModifyTableState) -> *mut pg_sys::List {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            (*(*node).ps.plan.cast::<pg_sys::ModifyTable>()).updateColnosLists
        }
        #[cfg(feature = "pg18")]
        {
            (*node).mt_updateColnosLists
        }
    }
}

/// Which rows an action of MERGE is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeWhen {
    Matched,
    NotMatchedBySource,
    NotMatchedByTarget,
}

/// The actions (MergeActionState) of a result relation.
///
/// # Safety
/// `relation` must be a result relation of an initialised MERGE.
pub unsafe fn merge_actions(
    relation: *const pg_sys::ResultRelInfo,
    when: MergeWhen,
) -> *mut pg_sys::List {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        {
            match when {
                MergeWhen::Matched => (*relation).ri_matchedMergeAction,
                MergeWhen::NotMatchedByTarget => (*relation).ri_notMatchedMergeAction,
                MergeWhen::NotMatchedBySource => std::ptr::null_mut(),
            }
        }
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        {
            let kind = match when {
                MergeWhen::Matched => pg_sys::MergeMatchKind::MERGE_WHEN_MATCHED,
                MergeWhen::NotMatchedBySource => {
                    pg_sys::MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE
                }
                MergeWhen::NotMatchedByTarget => {
                    pg_sys::MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_TARGET
                }
            };
            (*relation).ri_MergeActions[kind as usize]
        }
    }
}

/// The condition that tells WHEN MATCHED from WHEN NOT MATCHED BY SOURCE, NULL where only the first
/// can be (always before PostgreSQL 17).
///
/// # Safety
/// `relation` must be a result relation of an initialised MERGE.
pub unsafe fn merge_join_condition(
    relation: *const pg_sys::ResultRelInfo,
) -> *mut pg_sys::ExprState {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    {
        let _ = relation;
        std::ptr::null_mut()
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        (*relation).ri_MergeJoinCondition
    }
}

/// True for an Append or MergeAppend that decides while it runs which children it asks.
///
/// # Safety
/// `plan` must be a node of the finished statement `planned`.
pub unsafe fn prunes_while_running(
    plan: *const pg_sys::Plan,
    planned: *const pg_sys::PlannedStmt,
) -> bool {
    // SAFETY: promised by the caller; the tag tells the struct
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let info = {
            let _ = planned;
            match (*plan).type_ {
                pg_sys::NodeTag::T_Append => (*plan.cast::<pg_sys::Append>()).part_prune_info,
                pg_sys::NodeTag::T_MergeAppend => {
                    (*plan.cast::<pg_sys::MergeAppend>()).part_prune_info
                }
                _ => std::ptr::null_mut(),
            }
        };
        #[cfg(feature = "pg18")]
        let info = {
            let index = match (*plan).type_ {
                pg_sys::NodeTag::T_Append => (*plan.cast::<pg_sys::Append>()).part_prune_index,
                pg_sys::NodeTag::T_MergeAppend => {
                    (*plan.cast::<pg_sys::MergeAppend>()).part_prune_index
                }
                _ => -1,
            };
            let mut all = list::pointers::<pg_sys::PartitionPruneInfo>((*planned).partPruneInfos);
            usize::try_from(index)
                .ok()
                .and_then(|index| all.nth(index))
                .unwrap_or(std::ptr::null_mut())
        };
        if info.is_null() {
            return false;
        }
        list::pointers::<pg_sys::List>((*info).prune_infos).any(|table| {
            list::pointers::<pg_sys::PartitionedRelPruneInfo>(table)
                .any(|relation| !(*relation).exec_pruning_steps.is_null())
        })
    }
}

/// Runs a started query to its end.
///
/// # Safety
/// `query` must have been started, and not yet be run.
pub unsafe fn run_to_end(query: *mut pg_sys::QueryDesc) {
    let forward = pg_sys::ScanDirection::ForwardScanDirection;
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::ExecutorRun(query, forward, 0, true);
        #[cfg(feature = "pg18")]
        pg_sys::ExecutorRun(query, forward, 0);
    }
}
