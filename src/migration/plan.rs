//! What a run does, step by step, decided from the files, the applied set and what was asked; nothing runs here.
//!
//! A step never applies what is applied, and never reverts what is not. Where anything is in the way, there is no
//! plan at all.

use super::ask::{Ask, Context, Extent, Mirror, OutOfOrder};
use super::refuse;
use super::set::{Applied, Direction, File, Hash, Key, Set, State, Text, TextChange};
use super::version::Version;
use super::{plan_down, plan_up};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;

/// What a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// this text, from the beginning
    Text(Hash),
    /// Nothing: the version has only a down. It counts as applied, as in golang-migrate.
    NoUp,
    /// nothing: `missing_down => 'skip'`
    NoDown,
    /// This text after the statements that are done, if their fingerprint still is `prefix`; else 55000.
    Rest {
        sha: Hash,
        statements_done: i32,
        prefix: Option<Hash>,
    },
}

/// Why a step is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Asked,
    /// one of the two halves of a redo
    Redo,
}

/// A version that counts as applied without having run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    pub key: Key,
    pub up: Option<Text>,
    pub down_sha: Option<Hash>,
}

impl Covered {
    pub(super) fn of(file: &File) -> Covered {
        Covered {
            key: file.key.clone(),
            up: file.up,
            down_sha: file.down.map(|t| t.sha),
        }
    }
}

/// One file, up or down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub direction: Direction,
    /// of the file that runs up; for a down that of the row, which may have kept an older name
    pub key: Key,
    pub run: Run,
    pub cause: Cause,
    /// for an up: what its row is to keep as the text that ran
    pub up: Option<Text>,
    /// for an up: the down text that belongs to it
    pub down_sha: Option<Hash>,
    /// for a baseline file: the versions that become `baseline` with it
    pub covers: Vec<Covered>,
}

/// An applied text that changed only in comments, blanks or line ends: accepted, and to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosmetic {
    pub key: Key,
    pub ran: Text,
    pub registered: Text,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// in the order in which they run
    pub steps: Vec<Step>,
    pub cosmetic: Vec<Cosmetic>,
}

/// The versions that are applied at some moment of a run.
#[derive(Debug, Clone)]
pub struct Level<'a> {
    /// by a row of their own, or by that of a baseline with their number
    pub done: BTreeSet<&'a Version>,
    /// by a row of their own
    pub own: BTreeSet<&'a Version>,
}

impl<'a> Level<'a> {
    /// What is applied, without these rows.
    #[must_use]
    pub fn without(set: &Set<'a>, reverted: &BTreeSet<&Key>) -> Level<'a> {
        let kept = |row: &Applied| row.counts() && !reverted.contains(&row.key);
        let own = set.done.iter().filter(|(_, row)| kept(row));
        let own: BTreeSet<&Version> = own.map(|(version, _)| *version).collect();
        let marks = set.marks.iter().filter(|(_, row)| kept(row));
        let done = marks
            .map(|(version, _)| *version)
            .chain(own.iter().copied());
        Level {
            done: done.collect(),
            own,
        }
    }

    #[must_use]
    pub fn head(&self) -> Option<&'a Version> {
        self.done.last().copied()
    }
}

/// Decides a run.
///
/// 22023 for arguments that do not go together, 42704 unknown target or requirement, 42710 two files for one version,
/// 55006 something is running or deferred, 55000 failed, modified, out of order, or a baseline in the way, 42601 a text
/// does not parse, P0002 no down text.
pub fn plan(files: &[File], applied: &[Applied], ask: &Ask, context: &Context<'_>) -> Result<Plan> {
    let set = Set::new(files, applied);
    refuse::duplicates(&set)?;
    refuse_ignore(ask, context)?;
    let target = target(&set, ask, context)?;
    refuse::running(&set, context)?;
    let failed = refuse::failed(&set, ask, context)?;
    let run = Deciding {
        set: &set,
        ask,
        context,
        failed,
    };
    let steps = match ask {
        Ask::Up { .. } => run.up(&target)?,
        Ask::Down { .. } => run.down(&target)?,
        Ask::Goto { .. } => run.goto(&target)?,
        Ask::Redo { steps } => run.redo(*steps)?,
    };
    let reverted = reverted(&steps);
    let cosmetic = match ask {
        // nothing of the registered texts is used
        Ask::Down { .. } => Vec::new(),
        _ => cosmetic(&set, &reverted),
    };
    Ok(Plan { steps, cosmetic })
}

/// Where a target leads; the outer `None`: none was asked for.
type End = Option<Option<Version>>;

fn target(set: &Set<'_>, ask: &Ask, context: &Context<'_>) -> Result<End> {
    let target = match ask {
        Ask::Up { extent, .. } | Ask::Down { extent, .. } => match extent {
            Extent::Target(target) => target,
            Extent::All | Extent::Steps(_) => return Ok(None),
        },
        Ask::Goto { target, .. } => target,
        Ask::Redo { .. } => return Ok(None),
    };
    let version = context.resolve(target)?;
    if let Some(version) = &version {
        refuse::known(set, version, context)?;
    }
    Ok(Some(version))
}

/// One number cannot say "all but".
fn refuse_ignore(ask: &Ask, context: &Context<'_>) -> Result<()> {
    let ignores = match ask {
        Ask::Up { out_of_order, .. } | Ask::Goto { out_of_order, .. } => {
            *out_of_order == OutOfOrder::Ignore
        }
        Ask::Down { .. } | Ask::Redo { .. } => false,
    };
    if !ignores || context.mirror == Mirror::AnySet {
        return Ok(());
    }
    let text = "out_of_order \"ignore\" cannot be used with a mirror of golang-migrate";
    Err(Error::new(Kind::InvalidParameter, text)
        .detail("Its table holds one number, below which every version is applied.")
        .hint(ask.again(context, &[("out_of_order", "allow")])))
}

fn reverted(steps: &[Step]) -> BTreeSet<&Key> {
    let downs = steps.iter().filter(|s| s.direction == Direction::Down);
    downs.map(|s| &s.key).collect()
}

fn cosmetic(set: &Set<'_>, reverted: &BTreeSet<&Key>) -> Vec<Cosmetic> {
    let judged = set
        .applied
        .iter()
        .filter(|row| row.counts() && row.state != State::Baseline && !reverted.contains(&row.key));
    let mut found: Vec<Cosmetic> = judged
        .filter(|row| set.text_change(row) == TextChange::Cosmetic)
        .filter_map(|row| {
            Some(Cosmetic {
                key: row.key.clone(),
                ran: row.up?,
                registered: set.file_of(row)?.up?,
            })
        })
        .collect();
    found.sort_by(|a, b| (a.key.version.is_none(), &a.key).cmp(&(b.key.version.is_none(), &b.key)));
    found
}

struct Deciding<'s, 'a> {
    set: &'s Set<'a>,
    ask: &'s Ask,
    context: &'s Context<'s>,
    /// to be gone on with, before all else
    failed: Vec<&'a Applied>,
}

impl<'a> Deciding<'_, 'a> {
    fn up(&self, target: &End) -> Result<Vec<Step>> {
        refuse::modified(self.set, &BTreeSet::new(), self.context)?;
        let level = Level::without(self.set, &BTreeSet::new());
        self.ups(&level, target)
    }

    fn ups(&self, level: &Level<'a>, target: &End) -> Result<Vec<Step>> {
        let steps = match self.ask {
            Ask::Up {
                extent: Extent::Steps(n),
                ..
            } => usize::try_from(*n).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let limit = plan_up::Limit {
            steps,
            target: target.as_ref(),
        };
        let files = plan_up::choose(
            self.set,
            level,
            &limit,
            &self.failed,
            self.ask,
            self.context,
        )?;
        refuse::not_parsed(self.set, plan_up::bad_texts(&files))?;
        plan_up::mirrored(&files, self.context)?;
        Ok(files.into_iter().map(plan_up::Chosen::step).collect())
    }

    fn down(&self, target: &End) -> Result<Vec<Step>> {
        let rows = match (self.ask, target) {
            (_, Some(target)) => {
                plan_down::after(self.set, target.as_ref(), &self.failed, self.context)?
            }
            (
                Ask::Down {
                    extent: Extent::Steps(n),
                    ..
                },
                None,
            ) => plan_down::last(self.set, *n, &self.failed, self.context)?,
            _ => plan_down::after(self.set, None, &self.failed, self.context)?,
        };
        let steps = plan_down::steps(self.set, &rows, Cause::Asked, self.ask, self.context)?;
        if self.context.mirror == Mirror::OneNumber {
            plan_down::refuse_gap(self.set, &reverted(&steps), self.context)?;
        }
        Ok(steps)
    }

    fn goto(&self, target: &End) -> Result<Vec<Step>> {
        let version = target.as_ref().and_then(Option::as_ref);
        let rows = plan_down::above(self.set, version, self.context)?;
        let mut steps = plan_down::steps(self.set, &rows, Cause::Asked, self.ask, self.context)?;
        let reverted: BTreeSet<&Key> = rows.iter().map(|r| &r.key).collect();
        refuse::modified(self.set, &reverted, self.context)?;
        let level = Level::without(self.set, &reverted);
        steps.extend(self.ups(&level, target)?);
        Ok(steps)
    }

    fn redo(&self, n: u32) -> Result<Vec<Step>> {
        let rows = plan_down::last(self.set, n, &[], self.context)?;
        let mut steps = plan_down::steps(self.set, &rows, Cause::Redo, self.ask, self.context)?;
        let reverted: BTreeSet<&Key> = rows.iter().map(|r| &r.key).collect();
        refuse::modified(self.set, &reverted, self.context)?;
        // as they were applied: that order is known to work on this database
        let ups: Result<Vec<_>> = rows
            .iter()
            .rev()
            .map(|r| plan_up::again(self.set, r))
            .collect();
        let ups = ups?;
        refuse::not_parsed(self.set, plan_up::bad_texts(&ups))?;
        steps.extend(ups.into_iter().map(plan_up::Chosen::step));
        Ok(steps)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "plan_laws.rs"]
mod laws;
