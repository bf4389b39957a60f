//! What tokens of SQL text are.

use std::ops::Range;

/// How plain `'..'` strings are read: the setting `standard_conforming_strings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strings {
    /// on: a backslash is a character like others
    #[default]
    Standard,
    /// off: a backslash escapes what follows, as in `E'..'`
    Escaped,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// blanks and line ends
    Blank,
    /// `--` up to its line end, without it
    LineComment,
    /// `/* .. */`, nested
    BlockComment,
    /// a key word or a name without quotes; bytes above 127 are letters
    Word,
    /// `".."`
    QuotedName,
    /// `U&".."`
    UnicodeName,
    /// `'..'`
    String,
    /// `E'..'`
    EscapeString,
    /// `U&'..'`
    UnicodeString,
    /// `N'..'`
    NationalString,
    /// `B'..'`
    BitString,
    /// `X'..'`
    HexString,
    /// `'..'` that continues the string before it: between them lie only blanks and line comments with at least
    /// one line end. It is read like the first part.
    Continuation,
    /// `$tag$..$tag$`
    DollarString,
    /// Also one with junk at its end, such as `1a`, which the server refuses.
    Number,
    /// `$1`
    Parameter,
    Semicolon,
    OpenParen,
    CloseParen,
    /// a single `:`, where psql may know a variable
    Colon,
    /// outside of quotes: a command of psql
    Backslash,
    /// one operator, as the parser gets it: `- -1` has two, `=-` is two, `@-` is one
    Operator,
    /// `,` `.` `..` `[` `]` `::` `:=`, and single bytes that mean nothing
    Punctuation,
    /// something that goes on to the end of the text because nothing ends it
    Unterminated(Open),
}

/// What was begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    Comment,
    String,
    BitString,
    HexString,
    DollarString,
    Name,
}

impl std::fmt::Display for Open {
    /// The server's words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Open::Comment => "/* comment",
            Open::String => "quoted string",
            Open::BitString => "bit string literal",
            Open::HexString => "hexadecimal string literal",
            Open::DollarString => "dollar-quoted string",
            Open::Name => "quoted identifier",
        })
    }
}

/// A token, as bytes `start..end` of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Its part of the text that it was read from.
    #[must_use]
    pub fn of<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.range()).unwrap_or_default()
    }

    /// Is it neither blank nor comment?
    #[must_use]
    pub fn is_code(&self) -> bool {
        !matches!(
            self.kind,
            TokenKind::Blank | TokenKind::LineComment | TokenKind::BlockComment
        )
    }
}
