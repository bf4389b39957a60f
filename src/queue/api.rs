//! SQL surface of schedules; declared in sql/queue/code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::catalog::{self, NewJob};
use super::edit::{self, Changes};
use super::{foreground, health, resolve};
use crate::error::{Error, Kind};
use crate::pg::catalog::current_user;
use crate::pg::nonatomic;
use crate::pg::session;
use crate::pg::subxact::Caught;
use crate::worker;
use pgrx::JsonB;
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

fn need<T>(value: Option<T>, argument: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

/// Makes a job that runs as the current user.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn add_job(
    proc: Option<pg_sys::Oid>,
    schedule_interval: Option<Interval>,
    config: Option<JsonB>,
    initial_start: Option<TimestampWithTimeZone>,
    scheduled: Option<bool>,
    check_config: Option<pg_sys::Oid>,
    fixed_schedule: Option<bool>,
    timezone: Option<String>,
    job_name: Option<String>,
) -> Result<i32, ErrorReport> {
    let interval = need(schedule_interval, "schedule_interval")?;
    let (proc_schema, proc_name) = resolve::job_proc(need(proc, "proc")?)?;
    edit::check_schedule(&interval)?;
    edit::check_time("initial_start", initial_start.as_ref())?;
    edit::check_zone(timezone.as_deref())?;
    let check = check_config.map(resolve::check_proc).transpose()?;
    let text = config.as_ref().map(|c| c.0.to_string());
    edit::check_config(current_user(), check.as_ref(), text.as_deref())?;
    let id = catalog::add(NewJob {
        name: job_name.as_deref(),
        kind: "User-Defined Action",
        proc_schema: &proc_schema,
        proc_name: &proc_name,
        owner: current_user(),
        hypertable: None,
        schedule_interval: super::catalog::interval_text(&interval),
        max_runtime: None,
        retry_period: None,
        scheduled: scheduled.unwrap_or(true),
        fixed_schedule: fixed_schedule.unwrap_or(true),
        initial_start,
        timezone,
        config,
        check,
        timed: true,
    })?;
    worker::wake_at_commit();
    foreground::tell_without_worker();
    Ok(id)
}

/// Changes a job of the current user; false when there is none.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn alter_job(
    job_id: Option<i32>,
    schedule_interval: Option<Interval>,
    max_runtime: Option<Interval>,
    max_retries: Option<i32>,
    retry_period: Option<Interval>,
    scheduled: Option<bool>,
    config: Option<JsonB>,
    next_start: Option<TimestampWithTimeZone>,
    if_exists: Option<bool>,
    check_config: Option<pg_sys::Oid>,
    fixed_schedule: Option<bool>,
    initial_start: Option<TimestampWithTimeZone>,
    timezone: Option<String>,
    job_name: Option<String>,
) -> Result<bool, ErrorReport> {
    let id = need(job_id, "job_id")?;
    let changed = edit::alter(
        id,
        Changes {
            schedule_interval,
            max_runtime,
            max_retries,
            retry_period,
            scheduled,
            config,
            next_start,
            check: check_config.map(resolve::check_proc).transpose()?,
            fixed_schedule,
            initial_start,
            timezone,
            name: job_name,
        },
    )?;
    if !changed {
        if if_exists != Some(true) {
            return Err(edit::unknown(id).into());
        }
        session::notice(&format!("job {id} does not exist, skipping"), None);
    }
    Ok(changed)
}

/// Deletes a job of the current user.
#[pg_extern(sql = false)]
fn delete_job(job_id: Option<i32>) -> Result<(), ErrorReport> {
    Ok(edit::delete(need(job_id, "job_id")?)?)
}

/// Runs a job now. Not inside a transaction block.
#[pg_extern(sql = false)]
fn run_job(job_id: Option<i32>, call: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    let id = need(job_id, "job_id")?;
    nonatomic::check_call(call, "run_job", "CALL strata.run_job alone")?;
    foreground::run_job(id).map_err(Caught::raise)
}

/// Makes chunks ahead, runs due jobs. Not inside a transaction block.
#[pg_extern(sql = false)]
fn run_maintenance(call: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    nonatomic::check_call(
        call,
        "run_maintenance",
        "CALL strata.run_maintenance() alone",
    )?;
    foreground::run_maintenance().map_err(Caught::raise)
}

/// Lets the jobs of a restored database run.
#[pg_extern(sql = false)]
fn start_workers() -> Result<i32, ErrorReport> {
    Ok(edit::start_workers()?)
}

/// How pg_strata fares in this database.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn health() -> Result<
    TableIterator<
        'static,
        (
            name!(name, String),
            name!(value, Option<String>),
            name!(ok, bool),
            name!(hint, Option<String>),
        ),
    >,
    ErrorReport,
> {
    Ok(TableIterator::new(health::look()?))
}

/// What jobs of this database have in `home`.
#[pg_extern(sql = false)]
fn here() -> String {
    catalog::here()
}
