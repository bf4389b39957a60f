//! Cuts of a statement's text, for suggestions, and what only the text can tell.

use super::ddl_quote::NAME_BYTES;
use super::lexer::{Strings, Token, TokenKind, Tokens};

/// Tokens that are neither blank nor comment. Plain strings are read as the setting has been since 9.1.
fn code(sql: &str) -> Vec<Token> {
    Tokens::new(sql, Strings::Standard)
        .filter(Token::is_code)
        .collect()
}

/// The text of these tokens, blanks and comments between them made one space; a string goes on only after a line end.
fn joined(sql: &str, tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut end = None;
    for token in tokens {
        if end.is_some_and(|e| e < token.start) {
            text.push(match token.kind {
                TokenKind::Continuation => '\n',
                _ => ' ',
            });
        }
        text.push_str(token.of(sql));
        end = Some(token.end);
    }
    text
}

fn is_word(sql: &str, token: &Token, word: &str) -> bool {
    token.kind == TokenKind::Word && token.of(sql).eq_ignore_ascii_case(word)
}

fn is_sign(sql: &str, token: &Token, sign: &str) -> bool {
    matches!(token.kind, TokenKind::Punctuation | TokenKind::Operator) && token.of(sql) == sign
}

/// How much deeper in brackets the text is behind a token.
fn depth_change(sql: &str, token: &Token) -> isize {
    match token.kind {
        TokenKind::OpenParen => 1,
        TokenKind::CloseParen => -1,
        _ if is_sign(sql, token, "[") => 1,
        _ if is_sign(sql, token, "]") => -1,
        _ => 0,
    }
}

/// The tokens outside of all brackets, with their places in `tokens`.
fn top<'t>(sql: &str, tokens: &'t [Token]) -> Vec<(usize, &'t Token)> {
    let mut depth = 0;
    let mut found = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        if depth == 0 {
            found.push((n, token));
        }
        depth += depth_change(sql, token);
    }
    found
}

/// The statement with `what` behind the first of these words, on one line (but for what its strings hold), without
/// comments; `None` if it has none of them.
#[must_use]
pub fn insert_after(sql: &str, words: &[&str], what: &str) -> Option<String> {
    let tokens = code(sql);
    let is_one = |t: &Token| words.iter().any(|w| is_word(sql, t, w));
    let at = top(sql, &tokens).into_iter().find(|(_, t)| is_one(t))?.0;
    let (head, rest) = tokens.split_at_checked(at + 1)?;
    let (head, rest) = (joined(sql, head), joined(sql, rest));
    Some(format!("{head} {what} {rest}"))
}

/// An ALTER TABLE, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterParts {
    /// `ALTER TABLE` and the table
    pub head: String,
    /// what stands between the commas
    pub commands: Vec<String>,
}

/// `None` for another statement.
#[must_use]
pub fn alter_parts(sql: &str) -> Option<AlterParts> {
    let tokens = code(sql);
    let is = |n: usize, word: &str| tokens.get(n).is_some_and(|t| is_word(sql, t, word));
    let sign = |n: usize, sign: &str| tokens.get(n).is_some_and(|t| is_sign(sql, t, sign));
    if !is(0, "alter") || !is(1, "table") {
        return None;
    }
    let mut at = 2;
    if is(at, "if") && is(at + 1, "exists") {
        at += 2;
    }
    let only = is(at, "only");
    at += usize::from(only);
    let in_parens = only && tokens.get(at)?.kind == TokenKind::OpenParen;
    at += usize::from(in_parens);
    at += 1;
    while sign(at, ".") {
        at += 2;
    }
    at += usize::from(sign(at, "*")) + usize::from(in_parens);
    let (head, rest) = tokens.split_at_checked(at)?;
    let mut commands = Vec::new();
    let mut begin = 0;
    for (n, token) in top(sql, rest) {
        if is_sign(sql, token, ",") {
            commands.push(joined(sql, rest.get(begin..n)?));
            begin = n + 1;
        }
    }
    commands.push(joined(sql, rest.get(begin..)?));
    let head = joined(sql, head);
    Some(AlterParts { head, commands })
}

/// What an UPDATE of one table sets: the text behind SET. `None` if anything else follows.
#[must_use]
pub fn set_clause(sql: &str) -> Option<String> {
    let tokens = code(sql);
    let top = top(sql, &tokens);
    let find = |word| top.iter().find(|(_, t)| is_word(sql, t, word));
    let (update, set) = (find("update")?.0, find("set")?.0);
    let more = ["from", "where", "returning"];
    if update != 0 || more.iter().any(|word| find(word).is_some()) {
        return None;
    }
    Some(joined(sql, tokens.get(set + 1..)?))
}

/// Begins what may follow the expression of a DEFAULT (gram.y, ColConstraint).
const AFTER_DEFAULT: [&str; 12] = [
    "not",
    "null",
    "constraint",
    "primary",
    "unique",
    "check",
    "references",
    "generated",
    "collate",
    "deferrable",
    "initially",
    "default",
];

/// An ADD COLUMN, cut at its DEFAULT: what stands before it, and the expression.
#[must_use]
pub fn default_clause(command: &str) -> Option<(String, String)> {
    let tokens = code(command);
    let top = top(command, &tokens);
    let (at, _) = *top.iter().find(|(_, t)| is_word(command, t, "default"))?;
    let ends = |(n, t): &&(usize, &Token)| {
        *n > at + 1 && AFTER_DEFAULT.iter().any(|w| is_word(command, t, w))
    };
    let end = top.iter().find(ends).map_or(tokens.len(), |(n, _)| *n);
    let before = joined(command, tokens.get(..at)?);
    let expression = joined(command, tokens.get(at + 1..end)?);
    Some((before, expression))
}

/// The expression behind USING of an ALTER COLUMN TYPE.
#[must_use]
pub fn using_clause(command: &str) -> Option<String> {
    let tokens = code(command);
    let top = top(command, &tokens);
    let (at, _) = *top.iter().find(|(_, t)| is_word(command, t, "using"))?;
    Some(joined(command, tokens.get(at + 1..)?))
}

/// What a UNIQUE or PRIMARY KEY constraint says beyond its columns: of the index that is built beforehand, and of the
/// constraint itself.
#[must_use]
pub fn key_options(command: &str) -> (String, String) {
    const OF_CONSTRAINT: [&str; 3] = ["deferrable", "initially", "not"];
    let tokens = code(command);
    let top = top(command, &tokens);
    let find = |words: &[&str], from: usize| {
        let is =
            |(n, t): &&(usize, &Token)| *n >= from && words.iter().any(|w| is_word(command, t, w));
        top.iter().find(is).map(|(n, _)| *n)
    };
    let part = |from: usize, to: usize| joined(command, tokens.get(from..to).unwrap_or_default());
    let mut index = String::new();
    if let Some(nulls) = find(&["nulls"], 0) {
        let end = top.iter().position(|(n, _)| *n == nulls);
        let words = end.and_then(|p| top.get(p..)).unwrap_or_default();
        let words = words.iter().take_while(|(_, t)| t.kind == TokenKind::Word);
        let list: Vec<&str> = words.map(|(_, t)| t.of(command)).collect();
        index = format!(" {}", list.join(" "));
    }
    let with = find(&["with"], 0);
    let using = find(&["using"], 0);
    let last = find(&["deferrable", "initially"], 0);
    // NOT DEFERRABLE
    let last = last.map(|n| match n.checked_sub(1).and_then(|p| tokens.get(p)) {
        Some(before) if is_word(command, before, OF_CONSTRAINT[2]) => n - 1,
        _ => n,
    });
    let end = last.unwrap_or(tokens.len());
    if let Some(with) = with {
        index.push_str(&format!(" {}", part(with, using.unwrap_or(end))));
    }
    // USING INDEX TABLESPACE
    if let Some(using) = using {
        index.push_str(&format!(" {}", part(using + 2, end)));
    }
    let constraint = last.map_or_else(String::new, |n| format!(" {}", part(n, tokens.len())));
    (index, constraint)
}

/// Whether one of its string constants is this value. `deep`: also within them, as the body of a DO is one.
#[must_use]
pub fn has_string(sql: &str, value: &str, deep: bool) -> bool {
    let is_it = |token: &Token| {
        let Some(inner) = string_content(sql, token) else {
            return false;
        };
        inner.replace("''", "'") == value || (deep && has_string(inner, value, false))
    };
    Tokens::new(sql, Strings::Standard).any(|t| is_it(&t))
}

/// What stands between the quotes of a string constant.
fn string_content<'a>(sql: &'a str, token: &Token) -> Option<&'a str> {
    let text = token.of(sql);
    match token.kind {
        TokenKind::String | TokenKind::EscapeString | TokenKind::NationalString => {
            let (_, inner) = text.split_once('\'')?;
            inner.strip_suffix('\'')
        }
        TokenKind::DollarString => {
            let tag = text.get(1..)?.find('$')? + 2;
            text.get(tag..text.len().checked_sub(tag)?)
        }
        _ => None,
    }
}

/// Names that the server cuts, each once.
#[must_use]
pub fn long_names(sql: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for token in Tokens::new(sql, Strings::Standard) {
        if token.end - token.start <= NAME_BYTES {
            continue;
        }
        let text = token.of(sql);
        let name = match token.kind {
            TokenKind::Word => text.to_owned(),
            TokenKind::QuotedName => {
                let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
                inner.unwrap_or_default().replace("\"\"", "\"")
            }
            _ => continue,
        };
        if name.len() > NAME_BYTES && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
#[path = "lint_clause_tests.rs"]
mod tests;
