//! SQL surface of advice; declared in sql/migration/advice.sql.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]
#![allow(clippy::type_complexity, reason = "the columns of the functions")]

use super::api_source::need;
use super::{advice, generate, manage};
use crate::pg::whole_error;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{name, pg_extern};

fn big(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[pg_extern(sql = false)]
fn migrate_lint(
    version: Option<&str>,
    body: Option<&str>,
    min_severity: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(version, Option<String>),
            name!(filename, Option<String>),
            name!(statement, Option<i32>),
            name!(line, Option<i32>),
            name!(rule, String),
            name!(severity, String),
            name!(object, Option<String>),
            name!(est_rows, Option<i64>),
            name!(bytes, Option<i64>),
            name!(message, String),
            name!(suggestion, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let version = version.map(manage::version).transpose()?;
    let rows = advice::rows(
        version.as_ref(),
        body,
        need(min_severity, "min_severity")?,
        need(namespace, "namespace")?,
    )?;
    let rows = rows.into_iter().map(|row| {
        let found = row.finding;
        (
            row.version,
            row.filename,
            found.statement,
            found.line.map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
            found.rule.word().to_owned(),
            found.severity.word().to_owned(),
            found.object,
            found.est_rows.map(big),
            found.bytes.map(big),
            found.message,
            found.suggestion,
        )
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

#[pg_extern(sql = false)]
fn migrate_generate_down(
    version: Option<&str>,
    namespace: Option<&str>,
) -> std::result::Result<
    TableIterator<
        'static,
        (
            name!(step, i32),
            name!(sql, String),
            name!(basis, String),
            name!(note, Option<String>),
        ),
    >,
    ErrorReport,
> {
    whole_error::border(|| {
        let version = manage::version(need(version, "version")?)?;
        let downs = generate::down(&version, need(namespace, "namespace")?)?;
        let rows = (1..)
            .zip(downs)
            .map(|(step, d)| (step, d.sql, d.basis.word().to_owned(), d.note));
        Ok(TableIterator::new(rows.collect::<Vec<_>>()))
    })
}
