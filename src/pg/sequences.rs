//! Where sequences stand: a rollback does not take back what is done to them.

use super::owner::as_extension_owner;
use super::{session, spi};
use crate::error::Result;
use pgrx::pg_sys;

const SHARED: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

const ALL: &str = "SELECT s.seqrelid, s.seqincrement > 0 FROM pg_catalog.pg_sequence s \
    JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid WHERE c.relpersistence <> 't'";
const PUT_BACK: &str = "SELECT pg_catalog.setval($1, $2, $3)::text, $1::regclass::text";

/// A row of a sequence (sequence.h, FormData_pg_sequence_data).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value {
    last: i64,
    called: bool,
}

/// As things were at one moment.
#[derive(Debug, Default)]
pub struct Sequences(Vec<(pg_sys::Oid, bool, Value)>);

impl Sequences {
    /// Those that somebody else holds for himself are passed over.
    pub fn now() -> Result<Sequences> {
        let all =
            as_extension_owner(|| spi::read_kept(ALL, &[], |r| Ok((r.need(1)?, r.need(2)?))))?;
        let read = |(oid, ascends): (pg_sys::Oid, bool)| Some((oid, ascends, read(oid)?));
        Ok(Sequences(all.into_iter().filter_map(read).collect()))
    }

    /// Those that have been set back since are where they were, so that they give no number twice; a NOTICE tells of
    /// each. What others, or a nextval, have drawn meanwhile stays drawn.
    pub fn put_back(&self) -> Result<()> {
        for (oid, ascends, before) in &self.0 {
            let Some(now) = read(*oid) else { continue };
            if !is_behind(now, *before, *ascends) {
                continue;
            }
            let args = [(*oid).into(), before.last.into(), before.called.into()];
            let named =
                as_extension_owner(|| spi::write_kept(PUT_BACK, &args, |r| r.need::<String>(2)))?;
            for name in named {
                let last = before.last;
                let text = format!(
                    "sequence {name} was set back, which no rollback undoes: it stands at {last} again"
                );
                session::notice(&text, None);
            }
        }
        Ok(())
    }
}

fn is_behind(now: Value, before: Value, ascends: bool) -> bool {
    let key = |v: Value| {
        (
            if ascends {
                v.last.into()
            } else {
                -i128::from(v.last)
            },
            v.called,
        )
    };
    key(now) < key(before)
}

/// `None` for one that somebody else holds for himself, or that is gone. No lock is left behind.
fn read(oid: pg_sys::Oid) -> Option<Value> {
    // SAFETY: the lock that was got is given back, also by an error; the relation is closed before
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(oid, SHARED) {
            return None;
        }
        let relation = pg_sys::try_relation_open(oid, NO_LOCK);
        let mut found = None;
        if !relation.is_null() {
            if (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_SEQUENCE {
                found = tuple(relation);
            }
            pg_sys::relation_close(relation, NO_LOCK);
        }
        pg_sys::UnlockRelationOid(oid, SHARED);
        found
    }
}

/// The one row of a sequence, as sequence.c reads it: it is overwritten in place, and no snapshot counts.
///
/// # Safety
/// An open sequence.
unsafe fn tuple(relation: pg_sys::Relation) -> Option<Value> {
    // SAFETY: promised by the caller; the buffer is locked and pinned while it is read
    unsafe {
        let main = pg_sys::ForkNumber::MAIN_FORKNUM;
        if pg_sys::RelationGetNumberOfBlocksInFork(relation, main) == 0 {
            return None;
        }
        let buffer = pg_sys::ReadBuffer(relation, 0);
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
        let page = pg_sys::BufferGetPage(buffer);
        let item = pg_sys::PageGetItemId(page, 1);
        let header: pg_sys::HeapTupleHeader = pg_sys::PageGetItem(page, item).cast();
        let data: *const u8 = header.cast::<u8>().add(usize::from((*header).t_hoff));
        let value = Value {
            last: data.cast::<i64>().read_unaligned(),
            // behind last_value and log_cnt
            called: data.add(16).read() != 0,
        };
        pg_sys::UnlockReleaseBuffer(buffer);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_behind_when_it_would_give_a_number_again() {
        let at = |last, called| Value { last, called };
        for (now, before, up, down) in [
            (at(5, true), at(5, true), false, false),
            (at(5, false), at(5, true), true, true),
            (at(5, true), at(5, false), false, false),
            (at(4, true), at(5, false), true, false),
            (at(6, false), at(5, true), false, true),
            (at(i64::MIN, true), at(i64::MAX, true), true, false),
        ] {
            assert_eq!(is_behind(now, before, true), up, "{now:?} {before:?}");
            assert_eq!(is_behind(now, before, false), down, "{now:?} {before:?}");
        }
    }
}
