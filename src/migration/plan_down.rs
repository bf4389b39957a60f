//! Which versions a run takes back, and by which text: the reverse of the order in which they were applied.

use super::ask::{Ask, Context, MissingDown};
use super::plan::{Cause, Level, Run, Step};
use super::refuse::{self, BadText};
use super::set::{Applied, Direction, Key, Set};
use super::version::Version;
use crate::error::{Error, Kind, Result};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Rows applied in the same moment are taken by version.
fn rank(row: &Applied) -> (i64, Option<&Version>) {
    (row.applied_order, row.key.version.as_ref())
}

/// The latest first.
fn latest_first<'a>(rows: impl Iterator<Item = &'a Applied>) -> Vec<&'a Applied> {
    let mut rows: Vec<&Applied> = rows.collect();
    rows.sort_by_key(|row| Reverse(rank(row)));
    rows
}

/// What has been put in place by a baseline, and cannot be taken back.
fn is_floor(row: &Applied) -> bool {
    row.key.version.is_some() && row.counts() && !row.revertible()
}

/// The last `n` versions that were applied, or as many as there are; `failed` ones, half reverted, come first.
/// 55000 when there are baselines and nothing else.
pub fn last<'a>(
    set: &Set<'a>,
    n: u32,
    failed: &[&'a Applied],
    context: &Context<'_>,
) -> Result<Vec<&'a Applied>> {
    let mut rows = failed.to_vec();
    rows.extend(latest_first(set.applied.iter().filter(|r| r.revertible())));
    let floor: Vec<&Applied> = set.applied.iter().filter(|r| is_floor(r)).collect();
    if rows.is_empty() && !floor.is_empty() && n > 0 {
        return Err(refuse::baseline(&floor, None, context));
    }
    rows.truncate(usize::try_from(n).unwrap_or(usize::MAX));
    Ok(rows)
}

/// All that was applied after a version, or all there is. 55000 if a baseline is among it, or if the version is not
/// applied; only above the head there is nothing to do.
pub fn after<'a>(
    set: &Set<'a>,
    version: Option<&Version>,
    failed: &[&'a Applied],
    context: &Context<'_>,
) -> Result<Vec<&'a Applied>> {
    let Some(version) = version else {
        return select(set, failed, context, |_| true);
    };
    let mut standing = set.standing().filter(|(v, _)| *v == version);
    if let Some((_, row)) = standing.next() {
        let end = standing.map(|(_, r)| rank(r)).fold(rank(row), Ord::max);
        return select(set, failed, context, |row| rank(row) > end);
    }
    if set.head().is_none_or(|head| head < version) {
        return Ok(failed.to_vec());
    }
    let text = format!("version \"{version}\" is not applied");
    let target = super::ask::literal(&version.to_string());
    Err(Error::new(Kind::NotInState, text)
        .detail("Without it, nothing was applied after it.")
        .hint(context.plain_command("SELECT * FROM strata.migrate_goto", &[&target])))
}

/// All that lies above a version, or all there is. 55000 if a baseline is among it.
pub fn above<'a>(
    set: &Set<'a>,
    version: Option<&Version>,
    context: &Context<'_>,
) -> Result<Vec<&'a Applied>> {
    select(set, &[], context, |row| row.key.version.as_ref() > version)
}

fn select<'a>(
    set: &Set<'a>,
    failed: &[&'a Applied],
    context: &Context<'_>,
    wanted: impl Fn(&Applied) -> bool,
) -> Result<Vec<&'a Applied>> {
    let rows = || set.applied.iter().filter(|row| wanted(row));
    let floor: Vec<&Applied> = rows().filter(|row| is_floor(row)).collect();
    let revertible = latest_first(rows().filter(|row| row.revertible()));
    if !floor.is_empty() {
        let last = floor.iter().map(|row| rank(row)).max();
        let more = revertible.iter().any(|row| Some(rank(row)) > last);
        let end = last.and_then(|(_, version)| version).filter(|_| more);
        return Err(refuse::baseline(&floor, end, context));
    }
    Ok(failed.iter().copied().chain(revertible).collect())
}

/// The steps that take these rows back. 55006 for a deferred statement, P0002 without down text, 42601 for one that
/// does not parse.
pub fn steps(
    set: &Set<'_>,
    rows: &[&Applied],
    cause: Cause,
    ask: &Ask,
    context: &Context<'_>,
) -> Result<Vec<Step>> {
    refuse::waiting(rows, context)?;
    let skips = matches!(
        ask,
        Ask::Down {
            missing_down: MissingDown::Skip,
            ..
        }
    );
    let texts = rows.iter().map(|row| (*row, refuse::down_text(set, row)));
    let texts: Vec<_> = texts.collect();
    let missing = texts.iter().filter(|(_, sha)| sha.is_none());
    let missing: Vec<&Key> = missing.map(|(row, _)| &row.key).collect();
    if !missing.is_empty() && !skips {
        return Err(refuse::no_down(&missing, pass_over(rows, ask, context)));
    }
    refuse::not_parsed(set, bad_texts(set, &texts))?;
    let steps = texts.into_iter().map(|(row, sha)| Step {
        direction: Direction::Down,
        key: row.key.clone(),
        run: match sha {
            // the row of a down that stopped half way; others that count have nothing to go on with
            Some(sha) if !row.counts() => Run::Rest {
                sha,
                statements_done: row.statements_done,
                prefix: row.prefix,
            },
            Some(sha) => Run::Text(sha),
            None => Run::NoDown,
        },
        cause,
        up: None,
        down_sha: None,
        covers: Vec::new(),
    });
    Ok(steps.collect())
}

/// The call that takes the same rows back and passes over those without down text; only downs can.
fn pass_over(rows: &[&Applied], ask: &Ask, context: &Context<'_>) -> String {
    if let Ask::Down { .. } = ask {
        return ask.again(context, &[("missing_down", "skip")]);
    }
    let args = [
        ("steps".to_owned(), rows.len().to_string()),
        ("missing_down".to_owned(), "'skip'".to_owned()),
    ];
    context.command(context.mode.down(), args.to_vec())
}

/// A down that was kept from the run parsed then; it is known not to parse now only if it still is the registered one.
fn bad_texts<'a>(set: &Set<'a>, texts: &[(&'a Applied, Option<[u8; 32]>)]) -> Vec<BadText<'a>> {
    let bad = texts.iter().filter_map(|(row, sha)| {
        let file = set.file_of(row)?;
        let error = file.down_error.as_ref()?;
        let same = sha.is_some() && *sha == file.down.map(|t| t.sha);
        same.then_some(BadText {
            key: &row.key,
            direction: Direction::Down,
            error,
        })
    });
    bad.collect()
}

/// 55000 when a version below the head, applied late, would be reverted and the ones above it stay.
pub fn refuse_gap(set: &Set<'_>, reverted: &BTreeSet<&Key>, context: &Context<'_>) -> Result<()> {
    let level = Level::without(set, reverted);
    let rows = set.applied.iter().filter(|r| reverted.contains(&r.key));
    let mut gaps: Vec<&Key> = rows
        .filter(|r| r.key.version.as_ref() < level.head())
        // golang-migrate knows nothing of a version without a file
        .filter(|r| set.file_of(r).is_some())
        .map(|r| &r.key)
        .collect();
    gaps.sort();
    let Some(lowest) = gaps.first().and_then(|k| k.version.as_ref()) else {
        return Ok(());
    };
    let below = level
        .done
        .iter()
        .copied()
        .take_while(|v| *v < lowest)
        .last();
    Err(refuse::gap(&gaps, below, context))
}

#[cfg(test)]
#[path = "plan_down_tests.rs"]
mod tests;
