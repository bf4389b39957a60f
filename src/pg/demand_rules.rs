//! What a noun tells about the tables whose chunks it makes on demand.

use super::managed::Managed;
use crate::error::{Error, Result};
use pgrx::pg_sys;
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

/// The catalog table that says which tables are hypertables, and one of them: `None` for a table that is none.
pub type Found = (pg_sys::Oid, Option<Managed>);

/// The noun that has hypertables.
pub trait Noun: Sync {
    /// What is known of a partitioned table, as of now; `None` where the noun's catalog cannot be read in
    /// this database.
    fn table(&self, relation: pg_sys::Oid) -> Result<Option<Found>>;
    /// Makes chunks in the current transaction; returns how many were missing.
    fn make(&self, relation: pg_sys::Oid, indexes: &[i64]) -> Result<u32>;
}

static NOUN: OnceLock<&'static dyn Noun> = OnceLock::new();

/// Registers the noun; once per process.
pub fn register(noun: &'static dyn Noun) {
    NOUN.get_or_init(|| noun);
    super::maker::set_make(make);
}

pub(super) fn noun() -> Option<&'static dyn Noun> {
    NOUN.get().copied()
}

pub(super) fn make(relation: pg_sys::Oid, indexes: &[i64]) -> Result<u32> {
    match noun() {
        Some(noun) => noun.make(relation, indexes),
        None => Err(Error::internal("no function to make chunks")),
    }
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
