//! Cancelling jobs by their id, or all that wait.
//!
//! A job that waits ends at once. One that runs is marked: its worker is told when it extends its lease, and if it
//! fails, gives the job back or is lost, the job ends as cancelled. If it completes, that counts. The mark is a change
//! of the row itself, so of a cancel and an answer of the worker that meet, one sees what the other did.

use super::ended::job_ended;
use super::find::{self, Open, Spot, Store};
use super::job::Outcome;
use super::known::{self, Queue, Ring};
use super::{asked, failure, interrupts};
use crate::error::Result;
use crate::pg::segment::{CANCELLING, Change, READY, Segment, Values, column};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::{catalog, json, queue_memory, queue_xact, time};
use std::rc::Rc;

/// What became of the wish to cancel a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    Cancelled,
    /// it runs
    Requested,
}

impl Cancel {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cancel::Cancelled => "cancelled",
            Cancel::Requested => "requested",
        }
    }
}

/// Cancels a job; `None` if it is not known, or has ended. Waits for another transaction that has the job: a
/// worker's that claims or answers it, or another cancel.
pub fn cancel(queue: &Queue, id: i64, reason: Option<&str>) -> Result<Option<Cancel>> {
    find::visit(queue, id, Open::ToWrite, |spot| match spot {
        Spot::Segment { found, segment, .. } if found.row.is_running() => {
            if found.row.state() == CANCELLING {
                return Ok(Some(Cancel::Requested));
            }
            let mut row = found.row;
            row.set_state(CANCELLING);
            let mut columns = vec![column::STATE];
            if let Some(reason) = reason {
                note(&mut row, reason);
                columns.push(column::ERRORS);
            }
            let changed = segment.change_waiting(found, &columns, &mut row);
            if changed != Change::Done {
                return Ok(None);
            }
            asked::note(&row)?;
            if row.int(column::QID) != queue.qid {
                interrupts::ask(id)?;
            }
            Ok(Some(Cancel::Requested))
        }
        Spot::Segment {
            segment,
            generation,
            found,
        } => {
            if let Some(key) = find::key(&found.row, *generation) {
                queue_xact::locked(found.row.int(column::QID), key);
            }
            match segment.delete(found, true) {
                Change::Done => end(queue, found.row, reason).map(Some),
                Change::Missed => Ok(None),
            }
        }
        Spot::Store { store, row } => match store.take(row)? {
            Some(row) => end(queue, row, reason).map(Some),
            None => Ok(None),
        },
    })
}

/// An element of the column `errors`: `{"at": time, "attempt": number, "cancelled": reason}`.
fn entry(attempt: i16, reason: &str) -> String {
    let failed = failure::entry(attempt, time::wall_clock(), None);
    let mut all: serde_json::Value = serde_json::from_str(&failed).unwrap_or_default();
    if let Some(entry) = all.get_mut(0).and_then(|e| e.as_object_mut()) {
        entry.remove("error");
        entry.insert("cancelled".into(), reason.into());
    }
    all.to_string()
}

/// Notes the reason among the errors of a job.
fn note(row: &mut Values, reason: &str) {
    let entry = entry(row.short(column::ATTEMPT), reason);
    let errors = json::append(row.value(column::ERRORS), &entry);
    row.set_value(column::ERRORS, Some(errors));
}

fn end(queue: &Queue, mut row: Values, reason: Option<&str>) -> Result<Cancel> {
    if let Some(reason) = reason {
        note(&mut row, reason);
    }
    job_ended(queue, &row, &Outcome::Cancelled { reason: None })?;
    Ok(Cancel::Cancelled)
}

/// Jobs of a store that are cancelled together.
const BATCH: i64 = 1_000;

/// Cancels all jobs that wait; returns how many. Leaves those alone that somebody has at the moment: they are on
/// their way to a worker, or are cancelled already.
pub fn purge(queue: &Queue) -> Result<u64> {
    let streams = find::streams(queue)?;
    let mut ended = 0;
    // the end of a member admits the next one of its group, so those that are held go first
    for store in Store::all().collect::<Vec<_>>().into_iter().rev() {
        loop {
            let rows = queue_memory::for_a_while(|| -> Result<u64> {
                let rows = store.take_some(&streams, BATCH)?;
                for row in &rows {
                    end(queue, *row, None)?;
                }
                Ok(rows.len() as u64)
            })?;
            ended += rows;
            if rows == 0 {
                break;
            }
            catalog::check_for_interrupts();
        }
    }
    Ok(ended + purge_ready(queue, &streams)?)
}

fn purge_ready(queue: &Queue, streams: &[i32]) -> Result<u64> {
    let mut ended = 0;
    loop {
        let ring = known::ring(queue.ring)?;
        ended += purge_ring(queue, &ring, streams)?;
        // once more if jobs may have been moved meanwhile
        if known::ring(queue.ring)? == ring {
            return Ok(ended);
        }
    }
}

fn purge_ring(queue: &Queue, ring: &Rc<Ring>, streams: &[i32]) -> Result<u64> {
    let mut ended = 0;
    for known in &ring.segments {
        let Some(mut segment) = Segment::open(known.table, known.index) else {
            continue;
        };
        // its table may live on under another generation: with the lock held, it stays what it is now
        if known::ring(queue.ring)? != *ring {
            segment.release();
            return Ok(ended);
        }
        let snapshot = Latest::take();
        let mut here = 0;
        for stream in streams {
            let mut walk = Walk::new(&segment, &snapshot);
            walk.to_queue(*stream);
            while let Some(entry) = walk.next() {
                let Some(found) = entry.found.filter(|f| f.row.state() == READY) else {
                    continue;
                };
                let key = find::key(&found.row, known.generation);
                if let Some(key) = key {
                    queue_xact::locked(*stream, key);
                }
                let done = queue_memory::for_a_while(|| -> Result<u64> {
                    let row = found.row.copy();
                    if segment.delete(&found, false) == Change::Missed {
                        if let Some(key) = key.filter(|_| segment.raced()) {
                            queue_xact::pushed(*stream, key);
                        }
                        return Ok(0);
                    }
                    end(queue, row, None)?;
                    Ok(1)
                })?;
                here += done;
                catalog::check_for_interrupts();
            }
        }
        if here == 0 {
            segment.release();
        }
        ended += here;
    }
    Ok(ended)
}
