//! Changing, deleting and taking over jobs: who may, and what is refused.

use super::catalog::{self, Job};
use super::own;
use super::resolve::{self, Named};
use super::settings::LONGEST_US;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::current_user;
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::session;
use crate::pg::spi;
use crate::worker;
use pgrx::JsonB;
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::Oid;

const DELETE: &str = "DELETE FROM strata.job WHERE id = $1 RETURNING id";
const ALTER: &str = "UPDATE strata.job SET schedule_interval = coalesce($2, schedule_interval), \
    max_runtime = coalesce($3, max_runtime), max_retries = coalesce($4, max_retries), \
    retry_period = coalesce($5, retry_period), scheduled = coalesce($6, scheduled), config = coalesce($7, config), \
    fixed_schedule = coalesce($8, fixed_schedule), initial_start = coalesce($9, initial_start), \
    timezone = coalesce($10, timezone), name = coalesce($11, name), check_schema = coalesce($12, check_schema), \
    check_name = coalesce($13, check_name) WHERE id = $1";
const SET_NEXT: &str = "UPDATE strata.job_state SET next_start = $2 WHERE job_id = $1";
const CHECK_OF: &str = "SELECT check_schema::text, check_name::text FROM strata.job WHERE id = $1 AND check_name IS NOT NULL";
const IS_TIMED: &str =
    "SELECT EXISTS (SELECT FROM strata.job_state WHERE job_id = $1 AND next_start IS NOT NULL)";
// who runs a job is known by name in a copy, and by number only where it was made; a policy belongs to whoever
// owns its table
const TAKE_OVER: &str = "UPDATE strata.job j SET home = $1, owner_oid = n.oid, owner = n.rolname FROM ( \
    SELECT k.id, r.oid, r.rolname FROM strata.job k LEFT JOIN pg_class c ON c.oid = k.hypertable \
    JOIN pg_roles r ON CASE WHEN c.oid IS NULL THEN r.rolname = k.owner ELSE r.oid = c.relowner END) n \
    WHERE n.id = j.id AND j.home <> $1 RETURNING j.id";
const LEFT: &str = "SELECT count(*) FROM strata.job WHERE home <> $1";
const KEEP_ONE_STATE: &str = "DELETE FROM strata.job_state WHERE job_id = ANY ($1)";

/// 42704: no such job.
pub fn unknown(id: i32) -> Error {
    Error::new(Kind::UndefinedObject, format!("job {id} does not exist"))
        .hint("SELECT job_id, application_name FROM strata.jobs")
}

/// The job, if the current user is its owner or a member of it.
pub fn owned(id: i32) -> Result<Option<Job>> {
    let Some(job) = catalog::find(id)? else {
        return Ok(None);
    };
    if session::has_role(job.owner.to_u32()) {
        return Ok(Some(job));
    }
    Err(Error::new(
        Kind::InsufficientPrivilege,
        format!("must be owner of job {id}"),
    ))
}

/// Deletes a job. Does not wait for a run under way, which goes on to its end.
pub fn delete(id: i32) -> Result<()> {
    owned(id)?.ok_or_else(|| unknown(id))?;
    as_extension_owner(|| spi::write_one(DELETE, &[id.into()], |r| r.need::<i32>(1)))?;
    worker::wake_at_commit();
    Ok(())
}

/// This and [`LONGEST_US`] keep the arithmetic of schedules within the range of timestamps.
const SHORTEST_US: i64 = 100_000;

fn length_us(i: &Interval) -> i64 {
    let days = i64::from(i.months()) * 30 + i64::from(i.days());
    days.saturating_mul(86_400_000_000)
        .saturating_add(i.micros())
}

/// 22023 unless the interval can be the time between two runs.
pub fn check_schedule(i: &Interval) -> Result<()> {
    let parts = i.months() >= 0 && i.days() >= 0 && i.micros() >= 0;
    if (SHORTEST_US..=LONGEST_US).contains(&length_us(i)) && parts {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidParameter,
        "schedule_interval must lie between 0.1 seconds and 100 years",
    ))
}

fn check_length(argument: &str, i: Option<&Interval>) -> Result<()> {
    match i {
        Some(i) if !(0..=LONGEST_US).contains(&length_us(i)) => Err(Error::new(
            Kind::InvalidParameter,
            format!("{argument} must lie between 0 and 100 years"),
        )),
        _ => Ok(()),
    }
}

/// 22023 for infinity.
pub fn check_time(argument: &str, at: Option<&TimestampWithTimeZone>) -> Result<()> {
    let value = at.map(|t| i64::from(*t));
    if matches!(value, Some(i64::MIN | i64::MAX)) {
        return Err(
            Error::new(Kind::InvalidParameter, format!("{argument} must be finite"))
                .hint("scheduled => false switches a job off"),
        );
    }
    Ok(())
}

/// Both of the checks of a schedule that depend on no job.
pub fn check_times(start: Option<&TimestampWithTimeZone>, zone: Option<&str>) -> Result<()> {
    check_time("initial_start", start)?;
    check_zone(zone)
}

/// The error of PostgreSQL unless the zone is known.
pub fn check_zone(zone: Option<&str>) -> Result<()> {
    if let Some(zone) = zone {
        spi::read(
            "SELECT pg_catalog.timezone($1, pg_catalog.now())",
            &[zone.into()],
            |_| Ok(()),
        )?;
    }
    Ok(())
}

/// Runs the function that checks a config, as the job's owner; its error is the caller's. Whoever changes the
/// job of another role must not run that role's code with rights of his own.
pub fn check_config(owner: Oid, check: Option<&Named>, config: Option<&str>) -> Result<()> {
    let Some(name) = check else {
        return Ok(());
    };
    let call = resolve::check_call(name, config)?;
    let _owner = (owner != current_user()).then(|| UserScope::restricted(owner));
    spi::execute(&call, &[]).map(|_| ())
}

/// What `alter_job` may change; `None` leaves it as it is.
#[derive(Default)]
pub struct Changes {
    pub schedule_interval: Option<Interval>,
    pub max_runtime: Option<Interval>,
    pub max_retries: Option<i32>,
    pub retry_period: Option<Interval>,
    pub scheduled: Option<bool>,
    pub config: Option<JsonB>,
    pub next_start: Option<TimestampWithTimeZone>,
    pub check: Option<Named>,
    pub fixed_schedule: Option<bool>,
    pub initial_start: Option<TimestampWithTimeZone>,
    pub timezone: Option<String>,
    pub name: Option<String>,
}

fn check_changes(c: &Changes) -> Result<()> {
    c.schedule_interval
        .as_ref()
        .map_or(Ok(()), check_schedule)?;
    check_length("max_runtime", c.max_runtime.as_ref())?;
    check_length("retry_period", c.retry_period.as_ref())?;
    check_time("next_start", c.next_start.as_ref())?;
    check_time("initial_start", c.initial_start.as_ref())?;
    check_zone(c.timezone.as_deref())?;
    match c.max_retries {
        Some(n) if n < -1 => Err(Error::new(
            Kind::InvalidParameter,
            format!("max_retries must be -1 or more, not {n}"),
        )),
        _ => Ok(()),
    }
}

/// Changes a job of the current user; false when there is none.
pub fn alter(id: i32, c: Changes) -> Result<bool> {
    let Some(job) = owned(id)? else {
        return Ok(false);
    };
    check_changes(&c)?;
    let text = c.config.as_ref().map(|j| j.0.to_string());
    let check = match &c.check {
        Some(new) => Some(new.clone()),
        None => current_check(id)?,
    };
    if c.check.is_some() || text.is_some() {
        let config = text.as_deref().or(job.config.as_deref());
        check_config(job.owner, check.as_ref(), config)?;
    }
    let moves = c.schedule_interval.is_some()
        || c.fixed_schedule.is_some()
        || c.initial_start.is_some()
        || c.timezone.is_some();
    let (check_schema, check_name) = c.check.unzip();
    let next_start = c.next_start;
    let args = [
        id.into(),
        c.schedule_interval.into(),
        c.max_runtime.into(),
        c.max_retries.into(),
        c.retry_period.into(),
        c.scheduled.into(),
        c.config.into(),
        c.fixed_schedule.into(),
        c.initial_start.into(),
        c.timezone.into(),
        c.name.into(),
        check_schema.into(),
        check_name.into(),
    ];
    as_extension_owner(|| spi::execute(ALTER, &args))?;
    let timed = as_extension_owner(|| spi::read_one(IS_TIMED, &[id.into()], |r| r.need(1)))?;
    if let Some(next) = next_start {
        as_extension_owner(|| spi::execute(SET_NEXT, &[id.into(), next.into()]))?;
    } else if moves && timed == Some(true) {
        catalog::to_next_tick(id, catalog::Seen::Any)?;
    }
    worker::wake_at_commit();
    Ok(true)
}

fn current_check(id: i32) -> Result<Option<Named>> {
    as_extension_owner(|| spi::read_one(CHECK_OF, &[id.into()], |r| Ok((r.need(1)?, r.need(2)?))))
}

/// Makes this database the one that its jobs belong to; returns the number of jobs taken over.
pub fn start_workers() -> Result<i32> {
    let here = catalog::here();
    let taken = as_extension_owner(|| {
        let taken = spi::write(TAKE_OVER, &[here.as_str().into()], |r| r.need::<i32>(1))?;
        // before the states, as every process that claims a run
        taken.iter().try_for_each(|id| own::bury(*id))?;
        spi::execute(KEEP_ONE_STATE, &[taken.clone().into()])?;
        Ok::<_, Error>(taken)
    })?;
    catalog::complete_states()?;
    let left = as_extension_owner(|| spi::read_one(LEFT, &[here.into()], |r| r.need::<i64>(1)))?;
    if let Some(left @ 1..) = left {
        session::notice(
            &format!("{left} jobs stay off: the roles that they ran as do not exist here"),
            Some("SELECT id, name, owner FROM strata.job"),
        );
    }
    super::home::move_in()?;
    worker::wake_at_commit();
    Ok(taken.len() as i32)
}
