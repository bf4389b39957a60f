//! Many jobs in one call.

use super::counters::Event;
use super::hint::Key;
use super::job::{NewJob, OnDuplicate, Unique};
use super::known::{self, Queue};
use super::rights::{self, Privilege};
use super::{bounded, calls, end, push, wait};
use crate::error::{Error, Kind, Result};
use crate::pg::queue_many_call::{CompleteMany, Many, PushMany, Wait};
use crate::pg::segment::{Values, column};
use crate::pg::{queue_counters, queue_seq, spi, time};
use crate::worker;

pub struct Queues;

/// Rows that are added at once.
const BATCH: usize = 1_000;

impl Many for Queues {
    fn push(&self, args: &PushMany) -> Result<Vec<Option<i64>>> {
        spi::refuse_read_only(c"queue_push_many()");
        let queue = known::queue(&args.queue)?;
        rights::need(&queue, Privilege::Push)?;
        worker::ensure_worker();
        let on_duplicate = OnDuplicate::parse(&args.on_duplicate)?;
        same_length("unique_keys", args.unique_keys.as_deref(), args)?;
        same_length("group_keys", args.group_keys.as_deref(), args)?;
        let later = args.run_at.is_some_and(|at| at > time::wall_clock());
        if args.unique_keys.is_none() && args.group_keys.is_none() && !later {
            return plain(&queue, args);
        }
        one_by_one(&queue, args, on_duplicate)
    }

    fn complete(&self, args: &CompleteMany) -> Result<Vec<i64>> {
        spi::refuse_read_only(c"queue_complete_many()");
        let queue = known::queue(&args.queue)?;
        rights::need(&queue, Privilege::Pop)?;
        let claims = calls::claims_with_results(&args.claims, "claims", args.results.as_deref())?;
        let lost = end::complete_all(&queue, &claims)?;
        match lost.first() {
            Some(claim) if args.strict => Err(calls::lost(&queue.name, *claim)),
            _ => Ok(lost),
        }
    }

    fn wait(&self, args: &Wait) -> Result<bool> {
        wait::wait(args)
    }
}

fn same_length(name: &str, keys: Option<&[Option<String>]>, args: &PushMany) -> Result<()> {
    match keys {
        Some(keys) if keys.len() != args.payloads.len() => Err(Error::new(
            Kind::InvalidParameter,
            format!(
                "{name} must have as many elements as payloads, {}",
                args.payloads.len()
            ),
        )),
        _ => Ok(()),
    }
}

fn job(args: &PushMany, n: usize) -> NewJob {
    NewJob {
        payload: args.payloads[n],
        kind: args.kind,
        priority: args.priority,
        max_attempts: args.max_attempts,
        run_at: args.run_at,
        ..NewJob::default()
    }
}

/// Jobs that only have to be put into the tail: one record in the log for each page.
fn plain(queue: &Queue, args: &PushMany) -> Result<Vec<Option<i64>>> {
    let lane = push::lane(args.priority)?;
    let queue = &*known::hold(queue)?;
    let max_attempts = push::max_attempts(queue, args.max_attempts)?;
    bounded::check(queue, args.payloads.len())?;
    let mut ids = Vec::with_capacity(args.payloads.len());
    let jobs: Vec<usize> = (0..args.payloads.len()).collect();
    for batch in jobs.chunks(BATCH) {
        let (tail, generation) = push::tail(queue.ring)?;
        let mut rows: Vec<Values> = batch
            .iter()
            .map(|n| {
                let seq = queue_seq::next();
                push::row(queue, &job(args, *n), lane, max_attempts, seq, seq)
            })
            .collect();
        tail.insert_many(&mut rows);
        for row in &rows {
            let seq = row.long(column::SEQ);
            let key = Key {
                lane: lane.byte(),
                generation,
                seq,
            };
            push::tell(queue, row, key);
            ids.push(Some(seq));
        }
    }
    queue_counters::count(queue.qid, Event::Pushed, ids.len() as u64);
    Ok(ids)
}

/// Jobs with keys. They are numbered in the order of the call; the keys are taken in the order of keys, so that
/// two calls with the same keys never wait for each other in a circle.
fn one_by_one(
    queue: &Queue,
    args: &PushMany,
    on_duplicate: OnDuplicate,
) -> Result<Vec<Option<i64>>> {
    let unique = |n: usize| args.unique_keys.as_ref().and_then(|keys| keys[n].clone());
    let group = |n: usize| args.group_keys.as_ref().and_then(|keys| keys[n].clone());
    let seqs: Vec<i64> = args.payloads.iter().map(|_| queue_seq::next()).collect();
    let mut order: Vec<usize> = (0..args.payloads.len()).collect();
    order.sort_by_cached_key(|n| unique(*n));
    let mut ids = vec![None; order.len()];
    for n in order {
        let unique = unique(n).map(|key| Unique {
            key,
            on_duplicate,
            ..Unique::default()
        });
        let job = NewJob {
            unique,
            group_key: group(n),
            seq: Some(seqs[n]),
            ..job(args, n)
        };
        ids[n] = push::push(queue, &job)?;
    }
    Ok(ids)
}
