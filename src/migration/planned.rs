//! The statements of a plan, one by one.

use super::ask::{Ask, MissingDown, Mode};
use super::beforehand;
use super::call;
use super::include::Origins;
use super::inspect::{self, Item};
use super::known::Known;
use super::name::Hook;
use super::plan::{self, Run, Step};
use super::position::Lines;
use super::register::STRINGS;
use super::set::Direction;
use super::state;
use super::text::{self, Script};
use super::vars::Vars;
use super::version::{Target, Version};
use crate::error::{Error, Kind, Result};
use serde_json::Value;

/// A row of `migrate_plan`.
pub type Row = (
    i32,
    Option<String>,
    Option<String>,
    i32,
    i32,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
);

/// As a bare `migrate_down`, or down to a target.
pub fn down(target: Option<Target>) -> Result<Ask> {
    Ask::down(None, target, false, MissingDown::Error)
}

pub fn unknown_direction(word: &str) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("direction \"{word}\" is not known"),
    )
    .hint("Use 'up' or 'down'.")
}

/// What would run, in its order.
pub fn rows(
    ask: &Ask,
    vars: Option<Value>,
    tenant: Option<&str>,
    namespace: &str,
) -> Result<Vec<Row>> {
    let vars = call::vars(vars)?;
    let mut known = state::known(namespace, tenant)?;
    // texts are for those who may run them
    known.namespace.need_member()?;
    beforehand::fill_errors(&mut known, &vars)?;
    let plan = plan::plan(
        &known.files,
        &known.applied,
        ask,
        &known.context(tenant, Mode::Atomic),
    )?;
    let mut rows = Vec::new();
    let last = i32::try_from(plan.steps.len()).unwrap_or(i32::MAX);
    if last > 0 {
        hooks(&known, Hook::BeforeAll, (0, None), &vars, &mut rows)?;
    }
    for (n, step) in (1..).zip(&plan.steps) {
        let of = (n, step.key.version.as_ref());
        let runs = !matches!(step.run, Run::NoUp | Run::NoDown);
        if runs {
            hooks(&known, Hook::BeforeEach, of, &vars, &mut rows)?;
        }
        of_step(&known, n, step, &vars, &mut rows)?;
        if runs {
            hooks(&known, Hook::AfterEach, of, &vars, &mut rows)?;
        }
    }
    if last > 0 {
        hooks(&known, Hook::AfterAll, (last + 1, None), &vars, &mut rows)?;
    }
    Ok(rows)
}

/// Hooks of one kind, where they run.
fn hooks(
    known: &Known,
    hook: Hook,
    (n, version): (i32, Option<&Version>),
    vars: &Vars,
    rows: &mut Vec<Row>,
) -> Result<()> {
    for stored in known.hooks(hook) {
        let Some(text) = stored.file.up else { continue };
        let kind = stored.file.key.kind.name();
        let filename = stored.up_filename.as_deref().unwrap_or(kind);
        let script = text::script(&text.sha, Direction::Up)?;
        let first = rows.len();
        let place = (n, version.map(ToString::to_string), filename.to_owned());
        statements(known, place, &script, vars, rows)?;
        for row in rows.iter_mut().skip(first) {
            row.9.get_or_insert_with(|| "hook".to_owned());
        }
    }
    Ok(())
}

fn of_step(known: &Known, n: i32, step: &Step, vars: &Vars, rows: &mut Vec<Row>) -> Result<()> {
    let version = step.key.version.as_ref().map(ToString::to_string);
    let filename = Some(known.filename(step));
    let sha = match step.run {
        Run::Text(sha) | Run::Rest { sha, .. } => sha,
        Run::NoUp | Run::NoDown => {
            let note = Some(format!("there is no {}", step.direction.word()));
            let nothing = (String::new(), "nothing".to_owned());
            rows.push((
                n,
                version,
                filename,
                0,
                0,
                nothing.0,
                nothing.1,
                None,
                String::new(),
                note,
            ));
            return Ok(());
        }
    };
    let script = text::script(&sha, step.direction)?;
    let place = (n, version, known.filename(step));
    statements(known, place, &script, vars, rows)
}

/// The statements of one text.
fn statements(
    known: &Known,
    (n, version, filename): (i32, Option<String>, String),
    script: &Script<'_>,
    vars: &Vars,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let filled = script.fill(vars, known.namespace.style)?;
    let mut lines = Lines::new(&script.body);
    let origins = Origins::of(&script.body);
    let mut statement = 0;
    let stop = inspect::each(&filled.text, STRINGS, |item| {
        let (command, mode, object, range) = match item {
            Item::Statement {
                statement: s,
                range,
            } => {
                statement += 1;
                (
                    s.tag.clone(),
                    inspect::mode(&s.kind),
                    s.object.clone(),
                    range,
                )
            }
            Item::Rows(_) => return Ok(()),
            Item::Command { name, range, .. } => (format!("\\{name}"), "psql", None, range),
        };
        let at = script.section.start + filled.original(range.start);
        let origin = origins.at(at);
        let line = origin
            .as_ref()
            .map_or_else(|| lines.at(at).line, |o| o.line);
        let within = origin.and_then(|o| o.within);
        rows.push((
            n,
            version.clone(),
            Some(filename.clone()),
            statement,
            i32::try_from(line).unwrap_or(i32::MAX),
            command,
            mode.to_owned(),
            object,
            filled
                .text
                .get(range)
                .unwrap_or_default()
                .trim_end()
                .to_owned(),
            within.map(|(file, line)| format!("from \"{file}\", line {line}")),
        ));
        Ok(())
    })?;
    match stop {
        None => Ok(()),
        Some(stop) => Err(stop.error),
    }
}
