//! The functions of the queue that are called for every job: payloads go through as they come.

use super::call::{Call, Value, c_function};
use super::cold_state::raise;
use super::segment::{Values, column};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::sync::OnceLock;

/// Arguments of `queue_push`.
pub struct Push {
    pub queue: String,
    pub payload: Option<Value>,
    pub unique_key: Option<String>,
    /// microseconds since 2000-01-01 UTC
    pub run_at: Option<i64>,
    pub priority: i32,
    pub max_attempts: Option<i32>,
    pub group_key: Option<String>,
    pub kind: Option<Value>,
    pub on_duplicate: String,
    pub unique_until: String,
    pub unique_for: Option<pgrx::datum::Interval>,
    pub after: Option<Vec<Option<i64>>>,
}

/// Arguments of `queue_push_sql`.
pub struct PushSql {
    /// with the payload for the command
    pub push: Push,
    pub command: String,
    /// `None`: the current user
    pub run_as: Option<pg_sys::Oid>,
    pub timeout: Option<pgrx::datum::Interval>,
    pub atomic: bool,
}

/// Arguments of `queue_schedule`.
pub struct NewSchedule {
    pub name: String,
    pub queue: String,
    pub schedule: String,
    pub payload: Option<Value>,
    pub command: Option<String>,
    pub timezone: String,
    pub missed: String,
    pub overlap: bool,
    pub paused: bool,
    pub run_as: Option<pg_sys::Oid>,
}

/// Arguments of `queue_pop`, and of `queue_next`, which completes `done` before.
pub struct Pop {
    pub queue: String,
    pub worker: Option<String>,
    /// `None` for `queue_pop`
    pub done: Option<Vec<Option<i64>>>,
    pub results: Option<Vec<Option<Value>>>,
    pub n: i32,
    pub lease: Option<pgrx::datum::Interval>,
    pub session: bool,
    pub strict: bool,
}

/// A job that was given to a worker.
pub struct Given {
    pub claim: i64,
    pub priority: i32,
    pub row: Values,
}

/// What the queue does when it is called.
pub trait Calls: Sync {
    /// The id of the job; `None` if it was skipped.
    fn push(&self, args: &Push) -> Result<Option<i64>>;
    fn push_sql(&self, args: &PushSql) -> Result<Option<i64>>;
    /// The number of the schedule.
    fn schedule(&self, args: &NewSchedule) -> Result<i64>;
    /// False: there is none of this name.
    fn unschedule(&self, name: &str) -> Result<bool>;
    fn pop(&self, args: &Pop) -> Result<Vec<Given>>;
    /// False: the claim was lost.
    fn complete(
        &self,
        queue: &str,
        claim: i64,
        result: Option<Value>,
        strict: bool,
    ) -> Result<bool>;
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

fn or_raise<T>(out: Result<T>) -> T {
    out.unwrap_or_else(|e| raise(e))
}

/// What a push says of a job, from the argument with the key on.
fn new_push(call: Call, payload: Option<Value>, key: usize) -> Push {
    Push {
        queue: need(call.get(0), "queue"),
        payload,
        unique_key: call.get(key),
        run_at: call.arg(key + 1).map(|d| d.value() as i64),
        priority: call.get(key + 2).unwrap_or(0),
        max_attempts: call.get(key + 3),
        group_key: call.get(key + 4),
        kind: call.value(key + 5),
        on_duplicate: need(call.get(key + 6), "on_duplicate"),
        unique_until: need(call.get(key + 7), "unique_until"),
        unique_for: call.get(key + 8),
        after: call.get(key + 9),
    }
}

fn push_sql(call: Call) -> pg_sys::Datum {
    let args = PushSql {
        push: new_push(call, call.value(2), 6),
        command: need(call.get(1), "command"),
        run_as: call.get(3),
        timeout: call.get(4),
        atomic: need(call.get(5), "atomic"),
    };
    call.answer(or_raise(calls().push_sql(&args)).map(pg_sys::Datum::from))
}
c_function!(
    queue_push_sql_wrapper,
    pg_finfo_queue_push_sql_wrapper,
    push_sql
);

fn schedule(call: Call) -> pg_sys::Datum {
    let args = NewSchedule {
        name: need(call.get(0), "name"),
        queue: need(call.get(1), "queue"),
        schedule: need(call.get(2), "schedule"),
        payload: call.value(3),
        command: call.get(4),
        timezone: need(call.get(5), "timezone"),
        missed: need(call.get(6), "missed"),
        overlap: need(call.get(7), "overlap"),
        paused: need(call.get(8), "paused"),
        run_as: call.get(9),
    };
    or_raise(calls().schedule(&args)).into()
}
c_function!(
    queue_schedule_wrapper,
    pg_finfo_queue_schedule_wrapper,
    schedule
);

fn unschedule(call: Call) -> pg_sys::Datum {
    let name: String = need(call.get(0), "name");
    or_raise(calls().unschedule(&name)).into()
}
c_function!(
    queue_unschedule_wrapper,
    pg_finfo_queue_unschedule_wrapper,
    unschedule
);

fn push(call: Call) -> pg_sys::Datum {
    let args = new_push(call, call.value(1), 2);
    call.answer(or_raise(calls().push(&args)).map(pg_sys::Datum::from))
}
c_function!(queue_push_wrapper, pg_finfo_queue_push_wrapper, push);

fn pop(call: Call) -> pg_sys::Datum {
    deliver(
        call,
        &Pop {
            queue: need(call.get(0), "queue"),
            worker: call.get(1),
            done: None,
            results: None,
            n: call.get(2).unwrap_or(1),
            lease: call.get(3),
            session: call.get(4).unwrap_or(false),
            strict: false,
        },
    )
}
c_function!(queue_pop_wrapper, pg_finfo_queue_pop_wrapper, pop);

fn next(call: Call) -> pg_sys::Datum {
    deliver(
        call,
        &Pop {
            queue: need(call.get(0), "queue"),
            worker: call.get(1),
            done: Some(call.get(2).unwrap_or_default()),
            results: call.values(3),
            n: call.get(4).unwrap_or(1),
            lease: call.get(5),
            session: call.get(6).unwrap_or(false),
            strict: call.get(7).unwrap_or(false),
        },
    )
}
c_function!(queue_next_wrapper, pg_finfo_queue_next_wrapper, next);

fn deliver(call: Call, args: &Pop) -> pg_sys::Datum {
    let given = or_raise(calls().pop(args));
    call.rows(given.into_iter().map(|given| {
        let row = &given.row;
        vec![
            row.get(column::ID),
            Some(given.claim.into()),
            row.get(column::PAYLOAD),
            row.get(column::KIND),
            Some(i32::from(row.short(column::ATTEMPT)).into()),
            Some(given.priority.into()),
            row.get(column::GROUP_KEY),
            row.get(column::PUSHED_AT),
            row.get(column::LEASE_UNTIL),
        ]
    }))
}

fn complete(call: Call) -> pg_sys::Datum {
    let queue: String = need(call.get(0), "queue");
    let claim = need(call.get(1), "claim");
    let strict = call.get(3).unwrap_or(false);
    let done = or_raise(calls().complete(&queue, claim, call.value(2), strict));
    done.into()
}
c_function!(
    queue_complete_wrapper,
    pg_finfo_queue_complete_wrapper,
    complete
);
