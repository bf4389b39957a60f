//! Cuts a text into SQL for the server's parser, COPY data, and commands of psql, as psql 15 to 18 would (mainloop.c,
//! psqlscan.l, copy.c).

use super::bytes::{BLANK, is};
use super::lexer::Tokens;
use super::position::{BOM, Lines, line_end};
use super::statement::{End, Statement};
use super::token::{Open, Strings, Token, TokenKind};
use crate::error::{Error, Kind, Result};
use std::ops::Range;

/// How long a piece of SQL should be that is parsed at once, in bytes.
pub const PIECE_BYTES: usize = 1 << 20;

/// A part of a text. Together the segments are the whole text, but for a byte order mark at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    pub kind: SegmentKind<'a>,
    /// its bytes of the text
    pub range: Range<usize>,
}

/// What to do with a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentKind<'a> {
    /// Whole statements, blanks and comments, for the server's parser.
    Sql {
        /// how the server must read it
        strings: Strings,
        /// What goes on to the end of the text, and where it begins; the parser will refuse the segment with words and
        /// place of its own.
        unterminated: Option<(Open, usize)>,
    },
    /// What the `COPY .. FROM STDIN` that ends the segment before it reads. It follows every one, also at the end of
    /// the text, and may be empty.
    Copy {
        /// the lines without the `\.`
        data: Range<usize>,
    },
    /// A backslash outside of quotes, to the end of its line.
    Command {
        /// without its backslash; may be empty
        name: &'a str,
        /// as written, without blanks around; see [`super::command::arguments`]
        arguments: &'a str,
        place: Place,
    },
}

/// Where a command stands. Within a statement, the SQL segments around it are no whole statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    BetweenStatements,
    InStatement,
}

/// The segments of a text, one by one. After an error there are no more.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    text: &'a str,
    tokens: Tokens<'a>,
    statement: Statement,
    /// how strings are read at the start, and after a RESET
    reset: Strings,
    piece_bytes: usize,
    /// the line of its file on which the text begins
    first_line: usize,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Sql,
    Copy,
    Command,
    Nothing,
}

/// What a caller makes of a token of SQL: go on behind it, or at another offset.
pub(super) type Seen = Option<usize>;

impl<'a> Segments<'a> {
    /// `strings`: the value of `standard_conforming_strings` where the text begins. SQL segments end behind the first
    /// statement with which they reach `piece_bytes` ([`PIECE_BYTES`], or `usize::MAX` for pieces of any length).
    ///
    /// A segment also ends behind each `SET standard_conforming_strings` (TO or =, SESSION or LOCAL), RESET of it,
    /// RESET ALL and DISCARD ALL. Other ways to change it (`set_config`, a function) are not seen.
    #[must_use]
    pub fn new(text: &'a str, strings: Strings, piece_bytes: usize) -> Segments<'a> {
        let mut tokens = Tokens::new(text, strings);
        if text.starts_with(BOM) {
            tokens.seek(BOM.len());
        }
        Segments {
            text,
            tokens,
            statement: Statement::new(),
            reset: strings,
            piece_bytes,
            first_line: 1,
            next: Next::Sql,
        }
    }

    /// The same for a text that begins on that line of its file: errors name lines of the file.
    #[must_use]
    pub fn beginning_in(self, first_line: usize) -> Segments<'a> {
        Segments { first_line, ..self }
    }

    /// Up to where the text has been read; after an error, where that is.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.tokens.offset()
    }

    /// True within a statement.
    pub(super) fn is_open(&self) -> bool {
        self.statement.is_open()
    }

    /// How plain strings are read there.
    pub(super) fn strings(&self) -> Strings {
        self.tokens.strings()
    }

    /// The next segment. `see` gets each token of SQL on the way, but for backslashes.
    pub(super) fn advance(
        &mut self,
        see: &mut impl FnMut(&Token) -> Seen,
    ) -> Option<Result<Segment<'a>>> {
        match self.next {
            Next::Sql => self.sql(see),
            Next::Copy => Some(Ok(self.copy())),
            Next::Command => Some(Ok(self.command())),
            Next::Nothing => None,
        }
    }

    fn sql(&mut self, see: &mut impl FnMut(&Token) -> Seen) -> Option<Result<Segment<'a>>> {
        let start = self.tokens.offset();
        let mut kind = SegmentKind::Sql {
            strings: self.tokens.strings(),
            unterminated: None,
        };
        while let Some(token) = self.tokens.next() {
            match token.kind {
                TokenKind::Backslash => {
                    self.tokens.seek(token.start);
                    self.next = Next::Command;
                    break;
                }
                TokenKind::Unterminated(open) => {
                    kind = SegmentKind::Sql {
                        strings: self.tokens.strings(),
                        unterminated: Some((open, token.start)),
                    };
                }
                _ => {}
            }
            if let Some(offset) = see(&token) {
                self.tokens.seek(offset);
            }
            match self.statement.see(self.text, &token, self.reset) {
                Some(End::CopyFromStdin) => {
                    if let Err(error) = self.end_copy_line() {
                        self.next = Next::Nothing;
                        return Some(Err(error));
                    }
                    self.next = Next::Copy;
                    break;
                }
                Some(End::Strings(strings)) => {
                    self.tokens.set_strings(strings);
                    break;
                }
                Some(End::Statement) if token.end - start >= self.piece_bytes => break,
                Some(End::Statement) | None => {}
            }
        }
        let end = self.tokens.offset();
        if end == self.text.len() && self.next == Next::Sql {
            self.next = self.at_end();
        }
        if start == end {
            return self.advance(see);
        }
        Some(Ok(Segment {
            kind,
            range: start..end,
        }))
    }

    /// psql sends what is left at the end of its input even without a semicolon.
    fn at_end(&self) -> Next {
        match self.statement.end(self.text, self.reset) {
            End::CopyFromStdin => Next::Copy,
            End::Statement | End::Strings(_) => Next::Nothing,
        }
    }

    /// Reads the rest of the line of a `COPY .. FROM STDIN;`. psql would read the data from the next line on, and then
    /// come back to the rest; nobody writes that on purpose.
    fn end_copy_line(&mut self) -> Result<()> {
        let semicolon = self.tokens.offset();
        let (end, next) = line_end(self.text.as_bytes(), semicolon);
        while self.tokens.offset() < end {
            let token = self.tokens.next();
            let is_more =
                |t: &Token| t.is_code() || (t.kind == TokenKind::BlockComment && t.end > end);
            if token.as_ref().is_some_and(is_more) {
                self.tokens.seek(semicolon);
                let line = Lines::of(self.text, semicolon).line + self.first_line - 1;
                return Err(behind_copy(line));
            }
        }
        // a blank token goes on over line ends
        self.tokens.seek(next);
        Ok(())
    }

    fn copy(&mut self) -> Segment<'a> {
        let start = self.tokens.offset();
        let (data_end, end) = copy_end(self.text.as_bytes(), start);
        self.tokens.seek(end);
        self.statement = Statement::new();
        self.next = Next::Sql;
        Segment {
            kind: SegmentKind::Copy {
                data: start..data_end,
            },
            range: start..end,
        }
    }

    fn command(&mut self) -> Segment<'a> {
        let start = self.tokens.offset();
        let (end, next) = line_end(self.text.as_bytes(), start);
        let line = self.text.get(start + 1..end).unwrap_or_default();
        // psqlscanslash.l: also a backslash ends the name
        let ends = |c: char| c == '\\' || is_blank(c);
        let (name, arguments) = line.split_at(line.find(ends).unwrap_or(line.len()));
        self.tokens.seek(next);
        self.next = Next::Sql;
        Segment {
            kind: SegmentKind::Command {
                name,
                arguments: arguments.trim_matches(is_blank),
                place: match self.statement.is_open() {
                    true => Place::InStatement,
                    false => Place::BetweenStatements,
                },
            },
            range: start..next,
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>>;

    fn next(&mut self) -> Option<Result<Segment<'a>>> {
        self.advance(&mut |_| None)
    }
}

/// Is it a blank for psql and the lexer?
pub(super) fn is_blank(c: char) -> bool {
    u8::try_from(c).is_ok_and(|byte| is(byte, BLANK))
}

/// All segments of a text at once; see [`Segments::new`]. Standard strings at its start.
#[cfg(test)]
pub fn cut(text: &str, piece_bytes: usize) -> Result<Vec<Segment<'_>>> {
    Segments::new(text, Strings::Standard, piece_bytes).collect()
}

/// Where COPY data end that begin at `start`, and where what follows them begins: behind a line `\.` with LF, CRLF or
/// the end of the text.
fn copy_end(bytes: &[u8], start: usize) -> (usize, usize) {
    let mut at = start;
    while let Some(found) = find_line_with_backslash_dot(bytes, start, at) {
        let rest = bytes.get(found + 2..).unwrap_or_default();
        match rest {
            [] => return (found, bytes.len()),
            [b'\r'] => return (found, bytes.len()),
            [b'\n', ..] => return (found, found + 3),
            [b'\r', b'\n', ..] => return (found, found + 4),
            _ => at = found + 2,
        }
    }
    (bytes.len(), bytes.len())
}

/// The first `\.` from `at` on that begins a line; a line begins at `start`. 32 places are looked at together.
fn find_line_with_backslash_dot(bytes: &[u8], start: usize, at: usize) -> Option<usize> {
    if at == start && bytes.get(start..)?.starts_with(b"\\.") {
        return Some(start);
    }
    // places of the line end
    let first = bytes.get(at..)?;
    let second = first.get(1..)?;
    let third = second.get(1..)?;
    let is_here = |((a, b), c): ((&u8, &u8), &u8)| (*a == b'\n') & (*b == b'\\') & (*c == b'.');
    let mut places = first
        .chunks(32)
        .zip(second.chunks(32))
        .zip(third.chunks(32));
    let chunk = places.position(|((a, b), c)| {
        let triples = a.iter().zip(b).zip(c);
        triples.fold(false, |any, triple| any | is_here(triple))
    })?;
    let from = chunk * 32;
    let triples = first.iter().zip(second).zip(third).skip(from);
    let within = triples.take(32).position(is_here)?;
    Some(at + from + within + 1)
}

fn behind_copy(line: usize) -> Error {
    Error::new(
        Kind::NotSupported,
        format!("text behind COPY FROM STDIN on line {line} is not supported"),
    )
    .detail("The data of COPY begin on the next line, so what follows the semicolon would run after them.")
    .hint("move the text behind the line \\. that ends the data")
}

#[cfg(test)]
#[path = "segments_tests.rs"]
mod tests;
