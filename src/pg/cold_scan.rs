//! ColdScan: the executor node that reads a chunk from its file, then the stub's own rows.

use super::cold_am::cold_tid;
use super::cold_datum::Codec;
use super::cold_reader::Reader;
use super::cold_state::{self, StubScan, raise};
use super::list;
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::mapping::Cell;
use crate::cold::pushdown::{self, Condition, Op, Order, Query};
use crate::error::{Error, Result};
use pgrx::{pg_guard, pg_sys};
use std::rc::Rc;

struct ScanMethods(pg_sys::CustomScanMethods);
// SAFETY: constants: a name and a function pointer
unsafe impl Sync for ScanMethods {}
struct ExecMethods(pg_sys::CustomExecMethods);
// SAFETY: as above
unsafe impl Sync for ExecMethods {}

static SCAN_METHODS: ScanMethods = ScanMethods(pg_sys::CustomScanMethods {
    CustomName: c"ColdScan".as_ptr(),
    CreateCustomScanState: Some(create_state),
});

static EXEC_METHODS: ExecMethods = ExecMethods(pg_sys::CustomExecMethods {
    CustomName: c"ColdScan".as_ptr(),
    BeginCustomScan: Some(begin),
    ExecCustomScan: Some(exec),
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain),
});

/// What a plan node points to.
pub fn scan_methods() -> *const pg_sys::CustomScanMethods {
    &SCAN_METHODS.0
}

/// Makes the node known, so that plans can be copied to parallel workers.
pub fn register() {
    // SAFETY: registers a static once per process
    unsafe { pg_sys::RegisterCustomScanMethods(&SCAN_METHODS.0) }
}

#[repr(C)]
struct ColdScanState {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context through a reset callback
    scan: *mut Scan,
}

/// Where the scan is.
enum Phase {
    NotStarted,
    File,
    Stub(pg_sys::TableScanDesc),
    Done,
}

struct Scan {
    manifest: Rc<Manifest>,
    needed: Vec<i16>,
    conditions: Vec<Condition>,
    order: Option<Order>,
    /// value expressions and codecs for their types
    params: Vec<(*mut pg_sys::ExprState, Codec)>,
    missing: Vec<(usize, Option<pg_sys::Datum>)>,
    query: Query,
    reader: Option<Reader>,
    phase: Phase,
    stub_slot: *mut pg_sys::TupleTableSlot,
    owner: pg_sys::Oid,
    rows_read: i64,
}

#[pg_guard]
unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: a fresh node of the size of our struct, which begins with PostgreSQL's
    unsafe {
        let state = pg_sys::palloc0(size_of::<ColdScanState>()).cast::<ColdScanState>();
        (*state).css.ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).css.methods = &EXEC_METHODS.0;
        state.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn drop_scan(arg: *mut core::ffi::c_void) {
    // SAFETY: the pointer that begin() leaked; the context calls back once
    drop(unsafe { Box::from_raw(arg.cast::<Scan>()) });
}

#[pg_guard]
unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    _flags: i32,
) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let state = node.cast::<ColdScanState>();
        let rel = (*node).ss.ss_currentRelation;
        let ChunkState::Cold(manifest) = cold_state::of((*rel).rd_id) else {
            raise(Error::internal(format!(
                "a plan expects chunk \"{}\" to be cold",
                super::catalog::relation_name((*rel).rd_id).unwrap_or_default()
            )));
        };
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let mut private = list::pointers::<pg_sys::List>((*plan).custom_private);
        let mut next = || list::integers(private.next().unwrap_or(std::ptr::null_mut()));
        let order = read_order(&next());
        let needed: Vec<i16> = next().iter().map(|n| *n as i16).collect();
        let conditions = read_conditions(&next(), (*rel).rd_att);
        let params = list::pointers::<pg_sys::Expr>((*plan).custom_exprs)
            .map(|expr| {
                let codec = Codec::new(pg_sys::exprType(expr.cast()), -1);
                (pg_sys::ExecInitExpr(expr, &mut (*node).ss.ps), codec)
            })
            .collect();
        let missing = missing_values(&manifest, (*rel).rd_att, &needed);
        let missing = missing.unwrap_or_else(|e| raise(e));
        let pushed = if super::guc::COLD_PUSHDOWN.get() {
            conditions.as_slice()
        } else {
            &[]
        };
        let query = pushdown::select(&manifest, &needed, pushed, order);
        let scan = Box::into_raw(Box::new(Scan {
            needed,
            order,
            params,
            missing,
            query,
            reader: None,
            phase: Phase::NotStarted,
            stub_slot: pg_sys::table_slot_create(rel, &mut (*estate).es_tupleTable),
            owner: (*(*rel).rd_rel).relowner,
            rows_read: 0,
            conditions: pushed.to_vec(),
            manifest,
        }));
        (*state).scan = scan;
        // ERROR skips EndCustomScan: the context's end closes the file in any case
        let callback = pg_sys::MemoryContextAllocZero(
            (*estate).es_query_cxt,
            size_of::<pg_sys::MemoryContextCallback>(),
        )
        .cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(drop_scan);
        (*callback).arg = scan.cast();
        pg_sys::MemoryContextRegisterResetCallback((*estate).es_query_cxt, callback);
    }
}

fn read_order(numbers: &[i32]) -> Option<Order> {
    match numbers {
        [attnum, descending, nulls_first] if *attnum > 0 => Some(Order {
            attnum: *attnum as i16,
            descending: *descending != 0,
            nulls_first: *nulls_first != 0,
        }),
        _ => None,
    }
}

unsafe fn read_conditions(numbers: &[i32], desc: pg_sys::TupleDesc) -> Vec<Condition> {
    numbers
        .chunks_exact(3)
        .filter_map(|triple| {
            let attnum = triple[0] as i16;
            // SAFETY: the planner took attnum from this relation
            let type_oid =
                unsafe { (*super::compat::attribute(desc, (attnum - 1) as usize)).atttypid };
            Some(Condition {
                attnum,
                op: Op::from_strategy(triple[1])?,
                param: usize::try_from(triple[2]).ok(),
                encoding: super::cold_datum::encoding_of(type_oid),
            })
        })
        .collect()
}

/// Values of needed columns that the file does not have: added after the export.
pub(super) unsafe fn missing_values(
    manifest: &Manifest,
    desc: pg_sys::TupleDesc,
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
                    let _settings = super::cold_datum::pin_settings();
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
    /// Evaluates the parameters and starts reading the file from its beginning.
    ///
    /// # Safety
    /// `node` must be the state that owns this scan.
    unsafe fn start(&mut self, node: *mut pg_sys::CustomScanState) -> Result<()> {
        // SAFETY: promised by the caller
        let (context, desc) = unsafe {
            (
                (*node).ss.ps.ps_ExprContext,
                (*(*node).ss.ss_currentRelation).rd_att,
            )
        };
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
        let binds: Vec<Cell> = self
            .query
            .binds
            .iter()
            .map(|p| values[*p].clone().unwrap_or(Cell::Null))
            .collect();
        if let Some(reader) = &mut self.reader {
            reader.restart(&binds)?;
        }
        self.phase = Phase::File;
        Ok(())
    }

    /// Stores the next file row in `slot`; false at the end of the file.
    ///
    /// # Safety
    /// `slot` must be the (cleared) scan slot of the node.
    unsafe fn next_file_row(
        &mut self,
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
        // SAFETY: values and nulls are filled
        unsafe {
            (*slot).tts_tid = cold_tid(rowid);
            (*slot).tts_tableOid = relation;
            pg_sys::ExecStoreVirtualTuple(slot);
        }
        Ok(true)
    }

    fn end_stub(&mut self) {
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

#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut pg_sys::ScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let css = node.cast::<pg_sys::CustomScanState>();
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        let slot = (*node).ss_ScanTupleSlot;
        let rel = (*node).ss_currentRelation;
        pg_sys::ExecClearTuple(slot);
        if matches!(scan.phase, Phase::NotStarted)
            && let Err(e) = scan.start(css)
        {
            raise(e);
        }
        if matches!(scan.phase, Phase::File) {
            // values live until the next row is asked for
            let old =
                pg_sys::MemoryContextSwitchTo((*(*node).ps.ps_ExprContext).ecxt_per_tuple_memory);
            let found = scan.next_file_row(slot, (*rel).rd_id);
            pg_sys::MemoryContextSwitchTo(old);
            match found {
                Ok(true) => return slot,
                Ok(false) => {
                    let _own = StubScan::begin();
                    let snapshot = (*(*node).ps.state).es_snapshot;
                    let desc = pg_sys::table_beginscan(rel, snapshot, 0, std::ptr::null_mut());
                    scan.phase = Phase::Stub(desc);
                }
                Err(e) => raise(e),
            }
        }
        if let Phase::Stub(desc) = scan.phase {
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            if pg_sys::table_scan_getnextslot(desc, forward, scan.stub_slot) {
                pg_sys::ExecCopySlot(slot, scan.stub_slot);
                (*slot).tts_tid = (*scan.stub_slot).tts_tid;
                (*slot).tts_tableOid = (*rel).rd_id;
                return slot;
            }
            scan.end_stub();
        }
        std::ptr::null_mut()
    }
}

/// All conditions are in the plan's qual and are evaluated again: nothing more to check.
#[pg_guard]
unsafe extern "C-unwind" fn recheck(
    _node: *mut pg_sys::ScanState,
    _slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn exec(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node
    unsafe { pg_sys::ExecScan(&mut (*node).ss, Some(next), Some(recheck)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        scan.end_stub();
        scan.phase = Phase::NotStarted;
        pg_sys::ExecScanReScan(&mut (*node).ss);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let scan = &mut *(*node.cast::<ColdScanState>()).scan;
        scan.end_stub();
        scan.reader = None;
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        let scan = &*(*node.cast::<ColdScanState>()).scan;
        let m = &scan.manifest;
        let name = m.key.rsplit('/').next().unwrap_or(&m.key);
        super::explain::text(
            es,
            c"Cold File",
            &format!("{name} on {} ({})", m.server, human_bytes(m.bytes)),
        );
        super::explain::text(es, c"Cold SQL", &scan.query.sql);
        if (*es).analyze {
            let stats = scan.reader.as_ref().map(|r| r.stats).unwrap_or_default();
            super::explain::integer(es, c"Rows Read", scan.rows_read);
            super::explain::integer(es, c"GETs", stats.gets as i64);
            super::explain::integer(es, c"Bytes", stats.bytes as i64);
            super::explain::integer(es, c"Cache Hits", stats.cache_hits as i64);
            if (*es).timing {
                super::explain::millis(es, c"Store Wait", stats.wait_us as f64 / 1000.0);
            }
        }
    }
}

/// 1536 as "1.5 kB": for people.
pub fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1024.0 {
            return if unit == "bytes" {
                format!("{bytes} bytes")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

/// Reads the row with this rowid into a heap slot: EvalPlanQual, row locks, UPDATE and DELETE.
/// False when the file has no such row.
pub fn fetch_row(rel: pg_sys::Relation, rowid: i64, slot: *mut pg_sys::TupleTableSlot) -> bool {
    match try_fetch(rel, rowid, slot) {
        Ok(found) => found,
        Err(e) => raise(e),
    }
}

fn try_fetch(rel: pg_sys::Relation, rowid: i64, slot: *mut pg_sys::TupleTableSlot) -> Result<bool> {
    // SAFETY: the access method's caller passes an open relation and a slot of its shape
    unsafe {
        let ChunkState::Cold(manifest) = cold_state::of((*rel).rd_id) else {
            return Ok(false);
        };
        let desc = (*rel).rd_att;
        let natts = (*desc).natts as usize;
        let needed: Vec<i16> = (0..natts)
            .filter(|i| !(*super::compat::attribute(desc, *i)).attisdropped)
            .map(|i| i as i16 + 1)
            .collect();
        let query = pushdown::by_rowid(&manifest, &needed);
        let owner = (*(*rel).rd_rel).relowner;
        let missing = missing_values(&manifest, desc, &needed)?;
        let mut reader = Reader::new(manifest, &query, desc, owner)?;
        reader.restart(&[Cell::Int(rowid)])?;
        let mut values = vec![pg_sys::Datum::null(); natts];
        let mut nulls = vec![true; natts];
        if reader.next(&mut values, &mut nulls)?.is_none() {
            return Ok(false);
        }
        for (i, value) in missing {
            nulls[i] = value.is_none();
            values[i] = value.unwrap_or(pg_sys::Datum::null());
        }
        let tuple = pg_sys::heap_form_tuple(desc, values.as_mut_ptr(), nulls.as_mut_ptr());
        (*tuple).t_tableOid = (*rel).rd_id;
        (*tuple).t_self = cold_tid(rowid);
        pg_sys::ExecForceStoreHeapTuple(tuple, slot, false);
        (*slot).tts_tid = cold_tid(rowid);
        (*slot).tts_tableOid = (*rel).rd_id;
        Ok(true)
    }
}
