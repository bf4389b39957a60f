//! When a range of values is read as a range of rowids, without an index.
//!
//! Rows of a file lie in the order of their rowids, and the run map tells which rowids and bytes
//! hold a range of a column that ascends with them. One stretch of bytes costs fewer requests than
//! the way through an index, so that way is left to conditions which an index answers better.

use super::manifest::Manifest;
use super::mapping::Cell;
use super::order::Key;
use super::pushdown::{Leaf, Op, Test, Tree, Value, comparable};
use super::runs::{RowRange, RunMap};
use std::collections::HashMap;

/// The rows in which all rows lie that fulfil the conditions, if walking them is the way to go.
pub fn choose<'t>(
    manifest: &Manifest,
    runs: &HashMap<String, RunMap>,
    conditions: impl Iterator<Item = &'t Tree>,
    values: &[Value],
    order: &[Key],
    needed: &[i16],
) -> Option<RowRange> {
    let mut leaves = Vec::new();
    for tree in conditions {
        flatten(tree, &mut leaves);
    }
    let mut columns = leaves.iter().filter_map(|leaf| {
        let column = comparable(manifest, leaf)?;
        let map = runs.get(column.physical.as_deref()?)?;
        Some((leaf.attnum, map))
    });
    let (attnum, map) = columns.find(|(attnum, _)| {
        // backwards, an index asks for as little
        let forward = |key: &Key| key.attnum == *attnum && !key.descending;
        let ordered = order.is_empty() || matches!(order, [key] if forward(key));
        ordered && !better_by_index(manifest, &leaves, *attnum, needed)
    })?;
    let (mut low, mut high): (Option<i64>, Option<i64>) = (None, None);
    for leaf in leaves.iter().filter(|leaf| leaf.attnum == attnum) {
        let Some((op, value)) = comparison(manifest, leaf, values) else {
            continue;
        };
        if matches!(op, Op::Gt | Op::Ge | Op::Eq) {
            low = Some(low.map_or(value, |known| known.max(value)));
        }
        if matches!(op, Op::Lt | Op::Le | Op::Eq) {
            high = Some(high.map_or(value, |known| known.min(value)));
        }
    }
    (low.is_some() || high.is_some()).then_some(())?;
    map.between(low, high)
}

/// Conditions that must all hold.
fn flatten<'t>(tree: &'t Tree, leaves: &mut Vec<&'t Leaf>) {
    match tree {
        Tree::Leaf(leaf) => leaves.push(leaf),
        Tree::And(list) => list.iter().for_each(|tree| flatten(tree, leaves)),
        _ => {}
    }
}

/// A comparison with a whole number, decided by the stored form.
fn comparison(manifest: &Manifest, leaf: &Leaf, values: &[Value]) -> Option<(Op, i64)> {
    let Test::Compare(op) = leaf.test else {
        return None;
    };
    comparable(manifest, leaf).filter(|_| leaf.exact)?;
    match values.get(leaf.param?)? {
        Value::One(Cell::Int(value)) => Some((op, *value)),
        _ => None,
    }
}

/// An index finds single values of its first column; one that holds all that is needed is smaller
/// than the table.
fn better_by_index(manifest: &Manifest, leaves: &[&Leaf], attnum: i16, needed: &[i16]) -> bool {
    manifest.indexes.iter().any(|index| {
        let Some((first, _)) = index.columns.first() else {
            return false;
        };
        let single = |leaf: &&Leaf| {
            leaf.attnum == *first && matches!(leaf.test, Test::Any | Test::Compare(Op::Eq))
        };
        let holds = |attnum: &i16| index.columns.iter().any(|(held, _)| held == attnum);
        let searched = leaves.iter().any(single) && *first != attnum;
        searched || (*first == attnum && needed.iter().all(holds))
    })
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::cold::manifest::{FileColumn, FileIndex};
    use crate::cold::mapping::Encoding;

    /// Column 1 ascends and has a run map, column 2 has neither; both are indexed.
    fn manifest() -> Manifest {
        let column = |attnum: i16, ascending| FileColumn {
            attnum,
            physical: Some(format!("c{attnum}")),
            encoding: Encoding::Int,
            ascending,
            ..FileColumn::default()
        };
        let index = |columns: &[i16]| FileIndex {
            columns: columns.iter().map(|c| (*c, false)).collect(),
            unique: false,
        };
        Manifest {
            columns: vec![column(1, true), column(2, false), column(3, false)],
            indexes: vec![index(&[1]), index(&[2, 1])],
            ..Manifest::default()
        }
    }

    fn chosen(leaves: &[(i16, Op, i64)], order: &[i16], needed: &[i16]) -> Option<(i64, i64)> {
        let map = RunMap::new(
            vec![0, 10, 20],
            vec![1, 11, 21],
            vec![100, 200, 300],
            30,
            29,
            400,
        );
        let runs = HashMap::from([("c1".to_owned(), map.expect("sound"))]);
        let trees: Vec<Tree> = leaves
            .iter()
            .enumerate()
            .map(|(n, (attnum, op, _))| {
                Tree::Leaf(Leaf {
                    attnum: *attnum,
                    test: Test::Compare(*op),
                    param: Some(n),
                    encoding: Encoding::Int,
                    exact: true,
                })
            })
            .collect();
        let values: Vec<Value> = leaves
            .iter()
            .map(|(_, _, v)| Value::One(Cell::Int(*v)))
            .collect();
        let order: Vec<Key> = order
            .iter()
            .map(|attnum| Key {
                attnum: *attnum,
                descending: false,
                nulls_first: false,
                collation: 0,
            })
            .collect();
        let range = choose(&manifest(), &runs, trees.iter(), &values, &order, needed)?;
        Some((range.first, range.last))
    }

    #[test]
    fn ranges_are_walked() {
        let all = [1, 2, 3];
        assert_eq!(chosen(&[(1, Op::Ge, 12)], &[], &all), Some((11, 30)));
        let both = [(1, Op::Ge, 12), (1, Op::Lt, 15)];
        assert_eq!(chosen(&both, &[], &all), Some((11, 20)));
        assert_eq!(chosen(&both, &[1], &all), Some((11, 20)));
        let tighter = [(1, Op::Ge, 1), (1, Op::Gt, 22), (1, Op::Le, 25)];
        assert_eq!(chosen(&tighter, &[], &all), Some((21, 30)));
        assert_eq!(chosen(&[(1, Op::Eq, 5)], &[], &all), Some((1, 10)));
    }

    #[test]
    fn what_an_index_answers_better_is_left_to_it() {
        let all = [1, 2, 3];
        assert_eq!(chosen(&[], &[], &all), None);
        assert_eq!(chosen(&[(2, Op::Ge, 5)], &[], &all), None, "no run map");
        let device = [(1, Op::Ge, 12), (2, Op::Eq, 7)];
        assert_eq!(chosen(&device, &[], &all), None, "an index on both");
        let other = [(1, Op::Ge, 12), (3, Op::Eq, 7)];
        assert_eq!(chosen(&other, &[], &all), Some((11, 30)), "none on this");
        assert_eq!(chosen(&[(1, Op::Ge, 12)], &[2], &all), None, "its order");
        assert_eq!(chosen(&[(1, Op::Ge, 12)], &[], &[1]), None, "it is smaller");
        assert_eq!(chosen(&[(1, Op::Ne, 12)], &[], &all), None);
    }
}
