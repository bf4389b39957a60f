//! Flyway's table is a log: rows by installed_rank, of which later ones undo earlier ones. Sources:
//! MigrationInfoServiceImpl.java and CoreMigrationType.java; types that only older or paid editions write are named in
//! its documentation.

use super::foreign::{Tool, canonical};
use super::foreign_hash::Checksum;
use super::foreign_rows::{Cells, ForeignState, ForeignVersion, Imported, UpTo};
use super::version::Version;
use crate::error::Result;

/// What a row does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// a file ran; `text` says whether it was SQL
    Ran { text: bool },
    /// a file that stands for everything up to it ran
    RanBaseline,
    /// the user declared everything up to a version as applied
    Baseline,
    /// an undo file ran
    Undone,
    /// `flyway repair` struck out what is no longer among the files
    Deleted,
    /// Flyway made the schemas
    Schemas,
}

fn event(type_name: &str) -> Option<Event> {
    Some(match type_name {
        "SQL" => Event::Ran { text: true },
        "JDBC" | "SPRING_JDBC" | "SCRIPT" | "CUSTOM" => Event::Ran { text: false },
        "SQL_BASELINE"
        | "JDBC_BASELINE"
        | "SCRIPT_BASELINE"
        | "CUSTOM_BASELINE"
        | "SQL_STATE_SCRIPT"
        | "JDBC_STATE_SCRIPT"
        | "CUSTOM_STATE_SCRIPT" => Event::RanBaseline,
        "BASELINE" => Event::Baseline,
        "UNDO_SQL" | "UNDO_JDBC" | "UNDO_SPRING_JDBC" | "UNDO_SCRIPT" | "UNDO_CUSTOM" => {
            Event::Undone
        }
        "DELETE" => Event::Deleted,
        "SCHEMA" => Event::Schemas,
        _ => return None,
    })
}

/// Whether a later row makes an earlier one void: of one version, or repeatables of one description. What the user
/// declared as baseline stays.
fn replaces(later: &ForeignVersion, seen: &ForeignVersion) -> bool {
    let same = match (&later.version, &seen.version) {
        (Some(a), Some(b)) => canonical(a) == canonical(b),
        (None, None) => later.name == seen.name,
        _ => false,
    };
    same && seen.state != ForeignState::Baseline
}

/// Reads the rows in the order of their rank.
pub(super) fn replay(cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(Tool::Flyway, cells.len());
    let mut without_text = 0;
    for row in cells {
        let type_name = row.need("type")?;
        let Some(event) = event(type_name) else {
            return Err(row.unreadable(format!("has \"{type_name}\" for type")));
        };
        let success = row.flag("success")?;
        let mut entry = ForeignVersion {
            version: row.owned("version"),
            name: row.owned("name"),
            group: None,
            checksum: None,
            applied_at: row.owned("at"),
            state: if success {
                ForeignState::Applied
            } else {
                ForeignState::Failed
            },
        };
        match event {
            Event::Schemas => continue,
            Event::Undone | Event::Deleted => {
                if success {
                    read.applied.retain(|seen| !replaces(&entry, seen));
                    continue;
                }
                // a failed undo leaves its version half there
                entry.state = ForeignState::Failed;
            }
            Event::Baseline => {
                entry.state = ForeignState::Baseline;
                raise(&mut read.up_to, entry.version.as_deref());
            }
            Event::RanBaseline | Event::Ran { .. } => {
                if row.text("checksum").is_some() && event != (Event::Ran { text: false }) {
                    entry.checksum = Some(Checksum::Flyway {
                        crc: row.number("checksum")?,
                        repeatable: entry.version.is_none(),
                    });
                }
                if event == (Event::Ran { text: false }) {
                    without_text += 1;
                }
                if event == Event::RanBaseline && success {
                    raise(&mut read.up_to, entry.version.as_deref());
                }
            }
        }
        // of a repeatable, and of a version that was repaired, the last row counts
        read.applied.retain(|seen| !replaces(&entry, seen));
        read.applied.push(entry);
    }
    if without_text > 0 {
        read.note = Some(format!(
            "Flyway ran {without_text} migrations that are not SQL files."
        ));
    }
    read.set_head();
    read.set_dirty();
    Ok(read)
}

/// Raises the version up to which everything counts as baseline.
fn raise(up_to: &mut Option<UpTo>, version: Option<&str>) {
    let Some(version) = version else {
        return;
    };
    let higher = up_to
        .as_ref()
        .is_none_or(|known| Version::parse(version) > Version::parse(&known.version));
    if higher {
        *up_to = Some(UpTo {
            version: version.to_owned(),
            state: ForeignState::Baseline,
        });
    }
}

#[cfg(test)]
#[path = "foreign_flyway_tests.rs"]
mod tests;
