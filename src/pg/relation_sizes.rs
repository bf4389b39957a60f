//! How large relations are, without waiting for anybody's lock.

use pgrx::pg_sys;

const SHARED: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

/// Bytes in a page.
pub const PAGE_BYTES: u64 = pg_sys::BLCKSZ as u64;

/// Pages of the main fork of a relation with storage, and its rows as the planner estimates them: none where there is no
/// page, else one or more. `None` if somebody holds it for himself, or it is gone. No lock is left behind.
#[must_use]
pub fn pages_and_rows(relation: pg_sys::Oid) -> Option<(u64, u64)> {
    // SAFETY: the lock that was got is given back, also by an error; the relation is closed before
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(relation, SHARED) {
            return None;
        }
        let found = measure(relation);
        pg_sys::UnlockRelationOid(relation, SHARED);
        found
    }
}

/// # Safety
/// The relation is locked.
unsafe fn measure(oid: pg_sys::Oid) -> Option<(u64, u64)> {
    // SAFETY: promised by the caller; opened and closed here
    unsafe {
        let relation = pg_sys::try_relation_open(oid, NO_LOCK);
        if relation.is_null() {
            return None;
        }
        let kind = (*(*relation).rd_rel).relkind as u8;
        let main = pg_sys::ForkNumber::MAIN_FORKNUM;
        let stored = matches!(
            kind,
            pg_sys::RELKIND_RELATION
                | pg_sys::RELKIND_MATVIEW
                | pg_sys::RELKIND_TOASTVALUE
                | pg_sys::RELKIND_INDEX
        );
        let blocks = match stored {
            true => pg_sys::RelationGetNumberOfBlocksInFork(relation, main),
            false => 0,
        };
        let rows = match kind {
            _ if blocks == 0 => 0,
            pg_sys::RELKIND_RELATION | pg_sys::RELKIND_MATVIEW => {
                let (mut pages, mut rows, mut visible) = (0, 0.0, 0.0);
                let none = std::ptr::null_mut();
                pg_sys::estimate_rel_size(relation, none, &mut pages, &mut rows, &mut visible);
                rows.max(1.0) as u64
            }
            _ => 1,
        };
        pg_sys::relation_close(relation, NO_LOCK);
        Some((u64::from(blocks), rows))
    }
}
