//! Scans of a cold chunk row by row, by statements that have no plan: COPY chunk TO, and what ALTER TABLE, ATTACH
//! and ALTER DOMAIN look at. Such a scan gives the rows of the file first, then those of the stub.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::cold_am::{cold_tid, is_cold, refuse, relid, state};
use super::cold_heap::heap_raw;
use super::cold_reader::Reader;
use super::cold_run::missing_values;
use super::cold_state::raise;
use super::{cold_dump, cold_reads, cold_state, compat};
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::pushdown;
use crate::error::{Error, Result};
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::rc::Rc;

/// A scan that has rows of a file to give.
struct FileScan {
    scan: pg_sys::TableScanDesc,
    /// start of its transaction: no such scan outlives it
    transaction: i64,
    manifest: Rc<Manifest>,
    rows: Option<Rows>,
    ended: bool,
}

/// The file, opened by the first row that is asked for. The contexts end with the transaction at the latest.
struct Rows {
    reader: Reader,
    missing: Vec<(usize, Option<pg_sys::Datum>)>,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    kept: pg_sys::MemoryContext,
    row: pg_sys::MemoryContext,
}

thread_local! {
    static SCANS: RefCell<Vec<FileScan>> = const { RefCell::new(Vec::new()) };
    /// how many there are, for scans that have nothing to do with them
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// The file whose rows a scan that begins now has to give. Raises where that cannot be.
pub(super) fn file_of(
    rel: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    flags: u32,
) -> Option<Rc<Manifest>> {
    use pg_sys::ScanOptions as Flag;
    let walks = flags & (Flag::SO_TYPE_SEQSCAN | Flag::SO_TYPE_SAMPLESCAN) != 0;
    if !walks || cold_state::scanning_stub() || !is_cold(rel) {
        return None;
    }
    let ChunkState::Cold(manifest) = state(rel) else {
        return None;
    };
    if flags & Flag::SO_TYPE_SAMPLESCAN != 0 {
        refuse(rel, "sample {}");
    }
    if compat::is_logical_worker() {
        refuse(rel, "apply replicated changes to {}");
    }
    // who looks at heap and index together, page by page, means the stub
    if flags & Flag::SO_ALLOW_PAGEMODE == 0 || cold_dump::copies_stub(relid(rel)) {
        return None;
    }
    if is_being_rewritten(rel) {
        refuse(rel, "rewrite {}");
    }
    // SAFETY: the server passes a snapshot, or none in a scan of its own kind
    let plain = !snapshot.is_null()
        && unsafe { (*snapshot).snapshot_type } == pg_sys::SnapshotType::SNAPSHOT_MVCC;
    if !plain {
        refuse(rel, "scan {} row by row");
    }
    let reads = cold_reads::allowed(&manifest).unwrap_or_else(|e| raise(e));
    reads.then_some(manifest)
}

/// True when the server has made a table to copy the rows into (make_new_heap): the copy would take the place of
/// the stub, beside the file.
fn is_being_rewritten(rel: pg_sys::Relation) -> bool {
    let name = CString::new(format!("pg_temp_{}", relid(rel).to_u32())).unwrap_or_default();
    // SAFETY: the relation is open; a look-up by name
    unsafe {
        let schema = (*(*rel).rd_rel).relnamespace;
        pg_sys::get_relname_relid(name.as_ptr(), schema) != pg_sys::InvalidOid
    }
}

/// A scan has begun, with the answer of [`file_of`]. What an error has left of earlier ones goes.
pub(super) fn begun(scan: pg_sys::TableScanDesc, file: Option<Rc<Manifest>>) {
    if OPEN.get() == 0 && file.is_none() {
        return;
    }
    // SAFETY: asks for a time of the transaction
    let transaction = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    SCANS.with_borrow_mut(|scans| {
        scans.retain(|s| s.scan != scan && s.transaction == transaction);
        scans.extend(file.map(|manifest| FileScan {
            scan,
            transaction,
            manifest,
            rows: None,
            ended: false,
        }));
        OPEN.set(scans.len());
    });
}

/// Takes the scan out of the list: code of users may begin others meanwhile.
fn take(scan: pg_sys::TableScanDesc) -> Option<FileScan> {
    SCANS.with_borrow_mut(|scans| {
        let at = scans.iter().position(|s| s.scan == scan)?;
        let found = scans.swap_remove(at);
        OPEN.set(scans.len());
        Some(found)
    })
}

fn put(scan: FileScan) {
    SCANS.with_borrow_mut(|scans| {
        scans.push(scan);
        OPEN.set(scans.len());
    });
}

pub(super) unsafe extern "C-unwind" fn scan_getnextslot(
    scan: pg_sys::TableScanDesc,
    direction: pg_sys::ScanDirection::Type,
    slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    // SAFETY: the server's own arguments
    if OPEN.get() != 0 && unsafe { next_of_file(scan, slot) } {
        return true;
    }
    heap_raw!(scan_getnextslot(scan, direction, slot), false)
}

pub(super) unsafe extern "C-unwind" fn scan_rescan(
    scan: pg_sys::TableScanDesc,
    key: *mut pg_sys::ScanKeyData,
    set_params: bool,
    allow_strat: bool,
    allow_sync: bool,
    allow_pagemode: bool,
) {
    if OPEN.get() != 0 {
        // SAFETY: the server's own arguments
        unsafe { again(scan) };
    }
    heap_raw!(
        scan_rescan(
            scan,
            key,
            set_params,
            allow_strat,
            allow_sync,
            allow_pagemode
        ),
        ()
    )
}

pub(super) unsafe extern "C-unwind" fn scan_end(scan: pg_sys::TableScanDesc) {
    if OPEN.get() != 0 {
        // SAFETY: the server's own arguments
        unsafe { finish(scan) };
    }
    heap_raw!(scan_end(scan), ())
}

#[pg_guard]
unsafe extern "C-unwind" fn again(scan: pg_sys::TableScanDesc) {
    if let Some(mut file) = take(scan) {
        file.ended = false;
        if let Some(rows) = &mut file.rows
            && let Err(e) = rows.reader.restart(&[])
        {
            raise(e);
        }
        put(file);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn finish(scan: pg_sys::TableScanDesc) {
    if let Some(FileScan {
        rows: Some(rows), ..
    }) = take(scan)
    {
        let (kept, row) = (rows.kept, rows.row);
        drop(rows);
        // SAFETY: made by `open` in this transaction
        unsafe {
            pg_sys::MemoryContextDelete(row);
            pg_sys::MemoryContextDelete(kept);
        }
    }
}

/// False after the last row of the file, and for scans without one.
#[pg_guard]
unsafe extern "C-unwind" fn next_of_file(
    scan: pg_sys::TableScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
) -> bool {
    let Some(mut file) = take(scan) else {
        return false;
    };
    if !file.ended {
        pgrx::check_for_interrupts!();
        // SAFETY: the server passes its own scan and a slot of the chunk's shape
        match unsafe { fill(&mut file, slot) } {
            Ok(more) => file.ended = !more,
            Err(e) => raise(e),
        }
    }
    let more = !file.ended;
    put(file);
    more
}

unsafe fn fill(file: &mut FileScan, slot: *mut pg_sys::TupleTableSlot) -> Result<bool> {
    // SAFETY: promised by the caller; the tuple is copied by the slot, or lives until the next one is asked for
    unsafe {
        let rel = (*file.scan).rs_rd;
        let desc = (*slot).tts_tupleDescriptor;
        if file.rows.is_none() {
            pg_sys::ExecClearTuple(slot);
            file.rows = Some(open(&file.manifest, rel, desc)?);
        }
        let Some(rows) = &mut file.rows else {
            return Err(Error::internal("a file is not open"));
        };
        pg_sys::ExecClearTuple(slot);
        pg_sys::MemoryContextReset(rows.row);
        let before = pg_sys::MemoryContextSwitchTo(rows.row);
        rows.nulls.fill(true);
        let Some(rowid) = rows.reader.next(&mut rows.values, &mut rows.nulls)? else {
            pg_sys::MemoryContextSwitchTo(before);
            return Ok(false);
        };
        for (i, value) in &rows.missing {
            rows.nulls[*i] = value.is_none();
            rows.values[*i] = value.unwrap_or(pg_sys::Datum::null());
        }
        let tuple =
            pg_sys::heap_form_tuple(desc, rows.values.as_mut_ptr(), rows.nulls.as_mut_ptr());
        (*tuple).t_tableOid = (*rel).rd_id;
        (*tuple).t_self = cold_tid(rowid);
        pg_sys::ExecForceStoreHeapTuple(tuple, slot, false);
        (*slot).tts_tid = cold_tid(rowid);
        (*slot).tts_tableOid = (*rel).rd_id;
        pg_sys::MemoryContextSwitchTo(before);
        Ok(true)
    }
}

unsafe fn open(
    manifest: &Rc<Manifest>,
    rel: pg_sys::Relation,
    desc: pg_sys::TupleDesc,
) -> Result<Rows> {
    // SAFETY: the relation is open, the descriptor its own
    unsafe {
        let context = || {
            pg_sys::AllocSetContextCreateExtended(
                pg_sys::TopTransactionContext,
                c"strata rows".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        };
        let (kept, row) = (context(), context());
        let before = pg_sys::MemoryContextSwitchTo(kept);
        let owner = (*(*rel).rd_rel).relowner;
        let natts = (*desc).natts as usize;
        let needed: Vec<i16> = (0..natts)
            .filter(|i| !(*compat::attribute(desc, *i)).attisdropped)
            .map(|i| i as i16 + 1)
            .collect();
        let missing = missing_values(manifest, desc, owner, &needed)?;
        let query = pushdown::select(manifest, &needed, "", &[]);
        let mut reader = Reader::new(Rc::clone(manifest), &query, desc, owner)?;
        reader.hint_table()?;
        reader.restart(&[])?;
        pg_sys::MemoryContextSwitchTo(before);
        Ok(Rows {
            reader,
            missing,
            values: vec![pg_sys::Datum::null(); natts],
            nulls: vec![true; natts],
            kept,
            row,
        })
    }
}
