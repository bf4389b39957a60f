//! SQL surface of settings and rights of queues; declared in sql/queue/rights_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::too_many_arguments, reason = "each setting is one")]

use super::counters::Event;
use super::rights::{self, Privilege};
use super::settings_sql::Given;
use super::{edit_queue, known, stats, top};
use crate::error::{Error, Kind, Result as Outcome};
use crate::pg::{session, time};
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

fn need<T>(value: Option<T>, argument: &str) -> Outcome<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

/// Makes a queue that belongs to the current user; false if there is one of this name.
#[pg_extern(sql = false)]
fn create_queue(
    queue: Option<&str>,
    lease: Option<Interval>,
    max_attempts: Option<i32>,
    retry_delay: Option<Interval>,
    retry_factor: Option<f64>,
    retry_max: Option<Interval>,
    retry_jitter: Option<f64>,
    keep: Option<String>,
    dead_letter: Option<String>,
    max_ready: Option<i64>,
    group_limit: Option<i32>,
    group_on_fail: Option<String>,
    notify: Option<String>,
    notify_channel: Option<String>,
    dedicated: Option<bool>,
    if_not_exists: Option<bool>,
) -> Result<bool, ErrorReport> {
    let given = Given {
        lease,
        max_attempts,
        retry_delay,
        retry_factor,
        retry_max,
        retry_jitter,
        keep,
        dead_letter,
        max_ready,
        group_limit,
        group_on_fail,
        notify,
        notify_channel,
        dedicated,
    };
    let name = need(queue, "queue")?;
    Ok(edit_queue::create(
        name,
        given,
        if_not_exists == Some(true),
    )?)
}

/// Changes a queue of the current user.
#[pg_extern(sql = false)]
fn alter_queue(
    queue: Option<&str>,
    lease: Option<Interval>,
    max_attempts: Option<i32>,
    retry_delay: Option<Interval>,
    retry_factor: Option<f64>,
    retry_max: Option<Interval>,
    retry_jitter: Option<f64>,
    keep: Option<String>,
    dead_letter: Option<String>,
    max_ready: Option<i64>,
    group_limit: Option<i32>,
    group_on_fail: Option<String>,
    notify: Option<String>,
    notify_channel: Option<String>,
    dedicated: Option<bool>,
    reset: Option<Vec<Option<String>>>,
    rename_to: Option<&str>,
    owner: Option<pg_sys::Oid>,
) -> Result<(), ErrorReport> {
    let given = Given {
        lease,
        max_attempts,
        retry_delay,
        retry_factor,
        retry_max,
        retry_jitter,
        keep,
        dead_letter,
        max_ready,
        group_limit,
        group_on_fail,
        notify,
        notify_channel,
        dedicated,
    };
    let reset: Option<Vec<String>> = reset.unwrap_or_default().into_iter().collect();
    let reset = need(reset, "an element of reset")?;
    Ok(edit_queue::alter(
        need(queue, "queue")?,
        given,
        &reset,
        rename_to,
        owner,
    )?)
}

/// Drops a queue of the current user.
#[pg_extern(sql = false)]
fn drop_queue(
    queue: Option<&str>,
    force: Option<bool>,
    if_exists: Option<bool>,
) -> Result<(), ErrorReport> {
    let name = need(queue, "queue")?;
    if if_exists == Some(true) && !super::settings_sql::exists(name)? {
        session::notice(&format!("queue \"{name}\" does not exist, skipping"), None);
        return Ok(());
    }
    Ok(edit_queue::drop(name, force == Some(true))?)
}

/// From now on pops give nothing.
#[pg_extern(sql = false)]
fn queue_pause(queue: Option<&str>) -> Result<(), ErrorReport> {
    Ok(edit_queue::pause(need(queue, "queue")?, true)?)
}

/// Ends `queue_pause`.
#[pg_extern(sql = false)]
fn queue_resume(queue: Option<&str>) -> Result<(), ErrorReport> {
    Ok(edit_queue::pause(need(queue, "queue")?, false)?)
}

fn change_rights(
    queue: Option<&str>,
    role: Option<pg_sys::Oid>,
    privileges: Option<Vec<Option<String>>>,
    give: bool,
) -> Outcome<()> {
    let queue = known::queue(need(queue, "queue")?)?;
    let privileges = rights::parse(&need(privileges, "privileges")?)?;
    rights::change(&queue, need(role, "role")?, &privileges, give)
}

/// Gives rights on a queue of the current user.
#[pg_extern(sql = false)]
fn queue_grant(
    queue: Option<&str>,
    role: Option<pg_sys::Oid>,
    privileges: Option<Vec<Option<String>>>,
) -> Result<(), ErrorReport> {
    Ok(change_rights(queue, role, privileges, true)?)
}

/// Takes them away.
#[pg_extern(sql = false)]
fn queue_revoke(
    queue: Option<&str>,
    role: Option<pg_sys::Oid>,
    privileges: Option<Vec<Option<String>>>,
) -> Result<(), ErrorReport> {
    Ok(change_rights(queue, role, privileges, false)?)
}

/// True when the current user may read the queue with this number; of a queue that was dropped, when he is a
/// superuser.
#[pg_extern(sql = false)]
fn queue_readable(qid: i32) -> Result<bool, ErrorReport> {
    Ok(match known::by_number(qid)? {
        Some(queue) => rights::has(&queue, Privilege::Read)?,
        None => session::is_superuser(),
    })
}

/// How the queues stand that the current user may read.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity, reason = "the columns of the view")]
fn queue_stats() -> Result<
    TableIterator<
        'static,
        (
            name!(queue, String),
            name!(ready, i64),
            name!(running, i64),
            name!(scheduled, i64),
            name!(held, i64),
            name!(oldest_ready, Option<TimestampWithTimeZone>),
            name!(pushed, Option<i64>),
            name!(done, Option<i64>),
            name!(failed, Option<i64>),
            name!(retried, Option<i64>),
            name!(segments, i32),
            name!(parked, i32),
            name!(workers, i32),
            name!(pushed_per_s, Option<f64>),
            name!(done_per_s, Option<f64>),
        ),
    >,
    ErrorReport,
> {
    let rows = stats::look()?.into_iter().map(|s| {
        let total = |event: Event| s.counted.map(|c| c.total[event as usize] as i64);
        let rate = |event: Event| s.counted.map(|c| c.rate[event as usize]);
        (
            s.queue.clone(),
            s.ready,
            s.running,
            s.scheduled,
            s.held,
            s.oldest_ready.and_then(|at| at.try_into().ok()),
            total(Event::Pushed),
            total(Event::Done),
            total(Event::Failed),
            total(Event::Retried),
            s.segments,
            s.parked,
            s.workers.len() as i32,
            rate(Event::Pushed),
            rate(Event::Done),
        )
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

/// The same as a picture for a terminal.
#[pg_extern(sql = false)]
fn queue_top() -> Result<SetOfIterator<'static, String>, ErrorReport> {
    Ok(SetOfIterator::new(top::picture(
        &stats::look()?,
        time::wall_clock(),
    )))
}

/// Who has jobs of them.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity, reason = "the columns of the function")]
fn queue_workers() -> Result<
    TableIterator<
        'static,
        (
            name!(queue, String),
            name!(worker, i32),
            name!(running, i64),
            name!(claimed_at, Option<TimestampWithTimeZone>),
            name!(lease_until, Option<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let rows = stats::workers()?.into_iter().map(|w| {
        (
            w.queue,
            w.worker,
            w.running,
            w.claimed_at.try_into().ok(),
            // no time for a lease by session
            w.lease_until.try_into().ok(),
        )
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}
