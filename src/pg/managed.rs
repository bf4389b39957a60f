//! What this session knows about partitioned tables: which are hypertables, and by which rules. One cache for
//! writing and planning, asked by every statement with a partitioned table in it.
//!
//! Dropped by relcache invalidation, which every change of `strata.hypertable` sends for the table that it
//! describes; all of it when that catalog itself changes, or goes with the extension.

use super::demand_rules::{Rules, noun};
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// One hypertable.
pub struct Managed {
    /// never before the key in any row, by a CHECK that the reader of this has to find
    pub end_column: Option<String>,
    /// of a table partitioned by id
    pub time_column: Option<String>,
    /// `None` where chunks are not made on demand
    pub rules: Option<Rc<dyn Rules>>,
}

struct Entry {
    /// `None` for a table that is no hypertable
    table: Option<Rc<Managed>>,
    /// of the chunk that the last row went to; goes with the entry when the table changes
    range: Option<(i64, i64)>,
    /// tells this entry from those before and after it
    number: u64,
}

thread_local! {
    static CACHE: RefCell<HashMap<u32, Entry>> = RefCell::new(HashMap::new());
    /// the catalog table
    static CATALOG: Cell<u32> = const { Cell::new(0) };
    /// counts invalidations: what was read across one is not kept
    static EPOCH: Cell<u64> = const { Cell::new(0) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    static ENTRIES: Cell<u64> = const { Cell::new(0) };
}

/// The hypertable with this OID; `None` for every other table, and where the extension is not installed.
pub fn of(relation: pg_sys::Oid) -> Result<Option<Rc<Managed>>> {
    let known = CACHE.with_borrow(|c| c.get(&relation.to_u32()).map(|e| e.table.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    // SAFETY: a look-up in a system cache. Its answer is not kept: CREATE EXTENSION invalidates no table
    let installed = unsafe { pg_sys::get_namespace_oid(c"strata".as_ptr(), true) };
    let Some(noun) = noun().filter(|_| installed != pg_sys::InvalidOid) else {
        return Ok(None);
    };
    watch();
    let epoch = EPOCH.get();
    let Some((catalog, table)) = noun.table(relation)? else {
        return Ok(None);
    };
    let table = table.map(Rc::new);
    if epoch == EPOCH.get() {
        CATALOG.set(catalog.to_u32());
        ENTRIES.set(ENTRIES.get() + 1);
        let entry = Entry {
            table: table.clone(),
            range: None,
            number: ENTRIES.get(),
        };
        CACHE.with_borrow_mut(|c| c.insert(relation.to_u32(), entry));
    }
    Ok(table)
}

/// The rules by which chunks of a partitioned table are made on demand.
pub(super) fn rules(relation: pg_sys::Oid) -> Result<Option<Rc<dyn Rules>>> {
    Ok(of(relation)?.and_then(|table| table.rules.clone()))
}

/// The range that was noted, when the table has not changed since.
pub(super) fn range(relation: pg_sys::Oid) -> Option<(i64, i64)> {
    CACHE.with_borrow(|c| c.get(&relation.to_u32())?.range)
}

/// The number of what is kept about a table now; it changes when the table does.
pub(super) fn entry(relation: pg_sys::Oid) -> Option<u64> {
    CACHE.with_borrow(|c| c.get(&relation.to_u32()).map(|e| e.number))
}

/// Keeps the range of a chunk for the next statement, if the table is still what it was at that number:
/// a statement may go on with partitions that are on their way out.
pub(super) fn note_range(relation: pg_sys::Oid, seen: Option<u64>, range: (i64, i64)) {
    CACHE.with_borrow_mut(|c| {
        if let Some(entry) = c.get_mut(&relation.to_u32())
            && seen == Some(entry.number)
        {
            entry.range = Some(range);
        }
    });
}

fn watch() {
    if !WATCHING.replace(true) {
        // SAFETY: the callback is a guarded function of this library, which is never unloaded
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::from(0)) }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    super::planner_zone_cache::on_invalidation(relation);
    let relation = relation.to_u32();
    EPOCH.set(EPOCH.get().wrapping_add(1));
    // nobody calls PostgreSQL with the cache borrowed, so this never fails
    CACHE.with(|c| {
        if let Ok(mut cache) = c.try_borrow_mut() {
            if relation == 0 || relation == CATALOG.get() {
                cache.clear();
            } else {
                cache.remove(&relation);
            }
        }
    });
}
