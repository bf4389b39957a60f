//! SQL surface of other tools' tables; declared in sql/migration/foreign.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]

use super::adopt;
use super::api_source::need;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{name, pg_extern};

#[pg_extern(sql = false)]
fn migrate_detect() -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(tool, String),
            name!(relation, Oid),
            name!(versions, Option<i64>),
            name!(head, Option<String>),
            name!(dirty, Option<bool>),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let rows = adopt::detect()?.into_iter().map(|d| {
        let tool = d.tool.to_owned();
        (tool, d.relation, d.versions, d.head, d.dirty, d.note)
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

#[pg_extern(sql = false)]
fn migrate_adopt(
    tool: Option<&str>,
    relation: Option<Oid>,
    dry_run: Option<bool>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(name, Option<String>),
            name!(state, String),
            name!(checksum, String),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let rows = adopt::adopt(
        need(tool, "tool")?,
        relation,
        need(dry_run, "dry_run")?,
        need(namespace, "namespace")?,
    )?;
    let rows = rows.into_iter().map(|a| {
        let (state, checksum) = (a.state.to_owned(), a.checksum.to_owned());
        (a.version, a.name, state, checksum, a.note)
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

#[pg_extern(sql = false)]
fn migrate_mirror(
    tool: Option<&str>,
    relation: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<(), ErrorReport> {
    adopt::mirror(need(tool, "tool")?, relation, need(namespace, "namespace")?)?;
    Ok(())
}

#[pg_extern(sql = false)]
fn migrate_unmirror(namespace: Option<&str>) -> std::result::Result<(), ErrorReport> {
    adopt::unmirror(need(namespace, "namespace")?)?;
    Ok(())
}

#[pg_extern(sql = false)]
fn migrate_export(
    tool: Option<&str>,
    relation: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<i64, ErrorReport> {
    Ok(adopt::export(
        need(tool, "tool")?,
        need(relation, "relation")?,
        need(namespace, "namespace")?,
    )?)
}
