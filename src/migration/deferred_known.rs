//! What is known of statements that were put off, and what is refused because of them.

use super::books;
use super::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;

// a down takes its row with it, and is not done before these are
const DOWNS: &str = "SELECT kind, version, name FROM strata.migrate_job WHERE namespace = $1 AND tenant = $2::name \
    AND deferred AND direction = 'down' AND state IN ('waiting', 'running', 'ran') ORDER BY id";
const ANY_OF: &str = "SELECT DISTINCT version FROM strata.migrate_job WHERE namespace = $1 AND deferred \
    AND state IN ('waiting', 'running', 'ran') ORDER BY 1";

type Down = (String, String, String);

fn downs(namespace: &str, tenant: Option<&str>) -> Result<Vec<Down>> {
    let args = [namespace.into(), tenant.unwrap_or_default().into()];
    as_extension_owner(|| {
        spi::read_latest(DOWNS, &args, |r| Ok((r.need(1)?, r.need(2)?, r.need(3)?)))
    })
}

fn outstanding(versions: &[&str], namespace: &str) -> Result<()> {
    if versions.is_empty() {
        return Ok(());
    }
    let list = versions.join("\", \"");
    Err(Error::new(
        Kind::InUse,
        format!("a deferred statement of version \"{list}\" is not done"),
    )
    .detail("What it takes back would be what this call makes.")
    .hint(format!(
        "SELECT * FROM strata.migrate_deferred(namespace => {})",
        super::ask::literal(namespace)
    )))
}

/// 55006 where a step is of a version whose down has put off something that is not done.
pub fn refuse_outstanding(plan: &Plan, namespace: &str, tenant: Option<&str>) -> Result<()> {
    if plan.steps.is_empty() {
        return Ok(());
    }
    let downs = downs(namespace, tenant)?;
    let is = |(kind, version, name): &Down| {
        plan.steps.iter().any(|step| {
            step.key.kind.name() == kind
                && books::label(&step.key) == *version
                && (step.key.name == *name || !version.is_empty())
        })
    };
    let versions: Vec<&str> = downs
        .iter()
        .filter(|d| is(d))
        .map(|d| d.1.as_str())
        .collect();
    outstanding(&versions, namespace)
}

/// 55006 where any down has put off something that is not done.
pub fn refuse_downs(namespace: &str, tenant: Option<&str>) -> Result<()> {
    let downs = downs(namespace, tenant)?;
    let versions: Vec<&str> = downs.iter().map(|d| d.1.as_str()).collect();
    outstanding(&versions, namespace)
}

/// 55006 where anything that was put off is not done.
pub fn refuse_any(namespace: &str) -> Result<()> {
    let found = as_extension_owner(|| {
        spi::read_latest(ANY_OF, &[namespace.into()], |r| r.need::<String>(1))
    })?;
    let versions: Vec<&str> = found.iter().map(String::as_str).collect();
    outstanding(&versions, namespace)
}

/// A row of `migrate_deferred`.
pub type Row = (
    i64,
    Option<String>,
    i32,
    i32,
    String,
    String,
    i32,
    Option<String>,
);

const LIST: &str = "SELECT id, nullif(version, ''), statement, line, sql, state, attempts, error->>'message' \
    FROM strata.migrate_job WHERE namespace = $1 AND deferred ORDER BY id";

const FAILED: &str = "SELECT version, filename || ', line ' || line || ': ' || (error->>'message') FROM strata.migrate_job \
    WHERE namespace = $1 AND tenant = $2::name AND deferred AND state = 'failed' ORDER BY id";

/// Versions whose statement has failed that was put off, with where it stands and what it said.
pub fn failed(namespace: &str, tenant: Option<&str>) -> Result<Vec<(String, String)>> {
    let args = [namespace.into(), tenant.unwrap_or_default().into()];
    as_extension_owner(|| {
        spi::read_latest(FAILED, &args, |r| {
            Ok((r.need(1)?, r.get::<String>(2)?.unwrap_or_default()))
        })
    })
}

/// Statements that were put off, those that are done among them.
pub fn rows(namespace: &str) -> Result<Vec<Row>> {
    let found =
        super::namespace::find(namespace)?.ok_or_else(|| super::namespace::unknown(namespace))?;
    found.need_reader()?;
    as_extension_owner(|| {
        spi::read_latest(LIST, &[namespace.into()], |r| {
            Ok((
                r.need(1)?,
                r.get(2)?,
                r.need(3)?,
                r.need(4)?,
                r.need(5)?,
                r.need(6)?,
                r.need(7)?,
                r.get(8)?,
            ))
        })
    })
}
