//! The grammar of conditions that a cold file can decide, and the statements sent to it.
//!
//! A condition is *exact* when SQLite gives PostgreSQL's answer for every row, NULL included: then
//! nobody evaluates it again on rows of the file. Otherwise it is a *prefilter*: a superset of the
//! rows that PostgreSQL keeps, which evaluates it again. Anything may be left out at any time, but
//! nothing may lose a row that PostgreSQL keeps.

use crate::cold::manifest::{FileColumn, Manifest};
use crate::cold::mapping::{Cell, Encoding, quote_name};
use crate::cold::order::{self, Key};

pub use super::pushdown_sql::{Class, Pushed, classify, push};

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    Ne,
}

impl Op {
    const ALL: [Op; 6] = [Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt, Op::Ne];

    /// From a btree strategy number (1 to 5) or 6 for `<>`.
    pub fn from_strategy(strategy: i32) -> Option<Op> {
        let index = usize::try_from(strategy).ok()?.checked_sub(1)?;
        Op::ALL.get(index).copied()
    }

    /// The number that travels in a plan.
    pub fn to_number(self) -> i32 {
        Op::ALL.iter().position(|o| *o == self).unwrap_or(0) as i32 + 1
    }

    /// The operator with its sides exchanged.
    #[must_use]
    pub fn commuted(self) -> Op {
        match self {
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
            Op::Ge => Op::Le,
            Op::Gt => Op::Lt,
            other => other,
        }
    }

    /// True for operators that need more than equality of stored forms.
    pub fn is_ordering(self) -> bool {
        !matches!(self, Op::Eq | Op::Ne)
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Eq => "=",
            Op::Ge => ">=",
            Op::Gt => ">",
            Op::Ne => "<>",
        }
    }
}

/// What is asked of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    IsNull,
    IsNotNull,
    Compare(Op),
    /// IS DISTINCT FROM
    Distinct,
    /// `= ANY (array)`
    Any,
    /// `<> ALL (array)`
    NotAny,
    /// begins with what a LIKE pattern begins with
    Like,
    /// begins with a text (`^@`, `starts_with`)
    Prefix,
    /// compares a numeric, which is stored as text, within the precision of a float
    Near(Op),
}

impl Test {
    fn to_numbers(self) -> [i32; 2] {
        match self {
            Test::IsNull => [1, 0],
            Test::IsNotNull => [2, 0],
            Test::Compare(op) => [3, op.to_number()],
            Test::Distinct => [4, 0],
            Test::Any => [5, 0],
            Test::NotAny => [6, 0],
            Test::Like => [7, 0],
            Test::Prefix => [8, 0],
            Test::Near(op) => [9, op.to_number()],
        }
    }

    fn from_numbers(kind: i32, op: i32) -> Option<Test> {
        Some(match kind {
            1 => Test::IsNull,
            2 => Test::IsNotNull,
            3 => Test::Compare(Op::from_strategy(op)?),
            4 => Test::Distinct,
            5 => Test::Any,
            6 => Test::NotAny,
            7 => Test::Like,
            8 => Test::Prefix,
            9 => Test::Near(Op::from_strategy(op)?),
            _ => return None,
        })
    }

    /// True for tests that look at NULL or not NULL alone.
    pub fn is_null_test(self) -> bool {
        matches!(self, Test::IsNull | Test::IsNotNull)
    }
}

/// `column test value`; the value is number `param` of the scan's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    pub attnum: i16,
    pub test: Test,
    pub param: Option<usize>,
    /// encoding that the column has today by its type; another one in the file is not compared
    pub encoding: Encoding,
    /// by types and collations SQLite's answer is PostgreSQL's
    pub exact: bool,
}

/// One of the three truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    Leaf(Leaf),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
    /// `(condition) IS TRUE` and so on
    Is(Truth, Box<Tree>),
    /// something that only PostgreSQL understands
    Opaque,
}

const AND: i32 = -1;
const OR: i32 = -2;
const NOT: i32 = -3;
const IS_TRUE: i32 = -4;
const IS_FALSE: i32 = -5;
const IS_UNKNOWN: i32 = -6;
const OPAQUE: i32 = -7;

impl Tree {
    /// The numbers that travel in a plan.
    pub fn write(&self, out: &mut Vec<i32>) {
        match self {
            Tree::Leaf(leaf) => {
                out.push(i32::from(leaf.attnum));
                out.extend(leaf.test.to_numbers());
                out.push(leaf.param.map_or(-1, |p| p as i32));
                out.push(i32::from(leaf.exact));
            }
            Tree::And(list) | Tree::Or(list) => {
                out.push(if matches!(self, Tree::And(_)) {
                    AND
                } else {
                    OR
                });
                out.push(list.len() as i32);
                list.iter().for_each(|t| t.write(out));
            }
            Tree::Not(tree) => {
                out.push(NOT);
                tree.write(out);
            }
            Tree::Opaque => out.push(OPAQUE),
            Tree::Is(truth, tree) => {
                out.push(match truth {
                    Truth::True => IS_TRUE,
                    Truth::False => IS_FALSE,
                    Truth::Unknown => IS_UNKNOWN,
                });
                tree.write(out);
            }
        }
    }

    /// Reads what [`Tree::write`] wrote. None: it did not.
    pub fn read(
        numbers: &mut impl Iterator<Item = i32>,
        encoding_of: &impl Fn(i16) -> Encoding,
    ) -> Option<Tree> {
        let first = numbers.next()?;
        let mut child = || Tree::read(numbers, encoding_of).map(Box::new);
        Some(match first {
            AND | OR => {
                let n = numbers.next()?;
                let list: Option<Vec<Tree>> =
                    (0..n).map(|_| Tree::read(numbers, encoding_of)).collect();
                if first == AND {
                    Tree::And(list?)
                } else {
                    Tree::Or(list?)
                }
            }
            NOT => Tree::Not(child()?),
            IS_TRUE => Tree::Is(Truth::True, child()?),
            IS_FALSE => Tree::Is(Truth::False, child()?),
            IS_UNKNOWN => Tree::Is(Truth::Unknown, child()?),
            OPAQUE => Tree::Opaque,
            attnum => {
                let attnum = i16::try_from(attnum).ok().filter(|a| *a > 0)?;
                let (kind, op) = (numbers.next()?, numbers.next()?);
                Tree::Leaf(Leaf {
                    attnum,
                    test: Test::from_numbers(kind, op)?,
                    param: usize::try_from(numbers.next()?).ok(),
                    encoding: encoding_of(attnum),
                    exact: numbers.next()? != 0,
                })
            }
        })
    }
}

/// The value of one parameter of a scan.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// not evaluated (yet)
    Unknown,
    /// a plain value, NULL included
    One(Cell),
    /// elements of an array, without its NULLs, and whether it has any
    Many(Vec<Cell>, bool),
    /// an array that is NULL
    NullArray,
    /// has no form in which SQLite could compare it
    Unusable,
}

/// A statement for SQLite. Result column 0 is the rowid, then one for each entry of `columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub sql: String,
    pub columns: Vec<i16>,
}

/// The column of a leaf, when the file holds it in a form that can be compared.
pub(super) fn comparable<'m>(manifest: &'m Manifest, leaf: &Leaf) -> Option<&'m FileColumn> {
    manifest
        .column(leaf.attnum)
        .filter(|column| column.physical.is_some())
        .filter(|column| {
            leaf.test.is_null_test() || (column.encoding == leaf.encoding && !column.mixed)
        })
}

/// Builds the statement that reads these columns of all rows that fulfil `filter` (SQL of
/// [`push`], or nothing), in this order, or in any for none.
pub fn select(manifest: &Manifest, needed: &[i16], filter: &str, order: &[Key]) -> Query {
    let order = order::order_by(manifest, order, filter);
    statement(manifest, needed, "", filter, &order)
}

/// The same, by an index or without one as `access` says (`INDEXED BY ...`, `NOT INDEXED`, or nothing).
pub fn select_by(
    manifest: &Manifest,
    needed: &[i16],
    access: &str,
    filter: &str,
    order: &[Key],
) -> Query {
    let order = order::order_by(manifest, order, filter);
    statement(manifest, needed, access, filter, &order)
}

/// The same for rows from rowid `?first` to rowid `?first+1`, which are read as they lie, up or
/// down: no index is looked into.
pub fn select_rows(
    manifest: &Manifest,
    needed: &[i16],
    filter: &str,
    first: usize,
    descending: Option<bool>,
) -> Query {
    let rowid = quote_name(&manifest.rowid_name);
    let mut range = format!("({rowid} BETWEEN ?{first} AND ?{})", first + 1);
    if !filter.is_empty() {
        range.push_str(" AND ");
        range.push_str(filter);
    }
    let order = match descending {
        Some(true) => format!(" ORDER BY {rowid} DESC"),
        Some(false) => format!(" ORDER BY {rowid} ASC"),
        None => String::new(),
    };
    statement(manifest, needed, " NOT INDEXED", &range, &order)
}

fn statement(
    manifest: &Manifest,
    needed: &[i16],
    access: &str,
    filter: &str,
    order: &str,
) -> Query {
    let mut columns = Vec::new();
    // tables of others may have none
    let rowid = match manifest.rowid_name.as_str() {
        "" => String::from("NULL"),
        name => quote_name(name),
    };
    let mut sql = format!("SELECT {rowid}");
    for attnum in needed {
        if let Some(physical) = manifest.column(*attnum).and_then(|c| c.physical.as_deref()) {
            sql.push_str(", ");
            sql.push_str(&quote_name(physical));
            columns.push(*attnum);
        }
    }
    sql.push_str(" FROM ");
    sql.push_str(&quote_name(&manifest.raw_table));
    sql.push_str(access);
    if !filter.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(filter);
    }
    sql.push_str(order);
    Query { sql, columns }
}

/// The statement that fetches one row by its rowid, `?1`.
pub fn by_rowid(manifest: &Manifest, needed: &[i16]) -> Query {
    let filter = format!("{} = ?1", quote_name(&manifest.rowid_name));
    select(manifest, needed, &filter, &[])
}

#[cfg(test)]
#[path = "pushdown_tests.rs"]
mod tests;
