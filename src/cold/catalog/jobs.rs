//! Export jobs, freeze marks, uploads: the working tables of the exporter.

use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const QUEUE: &str = "INSERT INTO strata.cold_export (chunk, role) VALUES ($1, $2) \
    ON CONFLICT (chunk) WHERE state IN ('queued', 'running') DO UPDATE SET chunk = excluded.chunk RETURNING id";
const CLAIM: &str = "UPDATE strata.cold_export SET state = 'running', started_at = clock_timestamp(), step = 'check', \
    attempt = 0, blocked_by = NULL, last_error = NULL WHERE id = (SELECT id FROM strata.cold_export \
    WHERE state = 'queued' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, chunk::oid, role";
const REQUEUE: &str = "UPDATE strata.cold_export SET state = 'queued' WHERE state = 'running'";
const STEP: &str =
    "UPDATE strata.cold_export SET step = $2, attempt = $3, blocked_by = NULL WHERE id = $1";
const PROGRESS: &str =
    "UPDATE strata.cold_export SET rows_total = $2, rows_done = $3 WHERE id = $1";
const BLOCKED: &str = "UPDATE strata.cold_export SET blocked_by = $2 WHERE id = $1 AND blocked_by IS DISTINCT FROM $2";
const BLOCKED_BY_SOMEBODY: &str =
    "UPDATE strata.cold_export SET blocked_by = $2 WHERE id = $1 AND blocked_by IS NULL";
const FINISH: &str = "UPDATE strata.cold_export SET state = $2, last_error = $3, finished_at = clock_timestamp(), \
    blocked_by = NULL WHERE id = $1";
const PENDING: &str =
    "SELECT EXISTS (SELECT FROM strata.cold_export WHERE state IN ('queued', 'running'))";
const JOB: &str =
    "SELECT state, step, blocked_by, last_error, rows_done FROM strata.cold_export WHERE id = $1";

// no writer is left when the chunk is locked exclusively: marks of earlier attempts mean nothing
const FREEZE: &str = "WITH swept AS (DELETE FROM strata.cold_touch WHERE chunk = $2::oid) \
    INSERT INTO strata.cold_file (id, hypertable, chunk, chunk_oid, generation, state, attempt) \
    VALUES (gen_random_uuid(), $1, $2, $2::oid, 0, 'frozen', 1) \
    ON CONFLICT (chunk) DO UPDATE SET attempt = strata.cold_file.attempt + 1 WHERE strata.cold_file.state = 'frozen' \
    RETURNING attempt";
const THAW: &str = "DELETE FROM strata.cold_file WHERE chunk = $1 AND state = 'frozen'";
const TOUCHED: &str =
    "SELECT EXISTS (SELECT FROM strata.cold_touch WHERE chunk = $1::oid AND attempt = $2)";

const BLOCKERS: &str = "SELECT string_agg(format('pid %s (%s, %s)', a.pid, coalesce(a.usename, a.backend_type), \
    coalesce(a.state, 'active')), ', ' ORDER BY a.pid) FROM pg_stat_activity a \
    WHERE a.pid <> pg_backend_pid() AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND (age(a.backend_xmin) >= age($1::xid) OR age(a.backend_xid) >= age($1::xid))";
const LOCK_HOLDERS: &str = "SELECT string_agg(DISTINCT format('pid %s (%s)', a.pid, coalesce(a.state, a.backend_type)), ', ') \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted AND l.pid <> pg_backend_pid() \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

const INTENT: &str = "INSERT INTO strata.cold_upload (key, server, chunk) VALUES ($1, $2, $3)";
const INTENT_DONE: &str = "DELETE FROM strata.cold_upload WHERE key = $1 AND server = $2";
const QUEUE_DELETE: &str = "INSERT INTO strata.cold_delete_queue (key, server, owner_token, reason) \
    SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM strata.cold_file WHERE server = $2 AND key = $1) \
    ON CONFLICT DO NOTHING";
const GENERATION: &str =
    "SELECT 1 + coalesce(max(generation), 0) FROM strata.cold_delete_queue WHERE chunk = $1::oid";
const EXPORTER_LOCK: &str = "SELECT pg_try_advisory_lock(1398034004, 1)";

const EXPORTER_ALIVE: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted \
    AND classid = 1398034004 AND objid = 1 AND objsubid = 2 \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// A claimed job.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub id: i64,
    pub chunk: pg_sys::Oid,
    pub role: pg_sys::Oid,
}

/// How a job stands.
#[derive(Debug, Clone)]
pub struct JobState {
    pub state: String,
    pub step: Option<String>,
    pub blocked_by: Option<String>,
    pub last_error: Option<String>,
    pub rows_done: Option<i64>,
}

/// Queues a chunk; gives the id of the job that is queued or running for it already, if any.
pub fn queue(chunk: pg_sys::Oid, role: pg_sys::Oid) -> Result<i64> {
    as_extension_owner(|| spi::write_one(QUEUE, &[chunk.into(), role.into()], |row| row.need(1)))?
        .ok_or_else(|| Error::internal("no export job was queued"))
}

/// Takes the oldest queued job.
pub fn claim() -> Result<Option<Job>> {
    as_extension_owner(|| {
        spi::write_one(CLAIM, &[], |row| {
            Ok(Job {
                id: row.need(1)?,
                chunk: row.need(2)?,
                role: row.need(3)?,
            })
        })
    })
}

/// At most one exporter runs per database: whatever is running then belongs to a dead one.
pub fn become_exporter() -> Result<bool> {
    as_extension_owner(|| {
        let mine = spi::write_one(EXPORTER_LOCK, &[], |row| row.need::<bool>(1))? == Some(true);
        if mine {
            spi::execute(REQUEUE, &[])?;
        }
        Ok(mine)
    })
}

/// True when there is something for an exporter to do.
pub fn pending() -> Result<bool> {
    as_extension_owner(|| {
        Ok(spi::read_latest(PENDING, &[], |row| row.need(1))?.first() == Some(&true))
    })
}

pub fn set_step(job: i64, step: &str, attempt: i32) -> Result<()> {
    as_extension_owner(|| spi::execute(STEP, &[job.into(), step.into(), attempt.into()]))
        .map(|_| ())
}

pub fn set_progress(job: i64, total: i64, done: i64) -> Result<()> {
    as_extension_owner(|| spi::execute(PROGRESS, &[job.into(), total.into(), done.into()]))
        .map(|_| ())
}

pub fn set_blocked(job: i64, by: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(BLOCKED, &[job.into(), by.into()])).map(|_| ())
}

/// Like [`set_blocked`], unless it is known who it is.
pub fn set_blocked_by_somebody(job: i64, by: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(BLOCKED_BY_SOMEBODY, &[job.into(), by.into()])).map(|_| ())
}

/// Ends a job as `done` or `failed`.
pub fn finish(job: i64, state: &str, error: Option<&str>) -> Result<()> {
    as_extension_owner(|| spi::execute(FINISH, &[job.into(), state.into(), error.into()]))
        .map(|_| ())
}

/// State of a job by the latest snapshot; `None` when its row is gone.
pub fn job_state(job: i64) -> Result<Option<JobState>> {
    let found = as_extension_owner(|| {
        spi::read_latest(JOB, &[job.into()], |row| {
            Ok(JobState {
                state: row.need(1)?,
                step: row.get(2)?,
                blocked_by: row.get(3)?,
                last_error: row.get(4)?,
                rows_done: row.get(5)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}

/// Begins an attempt: marks the chunk frozen. `None` when it is cold already.
pub fn freeze(hypertable: pg_sys::Oid, chunk: pg_sys::Oid) -> Result<Option<i64>> {
    as_extension_owner(|| {
        spi::write_one(FREEZE, &[hypertable.into(), chunk.into()], |row| {
            row.need(1)
        })
    })
}

/// Ends all attempts; false when the chunk was not frozen.
pub fn thaw(chunk: pg_sys::Oid) -> Result<bool> {
    as_extension_owner(|| spi::execute(THAW, &[chunk.into()])).map(|n| n > 0)
}

/// True when somebody wrote to the chunk during this attempt (and committed).
pub fn touched(chunk: pg_sys::Oid, attempt: i64) -> Result<bool> {
    as_extension_owner(|| {
        Ok(
            spi::read_latest(TOUCHED, &[chunk.into(), attempt.into()], |row| row.need(1))?.first()
                == Some(&true),
        )
    })
}

/// Sessions whose snapshot or transaction is older than `xid`, for people.
pub fn older_than(xid: u32) -> Result<Option<String>> {
    let xid = xid.to_string();
    as_extension_owner(|| {
        Ok(
            spi::read_latest(BLOCKERS, &[xid.as_str().into()], |row| row.get(1))?
                .into_iter()
                .next()
                .flatten(),
        )
    })
}

/// Sessions that hold a lock on the chunk, for people.
pub fn lock_holders(chunk: pg_sys::Oid) -> Result<Option<String>> {
    as_extension_owner(|| {
        Ok(
            spi::read_latest(LOCK_HOLDERS, &[chunk.into()], |row| row.get(1))?
                .into_iter()
                .next()
                .flatten(),
        )
    })
}

/// Records that an object may come to exist; must be committed before its first byte is sent.
pub fn intend_upload(key: &str, server: &str, chunk: pg_sys::Oid) -> Result<()> {
    as_extension_owner(|| spi::execute(INTENT, &[key.into(), server.into(), chunk.into()]))
        .map(|_| ())
}

/// The object belongs to the manifest now.
pub fn upload_used(key: &str, server: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(INTENT_DONE, &[key.into(), server.into()])).map(|_| ())
}

/// The object belongs to nobody: it may exist or not.
pub fn give_up_upload(key: &str, server: &str, token: &str) -> Result<()> {
    as_extension_owner(|| {
        spi::execute(
            QUEUE_DELETE,
            &[key.into(), server.into(), token.into(), "given up".into()],
        )?;
        spi::execute(INTENT_DONE, &[key.into(), server.into()])
    })
    .map(|_| ())
}

/// Number of the next generation of a chunk: every export writes a file of its own.
pub fn next_generation(chunk: pg_sys::Oid) -> Result<i32> {
    let found =
        as_extension_owner(|| spi::read_latest(GENERATION, &[chunk.into()], |row| row.need(1)))?;
    Ok(found.into_iter().next().unwrap_or(1))
}

/// True while an exporter of this database is at work.
pub fn exporter_alive() -> Result<bool> {
    as_extension_owner(|| {
        Ok(spi::read_latest(EXPORTER_ALIVE, &[], |row| row.need(1))?.first() == Some(&true))
    })
}
