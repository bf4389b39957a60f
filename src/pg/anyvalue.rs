//! Arguments declared `anyelement` or `"any"`, turned into plain values.

use pgrx::datum::{AnyElement, FromDatum, Interval};
use pgrx::pg_sys;
use std::ffi::CStr;

/// A value of one of the types that describe times and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyValue {
    Int(i64),
    Interval {
        months: i32,
        days: i32,
        us: i64,
    },
    /// a date, timestamp or timestamptz: the type, and days or microseconds since 2000-01-01
    Time(pg_sys::Oid, i64),
    /// text, or a literal without a type
    Text(String),
    /// anything else: the name of its type
    Other(String),
}

/// The value of an argument of any type.
pub fn any_value(arg: &AnyElement) -> AnyValue {
    let datum = arg.datum();
    match arg.oid() {
        pg_sys::INT2OID => AnyValue::Int(i64::from(datum.value() as i16)),
        pg_sys::INT4OID => AnyValue::Int(i64::from(datum.value() as i32)),
        pg_sys::INT8OID => AnyValue::Int(datum.value() as i64),
        pg_sys::DATEOID => AnyValue::Time(pg_sys::DATEOID, i64::from(datum.value() as i32)),
        t @ (pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID) => {
            AnyValue::Time(t, datum.value() as i64)
        }
        pg_sys::INTERVALOID => {
            // SAFETY: the datum has just been found to be an interval that is not NULL
            match unsafe { Interval::from_datum(datum, false) } {
                Some(i) => AnyValue::Interval {
                    months: i.months(),
                    days: i.days(),
                    us: i.micros(),
                },
                None => AnyValue::Other("interval".into()),
            }
        }
        pg_sys::UNKNOWNOID => {
            // SAFETY: a value of type unknown is a NUL terminated string
            let text = unsafe { CStr::from_ptr(datum.cast_mut_ptr()) };
            AnyValue::Text(text.to_string_lossy().into_owned())
        }
        pg_sys::TEXTOID | pg_sys::VARCHAROID => {
            // SAFETY: the datum is a varlena of text
            match unsafe { String::from_datum(datum, false) } {
                Some(text) => AnyValue::Text(text),
                None => AnyValue::Other("text".into()),
            }
        }
        other => AnyValue::Other(type_name(other)),
    }
}

/// The name of a type as users write it.
pub fn type_name(oid: pg_sys::Oid) -> String {
    // SAFETY: format_type_be returns a palloc'd string for every OID, known or not
    unsafe { CStr::from_ptr(pg_sys::format_type_be(oid)) }
        .to_string_lossy()
        .into_owned()
}

/// The elements of an argument declared `name[]`; `None` when one of them is NULL.
pub fn names(arg: &AnyElement) -> Option<Vec<String>> {
    let (mut elements, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
    // SAFETY: the server has checked the argument's type against the declaration; elements of type name are
    // NUL terminated strings inside the array, which lives as long as the call
    unsafe {
        let array = pg_sys::pg_detoast_datum(arg.datum().cast_mut_ptr());
        pg_sys::deconstruct_array(
            array.cast(),
            pg_sys::NAMEOID,
            pg_sys::NAMEDATALEN as i32,
            false,
            pg_sys::TYPALIGN_CHAR as core::ffi::c_char,
            &mut elements,
            &mut nulls,
            &mut count,
        );
        (0..usize::try_from(count).unwrap_or(0))
            .map(|i| {
                let name = (*elements.add(i)).cast_mut_ptr();
                (!*nulls.add(i)).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
            })
            .collect()
    }
}
