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

    /// Takes one row, values in the order of the live columns.
    ///
    /// # Errors
    /// What keeps the reader from going on.
    fn row(&mut self, row: &[Cell]) -> Result<()>;
}

/// For readers that want nothing but the hash.
impl RowSink for () {
    fn expect(&mut self, _rows: u64) {}

    fn row(&mut self, _row: &[Cell]) -> Result<()> {
        Ok(())
    }
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
}

impl ContentHash {
    /// Begins a row.
    #[must_use]
    pub fn row(&self) -> RowHash {
        RowHash(Sha256::new())
    }

    /// Counts a finished row in.
    pub fn add(&mut self, row: RowHash) {
        let digest = row.0.finalize();
        let mut first = [0u8; 16];
        first.copy_from_slice(&digest[..16]);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(first));
        self.rows += 1;
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
    fn order_does_not_matter_but_everything_else_does() {
        let a: &[Option<&str>] = &[Some("1"), None];
        let b: &[Option<&str>] = &[Some("2"), Some("x")];
        assert_eq!(hash(&[a, b]), hash(&[b, a]));
        assert_ne!(hash(&[a, b]), hash(&[a]));
        assert_ne!(hash(&[a]), hash(&[a, a]));
        assert_ne!(
            hash(&[&[Some("ab"), Some("c")]]),
            hash(&[&[Some("a"), Some("bc")]])
        );
        assert_ne!(hash(&[&[Some("")]]), hash(&[&[None]]));
        assert_eq!(hash(&[]).text(), "0".repeat(32));
    }
}
