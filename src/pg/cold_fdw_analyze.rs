//! ANALYZE of foreign tables: a sample of the rows, which are all read, as for any foreign table.

use super::cold_copy::RowMemory;
use super::cold_fdw::{column_options, foreign_table};
use super::cold_foreign_open::{Opened, open_file};
use super::cold_foreign_value::is_refusal;
use super::cold_state::{ForeignAccess, raise};
use super::sqlite::Cursor;
use super::subxact;
use crate::cold::mapping::CellRef;
use crate::error::{Error, Kind, Result};
use pgrx::prelude::*;
use pgrx::{pg_guard, pg_sys};

/// The file is there: how large it is, and how it is sampled.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn analyze(
    relation: pg_sys::Relation,
    func: *mut pg_sys::AcquireSampleRowsFunc,
    pages: *mut pg_sys::BlockNumber,
) -> bool {
    // SAFETY: an open relation; room for both answers
    unsafe {
        match open(relation) {
            Ok(opened) => {
                let n = opened.file.meta.size / u64::from(pg_sys::BLCKSZ);
                *pages = u32::try_from(n).unwrap_or(u32::MAX).max(1);
                *func = Some(acquire);
                true
            }
            Err(e) => raise(e),
        }
    }
}

unsafe fn open(relation: pg_sys::Relation) -> Result<Opened> {
    // SAFETY: an open relation
    unsafe {
        let (oid, owner) = ((*relation).rd_id, (*(*relation).rd_rel).relowner);
        let table = foreign_table(oid)?;
        let desc = (*relation).rd_att;
        let mut columns = vec![];
        for i in 0..(*desc).natts as usize {
            let att = super::compat::attribute(desc, i);
            if !(*att).attisdropped {
                columns.push(((*att).attnum, column_options(oid, (*att).attnum)?));
            }
        }
        // the mapping is that of the owner, as whom ANALYZE runs
        let file = open_file(&ForeignAccess {
            server: table.server,
            user: owner,
            owner,
            key: &table.options.key,
        })?;
        Opened::new(file, &table.options.table, &columns, desc, owner)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn acquire(
    relation: pg_sys::Relation,
    _elevel: core::ffi::c_int,
    rows: *mut pg_sys::HeapTuple,
    wanted: core::ffi::c_int,
    total: *mut f64,
    dead: *mut f64,
) -> core::ffi::c_int {
    // SAFETY: an open relation; `rows` has room for `wanted` tuples
    unsafe {
        let opened = match open(relation) {
            Ok(opened) => opened,
            Err(e) => raise(e),
        };
        let room = std::slice::from_raw_parts_mut(rows, wanted.max(0) as usize);
        let sample = match sample(opened, (*relation).rd_att, room) {
            Ok(sample) => sample,
            Err(e) => raise(e),
        };
        *dead = 0.0;
        *total = sample.seen as f64;
        if let Some(e) = sample.misfit {
            let name = std::ffi::CStr::from_ptr((*(*relation).rd_rel).relname.data.as_ptr());
            ereport!(
                PgLogLevel::WARNING,
                PgSqlErrorCode::ERRCODE_FDW_INVALID_DATA_TYPE,
                format!(
                    "{} rows of the sample of \"{}\" hold values that do not fit their columns, and were left out",
                    sample.left_out,
                    name.to_string_lossy()
                ),
                format!("The first: {}. {}", e.message, e.detail.unwrap_or_default())
            );
        }
        sample.kept as core::ffi::c_int
    }
}

#[derive(Default)]
struct Sample {
    seen: u64,
    kept: usize,
    left_out: u64,
    misfit: Option<Error>,
}

/// Vitter's algorithm, as for heaps: which rows are kept is decided before a value is looked at.
unsafe fn sample(
    mut opened: Opened,
    desc: pg_sys::TupleDesc,
    room: &mut [pg_sys::HeapTuple],
) -> Result<Sample> {
    let needed: Vec<i16> = opened.columns.iter().map(|c| c.attnum).collect();
    let query = opened.statement(&needed, "", &[], &[]);
    let failed = |opened: &Opened, e| opened.file.sqlite_error(&e);
    let mut cursor = opened
        .file
        .db
        .prepare(&query.sql)
        .map_err(|e| failed(&opened, e))?;
    let mut out = Sample::default();
    // SAFETY: all zero is a value of plain numbers; it is set up before it is used
    let mut state: pg_sys::ReservoirStateData = unsafe { std::mem::zeroed() };
    // SAFETY: room for the state
    unsafe { pg_sys::reservoir_init_selection_state(&mut state, room.len() as i32) };
    let mut skip = -1.0;
    let memory = RowMemory::new();
    while cursor.step().map_err(|e| failed(&opened, e))? {
        pgrx::check_for_interrupts!();
        out.seen += 1;
        let place = if out.kept < room.len() {
            out.kept
        } else {
            if skip < 0.0 {
                // SAFETY: the state that was set up
                skip = unsafe {
                    pg_sys::reservoir_get_next_S(&mut state, out.seen as f64, room.len() as i32)
                };
            }
            skip -= 1.0;
            if skip >= 0.0 {
                continue;
            }
            // SAFETY: the server's generator of random numbers
            let part = unsafe { pg_sys::sampler_random_fract(&mut state.randstate) };
            ((part * room.len() as f64) as usize).min(room.len() - 1)
        };
        // SAFETY: the descriptor has these columns
        match memory.run(|| unsafe { row(&mut opened, &cursor, desc, out.seen) })? {
            Ok(tuple) => {
                // SAFETY: a tuple of row(); the one that was there was copied here
                unsafe {
                    if place < out.kept {
                        pg_sys::heap_freetuple(room[place]);
                    }
                    room[place] = pg_sys::heap_copytuple(tuple);
                }
                out.kept = out.kept.max(place + 1);
            }
            Err(e) => {
                out.left_out += 1;
                out.misfit.get_or_insert(e);
            }
        }
    }
    opened.file.check_unchanged()?;
    Ok(out)
}

/// The row as a tuple; the inner error is a value that does not fit.
unsafe fn row(
    opened: &mut Opened,
    cursor: &Cursor,
    desc: pg_sys::TupleDesc,
    n: u64,
) -> Result<std::result::Result<pg_sys::HeapTuple, Error>> {
    let mut columns = std::mem::take(&mut opened.columns);
    let raises = columns.iter().any(|c| c.may_raise());
    let mut form = || {
        // SAFETY: promised by the caller; the tuple is a copy of the values
        unsafe {
            let natts = (*desc).natts as usize;
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); natts], vec![true; natts]);
            for (i, column) in columns.iter_mut().enumerate() {
                let at = (column.attnum - 1) as usize;
                match column.read(cursor.value(i + 1)) {
                    Ok(value) => {
                        nulls[at] = value.is_none();
                        values[at] = value.unwrap_or(pg_sys::Datum::null());
                    }
                    Err(e) if e.kind == Kind::DoesNotFit => {
                        let row = row_name(cursor, n);
                        return Err(opened.misfit(column, &row, &e.message));
                    }
                    Err(e) => return Err(e),
                }
            }
            Ok(pg_sys::heap_form_tuple(
                desc,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            ))
        }
    };
    // input functions and constraints of domains raise
    let made = if raises {
        subxact::attempt(form).unwrap_or_else(|caught| {
            if is_refusal(caught.code) {
                return Err(Error::new(Kind::DoesNotFit, caught.message));
            }
            caught.raise().report(PgLogLevel::ERROR);
            Err(Error::internal("an error did not end the statement"))
        })
    } else {
        form()
    };
    opened.columns = columns;
    match made {
        Ok(tuple) => Ok(Ok(tuple)),
        Err(e) if e.kind == Kind::DoesNotFit => Ok(Err(e)),
        Err(e) => Err(e),
    }
}

/// How messages call a row.
pub(super) fn row_name(cursor: &Cursor, n: u64) -> String {
    match cursor.value(0) {
        CellRef::Int(rowid) => format!("row {rowid} (its rowid)"),
        _ => format!("row number {n} as read"),
    }
}
