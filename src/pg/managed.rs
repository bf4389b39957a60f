//! What this backend knows about partitioned tables: which are hypertables, and with which columns.
//!
//! Cached per relation, dropped by relcache invalidation, which every change of `strata.hypertable` sends
//! for the table it describes.

use super::cold_state::raise;
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;

/// The planner's view of a hypertable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managed {
    /// never before the key in any row, by a CHECK that the reader of this has to find
    pub end_column: Option<String>,
    /// of a table partitioned by id
    pub time_column: Option<String>,
}

/// Reads the catalog as of now; `None` for a table that is no hypertable.
pub type Loader = fn(pg_sys::Oid) -> Result<Option<Managed>>;

static LOADER: OnceLock<Loader> = OnceLock::new();

thread_local! {
    static CACHE: RefCell<HashMap<u32, Option<Rc<Managed>>>> = RefCell::new(HashMap::new());
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    /// counts invalidations: what was read across one is not kept
    static GENERATION: Cell<u64> = const { Cell::new(0) };
}

/// Registers what reads the catalog, once, when the library is loaded.
pub fn set_loader(loader: Loader) {
    LOADER.get_or_init(|| loader);
}

#[pg_guard]
unsafe extern "C-unwind" fn on_relcache_inval(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    GENERATION.set(GENERATION.get().wrapping_add(1));
    CACHE.with(|cache| {
        if let Ok(mut cache) = cache.try_borrow_mut() {
            if relation == pg_sys::InvalidOid {
                cache.clear();
            } else {
                cache.remove(&relation.to_u32());
            }
        }
    });
}

/// The hypertable with this OID; `None` for every other table, and where the extension is not installed.
pub fn of(relation: pg_sys::Oid) -> Option<Rc<Managed>> {
    let loader = LOADER.get()?;
    // SAFETY: syscache look-ups. Not cached: CREATE EXTENSION invalidates no table of users. Before
    // ALTER EXTENSION UPDATE the catalog may be an older one.
    let installed = unsafe {
        let schema = pg_sys::get_namespace_oid(c"strata".as_ptr(), true);
        schema != pg_sys::InvalidOid && {
            let table = pg_sys::get_relname_relid(c"hypertable".as_ptr(), schema);
            table != pg_sys::InvalidOid && pg_sys::get_attnum(table, c"end_column".as_ptr()) > 0
        }
    };
    if !installed {
        return None;
    }
    let key = relation.to_u32();
    if let Some(known) = CACHE.with_borrow(|cache| cache.get(&key).cloned()) {
        return known;
    }
    if !WATCHING.replace(true) {
        // SAFETY: registered once per process, never removed; the callback is a static function
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(on_relcache_inval), pg_sys::Datum::null())
        };
    }
    let before = GENERATION.get();
    let found = match loader(relation) {
        Ok(found) => found.map(Rc::new),
        Err(e) => raise(e),
    };
    if GENERATION.get() == before {
        CACHE.with_borrow_mut(|cache| cache.insert(key, found.clone()));
    }
    found
}
