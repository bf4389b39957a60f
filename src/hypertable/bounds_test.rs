use super::*;
use proptest::prelude::*;

const WEEK: i64 = 7 * DAY_US;

fn grid(key: KeyType, width: Width) -> Grid {
    Grid::new(key, width)
}

fn texts(g: Grid, value: i64) -> (String, String) {
    let (lo, hi) = g.range(g.index(value)).unwrap();
    (lo.sql(g.key), hi.sql(g.key))
}

#[test]
fn weeks_begin_on_monday() {
    let g = grid(
        KeyType::TimestampTz,
        Width::default_for(KeyType::TimestampTz),
    );
    assert_eq!(g.width, Width::Units(WEEK));
    let friday = cal::day_number(2024, 1, 5) * DAY_US;
    assert_eq!(
        texts(g, friday),
        (
            "'2024-01-01 00:00:00+00'".into(),
            "'2024-01-08 00:00:00+00'".into()
        )
    );
    let g = grid(KeyType::Date, Width::default_for(KeyType::Date));
    assert_eq!(
        texts(g, cal::day_number(1999, 12, 31)),
        ("'1999-12-27'".into(), "'2000-01-03'".into())
    );
}

#[test]
fn months_by_calendar() {
    let g = grid(KeyType::Timestamp, Width::Months(1));
    let leap = cal::day_number(2024, 2, 29) * DAY_US + 5;
    assert_eq!(
        texts(g, leap),
        (
            "'2024-02-01 00:00:00'".into(),
            "'2024-03-01 00:00:00'".into()
        )
    );
    let g = grid(KeyType::Date, Width::Months(3));
    assert_eq!(
        texts(g, cal::day_number(1999, 12, 31)),
        ("'1999-10-01'".into(), "'2000-01-01'".into())
    );
}

#[test]
fn integers_reach_the_limits_of_their_type() {
    let g = grid(KeyType::Int2, Width::Units(10_000));
    assert_eq!(texts(g, 32_767), ("'30000'".into(), "MAXVALUE".into()));
    assert_eq!(texts(g, -32_768), ("MINVALUE".into(), "'-30000'".into()));
    let g = grid(KeyType::Int8, Width::Units(1));
    assert_eq!(
        texts(g, i64::MAX),
        (format!("'{}'", i64::MAX), "MAXVALUE".into())
    );
    assert!(g.range(g.index(i64::MIN)).is_ok());
}

#[test]
fn times_beyond_the_calendar_are_an_error() {
    let g = grid(KeyType::TimestampTz, Width::Months(1200));
    let e = g.range(g.index(cal::TIMESTAMP_RANGE.1 - 1)).unwrap_err();
    assert_eq!(e.kind, Kind::DatetimeOverflow);
    assert_eq!(
        e.message,
        "chunk bounds are out of range for type timestamp with time zone"
    );
    assert!(g.range(i64::MAX).is_err() && g.range(i64::MIN).is_err());
}

#[test]
fn widths_refused() {
    let ts = KeyType::TimestampTz;
    let kind = |r: Result<Width>| r.unwrap_err().kind;
    assert_eq!(
        kind(Width::from_interval(ts, 0, 0, 0)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(ts, 0, -1, 0)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(ts, -1, 0, 0)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(ts, 1, 1, 0)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(ts, 1, 0, 1)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(ts, 0, 0, 999_999)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(ts, 0, i32::MAX, i64::MAX)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(KeyType::Date, 0, 0, 3_600_000_000)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_interval(KeyType::Int4, 0, 7, 0)),
        Kind::WrongType
    );
    assert_eq!(
        kind(Width::from_integer(KeyType::Int2, 40_000)),
        Kind::InvalidParameter
    );
    assert_eq!(
        kind(Width::from_integer(KeyType::Int8, 0)),
        Kind::InvalidParameter
    );
    let e = Width::from_integer(ts, 7).unwrap_err();
    assert!(e.hint.unwrap().contains("microseconds"));
}

#[test]
fn widths_accepted() {
    let ts = KeyType::TimestampTz;
    assert_eq!(
        Width::from_interval(ts, 0, 1, -DAY_US / 2).unwrap(),
        Width::Units(DAY_US / 2)
    );
    assert_eq!(
        Width::from_interval(ts, 12, 0, 0).unwrap(),
        Width::Months(12)
    );
    assert_eq!(
        Width::from_interval(KeyType::Date, 0, 7, DAY_US).unwrap(),
        Width::Units(8)
    );
    assert_eq!(Width::from_integer(ts, WEEK).unwrap(), Width::Units(WEEK));
    assert_eq!(
        Width::from_integer(KeyType::Int2, 32_767).unwrap(),
        Width::Units(32_767)
    );
}

#[test]
fn names() {
    let at = |y, m, d| Edge::At(cal::day_number(y, m, d));
    assert_eq!(
        chunk_name("metrics", 3, at(2024, 1, 5), KeyType::Date, 1),
        "metrics_h3_20240105"
    );
    assert_eq!(
        chunk_name("metrics", 3, Edge::At(-500), KeyType::Int4, 2),
        "metrics_h3_m500_2"
    );
    assert_eq!(chunk_name("t", 1, Edge::Min, KeyType::Int2, 1), "t_h1_min");
    // cut at 30 bytes, never inside a character: each of these has two bytes
    let long = "ä".repeat(31);
    let name = chunk_name(&long, i32::MAX, Edge::At(i64::MIN), KeyType::Int8, 999);
    assert!(name.starts_with(&"ä".repeat(9)) && !name.starts_with(&"ä".repeat(10)));
    assert!(name.len() <= 63 && name.ends_with("_999"), "{name}");
    assert_eq!(leaf_name("m_h1_5", 3), "m_h1_5_p3");
    // the hash partitions of neighbours have names of their own, however long those of the chunks are
    let leaf = |lo: i64| {
        let name = chunk_name(&long, i32::MAX, Edge::At(lo), KeyType::Int8, 999);
        leaf_name(&name, i16::MAX.into())
    };
    assert_ne!(leaf(i64::MIN), leaf(i64::MIN + 1));
    assert!(leaf(i64::MIN).contains("_m9223372036854775808_999_p32767"));
    let odd = chunk_name(&format!("x{long}"), 1, Edge::At(0), KeyType::Int8, 1);
    assert_eq!(odd, format!("x{}_h1_0", "ä".repeat(14)));
}

#[test]
fn uuids_are_cut_at_the_least_id_of_a_millisecond() {
    let g = grid(KeyType::Uuid, Width::Months(1));
    let leap = cal::day_number(2024, 2, 29) * DAY_US + 5;
    // 2024-02-01 is 1706745600000 ms after 1970
    assert_eq!(
        texts(g, leap),
        (
            "'018d61f7-1800-7000-8000-000000000000'".into(),
            "'018df74f-8400-7000-8000-000000000000'".into()
        )
    );
    let (lo, hi) = KeyType::Uuid.limits();
    assert_eq!(g.range(g.index(lo)).unwrap().0, Edge::Min);
    assert_eq!(g.range(g.index(hi)).unwrap().1, Edge::Max);
    assert_eq!(
        KeyType::Uuid.literal(hi),
        "ffffffff-ffff-7000-8000-000000000000"
    );
    assert_eq!(
        chunk_name("t", 1, g.range(g.index(leap)).unwrap().0, g.key, 1),
        "t_h1_20240201"
    );
    let e = Width::from_interval(KeyType::Uuid, 0, 1, 500).unwrap_err();
    assert_eq!(e.kind, Kind::InvalidParameter);
}

#[test]
fn chunks_are_counted_from_the_origin() {
    let at = |y, m, d| cal::day_number(y, m, d) * DAY_US;
    let day = |h: i64| {
        Grid::with_origin(
            KeyType::TimestampTz,
            Width::Units(DAY_US),
            h * 3_600_000_000,
        )
    };
    assert_eq!(
        texts(day(6).unwrap(), at(2024, 1, 5)),
        (
            "'2024-01-04 06:00:00+00'".into(),
            "'2024-01-05 06:00:00+00'".into()
        )
    );
    let quarter = Grid::with_origin(KeyType::Date, Width::Months(3), at(2024, 2, 1)).unwrap();
    assert_eq!(
        texts(quarter, cal::day_number(2024, 1, 31)),
        ("'2023-11-01'".into(), "'2024-02-01'".into())
    );
    for bad in [
        Grid::with_origin(KeyType::Int8, Width::Units(10), 0),
        Grid::with_origin(KeyType::Date, Width::Units(7), 1),
        Grid::with_origin(KeyType::Uuid, Width::Units(DAY_US), 1),
        Grid::with_origin(KeyType::TimestampTz, Width::Months(1), at(2024, 1, 2)),
        Grid::with_origin(KeyType::TimestampTz, Width::Months(1), at(2024, 1, 1) + 1),
    ] {
        assert_eq!(bad.unwrap_err().kind, Kind::InvalidParameter);
    }
}

#[test]
fn gaps_are_clipped_to_neighbours() {
    let r = |a, b| (Edge::At(a), Edge::At(b));
    assert_eq!(gaps(r(0, 10), &[]), vec![r(0, 10)]);
    assert_eq!(gaps(r(0, 10), &[r(-5, 3), r(8, 20)]), vec![r(3, 8)]);
    assert_eq!(gaps(r(0, 10), &[r(4, 5), r(0, 1)]), vec![r(1, 4), r(5, 10)]);
    assert_eq!(gaps(r(0, 10), &[(Edge::Min, Edge::Max)]), vec![]);
    assert_eq!(
        gaps((Edge::At(5), Edge::Max), &[r(7, 9)]),
        vec![r(5, 7), (Edge::At(9), Edge::Max)]
    );
}

fn grids() -> impl Strategy<Value = Grid> {
    let key = prop_oneof![
        Just(KeyType::Int2),
        Just(KeyType::Int4),
        Just(KeyType::Int8),
        Just(KeyType::Date),
        Just(KeyType::Timestamp),
        Just(KeyType::TimestampTz),
        Just(KeyType::Uuid),
    ];
    (
        key,
        1i64..400,
        1i32..40,
        any::<bool>(),
        any::<Option<i16>>(),
    )
        .prop_map(|(key, n, months, by_month, shift)| {
            let width = match (key.is_time() && by_month, key) {
                (true, _) => Width::Months(months),
                (_, KeyType::Timestamp | KeyType::TimestampTz | KeyType::Uuid) => {
                    Width::Units(n * 3_600_000_000)
                }
                _ => Width::Units(n),
            };
            match (shift, width) {
                (Some(s), Width::Months(_)) => {
                    let first = cal::month_start(i64::from(s) / 16) * DAY_US;
                    Grid::with_origin(key, width, first).unwrap()
                }
                (Some(s), _) if key.is_time() => {
                    Grid::with_origin(key, width, i64::from(s) * DAY_US).unwrap()
                }
                _ => Grid::new(key, width),
            }
        })
}

proptest! {
    /// Every value lies in its chunk, and neighbouring chunks touch.
    #[test]
    fn chunks_tile_the_line(g in grids(), seed in any::<i64>()) {
        let (min, max) = g.key.limits();
        // stay a few centuries away from the ends, where times are refused
        let margin = if g.key.is_time() { 40 * 366 * g.key.day() } else { 0 };
        let width = (max as i128 - min as i128 - 2 * margin as i128).max(1);
        let value = (min as i128 + margin as i128 + (seed as i128).rem_euclid(width)) as i64;
        let i = g.index(value);
        let (lo, hi) = g.range(i).unwrap();
        prop_assert!(lo <= Edge::At(value) && Edge::At(value) < hi, "{lo:?} {value} {hi:?}");
        if let Edge::At(h) = hi {
            prop_assert_eq!(g.index(h), i + 1);
            prop_assert_eq!(g.range(i + 1).unwrap().0, hi);
        }
        if let Edge::At(l) = lo {
            prop_assert_eq!(g.index(l), i);
            prop_assert_eq!(g.index(l - 1), i - 1);
        }
    }

    /// Gaps and what was taken cover the wanted range exactly once (model: one flag per number).
    #[test]
    fn gaps_cover_exactly(cuts in prop::collection::vec((0i64..60, 1i64..8), 0..8), lo in 0i64..30, n in 1i64..30) {
        let mut taken: Vec<(i64, i64)> = Vec::new();
        for (a, len) in cuts {
            if taken.iter().all(|&(x, y)| a + len <= x || a >= y) {
                taken.push((a, a + len));
            }
        }
        let ranges: Vec<Range> = taken.iter().map(|&(a, b)| (Edge::At(a), Edge::At(b))).collect();
        let got = gaps((Edge::At(lo), Edge::At(lo + n)), &ranges);
        for v in 0..70 {
            let is_gap = got.iter().filter(|(a, b)| *a <= Edge::At(v) && Edge::At(v) < *b).count();
            let want = v >= lo && v < lo + n && !taken.iter().any(|&(a, b)| a <= v && v < b);
            prop_assert_eq!(is_gap, usize::from(want));
        }
    }
}
