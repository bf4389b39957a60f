//! Jobs that wait for others, seen from outside of the jobs themselves: marked ones, all of them, and those whose
//! parents are dropped with their queue. See [`super::after`].

use super::after;
use super::after_sql::{OF_QUEUE, WAITING};
use super::dirty::{Mark, What};
use super::find;
use super::known::{self, Queue};
use super::pair;
use super::scheduled::by_index;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_dirty, queue_memory, queue_rows, spi};
use crate::worker::Prompt;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Children that one statement of a look around sees.
const AROUND: i64 = 500;
/// A look around goes on for so long.
const TURN: Duration = Duration::from_millis(20);
/// A job that somebody may just be ending is looked for again after this time, which takes up to a part of all time.
const LEAVE: Duration = Duration::from_millis(100);
const SHARE: u32 = 20;

thread_local! {
    /// where the next look around goes on: at children that nothing keeps, at all of them
    static NEXT: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
    /// a job waits for another one that somebody may just be ending
    static LEAVING: Cell<bool> = const { Cell::new(false) };
}

/// Looks at a child that is marked; how many went on. Only up to `most` parents are looked for: others, with more
/// time, look for more.
pub fn look_at(queue: &Queue, mark: Mark, most: usize) -> Result<usize> {
    queue_dirty::done(mark);
    if mark.what == What::Child {
        return after::check(queue, mark.number).map(usize::from);
    }
    if !after::search(queue, mark.number, most)? {
        queue_dirty::give_back(mark);
        LEAVING.set(true);
    }
    Ok(0)
}

/// What follows from a look at all marks that was begun then: a child that was given back is to be looked at soon.
pub fn prompt(any: bool, begun: Instant) -> Prompt {
    match (any, LEAVING.take()) {
        (true, true) => Prompt::not_before(LEAVE.max(begun.elapsed() * SHARE)),
        (true, false) => Prompt::DONE,
        (false, _) => Prompt::NOTHING,
    }
}

/// A job of another queue that waits for one of a queue that is being dropped.
pub struct Left {
    parent: i64,
    child: i64,
    qid: i32,
}

/// Those that wait for living jobs of a queue. It is held alone.
pub fn children_of(queue: &Queue) -> Result<Vec<Left>> {
    pair::AFTER.read()?;
    let mut all = as_extension_owner(|| {
        spi::read_kept(OF_QUEUE, &[queue.qid.into()], |row| {
            Ok(Left {
                parent: row.need(1)?,
                child: row.need(2)?,
                qid: row.need(3)?,
            })
        })
    })?;
    all.retain(|left| left.qid != queue.qid);
    let mut kept = Vec::new();
    for left in all {
        if find::look(queue, left.parent)?.is_some() {
            kept.push(left);
        }
    }
    Ok(kept)
}

/// Their queue has been dropped: they fail as if their parents were cancelled.
pub fn fail_children(left: &[Left]) -> Result<()> {
    left.iter()
        .try_for_each(|l| after::one_ended(l.parent, false, l.child, l.qid))
}

/// Looks at children whatever was forgotten: some of them, the next ones the next time. Only up to `most` parents of
/// each are looked for.
pub fn look_around(most: usize) -> Result<()> {
    if queue_rows::is_empty("queue_held_a") && queue_rows::is_empty("queue_held_b") {
        return Ok(());
    }
    pair::AFTER.read()?;
    pair::HELD.read()?;
    let (free, all) = NEXT.get();
    let free = some(free, |queue, id, is_free| {
        if is_free {
            after::check(queue, id)?;
        }
        Ok(())
    })?;
    let all = some(all, |queue, id, _| after::search(queue, id, most).map(drop))?;
    NEXT.set((free, all));
    Ok(())
}

/// Visits children from one on; where to go on the next time.
fn some(from: i64, visit: impl Fn(&Queue, i64, bool) -> Result<()>) -> Result<i64> {
    let begun = Instant::now();
    let mut last = from;
    loop {
        let children = by_index(|| {
            spi::read_kept(WAITING, &[last.into(), AROUND.into()], |row| {
                Ok((
                    row.need::<i64>(1)?,
                    row.need::<i32>(2)?,
                    row.need::<bool>(3)?,
                ))
            })
        })?;
        let whole = children.len() as i64 == AROUND;
        for (id, qid, is_free) in children {
            if let Some(queue) = known::by_number(qid)? {
                queue_memory::for_a_while(|| visit(&queue, id, is_free))?;
            }
            last = id;
            if begun.elapsed() > TURN {
                return Ok(last);
            }
        }
        if !whole {
            return Ok(0);
        }
    }
}
