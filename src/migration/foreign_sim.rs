//! A table in memory (tests).

use super::super::super::foreign_read::applied;
use super::super::super::foreign_rows::{Imported, Row};
use super::super::super::foreign_sql::select;
use super::{Tool, Write};

/// A table that takes our statements, with the columns of the tool's SELECT.
pub struct Sim {
    pub tool: Tool,
    pub rows: Vec<Row>,
}

impl Sim {
    pub fn new(tool: Tool) -> Sim {
        // goose's first row comes with the table
        let rows = match tool {
            Tool::Goose => vec![vec![text_of("0"), text_of("true"), None]],
            _ => Vec::new(),
        };
        Sim { tool, rows }
    }

    pub fn read(&self) -> Imported {
        applied(self.tool, &self.rows).unwrap()
    }

    pub fn run(&mut self, write: &Write) {
        let value = |at: usize| write.params[at].value.clone();
        let now = text_of("2024-05-01T12:34:56.000000Z");
        let verb = write.sql.split(' ').next().unwrap();
        match (self.tool, verb) {
            (_, "DELETE") if write.params.is_empty() => self.rows.clear(),
            (_, "DELETE") => {
                let before = self.rows.len();
                self.rows.retain(|row| row[0] != value(0));
                assert!(self.rows.len() < before, "{write:?} hits nothing");
            }
            (Tool::GolangMigrate, "UPDATE") => {
                assert_eq!(self.rows.len(), 1);
                self.rows[0] = vec![value(0), value(1)];
            }
            (Tool::GolangMigrate, "INSERT") => self.rows.push(vec![value(0), value(1)]),
            (Tool::Refinery, _) => self.add(vec![value(0), value(1), value(2), value(3)]),
            (Tool::Sqlx, _) => {
                self.add(vec![value(0), value(1), now, text_of("true"), value(2)]);
            }
            (Tool::Goose, _) => self.add(vec![value(0), text_of("true"), now]),
            (Tool::Dbmate, _) => self.add(vec![value(0)]),
            (Tool::Diesel, _) => self.add(vec![value(0), now]),
            (Tool::Flyway, _) if write.sql.contains("'DELETE'") => {
                let by = if write.sql.contains("version IS NULL") {
                    1
                } else {
                    0
                };
                let is_it = |row: &&Row| {
                    row[by] == value(0)
                        && row[2] != text_of("DELETE")
                        && (by == 0 || row[0].is_none())
                };
                let mut row = self.rows.iter().rev().find(is_it).unwrap().clone();
                row[2] = text_of("DELETE");
                self.rows.push(row);
            }
            (Tool::Flyway, _) => {
                let row = vec![value(0), value(1), value(2), value(4), now, text_of("true")];
                self.rows.push(row);
            }
            (tool, verb) => panic!("{tool:?} {verb}"),
        }
    }

    /// Adds a row with a new key.
    fn add(&mut self, row: Row) {
        assert_eq!(row.len(), select(self.tool).unwrap().columns.len());
        assert!(
            self.rows.iter().all(|old| old[0] != row[0]),
            "{row:?} is there already"
        );
        self.rows.push(row);
    }
}

pub fn text_of(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The parameters of a statement.
pub fn values(write: &Write) -> Vec<&str> {
    let value = |p| Option::as_deref(p).unwrap_or("NULL");
    write.params.iter().map(|p| value(&p.value)).collect()
}
