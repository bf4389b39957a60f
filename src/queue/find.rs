//! Finding a living job by its id.
//!
//! A job that has never come back lies under its id: the number is the same. Where the others lie is in the
//! store `queue_moved`. Everything that one look reads, it reads by one snapshot: a job is in exactly one
//! place then, however it is moved meanwhile.

use super::claim_id::Lane;
use super::hint::Key;
use super::known::{self, Queue, Segment as KnownSegment};
use super::own;
use super::pair::{Each, MOVED, both, each};
pub use super::waiting::Store;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Found, Segment, Values, column};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::{catalog, spi};

/// Where a job lies that has come back: not under its id any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub qid: i32,
    pub id: i64,
    pub lane: Lane,
    pub seq: i64,
}

const UPDATE: Each = each!(
    "UPDATE ",
    "queue_moved",
    " SET seq = $3, lane = $4 WHERE qid = $1 AND id = $2 RETURNING 1"
);
const INSERT: Each = each!(
    "INSERT INTO ",
    "queue_moved",
    " (qid, id, seq, lane) VALUES ($1, $2, $3, $4)"
);
const DELETE: Each = each!("DELETE FROM ", "queue_moved", " WHERE qid = $1 AND id = $2");
const FIND: &str = both!(
    "SELECT qid, lane, seq FROM ",
    "queue_moved",
    " WHERE qid = ANY ($1) AND id = $2"
);

/// Notes where these jobs lie now.
pub fn moved(jobs: &[Moved]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let open = MOVED.write()?;
    as_extension_owner(|| {
        for job in jobs {
            let args = [
                job.qid.into(),
                job.id.into(),
                job.seq.into(),
                job.lane.number().into(),
            ];
            let mut known = false;
            for half in open.halves() {
                known |= !spi::write_kept(UPDATE.of(half), &args, |_| Ok(()))?.is_empty();
            }
            if !known {
                spi::write_kept(INSERT.of(open.current), &args, |_| Ok(()))?;
            }
        }
        Ok(())
    })
}

/// A job that had come back has ended.
pub fn forget(qid: i32, id: i64) -> Result<()> {
    let open = MOVED.write()?;
    as_extension_owner(|| {
        for half in open.halves() {
            spi::write_kept(DELETE.of(half), &[qid.into(), id.into()], |_| Ok(()))?;
        }
        Ok(())
    })
}

/// Where a row may lie in segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address {
    qid: i32,
    /// `None`: any lane of jobs that have never come back
    lane: Option<Lane>,
    seq: i64,
}

const STREAMS: &str = "SELECT qid FROM strata.queue_stream WHERE queue = $1";

/// The numbers that rows of a queue have: its own, and those of its SQL jobs.
pub fn streams(queue: &Queue) -> Result<Vec<i32>> {
    if own::is_own(queue.qid) {
        return own::streams();
    }
    let mut streams = vec![queue.qid];
    let more = as_extension_owner(|| {
        spi::read_kept(STREAMS, &[queue.qid.into()], |row| row.need::<i32>(1))
    })?;
    streams.extend(more);
    Ok(streams)
}

fn addresses(streams: &[i32], id: i64) -> Result<Vec<Address>> {
    let moved = as_extension_owner(|| {
        spi::read_kept(FIND, &[streams.to_vec().into(), id.into()], |row| {
            Ok(Address {
                qid: row.need(1)?,
                lane: Lane::from_number(row.need(2)?),
                seq: row.need(3)?,
            })
        })
    })?;
    if !moved.is_empty() {
        return Ok(moved);
    }
    let fresh = streams.iter().map(|qid| Address {
        qid: *qid,
        lane: None,
        seq: id,
    });
    Ok(fresh.collect())
}

/// A job that was found.
pub enum Spot<'a> {
    /// ready or running, in a segment that is open as it was asked for
    Segment {
        segment: &'a Segment,
        generation: u32,
        found: &'a Found,
    },
    /// in one of the stores of jobs that wait
    Store { store: Store, row: &'a Values },
}

/// How segments are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    ToRead,
    ToWrite,
}

impl Open {
    fn segment(self, known: &KnownSegment) -> Option<Segment> {
        match self {
            Open::ToRead => Segment::open_to_read(known.table, known.index),
            Open::ToWrite => Segment::open(known.table, known.index),
        }
    }
}

/// Where a look has found a job.
enum Located {
    Segment(usize, Found),
    Store(Store, Values),
}

/// Looks for a living job and does something to it; `None`: there is none. `None` from `work`: another transaction
/// has changed the job meanwhile, so it is looked for again. Segments that nothing was done in are unlocked.
pub fn visit<T>(
    queue: &Queue,
    id: i64,
    open: Open,
    mut work: impl FnMut(&Spot<'_>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let streams = streams(queue)?;
    loop {
        MOVED.read()?;
        for store in Store::all() {
            store.pair().read()?;
        }
        let ring = known::ring(queue.ring)?;
        let mut segments: Vec<(u32, Segment)> = ring
            .segments
            .iter()
            .filter_map(|known| Some((known.generation, open.segment(known)?)))
            .collect();
        let snapshot = Latest::take();
        // made or emptied before the snapshot was taken
        if known::ring(queue.ring)? != ring {
            segments.iter_mut().for_each(|(_, s)| s.release());
            continue;
        }
        let located = spi::as_of(&snapshot, || locate(&streams, id, &segments, &snapshot))?;
        for (n, (_, segment)) in segments.iter_mut().enumerate() {
            if !matches!(located, Some(Located::Segment(at, _)) if at == n) {
                segment.release();
            }
        }
        let done = match &located {
            None => return Ok(None),
            Some(Located::Store(store, row)) => work(&Spot::Store { store: *store, row })?,
            Some(Located::Segment(at, found)) => work(&Spot::Segment {
                segment: &segments[*at].1,
                generation: segments[*at].0,
                found,
            })?,
        };
        if done.is_some() {
            return Ok(done);
        }
        catalog::check_for_interrupts();
    }
}

fn locate(
    streams: &[i32],
    id: i64,
    segments: &[(u32, Segment)],
    snapshot: &Latest,
) -> Result<Option<Located>> {
    let addresses = addresses(streams, id)?;
    for (n, (_, segment)) in segments.iter().enumerate() {
        let found = addresses
            .iter()
            .find_map(|at| in_segment(segment, snapshot, at, id));
        if let Some(found) = found {
            return Ok(Some(Located::Segment(n, found)));
        }
    }
    for store in Store::all() {
        if let Some(row) = store.find(streams, id)? {
            return Ok(Some(Located::Store(store, row)));
        }
    }
    Ok(None)
}

fn in_segment(segment: &Segment, snapshot: &Latest, at: &Address, id: i64) -> Option<Found> {
    let mut walk = Walk::new(segment, snapshot);
    let mut lane = match at.lane {
        Some(lane) => Some(lane.number()),
        None => walk.lane_above(at.qid, -1),
    };
    while let Some(number) = lane {
        // jobs that came back have other numbers: under this one there may be somebody else
        if at.lane.is_some() || number % 2 == 1 {
            walk.to_row(at.qid, number, at.seq);
            while let Some(entry) = walk.next() {
                if let Some(found) = entry.found.filter(|f| f.row.long(column::ID) == id) {
                    return Some(Found {
                        tid: found.tid,
                        row: found.row.copy(),
                    });
                }
            }
        }
        lane = at
            .lane
            .is_none()
            .then(|| walk.lane_above(at.qid, number))
            .flatten();
    }
    None
}

/// The key of a row of a segment on the boards of hints.
#[must_use]
pub fn key(row: &Values, generation: u32) -> Option<Key> {
    Some(Key {
        lane: Lane::from_number(row.short(column::LANE))?.byte(),
        generation,
        seq: row.long(column::SEQ),
    })
}

/// A living job as of now: its state and its row.
pub fn look(queue: &Queue, id: i64) -> Result<Option<(&'static str, Values)>> {
    visit(queue, id, Open::ToRead, |spot| {
        Ok(Some(match spot {
            Spot::Segment { found, .. } if found.row.is_running() => ("running", found.row),
            Spot::Segment { found, .. } => ("ready", found.row),
            Spot::Store { store, row } => (store.state(), **row),
        }))
    })
}
