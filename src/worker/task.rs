//! A one-shot worker with an argument: one task in one database, connected as a role of choice.

use super::database::{Installed, installed};
use super::{JOB, log_failure};
use crate::error::Result;
use crate::pg::bgworker::{self, Handle, Worker};
use crate::pg::compat;
use pgrx::pg_sys::{InvalidOid, Oid};
use std::sync::{Mutex, PoisonError};

type Work = fn(&str) -> Result<()>;
static TASKS: Mutex<Vec<(&'static str, Work)>> = Mutex::new(Vec::new());

/// Adds a kind of task for [`start_task`]. It runs outside of a transaction.
pub fn register_task(kind: &'static str, run: Work) {
    let mut tasks = TASKS.lock().unwrap_or_else(PoisonError::into_inner);
    tasks.push((kind, run));
}

/// A task to be started.
pub struct Task<'a> {
    pub kind: &'a str,
    /// together with the kind at most 80 bytes
    pub argument: &'a str,
    /// connect as this role, with its settings; `None`: as superuser, with settings of ours
    pub role: Option<Oid>,
    /// the role may not log in (PostgreSQL 17 on)
    pub nologin: bool,
}

/// Starts a task in `database`, at once; works without preload. This process is woken when it ends.
/// `None` when `max_worker_processes` is exhausted.
pub fn start_task(database: Oid, task: &Task<'_>) -> Option<Handle> {
    let role = task.role.unwrap_or(InvalidOid).to_u32();
    let nologin = u8::from(task.nologin);
    let worker = Worker {
        name: &format!("{JOB} \"{}\" in database {}", task.kind, database.to_u32()),
        kind: JOB,
        database,
        role: &format!("task:{role}:{nologin}:{}:{}", task.kind, task.argument),
    };
    worker.start()
}

/// Runs the task that [`start_task`] wrote down.
pub(super) fn run(database: Oid, task: &str) {
    let mut parts = task.splitn(4, ':');
    let (Some(role), Some(nologin), Some(kind), Some(argument)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        pgrx::warning!("pg_strata: unreadable task \"{task}\"");
        return;
    };
    let role = Oid::from(role.parse::<u32>().unwrap_or(0));
    let application = format!("{JOB} {kind}");
    if role == InvalidOid {
        bgworker::connect(Some(database), &application);
    } else {
        let flags = match nologin {
            "1" => compat::nologin_flags().unwrap_or(0),
            _ => 0,
        };
        bgworker::connect_as(database, role, flags, &application);
    }
    let work = {
        let tasks = TASKS.lock().unwrap_or_else(PoisonError::into_inner);
        tasks
            .iter()
            .find(|(k, _)| *k == kind)
            .map(|(_, work)| *work)
    };
    let Some(work) = work else {
        pgrx::warning!("pg_strata: no task of kind \"{kind}\"");
        return;
    };
    match bgworker::transaction(|| Ok(installed())) {
        Ok(Installed::Ours) => {}
        Ok(other) => {
            pgrx::log!("pg_strata: task \"{kind}\" not run: {other}");
            return;
        }
        Err(error) => {
            log_failure(&format!("task \"{kind}\""), error);
            return;
        }
    }
    if let Err(error) = bgworker::contain(|| work(argument)) {
        log_failure(&format!("task \"{kind}\""), error);
    }
    bgworker::report_idle();
}
