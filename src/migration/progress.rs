//! How far a file has come that commits in between: rows of what is applied in the states running and failed.

use super::catalog::Place;
use super::plan::Step;
use super::set::{Direction, Hash};
use super::settings::Values;
use super::version::Version;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::JsonB;
use pgrx::datum::DatumWithOid;

// a text that has run stays known until another one has run whole
const PUT: &str = "INSERT INTO strata.migrate_applied AS a (namespace, tenant, kind, version, name, sort_key, state, \
      direction, up_sha, up_fp, down_sha, statements_done, prefix_fp, run, applied_by, source, settings) \
    VALUES ($1, $2::name, $3, $4, $5, coalesce(string_to_array(nullif($4, ''), '.'), '{}')::numeric[], $6, $7, $8, $9, \
      $10, $11, $12, $13, $14::name, 'run', $15) \
    ON CONFLICT (namespace, tenant, kind, version, name) DO UPDATE SET state = excluded.state, \
      direction = excluded.direction, statements_done = excluded.statements_done, prefix_fp = excluded.prefix_fp, \
      run = excluded.run, settings = excluded.settings, was = coalesce(a.was, CASE WHEN a.state NOT IN ('running', 'failed') THEN a.state END)";
// nothing of it has stayed: as if it had not been tried
const FORGET: &str = "DELETE FROM strata.migrate_applied WHERE namespace = $1 AND tenant = $2::name AND kind = $3 \
    AND version = $4 AND name = $5 AND state = 'running' AND was IS NULL";
const BACK: &str = "UPDATE strata.migrate_applied SET state = was, was = NULL, direction = 'up', \
      statements_done = NULL, prefix_fp = NULL, settings = NULL \
    WHERE namespace = $1 AND tenant = $2::name AND kind = $3 AND version = $4 AND name = $5 AND was IS NOT NULL";

const RAN: &str = "UPDATE strata.migrate_applied a SET statements_done = j.statement, prefix_fp = j.prefix_fp \
    FROM strata.migrate_job j WHERE j.id = $1 AND a.state = 'running' AND a.run = j.run AND a.direction = j.direction \
      AND (a.namespace, a.tenant, a.kind, a.version, a.name) = (j.namespace, j.tenant, j.kind, j.version, j.name)";
const SETTLE: [&str; 3] = [
    "DELETE FROM strata.migrate_applied WHERE namespace = $1 AND tenant = $2::name AND state = 'running' \
      AND coalesce(statements_done, 0) = 0 AND was IS NULL",
    "UPDATE strata.migrate_applied SET state = was, was = NULL, direction = 'up', statements_done = NULL, \
      prefix_fp = NULL, settings = NULL WHERE namespace = $1 AND tenant = $2::name AND state = 'running' \
      AND coalesce(statements_done, 0) = 0",
    "UPDATE strata.migrate_applied SET state = 'failed' WHERE namespace = $1 AND tenant = $2::name \
      AND state = 'running'",
];

/// Statements of a file that are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    pub statements: i32,
    /// hash of the tokens up to the end of the last of them
    pub prefix: Option<Hash>,
}

fn key<'a>(place: &'a Place<'_>, step: &'a Step) -> [DatumWithOid<'a>; 5] {
    let version = step.key.version.as_ref().map_or("", Version::as_str);
    [
        place.namespace.into(),
        place.tenant.unwrap_or_default().into(),
        step.key.kind.name().into(),
        version.into(),
        step.key.name.as_str().into(),
    ]
}

fn put(place: &Place<'_>, step: &Step, done: Done, values: &Values, state: &str) -> Result<()> {
    let bytes = |h: Option<Hash>| h.map(|h| h.to_vec());
    let up = step.up.filter(|_| step.direction == Direction::Up);
    let [namespace, tenant, kind, version, name] = key(place, step);
    let args = [
        namespace,
        tenant,
        kind,
        version,
        name,
        state.into(),
        step.direction.word().into(),
        bytes(up.map(|t| t.sha)).into(),
        bytes(up.map(|t| t.fingerprint)).into(),
        bytes(step.down_sha).into(),
        done.statements.into(),
        bytes(done.prefix).into(),
        place.run.into(),
        place.role.into(),
        JsonB(values.to_json()?).into(),
    ];
    as_extension_owner(|| spi::execute_latest(PUT, &args))
}

/// A file is on its way; so much of it is committed together with this, and these are the settings that it has made.
pub fn running(place: &Place<'_>, step: &Step, done: Done, values: &Values) -> Result<()> {
    put(place, step, done, values, "running")
}

const SETTINGS: &str = "SELECT settings FROM strata.migrate_applied WHERE namespace = $1 AND tenant = $2::name \
    AND kind = $3 AND version = $4 AND name = $5";

/// The settings that a file had made when it stopped.
pub fn settings(place: &Place<'_>, step: &Step) -> Result<Values> {
    let found = as_extension_owner(|| {
        spi::read_latest(SETTINGS, &key(place, step), |r| r.get::<JsonB>(1))
    })?;
    match found.into_iter().next().flatten() {
        Some(JsonB(json)) => Values::from_json(json),
        None => Ok(Values::default()),
    }
}

/// A file stopped half way, or before anything of it was committed: then it is what it was.
pub fn failed(place: &Place<'_>, step: &Step, done: Done, values: &Values) -> Result<()> {
    if done.statements > 0 {
        return put(place, step, done, values, "failed");
    }
    as_extension_owner(|| {
        spi::execute_latest(FORGET, &key(place, step))?;
        spi::execute_latest(BACK, &key(place, step))
    })
}

/// Nobody is at these files any more: each is what it was, or has failed behind what is committed of it. `ran`: numbers of
/// jobs whose statement has taken effect since.
pub fn settle(namespace: &str, tenant: Option<&str>, ran: &[i64]) -> Result<()> {
    let args = [namespace.into(), tenant.unwrap_or_default().into()];
    as_extension_owner(|| {
        for id in ran {
            spi::execute_latest(RAN, &[(*id).into()])?;
        }
        SETTLE
            .iter()
            .try_for_each(|sql| spi::execute_latest(sql, &args))
    })
}
