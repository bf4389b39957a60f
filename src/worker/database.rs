//! The worker of one database: rounds of registered steps, as long as the extension is there.

use super::{DATABASE, STEPS, WATCHES, leave, list, log_failure, prompt};
use crate::error::Result;
use crate::pg::bgworker;
use crate::pg::inject;
use crate::pg::object_lock;
use crate::pg::shmem::{self, Claim};
use pgrx::pg_sys::Oid;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// What pg_extension says about us in this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    No,
    /// The catalog is of another version than the loaded library.
    Other(String),
    Ours,
}

const LIBRARY: &str = env!("CARGO_PKG_VERSION");

impl std::fmt::Display for Installed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Installed::No => f.write_str("the extension is not installed in this database"),
            Installed::Other(version) => write!(
                f,
                "the extension is at version {version}, the loaded library at {LIBRARY}; \
                 run ALTER EXTENSION pg_strata UPDATE, or restart the server if that was done"
            ),
            Installed::Ours => write!(f, "the extension is at version {LIBRARY}"),
        }
    }
}

/// Looks into pg_extension; inside a transaction.
pub fn installed() -> Installed {
    match crate::pg::catalog::extension() {
        None => Installed::No,
        Some(e) if e.version == LIBRARY => Installed::Ours,
        Some(e) => Installed::Other(e.version),
    }
}

/// Serves `database` until the extension is dropped; returns at once where it is not installed.
pub fn run(database: Oid) {
    bgworker::connect(Some(database), DATABASE);
    let mut claimed = false;
    let mut before = Installed::Ours;
    let mut next_round = Instant::now();
    loop {
        let mut nap = bgworker::interval();
        match bgworker::transaction(|| Ok(installed())) {
            Ok(Installed::No) => return,
            Ok(_) if leave::gives_way() => return,
            Ok(now) => {
                // only now: a worker that merely looked must not seem to be serving the database
                if !claimed && !claim(database) {
                    return;
                }
                claimed = true;
                if now == Installed::Ours {
                    // a job that ends wakes us too, and must not cost a whole round
                    if shmem::take_call(database) || Instant::now() >= next_round {
                        round();
                        next_round = Instant::now() + nap;
                    }
                    let until_round = next_round.saturating_duration_since(Instant::now());
                    nap = watch().min(until_round);
                } else if now != before {
                    pgrx::log!("pg_strata: worker is idle: {now}");
                }
                before = now;
            }
            Err(error) => log_failure("looking for the extension", error),
        }
        bgworker::report_idle();
        if !shmem::available() {
            nap = nap.min(leave::LOOK);
        }
        if prompt::rest(database, nap) {
            next_round = Instant::now();
        }
    }
}

/// Runs the watches, each in a transaction of its own; returns the shortest of their naps.
fn watch() -> Duration {
    let watches = WATCHES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut nap = bgworker::interval();
    for (name, run) in watches {
        bgworker::report_active(&format!("pg_strata: {name}"));
        match bgworker::contain(run) {
            Ok(wanted) => nap = nap.min(wanted),
            Err(_) if is_gone() => break,
            Err(error) => log_failure(&format!("\"{name}\" of the background worker"), error),
        }
    }
    nap
}

/// What failed because DROP EXTENSION came first is nobody's business.
pub(super) fn is_gone() -> bool {
    matches!(bgworker::transaction(|| Ok(installed())), Ok(Installed::No))
}

/// The lock of a worker that no launcher has started: `pg_extension` is nobody's class of such locks.
const LOCK: (Oid, u32) = (pgrx::pg_sys::ExtensionRelationId, 0);

/// True if a worker without launcher runs in this database.
pub(super) fn is_served() -> bool {
    let free = object_lock::try_hold(LOCK.0, LOCK.1);
    if free {
        object_lock::release(LOCK.0, LOCK.1);
    }
    !free
}

/// Becomes the one worker where no launcher sees to it. Sessions that look for one hold the lock for a moment.
fn claim_alone() -> bool {
    for _ in 0..20 {
        let got = bgworker::transaction(|| Ok(object_lock::try_hold(LOCK.0, LOCK.1)));
        if matches!(got, Ok(true)) {
            return true;
        }
        bgworker::wait(Duration::from_millis(50));
    }
    false
}

fn claim(database: Oid) -> bool {
    if !shmem::available() {
        return claim_alone();
    }
    match shmem::claim(database) {
        Claim::Ours => true,
        Claim::Taken => false,
        Claim::Full => {
            pgrx::log!("pg_strata: too many databases: this one gets no worker");
            false
        }
    }
}

/// Each step in a transaction of its own; one that fails is logged and does not keep the others back.
fn round() {
    for (name, run) in list(&STEPS, |steps| steps.clone()) {
        bgworker::report_active(&format!("pg_strata: {name}"));
        if let Err(error) = bgworker::transaction(|| step(name, run)) {
            if is_gone() {
                return;
            }
            log_failure(&format!("step \"{name}\" of the background worker"), error);
        }
    }
}

fn step(name: &str, run: fn() -> Result<()>) -> Result<()> {
    inject::point(&format!("worker.step.{name}"));
    run()
}
