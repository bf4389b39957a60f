//! Where a value lies among the range partitions of a table, as the server's descriptor has them.

use pgrx::pg_sys;
use std::cmp::Ordering;

/// The first half of a uuid, as a number with the order of uuids.
///
/// # Safety
/// `datum` must be a uuid.
#[inline]
pub(super) unsafe fn uuid_half(datum: pg_sys::Datum) -> i64 {
    // SAFETY: a uuid is a pointer to its 16 bytes
    let half = unsafe { datum.cast_mut_ptr::<[u8; 8]>().read_unaligned() };
    (u64::from_be_bytes(half) ^ 1 << 63) as i64
}

/// The place of a value on a number line that orders values as the key's type does, for uuids by their
/// first half; `None` for a uuid of another version than 7, which no cached range may admit.
///
/// # Safety
/// `datum` must be a value of the key's type.
#[inline]
pub(super) unsafe fn axis(key_type: pg_sys::Oid, datum: pg_sys::Datum) -> Option<i64> {
    let raw = datum.value() as i64;
    match key_type {
        pg_sys::INT8OID | pg_sys::TIMESTAMPTZOID | pg_sys::TIMESTAMPOID => Some(raw),
        pg_sys::INT4OID | pg_sys::DATEOID => Some(i64::from(raw as i32)),
        pg_sys::INT2OID => Some(i64::from(raw as i16)),
        _ => {
            // SAFETY: promised by the caller
            let half = unsafe { uuid_half(datum) };
            (half >> 12 & 0xf == 7).then_some(half)
        }
    }
}

/// # Safety
/// Both must be values of the key's type.
unsafe fn compare(key_type: pg_sys::Oid, a: pg_sys::Datum, b: pg_sys::Datum) -> Ordering {
    // SAFETY: promised by the caller
    unsafe {
        if key_type == pg_sys::UUIDOID {
            let bytes = |d: pg_sys::Datum| d.cast_mut_ptr::<[u8; 16]>().read_unaligned();
            return bytes(a).cmp(&bytes(b));
        }
        axis(key_type, a).cmp(&axis(key_type, b))
    }
}

/// Where a value is in a list of range partitions.
pub(super) enum Place {
    Gap,
    /// the DEFAULT partition, whose range is not one
    Default,
    Chunk {
        lo: Option<pg_sys::Datum>,
        hi: Option<pg_sys::Datum>,
        newest: bool,
        chunk: pg_sys::Oid,
    },
}

/// # Safety
/// `desc` must describe range partitions on one column of this type.
pub(super) unsafe fn place(
    desc: pg_sys::PartitionDesc,
    key_type: pg_sys::Oid,
    value: pg_sys::Datum,
) -> Place {
    use pg_sys::PartitionRangeDatumKind as Range;
    // SAFETY: promised by the caller; `i` stays below the number of bounds
    unsafe {
        if (*desc).nparts == 0 {
            return Place::Gap;
        }
        let bounds = &*(*desc).boundinfo;
        let bound = |i: usize| -> Option<pg_sys::Datum> {
            let finite = *(*bounds.kind.add(i)) == Range::PARTITION_RANGE_DATUM_VALUE;
            finite.then(|| *(*bounds.datums.add(i)))
        };
        let above = |i: usize| match *(*bounds.kind.add(i)) {
            Range::PARTITION_RANGE_DATUM_MINVALUE => false,
            Range::PARTITION_RANGE_DATUM_MAXVALUE => true,
            _ => compare(key_type, *(*bounds.datums.add(i)), value) == Ordering::Greater,
        };
        // number of bounds at or below the value
        let (mut low, mut high) = (0, bounds.ndatums as usize);
        while low < high {
            let middle = (low + high) / 2;
            if above(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if *bounds.indexes.add(low) < 0 {
            return if bounds.default_index >= 0 {
                Place::Default
            } else {
                Place::Gap
            };
        }
        // a partition has a bound on both sides
        Place::Chunk {
            lo: bound(low - 1),
            hi: bound(low),
            newest: low + 1 == bounds.ndatums as usize && bound(low).is_some(),
            chunk: *(*desc).oids.add(*bounds.indexes.add(low) as usize),
        }
    }
}

/// True when the chunk has been closed: it has a CHECK that a row may violate.
///
/// # Safety
/// Inside a transaction.
pub(super) unsafe fn is_closed(chunk: pg_sys::Oid) -> bool {
    // SAFETY: the entry is held while its constraints are read; a chunk that is gone has none
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        let relation = pg_sys::RelationIdGetRelation(chunk);
        if relation.is_null() {
            return false;
        }
        let constraints = (*(*relation).rd_att).constr;
        let closed = !constraints.is_null()
            && (0..usize::from((*constraints).num_check)).any(|i| {
                let name = (*(*constraints).check.add(i)).ccname;
                !name.is_null() && std::ffi::CStr::from_ptr(name) == c"strata_zone"
            });
        pg_sys::RelationClose(relation);
        closed
    }
}
