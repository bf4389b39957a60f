//! What became of the parents of a job, see [`super::after`].

use super::find::{self, Open, Spot};
use super::known::{self, Queue};
use super::pair::both;
use super::rights;
use super::waiting::Store;
use super::{past_table, settings_sql};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Segment, Values, column};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::{queue_memory, spi, xact};

/// What became of a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// in this queue
    Lives(i32),
    /// lives as far as one can see, but somebody may just be ending it
    Leaves,
    /// also: nobody knows any more how it ended
    Done,
    /// or was cancelled
    Failed,
}

const STATE: &str = "SELECT qid, state FROM strata.queue_ended WHERE id = $1 \
    UNION ALL SELECT qid, state FROM strata.queue_history_overflow WHERE id = $1";
const STATE_OVERFLOW: &str = "SELECT qid, state FROM strata.queue_history_overflow WHERE id = $1";
const SCHEDULED_BY: &str = both!(
    "SELECT xmax::text::bigint FROM ",
    "queue_scheduled",
    " WHERE qid = $1 AND id = $2"
);
const HELD_BY: &str = both!(
    "SELECT xmax::text::bigint FROM ",
    "queue_held",
    " WHERE qid = $1 AND id = $2"
);

/// What became of a job of any queue; most likely it is one of `queue`. If it lives, its queue is kept from being
/// dropped until the transaction ends. 42501 if it is of a queue in which the current user may do nothing.
pub fn state(queue: &Queue, id: i64) -> Result<Parent> {
    queue_memory::for_a_while(|| {
        if find::look(queue, id)?.is_some() {
            return Ok(Parent::Lives(queue.qid));
        }
        if let Some((qid, ended)) = history(id)? {
            if let Some(other) = known::by_number(qid)? {
                rights::need_any(&other)?;
            }
            return Ok(ended);
        }
        for name in settings_sql::names()? {
            let other = known::queue(&name)?;
            if other.qid == queue.qid || find::look(&other, id)?.is_none() {
                continue;
            }
            rights::need_any(&other)?;
            known::hold(&other)?;
            if find::look(&other, id)?.is_some() {
                return Ok(Parent::Lives(other.qid));
            }
            break;
        }
        // it may have ended after the first look
        Ok(history(id)?.map_or(Parent::Done, |(_, ended)| ended))
    })
}

/// What has become of a job that lived in this queue.
pub fn look_again(id: i64, qid: i32) -> Result<Parent> {
    queue_memory::for_a_while(|| {
        let queue = known::by_number(qid)?;
        if let Some(queue) = &queue
            && let Some(taken) = is_taken(queue, id)?
        {
            return Ok(match taken {
                true => Parent::Leaves,
                false => Parent::Lives(qid),
            });
        }
        // a job that was dropped with its queue has not been done
        let unknown = match queue {
            Some(_) => Parent::Done,
            None => Parent::Failed,
        };
        Ok(history(id)?.map_or(unknown, |(_, ended)| ended))
    })
}

/// The queue of an ended job, and how it ended.
fn history(id: i64) -> Result<Option<(i32, Parent)>> {
    let sql = match past_table::is_there()? {
        true => STATE,
        false => STATE_OVERFLOW,
    };
    let ended = as_extension_owner(|| {
        spi::read_kept(sql, &[id.into()], |row| {
            let ended = match row.need::<String>(2)?.as_str() {
                "done" => Parent::Done,
                _ => Parent::Failed,
            };
            Ok((row.need::<i32>(1)?, ended))
        })
    })?;
    Ok(ended.first().copied())
}

/// Has another transaction a living job? `None`: it does not live.
fn is_taken(queue: &Queue, id: i64) -> Result<Option<bool>> {
    find::visit(queue, id, Open::ToRead, |spot| match spot {
        Spot::Segment { segment, found, .. } => Ok(is_row_taken(segment, &found.row)),
        Spot::Store { store, row } => {
            let sql = match store {
                Store::Scheduled => SCHEDULED_BY,
                Store::Held => HELD_BY,
            };
            let args = [row.int(column::QID).into(), id.into()];
            let taken_by =
                as_extension_owner(|| spi::read_kept(sql, &args, |row| row.need::<i64>(1)))?;
            Ok(taken_by.first().map(|xid| xact::is_running(*xid)))
        }
    })
}

/// `None`: the row is not there any more.
fn is_row_taken(segment: &Segment, row: &Values) -> Option<bool> {
    let snapshot = Latest::take();
    let mut walk = Walk::new(segment, &snapshot);
    walk.to_row(
        row.int(column::QID),
        row.short(column::LANE),
        row.long(column::SEQ),
    );
    while let Some(entry) = walk.next() {
        if entry.found.is_some() {
            return Some(walk.is_taken());
        }
    }
    None
}
