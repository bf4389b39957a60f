//! When a ring turns, which of its segments are drained, emptied, parked or dropped: decisions only.
//!
//! A segment goes from tail to full (another one is the tail now), to draining (what lives in it moves to the
//! tail), to free (emptied by TRUNCATE). One that cannot be locked for that is parked: no new jobs, and emptied
//! later; what lives in it moves to the tail as from others. So no dump and no forgotten session stops the ring.

use super::known::State;

/// With so many segments that are not free, a tail takes so many times the usual rows; beyond, any number.
const TIMES: [(usize, u64); 3] = [(16, 1), (64, 5), (192, 25)];
/// A tail of which this part is dead turns earlier, but not while it is young.
const DEAD: u64 = 10;
/// A full segment is drained when it has so many dead rows for each living one.
const DRAIN_AT: u64 = 3;
/// Empty segments that are kept for the next turns.
const SPARE: usize = 2;
/// Slots of a ring.
pub const SLOTS: i32 = 256;

/// What was seen of a segment; rows are row versions, so a job that was claimed counts twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub slot: i32,
    /// `None`: free
    pub state: Option<State>,
    pub age_ms: u64,
    /// ready or running
    pub living: u64,
    pub dead: u64,
}

/// When a tail is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// row versions
    pub rows: u64,
    /// with dead rows only, not before this age
    pub young_ms: u64,
}

/// What to do next, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The tail is full; this slot, which is free, is the new one.
    Turn { to: i32 },
    /// The same, with a slot that has to be made.
    TurnToNew { to: i32 },
    /// Move what lives in it to the tail.
    Drain { slot: i32 },
    /// Empty it, or park it if somebody holds it.
    Truncate { slot: i32 },
    /// Drop a free segment that is not needed.
    Drop { slot: i32 },
}

/// The steps of one round.
#[must_use]
pub fn decide(ring: &[Seen], limits: Limits) -> Vec<Step> {
    let mut steps = Vec::new();
    let live = ring.iter().filter(|s| s.state.is_some()).count();
    let mut free: Vec<i32> = ring
        .iter()
        .filter(|s| s.state.is_none())
        .map(|s| s.slot)
        .collect();
    free.sort_unstable();
    let tail = ring.iter().find(|s| s.state == Some(State::Tail));
    let turns = tail.is_none_or(|t| is_full(t, live, limits));
    if turns {
        if let Some(to) = free.first().copied() {
            free.remove(0);
            steps.push(Step::Turn { to });
        } else if let Some(to) = (0..SLOTS).find(|s| ring.iter().all(|seen| seen.slot != *s)) {
            steps.push(Step::TurnToNew { to });
        }
    }
    for seen in ring {
        match seen.state {
            None | Some(State::Tail) => {}
            Some(_) if seen.living == 0 => steps.push(Step::Truncate { slot: seen.slot }),
            Some(_) if seen.dead >= DRAIN_AT * seen.living => {
                steps.push(Step::Drain { slot: seen.slot });
            }
            Some(_) => {}
        }
    }
    // the last ones: low numbers are used first
    let unneeded = free.len().saturating_sub(SPARE);
    steps.extend(
        free.iter()
            .rev()
            .take(unneeded)
            .map(|slot| Step::Drop { slot: *slot }),
    );
    steps
}

/// An idle queue never turns: a tail without dead rows is full only by their number.
fn is_full(tail: &Seen, live: usize, limits: Limits) -> bool {
    let most = TIMES.iter().find(|(segments, _)| live <= *segments);
    let many = most.is_some_and(|(_, times)| tail.living + tail.dead > limits.rows * times);
    many || (tail.dead > limits.rows / DEAD && tail.age_ms > limits.young_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        rows: 200_000,
        young_ms: 15_000,
    };

    fn seen(slot: i32, state: Option<State>, living: u64, dead: u64) -> Seen {
        Seen {
            slot,
            state,
            age_ms: 60_000,
            living,
            dead,
        }
    }

    const TAIL: Option<State> = Some(State::Tail);
    const FULL: Option<State> = Some(State::Full);

    #[test]
    fn an_idle_queue_never_turns() {
        assert_eq!(decide(&[seen(0, TAIL, 0, 0)], LIMITS), []);
        assert_eq!(decide(&[seen(0, TAIL, 150_000, 20_000)], LIMITS), []);
    }

    #[test]
    fn a_tail_turns_when_it_is_full_or_mostly_dead() {
        let turn = [Step::TurnToNew { to: 1 }];
        assert_eq!(decide(&[seen(0, TAIL, 200_001, 0)], LIMITS), turn);
        assert_eq!(decide(&[seen(0, TAIL, 5, 20_001)], LIMITS), turn);
        let young = Seen {
            age_ms: 15_000,
            ..seen(0, TAIL, 5, 20_001)
        };
        assert_eq!(decide(&[young], LIMITS), []);
    }

    #[test]
    fn free_slots_are_used_before_new_ones_are_made() {
        let ring = [
            seen(0, TAIL, 200_001, 0),
            seen(2, None, 0, 0),
            seen(1, None, 0, 0),
        ];
        assert_eq!(decide(&ring, LIMITS), [Step::Turn { to: 1 }]);
        let gap = [seen(0, TAIL, 200_001, 0), seen(2, FULL, 10, 0)];
        assert_eq!(decide(&gap, LIMITS), [Step::TurnToNew { to: 1 }]);
    }

    #[test]
    fn what_is_empty_is_truncated_and_what_is_mostly_dead_is_drained() {
        let ring = [
            seen(0, FULL, 0, 400_000),
            seen(1, FULL, 100, 300),
            seen(2, FULL, 100, 299),
            seen(3, Some(State::Draining), 5, 100_000),
            seen(4, Some(State::Parked), 5, 100_000),
            seen(5, Some(State::Parked), 0, 100_000),
            seen(6, TAIL, 10, 0),
        ];
        let steps = decide(&ring, LIMITS);
        assert_eq!(
            steps,
            [
                Step::Truncate { slot: 0 },
                Step::Drain { slot: 1 },
                Step::Drain { slot: 3 },
                Step::Drain { slot: 4 },
                Step::Truncate { slot: 5 },
            ]
        );
    }

    #[test]
    fn a_backlog_of_any_size_fits() {
        let mut ring: Vec<Seen> = (1..17).map(|s| seen(s, FULL, 200_001, 0)).collect();
        ring.push(seen(0, TAIL, 200_001, 0));
        assert_eq!(decide(&ring, LIMITS), []);
        ring[16].living = 1_000_001;
        assert_eq!(decide(&ring, LIMITS), [Step::TurnToNew { to: 17 }]);
        let mut most: Vec<Seen> = (1..SLOTS).map(|s| seen(s, FULL, 9, 0)).collect();
        most.push(seen(0, TAIL, u64::MAX / 2, 0));
        assert_eq!(decide(&most, LIMITS), []);
    }

    #[test]
    fn without_a_tail_one_is_made_and_spare_segments_go() {
        assert_eq!(decide(&[], LIMITS), [Step::TurnToNew { to: 0 }]);
        let free: Vec<Seen> = (0..6).map(|s| seen(s, None, 0, 0)).collect();
        assert_eq!(
            decide(&free, LIMITS),
            [
                Step::Turn { to: 0 },
                Step::Drop { slot: 5 },
                Step::Drop { slot: 4 },
                Step::Drop { slot: 3 },
            ]
        );
    }
}
