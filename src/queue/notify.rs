//! NOTIFY on behalf of pushers: the background worker sends one notification for all jobs that became ready in a
//! queue since the last one. NOTIFY takes a lock that the whole cluster shares; so only this process takes it.

use super::known::{self, Notify, Queue};
use super::{look, own, runners, wake_sql};
use crate::error::Result;
use crate::pg::queue_wake::{self, Lost};
use crate::pg::queue_xact::notification;
use crate::pg::{bgworker, guc_queue, notify, queue_async};
use crate::worker::Prompt;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Time between two looks where no commit can wake this process.
const LOOK: Duration = Duration::from_millis(250);
/// A job that commits so long after it was numbered is not noticed by a look.
const MEMORY: Duration = Duration::from_secs(2);
/// Numbers that the first look goes back.
const BACK: i64 = 10_000;

/// What the looks of a process without shared memory remember.
#[derive(Default)]
struct Seen {
    looked: Option<Instant>,
    /// the newest number at earlier looks
    newest: VecDeque<(Instant, i64)>,
    /// numbers of jobs that were told, by queue or stream
    told: HashMap<i32, HashSet<i64>>,
}

#[derive(Default)]
struct Notifier {
    sent: Option<Instant>,
    lost: Lost,
    seen: Seen,
}

thread_local! {
    static NOTIFIER: RefCell<Notifier> = RefCell::default();
}

/// Runs at every waking of the background worker, and when it has asked to be woken.
pub(super) fn prompt() -> Result<Prompt> {
    NOTIFIER.with_borrow_mut(|n| {
        if queue_wake::shared() {
            n.prompt()
        } else {
            n.look()
        }
    })
}

impl Notifier {
    fn prompt(&mut self) -> Result<Prompt> {
        if !queue_wake::has_news(&self.lost) {
            return Ok(Prompt::NOTHING);
        }
        let now = Instant::now();
        let due = self.sent.map_or(now, |at| at + guc_queue::wake_interval());
        let left = due.saturating_duration_since(now);
        if !left.is_zero() {
            // news that are not taken wake nobody again
            return Ok(Prompt::not_before(left));
        }
        let (mut news, more) = queue_wake::take_news(&mut self.lost);
        self.sent = Some(now);
        let sql_jobs = bgworker::transaction(|| {
            if more {
                let last = wake_sql::last_number()?;
                news.extend(wake_sql::loud()?.into_iter().map(|qid| (qid, last)));
            }
            send(&news)
        })?;
        if sql_jobs {
            runners::watch()?;
        }
        Ok(Prompt::DONE)
    }

    fn look(&mut self) -> Result<Prompt> {
        let now = Instant::now();
        let due = self.seen.looked.map_or(now, |at| at + LOOK);
        let left = due.saturating_duration_since(now);
        if !left.is_zero() {
            return Ok(Prompt::again(left));
        }
        self.seen.looked = Some(now);
        bgworker::transaction(|| send(&self.seen.look(now)?))?;
        Ok(Prompt::again(LOOK))
    }
}

impl Seen {
    /// Queues with jobs that have become ready, each with its newest.
    fn look(&mut self, now: Instant) -> Result<Vec<(i32, i64)>> {
        let last = wake_sql::last_number()?;
        if self.newest.is_empty() {
            self.newest.push_back((now, last.saturating_sub(BACK)));
        }
        self.newest.push_back((now, last));
        while self
            .newest
            .get(1)
            .is_some_and(|(at, _)| *at + MEMORY <= now)
        {
            self.newest.pop_front();
        }
        let floor = self.newest.front().map_or(last, |(_, floor)| *floor);
        if floor == last {
            self.told.clear();
            return Ok(Vec::new());
        }
        let mut news = Vec::new();
        for qid in wake_sql::loud()? {
            let told = self.told.entry(qid).or_default();
            told.retain(|seq| *seq > floor);
            if let Some(queue) = known::by_number(qid)?
                && let Some(last) = look::newest(&queue, qid, floor, told)?
            {
                news.push((qid, last));
            }
        }
        Ok(news)
    }
}

/// Sends one notification per queue, without waiting for the disk: what a crash takes with it is told by nobody
/// anyway. True if there are SQL jobs among the news, which are for processes of ours.
fn send(news: &[(i32, i64)]) -> Result<bool> {
    let mut sql_jobs = false;
    let mut queues: HashMap<i32, (Rc<Queue>, i64)> = HashMap::new();
    for (qid, last) in news {
        // a queue that was dropped has nobody to tell
        let Some(queue) = known::by_number(*qid)? else {
            continue;
        };
        if own::is_own(*qid) {
            // its processes are started by the scheduler
        } else if queue.qid != *qid {
            sql_jobs = true;
        } else if queue.notify == Notify::Auto {
            let entry = queues.entry(queue.qid).or_insert((queue, *last));
            entry.1 = entry.1.max(*last);
        }
    }
    for (queue, last) in queues.values() {
        queue_async::weaken();
        notify::send(&queue.notify_channel, &notification(*last, &queue.name));
    }
    Ok(sql_jobs)
}
