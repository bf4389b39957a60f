//! Lines and columns of byte offsets, as an editor counts them.

use super::bytes::find;

/// The mark that some editors put before UTF-8 text; it is no part of the first line.
pub const BOM: &str = "\u{feff}";

/// A place in a text. Lines and columns count from 1, columns in characters: a tab is one. A line ends with LF or
/// CRLF; a lone CR is a character like others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Positions in one text. Going forward is cheap: only what lies between two offsets is looked at.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    text: &'a str,
    /// where a line begins, and its number
    start: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    #[must_use]
    pub fn new(text: &'a str) -> Lines<'a> {
        Lines {
            text,
            start: 0,
            line: 1,
        }
    }

    /// The place of one offset, in one pass over the text before it.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Position {
        Lines::new(text).at(offset)
    }

    /// The place of a byte. One within a character counts as the character's first; both bytes of a CRLF, and what
    /// lies behind the end of the text, as the place behind the last character.
    pub fn at(&mut self, offset: usize) -> Position {
        let bytes = self.text.as_bytes();
        let mut offset = self.text.floor_char_boundary(offset);
        let before = offset.checked_sub(1).and_then(|n| bytes.get(n));
        if bytes.get(offset) == Some(&b'\n') && before == Some(&b'\r') {
            offset -= 1;
        }
        if offset < self.start {
            *self = Lines::new(self.text);
        }
        let passed = bytes.get(self.start..offset).unwrap_or_default();
        if let Some(last) = passed.iter().rposition(|b| *b == b'\n') {
            self.line += passed.iter().filter(|b| **b == b'\n').count();
            self.start += last + 1;
        }
        let before = self.text.get(self.start..offset).unwrap_or_default();
        let before = match self.line {
            1 => before.strip_prefix(BOM).unwrap_or(before),
            _ => before,
        };
        Position {
            line: self.line,
            column: before.chars().count() + 1,
        }
    }
}

/// The end of the line that holds `at`, without its LF, and the start of the next one.
pub(super) fn line_end(bytes: &[u8], at: usize) -> (usize, usize) {
    match find(bytes, at, [b'\n']) {
        Some(end) => (end, end + 1),
        None => (bytes.len(), bytes.len()),
    }
}

#[cfg(test)]
#[path = "position_tests.rs"]
mod tests;
