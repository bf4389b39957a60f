//! What a foreign file offers a planner: its indexes, and how many rows a table has, about.

use super::cold_foreign_file::{FileTable, ForeignFile, text};
use super::cold_foreign_value::Column;
use crate::cold::manifest::FileIndex;
use crate::cold::mapping::{CellRef, quote_literal, quote_name};
use crate::error::Result;

/// A row takes at least these bytes in a file.
const SMALLEST_ROW: u64 = 8;

/// An index that every row is in, as far as its columns are compared byte by byte.
pub(super) struct TableIndex {
    pub(super) name: String,
    /// names of its columns, and which are descending
    pub(super) columns: Vec<(String, bool)>,
}

impl ForeignFile {
    /// Indexes that hold all rows of the table. Partial ones do not; an expression or a collation ends
    /// what is of use of one.
    pub(super) fn indexes(&self, table: &FileTable) -> Result<Vec<TableIndex>> {
        let names = self.list(
            &format!("PRAGMA index_list({})", quote_name(&table.name)),
            |row| (text(row, 1), row.value(4) == CellRef::Int(0)),
        )?;
        let mut out = vec![];
        for (name, _) in names.into_iter().filter(|(_, whole)| *whole) {
            let columns = self.list(
                &format!("PRAGMA index_xinfo({})", quote_name(&name)),
                |row| {
                    let binary = text(row, 4).eq_ignore_ascii_case("BINARY");
                    let is_key = row.value(5) == CellRef::Int(1);
                    let column = match row.value(1) {
                        CellRef::Int(n) => usize::try_from(n).ok(),
                        _ => None,
                    };
                    let descending = row.value(3) == CellRef::Int(1);
                    column.filter(|_| binary && is_key).map(|n| (n, descending))
                },
            )?;
            let columns: Vec<(String, bool)> = columns
                .into_iter()
                .map_while(|column| {
                    let (n, descending) = column?;
                    let column = table.columns.get(n).filter(|c| c.binary)?;
                    Some((column.name.clone(), descending))
                })
                .collect();
            if !columns.is_empty() {
                out.push(TableIndex { name, columns });
            }
        }
        Ok(out)
    }

    /// The column that is another name of the rowid: `INTEGER PRIMARY KEY`.
    pub(super) fn rowid_column(&self, table: &FileTable) -> Result<Option<String>> {
        if table.rowid.is_empty() {
            return Ok(None);
        }
        let table_name = quote_name(&table.name);
        let keys = self.list(&format!("PRAGMA table_xinfo({table_name})"), |row| {
            let plain = text(row, 2).eq_ignore_ascii_case("INTEGER");
            (text(row, 1), row.value(5) != CellRef::Int(0), plain)
        })?;
        // with DESC it is a column of its own, which then has an index
        let indexed = self.list(&format!("PRAGMA index_list({table_name})"), |row| {
            row.value(3) == CellRef::Text(b"pk")
        })?;
        let mut keys = keys.into_iter().filter(|(_, is_key, _)| *is_key);
        Ok(match (keys.next(), keys.next()) {
            (Some((name, _, true)), None) if !indexed.contains(&true) => Some(name),
            _ => None,
        })
    }

    /// About how many rows the table has: what ANALYZE of SQLite counted, else by the rowids, which a
    /// look at both ends of the table shows, but never more than fit into the file.
    pub(super) fn row_estimate(&self, table: &FileTable) -> Result<f64> {
        let most = (self.meta.size / SMALLEST_ROW) as f64;
        if let Some(counted) = self.counted_rows(table)? {
            return Ok(counted.min(most));
        }
        let name = quote_name(&table.name);
        if table.rowid.is_empty() {
            return Ok((self.meta.size / 100).max(1) as f64);
        }
        let rowid = quote_name(table.rowid);
        let end = |function: &str| -> Result<Option<i64>> {
            let found =
                self.list(
                    &format!("SELECT {function}({rowid}) FROM {name}"),
                    |row| match row.value(0) {
                        CellRef::Int(i) => Some(i),
                        _ => None,
                    },
                )?;
            Ok(found.into_iter().next().flatten())
        };
        let (Some(first), Some(last)) = (end("min")?, end("max")?) else {
            return Ok(1.0);
        };
        Ok((last as f64 - first as f64 + 1.0).min(most))
    }

    /// The largest count that `sqlite_stat1` has for the table. Nobody has to have counted.
    fn counted_rows(&self, table: &FileTable) -> Result<Option<f64>> {
        let sql = format!(
            "SELECT stat FROM sqlite_stat1 WHERE tbl = {} COLLATE NOCASE",
            quote_literal(&table.name)
        );
        if self.db.check_table("sqlite_stat1").is_err() || self.db.prepare(&sql).is_err() {
            return Ok(None);
        }
        let counts = self.list(&sql, |row| {
            let stat = text(row, 0);
            stat.split(' ').next().and_then(|n| n.parse::<f64>().ok())
        })?;
        Ok(counts
            .into_iter()
            .flatten()
            .filter(|n| n.is_finite() && *n >= 1.0)
            .reduce(f64::max))
    }
}

/// The indexes as far as they are of columns that a statement reads, by attribute numbers, and their
/// names in the same order.
pub(super) fn of_columns(
    indexes: &[TableIndex],
    columns: &[Column],
) -> (Vec<FileIndex>, Vec<String>) {
    let attnum = |name: &str| {
        columns
            .iter()
            .find(|c| c.physical().eq_ignore_ascii_case(name))
            .map(|c| c.attnum)
    };
    let mut out = vec![];
    let mut names = vec![];
    for index in indexes {
        let columns: Vec<(i16, bool)> = index
            .columns
            .iter()
            .map_while(|(name, descending)| Some((attnum(name)?, *descending)))
            .collect();
        if !columns.is_empty() {
            out.push(FileIndex {
                columns,
                unique: false,
            });
            names.push(index.name.clone());
        }
    }
    (out, names)
}
