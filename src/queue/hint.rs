//! Where a search for ready jobs may begin: marks, a log of what became ready, and keys to look at again.
//!
//! A mark says of one lane of one segment: *everything below is believed taken*. Belief is enough, since the
//! rows themselves decide who gets a job; but a job below a mark that nobody looks at again would never be
//! delivered. What keeps that from happening:
//!
//! 1. A pop takes the end of the log and the keys to look at again ([`Hints::begin`]), *then* its snapshot.
//! 2. Whoever makes a row ready (a push that commits, a claim that is undone) says so after the change can be
//!    seen by others ([`Hints::note`]). What lies below the mark becomes a key to look at again.
//! 3. A pop that moves a mark ([`Hints::finish`]) never moves it past a row that was noted since its step 1:
//!    its snapshot may not have seen that one. If the log has forgotten how far that is, the mark stays.
//!
//! `hint_model.rs` checks this by every interleaving of small sets of processes. Plain numbers in fixed
//! arrays, so that it can lie in shared memory; all times are as long as the arrays.

use std::cmp::Ordering;

/// Number of a segment's life between two truncations; never used twice in a ring.
pub type Generation = u32;

/// A row of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    pub lane: u8,
    pub generation: Generation,
    pub seq: i64,
}

/// Believed: no row of this lane and segment with a number below `behind` is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mark {
    pub lane: u8,
    pub generation: Generation,
    pub behind: i64,
}

/// Rows of one lane and segment that became ready together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub lane: u8,
    pub generation: Generation,
    /// the smallest of their numbers
    pub first: i64,
    /// all of their numbers, if there are few; otherwise empty
    pub seqs: Vec<i64>,
}

/// The hints of one queue: a log of `LOG` events, at most `KEYS` keys and `MARKS` marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hints<const LOG: usize, const KEYS: usize, const MARKS: usize> {
    /// events ever noted
    noted: u64,
    log: [Key; LOG],
    key_count: u16,
    keys: [Key; KEYS],
    mark_count: u16,
    marks: [Mark; MARKS],
}

/// What a pop knows from [`Hints::begin`] on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Begun {
    noted: u64,
    /// to be looked at first; those that were not used go back
    pub keys: Vec<Key>,
    marks: Vec<Mark>,
}

impl Begun {
    /// A search that knows nothing: from the beginning.
    #[must_use]
    pub fn unknowing() -> Begun {
        Begun {
            noted: u64::MAX / 2,
            keys: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Where the search of this lane and segment begins.
    #[must_use]
    pub fn behind(&self, lane: u8, generation: Generation) -> i64 {
        let mark = self.marks.iter().find(|m| m.is_of(lane, generation));
        mark.map_or(0, |m| m.behind)
    }
}

impl Mark {
    fn is_of(&self, lane: u8, generation: Generation) -> bool {
        self.lane == lane && self.generation == generation
    }
}

impl<const LOG: usize, const KEYS: usize, const MARKS: usize> Default for Hints<LOG, KEYS, MARKS> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<const LOG: usize, const KEYS: usize, const MARKS: usize> Hints<LOG, KEYS, MARKS> {
    /// Knows nothing: every search begins at the beginning. `noted`: so many events are taken to have been
    /// noted and forgotten, so that a search that began with other hints moves no mark of these.
    #[must_use]
    pub const fn new(noted: u64) -> Self {
        const { assert!(LOG > 0 && KEYS > 0 && MARKS > 0 && KEYS < 65_536 && MARKS < 65_536) };
        let key = Key {
            lane: 0,
            generation: 0,
            seq: 0,
        };
        let mark = Mark {
            lane: 0,
            generation: 0,
            behind: 0,
        };
        Hints {
            noted,
            log: [key; LOG],
            key_count: 0,
            keys: [key; KEYS],
            mark_count: 0,
            marks: [mark; MARKS],
        }
    }

    fn keys(&self) -> &[Key] {
        &self.keys[..usize::from(self.key_count)]
    }

    fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.mark_count)]
    }

    /// Step 1, before the snapshot.
    pub fn begin(&mut self) -> Begun {
        let keys = self.keys().to_vec();
        self.key_count = 0;
        Begun {
            noted: self.noted,
            keys,
            marks: self.marks().to_vec(),
        }
    }

    /// Like [`Hints::begin`] for a search that claims nothing: the keys stay for the next pop.
    #[must_use]
    pub fn peek(&self) -> Begun {
        Begun {
            noted: self.noted,
            keys: self.keys().to_vec(),
            marks: self.marks().to_vec(),
        }
    }

    /// Step 2, when everybody can see the change.
    pub fn note(&mut self, ready: &Ready) {
        self.log(Key {
            lane: ready.lane,
            generation: ready.generation,
            seq: ready.first,
        });
        let behind = self.behind(ready.lane, ready.generation);
        if ready.first >= behind {
            return;
        }
        if ready.seqs.is_empty() {
            self.lower(ready.lane, ready.generation, ready.first);
        }
        for seq in ready.seqs.iter().copied().filter(|seq| *seq < behind) {
            self.look_again(Key {
                lane: ready.lane,
                generation: ready.generation,
                seq,
            });
        }
    }

    /// Step 3. `passed`: for each lane and segment that was searched, the number behind the last row that was
    /// passed. `unused`: keys of [`Begun`] whose rows were not looked at, or may be ready all the same.
    pub fn finish(&mut self, begun: &Begun, passed: &[Mark], unused: &[Key]) {
        for key in unused {
            self.look_again(*key);
        }
        let news = self.noted.wrapping_sub(begun.noted);
        if news > LOG as u64 {
            return;
        }
        for mark in passed {
            let since = (begun.noted..self.noted).map(|n| self.log[(n % LOG as u64) as usize]);
            let fresh = since
                .filter(|k| mark.is_of(k.lane, k.generation))
                .map(|k| k.seq)
                .min();
            let behind = fresh.map_or(mark.behind, |first| first.min(mark.behind));
            self.raise(Mark { behind, ..*mark });
        }
    }

    /// Keys that a pop has taken and will not look at any more, because it failed.
    pub fn give_back(&mut self, keys: &[Key]) {
        keys.iter().for_each(|key| self.look_again(*key));
    }

    /// Drops what was known of segments that were emptied.
    pub fn forget(&mut self, is_gone: impl Fn(Generation) -> bool) {
        let (mut kept, mut n) = (self.marks, 0);
        for mark in self.marks().iter().filter(|m| !is_gone(m.generation)) {
            kept[n] = *mark;
            n += 1;
        }
        (self.marks, self.mark_count) = (kept, n as u16);
        let (mut kept, mut n) = (self.keys, 0);
        for key in self.keys().iter().filter(|k| !is_gone(k.generation)) {
            kept[n] = *key;
            n += 1;
        }
        (self.keys, self.key_count) = (kept, n as u16);
    }

    /// Where a search of this lane and segment would begin now.
    #[must_use]
    pub fn behind(&self, lane: u8, generation: Generation) -> i64 {
        let mark = self.marks().iter().find(|m| m.is_of(lane, generation));
        mark.map_or(0, |m| m.behind)
    }

    /// True for a row that the next pop looks at, wherever the marks are.
    #[must_use]
    pub fn will_look_at(&self, key: Key) -> bool {
        key.seq >= self.behind(key.lane, key.generation) || self.keys().contains(&key)
    }

    fn log(&mut self, key: Key) {
        self.log[(self.noted % LOG as u64) as usize] = key;
        self.noted += 1;
    }

    /// A full list is no loss: the mark goes back instead, and rows are walked twice. That is news too: a pop
    /// that began before must not move the mark up again.
    fn look_again(&mut self, key: Key) {
        if self.will_look_at(key) {
            return;
        }
        let n = usize::from(self.key_count);
        if n < KEYS {
            self.keys[n] = key;
            self.key_count += 1;
        } else {
            self.log(key);
            self.lower(key.lane, key.generation, key.seq);
        }
    }

    fn lower(&mut self, lane: u8, generation: Generation, to: i64) {
        let n = usize::from(self.mark_count);
        let mark = self.marks[..n]
            .iter_mut()
            .find(|m| m.is_of(lane, generation));
        if let Some(mark) = mark {
            mark.behind = mark.behind.min(to);
        }
    }

    /// Without room the mark of the oldest segment is given up: it is searched from its beginning then.
    fn raise(&mut self, to: Mark) {
        let n = usize::from(self.mark_count);
        let known = self.marks[..n]
            .iter()
            .position(|m| m.is_of(to.lane, to.generation));
        let at = match known {
            Some(at) => at,
            None if n < MARKS => {
                self.marks[n] = to;
                self.mark_count += 1;
                return;
            }
            None => {
                let oldest = (0..n).min_by(|a, b| self.older(*a, *b)).unwrap_or(0);
                if self.marks[oldest].generation < to.generation {
                    self.marks[oldest] = to;
                }
                return;
            }
        };
        self.marks[at].behind = self.marks[at].behind.max(to.behind);
    }

    fn older(&self, a: usize, b: usize) -> Ordering {
        self.marks[a].generation.cmp(&self.marks[b].generation)
    }
}

#[cfg(test)]
#[path = "hint_model.rs"]
mod model;
