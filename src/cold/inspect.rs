//! Looking at live files: are they there, and do they hold what the catalog says?

use crate::cold::catalog::{self, settings};
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::servers;
use crate::cold::store::{self, StoreError};
use crate::error::{Error, Kind, Result};
use crate::pg::{self, cold_copy, cold_reader};
use pgrx::pg_sys;
use sha2::{Digest, Sha256};
use std::rc::Rc;

/// Bytes asked for at once.
const PIECE: u64 = 8 << 20;

/// chunk, key, status, detail
pub type Found = (pg_sys::Oid, String, String, Option<String>);

/// HEAD of every live file that the caller owns; `deep` also reads and decodes every row.
pub fn check_files(hypertable: Option<pg_sys::Oid>, deep: bool) -> Result<Vec<Found>> {
    let mut out = Vec::new();
    for chunk in settings::live_chunks(hypertable, pg::catalog::current_user())? {
        pg::catalog::lock_relation(chunk, pg_sys::AccessShareLock as i32);
        let ChunkState::Cold(manifest) = catalog::state_of(chunk)? else {
            continue;
        };
        let (status, detail) = match look(&manifest) {
            Ok(()) if deep => compare(chunk, &manifest)?,
            Ok(()) => ("ok", None),
            Err(e) => (status_of(&e), Some(e.to_string())),
        };
        out.push((chunk, manifest.key.clone(), status.to_owned(), detail));
    }
    Ok(out)
}

/// True for a file that is the one of its chunk now, not only in the snapshot that runs. 40001 for another.
pub fn check_dumped(file: &str, chunk: pg_sys::Oid) -> Result<bool> {
    if catalog::is_live(file)? {
        return Ok(true);
    }
    let name = pg::catalog::relation_name(chunk).unwrap_or_else(|_| chunk.to_u32().to_string());
    Err(Error::new(
        Kind::Retry,
        format!("cold chunk \"{name}\" was brought back, merged or emptied after the dump began"),
    )
    .hint("Run pg_dump again."))
}

fn look(manifest: &Manifest) -> std::result::Result<(), StoreError> {
    let hypertable = pg_sys::Oid::from(manifest.hypertable);
    let store = servers::store_for(&manifest.server, hypertable)
        .map_err(|e| StoreError::Unreachable(e.message))?;
    let meta = store.head(&manifest.key)?;
    if meta.size != manifest.bytes {
        return Err(StoreError::Short {
            wanted: manifest.bytes,
            got: meta.size,
        });
    }
    if meta.etag != manifest.etag {
        return Err(StoreError::Changed(String::from("its etag is another one")));
    }
    Ok(())
}

fn status_of(e: &StoreError) -> &'static str {
    match e {
        StoreError::Missing => "missing",
        StoreError::Changed(_) | StoreError::Short { .. } => "changed",
        StoreError::Forbidden(_) => "forbidden",
        _ => "unreachable",
    }
}

fn compare(chunk: pg_sys::Oid, manifest: &Rc<Manifest>) -> Result<(&'static str, Option<String>)> {
    // what is checked is the store, not this session's memory of it
    cold_reader::close_all();
    let found = store::past_caches(|| cold_copy::read_file(chunk, manifest));
    let found = match found {
        Ok(found) => found,
        Err(e) => return Ok(("changed", Some(e.message))),
    };
    if found.rows != manifest.rows {
        return Ok((
            "changed",
            Some(format!("{} rows instead of {}", found.rows, manifest.rows)),
        ));
    }
    let columns = catalog::spec::columns(chunk)?;
    let same = columns.len() == manifest.columns.len()
        && columns.iter().all(|c| {
            manifest
                .column(c.attnum)
                .is_some_and(|m| m.physical.is_some())
        });
    let whole = if same {
        found.text() == manifest.content_hash
    } else {
        // the rows' hash was taken over other columns than there are now
        bytes_are_same(manifest)?
    };
    if !whole {
        return Ok((
            "changed",
            Some(String::from("the rows are not those that were exported")),
        ));
    }
    Ok(("ok", None))
}

/// The hash of all bytes of the file against the one of the day it was written.
fn bytes_are_same(manifest: &Manifest) -> Result<bool> {
    let Some(expected) = catalog::inspect::sha256(&manifest.file)? else {
        return Ok(false);
    };
    let store = servers::store_for(&manifest.server, pg_sys::Oid::from(manifest.hypertable))?;
    let mut hash = Sha256::new();
    let mut done = 0;
    while done < manifest.bytes {
        let len = PIECE.min(manifest.bytes - done);
        match store.get_range(&manifest.key, &manifest.etag, done, len) {
            Ok(bytes) => hash.update(&bytes),
            Err(StoreError::Changed(_) | StoreError::Short { .. }) => return Ok(false),
            Err(e) => return Err(e.at(&manifest.key)),
        }
        done += len;
    }
    Ok(super::name::hex(&hash.finalize()) == expected)
}
