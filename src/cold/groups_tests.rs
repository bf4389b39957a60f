#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn all(groups: &Groups) -> Vec<Vec<Cell>> {
    (0..)
        .map_while(|n| groups.get(n).map(<[Cell]>::to_vec))
        .collect()
}

fn add(groups: &mut Groups, row: &[Cell]) -> Result<(), Unexpected> {
    groups.add(|n| row[n].as_ref())
}

/// 1 key, 2 number, 3 text.
const OUTPUTS: [Output; 7] = [
    Output::Key(1),
    Output::Rows,
    Output::Count(2),
    Output::Average(2),
    Output::Sum(2),
    Output::Min(3),
    Output::Max(2),
];

#[test]
fn nulls_count_as_rows_and_nothing_else() {
    let mut groups = Groups::new(&OUTPUTS);
    add(&mut groups, &[Cell::Null, Cell::Null, Cell::Null]).unwrap();
    add(
        &mut groups,
        &[Cell::Null, Cell::Int(-4), Cell::Text("b".into())],
    )
    .unwrap();
    add(&mut groups, &[Cell::Int(0), Cell::Null, Cell::Null]).unwrap();
    add(
        &mut groups,
        &[Cell::Null, Cell::Int(3), Cell::Text("a".into())],
    )
    .unwrap();
    let int = Cell::Int;
    assert_eq!(
        all(&groups),
        [
            vec![
                Cell::Null,
                int(3),
                int(2),
                int(2),
                int(-1),
                int(-1),
                Cell::Text("a".into()),
                int(3)
            ],
            vec![
                int(0),
                int(1),
                int(0),
                int(0),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null
            ],
        ]
    );
    groups.clear();
    assert_eq!((all(&groups).len(), groups.bytes()), (0, 0));
    add(&mut groups, &[int(0), int(1), Cell::Null]).unwrap();
    assert_eq!(groups.get(0).unwrap()[1], int(1));
}

#[test]
fn keys_of_different_kinds_and_lengths_are_different() {
    let mut groups = Groups::new(&[Output::Key(1), Output::Key(2), Output::Rows]);
    let text = |t: &str| Cell::Text(t.into());
    let keys = [
        (text("ab"), text("c")),
        (text("a"), text("bc")),
        (text(""), Cell::Null),
        (Cell::Null, text("")),
        (Cell::Blob(b"ab".to_vec()), text("c")),
        (Cell::Int(0), Cell::Real(1.5)),
        (Cell::Real(1.5), Cell::Int(0)),
    ];
    for _ in 0..2 {
        for (a, b) in &keys {
            add(&mut groups, &[a.clone(), b.clone()]).unwrap();
        }
    }
    let counts: Vec<Cell> = all(&groups).into_iter().map(|g| g[2].clone()).collect();
    assert_eq!(counts, vec![Cell::Int(2); keys.len()]);
}

#[test]
fn buckets_before_their_origin_begin_below() {
    let bucket = Output::Bucket {
        attnum: 1,
        width_us: 60,
        origin_us: 125,
    };
    for (time, start) in [(5, 5), (4, -55), (-55, -55), (-56, -115), (64, 5), (65, 65)] {
        let mut groups = Groups::new(&[bucket]);
        add(&mut groups, &[Cell::Int(time)]).unwrap();
        assert_eq!(all(&groups), [[Cell::Int(start)]], "{time}");
    }
    let mut groups = Groups::new(&[bucket]);
    assert!(add(&mut groups, &[Cell::Text("infinity".into())]).is_err());
    add(&mut groups, &[Cell::Null]).unwrap();
    assert_eq!(all(&groups), [[Cell::Null]]);
}

#[test]
fn what_cannot_be_added_up_is_an_error() {
    let mut groups = Groups::new(&[Output::Key(1), Output::Sum(1)]);
    assert!(add(&mut groups, &[Cell::Text("7".into())]).is_err());
    let mut groups = Groups::new(&[Output::Key(2), Output::Sum(1)]);
    let row = [Cell::Null, Cell::Int(i64::MAX)];
    add(&mut groups, &row).unwrap();
    assert!(add(&mut groups, &row).is_err());
}

#[test]
fn not_a_number_is_the_greatest() {
    let mut groups = Groups::new(&[Output::Key(1), Output::Min(2), Output::Max(2)]);
    for value in [
        Cell::Real(2.0),
        Cell::Text("NaN".into()),
        Cell::Real(f64::INFINITY),
    ] {
        add(&mut groups, &[Cell::Int(1), value]).unwrap();
    }
    assert_eq!(
        groups.get(0).unwrap()[1..],
        [Cell::Real(2.0), Cell::Text("NaN".into())]
    );
}

proptest! {
    #[test]
    fn the_same_as_one_by_one(rows in prop::collection::vec((0..6_i64, prop::option::of(-9..9_i64)), 0..80)) {
        let mut groups = Groups::new(&[Output::Key(1), Output::Rows, Output::Average(2), Output::Min(2)]);
        let mut naive: BTreeMap<i64, (i64, i64, Option<i64>, Option<i64>)> = BTreeMap::new();
        for (key, value) in &rows {
            let cell = value.map_or(Cell::Null, Cell::Int);
            add(&mut groups, &[Cell::Int(*key), cell]).unwrap();
            let state = naive.entry(*key).or_default();
            state.0 += 1;
            if let Some(value) = value {
                state.1 += 1;
                state.2 = Some(state.2.unwrap_or(0) + value);
                state.3 = Some(state.3.map_or(*value, |m| m.min(*value)));
            }
        }
        let number = |n: Option<i64>| n.map_or(Cell::Null, Cell::Int);
        let mut found = all(&groups);
        found.sort_by_key(|g| matches!(g[0], Cell::Int(k) if k >= 0).then(|| format!("{:?}", g[0])));
        let expected: Vec<Vec<Cell>> = naive
            .into_iter()
            .map(|(k, s)| vec![Cell::Int(k), Cell::Int(s.0), Cell::Int(s.1), number(s.2), number(s.3)])
            .collect();
        prop_assert_eq!(found, expected);
    }
}
