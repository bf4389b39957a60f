//! The policies of hypertables: what the queue runs for them, and who may ask for it.

use super::catalog::{self, Hypertable};
use super::{chunks, drop_task, reopen, retention, upkeep, zone, zone_open};
use crate::error::{Error, Kind, Result};
use crate::pg::anyvalue::AnyValue;
use crate::pg::bgworker;
use crate::pg::catalog::{check_owner, extension};
use crate::pg::databases::Command;
use crate::pg::hooks;
use crate::pg::session;
use crate::queue::{self, Job, NewPolicy, Outcome};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::{JsonB, pg_sys};
use serde_json::{Map, Value};

/// Tells queue and worker about us; once, when the library is loaded.
pub fn policies() {
    queue::register_policy(retention::POLICY, retention::needed, retention::run);
    queue::register_policy(
        upkeep::DROP_EMPTY,
        upkeep::drop_empty_needed,
        upkeep::drop_empty,
    );
    queue::register_policy(upkeep::REORDER, upkeep::reorder_needed, upkeep::reorder);
    queue::register_policy(upkeep::ANALYZE, |_| Ok(true), upkeep::analyze);
    queue::register_policy(zone::POLICY, zone::needed, zone::run);
    queue::register_policy(PREMAKE, |_| Ok(true), premake);
    queue::register_task(drop_task::KIND, drop_task::run);
    queue::register_task(super::detach_task::KIND, super::detach_task::run);
    queue::register_step("detach", drop_task::finish_pending);
    hooks::before_command(before_command);
}

/// CHECKs of closed chunks would refuse a new type, or what USING makes of the values.
fn before_command(command: &Command) -> Result<()> {
    match command {
        Command::Retype { relation } if is_registered(*relation)? => zone_open::open_all(*relation),
        _ => Ok(()),
    }
}

fn is_registered(relation: pg_sys::Oid) -> Result<bool> {
    Ok(
        extension().is_some_and(|e| e.version == env!("CARGO_PKG_VERSION"))
            && catalog::hypertable(relation)?.is_some(),
    )
}

/// Names of the policies that each hypertable has from the start.
pub const PREMAKE: &str = "policy_premake";

/// Gives a new hypertable its own policies.
pub fn enroll(relation: pg_sys::Oid, owner: pg_sys::Oid) -> Result<()> {
    let add = |name, title, interval: &str, scheduled, timed| {
        queue::add_policy(NewPolicy {
            name,
            title,
            hypertable: relation,
            owner,
            schedule_interval: interval.into(),
            scheduled,
            initial_start: None,
            timezone: None,
            config: None,
            timed,
        })
    };
    add(PREMAKE, "Premake", "1 minute", true, false)?;
    add(zone::POLICY, "Closing", "1 hour", true, true)?;
    add(upkeep::DROP_EMPTY, "Drop Empty", "1 hour", true, true)?;
    add(upkeep::ANALYZE, "Analyze", "1 day", false, true)?;
    Ok(())
}

fn premake(job: &Job) -> Outcome {
    bgworker::limit_lock_waits(200);
    let made = bgworker::transaction(|| {
        let h = retention::of_job(job)?;
        chunks::premake(&h).map(|_| ())
    });
    // what else stops rows that come; Closing itself runs once an hour
    let opened =
        bgworker::transaction(|| retention::of_job(job)).and_then(|h| reopen::for_subscription(&h));
    made.and(opened)
}

/// What the functions that add policies have in common.
pub struct When {
    pub schedule_interval: Option<String>,
    pub initial_start: Option<TimestampWithTimeZone>,
    pub timezone: Option<String>,
    pub if_not_exists: bool,
}

/// The hypertable, if the current user owns it.
pub fn owned(relation: pg_sys::Oid) -> Result<Hypertable> {
    let h = chunks::hypertable(relation)?;
    check_owner(h.table.oid)?;
    Ok(h)
}

/// -1 with a notice when there is such a policy with the same config and `if_not_exists`; 42710 otherwise.
pub fn existing(
    h: &Hypertable,
    policy: &str,
    what: &str,
    config: &Value,
    if_not_exists: bool,
) -> Result<Option<i32>> {
    let Some((_, present)) = queue::policy_of(h.table.oid, policy)? else {
        return Ok(None);
    };
    let same = present
        .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        .is_some_and(|p| p == *config);
    if !if_not_exists {
        return Err(Error::new(
            Kind::DuplicateObject,
            format!(
                "hypertable \"{}\" has a {what} policy already",
                h.table.name
            ),
        )
        .hint(format!(
            "SELECT * FROM strata.jobs WHERE hypertable_name = '{}'",
            h.table.name
        )));
    }
    let text = if same {
        format!(
            "hypertable \"{}\" has this {what} policy already, skipping",
            h.table.name
        )
    } else {
        format!(
            "hypertable \"{}\" has another {what} policy, which stays as it is",
            h.table.name
        )
    };
    session::notice(&text, None);
    Ok(Some(-1))
}

/// How often retention looks: daily, or hourly where chunks are shorter than a day.
fn retention_interval(h: &Hypertable) -> String {
    use super::bounds::Width;
    let day = if h.grid.key == super::key::KeyType::Date {
        1
    } else {
        super::calendar::DAY_US
    };
    match h.grid.width {
        Width::Units(n) if h.grid.key.is_time() && n < day => "1 hour".into(),
        _ => "1 day".into(),
    }
}

fn age(argument: &str, h: &Hypertable, value: &AnyValue) -> Result<Value> {
    let by_time = retention::by_time(h)?;
    match value {
        AnyValue::Interval { months, days, us } if by_time => {
            Ok(Value::String(interval_text(*months, *days, *us)?))
        }
        AnyValue::Text(text) if by_time => Ok(Value::String(text.clone())),
        AnyValue::Int(n) if !by_time => {
            retention::integer_now(h)?;
            Ok(Value::Number((*n).into()))
        }
        AnyValue::Text(text) if !by_time => {
            let n: i64 = text
                .trim()
                .parse()
                .map_err(|_| wrong(argument, h, by_time))?;
            retention::integer_now(h)?;
            Ok(Value::Number(n.into()))
        }
        _ => Err(wrong(argument, h, by_time)),
    }
}

fn wrong(argument: &str, h: &Hypertable, by_time: bool) -> Error {
    let wanted = if by_time { "an interval" } else { "an integer" };
    Error::new(
        Kind::WrongType,
        format!(
            "{argument} must be {wanted} for column \"{}\" of type {}",
            h.key,
            h.grid.key.sql_name()
        ),
    )
}

/// An interval as people write it.
pub fn interval_text(months: i32, days: i32, us: i64) -> Result<String> {
    let text = format!("{months} mons {days} days {us} microseconds");
    let _settings = chunks::ddl_settings();
    let shown = crate::pg::spi::read_one(
        "SELECT $1::pg_catalog.interval::pg_catalog.text",
        &[text.as_str().into()],
        |r| r.need::<String>(1),
    )?;
    Ok(shown.unwrap_or(text))
}

/// Makes a retention policy; returns its number, -1 when there is one.
pub fn add_retention(
    relation: pg_sys::Oid,
    drop_after: Option<&AnyValue>,
    drop_created_before: Option<&AnyValue>,
    when: When,
) -> Result<i32> {
    let h = owned(relation)?;
    let mut config = Map::new();
    if let Some(value) = drop_after {
        config.insert("drop_after".into(), age("drop_after", &h, value)?);
    }
    if let Some(AnyValue::Interval { months, days, us }) = drop_created_before {
        let text = interval_text(*months, *days, *us)?;
        config.insert("drop_created_before".into(), Value::String(text));
    }
    let config = Value::Object(config);
    let parsed = retention::Config::parse(Some(&config.to_string()))?;
    if let Some(id) = existing(
        &h,
        retention::POLICY,
        "retention",
        &config,
        when.if_not_exists,
    )? {
        return Ok(id);
    }
    // an interval that cannot be read, or a point out of range, is told now and not at night
    retention::too_old(&h, &parsed)?;
    add(
        &h,
        (retention::POLICY, "Retention Policy"),
        &retention_interval(&h),
        config,
        when,
    )
}

/// Makes a reorder policy; returns its number, -1 when there is one.
pub fn add_reorder(relation: pg_sys::Oid, index: &str, when: When) -> Result<i32> {
    let h = owned(relation)?;
    upkeep::index(&h, index)?;
    let config = serde_json::json!({ "index_name": index });
    if let Some(id) = existing(&h, upkeep::REORDER, "reorder", &config, when.if_not_exists)? {
        return Ok(id);
    }
    let named = (upkeep::REORDER, "Reorder Policy");
    add(&h, named, "1 hour", config, when)
}

/// Makes a policy of a hypertable, by its names for programs and for people, that runs each `interval` unless told
/// otherwise.
fn add(
    h: &Hypertable,
    (name, title): (&'static str, &'static str),
    interval: &str,
    config: Value,
    when: When,
) -> Result<i32> {
    queue::check_times(when.initial_start.as_ref(), when.timezone.as_deref())?;
    let id = queue::add_policy(NewPolicy {
        name,
        title,
        hypertable: h.table.oid,
        owner: h.table.owner,
        schedule_interval: when.schedule_interval.unwrap_or_else(|| interval.into()),
        scheduled: true,
        initial_start: when.initial_start,
        timezone: when.timezone,
        config: Some(JsonB(config)),
        timed: true,
    })?;
    queue::tell_without_worker();
    Ok(id)
}

/// Removes a policy; 42704 when there is none, a notice with `if_exists`.
pub fn remove(relation: pg_sys::Oid, policy: &str, what: &str, if_exists: bool) -> Result<()> {
    let h = owned(relation)?;
    if queue::remove_policy(h.table.oid, policy)? {
        return Ok(());
    }
    let text = format!("hypertable \"{}\" has no {what} policy", h.table.name);
    if if_exists {
        session::notice(&format!("{text}, skipping"), None);
        return Ok(());
    }
    Err(Error::new(Kind::UndefinedObject, text))
}

/// Notes what a step of the background worker did for a hypertable, where people look for it.
pub fn note_step(relation: pg_sys::Oid, policy: &str, outcome: &Outcome) -> Result<()> {
    match queue::policy_of(relation, policy)? {
        Some((id, _)) => queue::note_run(id, outcome),
        None => Ok(()),
    }
}
