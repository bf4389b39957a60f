//! Which tables get their chunks on demand, and by which rules: a cache per session, emptied by
//! invalidation messages.

use super::session;
use crate::error::{Error, Result};
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;

/// Rules of one hypertable.
pub trait Rules {
    /// Column number and type of the key.
    fn key(&self) -> (i16, pg_sys::Oid);
    /// Number of the chunk that the value belongs to; 22008 where no chunk may be made for it.
    fn index(&self, value: i64) -> Result<i64>;
    /// Number of the chunk that the value belongs to, whether one may be made or not.
    fn number(&self, value: i64) -> i64;
    /// Chunks may have been closed: a row for them is a demand, too.
    fn closes(&self) -> bool;
    /// 22008 for infinity.
    fn infinite(&self) -> Error;
    /// For a uuid that is not of version 7.
    fn not_version_7(&self) -> Error;
    /// One statement makes at most this many chunks.
    fn max_chunks(&self) -> u32;
    /// 54000 for a statement that would make `chunks`.
    fn too_many(&self, chunks: u32) -> Error;
    /// How long to wait for a free worker.
    fn patience(&self) -> std::time::Duration;
    /// Chunks are made ahead, so that a hint that none is left makes sense.
    fn premakes(&self) -> bool;
    fn table_name(&self) -> &str;
}

/// The catalog table that holds the rules, and those of one table: `None` where its chunks are not made
/// on demand.
pub type Found = (pg_sys::Oid, Option<Rc<dyn Rules>>);

/// What a noun knows about tables that get chunks on demand.
pub trait Noun: Sync {
    /// The rules of a partitioned table; `None` where the noun has no catalog in this database.
    fn rules(&self, relation: pg_sys::Oid) -> Result<Option<Found>>;
    /// Makes chunks in the current transaction; returns how many were missing.
    fn make(&self, relation: pg_sys::Oid, indexes: &[i64]) -> Result<u32>;
}

static NOUN: OnceLock<&'static dyn Noun> = OnceLock::new();

/// Registers the noun; once per process.
pub fn register(noun: &'static dyn Noun) {
    NOUN.get_or_init(|| noun);
    super::maker::set_make(make);
}

pub(super) fn make(relation: pg_sys::Oid, indexes: &[i64]) -> Result<u32> {
    match NOUN.get() {
        Some(noun) => noun.make(relation, indexes),
        None => Err(Error::internal("no function to make chunks")),
    }
}

struct Entry {
    rules: Option<Rc<dyn Rules>>,
    /// of the chunk that the last row went to; goes with the entry when the table changes
    range: Option<(i64, i64)>,
    /// tells this entry from those before and after it
    number: u64,
}

thread_local! {
    static CACHE: RefCell<HashMap<u32, Entry>> = RefCell::new(HashMap::new());
    /// the catalog table: when it changes, or goes with the extension, everything is forgotten
    static CATALOG: Cell<u32> = const { Cell::new(0) };
    /// counts invalidations, so that an answer that was outrun is not kept
    static EPOCH: Cell<u64> = const { Cell::new(0) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    static ENTRIES: Cell<u64> = const { Cell::new(0) };
}

/// The rules of a partitioned table, or `None`. Raises what the catalog raises.
pub(super) fn of(relation: pg_sys::Oid) -> Result<Option<Rc<dyn Rules>>> {
    let known = CACHE.with_borrow(|c| c.get(&relation.to_u32()).map(|e| e.rules.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    let Some(noun) = NOUN.get() else {
        return Ok(None);
    };
    watch();
    let epoch = EPOCH.get();
    let found = {
        // not through the snapshot of a REPEATABLE READ transaction: what is kept here is for later ones too
        let _latest = session::LatestSnapshot::push();
        noun.rules(relation)?
    };
    let (catalog, rules) = match found {
        Some((catalog, rules)) => (catalog.to_u32(), rules),
        None => (0, None),
    };
    // A transaction that has written and whose snapshot is fixed may have read what is old.
    let certain = !(session::has_written() && session::transaction_snapshot_is_fixed());
    if epoch == EPOCH.get() && certain {
        CATALOG.set(catalog);
        ENTRIES.set(ENTRIES.get() + 1);
        let entry = Entry {
            rules: rules.clone(),
            range: None,
            number: ENTRIES.get(),
        };
        CACHE.with_borrow_mut(|c| c.insert(relation.to_u32(), entry));
    }
    Ok(rules)
}

/// Column number and type of the key, `None` where chunks are not made on demand.
pub(super) fn key(relation: pg_sys::Oid) -> Result<Option<(i16, pg_sys::Oid)>> {
    let known = CACHE.with_borrow(|c| {
        let entry = c.get(&relation.to_u32());
        entry.map(|e| e.rules.as_ref().map(|rules| rules.key()))
    });
    match known {
        Some(key) => Ok(key),
        None => Ok(of(relation)?.map(|rules| rules.key())),
    }
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

/// Tells all sessions, at commit, that the rules of a table have changed.
pub fn changed(relation: pg_sys::Oid) {
    // SAFETY: inside a transaction; a relation that is gone is no error
    unsafe {
        if pg_sys::SearchSysCacheExists(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
        ) {
            pg_sys::CacheInvalidateRelcacheByRelid(relation);
        }
    }
}
