//! What a run writes down, and what it says.

use super::catalog::{self, Event, NewApplied, Place};
use super::engine::Ran;
use super::known::Known;
use super::plan::{Cause, Run, Step};
use super::set::{Direction, Key};
use super::text::hex;
use crate::error::Result;
use pgrx::datum::Uuid;

/// One row of what a run says.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub version: String,
    pub name: String,
    pub direction: Direction,
    pub outcome: &'static str,
    pub statements: i32,
    pub errors: i32,
    pub us: i64,
    pub note: Option<String>,
}

/// A number for the call.
pub fn run_id() -> Uuid {
    Uuid::from_bytes(*uuid::Uuid::new_v4().as_bytes())
}

pub fn label(key: &Key) -> String {
    key.version
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

pub fn dry(known: &Known, step: &Step) -> RunRow {
    let facts = known.stored(&step.key).map(|s| &s.facts);
    let side = facts.and_then(|f| match step.direction {
        Direction::Up => f.up.as_ref(),
        Direction::Down => f.down.as_ref(),
    });
    RunRow {
        version: label(&step.key),
        name: step.key.name.clone(),
        direction: step.direction,
        outcome: match step.direction {
            Direction::Up => "would_apply",
            Direction::Down => "would_revert",
        },
        statements: side.map_or(0, |s| s.statements),
        errors: 0,
        us: 0,
        note: nothing_runs(step),
    }
}

fn nothing_runs(step: &Step) -> Option<String> {
    match step.run {
        Run::NoUp => Some("has no up".to_owned()),
        Run::NoDown => Some("has no down".to_owned()),
        Run::Text(_) | Run::Rest { .. } => None,
    }
}

/// What is to be written when all files have run.
#[derive(Default)]
pub struct Books {
    put: Vec<NewApplied>,
    dropped: Vec<NewApplied>,
    events: Vec<Event>,
}

impl Books {
    pub fn note(&mut self, step: &Step, ran: &Ran, us: i64) -> RunRow {
        let errors = i32::try_from(ran.errors.len()).unwrap_or(i32::MAX);
        let mut notes: Vec<String> = nothing_runs(step).into_iter().collect();
        notes.extend(ran.notes.iter().cloned());
        let applied = NewApplied {
            kind: step.key.kind.name(),
            version: label(&step.key),
            name: step.key.name.clone(),
            state: match (errors, ran.deferred.is_empty()) {
                (_, false) => "waiting",
                (0, true) => "applied",
                _ => "applied_with_errors",
            },
            up_sha: step.up.map(|t| hex(&t.sha)),
            up_fp: step.up.map(|t| hex(&t.fingerprint)),
            down_sha: step.down_sha.map(|h| hex(&h)),
            statements: ran.statements,
            us: Some(us),
            source: "run",
        };
        let event = Event {
            event: match (step.run, step.cause, step.direction) {
                (Run::NoDown, ..) => "skip",
                (_, Cause::Redo, _) => "redo",
                (_, _, Direction::Up) => "up",
                (_, _, Direction::Down) => "down",
            },
            version: label(&step.key),
            name: step.key.name.clone(),
            us: Some(us),
            statements: Some(ran.statements),
            error: (errors > 0).then(|| serde_json::Value::Array(ran.errors.clone())),
            reason: (!notes.is_empty()).then(|| notes.join("; ")),
        };
        self.events.push(event);
        let same = |r: &NewApplied| {
            (r.kind, &r.version, &r.name) != (applied.kind, &applied.version, &applied.name)
        };
        self.put.retain(same);
        match step.direction {
            Direction::Down => self.dropped.push(applied),
            Direction::Up => {
                for covered in &step.covers {
                    self.put.push(NewApplied {
                        kind: covered.key.kind.name(),
                        version: label(&covered.key),
                        name: covered.key.name.clone(),
                        state: "baseline",
                        up_sha: covered.up.map(|t| hex(&t.sha)),
                        up_fp: covered.up.map(|t| hex(&t.fingerprint)),
                        down_sha: covered.down_sha.map(|h| hex(&h)),
                        source: "baseline",
                        ..NewApplied::default()
                    });
                }
                self.put.push(applied);
            }
        }
        RunRow {
            version: label(&step.key),
            name: step.key.name.clone(),
            direction: step.direction,
            outcome: match step.direction {
                _ if !ran.deferred.is_empty() => "waiting",
                Direction::Up if errors > 0 => "applied_with_errors",
                Direction::Up => "applied",
                Direction::Down => "reverted",
            },
            statements: ran.statements,
            errors,
            us,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        }
    }

    pub fn write(&self, place: &Place<'_>) -> Result<()> {
        catalog::drop_applied(place, &self.dropped)?;
        catalog::put_applied(place, &self.put)?;
        catalog::put_events(place, &self.events)
    }
}
