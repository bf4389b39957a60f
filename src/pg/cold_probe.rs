//! Whether a key of a late row is in the file already: NULL, filters, then the file's own index.
//!
//! Invariant: over file and stub together a unique key is unique. The stub's indexes see to the stub; every
//! row that is put there has been looked for in the file first, under a lock that keeps the file in place.

use super::cold_bloom::{self, Effort};
use super::cold_datum::{Codec, pin_settings};
use super::cold_probe_keys::{self as keys, Key, KeyColumn};
use super::cold_state;
use crate::cold::bloom;
use crate::cold::manifest::Manifest;
use crate::cold::mapping::{self, Cell, Encoding};
use crate::error::{Error, Result};
use pgrx::pg_sys;
use std::cell::{Cell as Place, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;

/// Chunks whose keys are remembered.
const PROBERS: usize = 32;

thread_local! {
    /// last used last
    static PROBERS_OF: RefCell<Vec<(u32, Rc<RefCell<Prober>>)>> = const { RefCell::new(Vec::new()) };
    static MEMORY: Place<pg_sys::MemoryContext> = const { Place::new(std::ptr::null_mut()) };
}

/// The unique keys of one cold chunk.
pub(super) struct Prober {
    manifest: Rc<Manifest>,
    keys: Vec<Key>,
    /// why no late row can be taken
    refused: Option<Error>,
}

/// A row whose key is in the file.
pub(super) struct Found {
    pub(super) index: pg_sys::Oid,
    /// number of the row among those that were asked for
    pub(super) row: usize,
}

/// Forgets what is remembered about a chunk (0: about all): its relcache entry has changed.
pub(super) fn forget(relation: u32) {
    PROBERS_OF.with(|all| {
        // the callback may run while a look-up of ours is under way; then nothing is borrowed
        if let Ok(mut all) = all.try_borrow_mut() {
            all.retain(|(of, _)| relation != 0 && *of != relation);
        }
    });
}

/// Runs `f` in memory that is emptied afterwards: what encoding leaves must not pile up in the statement.
fn in_scratch<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: a context of the session's, made once; the old one is restored, after an error by the server
    unsafe {
        if MEMORY.get().is_null() {
            MEMORY.set(pg_sys::AllocSetContextCreateExtended(
                pg_sys::CacheMemoryContext,
                c"strata probe".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            ));
        }
        let old = pg_sys::MemoryContextSwitchTo(MEMORY.get());
        let out = f();
        pg_sys::MemoryContextSwitchTo(old);
        pg_sys::MemoryContextReset(MEMORY.get());
        out
    }
}

/// What is known about the keys of a cold chunk.
///
/// # Safety
/// `rel` must be open, and locked so that its indexes stay.
pub(super) unsafe fn prober(rel: pg_sys::Relation, manifest: &Rc<Manifest>) -> Rc<RefCell<Prober>> {
    // SAFETY: promised by the caller
    let relid = unsafe { (*rel).rd_id.to_u32() };
    let known = PROBERS_OF.with_borrow_mut(|all| {
        let at = all.iter().position(|(of, _)| *of == relid)?;
        let entry = all.remove(at);
        if entry.1.borrow().manifest.file != manifest.file {
            return None;
        }
        let prober = Rc::clone(&entry.1);
        all.push(entry);
        Some(prober)
    });
    known.unwrap_or_else(|| {
        // SAFETY: promised by the caller; what the codecs look up must live as long as the session
        let found = unsafe {
            let old = pg_sys::MemoryContextSwitchTo(pg_sys::CacheMemoryContext);
            let found = keys::of(rel, manifest);
            pg_sys::MemoryContextSwitchTo(old);
            found
        };
        let (keys, refused) = match found {
            Ok(keys) => (keys, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let prober = Rc::new(RefCell::new(Prober {
            manifest: Rc::clone(manifest),
            keys,
            refused,
        }));
        PROBERS_OF.with_borrow_mut(|all| {
            if all.len() >= PROBERS {
                all.remove(0);
            }
            all.push((relid, Rc::clone(&prober)));
        });
        prober
    })
}

impl Prober {
    /// The first of the rows, given by `values` and `nulls` per attribute, whose key is in the file.
    pub(super) fn find(&mut self, rows: &[(&[pg_sys::Datum], &[bool])]) -> Result<Option<Found>> {
        if let Some(why) = &self.refused {
            return Err(why.clone());
        }
        let manifest = Rc::clone(&self.manifest);
        let mut first: Option<Found> = None;
        for key in &mut self.keys {
            let before = first.as_ref().map_or(rows.len(), |f| f.row);
            let found = in_scratch(|| key.find(&manifest, &rows[..before]))?;
            if let Some(row) = found {
                let index = key.index;
                first = Some(Found { index, row });
            }
        }
        Ok(first)
    }

    /// The same for a row that replaces another one of the stub: a key that stays is not looked for.
    pub(super) fn find_changed(
        &mut self,
        new: (&[pg_sys::Datum], &[bool]),
        old: impl FnOnce() -> Result<Option<(Vec<pg_sys::Datum>, Vec<bool>)>>,
    ) -> Result<Option<Found>> {
        if let Some(why) = &self.refused {
            return Err(why.clone());
        }
        let manifest = Rc::clone(&self.manifest);
        let mut undecided = Vec::new();
        for (n, key) in self.keys.iter_mut().enumerate() {
            if in_scratch(|| key.undecided(&manifest, new))?.is_some() {
                undecided.push(n);
            }
        }
        if undecided.is_empty() {
            return Ok(None);
        }
        let old = old()?;
        for n in undecided {
            let key = &mut self.keys[n];
            let found = in_scratch(|| {
                let cells = key.cells(new);
                if let Some((values, nulls)) = &old
                    && same(&key.cells((values, nulls)), &cells)
                {
                    return Ok(None);
                }
                key.look_up(&manifest, &cells)
            })?;
            if found.is_some() {
                let index = key.index;
                return Ok(Some(Found { index, row: 0 }));
            }
        }
        Ok(None)
    }

    /// The rowid in the file of a key of one index, given by its values in the index's order. `None` also
    /// when the key cannot be looked for: then an insert is refused in any case.
    pub(super) fn rowid(
        &mut self,
        index: pg_sys::Oid,
        values: &[pg_sys::Datum],
        nulls: &[bool],
    ) -> Result<Option<i64>> {
        let manifest = Rc::clone(&self.manifest);
        let Some(key) = self.keys.iter_mut().find(|k| k.index == index) else {
            return Ok(None);
        };
        in_scratch(|| {
            let cells = key.encode(values, nulls);
            if key.is_absent(&manifest, &cells)? {
                return Ok(None);
            }
            key.look_up(&manifest, &cells)
        })
    }

    /// Attributes of an index's columns, in its order.
    pub(super) fn attributes(&self, index: pg_sys::Oid) -> Option<Vec<i16>> {
        let key = self.keys.iter().find(|k| k.index == index)?;
        Some(key.columns.iter().map(|c| c.attnum).collect())
    }

    /// True when rows need no look at the file.
    pub(super) fn is_idle(&self) -> bool {
        self.keys.is_empty() && self.refused.is_none()
    }
}

fn same(a: &[Cell], b: &[Cell]) -> bool {
    let equal = |(a, b): (&Cell, &Cell)| a.as_ref().order(&b.as_ref()) == Ordering::Equal;
    a.len() == b.len() && a.iter().zip(b).all(equal)
}

fn order(a: &[Cell], b: &[Cell]) -> Ordering {
    let pairs = a.iter().zip(b);
    let mut unequal = pairs.map(|(a, b)| a.as_ref().order(&b.as_ref()));
    unequal.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

impl KeyColumn {
    /// The value as it is stored. Only timestamps beyond int64 go as text, for which settings matter.
    fn encode(&mut self, value: pg_sys::Datum) -> Cell {
        let times = matches!(
            self.codec.encoding,
            Encoding::Timestamp | Encoding::TimestampTz
        );
        let _settings = (times && mapping::timestamp_to_stored(value.value() as i64).is_none())
            .then(pin_settings);
        match self.codec.encode(value) {
            Cell::Blob(_) if self.is_float() => Cell::Text("NaN".to_owned()),
            cell => cell,
        }
    }

    fn is_float(&self) -> bool {
        matches!(self.codec.encoding, Encoding::Float4 | Encoding::Float8)
    }

    /// A value that the file may hold in other bits than these.
    pub(super) fn is_any_nan(&self, cell: &Cell) -> bool {
        self.mixed && self.is_float() && matches!(cell, Cell::Text(_))
    }
}

impl Key {
    fn encode(&mut self, values: &[pg_sys::Datum], nulls: &[bool]) -> Vec<Cell> {
        let columns = self.columns.iter_mut().enumerate();
        columns
            .map(|(n, c)| {
                if nulls[n] {
                    Cell::Null
                } else {
                    c.encode(values[n])
                }
            })
            .collect()
    }

    /// The key of a row of the chunk.
    fn cells(&mut self, (values, nulls): (&[pg_sys::Datum], &[bool])) -> Vec<Cell> {
        let at = |c: &KeyColumn| (c.attnum - 1) as usize;
        let columns = self.columns.iter_mut();
        columns
            .map(|c| {
                if nulls[at(c)] {
                    Cell::Null
                } else {
                    c.encode(values[at(c)])
                }
            })
            .collect()
    }

    /// True when the key is not in the file, as far as that can be told without the file.
    fn is_absent(&self, manifest: &Manifest, cells: &[Cell]) -> Result<bool> {
        if !self.nulls_equal && cells.contains(&Cell::Null) {
            return Ok(true);
        }
        for (column, cell) in self.columns.iter().zip(cells) {
            if column.is_outside(cell.as_ref()) {
                return Ok(true);
            }
        }
        for (number, positions) in &self.blooms {
            let values = positions
                .iter()
                .map(|p| (self.columns[*p].codec.encoding, cells[*p].as_ref()));
            if let Some(hash) = bloom::hash(values)
                && !cold_bloom::may_hold(
                    manifest,
                    &manifest.blooms[*number],
                    hash,
                    Effort::Catalog,
                )?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The key of a row when only the file can tell whether it is there.
    fn undecided(
        &mut self,
        manifest: &Manifest,
        row: (&[pg_sys::Datum], &[bool]),
    ) -> Result<Option<Vec<Cell>>> {
        let cells = self.cells(row);
        Ok((!self.is_absent(manifest, &cells)?).then_some(cells))
    }

    /// The first of the rows that is found. They are looked for in the order of the key: neighbours lie on the
    /// same pages.
    fn find(
        &mut self,
        manifest: &Rc<Manifest>,
        rows: &[(&[pg_sys::Datum], &[bool])],
    ) -> Result<Option<usize>> {
        let mut open = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            if let Some(cells) = self.undecided(manifest, *row)? {
                open.push((n, cells));
            }
        }
        open.sort_by(|(_, a), (_, b)| order(a, b));
        let mut first = None;
        for (n, cells) in open {
            if first.is_none_or(|f| n < f) && self.look_up(manifest, &cells)?.is_some() {
                first = Some(n);
            }
        }
        Ok(first)
    }

    /// True when the key of this row is in the file.
    pub(super) fn find_one(
        &mut self,
        manifest: &Rc<Manifest>,
        row: (&[pg_sys::Datum], &[bool]),
    ) -> Result<bool> {
        in_scratch(|| Ok(self.find(manifest, &[row])?.is_some()))
    }
}

/// The codec of a key's column, for [`cold_probe_keys`](super::cold_probe_keys).
pub(super) fn codec(type_oid: pg_sys::Oid, typmod: i32) -> Codec {
    Codec::new(type_oid, typmod)
}

/// Refuses a late row where the policy or a key says so; see [`Prober::find`].
pub(super) fn refusal(relation: pg_sys::Oid, why: &str) -> Error {
    cold_state::not_while_cold(relation, "insert into {}").detail(why)
}
