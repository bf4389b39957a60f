//! Changing a hypertable: settings, dimensions, chunk skipping.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::alter::{self, Change};
use super::super::catalog::Hypertable;
use super::super::dimension::{Dimension, DimensionKind};
use super::super::{catalog, chunks, columns, settings};
use super::{Checked, given_interval, need, text};
use crate::error::{Error, Kind};
use crate::pg::catalog::{check_owner, invalidate, lock_relation};
use crate::pg::session::notice;
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{AnyElement, JsonB};
use std::ffi::CStr;

/// The hypertable, owned by the caller and locked against makers of chunks.
fn locked(relation: Option<pg_sys::Oid>, argument: &str) -> Checked<Hypertable> {
    let relation = need(relation, argument)?;
    let h = chunks::hypertable(relation)?;
    check_owner(h.table.oid)?;
    lock_relation(
        relation,
        pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
    );
    chunks::hypertable(relation)
}

/// Changes settings and returns all of them.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn alter_hypertable(
    relation: Option<pg_sys::Oid>,
    premake: Option<i32>,
    chunk_origin: Option<TimestampWithTimeZone>,
    on_missing_chunk: Option<String>,
    max_chunks_per_statement: Option<i32>,
    horizon_past: Option<Interval>,
    horizon_future: Option<Interval>,
    drop_empty_after: Option<Interval>,
    lock_wait: Option<Interval>,
    chunk_grants: Option<bool>,
) -> Result<JsonB, ErrorReport> {
    let h = locked(relation, "relation")?;
    alter::change(
        &h,
        Change {
            premake,
            chunk_origin,
            on_missing_chunk,
            max_chunks_per_statement,
            horizon_past,
            horizon_future,
            drop_empty_after,
            lock_wait,
            chunk_grants,
        },
    )?;
    Ok(JsonB(alter::all(h.table.oid)?))
}

/// Changes the width of chunks made from now on. Takes ShareUpdateExclusiveLock on the hypertable.
#[pg_extern(sql = false)]
fn set_chunk_time_interval(
    hypertable: Option<pg_sys::Oid>,
    chunk_time_interval: Option<AnyElement>,
    dimension_name: Option<&CStr>,
) -> Result<(), ErrorReport> {
    let h = locked(hypertable, "hypertable")?;
    if let Some(name) = dimension_name.map(text).filter(|n| *n != h.key) {
        return Err(alter::no_dimension(&h, &name).into());
    }
    let given = given_interval("chunk_time_interval", chunk_time_interval.as_ref())?;
    let given = need(given, "chunk_time_interval")?;
    let by_rate = settings::need(h.table.oid)?.time_column.is_some() && !h.grid.key.is_time();
    if by_rate && !given.is_number() {
        // of ids: the time that a chunk should hold; the width follows at the next premake
        catalog::set_rate_interval(h.table.oid, given)?;
    } else {
        catalog::set_interval(h.table.oid, h.grid_of(given.width(h.grid.key)?)?)?;
    }
    invalidate(h.table.oid);
    Ok(())
}

/// Changes into how many parts chunks made from now on are hashed.
#[pg_extern(sql = false)]
fn set_number_partitions(
    hypertable: Option<pg_sys::Oid>,
    number_partitions: Option<i32>,
    dimension_name: Option<&CStr>,
) -> Result<(), ErrorReport> {
    let h = locked(hypertable, "hypertable")?;
    let n = need(number_partitions, "number_partitions")?;
    let hash = alter::hash_dimension(&h, dimension_name.map(text))?;
    columns::check_hash(&h.table, &h.key, &hash.column, n)?;
    columns::set_partitions(h.id, &hash.column, n)?;
    invalidate(h.table.oid);
    Ok(())
}

/// Names the function that tells the current value of an integer key.
#[pg_extern(sql = false)]
fn set_integer_now_func(
    hypertable: Option<pg_sys::Oid>,
    integer_now_func: Option<pg_sys::Oid>,
    replace_if_exists: Option<bool>,
) -> Result<(), ErrorReport> {
    let h = locked(hypertable, "hypertable")?;
    let function = need(integer_now_func, "integer_now_func")?;
    let replace = need(replace_if_exists, "replace_if_exists")?;
    Ok(alter::set_integer_now(&h, function, replace)?)
}

/// A dimension is by hash or by range.
#[pg_extern(sql = false)]
fn two_kinds(column_name: Option<&CStr>) -> Result<JsonB, ErrorReport> {
    Err(Error::new(
        Kind::InvalidParameter,
        format!(
            "dimension \"{}\" cannot have both number_partitions and chunk_time_interval",
            column_name.map(text).unwrap_or_default()
        ),
    )
    .into())
}

/// Adds a hash dimension: chunks made from now on are partitioned again.
#[pg_extern(sql = false)]
fn add_dimension(
    hypertable: Option<pg_sys::Oid>,
    dimension: Option<JsonB>,
    if_not_exists: Option<bool>,
) -> Result<
    TableIterator<'static, (name!(dimension_id, Option<i32>), name!(created, bool))>,
    ErrorReport,
> {
    let h = locked(hypertable, "hypertable")?;
    let dimension = Dimension::parse(need(dimension, "dimension")?.0)?;
    let skip = need(if_not_exists, "if_not_exists")?;
    let column = dimension.column.clone();
    let exists = columns::hash_id(h.id, &column)?;
    if exists.is_some() || column == h.key {
        let message = format!("column \"{column}\" is a dimension already");
        if !skip {
            return Err(Error::new(Kind::DuplicateObject, message).into());
        }
        notice(&format!("{message}, skipping"), None);
        return Ok(TableIterator::once((exists, false)));
    }
    let (DimensionKind::Hash, Some(partitions)) = (dimension.kind, dimension.partitions) else {
        return Err(Error::new(
            Kind::NotSupported,
            format!(
                "hypertable \"{}\" has a range dimension already: \"{}\"",
                h.table.name, h.key
            ),
        )
        .hint(format!(
            "use a hash dimension: strata.by_hash('{column}', 4)"
        ))
        .into());
    };
    let existing = settings::need(h.table.oid)?.hashes;
    let id = columns::new_hash(&h, &existing, &column, partitions)?;
    invalidate(h.table.oid);
    Ok(TableIterator::once((Some(id), true)))
}

/// Closed chunks keep the least and greatest value of the column.
#[pg_extern(sql = false)]
fn enable_chunk_skipping(
    hypertable: Option<pg_sys::Oid>,
    column_name: Option<&CStr>,
    if_not_exists: Option<bool>,
) -> Result<TableIterator<'static, (name!(column_stats_id, i32), name!(enabled, bool))>, ErrorReport>
{
    let h = locked(hypertable, "hypertable")?;
    let column = text(need(column_name, "column_name")?);
    if let Some(id) = columns::skipping_id(h.id, &column)? {
        let message = format!("chunk skipping by column \"{column}\" is enabled already");
        if !need(if_not_exists, "if_not_exists")? {
            return Err(Error::new(Kind::DuplicateObject, message).into());
        }
        notice(&format!("{message}, skipping"), None);
        return Ok(TableIterator::once((id, false)));
    }
    let id = columns::add_skipping(&h, &column)?;
    invalidate(h.table.oid);
    Ok(TableIterator::once((id, true)))
}

/// Ends chunk skipping by a column. CHECKs of chunks that are closed already go with the job that closes chunks,
/// which is due at once; until then late rows open them.
#[pg_extern(sql = false)]
fn disable_chunk_skipping(
    hypertable: Option<pg_sys::Oid>,
    column_name: Option<&CStr>,
    if_not_exists: Option<bool>,
) -> Result<TableIterator<'static, (name!(hypertable_id, i32), name!(disabled, bool))>, ErrorReport>
{
    let h = locked(hypertable, "hypertable")?;
    let column = text(need(column_name, "column_name")?);
    let Some(id) = columns::skipping_id(h.id, &column)? else {
        let message = format!("chunk skipping by column \"{column}\" is not enabled");
        if !need(if_not_exists, "if_not_exists")? {
            return Err(Error::new(Kind::UndefinedObject, message).into());
        }
        notice(&format!("{message}, skipping"), None);
        return Ok(TableIterator::once((h.id, false)));
    };
    columns::drop_skipping(id)?;
    crate::queue::run_soon(h.table.oid, super::super::zone::POLICY)?;
    invalidate(h.table.oid);
    Ok(TableIterator::once((h.id, true)))
}
