//! How much of a remote file to ask for at once.
//!
//! A request costs far more than its bytes, so a miss asks for more the longer a read goes on in
//! one direction. Interior, index and table pages of one scan interleave and confuse a single
//! detector, therefore several such read heads are followed at a time. Where the scan knows its
//! bytes beforehand (all rows, or a range from the run map) nothing is guessed: they are streamed.
//!
//! Everything here counts in blocks of the cache.

/// The first request of a file whose head is not known: schema and interior pages lie together at
/// its start.
const OPENING: u64 = 4;

/// Blocks that may be fetched again, or skipped, to save a request (256 KiB).
pub const GAP: u64 = 4;

/// The first request of a stream (1 MiB): enough for a small range, little for a scan that ends
/// early.
const FIRST: u64 = 16;

/// Read heads followed per file.
const HEADS: usize = 3;

/// One direction of reading: where it goes on, how much it took last.
#[derive(Debug, Clone, Copy)]
struct Head {
    next: u64,
    window: u64,
    used: u64,
}

/// Blocks that will be read from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stream {
    next: u64,
    end: u64,
    /// windows begun so far
    begun: u32,
}

/// What is known about the reading of one file.
#[derive(Debug, Default)]
pub struct ReadAhead {
    heads: Vec<Head>,
    stream: Option<Stream>,
    clock: u64,
}

impl ReadAhead {
    /// The scan is going to read these blocks in this order, `start..end`.
    pub fn stream(&mut self, start: u64, end: u64) {
        self.stream = (start < end).then_some(Stream {
            next: start,
            end,
            begun: 0,
        });
    }

    /// Nothing is known any more about what comes next.
    pub fn forget_stream(&mut self) {
        self.stream = None;
    }

    /// Blocks to ask for at a miss of `block`, when the read itself needs `needed`; `max` is the
    /// cap of reading ahead.
    pub fn take(&mut self, block: u64, needed: u64, max: u64) -> u64 {
        if let Some(stream) = &mut self.stream
            && let Some(window) = stream.window_at(block, max)
        {
            return window.max(needed);
        }
        self.guess(block, needed, max)
    }

    /// What may be fetched in the background: the stream's next window, once the stream has shown
    /// that it goes beyond its first.
    pub fn ahead(&mut self, max: u64) -> Option<(u64, u64)> {
        let stream = self.stream.as_mut()?;
        if stream.begun < 2 || stream.next >= stream.end {
            return None;
        }
        let from = stream.next;
        stream.window_at(from, max).map(|blocks| (from, blocks))
    }

    fn guess(&mut self, block: u64, needed: u64, max: u64) -> u64 {
        self.clock += 1;
        if block == 0 {
            return needed.max(OPENING.min(max));
        }
        let near = self
            .heads
            .iter_mut()
            .filter(|head| (head.next..=head.next + GAP).contains(&block))
            .min_by_key(|head| block - head.next);
        if let Some(head) = near {
            if head.next == block {
                head.window = head.window.saturating_mul(2);
            }
            head.window = head.window.clamp(needed, max.max(needed));
            head.next = block + head.window;
            head.used = self.clock;
            return head.window;
        }
        if self.heads.len() >= HEADS {
            self.heads.sort_by_key(|head| head.used);
            self.heads.remove(0);
        }
        self.heads.push(Head {
            next: block + needed,
            window: needed,
            used: self.clock,
        });
        needed
    }
}

impl Stream {
    /// The window that begins at `block`, if the stream can go on there: blocks between may be in
    /// memory already. A read elsewhere (backwards, or by an index) is none of its business.
    fn window_at(&mut self, block: u64, max: u64) -> Option<u64> {
        let reach = if self.begun == 0 { GAP } else { max };
        if block < self.next || block >= self.end || block - self.next > reach {
            return None;
        }
        let window = if self.begun == 0 { max.min(FIRST) } else { max };
        let window = window.max(1).min(self.end - block);
        self.next = block + window;
        self.begun += 1;
        Some(window)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_that_goes_on_doubles_up_to_the_cap() {
        let mut r = ReadAhead::default();
        let (mut at, mut windows) = (10, vec![]);
        for _ in 0..8 {
            let n = r.take(at, 1, 64);
            windows.push(n);
            at += n;
        }
        assert_eq!(windows, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(r.take(at, 1, 4), 4, "a smaller cap holds at once");
    }

    #[test]
    fn a_stream_is_not_guessed() {
        let mut r = ReadAhead::default();
        r.stream(100, 300);
        assert_eq!(r.ahead(64), None, "not before it has begun");
        assert_eq!(r.take(100, 1, 64), 16);
        assert_eq!(r.ahead(64), None, "nor before it goes on");
        assert_eq!(r.take(116, 1, 64), 64);
        assert_eq!(r.ahead(64), Some((180, 64)));
        assert_eq!(r.ahead(64), Some((244, 56)), "never beyond its end");
        assert_eq!(r.ahead(64), None);
    }

    #[test]
    fn a_short_range_is_one_request() {
        let mut r = ReadAhead::default();
        r.stream(7, 17);
        assert_eq!(r.take(7, 1, 64), 10);
        assert_eq!(r.take(40, 1, 64), 1, "outside of it nothing is read ahead");
    }

    #[test]
    fn reading_backwards_through_a_range_does_not_fetch_it_again_and_again() {
        let mut r = ReadAhead::default();
        r.stream(100, 164);
        let asked: u64 = (100..164).rev().map(|block| r.take(block, 1, 64)).sum();
        assert!(asked <= 64 + 16 * 5, "{asked}");
    }

    #[test]
    fn three_directions_are_kept_apart() {
        let mut r = ReadAhead::default();
        let mut at = [1000, 5000, 9000];
        for round in 0..6 {
            for next in &mut at {
                let n = r.take(*next, 1, 64);
                assert_eq!(n, 1 << round);
                *next += n;
            }
        }
    }
}
