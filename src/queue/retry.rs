//! How long a job waits for its next attempt.

/// Settings of a queue, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    pub delay_us: i64,
    /// each delay is so many times the one before
    pub factor: f64,
    pub max_us: i64,
    /// each delay is longer or shorter by up to this fraction
    pub jitter: f64,
}

/// Microseconds between failed attempt number `attempt` (from 1) and the next one:
/// `least(max, delay * factor ^ (attempt - 1))`, longer or shorter by up to the jitter. `random` is from 0 to 1.
/// The jitter may take a delay above the maximum: many jobs that fail together must not come back together.
#[must_use]
pub fn delay_us(retry: &Retry, attempt: i32, random: f64) -> i64 {
    let exponent = attempt.saturating_sub(1).max(0);
    let grown = retry.delay_us.max(0) as f64 * retry.factor.max(0.0).powi(exponent);
    let most = retry.max_us.max(0) as f64;
    // 0 * infinity, for a delay of 0
    let base = if grown.is_nan() { 0.0 } else { grown.min(most) };
    let random = random.clamp(0.0, 1.0);
    let spread = 1.0 + retry.jitter.clamp(0.0, 1.0) * (2.0 * random - 1.0);
    (base * spread).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        delay_us: 5_000_000,
        factor: 2.0,
        max_us: 60_000_000,
        jitter: 0.0,
    };

    #[test]
    fn grows_to_the_maximum() {
        let delays: Vec<i64> = (1..=6)
            .map(|k| delay_us(&RETRY, k, 0.3) / 1_000_000)
            .collect();
        assert_eq!(delays, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn jitter_goes_both_ways() {
        let retry = Retry {
            jitter: 0.1,
            ..RETRY
        };
        let at = |random| delay_us(&retry, 1, random);
        assert_eq!(
            (at(0.0), at(0.5), at(1.0)),
            (4_500_000, 5_000_000, 5_500_000)
        );
    }

    #[test]
    fn extremes_are_delays_too() {
        let endless = Retry {
            delay_us: i64::MAX,
            factor: 1e300,
            max_us: i64::MAX,
            jitter: 1.0,
        };
        assert_eq!(delay_us(&endless, i32::MAX, 1.0), i64::MAX);
        let none = Retry {
            delay_us: 0,
            ..endless
        };
        assert_eq!(delay_us(&none, i32::MAX, 1.0), 0);
        let odd = Retry {
            delay_us: -5,
            factor: -3.0,
            max_us: -1,
            jitter: 7.0,
        };
        assert_eq!(delay_us(&odd, -9, 2.0), 0);
        let shrinking = Retry {
            factor: 0.5,
            ..RETRY
        };
        assert_eq!(delay_us(&shrinking, 3, 0.0), 1_250_000);
    }
}
