//! Making, listing and dropping chunks.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::bounds::{Edge, KeyType};
use super::super::calendar::DAY_US;
use super::super::catalog::{self, Chunk, Hypertable};
use super::super::chunks;
use super::super::drop_task;
use super::super::select::{self, Bounds, Points};
use super::super::settings;
use super::{Checked, need};
use crate::error::{Error, Kind};
use crate::pg::anyvalue::any_value;
use crate::pg::catalog::{check_owner, lock_held_on, lock_relation};
use crate::pg::session::{in_transaction_block, notice};
use crate::pg::spi;
use crate::pg::subxact::Caught;
use crate::pg::toplevel;
use pgrx::AnyElement;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

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
    let limit = settings::need(h.table.oid)?.max_chunks_per_statement;
    if n > i128::from(limit) {
        return Err(chunks::too_many(&h, i64::try_from(n).unwrap_or(i64::MAX), limit).into());
    }
    let wanted: Vec<i64> = (first..=last).collect();
    let made = chunks::make_missing(&h, &wanted, "user")?;
    Ok(SetOfIterator::new(made.chunks))
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
    let points = select::points(&h, &bounds)?;
    if points.by_time && !may_read(h.table.oid)? {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied for table {}", h.table.name),
        )
        .detail("Which chunks are that old is told by the times in their rows.")
        .into());
    }
    let found = select::within(&h, points, false)?;
    Ok(SetOfIterator::new(oids(&found)))
}

fn may_read(relation: pg_sys::Oid) -> Checked<bool> {
    let sql = "SELECT pg_catalog.has_table_privilege($1, 'SELECT')";
    Ok(spi::read_one(sql, &[relation.into()], |r| r.need(1))?.unwrap_or(false))
}

/// Drops chunks: in a process and without blocking, or in this transaction with AccessExclusiveLock on the
/// hypertable.
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
    call: pg_sys::FunctionCallInfo,
) -> Result<SetOfIterator<'static, String>, ErrorReport> {
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
    let points = select::points(&h, &bounds)?;
    if select::within(&h, points, false)?.is_empty() {
        return Ok(SetOfIterator::new(Vec::new()));
    }
    let alone = toplevel::is_lone_call(call) && !lock_held_on(h.table.oid);
    if concurrently == Some(true) && !alone {
        return Err(Error::new(
            Kind::ActiveTransaction,
            "drop_chunks(concurrently => true) must be called by a statement of its own, outside of a transaction block",
        )
        .hint("concurrently => false drops in this transaction, with the hypertable locked")
        .into());
    }
    let names = if alone && concurrently != Some(false) {
        drop_task::drop_concurrently(&h, points).map_err(Caught::raise)?
    } else {
        drop_here(&h, points)?
    };
    if verbose == Some(true) {
        for name in &names {
            notice(&format!("dropped chunk {name}"), None);
        }
    }
    Ok(SetOfIterator::new(names))
}

fn drop_here(h: &Hypertable, points: Points) -> Checked<Vec<String>> {
    lock_relation(h.table.oid, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
    let found = select::within(h, points, true)?;
    let names = chunks::drop(h, &found)?;
    if in_transaction_block() && !names.is_empty() {
        notice(
            &format!(
                "hypertable \"{}\" stays locked until this transaction ends",
                h.table.name
            ),
            None,
        );
    }
    Ok(names)
}

fn edge_time(key: KeyType, edge: Edge) -> Option<TimestampWithTimeZone> {
    let us = match edge {
        Edge::Min => i64::MIN,
        Edge::Max => i64::MAX,
        Edge::At(v) if key == KeyType::Date => v.saturating_mul(DAY_US),
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
