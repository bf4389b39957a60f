//! The two numbers of a job: its id for ever, and a claim for one delivery of it.
//!
//! `claim = seq << 16 | lane << 8 | fence`. A number below 2^53 is exact in JavaScript and in JSON, so
//! `seq` may grow to 1.3e11. The fence is eight random bits: a job that comes back gets a new `seq`, so only a
//! claim that was undone (its transaction was rolled back, or lost in a crash) leaves its `seq` in use; there the
//! fence tells the two apart, but for one case in 256.

/// Smallest and greatest priority of a job; the smaller number goes first.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -50..=50;

/// The place of a job in the order of its queue: two lanes for each priority, the lower one for jobs that
/// came back (retry due, lease over, released).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// The lane of a priority; `None` outside of [`PRIORITIES`].
    #[must_use]
    pub fn new(priority: i32, fresh: bool) -> Option<Lane> {
        if !PRIORITIES.contains(&priority) {
            return None;
        }
        u8::try_from(2 * (priority + 50) + i32::from(fresh))
            .ok()
            .map(Lane)
    }

    /// The lane with this number in a segment; `None` if there is no such lane.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Lane> {
        u8::try_from(number).ok().filter(|n| *n <= 201).map(Lane)
    }

    /// The number that a segment's index sorts by.
    #[must_use]
    pub fn number(self) -> i16 {
        i16::from(self.0)
    }

    /// The same number as a byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        self.0
    }

    #[must_use]
    pub fn priority(self) -> i32 {
        i32::from(self.0 / 2) - 50
    }

    /// The lane of the same priority for jobs that came back.
    #[must_use]
    pub fn returned(self) -> Lane {
        Lane(self.0 & !1)
    }
}

/// One delivery of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    pub seq: i64,
    pub lane: Lane,
    pub fence: u8,
}

impl Claim {
    /// The number that a worker answers with.
    #[must_use]
    pub fn pack(self) -> i64 {
        self.seq << 16 | i64::from(self.lane.0) << 8 | i64::from(self.fence)
    }

    /// `None` for a number that can be no claim (an id, most likely); it names a lost delivery then.
    #[must_use]
    pub fn unpack(number: i64) -> Option<Claim> {
        let seq = number >> 16;
        if seq <= 0 {
            return None;
        }
        let lane = Lane::from_number(i16::try_from(number >> 8 & 255).ok()?)?;
        Some(Claim {
            seq,
            lane,
            fence: (number & 255) as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_sort_by_priority_and_what_came_back_goes_first() {
        let lanes: Vec<Lane> = PRIORITIES
            .flat_map(|p| [Lane::new(p, false), Lane::new(p, true)])
            .map(|l| l.expect("a priority"))
            .collect();
        assert!(lanes.is_sorted() && lanes.len() == 202);
        for lane in lanes {
            assert_eq!(Lane::from_number(lane.number()), Some(lane));
            assert_eq!(Lane::new(lane.priority(), false), Some(lane.returned()));
        }
        assert_eq!(Lane::new(51, true), None);
        assert_eq!(Lane::new(-51, false), None);
        assert_eq!(Lane::from_number(202), None);
        assert_eq!(Lane::from_number(-1), None);
    }

    /// Above this a claim would not fit into 63 bits.
    const LAST_SEQ: i64 = (1 << 47) - 1;

    #[test]
    fn claims_survive_packing_and_are_never_ids() {
        for seq in [1, 2, 255, 65_536, 130_000_000_000, LAST_SEQ] {
            for (number, fence) in [(0, 0), (101, 255), (201, 7)] {
                let lane = Lane::from_number(number).expect("a lane");
                let claim = Claim { seq, lane, fence };
                assert_eq!(Claim::unpack(claim.pack()), Some(claim));
                assert_ne!(claim.pack(), seq);
            }
        }
        assert!(
            Claim {
                seq: 130_000_000_000,
                lane: Lane(201),
                fence: 255
            }
            .pack()
                < 1 << 53
        );
    }

    #[test]
    fn what_is_no_claim_is_told_apart() {
        for number in [0, -1, 1, 65_535, i64::MIN] {
            assert_eq!(Claim::unpack(number), None, "{number}");
        }
        assert_eq!(Claim::unpack(1 << 16 | 202 << 8), None);
    }
}
