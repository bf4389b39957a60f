//! Housekeeping of queues: sweeps and rotation, by the database's background worker or by `queue_maintain()`.

use super::rotate::{self, Done, Transactions};
use super::scheduler::Tx;
use super::sweep::{self, Row};
use super::{
    asked, groups, home, keys_tidy, known, own, pair_upkeep, past, queue_sql, times, workers,
};
use crate::error::Result;
use crate::pg::{catalog, object_lock, time};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Time between two sweeps, at least.
const PAUSE: Duration = Duration::from_micros(sweep::PAUSE_US as u64);
/// The same where the end of a lease is known.
const SHORT_PAUSE: Duration = Duration::from_secs(1);
/// A sweep may take this part of the time.
const SHARE: u32 = 20;
/// But a lease that is over is seen to within some seconds, however slow the machine makes a round.
const LATEST: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Rings {
    /// ready rows that lay behind the hints in the last sweep, by ring
    behind: HashMap<i32, HashSet<Row>>,
    next: Option<Instant>,
    /// the next round is not before this time
    earliest: Option<Instant>,
    /// when the next lease ends, microseconds since 2000-01-01 UTC
    next_end: Option<i64>,
}

/// The time until then, and a little more: the clock must have passed it.
fn until(at: i64) -> Duration {
    let us = at.saturating_sub(time::wall_clock()).max(0);
    Duration::from_micros(u64::try_from(us).unwrap_or(0)) + Duration::from_millis(5)
}

thread_local! {
    static RINGS: RefCell<Rings> = RefCell::default();
}

impl Transactions for Tx {
    fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        Tx::run(*self, work)
    }
}

/// Keeps others from the housekeeping of a ring, to the end of the process at the latest.
struct Alone(pgrx::pg_sys::Oid, u32);

impl Alone {
    fn with(ring: i32) -> Option<Alone> {
        let class = catalog::relation_oid("strata", "queue_segment")?;
        let object = ring as u32;
        object_lock::try_hold(class, object).then(|| Alone(class, object))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        object_lock::release(self.0, self.1);
    }
}

/// The watch of the background worker: a round when it is due.
pub(super) fn watch() -> Result<Duration> {
    let now = Instant::now();
    let due = RINGS.with_borrow(|r| r.next).is_none_or(|next| next <= now);
    if due {
        round(Tx::Worker)?;
        RINGS.with_borrow_mut(|r| {
            let rest = (now.elapsed() * SHARE).clamp(SHORT_PAUSE, LATEST);
            r.earliest = Some(Instant::now() + rest);
            r.next = Some(Instant::now() + PAUSE.max(now.elapsed() * SHARE));
        });
        let end = RINGS.with_borrow(|r| r.next_end);
        return Ok(end.map_or_else(rest, expect));
    }
    Ok(rest())
}

/// The time until the next round.
fn rest() -> Duration {
    let next = RINGS.with_borrow(|r| r.next);
    next.map_or(Duration::ZERO, |next| {
        next.saturating_duration_since(Instant::now())
    })
}

/// A lease ends at this time (microseconds since 2000-01-01 UTC): there is a round then, but not too soon after the
/// last one. The time until the next round.
pub(super) fn expect(end: i64) -> Duration {
    let at = Instant::now() + until(end).min(PAUSE);
    RINGS.with_borrow_mut(|r| {
        let at = r.earliest.map_or(at, |earliest| earliest.max(at));
        r.next = r.next.map(|next| next.min(at));
    });
    rest()
}

/// One round over all rings of this database.
pub(super) fn round(tx: Tx) -> Result<Done> {
    let mut all = Done::default();
    groups::admit_all(&tx, true)?;
    let here = tx.run(home::is_here)?;
    let mut rings = tx.run(queue_sql::rings)?;
    // in a copy only what is the project's own goes on
    rings.retain(|ring| here || *ring == own::RING);
    let gone = tx.run(workers::gone)?;
    let mut workers = HashSet::new();
    let mut whole = true;
    RINGS.with_borrow_mut(|r| r.next_end = None);
    for ring in rings {
        let Some(_alone) = tx.run(|| Ok(Alone::with(ring)))? else {
            whole = false;
            continue;
        };
        let before = RINGS.with_borrow_mut(|r| r.behind.remove(&ring).unwrap_or_default());
        let mut sweep = tx.run(|| {
            let sweep = sweep::sweep(ring, time::wall_clock())?;
            sweep::look_again(&before, &sweep.behind);
            Ok(sweep)
        })?;
        whole &= !sweep.held;
        times::overdue(tx, ring, std::mem::take(&mut sweep.overdue))?;
        let sessions = std::mem::take(&mut sweep.sessions);
        let missing = tx.run(|| workers::missing(sessions))?;
        times::take_back(tx, ring, &missing)?;
        let done = rotate::round(ring, &sweep, &tx)?;
        workers.extend(sweep.workers);
        RINGS.with_borrow_mut(|r| {
            r.behind.insert(ring, sweep.behind);
            r.next_end = r.next_end.into_iter().chain(sweep.next_end).min();
        });
        all.turned |= done.turned;
        all.moved += done.moved;
        all.truncated += done.truncated;
        all.parked += done.parked;
        tx.run(|| known::ring(ring).map(|_| ()))?;
    }
    if here {
        if whole {
            tx.run(|| workers::forget(&gone, &workers))?;
        }
        if matches!(tx, Tx::Session) {
            times::round(tx)?;
        }
        tx.run(asked::tidy)?;
        keys_tidy::tidy(&tx)?;
        pair_upkeep::upkeep(&tx)?;
        past::move_overflow(tx)?;
    }
    Ok(all)
}
