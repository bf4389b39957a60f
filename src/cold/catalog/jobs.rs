//! Export jobs and freeze marks: the working tables of the exporter.

use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};
use pgrx::pg_sys;

const QUEUE: &str = "INSERT INTO strata.cold_export (chunk, role) VALUES ($1, $2) \
    ON CONFLICT (chunk) WHERE state IN ('queued', 'running') DO UPDATE SET withdrawn = false RETURNING id";
const STEP: &str =
    "UPDATE strata.cold_export SET step = $2, attempt = $3, blocked_by = NULL WHERE id = $1";
const PROGRESS: &str =
    "UPDATE strata.cold_export SET rows_total = $2, rows_done = $3 WHERE id = $1";
const BLOCKED: &str = "UPDATE strata.cold_export SET blocked_by = $2 WHERE id = $1 AND blocked_by IS DISTINCT FROM $2";
const BLOCKED_BY_SOMEBODY: &str =
    "UPDATE strata.cold_export SET blocked_by = $2 WHERE id = $1 AND blocked_by IS NULL";
const FINISH: &str = "UPDATE strata.cold_export e SET state = $2, last_error = $3, finished_at = clock_timestamp(), \
    blocked_by = NULL, generation = greatest( \
    (SELECT max(f.generation) FROM strata.cold_file f WHERE f.chunk = e.chunk AND f.state = 'live'), \
    (SELECT max(o.generation) FROM strata.cold_export o WHERE o.chunk = e.chunk)) WHERE e.id = $1";
// one that runs keeps its row, so that no other process begins with the chunk beside it
const WITHDRAW: &str = "UPDATE strata.cold_export SET withdrawn = true, \
    state = CASE state WHEN 'queued' THEN 'failed' ELSE state END, \
    last_error = CASE state WHEN 'queued' THEN $2 ELSE last_error END, \
    finished_at = CASE state WHEN 'queued' THEN clock_timestamp() END \
    WHERE chunk = $1 AND state IN ('queued', 'running')";
const WITHDRAWN: &str = "SELECT withdrawn FROM strata.cold_export WHERE id = $1";
const JOB: &str =
    "SELECT state, step, blocked_by, last_error, rows_done FROM strata.cold_export WHERE id = $1";

// no writer is left when the chunk is locked exclusively: marks of earlier attempts mean nothing
const FREEZE: &str = "WITH swept AS (DELETE FROM strata.cold_touch WHERE chunk = $2::oid) \
    INSERT INTO strata.cold_file (id, hypertable, chunk, chunk_oid, generation, state, attempt) \
    VALUES (gen_random_uuid(), $1, $2, $2::oid, 0, 'frozen', 1) \
    ON CONFLICT (chunk) DO UPDATE SET attempt = strata.cold_file.attempt + 1 WHERE strata.cold_file.state = 'frozen' \
    RETURNING attempt";
const THAW: &str = "DELETE FROM strata.cold_file WHERE chunk = $1 AND state = 'frozen'";
const FORGET_MARKS: &str = "DELETE FROM strata.cold_touch WHERE chunk = $1::oid";
const ABANDONED: &str = "SELECT f.chunk::oid FROM strata.cold_file f \
    WHERE (f.state = 'frozen' OR f.chunk::oid IN (SELECT chunk FROM strata.cold_merge)) AND NOT EXISTS ( \
    SELECT FROM strata.cold_export e WHERE e.chunk = f.chunk AND e.state IN ('queued', 'running'))";
const TOUCHED: &str =
    "SELECT EXISTS (SELECT FROM strata.cold_touch WHERE chunk = $1::oid AND attempt = $2)";

// a standby with feedback is seen as its WAL sender, which is in no database
const BLOCKERS: &str = "SELECT string_agg(who, ', ' ORDER BY who) FROM ( \
    SELECT format('pid %s (%s, %s)', a.pid, coalesce(a.usename, a.backend_type), coalesce(a.state, 'active')) AS who \
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() \
    AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND (age(a.backend_xmin) >= age($1::xid) OR age(a.backend_xid) >= age($1::xid)) \
    UNION SELECT format('prepared transaction \"%s\"', p.gid) FROM pg_prepared_xacts p \
    WHERE p.database = current_database() AND age(p.transaction) >= age($1::xid) \
    UNION SELECT format('replication slot \"%s\"', s.slot_name) FROM pg_replication_slots s WHERE age(s.xmin) >= age($1::xid) \
    UNION SELECT format('standby \"%s\" (pid %s)', r.application_name, r.pid) FROM pg_stat_replication r \
    WHERE age(r.backend_xmin) >= age($1::xid) \
    UNION SELECT 'setting vacuum_defer_cleanup_age' WHERE current_setting('vacuum_defer_cleanup_age', true)::int > 0) b";
const LOCK_HOLDERS: &str = "SELECT string_agg(DISTINCT CASE WHEN a.pid IS NOT NULL \
    THEN format('pid %s (%s)', a.pid, coalesce(a.state, a.backend_type)) \
    ELSE format('prepared transaction \"%s\"', p.gid) END, ', ') \
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
    LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock' \
        AND x.virtualtransaction = l.virtualtransaction \
    LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid \
    WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() \
    AND (a.pid IS NOT NULL OR p.gid IS NOT NULL) \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

// an export reports its rows as a COPY TO would (pg/progress.rs); param3 counts tuples
const ROWS_READ: &str = "SELECT p.param3 FROM pg_stat_get_progress_info('COPY') p \
    JOIN strata.cold_export e ON e.pid = p.pid AND e.chunk = p.relid AND e.state = 'running' WHERE p.relid = $1 \
    AND p.datid = (SELECT oid FROM pg_database WHERE datname = current_database())";
const FAILED_LAST: &str = "SELECT chunk FROM (SELECT DISTINCT ON (e.chunk) e.chunk::oid AS chunk, e.state \
    FROM strata.cold_export e WHERE e.chunk::oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = $1) \
    ORDER BY e.chunk, e.id DESC) last WHERE state = 'failed'";
const OPEN: &str = "SELECT count(*) FROM strata.cold_export WHERE id = ANY ($1) AND state IN ('queued', 'running')";
const ENDED: &str = "SELECT e.id, e.state, e.last_error, coalesce(c.relname::text, '') FROM strata.cold_export e \
    LEFT JOIN pg_class c ON c.oid = e.chunk WHERE e.id = ANY ($1) AND e.state IN ('done', 'failed')";

/// Why a job ended that was queued before its chunk was brought back.
pub const UNTIERED: &str = "the chunk was untiered meanwhile";

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

/// Notes what a job is at: a step of `strata.cold_progress`, and which attempt.
pub fn set_step(job: i64, step: &str, attempt: i32) -> Result<()> {
    as_extension_owner(|| spi::execute(STEP, &[job.into(), step.into(), attempt.into()]))
        .map(|_| ())
}

/// Notes how many rows of how many are written.
pub fn set_progress(job: i64, total: i64, done: i64) -> Result<()> {
    as_extension_owner(|| spi::execute(PROGRESS, &[job.into(), total.into(), done.into()]))
        .map(|_| ())
}

/// Notes for whom a job waits, until its next step.
pub fn set_blocked(job: i64, by: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(BLOCKED, &[job.into(), by.into()])).map(|_| ())
}

/// Like [`set_blocked`], unless it is known who it is.
pub fn set_blocked_by_somebody(job: i64, by: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(BLOCKED_BY_SOMEBODY, &[job.into(), by.into()])).map(|_| ())
}

/// Ends the open job of a chunk that is brought back. One that runs ends with its next
/// attempt, see [`is_withdrawn`], unless the chunk is queued again before.
pub fn withdraw(chunk: pg_sys::Oid) -> Result<()> {
    as_extension_owner(|| spi::execute(WITHDRAW, &[chunk.into(), UNTIERED.into()])).map(|_| ())
}

/// True when a job is not wanted any more.
pub fn is_withdrawn(job: i64) -> Result<bool> {
    let found =
        as_extension_owner(|| spi::read_latest(WITHDRAWN, &[job.into()], |row| row.need(1)))?;
    Ok(found.first() == Some(&true))
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

/// Ends all attempts; false when the chunk was not frozen. The chunk is locked exclusively.
pub fn thaw(chunk: pg_sys::Oid) -> Result<bool> {
    forget_marks(chunk)?;
    as_extension_owner(|| spi::execute(THAW, &[chunk.into()])).map(|n| n > 0)
}

/// Removes the marks of writers, of whom none is left: the chunk is locked exclusively.
pub fn forget_marks(chunk: pg_sys::Oid) -> Result<()> {
    as_extension_owner(|| spi::execute(FORGET_MARKS, &[chunk.into()])).map(|_| ())
}

/// Frozen chunks that no job works on or waits for: their last one could not lock them in the end.
pub fn abandoned() -> Result<Vec<pg_sys::Oid>> {
    as_extension_owner(|| spi::read_latest(ABANDONED, &[], |row| row.need(1)))
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

/// Sessions, prepared transactions, slots and standbys that need rows from before `xid`, for people.
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

/// Sessions and prepared transactions that hold a lock on the chunk, for people.
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

/// Rows that the running export of a chunk has read; `None` for others than members of its owner.
pub fn rows_read(chunk: pg_sys::Oid) -> Result<Option<i64>> {
    let allowed = super::spec::relation(chunk).is_ok_and(|r| session::has_role(r.owner.to_u32()));
    if !allowed {
        return Ok(None);
    }
    let found =
        as_extension_owner(|| spi::read_latest(ROWS_READ, &[chunk.into()], |row| row.get(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// A job that is not at work any more.
pub struct Ended {
    pub id: i64,
    pub chunk: String,
    /// `None`: done
    pub error: Option<String>,
}

/// Chunks of a hypertable whose last export failed.
pub fn failed_last(hypertable: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>> {
    as_extension_owner(|| spi::read_latest(FAILED_LAST, &[hypertable.into()], |row| row.need(1)))
}

/// How many of `jobs` have not ended.
pub fn open(jobs: &[i64]) -> Result<i64> {
    let found =
        as_extension_owner(|| spi::read_latest(OPEN, &[jobs.to_vec().into()], |row| row.need(1)))?;
    Ok(found.into_iter().next().unwrap_or(0))
}

/// Those of `jobs` that have ended.
pub fn ended(jobs: &[i64]) -> Result<Vec<Ended>> {
    as_extension_owner(|| {
        spi::read_latest(ENDED, &[jobs.to_vec().into()], |row| {
            let failed = row.need::<String>(2)? == "failed";
            Ok(Ended {
                id: row.need(1)?,
                chunk: row.need(4)?,
                error: failed.then_some(row.get(3)?.unwrap_or_default()),
            })
        })
    })
}
