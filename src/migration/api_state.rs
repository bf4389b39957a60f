//! SQL surface of state and history; declared in sql/migration/code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]

use super::api_source::{need, text};
use super::ask::{Ask, OutOfOrder};
use super::manage;
use super::plan::Run;
use super::set::Direction;
use super::version::{Target, Version};
use super::{deferred_known, history, planned, state, status};
use crate::pg::{datum, spi};
use pgrx::datum::{Interval, TimestampWithTimeZone, Uuid};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{AnyElement, JsonB, name, pg_extern};
use std::ffi::CStr;

fn tenant(name: Option<&CStr>) -> Option<String> {
    name.map(text)
}

fn label(version: &Option<Version>) -> Option<String> {
    version.as_ref().map(ToString::to_string)
}

#[pg_extern(sql = false)]
fn migrate_version(
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<Option<String>, ErrorReport> {
    let tenant = tenant(tenant_name);
    let known = state::known(need(namespace, "namespace")?, tenant.as_deref())?;
    Ok(state::head(&known))
}

#[pg_extern(sql = false)]
fn migrate_status(
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(state, String),
            name!(has_down, bool),
            name!(applied_at, Option<TimestampWithTimeZone>),
            name!(applied_by, Option<AnyElement>),
            name!(duration, Option<Interval>),
            name!(statements, Option<i32>),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let tenant = tenant(tenant_name);
    let known = state::known(need(namespace, "namespace")?, tenant.as_deref())?;
    let rows = status::states(&known.files, &known.applied);
    let shown: Vec<_> = rows
        .into_iter()
        .map(|r| {
            let row = known.rows.iter().find(|a| Some(&a.applied) == r.applied);
            let facts = known.stored(r.key).and_then(|s| s.facts.up.as_ref());
            (
                label(&r.key.version),
                r.key.name.clone(),
                r.key.kind.name().to_owned(),
                r.state.word().to_owned(),
                r.has_down,
                row.map(|a| a.at),
                row.and_then(|a| datum::name(&a.by)),
                row.and_then(|a| a.duration),
                row.map(|a| a.statements).or(facts.map(|f| f.statements)),
                r.note,
            )
        })
        .collect();
    Ok(TableIterator::new(shown))
}

#[pg_extern(sql = false)]
fn migrate_pending(
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(step, i32),
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(statements, i32),
            name!(needs, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let tenant = tenant(tenant_name);
    let known = state::known(need(namespace, "namespace")?, tenant.as_deref())?;
    let steps = state::pending(&known, tenant.as_deref())?;
    let rows: Vec<_> = (1..)
        .zip(steps)
        .map(|(n, step)| {
            let facts = known.stored(&step.key).and_then(|s| s.facts.up.clone());
            let facts = facts.unwrap_or_default();
            (
                n,
                label(&step.key.version),
                step.key.name.clone(),
                step.key.kind.name().to_owned(),
                match step.run {
                    Run::NoUp | Run::NoDown => 0,
                    Run::Text(_) | Run::Rest { .. } => facts.statements,
                },
                facts.needs().map(str::to_owned),
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = false)]
fn migrate_plan(
    target: Option<&str>,
    direction: Option<&str>,
    vars: Option<JsonB>,
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(step, i32),
            name!(version, Option<String>),
            name!(filename, Option<String>),
            name!(statement, i32),
            name!(line, i32),
            name!(command, String),
            name!(mode, String),
            name!(object, Option<String>),
            name!(sql, String),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let tenant = tenant(tenant_name);
    let target = target.map(Target::parse).transpose()?;
    let direction = need(direction, "direction")?;
    let ask = match Direction::of(direction) {
        Some(Direction::Up) => Ask::up(None, target, OutOfOrder::Error)?,
        Some(Direction::Down) => planned::down(target)?,
        None => return Err(planned::unknown_direction(direction).into()),
    };
    let rows = planned::rows(
        &ask,
        vars.map(|v| v.0),
        tenant.as_deref(),
        need(namespace, "namespace")?,
    )?;
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = false)]
fn migrate_history(
    run: Option<Uuid>,
    version: Option<&str>,
    since: Option<TimestampWithTimeZone>,
    max_rows: Option<i32>,
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(id, i64),
            name!(at, TimestampWithTimeZone),
            name!(event, String),
            name!(version, Option<String>),
            name!(name, Option<String>),
            name!(run, Option<Uuid>),
            name!(session_role, Option<AnyElement>),
            name!(effective_role, Option<AnyElement>),
            name!(client, Option<pgrx::datum::Inet>),
            name!(application, Option<String>),
            name!(xid, i64),
            name!(server, String),
            name!(duration, Option<Interval>),
            name!(statements, Option<i32>),
            name!(error, Option<JsonB>),
            name!(reason, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let tenant = tenant(tenant_name);
    let version = version.map(manage::version).transpose()?;
    let wanted = history::Wanted {
        run,
        version: version.as_ref().map(Version::as_str),
        since,
        most: need(max_rows, "max_rows")?,
        tenant: tenant.as_deref(),
        namespace: need(namespace, "namespace")?,
    };
    // names lie in memory that SPI would take with it
    let rows = history::rows(&wanted)?.into_iter().map(|r| {
        let (session_role, role) = (datum::name(&r.6), datum::name(&r.7));
        (
            r.0,
            r.1,
            r.2,
            r.3,
            r.4,
            r.5,
            session_role,
            role,
            r.8,
            r.9,
            r.10,
            r.11,
            r.12,
            r.13,
            r.14,
            r.15,
        )
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

#[pg_extern(sql = false)]
fn migrate_validate(
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(problem, String),
            name!(detail, String),
        ),
    >,
    ErrorReport,
> {
    let tenant = tenant(tenant_name);
    let known = state::known(need(namespace, "namespace")?, tenant.as_deref())?;
    let found = state::problems(&known, tenant.as_deref())?.into_iter();
    let rows: Vec<_> = found
        .map(|(version, problem, detail)| (version, problem.to_owned(), detail))
        .collect();
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = false)]
fn migrate_force(
    version: Option<&str>,
    reason: Option<&str>,
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<(), ErrorReport> {
    spi::refuse_read_only(c"migrate_force()");
    let version = version.map(manage::version).transpose()?;
    let tenant = tenant(tenant_name);
    let namespace = need(namespace, "namespace")?;
    let reason = need(reason, "reason")?;
    Ok(state::force(
        version.as_ref(),
        reason,
        tenant.as_deref(),
        namespace,
    )?)
}

#[pg_extern(sql = false)]
fn migrate_baseline(
    version: Option<&str>,
    reason: Option<&str>,
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<(), ErrorReport> {
    spi::refuse_read_only(c"migrate_baseline()");
    let version = manage::version(need(version, "version")?)?;
    let tenant = tenant(tenant_name);
    let namespace = need(namespace, "namespace")?;
    Ok(state::baseline(
        &version,
        reason,
        tenant.as_deref(),
        namespace,
    )?)
}

#[pg_extern(sql = false)]
fn migrate_repair(
    version: Option<&str>,
    reason: Option<&str>,
    tenant_name: Option<&CStr>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<'static, (name!(version, String), name!(change, String))>,
    ErrorReport,
> {
    spi::refuse_read_only(c"migrate_repair()");
    let version = version.map(manage::version).transpose()?;
    let tenant = tenant(tenant_name);
    let namespace = need(namespace, "namespace")?;
    let changes = state::repair(version.as_ref(), reason, tenant.as_deref(), namespace)?;
    let rows: Vec<_> = changes
        .into_iter()
        .map(|(v, c)| (v, c.to_owned()))
        .collect();
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = false)]
fn migrate_tag(
    tag: Option<&str>,
    version: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<(), ErrorReport> {
    spi::refuse_read_only(c"migrate_tag()");
    let version = version.map(manage::version).transpose()?;
    let tag = need(tag, "tag")?;
    Ok(state::tag(
        tag,
        version.as_ref(),
        need(namespace, "namespace")?,
    )?)
}

#[pg_extern(sql = false)]
fn migrate_deferred(
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(id, i64),
            name!(version, Option<String>),
            name!(statement, i32),
            name!(line, i32),
            name!(sql, String),
            name!(state, String),
            name!(attempts, i32),
            name!(last_error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    Ok(TableIterator::new(deferred_known::rows(need(
        namespace,
        "namespace",
    )?)?))
}
