//! Looking at live files: are they there, and do they hold what the catalog says?

use crate::cold::catalog::{self, settings};
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::servers;
use crate::cold::store::{self, StoreError};
use crate::error::Result;
use crate::pg::{self, cold_copy, cold_reader};
use pgrx::pg_sys;
use std::rc::Rc;

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
    if same && found.text() != manifest.content_hash {
        return Ok((
            "changed",
            Some(String::from("the rows are not those that were exported")),
        ));
    }
    Ok(("ok", None))
}
