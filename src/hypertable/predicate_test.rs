use super::*;
use proptest::prelude::*;

const INT8: Kind = Kind::Integer(i64::MIN, i64::MAX);

fn holds(op: Op, a: i64, b: i64) -> bool {
    match op {
        Op::Lt => a < b,
        Op::Le => a <= b,
        Op::Eq => a == b,
        Op::Ge => a >= b,
        Op::Gt => a > b,
    }
}

fn inside(range: KeyRange, key: i64) -> bool {
    let below = range
        .lower
        .is_some_and(|lo| if range.above { key <= lo } else { key < lo });
    let above = range.upper.is_some_and(|hi| key >= hi);
    !below && !above
}

fn ops() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt])
}

fn widths() -> impl Strategy<Value = Width> {
    prop_oneof![
        (1i64..400 * DAY_US).prop_map(Width::Micros),
        (1i64..60).prop_map(|d| Width::Micros(d * DAY_US)),
        (1i64..48).prop_map(|h| Width::Micros(h * 3_600_000_000)),
        (1i32..30).prop_map(Width::Months),
    ]
}

fn offsets() -> impl Strategy<Value = Span> {
    prop_oneof![
        3 => Just(Span::default()),
        1 => (-3i32..3, -40i32..40, -DAY_US..DAY_US)
            .prop_map(|(months, days, us)| Span { months, days, us }),
    ]
}

#[test]
fn the_grid_gives_exact_ranges_at_its_own_points() {
    let day = Bucket::Time {
        width: Width::Micros(DAY_US),
        origin_us: None,
        offset: Span::default(),
        zone: false,
    };
    let at = 100 * DAY_US;
    let range = |op| bucket_range(day, op, at, Kind::TimestampTz);
    assert_eq!(range(Op::Lt).upper, Some(at));
    assert_eq!(range(Op::Le).upper, Some(at + DAY_US));
    let equal = range(Op::Eq);
    assert_eq!((equal.lower, equal.upper), (Some(at), Some(at + DAY_US)));
    assert_eq!(range(Op::Ge).upper, None);
    assert!(range(Op::Gt).above);
    assert_eq!(bucket_range(day, Op::Lt, 100, Kind::Date).upper, Some(100));
    let ten = Bucket::Integer {
        width: 10,
        offset: 0,
    };
    assert_eq!(bucket_range(ten, Op::Lt, 20, INT8).upper, Some(20));
    assert_eq!(bucket_range(ten, Op::Lt, 21, INT8).upper, Some(30));
}

#[test]
fn an_offset_of_months_and_days_leaves_its_own_bucket_in_the_range() {
    let width = Width::Micros(6_302_676_723_325);
    let offset = Span {
        months: -3,
        days: -10,
        us: -16_262_134_001,
    };
    let key = -507_958_885_848_300;
    let start = bucket::bucket(width, key, None, offset).unwrap();
    let args = Bucket::Time {
        width,
        origin_us: None,
        offset,
        zone: false,
    };
    assert!(inside(
        bucket_range(args, Op::Le, start, Kind::Timestamp),
        key
    ));
}

#[test]
fn overflow_gives_no_condition() {
    let small = Kind::Integer(i64::from(i16::MIN), i64::from(i16::MAX));
    let wide = Bucket::Integer {
        width: 30_000,
        offset: 0,
    };
    assert_eq!(bucket_range(wide, Op::Le, 30_000, small).upper, None);
    let days = Bucket::Time {
        width: Width::Micros(i64::MAX),
        origin_us: None,
        offset: Span::default(),
        zone: true,
    };
    assert!(bucket_range(days, Op::Lt, 0, Kind::Timestamp).is_none());
    assert_eq!(
        lower_bound(
            Kind::Timestamp,
            TIMESTAMP_RANGE.0,
            Kind::Timestamp,
            Slack::default()
        ),
        None
    );
}

#[test]
fn margins_are_those_of_the_design() {
    let none = Slack::default();
    let days = |slack: Slack| (slack.us() - CLOCK_US) as f64 / DAY_US as f64;
    assert_eq!(none.us(), 600_000_000);
    let months = Slack { months: 1, ..none };
    assert_eq!(days(months), 8.0);
    let (tz, date) = (Kind::TimestampTz, Kind::Date);
    assert_eq!(lower_bound(tz, 0, tz, none), Some(-600_000_000));
    // a date is rounded down
    assert_eq!(lower_bound(date, 10, date, none), Some(9));
    // current_date, compared with a date and with a time in the session's zone
    let mut today = Slack { dates: 1, ..none };
    today.convert(1);
    assert_eq!(days(compared(date, date, today)), 2.0);
    assert_eq!(days(compared(date, tz, today)), 2.0);
    // now(), as a date and as a local time
    assert_eq!(lower_bound(tz, 0, date, compared(tz, date, none)), Some(-3));
    // each further offset counts
    let mut twice = compared(date, tz, none);
    twice.convert(-1);
    assert_eq!(days(twice), 4.0);
    let mut back = none;
    back.round_trip();
    assert_eq!(days(back), 2.0);
}

proptest! {
    #[test]
    fn each_key_that_its_bucket_lets_through_lies_in_the_range(
        key in -30_000 * DAY_US..30_000 * DAY_US, near in -500 * DAY_US..500 * DAY_US,
        width in widths(), origin in prop::option::of(-400 * DAY_US..400 * DAY_US),
        offset in offsets(), op in ops(), snap in any::<bool>(),
    ) {
        let mut value = key + near;
        if snap {
            value = bucket::bucket(width, value, origin, offset).unwrap();
        }
        let start = bucket::bucket(width, key, origin, offset).unwrap();
        let args = Bucket::Time { width, origin_us: origin, offset, zone: false };
        for key_type in [Kind::Timestamp, Kind::TimestampTz] {
            let range = bucket_range(args, op, value, key_type);
            if holds(op, start, value) {
                prop_assert!(inside(range, key), "{range:?} misses {key}, bucket {start}");
            }
        }
        let ms = key.div_euclid(1000) + 946_684_800_000;
        if holds(op, start, value) && ms >= 0 {
            prop_assert!(inside(bucket_range(args, op, value, Kind::Uuid), ms));
        }
    }

    #[test]
    fn each_day_that_its_bucket_lets_through_lies_in_the_range(
        key in -30_000i32..30_000, near in -500i32..500, width in widths(),
        origin in prop::option::of(-400i32..400), offset in offsets(), op in ops(), snap in any::<bool>(),
    ) {
        let mut value = key + near;
        if snap {
            value = bucket::bucket_date(width, value, origin, offset).unwrap();
        }
        let start = bucket::bucket_date(width, key, origin, offset).unwrap();
        let origin_us = origin.map(|o| i64::from(o) * DAY_US);
        let args = Bucket::Time { width, origin_us, offset, zone: false };
        let range = bucket_range(args, op, i64::from(value), Kind::Date);
        if holds(op, start.into(), value.into()) {
            prop_assert!(inside(range, key.into()), "{range:?} misses {key}, bucket {start}");
        }
    }

    #[test]
    fn each_number_that_its_bucket_lets_through_lies_in_the_range(
        key in any::<i32>(), value in any::<i32>(), near in prop::option::of(-100i32..100),
        width in 1i64..2_000_000, offset in -3000i64..3000, op in ops(),
    ) {
        let kind = Kind::Integer(i64::from(i32::MIN), i64::from(i32::MAX));
        let value = near.map_or(value, |d| key.saturating_add(d));
        let Ok(start) = bucket::bucket_integer(width, key.into(), offset, i32::MIN.into()) else {
            return Ok(());
        };
        let range = bucket_range(Bucket::Integer { width, offset }, op, value.into(), kind);
        if holds(op, start, value.into()) {
            prop_assert!(inside(range, key.into()));
        }
    }

    /// Any chain of conversions, at planning in one zone and later in another.
    #[test]
    fn no_zone_makes_a_value_fall_behind_its_margin(
        at in 0i64..30_000 * DAY_US, later in 0i64..40 * DAY_US,
        planned in -16i64..=16, run in -16i64..=16, steps in prop::collection::vec(0u8..5, 1..8),
        to_key in any::<bool>(), local in any::<bool>(),
    ) {
        let hour = DAY_US / 24;
        let mut slack = Slack::default();
        let value = |from: i64, offset: i64, slack: &mut Slack| {
            *slack = Slack::default();
            let (mut us, offset) = (from, offset * hour);
            for step in &steps {
                match step {
                    0 => { us += offset; slack.convert(1); }
                    1 => { us -= offset; slack.convert(-1); }
                    2 => { us -= us.rem_euclid(DAY_US); slack.dates += 1; }
                    3 => { us -= us.rem_euclid(7 * DAY_US); slack.cut_days += 7; }
                    _ => { us = (us + offset - DAY_US) - offset; slack.round_trip(); }
                }
            }
            us
        };
        let before = value(at, planned, &mut slack);
        let now = value(at + later, run, &mut slack);
        // a key is compared as it stands, or after a conversion of either side
        let (kind, key, shift) = match (to_key, local) {
            (false, _) => (Kind::TimestampTz, Kind::TimestampTz, 0),
            (true, false) => (Kind::TimestampTz, Kind::Timestamp, run * hour),
            (true, true) => (Kind::Timestamp, Kind::TimestampTz, -run * hour),
        };
        let bound = lower_bound(kind, before, key, compared(kind, key, slack));
        prop_assert!(bound.is_none_or(|bound| bound <= now + shift), "{bound:?} {} {slack:?}", now + shift);
    }
}
