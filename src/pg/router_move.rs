//! Rows that change their chunk in a way which nobody can tell beforehand: by a BEFORE trigger, after
//! another session changed the row first (EvalPlanQual), or by a volatile expression of a MERGE.
//!
//! The server asks two expressions just before it routes such a row: the leaf's own bounds, of an updated
//! row, and the projection of an INSERT action. Both are the executor's, per statement, and may be wrapped:
//! the wrapper asks the real one, then sees to the row's chunk. Each is asked once, as without us.

use super::demand::raise;
use super::router_node::Router;
use super::{compat_executor, ffi, list};
use compat_executor::MergeWhen;
use pgrx::{pg_guard, pg_sys};

/// The bounds of a leaf, in place of `ri_PartitionCheckExpr`. PostgreSQL's struct first; palloc'd.
#[repr(C)]
struct Bounds {
    state: pg_sys::ExprState,
    router: *mut Router,
    leaf: *mut pg_sys::ResultRelInfo,
    /// made when first asked, as the server does
    ready: bool,
    /// NULL: no bounds
    real: *mut pg_sys::ExprState,
    /// the key in rows of this leaf
    column: i32,
}

/// The projection of an INSERT action, in place of `mas_proj`.
#[repr(C)]
struct Insert {
    projection: pg_sys::ProjectionInfo,
    router: *mut Router,
    real: *mut pg_sys::ProjectionInfo,
}

/// True when a BEFORE trigger may move rows that the statement itself leaves where they are.
///
/// # Safety
/// `node` must be an initialised UPDATE.
pub(super) unsafe fn triggers_may_move(node: *const pg_sys::ModifyTableState) -> bool {
    // SAFETY: promised by the caller: an array of open relations
    unsafe {
        (0..(*node).mt_nrels as usize).any(|i| {
            let triggers = (*(*node).resultRelInfo.add(i)).ri_TrigDesc;
            !triggers.is_null() && (*triggers).trig_update_before_row
        })
    }
}

/// Wraps the bounds of the leaves that the statement updates.
///
/// # Safety
/// The router must be new, its statement not yet run.
pub(super) unsafe fn watch_leaves(router: *mut Router) {
    // SAFETY: promised by the caller; everything new lives as long as the query
    unsafe {
        let node = (*router).node;
        let n = (*node).mt_nrels as usize;
        let old = pg_sys::MemoryContextSwitchTo((*(*router).estate()).es_query_cxt);
        let all = pg_sys::palloc0(n * size_of::<Bounds>()).cast::<Bounds>();
        pg_sys::MemoryContextSwitchTo(old);
        for i in 0..n {
            let leaf = (*node).resultRelInfo.add(i);
            let is_leaf = (*(*(*leaf).ri_RelationDesc).rd_rel).relispartition;
            if !is_leaf || !(*leaf).ri_PartitionCheckExpr.is_null() {
                continue;
            }
            let bounds = all.add(i);
            (*bounds).state.type_ = pg_sys::NodeTag::T_ExprState;
            (*bounds).state.evalfunc = Some(stays);
            (*bounds).router = router;
            (*bounds).leaf = leaf;
            (*leaf).ri_PartitionCheckExpr = &raw mut (*bounds).state;
        }
    }
}

/// Wraps the projections of the INSERT actions of a MERGE.
///
/// # Safety
/// As of [`watch_leaves`].
pub(super) unsafe fn watch_inserts(router: *mut Router) {
    // SAFETY: promised by the caller
    unsafe {
        let node = (*router).node;
        let old = pg_sys::MemoryContextSwitchTo((*(*router).estate()).es_query_cxt);
        for i in 0..(*node).mt_nrels as usize {
            let actions = compat_executor::merge_actions(
                (*node).resultRelInfo.add(i),
                MergeWhen::NotMatchedByTarget,
            );
            for action in list::pointers::<pg_sys::MergeActionState>(actions) {
                let real = (*action).mas_proj;
                if real.is_null() {
                    continue;
                }
                let insert = pg_sys::palloc0(size_of::<Insert>()).cast::<Insert>();
                (*insert).projection.type_ = pg_sys::NodeTag::T_ProjectionInfo;
                (*insert).projection.pi_exprContext = (*real).pi_exprContext;
                let state = &raw mut (*insert).projection.pi_state;
                (*state).type_ = pg_sys::NodeTag::T_ExprState;
                (*state).resultslot = (*real).pi_state.resultslot;
                (*state).evalfunc = Some(project);
                (*insert).router = router;
                (*insert).real = real;
                (*action).mas_proj = &raw mut (*insert).projection;
            }
        }
        pg_sys::MemoryContextSwitchTo(old);
    }
}

/// True when the row stays in its leaf. No destructor may live in this frame.
#[allow(
    ffi_unwind_calls,
    reason = "a frame without destructors: an error jumps over it, as over C"
)]
unsafe extern "C-unwind" fn stays(
    state: *mut pg_sys::ExprState,
    econtext: *mut pg_sys::ExprContext,
    is_null: *mut bool,
) -> pg_sys::Datum {
    // SAFETY: called with the state that watch_leaves made, which begins our struct
    unsafe {
        let bounds = state.cast::<Bounds>();
        if !(*bounds).ready {
            prepare(bounds);
        }
        *is_null = false;
        let real = (*bounds).real;
        if real.is_null() {
            return pg_sys::Datum::from(1_usize);
        }
        let Some(evaluate) = (*real).evalfunc else {
            return pg_sys::Datum::from(1_usize);
        };
        let stays = evaluate(real, econtext, is_null);
        if !*is_null && stays.value() == 0 && (*bounds).column > 0 {
            leave(bounds, (*econtext).ecxt_scantuple);
        }
        stays
    }
}

/// As ExecPartitionCheck does when it is first asked.
#[pg_guard]
unsafe extern "C-unwind" fn prepare(bounds: *mut Bounds) {
    // SAFETY: called by `stays` with the running statement's own structures
    unsafe {
        let bounds = &mut *bounds;
        let router = &*bounds.router;
        let (estate, relation) = (router.estate(), (*bounds.leaf).ri_RelationDesc);
        let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
        let quals = ffi::RelationGetPartitionQual(relation);
        bounds.real = pg_sys::ExecPrepareCheck(quals, estate);
        let column = super::router_key::column_in(relation, router.root(), &router.demand);
        bounds.column = column.unwrap_or(0);
        bounds.ready = true;
        pg_sys::MemoryContextSwitchTo(old);
    }
}

/// The row, in the leaf's form, goes elsewhere.
#[pg_guard]
unsafe extern "C-unwind" fn leave(bounds: *mut Bounds, slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: as prepare; the slot holds the new row
    unsafe {
        let column = (*bounds).column;
        if i32::from((*slot).tts_nvalid) < column {
            pg_sys::slot_getsomeattrs_int(slot, column);
        }
        let at = (column - 1) as usize;
        if !*(*slot).tts_isnull.add(at) {
            (*(*bounds).router).see_to(*(*slot).tts_values.add(at));
        }
    }
}

/// Makes the row of an INSERT action. No destructor may live in this frame.
#[allow(
    ffi_unwind_calls,
    reason = "a frame without destructors: an error jumps over it, as over C"
)]
unsafe extern "C-unwind" fn project(
    state: *mut pg_sys::ExprState,
    econtext: *mut pg_sys::ExprContext,
    is_null: *mut bool,
) -> pg_sys::Datum {
    // SAFETY: called with the state inside the struct that watch_inserts made
    unsafe {
        let insert = state
            .byte_sub(std::mem::offset_of!(pg_sys::ProjectionInfo, pi_state))
            .cast::<Insert>();
        let real = &raw mut (*(*insert).real).pi_state;
        let Some(evaluate) = (*real).evalfunc else {
            return pg_sys::Datum::from(0_usize);
        };
        let out = evaluate(real, econtext, is_null);
        let (slot, router) = ((*real).resultslot, (*insert).router);
        let at = ((*router).demand.key_attnum() as usize).wrapping_sub(1);
        if !*(*slot).tts_isnull.add(at) {
            let value = *(*slot).tts_values.add(at);
            if !(*router).demand.is_cached(value) {
                arrive(router, value);
            }
        }
        out
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn arrive(router: *mut Router, value: pg_sys::Datum) {
    // SAFETY: the router of the running statement; a value of the key
    unsafe { (*router).see_to(value) }
}

impl Router {
    /// Sees to it that this value of the key has a chunk that the statement's routing knows. Between
    /// two uses of the routing only: the server looks it up again for each row.
    unsafe fn see_to(&mut self, value: pg_sys::Datum) {
        use super::demand::Located;
        // SAFETY: promised by the callers: a value of the key, not NULL; the hypertable is open
        unsafe {
            loop {
                self.follow_directory();
                match self.demand.look(self.estate(), self.root(), value) {
                    Ok(Located::Cached | Located::Found) => return,
                    Ok(Located::Stale) => {}
                    Ok(Located::Missing(index)) => {
                        self.demand.make(self.root(), &[index].into());
                    }
                    Err(e) => raise(e),
                }
                self.refresh();
            }
        }
    }
}
