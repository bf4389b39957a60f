//! Opening segments for housekeeping, which waits for nobody.

use super::segment::Segment;
use pgrx::pg_sys;

/// What came of [`Segment::open_to_look`].
pub enum Look {
    Open(Segment),
    Gone,
    /// somebody has it alone
    Held,
}

impl Segment {
    /// Opens a segment for reading; unless `wait`, without waiting for whoever is dropping it or keeps everybody out.
    pub fn open_to_look(relation: pg_sys::Oid, index: pg_sys::Oid, wait: bool) -> Look {
        if wait {
            return Self::open_to_read(relation, index).map_or(Look::Gone, Look::Open);
        }
        let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        if !super::catalog::try_lock_relation(relation, mode) {
            return Look::Held;
        }
        let open = Self::open_with(relation, index, mode);
        // SAFETY: one lock too many: of the table, if it is there, there is another one
        unsafe { pg_sys::UnlockRelationOid(relation, mode) }
        open.map_or(Look::Gone, Look::Open)
    }
}
