//! Jobs that wait for their time: pushed with `run_at`, or between two attempts.
//!
//! They lie in the side store `queue_scheduled`, their time in `lease_until`. A job that has come back waits there in
//! the lane of those, and keeps its right to run in its group.

use super::claim_id::Lane;
use super::find::{self, Moved};
use super::known::{self, Held, Queue};
use super::pair::{Each, SCHEDULED, both, each};
use super::push;
use crate::error::Result;
use crate::pg::owner::{SettingScope, as_extension_owner};
use crate::pg::queue_args::time;
use crate::pg::segment::{SCHEDULED as WAITS, Values, column};
use crate::pg::shmem::Times;
use crate::pg::{queue_rows, queue_seq, queue_session, spi};

/// Jobs that one transaction makes ready.
pub const BATCH: i32 = 1_000;

const ADD: Each = each!(
    "INSERT INTO ",
    "queue_scheduled",
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
);
/// Those that others hold, to cancel or change them, are left to the next look.
const DUE: Each = Each {
    a: "DELETE FROM strata.queue_scheduled_a WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_scheduled_a \
        WHERE lease_until <= $1 AND lease_until >= $2 AND qid = ANY ($4) \
        ORDER BY lease_until, seq LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING *",
    b: "DELETE FROM strata.queue_scheduled_b WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_scheduled_b \
        WHERE lease_until <= $1 AND lease_until >= $2 AND qid = ANY ($4) \
        ORDER BY lease_until, seq LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING *",
};
const OF: &str = both!(
    "(SELECT DISTINCT d.qid FROM (SELECT qid FROM ",
    "queue_scheduled",
    " WHERE lease_until <= $1 AND lease_until >= $2 ORDER BY lease_until, seq LIMIT $3) d)"
);
const NEXT: &str = both!(
    "(SELECT * FROM ",
    "queue_scheduled",
    " WHERE lease_until >= $1 ORDER BY lease_until LIMIT 1)"
);

/// Keeps a job until `run_at` (microseconds since 2000-01-01 UTC). Its number and lane stay what they are.
pub fn add(queue: &Queue, row: &mut Values, run_at: i64) -> Result<()> {
    known::hold(queue)?;
    row.set_long(column::LEASE_UNTIL, run_at);
    row.set_state(WAITS);
    let open = SCHEDULED.write()?;
    as_extension_owner(|| queue_rows::put(ADD.of(open.current), row))?;
    queue_session::at_commit(Times {
        due: run_at,
        ..Times::NEVER
    });
    Ok(())
}

/// Makes jobs ready whose time lies from `from` to `now`, at most [`BATCH`] or a few more; returns how many.
pub fn promote(from: i64, now: i64) -> Result<usize> {
    let open = SCHEDULED.write()?;
    let held = held(from, now)?;
    if held.is_empty() {
        return Ok(0);
    }
    let mut due = Vec::new();
    for half in open.halves() {
        let args = [time(now), time(from), BATCH.into(), held.clone().into()];
        due.extend(by_index(|| queue_rows::take(DUE.of(half), &args))?);
    }
    due.sort_by_key(|row| (row.long(column::LEASE_UNTIL), row.long(column::SEQ)));
    let many = due.len();
    let mut moved = Vec::new();
    for mut row in due {
        // nobody knows this one any more
        let Some(queue) = known::by_number(row.int(column::QID))? else {
            continue;
        };
        let Some(lane) = Lane::from_number(row.short(column::LANE)) else {
            continue;
        };
        let seq = queue_seq::next();
        row.set_long(column::SEQ, seq);
        moved.push(Moved {
            qid: row.int(column::QID),
            id: row.long(column::ID),
            lane,
            seq,
        });
        // one that has come back has its right to run in its group, unless somebody has given it another time since
        push::place(&queue, row)?;
    }
    find::moved(&moved)?;
    Ok(many)
}

/// The queues and streams of jobs that are due, held to the end of the transaction; without those that somebody is
/// just dropping: we wait for nobody.
fn held(from: i64, now: i64) -> Result<Vec<i32>> {
    let args = [time(now), time(from), BATCH.into()];
    let all = by_index(|| spi::read_kept(OF, &args, |row| row.need::<i32>(1)))?;
    let mut held = Vec::new();
    for qid in all {
        if !matches!(known::hold_now(qid)?, Held::Busy) {
            held.push(qid);
        }
    }
    Ok(held)
}

/// The time of the next job that waits, from `from` on.
pub fn next(from: i64) -> Result<Option<i64>> {
    SCHEDULED.read()?;
    let waiting = by_index(|| queue_rows::read(NEXT, &[time(from)]))?;
    Ok(waiting
        .iter()
        .map(|row| row.long(column::LEASE_UNTIL))
        .min())
}

/// A fresh table has no statistics: its plans must not sort all rows.
pub(super) fn by_index<T>(ask: impl FnOnce() -> Result<T>) -> Result<T> {
    as_extension_owner(|| {
        let settings = SettingScope::new();
        for plan in ["enable_seqscan", "enable_bitmapscan", "enable_sort"] {
            settings.set(plan, "off");
        }
        ask()
    })
}
