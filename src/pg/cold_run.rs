//! A running scan of a cold chunk: which conditions the file decides, its rows, columns it lacks.

use super::cold_am::cold_tid;
use super::cold_late::Late;
pub(super) use super::cold_missing::missing_values;
use super::cold_plan::Condition;
use super::cold_prefetch;
use super::cold_reader::Reader;
pub(super) use super::cold_reads::Skip;
use super::cold_rule_out::RuledOut;
use super::cold_slot;
use super::cold_value::ValueReader;
use crate::cold::aggregate::Output;
use crate::cold::manifest::Manifest;
use crate::cold::mapping::Cell;
use crate::cold::order::Key;
use crate::cold::pushdown::{self, Pushed, Query, Value};
use crate::cold::store::Hint;
use crate::error::Result;
use pgrx::pg_sys;
use std::rc::Rc;

/// Where the scan is.
pub(super) enum Phase {
    NotStarted,
    /// rows of the file, then those of the stub
    File,
    /// rows of both in their order
    Merge,
    Stub(pg_sys::TableScanDesc),
    Done,
}

/// The first row of an ordered scan, which the zone map may know.
pub(super) enum First {
    /// to be read
    Read,
    /// known, not given yet
    Known(Cell),
    /// given: the cursor has it, too
    Given,
}

/// Columns that the target list and the conditions mention.
pub(super) struct Columns {
    /// needed for each row of the file
    pub(super) always: Vec<i16>,
    /// needed where an exact condition is evaluated after all
    pub(super) exact: Vec<Vec<i16>>,
    /// one of xmin and the like
    pub(super) system: bool,
}

pub(super) struct Scan {
    pub(super) manifest: Rc<Manifest>,
    pub(super) columns: Columns,
    pub(super) conditions: Vec<Condition>,
    pub(super) order: Vec<Key>,
    /// value expressions and converters for their types
    pub(super) values: Vec<(*mut pg_sys::ExprState, ValueReader)>,
    /// conditions that the file may decide
    pub(super) exact: Vec<*mut pg_sys::ExprState>,
    /// those that it does not; NULL for none
    pub(super) filter: *mut pg_sys::ExprState,
    pub(super) missing: Vec<(usize, Option<pg_sys::Datum>)>,
    pub(super) query: Query,
    pub(super) reader: Option<Reader>,
    pub(super) phase: Phase,
    pub(super) stub_slot: *mut pg_sys::TupleTableSlot,
    pub(super) owner: pg_sys::Oid,
    pub(super) late: Option<Late>,
    pub(super) rows_read: i64,
    /// half of the rows that the planner expects
    pub(super) half: i64,
    pub(super) late_rows: i64,
    /// this process has read, not a parallel worker
    pub(super) started: bool,
    /// the file was needed at least once
    pub(super) file_used: bool,
    pub(super) first_from_zone: bool,
    pub(super) skipped: Option<Skip>,
    pub(super) plan: Prepared,
    pub(super) ruled_out: RuledOut,
    /// what a node above would like to have instead of rows
    pub(super) states: Vec<Output>,
    /// it got that: the rows of the file are its business
    pub(super) aggregated: bool,
    pub(super) first: First,
}

/// What is to be done with these values.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) query: Option<Query>,
    /// columns and conditions that the query was made of
    pub(super) needed: Vec<i16>,
    pub(super) filter: String,
    /// bytes of the file that the query streams, where that is known
    pub(super) hint: Hint,
    /// first and last row to look at, the last two of the values; none: all rows
    pub(super) rows: Option<(i64, i64)>,
    pub(super) binds: Vec<Cell>,
    /// exact conditions that PostgreSQL has to evaluate all the same
    pub(super) checks: Vec<usize>,
    /// conditions that some row of the file may not fulfil
    pub(super) open: Vec<usize>,
    pub(super) skip: Option<Skip>,
}

impl Scan {
    pub(super) fn new(
        manifest: Rc<Manifest>,
        columns: Columns,
        conditions: Vec<Condition>,
        order: Vec<Key>,
    ) -> Self {
        let query = pushdown::select(&manifest, &columns.always, "", &order);
        Scan {
            manifest,
            columns,
            conditions,
            order,
            values: vec![],
            exact: vec![],
            filter: std::ptr::null_mut(),
            missing: vec![],
            query,
            reader: None,
            phase: Phase::NotStarted,
            stub_slot: std::ptr::null_mut(),
            owner: pg_sys::InvalidOid,
            late: None,
            rows_read: 0,
            half: 0,
            late_rows: 0,
            started: false,
            file_used: false,
            first_from_zone: false,
            skipped: None,
            plan: Prepared::default(),
            ruled_out: RuledOut::default(),
            states: vec![],
            aggregated: false,
            first: First::Read,
        }
    }

    /// What to ask the file for, given these values. Evaluates nothing, reads nothing.
    pub(super) fn prepare(&self, values: &[Value]) -> Prepared {
        let pushed = if super::guc::COLD_PUSHDOWN.get() {
            let trees = self.conditions.iter().map(|c| &c.tree);
            pushdown::push(&self.manifest, trees, values)
        } else {
            let all: Vec<usize> = (0..self.conditions.len()).collect();
            Pushed {
                undecided: all.clone(),
                open: all,
                ..Pushed::default()
            }
        };
        let undecided = pushed.undecided.iter();
        let checks: Vec<usize> = undecided
            .filter_map(|n| self.conditions[*n].exact)
            .collect();
        let mut needed = self.columns.always.clone();
        for attnum in checks.iter().flat_map(|n| &self.columns.exact[*n]) {
            if !needed.contains(attnum) {
                needed.push(*attnum);
            }
        }
        let query = pushdown::select(&self.manifest, &needed, &pushed.filter, &self.order);
        Prepared {
            query: Some(query),
            needed,
            filter: pushed.filter,
            hint: Hint::Unknown,
            rows: None,
            binds: pushed.binds,
            checks,
            open: pushed.open,
            skip: pushed.none_fits.then_some(Skip::ZoneMap),
        }
    }

    /// Starts reading the file from its beginning.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    pub(super) unsafe fn open(&mut self, node: *mut pg_sys::CustomScanState) -> Result<()> {
        // SAFETY: promised by the caller
        let desc = unsafe { (*(*node).ss.ss_currentRelation).rd_att };
        self.file_used = true;
        if let Some(query) = self.plan.query.take()
            && (self.reader.is_none() || query != self.query)
        {
            // SAFETY: the descriptor is the chunk's
            let mut reader =
                unsafe { Reader::new(Rc::clone(&self.manifest), &query, desc, self.owner)? };
            if let Some(old) = &self.reader {
                reader.add_stats(old.stats);
            }
            self.reader = Some(reader);
            self.query = query;
        }
        if let Some(reader) = &mut self.reader {
            reader.hint(self.plan.hint);
            reader.restart(&self.plan.binds)?;
        }
        Ok(())
    }

    /// Stores the next row of the file that passes all conditions in `slot`; false at the end. Its
    /// values live in `memory`, which is reset for each row.
    ///
    /// # Safety
    /// `slot` must be a virtual slot of the chunk's shape, `node` the owner of this scan.
    pub(super) unsafe fn next_file_row(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        slot: *mut pg_sys::TupleTableSlot,
        memory: pg_sys::MemoryContext,
    ) -> Result<bool> {
        if self.plan.skip.is_some() {
            return Ok(false);
        }
        loop {
            pgrx::check_for_interrupts!();
            // SAFETY: promised by the caller; the slot holds nothing of the memory any more
            unsafe {
                cold_slot::clear(slot);
                cold_slot::reset(memory);
                let old = pg_sys::MemoryContextSwitchTo(memory);
                let found = self.read_row(node, slot);
                pg_sys::MemoryContextSwitchTo(old);
                if !found? {
                    return Ok(false);
                }
                if self.passes(node, slot, false) {
                    return Ok(true);
                }
            }
        }
    }

    unsafe fn read_row(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> Result<bool> {
        // SAFETY: a slot has room for all attributes of its descriptor
        let (values, nulls) = unsafe {
            let natts = (*(*slot).tts_tupleDescriptor).natts as usize;
            (
                std::slice::from_raw_parts_mut((*slot).tts_values, natts),
                std::slice::from_raw_parts_mut((*slot).tts_isnull, natts),
            )
        };
        nulls.fill(true);
        // SAFETY: promised by the caller
        unsafe {
            let rel = (*node).ss.ss_currentRelation;
            match std::mem::replace(&mut self.first, First::Read) {
                First::Known(cell) => {
                    self.fill_first(cell.as_ref(), (*rel).rd_att, values, nulls)?;
                    self.first = First::Given;
                    (*slot).tts_tid = cold_tid(1);
                    (*slot).tts_tableOid = (*rel).rd_id;
                    cold_slot::store(slot);
                    return Ok(true);
                }
                First::Given => {
                    self.open(node)?;
                    // the row that was given
                    if let Some(reader) = &mut self.reader {
                        reader.next(values, nulls)?;
                    }
                    nulls.fill(true);
                }
                First::Read => {}
            }
            let Some(reader) = &mut self.reader else {
                return Ok(false);
            };
            let Some(rowid) = reader.next(values, nulls)? else {
                return Ok(false);
            };
            for (i, value) in &self.missing {
                nulls[*i] = value.is_none();
                values[*i] = value.unwrap_or(pg_sys::Datum::null());
            }
            self.rows_read += 1;
            if self.rows_read == self.half {
                cold_prefetch::half_read(node)?;
            }
            (*slot).tts_tid = cold_tid(rowid);
            (*slot).tts_tableOid = (*rel).rd_id;
            cold_slot::store(slot);
        }
        Ok(true)
    }

    /// Whether PostgreSQL keeps the row: rows of the stub are asked all conditions, rows of the
    /// file those that the file did not decide.
    ///
    /// # Safety
    /// `node` must own this scan, `slot` hold a row of its shape.
    pub(super) unsafe fn passes(
        &self,
        node: *mut pg_sys::CustomScanState,
        slot: *mut pg_sys::TupleTableSlot,
        is_late: bool,
    ) -> bool {
        // SAFETY: promised by the caller; the expressions were initialised for this node
        unsafe {
            let context = (*node).ss.ps.ps_ExprContext;
            (*context).ecxt_scantuple = slot;
            let holds =
                |expr: *mut pg_sys::ExprState| expr.is_null() || pg_sys::ExecQual(expr, context);
            let exact = if is_late {
                self.exact.iter().all(|e| holds(*e))
            } else {
                self.plan.checks.iter().all(|n| holds(self.exact[*n]))
            };
            let keeps = exact && holds(self.filter);
            let instrument = (*node).ss.ps.instrument;
            if !keeps && !instrument.is_null() {
                (*instrument).nfiltered1 += 1.0;
            }
            keeps
        }
    }

    pub(super) fn end_stub(&mut self) {
        if let Some(late) = &mut self.late {
            late.end();
        }
        if let Phase::Stub(desc) = std::mem::replace(&mut self.phase, Phase::Done) {
            // SAFETY: the scan that was begun for this phase, ended once
            unsafe { pg_sys::table_endscan(desc) };
        }
    }
}
