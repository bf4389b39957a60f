//! Late rows in an ordered scan: the stub's rows, sorted, merged with the rows of the file.

use super::cold_compare::btree_operators;
use super::cold_run::{Phase, Scan};
use super::cold_scan::begin_stub;
use crate::cold::order::Key;
use crate::error::Result;
use pgrx::pg_sys;

/// The sorted rows of the stub. Rows are sorted with their ctid as one more column, since a sort
/// keeps no identity.
pub(super) struct Late {
    sort: *mut pg_sys::Tuplesortstate,
    /// rows on their way into the sort
    wide: *mut pg_sys::TupleTableSlot,
    /// the smallest row that was not given yet
    head: *mut pg_sys::TupleTableSlot,
    has_head: bool,
    /// the scan's slot points into `head`, which was given
    given: bool,
    /// the next row of the file
    file: *mut pg_sys::TupleTableSlot,
    file_memory: pg_sys::MemoryContext,
    file_waits: bool,
    file_ended: bool,
    keys: Vec<SortKey>,
    tid: Box<pg_sys::ItemPointerData>,
}

struct SortKey {
    attribute: usize,
    operator: pg_sys::Oid,
    support: Box<pg_sys::SortSupportData>,
}

impl Late {
    unsafe fn new(node: *mut pg_sys::CustomScanState, order: &[Key]) -> Self {
        // SAFETY: the executor's own node; all is made in the query's memory and goes with it
        unsafe {
            let estate = (*node).ss.ps.state;
            let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let desc = (*(*node).ss.ss_currentRelation).rd_att;
            let natts = (*desc).natts;
            let wide = pg_sys::CreateTemplateTupleDesc(natts + 1);
            for attnum in 1..=natts {
                pg_sys::TupleDescCopyEntry(wide, attnum as i16, desc, attnum as i16);
            }
            let last = (natts + 1) as i16;
            pg_sys::TupleDescInitEntry(wide, last, c"ctid".as_ptr(), pg_sys::TIDOID, -1, 0);
            let slot = |desc, ops: *const pg_sys::TupleTableSlotOps| {
                pg_sys::ExecInitExtraTupleSlot(estate, desc, ops)
            };
            let late = Late {
                sort: std::ptr::null_mut(),
                wide: slot(wide, &raw const pg_sys::TTSOpsVirtual),
                head: slot(wide, &raw const pg_sys::TTSOpsMinimalTuple),
                has_head: false,
                given: false,
                file: slot(desc, &raw const pg_sys::TTSOpsVirtual),
                file_memory: pg_sys::AllocSetContextCreateExtended(
                    (*estate).es_query_cxt,
                    c"strata cold row".as_ptr(),
                    pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
                ),
                file_waits: false,
                file_ended: false,
                keys: order.iter().map(|key| SortKey::new(key, desc)).collect(),
                tid: Box::default(),
            };
            pg_sys::MemoryContextSwitchTo(old);
            late
        }
    }

    unsafe fn begin_sort(&mut self, order: &[Key]) {
        let mut columns: Vec<i16> = order.iter().map(|k| k.attnum).collect();
        let mut operators: Vec<pg_sys::Oid> = self.keys.iter().map(|k| k.operator).collect();
        let mut collations: Vec<pg_sys::Oid> = order.iter().map(|k| k.collation.into()).collect();
        let mut nulls_first: Vec<bool> = order.iter().map(|k| k.nulls_first).collect();
        // SAFETY: as many entries as columns, which the sort copies; the descriptor outlives it
        unsafe {
            self.sort = pg_sys::tuplesort_begin_heap(
                (*self.wide).tts_tupleDescriptor,
                columns.len() as i32,
                columns.as_mut_ptr(),
                operators.as_mut_ptr(),
                collations.as_mut_ptr(),
                nulls_first.as_mut_ptr(),
                pg_sys::work_mem,
                std::ptr::null_mut(),
                0,
            );
        }
    }

    /// Takes a row of the stub in.
    unsafe fn put(&mut self, row: *mut pg_sys::TupleTableSlot) {
        // SAFETY: the wide slot has one column more than the row; the sort copies it
        unsafe {
            let natts = (*(*row).tts_tupleDescriptor).natts as usize;
            pg_sys::ExecClearTuple(self.wide);
            std::ptr::copy_nonoverlapping((*row).tts_values, (*self.wide).tts_values, natts);
            std::ptr::copy_nonoverlapping((*row).tts_isnull, (*self.wide).tts_isnull, natts);
            *self.tid = (*row).tts_tid;
            *(*self.wide).tts_values.add(natts) = pg_sys::Datum::from(&raw mut *self.tid);
            *(*self.wide).tts_isnull.add(natts) = false;
            pg_sys::ExecStoreVirtualTuple(self.wide);
            pg_sys::tuplesort_puttupleslot(self.sort, self.wide);
            pg_sys::ExecClearTuple(self.wide);
        }
    }

    unsafe fn advance(&mut self) {
        // SAFETY: a sorted state; the head's row is a copy of its own
        unsafe {
            self.has_head = pg_sys::tuplesort_gettupleslot(
                self.sort,
                true,
                true,
                self.head,
                std::ptr::null_mut(),
            );
            if self.has_head {
                pg_sys::slot_getallattrs(self.head);
            }
        }
    }

    /// True when the head comes before the waiting row of the file.
    unsafe fn head_is_first(&mut self) -> bool {
        let (head, file) = (self.head, self.file);
        for key in &mut self.keys {
            // SAFETY: both slots hold rows with all columns taken apart
            let order = unsafe { key.compare(head, file) };
            if order != 0 {
                return order < 0;
            }
        }
        false
    }

    /// Throws the sorted rows away.
    pub(super) fn end(&mut self) {
        self.has_head = false;
        self.given = false;
        self.file_waits = false;
        self.file_ended = false;
        if !self.sort.is_null() {
            // SAFETY: slots of this node, a sort that is ended once; nothing points into it after
            unsafe {
                pg_sys::ExecClearTuple(self.head);
                pg_sys::ExecClearTuple(self.file);
                pg_sys::tuplesort_end(self.sort);
            }
            self.sort = std::ptr::null_mut();
        }
    }
}

impl SortKey {
    unsafe fn new(key: &Key, desc: pg_sys::TupleDesc) -> Self {
        // SAFETY: a column of the descriptor; the support's memory is the query's
        unsafe {
            let attribute = (key.attnum - 1) as usize;
            let type_oid = (*super::compat::attribute(desc, attribute)).atttypid;
            let (less, greater) = btree_operators(type_oid);
            let operator = if key.descending { greater } else { less };
            let mut support = Box::<pg_sys::SortSupportData>::default();
            support.ssup_cxt = pg_sys::CurrentMemoryContext;
            support.ssup_collation = key.collation.into();
            support.ssup_nulls_first = key.nulls_first;
            support.ssup_attno = key.attnum;
            pg_sys::PrepareSortSupportFromOrderingOp(operator, &mut *support);
            SortKey {
                attribute,
                operator,
                support,
            }
        }
    }

    /// As ApplySortComparator (sortsupport.h).
    #[allow(ffi_unwind_calls, reason = "comparison functions of built-in types")]
    unsafe fn compare(
        &mut self,
        a: *mut pg_sys::TupleTableSlot,
        b: *mut pg_sys::TupleTableSlot,
    ) -> i32 {
        // SAFETY: promised by the caller
        let ((a, a_null), (b, b_null)) = unsafe {
            let of = |slot: *mut pg_sys::TupleTableSlot| {
                let value = *(*slot).tts_values.add(self.attribute);
                (value, *(*slot).tts_isnull.add(self.attribute))
            };
            (of(a), of(b))
        };
        let first = if self.support.ssup_nulls_first { -1 } else { 1 };
        match (a_null, b_null) {
            (true, true) => 0,
            (true, false) => first,
            (false, true) => -first,
            (false, false) => {
                let Some(compare) = self.support.comparator else {
                    return 0;
                };
                let support: *mut pg_sys::SortSupportData = &mut *self.support;
                // SAFETY: the comparator of the column's type; an error of it stops at the boundary
                let order =
                    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| compare(a, b, support)) };
                if self.support.ssup_reverse {
                    -order.signum()
                } else {
                    order.signum()
                }
            }
        }
    }
}

impl Scan {
    /// Sorts the stub's rows for an ordered scan. False: there are none.
    ///
    /// # Safety
    /// `node` must own this scan.
    pub(super) unsafe fn collect_late(
        &mut self,
        node: *mut pg_sys::CustomScanState,
    ) -> Result<bool> {
        // SAFETY: promised by the caller
        unsafe {
            let context = (*node).ss.ps.ps_ExprContext;
            let slot = (*node).ss.ss_ScanTupleSlot;
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            // kept in the phase, so that whatever happens ends it
            self.phase = Phase::Stub(begin_stub(&raw mut (*node).ss));
            let mut any = false;
            while let Phase::Stub(desc) = self.phase {
                pgrx::check_for_interrupts!();
                if !pg_sys::table_scan_getnextslot(desc, forward, self.stub_slot) {
                    break;
                }
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
                pg_sys::ExecCopySlot(slot, self.stub_slot);
                (*slot).tts_tid = (*self.stub_slot).tts_tid;
                if !self.passes(node, slot, true) {
                    continue;
                }
                let mut late = match self.late.take() {
                    Some(late) => late,
                    None => Late::new(node, &self.order),
                };
                if !any {
                    late.begin_sort(&self.order);
                    any = true;
                }
                late.put(slot);
                self.late = Some(late);
            }
            pg_sys::ExecClearTuple(slot);
            if let Phase::Stub(desc) = std::mem::replace(&mut self.phase, Phase::Done) {
                pg_sys::table_endscan(desc);
            }
            if let Some(late) = self.late.as_mut().filter(|_| any) {
                pg_sys::tuplesort_performsort(late.sort);
                late.advance();
            }
            Ok(any)
        }
    }

    /// The next row of file and stub in their order; NULL at the end.
    ///
    /// # Safety
    /// `node` must own this scan, which is in the phase Merge.
    pub(super) unsafe fn next_merged(
        &mut self,
        node: *mut pg_sys::CustomScanState,
    ) -> Result<*mut pg_sys::TupleTableSlot> {
        let Some(mut late) = self.late.take() else {
            return Ok(std::ptr::null_mut());
        };
        // SAFETY: promised by the caller
        let found = unsafe { self.merge(node, &mut late) };
        self.late = Some(late);
        found
    }

    unsafe fn merge(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        late: &mut Late,
    ) -> Result<*mut pg_sys::TupleTableSlot> {
        // SAFETY: promised by the caller
        unsafe {
            let slot = (*node).ss.ss_ScanTupleSlot;
            pg_sys::ExecClearTuple(slot);
            if std::mem::take(&mut late.given) {
                late.advance();
            }
            if !late.file_waits && !late.file_ended {
                late.file_waits = self.next_file_row(node, late.file, late.file_memory)?;
                late.file_ended = !late.file_waits;
            }
            if late.has_head && (late.file_ended || late.head_is_first()) {
                let natts = (*(*slot).tts_tupleDescriptor).natts as usize;
                std::ptr::copy_nonoverlapping((*late.head).tts_values, (*slot).tts_values, natts);
                std::ptr::copy_nonoverlapping((*late.head).tts_isnull, (*slot).tts_isnull, natts);
                let tid = *(*late.head).tts_values.add(natts);
                (*slot).tts_tid = *tid.cast_mut_ptr::<pg_sys::ItemPointerData>();
                (*slot).tts_tableOid = (*(*node).ss.ss_currentRelation).rd_id;
                pg_sys::ExecStoreVirtualTuple(slot);
                late.given = true;
                self.late_rows += 1;
                return Ok(slot);
            }
            if !std::mem::take(&mut late.file_waits) {
                return Ok(std::ptr::null_mut());
            }
            // WHERE CURRENT OF looks at this slot and no other; the values stay until the next row is read
            let natts = (*(*slot).tts_tupleDescriptor).natts as usize;
            std::ptr::copy_nonoverlapping((*late.file).tts_values, (*slot).tts_values, natts);
            std::ptr::copy_nonoverlapping((*late.file).tts_isnull, (*slot).tts_isnull, natts);
            (*slot).tts_tid = (*late.file).tts_tid;
            (*slot).tts_tableOid = (*late.file).tts_tableOid;
            pg_sys::ExecStoreVirtualTuple(slot);
            Ok(slot)
        }
    }
}
