//! SQL surface of files and namespaces; declared in sql/migration/code.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]

use super::inspect::{self, Item};
use super::name;
use super::position::Lines;
use super::register::{self, Given, OtherNames, Registered, STRINGS};
use super::style::Style;
use super::{load, manage};
use crate::error::{Error, Kind, Result};
use crate::pg::{datum, spi};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{AnyElement, JsonB, name, pg_extern};
use std::ffi::CStr;

/// A name as text.
pub fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// 22004 for an argument that must not be NULL.
pub fn need<T>(value: Option<T>, argument: &str) -> Result<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

fn rows(
    registered: Vec<Registered>,
) -> TableIterator<
    'static,
    (
        name!(version, Option<String>),
        name!(name, String),
        name!(kind, String),
        name!(direction, String),
        name!(change, String),
        name!(statements, i32),
        name!(needs, Option<String>),
        name!(warning, Option<String>),
    ),
> {
    TableIterator::new(registered.into_iter().map(|r| {
        (
            Some(r.version).filter(|v| !v.is_empty()),
            r.name,
            r.kind.to_owned(),
            r.direction.to_owned(),
            r.change.to_owned(),
            r.statements,
            r.needs,
            r.warning,
        )
    }))
}

#[pg_extern(sql = false)]
fn migrate_register(
    filename: Option<&str>,
    body: Option<&[u8]>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(direction, String),
            name!(change, String),
            name!(statements, i32),
            name!(needs, Option<String>),
            name!(warning, Option<String>),
        ),
    >,
    ErrorReport,
> {
    spi::refuse_read_only(c"migrate_register()");
    let filename = need(filename, "filename")?;
    let given = Given {
        filename,
        body: manage::body_of(filename, need(body, "body")?)?,
    };
    let namespace = need(namespace, "namespace")?;
    let done = register::register(namespace, &[given], false, OtherNames::Refuse)?;
    Ok(rows(done))
}

#[pg_extern(sql = false)]
fn migrate_register_all(
    files: Option<AnyElement>,
    prune: Option<bool>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(direction, String),
            name!(change, String),
            name!(statements, i32),
            name!(needs, Option<String>),
            name!(warning, Option<String>),
        ),
    >,
    ErrorReport,
> {
    spi::refuse_read_only(c"migrate_register_all()");
    Ok(rows(set(files, prune, namespace, OtherNames::Refuse)?))
}

/// For the loader of clients: as `migrate_register_all`, and other names are passed over.
#[pg_extern(sql = false)]
fn migrate_load(
    files: Option<AnyElement>,
    prune: Option<bool>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(direction, String),
            name!(change, String),
            name!(statements, i32),
            name!(needs, Option<String>),
            name!(warning, Option<String>),
        ),
    >,
    ErrorReport,
> {
    spi::refuse_read_only(c"migrate_load()");
    Ok(rows(set(files, prune, namespace, OtherNames::PassOver)?))
}

fn set(
    files: Option<AnyElement>,
    prune: Option<bool>,
    namespace: Option<&str>,
    other: OtherNames,
) -> Result<Vec<Registered>> {
    let files = manage::files_of(&datum::json_text(need(files, "files")?))?;
    let given: Vec<Given<'_>> = files
        .iter()
        .map(|(filename, body)| Given { filename, body })
        .collect();
    let namespace = need(namespace, "namespace")?;
    register::register(namespace, &given, need(prune, "prune")?, other)
}

#[pg_extern(sql = false)]
fn migrate_load_dir(
    path: Option<&str>,
    pattern: Option<&str>,
    prune: Option<bool>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(direction, String),
            name!(change, String),
            name!(statements, i32),
            name!(needs, Option<String>),
            name!(warning, Option<String>),
        ),
    >,
    ErrorReport,
> {
    spi::refuse_read_only(c"migrate_load_dir()");
    let (path, pattern) = (need(path, "path")?, need(pattern, "pattern")?);
    let namespace = need(namespace, "namespace")?;
    Ok(rows(load::load(
        path,
        pattern,
        need(prune, "prune")?,
        namespace,
    )?))
}

/// For machines that have psql and nothing of ours.
#[pg_extern(sql = false)]
fn migrate_loader() -> &'static str {
    include_str!("../../sql/migration/strata-load")
}

#[pg_extern(sql = false)]
fn migrate_unregister(
    version: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<bool, ErrorReport> {
    spi::refuse_read_only(c"migrate_unregister()");
    let (version, namespace) = (need(version, "version")?, need(namespace, "namespace")?);
    Ok(manage::unregister(version, namespace)?)
}

#[pg_extern(sql = false)]
fn migrate_parse_name(
    filename: Option<&str>,
    style: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, String),
            name!(kind, String),
            name!(direction, String),
            name!(style, String),
        ),
    >,
    ErrorReport,
> {
    let style: Style = need(style, "style")?.parse()?;
    let read = name::parse(need(filename, "filename")?, style);
    Ok(TableIterator::new(read.into_iter().map(|n| {
        (
            n.version.map(|v| v.to_string()),
            n.title,
            n.kind.name().to_owned(),
            n.direction.name().to_owned(),
            n.style.name().to_owned(),
        )
    })))
}

type SplitRow = (i32, i32, String, String, String);

#[pg_extern(sql = false)]
fn migrate_split(
    body: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(statement, i32),
            name!(line, i32),
            name!(command, String),
            name!(mode, String),
            name!(sql, String),
        ),
    >,
    ErrorReport,
> {
    let body = need(body, "body")?;
    let mut lines = Lines::new(body);
    let mut found: Vec<SplitRow> = Vec::new();
    let mut number = 0;
    let stop = inspect::each(body, STRINGS, |item| {
        let (command, mode, range) = match item {
            Item::Statement { statement, range } => {
                number += 1;
                let mode = inspect::mode(&statement.kind);
                (statement.tag.clone(), mode, range)
            }
            Item::Rows(range) => ("COPY data".to_owned(), "data", range),
            Item::Command { name, range, .. } => (format!("\\{name}"), "psql", range),
        };
        let line = i32::try_from(lines.at(range.start).line).unwrap_or(i32::MAX);
        let sql = body.get(range).unwrap_or_default().trim_end().to_owned();
        found.push((number, line, command, mode.to_owned(), sql));
        Ok(())
    })?;
    if let Some(stop) = stop {
        let place = Lines::of(body, stop.at);
        let (line, column) = (place.line, place.column);
        return Err(stop
            .error
            .detail(format!("At line {line}, column {column}."))
            .into());
    }
    Ok(TableIterator::new(found))
}

#[pg_extern(sql = false)]
fn migrate_source(
    version: Option<&str>,
    direction: Option<&str>,
    as_applied: Option<bool>,
    namespace: Option<&str>,
) -> std::result::Result<Option<String>, ErrorReport> {
    Ok(manage::source(
        need(version, "version")?,
        need(direction, "direction")?,
        need(as_applied, "as_applied")?,
        need(namespace, "namespace")?,
    )?)
}

#[pg_extern(sql = false)]
fn migrate_configure(
    namespace: Option<&str>,
    owner: Option<&CStr>,
    role: Option<&CStr>,
    search_path: Option<&str>,
    style: Option<&str>,
    settings: Option<JsonB>,
) -> std::result::Result<(), ErrorReport> {
    spi::refuse_read_only(c"migrate_configure()");
    let (owner, role) = (owner.map(text), role.map(text));
    let given = manage::Configuration {
        owner: owner.as_deref(),
        role: role.as_deref(),
        search_path,
        style,
        settings: settings.map(|s| s.0),
    };
    Ok(manage::configure(need(namespace, "namespace")?, &given)?)
}

#[pg_extern(sql = false)]
fn migrate_drop_namespace(
    namespace: Option<&str>,
    force: Option<bool>,
) -> std::result::Result<(), ErrorReport> {
    spi::refuse_read_only(c"migrate_drop_namespace()");
    let force = need(force, "force")?;
    Ok(manage::drop_namespace(
        need(namespace, "namespace")?,
        force,
    )?)
}

#[pg_extern(sql = false)]
fn migrate_namespaces() -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(namespace, String),
            name!(owner, Option<AnyElement>),
            name!(role, Option<AnyElement>),
            name!(search_path, Option<String>),
            name!(style, String),
            name!(mirror_tool, Option<String>),
            name!(mirror_relation, Option<String>),
            name!(files, i32),
            name!(head, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let shown = manage::namespaces()?.into_iter().map(|(n, files, head)| {
        (
            n.name,
            datum::name(&n.owner),
            n.role.as_deref().and_then(datum::name),
            n.search_path,
            n.style.name().to_owned(),
            n.mirror_tool,
            n.mirror_relation,
            files,
            head,
        )
    });
    Ok(TableIterator::new(shown.collect::<Vec<_>>()))
}
