//! Deliveries that ended without an answer: their lease is over, or their session is gone.

use super::again::{self, Fate, Returned};
use super::claim_id::Lane;
use super::ended::job_ended;
use super::hint::Key;
use super::job::Outcome;
use super::known::{self, Held, Queue};
use super::sweep::Row;
use super::workers::{BY_SESSION, Beats, Gone};
use super::{keys, lease_code, workers};
use crate::error::Result;
use crate::pg::segment::{CANCELLING, Change, Segment, Values, column};
use crate::pg::segment_look::Look;
use crate::pg::segment_sweep::each_row;
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::time;
use std::collections::{HashMap, HashSet};

/// Rows that one transaction looks at.
pub const BATCH: usize = 500;
/// A job whose runner died with it waits so long: it may have ended the whole server.
const AFTER_DEATH_US: i64 = 60_000_000;

/// Why a delivery is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    LeaseOver,
    SessionGone,
    RunnerGone,
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Why::LeaseOver => "lease over",
            Why::SessionGone => "session gone",
            Why::RunnerGone => "worker died",
        }
    }

    fn delay_us(self) -> i64 {
        match self {
            Why::RunnerGone => AFTER_DEATH_US,
            Why::LeaseOver | Why::SessionGone => 0,
        }
    }
}

/// Takes back those of these deliveries whose lease is over and whose worker gave no sign of life; how many.
pub fn take_back_overdue(ring: i32, rows: &[Row]) -> Result<usize> {
    let now = time::wall_clock();
    let mut beats = Beats::default();
    take_back(ring, rows, now, &mut |queue, row| {
        Ok(is_over(queue, row, now, &mut beats)?.then_some(Why::LeaseOver))
    })
}

/// A lease is over when its end has passed, and its length since the last heartbeat of its worker.
fn is_over(queue: &Queue, row: &Values, now: i64, beats: &mut Beats) -> Result<bool> {
    if row.long(column::LEASE_UNTIL) >= now {
        return Ok(false);
    }
    let (_, code) = lease_code::unpack(row.short(column::FENCE));
    let last = beats.last(row.int(column::WORKER), queue)?;
    Ok(last.is_none_or(|at| at.saturating_add(lease_code::decode(code)) < now))
}

/// Takes back those of these deliveries whose session is gone; how many.
pub fn take_back_gone(ring: i32, rows: &[Row], gone: &HashMap<i32, Gone>) -> Result<usize> {
    take_back(ring, rows, time::wall_clock(), &mut |_, row| {
        let gone = gone.get(&row.int(column::WORKER));
        let gone = gone.filter(|_| row.long(column::LEASE_UNTIL) == BY_SESSION);
        Ok(gone.map(|g| match g.runner {
            true => Why::RunnerGone,
            false => Why::SessionGone,
        }))
    })
}

type Judge<'a> = dyn FnMut(&Queue, &Values) -> Result<Option<Why>> + 'a;

fn take_back(ring: i32, rows: &[Row], now: i64, why: &mut Judge<'_>) -> Result<usize> {
    let mut returned = Returned::default();
    let taken = each_running(ring, rows, |queue, segment, walk_row| {
        let (row, found) = walk_row;
        let Some(why) = why(queue, row)? else {
            return Ok(false);
        };
        if !may_take_back(queue, row)? {
            return Ok(false);
        }
        let mut row = row.copy();
        if segment.delete(found, false) == Change::Missed {
            return Ok(false);
        }
        again::note_error(&mut row, now, Some(why.text()));
        again::retry(queue, row, now, now + why.delay_us(), &mut returned)?;
        Ok(true)
    })?;
    returned.note()?;
    Ok(taken)
}

/// False if taking this job back would end it and wait for another transaction, which may take its time: one that
/// drops the queue of its dead letters, or that is just taking its key.
fn may_take_back(queue: &Queue, row: &Values) -> Result<bool> {
    let is_last = row.short(column::ATTEMPT) >= row.short(column::MAX_ATTEMPTS);
    if !is_last && row.state() != CANCELLING {
        return Ok(true);
    }
    // a queue of dead letters that does not exist keeps nobody waiting
    if let Some(name) = &queue.dead_letter
        && let Ok(letters) = known::queue(name)
        && matches!(known::hold_now(letters.qid)?, Held::Busy)
    {
        return Ok(false);
    }
    let key = row.text(column::UNIQUE_KEY);
    Ok(!keys::is_busy(queue, key.as_deref())?)
}

type Seen<'a> = (&'a Values, &'a crate::pg::segment::Found);

/// Calls `work` for those of these rows that run still. It says whether it has taken the row back; how many it has.
/// A queue that somebody is dropping is left alone.
fn each_running(
    ring: i32,
    rows: &[Row],
    mut work: impl FnMut(&Queue, &Segment, Seen<'_>) -> Result<bool>,
) -> Result<usize> {
    let ring = known::ring(ring)?;
    let mut taken = 0;
    for known in &ring.segments {
        let here = |r: &&Row| r.key.generation == known.generation;
        let mut here = rows.iter().filter(here).peekable();
        if here.peek().is_none() {
            continue;
        }
        let Some(segment) = Segment::open(known.table, known.index) else {
            continue;
        };
        let snapshot = Latest::take();
        let mut walk = Walk::new(&segment, &snapshot);
        for row in here {
            let Held::Here(queue) = known::hold_now(row.qid)? else {
                continue;
            };
            walk.to_row(row.qid, i16::from(row.key.lane), row.key.seq);
            while let Some(entry) = walk.next() {
                let Some(found) = entry.found.filter(|f| f.row.is_running()) else {
                    continue;
                };
                taken += usize::from(work(&queue, &segment, (&found.row, &found))?);
                break;
            }
        }
    }
    Ok(taken)
}

/// The running rows of a ring that `wanted` picks, and true if those of some segment are missing, since somebody
/// has it alone and we do not `wait`.
pub fn running(
    ring: i32,
    wait: bool,
    mut wanted: impl FnMut(&Values) -> bool,
) -> Result<(Vec<Row>, bool)> {
    let ring = known::ring(ring)?;
    let snapshot = Latest::take();
    let (mut out, mut missing) = (Vec::new(), false);
    for known in &ring.segments {
        let mut segment = match Segment::open_to_look(known.table, known.index, wait) {
            Look::Open(segment) => segment,
            Look::Gone => continue,
            Look::Held => {
                missing = true;
                continue;
            }
        };
        each_row(&segment, &snapshot, |found| {
            let row = &found.row;
            if let Some(lane) = Lane::from_number(row.short(column::LANE))
                && row.is_running()
                && wanted(row)
            {
                out.push(Row {
                    qid: row.int(column::QID),
                    key: Key {
                        lane: lane.byte(),
                        generation: known.generation,
                        seq: row.long(column::SEQ),
                    },
                });
            }
            true
        });
        segment.release();
    }
    Ok((out, missing))
}

/// Ends the running jobs of a stream whose worker is known to be gone, as failed; false if there may be more.
pub fn end_running(queue: &Queue, stream: i32) -> Result<bool> {
    let (rows, missing) = running(queue.ring, false, |row| row.int(column::QID) == stream)?;
    let mut gone = Vec::new();
    let ended = each_running(queue.ring, &rows, |queue, segment, (row, found)| {
        let row = row.copy();
        gone.push(row.int(column::WORKER));
        if segment.delete(found, false) == Change::Missed {
            return Ok(false);
        }
        job_ended(queue, &row, &Outcome::Failed)?;
        Ok(true)
    })?;
    workers::drop_all(gone)?;
    Ok(ended == rows.len() && !missing)
}

/// Which running jobs of a queue somebody wants back, see `queue_requeue_in_progress`.
pub struct Wanted<'a> {
    /// numbers of a worker; `None`: of all
    pub workers: Option<&'a HashSet<i32>>,
    /// claimed before this time
    pub claimed_before: Option<i64>,
    /// they fail for good
    pub fail: bool,
}

/// Takes running jobs from their workers, but for SQL jobs; how many. Rows that a worker is just answering for are
/// left to it.
pub fn requeue_in_progress(queue: &Queue, wanted: &Wanted<'_>) -> Result<usize> {
    let is_wanted = |row: &Values| {
        // SQL jobs are with processes of ours, which are never forgotten; who pops has no say in them
        let mine = row.int(column::QID) == queue.qid;
        let of = |w: &HashSet<i32>| w.contains(&row.int(column::WORKER));
        mine && wanted.workers.is_none_or(of)
            && wanted
                .claimed_before
                .is_none_or(|at| row.long(column::CLAIMED_AT) < at)
    };
    let (rows, _) = running(queue.ring, true, is_wanted)?;
    let now = time::wall_clock();
    let mut returned = Returned::default();
    let taken = each_running(queue.ring, &rows, |queue, segment, (row, found)| {
        if !is_wanted(row) {
            return Ok(false);
        }
        let mut row = row.copy();
        if segment.delete(found, false) == Change::Missed {
            return Ok(false);
        }
        again::note_error(&mut row, now, Some("taken back"));
        if wanted.fail && row.state() != CANCELLING {
            job_ended(queue, &row, &Outcome::Failed)?;
        } else {
            let _: Fate = again::retry(queue, row, now, now, &mut returned)?;
        }
        Ok(true)
    })?;
    returned.note()?;
    Ok(taken)
}
