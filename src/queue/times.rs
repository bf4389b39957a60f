//! What the background worker does by the clock: makes jobs ready whose time has come, and takes jobs back whose
//! lease is over or whose session is gone.
//!
//! Sessions tell the worker of times before which it would not look (`pg::queue_session`). Without shared memory they
//! cannot, so it looks more often.

use super::leases;
use super::scheduler::Tx;
use super::sweep::Row;
use super::workers::{self, Gone};
use super::{home, maintain, queue_sql, scheduled};
use crate::error::Result;
use crate::pg::owner::SettingScope;
use crate::pg::segment::column;
use crate::pg::{bgworker, shmem, time};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How often all jobs that wait are looked at, however early their time is: what others held is found then.
const FULL_LOOK: Duration = Duration::from_secs(10);
/// The same where nobody can tell us.
const POLL: Duration = Duration::from_millis(250);
/// How often we look whether sessions live, if there are leases that end with them.
const SESSIONS: Duration = Duration::from_millis(500);
/// Looking for the jobs of sessions that are gone may take this part of the time.
const SHARE: u32 = 5;
/// Work of one kind goes on for so long; then others have their turn.
const TURN: Duration = Duration::from_millis(50);
/// How long a step waits for a lock.
const PATIENCE: &str = "1s";
/// What is noted as "look now, whatever you know".
const NOW: i64 = i64::MIN;

/// What the worker knows.
struct Clock {
    /// everything that was due before this time has been made ready
    from: i64,
    /// when the next job is due, as far as we know; `None`: never
    next: Option<i64>,
    looked: Option<Instant>,
    /// there may be leases that end with a session
    sessions: bool,
    next_sessions: Option<Instant>,
    /// deliveries whose lease seemed to be over, by ring
    overdue: VecDeque<(i32, Vec<Row>)>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = const {
        RefCell::new(Clock {
            from: NOW,
            next: Some(NOW),
            looked: None,
            sessions: true,
            next_sessions: None,
            overdue: VecDeque::new(),
        })
    };
}

/// The watch of the background worker.
pub(super) fn watch() -> Result<Duration> {
    // not borrowed meanwhile: a step that fails leaves what it knew
    let noted = shmem::take_times(bgworker::my_database());
    CLOCK.with_borrow_mut(|clock| {
        if noted.due != i64::MAX {
            clock.from = clock.from.min(noted.due);
            clock.next = Some(clock.next.map_or(noted.due, |next| next.min(noted.due)));
            clock.sessions |= noted.due == NOW;
        }
    });
    let sweep = match noted.lease_end {
        i64::MAX => FULL_LOOK,
        end => maintain::expect(end),
    };
    let here = Tx::Worker.run(home::is_here)?;
    if !here {
        return Ok(FULL_LOOK);
    }
    // one that fails keeps none of the others back
    let steps = [
        make_ready(Tx::Worker),
        look_after_sessions(Tx::Worker),
        take_back_some(),
    ];
    let mut unfinished = false;
    for step in steps {
        unfinished |= step?;
    }
    if unfinished {
        return Ok(Duration::ZERO);
    }
    let nap = nap().min(sweep);
    let wakes =
        time::wall_clock().saturating_add(i64::try_from(nap.as_micros()).unwrap_or(i64::MAX));
    let told = shmem::will_look_at(bgworker::my_database(), wakes);
    Ok(if told { Duration::ZERO } else { nap })
}

/// Everything that is due now, for places without our worker.
pub(super) fn round(tx: Tx) -> Result<()> {
    let now = time::wall_clock();
    while soon(tx, || scheduled::promote(NOW, now))? > 0 {}
    if tx.run(workers::any_by_session)? {
        take_back_gone(tx)?;
    }
    Ok(())
}

/// Deliveries of a ring whose lease may be over, as a sweep saw.
pub(super) fn overdue(tx: Tx, ring: i32, rows: Vec<Row>) -> Result<()> {
    match tx {
        Tx::Worker => CLOCK.with_borrow_mut(|clock| {
            // the same ones again, if the last were not all looked at yet
            clock.overdue.retain(|(of, _)| *of != ring);
            clock.overdue.push_back((ring, rows));
        }),
        Tx::Session => {
            for some in rows.chunks(leases::BATCH) {
                soon(tx, || leases::take_back_overdue(ring, some))?;
            }
        }
    }
    Ok(())
}

fn nap() -> Duration {
    let now = time::wall_clock();
    CLOCK.with_borrow(|clock| {
        let look = if shmem::available() { FULL_LOOK } else { POLL };
        let since = clock.looked.map_or(look, |at| at.elapsed());
        let mut nap = look.saturating_sub(since);
        if let Some(next) = clock.next {
            // a millisecond more: the clock must have passed the time
            let us = u64::try_from(next.saturating_sub(now).max(0)).unwrap_or(0);
            nap = nap.min(Duration::from_micros(us.saturating_add(1_000)));
        }
        if clock.sessions {
            let at = clock.next_sessions.unwrap_or_else(Instant::now);
            nap = nap.min(at.saturating_duration_since(Instant::now()));
        }
        nap
    })
}

/// Makes jobs ready whose time has come; true if there are more.
fn make_ready(tx: Tx) -> Result<bool> {
    let begun = Instant::now();
    let now = time::wall_clock();
    let look = if shmem::available() { FULL_LOOK } else { POLL };
    let (from, full) = CLOCK.with_borrow(|clock| {
        let full = clock.looked.is_none_or(|at| at.elapsed() >= look);
        let due = full || clock.next.is_some_and(|next| next <= now);
        (due.then_some(if full { NOW } else { clock.from }), full)
    });
    let Some(from) = from else {
        return Ok(false);
    };
    while soon(tx, || scheduled::promote(from, now))? > 0 {
        if begun.elapsed() > TURN {
            return Ok(true);
        }
    }
    // what has been made ready is dead now: the look ahead begins behind it
    let next = tx.run(|| scheduled::next(now))?;
    CLOCK.with_borrow_mut(|clock| {
        clock.from = now;
        clock.next = next;
        if full {
            clock.looked = Some(begun);
        }
    });
    Ok(false)
}

/// Takes back what sessions had that are gone.
fn look_after_sessions(tx: Tx) -> Result<bool> {
    let now = Instant::now();
    let due = CLOCK.with_borrow(|c| c.sessions && c.next_sessions.is_none_or(|at| at <= now));
    if !due {
        return Ok(false);
    }
    let any = tx.run(workers::any_by_session)?;
    if any {
        take_back_gone(tx)?;
    }
    let pause = SESSIONS.max(now.elapsed() * SHARE);
    CLOCK.with_borrow_mut(|clock| {
        // without shared memory nobody tells us of the next one
        clock.sessions = any || !shmem::available();
        clock.next_sessions = Some(Instant::now() + pause);
    });
    Ok(false)
}

fn take_back_gone(tx: Tx) -> Result<()> {
    let gone: Vec<Gone> = tx
        .run(workers::gone)?
        .into_iter()
        .filter(|gone| gone.by_session)
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    let mut found = 0;
    for ring in tx.run(queue_sql::rings)? {
        found += take_back(tx, ring, &gone)?;
    }
    // others may hold a row, or have moved it since: a worker is forgotten when a look finds nothing of it
    if found == 0 {
        tx.run(|| workers::forget(&gone, &Default::default()))?;
    }
    Ok(())
}

/// Takes back the jobs that these had until the end of their sessions; how many rows they had.
pub(super) fn take_back(tx: Tx, ring: i32, gone: &[Gone]) -> Result<usize> {
    if gone.is_empty() {
        return Ok(0);
    }
    let gone: HashMap<i32, Gone> = gone.iter().map(|gone| (gone.number, *gone)).collect();
    let (rows, missing) = tx.run(|| {
        leases::running(ring, false, |row| {
            gone.contains_key(&row.int(column::WORKER))
        })
    })?;
    for some in rows.chunks(leases::BATCH) {
        each_or_all(tx, some, |some| leases::take_back_gone(ring, some, &gone))?;
    }
    Ok(rows.len() + usize::from(missing))
}

/// A step in a transaction of its own. What it must not wait for it leaves alone; for what escapes it, it does not
/// wait long: everybody's jobs are in the hands of one process.
pub(super) fn soon<T>(tx: Tx, work: impl FnOnce() -> Result<T>) -> Result<T> {
    tx.run(|| {
        let settings = SettingScope::new();
        settings.set("lock_timeout", PATIENCE);
        work()
    })
}

/// Takes rows back, all at once; in the background worker, if that fails, one by one: so one that cannot be taken
/// back keeps none of the others. How many.
fn each_or_all(tx: Tx, rows: &[Row], work: impl Fn(&[Row]) -> Result<usize>) -> Result<usize> {
    let all = soon(tx, || work(rows));
    if all.is_ok() || rows.len() == 1 || matches!(tx, Tx::Session) {
        return all;
    }
    let mut taken = 0;
    for row in rows.chunks(1) {
        match soon(tx, || work(row)) {
            Ok(one) => taken += one,
            Err(error) => pgrx::log!("pg_strata: a job is not taken back: {}", error.message),
        }
    }
    Ok(taken)
}

/// Takes back deliveries whose lease is over; true if there are more.
fn take_back_some() -> Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < TURN {
        let some = CLOCK.with_borrow_mut(|clock| {
            let (ring, rows) = clock.overdue.front_mut()?;
            let ring = *ring;
            let at = rows.len().saturating_sub(leases::BATCH);
            let some = rows.split_off(at);
            if rows.is_empty() {
                clock.overdue.pop_front();
            }
            Some((ring, some))
        });
        let Some((ring, some)) = some else {
            return Ok(false);
        };
        each_or_all(Tx::Worker, &some, |some| {
            leases::take_back_overdue(ring, some)
        })?;
    }
    Ok(CLOCK.with_borrow(|clock| !clock.overdue.is_empty()))
}
