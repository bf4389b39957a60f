//! `create_hypertable` and what describes a dimension.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::chunks;
use super::super::create::{self, Outcome, Request};
use super::super::dimension::{Dimension, DimensionKind};
use super::super::unique::Action;
use super::{Checked, given_interval, later, need, text};
use crate::error::{Error, Kind};
use crate::pg::session::{notice, preloaded};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{AnyElement, JsonB};
use std::ffi::CStr;

const NO_FUNCTION: &str = "partition by the column itself: a key that is an expression forbids every primary key and unique constraint";

/// Describes a range dimension.
#[pg_extern(sql = false)]
fn by_range(
    column_name: Option<&CStr>,
    partition_interval: Option<AnyElement>,
    partition_func: Option<pg_sys::Oid>,
) -> Result<JsonB, ErrorReport> {
    later(partition_func, "a partitioning function", NO_FUNCTION)?;
    dimension_info(&Dimension {
        kind: DimensionKind::Range,
        column: text(need(column_name, "column_name")?),
        interval: given_interval("partition_interval", partition_interval.as_ref())?,
        partitions: None,
        time_column: None,
    })
}

/// Describes a hash dimension.
#[pg_extern(sql = false)]
fn by_hash(
    column_name: Option<&CStr>,
    number_partitions: Option<i32>,
    partition_func: Option<pg_sys::Oid>,
) -> Result<JsonB, ErrorReport> {
    later(partition_func, "a partitioning function", NO_FUNCTION)?;
    dimension_info(&Dimension {
        kind: DimensionKind::Hash,
        column: text(need(column_name, "column_name")?),
        interval: None,
        partitions: Some(need(number_partitions, "number_partitions")?),
        time_column: None,
    })
}

/// Describes a dimension by growing ids.
#[pg_extern(sql = false)]
fn by_id(
    column_name: Option<&CStr>,
    time_column: Option<&CStr>,
    partition_interval: Option<AnyElement>,
) -> Result<JsonB, ErrorReport> {
    dimension_info(&Dimension {
        kind: DimensionKind::Id,
        column: text(need(column_name, "column_name")?),
        interval: given_interval("partition_interval", partition_interval.as_ref())?,
        partitions: None,
        time_column: time_column.map(text),
    })
}

fn dimension_info(dimension: &Dimension) -> Result<JsonB, ErrorReport> {
    let value = serde_json::to_value(dimension)
        .map_err(|e| Error::internal(format!("dimension_info: {e}")))?;
    Ok(JsonB(value))
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
    let conflicts = need(on_conflicting_unique, "on_conflicting_unique")?;
    let outcome = run(&Request {
        relation: need(relation, "relation")?,
        dimension: Dimension::parse(need(dimension, "dimension")?.0)?,
        default_indexes: need(create_default_indexes, "create_default_indexes")?,
        if_not_exists: need(if_not_exists, "if_not_exists")?,
        migrate_data: need(migrate_data, "migrate_data")?,
        hash: None,
        end_column: end_column.map(text),
        logical_key: logical_key.map(text),
        conflicts: Action::parse(conflicts)?,
        chunk_options: Vec::new(),
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

/// The older argument style, taken apart by SQL.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
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
            name!(schema_name, String),
            name!(table_name, String),
            name!(created, bool),
        ),
    >,
    ErrorReport,
> {
    let hash = match (partitioning_column.map(text), number_partitions) {
        (None, None) => None,
        (Some(column), Some(n)) => Some((column, n)),
        _ => {
            return Err(Error::new(
                Kind::InvalidParameter,
                "partitioning_column and number_partitions belong together",
            )
            .into());
        }
    };
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
        hash,
        end_column: None,
        logical_key: None,
        conflicts: Action::Error,
        chunk_options: Vec::new(),
        dry_run: false,
    })?;
    Ok(TableIterator::once((
        outcome.id,
        outcome.schema,
        outcome.table,
        outcome.created,
    )))
}
