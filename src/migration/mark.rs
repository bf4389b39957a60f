//! Comment lines by which other tools mark sections and files that need no transaction.
//!
//! Read as goose internal/sqlparser/parser.go, dbmate pkg/dbmate/migration.go, sql-migrate sqlparse/sqlparse.go, tern
//! migrate/migrate.go, sqlx-core migrate/source.rs, graphile-migrate src/header.ts and atlas sql/migrate/dir.go read
//! them, but with any blanks and in any case: a mark that is passed over would run a down section as part of the up.

use super::style::Style;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A tool that keeps up and down in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    Dbmate,
    Goose,
    SqlMigrate,
    Tern,
}

impl Tool {
    /// The style in which its marks count, and no others.
    #[must_use]
    pub fn style(self) -> Style {
        match self {
            Tool::Dbmate => Style::Dbmate,
            Tool::Goose => Style::Goose,
            Tool::SqlMigrate => Style::SqlMigrate,
            Tool::Tern => Style::Tern,
        }
    }

    /// Whether its marks mean something in files of this style.
    #[must_use]
    pub fn is_in(self, style: Style) -> bool {
        style == self.style() || style == Style::Auto
    }
}

/// By whose mark a file asks for no transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoTransaction {
    /// `-- strata: no-transaction`
    Strata,
    /// `transaction:false` behind `-- migrate:up`
    Dbmate,
    /// `-- +goose NO TRANSACTION`
    Goose,
    /// `notransaction` behind `-- +migrate Up`
    SqlMigrate,
    /// `---- tern: disable-tx ----`
    Tern,
    /// `-- no-transaction`
    Sqlx,
    /// `--! no-transaction`
    Graphile,
    /// `-- atlas:txmode none`
    Atlas,
}

/// Which section begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Up,
    Down,
}

/// What a comment line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    Section {
        tool: Tool,
        side: Side,
        no_transaction: Option<NoTransaction>,
    },
    NoTransaction(NoTransaction),
    /// `-- +goose ENVSUB ON`: the text is to be filled from the client's environment
    Environment,
    /// a command that the tool does not have
    Unknown {
        tool: Tool,
        command: String,
    },
}

/// A mark that begins a section, as it is told to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown(pub Tool, pub Side);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.0, self.1) {
            (Tool::Dbmate, Side::Up) => "-- migrate:up",
            (Tool::Dbmate, Side::Down) => "-- migrate:down",
            (Tool::Goose, Side::Up) => "-- +goose Up",
            (Tool::Goose, Side::Down) => "-- +goose Down",
            (Tool::SqlMigrate, Side::Up) => "-- +migrate Up",
            (Tool::SqlMigrate, Side::Down) => "-- +migrate Down",
            (Tool::Tern, _) => "---- create above / drop below ----",
        })
    }
}

/// Reads a comment that begins with `--` and ends with its line; `None` if it is no mark.
#[must_use]
pub fn read(comment: &str) -> Option<Mark> {
    let text = comment.strip_prefix("--")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let (first, rest) = words.split_first()?;
    if let Some(mark) = framed(text) {
        return Some(mark);
    }
    if let Some((word, side)) = first.split_at_checked("migrate:".len())
        && is(word, "migrate:")
    {
        return dbmate(side, rest);
    }
    match *first {
        "+goose" => goose(rest),
        "+migrate" => sql_migrate(rest),
        _ => no_transaction(text, first, rest).map(Mark::NoTransaction),
    }
}

fn is(word: &str, wanted: &str) -> bool {
    word.eq_ignore_ascii_case(wanted)
}

/// Tern's marks have dashes on both sides.
fn framed(text: &str) -> Option<Mark> {
    let words: Vec<&str> = text
        .trim_matches(|c: char| c == '-' || c.is_whitespace())
        .split_whitespace()
        .collect();
    let inner = words.join(" ");
    if is(&inner, "create above / drop below") {
        return Some(Mark::Section {
            tool: Tool::Tern,
            side: Side::Down,
            no_transaction: None,
        });
    }
    is(&inner, "tern: disable-tx").then_some(Mark::NoTransaction(NoTransaction::Tern))
}

/// What follows `migrate:`. Nothing at all is prose, as in `-- migrate: all rows`.
fn dbmate(side: &str, options: &[&str]) -> Option<Mark> {
    let tool = Tool::Dbmate;
    let side = match side {
        "" => return None,
        up if is(up, "up") => Side::Up,
        down if is(down, "down") => Side::Down,
        other => {
            let command = format!("migrate:{other}");
            return Some(Mark::Unknown { tool, command });
        }
    };
    // the last one counts, as in dbmate
    let transaction = options
        .iter()
        .rev()
        .find_map(|o| o.strip_prefix("transaction:"));
    Some(Mark::Section {
        tool,
        side,
        no_transaction: (transaction == Some("false")).then_some(NoTransaction::Dbmate),
    })
}

/// What follows `+goose`. The bounds of statements mean nothing here: the server's parser finds them.
fn goose(words: &[&str]) -> Option<Mark> {
    let command = words.join(" ");
    let section = |side| Mark::Section {
        tool: Tool::Goose,
        side,
        no_transaction: None,
    };
    match command.to_ascii_lowercase().as_str() {
        "up" => Some(section(Side::Up)),
        "down" => Some(section(Side::Down)),
        "no transaction" => Some(Mark::NoTransaction(NoTransaction::Goose)),
        "statementbegin" | "statementend" | "envsub off" => None,
        "envsub on" => Some(Mark::Environment),
        _ => Some(Mark::Unknown {
            tool: Tool::Goose,
            command: format!("+goose {command}"),
        }),
    }
}

/// What follows `+migrate`.
fn sql_migrate(words: &[&str]) -> Option<Mark> {
    let (command, options) = words.split_first().map_or(("", words), |(c, o)| (*c, o));
    let tool = Tool::SqlMigrate;
    let side = match command.to_ascii_lowercase().as_str() {
        "up" => Side::Up,
        "down" => Side::Down,
        "statementbegin" | "statementend" => return None,
        _ => {
            let command = format!("+migrate {command}");
            return Some(Mark::Unknown { tool, command });
        }
    };
    let asks = options.iter().any(|o| is(o, "notransaction"));
    Some(Mark::Section {
        tool,
        side,
        no_transaction: asks.then_some(NoTransaction::SqlMigrate),
    })
}

/// Marks that say nothing else; what follows the word does not matter, as in sqlx and graphile-migrate.
fn no_transaction(text: &str, first: &str, rest: &[&str]) -> Option<NoTransaction> {
    let asks = |text: &str| {
        let word = text.split_at_checked("no-transaction".len());
        word.is_some_and(|(word, after)| {
            let goes_on = after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            is(word, "no-transaction") && !goes_on
        })
    };
    if text.starts_with('!') {
        let word = match first.strip_prefix('!') {
            Some("") => rest.first().copied()?,
            word => word?,
        };
        return asks(word).then_some(NoTransaction::Graphile);
    }
    if is(first, "atlas:txmode") {
        return rest
            .first()
            .is_some_and(|m| is(m, "none"))
            .then_some(NoTransaction::Atlas);
    }
    asks(first).then_some(NoTransaction::Sqlx)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(tool: Tool, side: Side) -> Option<Mark> {
        section_without(tool, side, None)
    }

    fn section_without(
        tool: Tool,
        side: Side,
        no_transaction: Option<NoTransaction>,
    ) -> Option<Mark> {
        Some(Mark::Section {
            tool,
            side,
            no_transaction,
        })
    }

    #[test]
    fn sections_of_each_tool() {
        for (line, tool, side) in [
            ("-- migrate:up", Tool::Dbmate, Side::Up),
            ("--migrate:up", Tool::Dbmate, Side::Up),
            ("--   migrate:down  ", Tool::Dbmate, Side::Down),
            ("-- Migrate:Down", Tool::Dbmate, Side::Down),
            ("-- migrate:up transaction:true", Tool::Dbmate, Side::Up),
            ("-- migrate:up some:thing else", Tool::Dbmate, Side::Up),
            ("-- +goose Up", Tool::Goose, Side::Up),
            ("--+goose down\t", Tool::Goose, Side::Down),
            ("-- +migrate Up", Tool::SqlMigrate, Side::Up),
            ("-- +migrate Down", Tool::SqlMigrate, Side::Down),
            ("--  +migrate  down", Tool::SqlMigrate, Side::Down),
            (
                "---- create above / drop below ----",
                Tool::Tern,
                Side::Down,
            ),
            ("-- Create above / drop below", Tool::Tern, Side::Down),
        ] {
            assert_eq!(read(line), section(tool, side), "{line}");
        }
    }

    #[test]
    fn section_marks_may_ask_for_no_transaction() {
        let (up, down) = (Side::Up, Side::Down);
        let dbmate = Some(NoTransaction::Dbmate);
        for (line, side) in [
            ("-- migrate:up transaction:false", up),
            ("-- migrate:down transaction:false", down),
            ("-- migrate:up a:b  transaction:false c", up),
            ("-- migrate:up transaction:true transaction:false", up),
        ] {
            assert_eq!(
                read(line),
                section_without(Tool::Dbmate, side, dbmate),
                "{line}"
            );
        }
        let last = "-- migrate:up transaction:false transaction:true";
        assert_eq!(read(last), section(Tool::Dbmate, up));
        let asks = Some(NoTransaction::SqlMigrate);
        assert_eq!(
            read("-- +migrate Down notransaction"),
            section_without(Tool::SqlMigrate, down, asks)
        );
    }

    #[test]
    fn marks_of_no_transaction() {
        for (line, by) in [
            ("-- +goose NO TRANSACTION", NoTransaction::Goose),
            ("-- +goose no transaction", NoTransaction::Goose),
            ("-- no-transaction", NoTransaction::Sqlx),
            ("-- no-transaction: an index", NoTransaction::Sqlx),
            ("--! no-transaction", NoTransaction::Graphile),
            ("--!no-transaction", NoTransaction::Graphile),
            ("---- tern: disable-tx ----", NoTransaction::Tern),
            ("-- atlas:txmode none", NoTransaction::Atlas),
            ("--atlas:txmode none", NoTransaction::Atlas),
        ] {
            assert_eq!(read(line), Some(Mark::NoTransaction(by)), "{line}");
        }
    }

    #[test]
    fn other_comments_are_no_marks() {
        for line in [
            "--",
            "-- ",
            "----",
            "-- a comment",
            "-- migrate: all rows",
            "-- then migrate:up",
            "-- see +goose Up",
            "-- +goose StatementBegin",
            "-- +goose StatementEnd",
            "-- +goose ENVSUB OFF",
            "-- +migrate StatementBegin",
            "-- no-transactions here",
            "-- no transaction",
            "--! Previous: sha1:abc",
            "--!",
            "-- ! no-transaction",
            "-- atlas:txmode file",
            "-- atlas:txmode",
            "-- strata: no-transaction",
            "-- ümigrate:up",
            "-- migrateü",
            "CREATE TABLE t ()",
            "",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn commands_that_a_tool_does_not_have_are_told() {
        for (line, tool, command) in [
            ("-- +goose Dwon", Tool::Goose, "+goose Dwon"),
            ("-- +goose", Tool::Goose, "+goose "),
            ("-- +migrate Upp x", Tool::SqlMigrate, "+migrate Upp"),
            ("-- migrate:dwon", Tool::Dbmate, "migrate:dwon"),
        ] {
            let command = command.to_owned();
            assert_eq!(read(line), Some(Mark::Unknown { tool, command }), "{line}");
        }
        assert_eq!(read("-- +goose ENVSUB ON"), Some(Mark::Environment));
    }
}
