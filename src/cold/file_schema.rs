//! The names and the DDL of a file: which tables, columns and indexes, under which names.
//!
//! A PostgreSQL name is kept wherever SQLite can hold it. It cannot hold two names that differ
//! only in ASCII case, names that begin with `sqlite_`, and it loses the rowid when columns take
//! all its three names; then a name gets a suffix and `_cold_columns` tells which it was.

use super::file::{ColumnSpec, FileSpec};
use super::mapping::{quote_literal, quote_name, view_expression};

/// Key and value pairs: format, table, range, owner and so on.
pub const INFO_TABLE: &str = "_cold_info";
/// One row per column: PostgreSQL's name and type, encoding, smallest and largest value.
pub const COLUMNS_TABLE: &str = "_cold_columns";
/// `user_version` of the file.
pub const FORMAT: i32 = 1;
/// "STRT" as `application_id` of the file.
pub const APPLICATION_ID: i32 = 0x5354_5254;
/// The page size at which schema and inner pages lie side by side at the start of the file.
pub const PAGE_SIZE: u32 = 32_768;

/// What FTS5 puts behind the name of its table for its own ones (sqlite.org/fts5.html, "Shadow tables"
/// in "Appendix B"), and the table itself.
const FULL_TEXT_TABLES: [&str; 6] = ["", "_data", "_idx", "_content", "_docsize", "_config"];

const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Names inside one file, the same for the same specification at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// table with the rows
    pub raw_table: String,
    /// view with the human form
    pub view: String,
    /// name under which the rowid can be read (no column has it); needs no quotes
    pub rowid: String,
    /// name of each column, in the order of the specification
    pub columns: Vec<String>,
    /// name of the full-text index, if the file has one
    pub full_text: String,
}

/// True for columns that FTS5 refuses, whatever the case of their letters: names of its own
/// (fts5_config.c, fts5ConfigParseColumn).
#[must_use]
pub fn is_reserved_for_full_text(name: &str) -> bool {
    ["rank", "rowid"]
        .iter()
        .any(|r| r.eq_ignore_ascii_case(name))
}

impl Layout {
    /// The names for a table with these columns.
    #[must_use]
    pub fn new(table: &str, columns: &[&str]) -> Layout {
        let mut taken = Vec::new();
        let mut names = Vec::with_capacity(columns.len());
        // with all three names of the rowid in use the column _rowid_ gives way
        if ROWID_NAMES.iter().all(|r| contains(columns, r)) {
            taken.push("_rowid_".to_owned());
        }
        // columns whose name is the only one of its kind keep it, whatever comes before them
        for (n, column) in columns.iter().enumerate() {
            let mut name = (*column).to_owned();
            let mut suffix = 2;
            while is_taken(&taken, &name) || contains_other(columns, n, &name) {
                name = format!("{column}_{suffix}");
                suffix += 1;
            }
            taken.push(name.clone());
            names.push(name);
        }
        let rowid = ROWID_NAMES
            .iter()
            .find(|r| !is_taken(&names, r))
            .map_or("rowid", |r| *r);
        let safe = if starts_reserved(table) {
            format!("_{table}")
        } else {
            table.to_owned()
        };
        let helper = [INFO_TABLE, COLUMNS_TABLE]
            .iter()
            .any(|h| h.eq_ignore_ascii_case(&safe));
        // its hidden column has the name of the table
        let mut full_text = format!("{safe}_fts");
        while is_taken(&names, &full_text) {
            full_text.push('_');
        }
        Layout {
            raw_table: format!("{safe}_raw"),
            view: if helper { format!("{safe}_") } else { safe },
            full_text,
            rowid: rowid.to_owned(),
            columns: names,
        }
    }

    /// The names for this file.
    #[must_use]
    pub fn of(spec: &FileSpec) -> Layout {
        let columns: Vec<&str> = spec.columns.iter().map(|c| c.name.as_str()).collect();
        Layout::new(&spec.table, &columns)
    }

    /// `CREATE TABLE` of the rows.
    #[must_use]
    pub fn create_raw(&self, columns: &[ColumnSpec]) -> String {
        let list: Vec<String> = columns
            .iter()
            .zip(&self.columns)
            .map(|(spec, name)| {
                let declared = spec.encoding.declared_type();
                let space = if declared.is_empty() { "" } else { " " };
                format!("{}{space}{declared}", quote_name(name))
            })
            .collect();
        format!(
            "CREATE TABLE {}({})",
            quote_name(&self.raw_table),
            list.join(", ")
        )
    }

    /// `CREATE VIEW` of the human form.
    #[must_use]
    pub fn create_view(&self, columns: &[ColumnSpec]) -> String {
        let list: Vec<String> = columns
            .iter()
            .zip(&self.columns)
            .map(|(spec, name)| {
                let quoted = quote_name(name);
                format!("{} AS {quoted}", view_expression(spec.encoding, &quoted))
            })
            .collect();
        format!(
            "CREATE VIEW {} AS SELECT {} FROM {}",
            quote_name(&self.view),
            list.join(", "),
            quote_name(&self.raw_table)
        )
    }

    /// `INSERT` of one row, parameters in the order of the columns.
    #[must_use]
    pub fn insert_raw(&self) -> String {
        let marks: Vec<String> = (1..=self.columns.len()).map(|n| format!("?{n}")).collect();
        format!(
            "INSERT INTO {} VALUES({})",
            quote_name(&self.raw_table),
            marks.join(",")
        )
    }

    /// `CREATE INDEX` statements; an index whose name is taken in the file gets a suffix.
    #[must_use]
    pub fn create_indexes(&self, spec: &FileSpec) -> Vec<String> {
        let mut taken = vec![
            self.raw_table.clone(),
            self.view.clone(),
            INFO_TABLE.to_owned(),
            COLUMNS_TABLE.to_owned(),
        ];
        if !spec.full_text.is_empty() {
            let names = FULL_TEXT_TABLES.iter();
            taken.extend(names.map(|tail| format!("{}{tail}", self.full_text)));
        }
        let mut statements = Vec::with_capacity(spec.indexes.len());
        for index in &spec.indexes {
            let base = if starts_reserved(&index.name) {
                format!("_{}", index.name)
            } else {
                index.name.clone()
            };
            let mut name = base.clone();
            let mut suffix = 2;
            while is_taken(&taken, &name) {
                name = format!("{base}_{suffix}");
                suffix += 1;
            }
            let list: Vec<String> = index
                .columns
                .iter()
                .enumerate()
                .filter_map(|(n, position)| {
                    let desc = index.descending.get(n).copied().unwrap_or(false);
                    let order = if desc { " DESC" } else { "" };
                    let column = self.columns.get(*position)?;
                    Some(format!("{}{order}", quote_name(column)))
                })
                .collect();
            statements.push(format!(
                "CREATE {}INDEX {} ON {}({})",
                if index.unique { "UNIQUE " } else { "" },
                quote_name(&name),
                quote_name(&self.raw_table),
                list.join(", ")
            ));
            taken.push(name);
        }
        statements
    }
}

impl Layout {
    /// The statements that make a full-text index of some columns: an FTS5 table without a copy of
    /// the text, whose rowids are those of the rows. None for no columns.
    #[must_use]
    pub fn create_full_text(&self, positions: &[usize]) -> Vec<String> {
        let columns: Vec<String> = positions
            .iter()
            .filter_map(|n| self.columns.get(*n))
            .map(|name| quote_name(name))
            .collect();
        if columns.is_empty() {
            return vec![];
        }
        let table = quote_name(&self.full_text);
        vec![
            format!(
                "CREATE VIRTUAL TABLE {table} USING fts5({}, content={}, content_rowid={})",
                columns.join(", "),
                quote_literal(&self.raw_table),
                quote_literal(&self.rowid)
            ),
            format!("INSERT INTO {table}({table}) VALUES('rebuild')"),
            format!("INSERT INTO {table}({table}) VALUES('optimize')"),
        ]
    }
}

fn starts_reserved(name: &str) -> bool {
    name.get(..7)
        .is_some_and(|head| head.eq_ignore_ascii_case("sqlite_"))
}

fn contains(names: &[&str], name: &str) -> bool {
    names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// True when a made-up name for column `n` is the true name of another column.
fn contains_other(names: &[&str], n: usize, name: &str) -> bool {
    names[n] != name && contains(names, name)
}

fn is_taken(taken: &[String], name: &str) -> bool {
    taken.iter().any(|t| t.eq_ignore_ascii_case(name))
}

#[cfg(test)]
#[path = "file_schema_tests.rs"]
mod tests;
