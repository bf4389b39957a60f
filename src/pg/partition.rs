//! Range bounds of partitions, read from the node tree in pg_class.relpartbound, and the one place where
//! a value of a key becomes a number.

use pgrx::{PgList, is_a, pg_sys};
use std::ffi::CString;

/// One end of a range partition on one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundEnd {
    MinValue,
    /// a number, days or microseconds since 2000-01-01; of a uuid the time in it
    Value(i64),
    MaxValue,
}

/// A value of a key on its axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyValue {
    /// a number, days or microseconds since 2000-01-01; of a version 7 uuid the time in it
    At(i64),
    /// -infinity or infinity of a date or timestamp: no chunk can hold it
    Infinite,
    /// a uuid of another version, which tells no time
    NotVersion7,
}

/// Microseconds from 1970-01-01 to 2000-01-01.
const UNIX_US: i64 = 946_684_800_000_000;

/// The milliseconds since 1970 in the first 48 bits of a uuid, whatever its version.
fn uuid_ms(bytes: &[u8; 16]) -> i64 {
    bytes[..6].iter().fold(0, |ms, b| ms << 8 | i64::from(*b))
}

/// The value of a key that is not NULL; `None` for types that cannot be a key.
///
/// # Safety
/// `datum` must be a value of type `typ`.
pub unsafe fn key_value(typ: pg_sys::Oid, datum: pg_sys::Datum) -> Option<KeyValue> {
    let raw = datum.value() as i64;
    Some(match typ {
        pg_sys::INT2OID => KeyValue::At(i64::from(raw as i16)),
        pg_sys::INT4OID => KeyValue::At(i64::from(raw as i32)),
        pg_sys::INT8OID => KeyValue::At(raw),
        pg_sys::DATEOID => match raw as i32 {
            i32::MIN | i32::MAX => KeyValue::Infinite,
            days => KeyValue::At(i64::from(days)),
        },
        pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => match raw {
            i64::MIN | i64::MAX => KeyValue::Infinite,
            us => KeyValue::At(us),
        },
        pg_sys::UUIDOID => {
            // SAFETY: a uuid is a pointer to its 16 bytes
            let bytes = unsafe { &*datum.cast_mut_ptr::<[u8; 16]>() };
            match bytes[6] >> 4 {
                7 => KeyValue::At(uuid_ms(bytes) * 1000 - UNIX_US),
                _ => KeyValue::NotVersion7,
            }
        }
        _ => return None,
    })
}

/// Where a uuid that ends a range lies: at the millisecond that begins with it, or after the part of a
/// millisecond that it cuts.
fn uuid_end(bytes: &[u8; 16], upper: bool) -> i64 {
    // the least uuid of version 7 with this time, and what lies below it in the same millisecond
    let least = [0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    let cut = bytes[6..] > least[..];
    (uuid_ms(bytes) + i64::from(upper && cut)) * 1000 - UNIX_US
}

/// Reads `relpartbound` of a partition of a table partitioned by range of one column whose type can be a
/// key. `None` for a DEFAULT partition and for any other kind of bound.
pub fn range_bound(relpartbound: &str) -> Option<(BoundEnd, BoundEnd)> {
    let text = CString::new(relpartbound).ok()?;
    // SAFETY: the text comes from pg_class, written by nodeToString; every node is checked by its tag
    unsafe {
        let node = pg_sys::stringToNode(text.as_ptr()).cast::<pg_sys::Node>();
        if node.is_null() || !is_a(node, pg_sys::NodeTag::T_PartitionBoundSpec) {
            return None;
        }
        let spec = &*node.cast::<pg_sys::PartitionBoundSpec>();
        if spec.is_default {
            return None;
        }
        Some((end(spec.lowerdatums, false)?, end(spec.upperdatums, true)?))
    }
}

/// # Safety
/// `list` is a list of PartitionRangeDatum nodes.
unsafe fn end(list: *mut pg_sys::List, upper: bool) -> Option<BoundEnd> {
    // SAFETY: promised by the caller; the tags are checked before each cast
    unsafe {
        let list = PgList::<pg_sys::PartitionRangeDatum>::from_pg(list);
        if list.len() != 1 {
            return None;
        }
        let datum = &*list.get_ptr(0)?;
        match datum.kind {
            pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MINVALUE => {
                return Some(BoundEnd::MinValue);
            }
            pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MAXVALUE => {
                return Some(BoundEnd::MaxValue);
            }
            _ => {}
        }
        if datum.value.is_null() || !is_a(datum.value, pg_sys::NodeTag::T_Const) {
            return None;
        }
        let value = &*datum.value.cast::<pg_sys::Const>();
        if value.constisnull {
            return None;
        }
        finite(value.consttype, value.constvalue, upper)
    }
}

/// A bound that is a value of the key's type.
///
/// # Safety
/// `datum` must be a value of type `typ`.
unsafe fn finite(typ: pg_sys::Oid, datum: pg_sys::Datum, upper: bool) -> Option<BoundEnd> {
    // SAFETY: promised by the caller
    unsafe {
        if typ == pg_sys::UUIDOID {
            let bytes = &*datum.cast_mut_ptr::<[u8; 16]>();
            return Some(BoundEnd::Value(uuid_end(bytes, upper)));
        }
        match key_value(typ, datum)? {
            KeyValue::At(v) => Some(BoundEnd::Value(v)),
            // a finite number for an end that the type has no larger or smaller value than
            _ => Some(BoundEnd::Value(match typ {
                pg_sys::DATEOID => i64::from(datum.value() as i32),
                _ => datum.value() as i64,
            })),
        }
    }
}

/// The ranges of all partitions but the DEFAULT, lowest first, as the relation cache has them: also those that
/// are being detached. For a table that is locked, and partitioned by range of one column of this type.
pub fn ranges(relation: pg_sys::Oid, key_type: pg_sys::Oid) -> Vec<(BoundEnd, BoundEnd)> {
    use pg_sys::PartitionRangeDatumKind as Kind;
    // SAFETY: the caller holds a lock; the descriptor lives as long as the relation is open, and a bound
    // that is a value has the type of the key. A partition has a bound on both sides
    unsafe {
        let table = pg_sys::relation_open(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        let desc = pg_sys::RelationGetPartitionDesc(table, false);
        let mut out = Vec::new();
        if !(*desc).boundinfo.is_null() {
            let bounds = &*(*desc).boundinfo;
            let bound = |i: usize, upper: bool| match *(*bounds.kind.add(i)) {
                Kind::PARTITION_RANGE_DATUM_MINVALUE => Some(BoundEnd::MinValue),
                Kind::PARTITION_RANGE_DATUM_MAXVALUE => Some(BoundEnd::MaxValue),
                _ => finite(key_type, *(*bounds.datums.add(i)), upper),
            };
            out.extend(
                (1..bounds.ndatums as usize)
                    .filter(|&i| *bounds.indexes.add(i) >= 0)
                    .filter_map(|i| Some((bound(i - 1, false)?, bound(i, true)?))),
            );
        }
        pg_sys::relation_close(table, pg_sys::NoLock as pg_sys::LOCKMODE);
        out
    }
}
