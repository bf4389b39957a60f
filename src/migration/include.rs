//! `\i` and `\ir`: the text of another file of the set takes the place of the command when a file is registered. So
//! what is stored is what runs, also when it is taken back or goes on years later, and a change of the included file
//! is one of the file that includes it.
//!
//! Lines of their own mark what was put in, so that errors can name file and line as they were written.

use super::command;
use super::position::{BOM, Lines};
use super::segments::{Place, SegmentKind, Segments};
use super::token::Strings;
use crate::error::{Error, Kind, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Begins the line that stands for the command; the name of the file follows. The semicolon ends the headers of the
/// file, which those of the other must not join.
const BEGIN: &str = ";--\\i ";
/// The line behind what was put in. The semicolon ends its last statement, as the end of a file does.
const END: &str = ";--\\i.";
/// No text may become longer, in bytes; the server takes none that is longer.
const LONGEST: usize = if cfg!(test) { 1 << 12 } else { 1 << 30 };

/// So deep may files include files.
const DEEPEST: usize = 32;

/// Includes files by name, for all files of one set. `find` gives the text of a file of the set, by its path below the
/// root; it is called once for each.
pub struct Includer<F> {
    find: F,
    /// the files that are being read, from the outermost
    chain: Vec<String>,
    /// what was put in, by name, as it is put in
    included: BTreeMap<String, Rc<str>>,
}

impl<'t, F: Fn(&str) -> Result<Option<Cow<'t, str>>>> Includer<F> {
    pub fn new(find: F) -> Includer<F> {
        Includer {
            find,
            chain: Vec::new(),
            included: BTreeMap::new(),
        }
    }

    /// The names of the files that were included.
    pub fn used(&self) -> BTreeSet<&str> {
        self.included.keys().map(String::as_str).collect()
    }

    /// The text of a file with those that it includes.
    ///
    /// `\i` counts from the root of the set, `\ir` from the folder of the file. 42704 for a file that is not there,
    /// 42P17 for one that includes itself, 42601 for one that ends within a statement, 54000 when all of it is too
    /// long, or too deep; each with the place of the command. Commands that are out of place stay, to be refused as such.
    pub fn whole<'b>(&mut self, filename: &str, body: &'b str) -> Result<Cow<'b, str>> {
        if !body.contains("\\i") {
            return Ok(Cow::Borrowed(body));
        }
        self.chain.push(normal("", filename));
        let whole = self.put_in(filename, body);
        self.chain.pop();
        whole
    }

    fn put_in<'b>(&mut self, filename: &str, body: &'b str) -> Result<Cow<'b, str>> {
        let mut whole = String::new();
        let mut copied = 0;
        let mut restricted = false;
        for segment in Segments::new(body, Strings::Standard, usize::MAX) {
            // the parser says what is wrong with the rest
            let Ok(segment) = segment else { break };
            let SegmentKind::Command {
                name,
                arguments,
                place: Place::BetweenStatements,
            } = segment.kind
            else {
                continue;
            };
            let relative = match name {
                "i" | "include" => false,
                "ir" | "include_relative" => true,
                _ => {
                    restricted = (restricted || name == "restrict") && name != "unrestrict";
                    continue;
                }
            };
            if restricted {
                continue;
            }
            let at_line = |mut error: Error| {
                let line = Lines::of(body, segment.range.start).line;
                error.message = format!("{filename}: line {line}: {}", error.message);
                error
            };
            let from = match relative {
                true => filename.rsplit_once('/').map_or("", |(folder, _)| folder),
                false => "",
            };
            let (other, text) = self.file(name, arguments, from).map_err(at_line)?;
            whole.push_str(body.get(copied..segment.range.start).unwrap_or_default());
            if !whole.is_empty() && !whole.ends_with('\n') {
                whole.push('\n');
            }
            if whole.len() + text.len() + body.len() >= LONGEST {
                let text =
                    format!("with the files that it includes, it is longer than {LONGEST} bytes");
                return Err(at_line(Error::new(Kind::LimitExceeded, text)));
            }
            for part in [BEGIN, &other, "\n", &text, END, "\n"] {
                whole.push_str(part);
            }
            copied = segment.range.end;
        }
        if copied == 0 {
            return Ok(Cow::Borrowed(body));
        }
        whole.push_str(body.get(copied..).unwrap_or_default());
        Ok(Cow::Owned(whole))
    }

    /// The file that a command names, and its text, which ends with a line end.
    fn file(&mut self, name: &str, arguments: &str, from: &str) -> Result<(String, Rc<str>)> {
        let words = command::arguments(arguments)?;
        let [path] = words.as_slice() else {
            let text = format!("\\{name} takes the name of one file");
            return Err(Error::new(Kind::Syntax, text));
        };
        let path = path.trim_matches('"');
        let other = normal(from, path);
        if self.chain.contains(&other) {
            let chain = self.chain.join("\", \"");
            let text = format!("file \"{other}\" includes itself: \"{chain}\", \"{other}\"");
            return Err(Error::new(Kind::InvalidDefinition, text));
        }
        if let Some(text) = self.included.get(&other) {
            return Ok((other, Rc::clone(text)));
        }
        if self.chain.len() >= DEEPEST {
            let text = format!("files include files more than {DEEPEST} deep at \"{other}\"");
            return Err(Error::new(Kind::LimitExceeded, text));
        }
        let found = (self.find)(&other)?;
        let Some(text) = found.filter(|_| !path.starts_with('/')) else {
            let text = format!("there is no file \"{other}\" in this set");
            return Err(Error::new(Kind::UndefinedObject, text).hint(
                "\\i counts from the root of the set, \\ir from the folder of the file; both read files that are registered, or registered with it.",
            ));
        };
        let text = text.strip_prefix(BOM).unwrap_or(&text);
        let text: Rc<str> = closed(&other, self.whole(&other, text)?)?.into();
        self.included.insert(other.clone(), Rc::clone(&text));
        Ok((other, text))
    }
}

/// The text, so that what comes behind it is no part of it.
fn closed(filename: &str, text: Cow<'_, str>) -> Result<String> {
    let mut text = text.into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut open_rows = false;
    for segment in Segments::new(&text, Strings::Standard, usize::MAX) {
        open_rows = matches!(segment?.kind, SegmentKind::Copy { data } if data.end == text.len());
    }
    if open_rows {
        text.push_str("\\.\n");
    }
    let ended = format!("{text};\n");
    let mut segments = Segments::new(&ended, Strings::Standard, usize::MAX);
    let mut open_quote = false;
    for segment in &mut segments {
        let kind = segment?.kind;
        open_quote |= matches!(
            kind,
            SegmentKind::Sql {
                unterminated: Some(_),
                ..
            }
        );
    }
    if open_quote || segments.is_open() {
        let text = format!("file \"{filename}\" ends within a statement");
        return Err(Error::new(Kind::Syntax, text));
    }
    Ok(text)
}

/// A path below the root, without `.` and `..`.
fn normal(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Where a byte of a stored text was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin<'a> {
    /// in the file itself; for what is included, that of the command
    pub line: usize,
    /// the included file, and the line there
    pub within: Option<(&'a str, usize)>,
}

/// Places in one stored text.
#[derive(Debug, Clone)]
pub struct Origins<'a> {
    text: &'a str,
    includes: bool,
}

impl<'a> Origins<'a> {
    #[must_use]
    pub fn of(text: &'a str) -> Origins<'a> {
        let includes = text.contains(BEGIN);
        Origins { text, includes }
    }

    /// Where a byte was written; `None` when nothing is included, so that its place is the one in the text.
    #[must_use]
    pub fn at(&self, offset: usize) -> Option<Origin<'a>> {
        if !self.includes {
            return None;
        }
        let mut line = 1;
        let mut files: Vec<(&str, usize)> = Vec::new();
        let mut end = 0;
        for written in self.text.split_inclusive('\n') {
            end += written.len();
            if offset < end || end == self.text.len() {
                break;
            }
            if written.trim_end() == END && files.pop().is_some() {
                continue;
            }
            match files.last_mut() {
                Some((_, inner)) => *inner += 1,
                None => line += 1,
            }
            if let Some(name) = written.strip_prefix(BEGIN) {
                files.push((name.trim_end(), 1));
            }
        }
        Some(Origin {
            // that of a command was counted
            line: line - usize::from(!files.is_empty()),
            within: files.last().copied(),
        })
    }
}

#[cfg(test)]
#[path = "include_tests.rs"]
mod tests;
