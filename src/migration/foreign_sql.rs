//! Statements on other tools' tables: how each is read, and how each tool makes its own.
//!
//! `{}` stands for the relation, qualified and quoted by the caller. Everything comes as text; moments as
//! `2024-05-01T12:34:56.123456Z`, in UTC. A column without time zone is read in the zone of the session, as the tool
//! wrote it in that of its own. Names of functions and operators are qualified: the statements run as the caller,
//! whose search_path may hold anything.

use super::foreign::{Tool, Width};
use crate::error::Result;

/// A statement that reads a whole table, and the names of its result columns in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    pub sql: String,
    pub columns: Vec<&'static str>,
}

/// How a column is made text.
#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    /// in UTC; NULL stays NULL
    Moment,
    Hex,
}

/// What is read of a table: name of the result, form, column; and an ORDER BY, or nothing.
struct Source {
    columns: &'static [(&'static str, Form, &'static str)],
    order: &'static str,
}

use Form::{Hex, Moment, Text};

const VERSIONS: Source = Source {
    columns: &[("version", Text, "version")],
    order: "",
};

const GOLANG: Source = Source {
    columns: &[("version", Text, "version"), ("dirty", Text, "dirty")],
    order: "",
};

const ECTO: Source = Source {
    columns: &[("version", Text, "version"), ("at", Moment, "inserted_at")],
    order: "",
};

const REFINERY: Source = Source {
    columns: &[
        ("version", Text, "version"),
        ("name", Text, "name"),
        // text already
        ("at", Text, "applied_on"),
        ("checksum", Text, "checksum"),
    ],
    order: "",
};

const SQLX: Source = Source {
    columns: &[
        ("version", Text, "version"),
        ("name", Text, "description"),
        ("at", Moment, "installed_on"),
        ("success", Text, "success"),
        ("checksum", Hex, "checksum"),
    ],
    order: "",
};

const GOOSE: Source = Source {
    columns: &[
        ("version", Text, "version_id"),
        ("applied", Text, "is_applied"),
        ("at", Moment, "tstamp"),
    ],
    order: " ORDER BY id",
};

const FLYWAY: Source = Source {
    columns: &[
        ("version", Text, "version"),
        ("name", Text, "description"),
        ("type", Text, "type"),
        ("checksum", Text, "checksum"),
        ("at", Moment, "installed_on"),
        ("success", Text, "success"),
    ],
    order: " ORDER BY installed_rank",
};

const DIESEL: Source = Source {
    columns: &[("version", Text, "version"), ("at", Moment, "run_on")],
    order: "",
};

const SQITCH: Source = Source {
    columns: &[
        ("id", Text, "change_id"),
        ("checksum", Text, "script_hash"),
        ("name", Text, "change"),
        ("project", Text, "project"),
        ("at", Moment, "committed_at"),
    ],
    order: " ORDER BY committed_at, planned_at, change_id",
};

const GRAPHILE: Source = Source {
    columns: &[
        ("checksum", Text, "hash"),
        ("previous", Text, "previous_hash"),
        ("filename", Text, "filename"),
        ("at", Moment, "date"),
    ],
    order: " ORDER BY filename COLLATE pg_catalog.\"C\"",
};

const ALEMBIC: Source = Source {
    columns: &[("name", Text, "version_num")],
    order: "",
};

const DJANGO: Source = Source {
    columns: &[
        ("app", Text, "app"),
        ("name", Text, "name"),
        ("at", Moment, "applied"),
    ],
    order: " ORDER BY id",
};

const PRISMA: Source = Source {
    columns: &[
        ("name", Text, "migration_name"),
        ("checksum", Text, "checksum"),
        ("at", Moment, "finished_at"),
        ("rolled_back", Moment, "rolled_back_at"),
    ],
    order: " ORDER BY started_at",
};

/// How the table of a tool is read. The text depends on the tool alone. Errors: 0A000 for one that is only detected.
pub fn select(tool: Tool) -> Result<Select> {
    let source = match tool {
        Tool::GolangMigrate => GOLANG,
        Tool::Dbmate | Tool::Pop | Tool::Tern => VERSIONS,
        Tool::Ecto => ECTO,
        Tool::Refinery => REFINERY,
        Tool::Sqlx => SQLX,
        Tool::Goose => GOOSE,
        Tool::Flyway => FLYWAY,
        Tool::Diesel => DIESEL,
        Tool::Sqitch => SQITCH,
        Tool::GraphileMigrate => GRAPHILE,
        Tool::Alembic => ALEMBIC,
        Tool::Django => DJANGO,
        Tool::Prisma => PRISMA,
        Tool::Atlas | Tool::Liquibase | Tool::Pgroll => return Err(tool.not_read()),
    };
    let list: Vec<String> = source
        .columns
        .iter()
        .map(|(_, form, column)| match form {
            Text => format!("{column}::pg_catalog.text"),
            Moment => format!(
                "pg_catalog.to_char({column}::timestamp with time zone AT TIME ZONE 'UTC', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            ),
            Hex => format!("pg_catalog.encode({column}, 'hex')"),
        })
        .collect();
    Ok(Select {
        sql: format!("SELECT {} FROM {{}}{}", list.join(", "), source.order),
        columns: source.columns.iter().map(|(name, ..)| *name).collect(),
    })
}

/// A statement of this noun with its relation put in, which must be qualified and quoted already.
#[must_use]
pub fn fill(sql: &str, relation: &str) -> String {
    sql.replace("{}", relation)
}

/// The statements by which a tool makes its table when there is none, in order and with nothing left to fill.
/// `relation` is qualified and quoted; `table` is its bare name, unquoted, from which Flyway derives the names of a key
/// and an index. `width` matters for refinery alone. Errors: 0A000 for a tool that is not mirrored.
pub fn create(tool: Tool, relation: &str, table: &str, width: Width) -> Result<Vec<String>> {
    tool.check_mirror()?;
    let made = |columns: &str| format!("CREATE TABLE IF NOT EXISTS {relation} ({columns})");
    let statements = match tool {
        Tool::GolangMigrate => {
            vec![made(
                "version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL",
            )]
        }
        Tool::Dbmate => vec![made("version varchar PRIMARY KEY")],
        Tool::Refinery => {
            let version = match width {
                Width::Int4 => "integer",
                Width::Int8 => "bigint",
            };
            vec![made(&format!(
                "version {version} PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255)"
            ))]
        }
        Tool::Sqlx => vec![made(
            "version bigint PRIMARY KEY, description pg_catalog.text NOT NULL, \
             installed_on timestamp with time zone NOT NULL DEFAULT pg_catalog.now(), success boolean NOT NULL, \
             checksum pg_catalog.bytea NOT NULL, execution_time bigint NOT NULL",
        )],
        Tool::Goose => vec![
            made(
                "id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, \
                 is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT pg_catalog.now()",
            ),
            // goose takes a table without this row for damaged
            format!("INSERT INTO {relation} (version_id, is_applied) VALUES (0, true)"),
        ],
        Tool::Flyway => vec![
            made(
                "installed_rank integer NOT NULL, version varchar(50), description varchar(200) NOT NULL, \
                 type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer, \
                 installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT pg_catalog.now(), \
                 execution_time integer NOT NULL, success boolean NOT NULL",
            ),
            format!(
                "ALTER TABLE {relation} ADD CONSTRAINT {} PRIMARY KEY (installed_rank)",
                quoted(&format!("{table}_pk"))
            ),
            format!(
                "CREATE INDEX {} ON {relation} (success)",
                quoted(&format!("{table}_s_idx"))
            ),
        ],
        _ => vec![made(
            "version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP",
        )],
    };
    Ok(statements)
}

/// A name in double quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_that_is_read_has_a_statement_with_as_many_columns() {
        for tool in Tool::ALL {
            match select(tool) {
                Err(error) => {
                    assert!(matches!(tool, Tool::Atlas | Tool::Liquibase | Tool::Pgroll));
                    assert!(error.message.contains(tool.as_str()));
                }
                Ok(read) => {
                    assert_eq!(read.sql.matches("{}").count(), 1, "{tool:?}");
                    let list = read.sql.split(" FROM {}").next().unwrap();
                    // commas of to_char and encode are inside parentheses
                    let mut depth = 0;
                    let mut columns = 1;
                    for c in list.chars() {
                        match c {
                            '(' => depth += 1,
                            ')' => depth -= 1,
                            ',' if depth == 0 => columns += 1,
                            _ => {}
                        }
                    }
                    assert_eq!(columns, read.columns.len(), "{tool:?}: {}", read.sql);
                }
            }
        }
    }

    #[test]
    fn what_can_be_mirrored_can_be_made() {
        for tool in Tool::ALL {
            let made = create(tool, "a.b", "b", Width::Int4);
            assert_eq!(made.is_ok(), tool.can_mirror(), "{tool:?}");
            for statement in made.unwrap_or_default() {
                assert!(statement.contains("a.b"), "{statement}");
                assert!(!statement.contains("{}"), "{statement}");
            }
        }
    }

    #[test]
    fn odd_names_are_quoted_once() {
        let made = create(Tool::Flyway, "s.\"a{}\"\"b\"", "a{}\"b", Width::Int4).unwrap();
        assert_eq!(
            made[1],
            "ALTER TABLE s.\"a{}\"\"b\" ADD CONSTRAINT \"a{}\"\"b_pk\" PRIMARY KEY (installed_rank)"
        );
        assert_eq!(
            made[2],
            "CREATE INDEX \"a{}\"\"b_s_idx\" ON s.\"a{}\"\"b\" (success)"
        );
        assert_eq!(fill("SELECT 1 FROM {}", "\"{}\""), "SELECT 1 FROM \"{}\"");
    }

    #[test]
    fn refinery_comes_in_two_widths() {
        let narrow = create(Tool::Refinery, "r", "r", Width::Int4).unwrap();
        let wide = create(Tool::Refinery, "r", "r", Width::Int8).unwrap();
        assert!(narrow[0].contains("version integer PRIMARY KEY"));
        assert!(wide[0].contains("version bigint PRIMARY KEY"));
    }
}
