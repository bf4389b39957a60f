//! How a scan of a cold chunk begins: its values, whether the file must be read, who reads it.

use super::cold_agg_file::Asked;
use super::cold_agg_run::known;
use super::cold_ahead::Statement;
use super::cold_run::{First, Scan, Skip};
use super::{cold_prefetch, cold_reads, cold_value, ffi};
use crate::cold::pushdown::Value;
use crate::error::Result;
use pgrx::pg_sys;
use std::rc::Rc;

impl Scan {
    /// The values as they are now.
    unsafe fn evaluate(&mut self, node: *mut pg_sys::CustomScanState) -> Vec<Value> {
        // SAFETY: promised by the caller
        let context = unsafe { (*node).ss.ps.ps_ExprContext };
        let values = self.values.iter_mut();
        values
            // SAFETY: the expressions were initialised for this node
            .map(|(expr, reader)| unsafe { cold_value::evaluate(*expr, reader, context) })
            .collect()
    }

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
        self.rule_out(&values)?;
        if self.plan.skip.is_some() || self.known_first().is_some() {
            return Ok(None);
        }
        self.narrow(&values)?;
        if self.plan.skip.is_some() {
            return Ok(None);
        }
        if !self.states.is_empty() && self.is_decided() {
            let asked = Asked::new(self);
            if known(&self.manifest, &self.states, &asked.filter).is_some() {
                return Ok(None);
            }
            return Ok(Some(asked.ahead(&self.manifest, &self.states)));
        }
        Ok(self.plan.query.take().map(|query| Statement {
            manifest: Rc::clone(&self.manifest),
            sql: query.sql,
            binds: std::mem::take(&mut self.plan.binds),
            hint: self.plan.hint,
        }))
    }

    /// Evaluates the values, and finds out whether the file must be read at all.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    pub(super) unsafe fn start(&mut self, node: *mut pg_sys::CustomScanState) -> Result<()> {
        if self.aggregated {
            self.plan.skip = Some(Skip::Aggregated);
            self.skipped = self.plan.skip;
            self.first = First::Read;
            self.started = true;
            return Ok(());
        }
        // SAFETY: promised by the caller
        unsafe { self.decide(node)? };
        self.first = self.known_first().map_or(First::Read, First::Known);
        self.started = true;
        if self.plan.skip.is_none() && matches!(self.first, First::Read) {
            // SAFETY: promised by the caller
            unsafe { self.open(node)? };
        }
        Ok(())
    }

    /// Evaluates the values, and says what to ask the file for, if anything. Reads nothing.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    pub(super) unsafe fn decide(&mut self, node: *mut pg_sys::CustomScanState) -> Result<()> {
        // SAFETY: promised by the caller
        let values = unsafe {
            note_for_serializable(node);
            cold_prefetch::started(node, &self.manifest.file)?;
            self.evaluate(node)
        };
        self.plan = self.prepare(&values);
        self.rule_out(&values)?;
        if self.plan.skip.is_none() && !cold_reads::allowed(&self.manifest)? {
            self.plan.skip = Some(Skip::ReadsOff);
        }
        if self.plan.skip.is_none() {
            self.narrow(&values)?;
        }
        self.skipped = self.plan.skip;
        Ok(())
    }

    /// True when SQLite decides all conditions with the values of this run.
    pub(super) fn is_decided(&self) -> bool {
        self.plan.checks.is_empty() && self.filter.is_null() && super::guc::COLD_PUSHDOWN.get()
    }
}

/// Rows of a file have no pages that could be locked, and who is content with the first of them never comes to the
/// stub. The chunk may be brought back, and the row changed, before concurrent transactions have ended.
///
/// # Safety
/// `node` must be the state of a running scan with its relation open.
unsafe fn note_for_serializable(node: *mut pg_sys::CustomScanState) {
    // SAFETY: promised by the caller
    unsafe {
        let rel = (*node).ss.ss_currentRelation;
        // a foreign table is nobody's to change
        if (*(*rel).rd_rel).relkind as u8 != pg_sys::RELKIND_FOREIGN_TABLE {
            ffi::predicate_lock(rel, (*(*node).ss.ps.state).es_snapshot);
        }
    }
}
