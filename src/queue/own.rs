//! Runs of policies and of jobs of users are jobs themselves: in a queue of the project's own, on ring 0, each job in
//! a stream of its own.
//!
//! A run that is due is pushed; its process claims it with a lease by session and ends it together with the record of
//! the run. What is to be run, when, and what came of it stays in `strata.job` and `strata.job_state`: a row of the
//! ring that is lost delays a run, and neither loses nor doubles it.

use super::claim::{self, Wanted};
use super::ended::job_ended;
use super::job::{NewJob, Outcome};
use super::known::{self, Keep, Notify, Queue};
use super::retry::Retry;
use super::{edit_queue, end, leases, look, push, rights, workers};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::{as_extension_owner, extension_owner};
use crate::pg::{catalog, json, queue_args, queue_counters, queue_seq, spi, time};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::InvalidOid;
use std::rc::Rc;

/// Number of the queue. Those of users begin with 1.
const QID: i32 = -1;
/// The ring of the project's own jobs.
pub const RING: i32 = 0;
/// What views call the queue.
pub const NAME: &str = "strata.jobs";
/// More rows of one job than this do not come together.
const MANY: usize = 100;

/// The stream of a job. Numbers of jobs begin with 1000.
fn stream(job: i32) -> i32 {
    -job
}

/// True for the number of the queue, and of its streams.
#[must_use]
pub fn is_own(qid: i32) -> bool {
    qid < 0
}

/// The queue of runs; no row of `strata.queue`, so that nobody can name or change it.
pub fn queue() -> Rc<Queue> {
    Rc::new(Queue {
        qid: QID,
        name: NAME.to_string(),
        owner: extension_owner().unwrap_or(InvalidOid),
        ring: RING,
        lease_us: 300_000_000,
        max_attempts: 1,
        paused: false,
        retry: Retry {
            delay_us: 0,
            factor: 1.0,
            max_us: 0,
            jitter: 0.0,
        },
        keep: Keep::None,
        dead_letter: None,
        max_ready: None,
        group_limit: 1,
        group_holds: false,
        notify: Notify::None,
        notify_channel: String::new(),
    })
}

const STREAMS: &str = "SELECT -job_id FROM strata.job_queued";

/// The streams in which there are runs.
pub fn streams() -> Result<Vec<i32>> {
    as_extension_owner(|| spi::read_latest(STREAMS, &[], |r| r.need(1)))
}

/// The queue, for views: for members of the role that has installed pg_strata, once it has had a run.
pub fn shown() -> Result<Option<Rc<Queue>>> {
    let queue = queue();
    let shown = rights::is_owner(&queue) && !known::ring(RING)?.segments.is_empty();
    Ok(shown.then_some(queue))
}

/// 42939 for a name that a queue of users must not have.
pub fn check_name(name: &str) -> Result<()> {
    if name != NAME {
        return Ok(());
    }
    Err(Error::new(
        Kind::ReservedName,
        format!("queue name \"{NAME}\" is reserved"),
    )
    .detail("The runs of jobs and policies lie in a queue of this name.")
    .hint("Choose another name."))
}

const ADD: &str = "INSERT INTO strata.job_queued (job_id, queue_job) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1";
const CLAIMED: &str =
    "UPDATE strata.job_queued SET claim = $2 WHERE job_id = $1 AND claim IS NULL RETURNING 1";
const ENDED: &str = "DELETE FROM strata.job_queued WHERE job_id = $1 AND claim = $2 RETURNING 1";
const WAITS: &str =
    "SELECT EXISTS (SELECT FROM strata.job_queued WHERE job_id = $1 AND claim IS NULL)";
const UNQUEUE: &str =
    "DELETE FROM strata.job_queued WHERE job_id = $1 AND claim IS NULL RETURNING 1";
const FORGET: &str = "DELETE FROM strata.job_queued WHERE job_id = $1 RETURNING 1";

/// How many rows a statement has changed, whatever the isolation level hides.
fn change(sql: &'static str, args: &[DatumWithOid<'_>]) -> Result<usize> {
    as_extension_owner(|| spi::write_kept(sql, args, |_| Ok(()))).map(|rows| rows.len())
}

/// Pushes a run of a job that is due; false if somebody else has done so.
pub fn push_run(job: i32, kind: &str) -> Result<bool> {
    // before anything else, as whoever drops the extension does
    catalog::hold_extension();
    let queue = queue();
    if known::ring(RING)?.segments.is_empty() {
        edit_queue::make_ring(RING)?;
        // of an extension that was dropped
        queue_counters::forget(QID);
    }
    let seq = queue_seq::next();
    if change(ADD, &[job.into(), seq.into()])? == 0 {
        return Ok(false);
    }
    drop_ready(&queue, job)?;
    let payload = json::value(&format!("{{\"job_id\": {job}}}"));
    push::push(
        &queue,
        &NewJob {
            stream: Some(stream(job)),
            seq: Some(seq),
            kind: queue_args::text_value(kind),
            payload: Some(payload),
            ..NewJob::default()
        },
    )?;
    Ok(true)
}

/// Claims what waits in the stream of a job, at most `n`.
fn claim_some(queue: &Queue, job: i32, n: usize, session: bool) -> Result<Vec<i64>> {
    let now = time::wall_clock();
    // a name of its own: what the procedure pops by session belongs to the session alone
    let worker = session.then_some(NAME);
    let wanted = Wanted {
        stream: stream(job),
        n,
        now,
        lease: workers::lease(queue, now, worker, None, session)?,
    };
    let got = claim::claim(queue, &wanted)?;
    Ok(got.into_iter().map(|d| d.claim.pack()).collect())
}

fn finish(queue: &Queue, job: i32, claim: i64, outcome: &Outcome) -> Result<()> {
    match end::take(queue, stream(job), claim)? {
        Some(row) => job_ended(queue, &row, outcome),
        None => Ok(()),
    }
}

/// Takes what waits in the stream of a job out of the ring, but for what somebody has in hand.
fn drop_ready(queue: &Queue, job: i32) -> Result<()> {
    claim_some(queue, job, MANY, false)?
        .into_iter()
        .try_for_each(|claim| finish(queue, job, claim, &Outcome::Cancelled { reason: None }))
}

/// The same; false if something is left.
fn all_dropped(queue: &Queue, job: i32) -> Result<bool> {
    drop_ready(queue, job)?;
    Ok(!look::any_visible(queue.ring, stream(job))?)
}

/// Claims the run of a job for this process, until it ends; `None` if there is none, or somebody has it in hand.
/// 40001 if somebody has just taken it back: all of this is to be undone.
pub fn claim_run(job: i32) -> Result<Option<i64>> {
    let Some(claim) = claim_some(&queue(), job, 1, true)?.pop() else {
        workers::leave(NAME)?;
        return Ok(None);
    };
    match change(CLAIMED, &[job.into(), claim.into()])? {
        0 => Err(Error::new(
            Kind::Retry,
            format!("the run of job {job} was taken back"),
        )),
        _ => Ok(Some(claim)),
    }
}

/// Ends the run that this process has claimed, the last one that it has.
pub fn end_run(job: i32, claim: i64, ok: bool) -> Result<()> {
    let outcome = match ok {
        true => Outcome::Done { result: None },
        false => Outcome::Failed,
    };
    finish(&queue(), job, claim, &outcome)?;
    change(ENDED, &[job.into(), claim.into()])?;
    // or housekeeping would look for more of it
    workers::leave(NAME)
}

/// True while a run of the job waits for a process.
pub fn waits(job: i32) -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(WAITS, &[job.into()], |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

// runs that wait though their job is gone or not due any more, and those that have ended, or whose job is gone, and no
// process has them
const STALE: &str = "SELECT q.job_id, q.claim IS NULL FROM strata.job_queued q \
    LEFT JOIN strata.job j ON j.id = q.job_id LEFT JOIN strata.job_state s ON s.job_id = q.job_id \
    WHERE CASE WHEN q.claim IS NULL THEN j.id IS NULL OR NOT j.scheduled OR s.next_start IS NULL \
      OR s.next_start > clock_timestamp() \
    ELSE (j.id IS NULL OR s.job_id IS NULL OR s.finished_at IS NOT NULL OR s.started_at IS NULL) \
      AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'object' AND l.granted \
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND l.classid = 'strata.job'::regclass AND l.objid = q.job_id::oid) END";

/// Jobs whose queued run is to be taken away, and whether it waits still.
pub fn stale() -> Result<Vec<(i32, bool)>> {
    as_extension_owner(|| spi::read_latest(STALE, &[], |r| Ok((r.need(1)?, r.need(2)?))))
}

/// Takes a run back that nobody has claimed yet; false if somebody has, or has it in hand.
pub fn take_back(job: i32) -> Result<bool> {
    Ok(all_dropped(&queue(), job)? && change(UNQUEUE, &[job.into()])? > 0)
}

/// Ends a run whose process is gone, or that is of another database.
pub fn bury(job: i32) -> Result<()> {
    let queue = queue();
    // what somebody has in hand is left for the next time
    if all_dropped(&queue, job)? && leases::end_running(&queue, stream(job))? {
        change(FORGET, &[job.into()])?;
    }
    Ok(())
}
