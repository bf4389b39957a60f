//! Differences between PostgreSQL 15, 16, 17 and 18: the only file with `cfg(feature = "pgNN")`.

use pgrx::pg_sys;

/// # Safety
/// Must run inside a transaction.
pub unsafe fn relation_ownercheck(relation: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::pg_class_ownercheck(relation, role)
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::object_ownercheck(pg_sys::RelationRelationId, relation, role)
    }
}
