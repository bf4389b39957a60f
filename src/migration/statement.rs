//! What has to be known of a statement while its tokens pass: where it ends, whether COPY data follow it, and
//! whether it changes how strings are read.

use super::token::{Strings, Token, TokenKind};

/// What ends with a semicolon at the top level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// a statement, or nothing
    Statement,
    /// `COPY .. FROM STDIN`: its data begin on the next line
    CopyFromStdin,
    /// `SET standard_conforming_strings` or one that resets it
    Strings(Strings),
}

/// The statement that is being read.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// its first tokens
    head: [Token; HEAD],
    /// how many it has so far, without blanks and comments
    tokens: usize,
    /// open parentheses
    parens: usize,
    verb: Verb,
}

/// Enough for `CREATE OR REPLACE FUNCTION` and `SET LOCAL standard_conforming_strings TO 'off'`, and one that is too
/// many for them.
const HEAD: usize = 6;

const NO_TOKEN: Token = Token {
    kind: TokenKind::Blank,
    start: 0,
    end: 0,
};

/// By its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create(Body),
    Copy(Copy),
    /// SET, RESET or DISCARD
    Set,
    Other,
}

/// Whether a CREATE FUNCTION is within a body of SQL statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Outside,
    /// behind a BEGIN
    Begin,
    /// behind a BEGIN ATOMIC or a semicolon: an END ends the body here. Elsewhere it ends a CASE or is a name.
    Start,
    Within,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    Table,
    /// behind a dot, where any key word may be a name
    Dot,
    From,
    FromStdin,
}

impl Statement {
    pub(super) fn new() -> Statement {
        Statement {
            head: [NO_TOKEN; HEAD],
            tokens: 0,
            parens: 0,
            verb: Verb::Other,
        }
    }

    /// Has it any token yet?
    pub(super) fn is_open(&self) -> bool {
        self.tokens > 0
    }

    /// Takes the next token of `text`. `reset` is what resetting `standard_conforming_strings` leads to.
    pub(super) fn see(&mut self, text: &str, token: &Token, reset: Strings) -> Option<End> {
        match token.kind {
            TokenKind::Blank | TokenKind::LineComment | TokenKind::BlockComment => return None,
            TokenKind::Semicolon if self.parens == 0 && !self.is_in_body() => {
                let end = self.end(text, reset);
                *self = Statement::new();
                return Some(end);
            }
            TokenKind::OpenParen => self.parens += 1,
            // as psql does with one too many
            TokenKind::CloseParen => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        if let Some(place) = self.head.get_mut(self.tokens) {
            *place = *token;
        }
        self.tokens += 1;
        if self.tokens == 1 {
            self.verb = Verb::of(text, token);
            return None;
        }
        match self.verb {
            Verb::Set | Verb::Other => {}
            Verb::Create(body) if self.parens == 0 => {
                self.verb = Verb::Create(self.body(body, text, token));
            }
            Verb::Copy(copy) if self.parens == 0 => self.verb = copy.then(text, token),
            Verb::Create(Body::Start) => self.verb = Verb::Create(Body::Within),
            Verb::Create(_) | Verb::Copy(_) => {}
        }
        None
    }

    /// What it is if it ends here.
    pub(super) fn end(&self, text: &str, reset: Strings) -> End {
        match self.verb {
            Verb::Copy(Copy::FromStdin) => End::CopyFromStdin,
            Verb::Set => {
                let head = self.head.get(..self.tokens).unwrap_or_default();
                strings_set_by(text, head, reset).map_or(End::Statement, End::Strings)
            }
            Verb::Create(_) | Verb::Copy(_) | Verb::Other => End::Statement,
        }
    }

    fn is_in_body(&self) -> bool {
        matches!(self.verb, Verb::Create(Body::Start | Body::Within))
    }

    /// gram.y, opt_routine_body: `BEGIN ATOMIC` and statements, each with its semicolon, and `END`. Nothing of it can
    /// be nested (a CREATE FUNCTION is refused there), and no statement begins with END; so neither CASE needs to be
    /// counted nor a column that is named `end`.
    fn body(&self, body: Body, text: &str, token: &Token) -> Body {
        let is = |word| is_word(text, token, word);
        match body {
            Body::Outside | Body::Begin if is("begin") => Body::Begin,
            Body::Begin if is("atomic") && self.is_routine(text) => Body::Start,
            Body::Outside | Body::Begin => Body::Outside,
            Body::Start if is("end") => Body::Outside,
            Body::Start | Body::Within if token.kind == TokenKind::Semicolon => Body::Start,
            Body::Start | Body::Within => Body::Within,
        }
    }

    /// Is it CREATE [OR REPLACE] FUNCTION or PROCEDURE?
    fn is_routine(&self, text: &str) -> bool {
        let is = |n: usize, word| self.head.get(n).is_some_and(|t| is_word(text, t, word));
        let n = if is(1, "or") && is(2, "replace") {
            3
        } else {
            1
        };
        is(n, "function") || is(n, "procedure")
    }
}

impl Verb {
    fn of(text: &str, first: &Token) -> Verb {
        if first.kind != TokenKind::Word {
            return Verb::Other;
        }
        let word = first.of(text);
        let is = |verb: &str| word.eq_ignore_ascii_case(verb);
        if is("create") {
            Verb::Create(Body::Outside)
        } else if is("copy") {
            Verb::Copy(Copy::Table)
        } else if is("set") || is("reset") || is("discard") {
            Verb::Set
        } else {
            Verb::Other
        }
    }
}

impl Copy {
    /// gram.y, CopyStmt: the first FROM or TO outside of parentheses tells the direction, and STDIN and STDOUT mean the
    /// same. `'stdin'` is a file.
    fn then(self, text: &str, token: &Token) -> Verb {
        let is = |word| is_word(text, token, word);
        match self {
            Copy::FromStdin => Verb::Copy(Copy::FromStdin),
            Copy::From if is("stdin") || is("stdout") => Verb::Copy(Copy::FromStdin),
            Copy::From => Verb::Other,
            Copy::Table if is("from") => Verb::Copy(Copy::From),
            Copy::Table if is("to") => Verb::Other,
            Copy::Table if token.of(text) == "." => Verb::Copy(Copy::Dot),
            Copy::Table | Copy::Dot => Verb::Copy(Copy::Table),
        }
    }
}

fn is_word(text: &str, token: &Token, word: &str) -> bool {
    token.kind == TokenKind::Word && token.of(text).eq_ignore_ascii_case(word)
}

/// What a SET, RESET or DISCARD with these tokens makes of `standard_conforming_strings`, if anything.
fn strings_set_by(text: &str, head: &[Token], reset: Strings) -> Option<Strings> {
    let is = |token: &Token, word| is_word(text, token, word);
    match head {
        [verb, all] if is(all, "all") && !is(verb, "set") => Some(reset),
        [verb, name] if is(verb, "reset") && is_setting(text, name) => Some(reset),
        [verb, rest @ ..] if is(verb, "set") => match rest {
            [scope, rest @ ..] if is(scope, "session") || is(scope, "local") => {
                assigned(text, rest, reset)
            }
            _ => assigned(text, rest, reset),
        },
        _ => None,
    }
}

/// `name = value` or `name TO value`.
fn assigned(text: &str, tokens: &[Token], reset: Strings) -> Option<Strings> {
    let [name, to, value] = tokens else {
        return None;
    };
    if !is_setting(text, name) || !(to.of(text) == "=" || is_word(text, to, "to")) {
        return None;
    }
    let written = value.of(text);
    let value = match value.kind {
        TokenKind::Word if written.eq_ignore_ascii_case("default") => return Some(reset),
        TokenKind::Word | TokenKind::Number => written,
        TokenKind::DollarString => written.split('$').nth(2)?,
        TokenKind::QuotedName => written.split('"').nth(1)?,
        _ => written.split('\'').nth(1)?,
    };
    boolean(value)
}

/// Names of settings are the same in any case, also in quotes.
fn is_setting(text: &str, token: &Token) -> bool {
    let name = match token.kind {
        TokenKind::Word => token.of(text),
        TokenKind::QuotedName => token.of(text).trim_matches('"'),
        _ => return false,
    };
    name.eq_ignore_ascii_case("standard_conforming_strings")
}

/// What the server takes for a boolean (bool.c, parse_bool): a unique beginning of a word, or a digit. It refuses
/// everything else, so then nothing changes.
fn boolean(value: &str) -> Option<Strings> {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if begins("true", 1) || begins("yes", 1) || value == "on" || value == "1" {
        Some(Strings::Standard)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0" {
        Some(Strings::Escaped)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
