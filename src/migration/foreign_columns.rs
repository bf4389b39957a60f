//! Which tool a table belongs to, by its columns.
//!
//! Columns that a project added do not matter. Where a tool's own columns are so few that any table might have them
//! (one `version` column), the relation must bear the tool's usual name, or have exactly these columns and a name that
//! speaks of migrations.

use super::foreign::{Tool, Width};
use crate::error::{Error, Kind, Result};

/// Kinds of column, from the names that `format_type` prints. Lengths and precisions do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Int4,
    /// integer or bigint
    Int,
    Bool,
    /// text, character varying, name
    Text,
    Bytea,
    /// with or without time zone
    Timestamp,
    Json,
}

impl Class {
    fn has(self, type_name: &str) -> bool {
        // "character varying(255)", "timestamp(3) without time zone"
        let bare = match (type_name.find('('), type_name.find(')')) {
            (Some(open), Some(close)) if open < close => {
                let (before, after) = (type_name.get(..open), type_name.get(close + 1..));
                format!("{}{}", before.unwrap_or(""), after.unwrap_or(""))
            }
            _ => type_name.to_owned(),
        };
        let bare = bare.as_str();
        match self {
            Class::Int4 => bare == "integer",
            Class::Int => matches!(bare, "integer" | "bigint"),
            Class::Bool => bare == "boolean",
            Class::Text => matches!(bare, "text" | "character varying" | "name"),
            Class::Bytea => bare == "bytea",
            Class::Timestamp => matches!(
                bare,
                "timestamp without time zone" | "timestamp with time zone"
            ),
            Class::Json => matches!(bare, "json" | "jsonb"),
        }
    }
}

/// What the relation must be called for its columns to count.
enum Called {
    /// no table has these columns by chance
    Anything,
    /// the tool does not let users choose it
    Usual,
    /// the usual name; or a name with this word, if there is no other column
    UsualOr(&'static str),
}

struct Shape {
    tool: Tool,
    columns: &'static [(&'static str, Class)],
    /// a column that says it is another tool's table
    not: &'static [&'static str],
    called: Called,
}

const SHAPES: [Shape; 18] = {
    use Called::{Anything, Usual, UsualOr};
    use Class::{Bool, Bytea, Int, Int4, Json, Text, Timestamp};
    const fn shape(
        tool: Tool,
        called: Called,
        columns: &'static [(&'static str, Class)],
        not: &'static [&'static str],
    ) -> Shape {
        Shape {
            tool,
            columns,
            not,
            called,
        }
    }
    [
        shape(
            Tool::GolangMigrate,
            Anything,
            &[("version", Int), ("dirty", Bool)],
            &[],
        ),
        shape(
            Tool::Dbmate,
            UsualOr("migration"),
            &[("version", Text)],
            &["dirty"],
        ),
        shape(
            Tool::Ecto,
            UsualOr("migration"),
            &[("version", Int), ("inserted_at", Timestamp)],
            &["dirty"],
        ),
        shape(
            Tool::Refinery,
            Anything,
            &[
                ("version", Int),
                ("name", Text),
                ("applied_on", Text),
                ("checksum", Text),
            ],
            &[],
        ),
        shape(
            Tool::Sqlx,
            Anything,
            &[
                ("version", Int),
                ("description", Text),
                ("installed_on", Timestamp),
                ("success", Bool),
                ("checksum", Bytea),
                ("execution_time", Int),
            ],
            &[],
        ),
        shape(
            Tool::Goose,
            Anything,
            &[
                ("id", Int),
                ("version_id", Int),
                ("is_applied", Bool),
                ("tstamp", Timestamp),
            ],
            &[],
        ),
        shape(
            Tool::Flyway,
            Anything,
            &[
                ("installed_rank", Int),
                ("version", Text),
                ("description", Text),
                ("type", Text),
                ("script", Text),
                ("checksum", Int),
                ("installed_by", Text),
                ("installed_on", Timestamp),
                ("execution_time", Int),
                ("success", Bool),
            ],
            &[],
        ),
        shape(
            Tool::Diesel,
            Usual,
            &[("version", Text), ("run_on", Timestamp)],
            &[],
        ),
        shape(
            Tool::Sqitch,
            Usual,
            &[
                ("change_id", Text),
                ("script_hash", Text),
                ("change", Text),
                ("project", Text),
                ("committed_at", Timestamp),
                ("planned_at", Timestamp),
                ("planner_name", Text),
            ],
            &[],
        ),
        // a Flyway of before 2018 has a table of this name with a version that is text
        shape(
            Tool::Tern,
            Usual,
            &[("version", Int4)],
            &["dirty", "description", "installed_on"],
        ),
        shape(Tool::Pop, Usual, &[("version", Text)], &["dirty"]),
        shape(
            Tool::GraphileMigrate,
            Usual,
            &[
                ("hash", Text),
                ("previous_hash", Text),
                ("filename", Text),
                ("date", Timestamp),
            ],
            &[],
        ),
        shape(
            Tool::Alembic,
            UsualOr("version"),
            &[("version_num", Text)],
            &[],
        ),
        shape(
            Tool::Django,
            Usual,
            &[
                ("id", Int),
                ("app", Text),
                ("name", Text),
                ("applied", Timestamp),
            ],
            &[],
        ),
        shape(
            Tool::Prisma,
            Anything,
            &[
                ("checksum", Text),
                ("finished_at", Timestamp),
                ("migration_name", Text),
                ("rolled_back_at", Timestamp),
                ("started_at", Timestamp),
                ("applied_steps_count", Int),
            ],
            &[],
        ),
        shape(
            Tool::Atlas,
            Anything,
            &[
                ("version", Text),
                ("applied", Int),
                ("total", Int),
                ("executed_at", Timestamp),
                ("hash", Text),
                ("partial_hashes", Json),
                ("operator_version", Text),
            ],
            &[],
        ),
        shape(
            Tool::Liquibase,
            Anything,
            &[
                ("id", Text),
                ("author", Text),
                ("filename", Text),
                ("dateexecuted", Timestamp),
                ("orderexecuted", Int),
                ("exectype", Text),
                ("md5sum", Text),
            ],
            &[],
        ),
        shape(
            Tool::Pgroll,
            Anything,
            &[
                ("schema", Text),
                ("name", Text),
                ("migration", Json),
                ("parent", Text),
                ("done", Bool),
            ],
            &[],
        ),
    ]
};

impl Shape {
    /// What the columns lack for this tool, as sentences.
    fn lacks(&self, columns: &[(&str, &str)]) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, class) in self.columns {
            match columns.iter().find(|(column, _)| column == name) {
                None => missing.push(format!("Column \"{name}\" is missing.")),
                Some((_, found)) if !class.has(found) => {
                    missing.push(format!("Column \"{name}\" is of type {found}."));
                }
                Some(_) => {}
            }
        }
        for name in self.not {
            if columns.iter().any(|(column, _)| column == name) {
                missing.push(format!("Column \"{name}\" belongs to another tool."));
            }
        }
        missing
    }

    fn is_called(&self, schema: &str, table: &str, columns: usize) -> bool {
        let (usual_schema, usual_table) = self.tool.usual_relation();
        // the registry of sqitch may lie in any schema, that of graphile-migrate may not
        let in_schema =
            self.tool == Tool::Sqitch || usual_schema.is_none_or(|usual| usual == schema);
        let usual = in_schema && table == usual_table;
        match self.called {
            Called::Anything => true,
            Called::Usual => usual,
            Called::UsualOr(word) => {
                // the usual name of another tool is no name of this one's
                let taken = SHAPES.iter().any(|other| {
                    other.tool != self.tool
                        && other.tool.usual_relation().1 == table
                        && table != usual_table
                });
                usual || (!taken && columns == self.columns.len() && table.contains(word))
            }
        }
    }
}

/// The tool that this table belongs to, if its columns tell. `schema` and `table` unquoted; columns as (name, type as
/// `format_type` prints it), dropped ones left out. At most one tool fits.
#[must_use]
pub fn recognise(schema: &str, table: &str, columns: &[(&str, &str)]) -> Option<Tool> {
    SHAPES
        .iter()
        .find(|shape| {
            shape.is_called(schema, table, columns.len()) && shape.lacks(columns).is_empty()
        })
        .map(|shape| shape.tool)
}

/// Checks that a table the user named has the columns of the tool the user named; its name does not matter here.
/// Errors: 22023, DETAIL lists every column that is missing or of the wrong type.
pub fn check_columns(tool: Tool, relation: &str, columns: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<String> = SHAPES
        .iter()
        .filter(|shape| shape.tool == tool)
        .flat_map(|shape| shape.lacks(columns))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidParameter,
        format!(
            "table \"{relation}\" does not have the columns of \"{}\"",
            tool.as_str()
        ),
    )
    .detail(missing.join(" ")))
}

/// Width of the column `version`, from the same list; a column of another type counts as the narrower one.
#[must_use]
pub fn version_width(columns: &[(&str, &str)]) -> Width {
    let wide = columns
        .iter()
        .any(|(name, type_name)| *name == "version" && *type_name == "bigint");
    if wide { Width::Int8 } else { Width::Int4 }
}

#[cfg(test)]
#[path = "foreign_columns_tests.rs"]
mod tests;
