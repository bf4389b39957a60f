//! Rows of a chunk out of the heap into a file, and back.

use super::cold_datum::{Codec, pin_settings};
use super::cold_move::OpenRelation;
use super::cold_reader::Reader;
use super::cold_types::less_than;
use crate::cold::content::{ContentHash, RowHash, RowSink};
use crate::cold::manifest::Manifest;
use crate::cold::mapping::Cell;
use crate::cold::pushdown;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::rc::Rc;

/// A memory context for the values of one row, emptied for each.
pub(super) struct RowMemory(pg_sys::MemoryContext);

impl RowMemory {
    pub(super) fn new() -> Self {
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
    pub(super) fn run<T>(&self, f: impl FnOnce() -> T) -> T {
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

/// Reads all visible rows of the heap in the order of some columns (NULLs last) and passes each as cells, in
/// the order of the live columns, with its hash. Returns the hash over all rows.
///
/// Reads under one snapshot and without the planner, so that neither row security nor an expression of the owner
/// takes part. Runs in a transaction of a worker: once all rows are sorted the snapshot is let go of, for other
/// exports wait for old ones. Rows that are changed meanwhile have left a mark.
///
/// With `file`, the rows of a file and the heap together, which is what a cold chunk has.
pub fn read_rows(
    chunk: pg_sys::Oid,
    file: Option<&Rc<Manifest>>,
    order: &[i16],
    sink: &mut impl RowSink,
) -> Result<Read> {
    let rel = OpenRelation::locked(chunk);
    let _settings = pin_settings();
    let mut codecs = codecs(&rel);
    let memory = RowMemory::new();
    let mut hash = ContentHash::default();
    let mut cells: Vec<Cell> = Vec::with_capacity(codecs.len());
    // SAFETY: the relation is open; slot and sort live to the end of the loop, or of the transaction
    unsafe {
        let (sort, rows, from_file) = sorted(&rel, file, order)?;
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
                let digest = hash.add(row);
                sink.row(&cells, digest)
            })?;
            renew_now_and_then(&hash);
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::tuplesort_end(sort);
        Ok(Read {
            all: hash,
            file: from_file,
        })
    }
}

/// What was read: hashes over all rows, and over those of the file.
pub struct Read {
    pub all: ContentHash,
    pub file: Option<ContentHash>,
}

/// Lets go of the snapshot every so many rows.
fn renew_now_and_then(hash: &ContentHash) {
    if hash.rows % 1024 == 1 {
        super::bgworker::renew_snapshot();
    }
}

/// All visible rows, sorted by some columns, their number, and the hash over those of the file.
unsafe fn sorted(
    rel: &OpenRelation,
    file: Option<&Rc<Manifest>>,
    order: &[i16],
) -> Result<(*mut pg_sys::Tuplesortstate, u64, Option<ContentHash>)> {
    // SAFETY: promised by the caller: the relation is open; the arrays are copied by the sort
    unsafe {
        let mut numbers = order.to_vec();
        let mut nulls_first = vec![false; order.len()];
        let (mut operators, mut collations) = (Vec::new(), Vec::new());
        for number in order {
            let att = super::compat::attribute(rel.desc(), (*number - 1) as usize);
            operators.push(less_than((*att).atttypid).ok_or_else(|| {
                let text = "a column that orders the file has a type without an order";
                Error::new(Kind::NotSupported, text)
            })?);
            collations.push((*att).attcollation);
        }
        let sort = pg_sys::tuplesort_begin_heap(
            rel.desc(),
            order.len() as i32,
            numbers.as_mut_ptr(),
            operators.as_mut_ptr(),
            collations.as_mut_ptr(),
            nulls_first.as_mut_ptr(),
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
        let mut from_file = None;
        if let Some(manifest) = file {
            let slot = pg_sys::MakeSingleTupleTableSlot(rel.desc(), &pg_sys::TTSOpsVirtual);
            let hash = each_file_row(
                super::cold_am::relid(rel.raw()),
                manifest,
                |values, nulls, hash| {
                    pg_sys::ExecClearTuple(slot);
                    std::ptr::copy_nonoverlapping(
                        values.as_ptr(),
                        (*slot).tts_values,
                        values.len(),
                    );
                    std::ptr::copy_nonoverlapping(nulls.as_ptr(), (*slot).tts_isnull, nulls.len());
                    pg_sys::ExecStoreVirtualTuple(slot);
                    pg_sys::tuplesort_puttupleslot(sort, slot);
                    renew_now_and_then(hash);
                    Ok(())
                },
            )?;
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            rows += hash.rows.unsigned_abs();
            from_file = Some(hash);
        }
        pg_sys::tuplesort_performsort(sort);
        Ok((sort, rows, from_file))
    }
}

/// Reads the whole file through the store and decodes every value; returns the hash over all rows.
pub fn read_file(chunk: pg_sys::Oid, manifest: &Rc<Manifest>) -> Result<ContentHash> {
    each_file_row(chunk, manifest, |_, _, _| Ok(()))
}

/// The same in a transaction of a worker, which nobody waits for meanwhile.
pub fn read_file_in_worker(chunk: pg_sys::Oid, manifest: &Rc<Manifest>) -> Result<ContentHash> {
    each_file_row(chunk, manifest, |_, _, hash| {
        renew_now_and_then(hash);
        Ok(())
    })
}

fn each_file_row(
    chunk: pg_sys::Oid,
    manifest: &Rc<Manifest>,
    mut each: impl FnMut(&mut [pg_sys::Datum], &mut [bool], &ContentHash) -> Result<()>,
) -> Result<ContentHash> {
    let rel = OpenRelation::locked(chunk);
    let _settings = pin_settings();
    let mut codecs = codecs(&rel);
    let needed: Vec<i16> = codecs.iter().map(|(i, _)| *i as i16 + 1).collect();
    let query = pushdown::select(manifest, &needed, "", &[]);
    // SAFETY: the relation is open
    let (missing, natts) = unsafe {
        let missing = super::cold_run::missing_values(manifest, rel.desc(), rel.owner(), &needed)?;
        (missing, (*rel.desc()).natts as usize)
    };
    // SAFETY: the descriptor is the chunk's
    let mut reader = unsafe { Reader::new(Rc::clone(manifest), &query, rel.desc(), rel.owner())? };
    reader.hint_table()?;
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
            hash.add(hash_row(&mut codecs, &values, &nulls));
            each(&mut values, &mut nulls, &hash)?;
            Ok::<bool, Error>(true)
        })?;
        if !more {
            return Ok(hash);
        }
    }
}

/// The hashes of single rows of the file, by their numbers; `None` where there is no such row.
pub fn digests_in_file(
    chunk: pg_sys::Oid,
    manifest: &Rc<Manifest>,
    rowids: &[i64],
) -> Result<Vec<Option<u128>>> {
    let rel = OpenRelation::locked(chunk);
    let _settings = pin_settings();
    let mut codecs = codecs(&rel);
    let needed: Vec<i16> = codecs.iter().map(|(i, _)| *i as i16 + 1).collect();
    let query = pushdown::by_rowid(manifest, &needed);
    // SAFETY: the relation is open, the descriptor its own
    let (mut reader, natts) = unsafe {
        let reader = Reader::new(Rc::clone(manifest), &query, rel.desc(), rel.owner())?;
        (reader, (*rel.desc()).natts as usize)
    };
    let memory = RowMemory::new();
    let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); natts], vec![true; natts]);
    let mut found = Vec::with_capacity(rowids.len());
    for rowid in rowids {
        pgrx::check_for_interrupts!();
        found.push(memory.run(|| {
            reader.restart(&[Cell::Int(*rowid)])?;
            nulls.fill(true);
            let there = reader.next(&mut values, &mut nulls)?;
            Ok::<_, Error>(there.map(|_| hash_row(&mut codecs, &values, &nulls).finish()))
        })?);
    }
    Ok(found)
}

/// The hash of a row, from its values.
fn hash_row(codecs: &mut [(usize, Codec)], values: &[pg_sys::Datum], nulls: &[bool]) -> RowHash {
    let mut row = ContentHash::default().row();
    for (i, codec) in codecs {
        if nulls[*i] {
            row.null();
        } else {
            row.value(&codec.send(values[*i]));
        }
    }
    row
}

/// Writes all rows of the file into a heap with the columns of the chunk, frozen: visible to every snapshot, as
/// they were while the chunk was cold. Legal because this transaction made the heap's file.
///
/// Returns the hash over the rows that the file gave.
pub fn file_to_heap(
    chunk: pg_sys::Oid,
    heap: pg_sys::Oid,
    manifest: &Rc<Manifest>,
) -> Result<ContentHash> {
    let rel = OpenRelation::locked(heap);
    // subscribers have these rows already
    let options = (pg_sys::TABLE_INSERT_SKIP_FSM
        | pg_sys::TABLE_INSERT_FROZEN
        | pg_sys::TABLE_INSERT_NO_LOGICAL) as i32;
    // SAFETY: the relation is open and locked exclusively; the bulk state is freed below
    unsafe {
        let bulk = pg_sys::GetBulkInsertState();
        let cid = pg_sys::GetCurrentCommandId(true);
        let hash = each_file_row(chunk, manifest, |values, nulls, _| {
            let tuple =
                pg_sys::heap_form_tuple(rel.desc(), values.as_mut_ptr(), nulls.as_mut_ptr());
            (*tuple).t_tableOid = heap;
            pg_sys::heap_insert(rel.raw(), tuple, cid, options, bulk);
            Ok(())
        })?;
        pg_sys::FreeBulkInsertState(bulk);
        Ok(hash)
    }
}

/// Hash over the rows of a heap that are visible now, in whatever order they lie.
pub fn hash_heap(relation: pg_sys::Oid) -> Result<ContentHash> {
    let rel = OpenRelation::locked(relation);
    let _settings = pin_settings();
    let mut codecs = codecs(&rel);
    let memory = RowMemory::new();
    let mut hash = ContentHash::default();
    // SAFETY: the relation is open; slot, scan and snapshot are given back below, or by the transaction's end
    unsafe {
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let slot = pg_sys::table_slot_create(rel.raw(), std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(rel.raw(), snapshot, 0, std::ptr::null_mut());
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            pgrx::check_for_interrupts!();
            pg_sys::slot_getallattrs(slot);
            let natts = codecs.last().map_or(0, |(i, _)| i + 1);
            let values = std::slice::from_raw_parts((*slot).tts_values, natts);
            let nulls = std::slice::from_raw_parts((*slot).tts_isnull, natts);
            memory.run(|| hash.add(hash_row(&mut codecs, values, nulls)));
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::UnregisterSnapshot(snapshot);
    }
    Ok(hash)
}
