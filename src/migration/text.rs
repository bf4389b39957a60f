//! The part of a text that one direction runs, with its headers and variables.

use super::header::Headers;
use super::inspect::{self, Inspected};
use super::position::Lines;
use super::regions::Regions;
use super::register::STRINGS;
use super::sections::{Section, Sections};
use super::set::{Direction, Hash};
use super::style::Style;
use super::vars::{self, Filled, Syntax, Vars};
use super::{catalog, checksum};
use crate::error::{Error, Kind, Result};
use std::borrow::Cow;
use std::ops::Range;

/// What a step runs.
pub struct Script<'a> {
    /// the whole file
    pub body: Cow<'a, str>,
    pub section: Range<usize>,
    pub headers: Headers,
}

/// The stored text of one direction.
pub fn script(sha: &Hash, direction: Direction) -> Result<Script<'static>> {
    let (body, marks) = catalog::body(sha)?;
    let sections = match marks {
        Some(style) => {
            let regions = Regions::of(&body, STRINGS);
            Sections::find(&body, style, |at| regions.at(at))?
        }
        None => Sections::whole(&body),
    };
    let (up, down) = Headers::of_sections(&body, &sections)?;
    let (section, headers): (&Section, Headers) = match (direction, marks, &sections.down, down) {
        (Direction::Down, Some(_), Some(section), Some(headers)) => (section, headers),
        (Direction::Down, Some(_), ..) => {
            let text = "the text of a migration has no down any more";
            return Err(Error::new(Kind::DataCorrupted, text));
        }
        _ => (&sections.up, up),
    };
    let section = section.range.clone();
    Ok(Script {
        body: Cow::Owned(body),
        section,
        headers,
    })
}

impl Script<'_> {
    /// The part of the file that runs.
    #[must_use]
    pub fn part(&self) -> &str {
        self.body.get(self.section.clone()).unwrap_or_default()
    }

    /// The same with its variables filled in, in the syntax of the style; errors count lines in the whole file.
    pub fn fill(&self, vars: &Vars, style: Style) -> Result<Filled<'_>> {
        let syntax = match style {
            Style::Flyway => Syntax::Flyway,
            _ => Syntax::Psql,
        };
        let first_line = Lines::of(&self.body, self.section.start).line;
        vars::fill_from_line(self.part(), first_line, vars, syntax, STRINGS)
    }

    /// What the server's parser says of it. Variables that are not known are an error of the text, not of the call.
    pub fn inspect(&self, vars: &Vars, style: Style) -> Result<Inspected> {
        match self.fill(vars, style) {
            Ok(filled) => inspect::inspect(&self.body, self.section.start, &filled),
            Err(error) => Ok(Inspected {
                error: Some(error.message),
                ..Inspected::default()
            }),
        }
    }

    /// True for text that pg_dump has written, or that begins like it.
    #[must_use]
    pub fn is_dump(&self) -> bool {
        let head: String = self.part().chars().take(2_000).collect();
        head.contains("PostgreSQL database dump") || head.contains("SET statement_timeout = 0;")
    }
}

/// A hash as it stands in rows that are written as JSON.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    checksum::hex(hash)
}
