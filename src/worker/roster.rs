//! Which database gets a worker when: the launcher's decisions, without any process or clock.
//!
//! A worker that finds no extension ends at once. So "no extension" and "keeps failing" look alike from
//! here, and both are tried again with growing delay; a session that creates the extension asks for its
//! database, which skips the delay.

use std::collections::BTreeMap;

/// Milliseconds since the launcher started.
pub type Millis = u64;

/// Workers that have not yet shown whether they stay; bounds the load of a server with many databases.
const TRIALS: usize = 2;
/// A longer trial waits for something, say for a copy of its database, and must not hold up others.
const LONG_TRIAL: Millis = 5_000;
/// A worker that lived this long was no failure.
const LONG: Millis = 60_000;
const FIRST_DELAY: Millis = 5_000;
const LAST_DELAY: Millis = 600_000;
/// A wish that a worker did not heed within this time was meant for the worker itself.
const WISH_HOLDS: Millis = 5_000;
/// Pauses after the server had no free process.
const FIRST_FULL: Millis = 1_000;
const LAST_FULL: Millis = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// no worker; the next is due at that time
    Due(Millis),
    /// started, not seen serving
    Trial(Millis),
    /// serves the database
    Serving(Millis),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    state: State,
    delay: Millis,
    /// asked for while a worker was there
    wished: Option<Millis>,
}

/// All databases that may get a worker.
#[derive(Debug, Default)]
pub struct Roster {
    entries: BTreeMap<u32, Entry>,
    full_until: Millis,
    full_pause: Millis,
}

/// What the launcher sees in one round.
pub struct Sight<'a> {
    pub now: Millis,
    /// databases that may have a worker
    pub databases: &'a [u32],
    /// databases whose worker serves
    pub served: &'a [u32],
    /// databases whose worker, started by this launcher, has not ended
    pub alive: &'a [u32],
}

impl Roster {
    /// Takes in what is there now.
    pub fn see(&mut self, sight: &Sight<'_>) {
        let now = sight.now;
        self.entries.retain(|d, _| sight.databases.contains(d));
        for database in sight.databases {
            let entry = self.entries.entry(*database).or_insert(Entry {
                state: State::Due(now),
                delay: 0,
                wished: None,
            });
            let served = sight.served.contains(database);
            let there = served || sight.alive.contains(database);
            entry.state = match entry.state {
                State::Due(_) if served => State::Serving(now),
                State::Trial(since) if served => State::Serving(since),
                State::Trial(_) if !there => entry.ended(now, 0),
                State::Serving(since) if !there => entry.ended(now, now.saturating_sub(since)),
                same => same,
            };
            if entry
                .wished
                .is_some_and(|at| now.saturating_sub(at) > WISH_HOLDS)
            {
                entry.wished = None;
            }
        }
    }

    /// A session asked for a worker in `database`.
    pub fn wish(&mut self, database: u32, now: Millis) {
        if let Some(entry) = self.entries.get_mut(&database) {
            entry.delay = 0;
            match entry.state {
                State::Due(at) => entry.state = State::Due(at.min(now)),
                State::Trial(_) | State::Serving(_) => entry.wished = Some(now),
            }
        }
    }

    /// Sessions asked for more databases than fit on the board.
    pub fn wish_all(&mut self, now: Millis) {
        let all: Vec<u32> = self.entries.keys().copied().collect();
        for database in all {
            self.wish(database, now);
        }
    }

    /// The database to start a worker in next, if any.
    pub fn next(&self, now: Millis) -> Option<u32> {
        if now < self.full_until || self.trials(now) >= TRIALS {
            return None;
        }
        let due = self.entries.iter().filter_map(|(d, e)| match e.state {
            State::Due(at) if at <= now => Some((at, *d)),
            _ => None,
        });
        due.min().map(|(_, database)| database)
    }

    /// A worker was started in `database`.
    pub fn started(&mut self, database: u32, now: Millis) {
        self.full_pause = 0;
        if let Some(entry) = self.entries.get_mut(&database) {
            entry.state = State::Trial(now);
        }
    }

    fn trials(&self, now: Millis) -> usize {
        self.entries.values().filter(|e| e.on_trial(now)).count()
    }

    /// The server had no free process: nothing is started for a while. True when nothing goes on at all;
    /// otherwise a trial has the last one, and usually ends at once.
    pub fn refused(&mut self, now: Millis) -> bool {
        if self.trials(now) > 0 {
            return false;
        }
        self.full_pause = (self.full_pause * 2).clamp(FIRST_FULL, LAST_FULL);
        self.full_until = now + self.full_pause;
        true
    }

    /// Databases that wait because the server has no free process.
    pub fn waiting(&self, now: Millis) -> usize {
        let due = |e: &&Entry| matches!(e.state, State::Due(at) if at <= now);
        self.entries.values().filter(due).count()
    }

    /// How long the launcher may sleep, at most `longest`, when nobody wakes it.
    pub fn sleep(&self, now: Millis, longest: Millis) -> Millis {
        let due = self.entries.values().filter_map(|e| match e.state {
            State::Due(at) => Some(at.max(self.full_until)),
            // the end of a trial wakes the launcher; its success does not
            State::Trial(_) => Some(now + 1_000),
            State::Serving(_) => None,
        });
        let next = due.min().unwrap_or(now + longest);
        // never 0: two trials under way may keep a due database waiting
        next.saturating_sub(now).clamp(100, longest)
    }
}

impl Entry {
    fn on_trial(&self, now: Millis) -> bool {
        matches!(self.state, State::Trial(since) if now.saturating_sub(since) < LONG_TRIAL)
    }

    fn ended(&mut self, now: Millis, lived: Millis) -> State {
        if self.wished.take().is_some() {
            self.delay = 0;
            return State::Due(now);
        }
        self.delay = if lived >= LONG {
            FIRST_DELAY
        } else {
            (self.delay * 2).clamp(FIRST_DELAY, LAST_DELAY)
        };
        State::Due(now + self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(roster: &mut Roster, now: Millis, databases: &[u32], served: &[u32], alive: &[u32]) {
        roster.see(&Sight {
            now,
            databases,
            served,
            alive,
        });
    }

    #[test]
    fn new_databases_are_due_at_once_two_at_a_time() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5, 6, 7], &[], &[]);
        assert_eq!(r.next(0), Some(5));
        r.started(5, 0);
        assert_eq!(r.next(0), Some(6));
        r.started(6, 0);
        assert_eq!(r.next(0), None, "a third trial");
        see(&mut r, 10, &[5, 6, 7], &[5], &[5, 6]);
        assert_eq!(r.next(10), Some(7), "5 serves, so one trial is over");
    }

    #[test]
    fn stuck_trials_do_not_hold_up_others() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5, 6, 7], &[], &[]);
        r.started(5, 0);
        r.started(6, 0);
        see(&mut r, LONG_TRIAL, &[5, 6, 7], &[], &[5, 6]);
        assert_eq!(r.next(LONG_TRIAL), Some(7));
        r.started(7, LONG_TRIAL);
        assert_eq!(r.next(LONG_TRIAL), None, "5 and 6 are not started twice");
    }

    #[test]
    fn without_the_extension_delays_grow_to_a_limit() {
        let mut r = Roster::default();
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..10 {
            see(&mut r, now, &[5], &[], &[]);
            assert_eq!(r.next(now), Some(5));
            r.started(5, now);
            now += 20;
            see(&mut r, now, &[5], &[], &[]);
            assert_eq!(r.next(now), None);
            let sleep = r.sleep(now, LAST_DELAY);
            delays.push(sleep);
            now += sleep;
        }
        assert_eq!(delays[0], FIRST_DELAY);
        assert_eq!(delays[1], 2 * FIRST_DELAY);
        assert_eq!(delays[9], LAST_DELAY);
    }

    #[test]
    fn a_wish_skips_the_delay() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5], &[], &[]);
        r.started(5, 0);
        see(&mut r, 20, &[5], &[], &[]);
        assert_eq!(r.next(30), None);
        r.wish(5, 30);
        assert_eq!(r.next(30), Some(5));
        r.wish(99, 30);
        assert_eq!(r.entries.len(), 1, "unknown databases are not invented");
    }

    #[test]
    fn a_wish_during_a_trial_leads_to_another_one() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5], &[], &[]);
        r.started(5, 0);
        r.wish(5, 5);
        see(&mut r, 20, &[5], &[], &[]);
        assert_eq!(r.next(20), Some(5), "it may have looked before the commit");
    }

    #[test]
    fn an_old_wish_does_not_hurry_a_restart() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5], &[], &[]);
        r.started(5, 0);
        see(&mut r, 10, &[5], &[5], &[5]);
        r.wish(5, 20);
        see(&mut r, 20_000, &[5], &[5], &[5]);
        see(&mut r, 90_000, &[5], &[], &[]);
        assert_eq!(r.next(90_000), None);
        assert_eq!(r.next(90_000 + FIRST_DELAY), Some(5));
    }

    #[test]
    fn a_worker_of_an_earlier_launcher_counts() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5], &[5], &[]);
        assert_eq!(r.next(0), None);
        see(&mut r, 1_000, &[5], &[], &[]);
        assert_eq!(r.next(1_000), None);
        assert_eq!(r.next(1_000 + FIRST_DELAY), Some(5));
    }

    #[test]
    fn a_worker_that_lived_long_comes_back_soon_again_and_again() {
        let mut r = Roster::default();
        let mut now = 0;
        see(&mut r, now, &[5], &[], &[]);
        for _ in 0..5 {
            assert_eq!(r.next(now), Some(5));
            r.started(5, now);
            see(&mut r, now + 10, &[5], &[5], &[5]);
            now += LONG + 10;
            see(&mut r, now, &[5], &[], &[]);
            assert_eq!(r.sleep(now, LAST_DELAY), FIRST_DELAY);
            now += FIRST_DELAY;
        }
    }

    #[test]
    fn a_dropped_database_is_forgotten() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5, 6], &[], &[]);
        see(&mut r, 1, &[6], &[], &[]);
        assert_eq!(r.next(1), Some(6));
        r.started(6, 1);
        assert_eq!(r.next(1), None);
    }

    #[test]
    fn a_full_server_is_asked_again_with_bounded_pauses() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5], &[], &[]);
        let mut now = 0;
        for pause in [1_000, 2_000, 4_000, 5_000, 5_000] {
            assert_eq!(r.next(now), Some(5));
            assert_eq!(r.waiting(now), 1);
            assert!(r.refused(now));
            assert_eq!(r.next(now), None);
            assert_eq!(r.sleep(now, 60_000), pause);
            now += pause;
        }
        r.started(5, now);
        see(&mut r, now, &[5, 6], &[5], &[5]);
        assert!(r.refused(now));
        assert_eq!(r.sleep(now, 60_000), 1_000, "success ends the growth");
    }

    #[test]
    fn one_free_process_is_enough_to_go_on() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5, 6], &[], &[]);
        r.started(5, 0);
        assert_eq!(r.next(0), Some(6));
        assert!(!r.refused(0), "no reason to complain");
        see(&mut r, 20, &[5, 6], &[], &[]);
        assert_eq!(r.next(20), Some(6));
    }

    #[test]
    fn sleeps_as_long_as_allowed_when_all_is_served() {
        let mut r = Roster::default();
        see(&mut r, 0, &[5], &[5], &[]);
        assert_eq!(r.sleep(0, 60_000), 60_000);
    }
}
