//! Retention: which chunks are too old, and the job that takes them out.

use super::bounds::Edge;
use super::catalog::{self, Chunk, Hypertable};
use super::leave_sql::{self as sql, After, Place};
use super::select::{self, Bounds, Points};
use super::{chunks, leave, settings, target};
use crate::error::{Error, Kind, Result};
use crate::pg::anyvalue::AnyValue;
use crate::pg::bgworker;
use crate::pg::catalog::{quote_ident, relation_name};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::spi;
use crate::pg::subxact::Caught;
use crate::queue::{Job, Outcome};
use pgrx::pg_sys;
use pgrx::{FromDatum, IntoDatum};
use serde_json::{Map, Value};

/// Name of the policy.
pub const POLICY: &str = "policy_retention";

/// What a retention policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// an interval, or a number that counts back from `integer_now_func`
    pub drop_after: Option<String>,
    pub drop_created_before: Option<String>,
    pub after: After,
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

impl Config {
    /// Reads the config of a job.
    pub fn parse(text: Option<&str>) -> Result<Config> {
        let value: Value = serde_json::from_str(text.unwrap_or("{}"))
            .map_err(|_| bad("the config of a retention policy must be a JSON object"))?;
        let Value::Object(map) = value else {
            return Err(bad(
                "the config of a retention policy must be a JSON object",
            ));
        };
        let known = [
            "drop_after",
            "drop_created_before",
            "keep",
            "move_to_schema",
        ];
        if let Some(key) = map.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(bad(format!(
                "the config of a retention policy has an unknown key \"{key}\""
            )));
        }
        let config = Config {
            drop_after: text_of(&map, "drop_after")?,
            drop_created_before: text_of(&map, "drop_created_before")?,
            after: match (map.get("keep"), text_of(&map, "move_to_schema")?) {
                (_, Some(schema)) => After::Move(schema),
                (None | Some(Value::Bool(false) | Value::Null), None) => After::Drop,
                (Some(Value::Bool(true)), None) => After::Keep,
                _ => return Err(bad("keep must be true or false")),
            },
        };
        match (&config.drop_after, &config.drop_created_before) {
            (None, None) => Err(bad("drop_after or drop_created_before must be given")),
            (Some(_), Some(_)) => Err(bad("drop_after and drop_created_before cannot be combined")),
            _ => Ok(config),
        }
    }
}

fn text_of(map: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(_) => Err(bad(format!("{key} must be a text or a number"))),
    }
}

const SPLIT: &str = "
SELECT (extract(year FROM i) * 12 + extract(month FROM i))::int4, extract(day FROM i)::int4,
       (extract(epoch FROM i - make_interval(months => (extract(year FROM i) * 12 + extract(month FROM i))::int4,
                                             days => extract(day FROM i)::int4)) * 1000000)::int8
FROM (SELECT $1::interval) x(i)";

fn interval(text: &str) -> Result<AnyValue> {
    as_extension_owner(|| {
        spi::read_one(SPLIT, &[text.into()], |r| {
            Ok(AnyValue::Interval {
                months: r.need(1)?,
                days: r.need(2)?,
                us: r.need(3)?,
            })
        })
    })?
    .ok_or_else(|| Error::internal("an interval without fields"))
}

/// The current value of an integer key, by the function that its owner named.
pub fn integer_now(h: &Hypertable) -> Result<i64> {
    let found = settings::of(h.table.oid)?.and_then(|s| s.integer_now_func);
    let Some(function) = found else {
        return Err(Error::new(
            Kind::NotInState,
            format!(
                "hypertable \"{}\" has no integer_now_func, so \"{}\" has no age",
                h.table.name, h.key
            ),
        )
        .hint(format!(
            "SELECT strata.set_integer_now_func('{}', 'function')",
            h.table.name
        )));
    };
    let name = function_name(function)?;
    // a function of the owner's
    let _owner = UserScope::restricted(h.table.owner);
    spi::read_one(&format!("SELECT {name}()::pg_catalog.int8"), &[], |r| {
        r.need(1)
    })?
    .ok_or_else(|| Error::internal("integer_now_func returned no row"))
}

const FUNCTION: &str = "SELECT quote_ident(n.nspname) || '.' || quote_ident(p.proname) FROM pg_proc p \
    JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = $1";

fn function_name(function: pg_sys::Oid) -> Result<String> {
    as_extension_owner(|| spi::read_one(FUNCTION, &[function.into()], |r| r.need(1)))?
        .ok_or_else(|| Error::new(Kind::UndefinedObject, "integer_now_func does not exist"))
}

/// True when chunks are chosen by a time column that is not the key.
fn by_time_column(h: &Hypertable) -> Result<Option<String>> {
    let of = settings::of(h.table.oid)?;
    Ok(of
        .and_then(|s| s.time_column)
        .filter(|_| !h.grid.key.is_time()))
}

/// The chunks that are too old, oldest first; frozen ones and those on their way out are left out.
pub fn too_old(h: &Hypertable, config: &Config) -> Result<Vec<Chunk>> {
    let mut bounds = Bounds::default();
    if let Some(text) = &config.drop_created_before {
        bounds.created_before = Some(interval(text)?);
    }
    let found = match &config.drop_after {
        None => select::chunks(h, &bounds, true)?,
        Some(text) if h.grid.key.is_time() => {
            bounds.older_than = Some(interval(text)?);
            select::chunks(h, &bounds, true)?
        }
        Some(text) => match by_time_column(h)? {
            Some(column) => past_by_column(h, &column, text)?,
            None => past_by_number(h, text)?,
        },
    };
    let mut out = Vec::new();
    for c in found {
        if sql::place(c.oid)? == Place::Attached && !target::is_frozen(c.oid)? {
            out.push(c);
        }
    }
    Ok(out)
}

fn past_by_number(h: &Hypertable, drop_after: &str) -> Result<Vec<Chunk>> {
    let back: i64 = drop_after.trim().parse().map_err(|_| {
        Error::new(
            Kind::WrongType,
            format!(
                "drop_after must be an integer for column \"{}\" of type {}",
                h.key,
                h.grid.key.sql_name()
            ),
        )
    })?;
    let points = Points {
        older: Some(integer_now(h)?.saturating_sub(back)),
        ..Points::default()
    };
    select::within(h, points, true)
}

/// Ids grow with time, so the first chunk from the oldest that is too young ends the search.
fn past_by_column(h: &Hypertable, column: &str, drop_after: &str) -> Result<Vec<Chunk>> {
    let mut out = Vec::new();
    for c in catalog::chunks(h.table.oid, true)? {
        if matches!(c.range.1, Edge::Max) {
            break;
        }
        match is_past(&c, column, drop_after)? {
            Some(true) => out.push(c),
            // an empty chunk says nothing about its age
            None => {}
            Some(false) => break,
        }
    }
    Ok(out)
}

fn is_past(c: &Chunk, column: &str, drop_after: &str) -> Result<Option<bool>> {
    let _settings = chunks::ddl_settings();
    let chunk = crate::pg::catalog::qualified_name(c.oid)?;
    let sql = format!(
        "SELECT pg_catalog.max({0}) OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) $1::pg_catalog.interval) FROM {chunk}",
        quote_ident(column)
    );
    one(&sql, drop_after)
}

fn one<T: FromDatum + IntoDatum>(sql: &str, text: &str) -> Result<Option<T>> {
    Ok(as_extension_owner(|| spi::read_one(sql, &[text.into()], |r| r.get(1)))?.flatten())
}

/// The hypertable of a job, which the job's owner must own.
pub fn of_job(job: &Job) -> Result<Hypertable> {
    let relation = job
        .hypertable
        .ok_or_else(|| Error::internal("a policy without a hypertable"))?;
    let h = chunks::hypertable(relation)?;
    let _owner = UserScope::restricted(job.owner);
    crate::pg::catalog::check_owner(relation)?;
    Ok(h)
}

/// Whether a retention job has something to do.
pub fn needed(job: &Job) -> Result<bool> {
    let h = of_job(job)?;
    if !sql::noted(h.table.oid)?.is_empty() {
        return Ok(true);
    }
    // asking chunks for their times takes too long here
    if by_time_column(&h)?.is_some() {
        return Ok(true);
    }
    Ok(!too_old(&h, &Config::parse(job.config.as_deref())?)?.is_empty())
}

/// One run of a retention job.
pub fn run(job: &Job) -> Outcome {
    let (h, config) =
        bgworker::transaction(|| Ok((of_job(job)?, Config::parse(job.config.as_deref())?)))?;
    let turn = take_turn(&h)?;
    let mut errors = leave::finish(h.table.oid)?;
    let old = bgworker::transaction(|| too_old(&h, &config))?;
    errors.extend(
        take_out(&h, &old, &config.after)?
            .into_iter()
            .map(|(_, e)| e),
    );
    drop(turn);
    summary(errors)
}

/// Takes chunks out one after the other. Returns those that stay, with the reason.
pub fn take_out(
    h: &Hypertable,
    chunks: &[Chunk],
    after: &After,
) -> std::result::Result<Vec<(pg_sys::Oid, Caught)>, Caught> {
    let mut errors = Vec::new();
    for c in chunks {
        let name = bgworker::transaction(|| relation_name(c.oid));
        let Err(mut e) = leave::leave(h, c.oid, after) else {
            continue;
        };
        let (pending, key) = bgworker::transaction(|| {
            let pending = sql::pending(h.table.oid)?;
            Ok((pending, sql::foreign_key(c.oid, &e.message)?))
        })?;
        if let Some(key) = key {
            e.message = format!("{} (foreign key {key})", e.message);
        }
        if let Ok(name) = name
            && !e.message.contains(&name)
        {
            e.message = format!("chunk \"{name}\": {}", e.message);
        }
        errors.push((c.oid, e));
        if pending.is_some() {
            // PostgreSQL allows one at a time
            break;
        }
    }
    Ok(errors)
}

/// The right to detach chunks of the table; 55006 when another process does not end.
pub fn take_turn(h: &Hypertable) -> std::result::Result<leave::Turn, Caught> {
    for _ in 0..300 {
        if let Some(turn) = bgworker::transaction(|| leave::Turn::take(h.table.oid))? {
            return Ok(turn);
        }
        bgworker::pause(std::time::Duration::from_millis(100));
    }
    Err(Error::new(
        Kind::InUse,
        format!(
            "another process is detaching chunks of \"{}\"",
            h.table.name
        ),
    )
    .into())
}

/// One error for all chunks that stay.
pub fn summary(errors: Vec<Caught>) -> Outcome {
    let n = errors.len();
    let all: Vec<String> = errors.iter().map(|e| e.message.clone()).collect();
    let Some(mut first) = errors.into_iter().next() else {
        return Ok(());
    };
    if n > 1 {
        first.message = format!("{n} chunks stay: {}", all.join("; "));
    }
    Err(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> After {
        Config::parse(Some(text)).unwrap().after
    }

    #[test]
    fn says_what_becomes_of_chunks() {
        assert_eq!(after(r#"{"drop_after": "1 day"}"#), After::Drop);
        assert_eq!(after(r#"{"drop_after": 5, "keep": false}"#), After::Drop);
        assert_eq!(after(r#"{"drop_after": 5, "keep": true}"#), After::Keep);
        assert_eq!(
            after(r#"{"drop_created_before": "1 day", "move_to_schema": "old"}"#),
            After::Move("old".into())
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in [
            "{}",
            "[]",
            r#"{"drop_after": "1 day", "drop_created_before": "1 day"}"#,
            r#"{"drop_after": "1 day", "kep": true}"#,
            r#"{"drop_after": "1 day", "keep": 1}"#,
            r#"{"drop_after": {}}"#,
        ] {
            assert!(Config::parse(Some(bad)).is_err(), "{bad}");
        }
        assert!(Config::parse(None).is_err());
    }
}
