//! The exporter's steps from the frozen heap to the stored file: build, upload.

use super::export::{Attempt, Attempted, Stop, lock_to_read};
use super::export_freeze::Frozen;
use crate::cold::bloom;
use crate::cold::catalog::jobs;
use crate::cold::catalog::{spec, uploads};
use crate::cold::content::{ContentHash, RowSink, Sample};
use crate::cold::file::{Builder, Built, ColumnSpec, FileSpec, IndexSpec};
use crate::cold::file_schema::is_reserved_for_full_text;
use crate::cold::manifest::{FileColumn, Manifest};
use crate::cold::mapping::Cell;
use crate::cold::merge;
use crate::cold::name::{self, ObjectName};
use crate::cold::servers;
use crate::cold::storage::Carry;
use crate::cold::store::{StoreError, StoreResult};
use crate::cold::temp::TempDir;
use crate::error::{Error, Kind, Result};
use crate::hypertable::ChunkInfo;
use crate::pg::progress::Progress;
use crate::pg::{bgworker, cold_copy, inject};
use pgrx::pg_sys;
use std::rc::Rc;

impl Attempt<'_> {
    /// Step 3. One snapshot; writes that it misses have left marks, which step 6 looks for.
    pub(super) fn build(&self, frozen: &Frozen, dir: &TempDir) -> Attempted<(Built, FileContent)> {
        let (chunk, job) = (self.job.chunk, self.job.id);
        let mut progress = Progress::begin(chunk);
        let read = bgworker::transaction(|| {
            lock_to_read(chunk)?;
            if !frozen.holds(chunk)? {
                return Ok(None);
            }
            let (columns, types) = (spec::columns(chunk)?, spec::types(chunk)?);
            let indexes = carried_indexes(chunk, &columns, frozen.setting.carry)?;
            let identity = spec::identity()?;
            let spec = FileSpec {
                table: crate::pg::catalog::relation_name(frozen.info.hypertable)?,
                columns: columns.clone(),
                indexes: indexes.clone(),
                full_text: full_text(&columns, frozen)?,
                info: file_info(&frozen.info, &identity.token())?,
            };
            let mut builder = Builder::create(dir.path(), spec)?;
            builder.stop_when(crate::pg::catalog::interrupt_pending)?;
            builder.want_blooms(wanted_blooms(&columns, &indexes, frozen));
            let mut pass = Pass {
                builder,
                sample: Sample::default(),
                progress: &mut progress,
            };
            let read = cold_copy::read_rows(chunk, frozen.old.as_ref(), &frozen.order, &mut pass)?;
            if let (Some(old), Some(found)) = (&frozen.old, read.file) {
                merge::check_source(old, &columns, found)?;
            }
            let content = FileContent {
                hash: read.all,
                sample: pass.sample,
                carry: frozen.setting.carry,
                columns,
                types,
                indexes,
            };
            Ok(Some((pass.builder, content)))
        })?;
        let (builder, content) = read.ok_or_else(|| altered(WRITERS))?;
        inject::point("cold.export.read");
        // no transaction: indexes and checks take long, and other exports wait for old snapshots
        let built = bgworker::contain(|| {
            builder
                .finish()
                .inspect_err(|_| crate::pg::catalog::check_for_interrupts())
        })?;
        drop(progress);
        let rows = content.hash.rows;
        if built.rows != rows {
            return Err(Stop::from(Error::internal(
                "the file has another number of rows than the chunk",
            )));
        }
        bgworker::transaction(|| jobs::set_progress(job, rows, rows))?;
        Ok((built, content))
    }

    /// Records under which name, never used before, the object will come to be.
    fn intend(&self, frozen: &Frozen, built: &Built, content: FileContent) -> Attempted<Uploaded> {
        let chunk = self.job.chunk;
        let uuid = uuid::Uuid::new_v4();
        Ok(bgworker::transaction(|| {
            let identity = spec::identity()?;
            let server = frozen.setting.server.clone();
            let generation = uploads::next_generation(chunk)?;
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
            crate::cold::catalog::owner::enlist(&server, &key)?;
            uploads::intend(&key, &server, chunk)?;
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
        })?)
    }

    /// Step 4. The intent is committed before the first byte is sent.
    pub(super) fn upload(
        &self,
        frozen: &Frozen,
        built: &Built,
        content: FileContent,
    ) -> Attempted<Uploaded> {
        let mut uploaded = self.intend(frozen, built, content)?;
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
            let mut begun = |id: &str| note_begun(&m.key, &m.server, id);
            store
                .put_if_absent(&m.key, &built.path, &built.sha256, &notes, &mut begun)
                .map_err(|e| at(&m, &e))
        });
        let meta = match meta {
            Ok(meta) => meta,
            Err(e) => {
                self.settle_leftovers()?;
                return Err(e.into());
            }
        };
        drop(m);
        Rc::make_mut(&mut uploaded.manifest).etag = meta.etag;
        Ok(uploaded)
    }
}

/// What the file of step 3 holds.
pub(super) struct FileContent {
    pub(super) hash: ContentHash,
    pub(super) sample: Sample,
    carry: Carry,
    pub(super) columns: Vec<ColumnSpec>,
    types: String,
    pub(super) indexes: Vec<IndexSpec>,
}

pub(super) struct Uploaded {
    pub(super) manifest: Rc<Manifest>,
    pub(super) token: String,
    pub(super) generation: i32,
    pub(super) content: FileContent,
}

/// Who wrote to the chunk, or altered it, while it was exported.
pub(super) const WRITERS: &str = "writers of the chunk";

pub(super) const SERVER: &str = "an ALTER SERVER";

/// What the attempt has begun with has changed.
pub(super) fn altered(by: &str) -> Stop {
    Stop::GiveWay(by.to_owned())
}

/// The indexes that a file carries.
fn carried_indexes(
    chunk: pg_sys::Oid,
    columns: &[ColumnSpec],
    carry: Carry,
) -> Result<Vec<IndexSpec>> {
    Ok(spec::indexes(chunk, columns)?
        .into_iter()
        .filter(|i| carry == Carry::All || i.spec.unique)
        .filter(|i| i.btree && !i.special && !i.exclusion)
        .map(|i| i.spec)
        .collect())
}

/// The filters that a file gets.
fn wanted_blooms(
    columns: &[ColumnSpec],
    indexes: &[IndexSpec],
    frozen: &Frozen,
) -> Vec<bloom::Wanted> {
    let encodings: Vec<_> = columns.iter().map(|c| c.encoding).collect();
    let unique = indexes.iter().filter(|i| i.unique);
    let unique: Vec<_> = unique.map(|i| i.columns.clone()).collect();
    let position = |name: &String| columns.iter().position(|c| c.name == *name);
    let more = frozen.setting.bloom_columns.iter().flatten();
    let more: Vec<usize> = more.filter_map(position).collect();
    let partition = position(&frozen.info.key).unwrap_or(usize::MAX);
    bloom::wanted(&encodings, &unique, partition, &more)
}

/// Positions of the columns of the file's full-text index. Names may have changed since they were given.
fn full_text(columns: &[ColumnSpec], frozen: &Frozen) -> Result<Vec<usize>> {
    let wanted = frozen.setting.full_text.as_deref().unwrap_or_default();
    if let Some(name) = wanted.iter().find(|n| is_reserved_for_full_text(n)) {
        return Err(Error::new(
            Kind::NotSupported,
            format!("SQLite's full-text indexes cannot have a column of the name \"{name}\""),
        )
        .hint("Rename the column, or leave it out of full_text of strata.set_cold_storage."));
    }
    let position = |name: &String| columns.iter().position(|c| c.name == *name);
    Ok(wanted.iter().filter_map(position).collect())
}

/// What rows pass on their way into a file.
struct Pass<'a> {
    builder: Builder,
    sample: Sample,
    progress: &'a mut Progress,
}

impl RowSink for Pass<'_> {
    fn expect(&mut self, rows: u64) {
        self.builder.expect(rows);
    }

    fn row(&mut self, row: &[Cell], digest: u128) -> Result<()> {
        self.sample.add(digest);
        self.progress.row();
        self.builder.add(row)
    }
}

impl FileContent {
    /// False when the chunk has other columns, types or indexes now than when the file was written: names and
    /// values of added columns would be missing from the manifest, and text forms could not be read back.
    pub(super) fn fits(&self, chunk: pg_sys::Oid) -> Result<bool> {
        let columns = spec::columns(chunk)?;
        Ok(columns == self.columns
            && spec::types(chunk)? == self.types
            && carried_indexes(chunk, &columns, self.carry)? == self.indexes)
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
                nulls: Some(stats.nulls),
                ..FileColumn::default()
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

pub(super) fn at(manifest: &Manifest, e: &StoreError) -> Error {
    Error::new(
        e.kind(),
        format!(
            "cannot move chunk \"{}\" to server \"{}\": file \"{}\": {e}",
            manifest.chunk_name, manifest.server, manifest.key
        ),
    )
}

/// Records by what the upload is aborted, before its first byte is sent.
fn note_begun(key: &str, server: &str, upload_id: &str) -> StoreResult<()> {
    bgworker::transaction(|| uploads::begun(key, server, upload_id))
        .map_err(|e| StoreError::Io(format!("the upload could not be recorded: {}", e.message)))?;
    inject::point("cold.export.begun");
    Ok(())
}
