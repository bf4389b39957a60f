//! Where the key of a row is that a statement is about to write.

use super::demand::Demand;
use super::router_merge::{self, MergeKeys};
use super::{compat_executor, list};
use pgrx::pg_sys;

/// Where a router finds keys in the rows that pass it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keys {
    /// a column of the row, counted from 1
    Column(i32),
    /// the actions of a MERGE say
    Merge(*mut MergeKeys),
    /// a trigger may change it later
    Unknown,
}

/// `None` when no row of this statement can change its chunk.
///
/// # Safety
/// `node` must be initialised, `root` its open target.
pub(super) unsafe fn of(
    node: *mut pg_sys::ModifyTableState,
    root: pg_sys::Relation,
    demand: &Demand,
) -> Option<Keys> {
    // SAFETY: promised by the caller
    unsafe {
        match (*node).operation {
            // always a whole row, in the order of the table
            pg_sys::CmdType::CMD_INSERT => Some(Keys::Column(demand.key_attnum().into())),
            pg_sys::CmdType::CMD_UPDATE => updated_column(node, root, demand).map(Keys::Column),
            pg_sys::CmdType::CMD_MERGE => {
                let query = (*(*node).ps.state).es_query_cxt;
                let old = pg_sys::MemoryContextSwitchTo(query);
                let keys = router_merge::keys(node, demand);
                pg_sys::MemoryContextSwitchTo(old);
                keys.map(Keys::Merge)
            }
            _ => None,
        }
    }
}

/// The position of the key among the columns that an UPDATE sets. The lists of all result relations
/// have the same order, with the column numbers of each; they may differ from those of the root.
unsafe fn updated_column(
    node: *mut pg_sys::ModifyTableState,
    root: pg_sys::Relation,
    demand: &Demand,
) -> Option<i32> {
    // SAFETY: promised by the caller; the first result relation belongs to the first list
    unsafe {
        let first = list::pointers::<pg_sys::List>(compat_executor::update_columns(node)).next()?;
        let key = column_in((*(*node).resultRelInfo).ri_RelationDesc, root, demand)?;
        let at = list::integers(first).iter().position(|n| *n == key)?;
        i32::try_from(at + 1).ok()
    }
}

/// Number of the key in a chunk or in the root itself.
///
/// # Safety
/// Both relations must be open.
pub(super) unsafe fn column_in(
    relation: pg_sys::Relation,
    root: pg_sys::Relation,
    demand: &Demand,
) -> Option<i32> {
    // SAFETY: promised by the caller; the name is palloc'd
    unsafe {
        if relation == root {
            return Some(demand.key_attnum().into());
        }
        let name = pg_sys::get_attname((*root).rd_id, demand.key_attnum(), true);
        if name.is_null() {
            return None;
        }
        let number = pg_sys::get_attnum((*relation).rd_id, name);
        (number > 0).then_some(number.into())
    }
}
