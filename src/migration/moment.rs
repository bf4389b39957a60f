//! A moment as text, as Rust's `time` crate prints RFC 3339: the form in which refinery keeps it.

/// RFC 3339 in UTC: a fraction without trailing zeros, none at all at a whole second. `us` counts microseconds since
/// 1970; years 0000 to 9999 only, what lies outside is printed as the nearest one that fits.
#[must_use]
pub fn rfc3339(us: i64) -> String {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400;
    // 0000-01-01T00:00:00 and 9999-12-31T23:59:59.999999
    let us = us.clamp(-62_167_219_200 * SECOND, 253_402_300_800 * SECOND - 1);
    let seconds = us.div_euclid(SECOND);
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    let fraction = us.rem_euclid(SECOND);
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Year, month, day of a day counted from 1970-01-01; see "chrono-compatible low-level date algorithms" by Howard
/// Hinnant.
fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_refinery_stores_it() {
        for (us, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            // a row of a public dump
            (1_761_968_353_717_591, "2025-11-01T03:39:13.717591Z"),
            (1_761_968_353_960_000, "2025-11-01T03:39:13.96Z"),
            (1_761_968_353_000_001, "2025-11-01T03:39:13.000001Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(rfc3339(us), expected);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        // 400 years, the whole cycle
        let mut last = date(-1);
        for day in 0..146_097 {
            let (y, m, d) = date(day);
            let next_day = (y, m) == (last.0, last.1) && d == last.2 + 1;
            let next_month = d == 1 && (y * 12 + m) == (last.0 * 12 + last.1 + 1) && last.2 >= 28;
            assert!(next_day || next_month, "{last:?} {:?}", (y, m, d));
            last = (y, m, d);
        }
        assert_eq!(last, (2369, 12, 31));
    }
}
