//! How long something may take, as callers say it.

use crate::error::{Error, Kind, Result};
use pgrx::datum::Interval;

/// Nothing takes longer, as with the settings of a queue: so every time that follows is one that PostgreSQL can
/// write and read again, in a dump too.
const LONGEST_US: i128 = super::settings::LONGEST_US as i128;

/// Microseconds of an interval argument, a month being 30 days; 22023 if it is shorter than `least`, or longer than
/// 100 years.
pub fn microseconds(interval: Interval, argument: &str, least: i64) -> Result<i64> {
    let days = i128::from(interval.months()) * 30 + i128::from(interval.days());
    checked(
        days * 86_400_000_000 + i128::from(interval.micros()),
        argument,
        least,
    )
}

fn checked(us: i128, argument: &str, least: i64) -> Result<i64> {
    let what = match i64::try_from(us) {
        Ok(fits) if us >= i128::from(least) && us <= LONGEST_US => return Ok(fits),
        _ if us > LONGEST_US => "at most 100 years",
        _ if least > 0 => "longer than 0",
        _ => "0 or longer",
    };
    Err(Error::new(
        Kind::InvalidParameter,
        format!("{argument} must be {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(us: i128, least: i64) -> String {
        checked(us, "lease", least)
            .err()
            .map_or_else(String::new, |e| e.message)
    }

    #[test]
    fn lengths_are_those_that_times_can_hold() {
        assert_eq!(checked(1, "lease", 1).ok(), Some(1));
        assert_eq!(checked(0, "lease", 0).ok(), Some(0));
        assert!(checked(LONGEST_US, "lease", 0).is_ok());
        assert_eq!(message(0, 1), "lease must be longer than 0");
        assert_eq!(message(-1, 0), "lease must be 0 or longer");
        let far = i128::from(i64::MAX) * 1_000;
        assert_eq!(
            message(LONGEST_US + 1, 0),
            "lease must be at most 100 years"
        );
        assert_eq!(message(far, 1), "lease must be at most 100 years");
        assert_eq!(message(-far, 1), "lease must be longer than 0");
    }
}
