//! Changing settings of a hypertable.

use super::catalog::{self, Hypertable};
use super::settings::{self, HashDimension};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::invalidate;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys;
use serde_json::Value;

// an interval of zero switches a horizon, or the dropping of empty chunks, off
const CHANGE: &str = "
UPDATE strata.hypertable SET
  premake = COALESCE($2, premake),
  chunk_origin = COALESCE($3, chunk_origin),
  on_missing_chunk = COALESCE($4, on_missing_chunk),
  max_chunks_per_statement = COALESCE($5, max_chunks_per_statement),
  horizon_past = CASE WHEN $6 IS NULL THEN horizon_past ELSE NULLIF($6, pg_catalog.make_interval()) END,
  horizon_future = CASE WHEN $7 IS NULL THEN horizon_future ELSE NULLIF($7, pg_catalog.make_interval()) END,
  drop_empty_after = CASE WHEN $8 IS NULL THEN drop_empty_after ELSE NULLIF($8, pg_catalog.make_interval()) END,
  lock_wait = COALESCE($9, lock_wait),
  chunk_grants = COALESCE($10, chunk_grants)
WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass";

const ALL: &str = "
SELECT pg_catalog.jsonb_build_object(
  'hypertable_id', h.id,
  'chunk_interval', COALESCE(h.integer_interval::text, h.chunk_interval::text),
  'interval_per_chunk', CASE WHEN h.integer_interval IS NOT NULL THEN h.chunk_interval::text END,
  'chunk_origin', h.chunk_origin, 'premake', h.premake, 'on_missing_chunk', h.on_missing_chunk,
  'max_chunks_per_statement', h.max_chunks_per_statement,
  'horizon_past', h.horizon_past::text, 'horizon_future', h.horizon_future::text,
  'drop_empty_after', h.drop_empty_after::text, 'lock_wait', h.lock_wait::text, 'chunk_grants', h.chunk_grants,
  'time_column', h.time_column, 'end_column', h.end_column, 'logical_key', h.logical_key,
  'integer_now_func', pg_catalog.to_regprocedure(h.integer_now_func)::oid::regproc::text, 'tablespaces', h.tablespaces, 'chunk_options', h.chunk_options,
  'hash_dimension', (SELECT pg_catalog.jsonb_build_object('column', d.column_name, 'partitions', d.number_partitions)
                     FROM strata.dimension d WHERE d.hypertable_id OPERATOR(pg_catalog.=) h.id ORDER BY d.id LIMIT 1),
  'chunk_skipping', COALESCE((SELECT pg_catalog.jsonb_agg(s.column_name ORDER BY s.id) FROM strata.chunk_skipping s
                              WHERE s.hypertable_id OPERATOR(pg_catalog.=) h.id), '[]'))
FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1";

const ROW_SECURITY: &str = "
SELECT c.relrowsecurity FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1";

const FUNCTION: &str = "
SELECT p.pronargs::int4, p.prorettype, p.provolatile::text, p.prokind::text, pg_catalog.format_type(p.prorettype, NULL),
       pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) $1";

const SET_NOW: &str = "
UPDATE strata.hypertable h SET integer_now_func = pg_catalog.format('%I.%I()', n.nspname, p.proname)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE h.relation OPERATOR(pg_catalog.=) $1::oid::regclass AND p.oid OPERATOR(pg_catalog.=) $2";

/// What `alter_hypertable` was given; `None` leaves a setting as it is.
#[derive(Debug, Default)]
pub struct Change {
    pub premake: Option<i32>,
    pub chunk_origin: Option<TimestampWithTimeZone>,
    pub on_missing_chunk: Option<String>,
    pub max_chunks_per_statement: Option<i32>,
    pub horizon_past: Option<Interval>,
    pub horizon_future: Option<Interval>,
    pub drop_empty_after: Option<Interval>,
    pub lock_wait: Option<Interval>,
    pub chunk_grants: Option<bool>,
}

/// Longer intervals overflow when they are counted from a time.
const LONGEST_US: i128 = 100_000 * 366 * super::calendar::DAY_US as i128;

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

/// About how long an interval is, in microseconds.
fn length(i: &Interval) -> i128 {
    (i128::from(i.months()) * 30 + i128::from(i.days())) * i128::from(super::calendar::DAY_US)
        + i128::from(i.micros())
}

fn check(h: &Hypertable, change: &Change) -> Result<()> {
    if let Some(n) = change.premake
        && !(0..=1000).contains(&n)
    {
        return Err(bad(format!("premake must be between 0 and 1000, not {n}")));
    }
    if let Some(n) = change.max_chunks_per_statement
        && !(1..=100_000).contains(&n)
    {
        return Err(bad(format!(
            "max_chunks_per_statement must be between 1 and 100000, not {n}"
        )));
    }
    if let Some(v) = change.on_missing_chunk.as_deref()
        && v != "create"
        && v != "error"
    {
        return Err(bad(format!(
            "on_missing_chunk must be 'create' or 'error', not '{v}'"
        )));
    }
    if let Some(origin) = change.chunk_origin {
        let us = i64::from(origin);
        if us == i64::MIN || us == i64::MAX {
            return Err(bad("chunk_origin must be finite"));
        }
        super::bounds::Grid::with_origin(h.grid.key, h.grid.width, us)?;
    }
    let horizons = [
        ("horizon_past", &change.horizon_past),
        ("horizon_future", &change.horizon_future),
    ];
    for (name, value) in horizons {
        if value.is_some() && !h.grid.key.is_time() {
            return Err(bad(format!(
                "{name} is a time, and the key of hypertable \"{}\" is a number",
                h.table.name
            )));
        }
    }
    let intervals = [
        ("horizon_past", &change.horizon_past),
        ("horizon_future", &change.horizon_future),
        ("drop_empty_after", &change.drop_empty_after),
        ("lock_wait", &change.lock_wait),
    ];
    for (name, value) in intervals {
        let Some(length) = value.as_ref().map(length) else {
            continue;
        };
        if length < 0 {
            return Err(bad(format!("{name} must not be negative")));
        }
        if length > LONGEST_US {
            return Err(bad(format!("{name} must not be longer than 100000 years")));
        }
    }
    if change.chunk_grants == Some(true) {
        let secured = spi::write_one(ROW_SECURITY, &[h.table.oid.into()], |r| r.need::<bool>(1))?;
        if secured == Some(true) {
            return Err(Error::new(
                Kind::NotSupported,
                format!(
                    "chunk_grants is not for hypertable \"{}\", which has row-level security",
                    h.table.name
                ),
            )
            .detail("Whoever may read a chunk directly is not stopped by the policies of the hypertable."));
        }
    }
    Ok(())
}

/// Changes what was given. The caller holds ShareUpdateExclusiveLock on the hypertable.
pub fn change(h: &Hypertable, change: Change) -> Result<()> {
    check(h, &change)?;
    if change.on_missing_chunk.is_some() {
        // without chunks on demand nobody opens a closed chunk for a late row
        crate::queue::run_soon(h.table.oid, super::zone::POLICY)?;
    }
    let args = [
        h.table.oid.into(),
        change.premake.into(),
        change.chunk_origin.into(),
        change.on_missing_chunk.into(),
        change.max_chunks_per_statement.into(),
        change.horizon_past.into(),
        change.horizon_future.into(),
        change.drop_empty_after.into(),
        change.lock_wait.into(),
        change.chunk_grants.into(),
    ];
    as_extension_owner(|| spi::execute(CHANGE, &args))?;
    invalidate(h.table.oid);
    Ok(())
}

/// All settings, as `alter_hypertable` returns them.
pub fn all(relation: pg_sys::Oid) -> Result<Value> {
    let found = as_extension_owner(|| {
        spi::write_one(ALL, &[relation.into()], |r| r.need::<pgrx::JsonB>(1))
    })?;
    found
        .map(|v| v.0)
        .ok_or_else(|| Error::internal("a hypertable without settings"))
}

/// 42704 unless `name` is `None`, the key, or (for hash dimensions) a hashed column.
pub fn no_dimension(h: &Hypertable, name: &str) -> Error {
    Error::new(
        Kind::UndefinedObject,
        format!(
            "hypertable \"{}\" has no dimension \"{name}\"",
            h.table.name
        ),
    )
}

/// The hash dimension that is meant; the only one when no name is given.
pub fn hash_dimension(h: &Hypertable, name: Option<String>) -> Result<HashDimension> {
    let hashes = settings::need(h.table.oid)?.hashes;
    match name {
        Some(name) => hashes
            .into_iter()
            .find(|d| d.column == name)
            .ok_or_else(|| no_dimension(h, &name)),
        None => hashes.into_iter().next().ok_or_else(|| {
            Error::new(
                Kind::UndefinedObject,
                format!("hypertable \"{}\" has no hash dimension", h.table.name),
            )
            .hint("strata.add_dimension('table', strata.by_hash('column', 4)) adds one")
        }),
    }
}

/// Sets the function that tells the current value of an integer key.
pub fn set_integer_now(h: &Hypertable, function: pg_sys::Oid, replace: bool) -> Result<()> {
    if h.grid.key.is_time() {
        return Err(bad(format!(
            "integer_now_func is for integer keys; column \"{}\" has type {}",
            h.key,
            h.grid.key.sql_name()
        )));
    }
    if settings::need(h.table.oid)?.integer_now_func.is_some() && !replace {
        return Err(Error::new(
            Kind::DuplicateObject,
            format!(
                "hypertable \"{}\" has an integer_now_func already",
                h.table.name
            ),
        )
        .hint("replace_if_exists => true replaces it"));
    }
    let row = |r: spi::Row| {
        Ok((
            r.need::<i32>(1)?,
            r.need::<pg_sys::Oid>(2)?,
            r.need::<String>(3)?,
            r.need::<String>(4)?,
            r.need::<String>(5)?,
            r.need::<bool>(6)?,
        ))
    };
    let (arguments, result, volatility, kind, result_name, allowed) =
        spi::write_one(FUNCTION, &[function.into()], row)?.ok_or_else(|| {
            Error::new(
                Kind::UndefinedObject,
                format!("function with OID {} does not exist", function.to_u32()),
            )
        })?;
    if kind != "f"
        || arguments != 0
        || volatility == "v"
        || catalog::key_type(result) != Some(h.grid.key)
    {
        return Err(bad(format!(
            "integer_now_func must be a STABLE or IMMUTABLE function without arguments that returns {}",
            h.grid.key.sql_name()
        ))
        .detail(format!(
            "It has {arguments} arguments, returns {result_name} and is {}.",
            match volatility.as_str() {
                "v" => "VOLATILE",
                "s" => "STABLE",
                _ => "IMMUTABLE",
            }
        )));
    }
    if !allowed {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            "permission denied for the integer_now_func",
        ));
    }
    as_extension_owner(|| spi::execute(SET_NOW, &[h.table.oid.into(), function.into()]))?;
    invalidate(h.table.oid);
    Ok(())
}
