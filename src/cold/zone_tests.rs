use super::*;
use crate::cold::mapping::Encoding;

/// Column 1: integers 10 to 20; 2: with NULLs; 3: all NULL; 4: text 'b' to 'd'; 5: no bounds;
/// 6: the value 7 alone; 7: added later; 8: mixed.
fn manifest() -> Manifest {
    let ints = |attnum, min, max| FileColumn {
        attnum,
        physical: Some(format!("c{attnum}")),
        encoding: Encoding::Int,
        nulls: Some(0),
        min: Some(Cell::Int(min)),
        max: Some(Cell::Int(max)),
        ..FileColumn::default()
    };
    let mut columns: Vec<FileColumn> = (1..=8).map(|a| ints(a, 10, 20)).collect();
    columns[1].has_nulls = true;
    columns[1].nulls = Some(3);
    columns[2] = FileColumn {
        has_nulls: true,
        nulls: Some(100),
        min: None,
        max: None,
        ..columns[2].clone()
    };
    columns[3] = FileColumn {
        encoding: Encoding::Text,
        min: Some(Cell::Text("b".into())),
        max: Some(Cell::Text("d".into())),
        ..columns[3].clone()
    };
    columns[4].min = None;
    columns[4].max = None;
    columns[5] = ints(6, 7, 7);
    columns[6].physical = None;
    columns[7].mixed = true;
    Manifest {
        rows: 100,
        columns,
        ..Manifest::default()
    }
}

fn leaf(attnum: i16, test: Test) -> Tree {
    Tree::Leaf(Leaf {
        attnum,
        test,
        param: Some(0),
        encoding: if attnum == 4 {
            Encoding::Text
        } else {
            Encoding::Int
        },
        exact: !matches!(test, Test::Like | Test::Prefix | Test::Near(_)),
    })
}

/// The outcomes as letters: t, f, n.
fn letters(tree: &Tree, value: Value) -> String {
    let o = outcomes(&manifest(), tree, &[value]);
    [(o.is_true, 't'), (o.is_false, 'f'), (o.is_null, 'n')]
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, c)| *c)
        .collect()
}

fn int(v: i64) -> Value {
    Value::One(Cell::Int(v))
}

fn text(t: &str) -> Value {
    Value::One(Cell::Text(t.into()))
}

#[test]
fn comparisons_know_the_bounds() {
    let check = |op, value, expected: &str| {
        assert_eq!(
            letters(&leaf(1, Test::Compare(op)), int(value)),
            expected,
            "{op:?} {value}"
        );
    };
    for (op, values) in [
        (
            Op::Lt,
            [(9, "f"), (10, "f"), (11, "tf"), (20, "tf"), (21, "t")],
        ),
        (
            Op::Le,
            [(9, "f"), (10, "tf"), (19, "tf"), (20, "t"), (21, "t")],
        ),
        (
            Op::Ge,
            [(9, "t"), (10, "t"), (11, "tf"), (20, "tf"), (21, "f")],
        ),
        (
            Op::Gt,
            [(9, "t"), (10, "tf"), (19, "tf"), (20, "f"), (21, "f")],
        ),
        (
            Op::Eq,
            [(9, "f"), (10, "tf"), (15, "tf"), (20, "tf"), (21, "f")],
        ),
        (
            Op::Ne,
            [(9, "t"), (10, "tf"), (15, "tf"), (20, "tf"), (21, "t")],
        ),
    ] {
        for (value, expected) in values {
            check(op, value, expected);
        }
    }
    let eq = Test::Compare(Op::Eq);
    assert_eq!(letters(&leaf(6, eq), int(7)), "t");
    assert_eq!(letters(&leaf(6, Test::Compare(Op::Ne)), int(7)), "f");
    assert_eq!(letters(&leaf(1, eq), Value::One(Cell::Null)), "n");
    assert_eq!(letters(&leaf(2, eq), int(9)), "fn");
    assert_eq!(letters(&leaf(2, Test::Compare(Op::Lt)), int(99)), "tn");
    assert_eq!(letters(&leaf(3, eq), int(9)), "n");
    assert_eq!(letters(&leaf(5, eq), int(9)), "tf");
    for blind in [7, 8, 99] {
        assert_eq!(letters(&leaf(blind, eq), int(9)), "tfn");
    }
    for blind in [Value::Unknown, Value::Unusable, Value::NullArray] {
        assert_eq!(letters(&leaf(1, eq), blind), "tfn");
    }
}

#[test]
fn one_missing_bound_leaves_the_other() {
    let mut m = manifest();
    m.columns[0].max = None;
    let of = |op, v| outcomes(&m, &leaf(1, Test::Compare(op)), &[int(v)]);
    assert!(!of(Op::Lt, 5).may_be_true());
    assert!(of(Op::Ge, 5).is_always_true());
    assert!(of(Op::Gt, 99).may_be_true() && !of(Op::Gt, 99).is_always_true());
    assert!(!of(Op::Eq, 5).may_be_true() && of(Op::Eq, 99).may_be_true());
}

#[test]
fn null_tests_lists_and_prefixes() {
    assert_eq!(letters(&leaf(1, Test::IsNull), Value::Unknown), "f");
    assert_eq!(letters(&leaf(1, Test::IsNotNull), Value::Unknown), "t");
    assert_eq!(letters(&leaf(2, Test::IsNull), Value::Unknown), "tf");
    assert_eq!(letters(&leaf(3, Test::IsNotNull), Value::Unknown), "f");
    let many = |v: &[i64], null| Value::Many(v.iter().map(|i| Cell::Int(*i)).collect(), null);
    assert_eq!(letters(&leaf(1, Test::Any), many(&[1, 30], false)), "f");
    assert_eq!(letters(&leaf(1, Test::Any), many(&[1, 15], false)), "tf");
    assert_eq!(letters(&leaf(1, Test::Any), many(&[1], true)), "n");
    assert_eq!(letters(&leaf(1, Test::NotAny), many(&[1, 30], false)), "t");
    assert_eq!(letters(&leaf(1, Test::NotAny), many(&[15], true)), "fn");
    assert_eq!(letters(&leaf(1, Test::Any), many(&[], false)), "f");
    assert_eq!(letters(&leaf(3, Test::Any), many(&[], false)), "f");
    assert_eq!(letters(&leaf(3, Test::NotAny), many(&[], false)), "t");
    assert_eq!(letters(&leaf(1, Test::Any), Value::NullArray), "n");
    assert_eq!(letters(&leaf(1, Test::Any), Value::Unusable), "tfn");
    // inexact: never more than "no row"
    assert_eq!(letters(&leaf(4, Test::Like), text("a%")), "fn");
    assert_eq!(letters(&leaf(4, Test::Like), text("c%")), "tfn");
    assert_eq!(letters(&leaf(4, Test::Like), text("%c")), "tfn");
    assert_eq!(letters(&leaf(4, Test::Prefix), text("e")), "fn");
    assert_eq!(letters(&leaf(4, Test::Prefix), text("d")), "tfn");
    assert_eq!(letters(&leaf(1, Test::Near(Op::Eq)), int(99)), "tfn");
}

#[test]
fn truth_tables() {
    let t = || leaf(1, Test::IsNotNull);
    let f = || leaf(1, Test::IsNull);
    let n = || leaf(3, Test::Compare(Op::Eq));
    let of = |tree: Tree| letters(&tree, int(1));
    for (a, b, and, or) in [
        (t(), t(), "t", "t"),
        (t(), f(), "f", "t"),
        (t(), n(), "n", "t"),
        (f(), f(), "f", "f"),
        (f(), n(), "f", "n"),
        (n(), n(), "n", "n"),
    ] {
        assert_eq!(of(Tree::And(vec![a.clone(), b.clone()])), and);
        assert_eq!(of(Tree::And(vec![b.clone(), a.clone()])), and);
        assert_eq!(of(Tree::Or(vec![a.clone(), b.clone()])), or);
        assert_eq!(of(Tree::Or(vec![b, a])), or);
    }
    assert_eq!(of(Tree::Not(Box::new(t()))), "f");
    assert_eq!(of(Tree::Not(Box::new(n()))), "n");
    assert_eq!(of(Tree::Is(Truth::True, Box::new(n()))), "f");
    assert_eq!(of(Tree::Is(Truth::Unknown, Box::new(n()))), "t");
    assert_eq!(of(Tree::Is(Truth::False, Box::new(f()))), "t");
    assert_eq!(of(Tree::And(vec![])), "t");
    assert_eq!(of(Tree::Or(vec![])), "f");
}
