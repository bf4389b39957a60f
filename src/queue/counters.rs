//! What has happened to the jobs of each queue, counted in shared memory from the start of the server on.
//!
//! Plain numbers: [`crate::pg::queue_counters`] holds them, and counts when a transaction commits.

use super::board::Name;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Pushed,
    Done,
    Failed,
    /// an attempt ended without success, and there is another one
    Retried,
}

pub const EVENTS: usize = 4;

/// Numbers of events, in the order of [`Event`].
pub type Numbers = [u64; EVENTS];

/// Rates are counted over so many microseconds.
const WINDOW_US: i64 = 60_000_000;

/// The events of one queue. All zeros: a place that is free.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Entry {
    database: u32,
    qid: i32,
    total: Numbers,
    /// number of the window that `now` counts
    window: i64,
    now: Numbers,
    /// the window before
    before: Numbers,
}

/// What is known of a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    pub total: Numbers,
    /// per second, over about the last minute
    pub rate: [f64; EVENTS],
}

impl Entry {
    fn is_of(&self, name: Name) -> bool {
        self.qid == name.qid && self.database == name.database
    }

    fn turn(&mut self, time: i64) {
        let window = time.div_euclid(WINDOW_US);
        if window != self.window {
            let follows = window == self.window + 1;
            self.before = if follows { self.now } else { [0; EVENTS] };
            self.now = [0; EVENTS];
            self.window = window;
        }
    }

    fn rate(&self, event: usize, time: i64) -> f64 {
        let passed = time.rem_euclid(WINDOW_US) as f64 / WINDOW_US as f64;
        let events = self.before[event] as f64 * (1.0 - passed) + self.now[event] as f64;
        events / (WINDOW_US as f64 / 1e6)
    }
}

/// Some queues.
#[derive(Debug)]
#[repr(C)]
pub struct Counters<const PLACES: usize> {
    entries: [Entry; PLACES],
}

impl<const PLACES: usize> Counters<PLACES> {
    /// Counts events of a queue at a time in microseconds; nothing happens where all places are taken.
    pub fn add(&mut self, name: Name, events: &Numbers, time: i64) {
        let free = |e: &Entry| e.qid == 0;
        let place = self.entries.iter().position(|e| e.is_of(name));
        let place = place.or_else(|| self.entries.iter().position(free));
        let Some(entry) = place.and_then(|p| self.entries.get_mut(p)) else {
            return;
        };
        entry.database = name.database;
        entry.qid = name.qid;
        entry.turn(time);
        for (event, count) in events.iter().enumerate() {
            entry.total[event] = entry.total[event].wrapping_add(*count);
            entry.now[event] = entry.now[event].wrapping_add(*count);
        }
    }

    /// `None`: nothing was counted so far.
    pub fn see(&mut self, name: Name, time: i64) -> Option<Seen> {
        let entry = self.entries.iter_mut().find(|e| e.is_of(name))?;
        entry.turn(time);
        Some(Seen {
            total: entry.total,
            rate: std::array::from_fn(|event| entry.rate(event, time)),
        })
    }

    /// A queue was dropped: its place is free.
    pub fn forget(&mut self, name: Name) {
        for entry in self.entries.iter_mut().filter(|e| e.is_of(name)) {
            *entry = Entry {
                database: 0,
                qid: 0,
                total: [0; EVENTS],
                window: 0,
                now: [0; EVENTS],
                before: [0; EVENTS],
            };
        }
    }
}

/// What a transaction that has not ended has done, by the depth of its subtransactions.
#[derive(Debug, Default)]
pub struct Tally {
    levels: Vec<(i32, Vec<(i32, Numbers)>)>,
}

impl Tally {
    pub const fn new() -> Tally {
        Tally { levels: Vec::new() }
    }

    /// Notes events of a queue at a nesting depth.
    pub fn add(&mut self, depth: i32, qid: i32, event: Event, count: u64) {
        if self.levels.last().is_none_or(|(d, _)| *d != depth) {
            self.levels.push((depth, Vec::new()));
        }
        if let Some((_, queues)) = self.levels.last_mut() {
            note(queues, qid, |numbers| numbers[event as usize] += count);
        }
    }

    /// A subtransaction at this depth has ended well: what it did is its parent's.
    pub fn sub_commit(&mut self, depth: i32) {
        let Some((last, queues)) = self.levels.pop_if(|(d, _)| *d >= depth) else {
            return;
        };
        debug_assert_eq!(last, depth);
        if self.levels.last().is_none_or(|(d, _)| *d != depth - 1) {
            self.levels.push((depth - 1, queues));
            return;
        }
        if let Some((_, parent)) = self.levels.last_mut() {
            for (qid, numbers) in queues {
                note(parent, qid, |all| {
                    all.iter_mut().zip(numbers).for_each(|(a, n)| *a += n);
                });
            }
        }
    }

    /// What was done at this depth and deeper is undone.
    pub fn sub_abort(&mut self, depth: i32) {
        while self.levels.pop_if(|(d, _)| *d >= depth).is_some() {}
    }

    /// All that has been done; afterwards nothing is.
    pub fn take(&mut self) -> Vec<(i32, Numbers)> {
        let mut all = Vec::new();
        for (_, queues) in std::mem::take(&mut self.levels) {
            for (qid, numbers) in queues {
                note(&mut all, qid, |sum| {
                    sum.iter_mut().zip(numbers).for_each(|(a, n)| *a += n);
                });
            }
        }
        all
    }
}

fn note(queues: &mut Vec<(i32, Numbers)>, qid: i32, change: impl FnOnce(&mut Numbers)) {
    let place = queues.iter().position(|(q, _)| *q == qid);
    let place = place.unwrap_or_else(|| {
        queues.push((qid, [0; EVENTS]));
        queues.len() - 1
    });
    if let Some((_, numbers)) = queues.get_mut(place) {
        change(numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(qid: i32) -> Name {
        Name { database: 5, qid }
    }

    fn empty() -> Counters<2> {
        // as shared memory is at first
        let entry = Entry {
            database: 0,
            qid: 0,
            total: [0; EVENTS],
            window: 0,
            now: [0; EVENTS],
            before: [0; EVENTS],
        };
        Counters {
            entries: [entry; 2],
        }
    }

    #[test]
    fn events_add_up_by_queue_and_a_full_table_counts_nothing_more() {
        let mut c = empty();
        c.add(name(1), &[1, 2, 3, 4], 0);
        c.add(name(1), &[1, 0, 0, 0], 10);
        c.add(name(2), &[7, 0, 0, 0], 10);
        c.add(name(3), &[9, 0, 0, 0], 10);
        assert_eq!(c.see(name(1), 20).map(|s| s.total), Some([2, 2, 3, 4]));
        assert_eq!(c.see(name(2), 20).map(|s| s.total), Some([7, 0, 0, 0]));
        assert_eq!(c.see(name(3), 20), None);
        c.forget(name(1));
        assert_eq!(c.see(name(1), 20), None);
        c.add(name(3), &[9, 0, 0, 0], 10);
        assert_eq!(c.see(name(3), 20).map(|s| s.total[0]), Some(9));
    }

    #[test]
    fn rates_follow_the_last_minute() {
        let mut c = empty();
        let minute = WINDOW_US;
        c.add(name(1), &[600, 0, 0, 0], 10 * minute);
        let rate = |c: &mut Counters<2>, time| c.see(name(1), time).map_or(-1.0, |s| s.rate[0]);
        assert_eq!(rate(&mut c, 10 * minute + minute / 2), 10.0);
        assert_eq!(rate(&mut c, 11 * minute), 10.0);
        assert_eq!(rate(&mut c, 11 * minute + minute / 2), 5.0);
        assert_eq!(rate(&mut c, 13 * minute), 0.0);
        assert_eq!(c.see(name(1), 13 * minute).map(|s| s.total[0]), Some(600));
    }

    #[test]
    fn only_what_was_not_undone_counts() {
        let mut t = Tally::new();
        t.add(1, 7, Event::Pushed, 1);
        t.add(2, 7, Event::Pushed, 10);
        t.add(2, 8, Event::Done, 5);
        t.sub_abort(2);
        t.add(2, 7, Event::Pushed, 100);
        t.add(3, 7, Event::Failed, 2);
        t.sub_commit(3);
        t.sub_commit(2);
        assert_eq!(t.take(), [(7, [101, 0, 2, 0])]);
        assert_eq!(t.take(), []);
        t.add(3, 9, Event::Retried, 1);
        t.sub_commit(3);
        t.sub_abort(2);
        assert_eq!(t.take(), [], "the parent was undone");
    }
}
