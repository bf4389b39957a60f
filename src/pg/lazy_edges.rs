//! The ranges of a table's chunks, as the partition descriptor has them.

use crate::hypertable::predicate::Op;
use pgrx::pg_sys;
use pgrx::pg_sys::PartitionRangeDatumKind as End;

/// One end of a chunk.
#[derive(Clone, Copy)]
pub(super) enum Edge {
    Min,
    Max,
    At(pg_sys::Datum),
}

/// Chunks in order of their ranges.
pub(super) struct Edges {
    ranges: Vec<(Edge, Edge)>,
}

impl Edges {
    /// Datums stay where they are: in memory of the planner, or of the open relation.
    ///
    /// # Safety
    /// `bounds` must be NULL or the bounds of a table partitioned by range of one column.
    pub(super) unsafe fn of(bounds: *const pg_sys::PartitionBoundInfoData) -> Option<Edges> {
        // SAFETY: promised by the caller; entry i of indexes is the partition that ends at datum i
        unsafe {
            if bounds.is_null() || (*bounds).default_index >= 0 {
                return None;
            }
            let end = |i: usize| match *(*(*bounds).kind.add(i)) {
                End::PARTITION_RANGE_DATUM_MINVALUE => Edge::Min,
                End::PARTITION_RANGE_DATUM_MAXVALUE => Edge::Max,
                _ => Edge::At(*(*(*bounds).datums.add(i))),
            };
            let ranges = (1..(*bounds).ndatums as usize)
                .filter(|i| *(*bounds).indexes.add(*i) >= 0)
                .map(|i| (end(i - 1), end(i)))
                .collect();
            Some(Edges { ranges })
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(super) fn lower(&self, chunk: usize) -> Edge {
        self.ranges.get(chunk).map_or(Edge::Max, |r| r.0)
    }

    pub(super) fn upper(&self, chunk: usize) -> Edge {
        self.ranges.get(chunk).map_or(Edge::Max, |r| r.1)
    }

    /// Which chunks can hold keys for which all of the comparisons are true: `start..end`.
    ///
    /// # Safety
    /// `type_oid` must be the key's type, and the values of it.
    pub(super) unsafe fn within(
        &self,
        type_oid: pg_sys::Oid,
        bounds: &[(Op, pg_sys::Datum)],
    ) -> (usize, usize) {
        let (mut start, mut end) = (0, self.len());
        for (op, value) in bounds {
            if op.bounds_below() {
                // chunks that end at or before the value hold nothing
                let ends_before = |chunk: usize| match self.upper(chunk) {
                    // SAFETY: promised by the caller
                    Edge::At(upper) => unsafe { compare(type_oid, upper, *value) <= 0 },
                    Edge::Min => true,
                    Edge::Max => false,
                };
                while start < end && ends_before(start) {
                    start += 1;
                }
            }
            if op.bounds_above() {
                let begins_behind = |chunk: usize| match self.lower(chunk) {
                    Edge::At(lower) => {
                        // SAFETY: promised by the caller
                        let order = unsafe { compare(type_oid, lower, *value) };
                        order > 0 || (order == 0 && *op == Op::Lt)
                    }
                    Edge::Min => false,
                    Edge::Max => true,
                };
                while start < end && begins_behind(end - 1) {
                    end -= 1;
                }
            }
        }
        (start, end)
    }
}

/// The default order of a type.
unsafe fn compare(type_oid: pg_sys::Oid, a: pg_sys::Datum, b: pg_sys::Datum) -> i32 {
    // SAFETY: the type cache entry lives for the session; the key's type has a default order
    unsafe {
        let flags = pg_sys::TYPECACHE_CMP_PROC_FINFO as i32;
        let cache = pg_sys::lookup_type_cache(type_oid, flags);
        let order =
            pg_sys::FunctionCall2Coll(&mut (*cache).cmp_proc_finfo, pg_sys::InvalidOid, a, b);
        order.value() as i32
    }
}
