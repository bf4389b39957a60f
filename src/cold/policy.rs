//! The tiering policy: a job of the project's schedules that sends old chunks to the cold tier.

use crate::cold::catalog::{jobs, spec};
use crate::cold::export;
use crate::cold::merge;
use crate::cold::tier::{self, Choice};
use crate::error::{Error, Kind, Result};
use crate::hypertable;
use crate::pg::anyvalue::AnyValue;
use crate::pg::owner::UserScope;
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, catalog, session};
use crate::queue::{self, Job, NewPolicy, Outcome};
use pgrx::datum::Interval;
use pgrx::{JsonB, pg_sys};
use serde_json::{Map, Value};
use std::time::Duration;

/// Name of the policy.
pub const POLICY: &str = "policy_tiering";

/// What `add_tiering_policy` was called with.
pub struct Wanted {
    pub move_after: Option<Interval>,
    pub keep_hot_bytes: Option<i64>,
    pub schedule_interval: Interval,
    pub max_per_run: i32,
    pub if_not_exists: bool,
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

/// What the job's config says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Config {
    /// an interval
    move_after: Option<String>,
    keep_hot_bytes: Option<i64>,
    max_per_run: i32,
}

impl Config {
    fn to_json(&self) -> Value {
        let mut map = Map::new();
        if let Some(age) = &self.move_after {
            map.insert("move_after".into(), age.as_str().into());
        }
        if let Some(bytes) = self.keep_hot_bytes {
            map.insert("keep_hot_bytes".into(), bytes.into());
        }
        map.insert("max_per_run".into(), self.max_per_run.into());
        Value::Object(map)
    }

    /// Reads the config of a job, which `alter_job` may have changed; 22023 when it makes no sense.
    fn parse(text: Option<&str>) -> Result<Config> {
        let shape = "the config of a tiering policy must be a JSON object";
        let value: Value = serde_json::from_str(text.unwrap_or("{}")).map_err(|_| bad(shape))?;
        let Value::Object(map) = value else {
            return Err(bad(shape));
        };
        let known = ["move_after", "keep_hot_bytes", "max_per_run"];
        if let Some(key) = map.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(bad(format!(
                "the config of a tiering policy has an unknown key \"{key}\""
            )));
        }
        let given = |key: &str| map.get(key).filter(|v| !v.is_null());
        let number = |key: &str, least: i64| {
            given(key)
                .map(|v| v.as_i64().filter(|n| *n >= least))
                .map(|n| n.ok_or_else(|| bad(format!("{key} must be a number not below {least}"))))
                .transpose()
        };
        let most = number("max_per_run", 1)?.unwrap_or(4);
        let config = Config {
            move_after: given("move_after")
                .map(|v| v.as_str().map(str::to_owned))
                .map(|t| t.ok_or_else(|| bad("move_after must be a text")))
                .transpose()?,
            keep_hot_bytes: number("keep_hot_bytes", 0)?,
            max_per_run: i32::try_from(most).unwrap_or(i32::MAX),
        };
        if config.move_after.is_none() && config.keep_hot_bytes.is_none() {
            return Err(bad("move_after or keep_hot_bytes must be given"));
        }
        Ok(config)
    }

    /// 22023 for an interval that cannot be read or is negative.
    fn age(&self) -> Result<Option<AnyValue>> {
        let Some(text) = &self.move_after else {
            return Ok(None);
        };
        let age = hypertable::interval_of_text(text)?;
        if let AnyValue::Interval { months, days, us } = &age {
            let days = i128::from(*months) * 30 + i128::from(*days);
            if days * 86_400_000_000 + i128::from(*us) < 0 {
                return Err(bad("move_after must not be negative"));
            }
        }
        Ok(Some(age))
    }
}

/// Registers the policy; once, when the library is loaded.
pub fn init() {
    queue::register_policy(POLICY, needed, run);
}

/// Makes a tiering policy; returns its number, -1 when there is one already and `if_not_exists`.
///
/// 22023 without any limit or with one that makes no sense, 42804 when chunks have no age, 42710 when there is one.
pub fn add(table: pg_sys::Oid, wanted: Wanted) -> Result<i32> {
    hypertable::check_hypertable(table)?;
    catalog::check_owner(table)?;
    queue::check_schedule(&wanted.schedule_interval)?;
    let age = |i: &Interval| hypertable::interval_text(i.months(), i.days(), i.micros());
    let config = Config {
        move_after: wanted.move_after.as_ref().map(age).transpose()?,
        keep_hot_bytes: wanted.keep_hot_bytes,
        max_per_run: wanted.max_per_run,
    };
    let json = config.to_json();
    let config = Config::parse(Some(&json.to_string()))?;
    // what cannot be asked of this table is told now and not at night
    due(table, &config)?;
    let name = catalog::relation_name(table)?;
    if let Some((_, present)) = queue::policy_of(table, POLICY)? {
        return existing(&name, present.as_deref(), &config, wanted.if_not_exists);
    }
    let id = queue::add_policy(NewPolicy {
        name: POLICY,
        title: "Tiering Policy",
        hypertable: table,
        owner: spec::relation(table)?.owner,
        schedule_interval: queue::interval_text(&wanted.schedule_interval),
        scheduled: true,
        initial_start: None,
        timezone: None,
        config: Some(JsonB(json)),
        timed: true,
    })?;
    queue::tell_without_worker();
    Ok(id)
}

fn existing(name: &str, present: Option<&str>, config: &Config, skip: bool) -> Result<i32> {
    if !skip {
        return Err(Error::new(
            Kind::DuplicateObject,
            format!("hypertable \"{name}\" has a tiering policy already"),
        )
        .hint(format!(
            "SELECT * FROM strata.jobs WHERE hypertable_name = {}",
            catalog::quote_literal(name)
        )));
    }
    let same = Config::parse(present).is_ok_and(|p| p == *config);
    let text = match same {
        true => format!("hypertable \"{name}\" has this tiering policy already, skipping"),
        false => {
            format!("hypertable \"{name}\" has another tiering policy, which stays as it is")
        }
    };
    session::notice(&text, None);
    Ok(-1)
}

/// Removes the policy; 42704 when there is none, a notice with `if_exists`.
pub fn remove(table: pg_sys::Oid, if_exists: bool) -> Result<()> {
    hypertable::check_hypertable(table)?;
    catalog::check_owner(table)?;
    if queue::remove_policy(table, POLICY)? {
        return Ok(());
    }
    let name = catalog::relation_name(table)?;
    let text = format!("hypertable \"{name}\" has no tiering policy");
    if if_exists {
        session::notice(&format!("{text}, skipping"), None);
        return Ok(());
    }
    Err(Error::new(Kind::UndefinedObject, text))
}

/// The chunks that are too old, and the oldest ones while too much is hot; oldest first.
fn due(table: pg_sys::Oid, config: &Config) -> Result<Choice> {
    let most = Some(config.max_per_run);
    let mut choice = Choice::default();
    if let Some(age) = config.age()? {
        let old = hypertable::chunks_between(table, Some(age), None).map_err(|e| match e.kind {
            Kind::WrongType => Error::new(
                Kind::WrongType,
                "move_after needs chunks that have an age: this table's are numbered",
            )
            .hint("Use keep_hot_bytes, or CALL strata.tier_chunks with older_than."),
            _ => e,
        })?;
        choice = tier::choose(table, old, None, most)?;
    }
    if let Some(bytes) = config.keep_hot_bytes {
        let all = hypertable::chunks_between(table, None, None)?;
        choice.join(tier::choose(table, all, Some(bytes), most)?);
    }
    choice.limit(config.max_per_run);
    Ok(choice)
}

/// The hypertable of a job, which the job's owner must own.
fn table_of(job: &Job) -> Result<pg_sys::Oid> {
    let table = job
        .hypertable
        .ok_or_else(|| Error::internal("a policy without a hypertable"))?;
    hypertable::check_hypertable(table)?;
    let _owner = UserScope::restricted(job.owner);
    catalog::check_owner(table)?;
    Ok(table)
}

fn needed(job: &Job) -> Result<bool> {
    let table = table_of(job)?;
    // asking chunks for the times in their rows takes too long here
    if hypertable::ages_by_rows(table)? {
        return Ok(true);
    }
    if merge::needed(table)? {
        return Ok(true);
    }
    let choice = due(table, &Config::parse(job.config.as_deref())?)?;
    Ok(!choice.chunks.is_empty() || !choice.refused.is_empty())
}

/// One run: queues what is due and works on it, beside other exporters, until it has ended.
fn run(job: &Job) -> Outcome {
    let (queued, refused) = bgworker::transaction(|| {
        // sizes of chunks need locks on them; whoever waits with a snapshot holds up exports
        crate::pg::owner::set_local("lock_timeout", "5s");
        let table = table_of(job)?;
        let config = Config::parse(job.config.as_deref())?;
        let mut choice = due(table, &config)?;
        choice.join(Choice {
            chunks: merge::due(table)?,
            refused: Vec::new(),
        });
        choice.limit(config.max_per_run);
        let mut queued = Vec::with_capacity(choice.chunks.len());
        for chunk in choice.chunks {
            queued.push(jobs::queue(chunk, job.owner)?);
        }
        Ok((queued, choice.refused))
    })?;
    loop {
        export::run_queued()?;
        if bgworker::transaction(|| jobs::open(&queued))? == 0 {
            break;
        }
        bgworker::pause(Duration::from_millis(200));
    }
    let ended = bgworker::transaction(|| jobs::ended(&queued))?;
    let failed = ended
        .into_iter()
        .filter_map(|e| Some(format!("chunk \"{}\": {}", e.chunk, e.error?)));
    let errors: Vec<String> = refused
        .into_iter()
        .map(|e| e.message)
        .chain(failed)
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    let text = format!("{} chunks stay hot: {}", errors.len(), errors.join("; "));
    Err(Caught::from(Error::new(Kind::NotInState, text)))
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn configs_come_back() {
        let config = Config {
            move_after: Some("30 days".into()),
            keep_hot_bytes: Some(5),
            max_per_run: 2,
        };
        let text = config.to_json().to_string();
        assert_eq!(Config::parse(Some(&text)).unwrap(), config);
        let least = Config::parse(Some(r#"{"keep_hot_bytes": 0, "move_after": null}"#)).unwrap();
        assert_eq!(least.max_per_run, 4);
        assert_eq!(least.move_after, None);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"max_per_run": 3}"#,
            r#"{"move_after": 5}"#,
            r#"{"move_after": "1 day", "max_per_run": 0}"#,
            r#"{"keep_hot_bytes": -1}"#,
            r#"{"keep_hot_bytes": "much"}"#,
            r#"{"move_after": "1 day", "kep": 1}"#,
        ] {
            assert!(Config::parse(Some(bad)).is_err(), "{bad}");
        }
        assert!(Config::parse(None).is_err());
    }
}
