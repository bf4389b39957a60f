//! Counting values into buckets of equal width.

use crate::error::{Error, Kind, Result};

/// More buckets than this are a mistake.
const MOST: i32 = 1_000_000;

/// Counters: one below `min`, one for each bucket of `[min, max)`, one at or above `max`.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    pub min: f64,
    pub max: f64,
    pub counts: Vec<i32>,
}

impl Histogram {
    pub fn new(min: f64, max: f64, buckets: i32) -> Result<Histogram> {
        let bad = |m: String| Err(Error::new(Kind::InvalidParameter, m));
        if !(1..=MOST).contains(&buckets) {
            return bad(format!(
                "nbuckets must be between 1 and {MOST}, not {buckets}"
            ));
        }
        if !min.is_finite() || !max.is_finite() {
            return bad("min and max must be finite".into());
        }
        if min >= max {
            return bad("min must be less than max".into());
        }
        let counts = vec![0; buckets as usize + 2];
        Ok(Histogram { min, max, counts })
    }

    /// True when the arguments of a later row are those of the first.
    #[must_use]
    pub fn is_like(&self, min: f64, max: f64, buckets: i32) -> bool {
        self.min == min && self.max == max && self.counts.len() as i64 == i64::from(buckets) + 2
    }

    /// Counts a value. NaN sorts above all numbers, so it counts as above.
    pub fn add(&mut self, value: f64) -> Result<()> {
        let slot = self.slot(value);
        self.count(slot, 1)
    }

    fn slot(&self, value: f64) -> usize {
        let buckets = self.counts.len() - 2;
        if value < self.min {
            return 0;
        }
        if value >= self.max || value.is_nan() {
            return buckets + 1;
        }
        let width = self.max - self.min;
        let part = if width.is_finite() {
            (value - self.min) / width
        } else {
            (value / 2.0 - self.min / 2.0) / (self.max / 2.0 - self.min / 2.0)
        };
        ((part * buckets as f64) as usize).min(buckets - 1) + 1
    }

    fn count(&mut self, slot: usize, n: i32) -> Result<()> {
        match self.counts[slot].checked_add(n) {
            Some(sum) => {
                self.counts[slot] = sum;
                Ok(())
            }
            None => Err(Error::new(
                Kind::LimitExceeded,
                "a bucket of the histogram counts more than 2147483647 values",
            )),
        }
    }

    /// Adds the counters of another part of the same aggregate.
    pub fn merge(&mut self, other: &Histogram) -> Result<()> {
        let n = other.counts.len() as i32 - 2;
        if !self.is_like(other.min, other.max, n) {
            return Err(changed());
        }
        (0..other.counts.len()).try_for_each(|i| self.count(i, other.counts[i]))
    }

    /// For another process of the same server.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.counts.len() * 4);
        bytes.extend(self.min.to_ne_bytes());
        bytes.extend(self.max.to_ne_bytes());
        self.counts
            .iter()
            .for_each(|n| bytes.extend(n.to_ne_bytes()));
        bytes
    }

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Histogram> {
        let (min, rest) = bytes.split_first_chunk::<8>()?;
        let (max, rest) = rest.split_first_chunk::<8>()?;
        let (chunks, []) = rest.as_chunks::<4>() else {
            return None;
        };
        if chunks.len() < 3 {
            return None;
        }
        Some(Histogram {
            min: f64::from_ne_bytes(*min),
            max: f64::from_ne_bytes(*max),
            counts: chunks.iter().map(|c| i32::from_ne_bytes(*c)).collect(),
        })
    }
}

/// 22023: the arguments must be the same for all rows.
#[must_use]
pub fn changed() -> Error {
    Error::new(
        Kind::InvalidParameter,
        "min, max and nbuckets must be the same for all rows of a group",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        let mut h = Histogram::new(0.0, 10.0, 5).unwrap();
        for value in [
            -0.1,
            f64::NEG_INFINITY,
            0.0,
            1.9,
            2.0,
            9.99,
            10.0,
            f64::INFINITY,
            f64::NAN,
        ] {
            h.add(value).unwrap();
        }
        assert_eq!(h.counts, [2, 2, 1, 0, 0, 1, 3]);
        assert!(h.is_like(0.0, 10.0, 5) && !h.is_like(0.0, 10.0, 4) && !h.is_like(0.0, 9.0, 5));
        let mut wide = Histogram::new(-f64::MAX, f64::MAX, 2).unwrap();
        wide.add(-f64::MAX / 4.0).unwrap();
        wide.add(f64::MAX / 4.0).unwrap();
        assert_eq!(wide.counts, [0, 1, 1, 0]);
    }

    #[test]
    fn refused() {
        let kind = |r: Result<Histogram>| r.unwrap_err().kind;
        assert_eq!(kind(Histogram::new(0.0, 1.0, 0)), Kind::InvalidParameter);
        assert_eq!(
            kind(Histogram::new(0.0, 1.0, i32::MAX)),
            Kind::InvalidParameter
        );
        assert_eq!(kind(Histogram::new(1.0, 1.0, 3)), Kind::InvalidParameter);
        assert_eq!(
            kind(Histogram::new(f64::NAN, 1.0, 3)),
            Kind::InvalidParameter
        );
        let mut h = Histogram::new(0.0, 1.0, 1).unwrap();
        h.counts[1] = i32::MAX;
        assert_eq!(h.add(0.5).unwrap_err().kind, Kind::LimitExceeded);
        let other = Histogram::new(0.0, 2.0, 1).unwrap();
        assert_eq!(h.merge(&other).unwrap_err().kind, Kind::InvalidParameter);
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(values in prop::collection::vec(-5.0..15.0f64, 0..50), cut in 0..50usize) {
            let cut = cut.min(values.len());
            let count = |values: &[f64]| {
                let mut h = Histogram::new(0.0, 10.0, 7).unwrap();
                values.iter().for_each(|v| h.add(*v).unwrap());
                h
            };
            let mut merged = count(&values[..cut]);
            merged.merge(&Histogram::from_bytes(&count(&values[cut..]).to_bytes()).unwrap()).unwrap();
            prop_assert_eq!(merged, count(&values));
        }
    }
}
