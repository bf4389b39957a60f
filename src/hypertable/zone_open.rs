//! Closed chunks that must take rows beyond their range, or whose columns change: the CHECK goes first.

use super::catalog::{self, Hypertable};
use super::settings;
use super::zone::{LOCK_MS, PAUSE, is_passing, open, with_check};
use crate::error::{Error, Kind, Result};
use crate::pg::bgworker;
use crate::pg::catalog::{check_owner, lock_relation, relation_name, try_lock_relation};
use crate::pg::owner::SettingScope;
use crate::pg::subxact::attempt;
use pgrx::pg_sys;
use std::time::{Duration, Instant};

/// Opens all chunks of a hypertable in this transaction, which is about to change what the CHECKs are about.
/// AccessExclusiveLock on the hypertable and on closed chunks.
pub fn open_all(relation: pg_sys::Oid) -> Result<()> {
    let Some(h) = catalog::hypertable(relation)? else {
        return Ok(());
    };
    let closed = with_check(relation)?;
    if closed.is_empty() {
        return Ok(());
    }
    check_owner(relation)?;
    // first the hypertable, as the command locks them
    lock_relation(relation, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
    closed.into_iter().try_for_each(|c| open(&h, c).map(|_| ()))
}

/// Opens the closed chunks that these chunk numbers touch: rows are about to come. Returns the numbers that
/// touched none.
pub fn open_for(h: &Hypertable, indexes: &[i64]) -> Result<Vec<i64>> {
    let closed = with_check(h.table.oid)?;
    let mut rest = indexes.to_vec();
    if closed.is_empty() {
        return Ok(rest);
    }
    let patience = settings::need(h.table.oid)?.lock_wait_ms;
    for c in catalog::chunks(h.table.oid, true)? {
        if !closed.contains(&c.oid) {
            continue;
        }
        let touches = |i: &i64| {
            h.grid
                .range(*i)
                .is_ok_and(|(lo, hi)| c.range.0 < hi && lo < c.range.1)
        };
        if indexes.iter().any(touches) {
            lock_briefly(c.oid, patience)?;
            open(h, c.oid)?;
            rest.retain(|i| !touches(i));
        }
    }
    Ok(rest)
}

/// AccessExclusiveLock on a chunk, in short tries: behind a long reader of the chunk nobody else shall queue.
fn lock_briefly(chunk: pg_sys::Oid, patience_ms: i64) -> Result<()> {
    let patience = Duration::from_millis(u64::try_from(patience_ms).unwrap_or(0));
    let begun = Instant::now();
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    loop {
        if try_lock_relation(chunk, mode) {
            return Ok(());
        }
        let tried = attempt(|| {
            let settings = SettingScope::new();
            settings.set("lock_timeout", &LOCK_MS.to_string());
            lock_relation(chunk, mode);
            Ok(())
        });
        let Err(e) = tried else {
            return Ok(());
        };
        if !is_passing(&e) || begun.elapsed() > patience {
            return Err(Error::new(
                Kind::InUse,
                format!("chunk \"{}\" is closed, and in use", relation_name(chunk)?),
            )
            .detail("A late row opens it, for which no other session may be reading it.")
            .hint("try again, or raise lock_wait with strata.alter_hypertable"));
        }
        bgworker::pause(PAUSE);
    }
}
