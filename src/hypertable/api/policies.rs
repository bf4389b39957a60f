//! Policies of hypertables; declared in sql/hypertable/policy_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::policy::{self, When};
use super::super::{retention, upkeep};
use super::{need, text};
use crate::pg::anyvalue::{AnyValue, any_value};
use crate::queue;
use pgrx::AnyElement;
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CStr;

fn interval_text(interval: Option<Interval>) -> Result<Option<String>, crate::error::Error> {
    interval
        .map(|i| {
            queue::check_schedule(&i)?;
            Ok(queue::interval_text(&i))
        })
        .transpose()
}

/// Makes the job that drops old chunks.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn add_retention_policy(
    relation: Option<pg_sys::Oid>,
    drop_after: Option<AnyElement>,
    if_not_exists: Option<bool>,
    schedule_interval: Option<Interval>,
    initial_start: Option<TimestampWithTimeZone>,
    timezone: Option<String>,
    drop_created_before: Option<Interval>,
) -> Result<i32, ErrorReport> {
    let created = drop_created_before.map(|i| AnyValue::Interval {
        months: i.months(),
        days: i.days(),
        us: i.micros(),
    });
    Ok(policy::add_retention(
        need(relation, "relation")?,
        drop_after.as_ref().map(any_value).as_ref(),
        created.as_ref(),
        When {
            schedule_interval: interval_text(schedule_interval)?,
            initial_start,
            timezone,
            if_not_exists: if_not_exists == Some(true),
        },
    )?)
}

/// Removes the job that drops old chunks.
#[pg_extern(sql = false)]
fn remove_retention_policy(
    relation: Option<pg_sys::Oid>,
    if_exists: Option<bool>,
) -> Result<(), ErrorReport> {
    let relation = need(relation, "relation")?;
    let if_exists = if_exists == Some(true);
    Ok(policy::remove(
        relation,
        retention::POLICY,
        "retention",
        if_exists,
    )?)
}

/// Makes the job that writes chunks in the order of an index.
#[pg_extern(sql = false)]
fn add_reorder_policy(
    hypertable: Option<pg_sys::Oid>,
    index_name: Option<&CStr>,
    if_not_exists: Option<bool>,
    initial_start: Option<TimestampWithTimeZone>,
    timezone: Option<String>,
) -> Result<i32, ErrorReport> {
    Ok(policy::add_reorder(
        need(hypertable, "hypertable")?,
        &text(need(index_name, "index_name")?),
        When {
            schedule_interval: None,
            initial_start,
            timezone,
            if_not_exists: if_not_exists == Some(true),
        },
    )?)
}

/// Removes the job that writes chunks in the order of an index.
#[pg_extern(sql = false)]
fn remove_reorder_policy(
    hypertable: Option<pg_sys::Oid>,
    if_exists: Option<bool>,
) -> Result<(), ErrorReport> {
    let relation = need(hypertable, "hypertable")?;
    let if_exists = if_exists == Some(true);
    Ok(policy::remove(
        relation,
        upkeep::REORDER,
        "reorder",
        if_exists,
    )?)
}
