//! Starts the process of a run, as the role that it runs as.

use super::catalog::Job;
use super::scheduler::Tx;
use super::{policy, run};
use crate::error::Result;
use crate::pg::bgworker::{self, Handle};
use crate::pg::{compat, spi};
use crate::worker::{self, Task};
use pgrx::pg_sys::Oid;

const ROLE: &str =
    "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE oid OPERATOR(pg_catalog.=) $1";

/// Starts the process of a run; `None` when there is no free one. `now`: also when it is not due.
pub(super) fn start_run(tx: Tx, job: &Job, now: bool) -> Result<Option<Handle>> {
    let mut role: Option<Oid> = None;
    let mut nologin = false;
    if policy::runner(job).is_none() {
        let owner = job.owner;
        let login = tx.run(|| spi::read_one(ROLE, &[owner.into()], |r| r.need::<bool>(1)))?;
        match login {
            Some(true) => role = Some(owner),
            Some(false) if compat::nologin_flags().is_some() => {
                role = Some(owner);
                nologin = true;
            }
            // such a process takes the owner's identity for the run; of a role that is gone it fails there
            _ => {}
        }
    }
    let argument = run::argument(job.id, role.map_or(0, Oid::to_u32), now);
    Ok(worker::start_task(
        bgworker::my_database(),
        &Task {
            kind: run::KIND,
            argument: &argument,
            role,
            nologin,
        },
    ))
}
