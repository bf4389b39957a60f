//! Counting values into buckets of equal width.

use crate::error::{Error, Kind, Result};

/// More buckets than this are a mistake.
const MOST: i32 = 1_000_000;

/// Counters: one below `min`, one for each bucket of `[min, max)`, one at or above `max`. They lie in the
/// server's memory, which work_mem counts.
#[derive(Debug, PartialEq)]
pub struct Histogram<'a> {
    pub min: f64,
    pub max: f64,
    pub counts: &'a mut [i32],
}

/// How many counters these arguments need; 22023 for bad ones.
pub fn counters(min: f64, max: f64, buckets: i32) -> Result<usize> {
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
    Ok(buckets as usize + 2)
}

impl Histogram<'_> {
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
        // multiplied first: 29 of [0, 100) lies at the edge of a hundredth, and 29 / 100 does not
        let n = buckets as f64;
        let exact = n * (value - self.min) / (self.max - self.min);
        let place = if exact.is_finite() && (self.max - self.min).is_finite() {
            exact
        } else {
            n * ((value / 2.0 - self.min / 2.0) / (self.max / 2.0 - self.min / 2.0))
        };
        (place as usize).min(buckets - 1) + 1
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
}

/// `min`, `max` and counters of what [`Histogram::to_bytes`] wrote.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Option<(f64, f64, impl ExactSizeIterator<Item = i32> + '_)> {
    let (min, rest) = bytes.split_first_chunk::<8>()?;
    let (max, rest) = rest.split_first_chunk::<8>()?;
    let (counts, []) = rest.as_chunks::<4>() else {
        return None;
    };
    let counts = (counts.len() >= 3).then(|| counts.iter().map(|c| i32::from_ne_bytes(*c)))?;
    Some((f64::from_ne_bytes(*min), f64::from_ne_bytes(*max), counts))
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

    struct Own(f64, f64, Vec<i32>);

    impl Own {
        fn new(min: f64, max: f64, buckets: i32) -> Own {
            Own(min, max, vec![0; counters(min, max, buckets).unwrap()])
        }

        fn state(&mut self) -> Histogram<'_> {
            Histogram {
                min: self.0,
                max: self.1,
                counts: &mut self.2,
            }
        }

        fn count(mut self, values: &[f64]) -> Own {
            values.iter().for_each(|v| self.state().add(*v).unwrap());
            self
        }
    }

    #[test]
    fn edges() {
        let mut h = Own::new(0.0, 10.0, 5).count(&[
            -0.1,
            f64::NEG_INFINITY,
            0.0,
            1.9,
            2.0,
            9.99,
            10.0,
            f64::INFINITY,
            f64::NAN,
        ]);
        assert_eq!(h.2, [2, 2, 1, 0, 0, 1, 3]);
        let h = h.state();
        assert!(h.is_like(0.0, 10.0, 5) && !h.is_like(0.0, 10.0, 4) && !h.is_like(0.0, 9.0, 5));
        let wide = Own::new(-f64::MAX, f64::MAX, 2).count(&[-f64::MAX / 4.0, f64::MAX / 4.0]);
        assert_eq!(wide.2, [0, 1, 1, 0]);
        let tall = Own::new(0.0, f64::MAX, 1000).count(&[f64::MAX * 0.9999, 0.0]);
        assert_eq!((tall.2[1], tall.2[1000]), (1, 1));
    }

    #[test]
    fn a_whole_number_lies_in_the_bucket_that_it_begins() {
        for n in 1..=1000 {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let h = Own::new(0.0, f64::from(n), n).count(&values);
            assert!(h.2[1..=n as usize].iter().all(|c| *c == 1), "{n}");
        }
    }

    #[test]
    fn refused() {
        let kind = |min, max, n| counters(min, max, n).unwrap_err().kind;
        assert_eq!(kind(0.0, 1.0, 0), Kind::InvalidParameter);
        assert_eq!(kind(0.0, 1.0, i32::MAX), Kind::InvalidParameter);
        assert_eq!(kind(1.0, 1.0, 3), Kind::InvalidParameter);
        assert_eq!(kind(f64::NAN, 1.0, 3), Kind::InvalidParameter);
        let mut h = Own::new(0.0, 1.0, 1);
        h.2[1] = i32::MAX;
        assert_eq!(h.state().add(0.5).unwrap_err().kind, Kind::LimitExceeded);
        let mut other = Own::new(0.0, 2.0, 1);
        let merged = h.state().merge(&other.state());
        assert_eq!(merged.unwrap_err().kind, Kind::InvalidParameter);
        let image = h.state().to_bytes();
        assert!(from_bytes(&image[..image.len() - 1]).is_none());
        assert!(from_bytes(&image[..24]).is_none());
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(values in prop::collection::vec(-5.0..15.0f64, 0..50), cut in 0..50usize) {
            let cut = cut.min(values.len());
            let new = || Own::new(0.0, 10.0, 7);
            let image = new().count(&values[cut..]).state().to_bytes();
            let (min, max, counts) = from_bytes(&image).unwrap();
            let mut part = Own(min, max, counts.collect());
            let mut merged = new().count(&values[..cut]);
            merged.state().merge(&part.state()).unwrap();
            prop_assert_eq!(merged.2, new().count(&values).2);
        }
    }
}
