//! Functions about jobs that have ended, and about jobs by their id, as far as payloads and results go through.

use super::call::{Call, Value, c_function};
use super::cold_state::raise;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::sync::OnceLock;

/// Values of a row, in the order of the columns.
pub type Row = Vec<Option<Value>>;

/// What the queue does when it is called.
pub trait Calls: Sync {
    /// state, result, progress, error, attempt, pushed_at, started_at, finished_at
    fn result(&self, queue: &str, id: i64) -> Result<Option<Row>>;
    /// False: it does not wait.
    fn change(
        &self,
        queue: &str,
        id: i64,
        priority: Option<i32>,
        run_at: Option<i64>,
        payload: Option<Value>,
    ) -> Result<bool>;
    /// All living jobs that the current user may read: their columns as in the view `queue_jobs`, with numbers of queues
    /// and workers in place of names.
    fn jobs(&self, put: &mut dyn FnMut(Row)) -> Result<()>;
}

static CALLS: OnceLock<&'static dyn Calls> = OnceLock::new();

/// Registers the queue; once, when the library is loaded.
pub fn register(calls: &'static dyn Calls) {
    let _ = CALLS.set(calls);
}

fn calls() -> &'static dyn Calls {
    match CALLS.get() {
        Some(calls) => *calls,
        None => raise(Error::internal("the queue is not registered")),
    }
}

fn need<T>(value: Option<T>, argument: &str) -> T {
    value.unwrap_or_else(|| {
        raise(Error::new(
            Kind::NullNotAllowed,
            format!("{argument} must not be NULL"),
        ))
    })
}

fn result(call: Call) -> pg_sys::Datum {
    let queue: String = need(call.get(0), "queue");
    let row = calls().result(&queue, need(call.get(1), "id"));
    let row = row.unwrap_or_else(|e| raise(e));
    call.rows(
        row.into_iter()
            .map(|row| row.into_iter().map(|v| v.map(Value::datum)).collect()),
    )
}
c_function!(queue_result_wrapper, pg_finfo_queue_result_wrapper, result);

fn change(call: Call) -> pg_sys::Datum {
    let queue: String = need(call.get(0), "queue");
    let changed = calls().change(
        &queue,
        need(call.get(1), "id"),
        call.get(2),
        call.arg(3).map(|d| d.value() as i64),
        call.value(4),
    );
    changed.unwrap_or_else(|e| raise(e)).into()
}
c_function!(queue_change_wrapper, pg_finfo_queue_change_wrapper, change);

fn jobs(call: Call) -> pg_sys::Datum {
    let mut out = Ok(());
    let null = call.rows_by(|put| {
        let mut row = |row: Row| put(row.into_iter().map(|v| v.map(Value::datum)).collect());
        out = calls().jobs(&mut row);
    });
    out.unwrap_or_else(|e| raise(e));
    null
}
c_function!(queue_jobs_wrapper, pg_finfo_queue_jobs_wrapper, jobs);
