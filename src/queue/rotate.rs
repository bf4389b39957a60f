//! Turning a ring, moving what lives in old segments, and emptying them: short transactions, one process at a
//! time for each ring.

use super::claim_id::Lane;
use super::find::{self, Moved};
use super::hint::Key;
use super::known::{self, Held, State};
use super::ring::{self, Limits, Seen, Step};
use super::sweep::{Count, Sweep};
use super::{push, queue_sql};
use crate::error::Result;
use crate::pg::segment::{Change, READY, Segment, column};
use crate::pg::segment_look::Look;
use crate::pg::segment_sweep::each_row;
use crate::pg::segment_walk::Latest;
use crate::pg::{catalog, guc, queue_seq, queue_xact};
use std::collections::HashMap;

/// Rows that one transaction moves.
const BATCH: usize = 1_000;

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    pub turned: bool,
    pub moved: u64,
    pub truncated: u32,
    pub parked: u32,
}

/// How a round opens its transactions.
pub trait Transactions {
    fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T>;
}

/// One round by what a sweep saw. The caller has the ring to itself.
pub fn round(number: i32, sweep: &Sweep, tx: &impl Transactions) -> Result<Done> {
    // who has a segment alone is dropping the ring, or comes to its end soon
    if sweep.held {
        return Ok(Done::default());
    }
    let ages = tx.run(|| queue_sql::ages(number))?;
    let seen: Vec<Seen> = ages
        .iter()
        .map(|age| {
            let of = |c: &&Count| c.slot == age.slot;
            let count = sweep.counts.iter().find(of).copied().unwrap_or_default();
            Seen {
                slot: age.slot,
                state: age.state,
                age_ms: age.age_ms,
                living: count.ready + count.running,
                dead: count.dead,
            }
        })
        .collect();
    let mut done = Done::default();
    for step in ring::decide(&seen, limits()) {
        match step {
            Step::Turn { to } => {
                done.turned = tx.run(|| turn(number, to, false))?;
            }
            Step::TurnToNew { to } => {
                done.turned = tx.run(|| turn(number, to, true))?;
            }
            Step::Drain { slot } => {
                while {
                    let moved = tx.run(|| move_batch(number, slot))?;
                    done.moved += moved;
                    moved == BATCH as u64
                } {}
            }
            Step::Truncate { slot } => match tx.run(|| queue_sql::truncate(number, slot))? {
                true => done.truncated += 1,
                false => {
                    tx.run(|| queue_sql::park(number, slot))?;
                    done.parked += 1;
                }
            },
            Step::Drop { slot } => {
                tx.run(|| queue_sql::drop_segment(number, slot))?;
            }
        }
    }
    Ok(done)
}

/// Makes a slot the tail; false if the ring has been dropped, or is being dropped.
fn turn(number: i32, to: i32, make: bool) -> Result<bool> {
    // whoever drops the extension takes it before its tables
    catalog::hold_extension();
    let ring = known::ring(number)?;
    let tail = ring.segments.iter().find(|s| s.state == State::Tail);
    // locked to the end of the transaction, the tail keeps the ring from being dropped meanwhile
    let look = tail.map(|tail| Segment::open_to_look(tail.table, tail.index, false));
    if matches!(look, Some(Look::Gone | Look::Held)) || queue_sql::ages(number)?.is_empty() {
        return Ok(false);
    }
    if make {
        queue_sql::make_segment(number, to, "free")?;
    }
    queue_sql::turn(number, to)?;
    Ok(true)
}

fn limits() -> Limits {
    let positive = |n: i32| u64::try_from(n).unwrap_or(0);
    Limits {
        rows: positive(guc::QUEUE_SEGMENT_ROWS.get()),
        young_ms: positive(guc::QUEUE_SEGMENT_AGE_S.get()) * 1_000,
    }
}

/// Moves living rows of a segment to the tail: running ones with their key, so that the claim stays good, ready
/// ones with a new number in the lane of those that came back. Rows that others hold stay for the next round.
fn move_batch(number: i32, slot: i32) -> Result<u64> {
    let ring = known::ring(number)?;
    let Some(from) = ring.segments.iter().find(|s| s.slot == slot) else {
        return Ok(0);
    };
    if from.state == State::Tail {
        return Ok(0);
    }
    let (tail, generation) = push::tail(number)?;
    let Some(segment) = Segment::open(from.table, from.index) else {
        return Ok(0);
    };
    let snapshot = Latest::take();
    let mut moved = 0;
    let mut renumbered = Vec::new();
    let mut queues = HashMap::new();
    let mut failed = None;
    each_row(&segment, &snapshot, |found| {
        let mut row = found.row;
        let Some(lane) = Lane::from_number(row.short(column::LANE)) else {
            return true;
        };
        let qid = row.int(column::QID);
        let key = Key {
            lane: lane.byte(),
            generation: from.generation,
            seq: row.long(column::SEQ),
        };
        // what another transaction has not seen yet would outlive its queue
        match held(&mut queues, qid) {
            Ok(true) => {}
            Ok(false) => return true,
            Err(error) => {
                failed = Some(error);
                return false;
            }
        }
        if row.state() == READY {
            queue_xact::locked(qid, key);
        }
        if segment.delete(found, false) == Change::Missed {
            if segment.raced() && row.state() == READY {
                queue_xact::pushed(qid, key);
            }
            return true;
        }
        if row.state() == READY {
            let (seq, lane) = (queue_seq::next(), lane.returned());
            row.set_long(column::SEQ, seq);
            row.set_short(column::LANE, lane.number());
            renumbered.push(Moved {
                qid,
                id: row.long(column::ID),
                lane,
                seq,
            });
            let key = Key {
                lane: lane.byte(),
                generation,
                seq,
            };
            queue_xact::pushed_job(qid, key, row.long(column::ID));
        }
        tail.insert(&mut row);
        moved += 1;
        moved < BATCH as u64
    });
    if let Some(error) = failed {
        return Err(error);
    }
    find::moved(&renumbered)?;
    Ok(moved)
}

/// True unless somebody is just dropping the queue of a row: nobody does then to the end of the transaction.
fn held(queues: &mut HashMap<i32, bool>, qid: i32) -> Result<bool> {
    if let Some(known) = queues.get(&qid) {
        return Ok(*known);
    }
    let held = !matches!(known::hold_now(qid)?, Held::Busy);
    queues.insert(qid, held);
    Ok(held)
}
