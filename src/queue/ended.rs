//! What follows from the end of a job, in the transaction that ends it. Locks are taken in the order row, group,
//! key.

use super::counters::Event;
use super::job::Outcome;
use super::known::Queue;
use super::{after, dead, find, groups, keys, past};
use crate::error::Result;
use crate::pg::segment::{Values, column};
use crate::pg::{queue_counters, queue_xact};

/// To be called once for every job that has ended, after its row was deleted.
pub fn job_ended(queue: &Queue, row: &Values, outcome: &Outcome) -> Result<()> {
    let id = row.long(column::ID);
    let failed = matches!(outcome, Outcome::Failed);
    if row.value(column::GROUP_KEY).is_some() {
        groups::leave(queue, row, failed)?;
    }
    if row.value(column::UNIQUE_KEY).is_some() {
        keys::free(queue, row)?;
    }
    after::forget(row)?;
    after::parent_ended(id, matches!(outcome, Outcome::Done { .. }))?;
    if id != row.long(column::SEQ) {
        find::forget(row.int(column::QID), id)?;
    }
    match outcome {
        Outcome::Done { .. } => queue_counters::count(queue.qid, Event::Done, 1),
        Outcome::Failed => queue_counters::count(queue.qid, Event::Failed, 1),
        Outcome::Cancelled { .. } => {}
    }
    past::keep(queue, row, outcome)?;
    queue_xact::job_ended(queue.qid, id);
    if failed {
        dead::copy(queue, row)?;
    }
    Ok(())
}
