//! What goes wrong when a cold file is read, and which SQLSTATE that is.

use crate::cold::store::StoreError;
use crate::error::{Error, Kind};
use rusqlite::ffi;
use std::ffi::c_int;
use std::fmt;

/// Why a cold file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteError {
    /// the store failed with this
    Store(StoreError),
    /// SQLite failed by itself; `code` is its extended result code
    Sqlite { code: i32, message: String },
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqliteError::Store(e) => e.fmt(f),
            SqliteError::Sqlite { code, message } => write!(f, "{message} (SQLite code {code})"),
        }
    }
}

impl std::error::Error for SqliteError {}

impl SqliteError {
    /// The house meaning: as the store says, else XX001 for everything that a sound file of ours
    /// cannot cause, 54000 for values too long, 58030 for memory and files.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            SqliteError::Store(e) => e.kind(),
            SqliteError::Sqlite { code, .. } => match code & 0xff {
                ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_ERROR => Kind::DataCorrupted,
                ffi::SQLITE_TOOBIG => Kind::LimitExceeded,
                ffi::SQLITE_NOMEM | ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN | ffi::SQLITE_FULL => {
                    Kind::Io
                }
                _ => Kind::Internal,
            },
        }
    }

    /// An error for the client that names the file.
    #[must_use]
    pub fn at(&self, key: &str) -> Error {
        Error::new(self.kind(), format!("cold file \"{key}\": {self}"))
    }

    /// An error of our own, or one without text.
    pub(super) fn own(code: c_int, message: impl Into<String>) -> SqliteError {
        SqliteError::Sqlite {
            code,
            message: message.into(),
        }
    }
}
