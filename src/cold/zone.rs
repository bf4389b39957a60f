//! What the zone map (smallest and largest value, NULLs) says about a condition: which of true,
//! false and NULL it can be for rows of the file.
//!
//! Always a superset of what really happens: a missing bound means that anything can.

use super::manifest::{FileColumn, Manifest};
use super::mapping::{Cell, CellRef};
use super::prefix;
use super::pushdown::{Leaf, Op, Test, Tree, Truth, Value, comparable};
use std::cmp::Ordering;

/// A set of truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcomes {
    is_true: bool,
    is_false: bool,
    is_null: bool,
}

const ANY: Outcomes = Outcomes {
    is_true: true,
    is_false: true,
    is_null: true,
};
impl Outcomes {
    /// False: no row of the file fulfils the condition.
    #[must_use]
    pub fn may_be_true(self) -> bool {
        self.is_true
    }

    /// Every row of the file fulfils the condition.
    #[must_use]
    pub fn is_always_true(self) -> bool {
        self.is_true && !self.is_false && !self.is_null
    }

    fn of(truth: Truth) -> Outcomes {
        Outcomes {
            is_true: truth == Truth::True,
            is_false: truth == Truth::False,
            is_null: truth == Truth::Unknown,
        }
    }

    fn truth(self, truth: Truth) -> bool {
        match truth {
            Truth::True => self.is_true,
            Truth::False => self.is_false,
            Truth::Unknown => self.is_null,
        }
    }

    fn or_also(self, other: Outcomes) -> Outcomes {
        Outcomes {
            is_true: self.is_true || other.is_true,
            is_false: self.is_false || other.is_false,
            is_null: self.is_null || other.is_null,
        }
    }

    fn not(self) -> Outcomes {
        Outcomes {
            is_true: self.is_false,
            is_false: self.is_true,
            is_null: self.is_null,
        }
    }

    /// Each pair of outcomes may meet in a row. False wins over NULL, NULL over true.
    fn and(self, other: Outcomes) -> Outcomes {
        let open = |o: Outcomes| o.is_true || o.is_null;
        Outcomes {
            is_true: self.is_true && other.is_true,
            is_false: self.is_false || other.is_false,
            is_null: (self.is_null && open(other)) || (open(self) && other.is_null),
        }
    }

    fn or(self, other: Outcomes) -> Outcomes {
        self.not().and(other.not()).not()
    }
}

/// What a condition can be, given these values.
#[must_use]
pub fn outcomes(manifest: &Manifest, tree: &Tree, values: &[Value]) -> Outcomes {
    let all = |list: &[Tree], start, f: fn(Outcomes, Outcomes) -> Outcomes| {
        list.iter()
            .fold(start, |sum, t| f(sum, outcomes(manifest, t, values)))
    };
    match tree {
        Tree::Opaque => ANY,
        Tree::Leaf(leaf) => of_leaf(manifest, leaf, values),
        Tree::And(list) => all(list, Outcomes::of(Truth::True), Outcomes::and),
        Tree::Or(list) => all(list, Outcomes::of(Truth::False), Outcomes::or),
        Tree::Not(tree) => outcomes(manifest, tree, values).not(),
        Tree::Is(truth, tree) => {
            let inner = outcomes(manifest, tree, values);
            let others = [Truth::True, Truth::False, Truth::Unknown]
                .into_iter()
                .filter(|t| t != truth);
            Outcomes {
                is_true: inner.truth(*truth),
                is_false: others.into_iter().any(|t| inner.truth(t)),
                is_null: false,
            }
        }
    }
}

fn of_leaf(manifest: &Manifest, leaf: &Leaf, values: &[Value]) -> Outcomes {
    let Some(column) = comparable(manifest, leaf) else {
        return ANY;
    };
    let value = leaf
        .param
        .and_then(|p| values.get(p))
        .unwrap_or(&Value::Unknown);
    let known = match leaf.test {
        Test::IsNull => of_null_test(manifest, column),
        Test::IsNotNull => of_null_test(manifest, column).not(),
        Test::Compare(op) => strict(manifest, column, value, |bounds, v| compare(op, bounds, v)),
        Test::Any => of_list(manifest, column, value),
        Test::NotAny => of_list(manifest, column, value).not(),
        Test::Like | Test::Prefix => strict(manifest, column, value, |bounds, v| {
            begins(bounds, v, leaf.test == Test::Like)
        }),
        Test::Distinct | Test::Near(_) => ANY,
    };
    if leaf.exact {
        return known;
    }
    // the stored form rules rows out, but does not decide
    known.or_also(Outcomes {
        is_true: false,
        ..ANY
    })
}

fn of_null_test(manifest: &Manifest, column: &FileColumn) -> Outcomes {
    Outcomes {
        is_true: column.has_nulls,
        is_false: !all_null(manifest, column),
        is_null: false,
    }
}

fn all_null(manifest: &Manifest, column: &FileColumn) -> bool {
    column.nulls.is_some_and(|n| n >= manifest.rows)
}

/// Smallest and largest value, as far as they are known.
type Bounds<'a> = (Option<CellRef<'a>>, Option<CellRef<'a>>);

/// A test that is NULL for NULL on either side. `f` gets bounds and a value that is not NULL.
fn strict(
    manifest: &Manifest,
    column: &FileColumn,
    value: &Value,
    f: impl Fn(Bounds<'_>, CellRef<'_>) -> Outcomes,
) -> Outcomes {
    let cell = match value {
        Value::One(Cell::Null) => return Outcomes::of(Truth::Unknown),
        Value::One(cell) => cell,
        // may be NULL itself
        _ => return ANY,
    };
    if all_null(manifest, column) {
        return Outcomes::of(Truth::Unknown);
    }
    let bounds = (
        column.min.as_ref().map(Cell::as_ref),
        column.max.as_ref().map(Cell::as_ref),
    );
    let found = f(bounds, cell.as_ref());
    if column.has_nulls {
        found.or_also(Outcomes::of(Truth::Unknown))
    } else {
        found
    }
}

fn compare(op: Op, (min, max): Bounds<'_>, value: CellRef<'_>) -> Outcomes {
    // where a bound is missing, everything may be
    let low = |f: fn(Ordering) -> bool| min.is_none_or(|m| f(m.order(&value)));
    let high = |f: fn(Ordering) -> bool| max.is_none_or(|m| f(m.order(&value)));
    let one_of = |is_true, is_false| Outcomes {
        is_true,
        is_false,
        is_null: false,
    };
    match op {
        Op::Lt => one_of(low(Ordering::is_lt), high(Ordering::is_ge)),
        Op::Le => one_of(low(Ordering::is_le), high(Ordering::is_gt)),
        Op::Ge => one_of(high(Ordering::is_ge), low(Ordering::is_lt)),
        Op::Gt => one_of(high(Ordering::is_gt), low(Ordering::is_le)),
        Op::Eq | Op::Ne => {
            let within = low(Ordering::is_le) && high(Ordering::is_ge);
            let other = low(Ordering::is_ne) || high(Ordering::is_ne);
            let equal = one_of(within, other);
            if op == Op::Eq { equal } else { equal.not() }
        }
    }
}

fn begins((min, max): Bounds<'_>, value: CellRef<'_>, is_pattern: bool) -> Outcomes {
    let both = Outcomes {
        is_null: false,
        ..ANY
    };
    let CellRef::Text(text) = value else {
        return both;
    };
    let Some((from, end)) = std::str::from_utf8(text)
        .ok()
        .and_then(|t| prefix::range(t, is_pattern))
    else {
        return both;
    };
    let from = CellRef::Text(from.as_bytes());
    let reaches = max.is_none_or(|m| m.order(&from).is_ge());
    let end = end.as_ref().map(|e| CellRef::Text(e.as_bytes()));
    let starts = match (min, end) {
        (Some(min), Some(end)) => min.order(&end).is_lt(),
        _ => true,
    };
    Outcomes {
        is_true: reaches && starts,
        ..both
    }
}

fn of_list(manifest: &Manifest, column: &FileColumn, value: &Value) -> Outcomes {
    let (cells, null) = match value {
        Value::Many(cells, null) => (cells, *null),
        Value::NullArray => return Outcomes::of(Truth::Unknown),
        _ => return ANY,
    };
    // of nothing even NULL is no member
    if cells.is_empty() && !null {
        return Outcomes::of(Truth::False);
    }
    let start = Outcomes::of(if null { Truth::Unknown } else { Truth::False });
    cells.iter().fold(start, |sum, cell| {
        let value = Value::One(cell.clone());
        sum.or(strict(manifest, column, &value, |bounds, v| {
            compare(Op::Eq, bounds, v)
        }))
    })
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
