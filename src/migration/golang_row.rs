//! golang-migrate's table: at most one row, whose number says what is applied.
//!
//! No row: nothing. (V, f): every file with a number up to V. (V, t): an attempt to arrive at V failed or is under way;
//! on the way down V is the next lower version, and -1 where there is none.

use super::foreign::Tool;
use super::foreign_read::only_row;
use super::foreign_rows::{Cells, Dirty, ForeignState, Imported, UpTo};
use super::foreign_writes::{AppliedFile, Param, ParamType, Write, int8, is_kept, whole};
use crate::error::Result;

/// Reads the rows.
pub(super) fn read(cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(Tool::GolangMigrate, cells.len());
    let Some(row) = only_row(read.tool, cells)? else {
        return Ok(read);
    };
    let number: i64 = row.number("version")?;
    let version = match number {
        -1 => None,
        0.. => Some(number.to_string()),
        _ => return Err(row.unreadable(format!("has \"{number}\" for version"))),
    };
    if row.flag("dirty")? {
        read.dirty = Some(Dirty {
            version: version.clone(),
        });
    }
    read.head.clone_from(&version);
    read.up_to = version.map(|version| UpTo {
        version,
        state: ForeignState::Applied,
    });
    Ok(read)
}

/// The row that golang-migrate's table should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GolangRow {
    /// -1: on the way down from the first version
    pub version: i64,
    pub dirty: bool,
}

/// The row that the table holds, of those that `applied` read.
#[must_use]
pub fn current(table: &Imported) -> Option<GolangRow> {
    (table.rows > 0).then(|| GolangRow {
        version: table
            .head
            .as_deref()
            .and_then(|head| head.parse().ok())
            .unwrap_or(-1),
        dirty: table.dirty.is_some(),
    })
}

/// Brings golang-migrate's table to this row, or to no row. Nothing is written when it says so already.
#[must_use]
pub fn golang_writes(table: &Imported, row: Option<GolangRow>) -> Vec<Write> {
    const UPDATE: &str = "UPDATE {} SET version = $1::pg_catalog.int8, dirty = $2::pg_catalog.bool";
    const INSERT: &str =
        "INSERT INTO {} (version, dirty) VALUES ($1::pg_catalog.int8, $2::pg_catalog.bool)";
    let held = current(table);
    if held == row {
        return Vec::new();
    }
    let Some(row) = row else {
        return vec![Write {
            sql: "DELETE FROM {}",
            params: Vec::new(),
        }];
    };
    vec![Write {
        sql: if held.is_some() { UPDATE } else { INSERT },
        params: vec![
            int8(row.version),
            Param {
                kind: ParamType::Bool,
                value: Some(row.dirty.to_string()),
            },
        ],
    }]
}

/// The row for this set of applied versions: the highest number, clean.
pub(super) fn row_for(after: &[AppliedFile]) -> Result<Option<GolangRow>> {
    let mut head = None;
    for file in after
        .iter()
        .filter(|file| is_kept(Tool::GolangMigrate, file))
    {
        head = head.max(Some(whole(Tool::GolangMigrate, file, i64::MAX)?));
    }
    Ok(head.map(|version| GolangRow {
        version,
        dirty: false,
    }))
}

#[cfg(test)]
#[path = "golang_row_tests.rs"]
mod tests;
