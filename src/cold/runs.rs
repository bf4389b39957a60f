//! The run map: where in a file the rows of a key range lie.
//!
//! Exists for columns whose values ascend with the rowid. One entry stands for about 256 KiB of
//! table pages, so a range of keys becomes a range of rowids and of bytes, read without an index.

/// Rows of a file, and the bytes that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRange {
    /// first and last rowid, both included
    pub first: i64,
    pub last: i64,
    /// bytes of the file, `start..end`
    pub start: u64,
    pub end: u64,
}

/// Bounds of consecutive runs of table pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunMap {
    /// value of the column in the first row of each run
    keys: Vec<i64>,
    rowids: Vec<i64>,
    offsets: Vec<u64>,
    /// last rowid, largest value and end of the last run
    last: (i64, i64, u64),
}

/// First key, first rowid and offset of each run; last rowid, last key and end of all.
pub type Parts<'a> = (&'a [i64], &'a [i64], &'a [u64], (i64, i64, u64));

impl RunMap {
    /// From equally long lists and the end of the last run; `None` when they are no run map.
    #[must_use]
    pub fn new(
        keys: Vec<i64>,
        rowids: Vec<i64>,
        offsets: Vec<u64>,
        last_rowid: i64,
        last_key: i64,
        end: u64,
    ) -> Option<RunMap> {
        let lists = [keys.len(), rowids.len(), offsets.len()];
        let sound = lists[0] > 0
            && lists.iter().all(|n| *n == lists[0])
            && keys.is_sorted()
            && rowids.is_sorted_by(|a, b| a < b)
            && offsets.is_sorted_by(|a, b| a < b)
            && keys.last().is_some_and(|k| *k <= last_key)
            && rowids.last().is_some_and(|r| *r <= last_rowid)
            && offsets.last().is_some_and(|o| *o < end);
        sound.then_some(RunMap {
            keys,
            rowids,
            offsets,
            last: (last_rowid, last_key, end),
        })
    }

    /// Where rows with `low <= key <= high` are (and others beside them); `None` when there are
    /// none. An open side is `None`.
    #[must_use]
    pub fn between(&self, low: Option<i64>, high: Option<i64>) -> Option<RowRange> {
        let (last_rowid, last_key, end) = self.last;
        let first_key = *self.keys.first()?;
        let nothing = low.is_some_and(|low| low > last_key)
            || high.is_some_and(|high| high < first_key)
            || low.zip(high).is_some_and(|(low, high)| low > high);
        if nothing {
            return None;
        }
        // the run before the first one that begins at `low` may end with rows of `low`
        let from = low.map_or(0, |low| self.keys.partition_point(|k| *k < low));
        let from = from.saturating_sub(1);
        // runs that begin above `high` have none of its rows
        let to = high.map_or(self.keys.len(), |high| {
            self.keys.partition_point(|k| *k <= high)
        });
        let at_end = to >= self.keys.len();
        Some(RowRange {
            first: *self.rowids.get(from)?,
            last: if at_end {
                last_rowid
            } else {
                self.rowids.get(to)? - 1
            },
            start: *self.offsets.get(from)?,
            end: if at_end { end } else { *self.offsets.get(to)? },
        })
    }

    /// The bytes of all rows.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.offsets.first().copied().unwrap_or_default(),
            self.last.2,
        )
    }

    /// What [`RunMap::new`] takes: the lists, and the three ends together.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        (&self.keys, &self.rowids, &self.offsets, self.last)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map() -> RunMap {
        RunMap::new(
            vec![10, 20, 20, 30],
            vec![1, 101, 201, 301],
            vec![1000, 2000, 3000, 4000],
            350,
            35,
            4500,
        )
        .expect("sound")
    }

    #[test]
    fn ranges() {
        let rows = |low, high| map().between(low, high).map(|r| (r.first, r.last));
        assert_eq!(rows(None, None), Some((1, 350)));
        assert_eq!(rows(Some(36), None), None);
        assert_eq!(rows(None, Some(9)), None);
        assert_eq!(rows(Some(25), Some(24)), None);
        assert_eq!(rows(Some(25), Some(29)), Some((201, 300)));
        // rows of 20 may end the run that begins with 10, and fill two more
        assert_eq!(rows(Some(20), Some(20)), Some((1, 300)));
        assert_eq!(rows(Some(21), Some(30)), Some((201, 350)));
        assert_eq!(rows(Some(35), None), Some((301, 350)));
        let bytes = map().between(Some(25), Some(29)).map(|r| (r.start, r.end));
        assert_eq!(bytes, Some((3000, 4000)));
        assert_eq!(map().bytes(), (1000, 4500));
    }

    #[test]
    fn what_does_not_ascend_is_no_map() {
        let new = |keys: &[i64], rowids: &[i64]| {
            let offsets = (0..rowids.len() as u64).collect();
            RunMap::new(keys.to_vec(), rowids.to_vec(), offsets, 100, 100, 100)
        };
        assert!(new(&[1, 2], &[1, 2]).is_some());
        assert!(new(&[2, 1], &[1, 2]).is_none());
        assert!(new(&[1, 2], &[1, 1]).is_none());
        assert!(new(&[1], &[1, 2]).is_none());
        assert!(new(&[], &[]).is_none());
        assert!(new(&[101], &[1]).is_none());
    }

    proptest! {
        /// No row that matches lies outside of the answer.
        #[test]
        fn never_loses_a_row(
            mut keys in proptest::collection::vec(-20i64..20, 1..200),
            run in 1usize..20,
            low in proptest::option::of(-25i64..25),
            high in proptest::option::of(-25i64..25),
        ) {
            keys.sort_unstable();
            let starts: Vec<usize> = (0..keys.len()).step_by(run).collect();
            let map = RunMap::new(
                starts.iter().map(|s| keys[*s]).collect(),
                starts.iter().map(|s| *s as i64 + 1).collect(),
                starts.iter().map(|s| *s as u64 * 10).collect(),
                keys.len() as i64,
                keys[keys.len() - 1],
                keys.len() as u64 * 10,
            )
            .expect("sound");
            let found = map.between(low, high);
            for (i, key) in keys.iter().enumerate() {
                if low.is_none_or(|l| *key >= l) && high.is_none_or(|h| *key <= h) {
                    let range = found.expect("a row matches");
                    let rowid = i as i64 + 1;
                    prop_assert!(range.first <= rowid && rowid <= range.last);
                    prop_assert!(range.start <= i as u64 * 10 && (i as u64) * 10 < range.end);
                }
            }
        }
    }
}
