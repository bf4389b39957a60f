//! What a running GapFill shows in its scan slot: rows of the aggregate, and rows of empty buckets.

use super::gapfill_layout::Class;
use super::gapfill_marker::Row;
use super::gapfill_run::{Run, Slot};
use crate::error::Result;
use pgrx::pg_sys;

impl Run {
    pub(super) fn row(&self, at: Option<i64>) -> Row {
        // SAFETY: the node is valid while it runs
        let context = unsafe { (*self.node).ss.ps.ps_ExprContext };
        Row {
            at,
            context,
            memory: self.memory,
        }
    }

    /// Shows a row of the input in the scan slot.
    pub(super) unsafe fn show(&mut self, slot: Slot) {
        // SAFETY: the scan slot is virtual and has room for the input and the markers
        unsafe {
            pg_sys::slot_getallattrs(slot);
            let scan = self.clear_scan();
            for i in 0..self.layout.classes.len() {
                *(*scan).tts_values.add(i) = *(*slot).tts_values.add(i);
                *(*scan).tts_isnull.add(i) = *(*slot).tts_isnull.add(i);
            }
            self.store_scan();
        }
    }

    unsafe fn clear_scan(&self) -> Slot {
        // SAFETY: the node's own slot
        unsafe {
            let scan = (*self.node).ss.ss_ScanTupleSlot;
            pg_sys::ExecClearTuple(scan);
            for i in 0..self.markers.len() {
                *(*scan).tts_isnull.add(self.layout.classes.len() + i) = true;
            }
            scan
        }
    }

    unsafe fn store_scan(&self) {
        // SAFETY: all columns have been set
        unsafe {
            let scan = (*self.node).ss.ss_ScanTupleSlot;
            pg_sys::ExecStoreVirtualTuple(scan);
            (*(*self.node).ss.ps.ps_ExprContext).ecxt_scantuple = scan;
        }
    }

    pub(super) unsafe fn give_row(&mut self, at: Option<i64>) -> Result<()> {
        // SAFETY: the current row stays valid until the next one is asked for
        unsafe {
            self.look_ahead(at);
            self.show(self.current);
            self.current = std::ptr::null_mut();
            self.set_markers(at, true)
        }
    }

    pub(super) unsafe fn give_gap(&mut self, at: i64) -> Result<()> {
        self.advance()?;
        self.filled += 1;
        // SAFETY: the series slot holds the group columns as long as the series lasts
        unsafe {
            self.look_ahead(Some(at));
            let group = self.series_slot;
            pg_sys::slot_getallattrs(group);
            let scan = self.clear_scan();
            for (i, class) in self.layout.classes.iter().enumerate() {
                let (value, null) = match class {
                    Class::Null => (pg_sys::Datum::from(0), true),
                    Class::Copy => (*(*group).tts_values.add(i), *(*group).tts_isnull.add(i)),
                    Class::Bucket => (pg_sys::Datum::from(at), false),
                };
                *(*scan).tts_values.add(i) = value;
                *(*scan).tts_isnull.add(i) = null;
            }
            self.store_scan();
            self.set_markers(Some(at), false)
        }
    }

    unsafe fn set_markers(&mut self, at: Option<i64>, real: bool) -> Result<()> {
        let row = self.row(at);
        let first = self.layout.classes.len();
        for i in 0..self.markers.len() {
            // SAFETY: the scan slot shows the row
            unsafe {
                let value = self.markers[i].value(row, real)?;
                let scan = (*self.node).ss.ss_ScanTupleSlot;
                *(*scan).tts_isnull.add(first + i) = value.is_none();
                *(*scan).tts_values.add(first + i) = value.unwrap_or(pg_sys::Datum::from(0));
            }
        }
        Ok(())
    }
}
