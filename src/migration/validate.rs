//! Everything that is not well with a set of files and what was applied of it.

use super::order;
use super::refuse::{down_text, stopped};
use super::set::{Applied, File, FileKind, Key, Lateness, Set, State, TextChange, words};
use super::version::Version;

words! {
    /// `problem` of `migrate_validate`.
    Problem {
        Duplicate = "duplicate",
        NotParsed = "not_parsed",
        Failed = "failed",
        AppliedWithErrors = "applied_with_errors",
        Modified = "modified",
        MissingFile = "missing_file",
        OutOfOrder = "out_of_order",
        MissingUp = "missing_up",
        MissingDown = "missing_down",
        UnknownRequirement = "unknown_requirement",
        UnmetRequirement = "unmet_requirement",
        Circle = "circle",
        /// no run takes the file
        Refused = "refused",
        MirrorMissing = "mirror_missing",
        /// whoever asks may not read it, or it is not what it was
        MirrorUnreadable = "mirror_unreadable",
        /// the other tool stopped half way
        MirrorDirty = "mirror_dirty",
    }
}

/// A row of `migrate_validate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub key: Key,
    pub problem: Problem,
    /// a sentence
    pub detail: String,
}

/// All problems, versions ascending, then repeatables and the rest; nothing when all is well.
///
/// Cosmetic changes are none. A missing down is one only in a set in which other versions have downs, since whole
/// styles have none.
#[must_use]
pub fn validate(files: &[File], applied: &[Applied]) -> Vec<Found> {
    let set = Set::new(files, applied);
    let mut found = Vec::new();
    for (first, second) in &set.duplicates {
        let (a, b) = (first.key.line(), second.key.line());
        add(
            &mut found,
            &first.key,
            Problem::Duplicate,
            format!("{a} and {b} cannot both be."),
        );
    }
    let has_downs = files.iter().any(|f| f.present && f.down.is_some());
    for file in files.iter().filter(|f| f.present) {
        unread(&mut found, file);
        if file.key.kind == FileKind::Versioned {
            texts(&mut found, &set, file, has_downs);
        }
    }
    for row in applied {
        of_row(&mut found, &set, row);
    }
    for (version, file) in &set.versions {
        let late = set.front().filter(|head| *version <= *head);
        if let Some(head) = late
            && !set.done.contains_key(*version)
            && file.lateness == Lateness::AsAsked
        {
            let detail = if head == *version {
                "It has the number of an applied baseline.".to_owned()
            } else {
                format!("It is pending below the head \"{head}\".")
            };
            add(&mut found, &file.key, Problem::OutOfOrder, detail);
        }
    }
    requirements(&mut found, &set);
    found.sort_by(|a, b| {
        let rank = |f: &'_ Found| (f.key.version.is_none(), f.key.version.clone());
        rank(a).cmp(&rank(b)).then_with(|| {
            (a.key.kind, &a.key.name, a.problem).cmp(&(b.key.kind, &b.key.name, b.problem))
        })
    });
    found
}

pub(super) fn add(found: &mut Vec<Found>, key: &Key, problem: Problem, detail: String) {
    found.push(Found {
        key: key.clone(),
        problem,
        detail,
    });
}

fn unread(found: &mut Vec<Found>, file: &File) {
    let errors = [("up", &file.up_error), ("down", &file.down_error)];
    for (direction, error) in errors {
        if let Some(error) = error {
            let detail = format!("{direction}: {error}");
            add(found, &file.key, Problem::NotParsed, detail);
        }
    }
}

fn texts(found: &mut Vec<Found>, set: &Set<'_>, file: &File, has_downs: bool) {
    if file.up.is_none() {
        let detail = "It has a down but no up: nothing runs when it is applied.";
        add(found, &file.key, Problem::MissingUp, detail.to_owned());
    }
    let version: Option<&Version> = file.key.version.as_ref();
    let kept = version.and_then(|v| set.done.get(v));
    let has_down = file.down.is_some() || kept.is_some_and(|row| down_text(set, row).is_some());
    if has_downs && !has_down {
        let detail = "It cannot be reverted.";
        add(found, &file.key, Problem::MissingDown, detail.to_owned());
    }
}

fn of_row(found: &mut Vec<Found>, set: &Set<'_>, row: &Applied) {
    match row.state {
        State::Failed => add(found, &row.key, Problem::Failed, stopped(row)),
        State::AppliedWithErrors => {
            let detail = "Statements failed when it was applied.";
            add(
                found,
                &row.key,
                Problem::AppliedWithErrors,
                detail.to_owned(),
            );
        }
        _ => {}
    }
    if set.is_modified(row) {
        let detail = "The registered text is not the one that ran.";
        add(found, &row.key, Problem::Modified, detail.to_owned());
    }
    // a baseline stands for files that may be gone for good
    let ran = row.state != State::Baseline;
    if ran && set.text_change(row) == TextChange::Missing {
        let detail = "It was applied and is no longer in the set.";
        add(found, &row.key, Problem::MissingFile, detail.to_owned());
    }
}

fn requirements(found: &mut Vec<Found>, set: &Set<'_>) {
    let present = set.files.iter().filter(|f| f.present);
    let files: Vec<&File> = present.collect();
    for (file, label) in order::unknown(set, &files) {
        let detail = format!("It requires \"{label}\", which does not exist.");
        add(found, &file.key, Problem::UnknownRequirement, detail);
    }
    for (file, version) in order::requires_later(set, &files) {
        let detail = format!("It requires \"{version}\", which comes after it.");
        add(found, &file.key, Problem::UnmetRequirement, detail);
    }
    if let Some((file, path)) = order::circle(set, &files, |_| true, |_| true) {
        let detail = format!("{}.", path.join(" -> "));
        add(found, &file.key, Problem::Circle, detail);
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
