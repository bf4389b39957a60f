//! Versions of migrations: numbers with dots, of any length, with one spelling and one order.

use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// A version comes from a file name, and no file name is longer (NAME_MAX), in bytes.
const LONGEST: usize = 255;

/// A version in its one spelling: decimal parts joined by dots, no leading zeros, no `.0` at the end.
///
/// So `000038`, `38` and `38.0` are equal, `1.9 < 1.10`, and `1 < 1.0.1`. The order is that of Flyway
/// (MigrationVersion.java) and of `numeric[]` over [`Version::sort_key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

impl Version {
    /// Reads digits with single dots between them. `None` for anything else, signs and blanks included, and for
    /// more than 255 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        if text.len() > LONGEST {
            return None;
        }
        let mut parts = Vec::new();
        for part in text.split('.') {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            parts.push(match part.trim_start_matches('0') {
                "" => "0",
                digits => digits,
            });
        }
        while parts.len() > 1 && parts.last() == Some(&"0") {
            parts.pop();
        }
        Some(Version(parts.join(".")))
    }

    /// The same, where `_` is a dot as well, as in the names of Flyway's files.
    #[must_use]
    pub fn parse_flyway(text: &str) -> Option<Version> {
        Version::parse(&text.replace('_', "."))
    }

    /// The one spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts in decimal, to become `numeric[]`; never empty.
    #[must_use]
    pub fn sort_key(&self) -> Vec<String> {
        self.parts().map(str::to_owned).collect()
    }

    /// The version as tools with a `bigint` column hold it; `None` if it has dots or is 2^63 or more.
    #[must_use]
    pub fn as_bigint(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The version as golang-migrate counts; `None` if it has dots or is 2^64 or more.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Without leading zeros the longer number is the greater one.
    fn ranks(&self) -> impl Iterator<Item = (usize, &str)> {
        self.parts().map(|digits| (digits.len(), digits))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ranks().cmp(other.ranks())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<u64> for Version {
    fn from(number: u64) -> Self {
        Version(number.to_string())
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Version::parse(&text).ok_or_else(|| {
            Error::new(
                Kind::InvalidParameter,
                format!("\"{text}\" is not a version"),
            )
        })
    }
}

/// Where a run is to end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// this version is the last one that is applied
    Version(Version),
    /// the version that has this tag, without the `@`
    Tag(String),
    /// before the first version
    None,
}

impl Target {
    /// Reads the argument `target`: a version, `@tag` or `none`; 22023 for anything else.
    pub fn parse(text: &str) -> Result<Target> {
        if text == "none" {
            return Ok(Target::None);
        }
        if let Some(tag) = text.strip_prefix('@')
            && !tag.is_empty()
        {
            return Ok(Target::Tag(tag.to_owned()));
        }
        Version::parse(text).map(Target::Version).ok_or_else(|| {
            Error::new(
                Kind::InvalidParameter,
                format!("target \"{text}\" is not known"),
            )
            .hint("Use a version such as '38' or '1.2', a tag such as '@release', or 'none'.")
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Version(version) => version.fmt(f),
            Target::Tag(tag) => write!(f, "@{tag}"),
            Target::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
