//! How many groups to expect: of all rows, and of those of one chunk.
//!
//! PostgreSQL takes the buckets of a time to be as many as its values.

use super::cold_agg_target::Wanted;
use super::cold_clause::plain_var;
use super::cold_path::cold_manifest;
use super::list;
use crate::cold::aggregate::Output;
use crate::cold::mapping::Cell;
use pgrx::pg_sys;

pub(super) struct Expected {
    pub(super) all: f64,
    pub(super) each: f64,
}

/// # Safety
/// The planner's own structures; `wanted` are the outputs of `target`, which belongs to `input`.
pub(super) unsafe fn expected(
    root: *mut pg_sys::PlannerInfo,
    input: *mut pg_sys::RelOptInfo,
    target: *mut pg_sys::PathTarget,
    wanted: &[Wanted],
) -> Expected {
    // SAFETY: promised by the caller
    unsafe {
        let mut others = std::ptr::null_mut();
        let mut buckets = Expected {
            all: 1.0,
            each: 1.0,
        };
        let exprs = list::pointers::<pg_sys::Node>((*target).exprs);
        for (expr, (output, _)) in exprs.zip(wanted) {
            let times = match output {
                Output::Bucket {
                    attnum, width_us, ..
                } => extent(root, input, *attnum).map(|e| (e, *width_us as f64)),
                Output::Key(_) => None,
                _ => continue,
            };
            match times {
                Some(((each, chunks), width)) => {
                    buckets.all *= each * chunks / width + 1.0;
                    buckets.each *= each / width + 1.0;
                }
                None => others = pg_sys::lappend(others, expr.cast()),
            }
        }
        let rows = (*input).rows.max(1.0);
        let none = std::ptr::null_mut();
        let others =
            pg_sys::estimate_num_groups(root, others, rows, none, std::ptr::null_mut()).max(1.0);
        Expected {
            all: (others * buckets.all).min(rows),
            each: (others * buckets.each).min(rows),
        }
    }
}

/// Microseconds of a time column that a chunk holds on average, and the number of chunks.
unsafe fn extent(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    attnum: i16,
) -> Option<(f64, f64)> {
    // SAFETY: promised by the caller
    unsafe {
        if (*rel).part_scheme.is_null() || (*rel).boundinfo.is_null() {
            let rte = *(*root).simple_rte_array.add((*rel).relid as usize);
            let manifest = cold_manifest((*rte).relid)?;
            let column = manifest.column(attnum)?;
            let (Some(Cell::Int(min)), Some(Cell::Int(max))) = (&column.min, &column.max) else {
                return None;
            };
            return Some((*max as f64 - *min as f64, 1.0));
        }
        let bounds = &*(*rel).boundinfo;
        let key = list::pointers::<pg_sys::Node>(*(*rel).partexprs).next()?;
        let var = plain_var(key, (*rel).relid)?;
        // by range of a time, which a number of microseconds stands for
        if (*var).varattno != attnum || bounds.strategy as u8 != b'r' || bounds.ndatums < 2 {
            return None;
        }
        let finite = |n: &i32| {
            let kinds = *bounds.kind.add(*n as usize);
            *kinds == pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_VALUE
        };
        let value = |n: i32| (*(*bounds.datums.add(n as usize))).value() as i64;
        let finite: Vec<i32> = (0..bounds.ndatums).filter(finite).collect();
        let (first, last) = (*finite.first()?, *finite.last()?);
        let total = value(last) as f64 - value(first) as f64;
        let chunks = f64::from(pg_sys::bms_num_members((*rel).live_parts));
        Some((total / (finite.len() as f64 - 1.0).max(1.0), chunks))
    }
}
