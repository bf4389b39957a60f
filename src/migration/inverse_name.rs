//! The names that the server chooses for indexes and constraints without one: makeObjectName, ChooseRelationName,
//! ChooseIndexName (indexcmds.c) and ChooseConstraintName (pg_constraint.c), the same in 15 to 18.

use super::ddl::{Constraint, ConstraintKind, CreateIndex};
use super::ddl_quote::NAME_BYTES;

/// What must not have the chosen name yet, in the schema of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// tables, indexes, sequences, views
    Relations,
    Constraints,
}

/// The name of a constraint of a table: its own, or the one chosen for it. `taken`: whether a name is.
pub fn of_constraint(
    table: &str,
    constraint: &Constraint,
    taken: impl Fn(Space, &str) -> bool,
) -> String {
    if let Some(name) = &constraint.name {
        return name.clone();
    }
    let columns = &constraint.columns;
    let by_index = |name: &str| taken(Space::Relations, name) || taken(Space::Constraints, name);
    let by_name = |name: &str| taken(Space::Constraints, name);
    match &constraint.kind {
        // the constraint takes the name of its index
        ConstraintKind::PrimaryKey {
            using_index: Some(index),
            ..
        }
        | ConstraintKind::Unique {
            using_index: Some(index),
            ..
        } => index.clone(),
        ConstraintKind::PrimaryKey { .. } => choose(table, None, "pkey", by_index),
        ConstraintKind::Unique { include, .. } => {
            let all = distinct(columns.iter().chain(include));
            choose(table, Some(&addition(&all)), "key", by_index)
        }
        ConstraintKind::Exclude { include } => {
            let all = distinct(columns.iter().chain(include));
            choose(table, Some(&addition(&all)), "excl", by_index)
        }
        ConstraintKind::ForeignKey { .. } => {
            choose(table, Some(&addition(columns)), "fkey", by_name)
        }
        ConstraintKind::Check(_) => match columns.as_slice() {
            [column] => choose(table, Some(column), "check", by_name),
            _ => choose(table, None, "check", by_name),
        },
        ConstraintKind::NotNull => choose(table, Some(&addition(columns)), "not_null", by_name),
    }
}

/// The name of a constraint of a domain that has none.
pub fn of_domain(domain: &str, taken: impl Fn(&str) -> bool) -> String {
    choose(domain, None, "check", taken)
}

/// The name of an index: its own, or the one chosen for it.
pub fn of_index(table: &str, index: &CreateIndex, taken: impl Fn(Space, &str) -> bool) -> String {
    if let Some(name) = &index.name {
        return name.clone();
    }
    let keys = index.keys.iter().map(|k| &k.chosen);
    let all = distinct(keys.chain(&index.include));
    let by_index = |name: &str| taken(Space::Relations, name);
    choose(table, Some(&addition(&all)), "idx", by_index)
}

/// Names of an index's columns: one that stands there already gets a number (ChooseIndexColumnNames).
fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let mut chosen = name.clone();
        let mut number = 0;
        while all.contains(&chosen) {
            number += 1;
            let digits = number.to_string();
            chosen = cut(name, NAME_BYTES.saturating_sub(digits.len())).to_owned() + &digits;
        }
        all.push(chosen);
    }
    all
}

/// Names joined by `_`, until they are long enough (ChooseIndexNameAddition).
fn addition(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push('_');
        }
        text.push_str(cut(name, NAME_BYTES));
        if text.len() > NAME_BYTES {
            break;
        }
    }
    text
}

/// The first such name that is not taken: with the label, or the label and a number from 1.
fn choose(name1: &str, name2: Option<&str>, label: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = object_name(name1, name2, label);
    let mut number = 0;
    while taken(&name) {
        number += 1;
        name = object_name(name1, name2, &format!("{label}{number}"));
    }
    name
}

/// `name1_name2_label` in 63 bytes: the longer one of the names is cut first (makeObjectName).
#[must_use]
pub fn object_name(name1: &str, name2: Option<&str>, label: &str) -> String {
    let second = name2.unwrap_or_default();
    let overhead = label.len() + 1 + usize::from(name2.is_some());
    let room = NAME_BYTES.saturating_sub(overhead);
    let (mut len1, mut len2) = (name1.len(), second.len());
    while len1 + len2 > room {
        if len1 > len2 {
            len1 -= 1;
        } else {
            len2 -= 1;
        }
    }
    let first = cut(name1, len1);
    match name2 {
        Some(name2) => format!("{first}_{}_{label}", cut(name2, len2)),
        None => format!("{first}_{label}"),
    }
}

/// At most so many bytes, in whole characters.
fn cut(name: &str, bytes: usize) -> &str {
    name.get(..name.floor_char_boundary(bytes)).unwrap_or(name)
}

#[cfg(test)]
#[path = "inverse_name_tests.rs"]
mod tests;
