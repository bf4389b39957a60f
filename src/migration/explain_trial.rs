//! One trial: files that are run and watched, and what is said of each of their statements.

use super::call::Call;
use super::explain::{BODY, Row, TOLD, is_left_out};
use super::explain_rows::{self, Found};
use super::explain_watch::{Seen, Watching};
use super::inspect::{self, Item};
use super::known::Known;
use super::name::Hook;
use super::namespace::StartsAs;
use super::plan::{Run, Step};
use super::position::Lines;
use super::register::STRINGS;
use super::runs::Decided;
use super::scene::Scene;
use super::set::Direction;
use super::text::{self, Script};
use super::vars::Filled;
use super::{ask, beforehand, engine};
use crate::error::{Error, Kind, Result};
use crate::pg::leftovers::Leftovers;
use crate::pg::parse_kind::{Kind as Does, Outside};
use serde_json::Value;
use std::collections::BTreeMap;

/// Files that are tried one after the other.
pub struct Trial<'a> {
    decided: Decided<'a>,
    before: &'a Leftovers,
    watching: Watching,
}

/// A statement of a text, as it is read.
struct Written {
    statement: i32,
    line: i32,
    command: String,
    object: Option<String>,
    note: Option<String>,
}

impl<'a> Trial<'a> {
    pub fn new(
        known: &'a Known,
        call: &'a Call,
        starts_as: StartsAs,
        before: &'a Leftovers,
    ) -> Trial<'a> {
        Trial {
            decided: Decided {
                known,
                call,
                starts_as,
                mode: ask::Mode::Atomic,
            },
            before,
            watching: Watching::default(),
        }
    }

    pub fn hooks(&self, hook: Hook) -> Result<()> {
        self.decided.hooks(hook, self.before, TOLD)
    }

    /// 42601 for a text that does not parse, 0A000 for what no run takes.
    pub fn refuse(&self, filename: &str, script: &Script<'_>) -> Result<()> {
        let seen = script.inspect(&self.decided.call.vars, self.decided.known.namespace.style)?;
        match (seen.error, seen.refused) {
            (Some(why), _) => {
                let text = format!("text does not parse: {filename}, {why}");
                Err(Error::new(Kind::Syntax, text))
            }
            (None, Some(why)) => {
                let text = format!("a migration cannot be run: {filename}, {why}");
                Err(Error::new(Kind::NotSupported, text))
            }
            (None, None) => Ok(()),
        }
    }

    /// Runs the file of a step with the hooks around it. What is said of it comes back.
    pub fn step(&self, step: &Step) -> Result<Vec<Row>> {
        let known = self.decided.known;
        let filename = known.filename(step);
        let version = step.key.version.as_ref().map(ToString::to_string);
        let sha = match step.run {
            Run::Text(sha) | Run::Rest { sha, .. } => sha,
            Run::NoUp | Run::NoDown => {
                let note = format!("there is no {}", step.direction.word());
                return Ok(vec![nothing(version, Some(filename), note)]);
            }
        };
        let script = text::script(&sha, step.direction)?;
        self.hooks(Hook::BeforeEach)?;
        let rows = self.watched(version, &filename, step.direction, &script)?;
        self.hooks(Hook::AfterEach)?;
        Ok(rows)
    }

    /// Runs one text, watched.
    pub fn watched(
        &self,
        version: Option<String>,
        filename: &str,
        direction: Direction,
        script: &Script<'_>,
    ) -> Result<Vec<Row>> {
        let style = self.decided.known.namespace.style;
        let filled = script.fill(&self.decided.call.vars, style)?;
        let mut scene = Scene::new(
            filename,
            script,
            &filled,
            Some(TOLD.to_owned()),
            Some(beforehand::twin(direction, self.decided.call)),
        );
        scene.watcher = Some(&self.watching);
        let written = written(script, &filled)?;
        let names = written.iter().map(|w| w.object.clone());
        self.watching.begin(names.collect());
        let ran = {
            let _settings = self.decided.settings(script);
            engine::run(&scene, self.decided.rules(script), self.before)?
        };
        let filename = (filename != BODY).then(|| filename.to_owned());
        if written.is_empty() {
            let note = "there is no statement".to_owned();
            return Ok(vec![nothing(version, filename, note)]);
        }
        let mut seen: BTreeMap<i32, Seen> = BTreeMap::new();
        for one in self.watching.take() {
            seen.insert(one.statement, one);
        }
        let mut rows = Vec::new();
        for statement in written {
            let seen = seen.get(&statement.statement);
            let failed = error_of(&ran.errors, statement.statement);
            for found in self.of_statement(&statement, seen, failed) {
                rows.push(Row {
                    version: version.clone(),
                    filename: filename.clone(),
                    statement: statement.statement,
                    line: statement.line,
                    command: statement.command.clone(),
                    found,
                    us: seen.map_or(0, |s| s.us),
                });
            }
        }
        Ok(rows)
    }

    /// At least one.
    fn of_statement(
        &self,
        statement: &Written,
        seen: Option<&Seen>,
        failed: Option<String>,
    ) -> Vec<Found> {
        // a file of a table that is emptied is a new one as well
        let rewriting = statement.command != "TRUNCATE TABLE";
        let mut found = seen.map_or_else(Vec::new, |seen| {
            let own = self.watching.made();
            let mut found = explain_rows::found(&seen.change, &own, rewriting);
            if found.is_empty() {
                found.extend(explain_rows::named(&seen.change, &own, seen.named));
            }
            found
        });
        if found.is_empty() {
            found.push(Found {
                object: statement.object.clone().unwrap_or_default(),
                ..Found::default()
            });
        }
        let failed = failed.map(|why| format!("failed: {why}"));
        let notes: Vec<&String> = statement.note.iter().chain(&failed).collect();
        for one in found.iter_mut().filter(|_| !notes.is_empty()) {
            let mut all: Vec<&str> = notes.iter().map(|n| n.as_str()).collect();
            all.extend(one.note.as_deref());
            one.note = Some(all.join("; "));
        }
        found
    }
}

fn nothing(version: Option<String>, filename: Option<String>, note: String) -> Row {
    Row {
        version,
        filename,
        found: Found {
            note: Some(note),
            ..Found::default()
        },
        ..Row::default()
    }
}

/// The error of a statement behind which the file went on.
fn error_of(errors: &[Value], statement: i32) -> Option<String> {
    let of = |e: &&Value| e.get("statement").and_then(Value::as_i64) == Some(statement.into());
    let message = errors.iter().find(of)?.get("message")?.as_str()?;
    Some(message.to_owned())
}

/// The statements of a text, in their order.
fn written(script: &Script<'_>, filled: &Filled<'_>) -> Result<Vec<Written>> {
    let mut lines = Lines::new(&script.body);
    let mut all = Vec::new();
    let stop = inspect::each(&filled.text, STRINGS, |item| {
        if let Item::Statement { statement, range } = item {
            let at = script.section.start + filled.original(range.start);
            all.push(Written {
                statement: i32::try_from(all.len() + 1).unwrap_or(i32::MAX),
                line: i32::try_from(lines.at(at).line).unwrap_or(i32::MAX),
                command: statement.tag.clone(),
                object: statement.object.clone(),
                note: note(&statement.kind),
            });
        }
        Ok(())
    })?;
    match stop {
        None => Ok(all),
        Some(stop) => Err(stop.error),
    }
}

/// What is run otherwise than it is written.
fn note(kind: &Does) -> Option<String> {
    let text = match kind {
        Does::Outside(Outside::Vacuum) => "not run: no transaction takes it",
        Does::Outside(_) if is_left_out(kind) => "not run: no transaction takes it",
        Does::Outside(_) => {
            "run without CONCURRENTLY, with which it takes ShareUpdateExclusiveLock"
        }
        kind if is_left_out(kind) => "not run: no rollback takes back what it does",
        Does::Transaction(_) => return None,
        _ => return None,
    };
    Some(text.to_owned())
}
