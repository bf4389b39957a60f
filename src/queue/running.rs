//! Which runs go on, and which have lost their process.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::datum::TimestampWithTimeZone;

/// Some process holds the lock of the run, or is the one that began it: its procedure may have let go of all locks.
macro_rules! is_running {
    () => {
        "(EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'object' AND l.granted \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND l.classid = 'strata.job'::regclass AND l.objid = s.job_id::oid AND l.pid <> pg_backend_pid()) \
         OR s.finished_at IS NULL AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.pid AND a.pid <> pg_backend_pid() \
         AND a.backend_type = 'pg_strata job' AND a.backend_start <= s.started_at))"
    };
}
const IS_RUNNING: &str = concat!(
    "SELECT ",
    is_running!(),
    " FROM strata.job_state s WHERE s.job_id = $1"
);
// runs that were begun, and whose process is gone: it was killed, or the server was. Not the run that asks; but the
// process that asks may have the number that a dead one had
const ORPHANS: &str = concat!(
    "SELECT s.job_id, s.pid, s.started_at FROM strata.job_state s \
     WHERE s.started_at IS NOT NULL AND s.finished_at IS NULL AND s.job_id <> ALL ($1) \
     AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = pg_backend_pid() AND a.pid = s.pid \
       AND a.backend_start <= s.started_at) AND NOT ",
    is_running!()
);
// the order of locks is that of a process that claims its run
const HOLD_QUEUED: &str = "SELECT FROM strata.job_queued WHERE job_id = $1 FOR UPDATE";
const HOLD_ORPHAN: &str = "SELECT FROM strata.job_state WHERE job_id = $1 AND finished_at IS NULL AND pid = $2 \
    AND started_at = $3 FOR UPDATE";

/// True when another process runs the job.
pub fn is_running(id: i32) -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(IS_RUNNING, &[id.into()], |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

/// A run that neither ended nor goes on.
#[derive(Debug, Clone, Copy)]
pub struct Orphan {
    pub job: i32,
    pid: i32,
    started_at: TimestampWithTimeZone,
}

/// Runs whose process is gone, without those of the jobs of `except`.
pub fn orphans(except: &[i32]) -> Result<Vec<Orphan>> {
    let args = [except.to_vec().into()];
    as_extension_owner(|| {
        spi::read_latest(ORPHANS, &args, |r| {
            Ok(Orphan {
                job: r.need(1)?,
                pid: r.need(2)?,
                started_at: r.need(3)?,
            })
        })
    })
}

/// Keeps everybody else from the run to the end of the transaction; false if it has ended since it was found, or
/// somebody else has seen to it.
pub fn hold_orphan(orphan: &Orphan) -> Result<bool> {
    let run = [
        orphan.job.into(),
        orphan.pid.into(),
        orphan.started_at.into(),
    ];
    as_extension_owner(|| {
        spi::write_kept(HOLD_QUEUED, &[orphan.job.into()], |_| Ok(()))?;
        Ok(!spi::write_kept(HOLD_ORPHAN, &run, |_| Ok(()))?.is_empty())
    })
}
