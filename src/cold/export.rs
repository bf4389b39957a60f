//! The exporter: hot, frozen, cold. One process per database; each chunk is a state machine whose
//! every stop is repaired by what the next one finds (the crash table of cold.md, 12.3).
//!
//! Order: freeze, wait for old snapshots, build, record the intent, upload under a name that was
//! never used, verify through the store, swap in one transaction.

use crate::cold::catalog::jobs::{self, Job};
use crate::cold::catalog::{self, spec};
use crate::cold::check::check_chunk;
use crate::cold::manifest::ChunkState;
use crate::cold::temp::TempDir;
use crate::error::{Error, Result};
use crate::hypertable::ChunkInfo;
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, cold_move, cold_state, guc, inject, spi};
use pgrx::{PgSqlErrorCode, pg_sys};
use std::time::{Duration, Instant};

/// Kind of the background job.
pub const JOB: &str = "export";

/// Why an attempt ended without a cold chunk.
pub(super) enum Stop {
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

pub(super) type Attempted<T> = std::result::Result<T, Stop>;

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
        let attempt = Attempt {
            job,
            number,
            deadline,
        };
        // an error may also be raised between two transactions
        let outcome = bgworker::contain(|| Ok(attempt.run())).unwrap_or_else(|e| Err(e.into()));
        let (message, caught) = match outcome {
            Ok(()) => {
                bgworker::transaction(|| jobs::finish(job.id, "done", None))?;
                super::renew_after_export();
                return Ok(());
            }
            Err(Stop::GiveWay(what)) if Instant::now() < deadline => {
                bgworker::transaction(|| jobs::set_blocked_by_somebody(job.id, &what))?;
                bgworker::pause(pause);
                pause = (pause * 2).min(Duration::from_secs(5));
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
pub(super) struct Frozen {
    pub(super) attempt: i64,
    pub(super) xid: u32,
    pub(super) file_number: u32,
    pub(super) key: i16,
    pub(super) info: ChunkInfo,
}

pub(super) struct Attempt<'a> {
    pub(super) job: &'a Job,
    pub(super) number: i32,
    pub(super) deadline: Instant,
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

    pub(super) fn note_lock_holders<T>(
        &self,
        out: &std::result::Result<T, Caught>,
    ) -> Attempted<()> {
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
}

fn cold_state_of(chunk: pg_sys::Oid) -> Result<ChunkState> {
    catalog::state_of(chunk)
}

/// AccessShareLock for a step that reads the chunk; an error when it was dropped meanwhile.
pub(super) fn lock_to_read(chunk: pg_sys::Oid) -> Result<()> {
    crate::pg::catalog::lock_relation(chunk, pg_sys::AccessShareLock as i32);
    spec::relation(chunk).map(|_| ())
}
