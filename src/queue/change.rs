//! Changing a job that waits, by its id, and bringing one back from the history.

use super::claim_id::Lane;
use super::find::{self, Moved, Open, Spot, Store};
use super::job::{NewJob, OnDuplicate, Unique};
use super::known::{self, Queue};
use super::sql_push::changed_payload;
use super::{after, groups, past_sql, past_table, push};
use crate::error::Result;
use crate::pg::call::Value;
use crate::pg::segment::{Change, Values, column};
use crate::pg::{queue_seq, queue_xact, time};

/// What is to be another one; `None` leaves it as it is.
#[derive(Clone, Copy, Default)]
pub struct Wish {
    /// -50 .. 50
    pub priority: Option<i32>,
    /// microseconds since 2000-01-01 UTC
    pub run_at: Option<i64>,
    /// jsonb
    pub payload: Option<Value>,
}

impl Wish {
    fn is_empty(&self) -> bool {
        self.priority.is_none() && self.run_at.is_none() && self.payload.is_none()
    }
}

/// Changes a job that waits; false if it runs, has ended or is not known. A new priority or time gives it a new
/// place: behind those of its priority that are ready already. Waits for another transaction that has the job.
pub fn change(queue: &Queue, id: i64, wish: &Wish) -> Result<bool> {
    if let Some(priority) = wish.priority {
        push::lane(priority)?;
    }
    let queue = &*known::hold(queue)?;
    let changed = find::visit(queue, id, Open::ToWrite, |spot| match spot {
        Spot::Segment { found, .. } if found.row.is_running() => Ok(Some(false)),
        _ if wish.is_empty() => Ok(Some(true)),
        Spot::Segment {
            segment,
            generation,
            found,
        } => {
            let mut row = found.row;
            let (qid, key) = (row.int(column::QID), find::key(&row, *generation));
            if let Some(key) = key {
                queue_xact::locked(qid, key);
            }
            if wish.priority.is_none() && wish.run_at.is_none() {
                let payload = changed_payload(queue, &row, wish.payload)?;
                row.set_value(column::PAYLOAD, payload);
                if segment.change_waiting(found, &[column::PAYLOAD], &mut row) == Change::Missed {
                    return Ok(None);
                }
                // searches have passed it by meanwhile
                if let Some(key) = key {
                    queue_xact::pushed(qid, key);
                }
                return Ok(Some(true));
            }
            if segment.delete(found, true) == Change::Missed {
                return Ok(None);
            }
            // its right to be ready goes to another member of its group
            let later = wish.run_at.is_some_and(|at| at > time::wall_clock());
            if later && row.value(column::GROUP_KEY).is_some() {
                groups::leave(queue, &row, false)?;
            }
            row.clear(column::LEASE_UNTIL);
            put_back(queue, row, wish).map(Some)
        }
        // a job that waits for others has no number of its own to lose, and stays where it is
        Spot::Store {
            store: Store::Held,
            row,
        } if row.state() != groups::WAITS => {
            let mut row = **row;
            apply(queue, &mut row, wish)?;
            after::touched(&row)?;
            Ok(Store::Held.change(&row)?.then_some(true))
        }
        Spot::Store { store, row } => match store.take(row)? {
            Some(row) => {
                groups::look_again(queue, &row);
                put_back(queue, row, wish).map(Some)
            }
            None => Ok(None),
        },
    })?;
    Ok(changed.unwrap_or(false))
}

fn apply(queue: &Queue, row: &mut Values, wish: &Wish) -> Result<()> {
    if wish.payload.is_some() {
        let payload = changed_payload(queue, row, wish.payload)?;
        row.set_value(column::PAYLOAD, payload);
    }
    if let Some(at) = wish.run_at {
        row.set_long(column::LEASE_UNTIL, at);
    }
    let old = Lane::from_number(row.short(column::LANE));
    if let (Some(old), Some(priority)) = (old, wish.priority)
        && let Some(lane) = Lane::new(priority, old != old.returned())
    {
        row.set_short(column::LANE, lane.number());
    }
    Ok(())
}

/// Puts a job that is in no store where it waits now, under a new number.
fn put_back(queue: &Queue, mut row: Values, wish: &Wish) -> Result<bool> {
    apply(queue, &mut row, wish)?;
    let seq = queue_seq::next();
    row.set_long(column::SEQ, seq);
    if let Some(lane) = Lane::from_number(row.short(column::LANE)) {
        find::moved(&[Moved {
            qid: row.int(column::QID),
            id: row.long(column::ID),
            lane,
            seq,
        }])?;
    }
    push::place(queue, row)?;
    Ok(true)
}

/// Brings a failed or cancelled job back from the history, with its id and no attempt; false if there is none.
/// 23505 if its unique key is taken.
pub fn retry(queue: &Queue, id: i64) -> Result<bool> {
    let Some(past) = past_sql::bring_back(past_table::is_there()?, queue, id)? else {
        return Ok(false);
    };
    let job = NewJob {
        payload: past.payload,
        kind: past.kind,
        unique: past.unique_key.map(|key| Unique {
            key,
            on_duplicate: OnDuplicate::Error,
            ..Unique::default()
        }),
        group_key: past.group_key,
        priority: past.priority,
        max_attempts: Some(past.max_attempts),
        stream: Some(past.stream),
        id: Some(id),
        errors: past.errors,
        ..NewJob::default()
    };
    push::push(queue, &job)?;
    Ok(true)
}
