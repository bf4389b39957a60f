//! One chunk that a user names, and the states in which it must be left alone.

use super::catalog::{self, Chunk, Hypertable, Table};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{check_owner, quote_ident, quote_literal, quote_qualified, relation_name};
use crate::pg::owner::{SettingScope, as_extension_owner};
use crate::pg::spi;
use pgrx::pg_sys;

const FROZEN: &str = "
SELECT EXISTS (SELECT FROM strata.chunk k WHERE k.chunk OPERATOR(pg_catalog.=) $1 AND k.frozen)";

const LEAVES: &str = "
WITH RECURSIVE tree (rel) AS (
  SELECT $1::oid
  UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent OPERATOR(pg_catalog.=) t.rel)
SELECT c.oid, c.relname::text, n.nspname::text, c.relkind::text,
       COALESCE((SELECT a.amname::text FROM pg_catalog.pg_am a WHERE a.oid OPERATOR(pg_catalog.=) c.relam), ''),
       c.relowner
FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.rel
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
ORDER BY c.oid OPERATOR(pg_catalog.<>) $1, n.nspname, c.relname";

const COLD: &str = "strata_cold";

/// A chunk, its hypertable, and what pg_class says about it.
#[derive(Debug, Clone)]
pub struct Target {
    pub h: Hypertable,
    pub chunk: Chunk,
    pub table: Table,
}

/// A table of a chunk: the chunk, or one of its hash partitions.
#[derive(Debug, Clone)]
pub struct Leaf {
    pub oid: pg_sys::Oid,
    pub name: String,
    pub schema: String,
    pub relkind: char,
    pub access_method: String,
    pub owner: pg_sys::Oid,
}

impl Leaf {
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }
}

impl Target {
    /// `schema.chunk`, quoted.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.table.schema, &self.table.name)
    }

    /// `schema.hypertable`, quoted.
    pub fn parent(&self) -> String {
        quote_qualified(&self.h.table.schema, &self.h.table.name)
    }

    /// Gives its tables to the owner of the hypertable: ALTER TABLE ... OWNER leaves partitions alone.
    pub fn align_owner(&self) -> Result<()> {
        let owner = quote_ident(&self.h.table.owner_name);
        for leaf in tables_of(self.chunk.oid)? {
            if leaf.owner != self.h.table.owner {
                let sql = format!("ALTER TABLE {} OWNER TO {owner}", leaf.qualified());
                as_extension_owner(|| spi::execute(&sql, &[]))?;
            }
        }
        Ok(())
    }

    /// 55000 when its rows lie in a file, or are on their way there.
    pub fn refuse_cold(&self, verb: &str) -> Result<()> {
        refuse_cold(self.chunk.oid, verb)
    }

    /// 55000 when it was frozen.
    pub fn refuse_frozen(&self, verb: &str) -> Result<()> {
        refuse_frozen(self.chunk.oid, verb)
    }
}

/// The chunk of a hypertable that the caller owns; 42704 for any other relation, 42501 without ownership.
pub fn owned_chunk(chunk: pg_sys::Oid) -> Result<Target> {
    let name = relation_name(chunk)?;
    let found = match catalog::parent(chunk)? {
        Some(parent) => catalog::hypertable(parent)?,
        None => None,
    };
    let (Some(h), Some(range), Some(table)) =
        (found, catalog::range_of(chunk)?, catalog::table(chunk))
    else {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("\"{name}\" is not a chunk of a hypertable"),
        )
        .hint("SELECT strata.show_chunks('table') lists the chunks of a hypertable"));
    };
    check_owner(h.table.oid)?;
    let relkind = table.relkind;
    Ok(Target {
        h,
        chunk: Chunk {
            oid: chunk,
            range,
            relkind,
        },
        table,
    })
}

/// While alive, no NOTICE about what IF EXISTS did not find.
pub fn quietly() -> SettingScope {
    let scope = SettingScope::new();
    scope.set("client_min_messages", "warning");
    scope
}

/// The chunk itself and its hash partitions, the chunk first.
pub fn tables_of(chunk: pg_sys::Oid) -> Result<Vec<Leaf>> {
    spi::write(LEAVES, &[chunk.into()], |r| {
        Ok(Leaf {
            oid: r.need(1)?,
            name: r.need(2)?,
            schema: r.need(3)?,
            relkind: r.need::<String>(4)?.chars().next().unwrap_or(' '),
            access_method: r.need(5)?,
            owner: r.need(6)?,
        })
    })
}

/// 55000 when rows of the chunk lie in a file, or are on their way there.
pub fn refuse_cold(chunk: pg_sys::Oid, verb: &str) -> Result<()> {
    let Some(cold) = tables_of(chunk)?
        .into_iter()
        .find(|l| l.access_method == COLD)
    else {
        return Ok(());
    };
    Err(Error::new(
        Kind::NotInState,
        format!("cannot {verb} cold chunk \"{}\"", cold.name),
    )
    .detail("Its rows are in a file of the cold tier.")
    .hint(format!(
        "CALL strata.untier_chunk({})",
        quote_literal(&cold.qualified())
    )))
}

/// True when `freeze_chunk` was called for it.
pub fn is_frozen(chunk: pg_sys::Oid) -> Result<bool> {
    let frozen = as_extension_owner(|| spi::write_one(FROZEN, &[chunk.into()], |r| r.need(1)))?;
    Ok(frozen.unwrap_or(false))
}

/// 55000 when the chunk was frozen: nothing of ours changes or removes it.
pub fn refuse_frozen(chunk: pg_sys::Oid, verb: &str) -> Result<()> {
    if !is_frozen(chunk)? {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotInState,
        format!("cannot {verb} frozen chunk \"{}\"", relation_name(chunk)?),
    )
    .hint(format!(
        "SELECT strata.unfreeze_chunk({})",
        quote_literal(&crate::pg::catalog::qualified_name(chunk)?)
    )))
}
