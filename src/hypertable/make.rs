//! Making one chunk: a table like its hypertable, attached for a range.

use super::bounds::{self, Edge, Range};
use super::carry::{self, ForChunks};
use super::catalog::{self, Hypertable};
use super::chunks::{SCHEMA, ddl_settings, ensure_schema};
use super::key::KeyType;
use super::settings::{self, Settings};
use crate::error::{Error, Result};
use crate::pg::catalog::{
    check_for_interrupts, quote_ident, quote_literal, quote_qualified, relation_oid,
};
use crate::pg::owner::{UserScope, extension_owner};
use crate::pg::{relation_facts, spi};
use pgrx::pg_sys;

/// The CHECK of a chunk that tells the planner where the rows end that begin in it.
pub const END_CHECK: &str = "strata_end";

/// Makes chunks of one hypertable, all after the same settings. What it needs to know is read once: each
/// chunk takes three statements, each index and foreign key of the hypertable what it costs the server.
pub struct Maker<'a> {
    h: &'a Hypertable,
    settings: Settings,
    /// the hypertable, quoted
    parent: String,
    carried: ForChunks,
    copy_grants: bool,
}

/// A new table that is no chunk yet.
struct Table {
    name: String,
    oid: pg_sys::Oid,
}

impl<'a> Maker<'a> {
    pub fn new(h: &'a Hypertable) -> Result<Maker<'a>> {
        let settings = settings::need(h.table.oid)?;
        Ok(Maker {
            h,
            // a grant on a chunk would go round the policies of the hypertable
            copy_grants: settings.chunk_grants && !h.table.row_security,
            settings,
            parent: quote_qualified(&h.table.schema, &h.table.name),
            carried: ForChunks::of(h)?,
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes chunks. The caller holds at least ShareUpdateExclusiveLock on the hypertable and has found the
    /// ranges to be free. Tables are made by the extension's owner, then given away; everything that may run
    /// an expression of the user (ATTACH) runs as the table's owner.
    pub fn make_all(&self, ranges: &[Range], origin: &str) -> Result<Vec<pg_sys::Oid>> {
        let _settings = ddl_settings();
        let owner = extension_owner().ok_or_else(|| Error::internal("no extension"))?;
        {
            let _owner = UserScope::local(owner);
            ensure_schema()?;
        }
        let mut chunks = Vec::with_capacity(ranges.len());
        for &range in ranges {
            check_for_interrupts();
            chunks.push(self.make(range, owner)?);
        }
        catalog::annotate_all(&chunks, origin)?;
        Ok(chunks)
    }

    fn make(&self, range: Range, owner: pg_sys::Oid) -> Result<pg_sys::Oid> {
        let turn = self.turn(range);
        let hash = self.settings.hashes.first();
        let name = free_name(self.h, range.0)?;
        let mut leaves = Vec::new();
        let chunk = {
            let _owner = UserScope::local(owner);
            let clauses = match hash {
                Some(hash) => format!(" PARTITION BY HASH ({})", quote_ident(&hash.column)),
                None => self.storage(turn),
            };
            let checks = self.checks(range);
            let chunk = self.table(&self.parent, &name, &clauses, &checks)?;
            for i in 0..hash.map_or(0, |h| h.partitions) {
                let leaf = bounds::leaf_name(&name, i + 1);
                let clauses = self.storage(turn.wrapping_add(i64::from(i)));
                leaves.push(self.table(&chunk.name, &leaf, &clauses, &[])?);
            }
            chunk
        };
        self.attach(range, &chunk, &leaves)?;
        if self.carried.identity_is_an_index() {
            let _owner = UserScope::local(owner);
            carry::copy_replica_identity(self.h.table.oid, chunk.oid, &chunk.name)?;
            for leaf in &leaves {
                carry::copy_replica_identity(chunk.oid, leaf.oid, &leaf.name)?;
            }
        }
        Ok(chunk.oid)
    }

    /// Gives a table that becomes a chunk what new ones get besides columns and indexes.
    pub fn give(&self, table: pg_sys::Oid, name: &str) -> Result<()> {
        self.carried.give(table, name, &[])
    }

    /// What only this chunk checks, as table constraints.
    pub fn checks(&self, range: Range) -> Vec<String> {
        let end = self.settings.end_column.as_ref();
        end.and_then(|end| end_check(end, range, self.h.grid.key))
            .into_iter()
            .collect()
    }

    /// Keys that are unique inside each leaf, as commands on it.
    pub fn leaf_keys(&self, leaf: &str) -> Vec<String> {
        let keys = self.settings.leaf_keys.iter();
        keys.map(|k| {
            let columns: Vec<String> = k.columns.iter().map(|c| quote_ident(c)).collect();
            let nulls = if k.nulls_not_distinct {
                " NULLS NOT DISTINCT"
            } else {
                ""
            };
            format!(
                "CREATE UNIQUE INDEX ON {leaf} ({}){nulls}",
                columns.join(", ")
            )
        })
        .collect()
    }

    fn attach(&self, range: Range, chunk: &Table, leaves: &[Table]) -> Result<()> {
        let _owner = UserScope::reader(self.h.table.owner);
        for (i, leaf) in leaves.iter().enumerate() {
            spi::execute(
                &format!(
                    "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES WITH (MODULUS {}, REMAINDER {i})",
                    chunk.name,
                    leaf.name,
                    leaves.len()
                ),
                &[],
            )?;
        }
        let key = self.h.grid.key;
        spi::execute(
            &format!(
                "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})",
                self.parent,
                chunk.name,
                range.0.sql(key),
                range.1.sql(key)
            ),
            &[],
        )?;
        Ok(())
    }

    /// Makes a table like another, with more CHECKs, and gives it what LIKE and ATTACH do not copy. A leaf of
    /// a chunk copies the chunk's CHECKs.
    fn table(&self, like: &str, name: &str, clauses: &str, checks: &[String]) -> Result<Table> {
        let table = quote_qualified(SCHEMA, name);
        spi::execute(
            &format!(
                "CREATE TABLE {table} (LIKE {like} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE \
                 INCLUDING COMPRESSION INCLUDING GENERATED INCLUDING STATISTICS INCLUDING COMMENTS){clauses}"
            ),
            &[],
        )?;
        let oid = relation_oid(SCHEMA, name)
            .ok_or_else(|| Error::internal(format!("chunk {table} vanished")))?;
        let checks: Vec<String> = checks.iter().map(|c| format!("ADD {c}")).collect();
        self.carried.give(oid, &table, &checks)?;
        // once it has its owner, as whom the server builds them
        if !clauses.starts_with(" PARTITION BY") {
            for sql in self.leaf_keys(&table) {
                spi::execute(&sql, &[])?;
            }
        }
        if self.copy_grants {
            carry::copy_grants(self.h.table.oid, &table)?;
        }
        Ok(Table { name: table, oid })
    }

    /// A number that is one higher for the next chunk on the grid.
    fn turn(&self, range: Range) -> i64 {
        match range {
            (Edge::At(lo), _) => self.h.grid.index(lo),
            (_, Edge::At(hi)) => self.h.grid.index(hi).saturating_sub(1),
            _ => 0,
        }
    }

    fn storage(&self, turn: i64) -> String {
        let mut out = String::new();
        out += &with_options(&self.h.chunk_options);
        let spaces = &self.settings.tablespaces;
        let tablespace = match spaces.len() {
            0 => self.h.table.tablespace.as_ref(),
            n => spaces.get(turn.rem_euclid(n as i64) as usize),
        };
        if let Some(t) = tablespace {
            out += &format!(" TABLESPACE {}", quote_ident(t));
        }
        out
    }
}

/// Storage parameters, as `name=value`, in a clause of CREATE TABLE. Their names come from the user, too.
pub fn with_options(options: &[String]) -> String {
    let named = options.iter().filter_map(|o| o.split_once('='));
    let options: Vec<String> = named
        .map(|(name, value)| {
            let name: Vec<String> = name.splitn(2, '.').map(quote_ident).collect();
            format!("{}={}", name.join("."), quote_literal(value))
        })
        .collect();
    match options.is_empty() {
        true => String::new(),
        false => format!(" WITH ({})", options.join(", ")),
    }
}

/// Rows that begin in the chunk end in it or later; as a table constraint, for the planner.
pub fn end_check(end_column: &str, range: Range, key: KeyType) -> Option<String> {
    let Edge::At(_) = range.0 else { return None };
    let (column, lo) = (quote_ident(end_column), range.0.sql(key));
    Some(format!("CONSTRAINT {END_CHECK} CHECK ({column} >= {lo})"))
}

/// The name of a chunk that begins there, not taken by a chunk that was kept.
pub fn free_name(h: &Hypertable, lo: Edge) -> Result<String> {
    for attempt in 1.. {
        let name = bounds::chunk_name(&h.table.name, h.id, lo, h.grid.key, attempt);
        if !relation_facts::name_is_taken(SCHEMA, &name) {
            return Ok(name);
        }
    }
    Err(Error::internal("no free chunk name"))
}
