//! The server's functions as COPY calls them: without a guard around each.
//!
//! Our COPY does what copyfrom.c does, row by row, and keeps no value with a destructor on its
//! stack. So an error may jump over its frames as it jumps over C's: it reaches the client with its
//! context, position and names, which a guard would lose, and no row pays for a guard.
//! Never call a guarded function (`pg_sys::...`) from such a frame: it would panic there. Code that
//! needs Rust's own world (lists, our errors) is called through a `#[pg_guard]` function instead.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::compat_copy::CopyState;
use pgrx::pg_sys::{self, *};
use std::ffi::{c_char, c_int, c_void};

#[allow(
    clashing_extern_declarations,
    reason = "the bindings know the same functions"
)]
unsafe extern "C-unwind" {
    // statement
    pub(super) fn standard_ProcessUtility(
        statement: *mut PlannedStmt,
        query: *const c_char,
        read_only_tree: bool,
        context: ProcessUtilityContext::Type,
        params: ParamListInfo,
        environment: *mut QueryEnvironment,
        dest: *mut DestReceiver,
        completion: *mut QueryCompletion,
    );
    pub(super) fn RangeVarGetRelidExtended(
        relation: *const RangeVar,
        lockmode: LOCKMODE,
        flags: u32,
        callback: RangeVarGetRelidCallback,
        callback_arg: *mut c_void,
    ) -> Oid;
    pub(super) fn get_rel_relkind(relid: Oid) -> c_char;
    pub(super) fn IsInParallelMode() -> bool;
    pub(super) fn GetUserId() -> Oid;
    pub(super) fn has_privs_of_role(member: Oid, role: Oid) -> bool;
    pub(super) fn copyObjectImpl(from: *const c_void) -> *mut c_void;
    pub(super) fn make_parsestate(parent: *mut ParseState) -> *mut ParseState;
    pub(super) fn free_parsestate(pstate: *mut ParseState);
    pub(super) fn GetTransactionSnapshot() -> Snapshot;
    pub(super) fn PushActiveSnapshot(snapshot: Snapshot);
    pub(super) fn PopActiveSnapshot();
    pub(super) fn table_openrv(relation: *const RangeVar, lockmode: LOCKMODE) -> Relation;
    pub(super) fn table_open(relid: Oid, lockmode: LOCKMODE) -> Relation;
    pub(super) fn table_close(relation: Relation, lockmode: LOCKMODE);
    pub(super) fn addRangeTableEntryForRelation(
        pstate: *mut ParseState,
        rel: Relation,
        lockmode: c_int,
        alias: *mut Alias,
        inh: bool,
        in_from: bool,
    ) -> *mut ParseNamespaceItem;
    pub(super) fn addNSItemToQuery(
        pstate: *mut ParseState,
        item: *mut ParseNamespaceItem,
        join_list: bool,
        relation_names: bool,
        variable_names: bool,
    );
    pub(super) fn transformExpr(
        pstate: *mut ParseState,
        expr: *mut Node,
        kind: ParseExprKind::Type,
    ) -> *mut Node;
    pub(super) fn coerce_to_boolean(
        pstate: *mut ParseState,
        node: *mut Node,
        construct: *const c_char,
    ) -> *mut Node;
    pub(super) fn assign_expr_collations(pstate: *mut ParseState, expr: *mut Node);
    pub(super) fn pull_varattnos(node: *mut Node, varno: Index, attnos: *mut *mut Bitmapset);
    pub(super) fn bms_is_member(member: c_int, set: *const Bitmapset) -> bool;
    pub(super) fn bms_add_member(set: *mut Bitmapset, member: c_int) -> *mut Bitmapset;
    pub(super) fn eval_const_expressions(root: *mut PlannerInfo, node: *mut Node) -> *mut Node;
    pub(super) fn canonicalize_qual(qual: *mut Expr, is_check: bool) -> *mut Expr;
    pub(super) fn make_ands_implicit(clause: *mut Expr) -> *mut List;
    pub(super) fn contain_volatile_functions(clause: *mut Node) -> bool;
    pub(super) fn CopyGetAttnums(desc: TupleDesc, rel: Relation, names: *mut List) -> *mut List;
    pub(super) fn check_enable_rls(relid: Oid, user: Oid, no_error: bool) -> c_int;
    pub(super) fn defGetBoolean(option: *mut DefElem) -> bool;
    pub(super) fn BeginCopyFrom(
        pstate: *mut ParseState,
        rel: Relation,
        filter: *mut Node,
        filename: *const c_char,
        is_program: bool,
        callback: copy_data_source_cb,
        columns: *mut List,
        options: *mut List,
    ) -> *mut CopyState;
    pub(super) fn NextCopyFrom(
        cstate: *mut CopyState,
        econtext: *mut ExprContext,
        values: *mut Datum,
        nulls: *mut bool,
    ) -> bool;
    pub(super) fn CopyFrom(cstate: *mut CopyState) -> u64;
    pub(super) fn EndCopyFrom(cstate: *mut CopyState);
    pub(super) fn PreventCommandIfReadOnly(command: *const c_char);
    pub(super) fn CopyFromErrorCallback(arg: *mut c_void);
    pub(super) fn CommandCounterIncrement();
    pub(super) fn ProcessInterrupts();
    pub(super) fn pgstat_progress_update_param(index: c_int, value: i64);

    // memory
    pub(super) fn palloc0(size: Size) -> *mut c_void;
    pub(super) fn strlen(text: *const c_char) -> usize;
    pub(super) fn pstrdup(text: *const c_char) -> *mut c_char;
    pub(super) fn pfree(pointer: *mut c_void);
    pub(super) fn MemoryContextAlloc(context: MemoryContext, size: Size) -> *mut c_void;
    pub(super) fn MemoryContextAllocZero(context: MemoryContext, size: Size) -> *mut c_void;
    pub(super) fn MemoryContextReset(context: MemoryContext);
    pub(super) fn MemoryContextDelete(context: MemoryContext);
    pub(super) fn GenerationContextCreate(
        parent: MemoryContext,
        name: *const c_char,
        minimum: Size,
        initial: Size,
        maximum: Size,
    ) -> MemoryContext;
    pub(super) fn list_free(list: *mut List);

    // executor
    pub(super) fn CreateExecutorState() -> *mut EState;
    pub(super) fn FreeExecutorState(estate: *mut EState);
    pub(super) fn MakePerTupleExprContext(estate: *mut EState) -> *mut ExprContext;
    pub(super) fn GetCurrentCommandId(used: bool) -> CommandId;
    pub(super) fn ExecInitResultRelation(estate: *mut EState, info: *mut ResultRelInfo, rti: Index);
    pub(super) fn ExecOpenIndices(info: *mut ResultRelInfo, speculative: bool);
    pub(super) fn AfterTriggerBeginQuery();
    pub(super) fn AfterTriggerEndQuery(estate: *mut EState);
    pub(super) fn MakeTransitionCaptureState(
        triggers: *mut TriggerDesc,
        relid: Oid,
        command: CmdType::Type,
    ) -> *mut TransitionCaptureState;
    pub(super) fn ExecInitQual(qual: *mut List, parent: *mut PlanState) -> *mut ExprState;
    pub(super) fn ExecPrepareExpr(node: *mut Expr, estate: *mut EState) -> *mut ExprState;
    pub(super) fn ExecCheck(state: *mut ExprState, econtext: *mut ExprContext) -> bool;
    pub(super) fn stringToNode(text: *const c_char) -> *mut c_void;
    pub(super) fn ExecBSInsertTriggers(estate: *mut EState, info: *mut ResultRelInfo);
    pub(super) fn ExecASInsertTriggers(
        estate: *mut EState,
        info: *mut ResultRelInfo,
        capture: *mut TransitionCaptureState,
    );
    pub(super) fn ExecBRInsertTriggers(
        estate: *mut EState,
        info: *mut ResultRelInfo,
        slot: *mut TupleTableSlot,
    ) -> bool;
    pub(super) fn ExecARInsertTriggers(
        estate: *mut EState,
        info: *mut ResultRelInfo,
        slot: *mut TupleTableSlot,
        recheck: *mut List,
        capture: *mut TransitionCaptureState,
    );
    pub(super) fn ExecComputeStoredGenerated(
        info: *mut ResultRelInfo,
        estate: *mut EState,
        slot: *mut TupleTableSlot,
        command: CmdType::Type,
    );
    pub(super) fn ExecConstraints(
        info: *mut ResultRelInfo,
        slot: *mut TupleTableSlot,
        estate: *mut EState,
    );
    pub(super) fn ExecPartitionCheck(
        info: *mut ResultRelInfo,
        slot: *mut TupleTableSlot,
        estate: *mut EState,
        emit_error: bool,
    ) -> bool;
    pub(super) fn ExecResetTupleTable(table: *mut List, free: bool);
    pub(super) fn ExecCloseResultRelations(estate: *mut EState);
    pub(super) fn ExecCloseRangeTableRelations(estate: *mut EState);

    // routing
    pub(super) fn ExecSetupPartitionTupleRouting(
        estate: *mut EState,
        rel: Relation,
    ) -> *mut PartitionTupleRouting;
    pub(super) fn ExecFindPartition(
        mtstate: *mut ModifyTableState,
        root: *mut ResultRelInfo,
        routing: *mut PartitionTupleRouting,
        slot: *mut TupleTableSlot,
        estate: *mut EState,
    ) -> *mut ResultRelInfo;
    pub(super) fn ExecCleanupTupleRouting(
        mtstate: *mut ModifyTableState,
        routing: *mut PartitionTupleRouting,
    );
    pub(super) fn PartitionDirectoryLookup(
        directory: PartitionDirectory,
        rel: Relation,
    ) -> PartitionDesc;
    pub(super) fn DestroyPartitionDirectory(directory: PartitionDirectory);
    pub(super) fn RelationGetPartitionKey(rel: Relation) -> *mut super::copy_route::PartitionKey;
    pub(super) fn partition_range_datum_bsearch(
        support: *mut FmgrInfo,
        collation: *mut Oid,
        bounds: PartitionBoundInfo,
        nvalues: c_int,
        values: *mut Datum,
        is_equal: *mut bool,
    ) -> c_int;

    // rows
    pub(super) fn table_slot_create(rel: Relation, list: *mut *mut List) -> *mut TupleTableSlot;
    pub(super) fn table_slot_callbacks(rel: Relation) -> *const TupleTableSlotOps;
    pub(super) fn MakeTupleTableSlot(
        desc: TupleDesc,
        ops: *const TupleTableSlotOps,
    ) -> *mut TupleTableSlot;
    pub(super) fn MakeSingleTupleTableSlot(
        desc: TupleDesc,
        ops: *const TupleTableSlotOps,
    ) -> *mut TupleTableSlot;
    pub(super) fn ExecSetSlotDescriptor(slot: *mut TupleTableSlot, desc: TupleDesc);
    pub(super) fn ExecDropSingleTupleTableSlot(slot: *mut TupleTableSlot);
    pub(super) fn ExecStoreVirtualTuple(slot: *mut TupleTableSlot) -> *mut TupleTableSlot;
    pub(super) fn ExecStoreHeapTuple(
        tuple: HeapTuple,
        slot: *mut TupleTableSlot,
        free: bool,
    ) -> *mut TupleTableSlot;
    pub(super) fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, attnum: c_int);
    pub(super) fn execute_attr_map_slot(
        map: *mut AttrMap,
        input: *mut TupleTableSlot,
        output: *mut TupleTableSlot,
    ) -> *mut TupleTableSlot;
    pub(super) fn heap_form_tuple(
        desc: TupleDesc,
        values: *mut Datum,
        nulls: *mut bool,
    ) -> HeapTuple;
    pub(super) fn heap_deform_tuple(
        tuple: HeapTuple,
        desc: TupleDesc,
        values: *mut Datum,
        nulls: *mut bool,
    );
    pub(super) fn CreateTemplateTupleDesc(natts: c_int) -> TupleDesc;
    pub(super) fn TupleDescCopyEntry(
        dst: TupleDesc,
        dst_attno: AttrNumber,
        src: TupleDesc,
        src_attno: AttrNumber,
    );
    pub(super) fn TupleDescInitEntry(
        desc: TupleDesc,
        attno: AttrNumber,
        name: *const c_char,
        type_: Oid,
        typmod: i32,
        dimensions: c_int,
    );
    pub(super) fn tuplestore_begin_heap(
        random_access: bool,
        across_transactions: bool,
        kilobytes: c_int,
    ) -> *mut Tuplestorestate;
    pub(super) fn tuplestore_putvalues(
        store: *mut Tuplestorestate,
        desc: TupleDesc,
        values: *mut Datum,
        nulls: *mut bool,
    );
    pub(super) fn tuplestore_gettupleslot(
        store: *mut Tuplestorestate,
        forward: bool,
        copy: bool,
        slot: *mut TupleTableSlot,
    ) -> bool;
    pub(super) fn tuplestore_end(store: *mut Tuplestorestate);
    pub(super) fn GetBulkInsertState() -> BulkInsertState;
    pub(super) fn FreeBulkInsertState(state: BulkInsertState);
    pub(super) fn ReleaseBulkInsertStatePin(state: BulkInsertState);
}

/// Raises the error of a pending cancel or shutdown.
#[inline(always)]
pub(super) unsafe fn check_for_interrupts() {
    // SAFETY: a word that signal handlers set
    unsafe {
        if (&raw const pg_sys::InterruptPending).read_volatile() != 0 {
            ProcessInterrupts();
        }
    }
}

/// makeNode: zeroed, with its tag.
pub(super) unsafe fn node<T>(tag: NodeTag) -> *mut T {
    // SAFETY: every node begins with its tag
    unsafe {
        let node = palloc0(size_of::<T>()).cast::<Node>();
        (*node).type_ = tag;
        node.cast()
    }
}

/// ExecClearTuple, an inline function of the server.
#[inline(always)]
pub(super) unsafe fn clear(slot: *mut TupleTableSlot) {
    // SAFETY: every slot has its operations
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            clear(slot);
        }
    }
}

/// slot_getallattrs, an inline function of the server.
#[inline(always)]
pub(super) unsafe fn all_attributes(slot: *mut TupleTableSlot) {
    // SAFETY: a slot that holds a row
    unsafe {
        let natts = (*(*slot).tts_tupleDescriptor).natts;
        if c_int::from((*slot).tts_nvalid) < natts {
            slot_getsomeattrs_int(slot, natts);
        }
    }
}
