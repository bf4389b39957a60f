//! Queues that take only so many waiting jobs (`max_ready`): ready ones, and members that wait for their group. Not
//! those that wait for their time or for other jobs, which nobody could work on.
//!
//! Exact up to the transactions that are under way: nobody sees their jobs. Jobs are counted only when the room that
//! the last count has left is used up, and never more of them than the limit.

use super::claim_id::Lane;
use super::find;
use super::known::{self, Queue};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{READY, Segment};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::{queue_board, queue_dirty, queue_xact, spi};

const HELD: &str = "SELECT (SELECT count(*) FROM (SELECT FROM strata.queue_held_a WHERE qid = ANY ($1) AND state = 'g' LIMIT $2) h) \
    + (SELECT count(*) FROM (SELECT FROM strata.queue_held_b WHERE qid = ANY ($1) AND state = 'g' LIMIT $2) h)";

/// 53400 if the queue has no room for `n` more waiting jobs.
pub fn check(queue: &Queue, n: usize) -> Result<()> {
    let Some(max) = queue.max_ready else {
        return Ok(());
    };
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    if queue_dirty::take_room(queue.qid, max, n) {
        return Ok(());
    }
    let waiting = count(queue, max)?;
    let left = max.saturating_sub(waiting).saturating_sub(n);
    if left < 0 {
        return Err(full(queue, max, n));
    }
    queue_dirty::set_room(queue.qid, max, left);
    Ok(())
}

/// A job became ready that was not pushed just now.
pub fn grew(queue: &Queue) {
    if queue.max_ready.is_some() {
        queue_dirty::shrink_room(queue.qid);
    }
}

fn full(queue: &Queue, max: i64, n: i64) -> Error {
    let name = &queue.name;
    let what = match n {
        1 => String::new(),
        n => format!(" for {n} more jobs"),
    };
    Error::new(
        Kind::ConfiguredLimit,
        format!("queue \"{name}\" has no room{what}: its max_ready is {max}"),
    )
    .hint(format!(
        "Push again when workers have taken some, or SELECT strata.alter_queue('{}', max_ready => {});",
        name.replace('\'', "''"),
        max.saturating_mul(2)
    ))
}

/// Waiting jobs of a queue, those of this transaction included; `max` at least if there are so many.
fn count(queue: &Queue, max: i64) -> Result<i64> {
    let streams = find::streams(queue)?;
    let held = as_extension_owner(|| {
        spi::read_kept(HELD, &[streams.clone().into(), max.into()], |row| {
            row.need::<i64>(1)
        })
    })?;
    let mut waiting = held.first().copied().unwrap_or(0);
    for qid in streams {
        if waiting < max {
            waiting += count_ready(queue, qid, max - waiting)?;
        }
    }
    Ok(waiting)
}

fn count_ready(queue: &Queue, qid: i32, most: i64) -> Result<i64> {
    let name = queue_xact::name(qid);
    let begun = queue_board::with(name, |board| board.peek(name));
    let snapshot = Latest::take();
    let mut ready = 0;
    for known in &known::ring(queue.ring)?.segments {
        let Some(mut segment) = Segment::open_to_read(known.table, known.index) else {
            continue;
        };
        let mut walk = Walk::new(&segment, &snapshot);
        let behind = |lane: u8| begun.behind(lane, known.generation);
        // what became ready below the marks, and is not seen from there
        for key in begun
            .keys
            .iter()
            .filter(|k| k.generation == known.generation)
        {
            if key.seq < behind(key.lane) {
                walk.to_row(qid, i16::from(key.lane), key.seq);
                ready += rest(&mut walk, most - ready);
            }
        }
        let mut lane = -1;
        while ready < most
            && let Some(next) = walk.lane_above(qid, lane)
        {
            lane = next;
            let from = Lane::from_number(lane).map_or(0, |lane| behind(lane.byte()));
            walk.to(qid, lane, from);
            ready += rest(&mut walk, most - ready);
        }
        drop(walk);
        segment.release();
    }
    Ok(ready)
}

/// Ready rows that a walk comes to, up to `most`.
fn rest(walk: &mut Walk<'_>, most: i64) -> i64 {
    let mut ready = 0;
    while ready < most
        && let Some(entry) = walk.next()
    {
        ready += i64::from(entry.found.is_some_and(|f| f.row.state() == READY));
    }
    ready
}
