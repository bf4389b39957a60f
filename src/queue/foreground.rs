//! Jobs run from a session: one by its number, or all that are due.

use super::catalog::{self, Job, Outcome};
use super::scheduler::{Scheduler, Tx};
use super::start::start_run;
use super::{edit, policy, resolve, running};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{current_user, extension};
use crate::pg::owner::as_extension_owner;
use crate::pg::subxact::{Caught, attempt};
use crate::pg::{bgworker, nonatomic, object_lock, session, spi};
use crate::worker;
use pgrx::pg_sys;
use std::time::{Duration, Instant};

/// How long to try to start a process.
const PATIENCE: Duration = Duration::from_secs(10);

const LAST_RUN: &str = "SELECT coalesce(max(id), 0) FROM strata.job_run WHERE job_id = $1";
const RUN_AFTER: &str = "SELECT succeeded, sqlerrcode, err_message FROM strata.job_run WHERE job_id = $1 AND id > $2 \
    ORDER BY id LIMIT 1";
const STARTED: &str = "UPDATE strata.job_state SET started_at = started_at - $2 * interval '1 millisecond' WHERE job_id = $1";

/// One NOTICE where no background worker looks after jobs.
pub fn tell_without_worker() {
    if !session::preloaded() {
        session::notice(
            "jobs run only by CALL strata.run_maintenance(), since pg_strata is not preloaded",
            Some(
                "shared_preload_libraries = 'pg_strata' in postgresql.conf, then restart the server",
            ),
        );
    }
}

/// The lock of a run, given back also when the run fails.
struct Held(pg_sys::Oid, i32);

impl Drop for Held {
    fn drop(&mut self) {
        object_lock::release(self.0, self.1 as u32);
    }
}

fn busy(id: i32) -> Error {
    Error::new(Kind::InUse, format!("job {id} is running"))
        .hint("SELECT * FROM strata.job_stats WHERE job_status = 'Running'")
}

/// Runs a job of the current user, or of a role that it is a member of, and waits. The owner's own
/// procedures run in this session; all else runs in a process as the schedule would start it.
pub fn run_job(id: i32) -> Outcome {
    let job = edit::owned(id)?.ok_or_else(|| edit::unknown(id))?;
    if policy::runner(&job).is_some() || job.owner != current_user() {
        return in_a_process(&job);
    }
    let class = catalog::class()?;
    if running::is_running(id)? || !object_lock::try_hold(class, id as u32) {
        return Err(busy(id).into());
    }
    let _held = Held(class, id);
    let begun = Instant::now();
    nonatomic::call(&resolve::call(&job)?)?;
    let took = begun.elapsed().as_millis() as f64;
    nonatomic::with_snapshot(|| {
        catalog::begin(id)?;
        as_extension_owner(|| spi::execute(STARTED, &[id.into(), took.into()]))?;
        catalog::finish(id, &Ok(())).map(|_| ())
    })?;
    Ok(())
}

fn in_a_process(job: &Job) -> Outcome {
    let class = catalog::class()?;
    if running::is_running(job.id)? || !object_lock::try_hold(class, job.id as u32) {
        return Err(busy(job.id).into());
    }
    object_lock::release(class, job.id as u32);
    let before = last_run(job.id)?;
    let begun = Instant::now();
    let mut handle = None;
    while handle.is_none() {
        nonatomic::commit()?;
        handle = start_run(Tx::Session, job, true)?;
        if handle.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err(no_process().into());
            }
            bgworker::pause(Duration::from_millis(200));
        }
    }
    while handle.as_ref().is_some_and(|h| !h.ended()) {
        // neither snapshot nor transaction: the run may wait for old ones
        nonatomic::commit()?;
        bgworker::pause(Duration::from_millis(50));
    }
    nonatomic::with_snapshot(|| run_after(job.id, before))?.map_or_else(
        || Err(vanished(job.id).into()),
        |(succeeded, code, message)| {
            if succeeded {
                return Ok(());
            }
            let code = session::sqlstate(code.as_deref().unwrap_or("XX000"));
            Err(Caught {
                code,
                message: message.unwrap_or_default(),
                detail: None,
                hint: None,
            })
        },
    )
}

fn last_run(id: i32) -> Result<i64> {
    let found = as_extension_owner(|| spi::read_latest(LAST_RUN, &[id.into()], |r| r.need(1)))?;
    Ok(found.into_iter().next().unwrap_or(0))
}

type Ended = (bool, Option<String>, Option<String>);

fn run_after(id: i32, before: i64) -> Result<Option<Ended>> {
    let args = [id.into(), before.into()];
    let found = as_extension_owner(|| {
        spi::read_latest(RUN_AFTER, &args, |r| Ok((r.need(1)?, r.get(2)?, r.get(3)?)))
    })?;
    Ok(found.into_iter().next())
}

fn no_process() -> Error {
    Error::new(Kind::NoWorkerSlot, "no free background worker to run jobs")
        .hint("raise max_worker_processes in postgresql.conf and restart the server")
}

fn vanished(id: i32) -> Error {
    Error::new(
        Kind::NotInState,
        format!("job {id} did not run, or ended without a result"),
    )
    .hint("it may have been deleted, run by somebody else or killed: see the server log")
}

/// 55000 while the loaded library and the catalog are of different versions.
fn same_version() -> Result<()> {
    match extension() {
        Some(e) if e.version != env!("CARGO_PKG_VERSION") => Err(Error::new(
            Kind::NotInState,
            format!(
                "pg_strata is at version {} in this database, and the loaded library at {}",
                e.version,
                env!("CARGO_PKG_VERSION")
            ),
        )
        .hint("ALTER EXTENSION pg_strata UPDATE, or restart the server if that was done")),
        _ => Ok(()),
    }
}

/// What the background worker does in a round, and all jobs that are due and belong to the current user
/// or a role that it is a member of, each once.
pub fn run_maintenance() -> Outcome {
    nonatomic::with_snapshot(same_version)?;
    for (name, step) in worker::steps() {
        // as in the background worker: a step that fails does not keep the others back
        let failed = Tx::Session.run(|| match attempt(step) {
            Ok(Ok(())) => Ok(None),
            Ok(Err(e)) => Ok(Some(e.into())),
            Err(caught) => Ok(Some(caught)),
        })?;
        if let Some(error) = failed {
            worker::log_failure(&format!("step \"{name}\""), error);
        }
    }
    Tx::Session.run(catalog::sweep)?;
    let mut scheduler = Scheduler::new(Tx::Session);
    let mut seen = Instant::now();
    loop {
        let allowed = |job: &Job| session::has_role(job.owner.to_u32());
        let pass = scheduler.pass(&allowed)?;
        if pass.more {
            bgworker::pause(Duration::ZERO);
            continue;
        }
        if pass.started > 0 || !pass.full {
            seen = Instant::now();
        }
        if pass.full && scheduler.idle() && seen.elapsed() > PATIENCE {
            return Err(no_process().into());
        }
        if scheduler.idle() && !pass.full {
            return Ok(());
        }
        bgworker::pause(Duration::from_millis(50));
    }
}
