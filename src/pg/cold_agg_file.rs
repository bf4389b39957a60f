//! The statement of a running ColdAgg on its file, and the states that come out of it.

use super::cold_ahead::Statement;
use super::cold_files::{self, failed, unreadable};
use super::cold_reader;
use super::cold_run::Scan;
use super::sqlite::{ColdDb, Cursor, SqliteError};
use super::sqlite_walk::Walker;
use crate::cold::aggregate::{self, Output};
use crate::cold::groups::Groups;
use crate::cold::manifest::Manifest;
use crate::cold::mapping::{Cell, CellRef};
use crate::cold::store::{Hint, ReadStats};
use crate::error::{Kind, Result};
use pgrx::pg_sys;
use std::rc::Rc;

/// What the scan below would ask its file for.
pub(super) struct Asked {
    pub(super) filter: String,
    pub(super) binds: Vec<Cell>,
    /// the last two values are the first and the last row to look at
    ranged: bool,
    hint: Hint,
}

impl Asked {
    pub(super) fn new(scan: &Scan) -> Self {
        Asked {
            filter: scan.plan.filter.clone(),
            binds: scan.plan.binds.clone(),
            ranged: scan.plan.rows.is_some(),
            hint: scan.plan.hint,
        }
    }

    /// True when all rows of the file count.
    fn is_all(&self) -> bool {
        self.filter.is_empty() && !self.ranged
    }

    fn range(&self) -> Option<usize> {
        self.ranged.then_some(self.binds.len().saturating_sub(1))
    }

    pub(super) fn statement(&self, manifest: &Manifest, outputs: &[Output]) -> String {
        let write = if is_grouped(outputs) {
            aggregate::rows
        } else {
            aggregate::whole
        };
        write(manifest, outputs, &self.filter, self.range())
    }

    /// What can be run before the node starts: it reads rows, since states come only at the end.
    pub(super) fn ahead(self, manifest: &Rc<Manifest>, outputs: &[Output]) -> Statement {
        Statement {
            sql: aggregate::rows(manifest, outputs, &self.filter, self.range()),
            manifest: Rc::clone(manifest),
            binds: self.binds,
            hint: self.hint,
        }
    }
}

fn is_grouped(outputs: &[Output]) -> bool {
    outputs.iter().any(|o| o.is_key())
}

/// Where the rows of the file come from.
enum Rows {
    Statement(Cursor),
    /// all of them
    Walk(Walker),
}

impl Rows {
    fn step(&mut self) -> std::result::Result<bool, SqliteError> {
        match self {
            Rows::Statement(cursor) => cursor.step(),
            Rows::Walk(walker) => walker.step(),
        }
    }

    fn value(&self, n: usize) -> CellRef<'_> {
        match self {
            Rows::Statement(cursor) => cursor.value(n),
            Rows::Walk(walker) => walker.value(n),
        }
    }
}

/// A running statement on the file.
pub(super) struct FileStates {
    manifest: Rc<Manifest>,
    db: Rc<ColdDb>,
    rows: Rows,
    /// none: SQLite aggregates
    groups: Option<Groups>,
    /// the group that is given next
    next: usize,
    /// the statement has given all of its rows
    ended: bool,
}

impl FileStates {
    /// Begins to run; adds what it costs to `stats`.
    pub(super) fn open(
        manifest: &Rc<Manifest>,
        outputs: &[Output],
        asked: &Asked,
        stats: &mut ReadStats,
    ) -> Result<Self> {
        let (db, before) = cold_files::open(manifest)?;
        let rows = rows(&db, manifest, outputs, asked).map_err(|e| failed(manifest, &e))?;
        cold_reader::add(stats, before, db.stats());
        db.hint(asked.hint);
        let here = is_grouped(outputs) || matches!(rows, Rows::Walk(_));
        Ok(FileStates {
            manifest: Rc::clone(manifest),
            db,
            rows,
            groups: here.then(|| Groups::new(outputs)),
            next: 0,
            ended: false,
        })
    }

    /// Goes to the next states; false at the end.
    pub(super) fn next(&mut self, stats: &mut ReadStats) -> Result<bool> {
        let before = self.db.stats();
        let found = self.find();
        cold_reader::add(stats, before, self.db.stats());
        found
    }

    fn find(&mut self) -> Result<bool> {
        let Some(groups) = &mut self.groups else {
            let found = self.rows.step();
            return found.map_err(|e| failed(&self.manifest, &e));
        };
        self.next += 1;
        if groups.get(self.next).is_some() {
            return Ok(true);
        }
        groups.clear();
        self.next = 0;
        // SAFETY: reads settings of this process
        let most = unsafe { pg_sys::get_hash_memory_limit() };
        let mut rows = 0_u32;
        // states of a group come in parts where not all groups fit into memory
        while !self.ended && groups.bytes() < most {
            rows = rows.wrapping_add(1);
            if rows.is_multiple_of(1024) {
                pgrx::check_for_interrupts!();
            }
            let found = self.rows.step().map_err(|e| failed(&self.manifest, &e))?;
            self.ended = !found;
            if found {
                let added = match &self.rows {
                    Rows::Statement(cursor) => groups.add(|n| cursor.value(n)),
                    Rows::Walk(walker) => groups.add(|n| walker.value(n)),
                };
                added.map_err(|e| unreadable(&self.manifest, &Kind::DataCorrupted, &e.0))?;
            }
        }
        if self.ended {
            check_number(&self.manifest, &self.rows)?;
        }
        Ok(groups.get(0).is_some())
    }

    /// Column `n` of the states at hand.
    pub(super) fn value(&self, n: usize) -> CellRef<'_> {
        match &self.groups {
            None => self.rows.value(n),
            Some(groups) => {
                let cell = groups.get(self.next).and_then(|cells| cells.get(n));
                cell.map_or(CellRef::Null, Cell::as_ref)
            }
        }
    }
}

fn rows(
    db: &Rc<ColdDb>,
    manifest: &Manifest,
    outputs: &[Output],
    asked: &Asked,
) -> std::result::Result<Rows, SqliteError> {
    let sql = asked.statement(manifest, outputs);
    // without any row there is one state all the same, which SQLite makes
    if asked.is_all() && manifest.rows > 0 {
        let columns = aggregate::columns(outputs);
        let columns = columns
            .iter()
            .map(|a| manifest.column(*a)?.physical.as_deref());
        if let Some(columns) = columns.collect::<Option<Vec<&str>>>()
            && let Some(walker) = db.walker(&sql, &manifest.raw_table, &columns)?
        {
            return Ok(Rows::Walk(walker));
        }
    }
    let mut cursor = db.prepare(&sql)?;
    for (i, cell) in asked.binds.iter().enumerate() {
        cursor.bind(i + 1, cell)?;
    }
    Ok(Rows::Statement(cursor))
}

/// A walk that ends early, or late, is an error whatever the pages say.
fn check_number(manifest: &Manifest, rows: &Rows) -> Result<()> {
    match rows {
        Rows::Walk(walker) if walker.entries() != manifest.rows => {
            let what = format!(
                "it has {} rows, {} were written",
                walker.entries(),
                manifest.rows
            );
            Err(unreadable(manifest, &Kind::DataCorrupted, &what))
        }
        _ => Ok(()),
    }
}

impl Drop for FileStates {
    fn drop(&mut self) {
        // the list of open files, this and its cursor: nobody else reads the file
        if Rc::strong_count(&self.db) <= 3 {
            self.db.rest();
        }
    }
}
