//! SQL surface of proof and drift; declared in sql/migration/proof.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]

use super::api_source::need;
use super::difference::Difference;
use super::{manage, snapshots, verify_down, verify_up};
use crate::pg::whole_error;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{JsonB, name, pg_extern};

#[pg_extern(sql = false)]
fn migrate_verify_down(
    version: Option<&str>,
    check_rows: Option<bool>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, String),
            name!(name, String),
            name!(verdict, String),
            name!(differences, Option<JsonB>),
            name!(error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    whole_error::border(|| {
        let version = version.map(manage::version).transpose()?;
        let rows = verify_down::downs(
            version.as_ref(),
            need(check_rows, "check_rows")?,
            need(namespace, "namespace")?,
        )?;
        let rows = rows.into_iter().map(|d| {
            let verdict = d.verdict.to_owned();
            (
                d.version,
                d.name,
                verdict,
                d.differences.map(JsonB),
                d.error,
            )
        });
        Ok(TableIterator::new(rows.collect::<Vec<_>>()))
    })
}

#[pg_extern(sql = false)]
fn migrate_verify_up(
    version: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, String),
            name!(name, String),
            name!(verdict, String),
            name!(detail, Option<String>),
        ),
    >,
    ErrorReport,
> {
    whole_error::border(|| {
        let version = version.map(manage::version).transpose()?;
        let rows = verify_up::ups(version.as_ref(), need(namespace, "namespace")?)?;
        let rows = rows
            .into_iter()
            .map(|u| (u.version, u.name, u.verdict.to_owned(), u.detail));
        Ok(TableIterator::new(rows.collect::<Vec<_>>()))
    })
}

/// Schemas as the SQL functions hand them over: as text.
fn schemas(list: Option<Vec<Option<String>>>) -> Option<Vec<String>> {
    list.map(|l| l.into_iter().flatten().collect())
}

#[pg_extern(sql = false)]
fn migrate_fingerprint(
    schema_names: Option<Vec<Option<String>>>,
    acl: Option<bool>,
) -> std::result::Result<String, ErrorReport> {
    let schemas = schemas(schema_names);
    Ok(snapshots::fingerprint(
        schemas.as_deref(),
        need(acl, "acl")?,
    )?)
}

#[pg_extern(sql = false)]
fn migrate_snapshot(
    label: Option<&str>,
    schema_names: Option<Vec<Option<String>>>,
    namespace: Option<&str>,
) -> std::result::Result<i64, ErrorReport> {
    let schemas = schemas(schema_names);
    Ok(snapshots::take(
        label,
        schemas.as_deref(),
        need(namespace, "namespace")?,
    )?)
}

type Row = (
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn row(d: Difference) -> Row {
    let change = d.change.word().to_owned();
    (change, d.kind, Some(d.object), d.expected, d.found)
}

#[pg_extern(sql = false)]
fn migrate_drift(
    since: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(change, String),
            name!(kind, String),
            name!(object, Option<String>),
            name!(expected, Option<String>),
            name!(found, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let rows: Vec<Row> = match snapshots::drift(since, need(namespace, "namespace")?)? {
        Some(found) => found.into_iter().map(row).collect(),
        None => {
            let text = "there is no snapshot yet: the next run keeps one, and so does strata.migrate_snapshot()";
            vec![(
                "unknown".to_owned(),
                "snapshot".to_owned(),
                None,
                None,
                Some(text.to_owned()),
            )]
        }
    };
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = false)]
fn migrate_diff(
    from_snapshot: Option<i64>,
    to_snapshot: Option<i64>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(change, String),
            name!(kind, String),
            name!(object, Option<String>),
            name!(expected, Option<String>),
            name!(found, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let rows = snapshots::diff(
        need(from_snapshot, "from_snapshot")?,
        to_snapshot,
        need(namespace, "namespace")?,
    )?;
    let rows: Vec<Row> = rows.into_iter().map(row).collect();
    Ok(TableIterator::new(rows))
}
