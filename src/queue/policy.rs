//! Jobs that are our own code: registered by the nouns that they belong to.

use super::catalog::{self, Job, NewJob, Outcome};
use crate::error::Result;
use crate::pg::owner::{SettingScope, as_extension_owner};
use crate::pg::spi;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::{JsonB, pg_sys};
use std::sync::{Mutex, PoisonError};

/// Where policies seem to live: no procedure of a user can.
pub const SCHEMA: &str = "strata";

/// How long the scheduler waits for a lock when it asks a policy.
const LOCK_TIMEOUT: &str = "200ms";

/// What a policy does, outside of a transaction, in a worker that is connected as superuser.
type Run = fn(&Job) -> Outcome;
/// Whether there is anything to do, in a transaction of the scheduler: spares a process.
type Needed = fn(&Job) -> Result<bool>;

static POLICIES: Mutex<Vec<(&'static str, Needed, Run)>> = Mutex::new(Vec::new());

/// Adds a kind of policy; once, when the library is loaded.
pub fn register_policy(name: &'static str, needed: Needed, run: Run) {
    let mut policies = POLICIES.lock().unwrap_or_else(PoisonError::into_inner);
    policies.push((name, needed, run));
}

fn registered(job: &Job) -> Option<(Needed, Run)> {
    if job.proc_schema != SCHEMA {
        return None;
    }
    let policies = POLICIES.lock().unwrap_or_else(PoisonError::into_inner);
    let found = policies.iter().find(|(name, ..)| *name == job.proc_name);
    found.map(|(_, needed, run)| (*needed, *run))
}

/// What runs the job, if it is a policy.
pub(super) fn runner(job: &Job) -> Option<Run> {
    registered(job).map(|(_, run)| run)
}

/// False when a policy has nothing to do. True for jobs of users. 55P03 when somebody has locked what must be
/// looked at: the schedules of the whole database wait meanwhile.
pub(super) fn needed(job: &Job) -> Result<bool> {
    let settings = SettingScope::new();
    settings.set("lock_timeout", LOCK_TIMEOUT);
    registered(job).map_or(Ok(true), |(needed, _)| needed(job))
}

const OF: &str = "SELECT id, config::text FROM strata.job WHERE hypertable = $1::oid::regclass AND proc_schema = 'strata' \
    AND proc_name = $2 ORDER BY id LIMIT 1";
const OFF: &str = "SELECT NOT bool_or(scheduled) FROM strata.job WHERE hypertable = $1::oid::regclass \
    AND proc_schema = 'strata' AND proc_name = $2 HAVING count(*) > 0";
const SOON: &str = "UPDATE strata.job_state s SET next_start = now() FROM strata.job j WHERE j.id = s.job_id \
    AND j.hypertable = $1::oid::regclass AND j.proc_schema = 'strata' AND j.proc_name = $2";
const DELETE: &str = "DELETE FROM strata.job WHERE hypertable = $1::oid::regclass AND proc_schema = 'strata' \
    AND proc_name = $2 RETURNING id";

/// Number and config (JSON text) of the policy of that kind on a hypertable.
pub fn policy_of(hypertable: pg_sys::Oid, name: &str) -> Result<Option<(i32, Option<String>)>> {
    as_extension_owner(|| {
        spi::read_one(OF, &[hypertable.into(), name.into()], |r| {
            Ok((r.need(1)?, r.get(2)?))
        })
    })
}

/// True when the policy of a hypertable is there and not scheduled.
pub fn is_switched_off(hypertable: pg_sys::Oid, name: &str) -> Result<bool> {
    let off = as_extension_owner(|| {
        spi::read_one(OFF, &[hypertable.into(), name.into()], |r| r.need(1))
    })?;
    Ok(off.unwrap_or(false))
}

/// Makes a policy of a hypertable due after this transaction.
pub fn run_soon(hypertable: pg_sys::Oid, name: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(SOON, &[hypertable.into(), name.into()]))?;
    crate::worker::wake_at_commit();
    Ok(())
}

/// A policy that is to be made.
pub struct NewPolicy<'a> {
    pub name: &'a str,
    /// for people: `Retention Policy`
    pub title: &'a str,
    pub hypertable: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub schedule_interval: String,
    pub scheduled: bool,
    pub initial_start: Option<TimestampWithTimeZone>,
    pub timezone: Option<String>,
    pub config: Option<JsonB>,
    /// false: a step of the background worker runs it in each round
    pub timed: bool,
}

/// Makes a policy; the caller has checked who may. Returns its number.
pub fn add_policy(new: NewPolicy<'_>) -> Result<i32> {
    // drifts by its run time unless a first time was given, which then stays the time of day
    let fixed_schedule = new.initial_start.is_some();
    let id = catalog::add(NewJob {
        name: None,
        kind: new.title,
        proc_schema: SCHEMA,
        proc_name: new.name,
        owner: new.owner,
        hypertable: Some(new.hypertable),
        schedule_interval: new.schedule_interval,
        max_runtime: None,
        retry_period: None,
        scheduled: new.scheduled,
        fixed_schedule,
        initial_start: new.initial_start,
        timezone: new.timezone,
        config: new.config,
        check: None,
        timed: new.timed,
    })?;
    crate::worker::wake_at_commit();
    Ok(id)
}

/// Removes a policy; false when there is none.
pub fn remove_policy(hypertable: pg_sys::Oid, name: &str) -> Result<bool> {
    let gone = as_extension_owner(|| {
        spi::write_one(DELETE, &[hypertable.into(), name.into()], |r| {
            r.need::<i32>(1)
        })
    })?;
    Ok(gone.is_some())
}

/// Notes a run of a policy that a step of the background worker made, in the step's transaction. Only runs
/// that did something or failed are worth it.
pub fn note_run(id: i32, outcome: &Outcome) -> Result<()> {
    catalog::begin(id)?;
    catalog::finish(id, outcome).map(|_| ())
}
