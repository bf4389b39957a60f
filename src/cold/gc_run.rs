//! When garbage is collected: by the worker when something is due, and when a superuser asks for it.

use crate::cold::catalog::gc::{self as rows, Action};
use crate::cold::catalog::owner as leases;
use crate::cold::upkeep_stores::Stores;
use crate::cold::{gc, lease};
use crate::error::{Error, Kind, Result};
use crate::pg::bgworker::{self, Handle, my_database};
use crate::pg::subxact::Caught;
use crate::pg::{session, spi};
use crate::worker::{self, Task};
use std::time::{Duration, Instant};

/// Kind of the background job, and of the task that somebody waits for.
pub const JOB: &str = "cold_gc";

/// How long to try to start a process.
const PATIENCE: Duration = Duration::from_secs(10);

/// Written down last, so that the one who waits knows that the run is complete.
const END: &str = "end";

const SERVER_OID: &str = "SELECT s.oid FROM pg_foreign_server s WHERE s.srvname = $1";
const SERVER_NAME: &str = "SELECT s.srvname::text FROM pg_foreign_server s WHERE s.oid = $1::oid";

/// Step of the database worker.
pub fn start_if_due() -> Result<()> {
    if !rows::due()?.is_empty() {
        worker::start_dynamic(my_database(), JOB);
    }
    Ok(())
}

/// The job: what is due, on all servers.
pub fn run_job() -> Result<()> {
    gc::collect(&uuid::Uuid::new_v4().to_string(), None, false)
}

/// The task: everything, leftovers too, on one server or all. Argument: id of the run, OID of the server or 0.
pub fn run_task(argument: &str) -> Result<()> {
    let (run, oid) = argument.split_once(' ').unwrap_or((argument, "0"));
    let server = match oid {
        "0" => None,
        oid => {
            let name = bgworker::transaction(|| {
                spi::read_one(SERVER_NAME, &[oid.into()], |r| r.need::<String>(1))
            })?;
            let Some(name) = name else { return Ok(()) };
            Some(name)
        }
    };
    gc::collect(run, server.as_deref(), true)?;
    let end = Action {
        action: END.to_owned(),
        key: String::new(),
        bytes: None,
        reason: String::new(),
    };
    Ok(bgworker::transaction(|| {
        rows::note(run, server.as_deref().unwrap_or(""), &end)
    })?)
}

/// Ends a process that nobody waits for any more: a run can stop anywhere.
struct Waited(Handle);

impl Drop for Waited {
    fn drop(&mut self) {
        if !self.0.ended() {
            self.0.terminate();
        }
    }
}

/// Looks for what could be deleted, or deletes it: then in a process of its own, for ownership is proven by
/// values that are committed before they are written.
///
/// 42501 no superuser, 42704 no such server, 53000 no free process, 25006 on a standby unless it only looks.
pub fn cold_gc(server: Option<&str>, dry_run: bool) -> Result<Vec<Action>> {
    if !session::is_superuser() {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            "permission denied to collect garbage of the cold tier",
        )
        .detail("Only superusers may do it."));
    }
    if !dry_run {
        spi::refuse_in_recovery();
    }
    let oid = match server {
        None => 0,
        Some(name) => {
            let found = spi::read_latest(SERVER_OID, &[name.into()], |r| {
                r.need::<pgrx::pg_sys::Oid>(1)
            })?;
            let oid = found.first().ok_or_else(|| super::servers::unknown(name))?;
            oid.to_u32()
        }
    };
    if dry_run {
        return gc::look(server);
    }
    let run = uuid::Uuid::new_v4().to_string();
    let process = start(&format!("{run} {oid}"))?;
    while !process.0.ended() {
        bgworker::pause(Duration::from_millis(50));
    }
    let mut actions = rows::notes(&run)?;
    match actions.pop() {
        Some(last) if last.action == END => {}
        _ => {
            return Err(Error::internal("the run stopped before its end").hint(
                "The server log says why. What was done stays done; call strata.cold_gc again.",
            ));
        }
    }
    for stopped in actions.iter().filter(|a| a.action == "stopped") {
        pgrx::warning!(
            "nothing is deleted below {}: {}",
            stopped.key,
            stopped.reason
        );
    }
    Ok(actions)
}

fn start(argument: &str) -> Result<Waited> {
    let begun = Instant::now();
    loop {
        let task = Task {
            kind: JOB,
            argument,
            role: None,
            nologin: false,
        };
        if let Some(handle) = worker::start_task(my_database(), &task) {
            return Ok(Waited(handle));
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::new(
                Kind::NoWorkerSlot,
                "no free background worker to collect garbage",
            )
            .hint("Raise max_worker_processes, then call strata.cold_gc again."));
        }
        bgworker::pause(Duration::from_millis(200));
    }
}

/// Writes new owner files where files came since the last one: a copy of the database from before then must
/// find out that it is one. For background workers; a failure is nobody's but the next one's.
pub fn renew_after_export() {
    if let Err(e) = renew() {
        pgrx::log!("pg_strata: writing an owner file failed: {}", e.message);
    }
}

fn renew() -> std::result::Result<(), Caught> {
    let me = bgworker::transaction(leases::me)?;
    for server in bgworker::transaction(rows::renewable)? {
        let Some(stores) = bgworker::transaction(|| Stores::of(&server))? else {
            continue;
        };
        for folder in bgworker::transaction(|| leases::folders(Some(&server)))? {
            lease::renew(&stores, &folder, &me)?;
        }
    }
    Ok(())
}
