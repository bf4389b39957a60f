//! SQL surface of times and leases; declared in sql/queue/queue_time_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::again::Fate;
use super::answer::{self, Still};
use super::known::{self, Queue};
use super::leases::{self, Wanted};
use super::length::microseconds;
use super::rights::{self, Privilege};
use super::{asked, workers};
use crate::error::{self, Error, Kind};
use crate::pg::{json, spi, time};
use pgrx::datum::{AnyElement, Interval};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CStr;
use std::rc::Rc;

fn need<T>(value: Option<T>, argument: &str) -> error::Result<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

/// The queue, if the current user may pop it.
fn popped(function: &CStr, queue: Option<&str>) -> error::Result<Rc<Queue>> {
    spi::refuse_read_only(function);
    let queue = known::queue(need(queue, "queue")?)?;
    rights::need(&queue, Privilege::Pop)?;
    Ok(queue)
}

#[pg_extern(sql = false)]
fn queue_fail(
    queue: Option<&str>,
    claim: Option<i64>,
    error: Option<&str>,
    retry_in: Option<Interval>,
    last: Option<bool>,
) -> Result<Option<String>, ErrorReport> {
    let queue = popped(c"queue_fail()", queue)?;
    let claim = need(claim, "claim")?;
    let retry_in = retry_in.map(|i| microseconds(i, "retry_in", 0));
    let last = last.unwrap_or(false);
    let fate = answer::fail(&queue, queue.qid, claim, error, retry_in.transpose()?, last)?;
    let word = |fate| match fate {
        Fate::Again => "scheduled",
        Fate::Failed => "failed",
        Fate::Cancelled => "cancelled",
    };
    Ok(fate.map(|fate| word(fate).to_string()))
}

#[pg_extern(sql = false)]
fn queue_release(
    queue: Option<&str>,
    claim: Option<i64>,
    delay: Option<Interval>,
) -> Result<bool, ErrorReport> {
    let queue = popped(c"queue_release()", queue)?;
    let claim = need(claim, "claim")?;
    let delay = delay.map(|i| microseconds(i, "delay", 0)).transpose()?;
    Ok(answer::release(
        &queue,
        queue.qid,
        claim,
        delay.unwrap_or(0),
    )?)
}

#[pg_extern(sql = false)]
fn queue_extend(
    queue: Option<&str>,
    claim: Option<i64>,
    lease: Option<Interval>,
    progress: Option<AnyElement>,
) -> Result<String, ErrorReport> {
    let queue = popped(c"queue_extend()", queue)?;
    let claim = need(claim, "claim")?;
    let lease = lease.map(|i| microseconds(i, "lease", 1)).transpose()?;
    let progress = progress.as_ref().map(json::handed_on);
    let held = answer::extend(&queue, queue.qid, claim, lease, progress)?;
    let word = match held {
        Still::Held => "held",
        Still::Cancelled => "cancelled",
        Still::Lost => "lost",
    };
    Ok(word.to_string())
}

#[pg_extern(sql = false)]
fn queue_heartbeat(worker: Option<&str>) -> Result<SetOfIterator<'static, i64>, ErrorReport> {
    spi::refuse_read_only(c"queue_heartbeat()");
    let worker = need(worker, "worker")?;
    workers::beat(worker)?;
    Ok(SetOfIterator::new(asked::of_worker(worker)?))
}

#[pg_extern(sql = false)]
fn queue_requeue_in_progress(
    queue: Option<&str>,
    worker: Option<&str>,
    older_than: Option<Interval>,
    to_state: Option<&str>,
) -> Result<i64, ErrorReport> {
    let queue = popped(c"queue_requeue_in_progress()", queue)?;
    let fail = match need(to_state, "to_state")? {
        "ready" => false,
        "failed" => true,
        other => {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("to_state \"{other}\" is not known"),
            )
            .hint("Use 'ready' or 'failed'.")
            .into());
        }
    };
    let older_than = older_than.map(|i| microseconds(i, "older_than", 0));
    let older_than = older_than.transpose()?;
    let numbers = worker.map(workers::named).transpose()?;
    let wanted = Wanted {
        workers: numbers.as_ref(),
        claimed_before: older_than.map(|us| time::wall_clock().saturating_sub(us)),
        fail,
    };
    let taken = leases::requeue_in_progress(&queue, &wanted)?;
    Ok(i64::try_from(taken).unwrap_or(i64::MAX))
}
