//! The rows of a COPY: read, filtered, routed. What CopyFrom does (copyfrom.c), for partitioned tables.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::compat_copy::{self, CopyState};
use super::copy_leaf::{self, Leaf, ROWS};
use super::copy_raw as raw;
use super::copy_route::Bounds;
use super::{copy_demand, copy_error, copy_flush, copy_park, copy_route, copy_spool};
use pgrx::pg_sys::{self, *};
use std::ffi::c_void;

/// One running COPY. Plain data on the stack of [`run`], see [`super::copy_raw`].
pub(super) struct Copy {
    pub(super) cstate: *mut CopyState,
    pub(super) rel: Relation,
    pub(super) demand: *mut c_void,
    pub(super) estate: *mut EState,
    pub(super) mtstate: *mut ModifyTableState,
    pub(super) econtext: *mut ExprContext,
    pub(super) root: *mut ResultRelInfo,
    pub(super) routing: *mut PartitionTupleRouting,
    pub(super) transition: *mut TransitionCaptureState,
    /// the row at hand, in the root's form
    pub(super) slot: *mut TupleTableSlot,
    pub(super) command: CommandId,
    /// rows go in one by one: something may look at the table meanwhile
    pub(super) single: bool,
    /// rows without a chunk may wait for it: nothing looks at the table meanwhile
    pub(super) may_park: bool,
    pub(super) bounds: Bounds,
    /// in the order in which they were met
    pub(super) leaves: *mut Leaf,
    pub(super) last_leaf: *mut Leaf,
    pub(super) last_single: *mut Leaf,
    pub(super) bulk: BulkInsertState,
    pub(super) slots: *mut *mut TupleTableSlot,
    /// bytes of rows that wait for their leaf
    pub(super) waiting: usize,
    /// leaves with memory of their own
    pub(super) warm: usize,
    pub(super) parked: copy_park::Parked,
    pub(super) spool: copy_spool::Spool,
    pub(super) processed: i64,
    pub(super) excluded: i64,
}

/// Reads all rows and stores them; how many were stored.
///
/// # Safety
/// The state must come from BeginCopyFrom, for the open relation; the caller must hold nothing with a
/// destructor.
pub(super) unsafe fn run(cstate: *mut CopyState, demand: *mut c_void) -> u64 {
    // SAFETY: promised by the caller; pointers of the struct are set before they are used
    unsafe {
        let mut copy: Copy = std::mem::zeroed();
        let c = &raw mut copy;
        (*c).cstate = cstate;
        (*c).rel = (*cstate).rel;
        (*c).demand = demand;
        (*c).bounds = Bounds::EMPTY;
        let mut context = ErrorContextCallback {
            previous: error_context_stack,
            callback: Some(raw::CopyFromErrorCallback),
            arg: cstate.cast(),
        };
        if copy_demand::in_process((*c).rel) {
            error_context_stack = &raw mut context;
            copy_spool::read_all(c);
            error_context_stack = context.previous;
            copy_spool::make_chunks(c);
        }
        prepare(c);
        let old = CurrentMemoryContext;
        error_context_stack = &raw mut context;
        rows(c, old);
        copy_park::drain(c);
        copy_flush::flush_all(c);
        error_context_stack = context.previous;
        pg_sys::MemoryContextSwitchTo(old);
        finish(c);
        (*c).processed as u64
    }
}

/// Executor state, triggers, routing.
unsafe fn prepare(c: *mut Copy) {
    // SAFETY: as run
    unsafe {
        let estate = raw::CreateExecutorState();
        let root: *mut ResultRelInfo = raw::node(NodeTag::T_ResultRelInfo);
        let mtstate: *mut ModifyTableState = raw::node(NodeTag::T_ModifyTableState);
        (*c).command = raw::GetCurrentCommandId(true);
        (*c).estate = estate;
        (*c).root = root;
        (*c).mtstate = mtstate;
        compat_copy::init_range_table(estate, (*c).cstate);
        raw::ExecInitResultRelation(estate, root, 1);
        compat_copy::check_valid_target(root);
        raw::ExecOpenIndices(root, false);
        (*mtstate).ps.state = estate;
        (*mtstate).operation = CmdType::CMD_INSERT;
        (*mtstate).mt_nrels = 1;
        (*mtstate).resultRelInfo = root;
        (*mtstate).rootResultRelInfo = root;
        raw::AfterTriggerBeginQuery();
        (*c).transition = raw::MakeTransitionCaptureState(
            (*(*c).rel).trigdesc,
            (*(*c).rel).rd_id,
            CmdType::CMD_INSERT,
        );
        (*mtstate).mt_transition_capture = (*c).transition;
        (*c).econtext = raw::MakePerTupleExprContext(estate);
        choose_method(c);
        (*c).slots =
            raw::MemoryContextAllocZero((*estate).es_query_cxt, ROWS.wrapping_mul(8)).cast();
        (*c).slot =
            raw::table_slot_create((*root).ri_RelationDesc, &raw mut (*estate).es_tupleTable);
        copy_route::begin(c);
        compat_copy::prepare_filter((*c).cstate, &raw mut (*mtstate).ps);
        raw::ExecBSInsertTriggers(estate, root);
    }
}

/// Rows go in one by one where a trigger, a default or the filter might look at the table.
unsafe fn choose_method(c: *mut Copy) {
    // SAFETY: as run
    unsafe {
        let triggers = (*(*c).root).ri_TrigDesc;
        let before = !triggers.is_null() && (*triggers).trig_insert_before_row;
        let captures = !triggers.is_null() && (*triggers).trig_insert_new_table;
        let volatile = (*(*c).cstate).volatile_defexprs
            || raw::contain_volatile_functions((*(*c).cstate).filter.cast());
        (*c).single = before || captures || volatile;
        (*c).may_park = !before && !volatile && !checks_are_volatile((*c).rel);
    }
}

/// True when a CHECK must be asked once for each row, because it may count or look at the table.
unsafe fn checks_are_volatile(rel: Relation) -> bool {
    // SAFETY: constraints of the open relation
    unsafe {
        let constr = (*(*rel).rd_att).constr;
        if constr.is_null() {
            return false;
        }
        let mut i = 0;
        while i < (*constr).num_check as usize {
            let expr = raw::stringToNode((*(*constr).check.add(i)).ccbin);
            if raw::contain_volatile_functions(expr.cast()) {
                return true;
            }
            i = i.wrapping_add(1);
        }
        false
    }
}

/// All rows, each through [`one`].
unsafe fn rows(c: *mut Copy, query_memory: MemoryContext) {
    // SAFETY: as run
    unsafe {
        let row_memory = (*(*c).econtext).ecxt_per_tuple_memory;
        loop {
            raw::check_for_interrupts();
            raw::MemoryContextReset(row_memory);
            pg_sys::MemoryContextSwitchTo(row_memory);
            let more = if (*c).spool.store.is_null() {
                next(c, (*c).slot, (*c).econtext)
            } else {
                copy_spool::next(c)
            };
            pg_sys::MemoryContextSwitchTo(query_memory);
            match more {
                Next::Row => one(c),
                Next::Skipped => {}
                Next::End => return,
            }
        }
    }
}

/// What reading gave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Row,
    Skipped,
    End,
}

/// Reads the next row into the slot and applies ON_ERROR and WHERE. Runs in the memory of one row.
pub(super) unsafe fn next(
    c: *mut Copy,
    slot: *mut TupleTableSlot,
    econtext: *mut ExprContext,
) -> Next {
    // SAFETY: as run
    unsafe {
        let cstate = (*c).cstate;
        raw::clear(slot);
        if !raw::NextCopyFrom(cstate, econtext, (*slot).tts_values, (*slot).tts_isnull) {
            return Next::End;
        }
        if compat_copy::skipped(cstate) {
            return Next::Skipped;
        }
        raw::ExecStoreVirtualTuple(slot);
        // constraints and the filter may ask for it
        (*slot).tts_tableOid = (*(*c).rel).rd_id;
        if !(*cstate).filter.is_null() {
            (*econtext).ecxt_scantuple = slot;
            // ExecQual, an inline function of the server
            let qual = (*cstate).qualexpr;
            let mut null = false;
            if let Some(evaluate) = (*qual).evalfunc
                && evaluate(qual, econtext, &mut null).value() == 0
            {
                (*c).excluded = (*c).excluded.wrapping_add(1);
                let param = PROGRESS_COPY_TUPLES_EXCLUDED as i32;
                raw::pgstat_progress_update_param(param, (*c).excluded);
                return Next::Skipped;
            }
        }
        Next::Row
    }
}

/// Stores the row in the slot, or parks it.
#[inline(always)]
unsafe fn one(c: *mut Copy) {
    // SAFETY: as run
    unsafe {
        let leaf = copy_route::leaf(c);
        if leaf.is_null() {
            copy_park::without_chunk(c);
        } else {
            copy_leaf::store(c, leaf);
        }
    }
}

/// Statement triggers, queued triggers, and the end of everything.
unsafe fn finish(c: *mut Copy) {
    // SAFETY: as run; nothing waits
    unsafe {
        let estate = (*c).estate;
        let skipped = compat_copy::skipped_to_tell((*c).cstate);
        if skipped > 0 {
            copy_error::tell_skipped(skipped);
        }
        raw::ExecASInsertTriggers(estate, (*c).root, (*c).transition);
        raw::AfterTriggerEndQuery(estate);
        raw::ExecResetTupleTable((*estate).es_tupleTable, false);
        copy_route::end(c);
        copy_spool::end(c);
        copy_demand::finish(c.cast());
        raw::ExecCloseResultRelations(estate);
        raw::ExecCloseRangeTableRelations(estate);
        raw::FreeExecutorState(estate);
    }
}
