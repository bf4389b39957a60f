//! A one-shot worker: runs one job in one database and ends.

use super::database::{Installed, installed};
use super::{JOB, JOBS, list, log_failure};
use crate::pg::bgworker;
use crate::pg::inject;
use pgrx::pg_sys::Oid;

/// Runs the job of that kind in `database`.
pub fn run(database: Oid, kind: &str) {
    bgworker::connect(Some(database), &format!("{JOB} {kind}"));
    let job = list(&JOBS, |jobs| jobs.iter().find(|(k, _)| *k == kind).copied());
    let Some((_, work)) = job else {
        pgrx::warning!("pg_strata: no job of kind \"{kind}\"");
        return;
    };
    match bgworker::transaction(|| Ok(installed())) {
        Ok(Installed::Ours) => {}
        Ok(other) => {
            pgrx::log!("pg_strata: job \"{kind}\" not run: {other}");
            return;
        }
        Err(error) => {
            log_failure(&format!("job \"{kind}\""), error);
            return;
        }
    }
    bgworker::report_active(&format!("pg_strata: job {kind}"));
    let out = bgworker::contain(|| {
        inject::point(&format!("worker.job.{kind}"));
        work()
    });
    if let Err(error) = out {
        log_failure(&format!("job \"{kind}\""), error);
    }
    bgworker::report_idle();
}
