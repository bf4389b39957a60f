//! In which order files run: versions ascending, then repeatables by name, and what a file requires before it.
//!
//! A requirement never moves a version, only repeatables: they run earlier where something needs them.

use super::set::{File, FileKind, Set};
use super::version::Version;
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What `requires=` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    Version(Version),
    /// by name
    Repeatable(String),
}

impl Requirement {
    /// `12` is a version; `R__views`, or anything that is no version, is the name of a repeatable.
    #[must_use]
    pub fn parse(text: &str) -> Requirement {
        let text = text.trim();
        match (text.strip_prefix("R__"), Version::parse(text)) {
            (Some(name), _) => Requirement::Repeatable(name.to_owned()),
            (None, Some(version)) => Requirement::Version(version),
            (None, None) => Requirement::Repeatable(text.to_owned()),
        }
    }

    fn label(&self) -> String {
        match self {
            Requirement::Version(version) => version.to_string(),
            Requirement::Repeatable(name) => format!("R__{name}"),
        }
    }
}

/// The requirements of a file, each once, as written.
fn requirements(file: &File) -> Vec<Requirement> {
    let all: BTreeSet<Requirement> = file
        .requires
        .iter()
        .map(|r| Requirement::parse(r))
        .collect();
    all.into_iter().collect()
}

/// What is to run, and what is there already.
#[derive(Debug)]
pub struct Choice<'a> {
    /// versioned files, or a baseline file first, in the order in which they are to run
    pub versions: Vec<&'a File>,
    /// repeatables that are to run after all versions
    pub repeatables: Vec<&'a File>,
    /// repeatables that are to run only where something in this run needs them
    pub on_demand: Vec<&'a File>,
    /// versions that count as applied before the first file
    pub done: BTreeSet<&'a Version>,
}

/// The files in the order in which they run.
///
/// 22023 for a circle, 42704 for requirements that name nothing, 55000 for one that cannot be met in time: a version
/// that comes later, or that this run leaves out. DETAIL lists them all.
pub fn sequence<'a>(set: &Set<'a>, choice: &Choice<'a>) -> Result<Vec<&'a File>> {
    let mut placing = Placing {
        waiting: BTreeMap::new(),
        done: choice.done.clone(),
        placed: Vec::new(),
        unmet: Vec::new(),
    };
    for file in choice.repeatables.iter().chain(&choice.on_demand) {
        placing.waiting.insert(&file.key.name, file);
    }
    let chosen = choice.versions.iter().chain(&choice.repeatables);
    let chosen: Vec<&File> = chosen.copied().collect();
    let open = |version: &Version| !choice.done.contains(version);
    let needed = |name: &str| placing.waiting.contains_key(name);
    if let Some((_, path)) = circle(set, &chosen, open, needed) {
        return Err(Error::new(
            Kind::InvalidParameter,
            "files require each other in a circle",
        )
        .detail(format!("{}.", path.join(" -> "))));
    }
    for file in chosen {
        placing.place(file);
    }
    let unknown: Vec<String> = unknown(set, &placing.placed)
        .into_iter()
        .map(|(file, label)| format!("{} requires \"{label}\".", file.key.line()))
        .collect();
    if !unknown.is_empty() {
        return Err(not(Kind::UndefinedObject, "known", &unknown));
    }
    if placing.unmet.is_empty() {
        return Ok(placing.placed);
    }
    Err(not(Kind::NotInState, "met", &placing.unmet))
}

fn not(kind: Kind, what: &str, sentences: &[String]) -> Error {
    let message = match sentences.len() {
        1 => format!("1 requirement is not {what}"),
        n => format!("{n} requirements are not {what}"),
    };
    Error::new(kind, message).detail(sentences.join("\n"))
}

struct Placing<'a> {
    /// repeatables that have not run
    waiting: BTreeMap<&'a str, &'a File>,
    done: BTreeSet<&'a Version>,
    placed: Vec<&'a File>,
    /// sentences
    unmet: Vec<String>,
}

impl<'a> Placing<'a> {
    /// Places a file after the repeatables it needs; there are no circles. A stack of our own: chains may be long.
    fn place(&mut self, file: &'a File) {
        let mut stack = vec![file];
        while let Some(top) = stack.last().copied() {
            if top.key.kind == FileKind::Repeatable
                && !self.waiting.contains_key(top.key.name.as_str())
            {
                stack.pop();
                continue;
            }
            let before = stack.len();
            for requirement in requirements(top) {
                if let Requirement::Repeatable(name) = requirement
                    && let Some(needed) = self.waiting.get(name.as_str())
                {
                    stack.push(needed);
                }
            }
            // by name, so the first one has to lie on top
            if let Some(pushed) = stack.get_mut(before..) {
                pushed.reverse();
            }
            if stack.len() == before {
                stack.pop();
                self.append(top);
            }
        }
    }

    fn append(&mut self, file: &'a File) {
        for requirement in requirements(file) {
            if let Requirement::Version(version) = &requirement
                && !self.done.contains(version)
            {
                self.unmet.push(format!(
                    "{} requires \"{version}\", which is not applied by then.",
                    file.key.line()
                ));
            }
        }
        match (file.key.kind, &file.key.version) {
            (FileKind::Repeatable, _) => {
                self.waiting.remove(file.key.name.as_str());
            }
            (FileKind::Versioned | FileKind::Baseline, Some(version)) => {
                self.done.insert(version);
            }
            _ => {}
        }
        self.placed.push(file);
    }
}

/// Requirements of these files that name neither a file of the set nor anything applied.
#[must_use]
pub fn unknown<'a>(set: &Set<'a>, files: &[&'a File]) -> Vec<(&'a File, String)> {
    let is_known = |requirement: &Requirement| match requirement {
        Requirement::Version(version) => set.knows(version),
        Requirement::Repeatable(name) => {
            set.repeatables.contains_key(name.as_str()) || set.ran.contains_key(name.as_str())
        }
    };
    let mut found = Vec::new();
    for file in files {
        let named = requirements(file).into_iter().filter(|r| !is_known(r));
        found.extend(named.map(|r| (*file, r.label())));
    }
    found
}

/// Versioned files that require a version that comes after them and is not applied.
#[must_use]
pub fn requires_later<'a>(set: &Set<'a>, files: &[&'a File]) -> Vec<(&'a File, Version)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.key.kind == FileKind::Versioned) {
        for requirement in requirements(file) {
            if let Requirement::Version(version) = requirement
                && Some(&version) > file.key.version.as_ref()
                && set.versions.contains_key(&version)
                && !set.done.get(&version).is_some_and(|row| row.counts())
                && !file
                    .key
                    .version
                    .as_ref()
                    .is_some_and(|v| set.done.contains_key(v))
            {
                found.push((*file, version));
            }
        }
    }
    found
}

/// A circle of requirements that one of these files leads to: a file of it, and the labels along it, with the
/// first one again at the end.
///
/// Only versions that are `open` and repeatables that are `needed` are followed: what is there already needs nothing.
#[must_use]
pub fn circle<'a>(
    set: &Set<'a>,
    files: &[&'a File],
    open: impl Fn(&Version) -> bool,
    needed: impl Fn(&str) -> bool,
) -> Option<(&'a File, Vec<String>)> {
    let next = |file: &'a File| -> Vec<&'a File> {
        let found = requirements(file).into_iter().filter_map(|r| match r {
            Requirement::Version(v) if open(&v) => set.versions.get(&v).copied(),
            Requirement::Repeatable(n) if needed(&n) => set.repeatables.get(n.as_str()).copied(),
            _ => None,
        });
        found.collect()
    };
    // files by their address: a file is what the set refers to
    let id = |file: &File| std::ptr::from_ref(file);
    let mut finished = BTreeSet::new();
    for start in files {
        if finished.contains(&id(start)) {
            continue;
        }
        // the path, with what is still to be followed from each file on it
        let mut path = vec![(*start, next(start))];
        while let Some((top, rest)) = path.last_mut() {
            let Some(file) = rest.pop() else {
                finished.insert(id(top));
                path.pop();
                continue;
            };
            if let Some(at) = path.iter().position(|(on, _)| id(on) == id(file)) {
                let round = path.iter().skip(at).map(|(on, _)| *on).chain([file]);
                return Some((file, round.map(|f| f.key.label()).collect()));
            }
            if !finished.contains(&id(file)) {
                path.push((file, next(file)));
            }
        }
    }
    None
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
