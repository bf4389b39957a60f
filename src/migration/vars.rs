//! Fills variables into a text before it is run: those of psql, or the placeholders of Flyway.

use super::bytes::{WORD, find, is};
use super::lexer::Tokens;
use super::position::Lines;
use super::segments::{Segment, SegmentKind, Segments};
use super::token::{Strings, TokenKind};
use super::{command, flyway};
use crate::error::{Error, Kind, Result};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Names and values of variables.
pub type Vars = BTreeMap<String, String>;

/// Whose variables a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `:name`, `:'name'`, `:"name"`, `:{?name}`
    Psql,
    /// `${name}`, and none of psql's
    Flyway,
}

/// Longer than this no text may become, in bytes; the server takes none that is longer.
const LONGEST: usize = if cfg!(test) { 1 << 20 } else { 1 << 30 };
/// So deep may values lie in values.
const DEEPEST: usize = 32;

/// A text with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled<'a> {
    pub text: Cow<'a, str>,
    /// what was put in, in the order of the text
    edits: Vec<Edit>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    original: Range<usize>,
    filled: Range<usize>,
}

impl Filled<'_> {
    /// The offset in the original text for one in the filled text; within a value, that of its variable.
    #[must_use]
    pub fn original(&self, offset: usize) -> usize {
        let before = self.edits.partition_point(|e| e.filled.start <= offset);
        match before.checked_sub(1).and_then(|n| self.edits.get(n)) {
            None => offset,
            Some(edit) if offset < edit.filled.end => edit.original.start,
            Some(edit) => edit.original.end + (offset - edit.filled.end),
        }
    }
}

/// Fills the variables of a text. `strings`: as in [`Segments::new`].
///
/// psql's (psqlscan.l): outside of quotes, comments, dollar quotes and COPY data, `:name` becomes the value, in
/// which variables are filled again; `:'name'` a literal that reads as the value, `E'..'` if it holds a backslash;
/// `:"name"` a quoted name; `:{?name}` TRUE or FALSE. A name that is not known stays as it is, so casts (`::`),
/// `:=` and slices (`a[1:n]`) do, unless there is a variable `n`: then psql puts it there as well. `\set` and
/// `\unset` change the variables for what follows. In the arguments of psql's commands values are put in quotes, so
/// that each stays one argument.
///
/// Flyway's: see [`flyway::fill`].
///
/// 22023: a name of Flyway's is not known; a value that ends in an open quote or comment. 54000: longer than 1 GB.
/// Errors of the text itself: as [`Segments`] and [`command::arguments`].
#[cfg(test)]
pub fn fill<'a>(
    text: &'a str,
    vars: &Vars,
    syntax: Syntax,
    strings: Strings,
) -> Result<Filled<'a>> {
    fill_from_line(text, 1, vars, syntax, strings)
}

/// The same for a text that begins on that line of its file: errors name lines of the file.
pub fn fill_from_line<'a>(
    text: &'a str,
    first_line: usize,
    vars: &Vars,
    syntax: Syntax,
    strings: Strings,
) -> Result<Filled<'a>> {
    let segments = Segments::new(text, strings, usize::MAX).beginning_in(first_line);
    let line = |offset| Lines::of(text, offset).line + first_line - 1;
    match syntax {
        Syntax::Psql => fill_psql(text, vars, segments, line),
        Syntax::Flyway => flyway::fill(text, vars, segments, line),
    }
}

fn fill_psql<'a>(
    text: &'a str,
    vars: &Vars,
    mut segments: Segments<'a>,
    line: impl Fn(usize) -> usize,
) -> Result<Filled<'a>> {
    let mut edits = Edits::new(text);
    if find(text.as_bytes(), 0, [b':']).is_none() {
        return edits.finish();
    }
    let mut vars = Cow::Borrowed(vars);
    let on_line = |mut error: Error, offset: usize| {
        error.message = format!("{} (line {})", error.message, line(offset));
        error
    };
    loop {
        let mut failed = None;
        let (strings, known) = (segments.strings(), &*vars);
        let segment = segments.advance(&mut |token| {
            if token.kind != TokenKind::Colon || failed.is_some() {
                return None;
            }
            match value_at(text, token.start, known, strings, &mut Vec::new()) {
                Ok(Some((end, value))) => {
                    edits.put(token.start..end, &value);
                    failed = edits.check().err();
                    Some(end)
                }
                Ok(None) => None,
                Err(error) => {
                    failed = Some(on_line(error, token.start));
                    None
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        match segment.transpose()? {
            None => return edits.finish(),
            Some(segment) => fill_command(text, &segment, &mut vars, &mut edits)
                .map_err(|e| on_line(e, segment.range.start))?,
        }
        edits.check()?;
    }
}

/// Fills the arguments of a command and does what `\set` does to the variables. One whose arguments are refused stays
/// as it is, to be refused when it is run.
fn fill_command(
    text: &str,
    segment: &Segment<'_>,
    vars: &mut Cow<'_, Vars>,
    edits: &mut Edits<'_>,
) -> Result<()> {
    let SegmentKind::Command {
        name, arguments, ..
    } = segment.kind
    else {
        return Ok(());
    };
    let mut filled = false;
    let read = command::arguments_with(arguments, &mut |rest| {
        let found = raw_value_at(rest, 0, vars);
        filled |= found.is_some();
        found
    });
    let sets = matches!(name, "set" | "unset");
    let values = match read {
        Ok(values) => values,
        Err(error) if sets => return Err(error),
        Err(_) => return Ok(()),
    };
    if filled {
        let behind_name = segment.range.start + 1 + name.len();
        let rest = text.get(behind_name..segment.range.end).unwrap_or_default();
        let start = behind_name + rest.find(arguments).unwrap_or(0);
        let quoted: Vec<String> = values.iter().map(|v| argument(v)).collect();
        edits.put(start..start + arguments.len(), &quoted.join(" "));
    }
    let mut values = values.into_iter();
    match values.next() {
        Some(variable) if name == "set" => {
            vars.to_mut().insert(variable, values.collect());
        }
        Some(variable) if sets => {
            vars.to_mut().remove(&variable);
        }
        _ => {}
    }
    Ok(())
}

/// A variable in a text.
struct Reference<'a> {
    name: &'a str,
    form: Form,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Literal,
    Name,
    IsDefined,
}

/// What the colon at `at` begins.
fn reference(text: &str, at: usize) -> Option<Reference<'_>> {
    let bytes = text.as_bytes();
    let (form, open, close) = match bytes.get(at + 1..)? {
        [b'\'', ..] => (Form::Literal, 1, "'"),
        [b'"', ..] => (Form::Name, 1, "\""),
        [b'{', b'?', ..] => (Form::IsDefined, 2, "}"),
        _ => (Form::Plain, 0, ""),
    };
    let start = at + 1 + open;
    let rest = bytes.get(start..)?;
    let is_letter = |b: &u8| is(*b, WORD) && *b != b'$';
    let end = start + rest.iter().take_while(|b| is_letter(b)).count();
    let closed = text.get(end..)?.starts_with(close);
    let name = text.get(start..end).filter(|n| !n.is_empty() && closed)?;
    Some(Reference {
        name,
        form,
        end: end + close.len(),
    })
}

/// The end of the variable at `at`, and what takes its place if that is known; variables in it are not filled.
fn raw_value_at<'v>(text: &str, at: usize, vars: &'v Vars) -> Option<(usize, Cow<'v, str>)> {
    let found = reference(text, at)?;
    let value = vars.get(found.name);
    let filled = match (found.form, value) {
        (Form::IsDefined, Some(_)) => Cow::Borrowed("TRUE"),
        (Form::IsDefined, None) => Cow::Borrowed("FALSE"),
        (_, None) => return None,
        (Form::Plain, Some(value)) => Cow::Borrowed(value.as_str()),
        (Form::Literal, Some(value)) => Cow::Owned(literal(value)),
        (Form::Name, Some(value)) => Cow::Owned(quoted_name(value)),
    };
    Some((found.end, filled))
}

/// The same; variables in a plain value are filled, but not those that it is already within.
fn value_at<'v>(
    text: &str,
    at: usize,
    vars: &'v Vars,
    strings: Strings,
    within: &mut Vec<&'v str>,
) -> Result<Option<(usize, Cow<'v, str>)>> {
    let Some((end, value)) = raw_value_at(text, at, vars) else {
        return Ok(None);
    };
    let entry = reference(text, at).filter(|found| found.form == Form::Plain);
    let Some((name, value)) = entry.and_then(|found| vars.get_key_value(found.name)) else {
        return Ok(Some((end, value)));
    };
    if within.contains(&name.as_str()) {
        return Ok(None);
    }
    if within.len() == DEEPEST {
        return Err(Error::new(
            Kind::LimitExceeded,
            format!("variables lie in variables more than {DEEPEST} deep at \"{name}\""),
        ));
    }
    within.push(name);
    let value = expand(name, value, vars, strings, within)?;
    within.pop();
    Ok(Some((end, value)))
}

fn expand<'v>(
    name: &str,
    value: &'v str,
    vars: &'v Vars,
    strings: Strings,
    within: &mut Vec<&'v str>,
) -> Result<Cow<'v, str>> {
    let mut edits = Edits::new(value);
    let mut tokens = Tokens::new(value, strings);
    while let Some(token) = tokens.next() {
        match token.kind {
            TokenKind::Colon => {
                if let Some((end, put)) = value_at(value, token.start, vars, strings, within)? {
                    edits.put(token.start..end, &put);
                    edits.check()?;
                    tokens.seek(end);
                }
            }
            TokenKind::Unterminated(open) => {
                return Err(Error::new(
                    Kind::InvalidParameter,
                    format!("value of variable \"{name}\" ends in an unterminated {open}"),
                )
                .hint(format!(
                    "write :'{name}' to get the value as a literal, or change it in vars"
                )));
            }
            _ => {}
        }
    }
    Ok(edits.finish()?.text)
}

/// The value as a literal that reads the same whatever `standard_conforming_strings` is (fe-exec.c, PQescapeInternal;
/// the blank keeps the E from becoming part of a word).
fn literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if value.contains('\\') {
        format!(" E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

fn quoted_name(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

/// The value as an argument of a psql command.
fn argument(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "''");
    let escaped = escaped.replace('\n', "\\n").replace('\r', "\\r");
    format!("'{escaped}'")
}

/// A text that is being changed here and there, from its start on.
pub(super) struct Edits<'a> {
    text: &'a str,
    filled: String,
    /// up to where the text is in `filled`
    copied: usize,
    edits: Vec<Edit>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Edits<'a> {
        Edits {
            text,
            filled: String::new(),
            copied: 0,
            edits: Vec::new(),
        }
    }

    /// Puts a value in the place of some bytes.
    pub(super) fn put(&mut self, original: Range<usize>, value: &str) {
        let kept = self.text.get(self.copied..original.start);
        self.filled.push_str(kept.unwrap_or_default());
        let start = self.filled.len();
        self.filled.push_str(value);
        self.copied = original.end;
        self.edits.push(Edit {
            original,
            filled: start..self.filled.len(),
        });
    }

    /// Fails when it became too long.
    pub(super) fn check(&self) -> Result<()> {
        if self.filled.len() <= LONGEST {
            return Ok(());
        }
        Err(Error::new(
            Kind::LimitExceeded,
            format!("the text is longer than {LONGEST} bytes with its variables filled in"),
        ))
    }

    pub(super) fn finish(mut self) -> Result<Filled<'a>> {
        if self.edits.is_empty() {
            return Ok(Filled {
                text: Cow::Borrowed(self.text),
                edits: self.edits,
            });
        }
        let rest = self.text.get(self.copied..).unwrap_or_default();
        self.filled.push_str(rest);
        self.check()?;
        Ok(Filled {
            text: Cow::Owned(self.filled),
            edits: self.edits,
        })
    }
}

#[cfg(test)]
#[path = "vars_tests.rs"]
mod tests;
