//! A running ColdAgg: states from the file or the manifest, then those of late rows from the node below.

use super::cold_agg_file::{Asked, FileStates};
use super::cold_datum::Codec;
use super::cold_files::unreadable;
use super::cold_run::{Scan, Skip};
use super::{cold_dump, cold_reads};
use crate::cold::aggregate::{self, Output};
use crate::cold::manifest::Manifest;
use crate::cold::mapping::{Cell, CellRef};
use crate::cold::store::ReadStats;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::rc::Rc;

enum Phase {
    NotStarted,
    /// one row that the manifest knows
    Known(Vec<Cell>),
    File,
    /// late rows; also those of the file, where it cannot aggregate with these values
    Below,
}

pub(super) struct Run {
    pub(super) manifest: Rc<Manifest>,
    pub(super) sql: String,
    outputs: Vec<Output>,
    codecs: Vec<Option<Codec>>,
    /// the ColdScan below and its state
    scan: *mut Scan,
    scan_node: *mut pg_sys::CustomScanState,
    below: *mut pg_sys::PlanState,
    slot: *mut pg_sys::TupleTableSlot,
    phase: Phase,
    file: Option<FileStates>,
    /// what the node below was told when it began to run
    aggregated: Option<bool>,
    pub(super) started: bool,
    pub(super) from_manifest: bool,
    pub(super) groups: i64,
    pub(super) stats: ReadStats,
}

impl Run {
    /// # Safety
    /// `below` must be a node of the executor with a ColdScan at its lower end, `slot` a virtual slot
    /// with a column for each output.
    pub(super) unsafe fn new(
        outputs: Vec<Output>,
        below: *mut pg_sys::PlanState,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> Result<Self> {
        // SAFETY: promised by the caller
        unsafe {
            let mut state = below;
            let (scan, scan_node) = loop {
                if state.is_null() {
                    return Err(Error::internal("ColdAgg without a ColdScan below it"));
                }
                if let Some(scan) = super::cold_scan::METHODS.run_of(state) {
                    break (scan, state.cast::<pg_sys::CustomScanState>());
                }
                state = (*state).lefttree;
            };
            let manifest = Rc::clone(&(*scan).manifest);
            let desc = (*(*scan_node).ss.ss_currentRelation).rd_att;
            let codecs = outputs.iter().map(|o| codec(*o, desc)).collect();
            let mut run = Run {
                sql: String::new(),
                manifest,
                outputs,
                codecs,
                scan,
                scan_node,
                below,
                slot,
                phase: Phase::NotStarted,
                file: None,
                aggregated: None,
                started: false,
                from_manifest: false,
                groups: 0,
                stats: ReadStats::default(),
            };
            (*scan).states = run.outputs.clone();
            // for EXPLAIN: what the constants of the query let us expect
            run.expect();
            Ok(run)
        }
    }

    unsafe fn expect(&mut self) {
        // SAFETY: the scan lives as long as this run
        let scan = unsafe { &mut *self.scan };
        if scan.plan.skip.is_none() && scan.is_decided() && !cold_reads::is_off() {
            scan.skipped = Some(Skip::Aggregated);
            let asked = Asked::new(scan);
            self.from_manifest = self.known(&asked.filter).is_some();
            self.sql = asked.statement(&self.manifest, &self.outputs);
        }
    }

    fn known(&self, filter: &str) -> Option<Vec<Cell>> {
        known(&self.manifest, &self.outputs, filter)
    }

    /// Fills the slot with the next states; false at the end. They live in `memory`, which is empty.
    ///
    /// # Safety
    /// Called by the executor for the node of this run.
    pub(super) unsafe fn next(&mut self, memory: pg_sys::MemoryContext) -> Result<bool> {
        // SAFETY: promised by the caller
        unsafe {
            pg_sys::ExecClearTuple(self.slot);
            if matches!(self.phase, Phase::NotStarted) {
                self.phase = self.begin()?;
            }
            let old = pg_sys::MemoryContextSwitchTo(memory);
            let found = self.next_of_file();
            pg_sys::MemoryContextSwitchTo(old);
            if found? {
                self.groups += 1;
                pg_sys::ExecStoreVirtualTuple(self.slot);
                return Ok(true);
            }
            self.phase = Phase::Below;
            self.file = None;
            self.next_below();
            Ok(!is_empty(self.slot))
        }
    }

    /// Decides who aggregates the rows of the file: it itself, or the node below.
    unsafe fn begin(&mut self) -> Result<Phase> {
        self.started = true;
        // SAFETY: the scan and its node live as long as this run
        let (scan, node) = unsafe { (&mut *self.scan, self.scan_node) };
        // SAFETY: as above
        let relation = unsafe { (*(*node).ss.ss_currentRelation).rd_id };
        let mut phase = Phase::Below;
        scan.aggregated = false;
        if !cold_dump::leaves_file_out(relation) {
            // SAFETY: as above
            unsafe { scan.decide(node)? };
            if scan.plan.skip.is_none() && scan.is_decided() {
                let asked = Asked::new(scan);
                scan.aggregated = true;
                scan.skipped = Some(Skip::Aggregated);
                phase = match self.known(&asked.filter) {
                    Some(cells) => Phase::Known(cells),
                    None => {
                        self.open(&asked)?;
                        Phase::File
                    }
                };
                self.from_manifest = matches!(phase, Phase::Known(_));
            }
        }
        // a node below that gives its rows a second time must mean the same ones
        let aggregated = scan.aggregated;
        if self.aggregated.is_some_and(|before| before != aggregated) {
            return Err(Error::new(
                Kind::NotInState,
                "settings of the cold tier were changed inside the query that reads it",
            ));
        }
        self.aggregated = Some(aggregated);
        Ok(phase)
    }

    fn open(&mut self, asked: &Asked) -> Result<()> {
        self.sql = asked.statement(&self.manifest, &self.outputs);
        let file = FileStates::open(&self.manifest, &self.outputs, asked, &mut self.stats)?;
        self.file = Some(file);
        Ok(())
    }

    unsafe fn next_of_file(&mut self) -> Result<bool> {
        if let Phase::Known(cells) = &self.phase {
            let cells: Vec<CellRef<'_>> = cells.iter().map(Cell::as_ref).collect();
            // SAFETY: promised by the caller
            unsafe { fill(self.slot, &self.outputs, &mut self.codecs, |n| cells[n])? };
            self.phase = Phase::Below;
            return Ok(true);
        }
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        if !file.next(&mut self.stats)? {
            return Ok(false);
        }
        let value = |n| file.value(n);
        // SAFETY: promised by the caller
        unsafe { fill(self.slot, &self.outputs, &mut self.codecs, value) }
            .map_err(|e| unreadable(&self.manifest, &e.kind, &e.message))?;
        Ok(true)
    }

    unsafe fn next_below(&mut self) {
        // SAFETY: nodes of the executor; the columns are the same by the planner's word, and the values
        // live until the node is asked again
        unsafe {
            let row = pg_sys::ExecProcNode(self.below);
            if row.is_null() || is_empty(row) {
                return;
            }
            pg_sys::slot_getallattrs(row);
            let n = self.outputs.len();
            std::ptr::copy_nonoverlapping((*row).tts_values, (*self.slot).tts_values, n);
            std::ptr::copy_nonoverlapping((*row).tts_isnull, (*self.slot).tts_isnull, n);
            pg_sys::ExecStoreVirtualTuple(self.slot);
        }
    }

    /// The node runs again; `anew`: the node below will look at its rows again.
    pub(super) fn restart(&mut self, anew: bool) {
        self.phase = Phase::NotStarted;
        self.file = None;
        if anew {
            self.aggregated = None;
        }
    }

    pub(super) fn end(&mut self) {
        self.file = None;
    }

    /// The scan below.
    pub(super) fn scan(&self) -> &Scan {
        // SAFETY: the scan lives as long as this run
        unsafe { &*self.scan }
    }
}

/// The one row of states of a whole file, if the manifest knows it.
pub(super) fn known(manifest: &Manifest, outputs: &[Output], filter: &str) -> Option<Vec<Cell>> {
    if !filter.is_empty() {
        return None;
    }
    aggregate::from_manifest(manifest, outputs)
}

unsafe fn is_empty(slot: *mut pg_sys::TupleTableSlot) -> bool {
    // SAFETY: a slot of the executor
    unsafe { (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0 }
}

/// For values of the column's own type.
unsafe fn codec(output: Output, desc: pg_sys::TupleDesc) -> Option<Codec> {
    let attnum = match output {
        Output::Key(a) | Output::Min(a) | Output::Max(a) | Output::Bucket { attnum: a, .. } => a,
        _ => return None,
    };
    // SAFETY: a column of the chunk
    unsafe {
        let att = super::compat::attribute(desc, (attnum - 1) as usize);
        Some(Codec::new((*att).atttypid, (*att).atttypmod))
    }
}

/// Turns a row of the file into a row of states.
unsafe fn fill<'c>(
    slot: *mut pg_sys::TupleTableSlot,
    outputs: &[Output],
    codecs: &mut [Option<Codec>],
    value: impl Fn(usize) -> CellRef<'c>,
) -> Result<()> {
    let mut column = 0;
    for (n, output) in outputs.iter().enumerate() {
        let cell = value(column);
        let datum = match (*output, &mut codecs[n]) {
            (Output::Average(_), _) => {
                let (count, sum) = (number(cell)?, number(value(column + 1))?);
                Some(pair(count.unwrap_or(0), sum.unwrap_or(0)))
            }
            (_, Some(codec)) => match cell {
                CellRef::Null => None,
                cell => Some(codec.decode(cell)?),
            },
            _ => number(cell)?.map(pg_sys::Datum::from),
        };
        // SAFETY: the slot has a column for each output
        unsafe {
            *(*slot).tts_isnull.add(n) = datum.is_none();
            *(*slot).tts_values.add(n) = datum.unwrap_or(pg_sys::Datum::null());
        }
        column += output.width();
    }
    Ok(())
}

fn number(cell: CellRef<'_>) -> Result<Option<i64>> {
    match cell {
        CellRef::Null => Ok(None),
        CellRef::Int(number) => Ok(Some(number)),
        _ => Err(Error::new(
            Kind::DataCorrupted,
            format!("unexpected {cell:?} as a sum of integers"),
        )),
    }
}

/// The state of avg (Int8TransTypeData, numeric.c): an array of count and sum.
fn pair(count: i64, sum: i64) -> pg_sys::Datum {
    let mut elements = [pg_sys::Datum::from(count), pg_sys::Datum::from(sum)];
    // SAFETY: two values of eight bytes, which the array copies
    unsafe {
        pg_sys::Datum::from(pg_sys::construct_array(
            elements.as_mut_ptr(),
            2,
            pg_sys::INT8OID,
            8,
            true,
            pg_sys::TYPALIGN_DOUBLE as core::ffi::c_char,
        ))
    }
}
