//! SQL surface of jobs by their id and of the history; declared in sql/queue/queue_past_code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::change::{self, Wish};
use super::rights::{self, Privilege};
use super::{cancel, find, known, living, own, past_sql, past_table, queue_sql};
use crate::error::{Error, Kind, Result};
use crate::pg::call::Value;
use crate::pg::queue_past::{Calls, Row};
use crate::pg::segment::column;
use crate::pg::{queue_args, spi};
use pgrx::pg_extern;
use pgrx::pg_sys::panic::ErrorReport;

pub struct Jobs;

impl Calls for Jobs {
    fn result(&self, queue: &str, id: i64) -> Result<Option<Row>> {
        let queue = known::queue(queue)?;
        rights::need(&queue, Privilege::Read)?;
        // a job that ends after the first look is in the history at the second one
        if let Some((state, row)) = find::look(&queue, id)? {
            let error = past_sql::last_error(&row)?;
            return Ok(Some(vec![
                queue_args::text_value(state),
                None,
                row.value(column::PROGRESS),
                error,
                queue_args::int_value(i32::from(row.short(column::ATTEMPT))),
                row.value(column::PUSHED_AT),
                row.value(column::CLAIMED_AT),
                None,
            ]));
        }
        past_sql::told(past_table::is_there()?, &queue, id)
    }
    fn change(
        &self,
        queue: &str,
        id: i64,
        priority: Option<i32>,
        run_at: Option<i64>,
        payload: Option<Value>,
    ) -> Result<bool> {
        spi::refuse_read_only(c"queue_change()");
        let queue = known::queue(queue)?;
        rights::need(&queue, Privilege::Admin)?;
        let wish = Wish {
            priority,
            run_at,
            payload,
        };
        change::change(&queue, id, &wish)
    }

    fn jobs(&self, put: &mut dyn FnMut(Row)) -> Result<()> {
        for name in queue_sql::names()? {
            let queue = known::queue(&name)?;
            if rights::has(&queue, Privilege::Read)? {
                living::jobs(&queue, &mut *put)?;
            }
        }
        own::shown()?.map_or(Ok(()), |queue| living::jobs(&queue, put))
    }
}

#[pg_extern(sql = false)]
fn queue_cancel(
    queue: Option<&str>,
    id: Option<i64>,
    reason: Option<&str>,
) -> std::result::Result<Option<String>, ErrorReport> {
    spi::refuse_read_only(c"queue_cancel()");
    let queue = known::queue(need(queue, "queue")?)?;
    rights::need(&queue, Privilege::Admin)?;
    let done = cancel::cancel(&queue, need(id, "id")?, reason)?;
    Ok(done.map(|d| d.name().to_owned()))
}

#[pg_extern(sql = false)]
fn queue_purge(queue: Option<&str>) -> std::result::Result<i64, ErrorReport> {
    spi::refuse_read_only(c"queue_purge()");
    let queue = known::queue(need(queue, "queue")?)?;
    rights::need(&queue, Privilege::Admin)?;
    Ok(i64::try_from(cancel::purge(&queue)?).unwrap_or(i64::MAX))
}

#[pg_extern(sql = false)]
fn queue_retry(queue: Option<&str>, id: Option<i64>) -> std::result::Result<bool, ErrorReport> {
    spi::refuse_read_only(c"queue_retry()");
    let queue = known::queue(need(queue, "queue")?)?;
    rights::need(&queue, Privilege::Admin)?;
    Ok(change::retry(&queue, need(id, "id")?)?)
}

#[pg_extern(sql = false)]
fn queue_length(queue: Option<&str>, state: Option<&str>) -> std::result::Result<i64, ErrorReport> {
    let queue = known::queue(need(queue, "queue")?)?;
    rights::need(&queue, Privilege::Read)?;
    Ok(living::count(&queue, need(state, "state")?)?)
}

fn need<T>(value: Option<T>, argument: &str) -> Result<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}
