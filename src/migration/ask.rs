//! What a run was asked for, and how the same is said again in a hint.

use super::set::words;
use super::version::{Target, Version};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeMap;

words! {
    /// What becomes of pending versions below the head: argument `out_of_order`.
    OutOfOrder {
        /// they stop the run
        Error = "error",
        Allow = "allow",
        /// they stay pending
        Ignore = "ignore",
    }
}

words! {
    /// What becomes of a version without down text: argument `missing_down`.
    MissingDown {
        /// it stops the run
        Error = "error",
        /// it counts as reverted, and nothing runs
        Skip = "skip",
    }
}

impl OutOfOrder {
    /// Reads the argument; 22023 with the list for anything else.
    pub fn read(text: &str) -> Result<Self> {
        Self::of(text).ok_or_else(|| unknown("out_of_order", text, Self::WORDS))
    }
}

impl MissingDown {
    /// Reads the argument; 22023 with the list for anything else.
    pub fn read(text: &str) -> Result<Self> {
        Self::of(text).ok_or_else(|| unknown("missing_down", text, Self::WORDS))
    }
}

fn unknown(argument: &str, text: &str, words: &[&str]) -> Error {
    let words: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    let list = match words.split_last() {
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    };
    let message = format!("{argument} \"{text}\" is not known");
    Error::new(Kind::InvalidParameter, message).hint(format!("Use {list}."))
}

/// How far a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// as far as there is anything
    All,
    /// so many versions, or as many as there are
    Steps(u32),
    Target(Target),
}

/// What a run was asked for; made by the functions below, which check the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Up {
        extent: Extent,
        out_of_order: OutOfOrder,
    },
    Down {
        extent: Extent,
        missing_down: MissingDown,
    },
    Goto {
        target: Target,
        out_of_order: OutOfOrder,
    },
    Redo {
        steps: u32,
    },
}

/// No steps are none, as `LIMIT 0` and golang-migrate's `up 0` have it.
fn count(steps: i32) -> Result<u32> {
    u32::try_from(steps).map_err(|_| {
        let message = format!("steps must not be negative, but is {steps}");
        Error::new(Kind::InvalidParameter, message)
    })
}

fn both(one: &str, other: &str) -> Error {
    let message = format!("{one} and {other} cannot be given together");
    Error::new(Kind::InvalidParameter, message)
}

impl Ask {
    /// 22023 for negative steps, or for steps together with a target.
    pub fn up(steps: Option<i32>, target: Option<Target>, out_of_order: OutOfOrder) -> Result<Ask> {
        let extent = match (steps, target) {
            (Some(_), Some(_)) => return Err(both("steps", "target")),
            (Some(steps), None) => Extent::Steps(count(steps)?),
            (None, Some(target)) => Extent::Target(target),
            (None, None) => Extent::All,
        };
        Ok(Ask::Up {
            extent,
            out_of_order,
        })
    }

    /// 22023 for negative steps, or two of steps, target and all versions. One step is the default, so it says
    /// nothing beside the others; NULL is the same as one.
    pub fn down(
        steps: Option<i32>,
        target: Option<Target>,
        all_versions: bool,
        missing_down: MissingDown,
    ) -> Result<Ask> {
        let steps = count(steps.unwrap_or(1))?;
        let extent = match (target, all_versions) {
            (Some(_), true) => return Err(both("target", "all_versions")),
            (Some(_), false) if steps != 1 => return Err(both("steps", "target")),
            (None, true) if steps != 1 => return Err(both("steps", "all_versions")),
            (Some(target), false) => Extent::Target(target),
            (None, true) => Extent::All,
            (None, false) => Extent::Steps(steps),
        };
        Ok(Ask::Down {
            extent,
            missing_down,
        })
    }

    /// 22023 for negative steps; NULL is one.
    pub fn redo(steps: Option<i32>) -> Result<Ask> {
        let steps = count(steps.unwrap_or(1))?;
        Ok(Ask::Redo { steps })
    }

    /// The same call with other arguments put in.
    #[must_use]
    pub fn again(&self, context: &Context<'_>, put: &[(&str, &str)]) -> String {
        let (function, mut args) = match self {
            Ask::Up { extent, .. } => (context.mode.up(), extent_args(extent)),
            Ask::Down { extent, .. } if *extent == Extent::All => {
                let all = ("all_versions".to_owned(), "true".to_owned());
                (context.mode.down(), vec![all])
            }
            Ask::Down { extent, .. } => (context.mode.down(), extent_args(extent)),
            Ask::Goto { target, .. } => {
                let extent = Extent::Target(target.clone());
                ("SELECT * FROM strata.migrate_goto", extent_args(&extent))
            }
            Ask::Redo { steps } => {
                let extent = Extent::Steps(*steps);
                ("SELECT * FROM strata.migrate_redo", extent_args(&extent))
            }
        };
        args.extend(put.iter().map(|(k, v)| ((*k).to_owned(), literal(v))));
        if context.dry_run {
            args.push(("dry_run".to_owned(), "true".to_owned()));
        }
        context.command(function, args)
    }
}

fn extent_args(extent: &Extent) -> Vec<(String, String)> {
    match extent {
        Extent::All => Vec::new(),
        Extent::Steps(n) => vec![("steps".to_owned(), n.to_string())],
        Extent::Target(t) => vec![("target".to_owned(), literal(&t.to_string()))],
    }
}

/// One transaction for all, or one per file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// a function: everything or nothing
    Atomic,
    /// a procedure: it can go on after a failed version
    Call,
}

impl Mode {
    pub(super) const fn up(self) -> &'static str {
        match self {
            Mode::Atomic => "SELECT * FROM strata.migrate_up",
            Mode::Call => "CALL strata.migrate_deploy",
        }
    }

    pub(super) const fn down(self) -> &'static str {
        match self {
            Mode::Atomic => "SELECT * FROM strata.migrate_down",
            Mode::Call => "CALL strata.migrate_revert",
        }
    }
}

/// What a mirrored table can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mirror {
    /// there is none, or it has a row for each version
    AnySet,
    /// golang-migrate: the highest version, all below are applied
    OneNumber,
}

/// Where a run takes place.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub mode: Mode,
    pub mirror: Mirror,
    pub namespace: &'a str,
    pub tenant: Option<&'a str>,
    /// nothing is done: a call that is proposed does nothing either
    pub dry_run: bool,
    /// without `@`; `None`: set when nothing was applied
    pub tags: &'a BTreeMap<String, Option<Version>>,
}

impl Context<'_> {
    /// A whole command with named arguments, and with tenant and namespace where they are needed.
    #[must_use]
    pub fn command(&self, function: &str, args: Vec<(String, String)>) -> String {
        let args = args.into_iter().map(|(k, v)| format!("{k} => {v}"));
        self.whole(function, args.collect(), self.tenant)
    }

    /// The same for arguments that need no names.
    #[must_use]
    pub fn plain_command(&self, function: &str, args: &[&str]) -> String {
        let args = args.iter().map(|a| (*a).to_owned());
        self.whole(function, args.collect(), self.tenant)
    }

    /// The same for functions that know no tenants.
    #[must_use]
    pub fn shared_command(&self, function: &str, args: &[&str]) -> String {
        let args = args.iter().map(|a| (*a).to_owned());
        self.whole(function, args.collect(), None)
    }

    fn whole(&self, function: &str, mut args: Vec<String>, tenant: Option<&str>) -> String {
        args.extend(tenant.map(|t| format!("tenant => {}", literal(t))));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        command(self.namespace, function, &args)
    }

    /// The version that a target stands for, `None` for before the first; 42704 for an unknown tag.
    pub fn resolve(&self, target: &Target) -> Result<Option<Version>> {
        match target {
            Target::None => Ok(None),
            Target::Version(version) => Ok(Some(version.clone())),
            Target::Tag(tag) => self.tags.get(tag).cloned().ok_or_else(|| {
                let message = format!("tag \"{tag}\" does not exist");
                let known: Vec<&str> = self.tags.keys().map(String::as_str).collect();
                // with the version: the head may be another one than the one that was meant
                let args = [literal(tag), "'...'".to_owned()];
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let hint = self.shared_command("SELECT strata.migrate_tag", &args);
                let error = Error::new(Kind::UndefinedObject, message).hint(hint);
                match known.is_empty() {
                    true => error,
                    false => error.detail(format!("There are @{}.", known.join(", @"))),
                }
            }),
        }
    }
}

/// A call of a function for a namespace, which is not said where it is the usual one.
#[must_use]
pub fn command(namespace: &str, function: &str, args: &[&str]) -> String {
    let mut args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    if namespace != "default" {
        args.push(format!("namespace => {}", literal(namespace)));
    }
    format!("{function}({})", args.join(", "))
}

/// A string constant, right with `standard_conforming_strings` on or off.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
