//! What the statements of files would lock and write anew: they are run, watched and undone.

use super::ask::{Ask, Context, MissingDown, Mode, OutOfOrder};
use super::call::{Call, Outside};
use super::explain_rows::Found;
use super::explain_trial::Trial;
use super::header::{Headers, OnError};
use super::known::Known;
use super::name::Hook;
use super::namespace::{self, StartsAs};
use super::plan::{self, Cause, Run, Step};
use super::regions::Regions;
use super::register::STRINGS;
use super::sections::{Sections, refuse_template};
use super::set::{Applied, Direction, Set};
use super::text::{self, Script};
use super::vars::Vars;
use super::version::{Target, Version};
use super::{ask, locks, refuse, runs};
use crate::error::{Error, Kind, Result};
use crate::pg::leftovers::Leftovers;
use crate::pg::parse_kind::{Copy, Kind as Does};
use crate::pg::sequences::Sequences;
use crate::pg::{spi, subxact};

/// What is to be explained.
pub struct Asked<'a> {
    pub version: Option<Version>,
    /// a text that is not registered
    pub body: Option<&'a str>,
    pub direction: Direction,
    pub lock_timeout_ms: i64,
}

/// A row of `migrate_explain`.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub version: Option<String>,
    pub filename: Option<String>,
    pub statement: i32,
    pub line: i32,
    pub command: String,
    pub found: Found,
    pub us: i64,
}

const WAIT_MS: i64 = 60_000;
pub(super) const TOLD: &str = "Nothing was changed: it was only tried.";
/// The name of a text that has none, in errors.
pub(super) const BODY: &str = "body";

/// True for what is not run when a file is only tried: statements that no transaction takes and that nothing can stand in
/// for, and those that write to files of the server or run its programs.
#[must_use]
pub fn is_left_out(kind: &Does) -> bool {
    match kind {
        Does::Outside(outside) => !outside.may_be_stripped(),
        Does::Copy(Copy::ToServer | Copy::FromProgram) => true,
        _ => false,
    }
}

/// Runs it and undoes it; errors of the statements are raised, with their place.
pub fn rows(asked: &Asked<'_>, namespace: Option<&str>) -> Result<Vec<Row>> {
    spi::refuse_read_only(c"migrate_explain()");
    if asked.body.is_some() && asked.version.is_some() {
        let text = "version and body cannot be given together";
        return Err(Error::new(Kind::InvalidParameter, text));
    }
    runs::need_read_committed()?;
    let _inside = locks::Inside::begin()?;
    let before = Leftovers::now()?;
    let sequences = Sequences::now()?;
    let work = || match asked.body {
        Some(body) => of_body(body, asked, namespace, &before),
        None => of_files(asked, namespace, &before),
    };
    let rows = subxact::peek_then(work, || sequences.put_back())?;
    // what a rollback leaves to a session
    before.settle()?;
    Ok(rows)
}

fn call(namespace: &str, lock_timeout_ms: i64) -> Call {
    Call {
        namespace: namespace.to_owned(),
        tenant: None,
        among: false,
        dry_run: false,
        outside: Outside::Strip,
        on_error: OnError::Stop,
        skip_roles: false,
        lock_timeout_ms,
        wait_ms: WAIT_MS,
        search_path: None,
        vars: Vars::new(),
    }
}

/// A text of the caller's own, as a file of the namespace would be run.
fn of_body(
    body: &str,
    asked: &Asked<'_>,
    name: Option<&str>,
    before: &Leftovers,
) -> Result<Vec<Row>> {
    let found = match name {
        Some(name) => namespace::find(name)?,
        None => None,
    };
    let (namespace, starts_as) = match (found, name) {
        (Some(found), _) => {
            found.need_member()?;
            let starts_as = found.starts_as()?;
            (found, starts_as)
        }
        // nobody has registered anything yet
        (None, None | Some("default")) => (namespace::none(), StartsAs::Caller),
        (None, Some(name)) => return Err(namespace::unknown(name)),
    };
    let regions = Regions::of(body, STRINGS);
    refuse_template(body, |at| regions.at(at))?;
    let sections = Sections::find(body, namespace.style, |at| regions.at(at))?;
    let (up, down) = Headers::of_sections(body, &sections)?;
    // without marks all of it is meant, whatever the direction
    let (section, headers) = match (asked.direction, sections.tool, &sections.down, down) {
        (Direction::Down, Some(_), Some(section), Some(headers)) => (section, headers),
        (Direction::Down, Some(_), ..) => {
            return Err(Error::new(Kind::NoData, "the text has no down"));
        }
        _ => (&sections.up, up),
    };
    let script = Script {
        body: body.into(),
        section: section.range.clone(),
        headers,
    };
    let known = Known::without_files(namespace);
    let call = call(&known.namespace.name, asked.lock_timeout_ms);
    let trial = Trial::new(&known, &call, starts_as, before);
    trial.refuse(BODY, &script)?;
    trial.watched(None, BODY, asked.direction, &script)
}

/// Registered files.
fn of_files(asked: &Asked<'_>, name: Option<&str>, before: &Leftovers) -> Result<Vec<Row>> {
    let name = name.ok_or_else(|| {
        Error::new(
            Kind::NullNotAllowed,
            "namespace must not be NULL without body",
        )
    })?;
    namespace::of_member(name)?;
    let call = call(name, asked.lock_timeout_ms);
    locks::run(name, None, call.wait_ms)?;
    // who waited may find another namespace of this name
    let namespace = namespace::of_member(name)?;
    let starts_as = namespace.starts_as()?;
    let mut known = Known::of(namespace, None)?;
    known.settle_running(None)?;
    if let Some(mirrored) = known.namespace.mirrored(None, &starts_as)? {
        locks::others(name, &mirrored.locks()?, call.wait_ms)?;
        mirrored.take_over(&mut known, None)?;
    }
    let steps = steps(&known, asked)?;
    let trial = Trial::new(&known, &call, starts_as, before);
    for (step, _) in &steps {
        if let Run::Text(sha) | Run::Rest { sha, .. } = step.run {
            trial.refuse(&known.filename(step), &text::script(&sha, step.direction)?)?;
        }
    }
    let mut rows = Vec::new();
    if !steps.is_empty() {
        trial.hooks(Hook::BeforeAll)?;
    }
    for (step, wanted) in &steps {
        let of_step = trial.step(step)?;
        rows.extend(of_step.into_iter().filter(|_| *wanted));
    }
    Ok(rows)
}

/// What is to be run, each with whether it is to be told of: what stands between now and a version is run, and no more.
fn steps(known: &Known, asked: &Asked<'_>) -> Result<Vec<(Step, bool)>> {
    let context = known.context(None, Mode::Atomic);
    let plan = |ask: Ask| -> Result<Vec<Step>> {
        Ok(plan::plan(&known.files, &known.applied, &ask, &context)?.steps)
    };
    let Some(version) = &asked.version else {
        let ask = match asked.direction {
            Direction::Up => Ask::up(None, None, OutOfOrder::Allow)?,
            Direction::Down => Ask::down(None, None, false, MissingDown::Error)?,
        };
        return Ok(plan(ask)?.into_iter().map(|step| (step, true)).collect());
    };
    let set = Set::new(&known.files, &known.applied);
    refuse::known(&set, version, &context)?;
    let is_it = |step: &Step| step.key.version.as_ref() == Some(version);
    let mut steps = match set.standing().find(|(v, _)| *v == version) {
        Some((_, row)) if !row.revertible() => {
            return Err(refuse::baseline(&[row], None, &context));
        }
        Some((_, row)) => {
            let later = set.applied.iter().filter(|r| r.revertible());
            let later = later.filter(|r| rank(r) >= rank(row)).count();
            let later = i32::try_from(later).unwrap_or(i32::MAX);
            let steps = plan(match asked.direction {
                Direction::Up => Ask::redo(Some(later))?,
                Direction::Down => Ask::down(Some(later), None, false, MissingDown::Error)?,
            });
            steps.map_err(|error| as_things_are(error, version, asked.direction, &context))?
        }
        None => {
            let target = Some(Target::Version(version.clone()));
            let mut steps = plan(Ask::up(None, target, OutOfOrder::Allow)?)?;
            if asked.direction == Direction::Down {
                steps.extend(down_of_pending(&set, version, &context)?);
            }
            steps
        }
    };
    let end = steps
        .iter()
        .position(|step| is_it(step) && step.direction == asked.direction);
    steps.truncate(end.map_or(0, |n| n + 1));
    let last = steps.len();
    let numbered = steps.into_iter().zip(1..);
    Ok(numbered.map(|(step, n)| (step, n == last)).collect())
}

/// Where a version cannot be reached for want of downs, its text can be tried as things are now.
fn as_things_are(
    error: Error,
    version: &Version,
    direction: Direction,
    context: &Context<'_>,
) -> Error {
    if error.kind != Kind::NoData {
        return error;
    }
    let literals = [version.as_str(), direction.word()].map(ask::literal);
    let source = context.shared_command("strata.migrate_source", &[&literals[0], &literals[1]]);
    error.hint(format!(
        "SELECT * FROM {}",
        context.shared_command("strata.migrate_explain", &[&format!("body => {source}")])
    ))
}

/// As downs are ordered.
fn rank(row: &Applied) -> (i64, Option<&Version>) {
    (row.applied_order, row.key.version.as_ref())
}

/// The down of a version behind its up. P0002 if it has none.
fn down_of_pending(
    set: &Set<'_>,
    version: &Version,
    context: &Context<'_>,
) -> Result<Option<Step>> {
    let Some(file) = set.versions.get(version) else {
        return Ok(None);
    };
    let Some(down) = file.down else {
        let register = context.plain_command(
            "SELECT strata.migrate_register",
            &["'..._....down.sql'", "'...'"],
        );
        return Err(refuse::no_down(&[&file.key], register));
    };
    Ok(Some(Step {
        direction: Direction::Down,
        key: file.key.clone(),
        run: Run::Text(down.sha),
        cause: Cause::Asked,
        up: None,
        down_sha: None,
        covers: Vec::new(),
    }))
}
