//! A range of the column by which the rows of a file lie becomes a range of rows, and of bytes.

use super::cold_files;
use super::cold_run::{Scan, Skip};
use crate::cold::manifest::FileColumn;
use crate::cold::mapping::Cell;
use crate::cold::pushdown::{self, Leaf, Op, Test, Tree, Value};
use crate::cold::store::Hint;
use crate::error::Result;

/// Where an index begins with the column, too, it reads small ranges with less: runs are rounded to
/// about a megabyte at both ends.
const WORTH_STREAMING: u64 = 8 << 20;

/// Values that rows may have in a column, both included.
struct Range<'m> {
    column: &'m FileColumn,
    low: Option<i64>,
    high: Option<i64>,
    /// a single value
    is_point: bool,
}

impl Scan {
    /// Makes the prepared query one over a range of rows, where that is the best way to read.
    pub(super) fn narrow(&mut self, values: &[Value]) -> Result<()> {
        let Some((query, rows, hint)) = self.narrowed(values)? else {
            // nothing to search by: all rows, from the first to the last
            if self.order.is_empty() && self.plan.filter.is_empty() {
                self.plan.hint = cold_files::all_rows(&self.manifest)?;
            }
            return Ok(());
        };
        match query {
            Some(query) => {
                self.plan.query = Some(query);
                self.plan
                    .binds
                    .extend([Cell::Int(rows.0), Cell::Int(rows.1)]);
                self.plan.rows = Some(rows);
                self.plan.hint = hint;
            }
            None => self.plan.skip = Some(Skip::ZoneMap),
        }
        Ok(())
    }

    #[allow(clippy::type_complexity, reason = "one caller, right above")]
    fn narrowed(
        &self,
        values: &[Value],
    ) -> Result<Option<(Option<pushdown::Query>, (i64, i64), Hint)>> {
        let descending = match self.order.as_slice() {
            [] => None,
            [key] => Some(key.descending),
            _ => return Ok(None),
        };
        let Some(range) = self.range(values) else {
            return Ok(None);
        };
        let ordered_by = self.order.first().map(|key| key.attnum);
        if ordered_by.is_some_and(|attnum| attnum != range.column.attnum) {
            return Ok(None);
        }
        let runs = cold_files::runs(&self.manifest)?;
        let Some(map) = (range.column.physical.as_ref()).and_then(|name| runs.get(name)) else {
            return Ok(None);
        };
        let Some(rows) = map.between(range.low, range.high) else {
            return Ok(Some((None, (0, 0), Hint::Unknown)));
        };
        let by_index = self.leads_an_index(range.column.attnum);
        if by_index && (range.is_point || rows.end - rows.start < WORTH_STREAMING) {
            return Ok(None);
        }
        let plan = &self.plan;
        let first = plan.binds.len() + 1;
        let query = pushdown::select_rows(
            &self.manifest,
            &plan.needed,
            &plan.filter,
            first,
            descending,
        );
        // a LIMIT may end an ordered scan soon
        let hint = match descending {
            None => Hint::Range {
                start: rows.start,
                end: rows.end,
            },
            Some(_) => Hint::Unknown,
        };
        Ok(Some((Some(query), (rows.first, rows.last), hint)))
    }

    /// What the conditions leave of the column by which the rows lie. None: nothing, or another
    /// column has an index by which SQLite can search.
    fn range(&self, values: &[Value]) -> Option<Range<'_>> {
        let mut found: Option<Range<'_>> = None;
        for n in &self.plan.open {
            let Tree::Leaf(leaf) = &self.conditions[*n].tree else {
                continue;
            };
            let column = self.manifest.column(leaf.attnum)?;
            let bounds = bounds_of(leaf, values).filter(|_| column.encoding == leaf.encoding);
            let same = found
                .as_ref()
                .is_none_or(|f| f.column.attnum == leaf.attnum);
            match bounds {
                Some((low, high)) if column.ascending && !column.mixed && same => {
                    let range = found.get_or_insert(Range {
                        column,
                        low: None,
                        high: None,
                        is_point: false,
                    });
                    range.low = range.low.max(low);
                    range.high = match (range.high, high) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                    range.is_point |= low == high;
                }
                _ if self.leads_an_index(leaf.attnum) && !leaf.test.is_null_test() => return None,
                _ => {}
            }
        }
        found
    }

    fn leads_an_index(&self, attnum: i16) -> bool {
        let mut indexes = self.manifest.indexes.iter();
        indexes.any(|i| i.columns.first().is_some_and(|(first, _)| *first == attnum))
    }
}

/// Smallest and largest value that a condition allows, or more.
fn bounds_of(leaf: &Leaf, values: &[Value]) -> Option<(Option<i64>, Option<i64>)> {
    let Value::One(Cell::Int(value)) = values.get(leaf.param?)? else {
        return None;
    };
    let Test::Compare(op) = leaf.test else {
        return None;
    };
    Some(match op {
        Op::Lt | Op::Le => (None, Some(*value)),
        Op::Ge | Op::Gt => (Some(*value), None),
        Op::Eq => (Some(*value), Some(*value)),
        Op::Ne => return None,
    })
}
