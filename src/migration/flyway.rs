//! Placeholders of Flyway, `${name}`.

use super::bytes::find;
use super::segments::Segments;
use super::token::TokenKind;
use super::vars::{Edits, Filled, Vars};
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Fills the placeholders of a text as Flyway does (its PlaceholderReplacingReader): everywhere, also in quotes,
/// comments, function bodies and COPY data, with names that are the same in any case; values are not filled again.
/// Names are letters, digits and `_.:-`; what else stands in `${..}` stays as it is.
///
/// A name that is not known is an error (22023) with its line, but stays as it is in a comment.
pub(super) fn fill<'a>(
    text: &'a str,
    vars: &Vars,
    segments: Segments<'a>,
    line: impl Fn(usize) -> usize,
) -> Result<Filled<'a>> {
    let known: BTreeMap<String, &String> =
        vars.iter().map(|(k, v)| (k.to_lowercase(), v)).collect();
    let mut edits = Edits::new(text);
    let mut unknown = Vec::new();
    let mut at = 0;
    while let Some(found) = find(text.as_bytes(), at, [b'$']) {
        at = found + 1;
        let Some(name) = name_at(text, found) else {
            continue;
        };
        let end = found + "${}".len() + name.len();
        match known.get(&name.to_lowercase()) {
            Some(value) => {
                edits.put(found..end, value);
                edits.check()?;
            }
            None => unknown.push((name, found)),
        }
        at = end;
    }
    if !unknown.is_empty() {
        let comments = comments(segments)?;
        let mut names = BTreeSet::new();
        unknown.retain(|(name, at)| {
            let before = comments.partition_point(|c| c.start <= *at).checked_sub(1);
            let comment = before.and_then(|n| comments.get(n));
            !comment.is_some_and(|c| c.contains(at)) && names.insert(name.to_lowercase())
        });
    }
    match without_value(&unknown, line) {
        Some(error) => Err(error),
        None => edits.finish(),
    }
}

/// The name of a placeholder that begins at `at`.
fn name_at(text: &str, at: usize) -> Option<&str> {
    let (name, _) = text.get(at..)?.strip_prefix("${")?.split_once('}')?;
    let is_letter = |c: char| c.is_alphanumeric() || "_.:-".contains(c);
    Some(name).filter(|n| !n.is_empty() && n.chars().all(is_letter))
}

fn comments(mut segments: Segments<'_>) -> Result<Vec<Range<usize>>> {
    let mut comments = Vec::new();
    while let Some(segment) = segments.advance(&mut |token| {
        if matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment) {
            comments.push(token.range());
        }
        None
    }) {
        segment?;
    }
    Ok(comments)
}

/// The error for names without a value, which are all listed, each once.
fn without_value(unknown: &[(&str, usize)], line: impl Fn(usize) -> usize) -> Option<Error> {
    let mut places = unknown.iter().map(|(name, at)| (name, line(*at)));
    let (name, line) = places.next()?;
    let error = Error::new(
        Kind::InvalidParameter,
        format!("variable \"{name}\" on line {line} has no value"),
    )
    .hint(format!("vars => '{{\"{name}\": \"value\"}}'"));
    let others: Vec<String> = places
        .map(|(name, line)| format!("\"{name}\" on line {line}"))
        .collect();
    Some(match others.is_empty() {
        true => error,
        false => error.detail(format!("Also without a value: {}.", others.join(", "))),
    })
}

#[cfg(test)]
#[path = "flyway_tests.rs"]
mod tests;
