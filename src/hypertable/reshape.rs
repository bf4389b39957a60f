//! The rows of neighbours in other tables, with other bounds: what `split_chunk` and `merge_chunks` do.
//!
//! New tables are filled while others read and write the old ones, through a snapshot that is kept. Then
//! the hypertable is locked, in short attempts; rows that came meanwhile are copied too (when rows were
//! changed or deleted meanwhile, everything is copied again under the lock); the old chunks go, the new
//! ones come. All in one transaction: nobody sees anything in between.

use super::bounds::{Edge, Range};
use super::carry;
use super::catalog::{self, Chunk, Hypertable};
use super::chunks::{SCHEMA, ddl_settings, ensure_schema};
use super::make::{self, Maker};
use super::reshape_sql as sql;
use super::target::{quietly, refuse_cold, refuse_frozen};
use crate::error::{Error, Kind, Result};
use crate::pg::bgworker;
use crate::pg::catalog::{
    lock_relation, qualified_name, quote_ident, quote_qualified, relation_name,
};
use crate::pg::heap_delta::{self, Changes, Held};
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::spi;
use crate::pg::subxact::attempt;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;
use std::time::Duration;

/// The CHECK that spares ATTACH the reading of the rows.
const PROOF: &str = "strata_part";
/// More rows than that are copied again under the lock, instead of one by one.
const DELTA: usize = 1_000_000;
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(300);

/// A new table: its range, and what it is called until it is a chunk.
struct Part {
    range: Range,
    oid: pg_sys::Oid,
    /// without schema, not quoted
    name: String,
}

impl Part {
    fn qualified(&self) -> String {
        quote_qualified(SCHEMA, &self.name)
    }
}

/// Chunks on their way to other bounds.
struct Reshape<'a> {
    h: &'a Hypertable,
    sources: Vec<Chunk>,
    /// columns that are not generated, quoted
    columns: String,
    parts: Vec<Part>,
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
        })?
        .join(", "),
        sources,
        parts: Vec::new(),
    };
    work.make_parts(ranges)?;
    let before = Held::latest();
    work.copy_all(&before)?;
    work.lock(verb)?;
    work.catch_up(&before)?;
    before.release();
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
                        "CREATE TABLE {table} (LIKE {source} INCLUDING ALL EXCLUDING IDENTITY){clauses}"
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

    fn condition(&self, range: Range) -> String {
        let (key, kind) = (quote_ident(&self.h.key), self.h.grid.key);
        let mut out = format!("{key} IS NOT NULL");
        if range.0 != Edge::Min {
            out += &format!(" AND {key} >= {}", range.0.sql(kind));
        }
        if range.1 != Edge::Max {
            out += &format!(" AND {key} < {}", range.1.sql(kind));
        }
        out
    }

    fn copy(&self, part: &Part, source: pg_sys::Oid, which: &str) -> Result<String> {
        let list = &self.columns;
        Ok(format!(
            "INSERT INTO {} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM ONLY {} WHERE {}{which}",
            part.qualified(),
            qualified_name(source)?,
            self.condition(part.range)
        ))
    }

    /// As the owner, for the expressions of generated columns and indexes; no policy hides a row from the
    /// owner of a table whose policies are not forced, as those of chunks never are.
    fn copy_all(&self, snapshot: &Held) -> Result<()> {
        let _owner = UserScope::restricted(self.h.table.owner);
        for part in &self.parts {
            for source in &self.sources {
                snapshot.execute(&self.copy(part, source.oid, "")?)?;
            }
        }
        Ok(())
    }

    /// AccessExclusiveLock on the hypertable, what is linked to it, and the sources; nobody queues behind
    /// an attempt for more than 200 ms.
    fn lock(&self, verb: &str) -> Result<()> {
        let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        let linked = spi::write(sql::LINKED, &[self.h.table.oid.into()], |r| {
            r.need::<pg_sys::Oid>(1)
        })?;
        for _ in 0..ATTEMPTS {
            let settings = SettingScope::new();
            settings.set("lock_timeout", super::patience::LOCK_TIMEOUT);
            let tried = attempt(|| {
                lock_relation(self.h.table.oid, mode);
                for oid in &linked {
                    lock_relation(*oid, mode);
                }
                for c in &self.sources {
                    lock_relation(c.oid, mode);
                }
                Ok(())
            });
            match tried {
                Ok(done) => return done,
                Err(caught) if caught.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => {}
                Err(caught) => return super::patience::raise(caught),
            }
            drop(settings);
            bgworker::pause(PAUSE);
        }
        Err(Error::new(
            Kind::LockNotAvailable,
            format!(
                "hypertable \"{}\" was in use all the time: gave up to {verb} after {ATTEMPTS} attempts to lock it",
                self.h.table.name
            ),
        )
        .detail("Each attempt gives up after 200 ms, so that nobody waits behind it. Nothing has changed."))
    }

    /// What others committed since the copy was made.
    fn catch_up(&self, before: &Held) -> Result<()> {
        let mut came = Vec::new();
        for source in &self.sources {
            match heap_delta::changes(source.oid, before, DELTA) {
                Changes::More => return self.copy_again(),
                Changes::Came(tids) => came.push((source.oid, tids)),
            }
        }
        let now = Held::latest();
        let _owner = UserScope::restricted(self.h.table.owner);
        for (source, tids) in came {
            for some in tids.chunks(10_000) {
                let list: Vec<String> = some.iter().map(|(b, l)| format!("({b},{l})")).collect();
                let list = list
                    .iter()
                    .map(|t| format!("\"{t}\""))
                    .collect::<Vec<_>>()
                    .join(",");
                let which = format!(" AND ctid = ANY ('{{{list}}}'::tid[])");
                for part in &self.parts {
                    now.execute(&self.copy(part, source, &which)?)?;
                }
            }
        }
        now.release();
        Ok(())
    }

    fn copy_again(&self) -> Result<()> {
        for part in &self.parts {
            let truncate = format!("TRUNCATE {}", part.qualified());
            as_extension_owner(|| spi::execute(&truncate, &[]))?;
        }
        let now = Held::latest();
        self.copy_all(&now)?;
        now.release();
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
                let _owner = UserScope::restricted(self.h.table.owner);
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
            let _owner = UserScope::restricted(self.h.table.owner);
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
