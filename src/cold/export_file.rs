//! The exporter's steps from the frozen heap to the live file: build, upload, verify, swap.

use super::export::{Attempt, Attempted, Frozen, Stop, lock_to_read};
use crate::cold::bloom;
use crate::cold::catalog::jobs;
use crate::cold::catalog::{self, LiveFile, spec};
use crate::cold::check::check_chunk;
use crate::cold::content::ContentHash;
use crate::cold::file::{Builder, Built, ColumnSpec, FileSpec, IndexSpec};
use crate::cold::manifest::{FileColumn, Manifest};
use crate::cold::name::{self, ObjectName};
use crate::cold::servers;
use crate::cold::store::StoreError;
use crate::cold::temp::TempDir;
use crate::error::{Error, Kind, Result};
use crate::hypertable::{self, ChunkInfo};
use crate::pg::{bgworker, cold_copy, cold_move, cold_reader, cold_state, guc, inject};
use pgrx::pg_sys;
use std::rc::Rc;

impl Attempt<'_> {
    /// Step 3. One snapshot; writes that it misses have left marks, which step 6 looks for.
    pub(super) fn build(&self, frozen: &Frozen, dir: &TempDir) -> Attempted<(Built, FileContent)> {
        let (chunk, job) = (self.job.chunk, self.job.id);
        Ok(bgworker::transaction(|| {
            lock_to_read(chunk)?;
            let columns = spec::columns(chunk)?;
            let indexes = carried_indexes(chunk, &columns)?;
            let identity = spec::identity()?;
            let spec = FileSpec {
                table: crate::pg::catalog::relation_name(frozen.info.hypertable)?,
                columns: columns.clone(),
                indexes: indexes.clone(),
                info: file_info(&frozen.info, &identity.token())?,
            };
            let mut builder = Builder::create(dir.path(), spec)?;
            builder.stop_when(crate::pg::catalog::interrupt_pending)?;
            builder.want_blooms(wanted_blooms(&columns, &indexes, frozen.key));
            let hash = cold_copy::read_heap(chunk, frozen.key, &mut builder)?;
            let built = builder
                .finish()
                .inspect_err(|_| crate::pg::catalog::check_for_interrupts())?;
            if built.rows != hash.rows {
                return Err(Error::internal(
                    "the file has another number of rows than the chunk",
                ));
            }
            jobs::set_progress(job, hash.rows, hash.rows)?;
            Ok((
                built,
                FileContent {
                    hash,
                    columns,
                    indexes,
                },
            ))
        })?)
    }

    /// Step 4. The intent is committed before the first byte is sent.
    pub(super) fn upload(
        &self,
        frozen: &Frozen,
        built: &Built,
        content: FileContent,
    ) -> Attempted<Uploaded> {
        let chunk = self.job.chunk;
        let uuid = uuid::Uuid::new_v4();
        let mut uploaded = bgworker::transaction(|| {
            let identity = spec::identity()?;
            let server = spec::server_of(frozen.info.hypertable)?;
            let generation = jobs::next_generation(chunk)?;
            let (schema, hypertable) = hypertable_name(frozen.info.hypertable)?;
            let key = name::object_key(&ObjectName {
                prefix: "",
                database: &identity.database_name,
                tag: &identity.tag(),
                schema: &schema,
                hypertable: &hypertable,
                range_start: &frozen.info.range_start_utc_compact,
                range_end: &frozen.info.range_end_utc_compact,
                hypertable_id: frozen.info.hypertable_id,
                space: None,
                generation,
                attempt: *uuid.as_bytes(),
            });
            jobs::intend_upload(&key, &server, chunk)?;
            Ok(Uploaded {
                manifest: Rc::new(Manifest {
                    file: uuid.to_string(),
                    chunk_name: crate::pg::catalog::relation_name(chunk)?,
                    hypertable: frozen.info.hypertable.to_u32(),
                    server,
                    key,
                    etag: String::new(),
                    bytes: built.bytes,
                    rows: built.rows,
                    raw_table: built.layout.raw_table.clone(),
                    rowid_name: built.layout.rowid.clone(),
                    content_hash: content.hash.text(),
                    columns: content.file_columns(built),
                    ..Manifest::default()
                }),
                token: identity.token(),
                generation,
                content,
            })
        })?;
        inject::point("cold.export.intended");
        let m = Rc::clone(&uploaded.manifest);
        let store =
            bgworker::transaction(|| servers::store_for(&m.server, frozen.info.hypertable))?;
        // no transaction: an upload must not hold a snapshot
        let meta = bgworker::contain(|| {
            let notes = [
                ("rows", m.rows.to_string()),
                (
                    "range",
                    format!("{}/{}", frozen.info.range_start, frozen.info.range_end),
                ),
                ("format", String::from("1")),
            ];
            store
                .put_if_absent(&m.key, &built.path, &built.sha256, &notes)
                .map_err(|e| at(&m, &e))
        });
        let meta = match meta {
            Ok(meta) => meta,
            Err(e) => {
                bgworker::transaction(|| jobs::give_up_upload(&m.key, &m.server, &uploaded.token))?;
                return Err(e.into());
            }
        };
        drop(m);
        Rc::make_mut(&mut uploaded.manifest).etag = meta.etag;
        Ok(uploaded)
    }

    /// Step 5. Every value is read back through the store and decoded.
    pub(super) fn verify(&self, frozen: &Frozen, uploaded: &Uploaded) -> Attempted<()> {
        let chunk = self.job.chunk;
        let fits = bgworker::transaction(|| {
            lock_to_read(chunk)?;
            if !uploaded.content.fits(chunk)? {
                return Ok(false);
            }
            let m = &uploaded.manifest;
            let store = servers::store_for(&m.server, frozen.info.hypertable)?;
            let meta = store.head(&m.key).map_err(|e| at(m, &e))?;
            if meta.size != m.bytes {
                let e = StoreError::Short {
                    wanted: m.bytes,
                    got: meta.size,
                };
                return Err(at(m, &e));
            }
            let found = cold_copy::read_file(chunk, m)?;
            cold_reader::close_all();
            if found != uploaded.content.hash {
                return Err(Error::new(
                    Kind::DataCorrupted,
                    format!(
                        "file \"{}\" does not hold the same rows as chunk \"{}\"",
                        m.key, m.chunk_name
                    ),
                ));
            }
            Ok(true)
        })?;
        fits.then_some(()).ok_or_else(altered)
    }

    /// Step 6. The commit is the single point: before it the heap is the truth, after it the file.
    pub(super) fn swap(
        &self,
        frozen: &Frozen,
        built: &Built,
        uploaded: &Uploaded,
    ) -> Attempted<()> {
        let chunk = self.job.chunk;
        let m = &uploaded.manifest;
        let out = bgworker::transaction(|| {
            crate::pg::owner::set_local("synchronous_commit", "on");
            // before the lock: a large filter takes its time
            catalog::bloom::add(&m.file, built)?;
            cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
            let rewritten =
                cold_move::OpenRelation::locked(chunk).file_number() != frozen.file_number;
            if rewritten || jobs::touched(chunk, frozen.attempt)? {
                return Ok(false);
            }
            // ALTER TABLE leaves no mark when it touches no row
            let info = check_chunk(chunk)?;
            let range = |i: &ChunkInfo| (i.range_start.clone(), i.range_end.clone());
            if info.hypertable != frozen.info.hypertable
                || range(&info) != range(&frozen.info)
                || !uploaded.content.fits(chunk)?
            {
                return Ok(false);
            }
            let live = LiveFile {
                chunk,
                attempt: frozen.attempt,
                generation: uploaded.generation,
                sha256: &built.sha256,
                range: (&frozen.info.range_start, &frozen.info.range_end),
                owner_token: &uploaded.token,
                columns: &uploaded.content.columns,
                built,
                indexes: &uploaded.content.indexes,
            };
            // late rows go past the range of a closed chunk, and nobody could open it for them
            hypertable::open_chunk(info.hypertable, chunk)?;
            // first the mark, then the rows: nothing has changed yet when the mark is gone
            if !catalog::set_live(m, &live)? {
                return Ok(false);
            }
            cold_move::empty(chunk, m.rows)?;
            cold_move::rebuild_indexes(chunk);
            jobs::upload_used(&m.key, &m.server)?;
            cold_state::invalidate(chunk);
            inject::point("cold.export.swapping");
            Ok(true)
        });
        self.note_lock_holders(&out)?;
        match out? {
            true => Ok(()),
            false => Err(altered()),
        }
    }
}

/// What the file of step 3 holds.
pub(super) struct FileContent {
    hash: ContentHash,
    columns: Vec<ColumnSpec>,
    indexes: Vec<IndexSpec>,
}

pub(super) struct Uploaded {
    pub(super) manifest: Rc<Manifest>,
    pub(super) token: String,
    generation: i32,
    content: FileContent,
}

/// Somebody wrote to the chunk, or altered it, while it was exported.
fn altered() -> Stop {
    Stop::GiveWay(String::from("writers of the chunk"))
}

/// The indexes that a file carries.
fn carried_indexes(chunk: pg_sys::Oid, columns: &[ColumnSpec]) -> Result<Vec<IndexSpec>> {
    Ok(spec::indexes(chunk, columns)?
        .into_iter()
        .filter(|i| i.btree && !i.special && !i.exclusion)
        .map(|i| i.spec)
        .collect())
}

/// The filters that a file gets.
fn wanted_blooms(columns: &[ColumnSpec], indexes: &[IndexSpec], key: i16) -> Vec<bloom::Wanted> {
    let encodings: Vec<_> = columns.iter().map(|c| c.encoding).collect();
    let unique = indexes.iter().filter(|i| i.unique);
    let unique: Vec<_> = unique.map(|i| i.columns.clone()).collect();
    let partition = columns.iter().position(|c| c.attnum == key);
    bloom::wanted(&encodings, &unique, partition.unwrap_or(usize::MAX), &[])
}

impl FileContent {
    /// False when the chunk has other columns or indexes now than when the file was written: names,
    /// types and values of added columns would be missing from the manifest.
    fn fits(&self, chunk: pg_sys::Oid) -> Result<bool> {
        let columns = spec::columns(chunk)?;
        Ok(columns == self.columns && carried_indexes(chunk, &columns)? == self.indexes)
    }

    fn file_columns(&self, built: &Built) -> Vec<FileColumn> {
        let columns = self
            .columns
            .iter()
            .zip(&built.layout.columns)
            .zip(&built.columns);
        columns
            .map(|((column, physical), stats)| FileColumn {
                attnum: column.attnum,
                physical: Some(physical.clone()),
                encoding: column.encoding,
                mixed: stats.fallback > 0,
                has_nulls: stats.nulls > 0,
                missing: None,
            })
            .collect()
    }
}

fn hypertable_name(hypertable: pg_sys::Oid) -> Result<(String, String)> {
    Ok((
        crate::pg::catalog::schema_name(hypertable)?,
        crate::pg::catalog::relation_name(hypertable)?,
    ))
}

/// What `_cold_info` tells whoever finds the file alone.
fn file_info(info: &ChunkInfo, token: &str) -> Result<Vec<(String, String)>> {
    let (schema, hypertable) = hypertable_name(info.hypertable)?;
    let pairs = [
        ("schema", schema.as_str()),
        ("hypertable", &hypertable),
        ("chunk", &info.name),
        ("partition_column", &info.key),
        ("range_start", &info.range_start),
        ("range_end", &info.range_end),
        ("owner_token", token),
        (
            "written_by",
            concat!("pg_strata ", env!("CARGO_PKG_VERSION")),
        ),
    ];
    Ok(pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect())
}

fn at(manifest: &Manifest, e: &StoreError) -> Error {
    Error::new(
        e.kind(),
        format!(
            "cannot move chunk \"{}\" to server \"{}\": file \"{}\": {e}",
            manifest.chunk_name, manifest.server, manifest.key
        ),
    )
}
