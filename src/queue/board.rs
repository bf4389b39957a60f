//! The hints of all queues of a server, in one array of fixed size: what lies in shared memory.
//!
//! A queue that finds no room takes the place of the one that was used longest ago: that one's pops walk
//! from the beginning once. Sessions without shared memory keep a small board of their own.

use super::hint::{Begun, Generation, Hints, Key, Mark, Ready};

/// The hints of a queue: 64 events, 64 keys and 32 marks.
pub type QueueHints = Hints<64, 64, 32>;

/// A queue of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Name {
    /// OID of the database
    pub database: u32,
    pub qid: i32,
}

/// The place of one queue.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    name: Name,
    /// 0: free
    used_at: u64,
    hints: QueueHints,
}

/// Places of queues whose names have the same remainder.
#[derive(Debug, Clone, Copy)]
pub struct Board<const PLACES: usize> {
    /// grows with every use
    clock: u64,
    places: [Place; PLACES],
}

impl<const PLACES: usize> Default for Board<PLACES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const PLACES: usize> Board<PLACES> {
    /// All zeros: new shared memory is an empty board.
    #[must_use]
    pub const fn new() -> Self {
        Board {
            clock: 0,
            places: [Place {
                name: Name {
                    database: 0,
                    qid: 0,
                },
                used_at: 0,
                hints: QueueHints::new(0),
            }; PLACES],
        }
    }

    fn find(&mut self, name: Name) -> Option<&mut QueueHints> {
        self.clock += 1;
        let now = self.clock;
        let place = self
            .places
            .iter_mut()
            .find(|p| p.used_at != 0 && p.name == name)?;
        place.used_at = now;
        Some(&mut place.hints)
    }

    fn place(&mut self, name: Name) -> &mut QueueHints {
        self.clock += 1;
        let now = self.clock;
        let known = |p: &Place| p.used_at != 0 && p.name == name;
        let at = match self.places.iter().position(known) {
            Some(at) => at,
            None => {
                let oldest = (0..PLACES).min_by_key(|i| self.places[*i].used_at);
                let at = oldest.unwrap_or(0);
                self.places[at] = Place {
                    name,
                    used_at: now,
                    // a search that began with the hints of before must not move a mark of these
                    hints: QueueHints::new(now << 24),
                };
                at
            }
        };
        self.places[at].used_at = now;
        &mut self.places[at].hints
    }

    /// See [`Hints::begin`].
    pub fn begin(&mut self, name: Name) -> Begun {
        self.place(name).begin()
    }

    /// See [`Hints::peek`].
    pub fn peek(&mut self, name: Name) -> Begun {
        self.place(name).peek()
    }

    /// See [`Hints::note`]. Queues without a place have no marks that could hide the row.
    pub fn note(&mut self, name: Name, ready: &Ready) {
        if let Some(hints) = self.find(name) {
            hints.note(ready);
        }
    }

    /// See [`Hints::finish`].
    pub fn finish(&mut self, name: Name, begun: &Begun, passed: &[Mark], unused: &[Key]) {
        if let Some(hints) = self.find(name) {
            hints.finish(begun, passed, unused);
        }
    }

    /// See [`Hints::give_back`].
    pub fn give_back(&mut self, name: Name, keys: &[Key]) {
        if let Some(hints) = self.find(name) {
            hints.give_back(keys);
        }
    }

    /// See [`Hints::forget`], for one queue.
    pub fn forget(&mut self, name: Name, is_gone: impl Fn(Generation) -> bool) {
        if let Some(hints) = self.find(name) {
            hints.forget(is_gone);
        }
    }

    /// See [`Hints::will_look_at`]; true for a queue without a place.
    pub fn will_look_at(&mut self, name: Name, key: Key) -> bool {
        self.find(name).is_none_or(|h| h.will_look_at(key))
    }

    /// Everything is searched from the beginning again. For one database.
    pub fn clear(&mut self, database: u32) {
        for place in &mut self.places {
            if place.name.database == database {
                place.used_at = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        lane: 101,
        generation: 1,
        behind: 50,
    };

    fn name(qid: i32) -> Name {
        Name { database: 5, qid }
    }

    fn key(seq: i64) -> Key {
        Key {
            lane: 101,
            generation: 1,
            seq,
        }
    }

    #[test]
    fn queues_do_not_know_each_other() {
        let mut board = Board::<4>::new();
        let begun = board.begin(name(1));
        board.begin(name(2));
        board.finish(name(1), &begun, &[MARK], &[]);
        assert!(!board.will_look_at(name(1), key(10)));
        assert!(board.will_look_at(name(2), key(10)));
        board.clear(6);
        assert!(!board.will_look_at(name(1), key(10)));
        board.clear(5);
        assert!(board.will_look_at(name(1), key(10)));
    }

    #[test]
    fn a_queue_that_lost_its_place_is_searched_from_the_beginning() {
        let mut board = Board::<2>::new();
        let slow = board.begin(name(1));
        board.finish(name(1), &slow, &[MARK], &[]);
        board.begin(name(2));
        board.begin(name(3));
        assert!(board.will_look_at(name(1), key(10)));
        // back again: what is noted now must not be passed by the search that began before
        board.begin(name(1));
        board.note(
            name(1),
            &Ready {
                lane: 101,
                generation: 1,
                first: 7,
                seqs: vec![7],
            },
        );
        board.finish(name(1), &slow, &[MARK], &[]);
        assert!(board.will_look_at(name(1), key(7)));
    }
}
