//! One stored value, owned or borrowed, and SQLite's order of values.

use super::mapping::Encoding;
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

impl Cell {
    /// Text form for the catalog, nothing lost; [`Cell::parse`] reads it.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Int(v) => v.to_string(),
            // the shortest digits that read back as the same number
            Cell::Real(v) => v.to_string(),
            Cell::Text(t) => t.clone(),
            Cell::Blob(b) => b.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// A value of a column with this encoding, not NULL, from its text form. None: it is none.
    #[must_use]
    pub fn parse(encoding: Encoding, text: &str) -> Option<Cell> {
        match encoding.declared_type() {
            "INTEGER" => text.parse().ok().map(Cell::Int),
            "TEXT" => Some(Cell::Text(text.to_owned())),
            "BLOB" => unhex(text).map(Cell::Blob),
            _ => match (encoding, text) {
                (Encoding::Float4 | Encoding::Float8, "NaN") => Some(Cell::Text(text.to_owned())),
                (Encoding::Float4 | Encoding::Float8, _) => text.parse().ok().map(Cell::Real),
                _ => None,
            },
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_values_read_back_bit_by_bit() {
        let reals = [
            -0.0,
            0.1,
            f64::INFINITY,
            f64::NEG_INFINITY,
            5e-324,
            f64::MAX,
            1.0 / 3.0,
            f64::from(0.1f32),
        ];
        for v in reals {
            let text = Cell::Real(v).written();
            let Some(Cell::Real(back)) = Cell::parse(Encoding::Float8, &text) else {
                panic!("{text}");
            };
            assert_eq!(back.to_bits(), v.to_bits(), "{text}");
        }
        for (encoding, cell) in [
            (Encoding::Float4, Cell::Text("NaN".into())),
            (Encoding::Int, Cell::Int(i64::MIN)),
            (Encoding::TimestampTz, Cell::Int(i64::MAX)),
            (Encoding::Text, Cell::Text(String::new())),
            (Encoding::Text, Cell::Text("a'ä\n".into())),
            (Encoding::Bytea, Cell::Blob(vec![])),
            (Encoding::Bytea, Cell::Blob(vec![0, 255, 16])),
        ] {
            assert_eq!(Cell::parse(encoding, &cell.written()), Some(cell));
        }
        assert_eq!(Cell::parse(Encoding::Int, "x"), None);
        assert_eq!(Cell::parse(Encoding::Bytea, "0g"), None);
        assert_eq!(Cell::parse(Encoding::Bytea, "0"), None);
        assert_eq!(Cell::parse(Encoding::Xid8, "1"), None);
    }
}
