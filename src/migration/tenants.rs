//! The same files for many schemas, each of them a tenant with a state of its own.

use super::ask::Ask;
use super::call::Call;
use super::deploy::{self, Failure};
use super::known::Known;
use super::namespace;
use super::set::Set;
use super::{runs, server};
use crate::error::{Error, Kind, Result};
use crate::pg::migrate_call::Each;
use crate::pg::owner::as_extension_owner;
use crate::pg::subxact::{self, Caught};
use crate::pg::whole_error::{self, WholeError};
use crate::pg::{nonatomic, spi};
use pgrx::datum::Uuid;
use std::collections::BTreeSet;
use std::time::Instant;

const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";

/// 42704 for a schema that does not exist; 22004 and 22023 for a list that holds NULL or one of them twice.
fn check(schemas: Vec<Option<String>>) -> Result<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut checked = Vec::with_capacity(schemas.len());
    for schema in schemas {
        let Some(schema) = schema else {
            return Err(Error::new(
                Kind::NullNotAllowed,
                "schemas must not hold NULL",
            ));
        };
        if !seen.insert(schema.clone()) {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("schema \"{schema}\" is named twice"),
            ));
        }
        checked.push(schema);
    }
    Ok(checked)
}

/// 42704 where there is no such schema: what is not found in it would be made in the next one of the search path.
pub fn need_schema(schema: &str) -> Result<()> {
    let found =
        as_extension_owner(|| spi::read_latest(EXISTS, &[schema.into()], |r| r.need::<bool>(1)))?;
    if found.first() == Some(&true) {
        return Ok(());
    }
    Err(Error::new(
        Kind::UndefinedObject,
        format!("schema \"{schema}\" does not exist"),
    )
    .hint(format!(
        "CREATE SCHEMA {}",
        crate::pg::catalog::quote_ident(schema)
    )))
}

fn for_one(call: &Call, schema: &str) -> Call {
    Call {
        tenant: Some(schema.to_owned()),
        ..call.clone()
    }
}

/// Applies what is pending to each schema, in a subtransaction of its own. `goes_on`: one that fails is told and does not
/// stop the others.
pub fn up(
    schemas: Vec<Option<String>>,
    ask: &Ask,
    call: &Call,
    goes_on: bool,
) -> Result<Vec<Each>> {
    let mut rows = Vec::new();
    for schema in check(schemas)? {
        let begun = Instant::now();
        let one = Call {
            among: !goes_on && !rows.is_empty(),
            ..for_one(call, &schema)
        };
        let work = || {
            need_schema(&schema)?;
            let ran = runs::run(ask, &one)?;
            Ok((ran.len(), head(&one)?))
        };
        let tried = match goes_on {
            true => subxact::attempt(work),
            false => Ok(Ok(work()?)),
        };
        let done = match tried {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(WholeError::of(&Caught::from(error))),
            Err(caught) => {
                Err(whole_error::take(&caught).unwrap_or_else(|| WholeError::of(&caught)))
            }
        };
        let us = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        rows.push(match done {
            Ok((applied, head)) => Each {
                tenant: schema,
                applied: i32::try_from(applied).unwrap_or(i32::MAX),
                head,
                outcome: if applied > 0 { "applied" } else { "unchanged" },
                us,
                error: None,
            },
            Err(whole) => Each {
                head: head(&one)?,
                tenant: schema,
                applied: 0,
                outcome: "failed",
                us,
                error: Some(line(&whole)),
            },
        });
    }
    Ok(rows)
}

/// What an error says, with its place.
fn line(whole: &WholeError) -> String {
    let mut text = format!("{} (SQLSTATE {})", whole.message, whole.sqlstate);
    if let Some(place) = whole.context.as_ref().and_then(|c| c.lines().last()) {
        text.push_str("; ");
        text.push_str(place);
    }
    text
}

fn head(call: &Call) -> Result<Option<String>> {
    let found = namespace::of_member(&call.namespace)?;
    let known = Known::of(found, call.tenant.as_deref())?;
    let set = Set::new(&known.files, &known.applied);
    Ok(set.head().map(ToString::to_string))
}

/// The same, each file committed. With `goes_on`, the first error is raised when all have had their turn.
pub fn deploy(
    schemas: Vec<Option<String>>,
    ask: &Ask,
    call: &Call,
    retries: u32,
    goes_on: bool,
    run: Uuid,
) -> Result<Uuid> {
    let schemas = check(schemas)?;
    let mut failed: Option<(Failure, Vec<String>)> = None;
    for schema in &schemas {
        let one = for_one(call, schema);
        let done = nonatomic::with_snapshot(|| Ok(need_schema(schema)))?
            .map_err(Failure::Ours)
            .and_then(|()| deploy::try_run(ask, &one, retries, run));
        let Err(failure) = done else { continue };
        if !goes_on {
            return failure.raise().map(|()| run);
        }
        server::warn(&format!("schema \"{schema}\": {}", failure.line()));
        nonatomic::commit()?;
        match &mut failed {
            Some((_, others)) => others.push(schema.clone()),
            None => failed = Some((failure, vec![schema.clone()])),
        }
    }
    let Some((first, names)) = failed else {
        return Ok(run);
    };
    let text = format!(
        "{} of {} schemas failed: {}. The error is that of the first of them.",
        names.len(),
        schemas.len(),
        names.join(", ")
    );
    first.with_detail(&text).raise().map(|()| run)
}

impl Failure {
    fn line(&self) -> String {
        match self {
            Failure::Ours(error) | Failure::Lost(error) => error.message.clone(),
            Failure::Theirs(whole) => line(whole),
        }
    }

    fn with_detail(self, more: &str) -> Failure {
        let add = |detail: Option<String>| match detail {
            Some(detail) => Some(format!("{detail}\n{more}")),
            None => Some(more.to_owned()),
        };
        match self {
            Failure::Ours(error) | Failure::Lost(error) => {
                let detail = add(error.detail.clone());
                Failure::Ours(Error { detail, ..error })
            }
            Failure::Theirs(mut whole) => {
                whole.detail = add(whole.detail.take());
                Failure::Theirs(whole)
            }
        }
    }
}
