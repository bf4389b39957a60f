//! Living jobs of a queue: how many there are, and all of them.

use super::claim_id::Lane;
use super::find::{self, Store};
use super::known::{self, Queue};
use crate::error::{Error, Kind, Result};
use crate::pg::call::Value;
use crate::pg::segment::{READY, Segment, Values, column};
use crate::pg::segment_walk::{Latest, Walk};
use crate::pg::{queue_args, queue_memory, spi};

/// Number of jobs in a state; 22023 for a state that living jobs do not have.
pub fn count(queue: &Queue, state: &str) -> Result<i64> {
    let streams = find::streams(queue)?;
    let running = match state {
        "ready" => false,
        "running" => true,
        "scheduled" => return Store::Scheduled.count(&streams),
        "held" => return Store::Held.count(&streams),
        other => {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("state \"{other}\" is not known"),
            )
            .hint("Use 'ready', 'running', 'scheduled' or 'held'; ended jobs are in strata.queue_history."));
        }
    };
    let mut count = 0;
    in_segments(queue, &streams, |row| {
        count += i64::from(row.is_running() == running);
    })?;
    Ok(count)
}

/// Visits all rows of a queue in segments, as of one moment, which is returned.
fn in_segments(queue: &Queue, streams: &[i32], mut each: impl FnMut(&Values)) -> Result<Latest> {
    loop {
        let ring = known::ring(queue.ring)?;
        let mut segments: Vec<Segment> = ring
            .segments
            .iter()
            .filter_map(|known| Segment::open_to_read(known.table, known.index))
            .collect();
        segments.iter_mut().for_each(Segment::release);
        let snapshot = Latest::take();
        if known::ring(queue.ring)? != ring {
            continue;
        }
        for segment in &segments {
            let mut walk = Walk::new(segment, &snapshot);
            for stream in streams {
                walk.to_queue(*stream);
                while let Some(entry) = walk.next() {
                    crate::pg::catalog::check_for_interrupts();
                    if let Some(found) = entry.found {
                        each(&found.row);
                    }
                }
            }
        }
        return Ok(snapshot);
    }
}

/// A living job, as the view `queue_jobs` shows it.
pub type Job = Vec<Option<Value>>;

/// All jobs of a queue, as of one moment. The segments are not locked any more when somebody looks at what `put` got.
pub fn jobs(queue: &Queue, mut put: impl FnMut(Job)) -> Result<()> {
    let streams = find::streams(queue)?;
    for store in Store::all() {
        store.pair().read()?;
    }
    let snapshot = in_segments(queue, &streams, |row| {
        let state = match row.state() {
            READY => "ready",
            _ => "running",
        };
        queue_memory::for_a_while(|| put(job(queue, state, row)));
    })?;
    spi::as_of(&snapshot, || {
        for store in Store::all() {
            for row in store.rows(&streams)? {
                queue_memory::for_a_while(|| put(job(queue, store.state(), &row)));
            }
        }
        Ok(())
    })
}

fn job(queue: &Queue, state: &str, row: &Values) -> Job {
    let running = row.is_running();
    let lane = Lane::from_number(row.short(column::LANE));
    let time = row.value(column::LEASE_UNTIL);
    vec![
        row.value(column::ID),
        queue_args::int_value(queue.qid),
        queue_args::text_value(state),
        row.whole(column::KIND),
        queue_args::int_value(lane.map_or(0, Lane::priority)),
        row.whole(column::PAYLOAD),
        row.whole(column::PROGRESS),
        row.whole(column::ERRORS),
        queue_args::int_value(i32::from(row.short(column::ATTEMPT))),
        queue_args::int_value(i32::from(row.short(column::MAX_ATTEMPTS))),
        row.whole(column::UNIQUE_KEY),
        row.whole(column::GROUP_KEY),
        row.value(column::WORKER).filter(|_| running),
        time.filter(|_| !running),
        row.value(column::PUSHED_AT),
        row.value(column::CLAIMED_AT),
        time.filter(|_| running),
    ]
}
