//! The SELECT that a scan sends to a cold file.
//!
//! Everything pushed is a superset: PostgreSQL evaluates all conditions again on what comes back.
//! So a condition may be left out at any time, but must never lose a row that PostgreSQL keeps.

use crate::cold::manifest::{FileColumn, Manifest};
use crate::cold::mapping::{Encoding, quote_name};

/// A comparison that SQLite decides as PostgreSQL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    Ne,
    IsNull,
    IsNotNull,
}

impl Op {
    /// From a btree strategy number (1 to 5) or 6 for `<>`.
    pub fn from_strategy(strategy: i32) -> Option<Op> {
        Some(match strategy {
            1 => Op::Lt,
            2 => Op::Le,
            3 => Op::Eq,
            4 => Op::Ge,
            5 => Op::Gt,
            6 => Op::Ne,
            7 => Op::IsNull,
            8 => Op::IsNotNull,
            _ => return None,
        })
    }

    /// The number that travels in a plan.
    pub fn to_number(self) -> i32 {
        match self {
            Op::Lt => 1,
            Op::Le => 2,
            Op::Eq => 3,
            Op::Ge => 4,
            Op::Gt => 5,
            Op::Ne => 6,
            Op::IsNull => 7,
            Op::IsNotNull => 8,
        }
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
        matches!(self, Op::Lt | Op::Le | Op::Ge | Op::Gt)
    }

    fn sql(self) -> &'static str {
        match self {
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Eq => "=",
            Op::Ge => ">=",
            Op::Gt => ">",
            Op::Ne => "<>",
            Op::IsNull => "IS NULL",
            Op::IsNotNull => "IS NOT NULL",
        }
    }
}

/// `column op value`; the value is number `param` of the scan's expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    pub attnum: i16,
    pub op: Op,
    pub param: Option<usize>,
    /// encoding that the column has today by its type; another one in the file is not compared
    pub encoding: Encoding,
}

/// The order that the plan promises, by one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub attnum: i16,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A statement for SQLite. Result column 0 is the rowid, then one for each entry of `columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub sql: String,
    pub columns: Vec<i16>,
    /// expression numbers, in the order of `?1`, `?2`, ...
    pub binds: Vec<usize>,
}

fn comparable<'m>(manifest: &'m Manifest, c: &Condition) -> Option<&'m FileColumn> {
    manifest
        .column(c.attnum)
        .filter(|column| column.encoding == c.encoding)
        .filter(|column| !column.mixed || matches!(c.op, Op::IsNull | Op::IsNotNull))
}

/// True when the file can be read in this order.
pub fn can_order(manifest: &Manifest, order: Order, encoding: Encoding) -> bool {
    manifest
        .column(order.attnum)
        .is_some_and(|c| c.physical.is_some() && !c.mixed && c.encoding == encoding)
}

/// Builds the statement. Conditions that the file cannot decide exactly are left out.
pub fn select(
    manifest: &Manifest,
    needed: &[i16],
    conditions: &[Condition],
    order: Option<Order>,
) -> Query {
    let mut columns = Vec::new();
    let mut sql = format!("SELECT {}", quote_name(&manifest.rowid_name));
    for attnum in needed {
        if let Some(physical) = manifest.column(*attnum).and_then(|c| c.physical.as_deref()) {
            sql.push_str(", ");
            sql.push_str(&quote_name(physical));
            columns.push(*attnum);
        }
    }
    sql.push_str(" FROM ");
    sql.push_str(&quote_name(&manifest.raw_table));
    let mut binds = Vec::new();
    let mut glue = " WHERE ";
    for condition in conditions {
        let Some(physical) = comparable(manifest, condition).and_then(|c| c.physical.as_deref())
        else {
            continue;
        };
        sql.push_str(glue);
        glue = " AND ";
        sql.push_str(&quote_name(physical));
        sql.push(' ');
        sql.push_str(condition.op.sql());
        if let Some(param) = condition.param {
            binds.push(param);
            sql.push_str(&format!(" ?{}", binds.len()));
        }
    }
    if let Some(order) = order
        && let Some(column) = manifest.column(order.attnum)
        && let Some(physical) = column.physical.as_deref()
    {
        sql.push_str(&order_by(&quote_name(physical), order, column.has_nulls));
    }
    Query {
        sql,
        columns,
        binds,
    }
}

/// The statement that fetches one row by its rowid, `?1`.
pub fn by_rowid(manifest: &Manifest, needed: &[i16]) -> Query {
    let mut query = select(manifest, needed, &[], None);
    query
        .sql
        .push_str(&format!(" WHERE {} = ?1", quote_name(&manifest.rowid_name)));
    query.binds = vec![0];
    query
}

/// `NULLS FIRST` is written out with an expression only where SQLite's own order differs: SQLite
/// sorts NULL below everything, and the clause itself is newer than some readers.
fn order_by(column: &str, order: Order, has_nulls: bool) -> String {
    let direction = if order.descending { "DESC" } else { "ASC" };
    let sqlite_nulls_first = !order.descending;
    if !has_nulls || order.nulls_first == sqlite_nulls_first {
        format!(" ORDER BY {column} {direction}")
    } else {
        let nulls = if order.nulls_first { "DESC" } else { "ASC" };
        format!(" ORDER BY {column} IS NULL {nulls}, {column} {direction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let column = |attnum, name: &str, encoding| FileColumn {
            attnum,
            physical: Some(name.into()),
            encoding,
            mixed: false,
            has_nulls: attnum == 1,
            missing: None,
        };
        Manifest {
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
            ],
            ..Manifest::default()
        }
    }

    fn condition(attnum: i16, op: Op, param: usize, encoding: Encoding) -> Condition {
        Condition {
            attnum,
            op,
            param: Some(param),
            encoding,
        }
    }

    #[test]
    fn builds_conditions_and_quotes_names() {
        let q = select(
            &manifest(),
            &[2, 1],
            &[
                condition(1, Op::Eq, 1, Encoding::Int),
                condition(2, Op::Ge, 0, Encoding::TimestampTz),
            ],
            None,
        );
        assert_eq!(
            q.sql,
            "SELECT \"rowid\", \"t\"\"s\", \"id\" FROM \"m_raw\" WHERE \"id\" = ?1 AND \"t\"\"s\" >= ?2"
        );
        assert_eq!(q.columns, vec![2, 1]);
        assert_eq!(q.binds, vec![1, 0]);
    }

    #[test]
    fn leaves_out_what_is_not_exact() {
        let q = select(
            &manifest(),
            &[1, 4, 9],
            &[
                condition(3, Op::Eq, 0, Encoding::Timestamp),
                condition(1, Op::Eq, 1, Encoding::Text),
                condition(4, Op::Eq, 2, Encoding::Int),
                Condition {
                    attnum: 3,
                    op: Op::IsNotNull,
                    param: None,
                    encoding: Encoding::Timestamp,
                },
            ],
            None,
        );
        assert_eq!(
            q.sql,
            "SELECT \"rowid\", \"id\" FROM \"m_raw\" WHERE \"odd\" IS NOT NULL"
        );
        assert!(q.binds.is_empty());
    }

    #[test]
    fn nulls_stand_where_they_were_asked_for() {
        let order = |descending, nulls_first| {
            let q = select(
                &manifest(),
                &[],
                &[],
                Some(Order {
                    attnum: 1,
                    descending,
                    nulls_first,
                }),
            );
            q.sql.split(" FROM \"m_raw\"").nth(1).map(str::to_owned)
        };
        let q = select(
            &manifest(),
            &[],
            &[],
            Some(Order {
                attnum: 2,
                descending: true,
                nulls_first: true,
            }),
        );
        assert!(q.sql.ends_with(" ORDER BY \"t\"\"s\" DESC"), "{}", q.sql);
        assert_eq!(order(false, true).as_deref(), Some(" ORDER BY \"id\" ASC"));
        assert_eq!(order(true, false).as_deref(), Some(" ORDER BY \"id\" DESC"));
        assert_eq!(
            order(true, true).as_deref(),
            Some(" ORDER BY \"id\" IS NULL DESC, \"id\" DESC")
        );
        assert_eq!(
            order(false, false).as_deref(),
            Some(" ORDER BY \"id\" IS NULL ASC, \"id\" ASC")
        );
    }

    #[test]
    fn ops_travel_as_numbers() {
        for op in [
            Op::Lt,
            Op::Le,
            Op::Eq,
            Op::Ge,
            Op::Gt,
            Op::Ne,
            Op::IsNull,
            Op::IsNotNull,
        ] {
            assert_eq!(Op::from_strategy(op.to_number()), Some(op));
            assert_eq!(op.commuted().commuted(), op);
        }
        assert_eq!(Op::from_strategy(0), None);
    }
}
