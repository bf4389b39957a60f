//! What the leading comment lines of a file ask for: own headers, `-- strata: lock_timeout=5s`, and other tools' marks
//! that a file needs no transaction.

use super::header_value::{self as value, Item};
use super::mark::{self, Mark, NoTransaction, Tool};
use super::name::Lateness;
use super::position::{BOM, Lines};
use super::sections::{Section, Sections};
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

pub use super::header_value::Requirement;

/// What the file's own `on_error` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// the first error ends the file
    Stop,
    /// errors are recorded, the next statement runs
    Continue,
}

impl OnError {
    /// The choice that has this name.
    #[must_use]
    pub fn named(text: &str) -> Option<OnError> {
        [OnError::Stop, OnError::Continue]
            .into_iter()
            .find(|c| c.name() == text)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OnError::Stop => "stop",
            OnError::Continue => "continue",
        }
    }
}

/// What happens to CREATE ROLE of a role that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExistingRoles {
    /// error 42710
    Error,
    /// passed over with a NOTICE
    Skip,
}

impl ExistingRoles {
    /// The choice that has this name.
    #[must_use]
    pub fn named(text: &str) -> Option<ExistingRoles> {
        [ExistingRoles::Error, ExistingRoles::Skip]
            .into_iter()
            .find(|c| c.name() == text)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ExistingRoles::Error => "error",
            ExistingRoles::Skip => "skip",
        }
    }
}

/// The headers of a file or of one direction of it. As JSON without those that were not given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    /// whose mark asks for no transaction
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_transaction: Option<NoTransaction>,
    /// 0 waits for ever
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// names of schemas, unquoted; the empty list is the empty path
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_path: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_roles: Option<ExistingRoles>,
    /// No header: the caller puts here what the name of the file said, to be stored with the others.
    #[serde(skip_serializing_if = "is_as_asked")]
    pub lateness: Lateness,
}

fn is_as_asked(lateness: &Lateness) -> bool {
    *lateness == Lateness::AsAsked
}

const KEYS: &str = "Use no-transaction, lock_timeout=5s, on_error=continue, search_path=app, requires=12,R__views \
    or existing_roles=skip.";

impl Headers {
    /// Reads the headers of a text that has no sections: those in the comment lines before its first statement.
    ///
    /// 22023 that names key and line for an unknown key, a bad value, and two values for one key.
    pub fn read(text: &str) -> Result<Headers> {
        Headers::read_from(text, 1)
    }

    /// The same for a part of a text that begins in this line of it.
    pub fn read_from(text: &str, first_line: usize) -> Result<Headers> {
        let mut headers = Headers::default();
        for (at, comment) in leading_comments(text) {
            if let Some(own) = own(comment) {
                let line = Lines::of(text, at).line - 1 + first_line;
                let items = value::items(own)
                    .map_err(|key| bad(&key, line, "has a quote without end", None))?;
                for item in items {
                    headers.set(item, line)?;
                }
            } else if let Some(Mark::NoTransaction(by)) = mark::read(comment) {
                headers.no_transaction.get_or_insert(by);
            }
        }
        Ok(headers)
    }

    /// The headers of the up, and of the down where there is one. Those before the first mark are for both; a section
    /// may set its own behind its mark. In tern's files, whose up has no mark, the leading lines are for both.
    pub fn of_sections(text: &str, sections: &Sections) -> Result<(Headers, Option<Headers>)> {
        let read = |section: &Section| -> Result<Headers> {
            let part = text.get(section.range.clone()).unwrap_or_default();
            let own = Headers::read_from(part, section.first_line)?;
            Ok(Headers {
                no_transaction: own.no_transaction.or(section.no_transaction),
                ..own
            })
        };
        let up = read(&sections.up)?;
        let file = match sections.tool {
            Some(Tool::Tern) => Headers {
                no_transaction: up.no_transaction.filter(|by| *by != NoTransaction::Tern),
                ..up.clone()
            },
            _ => Headers::read(text.get(sections.head.clone()).unwrap_or_default())?,
        };
        let down = sections.down.as_ref().map(read).transpose()?;
        Ok((up.over(&file), down.map(|down| down.over(&file))))
    }

    /// These headers where they are given, else those of the file around them.
    #[must_use]
    pub fn over(self, file: &Headers) -> Headers {
        let requires = match self.requires.is_empty() {
            true => file.requires.clone(),
            false => self.requires,
        };
        Headers {
            no_transaction: self.no_transaction.or(file.no_transaction),
            lock_timeout_ms: self.lock_timeout_ms.or(file.lock_timeout_ms),
            on_error: self.on_error.or(file.on_error),
            search_path: self.search_path.or_else(|| file.search_path.clone()),
            requires,
            existing_roles: self.existing_roles.or(file.existing_roles),
            lateness: match self.lateness {
                Lateness::AsAsked => file.lateness,
                Lateness::Allowed => Lateness::Allowed,
            },
        }
    }

    /// One line for each header that decides what is in the database after the file, in one spelling and order; a part
    /// of the fingerprint. `lock_timeout` and `requires` only say when a file runs: to change them in an applied file
    /// is cosmetic.
    #[must_use]
    pub fn effective_text(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            // writing to a String cannot fail
            let _ = writeln!(text, "{key}={value}");
        };
        if self.no_transaction.is_some() {
            line("no-transaction", "");
        }
        if let Some(choice) = self.on_error {
            line("on_error", choice.name());
        }
        if let Some(path) = self.search_path_text() {
            line("search_path", &path);
        }
        if let Some(choice) = self.existing_roles {
            line("existing_roles", choice.name());
        }
        text
    }

    /// The path as a value for the setting `search_path`, every name quoted.
    #[must_use]
    pub fn search_path_text(&self) -> Option<String> {
        let names = self.search_path.as_ref()?;
        let quoted: Vec<String> = names.iter().map(|n| value::quote(n)).collect();
        Some(quoted.join(", "))
    }

    /// What the name of the file said.
    #[must_use]
    pub fn lateness(&self) -> Lateness {
        self.lateness
    }

    /// The requirements in their one spelling: `12`, `R__views`.
    #[must_use]
    pub fn requires(&self) -> Vec<String> {
        self.requires.iter().map(ToString::to_string).collect()
    }

    fn set(&mut self, item: Item, line: usize) -> Result<()> {
        let Item { key, value } = item;
        let given = |what: &str, hint| match value.as_deref() {
            Some(text) => {
                let why = format!("has the value \"{text}\", which is no {what}");
                bad(&key, line, &why, Some(hint))
            }
            None => bad(&key, line, "has no value", Some(hint)),
        };
        let text = value.as_deref();
        let scalar = text.map(value::scalar);
        let once = match key.as_str() {
            "no-transaction" => {
                if text.is_some() {
                    return Err(bad(&key, line, "takes no value", None));
                }
                self.no_transaction = Some(NoTransaction::Strata);
                true
            }
            "lock_timeout" => {
                let hint = "Use a time such as 250ms, 5s or 1min, up to 2147483647 ms.";
                let ms = scalar.and_then(value::milliseconds);
                set_once(&mut self.lock_timeout_ms, ms).ok_or_else(|| given("time", hint))?
            }
            "on_error" => {
                let hint = "Use stop or continue.";
                let choice = scalar.and_then(OnError::named);
                set_once(&mut self.on_error, choice).ok_or_else(|| given("choice", hint))?
            }
            "search_path" => {
                let hint = "Use names of schemas, as in search_path=app,\"My schema\".";
                let names = text.and_then(value::identifiers);
                set_once(&mut self.search_path, names).ok_or_else(|| given("path", hint))?
            }
            "requires" => {
                let hint = "Use versions and repeatables, as in requires=12,R__views.";
                let list = scalar.and_then(value::requirements);
                let list = list.ok_or_else(|| given("list of files", hint))?;
                self.requires.extend(list);
                self.requires.sort();
                self.requires.dedup();
                true
            }
            "existing_roles" => {
                let hint = "Use error or skip.";
                let choice = scalar.and_then(ExistingRoles::named);
                set_once(&mut self.existing_roles, choice).ok_or_else(|| given("choice", hint))?
            }
            _ => return Err(bad(&key, line, "is not known", Some(KEYS))),
        };
        match once {
            true => Ok(()),
            false => Err(bad(&key, line, "has another value in a line before", None)),
        }
    }
}

/// False when another value was there; `None` if there is no value to be set.
fn set_once<T: PartialEq>(slot: &mut Option<T>, value: Option<T>) -> Option<bool> {
    let value = value?;
    let same = slot.as_ref().is_none_or(|old| *old == value);
    *slot = Some(value);
    Some(same)
}

fn bad(key: &str, line: usize, why: &str, hint: Option<&str>) -> Error {
    let text = format!("header \"{key}\" in line {line} {why}");
    let error = Error::new(Kind::InvalidParameter, text);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What follows `-- strata:`.
fn own(comment: &str) -> Option<&str> {
    let text = comment.strip_prefix("--")?.trim_start();
    let (word, rest) = text.split_at_checked("strata:".len())?;
    word.eq_ignore_ascii_case("strata:").then_some(rest)
}

/// The comments in `--` before the first statement, each with its byte offset. Blank lines and comments in `/* */`
/// (nested, as PostgreSQL's are) may lie between them.
fn leading_comments(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = text.len() - text.strip_prefix(BOM).unwrap_or(text).len();
    while let Some(rest) = text.get(at..) {
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if rest.starts_with("--") {
            let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
            found.push((at, rest.get(..end).unwrap_or(rest)));
            at += end;
        } else if let Some(len) = block_comment(rest) {
            at += len;
        } else {
            break;
        }
    }
    found
}

/// The length of the comment that a text begins with.
fn block_comment(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((_, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, b)| *b);
        match (byte, next) {
            (b'/', Some(b'*')) => depth += 1,
            (b'*', Some(b'/')) => depth = depth.checked_sub(1)?,
            _ if depth == 0 => return None,
            _ => continue,
        }
        let (last, _) = bytes.next()?;
        if depth == 0 {
            return Some(last + 1);
        }
    }
    None
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
