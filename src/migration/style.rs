//! Whose rules the names and section marks of a set of files follow.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::str::FromStr;

/// A tool whose file names are read, or all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Style {
    /// every form that is known; U means undo
    #[default]
    Auto,
    GolangMigrate,
    Sqlx,
    Goose,
    Dbmate,
    Tern,
    SqlMigrate,
    Flyway,
    /// U is a forward file that may come late
    Refinery,
    Diesel,
}

impl Style {
    pub const ALL: [Style; 10] = [
        Style::Auto,
        Style::GolangMigrate,
        Style::Sqlx,
        Style::Goose,
        Style::Dbmate,
        Style::Tern,
        Style::SqlMigrate,
        Style::Flyway,
        Style::Refinery,
        Style::Diesel,
    ];

    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Style::Auto => "auto",
            Style::GolangMigrate => "golang-migrate",
            Style::Sqlx => "sqlx",
            Style::Goose => "goose",
            Style::Dbmate => "dbmate",
            Style::Tern => "tern",
            Style::SqlMigrate => "sql-migrate",
            Style::Flyway => "flyway",
            Style::Refinery => "refinery",
            Style::Diesel => "diesel",
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const STYLES: &str = "Use 'auto', 'golang-migrate', 'sqlx', 'goose', 'dbmate', 'tern', 'sql-migrate', 'flyway', \
    'refinery' or 'diesel'.";

impl FromStr for Style {
    type Err = Error;

    /// Reads the argument `style`; 22023 with the list of all for anything else.
    fn from_str(text: &str) -> Result<Style> {
        let found = Style::ALL.into_iter().find(|s| s.name() == text);
        found.ok_or_else(|| {
            Error::new(
                Kind::InvalidParameter,
                format!("style \"{text}\" is not known"),
            )
            .hint(STYLES)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_is_read_by_its_name() {
        for style in Style::ALL {
            assert_eq!(style.to_string().parse(), Ok(style));
        }
        assert_eq!(Style::default(), Style::Auto);
    }

    #[test]
    fn an_unknown_style_gets_the_list() {
        for bad in ["", "Flyway", "golang_migrate", "liquibase"] {
            let e = bad.parse::<Style>().expect_err(bad);
            assert_eq!(e.kind, Kind::InvalidParameter);
            assert_eq!(e.message, format!("style \"{bad}\" is not known"));
            let hint = e.hint.expect("a hint");
            for style in Style::ALL {
                assert!(hint.contains(&format!("'{style}'")), "{style}");
            }
        }
    }
}
