//! Statements that no transaction takes and that a function has put off: run by themselves, one after the other, when its
//! transaction is committed. What others are told of them is in [`super::deferred_known`].

use super::catalog::{self, Event, Place};
use super::golang_lock::LEASE_CLASS;
use super::outside::{self, lease};
use crate::error::{Error, Kind, Result};
use crate::pg::session_lock::{self, Key};
use crate::pg::subxact::Caught;
use crate::pg::whole_error::WholeError;
use crate::pg::{bgworker, compat, inject, spi};
use crate::worker::{self, Task};
use pgrx::JsonB;
use pgrx::datum::Uuid;
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// Kind of the job.
pub const JOB: &str = "deferred migrations";
/// A statement that fails so often is given up.
const TRIES: i32 = 5;
/// Between two tries; doubled each time.
const FIRST_PAUSE_MS: i64 = 1_000;
/// Held by the process that is at it, and by the one that waits for it: there are never more.
const ALONE: Key = Key::Pair(LEASE_CLASS, 0);
const NEXT_IN_LINE: Key = Key::Pair(LEASE_CLASS, -1);
/// Another process of ours that is about to end is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

// no process is at those that run
const LEFT: &str =
    "SELECT id FROM strata.migrate_job WHERE deferred AND state IN ('running', 'ran') ORDER BY id";
const BACK: &str = "UPDATE strata.migrate_job SET state = CASE state WHEN 'ran' THEN 'ran' ELSE 'waiting' END \
    WHERE id = $1 RETURNING state = 'ran'";
// what is to be tried again holds up what comes behind it: say, the DROP INDEX of what a CREATE INDEX replaces
const NEXT: &str = "UPDATE strata.migrate_job j SET state = 'running', error = NULL, attempts = j.attempts + 1 FROM (SELECT w.id, r.oid FROM \
      strata.migrate_job w LEFT JOIN pg_roles r ON r.rolname = w.session_role \
      WHERE w.deferred AND w.state = 'waiting' \
        AND coalesce(w.not_before <= pg_catalog.clock_timestamp(), true) \
        AND NOT EXISTS (SELECT FROM strata.migrate_job e WHERE e.deferred AND e.state IN ('waiting', 'running', 'ran') \
          AND e.id < w.id AND (e.namespace, e.tenant) = (w.namespace, w.tenant)) ORDER BY w.id LIMIT 1) n \
    WHERE j.id = n.id RETURNING j.id, n.oid";
const LATER: &str =
    "SELECT EXISTS (SELECT FROM strata.migrate_job WHERE deferred AND state = 'waiting')";
const ANY: &str = "SELECT EXISTS (SELECT FROM strata.migrate_job WHERE deferred AND state IN ('waiting', 'running', 'ran'))";
const RESULT: &str = "SELECT state, error, attempts FROM strata.migrate_job WHERE id = $1";
const WAIT: &str = "UPDATE strata.migrate_job SET state = 'waiting', \
    not_before = pg_catalog.clock_timestamp() + $2 * interval '1 ms' WHERE id = $1";
const NO_PROCESS: &str = "UPDATE strata.migrate_job SET state = 'waiting', attempts = attempts - 1, error = $2, \
    not_before = pg_catalog.clock_timestamp() + $3 * interval '1 ms' WHERE id = $1";
const FAIL: &str = "UPDATE strata.migrate_job SET state = 'failed', error = coalesce($2, error), settings = '{}', \
    ended_at = pg_catalog.clock_timestamp() WHERE id = $1";
// the others of the same version are not of use any more
const GIVE_UP: &str = "UPDATE strata.migrate_job o SET state = 'abandoned', ended_at = pg_catalog.clock_timestamp() \
    FROM strata.migrate_job j WHERE j.id = $1 AND o.id <> j.id AND o.state = 'waiting' AND o.run = j.run \
      AND (o.namespace, o.tenant, o.kind, o.version, o.name) = (j.namespace, j.tenant, j.kind, j.version, j.name)";
const APPLIED: &str = "UPDATE strata.migrate_applied a SET state = $2 FROM strata.migrate_job j WHERE j.id = $1 \
      AND j.direction = 'up' AND a.state = 'waiting' AND a.run = j.run \
      AND (a.namespace, a.tenant, a.kind, a.version, a.name) = (j.namespace, j.tenant, j.kind, j.version, j.name) \
      AND NOT EXISTS (SELECT FROM strata.migrate_job o WHERE o.id <> j.id AND o.state IN ('waiting', 'running', 'ran') \
        AND o.run = j.run \
        AND (o.namespace, o.tenant, o.kind, o.version, o.name) = (j.namespace, j.tenant, j.kind, j.version, j.name))";
const OF: &str = "SELECT namespace, tenant::text, version, name, run, session_role::text, command, statement \
    FROM strata.migrate_job WHERE id = $1";

/// Runs all that wait. As superuser, outside of a transaction.
pub fn run_waiting() -> Result<()> {
    if !take_turn() {
        return Ok(());
    }
    take_back()?;
    loop {
        match next()? {
            Some((id, role)) => one(id, role)?,
            None if any_later()? => {
                bgworker::wait(LOOK_AGAIN);
                take_back()?;
            }
            None => break,
        }
    }
    session_lock::release_all();
    Ok(())
}

/// False when another process does what there is to do.
fn take_turn() -> bool {
    if ALONE.try_take(false) {
        return true;
    }
    // who waits already will see all that is committed by now
    if !NEXT_IN_LINE.try_take(false) {
        return false;
    }
    let begun = Instant::now();
    while !ALONE.try_take(false) {
        if begun.elapsed() > PATIENCE {
            session_lock::release_all();
            return false;
        }
        bgworker::wait(LOOK_AGAIN);
    }
    session_lock::release_others(ALONE);
    true
}

/// Runs one in a process of its own.
fn one(id: i64, role: Option<Oid>) -> Result<()> {
    let Some(role) = role else {
        return fail(
            id,
            Some("the role that it is to run as does not exist any more"),
        );
    };
    let task = Task {
        kind: outside::KIND,
        argument: &id.to_string(),
        role: Some(role),
        nologin: compat::nologin_flags().is_some(),
    };
    let Some(handle) = worker::start_task(bgworker::my_database(), &task) else {
        return no_process(id);
    };
    while !handle.ended() {
        bgworker::wait(LOOK_AGAIN);
    }
    ended(id)
}

/// That was no try of the statement: it waits until a process is free, and says so.
fn no_process(id: i64) -> Result<()> {
    let error = Error::new(
        Kind::NoWorkerSlot,
        "no free background worker for a statement that no transaction takes: max_worker_processes is too low",
    );
    let error = whole(error)?;
    bgworker::transaction(|| {
        let args = [id.into(), error.into(), FIRST_PAUSE_MS.into()];
        spi::execute_latest(NO_PROCESS, &args)
    })?;
    Ok(())
}

fn whole(error: Error) -> Result<JsonB> {
    let whole = serde_json::to_value(WholeError::of(&Caught::from(error)));
    whole.map(JsonB).map_err(|e| Error::internal(e.to_string()))
}

/// Starts a process when there is something to be done and nobody is at it; a step of each round of the background
/// worker. A process for each round could take all that the server has, and none would be left for the statements.
pub fn start_if_any() -> Result<()> {
    let any = spi::read_latest(ANY, &[], |r| r.need::<bool>(1))?;
    if any.first() == Some(&true) && ALONE.try_take_in_transaction() {
        worker::start_dynamic_at_commit(JOB);
    }
    Ok(())
}

/// What a process has left that ended in the middle.
fn take_back() -> Result<()> {
    let ran = bgworker::transaction(|| {
        let left: Vec<i64> = spi::read_latest(LEFT, &[], |r| r.need(1))?;
        let mut ran = Vec::new();
        for id in left {
            if !lease(id).try_take_in_transaction() {
                continue;
            }
            let state = spi::write_kept(BACK, &[id.into()], |r| r.need::<bool>(1))?;
            if state.first() == Some(&true) {
                ran.push(id);
            }
        }
        Ok(ran)
    })?;
    ran.into_iter().try_for_each(done)
}

fn next() -> Result<Option<(i64, Option<Oid>)>> {
    let found =
        bgworker::transaction(|| spi::write_kept(NEXT, &[], |r| Ok((r.need(1)?, r.get(2)?))))?;
    Ok(found.into_iter().next())
}

/// True while some wait for their next try.
fn any_later() -> Result<bool> {
    let found = bgworker::transaction(|| spi::read_latest(LATER, &[], |r| r.need::<bool>(1)))?;
    Ok(found.first() == Some(&true))
}

fn update(sql: &'static str, id: i64) -> Result<()> {
    spi::execute_latest(sql, &[id.into()])
}

fn ended(id: i64) -> Result<()> {
    let found = bgworker::transaction(|| {
        spi::read_latest(RESULT, &[id.into()], |r| {
            Ok((r.need::<String>(1)?, r.get::<JsonB>(2)?, r.need::<i32>(3)?))
        })
    })?;
    let Some((state, error, tried)) = found.into_iter().next() else {
        return Ok(());
    };
    match state.as_str() {
        "ran" => return done(id),
        "running" => {}
        _ => return Ok(()),
    }
    inject::point("migration.deferred.tried");
    // its process could not connect, or was ended
    let silent = error.is_none();
    let whole: Option<WholeError> = error.and_then(|e| serde_json::from_value(e.0).ok());
    let again = silent || whole.is_some_and(|whole| may_succeed(&whole.sqlstate));
    if !again || tried >= TRIES {
        let why = "its process ended without a word, see the log of the server";
        return fail(id, silent.then_some(why));
    }
    let factor = 1_i64
        .checked_shl(tried.max(1).unsigned_abs() - 1)
        .unwrap_or(1);
    let pause = FIRST_PAUSE_MS.saturating_mul(factor);
    bgworker::transaction(|| spi::execute_latest(WAIT, &[id.into(), pause.into()]))?;
    Ok(())
}

/// What another moment may mend: locks, and what the server is short of.
fn may_succeed(sqlstate: &str) -> bool {
    matches!(sqlstate, "55P03" | "40P01" | "40001" | "57014" | "57P01")
        || sqlstate.starts_with("53")
}

fn done(id: i64) -> Result<()> {
    bgworker::transaction(|| {
        outside::settle(id)?;
        note(id, "deferred_done", None)?;
        spi::execute_latest(APPLIED, &[id.into(), "applied".into()])
    })?;
    Ok(())
}

fn fail(id: i64, why: Option<&str>) -> Result<()> {
    bgworker::transaction(|| {
        let error = why.map(|why| whole(Error::internal(why))).transpose()?;
        spi::execute_latest(FAIL, &[id.into(), error.into()])?;
        let error = spi::read_latest(RESULT, &[id.into()], |r| r.get::<JsonB>(2))?;
        let error = error.into_iter().next().flatten().map(|e| e.0);
        update(GIVE_UP, id)?;
        note(id, "fail", error)?;
        spi::execute_latest(APPLIED, &[id.into(), "applied_with_errors".into()])
    })?;
    Ok(())
}

/// Adds to the history.
fn note(id: i64, event: &'static str, error: Option<serde_json::Value>) -> Result<()> {
    type Of = (String, String, String, String, Uuid, String, String, i32);
    let found: Vec<Of> = spi::read_latest(OF, &[id.into()], |r| {
        Ok((
            r.need(1)?,
            r.need(2)?,
            r.need(3)?,
            r.need(4)?,
            r.need(5)?,
            r.need(6)?,
            r.need(7)?,
            r.need(8)?,
        ))
    })?;
    let Some((namespace, tenant, version, name, run, role, command, statement)) =
        found.into_iter().next()
    else {
        return Ok(());
    };
    let place = Place {
        namespace: &namespace,
        tenant: Some(tenant.as_str()).filter(|t| !t.is_empty()),
        run,
        role: &role,
    };
    let event = Event {
        event,
        version,
        name,
        us: None,
        statements: Some(1),
        error,
        reason: Some(format!("statement {statement}: {command}")),
    };
    catalog::put_events(&place, &[event])
}
