//! Who waits for which queue, and which queues have got ready jobs since the background worker looked: what
//! lies in shared memory so that a commit can wake others without NOTIFY.
//!
//! A waiter enters, then looks for itself, then sleeps: what is committed before the look is seen by it, what
//! is committed after it finds the waiter here. Plain numbers in fixed arrays; a list that is full costs the
//! one who finds no room a look by the clock, never a job.

use super::board::Name;

/// Somebody who sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiter {
    name: Name,
    /// the job whose end is waited for; 0: a ready job
    id: i64,
    /// address of the latch; 0: free
    latch: usize,
    /// was woken since it last looked
    woken: bool,
}

/// A queue that has got ready jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// of queue and database; a database of 0 is a free place
    name: Name,
    /// the id of the newest job
    last: i64,
}

const NOBODY: Waiter = Waiter {
    name: Name {
        database: 0,
        qid: 0,
    },
    id: 0,
    latch: 0,
    woken: false,
};

const NOTHING: News = News {
    name: Name {
        database: 0,
        qid: 0,
    },
    last: 0,
};

/// Most that one commit wakes; the others are woken by what they find when they look.
pub const MOST: usize = 32;

/// Latches to be set when the lock is given back.
#[derive(Debug, Clone, Copy)]
pub struct Latches {
    count: usize,
    latches: [usize; MOST],
}

impl Latches {
    fn none() -> Latches {
        Latches {
            count: 0,
            latches: [0; MOST],
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.latches[..self.count].iter().copied()
    }

    fn add(&mut self, latch: usize) -> bool {
        if self.count < MOST {
            self.latches[self.count] = latch;
            self.count += 1;
        }
        self.count < MOST
    }
}

/// What became of telling that a queue has got ready jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// the worker of the database is to be woken
    First,
    /// it knows already
    Again,
}

/// Waiters and news of the queues whose names have the same remainder. All zeros is empty.
#[derive(Debug, Clone, Copy)]
pub struct Waiters<const WAITERS: usize, const NEWS: usize> {
    waiting: u32,
    /// how often news found no room
    lost: u32,
    waiters: [Waiter; WAITERS],
    news: [News; NEWS],
}

impl<const WAITERS: usize, const NEWS: usize> Default for Waiters<WAITERS, NEWS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WAITERS: usize, const NEWS: usize> Waiters<WAITERS, NEWS> {
    #[must_use]
    pub const fn new() -> Self {
        Waiters {
            waiting: 0,
            lost: 0,
            waiters: [NOBODY; WAITERS],
            news: [NOTHING; NEWS],
        }
    }

    /// Begins to wait for a ready job of a queue, or for the end of the job `id`. `None`: no room.
    pub fn enter(&mut self, name: Name, id: i64, latch: usize) -> Option<usize> {
        let at = self.waiters.iter().position(|w| w.latch == 0)?;
        self.waiters[at] = Waiter {
            name,
            id,
            latch,
            woken: false,
        };
        self.waiting += 1;
        Some(at)
    }

    /// About to look: whatever is committed from now on wakes again.
    pub fn looks(&mut self, at: usize) {
        self.waiters[at].woken = false;
    }

    pub fn leave(&mut self, at: usize) {
        if std::mem::replace(&mut self.waiters[at], NOBODY).latch != 0 {
            self.waiting -= 1;
        }
    }

    /// All places of a process that ends.
    pub fn leave_all(&mut self, latch: usize) {
        for at in 0..WAITERS {
            if self.waiters[at].latch == latch {
                self.leave(at);
            }
        }
    }

    /// So many jobs became ready: wakes as many who are not awake yet.
    pub fn ready(&mut self, name: Name, count: u64) -> Latches {
        let mut left = count;
        self.wake(|w| {
            let wanted = left > 0 && w.id == 0 && w.name == name;
            left -= u64::from(wanted);
            wanted
        })
    }

    /// Jobs have ended: wakes all who wait for one of them. No ids: for any.
    pub fn ended(&mut self, name: Name, ids: &[i64]) -> Latches {
        self.wake(|w| w.id != 0 && w.name == name && (ids.is_empty() || ids.contains(&w.id)))
    }

    fn wake(&mut self, mut wanted: impl FnMut(&Waiter) -> bool) -> Latches {
        let mut latches = Latches::none();
        let mut left = self.waiting;
        for waiter in &mut self.waiters {
            if left == 0 {
                break;
            }
            left -= u32::from(waiter.latch != 0);
            if waiter.latch != 0 && !waiter.woken && wanted(waiter) {
                waiter.woken = true;
                if !latches.add(waiter.latch) {
                    break;
                }
            }
        }
        latches
    }

    /// Notes for the worker of the database that a queue has got ready jobs.
    pub fn tell(&mut self, name: Name, last: i64) -> Told {
        let mut free = None;
        for (at, news) in self.news.iter_mut().enumerate() {
            if news.name == name {
                news.last = news.last.max(last);
                return Told::Again;
            }
            if news.name.database == 0 && free.is_none() {
                free = Some(at);
            }
        }
        match free {
            Some(at) => self.news[at] = News { name, last },
            None => self.lost = self.lost.wrapping_add(1),
        }
        Told::First
    }

    /// True if there is something to take, or more was lost than `lost`.
    #[must_use]
    pub fn has_news(&self, database: u32, lost: u32) -> bool {
        self.lost != lost || self.news.iter().any(|n| n.name.database == database)
    }

    /// Takes the news of a database: queue and newest id. Also says how often news was lost up to now.
    pub fn take_news(&mut self, database: u32, mut each: impl FnMut(i32, i64)) -> u32 {
        for news in &mut self.news {
            if news.name.database == database {
                each(news.name.qid, news.last);
                *news = NOTHING;
            }
        }
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Name = Name {
        database: 5,
        qid: 1,
    };
    const B: Name = Name {
        database: 5,
        qid: 2,
    };

    fn woken(latches: &Latches) -> Vec<usize> {
        latches.iter().collect()
    }

    #[test]
    fn as_many_are_woken_as_there_are_jobs() {
        let mut w = Waiters::<8, 2>::new();
        for latch in [10, 11, 12] {
            assert!(w.enter(A, 0, latch).is_some());
        }
        assert!(w.enter(B, 0, 20).is_some());
        assert!(w.enter(A, 7, 30).is_some());
        assert_eq!(woken(&w.ready(A, 2)), [10, 11]);
        assert_eq!(woken(&w.ready(A, 2)), [12], "two are awake already");
        w.looks(1);
        assert_eq!(woken(&w.ready(A, 5)), [11]);
        assert_eq!(woken(&w.ready(B, 5)), [20]);
    }

    #[test]
    fn the_end_of_a_job_wakes_all_who_wait_for_it() {
        let mut w = Waiters::<8, 2>::new();
        for (name, id, latch) in [(A, 7, 10), (A, 7, 11), (A, 8, 12), (B, 7, 13), (A, 0, 14)] {
            assert!(w.enter(name, id, latch).is_some());
        }
        assert_eq!(woken(&w.ended(A, &[6])), [0; 0]);
        assert_eq!(woken(&w.ended(A, &[6, 7])), [10, 11]);
        assert_eq!(woken(&w.ended(A, &[])), [12], "any");
    }

    #[test]
    fn who_has_left_is_not_woken_and_makes_room() {
        let mut w = Waiters::<2, 2>::new();
        let first = w.enter(A, 0, 10).expect("room");
        assert!(w.enter(A, 0, 11).is_some());
        assert_eq!(w.enter(A, 0, 12), None);
        w.leave(first);
        w.leave(first);
        assert_eq!(woken(&w.ready(A, 5)), [11]);
        assert!(w.enter(A, 0, 12).is_some());
        w.leave_all(11);
        assert_eq!(woken(&w.ready(A, 5)), [12]);
        w.leave_all(12);
        assert_eq!(w.waiting, 0);
    }

    #[test]
    fn news_are_told_once_until_they_are_taken() {
        let mut w = Waiters::<1, 2>::new();
        assert_eq!(w.tell(A, 5), Told::First);
        assert_eq!(w.tell(A, 9), Told::Again);
        assert_eq!(w.tell(A, 7), Told::Again);
        assert!(w.has_news(5, 0) && !w.has_news(6, 0));
        let mut seen = Vec::new();
        assert_eq!(w.take_news(6, |q, id| seen.push((q, id))), 0);
        assert_eq!(w.take_news(5, |q, id| seen.push((q, id))), 0);
        assert_eq!(seen, [(1, 9)]);
        assert!(!w.has_news(5, 0));
        assert_eq!(w.tell(A, 10), Told::First);
    }

    #[test]
    fn lost_news_are_counted() {
        let mut w = Waiters::<1, 1>::new();
        w.tell(A, 1);
        assert_eq!(w.tell(B, 2), Told::First);
        assert_eq!(w.take_news(5, |_, _| {}), 1);
        assert!(w.has_news(6, 0), "every worker looks everywhere");
        assert!(!w.has_news(6, 1));
    }
}
