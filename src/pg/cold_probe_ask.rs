//! Asking the file itself for a key.

use super::cold_files;
use super::cold_probe_keys::Key;
use super::sqlite::{Cursor, SqliteError};
use crate::cold::manifest::Manifest;
use crate::cold::mapping::{Cell, CellRef, quote_name};
use crate::error::Result;
use std::rc::Rc;

impl Key {
    /// Asks the file.
    pub(super) fn look_up(
        &mut self,
        manifest: &Rc<Manifest>,
        cells: &[Cell],
    ) -> Result<Option<i64>> {
        let odd: Vec<usize> = (0..cells.len())
            .filter(|n| self.columns[*n].is_any_nan(&cells[*n]))
            .collect();
        let answer = if odd.is_empty() {
            self.ask(manifest, cells)
        } else {
            let sql = self.sql(manifest, &odd);
            let kept = std::mem::replace(&mut self.sql, sql);
            let cursor = self.cursor.take();
            let answer = self.ask(manifest, cells);
            self.sql = kept;
            self.cursor = cursor;
            answer
        };
        if answer.is_err() {
            // the connection is not used again
            self.cursor = None;
        }
        answer
    }

    fn ask(&mut self, manifest: &Rc<Manifest>, cells: &[Cell]) -> Result<Option<i64>> {
        let broken = |e: SqliteError| cold_files::failed(manifest, &e);
        let cursor: &mut Cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            none => {
                let (db, _) = cold_files::open(manifest)?;
                none.insert(db.prepare(&self.sql).map_err(broken)?)
            }
        };
        for (n, cell) in cells.iter().enumerate() {
            cursor.bind(n + 1, cell).map_err(broken)?;
        }
        let found = match cursor.step().map_err(broken)? {
            true => match cursor.value(0) {
                CellRef::Int(rowid) => Some(rowid),
                _ => None,
            },
            false => None,
        };
        cursor.reset();
        Ok(found)
    }

    /// The look-up; columns of `odd` hold something that is no number, which is a NaN.
    pub(super) fn sql(&self, manifest: &Manifest, odd: &[usize]) -> String {
        let equals = if self.nulls_equal { "IS" } else { "=" };
        let columns = self.columns.iter().enumerate();
        let conditions: Vec<String> = columns
            .map(|(n, c)| {
                let name = quote_name(&c.physical);
                if odd.contains(&n) {
                    format!(
                        "typeof({name}) IN ('text', 'blob') AND ?{} IS NOT NULL",
                        n + 1
                    )
                } else {
                    format!("{name} {equals} ?{}", n + 1)
                }
            })
            .collect();
        format!(
            "SELECT {} FROM {} WHERE {} LIMIT 1",
            quote_name(&manifest.rowid_name),
            quote_name(&manifest.raw_table),
            conditions.join(" AND ")
        )
    }
}
