//! What keeping a store in order needs, beside files: looking through it, what uploads have left, the small
//! object that says who may delete in a folder, and links for people.

use super::StoreResult;
use std::time::Duration;

/// Largest small object, in bytes.
pub const SMALL_MAX: u64 = 64 * 1024;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// By the store's clock, in microseconds since 1970.
    pub modified_us: i64,
}

/// A part of a listing, sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub objects: Vec<Listed>,
    /// Where the next page begins, for [`Upkeep::list`]; `None` after the last one.
    pub next: Option<String>,
}

/// An upload that was begun and neither completed nor aborted. Takes room, and is not in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Key of the object that it was to become; in a directory, of its temporary file.
    pub key: String,
    /// What it is aborted by, with [`super::ObjectStore::abort_upload`].
    pub id: String,
    /// In microseconds since 1970.
    pub begun_us: i64,
}

/// A small object with its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Small {
    pub bytes: Vec<u8>,
    pub etag: String,
}

/// Keeping a store in order.
pub trait Upkeep {
    /// Keys that begin with `prefix`, page by page; `from` is [`Page::next`] of the page before.
    fn list(&self, prefix: &str, from: Option<&str>) -> StoreResult<Page>;
    /// Uploads below `prefix` (a folder, with its slash) that were never completed. Stores that cannot tell
    /// have none.
    fn unfinished(&self, prefix: &str) -> StoreResult<Vec<Unfinished>>;
    /// A whole small object; `None` when there is none.
    fn read_small(&self, key: &str) -> StoreResult<Option<Small>>;
    /// Writes a small object in place of the one with this identity, or where there was none. `Changed` when
    /// something else lies there; stores that know no conditions take the last writer.
    fn write_small(&self, key: &str, bytes: &[u8], instead_of: Option<&str>) -> StoreResult<()>;
    /// A link by which anybody can read the object for a while. Asks nobody whether the object exists.
    fn url(&self, key: &str, valid_for: Duration) -> StoreResult<String>;
}
