//! Changes of the applied set by somebody's word: force, baseline, repair. Nothing runs.

use super::ask::Context;
use super::refuse;
use super::set::{
    Applied, Direction, File, FileKind, Hash, Key, Set, Source, State, Text, TextChange, up_to,
    words,
};
use super::version::Version;
use crate::error::Result;

words! {
    /// What becomes of a row; the column `change` of `migrate_repair`.
    What {
        Applied = "applied",
        Reverted = "reverted",
        Baseline = "baseline",
        TextAccepted = "text accepted",
        FailureCleared = "failure cleared",
        ErrorsAccepted = "errors accepted",
    }
}

/// What a row says after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub state: State,
    pub source: Source,
    pub up: Option<Text>,
    pub down_sha: Option<Hash>,
}

impl Row {
    pub(super) fn registered(file: &File, state: State, source: Source) -> Row {
        Row {
            state,
            source,
            up: file.up,
            down_sha: file.down.map(|t| t.sha),
        }
    }

    pub(super) fn kept(row: &Applied) -> Row {
        Row {
            state: row.state,
            source: row.source,
            up: row.up,
            down_sha: row.down_sha,
        }
    }
}

/// One change of the applied set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: Key,
    pub what: What,
    /// new contents; `None`: the row goes
    pub row: Option<Row>,
}

impl Change {
    pub(super) fn remove(row: &Applied, what: What) -> Change {
        Change {
            key: row.key.clone(),
            what,
            row: None,
        }
    }

    pub(super) fn write(key: &Key, what: What, row: Row) -> Change {
        Change {
            key: key.clone(),
            what,
            row: Some(row),
        }
    }
}

/// Rows with versions above one, or all of them, the latest first.
pub(super) fn above<'a>(set: &Set<'a>, version: Option<&Version>) -> Vec<&'a Applied> {
    let rows = set.applied.iter();
    let above = rows.filter(|r| r.key.version.is_some() && r.key.version.as_ref() > version);
    let mut above: Vec<&Applied> = above.collect();
    above.sort_by(|a, b| (b.applied_order, &b.key.version).cmp(&(a.applied_order, &a.key.version)));
    above
}

/// Makes what is not applied up to a version count as applied: files of the set in the order of versions, and rows
/// that stopped half way.
fn settle(
    set: &Set<'_>,
    version: &Version,
    what: What,
    state: State,
    source: Source,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for file in up_to(&set.versions, version) {
        let row = file.key.version.as_ref().and_then(|v| set.done.get(v));
        match row {
            Some(row) if row.counts() => {}
            // the row's name stays, or there would be two rows
            Some(row) => {
                let new = Row::registered(file, state, source);
                changes.push(Change::write(&row.key, what, new));
            }
            None => changes.push(Change::write(
                &file.key,
                what,
                Row::registered(file, state, source),
            )),
        }
    }
    for row in up_to(&set.done, version).chain(up_to(&set.marks, version)) {
        let by_file = row.key.kind == FileKind::Versioned && set.file_of(row).is_some();
        if !row.counts() && !by_file {
            let new = Row {
                state,
                source,
                ..Row::kept(row)
            };
            changes.push(Change::write(&row.key, what, new));
        }
    }
    changes
}

/// `migrate_force`: files of the set up to `version` count as applied, those above do not; `None`: nothing is
/// applied. Baselines stay what they are. Failed repeatables become pending.
///
/// 42704 for a version that is neither in the set nor applied, 42710 two files for one version, 55006 a worker is at
/// a version.
pub fn force(
    files: &[File],
    applied: &[Applied],
    version: Option<&Version>,
    context: &Context<'_>,
) -> Result<Vec<Change>> {
    let set = Set::new(files, applied);
    refuse::duplicates(&set)?;
    refuse::running(&set, context)?;
    if let Some(version) = version {
        refuse::known(&set, version, context)?;
    }
    let mut changes: Vec<Change> = above(&set, version)
        .into_iter()
        .map(|row| Change::remove(row, What::Reverted))
        .collect();
    if let Some(version) = version {
        changes.extend(settle(
            &set,
            version,
            What::Applied,
            State::Applied,
            Source::Force,
        ));
    }
    for row in set.ran.values() {
        if version.is_none() {
            changes.push(Change::remove(row, What::Reverted));
        } else if !row.counts() {
            changes.push(Change::remove(row, What::FailureCleared));
        }
    }
    Ok(changes)
}

/// `migrate_baseline`: everything up to `version` counts as applied; what is applied stays as it is.
///
/// The version need not have a file when all files of the set lie above it: then a row marks it. Else 42704; 42710
/// and 55006 as for [`force`].
pub fn baseline(
    files: &[File],
    applied: &[Applied],
    version: &Version,
    context: &Context<'_>,
) -> Result<Vec<Change>> {
    let set = Set::new(files, applied);
    refuse::duplicates(&set)?;
    refuse::running(&set, context)?;
    if up_to(&set.versions, version).next().is_some() {
        refuse::known(&set, version, context)?;
    }
    let (state, source) = (State::Baseline, Source::Baseline);
    let mut changes = settle(&set, version, What::Baseline, state, source);
    let marked = [&set.done, &set.marks]
        .iter()
        .any(|rows| rows.contains_key(version));
    if !marked && !set.versions.contains_key(version) {
        let file = set.baselines.get(version);
        let key = file.map_or_else(
            || Key {
                kind: FileKind::Baseline,
                version: Some(version.clone()),
                name: String::new(),
            },
            |f| f.key.clone(),
        );
        let row = Row {
            state,
            source,
            up: file.and_then(|f| f.up),
            down_sha: None,
        };
        changes.push(Change::write(&key, What::Baseline, row));
    }
    Ok(changes)
}

/// `migrate_repair`: the registered texts of applied versions, up and down, are taken for those that ran; errors of
/// `on_error => 'continue'` are accepted; a failed up becomes pending, a failed down applied again.
///
/// `version` `None`: all, and repeatables. 42704, 42710, 55006 as for [`force`]. Nothing to repair is no error.
pub fn repair(
    files: &[File],
    applied: &[Applied],
    version: Option<&Version>,
    context: &Context<'_>,
) -> Result<Vec<Change>> {
    let set = Set::new(files, applied);
    refuse::duplicates(&set)?;
    refuse::running(&set, context)?;
    if let Some(version) = version {
        refuse::known(&set, version, context)?;
    }
    let wanted = |row: &&&Applied| version.is_none_or(|v| row.key.version.as_ref() == Some(v));
    let versions = set.done.values().chain(set.marks.values());
    let rows = versions.chain(set.ran.values()).filter(wanted);
    Ok(rows.flat_map(|row| repair_row(&set, row)).collect())
}

fn repair_row(set: &Set<'_>, row: &Applied) -> Vec<Change> {
    let mut new = Row::kept(row);
    match (row.state, row.direction) {
        (State::Failed, Direction::Up) => {
            return vec![Change::remove(row, What::FailureCleared)];
        }
        (State::Failed, Direction::Down) => {
            new.state = State::Applied;
            return vec![Change::write(&row.key, What::FailureCleared, new)];
        }
        _ => {}
    }
    let mut changes = Vec::new();
    if let Some((up, down_sha)) = accepted(set, row) {
        new = Row {
            up,
            down_sha,
            ..new
        };
        changes.push(Change::write(&row.key, What::TextAccepted, new));
    }
    if row.state == State::AppliedWithErrors {
        new.state = State::Applied;
        changes.push(Change::write(&row.key, What::ErrorsAccepted, new));
    }
    changes
}

/// The registered texts of a version, where they are not the ones that were kept. Without a registered down the kept
/// one stays. Repeatables need no repair: they run again.
fn accepted(set: &Set<'_>, row: &Applied) -> Option<(Option<Text>, Option<Hash>)> {
    if row.key.kind != FileKind::Versioned {
        return None;
    }
    let file = set.file_of(row)?;
    let change = set.text_change(row);
    let up_differs = matches!(change, TextChange::Modified | TextChange::Cosmetic);
    let down = file.down.map(|t| t.sha);
    let down_differs = down.is_some() && row.down_sha.is_some() && down != row.down_sha;
    if !up_differs && !down_differs {
        return None;
    }
    let up = if up_differs { file.up } else { row.up };
    Some((up, down.or(row.down_sha)))
}

#[cfg(test)]
#[path = "declare_tests.rs"]
mod tests;
