//! What a namespace holds, and what of it is applied: the plain data that every run is decided from.
//!
//! A version is one thing whatever its file is called: a file that was renamed after it ran is still applied.

pub use super::name::{Kind as FileKind, Lateness};
use super::version::Version;
use std::collections::BTreeMap;

/// An enum whose variants are words of the tables and of the SQL surface.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$note])* $variant,)+ }

        #[allow(dead_code, reason = "every one of these enums has all three")]
        impl $name {
            /// Every word, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that stands in tables and results.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant of a word, which is taken as it is written.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use words;

/// sha256.
pub type Hash = [u8; 32];

/// One text by its two hashes (design section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text {
    /// of the text itself; the key of its body
    pub sha: Hash,
    /// of its tokens: equal when only comments, blanks or line ends differ
    pub fingerprint: Hash,
}

words! {
    /// Which way a version goes.
    Direction {
        Up = "up",
        Down = "down",
    }
}

words! {
    /// `migrate_applied.state`.
    State {
        Applied = "applied",
        /// a CALL run had committed a part of it
        Failed = "failed",
        /// a worker is at it: the row is its lease
        Running = "running",
        /// applied, but for a deferred statement
        Waiting = "waiting",
        /// counts as applied, never ran here
        Baseline = "baseline",
        AppliedWithErrors = "applied_with_errors",
    }
}

words! {
    /// How a version came to count as applied.
    Source {
        Run = "run",
        Baseline = "baseline",
        Force = "force",
        Adopt = "adopt",
        Mirror = "mirror",
    }
}

/// What a file or a row of the applied set is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: FileKind,
    /// `None` for repeatables and hooks
    pub version: Option<Version>,
    pub name: String,
}

impl Key {
    /// Short name for messages: `12`, `B3`, `R__views`.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.kind, &self.version) {
            (FileKind::Repeatable, _) => format!("R__{}", self.name),
            (FileKind::Baseline, Some(version)) => format!("B{version}"),
            (_, Some(version)) => version.to_string(),
            (_, None) => self.name.clone(),
        }
    }

    /// The label in quotes and, where it does not say it already, the name: `"12" (tariffs)`.
    #[must_use]
    pub fn line(&self) -> String {
        if self.version.is_none() || self.name.is_empty() {
            format!("\"{}\"", self.label())
        } else {
            format!("\"{}\" ({})", self.label(), self.name)
        }
    }
}

/// A registered file: up and down text of one version, or a file of another kind, whose text is its up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub key: Key,
    pub up: Option<Text>,
    pub down: Option<Text>,
    /// false: no longer in the set (`prune`). Such a file is never run up.
    pub present: bool,
    /// whether `out_of_order` has a say in it
    pub lateness: Lateness,
    /// `requires=` as written: `12`, `R__views`
    pub requires: Vec<String>,
    /// why the up text does not parse, with the variables of this run filled in
    pub up_error: Option<String>,
    pub down_error: Option<String>,
}

/// A row of the applied set of one namespace and tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub key: Key,
    pub state: State,
    /// what a failed or running row was doing; up for all others
    pub direction: Direction,
    /// as it ran, or as it was registered when the version came to count as applied
    pub up: Option<Text>,
    pub down_sha: Option<Hash>,
    /// grows with every run of a version or repeatable, also when a repeatable runs again
    pub applied_order: i64,
    /// for a failed row
    pub statements_done: i32,
    /// fingerprint of the statements done, for a failed row
    pub prefix: Option<Hash>,
    pub source: Source,
}

impl Applied {
    /// Whether its effects are in the database: not when it stopped half way or is under way.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.state, State::Failed | State::Running)
    }

    /// Whether a down can take it back: what is only a baseline never ran here.
    #[must_use]
    pub fn revertible(&self) -> bool {
        self.key.kind == FileKind::Versioned && self.counts() && self.state != State::Baseline
    }
}

/// How the registered up text compares with the one that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextChange {
    Same,
    /// comments, blanks, line ends
    Cosmetic,
    Modified,
    /// the file, or its up text, is not in the set any more
    Missing,
    /// no text is known for the row (adopted or mirrored before its file was registered)
    Unknown,
}

/// Files and rows by version and name.
#[derive(Debug)]
pub struct Set<'a> {
    /// all files, also those no longer in the set
    pub files: &'a [File],
    pub applied: &'a [Applied],
    /// present versioned files
    pub versions: BTreeMap<&'a Version, &'a File>,
    /// present baseline files
    pub baselines: BTreeMap<&'a Version, &'a File>,
    /// present repeatable files
    pub repeatables: BTreeMap<&'a str, &'a File>,
    /// two present files that claim one place
    pub duplicates: Vec<(&'a File, &'a File)>,
    /// rows of versions
    pub done: BTreeMap<&'a Version, &'a Applied>,
    /// rows of baseline files and marks
    pub marks: BTreeMap<&'a Version, &'a Applied>,
    /// rows of repeatables
    pub ran: BTreeMap<&'a str, &'a Applied>,
}

impl<'a> Set<'a> {
    /// Sorts both lists; takes n log n.
    #[must_use]
    pub fn new(files: &'a [File], applied: &'a [Applied]) -> Set<'a> {
        let mut set = Set {
            files,
            applied,
            versions: BTreeMap::new(),
            baselines: BTreeMap::new(),
            repeatables: BTreeMap::new(),
            duplicates: Vec::new(),
            done: BTreeMap::new(),
            marks: BTreeMap::new(),
            ran: BTreeMap::new(),
        };
        for file in files.iter().filter(|f| f.present) {
            let other = match (file.key.kind, &file.key.version) {
                (FileKind::Versioned, Some(v)) => set.versions.insert(v, file),
                (FileKind::Baseline, Some(v)) => set.baselines.insert(v, file),
                (FileKind::Repeatable, _) => set.repeatables.insert(&file.key.name, file),
                _ => None,
            };
            set.duplicates.extend(other.map(|first| (first, file)));
        }
        for row in applied {
            match (row.key.kind, &row.key.version) {
                (FileKind::Versioned, Some(v)) => {
                    set.done.insert(v, row);
                }
                (FileKind::Baseline, Some(v)) => {
                    set.marks.insert(v, row);
                }
                (FileKind::Repeatable, _) => {
                    set.ran.insert(&row.key.name, row);
                }
                _ => {}
            }
        }
        set
    }

    /// Rows of versions and baselines whose effects are in the database, in no order of note.
    pub fn standing(&self) -> impl Iterator<Item = (&'a Version, &'a Applied)> + '_ {
        let rows = self.done.iter().chain(&self.marks);
        rows.filter(|(_, row)| row.counts())
            .map(|(v, row)| (*v, *row))
    }

    /// The highest version that is applied.
    #[must_use]
    pub fn head(&self) -> Option<&'a Version> {
        self.standing().map(|(version, _)| version).max()
    }

    /// The highest version that is applied or was begun: what comes below it comes late.
    #[must_use]
    pub fn front(&self) -> Option<&'a Version> {
        let rows = self.done.keys().chain(self.marks.keys());
        rows.copied().max()
    }

    /// Whether a target may name it: a file of the set, or applied.
    #[must_use]
    pub fn knows(&self, version: &Version) -> bool {
        self.versions.contains_key(version)
            || self.baselines.contains_key(version)
            || self.done.contains_key(version)
            || self.marks.contains_key(version)
    }

    /// The file of the set that a row is about.
    #[must_use]
    pub fn file_of(&self, row: &Applied) -> Option<&'a File> {
        match (row.key.kind, &row.key.version) {
            (FileKind::Versioned, Some(v)) => self.versions.get(v).copied(),
            (FileKind::Baseline, Some(v)) => self.baselines.get(v).copied(),
            (FileKind::Repeatable, _) => self.repeatables.get(row.key.name.as_str()).copied(),
            _ => None,
        }
    }

    /// Compares the text that ran with the registered one.
    #[must_use]
    pub fn text_change(&self, row: &Applied) -> TextChange {
        let Some(file) = self.file_of(row) else {
            return TextChange::Missing;
        };
        match (row.up, file.up) {
            // it ran without an up, and what came since has never run
            (None, Some(_)) if row.source == Source::Run => TextChange::Modified,
            (None, _) => TextChange::Unknown,
            (Some(_), None) => TextChange::Missing,
            (Some(ran), Some(now)) if ran.sha == now.sha => TextChange::Same,
            (Some(ran), Some(now)) if ran.fingerprint == now.fingerprint => TextChange::Cosmetic,
            (Some(_), Some(_)) => TextChange::Modified,
        }
    }

    /// Whether the registered text is really another one, in a version that ran: what stops a run.
    #[must_use]
    pub fn is_modified(&self, row: &Applied) -> bool {
        let judged = row.key.kind == FileKind::Versioned
            && row.counts()
            // its text never ran here, so it cannot have run otherwise
            && row.state != State::Baseline;
        judged && self.text_change(row) == TextChange::Modified
    }
}

/// The entries up to a version, ascending.
pub(super) fn up_to<'m, T: Copy>(
    map: &'m BTreeMap<&Version, T>,
    version: &'m Version,
) -> impl Iterator<Item = T> + 'm {
    let entries = map.iter().take_while(move |(v, _)| **v <= version);
    entries.map(|(_, entry)| *entry)
}

#[cfg(test)]
#[path = "set_samples.rs"]
pub mod samples;

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
