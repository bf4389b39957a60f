//! A hash over the rows of a chunk that does not depend on their order.
//!
//! Sum modulo 2^128 of a hash of each row's binary form: computable from heap and file alike.

use super::mapping::Cell;
use crate::error::Result;
use sha2::{Digest, Sha256};

/// Where the rows of a chunk go when they are read one after another.
pub trait RowSink {
    /// Says, before the first row, how many there will be.
    fn expect(&mut self, rows: u64);

    /// Takes one row, values in the order of the live columns, and its hash.
    ///
    /// # Errors
    /// What keeps the reader from going on.
    fn row(&mut self, row: &[Cell], digest: u128) -> Result<()>;
}

/// The running sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentHash {
    pub rows: i64,
    sum: u128,
}

/// The hash of one row under construction: columns in their order.
pub struct RowHash(Sha256);

impl RowHash {
    /// Adds a value's binary form; lengths keep neighbours apart.
    pub fn value(&mut self, bytes: &[u8]) {
        self.0.update([1]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Adds a NULL.
    pub fn null(&mut self) {
        self.0.update([0]);
    }

    /// The hash of the whole row.
    #[must_use]
    pub fn finish(self) -> u128 {
        let digest = self.0.finalize();
        let mut first = [0u8; 16];
        first.copy_from_slice(&digest[..16]);
        u128::from_be_bytes(first)
    }
}

/// Hashes of some rows, evenly spread over all of them, the first and the last among them.
#[derive(Debug, Clone)]
pub struct Sample {
    every: i64,
    seen: i64,
    kept: Vec<(i64, u128)>,
    last: Option<(i64, u128)>,
}

/// The sample has between half as many rows and as many, plus the last.
const SAMPLE_ROWS: usize = 128;

impl Default for Sample {
    fn default() -> Self {
        Sample {
            every: 1,
            seen: 0,
            kept: Vec::new(),
            last: None,
        }
    }
}

impl Sample {
    /// The next row, in the order of the file.
    pub fn add(&mut self, digest: u128) {
        let row = (self.seen + 1, digest);
        if self.seen % self.every == 0 {
            if self.kept.len() == SAMPLE_ROWS {
                self.every *= 2;
                self.kept.retain(|(rowid, _)| (rowid - 1) % self.every == 0);
            }
            if self.seen % self.every == 0 {
                self.kept.push(row);
            }
        }
        self.seen += 1;
        self.last = Some(row);
    }

    /// Number of each row in the file, counted from 1, with its hash.
    pub fn rows(&self) -> impl Iterator<Item = (i64, u128)> + '_ {
        let known = self.kept.last().map(|(rowid, _)| *rowid);
        let last = self.last.filter(|(rowid, _)| Some(*rowid) != known);
        self.kept.iter().copied().chain(last)
    }
}

impl ContentHash {
    /// Begins a row.
    #[must_use]
    pub fn row(&self) -> RowHash {
        RowHash(Sha256::new())
    }

    /// Counts a finished row in; gives its own hash.
    pub fn add(&mut self, row: RowHash) -> u128 {
        let digest = row.finish();
        self.sum = self.sum.wrapping_add(digest);
        self.rows += 1;
        digest
    }

    /// The hash over the rows of both.
    #[must_use]
    pub fn plus(self, other: ContentHash) -> ContentHash {
        ContentHash {
            rows: self.rows + other.rows,
            sum: self.sum.wrapping_add(other.sum),
        }
    }

    /// Text form for the catalog: 32 hex digits.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:032x}", self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(rows: &[&[Option<&str>]]) -> ContentHash {
        let mut sum = ContentHash::default();
        for row in rows {
            let mut r = sum.row();
            for value in *row {
                match value {
                    Some(v) => r.value(v.as_bytes()),
                    None => r.null(),
                }
            }
            sum.add(r);
        }
        sum
    }

    #[test]
    fn samples_are_spread_and_have_both_ends() {
        for rows in [0i64, 1, 2, 127, 128, 129, 1000, 100_003] {
            let mut sample = Sample::default();
            for n in 1..=rows {
                sample.add(n as u128 * 7);
            }
            let found: Vec<_> = sample.rows().collect();
            assert!(found.iter().all(|(n, digest)| *digest == *n as u128 * 7));
            assert!(found.is_sorted_by(|a, b| a.0 < b.0), "{rows}");
            assert_eq!(found.first().map(|f| f.0), (rows > 0).then_some(1));
            assert_eq!(found.last().map(|f| f.0), (rows > 0).then_some(rows));
            let least = usize::try_from(rows).unwrap().min(SAMPLE_ROWS / 2);
            assert!(
                (least..=SAMPLE_ROWS + 1).contains(&found.len()),
                "{rows}: {}",
                found.len()
            );
        }
    }

    #[test]
    fn order_does_not_matter_but_everything_else_does() {
        let a: &[Option<&str>] = &[Some("1"), None];
        let b: &[Option<&str>] = &[Some("2"), Some("x")];
        assert_eq!(hash(&[a, b]), hash(&[b, a]));
        assert_ne!(hash(&[a, b]), hash(&[a]));
        assert_ne!(hash(&[a]), hash(&[a, a]));
        assert_eq!(hash(&[a]).plus(hash(&[b, a])), hash(&[a, b, a]));
        assert_ne!(
            hash(&[&[Some("ab"), Some("c")]]),
            hash(&[&[Some("a"), Some("bc")]])
        );
        assert_ne!(hash(&[&[Some("")]]), hash(&[&[None]]));
        assert_eq!(hash(&[]).text(), "0".repeat(32));
    }
}
