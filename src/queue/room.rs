//! How many jobs bounded queues still take before their jobs are counted again. A fixed array, so that it can lie in
//! shared memory. A number that is too small costs a count; it is never too large by more than what was under way
//! while somebody counted.

/// One bounded queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    database: u32,
    qid: i32,
    /// the limit by which was counted
    max: i64,
    left: i64,
}

/// The bounded queues that were counted last.
#[derive(Debug, Clone, Copy)]
pub struct Rooms<const N: usize> {
    rooms: [Room; N],
    /// the place of the next queue that is new
    next: u32,
}

impl<const N: usize> Rooms<N> {
    #[must_use]
    pub const fn new() -> Self {
        let none = Room {
            database: 0,
            qid: 0,
            max: 0,
            left: 0,
        };
        Rooms {
            rooms: [none; N],
            next: 0,
        }
    }

    fn find(&mut self, database: u32, qid: i32) -> Option<&mut Room> {
        let of = |r: &&mut Room| r.database == database && r.qid == qid;
        self.rooms.iter_mut().find(of)
    }

    /// Takes room for `n` jobs; false: count.
    pub fn take(&mut self, database: u32, qid: i32, max: i64, n: i64) -> bool {
        match self.find(database, qid) {
            Some(room) if room.max == max && room.left >= n => {
                room.left -= n;
                true
            }
            _ => false,
        }
    }

    /// A job became ready by itself.
    pub fn shrink(&mut self, database: u32, qid: i32) {
        if let Some(room) = self.find(database, qid) {
            room.left -= 1;
        }
    }

    /// Somebody has counted.
    pub fn set(&mut self, database: u32, qid: i32, max: i64, left: i64) {
        let room = Room {
            database,
            qid,
            max,
            left,
        };
        if let Some(known) = self.find(database, qid) {
            *known = room;
            return;
        }
        self.rooms[self.next as usize % N] = room;
        self.next = (self.next + 1) % N as u32;
    }
}

impl<const N: usize> Default for Rooms<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_until_none_is_left() {
        let mut rooms: Rooms<2> = Rooms::new();
        assert!(!rooms.take(1, 1, 10, 1), "nobody has counted");
        rooms.set(1, 1, 10, 3);
        assert!(rooms.take(1, 1, 10, 2));
        assert!(!rooms.take(1, 1, 10, 2));
        assert!(!rooms.take(1, 1, 11, 1), "by another limit");
        rooms.shrink(1, 1);
        assert!(!rooms.take(1, 1, 10, 1));
        rooms.set(1, 1, 10, 5);
        rooms.set(1, 2, 10, 5);
        rooms.set(2, 1, 10, 5);
        assert!(!rooms.take(1, 1, 10, 1), "its place went to another one");
        assert!(rooms.take(1, 2, 10, 5) && rooms.take(2, 1, 10, 5));
    }
}
