//! What a text holds, before anything of it is run: its statements by the server's parser, and what a run must know
//! or refuse beforehand.

use super::include::Origins;
use super::position::Lines;
use super::register::STRINGS;
use super::segments::{PIECE_BYTES, Place, SegmentKind, Segments};
use super::token::Strings;
use super::vars::Filled;
use super::{lexer, psql};
use crate::error::{Error, Kind, Result};
use crate::pg::parse::{self, Statement, SyntaxError};
use crate::pg::parse_kind::{Copy, Kind as Does, Outside, Transaction};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What was found, as it is kept with the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    pub statements: i32,
    /// why it does not parse
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// what no run takes, and why
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused: Option<String>,
    /// statements that may not run in a transaction
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub outside: Vec<OutsideStatement>,
    /// labels that it adds to enum types
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub labels: Vec<String>,
}

/// A statement that may not run in a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideStatement {
    pub statement: i32,
    pub line: usize,
    pub command: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// it may run without CONCURRENTLY, or be left out
    pub strip: bool,
}

/// One statement or command of a text.
pub enum Item<'a> {
    Statement {
        statement: &'a Statement,
        /// its code in the text, without blanks and comments before it
        range: Range<usize>,
    },
    /// rows of the COPY before it
    Rows(Range<usize>),
    /// a command of psql, with its name
    Command {
        name: &'a str,
        arguments: &'a str,
        range: Range<usize>,
    },
}

/// Why a text cannot be read to its end, and where.
pub struct Stop {
    pub error: Error,
    pub at: usize,
}

/// Reads `text` and shows its items in order; the first thing that does not parse ends it.
pub fn each(
    text: &str,
    strings: Strings,
    show: impl FnMut(Item) -> Result<()>,
) -> Result<Option<Stop>> {
    each_by(parse::check, text, strings, show)
}

/// The same with what each statement does to the schema.
pub fn each_ddl(
    text: &str,
    strings: Strings,
    show: impl FnMut(Item) -> Result<()>,
) -> Result<Option<Stop>> {
    each_by(parse::check_ddl, text, strings, show)
}

fn each_by(
    check: fn(&str, bool) -> Result<parse::Checked>,
    text: &str,
    strings: Strings,
    mut show: impl FnMut(Item) -> Result<()>,
) -> Result<Option<Stop>> {
    let mut segments = Segments::new(text, strings, PIECE_BYTES);
    loop {
        let Some(segment) = segments.next() else {
            return Ok(None);
        };
        let segment = match segment {
            Ok(segment) => segment,
            Err(error) => {
                let at = segments.offset();
                return Ok(Some(Stop { error, at }));
            }
        };
        match segment.kind {
            SegmentKind::Sql { strings, .. } => {
                let sql = text.get(segment.range.clone()).unwrap_or_default();
                match check(sql, strings == Strings::Standard)? {
                    Ok(statements) => {
                        for statement in &statements {
                            let range = code(text, segment.range.start, &statement.range);
                            show(Item::Statement { statement, range })?;
                        }
                    }
                    Err(wrong) => {
                        let within = wrong.at.unwrap_or_default();
                        let at = segment.range.start + within;
                        let error = syntax_error(wrong);
                        return Ok(Some(Stop { error, at }));
                    }
                }
            }
            SegmentKind::Copy { data } => show(Item::Rows(data))?,
            SegmentKind::Command {
                place: Place::InStatement,
                ..
            } => {
                let text = "a command of psql within a statement is not supported";
                let error = Error::new(Kind::NotSupported, text);
                let at = segment.range.start;
                return Ok(Some(Stop { error, at }));
            }
            SegmentKind::Command {
                name, arguments, ..
            } => show(Item::Command {
                name,
                arguments,
                range: segment.range,
            })?,
        }
    }
}

fn syntax_error(wrong: SyntaxError) -> Error {
    let mut error = Error::new(Kind::Syntax, wrong.message);
    error.hint = wrong.hint;
    error
}

/// The code of a statement of a piece, in the text that the piece begins at `start` of.
pub fn code(text: &str, start: usize, of_piece: &Range<usize>) -> Range<usize> {
    let range = start + of_piece.start..start + of_piece.end;
    let first = lexer::first_code(text, range.clone());
    first..range.end
}

/// Looks at a section of `text` that begins at `start`, with its variables filled in; lines are those of the whole
/// text.
pub fn inspect(text: &str, start: usize, section: &Filled<'_>) -> Result<Inspected> {
    let mut lines = Lines::new(text);
    let origins = Origins::of(text);
    let mut line = |at: usize| {
        let at = start + section.original(at);
        origins
            .at(at)
            .map_or_else(|| lines.at(at).line, |origin| origin.line)
    };
    let mut found = Inspected::default();
    let mut restricted = None;
    let stop = each(&section.text, STRINGS, |item| {
        match item {
            Item::Statement { statement, range } => {
                found.statements += 1;
                found.see(statement, || line(range.start));
            }
            Item::Rows(_) => {}
            Item::Command {
                name,
                arguments,
                range,
            } => {
                let refused = psql::refuse(name, arguments, &mut restricted);
                if let Some(why) = refused.filter(|_| found.refused.is_none()) {
                    found.refused = Some(format!("line {}: {why}", line(range.start)));
                }
            }
        }
        Ok(())
    })?;
    if let Some(Stop { error, at }) = stop {
        let within = origins.at(start + section.original(at));
        let within = within.and_then(|origin| origin.within);
        let within = within.map(|(file, line)| format!("\"{file}\", line {line}: "));
        let within = within.unwrap_or_default();
        let why = format!("line {}: {within}{}", line(at), error.message);
        if error.kind == Kind::NotSupported {
            found.refused.get_or_insert(why);
        } else {
            found.error = Some(why);
        }
    }
    Ok(found)
}

impl Inspected {
    fn see(&mut self, statement: &Statement, line: impl FnOnce() -> usize) {
        let refuse = match &statement.kind {
            Does::Outside(outside) => {
                self.outside.push(OutsideStatement {
                    statement: self.statements,
                    line: line(),
                    command: statement.tag.clone(),
                    object: statement.object.clone(),
                    strip: Outside::may_be_stripped(*outside),
                });
                return;
            }
            Does::EnumValue(label) => {
                self.labels.push(label.clone());
                return;
            }
            Does::Transaction(Transaction::Rollback) => "ROLLBACK would undo the migration itself",
            Does::Transaction(Transaction::Prepared) => "prepared transactions are not supported",
            Does::Transaction(Transaction::Commit { chain: true }) => {
                "COMMIT AND CHAIN is not supported"
            }
            Does::Copy(Copy::ToClient) => "COPY TO STDOUT would write to the caller's client",
            _ => return,
        };
        if self.refused.is_none() {
            self.refused = Some(format!("line {}: {refuse}", line()));
        }
    }

    /// What it needs that a function cannot give: `call`, or nothing.
    #[must_use]
    pub fn needs(&self) -> Option<&'static str> {
        (!self.outside.is_empty()).then_some("call")
    }
}

/// How a statement is run, as people see it.
#[must_use]
pub fn mode(kind: &Does) -> &'static str {
    match kind {
        Does::Outside(_) => "call",
        Does::Transaction(_) => "transaction",
        Does::Copy(Copy::FromText) => "copy",
        _ => "run",
    }
}
