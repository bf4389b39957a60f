//! From condition trees to the WHERE of a statement, and which of them it decides.

use super::foreign_time::TimeForm;
use super::manifest::Manifest;
use super::mapping::{Cell, CellRef, Encoding, quote_name};
use super::pushdown::{Leaf, Op, Test, Tree, Truth, Value, comparable};
use super::{prefix, zone};

/// Longer lists are searched between their smallest and largest element only.
const LONGEST_LIST: usize = 1000;
/// Parameters of one statement; SQLite's own limit is 32766.
const MOST_BINDS: usize = 16_000;
/// Microseconds of a day.
const DAY_US: f64 = 86_400_000_000.0;

/// What the file can do for a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Exact,
    Prefilter,
    Never,
}

/// The conditions of a scan, as far as the file decides them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pushed {
    /// conditions joined by AND; empty for none
    pub filter: String,
    /// values of `?1`, `?2`, ...
    pub binds: Vec<Cell>,
    /// which of the given conditions must still be evaluated on rows of the file
    pub undecided: Vec<usize>,
    /// which of them do not hold for every row of the file by its zone map
    pub open: Vec<usize>,
    /// no row of the file can fulfil them all
    pub none_fits: bool,
}

struct Part {
    sql: String,
    exact: bool,
}

struct Writer<'a> {
    manifest: &'a Manifest,
    values: &'a [Value],
    binds: Vec<Cell>,
}

/// What the file can do for this condition, whatever the values turn out to be.
pub fn classify(manifest: &Manifest, tree: &Tree) -> Class {
    let mut writer = Writer {
        manifest,
        values: &[],
        binds: vec![],
    };
    match writer.part(tree) {
        Some(part) if part.exact => Class::Exact,
        Some(_) => Class::Prefilter,
        None => Class::Never,
    }
}

/// Conditions that hold for every row of the file by its zone map are decided without a word.
pub fn push<'t>(
    manifest: &Manifest,
    conditions: impl Iterator<Item = &'t Tree>,
    values: &[Value],
) -> Pushed {
    let mut writer = Writer {
        manifest,
        values,
        binds: vec![],
    };
    let mut pushed = Pushed {
        none_fits: manifest.rows == 0,
        ..Pushed::default()
    };
    for (n, tree) in conditions.enumerate() {
        let outcomes = zone::outcomes(manifest, tree, values);
        if !outcomes.may_be_true() {
            pushed.none_fits = true;
        }
        if outcomes.is_always_true() {
            continue;
        }
        pushed.open.push(n);
        let part = writer.part(tree);
        if !part.as_ref().is_some_and(|p| p.exact) {
            pushed.undecided.push(n);
        }
        if let Some(part) = part {
            if !pushed.filter.is_empty() {
                pushed.filter.push_str(" AND ");
            }
            pushed.filter.push_str(&part.sql);
        }
    }
    pushed.binds = writer.binds;
    pushed
}

impl Writer<'_> {
    /// None: nothing can be said, and nothing has been bound.
    fn part(&mut self, tree: &Tree) -> Option<Part> {
        let before = self.binds.len();
        let part = match tree {
            Tree::Opaque => None,
            Tree::Leaf(leaf) => self.leaf(leaf),
            // a superset of each arm makes a superset of all; an arm may be missing
            Tree::And(list) => {
                let parts: Vec<Part> = list.iter().filter_map(|t| self.part(t)).collect();
                let exact = parts.len() == list.len() && parts.iter().all(|p| p.exact);
                joined(parts, " AND ", exact)
            }
            Tree::Or(list) => {
                let parts: Option<Vec<Part>> = list.iter().map(|t| self.part(t)).collect();
                parts.and_then(|parts| {
                    let exact = parts.iter().all(|p| p.exact);
                    joined(parts, " OR ", exact)
                })
            }
            // the complement of a superset is no superset
            Tree::Not(tree) => self.exact_part(tree).map(|p| Part {
                // NOT binds looser than IS
                sql: format!("(NOT {})", p.sql),
                exact: true,
            }),
            Tree::Is(truth, tree) => self.exact_part(tree).map(|p| {
                let word = match truth {
                    Truth::True => "1",
                    Truth::False => "0",
                    Truth::Unknown => "NULL",
                };
                Part {
                    sql: format!("({} IS {word})", p.sql),
                    exact: true,
                }
            }),
        };
        if part.is_none() {
            self.binds.truncate(before);
        }
        part
    }

    fn exact_part(&mut self, tree: &Tree) -> Option<Part> {
        self.part(tree).filter(|p| p.exact)
    }

    fn bind(&mut self, cell: Cell) -> Option<String> {
        if self.binds.len() >= MOST_BINDS {
            return None;
        }
        self.binds.push(cell);
        Some(format!("?{}", self.binds.len()))
    }

    fn leaf(&mut self, leaf: &Leaf) -> Option<Part> {
        let column = comparable(self.manifest, leaf)?;
        let name = quote_name(column.physical.as_deref()?);
        let value = match leaf.param {
            Some(p) => self.values.get(p).cloned().unwrap_or(Value::Unknown),
            None => Value::Unknown,
        };
        if let Some(form) = column.form
            && !leaf.test.is_null_test()
        {
            return self.around(&name, form, leaf, &value);
        }
        let exact = |sql: String| Part {
            sql,
            exact: leaf.exact,
        };
        Some(match leaf.test {
            Test::IsNull => exact(format!("({name} IS NULL)")),
            Test::IsNotNull => exact(format!("({name} IS NOT NULL)")),
            // of an inexact equality only the rows that may be equal are known
            Test::Compare(Op::Ne) | Test::Distinct | Test::NotAny if !leaf.exact => return None,
            Test::Compare(op) => {
                let value = self.one(value)?;
                exact(format!("({name} {} {value})", op.sql()))
            }
            Test::Distinct => {
                let value = self.one(value)?;
                exact(format!("({name} IS NOT {value})"))
            }
            Test::Any | Test::NotAny => {
                let (list, whole) = self.list(&name, value, leaf.test)?;
                Part {
                    sql: list,
                    exact: leaf.exact && whole,
                }
            }
            Test::Like | Test::Prefix => Part {
                sql: self.prefix(&name, &value, leaf.test == Test::Like)?,
                exact: false,
            },
            Test::Near(op) => Part {
                sql: self.near(&name, &value, op)?,
                exact: false,
            },
        })
    }

    /// Times in a form of others: between bounds that are surely wide enough.
    fn around(&mut self, name: &str, form: TimeForm, leaf: &Leaf, value: &Value) -> Option<Part> {
        let Test::Compare(op) = leaf.test else {
            return None;
        };
        let is_date = leaf.encoding == Encoding::Date;
        let unit = if is_date { DAY_US } else { 1.0 };
        let (low, high) = match value {
            Value::Unknown => form.around(op, 0.0, 0.0)?,
            Value::One(Cell::Null) => {
                let sql = String::from("(NULL)");
                return Some(Part { sql, exact: false });
            }
            // the ends of the range are infinities
            Value::One(Cell::Int(i)) if !is_infinite(*i, is_date) => {
                form.around(op, *i as f64 * unit, if is_date { DAY_US } else { 0.0 })?
            }
            _ => return None,
        };
        let mut parts = vec![];
        if let Some(low) = low {
            parts.push(format!("{name} >= {}", self.bind(low)?));
        }
        if let Some(high) = high {
            parts.push(format!("{name} <= {}", self.bind(high)?));
        }
        Some(Part {
            sql: format!("({})", parts.join(" AND ")),
            exact: false,
        })
    }

    fn one(&mut self, value: Value) -> Option<String> {
        match value {
            Value::One(cell) => self.bind(cell),
            // for EXPLAIN; never run
            Value::Unknown => self.bind(Cell::Null),
            _ => None,
        }
    }

    /// The test, and whether it says all that was asked.
    fn list(&mut self, name: &str, value: Value, test: Test) -> Option<(String, bool)> {
        let word = if test == Test::Any { "IN" } else { "NOT IN" };
        let (mut cells, null) = match value {
            Value::Many(cells, null) => (cells, null),
            Value::NullArray => return Some((String::from("(NULL)"), true)),
            Value::Unknown => {
                let first = self.bind(Cell::Null)?;
                return Some((format!("({name} {word} ({first}, ...))"), true));
            }
            _ => return None,
        };
        cells.sort_by(|a, b| a.as_ref().order(&b.as_ref()));
        cells.dedup_by(|a, b| a.as_ref().order(&b.as_ref()).is_eq());
        if cells.len() > LONGEST_LIST {
            let high = cells.pop()?;
            let low = cells.swap_remove(0);
            if test != Test::Any {
                return None;
            }
            let (low, high) = (self.bind(low)?, self.bind(high)?);
            return Some((format!("({name} BETWEEN {low} AND {high})"), false));
        }
        // lists of similar lengths share a statement: the last element is repeated
        let padded = if cells.is_empty() {
            0
        } else {
            cells.len().next_power_of_two()
        };
        let mut list = Vec::with_capacity(padded + 1);
        for n in 0..padded {
            list.push(self.bind(cells[n.min(cells.len() - 1)].clone())?);
        }
        if null {
            list.push(String::from("NULL"));
        }
        Some((format!("({name} {word} ({}))", list.join(", ")), true))
    }

    fn prefix(&mut self, name: &str, value: &Value, is_pattern: bool) -> Option<String> {
        let (low, high) = match value {
            Value::Unknown => (Cell::Null, Some(Cell::Null)),
            Value::One(Cell::Null) => return Some(String::from("(NULL)")),
            Value::One(Cell::Text(text)) => {
                let (low, high) = prefix::range(text, is_pattern)?;
                (Cell::Text(low), high.map(Cell::Text))
            }
            _ => return None,
        };
        let low = self.bind(low)?;
        Some(match high {
            Some(high) => {
                let high = self.bind(high)?;
                format!("({name} >= {low} AND {name} < {high})")
            }
            None => format!("({name} >= {low})"),
        })
    }

    /// The cast rounds, and makes 0 of what is no number.
    fn near(&mut self, name: &str, value: &Value, op: Op) -> Option<String> {
        let (low, high) = match value {
            Value::Unknown => (0.0, 0.0),
            Value::One(Cell::Null) => return Some(String::from("(NULL)")),
            Value::One(cell) => around(cell.as_ref())?,
            _ => return None,
        };
        let number = format!("CAST({name} AS REAL)");
        let test = match op {
            Op::Lt | Op::Le => format!("{number} <= {}", self.bind(Cell::Real(high))?),
            Op::Ge | Op::Gt => format!("{number} >= {}", self.bind(Cell::Real(low))?),
            Op::Eq => {
                let low = self.bind(Cell::Real(low))?;
                format!(
                    "{number} BETWEEN {low} AND {}",
                    self.bind(Cell::Real(high))?
                )
            }
            Op::Ne => return None,
        };
        let special = "'NaN', 'Infinity', '-Infinity'";
        Some(format!("({test} OR {name} IN ({special}))"))
    }
}

fn joined(parts: Vec<Part>, glue: &str, exact: bool) -> Option<Part> {
    let list: Vec<String> = parts.into_iter().map(|p| p.sql).collect();
    (!list.is_empty()).then(|| Part {
        sql: format!("({})", list.join(glue)),
        exact,
    })
}

fn is_infinite(stored: i64, is_date: bool) -> bool {
    match i32::try_from(stored) {
        Ok(days) if is_date => days == i32::MAX || days == i32::MIN,
        _ => stored == i64::MAX || stored == i64::MIN,
    }
}

/// Floats that surely lie on both sides of a numeric in text form, far beyond what a cast is off.
fn around(value: CellRef<'_>) -> Option<(f64, f64)> {
    let CellRef::Text(text) = value else {
        return None;
    };
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // 'NaN' and infinities parse, too
    if !number.is_finite() || number.abs() > 1e300 {
        return None;
    }
    let slack = number.abs() * 1e-9 + 1e-300;
    Some((number - slack, number + slack))
}
