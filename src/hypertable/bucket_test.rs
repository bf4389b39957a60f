use super::*;
use proptest::prelude::*;

fn at(y: i64, m: i64, d: i64) -> i64 {
    cal::day_number(y, m, d) * DAY_US
}

fn span(months: i32, days: i32, us: i64) -> Span {
    Span { months, days, us }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind
}

const NONE: Span = Span {
    months: 0,
    days: 0,
    us: 0,
};
const HOUR: i64 = DAY_US / 24;
const MIN: i64 = cal::TIMESTAMP_RANGE.0;
const END: i64 = cal::TIMESTAMP_RANGE.1;

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let week = Width::Micros(7 * DAY_US);
    assert_eq!(bucket(week, at(2024, 1, 5), None, NONE), Ok(at(2024, 1, 1)));
    assert_eq!(
        bucket(week, at(1999, 12, 31), None, NONE),
        Ok(at(1999, 12, 27))
    );
    let quarter = Width::Months(3);
    assert_eq!(
        bucket(quarter, at(1999, 12, 31), None, NONE),
        Ok(at(1999, 10, 1))
    );
    assert_eq!(
        bucket(quarter, at(2024, 2, 29) + 5, None, NONE),
        Ok(at(2024, 1, 1))
    );
    assert_eq!(bucket_date(week, 4, None, NONE), Ok(2));
    assert_eq!(bucket_date(quarter, -1, None, NONE), Ok(-92));
}

#[test]
fn origin_and_offset_move_the_buckets() {
    let day = Width::Micros(DAY_US);
    let noon = at(2024, 1, 5) + 12 * HOUR;
    assert_eq!(
        bucket(day, noon, Some(6 * HOUR), NONE),
        Ok(at(2024, 1, 5) + 6 * HOUR)
    );
    assert_eq!(
        bucket(day, noon, None, span(0, 0, 13 * HOUR)),
        Ok(at(2024, 1, 4) + 13 * HOUR)
    );
    let month = Width::Months(1);
    assert_eq!(
        bucket(month, noon, Some(at(2000, 1, 10)), NONE),
        Ok(at(2023, 12, 10))
    );
    assert_eq!(
        bucket(month, noon, None, span(0, 5, 0)),
        Ok(at(2023, 12, 6))
    );
    // an origin on the 31st begins short months on their last day
    let late = Some(at(2023, 12, 31));
    assert_eq!(
        bucket(month, at(2024, 2, 28), late, NONE),
        Ok(at(2024, 1, 31))
    );
    assert_eq!(
        bucket(month, at(2024, 3, 30), late, NONE),
        Ok(at(2024, 2, 29))
    );
    assert_eq!(
        bucket(month, at(2024, 3, 31), late, NONE),
        Ok(at(2024, 3, 31))
    );
}

#[test]
fn infinity_stays_and_no_start_leaves_the_calendar() {
    for width in [Width::Micros(10 * DAY_US + 1), Width::Months(5)] {
        for value in [i64::MIN, i64::MAX] {
            assert_eq!(bucket(width, value, None, NONE), Ok(value));
        }
        for value in [i32::MIN, i32::MAX] {
            assert_eq!(bucket_date(width, value, None, NONE), Ok(value));
        }
        assert_eq!(kind(bucket(width, MIN, None, NONE)), Kind::DatetimeOverflow);
        assert!(bucket(width, END - 1, None, NONE).is_ok());
        assert_eq!(
            kind(bucket(width, 0, Some(i64::MAX), NONE)),
            Kind::InvalidParameter
        );
    }
    let first = cal::DATE_RANGE.0 as i32;
    assert_eq!(
        kind(bucket_date(Width::Months(1200), first, None, NONE)),
        Kind::DatetimeOverflow
    );
    // days go further than timestamps
    let last = (cal::DATE_RANGE.1 - 1) as i32;
    assert!(bucket_date(Width::Micros(7 * DAY_US), last, None, NONE).is_ok());
    assert!(bucket_date(Width::Months(1), last, None, NONE).is_ok());
    assert_eq!(
        kind(bucket_date(Width::Micros(HOUR), last, None, NONE)),
        Kind::DatetimeOverflow
    );
    let far = span(i32::MIN, i32::MIN, i64::MIN);
    assert_eq!(
        kind(bucket(Width::Months(1), 0, None, far)),
        Kind::DatetimeOverflow
    );
    assert!(
        bucket(
            Width::Micros(HOUR),
            END - 1,
            None,
            span(0, i32::MAX, i64::MAX)
        )
        .is_ok()
    );
}

#[test]
fn widths_refused() {
    for bad in [
        span(0, 0, 0),
        span(0, -1, 0),
        span(-1, 0, 0),
        span(1, 1, 0),
        span(1, 0, 1),
        span(0, i32::MAX, i64::MAX),
        span(i32::MAX, i32::MAX, i64::MAX),
        span(0, i32::MIN, i64::MIN),
    ] {
        assert_eq!(kind(Width::of(bad)), Kind::InvalidParameter, "{bad:?}");
    }
    assert_eq!(Width::of(span(0, 1, -HOUR)), Ok(Width::Micros(23 * HOUR)));
    assert_eq!(kind(bucket_integer(0, 1, 0, 0)), Kind::InvalidParameter);
    assert_eq!(kind(bucket_integer(-1, 1, 0, 0)), Kind::InvalidParameter);
}

#[test]
fn integers_to_the_limits_of_their_type() {
    assert_eq!(bucket_integer(10, -1, 0, i64::MIN), Ok(-10));
    assert_eq!(bucket_integer(10, -1, 3, i64::MIN), Ok(-7));
    assert_eq!(bucket_integer(10, 4, -3, i64::MIN), Ok(-3));
    let min = i64::from(i16::MIN);
    assert_eq!(
        kind(bucket_integer(100, min, 0, min)),
        Kind::DatetimeOverflow
    );
    assert_eq!(
        kind(bucket_integer(i64::MAX, i64::MIN, 0, i64::MIN)),
        Kind::DatetimeOverflow
    );
    assert_eq!(
        bucket_integer(i64::MAX, -2, i64::MIN, i64::MIN),
        Ok(i64::MIN)
    );
    assert_eq!(bucket_integer(1, i64::MIN, 0, i64::MIN), Ok(i64::MIN));
}

/// Steps from the origin, one bucket at a time.
fn slow(width: Width, value: i64, origin: i64) -> i64 {
    let step = |k: i64| match width {
        Width::Micros(w) => origin + k * w,
        Width::Months(m) => add(origin, k * i64::from(m), 0, 0).unwrap(),
    };
    let mut k = 0;
    while step(k) > value {
        k -= 1;
    }
    while step(k + 1) <= value {
        k += 1;
    }
    step(k)
}

fn widths() -> impl Strategy<Value = Width> {
    prop_oneof![
        (1..40i32).prop_map(Width::Months),
        (1..400i64).prop_map(|n| Width::Micros(n * HOUR / 4)),
        (1..90i64).prop_map(|n| Width::Micros(n * DAY_US)),
    ]
}

proptest! {
    #[test]
    fn equal_to_stepping_from_the_origin(width in widths(), days in -2000..2000i64, us in 0..DAY_US,
            origin in -900 * DAY_US..900 * DAY_US) {
        let value = days * DAY_US + us;
        prop_assert_eq!(bucket(width, value, Some(origin), NONE).unwrap(), slow(width, value, origin));
    }

    #[test]
    fn holds_its_value_and_is_its_own_bucket(width in widths(), value in MIN / 2..END / 2,
            months in -3..4i32, days in -40..40i32, time in -DAY_US..DAY_US) {
        let start = bucket(width, value, None, NONE).unwrap();
        prop_assert!(start <= value && value < width.next(start).unwrap());
        prop_assert_eq!(bucket(width, start, None, NONE).unwrap(), start);
        let offset = span(months, days, time);
        let reach = width.reach(offset, false);
        let start = bucket(width, value, None, offset).unwrap();
        prop_assert!(start - reach.before_us <= value && value < start + reach.after_us);
    }

    #[test]
    fn rises_with_its_value(width in widths(), a in -9000 * DAY_US..9000 * DAY_US, more in 0..60 * DAY_US,
            months in -3..4i32, days in -40..40i32, time in -DAY_US..DAY_US) {
        let offset = span(months, days, time);
        let b = |v| bucket(width, v, None, offset).unwrap();
        // months taken off and put on again: the last days of a long month can change places
        let slack = 2 * width.reach(offset, false).before_us;
        prop_assert!(b(a) <= b(a + more) + slack);
    }

    #[test]
    fn dates_equal_their_timestamps(width in widths(), day in -9000..9000i32, days in -40..40i32) {
        let offset = span(0, days, 0);
        let us = bucket(width, i64::from(day) * DAY_US, None, offset).unwrap();
        prop_assert_eq!(i64::from(bucket_date(width, day, None, offset).unwrap()), us.div_euclid(DAY_US));
    }

    #[test]
    fn integers_equal_wide_arithmetic(width in 1..=i64::MAX, value: i64, offset: i64) {
        let (w, v, o) = (i128::from(width), i128::from(value), i128::from(offset));
        let start = v - (v - o).rem_euclid(w);
        let got = bucket_integer(width, value, offset, i64::MIN);
        prop_assert_eq!(got.ok().map(i128::from), (start >= i128::from(i64::MIN)).then_some(start));
    }
}
