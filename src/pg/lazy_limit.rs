//! How many rows a query may ask for and still be read in windows: these are read one after another by one
//! process, where a native plan may take all chunks in parallel.

use super::lazy_edges::Edges;
use super::planner_now::constant;
use pgrx::pg_sys;

/// So many rows are few for any table.
const FEW: i64 = 10_000;
/// And so is this part of all rows.
const PART: f64 = 0.05;
/// Chunks whose sizes are looked at.
const SAMPLE: usize = 16;

/// True for a LIMIT that takes a small part of the table, and for one that is not known yet.
///
/// # Safety
/// `parse` must be the planner's query with a LIMIT, on this table, that is locked.
pub(super) unsafe fn is_small(
    parse: *const pg_sys::Query,
    relation: pg_sys::Oid,
    edges: &Edges,
) -> bool {
    // SAFETY: promised by the caller; both were coerced to bigint
    unsafe {
        let (count, offset) = ((*parse).limitCount, (*parse).limitOffset);
        if (*count).type_ != pg_sys::NodeTag::T_Const {
            return true;
        }
        let Some(count) = constant(count) else {
            return false; // LIMIT ALL
        };
        let offset = if offset.is_null() {
            None
        } else {
            constant(offset)
        };
        let offset = offset.map_or(0, |datum| datum.value() as i64);
        let rows = (count.value() as i64).saturating_add(offset);
        rows <= FEW || rows as f64 <= estimated_rows(relation, edges) * PART
    }
}

/// From what ANALYZE and VACUUM left about a few chunks.
unsafe fn estimated_rows(relation: pg_sys::Oid, edges: &Edges) -> f64 {
    // SAFETY: the table is locked; the reference is given back at once
    unsafe {
        let rel = pg_sys::RelationIdGetRelation(relation);
        if rel.is_null() {
            return 0.0;
        }
        let desc = pg_sys::RelationGetPartitionDesc(rel, true);
        let parts = (*desc).nparts as usize;
        let (mut known, mut sum) = (0.0, 0.0);
        for i in (0..parts).step_by(parts.div_ceil(SAMPLE).max(1)) {
            if let Some(rows) = counted(*(*desc).oids.add(i)) {
                known += 1.0;
                sum += rows;
            }
        }
        pg_sys::RelationClose(rel);
        if known == 0.0 {
            0.0
        } else {
            sum / known * edges.len() as f64
        }
    }
}

/// `None` for a table that was never counted.
fn counted(relation: pg_sys::Oid) -> Option<f64> {
    // SAFETY: a look-up in the system cache, given back at once
    unsafe {
        let id = pg_sys::SysCacheIdentifier::RELOID as i32;
        let tuple = pg_sys::SearchSysCache1(id, relation.into());
        if tuple.is_null() {
            return None;
        }
        let rows = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).reltuples;
        pg_sys::ReleaseSysCache(tuple);
        (rows >= 0.0).then_some(f64::from(rows))
    }
}
