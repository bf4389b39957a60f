//! Claiming ready jobs: the search through lanes and segments.

use super::claim_id::{Claim, Lane};
use super::hint::{Begun, Key, Mark, Ready};
use super::known::{self, Queue, Ring};
use super::workers::Lease;
use super::{groups, keys, lease_code};
use crate::error::Result;
use crate::pg::segment::{self, Change, Found, Segment, Values, column};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::session::in_transaction_block;
use crate::pg::{queue_async, queue_board, queue_xact, random};

/// Who wants how many jobs, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// the queue's own number, or that of SQL jobs of a role
    pub stream: i32,
    pub n: usize,
    /// microseconds since 2000-01-01 UTC
    pub now: i64,
    pub lease: Lease,
}

/// Numbers behind the mark that are most likely taken, or of other queues.
const NEAR: i64 = 24;

const CHANGED: [usize; 6] = [
    column::LEASE_UNTIL,
    column::CLAIMED_AT,
    column::WORKER,
    column::ATTEMPT,
    column::FENCE,
    column::STATE,
];

/// A job that was given to a worker.
pub struct Delivery {
    pub claim: Claim,
    pub row: Values,
}

/// Claims up to `wanted.n` ready jobs, in the order of the queue.
pub fn claim(queue: &Queue, wanted: &Wanted) -> Result<Vec<Delivery>> {
    // what is admitted in a long transaction and not claimed would be kept from the others meanwhile
    if !in_transaction_block() {
        groups::admit_some(queue, groups::FEW)?;
    }
    let mut got = search(queue, wanted)?;
    while got.len() < wanted.n && groups::admit_some(queue, wanted.n - got.len())? {
        let n = wanted.n - got.len();
        got.extend(search(queue, &Wanted { n, ..*wanted })?);
    }
    for delivery in got
        .iter()
        .filter(|d| d.row.value(column::UNIQUE_KEY).is_some())
    {
        keys::started(queue, &delivery.row)?;
    }
    Ok(got)
}

fn search(queue: &Queue, wanted: &Wanted) -> Result<Vec<Delivery>> {
    let name = queue_xact::name(wanted.stream);
    let begun = queue_board::with(name, |board| board.begin(name));
    queue_xact::taken(name, &begun.keys);
    let snapshot = Latest::take();
    let (ring, mut open) = open(queue.ring)?;
    let mut search = Search {
        wanted,
        begun: &begun,
        got: Vec::new(),
        passed: Vec::new(),
        unused: Vec::new(),
        raced: Vec::new(),
    };
    let mut places: Vec<Place<'_>> = ring
        .segments
        .iter()
        .zip(&open)
        .filter_map(|(known, open)| {
            let segment = open.as_ref()?;
            let mut walk = Walk::new(segment, &snapshot);
            let lane = walk.lane_above(wanted.stream, -1);
            Some(Place {
                generation: known.generation,
                segment,
                walk,
                lane,
                used: false,
            })
        })
        .collect();
    queue_async::claiming(|| search.run(&mut places));
    let used: Vec<u32> = places
        .iter()
        .filter(|p| p.used)
        .map(|p| p.generation)
        .collect();
    drop(places);
    let Search {
        got,
        passed,
        unused,
        raced,
        ..
    } = search;
    for (known, open) in ring.segments.iter().zip(&mut open) {
        if let Some(segment) = open
            && !used.contains(&known.generation)
        {
            segment.release();
        }
    }
    queue_board::with(name, |board| board.finish(name, &begun, &passed, &unused));
    for key in raced {
        let again = Ready {
            lane: key.lane,
            generation: key.generation,
            first: key.seq,
            seqs: vec![key.seq],
        };
        queue_board::with(name, |board| board.note(name, &again));
    }
    queue_xact::returned();
    Ok(got)
}

/// All segments of a ring that may have rows, open and locked, as of after the locks.
fn open(number: i32) -> Result<(std::rc::Rc<Ring>, Vec<Option<Segment>>)> {
    loop {
        let ring = known::ring(number)?;
        let mut open: Vec<Option<Segment>> = ring
            .segments
            .iter()
            .map(|s| Segment::open(s.table, s.index))
            .collect();
        if known::ring(number)? == ring {
            return Ok((ring, open));
        }
        open.iter_mut().flatten().for_each(Segment::release);
    }
}

struct Place<'a> {
    generation: u32,
    segment: &'a Segment,
    walk: Walk<'a>,
    /// the next lane with entries
    lane: Option<i16>,
    /// a row of it was claimed
    used: bool,
}

struct Search<'a> {
    wanted: &'a Wanted,
    begun: &'a Begun,
    got: Vec<Delivery>,
    passed: Vec<Mark>,
    unused: Vec<Key>,
    /// rows that others may have passed by because of us, and that are ready again perhaps
    raced: Vec<Key>,
}

impl Search<'_> {
    fn full(&self) -> bool {
        self.got.len() >= self.wanted.n
    }

    fn run(&mut self, places: &mut [Place<'_>]) {
        let mut keys = self.begun.keys.clone();
        keys.sort_unstable_by_key(|k| (k.lane, k.seq));
        let newest = places.iter().map(|p| p.generation).max().unwrap_or(0);
        while let Some(lane) = places.iter().filter_map(|p| p.lane).min()
            && !self.full()
        {
            let (now, later): (Vec<Key>, Vec<Key>) =
                keys.iter().partition(|k| i16::from(k.lane) <= lane);
            keys = later;
            for key in now {
                self.look_again(places, key, newest);
            }
            for place in places.iter_mut().filter(|p| p.lane == Some(lane)) {
                if self.full() {
                    break;
                }
                self.along(place, lane);
                if !self.full() {
                    place.lane = place.walk.lane_above(self.wanted.stream, lane);
                }
            }
        }
        // what is left lies in lanes that were not reached, or in a segment that is newer than our list
        let left = |k: &Key| self.full() || k.generation > newest;
        let left: Vec<Key> = keys.into_iter().filter(left).collect();
        self.unused.extend(left);
    }

    /// A row that became ready below the mark.
    fn look_again(&mut self, places: &mut [Place<'_>], key: Key, newest: u32) {
        let place = places.iter_mut().find(|p| p.generation == key.generation);
        match place {
            _ if self.full() => self.unused.push(key),
            None if key.generation > newest => self.unused.push(key),
            // emptied meanwhile: the row has gone
            None => {}
            Some(place) => {
                place
                    .walk
                    .to_row(self.wanted.stream, i16::from(key.lane), key.seq);
                while let Some(entry) = place.walk.next() {
                    if let Some(found) = entry.found.filter(|_| !place.walk.is_taken()) {
                        self.try_claim(place.segment, &mut place.used, &found, key);
                    }
                }
            }
        }
    }

    /// Along one lane of one segment, from the mark on.
    fn along(&mut self, place: &mut Place<'_>, lane: i16) {
        let Some(byte) = Lane::from_number(lane).map(Lane::byte) else {
            return;
        };
        let generation = place.generation;
        let behind = self.begun.behind(byte, generation);
        let likely = NEAR + 2 * i64::try_from(self.wanted.n).unwrap_or(0);
        place.walk.to_near(self.wanted.stream, lane, behind, likely);
        let mut mark = Mark {
            lane: byte,
            generation,
            behind,
        };
        while !self.full()
            && let Some(entry) = place.walk.next()
        {
            mark.behind = entry.seq + 1;
            // most rows that others have are told apart here, without a lock
            if let Some(found) = entry.found.filter(|_| !place.walk.is_taken()) {
                let key = Key {
                    lane: byte,
                    generation,
                    seq: entry.seq,
                };
                self.try_claim(place.segment, &mut place.used, &found, key);
            }
        }
        if mark.behind > behind {
            self.passed.push(mark);
        }
    }

    fn try_claim(&mut self, segment: &Segment, used: &mut bool, found: &Found, key: Key) {
        if found.row.state() != segment::READY {
            return;
        }
        let Some(lane) = Lane::from_number(found.row.short(column::LANE)) else {
            return;
        };
        let claim = Claim {
            seq: key.seq,
            lane,
            fence: random::byte(),
        };
        let mut row = found.row;
        row.set_long(column::LEASE_UNTIL, self.wanted.lease.until);
        row.set_long(column::CLAIMED_AT, self.wanted.now);
        row.set_int(column::WORKER, self.wanted.lease.worker);
        row.set_short(
            column::ATTEMPT,
            found.row.short(column::ATTEMPT).saturating_add(1),
        );
        let code = self.wanted.lease.code;
        row.set_short(column::FENCE, lease_code::pack(claim.fence, code));
        row.set_state(segment::RUNNING);
        queue_xact::locked(self.wanted.stream, key);
        if segment.change(found, &CHANGED, &mut row) == Change::Done {
            *used = true;
            self.got.push(Delivery { claim, row });
        } else if segment.raced() {
            self.raced.push(key);
        }
    }
}
