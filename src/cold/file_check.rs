//! Reading a finished file back, making it durable, and what its errors mean.

use super::file_schema::Layout;
use super::mapping::quote_name;
use super::name::hex;
use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Reads the finished file back as a stranger would.
pub(super) fn check(path: &Path, layout: &Layout, rows: i64, stop: fn() -> bool) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
    db.progress_handler(10_000, Some(stop))
        .map_err(|e| failed(&e))?;
    // the check looks up every row in every index
    db.execute_batch("PRAGMA cache_size=-65536")
        .map_err(|e| failed(&e))?;
    let verdict: String = db
        .query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))
        .map_err(|e| failed(&e))?;
    if verdict != "ok" {
        return Err(
            Error::new(Kind::DataCorrupted, "the cold file just written is damaged")
                .detail(format!("SQLite says: {verdict}.")),
        );
    }
    let table = quote_name(&layout.raw_table);
    let rowid = &layout.rowid;
    let sql = format!(
        "SELECT (SELECT count(*) FROM {table}), (SELECT {rowid} FROM {table} ORDER BY {rowid} \
         DESC LIMIT 1)"
    );
    let (count, last): (i64, Option<i64>) = db
        .query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?)))
        .map_err(|e| failed(&e))?;
    if count != rows || last.unwrap_or(0) != rows {
        return Err(Error::new(
            Kind::DataCorrupted,
            format!("the cold file just written has {count} rows instead of {rows}"),
        ));
    }
    Ok(())
}

/// Size and SHA-256 of the file, and file and folder made durable.
pub(super) fn sync_and_hash(path: &Path, stop: fn() -> bool) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(|e| io(&e))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    let mut bytes = 0u64;
    loop {
        let n = file.read(&mut buffer).map_err(|e| io(&e))?;
        if n == 0 {
            break;
        }
        if stop() {
            return Err(interrupted());
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
    file.sync_all().map_err(|e| io(&e))?;
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        File::open(dir)
            .and_then(|d| d.sync_all())
            .map_err(|e| io(&e))?;
    }
    Ok((bytes, hex(&hash.finalize())))
}

pub(super) fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::new(
            Kind::Io,
            format!("the path \"{}\" is not UTF-8", path.display()),
        )
    })
}

fn io(e: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot write the cold file: {e}"))
}

fn interrupted() -> Error {
    Error::new(Kind::Retry, "writing the cold file was interrupted")
}

pub(super) fn failed(e: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Code;
    match e.sqlite_error_code() {
        Some(Code::OperationInterrupted) => interrupted(),
        Some(Code::TooBig) => Error::new(
            Kind::LimitExceeded,
            "a row is longer than the 1000000000 bytes that a SQLite file can hold",
        ),
        Some(Code::ConstraintViolation) => Error::new(
            Kind::DataCorrupted,
            "a unique index of the chunk has duplicate keys",
        )
        .detail(format!("SQLite says: {e}.")),
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => Error::new(
            Kind::DataCorrupted,
            format!("the cold file is damaged: {e}"),
        ),
        _ => Error::new(Kind::Io, format!("cannot write the cold file: {e}")),
    }
}

/// A file that goes away with its owner, unless it is kept.
pub(super) struct TempFile(Option<PathBuf>);

impl TempFile {
    pub(super) fn new(path: PathBuf) -> TempFile {
        TempFile(Some(path))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    pub(super) fn keep(mut self) -> PathBuf {
        self.0.take().unwrap_or_default()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}
