//! When a cron schedule is due next. Patterns are matched against local time as if it were UTC; what a zone's
//! clock does comes in by its offsets alone.
//!
//! A pattern with times of day keeps to the clock: what summer time skips is due at the first moment after the
//! gap, and in a doubled hour it is due once. A pattern for every minute or every hour goes by elapsed time.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDateTime, Cron, CronDateTime, Resolution, Weekday};
use std::cmp::Ordering;

/// A zone's clock: seconds to be added to UTC at a moment, both in seconds since 2000-01-01.
pub trait Zone {
    type Error;
    fn offset(&self, utc: i64) -> Result<i64, Self::Error>;
}

/// A pattern of five or six fields, or one like `@hourly`.
#[derive(Debug, Clone)]
pub struct Pattern {
    cron: Cron,
    /// goes by elapsed time
    elapsed: bool,
}

/// Why there is no next time.
#[derive(Debug, PartialEq, Eq)]
pub enum Never<E> {
    /// the pattern has none
    Pattern(String),
    Zone(E),
}

impl<E> From<E> for Never<E> {
    fn from(e: E) -> Self {
        Never::Zone(e)
    }
}

/// Local time as if it were UTC, in seconds since 2000-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Local(i64);

const DAY: i64 = 86_400;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 10_957;

impl Local {
    /// Year, month, day; see "chrono-compatible low-level date algorithms" by Howard Hinnant.
    fn date(self) -> (i32, u32, u32) {
        let z = self.0.div_euclid(DAY) + EPOCH + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        (year as i32, month as u32, day as u32)
    }

    fn of(civil: CivilDateTime) -> Local {
        let (month, day) = (i64::from(civil.month()), i64::from(civil.day()));
        let y = i64::from(civil.year()) - i64::from(month <= 2);
        let era = y.div_euclid(400);
        let yoe = y.rem_euclid(400);
        let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        let days = era * 146_097 + doe - 719_468 - EPOCH;
        let (h, m, s) = (civil.hour(), civil.minute(), civil.second());
        Local(days * DAY + i64::from(h * 3600 + m * 60 + s))
    }
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let (year, month, day) = self.date();
        let second = self.0.rem_euclid(DAY) as u32;
        CivilDateTime::new(
            croner::CivilDate::from_parts_unchecked(year, month, day),
            croner::CivilTime::from_parts_unchecked(second / 3600, second / 60 % 60, second % 60),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        // 2000-01-01 was a Saturday
        let days = (self.0.div_euclid(DAY) + 6).rem_euclid(7);
        Weekday::from_days_from_sunday(days as u32)
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        Ok(Resolution::Single(Local::of(civil)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(seconds).map(Local)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|e| e.to_string())?;
        let word = text.trim().to_ascii_lowercase();
        let fields: Vec<&str> = word.split_whitespace().collect();
        // seconds come first where there are six
        let minute = fields.len().saturating_sub(5);
        let every = |n: usize| fields.get(n).is_some_and(|f| *f == "*");
        let elapsed = match fields.len() {
            5 | 6 => every(minute) || every(minute + 1),
            _ => word == "@hourly",
        };
        Ok(Pattern { cron, elapsed })
    }

    fn match_after(&self, local: i64) -> Result<i64, String> {
        let found = self.cron.find_next_occurrence(&Local(local), false);
        found.map(|l| l.0).map_err(|e| e.to_string())
    }

    /// The first time after `utc` that it is due.
    pub fn next<Z: Zone>(&self, zone: &Z, utc: i64) -> Result<i64, Never<Z::Error>> {
        if self.elapsed {
            self.next_elapsed(zone, utc)
        } else {
            self.next_by_clock(zone, utc)
        }
    }

    fn next_by_clock<Z: Zone>(&self, zone: &Z, utc: i64) -> Result<i64, Never<Z::Error>> {
        let mut local = utc + zone.offset(utc)?;
        loop {
            local = self.match_after(local).map_err(Never::Pattern)?;
            let due = moment(zone, local)?;
            // else it is one that the clock showed before it was set back, or fell into the same gap
            if due > utc {
                return Ok(due);
            }
        }
    }

    fn next_elapsed<Z: Zone>(&self, zone: &Z, utc: i64) -> Result<i64, Never<Z::Error>> {
        // `from` and later is looked at, by the clock with this offset
        let (mut from, mut offset) = (utc + 1, zone.offset(utc + 1)?);
        loop {
            let local = self
                .match_after(from + offset - 1)
                .map_err(Never::Pattern)?;
            let due = local - offset;
            if zone.offset(due)? == offset {
                return Ok(due);
            }
            from = first::<Z::Error>(from, due, |t| Ok(zone.offset(t)? != offset))?;
            offset = zone.offset(from)?;
        }
    }
}

/// The first moment at which a zone's clock shows `local`, or, if it never does, the first after the gap.
fn moment<Z: Zone>(zone: &Z, local: i64) -> Result<i64, Z::Error> {
    let (a, b) = (zone.offset(local - DAY)?, zone.offset(local + DAY)?);
    let (early, late) = (local - a.max(b), local - a.min(b));
    for at in [early, late] {
        if at + zone.offset(at)? == local {
            return Ok(at);
        }
    }
    first(early, late, |t| Ok(t + zone.offset(t)? > local))
}

/// The smallest number in `from + 1 ..= to` for which `is` is true, as it is for `to`.
fn first<E>(from: i64, to: i64, is: impl Fn(i64) -> Result<bool, E>) -> Result<i64, E> {
    let (mut no, mut yes) = (from, to);
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        if is(middle)? {
            yes = middle;
        } else {
            no = middle;
        }
    }
    Ok(yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Offsets from moments on, the first one from ever.
    struct Clock(Vec<(i64, i64)>);

    impl Zone for Clock {
        type Error = Infallible;
        fn offset(&self, utc: i64) -> Result<i64, Infallible> {
            let known = self.0.iter().rev().find(|(from, _)| *from <= utc);
            Ok(known.map_or(self.0[0].1, |(_, offset)| *offset))
        }
    }

    fn at(text: &str) -> i64 {
        let n: Vec<i32> = text
            .split(|c: char| !c.is_ascii_digit())
            .map(|n| n.parse().expect("a number"))
            .collect();
        let date = croner::CivilDate::from_parts_unchecked(n[0], n[1] as u32, n[2] as u32);
        let time = croner::CivilTime::from_parts_unchecked(n[3] as u32, n[4] as u32, n[5] as u32);
        Local::of(CivilDateTime::new(date, time)).0
    }

    fn text(seconds: i64) -> String {
        let c = Local(seconds).to_civil();
        format!("{c}").replace('T', " ")
    }

    /// Summer time of 2026: one hour more between the last Sundays of March and October.
    fn berlin() -> Clock {
        Clock(vec![
            (i64::MIN, 3600),
            (at("2026-03-29 01:00:00"), 7200),
            (at("2026-10-25 01:00:00"), 3600),
        ])
    }

    fn utc() -> Clock {
        Clock(vec![(i64::MIN, 0)])
    }

    /// Times in UTC after `from`.
    fn times(pattern: &str, zone: &Clock, from: &str, n: usize) -> Vec<String> {
        let pattern = Pattern::parse(pattern).expect(pattern);
        let mut out = Vec::new();
        let mut t = at(from);
        for _ in 0..n {
            t = pattern.next(zone, t).expect("a next time");
            out.push(text(t));
        }
        out
    }

    #[test]
    fn dates_come_and_go() {
        for days in (-200_000..200_000).step_by(17) {
            let local = Local(days * DAY + 3_723);
            assert_eq!(Local::of(local.to_civil()), local);
        }
        assert_eq!(text(0), "2000-01-01 00:00:00");
        assert_eq!(Local(0).civil_weekday(), Weekday::Saturday);
        assert_eq!(Local(-DAY).civil_weekday(), Weekday::Friday);
    }

    #[test]
    fn patterns_of_five_and_six_fields_and_names() {
        let after = |p| times(p, &utc(), "2026-01-31 23:59:30", 2);
        assert_eq!(
            after("0 3 * * *"),
            ["2026-02-01 03:00:00", "2026-02-02 03:00:00"]
        );
        assert_eq!(
            after("*/20 * * * * *"),
            ["2026-01-31 23:59:40", "2026-02-01 00:00:00"]
        );
        assert_eq!(
            after("@hourly"),
            ["2026-02-01 00:00:00", "2026-02-01 01:00:00"]
        );
        assert_eq!(
            after("@daily"),
            ["2026-02-01 00:00:00", "2026-02-02 00:00:00"]
        );
        assert_eq!(
            after("0 0 29 2 *"),
            ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]
        );
        assert_eq!(
            after("30 9 * * MON-FRI"),
            ["2026-02-02 09:30:00", "2026-02-03 09:30:00"]
        );
        for bad in [
            "",
            "hello",
            "61 * * * *",
            "* * * *",
            "* * * * * * *",
            "30 seconds",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        let never = Pattern::parse("0 0 30 2 *").expect("a pattern");
        assert!(matches!(never.next(&utc(), 0), Err(Never::Pattern(_))));
    }

    #[test]
    fn local_time_is_followed_through_the_year() {
        assert_eq!(
            times("0 3 * * *", &berlin(), "2026-03-27 12:00:00", 3),
            [
                "2026-03-28 02:00:00",
                "2026-03-29 01:00:00",
                "2026-03-30 01:00:00"
            ]
        );
        assert_eq!(
            times("0 3 * * *", &berlin(), "2026-10-24 00:00:00", 3),
            [
                "2026-10-24 01:00:00",
                "2026-10-25 02:00:00",
                "2026-10-26 02:00:00"
            ]
        );
    }

    #[test]
    fn a_skipped_time_is_due_right_after_the_gap_and_once() {
        let expected = [
            "2026-03-28 01:30:00",
            "2026-03-29 01:00:00",
            "2026-03-30 00:30:00",
        ];
        assert_eq!(
            times("30 2 * * *", &berlin(), "2026-03-28 00:00:00", 3),
            expected
        );
        assert_eq!(
            times("0,20,40 2 * * *", &berlin(), "2026-03-28 23:00:00", 2),
            ["2026-03-29 01:00:00", "2026-03-30 00:00:00"]
        );
    }

    #[test]
    fn a_doubled_hour_is_due_once() {
        let expected = [
            "2026-10-24 00:30:00",
            "2026-10-25 00:30:00",
            "2026-10-26 01:30:00",
        ];
        assert_eq!(
            times("30 2 * * *", &berlin(), "2026-10-24 00:00:00", 3),
            expected
        );
        // looked at within the second half of it
        assert_eq!(
            times("30 2 * * *", &berlin(), "2026-10-25 01:10:00", 1),
            ["2026-10-26 01:30:00"]
        );
    }

    #[test]
    fn every_minute_and_every_hour_go_by_elapsed_time() {
        for from in ["2026-03-29 00:00:00", "2026-10-25 00:00:00"] {
            let begin = at(from);
            for (pattern, step) in [("* * * * *", 60), ("@hourly", 3600), ("*/15 * * * *", 900)] {
                let found = times(pattern, &berlin(), from, 12);
                let wanted: Vec<String> = (1..=12).map(|n| text(begin + n * step)).collect();
                assert_eq!(found, wanted, "{pattern} from {from}");
            }
        }
        assert_eq!(
            times("30 * * * *", &berlin(), "2026-10-25 00:00:00", 3),
            [
                "2026-10-25 00:30:00",
                "2026-10-25 01:30:00",
                "2026-10-25 02:30:00"
            ]
        );
    }

    #[test]
    fn times_always_go_on() {
        for pattern in [
            "* * * * *",
            "*/7 2 * * *",
            "30 2,3 * * *",
            "0 */2 * * *",
            "*/30 * * * * *",
        ] {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            for begin in ["2026-03-28 22:00:00", "2026-10-24 22:00:00"] {
                let mut last = at(begin);
                for start in (0..8 * 3600).step_by(97) {
                    let next = pattern
                        .next(&berlin(), at(begin) + start)
                        .expect("a next time");
                    assert!(next > at(begin) + start && next >= last);
                    last = next;
                }
            }
        }
    }
}
