//! What the functions of [`crate::pg::queue_call`] do.

use super::claim::{self, Wanted};
use super::job::{self, NewJob, OnDuplicate, Unique};
use super::known::{self, Queue};
use super::length::microseconds;
use super::rights::{self, Privilege};
use super::{end, push, schedules, sql_push, workers};
use crate::error::{Error, Kind, Result};
use crate::pg::call::Value;
use crate::pg::queue_call::{Calls, Given, NewSchedule, Pop, Push, PushSql};
use crate::pg::{spi, time};
use crate::worker;

pub struct Queues;

/// Most jobs that one call may ask for.
const MOST: i32 = 10_000;

impl Calls for Queues {
    fn push(&self, args: &Push) -> Result<Option<i64>> {
        spi::refuse_read_only(c"queue_push()");
        let queue = known::queue(&args.queue)?;
        rights::need(&queue, Privilege::Push)?;
        worker::ensure_worker();
        push::push(&queue, &new_job(args)?)
    }

    fn push_sql(&self, args: &PushSql) -> Result<Option<i64>> {
        spi::refuse_read_only(c"queue_push_sql()");
        let id = sql_push::push(args)?;
        worker::ensure_worker();
        Ok(id)
    }

    fn schedule(&self, args: &NewSchedule) -> Result<i64> {
        let id = schedules::schedule(args)?;
        worker::ensure_worker();
        Ok(id)
    }

    fn unschedule(&self, name: &str) -> Result<bool> {
        schedules::unschedule(name)
    }

    fn pop(&self, args: &Pop) -> Result<Vec<Given>> {
        spi::refuse_read_only(match args.done {
            Some(_) => c"queue_next()",
            None => c"queue_pop()",
        });
        let queue = known::queue(&args.queue)?;
        rights::need(&queue, Privilege::Pop)?;
        worker::ensure_worker();
        let n = usize::try_from(args.n).ok();
        // queue_next may be asked to complete only
        let least = i32::from(args.done.is_none());
        let n = n
            .filter(|_| (least..=MOST).contains(&args.n))
            .ok_or_else(|| {
                Error::new(
                    Kind::InvalidParameter,
                    format!("n {} is outside of {least} .. {MOST}", args.n),
                )
            })?;
        complete_all(&queue, args)?;
        if queue.paused || n == 0 {
            return Ok(Vec::new());
        }
        let now = time::wall_clock();
        let lease_us = args
            .lease
            .map(|i| microseconds(i, "lease", 1))
            .transpose()?;
        let wanted = Wanted {
            stream: queue.qid,
            n,
            now,
            lease: workers::lease(&queue, now, args.worker.as_deref(), lease_us, args.session)?,
        };
        let got = claim::claim(&queue, &wanted)?;
        Ok(got
            .into_iter()
            .map(|d| Given {
                claim: d.claim.pack(),
                priority: d.claim.lane.priority(),
                row: d.row,
            })
            .collect())
    }

    fn complete(
        &self,
        queue: &str,
        claim: i64,
        result: Option<Value>,
        strict: bool,
    ) -> Result<bool> {
        spi::refuse_read_only(c"queue_complete()");
        let queue = known::queue(queue)?;
        rights::need(&queue, Privilege::Pop)?;
        let done = end::complete(&queue, claim, result)?;
        if !done && strict {
            return Err(lost(&queue.name, claim));
        }
        Ok(done)
    }
}

/// Ends the jobs that `queue_next` was given, with their results.
fn complete_all(queue: &Queue, args: &Pop) -> Result<()> {
    let done = args.done.as_deref().unwrap_or_default();
    let claims = claims_with_results(done, "done", args.results.as_deref())?;
    let lost_ones = end::complete_all(queue, &claims)?;
    match lost_ones.first() {
        Some(claim) if args.strict => return Err(lost(&queue.name, *claim)),
        // the answer has no room for it
        Some(_) => pgrx::warning!("claims {lost_ones:?} of queue \"{}\" are lost", queue.name),
        None => {}
    }
    Ok(())
}

/// Claims that are to be completed, each with its result.
pub(super) fn claims_with_results(
    claims: &[Option<i64>],
    argument: &str,
    results: Option<&[Option<Value>]>,
) -> Result<Vec<(i64, Option<Value>)>> {
    if results.is_some_and(|r| r.len() != claims.len()) {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!(
                "results must have as many elements as {argument}, {}",
                claims.len()
            ),
        ));
    }
    let one = |(n, claim): (usize, &Option<i64>)| {
        let claim = claim.ok_or_else(|| {
            Error::new(
                Kind::NullNotAllowed,
                format!("{argument} must not have NULL elements"),
            )
        })?;
        Ok((claim, results.and_then(|r| r[n])))
    };
    claims.iter().enumerate().map(one).collect()
}

/// What a pusher says of a job.
pub(super) fn new_job(args: &Push) -> Result<NewJob> {
    let on_duplicate = OnDuplicate::parse(&args.on_duplicate)?;
    let until_start = job::until_start(&args.unique_until)?;
    let for_us = args.unique_for.map(|i| microseconds(i, "unique_for", 1));
    let for_us = for_us.transpose()?;
    let after = args.after.iter().flatten().copied();
    let after: Option<Vec<i64>> = after.collect();
    Ok(NewJob {
        payload: args.payload,
        kind: args.kind,
        unique: args.unique_key.as_ref().map(|key| Unique {
            key: key.clone(),
            on_duplicate,
            until_start,
            for_us,
        }),
        group_key: args.group_key.clone(),
        priority: args.priority,
        max_attempts: args.max_attempts,
        run_at: args.run_at,
        after: after
            .ok_or_else(|| Error::new(Kind::NullNotAllowed, "after must not have NULL elements"))?,
        ..NewJob::default()
    })
}

pub(super) fn lost(queue: &str, claim: i64) -> Error {
    Error::new(
        Kind::NotInState,
        format!("claim {claim} of queue \"{queue}\" is lost"),
    )
    .detail("Its lease was over, its job has ended, or the number is the id of a job.")
    .hint("Roll back what was done for this job; it is given to another worker.")
}
