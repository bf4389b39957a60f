//! Two hashes of a migration text: of what it says, and of what it does.

use super::bytes::find;
use super::position::BOM;
use super::segments::{SegmentKind, Segments};
use super::token::{Strings, Token, TokenKind};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// A SHA-256.
pub type Sum = [u8; 32];

/// The hash of a text without final line ends (any run of LF and CR: psql takes one LF from what it reads into a variable,
/// also from a CRLF). Equal: the same file; one is stored for all who register it, so nothing else may differ, not even
/// line ends: within strings and COPY data they are what is written.
#[must_use]
pub fn content_hash(text: &str) -> Sum {
    let mut hash = Hash::new();
    hash.bytes(text.trim_end_matches(['\n', '\r']).as_bytes());
    hash.finish()
}

/// The hash of a text that holds both directions, apart by the marks of `tool`: never that of a text as a whole, nor that
/// of the same text by the marks of another tool. Otherwise as [`content_hash`].
#[must_use]
pub fn marked_hash(text: &str, tool: &str) -> Sum {
    let mut hash = Hash::new();
    // no text of PostgreSQL holds a zero byte
    hash.bytes(b"\0");
    hash.bytes(tool.as_bytes());
    hash.bytes(b"\0");
    hash.bytes(text.trim_end_matches(['\n', '\r']).as_bytes());
    hash.finish()
}

/// The hash of what a text does: of its tokens, its COPY data and its psql commands. Comments, blanks between tokens,
/// the case of key words, unquoted names and string prefixes (but not of psql's variables), a byte order mark, CRLF
/// instead of LF anywhere, and final line ends do not count. Everything else does, also the inside of strings, function
/// bodies and COPY data. Two texts of tokens that PostgreSQL tells apart never have one fingerprint: `- 1` is `-1`, but
/// `- -1` is not `--1`.
///
/// `headers`: what the file's headers ask for, in a form of the caller's.
///
/// Only ASCII letters are made lower case, as the server does where the encoding has more than one byte for others
/// (scansup.c, downcase_identifier). The token of `\restrict` and `\unrestrict`, which pg_dump makes up anew each time,
/// does not count. A text that does not parse has a fingerprint as well. It does not depend on any setting: strings
/// are standard ones until the text says something else.
#[must_use]
pub fn fingerprint(text: &str, headers: &str) -> Sum {
    let mut hash = Hash::new();
    hash.part(Part::Headers, headers.as_bytes());
    hash.code(trimmed(text));
    hash.finish()
}

/// The fingerprint of the first statements of a text, which end at byte `end`; without headers, because those may
/// change before a run goes on behind them. The end of a statement with or without its semicolon, but the same way
/// each time.
#[must_use]
pub fn prefix_fingerprint(text: &str, end: usize) -> Sum {
    let mut hash = Hash::new();
    let prefix = text.get(..text.floor_char_boundary(end));
    hash.code(trimmed(prefix.unwrap_or(text)));
    hash.finish()
}

/// Lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

fn trimmed(text: &str) -> &str {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    text.trim_end_matches(['\n', '\r'])
}

/// What a part of a fingerprint is of. The numbers are stored in databases within hashes: none may change.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Part {
    Headers = 1,
    Copy = 2,
    Command = 3,
    Arguments = 4,
    /// what stands behind something that psql could not read
    Rest = 5,
    Word = 16,
    QuotedName = 17,
    UnicodeName = 18,
    String = 19,
    EscapeString = 20,
    UnicodeString = 21,
    NationalString = 22,
    BitString = 23,
    HexString = 24,
    Continuation = 25,
    DollarString = 26,
    Number = 27,
    Parameter = 28,
    Symbol = 29,
    Unterminated = 30,
}

impl Part {
    /// What a token counts as, and how many bytes its prefix has, which says no more than that.
    fn of(kind: TokenKind) -> Option<(Part, usize)> {
        Some(match kind {
            TokenKind::Blank | TokenKind::LineComment | TokenKind::BlockComment => return None,
            TokenKind::Word => (Part::Word, 0),
            TokenKind::QuotedName => (Part::QuotedName, 0),
            TokenKind::UnicodeName => (Part::UnicodeName, 2),
            TokenKind::String => (Part::String, 0),
            TokenKind::EscapeString => (Part::EscapeString, 1),
            TokenKind::UnicodeString => (Part::UnicodeString, 2),
            TokenKind::NationalString => (Part::NationalString, 1),
            TokenKind::BitString => (Part::BitString, 1),
            TokenKind::HexString => (Part::HexString, 1),
            TokenKind::Continuation => (Part::Continuation, 0),
            TokenKind::DollarString => (Part::DollarString, 0),
            TokenKind::Number => (Part::Number, 0),
            TokenKind::Parameter => (Part::Parameter, 0),
            TokenKind::Unterminated(_) => (Part::Unterminated, 0),
            TokenKind::Semicolon
            | TokenKind::OpenParen
            | TokenKind::CloseParen
            | TokenKind::Colon
            | TokenKind::Backslash
            | TokenKind::Operator
            | TokenKind::Punctuation => (Part::Symbol, 0),
        })
    }
}

/// Bytes on their way into a hash. A part is its number, its bytes, and a zero, which no text holds.
struct Hash {
    sha256: Sha256,
    waiting: Vec<u8>,
    /// where the last token ended, if that was a colon
    colon_end: Option<usize>,
}

/// So many bytes are hashed at once.
const WAITING_BYTES: usize = 1 << 14;
/// Parts that are no longer need no care.
const SHORT_BYTES: usize = 64;

impl Hash {
    fn new() -> Hash {
        Hash {
            sha256: Sha256::new(),
            waiting: Vec::with_capacity(WAITING_BYTES),
            colon_end: None,
        }
    }

    fn finish(mut self) -> Sum {
        self.flush();
        self.sha256.finalize().into()
    }

    fn flush(&mut self) {
        self.sha256.update(&self.waiting);
        self.waiting.clear();
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.waiting.len() + bytes.len() > WAITING_BYTES {
            self.flush();
        }
        if bytes.len() > WAITING_BYTES {
            self.sha256.update(bytes);
        } else {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// The bytes with LF instead of CRLF.
    fn lines(&mut self, bytes: &[u8]) {
        let mut done = 0;
        let mut at = 0;
        while let Some(cr) = find(bytes, at, [b'\r']) {
            at = cr + 1;
            if bytes.get(at) == Some(&b'\n') {
                self.bytes(bytes.get(done..cr).unwrap_or_default());
                done = at;
            }
        }
        self.bytes(bytes.get(done..).unwrap_or_default());
    }

    fn part(&mut self, part: Part, bytes: &[u8]) {
        if bytes.len() <= SHORT_BYTES && !bytes.contains(&b'\r') {
            self.short(part, bytes);
            return;
        }
        self.bytes(&[part as u8]);
        self.lines(bytes);
        self.bytes(&[0]);
    }

    /// A part that waits as a whole, and where its bytes do.
    fn short(&mut self, part: Part, bytes: &[u8]) -> Range<usize> {
        if self.waiting.len() + SHORT_BYTES + 2 > WAITING_BYTES {
            self.flush();
        }
        self.waiting.push(part as u8);
        let start = self.waiting.len();
        self.waiting.extend_from_slice(bytes);
        let end = self.waiting.len();
        self.waiting.push(0);
        start..end
    }

    fn word(&mut self, word: &[u8]) {
        if word.len() > SHORT_BYTES {
            self.part(Part::Word, &word.to_ascii_lowercase());
            return;
        }
        let range = self.short(Part::Word, word);
        if let Some(waiting) = self.waiting.get_mut(range) {
            waiting.make_ascii_lowercase();
        }
    }

    fn token(&mut self, text: &str, token: &Token) {
        // psql's variables are not the same in any case
        let is_variable = self.colon_end == Some(token.start);
        self.colon_end = (token.kind == TokenKind::Colon).then_some(token.end);
        match Part::of(token.kind) {
            Some((Part::Word, _)) if !is_variable => self.word(token.of(text).as_bytes()),
            Some((part, prefix)) => {
                let bytes = token.of(text).as_bytes();
                self.part(part, bytes.get(prefix..).unwrap_or_default());
            }
            None => {}
        }
    }

    fn code(&mut self, text: &str) {
        let bytes = |range: Range<usize>| text.as_bytes().get(range).unwrap_or_default();
        let mut segments = Segments::new(text, Strings::Standard, usize::MAX);
        loop {
            let segment = segments.advance(&mut |token| {
                self.token(text, token);
                None
            });
            match segment {
                None => return,
                Some(Err(_)) => {
                    self.part(Part::Rest, bytes(segments.offset()..text.len()));
                    return;
                }
                Some(Ok(segment)) => match segment.kind {
                    SegmentKind::Sql { .. } => {}
                    SegmentKind::Copy { data } => self.part(Part::Copy, bytes(data)),
                    SegmentKind::Command {
                        name, arguments, ..
                    } => {
                        self.part(Part::Command, name.as_bytes());
                        if !matches!(name, "restrict" | "unrestrict") {
                            self.part(Part::Arguments, arguments.as_bytes());
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
#[path = "checksum_tests.rs"]
mod tests;
