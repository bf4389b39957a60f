//! Statements about schedules; all run as the extension's owner.

use super::known::Queue;
use crate::error::{Error, Result};
use crate::pg::call::Value;
use crate::pg::owner::as_extension_owner;
use crate::pg::queue_args;
use crate::pg::spi::{self, LatestRow};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::Oid;

/// A schedule as it is to be.
pub struct New<'a> {
    pub name: &'a str,
    pub schedule: &'a str,
    pub payload: Option<Value>,
    pub command: Option<&'a str>,
    pub timezone: &'a str,
    pub missed: &'a str,
    pub overlap: bool,
    pub paused: bool,
    pub run_as: Option<Oid>,
    pub owner: Oid,
}

/// A schedule as it is. Times are in microseconds since 2000-01-01 UTC.
pub struct Schedule {
    pub id: i64,
    pub qid: i32,
    pub schedule: String,
    pub timezone: String,
    pub missed: String,
    pub overlap: bool,
    pub paused: bool,
    pub owner: Option<Oid>,
    pub owner_name: String,
    pub run_as: Option<Oid>,
    pub run_as_name: Option<String>,
    pub command: Option<String>,
    pub payload: Option<Value>,
    pub made_at: i64,
    pub next_run: i64,
}

macro_rules! columns {
    ($locked:literal) => {
        concat!(
            // in a copy of the database numbers of roles may mean others
            "SELECT s.id, s.qid, s.schedule, s.timezone, s.missed, s.overlap, s.paused, \
             (SELECT r.oid FROM pg_roles r WHERE CASE WHEN (SELECT h.home = strata._here() FROM strata.queue_home h) THEN r.oid = s.owner_oid \
              ELSE r.rolname = s.owner END), s.owner::text, \
             (SELECT r.oid FROM pg_roles r WHERE CASE WHEN (SELECT h.home = strata._here() FROM strata.queue_home h) THEN r.oid = s.run_as_oid \
              ELSE r.rolname = s.run_as END), s.run_as::text, \
             s.command, s.payload, s.made_at, s.next_run FROM strata.queue_schedule s ",
            $locked
        )
    };
}

const BY_NAME: &str = columns!("WHERE s.name = $1 FOR UPDATE OF s");
const DUE: &str = columns!(
    "WHERE NOT s.paused AND s.next_run <= clock_timestamp() AND s.id <> ALL ($1) \
    ORDER BY s.next_run, s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED"
);
const ADD: &str = "INSERT INTO strata.queue_schedule (name, qid, schedule, payload, command, timezone, missed, overlap, \
    paused, run_as, run_as_oid, owner, owner_oid, made_at, next_run) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT r.rolname FROM pg_roles r WHERE r.oid = $10), $10, \
    (SELECT r.rolname FROM pg_roles r WHERE r.oid = $11), $11, $12, $13 ON CONFLICT (name) DO NOTHING RETURNING id";
const CHANGE: &str = "UPDATE strata.queue_schedule SET qid = $2, schedule = $3, payload = $4, command = $5, timezone = $6, \
    missed = $7, overlap = $8, paused = $9, run_as = (SELECT r.rolname FROM pg_roles r WHERE r.oid = $10), \
    run_as_oid = $10, owner = (SELECT r.rolname FROM pg_roles r WHERE r.oid = $11), owner_oid = $11, made_at = $12, \
    next_run = $13 WHERE name = $1 RETURNING id";
const OF_QUEUE: &str = "SELECT FROM strata.queue_schedule WHERE qid = $1 ORDER BY id FOR UPDATE";
const DELETE: &str = "DELETE FROM strata.queue_schedule WHERE name = $1";
const RAN: &str = "UPDATE strata.queue_schedule SET next_run = $2, last_run = clock_timestamp(), \
    last_job = coalesce($3, last_job), last_error = NULL WHERE id = $1";
const FAILED: &str = "UPDATE strata.queue_schedule SET next_run = coalesce($2, next_run), \
    paused = paused OR $2 IS NULL, last_error = $3 WHERE id = $1";
const SKIPPED: &str = "UPDATE strata.queue_schedule SET next_run = $2 WHERE id = $1";
const NEXT: &str = "SELECT (extract(epoch FROM min(next_run) - clock_timestamp()) * 1000)::int8 \
    FROM strata.queue_schedule WHERE NOT paused AND id <> ALL ($1)";
const ADOPT: &str = "UPDATE strata.queue_schedule s \
    SET owner_oid = coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = s.owner), 0), \
    run_as_oid = CASE WHEN s.run_as IS NOT NULL THEN coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = s.run_as), 0) END";
const RENAMED: &str = "UPDATE strata.queue_schedule s SET \
    owner = coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = s.owner_oid), s.owner), \
    run_as = coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = s.run_as_oid), s.run_as) \
    WHERE EXISTS (SELECT FROM pg_roles r WHERE r.oid = s.owner_oid AND r.rolname <> s.owner \
                  OR r.oid = s.run_as_oid AND r.rolname <> s.run_as)";

fn time(row: &LatestRow, n: i32) -> Result<i64> {
    row.need::<TimestampWithTimeZone>(n).map(i64::from)
}

fn schedule(row: &LatestRow) -> Result<Schedule> {
    Ok(Schedule {
        id: row.need(1)?,
        qid: row.need(2)?,
        schedule: row.need(3)?,
        timezone: row.need(4)?,
        missed: row.need(5)?,
        overlap: row.need(6)?,
        paused: row.need(7)?,
        owner: row.get(8)?,
        owner_name: row.need(9)?,
        run_as: row.get(10)?,
        run_as_name: row.get(11)?,
        command: row.get(12)?,
        payload: row.value(13),
        made_at: time(row, 14)?,
        next_run: time(row, 15)?,
    })
}

/// The schedule of this name, locked.
pub fn by_name(name: &str) -> Result<Option<Schedule>> {
    let found =
        as_extension_owner(|| spi::write_kept(BY_NAME, &[name.into()], |row| schedule(&row)))?;
    Ok(found.into_iter().next())
}

/// The schedule that has been due longest, none of `passed`, and that nobody else looks at, locked.
pub fn due(passed: &[i64]) -> Result<Option<Schedule>> {
    let args = [passed.to_vec().into()];
    let found = as_extension_owner(|| spi::write_kept(DUE, &args, |row| schedule(&row)))?;
    Ok(found.into_iter().next())
}

/// Writes a schedule down; its number. `None`: the name is taken (when adding), or gone.
pub fn store(
    queue: &Queue,
    new: &New<'_>,
    made_at: i64,
    next_run: i64,
    exists: bool,
) -> Result<Option<i64>> {
    let args = [
        new.name.into(),
        queue.qid.into(),
        new.schedule.into(),
        queue_args::json(new.payload),
        new.command.into(),
        new.timezone.into(),
        new.missed.into(),
        new.overlap.into(),
        new.paused.into(),
        new.run_as.into(),
        new.owner.into(),
        queue_args::time(made_at),
        queue_args::time(next_run),
    ];
    let sql = if exists { CHANGE } else { ADD };
    let stored = as_extension_owner(|| spi::write_kept(sql, &args, |row| row.need(1)))?;
    Ok(stored.into_iter().next())
}

/// Waits until no schedule of a queue is being fired or changed, and keeps others from it. Who fires one locks it
/// first and the queue after it: so does who drops the queue.
pub fn lock_of_queue(qid: i32) -> Result<()> {
    as_extension_owner(|| spi::write_kept(OF_QUEUE, &[qid.into()], |_| Ok(()))).map(drop)
}

pub fn delete(name: &str) -> Result<bool> {
    as_extension_owner(|| spi::execute(DELETE, &[name.into()])).map(|n| n > 0)
}

/// A job was pushed, or the last one lives and there may be no other.
pub fn ran(id: i64, next_run: i64, job: Option<i64>) -> Result<()> {
    let args = [id.into(), queue_args::time(next_run), job.into()];
    as_extension_owner(|| spi::execute(RAN, &args).map(drop))
}

/// Nothing was pushed for ticks that were missed.
pub fn skipped(id: i64, next_run: i64) -> Result<()> {
    let args = [id.into(), queue_args::time(next_run)];
    as_extension_owner(|| spi::execute(SKIPPED, &args).map(drop))
}

/// No job could be pushed; without a next time the schedule is paused.
pub fn failed(id: i64, next_run: Option<i64>, error: &str) -> Result<()> {
    let next = next_run.map(TimestampWithTimeZone::try_from);
    let next = next
        .transpose()
        .map_err(|_| Error::internal("a time out of range"))?;
    let args = [id.into(), next.into(), error.into()];
    as_extension_owner(|| spi::execute(FAILED, &args).map(drop))
}

/// Milliseconds until the next schedule is due, none of `passed`; below 0 if one is.
pub fn until_next(passed: &[i64]) -> Result<Option<i64>> {
    let args = [passed.to_vec().into()];
    let found = as_extension_owner(|| spi::read_latest(NEXT, &args, |row| row.get(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// In a copy of the database: roles are found again by their names.
pub fn adopt() -> Result<()> {
    as_extension_owner(|| spi::execute(ADOPT, &[]).map(drop))
}

/// Keeps names of roles current.
pub fn note_renamed() -> Result<()> {
    as_extension_owner(|| spi::execute(RENAMED, &[]).map(drop))
}
