//! Lines of our own in EXPLAIN, in every format.

use crate::cold::store::ReadStats;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// # Safety
/// `es` must be the state of a running EXPLAIN.
pub unsafe fn text(es: *mut pg_sys::ExplainState, label: &CStr, value: &str) {
    let Ok(value) = CString::new(value) else {
        return;
    };
    // SAFETY: promised by the caller; both strings are NUL terminated and are copied
    unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), value.as_ptr(), es) }
}

/// # Safety
/// `es` must be the state of a running EXPLAIN.
pub unsafe fn integer(es: *mut pg_sys::ExplainState, label: &CStr, value: i64) {
    // SAFETY: promised by the caller
    unsafe { pg_sys::ExplainPropertyInteger(label.as_ptr(), std::ptr::null(), value, es) }
}

/// # Safety
/// `es` must be the state of a running EXPLAIN.
pub unsafe fn millis(es: *mut pg_sys::ExplainState, label: &CStr, value: f64) {
    // SAFETY: promised by the caller
    unsafe { pg_sys::ExplainPropertyFloat(label.as_ptr(), c"ms".as_ptr(), value, 3, es) }
}

/// What reading from a store has cost.
///
/// # Safety
/// `es` must be the state of a running EXPLAIN.
pub unsafe fn reads(es: *mut pg_sys::ExplainState, stats: &ReadStats) {
    // SAFETY: promised by the caller
    unsafe {
        integer(es, c"GETs", stats.gets as i64);
        integer(es, c"Bytes", stats.bytes as i64);
        integer(es, c"Cache Hits", stats.cache_hits as i64);
        if (*es).timing {
            millis(es, c"Store Wait", stats.wait_us as f64 / 1000.0);
        }
    }
}

/// 1536 as "1.5 kB": for people.
pub fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1024.0 {
            return if unit == "bytes" {
                format!("{bytes} bytes")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}
