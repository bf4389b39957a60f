//! Pushing a job.

use super::claim_id::Lane;
use super::counters::Event;
use super::find::Moved;
use super::hint::Key;
use super::job::NewJob;
use super::keys::Entered;
use super::known::{self, Notify, Queue};
use super::{after, bounded, find, groups, keys, scheduled};
use crate::error::{Error, Kind, Result};
use crate::pg::segment::{self, Values, column};
use crate::pg::{inject, queue_counters, queue_seq, queue_xact, time};

/// The lane of a new job; 22023 for a priority that there is not.
pub fn lane(priority: i32) -> Result<Lane> {
    Lane::new(priority, true).ok_or_else(|| {
        Error::new(
            Kind::InvalidParameter,
            format!("priority {priority} is outside of -50 .. 50"),
        )
        .hint("Smaller numbers go first; 0 is the default.")
    })
}

/// Pushes a job; returns its id, or `None` if its key is taken.
pub fn push(queue: &Queue, job: &NewJob) -> Result<Option<i64>> {
    let lane = lane(job.priority)?;
    let max_attempts = max_attempts(queue, job.max_attempts)?;
    let queue = &*known::hold(queue)?;
    let seq = job.seq.unwrap_or_else(queue_seq::next);
    let id = job.id.unwrap_or(seq);
    if let Some(unique) = &job.unique
        && let Entered::Answer(answer) = keys::enter(queue, unique, job, id)?
    {
        return Ok(answer);
    }
    let later = job.run_at.is_some_and(|at| at > time::wall_clock());
    if !later && job.after.is_empty() {
        bounded::check(queue, 1)?;
    }
    let row = row(queue, job, lane, max_attempts, seq, id);
    enter(queue, job, lane, row, !later)?;
    queue_counters::count(queue.qid, Event::Pushed, 1);
    Ok(Some(id))
}

/// Pushes what replaces a job, which was taken out of its store: its id and the time of its push stay.
pub(super) fn again(queue: &Queue, job: &NewJob, old: &Values) -> Result<()> {
    let lane = lane(job.priority)?;
    let max_attempts = max_attempts(queue, job.max_attempts)?;
    let (seq, id) = (queue_seq::next(), old.long(column::ID));
    let mut row = row(queue, job, lane, max_attempts, seq, id);
    row.set_long(column::PUSHED_AT, old.long(column::PUSHED_AT));
    if old.int(column::QID) != row.int(column::QID) {
        find::forget(old.int(column::QID), id)?;
    }
    enter(queue, job, lane, row, false)
}

/// Puts the row of a pushed job where it waits first. `bounded`: a job all of whose parents have ended needs room.
fn enter(queue: &Queue, job: &NewJob, lane: Lane, mut row: Values, bounded: bool) -> Result<()> {
    if let Some(unique) = &job.unique {
        row.set_text(column::UNIQUE_KEY, &unique.key);
    }
    if let Some(key) = &job.group_key {
        row.set_text(column::GROUP_KEY, key);
    }
    let (id, seq) = (row.long(column::ID), row.long(column::SEQ));
    if id != seq {
        let qid = row.int(column::QID);
        find::moved(&[Moved { qid, id, lane, seq }])?;
    }
    // a job that waits for others keeps its time in `lease_until`, see `after`
    if let Some(run_at) = job.run_at {
        row.set_long(column::LEASE_UNTIL, run_at);
    }
    if !job.after.is_empty() {
        if after::hold(queue, &mut row, &job.after)? {
            return Ok(());
        }
        if bounded {
            bounded::check(queue, 1)?;
        }
    }
    place(queue, row)
}

/// The row of a new job, without what makes it wait.
pub(super) fn row(
    queue: &Queue,
    job: &NewJob,
    lane: Lane,
    max_attempts: i16,
    seq: i64,
    id: i64,
) -> Values {
    let mut row = Values::new();
    row.set_long(column::SEQ, seq);
    row.set_long(column::ID, id);
    row.set_long(column::PUSHED_AT, time::wall_clock());
    row.set_int(column::QID, job.stream.unwrap_or(queue.qid));
    row.set_short(column::LANE, lane.number());
    row.set_short(column::ATTEMPT, 0);
    row.set_short(column::MAX_ATTEMPTS, max_attempts);
    row.set_state(segment::READY);
    row.set_value(column::KIND, job.kind);
    row.set_value(column::PAYLOAD, job.payload);
    row.set_value(column::ERRORS, job.errors);
    row
}

/// Puts a row where it waits next: until the time in its `lease_until`, in its group, or ready for workers. To
/// be called for a job that is in no store. Its number and lane stay what they are.
pub fn place(queue: &Queue, mut row: Values) -> Result<()> {
    known::hold(queue)?;
    let run_at = row
        .value(column::LEASE_UNTIL)
        .map(|_| row.long(column::LEASE_UNTIL));
    if let Some(run_at) = run_at.filter(|at| *at > time::wall_clock()) {
        return scheduled::add(queue, &mut row, run_at);
    }
    row.clear(column::LEASE_UNTIL);
    if row.value(column::GROUP_KEY).is_some() && groups::hold(queue, &mut row)? {
        return Ok(());
    }
    ready(queue, row)
}

/// Puts a row into the tail, ready for workers, with the number and lane that it has.
pub fn ready(queue: &Queue, mut row: Values) -> Result<()> {
    let Some(lane) = Lane::from_number(row.short(column::LANE)) else {
        return Err(Error::internal("a job has no lane"));
    };
    let (tail, generation) = tail(known::hold(queue)?.ring)?;
    row.set_state(segment::READY);
    tail.insert(&mut row);
    bounded::grew(queue);
    let key = Key {
        lane: lane.byte(),
        generation,
        seq: row.long(column::SEQ),
    };
    tell(queue, &row, key);
    Ok(())
}

/// A row was put into the tail: whoever waits for it hears of it when the transaction commits.
pub(super) fn tell(queue: &Queue, row: &Values, key: Key) {
    let qid = row.int(column::QID);
    queue_xact::pushed_job(qid, key, row.long(column::ID));
    if queue.notify == Notify::Transaction {
        queue_xact::notify(qid, &queue.name, &queue.notify_channel);
    }
}

pub(super) fn max_attempts(queue: &Queue, wanted: Option<i32>) -> Result<i16> {
    let Some(n) = wanted else {
        return Ok(queue.max_attempts);
    };
    i16::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
        Error::new(
            Kind::InvalidParameter,
            format!("max_attempts {n} is outside of 1 .. 32767"),
        )
    })
}

/// The tail of a ring, locked, and its generation.
pub fn tail(number: i32) -> Result<(segment::Segment, u32)> {
    loop {
        let ring = known::ring(number)?;
        let tail = ring.tail()?;
        // the lock lets in what others have changed: is it still the tail?
        let Some(mut open) = segment::Segment::open(tail.table, tail.index) else {
            continue;
        };
        inject::point("queue.push.locked");
        if known::ring(number)?.tail()? == tail {
            inject::point("queue.push.checked");
            return Ok((open, tail.generation));
        }
        open.release();
    }
}
