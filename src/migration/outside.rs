//! Statements that no transaction takes, in procedures: each is written down, committed, and run by a process of its own,
//! which is connected as the caller is.
//!
//! Meanwhile the locks of the namespace are given back: whoever waits for them in a statement has a snapshot, and
//! CREATE INDEX CONCURRENTLY waits for that. A lock on the job, which is only ever tried, says that it lives.

use super::capture;
use super::golang_lock::LEASE_CLASS;
use super::namespace::StartsAs;
use super::outside_build;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::session_lock::{self, Key};
use crate::pg::subxact::Caught;
use crate::pg::whole_error::{self, WholeError};
use crate::pg::{bgworker, compat, nonatomic, session, spi};
use crate::worker::{self, Task};
use pgrx::JsonB;
use std::time::Duration;

/// Kind of the task.
pub const KIND: &str = "migration";
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(200);

const PUT: &str = "INSERT INTO strata.migrate_job (namespace, tenant, run, kind, version, name, direction, filename, \
      statement, line, command, sql, session_role, role, settings, prefix_fp, deferred, state) \
    VALUES ($1, $2::name, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::name, $14::name, $15, $16, $17, \
      CASE WHEN $17 THEN 'waiting' ELSE 'running' END) RETURNING id";
const READ: &str =
    "SELECT sql, role::text, settings FROM strata.migrate_job WHERE id = $1 AND state = 'running'";
const BEGIN: &str = "UPDATE strata.migrate_job SET attempts = attempts + CASE WHEN deferred THEN 0 ELSE 1 END, error = NULL \
    WHERE id = $1";
// what was put off has not failed before somebody has looked whether it is tried again: should nobody come to that, it
// is taken up like one whose process is gone
const END: &str = "UPDATE strata.migrate_job SET error = $3, \
      state = CASE WHEN deferred AND $2 = 'failed' THEN state ELSE $2 END, \
      ended_at = CASE WHEN deferred AND $2 = 'failed' THEN ended_at ELSE pg_catalog.clock_timestamp() END \
    WHERE id = $1 AND state = 'running'";
const RESULT: &str = "SELECT state, error FROM strata.migrate_job WHERE id = $1";
const SETTLE: &str =
    "UPDATE strata.migrate_job SET state = 'done', settings = '{}' WHERE id = $1 AND state = 'ran'";
const SET: &str = "SELECT pg_catalog.set_config($1, $2, false)";

/// A statement to be written down.
pub struct New<'a> {
    pub namespace: &'a str,
    pub tenant: Option<&'a str>,
    pub run: pgrx::datum::Uuid,
    pub kind: &'static str,
    pub version: &'a str,
    pub name: &'a str,
    pub direction: &'static str,
    pub filename: &'a str,
    pub statement: i32,
    pub line: usize,
    pub command: &'a str,
    pub sql: &'a str,
    pub session_role: &'a str,
    pub role: Option<&'a str>,
    pub settings: serde_json::Value,
    pub prefix: Option<Vec<u8>>,
    /// to be run when this transaction is committed
    pub deferred: bool,
}

/// Writes a statement down; its number.
pub fn put(new: &New<'_>) -> Result<i64> {
    let args = [
        new.namespace.into(),
        new.tenant.unwrap_or_default().into(),
        new.run.into(),
        new.kind.into(),
        new.version.into(),
        new.name.into(),
        new.direction.into(),
        new.filename.into(),
        new.statement.into(),
        i32::try_from(new.line).unwrap_or(i32::MAX).into(),
        new.command.into(),
        new.sql.into(),
        new.session_role.into(),
        new.role.into(),
        JsonB(new.settings.clone()).into(),
        new.prefix.clone().into(),
        new.deferred.into(),
    ];
    let ids = as_extension_owner(|| spi::write_kept(PUT, &args, |r| r.need::<i64>(1)))?;
    ids.first()
        .copied()
        .ok_or_else(|| Error::internal("a statement was not written down"))
}

/// The lock that says that a job lives.
#[must_use]
pub fn lease(id: i64) -> Key {
    Key::Pair(LEASE_CLASS, id as i32)
}

/// Gives back the locks of a run that is about to have this job run; the job is known to live before they are free.
pub fn leave_locks(id: i64) -> Result<()> {
    if !lease(id).try_take(true) {
        return Err(Error::internal("a statement is being run by somebody else"));
    }
    session_lock::release_others(lease(id));
    Ok(())
}

/// Runs a statement that is written down and committed, and waits for its end without a snapshot. The error of the
/// statement comes back as it was. Only in a procedure.
pub fn run(id: i64, starts_as: &StartsAs) -> Result<std::result::Result<(), WholeError>> {
    let (role, nologin) = match starts_as {
        StartsAs::Confined(role) => (*role, true),
        StartsAs::Caller | StartsAs::Role(_) => (session::session_user(), false),
    };
    let task = Task {
        kind: KIND,
        argument: &id.to_string(),
        role: Some(role),
        nologin: nologin && compat::nologin_flags().is_some(),
    };
    let Some(handle) = worker::start_task(bgworker::my_database(), &task) else {
        return Err(Error::new(
            Kind::NoWorkerSlot,
            "no free background worker for a statement that no transaction takes",
        )
        .hint("Raise max_worker_processes, and call the procedure again."));
    };
    let process = Process(handle);
    // also when this session is ended from outside
    let _ends_with_me = process.0.ends_with_me();
    let mut pause = FIRST_LOOK;
    while !process.0.ended() {
        nonatomic::commit()?;
        bgworker::pause(pause);
        pause = (pause * 2).min(LAST_LOOK);
    }
    let found = nonatomic::with_snapshot(|| {
        as_extension_owner(|| {
            spi::read_latest(RESULT, &[id.into()], |r| {
                Ok((r.need::<String>(1)?, r.get::<JsonB>(2)?))
            })
        })
    })?;
    match found.into_iter().next() {
        Some((state, _)) if state == "ran" => Ok(Ok(())),
        Some((state, Some(error))) if state == "failed" => serde_json::from_value(error.0)
            .map(Err)
            .map_err(|e| Error::internal(format!("an error cannot be read: {e}"))),
        _ => Err(Error::new(
            Kind::InUse,
            "the process of a statement that no transaction takes has ended without a word",
        )
        .hint("The log of the server says why; the role must be allowed to connect.")),
    }
}

/// Its work is not wanted any more when whoever waits for it gives up.
struct Process(bgworker::Handle);

impl Drop for Process {
    fn drop(&mut self) {
        if !self.0.ended() {
            self.0.terminate();
        }
    }
}

/// The run has noticed that a statement has been run; in the transaction that says so of its file.
pub fn settle(id: i64) -> Result<()> {
    as_extension_owner(|| spi::execute_latest(SETTLE, &[id.into()]))
}

/// Runs one statement, in a process that is connected as who has asked for it.
pub fn task(argument: &str) -> Result<()> {
    let id: i64 = argument
        .parse()
        .map_err(|_| Error::internal("unreadable argument of a migration's process"))?;
    // whoever takes the job over holds it alone
    if !lease(id).try_take(true) {
        return Ok(());
    }
    let found = bgworker::transaction(|| {
        let found = as_extension_owner(|| {
            spi::read_latest(READ, &[id.into()], |r| {
                Ok((
                    r.need::<String>(1)?,
                    r.get::<String>(2)?,
                    r.need::<JsonB>(3)?.0,
                ))
            })
        })?;
        let Some((sql, role, settings)) = found.into_iter().next() else {
            return Ok(None);
        };
        as_extension_owner(|| spi::execute_latest(BEGIN, &[id.into()]))?;
        // not under the role that the file has taken: it may not be allowed to set what the caller has set
        for (name, value) in settings.as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            set(name, value)?;
        }
        if let Some(role) = role {
            set("role", &role)?;
        }
        Ok(Some((sql, capture::during_job(id)?)))
    });
    let ran = match found {
        Ok(None) => return Ok(()),
        Ok(Some((sql, _during))) => {
            bgworker::report_active(&sql);
            outside_build::run(&sql, || lease(id).try_take(true))
        }
        Err(caught) => Err(caught),
    };
    // an error has given it back: whoever has taken the job over since has the word
    if ran.is_err() && !lease(id).try_take(true) {
        return Ok(());
    }
    let (state, error) = match &ran {
        Ok(()) => ("ran", None),
        Err(caught) => ("failed", Some(whole(caught)?)),
    };
    bgworker::transaction(|| {
        as_extension_owner(|| {
            spi::execute_latest(END, &[id.into(), state.into(), error.map(JsonB).into()])
        })
    })?;
    session_lock::release_all();
    Ok(())
}

fn set(name: &str, value: &str) -> Result<()> {
    spi::read(SET, &[name.into(), value.into()], |_| Ok(())).map(drop)
}

fn whole(caught: &Caught) -> Result<serde_json::Value> {
    let whole = whole_error::take(caught).unwrap_or_else(|| WholeError::of(caught));
    serde_json::to_value(whole).map_err(|e| Error::internal(e.to_string()))
}

const LIVING: &str = "SELECT id, state FROM strata.migrate_job \
    WHERE namespace = $1 AND tenant = $2::name AND NOT deferred AND state IN ('running', 'ran')";
const LIVING_ANYWHERE: &str = "SELECT id, filename, statement FROM strata.migrate_job \
    WHERE namespace = $1 AND NOT deferred AND state IN ('running', 'ran') ORDER BY id";

/// A statement of this namespace, of whatever tenant, that is being run by itself. For whoever holds the lock of the
/// whole namespace.
pub fn living(namespace: &str) -> Result<Option<String>> {
    let found = as_extension_owner(|| {
        spi::read_latest(LIVING_ANYWHERE, &[namespace.into()], |r| {
            Ok((r.need::<i64>(1)?, r.need::<String>(2)?, r.need::<i32>(3)?))
        })
    })?;
    let living = found
        .into_iter()
        .find(|(id, ..)| !session::try_advisory(LEASE_CLASS, *id as i32));
    Ok(living.map(|(_, file, n)| format!("statement {n} of {file}")))
}

const ABANDON: &str = "UPDATE strata.migrate_job SET state = CASE state WHEN 'ran' THEN 'done' ELSE 'abandoned' END, \
    settings = '{}', ended_at = pg_catalog.clock_timestamp() WHERE id = $1";

/// Ends jobs whose run is gone; those whose statement has taken effect. `None` while one of them is being run. Whoever
/// asks holds the locks of the namespace, and those of the jobs to the end of his transaction.
pub fn take_over(namespace: &str, tenant: Option<&str>) -> Result<Option<Vec<i64>>> {
    let args = [namespace.into(), tenant.unwrap_or_default().into()];
    let found = as_extension_owner(|| {
        spi::read_latest(LIVING, &args, |r| {
            Ok((r.need::<i64>(1)?, r.need::<String>(2)? == "ran"))
        })
    })?;
    let free = |(id, _): &(i64, bool)| session::try_advisory(LEASE_CLASS, *id as i32);
    if !found.iter().all(free) {
        return Ok(None);
    }
    for (id, _) in &found {
        as_extension_owner(|| spi::execute_latest(ABANDON, &[(*id).into()]))?;
    }
    Ok(Some(
        found
            .into_iter()
            .filter(|(_, ran)| *ran)
            .map(|(id, _)| id)
            .collect(),
    ))
}
