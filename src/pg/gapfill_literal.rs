//! `time_bucket_gapfill('1 hour', ts, '2025-01-01', '2025-01-02')`: of the overloads that fit untyped
//! literals the server takes the one with text, whose third argument is a time zone. A text there that can
//! be no time zone and has digits, or is a word for a time, is the start, and what stands after it is the
//! finish.

use super::gapfill::text;
use pgrx::pg_sys;
use std::ffi::CString;

const WORDS: [&str; 7] = [
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "epoch",
    "infinity",
    "-infinity",
];

/// Makes the call one of the overload without time zone where its third argument is no zone.
///
/// # Safety
/// A call of time_bucket_gapfill that may be changed; its arguments have been simplified.
pub unsafe fn untyped_range(call: *mut pg_sys::FuncExpr) {
    // SAFETY: promised by the caller; nodes are cast by their tags
    unsafe {
        let args: Vec<*mut pg_sys::Expr> = super::list::pointers((*call).args).collect();
        let &[width, ts, zone, start, finish] = args.as_slice() else {
            return;
        };
        let constant = |e: *mut pg_sys::Expr| {
            let constant = e.cast::<pg_sys::Const>();
            ((*e.cast::<pg_sys::Node>()).type_ == pg_sys::NodeTag::T_Const).then_some(constant)
        };
        let (Some(literal), Some(last)) = (constant(zone), constant(finish)) else {
            return;
        };
        if (*literal).constisnull || !(*last).constisnull || !is_time(&text((*literal).constvalue))
        {
            return;
        }
        let Some(function) = without_zone((*call).funcid) else {
            return;
        };
        let time = pg_sys::coerce_to_target_type(
            std::ptr::null_mut(),
            zone.cast(),
            pg_sys::TEXTOID,
            pg_sys::TIMESTAMPTZOID,
            -1,
            pg_sys::CoercionContext::COERCION_EXPLICIT,
            pg_sys::CoercionForm::COERCE_EXPLICIT_CAST,
            -1,
        );
        if time.is_null() {
            return;
        }
        (*call).funcid = function;
        (*call).args = [width, ts, time.cast(), start]
            .iter()
            .fold(std::ptr::null_mut(), |l, e| pg_sys::lappend(l, e.cast()));
    }
}

fn is_time(literal: &str) -> bool {
    let literal = literal.trim();
    let word = WORDS.iter().any(|w| literal.eq_ignore_ascii_case(w));
    // abbreviations of zones have no digits; regions and POSIX forms are looked up
    (word || literal.contains(|c: char| c.is_ascii_digit())) && !is_region(literal)
}

fn is_region(name: &str) -> bool {
    // SAFETY: a NUL terminated name; the result is NULL or lives as long as the process
    CString::new(name).is_ok_and(|name| unsafe { !pg_sys::pg_tzset(name.as_ptr()).is_null() })
}

/// The overload (interval, timestamptz, timestamptz, timestamptz) next to `function`.
unsafe fn without_zone(function: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: palloc'd names; look-ups that may find nothing
    unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(function));
        let name = pg_sys::get_func_name(function);
        if schema.is_null() || name.is_null() {
            return None;
        }
        let names = [schema, name].iter().fold(std::ptr::null_mut(), |l, n| {
            pg_sys::lappend(l, pg_sys::makeString(*n).cast())
        });
        let types = [
            pg_sys::INTERVALOID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TIMESTAMPTZOID,
        ];
        let found = pg_sys::LookupFuncName(names, 4, types.as_ptr(), true);
        (found != pg_sys::InvalidOid).then_some(found)
    }
}
