//! SQL surface of queues; declared in sql/queue/queue_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::rights::{self, Privilege};
use super::scheduler::Tx;
use super::{groups, home, known, maintain, runners, schedules};
use crate::error::{Error, Kind};
use crate::pg::{nonatomic, session};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// One round of housekeeping, for places without the background worker.
#[pg_extern(sql = false)]
fn queue_maintain(call: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    nonatomic::check_call(call, "queue_maintain", "CALL strata.queue_maintain() alone")?;
    if !nonatomic::with_snapshot(home::is_here)? && nonatomic::with_snapshot(home::has_queues)? {
        session::notice(
            "nothing is done for the queues of this database: it is a copy of another one",
            Some("SELECT strata.start_workers()"),
        );
    }
    schedules::fire(Tx::Session)?;
    maintain::round(Tx::Session)?;
    runners::start_some(Tx::Session)?;
    Ok(())
}

/// How many jobs of a group may be ready or running at once.
#[pg_extern(sql = false)]
fn queue_limit(
    queue: Option<&str>,
    group_key: Option<&str>,
    max_running: Option<i32>,
) -> Result<(), ErrorReport> {
    let missing =
        |argument: &str| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL"));
    let queue = known::queue(queue.ok_or_else(|| missing("queue"))?)?;
    let key = group_key.ok_or_else(|| missing("group_key"))?;
    rights::need(&queue, Privilege::Admin)?;
    if max_running.is_some_and(|limit| limit < 0) {
        return Err(Error::new(Kind::InvalidParameter, "max_running must not be negative").into());
    }
    Ok(groups::set_limit(&queue, key, max_running)?)
}
