//! The exporter: hot, frozen, cold. One process per database; each chunk is a state machine whose
//! every stop is repaired by what the next one finds (the crash table of cold.md, 12.3).
//!
//! Order: freeze, wait for old snapshots, build, record the intent, upload under a name that was
//! never used, verify through the store, swap in one transaction.

use crate::cold::catalog::jobs::{self, Job};
use crate::cold::catalog::{self, LiveFile, spec};
use crate::cold::check::check_chunk;
use crate::cold::content::ContentHash;
use crate::cold::file::{Builder, Built, FileSpec, IndexSpec};
use crate::cold::manifest::{ChunkState, FileColumn, Manifest};
use crate::cold::name::{self, ObjectName};
use crate::cold::servers;
use crate::cold::store::StoreError;
use crate::cold::temp::TempDir;
use crate::error::{Error, Kind, Result};
use crate::hypertable::ChunkInfo;
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, cold_copy, cold_move, cold_reader, cold_state, guc, inject, spi};
use pgrx::{PgSqlErrorCode, pg_sys};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Kind of the background job.
pub const JOB: &str = "export";

/// Why an attempt ended without a cold chunk.
enum Stop {
    /// somebody holds a lock, an old snapshot, or wrote meanwhile: try again later
    GiveWay(String),
    /// the job has failed
    Fail(Caught),
}

impl From<Caught> for Stop {
    fn from(e: Caught) -> Self {
        if e.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
            Stop::GiveWay(String::from("a lock on the chunk"))
        } else {
            Stop::Fail(e)
        }
    }
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Stop::Fail(Caught::from(e))
    }
}

type Attempted<T> = std::result::Result<T, Stop>;

/// Runs all queued jobs of this database; ends at once when another exporter is at work.
pub fn run_queued() -> Result<()> {
    if !bgworker::transaction(jobs::become_exporter)? {
        return Ok(());
    }
    while let Some(job) = bgworker::transaction(jobs::claim)? {
        run(&job)?;
    }
    Ok(())
}

/// Step of the database worker: starts an exporter when jobs wait, also after a crash.
pub fn start_if_pending() -> Result<()> {
    if jobs::pending()? {
        crate::worker::start_dynamic(bgworker::my_database(), JOB);
    }
    Ok(())
}

fn run(job: &Job) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(guc::COLD_MAX_WAIT_S.get().max(1) as u64);
    let mut pause = Duration::from_millis(200);
    for number in 1.. {
        let outcome = Attempt {
            job,
            number,
            deadline,
        }
        .run();
        let (message, caught) = match outcome {
            Ok(()) => {
                bgworker::transaction(|| jobs::finish(job.id, "done", None))?;
                return Ok(());
            }
            Err(Stop::GiveWay(what)) if Instant::now() < deadline => {
                bgworker::transaction(|| jobs::set_blocked(job.id, &what))?;
                bgworker::pause(pause);
                pause = (pause * 2).min(Duration::from_secs(10));
                continue;
            }
            Err(Stop::GiveWay(what)) => (format!("gave up after waiting for {what}"), None),
            Err(Stop::Fail(e)) => (e.message.clone(), Some(e)),
        };
        thaw(job.chunk)?;
        let text = match caught.and_then(|e| e.detail) {
            Some(detail) => format!("{message} ({detail})"),
            None => message,
        };
        bgworker::transaction(|| jobs::finish(job.id, "failed", Some(&text)))?;
        pgrx::log!(
            "pg_strata: tiering of chunk {} failed: {text}",
            job.chunk.to_u32()
        );
        return Ok(());
    }
    Ok(())
}

/// Makes a frozen chunk an ordinary hot one again. When its lock cannot be had it stays frozen,
/// which changes nothing for readers and writers, and the next job takes it from there.
fn thaw(chunk: pg_sys::Oid) -> Result<()> {
    let out = bgworker::transaction(|| {
        if spec::relation(chunk).is_err() {
            return Ok(());
        }
        cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
        if jobs::thaw(chunk)? {
            cold_move::set_access_method(chunk, false)?;
            cold_state::invalidate(chunk);
        }
        Ok(())
    });
    match out {
        Err(e) if e.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Err(e.into()),
        _ => Ok(()),
    }
}

/// What step 1 leaves for the later ones.
struct Frozen {
    attempt: i64,
    xid: u32,
    file_number: u32,
    key: i16,
    info: ChunkInfo,
}

struct Attempt<'a> {
    job: &'a Job,
    number: i32,
    deadline: Instant,
}

impl Attempt<'_> {
    fn run(&self) -> Attempted<()> {
        let chunk = self.job.chunk;
        self.step("check")?;
        let already = bgworker::transaction(|| {
            check_chunk(chunk)?;
            Ok(matches!(cold_state_of(chunk)?, ChunkState::Cold(_)))
        })?;
        if already {
            return Ok(());
        }
        self.analyze()?;
        self.step("freeze")?;
        let Some(frozen) = self.freeze()? else {
            return Ok(());
        };
        inject::point("cold.export.frozen");
        self.step("wait")?;
        self.wait_for_snapshots(&frozen)?;
        inject::point("cold.export.waited");
        self.step("build")?;
        let dir = TempDir::create()?;
        let (built, file) = self.build(&frozen, &dir)?;
        inject::point("cold.export.built");
        self.step("upload")?;
        let uploaded = self.upload(&frozen, &built, file)?;
        inject::point("cold.export.uploaded");
        self.step("verify")?;
        let out = self.verify(&frozen, &uploaded).and_then(|()| {
            inject::point("cold.export.verified");
            self.step("swap")?;
            self.swap(&frozen, &built, &uploaded)
        });
        if out.is_err() {
            let (m, token) = (&uploaded.manifest, &uploaded.token);
            bgworker::transaction(|| jobs::give_up_upload(&m.key, &m.server, token))?;
        }
        inject::point("cold.export.swapped");
        out
    }

    fn step(&self, step: &str) -> Attempted<()> {
        bgworker::report_active(&format!("pg_strata: tiering, step {step}"));
        Ok(bgworker::transaction(|| {
            jobs::set_step(self.job.id, step, self.number)
        })?)
    }

    /// Statistics from now on belong to the file: ANALYZE of a cold chunk changes nothing.
    fn analyze(&self) -> Attempted<()> {
        let chunk = self.job.chunk;
        Ok(bgworker::transaction(|| {
            let name = crate::pg::catalog::qualified_name(chunk)?;
            spi::execute(&format!("ANALYZE {name}"), &[]).map(|_| ())
        })?)
    }

    /// Step 1. From the commit on every write leaves a mark, and no earlier writer is left.
    fn freeze(&self) -> Attempted<Option<Frozen>> {
        let chunk = self.job.chunk;
        let out = bgworker::transaction(|| {
            cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
            let info = check_chunk(chunk)?;
            let columns = spec::columns(chunk)?;
            let key = columns
                .iter()
                .find(|c| c.name == info.key)
                .map(|c| c.attnum);
            let key = key.ok_or_else(|| Error::internal("the chunk lacks the partition column"))?;
            let Some(attempt) = jobs::freeze(info.hypertable, chunk)? else {
                return Ok(None);
            };
            cold_move::set_access_method(chunk, true)?;
            cold_state::invalidate(chunk);
            let file_number = cold_move::OpenRelation::locked(chunk).file_number();
            let xid = cold_move::current_xid();
            inject::point("cold.export.freezing");
            Ok(Some(Frozen {
                attempt,
                xid,
                file_number,
                key,
                info,
            }))
        });
        self.note_lock_holders(&out)?;
        Ok(out?)
    }

    fn note_lock_holders<T>(&self, out: &std::result::Result<T, Caught>) -> Attempted<()> {
        if out.is_err() {
            bgworker::transaction(|| match jobs::lock_holders(self.job.chunk)? {
                Some(holders) => jobs::set_blocked(self.job.id, &holders),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Step 2. After it no snapshot can see less than all that was written before the freeze.
    fn wait_for_snapshots(&self, frozen: &Frozen) -> Attempted<()> {
        let chunk = self.job.chunk;
        let mut pause = Duration::from_millis(5);
        loop {
            let blockers = bgworker::transaction(|| {
                if !crate::pg::catalog::try_lock_relation(chunk, pg_sys::AccessShareLock as i32) {
                    return Ok(Some(String::from("a lock on the chunk")));
                }
                if cold_move::all_snapshots_after(chunk, frozen.xid) {
                    return Ok(None);
                }
                let found = jobs::older_than(frozen.xid)?;
                Ok(Some(found.unwrap_or_else(|| {
                    String::from("a prepared transaction, replication slot or standby")
                })))
            })?;
            let Some(blockers) = blockers else {
                return Ok(());
            };
            if Instant::now() >= self.deadline {
                return Err(Stop::GiveWay(format!(
                    "snapshots older than the export: {blockers}"
                )));
            }
            if pause >= Duration::from_millis(100) {
                bgworker::transaction(|| jobs::set_blocked(self.job.id, &blockers))?;
            }
            bgworker::pause(pause);
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Step 3. One snapshot; writes that it misses have left marks, which step 6 looks for.
    fn build(&self, frozen: &Frozen, dir: &TempDir) -> Attempted<(Built, FileContent)> {
        let (chunk, job) = (self.job.chunk, self.job.id);
        Ok(bgworker::transaction(|| {
            lock_to_read(chunk)?;
            let columns = spec::columns(chunk)?;
            let indexes: Vec<IndexSpec> = spec::indexes(chunk, &columns)?
                .into_iter()
                .filter(|i| i.btree && !i.special && !i.exclusion)
                .map(|i| i.spec)
                .collect();
            let identity = spec::identity()?;
            let spec = FileSpec {
                table: crate::pg::catalog::relation_name(frozen.info.hypertable)?,
                columns: columns.clone(),
                indexes: indexes.clone(),
                info: file_info(&frozen.info, &identity.token())?,
            };
            let mut builder = Builder::create(dir.path(), spec)?;
            builder.stop_when(crate::pg::catalog::interrupt_pending)?;
            let hash = cold_copy::read_heap(chunk, frozen.key, |row| builder.add(row))?;
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
    fn upload(&self, frozen: &Frozen, built: &Built, content: FileContent) -> Attempted<Uploaded> {
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
                    keys: vec![],
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
    fn verify(&self, frozen: &Frozen, uploaded: &Uploaded) -> Attempted<()> {
        let chunk = self.job.chunk;
        Ok(bgworker::transaction(|| {
            lock_to_read(chunk)?;
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
            Ok(())
        })?)
    }

    /// Step 6. The commit is the single point: before it the heap is the truth, after it the file.
    fn swap(&self, frozen: &Frozen, built: &Built, uploaded: &Uploaded) -> Attempted<()> {
        let chunk = self.job.chunk;
        let m = &uploaded.manifest;
        let out = bgworker::transaction(|| {
            crate::pg::owner::set_local("synchronous_commit", "on");
            cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
            let rewritten =
                cold_move::OpenRelation::locked(chunk).file_number() != frozen.file_number;
            if rewritten || jobs::touched(chunk, frozen.attempt)? {
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
            false => Err(Stop::GiveWay(String::from("writers of the chunk"))),
        }
    }
}

/// What the file of step 3 holds.
struct FileContent {
    hash: ContentHash,
    columns: Vec<crate::cold::file::ColumnSpec>,
    indexes: Vec<IndexSpec>,
}

struct Uploaded {
    manifest: Rc<Manifest>,
    token: String,
    generation: i32,
    content: FileContent,
}

impl FileContent {
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
                missing: None,
            })
            .collect()
    }
}

fn cold_state_of(chunk: pg_sys::Oid) -> Result<ChunkState> {
    catalog::state_of(chunk)
}

/// AccessShareLock for a step that reads the chunk; an error when it was dropped meanwhile.
fn lock_to_read(chunk: pg_sys::Oid) -> Result<()> {
    crate::pg::catalog::lock_relation(chunk, pg_sys::AccessShareLock as i32);
    spec::relation(chunk).map(|_| ())
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
