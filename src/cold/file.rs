//! Writing one cold file: rows in, a finished and checked SQLite file out.
//!
//! Invariant: what [`Builder::finish`] returns has been read back, lies on disk durably, and never
//! changes again. Memory stays flat whatever the number of rows.
//!
//! Readable by every sqlite3 since 3.8.3: no STRICT, no generated columns, no WITHOUT ROWID.

use super::bloom;
use super::column_stats::Collector;
pub use super::column_stats::ColumnStats;
use super::file_check::{TempFile, check, failed, sync_and_hash, utf8};
use super::file_map::{self, FileMap};
pub use super::file_schema::Layout;
use super::file_schema::{APPLICATION_ID, COLUMNS_TABLE, FORMAT, INFO_TABLE, PAGE_SIZE};
use super::mapping::{Cell, Encoding, quote_literal};
use crate::error::{Error, Result};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, params};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// One column of the chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    pub attnum: i16,
    pub name: String,
    /// as `format_type` prints it
    pub type_name: String,
    pub type_oid: u32,
    /// equal values of its collation are the same bytes
    pub deterministic: bool,
    pub encoding: Encoding,
    /// oid and label of every value of an enum, in its order
    pub enum_labels: Vec<(u32, String)>,
}

/// One index that the file carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    pub name: String,
    /// SQLite takes NULLs for different, and compares text bytewise
    pub unique: bool,
    /// positions in [`FileSpec::columns`]
    pub columns: Vec<usize>,
    /// per column; missing counts as ascending
    pub descending: Vec<bool>,
}

/// What to write.
#[derive(Debug, Clone)]
pub struct FileSpec {
    /// human name, e.g. metrics; the rows are in `<table>_raw` (see [`Layout`])
    pub table: String,
    pub columns: Vec<ColumnSpec>,
    pub indexes: Vec<IndexSpec>,
    /// positions in [`FileSpec::columns`] of the text that the file's own full-text index covers
    pub full_text: Vec<usize>,
    /// pairs for `_cold_info`, beside those that the builder writes itself
    pub info: Vec<(String, String)>,
}

/// A finished file. It belongs to the caller, who deletes it.
#[derive(Debug)]
pub struct Built {
    pub path: PathBuf,
    pub bytes: u64,
    /// lower-case hex
    pub sha256: String,
    pub rows: i64,
    pub columns: Vec<ColumnStats>,
    /// names inside the file
    pub layout: Layout,
    pub blooms: Vec<bloom::Filter>,
    /// where things lie in it
    pub map: FileMap,
}

/// Collects rows into a working file. Dropping it removes what it wrote.
pub struct Builder {
    // the connection closes before its file goes
    db: Connection,
    work: TempFile,
    done: TempFile,
    spec: FileSpec,
    layout: Layout,
    insert: String,
    rows: i64,
    stats: Vec<Collector>,
    wanted_blooms: Vec<bloom::Wanted>,
    blooms: bloom::Collection,
    stop: fn() -> bool,
}

impl Builder {
    /// Starts a file in `dir`, which must exist. Working file and result both lie there.
    ///
    /// # Errors
    /// 58030 when SQLite cannot write there, XX000 for a specification that makes no sense.
    pub fn create(dir: &Path, spec: FileSpec) -> Result<Self> {
        check_spec(&spec)?;
        let (work, done) = file_names(dir);
        let layout = Layout::of(&spec);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(work.path(), flags).map_err(|e| failed(&e))?;
        // nothing needs a journal: a file that was not finished is thrown away
        db.execute_batch(&format!(
            "PRAGMA page_size={PAGE_SIZE}; PRAGMA encoding='UTF-8'; PRAGMA auto_vacuum=NONE;
             PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;
             PRAGMA cache_size=-32768; PRAGMA temp_store=FILE; PRAGMA mmap_size=0;
             PRAGMA temp_store_directory={};
             PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT};
             BEGIN;
             CREATE TABLE {INFO_TABLE}(key TEXT PRIMARY KEY, value TEXT);
             CREATE TABLE {COLUMNS_TABLE}(attnum INTEGER, name TEXT, physical_name TEXT,
               type TEXT, encoding TEXT, nulls INTEGER, fallback INTEGER, min, max,
               bounds TEXT, enum_labels TEXT);
             {}; {};",
            // sorting a large index must not fill the system's temporary folder
            quote_literal(utf8(dir)?),
            layout.create_raw(&spec.columns),
            layout.create_view(&spec.columns),
        ))
        .map_err(|e| failed(&e))?;
        let stats = spec
            .columns
            .iter()
            .map(|c| Collector::new(c.encoding))
            .collect();
        Ok(Builder {
            insert: layout.insert_raw(),
            db,
            work,
            done,
            spec,
            layout,
            rows: 0,
            stats,
            wanted_blooms: Vec::new(),
            blooms: bloom::Collection::default(),
            stop: || false,
        })
    }

    /// Asks `stop` every few milliseconds, also inside long statements; when it says true, the
    /// running call fails with 40001 and the caller finds out what wanted it to stop.
    ///
    /// # Errors
    /// 58030 when SQLite refuses.
    pub fn stop_when(&mut self, stop: fn() -> bool) -> Result<()> {
        self.stop = stop;
        self.db
            .progress_handler(10_000, Some(stop))
            .map_err(|e| failed(&e))
    }

    /// Filters to collect, once [`Builder::expect`] says how many rows there will be.
    pub fn want_blooms(&mut self, wanted: Vec<bloom::Wanted>) {
        self.wanted_blooms = wanted;
    }

    /// Makes room for the filters; without it there are none.
    pub fn expect(&mut self, rows: u64) {
        let encodings = self.spec.columns.iter().map(|c| c.encoding).collect();
        let wanted = std::mem::take(&mut self.wanted_blooms);
        self.blooms = bloom::Collection::new(encodings, wanted, rows);
    }

    /// Names inside the file.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds a row, values in the order of the columns; the n-th row gets rowid n.
    ///
    /// # Errors
    /// 58030 when it cannot be written, 54000 when it is longer than SQLite's limit of 10^9 bytes.
    pub fn add(&mut self, row: &[Cell]) -> Result<()> {
        if row.len() != self.stats.len() {
            return Err(Error::internal(format!(
                "row of {} values for {} columns",
                row.len(),
                self.stats.len()
            )));
        }
        let mut insert = self
            .db
            .prepare_cached(&self.insert)
            .map_err(|e| failed(&e))?;
        for (n, cell) in row.iter().enumerate() {
            insert
                .raw_bind_parameter(n + 1, cell)
                .map_err(|e| failed(&e))?;
        }
        insert.raw_execute().map_err(|e| failed(&e))?;
        self.rows += 1;
        for (stats, cell) in self.stats.iter_mut().zip(row) {
            stats.add(cell);
        }
        self.blooms.add(row);
        Ok(())
    }

    /// Builds the indexes, brings the file into its final form, reads it back and syncs it.
    ///
    /// # Errors
    /// 58030 for I/O, XX001 when a unique index has duplicates or the check finds damage.
    pub fn finish(mut self) -> Result<Built> {
        let stats: Vec<ColumnStats> = std::mem::take(&mut self.stats)
            .into_iter()
            .map(Collector::finish)
            .collect();
        let blooms = std::mem::take(&mut self.blooms).finish();
        self.write_info()?;
        self.write_columns(&stats)?;
        self.run("COMMIT")?;
        for create in self.layout.create_indexes(&self.spec) {
            self.run(&create)?;
        }
        for create in self.layout.create_full_text(&self.spec.full_text) {
            self.run(&create)?;
        }
        // the samples of sqlite_stat4 would cost every reader one more page when it opens the file
        self.run("ANALYZE; DROP TABLE IF EXISTS sqlite_stat4")?;
        // VACUUM counts cached pages at 4 KiB each, and needs no more than these
        self.run("PRAGMA cache_size=-2000")?;
        let target = utf8(self.done.path())?;
        self.run(&format!("VACUUM INTO {}", quote_literal(target)))?;
        let Builder {
            db,
            work,
            done,
            layout,
            rows,
            stop,
            ..
        } = self;
        drop(db);
        drop(work);
        check(done.path(), &layout, rows, stop)?;
        let ascending: Vec<String> = (layout.columns.iter().zip(&stats))
            .filter(|(_, stats)| stats.ascending && matches!(stats.min, Some(Cell::Int(_))))
            .map(|(name, _)| name.clone())
            .collect();
        let map = file_map::of(done.path(), &layout, &ascending, stop)?;
        let (bytes, sha256) = sync_and_hash(done.path(), stop)?;
        Ok(Built {
            path: done.keep(),
            bytes,
            sha256,
            rows,
            columns: stats,
            layout,
            blooms,
            map,
        })
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.db.execute_batch(sql).map_err(|e| failed(&e))
    }

    fn write_info(&self) -> Result<()> {
        let rows = self.rows.to_string();
        let format = FORMAT.to_string();
        let own = [
            ("format", format.as_str()),
            ("table", &self.spec.table),
            ("raw_table", &self.layout.raw_table),
            ("view", &self.layout.view),
            ("rowid", &self.layout.rowid),
            ("rows", &rows),
        ];
        let words = (!self.spec.full_text.is_empty())
            .then_some(("full_text", self.layout.full_text.as_str()));
        let own = own.into_iter().chain(words);
        let given = self.spec.info.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let sql = format!("INSERT OR REPLACE INTO {INFO_TABLE} VALUES(?1,?2)");
        let mut insert = self.db.prepare(&sql).map_err(|e| failed(&e))?;
        for (key, value) in given.chain(own) {
            insert.execute([key, value]).map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    fn write_columns(&self, stats: &[ColumnStats]) -> Result<()> {
        let sql = format!("INSERT INTO {COLUMNS_TABLE} VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)");
        let mut insert = self.db.prepare(&sql).map_err(|e| failed(&e))?;
        for ((column, physical), stats) in self
            .spec
            .columns
            .iter()
            .zip(&self.layout.columns)
            .zip(stats)
        {
            let bounds = stats.min.as_ref().or(stats.max.as_ref()).map(|_| {
                if column.encoding == Encoding::Text {
                    "bytes"
                } else {
                    "value"
                }
            });
            let labels = if column.enum_labels.is_empty() {
                None
            } else {
                Some(serde_json::to_string(&column.enum_labels).map_err(|e| {
                    Error::internal(format!("cannot write the labels of an enum: {e}"))
                })?)
            };
            insert
                .execute(params![
                    column.attnum,
                    column.name,
                    physical,
                    column.type_name,
                    column.encoding.as_str(),
                    stats.nulls,
                    stats.fallback,
                    stats.min,
                    stats.max,
                    bounds,
                    labels
                ])
                .map_err(|e| failed(&e))?;
        }
        Ok(())
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(i) => ValueRef::Integer(*i),
            // bound as a number it would become NULL
            Cell::Real(r) if r.is_nan() => ValueRef::Text(b"NaN"),
            Cell::Real(r) => ValueRef::Real(*r),
            Cell::Text(t) => ValueRef::Text(t.as_bytes()),
            Cell::Blob(b) => ValueRef::Blob(b),
        }))
    }
}

fn check_spec(spec: &FileSpec) -> Result<()> {
    let width = spec.columns.len();
    let bad_index = spec
        .indexes
        .iter()
        .any(|i| i.columns.is_empty() || i.columns.iter().any(|c| *c >= width));
    let bad_words = spec.full_text.iter().any(|c| *c >= width);
    if width == 0 || bad_index || bad_words {
        return Err(Error::internal(format!(
            "cold file of \"{}\" without columns or with an index on none",
            spec.table
        )));
    }
    Ok(())
}

/// Two names in `dir` that no other builder of this process uses; leftovers of an earlier process
/// with the same number are removed.
fn file_names(dir: &Path) -> (TempFile, TempFile) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    let take = |kind: &str| {
        let path = dir.join(format!("cold.{pid}.{n}.{kind}"));
        let _ = std::fs::remove_file(&path);
        TempFile::new(path)
    };
    (take("work"), take("sqlite"))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
