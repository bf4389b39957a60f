//! Statements on the tables of migrations. All run as the owner of the extension; who may ask is decided before.

use super::header::Headers;
use super::inspect::Inspected;
use super::set::{Applied, Direction, File, FileKind, Hash, Key, Source, State, Text};
use super::style::Style;
use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi::{self, LatestRow};
use pgrx::datum::{Interval, JsonB, TimestampWithTimeZone, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FILES: &str = "SELECT kind, version, name, up_filename, down_filename, up_sha, up_fp, down_sha, down_fp, headers, \
    facts, present FROM strata.migrate_file WHERE namespace = $1";
const APPLIED: &str = "SELECT kind, version, name, state, direction, up_sha, up_fp, down_sha, \
    coalesce(statements_done, 0), prefix_fp, applied_order, source, statements, applied_at, applied_by::text, duration, \
    (extract(epoch FROM applied_at) * 1000000)::int8, (extract(epoch FROM duration) * 1000000)::int8 FROM strata.migrate_applied WHERE namespace = $1 AND tenant = $2";
const BODY: &str = "SELECT body, marks FROM strata.migrate_body WHERE sha256 = $1";
const PUT_BODY: &str = "INSERT INTO strata.migrate_body (sha256, body, marks) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const PUT_FILE: &str = "INSERT INTO strata.migrate_file (namespace, kind, version, name, sort_key, up_filename, \
      down_filename, up_sha, up_fp, down_sha, down_fp, headers, facts, registered_by) \
    VALUES ($1, $2, $3, $4, $5::numeric[], $6, $7, $8, $9, $10, $11, $12, $13, $14::name) \
    ON CONFLICT (namespace, kind, version, name) DO UPDATE SET up_filename = excluded.up_filename, \
      down_filename = excluded.down_filename, up_sha = excluded.up_sha, up_fp = excluded.up_fp, \
      down_sha = excluded.down_sha, down_fp = excluded.down_fp, headers = excluded.headers, facts = excluded.facts, \
      present = true, registered_at = excluded.registered_at, registered_by = excluded.registered_by";
const DROP_FILE: &str = "DELETE FROM strata.migrate_file \
    WHERE namespace = $1 AND kind = $2 AND version = $3 AND name = $4";
const MISSING: &str = "UPDATE strata.migrate_file SET present = false \
    WHERE namespace = $1 AND kind = $2 AND version = $3 AND name = $4";
// what did not run keeps what is known of its run, and its place in the order
const PUT_APPLIED: &str = "INSERT INTO strata.migrate_applied AS a (namespace, tenant, kind, version, name, sort_key, \
      state, up_sha, up_fp, down_sha, statements, run, applied_by, duration, source) \
    SELECT $1, $2::name, r.kind, r.version, r.name, \
      coalesce(string_to_array(nullif(r.version, ''), '.'), '{}')::numeric[], r.state, decode(r.up_sha, 'hex'), \
      decode(r.up_fp, 'hex'), decode(r.down_sha, 'hex'), r.statements, $4, $5::name, \
      r.us * interval '1 microsecond', r.source \
    FROM ROWS FROM (jsonb_to_recordset($3) AS (kind text, version text, name text, state text, up_sha text, \
      up_fp text, down_sha text, statements integer, us bigint, source text)) WITH ORDINALITY \
      AS r(kind, version, name, state, up_sha, up_fp, down_sha, statements, us, source, n) ORDER BY r.n \
    ON CONFLICT (namespace, tenant, kind, version, name) DO UPDATE SET state = excluded.state, \
      direction = excluded.direction, up_sha = excluded.up_sha, up_fp = excluded.up_fp, down_sha = excluded.down_sha, \
      statements_done = NULL, prefix_fp = NULL, was = NULL, settings = NULL, source = excluded.source, \
      statements = CASE WHEN excluded.duration IS NULL THEN a.statements ELSE excluded.statements END, \
      run = CASE WHEN excluded.duration IS NULL THEN a.run ELSE excluded.run END, \
      applied_order = CASE WHEN excluded.duration IS NULL THEN a.applied_order ELSE excluded.applied_order END, \
      applied_at = CASE WHEN excluded.duration IS NULL THEN a.applied_at ELSE excluded.applied_at END, \
      applied_by = CASE WHEN excluded.duration IS NULL THEN a.applied_by ELSE excluded.applied_by END, \
      duration = CASE WHEN excluded.duration IS NULL THEN a.duration ELSE excluded.duration END";
const DROP_APPLIED: &str = "DELETE FROM strata.migrate_applied a USING jsonb_to_recordset($3) \
      AS r(kind text, version text, name text) \
    WHERE a.namespace = $1 AND a.tenant = $2 AND (a.kind, a.version, a.name) = (r.kind, r.version, r.name)";
const PUT_EVENTS: &str = "INSERT INTO strata.migrate_event (event, namespace, tenant, version, name, run, \
      effective_role, duration, statements, error, reason) \
    SELECT r.event, $1, $2::name, nullif(r.version, ''), r.name, $4, $5::name, \
      r.us * interval '1 microsecond', r.statements, r.error, r.reason \
    FROM ROWS FROM (jsonb_to_recordset($3) AS (event text, version text, name text, us bigint, statements integer, \
      error jsonb, reason text)) WITH ORDINALITY AS r(event, version, name, us, statements, error, reason, n) \
    ORDER BY r.n";
const TAGS: &str =
    "SELECT tag, nullif(version, '') FROM strata.migrate_tag_name WHERE namespace = $1";
const PUT_TAG: &str = "INSERT INTO strata.migrate_tag_name (namespace, tag, version, made_by) \
    VALUES ($1, $2, $3, $4::name) ON CONFLICT (namespace, tag) DO UPDATE SET version = excluded.version, \
    made_at = excluded.made_at, made_by = excluded.made_by";

/// A registered file, with what the runs need of it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub file: File,
    pub up_filename: Option<String>,
    pub down_filename: Option<String>,
    /// its version as its name writes it, where another tool is to be told
    pub written_version: Option<String>,
    pub headers: HeaderPair,
    pub facts: Facts,
}

/// The headers of both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderPair {
    pub up: Headers,
    pub down: Headers,
}

/// What the parser said of a file when it was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<Inspected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<Inspected>,
}

/// A row of what is applied, with what people want to know of it.
#[derive(Debug, Clone)]
pub struct AppliedRow {
    pub applied: Applied,
    pub statements: i32,
    pub at: TimestampWithTimeZone,
    pub by: String,
    pub duration: Option<Interval>,
    /// microseconds since 1970 UTC
    pub at_us: i64,
    pub duration_us: i64,
}

/// A row to be written, for [`put_applied`] and [`drop_applied`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewApplied {
    pub kind: &'static str,
    pub version: String,
    pub name: String,
    pub state: &'static str,
    pub up_sha: Option<String>,
    pub up_fp: Option<String>,
    pub down_sha: Option<String>,
    pub statements: i32,
    /// how long it took; `None`: it did not run
    pub us: Option<i64>,
    pub source: &'static str,
}

/// What happened, for [`put_events`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct Event {
    pub event: &'static str,
    pub version: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn hash(bytes: Option<Vec<u8>>) -> Result<Option<Hash>> {
    bytes
        .map(|b| Hash::try_from(b.as_slice()))
        .transpose()
        .map_err(|_| Error::internal("a hash of a migration has not 32 bytes"))
}

fn word<T>(of: impl Fn(&str) -> Option<T>, text: String) -> Result<T> {
    of(&text).ok_or_else(|| Error::internal(format!("\"{text}\" in a table of migrations")))
}

fn key(row: &LatestRow) -> Result<Key> {
    let version: String = row.need(2)?;
    Ok(Key {
        kind: word(FileKind::named, row.need(1)?)?,
        version: Version::parse(&version),
        name: row.need(3)?,
    })
}

fn text(sha: Option<Hash>, fingerprint: Option<Hash>) -> Option<Text> {
    Some(Text {
        sha: sha?,
        fingerprint: fingerprint?,
    })
}

fn json<T: serde::de::DeserializeOwned>(value: JsonB) -> Result<T> {
    serde_json::from_value(value.0)
        .map_err(|e| Error::internal(format!("a table of migrations cannot be read: {e}")))
}

/// The registered files of a namespace.
pub fn files(namespace: &str) -> Result<Vec<Stored>> {
    as_extension_owner(|| spi::read_latest(FILES, &[namespace.into()], stored))
}

fn stored(row: LatestRow) -> Result<Stored> {
    let up = text(hash(row.get(6)?)?, hash(row.get(7)?)?);
    let down = text(hash(row.get(8)?)?, hash(row.get(9)?)?);
    let headers: HeaderPair = json(row.need(10)?)?;
    let facts: Facts = json(row.need(11)?)?;
    let error = |seen: &Option<Inspected>| seen.as_ref().and_then(|i| i.error.clone());
    Ok(Stored {
        file: File {
            key: key(&row)?,
            up,
            down,
            present: row.need(12)?,
            lateness: headers.up.lateness(),
            requires: headers.up.requires(),
            up_error: error(&facts.up),
            down_error: error(&facts.down),
        },
        up_filename: row.get(4)?,
        down_filename: row.get(5)?,
        written_version: None,
        headers,
        facts,
    })
}

/// What is applied of a namespace to a tenant.
pub fn applied(namespace: &str, tenant: Option<&str>) -> Result<Vec<AppliedRow>> {
    let args = [namespace.into(), tenant.unwrap_or_default().into()];
    as_extension_owner(|| {
        spi::read_latest(APPLIED, &args, |row| {
            Ok(AppliedRow {
                applied: Applied {
                    key: key(&row)?,
                    state: word(State::of, row.need(4)?)?,
                    direction: word(Direction::of, row.need(5)?)?,
                    up: text(hash(row.get(6)?)?, hash(row.get(7)?)?),
                    down_sha: hash(row.get(8)?)?,
                    statements_done: row.need(9)?,
                    prefix: hash(row.get(10)?)?,
                    applied_order: row.need(11)?,
                    source: word(Source::of, row.need(12)?)?,
                },
                statements: row.need(13)?,
                at: row.need(14)?,
                by: row.need(15)?,
                duration: row.get(16)?,
                at_us: row.need(17)?,
                duration_us: row.get(18)?.unwrap_or(0),
            })
        })
    })
}

/// A text by its hash, and the style whose marks it has.
pub fn body(sha: &Hash) -> Result<(String, Option<Style>)> {
    let found = as_extension_owner(|| {
        spi::read_kept(BODY, &[sha.as_slice().into()], |row| {
            let marks: Option<String> = row.get(2)?;
            let marks = marks.as_deref().map(str::parse).transpose()?;
            Ok((row.need::<String>(1)?, marks))
        })
    })?;
    let missing = || Error::new(Kind::DataCorrupted, "the text of a migration is gone");
    found.into_iter().next().ok_or_else(missing)
}

/// Keeps a text for good.
pub fn put_body(sha: &Hash, body: &str, marks: Option<Style>) -> Result<()> {
    let args = [
        sha.as_slice().into(),
        body.into(),
        marks.map(Style::name).into(),
    ];
    as_extension_owner(|| spi::write_kept(PUT_BODY, &args, |_| Ok(())).map(drop))
}

/// Stores a file, instead of one of the same key.
pub fn put_file(namespace: &str, stored: &Stored, by: &str) -> Result<()> {
    let file = &stored.file;
    let version = file.key.version.as_ref();
    let sort_key = version.map(Version::sort_key).unwrap_or_default();
    let sha = |t: &Option<Text>| t.map(|t| t.sha.to_vec());
    let fingerprint = |t: &Option<Text>| t.map(|t| t.fingerprint.to_vec());
    let as_json = |e: serde_json::Error| Error::internal(e.to_string());
    let headers = serde_json::to_value(&stored.headers).map_err(as_json)?;
    let facts = serde_json::to_value(&stored.facts).map_err(as_json)?;
    let args = [
        namespace.into(),
        file.key.kind.name().into(),
        version.map_or("", Version::as_str).into(),
        file.key.name.as_str().into(),
        sort_key.into(),
        stored.up_filename.as_deref().into(),
        stored.down_filename.as_deref().into(),
        sha(&file.up).into(),
        fingerprint(&file.up).into(),
        sha(&file.down).into(),
        fingerprint(&file.down).into(),
        JsonB(headers).into(),
        JsonB(facts).into(),
        by.into(),
    ];
    as_extension_owner(|| spi::write_kept(PUT_FILE, &args, |_| Ok(())).map(drop))
}

fn with_key(statement: &str, namespace: &str, key: &Key) -> Result<()> {
    let args = [
        namespace.into(),
        key.kind.name().into(),
        key.version.as_ref().map_or("", Version::as_str).into(),
        key.name.as_str().into(),
    ];
    as_extension_owner(|| spi::execute_latest(statement, &args))
}

/// Forgets a file.
pub fn drop_file(namespace: &str, key: &Key) -> Result<()> {
    with_key(DROP_FILE, namespace, key)
}

/// Notes that a file is not in its set any more.
pub fn mark_missing(namespace: &str, key: &Key) -> Result<()> {
    with_key(MISSING, namespace, key)
}

fn with_rows<T: Serialize>(
    statement: &'static str,
    place: &Place<'_>,
    rows: &[T],
    more: bool,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_value(rows).map_err(|e| Error::internal(e.to_string()))?;
    let mut args = vec![
        place.namespace.into(),
        place.tenant.unwrap_or_default().into(),
        JsonB(rows).into(),
    ];
    if more {
        args.push(place.run.into());
        args.push(place.role.into());
    }
    as_extension_owner(|| spi::write_kept(statement, &args, |_| Ok(()))).map(drop)
}

/// Where and by whom something is done.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub namespace: &'a str,
    pub tenant: Option<&'a str>,
    pub run: Uuid,
    /// the active role
    pub role: &'a str,
}

/// Adds to what is applied, in this order, or replaces rows of the same key.
pub fn put_applied(place: &Place<'_>, rows: &[NewApplied]) -> Result<()> {
    with_rows(PUT_APPLIED, place, rows, true)
}

/// Takes rows out of what is applied.
pub fn drop_applied(place: &Place<'_>, rows: &[NewApplied]) -> Result<()> {
    with_rows(DROP_APPLIED, place, rows, false)
}

/// Adds to the history, in this order.
pub fn put_events(place: &Place<'_>, rows: &[Event]) -> Result<()> {
    with_rows(PUT_EVENTS, place, rows, true)
}

/// Versions by their tags; `None`: before the first.
pub fn tags(namespace: &str) -> Result<BTreeMap<String, Option<Version>>> {
    let rows = as_extension_owner(|| {
        spi::read_latest(TAGS, &[namespace.into()], |row| {
            let version: Option<String> = row.get(2)?;
            Ok((row.need(1)?, version.as_deref().and_then(Version::parse)))
        })
    })?;
    Ok(rows.into_iter().collect())
}

/// Names a version, or gives a name to another one.
pub fn put_tag(namespace: &str, tag: &str, version: Option<&Version>, by: &str) -> Result<()> {
    let version = version.map_or("", Version::as_str);
    let args = [namespace.into(), tag.into(), version.into(), by.into()];
    as_extension_owner(|| spi::execute_latest(PUT_TAG, &args))
}
