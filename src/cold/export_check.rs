//! The exporter's look at what it has stored, and at what processes before it have left there.

use super::export::{Attempt, Attempted, lock_to_read};
use super::export_file::{Uploaded, WRITERS, altered, at};
use super::export_freeze::Frozen;
use crate::cold::catalog::spec;
use crate::cold::catalog::uploads::{self, Intent};
use crate::cold::content::Sample;
use crate::cold::file::Built;
use crate::cold::manifest::Manifest;
use crate::cold::name::hex;
use crate::cold::servers;
use crate::cold::storage::Verify;
use crate::cold::store::{ObjectStore, StoreError};
use crate::error::{Error, Kind, Result};
use crate::hypertable;
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, cold_copy, cold_reader, guc, inject};
use pgrx::{PgSqlErrorCode, pg_sys};
use sha2::{Digest, Sha256};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes of one read when an object is hashed.
const PIECE: u64 = 4 << 20;

impl Attempt<'_> {
    /// Step 5. The stored object is looked at as `verify` of `set_cold_storage` says. It gives way to those who wait
    /// for the chunk, and begins again with the same object.
    pub(super) fn verify(
        &self,
        frozen: &Frozen,
        built: &Built,
        uploaded: &Uploaded,
    ) -> Attempted<()> {
        let deadline = Instant::now() + guc::cold_max_wait();
        let mut pause = Duration::from_millis(50);
        loop {
            let found = self.look_at(frozen, built, uploaded);
            let wanted = |e: &Caught| e.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE;
            match found {
                Err(e) if wanted(&e) && Instant::now() < deadline => {}
                other => return other?.then_some(()).ok_or_else(|| altered(WRITERS)),
            }
            bgworker::pause(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// False when the chunk has other columns by now.
    fn look_at(
        &self,
        frozen: &Frozen,
        built: &Built,
        uploaded: &Uploaded,
    ) -> std::result::Result<bool, Caught> {
        let chunk = self.job.chunk;
        bgworker::transaction(|| {
            lock_to_read(chunk)?;
            if !uploaded.content.fits(chunk)? {
                return Ok(false);
            }
            let m = &uploaded.manifest;
            let level = frozen.setting.verify;
            let store = servers::store_for(&m.server, frozen.info.hypertable)?;
            check_object(chunk, &*store, m, &built.sha256, level)?;
            let same = match level {
                Verify::Full => cold_copy::read_file_in_worker(chunk, m)? == uploaded.content.hash,
                Verify::Sample => same_rows(chunk, m, &uploaded.content.sample)?,
                Verify::Checksum => true,
            };
            cold_reader::close_all();
            if !same {
                return Err(Error::new(
                    Kind::DataCorrupted,
                    format!(
                        "file \"{}\" does not hold the same rows as chunk \"{}\"",
                        m.key, m.chunk_name
                    ),
                ));
            }
            Ok(true)
        })
    }

    /// What earlier attempts for this chunk have left in the store: their processes are gone, for nobody else
    /// works on this chunk now. An upload is never resumed: the next one has another name.
    pub(super) fn settle_leftovers(&self) -> Attempted<()> {
        let chunk = self.job.chunk;
        let (left, token, table) = bgworker::transaction(|| {
            let table = hypertable::chunk_info(chunk)?.hypertable;
            Ok((uploads::of_chunk(chunk)?, spec::identity()?.token(), table))
        })?;
        for intent in left {
            let aborted = abort(&intent, table);
            bgworker::transaction(|| match aborted {
                true => uploads::give_up(&intent.key, &intent.server, &token),
                // only the intent still knows how to abort it
                false => uploads::expire(&intent.key, &intent.server),
            })?;
            inject::point("cold.export.settled");
        }
        Ok(())
    }
}

/// Aborts an upload that was begun; false when the store could not be asked.
fn abort(intent: &Intent, table: pg_sys::Oid) -> bool {
    let Some(id) = &intent.upload_id else {
        return true;
    };
    let store = match bgworker::transaction(|| servers::store_for(&intent.server, table)) {
        Ok(store) => store,
        Err(_) => return false,
    };
    let aborted = bgworker::contain(|| {
        let Err(e) = store.abort_upload(&intent.key, id) else {
            return Ok(());
        };
        // one that came to its end cannot be aborted, and some stores call that an error
        match store.head(&intent.key) {
            Ok(_) => Ok(()),
            Err(_) => Err(e.at(&intent.key)),
        }
    });
    aborted.is_ok()
}

/// Size and identity, and the checksum of the bytes unless all rows are read anyway. Not the one that came along
/// with the upload: a store gives that back whatever has become of the bytes.
fn check_object(
    chunk: pg_sys::Oid,
    store: &dyn ObjectStore,
    m: &Manifest,
    sha256: &str,
    level: Verify,
) -> Result<()> {
    let meta = store.head(&m.key).map_err(|e| at(m, &e))?;
    if meta.size != m.bytes {
        let e = StoreError::Short {
            wanted: m.bytes,
            got: meta.size,
        };
        return Err(at(m, &e));
    }
    if meta.etag != m.etag {
        let e = StoreError::Changed(String::from("another etag than a moment ago"));
        return Err(at(m, &e));
    }
    if level != Verify::Full && sha256_of(chunk, store, m)? != sha256 {
        let e = StoreError::Changed(String::from("another checksum than what was written"));
        return Err(at(m, &e));
    }
    Ok(())
}

fn sha256_of(chunk: pg_sys::Oid, store: &dyn ObjectStore, m: &Manifest) -> Result<String> {
    let mut hash = Sha256::new();
    let mut start = 0;
    while start < m.bytes {
        crate::pg::catalog::check_for_interrupts();
        cold_copy::give_way(chunk)?;
        let len = PIECE.min(m.bytes - start);
        let bytes = store
            .get_range(&m.key, &m.etag, start, len)
            .map_err(|e| at(m, &e))?;
        hash.update(&bytes);
        start += len;
    }
    Ok(hex(&hash.finalize()))
}

fn same_rows(chunk: pg_sys::Oid, m: &Rc<Manifest>, sample: &Sample) -> Result<bool> {
    let rowids: Vec<i64> = sample.rows().map(|(rowid, _)| rowid).collect();
    let found = cold_copy::digests_in_file(chunk, m, &rowids)?;
    Ok(sample
        .rows()
        .zip(found)
        .all(|((_, wanted), found)| found == Some(wanted)))
}
