//! Notices when what a session knows about queues may have changed.
//!
//! Whoever changes a queue, its rights or a ring calls [`changed`] with the table that it wrote to; sessions
//! hear of it with the next lock that they take, as of every change of a table.

use super::catalog;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};

/// Tables of ours that a session keeps something of.
const TABLES: [&str; 6] = [
    "queue",
    "queue_stream",
    "queue_segment",
    "queue_grant",
    "queue_home",
    "queue_pair",
];

thread_local! {
    static EPOCH: Cell<u64> = const { Cell::new(1) };
    static OIDS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Differs from the last call if anything may have changed since. What was read belongs to the epoch from
/// before the reading.
pub fn epoch() -> u64 {
    if !WATCHING.replace(true) {
        // SAFETY: the callback is a guarded function of this library, which is never unloaded
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::from(0)) }
    }
    if OIDS.with_borrow(Vec::is_empty) {
        let oids = TABLES
            .iter()
            .filter_map(|t| catalog::relation_oid("strata", t))
            .map(pg_sys::Oid::to_u32)
            .collect();
        OIDS.set(oids);
    }
    EPOCH.get()
}

/// Notices changes of this table too, as far as [`epoch`] goes.
pub fn watch(table: pg_sys::Oid) {
    epoch();
    OIDS.with_borrow_mut(|oids| {
        if !oids.contains(&table.to_u32()) {
            oids.push(table.to_u32());
        }
    });
}

/// Tells all sessions, when this transaction commits, and this one at the next command.
pub fn changed(table: &str) {
    if let Some(oid) = catalog::relation_oid("strata", table) {
        catalog::invalidate(oid);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    let relation = relation.to_u32();
    // nobody calls PostgreSQL with the list borrowed, so this never fails
    let known = OIDS.with(|oids| match oids.try_borrow_mut() {
        // the extension may have been dropped, and made again with other tables: they are looked up anew
        Ok(mut oids) if relation == 0 || oids.contains(&relation) => {
            oids.clear();
            true
        }
        Ok(_) => false,
        Err(_) => true,
    });
    if known {
        EPOCH.set(EPOCH.get() + 1);
    }
}
