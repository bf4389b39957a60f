//! One execution of GapFill: rows of the aggregate, series by series, merged with the buckets of the range.

use super::gapfill_layout::Layout;
use super::gapfill_limits::{Limits, from_datum};
use super::gapfill_marker::Marker;
use super::list;
use super::time::Zone;
use crate::error::{Error, Result};
use crate::hypertable::gapfill::{Buckets, LocalTime};
use pgrx::pg_sys;

pub(super) type Slot = *mut pg_sys::TupleTableSlot;
type ExprState = *mut pg_sys::ExprState;

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    NotStarted,
    InSeries,
    Done,
}

/// State of a running node. All pointers belong to the executor and live in the query's memory.
pub struct Run {
    pub(super) layout: Layout,
    pub(super) node: *mut pg_sys::CustomScanState,
    child: *mut pg_sys::PlanState,
    limits: Limits,
    pub(super) markers: Vec<Marker>,
    same_group: ExprState,
    /// first row of the current series: its group columns
    pub(super) series_slot: Slot,
    /// rows of the series, read ahead where interpolation needs the next known value
    store: *mut pg_sys::Tuplestorestate,
    store_slot: Slot,
    /// a row that a marker looks at before its turn
    ahead_slot: Slot,
    /// of the store, for each marker
    readers: Vec<i32>,
    ahead: bool,
    /// of the current series
    pub(super) memory: pg_sys::MemoryContext,
    phase: Phase,
    zone_name: Option<String>,
    first_buckets: Option<Buckets>,
    buckets: Option<Buckets>,
    next_bucket: Option<i64>,
    /// a row read from below that belongs to no series yet
    pending: Slot,
    /// the row of the series that comes next
    pub(super) current: Slot,
    series_over: bool,
    pub series: i64,
    pub filled: i64,
}

impl Run {
    /// # Safety
    /// Called at the start of the node, whose child has been started.
    pub unsafe fn new(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        child: *mut pg_sys::PlanState,
    ) -> Result<Run> {
        // SAFETY: the executor's own, valid structs
        unsafe {
            let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
            let mut private = list::pointers::<pg_sys::List>((*plan).custom_private);
            let layout = private.next().and_then(|l| Layout::from_list(l));
            let broken = || Error::internal("a GapFill plan node is incomplete");
            let layout = layout.ok_or_else(broken)?;
            let parent = &raw mut (*node).ss.ps;
            let mut exprs = list::pointers::<pg_sys::Expr>((*plan).custom_exprs)
                .map(|e| pg_sys::ExecInitExpr(e, parent));
            let mut next = |present: bool| match present {
                true => exprs.next().unwrap_or(std::ptr::null_mut()),
                false => std::ptr::null_mut(),
            };
            let limits = Limits::new(&layout, (*node).ss.ps.ps_ExprContext, &mut next);
            let markers: Vec<Marker> = layout
                .markers
                .iter()
                .map(|m| Marker::new(m, layout.key, m.present.map(&mut next)))
                .collect();
            let desc = (*child).ps_ResultTupleDesc;
            let slot = || {
                pg_sys::ExecInitExtraTupleSlot(estate, desc, &raw const pg_sys::TTSOpsMinimalTuple)
            };
            Ok(Run {
                node,
                child,
                limits,
                same_group: group_equality(&layout, desc, parent),
                series_slot: slot(),
                store: std::ptr::null_mut(),
                store_slot: slot(),
                ahead_slot: slot(),
                readers: vec![],
                ahead: markers.iter().any(Marker::looks_ahead),
                markers,
                memory: pg_sys::AllocSetContextCreateInternal(
                    (*estate).es_query_cxt,
                    c"GapFill series".as_ptr(),
                    pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                    pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
                ),
                phase: Phase::NotStarted,
                zone_name: None,
                first_buckets: None,
                buckets: None,
                next_bucket: None,
                pending: std::ptr::null_mut(),
                current: std::ptr::null_mut(),
                series_over: false,
                series: 0,
                filled: 0,
                layout,
            })
        }
    }

    pub fn bucket_column(&self) -> usize {
        self.layout.bucket()
    }

    /// Back to the beginning; parameters may have changed.
    pub fn restart(&mut self) {
        self.phase = Phase::NotStarted;
        self.pending = std::ptr::null_mut();
        self.current = std::ptr::null_mut();
    }

    /// Gives files back.
    pub fn end(&mut self) {
        if !self.store.is_null() {
            // SAFETY: made by this run, used by nobody else
            unsafe { pg_sys::tuplestore_end(self.store) };
            self.store = std::ptr::null_mut();
        }
    }

    /// Puts the next row into the node's scan slot; false at the end.
    ///
    /// # Safety
    /// Called while the node runs.
    pub unsafe fn next_row(&mut self) -> Result<bool> {
        // SAFETY: promised by the caller
        unsafe {
            if self.phase == Phase::NotStarted {
                self.start()?;
            }
            while self.phase == Phase::InSeries {
                self.peek();
                let row = if self.current.is_null() {
                    None
                } else {
                    Some(self.bucket_of(self.current))
                };
                match (row, self.next_bucket) {
                    // NULL comes last
                    (Some(at), Some(gap)) if at.is_none_or(|at| gap < at) => {
                        return self.give_gap(gap).map(|()| true);
                    }
                    (None, Some(gap)) => return self.give_gap(gap).map(|()| true),
                    (Some(at), next) => {
                        if at.is_some() && at == next {
                            self.advance()?;
                        }
                        return self.give_row(at).map(|()| true);
                    }
                    (None, None) if self.pending.is_null() => self.phase = Phase::Done,
                    (None, None) => self.open_series()?,
                }
            }
            Ok(false)
        }
    }

    unsafe fn start(&mut self) -> Result<()> {
        // SAFETY: promised by the caller
        unsafe {
            let Some((buckets, zone)) = self.limits.buckets()? else {
                self.phase = Phase::Done;
                return Ok(());
            };
            self.first_buckets = Some(buckets);
            self.zone_name = zone;
            self.pull();
            self.phase = Phase::InSeries;
            if !self.pending.is_null() {
                return self.open_series();
            }
            if !self.layout.others.is_empty() {
                self.phase = Phase::Done;
                return Ok(());
            }
            // no rows and nothing to tell series apart: one series of gaps
            pg_sys::ExecStoreAllNullTuple(self.series_slot);
            self.begin_series()?;
            self.series_over = true;
            Ok(())
        }
    }

    /// Reads a row from below into `pending`; NULL at the end.
    unsafe fn pull(&mut self) {
        // SAFETY: the child runs; its slot is valid until the next row is asked for
        unsafe {
            let slot = pg_sys::ExecProcNode(self.child);
            let empty = slot.is_null() || (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0;
            self.pending = if empty { std::ptr::null_mut() } else { slot };
        }
    }

    /// Starts the series of the pending row.
    unsafe fn open_series(&mut self) -> Result<()> {
        // SAFETY: the pending row is valid; slots and store belong to this run
        unsafe {
            pg_sys::ExecCopySlot(self.series_slot, self.pending);
            self.begin_series()?;
            if self.ahead {
                self.read_ahead()?;
            } else {
                self.current = std::mem::replace(&mut self.pending, std::ptr::null_mut());
            }
            Ok(())
        }
    }

    unsafe fn begin_series(&mut self) -> Result<()> {
        self.series += 1;
        self.series_over = false;
        self.current = std::ptr::null_mut();
        for marker in &mut self.markers {
            marker.reset();
        }
        // SAFETY: nothing of the series before is used any more, or of the run before
        unsafe {
            pg_sys::MemoryContextReset(self.memory);
            if !self.store.is_null() {
                pg_sys::tuplestore_clear(self.store);
            }
        }
        self.buckets = self.first_buckets.clone();
        self.advance()
    }

    /// Keeps the rows of a series, for markers to look at before their turn.
    unsafe fn read_ahead(&mut self) -> Result<()> {
        // SAFETY: slots, store and child belong to this run
        unsafe {
            if self.store.is_null() {
                let old = pg_sys::MemoryContextSwitchTo((*(*self.node).ss.ps.state).es_query_cxt);
                self.store = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
                self.readers = self
                    .markers
                    .iter()
                    .map(|m| match m.looks_ahead() {
                        true => pg_sys::tuplestore_alloc_read_pointer(self.store, 0),
                        false => 0,
                    })
                    .collect();
                pg_sys::MemoryContextSwitchTo(old);
            }
            while !self.pending.is_null() && self.in_series(self.pending) {
                pg_sys::tuplestore_puttupleslot(self.store, self.pending);
                let context = (*self.node).ss.ps.ps_ExprContext;
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
                self.pull();
            }
            Ok(())
        }
    }

    /// Shows markers the rows that they need for the value at `at`. The scan slot shows another row then.
    pub(super) unsafe fn look_ahead(&mut self, at: Option<i64>) {
        // SAFETY: slots and store belong to this run
        unsafe {
            for i in 0..self.readers.len() {
                while self.markers[i].wants_more(at) {
                    pg_sys::tuplestore_select_read_pointer(self.store, self.readers[i]);
                    let slot = self.ahead_slot;
                    if !pg_sys::tuplestore_gettupleslot(self.store, true, false, slot) {
                        self.markers[i].learn_end();
                        break;
                    }
                    let row = self.row(self.bucket_of(slot));
                    self.show(slot);
                    self.markers[i].learn(row);
                    pg_sys::MemoryContextReset((*row.context).ecxt_per_tuple_memory);
                    super::catalog::check_for_interrupts();
                }
            }
            if self.ahead && !self.store.is_null() {
                pg_sys::tuplestore_select_read_pointer(self.store, 0);
            }
        }
    }

    /// Makes `current` the next row of the series, if there is one.
    unsafe fn peek(&mut self) {
        if !self.current.is_null() || self.series_over {
            return;
        }
        // SAFETY: slots and store belong to this run
        unsafe {
            if self.ahead {
                if pg_sys::tuplestore_gettupleslot(self.store, true, false, self.store_slot) {
                    self.current = self.store_slot;
                }
            } else {
                if self.pending.is_null() {
                    self.pull();
                }
                if !self.pending.is_null() && self.in_series(self.pending) {
                    self.current = std::mem::replace(&mut self.pending, std::ptr::null_mut());
                }
            }
            self.series_over = self.current.is_null();
        }
    }

    unsafe fn in_series(&self, slot: Slot) -> bool {
        if self.same_group.is_null() {
            return true;
        }
        // SAFETY: both slots hold rows of the input
        unsafe {
            let context = (*self.node).ss.ps.ps_ExprContext;
            (*context).ecxt_outertuple = slot;
            (*context).ecxt_innertuple = self.series_slot;
            pg_sys::ExecQual(self.same_group, context)
        }
    }

    /// Key of a row; `None` is NULL.
    unsafe fn bucket_of(&self, slot: Slot) -> Option<i64> {
        let mut null = false;
        // SAFETY: the slot holds a row of the input
        let datum =
            unsafe { pg_sys::slot_getattr(slot, self.layout.bucket() as i32 + 1, &mut null) };
        (!null).then(|| from_datum(self.layout.key, datum))
    }

    pub(super) fn advance(&mut self) -> Result<()> {
        let zone = self.zone_name.as_deref().map(Zone::named).transpose()?;
        let zone = zone.as_ref().map(|z| z as &dyn LocalTime);
        self.next_bucket = match &mut self.buckets {
            Some(buckets) => buckets.next(zone)?,
            None => None,
        };
        Ok(())
    }
}

unsafe fn group_equality(
    layout: &Layout,
    desc: pg_sys::TupleDesc,
    parent: *mut pg_sys::PlanState,
) -> ExprState {
    if layout.others.is_empty() {
        return std::ptr::null_mut();
    }
    let columns: Vec<i16> = layout.others.iter().map(|c| c.attnum).collect();
    let equality: Vec<pg_sys::Oid> = layout.others.iter().map(|c| c.equality).collect();
    let collations: Vec<pg_sys::Oid> = layout.others.iter().map(|c| c.collation).collect();
    // SAFETY: the arrays are read during the call only and have as many items as said
    unsafe {
        pg_sys::execTuplesMatchPrepare(
            desc,
            columns.len() as i32,
            columns.as_ptr(),
            equality.as_ptr(),
            collations.as_ptr(),
            parent,
        )
    }
}
