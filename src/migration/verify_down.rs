//! Trials of downs: does each lead back to where its up began?

use super::difference::{self, Difference, Object};
use super::foreign_table::Table;
use super::set::{Direction, Set};
use super::verify::{One, Trial, Which, attempt, try_and_undo, which, with_trial};
use super::version::Version;
use crate::error::{Error, Result};
use crate::pg::reader::as_permitted_reader;
use crate::pg::spi;
use std::collections::BTreeMap;

/// A row of `migrate_verify_down`.
#[derive(Debug, Clone, Default)]
pub struct Down {
    pub version: String,
    pub name: String,
    pub verdict: &'static str,
    pub differences: Option<serde_json::Value>,
    pub error: Option<String>,
}

/// Tries downs.
pub fn downs(version: Option<&Version>, check_rows: bool, namespace: &str) -> Result<Vec<Down>> {
    with_trial(namespace, check_rows, |trial| {
        let known = trial.decided.known;
        let set = Set::new(&known.files, &known.applied);
        let which = which(known, &set, version, namespace)?;
        let mut rows = Vec::new();
        let tried = try_and_undo(|| {
            match &which {
                Which::Pending(ones) => trial.pending(ones, &mut rows),
                Which::Applied(ones, below) => trial.applied(ones, below.as_ref(), &mut rows),
            }
            Ok(())
        });
        match tried {
            Ok(()) => Ok(rows),
            Err(why) => Err(Error::internal(why)),
        }
    })
}

impl Trial<'_> {
    /// Rows of each table, where they are asked for and may be counted.
    fn rows(&self, objects: &[Object]) -> BTreeMap<String, i64> {
        let tables = objects
            .iter()
            .filter(|o| self.check_rows && o.kind == "table");
        let count = |o: &Object| {
            // the identity is the name with its schema, quoted where that is needed
            let sql = format!("SELECT pg_catalog.count(*) FROM ONLY {}", o.identity);
            let found = || {
                let oid = Table::named(&o.identity)?.map(|t| t.oid);
                let Some(oid) = oid else {
                    return Ok(Vec::new());
                };
                as_permitted_reader(oid, || spi::read_latest(&sql, &[], |r| r.need::<i64>(1)))
            };
            let n = attempt(found).ok()?;
            Some((o.identity.clone(), *n.first()?))
        };
        tables.filter_map(count).collect()
    }

    /// The verdict on a down that leads from where things are to `wanted`; things stay where they are.
    fn verdict(
        &self,
        one: &One<'_>,
        wanted: &[Object],
        wanted_rows: &BTreeMap<String, i64>,
        changed: bool,
    ) -> Down {
        let mut row = Down {
            version: one.version.to_string(),
            name: one.name.to_owned(),
            ..Down::default()
        };
        let Some(sha) = one.down else {
            row.verdict = "missing";
            return row;
        };
        let tried = try_and_undo(|| {
            let statements = self.script(sha, Direction::Down, &one.down_filename)?;
            let now = self.objects()?;
            let rows = self.rows(&now);
            Ok((statements, now, rows))
        });
        match tried {
            Err(why) => {
                row.verdict = "error";
                row.error = Some(why);
            }
            Ok((0, ..)) if changed => row.verdict = "empty",
            Ok((_, now, rows)) => {
                let mut found = difference::compare(wanted, &now);
                found.real.extend(rows_differ(wanted_rows, &rows));
                row.verdict = if found.real.is_empty() {
                    "ok"
                } else {
                    "differs"
                };
                row.differences = told_of(&found);
            }
        }
        row
    }

    /// Each up, and its down tried from there.
    fn pending(&self, ones: &[One<'_>], rows: &mut Vec<Down>) {
        let mut before = match self.objects() {
            Ok(objects) => objects,
            Err(why) => return rows.push(failed(why)),
        };
        for one in ones {
            let counts = self.rows(&before);
            let after = self.up(one).and_then(|_| self.objects());
            match after {
                Err(why) => {
                    rows.push(Down {
                        version: one.version.to_string(),
                        name: one.name.to_owned(),
                        verdict: "error",
                        error: Some(format!("the up failed: {why}")),
                        ..Down::default()
                    });
                    return;
                }
                Ok(after) => {
                    let changed = !difference::compare(&before, &after).real.is_empty();
                    rows.push(self.verdict(one, &before, &counts, changed));
                    before = after;
                }
            }
        }
    }

    /// Down from the head, and up again. What a down leaves is what the up of the version below makes; what the last up
    /// makes is what was there at the beginning.
    fn applied(&self, ones: &[One<'_>], below: Option<&One<'_>>, rows: &mut Vec<Down>) {
        let row = |one: &One<'_>| Down {
            version: one.version.to_string(),
            name: one.name.to_owned(),
            ..Down::default()
        };
        let mut states = match self.objects() {
            Ok(now) => vec![now],
            Err(why) => return rows.push(failed(why)),
        };
        let mut reverted = Vec::new();
        for one in ones {
            let Some(sha) = one.down else {
                rows.push(Down {
                    verdict: "missing",
                    ..row(one)
                });
                break;
            };
            let done = self.script(sha, Direction::Down, &one.down_filename);
            match done.and_then(|n| Ok((n, self.objects()?))) {
                Err(why) => {
                    rows.push(Down {
                        verdict: "error",
                        error: Some(why),
                        ..row(one)
                    });
                    break;
                }
                Ok((statements, left)) => {
                    reverted.push((one, statements));
                    states.push(left);
                }
            }
        }
        let all = reverted.len() == ones.len();
        let mut made = below.filter(|_| all).and_then(|below| self.made_by(below));
        while let (Some((one, statements)), Some(left)) = (reverted.pop(), states.pop()) {
            let up = self.up(one).and_then(|_| self.objects());
            let now = match up {
                Ok(now) => now,
                Err(why) => {
                    return rows.push(Down {
                        verdict: "error",
                        error: Some(format!("the up failed behind the down: {why}")),
                        ..row(one)
                    });
                }
            };
            let mut found =
                made.map_or_else(Default::default, |made| difference::compare(&made, &left));
            if reverted.is_empty()
                && let Some(first) = states.last()
            {
                let whole = difference::compare(first, &now);
                found.real.extend(whole.real);
            }
            let verdict = match (found.real.is_empty(), statements) {
                (true, 0) if one.up.is_some() && left != now => "empty",
                (true, _) => "ok",
                (false, 0) => "empty",
                (false, _) => "differs",
            };
            rows.push(Down {
                verdict,
                differences: told_of(&found),
                ..row(one)
            });
            made = Some(now);
        }
    }

    /// What the up of a version makes where its down has been, if both can be run; things stay where they are.
    fn made_by(&self, one: &One<'_>) -> Option<Vec<Object>> {
        let sha = one.down?;
        let made = try_and_undo(|| {
            self.script(sha, Direction::Down, &one.down_filename)?;
            self.up(one)?;
            self.objects()
        });
        made.ok()
    }
}

/// The real differences, or the others where there is none.
fn told_of(found: &difference::Differences) -> Option<serde_json::Value> {
    let told: &[Difference] = if found.real.is_empty() {
        &found.notes
    } else {
        &found.real
    };
    (!told.is_empty()).then(|| serde_json::to_value(told).unwrap_or_default())
}

fn failed(why: String) -> Down {
    Down {
        verdict: "error",
        error: Some(why),
        ..Down::default()
    }
}

/// Tables of before that do not have the same number of rows.
fn rows_differ(wanted: &BTreeMap<String, i64>, found: &BTreeMap<String, i64>) -> Vec<Difference> {
    wanted
        .iter()
        .filter_map(|(table, rows)| {
            let now = found.get(table).filter(|now| *now != rows)?;
            Some(Difference {
                change: difference::Change::Changed,
                kind: "rows".to_owned(),
                object: table.clone(),
                expected: Some(rows.to_string()),
                found: Some(now.to_string()),
            })
        })
        .collect()
}
