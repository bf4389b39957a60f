//! Arguments of type jsonb, looked at and handed on as they are: numbers keep all of their digits.

use crate::error::{Error, Kind, Result};
use pgrx::datum::{AnyElement, DatumWithOid};
use pgrx::pg_sys;
use serde_json::Value;
use std::ffi::CStr;

/// The value, with numbers as far as Rust can hold them. 22023 for what it cannot read at all: a number beyond
/// all floats, or nesting without end.
pub fn parsed(arg: &AnyElement) -> Result<Value> {
    // SAFETY: only functions that declare the argument as jsonb pass it; the text is palloc'd
    let text = unsafe {
        let out = pgrx::direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(arg.datum())]);
        out.unwrap_or_default().to_string_lossy()
    };
    serde_json::from_str(&text).map_err(|e| {
        Error::new(
            Kind::InvalidParameter,
            format!("a payload cannot be read: {e}"),
        )
    })
}

/// The same value as a parameter of a statement.
pub fn handed_on(arg: &AnyElement) -> DatumWithOid<'_> {
    // SAFETY: a jsonb that the caller's argument keeps alive for the length of the call
    unsafe { DatumWithOid::new(*arg, pg_sys::JSONBOID) }
}

/// An argument of any type as a parameter of a statement; NULL of this type without one.
pub fn any_handed_on<'a>(arg: Option<&'a AnyElement>, null: pg_sys::Oid) -> DatumWithOid<'a> {
    match arg {
        // SAFETY: the value and its type come from the running call, which keeps it alive
        Some(arg) => unsafe { DatumWithOid::new(*arg, arg.oid()) },
        None => DatumWithOid::null_oid(null),
    }
}

/// Type of a column; `None` when there is no such column.
pub fn column_type(relation: pg_sys::Oid, column: &str) -> Option<pg_sys::Oid> {
    let number = super::catalog::attribute_number(relation, column)?;
    // SAFETY: a look-up by OID and number
    Some(unsafe { pg_sys::get_atttype(relation, number) })
}
