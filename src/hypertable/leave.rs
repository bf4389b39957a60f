//! Chunks leave without blocking anybody: DETACH CONCURRENTLY, TRUNCATE, DROP, each step in transactions of
//! its own and with short waits for locks. Only in workers, outside of a transaction.
//!
//! What is to become of a chunk is written down in the transaction that marks it as detaching. So after a
//! crash anywhere the next run knows what was begun, and nothing else is ever touched.

use super::catalog::Hypertable;
use super::leave_back;
use super::leave_sql::{self as sql, After, Noted, Place};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{
    lock_relation, qualified_name, quote_ident, quote_qualified, relation_name,
};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, guc, inject, object_lock, spi, toplevel};
use pgrx::{PgSqlErrorCode, pg_sys};
use std::time::{Duration, Instant};

/// Others wait for us this long at most: a queued request stalls those behind it.
const LOCK_MS: u32 = 200;
/// Where no foreign key links other tables, only makers of chunks would wait, in rare cases: while a session
/// with an old snapshot reads the chunk.
const LONG_LOCK_MS: u32 = 2_000;

type Outcome = std::result::Result<(), Caught>;

/// The right to detach chunks of one hypertable, for one process at a time.
pub struct Turn(pg_sys::Oid, pg_sys::Oid);

impl Turn {
    /// `None` when another process has it. In a transaction.
    pub fn take(hypertable: pg_sys::Oid) -> Result<Option<Turn>> {
        let class = as_extension_owner(|| {
            spi::read("SELECT 'strata.detaching'::regclass::oid", &[], |r| {
                r.need(1)
            })
        })?;
        let Some(class) = class.into_iter().next() else {
            return Ok(None);
        };
        // not `then_some`: a turn that was not taken must not come into being, for it would be given back
        Ok(object_lock::try_hold(class, hypertable.to_u32()).then(|| Turn(class, hypertable)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        object_lock::release(self.0, self.1.to_u32());
    }
}

fn gave_up_waiting(e: &Caught) -> bool {
    use PgSqlErrorCode as C;
    matches!(
        e.code,
        C::ERRCODE_LOCK_NOT_AVAILABLE | C::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}

fn patience() -> Duration {
    Duration::from_secs(u64::try_from(guc::DETACH_WAIT_S.get()).unwrap_or(60))
}

/// Pauses between two tries, longer each time.
struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    fn new() -> Tries {
        Tries {
            until: Instant::now() + patience(),
            pause: Duration::from_millis(50),
        }
    }

    /// False when the time is over.
    fn again(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        bgworker::pause(self.pause);
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        true
    }
}

/// Takes one chunk out of its hypertable; then drops or keeps it. Takes ShareUpdateExclusiveLock on the
/// hypertable, ShareRowExclusiveLock on tables that it references and ShareLock on those that reference it,
/// each for a moment.
///
/// 23503 when rows of others reference its rows: it stays. 55006 when sessions used it for too long: it is
/// invisible by then, and the next run goes on.
pub fn leave(h: &Hypertable, chunk: pg_sys::Oid, after: &After) -> Outcome {
    let linked = bgworker::transaction(|| sql::is_linked(h.table.oid))?;
    bgworker::limit_lock_waits(if linked { LOCK_MS } else { LONG_LOCK_MS });
    if matches!(after, After::Drop | After::DropIf { .. }) {
        bgworker::transaction(|| refuse_dependents(chunk))?;
    }
    let statement = bgworker::transaction(|| {
        Ok(format!(
            "ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY",
            quote_qualified(&h.table.schema, &h.table.name),
            qualified_name(chunk)?
        ))
    })?;
    let (relation, owner) = (h.table.oid, h.table.owner);
    let mut tries = Tries::new();
    loop {
        inject::point("hypertable.leave.detach");
        let noted = after.clone();
        let out = toplevel::run(&statement, Some(owner), move || {
            leave_back::refuse_rows(chunk, &noted)?;
            sql::note(chunk, relation, owner, &noted)?;
            inject::point("hypertable.leave.marking");
            Ok(())
        });
        let Err(e) = out else { break };
        inject::point("hypertable.leave.pending");
        match bgworker::transaction(|| sql::place(chunk))? {
            Place::Attached if gave_up_waiting(&e) && tries.again() => {}
            Place::Attached => return Err(e),
            Place::Detaching => {
                finalize(relation, chunk, Some(owner))?;
                break;
            }
            Place::Detached | Place::Gone => break,
        }
    }
    bgworker::limit_lock_waits(LOCK_MS);
    inject::point("hypertable.leave.detached");
    let noted = Noted {
        chunk,
        owner,
        after: after.clone(),
    };
    dispose(relation, &noted)
}

fn refuse_dependents(chunk: pg_sys::Oid) -> Result<()> {
    let Some(objects) = sql::dependents(chunk)? else {
        return Ok(());
    };
    let name = relation_name(chunk)?;
    Err(Error::new(
        Kind::NotInState,
        format!("cannot drop chunk \"{name}\" because other objects depend on it"),
    )
    .detail(format!("They are: {objects}.")))
}

/// Ends a detaching that was marked and not finished. Waits without any lock until nobody uses the chunk.
fn finalize(hypertable: pg_sys::Oid, chunk: pg_sys::Oid, owner: Option<pg_sys::Oid>) -> Outcome {
    let linked = bgworker::transaction(|| sql::is_linked(hypertable))?;
    let mut lock_ms = LOCK_MS;
    let mut tries = Tries::new();
    loop {
        let users = bgworker::transaction(|| sql::users(chunk))?;
        if users.is_none() {
            bgworker::limit_lock_waits(lock_ms);
            match try_finalize(hypertable, chunk, owner) {
                Ok(()) => break,
                Err(e) if !gave_up_waiting(&e) => return Err(e),
                // PostgreSQL also waits for snapshots that are newer than need be
                Err(_) if !linked => lock_ms = (lock_ms * 2).min(LONG_LOCK_MS),
                Err(_) => {}
            }
        }
        if !tries.again() {
            let name = bgworker::transaction(|| relation_name(chunk))?;
            let users = users.unwrap_or_else(|| "none that is known".into());
            return Err(Error::new(
                Kind::InUse,
                format!("chunk \"{name}\" is detached, and still in use"),
            )
            .detail(format!("Sessions that began before use it: {users}."))
            .hint("the next run goes on with it")
            .into());
        }
    }
    bgworker::limit_lock_waits(LOCK_MS);
    Ok(())
}

fn try_finalize(
    hypertable: pg_sys::Oid,
    chunk: pg_sys::Oid,
    owner: Option<pg_sys::Oid>,
) -> Outcome {
    let statement = bgworker::transaction(|| {
        if sql::place(chunk)? != Place::Detaching {
            return Ok(None);
        }
        Ok(Some(format!(
            "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
            qualified_name(hypertable)?,
            qualified_name(chunk)?
        )))
    })?;
    inject::point("hypertable.leave.finalize");
    match statement {
        Some(statement) => toplevel::run(&statement, owner, || Ok(())),
        None => Ok(()),
    }
}

/// What is left to do with a detached chunk. Each step can be done again.
fn dispose(hypertable: pg_sys::Oid, noted: &Noted) -> Outcome {
    match &noted.after {
        After::Drop => {
            empty(noted)?;
            inject::point("hypertable.leave.emptied");
            drop_table(noted)
        }
        After::DropIf { bound, unless } => {
            let drop = std::cell::Cell::new(false);
            retried(|| {
                leave_back::check(hypertable, noted, bound, unless.as_deref())
                    .map(|go_on| drop.set(go_on))
            })?;
            if !drop.get() {
                return Ok(());
            }
            empty(noted)?;
            drop_table(noted)
        }
        After::Keep => Ok(bgworker::transaction(|| sql::forget(noted.chunk, true))?),
        After::Move(schema) => retried(|| {
            if sql::place(noted.chunk)? != Place::Detached {
                return sql::forget(noted.chunk, false);
            }
            let name = qualified_name(noted.chunk)?;
            let owner = UserScope::restricted(noted.owner);
            spi::execute(
                &format!("ALTER TABLE {name} SET SCHEMA {}", quote_ident(schema)),
                &[],
            )?;
            drop(owner);
            sql::forget(noted.chunk, true)
        }),
    }
}

/// Runs `f` in transactions of its own until it gets its locks.
fn retried(f: impl Fn() -> Result<()>) -> Outcome {
    let mut tries = Tries::new();
    loop {
        match bgworker::transaction(&f) {
            Err(e) if gave_up_waiting(&e) && tries.again() => {}
            out => return out,
        }
    }
}

/// Frees the disk at once, without a lock on any other table; the DROP may have to wait for one.
fn empty(noted: &Noted) -> Outcome {
    let chunk = noted.chunk;
    let out = bgworker::transaction(|| {
        lock_relation(chunk, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
        // the file of a cold chunk goes with the table, through the queue of deletions
        if sql::place(chunk)? != Place::Detached || sql::in_files(chunk)? {
            return Ok(());
        }
        let name = qualified_name(chunk)?;
        let _owner = UserScope::restricted(noted.owner);
        spi::execute(&format!("TRUNCATE {name}"), &[]).map(|_| ())
    });
    match out {
        Err(e) if !gave_up_waiting(&e) => Err(e),
        _ => Ok(()),
    }
}

/// Drops a chunk that is detached and locked.
pub(super) fn drop_locked(chunk: pg_sys::Oid) -> Result<()> {
    let name = qualified_name(chunk)?;
    as_extension_owner(|| spi::execute(&format!("DROP TABLE {name}"), &[]))?;
    inject::point("hypertable.leave.dropping");
    sql::forget(chunk, true)
}

/// With a foreign key this wants AccessExclusiveLock on the referenced table for a moment.
fn drop_table(noted: &Noted) -> Outcome {
    let chunk = noted.chunk;
    retried(|| {
        if sql::long_used(chunk)? {
            let name = relation_name(chunk)?;
            return Err(Error::new(
                Kind::LockNotAvailable,
                format!(
                    "a table that detached chunk \"{name}\" references has been in use for long"
                ),
            )
            .hint("the next run goes on with it"));
        }
        lock_relation(chunk, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
        match sql::place(chunk)? {
            Place::Detached => drop_locked(chunk),
            // somebody attached it again: it is theirs
            Place::Gone | Place::Attached | Place::Detaching => sql::forget(chunk, false),
        }
    })
}

/// Finishes what earlier runs began. Returns the errors of those chunks that still stay.
pub fn finish(hypertable: pg_sys::Oid) -> std::result::Result<Vec<Caught>, Caught> {
    bgworker::limit_lock_waits(LOCK_MS);
    let noted = bgworker::transaction(|| sql::noted(hypertable))?;
    let stranger = bgworker::transaction(|| {
        let pending = sql::pending(hypertable)?;
        let ours = |chunk: &pg_sys::Oid| noted.iter().any(|n| n.chunk == *chunk);
        // a session that is at it ends it itself
        Ok(match pending.filter(|p| !ours(p)) {
            Some(chunk) if !sql::others_detach()? => Some(chunk),
            _ => None,
        })
    })?;
    if let Some(chunk) = stranger {
        finalize(hypertable, chunk, None)?;
    }
    let mut errors = Vec::new();
    for noted in noted {
        if let Err(e) = go_on(hypertable, &noted) {
            errors.push(e);
        }
    }
    Ok(errors)
}

fn go_on(hypertable: pg_sys::Oid, noted: &Noted) -> Outcome {
    match bgworker::transaction(|| sql::place(noted.chunk))? {
        Place::Detaching => {
            finalize(hypertable, noted.chunk, Some(noted.owner))?;
            dispose(hypertable, noted)
        }
        Place::Detached => dispose(hypertable, noted),
        Place::Attached | Place::Gone => {
            Ok(bgworker::transaction(|| sql::forget(noted.chunk, false))?)
        }
    }
}
