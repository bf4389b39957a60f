//! What is noted of an attempt that did not succeed: an element of the column `errors` of its job.

/// JSON: `{"at": time, "error": text, "attempt": number}`. `at` is in microseconds since 2000-01-01 UTC.
#[must_use]
pub fn entry(attempt: i16, at: i64, error: Option<&str>) -> String {
    let mut out = serde_json::Map::new();
    out.insert("attempt".into(), attempt.into());
    out.insert("at".into(), iso(at).into());
    out.insert("error".into(), error.into());
    serde_json::Value::Array(vec![out.into()]).to_string()
}

/// ISO 8601 in UTC with microseconds.
fn iso(us: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (us.div_euclid(DAY), us.rem_euclid(DAY));
    let (year, month, day) = civil(days + 10_957);
    let (seconds, us) = (rest / 1_000_000, rest % 1_000_000);
    let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{us:06}+00:00")
}

/// Year, month and day of a day counted from 1970-01-01 (Gregorian; eras of 400 years that begin in March).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(iso(0), "2000-01-01T00:00:00.000000+00:00");
        assert_eq!(iso(-1), "1999-12-31T23:59:59.999999+00:00");
        // 29 February 2024, 12:34:56.000789
        let leap = (8_825 * 86_400 + 45_296) * 1_000_000 + 789;
        assert_eq!(iso(leap), "2024-02-29T12:34:56.000789+00:00");
    }

    #[test]
    fn an_entry_is_json_whatever_the_error_says() {
        let text = entry(2, 0, Some("a \"b\"\n"));
        assert_eq!(
            text,
            r#"[{"at":"2000-01-01T00:00:00.000000+00:00","attempt":2,"error":"a \"b\"\n"}]"#
        );
        assert!(entry(1, 0, None).contains(r#""error":null"#));
    }
}
