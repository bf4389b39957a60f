//! What the name of a file says: version, title, kind and direction, by the rules of one tool or of all.
//!
//! Rules are those of the tools' own parsers: golang-migrate source/parse.go, sqlx-core migrate/source.rs, goose
//! migration.go (NumericComponent), dbmate pkg/dbmate/db.go, tern migrate/migrate.go, sql-migrate migrate.go, Flyway
//! ResourceNameParser.java and MigrationVersion.java, refinery_core util.rs, diesel migrations_internals. Narrower
//! than they are: the extension is always `.sql`, a number needs its `_`, and no number has a sign.

use super::style::Style;
use super::version::Version;
use serde::{Deserialize, Serialize};
use std::fmt;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// once, before the first file of a run
    BeforeAll,
    /// before each file
    BeforeEach,
    /// after each file
    AfterEach,
    /// once, after the last file of a run
    AfterAll,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// runs once, in the order of versions
    Versioned,
    /// runs whenever its text has changed; has a title instead of a version
    Repeatable,
    /// stands for everything up to its version, on an empty database
    Baseline,
    /// checks that its version did what it should
    Verify,
    Hook(Hook),
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Versioned,
        Kind::Repeatable,
        Kind::Baseline,
        Kind::Verify,
        Kind::Hook(Hook::BeforeAll),
        Kind::Hook(Hook::BeforeEach),
        Kind::Hook(Hook::AfterEach),
        Kind::Hook(Hook::AfterAll),
    ];

    /// The name that users see; for hooks that of the file without `.sql`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Versioned => "versioned",
            Kind::Repeatable => "repeatable",
            Kind::Baseline => "baseline",
            Kind::Verify => "verify",
            Kind::Hook(Hook::BeforeAll) => "before_all",
            Kind::Hook(Hook::BeforeEach) => "before_each",
            Kind::Hook(Hook::AfterEach) => "after_each",
            Kind::Hook(Hook::AfterAll) => "after_all",
        }
    }

    /// The kind that has this name.
    #[must_use]
    pub fn named(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.name() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Up,
    Down,
    /// a plain file: up, and perhaps a down section that only the text tells (`Sections::direction`)
    Both,
}

impl Direction {
    /// The name that users see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
            Direction::Both => "both",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a version below the head may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lateness {
    /// as the argument `out_of_order` says
    #[default]
    AsAsked,
    /// always, as refinery's U files
    Allowed,
}

/// A file name that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `None` for repeatables and hooks
    pub version: Option<Version>,
    /// the version as its tool writes it into a text column: leading zeros stay; Flyway's `_` is a dot, diesel's `-`
    /// is left out
    pub written_version: Option<String>,
    /// as in the file name, so with `_` where Flyway and sqlx show blanks; may be empty
    pub title: String,
    pub kind: Kind,
    pub direction: Direction,
    pub lateness: Lateness,
    /// The style that was asked for. When that was `auto`: the tool whose form it is, and `auto` itself where several
    /// tools share it (`N_title.sql`) or none has it (`V1.title.up.sql`, `N_title.verify.sql`, `before_all.sql`).
    /// The same name is always read alike in `auto` and in the style that is reported.
    pub style: Style,
}

/// What one file of a set is told from others by; two files with equal keys and a common direction cannot both be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    pub kind: Kind,
    pub version: Option<&'a Version>,
    /// only where there is no version
    pub title: Option<&'a str>,
}

impl Name {
    #[must_use]
    pub fn key(&self) -> Key<'_> {
        let title = match self.version {
            Some(_) => None,
            None => Some(self.title.as_str()),
        };
        Key {
            kind: self.kind,
            version: self.version.as_ref(),
            title,
        }
    }

    pub(super) fn up(style: Style, kind: Kind, title: &str) -> Name {
        Name {
            version: None,
            written_version: None,
            title: title.to_owned(),
            kind,
            direction: Direction::Up,
            lateness: Lateness::AsAsked,
            style,
        }
    }

    pub(super) fn of(self, version: Version, written: &str) -> Name {
        Name {
            version: Some(version),
            written_version: Some(written.to_owned()),
            ..self
        }
    }

    pub(super) fn going(self, direction: Direction) -> Name {
        Name { direction, ..self }
    }
}

/// Reads a file name; `None` when it is not the name of a migration in this style.
///
/// Folders before the name are passed over, with `/` or `\` after each; only diesel's `TS_title/up.sql` takes version
/// and title from the last one. Hooks are read in every style, `N_title.verify.sql` in all that number their files.
#[must_use]
pub fn parse(filename: &str, style: Style) -> Option<Name> {
    let mut path = filename.rsplit(['/', '\\']);
    let base = path.next()?;
    // golang-migrate's pattern ends at a newline too
    if base.contains(['\n', '\r']) {
        return None;
    }
    if let Some(hook) = hook(base, style) {
        return Some(hook);
    }
    match style {
        Style::Auto => diesel(path.next(), base, style)
            .or_else(|| numbered(base, style))
            .or_else(|| super::name_prefix::parse(base, style)),
        Style::Diesel => diesel(path.next(), base, style),
        Style::Flyway | Style::Refinery => {
            super::name_prefix::parse(base, style).or_else(|| verify(base, style))
        }
        _ => numbered(base, style),
    }
}

/// `before_all.sql`; `beforeMigrate.sql` and `beforeMigrate__title.sql` as Flyway's callbacks.
fn hook(base: &str, style: Style) -> Option<Name> {
    let stem = base.strip_suffix(".sql")?;
    let (event, title) = stem.split_once("__").unwrap_or((stem, ""));
    let (hook, form) = match event {
        "beforeMigrate" => (Hook::BeforeAll, Style::Flyway),
        "beforeEachMigrate" => (Hook::BeforeEach, Style::Flyway),
        "afterEachMigrate" => (Hook::AfterEach, Style::Flyway),
        "afterMigrate" => (Hook::AfterAll, Style::Flyway),
        _ => match Kind::named(stem)? {
            Kind::Hook(hook) => (hook, Style::Auto),
            _ => return None,
        },
    };
    Some(Name::up(form_of(style, form), Kind::Hook(hook), title))
}

/// The style to report for a form of this tool.
pub(super) fn form_of(asked: Style, form: Style) -> Style {
    match asked {
        Style::Auto => form,
        _ => asked,
    }
}

/// Cuts `stem` into the digits that it begins with and what follows their `_`.
fn number_and_title(stem: &str) -> Option<(&str, &str)> {
    let (digits, title) = stem.split_once('_')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some((digits, title))
}

/// `N_title.verify.sql`, which is a form of ours.
fn verify(base: &str, style: Style) -> Option<Name> {
    let stem = base.strip_suffix(".verify.sql")?;
    let (digits, title) = number_and_title(stem)?;
    let name = Name::up(style, Kind::Verify, title);
    Some(name.of(number(style, digits)?, digits))
}

/// `N_title.sql`, `N_title.up.sql`, `N_title.down.sql`, `N_title.verify.sql`.
fn numbered(base: &str, style: Style) -> Option<Name> {
    let stem = base.strip_suffix(".sql")?;
    let (digits, rest) = number_and_title(stem)?;
    let paired = paired(rest);
    // golang-migrate would take `1_x.down.old.sql` for a down
    if paired.is_none() && has_inner_direction(rest) && is_golang(style) {
        return None;
    }
    let (style, title, direction) = match (style, paired) {
        (Style::Auto | Style::GolangMigrate | Style::Sqlx, Some((title, direction))) => {
            (form_of(style, Style::GolangMigrate), title, direction)
        }
        _ if rest.ends_with(".verify") => return verify(base, style),
        (Style::GolangMigrate, None) => return None,
        // tern wants a title
        (Style::Tern, _) if rest.is_empty() => return None,
        (Style::Sqlx, None) => (style, rest, Direction::Up),
        // to the others `.up` is a part of the title
        _ => (style, rest, Direction::Both),
    };
    let name = Name::up(style, Kind::Versioned, title).going(direction);
    Some(name.of(number(style, digits)?, digits))
}

fn is_golang(style: Style) -> bool {
    matches!(style, Style::Auto | Style::GolangMigrate)
}

/// Title and direction of `title.up` and `title.down`; the title may be empty.
pub(super) fn paired(stem: &str) -> Option<(&str, Direction)> {
    let up = stem.strip_suffix(".up").map(|t| (t, Direction::Up));
    up.or_else(|| stem.strip_suffix(".down").map(|t| (t, Direction::Down)))
}

fn has_inner_direction(stem: &str) -> bool {
    stem.contains(".up.") || stem.contains(".down.")
}

/// The version, if the tool can hold it: golang-migrate 64 bits, sqlx and sql-migrate 63, goose 63 and not 0, tern 31
/// and not 0; dbmate keeps text.
fn number(style: Style, digits: &str) -> Option<Version> {
    let version = Version::parse(digits)?;
    let within = |low, high| version.as_u64().is_some_and(|n| (low..=high).contains(&n));
    let holds = match style {
        Style::GolangMigrate => within(0, u64::MAX),
        Style::Sqlx | Style::SqlMigrate => within(0, i64::MAX.unsigned_abs()),
        Style::Goose => within(1, i64::MAX.unsigned_abs()),
        Style::Tern => within(1, u64::from(i32::MAX.unsigned_abs())),
        _ => true,
    };
    holds.then_some(version)
}

/// `TS_title/up.sql`: the version is what comes before the first `_`, without its `-`.
fn diesel(folder: Option<&str>, base: &str, style: Style) -> Option<Name> {
    let (kind, direction) = match base {
        "up.sql" => (Kind::Versioned, Direction::Up),
        "down.sql" => (Kind::Versioned, Direction::Down),
        // ours; diesel passes over other files
        "verify.sql" => (Kind::Verify, Direction::Up),
        _ => return None,
    };
    let folder = folder?;
    let (stamp, title) = match folder.split_once('_') {
        Some(cut) => cut,
        None if style == Style::Diesel => (folder, ""),
        None => return None,
    };
    if !stamp.starts_with(|c: char| c.is_ascii_digit()) || stamp.contains('.') {
        return None;
    }
    let digits = stamp.replace('-', "");
    let version = Version::parse(&digits)?;
    let name = Name::up(Style::Diesel, kind, title).going(direction);
    Some(name.of(version, &digits))
}

#[cfg(test)]
#[path = "name_tests.rs"]
pub(crate) mod tests;
