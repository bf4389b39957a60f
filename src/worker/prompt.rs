//! What the worker of a database does at once whenever it is woken, however often that is: without a round, and
//! without the watches, which ask the catalog.

use super::{PROMPTS, list_prompts, log_failure};
use crate::pg::bgworker;
use crate::pg::shmem;
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// What a prompt step leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    /// it is to run again after this time, at the latest
    again: Option<Duration>,
    /// it is the reason of this waking
    explains: bool,
}

impl Prompt {
    /// There was nothing to do.
    pub const NOTHING: Prompt = Prompt {
        again: None,
        explains: false,
    };
    /// There was something to do, and it is done.
    pub const DONE: Prompt = Prompt {
        again: None,
        explains: true,
    };

    /// There is something to do, but not yet.
    #[must_use]
    pub fn not_before(time: Duration) -> Prompt {
        Prompt {
            again: Some(time),
            explains: true,
        }
    }

    /// To run again after this time, whatever happens.
    #[must_use]
    pub fn again(time: Duration) -> Prompt {
        Prompt {
            again: Some(time),
            explains: false,
        }
    }

    fn and(self, other: Prompt) -> Prompt {
        let again = self.again.into_iter().chain(other.again).min();
        Prompt {
            again,
            explains: self.explains || other.explains,
        }
    }
}

/// Another reason may hide behind the one that explains a waking (a process that has ended): the watches run so
/// long after it at the latest.
const HIDDEN: Duration = Duration::from_millis(200);

/// Sleeps until the watches are to run, at most for `nap`; meanwhile the prompt steps run. True when
/// postgresql.conf was read again.
pub(super) fn rest(database: Oid, nap: Duration) -> bool {
    let mut until = Instant::now() + nap;
    let mut woken = false;
    loop {
        let prompt = run();
        if (woken && !prompt.explains) || shmem::is_called(database) {
            return false;
        }
        let now = Instant::now();
        if prompt.explains {
            until = until.min(now + HIDDEN);
        }
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            return false;
        }
        let pause = whole_ms(prompt.again.map_or(left, |again| again.min(left)));
        if bgworker::wait(pause) {
            return true;
        }
        woken = now.elapsed() < pause;
    }
}

/// Latches know milliseconds only.
fn whole_ms(time: Duration) -> Duration {
    let ms = time.as_micros().div_ceil(1000).max(1);
    Duration::from_millis(u64::try_from(ms).unwrap_or(60_000))
}

fn run() -> Prompt {
    let mut all = Prompt::NOTHING;
    for (name, step) in list_prompts(&PROMPTS) {
        match bgworker::contain(step) {
            Ok(prompt) => all = all.and(prompt),
            Err(_) if super::database::is_gone() => break,
            // not at once again: what failed may fail for long
            Err(error) => {
                log_failure(&format!("\"{name}\" of the background worker"), error);
                all = all.and(Prompt::again(Duration::from_secs(1)));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_wish_counts() {
        let ms = Duration::from_millis;
        let both = Prompt::again(ms(250)).and(Prompt::not_before(ms(3)));
        assert_eq!((both.again, both.explains), (Some(ms(3)), true));
        assert_eq!(Prompt::NOTHING.and(Prompt::DONE), Prompt::DONE);
    }

    #[test]
    fn no_sleep_is_shorter_than_a_latch_knows() {
        let whole = |us| whole_ms(Duration::from_micros(us)).as_millis();
        assert_eq!((whole(0), whole(999), whole(1001)), (1, 1, 2));
    }
}
