//! Where cold files lie: one trait, two implementations.
//!
//! Invariant: an object is written once under a name that was free, and never changed. Every read
//! names the identity (etag) that the catalog recorded, so a replaced object is an error and never
//! a different answer.

mod folders;
pub mod local;
mod open;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests;

use crate::error::{Error, Kind};
use std::cell::Cell;
use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

pub use open::open_store;

/// What a store knows of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Size in bytes.
    pub size: u64,
    /// Identity of this content, opaque; compare for equality only.
    pub etag: String,
    /// Lower-case hex, when the store keeps metadata (S3) or has just computed it (a local put).
    pub sha256: Option<String>,
}

/// Why a store could not answer. Texts name the object where known and never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// No such object.
    Missing,
    /// The object is not the recorded one any more.
    Changed(String),
    /// The store, or the operating system, refuses.
    Forbidden(String),
    /// No connection, or the store cannot serve at present; retries are used up.
    Unreachable(String),
    /// No answer in time; retries are used up.
    Timeout(String),
    /// Fewer bytes than the object must have there.
    Short { wanted: u64, got: u64 },
    /// The name is taken.
    Exists,
    /// An answer that breaks the protocol, or a key that no store may be asked for.
    Protocol(String),
    /// A local file operation failed.
    Io(String),
}

/// Result of a store operation.
pub type StoreResult<T> = std::result::Result<T, StoreError>;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Missing => f.write_str("the object does not exist"),
            StoreError::Changed(m) => write!(f, "the object has changed: {m}"),
            StoreError::Forbidden(m) => write!(f, "access refused: {m}"),
            StoreError::Unreachable(m) => write!(f, "the store cannot be reached: {m}"),
            StoreError::Timeout(m) => write!(f, "the store did not answer in time: {m}"),
            StoreError::Short { wanted, got } => {
                write!(f, "the object is cut short: {got} of {wanted} bytes")
            }
            StoreError::Exists => f.write_str("the object exists already"),
            StoreError::Protocol(m) => write!(f, "unexpected answer: {m}"),
            StoreError::Io(m) => f.write_str(m),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// The house meaning: 58P01 missing, XX001 damaged or changed, 42501 refused, 58030 the rest.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            StoreError::Missing => Kind::FileMissing,
            StoreError::Changed(_) | StoreError::Short { .. } => Kind::DataCorrupted,
            StoreError::Forbidden(_) => Kind::InsufficientPrivilege,
            StoreError::Exists => Kind::DuplicateObject,
            StoreError::Unreachable(_)
            | StoreError::Timeout(_)
            | StoreError::Protocol(_)
            | StoreError::Io(_) => Kind::Io,
        }
    }

    /// An error for the client that names the object.
    #[must_use]
    pub fn at(&self, key: &str) -> Error {
        Error::new(self.kind(), format!("cold file \"{key}\": {self}"))
    }
}

/// A store: flat names with `/`, whole objects in, ranges out.
pub trait ObjectStore {
    /// Size and identity, or `Missing`.
    fn head(&self, key: &str) -> StoreResult<Meta>;
    /// Exactly `len` bytes from `start` of the object whose identity is `etag`.
    fn get_range(&self, key: &str, etag: &str, start: u64, len: u64) -> StoreResult<Vec<u8>>;
    /// Writes a whole file under a free name; `Exists` if it is taken. Returns only when the object
    /// is durable. An unknown outcome is settled by asking for size and hash.
    ///
    /// Where an interrupted write leaves something behind that is no object yet, `begun` gets its id before the
    /// first byte of content, for [`ObjectStore::abort_upload`]; when it fails nothing is written.
    fn put_if_absent(
        &self,
        key: &str,
        file: &Path,
        sha256: &str,
        meta: &[(&str, String)],
        begun: &mut dyn FnMut(&str) -> StoreResult<()>,
    ) -> StoreResult<Meta>;
    /// Removes what a write left that did not come to its end; one that did, or is gone, is `Ok`. An object that
    /// has come to be stays.
    fn abort_upload(&self, key: &str, upload_id: &str) -> StoreResult<()>;
    /// Removes an object; a missing one is `Ok`.
    fn delete(&self, key: &str) -> StoreResult<()>;
    /// All keys that begin with `prefix`, sorted.
    fn list(&self, prefix: &str) -> StoreResult<Vec<String>>;
    /// Opens the object with this identity for reading at random.
    fn open(self: Rc<Self>, key: &str, etag: &str, size: u64) -> StoreResult<Box<dyn RangeRead>>;
}

/// What the SQLite VFS reads from. Reads may wait; an interrupt travels as a panic (a PostgreSQL
/// error) that the VFS catches.
pub trait RangeRead {
    /// Size in bytes; never changes.
    fn size(&self) -> u64;
    /// Fills `buf` from `offset`; a range beyond the end is `Short`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()>;
    /// What reading has cost since this object was opened.
    fn stats(&self) -> ReadStats;
}

/// Cost of reading. A local directory counts each read asked for as one get.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ReadStats {
    /// Requests sent.
    pub gets: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Blocks answered from memory.
    pub cache_hits: u64,
    /// Time spent waiting, in microseconds.
    pub wait_us: u64,
}

impl ReadStats {
    /// The sum, counter by counter.
    #[must_use]
    pub fn plus(self, other: ReadStats) -> ReadStats {
        ReadStats {
            gets: self.gets + other.gets,
            bytes: self.bytes + other.bytes,
            cache_hits: self.cache_hits + other.cache_hits,
            wait_us: self.wait_us + other.wait_us,
        }
    }
}

thread_local! {
    static SESSION: Cell<ReadStats> = const {
        Cell::new(ReadStats { gets: 0, bytes: 0, cache_hits: 0, wait_us: 0 })
    };
}

/// Adds to the counters of this session.
pub(crate) fn count(delta: ReadStats) {
    SESSION.set(SESSION.get().plus(delta));
}

/// What reading cold files has cost since this backend started.
#[must_use]
pub fn session_stats() -> ReadStats {
    SESSION.get()
}

/// Forgets cached blocks of remote files.
pub fn reset_cache() {
    #[cfg(feature = "s3")]
    s3::reset_cache();
}

/// What a store needs from the process that it runs in. Tests pass plain functions.
#[derive(Clone, Copy)]
pub struct Host {
    /// Raises a pending cancel or shutdown as a panic.
    pub check_interrupts: fn(),
    /// Returns when the descriptor is readable, the time is over, or something else woke the
    /// process; raises a pending cancel or shutdown as a panic.
    pub wait_readable: fn(RawFd, Duration),
    /// Takes one file descriptor from the process's budget, if there is room.
    pub acquire_fd: fn() -> bool,
    /// Gives it back.
    pub release_fd: fn(),
    /// Memory for cached blocks of remote files, in bytes.
    pub cache_bytes: fn() -> u64,
}

impl Host {
    /// A process without interrupts and budgets: tests and tools.
    #[must_use]
    pub fn plain() -> Host {
        Host {
            check_interrupts: || {},
            wait_readable: |_, limit| std::thread::sleep(limit.min(Duration::from_millis(1))),
            acquire_fd: || true,
            release_fd: || {},
            cache_bytes: || 64 << 20,
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

/// Refuses keys that could leave the store's root or that no store takes.
pub fn check_key(key: &str) -> StoreResult<()> {
    let bad = |why: &str| {
        Err(StoreError::Protocol(format!(
            "key \"{}\" {why}",
            key.escape_default()
        )))
    };
    if key.is_empty() || key.len() > 1024 {
        return bad("must have 1 to 1024 bytes");
    }
    if key.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return bad("holds a control character");
    }
    if key.starts_with('/') {
        return bad("is absolute");
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return bad("has an empty, \".\" or \"..\" part");
    }
    Ok(())
}
