//! How many rows the planner believes a heap to hold.

use pgrx::pg_sys;

/// The server never believes a table that was not yet vacuumed to have fewer pages (tableam.c,
/// table_block_relation_estimate_size): good for plans, wrong for counting.
const LEAST_PAGES: u32 = 10;

/// Runs `look` with the relation open. `None` when it is gone, or locked by somebody in a way that others cannot
/// read it: nobody is waited for.
pub(super) fn in_passing<T>(
    relation: pg_sys::Oid,
    look: impl FnOnce(pg_sys::Relation) -> T,
) -> Option<T> {
    let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the lock is taken before the relation is opened, and given back with it, after an error by the
    // server
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(relation, mode) {
            return None;
        }
        let rel = pg_sys::try_relation_open(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        if rel.is_null() {
            pg_sys::UnlockRelationOid(relation, mode);
            return None;
        }
        let found = look(rel);
        pg_sys::relation_close(rel, mode);
        Some(found)
    }
}

/// The estimate, from the density that ANALYZE found, or the widths of the columns, and the present size.
/// `None` when the relation is gone, or locked by somebody: nobody is waited for.
pub fn estimate(relation: pg_sys::Oid) -> Option<f64> {
    in_passing(relation, |rel| {
        let (mut pages, mut rows, mut visible) = (0, 0.0, 0.0);
        let no_widths = std::ptr::null_mut();
        // SAFETY: the relation is open and locked
        let real = unsafe {
            pg_sys::estimate_rel_size(rel, no_widths, &mut pages, &mut rows, &mut visible);
            pg_sys::RelationGetNumberOfBlocksInFork(rel, pg_sys::ForkNumber::MAIN_FORKNUM)
        };
        if real < pages && pages <= LEAST_PAGES {
            rows *= f64::from(real) / f64::from(pages);
        }
        rows
    })
}
