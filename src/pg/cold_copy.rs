//! Rows of a chunk out of the heap into a file, and back.

use super::cold_am::Moving;
use super::cold_datum::{Codec, pin_settings};
use super::cold_move::OpenRelation;
use super::cold_reader::Reader;
use crate::cold::content::{ContentHash, RowSink};
use crate::cold::manifest::Manifest;
use crate::cold::mapping::Cell;
use crate::cold::pushdown;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::rc::Rc;

/// A memory context for the values of one row, emptied for each.
struct RowMemory(pg_sys::MemoryContext);

impl RowMemory {
    fn new() -> Self {
        // SAFETY: a child of the current context, deleted with it at the latest
        RowMemory(unsafe {
            pg_sys::AllocSetContextCreateExtended(
                pg_sys::CurrentMemoryContext,
                c"strata row".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        })
    }

    /// Runs `f` inside, after throwing away what the last run left.
    fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        // SAFETY: the context lives as long as self; the old one is restored
        unsafe {
            pg_sys::MemoryContextReset(self.0);
            let old = pg_sys::MemoryContextSwitchTo(self.0);
            let out = f();
            pg_sys::MemoryContextSwitchTo(old);
            out
        }
    }
}

impl Drop for RowMemory {
    fn drop(&mut self) {
        // SAFETY: created by new, deleted once
        unsafe { pg_sys::MemoryContextDelete(self.0) }
    }
}

/// The live columns of a chunk with their codecs.
fn codecs(rel: &OpenRelation) -> Vec<(usize, Codec)> {
    let desc = rel.desc();
    // SAFETY: the descriptor belongs to the open relation
    unsafe {
        (0..(*desc).natts as usize)
            .map(|i| (i, super::compat::attribute(desc, i)))
            .filter(|(_, att)| !(**att).attisdropped)
            .map(|(i, att)| (i, Codec::new((*att).atttypid, (*att).atttypmod)))
            .collect()
    }
}

/// Reads all visible rows of the heap in the order of column `key` (NULLs last, none expected) and
/// passes each as cells, in the order of the live columns. Returns the hash over all rows.
///
/// Reads under the active snapshot and without the planner, so that neither row security nor an
/// expression of the owner takes part.
pub fn read_heap(chunk: pg_sys::Oid, key: i16, sink: &mut impl RowSink) -> Result<ContentHash> {
    let rel = OpenRelation::locked(chunk);
    let _settings = pin_settings();
    let mut codecs = codecs(&rel);
    let memory = RowMemory::new();
    let mut hash = ContentHash::default();
    let mut cells: Vec<Cell> = Vec::with_capacity(codecs.len());
    // SAFETY: the relation is open; slot and sort live to the end of the loop, or of the transaction
    unsafe {
        let (sort, rows) = sorted(&rel, key)?;
        sink.expect(rows);
        let slot = pg_sys::MakeSingleTupleTableSlot(rel.desc(), &pg_sys::TTSOpsMinimalTuple);
        while pg_sys::tuplesort_gettupleslot(sort, true, false, slot, std::ptr::null_mut()) {
            pgrx::check_for_interrupts!();
            pg_sys::slot_getallattrs(slot);
            memory.run(|| {
                cells.clear();
                let mut row = hash.row();
                for (i, codec) in &mut codecs {
                    if *(*slot).tts_isnull.add(*i) {
                        row.null();
                        cells.push(Cell::Null);
                    } else {
                        let datum = *(*slot).tts_values.add(*i);
                        row.value(&codec.send(datum));
                        cells.push(codec.encode(datum));
                    }
                }
                hash.add(row);
                sink.row(&cells)
            })?;
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::tuplesort_end(sort);
    }
    Ok(hash)
}

/// All visible rows, sorted by one column, and their number.
unsafe fn sorted(rel: &OpenRelation, key: i16) -> Result<(*mut pg_sys::Tuplesortstate, u64)> {
    // SAFETY: promised by the caller: the relation is open
    unsafe {
        let att = super::compat::attribute(rel.desc(), (key - 1) as usize);
        let cache = pg_sys::lookup_type_cache((*att).atttypid, pg_sys::TYPECACHE_LT_OPR as i32);
        let mut operator = (*cache).lt_opr;
        if operator == pg_sys::InvalidOid {
            return Err(Error::new(
                Kind::NotSupported,
                "the partition column's type has no order",
            ));
        }
        let (mut number, mut collation, mut nulls_first) = (key, (*att).attcollation, false);
        let sort = pg_sys::tuplesort_begin_heap(
            rel.desc(),
            1,
            &mut number,
            &mut operator,
            &mut collation,
            &mut nulls_first,
            pg_sys::maintenance_work_mem,
            std::ptr::null_mut(),
            0,
        );
        let _own = super::cold_state::StubScan::begin();
        let slot = pg_sys::table_slot_create(rel.raw(), std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(
            rel.raw(),
            pg_sys::GetActiveSnapshot(),
            0,
            std::ptr::null_mut(),
        );
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        let mut rows = 0;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            pgrx::check_for_interrupts!();
            pg_sys::tuplesort_puttupleslot(sort, slot);
            rows += 1;
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::tuplesort_performsort(sort);
        Ok((sort, rows))
    }
}

/// Reads the whole file through the store and decodes every value; returns the hash over all rows.
pub fn read_file(chunk: pg_sys::Oid, manifest: &Rc<Manifest>) -> Result<ContentHash> {
    each_file_row(chunk, manifest, |_, _| Ok(()))
}

fn each_file_row(
    chunk: pg_sys::Oid,
    manifest: &Rc<Manifest>,
    mut each: impl FnMut(&mut [pg_sys::Datum], &mut [bool]) -> Result<()>,
) -> Result<ContentHash> {
    let rel = OpenRelation::locked(chunk);
    let _settings = pin_settings();
    let mut codecs = codecs(&rel);
    let needed: Vec<i16> = codecs.iter().map(|(i, _)| *i as i16 + 1).collect();
    let query = pushdown::select(manifest, &needed, &[], None);
    // SAFETY: the relation is open
    let (missing, natts) = unsafe {
        let missing = super::cold_run::missing_values(manifest, rel.desc(), rel.owner(), &needed)?;
        (missing, (*rel.desc()).natts as usize)
    };
    // SAFETY: the descriptor is the chunk's
    let mut reader = unsafe { Reader::new(Rc::clone(manifest), &query, rel.desc(), rel.owner())? };
    reader.restart(&[])?;
    let memory = RowMemory::new();
    let mut hash = ContentHash::default();
    let mut values = vec![pg_sys::Datum::null(); natts];
    let mut nulls = vec![true; natts];
    loop {
        pgrx::check_for_interrupts!();
        let more = memory.run(|| {
            nulls.fill(true);
            if reader.next(&mut values, &mut nulls)?.is_none() {
                return Ok(false);
            }
            // the hash covers what the file holds, also when columns were added or dropped since
            for (i, value) in &missing {
                nulls[*i] = value.is_none();
                values[*i] = value.unwrap_or(pg_sys::Datum::null());
            }
            let mut row = hash.row();
            for (i, codec) in &mut codecs {
                if nulls[*i] {
                    row.null();
                } else {
                    row.value(&codec.send(values[*i]));
                }
            }
            hash.add(row);
            each(&mut values, &mut nulls)?;
            Ok::<bool, Error>(true)
        })?;
        if !more {
            return Ok(hash);
        }
    }
}

/// Writes all rows of the file into the chunk's empty heap, frozen: visible to every snapshot, as
/// they were while the chunk was cold. Legal because this transaction made the heap's file.
///
/// Returns the hash over the rows that the file gave.
pub fn file_to_heap(chunk: pg_sys::Oid, manifest: &Rc<Manifest>) -> Result<ContentHash> {
    let _moving = Moving::begin(chunk);
    let rel = OpenRelation::locked(chunk);
    // subscribers have these rows already
    let options = (pg_sys::TABLE_INSERT_SKIP_FSM
        | pg_sys::TABLE_INSERT_FROZEN
        | pg_sys::TABLE_INSERT_NO_LOGICAL) as i32;
    // SAFETY: the relation is open and locked exclusively; the bulk state is freed below
    unsafe {
        let bulk = pg_sys::GetBulkInsertState();
        let cid = pg_sys::GetCurrentCommandId(true);
        let hash = each_file_row(chunk, manifest, |values, nulls| {
            let tuple =
                pg_sys::heap_form_tuple(rel.desc(), values.as_mut_ptr(), nulls.as_mut_ptr());
            (*tuple).t_tableOid = chunk;
            pg_sys::heap_insert(rel.raw(), tuple, cid, options, bulk);
            Ok(())
        })?;
        pg_sys::FreeBulkInsertState(bulk);
        Ok(hash)
    }
}

/// Hash over the rows of the heap, in its own order: after untiering.
pub fn hash_heap(chunk: pg_sys::Oid, key: i16) -> Result<ContentHash> {
    let _moving = Moving::begin(chunk);
    read_heap(chunk, key, &mut ())
}
