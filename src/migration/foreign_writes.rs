//! Keeping a foreign table in step: the statements that make it say what is applied now, in the tool's own words.
//!
//! Only what changed is written: no TRUNCATE, no row of a version that we do not know is touched, columns that the
//! user added are left to their defaults. The statements run as the caller.

use super::flyway_row;
use super::foreign::{Tool, Width};
use super::foreign_hash::{self, hex};
use super::foreign_rows::{ForeignVersion, Imported};
use super::golang_row::{golang_writes, row_for};
use super::moment::rfc3339;
use super::name::Kind as FileKind;
use super::version::Version;
use crate::error::{Error, Kind, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    Int4,
    Int8,
    Bool,
    Text,
    /// the value is hexadecimal digits, which the statement decodes
    Hex,
}

/// A value for `$1`, `$2` and so on. The statement casts each, so all may be bound as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub kind: ParamType,
    pub value: Option<String>,
}

/// One statement; `{}` stands for the relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub sql: &'static str,
    pub params: Vec<Param>,
}

/// A file of ours that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppliedFile<'a> {
    /// versioned, repeatable or baseline; others are passed over
    pub kind: FileKind,
    /// none for a repeatable
    pub version: Option<&'a Version>,
    /// `Name::written_version`: with leading zeros, for tools that keep text
    pub written_version: Option<&'a str>,
    /// the title in the file's name
    pub title: &'a str,
    /// the file's name as registered
    pub filename: &'a str,
    /// the up text that ran; needed where the tool keeps a checksum and the file is new
    pub text: Option<&'a str>,
    /// when it was applied, in microseconds since 1970 UTC; another moment means that it was applied once more
    pub applied_at_us: i64,
    pub duration_ns: i64,
}

/// A foreign table as it was read under the lock.
#[derive(Debug, Clone, Copy)]
pub struct Mirror<'a> {
    pub table: &'a Imported,
    /// of the column `version`; matters for refinery alone
    pub width: Width,
}

pub(super) fn int8(value: impl std::fmt::Display) -> Param {
    Param {
        kind: ParamType::Int8,
        value: Some(value.to_string()),
    }
}

pub(super) fn int4(value: Option<i32>) -> Param {
    Param {
        kind: ParamType::Int4,
        value: value.map(|value| value.to_string()),
    }
}

pub(super) fn text(value: Option<&str>) -> Param {
    Param {
        kind: ParamType::Text,
        value: value.map(str::to_owned),
    }
}

/// The statements that bring the table from one set of applied files to another, both in order of application.
/// `before` empty fills a new table. A file in both with another moment was applied again. What the table shows or
/// lacks already costs no statement. Errors: 0A000 for a tool that is not mirrored, or a version that its table cannot
/// hold; XX000 when a text is missing.
pub fn writes(mirror: Mirror, before: &[AppliedFile], after: &[AppliedFile]) -> Result<Vec<Write>> {
    let tool = mirror.table.tool;
    tool.check_mirror()?;
    if tool == Tool::GolangMigrate {
        return Ok(golang_writes(mirror.table, row_for(after)?));
    }
    let table = rows_by_key(mirror.table);
    let rows = |key| table.get(key).map_or(&[][..], Vec::as_slice);
    let (old, new) = (Set::of(tool, before), Set::of(tool, after));
    let mut all = Vec::new();
    for (key, file) in old.files.iter().rev() {
        let now = new.moments.get(key);
        if now != Some(&file.applied_at_us) {
            let removed = rows(key).iter().map(|row| remove(tool, row, now.is_some()));
            all.extend(removed.flatten());
        }
    }
    for (key, file) in &new.files {
        let then = old.moments.get(key);
        let ran = then != Some(&file.applied_at_us);
        if ran && (then.is_some() || rows(key).is_empty()) {
            all.push(add(mirror, file)?);
        }
    }
    Ok(all)
}

/// The files that the tool has rows for, each key once: of a baseline file and a versioned one of one number, the
/// first.
struct Set<'a, 'b> {
    files: Vec<(Key, &'a AppliedFile<'b>)>,
    moments: HashMap<Key, i64>,
}

impl<'a, 'b> Set<'a, 'b> {
    fn of(tool: Tool, all: &'a [AppliedFile<'b>]) -> Set<'a, 'b> {
        let mut set = Set {
            files: Vec::with_capacity(all.len()),
            moments: HashMap::with_capacity(all.len()),
        };
        for file in all.iter().filter(|file| is_kept(tool, file)) {
            if let Entry::Vacant(place) = set.moments.entry(Key::of(file)) {
                place.insert(file.applied_at_us);
                set.files.push((Key::of(file), file));
            }
        }
        set
    }
}

/// What a file is told from others by.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Version(Version),
    /// of a repeatable, as Flyway shows it
    Description(String),
}

impl Key {
    fn of(file: &AppliedFile) -> Key {
        match file.version {
            Some(version) => Key::Version(version.clone()),
            None => Key::Description(description(file.title)),
        }
    }
}

/// What the table lists, under whatever spelling.
fn rows_by_key(table: &Imported) -> HashMap<Key, Vec<&ForeignVersion>> {
    let mut rows: HashMap<Key, Vec<&ForeignVersion>> = HashMap::new();
    for row in &table.applied {
        let key = match (&row.version, &row.name) {
            (Some(version), _) => Version::parse(version).map(Key::Version),
            (None, name) => name.clone().map(Key::Description),
        };
        if let Some(key) = key {
            rows.entry(key).or_default().push(row);
        }
    }
    rows
}

/// Whether the tool has a row for such a file: repeatables are known to Flyway alone.
pub(super) fn is_kept(tool: Tool, applied: &AppliedFile) -> bool {
    match applied.kind {
        FileKind::Versioned | FileKind::Baseline => true,
        FileKind::Repeatable => tool == Tool::Flyway,
        FileKind::Verify | FileKind::Hook(_) => false,
    }
}

/// A version as a whole number, at most `most`. Errors: 0A000.
pub(super) fn whole(tool: Tool, applied: &AppliedFile, most: i64) -> Result<i64> {
    let number = applied.version.and_then(Version::as_bigint);
    number.filter(|number| *number <= most).ok_or_else(|| {
        let version = applied.version.map_or("", Version::as_str);
        Error::new(
            Kind::NotSupported,
            format!(
                "version \"{version}\" cannot stand in the table of \"{}\"",
                tool.as_str()
            ),
        )
        .detail(format!("It holds whole numbers up to {most}."))
    })
}

/// The version as the tool reads it in the file's name.
pub(super) fn written<'a>(applied: &AppliedFile<'a>) -> &'a str {
    let canonical = applied.version.map_or("", Version::as_str);
    applied.written_version.unwrap_or(canonical)
}

/// Removes a row, by the text that stands in it. `again`: the version comes back at once.
fn remove(tool: Tool, row: &ForeignVersion, again: bool) -> Option<Write> {
    let by_number = |sql| {
        row.version.as_deref().map(|version| Write {
            sql,
            params: vec![int8(version)],
        })
    };
    match tool {
        Tool::Refinery | Tool::Sqlx => {
            by_number("DELETE FROM {} WHERE version OPERATOR(pg_catalog.=) $1::pg_catalog.int8")
        }
        // since 2018 goose deletes on the way down (#131)
        Tool::Goose => {
            by_number("DELETE FROM {} WHERE version_id OPERATOR(pg_catalog.=) $1::pg_catalog.int8")
        }
        Tool::Flyway => flyway_row::strike_out(row, again),
        _ => row.version.as_deref().map(|version| Write {
            sql: "DELETE FROM {} WHERE version OPERATOR(pg_catalog.=) $1::pg_catalog.text",
            params: vec![text(Some(version))],
        }),
    }
}

/// The row that the tool would have written after it ran this file.
fn add(mirror: Mirror, applied: &AppliedFile) -> Result<Write> {
    let tool = mirror.table.tool;
    let body = || {
        applied.text.ok_or_else(|| {
            Error::internal(format!(
                "no text of \"{}\" for the table of \"{}\"",
                applied.filename,
                tool.as_str()
            ))
        })
    };
    Ok(match tool {
        Tool::Refinery => {
            let most = match mirror.width {
                Width::Int4 => i64::from(i32::MAX),
                Width::Int8 => i64::MAX,
            };
            let number = whole(tool, applied, most)?;
            let sum = foreign_hash::refinery(number, mirror.width, applied.title, body()?)
                .ok_or_else(|| Error::internal("a version is wider than its column"))?;
            Write {
                sql: "INSERT INTO {} (version, name, applied_on, checksum) VALUES ($1::pg_catalog.int8, \
                      $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text)",
                params: vec![
                    int8(number),
                    text(Some(applied.title)),
                    text(Some(&rfc3339(applied.applied_at_us))),
                    text(Some(&sum.to_string())),
                ],
            }
        }
        Tool::Sqlx => Write {
            // installed_on is left to its default, now()
            sql: "INSERT INTO {} (version, description, success, checksum, execution_time) \
                  VALUES ($1::pg_catalog.int8, $2::pg_catalog.text, true, \
                  pg_catalog.decode($3::pg_catalog.text, 'hex'), $4::pg_catalog.int8)",
            params: vec![
                int8(whole(tool, applied, i64::MAX)?),
                text(Some(&description(applied.title))),
                Param {
                    kind: ParamType::Hex,
                    value: Some(hex(&foreign_hash::sqlx(body()?))),
                },
                int8(applied.duration_ns),
            ],
        },
        Tool::Goose => {
            let number = whole(tool, applied, i64::MAX)?;
            if number == 0 {
                return Err(Error::new(
                    Kind::NotSupported,
                    "version \"0\" cannot stand in the table of \"goose\"",
                )
                .detail("Its row of version 0 only marks that the table exists."));
            }
            Write {
                sql: "INSERT INTO {} (version_id, is_applied) VALUES ($1::pg_catalog.int8, true)",
                params: vec![int8(number)],
            }
        }
        Tool::Flyway => flyway_row::insert(applied, body()?),
        _ => Write {
            sql: "INSERT INTO {} (version) VALUES ($1::pg_catalog.text)",
            params: vec![text(Some(written(applied)))],
        },
    })
}

/// What sqlx and Flyway make of the title in a file's name.
pub(super) fn description(title: &str) -> String {
    title.replace('_', " ")
}

#[cfg(test)]
#[path = "foreign_writes_tests.rs"]
mod tests;
