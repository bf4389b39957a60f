//! Which lanes of a queue a session has seen in a segment: where to look first, never what is there. A scan that
//! asks for "the next lane, whichever" makes the server read a whole page of the index; one that ends at a lane
//! where entries are expected reads one.

use std::collections::HashMap;

/// Lanes that are remembered for a queue and segment: most have two.
const LANES: usize = 8;
/// Queues and segments; all are forgotten when there are more.
const PLACES: usize = 1_000;
/// A lane in which nothing was found so often is forgotten.
const MISSES: u8 = 64;

/// A queue in the index of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub index: u32,
    pub qid: i32,
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    number: i16,
    misses: u8,
}

#[derive(Debug, Default)]
pub struct Lanes(HashMap<Place, Vec<Lane>>);

impl Lanes {
    /// The first lane above this one in which something was seen.
    #[must_use]
    pub fn above(&self, place: Place, lane: i16) -> Option<i16> {
        let lanes = self.0.get(&place)?;
        let above = lanes.iter().map(|l| l.number).filter(|n| *n > lane);
        above.min()
    }

    /// There are entries in a lane.
    pub fn saw(&mut self, place: Place, lane: i16) {
        if self.0.len() >= PLACES && !self.0.contains_key(&place) {
            self.0.clear();
        }
        let lanes = self.0.entry(place).or_default();
        let seen = Lane {
            number: lane,
            misses: 0,
        };
        match lanes.iter().position(|l| l.number == lane) {
            Some(at) => lanes[at] = seen,
            None if lanes.len() < LANES => lanes.push(seen),
            None => {}
        }
    }

    /// The last search of this lane has found nothing.
    #[must_use]
    pub fn is_quiet(&self, place: Place, lane: i16) -> bool {
        let lanes = self.0.get(&place).map_or(&[][..], Vec::as_slice);
        lanes.iter().any(|l| l.number == lane && l.misses > 0)
    }

    /// Nothing was found in a lane from where the search began.
    pub fn missed(&mut self, place: Place, lane: i16) {
        if let Some(lanes) = self.0.get_mut(&place) {
            lanes.retain_mut(|l| {
                l.misses += u8::from(l.number == lane);
                l.misses < MISSES
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place { index: 1, qid: 5 };

    #[test]
    fn lanes_are_expected_where_they_were_seen() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.above(HERE, -1), None);
        lanes.saw(HERE, 101);
        lanes.saw(HERE, 90);
        assert_eq!(lanes.above(HERE, -1), Some(90));
        assert_eq!(lanes.above(HERE, 90), Some(101));
        assert_eq!(lanes.above(HERE, 101), None);
        assert_eq!(lanes.above(Place { qid: 6, ..HERE }, -1), None);
    }

    #[test]
    fn a_lane_that_stays_empty_is_forgotten() {
        let mut lanes = Lanes::default();
        lanes.saw(HERE, 90);
        lanes.saw(HERE, 101);
        for _ in 0..MISSES - 1 {
            lanes.missed(HERE, 90);
        }
        assert_eq!(lanes.above(HERE, -1), Some(90));
        assert!(lanes.is_quiet(HERE, 90) && !lanes.is_quiet(HERE, 101));
        lanes.missed(HERE, 90);
        assert_eq!(lanes.above(HERE, -1), Some(101));
        lanes.missed(HERE, 101);
        lanes.saw(HERE, 101);
        assert!(!lanes.is_quiet(HERE, 101) && !lanes.is_quiet(HERE, 90));
    }

    #[test]
    fn what_is_remembered_does_not_grow_for_ever() {
        let mut lanes = Lanes::default();
        for n in 0..5_000 {
            lanes.saw(Place { index: n, qid: 5 }, 101);
        }
        assert!(lanes.0.len() <= PLACES);
        (0..200).for_each(|n| lanes.saw(HERE, n));
        assert_eq!(lanes.0[&HERE].len(), LANES);
    }
}
