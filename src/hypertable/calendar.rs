//! Days, timestamps and their text, in UTC and the proleptic Gregorian calendar, as PostgreSQL counts.
//!
//! A day is counted from 2000-01-01, a timestamp in microseconds from the same midnight.

/// Microseconds in a day of UTC.
pub const DAY_US: i64 = 86_400_000_000;
/// The smallest and the first day too large for PostgreSQL's `date`.
pub const DATE_RANGE: (i64, i64) = (-2_451_545, 2_145_031_949);
/// The smallest timestamp and the first one too large (datatype/timestamp.h).
pub const TIMESTAMP_RANGE: (i64, i64) = (-211_813_488_000_000_000, 9_223_371_331_200_000_000);

/// Year (0 = 1 BC), month 1-12 and day 1-31 of a day number.
#[must_use]
pub fn civil(day: i64) -> (i64, i64, i64) {
    // the usual 400-year cycle arithmetic, counted from 0000-03-01
    let z = day + 730_425;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, d)
}

/// The day number of a date; inverse of [`civil`].
#[must_use]
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 730_425
}

/// Months since 2000-01 of a day number.
#[must_use]
pub fn month_number(day: i64) -> i64 {
    let (y, m, _) = civil(day);
    (y - 2000) * 12 + m - 1
}

/// The first day of a month that is counted from 2000-01.
#[must_use]
pub fn month_start(month: i64) -> i64 {
    day_number(2000 + month.div_euclid(12), month.rem_euclid(12) + 1, 1)
}

/// Hours, minutes, seconds and microseconds of a timestamp, and its day number.
#[must_use]
pub fn clock(us: i64) -> (i64, i64, i64, i64, i64) {
    let day = us.div_euclid(DAY_US);
    let t = us.rem_euclid(DAY_US);
    let s = t / 1_000_000;
    (day, s / 3600, s / 60 % 60, s % 60, t % 1_000_000)
}

fn date_text(day: i64) -> (String, &'static str) {
    let (y, m, d) = civil(day);
    let (y, era) = if y <= 0 { (1 - y, " BC") } else { (y, "") };
    (format!("{y:04}-{m:02}-{d:02}"), era)
}

/// `2024-01-05`, with ` BC` where needed.
#[must_use]
pub fn format_date(day: i64) -> String {
    let (text, era) = date_text(day);
    format!("{text}{era}")
}

/// `2024-01-05 13:00:00` and `zone`, with a fraction and ` BC` where needed.
#[must_use]
pub fn format_timestamp(us: i64, zone: &str) -> String {
    let (day, h, mi, s, frac) = clock(us);
    let (text, era) = date_text(day);
    let frac = match frac {
        0 => String::new(),
        f => format!(".{f:06}").trim_end_matches('0').to_string(),
    };
    format!("{text} {h:02}:{mi:02}:{s:02}{frac}{zone}{era}")
}

/// `20240105`, or `20240105t130000` when not midnight; `bc` before the date where needed.
#[must_use]
pub fn compact(us: i64) -> String {
    let (day, h, mi, s, _) = clock(us);
    let (text, era) = date_text(day);
    let date = text.replace('-', "");
    let bc = if era.is_empty() { "" } else { "bc" };
    if (h, mi, s) == (0, 0, 0) {
        format!("{bc}{date}")
    } else {
        format!("{bc}{date}t{h:02}{mi:02}{s:02}")
    }
}

/// `20240105T130000Z`: ISO 8601 basic format, for names of files.
#[must_use]
pub fn basic_utc(us: i64) -> String {
    let (day, h, mi, s, _) = clock(us);
    let (text, era) = date_text(day);
    let date = text.replace('-', "");
    let bc = if era.is_empty() { "" } else { "bc" };
    format!("{bc}{date}T{h:02}{mi:02}{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        assert_eq!(day_number(2000, 1, 1), 0);
        assert_eq!(day_number(1970, 1, 1), -10_957);
        assert_eq!(day_number(2024, 2, 29), 8825);
        assert_eq!(civil(DATE_RANGE.0), (-4713, 11, 24));
        assert_eq!(civil(DATE_RANGE.1 - 1), (5_874_897, 12, 31));
        assert_eq!(civil(TIMESTAMP_RANGE.1 / DAY_US), (294_277, 1, 1));
    }

    #[test]
    fn texts() {
        let noon = day_number(2024, 1, 5) * DAY_US + DAY_US / 2;
        assert_eq!(format_timestamp(noon, "+00"), "2024-01-05 12:00:00+00");
        assert_eq!(
            format_timestamp(noon + 1500, ""),
            "2024-01-05 12:00:00.0015"
        );
        assert_eq!(compact(noon), "20240105t120000");
        assert_eq!(compact(noon - DAY_US / 2), "20240105");
        assert_eq!(basic_utc(noon - DAY_US / 2), "20240105T000000Z");
        assert_eq!(format_date(day_number(0, 12, 31)), "0001-12-31 BC");
        assert_eq!(compact(day_number(-1, 1, 1) * DAY_US), "bc00020101");
        assert_eq!(format_date(day_number(12_345, 6, 7)), "12345-06-07");
    }

    proptest! {
        #[test]
        fn days_round_trip(day in DATE_RANGE.0..DATE_RANGE.1) {
            let (y, m, d) = civil(day);
            prop_assert_eq!(day_number(y, m, d), day);
            let first = month_start(month_number(day));
            prop_assert_eq!(civil(first), (y, m, 1));
            prop_assert!((1..=31).contains(&d) && first <= day && day - first < 31);
        }
    }
}
