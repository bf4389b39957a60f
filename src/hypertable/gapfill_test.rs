use super::*;
use proptest::prelude::*;

const HOUR: i64 = DAY_US / 24;

fn all(step: Step, start: i64, finish: i64, zone: Option<&dyn LocalTime>) -> Vec<i64> {
    let mut buckets = Buckets::new(step, start, finish, zone).unwrap();
    std::iter::from_fn(|| buckets.next(zone).unwrap()).collect()
}

fn time(us: i64) -> Step {
    Step::Time(Width::Micros(us))
}

#[test]
fn series_begin_with_the_bucket_of_the_start_and_end_before_the_finish() {
    let four = Step::Integer {
        width: 4,
        min: i64::MIN,
        max: i64::MAX,
    };
    assert_eq!(all(four, -5, 13, None), [-8, -4, 0, 4, 8, 12]);
    assert_eq!(all(four, 0, 12, None), [0, 4, 8]);
    assert_eq!(all(four, 5, 5, None), [4]);
    assert_eq!(all(four, 8, 5, None), [] as [i64; 0]);
    assert_eq!(
        all(
            Step::Integer {
                width: i64::MAX,
                min: i64::MIN,
                max: i64::MAX
            },
            0,
            i64::MAX,
            None
        ),
        [0]
    );
    assert_eq!(
        all(time(HOUR), HOUR / 2, 3 * HOUR, None),
        [0, HOUR, 2 * HOUR]
    );
    assert_eq!(
        all(Step::Time(Width::Months(1)), 0, 60 * DAY_US, None),
        [0, 31 * DAY_US]
    );
    // a width below a day gives each day once
    assert_eq!(
        all(Step::Date(Width::Micros(7 * HOUR)), 2, 5, None),
        [2, 3, 4]
    );
    assert_eq!(all(Step::Date(Width::Months(1)), 40, 70, None), [31, 60]);
}

/// One hour ahead of UTC until `at` (UTC), then one hour more (`step` = 1) or less (-1).
struct Shift {
    at: i64,
    step: i64,
}

impl LocalTime for Shift {
    fn to_local(&self, utc: i64) -> Result<i64> {
        Ok(utc + HOUR + if utc < self.at { 0 } else { self.step * HOUR })
    }
    /// As the server: skipped times go forward, double times are the later one.
    fn to_utc(&self, local: i64) -> Result<i64> {
        let (old, new) = (local - HOUR, local - HOUR - self.step * HOUR);
        Ok(match self.step {
            1 => {
                if new < self.at {
                    old
                } else {
                    new
                }
            }
            _ => {
                if old < self.at && new < self.at {
                    old
                } else {
                    new
                }
            }
        })
    }
}

#[test]
fn the_skipped_hour_has_no_bucket() {
    let zone = Shift {
        at: 100 * HOUR,
        step: 1,
    };
    let hours = all(time(HOUR), 98 * HOUR, 103 * HOUR, Some(&zone));
    assert_eq!(hours, [98, 99, 100, 101, 102].map(|h| h * HOUR));
    for width in [HOUR / 2, 3 * HOUR / 4, HOUR / 3, 2 * HOUR] {
        for b in all(time(width), 90 * HOUR, 110 * HOUR, Some(&zone)) {
            let own = bucket(
                Width::Micros(width),
                zone.to_local(b).unwrap(),
                None,
                Span::default(),
            );
            assert_eq!(zone.to_utc(own.unwrap()).unwrap(), b);
        }
    }
}

#[test]
fn the_double_hour_is_one_bucket_and_the_long_day_one_day() {
    let zone = Shift {
        at: 100 * HOUR,
        step: -1,
    };
    let hours = all(time(HOUR), 98 * HOUR, 103 * HOUR, Some(&zone));
    assert_eq!(hours, [98, 100, 101, 102].map(|h| h * HOUR));
    let days = all(time(DAY_US), 71 * HOUR, 144 * HOUR, Some(&zone));
    assert_eq!(days, [71, 95, 120].map(|h| h * HOUR));
}

#[test]
fn integers_round_halves_away_from_zero() {
    let at = |x, y, t| between((0, Number::Int(x)), (4, Number::Int(y)), t);
    assert_eq!(at(0, 10, 1), Number::Int(3));
    assert_eq!(at(0, -10, 1), Number::Int(-3));
    assert_eq!(at(0, 10, 2), Number::Int(5));
    assert_eq!(at(-3, 3, 2), Number::Int(0));
    assert_eq!(at(7, 7, 3), Number::Int(7));
    let (lo, hi) = (Number::Int(i64::MIN), Number::Int(i64::MAX));
    assert_eq!(between((i64::MIN, lo), (i64::MAX, hi), i64::MIN), lo);
    assert_eq!(between((0, lo), (2, hi), 1), Number::Int(-1));
    assert_eq!(
        between((0, Number::Float(1.0)), (4, Number::Float(2.0)), 1),
        Number::Float(1.25)
    );
    let inf = Number::Float(f64::INFINITY);
    assert_eq!(between((0, inf), (4, inf), 1), inf);
}

#[test]
fn lines_between_extremes_stay_exact() {
    let (lo, hi) = (Number::Int(i64::MIN), Number::Int(i64::MAX));
    let whole = (i64::MIN, lo);
    assert_eq!(
        between(whole, (i64::MAX, hi), i64::MAX - 1),
        Number::Int(i64::MAX - 1)
    );
    assert_eq!(between(whole, (i64::MAX, hi), 12_345), Number::Int(12_345));
    assert_eq!(between((i64::MIN, hi), (i64::MAX, lo), -1), Number::Int(0));
    // a point behind: the line goes on, and ends where the type ends
    assert_eq!(
        between((1, Number::Int(5)), (3, Number::Int(9)), -2),
        Number::Int(-1)
    );
    assert_eq!(
        between((3, Number::Int(9)), (1, Number::Int(5)), -2),
        Number::Int(-1)
    );
    assert_eq!(between((0, lo), (1, hi), i64::MAX), hi);
    assert_eq!(between((0, lo), (1, hi), i64::MIN), lo);
    let float = |x, y| between((0, Number::Float(x)), (4, Number::Float(y)), 2);
    assert_eq!(float(1e308, -1e308), Number::Float(0.0));
    assert_eq!(float(f64::MAX, f64::MAX), Number::Float(f64::MAX));
}

#[test]
fn a_range_wider_than_the_type_ends_with_the_type() {
    let step = |width| Step::Integer {
        width,
        min: -128,
        max: 127,
    };
    let all = |width| all(step(width), -1000, 1000, None);
    assert_eq!(all(50), [-100, -50, 0, 50, 100]);
    assert_eq!(all(64), [-128, -64, 0, 64]);
    assert_eq!(all(127), [-127, 0, 127]);
    assert!(Buckets::new(step(0), 0, 10, None).is_err());
}

#[test]
fn conditions_set_the_edges() {
    let at = |value, more| Limit { value, more };
    assert_eq!(edge(Side::Start, at(5, false), true), 5);
    assert_eq!(edge(Side::Start, at(5, false), false), 6);
    assert_eq!(edge(Side::Start, at(5, true), true), 6);
    assert_eq!(edge(Side::Finish, at(5, false), false), 5);
    assert_eq!(edge(Side::Finish, at(5, false), true), 6);
    assert_eq!(edge(Side::Finish, at(5, true), false), 6);
    assert_eq!(edge(Side::Finish, at(i64::MAX, false), true), i64::MAX);
}

proptest! {
    #[test]
    fn every_bucket_of_the_range_once(width in 1..50i64, start in -500..500i64, len in 0..900i64) {
        let got = all(Step::Integer { width, min: i64::MIN, max: i64::MAX }, start, start + len, None);
        let first = start.div_euclid(width) * width;
        let want: Vec<i64> = (0..).map(|i| first + i * width).take_while(|b| *b < start + len).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn lines_round_as_exact_numbers_do(x: i64, y: i64, whole in 1..1_000_000i64, part: prop::sample::Index) {
        let t = part.index(whole as usize + 1) as i64;
        let exact = |x: i64| i128::from(x) * i128::from(whole);
        let value = exact(x) + (i128::from(y) - i128::from(x)) * i128::from(t);
        let Number::Int(n) = between((0, Number::Int(x)), (whole, Number::Int(y)), t) else { panic!() };
        let off = (exact(n) - value) * 2;
        prop_assert!(off.abs() <= i128::from(whole));
        prop_assert!(off.abs() < i128::from(whole) || (off > 0) == (value > 0));
    }

    #[test]
    fn lines_are_near_exact(x in -1000..1000i64, y in -1000..1000i64, t in 0..=60i64) {
        let exact = x as f64 + (y - x) as f64 * t as f64 / 60.0;
        let Number::Int(n) = between((0, Number::Int(x)), (60, Number::Int(y)), t) else { panic!() };
        prop_assert!((n as f64 - exact).abs() <= 0.5 + 1e-9);
    }

    #[test]
    fn neighbours_of_rising_times(mut times in prop::collection::vec(0..100i64, 0..20), mut asked in prop::collection::vec(0..100i64, 0..20)) {
        times.sort_unstable();
        times.dedup();
        asked.sort_unstable();
        let mut line = Line::default();
        let mut points = times.iter().map(|t| (*t, Number::Int(*t)));
        for t in asked {
            while line.wants_more(t) {
                line.push(points.next());
            }
            let (before, after) = line.around();
            prop_assert_eq!(before.map(|p| p.0), times.iter().rev().find(|p| **p < t).copied());
            prop_assert_eq!(after.map(|p| p.0), times.iter().find(|p| **p >= t).copied());
        }
    }
}
