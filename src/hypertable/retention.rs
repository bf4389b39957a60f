//! Retention: which chunks are too old, and the job that takes them out.

use super::catalog::{Chunk, Hypertable};
use super::leave_sql::{self as sql, After, Place};
use super::select::{self, Bounds, Points};
use super::{age, calendar, chunks, leave, settings, target};
use crate::error::{Error, Kind, Result};
use crate::pg::anyvalue::AnyValue;
use crate::pg::bgworker;
use crate::pg::catalog::relation_name;
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::spi;
use crate::pg::subxact::Caught;
use crate::queue::{Job, Outcome};
use pgrx::{PgSqlErrorCode, pg_sys};
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

/// The interval that a text means.
pub fn interval(text: &str) -> Result<AnyValue> {
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

/// True when the age of chunks is a time: of the key, or of the time column beside it.
pub fn by_time(h: &Hypertable) -> Result<bool> {
    Ok(h.grid.key.is_time() || age::time_column(h)?.is_some())
}

fn not_negative(value: AnyValue) -> Result<AnyValue> {
    let negative = match &value {
        AnyValue::Interval { months, days, us } => {
            let days = i128::from(*months) * 30 + i128::from(*days);
            days * i128::from(calendar::DAY_US) + i128::from(*us) < 0
        }
        AnyValue::Int(n) => *n < 0,
        _ => false,
    };
    match negative {
        true => Err(bad(
            "chunks are never dropped before their time: drop_after and drop_created_before must not be negative",
        )),
        false => Ok(value),
    }
}

/// The chunks that are too old, oldest first, and the bounds by which; frozen ones and those on their way out
/// are left out.
pub fn too_old(h: &Hypertable, config: &Config) -> Result<(Vec<Chunk>, Points)> {
    let points = select::points(h, &bounds(h, config)?)?;
    let mut out = Vec::new();
    for c in select::within(h, points, true)? {
        if sql::place(c.oid)? == Place::Attached && !target::is_frozen(c.oid)? {
            out.push(c);
        }
    }
    Ok((out, points))
}

/// What the policy's bound means now.
fn bounds(h: &Hypertable, config: &Config) -> Result<Bounds> {
    let mut bounds = Bounds::default();
    if let Some(text) = &config.drop_created_before {
        bounds.created_before = Some(not_negative(interval(text)?)?);
    }
    match &config.drop_after {
        Some(text) if by_time(h)? => bounds.older_than = Some(not_negative(interval(text)?)?),
        Some(text) => {
            let back: i64 = text.trim().parse().map_err(|_| {
                Error::new(
                    Kind::WrongType,
                    format!(
                        "drop_after must be an integer for column \"{}\" of type {}",
                        h.key,
                        h.grid.key.sql_name()
                    ),
                )
            })?;
            not_negative(AnyValue::Int(back))?;
            let at = integer_now(h)?.saturating_sub(back);
            bounds.older_than = Some(AnyValue::Int(at));
        }
        None => {}
    }
    Ok(bounds)
}

/// What becomes of one chunk. Ids may come late: a chunk that is old by the times in its rows is looked at again
/// when nobody can write to it any more.
pub fn after_of(h: &Hypertable, points: Points, chunk: &Chunk, after: &After) -> Result<After> {
    match age::time_column(h)? {
        Some(time) if points.by_time && *after == After::Drop => Ok(After::DropIf {
            bound: sql::bound(chunk.oid)?,
            unless: Some(time.outside(points.older, points.newer)),
        }),
        _ => Ok(after.clone()),
    }
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
    if age::time_column(&h)?.is_some() {
        return Ok(true);
    }
    let (old, _) = too_old(&h, &Config::parse(job.config.as_deref())?)?;
    Ok(!old.is_empty())
}

/// One run of a retention job.
pub fn run(job: &Job) -> Outcome {
    let (h, config) =
        bgworker::transaction(|| Ok((of_job(job)?, Config::parse(job.config.as_deref())?)))?;
    let turn = take_turn(&h)?;
    let mut errors = leave::finish(h.table.oid)?;
    let (old, points) = bgworker::transaction(|| too_old(&h, &config))?;
    let stay = take_out(&h, &old, |c| after_of(&h, points, c, &config.after))?;
    errors.extend(without_passing(stay)?);
    drop(turn);
    summary(errors)
}

/// Takes chunks out one after the other. Returns those that stay, with the reason.
pub fn take_out(
    h: &Hypertable,
    chunks: &[Chunk],
    after: impl Fn(&Chunk) -> Result<After>,
) -> std::result::Result<Vec<(pg_sys::Oid, Caught)>, Caught> {
    let mut errors = Vec::new();
    for c in chunks {
        let name = bgworker::transaction(|| relation_name(c.oid));
        let after = bgworker::transaction(|| after(c))?;
        let Err(mut e) = leave::leave(h, c.oid, &after) else {
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

/// Leaves out chunks that stay because they are being written to: the next run looks again.
pub fn without_passing(
    stay: Vec<(pg_sys::Oid, Caught)>,
) -> std::result::Result<Vec<Caught>, Caught> {
    let mut errors = Vec::new();
    for (chunk, e) in stay {
        let passing = e.code == PgSqlErrorCode::ERRCODE_OBJECT_IN_USE
            && bgworker::transaction(|| sql::place(chunk))? == Place::Attached;
        match passing {
            true => pgrx::log!("pg_strata: {}", e.message),
            false => errors.push(e),
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
