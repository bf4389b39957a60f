//! Time zones that are not of this Earth. PostgreSQL takes POSIX zones like `X+150` with offsets of up to a
//! week; margins of planned bounds rest on those of real places.
//!
//! In such a zone no bound is derived from local time; and when a session turns to one, its cached plans are
//! made anew: they may have bounds of another zone.

use super::compat;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::{CString, c_char, c_long, c_void};

/// Places have been up to 15:56 hours away from UTC.
const MOST: c_long = 16 * 3600;
/// Changes of clocks that are looked at: a POSIX zone has two a year, for ever the same.
const CHANGES: usize = 6;
/// 1850: from here on.
const FIRST: i64 = -3_786_825_600;
const YEAR: i64 = 31_557_600;

static mut PREVIOUS: pg_sys::GucStringAssignHook = None;

thread_local! {
    /// the zone looked at last, which the server keeps for the session, and what was found
    static LAST: Cell<(*const pg_sys::pg_tz, bool)> = const { Cell::new((std::ptr::null(), true)) };
}

/// Watches the setting.
pub(super) fn init() {
    // SAFETY: settings are changed in the main thread while the library is loaded
    unsafe {
        let zone = compat::string_setting(c"TimeZone");
        if !zone.is_null() {
            PREVIOUS = (*zone).assign_hook;
            (*zone).assign_hook = Some(assign);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn assign(value: *const c_char, extra: *mut c_void) {
    // SAFETY: the arguments are passed on as they came; the server's hook raises no error
    unsafe {
        #[allow(ffi_unwind_calls, reason = "the server's hook raises no error")]
        if let Some(previous) = PREVIOUS {
            previous(value, extra);
        }
        if !session_is_real() {
            pg_sys::ResetPlanCache();
        }
    }
}

/// Whether the session's zone is one of a real place.
pub(super) fn session_is_real() -> bool {
    // SAFETY: a global of the main thread; zones live as long as the process
    unsafe { is_real(pg_sys::session_timezone) }
}

/// Whether a zone of this name exists, and is one of a real place.
pub(super) fn named_is_real(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: a NUL terminated string; NULL for an unknown zone
    unsafe {
        let zone = pg_sys::pg_tzset(name.as_ptr());
        !zone.is_null() && offsets_are_real(zone)
    }
}

unsafe fn is_real(zone: *const pg_sys::pg_tz) -> bool {
    let (last, known) = LAST.get();
    if last == zone {
        return known;
    }
    // SAFETY: promised by the caller
    let found = !zone.is_null() && unsafe { offsets_are_real(zone) };
    LAST.set((zone, found));
    found
}

/// Looks at the zone's history and at the years to come.
unsafe fn offsets_are_real(zone: *const pg_sys::pg_tz) -> bool {
    // SAFETY: a valid zone; the call fills in what it is given
    unsafe {
        let now = pg_sys::GetCurrentTimestamp() / 1_000_000 + 946_684_800;
        for start in [FIRST, now - YEAR] {
            let mut at: pg_sys::pg_time_t = start;
            for _ in 0..CHANGES {
                let (mut before, mut after, mut boundary) = (0, 0, 0);
                let (mut dst_before, mut dst_after) = (0, 0);
                let found = pg_sys::pg_next_dst_boundary(
                    &at,
                    &mut before,
                    &mut dst_before,
                    &mut boundary,
                    &mut after,
                    &mut dst_after,
                    zone,
                );
                // -1: the zone says nothing of that time
                if found < 0 || before.abs() > MOST || (found > 0 && after.abs() > MOST) {
                    return false;
                }
                if found == 0 {
                    break;
                }
                at = boundary;
            }
        }
        true
    }
}
