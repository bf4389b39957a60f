//! Taking over from other tools: which tables there are, what they say is applied, and keeping one in step.

use super::ask;
use super::catalog;
use super::declare::{Change, Row, What};
use super::foreign::Tool;
use super::foreign_hash::Verdict;
use super::foreign_rows::{ForeignState, Imported};
use super::foreign_table::{self, Table};
use super::known::Known;
use super::mirror::{self, Mirrored};
use super::namespace::{self, Namespace, StartsAs};
use super::set::{FileKind, Key, Set, Source, State};
use super::version::Version;
use super::{locks, state};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys::Oid;

/// A row of `migrate_detect`.
pub struct Detected {
    pub tool: &'static str,
    pub relation: Oid,
    pub versions: Option<i64>,
    pub head: Option<String>,
    pub dirty: Option<bool>,
    pub note: Option<String>,
}

/// Tables that look like those of other tools.
pub fn detect() -> Result<Vec<Detected>> {
    let mut found = Vec::new();
    for (table, tool) in foreign_table::all()? {
        let mut row = Detected {
            tool: tool.as_str(),
            relation: table.oid,
            versions: None,
            head: None,
            dirty: None,
            note: None,
        };
        match table.try_read(tool) {
            Ok(read) => {
                let listed = i64::try_from(read.applied.len()).unwrap_or(i64::MAX);
                row.versions = Some(listed.max(i64::from(read.up_to.is_some())));
                row.dirty = Some(read.dirty.is_some());
                row.head = read.head;
                row.note = read.note;
            }
            Err(why) => row.note = Some(why),
        }
        found.push(row);
    }
    Ok(found)
}

/// A row of `migrate_adopt`.
pub struct Adopted {
    pub version: Option<String>,
    pub name: Option<String>,
    pub state: &'static str,
    pub checksum: &'static str,
    pub note: Option<String>,
}

/// The table that is meant. 42704 when there is none, 42710 when there are several.
fn the_table(tool: &str, relation: Option<Oid>) -> Result<(Table, Tool)> {
    let asked = match tool {
        "auto" => None,
        tool => Some(Tool::parse(tool)?),
    };
    if let Some(oid) = relation {
        let table = Table::of(oid)?.ok_or_else(|| {
            Error::new(
                Kind::UndefinedTable,
                format!("there is no relation with OID {}", oid.to_u32()),
            )
        })?;
        let tool = match asked {
            Some(tool) => {
                table.check(tool)?;
                tool
            }
            None => table.tool().ok_or_else(|| {
                Error::new(
                    Kind::InvalidParameter,
                    format!(
                        "table \"{}\" does not look like that of a tool that is known",
                        table.qualified()
                    ),
                )
                .hint("Name the tool: migrate_adopt('golang-migrate', relation => ...)")
            })?,
        };
        return Ok((table, tool));
    }
    let mut found = foreign_table::all()?;
    found.retain(|(_, tool)| asked.is_none_or(|asked| asked == *tool));
    if found.len() > 1 {
        let list = found.iter().map(|(table, tool)| {
            format!(
                "{} looks like that of {}.",
                table.qualified(),
                tool.as_str()
            )
        });
        let text = "several tables could be adopted";
        return Err(Error::new(Kind::DuplicateObject, text)
            .detail(list.collect::<Vec<_>>().join("\n"))
            .hint("SELECT * FROM strata.migrate_adopt('auto', relation => '...')"));
    }
    found.pop().ok_or_else(|| {
        let what = asked.map_or("another tool", Tool::as_str);
        Error::new(
            Kind::UndefinedObject,
            format!("there is no table of {what} in this database"),
        )
        .hint("SELECT * FROM strata.migrate_detect()")
    })
}

/// Counts as applied what the table of another tool says is applied, and says how each version stands. That table stays
/// as it is.
pub fn adopt(
    tool: &str,
    relation: Option<Oid>,
    dry_run: bool,
    namespace: &str,
) -> Result<Vec<Adopted>> {
    super::runs::need_read_committed()?;
    locks::whole(namespace)?;
    let found = namespace::for_files(namespace)?;
    let (table, tool) = the_table(tool, relation)?;
    let known = Known::of(found, None)?;
    let read = table.read(tool)?;
    if let Some(dirty) = &read.dirty {
        let version = dirty.version.as_deref().unwrap_or("-1");
        return Err(Error::new(
            Kind::NotInState,
            format!(
                "table \"{}\" of {} is dirty at version {version}",
                table.qualified(),
                tool.as_str()
            ),
        )
        .detail("That tool stopped half way: the schema may hold a part of that step.")
        .hint("Clear it up with that tool first, or say what is applied: SELECT strata.migrate_force(...)"));
    }
    let (changes, rows) = decide(&known, &read)?;
    if !dry_run {
        let reason = format!("{} of {}", table.qualified(), tool.as_str());
        state::write(&known, None, &changes, "adopt", Some(&reason))?;
    }
    Ok(rows)
}

/// What is to be written, and a row for each version that the table lists or we have.
fn decide(known: &Known, read: &Imported) -> Result<(Vec<Change>, Vec<Adopted>)> {
    let set = Set::new(&known.files, &known.applied);
    let (mut changes, mut rows) = (Vec::new(), Vec::new());
    let mut listed = Vec::new();
    let mut files: Vec<_> = known
        .files
        .iter()
        .filter(|f| f.present && matches!(f.key.kind, FileKind::Versioned | FileKind::Repeatable))
        .collect();
    files.sort_by(|a, b| (a.key.version.is_none(), &a.key).cmp(&(b.key.version.is_none(), &b.key)));
    for file in files {
        let key = &file.key;
        let found = read.find(key.version.as_ref(), &key.name, None);
        let mut row = Adopted {
            version: key.version.as_ref().map(ToString::to_string),
            name: Some(key.name.clone()),
            state: "pending",
            checksum: Verdict::None.as_str(),
            note: None,
        };
        let (state, says) = match found {
            Some((ForeignState::Applied, says)) => (State::Applied, says),
            Some((ForeignState::Baseline, says)) => (State::Baseline, says),
            Some((ForeignState::Failed, _)) => {
                row.state = "failed";
                row.note = Some("it was begun and not finished".to_owned());
                rows.push(row);
                continue;
            }
            None => {
                rows.push(row);
                continue;
            }
        };
        listed.extend(says.map(std::ptr::from_ref));
        row.state = state.word();
        if let (Some(sum), Some(up)) = (says.and_then(|s| s.checksum.as_ref()), file.up) {
            let text = catalog::body(&up.sha)?.0;
            row.checksum = sum.verify(key.version.as_ref(), &key.name, &text).as_str();
        }
        let stands = known.applied.iter().any(|r| r.key == *key && r.counts());
        if stands {
            row.note = Some("is applied already".to_owned());
        } else {
            let new = Row::registered(file, state, Source::Adopt);
            changes.push(Change::write(key, What::Applied, new));
        }
        rows.push(row);
    }
    for says in &read.applied {
        if listed.contains(&std::ptr::from_ref(says)) || says.state == ForeignState::Failed {
            continue;
        }
        let version = says.version.as_deref().and_then(Version::parse);
        let name = says.name.clone().unwrap_or_default();
        if version.as_ref().is_some_and(|v| set.done.contains_key(v)) {
            continue;
        }
        rows.push(Adopted {
            version: says.version.clone(),
            name: says.name.clone(),
            state: if version.is_some() {
                "applied"
            } else {
                "unknown"
            },
            checksum: Verdict::None.as_str(),
            note: Some("there is no file of it".to_owned()),
        });
        if let Some(version) = version {
            let key = Key {
                kind: FileKind::Versioned,
                version: Some(version),
                name,
            };
            let new = Row {
                state: State::Applied,
                source: Source::Adopt,
                up: None,
                down_sha: None,
            };
            changes.push(Change::write(&key, What::Applied, new));
        }
    }
    Ok((changes, rows))
}

const MIRROR: &str =
    "UPDATE strata.migrate_ns SET mirror_tool = $2, mirror_relation = $3 WHERE namespace = $1";

/// Keeps a table in step from now on; made where there is none.
pub fn mirror(tool: &str, relation: Option<&str>, namespace: &str) -> Result<()> {
    super::runs::need_read_committed()?;
    let tool = Tool::parse(tool)?;
    tool.check_mirror()?;
    locks::whole(namespace)?;
    let mut found = namespace::for_files(namespace)?;
    if let Some(other) = &found.mirror_tool {
        return Err(Error::new(
            Kind::DuplicateObject,
            format!("namespace \"{namespace}\" keeps a table of {other} in step already"),
        )
        .hint(ask::command(
            namespace,
            "SELECT strata.migrate_unmirror",
            &[],
        )));
    }
    let starts_as = found.starts_as()?;
    let table = foreign_table::find_or_make(tool, relation, &starts_as)?;
    as_extension_owner(|| {
        let args = [
            namespace.into(),
            tool.as_str().into(),
            table.qualified().into(),
        ];
        spi::execute_latest(MIRROR, &args)
    })?;
    found.mirror_tool = Some(tool.as_str().to_owned());
    found.mirror_relation = Some(table.qualified());
    in_step(found, &starts_as)
}

/// Takes over what the table says, and writes what it lacks.
fn in_step(found: Namespace, starts_as: &StartsAs) -> Result<()> {
    let mut known = Known::of(found, None)?;
    let Some(mirrored) = known.namespace.mirrored(None, starts_as)? else {
        return Ok(());
    };
    mirror::check_versions(&known, mirrored.tool)?;
    locks::others(
        &known.namespace.name,
        &mirrored.locks()?,
        locks::PATIENCE_MS,
    )?;
    if !is_empty(&mirrored)? {
        // what migrate_force() says is not written there before it is kept in step
        let clean = |error: Error| match error.kind {
            Kind::NotInState => {
                let table = mirrored.table.qualified();
                error.hint(format!(
                    "Look what that step has done. Where all of it is there: UPDATE {table} SET dirty = false. Else golang-migrate's own force."
                ))
            }
            _ => error,
        };
        mirrored.take_over(&mut known, None).map_err(clean)?;
    }
    mirrored.write(&known, &[], None)
}

fn is_empty(mirrored: &Mirrored) -> Result<bool> {
    Ok(mirrored.table.read(mirrored.tool)?.rows == 0)
}

/// Lets the table be from now on; it stays as it is.
pub fn unmirror(namespace: &str) -> Result<()> {
    locks::whole(namespace)?;
    let found = namespace::of_member(namespace)?;
    if found.mirror_tool.is_none() {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("namespace \"{namespace}\" keeps no table in step"),
        ));
    }
    let none: Option<&str> = None;
    as_extension_owner(|| {
        spi::execute_latest(MIRROR, &[namespace.into(), none.into(), none.into()])
    })
}

/// Writes the table of another tool once, as that tool would have it now; how many rows it has then.
pub fn export(tool: &str, relation: &str, namespace: &str) -> Result<i64> {
    super::runs::need_read_committed()?;
    let tool = Tool::parse(tool)?;
    tool.check_mirror()?;
    locks::state(namespace, None)?;
    let mut found = namespace::of_member(namespace)?;
    let starts_as = found.starts_as()?;
    let table = foreign_table::find_or_make(tool, Some(relation), &starts_as)?;
    found.mirror_tool = Some(tool.as_str().to_owned());
    found.mirror_relation = Some(table.qualified());
    let known = Known::of(found, None)?;
    mirror::check_versions(&known, tool)?;
    let Some(mirrored) = known.namespace.mirrored(None, &starts_as)? else {
        return Ok(0);
    };
    locks::others(
        &known.namespace.name,
        &mirrored.locks()?,
        locks::PATIENCE_MS,
    )?;
    mirrored.write(&known, &[], None)?;
    let rows = mirrored.table.read(tool)?.rows;
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}
