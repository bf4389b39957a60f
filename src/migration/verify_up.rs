//! Trials of ups: may each run twice, and what do its checks say?

use super::set::{Direction, File, FileKind, Set};
use super::verify::{One, Trial, Tried, Which, try_and_undo, which, with_trial};
use super::version::Version;
use crate::error::{Error, Result};

/// A row of `migrate_verify_up`.
#[derive(Debug, Clone, Default)]
pub struct Up {
    pub version: String,
    pub name: String,
    pub verdict: &'static str,
    pub detail: Option<String>,
}

/// Tries ups twice, and what `N_title.verify.sql` says of them.
pub fn ups(version: Option<&Version>, namespace: &str) -> Result<Vec<Up>> {
    with_trial(namespace, false, |trial| {
        let known = trial.decided.known;
        let set = Set::new(&known.files, &known.applied);
        let (ones, applied) = match which(known, &set, version, namespace)? {
            Which::Pending(ones) => (ones, false),
            // of those that are applied, the one that was asked for
            Which::Applied(ones, _) => (ones.into_iter().rev().take(1).collect(), true),
        };
        let mut rows = Vec::new();
        let tried = try_and_undo(|| {
            for one in &ones {
                let (verdict, detail, go_on) = trial.try_up(one, applied);
                rows.push(Up {
                    version: one.version.to_string(),
                    name: one.name.to_owned(),
                    verdict,
                    detail,
                });
                if !go_on {
                    break;
                }
            }
            Ok(())
        });
        match tried {
            Ok(()) => Ok(rows),
            Err(why) => Err(Error::internal(why)),
        }
    })
}

impl Trial<'_> {
    /// Verdict, detail, and whether what comes after it can be tried.
    fn try_up(&self, one: &One<'_>, applied: bool) -> (&'static str, Option<String>, bool) {
        if !applied && let Err(why) = self.up(one) {
            return ("error", Some(why), false);
        }
        let again = try_and_undo(|| self.up(one));
        if let Some(checked) = self.check(one.version)
            && let Err(why) = checked
        {
            return ("failed", Some(why), true);
        }
        match again {
            Ok(_) => ("ok", None, true),
            Err(why) => ("once", Some(format!("a second time it fails: {why}")), true),
        }
    }

    /// Runs the checks of a version, if it has some.
    fn check(&self, version: &Version) -> Option<Tried<i32>> {
        let of = |f: &&File| {
            f.present && f.key.kind == FileKind::Verify && f.key.version.as_ref() == Some(version)
        };
        let file = self.decided.known.files.iter().find(of)?;
        let sha = file.up?.sha;
        let filename = self
            .decided
            .known
            .stored(&file.key)
            .and_then(|s| s.up_filename.clone())
            .unwrap_or_else(|| file.key.label());
        Some(try_and_undo(|| self.script(sha, Direction::Up, &filename)))
    }
}
