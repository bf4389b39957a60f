//! How queues stand: jobs by state, what has happened to them, who works.

use super::known::{self, Queue, Ring, State};
use super::own;
use super::rights::{self, Privilege};
use super::settings_sql as sql;
use crate::error::Result;
use crate::pg::queue_counters::{self, Seen};
use crate::pg::segment::{READY, Segment, Values, column};
use crate::pg::segment_sweep::each_row;
use crate::pg::segment_walk::Latest;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// One queue.
#[derive(Debug, Default)]
pub struct Stats {
    pub queue: String,
    pub paused: bool,
    pub ready: i64,
    pub running: i64,
    pub scheduled: i64,
    pub held: i64,
    /// when the oldest of its ready jobs was pushed; microseconds since 2000-01-01 UTC
    pub oldest_ready: Option<i64>,
    /// `None` without shared memory
    pub counted: Option<Seen>,
    /// of the ring that it lies in
    pub segments: i32,
    pub parked: i32,
    /// that have a job of it and said their name
    pub workers: HashSet<i32>,
}

type Queues = Vec<(Rc<Queue>, Stats)>;
/// Places in [`Queues`] by the numbers of queues and of their streams.
type Places = HashMap<i32, usize>;

/// All queues that the current user may read, by name.
fn readable() -> Result<(Queues, Places)> {
    let mut queues = Queues::new();
    let mut places = Places::new();
    let mut all = Vec::new();
    for name in sql::names()? {
        let queue = known::queue(&name)?;
        if rights::has(&queue, Privilege::Read)? {
            all.push(queue);
        }
    }
    all.extend(own::shown()?);
    for queue in all {
        for number in sql::numbers(queue.qid)? {
            places.insert(number, queues.len());
        }
        let stats = Stats {
            queue: queue.name.clone(),
            paused: queue.paused,
            counted: queue_counters::see(queue.qid),
            ..Stats::default()
        };
        queues.push((queue, stats));
    }
    Ok((queues, places))
}

/// How they stand.
pub fn look() -> Result<Vec<Stats>> {
    let (mut queues, places) = readable()?;
    let rings: HashSet<i32> = queues.iter().map(|(q, _)| q.ring).collect();
    for ring in rings {
        in_segments(ring, &places, &mut queues)?;
    }
    if !queues.is_empty() {
        for (qid, count) in sql::waiting("queue_scheduled")? {
            each(&places, &mut queues, qid, |s| s.scheduled += count);
        }
        for (qid, count) in sql::waiting("queue_held")? {
            each(&places, &mut queues, qid, |s| s.held += count);
        }
    }
    Ok(queues.into_iter().map(|(_, stats)| stats).collect())
}

fn each(places: &Places, queues: &mut Queues, qid: i32, change: impl FnOnce(&mut Stats)) {
    if let Some((_, stats)) = places.get(&qid).and_then(|n| queues.get_mut(*n)) {
        change(stats);
    }
}

/// Calls `look` for each job in the segments of a ring.
fn each_job(number: i32, mut look: impl FnMut(&Values)) -> Result<Rc<Ring>> {
    let ring = known::ring(number)?;
    let snapshot = Latest::take();
    for known in &ring.segments {
        let Some(mut segment) = Segment::open_to_read(known.table, known.index) else {
            continue;
        };
        each_row(&segment, &snapshot, |found| {
            look(&found.row);
            true
        });
        segment.release();
    }
    Ok(ring)
}

fn in_segments(number: i32, places: &Places, queues: &mut Queues) -> Result<()> {
    let ring = each_job(number, |row| {
        each(places, queues, row.int(column::QID), |stats| {
            if row.state() == READY {
                stats.ready += 1;
                let at = row.long(column::PUSHED_AT);
                stats.oldest_ready = Some(stats.oldest_ready.map_or(at, |o| o.min(at)));
            } else {
                stats.running += 1;
                let worker = row.int(column::WORKER);
                if worker != 0 {
                    stats.workers.insert(worker);
                }
            }
        });
    })?;
    let parked = ring.segments.iter().filter(|s| s.state == State::Parked);
    let (all, parked) = (ring.segments.len() as i32, parked.count() as i32);
    for (_, stats) in queues.iter_mut().filter(|(q, _)| q.ring == number) {
        (stats.segments, stats.parked) = (all, parked);
    }
    Ok(())
}

/// What one worker has of one queue.
#[derive(Debug)]
pub struct Worker {
    pub queue: String,
    /// its number in strata.queue_worker; 0: it says no name
    pub worker: i32,
    pub running: i64,
    /// when its oldest claim was made, and when its first lease ends; microseconds since 2000-01-01 UTC
    pub claimed_at: i64,
    pub lease_until: i64,
}

/// Who has jobs of the queues that the current user may read.
pub fn workers() -> Result<Vec<Worker>> {
    let (queues, places) = readable()?;
    let mut all: HashMap<(usize, i32), Worker> = HashMap::new();
    let rings: HashSet<i32> = queues.iter().map(|(q, _)| q.ring).collect();
    for ring in rings {
        each_job(ring, |row| {
            let at = places.get(&row.int(column::QID));
            let Some((at, queue)) = at.and_then(|at| queues.get(*at).map(|(q, _)| (*at, q))) else {
                return;
            };
            if row.state() == READY {
                return;
            }
            let worker = row.int(column::WORKER);
            let claimed_at = row.long(column::CLAIMED_AT);
            let lease_until = row.long(column::LEASE_UNTIL);
            let known = all.entry((at, worker)).or_insert_with(|| Worker {
                queue: queue.name.clone(),
                worker,
                running: 0,
                claimed_at,
                lease_until,
            });
            known.running += 1;
            known.claimed_at = known.claimed_at.min(claimed_at);
            known.lease_until = known.lease_until.min(lease_until);
        })?;
    }
    Ok(all.into_values().collect())
}
