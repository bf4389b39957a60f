//! Reading rows of a cold file as PostgreSQL values: opens the file, steps, decodes.

use super::cold_datum::{Codec, DecodeScope};
pub use super::cold_files::close_all;
use super::cold_files::{all_rows, failed, open, unreadable};
use super::sqlite::{ColdDb, Cursor};
use crate::cold::manifest::Manifest;
use crate::cold::mapping::{Cell, CellRef};
use crate::cold::pushdown::Query;
use crate::cold::store::{Hint, ReadStats};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::rc::Rc;

/// A column to fill: its place in the row, its place in SQLite's result, its codec.
struct Target {
    attribute: usize,
    result: usize,
    codec: Codec,
}

/// A running SELECT on a file.
pub struct Reader {
    manifest: Rc<Manifest>,
    db: Rc<ColdDb>,
    cursor: Cursor,
    targets: Vec<Target>,
    sensitive: bool,
    owner: pg_sys::Oid,
    /// cost of this reader alone
    pub stats: ReadStats,
}

impl Reader {
    /// Prepares `query` for rows of the shape `desc`.
    ///
    /// # Safety
    /// `desc` must be the descriptor of the chunk, valid for the call.
    pub unsafe fn new(
        manifest: Rc<Manifest>,
        query: &Query,
        desc: pg_sys::TupleDesc,
        owner: pg_sys::Oid,
    ) -> Result<Self> {
        let mut stats = ReadStats::default();
        let (db, before) = open(&manifest)?;
        let cursor = db.prepare(&query.sql).map_err(|e| failed(&manifest, &e))?;
        add(&mut stats, before, db.stats());
        let mut targets = Vec::with_capacity(query.columns.len());
        for (i, attnum) in query.columns.iter().enumerate() {
            let attribute = (*attnum - 1) as usize;
            // SAFETY: promised by the caller; attnum is a live column of the chunk
            let (type_oid, typmod, name) = unsafe {
                let att = super::compat::attribute(desc, attribute);
                (
                    (*att).atttypid,
                    (*att).atttypmod,
                    std::ffi::CStr::from_ptr((*att).attname.data.as_ptr())
                        .to_string_lossy()
                        .into_owned(),
                )
            };
            let codec = Codec::new(type_oid, typmod);
            let stored = manifest.column(*attnum).map(|c| c.encoding);
            if stored != Some(codec.encoding) {
                return Err(Error::new(
                    Kind::NotSupported,
                    format!(
                        "column \"{name}\" of cold chunk \"{}\" has another type than when its file was written",
                        manifest.chunk_name
                    ),
                ));
            }
            targets.push(Target {
                attribute,
                result: i + 1,
                codec,
            });
        }
        let sensitive = targets.iter().any(|t| t.codec.is_sensitive());
        Ok(Reader {
            manifest,
            db,
            cursor,
            targets,
            sensitive,
            owner,
            stats,
        })
    }

    /// Tells the store what comes next, see [`Hint`]; before `restart`.
    pub fn hint(&self, hint: Hint) {
        self.db.hint(hint);
    }

    /// All rows of the table are going to be read, in the order of their rowids.
    pub fn hint_table(&self) -> Result<()> {
        self.hint(all_rows(&self.manifest)?);
        Ok(())
    }

    /// Starts again with these values for `?1`, `?2`, ...
    pub fn restart(&mut self, binds: &[Cell]) -> Result<()> {
        self.cursor.reset();
        for (i, cell) in binds.iter().enumerate() {
            self.cursor
                .bind(i + 1, cell)
                .map_err(|e| failed(&self.manifest, &e))?;
        }
        Ok(())
    }

    /// Fills the targets of the next row and gives its rowid; `None` at the end. Other entries of
    /// `values` and `nulls` are left alone. Values live in the current memory context.
    pub fn next(
        &mut self,
        values: &mut [pg_sys::Datum],
        nulls: &mut [bool],
    ) -> Result<Option<i64>> {
        let before = self.db.stats();
        let more = self.cursor.step();
        add(&mut self.stats, before, self.db.stats());
        if !more.map_err(|e| failed(&self.manifest, &e))? {
            return Ok(None);
        }
        let _scope = self.sensitive.then(|| DecodeScope::begin(self.owner));
        for target in &mut self.targets {
            let cell = self.cursor.value(target.result);
            nulls[target.attribute] = matches!(cell, CellRef::Null);
            if !nulls[target.attribute] {
                values[target.attribute] = target
                    .codec
                    .decode(cell)
                    .map_err(|e| unreadable(&self.manifest, &e.kind, &e.message))?;
            }
        }
        match self.cursor.value(0) {
            CellRef::Int(rowid) => Ok(Some(rowid)),
            _ => Err(unreadable(
                &self.manifest,
                &Kind::DataCorrupted,
                "a row without rowid",
            )),
        }
    }

    /// Counts what an earlier reader of the same scan has cost.
    pub fn add_stats(&mut self, earlier: ReadStats) {
        add(&mut self.stats, ReadStats::default(), earlier);
    }

    /// The codecs of the columns that this reader fills, with their attribute positions.
    pub fn codecs(&mut self) -> impl Iterator<Item = (usize, &mut Codec)> {
        self.targets.iter_mut().map(|t| (t.attribute, &mut t.codec))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // the list of open files, this reader and its cursor: nobody else reads the file
        if Rc::strong_count(&self.db) <= 3 {
            self.db.rest();
        }
    }
}

pub(super) fn add(sum: &mut ReadStats, before: ReadStats, after: ReadStats) {
    sum.gets += after.gets.saturating_sub(before.gets);
    sum.bytes += after.bytes.saturating_sub(before.bytes);
    sum.cache_hits += after.cache_hits.saturating_sub(before.cache_hits);
    sum.wait_us += after.wait_us.saturating_sub(before.wait_us);
}
