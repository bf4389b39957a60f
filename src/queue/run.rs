//! The process of one run: claims the job, runs it, notes what came of it.

use super::catalog::{self, Job, Outcome, Seen};
use super::scheduler::Tx;
use super::{backoff, own, policy, resolve, running};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::subxact::attempt;
use crate::pg::{bgworker, compat_wait, inject, object_lock, spi, sql_job, timeout, toplevel};
use crate::worker;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::time::{Duration, Instant};

/// Kind of the task in which a job runs.
pub const KIND: &str = "run";

/// What the argument of a task says: `<job>:<role>:<due|now>`; role 0 stands for a process that is
/// connected as superuser.
pub(super) fn argument(job: i32, role: u32, now: bool) -> String {
    format!("{job}:{role}:{}", if now { "now" } else { "due" })
}

/// Runs the job that the argument names, unless it runs already, is not due any more, or is gone.
pub(super) fn task(argument: &str) -> Result<()> {
    let mut parts = argument.split(':');
    let number = parts.next().and_then(|n| n.parse().ok());
    let role = parts.next().and_then(|n| n.parse::<u32>().ok());
    let (Some(id), Some(role)) = (number, role) else {
        return Err(Error::internal("unreadable argument of a job"));
    };
    let now = parts.next() == Some("now");
    let class = bgworker::transaction(catalog::class)?;
    if !object_lock::try_hold(class, id as u32) {
        return Ok(());
    }
    let Some(Claimed { job, seen, claim }) = claim_patiently(id, role, now)? else {
        return Ok(());
    };
    inject::point("queue.claimed");
    bgworker::report_active(&format!("pg_strata: job {id} ({})", job.name));
    let begun = Instant::now();
    let outcome = execute(&job, role);
    let outcome = outcome.map_err(|mut e| {
        let most = job.max_runtime_ms;
        if e.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED
            && most > 0
            && begun.elapsed().as_millis() as i64 >= most
        {
            e.message = format!("job {id} ran longer than its max_runtime");
        }
        e
    });
    inject::point("queue.ran");
    // a cancel that came too late is for nobody; code of users may have left a role, a path
    bgworker::forget_cancel();
    bgworker::reset_settings();
    // nor do limits of the role hold for what is left
    for name in compat_wait::limits() {
        bgworker::set_for_life(name, "0");
    }
    note(&job, &outcome, seen, claim)
}

/// A run that this process has claimed.
struct Claimed {
    job: Job,
    seen: Seen,
    /// of its row in the queue; `None`: it was not queued
    claim: Option<i64>,
}

/// What came of an attempt to claim a run.
enum Attempt {
    Claimed(Box<Claimed>),
    /// there is nothing for this process to do
    Nothing,
    /// somebody has the row of the run in hand: housekeeping, for a moment
    InTheWay,
}

/// How often to look again for a row that somebody has in hand, and how soon.
const LOOKS: u32 = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

fn claim_patiently(id: i32, role: u32, now: bool) -> Result<Option<Claimed>> {
    for _ in 0..LOOKS {
        match bgworker::transaction(|| claim(id, role, now)) {
            Ok(Attempt::Claimed(claimed)) => return Ok(Some(*claimed)),
            Ok(Attempt::Nothing) => return Ok(None),
            Ok(Attempt::InTheWay) => {}
            // taken back while it was claimed
            Err(e) if e.code == PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE => {}
            Err(e) => return Err(e.into()),
        }
        bgworker::wait(LOOK_AGAIN);
    }
    // the row is lost: the job is due still, and is queued anew
    bgworker::transaction(|| {
        let _settings = patient();
        own::take_back(id)
    })?;
    Ok(None)
}

/// The role of this process may have set how long it waits.
fn patient() -> SettingScope {
    let settings = SettingScope::new();
    for name in compat_wait::limits() {
        settings.set(name, "0");
    }
    settings
}

/// Takes the job for this process.
fn claim(id: i32, role: u32, now: bool) -> Result<Attempt> {
    let _settings = patient();
    sql_job::commit_durably();
    let Some(job) = catalog::find(id)? else {
        return Ok(Attempt::Nothing);
    };
    let waits = own::waits(id)?;
    if !now && !waits {
        return Ok(Attempt::Nothing);
    }
    if !now && !catalog::still_due(id)? {
        // or it would look as if this process could not start, should the job be due again soon
        own::take_back(id)?;
        return Ok(Attempt::Nothing);
    }
    // the owner may have changed since the process was started
    if role != 0 && job.owner.to_u32() != role {
        return Ok(Attempt::Nothing);
    }
    // a procedure may let go of all locks of its session, and run on
    if running::is_running(id)? {
        return Ok(Attempt::Nothing);
    }
    // a run by hand is the one that is queued, too
    let claim = match waits {
        true => own::claim_run(id)?,
        false => None,
    };
    if claim.is_none() && !now {
        return Ok(Attempt::InTheWay);
    }
    let seen = catalog::begin(id)?;
    Ok(Attempt::Claimed(Box::new(Claimed { job, seen, claim })))
}

fn execute(job: &Job, role: u32) -> Outcome {
    let _limit = timeout::Limit::new(job.max_runtime_ms);
    if let Some(run) = policy::runner(job) {
        return bgworker::contain(|| Ok(run(job))).and_then(|out| out);
    }
    let call = bgworker::transaction(|| {
        owner_exists(job)?;
        resolve::call(job)
    })?;
    if role != 0 {
        // connected as the owner: nothing to be protected from
        return toplevel::run(&call, None, || Ok(()));
    }
    // a role that may not log in, before PostgreSQL 17: no commit inside, since the next transaction would
    // not be the owner's any more
    bgworker::transaction(|| {
        let path = search_path_of(job.owner)?;
        let settings = SettingScope::new();
        settings.set("search_path", &path);
        // nothing of the owner's is left for the commit: such an operation may not defer triggers
        let _owner = UserScope::restricted(job.owner);
        spi::execute(&call, &[]).map(|_| ())
    })
}

const SEARCH_PATH: &str = "SELECT substr(c, 13) FROM pg_db_role_setting s, unnest(s.setconfig) c \
    WHERE c LIKE 'search_path=%' AND s.setrole IN (0, $1) \
    AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
    ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1";

/// The search_path that a session of the role would have.
fn search_path_of(role: pg_sys::Oid) -> Result<String> {
    let found = as_extension_owner(|| spi::read_one(SEARCH_PATH, &[role.into()], |r| r.need(1)))?;
    Ok(found.unwrap_or_else(|| "\"$user\", public".into()))
}

/// 42704 for a job whose owner was dropped: its procedure must not run as somebody else.
fn owner_exists(job: &Job) -> Result<()> {
    if catalog::role_exists(job.owner)? {
        return Ok(());
    }
    Err(Error::new(
        Kind::UndefinedObject,
        format!("the owner of job {} does not exist any more", job.id),
    )
    .hint(format!("SELECT strata.delete_job({})", job.id)))
}

/// Notes the end of a run, and when the next one is.
fn note(job: &Job, outcome: &Outcome, seen: Seen, claim: Option<i64>) -> Result<()> {
    let failures = bgworker::transaction(|| {
        // a row of the queue that is not to be had is taken away later: what the run came to is known in any case
        if let Some(claim) = claim {
            let ended = attempt(|| own::end_run(job.id, claim, outcome.is_ok()));
            if let Err(e) = ended.and_then(|out| out.map_err(Into::into)) {
                let (id, text) = (job.id, e.message);
                pgrx::log!("pg_strata: the run of job {id} stays in the queue: {text}");
            }
        }
        finish(job, outcome, seen)
    })?;
    let Some(failures) = failures else {
        return Ok(()); // deleted meanwhile
    };
    give_up(Tx::Worker, job, outcome, failures)?;
    if let Err(e) = outcome {
        say_failed(job, &e.message);
    }
    // it may not be the one that has started this process
    bgworker::transaction(|| {
        worker::wake_at_commit();
        Ok(())
    })?;
    Ok(())
}

/// One line for each failure.
pub(super) fn say_failed(job: &Job, message: &str) {
    pgrx::log!("pg_strata: job {} ({}) failed: {message}", job.id, job.name);
}

/// Notes the end of a run and sets the time of the next one, both or neither: a run that is known to have succeeded
/// must not be made again after a crash. How often it has failed in a row; `None` when the job is gone.
pub(super) fn finish(job: &Job, outcome: &Outcome, seen: Seen) -> Result<Option<i32>> {
    let Some(failures) = catalog::finish(job.id, outcome)? else {
        return Ok(None);
    };
    if outcome.is_ok() || backoff::gives_up(job.max_retries, failures) {
        next_tick(job, seen)?;
    } else {
        let delay = backoff::delay_us(job.retry_us, job.interval_us, failures);
        catalog::retry_in(job.id, delay, seen)?;
    }
    Ok(Some(failures))
}

/// Switches a job off that has failed too often. By itself: whoever changes a job has its row before that of its
/// state, which the end of a run holds.
pub(super) fn give_up(tx: Tx, job: &Job, outcome: &Outcome, failures: i32) -> Result<()> {
    if outcome.is_ok() || !backoff::gives_up(job.max_retries, failures) {
        return Ok(());
    }
    tx.run(|| catalog::switch_off(job.id))?;
    pgrx::log!(
        "pg_strata: job {} ({}) is switched off after {failures} failures; SELECT strata.alter_job({}, scheduled => true)",
        job.id,
        job.name,
        job.id
    );
    Ok(())
}

pub(super) fn next_tick(job: &Job, seen: Seen) -> Result<()> {
    let tried = attempt(|| catalog::to_next_tick(job.id, seen));
    if let Err(e) = tried.and_then(|out| out.map_err(Into::into)) {
        // an unknown time zone after a restore, or a time out of range: the job must not spin
        pgrx::log!(
            "pg_strata: job {} ({}) has no next time on its schedule: {}",
            job.id,
            job.name,
            e.message
        );
        catalog::retry_in(job.id, job.interval_us, seen)?;
    }
    Ok(())
}

/// The error of a run whose process ended before it had begun.
pub(super) fn stillborn() -> Error {
    Error::new(
        Kind::NotInState,
        "the process of the job could not start; the server log says why",
    )
}

/// The error of a run whose process vanished.
pub(super) fn vanished() -> Error {
    Error::new(
        Kind::Internal,
        "the process of the job ended without a result",
    )
}
