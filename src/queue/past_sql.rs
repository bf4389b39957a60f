//! Statements about the history; all run as the extension's owner.

use super::claim_id::Lane;
use super::job::Outcome;
use super::known::Queue;
use crate::error::Result;
use crate::pg::call::Value;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Values, column};
use crate::pg::{queue_args, spi};
use pgrx::datum::DatumWithOid;

/// Where a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    Table,
    Overflow,
}

/// An ended job.
pub struct Ended<'a> {
    pub queue: &'a Queue,
    pub row: &'a Values,
    pub outcome: &'a Outcome,
    /// microseconds since 2000-01-01 UTC
    pub finished_at: i64,
}

macro_rules! columns {
    () => {
        "id, pushed_at, started_at, finished_at, qid, stream, attempts, max_attempts, priority, state, queue, kind, \
         worker, unique_key, group_key, payload, result, progress, errors"
    };
}

macro_rules! insert_into {
    ($table:literal) => {
        concat!(
            "INSERT INTO strata.",
            $table,
            " (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
             (SELECT w.name FROM strata.queue_worker w WHERE w.id = $13), $14, $15, $16, $17, $18, \
             CASE WHEN $20::text IS NULL THEN $19::jsonb ELSE coalesce($19::jsonb, '[]') || jsonb_build_array( \
             jsonb_build_object('at', $4, 'cancelled', $20::text)) END)"
        )
    };
}

const INSERT: &str = insert_into!("queue_ended");
const INSERT_OVERFLOW: &str = insert_into!("queue_history_overflow");

/// Writes one row.
pub fn insert(into: Into, ended: &Ended<'_>) -> Result<()> {
    let row = ended.row;
    let of = |column| queue_args::column(row, column);
    let (result, reason) = match ended.outcome {
        Outcome::Done { result } => (*result, None),
        Outcome::Failed => (None, None),
        Outcome::Cancelled { reason } => (None, reason.clone()),
    };
    let lane = Lane::from_number(row.short(column::LANE));
    let priority = lane.map_or(0, Lane::priority) as i16;
    let args: [DatumWithOid<'_>; 20] = [
        of(column::ID),
        of(column::PUSHED_AT),
        of(column::CLAIMED_AT),
        queue_args::time(ended.finished_at),
        ended.queue.qid.into(),
        of(column::QID),
        of(column::ATTEMPT),
        of(column::MAX_ATTEMPTS),
        priority.into(),
        ended.outcome.name().into(),
        ended.queue.name.as_str().into(),
        of(column::KIND),
        of(column::WORKER),
        of(column::UNIQUE_KEY),
        of(column::GROUP_KEY),
        of(column::PAYLOAD),
        queue_args::json(result),
        of(column::PROGRESS),
        of(column::ERRORS),
        reason.into(),
    ];
    let sql = match into {
        Into::Table => INSERT,
        Into::Overflow => INSERT_OVERFLOW,
    };
    as_extension_owner(|| spi::write_kept(sql, &args, |_| Ok(()))).map(drop)
}

const WANTED: &str = "SELECT EXISTS (SELECT FROM strata.queue WHERE keep <> 'none') \
    OR EXISTS (SELECT FROM strata.queue_history_overflow) OR EXISTS (SELECT FROM pg_class \
    WHERE relname = 'queue_ended' AND relnamespace = 'strata'::regnamespace)";

/// Is there anything that belongs to the history, or may be soon?
pub fn is_wanted() -> Result<bool> {
    as_extension_owner(|| {
        let wanted = spi::read_kept(WANTED, &[], |row| row.need::<bool>(1))?;
        Ok(wanted.first().copied().unwrap_or(false))
    })
}

const MOVE: &str = concat!(
    "WITH gone AS (DELETE FROM strata.queue_history_overflow WHERE ctid = ANY (ARRAY( \
     SELECT ctid FROM strata.queue_history_overflow ORDER BY finished_at LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING ",
    columns!(),
    ") INSERT INTO strata.queue_ended (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM gone RETURNING 1"
);

/// Moves the oldest rows of the overflow table to the hypertable; returns how many.
pub fn move_batch(rows: i64) -> Result<usize> {
    as_extension_owner(|| Ok(spi::write_kept(MOVE, &[rows.into()], |_| Ok(()))?.len()))
}

const LAST_ERROR: &str =
    "SELECT coalesce($1::jsonb -> -1 ->> 'error', $1::jsonb -> -1 ->> 'cancelled')";

/// The last error of a living job.
pub fn last_error(row: &Values) -> Result<Option<Value>> {
    if row.value(column::ERRORS).is_none() {
        return Ok(None);
    }
    as_extension_owner(|| {
        let args = [queue_args::column(row, column::ERRORS)];
        let text = spi::read_kept(LAST_ERROR, &args, |row| Ok(row.value(1)))?;
        Ok(text.into_iter().next().flatten())
    })
}

/// What `queue_result` says of a job: state, result, progress, error, attempt, pushed_at, started_at and
/// finished_at, as they are.
pub type Told = Vec<Option<Value>>;

macro_rules! told_from {
    ($from:literal) => {
        concat!(
            "SELECT state, result, progress, coalesce(errors -> -1 ->> 'error', errors -> -1 ->> 'cancelled'), \
             attempts::int4, pushed_at, started_at, finished_at FROM ",
            $from,
            " WHERE id = $1 AND qid = $2"
        )
    };
}

const TOLD: &str = concat!(
    told_from!("strata.queue_ended"),
    " UNION ALL ",
    told_from!("strata.queue_history_overflow"),
    " ORDER BY 8 DESC LIMIT 1"
);
const TOLD_OVERFLOW: &str = told_from!("strata.queue_history_overflow");

/// An ended job. `table`: the hypertable is there.
pub fn told(table: bool, queue: &Queue, id: i64) -> Result<Option<Told>> {
    let sql = if table { TOLD } else { TOLD_OVERFLOW };
    as_extension_owner(|| {
        let told = spi::read_kept(sql, &[id.into(), queue.qid.into()], |row| {
            Ok((1..=8).map(|n| row.value(n)).collect())
        })?;
        Ok(told.into_iter().next())
    })
}

/// What a job of the history needs to live again.
pub struct Past {
    pub stream: i32,
    pub priority: i32,
    pub max_attempts: i32,
    pub unique_key: Option<String>,
    pub group_key: Option<String>,
    pub kind: Option<Value>,
    pub payload: Option<Value>,
    pub errors: Option<Value>,
}

macro_rules! bring_back_from {
    ($table:literal) => {
        concat!(
            "DELETE FROM strata.",
            $table,
            " WHERE id = $1 AND finished_at = $2 AND state <> 'done' \
             RETURNING stream, priority::int4, max_attempts::int4, unique_key, group_key, kind, payload, errors"
        )
    };
}

/// When a job of a queue ended last. Looked for before it is deleted, so that one chunk is locked, not all.
const ENDED: &str = "SELECT finished_at FROM strata.queue_ended WHERE id = $1 AND qid = $2 \
    UNION ALL SELECT finished_at FROM strata.queue_history_overflow WHERE id = $1 AND qid = $2 ORDER BY 1 DESC LIMIT 1";
const ENDED_OVERFLOW: &str =
    "SELECT finished_at FROM strata.queue_history_overflow WHERE id = $1 AND qid = $2";
const BRING_BACK: &str = bring_back_from!("queue_ended");
const BRING_BACK_OVERFLOW: &str = bring_back_from!("queue_history_overflow");

/// Takes a failed or cancelled job out of the history; `None` if there is none. `table`: the hypertable is there.
pub fn bring_back(table: bool, queue: &Queue, id: i64) -> Result<Option<Past>> {
    let ended = if table { ENDED } else { ENDED_OVERFLOW };
    as_extension_owner(|| {
        let at = spi::read_kept(ended, &[id.into(), queue.qid.into()], |row| {
            row.need::<pgrx::datum::TimestampWithTimeZone>(1)
        })?;
        let Some(at) = at.into_iter().next() else {
            return Ok(None);
        };
        for sql in [BRING_BACK_OVERFLOW, BRING_BACK] {
            if sql == BRING_BACK && !table {
                continue;
            }
            let past = spi::write_kept(sql, &[id.into(), at.into()], |row| {
                Ok(Past {
                    stream: row.need(1)?,
                    priority: row.need(2)?,
                    max_attempts: row.need(3)?,
                    unique_key: row.get(4)?,
                    group_key: row.get(5)?,
                    kind: row.value(6),
                    payload: row.value(7),
                    errors: row.value(8),
                })
            })?;
            if let Some(past) = past.into_iter().next() {
                return Ok(Some(past));
            }
        }
        Ok(None)
    })
}
