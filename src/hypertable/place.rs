//! Where a chunk lies and in which order: `move_chunk` and `reorder_chunk`.

use super::chunks::ddl_settings;
use super::target::{Leaf, Target, owned_chunk, tables_of};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{
    check_for_interrupts, qualified_name, quote_ident, quote_literal, relation_name,
};
use crate::pg::owner::as_extension_owner;
use crate::pg::session::notice;
use crate::pg::spi;
use pgrx::pg_sys;

// the part of an index of the hypertable, or of the chunk, that lies on this leaf
const PART_OF: &str = "
WITH RECURSIVE tree (rel) AS (
  SELECT $1::oid
  UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.rel)
SELECT c.relname::text FROM tree t JOIN pg_index x ON x.indexrelid = t.rel JOIN pg_class c ON c.oid = t.rel
WHERE x.indrelid = $2";
const CLUSTERED: &str = "
SELECT c.relname::text FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = $1 AND x.indisclustered";
const INDEXES: &str = "SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = $1 ORDER BY 1";
const IS_INDEX: &str = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = $1)";
// as core decides it: everybody may use the default tablespace of the database
const TABLESPACE: &str = "
SELECT has_tablespace_privilege(t.oid, 'CREATE') OR t.oid = d.dattablespace FROM pg_tablespace t, pg_database d
WHERE t.spcname = $1::name AND d.datname = current_database()";

/// Writes the chunk again in the order of an index: its own, or one of its hypertable, or by default the
/// one that it was ordered by before. AccessExclusiveLock on the chunk while it is written: readers and
/// writers of this chunk wait, those of others do not, as long as their plans leave this one out.
pub fn reorder(chunk: pg_sys::Oid, index: Option<pg_sys::Oid>, verbose: bool) -> Result<()> {
    let target = owned_chunk(chunk)?;
    target.refuse_cold("reorder")?;
    let _settings = ddl_settings();
    target.align_owner()?;
    for leaf in heaps(&target)? {
        cluster(&target, &leaf, index, verbose)?;
    }
    Ok(())
}

fn heaps(target: &Target) -> Result<Vec<Leaf>> {
    let mut all = tables_of(target.chunk.oid)?;
    all.retain(|l| l.relkind == 'r');
    Ok(all)
}

fn cluster(target: &Target, leaf: &Leaf, index: Option<pg_sys::Oid>, verbose: bool) -> Result<()> {
    check_for_interrupts();
    let found = match index {
        Some(index) => spi::write_one(PART_OF, &[index.into(), leaf.oid.into()], |r| {
            r.need::<String>(1)
        })?,
        None => spi::write_one(CLUSTERED, &[leaf.oid.into()], |r| r.need::<String>(1))?,
    };
    let Some(by) = found else {
        return Err(no_index(target, leaf, index)?);
    };
    let (table, by) = (leaf.qualified(), quote_ident(&by));
    // core runs index expressions as the table's owner
    as_extension_owner(|| spi::execute(&format!("CLUSTER {table} USING {by}"), &[]))?;
    if verbose {
        notice(&format!("reordered {table} by index {by}"), None);
    }
    Ok(())
}

fn no_index(target: &Target, leaf: &Leaf, index: Option<pg_sys::Oid>) -> Result<Error> {
    let Some(index) = index else {
        return Ok(Error::new(
            Kind::UndefinedObject,
            format!("chunk \"{}\" was not ordered by an index before", leaf.name),
        )
        .hint(format!(
            "SELECT strata.reorder_chunk({}, 'index')",
            quote_literal(&target.qualified())
        )));
    };
    let name = relation_name(index)?;
    let is_index = spi::write_one(IS_INDEX, &[index.into()], |r| r.need::<bool>(1))?;
    if is_index != Some(true) {
        return Ok(Error::new(
            Kind::WrongObjectType,
            format!("\"{name}\" is not an index"),
        ));
    }
    Ok(Error::new(
        Kind::UndefinedObject,
        format!(
            "index \"{name}\" belongs neither to chunk \"{}\" nor to its hypertable \"{}\"",
            leaf.name, target.h.table.name
        ),
    ))
}

/// 42704 unless the tablespace exists, 42501 unless the caller may put tables there.
fn check_tablespace(name: &str) -> Result<()> {
    let args = [name.into()];
    match spi::write_one(TABLESPACE, &args, |r| r.need::<bool>(1))? {
        Some(true) => Ok(()),
        Some(false) => Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied for tablespace {name}"),
        )),
        None => Err(Error::new(
            Kind::UndefinedObject,
            format!("tablespace \"{name}\" does not exist"),
        )),
    }
}

/// What `move_chunk` was asked for.
pub struct Move {
    pub chunk: pg_sys::Oid,
    pub tablespace: String,
    /// that of the table when not given
    pub index_tablespace: Option<String>,
    pub reorder_index: Option<pg_sys::Oid>,
    pub verbose: bool,
}

/// Moves the chunk, its TOAST table and its indexes to other tablespaces, and writes it in the order of an
/// index if asked to. AccessExclusiveLock on the chunk meanwhile. The caller needs CREATE on both.
pub fn move_chunk(m: &Move) -> Result<()> {
    let target = owned_chunk(m.chunk)?;
    target.refuse_cold("move")?;
    let indexes_to = m.index_tablespace.as_ref().unwrap_or(&m.tablespace);
    let _settings = ddl_settings();
    for name in [&m.tablespace, indexes_to] {
        check_tablespace(name)?;
    }
    target.align_owner()?;
    for leaf in tables_of(target.chunk.oid)? {
        check_for_interrupts();
        let table = leaf.qualified();
        let to = quote_ident(&m.tablespace);
        as_extension_owner(|| {
            spi::execute(&format!("ALTER TABLE {table} SET TABLESPACE {to}"), &[])
        })?;
        for index in spi::write(INDEXES, &[leaf.oid.into()], |r| r.need::<pg_sys::Oid>(1))? {
            check_for_interrupts();
            let (index, to) = (qualified_name(index)?, quote_ident(indexes_to));
            as_extension_owner(|| {
                spi::execute(&format!("ALTER INDEX {index} SET TABLESPACE {to}"), &[])
            })?;
        }
        if m.verbose {
            let to = &m.tablespace;
            notice(&format!("moved {table} to tablespace \"{to}\""), None);
        }
    }
    if m.reorder_index.is_some() {
        for leaf in heaps(&target)? {
            cluster(&target, &leaf, m.reorder_index, m.verbose)?;
        }
    }
    Ok(())
}
