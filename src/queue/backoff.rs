//! When a failed job is tried again.

/// Microseconds between the end of failure number `failures` (from 1) and the next try: `retry_us`, doubled
/// with each further failure, but never above `interval_us`, so that a failing job is tried at least as
/// often as it would run, and never below `retry_us`.
#[must_use]
pub fn delay_us(retry_us: i64, interval_us: i64, failures: i32) -> i64 {
    let retry = retry_us.max(0);
    let exponent = u32::try_from(failures.saturating_sub(1))
        .unwrap_or(0)
        .min(40);
    let grown = i128::from(retry) << exponent;
    let most = i128::from(interval_us.max(retry));
    i64::try_from(grown.min(most)).unwrap_or(i64::MAX)
}

/// True when a job has used up its retries: failure number `failures` was the last.
#[must_use]
pub fn gives_up(max_retries: i32, failures: i32) -> bool {
    max_retries >= 0 && failures > max_retries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_schedule_interval() {
        let delays: Vec<i64> = (1..=6).map(|n| delay_us(10, 100, n)).collect();
        assert_eq!(delays, [10, 20, 40, 80, 100, 100]);
    }

    #[test]
    fn a_retry_period_above_the_interval_holds() {
        assert_eq!(delay_us(500, 100, 1), 500);
        assert_eq!(delay_us(500, 100, 9), 500);
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(delay_us(i64::MAX, i64::MAX, i32::MAX), i64::MAX);
        assert_eq!(delay_us(1, i64::MAX, i32::MAX), 1 << 40);
        assert_eq!(delay_us(-5, 10, 0), 0);
    }

    #[test]
    fn counts_retries_and_not_runs() {
        assert!(!gives_up(-1, 1000));
        assert!(gives_up(0, 1));
        assert!(!gives_up(2, 2));
        assert!(gives_up(2, 3));
    }
}
