//! One cold row by its ctid: EvalPlanQual, row locks, UPDATE and DELETE.

use super::cold_am::cold_tid;
use super::cold_reader::Reader;
use super::cold_run::missing_values;
use super::cold_state::{self, raise};
use crate::cold::manifest::ChunkState;
use crate::cold::mapping::Cell;
use crate::cold::pushdown;
use crate::error::Result;
use pgrx::pg_sys;

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
        let missing = missing_values(&manifest, desc, owner, &needed)?;
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
