//! The texts that lint looks at, read as far as they parse.

use super::ask;
use super::ddl::Ddl;
use super::inspect::{self, Item};
use super::known::Known;
use super::lint::Outside;
use super::namespace::Namespace;
use super::position::Lines;
use super::register::STRINGS;
use super::set::{Direction, File, FileKind, Hash, Key, Set};
use super::status::{self, Shown};
use super::text;
use super::vars::Vars;
use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::pg::parse_kind::{Kind as Does, Outside as Alone};
use std::ops::Range;

/// A statement of a text.
pub struct Statement {
    pub number: i32,
    pub line: usize,
    pub range: Range<usize>,
    pub tag: String,
    pub outside: Outside,
    pub ddl: Vec<Ddl>,
}

/// A text that has been read as far as it parses.
pub struct Source {
    pub version: Option<Version>,
    pub filename: String,
    pub text: String,
    pub statements: Vec<Statement>,
    /// why it ends early, and on which line
    pub stop: Option<(usize, String)>,
    pub path: Option<Vec<String>>,
    /// of a version: whether its down changes something, or why it does not parse
    pub down: Option<ReadDown>,
    /// its findings are asked for; else it is only what runs before
    pub shown: bool,
}

pub enum ReadDown {
    Missing,
    Text { changes: bool },
    NotParsed(String),
}

fn outside(kind: &Does) -> Outside {
    match kind {
        Does::Outside(Alone::Vacuum) => Outside::Skips,
        Does::Outside(alone) if alone.may_be_stripped() => Outside::Strips,
        Does::Outside(_) => Outside::Never,
        _ => Outside::No,
    }
}

/// The statements of a text. `line`: of a byte of it.
fn read(
    text: &str,
    mut line: impl FnMut(usize) -> usize,
) -> Result<(Vec<Statement>, Option<inspect::Stop>)> {
    let mut statements = Vec::new();
    let mut number = 0;
    let stop = inspect::each_ddl(text, STRINGS, |item| {
        if let Item::Statement { statement, range } = item {
            number += 1;
            statements.push(Statement {
                number,
                line: line(range.start),
                range,
                tag: statement.tag.clone(),
                outside: outside(&statement.kind),
                ddl: statement.ddl.clone(),
            });
        }
        Ok(())
    })?;
    Ok((statements, stop))
}

/// The text of a file, as far as it parses; what does not is told.
fn read_file(sha: &Hash, direction: Direction, namespace: &Namespace) -> Result<Source> {
    let script = text::script(sha, direction)?;
    let mut source = Source {
        version: None,
        filename: String::new(),
        text: String::new(),
        statements: Vec::new(),
        stop: None,
        path: script.headers.search_path.clone(),
        down: None,
        shown: true,
    };
    let filled = match script.fill(&Vars::new(), namespace.style) {
        Ok(filled) => filled,
        Err(error) => {
            source.stop = Some((1, error.message));
            return Ok(source);
        }
    };
    let mut lines = Lines::new(&script.body);
    let mut line = |at: usize| lines.at(script.section.start + filled.original(at)).line;
    let (statements, stop) = read(&filled.text, &mut line)?;
    source.statements = statements;
    source.stop = stop.map(|s| (line(s.at), s.error.message));
    source.text = filled.text.into_owned();
    Ok(source)
}

pub fn changes(statements: &[Statement]) -> bool {
    statements.iter().flat_map(|s| &s.ddl).any(Ddl::changes)
}

fn read_down(down: Option<Hash>, namespace: &Namespace) -> Result<ReadDown> {
    let Some(sha) = down else {
        return Ok(ReadDown::Missing);
    };
    let read = read_file(&sha, Direction::Down, namespace)?;
    Ok(match read.stop {
        Some((line, why)) => ReadDown::NotParsed(format!("line {line}: {why}")),
        None => ReadDown::Text {
            changes: changes(&read.statements),
        },
    })
}

/// What runs next, in its order, with what was registered of it; up to a version where one is given.
fn pending<'a>(known: &'a Known, to: Option<&Version>) -> Vec<&'a File> {
    let rows = status::states(&known.files, &known.applied);
    let runs = |shown| {
        matches!(
            shown,
            Shown::Pending | Shown::OutOfOrder | Shown::RepeatablePending | Shown::Failed
        )
    };
    let within = |version: Option<&Version>| match (version, to) {
        (_, None) => true,
        (Some(version), Some(to)) => version <= to,
        (None, Some(_)) => false,
    };
    rows.iter()
        .filter(|r| runs(r.state) && within(r.key.version.as_ref()))
        .filter_map(|r| known.files.iter().find(|f| f.present && f.key == *r.key))
        .collect()
}

fn source_of(known: &Known, key: &Key, up: Option<Hash>, down: Option<Hash>) -> Result<Source> {
    let namespace = &known.namespace;
    let mut source = match up {
        Some(sha) => read_file(&sha, Direction::Up, namespace)?,
        None => Source {
            version: None,
            filename: String::new(),
            text: String::new(),
            statements: Vec::new(),
            stop: None,
            path: None,
            down: None,
            shown: true,
        },
    };
    source.version.clone_from(&key.version);
    let stored = known.stored(key);
    let filename = stored.and_then(|s| s.up_filename.clone().or(s.down_filename.clone()));
    source.filename = filename.unwrap_or_else(|| key.label());
    if key.kind == FileKind::Versioned {
        source.down = Some(read_down(down, namespace)?);
    }
    Ok(source)
}

pub fn sources(known: &Known, version: Option<&Version>, name: &str) -> Result<Vec<Source>> {
    let of = |file: &File| {
        let (up, down) = (file.up.map(|t| t.sha), file.down.map(|t| t.sha));
        source_of(known, &file.key, up, down)
    };
    let Some(version) = version else {
        return pending(known, None).into_iter().map(of).collect();
    };
    let set = Set::new(&known.files, &known.applied);
    if !set.knows(version) {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("version \"{version}\" is not known in namespace \"{name}\""),
        )
        .hint(ask::command(
            name,
            "SELECT * FROM strata.migrate_status",
            &[],
        )));
    }
    let before = pending(known, Some(version));
    let is_it = |f: &&File| f.key.version.as_ref() == Some(version);
    if before.iter().any(is_it) {
        let mut all: Vec<Source> = before.into_iter().map(of).collect::<Result<_>>()?;
        for source in &mut all {
            source.shown = source.version.as_ref() == Some(version);
        }
        return Ok(all);
    }
    // applied: the text that ran
    let versioned = |kind| matches!(kind, FileKind::Versioned | FileKind::Baseline);
    if let Some(row) = set.done.get(version) {
        let up = row.up.map(|t| t.sha);
        return Ok(vec![source_of(known, &row.key, up, row.down_sha)?]);
    }
    let mut files = known.files.iter();
    let file = files.find(|f| versioned(f.key.kind) && is_it(f));
    file.into_iter().map(of).collect()
}

pub fn of_body(body: &str) -> Result<Source> {
    let mut lines = Lines::new(body);
    let (statements, stop) = read(body, |at| lines.at(at).line)?;
    if let Some(stop) = stop {
        let place = Lines::of(body, stop.at);
        let (line, column) = (place.line, place.column);
        return Err(stop
            .error
            .detail(format!("At line {line}, column {column}.")));
    }
    Ok(Source {
        version: None,
        filename: String::new(),
        text: body.to_owned(),
        statements,
        stop: None,
        path: None,
        down: None,
        shown: true,
    })
}
