//! Which keys the conditions of a scan ask a file's filters for.
//!
//! Invariant: a row of the file for which all conditions hold has one of these keys in each filter that is
//! named here. Whatever is not understood names no keys: then the file is read.

use super::bloom;
use super::manifest::{FileColumn, Manifest};
use super::mapping::{Cell, Encoding};
use super::pushdown::{Leaf, Op, Test, Tree, Truth, Value};

/// More keys are not looked up: one in a hundred answers wrongly, and one is enough to read the file.
pub const MOST_KEYS: usize = 64;

/// A question to one filter: no row is wanted that has none of these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// number of the filter in the manifest
    pub filter: usize,
    pub hashes: Vec<u64>,
}

/// The questions that these conditions, which must all hold, allow.
#[must_use]
pub fn looks(manifest: &Manifest, conditions: &[&Tree], values: &[Value]) -> Vec<Look> {
    let filters = manifest.blooms.iter().enumerate();
    filters
        .filter_map(|(filter, info)| {
            let hashes = hashes(manifest, &info.attnums, conditions, values)?;
            Some(Look { filter, hashes })
        })
        .collect()
}

/// Every combination of what the columns of a filter may be. None: one of them may be anything.
fn hashes(
    manifest: &Manifest,
    attnums: &[i16],
    conditions: &[&Tree],
    values: &[Value],
) -> Option<Vec<u64>> {
    let mut keys: Vec<Vec<(Encoding, &Cell)>> = vec![vec![]];
    for attnum in attnums {
        let column = manifest.column(*attnum)?;
        let mut all = conditions.iter();
        let wanted = all.find_map(|tree| wanted(tree, column, values))?;
        if keys.len() * wanted.len() > MOST_KEYS {
            return None;
        }
        keys = keys
            .iter()
            .flat_map(|key| {
                wanted.iter().map(|cell| {
                    let mut key = key.clone();
                    key.push((column.encoding, *cell));
                    key
                })
            })
            .collect();
    }
    let hash = |key: Vec<(Encoding, &Cell)>| bloom::hash(key.iter().map(|(e, c)| (*e, c.as_ref())));
    let mut hashes: Vec<u64> = keys.into_iter().map(hash).collect::<Option<_>>()?;
    hashes.sort_unstable();
    hashes.dedup();
    Some(hashes)
}

/// What a column has one of wherever the condition holds. None: it may be anything.
fn wanted<'v>(tree: &Tree, column: &FileColumn, values: &'v [Value]) -> Option<Vec<&'v Cell>> {
    let found = match tree {
        Tree::Leaf(leaf) => of_leaf(leaf, column, values)?,
        Tree::And(list) => list.iter().find_map(|t| wanted(t, column, values))?,
        Tree::Or(list) => {
            let arms = list.iter().map(|t| wanted(t, column, values));
            arms.collect::<Option<Vec<_>>>()?.concat()
        }
        Tree::Is(Truth::True, tree) => wanted(tree, column, values)?,
        Tree::Not(_) | Tree::Is(..) | Tree::Opaque => return None,
    };
    (found.len() <= MOST_KEYS).then_some(found)
}

/// Only where the stored form of the value is that of every equal value, but for zeros and NaN of floats, which
/// the hash knows.
fn of_leaf<'v>(leaf: &Leaf, column: &FileColumn, values: &'v [Value]) -> Option<Vec<&'v Cell>> {
    let comparable = leaf.attnum == column.attnum
        && column.physical.is_some()
        && leaf.exact
        && leaf.encoding == column.encoding
        && leaf.encoding.eq_exact();
    if !comparable {
        return None;
    }
    match (leaf.test, values.get(leaf.param?)?) {
        // NULL equals nothing
        (Test::Compare(Op::Eq), Value::One(Cell::Null)) | (Test::Any, Value::NullArray) => {
            Some(vec![])
        }
        (Test::Compare(Op::Eq), Value::One(cell)) => Some(vec![cell]),
        (Test::Any, Value::Many(cells, _)) => Some(cells.iter().collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::bloom::BloomInfo;

    fn manifest(filters: &[&[i16]]) -> Manifest {
        let column = |attnum, encoding| FileColumn {
            attnum,
            physical: Some(format!("c{attnum}")),
            encoding,
            ..FileColumn::default()
        };
        Manifest {
            columns: vec![
                column(1, Encoding::Int),
                column(2, Encoding::Text),
                column(3, Encoding::Float8),
                FileColumn {
                    physical: None,
                    ..column(4, Encoding::Int)
                },
            ],
            blooms: filters
                .iter()
                .map(|attnums| BloomInfo {
                    attnums: attnums.to_vec(),
                    columns: vec![],
                    blocks: 1,
                })
                .collect(),
            ..Manifest::default()
        }
    }

    fn leaf(attnum: i16, test: Test, param: usize, encoding: Encoding) -> Tree {
        Tree::Leaf(Leaf {
            attnum,
            test,
            param: Some(param),
            encoding,
            exact: true,
        })
    }

    fn equal(attnum: i16, param: usize) -> Tree {
        let encodings = [Encoding::Int, Encoding::Text, Encoding::Float8];
        let encoding = encodings.get(attnum as usize - 1).copied();
        leaf(
            attnum,
            Test::Compare(Op::Eq),
            param,
            encoding.unwrap_or(Encoding::Int),
        )
    }

    fn int(value: i64) -> u64 {
        let cell = Cell::Int(value);
        bloom::hash([(Encoding::Int, cell.as_ref())]).expect("a hash")
    }

    fn ask(filters: &[&[i16]], trees: &[Tree], values: &[Value]) -> Vec<Look> {
        let trees: Vec<&Tree> = trees.iter().collect();
        looks(&manifest(filters), &trees, values)
    }

    fn one(cell: Cell) -> Value {
        Value::One(cell)
    }

    #[test]
    fn an_equality_asks_for_its_value() {
        let values = [one(Cell::Int(7)), one(Cell::Text("x".into()))];
        let found = ask(&[&[1]], &[equal(1, 0)], &values);
        assert_eq!(
            found,
            [Look {
                filter: 0,
                hashes: vec![int(7)]
            }]
        );
        // a filter over two columns needs both, in its own order
        let both = bloom::hash([
            (Encoding::Int, Cell::Int(7).as_ref()),
            (Encoding::Text, Cell::Text("x".into()).as_ref()),
        ]);
        let found = ask(&[&[1, 2]], &[equal(2, 1), equal(1, 0)], &values);
        assert_eq!(found[0].hashes, [both.expect("a hash")]);
        assert!(ask(&[&[1, 2]], &[equal(1, 0)], &values).is_empty());
    }

    #[test]
    fn lists_and_arms_ask_for_all_of_theirs() {
        let many = Value::Many(vec![Cell::Int(3), Cell::Int(1), Cell::Int(3)], true);
        let any = leaf(1, Test::Any, 0, Encoding::Int);
        let mut wanted = vec![int(1), int(3)];
        wanted.sort_unstable();
        let values = [many, one(Cell::Int(3)), one(Cell::Int(1))];
        assert_eq!(
            ask(&[&[1]], std::slice::from_ref(&any), &values)[0].hashes,
            wanted
        );
        let or = Tree::Or(vec![equal(1, 1), equal(1, 2)]);
        assert_eq!(ask(&[&[1]], &[or], &values)[0].hashes, wanted);
        let and = Tree::And(vec![Tree::Opaque, equal(1, 1)]);
        assert_eq!(ask(&[&[1]], &[and], &values)[0].hashes, [int(3)]);
        // one arm that may be anything
        let or = Tree::Or(vec![equal(1, 1), Tree::Opaque]);
        assert!(ask(&[&[1]], &[or], &values).is_empty());
        let or = Tree::Or(vec![equal(1, 1), equal(2, 1)]);
        assert!(ask(&[&[1]], &[or], &values).is_empty());
        let not = Tree::Not(Box::new(equal(1, 1)));
        assert!(ask(&[&[1]], &[not], &values).is_empty());
        let long = Value::Many((0..65).map(Cell::Int).collect(), false);
        assert!(ask(&[&[1]], &[any], &[long]).is_empty());
    }

    #[test]
    fn null_equals_nothing() {
        let nothing = [Look {
            filter: 0,
            hashes: vec![],
        }];
        assert_eq!(ask(&[&[1]], &[equal(1, 0)], &[one(Cell::Null)]), nothing);
        let any = leaf(1, Test::Any, 0, Encoding::Int);
        for value in [Value::NullArray, Value::Many(vec![], true)] {
            assert_eq!(ask(&[&[1]], std::slice::from_ref(&any), &[value]), nothing);
        }
    }

    #[test]
    fn zeros_and_nans_are_one_value_each() {
        let asked = |cell| ask(&[&[3]], &[equal(3, 0)], &[one(cell)])[0].hashes.clone();
        assert_eq!(asked(Cell::Real(0.0)), asked(Cell::Real(-0.0)));
        let nan = bloom::hash([(Encoding::Float8, Cell::Blob(vec![0xff; 8]).as_ref())]);
        assert_eq!(asked(Cell::Text("NaN".into())), [nan.expect("a hash")]);
    }

    #[test]
    fn what_is_not_known_for_sure_is_not_asked() {
        let values = [one(Cell::Int(7)), Value::Unknown, Value::Unusable];
        for test in [
            Test::Compare(Op::Ge),
            Test::Compare(Op::Ne),
            Test::Distinct,
            Test::NotAny,
            Test::Near(Op::Eq),
        ] {
            assert!(ask(&[&[1]], &[leaf(1, test, 0, Encoding::Int)], &values).is_empty());
        }
        assert!(ask(&[&[1]], &[equal(1, 1)], &values).is_empty());
        assert!(ask(&[&[1]], &[equal(1, 2)], &values).is_empty());
        // another type than when the file was written, a column that it lacks, an inexact comparison
        let other = leaf(1, Test::Compare(Op::Eq), 0, Encoding::Timestamp);
        assert!(ask(&[&[1]], &[other], &values).is_empty());
        assert!(ask(&[&[4]], &[equal(4, 0)], &values).is_empty());
        let Tree::Leaf(inexact) = equal(1, 0) else {
            return;
        };
        let inexact = Tree::Leaf(Leaf {
            exact: false,
            ..inexact
        });
        assert!(ask(&[&[1]], &[inexact], &values).is_empty());
    }
}
