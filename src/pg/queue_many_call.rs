//! The functions of the queue that take many jobs at once, and the procedure that waits.

use super::call::{Call, Value, c_function};
use super::cold_state::raise;
use crate::error::{Error, Kind, Result};
use pgrx::{IntoDatum, pg_sys};
use std::sync::OnceLock;

/// Arguments of `queue_push_many`.
pub struct PushMany {
    pub queue: String,
    pub payloads: Vec<Option<Value>>,
    pub unique_keys: Option<Vec<Option<String>>>,
    pub group_keys: Option<Vec<Option<String>>>,
    /// microseconds since 2000-01-01 UTC
    pub run_at: Option<i64>,
    pub priority: i32,
    pub max_attempts: Option<i32>,
    pub kind: Option<Value>,
    pub on_duplicate: String,
}

/// Arguments of `queue_complete_many`.
pub struct CompleteMany {
    pub queue: String,
    pub claims: Vec<Option<i64>>,
    pub results: Option<Vec<Option<Value>>>,
    pub strict: bool,
}

/// Arguments of `queue_wait`.
pub struct Wait {
    pub queue: String,
    pub timeout_us: i64,
    pub id: Option<i64>,
}

/// What the queue does when it is called.
pub trait Many: Sync {
    /// The ids, in the order of the payloads; `None` where one was skipped.
    fn push(&self, args: &PushMany) -> Result<Vec<Option<i64>>>;
    /// The claims that were lost.
    fn complete(&self, args: &CompleteMany) -> Result<Vec<i64>>;
    /// False: the time is over.
    fn wait(&self, args: &Wait) -> Result<bool>;
}

static MANY: OnceLock<&'static dyn Many> = OnceLock::new();

/// Registers the queue; once, when the library is loaded.
pub fn register(many: &'static dyn Many) {
    let _ = MANY.set(many);
}

fn many() -> Result<&'static dyn Many> {
    MANY.get()
        .copied()
        .ok_or_else(|| Error::internal("the queue is not registered"))
}

fn need<T>(value: Option<T>, argument: &str) -> Result<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

fn or_raise<T>(out: Result<T>) -> T {
    out.unwrap_or_else(|e| raise(e))
}

fn push_many(call: Call) -> pg_sys::Datum {
    let ids = (|| {
        many()?.push(&PushMany {
            queue: need(call.get(0), "queue")?,
            payloads: need(call.values(1), "payloads")?,
            unique_keys: call.get(2),
            group_keys: call.get(3),
            run_at: call.arg(4).map(|d| d.value() as i64),
            priority: call.get(5).unwrap_or(0),
            max_attempts: call.get(6),
            kind: call.value(7),
            on_duplicate: need(call.get(8), "on_duplicate")?,
        })
    })();
    call.answer(or_raise(ids).into_datum())
}
c_function!(
    queue_push_many_wrapper,
    pg_finfo_queue_push_many_wrapper,
    push_many
);

fn complete_many(call: Call) -> pg_sys::Datum {
    let lost = (|| {
        many()?.complete(&CompleteMany {
            queue: need(call.get(0), "queue")?,
            claims: need(call.get(1), "claims")?,
            results: call.values(2),
            strict: call.get(3).unwrap_or(false),
        })
    })();
    call.answer(or_raise(lost).into_datum())
}
c_function!(
    queue_complete_many_wrapper,
    pg_finfo_queue_complete_many_wrapper,
    complete_many
);

fn wait(call: Call) -> pg_sys::Datum {
    let ready = (|| {
        call.check_nonatomic(
            "queue_wait",
            "CALL strata.queue_wait() alone, after the COMMIT of what it is to wait for; it commits before it waits.",
        )?;
        let timeout: pgrx::datum::Interval = need(call.get(1), "timeout")?;
        many()?.wait(&Wait {
            queue: need(call.get(0), "queue")?,
            timeout_us: i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX),
            id: call.get(2),
        })
    })();
    call.record(vec![Some(or_raise(ready).into())])
}
c_function!(queue_wait_wrapper, pg_finfo_queue_wait_wrapper, wait);
