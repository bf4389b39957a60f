//! SQL surface of hypertables; declared in sql/hypertable/code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::bounds::Edge;
use super::catalog::{self, Chunk};
use super::chunks;
use super::create::{self, Outcome, Request};
use super::dimension::{Dimension, DimensionKind, GivenInterval};
use super::select::{self, Bounds};
use crate::error::{Error, Kind};
use crate::pg::anyvalue::{AnyValue, any_value};
use crate::pg::catalog::{check_owner, lock_relation};
use crate::pg::session::{in_transaction_block, notice, preloaded};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{AnyElement, JsonB};
use std::ffi::CStr;

type Checked<T> = crate::error::Result<T>;

fn need<T>(value: Option<T>, argument: &str) -> Checked<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

fn later<T>(value: Option<T>, what: &str, instead: &str) -> Checked<()> {
    match value {
        None => Ok(()),
        Some(_) => {
            Err(Error::new(Kind::NotSupported, format!("{what} is not supported")).hint(instead))
        }
    }
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

fn given_interval(argument: &str, value: Option<&AnyElement>) -> Checked<Option<GivenInterval>> {
    let Some(value) = value else { return Ok(None) };
    Ok(Some(match any_value(value) {
        AnyValue::Int(n) => GivenInterval::Number(n),
        AnyValue::Interval { months, days, us } => GivenInterval::Fields {
            months,
            days,
            microseconds: us,
        },
        _ => {
            let given = crate::pg::anyvalue::type_name(value.oid());
            return Err(Error::new(
                Kind::WrongType,
                format!("{argument} must be an interval or an integer, not {given}"),
            )
            .hint("INTERVAL '7 days' for a time column, 100000 for an integer column"));
        }
    }))
}

const NO_FUNCTION: &str = "partition by the column itself: a key that is an expression forbids every primary key and unique constraint";

/// Describes a range dimension.
#[pg_extern(sql = false)]
fn by_range(
    column_name: Option<&CStr>,
    partition_interval: Option<AnyElement>,
    partition_func: Option<pg_sys::Oid>,
) -> Result<JsonB, ErrorReport> {
    later(partition_func, "a partitioning function", NO_FUNCTION)?;
    let dimension = Dimension {
        kind: DimensionKind::Range,
        column: text(need(column_name, "column_name")?),
        interval: given_interval("partition_interval", partition_interval.as_ref())?,
    };
    let value = serde_json::to_value(dimension)
        .map_err(|e| Error::internal(format!("dimension_info: {e}")))?;
    Ok(JsonB(value))
}

/// Hash dimensions are planned.
#[pg_extern(sql = false)]
fn by_hash(
    _column_name: Option<&CStr>,
    _number_partitions: Option<i32>,
    _partition_func: Option<pg_sys::Oid>,
) -> Result<JsonB, ErrorReport> {
    Err(
        Error::new(Kind::NotSupported, "hash dimensions are not supported")
            .hint("use one range dimension: strata.by_range('column', INTERVAL '7 days')")
            .into(),
    )
}

/// Partitioning by id is planned.
#[pg_extern(sql = false)]
fn by_id(
    _column_name: Option<&CStr>,
    _time_column: Option<&CStr>,
    _partition_interval: Option<AnyElement>,
) -> Result<JsonB, ErrorReport> {
    Err(Error::new(
        Kind::NotSupported,
        "partitioning by id with a time column is not supported",
    )
    .hint("use strata.by_range('id', 1000000) for an integer id, or strata.by_range('time column')")
    .into())
}

fn preload_notice() {
    if preloaded() {
        return;
    }
    notice(
        "pg_strata is not preloaded: no background worker makes chunks ahead, and a row without a chunk fails with SQLSTATE 23514",
        Some(
            "set shared_preload_libraries = 'pg_strata' in postgresql.conf and restart, or call strata.premake_chunks",
        ),
    );
}

fn run(request: &Request) -> Checked<Outcome> {
    let outcome = create::create(request)?;
    if outcome.created {
        preload_notice();
    }
    Ok(outcome)
}

type CreatedRow = (Option<i32>, bool, i32, i64, JsonB);

/// Makes a hypertable of a table.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn create_hypertable(
    relation: Option<pg_sys::Oid>,
    dimension: Option<JsonB>,
    create_default_indexes: Option<bool>,
    if_not_exists: Option<bool>,
    migrate_data: Option<bool>,
    end_column: Option<&CStr>,
    logical_key: Option<&CStr>,
    on_conflicting_unique: Option<&str>,
    dry_run: Option<bool>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(hypertable_id, Option<i32>),
            name!(created, bool),
            name!(chunks, i32),
            name!(rows_moved, i64),
            name!(report, JsonB),
        ),
    >,
    ErrorReport,
> {
    later(end_column, "end_column", "leave it out")?;
    later(logical_key, "logical_key", "leave it out")?;
    conflicting_unique(on_conflicting_unique)?;
    let outcome = run(&Request {
        relation: need(relation, "relation")?,
        dimension: Dimension::parse(need(dimension, "dimension")?.0)?,
        default_indexes: need(create_default_indexes, "create_default_indexes")?,
        if_not_exists: need(if_not_exists, "if_not_exists")?,
        migrate_data: need(migrate_data, "migrate_data")?,
        dry_run: need(dry_run, "dry_run")?,
    })?;
    let row: CreatedRow = (
        outcome.id,
        outcome.created,
        outcome.chunks,
        outcome.rows_moved,
        JsonB(outcome.report),
    );
    Ok(TableIterator::once(row))
}

fn conflicting_unique(value: Option<&str>) -> Checked<()> {
    match need(value, "on_conflicting_unique")? {
        "error" => Ok(()),
        v @ ("widen" | "leaf" | "drop") => Err(Error::new(
            Kind::NotSupported,
            format!("on_conflicting_unique => '{v}' is not supported"),
        )
        .hint("change the keys first, so that each contains the time column; 'error' lists those that do not")),
        v => Err(Error::new(
            Kind::InvalidParameter,
            format!("on_conflicting_unique must be 'error', not '{v}'"),
        )),
    }
}

/// The older argument style, taken apart by SQL.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn create_hypertable_named(
    relation: Option<pg_sys::Oid>,
    dimension: Option<JsonB>,
    partitioning_column: Option<&CStr>,
    number_partitions: Option<i32>,
    associated_schema_name: Option<&CStr>,
    associated_table_prefix: Option<&CStr>,
    create_default_indexes: Option<bool>,
    if_not_exists: Option<bool>,
    partitioning_func: Option<pg_sys::Oid>,
    migrate_data: Option<bool>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(hypertable_id, Option<i32>),
            name!(relation, pg_sys::Oid),
            name!(created, bool),
        ),
    >,
    ErrorReport,
> {
    later(
        partitioning_column,
        "partitioning_column",
        "use the time column alone",
    )?;
    later(
        number_partitions,
        "number_partitions",
        "use the time column alone",
    )?;
    later(partitioning_func, "a partitioning function", NO_FUNCTION)?;
    let schema = associated_schema_name.filter(|s| s.to_bytes() != chunks::SCHEMA.as_bytes());
    later(
        schema,
        "associated_schema_name",
        "all chunks live in schema strata_chunks",
    )?;
    later(
        associated_table_prefix,
        "associated_table_prefix",
        "chunks are named after their table",
    )?;
    let outcome = run(&Request {
        relation: need(relation, "relation")?,
        dimension: Dimension::parse(need(dimension, "dimension")?.0)?,
        default_indexes: need(create_default_indexes, "create_default_indexes")?,
        if_not_exists: need(if_not_exists, "if_not_exists")?,
        migrate_data: need(migrate_data, "migrate_data")?,
        dry_run: false,
    })?;
    Ok(TableIterator::once((
        outcome.id,
        outcome.relation,
        outcome.created,
    )))
}

/// Changes the width of chunks made from now on. Takes ShareUpdateExclusiveLock on the hypertable.
#[pg_extern(sql = false)]
fn set_chunk_time_interval(
    hypertable: Option<pg_sys::Oid>,
    chunk_time_interval: Option<AnyElement>,
    dimension_name: Option<&CStr>,
) -> Result<(), ErrorReport> {
    let h = chunks::hypertable(need(hypertable, "hypertable")?)?;
    check_owner(h.table.oid)?;
    if let Some(name) = dimension_name.map(text).filter(|n| *n != h.key) {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!(
                "hypertable \"{}\" has no dimension \"{name}\"",
                h.table.name
            ),
        )
        .into());
    }
    let given = given_interval("chunk_time_interval", chunk_time_interval.as_ref())?;
    let width = need(given, "chunk_time_interval")?.width(h.grid.key)?;
    lock_relation(
        h.table.oid,
        pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
    );
    catalog::set_interval(h.table.oid, super::bounds::Grid { width, ..h.grid })?;
    Ok(())
}

/// Makes the missing chunks of a range.
#[pg_extern(sql = false)]
fn premake_chunks(
    relation: Option<pg_sys::Oid>,
    from_value: Option<AnyElement>,
    to_value: Option<AnyElement>,
) -> Result<SetOfIterator<'static, pg_sys::Oid>, ErrorReport> {
    let h = chunks::hypertable(need(relation, "relation")?)?;
    check_owner(h.table.oid)?;
    let from = any_value(&need(from_value, "from_value")?);
    let to = any_value(&need(to_value, "to_value")?);
    let (from, to) = select::range_arguments(&h, &from, &to)?;
    let (first, last) = h.grid.span(from, to);
    let n = i128::from(last) - i128::from(first) + 1;
    if n > i128::from(chunks::MAX_PER_STATEMENT) {
        return Err(chunks::too_many(&h, i64::try_from(n).unwrap_or(i64::MAX)).into());
    }
    let wanted: Vec<i64> = (first..=last).collect();
    Ok(SetOfIterator::new(chunks::make_missing(
        &h, &wanted, "user",
    )?))
}

fn bounds(
    older_than: Option<AnyElement>,
    newer_than: Option<AnyElement>,
    created_before: Option<AnyElement>,
    created_after: Option<AnyElement>,
) -> Bounds {
    let value = |a: Option<AnyElement>| a.as_ref().map(any_value);
    Bounds {
        older_than: value(older_than),
        newer_than: value(newer_than),
        created_before: value(created_before),
        created_after: value(created_after),
    }
}

fn oids(found: &[Chunk]) -> Vec<pg_sys::Oid> {
    found.iter().map(|c| c.oid).collect()
}

/// Lists chunks, oldest first.
#[pg_extern(sql = false)]
fn show_chunks(
    relation: Option<pg_sys::Oid>,
    older_than: Option<AnyElement>,
    newer_than: Option<AnyElement>,
    created_before: Option<AnyElement>,
    created_after: Option<AnyElement>,
) -> Result<SetOfIterator<'static, pg_sys::Oid>, ErrorReport> {
    let h = chunks::hypertable(need(relation, "relation")?)?;
    let bounds = bounds(older_than, newer_than, created_before, created_after);
    Ok(SetOfIterator::new(oids(&select::chunks(
        &h, &bounds, false,
    )?)))
}

/// Drops chunks in this transaction. Takes AccessExclusiveLock on the hypertable.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn drop_chunks(
    relation: Option<pg_sys::Oid>,
    older_than: Option<AnyElement>,
    newer_than: Option<AnyElement>,
    verbose: Option<bool>,
    created_before: Option<AnyElement>,
    created_after: Option<AnyElement>,
    concurrently: Option<bool>,
) -> Result<SetOfIterator<'static, String>, ErrorReport> {
    if concurrently == Some(true) {
        return Err(Error::new(Kind::NotSupported, "drop_chunks(concurrently => true) is not supported")
            .hint("leave concurrently out: the chunks are dropped in this transaction, with the hypertable locked")
            .into());
    }
    let h = chunks::hypertable(need(relation, "relation")?)?;
    check_owner(h.table.oid)?;
    let bounds = bounds(older_than, newer_than, created_before, created_after);
    if bounds.none() {
        return Err(Error::new(
            Kind::InvalidParameter,
            "drop_chunks needs at least one bound",
        )
        .hint("drop_chunks('table', older_than => INTERVAL '1 year')")
        .into());
    }
    // a look without a lock first: nothing to drop must not lock anybody out
    if select::chunks(&h, &bounds, false)?.is_empty() {
        return Ok(SetOfIterator::new(Vec::new()));
    }
    lock_relation(h.table.oid, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
    let found = select::chunks(&h, &bounds, true)?;
    let names = chunks::drop(&h, &found)?;
    if in_transaction_block() && !names.is_empty() {
        notice(
            &format!(
                "hypertable \"{}\" stays locked until this transaction ends",
                h.table.name
            ),
            None,
        );
    }
    if verbose == Some(true) {
        for name in &names {
            notice(&format!("dropped chunk {name}"), None);
        }
    }
    Ok(SetOfIterator::new(names))
}

fn edge_time(key: super::bounds::KeyType, edge: Edge) -> Option<TimestampWithTimeZone> {
    let us = match edge {
        Edge::Min => i64::MIN,
        Edge::Max => i64::MAX,
        Edge::At(v) if key == super::bounds::KeyType::Date => {
            v.saturating_mul(super::calendar::DAY_US)
        }
        Edge::At(v) => v,
    };
    TimestampWithTimeZone::try_from(us).ok()
}

/// The range of a chunk in the form that the view shows; no row for a DEFAULT partition.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn chunk_range(
    chunk: pg_sys::Oid,
    key_type: pg_sys::Oid,
) -> Result<
    TableIterator<
        'static,
        (
            name!(range_start, Option<TimestampWithTimeZone>),
            name!(range_end, Option<TimestampWithTimeZone>),
            name!(range_start_integer, Option<i64>),
            name!(range_end_integer, Option<i64>),
        ),
    >,
    ErrorReport,
> {
    let (Some((lo, hi)), Some(key)) = (catalog::range_of(chunk)?, catalog::key_type(key_type))
    else {
        return Ok(TableIterator::new(Vec::new()));
    };
    Ok(TableIterator::once(if key.is_time() {
        (edge_time(key, lo), edge_time(key, hi), None, None)
    } else {
        (None, None, lo.value(), hi.value())
    }))
}
