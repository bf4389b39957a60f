//! Waiting for a ready job, or for the end of one, without a snapshot and without asking again and again.

use super::known::{self, Queue};
use super::rights::{self, Privilege};
use super::scheduler::Tx;
use super::{find, look};
use crate::error::{Error, Kind, Result};
use crate::pg::queue_many_call::Wait;
use crate::pg::queue_wake::{self, Waiting};
use crate::pg::{bgworker, nonatomic, spi};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A wake-up that was lost costs no more than this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Where nobody can wake anybody.
const POLL: Duration = Duration::from_millis(100);

/// True when a job of the queue is ready, or with `id` when that job has ended; false when the time is over.
/// Commits before it waits, and holds neither snapshot nor lock while it does.
pub fn wait(args: &Wait) -> Result<bool> {
    spi::refuse_in_recovery();
    let limit = Duration::from_micros(u64::try_from(args.timeout_us).map_err(|_| negative())?);
    let end = Instant::now().checked_add(limit);
    let queue = named(args)?;
    nonatomic::commit()?;
    let place = queue_wake::enter(queue.qid, args.id);
    loop {
        place.iter().for_each(Waiting::looks);
        // the queue may be dropped or paused meanwhile
        let found = Tx::Session.run(|| look(&*named(args)?, args.id))?;
        if found {
            return Ok(true);
        }
        let left = end.map_or(LOOK_AGAIN, |end| {
            end.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return Ok(false);
        }
        let pause = if place.is_some() { LOOK_AGAIN } else { POLL };
        bgworker::pause(left.min(pause).max(Duration::from_millis(1)));
    }
}

fn named(args: &Wait) -> Result<Rc<Queue>> {
    let queue = known::queue(&args.queue)?;
    let privilege = match args.id {
        None => Privilege::Pop,
        Some(_) => Privilege::Read,
    };
    rights::need(&queue, privilege)?;
    Ok(queue)
}

fn look(queue: &Queue, id: Option<i64>) -> Result<bool> {
    match id {
        None => look::any_ready(queue),
        Some(id) => Ok(find::look(queue, id)?.is_none()),
    }
}

fn negative() -> Error {
    Error::new(Kind::InvalidParameter, "timeout must not be shorter than 0")
}
