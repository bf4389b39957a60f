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
    /// no NULL, no fallback, and no value smaller than the one before it: reading by rowid is
    /// reading in the order of this column
    pub ascending: bool,
}

/// Collects [`ColumnStats`].
#[derive(Debug)]
pub struct Collector {
    encoding: Encoding,
    nulls: i64,
    fallback: i64,
    bounds: Option<(Cell, Cell)>,
    descent: bool,
}

impl Collector {
    #[must_use]
    pub fn new(encoding: Encoding) -> Collector {
        Collector {
            encoding,
            nulls: 0,
            fallback: 0,
            bounds: None,
            descent: false,
        }
    }

    /// Takes note of one value.
    pub fn add(&mut self, cell: &Cell) {
        if matches!(cell, Cell::Real(r) if r.is_nan()) {
            // stored as text, and compared as such
            return self.add(&Cell::Text("NaN".to_owned()));
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
                // as long as nothing descends, the largest is the one before
                match value.order(&max.as_ref()) {
                    Ordering::Greater => max.clone_from(cell),
                    Ordering::Less => self.descent = true,
                    Ordering::Equal => {}
                }
            }
        }
    }

    /// What the values had in common; bounds only where all of them sort in SQLite as in PostgreSQL.
    #[must_use]
    pub fn finish(self) -> ColumnStats {
        let ascending = !self.descent
            && self.nulls == 0
            && self.fallback == 0
            && self.encoding.order_exact(true);
        let (min, max) = self.bounds.unzip();
        ColumnStats {
            nulls: self.nulls,
            fallback: self.fallback,
            min: min.filter(is_short),
            max: max.filter(is_short),
            ascending,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[Cell]) -> ColumnStats {
        let mut collector = Collector::new(Encoding::Int);
        cells.iter().for_each(|c| collector.add(c));
        collector.finish()
    }

    #[test]
    fn ascending_means_that_no_row_steps_back() {
        let ints = |v: &[i64]| v.iter().map(|i| Cell::Int(*i)).collect::<Vec<_>>();
        assert!(of(&ints(&[-3, 1, 1, 2])).ascending);
        assert!(of(&[]).ascending);
        assert!(!of(&ints(&[1, 3, 2])).ascending);
        assert!(!of(&ints(&[1, 3, 2, 4])).ascending);
        assert!(!of(&[Cell::Int(1), Cell::Null, Cell::Int(2)]).ascending);
        let mut odd = Collector::new(Encoding::Timestamp);
        odd.add(&Cell::Int(1));
        odd.add(&Cell::Text("far".into()));
        assert!(!odd.finish().ascending);
        let mut text = Collector::new(Encoding::TypeText);
        text.add(&Cell::Text("a".into()));
        assert!(!text.finish().ascending, "nothing is known of its order");
    }
}
