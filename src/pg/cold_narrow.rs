//! What a scan will ask its file for: ahead of its start, and by ranges of rows instead of values
//! where the run map of a remote file knows them.

use super::cold_ahead::Statement;
use super::cold_files;
use super::cold_run::{Prepared, Scan};
use crate::cold::pushdown::{self, Value};
use crate::cold::row_range;
use crate::cold::store::Hint;
use crate::error::Result;
use pgrx::pg_sys;
use std::rc::Rc;

/// Bytes that are fetched at once when they are going to be read one after the other.
const SHORT: u64 = 1 << 20;

impl Scan {
    /// What can be run ahead of this scan, if it is going to read its file.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    pub(super) unsafe fn ahead(
        &mut self,
        node: *mut pg_sys::CustomScanState,
    ) -> Result<Option<Statement>> {
        // SAFETY: promised by the caller
        let values = unsafe { self.evaluate(node) };
        self.plan = self.prepare(&values);
        if self.plan.skip.is_some() || self.known_first().is_some() {
            return Ok(None);
        }
        let mut plan = std::mem::take(&mut self.plan);
        self.narrow(&mut plan, &values)?;
        Ok(plan.query.map(|query| Statement {
            manifest: Rc::clone(&self.manifest),
            sql: query.sql,
            binds: plan.binds,
            hint: plan.hint,
        }))
    }

    /// Lets the file be read by rowids, if that costs fewer requests.
    pub(super) fn narrow(&self, prepared: &mut Prepared, values: &[Value]) -> Result<()> {
        let pushed = super::guc::COLD_PUSHDOWN.get();
        if self.manifest.is_local || prepared.skip.is_some() || !pushed {
            return Ok(());
        }
        let runs = cold_files::runs(&self.manifest)?;
        let trees = self.conditions.iter().map(|c| &c.tree);
        let (order, needed) = (&self.order, &prepared.needed);
        let rows = row_range::choose(&self.manifest, &runs, trees, values, order, needed);
        let Some(rows) = rows else {
            return Ok(());
        };
        let query = pushdown::select_rows(
            &self.manifest,
            needed,
            &prepared.filter,
            order,
            (rows.first, rows.last),
        );
        prepared.query = Some(query);
        // in an order it may be stopped early; a short one is one request in any case
        if order.is_empty() || rows.end - rows.start <= SHORT {
            prepared.hint = Hint::Range {
                start: rows.start,
                end: rows.end,
            };
        }
        Ok(())
    }
}
