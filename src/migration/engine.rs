//! Runs the statements of one file, as whom and with which settings the caller has set up.
//!
//! In a function all of it is one part, of the caller's transaction. In a procedure a part ends where the file commits and
//! at a statement that no transaction takes; the caller commits it and comes back.

use super::ask::Mode;
use super::call;
use super::header::OnError;
use super::inspect::code;
use super::lock_table;
use super::locks;
use super::register::STRINGS;
use super::scene::{Now, Scene};
use super::segments::{PIECE_BYTES, SegmentKind, Segments};
use super::settle;
use super::token::Strings;
use crate::error::Result;
use crate::pg::leftovers::Leftovers;
use crate::pg::owner::SettingScope;
use crate::pg::parse::Parsed;
use crate::pg::parse_kind::{Copy, Kind as Does};
use crate::pg::savepoint::{Savepoints, with_savepoints};
use crate::pg::subxact::Caught;
use crate::pg::whole_error::{WholeError, watched};
use crate::pg::{lock_watch, session};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Range;

/// How a file is run.
#[derive(Debug, Clone)]
pub struct Rules {
    pub mode: Mode,
    pub on_error: OnError,
    /// in functions
    pub outside: call::Outside,
    /// roles that exist are passed over
    pub skip_roles: bool,
    /// nothing that the file has put off may be left for the end of the transaction
    pub confined: bool,
    /// the text begins like a dump: settings that this server does not know are passed over
    pub is_dump: bool,
    /// each statement that stands in no block is committed by itself; only in procedures
    pub alone: bool,
    /// so many statements were run before
    pub skip: i32,
    /// numbers of statements that have turned out to be none for a transaction; only in procedures
    pub by_itself: BTreeSet<i32>,
}

/// What running a file did.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    pub statements: i32,
    /// with [`OnError::Continue`]
    pub errors: Vec<Value>,
    pub notes: Vec<String>,
    /// to be run when the transaction is committed
    pub deferred: Vec<Deferred>,
}

/// A statement that was put off.
#[derive(Debug, Clone)]
pub struct Deferred {
    pub statement: i32,
    pub line: usize,
    pub sql: String,
    pub tag: String,
    pub role: String,
    pub settings: Value,
}

/// Where a part ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    End,
    /// what was done is to be committed
    Commit,
    /// the same, and then this statement is to be run outside of any transaction
    Outside {
        sql: String,
        tag: String,
    },
}

/// A piece of the text whose statements are being run.
struct Piece {
    parsed: Parsed,
    next: usize,
    range: Range<usize>,
}

/// Somebody who looks at each statement just before it runs.
pub trait Watch {
    /// Statement `n` of a piece; its error ends the run.
    fn before(&self, parsed: &Parsed, n: usize) -> Result<()>;
}

/// One file on its way.
pub struct Engine<'a, 't> {
    pub(super) watch: Option<&'a dyn Watch>,
    pub(super) scene: &'a Scene<'t>,
    pub(super) rules: Rules,
    pub(super) before: &'a Leftovers,
    segments: Segments<'a>,
    piece: Option<Piece>,
    /// a COPY that waits for its rows
    copy: Option<(Parsed, usize)>,
    pub ran: Ran,
    /// rows may have been changed since constraints were looked at
    pub(super) wrote: bool,
    /// code of users may have been called, or cursors made
    pub(super) called: bool,
    /// between BEGIN and COMMIT of the file
    pub(super) in_block: bool,
    /// where the last statement ended that was done, in the filled section
    pub done_end: usize,
}

/// What the file has prepared ends with it, also when it fails.
impl Drop for Engine<'_, '_> {
    fn drop(&mut self) {
        self.before.drop_prepared();
    }
}

/// Runs all of a file in the caller's transaction; errors are raised, with their place. What is in the session stays as
/// it was `before`.
pub fn run(scene: &Scene<'_>, rules: Rules, before: &Leftovers) -> Result<Ran> {
    let mut engine = Engine::new(scene, rules, before);
    with_savepoints(|savepoints| engine.part(savepoints))?;
    Ok(std::mem::take(&mut engine.ran))
}

impl<'a, 't> Engine<'a, 't> {
    #[must_use]
    pub fn new(scene: &'a Scene<'t>, rules: Rules, before: &'a Leftovers) -> Engine<'a, 't> {
        let confined = rules.confined;
        Engine {
            watch: None,
            segments: Segments::new(&scene.filled.text, STRINGS, PIECE_BYTES),
            scene,
            rules,
            before,
            piece: None,
            copy: None,
            ran: Ran::default(),
            wrote: confined,
            called: confined,
            in_block: false,
            done_end: 0,
        }
    }

    /// Runs the next part. What is behind a COMMIT that ends the file is no part any more.
    pub fn part(&mut self, savepoints: &Savepoints) -> Result<Stop> {
        let _guest = self.before.guest();
        loop {
            if let Some(stop) = self.rest_of_piece(savepoints)? {
                return Ok(stop);
            }
            let Some(segment) = self.segments.next() else {
                break;
            };
            let segment = segment?;
            match segment.kind {
                SegmentKind::Sql { strings, .. } => {
                    self.piece = Some(self.parse(segment.range, strings)?);
                }
                SegmentKind::Copy { data } => {
                    if let Some((parsed, n)) = self.copy.take() {
                        self.rows(&parsed, n, data)?;
                    }
                }
                SegmentKind::Command {
                    name, arguments, ..
                } => self.command(name, arguments)?,
            }
        }
        savepoints.release_all();
        self.constraints("end of the file")?;
        // a function looks once, at the end of all files
        if self.rules.mode == Mode::Call {
            lock_table::warn(None)?;
            locks::still_held()?;
            self.before.restore_locks()?;
        }
        // temporary objects come from definitions as well
        match self.called {
            true => self.before.restore()?,
            false => self.before.drop_temporary()?,
        }
        Ok(Stop::End)
    }

    /// True where an error of a statement does not end the file.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.rules.on_error == OnError::Continue
    }

    /// True while statements are passed over that were run before.
    pub(super) fn skips(&self) -> bool {
        self.ran.statements <= self.rules.skip
    }

    fn parse(&self, range: Range<usize>, strings: Strings) -> Result<Piece> {
        let sql = self.scene.filled.text.get(range.clone());
        // what is passed over is read as it was, not with the settings of what follows
        let settings = SettingScope::new();
        if self.ran.statements < self.rules.skip {
            let on = if strings == Strings::Standard {
                "on"
            } else {
                "off"
            };
            settings.set("standard_conforming_strings", on);
        }
        self.scene.now.replace(Now {
            statement: 0,
            piece: range.clone(),
            code: range.clone(),
            ..Now::default()
        });
        let parsed = watched(self.scene, || Parsed::of(sql.unwrap_or_default()))?;
        Ok(Piece {
            parsed,
            next: 0,
            range,
        })
    }

    /// Runs what is left of the piece; a COPY that waits for its rows is kept.
    fn rest_of_piece(&mut self, savepoints: &Savepoints) -> Result<Option<Stop>> {
        let Some(mut piece) = self.piece.take() else {
            return Ok(None);
        };
        let text: &str = &self.scene.filled.text;
        while let Some(statement) = piece.parsed.statements.get(piece.next) {
            let n = piece.next;
            piece.next += 1;
            self.ran.statements += 1;
            let code = code(text, piece.range.start, &statement.range);
            let end = code.end;
            lock_watch::forget();
            self.scene.now.replace(Now {
                statement: self.ran.statements,
                tag: statement.tag.clone(),
                piece: piece.range.clone(),
                code,
                rows: None,
            });
            if let Some(watch) = self.watch {
                watch.before(&piece.parsed, n)?;
            }
            // the cutter ends a piece behind it
            if statement.kind == Does::Copy(Copy::FromText) {
                self.copy = Some((piece.parsed, n));
                return Ok(None);
            }
            let stop = self.statement(&piece.parsed, n, savepoints)?;
            self.done_end = match stop {
                Some(Stop::Outside { .. }) => self.done_end,
                _ => end,
            };
            if stop.is_some() {
                self.piece = Some(piece);
                return Ok(stop);
            }
        }
        Ok(None)
    }

    fn rows(&mut self, parsed: &Parsed, n: usize, data: Range<usize>) -> Result<()> {
        let end = data.end;
        if !self.skips() {
            self.scene.now.borrow_mut().rows = Some(data.start);
            (self.wrote, self.called) = (true, true);
            let text: &str = &self.scene.filled.text;
            let rows = text.get(data).unwrap_or_default();
            self.guarded(|| parsed.copy(n, rows).map(drop))?;
        }
        self.done_end = end;
        Ok(())
    }

    /// The end of a part before the end of the file: what a commit would check, and run.
    pub(super) fn before_commit(&mut self, savepoints: &Savepoints, what: &str) -> Result<()> {
        savepoints.release_all();
        self.constraints(what)?;
        match self.called || self.rules.confined {
            true => self.before.close_cursors(),
            false => Ok(()),
        }
    }

    /// Checks constraints that were put off, as a commit would.
    pub(super) fn constraints(&mut self, what: &str) -> Result<()> {
        let confined = self.rules.confined;
        if std::mem::take(&mut self.wrote) || confined {
            let tag = std::mem::replace(&mut self.scene.now.borrow_mut().tag, what.to_owned());
            // to go on would be of no use: the commit would check them again
            watched(self.scene, || settle::constraints(confined))?;
            self.scene.now.borrow_mut().tag = tag;
        }
        Ok(())
    }
}

/// An error as the history keeps it. `whole`: with all that it carried, where that is known.
pub fn described(scene: &Scene<'_>, caught: &Caught, whole: Option<&WholeError>) -> Value {
    // of a hook, where one has failed
    let at = whole.and_then(|w| w.at.clone());
    let at = at.unwrap_or_else(|| scene.now_at());
    let sqlstate = match whole {
        Some(whole) => whole.sqlstate.clone(),
        None => session::unpack_sqlstate(caught.code as i32),
    };
    json!({
        "sqlstate": sqlstate,
        "message": caught.message,
        "detail": whole.and_then(|w| w.detail.as_ref()).or(caught.detail.as_ref()),
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "statement": at.statement,
        "context": whole.and_then(|w| w.context.as_ref()),
    })
}
