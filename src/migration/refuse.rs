//! What stops a run before its first statement, each with everything that is in the way and the next command.

use super::ask::{Ask, Context, Mode, literal};
use super::set::{Applied, Direction, File, FileKind, Hash, Key, Set, State};
use super::version::Version;
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;

/// `1 version is ...: "3"` or `2 versions are ...: "3", "4"`; the list stops at three, DETAIL has all.
fn message(count: &[&Key], one: &str, many: &str) -> String {
    let shown: Vec<String> = count.iter().take(3).map(|k| quoted(&k.label())).collect();
    let more = if count.len() > 3 { ", ..." } else { "" };
    let list = format!("{}{more}", shown.join(", "));
    match count.len() {
        1 => format!("1 {one}: {list}"),
        n => format!("{n} {many}: {list}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// One line each.
fn lines<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// 42710: two files of the set claim one version.
pub fn duplicates(set: &Set<'_>) -> Result<()> {
    let Some((first, _)) = set.duplicates.first() else {
        return Ok(());
    };
    let text = match set.duplicates.len() {
        1 => format!("two files claim {}", quoted(&first.key.label())),
        n => format!("{n} versions are claimed by two files"),
    };
    let detail = lines(&set.duplicates, |(a, b)| {
        format!("{} and {} cannot both be.", a.key.line(), b.key.line())
    });
    Err(Error::new(Kind::DuplicateObject, text).detail(detail))
}

/// 42704 for a version that is neither in the set nor applied.
pub fn known(set: &Set<'_>, version: &Version, context: &Context<'_>) -> Result<()> {
    if set.knows(version) {
        return Ok(());
    }
    let text = format!("version \"{version}\" does not exist");
    let mut error = Error::new(Kind::UndefinedObject, text)
        .hint(context.plain_command("SELECT * FROM strata.migrate_status", &[]));
    if set
        .files
        .iter()
        .any(|f| f.key.version.as_ref() == Some(version))
    {
        error = error.detail("Its file is no longer in the set, and it was never applied.");
    }
    Err(error)
}

/// 55006: a worker is at a version.
pub fn running(set: &Set<'_>, context: &Context<'_>) -> Result<()> {
    let keys = keys(&rows(set, |row| row.state == State::Running));
    if keys.is_empty() {
        return Ok(());
    }
    let text = message(&keys, "version is being run", "versions are being run");
    Err(Error::new(Kind::InUse, text)
        .detail(lines(&keys, |k| {
            format!("{}: another run is in a worker step.", k.line())
        }))
        .hint(context.plain_command("SELECT * FROM strata.migrate_status", &[])))
}

/// Versions ascending, then repeatables.
fn rows<'a>(set: &Set<'a>, offends: impl Fn(&Applied) -> bool) -> Vec<&'a Applied> {
    let mut rows: Vec<&Applied> = set.applied.iter().filter(|row| offends(row)).collect();
    rows.sort_by_key(|row| (row.key.version.is_none(), &row.key));
    rows
}

fn keys<'a>(rows: &[&'a Applied]) -> Vec<&'a Key> {
    rows.iter().map(|row| &row.key).collect()
}

/// The failed rows that a run in this direction goes on with; 55000 when there are others.
pub fn failed<'a>(set: &Set<'a>, ask: &Ask, context: &Context<'_>) -> Result<Vec<&'a Applied>> {
    let direction = match ask {
        Ask::Up { .. } => Some(Direction::Up),
        Ask::Down { .. } => Some(Direction::Down),
        Ask::Goto { .. } | Ask::Redo { .. } => None,
    };
    let resumes = |row: &Applied| {
        let text = match row.direction {
            Direction::Up => set.file_of(row).is_some_and(|f| f.up.is_some()),
            Direction::Down => row.down_sha.is_some(),
        };
        context.mode == Mode::Call && direction == Some(row.direction) && text
    };
    let failed = rows(set, |row| row.state == State::Failed);
    let stuck: Vec<&Applied> = failed.iter().copied().filter(|row| !resumes(row)).collect();
    let Some(first) = stuck.first() else {
        return Ok(failed);
    };
    let text = message(&keys(&stuck), "version has failed", "versions have failed");
    Err(Error::new(Kind::NotInState, text)
        .detail(lines(&stuck, |row| stopped(row)))
        .hint(after_failure(set, first, context)))
}

/// Where a failed row stands, as a sentence.
#[must_use]
pub fn stopped(row: &Applied) -> String {
    let way = row.direction.word();
    let done = row.statements_done;
    format!("{}: {way} stopped after statement {done}.", row.key.line())
}

/// Going on, where the text is there; else clearing the row.
fn after_failure(set: &Set<'_>, row: &Applied, context: &Context<'_>) -> String {
    let has_text = set.file_of(row).is_some_and(|f| f.up.is_some());
    match row.direction {
        Direction::Up if has_text => context.plain_command("CALL strata.migrate_deploy", &[]),
        Direction::Down if row.down_sha.is_some() => {
            context.plain_command("CALL strata.migrate_revert", &[])
        }
        _ => repair(&[&row.key], context),
    }
}

fn repair(keys: &[&Key], context: &Context<'_>) -> String {
    let version = match keys {
        [key] => key.version.as_ref(),
        _ => None,
    };
    let mut args = Vec::new();
    if let Some(version) = version {
        args.push(("version".to_owned(), literal(&version.to_string())));
    }
    args.push(("reason".to_owned(), "'why'".to_owned()));
    context.command("SELECT * FROM strata.migrate_repair", args)
}

/// 55000: texts of applied versions were really changed, but for those that this run takes back.
pub fn modified(set: &Set<'_>, reverted: &BTreeSet<&Key>, context: &Context<'_>) -> Result<()> {
    let changed = rows(set, |row| {
        set.is_modified(row) && !reverted.contains(&row.key)
    });
    let keys = keys(&changed);
    if keys.is_empty() {
        return Ok(());
    }
    let text = message(
        &keys,
        "applied version was changed after it ran",
        "applied versions were changed after they ran",
    );
    Err(Error::new(Kind::NotInState, text)
        .detail(lines(&keys, |k| {
            format!("{}: the registered text is not the one that ran.", k.line())
        }))
        .hint(repair(&keys, context)))
}

/// 55000: pending versions below the head.
pub fn out_of_order(late: &[&File], head: &Version, ask: &Ask, context: &Context<'_>) -> Error {
    let keys: Vec<&Key> = late.iter().map(|f| &f.key).collect();
    let text = message(
        &keys,
        "pending version is out of order",
        "pending versions are out of order",
    );
    Error::new(Kind::NotInState, text)
        .detail(lines(&keys, |k| {
            if k.version.as_ref() == Some(head) {
                format!("{} has the number of an applied baseline.", k.line())
            } else {
                format!("{} lies below the head \"{head}\".", k.line())
            }
        }))
        .hint(ask.again(context, &[("out_of_order", "allow")]))
}

/// 55006: a deferred statement of a version that is to be reverted is outstanding.
pub fn waiting(rows: &[&Applied], context: &Context<'_>) -> Result<()> {
    let waiting = rows.iter().copied().filter(|r| r.state == State::Waiting);
    let keys = keys(&waiting.collect::<Vec<_>>());
    if keys.is_empty() {
        return Ok(());
    }
    let text = message(
        &keys,
        "version has a deferred statement that is not done",
        "versions have deferred statements that are not done",
    );
    Err(Error::new(Kind::InUse, text)
        .detail(lines(&keys, |k| format!("{} is waiting.", k.line())))
        .hint(context.shared_command("SELECT * FROM strata.migrate_deferred", &[])))
}

/// P0002: versions that are to be reverted have no down text. `again` is the call that passes over them.
pub fn no_down(keys: &[&Key], again: String) -> Error {
    let text = message(
        keys,
        "version has no down text",
        "versions have no down text",
    );
    Error::new(Kind::NoData, text)
        .detail(lines(keys, |k| format!("{} cannot be reverted.", k.line())))
        .hint(again)
}

/// A text that a run would use, and why it does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadText<'a> {
    pub key: &'a Key,
    pub direction: Direction,
    pub error: &'a str,
}

/// 42601: texts that are to run, or hooks around them, do not parse.
pub fn not_parsed<'a>(set: &Set<'a>, mut bad: Vec<BadText<'a>>) -> Result<()> {
    for file in set.files.iter().filter(|f| f.present) {
        if let (FileKind::Hook(_), Some(error)) = (file.key.kind, &file.up_error) {
            let direction = Direction::Up;
            let key = &file.key;
            bad.push(BadText {
                key,
                direction,
                error,
            });
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    let keys: Vec<&Key> = bad.iter().map(|b| b.key).collect();
    let text = message(&keys, "text does not parse", "texts do not parse");
    Err(Error::new(Kind::Syntax, text).detail(lines(&bad, |b| {
        format!("{} {}: {}", b.key.line(), b.direction.word(), b.error)
    })))
}

/// The text of a down: the one that was kept with the row. Only where none was kept, the registered one, if the up
/// has not become another.
#[must_use]
pub fn down_text(set: &Set<'_>, row: &Applied) -> Option<Hash> {
    let registered = || set.file_of(row).and_then(|f| f.down).map(|t| t.sha);
    match row.down_sha {
        Some(sha) => Some(sha),
        None if set.is_modified(row) => None,
        None => registered(),
    }
}

/// 55000: what is only a baseline would have to be reverted. `end`: the version down to which it can go.
pub fn baseline(rows: &[&Applied], end: Option<&Version>, context: &Context<'_>) -> Error {
    let mut keys = keys(rows);
    keys.sort_by_key(|k| (&k.version, *k));
    let text = message(
        &keys,
        "version is a baseline and cannot be reverted",
        "versions are a baseline and cannot be reverted",
    );
    let error = Error::new(Kind::NotInState, text).detail(lines(&keys, |k| {
        format!("{} counts as applied but did not run here.", k.line())
    }));
    if let Some(end) = end {
        let target = ("target".to_owned(), literal(&end.to_string()));
        return error.hint(context.command(context.mode.down(), vec![target]));
    }
    let versioned = keys.iter().rfind(|k| k.kind == FileKind::Versioned);
    match versioned.and_then(|k| k.version.as_ref()) {
        None => error,
        Some(version) => {
            // with nothing between them, the second one makes new rows
            let force =
                |v: &str| context.plain_command("SELECT strata.migrate_force", &[v, "'why'"]);
            let version = literal(&version.to_string());
            error.hint(format!("{}; {}", force("NULL"), force(&version)))
        }
    }
}

/// 55000: what golang-migrate's table could not say after a down, because its one number stands for all below it.
pub fn gap(keys: &[&Key], below: Option<&Version>, context: &Context<'_>) -> Error {
    let text = message(
        keys,
        "version below the head would not be applied any more",
        "versions below the head would not be applied any more",
    );
    let target = below.map_or_else(|| "none".to_owned(), ToString::to_string);
    Error::new(Kind::NotInState, text)
        .detail(format!(
            "{}\nThe table of golang-migrate holds one number, below which every version is applied.",
            lines(keys, |k| format!("{} was applied late.", k.line()))
        ))
        .hint(context.plain_command("SELECT * FROM strata.migrate_goto", &[&literal(&target)]))
}

#[cfg(test)]
#[path = "refuse_tests.rs"]
mod tests;
