//! SQL surface of the cold tier (declared in sql/cold/code.sql).
#![allow(
    clippy::result_large_err,
    reason = "ErrorReport is pgrx's and keeps the SQLSTATE"
)]

use crate::cold::catalog::{jobs, settings, spec};
use crate::cold::storage::{self, Carry, Setting, Verify};
use crate::cold::tier::{self, Waiting};
use crate::cold::{inspect, policy, servers, store, untier};
use crate::error::{Error, Kind, Result};
use crate::hypertable;
use crate::pg::anyvalue::{AnyValue, any_value, names};
use crate::pg::{catalog, cold_reader, cold_stub, nonatomic};
use crate::worker;
use pgrx::datum::{AnyElement, Interval};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CStr;

type Report<T> = std::result::Result<T, ErrorReport>;

fn need<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{name} must not be NULL")))
}

fn bound(arg: Option<AnyElement>) -> Option<AnyValue> {
    arg.map(|a| any_value(&a))
}

fn list(arg: Option<AnyElement>, name: &str) -> Result<Option<Vec<String>>> {
    arg.map(|a| need(names(&a), &format!("a column of {name}")))
        .transpose()
}

#[pg_extern(sql = false)]
fn _sqlite_validator(options: Vec<String>, catalog: pg_sys::Oid) -> Report<()> {
    Ok(servers::validate(options, catalog)?)
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn set_cold_storage(
    hypertable: Option<pg_sys::Oid>,
    server: Option<&CStr>,
    late_rows: Option<&str>,
    cluster_by: Option<AnyElement>,
    bloom_columns: Option<AnyElement>,
    indexes: Option<&str>,
    verify: Option<&str>,
    full_text: Option<AnyElement>,
) -> Report<()> {
    let setting = Setting {
        server: need(server, "server")?.to_string_lossy().into_owned(),
        late_rows: need(late_rows, "late_rows")?.to_owned(),
        cluster_by: list(cluster_by, "cluster_by")?,
        bloom_columns: list(bloom_columns, "bloom_columns")?,
        carry: Carry::parse(need(indexes, "indexes")?)?,
        verify: Verify::parse(need(verify, "verify")?)?,
        full_text: list(full_text, "full_text")?,
    };
    Ok(storage::set(need(hypertable, "hypertable")?, &setting)?)
}

#[pg_extern(sql = false)]
fn remove_cold_storage(hypertable: pg_sys::Oid) -> Report<()> {
    catalog::check_owner(hypertable)?;
    let cold = settings::cold_chunks(hypertable)?;
    if cold > 0 {
        let name = catalog::qualified_name(hypertable)?;
        Err(Error::new(
            Kind::NotInState,
            format!("{cold} chunks of {name} are cold"),
        )
        .hint(format!(
            "CALL strata.untier_chunks({});",
            catalog::quote_literal(&name)
        )))?;
    }
    if settings::remove(hypertable)? == 0 {
        spec::relation(hypertable)?;
        hypertable::check_hypertable(hypertable)?;
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn tier_chunk(chunk: pg_sys::Oid) -> Report<i64> {
    Ok(tier::tier_chunk(chunk)?)
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn tier_chunks(
    hypertable: Option<pg_sys::Oid>,
    older_than: Option<AnyElement>,
    newer_than: Option<AnyElement>,
    over_bytes: Option<i64>,
    max_chunks: Option<i32>,
    wait: Option<bool>,
    call: pg_sys::FunctionCallInfo,
) -> Report<()> {
    let table = need(hypertable, "hypertable")?;
    let wait = wait.unwrap_or(true);
    if wait {
        nonatomic::check_call(
            call,
            "CALL strata.tier_chunks with wait => true",
            "Call it outside of BEGIN ... COMMIT, or with wait => false.",
        )?;
    }
    hypertable::check_hypertable(table)?;
    catalog::check_owner(table)?;
    tier::check_limits(over_bytes, max_chunks)?;
    let candidates = hypertable::chunks_between(table, bound(older_than), bound(newer_than))?;
    let chosen = tier::choose(table, candidates, over_bytes, max_chunks)?;
    if let Some(refused) = chosen.refused.into_iter().next() {
        Err(refused)?;
    }
    let mut jobs = Vec::with_capacity(chosen.chunks.len());
    for chunk in chosen.chunks {
        jobs.push(Waiting {
            id: tier::queue_chunk(chunk)?,
            name: catalog::relation_name(chunk)?,
        });
    }
    if jobs.is_empty() {
        pgrx::notice!("no chunk to tier");
        return Ok(());
    }
    if wait {
        nonatomic::commit()?;
        return Ok(tier::wait_for(jobs)?);
    }
    worker::start_dynamic_at_commit(crate::cold::export::JOB);
    Ok(())
}

/// Makes the job that tiers old chunks.
#[pg_extern(sql = false)]
fn add_tiering_policy(
    hypertable: Option<pg_sys::Oid>,
    move_after: Option<Interval>,
    if_not_exists: Option<bool>,
    keep_hot_bytes: Option<i64>,
    schedule_interval: Option<Interval>,
    max_per_run: Option<i32>,
) -> Report<i32> {
    Ok(policy::add(
        need(hypertable, "hypertable")?,
        policy::Wanted {
            move_after,
            keep_hot_bytes,
            schedule_interval: need(schedule_interval, "schedule_interval")?,
            max_per_run: need(max_per_run, "max_per_run")?,
            if_not_exists: if_not_exists == Some(true),
        },
    )?)
}

/// Removes the job that tiers old chunks.
#[pg_extern(sql = false)]
fn remove_tiering_policy(hypertable: Option<pg_sys::Oid>, if_exists: Option<bool>) -> Report<()> {
    let table = need(hypertable, "hypertable")?;
    Ok(policy::remove(table, if_exists == Some(true))?)
}

/// Rows that a running export has read, for the chunk's owner.
#[pg_extern(sql = false)]
fn _cold_rows_read(chunk: pg_sys::Oid) -> Report<Option<i64>> {
    Ok(jobs::rows_read(chunk)?)
}

#[pg_extern(sql = false)]
fn untier_chunk(chunk: Option<pg_sys::Oid>) -> Report<()> {
    untier::untier(need(chunk, "chunk")?)?;
    Ok(())
}

/// Commits after each chunk unless a transaction block is open.
#[pg_extern(sql = false)]
fn untier_chunks(
    hypertable: Option<pg_sys::Oid>,
    older_than: Option<AnyElement>,
    newer_than: Option<AnyElement>,
    call: pg_sys::FunctionCallInfo,
) -> Report<()> {
    let table = need(hypertable, "hypertable")?;
    hypertable::check_hypertable(table)?;
    catalog::check_owner(table)?;
    let may_commit = nonatomic::check_call(call, "", "").is_ok();
    let candidates = hypertable::chunks_between(table, bound(older_than), bound(newer_than))?;
    let states = settings::states(table)?;
    for chunk in candidates {
        if !states.iter().any(|(c, s)| *c == chunk && s == "live") {
            continue;
        }
        let (name, rows) = if may_commit {
            nonatomic::commit()?;
            nonatomic::with_snapshot(|| {
                Ok((catalog::relation_name(chunk)?, untier::untier(chunk)?))
            })?
        } else {
            (catalog::relation_name(chunk)?, untier::untier(chunk)?)
        };
        pgrx::notice!("chunk \"{name}\" is hot again: {rows} rows");
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn cold_cache_reset() {
    cold_reader::close_all();
    store::reset_cache();
}

#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns off the type"
)]
fn cold_session_stats() -> TableIterator<
    'static,
    (
        name!(gets, i64),
        name!(bytes, i64),
        name!(cache_hits, i64),
        name!(wait_ms, f64),
    ),
> {
    TableIterator::once(counters(store::session_stats()))
}

fn counters(stats: store::ReadStats) -> (i64, i64, i64, f64) {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    (
        signed(stats.gets),
        signed(stats.bytes),
        signed(stats.cache_hits),
        stats.wait_us as f64 / 1000.0,
    )
}

#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns off the type"
)]
fn _cold_session_files() -> TableIterator<
    'static,
    (
        name!(key, String),
        name!(gets, i64),
        name!(bytes, i64),
        name!(cache_hits, i64),
        name!(wait_ms, f64),
    ),
> {
    TableIterator::new(store::file_stats().into_iter().map(|(key, stats)| {
        let (gets, bytes, hits, wait) = counters(stats);
        (key.to_string(), gets, bytes, hits, wait)
    }))
}

/// Late rows of a cold chunk, for those who may read its hypertable.
#[pg_extern(sql = false)]
fn _cold_late_rows(chunk: pg_sys::Oid) -> Option<i64> {
    cold_stub::count_for(chunk, catalog::current_user())
}

/// A dump that began before a chunk was brought back has its rows from the heap, where every snapshot sees them:
/// with the manifest they would come twice after a restore.
#[pg_extern(sql = false)]
fn _cold_dumped(file: pgrx::Uuid, chunk: pg_sys::Oid) -> Report<bool> {
    Ok(inspect::check_dumped(&file.to_string(), chunk)?)
}

#[pg_extern(sql = false)]
fn cold_owner_token() -> Report<String> {
    Ok(spec::identity()?.token())
}

#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns off the type"
)]
fn cold_check(
    hypertable: Option<pg_sys::Oid>,
    deep: Option<bool>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(chunk, pg_sys::Oid),
            name!(key, String),
            name!(status, String),
            name!(detail, Option<String>),
        ),
    >,
    ErrorReport,
> {
    if let Some(table) = hypertable {
        spec::relation(table)?;
        catalog::check_owner(table)?;
    }
    let found = inspect::check_files(hypertable, deep.unwrap_or(false))?;
    if let (Some(table), []) = (hypertable, &found[..]) {
        // a chunk that was detached while it was cold stands for itself
        hypertable::check_hypertable(table)?;
    }
    Ok(TableIterator::new(found))
}
