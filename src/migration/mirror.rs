//! Keeping the table of another tool in step, so that either may be used next: read when a run begins, under that tool's
//! own lock, and written when something has changed.

use super::ask::{self, Mode};
use super::catalog::AppliedRow;
use super::declare::{Change, Row, What};
use super::foreign::Tool;
use super::foreign_rows::{ForeignState, Imported};
use super::foreign_table::Table;
use super::foreign_writes::{AppliedFile, Mirror, writes};
use super::golang_lock::golang_keys;
use super::golang_row::{GolangRow, current, golang_writes};
use super::known::Known;
use super::name;
use super::namespace::{Namespace, StartsAs};
use super::set::{Applied, Direction, FileKind, Set, Source, State};
use super::style::Style;
use super::version::Version;
use super::{catalog, golang_sync, settle, state};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_qualified;
use crate::pg::owner::UserScope;
use crate::pg::session_lock::Key as LockKey;
use std::collections::{BTreeMap, HashMap};

/// The table of a namespace, for one tenant.
pub struct Mirrored {
    pub tool: Tool,
    pub table: Table,
    starts_as: StartsAs,
}

impl Namespace {
    /// The table that it keeps in step. 42P01 when that is gone.
    pub fn mirrored(&self, tenant: Option<&str>, starts_as: &StartsAs) -> Result<Option<Mirrored>> {
        let (Some(tool), Some(relation)) = (&self.mirror_tool, &self.mirror_relation) else {
            return Ok(None);
        };
        let tool = Tool::parse(tool)?;
        let mut table = Table::named(relation)?;
        let (mut named, mut hint) = (
            relation.clone(),
            format!(
                "{} ends it; strata.migrate_mirror() makes it anew.",
                ask::command(&self.name, "SELECT strata.migrate_unmirror", &[])
            ),
        );
        // each tenant has a table of its own, under the same name
        if let (Some(tenant), Some(of)) = (tenant, &table) {
            named = quote_qualified(tenant, &of.name);
            hint = format!(
                "Each schema has its own: CREATE TABLE {named} (LIKE {relation} INCLUDING ALL)"
            );
            table = Table::named(&named)?;
        }
        let table = table.ok_or_else(|| {
            Error::new(
                Kind::UndefinedTable,
                format!("the table \"{named}\" that is to be kept in step does not exist"),
            )
            .hint(hint)
        })?;
        Ok(Some(Mirrored {
            tool,
            table,
            starts_as: starts_as.clone(),
        }))
    }
}

impl Known {
    /// The table that is kept in step, for whoever changes what counts as applied by his word.
    pub fn mirrored(&self, tenant: Option<&str>) -> Result<Option<Mirrored>> {
        match self.namespace.mirror_tool {
            None => Ok(None),
            Some(_) => self
                .namespace
                .mirrored(tenant, &self.namespace.starts_as()?),
        }
    }

    /// Brings it in step with what is applied now.
    pub fn write_mirrored(&self, tenant: Option<&str>) -> Result<()> {
        match self.mirrored(tenant)? {
            None => Ok(()),
            Some(mirrored) => mirrored.write(self, &self.rows, tenant),
        }
    }
}

impl Mirrored {
    /// Locks that the other tool takes while it is at work.
    pub fn locks(&self) -> Result<Vec<LockKey>> {
        if self.tool != Tool::GolangMigrate {
            return Ok(Vec::new());
        }
        let database = super::server::database()?;
        let keys = golang_keys(&self.table.schema, &self.table.name, &database);
        Ok(keys.map(LockKey::Single).to_vec())
    }

    /// Triggers of the table are its owner's: they run as whoever the files run as, and here and now.
    fn as_its_user<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let StartsAs::Confined(role) = self.starts_as else {
            return work();
        };
        let _user = UserScope::local(role);
        let done = work()?;
        settle::constraints(true)?;
        Ok(done)
    }

    /// The version at which the other tool has stopped half way, -1 before the first; of golang-migrate.
    pub fn dirty(&self) -> Result<Option<i64>> {
        let row = match self.tool {
            Tool::GolangMigrate => current(&self.read()?),
            _ => None,
        };
        Ok(row.filter(|row| row.dirty).map(|row| row.version))
    }

    fn read(&self) -> Result<Imported> {
        self.as_its_user(|| self.table.read(self.tool))
    }

    /// Takes over what the other tool did meanwhile. 55000 where it says that it stopped half way.
    pub fn take_over(&self, known: &mut Known, tenant: Option<&str>) -> Result<()> {
        let table = self.read()?;
        let changes = match self.tool {
            Tool::GolangMigrate => golang_sync::sync(
                &known.files,
                &known.applied,
                current(&table),
                &known.context(tenant, Mode::Atomic),
            )?,
            _ => changes(known, &table),
        };
        if changes.is_empty() {
            return Ok(());
        }
        let reason = format!("{} has done it", self.tool.as_str());
        state::write(known, tenant, &changes, "mirror", Some(&reason))?;
        known.read_applied(tenant)
    }

    /// Writes what has changed since `before`.
    pub fn write(&self, known: &Known, before: &[AppliedRow], tenant: Option<&str>) -> Result<()> {
        let table = self.read()?;
        let after = catalog::applied(&known.namespace.name, tenant)?;
        let then: HashMap<_, _> = before.iter().map(|r| (&r.applied.key, r.at_us)).collect();
        let ran = after
            .iter()
            .filter(|r| then.get(&r.applied.key) != Some(&r.at_us));
        let texts = texts(known, ran)?;
        let (before, after) = (files(known, before, &texts), files(known, &after, &texts));
        let mirror = Mirror {
            table: &table,
            width: self.table.width(),
        };
        let writes = writes(mirror, &before, &after)?;
        self.as_its_user(|| self.table.write(&writes))
    }

    /// Says that a version is on its way, or has stopped there; only golang-migrate's table can.
    pub fn mark_dirty(
        &self,
        applied: &[Applied],
        version: &Version,
        direction: Direction,
    ) -> Result<()> {
        if self.tool != Tool::GolangMigrate {
            return Ok(());
        }
        let row: GolangRow = golang_sync::dirty_row(applied, version, direction);
        let table = self.read()?;
        let writes = golang_writes(&table, Some(row));
        self.as_its_user(|| self.table.write(&writes))
    }
}

/// What a table with a row for each version says beyond what we know.
fn changes(known: &Known, table: &Imported) -> Vec<Change> {
    let set = Set::new(&known.files, &known.applied);
    let mut changes = Vec::new();
    let mut gone: Vec<_> = set
        .done
        .values()
        .filter(|row| row.counts() && row.state != State::Baseline)
        .filter(|row| {
            table
                .find(row.key.version.as_ref(), &row.key.name, None)
                .is_none_or(|(state, _)| state == ForeignState::Failed)
        })
        .collect();
    gone.sort_by_key(|row| std::cmp::Reverse(row.applied_order));
    changes.extend(
        gone.into_iter()
            .map(|row| Change::remove(row, What::Reverted)),
    );
    for (version, file) in &set.versions {
        if set.done.contains_key(*version) {
            continue;
        }
        let found = table.find(Some(*version), &file.key.name, None);
        let state = match found {
            Some((ForeignState::Applied, _)) => State::Applied,
            Some((ForeignState::Baseline, _)) => State::Baseline,
            Some((ForeignState::Failed, _)) | None => continue,
        };
        let row = Row::registered(file, state, Source::Mirror);
        changes.push(Change::write(&file.key, What::Applied, row));
    }
    changes
}

/// Texts by their hashes, for tools that keep checksums.
fn texts<'r>(
    known: &Known,
    rows: impl Iterator<Item = &'r AppliedRow>,
) -> Result<BTreeMap<[u8; 32], String>> {
    let hashes = matches!(
        known.namespace.mirror_tool.as_deref(),
        Some("refinery" | "sqlx" | "flyway")
    );
    let mut texts = BTreeMap::new();
    for row in rows.filter(|_| hashes) {
        let known_text = known.stored(&row.applied.key).and_then(|s| s.file.up);
        let Some(text) = row.applied.up.or(known_text) else {
            continue;
        };
        if let std::collections::btree_map::Entry::Vacant(place) = texts.entry(text.sha) {
            place.insert(catalog::body(&text.sha)?.0);
        }
    }
    Ok(texts)
}

/// Rows as the tools see them, in the order in which they were applied.
fn files<'a>(
    known: &'a Known,
    rows: &'a [AppliedRow],
    texts: &'a BTreeMap<[u8; 32], String>,
) -> Vec<AppliedFile<'a>> {
    let mut rows: Vec<&AppliedRow> = rows.iter().filter(|r| r.applied.counts()).collect();
    rows.sort_by_key(|r| r.applied.applied_order);
    rows.into_iter()
        .map(|row| {
            let key = &row.applied.key;
            let stored = known.stored(key);
            let up = row.applied.up.or(stored.and_then(|s| s.file.up));
            AppliedFile {
                kind: key.kind,
                version: key.version.as_ref(),
                written_version: stored.and_then(|s| s.written_version.as_deref()),
                title: &key.name,
                filename: stored
                    .and_then(|s| s.up_filename.as_deref())
                    .unwrap_or(&key.name),
                text: up.and_then(|t| texts.get(&t.sha)).map(String::as_str),
                applied_at_us: row.at_us,
                duration_ns: row.duration_us.saturating_mul(1_000),
            }
        })
        .collect()
}

/// How the name of a file writes its version.
#[must_use]
pub fn written(filename: &str, style: Style) -> Option<String> {
    name::parse(filename, style)?.written_version
}

/// 0A000 for files whose versions the table of golang-migrate cannot hold.
pub fn check_versions(known: &Known, tool: Tool) -> Result<()> {
    if tool != Tool::GolangMigrate {
        return Ok(());
    }
    let odd = known.files.iter().find(|f| {
        f.key.kind == FileKind::Versioned
            && f.key
                .version
                .as_ref()
                .is_some_and(|v| v.as_bigint().is_none())
    });
    match odd {
        None => Ok(()),
        Some(file) => Err(Error::new(
            Kind::NotSupported,
            format!(
                "version {} cannot stand in the table of golang-migrate",
                file.key.line()
            ),
        )
        .detail("It holds whole numbers below 2^63.")),
    }
}
