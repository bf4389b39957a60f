//! What a worker says of a job that it has: that it failed, that it gives it back, that it is still at it.

use super::again::{self, Fate, Returned};
use super::ended::job_ended;
use super::job::Outcome;
use super::known::{self, Queue};
use super::workers::{self, BY_SESSION};
use super::{end, lease_code, retry};
use crate::error::Result;
use crate::pg::call::Value;
use crate::pg::segment::{CANCELLING, Change, column};
use crate::pg::{random, time};

/// The job of a claim failed: it is tried again after the delay of its queue, or `retry_in_us`; not if that was its
/// last attempt, or `last` says so. `None`: the claim was lost. `stream` is the queue's own number or that of SQL
/// jobs of a role.
pub fn fail(
    queue: &Queue,
    stream: i32,
    claim: i64,
    error: Option<&str>,
    retry_in_us: Option<i64>,
    last: bool,
) -> Result<Option<Fate>> {
    // before the row: who drops the queue waits for rows
    known::hold(queue)?;
    let Some(mut row) = end::take(queue, stream, claim)? else {
        return Ok(None);
    };
    let now = time::wall_clock();
    again::note_error(&mut row, now, error);
    if last && row.state() != CANCELLING {
        job_ended(queue, &row, &Outcome::Failed)?;
        return Ok(Some(Fate::Failed));
    }
    let attempt = i32::from(row.short(column::ATTEMPT));
    let delay = match retry_in_us {
        Some(us) => us,
        None => retry::delay_us(&queue.retry, attempt, random::fraction()),
    };
    let mut returned = Returned::default();
    let fate = again::retry(queue, row, now, now.saturating_add(delay), &mut returned)?;
    returned.note()?;
    Ok(Some(fate))
}

/// The worker gives a job back, as if it had never been claimed; false if the claim was lost.
pub fn release(queue: &Queue, stream: i32, claim: i64, delay_us: i64) -> Result<bool> {
    known::hold(queue)?;
    let Some(mut row) = end::take(queue, stream, claim)? else {
        return Ok(false);
    };
    if row.state() == CANCELLING {
        job_ended(queue, &row, &Outcome::Cancelled { reason: None })?;
        return Ok(true);
    }
    let attempt = row.short(column::ATTEMPT);
    row.set_short(column::ATTEMPT, attempt.saturating_sub(1).max(0));
    let now = time::wall_clock();
    let mut returned = Returned::default();
    again::come_back(queue, row, now, now.saturating_add(delay_us), &mut returned)?;
    returned.note()?;
    Ok(true)
}

/// What a worker hears that is still at a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    Held,
    /// somebody wants the job cancelled
    Cancelled,
    Lost,
}

/// Renews the lease of a claim from now on, for `lease_us` or as long as it was, and notes how far the job is. A
/// lease by session goes on as it is.
pub fn extend(
    queue: &Queue,
    stream: i32,
    claim: i64,
    lease_us: Option<i64>,
    progress: Option<Value>,
) -> Result<Still> {
    let now = time::wall_clock();
    let held = end::visit(queue, stream, claim, |segment, row, found| {
        let state = row.state();
        let mut new = *row;
        let mut columns = Vec::with_capacity(3);
        if row.long(column::LEASE_UNTIL) != BY_SESSION {
            let (fence, old) = lease_code::unpack(row.short(column::FENCE));
            let own = lease_code::encode(queue.lease_us);
            let length = lease_us.unwrap_or(match old {
                0 => queue.lease_us,
                old if old == own => queue.lease_us,
                old => lease_code::decode(old),
            });
            new.set_long(column::LEASE_UNTIL, workers::end(now, length));
            let code = lease_code::encode(length);
            new.set_short(column::FENCE, lease_code::pack(fence, code));
            columns.extend([column::LEASE_UNTIL, column::FENCE]);
        }
        if progress.is_some() {
            new.set_value(column::PROGRESS, progress);
            columns.push(column::PROGRESS);
        }
        if !columns.is_empty()
            && segment.change_waiting(found, &columns, &mut new) == Change::Missed
        {
            return None;
        }
        Some(match state {
            CANCELLING => Still::Cancelled,
            _ => Still::Held,
        })
    })?;
    Ok(held.unwrap_or(Still::Lost))
}
