//! ForeignScan over a SQLite file: the same conditions, statements and values as ColdScan.
//!
//! The file is opened when the first row is asked for, as it is then. PostgreSQL evaluates all
//! conditions on each row; those that the file understands narrow what it hands out.

use super::cold_fdw_analyze::row_name;
use super::cold_foreign_open::{Opened, open_file};
use super::cold_state::{ForeignAccess, raise};
use super::cold_value::{self, ValueReader};
use super::sqlite::Cursor;
use super::{cold_fdw, explain, guc};
use crate::cold::foreign::{ColumnOptions, TableOptions};
use crate::cold::order::Key;
use crate::cold::pushdown::{self, Class, Op, Pushed, Query, Test, Tree, Value};
use crate::error::{Kind, Result};
use pgrx::{pg_guard, pg_sys};

/// A running scan.
pub(super) struct Scan {
    server: pg_sys::Oid,
    user: pg_sys::Oid,
    owner: pg_sys::Oid,
    options: TableOptions,
    /// attnum and options of the columns that the plan mentions
    needed: Vec<(i16, ColumnOptions)>,
    order: Vec<Key>,
    trees: Vec<Tree>,
    values: Vec<(*mut pg_sys::ExprState, ValueReader)>,
    open: Option<Open>,
    running: bool,
    /// all rows have been handed out: SQLite would begin again
    done: bool,
    rows_read: i64,
}

struct Open {
    file: Opened,
    query: Query,
    cursor: Option<Cursor>,
}

const EXPLAIN_ONLY: i32 = 0x0001;

#[pg_guard]
unsafe extern "C-unwind" fn drop_scan(arg: *mut core::ffi::c_void) {
    // SAFETY: the pointer that begin() leaked; the context calls back once
    drop(unsafe { Box::from_raw(arg.cast::<Scan>()) });
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn begin(node: *mut pg_sys::ForeignScanState, _flags: i32) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let scan = match new_scan(node) {
            Ok(scan) => Box::into_raw(Box::new(scan)),
            Err(e) => raise(e),
        };
        (*node).fdw_state = scan.cast();
        // ERROR skips EndForeignScan: the context's end closes the file in any case
        let context = (*(*node).ss.ps.state).es_query_cxt;
        let size = size_of::<pg_sys::MemoryContextCallback>();
        let callback =
            pg_sys::MemoryContextAllocZero(context, size).cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(drop_scan);
        (*callback).arg = scan.cast();
        pg_sys::MemoryContextRegisterResetCallback(context, callback);
    }
}

unsafe fn new_scan(node: *mut pg_sys::ForeignScanState) -> Result<Scan> {
    // SAFETY: the executor's own structures
    unsafe {
        let rel = (*node).ss.ss_currentRelation;
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let table = cold_fdw::foreign_table((*rel).rd_id)?;
        let planned = cold_fdw::read_private(plan, (*rel).rd_att);
        let needed = needed(&planned.needed, (*rel).rd_att)
            .into_iter()
            .map(|attnum| Ok((attnum, cold_fdw::column_options((*rel).rd_id, attnum)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut scan = Scan {
            server: table.server,
            user: super::compat_plan::foreign_user(node),
            owner: (*(*rel).rd_rel).relowner,
            options: table.options,
            needed,
            order: planned.order,
            trees: planned.trees,
            values: vec![],
            open: None,
            running: false,
            done: false,
            rows_read: 0,
        };
        for operand in planned.operands {
            let expr = pg_sys::ExecInitExpr(operand.node.cast(), &raw mut (*node).ss.ps);
            scan.values.push((expr, operand.reader()));
        }
        Ok(scan)
    }
}

/// Columns to read, of those that are there; a whole-row reference needs all.
unsafe fn needed(planned: &[i32], desc: pg_sys::TupleDesc) -> Vec<i16> {
    // SAFETY: the descriptor of the relation
    unsafe {
        (1..=(*desc).natts)
            .filter(|n| planned.contains(&0) || planned.contains(n))
            .filter(|n| !(*super::compat::attribute(desc, (*n - 1) as usize)).attisdropped)
            .map(|n| n as i16)
            .collect()
    }
}

impl Scan {
    /// Opens the file as it is now.
    ///
    /// # Safety
    /// `desc` must be the foreign table's; the current memory context that of the query.
    unsafe fn open(&self, desc: pg_sys::TupleDesc) -> Result<Open> {
        let file = open_file(&ForeignAccess {
            server: self.server,
            user: self.user,
            owner: self.owner,
            key: &self.options.key,
        })?;
        // SAFETY: promised by the caller
        let mut file =
            unsafe { Opened::new(file, &self.options.table, &self.needed, desc, self.owner)? };
        if !self.order.is_empty() {
            file.check_order(&self.order)?;
            file.read_indexes()?;
        }
        Ok(Open {
            query: file.statement(&[], "", &[], &[]),
            cursor: None,
            file,
        })
    }

    /// What to ask the file for, given these values.
    fn prepare(&self, open: &Open, values: &[Value]) -> (Query, Pushed) {
        let manifest = &open.file.manifest;
        let mut pushed = Pushed::default();
        let mut fixed = vec![];
        if guc::COLD_PUSHDOWN.get() {
            pushed = pushdown::push(manifest, self.trees.iter(), values);
            let exact = |t: &&Tree| pushdown::classify(manifest, t) == Class::Exact;
            fixed.extend(self.trees.iter().filter(exact).filter_map(fixed_by));
        }
        let needed: Vec<i16> = self.needed.iter().map(|(attnum, _)| *attnum).collect();
        let query = open
            .file
            .statement(&needed, &pushed.filter, &self.order, &fixed);
        (query, pushed)
    }

    /// Evaluates the values and starts reading.
    unsafe fn start(&mut self, node: *mut pg_sys::ForeignScanState) -> Result<()> {
        // SAFETY: the node owns this scan; its expressions were initialised for it
        unsafe {
            let context = (*node).ss.ps.ps_ExprContext;
            let mut values = Vec::with_capacity(self.values.len());
            for (expr, reader) in &mut self.values {
                values.push(cold_value::evaluate(*expr, reader, context));
            }
            let query_memory = (*(*node).ss.ps.state).es_query_cxt;
            let old = pg_sys::MemoryContextSwitchTo(query_memory);
            let opened = match self.open.take() {
                Some(open) => Ok(open),
                None => self.open((*(*node).ss.ss_currentRelation).rd_att),
            };
            pg_sys::MemoryContextSwitchTo(old);
            let mut open = opened?;
            let (query, pushed) = self.prepare(&open, &values);
            if open.cursor.is_none() || query != open.query {
                let file = &open.file.file;
                let cursor = file.db.prepare(&query.sql);
                open.cursor = Some(cursor.map_err(|e| file.sqlite_error(&e))?);
                open.query = query;
            }
            if let Some(cursor) = &mut open.cursor {
                cursor.reset();
                for (i, cell) in pushed.binds.iter().enumerate() {
                    let bound = cursor.bind(i + 1, cell);
                    bound.map_err(|e| open.file.file.sqlite_error(&e))?;
                }
            }
            self.open = Some(open);
            self.running = true;
            self.done = false;
        }
        Ok(())
    }

    /// Fills the next row; false at the end. Values live in the current memory context.
    fn next(&mut self, values: &mut [pg_sys::Datum], nulls: &mut [bool]) -> Result<bool> {
        let Some(open) = self.open.as_mut().filter(|_| !self.done) else {
            return Ok(false);
        };
        let Some(cursor) = &mut open.cursor else {
            return Ok(false);
        };
        let file = &open.file.file;
        if !cursor.step().map_err(|e| file.sqlite_error(&e))? {
            self.done = true;
            file.check_unchanged()?;
            return Ok(false);
        }
        self.rows_read += 1;
        for i in 0..open.file.columns.len() {
            let column = &mut open.file.columns[i];
            let attribute = (column.attnum - 1) as usize;
            let value = match column.read(cursor.value(i + 1)) {
                Ok(value) => value,
                Err(e) if e.kind == Kind::DoesNotFit => {
                    let row = row_name(cursor, self.rows_read as u64);
                    let column = &open.file.columns[i];
                    return Err(open.file.misfit(column, &row, &e.message));
                }
                Err(e) => return Err(e),
            };
            nulls[attribute] = value.is_none();
            values[attribute] = value.unwrap_or(pg_sys::Datum::null());
        }
        Ok(true)
    }

    /// A scan that nobody read to its end: was the file the same so far?
    fn stop(&mut self) -> Result<()> {
        let open = self.open.take().filter(|_| self.rows_read > 0);
        let unfinished = open.filter(|_| self.running && !self.done);
        self.running = false;
        unfinished.map_or(Ok(()), |open| open.file.file.check_unchanged())
    }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn iterate(
    node: *mut pg_sys::ForeignScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node; its state is from begin(); a slot has room for all attributes
    unsafe {
        let scan = &mut *(*node).fdw_state.cast::<Scan>();
        let slot = (*node).ss.ss_ScanTupleSlot;
        pg_sys::ExecClearTuple(slot);
        pgrx::check_for_interrupts!();
        if !scan.running
            && let Err(e) = scan.start(node)
        {
            raise(e);
        }
        let natts = (*(*slot).tts_tupleDescriptor).natts as usize;
        let values = std::slice::from_raw_parts_mut((*slot).tts_values, natts);
        let nulls = std::slice::from_raw_parts_mut((*slot).tts_isnull, natts);
        nulls.fill(true);
        match scan.next(values, nulls) {
            Ok(true) => pg_sys::ExecStoreVirtualTuple(slot),
            Ok(false) => slot,
            Err(e) => raise(e),
        }
    }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the executor's own node; its state is from begin()
    unsafe {
        (*(*node).fdw_state.cast::<Scan>()).running = false;
    }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn end(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the executor's own node; its state is from begin()
    unsafe {
        if !(*node).fdw_state.is_null() {
            let scan = &mut *(*node).fdw_state.cast::<Scan>();
            if let Err(e) = scan.stop() {
                raise(e);
            }
        }
    }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn explain_scan(
    node: *mut pg_sys::ForeignScanState,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node; its state is from begin(); the query's memory is current
    unsafe {
        let scan = &mut *(*node).fdw_state.cast::<Scan>();
        let flags = (*(*node).ss.ps.state).es_top_eflags;
        if scan.open.is_none() && flags & EXPLAIN_ONLY != 0 {
            match scan.open((*(*node).ss.ss_currentRelation).rd_att) {
                Ok(mut open) => {
                    let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
                    let desc = (*(*node).ss.ss_currentRelation).rd_att;
                    let planned = cold_fdw::read_private(plan, desc);
                    let values = cold_value::constants(&planned.operands);
                    let (query, _) = scan.prepare(&open, &values);
                    open.query = query;
                    scan.open = Some(open);
                }
                // the plan is what was asked for
                Err(e) => explain::text(es, c"Cold Error", &e.message),
            }
        }
        let Some(open) = &scan.open else {
            explain::text(es, c"Cold File", &scan.options.key);
            return;
        };
        let file = &open.file.file;
        let size = explain::human_bytes(file.meta.size);
        let name = format!("{} on {} ({size})", file.key, file.server);
        explain::text(es, c"Cold File", &name);
        explain::text(es, c"Cold SQL", &open.query.sql);
        if (*es).analyze {
            explain::integer(es, c"Rows Read", scan.rows_read);
            explain::reads(es, &file.db.stats());
        }
    }
}

/// The column that a condition holds at one value.
fn fixed_by(tree: &Tree) -> Option<i16> {
    match tree {
        Tree::Leaf(leaf) if leaf.test == Test::Compare(Op::Eq) => Some(leaf.attnum),
        _ => None,
    }
}
