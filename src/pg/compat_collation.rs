//! Whether a collation compares bytes, in PostgreSQL 15 to 18.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

#[cfg(not(feature = "pg18"))]
mod raw {
    unsafe extern "C-unwind" {
        /// utils/pg_locale.h
        pub fn lc_collate_is_c(collation: pgrx::pg_sys::Oid) -> bool;
    }
}

#[cfg(feature = "pg18")]
mod raw {
    /// How `struct pg_locale_struct` begins (utils/pg_locale.h).
    #[repr(C)]
    pub struct Locale {
        pub provider: core::ffi::c_char,
        pub deterministic: bool,
        pub collate_is_c: bool,
    }

    unsafe extern "C-unwind" {
        /// utils/pg_locale.h
        pub fn pg_newlocale_from_collation(collation: pgrx::pg_sys::Oid) -> *const Locale;
    }
}

/// True for collations whose order is that of the bytes: C, POSIX, those of the built-in provider, and
/// the database's own when it is one of these.
///
/// # Safety
/// Must run inside a transaction, with the OID of an existing collation.
#[allow(ffi_unwind_calls, reason = "an error stops at the boundary")]
pub unsafe fn compares_bytes(collation: pg_sys::Oid) -> bool {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_guard_ffi_boundary(|| raw::lc_collate_is_c(collation))
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller; the answer lives for the session
    unsafe {
        let locale = pg_guard_ffi_boundary(|| raw::pg_newlocale_from_collation(collation));
        !locale.is_null() && (*locale).collate_is_c
    }
}
