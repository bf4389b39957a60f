//! Where cold files lie: one trait, two implementations.
//!
//! Invariant: an object is written once under a name that was free, and never changed. Every read
//! names the identity (etag) that the catalog recorded, so a replaced object is an error and never
//! a different answer.

mod folders;
pub mod local;
mod local_upkeep;
mod open;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests;
pub mod upkeep;

use crate::cold::disk_cache::DiskCache;
use crate::cold::facts::FileFacts;
use crate::error::{Error, Kind};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

pub use open::open_store;
pub use upkeep::Upkeep;

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
    /// This page, counted from 1, came back with other bits than were written.
    Damaged(u64),
    /// The statement may send no more requests than these.
    Budget(u64),
    /// Only while a scan is tried out beforehand: the bytes are on their way.
    NotHere,
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
            StoreError::Damaged(page) => write!(
                f,
                "page {page} of the object is damaged: it has another checksum than when it was written"
            ),
            StoreError::Budget(limit) => write!(
                f,
                "the statement needs more than the {limit} requests that strata.cold_get_budget allows"
            ),
            StoreError::NotHere => f.write_str("the bytes are not here yet"),
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
            StoreError::Changed(_) | StoreError::Short { .. } | StoreError::Damaged(_) => {
                Kind::DataCorrupted
            }
            StoreError::Budget(_) => Kind::ConfiguredLimit,
            StoreError::NotHere => Kind::Internal,
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
pub trait ObjectStore: Upkeep {
    /// Size and identity, or `Missing`.
    fn head(&self, key: &str) -> StoreResult<Meta>;
    /// Exactly `len` bytes from `start` of the object whose identity is `etag`.
    fn get_range(&self, key: &str, etag: &str, start: u64, len: u64) -> StoreResult<Vec<u8>>;
    /// Writes a whole file under a free name; `Exists` if it is taken. Returns only when the object
    /// is durable. An unknown outcome is settled by asking for size and hash.
    ///
    /// Where an interrupted write leaves something behind that is no object yet, `begun` gets its id before the
    /// first byte of content, for [`ObjectStore::abort_upload`], which is the caller's to call after an error; when
    /// `begun` fails nothing is written.
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
    /// Opens the object with this identity for reading at random, by what the catalog knows of it.
    fn open_known(
        self: Rc<Self>,
        key: &str,
        etag: &str,
        size: u64,
        facts: Rc<FileFacts>,
    ) -> StoreResult<Box<dyn RangeRead>>;
    /// The same for an object that nothing more is known of.
    fn open(self: Rc<Self>, key: &str, etag: &str, size: u64) -> StoreResult<Box<dyn RangeRead>> {
        self.open_known(key, etag, size, Rc::default())
    }
    /// True where each read is a request over a network, so that it pays to know more beforehand.
    fn is_remote(&self) -> bool {
        false
    }
}

/// What a scan is going to read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hint {
    /// Nothing is known: it reads ahead where a direction shows.
    #[default]
    Unknown,
    /// These bytes, `start..end`, from the first to the last.
    Range { start: u64, end: u64 },
}

/// When a file of this machine was written to the last time (seconds and nanoseconds), and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub at: (i64, i64),
    pub size: u64,
}

/// What the SQLite VFS reads from. Reads may wait; an interrupt travels as a panic (a PostgreSQL
/// error) that the VFS catches.
pub trait RangeRead {
    /// Size in bytes; never changes.
    fn size(&self) -> u64;
    /// Fills `buf` from `offset`; a range beyond the end is `Short`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()>;
    /// The same without waiting: false if the bytes are not here; then they are asked for.
    fn read_if_here(&self, offset: u64, buf: &mut [u8]) -> StoreResult<bool> {
        self.read_at(offset, buf).map(|()| true)
    }
    /// What comes next.
    fn hint(&self, _hint: Hint) {}
    /// Nobody reads any more: gives up what has been asked for beforehand.
    fn rest(&self) {}
    /// What reading has cost since this object was opened.
    fn stats(&self) -> ReadStats;
    /// When the object was written to; none where each read makes sure that it is the same.
    fn written(&self) -> StoreResult<Option<Written>> {
        Ok(None)
    }
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
    static FILES: RefCell<HashMap<Rc<str>, ReadStats>> = RefCell::default();
}

/// Adds to the counters of this session, for the object with this key.
pub(crate) fn count(key: &Rc<str>, delta: ReadStats) {
    SESSION.set(SESSION.get().plus(delta));
    FILES.with_borrow_mut(|files| match files.get_mut(key) {
        Some(sum) => *sum = sum.plus(delta),
        None => drop(files.insert(Rc::clone(key), delta)),
    });
}

/// What reading cold files has cost since this backend started.
#[must_use]
pub fn session_stats() -> ReadStats {
    SESSION.get()
}

/// The same for each object, by key.
#[must_use]
pub fn file_stats() -> Vec<(Rc<str>, ReadStats)> {
    FILES.with_borrow(|files| files.iter().map(|(k, s)| (Rc::clone(k), *s)).collect())
}

thread_local! {
    static PAST_CACHES: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on what lies in the store, whatever this server remembers of it.
pub fn past_caches<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            PAST_CACHES.set(self.0);
        }
    }
    let _restore = Restore(PAST_CACHES.replace(true));
    reset_cache();
    work()
}

/// True inside [`past_caches`].
pub(crate) fn is_past_caches() -> bool {
    PAST_CACHES.get()
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
    /// Called again and again while the process waits for a request: time to start others.
    pub while_waiting: fn(),
    /// Takes one file descriptor from the process's budget, if there is room.
    pub acquire_fd: fn() -> bool,
    /// Gives it back.
    pub release_fd: fn(),
    /// Memory and requests.
    pub limits: Limits,
}

/// What reading remote files may take; looked up at each request.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Memory for cached blocks, in bytes.
    pub cache: fn() -> u64,
    /// Largest read-ahead, in bytes.
    pub read_ahead: fn() -> u64,
    /// Says no when the running statement has used up its requests.
    pub may_request: fn() -> StoreResult<()>,
    /// Where blocks are kept on the local disk, if anywhere.
    pub disk: fn() -> Option<DiskCache>,
}

impl Host {
    /// A process without interrupts and budgets: tests and tools.
    #[must_use]
    pub fn plain() -> Host {
        Host {
            check_interrupts: || {},
            wait_readable: |_, limit| std::thread::sleep(limit.min(Duration::from_millis(1))),
            while_waiting: || {},
            acquire_fd: || true,
            release_fd: || {},
            limits: Limits {
                cache: || 64 << 20,
                read_ahead: || 4 << 20,
                may_request: || Ok(()),
                disk: || None,
            },
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
