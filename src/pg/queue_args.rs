//! Values of jobs as arguments of statements about side stores and the history.

use super::call::Value;
use super::segment::{Values, column};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

/// A value that is handed on, of type jsonb.
#[must_use]
pub fn json(value: Option<Value>) -> DatumWithOid<'static> {
    of_type(value, pg_sys::JSONBOID)
}

/// A value that is handed on, of type text.
#[must_use]
pub fn text(value: Option<Value>) -> DatumWithOid<'static> {
    of_type(value, pg_sys::TEXTOID)
}

/// Microseconds since 2000-01-01 UTC as timestamptz.
#[must_use]
pub fn time(us: i64) -> DatumWithOid<'static> {
    // SAFETY: what the server takes a timestamptz for
    unsafe { DatumWithOid::new(pg_sys::Datum::from(us), pg_sys::TIMESTAMPTZOID) }
}

/// A column of a job's row.
#[must_use]
pub fn column(row: &Values, column: usize) -> DatumWithOid<'static> {
    of_type(row.value(column), type_of(column))
}

fn type_of(column: usize) -> pg_sys::Oid {
    match column {
        column::SEQ | column::ID => pg_sys::INT8OID,
        column::LEASE_UNTIL | column::CLAIMED_AT | column::PUSHED_AT => pg_sys::TIMESTAMPTZOID,
        column::QID | column::WORKER => pg_sys::INT4OID,
        column::STATE => pg_sys::CHAROID,
        column::KIND | column::UNIQUE_KEY | column::GROUP_KEY => pg_sys::TEXTOID,
        column::PAYLOAD | column::PROGRESS | column::ERRORS => pg_sys::JSONBOID,
        _ => pg_sys::INT2OID,
    }
}

fn of_type(value: Option<Value>, oid: pg_sys::Oid) -> DatumWithOid<'static> {
    match value {
        // SAFETY: the caller knows the type; the value lives as long as the job that it belongs to
        Some(value) => unsafe { DatumWithOid::new(value.datum(), oid) },
        None => DatumWithOid::null_oid(oid),
    }
}

/// A text as a value, in the current memory context.
#[must_use]
pub fn text_value(text: &str) -> Option<Value> {
    pgrx::IntoDatum::into_datum(text).map(Value::of)
}

/// An integer as a value.
#[must_use]
pub fn int_value(n: i32) -> Option<Value> {
    Some(Value::of(pg_sys::Datum::from(n)))
}
