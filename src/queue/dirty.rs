//! What somebody should look at: groups that may admit a member, jobs whose parents may all have ended. A set in a
//! fixed array, so that it can lie in shared memory. A mark too many costs a look; one that found no room is told
//! by a counter, and whoever sees that counter move looks at everything.

/// What is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum What {
    /// may admit a member; the number of a group
    Group = 1,
    /// may go on; the id of a job that waits for others
    Child = 2,
    /// its parents are to be looked for; the id of a job that waits for others
    Pushed = 3,
}

/// One mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    pub database: u32,
    /// number of the queue
    pub qid: i32,
    pub number: i64,
    pub what: What,
}

/// So many places are tried for a mark.
const TRIES: usize = 16;

/// Up to `N` marks.
#[derive(Debug, Clone, Copy)]
pub struct Dirty<const N: usize> {
    count: u32,
    /// where the next look begins, so that each mark has its turn
    next: u32,
    /// marks that found no room
    lost: u64,
    places: [Option<Mark>; N],
}

impl<const N: usize> Dirty<N> {
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > TRIES && N <= 1 << 20) };
        Dirty {
            count: 0,
            next: 0,
            lost: 0,
            places: [None; N],
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Marks that found no room since the beginning.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn home(mark: &Mark) -> usize {
        let mixed = (mark.number as u64 ^ u64::from(mark.database).rotate_left(40))
            .wrapping_add(mark.qid as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize % N
    }

    pub fn put(&mut self, mark: Mark) {
        let home = Self::home(&mark);
        let mut free = None;
        for place in (home..home + TRIES).map(|p| p % N) {
            match self.places[place] {
                Some(there) if there == mark => return,
                Some(_) => {}
                None => free = free.or(Some(place)),
            }
        }
        match free {
            Some(place) => {
                self.places[place] = Some(mark);
                self.count += 1;
            }
            None => self.lost += 1,
        }
    }

    #[must_use]
    pub fn has(&self, mark: &Mark) -> bool {
        let home = Self::home(mark);
        (home..home + TRIES).any(|p| self.places[p % N] == Some(*mark))
    }

    /// Takes up to `most` marks that are wanted.
    pub fn take(&mut self, most: usize, wanted: impl Fn(&Mark) -> bool) -> Vec<Mark> {
        let mut out = Vec::new();
        let from = self.next as usize;
        for place in (from..from + N).map(|p| p % N) {
            if self.count == 0 || out.len() == most {
                break;
            }
            if let Some(mark) = self.places[place].filter(|m| wanted(m)) {
                self.places[place] = None;
                self.count -= 1;
                self.next = place as u32 + 1;
                out.push(mark);
            }
        }
        out
    }
}

impl<const N: usize> Default for Dirty<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn mark(database: u32, qid: i32, number: i64) -> Mark {
        Mark {
            database,
            qid,
            number,
            what: What::Group,
        }
    }

    #[test]
    fn a_mark_is_kept_once_until_it_is_taken() {
        let mut dirty: Dirty<64> = Dirty::new();
        assert!(dirty.is_empty());
        dirty.put(mark(1, 2, 3));
        dirty.put(mark(1, 2, 3));
        dirty.put(mark(1, 3, 3));
        dirty.put(mark(2, 2, 3));
        assert!(dirty.has(&mark(1, 2, 3)));
        let mine = |m: &Mark| m.database == 1 && m.qid == 2;
        assert_eq!(dirty.take(10, mine), [mark(1, 2, 3)]);
        assert_eq!(dirty.take(10, mine), []);
        assert!(!dirty.has(&mark(1, 2, 3)));
        assert_eq!(dirty.take(10, |_| true).len(), 2);
        assert!(dirty.is_empty());
    }

    #[test]
    fn a_mark_that_finds_no_room_is_counted() {
        let mut dirty: Dirty<64> = Dirty::new();
        let all: HashSet<Mark> = (0..1_000).map(|n| mark(1, 2, n * 7)).collect();
        all.iter().for_each(|m| dirty.put(*m));
        let got: HashSet<Mark> = dirty.take(usize::MAX, |_| true).into_iter().collect();
        assert!(got.is_subset(&all) && got.len() > 48, "{}", got.len());
        assert_eq!(dirty.lost(), (all.len() - got.len()) as u64);
    }

    #[test]
    fn every_mark_has_its_turn() {
        let mut dirty: Dirty<64> = Dirty::new();
        (0..20).for_each(|n| dirty.put(mark(1, 2, n)));
        let mut seen = HashSet::new();
        for _ in 0..10 {
            for m in dirty.take(2, |_| true) {
                seen.insert(m);
                dirty.put(m);
            }
        }
        assert!(seen.len() >= 18, "{}", seen.len());
    }
}
