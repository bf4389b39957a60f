//! Values of type jsonb that are put together here. Payloads of users are not: they are handed on.

use super::call::Value;
use pgrx::datum::AnyElement;
use pgrx::{direct_function_call, pg_sys};
use std::ffi::CString;

/// A value given as JSON text. Lives in the current memory context.
pub fn value(text: &str) -> Value {
    append(None, text)
}

/// An array with the elements of another one, given as text, behind its own; NULL counts as empty. Lives in the
/// current memory context.
pub fn append(array: Option<Value>, more: &str) -> Value {
    // a text with NUL cannot come from the server
    let more = CString::new(more).unwrap_or_default();
    // SAFETY: functions of the server with arguments of their types; the text outlives the call, and what they
    // return is palloc'd
    unsafe {
        let more = direct_function_call::<pg_sys::Datum>(
            pg_sys::jsonb_in,
            &[Some(pg_sys::Datum::from(more.as_ptr()))],
        );
        let more = more.unwrap_or(pg_sys::Datum::null());
        let Some(array) = array else {
            return Value::of(more);
        };
        let all = direct_function_call::<pg_sys::Datum>(
            pg_sys::jsonb_concat,
            &[Some(array.datum()), Some(more)],
        );
        Value::of(all.unwrap_or(more))
    }
}

/// An argument of a function, to be handed on as it is.
pub fn handed_on(arg: &AnyElement) -> Value {
    Value::of(arg.datum())
}
