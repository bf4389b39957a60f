//! What stops a run before its first statement.

use super::ask::{Context, Mirror, Mode};
use super::call::{Call, Outside};
use super::catalog::Stored;
use super::deferred_known;
use super::inspect::Inspected;
use super::known::Known;
use super::namespace::StartsAs;
use super::plan::{Plan, Run, Step};
use super::register::STRINGS;
use super::segments::{PIECE_BYTES, SegmentKind, Segments};
use super::set::{Direction, Hash};
use super::settings::Settings;
use super::text::{self, Script};
use super::vars::Vars;
use crate::error::{Error, Kind, Result};
use crate::pg::parse::Parsed;
use crate::pg::subxact;
use std::collections::{BTreeMap, HashSet};

/// Looks again at texts that did not parse, with the variables of this call filled in.
pub fn fill_errors(known: &mut Known, vars: &Vars) -> Result<()> {
    if vars.is_empty() {
        return Ok(());
    }
    let style = known.namespace.style;
    for (stored, file) in known.stored.iter_mut().zip(&mut known.files) {
        let again = |direction, sha: Option<Hash>| -> Result<Option<Inspected>> {
            let Some(sha) = sha else { return Ok(None) };
            text::script(&sha, direction)?
                .inspect(vars, style)
                .map(Some)
        };
        let up = stored.file.up_error.as_ref().and(file.up).map(|t| t.sha);
        let down = stored
            .file
            .down_error
            .as_ref()
            .and(file.down)
            .map(|t| t.sha);
        if let Some(up) = again(Direction::Up, up)? {
            stored.file.up_error.clone_from(&up.error);
            stored.facts.up = Some(up);
        }
        if let Some(down) = again(Direction::Down, down)? {
            stored.file.down_error.clone_from(&down.error);
            stored.facts.down = Some(down);
        }
        *file = stored.file.clone();
    }
    Ok(())
}

/// 0A000 for what no run takes; in functions 25001 for statements that may not run in a transaction.
pub fn refuse(
    known: &Known,
    plan: &Plan,
    call: &Call,
    starts_as: &StartsAs,
    mode: Mode,
) -> Result<()> {
    deferred_known::refuse_outstanding(plan, &call.namespace, call.tenant.as_deref())?;
    let mut refused = Vec::new();
    let mut outside = Vec::new();
    let (mut strips, mut twin) = (true, twin(Direction::Up, call));
    for step in &plan.steps {
        let Some((filename, seen)) = inspected(known, step, call)? else {
            continue;
        };
        if let Some(why) = &seen.refused {
            refused.push(format!("{filename}, {why}."));
        }
        if seen.outside.is_empty() || mode == Mode::Call {
            continue;
        }
        let needed = match call.outside {
            Outside::Auto if seen.outside.iter().any(|s| s.strip) => {
                needed_now(known, step, call, starts_as)?
            }
            _ => HashSet::new(),
        };
        for statement in &seen.outside {
            let strip = match call.outside {
                Outside::Defer => true,
                _ if !statement.strip => false,
                Outside::Error => false,
                Outside::Strip => true,
                Outside::Auto => !needed.contains(&statement.statement),
            };
            if !strip {
                let what = &statement.command;
                outside.push(format!("{filename}, line {}: {what}.", statement.line));
                strips &= statement.strip;
                twin = self::twin(step.direction, call);
            }
        }
    }
    if let Some(first) = refused.first() {
        let text = format!("a migration cannot be run: {}", first.trim_end_matches('.'));
        return Err(Error::new(Kind::NotSupported, text).detail(refused.join("\n")));
    }
    match outside.is_empty() {
        true => Ok(()),
        false => Err(outside_error(&outside, strips, &twin)),
    }
}

/// The procedure that runs each file of a call in a transaction of its own.
pub fn twin(direction: Direction, call: &Call) -> String {
    let tags = BTreeMap::new();
    let context = Context {
        mode: Mode::Call,
        mirror: Mirror::AnySet,
        namespace: &call.namespace,
        tenant: call.tenant.as_deref(),
        dry_run: false,
        tags: &tags,
    };
    let procedure = match direction {
        Direction::Up => context.mode.up(),
        Direction::Down => context.mode.down(),
    };
    context.plain_command(procedure, &[])
}

/// 25001 for these statements, one sentence each. `strips`: they may run without CONCURRENTLY.
pub fn outside_error(statements: &[String], strips: bool, twin: &str) -> Error {
    let first = statements.first().map_or("", String::as_str);
    let text = format!(
        "a statement cannot run in a transaction: {}",
        first.trim_end_matches('.')
    );
    let mut hint = format!("{twin} runs it outside of one.");
    if strips {
        hint.push_str(" nontransactional => 'strip' runs it in one, without CONCURRENTLY: its table is locked meanwhile.");
    }
    Error::new(Kind::ActiveTransaction, text)
        .detail(statements.join("\n"))
        .hint(hint)
}

/// The text that a step runs, if it runs one.
fn sha_of(step: &Step) -> Option<Hash> {
    match step.run {
        Run::Text(sha) | Run::Rest { sha, .. } => Some(sha),
        Run::NoUp | Run::NoDown => None,
    }
}

/// What the parser says of the text of a step, and the name of its file.
fn inspected(known: &Known, step: &Step, call: &Call) -> Result<Option<(String, Inspected)>> {
    let Some(sha) = sha_of(step) else {
        return Ok(None);
    };
    let stored = known.stored(&step.key);
    let filename = known.filename(step);
    let facts = stored.and_then(|s| facts(s, step.direction, &sha));
    if let Some(facts) = facts.filter(|_| call.vars.is_empty()) {
        return Ok(Some((filename, facts)));
    }
    // the text as it ran is not the one that is registered now, or may read otherwise with these variables
    let script = text::script(&sha, step.direction)?;
    let seen = script.inspect(&call.vars, known.namespace.style)?;
    Ok(Some((filename, seen)))
}

fn facts(stored: &Stored, direction: Direction, sha: &Hash) -> Option<Inspected> {
    let (text, facts) = match direction {
        Direction::Up => (stored.file.up, &stored.facts.up),
        Direction::Down => (stored.file.down, &stored.facts.down),
    };
    facts
        .clone()
        .filter(|_| text.is_some_and(|t| t.sha == *sha))
}

/// Numbers of the statements whose tables need CONCURRENTLY as things are now. Earlier statements of the run may change
/// that: the engine asks again.
fn needed_now(
    known: &Known,
    step: &Step,
    call: &Call,
    starts_as: &StartsAs,
) -> Result<HashSet<i32>> {
    let Some(sha) = sha_of(step) else {
        return Ok(HashSet::new());
    };
    let script = text::script(&sha, step.direction)?;
    let looked = subxact::attempt(|| {
        let _settings = Settings::begin(&known.namespace, &script.headers, call, starts_as);
        needed(&script, known, call)
    });
    // what cannot be looked at now gives its error when it runs
    Ok(looked.ok().and_then(Result::ok).unwrap_or_default())
}

fn needed(script: &Script<'_>, known: &Known, call: &Call) -> Result<HashSet<i32>> {
    let filled = script.fill(&call.vars, known.namespace.style)?;
    let mut found = HashSet::new();
    let mut number = 0;
    for segment in Segments::new(&filled.text, STRINGS, PIECE_BYTES) {
        let segment = segment?;
        if !matches!(segment.kind, SegmentKind::Sql { .. }) {
            continue;
        }
        let parsed = Parsed::of(filled.text.get(segment.range).unwrap_or_default())?;
        for n in 0..parsed.statements.len() {
            number += 1;
            if parsed.needs_concurrently(n) {
                found.insert(number);
            }
        }
    }
    Ok(found)
}
