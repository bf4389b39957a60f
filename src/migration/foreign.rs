//! Other migration tools: their names, where they keep their state, and what one of their rows says.
//!
//! The rest by topic: `foreign_columns` recognises a table, `foreign_sql` reads and makes one, `foreign_read` says what
//! its rows mean and `foreign_rows` what is known then, `foreign_hash` verifies checksums, `foreign_writes` keeps a
//! table in step. What is peculiar to golang-migrate and Flyway stands in files of their own. Facts were read in the
//! tools' sources as of summer 2026.

use super::version::Version;
use crate::error::{Error, Kind, Result};
use std::cmp::Ordering;

/// A migration tool whose table we recognise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tool {
    GolangMigrate,
    /// dbmate and Rails: the same table
    Dbmate,
    Ecto,
    Refinery,
    Sqlx,
    Goose,
    Flyway,
    Diesel,
    Sqitch,
    Tern,
    Pop,
    GraphileMigrate,
    Alembic,
    Django,
    Prisma,
    Atlas,
    Liquibase,
    Pgroll,
}

/// Width of a version column; the checksum of refinery depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Int4,
    Int8,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Tool; 18] = [
        Tool::GolangMigrate,
        Tool::Dbmate,
        Tool::Ecto,
        Tool::Refinery,
        Tool::Sqlx,
        Tool::Goose,
        Tool::Flyway,
        Tool::Diesel,
        Tool::Sqitch,
        Tool::Tern,
        Tool::Pop,
        Tool::GraphileMigrate,
        Tool::Alembic,
        Tool::Django,
        Tool::Prisma,
        Tool::Atlas,
        Tool::Liquibase,
        Tool::Pgroll,
    ];

    /// The name that `migrate_detect` shows and the functions take.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tool::GolangMigrate => "golang-migrate",
            Tool::Dbmate => "dbmate",
            Tool::Ecto => "ecto",
            Tool::Refinery => "refinery",
            Tool::Sqlx => "sqlx",
            Tool::Goose => "goose",
            Tool::Flyway => "flyway",
            Tool::Diesel => "diesel",
            Tool::Sqitch => "sqitch",
            Tool::Tern => "tern",
            Tool::Pop => "pop",
            Tool::GraphileMigrate => "graphile-migrate",
            Tool::Alembic => "alembic",
            Tool::Django => "django",
            Tool::Prisma => "prisma",
            Tool::Atlas => "atlas",
            Tool::Liquibase => "liquibase",
            Tool::Pgroll => "pgroll",
        }
    }

    /// Reads a name as users write it: case does not count, `_` is `-`, and `rails` is `dbmate`. `auto` is not a
    /// tool: the caller deals with it. Errors: 22023.
    pub fn parse(text: &str) -> Result<Tool> {
        let word = text.trim().to_ascii_lowercase().replace('_', "-");
        let word = match word.as_str() {
            "rails" | "activerecord" => "dbmate",
            "graphile" => "graphile-migrate",
            other => other,
        };
        Tool::ALL
            .into_iter()
            .find(|tool| tool.as_str() == word)
            .ok_or_else(|| {
                let known: Vec<&str> = Tool::ALL.iter().map(|tool| tool.as_str()).collect();
                Error::new(
                    Kind::InvalidParameter,
                    format!("migration tool \"{text}\" is not known"),
                )
                .detail(format!("Known tools are {}.", known.join(", ")))
            })
    }

    /// Schema, where the tool insists on one, and name of its table unless the user configured another.
    #[must_use]
    pub fn usual_relation(self) -> (Option<&'static str>, &'static str) {
        match self {
            Tool::GolangMigrate | Tool::Dbmate | Tool::Ecto => (None, "schema_migrations"),
            Tool::Refinery => (None, "refinery_schema_history"),
            Tool::Sqlx => (None, "_sqlx_migrations"),
            Tool::Goose => (None, "goose_db_version"),
            Tool::Flyway => (None, "flyway_schema_history"),
            Tool::Diesel => (None, "__diesel_schema_migrations"),
            Tool::Sqitch => (Some("sqitch"), "changes"),
            Tool::Tern => (None, "schema_version"),
            Tool::Pop => (None, "schema_migration"),
            Tool::GraphileMigrate => (Some("graphile_migrate"), "migrations"),
            Tool::Alembic => (None, "alembic_version"),
            Tool::Django => (None, "django_migrations"),
            Tool::Prisma => (None, "_prisma_migrations"),
            Tool::Atlas => (Some("atlas_schema_revisions"), "atlas_schema_revisions"),
            Tool::Liquibase => (None, "databasechangelog"),
            Tool::Pgroll => (Some("pgroll"), "migrations"),
        }
    }

    /// Whether `migrate_mirror` and `migrate_export` can write this tool's table.
    #[must_use]
    pub fn can_mirror(self) -> bool {
        matches!(
            self,
            Tool::GolangMigrate
                | Tool::Dbmate
                | Tool::Refinery
                | Tool::Sqlx
                | Tool::Goose
                | Tool::Flyway
                | Tool::Diesel
        )
    }

    /// Refuses a tool whose table we do not write. Errors: 0A000.
    pub fn check_mirror(self) -> Result<()> {
        if self.can_mirror() {
            return Ok(());
        }
        let known: Vec<&str> = Tool::ALL
            .iter()
            .filter(|tool| tool.can_mirror())
            .map(|tool| tool.as_str())
            .collect();
        Err(Error::new(
            Kind::NotSupported,
            format!("the table of \"{}\" cannot be mirrored", self.as_str()),
        )
        .detail(format!("Tables can be mirrored of {}.", known.join(", "))))
    }

    /// What is told about a tool whose table we recognise but do not read.
    #[must_use]
    pub fn not_read(self) -> Error {
        Error::new(
            Kind::NotSupported,
            format!(
                "the table of \"{}\" is recognised but not read",
                self.as_str()
            ),
        )
        .hint(format!(
            "SELECT strata.migrate_baseline('VERSION', reason => 'taken over from {}')",
            self.as_str()
        ))
    }
}

/// A version in its one spelling; text that is not numbers with dots between is left as it is (Diesel allows any).
#[must_use]
pub fn canonical(version: &str) -> String {
    Version::parse(version).map_or_else(|| version.to_owned(), String::from)
}

/// A total order for lists: versions that are numbers by number, then other texts.
#[must_use]
pub fn list_order(a: &str, b: &str) -> Ordering {
    match (Version::parse(a), Version::parse(b)) {
        (Some(x), Some(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::super::foreign_sql::select;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_back() {
        for tool in Tool::ALL {
            assert_eq!(Tool::parse(tool.as_str()), Ok(tool));
            assert_eq!(Tool::parse(&tool.as_str().to_uppercase()), Ok(tool));
        }
        assert_eq!(Tool::parse("rails"), Ok(Tool::Dbmate));
        assert_eq!(Tool::parse("golang_migrate"), Ok(Tool::GolangMigrate));
        assert_eq!(Tool::parse(" graphile "), Ok(Tool::GraphileMigrate));
    }

    #[test]
    fn unknown_names_are_refused_with_the_list() {
        for word in ["auto", "", "fly way", "golangmigrate"] {
            let error = Tool::parse(word).unwrap_err();
            assert_eq!(error.kind, Kind::InvalidParameter);
            assert!(error.message.contains(&format!("\"{word}\"")));
            assert!(error.detail.unwrap().contains("golang-migrate, dbmate"));
        }
    }

    #[test]
    fn seven_tools_can_be_mirrored() {
        let names: Vec<&str> = Tool::ALL
            .iter()
            .filter(|tool| tool.check_mirror().is_ok())
            .map(|tool| tool.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "golang-migrate",
                "dbmate",
                "refinery",
                "sqlx",
                "goose",
                "flyway",
                "diesel"
            ]
        );
        let error = Tool::Prisma.check_mirror().unwrap_err();
        assert_eq!(error.kind, Kind::NotSupported);
        assert!(error.message.contains("\"prisma\""));
        // what is mirrored is read as well
        assert!(
            Tool::ALL
                .iter()
                .all(|tool| !tool.can_mirror() || select(*tool).is_ok())
        );
    }

    #[test]
    fn three_tools_are_detected_only() {
        let only: Vec<Tool> = Tool::ALL
            .into_iter()
            .filter(|tool| select(*tool).is_err())
            .collect();
        assert_eq!(only, [Tool::Atlas, Tool::Liquibase, Tool::Pgroll]);
        let error = Tool::Liquibase.not_read();
        assert_eq!(error.kind, Kind::NotSupported);
        assert!(error.hint.unwrap().starts_with("SELECT strata."));
    }

    #[test]
    fn canonical_versions() {
        for (raw, expected) in [
            ("000123", "123"),
            ("0", "0"),
            ("00000000000000", "0"),
            ("1.0.0", "1"),
            ("01.010", "1.10"),
            ("0.1", "0.1"),
            ("20221219.1720", "20221219.1720"),
            ("20210705T1000", "20210705T1000"),
            ("18446744073709551615", "18446744073709551615"),
            ("1..2", "1..2"),
            ("", ""),
        ] {
            assert_eq!(canonical(raw), expected, "{raw}");
        }
    }

    #[test]
    fn lists_have_one_order() {
        let mut list = vec!["b", "10", "20210705T1000", "9", "009", "1.10", "", "1.9"];
        list.sort_by(|a, b| list_order(a, b));
        assert_eq!(
            list,
            ["1.9", "1.10", "009", "9", "10", "", "20210705T1000", "b"]
        );
    }

    proptest! {
        #[test]
        fn the_order_of_lists_is_total(mut list in proptest::collection::vec("[0-9.T]{0,4}", 0..12)) {
            list.sort_by(|a, b| list_order(a, b));
            for (i, a) in list.iter().enumerate() {
                for b in list.iter().skip(i) {
                    prop_assert_ne!(list_order(a, b), Ordering::Greater);
                    prop_assert_eq!(list_order(b, a), list_order(a, b).reverse());
                }
            }
        }
    }
}
