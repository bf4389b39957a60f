//! Chunks in the writer's own transaction: when nobody else may make them, and how.

use super::demand_rules::{self, Rules};
use super::{bgworker, compat, list, managed, session, shmem, xact};
use crate::error::{Error, Kind, Result};
use pgrx::{PgTryBuilder, pg_sys};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// # Safety
/// `relation` must be open.
pub(super) unsafe fn needs_in_process(relation: pg_sys::Relation) -> bool {
    // SAFETY: the caller has the relation open; all lists and triggers are its relcache entry's
    unsafe {
        if (*relation).rd_createSubid != 0 || locked_strongly((*relation).rd_id) {
            return true;
        }
        linked_is_locked(relation)
    }
}

/// True when this transaction has changed something, and holds a lock that DDL takes on a table which a
/// foreign key links to this one.
///
/// # Safety
/// `relation` must be open.
pub(super) unsafe fn linked_is_locked(relation: pg_sys::Relation) -> bool {
    if !session::has_written() {
        return false;
    }
    // SAFETY: as above
    unsafe {
        let keys = pg_sys::RelationGetFKeyList(relation);
        if list::pointers::<pg_sys::ForeignKeyCacheInfo>(keys)
            .any(|key| locked_strongly((*key).confrelid))
        {
            return true;
        }
        let triggers = (*relation).trigdesc;
        if triggers.is_null() {
            return false;
        }
        (0..(*triggers).numtriggers as usize)
            .map(|i| (*(*triggers).triggers.add(i)).tgconstrrelid)
            .any(|linked| linked != pg_sys::InvalidOid && locked_strongly(linked))
    }
}

/// True when this transaction holds a lock on the relation that DDL takes and writing does not.
fn locked_strongly(relation: pg_sys::Oid) -> bool {
    let tag = pg_sys::LOCKTAG {
        // SAFETY: a plain global
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: relation.to_u32(),
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        ..pg_sys::LOCKTAG::default()
    };
    (pg_sys::ShareUpdateExclusiveLock..=pg_sys::AccessExclusiveLock)
        // SAFETY: a well-formed tag of an ordinary relation
        .any(|mode| unsafe { compat::lock_held(&tag, mode as pg_sys::LOCKMODE) })
}

/// Makes chunks by ordinary DDL; 55006 with a hint where the table is in use.
pub(super) fn in_process(relation: pg_sys::Oid, indexes: &[i64]) -> Result<u32> {
    PgTryBuilder::new(AssertUnwindSafe(|| demand_rules::make(relation, indexes)))
        .catch_when(pgrx::PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, |e| {
            // nothing goes on after this: the error is raised again, with a hint
            let caught = super::subxact::Caught::of_error(&e);
            Err(Error {
                kind: Kind::InUse,
                message: caught.message,
                detail: caught.detail,
                hint: Some(
                    "commit first, or make the chunks before the statement: strata.premake_chunks"
                        .into(),
                ),
            })
        })
        .execute()
}

/// Why a chunk that was asked for is not there.
///
/// # Safety
/// `root` must be open.
pub(super) unsafe fn still_missing(root: pg_sys::Relation, rules: &dyn Rules) -> Error {
    let name = rules.table_name();
    // SAFETY: the caller has the relation open
    let detaching = unsafe {
        (*pg_sys::RelationGetPartitionDesc(root, super::demand::omit_detached())).detached_exist
    };
    if detaching {
        return Error::new(
            Kind::InUse,
            format!("the chunk for a new row of hypertable \"{name}\" is being detached"),
        )
        .hint("run the statement again when the detach has ended");
    }
    Error::internal(format!(
        "chunks of hypertable \"{name}\" were made, but are not seen"
    ))
}

/// A session tells the worker at most this often that nothing is ahead of a table.
const HINT_EVERY: Duration = Duration::from_secs(30);

/// A row went into the newest chunk: when it is committed, and can be seen, the worker should make the next ones.
pub(super) fn nothing_ahead(relation: pg_sys::Oid) {
    thread_local! {
        static LAST: RefCell<HashMap<u32, Instant>> = RefCell::new(HashMap::new());
    }
    let key = relation.to_u32();
    if LAST.with_borrow(|last| last.get(&key).is_some_and(|at| at.elapsed() < HINT_EVERY)) {
        return;
    }
    if !matches!(managed::rules(relation), Ok(Some(rules)) if rules.premakes()) {
        return;
    }
    LAST.with_borrow_mut(|last| {
        last.retain(|_, at| at.elapsed() < HINT_EVERY);
        last.insert(key, Instant::now());
    });
    xact::at_commit(|| {
        shmem::wake_worker(bgworker::my_database());
    });
}
