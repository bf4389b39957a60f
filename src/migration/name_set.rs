//! Names of a whole set of files: two that claim one place, and files whose partner is missing.

use super::ask::literal;
use super::name::{Direction, Key, Kind, Name};
use super::style::Style;
use super::version::Version;
use crate::error::{Error, Kind as ErrorKind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What a file waits for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lacks {
    /// a U file, and there is no V file of its version
    Versioned,
    /// a down file, and there is no up file of its version
    Up,
    /// a verify file, and there is no up file of its version
    Verified,
}

/// A file that never runs, because the file that it belongs to is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub filename: String,
    pub version: Version,
    pub lacks: Lacks,
}

impl Orphan {
    /// The text of the column `warning`.
    #[must_use]
    pub fn warning(&self) -> String {
        let Orphan {
            filename, version, ..
        } = self;
        match self.lacks {
            Lacks::Versioned => {
                format!("\"{filename}\" undoes version {version}, which has no V file")
            }
            Lacks::Up => {
                format!("\"{filename}\" is the down of version {version}, which has no up")
            }
            Lacks::Verified => {
                format!("\"{filename}\" checks version {version}, which has no up")
            }
        }
    }

    /// What to do if the file was meant otherwise.
    #[must_use]
    pub fn hint(&self, namespace: &str) -> Option<String> {
        (self.lacks == Lacks::Versioned).then(|| {
            format!(
                "If U files go forward, as refinery's do: SELECT strata.migrate_configure({}, style => 'refinery')",
                literal(namespace)
            )
        })
    }
}

/// Looks at the names of one set, each with its file.
///
/// Files that claim the same place are an error, 42710, that names them all; the others that cannot run are returned.
/// A plain file ([`Direction::Both`]) claims up and down: the caller first sets [`Direction::Up`] where the text holds
/// no down section, so that `1_x.sql` may have its `1_x.down.sql`.
pub fn check(files: &[(&str, &Name)], namespace: &str) -> Result<Vec<Orphan>> {
    let mut claims: BTreeMap<(Key<'_>, Direction), Vec<(&str, &Name)>> = BTreeMap::new();
    for &(filename, name) in files {
        for side in sides(name.direction) {
            claims
                .entry((name.key(), *side))
                .or_default()
                .push((filename, name));
        }
    }
    let clashes: Vec<_> = claims.iter().filter(|(_, files)| files.len() > 1).collect();
    if let Some(((key, _), files)) = clashes.first() {
        let mut told = BTreeSet::new();
        let lines = clashes.iter().filter_map(|((key, side), files)| {
            let line = format!("{} claim {}.", list(files), place(key, Some(*side)));
            told.insert(list(files)).then_some(line)
        });
        let detail = lines.collect::<Vec<_>>().join(" ");
        let count = match files.len() {
            2 => "two".to_owned(),
            n => n.to_string(),
        };
        let message = format!("{count} files claim {}: {}", place(key, None), list(files));
        return Err(Error::new(ErrorKind::DuplicateObject, message)
            .detail(detail)
            .hint(hint(files, namespace)));
    }
    Ok(orphans(files))
}

fn sides(direction: Direction) -> &'static [Direction] {
    match direction {
        Direction::Up => &[Direction::Up],
        Direction::Down => &[Direction::Down],
        Direction::Both => &[Direction::Up, Direction::Down],
    }
}

fn list(files: &[(&str, &Name)]) -> String {
    let quoted: Vec<String> = files.iter().map(|(f, _)| format!("\"{f}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn place(key: &Key<'_>, side: Option<Direction>) -> String {
    match (key.kind, key.version, key.title) {
        (Kind::Versioned, Some(version), _) => match side {
            Some(side) => format!("version {version}, {side}"),
            None => format!("version {version}"),
        },
        (kind, Some(version), _) => format!("{kind} {version}"),
        (kind, None, None | Some("")) => format!("hook \"{kind}\""),
        (Kind::Repeatable, None, Some(title)) => format!("repeatable \"{title}\""),
        (kind, None, Some(title)) => format!("hook \"{kind}\" \"{title}\""),
    }
}

fn hint(files: &[(&str, &Name)], namespace: &str) -> String {
    let ends = |with: &str| files.iter().any(|(_, n)| n.title.ends_with(with));
    if ends(".up") && ends(".down") {
        return format!(
            "If these are pairs: SELECT strata.migrate_configure({}, style => 'golang-migrate')",
            literal(namespace)
        );
    }
    "Rename all but one, or register them in another namespace.".to_owned()
}

fn orphans(files: &[(&str, &Name)]) -> Vec<Orphan> {
    let forward = |n: &&Name| n.kind == Kind::Versioned && n.direction != Direction::Down;
    let ups: BTreeSet<&Version> = files
        .iter()
        .map(|(_, name)| *name)
        .filter(forward)
        .filter_map(|name| name.version.as_ref())
        .collect();
    let orphan = |&(filename, name): &(&str, &Name)| {
        let version = name.version.as_ref().filter(|v| !ups.contains(v))?;
        let lacks = match (name.kind, name.direction, name.style) {
            (Kind::Versioned, Direction::Down, Style::Flyway) => Lacks::Versioned,
            (Kind::Versioned, Direction::Down, _) => Lacks::Up,
            (Kind::Verify, ..) => Lacks::Verified,
            _ => return None,
        };
        Some(Orphan {
            filename: filename.to_owned(),
            version: version.clone(),
            lacks,
        })
    };
    files.iter().filter_map(orphan).collect()
}

#[cfg(test)]
#[path = "name_set_tests.rs"]
mod tests;
