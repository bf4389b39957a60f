//! A push that takes the place of a job that waits: what `on_duplicate` 'replace' and 'replace_payload' do.

use super::find::{self, Open, Spot, Store};
use super::job::{NewJob, OnDuplicate};
use super::known::Queue;
use super::pair::{self, Each};
use super::sql_push::check_same_stream;
use super::{after, groups, push};
use crate::error::Result;
use crate::pg::call::Value;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Change, Found, Segment, Values, column};
use crate::pg::{bgworker, queue_args, queue_rows, queue_xact, spi, time};
use std::time::Duration;

/// Statements about a row of a store that waits for nobody but in the store of scheduled jobs: who has a held
/// member gives it to a worker, maybe in a long transaction; who has a scheduled job ends it or brings it to its
/// next place at once.
macro_rules! held {
    ($before:literal, $table:literal, $after:literal) => {
        concat!(
            $before,
            $table,
            " WHERE ctid = (SELECT ctid FROM ",
            $table,
            " WHERE qid = $1 AND id = $2 FOR UPDATE SKIP LOCKED) ",
            $after
        )
    };
}
macro_rules! set_payload {
    ($table:literal, $where:literal) => {
        concat!("UPDATE ", $table, " SET payload = $3 ", $where)
    };
}

const TAKE_SCHEDULED: Each = Each {
    a: "DELETE FROM strata.queue_scheduled_a WHERE qid = $1 AND id = $2 RETURNING *",
    b: "DELETE FROM strata.queue_scheduled_b WHERE qid = $1 AND id = $2 RETURNING *",
};
const TAKE_HELD: Each = Each {
    a: held!("DELETE FROM ", "strata.queue_held_a", "RETURNING *"),
    b: held!("DELETE FROM ", "strata.queue_held_b", "RETURNING *"),
};
const SET_SCHEDULED: Each = Each {
    a: set_payload!(
        "strata.queue_scheduled_a",
        "WHERE qid = $1 AND id = $2 RETURNING 1"
    ),
    b: set_payload!(
        "strata.queue_scheduled_b",
        "WHERE qid = $1 AND id = $2 RETURNING 1"
    ),
};
const SET_HELD: Each = Each {
    a: set_payload!(
        "strata.queue_held_a",
        "WHERE ctid = (SELECT ctid FROM strata.queue_held_a WHERE qid = $1 AND id = $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
    ),
    b: set_payload!(
        "strata.queue_held_b",
        "WHERE ctid = (SELECT ctid FROM strata.queue_held_b WHERE qid = $1 AND id = $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
    ),
};

/// Gives a job that waits what the pusher says; its id stays, and with 'replace_payload' everything but the payload.
/// False: it runs, somebody is about to give it to a worker, or it has ended.
pub fn waiting(queue: &Queue, mode: OnDuplicate, job: &NewJob, id: i64) -> Result<bool> {
    if mode == OnDuplicate::ReplacePayload {
        return change(queue, job, id);
    }
    let Some(old) = take(queue, id)? else {
        return Ok(false);
    };
    // in the same group it keeps its place; otherwise that is free for others
    let group = old.text(column::GROUP_KEY);
    let waits = !job.after.is_empty() || job.run_at.is_some_and(|at| at > time::wall_clock());
    if group.is_some() && (group != job.group_key || waits) {
        groups::leave(queue, &old, false)?;
    }
    after::forget_replaced(&old)?;
    push::again(queue, job, &old)?;
    Ok(true)
}

/// How often a job that somebody holds is looked for again, and after what time: who admits it, or moves it to
/// another segment, lets go of it at once; who claims it may keep it for long.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Somebody holds the job: `None` to look again, see [`find::visit`], and in the end what that means.
fn unless_let_go<T>(tries: &mut u32, then: T) -> Option<T> {
    *tries += 1;
    if *tries > TRIES {
        return Some(then);
    }
    bgworker::pause(PAUSE);
    None
}

/// Takes a job that waits out of its place.
fn take(queue: &Queue, id: i64) -> Result<Option<Values>> {
    let mut tries = 0;
    let taken = find::visit(queue, id, Open::ToWrite, |spot| match spot {
        Spot::Segment { found, .. } if found.row.is_running() => Ok(Some(None)),
        Spot::Segment {
            segment,
            generation,
            found,
        } => {
            note(found, *generation, false);
            let row = found.row.copy();
            Ok(match segment.delete(found, false) {
                Change::Done => Some(Some(row)),
                Change::Missed => {
                    if segment.raced() {
                        note(found, *generation, true);
                    }
                    unless_let_go(&mut tries, None)
                }
            })
        }
        Spot::Store {
            store: Store::Held,
            row,
        } => {
            let open = pair::HELD.write()?;
            Ok(match take_from(TAKE_HELD, open, row)? {
                Some(row) => Some(Some(row)),
                None => unless_let_go(&mut tries, None),
            })
        }
        Spot::Store {
            store: Store::Scheduled,
            row,
        } => {
            let open = pair::SCHEDULED.write()?;
            // gone to its next place: it is looked for again
            Ok(take_from(TAKE_SCHEDULED, open, row)?.map(Some))
        }
    })?;
    Ok(taken.flatten())
}

fn take_from(sql: Each, open: pair::Open, row: &Values) -> Result<Option<Values>> {
    let args = [row.int(column::QID).into(), row.long(column::ID).into()];
    for half in open.halves() {
        let taken = as_extension_owner(|| queue_rows::take(sql.of(half), &args))?;
        if let Some(row) = taken.into_iter().next() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Gives a job that waits another payload, where it is.
fn change(queue: &Queue, job: &NewJob, id: i64) -> Result<bool> {
    let payload = job.payload;
    let mut tries = 0;
    let changed = find::visit(queue, id, Open::ToWrite, |spot| match spot {
        Spot::Segment { found, .. } if found.row.is_running() => Ok(Some(false)),
        Spot::Segment {
            segment,
            generation,
            found,
        } => {
            check_same_stream(queue, &found.row, job)?;
            Ok(match change_ready(segment, *generation, found, payload) {
                true => Some(true),
                false => unless_let_go(&mut tries, false),
            })
        }
        Spot::Store {
            store: Store::Held,
            row,
        } => {
            check_same_stream(queue, row, job)?;
            let open = pair::HELD.write()?;
            groups::look_again(queue, row);
            after::touched(row)?;
            Ok(match change_in(SET_HELD, open, row, payload)? {
                true => Some(true),
                false => unless_let_go(&mut tries, false),
            })
        }
        Spot::Store {
            store: Store::Scheduled,
            row,
        } => {
            check_same_stream(queue, row, job)?;
            let open = pair::SCHEDULED.write()?;
            Ok(change_in(SET_SCHEDULED, open, row, payload)?.then_some(true))
        }
    })?;
    Ok(changed == Some(true))
}

fn change_ready(segment: &Segment, generation: u32, found: &Found, payload: Option<Value>) -> bool {
    note(found, generation, false);
    let mut row = found.row;
    row.set_value(column::PAYLOAD, payload);
    let done = segment.change(found, &[column::PAYLOAD], &mut row) == Change::Done;
    if done || segment.raced() {
        // searches have passed it meanwhile, as somebody had it
        note(found, generation, true);
    }
    done
}

/// A ready row is touched: it is ready again if that is undone, or also when it commits.
fn note(found: &Found, generation: u32, stays: bool) {
    if let Some(key) = find::key(&found.row, generation) {
        let qid = found.row.int(column::QID);
        match stays {
            true => queue_xact::pushed(qid, key),
            false => queue_xact::locked(qid, key),
        }
    }
}

fn change_in(sql: Each, open: pair::Open, row: &Values, payload: Option<Value>) -> Result<bool> {
    let args = [
        row.int(column::QID).into(),
        row.long(column::ID).into(),
        queue_args::json(payload),
    ];
    for half in open.halves() {
        let changed = as_extension_owner(|| spi::write_kept(sql.of(half), &args, |_| Ok(())))?;
        if !changed.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
