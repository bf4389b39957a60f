//! The exporter: hot, frozen, cold. A few processes per database, never two on one chunk; each chunk is a state
//! machine whose every stop is repaired by what the next one finds (the crash table of cold.md, 12.3).
//!
//! Order: freeze, wait for old snapshots, build, record the intent, upload under a name that was
//! never used, verify through the store, swap in one transaction.

use super::export_file::{SERVER, WRITERS, altered};
use super::export_freeze::Frozen;
use crate::cold::catalog::claims::{self, Place};
use crate::cold::catalog::jobs::{self, Job};
use crate::cold::catalog::{self, settings, spec, uploads};
use crate::cold::check::check_chunk;
use crate::cold::manifest::ChunkState;
use crate::cold::merge;
use crate::cold::temp::{self, TempDir};
use crate::error::{Error, Result};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, cold_move, cold_state, guc, inject};
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

/// Works on the queued jobs of this database until none is left, or returns at once when as many exporters as
/// may be are at work. Each that takes a job calls for one more while others wait.
pub fn run_queued() -> Result<()> {
    loop {
        let Some(place) = bgworker::transaction(Place::take)? else {
            return Ok(());
        };
        let identity = bgworker::transaction(spec::identity)?;
        temp::sweep(identity.system_identifier as u64);
        for chunk in bgworker::transaction(jobs::abandoned)? {
            thaw_abandoned(chunk);
        }
        while let Some(claim) = bgworker::transaction(claims::claim)? {
            if bgworker::transaction(claims::exporter_wanted)? {
                crate::worker::start_dynamic(bgworker::my_database(), JOB);
            }
            run(&claim.job)?;
        }
        drop(place);
        // whoever queued a job meanwhile may have found no place for an exporter
        if !bgworker::transaction(claims::claimable)? {
            return Ok(());
        }
        bgworker::pause(Duration::from_millis(100));
    }
}

/// Step of the database worker: starts an exporter when there is work, also after a crash.
pub fn start_if_pending() -> Result<()> {
    if claims::exporter_wanted()? || !jobs::abandoned()?.is_empty() {
        crate::worker::start_dynamic(bgworker::my_database(), JOB);
    }
    Ok(())
}

fn run(job: &Job) -> Result<()> {
    let deadline = Instant::now() + guc::cold_max_wait();
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
                super::renew_after_export();
                bgworker::transaction(|| jobs::finish(job.id, "done", None))?;
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

/// Makes a frozen chunk an ordinary hot one again, and one whose merge has failed an ordinary cold one. When its
/// lock cannot be had it stays frozen, which changes nothing for readers and writers, and the next job takes it
/// from there.
fn thaw(chunk: pg_sys::Oid) -> Result<()> {
    let out = bgworker::transaction(|| {
        if spec::relation(chunk).is_err() {
            return Ok(());
        }
        cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
        end_attempts(chunk)
    });
    match out {
        Err(e) if e.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Err(e.into()),
        _ => Ok(()),
    }
}

fn end_attempts(chunk: pg_sys::Oid) -> Result<()> {
    if merge::thaw(chunk)? {
        cold_state::invalidate(chunk);
    } else if jobs::thaw(chunk)? {
        cold_move::set_access_method(chunk, false)?;
        cold_state::invalidate(chunk);
    }
    Ok(())
}

/// The same for a chunk that an earlier job left frozen, unless somebody has begun with it again.
fn thaw_abandoned(chunk: pg_sys::Oid) {
    let out = bgworker::transaction(|| {
        cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
        match jobs::abandoned()?.contains(&chunk) {
            true => end_attempts(chunk),
            false => Ok(()),
        }
    });
    if let Err(e) = out
        && e.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
    {
        pgrx::log!(
            "pg_strata: chunk {} stays frozen: {}",
            chunk.to_u32(),
            e.message
        );
    }
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
        let (already, bytes, server) = bgworker::transaction(|| {
            check_chunk(chunk)?;
            let (already, file) = match catalog::state_of(chunk)? {
                ChunkState::Cold(m) => (!merge::has_late_rows(chunk)?, m.bytes),
                _ => (false, 0),
            };
            let file = i64::try_from(file).unwrap_or(0);
            let identity = spec::identity()?;
            Ok((
                already,
                settings::size_bytes(&[chunk])?.saturating_add(file),
                identity.system_identifier as u64,
            ))
        })?;
        if already {
            return Ok(());
        }
        self.settle_leftovers()?;
        bgworker::transaction(|| {
            temp::check_room(
                &crate::pg::catalog::relation_name(chunk)?,
                u64::try_from(bytes).unwrap_or(0),
            )
        })?;
        self.analyze()?;
        self.step("freeze")?;
        let Some(frozen) = self.freeze()? else {
            return Ok(());
        };
        inject::point("cold.export.frozen");
        let out = self.move_rows(&frozen, server);
        // what went wrong may be its consequence
        if let Err(Stop::Fail(_)) = &out
            && let Some(by) = bgworker::transaction(|| self.overtaken_by(&frozen))?
        {
            return Err(altered(by));
        }
        out
    }

    /// What has changed under this attempt, if anything has.
    fn overtaken_by(&self, frozen: &Frozen) -> Result<Option<&'static str>> {
        if jobs::touched(self.job.chunk, frozen.attempt)? {
            return Ok(Some(WRITERS));
        }
        Ok((!frozen.place_is_same()?).then_some(SERVER))
    }

    /// The steps from the frozen chunk to the cold one.
    fn move_rows(&self, frozen: &Frozen, server: u64) -> Attempted<()> {
        self.step("wait")?;
        self.wait_for_snapshots(frozen)?;
        inject::point("cold.export.waited");
        self.step("build")?;
        let dir = TempDir::create(server)?;
        let (built, file) = self.build(frozen, &dir)?;
        inject::point("cold.export.built");
        self.step("upload")?;
        let uploaded = self.upload(frozen, &built, file)?;
        inject::point("cold.export.uploaded");
        self.step("verify")?;
        let out = self.verify(frozen, &built, &uploaded).and_then(|()| {
            inject::point("cold.export.verified");
            self.step("swap")?;
            self.swap(frozen, &built, &uploaded)
        });
        if out.is_err() {
            let (m, token) = (&uploaded.manifest, &uploaded.token);
            bgworker::transaction(|| uploads::give_up(&m.key, &m.server, token))?;
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
}

/// AccessShareLock for a step that reads the chunk; an error when it was dropped meanwhile.
pub(super) fn lock_to_read(chunk: pg_sys::Oid) -> Result<()> {
    crate::pg::catalog::lock_relation(chunk, pg_sys::AccessShareLock as i32);
    spec::relation(chunk).map(|_| ())
}
