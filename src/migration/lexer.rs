//! Tokens of SQL text as PostgreSQL reads it, with blanks and comments: scan.l of 15 to 18, whose rules
//! psqlscan.l of psql repeats.
//!
//! Every byte of the text belongs to exactly one token. One pass, nothing copied, nothing allocated.

use super::bytes::{BLANK, DIGIT, OPERATOR, WORD, WORD_START, find, is};
pub use super::token::{Open, Strings, Token, TokenKind};
use std::ops::Range;

/// The tokens of a text. COPY data and psql's commands are not known here: see [`super::segments`].
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    strings: Strings,
    /// whether a quote would continue a string
    after: After,
    /// up to here, each sign is an operator of its own
    signs_until: usize,
}

/// How the inside of a string is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// two quotes are one
    Doubled,
    /// the same, and a backslash takes the next byte with it
    Escaped,
    /// any quote ends it
    Bits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Other,
    String(Inside, Open),
    StringAndLineEnd(Inside, Open),
}

impl<'a> Tokens<'a> {
    #[must_use]
    pub fn new(text: &'a str, strings: Strings) -> Tokens<'a> {
        Tokens {
            bytes: text.as_bytes(),
            at: 0,
            strings,
            after: After::Other,
            signs_until: 0,
        }
    }

    /// Where the next token begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// How plain strings are read from here on.
    pub fn set_strings(&mut self, strings: Strings) {
        self.strings = strings;
    }

    #[must_use]
    pub fn strings(&self) -> Strings {
        self.strings
    }

    /// Goes on reading at a byte that no token before has changed the meaning of.
    pub fn seek(&mut self, offset: usize) {
        self.at = offset.min(self.bytes.len());
        self.after = After::Other;
        self.signs_until = 0;
    }

    /// The byte there; 0, which no text holds, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The first byte from `at` on that is not of the class.
    fn run_end(&self, at: usize, class: u8) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest
            .iter()
            .position(|b| !is(*b, class))
            .unwrap_or(rest.len())
    }

    fn read(&mut self, start: usize, first: u8) -> (TokenKind, usize) {
        let next = self.byte(start + 1);
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                (TokenKind::Blank, self.run_end(start + 1, BLANK))
            }
            b'\'' => self.string(start),
            b'"' => self.name(start + 1, TokenKind::QuotedName),
            b'$' => self.dollar(start, next),
            b'-' if next == b'-' => (TokenKind::LineComment, self.line_end(start)),
            b'/' if next == b'*' => self.block_comment(start + 2),
            b'0'..=b'9' => (TokenKind::Number, self.number(start)),
            b'.' if next.is_ascii_digit() => (TokenKind::Number, self.number(start)),
            b'.' if next == b'.' => (TokenKind::Punctuation, start + 2),
            b':' if next == b':' || next == b'=' => (TokenKind::Punctuation, start + 2),
            b':' => (TokenKind::Colon, start + 1),
            b';' => (TokenKind::Semicolon, start + 1),
            b'(' => (TokenKind::OpenParen, start + 1),
            b')' => (TokenKind::CloseParen, start + 1),
            b'\\' => (TokenKind::Backslash, start + 1),
            _ if is(first, WORD_START) => self.word(start, first, next),
            _ if is(first, OPERATOR) => (TokenKind::Operator, self.operator(start)),
            _ => (TokenKind::Punctuation, start + 1),
        }
    }

    fn line_end(&self, at: usize) -> usize {
        find(self.bytes, at, [b'\n', b'\r']).unwrap_or(self.bytes.len())
    }

    fn block_comment(&self, mut at: usize) -> (TokenKind, usize) {
        let mut depth = 1_usize;
        while let Some(found) = find(self.bytes, at, [b'*', b'/']) {
            at = match (self.byte(found), self.byte(found + 1)) {
                (b'*', b'/') => {
                    depth -= 1;
                    if depth == 0 {
                        return (TokenKind::BlockComment, found + 2);
                    }
                    found + 2
                }
                (b'/', b'*') => {
                    depth += 1;
                    found + 2
                }
                _ => found + 1,
            };
        }
        self.unterminated(Open::Comment)
    }

    fn unterminated(&self, open: Open) -> (TokenKind, usize) {
        (TokenKind::Unterminated(open), self.bytes.len())
    }

    /// A word, or something in quotes with a prefix.
    fn word(&mut self, start: usize, first: u8, next: u8) -> (TokenKind, usize) {
        if next == b'\'' {
            let kind = match first.to_ascii_lowercase() {
                b'e' => Some(TokenKind::EscapeString),
                b'n' => Some(TokenKind::NationalString),
                b'b' => Some(TokenKind::BitString),
                b'x' => Some(TokenKind::HexString),
                _ => None,
            };
            if let Some(kind) = kind {
                return self.string_of(start + 2, kind);
            }
        } else if next == b'&' && first.eq_ignore_ascii_case(&b'u') {
            match self.byte(start + 2) {
                b'\'' => return self.string_of(start + 3, TokenKind::UnicodeString),
                b'"' => return self.name(start + 3, TokenKind::UnicodeName),
                _ => {}
            }
        }
        (TokenKind::Word, self.run_end(start + 1, WORD))
    }

    /// A quoted name; `at` is behind its first quote.
    fn name(&self, mut at: usize, kind: TokenKind) -> (TokenKind, usize) {
        while let Some(quote) = find(self.bytes, at, [b'"']) {
            if self.byte(quote + 1) != b'"' {
                return (kind, quote + 1);
            }
            at = quote + 2;
        }
        self.unterminated(Open::Name)
    }

    /// A string without prefix.
    fn string(&mut self, start: usize) -> (TokenKind, usize) {
        match self.after {
            After::StringAndLineEnd(inside, open) => {
                self.string_body(start + 1, TokenKind::Continuation, inside, open)
            }
            After::String(..) | After::Other => self.string_of(start + 1, TokenKind::String),
        }
    }

    fn string_of(&mut self, at: usize, kind: TokenKind) -> (TokenKind, usize) {
        let (inside, open) = match kind {
            TokenKind::EscapeString => (Inside::Escaped, Open::String),
            TokenKind::UnicodeString => (Inside::Doubled, Open::String),
            TokenKind::BitString => (Inside::Bits, Open::BitString),
            TokenKind::HexString => (Inside::Bits, Open::HexString),
            _ => match self.strings {
                Strings::Standard => (Inside::Doubled, Open::String),
                Strings::Escaped => (Inside::Escaped, Open::String),
            },
        };
        self.string_body(at, kind, inside, open)
    }

    /// The rest of a string; `at` is behind its first quote.
    fn string_body(
        &mut self,
        mut at: usize,
        kind: TokenKind,
        inside: Inside,
        open: Open,
    ) -> (TokenKind, usize) {
        loop {
            let found = match inside {
                Inside::Escaped => find(self.bytes, at, [b'\'', b'\\']),
                Inside::Doubled | Inside::Bits => find(self.bytes, at, [b'\'']),
            };
            let Some(found) = found else {
                return self.unterminated(open);
            };
            let doubled = inside != Inside::Bits && self.byte(found + 1) == b'\'';
            if self.byte(found) == b'\\' || doubled {
                at = found + 2;
            } else {
                self.after = After::String(inside, open);
                return (kind, found + 1);
            }
        }
    }

    fn dollar(&self, start: usize, next: u8) -> (TokenKind, usize) {
        if next.is_ascii_digit() {
            let end = self.run_end(start + 1, DIGIT);
            return (TokenKind::Parameter, self.junk(end));
        }
        // a tag may hold digits but not begin with one, and no dollar
        let mut tag_end = start + 1;
        while is(self.byte(tag_end), WORD) && self.byte(tag_end) != b'$' {
            tag_end += 1;
        }
        if self.byte(tag_end) != b'$' {
            return (TokenKind::Punctuation, start + 1);
        }
        let tag = self.bytes.get(start..=tag_end).unwrap_or_default();
        let mut at = tag_end + 1;
        while let Some(found) = find(self.bytes, at, [b'$']) {
            let rest = self.bytes.get(found..).unwrap_or_default();
            if rest.starts_with(tag) {
                return (TokenKind::DollarString, found + tag.len());
            }
            at = found + 1;
        }
        self.unterminated(Open::DollarString)
    }

    /// The end of a number. Digits may be grouped by `_` and there are `0x`, `0o`, `0b` from 16 on; 15 reads both as
    /// one number with junk.
    fn number(&self, start: usize) -> usize {
        let mut at = self.run_end(start, DIGIT);
        if self.byte(at) == b'.' && (at == start || self.byte(at + 1) != b'.') {
            at = self.run_end(at + 1, DIGIT);
        }
        if self.byte(at).eq_ignore_ascii_case(&b'e') {
            let sign = usize::from(matches!(self.byte(at + 1), b'+' | b'-'));
            if self.byte(at + 1 + sign).is_ascii_digit() {
                at = self.run_end(at + 2 + sign, DIGIT);
            } else if sign == 1 {
                return at + 2;
            }
        }
        self.junk(at)
    }

    /// The end of what belongs to a number because no blank is between.
    fn junk(&self, at: usize) -> usize {
        if is(self.byte(at), WORD_START) {
            self.run_end(at, WORD)
        } else {
            at
        }
    }

    /// The end of an operator: comments end it, and signs at its end are operators of their own unless it holds a
    /// character that no operator of the SQL standard has.
    fn operator(&mut self, start: usize) -> usize {
        if start < self.signs_until {
            return start + 1;
        }
        let mut end = start + 1;
        while is(self.byte(end), OPERATOR) {
            if matches!(
                (self.byte(end), self.byte(end + 1)),
                (b'/', b'*') | (b'-', b'-')
            ) {
                break;
            }
            end += 1;
        }
        let operator = self.bytes.get(start..end).unwrap_or_default();
        if operator.iter().any(|b| b"~!@#^&|`?%".contains(b)) {
            return end;
        }
        let signs = operator.iter().rev().take_while(|b| b"+-".contains(b));
        let kept = end - signs.count();
        if kept == end {
            return end;
        }
        self.signs_until = end;
        kept.max(start + 1)
    }

    fn note(&mut self, kind: TokenKind, start: usize, end: usize) {
        match (kind, self.after) {
            (TokenKind::Blank, After::String(inside, open)) => {
                let blank = self.bytes.get(start..end).unwrap_or_default();
                if blank.iter().any(|b| matches!(b, b'\n' | b'\r')) {
                    self.after = After::StringAndLineEnd(inside, open);
                }
            }
            (TokenKind::Blank | TokenKind::LineComment, _) => {}
            (
                TokenKind::String
                | TokenKind::EscapeString
                | TokenKind::UnicodeString
                | TokenKind::NationalString
                | TokenKind::BitString
                | TokenKind::HexString
                | TokenKind::Continuation,
                _,
            ) => {}
            _ => self.after = After::Other,
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let first = *self.bytes.get(start)?;
        let (kind, end) = self.read(start, first);
        // an escape may take the last byte, and a byte more, with it
        let end = end.min(self.bytes.len());
        if self.after != After::Other {
            self.note(kind, start, end);
        }
        self.at = end;
        Some(Token { kind, start, end })
    }
}

/// The first byte of `range` that is neither blank nor comment; the end of the range if there is none. PostgreSQL 15
/// to 17 count what stands before a statement to it (gram.y, stmtmulti), 18 does not.
#[must_use]
pub fn first_code(text: &str, range: Range<usize>) -> usize {
    let piece = text.get(range.clone()).unwrap_or_default();
    let mut tokens = Tokens::new(piece, Strings::Standard);
    match tokens.find(Token::is_code) {
        Some(token) => range.start + token.start,
        None => range.end,
    }
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
pub(super) mod tests;

#[cfg(test)]
#[path = "lexer_quote_tests.rs"]
mod quote_tests;
