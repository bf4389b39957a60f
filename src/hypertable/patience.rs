//! Strong locks without a queue behind them: short attempts, each in a transaction of its own.

use crate::error::{Error, Kind, Result};
use crate::pg::subxact::{Caught, attempt};
use crate::pg::{bgworker, nonatomic};
use pgrx::PgSqlErrorCode;
use std::time::{Duration, Instant};

/// Nobody queues behind a lock request of ours for longer.
pub const LOCK_TIMEOUT: &str = "200ms";
/// Between two requests others get through.
const PAUSE: Duration = Duration::from_millis(300);
/// How long to try before giving up; what was done so far stays.
const PATIENCE: Duration = Duration::from_secs(300);

/// The same error again, with its SQLSTATE.
pub fn raise<T>(caught: Caught) -> Result<T> {
    caught.raise().report(pgrx::PgLogLevel::ERROR);
    Err(Error::internal("an error did not end the statement"))
}

fn may_retry(caught: &Caught) -> bool {
    matches!(
        caught.code,
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}

/// Runs `f` in transactions of its own until it gets its locks, and commits.
pub fn patiently<T>(name: &str, f: impl Fn() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        nonatomic::commit()?;
        let tried = nonatomic::with_snapshot(|| Ok(attempt(&f)))?;
        let caught = match tried {
            Ok(Ok(done)) => {
                nonatomic::commit()?;
                return Ok(done);
            }
            Ok(Err(error)) => return Err(error),
            Err(caught) => caught,
        };
        if !may_retry(&caught) {
            return raise(caught);
        }
        if start.elapsed() > PATIENCE {
            return Err(Error::new(
                Kind::LockNotAvailable,
                format!(
                    "table {name} was in use for {} seconds without a break",
                    PATIENCE.as_secs()
                ),
            )
            .detail("Each attempt gives up after 200 ms, so that nobody waits behind it. What was done so far stays.")
            .hint("call it again; it goes on where it stopped"));
        }
        bgworker::pause(PAUSE);
    }
}
