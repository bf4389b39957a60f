//! The up and the down of one file: byte ranges of its text, found by the marks of four tools.
//!
//! A mark stands alone on a line, at its beginning and outside of quotes and block comments. Where tools differ in
//! what they do with a doubtful file, it is refused here: a section that is missed would run a down as an up. So text
//! before the first mark is an error, as in goose and dbmate; sql-migrate drops it in silence. A second up or down
//! is an error, as in goose; newer versions of dbmate, and sql-migrate, would take several.

use super::mark::{self, Mark, NoTransaction, Shown, Side, Tool};
use super::name::Direction;
use super::position::{BOM, Lines};
use super::style::Style;
use crate::error::{Error, Kind, Result};
use std::ops::Range;

/// What a byte of a text belongs to; the lexer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// SQL and the blanks in it, quoted identifiers included
    Code,
    /// a comment that begins with `--`, from its first dash
    LineComment,
    /// a comment in `/* */`, bounds included
    BlockComment,
    /// a string literal, a dollar-quoted body, rows of COPY
    Quoted,
}

/// One direction of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// bytes of the text, the line of the mark left out
    pub range: Range<usize>,
    /// the line of the text, from 1, in which the range begins
    pub first_line: usize,
    /// a mark of the tool that the sections belong to
    pub no_transaction: Option<NoTransaction>,
}

/// Both directions of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// `None`: no marks, all of the text is up
    pub tool: Option<Tool>,
    /// bytes before the first mark: comments only
    pub head: Range<usize>,
    pub up: Section,
    pub down: Option<Section>,
}

impl Sections {
    /// The text has one section, the up.
    #[must_use]
    pub fn whole(text: &str) -> Sections {
        Sections {
            tool: None,
            head: 0..0,
            up: Section {
                range: 0..text.len(),
                first_line: 1,
                no_transaction: None,
            },
            down: None,
        }
    }

    /// What the name of the file left open: `Both` with a down section, else `Up`.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self.down {
            Some(_) => Direction::Both,
            None => Direction::Up,
        }
    }

    /// Finds the sections of a plain file. `region` tells what the byte at an offset belongs to; the style, whose marks
    /// count: those of one tool, in `auto` those of the first mark, in styles without sections none.
    ///
    /// 22023 names the line when marks are doubled, indented, in the wrong order, unknown or of two tools, and when
    /// text stands before the first; 0A000 for goose's `ENVSUB ON`.
    pub fn find(text: &str, style: Style, region: impl Fn(usize) -> Region) -> Result<Sections> {
        let mut scan = Scan::default();
        let has_tern = Tool::Tern.is_in(style) && text.contains(TERN);
        for line in lines(text) {
            let comment = line.text.trim_start_matches([' ', '\t']);
            let at = line.start + (line.text.len() - comment.len());
            match mark::read(comment) {
                Some(mark) if region(at) == Region::LineComment => {
                    scan.take(mark, style, line, at)?;
                }
                None if has_tern => refuse_inner(line, &region)?,
                _ => {}
            }
        }
        scan.cut(text, &region)
    }
}

/// A mark where it was found.
#[derive(Debug, Clone)]
struct Found {
    shown: Shown,
    no_transaction: Option<NoTransaction>,
    line: usize,
    range: Range<usize>,
    /// the line in which the range ends
    next_line: usize,
}

#[derive(Debug, Default)]
struct Scan {
    first: Option<Found>,
    up: Option<Found>,
    down: Option<Found>,
    /// marks that may stand anywhere, and where their lines start
    no_transaction: Vec<(Tool, NoTransaction, usize)>,
}

impl Scan {
    fn take(&mut self, mark: Mark, style: Style, line: Line<'_>, at: usize) -> Result<()> {
        match mark {
            Mark::Section {
                tool,
                side,
                no_transaction,
            } if tool.is_in(style) => {
                let found = Found {
                    shown: Shown(tool, side),
                    no_transaction,
                    line: line.number,
                    range: line.start..line.next,
                    next_line: line.next_number,
                };
                if at != line.start {
                    return Err(refuse(&found, NOT_FIRST));
                }
                self.section(found)
            }
            Mark::NoTransaction(by) => {
                let tool = tool_of(by).filter(|tool| tool.is_in(style));
                self.no_transaction
                    .extend(tool.map(|tool| (tool, by, line.start)));
                Ok(())
            }
            Mark::Environment if Tool::Goose.is_in(style) => Err(Error::new(
                Kind::NotSupported,
                format!(
                    "\"-- +goose ENVSUB ON\" in line {} is not supported",
                    line.number
                ),
            )
            .hint("Write \":'name'\" for \"${NAME}\" and give vars => '{\"name\": \"value\"}'.")),
            Mark::Unknown { tool, command } if tool.is_in(style) && self.is_meant(tool, style) => {
                let text = format!("\"-- {command}\" in line {} is not known", line.number);
                Err(Error::new(Kind::InvalidParameter, text))
            }
            _ => Ok(()),
        }
    }

    /// `-- migrate:` may be prose in a file that is not dbmate's.
    fn is_meant(&self, tool: Tool, style: Style) -> bool {
        match &self.first {
            Some(first) => first.shown.0 == tool,
            None => tool != Tool::Dbmate || style == Style::Dbmate,
        }
    }

    fn section(&mut self, found: Found) -> Result<()> {
        let Shown(tool, side) = found.shown;
        if let Some(first) = self.first.as_ref().filter(|f| f.shown.0 != tool) {
            let text = format!(
                "is of another tool than \"{}\" in line {}",
                first.shown, first.line
            );
            return Err(refuse(&found, &text));
        }
        let slot = match side {
            Side::Up => &mut self.up,
            Side::Down => &mut self.down,
        };
        if let Some(earlier) = slot {
            let text = format!("was given before, in line {}", earlier.line);
            return Err(refuse(&found, &text).hint("Write one file for each pair of up and down."));
        }
        *slot = Some(found.clone());
        if side == Side::Down && self.up.is_none() && tool != Tool::Tern {
            let text = format!("comes before \"{}\"", Shown(tool, Side::Up));
            return Err(refuse(&found, &text));
        }
        self.first.get_or_insert(found);
        Ok(())
    }

    fn cut(self, text: &str, region: impl Fn(usize) -> Region) -> Result<Sections> {
        let mut sections = Sections::whole(text);
        sections.tool = self.first.as_ref().map(|f| f.shown.0);
        if let Some(up) = &self.up {
            sections.head = 0..up.range.start;
            if let Some(at) = first_text(text, &sections.head, region) {
                let line = Lines::of(text, at).line;
                let text = format!(
                    "line {line} stands before \"{}\" in line {}",
                    up.shown, up.line
                );
                return Err(Error::new(Kind::InvalidParameter, text)
                    .hint("Move it behind the mark, or make it a comment."));
            }
            sections.up = after(up, text.len());
        }
        if let Some(down) = &self.down {
            sections.up.range.end = down.range.start;
            sections.down = Some(after(down, text.len()));
        }
        self.mark_no_transaction(&mut sections);
        Ok(sections)
    }

    /// Goose's mark is for the file, tern's for the section that it stands in.
    fn mark_no_transaction(&self, sections: &mut Sections) {
        for (tool, by, at) in &self.no_transaction {
            if sections.tool.is_some_and(|t| t != *tool) {
                continue;
            }
            for section in std::iter::once(&mut sections.up).chain(&mut sections.down) {
                if *tool == Tool::Goose || section.range.contains(at) {
                    section.no_transaction = Some(*by);
                }
            }
        }
    }
}

/// The tool whose mark of no transaction may stand anywhere in a file.
fn tool_of(by: NoTransaction) -> Option<Tool> {
    match by {
        NoTransaction::Goose => Some(Tool::Goose),
        NoTransaction::Tern => Some(Tool::Tern),
        _ => None,
    }
}

fn after(mark: &Found, end: usize) -> Section {
    Section {
        range: mark.range.end..end,
        first_line: mark.next_line,
        no_transaction: mark.no_transaction,
    }
}

const NOT_FIRST: &str = "must begin its line";

fn refuse(found: &Found, why: &str) -> Error {
    refuse_mark(found.shown, found.line, why)
}

fn refuse_mark(shown: Shown, line: usize, why: &str) -> Error {
    let text = format!("\"{shown}\" in line {line} {why}");
    Error::new(Kind::InvalidParameter, text)
}

const TERN: &str = "---- create above / drop below ----";

/// Tern cuts at its mark wherever it stands, also behind a statement; other tools look at line starts only.
fn refuse_inner(line: Line<'_>, region: impl Fn(usize) -> Region) -> Result<()> {
    match line.text.find(TERN) {
        Some(at) if region(line.start + at) == Region::LineComment => {
            let shown = Shown(Tool::Tern, Side::Down);
            Err(refuse_mark(shown, line.number, NOT_FIRST))
        }
        _ => Ok(()),
    }
}

/// The first byte that is neither blank nor comment.
fn first_text(text: &str, range: &Range<usize>, region: impl Fn(usize) -> Region) -> Option<usize> {
    let bom = bom_len(text);
    let head = text.get(bom..range.end)?;
    let is_text = |at: usize| matches!(region(at), Region::Code | Region::Quoted);
    head.char_indices()
        .filter(|(_, c)| !c.is_whitespace())
        .map(|(i, _)| i + bom)
        .find(|at| is_text(*at))
}

fn bom_len(text: &str) -> usize {
    text.len() - text.strip_prefix(BOM).unwrap_or(text).len()
}

/// One line, without its end.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
    /// start and number of the next one
    next: usize,
    next_number: usize,
}

/// The lines of a text; its byte order mark belongs to none. A lone CR ends one, since it ends a comment for the
/// server, but does not count, since it does not in [`Lines`].
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = bom_len(text);
    let mut number = 1;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        let (ending, counts) = match after.as_bytes() {
            [b'\r', b'\n', ..] => (2, 1),
            [b'\n', ..] => (1, 1),
            [] => (0, 0),
            _ => (1, 0),
        };
        let line = Line {
            number,
            start,
            text: line,
            next: start + end + ending,
            next_number: number + counts,
        };
        (start, number) = (line.next, line.next_number);
        Some(line)
    })
}

/// The line, from 1, of the first `{{` of a text template. Two braces mean nothing to PostgreSQL but in literals,
/// bodies and comments, which are passed over.
pub fn template_line(text: &str, region: impl Fn(usize) -> Region) -> Option<usize> {
    text.match_indices("{{")
        .find(|(at, _)| region(*at) == Region::Code)
        .map(|(at, _)| Lines::of(text, at).line)
}

/// 0A000 with the line of the first `{{` of a text template.
pub fn refuse_template(text: &str, region: impl Fn(usize) -> Region) -> Result<()> {
    match template_line(text, region) {
        None => Ok(()),
        Some(line) => Err(Error::new(
            Kind::NotSupported,
            format!("text template in line {line} is not supported: \"{{{{\""),
        )
        .hint(
            "Fill the template first, or write \":name\" and give vars => '{\"name\": \"value\"}'.",
        )),
    }
}

#[cfg(test)]
#[path = "sections_tests.rs"]
mod tests;
