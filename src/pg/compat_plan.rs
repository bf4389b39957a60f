//! Planner structures that differ between PostgreSQL 15 and 18.

use pgrx::pg_sys;

/// A restriction on a base relation, as if it had stood in WHERE.
///
/// # Safety
/// `clause` must mention base relations of `root` only, outside of any outer join.
pub(super) unsafe fn restriction(
    root: *mut pg_sys::PlannerInfo,
    clause: *mut pg_sys::Expr,
    security_level: pg_sys::Index,
) -> *mut pg_sys::RestrictInfo {
    let null = std::ptr::null_mut();
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::make_restrictinfo(
            root,
            clause,
            true,
            false,
            false,
            security_level,
            null,
            null,
            null,
        )
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::make_restrictinfo(
            root,
            clause,
            true,
            false,
            false,
            false,
            security_level,
            null,
            null,
            null,
        )
    }
}
