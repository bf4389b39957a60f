//! SQL surface of runs; declared in sql/migration/code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]
#![allow(
    clippy::too_many_arguments,
    reason = "the arguments of the SQL functions"
)]

use super::api_source::{need, text};
use super::ask::{Ask, MissingDown, OutOfOrder};
use super::books::RunRow;
use super::call::{self, Call, Outside};
use super::header::OnError;
use super::runs;
use super::version::Target;
use crate::error::Result;
use crate::pg::whole_error;
use pgrx::datum::Interval;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{JsonB, name, pg_extern};

/// Does it, and lets errors of the files out with everything that they carry.
fn done(
    ask: impl FnOnce() -> Result<(Ask, Call)>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(direction, String),
            name!(outcome, String),
            name!(statements, i32),
            name!(errors, i32),
            name!(duration, Interval),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    whole_error::border(|| {
        let (ask, call) = ask()?;
        let rows = runs::run(&ask, &call)?.into_iter().map(row);
        Ok(TableIterator::new(rows.collect::<Vec<_>>()))
    })
}

type Row = (
    Option<String>,
    String,
    String,
    String,
    i32,
    i32,
    Interval,
    Option<String>,
);

fn row(r: RunRow) -> Row {
    (
        Some(r.version).filter(|v| !v.is_empty()),
        r.name,
        r.direction.word().to_owned(),
        r.outcome.to_owned(),
        r.statements,
        r.errors,
        Interval::from_micros(r.us),
        r.note,
    )
}

fn target(text: Option<&str>) -> Result<Option<Target>> {
    text.map(Target::parse).transpose()
}

#[pg_extern(sql = false)]
fn migrate_up(
    steps: Option<i32>,
    target_version: Option<&str>,
    dry_run: Option<bool>,
    out_of_order: Option<&str>,
    nontransactional: Option<&str>,
    on_error: Option<&str>,
    existing_roles: Option<&str>,
    lock_timeout: Option<Interval>,
    wait: Option<Interval>,
    search_path: Option<&str>,
    vars: Option<JsonB>,
    tenant: Option<&core::ffi::CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(direction, String),
            name!(outcome, String),
            name!(statements, i32),
            name!(errors, i32),
            name!(duration, Interval),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    done(|| {
        let order = OutOfOrder::read(need(out_of_order, "out_of_order")?)?;
        let ask = Ask::up(steps, target(target_version)?, order)?;
        let call = Call {
            outside: call::outside(need(nontransactional, "nontransactional")?)?,
            on_error: call::on_error(need(on_error, "on_error")?)?,
            skip_roles: call::skip_roles(need(existing_roles, "existing_roles")?)?,
            wait_ms: call::milliseconds("wait", &need(wait, "wait")?)?,
            search_path: search_path.map(str::to_owned),
            ..plain(dry_run, lock_timeout, vars, tenant, namespace)?
        };
        Ok((ask, call))
    })
}

/// What all runs take.
fn plain(
    dry_run: Option<bool>,
    lock_timeout: Option<Interval>,
    vars: Option<JsonB>,
    tenant: Option<&core::ffi::CStr>,
    namespace: Option<&str>,
) -> Result<Call> {
    Ok(Call {
        namespace: need(namespace, "namespace")?.to_owned(),
        tenant: tenant.map(text),
        among: false,
        dry_run: need(dry_run, "dry_run")?,
        outside: Outside::Auto,
        on_error: OnError::Stop,
        skip_roles: false,
        lock_timeout_ms: call::milliseconds("lock_timeout", &need(lock_timeout, "lock_timeout")?)?,
        wait_ms: 60_000,
        search_path: None,
        vars: call::vars(vars.map(|v| v.0))?,
    })
}

#[pg_extern(sql = false)]
fn migrate_down(
    steps: Option<i32>,
    target_version: Option<&str>,
    all_versions: Option<bool>,
    dry_run: Option<bool>,
    missing_down: Option<&str>,
    nontransactional: Option<&str>,
    lock_timeout: Option<Interval>,
    wait: Option<Interval>,
    search_path: Option<&str>,
    vars: Option<JsonB>,
    tenant: Option<&core::ffi::CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(direction, String),
            name!(outcome, String),
            name!(statements, i32),
            name!(errors, i32),
            name!(duration, Interval),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    done(|| {
        let missing = MissingDown::read(need(missing_down, "missing_down")?)?;
        let all = need(all_versions, "all_versions")?;
        let ask = Ask::down(steps, target(target_version)?, all, missing)?;
        let call = Call {
            outside: call::outside(need(nontransactional, "nontransactional")?)?,
            wait_ms: call::milliseconds("wait", &need(wait, "wait")?)?,
            search_path: search_path.map(str::to_owned),
            ..plain(dry_run, lock_timeout, vars, tenant, namespace)?
        };
        Ok((ask, call))
    })
}

#[pg_extern(sql = false)]
fn migrate_goto(
    target_version: Option<&str>,
    dry_run: Option<bool>,
    out_of_order: Option<&str>,
    nontransactional: Option<&str>,
    lock_timeout: Option<Interval>,
    wait: Option<Interval>,
    search_path: Option<&str>,
    vars: Option<JsonB>,
    tenant: Option<&core::ffi::CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(direction, String),
            name!(outcome, String),
            name!(statements, i32),
            name!(errors, i32),
            name!(duration, Interval),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    done(|| {
        let ask = Ask::Goto {
            target: Target::parse(need(target_version, "target")?)?,
            out_of_order: OutOfOrder::read(need(out_of_order, "out_of_order")?)?,
        };
        let call = Call {
            outside: call::outside(need(nontransactional, "nontransactional")?)?,
            wait_ms: call::milliseconds("wait", &need(wait, "wait")?)?,
            search_path: search_path.map(str::to_owned),
            ..plain(dry_run, lock_timeout, vars, tenant, namespace)?
        };
        Ok((ask, call))
    })
}

#[pg_extern(sql = false)]
fn migrate_redo(
    steps: Option<i32>,
    dry_run: Option<bool>,
    lock_timeout: Option<Interval>,
    vars: Option<JsonB>,
    tenant: Option<&core::ffi::CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(direction, String),
            name!(outcome, String),
            name!(statements, i32),
            name!(errors, i32),
            name!(duration, Interval),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    done(|| {
        let call = plain(dry_run, lock_timeout, vars, tenant, namespace)?;
        Ok((Ask::redo(steps)?, call))
    })
}
