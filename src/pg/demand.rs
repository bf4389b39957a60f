//! One hypertable as a writing statement sees it: is there a chunk for this value, and if not, make it.
//!
//! A statement keeps one [`Demand`] per hypertable that it writes. For each row it asks
//! [`Demand::locate`], which is one comparison while rows stay in one chunk; for what is missing it
//! calls [`Demand::make`] and then refreshes its routing, because the server looks at the list of
//! partitions once per statement only.

use super::demand_here::{
    in_process, linked_is_locked, needs_in_process, nothing_ahead, still_missing,
};
use super::demand_place::{Place, axis, is_closed, place, uuid_half};
use super::partition::{KeyValue, key_value};
use super::{maker, managed, session};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, pg_sys};
use std::cell::Cell;
use std::collections::BTreeSet;

pub use super::demand_rules::{Found, Noun, Rules, changed, register};

/// A statement that makes more chunks than this says so.
const WORTH_A_NOTICE: u32 = 10;

/// Where the chunk of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// in the chunk of the last value
    Cached,
    /// in a chunk that the statement's routing knows
    Found,
    /// in a chunk that appeared after the routing was made: refresh it
    Stale,
    /// nowhere: make the chunk of this number
    Missing(i64),
}

/// One hypertable in one statement. Plain data: may lie in memory of PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    relation: pg_sys::Oid,
    key_type: pg_sys::Oid,
    attnum: i16,
    /// values of the last chunk on the axis of [`axis`]; empty when `lo` > `last`
    lo: i64,
    last: i64,
    made: u32,
    /// requests in a row that found nothing to do
    idle: u32,
    /// the transaction had changed nothing when the statement began
    clean: bool,
    /// what was known of the table before the statement's routing was made
    entry: Option<u64>,
}

/// Leaves out partitions that are being detached, as the server's own routing does.
pub(super) fn omit_detached() -> bool {
    !session::transaction_snapshot_is_fixed()
}

impl Demand {
    /// `None` when the relation gets no chunks on demand: not a hypertable, `on_missing_chunk` is
    /// `error`, the library was not preloaded, or this is a parallel worker.
    ///
    /// # Safety
    /// `relation` must be open.
    pub unsafe fn of(relation: pg_sys::Relation) -> Option<Demand> {
        // SAFETY: promised by the caller
        let (relkind, oid) = unsafe { ((*(*relation).rd_rel).relkind, (*relation).rd_id) };
        if relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE {
            return None;
        }
        Demand::of_table(oid)
    }

    /// The same for the OID of a partitioned table that is locked.
    pub(super) fn of_table(relation: pg_sys::Oid) -> Option<Demand> {
        if !enabled() {
            return None;
        }
        let rules = managed::rules(relation).unwrap_or_else(|e| raise(e))?;
        let (attnum, key_type) = rules.key();
        Some(Demand {
            relation,
            key_type,
            attnum,
            lo: 1,
            last: 0,
            made: 0,
            idle: 0,
            clean: !session::has_written(),
            entry: managed::entry(relation),
        })
    }

    /// Column number of the key in the hypertable.
    pub fn key_attnum(&self) -> i16 {
        self.attnum
    }

    /// Chunks that this statement has made.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// True when the value falls into the chunk of the last one.
    ///
    /// # Safety
    /// `value` must be a value of the key, not NULL.
    #[inline]
    pub unsafe fn is_cached(&self, value: pg_sys::Datum) -> bool {
        // SAFETY: promised by the caller
        match unsafe { axis(self.key_type, value) } {
            Some(at) => self.lo <= at && at <= self.last,
            None => false,
        }
    }

    /// Finds the chunk of a key value. Raises 22008 for a value that no chunk may be made for.
    ///
    /// # Safety
    /// `root` is the hypertable, open; `value` a value of its key, not NULL.
    pub unsafe fn locate(
        &mut self,
        estate: *mut pg_sys::EState,
        root: pg_sys::Relation,
        value: pg_sys::Datum,
    ) -> Located {
        // SAFETY: promised by the caller
        unsafe {
            if self.is_cached(value) {
                return Located::Cached;
            }
            self.look(estate, root, value).unwrap_or_else(|e| raise(e))
        }
    }

    /// [`Demand::locate`] past the cached range, with the refusal as a value.
    ///
    /// # Safety
    /// As of `locate`.
    pub(super) unsafe fn look(
        &mut self,
        estate: *mut pg_sys::EState,
        root: pg_sys::Relation,
        value: pg_sys::Datum,
    ) -> Result<Located> {
        // SAFETY: promised by the caller; the type of the key never changes while it is one
        unsafe {
            let Some(key) = key_value(self.key_type, value) else {
                return Ok(Located::Found);
            };
            let rules = managed::rules(self.relation)?;
            if let (KeyValue::NotVersion7, Some(rules)) = (key, &rules) {
                return Err(rules.not_version_7());
            }
            if (*estate).es_partition_directory.is_null() {
                (*estate).es_partition_directory =
                    pg_sys::CreatePartitionDirectory((*estate).es_query_cxt, omit_detached());
            }
            let desc = pg_sys::PartitionDirectoryLookup((*estate).es_partition_directory, root);
            match place(desc, self.key_type, value) {
                Place::Chunk {
                    lo,
                    hi,
                    newest,
                    chunk,
                } => {
                    if let (KeyValue::At(at), Some(rules)) = (key, &rules)
                        && rules.closes()
                        && is_closed(chunk)
                    {
                        return Ok(Located::Missing(rules.number(at)));
                    }
                    self.remember(lo, hi);
                    if newest {
                        nothing_ahead(self.relation);
                    }
                    // a chunk that is closed meanwhile does not empty the cache
                    if !(*desc).detached_exist && rules.as_ref().is_some_and(|r| !r.closes()) {
                        managed::note_range(self.relation, self.entry, (self.lo, self.last));
                    }
                    return Ok(Located::Found);
                }
                Place::Default => return Ok(Located::Found),
                Place::Gap => {}
            }
            pg_sys::AcceptInvalidationMessages();
            let fresh = pg_sys::RelationGetPartitionDesc(root, omit_detached());
            if !matches!(place(fresh, self.key_type, value), Place::Gap) {
                return Ok(Located::Stale);
            }
            // the rules may have changed with the messages: then the server says that there is no chunk
            let Some(rules) = managed::rules(self.relation)? else {
                return Ok(Located::Found);
            };
            match key {
                KeyValue::At(at) => rules.index(at).map(Located::Missing),
                KeyValue::Infinite => Err(rules.infinite()),
                KeyValue::NotVersion7 => Err(rules.not_version_7()),
            }
        }
    }

    /// Takes over the range of the chunk that was found, as the routing knows it. Chunks may be narrower
    /// than the grid.
    unsafe fn remember(&mut self, lo: Option<pg_sys::Datum>, hi: Option<pg_sys::Datum>) {
        let uuid = self.key_type == pg_sys::UUIDOID;
        let at = |d: pg_sys::Datum| -> i64 {
            // SAFETY: a bound has the type of the key; of a uuid in a bound the version does not matter
            unsafe {
                if uuid {
                    uuid_half(d)
                } else {
                    axis(self.key_type, d).unwrap_or(0)
                }
            }
        };
        // half of a uuid: the one that the lower bound lies in is left out
        let lo = lo.map_or(i64::MIN, |d| at(d).saturating_add(i64::from(uuid)));
        let last = hi.map_or(Some(i64::MAX), |d| at(d).checked_sub(1));
        self.idle = 0;
        (self.lo, self.last) = match last {
            Some(last) => (lo, last),
            None => (1, 0),
        };
    }

    /// Has one maker make these chunks and waits until they are committed. The caller then refreshes its
    /// routing and locates the value again.
    ///
    /// Raises the maker's error as it is, 54000 beyond `max_chunks_per_statement`, 53400 when no worker
    /// is free, 55000 when this transaction has changed or locked a table that the maker would read.
    ///
    /// # Safety
    /// `root` is the hypertable, open.
    pub unsafe fn make(&mut self, root: pg_sys::Relation, missing: &BTreeSet<i64>) {
        // SAFETY: promised by the caller
        if let Err(e) = unsafe { self.try_make(root, missing) } {
            raise(e)
        }
    }

    unsafe fn try_make(&mut self, root: pg_sys::Relation, missing: &BTreeSet<i64>) -> Result<()> {
        let Some(rules) = managed::rules(self.relation)? else {
            return Ok(());
        };
        self.check_limit(rules.as_ref(), missing.len())?;
        // SAFETY: promised by the caller
        unsafe {
            // a lock alone, without any change, does no harm: the maker may pass through it
            if (!self.clean && needs_in_process(root)) || linked_is_locked(root) {
                return Err(Error::new(
                    Kind::NotInState,
                    format!(
                        "no chunk can be made for hypertable \"{}\" inside this statement",
                        rules.table_name()
                    ),
                )
                .detail("This transaction has changed or locked the table, or one linked by a foreign key, so that a background worker must not touch it.")
                .hint("commit first, or make the chunks before the statement: strata.premake_chunks"));
            }
        }
        if self.idle >= 3 {
            // SAFETY: promised by the caller
            return Err(unsafe { still_missing(root, rules.as_ref()) });
        }
        let indexes: Vec<i64> = missing.iter().copied().collect();
        let made = maker::make(self.relation, &indexes, rules.patience());
        self.count(made);
        // SAFETY: inside a transaction
        unsafe { pg_sys::AcceptInvalidationMessages() }
        Ok(())
    }

    /// 54000 when making this many more would be too many for one statement.
    pub(super) fn check_limit(&self, rules: &dyn Rules, more: usize) -> Result<()> {
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let all = self.made.saturating_add(more);
        if all > rules.max_chunks() {
            return Err(rules.too_many(all));
        }
        Ok(())
    }

    fn count(&mut self, made: u32) {
        self.made = self.made.saturating_add(made);
        self.idle = if made == 0 { self.idle + 1 } else { 0 };
    }

    /// How many more chunks this statement may make.
    pub(super) fn room(&self) -> usize {
        match managed::rules(self.relation) {
            Ok(Some(rules)) => rules.max_chunks().saturating_sub(self.made) as usize,
            _ => 0,
        }
    }

    /// Begins with the chunk that this session wrote to last; only once the statement's routing is made.
    pub(super) fn begin_where_the_last_ended(&mut self) {
        if let Some(range) = managed::range(self.relation) {
            (self.lo, self.last) = range;
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    /// The hypertable.
    pub(super) fn relation(&self) -> pg_sys::Oid {
        self.relation
    }

    /// True when a row for this chunk must wait until a maker has opened it again.
    ///
    /// # Safety
    /// Inside a transaction.
    pub(super) unsafe fn must_open(&self, chunk: pg_sys::Oid) -> bool {
        // SAFETY: promised by the caller
        matches!(managed::rules(self.relation), Ok(Some(r)) if r.closes())
            && unsafe { is_closed(chunk) }
    }

    /// To be called before the statement's routing is made anew: it may lack chunks that the old one had.
    pub(super) fn routing_is_new(&mut self) {
        self.forget_range();
        // loads what was dropped meanwhile
        let loaded = managed::rules(self.relation).is_ok();
        self.entry = managed::entry(self.relation).filter(|_| loaded);
    }

    /// Nothing is known about the chunk of the last value any more.
    pub fn forget_range(&mut self) {
        (self.lo, self.last) = (1, 0);
    }

    /// To be called at the end of the statement: a NOTICE when it made many chunks.
    pub fn finish(&self) {
        if self.made <= WORTH_A_NOTICE {
            return;
        }
        if let Ok(name) = super::catalog::relation_name(self.relation) {
            session::notice(
                &format!(
                    "this statement made {} chunks of hypertable \"{name}\"",
                    self.made
                ),
                Some("a longer chunk interval suits sparse data: strata.set_chunk_time_interval"),
            );
        }
    }

    /// True when the maker must not work for this relation: this transaction has made, altered or
    /// strongly locked it or a table linked to it by a foreign key. In the writer's lock group the maker
    /// would pass through those locks, and it cannot see what is not committed.
    ///
    /// # Safety
    /// `relation` must be open.
    pub unsafe fn needs_in_process(relation: pg_sys::Relation) -> bool {
        // SAFETY: promised by the caller
        unsafe { needs_in_process(relation) }
    }

    /// Makes the chunks by ordinary DDL in this transaction; the relation must not be open. Returns how
    /// many were missing. Raises 55006 with a hint when a cursor or an outer statement uses it.
    pub fn make_in_process(&mut self, indexes: &[i64]) {
        let outcome = managed::rules(self.relation).and_then(|rules| match rules {
            Some(rules) => {
                self.check_limit(rules.as_ref(), indexes.len())?;
                in_process(self.relation, indexes)
            }
            None => Ok(0),
        });
        self.made = self
            .made
            .saturating_add(outcome.unwrap_or_else(|e| raise(e)));
    }
}

/// True when this session makes chunks on demand at all.
pub(super) fn enabled() -> bool {
    thread_local! {
        static ENABLED: Cell<Option<bool>> = const { Cell::new(None) };
    }
    if let Some(known) = ENABLED.get() {
        return known;
    }
    // SAFETY: plain globals; whether a process is a parallel worker never changes
    let worker = unsafe { pg_sys::ParallelWorkerNumber >= 0 };
    let enabled = !worker && !super::binary_upgrade() && session::preloaded_here();
    ENABLED.set(Some(enabled));
    enabled
}

pub(super) fn raise(error: Error) -> ! {
    ErrorReport::from(error).report(PgLogLevel::ERROR);
    unreachable!("an error returns")
}
