//! Times in SQLite files of others: seconds, milliseconds, microseconds, Julian days, ISO 8601.

use super::mapping::{Cell, CellRef};
use super::pushdown::Op;

/// How a column holds times: its option `as`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// seconds since 1970, with or without a fraction
    Unix,
    UnixMs,
    UnixUs,
    /// days since noon of 4714-11-24 BC
    Julian,
    /// text such as `2025-01-31 12:00:00`; without a zone it is UTC
    Iso,
}

/// For messages.
pub const FORMS: &str = "unix, unix_ms, unix_us, julian or iso";

const DAY_US: i64 = 86_400_000_000;
/// Julian day of 1970-01-01 00:00.
const JULIAN_1970: f64 = 2_440_587.5;
/// How far a bound is widened: more than any rounding above, in microseconds.
const SLACK_US: f64 = 2_000_000.0;

impl TimeForm {
    /// From the column option `as`; `None` for other words.
    #[must_use]
    pub fn parse(text: &str) -> Option<TimeForm> {
        Some(match text {
            "unix" => TimeForm::Unix,
            "unix_ms" => TimeForm::UnixMs,
            "unix_us" => TimeForm::UnixUs,
            "julian" => TimeForm::Julian,
            "iso" => TimeForm::Iso,
            _ => return None,
        })
    }

    /// Microseconds per unit; none for texts.
    fn unit(self) -> Option<f64> {
        match self {
            TimeForm::Unix => Some(1e6),
            TimeForm::UnixMs => Some(1e3),
            TimeForm::UnixUs => Some(1.0),
            TimeForm::Julian => Some(DAY_US as f64),
            TimeForm::Iso => None,
        }
    }

    /// A comparison with a time as one of stored numbers, in which no row is missing. `us` since
    /// 1970, `span_us` how long the value lasts (a day for dates). None: for texts, and for `<>`.
    #[must_use]
    pub fn around(self, op: Op, us: f64, span_us: f64) -> Option<(Option<Cell>, Option<Cell>)> {
        let unit = self.unit()?;
        let base = if self == TimeForm::Julian {
            JULIAN_1970
        } else {
            0.0
        };
        let low = Some(Cell::Real((us - SLACK_US) / unit + base));
        let high = Some(Cell::Real((us + span_us + SLACK_US) / unit + base));
        match op {
            Op::Lt | Op::Le => Some((None, high)),
            Op::Ge | Op::Gt => Some((low, None)),
            Op::Eq => Some((low, high)),
            Op::Ne => None,
        }
    }
}

fn rounded(us: f64) -> Option<i64> {
    let us = us.round();
    (us.abs() < 9.2e18).then_some(us as i64)
}

/// Microseconds since 1970 (UTC). Without a form texts are read; numbers could be anything.
/// `zoned`: the column has a time zone; without one a zone in the text is no part of the value.
#[must_use]
pub fn timestamp(form: Option<TimeForm>, cell: CellRef<'_>, zoned: bool) -> Option<i64> {
    match (form, cell) {
        (None | Some(TimeForm::Iso), CellRef::Text(t)) => iso(std::str::from_utf8(t).ok()?, zoned),
        (Some(TimeForm::Unix), CellRef::Int(i)) => i.checked_mul(1_000_000),
        (Some(TimeForm::UnixMs), CellRef::Int(i)) => i.checked_mul(1_000),
        (Some(TimeForm::UnixUs), CellRef::Int(i)) => Some(i),
        // SQLite counts milliseconds
        (Some(TimeForm::Julian), CellRef::Real(r)) => {
            rounded((r - JULIAN_1970) * 86_400_000.0)?.checked_mul(1000)
        }
        (Some(TimeForm::Julian), CellRef::Int(i)) => i
            .checked_mul(2)?
            .checked_sub(4_881_175)?
            .checked_mul(DAY_US / 2),
        // whole units apart: so that of two numbers the larger one is never the earlier time
        (Some(form), CellRef::Real(r)) => {
            let unit = form.unit()?;
            let whole = r.floor();
            let inside = whole.abs() * unit < 9.2e18;
            let rest = ((r - whole) * unit).round() as i64;
            (inside.then_some(whole as i64)?)
                .checked_mul(unit as i64)?
                .checked_add(rest)
        }
        _ => None,
    }
    // these two would read as infinity
    .filter(|us| *us != i64::MAX && *us != i64::MIN)
}

/// Microseconds of 2000-01-01, from which PostgreSQL counts.
const EPOCH_2000: i64 = 946_684_800_000_000;

/// A time in a column of so many digits after the second, rounded as PostgreSQL does.
#[must_use]
pub fn to_digits(us: i64, digits: u32, counted_from_2000: bool) -> i64 {
    let scale = 10_i64.pow(6_u32.saturating_sub(digits));
    let epoch = if counted_from_2000 { EPOCH_2000 } else { 0 };
    let Some(t) = us.checked_sub(epoch).filter(|t| t.abs() < i64::MAX - scale) else {
        return us;
    };
    let away = (t.abs() + scale / 2) / scale * scale;
    epoch + if t < 0 { -away } else { away }
}

/// Days since 1970.
#[must_use]
pub fn date(form: Option<TimeForm>, cell: CellRef<'_>) -> Option<i64> {
    timestamp(form, cell, false).map(|us| us.div_euclid(DAY_US))
}

/// Microseconds since midnight.
#[must_use]
pub fn time(text: &str) -> Option<i64> {
    let (us, rest) = clock(text.as_bytes())?;
    rest.is_empty().then_some(us)
}

fn number(digits: &[u8]) -> Option<i64> {
    let plain = !digits.is_empty() && digits.len() < 18 && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
}

/// `HH:MM[:SS[.fraction]]` and what follows.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hours, minutes) = (number(text.get(..2)?)?, number(text.get(3..5)?)?);
    if text[2] != b':' || hours > 24 || minutes > 59 {
        return None;
    }
    let mut us = (hours * 60 + minutes) * 60_000_000;
    let mut rest = &text[5..];
    if rest.first() == Some(&b':') {
        let seconds = number(rest.get(1..3)?)?;
        us += (seconds < 60).then_some(seconds * 1_000_000)?;
        rest = &rest[3..];
        if rest.first() == Some(&b'.') {
            let digits = rest[1..].iter().take_while(|c| c.is_ascii_digit()).count();
            let kept = &rest[1..=digits.min(6)];
            us += number(kept)? * 10_i64.pow(6 - kept.len() as u32);
            rest = &rest[1 + digits..];
        }
    }
    (us <= DAY_US).then_some((us, rest))
}

/// `Z` or `+HH:MM`, in microseconds east of UTC.
fn zone(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let sign = match text.first() {
        None => return Some(0),
        Some(b'Z' | b'z') if text.len() == 1 => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return None,
    };
    let hours = number(text.get(1..3)?)?;
    let minutes = match &text[3..] {
        [] => 0,
        [b':', rest @ ..] | rest if rest.len() == 2 => number(rest)?,
        _ => return None,
    };
    (hours < 16 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

/// `YYYY-MM-DD`, with `T` or a blank before the time of day.
fn iso(text: &str, zoned: bool) -> Option<i64> {
    let text = text.as_bytes();
    let (year, month, day) = (
        number(text.get(..4)?)?,
        number(text.get(5..7)?)?,
        number(text.get(8..10)?)?,
    );
    if text[4] != b'-' || text[7] != b'-' || year < 1 || !(1..=12).contains(&month) {
        return None;
    }
    if !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * DAY_US;
    let (us, rest) = match text.get(10) {
        None => (0, &text[10..]),
        Some(b' ' | b'T') => clock(&text[11..])?,
        _ => return None,
    };
    let east = zone(rest)?;
    Some(midnight + us - if zoned { east } else { 0 })
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<i64> {
        timestamp(None, CellRef::Text(text.as_bytes()), true)
    }

    #[test]
    fn times_are_rounded_like_postgres() {
        let half = EPOCH_2000 + 500_000;
        assert_eq!(to_digits(half, 0, true), EPOCH_2000 + 1_000_000);
        assert_eq!(
            to_digits(EPOCH_2000 - 500_000, 0, true),
            EPOCH_2000 - 1_000_000
        );
        assert_eq!(to_digits(half + 1, 6, true), half + 1);
        assert_eq!(to_digits(half + 1_499, 3, true), half + 1_000);
        assert_eq!(to_digits(86_399_999_999, 0, false), 86_400_000_000);
        assert_eq!(to_digits(i64::MIN + 1, 0, true), i64::MIN + 1);
    }

    #[test]
    fn no_number_is_an_earlier_time_than_a_smaller_one() {
        let us = |cell| timestamp(Some(TimeForm::Unix), cell, true);
        let int = 9_224_318_015_i64;
        let below = f64::from_bits((int as f64).to_bits() - 1);
        assert!(us(CellRef::Real(below)) <= us(CellRef::Int(int)));
        assert_eq!(us(CellRef::Real(-0.25)), Some(-250_000));
        assert_eq!(us(CellRef::Real(1.9999999)), Some(2_000_000));
        assert_eq!(us(CellRef::Real(1e300)), None);
        assert_eq!(us(CellRef::Real(f64::NEG_INFINITY)), None);
    }

    #[test]
    fn iso_texts() {
        for (text, us) in [
            ("1970-01-01", 0),
            ("1970-01-02T00:00", DAY_US),
            ("1970-01-01 00:00:01.5", 1_500_000),
            ("1970-01-01 00:00:00.1234567", 123_456),
            ("1970-01-01 01:00:00+01:00", 0),
            ("1970-01-01 01:00:00 +0100", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29 24:00", 951_868_800_000_000),
            ("0001-01-01", -62_135_596_800_000_000),
            ("9999-12-31 23:59:59.999999", 253_402_300_799_999_999),
        ] {
            assert_eq!(at(text), Some(us), "{text}");
        }
        for text in [
            "",
            "now",
            "infinity",
            "1970-1-1",
            "1970-02-30",
            "1900-02-29",
            "1970-01-01 25:00",
            "1970-01-01 00:60",
            "1970-01-01 00:00:60",
            "1970-01-01x",
            "1970-01-01 00:00 x",
            "0000-01-01",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00+1",
            "1970-13-01",
            "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
        let local = timestamp(None, CellRef::Text(b"1970-01-01 01:00:00+01:00"), false);
        assert_eq!(
            local,
            Some(3_600_000_000),
            "as PostgreSQL: the zone is dropped"
        );
        assert_eq!(time("12:00"), Some(DAY_US / 2));
        assert_eq!(time("24:00:00.000001"), None);
    }

    #[test]
    fn numbers() {
        use TimeForm as F;
        let of = |form, cell| timestamp(Some(form), cell, true);
        assert_eq!(of(F::Unix, CellRef::Int(-1)), Some(-1_000_000));
        assert_eq!(of(F::Unix, CellRef::Real(0.25)), Some(250_000));
        assert_eq!(of(F::UnixMs, CellRef::Int(1)), Some(1000));
        assert_eq!(of(F::UnixUs, CellRef::Int(7)), Some(7));
        assert_eq!(of(F::UnixUs, CellRef::Int(i64::MAX)), None);
        assert_eq!(of(F::Unix, CellRef::Int(i64::MAX)), None);
        assert_eq!(of(F::Unix, CellRef::Real(f64::INFINITY)), None);
        assert_eq!(of(F::Julian, CellRef::Real(2_440_587.5)), Some(0));
        assert_eq!(of(F::Julian, CellRef::Int(2_440_588)), Some(DAY_US / 2));
        assert_eq!(of(F::Unix, CellRef::Text(b"1")), None);
        assert_eq!(
            timestamp(None, CellRef::Int(1), true),
            None,
            "could be anything"
        );
        assert_eq!(date(Some(F::Unix), CellRef::Int(-1)), Some(-1));
        assert_eq!(date(Some(F::Unix), CellRef::Int(86_400)), Some(1));
    }

    #[test]
    fn bounds_lose_nothing() {
        use TimeForm as F;
        for form in [F::Unix, F::UnixMs, F::UnixUs, F::Julian] {
            for us in [
                -62_135_596_800_000_000i64,
                -1,
                0,
                1,
                1_700_000_000_123_456,
                253_402_300_799_999_999,
            ] {
                let unit = form.unit().unwrap();
                let base = if form == F::Julian { JULIAN_1970 } else { 0.0 };
                let stored = us as f64 / unit + base;
                let back = timestamp(Some(form), CellRef::Real(stored), true).unwrap();
                for op in [Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt] {
                    let (low, high) = form.around(op, back as f64, 0.0).unwrap();
                    let inside = |low: Option<Cell>, high: Option<Cell>| {
                        let number = |c: Cell| if let Cell::Real(r) = c { r } else { f64::NAN };
                        low.is_none_or(|l| number(l) <= stored)
                            && high.is_none_or(|h| stored <= number(h))
                    };
                    assert!(inside(low, high), "{form:?} {op:?} {us}");
                }
            }
        }
    }
}
