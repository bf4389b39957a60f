//! Runs of neighbouring chunks, in the order in which an ordered scan reads them: 1, 2, 4, 8, ... of them.
//!
//! Windows are disjoint, in order, and cover all chunks that were asked for.

/// Chunks `start..end`, numbered by their ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    pub start: usize,
    pub end: usize,
}

/// The windows over chunks `start..end`.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    left: Window,
    size: usize,
    descending: bool,
}

impl Windows {
    #[must_use]
    pub fn new(start: usize, end: usize, descending: bool) -> Self {
        Windows {
            left: Window { start, end },
            size: 1,
            descending,
        }
    }
}

impl Iterator for Windows {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let Window { start, end } = self.left;
        if start >= end {
            return None;
        }
        let size = self.size.min(end - start);
        self.size = self.size.saturating_mul(2);
        let next = if self.descending {
            self.left.end = end - size;
            Window {
                start: end - size,
                end,
            }
        } else {
            self.left.start = start + size;
            Window {
                start,
                end: start + size,
            }
        };
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn they_double() {
        let ends = |descending| -> Vec<(usize, usize)> {
            Windows::new(3, 14, descending)
                .map(|w| (w.start, w.end))
                .collect()
        };
        assert_eq!(ends(false), [(3, 4), (4, 6), (6, 10), (10, 14)]);
        assert_eq!(ends(true), [(13, 14), (11, 13), (7, 11), (3, 7)]);
        assert_eq!(Windows::new(5, 5, true).next(), None);
    }

    proptest! {
        #[test]
        fn they_cover_all_chunks_once(start in 0usize..50, n in 0usize..3000, descending in any::<bool>()) {
            let mut seen: Vec<usize> = Vec::new();
            for w in Windows::new(start, start + n, descending) {
                prop_assert!(w.start < w.end);
                if descending {
                    seen.extend((w.start..w.end).rev());
                } else {
                    seen.extend(w.start..w.end);
                }
            }
            if descending {
                seen.reverse();
            }
            prop_assert_eq!(seen, (start..start + n).collect::<Vec<_>>());
        }
    }
}
