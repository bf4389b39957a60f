//! A running scan of a cold chunk: parameters, the file's rows, columns that the file lacks.

use super::cold_ahead::Statement;
use super::cold_am::cold_tid;
use super::cold_datum::{Codec, DecodeScope};
use super::cold_prefetch;
use super::cold_reader::Reader;
use crate::cold::manifest::Manifest;
use crate::cold::mapping::Cell;
use crate::cold::pushdown::{self, Condition, Order, Query};
use crate::cold::store::Hint;
use crate::error::Result;
use pgrx::pg_sys;
use std::rc::Rc;

/// Where the scan is.
pub(super) enum Phase {
    NotStarted,
    File,
    Stub(pg_sys::TableScanDesc),
    Done,
}

pub(super) struct Scan {
    pub(super) manifest: Rc<Manifest>,
    pub(super) needed: Vec<i16>,
    pub(super) conditions: Vec<Condition>,
    pub(super) order: Option<Order>,
    /// value expressions and codecs for their types
    pub(super) params: Vec<(*mut pg_sys::ExprState, Codec)>,
    pub(super) missing: Vec<(usize, Option<pg_sys::Datum>)>,
    pub(super) query: Query,
    pub(super) reader: Option<Reader>,
    pub(super) phase: Phase,
    pub(super) stub_slot: *mut pg_sys::TupleTableSlot,
    pub(super) owner: pg_sys::Oid,
    pub(super) rows_read: i64,
    /// half of the rows that the planner expects
    pub(super) half: i64,
    /// this process has read, not a parallel worker
    pub(super) started: bool,
}

/// Values of needed columns that the file does not have: added after the export.
pub(super) unsafe fn missing_values(
    manifest: &Manifest,
    desc: pg_sys::TupleDesc,
    owner: pg_sys::Oid,
    needed: &[i16],
) -> Result<Vec<(usize, Option<pg_sys::Datum>)>> {
    let mut out = Vec::new();
    for attnum in needed {
        let known = manifest.column(*attnum);
        if known.is_some_and(|c| c.physical.is_some()) {
            continue;
        }
        let i = (*attnum - 1) as usize;
        let value = match known {
            Some(column) => match &column.missing {
                // SAFETY: attnum is a column of this relation
                Some(text) => unsafe {
                    // reading may run constraints of domains, which are the owner's code
                    let _scope = DecodeScope::begin(owner);
                    let att = super::compat::attribute(desc, i);
                    let mut codec = Codec::new((*att).atttypid, (*att).atttypmod);
                    Some(codec.read_text(text)?)
                },
                None => None,
            },
            None => {
                let mut null = true;
                // SAFETY: attnum is a column of this relation; the value lives in its descriptor,
                // which the open relation pins
                let datum = unsafe { pg_sys::getmissingattr(desc, i32::from(*attnum), &mut null) };
                (!null).then_some(datum)
            }
        };
        out.push((i, value));
    }
    Ok(out)
}

impl Scan {
    /// The statement for the file and its values, from the parameters as they are now.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    unsafe fn statement(&mut self, node: *mut pg_sys::CustomScanState) -> (Query, Vec<Cell>) {
        // SAFETY: promised by the caller
        let context = unsafe { (*node).ss.ps.ps_ExprContext };
        let mut values: Vec<Option<Cell>> = Vec::with_capacity(self.params.len());
        for (expr, codec) in &mut self.params {
            // SAFETY: the expression was initialised for this node
            values.push(unsafe { evaluate(*expr, codec, context) });
        }
        // a value without native form cannot be compared inside the file
        let usable: Vec<Condition> = self
            .conditions
            .iter()
            .filter(|c| {
                c.param
                    .is_none_or(|p| values.get(p).is_some_and(Option::is_some))
            })
            .copied()
            .collect();
        let query = pushdown::select(&self.manifest, &self.needed, &usable, self.order);
        let binds = query.binds.iter();
        let binds = binds.map(|p| values[*p].clone().unwrap_or(Cell::Null));
        let binds = binds.collect();
        (query, binds)
    }

    /// What can be run ahead of this scan.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    pub(super) unsafe fn ahead(&mut self, node: *mut pg_sys::CustomScanState) -> Statement {
        // SAFETY: promised by the caller
        let (query, binds) = unsafe { self.statement(node) };
        Statement {
            manifest: Rc::clone(&self.manifest),
            sql: query.sql,
            binds,
            hint: Hint::Unknown,
        }
    }

    /// Evaluates the parameters and starts reading the file from its beginning.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    pub(super) unsafe fn start(&mut self, node: *mut pg_sys::CustomScanState) -> Result<()> {
        // SAFETY: promised by the caller
        let (desc, (query, binds)) = unsafe {
            cold_prefetch::started(node, &self.manifest.file)?;
            (
                (*(*node).ss.ss_currentRelation).rd_att,
                self.statement(node),
            )
        };
        if self.reader.is_none() || query != self.query {
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
            match self.conditions.is_empty() && self.order.is_none() {
                true => reader.hint_table()?,
                false => reader.hint(Hint::Unknown),
            }
            reader.restart(&binds)?;
        }
        self.phase = Phase::File;
        self.started = true;
        Ok(())
    }

    /// Stores the next file row in `slot`; false at the end of the file.
    ///
    /// # Safety
    /// `slot` must be the (cleared) scan slot of `node`, which owns this scan.
    pub(super) unsafe fn next_file_row(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        slot: *mut pg_sys::TupleTableSlot,
        relation: pg_sys::Oid,
    ) -> Result<bool> {
        let Some(reader) = &mut self.reader else {
            return Ok(false);
        };
        // SAFETY: a slot has room for all attributes of its descriptor
        let (values, nulls) = unsafe {
            let natts = (*(*slot).tts_tupleDescriptor).natts as usize;
            (
                std::slice::from_raw_parts_mut((*slot).tts_values, natts),
                std::slice::from_raw_parts_mut((*slot).tts_isnull, natts),
            )
        };
        nulls.fill(true);
        let Some(rowid) = reader.next(values, nulls)? else {
            return Ok(false);
        };
        for (i, value) in &self.missing {
            nulls[*i] = value.is_none();
            values[*i] = value.unwrap_or(pg_sys::Datum::null());
        }
        self.rows_read += 1;
        if self.rows_read == self.half {
            // SAFETY: promised by the caller
            unsafe { cold_prefetch::half_read(node)? };
        }
        // SAFETY: values and nulls are filled
        unsafe {
            (*slot).tts_tid = cold_tid(rowid);
            (*slot).tts_tableOid = relation;
            pg_sys::ExecStoreVirtualTuple(slot);
        }
        Ok(true)
    }

    pub(super) fn end_stub(&mut self) {
        if let Phase::Stub(desc) = std::mem::replace(&mut self.phase, Phase::Done) {
            // SAFETY: the scan that next() began, ended once
            unsafe { pg_sys::table_endscan(desc) };
        }
    }
}

/// The value of an expression as a cell; `None` when it has no native form.
unsafe fn evaluate(
    expr: *mut pg_sys::ExprState,
    codec: &mut Codec,
    context: *mut pg_sys::ExprContext,
) -> Option<Cell> {
    // SAFETY: promised by the caller; by-reference values are copied into the cell
    unsafe {
        let old = pg_sys::MemoryContextSwitchTo((*context).ecxt_per_tuple_memory);
        let mut null = false;
        let datum = pg_sys::ExecEvalExpr(expr, context, &mut null);
        let cell = if null {
            Cell::Null
        } else {
            codec.encode(datum)
        };
        pg_sys::MemoryContextSwitchTo(old);
        (!codec.encoding.is_fallback(cell.as_ref())).then_some(cell)
    }
}
