//! Where a run stands, for errors: file, statement, line and column.

use super::include::{Origin, Origins};
use super::locks;
use super::position::{Lines, Position};
use super::text::Script;
use super::vars::Filled;
use crate::error::Result;
use crate::pg::whole_error::{At, Place, WholeError};
use crate::pg::{lock_watch, run_copy};
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// A longer statement is not shown with its error, in bytes.
const SHOWN_BYTES: usize = 65_536;

/// The statement that is being run.
#[derive(Debug, Clone, Default)]
pub struct Now {
    /// from 1; 0: none yet
    pub statement: i32,
    pub tag: String,
    /// bytes of the filled section that the server was given
    pub piece: Range<usize>,
    /// its code, in the filled section
    pub code: Range<usize>,
    /// where its rows begin, for COPY
    pub rows: Option<usize>,
}

/// Looks on while statements are run.
pub trait Watcher {
    /// Runs the statement of this number by calling `work` once.
    fn around(&self, statement: i32, work: &mut dyn FnMut() -> Result<()>) -> Result<()>;
}

/// One file that is being run.
pub struct Scene<'a> {
    pub filename: &'a str,
    /// where the section begins in the file
    start: usize,
    pub filled: &'a Filled<'a>,
    /// what an error says of the call, as its DETAIL
    told: RefCell<Option<String>>,
    /// the procedure that runs files outside of the caller's transaction, for whoever is not in one already
    pub twin: Option<String>,
    is_dump: bool,
    /// the schema that it is run for
    pub tenant: Option<String>,
    pub now: RefCell<Now>,
    /// an error of what is being run does not end the file
    pub goes_on: Cell<bool>,
    /// the file is only tried
    pub watcher: Option<&'a dyn Watcher>,
    /// where lines were counted last
    lines: RefCell<Lines<'a>>,
    origins: Origins<'a>,
}

impl<'a> Scene<'a> {
    /// Before its first statement.
    pub fn new(
        filename: &'a str,
        script: &'a Script<'_>,
        filled: &'a Filled<'a>,
        told: Option<String>,
        twin: Option<String>,
    ) -> Scene<'a> {
        Scene {
            filename,
            start: script.section.start,
            filled,
            told: RefCell::new(told),
            twin,
            is_dump: script.is_dump(),
            tenant: None,
            now: RefCell::default(),
            goes_on: Cell::new(false),
            watcher: None,
            lines: RefCell::new(Lines::new(&script.body)),
            origins: Origins::of(&script.body),
        }
    }

    /// Runs something of the statement that the file is at.
    pub fn run(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(watcher) = self.watcher else {
            return work();
        };
        let statement = self.now.borrow().statement;
        let mut work = Some(work);
        watcher.around(statement, &mut || work.take().map_or(Ok(()), |work| work()))
    }

    /// What errors say of the call from now on.
    pub fn tell(&self, told: String) {
        self.told.replace(Some(told));
    }

    /// Says where an error stands that came from elsewhere, and is about the statement as it is now.
    pub fn place(&self, error: &mut WholeError) {
        let code = self.now.borrow().code.clone();
        self.now.borrow_mut().piece = code;
        self.explain(error);
    }

    /// Line and column in the file of a byte of the filled section. What is included has the line of its command.
    pub fn position(&self, at: usize) -> Position {
        let at = self.start + self.filled.original(at);
        let position = self.lines.borrow_mut().at(at);
        match self.origins.at(at) {
            None => position,
            Some(Origin { line, .. }) => Position { line, ..position },
        }
    }

    /// The statement that is being run, for the history.
    pub fn now_at(&self) -> At {
        let now = self.now.borrow();
        let place = self.position(now.code.start);
        At {
            file: self.filename.to_owned(),
            statement: now.statement,
            line: place.line,
            column: place.column,
        }
    }

    /// The included file that it stands in, and the line there.
    fn within(&self, at: usize) -> Option<(&'a str, usize)> {
        let at = self.start + self.filled.original(at);
        self.origins.at(at)?.within
    }

    /// As the CONTEXT of an error says it.
    fn context(&self, at: Option<usize>) -> String {
        let now = self.now.borrow();
        let mut text = format!("migration {}", self.filename);
        if let Some(tenant) = &self.tenant {
            text.push_str(&format!(" for schema \"{tenant}\""));
        }
        if now.statement > 0 {
            text.push_str(&format!(", statement {}", now.statement));
        }
        let within = self.within(at.unwrap_or(now.code.start));
        let rows = now.rows.and_then(|first| {
            let line = usize::try_from(run_copy::line()?).ok()?.saturating_sub(1);
            Some(match self.within(first) {
                Some((file, first)) => format!("{} of \"{file}\"", first + line),
                None => (self.position(first).line + line).to_string(),
            })
        });
        match (rows, at) {
            (Some(line), _) => text.push_str(&format!(", line {line}")),
            (None, at) if let Some((file, line)) = within => {
                text.push_str(&format!(", line {line}"));
                if let Some(at) = at {
                    text.push_str(&format!(", column {}", self.position(at).column));
                }
                text.push_str(&format!(" of \"{file}\""));
            }
            (None, Some(at)) => {
                let place = self.position(at);
                text.push_str(&format!(", line {}, column {}", place.line, place.column));
            }
            (None, None) => {
                text.push_str(&format!(", line {}", self.position(now.code.start).line));
            }
        }
        if !now.tag.is_empty() {
            text.push_str(&format!(": {}", now.tag));
        }
        text
    }

    /// The byte of the filled section that an error of the server is about.
    fn place_of(&self, error: &WholeError) -> Option<usize> {
        let n = usize::try_from(error.position).ok().filter(|n| *n > 0)?;
        let now = self.now.borrow();
        let piece = self.filled.text.get(now.piece.clone())?;
        Some(now.piece.start + crate::pg::parse::byte_of(piece, n - 1))
    }
}

impl Place for Scene<'_> {
    fn explain(&self, error: &mut WholeError) {
        let at = self.place_of(error);
        error.at.get_or_insert_with(|| self.now_at());
        if let Some(at) = at {
            // the position counts in what the server was given, which the client has never seen
            error.position = 0;
            let code = self.now.borrow().code.clone();
            let shown = self.filled.text.get(code.clone());
            if let Some(sql) = shown.filter(|s| s.len() <= SHOWN_BYTES && code.contains(&at)) {
                let before = self.filled.text.get(code.start..at).unwrap_or_default();
                error.internal_position = before.chars().count() as i32 + 1;
                error.internal_query = Some(sql.to_owned());
            }
        }
        let context = self.context(at);
        error.context = Some(match error.context.take() {
            Some(inner) => format!("{inner}\n{context}"),
            None => context,
        });
        if error.sqlstate == "55P03" {
            let holders = lock_watch::holders();
            if !holders.is_empty() {
                let told = locks::held_by(&holders);
                error.detail = Some(match error.detail.take() {
                    Some(detail) => format!("{detail}\n{told}"),
                    None => told,
                });
                error.hint.get_or_insert_with(|| locks::who(&holders));
            }
        }
        let told = self.told.borrow().clone();
        if let Some(told) = told.filter(|_| !self.goes_on.get()) {
            error.detail = Some(match error.detail.take() {
                Some(detail) => format!("{detail}\n{told}"),
                None => told,
            });
        }
        // the server's own hint for new values of enums does not know what runs
        if error.hint.is_none() || error.sqlstate == "55P04" {
            error.hint = hint(error, self.twin.as_deref(), self.is_dump);
        }
    }
}

/// What became of a call in one transaction that failed, behind so many files; `among`: of several schemas.
pub fn undone(before: usize, among: bool) -> String {
    if among {
        return "Nothing was changed: what this call did for other schemas was rolled back as well."
            .to_owned();
    }
    match before {
        0 => "Nothing was changed.".to_owned(),
        1 => {
            "Nothing was changed: the earlier file of this call was rolled back as well.".to_owned()
        }
        n => format!(
            "Nothing was changed: the {n} earlier files of this call were rolled back as well."
        ),
    }
}

/// What helps with errors that migrations are known for.
fn hint(error: &WholeError, twin: Option<&str>, dump: bool) -> Option<String> {
    Some(match (error.sqlstate.as_str(), twin) {
        ("25001" | "2D000", Some(twin)) => {
            format!("{twin} runs such statements, each file in a transaction of its own.")
        }
        ("55P04", Some(twin)) => {
            format!("A new value of an enum can be used when it is committed: {twin} commits each file.")
        }
        ("55P04", None) => {
            "A new value of an enum can be used when it is committed: add it in a file of its own, before this one.".to_owned()
        }
        ("23505", _) if dump => {
            "The dump may hold rows that earlier files insert: leave out that table (pg_dump --exclude-table-data), or make the dump with --inserts --on-conflict-do-nothing.".to_owned()
        }
        ("42710", _) if error.message.starts_with("role ") => {
            "Roles belong to all databases of the server. existing_roles => 'skip' passes over those that exist.".to_owned()
        }
        _ => return None,
    })
}
