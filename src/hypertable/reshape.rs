//! The rows of neighbours in other tables, with other bounds: what `split_chunk` and `merge_chunks` do.
//!
//! New tables are filled while others read and write the old ones, through a snapshot that is kept. Then
//! the hypertable is locked, in short attempts; what was changed meanwhile is changed in the new tables, too;
//! the old chunks go, the new ones come. All in one transaction: nobody sees anything in between. When too
//! much was changed, the lock is given back and everything is copied again: only a chunk that may be moved
//! under the lock anyway (strata.move_limit) is, at last, copied under it.
//!
//! The new rows belong to this transaction, as after the forms of ALTER TABLE that write a table again: a
//! REPEATABLE READ transaction that began before and reads the table for the first time afterwards does not
//! see them (PostgreSQL's documentation, "Caveats" of MVCC).

use super::bounds::Range;
use super::carry;
use super::catalog::{self, Chunk, Hypertable};
use super::chunks::{SCHEMA, ddl_settings, ensure_schema};
use super::make::{self, Maker};
use super::reshape_sql as sql;
use super::target::{quietly, refuse_cold, refuse_frozen};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{
    lock_relation, qualified_name, quote_ident, quote_qualified, relation_name,
};
use crate::pg::heap_delta;
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::spi;
use pgrx::pg_sys;

/// The CHECK that spares ATTACH the reading of the rows.
const PROOF: &str = "strata_part";

/// A new table: its range, and what it is called until it is a chunk.
pub(super) struct Part {
    pub(super) range: Range,
    oid: pg_sys::Oid,
    /// without schema, not quoted
    name: String,
}

impl Part {
    pub(super) fn qualified(&self) -> String {
        quote_qualified(SCHEMA, &self.name)
    }
}

/// Chunks on their way to other bounds.
pub(super) struct Reshape<'a> {
    pub(super) h: &'a Hypertable,
    pub(super) sources: Vec<Chunk>,
    /// columns that are not generated, quoted
    pub(super) columns: Vec<String>,
    pub(super) parts: Vec<Part>,
}

/// Puts the rows of `sources`, neighbours, into new chunks with these ranges, which cover the same.
pub fn reshape(
    h: &Hypertable,
    sources: Vec<Chunk>,
    ranges: &[Range],
    verb: &str,
) -> Result<Vec<pg_sys::Oid>> {
    let _settings = ddl_settings();
    for c in &sources {
        // nobody else reshapes, drops or alters it; readers and writers go on
        lock_relation(c.oid, pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE);
    }
    // a transaction that has an id reads with fresh snapshots
    spi::execute("SELECT 1", &[])?;
    for c in &sources {
        check_source(h, c, verb)?;
    }
    let mut work = Reshape {
        h,
        columns: spi::write(sql::COLUMNS, &[sources[0].oid.into()], |r| {
            r.need::<String>(1)
        })?,
        sources,
        parts: Vec::new(),
    };
    work.make_parts(ranges)?;
    work.copy(verb)?;
    work.swap()
}

fn check_source(h: &Hypertable, c: &Chunk, verb: &str) -> Result<()> {
    refuse_cold(c.oid, verb)?;
    refuse_frozen(c.oid, verb)?;
    let name = relation_name(c.oid)?;
    let same = catalog::chunks(h.table.oid, true)?
        .iter()
        .any(|now| now.oid == c.oid && now.range == c.range);
    if !same {
        return Err(Error::new(
            Kind::NotInState,
            format!("chunk \"{name}\" was changed by another session"),
        ));
    }
    if c.relkind != 'r' {
        return Err(Error::new(
            Kind::NotSupported,
            format!("cannot {verb} chunk \"{name}\": it has hash partitions"),
        ));
    }
    let own = spi::write(sql::OWN_OBJECTS, &[c.oid.into()], |r| r.need::<String>(1))?;
    if own.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotSupported,
        format!("cannot {verb} chunk \"{name}\": it has objects that its hypertable does not have"),
    )
    .detail(own.join("\n")))
}

impl Reshape<'_> {
    /// Tables like the first source, with its indexes, storage and tablespace, not yet chunks.
    fn make_parts(&mut self, ranges: &[Range]) -> Result<()> {
        let (source, first) = (qualified_name(self.sources[0].oid)?, self.sources[0].oid);
        let clauses = spi::write_one(sql::STORAGE, &[first.into()], |r| r.need::<String>(1))?
            .unwrap_or_default();
        let maker = Maker::new(self.h)?;
        for (n, range) in ranges.iter().enumerate() {
            let name = format!("strata_new_{}_{n}", first.to_u32());
            let table = quote_qualified(SCHEMA, &name);
            let mut checks = vec![format!(
                "CONSTRAINT {PROOF} CHECK ({})",
                self.condition(*range)
            )];
            checks.extend(maker.checks(*range));
            let oid = as_extension_owner(|| {
                ensure_schema()?;
                spi::execute(
                    &format!(
                        "CREATE TABLE {table} (LIKE {source} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES){clauses}"
                    ),
                    &[],
                )?;
                // of the old range, or of rows that come from elsewhere
                let _quietly = quietly();
                for old in [make::END_CHECK, "strata_zone"] {
                    let drop = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {old}");
                    spi::execute(&drop, &[])?;
                }
                for check in checks {
                    spi::execute(&format!("ALTER TABLE {table} ADD {check}"), &[])?;
                }
                let oid =
                    spi::write_one("SELECT $1::regclass::oid", &[table.as_str().into()], |r| {
                        r.need::<pg_sys::Oid>(1)
                    })?
                    .ok_or_else(|| Error::internal("a new chunk vanished"))?;
                maker.give(oid, &table)?;
                // not before it has its owner: making an index runs IMMUTABLE functions of its expressions
                self.index(first, &table)?;
                Ok::<_, Error>(oid)
            })?;
            self.parts.push(Part {
                range: *range,
                oid,
                name,
            });
        }
        Ok(())
    }

    /// The indexes and unique keys of a chunk, on another table; core chooses their names.
    fn index(&self, from: pg_sys::Oid, table: &str) -> Result<()> {
        for (sql, tablespace) in spi::write(sql::INDEXES, &[from.into(), table.into()], |r| {
            Ok((r.need::<String>(1)?, r.need::<String>(2)?))
        })? {
            let settings = SettingScope::new();
            if !tablespace.is_empty() {
                settings.set("default_tablespace", &quote_ident(&tablespace));
            }
            spi::execute(&sql, &[])?;
        }
        Ok(())
    }

    /// The old chunks go, the new ones come.
    fn swap(&self) -> Result<Vec<pg_sys::Oid>> {
        let parent = quote_qualified(&self.h.table.schema, &self.h.table.name);
        for source in &self.sources {
            let name = qualified_name(source.oid)?;
            // rows of other tables may point at these: they will find them in the new chunks
            heap_delta::empty(source.oid);
            {
                let _owner = UserScope::reader(self.h.table.owner);
                let detach = format!("ALTER TABLE {parent} DETACH PARTITION {name}");
                spi::execute(&detach, &[])?;
            }
            as_extension_owner(|| spi::execute(&format!("DROP TABLE {name}"), &[]))?;
        }
        for part in &self.parts {
            self.attach(&parent, part)?;
        }
        Ok(self.parts.iter().map(|p| p.oid).collect())
    }

    fn attach(&self, parent: &str, part: &Part) -> Result<()> {
        let name = as_extension_owner(|| {
            let name = make::free_name(self.h, part.range.0)?;
            for rename in spi::write(
                sql::RENAME,
                &[
                    part.oid.into(),
                    part.name.as_str().into(),
                    name.as_str().into(),
                ],
                |r| r.need::<String>(1),
            )? {
                spi::execute(&rename, &[])?;
            }
            Ok::<_, Error>(name)
        })?;
        let chunk = quote_qualified(SCHEMA, &name);
        let key = self.h.grid.key;
        {
            let _owner = UserScope::reader(self.h.table.owner);
            spi::execute(
                &format!(
                    "ALTER TABLE {parent} ATTACH PARTITION {chunk} FOR VALUES FROM ({}) TO ({})",
                    part.range.0.sql(key),
                    part.range.1.sql(key)
                ),
                &[],
            )?;
        }
        as_extension_owner(|| {
            spi::execute(&format!("ALTER TABLE {chunk} DROP CONSTRAINT {PROOF}"), &[])?;
            carry::copy_replica_identity(self.h.table.oid, part.oid, &chunk)
        })?;
        catalog::annotate(part.oid, "user")
    }
}
