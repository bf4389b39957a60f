//! Declarations that pgrx's bindings lack, with the header that they come from.
//!
//! Each wrapper is guarded as pgrx's own are: an error of PostgreSQL becomes a panic that unwinds.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

/// Declarations without a guard, for callers that hold no value with a destructor.
pub mod raw {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        /// executor/tuptable.h
        pub fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, attnum: i32);
        /// executor/executor.h
        pub fn ExecEndNode(node: *mut pg_sys::PlanState);
        /// executor/executor.h
        pub fn ExecScan(
            node: *mut pg_sys::ScanState,
            access: pg_sys::ExecScanAccessMtd,
            recheck: pg_sys::ExecScanRecheckMtd,
        ) -> *mut pg_sys::TupleTableSlot;
    }
}

macro_rules! guarded {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)?;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the C function of this name.
            #[allow(ffi_unwind_calls, reason = "an error stops at the boundary")]
            #[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
            pub unsafe fn $name($($arg: $type),*) $(-> $out)? {
                unsafe extern "C-unwind" {
                    fn $name($($arg: $type),*) $(-> $out)?;
                }
                // SAFETY: promised by the caller
                unsafe { pg_guard_ffi_boundary(|| $name($($arg),*)) }
            }
        )*
    };
}

#[allow(non_snake_case)]
mod functions {
    use super::{pg_guard_ffi_boundary, pg_sys};

    guarded! {
        /// storage/predicate.h
        fn TransferPredicateLocksToHeapRelation(relation: pg_sys::Relation);
        /// storage/predicate.h
        fn PredicateLockRelation(relation: pg_sys::Relation, snapshot: pg_sys::Snapshot);
        /// commands/async.h
        fn Async_Notify(channel: *const core::ffi::c_char, payload: *const core::ffi::c_char);
        /// parser/parse_target.h
        fn FigureIndexColname(node: *mut pg_sys::Node) -> *mut core::ffi::c_char;
        /// commands/sequence.h
        fn nextval_internal(sequence: pg_sys::Oid, check_permissions: bool) -> i64;
        /// optimizer/prep.h
        fn get_agg_clause_costs(
            root: *mut pg_sys::PlannerInfo,
            split: pg_sys::AggSplit::Type,
            costs: *mut pg_sys::AggClauseCosts,
        );
        /// commands/cluster.h
        fn make_new_heap(
            old: pg_sys::Oid,
            tablespace: pg_sys::Oid,
            access_method: pg_sys::Oid,
            persistence: core::ffi::c_char,
            lockmode: pg_sys::LOCKMODE,
        ) -> pg_sys::Oid;
        /// commands/cluster.h
        fn finish_heap_swap(
            old: pg_sys::Oid,
            new: pg_sys::Oid,
            is_system_catalog: bool,
            swap_toast_by_content: bool,
            check_constraints: bool,
            is_internal: bool,
            frozen_xid: pg_sys::TransactionId,
            cutoff_multi: pg_sys::MultiXactId,
            persistence: core::ffi::c_char,
        );
        /// executor/execPartition.h
        fn ExecSetupPartitionTupleRouting(
            estate: *mut pg_sys::EState,
            root: pg_sys::Relation,
        ) -> *mut pg_sys::PartitionTupleRouting;
        /// executor/execPartition.h
        fn ExecFindPartition(
            node: *mut pg_sys::ModifyTableState,
            root: *mut pg_sys::ResultRelInfo,
            routing: *mut pg_sys::PartitionTupleRouting,
            slot: *mut pg_sys::TupleTableSlot,
            estate: *mut pg_sys::EState,
        ) -> *mut pg_sys::ResultRelInfo;
        /// executor/execPartition.h
        fn ExecCleanupTupleRouting(
            node: *mut pg_sys::ModifyTableState,
            routing: *mut pg_sys::PartitionTupleRouting,
        );
        /// executor/nodeModifyTable.h
        fn ExecComputeStoredGenerated(
            relation: *mut pg_sys::ResultRelInfo,
            estate: *mut pg_sys::EState,
            slot: *mut pg_sys::TupleTableSlot,
            command: pg_sys::CmdType::Type,
        );
        /// utils/partcache.h
        fn RelationGetPartitionQual(relation: pg_sys::Relation) -> *mut pg_sys::List;
        /// executor/tstoreReceiver.h
        fn CreateTuplestoreDestReceiver() -> *mut pg_sys::DestReceiver;
        /// executor/tstoreReceiver.h
        fn SetTuplestoreDestReceiverParams(
            receiver: *mut pg_sys::DestReceiver,
            store: *mut pg_sys::Tuplestorestate,
            context: pg_sys::MemoryContext,
            detoast: bool,
            target: pg_sys::TupleDesc,
            map_failure: *const core::ffi::c_char,
        );
    }

    /// Widens predicate locks on rows and pages to the whole relation, before its rows move.
    ///
    /// # Safety
    /// The relation must be open and locked AccessExclusive.
    pub unsafe fn transfer_predicate_locks(relation: pg_sys::Relation) {
        // SAFETY: promised by the caller
        unsafe { TransferPredicateLocksToHeapRelation(relation) }
    }

    /// Notes for SERIALIZABLE that a scan reads the relation; nothing at lower levels.
    ///
    /// # Safety
    /// The relation must be open, and the snapshot the one that it is read with.
    pub unsafe fn predicate_lock(relation: pg_sys::Relation, snapshot: pg_sys::Snapshot) {
        // SAFETY: promised by the caller
        unsafe { PredicateLockRelation(relation, snapshot) }
    }
}

pub use functions::*;
