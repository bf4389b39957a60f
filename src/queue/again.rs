//! Jobs that come back: given up by their worker, or without an answer from it.
//!
//! The row of the delivery has been deleted. A job comes back in the lane of those that do, with a new number, so
//! that an old claim finds nothing; it keeps its key and its place in its group.

use super::claim_id::Lane;
use super::counters::Event;
use super::ended::job_ended;
use super::find::{self, Moved};
use super::job::Outcome;
use super::known::Queue;
use super::{failure, keys, push, scheduled};
use crate::error::{Error, Result};
use crate::pg::json;
use crate::pg::segment::{CANCELLING, Values, column};
use crate::pg::{queue_counters, queue_seq};

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// it waits for its next attempt, or is ready for it
    Again,
    /// no attempt is left
    Failed,
    /// somebody wanted it cancelled while it ran
    Cancelled,
}

/// Jobs that came back in one transaction, to be noted at once.
#[derive(Default)]
pub struct Returned(Vec<Moved>);

impl Returned {
    /// Notes where they lie now.
    pub fn note(self) -> Result<()> {
        find::moved(&self.0)
    }
}

/// Adds an error to the list of a job.
pub fn note_error(row: &mut Values, now: i64, error: Option<&str>) {
    let entry = failure::entry(row.short(column::ATTEMPT), now, error);
    let errors = json::append(row.value(column::ERRORS), &entry);
    row.set_value(column::ERRORS, Some(errors));
}

/// A delivery has failed, or was never answered: the job is tried again at `run_at`, unless that was its last
/// attempt or somebody wants it cancelled.
pub fn retry(
    queue: &Queue,
    row: Values,
    now: i64,
    run_at: i64,
    returned: &mut Returned,
) -> Result<Fate> {
    if row.state() == CANCELLING {
        job_ended(queue, &row, &Outcome::Cancelled { reason: None })?;
        return Ok(Fate::Cancelled);
    }
    if row.short(column::ATTEMPT) >= row.short(column::MAX_ATTEMPTS) {
        job_ended(queue, &row, &Outcome::Failed)?;
        return Ok(Fate::Failed);
    }
    come_back(queue, row, now, run_at, returned)?;
    queue_counters::count(queue.qid, Event::Retried, 1);
    Ok(Fate::Again)
}

/// Puts a job into the store of those that wait for their time, or among the ready ones.
pub fn come_back(
    queue: &Queue,
    mut row: Values,
    now: i64,
    run_at: i64,
    returned: &mut Returned,
) -> Result<()> {
    let Some(lane) = Lane::from_number(row.short(column::LANE)).map(Lane::returned) else {
        return Err(Error::internal("a job has no lane"));
    };
    keys::returned(&row)?;
    row.set_short(column::LANE, lane.number());
    row.clear(column::WORKER);
    row.clear(column::FENCE);
    if run_at > now {
        return scheduled::add(queue, &mut row, run_at);
    }
    let seq = queue_seq::next();
    row.set_long(column::SEQ, seq);
    row.clear(column::LEASE_UNTIL);
    returned.0.push(Moved {
        qid: row.int(column::QID),
        id: row.long(column::ID),
        lane,
        seq,
    });
    push::ready(queue, row)
}
