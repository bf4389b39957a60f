//! Reading a whole table or index of a cold file without SQLite, see [`crate::cold::pages`].
//!
//! SQLite still says which of them a statement would read, so that the same bytes are fetched.

use super::sqlite::{ColdDb, Cursor, SqliteError};
use crate::cold::mapping::{self, CellRef, quote_name};
use crate::cold::pages::{Malformed, Tree, Walk};
use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::c_int;
use std::rc::Rc;

impl From<Malformed> for SqliteError {
    fn from(e: Malformed) -> Self {
        SqliteError::own(
            ffi::SQLITE_CORRUPT,
            format!("database disk image is malformed: {}", e.0),
        )
    }
}

/// A walk over the pages of an open file.
pub struct Walker {
    walk: Walk,
    db: Rc<ColdDb>,
}

impl Walker {
    /// Goes to the next entry; false at the end.
    ///
    /// # Errors
    /// What the store says, and code 11 where the pages make no sense.
    #[inline]
    pub fn step(&mut self) -> Result<bool, SqliteError> {
        let db = &self.db;
        self.walk.next(&mut |at, page: &mut [u8]| db.read(at, page))
    }

    /// Entries met so far.
    #[must_use]
    pub fn entries(&self) -> i64 {
        self.walk.entries()
    }

    /// Column `n` of those asked for, of the entry at hand.
    #[inline]
    #[must_use]
    pub fn value(&self, n: usize) -> CellRef<'_> {
        self.walk.value(n)
    }
}

impl ColdDb {
    /// A walk over what SQLite would read from end to end for `sql`, which selects from `table` without
    /// conditions; its columns are `columns`. `None`: SQLite has another way to answer it, or the table
    /// is none of those that an export makes.
    ///
    /// # Errors
    /// What the store or SQLite says.
    pub fn walker(
        self: &Rc<Self>,
        sql: &str,
        table: &str,
        columns: &[&str],
    ) -> Result<Option<Walker>, SqliteError> {
        let mut plan = self.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let mut steps = Vec::new();
        while plan.step()? {
            steps.push(text(&plan, 3));
        }
        let [step] = steps.as_slice() else {
            return Ok(None);
        };
        let Some(rest) = step
            .strip_prefix("SCAN ")
            .and_then(|s| s.strip_prefix(table))
        else {
            return Ok(None);
        };
        let index = match rest.strip_prefix(" USING COVERING INDEX ") {
            Some(index) => Some(index),
            None if rest.is_empty() => None,
            None => return Ok(None),
        };
        let Some(stored) = self.stored_columns(table)? else {
            return Ok(None);
        };
        let stored = match index {
            None => stored,
            Some(index) => self.names(&format!("PRAGMA index_xinfo({})", quote_name(index)), 2)?,
        };
        let place = |column: &&str| stored.iter().position(|name| name == column);
        let places: Option<Vec<usize>> = columns.iter().map(place).collect();
        let (Some(columns), Some(root)) = (places, self.root(table, index)?) else {
            return Ok(None);
        };
        let tree = Tree {
            root,
            is_index: index.is_some(),
            ..self.shape(columns)?
        };
        let db = Rc::clone(self);
        Ok(Walk::new(tree).map(|walk| Walker { walk, db }))
    }

    /// The names of a table's columns as they follow one another in its records. `None` where these hold
    /// something else than the values: a column that is the rowid, one that is computed, a float that is
    /// kept as an integer.
    fn stored_columns(self: &Rc<Self>, table: &str) -> Result<Option<Vec<String>>, SqliteError> {
        let mut info = self.prepare(&format!("PRAGMA table_xinfo({})", quote_name(table)))?;
        let mut names = Vec::new();
        while info.step()? {
            let plain = ["INTEGER", "TEXT", "BLOB", ""].contains(&text(&info, 2).as_str());
            let zero = CellRef::Int(0);
            if !plain || info.value(5) != zero || info.value(6) != zero {
                return Ok(None);
            }
            names.push(text(&info, 1));
        }
        Ok(Some(names))
    }

    fn names(self: &Rc<Self>, sql: &str, column: usize) -> Result<Vec<String>, SqliteError> {
        let mut rows = self.prepare(sql)?;
        let mut names = Vec::new();
        while rows.step()? {
            names.push(text(&rows, column));
        }
        Ok(names)
    }

    /// The first page of the table, or of an index on it.
    fn root(self: &Rc<Self>, table: &str, index: Option<&str>) -> Result<Option<u32>, SqliteError> {
        let mut find = self.prepare(
            "SELECT rootpage FROM sqlite_master WHERE type = ?1 AND name = ?2 AND tbl_name = ?3",
        )?;
        let kind = if index.is_some() { "index" } else { "table" };
        for (n, value) in [kind, index.unwrap_or(table), table].iter().enumerate() {
            find.bind(n + 1, &mapping::Cell::Text((*value).to_owned()))?;
        }
        let root = match find.step()? {
            true => number(&find),
            false => None,
        };
        Ok(root.and_then(|root| u32::try_from(root).ok()))
    }

    /// A tree of this file, its root left open.
    fn shape(self: &Rc<Self>, columns: Vec<usize>) -> Result<Tree, SqliteError> {
        let mut size = self.prepare("PRAGMA page_size")?;
        let known = if size.step()? { number(&size) } else { None };
        let page_size = known.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        // less than nothing: asks for the number
        let mut reserved: c_int = -1;
        // SAFETY: an open connection; this request takes a pointer to an int
        let rc = unsafe {
            ffi::sqlite3_file_control(
                self.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_RESERVE_BYTES,
                (&raw mut reserved).cast(),
            )
        };
        self.settle(rc)?;
        let pages = self.source.reader.size() / u64::from(page_size.max(1));
        Ok(Tree {
            root: 0,
            is_index: false,
            page_size,
            reserved: u32::try_from(reserved).unwrap_or(u32::MAX),
            pages: u32::try_from(pages).unwrap_or(0),
            columns,
        })
    }

    /// Bytes of the file, past SQLite, which is left alone meanwhile as if it waited itself.
    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), SqliteError> {
        struct Busy<'s>(&'s Cell<bool>, bool);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let busy = &self.source.busy;
        let _busy = Busy(busy, busy.replace(true));
        let read = self.source.reader.read_at(at, bytes);
        read.map_err(SqliteError::Store)
    }
}

fn text(row: &Cursor, column: usize) -> String {
    match row.value(column) {
        CellRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

fn number(row: &Cursor) -> Option<i64> {
    match row.value(0) {
        CellRef::Int(number) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
#[path = "sqlite_walk_tests.rs"]
mod tests;
