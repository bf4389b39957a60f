//! Looking for ready jobs without claiming any.

use super::claim_id::Lane;
use super::hint::{Begun, Mark};
use super::known::{self, Queue};
use crate::error::Result;
use crate::pg::segment::{READY, Segment, column};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::{queue_board, queue_xact};
use std::collections::HashSet;

/// Numbers behind the mark among which is the first ready row, if there is one.
const NEAR: i64 = 24;

/// True if a pop of now would find a job. Like one, it moves the marks past what it has seen to be taken.
pub fn any_ready(queue: &Queue) -> Result<bool> {
    if queue.paused {
        return Ok(false);
    }
    let name = queue_xact::name(queue.qid);
    let begun = queue_board::with(name, |board| board.peek(name));
    let snapshot = Latest::take();
    let mut passed = Vec::new();
    let found = each_segment(queue.ring, |segment, generation| {
        let mut walk = Walk::new(segment, &snapshot);
        for key in begun.keys.iter().filter(|k| k.generation == generation) {
            walk.to_row(queue.qid, i16::from(key.lane), key.seq);
            while let Some(entry) = walk.next() {
                if entry.found.is_some_and(|f| f.row.state() == READY) && !walk.is_taken() {
                    return true;
                }
            }
        }
        along_lanes(&mut walk, queue.qid, generation, &begun, &mut passed)
    })?;
    queue_board::with(name, |board| board.finish(name, &begun, &passed, &[]));
    Ok(found)
}

/// True if there is a ready row of a stream that somebody may have in hand, wherever the marks are.
pub fn any_visible(ring: i32, stream: i32) -> Result<bool> {
    let snapshot = Latest::take();
    each_segment(ring, |segment, _| {
        let mut walk = Walk::new(segment, &snapshot);
        let mut lane = -1;
        while let Some(next) = walk.lane_above(stream, lane) {
            lane = next;
            walk.to(stream, lane, 0);
            while let Some(entry) = walk.next() {
                if entry.found.is_some_and(|f| f.row.state() == READY) {
                    return true;
                }
            }
        }
        false
    })
}

/// True at the first ready row of a segment behind the marks.
fn along_lanes(
    walk: &mut Walk<'_>,
    qid: i32,
    generation: u32,
    begun: &Begun,
    passed: &mut Vec<Mark>,
) -> bool {
    let mut lane = -1;
    while let Some(next) = walk.lane_above(qid, lane) {
        lane = next;
        let Some(byte) = Lane::from_number(lane).map(Lane::byte) else {
            continue;
        };
        let from = begun.behind(byte, generation);
        let mut behind = from;
        let mut found = false;
        walk.to_near(qid, lane, from, NEAR);
        while let Some(entry) = walk.next() {
            found = entry.found.is_some_and(|f| f.row.state() == READY) && !walk.is_taken();
            if found {
                break;
            }
            behind = entry.seq + 1;
        }
        if behind > from {
            passed.push(Mark {
                lane: byte,
                generation,
                behind,
            });
        }
        if found {
            return true;
        }
    }
    false
}

/// Calls `work` for each segment of a ring until it says true.
fn each_segment(number: i32, mut work: impl FnMut(&Segment, u32) -> bool) -> Result<bool> {
    for known in &known::ring(number)?.segments {
        let Some(mut segment) = Segment::open_to_read(known.table, known.index) else {
            continue;
        };
        let found = work(&segment, known.generation);
        segment.release();
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Most entries of the index that one call of [`newest`] looks at.
const MOST: usize = 20_000;

/// Id of the newest ready job with a number above `floor` that is not in `known`, and all of these numbers in
/// `known` afterwards. For places without shared memory.
pub fn newest(
    queue: &Queue,
    qid: i32,
    floor: i64,
    known: &mut HashSet<i64>,
) -> Result<Option<i64>> {
    let snapshot = Latest::take();
    let (mut last, mut looked) = (None, 0);
    each_segment(queue.ring, |segment, _| {
        let mut walk = Walk::new(segment, &snapshot);
        let mut lane = -1;
        while let Some(next) = walk.lane_above(qid, lane) {
            lane = next;
            walk.to(qid, lane, floor.saturating_add(1));
            while let Some(entry) = walk.next() {
                looked += 1;
                let ready = entry.found.filter(|f| f.row.state() == READY);
                if let Some(found) = ready
                    && known.insert(entry.seq)
                {
                    last = last.max(Some(found.row.long(column::ID)));
                }
                if looked >= MOST {
                    return true;
                }
            }
        }
        false
    })?;
    Ok(last)
}
