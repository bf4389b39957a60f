//! Which process works on which export job: locks of sessions, which end with their process however it ends.
//!
//! Invariant: a job whose row says `running` while nobody holds its lock belongs to a dead process. The lock is
//! taken before the row says so, and let go of after the row says something else.

use super::jobs::Job;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{guc, object_lock, spi};
use pgrx::pg_sys;

/// Locks of `$class` in this database, whoever holds them.
macro_rules! locks_of {
    ($class:literal) => {
        concat!(
            "SELECT l.objid FROM pg_locks l WHERE l.locktype = 'object' AND l.granted \
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND l.objsubid = 0 AND l.classid = '",
            $class,
            "'::regclass"
        )
    };
}
/// True of a job `e` that a live process works on.
macro_rules! is_held {
    () => {
        concat!(
            "(e.id & 4294967295)::oid IN (",
            locks_of!("strata.cold_export"),
            ")"
        )
    };
}

const CLASSES: &str =
    "SELECT 'strata.cold_export'::regclass::oid, 'strata.cold_setting'::regclass::oid";
const QUEUED: &str =
    "SELECT id FROM strata.cold_export WHERE state = 'queued' ORDER BY id LIMIT 64";
const CLAIM: &str = "UPDATE strata.cold_export SET state = 'running', started_at = clock_timestamp(), pid = pg_backend_pid(), step = 'check', \
    attempt = 0, rows_done = NULL, rows_total = NULL, blocked_by = NULL, last_error = NULL \
    WHERE id = $1 AND state = 'queued' RETURNING id, chunk::oid, role";
const REQUEUE: &str = concat!(
    "UPDATE strata.cold_export e SET state = 'queued' WHERE e.state = 'running' AND NOT ",
    is_held!()
);
// a failed one says why its chunk is still hot
const SWEEP: &str = "DELETE FROM strata.cold_export e WHERE e.finished_at < now() - interval '30 days' AND EXISTS ( \
    SELECT FROM strata.cold_export later WHERE later.chunk = e.chunk AND later.id > e.id)";
const CLAIMABLE: &str = concat!(
    "SELECT count(*) FROM strata.cold_export e WHERE e.state = 'queued' OR (e.state = 'running' AND NOT ",
    is_held!(),
    ")"
);
const EXPORTERS: &str = concat!(
    "SELECT count(*) FROM (",
    locks_of!("strata.cold_setting"),
    ") held"
);

/// The tables whose OIDs stand for jobs and for places of exporters in lock tags.
fn classes() -> Result<(pg_sys::Oid, pg_sys::Oid)> {
    let found = as_extension_owner(|| spi::read(CLASSES, &[], |r| Ok((r.need(1)?, r.need(2)?))))?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| crate::error::Error::internal("no table strata.cold_export"))
}

fn most_exporters() -> u32 {
    u32::try_from(guc::COLD_EXPORTERS.get()).unwrap_or(1).max(1)
}

/// The right to be one of the exporters of this database, given back by Drop.
pub struct Place {
    class: pg_sys::Oid,
    number: u32,
}

impl Place {
    /// `None` when as many exporters as `strata.cold_exporters` are at work.
    pub fn take() -> Result<Option<Place>> {
        let (_, class) = classes()?;
        let free = (1..=most_exporters()).find(|n| object_lock::try_hold(class, *n));
        Ok(free.map(|number| Place { class, number }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        object_lock::release(self.class, self.number);
    }
}

/// A job that this process works on; nobody else takes it before this is dropped.
pub struct Claim {
    class: pg_sys::Oid,
    pub job: Job,
}

impl Drop for Claim {
    fn drop(&mut self) {
        object_lock::release(self.class, self.job.id as u32);
    }
}

/// Takes the oldest queued job, those of dead processes included.
pub fn claim() -> Result<Option<Claim>> {
    let (class, _) = classes()?;
    as_extension_owner(|| {
        spi::execute(REQUEUE, &[])?;
        spi::execute(SWEEP, &[])?;
        for id in spi::read_latest(QUEUED, &[], |row| row.need::<i64>(1))? {
            if !object_lock::try_hold(class, id as u32) {
                continue;
            }
            let claimed = spi::write_one(CLAIM, &[id.into()], |row| {
                Ok(Job {
                    id: row.need(1)?,
                    chunk: row.need(2)?,
                    role: row.need(3)?,
                })
            })?;
            match claimed {
                Some(job) => return Ok(Some(Claim { class, job })),
                None => object_lock::release(class, id as u32),
            }
        }
        Ok(None)
    })
}

fn count(sql: &str) -> Result<i64> {
    let found = as_extension_owner(|| spi::read_latest(sql, &[], |row| row.need(1)))?;
    Ok(found.into_iter().next().unwrap_or(0))
}

/// True when a job waits that nobody works on, and one more exporter may be started for it.
pub fn exporter_wanted() -> Result<bool> {
    Ok(count(CLAIMABLE)? > 0 && count(EXPORTERS)? < i64::from(most_exporters()))
}

/// True when a job waits that nobody works on.
pub fn claimable() -> Result<bool> {
    Ok(count(CLAIMABLE)? > 0)
}

/// True while an exporter of this database is at work.
pub fn exporter_alive() -> Result<bool> {
    Ok(count(EXPORTERS)? > 0)
}
