//! Every SPI statement about jobs and their runs; all run as the extension's owner.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi::{self, LatestRow};
use crate::pg::subxact::Caught;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::{JsonB, pg_sys};

/// Columns of [`Job`]. Intervals count 30 days for a month here: they only bound waits. A policy belongs to
/// whoever owns its table now.
macro_rules! job_columns {
    () => {
        "SELECT j.id, j.proc_schema::text, j.proc_name::text, \
         coalesce((SELECT c.relowner FROM pg_class c WHERE c.oid = j.hypertable), \
                  strata._job_owner(j.home, j.owner, j.owner_oid), 0::oid), j.hypertable::oid, \
         j.config::text, (extract(epoch FROM j.max_runtime) * 1000)::int8, j.max_retries, \
         (extract(epoch FROM j.retry_period) * 1000000)::int8, \
         (extract(epoch FROM j.schedule_interval) * 1000000)::int8, j.scheduled, j.name, \
         j.home = $1 AS here, coalesce(s.total_runs, 0), s.next_start FROM strata.job j LEFT JOIN strata.job_state s ON s.job_id = j.id "
    };
}

const JOB: &str = concat!(job_columns!(), "WHERE j.id = $2");
const DUE: &str = concat!(
    job_columns!(),
    "WHERE j.scheduled AND j.home = $1 AND s.next_start <= clock_timestamp() AND j.id <> ALL ($2) \
     AND NOT EXISTS (SELECT FROM strata.job_queued q WHERE q.job_id = j.id) \
     ORDER BY s.next_start, j.id LIMIT $3"
);
const WAITING: &str = concat!(
    job_columns!(),
    "JOIN strata.job_queued q ON q.job_id = j.id WHERE q.claim IS NULL AND j.home = $1 AND j.id <> ALL ($2) \
     ORDER BY q.queue_job LIMIT 1"
);
const STILL_DUE: &str = "SELECT EXISTS (SELECT FROM strata.job j JOIN strata.job_state s ON s.job_id = j.id \
    WHERE j.id = $1 AND j.scheduled AND j.home = $2 AND s.next_start <= clock_timestamp())";
const NEXT: &str = "SELECT (extract(epoch FROM min(s.next_start) - clock_timestamp()) * 1000)::int8 \
    FROM strata.job_state s JOIN strata.job j ON j.id = s.job_id \
    WHERE j.scheduled AND j.home = $1 AND j.id <> ALL ($2) \
    AND NOT EXISTS (SELECT FROM strata.job_queued q WHERE q.job_id = j.id)";
const WITHOUT_STATE: &str = "INSERT INTO strata.job_state (job_id, next_start) \
    SELECT j.id, greatest(j.initial_start, now()) FROM strata.job j \
    WHERE j.home = $1 AND NOT EXISTS (SELECT FROM strata.job_state s WHERE s.job_id = j.id) ON CONFLICT DO NOTHING";
const BEGIN: &str = "UPDATE strata.job_state SET started_at = clock_timestamp(), finished_at = NULL, \
    pid = pg_backend_pid(), total_runs = total_runs + 1 WHERE job_id = $1 RETURNING next_start";
const FINISH: &str = "UPDATE strata.job_state SET finished_at = clock_timestamp(), last_ok = $2, \
    succeeded_at = CASE WHEN $2 THEN clock_timestamp() ELSE succeeded_at END, \
    failures = CASE WHEN $2 THEN 0 ELSE failures + 1 END, \
    total_successes = total_successes + $2::int, total_failures = total_failures + (NOT $2)::int \
    WHERE job_id = $1 RETURNING failures";
const RECORD: &str = "INSERT INTO strata.job_run (job_id, owner_oid, succeeded, proc_schema, proc_name, pid, \
    start_time, finish_time, sqlerrcode, err_message, config) \
    SELECT j.id, coalesce((SELECT c.relowner FROM pg_class c WHERE c.oid = j.hypertable), j.owner_oid), $2, j.proc_schema, j.proc_name, s.pid, s.started_at, clock_timestamp(), $3, $4, j.config \
    FROM strata.job j JOIN strata.job_state s ON s.job_id = j.id WHERE j.id = $1";
const RETRY_AT: &str = "UPDATE strata.job_state SET next_start = clock_timestamp() + $2 * interval '1 microsecond' \
    WHERE job_id = $1 AND ($3 OR next_start IS NOT DISTINCT FROM $4)";
const ROLE: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE oid = $1)";
const SWITCH_OFF: &str = "UPDATE strata.job SET scheduled = false WHERE id = $1";
const FORGET: &str = "DELETE FROM strata.job_run WHERE finish_time < now() - CASE WHEN succeeded \
    THEN interval '7 days' ELSE interval '30 days' END";
// a job of every second makes a million rows in that time
const FORGET_MANY: &str = "WITH many AS MATERIALIZED (SELECT n.id FROM (SELECT r.id, row_number() \
    OVER (PARTITION BY r.job_id ORDER BY r.id DESC) AS place FROM strata.job_run r) n WHERE n.place > 10000) \
    DELETE FROM strata.job_run r USING many m WHERE r.id = m.id";
// by name a job finds its role in a copy: it must be the present one
const RENAMED: &str = "UPDATE strata.job j SET owner = r.rolname FROM pg_roles r \
    WHERE r.oid = j.owner_oid AND r.rolname <> j.owner AND j.home = $1";
// the clock was ahead when these ran, so their next time is too
const AHEAD_OF_CLOCK: &str = "SELECT j.id FROM strata.job j JOIN strata.job_state s ON s.job_id = j.id \
    WHERE j.home = $1 AND s.finished_at > clock_timestamp() + interval '1 minute' \
    AND s.next_start > clock_timestamp() + j.schedule_interval + interval '1 minute'";

// The first tick after now: the grid is origin + k * interval. Days and months go by the clock of the zone, other
// intervals by elapsed time. The guess of k is at most two off: months have 30.436875 days on average. Should no
// tick be found, the job must run all the same.
const NEXT_TICK: &str = "\
WITH given AS (
  SELECT j.initial_start, j.schedule_interval AS step, coalesce(j.timezone, 'UTC') AS zone, clock_timestamp() AS now,
         extract(year FROM j.schedule_interval) * 12 + extract(month FROM j.schedule_interval) AS months,
         extract(day FROM j.schedule_interval) AS days, j.fixed_schedule
  FROM strata.job j WHERE j.id = $1
), guess AS (
  SELECT g.*, floor(extract(epoch FROM g.now - g.initial_start)
           / (g.months * 2629746 + extract(epoch FROM g.step - make_interval(months => g.months::int))))::int8 AS k
  FROM given g
), ticks AS (
  SELECT CASE WHEN g.months = 0 AND g.days = 0 THEN g.initial_start + n * g.step
              ELSE ((g.initial_start AT TIME ZONE g.zone) + n * g.step) AT TIME ZONE g.zone END AS at
  FROM guess g, generate_series(greatest(g.k - 2, 0), greatest(g.k, 0) + 3) n
)
UPDATE strata.job_state s SET next_start =
  CASE WHEN g.fixed_schedule THEN coalesce((SELECT min(t.at) FROM ticks t WHERE t.at > g.now), g.now + g.step)
       ELSE g.now + g.step END
FROM given g WHERE s.job_id = $1 AND ($2 OR s.next_start IS NOT DISTINCT FROM $3)";

/// A job as it is to be run.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: i32,
    pub proc_schema: String,
    pub proc_name: String,
    pub owner: pg_sys::Oid,
    pub hypertable: Option<pg_sys::Oid>,
    /// JSON text
    pub config: Option<String>,
    pub max_runtime_ms: i64,
    pub max_retries: i32,
    pub retry_us: i64,
    pub interval_us: i64,
    pub scheduled: bool,
    pub name: String,
    /// false in a copy of the database that it was made in
    pub here: bool,
    /// how often it has run so far
    pub runs: i64,
    /// when it is due
    pub next_start: Option<TimestampWithTimeZone>,
}

/// What `next_start` was when a run began: who changes it meanwhile is not overruled by the run's end.
#[derive(Debug, Clone, Copy)]
pub enum Seen {
    Time(Option<TimestampWithTimeZone>),
    /// whatever it is now
    Any,
}

impl Seen {
    fn args(self) -> (bool, Option<TimestampWithTimeZone>) {
        match self {
            Seen::Time(at) => (false, at),
            Seen::Any => (true, None),
        }
    }
}

/// How a run ended.
pub type Outcome = std::result::Result<(), Caught>;

/// An interval as PostgreSQL reads it in any session.
pub fn interval_text(i: &pgrx::datum::Interval) -> String {
    format!(
        "{} mons {} days {} microseconds",
        i.months(),
        i.days(),
        i.micros()
    )
}

/// What says in which database a job belongs: the server's identity and the database.
pub fn here() -> String {
    let (system, database) = crate::pg::session::identity();
    format!("{system}/{database}")
}

fn job(row: LatestRow) -> Result<Job> {
    Ok(Job {
        id: row.need(1)?,
        proc_schema: row.need(2)?,
        proc_name: row.need(3)?,
        owner: row.need(4)?,
        hypertable: row.get(5)?,
        config: row.get(6)?,
        max_runtime_ms: row.need(7)?,
        max_retries: row.need(8)?,
        retry_us: row.need(9)?,
        interval_us: row.need(10)?,
        scheduled: row.need(11)?,
        name: row.need(12)?,
        here: row.need(13)?,
        runs: row.need(14)?,
        next_start: row.get(15)?,
    })
}

/// The class of the locks that running jobs hold.
pub fn class() -> Result<pg_sys::Oid> {
    let found =
        as_extension_owner(|| spi::read("SELECT 'strata.job'::regclass::oid", &[], |r| r.need(1)))?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| crate::error::Error::internal("no table strata.job"))
}

/// The job, as committed or by this transaction.
pub fn find(id: i32) -> Result<Option<Job>> {
    let args = [here().into(), id.into()];
    let found = as_extension_owner(|| spi::read_latest(JOB, &args, job))?;
    Ok(found.into_iter().next())
}

/// Jobs that are due and not queued, the longest due first, without those of `except`.
pub fn due(except: &[i32], limit: i64) -> Result<Vec<Job>> {
    let args = [here().into(), except.to_vec().into(), limit.into()];
    as_extension_owner(|| spi::read_latest(DUE, &args, job))
}

/// The job whose run has waited longest for a process, without those of `except`.
pub fn waiting(except: &[i32]) -> Result<Option<Job>> {
    let args = [here().into(), except.to_vec().into()];
    let found = as_extension_owner(|| spi::read_latest(WAITING, &args, job))?;
    Ok(found.into_iter().next())
}

pub fn still_due(id: i32) -> Result<bool> {
    let args = [id.into(), here().into()];
    let found = as_extension_owner(|| spi::read_latest(STILL_DUE, &args, |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

/// Milliseconds until the next job is due that is not queued, negative when one is; `None` when there is none.
pub fn until_next(except: &[i32]) -> Result<Option<i64>> {
    let args = [here().into(), except.to_vec().into()];
    let found = as_extension_owner(|| spi::read_latest(NEXT, &args, |r| r.get(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// Gives jobs that came without a state (through a restore) one.
pub fn complete_states() -> Result<()> {
    as_extension_owner(|| spi::execute(WITHOUT_STATE, &[here().into()])).map(|_| ())
}

/// Notes that this process begins to run the job; returns when it was to run.
pub fn begin(id: i32) -> Result<Seen> {
    let at = as_extension_owner(|| spi::write_one(BEGIN, &[id.into()], |r| r.get(1)))?;
    Ok(Seen::Time(at.flatten()))
}

/// Notes the end of a run; returns the number of failures in a row, `None` when the job is gone.
pub fn finish(id: i32, outcome: &Outcome) -> Result<Option<i32>> {
    let ok = outcome.is_ok();
    let (code, message) = match outcome {
        Ok(()) => (None, None),
        Err(e) => (Some(sqlstate(e)), Some(full_text(e))),
    };
    as_extension_owner(|| {
        spi::execute(RECORD, &[id.into(), ok.into(), code.into(), message.into()])?;
        spi::write_one(FINISH, &[id.into(), ok.into()], |r| r.need(1))
    })
}

fn sqlstate(e: &Caught) -> String {
    crate::pg::session::unpack_sqlstate(e.code as i32)
}

fn full_text(e: &Caught) -> String {
    match &e.detail {
        Some(detail) => format!("{} ({detail})", e.message),
        None => e.message.clone(),
    }
}

/// Puts the job on its next regular time.
pub fn to_next_tick(id: i32, seen: Seen) -> Result<()> {
    let (any, at) = seen.args();
    let args = [id.into(), any.into(), at.into()];
    as_extension_owner(|| spi::execute(NEXT_TICK, &args)).map(|_| ())
}

pub fn retry_in(id: i32, delay_us: i64, seen: Seen) -> Result<()> {
    let (any, at) = seen.args();
    let args = [id.into(), (delay_us as f64).into(), any.into(), at.into()];
    as_extension_owner(|| spi::execute(RETRY_AT, &args)).map(|_| ())
}

pub fn switch_off(id: i32) -> Result<()> {
    as_extension_owner(|| spi::execute(SWITCH_OFF, &[id.into()])).map(|_| ())
}

/// False for a role that was dropped.
pub fn role_exists(role: pg_sys::Oid) -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(ROLE, &[role.into()], |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

/// What is to be done now and then: states for jobs that a restore left without, old runs, names of roles,
/// jobs that wait for a time that the clock will not see for long.
pub fn sweep() -> Result<()> {
    complete_states()?;
    super::home::note_renamed()?;
    as_extension_owner(|| {
        spi::execute(FORGET, &[])?;
        spi::execute(FORGET_MANY, &[])?;
        spi::execute(RENAMED, &[here().into()])
    })?;
    let ahead = as_extension_owner(|| {
        spi::read_latest(AHEAD_OF_CLOCK, &[here().into()], |r| r.need::<i32>(1))
    })?;
    ahead
        .into_iter()
        .try_for_each(|id| to_next_tick(id, Seen::Any))
}

/// A job that is to be made.
pub struct NewJob<'a> {
    pub name: Option<&'a str>,
    /// of the name, when none was given: `Retention Policy` gives `Retention Policy [1000]`
    pub kind: &'a str,
    pub proc_schema: &'a str,
    pub proc_name: &'a str,
    pub owner: pg_sys::Oid,
    pub hypertable: Option<pg_sys::Oid>,
    /// as PostgreSQL reads it
    pub schedule_interval: String,
    pub max_runtime: Option<&'a str>,
    pub retry_period: Option<&'a str>,
    pub scheduled: bool,
    pub fixed_schedule: bool,
    pub initial_start: Option<TimestampWithTimeZone>,
    pub timezone: Option<String>,
    pub config: Option<JsonB>,
    pub check: Option<(String, String)>,
    /// false: run by a step of the background worker, and never due by itself
    pub timed: bool,
}

const ADD: &str = "\
WITH made AS (
  INSERT INTO strata.job (id, name, proc_schema, proc_name, owner, owner_oid, hypertable, schedule_interval,
    max_runtime, retry_period, scheduled, fixed_schedule, initial_start, timezone, config, check_schema, check_name, home)
  SELECT n.id, coalesce($1, $2 || ' [' || n.id || ']'), $3, $4, pg_get_userbyid($5), $5, $6::oid::regclass, $7::interval,
    coalesce($8::interval, '0'), coalesce($9::interval, '5 minutes'), $10, $11, coalesce($12, now()), $13, $14, $15, $16, $17
  FROM nextval('strata.job_id_seq') AS n(id)
  RETURNING id, initial_start)
SELECT id, initial_start FROM made";
const ADD_STATE: &str = "INSERT INTO strata.job_state (job_id, next_start) VALUES ($1, $2)";

/// Makes a job; returns its number.
pub fn add(new: NewJob<'_>) -> Result<i32> {
    let (check_schema, check_name) = new.check.unzip();
    let timed = new.timed;
    let args = [
        new.name.into(),
        new.kind.into(),
        new.proc_schema.into(),
        new.proc_name.into(),
        new.owner.into(),
        new.hypertable.into(),
        new.schedule_interval.into(),
        new.max_runtime.into(),
        new.retry_period.into(),
        new.scheduled.into(),
        new.fixed_schedule.into(),
        new.initial_start.into(),
        new.timezone.into(),
        new.config.into(),
        check_schema.into(),
        check_name.into(),
        here().into(),
    ];
    as_extension_owner(|| {
        let made = spi::write_one(ADD, &args, |r| {
            Ok((r.need::<i32>(1)?, r.need::<TimestampWithTimeZone>(2)?))
        })?;
        let (id, start) = made.ok_or_else(|| crate::error::Error::internal("no job was made"))?;
        let start = timed.then_some(start);
        spi::execute(ADD_STATE, &[id.into(), start.into()])?;
        Ok(id)
    })
}
