//! The history of ended jobs: the hypertable `strata.queue_ended`, chunked by `finished_at`.
//!
//! History never refuses a job and never waits: the row goes to the hypertable only if a chunk for now is there
//! and its locks are free; otherwise to `strata.queue_history_overflow`, from where housekeeping moves it. So nothing depends
//! on chunks being made on demand, which needs `shared_preload_libraries`. The view `queue_history` shows both.
//!
//! A row of the history is deleted by `queue_retry` alone: the job lives again then.

use super::job::Outcome;
use super::known::{Keep, Queue};
use super::past_sql::{self, Ended, Into};
use super::past_table;
use super::scheduler::Tx;
use crate::error::Result;
use crate::pg::owner::SettingScope;
use crate::pg::segment::Values;
use crate::pg::subxact::attempt;
use crate::pg::time;
use pgrx::PgSqlErrorCode;
use std::time::{Duration, Instant};

/// Most rows that one transaction moves.
const BATCH: i64 = 1_000;
/// How long a move waits for whoever holds the table.
const PATIENCE: &str = "50ms";
/// A round of housekeeping moves rows for so long.
const ROUND: Duration = Duration::from_millis(20);

/// Does a queue want this job in the history? Cancelled jobs count as failed ones: `queue_retry` brings both back.
fn wants(keep: Keep, outcome: &Outcome) -> bool {
    match keep {
        Keep::None => false,
        Keep::Failed => !matches!(outcome, Outcome::Done { .. }),
        Keep::All => true,
    }
}

/// Keeps an ended job if its queue wants it; never refuses a job, and never waits for a lock.
pub fn keep(queue: &Queue, row: &Values, outcome: &Outcome) -> Result<()> {
    if !wants(queue.keep, outcome) {
        return Ok(());
    }
    let now = time::wall_clock();
    let into = match past_table::takes(now)? {
        true => Into::Table,
        false => Into::Overflow,
    };
    past_sql::insert(
        into,
        &Ended {
            queue,
            row,
            outcome,
            finished_at: now,
        },
    )
}

/// Housekeeping: makes the table and its next chunk, and moves what had to wait.
pub fn move_overflow(tx: Tx) -> Result<u64> {
    let wanted = tx.run(past_sql::is_wanted)?;
    if !wanted || !tx.run(|| ensure_soon(tx))? {
        return Ok(0);
    }
    let mut moved = 0;
    let begun = Instant::now();
    while begun.elapsed() < ROUND {
        let rows = tx.run(move_some)?;
        moved += rows as u64;
        if (rows as i64) < BATCH {
            break;
        }
    }
    Ok(moved)
}

/// Whoever reads the view in a long transaction keeps it from showing the new table for so long, and nobody else
/// from anything. Who calls the housekeeping by hand waits for a worker that is just making the table.
fn ensure_soon(tx: Tx) -> Result<bool> {
    let patience = match tx {
        Tx::Worker => PATIENCE,
        Tx::Session => "10s",
    };
    let made = attempt(|| {
        let settings = SettingScope::new();
        settings.set("lock_timeout", patience);
        past_table::ensure()
    });
    match made {
        Ok(made) => made,
        Err(caught) if caught.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Ok(false),
        Err(caught) => Err(caught.into()),
    }
}

/// Whoever holds the table, and a constraint or trigger of its owner that refuses the rows, makes them stay: the
/// view shows them there too.
fn move_some() -> Result<usize> {
    let moved = attempt(|| {
        let settings = SettingScope::new();
        settings.set("lock_timeout", PATIENCE);
        past_table::make_chunks(BATCH)?;
        past_sql::move_batch(BATCH)
    });
    match moved {
        Ok(moved) => moved,
        Err(caught) if caught.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Ok(0),
        Err(caught) => {
            pgrx::log!(
                "pg_strata: ended jobs stay in strata.queue_history_overflow: {}",
                caught.message
            );
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelled_jobs_are_kept_with_failed_ones() {
        let done = Outcome::Done { result: None };
        let cancelled = Outcome::Cancelled { reason: None };
        let kept = |keep| [&done, &Outcome::Failed, &cancelled].map(|outcome| wants(keep, outcome));
        assert_eq!(kept(Keep::None), [false, false, false]);
        assert_eq!(kept(Keep::Failed), [false, true, true]);
        assert_eq!(kept(Keep::All), [true, true, true]);
    }
}
