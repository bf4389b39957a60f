//! The state of every version and repeatable, as users read it.

use super::plan::Level;
use super::plan_up::repeats;
use super::refuse::{down_text, stopped};
use super::set::{Applied, File, FileKind, Key, Lateness, Set, Source, State, TextChange, words};
use super::version::Version;
use std::collections::BTreeSet;

words! {
    /// `state` of `migrate_status`.
    Shown {
        Applied = "applied",
        Pending = "pending",
        /// pending below the head
        OutOfOrder = "out_of_order",
        /// applied, and the text changed in comments, blanks or line ends only
        Cosmetic = "cosmetic",
        /// applied, and the text really changed
        Modified = "modified",
        MissingFile = "missing_file",
        Failed = "failed",
        Running = "running",
        Waiting = "waiting",
        Baseline = "baseline",
        RepeatablePending = "repeatable_pending",
        AppliedWithErrors = "applied_with_errors",
    }
}

/// A row of `migrate_status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow<'a> {
    /// the name is that of the file, or of the row when there is no file
    pub key: &'a Key,
    pub state: Shown,
    /// whether a down could run now
    pub has_down: bool,
    pub note: Option<String>,
    pub file: Option<&'a File>,
    pub applied: Option<&'a Applied>,
}

/// Versions ascending, a baseline before the version of the same number, then repeatables by name.
///
/// Left out: hooks, checks, files no longer in the set that never ran, and baseline files that will not run because
/// something is applied already.
#[must_use]
pub fn states<'a>(files: &'a [File], applied: &'a [Applied]) -> Vec<StatusRow<'a>> {
    let set = Set::new(files, applied);
    let level = Level::without(&set, &BTreeSet::new());
    let next = match (level.head(), set.front()) {
        (None, None) => set.baselines.values().next_back().copied(),
        _ => None,
    };
    let mut rows: Vec<StatusRow<'a>> = Vec::new();
    let versioned = set.done.values().chain(set.marks.values());
    rows.extend(versioned.map(|row| applied_row(&set, row)));
    rows.extend(next.map(|file| pending_row(file, Shown::Pending, None)));
    for (version, file) in &set.versions {
        if !set.done.contains_key(*version) {
            rows.push(pending_version(&set, version, file, next));
        }
    }
    rows.sort_by(|a, b| order(a.key).cmp(&order(b.key)));
    let more = rows.iter().any(|r| r.applied.is_none());
    let ran = set
        .ran
        .values()
        .map(|row| repeated_row(&set, &level, row, more));
    let never = set.repeatables.values();
    let never = never.filter(|f| !set.ran.contains_key(f.key.name.as_str()));
    let never = never.map(|f| pending_row(f, Shown::RepeatablePending, Some("never ran".into())));
    let mut repeatables: Vec<StatusRow<'a>> = ran.chain(never).collect();
    repeatables.sort_by(|a, b| a.key.name.cmp(&b.key.name));
    rows.extend(repeatables);
    rows
}

fn order(key: &Key) -> (Option<&Version>, bool, &str) {
    let plain = key.kind == FileKind::Versioned;
    (key.version.as_ref(), plain, &key.name)
}

fn pending_row(file: &File, state: Shown, note: Option<String>) -> StatusRow<'_> {
    let unread = file
        .up_error
        .as_ref()
        .map(|e| format!("up does not parse: {e}"));
    let empty = file.up.is_none().then(|| "no up text".to_owned());
    let notes: Vec<String> = note.into_iter().chain(empty).chain(unread).collect();
    StatusRow {
        key: &file.key,
        state,
        has_down: file.down.is_some(),
        note: joined(&notes),
        file: Some(file),
        applied: None,
    }
}

fn joined(notes: &[String]) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}

fn pending_version<'a>(
    set: &Set<'a>,
    version: &Version,
    file: &'a File,
    next: Option<&File>,
) -> StatusRow<'a> {
    if let Some(baseline) = next.filter(|b| b.key.version.as_ref().is_some_and(|b| version <= b)) {
        let note = format!("becomes a baseline with \"{}\"", baseline.key.label());
        return pending_row(file, Shown::Pending, Some(note));
    }
    match set.front().filter(|head| version <= *head) {
        Some(_) if file.lateness == Lateness::Allowed => {
            pending_row(file, Shown::Pending, Some("may come late".to_owned()))
        }
        Some(head) => {
            let note = if head == version {
                "has the number of an applied baseline".to_owned()
            } else {
                format!("below the head \"{head}\"")
            };
            pending_row(file, Shown::OutOfOrder, Some(note))
        }
        None => pending_row(file, Shown::Pending, None),
    }
}

/// What a row is by itself, before its text is looked at.
fn own_state(row: &Applied) -> Shown {
    match row.state {
        State::Applied => Shown::Applied,
        State::Failed => Shown::Failed,
        State::Running => Shown::Running,
        State::Waiting => Shown::Waiting,
        State::Baseline => Shown::Baseline,
        State::AppliedWithErrors => Shown::AppliedWithErrors,
    }
}

fn own_notes(row: &Applied) -> Vec<String> {
    let mut notes = Vec::new();
    match row.state {
        State::Failed => notes.push(stopped(row).trim_end_matches('.').to_owned()),
        State::Running => notes.push(format!("a worker is at its {}", row.direction.word())),
        State::Waiting => notes.push("a deferred statement is not done".to_owned()),
        State::AppliedWithErrors => notes.push("statements failed".to_owned()),
        State::Applied if row.source != Source::Run => {
            notes.push(format!("did not run here: {}", row.source.word()));
        }
        State::Applied | State::Baseline => {}
    }
    notes
}

fn row_with<'a>(set: &Set<'a>, row: &'a Applied, state: Shown, notes: &[String]) -> StatusRow<'a> {
    let file = set.file_of(row);
    StatusRow {
        key: file.map_or(&row.key, |f| &f.key),
        state,
        has_down: down_text(set, row).is_some(),
        note: joined(notes),
        file,
        applied: Some(row),
    }
}

fn applied_row<'a>(set: &Set<'a>, row: &'a Applied) -> StatusRow<'a> {
    let mut notes = Vec::new();
    let settled = matches!(row.state, State::Applied | State::AppliedWithErrors);
    let state = match set.text_change(row) {
        TextChange::Modified if settled => Shown::Modified,
        TextChange::Cosmetic if row.state == State::Applied => Shown::Cosmetic,
        TextChange::Missing if settled => Shown::MissingFile,
        _ => own_state(row),
    };
    match state {
        Shown::Modified => notes.push("the registered text is not the one that ran".to_owned()),
        Shown::MissingFile => notes.push("no longer in the set".to_owned()),
        _ => {}
    }
    notes.extend(own_notes(row));
    if let Some(file) = set.file_of(row) {
        if file.key.name != row.key.name {
            notes.push(format!("ran as \"{}\"", row.key.name));
        }
        let down = file.down.map(|t| t.sha);
        if down.is_some() && row.down_sha.is_some() && down != row.down_sha {
            notes.push("a down would run as it was, not as registered".to_owned());
        }
    }
    row_with(set, row, state, &notes)
}

fn repeated_row<'a>(
    set: &Set<'a>,
    level: &Level<'a>,
    row: &'a Applied,
    more: bool,
) -> StatusRow<'a> {
    let settled = matches!(row.state, State::Applied | State::AppliedWithErrors);
    let file = set.file_of(row);
    let change = set.text_change(row);
    let mut notes = own_notes(row);
    let state = match file {
        _ if !settled => own_state(row),
        None => {
            notes.push("no longer in the set".to_owned());
            Shown::MissingFile
        }
        Some(file) if repeats(set, level, file, more) => {
            notes.push(match change {
                TextChange::Same | TextChange::Cosmetic => {
                    "what it was built upon has been reverted".to_owned()
                }
                _ => "the text changed since it ran".to_owned(),
            });
            Shown::RepeatablePending
        }
        Some(_) if change == TextChange::Cosmetic && row.state == State::Applied => Shown::Cosmetic,
        Some(_) => own_state(row),
    };
    row_with(set, row, state, &notes)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
