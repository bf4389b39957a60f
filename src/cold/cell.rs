//! One stored value, owned or borrowed, and SQLite's order of values.

use std::cmp::Ordering;

/// One value on its way into a file, or bound to a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// One value of the current row of a statement. Text is not checked for UTF-8 here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellRef<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl Cell {
    /// The same value, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> CellRef<'_> {
        match self {
            Cell::Null => CellRef::Null,
            Cell::Int(i) => CellRef::Int(*i),
            Cell::Real(r) => CellRef::Real(*r),
            Cell::Text(t) => CellRef::Text(t.as_bytes()),
            Cell::Blob(b) => CellRef::Blob(b),
        }
    }
}

impl CellRef<'_> {
    /// An owned copy; text that is no UTF-8 becomes a blob, as it was stored.
    #[must_use]
    pub fn to_cell(&self) -> Cell {
        match *self {
            CellRef::Null => Cell::Null,
            CellRef::Int(i) => Cell::Int(i),
            CellRef::Real(r) => Cell::Real(r),
            CellRef::Text(t) => match std::str::from_utf8(t) {
                Ok(s) => Cell::Text(s.to_owned()),
                Err(_) => Cell::Blob(t.to_vec()),
            },
            CellRef::Blob(b) => Cell::Blob(b.to_vec()),
        }
    }

    /// SQLite's order: NULL, numbers, text, blobs; text and blobs bytewise (collation BINARY).
    #[must_use]
    pub fn order(&self, other: &CellRef<'_>) -> Ordering {
        use CellRef::{Blob, Int, Real, Text};
        match (self, other) {
            (Int(a), Int(b)) => a.cmp(b),
            (Real(a), Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Int(a), Real(b)) => int_to_real(*a, *b),
            (Real(a), Int(b)) => int_to_real(*b, *a).reverse(),
            (Text(a), Text(b)) | (Blob(a), Blob(b)) => a.cmp(b),
            _ => self.class().cmp(&other.class()),
        }
    }

    fn class(&self) -> u8 {
        match self {
            CellRef::Null => 0,
            CellRef::Int(_) | CellRef::Real(_) => 1,
            CellRef::Text(_) => 2,
            CellRef::Blob(_) => 3,
        }
    }
}

/// Exact comparison of an integer with a float, without rounding the integer first.
fn int_to_real(a: i64, b: f64) -> Ordering {
    if b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = b.trunc() as i64;
    a.cmp(&whole).then_with(|| {
        0.0f64
            .partial_cmp(&(b - b.trunc()))
            .unwrap_or(Ordering::Equal)
    })
}
