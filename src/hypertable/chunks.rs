//! Making, choosing and dropping chunks.

use super::bounds::{self, Edge, KeyType, Range};
use super::catalog::{self, Chunk, Hypertable};
use super::make::Maker;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{
    check_for_interrupts, check_owner, lock_relation, qualified_name, quote_ident, quote_qualified,
    relation_name,
};
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner, extension_owner};
use crate::pg::reader::as_reader;
use crate::pg::relation_facts::schema_owner;
use crate::pg::session;
use crate::pg::spi;
use pgrx::pg_sys;

/// The schema of all chunks; an ordinary schema, never a member of the extension.
pub const SCHEMA: &str = "strata_chunks";
const INTEGER_NOW: &str = "
SELECT pg_catalog.format('SELECT %I.%I()::int8', n.nspname, p.proname)
FROM strata.hypertable h JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure(h.integer_now_func)
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE h.relation OPERATOR(pg_catalog.=) $1";

// by itself, not as a member of another role that has it for the time being
const MAY_CREATE: &str = "
SELECT pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
  AND (r.rolsuper OR n.nspowner OPERATOR(pg_catalog.=) r.oid OR EXISTS (
    SELECT FROM pg_catalog.aclexplode(n.nspacl) a
    WHERE a.grantee OPERATOR(pg_catalog.=) r.oid AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'))
FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n
WHERE r.oid OPERATOR(pg_catalog.=) $1 AND n.nspname OPERATOR(pg_catalog.=) $2";

const SCHEMA_OWNER: &str = "
SELECT pg_catalog.pg_get_userbyid(n.nspowner)::text,
       n.nspowner OPERATOR(pg_catalog.=) e.extowner OR r.rolsuper
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner,
     pg_catalog.pg_extension e
WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND e.extname OPERATOR(pg_catalog.=) 'pg_strata'";

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
    if schema_owner(SCHEMA).is_some_and(|owner| extension_owner() == Some(owner)) {
        return Ok(());
    }
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

/// Lets the owner of a hypertable make indexes and keys in the schema: core makes those of the chunks there
/// when it makes one of the hypertable. Runs as the extension's owner.
pub fn admit(table: &catalog::Table) -> Result<()> {
    ensure_schema()?;
    let args = [table.owner.into(), SCHEMA.into()];
    if spi::read_one(MAY_CREATE, &args, |r| r.need::<bool>(1))? == Some(true) {
        return Ok(());
    }
    // two of these at once would be "tuple concurrently updated"; `strata._let_owners_go` takes it, too
    spi::execute(
        "LOCK TABLE strata.leaf_key IN SHARE UPDATE EXCLUSIVE MODE",
        &[],
    )?;
    let owner = quote_ident(&table.owner_name);
    spi::execute(
        &format!("GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {owner}"),
        &[],
    )?;
    Ok(())
}

/// What making chunks came to.
#[derive(Default)]
pub struct Made {
    pub chunks: Vec<pg_sys::Oid>,
    /// how many chunks the hypertable has now, where some were missing
    pub now: usize,
}

/// Makes what is missing of the chunks numbered `indexes`, clipped to their neighbours. Takes
/// ShareUpdateExclusiveLock on the hypertable, and what ATTACH takes on tables linked by foreign keys.
pub fn make_missing(h: &Hypertable, indexes: &[i64], origin: &str) -> Result<Made> {
    if indexes.is_empty() {
        return Ok(Made::default());
    }
    lock_relation(
        h.table.oid,
        pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
    );
    // what was read before the lock was waited for may be old; the numbers are those of this grid
    let h = &Hypertable {
        grid: h.grid,
        ..hypertable(h.table.oid)?
    };
    let taken = catalog::taken(h);
    let mut wanted = Vec::new();
    let mut missing = 0;
    for &i in indexes {
        let range = h.grid.range(i)?;
        let from = taken.partition_point(|t| t.1 <= range.0);
        let to = taken.partition_point(|t| t.0 < range.1);
        let gaps = bounds::gaps(range, taken.get(from..to).unwrap_or_default());
        missing += i64::from(!gaps.is_empty());
        wanted.extend(gaps);
    }
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(Made::default());
    }
    let maker = Maker::new(h)?;
    let limit = maker.settings().max_chunks_per_statement;
    if missing > i64::from(limit) {
        return Err(too_many(h, missing, limit));
    }
    let chunks = maker.make_all(&wanted, origin)?;
    let now = taken.len() + chunks.len();
    Ok(Made { chunks, now })
}

/// 54000 for a statement that would make more chunks than one may.
pub fn too_many(h: &Hypertable, chunks: i64, limit: i32) -> Error {
    Error::new(
        Kind::LimitExceeded,
        format!(
            "hypertable \"{}\" would need {chunks} new chunks, more than max_chunks_per_statement ({limit})",
            h.table.name
        ),
    )
    .hint("choose a longer chunk interval or a shorter range, or raise it with strata.alter_hypertable")
}

/// Numbers of the chunks that should exist ahead: the one of now (0 for integers without a function that
/// tells it), the one of the newest data, and `premake` after the newer of the two.
pub fn ahead(h: &Hypertable, now: Option<i64>, newest_data: Option<i64>) -> Vec<i64> {
    let (now_chunk, data) = (
        h.grid.index(now.unwrap_or(0)),
        newest_data.map(|v| h.grid.index(v)),
    );
    let head = match data {
        // without a now, data alone says where the head is
        Some(d) if now.is_none() => d,
        Some(d) => d.max(now_chunk),
        None => now_chunk,
    };
    let mut out: Vec<i64> = (head..=head.saturating_add(i64::from(h.premake))).collect();
    if now.is_some() && now_chunk < head {
        out.insert(0, now_chunk);
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

/// Where a hypertable is now: now() for times, the answer of `integer_now_func` for integers that have one.
/// The function runs as the owner of the table.
pub fn now(h: &Hypertable) -> Result<Option<i64>> {
    if h.grid.key.is_time() {
        return Ok(now_of(h.grid.key));
    }
    let question = as_extension_owner(|| {
        spi::read_one(INTEGER_NOW, &[h.table.oid.into()], |r| r.need::<String>(1))
    })?;
    let Some(question) = question else {
        return Ok(None);
    };
    let _settings = ddl_settings();
    let _owner = UserScope::restricted(h.table.owner);
    Ok(spi::read_one(&question, &[], |r| r.get::<i64>(1))?.flatten())
}

/// A value in the newest chunk that has rows, looking back no further than the chunk of now.
fn newest_data(h: &Hypertable, now: Option<i64>, chunks: &[Chunk]) -> Result<Option<i64>> {
    for c in chunks.iter().rev() {
        if let (Some(now), Edge::At(lo)) = (now, c.range.0)
            && lo <= now
        {
            return Ok(None);
        }
        if has_rows(c)? {
            return Ok(match c.range {
                // numbers may be at its very end: chunks behind it must be ready
                (_, Edge::At(hi)) if !h.grid.key.is_time() => Some(hi.saturating_sub(1)),
                (Edge::At(lo), _) => Some(lo),
                (_, Edge::At(hi)) => Some(hi.saturating_sub(1)),
                _ => None,
            });
        }
    }
    Ok(None)
}

/// The ranges of the chunks that should exist ahead, and of those up to the newest data.
pub fn ahead_ranges(h: &Hypertable) -> Result<Vec<Range>> {
    let chunks = catalog::chunks(h.table.oid, true)?;
    let now = now(h)?;
    let wanted = ahead(h, now, newest_data(h, now, &chunks)?);
    wanted.into_iter().map(|i| h.grid.range(i)).collect()
}

/// False for a chunk that certainly has no rows.
pub fn has_rows(c: &Chunk) -> Result<bool> {
    // rows that lie elsewhere are rows: a remote or cold chunk is not asked
    if c.relkind != 'p' && (c.relkind != 'r' || !catalog::is_heap(c.oid)?) {
        return Ok(true);
    }
    let _settings = ddl_settings();
    let chunk = qualified_name(c.oid)?;
    let sql = format!("SELECT EXISTS (SELECT FROM {chunk})");
    let found = as_reader(c.oid, || spi::read_one(&sql, &[], |r| r.need(1)))?;
    Ok(found.unwrap_or(true))
}

/// Makes the chunks that should exist ahead; returns how many were missing. Takes no lock that a writer
/// would notice when nothing is missing.
pub fn premake(h: &Hypertable) -> Result<i32> {
    let chunks = catalog::chunks(h.table.oid, false)?;
    let wider = match super::rate::adapt(h, &chunks)? {
        Some(width) => Some(Hypertable {
            grid: h.grid_of(width)?,
            ..h.clone()
        }),
        None => None,
    };
    let h = wider.as_ref().unwrap_or(h);
    let now = now(h)?;
    let wanted = ahead(h, now, newest_data(h, now, &chunks)?);
    let taken: Vec<Range> = chunks.iter().map(|c| c.range).collect();
    let mut missing = Vec::new();
    for i in wanted {
        if !bounds::gaps(h.grid.range(i)?, &taken).is_empty() {
            missing.push(i);
        }
    }
    Ok(make_missing(h, &missing, "premake")?.chunks.len() as i32)
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
            let _owner = UserScope::reader(h.table.owner);
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
