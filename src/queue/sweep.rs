//! The look at every row of a ring: the guard behind hints and leases, and what rotation decides by.

use super::claim_id::Lane;
use super::hint::{Key, Ready};
use super::known;
use super::workers::BY_SESSION;
use crate::error::Result;
use crate::pg::segment::{CANCELLING, READY, RUNNING, Segment, column};
use crate::pg::segment_look::Look;
use crate::pg::segment_sweep::each_row;
use crate::pg::segment_walk::Latest;
use crate::pg::{queue_board, queue_xact};
use std::collections::HashSet;

/// A row of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub qid: i32,
    pub key: Key,
}

/// What a sweep saw of one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub slot: i32,
    pub ready: u64,
    pub running: u64,
    /// row versions that nobody needs any more
    pub dead: u64,
}

/// What a sweep of a ring saw.
#[derive(Debug, Default)]
pub struct Sweep {
    pub counts: Vec<Count>,
    /// ready rows that no search will come to
    pub behind: HashSet<Row>,
    /// running rows whose lease is over, unless a heartbeat has renewed it
    pub overdue: Vec<Row>,
    /// when the next lease ends, microseconds since 2000-01-01 UTC
    pub next_end: Option<i64>,
    /// workers that have jobs
    pub workers: HashSet<i32>,
    /// those that have jobs until their session ends
    pub sessions: HashSet<i32>,
    /// somebody has a segment alone, so it was not looked at
    pub held: bool,
}

/// Time between two sweeps, at least, in microseconds.
pub const PAUSE_US: i64 = 10_000_000;
/// Most ready rows that one sweep remembers; the next one finds the others.
const MOST: usize = 10_000;
/// Most running rows.
const MOST_OVERDUE: usize = 200_000;

/// Looks at all rows. `now`: microseconds since 2000-01-01 UTC.
pub fn sweep(ring: i32, now: i64) -> Result<Sweep> {
    let ring = known::ring(ring)?;
    let mut out = Sweep::default();
    let snapshot = Latest::take();
    for known in &ring.segments {
        let mut segment = match Segment::open_to_look(known.table, known.index, false) {
            Look::Open(segment) => segment,
            Look::Gone => continue,
            Look::Held => {
                out.held = true;
                continue;
            }
        };
        let mut count = Count {
            slot: known.slot,
            ..Count::default()
        };
        let versions = each_row(&segment, &snapshot, |found| {
            let row = &found.row;
            let Some(lane) = Lane::from_number(row.short(column::LANE)) else {
                return true;
            };
            let at = Row {
                qid: row.int(column::QID),
                key: Key {
                    lane: lane.byte(),
                    generation: known.generation,
                    seq: row.long(column::SEQ),
                },
            };
            match row.state() {
                READY => {
                    count.ready += 1;
                    let name = queue_xact::name(at.qid);
                    if out.behind.len() < MOST
                        && !queue_board::with(name, |b| b.will_look_at(name, at.key))
                    {
                        out.behind.insert(at);
                    }
                }
                RUNNING | CANCELLING => {
                    count.running += 1;
                    out.workers.insert(row.int(column::WORKER));
                    let until = row.long(column::LEASE_UNTIL);
                    if until == BY_SESSION {
                        out.sessions.insert(row.int(column::WORKER));
                    }
                    if until >= now {
                        out.next_end = Some(out.next_end.map_or(until, |end| end.min(until)));
                    } else if out.overdue.len() < MOST_OVERDUE {
                        out.overdue.push(at);
                    }
                }
                _ => {}
            }
            true
        });
        count.dead = versions.saturating_sub(count.ready + count.running);
        out.counts.push(count);
        segment.release();
    }
    Ok(out)
}

/// Rows that lay behind the hints in two sweeps: no running search still comes to them, so they are noted anew.
pub fn look_again(before: &HashSet<Row>, now: &HashSet<Row>) {
    for row in now.intersection(before) {
        let name = queue_xact::name(row.qid);
        let ready = Ready {
            lane: row.key.lane,
            generation: row.key.generation,
            first: row.key.seq,
            seqs: vec![row.key.seq],
        };
        queue_board::with(name, |board| board.note(name, &ready));
    }
}
