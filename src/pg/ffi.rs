//! Declarations that pgrx's bindings lack, with the header that they come from.

use pgrx::{pg_guard, pg_sys};

#[pg_guard]
unsafe extern "C-unwind" {
    /// storage/predicate.h
    pub fn TransferPredicateLocksToHeapRelation(relation: pg_sys::Relation);
}
