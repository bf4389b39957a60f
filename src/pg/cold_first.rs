//! The first row of an ordered scan from the zone map: the file stays closed.

use super::cold_datum::Codec;
use super::cold_plan::Condition;
use super::cold_run::Scan;
use crate::cold::mapping::{Cell, CellRef};
use crate::cold::pushdown::{Test, Tree};
use crate::error::Result;
use pgrx::pg_sys;

impl Scan {
    /// The value of the order column in the first row, when nothing else is asked for: then a
    /// MergeAppend for max() or min() need not open the file.
    pub(super) fn known_first(&self) -> Option<Cell> {
        let [key] = self.order.as_slice() else {
            return None;
        };
        let skipped = self.plan.skip.is_some() || self.manifest.rows == 0;
        let others = self.columns.system || self.columns.always.iter().any(|a| *a != key.attnum);
        let is_not_null = |condition: &Condition| {
            matches!(&condition.tree, Tree::Leaf(leaf)
                if leaf.test == Test::IsNotNull && leaf.attnum == key.attnum)
        };
        let mut open = self.plan.open.iter().map(|n| &self.conditions[*n]);
        let plain = self.filter.is_null()
            && self.plan.checks.is_empty()
            && open.all(is_not_null)
            && super::guc::COLD_PUSHDOWN.get();
        if skipped || others || !plain {
            return None;
        }
        let column = self.manifest.column(key.attnum)?;
        let without_nulls = !column.has_nulls || !self.plan.open.is_empty();
        if column.mixed || (key.nulls_first && !without_nulls) {
            return None;
        }
        let bound = if key.descending {
            &column.max
        } else {
            &column.min
        };
        // 0 and -0 are equal, and which one comes first is not known
        bound.clone().filter(|cell| *cell != Cell::Real(0.0))
    }

    /// Makes a row of the value from [`Scan::known_first`].
    ///
    /// # Safety
    /// `desc` must be the chunk's descriptor, `values` and `nulls` as long as it.
    pub(super) unsafe fn fill_first(
        &mut self,
        cell: CellRef<'_>,
        desc: pg_sys::TupleDesc,
        values: &mut [pg_sys::Datum],
        nulls: &mut [bool],
    ) -> Result<()> {
        let i = (self.order[0].attnum - 1) as usize;
        // SAFETY: a column of the chunk
        let mut codec = unsafe {
            let att = super::compat::attribute(desc, i);
            Codec::new((*att).atttypid, (*att).atttypmod)
        };
        values[i] = codec.decode(cell)?;
        nulls[i] = false;
        self.first_from_zone = true;
        Ok(())
    }
}
