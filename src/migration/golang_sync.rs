//! What golang-migrate's row says about the applied set, and what it has to say while a worker is at a version.
//!
//! `(V, clean)`: every file up to V is applied. `(V, dirty)`: somebody was on the way to V. No row: nothing applied.

use super::ask::{Context, literal};
use super::declare::{Change, Row, What, above};
use super::golang_row::GolangRow;
use super::set::{Applied, Direction, File, FileKind, Key, Set, Source, State, up_to};
use super::version::Version;
use crate::error::{Error, Kind, Result};

/// "Before the first version", in a dirty row.
const BEFORE_FIRST: i64 = -1;

/// The row while a worker is at a version, and after it failed there: golang-migrate notes where it wants to
/// arrive, which for a down is the next lower version.
#[must_use]
pub fn dirty_row(applied: &[Applied], version: &Version, direction: Direction) -> GolangRow {
    let set = Set::new(&[], applied);
    let arrival = match direction {
        Direction::Up => Some(version),
        Direction::Down => set
            .standing()
            .map(|(v, _)| v)
            .filter(|v| *v < version)
            .max(),
    };
    GolangRow {
        version: arrival.and_then(Version::as_bigint).unwrap_or(BEFORE_FIRST),
        dirty: true,
    }
}

/// What golang-migrate did meanwhile: versions up to its row, from our head on, count as applied, those above it as
/// reverted. What was pending below our head stays so, because golang-migrate passes over it (golang-migrate#179).
///
/// A version of the row that has no file gets a row without text. 55000 `dirty database version N`, unless it is our
/// own run that failed or is under way: then nothing changes, and the plan says what to do.
pub fn sync(
    files: &[File],
    applied: &[Applied],
    row: Option<GolangRow>,
    context: &Context<'_>,
) -> Result<Vec<Change>> {
    let set = Set::new(files, applied);
    if applied.iter().any(|r| r.state == State::Running) {
        return Ok(Vec::new());
    }
    let failed = || applied.iter().filter(|r| r.state == State::Failed);
    if let Some(row) = row.filter(|r| r.dirty) {
        let mut ours = failed().filter_map(|r| Some((r.key.version.as_ref()?, r.direction)));
        if ours.any(|(version, direction)| dirty_row(applied, version, direction) == row) {
            return Ok(Vec::new());
        }
        return Err(dirty(row.version, context));
    }
    let number = row.and_then(|r| u64::try_from(r.version).ok());
    let arrived = number.map(Version::from);
    let mut changes: Vec<Change> = above(&set, arrived.as_ref())
        .into_iter()
        .map(|r| Change::remove(r, What::Reverted))
        .collect();
    if let Some(arrived) = &arrived {
        changes.extend(applied_up_to(&set, arrived));
    }
    Ok(changes)
}

fn applied_up_to(set: &Set<'_>, arrived: &Version) -> Vec<Change> {
    let head = set.head();
    let (state, source) = (State::Applied, Source::Mirror);
    let mut changes = Vec::new();
    // their state is clean there: somebody has dealt with them
    for row in up_to(&set.done, arrived).chain(up_to(&set.marks, arrived)) {
        if row.state == State::Failed {
            let new = Row {
                state,
                source,
                ..Row::kept(row)
            };
            changes.push(Change::write(&row.key, What::Applied, new));
        }
    }
    for file in up_to(&set.versions, arrived) {
        let version = file.key.version.as_ref();
        if !version.is_some_and(|v| set.done.contains_key(v)) && version > head {
            let new = Row::registered(file, state, source);
            changes.push(Change::write(&file.key, What::Applied, new));
        }
    }
    let is_there = set.done.contains_key(arrived) || set.marks.contains_key(arrived);
    if !is_there && !set.versions.contains_key(arrived) {
        let key = Key {
            kind: FileKind::Versioned,
            version: Some(arrived.clone()),
            name: String::new(),
        };
        let new = Row {
            state,
            source,
            up: None,
            down_sha: None,
        };
        changes.push(Change::write(&key, What::Applied, new));
    }
    changes
}

fn dirty(version: i64, context: &Context<'_>) -> Error {
    let (to, hint) = match u64::try_from(version) {
        Ok(n) => (format!("to version \"{n}\""), literal(&n.to_string())),
        Err(_) => ("down from the first version".to_owned(), "NULL".to_owned()),
    };
    Error::new(Kind::NotInState, format!("dirty database version {version}"))
        .detail(format!(
            "golang-migrate stopped, or is still, on its way {to}: the schema may hold a part of that step."
        ))
        .hint(context.plain_command("SELECT strata.migrate_force", &[&hint, "'why'"]))
}

#[cfg(test)]
#[path = "golang_sync_tests.rs"]
mod tests;
