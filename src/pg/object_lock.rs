//! Locks on rows of our catalog by number, held by a session: they outlast transactions, also failed ones,
//! and end with the process, whatever ends it.
//!
//! They use the lock method of advisory locks, since session locks of the other one end at the first abort
//! (proc.c, ProcReleaseLocks) and are not released at exit. Their tags are out of reach of users, who can
//! only let go of a lock of their own session, by pg_advisory_unlock_all().

use pgrx::pg_sys;

const MODE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

fn tag(class: pg_sys::Oid, object: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a plain global
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: class.to_u32(),
        locktag_field3: object,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// The tag of a relation of this database.
pub(super) fn relation_tag(relation: pg_sys::Oid) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field2: relation.to_u32(),
        locktag_field3: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        ..tag(relation, 0)
    }
}

/// Locks `object` of the table `class` for this session; false when somebody, also this session, has it.
/// In pg_locks it has locktype `object`.
pub fn try_hold(class: pg_sys::Oid, object: u32) -> bool {
    super::spi::refuse_in_recovery();
    // SAFETY: the tag is valid; a session lock needs no transaction
    let got = unsafe { pg_sys::LockAcquire(&tag(class, object), MODE, true, true) };
    match got {
        pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL => false,
        pg_sys::LockAcquireResult::LOCKACQUIRE_OK => true,
        _ => {
            release(class, object);
            false
        }
    }
}

/// Ends what [`try_hold`] began.
pub fn release(class: pg_sys::Oid, object: u32) {
    // SAFETY: as above; a lock that is not held is a warning
    unsafe { pg_sys::LockRelease(&tag(class, object), MODE, true) };
}

/// ShareUpdateExclusiveLock on a table that outlasts transactions, as CREATE INDEX CONCURRENTLY holds it. An abort ends it.
pub struct HeldRelation(pg_sys::LOCKTAG);

const BUILDS: pg_sys::LOCKMODE = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;

impl HeldRelation {
    /// Takes it unless others have one that conflicts. In a transaction.
    #[must_use]
    pub fn try_take(relation: pg_sys::Oid) -> Option<Self> {
        let tag = relation_tag(relation);
        // SAFETY: a tag on this stack; true, true: for the session, without waiting
        let got = unsafe { pg_sys::LockAcquire(&tag, BUILDS, true, true) };
        if got == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return None;
        }
        super::catalog::accept_invalidations();
        Some(HeldRelation(tag))
    }

    /// Gives it back, after work that no error has ended.
    pub fn release(self) {
        // SAFETY: held by this session
        unsafe { pg_sys::LockRelease(&self.0, BUILDS, true) };
    }
}
