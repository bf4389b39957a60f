//! Range bounds of partitions, read from the node tree in pg_class.relpartbound.

use pgrx::{PgList, is_a, pg_sys};
use std::ffi::CString;

/// One end of a range partition on one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundEnd {
    MinValue,
    /// the value as stored: a number, days or microseconds since 2000-01-01
    Value(i64),
    MaxValue,
}

/// Reads `relpartbound` of a partition of a table partitioned by range of one column whose type is
/// passed by value as an integer, date or timestamp. `None` for a DEFAULT partition and for any other
/// kind of bound.
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
        Some((end(spec.lowerdatums)?, end(spec.upperdatums)?))
    }
}

/// # Safety
/// `list` is a list of PartitionRangeDatum nodes.
unsafe fn end(list: *mut pg_sys::List) -> Option<BoundEnd> {
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
        if value.constisnull || !value.constbyval {
            return None;
        }
        let raw = value.constvalue.value() as i64;
        Some(BoundEnd::Value(match value.consttype {
            pg_sys::INT2OID => i64::from(raw as i16),
            pg_sys::INT4OID | pg_sys::DATEOID => i64::from(raw as i32),
            pg_sys::INT8OID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => raw,
            _ => return None,
        }))
    }
}
