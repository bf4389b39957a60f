//! Making, choosing and dropping chunks.

use super::bounds::{self, Edge, KeyType, Range};
use super::catalog::{self, Chunk, Hypertable};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{
    check_for_interrupts, check_owner, lock_relation, qualified_name, quote_ident, quote_qualified,
    relation_name,
};
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::session;
use crate::pg::spi;
use pgrx::pg_sys;

/// The schema of all chunks; an ordinary schema, never a member of the extension.
pub const SCHEMA: &str = "strata_chunks";
/// One statement makes at most this many chunks.
pub const MAX_PER_STATEMENT: i64 = 1000;

const SCHEMA_OWNER: &str = "
SELECT pg_catalog.pg_get_userbyid(n.nspowner)::text,
       n.nspowner OPERATOR(pg_catalog.=) e.extowner OR r.rolsuper
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner,
     pg_catalog.pg_extension e
WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND e.extname OPERATOR(pg_catalog.=) 'pg_strata'";

const NAME_TAKEN: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name)
    OR EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
               WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND t.typname OPERATOR(pg_catalog.=) $2::pg_catalog.name)";

const TABLESPACE: &str = "
SELECT t.spcname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace t ON t.oid OPERATOR(pg_catalog.=) c.reltablespace
WHERE c.oid OPERATOR(pg_catalog.=) $1";

const OID_OF: &str = "
SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name";

/// Settings under which all our DDL runs: names qualified, times in UTC, storage in heap, no default of
/// the session leaking in.
pub fn ddl_settings() -> SettingScope {
    let scope = SettingScope::new();
    for (name, value) in [
        ("search_path", "pg_catalog, pg_temp"),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("extra_float_digits", "3"),
        ("default_tablespace", ""),
        ("default_table_access_method", "heap"),
        ("row_security", "off"),
    ] {
        scope.set(name, value);
    }
    scope
}

/// The hypertable, or 42704 with the command that makes one.
pub fn hypertable(relation: pg_sys::Oid) -> Result<Hypertable> {
    if let Some(h) = catalog::hypertable(relation)? {
        return Ok(h);
    }
    let name = qualified_name(relation)?;
    Err(Error::new(
        Kind::UndefinedObject,
        format!("table \"{}\" is not a hypertable", relation_name(relation)?),
    )
    .hint(format!(
        "SELECT * FROM strata.create_hypertable({}, strata.by_range('time column'))",
        crate::pg::catalog::quote_literal(&name)
    )))
}

/// Makes the schema at first use. Runs as the extension's owner.
pub fn ensure_schema() -> Result<()> {
    let owner = spi::read_one(SCHEMA_OWNER, &[SCHEMA.into()], |r| {
        Ok((r.need::<String>(1)?, r.need::<bool>(2)?))
    })?;
    match owner {
        Some((_, true)) => Ok(()),
        Some((role, false)) => Err(Error::new(
            Kind::NotInState,
            format!("schema \"{SCHEMA}\" belongs to role \"{role}\""),
        )
        .detail("Chunks of all hypertables live there, so it must belong to the owner of the extension.")
        .hint(format!("ALTER SCHEMA {SCHEMA} OWNER TO CURRENT_USER, as a superuser"))),
        None => {
            spi::execute(&format!("CREATE SCHEMA {SCHEMA}"), &[])?;
            spi::execute(&format!("GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC"), &[])?;
            Ok(())
        }
    }
}

/// The name of a chunk that begins there, not taken by a chunk that was kept.
pub fn free_name(h: &Hypertable, lo: Edge) -> Result<String> {
    for attempt in 1.. {
        let name = bounds::chunk_name(&h.table.name, h.id, lo, h.grid.key, attempt);
        let taken = spi::read_one(NAME_TAKEN, &[SCHEMA.into(), name.as_str().into()], |r| {
            r.need::<bool>(1)
        })?;
        if taken != Some(true) {
            return Ok(name);
        }
    }
    Err(Error::internal("no free chunk name"))
}

fn storage_clauses(h: &Hypertable) -> Result<String> {
    let mut out = String::new();
    if !h.chunk_options.is_empty() {
        let options: Vec<String> = h
            .chunk_options
            .iter()
            .filter_map(|o| o.split_once('='))
            .map(|(name, value)| format!("{name}={}", crate::pg::catalog::quote_literal(value)))
            .collect();
        out += &format!(" WITH ({})", options.join(", "));
    }
    if let Some(t) = spi::read_one(TABLESPACE, &[h.table.oid.into()], |r| r.need::<String>(1))? {
        out += &format!(" TABLESPACE {}", quote_ident(&t));
    }
    Ok(out)
}

/// Makes one chunk. The caller holds at least ShareUpdateExclusiveLock on the hypertable and has found
/// `range` to be free. The table is made by the extension's owner, then given away; everything that may
/// run an expression of the user (ATTACH) runs as the table's owner.
fn make(h: &Hypertable, range: Range, origin: &str) -> Result<pg_sys::Oid> {
    check_for_interrupts();
    let _settings = ddl_settings();
    let parent = quote_qualified(&h.table.schema, &h.table.name);
    let (chunk, oid) = as_extension_owner(|| {
        ensure_schema()?;
        let name = free_name(h, range.0)?;
        let chunk = quote_qualified(SCHEMA, &name);
        spi::execute(
            &format!(
                "CREATE TABLE {chunk} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE \
                 INCLUDING COMPRESSION INCLUDING GENERATED INCLUDING STATISTICS INCLUDING COMMENTS){}",
                storage_clauses(h)?
            ),
            &[],
        )?;
        let oid = spi::write_one(OID_OF, &[SCHEMA.into(), name.as_str().into()], |r| {
            r.need::<pg_sys::Oid>(1)
        })?
        .ok_or_else(|| Error::internal(format!("chunk {chunk} vanished")))?;
        super::carry::copy_to_chunk(h, oid, &chunk)?;
        Ok::<_, Error>((chunk, oid))
    })?;
    {
        let _owner = UserScope::restricted(h.table.owner);
        let key = h.grid.key;
        spi::execute(
            &format!(
                "ALTER TABLE {parent} ATTACH PARTITION {chunk} FOR VALUES FROM ({}) TO ({})",
                range.0.sql(key),
                range.1.sql(key)
            ),
            &[],
        )?;
    }
    as_extension_owner(|| super::carry::copy_replica_identity(h.table.oid, oid, &chunk))?;
    catalog::annotate(oid, origin)?;
    Ok(oid)
}

/// Makes what is missing of the chunks numbered `indexes`, clipped to their neighbours. Takes
/// ShareUpdateExclusiveLock on the hypertable, and what ATTACH takes on tables linked by foreign keys.
pub fn make_missing(h: &Hypertable, indexes: &[i64], origin: &str) -> Result<Vec<pg_sys::Oid>> {
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    lock_relation(
        h.table.oid,
        pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
    );
    let taken: Vec<Range> = catalog::chunks(h.table.oid, true)?
        .iter()
        .map(|c| c.range)
        .collect();
    let mut wanted = Vec::new();
    for &i in indexes {
        wanted.extend(bounds::gaps(h.grid.range(i)?, &taken));
    }
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.len() as i64 > MAX_PER_STATEMENT {
        return Err(too_many(h, wanted.len() as i64));
    }
    wanted.into_iter().map(|r| make(h, r, origin)).collect()
}

/// 54000 for a statement that would make more chunks than one may.
pub fn too_many(h: &Hypertable, chunks: i64) -> Error {
    Error::new(
        Kind::LimitExceeded,
        format!(
            "hypertable \"{}\" would need {chunks} new chunks, more than {MAX_PER_STATEMENT} in one statement",
            h.table.name
        ),
    )
    .hint("choose a longer chunk interval, or a shorter range")
}

/// Numbers of the chunks that should exist ahead: the one of now (or 0 for integers), the one of the
/// newest data, and `premake` after the newer of the two.
pub fn ahead(h: &Hypertable, newest_data: Option<i64>) -> Vec<i64> {
    let now = now_of(h.grid.key).unwrap_or(0);
    let (now, data) = (h.grid.index(now), newest_data.map(|v| h.grid.index(v)));
    let head = match data {
        // integers have no now(): data alone says where the head is
        Some(d) if !h.grid.key.is_time() => d,
        Some(d) => d.max(now),
        None => now,
    };
    let mut out: Vec<i64> = (head..=head.saturating_add(i64::from(h.premake))).collect();
    if h.grid.key.is_time() && now < head {
        out.insert(0, now);
    }
    // chunks beyond the last value of the type are no chunks
    out.retain(|&i| h.grid.range(i).is_ok());
    out
}

/// now() as a value of a key: UTC for types without a zone; `None` for integers.
pub fn now_of(key: KeyType) -> Option<i64> {
    let now = session::transaction_time();
    match key {
        KeyType::Timestamp | KeyType::TimestampTz | KeyType::Uuid => Some(now),
        KeyType::Date => Some(now.div_euclid(super::calendar::DAY_US)),
        _ => None,
    }
}

/// A value inside the newest chunk that has rows, looking back no further than the chunk of now().
fn newest_data(h: &Hypertable, chunks: &[Chunk]) -> Result<Option<i64>> {
    let now = now_of(h.grid.key);
    for c in chunks.iter().rev() {
        if let (Some(now), Edge::At(lo)) = (now, c.range.0)
            && lo <= now
        {
            return Ok(None);
        }
        if has_rows(c)? {
            return Ok(match c.range {
                // its end: a chunk may be many intervals wide
                (_, Edge::At(hi)) => Some(hi.saturating_sub(1)),
                (Edge::At(lo), _) => Some(lo),
                _ => None,
            });
        }
    }
    Ok(None)
}

fn has_rows(c: &Chunk) -> Result<bool> {
    // rows that lie elsewhere are rows: a remote or cold chunk is not asked
    if c.relkind != 'r' || !catalog::is_heap(c.oid)? {
        return Ok(true);
    }
    let _settings = ddl_settings();
    let chunk = qualified_name(c.oid)?;
    // no expression of a user, and no policy or missing right that could hide rows
    let sql = format!("SELECT EXISTS (SELECT FROM ONLY {chunk})");
    let found = as_extension_owner(|| spi::read_one(&sql, &[], |r| r.need(1)))?;
    Ok(found.unwrap_or(true))
}

/// Makes the chunks that should exist ahead; returns how many were missing. Takes no lock that a writer
/// would notice when nothing is missing.
pub fn premake(h: &Hypertable) -> Result<i32> {
    let chunks = catalog::chunks(h.table.oid, false)?;
    let wanted = ahead(h, newest_data(h, &chunks)?);
    let taken: Vec<Range> = chunks.iter().map(|c| c.range).collect();
    let mut missing = Vec::new();
    for i in wanted {
        if !bounds::gaps(h.grid.range(i)?, &taken).is_empty() {
            missing.push(i);
        }
    }
    Ok(make_missing(h, &missing, "premake")?.len() as i32)
}

/// Drops chunks of a hypertable that the caller owns, inside this transaction: AccessExclusiveLock on
/// the hypertable and on tables linked by foreign keys. Returns their names.
pub fn drop(h: &Hypertable, chunks: &[Chunk]) -> Result<Vec<String>> {
    check_owner(h.table.oid)?;
    let _settings = ddl_settings();
    let parent = quote_qualified(&h.table.schema, &h.table.name);
    let mut names = Vec::with_capacity(chunks.len());
    for c in chunks {
        check_for_interrupts();
        super::target::refuse_frozen(c.oid, "drop")?;
        let name = qualified_name(c.oid)?;
        {
            // detached first: core then checks that no foreign key points at its rows
            let _owner = UserScope::restricted(h.table.owner);
            spi::execute(
                &format!("ALTER TABLE {parent} DETACH PARTITION {name}"),
                &[],
            )?;
        }
        as_extension_owner(|| spi::execute(&format!("DROP TABLE {name}"), &[]))?;
        names.push(name);
    }
    Ok(names)
}
