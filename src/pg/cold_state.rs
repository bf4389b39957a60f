//! What this backend knows about chunks: the manifest cache, the mark of a writer, refusals.

use crate::cold::facts::FileFacts;
use crate::cold::manifest::ChunkState;
use crate::cold::runs::RunMap;
use crate::cold::store::ObjectStore;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;

/// Reads a part of a filter: file, columns, start and length in bytes.
pub type BloomBits = fn(&str, &[String], u32, u32) -> Result<Option<Vec<u8>>>;

/// Reads the states of chunks, all as of one moment.
pub type StatesOf = fn(&[pg_sys::Oid]) -> Result<Vec<(pg_sys::Oid, ChunkState)>>;

/// What the noun `cold` does for this folder, which does not know its catalog.
pub struct Catalog {
    /// states of chunks by the latest snapshot
    pub states_of: StatesOf,
    /// so many bytes of a filter of a file, from this one on; `None` when there are none
    pub bloom_bits: BloomBits,
    /// id of the chunk's live file by the snapshot of the running query
    pub file_in_snapshot: fn(pg_sys::Oid) -> Result<Option<String>>,
    /// takes the manifest row of a chunk away and queues its file; with a reason
    pub forget: fn(pg_sys::Oid, &str) -> Result<()>,
    /// whether a file has no two rows with the same key in a unique index of its chunk
    pub key_covers: fn(&str, pg_sys::Oid) -> Result<bool>,
    /// what is known of the bytes of a file; of its first pages only if asked for
    pub facts: fn(&str, bool) -> Result<FileFacts>,
    /// the run maps of a file, by the names of the columns there
    pub runs: fn(&str) -> Result<HashMap<String, RunMap>>,
    /// the store behind a server, for the chunks of a hypertable
    pub store: fn(&str, pg_sys::Oid) -> Result<Rc<dyn ObjectStore>>,
    /// the store of a foreign table
    pub foreign_store: fn(&ForeignAccess<'_>) -> Result<ForeignStore>,
    /// refuses a command that drops the extension
    pub drop_extension: fn() -> Result<()>,
    /// refuses DROP SERVER of these names
    pub drop_servers: fn(&[String]) -> Result<()>,
    /// before ALTER SERVER with this new location, if any
    pub alter_server: fn(&str, Option<&str>) -> Result<()>,
    /// before ALTER SERVER RENAME
    pub rename_server: fn(&str, &str) -> Result<()>,
    /// refuses DROP OWNED BY these roles
    pub drop_owned: fn(&[pg_sys::Oid]) -> Result<()>,
    /// refuses types of columns that files hold in another form
    pub retyped: fn() -> Result<()>,
    /// the manifest knows a chunk's columns as they are, by the snapshot of the running query
    pub is_current: fn(pg_sys::Oid) -> Result<bool>,
    /// refuses an ALTER TYPE that gives stored text forms another meaning
    pub alter_type: fn(pg_sys::Oid) -> Result<()>,
}

/// Who reads which file of a server as a foreign table.
pub struct ForeignAccess<'a> {
    pub server: pg_sys::Oid,
    /// whose user mapping counts
    pub user: pg_sys::Oid,
    /// who answers for reading the file: the owner of the foreign table
    pub owner: pg_sys::Oid,
    pub key: &'a str,
}

/// A store that may be read from.
pub struct ForeignStore {
    pub server: String,
    pub store: Rc<dyn ObjectStore>,
    /// a directory of this machine
    pub is_local: bool,
}

static CATALOG: OnceLock<Catalog> = OnceLock::new();

/// Registers the catalog, once, when the library is loaded.
pub fn set_catalog(catalog: Catalog) {
    CATALOG.get_or_init(|| catalog);
}

/// What was registered.
pub(super) fn catalog() -> &'static Catalog {
    match CATALOG.get() {
        Some(catalog) => catalog,
        None => raise(Error::internal("the cold catalog is not registered")),
    }
}

thread_local! {
    static CACHE: RefCell<HashMap<u32, ChunkState>> = RefCell::new(HashMap::new());
    /// relations (0: all) that were invalidated while states were being read; `None` at other times
    static LOST: RefCell<Option<Vec<u32>>> = const { RefCell::new(None) };
    /// the last chunk whose state was not known
    static MISSED: Cell<u32> = const { Cell::new(0) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    /// last mark left: relation, subtransaction's xid, attempt
    static TOUCHED: Cell<(u32, u32, i64)> = const { Cell::new((0, 0, 0)) };
    static STUB_SCAN: Cell<bool> = const { Cell::new(false) };
}

/// Raises an error of ours from a callback that returns no Result.
pub fn raise(error: Error) -> ! {
    ErrorReport::from(error).report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

#[pg_guard]
unsafe extern "C-unwind" fn on_relcache_inval(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    let all = super::cold_changed::concerns(relation.to_u32());
    let relation = if all { pg_sys::InvalidOid } else { relation };
    super::cold_probe::forget(relation.to_u32());
    if all {
        super::cold_changed::forget_plans();
    }
    LOST.with(|lost| {
        // borrowed for moments only, in which no callback runs
        if let Ok(mut lost) = lost.try_borrow_mut()
            && let Some(lost) = &mut *lost
        {
            lost.push(relation.to_u32());
        }
    });
    CACHE.with(|cache| {
        // the callback may run while a look-up of ours is building an entry; then that look-up
        // has not borrowed the map
        if let Ok(mut cache) = cache.try_borrow_mut() {
            if relation == pg_sys::InvalidOid {
                cache.clear();
            } else {
                cache.remove(&relation.to_u32());
            }
        }
    });
}

/// State of a chunk that has the access method `strata_cold`, as of the latest snapshot.
pub fn of(relation: pg_sys::Oid) -> ChunkState {
    if let Some(state) = known(relation) {
        return state;
    }
    MISSED.set(relation.to_u32());
    read(relation, vec![])
}

/// The same, where the states of `others` are going to be asked for next: see [`expect`].
pub fn of_next(relation: pg_sys::Oid, others: impl FnOnce() -> Vec<pg_sys::Oid>) -> ChunkState {
    known(relation).unwrap_or_else(|| read(relation, others()))
}

/// The states of `others` are going to be asked for next: what is not known of them is read at once. Does
/// nothing but where `relation` is the last one whose state was not known.
///
/// They need not be locked yet. A state that changes later is forgotten when its lock is taken: the message
/// that says so is sent before whoever changed it gives his lock back. One that changes while it is read is
/// not kept at all.
pub fn expect(relation: pg_sys::Oid, others: impl FnOnce() -> Vec<pg_sys::Oid>) {
    if MISSED.get() != relation.to_u32() {
        return;
    }
    MISSED.set(0);
    let mut others = others();
    others.retain(|o| known(*o).is_none());
    if let Some(last) = others.pop() {
        read(last, others);
    }
}

fn known(relation: pg_sys::Oid) -> Option<ChunkState> {
    CACHE.with_borrow(|cache| cache.get(&relation.to_u32()).cloned())
}

/// Reads the state of a chunk, and of those others that are not known.
fn read(relation: pg_sys::Oid, mut others: Vec<pg_sys::Oid>) -> ChunkState {
    if !WATCHING.replace(true) {
        // SAFETY: registered once per process, never removed; the callback is a static function
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(on_relcache_inval), pg_sys::Datum::null())
        };
    }
    CACHE.with_borrow(|cache| {
        others.retain(|o| *o != relation && !cache.contains_key(&o.to_u32()));
    });
    others.sort_unstable_by_key(|o| o.to_u32());
    others.dedup();
    others.push(relation);
    super::cold_changed::watch();
    let reading = Reading::begin();
    let found = match (catalog().states_of)(&others) {
        Ok(found) => found,
        Err(e) => raise(e),
    };
    let lost = reading.end();
    let mut own = ChunkState::Plain;
    CACHE.with_borrow_mut(|cache| {
        for (chunk, state) in found {
            if chunk == relation {
                own = state.clone();
            }
            let chunk = chunk.to_u32();
            if !lost.contains(&0) && !lost.contains(&chunk) {
                cache.insert(chunk, state);
            }
        }
    });
    own
}

/// While alive, invalidations are taken note of.
struct Reading(Option<Vec<u32>>);

impl Reading {
    fn begin() -> Reading {
        Reading(LOST.replace(Some(Vec::new())))
    }

    /// What was invalidated.
    fn end(self) -> Vec<u32> {
        LOST.with_borrow(Clone::clone).unwrap_or_default()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let inner = LOST.replace(self.0.take());
        LOST.with_borrow_mut(|outer| {
            if let (Some(outer), Some(inner)) = (outer, inner) {
                outer.extend(inner);
            }
        });
    }
}

/// Whether a file has no two rows with the same key in a unique index of its chunk.
pub(super) fn key_covers(file: &str, index: pg_sys::Oid) -> bool {
    match (catalog().key_covers)(file, index) {
        Ok(covers) => covers,
        Err(e) => raise(e),
    }
}

/// Forgets what is cached about a chunk, here and (at commit) in every other backend.
pub fn invalidate(relation: pg_sys::Oid) {
    // SAFETY: sends an invalidation for an existing relation of this database
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) };
    super::cold_probe::forget(relation.to_u32());
    CACHE.with_borrow_mut(|cache| cache.remove(&relation.to_u32()));
}

/// 55000: what the statement wants cannot be had while the chunk is cold. In `what`, `{}` stands
/// for the chunk.
pub fn not_while_cold(relation: pg_sys::Oid, what: &str) -> Error {
    let name = super::catalog::relation_name(relation).unwrap_or_default();
    let qualified = super::catalog::qualified_name(relation).unwrap_or_default();
    let literal = super::catalog::quote_literal(&qualified);
    let mut hint = format!("Bring the chunk back first: CALL strata.untier_chunk({literal});");
    if what.starts_with("scan") {
        hint = format!(
            "Read it with COPY (SELECT * FROM {qualified}) TO ..., or bring it back: CALL strata.untier_chunk({literal});"
        );
    }
    {
        let what = what.replace("{}", &format!("cold chunk \"{name}\""));
        Error::new(Kind::NotInState, format!("cannot {what}"))
    }
    .detail("Its rows are in an immutable file of the cold tier.")
    .hint(hint)
}

/// Leaves the mark "written during this attempt" for the exporter, once per subtransaction.
pub fn touch(relation: pg_sys::Oid, attempt: i64) {
    // SAFETY: the caller is about to write, so an xid is assigned in any case
    let xid = unsafe { pg_sys::GetCurrentTransactionId() };
    let mark = (relation.to_u32(), xid_number(xid), attempt);
    if TOUCHED.get() == mark {
        return;
    }
    // SAFETY: a plain catalog insert; lock and tuple are released at transaction end
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"strata".as_ptr(), false);
        let table = pg_sys::get_relname_relid(c"cold_touch".as_ptr(), schema);
        if table == pg_sys::InvalidOid {
            raise(Error::internal("relation strata.cold_touch is missing"));
        }
        let rel = pg_sys::table_open(table, pg_sys::RowExclusiveLock as i32);
        let mut values = [pg_sys::Datum::from(relation), pg_sys::Datum::from(attempt)];
        let mut nulls = [false, false];
        let tuple = pg_sys::heap_form_tuple((*rel).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::CatalogTupleInsert(rel, tuple);
        pg_sys::heap_freetuple(tuple);
        pg_sys::table_close(rel, pg_sys::NoLock as i32);
    }
    TOUCHED.set(mark);
}

fn xid_number(xid: pg_sys::TransactionId) -> u32 {
    xid.into_inner()
}

/// The chunk was truncated or dropped: no file belongs to it any more.
pub fn forget(relation: pg_sys::Oid, reason: &str) {
    if let Err(e) = (catalog().forget)(relation, reason) {
        raise(e);
    }
    invalidate(relation);
}

/// While alive, a sequential scan of the stub is one of our own.
pub struct StubScan(bool);

impl StubScan {
    #[must_use]
    pub fn begin() -> Self {
        StubScan(STUB_SCAN.replace(true))
    }
}

impl Drop for StubScan {
    fn drop(&mut self) {
        STUB_SCAN.set(self.0);
    }
}

/// True inside a [`StubScan`].
pub fn scanning_stub() -> bool {
    STUB_SCAN.get()
}
