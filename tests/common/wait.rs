//! Waiting for a condition, with a deadline; never for a time.

use std::time::{Duration, Instant};

/// How long a condition may take before the test fails: long, for machines that do much else.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Returns when `condition` holds; panics with `what` after [`DEADLINE`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_within(DEADLINE, what, condition);
}

/// Like [`wait_until`], with a deadline of its own. Returns the time it took.
#[track_caller]
pub fn wait_until_within(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let start = Instant::now();
    loop {
        if condition() {
            return start.elapsed();
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
