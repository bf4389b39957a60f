//! The files that this backend has open, and what it knows of their bytes.

use super::cold_state;
use super::sqlite::{ColdDb, SqliteError};
use crate::cold::facts::FileFacts;
use crate::cold::manifest::Manifest;
use crate::cold::runs::RunMap;
use crate::cold::store::{Hint, ObjectStore, RangeRead, ReadStats, StoreError};
use crate::error::{Error, Kind, Result};
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Files kept open per backend. They are immutable, so an open one never goes stale.
const OPEN_FILES: usize = 16;

/// Files whose run maps are kept per backend.
const RUN_MAPS: usize = 256;

struct OpenFile {
    id: String,
    reader: Rc<dyn RangeRead>,
    /// not yet, while the first bytes of a file that was opened ahead are on their way
    db: Option<Rc<ColdDb>>,
    /// somebody waits for its first bytes
    opening: bool,
    /// what had been read before it was opened ahead: the rest belongs to its next reader
    ahead_of: Option<ReadStats>,
}

/// Run maps by column.
pub type RunMaps = HashMap<String, RunMap>;

thread_local! {
    static OPEN: RefCell<Vec<OpenFile>> = const { RefCell::new(Vec::new()) };
    static RUNS: RefCell<HashMap<String, Rc<RunMaps>>> = RefCell::new(HashMap::new());
}

thread_local! {
    /// options of a server or a user mapping may have changed since the files were opened
    static STALE: Cell<bool> = const { Cell::new(false) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

#[pg_guard]
unsafe extern "C-unwind" fn on_options_inval(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    super::cold_probe::forget(0);
    STALE.set(true);
}

/// Lets go of files that were opened by other options than those of now: keys that were taken away
/// must not read on, and an address that was put right counts at once. Running scans keep theirs.
fn drop_stale() {
    if !WATCHING.replace(true) {
        let caches = [
            pg_sys::SysCacheIdentifier::FOREIGNSERVEROID,
            pg_sys::SysCacheIdentifier::USERMAPPINGOID,
        ];
        for cache in caches {
            // SAFETY: registered once per process, never removed; the callback is a static function
            unsafe {
                pg_sys::CacheRegisterSyscacheCallback(
                    cache as i32,
                    Some(on_options_inval),
                    pg_sys::Datum::null(),
                );
            }
        }
    }
    if STALE.replace(false) {
        drop(OPEN.take());
    }
}

/// Opens the file of a chunk, or finds it open; also what had been read from it before.
pub fn open(manifest: &Manifest) -> Result<(Rc<ColdDb>, ReadStats)> {
    super::cold_changed::check_complete(manifest)?;
    drop_stale();
    let found = with_open(&manifest.file, |file| {
        let before = file.ahead_of.take();
        let before = before.unwrap_or_else(|| file.reader.stats());
        (Rc::clone(&file.reader), file.db.clone(), before)
    });
    let (reader, before) = match found {
        Some((_, Some(db), before)) => return Ok((db, before)),
        Some((reader, None, before)) => (reader, before),
        None => (attach(manifest)?, ReadStats::default()),
    };
    // after a cancel the mark stays, and means that nothing is read ahead before the next open
    with_open(&manifest.file, |file| file.opening = true);
    let db = ColdDb::open(reader).and_then(|db| checked(manifest, db));
    let db = db.map_err(|e| failed(manifest, &e))?;
    with_open(&manifest.file, |file| {
        file.db = Some(Rc::clone(&db));
        file.opening = false;
    });
    Ok((db, before))
}

fn checked(manifest: &Manifest, db: Rc<ColdDb>) -> std::result::Result<Rc<ColdDb>, SqliteError> {
    db.check_table(&manifest.raw_table)?;
    Ok(db)
}

/// Opens a remote file without waiting for any of its bytes; false if it is not remote.
pub fn open_ahead(manifest: &Manifest) -> Result<bool> {
    super::cold_changed::check_complete(manifest)?;
    drop_stale();
    let known = with_open(&manifest.file, |file| {
        let stats = file.reader.stats();
        file.ahead_of.get_or_insert(stats);
    });
    if known.is_some() {
        return Ok(true);
    }
    if !store_of(manifest)?.is_remote() {
        return Ok(false);
    }
    attach(manifest)?;
    with_open(&manifest.file, |file| {
        file.ahead_of = Some(ReadStats::default());
    });
    Ok(true)
}

/// The database of a file that was opened ahead, if its first bytes are here.
pub fn db_ahead(manifest: &Manifest) -> std::result::Result<Rc<ColdDb>, SqliteError> {
    let found = with_open(&manifest.file, |file| {
        let reader = (!file.opening).then(|| Rc::clone(&file.reader));
        (reader, file.db.clone())
    });
    let reader = match found {
        Some((_, Some(db))) => return Ok(db),
        Some((Some(reader), None)) => reader,
        _ => return Err(SqliteError::Store(StoreError::NotHere)),
    };
    let db = ColdDb::open_ahead(reader)?;
    let db = db.trial(|| checked(manifest, Rc::clone(&db)))?;
    with_open(&manifest.file, |file| file.db = Some(Rc::clone(&db)));
    Ok(db)
}

fn store_of(manifest: &Manifest) -> Result<Rc<dyn ObjectStore>> {
    (cold_state::catalog().store)(&manifest.server, pg_sys::Oid::from(manifest.hypertable))
}

/// Puts the file on the list of open ones, at the cost of the one used longest ago.
fn attach(manifest: &Manifest) -> Result<Rc<dyn RangeRead>> {
    let store = store_of(manifest)?;
    let facts: FileFacts = (cold_state::catalog().facts)(&manifest.file, store.is_remote())?;
    let reader = store
        .open_known(
            &manifest.key,
            &manifest.etag,
            manifest.bytes,
            Rc::new(facts),
        )
        .map_err(|e| unreadable(manifest, &e.kind(), &e.to_string()))?;
    let reader: Rc<dyn RangeRead> = Rc::from(reader);
    let oldest = OPEN.with_borrow_mut(|files| {
        let oldest = (files.len() >= OPEN_FILES).then(|| files.remove(0));
        files.push(OpenFile {
            id: manifest.file.clone(),
            reader: Rc::clone(&reader),
            db: None,
            opening: false,
            ahead_of: None,
        });
        oldest
    });
    // closed outside of the borrow
    drop(oldest);
    Ok(reader)
}

/// Finds an open file and makes it the one used last.
fn with_open<T>(id: &str, work: impl FnOnce(&mut OpenFile) -> T) -> Option<T> {
    OPEN.with_borrow_mut(|files| {
        let at = files.iter().position(|file| file.id == id)?;
        let file = files.remove(at);
        files.push(file);
        files.last_mut().map(work)
    })
}

/// Closes what is kept open (the next read opens it again).
pub fn close_all() {
    super::cold_probe::forget(0);
    drop(OPEN.take());
}

/// Closes one file, after an error.
pub fn close(id: &str) {
    let closed = OPEN.with_borrow_mut(|files| {
        let at = files.iter().position(|file| file.id == id)?;
        Some(files.remove(at))
    });
    drop(closed);
}

/// The run maps of a file, by the names of the columns there.
pub fn runs(manifest: &Manifest) -> Result<Rc<RunMaps>> {
    if let Some(known) = RUNS.with_borrow(|files| files.get(&manifest.file).cloned()) {
        return Ok(known);
    }
    let found = Rc::new((cold_state::catalog().runs)(&manifest.file)?);
    RUNS.with_borrow_mut(|files| {
        if files.len() >= RUN_MAPS {
            files.clear();
        }
        files.insert(manifest.file.clone(), Rc::clone(&found));
    });
    Ok(found)
}

/// Where all rows of a file lie, as far as that is known.
pub fn all_rows(manifest: &Manifest) -> Result<Hint> {
    let maps = runs(manifest)?;
    let range = maps.values().next().map(|map| map.bytes());
    Ok(range.map_or(Hint::Unknown, |(start, end)| Hint::Range { start, end }))
}

/// The error for the client; names chunk and object.
pub fn unreadable(manifest: &Manifest, kind: &Kind, what: &str) -> Error {
    Error::new(
        *kind,
        format!("cannot read cold chunk \"{}\": file \"{}\": {what}", manifest.chunk_name, manifest.key),
    )
    .hint(format!(
        "SELECT * FROM strata.cold_files WHERE file = '{}'; tells its server \"{}\", size and checksum.",
        manifest.file, manifest.server
    ))
}

/// The same for what went wrong inside SQLite. The connection is not used again.
pub fn failed(manifest: &Manifest, e: &SqliteError) -> Error {
    close(&manifest.file);
    match e {
        SqliteError::Store(e) => unreadable(manifest, &e.kind(), &e.to_string()),
        SqliteError::Sqlite { message, .. } => unreadable(manifest, &e.kind(), message),
    }
}
