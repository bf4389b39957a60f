//! What a session knows about queues and rings; read anew after any change of them.

use super::retry::Retry;
use super::{own, queue_sql};
use crate::error::{Error, Kind, Result};
use crate::pg::{catalog, queue_watch};
use pgrx::pg_sys::{self, Oid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Which ended jobs go to the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    None,
    Failed,
    All,
}

/// Who sends NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// the background worker
    Auto,
    None,
    /// the pusher
    Transaction,
}

/// Settings of one queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    pub qid: i32,
    pub name: String,
    pub owner: Oid,
    pub ring: i32,
    pub lease_us: i64,
    pub max_attempts: i16,
    pub retry: Retry,
    pub keep: Keep,
    /// name of a queue
    pub dead_letter: Option<String>,
    pub max_ready: Option<i64>,
    pub group_limit: i32,
    /// a failed member stops its group
    pub group_holds: bool,
    pub notify: Notify,
    pub notify_channel: String,
    pub paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// takes new jobs
    Tail,
    /// is read; nothing is written to it but changes of its rows
    Full,
    Draining,
    /// is read, and goes when nobody holds it
    Parked,
}

/// A segment with rows, or the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub slot: i32,
    pub generation: u32,
    pub first_seq: i64,
    pub state: State,
    pub table: Oid,
    pub index: Oid,
}

/// The segments of a ring that are not free, the oldest first; the last one is the tail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ring {
    pub segments: Vec<Segment>,
}

impl Ring {
    /// The segment that takes new jobs.
    pub fn tail(&self) -> Result<&Segment> {
        self.segments
            .iter()
            .rfind(|s| s.state == State::Tail)
            .ok_or_else(|| {
                Error::new(
                    Kind::NotInState,
                    "the ring of this queue has no segment for new jobs",
                )
                .hint("Call strata.queue_maintain().")
            })
    }
}

#[derive(Default)]
struct Known {
    epoch: u64,
    /// `strata.queue`, whose rows are locked by their numbers
    table: Option<Oid>,
    queues: HashMap<String, Rc<Queue>>,
    /// by the number of a queue or of one of its streams
    numbers: HashMap<i32, Rc<Queue>>,
    rings: HashMap<i32, Rc<Ring>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Works on what is known as of now, after dropping what is not any more.
fn with<T>(work: impl FnOnce(&mut Known) -> T) -> T {
    let epoch = queue_watch::epoch();
    KNOWN.with_borrow_mut(|known| {
        if known.epoch != epoch {
            *known = Known {
                epoch,
                ..Known::default()
            };
        }
        work(known)
    })
}

/// Keeps what was read, unless something changed meanwhile.
fn keep(epoch: u64, work: impl FnOnce(&mut Known)) {
    with(|known| {
        if known.epoch == epoch {
            work(known);
        }
    });
}

/// 42704: no such queue.
pub fn unknown(name: &str) -> Error {
    Error::new(
        Kind::UndefinedObject,
        format!("queue \"{name}\" does not exist"),
    )
    .hint(format!(
        "SELECT strata.create_queue({});",
        catalog::quote_literal(name)
    ))
}

/// The queue of this name as of now; 42704 if there is none.
pub fn queue(name: &str) -> Result<Rc<Queue>> {
    // a second call in a transaction is to see a pause, too
    catalog::accept_invalidations();
    if let Some(known) = with(|k| k.queues.get(name).cloned()) {
        return Ok(known);
    }
    let epoch = queue_watch::epoch();
    let Some(read) = queue_sql::queue(name)? else {
        return Err(unknown(name));
    };
    let read = Rc::new(read);
    keep(epoch, |k| {
        k.queues.insert(name.to_string(), Rc::clone(&read));
        k.numbers.insert(read.qid, Rc::clone(&read));
    });
    Ok(read)
}

/// The queue that a row with this `qid` belongs to; `None` if it has been dropped.
pub fn by_number(qid: i32) -> Result<Option<Rc<Queue>>> {
    if own::is_own(qid) {
        return Ok(Some(own::queue()));
    }
    if let Some(known) = with(|k| k.numbers.get(&qid).cloned()) {
        return Ok(Some(known));
    }
    let epoch = queue_watch::epoch();
    let Some(name) = queue_sql::name(qid)? else {
        return Ok(None);
    };
    let read = queue(&name)?;
    keep(epoch, |k| {
        k.numbers.insert(qid, Rc::clone(&read));
    });
    Ok(Some(read))
}

fn table() -> Option<Oid> {
    if let Some(known) = with(|k| k.table) {
        return Some(known);
    }
    let epoch = queue_watch::epoch();
    let found = catalog::relation_oid("strata", "queue");
    keep(epoch, |k| k.table = found);
    found
}

fn lock(qid: i32, mode: u32) {
    if let Some(class) = table() {
        catalog::lock_object(class, Oid::from(qid as u32), mode as pg_sys::LOCKMODE);
    }
}

/// Keeps a queue from being dropped, or moved to another ring, to the end of the transaction, and gives it as of
/// now; to be called before a job is written. 42704 if it has been dropped.
pub fn hold(queue: &Queue) -> Result<Rc<Queue>> {
    lock(queue.qid, pg_sys::AccessShareLock);
    by_number(queue.qid)?.ok_or_else(|| unknown(&queue.name))
}

/// What came of [`hold_now`].
pub enum Held {
    /// nobody drops it, or moves it to another ring, to the end of the transaction
    Here(Rc<Queue>),
    /// somebody is about to, or has done so a moment ago
    Busy,
    /// it has been dropped
    Gone,
}

/// Like [`hold`], by the number of a queue or of one of its streams, and without any wait: who has rows of a queue
/// and waits for somebody who is dropping it would be waited for in turn.
pub fn hold_now(qid: i32) -> Result<Held> {
    let Some(queue) = by_number(qid)? else {
        return Ok(Held::Gone);
    };
    let Some(class) = catalog::relation_oid("strata", "queue") else {
        return Ok(Held::Gone);
    };
    let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    if !catalog::try_lock_object(class, Oid::from(queue.qid as u32), mode) {
        return Ok(Held::Busy);
    }
    // the lock lets in what others have changed
    Ok(by_number(qid)?.map_or(Held::Gone, Held::Here))
}

/// Waits for everybody who has written jobs of this queue, and keeps others from it to the end of the
/// transaction. `None` if it has been dropped meanwhile.
pub fn hold_alone(queue: &Queue) -> Result<Option<Rc<Queue>>> {
    lock(queue.qid, pg_sys::AccessExclusiveLock);
    by_number(queue.qid)
}

/// The segments of a ring as of now.
pub fn ring(ring: i32) -> Result<Rc<Ring>> {
    if let Some(known) = with(|k| k.rings.get(&ring).cloned()) {
        return Ok(known);
    }
    let epoch = queue_watch::epoch();
    let read = Rc::new(queue_sql::ring(ring)?);
    keep(epoch, |k| {
        k.rings.insert(ring, Rc::clone(&read));
    });
    Ok(read)
}
