//! Counts and bounds of a column, collected while its rows pass by.

use super::mapping::{Cell, Encoding};
use std::cmp::Ordering;

/// Longer bounds of text and bytea are left out: they help nobody and are kept per file.
const MAX_BOUND_BYTES: usize = 256;

/// What is known of one column of a finished file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// rows with NULL
    pub nulls: i64,
    /// rows whose value is stored in another class than the column's own; with any, the column
    /// must not be compared in SQLite
    pub fallback: i64,
    /// smallest value, in stored form; None when there is none, it is too long, the encoding has
    /// no order or there are fallback values. For text: smallest by bytes, whatever the collation
    pub min: Option<Cell>,
    /// largest value, likewise
    pub max: Option<Cell>,
    /// whole numbers that never get smaller from one row to the next, and no NULL among them
    pub ascending: bool,
}

/// Collects [`ColumnStats`].
#[derive(Debug)]
pub struct Collector {
    encoding: Encoding,
    nulls: i64,
    fallback: i64,
    bounds: Option<(Cell, Cell)>,
    ascending: bool,
    previous: i64,
}

impl Collector {
    #[must_use]
    pub fn new(encoding: Encoding) -> Collector {
        Collector {
            encoding,
            nulls: 0,
            fallback: 0,
            bounds: None,
            ascending: encoding.order_exact(true),
            previous: i64::MIN,
        }
    }

    /// Takes note of one value.
    pub fn add(&mut self, cell: &Cell) {
        if matches!(cell, Cell::Real(r) if r.is_nan()) {
            // stored as text, and compared as such
            return self.add(&Cell::Text("NaN".to_owned()));
        }
        match cell {
            Cell::Int(n) if *n >= self.previous => self.previous = *n,
            _ => self.ascending = false,
        }
        let value = cell.as_ref();
        if *cell == Cell::Null {
            self.nulls += 1;
            return;
        }
        if self.encoding.is_fallback(value) {
            self.fallback += 1;
            self.bounds = None;
        }
        if self.fallback > 0 || !self.encoding.order_exact(true) {
            return;
        }
        match &mut self.bounds {
            None => self.bounds = Some((cell.clone(), cell.clone())),
            Some((min, max)) => {
                if value.order(&min.as_ref()) == Ordering::Less {
                    min.clone_from(cell);
                }
                if value.order(&max.as_ref()) == Ordering::Greater {
                    max.clone_from(cell);
                }
            }
        }
    }

    #[must_use]
    pub fn finish(self) -> ColumnStats {
        let (min, max) = self.bounds.unzip();
        ColumnStats {
            nulls: self.nulls,
            fallback: self.fallback,
            min: min.filter(is_short),
            max: max.filter(is_short),
            ascending: self.ascending && self.fallback == 0,
        }
    }
}

fn is_short(cell: &Cell) -> bool {
    match cell {
        Cell::Text(t) => t.len() <= MAX_BOUND_BYTES,
        Cell::Blob(b) => b.len() <= MAX_BOUND_BYTES,
        _ => true,
    }
}
