//! Which files a run applies, and in which order.

use super::ask::{Ask, Context, Mirror, OutOfOrder};
use super::order::{self, Choice};
use super::plan::{Cause, Covered, Level, Run, Step};
use super::refuse::{self, BadText};
use super::set::{Applied, Direction, File, FileKind, Hash, Key, Lateness, Set, Text, up_to};
use super::version::Version;
use crate::error::{Error, Kind, Result};

/// How far up.
pub struct Limit<'l> {
    /// versioned and baseline files
    pub steps: usize,
    /// outer `None`: no target; inner: before the first
    pub target: Option<&'l Option<Version>>,
}

impl Limit<'_> {
    fn holds(&self, version: &Version) -> bool {
        match self.target {
            None => true,
            Some(target) => target.as_ref().is_some_and(|t| version <= t),
        }
    }
}

/// A file that is to run up, with all that its step says.
pub struct Chosen<'a> {
    key: &'a Key,
    up: Option<Text>,
    down_sha: Option<Hash>,
    up_error: Option<&'a str>,
    run: Run,
    cause: Cause,
    covers: Vec<&'a File>,
}

impl<'a> Chosen<'a> {
    fn new(file: &'a File) -> Chosen<'a> {
        Chosen {
            key: &file.key,
            up: file.up,
            down_sha: file.down.map(|t| t.sha),
            up_error: file.up_error.as_deref(),
            run: file.up.map_or(Run::NoUp, |t| Run::Text(t.sha)),
            cause: Cause::Asked,
            covers: Vec::new(),
        }
    }

    /// The step.
    pub fn step(self) -> Step {
        Step {
            direction: Direction::Up,
            key: self.key.clone(),
            run: self.run,
            cause: self.cause,
            up: self.up,
            down_sha: self.down_sha,
            covers: self.covers.into_iter().map(Covered::of).collect(),
        }
    }
}

/// Texts that are to run and do not parse.
pub fn bad_texts<'a>(chosen: &[Chosen<'a>]) -> Vec<BadText<'a>> {
    let bad = chosen.iter().filter_map(|c| {
        Some(BadText {
            key: c.key,
            direction: Direction::Up,
            error: c.up_error?,
        })
    });
    bad.collect()
}

/// 22023 for versions that a bigint cannot hold, where golang-migrate's table is kept in step.
pub fn mirrored(chosen: &[Chosen<'_>], context: &Context<'_>) -> Result<()> {
    if context.mirror == Mirror::AnySet {
        return Ok(());
    }
    let versions = chosen.iter().filter_map(|c| c.key.version.as_ref());
    let odd: Vec<String> = versions
        .filter(|v| v.as_bigint().is_none())
        .map(|v| format!("\"{v}\" is not."))
        .collect();
    if odd.is_empty() {
        return Ok(());
    }
    let text = "versions must be integers below 2^63 with a mirror of golang-migrate";
    Err(Error::new(Kind::InvalidParameter, text)
        .detail(odd.join("\n"))
        .hint(context.shared_command("SELECT strata.migrate_unmirror", &[])))
}

/// The up of a version that is reverted in the same run: the registered text, or, when the file is gone, the one
/// that ran. 55000 without either.
pub fn again<'a>(set: &Set<'a>, row: &'a Applied) -> Result<Chosen<'a>> {
    let chosen = match (set.file_of(row), row.up) {
        (Some(file), _) => Chosen::new(file),
        (None, Some(up)) => Chosen {
            key: &row.key,
            up: Some(up),
            down_sha: row.down_sha,
            up_error: None,
            run: Run::Text(up.sha),
            cause: Cause::Redo,
            covers: Vec::new(),
        },
        (None, None) => {
            let text = format!("version \"{}\" has no up text", row.key.label());
            let detail = "Its file is no longer in the set, and none was kept.";
            return Err(Error::new(Kind::NotInState, text).detail(detail));
        }
    };
    Ok(Chosen {
        cause: Cause::Redo,
        ..chosen
    })
}

/// The files that run, in order: failed ones that are gone on with, then versions, then repeatables.
///
/// 55000 with all pending versions below the head, unless told otherwise; errors of [`order::sequence`].
pub fn choose<'a>(
    set: &Set<'a>,
    level: &Level<'a>,
    limit: &Limit<'_>,
    failed: &[&'a Applied],
    ask: &Ask,
    context: &Context<'_>,
) -> Result<Vec<Chosen<'a>>> {
    if limit.steps == 0 {
        return Ok(Vec::new());
    }
    let resumed: Vec<&File> = failed.iter().filter_map(|r| set.file_of(r)).collect();
    refuse_beyond(&resumed, limit, context)?;
    let picked = pick(set, level, limit, &resumed, ask, context)?;
    let mut choice = Choice {
        versions: picked.versions,
        repeatables: Vec::new(),
        on_demand: Vec::new(),
        done: level.done.clone(),
    };
    let covered = picked.covered.iter();
    choice
        .done
        .extend(covered.filter_map(|f| f.key.version.as_ref()));
    let more = !choice.versions.is_empty();
    for file in set.repeatables.values().copied() {
        let is_resumed = resumed.iter().any(|r| r.key == file.key);
        if is_resumed || (picked.reaches_end && repeats(set, level, file, more)) {
            choice.repeatables.push(file);
        } else if repeats(set, level, file, more) {
            choice.on_demand.push(file);
        }
    }
    let files = order::sequence(set, &choice)?;
    let chosen = files.into_iter().map(|file| {
        let mut chosen = Chosen::new(file);
        if let Some(row) = failed.iter().find(|r| is_of(r, file)) {
            chosen.key = &row.key;
            chosen.run = rest(row, chosen.run);
        }
        if file.key.kind == FileKind::Baseline {
            chosen.covers.clone_from(&picked.covered);
        }
        chosen
    });
    Ok(chosen.collect())
}

struct Picked<'a> {
    /// failed ones, a baseline file, pending ones
    versions: Vec<&'a File>,
    /// what the baseline file stands for
    covered: Vec<&'a File>,
    /// neither steps nor a target leave anything pending
    reaches_end: bool,
}

fn pick<'a>(
    set: &Set<'a>,
    level: &Level<'a>,
    limit: &Limit<'_>,
    resumed: &[&'a File],
    ask: &Ask,
    context: &Context<'_>,
) -> Result<Picked<'a>> {
    let baseline = baseline(set, level, limit, resumed);
    let is_covered = |file: &File| baseline.is_some_and(|b| file.key.version <= b.key.version);
    let is_resumed = |file: &File| resumed.iter().any(|r| r.key == file.key);
    let is_open = |version: &Version, file: &File| {
        let settled = level.own.contains(version) || is_resumed(file) || is_covered(file);
        limit.holds(version) && !settled
    };
    let open = set.versions.iter().filter(|(v, f)| is_open(v, f));
    let mut pending: Vec<&File> = open.map(|(_, file)| *file).collect();
    let begun = resumed.iter().filter_map(|f| f.key.version.as_ref()).max();
    settle_late(&mut pending, level.head().max(begun), ask, context)?;
    let resumed_versions = resumed.iter().filter(|f| f.key.version.is_some());
    let mut versions: Vec<&File> = resumed_versions.copied().collect();
    versions.extend(baseline.filter(|b| !is_resumed(b)));
    versions.extend(pending);
    let reaches_end = versions.len() <= limit.steps && !cuts_off(set, level, limit);
    versions.truncate(limit.steps);
    let covered = match baseline {
        Some(b) if versions.iter().any(|f| f.key == b.key) => covered(set, b),
        _ => Vec::new(),
    };
    Ok(Picked {
        versions,
        covered,
        reaches_end,
    })
}

/// A version may have got another name since.
fn is_of(row: &Applied, file: &File) -> bool {
    let (a, b) = (&row.key, &file.key);
    a.kind == b.kind && a.version == b.version && (a.version.is_some() || a.name == b.name)
}

fn rest(row: &Applied, run: Run) -> Run {
    match run {
        Run::Text(sha) => Run::Rest {
            sha,
            statements_done: row.statements_done,
            prefix: row.prefix,
        },
        other => other,
    }
}

/// A failed version has to be dealt with first, wherever the run is to end.
fn refuse_beyond(resumed: &[&File], limit: &Limit<'_>, context: &Context<'_>) -> Result<()> {
    let beyond = |f: &&&File| f.key.version.as_ref().is_some_and(|v| !limit.holds(v));
    let Some(file) = resumed.iter().find(beyond) else {
        return Ok(());
    };
    let label = file.key.label();
    let text = format!("version \"{label}\" has failed and lies beyond the target");
    let hint = context.plain_command("CALL strata.migrate_deploy", &[]);
    Err(Error::new(Kind::NotInState, text).hint(hint))
}

/// The baseline file that stands for all up to it: the highest within the target, where nothing is applied yet.
fn baseline<'a>(
    set: &Set<'a>,
    level: &Level<'a>,
    limit: &Limit<'_>,
    resumed: &[&'a File],
) -> Option<&'a File> {
    let begun = resumed.iter().find(|f| f.key.kind == FileKind::Baseline);
    if let Some(file) = begun {
        return Some(file);
    }
    if !level.done.is_empty() || resumed.iter().any(|f| f.key.version.is_some()) {
        return None;
    }
    let mut within = set.baselines.iter().filter(|(v, _)| limit.holds(v));
    within.next_back().map(|(_, file)| *file)
}

/// Nothing is applied yet where a baseline file runs, so these are all files up to it.
fn covered<'a>(set: &Set<'a>, baseline: &File) -> Vec<&'a File> {
    let version = baseline.key.version.as_ref();
    version.map_or_else(Vec::new, |v| up_to(&set.versions, v).collect())
}

/// Takes pending versions below the head out, or stops at them, as asked; some files may always come late.
fn settle_late(
    pending: &mut Vec<&File>,
    head: Option<&Version>,
    ask: &Ask,
    context: &Context<'_>,
) -> Result<()> {
    let (Ask::Up { out_of_order, .. } | Ask::Goto { out_of_order, .. }) = ask else {
        return Ok(());
    };
    let Some(head) = head else {
        return Ok(());
    };
    let is_late = |f: &File| {
        f.lateness == Lateness::AsAsked && f.key.version.as_ref().is_some_and(|v| v <= head)
    };
    match out_of_order {
        OutOfOrder::Allow => Ok(()),
        OutOfOrder::Ignore => {
            pending.retain(|f| !is_late(f));
            Ok(())
        }
        OutOfOrder::Error => {
            let late: Vec<&File> = pending.iter().copied().filter(|f| is_late(f)).collect();
            if late.is_empty() {
                return Ok(());
            }
            Err(refuse::out_of_order(&late, head, ask, context))
        }
    }
}

/// Whether the target leaves versions above it, so that the run does not reach the end.
fn cuts_off(set: &Set<'_>, level: &Level<'_>, limit: &Limit<'_>) -> bool {
    let Some(target) = limit.target else {
        return false;
    };
    let mut versions = set.versions.keys().chain(&level.done);
    target.is_none() || versions.any(|v| !limit.holds(v))
}

/// Whether a repeatable has to run: never before, another text, or all that it was built upon has been reverted
/// since. `more`: this run applies versions.
pub fn repeats(set: &Set<'_>, level: &Level<'_>, file: &File, more: bool) -> bool {
    let Some(row) = set.ran.get(file.key.name.as_str()) else {
        return true;
    };
    let same = row.up.map(|t| t.fingerprint) == file.up.map(|t| t.fingerprint);
    if !same {
        return true;
    }
    let mut standing = set.standing().filter(|(v, _)| level.done.contains(v));
    let built_upon = standing.any(|(_, version)| version.applied_order <= row.applied_order);
    !built_upon && (more || !level.done.is_empty())
}

#[cfg(test)]
#[path = "plan_up_tests.rs"]
mod tests;
