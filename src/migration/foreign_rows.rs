//! What a foreign table says: which versions count as applied, and how a registered file is found among them.

use super::foreign::{Tool, canonical, list_order};
use super::foreign_hash::Checksum;
use super::version::Version;
use crate::error::{Error, Kind, Result};

/// One row: a value for each column of the tool's SELECT, in its order; NULL is `None`.
pub type Row = Vec<Option<String>>;

/// How a version stands in a foreign table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignState {
    Applied,
    /// counts as applied, but its text never ran
    Baseline,
    /// begun and not finished; does not count
    Failed,
}

/// A version or a name that a foreign table lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignVersion {
    /// as the tool wrote it, leading zeros and all; `None` when the tool goes by names, and for repeatables
    pub version: Option<String>,
    /// title, description or name, as the tool wrote it
    pub name: Option<String>,
    /// project of sqitch, app of Django
    pub group: Option<String>,
    pub checksum: Option<Checksum>,
    /// RFC 3339, in UTC; of refinery as it stands in the table
    pub applied_at: Option<String>,
    pub state: ForeignState,
}

/// A table that says of itself that a run was cut short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirty {
    /// `None`: golang-migrate failed on the way down from the first version
    pub version: Option<String>,
}

/// All versions up to this one count as well, whether listed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpTo {
    pub version: String,
    /// `Applied` for tools that keep a head only, `Baseline` for a baseline of Flyway
    pub state: ForeignState,
}

/// What a foreign table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub tool: Tool,
    /// rows that were read
    pub rows: usize,
    /// what is listed, in the order of its rows where that is the order of application
    pub applied: Vec<ForeignVersion>,
    pub up_to: Option<UpTo>,
    /// highest version that counts; the newest name where there are no numbers but an order
    pub head: Option<String>,
    pub dirty: Option<Dirty>,
    /// a sentence for the user
    pub note: Option<String>,
}

impl Imported {
    /// A table of which nothing has been read yet.
    pub(super) fn empty(tool: Tool, rows: usize) -> Imported {
        Imported {
            tool,
            rows,
            applied: Vec::new(),
            up_to: None,
            head: None,
            dirty: None,
            note: None,
        }
    }

    /// Whether and how a registered file counts: its version (none for a repeatable), the title in its name. With the
    /// row that says so, if one does; a failed one is reported as such. `group`: look at this project or app only;
    /// without it, a name that several of them have is nobody's.
    #[must_use]
    pub fn find(
        &self,
        version: Option<&Version>,
        title: &str,
        group: Option<&str>,
    ) -> Option<(ForeignState, Option<&ForeignVersion>)> {
        let mut rows = self
            .applied
            .iter()
            .filter(|row| group.is_none() || row.group.as_deref() == group)
            .filter(|row| match &row.version {
                Some(listed) => version.is_some() && Version::parse(listed).as_ref() == version,
                None => self.is_named(row.name.as_deref().unwrap_or(""), version, title),
            });
        // the last one: sqitch lists a reworked change twice
        if let Some(row) = rows.next_back() {
            let clear = rows.all(|other| other.group == row.group);
            return clear.then_some((row.state, Some(row)));
        }
        let up_to = self.up_to.as_ref()?;
        (*version? <= Version::parse(&up_to.version)?).then_some((up_to.state, None))
    }

    /// Whether a name of the tool is that of a file: the title, or number and title. A blank and `_` are the same.
    fn is_named(&self, name: &str, version: Option<&Version>, title: &str) -> bool {
        let title = spaced(title);
        if self.tool == Tool::Flyway {
            // only its repeatables go by name
            return version.is_none() && spaced(name) == title;
        }
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = name.split_at(digits);
        let rest = rest.strip_prefix(['_', '-']);
        spaced(name) == title
            || rest.is_some_and(|rest| {
                version.is_some()
                    && Version::parse(number).as_ref() == version
                    && spaced(rest) == title
            })
    }

    /// Sets the head to the highest version that counts.
    pub(super) fn set_head(&mut self) {
        let listed = self
            .applied
            .iter()
            .filter(|row| row.state != ForeignState::Failed)
            .filter_map(|row| row.version.as_deref());
        let all = listed.chain(self.up_to.as_ref().map(|up_to| up_to.version.as_str()));
        self.head = all.max_by(|a, b| list_order(a, b)).map(canonical);
    }

    /// Sets the table dirty if a row failed.
    pub(super) fn set_dirty(&mut self) {
        self.dirty = self
            .applied
            .iter()
            .find(|row| row.state == ForeignState::Failed)
            .map(|row| Dirty {
                version: row.version.clone().or_else(|| row.name.clone()),
            });
    }
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// A row with the names of its columns.
pub(super) struct Cells<'a> {
    pub(super) tool: Tool,
    pub(super) columns: &'a [&'static str],
    pub(super) row: &'a Row,
    /// from 1, for reports
    pub(super) number: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn text(&self, column: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|name| *name == column)?;
        self.row.get(at)?.as_deref()
    }

    pub(super) fn owned(&self, column: &str) -> Option<String> {
        self.text(column).map(str::to_owned)
    }

    pub(super) fn need(&self, column: &str) -> Result<&'a str> {
        self.text(column)
            .ok_or_else(|| self.unreadable(format!("has no {column}")))
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool> {
        match self.need(column)? {
            "true" | "t" => Ok(true),
            "false" | "f" => Ok(false),
            other => Err(self.unreadable(format!("has \"{other}\" for {column}"))),
        }
    }

    pub(super) fn number<N: std::str::FromStr>(&self, column: &str) -> Result<N> {
        let text = self.need(column)?;
        text.parse()
            .map_err(|_| self.unreadable(format!("has \"{text}\" for {column}")))
    }

    pub(super) fn unreadable(&self, what: String) -> Error {
        Error::new(
            Kind::NotInState,
            format!(
                "row {} of the table of \"{}\" {what}",
                self.number,
                self.tool.as_str()
            ),
        )
    }

    /// A version that is applied, with its moment.
    pub(super) fn listed(&self, version: Option<String>, name: Option<String>) -> ForeignVersion {
        ForeignVersion {
            version,
            name,
            group: None,
            checksum: None,
            applied_at: self.owned("at"),
            state: ForeignState::Applied,
        }
    }
}

#[cfg(test)]
#[path = "foreign_rows_tests.rs"]
mod tests;
