//! Where the rows of a MERGE go: the key of the first action that applies, for each row of the source.
//!
//! Looking at the INSERT actions alone is not enough: an UPDATE action that sets the key moves a row, and
//! needs the old row to say where to. A row that is deleted, or that no action wants, needs no chunk.

use super::compat_executor::{MergeWhen, merge_actions, merge_join_condition};
use super::demand::Demand;
use super::list;
use super::router_key::column_in;
use crate::error::Result;
use pgrx::pg_sys;

/// One action of one result relation, reduced to what decides about chunks. In memory of the query.
struct Action {
    /// NULL: always
    condition: *mut pg_sys::ExprState,
    /// the condition is volatile: it must not be asked twice, the action may apply or not
    unsure: bool,
    /// NULL: the action writes no key
    key: *mut pg_sys::ExprState,
    /// the key is volatile: another time it is another one
    fickle: bool,
}

/// The actions of one result relation for one kind of row: a list of [`Action`].
struct Actions {
    list: *mut pg_sys::List,
    /// one of them writes a key
    write: bool,
}

/// Everything about one MERGE; in memory of the query.
pub(super) struct MergeKeys {
    context: *mut pg_sys::ExprContext,
    node: *mut pg_sys::ModifyTableState,
    demand: Demand,
    by_target: *mut Actions,
    /// volatile conditions and keys are asked, too: the only way to know before the statement
    pub(super) guess: bool,
    /// for each result relation, matched and not matched by source; made when first met
    matched: *mut [*mut Actions; 2],
}

/// Makes what [`each`] needs, in the current memory context; `None` when no action writes a key.
///
/// # Safety
/// `node` must be an initialised MERGE.
pub(super) unsafe fn keys(
    node: *mut pg_sys::ModifyTableState,
    demand: &Demand,
) -> Option<*mut MergeKeys> {
    // SAFETY: promised by the caller; the result relations are open
    unsafe {
        let first = (*node).resultRelInfo;
        let writes = |relation: *mut pg_sys::ResultRelInfo, when| {
            list::pointers::<pg_sys::MergeActionState>(merge_actions(relation, when)).any(|a| {
                let action = (*a).mas_action;
                (*action).commandType == pg_sys::CmdType::CMD_INSERT
                    || (*action).commandType == pg_sys::CmdType::CMD_UPDATE
            })
        };
        if !writes(first, MergeWhen::NotMatchedByTarget)
            && !writes(first, MergeWhen::Matched)
            && !writes(first, MergeWhen::NotMatchedBySource)
        {
            return None;
        }
        let keys = pg_sys::palloc0(size_of::<MergeKeys>()).cast::<MergeKeys>();
        (*keys).context = pg_sys::CreateExprContext((*node).ps.state);
        (*keys).node = node;
        (*keys).demand = *demand;
        (*keys).by_target = (*keys).compile(first, MergeWhen::NotMatchedByTarget);
        let each = size_of::<[*mut Actions; 2]>();
        (*keys).matched = pg_sys::palloc0(each * (*node).mt_nrels.max(1) as usize).cast();
        Some(keys)
    }
}

impl MergeKeys {
    unsafe fn compile(
        &self,
        relation: *mut pg_sys::ResultRelInfo,
        when: MergeWhen,
    ) -> *mut Actions {
        // SAFETY: an initialised MERGE; what is compiled here lives as long as the query
        unsafe {
            let query = (*(*self.node).ps.state).es_query_cxt;
            let old = pg_sys::MemoryContextSwitchTo(query);
            let out = pg_sys::palloc0(size_of::<Actions>()).cast::<Actions>();
            for state in list::pointers::<pg_sys::MergeActionState>(merge_actions(relation, when)) {
                let action = pg_sys::palloc0(size_of::<Action>()).cast::<Action>();
                (*action).condition = (*state).mas_whenqual;
                (*action).unsure = may_change((*(*state).mas_action).qual);
                let key = self.key_of((*state).mas_action, relation);
                if !key.is_null() {
                    (*action).fickle = may_change(key.cast());
                    (*action).key = pg_sys::ExecInitExpr(key, &mut (*self.node).ps);
                    (*out).write = true;
                }
                (*out).list = pg_sys::lappend((*out).list, action.cast());
            }
            pg_sys::MemoryContextSwitchTo(old);
            out
        }
    }

    /// The expression that an action gives the key, NULL when it gives none.
    unsafe fn key_of(
        &self,
        action: *const pg_sys::MergeAction,
        relation: *mut pg_sys::ResultRelInfo,
    ) -> *mut pg_sys::Expr {
        // SAFETY: a planned action: the target list of an INSERT has the order of the hypertable, the one
        // of an UPDATE that of updateColnos
        unsafe {
            let entries = list::pointers::<pg_sys::TargetEntry>((*action).targetList);
            let found = match (*action).commandType {
                pg_sys::CmdType::CMD_INSERT => entries
                    .into_iter()
                    .find(|e| (**e).resno == self.demand.key_attnum()),
                pg_sys::CmdType::CMD_UPDATE => {
                    let root = (*(*self.node).rootResultRelInfo).ri_RelationDesc;
                    let key = column_in((*relation).ri_RelationDesc, root, &self.demand);
                    let columns = list::integers((*action).updateColnos);
                    let at = columns.iter().position(|n| Some(*n) == key);
                    at.and_then(|at| entries.into_iter().nth(at))
                }
                _ => None,
            };
            found.map_or(std::ptr::null_mut(), |entry| (*entry).expr)
        }
    }

    unsafe fn matched(
        &self,
        relation: *mut pg_sys::ResultRelInfo,
        when: MergeWhen,
    ) -> *mut Actions {
        // SAFETY: the relation is one of the node's array
        unsafe {
            let at = relation.offset_from((*self.node).resultRelInfo) as usize;
            let place = &mut (*self.matched.add(at))[usize::from(when != MergeWhen::Matched)];
            if place.is_null() {
                *place = self.compile(relation, when);
            }
            *place
        }
    }
}

/// A junk column of a row; `None` for NULL.
unsafe fn junk(slot: *mut pg_sys::TupleTableSlot, column: i32) -> Option<pg_sys::Datum> {
    let mut null = false;
    // SAFETY: the planner made the column
    let value = unsafe { pg_sys::ExecGetJunkAttribute(slot, column as i16, &mut null) };
    (!null).then_some(value)
}

/// True for an expression that may give something else when it is asked again.
unsafe fn may_change(expr: *mut pg_sys::Node) -> bool {
    // SAFETY: an expression of a plan; what is inside its subplans is not looked at
    unsafe { pg_sys::contain_volatile_functions(expr) || pg_sys::contain_subplans(expr) }
}

/// Calls `f` with the key of the action that applies to the row, as far as that can be told without asking
/// anything volatile; the rest is for [`super::router_move`]. NULL is left to the server.
///
/// # Safety
/// `keys` must be of the running statement, `slot` a row of its source.
pub(super) unsafe fn each(
    keys: *mut MergeKeys,
    slot: *mut pg_sys::TupleTableSlot,
    f: &mut dyn FnMut(pg_sys::Datum) -> Result<()>,
) -> Result<()> {
    // SAFETY: promised by the caller; mirrors ExecMerge (nodeModifyTable.c)
    unsafe {
        let this = &*keys;
        let node = this.node;
        pg_sys::MemoryContextReset((*this.context).ecxt_per_tuple_memory);
        (*this.context).ecxt_innertuple = slot;
        (*this.context).ecxt_outertuple = std::ptr::null_mut();
        (*this.context).ecxt_scantuple = std::ptr::null_mut();
        let mut relation = (*node).resultRelInfo;
        if (*node).mt_resultOidAttno > 0 {
            match junk(slot, (*node).mt_resultOidAttno) {
                None => return this.apply(this.by_target, f),
                Some(oid) => {
                    let oid = pg_sys::Oid::from(oid.value() as u32);
                    relation = pg_sys::ExecLookupResultRelByOid(node, oid, false, false);
                }
            }
        }
        let Some(tid) = junk(slot, (*relation).ri_RowIdAttNo.into()) else {
            return this.apply(this.by_target, f);
        };
        let matched = this.matched(relation, MergeWhen::Matched);
        let by_source = this.matched(relation, MergeWhen::NotMatchedBySource);
        if !(*matched).write && !(*by_source).write {
            return Ok(());
        }
        // the node fetches the same version again
        let old = (*relation).ri_oldTupleSlot;
        if !pg_sys::table_tuple_fetch_row_version(
            (*relation).ri_RelationDesc,
            tid.cast_mut_ptr(),
            &raw mut pg_sys::SnapshotAnyData,
            old,
        ) {
            return Ok(());
        }
        (*this.context).ecxt_scantuple = old;
        let condition = merge_join_condition(relation);
        if condition.is_null() || pg_sys::ExecQual(condition, this.context) {
            this.apply(matched, f)
        } else {
            this.apply(by_source, f)
        }
    }
}

impl MergeKeys {
    unsafe fn apply(
        &self,
        actions: *mut Actions,
        f: &mut dyn FnMut(pg_sys::Datum) -> Result<()>,
    ) -> Result<()> {
        // SAFETY: compiled for this statement; the context holds the row
        unsafe {
            if !(*actions).write {
                return Ok(());
            }
            for action in list::pointers::<Action>((*actions).list) {
                let action = &*action;
                if action.unsure && !self.guess {
                    break;
                }
                if !action.unsure
                    && !action.condition.is_null()
                    && !pg_sys::ExecQual(action.condition, self.context)
                {
                    continue;
                }
                if !action.key.is_null() && (self.guess || !action.fickle) {
                    let mut null = false;
                    let value =
                        pg_sys::ExecEvalExprSwitchContext(action.key, self.context, &mut null);
                    if !null {
                        f(value)?;
                    }
                }
                if !action.unsure {
                    break;
                }
            }
            Ok(())
        }
    }
}
