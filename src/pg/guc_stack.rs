//! What a commit would keep of the settings that were changed since some nest level.
//!
//! guc.c keeps that apart: SET lasts, SET LOCAL ends with the transaction, and of SET followed by SET LOCAL the former
//! lasts (push_old_value, AtEOXact_GUC). Only its stack tells the two apart.

use super::owner::SettingScope;
use pgrx::pg_sys;
use std::ffi::CStr;
use std::slice;

fn all() -> &'static [*mut pg_sys::config_generic] {
    let (list, n) = super::compat_session::settings();
    if list.is_null() {
        return &[];
    }
    // SAFETY: an array of the process, or a copy of it in the current memory context: it is read before that goes
    unsafe { slice::from_raw_parts(list.cast_const(), usize::try_from(n).unwrap_or(0)) }
}

/// A value that the server has put aside, in the unit of its setting.
///
/// # Safety
/// `value` belongs to a setting of this kind.
unsafe fn text(
    setting: *mut pg_sys::config_generic,
    value: &pg_sys::config_var_val,
) -> Option<String> {
    // SAFETY: promised by the caller; the kind says which member of the union is meant
    unsafe {
        Some(match (*setting).vartype {
            pg_sys::config_type::PGC_BOOL => if value.boolval { "on" } else { "off" }.to_owned(),
            pg_sys::config_type::PGC_INT => value.intval.to_string(),
            pg_sys::config_type::PGC_REAL => value.realval.to_string(),
            pg_sys::config_type::PGC_ENUM => {
                let of = setting.cast::<pg_sys::config_enum>();
                string(pg_sys::config_enum_lookup_by_value(of, value.enumval))?
            }
            _ => string(value.stringval)?,
        })
    }
}

/// # Safety
/// NULL, or NUL terminated.
unsafe fn string(of: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: promised by the caller
    (!of.is_null()).then(|| unsafe { CStr::from_ptr(of) }.to_string_lossy().into_owned())
}

impl SettingScope {
    /// Names and values of what has been SET in this scope and would outlast a commit.
    #[must_use]
    pub fn lasting(&self) -> Vec<(String, String)> {
        let level = self.level();
        let mut found = Vec::new();
        for setting in all().iter().copied() {
            // SAFETY: settings live as long as the process, their stacks until the levels end
            unsafe {
                let stack = (*setting).stack;
                if stack.is_null() || (*stack).nest_level < level {
                    continue;
                }
                let Some(name) = string((*setting).name) else {
                    continue;
                };
                let value = match (*stack).state {
                    pg_sys::GucStackState::GUC_SET => super::session::setting(&name),
                    pg_sys::GucStackState::GUC_SET_LOCAL => text(setting, &(*stack).masked.val),
                    _ => None,
                };
                found.extend(value.map(|value| (name, value)));
            }
        }
        found
    }
}
