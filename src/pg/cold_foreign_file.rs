//! A SQLite file of anybody: opened, and one of its tables described.
//!
//! Nothing in it is believed but what SQLite itself goes by: the file may say that it is one of
//! ours, and have been edited since.

use super::cold_state::ForeignStore;
use super::sqlite::{ColdDb, Cursor, SqliteError};
use crate::cold::file_schema::{APPLICATION_ID, COLUMNS_TABLE, FORMAT, INFO_TABLE};
use crate::cold::foreign::{Affinity, Declared};
use crate::cold::mapping::{CellRef, Encoding, quote_name};
use crate::cold::store::{Meta, RangeRead, StoreError, StoreResult, Written};
use crate::error::{Error, Kind, Result};
use rusqlite::ffi;
use std::ffi::{CStr, CString};
use std::rc::Rc;

/// First bytes of a rollback journal that was not ended (fileformat2.html, section 3).
const HOT_JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Bytes of the header of a file.
const HEAD: usize = 100;

/// An open file. Not kept beyond a statement: the file may change between statements.
pub(super) struct ForeignFile {
    pub(super) db: Rc<ColdDb>,
    pub(super) meta: Meta,
    pub(super) server: String,
    pub(super) key: String,
    pub(super) is_local: bool,
    source: Rc<dyn RangeRead>,
    head: [u8; HEAD],
    written: Option<Written>,
}

/// A column as a file of ours describes it.
pub(super) struct Own {
    /// PostgreSQL's name
    pub(super) name: String,
    pub(super) physical: String,
    pub(super) type_name: String,
    pub(super) encoding: Option<Encoding>,
    /// the file says that no value is of another class
    pub(super) pure: bool,
}

/// One table of a file.
pub(super) struct FileTable {
    pub(super) name: String,
    pub(super) columns: Vec<Declared>,
    /// name under which the rowid can be read; empty for none
    pub(super) rowid: &'static str,
    /// what `_cold_columns` says, when the file is one of ours and this its table
    pub(super) own: Vec<Own>,
}

impl ForeignFile {
    /// Opens the object as it is now.
    pub(super) fn open(found: ForeignStore, key: &str) -> Result<ForeignFile> {
        let failed = |e: &StoreError| file_error(key, &found.server, e.kind(), &e.to_string());
        let meta = found.store.head(key).map_err(|e| failed(&e))?;
        let source = Rc::clone(&found.store).open(key, &meta.etag, meta.size);
        let source: Rc<dyn RangeRead> = Rc::from(source.map_err(|e| failed(&e))?);
        let written = source.written().map_err(|e| failed(&e))?;
        let head = header(source.as_ref()).map_err(|e| failed(&e))?;
        // 2: a write-ahead log may hold what the file lacks
        refuse_unfinished(&found, key, head[18] == 2 || head[19] == 2)?;
        let db = ColdDb::open(Rc::clone(&source))
            .map_err(|e| file_error(key, &found.server, e.kind(), &e.to_string()))?;
        Ok(ForeignFile {
            db,
            meta,
            server: found.server.clone(),
            key: key.to_owned(),
            is_local: found.is_local,
            source,
            head,
            written,
        })
    }

    /// XX001 when somebody has written to the file while it was read: on S3 each request says so by
    /// itself. What is compared is the file that was opened: another one under its name is no change.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        if !self.is_local {
            return Ok(());
        }
        let failed = |e: StoreError| self.error(e.kind(), &e.to_string());
        let same = self.source.written().map_err(failed)? == self.written
            && header(self.source.as_ref()).map_err(failed)? == self.head;
        if same {
            return Ok(());
        }
        Err(self
            .error(Kind::DataCorrupted, "it was changed while it was read")
            .hint("Run the statement again."))
    }

    /// An error that names file and server.
    pub(super) fn error(&self, kind: Kind, what: &str) -> Error {
        file_error(&self.key, &self.server, kind, what)
    }

    pub(super) fn sqlite_error(&self, e: &SqliteError) -> Error {
        self.error(e.kind(), &e.to_string())
    }

    /// Names of the tables that can be read: not those of SQLite, not our own two, no virtual ones.
    pub(super) fn tables(&self) -> Result<Vec<String>> {
        let names = self.list(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 1 \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            |row| text(row, 0),
        )?;
        let helper = |name: &String| {
            [INFO_TABLE, COLUMNS_TABLE]
                .iter()
                .any(|h| h.eq_ignore_ascii_case(name))
        };
        Ok(names.into_iter().filter(|n| !helper(n)).collect())
    }

    /// Describes a table. XX001 when it is missing, or is no plain table.
    pub(super) fn table(&self, name: &str) -> Result<FileTable> {
        self.db
            .check_table(name)
            .map_err(|e| self.sqlite_error(&e))?;
        let columns = self.list(
            &format!("PRAGMA table_xinfo({})", quote_name(name)),
            |row| {
                let type_name = text(row, 2);
                Declared {
                    name: text(row, 1),
                    affinity: Affinity::of(&type_name),
                    type_name,
                    binary: false,
                    generated: row.value(6) != CellRef::Int(0),
                }
            },
        )?;
        let mut table = FileTable {
            name: name.to_owned(),
            rowid: "",
            own: self.own_columns(name)?,
            columns,
        };
        for column in &mut table.columns {
            column.binary = self.is_binary(name, &column.name);
        }
        for rowid in ["rowid", "_rowid_", "oid"] {
            let taken = table
                .columns
                .iter()
                .any(|c| c.name.eq_ignore_ascii_case(rowid));
            // a table WITHOUT ROWID has none of them
            let sql = format!(
                "SELECT {} FROM {} LIMIT 0",
                quote_name(rowid),
                quote_name(name)
            );
            if !taken && self.db.prepare(&sql).is_ok() {
                table.rowid = rowid;
                break;
            }
        }
        Ok(table)
    }

    /// True when the column is compared byte by byte.
    fn is_binary(&self, table: &str, column: &str) -> bool {
        let (Ok(table), Ok(column)) = (CString::new(table), CString::new(column)) else {
            return false;
        };
        let mut collation = std::ptr::null();
        let none = std::ptr::null_mut();
        // SAFETY: an open connection, strings that end with NUL; what is not asked for is null
        let rc = unsafe {
            ffi::sqlite3_table_column_metadata(
                self.db.handle(),
                c"main".as_ptr(),
                table.as_ptr(),
                column.as_ptr(),
                std::ptr::null_mut(),
                &raw mut collation,
                none,
                none,
                none,
            )
        };
        if rc != ffi::SQLITE_OK || collation.is_null() {
            return false;
        }
        // SAFETY: a string of SQLite, valid until the next call on the connection
        unsafe { CStr::from_ptr(collation) }
            .to_bytes()
            .eq_ignore_ascii_case(b"BINARY")
    }

    /// What a file of ours says about the columns of its table; nothing for others.
    fn own_columns(&self, table: &str) -> Result<Vec<Own>> {
        let number = |sql: &str| -> Result<Option<i64>> {
            let found = self.list(sql, |row| match row.value(0) {
                CellRef::Int(i) => Some(i),
                _ => None,
            })?;
            Ok(found.first().copied().flatten())
        };
        let ours = number("PRAGMA application_id")? == Some(i64::from(APPLICATION_ID))
            && number("PRAGMA user_version")? == Some(i64::from(FORMAT))
            && [INFO_TABLE, COLUMNS_TABLE]
                .iter()
                .all(|t| self.db.check_table(t).is_ok());
        if !ours {
            return Ok(vec![]);
        }
        let raw = self.list(
            &format!("SELECT value FROM {INFO_TABLE} WHERE key = 'raw_table'"),
            |row| text(row, 0),
        )?;
        if !raw.iter().any(|r| r.eq_ignore_ascii_case(table)) {
            return Ok(vec![]);
        }
        self.list(
            &format!("SELECT name, physical_name, type, encoding, fallback FROM {COLUMNS_TABLE} ORDER BY attnum"),
            |row| Own {
                name: text(row, 0),
                physical: text(row, 1),
                type_name: text(row, 2),
                encoding: Encoding::parse(&text(row, 3)),
                pure: row.value(4) == CellRef::Int(0),
            },
        )
    }

    /// PostgreSQL's name of the table of a file of ours.
    pub(super) fn own_name(&self) -> Result<Option<String>> {
        let names = self.list(
            &format!("SELECT value FROM {INFO_TABLE} WHERE key = 'table'"),
            |row| text(row, 0),
        )?;
        Ok(names.into_iter().next())
    }

    pub(super) fn list<T>(&self, sql: &str, read: impl Fn(&Cursor) -> T) -> Result<Vec<T>> {
        let failed = |e: SqliteError| self.sqlite_error(&e);
        let mut cursor = self.db.prepare(sql).map_err(failed)?;
        let mut out = vec![];
        while cursor.step().map_err(failed)? {
            pgrx::check_for_interrupts!();
            out.push(read(&cursor));
        }
        Ok(out)
    }
}

/// The header, which counts the transactions that have changed the file; zeros for a shorter one.
fn header(source: &dyn RangeRead) -> StoreResult<[u8; HEAD]> {
    let mut head = [0u8; HEAD];
    if source.size() >= HEAD as u64 {
        source.read_at(0, &mut head)?;
    }
    Ok(head)
}

/// Empty for anything but a text.
pub(super) fn text(row: &Cursor, column: usize) -> String {
    match row.value(column) {
        CellRef::Text(t) => String::from_utf8_lossy(t).into_owned(),
        _ => String::new(),
    }
}

fn file_error(key: &str, server: &str, kind: Kind, what: &str) -> Error {
    Error::new(
        kind,
        format!("cannot read SQLite file \"{key}\" on server \"{server}\": {what}"),
    )
}

/// 55000 while changes lie beside the file: in a write-ahead log, or in a journal that would take
/// them back.
fn refuse_unfinished(found: &ForeignStore, key: &str, may_have_log: bool) -> Result<()> {
    let refuse = |beside: &str, how: &str| {
        Err(file_error(
            key,
            &found.server,
            Kind::NotInState,
            &format!("changes are pending in \"{beside}\""),
        )
        .hint(how))
    };
    let failed = |e: StoreError| file_error(key, &found.server, e.kind(), &e.to_string());
    if may_have_log {
        let log = format!("{key}-wal");
        match found.store.head(&log) {
            Ok(meta) if meta.size > 0 => {
                return refuse(
                    &log,
                    "Close all programs that have it open, or run in sqlite3: PRAGMA wal_checkpoint(TRUNCATE);",
                );
            }
            Ok(_) | Err(StoreError::Missing) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let journal = format!("{key}-journal");
    match found.store.head(&journal) {
        Ok(meta) if meta.size >= 8 => {
            let magic = found.store.get_range(&journal, &meta.etag, 0, 8);
            match magic {
                Ok(bytes) if bytes == HOT_JOURNAL => refuse(
                    &journal,
                    "Open it once with sqlite3, which takes an unfinished transaction back.",
                ),
                Ok(_) | Err(StoreError::Missing) => Ok(()),
                Err(e) => Err(failed(e)),
            }
        }
        // a store that lists nothing to us says forbidden for what does not exist
        Ok(_) | Err(StoreError::Missing | StoreError::Forbidden(_)) => Ok(()),
        Err(e) => Err(failed(e)),
    }
}
