use super::*;
use crate::cold::manifest::FileColumn;

/// 1 `id` int with NULLs, 2 `t"s` timestamptz, 3 `odd` mixed, 4 added later, 5 `note` text,
/// 6 `n` numeric as text.
fn manifest() -> Manifest {
    let column = |attnum, name: &str, encoding| FileColumn {
        attnum,
        physical: Some(name.into()),
        encoding,
        has_nulls: attnum == 1,
        ..FileColumn::default()
    };
    Manifest {
        rows: 10,
        raw_table: "m_raw".into(),
        rowid_name: "rowid".into(),
        columns: vec![
            column(1, "id", Encoding::Int),
            column(2, "t\"s", Encoding::TimestampTz),
            FileColumn {
                mixed: true,
                ..column(3, "odd", Encoding::Timestamp)
            },
            FileColumn {
                physical: None,
                missing: Some("7".into()),
                ..column(4, "", Encoding::Int)
            },
            column(5, "note", Encoding::Text),
            column(6, "n", Encoding::TypeText),
        ],
        ..Manifest::default()
    }
}

fn leaf_of(attnum: i16, test: Test, param: usize, encoding: Encoding) -> Leaf {
    Leaf {
        attnum,
        test,
        param: (!test.is_null_test()).then_some(param),
        encoding,
        exact: !matches!(test, Test::Like | Test::Prefix | Test::Near(_)),
    }
}

fn leaf(attnum: i16, test: Test, param: usize, encoding: Encoding) -> Tree {
    Tree::Leaf(leaf_of(attnum, test, param, encoding))
}

fn eq(attnum: i16, param: usize) -> Tree {
    leaf(attnum, Test::Compare(Op::Eq), param, Encoding::Int)
}

fn int(v: i64) -> Value {
    Value::One(Cell::Int(v))
}

fn pushed(trees: &[Tree], values: &[Value]) -> Pushed {
    push(&manifest(), trees.iter(), values)
}

#[test]
fn builds_statements_and_quotes_names() {
    let trees = [
        eq(1, 1),
        leaf(2, Test::Compare(Op::Ge), 0, Encoding::TimestampTz),
    ];
    let p = pushed(&trees, &[int(7), int(8)]);
    let q = select(&manifest(), &[2, 1, 4], &p.filter, &[]);
    assert_eq!(
        q.sql,
        "SELECT \"rowid\", \"t\"\"s\", \"id\" FROM \"m_raw\" WHERE (\"id\" = ?1) AND (\"t\"\"s\" >= ?2)"
    );
    assert_eq!(q.columns, vec![2, 1]);
    assert_eq!(p.binds, [Cell::Int(8), Cell::Int(7)]);
    assert!(p.undecided.is_empty() && !p.none_fits);
    assert_eq!(
        by_rowid(&manifest(), &[1]).sql,
        "SELECT \"rowid\", \"id\" FROM \"m_raw\" WHERE \"rowid\" = ?1"
    );
}

#[test]
fn a_range_of_rows_is_read_as_it_lies() {
    let of = |filter, descending| select_rows(&manifest(), &[1], filter, 2, descending).sql;
    let start =
        "SELECT \"rowid\", \"id\" FROM \"m_raw\" NOT INDEXED WHERE (\"rowid\" BETWEEN ?2 AND ?3)";
    assert_eq!(of("", None), start);
    assert_eq!(
        of("(x)", Some(true)),
        format!("{start} AND (x) ORDER BY \"rowid\" DESC")
    );
    assert_eq!(
        of("", Some(false)),
        format!("{start} ORDER BY \"rowid\" ASC")
    );
}

#[test]
fn what_the_file_cannot_decide_stays_with_postgresql() {
    let trees = [
        leaf(3, Test::Compare(Op::Eq), 0, Encoding::Timestamp),
        leaf(1, Test::Compare(Op::Eq), 0, Encoding::Text),
        eq(4, 0),
        leaf(3, Test::IsNotNull, 0, Encoding::Timestamp),
        eq(9, 0),
        eq(1, 1),
        eq(1, 0),
    ];
    let p = pushed(&trees, &[int(1), Value::Unusable]);
    assert_eq!(p.filter, "(\"id\" = ?1)");
    assert_eq!(p.undecided, [0, 1, 2, 4, 5]);
    assert_eq!(p.binds.len(), 1);
}

#[test]
fn three_valued_logic_keeps_supersets() {
    let unknown = || eq(9, 0);
    let known = |v| eq(1, v);
    let values = [int(1), int(2)];
    let check = |tree: Tree, filter: &str, undecided: usize| {
        let p = pushed(&[tree], &values);
        assert_eq!(p.filter, filter);
        assert_eq!(p.undecided.len(), undecided, "{filter}");
        let highest = (1..=9).rev().find(|n| filter.contains(&format!("?{n}")));
        assert_eq!(p.binds.len(), highest.unwrap_or(0), "{filter}");
    };
    check(Tree::And(vec![known(0), unknown()]), "((\"id\" = ?1))", 1);
    check(Tree::Or(vec![known(0), unknown()]), "", 1);
    check(
        Tree::Or(vec![known(0), known(1)]),
        "((\"id\" = ?1) OR (\"id\" = ?2))",
        0,
    );
    check(Tree::Not(Box::new(known(0))), "(NOT (\"id\" = ?1))", 0);
    let half = Tree::And(vec![known(0), unknown()]);
    check(Tree::Not(Box::new(half.clone())), "", 1);
    check(Tree::Is(Truth::True, Box::new(half)), "", 1);
    check(
        Tree::Is(Truth::Unknown, Box::new(Tree::Not(Box::new(known(0))))),
        "((NOT (\"id\" = ?1)) IS NULL)",
        0,
    );
    check(
        Tree::Or(vec![
            Tree::And(vec![known(0), unknown()]),
            Tree::And(vec![known(1), known(0)]),
        ]),
        "(((\"id\" = ?1)) OR ((\"id\" = ?2) AND (\"id\" = ?3)))",
        1,
    );
    // an arm that fails takes its values with it
    check(
        Tree::And(vec![
            Tree::Or(vec![known(0), known(1), unknown()]),
            known(1),
        ]),
        "((\"id\" = ?1))",
        1,
    );
}

#[test]
fn lists_are_sorted_padded_and_bounded() {
    let any = |value: Value| pushed(&[leaf(1, Test::Any, 0, Encoding::Int)], &[value]);
    let many = |v: &[i64], null| Value::Many(v.iter().map(|i| Cell::Int(*i)).collect(), null);
    let p = any(many(&[5, 3, 5, 4], true));
    assert_eq!(p.filter, "(\"id\" IN (?1, ?2, ?3, ?4, NULL))");
    let bound: Vec<i64> = p
        .binds
        .iter()
        .filter_map(|c| match c {
            Cell::Int(i) => Some(*i),
            _ => None,
        })
        .collect();
    assert_eq!(bound, [3, 4, 5, 5]);
    // of an empty list nothing is a member, by the zone map's logic alone
    assert!(any(many(&[], false)).none_fits);
    assert!(any(Value::NullArray).none_fits);
    assert!(any(many(&[], true)).none_fits);
    let p = pushed(
        &[leaf(1, Test::NotAny, 0, Encoding::Int)],
        &[many(&[2], false)],
    );
    assert_eq!(
        (p.filter.as_str(), p.undecided.len()),
        ("(\"id\" NOT IN (?1))", 0)
    );
    let long: Vec<i64> = (0..5000).rev().collect();
    let p = any(many(&long, false));
    assert_eq!(p.filter, "(\"id\" BETWEEN ?1 AND ?2)");
    assert_eq!(p.binds, [Cell::Int(0), Cell::Int(4999)]);
    assert_eq!(p.undecided, [0], "a superset");
    let p = pushed(
        &[leaf(1, Test::NotAny, 0, Encoding::Int)],
        &[many(&long, false)],
    );
    assert_eq!((p.filter.as_str(), p.undecided.len()), ("", 1));
}

#[test]
fn inexact_tests_are_evaluated_again() {
    let text = |t: &str| Value::One(Cell::Text(t.into()));
    let one = |tree: Tree, value: Value| {
        let p = pushed(&[tree], &[value]);
        assert_eq!(p.undecided, [0]);
        (p.filter, p.binds)
    };
    let (filter, binds) = one(leaf(5, Test::Like, 0, Encoding::Text), text("ab%"));
    assert_eq!(filter, "(\"note\" >= ?1 AND \"note\" < ?2)");
    assert_eq!(binds, [Cell::Text("ab".into()), Cell::Text("ac".into())]);
    assert_eq!(
        one(leaf(5, Test::Like, 0, Encoding::Text), text("%b")).0,
        ""
    );
    let near = |op| leaf(6, Test::Near(op), 0, Encoding::TypeText);
    let (filter, binds) = one(near(Op::Gt), text("1.10"));
    assert!(
        filter.starts_with("(CAST(\"n\" AS REAL) >= ?1 OR \"n\" IN ("),
        "{filter}"
    );
    assert!(matches!(binds[0], Cell::Real(r) if r < 1.1 && r > 1.09999));
    assert_eq!(one(near(Op::Eq), text("NaN")).0, "");
    assert_eq!(one(near(Op::Ne), text("1")).0, "");
    // equality of another encoding than PostgreSQL's: a superset for =, nothing for <>
    let inexact = |test| {
        Tree::Leaf(Leaf {
            exact: false,
            ..leaf_of(5, test, 0, Encoding::Text)
        })
    };
    assert_eq!(
        one(inexact(Test::Compare(Op::Eq)), text("a")).0,
        "(\"note\" = ?1)"
    );
    assert_eq!(one(inexact(Test::Compare(Op::Ne)), text("a")).0, "");
    assert_eq!(one(inexact(Test::Distinct), text("a")).0, "");
}

#[test]
fn the_zone_map_decides_without_a_word() {
    let mut m = manifest();
    m.columns[1].min = Some(Cell::Int(10));
    m.columns[1].max = Some(Cell::Int(20));
    let at_least = leaf(2, Test::Compare(Op::Ge), 0, Encoding::TimestampTz);
    let of = |v| push(&m, [at_least.clone()].iter(), &[int(v)]);
    assert_eq!(of(10), Pushed::default());
    assert!(!of(11).filter.is_empty() && !of(11).none_fits);
    assert!(of(21).none_fits);
    m.rows = 0;
    assert!(push(&m, [].iter(), &[]).none_fits, "an empty file");
}

#[test]
fn classes_follow_the_manifest() {
    let m = manifest();
    assert_eq!(classify(&m, &eq(1, 0)), Class::Exact);
    assert_eq!(classify(&m, &eq(4, 0)), Class::Never);
    assert_eq!(
        classify(&m, &leaf(1, Test::Any, 0, Encoding::Int)),
        Class::Exact
    );
    assert_eq!(
        classify(&m, &leaf(5, Test::Like, 0, Encoding::Text)),
        Class::Prefilter
    );
    assert_eq!(
        classify(&m, &Tree::And(vec![eq(1, 0), eq(4, 0)])),
        Class::Prefilter
    );
}

#[test]
fn trees_travel_as_numbers() {
    let tests = [
        Test::IsNull,
        Test::IsNotNull,
        Test::Distinct,
        Test::Any,
        Test::NotAny,
        Test::Like,
        Test::Prefix,
    ];
    let ops = [Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt, Op::Ne];
    let mut leaves: Vec<Tree> = tests
        .iter()
        .enumerate()
        .map(|(n, t)| leaf(n as i16 + 1, *t, n, Encoding::Int))
        .collect();
    for op in ops {
        assert_eq!(Op::from_strategy(op.to_number()), Some(op));
        assert_eq!(op.commuted().commuted(), op);
        leaves.push(leaf(1, Test::Compare(op), 3, Encoding::Int));
        leaves.push(leaf(1, Test::Near(op), 4, Encoding::Int));
    }
    assert_eq!(Op::from_strategy(0), None);
    assert_eq!(Op::from_strategy(7), None);
    let tree = Tree::And(vec![
        Tree::Or(leaves),
        Tree::Not(Box::new(Tree::Is(Truth::True, Box::new(eq(1, 0))))),
        Tree::Is(Truth::False, Box::new(eq(2, 1))),
        Tree::Is(Truth::Unknown, Box::new(Tree::And(vec![]))),
        Tree::Opaque,
    ]);
    let mut numbers = vec![];
    tree.write(&mut numbers);
    let read = |n: &[i32]| Tree::read(&mut n.iter().copied(), &|_| Encoding::Int);
    assert_eq!(read(&numbers), Some(tree));
    assert_eq!(read(&numbers[..numbers.len() - 1]), None);
    assert_eq!(read(&[]), None);
}

#[test]
fn times_of_others_are_searched_between_wide_bounds() {
    let mut m = manifest();
    m.columns[1].form = Some(crate::cold::foreign_time::TimeForm::Unix);
    let of = |test, value: Value| {
        let tree = leaf(2, test, 0, Encoding::TimestampTz);
        push(&m, [tree].iter(), &[value])
    };
    let found = of(Test::Compare(Op::Eq), int(5_000_000));
    assert_eq!(found.filter, "(\"t\"\"s\" >= ?1 AND \"t\"\"s\" <= ?2)");
    assert_eq!(found.binds, [Cell::Real(3.0), Cell::Real(7.0)]);
    assert_eq!(found.undecided, [0], "PostgreSQL looks again");
    let found = of(Test::Compare(Op::Lt), int(5_000_000));
    assert_eq!(found.binds, [Cell::Real(7.0)]);
    for (test, value) in [
        (Test::Compare(Op::Ne), int(1)),
        (Test::Compare(Op::Lt), int(i64::MAX)),
        (Test::Distinct, int(1)),
        (Test::Any, Value::Many(vec![Cell::Int(1)], false)),
    ] {
        let found = of(test, value);
        assert_eq!(
            (found.filter.as_str(), found.binds.len()),
            ("", 0),
            "{test:?}"
        );
        assert_eq!(found.undecided, [0], "{test:?}");
    }
    let not = Tree::Not(Box::new(leaf(
        2,
        Test::Compare(Op::Lt),
        0,
        Encoding::TimestampTz,
    )));
    let found = push(&m, [not].iter(), &[int(1)]);
    assert_eq!(found.filter, "", "the complement of a superset");
}

#[test]
fn a_table_without_rowid_is_read_all_the_same() {
    let mut m = manifest();
    m.rowid_name = String::new();
    assert_eq!(
        select(&m, &[1], "", &[]).sql,
        "SELECT NULL, \"id\" FROM \"m_raw\""
    );
}
